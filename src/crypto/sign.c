/* crypto/sign.c - see crypto/sign.h. */
#include "config.h"
#include "crypto/sign.h"

#include "crypto/ctime.h"

#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>
#include <string.h>

/*
 * The library's static context is enough for verifying; deriving keys and signing need a created
 * one. It is made for each call: 1 us beside the 25 us of a signature, and nothing global.
 */
static secp256k1_context *
new_context(void)
{
        return secp256k1_context_create(SECP256K1_CONTEXT_NONE);
}

/* Whether @sec is a scalar may be known: it is, but for one in 2^128. */
static enum lx_err
load_keypair(const secp256k1_context *ctx, const uint8_t *sec, secp256k1_keypair *out_pair)
{
        int ok = secp256k1_keypair_create(ctx, out_pair, sec);

        lx_declassify(&ok, sizeof(ok));
        return ok ? LX_OK : LX_ERR_RANGE;
}

enum lx_err
lx_sign_pubkey(const uint8_t sec[LX_SECKEY_LEN], struct lx_pubkey *out_key)
{
        secp256k1_context *ctx = new_context();
        secp256k1_keypair pair;
        secp256k1_xonly_pubkey pub;
        enum lx_err err = load_keypair(ctx, sec, &pair);
        int ok = 1;

        if (err == LX_OK)
                ok = secp256k1_keypair_xonly_pub(ctx, &pub, NULL, &pair) &
                     secp256k1_xonly_pubkey_serialize(ctx, out_key->b, &pub);
        lx_declassify(&ok, sizeof(ok));
        explicit_bzero(&pair, sizeof(pair));
        secp256k1_context_destroy(ctx);
        return ok ? err : LX_ERR_RANGE;
}

enum lx_err
lx_sign(const uint8_t sec[LX_SECKEY_LEN], const struct lx_hash *msg, const uint8_t aux[32],
    struct lx_sig *out_sig)
{
        secp256k1_context *ctx = new_context();
        secp256k1_keypair pair;
        enum lx_err err = load_keypair(ctx, sec, &pair);
        int ok = 1;

        if (err == LX_OK)
                ok = secp256k1_schnorrsig_sign32(ctx, out_sig->b, msg->b, &pair, aux);
        lx_declassify(&ok, sizeof(ok));
        explicit_bzero(&pair, sizeof(pair));
        secp256k1_context_destroy(ctx);
        return ok ? err : LX_ERR_RANGE;
}

bool
lx_verify_any(
    const struct lx_pubkey *key, const void *msg, size_t msg_len, const struct lx_sig *sig)
{
        secp256k1_xonly_pubkey pub;

        return secp256k1_xonly_pubkey_parse(secp256k1_context_static, &pub, key->b) &&
               secp256k1_schnorrsig_verify(secp256k1_context_static, sig->b, msg, msg_len, &pub);
}

bool
lx_verify(const struct lx_pubkey *key, const struct lx_hash *msg, const struct lx_sig *sig)
{
        return lx_verify_any(key, msg->b, LX_HASH_LEN, sig);
}
