/*
 * crypto/sign.h - BIP 340 signatures by libsecp256k1.
 *
 * Secret keys live in struct lx_secret memory (crypto/secret.h) and are wiped by their owner.
 * Signing takes auxiliary randomness as BIP 340 asks. Threads: pure (one static context).
 */
#ifndef LX_CRYPTO_SIGN_H
#define LX_CRYPTO_SIGN_H

#include "base/err.h"
#include "crypto/ops.h"

#define LX_SECKEY_LEN 32

/** The x-only public key of secret scalar @sec; LX_ERR_RANGE when it is 0 or too large. */
LX_MUST_CHECK enum lx_err
lx_sign_pubkey(const uint8_t sec[LX_SECKEY_LEN], struct lx_pubkey *out_key);

/** Sign the 32-byte @msg; @aux: 32 random bytes, or NULL for zeros. LX_ERR_RANGE: bad key. */
LX_MUST_CHECK enum lx_err lx_sign(const uint8_t sec[LX_SECKEY_LEN], const struct lx_hash *msg,
    const uint8_t aux[32], struct lx_sig *out_sig);

/** Whether @sig is @key's signature of @msg. */
bool lx_verify(const struct lx_pubkey *key, const struct lx_hash *msg, const struct lx_sig *sig);

/** Whether @sig is @key's signature of a message of any length (published vectors). */
bool lx_verify_any(
    const struct lx_pubkey *key, const void *msg, size_t msg_len, const struct lx_sig *sig);

#endif
