/*
 * crypto/ops.h - the table of primitives that pure code takes, and nothing else.
 *
 * merkle, the ledger's codecs and liblxverify never call a crypto library: they get this table.
 * The daemon and lx use lx_crypto_ops() (libb2, libsecp256k1); bare metal fills its own.
 * Freestanding. Threads: the functions must be pure and callable from any thread.
 */
#ifndef LX_CRYPTO_OPS_H
#define LX_CRYPTO_OPS_H

#include "base/hash.h"

#define LX_TAG_LEN 16    /* bytes of a BLAKE2b personalisation, zero-padded */
#define LX_PUBKEY_LEN 32 /* x-only, BIP 340 */
#define LX_SIG_LEN 64    /* BIP 340 */

/*
 * A domain tag: the text, at most LX_TAG_LEN bytes, padded with zeros. All are listed in
 * doc/crypto.md; write LX_TAG_LEAF, not "lx.leaf", in code.
 */
struct lx_tag {
        char text[LX_TAG_LEN];
};

struct lx_pubkey {
        uint8_t b[LX_PUBKEY_LEN];
};

struct lx_sig {
        uint8_t b[LX_SIG_LEN];
};

struct lx_hash_ops {
        /* @out = BLAKE2b-256, personalised by @tag, of the @count parts one after the other. */
        void (*hash)(void *ctx, const struct lx_tag *tag, const struct lx_span *parts, size_t count,
            struct lx_hash *out);
        /* Optional (may be NULL): @count independent hashes of two hashes each (interior nodes). */
        void (*hash_pairs)(void *ctx, const struct lx_tag *tag, const struct lx_hash *in,
            size_t count, struct lx_hash *out);
        void *ctx;
};

struct lx_sig_ops {
        /* Whether @sig is @key's BIP 340 signature of the 32-byte message @msg. */
        bool (*verify)(void *ctx, const struct lx_pubkey *key, const struct lx_hash *msg,
            const struct lx_sig *sig);
        /* Optional (may be NULL: aggregates are refused): whether the @agg_len bytes at @agg are the
         * half-aggregate (crypto/halfagg.h) of valid signatures of all @count @keys over @msg. */
        bool (*verify_half)(void *ctx, const struct lx_pubkey *keys, size_t count,
            const struct lx_hash *msg, const uint8_t *agg, size_t agg_len);
        void *ctx;
};

struct lx_crypto_ops {
        struct lx_hash_ops hash;
        struct lx_sig_ops sig;
};

/** @out = hash of one part. */
static inline void
lx_hash1(const struct lx_hash_ops *ops, const struct lx_tag *tag, const void *p, size_t len,
    struct lx_hash *out)
{
        struct lx_span part = LX_SPAN(p, len);

        ops->hash(ops->ctx, tag, &part, 1, out);
}

/** @out = hash of two hashes, as interior nodes are made. */
static inline void
lx_hash_pair(const struct lx_hash_ops *ops, const struct lx_tag *tag, const struct lx_hash *left,
    const struct lx_hash *right, struct lx_hash *out)
{
        struct lx_span parts[2] = {LX_SPAN(left->b, LX_HASH_LEN), LX_SPAN(right->b, LX_HASH_LEN)};

        ops->hash(ops->ctx, tag, parts, 2, out);
}

#endif
