/* crypto/aead.c - see crypto/aead.h. */
#include "config.h"
#include "crypto/aead.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/ctime.h"
#include "crypto/secret.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

struct lx_aead {
        EVP_CIPHER_CTX *ctx;
        bool seals;
};

struct lx_aead *
lx_aead_new(enum lx_aead_use use, const uint8_t key[LX_AEAD_KEY_LEN])
{
        struct lx_aead *aead = lx_alloc(sizeof(*aead));
        int ok;

        aead->ctx = EVP_CIPHER_CTX_new();
        aead->seals = use == LX_AEAD_SEAL;
        lx_assert(aead->ctx != NULL);
        ok = EVP_CipherInit_ex(aead->ctx, EVP_chacha20_poly1305(), NULL, NULL, NULL, aead->seals);
        lx_assert(ok == 1);
        lx_aead_rekey(aead, key);
        return aead;
}

void
lx_aead_free(struct lx_aead *aead)
{
        if (aead == NULL)
                return;
        EVP_CIPHER_CTX_free(aead->ctx); /* wipes */
        lx_free(aead);
}

void
lx_aead_rekey(struct lx_aead *aead, const uint8_t key[LX_AEAD_KEY_LEN])
{
        int ok = EVP_CipherInit_ex(aead->ctx, NULL, NULL, key, NULL, -1);

        lx_assert(ok == 1);
}

/* Nonce and associated data; then the text. */
static int
start(struct lx_aead *aead, const uint8_t nonce[LX_AEAD_NONCE_LEN], struct lx_span ad)
{
        int ok = EVP_CipherInit_ex(aead->ctx, NULL, NULL, NULL, nonce, -1), len;

        if (ad.len > 0)
                ok &= EVP_CipherUpdate(aead->ctx, NULL, &len, ad.p, (int)ad.len);
        return ok;
}

void
lx_aead_seal(struct lx_aead *aead, const uint8_t nonce[LX_AEAD_NONCE_LEN], struct lx_span ad,
    const uint8_t *in, size_t len, uint8_t *out)
{
        uint8_t none[LX_AEAD_TAG_LEN];
        int part, ok;

        lx_assert(aead->seals && len < INT32_MAX);
        ok = start(aead, nonce, ad);
        if (len > 0)
                ok &= EVP_CipherUpdate(aead->ctx, out, &part, in, (int)len);
        ok &= EVP_CipherFinal_ex(aead->ctx, none, &part);
        ok &= EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_GET_TAG, LX_AEAD_TAG_LEN, out + len);
        lx_assert(ok == 1);
}

bool
lx_aead_open(struct lx_aead *aead, const uint8_t nonce[LX_AEAD_NONCE_LEN], struct lx_span ad,
    const uint8_t *in, size_t len, uint8_t *out)
{
        size_t text_len = len - LX_AEAD_TAG_LEN;
        uint8_t tag[LX_AEAD_TAG_LEN], none[LX_AEAD_TAG_LEN];
        int part, ok;

        lx_assert(!aead->seals && len >= LX_AEAD_TAG_LEN && len < INT32_MAX);
        memcpy(tag, in + text_len, sizeof(tag));
        ok = start(aead, nonce, ad);
        if (text_len > 0)
                ok &= EVP_CipherUpdate(aead->ctx, out, &part, in, (int)text_len);
        ok &= EVP_CIPHER_CTX_ctrl(aead->ctx, EVP_CTRL_AEAD_SET_TAG, LX_AEAD_TAG_LEN, tag);
        lx_assert(ok == 1);
        ok = EVP_CipherFinal_ex(aead->ctx, none, &part);
        lx_declassify(&ok, sizeof(ok)); /* the sender sees whether we believe it */
        if (ok == 1)
                return true;
        lx_wipe(out, text_len);
        return false;
}

static void
hmac(const uint8_t *key, size_t key_len, struct lx_span text, uint8_t out[32])
{
        unsigned len = 32;
        uint8_t *got = HMAC(EVP_sha256(), key, (int)key_len, text.p, text.len, out, &len);

        lx_assert(got != NULL && len == 32);
}

void
lx_hkdf64(const uint8_t salt[32], struct lx_span ikm, uint8_t out[64])
{
        uint8_t prk[32], text[33];

        /* RFC 5869 2.2, 2.3 with L = 64 and no info: T(1) = HMAC(PRK, 1), T(2) = HMAC(PRK, T(1) | 2). */
        hmac(salt, 32, ikm.len > 0 ? ikm : LX_SPAN("", 0), prk);
        text[0] = 1;
        hmac(prk, 32, LX_SPAN(text, 1), out);
        memcpy(text, out, 32);
        text[32] = 2;
        hmac(prk, 32, LX_SPAN(text, 33), out + 32);
        lx_wipe(prk, sizeof(prk));
        lx_wipe(text, sizeof(text));
}
