/*
 * ledger/cert.h - certificates: the precommits of more than two thirds of the power for a header.
 *
 * Bytes: u32 round, bitmap, signatures (sigchain/valset.h). Signed is H(lx.vote, u8 type 2
 * (precommit), chain id, u64 height, u32 round, header hash). Certificates are in no hash; any
 * valid one serves. The header of height 0 has none: its hash follows from the genesis document.
 * Freestanding, no heap. Threads: pure. Spec: doc/header.md.
 */
#ifndef LX_LEDGER_CERT_H
#define LX_LEDGER_CERT_H

#include "ledger/header.h"
#include "sigchain/valset.h"

#define LEDGER_CERT_MAX (4 + 16 + SIGCHAIN_VALIDATORS_MAX * LX_SIG_LEN)

enum ledger_vote { LEDGER_VOTE_PREVOTE = 1, LEDGER_VOTE_PRECOMMIT = 2, LEDGER_VOTE_PROPOSAL = 3 };

/** What a validator signs. */
void ledger_vote_message(const struct lx_hash_ops *ops, enum ledger_vote type,
    const struct lx_hash *chain_id, uint64_t height, uint32_t round, const struct lx_hash *header,
    struct lx_hash *out);

/**
 * Verify that more than two thirds of @set, whose encoded bytes hash to header->valset, signed.
 * Returns LX_OK, LX_ERR_PROOF (another set, too little power), LX_ERR_SIGNATURE, or what decoding
 * says.
 */
LX_MUST_CHECK enum lx_err ledger_cert_verify(const struct lx_crypto_ops *ops,
    const struct ledger_header *header, const struct sigchain_valset *set, const uint8_t *cert,
    size_t cert_len);

/* What a light client trusts: a height, its header's hash, and the set that acts after it. */
struct ledger_trust {
        struct lx_hash chain_id;
        uint64_t height;
        struct lx_hash header;      /* hash */
        struct lx_hash next_valset; /* hash */
        uint64_t time_ms;           /* of that header */
};

/**
 * The skip rule (DESIGN of the light client, doc/header.md): from @trust, whose next set is
 * @trusted_set, to @header signed by @set (may be the same). Accepted when (a) more than 2/3 of
 * @trusted_set signed, or (b) more than 2/3 of @set and more than 1/3 of @trusted_set. The next
 * height needs header->valset == trust->next_valset.
 * Returns LX_OK, LX_ERR_UNTRUSTED (fetch headers of the set changes between), LX_ERR_PROOF,
 * LX_ERR_SIGNATURE, LX_ERR_EXPIRED (@now_ms is past the trusting period of @trust_ms), LX_ERR_RANGE
 * (not above the trusted height).
 */
LX_MUST_CHECK enum lx_err ledger_cert_skip(const struct lx_crypto_ops *ops,
    const struct ledger_trust *trust, const struct sigchain_valset *trusted_set,
    const struct ledger_header *header, const struct sigchain_valset *set, const uint8_t *cert,
    size_t cert_len, uint64_t now_ms, uint64_t trust_ms);

#endif
