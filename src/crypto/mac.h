/*
 * crypto/mac.h - HMAC (RFC 2104) with SHA-256, and with SHA-1 for old LISP sites, by libcrypto.
 *
 * Compare results with lx_ct_equal. Threads: pure.
 */
#ifndef LX_CRYPTO_MAC_H
#define LX_CRYPTO_MAC_H

#include "base/hash.h"

/** HMAC-SHA-256 of the @count parts one after the other. */
void lx_hmac_sha256(struct lx_span key, const struct lx_span *parts, size_t count, uint8_t out[32]);
/** HMAC-SHA-1 of them. Only where somebody else's format asks for it. */
void lx_hmac_sha1(struct lx_span key, const struct lx_span *parts, size_t count, uint8_t out[20]);

#endif
