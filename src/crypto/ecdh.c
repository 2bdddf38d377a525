/* crypto/ecdh.c - see crypto/ecdh.h. */
#include "config.h"
#include "crypto/ecdh.h"

#include "crypto/ctime.h"
#include "crypto/secret.h"

#include <secp256k1.h>
#include <secp256k1_ecdh.h>
#include <string.h>

enum { EVEN = 2 };

enum lx_err
lx_ecdh_point(const uint8_t sec[LX_SECKEY_LEN], struct lx_point *out_point)
{
        secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
        secp256k1_pubkey pub;
        size_t len = LX_POINT_LEN;
        int made = secp256k1_ec_pubkey_create(ctx, &pub, sec);

        lx_declassify(&made, sizeof(made)); /* whether it is a scalar; the point is public */
        if (made) {
                (void)secp256k1_ec_pubkey_serialize(
                    ctx, out_point->b, &len, &pub, SECP256K1_EC_COMPRESSED);
                lx_declassify(out_point->b, LX_POINT_LEN);
        }
        secp256k1_context_destroy(ctx);
        return made ? LX_OK : LX_ERR_RANGE;
}

enum lx_err
lx_ecdh(const uint8_t sec[LX_SECKEY_LEN], const struct lx_point *point, uint8_t out[32])
{
        const secp256k1_context *ctx = secp256k1_context_static;
        secp256k1_pubkey pub;
        int ok = secp256k1_ec_pubkey_parse(ctx, &pub, point->b, LX_POINT_LEN);

        lx_declassify(&ok, sizeof(ok));
        if (!ok)
                return LX_ERR_FORMAT;
        /* NULL: the library's own hash function is SHA-256 of the compressed point. */
        ok = secp256k1_ecdh(ctx, out, &pub, sec, NULL, NULL);
        lx_declassify(&ok, sizeof(ok));
        return ok ? LX_OK : LX_ERR_RANGE;
}

enum lx_err
lx_ecdh_even(const uint8_t sec[LX_SECKEY_LEN], uint8_t out[LX_SECKEY_LEN])
{
        struct lx_point point;
        enum lx_err err = lx_ecdh_point(sec, &point);
        int ok = 1;

        if (err != LX_OK)
                return err;
        memmove(out, sec, LX_SECKEY_LEN);
        if (point.b[0] != EVEN) /* a point is public */
                ok = secp256k1_ec_seckey_negate(secp256k1_context_static, out);
        lx_declassify(&ok, sizeof(ok));
        return ok ? LX_OK : LX_ERR_RANGE;
}

struct lx_point
lx_ecdh_of_key(const struct lx_pubkey *key)
{
        struct lx_point point = {.b = {EVEN}};

        memcpy(point.b + 1, key->b, sizeof(key->b));
        return point;
}

bool
lx_ecdh_to_key(const struct lx_point *point, struct lx_pubkey *out_key)
{
        if (point->b[0] != EVEN)
                return false;
        memcpy(out_key->b, point->b + 1, sizeof(out_key->b));
        return true;
}
