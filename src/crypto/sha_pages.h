/*
 * crypto/sha_pages.h - SHA-256 of a file and of each of its pages (for fs-verity) in one pass.
 *
 * Both hash the same 64-byte blocks, so the message schedule of a block is computed once, and the two
 * chains of rounds, each of which would wait for itself most of the time, run side by side. Chosen at
 * run time where the CPU has SHA instructions; elsewhere it is libcrypto twice. Always equal to
 * libcrypto's lx_sha256. Spec: FIPS 180-4. Threads: an object belongs to one thread.
 */
#ifndef LX_CRYPTO_SHA_PAGES_H
#define LX_CRYPTO_SHA_PAGES_H

#include "base/hash.h"

struct lx_sha_pages;

/** A new computation. */
struct lx_sha_pages *lx_sha_pages_new(void);
/** Free it; NULL is fine. */
void lx_sha_pages_free(struct lx_sha_pages *sha);
/** @count whole pages of LX_PAGE_LEN bytes, the next of the file; their digests to @out. */
void lx_sha_pages_update(
    struct lx_sha_pages *sha, const uint8_t *pages, size_t count, struct lx_hash *out);
/** The last @len bytes of the file (less than a page, may be 0), and the digest of all of it. */
void
lx_sha_pages_final(struct lx_sha_pages *sha, const uint8_t *rest, size_t len, struct lx_hash *out);

/** Whether this CPU does both at once. */
bool lx_sha_pages_is_fast(void);
/** Go by libcrypto from the start, whatever the CPU has (tests). */
void lx_sha_pages_force_plain(struct lx_sha_pages *sha);

#endif
