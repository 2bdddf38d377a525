/*
 * ledger/evidence.h - proofs that a validator broke the rules, and what they cost it.
 *
 * Evidence is a transaction of version 2 (sigchain/tx.h): it proves itself, needs no chain, pays
 * nothing. Its evidence bytes:
 *   offset size field
 *        0    1 kind: 1 votes, 2 proposals, 3 certificates
 *        1    8 height it is about
 *   kind 1: two votes of one voter (vote.h, 115 bytes each) that convict (ledger_ballots_convict): two of one
 *           type and round, or a precommit and a later prevote that its lock forbade
 *   kind 2: u16 place of the proposer; two different proposals (348 bytes each) of one round, signed by it
 *   kind 3: hashes of two headers (32 each), then twice: u16 length, certificate (cert.h): of one round, and
 *           whoever signed both is guilty
 * Of the two the smaller bytes come first: one proof, one encoding. Signatures are checked against the
 * set that acted at the height, so a proof names culprits by key and, as no honest validator ever signs
 * such a pair, never an honest one.
 *
 * Rules: the height is at most the block's, and not older than the parameter evidence-blocks; it must name
 * at least one key that is not convicted yet. Its culprits are written as convicted (state kind
 * CONVICTED, for ever: validator-update refuses such keys) and leave the set that acts at the next
 * height; a set without validators can't be, so evidence against all of them is refused.
 * Threads: pure, but for ledger_evidence_check, which reads a view. Spec: doc/consensus.md.
 */
#ifndef LX_LEDGER_EVIDENCE_H
#define LX_LEDGER_EVIDENCE_H

#include "ledger/bft.h"
#include "ledger/ledger.h"

enum ledger_evidence_kind { LEDGER_EVIDENCE_VOTES = 1, LEDGER_EVIDENCE_PROPOSALS, LEDGER_EVIDENCE_CERTS };

/* Decoded; spans point into the input. */
struct ledger_evidence {
        enum ledger_evidence_kind kind;
        uint64_t height;
        struct ledger_ballot ballot[2];
        uint16_t proposer;
        struct ledger_proposal proposal[2];
        struct lx_hash header[2]; /* hashes */
        struct lx_span cert[2];
};

/** Write the evidence bytes, in canonical order whichever way the two come. */
void ledger_evidence_encode(const struct ledger_evidence *evidence, struct lx_writer *wr);
/** Read them, to the end; only canonical ones. */
LX_MUST_CHECK enum lx_err ledger_evidence_decode(
    const uint8_t *bytes, size_t len, struct ledger_evidence *out_evidence);
/** Append the transaction that carries it. */
void ledger_evidence_make_tx(const struct lx_hash *chain_id, const struct ledger_evidence *evidence,
    struct lx_buf *out);

/**
 * Verify it against the set that acted at its height; @out_culprits: a bit for each place in that set. LX_ERR_PROOF: it
 * convicts nobody; LX_ERR_SIGNATURE.
 */
LX_MUST_CHECK enum lx_err ledger_evidence_verify(const struct lx_crypto_ops *ops,
    const struct lx_hash *chain_id, const struct ledger_evidence *evidence,
    const struct sigchain_valset *set, uint8_t out_culprits[LEDGER_VOTERS_BYTES]);

/**
 * Whether @tx (decoded, version 2) would be applied on top of @view: LX_OK, LX_ERR_EXISTS (all its culprits
 * are convicted), LX_ERR_EXPIRED, LX_ERR_RANGE (a height to come), LX_ERR_PRUNED (the header is not here),
 * LX_ERR_RULE (another network, or nobody would be left), or what decoding and verifying say.
 */
LX_MUST_CHECK enum lx_err ledger_evidence_check(
    struct ledger_view *view, const struct sigchain_tx *tx, struct lx_why *why);

#endif
