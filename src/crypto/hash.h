/*
 * crypto/hash.h - BLAKE2b-256 by libb2, many-lane BLAKE2b of pages, SHA-256 by libcrypto.
 *
 * BLAKE2b is RFC 7693 with the `personal` parameter. lx_blake2b_pages is ours: 4 (AVX2) or 8
 * (AVX-512) independent pages at once, chosen at run time, portable fallback over libb2; all
 * equal to libb2. Threads: pure.
 */
#ifndef LX_CRYPTO_HASH_H
#define LX_CRYPTO_HASH_H

#include "crypto/ops.h"

#define LX_PAGE_LEN 4096 /* bytes of a page of a file tree */

/** The project's table over libb2 and libsecp256k1. Static, immutable. */
const struct lx_crypto_ops *lx_crypto_ops(void);

/** @out = personalised BLAKE2b-256 of one part. */
void lx_blake2b(const struct lx_tag *tag, const void *p, size_t len, struct lx_hash *out);

/** @out = personalised BLAKE2b-256 keyed with @key (at most 64 bytes, secret) of @len bytes. */
void lx_blake2b_keyed(const struct lx_tag *tag, const uint8_t *key, size_t key_len, const void *p,
    size_t len, struct lx_hash *out);

/** Plain BLAKE2b-512 without personalisation (for published vectors): key may be NULL. */
void lx_blake2b_512(const uint8_t *key, size_t key_len, const void *p, size_t len, uint8_t out[64]);

/**
 * Hash @count pages of LX_PAGE_LEN bytes, one after the other at @pages, each on its own as
 * lx_blake2b(@tag) would, into @out[0..count).
 */
void
lx_blake2b_pages(const struct lx_tag *tag, const uint8_t *pages, size_t count, struct lx_hash *out);

/* The implementations of lx_blake2b_pages and hash_pairs that this machine can run. */
enum lx_lanes { LX_LANES_PORTABLE, LX_LANES_AVX2, LX_LANES_AVX512 };

/** The one in use. */
enum lx_lanes lx_blake2b_lanes(void);
/** Its name. */
const char *lx_lanes_name(enum lx_lanes lanes);
/** For tests and benches: lx_blake2b_pages by a given implementation; false: not on this CPU. */
bool lx_blake2b_pages_by(enum lx_lanes lanes, const struct lx_tag *tag, const uint8_t *pages,
    size_t count, struct lx_hash *out);

/** @out = SHA-256 of @len bytes. */
void lx_sha256(const void *p, size_t len, uint8_t out[32]);

/* SHA-256 in steps. */
struct lx_sha256;
/** A new computation; free it with lx_sha256_free. */
struct lx_sha256 *lx_sha256_new(void);
/** Free; NULL is fine. */
void lx_sha256_free(struct lx_sha256 *sha);
/** Start again. */
void lx_sha256_reset(struct lx_sha256 *sha);
/** Add bytes. */
void lx_sha256_update(struct lx_sha256 *sha, const void *p, size_t len);
/** The digest; afterwards only reset or free. */
void lx_sha256_final(struct lx_sha256 *sha, uint8_t out[32]);

#endif
