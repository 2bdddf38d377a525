/* crypto/sha_pages.c - see crypto/sha_pages.h. */
#include "config.h"
#include "crypto/sha_pages.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/wire.h"
#include "crypto/hash.h"

#include <string.h>

#define BLOCK 64u

struct lx_sha_pages {
        struct lx_sha256 *plain; /* NULL: by the CPU's instructions */
        uint32_t h[8];
        uint64_t len;
};

/* FIPS 180-4 5.3.3. */
static const uint32_t INITIAL[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

/* FIPS 180-4 4.2.2. */
static const uint32_t K[64] = {0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
    0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74,
    0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3,
    0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354,
    0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3,
    0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
    0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define SHA_NI __attribute__((target("sha,sse4.1,ssse3")))

/* The state as the instructions want it: words a, b, e, f in one register, c, d, g, h in the other. */
struct chain {
        __m128i abef, cdgh;
};

SHA_NI static inline __attribute__((always_inline)) struct chain
load_chain(const uint32_t h[8])
{
        __m128i dcba = _mm_loadu_si128((const __m128i_u *)h);
        __m128i hgfe = _mm_loadu_si128((const __m128i_u *)(h + 4));
        __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1);
        __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1b);

        return (struct chain){_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)};
}

SHA_NI static inline __attribute__((always_inline)) void
store_chain(struct chain c, uint32_t h[8])
{
        __m128i feba = _mm_shuffle_epi32(c.abef, 0x1b);
        __m128i dchg = _mm_shuffle_epi32(c.cdgh, 0xb1);

        _mm_storeu_si128((__m128i_u *)h, _mm_blend_epi16(feba, dchg, 0xf0));
        _mm_storeu_si128((__m128i_u *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* Four rounds with words and constants added up in @wk. */
SHA_NI static inline __attribute__((always_inline)) struct chain
four_rounds(struct chain c, __m128i wk)
{
        c.cdgh = _mm_sha256rnds2_epu32(c.cdgh, c.abef, wk);
        c.abef = _mm_sha256rnds2_epu32(c.abef, c.cdgh, _mm_shuffle_epi32(wk, 0x0e));
        return c;
}

SHA_NI static inline __attribute__((always_inline)) struct chain
add_chains(struct chain a, struct chain b)
{
        return (struct chain){_mm_add_epi32(a.abef, b.abef), _mm_add_epi32(a.cdgh, b.cdgh)};
}

/* @count blocks into both chains. */
SHA_NI static void
compress_both(uint32_t first[8], uint32_t second[8], const uint8_t *in, size_t count)
{
        const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
        struct chain a = load_chain(first), b = load_chain(second);

        for (; count > 0; count--, in += BLOCK) {
                struct chain a0 = a, b0 = b;
                __m128i w[4];

#pragma GCC unroll 16
                for (int i = 0; i < 16; i++) {
                        __m128i *now = &w[i & 3], wk;

                        if (i < 4)
                                *now = _mm_shuffle_epi8(
                                    _mm_loadu_si128((const __m128i_u *)(in + 16 * i)), swap);
                        else
                                *now = _mm_sha256msg2_epu32(
                                    _mm_add_epi32(_mm_sha256msg1_epu32(*now, w[(i + 1) & 3]),
                                        _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4)),
                                    w[(i + 3) & 3]);
                        wk = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i_u *)&K[4 * i]));
                        a = four_rounds(a, wk);
                        b = four_rounds(b, wk);
                }
                a = add_chains(a, a0);
                b = add_chains(b, b0);
        }
        store_chain(a, first);
        store_chain(b, second);
}

bool
lx_sha_pages_is_fast(void)
{
        unsigned a, b, c, d;

        return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
               (b & bit_SHA) != 0;
}
#else
static void
compress_both(uint32_t first[8], uint32_t second[8], const uint8_t *in, size_t count)
{
        (void)first, (void)second, (void)in, (void)count;
        lx_assert(!"without SHA instructions it goes by libcrypto");
}

bool
lx_sha_pages_is_fast(void)
{
        return false;
}
#endif

/* The end of a message of @len bytes whose whole blocks are in @h and whose others are at @rest. */
static void
finish(uint32_t h[8], const uint8_t *rest, uint64_t len, struct lx_hash *out)
{
        uint8_t end[2 * BLOCK] = {0};
        size_t left = len % BLOCK, blocks = left < BLOCK - 8 ? 1 : 2;
        uint32_t nobody[8] = {0};

        if (left > 0)
                memcpy(end, rest, left);
        end[left] = 0x80;
        lx_put_be64(end + blocks * BLOCK - 8, 8 * len);
        compress_both(h, nobody, end, blocks);
        for (int i = 0; i < 8; i++)
                for (int k = 0; k < 4; k++)
                        out->b[4 * i + k] = (uint8_t)(h[i] >> (24 - 8 * k));
}

struct lx_sha_pages *
lx_sha_pages_new(void)
{
        struct lx_sha_pages *sha = lx_alloc(sizeof(*sha));

        memcpy(sha->h, INITIAL, sizeof(INITIAL));
        if (!lx_sha_pages_is_fast())
                lx_sha_pages_force_plain(sha);
        return sha;
}

void
lx_sha_pages_force_plain(struct lx_sha_pages *sha)
{
        lx_assert(sha->len == 0);
        if (sha->plain == NULL)
                sha->plain = lx_sha256_new();
}

void
lx_sha_pages_free(struct lx_sha_pages *sha)
{
        if (sha == NULL)
                return;
        lx_sha256_free(sha->plain);
        lx_free(sha);
}

void
lx_sha_pages_update(
    struct lx_sha_pages *sha, const uint8_t *pages, size_t count, struct lx_hash *out)
{
        sha->len += count * LX_PAGE_LEN;
        if (sha->plain != NULL)
                lx_sha256_update(sha->plain, pages, count * LX_PAGE_LEN);
        for (size_t i = 0; i < count; i++, pages += LX_PAGE_LEN) {
                uint32_t page[8];

                if (sha->plain != NULL) {
                        lx_sha256(pages, LX_PAGE_LEN, out[i].b);
                        continue;
                }
                memcpy(page, INITIAL, sizeof(INITIAL));
                compress_both(sha->h, page, pages, LX_PAGE_LEN / BLOCK);
                finish(page, NULL, LX_PAGE_LEN, &out[i]);
        }
}

void
lx_sha_pages_final(struct lx_sha_pages *sha, const uint8_t *rest, size_t len, struct lx_hash *out)
{
        uint32_t nobody[8] = {0};
        size_t whole = len / BLOCK;

        lx_assert(len < LX_PAGE_LEN);
        if (sha->plain != NULL) {
                lx_sha256_update(sha->plain, rest, len);
                lx_sha256_final(sha->plain, out->b);
                return;
        }
        compress_both(sha->h, nobody, rest, whole);
        finish(sha->h, len > 0 ? rest + whole * BLOCK : NULL, sha->len + len, out);
}
