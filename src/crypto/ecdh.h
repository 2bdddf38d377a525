/*
 * crypto/ecdh.h - Diffie-Hellman on secp256k1, by libsecp256k1, in the form of BOLT 8.
 *
 * A point travels compressed: 33 bytes, 02 or 03 for an even or odd y, then x. Node keys are x-only
 * as everywhere in the ledger (the point with the even y; lx_ecdh_even turns a secret round so that
 * its point is that one). Threads: pure.
 */
#ifndef LX_CRYPTO_ECDH_H
#define LX_CRYPTO_ECDH_H

#include "base/err.h"
#include "crypto/ops.h"
#include "crypto/sign.h"

#define LX_POINT_LEN 33

struct lx_point {
        uint8_t b[LX_POINT_LEN];
};

/** The point of secret scalar @sec; LX_ERR_RANGE when it is 0 or too large. */
LX_MUST_CHECK enum lx_err
lx_ecdh_point(const uint8_t sec[LX_SECKEY_LEN], struct lx_point *out_point);
/**
 * SHA-256 of the compressed product of @sec and @point. LX_ERR_FORMAT: no point of the curve;
 * LX_ERR_RANGE: bad scalar.
 */
LX_MUST_CHECK enum lx_err
lx_ecdh(const uint8_t sec[LX_SECKEY_LEN], const struct lx_point *point, uint8_t out[32]);
/** The scalar, @sec or its negative, whose point has an even y. LX_ERR_RANGE: bad scalar. */
LX_MUST_CHECK enum lx_err
lx_ecdh_even(const uint8_t sec[LX_SECKEY_LEN], uint8_t out[LX_SECKEY_LEN]);
/** The point with an even y of x-only key @key; not checked to be on the curve. */
struct lx_point lx_ecdh_of_key(const struct lx_pubkey *key);
/** The x-only key of @point. false: its y is odd. */
bool lx_ecdh_to_key(const struct lx_point *point, struct lx_pubkey *out_key);

#endif
