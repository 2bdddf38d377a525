/* crypto/hash.c - see crypto/hash.h and crypto/ops.h. */
#include "config.h"
#include "crypto/hash.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/halfagg.h"
#include "crypto/pages_int.h"
#include "crypto/sign.h"

#include <blake2.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

static void
init_state(blake2b_state *state, const struct lx_tag *tag, size_t key_len)
{
        blake2b_param param = {
            .digest_length = LX_HASH_LEN, .key_length = (uint8_t)key_len, .fanout = 1, .depth = 1};

        memcpy(param.personal, tag->text, LX_TAG_LEN);
        blake2b_init_param(state, &param);
}

static void
hash_parts(void *ctx, const struct lx_tag *tag, const struct lx_span *parts, size_t count,
    struct lx_hash *out)
{
        blake2b_state state;

        (void)ctx;
        init_state(&state, tag, 0);
        for (size_t i = 0; i < count; i++)
                if (parts[i].len > 0)
                        blake2b_update(&state, parts[i].p, parts[i].len);
        blake2b_final(&state, out->b, LX_HASH_LEN);
}

void
lx_blake2b(const struct lx_tag *tag, const void *p, size_t len, struct lx_hash *out)
{
        struct lx_span part = LX_SPAN(p, len);

        hash_parts(NULL, tag, &part, 1, out);
}

void
lx_blake2b_keyed(const struct lx_tag *tag, const uint8_t *key, size_t key_len, const void *p,
    size_t len, struct lx_hash *out)
{
        uint8_t block[LANES_BLOCK] = {0};
        blake2b_state state;

        lx_assert(key_len > 0 && key_len <= 64);
        init_state(&state, tag, key_len);
        /* RFC 7693 2.9: "If a secret key is used (kk > 0), it is padded with zero bytes and set
         * as d[0]." */
        memcpy(block, key, key_len);
        blake2b_update(&state, block, sizeof(block));
        blake2b_update(&state, p, len);
        blake2b_final(&state, out->b, LX_HASH_LEN);
        explicit_bzero(block, sizeof(block));
        explicit_bzero(&state, sizeof(state));
}

void
lx_blake2b_512(const uint8_t *key, size_t key_len, const void *p, size_t len, uint8_t out[64])
{
        blake2b(out, p, key, 64, len, key_len);
}

enum lx_lanes
lx_blake2b_lanes(void)
{
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx512f"))
                return LX_LANES_AVX512;
        if (__builtin_cpu_supports("avx2"))
                return LX_LANES_AVX2;
#endif
        return LX_LANES_PORTABLE;
}

const char *
lx_lanes_name(enum lx_lanes lanes)
{
        switch (lanes) {
        case LX_LANES_PORTABLE:
                return "portable";
        case LX_LANES_AVX2:
                return "avx2";
        case LX_LANES_AVX512:
                return "avx512";
        }
        return "unknown";
}

#if defined(__x86_64__)
/* IV and parameter block: the state before the first byte (RFC 7693 2.5). */
static void
initial_state(const struct lx_tag *tag, uint64_t h0[8])
{
        uint64_t personal[2];

        memcpy(h0, LX_BLAKE2B_IV, 64);
        memcpy(personal, tag->text, LX_TAG_LEN);
        h0[0] ^= 0x01010000u ^ LX_HASH_LEN; /* depth 1, fanout 1, no key */
        h0[6] ^= personal[0];
        h0[7] ^= personal[1];
}
#endif

/* As many inputs as fill whole vectors; returns how many. */
static size_t
hash_lanes(enum lx_lanes lanes, const struct lx_tag *tag, const uint8_t *in, size_t len,
    size_t count, struct lx_hash *out)
{
        size_t done = 0;
#if defined(__x86_64__)
        uint64_t h0[8];

        initial_state(tag, h0);
        for (; lanes == LX_LANES_AVX512 && count - done >= 8; done += 8)
                lx_lanes_avx512(h0, in + done * len, len, len, out + done);
        for (; lanes != LX_LANES_PORTABLE && count - done >= 4; done += 4)
                lx_lanes_avx2(h0, in + done * len, len, len, out + done);
#else
        (void)lanes, (void)tag, (void)in, (void)len, (void)count, (void)out;
#endif
        return done;
}

/* Many inputs of @len bytes one after the other. */
static void
hash_each(enum lx_lanes lanes, const struct lx_tag *tag, const uint8_t *in, size_t len,
    size_t count, struct lx_hash *out)
{
        for (size_t i = hash_lanes(lanes, tag, in, len, count, out); i < count; i++)
                lx_blake2b(tag, in + i * len, len, &out[i]);
}

void
lx_blake2b_pages(const struct lx_tag *tag, const uint8_t *pages, size_t count, struct lx_hash *out)
{
        hash_each(lx_blake2b_lanes(), tag, pages, LX_PAGE_LEN, count, out);
}

bool
lx_blake2b_pages_by(enum lx_lanes lanes, const struct lx_tag *tag, const uint8_t *pages,
    size_t count, struct lx_hash *out)
{
        if (lanes > lx_blake2b_lanes())
                return false;
        hash_each(lanes, tag, pages, LX_PAGE_LEN, count, out);
        return true;
}

static void
hash_pairs(void *ctx, const struct lx_tag *tag, const struct lx_hash *in, size_t count,
    struct lx_hash *out)
{
        (void)ctx;
        hash_each(lx_blake2b_lanes(), tag, in->b, 2 * LX_HASH_LEN, count, out);
}

static bool
verify_sig(
    void *ctx, const struct lx_pubkey *key, const struct lx_hash *msg, const struct lx_sig *sig)
{
        (void)ctx;
        return lx_verify(key, msg, sig);
}

static bool
verify_half(void *ctx, const struct lx_pubkey *keys, size_t count, const struct lx_hash *msg,
    const uint8_t *agg, size_t agg_len)
{
        struct lx_halfagg_item items[LX_HALFAGG_MAX];

        (void)ctx;
        if (count > LX_HALFAGG_MAX)
                return false;
        for (size_t i = 0; i < count; i++)
                items[i] = (struct lx_halfagg_item){keys[i], *msg};
        return lx_halfagg_verify(items, count, agg, agg_len);
}

const struct lx_crypto_ops *
lx_crypto_ops(void)
{
        static const struct lx_crypto_ops ops = {
            .hash = {.hash = hash_parts, .hash_pairs = hash_pairs},
            .sig = {.verify = verify_sig, .verify_half = verify_half},
        };

        return &ops;
}

void
lx_sha256(const void *p, size_t len, uint8_t out[32])
{
        SHA256(p, len, out);
}

struct lx_sha256 {
        EVP_MD_CTX *ctx;
};

struct lx_sha256 *
lx_sha256_new(void)
{
        struct lx_sha256 *sha = lx_alloc(sizeof(*sha));

        sha->ctx = EVP_MD_CTX_new();
        lx_assert(sha->ctx != NULL);
        lx_sha256_reset(sha);
        return sha;
}

void
lx_sha256_free(struct lx_sha256 *sha)
{
        if (sha == NULL)
                return;
        EVP_MD_CTX_free(sha->ctx);
        lx_free(sha);
}

void
lx_sha256_reset(struct lx_sha256 *sha)
{
        int ok = EVP_DigestInit_ex(sha->ctx, EVP_sha256(), NULL);

        lx_assert(ok == 1);
}

void
lx_sha256_update(struct lx_sha256 *sha, const void *p, size_t len)
{
        int ok = EVP_DigestUpdate(sha->ctx, p, len);

        lx_assert(ok == 1);
}

void
lx_sha256_final(struct lx_sha256 *sha, uint8_t out[32])
{
        int ok = EVP_DigestFinal_ex(sha->ctx, out, NULL);

        lx_assert(ok == 1);
}
