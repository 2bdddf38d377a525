/*
 * crypto/x25519.h - Diffie-Hellman on Curve25519 (RFC 7748), by libsodium.
 *
 * Secret keys are 32 random bytes in the caller's care; wipe them. Threads: pure.
 */
#ifndef LX_CRYPTO_X25519_H
#define LX_CRYPTO_X25519_H

#include "base/err.h"
#include "base/hash.h"

#define LX_X25519_LEN 32

/** The public key of @sec. */
void lx_x25519_public(const uint8_t sec[LX_X25519_LEN], uint8_t out_pub[LX_X25519_LEN]);
/** The shared secret; false: @pub is of small order and the result would be zero. */
LX_MUST_CHECK bool lx_x25519(const uint8_t sec[LX_X25519_LEN], const uint8_t pub[LX_X25519_LEN],
    uint8_t out_shared[LX_X25519_LEN]);

#endif
