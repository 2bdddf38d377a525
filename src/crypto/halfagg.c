/* crypto/halfagg.c - see crypto/halfagg.h. */
#include "config.h"
#include "crypto/halfagg.h"

#include <openssl/evp.h>
#include <secp256k1.h>
#include <secp256k1_schnorrsig.h>
#include <string.h>

#define SCALAR 32

/* The hash that the randomizers come from: every item so far is in it. */
struct transcript {
        EVP_MD_CTX *so_far;
        EVP_MD_CTX *copy;
        size_t count;
};

static bool
hash_tag(EVP_MD_CTX *ctx, const char *tag)
{
        uint8_t digest[SCALAR];

        return EVP_Digest(tag, strlen(tag), digest, NULL, EVP_sha256(), NULL) &&
               EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
               EVP_DigestUpdate(ctx, digest, sizeof(digest)) &&
               EVP_DigestUpdate(ctx, digest, sizeof(digest));
}

static bool
transcript_init(struct transcript *t)
{
        *t = (struct transcript){.so_far = EVP_MD_CTX_new(), .copy = EVP_MD_CTX_new()};
        return t->so_far != NULL && t->copy != NULL && hash_tag(t->so_far, "HalfAgg/randomizer");
}

static void
transcript_clear(struct transcript *t)
{
        EVP_MD_CTX_free(t->so_far);
        EVP_MD_CTX_free(t->copy);
}

/* A hash as a scalar below the group's order n; a value of n or above (1 in 2^128) is reduced. */
static void
reduce(uint8_t scalar[SCALAR])
{
        static const uint8_t order[SCALAR] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0,
            0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
        unsigned borrow = 0;

        if (memcmp(scalar, order, SCALAR) < 0) /* public */
                return;
        for (int i = SCALAR - 1; i >= 0; i--) {
                unsigned diff = 0x100u + scalar[i] - order[i] - borrow;

                borrow = diff < 0x100u;
                scalar[i] = (uint8_t)diff;
        }
}

/* The next randomizer: 1 for the first item, then the hash over all items with this one. */
static bool
next_randomizer(
    struct transcript *t, const uint8_t *r, const struct lx_halfagg_item *item, uint8_t out[SCALAR])
{
        bool first = t->count++ == 0;

        if (!EVP_DigestUpdate(t->so_far, r, SCALAR) ||
            !EVP_DigestUpdate(t->so_far, item->key.b, sizeof(item->key.b)) ||
            !EVP_DigestUpdate(t->so_far, item->msg.b, sizeof(item->msg.b)))
                return false;
        if (first) {
                memset(out, 0, SCALAR);
                out[SCALAR - 1] = 1;
                return true;
        }
        if (!EVP_MD_CTX_copy_ex(t->copy, t->so_far) || !EVP_DigestFinal_ex(t->copy, out, NULL))
                return false;
        reduce(out);
        return true;
}

/* BIP 340's challenge e = hash(r, key, message). */
static bool
challenge(
    EVP_MD_CTX *ctx, const uint8_t *r, const struct lx_halfagg_item *item, uint8_t out[SCALAR])
{
        bool done = hash_tag(ctx, "BIP0340/challenge") && EVP_DigestUpdate(ctx, r, SCALAR) &&
                    EVP_DigestUpdate(ctx, item->key.b, sizeof(item->key.b)) &&
                    EVP_DigestUpdate(ctx, item->msg.b, sizeof(item->msg.b)) &&
                    EVP_DigestFinal_ex(ctx, out, NULL);

        if (done)
                reduce(out);
        return done;
}

static bool
is_zero(const uint8_t scalar[SCALAR])
{
        static const uint8_t zero[SCALAR];

        return memcmp(scalar, zero, SCALAR) == 0; /* public */
}

/* sum += z * s. The library has no scalar zero, so sums that are zero are kept by hand. */
static bool
add_product(uint8_t sum[SCALAR], const uint8_t s[SCALAR], const uint8_t z[SCALAR])
{
        const secp256k1_context *ctx = secp256k1_context_static;
        uint8_t product[SCALAR];

        if (is_zero(s) || is_zero(z))
                return true;
        memcpy(product, s, SCALAR);
        if (!secp256k1_ec_seckey_tweak_mul(ctx, product, z))
                return false;
        if (is_zero(sum)) {
                memcpy(sum, product, SCALAR);
                return true;
        }
        if (!secp256k1_ec_seckey_tweak_add(ctx, sum, product))
                memset(sum, 0, SCALAR); /* both are in range: they were each other's negative */
        return true;
}

enum lx_err
lx_halfagg_make(
    const struct lx_halfagg_item *items, const struct lx_sig *sigs, size_t count, uint8_t *out)
{
        struct transcript t;
        uint8_t z[SCALAR], sum[SCALAR] = {0};
        bool good = count > 0 && count <= LX_HALFAGG_MAX;

        if (!good)
                return LX_ERR_RANGE;
        good = transcript_init(&t);
        for (size_t i = 0; i < count && good; i++)
                good = next_randomizer(&t, sigs[i].b, &items[i], z) &&
                       add_product(sum, sigs[i].b + SCALAR, z);
        transcript_clear(&t);
        if (!good)
                return LX_ERR_RANGE;
        for (size_t i = 0; i < count; i++)
                memcpy(out + i * SCALAR, sigs[i].b, SCALAR);
        memcpy(out + count * SCALAR, sum, SCALAR);
        return LX_OK;
}

/* The point with even y and this x. */
static bool
lift(const uint8_t x[SCALAR], secp256k1_pubkey *out)
{
        uint8_t bytes[33] = {2};

        memcpy(bytes + 1, x, SCALAR);
        return secp256k1_ec_pubkey_parse(secp256k1_context_static, out, bytes, sizeof(bytes));
}

/* R + e * P, times z. */
static bool
make_term(struct transcript *t, const uint8_t *r, const struct lx_halfagg_item *item,
    secp256k1_pubkey *out)
{
        const secp256k1_context *ctx = secp256k1_context_static;
        secp256k1_pubkey nonce, key;
        const secp256k1_pubkey *both[2] = {&nonce, &key};
        uint8_t z[SCALAR], e[SCALAR];

        if (!lift(r, &nonce) || !lift(item->key.b, &key) || !next_randomizer(t, r, item, z) ||
            !challenge(t->copy, r, item, e))
                return false;
        return secp256k1_ec_pubkey_tweak_mul(ctx, &key, e) &&
               secp256k1_ec_pubkey_combine(ctx, out, both, 2) &&
               (t->count == 1 || secp256k1_ec_pubkey_tweak_mul(ctx, out, z));
}

/* s * G, by a context that can make public keys. */
static bool
times_generator(const uint8_t s[SCALAR], secp256k1_pubkey *out)
{
        secp256k1_context *ctx = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
        bool done = secp256k1_ec_pubkey_create(ctx, out, s);

        secp256k1_context_destroy(ctx);
        return done;
}

bool
lx_halfagg_verify(
    const struct lx_halfagg_item *items, size_t count, const uint8_t *agg, size_t agg_len)
{
        secp256k1_pubkey term[LX_HALFAGG_MAX], sum, left;
        const secp256k1_pubkey *terms[LX_HALFAGG_MAX];
        struct transcript t;
        bool good;

        if (count == 0 || count > LX_HALFAGG_MAX || agg_len != LX_HALFAGG_LEN(count))
                return false;
        good = transcript_init(&t);
        for (size_t i = 0; i < count && good; i++) {
                good = make_term(&t, agg + i * SCALAR, &items[i], &term[i]);
                terms[i] = &term[i];
        }
        transcript_clear(&t);
        return good && secp256k1_ec_pubkey_combine(secp256k1_context_static, &sum, terms, count) &&
               times_generator(agg + count * SCALAR, &left) &&
               secp256k1_ec_pubkey_cmp(secp256k1_context_static, &sum, &left) == 0;
}
