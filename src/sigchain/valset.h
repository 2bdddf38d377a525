/*
 * sigchain/valset.h - validator sets, and signatures of more than two thirds of their power.
 *
 * Set: u16 count (1 to 128), each: key (32), u64 power (1 to 2^48), str8 name (printable ASCII, at
 * most 32 bytes); keys rise strictly.
 * Its hash is H(lx.valset, bytes).
 * Signatures of a set over one message: bitmap of (count + 7) / 8 bytes (bit i, most significant
 * first: validator i signed; unused bits zero), then the signatures (64 each) in that order; or, for two
 * signers and more, their half-aggregate (crypto/halfagg.h: 32 for each and 32 more), told by the length.
 * Freestanding, no heap. Threads: pure. Spec: doc/header.md.
 */
#ifndef LX_SIGCHAIN_VALSET_H
#define LX_SIGCHAIN_VALSET_H

#include "base/wire.h"
#include "crypto/ops.h"

#define SIGCHAIN_VALIDATORS_MAX 128
#define SIGCHAIN_POWER_MAX (1ull << 48)
#define SIGCHAIN_VALSET_BYTES_MAX (2 + SIGCHAIN_VALIDATORS_MAX * (32 + 8 + 1 + 32))

struct sigchain_validator {
        struct lx_pubkey key;
        uint64_t power;
        struct lx_span name; /* at most 32 bytes, into the input */
};

struct sigchain_valset {
        size_t count;
        struct sigchain_validator v[SIGCHAIN_VALIDATORS_MAX];
        uint64_t total; /* power */
};

/** Write the bytes above. */
void sigchain_valset_encode(const struct sigchain_valset *set, struct lx_writer *wr);
/** Read them, to the end. */
LX_MUST_CHECK enum lx_err
sigchain_valset_decode(const uint8_t *bytes, size_t len, struct sigchain_valset *out_set);
/** The hash of the encoded bytes. */
void sigchain_valset_hash(
    const struct lx_hash_ops *ops, const uint8_t *bytes, size_t len, struct lx_hash *out);

/** Whether @power is more than two thirds of @total, exactly. */
bool sigchain_is_two_thirds(uint64_t power, uint64_t total);
/** Whether @power is more than one third of @total, exactly. */
bool sigchain_is_one_third(uint64_t power, uint64_t total);

/**
 * Verify the signatures that end @rd (bitmap and signatures) over @msg; *out_power: that of all
 * who signed (every signature must verify: LX_ERR_SIGNATURE). *out_other_power (may be NULL with
 * @other): the power that the signers have in set @other, matched by key.
 */
LX_MUST_CHECK enum lx_err sigchain_valset_verify(const struct lx_crypto_ops *ops,
    const struct sigchain_valset *set, struct lx_reader *rd, const struct lx_hash *msg,
    uint64_t *out_power, const struct sigchain_valset *other, uint64_t *out_other_power);

/** What validators sign for an update: H(lx.update, u8 op type, chain id, set hash, u64 expiry, what). */
void sigchain_update_message(const struct lx_hash_ops *ops, uint8_t op_type,
    const struct lx_hash *chain_id, const struct lx_hash *set_hash, uint64_t expiry,
    struct lx_span what, struct lx_hash *out);

#endif
