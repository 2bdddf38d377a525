/* crypto/secret.c - see crypto/secret.h. */
#include "config.h"
#include "crypto/secret.h"

#include <sodium.h>

enum lx_err
lx_crypto_init(void)
{
        return sodium_init() >= 0 ? LX_OK : LX_ERR_IO;
}

enum lx_err
lx_secret_init(struct lx_secret *secret, size_t len)
{
        uint8_t *p = sodium_malloc(len != 0 ? len : 1);

        if (p == NULL)
                return LX_ERR_NOMEM;
        sodium_memzero(p, len);
        *secret = (struct lx_secret){.p = p, .len = len};
        return LX_OK;
}

void
lx_secret_clear(struct lx_secret *secret)
{
        sodium_free(secret->p);
        *secret = (struct lx_secret){0};
}

void
lx_wipe(void *p, size_t len)
{
        sodium_memzero(p, len);
}

bool
lx_ct_equal(const void *a, const void *b, size_t len)
{
        return sodium_memcmp(a, b, len) == 0; /* public */
}

void
lx_random(void *out, size_t len)
{
        randombytes_buf(out, len);
}

bool
lx_kdf_is_allowed(const struct lx_kdf *kdf)
{
        return kdf->mem_kib >= LX_KDF_FLOOR_MEM_KIB && kdf->mem_kib <= LX_KDF_MAX_MEM_KIB &&
               kdf->passes >= LX_KDF_FLOOR_PASSES && kdf->passes <= LX_KDF_MAX_PASSES &&
               kdf->lanes == 1;
}

enum lx_err
lx_kdf_derive(const struct lx_kdf *kdf, const uint8_t *pass, size_t pass_len,
    const uint8_t salt[LX_KDF_SALT_LEN], uint8_t *out, size_t out_len)
{
        if (!lx_kdf_is_allowed(kdf) || out_len < 16 || out_len > 1024)
                return LX_ERR_RANGE;
        if (crypto_pwhash(out, out_len, (const char *)pass, pass_len, salt, kdf->passes,
                (size_t)kdf->mem_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0)
                return LX_ERR_NOMEM;
        return LX_OK;
}
