/*
 * crypto/lanes.c - see crypto/pages_int.h: BLAKE2b with one input per vector lane.
 *
 * Word i of all lanes is in one vector, so that the rounds of RFC 7693 3.2 are written once, as
 * on words, and no lane ever waits for another.
 */
#include "config.h"
#include "crypto/pages_int.h"

#include <string.h>

/* RFC 7693 2.6 and 2.7. */
const uint64_t LX_BLAKE2B_IV[8] = {0x6a09e667f3bcc908ull, 0xbb67ae8584caa73bull,
    0x3c6ef372fe94f82bull, 0xa54ff53a5f1d36f1ull, 0x510e527fade682d1ull, 0x9b05688c2b3e6c1full,
    0x1f83d9abfb41bd6bull, 0x5be0cd19137e2179ull};

#if defined(__x86_64__)
#include <immintrin.h>

/* Every short loop over words is spelt out, so that the words can live in registers. */
#define UNROLLED _Pragma("GCC unroll 16")

/* The order of the steps below is the one that keeps the units busy: gcc's own is 5 % slower. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-schedule-insns2")
#endif

/*
 * The four G (RFC 7693 3.1) of half a round, one step of all four after the other: they do not depend
 * on each other, and so many at once is what keeps the vector units busy. Word i of v is v[i]; the
 * operands are columns 0 to 3 and, by number, the words b, c, d of each G.
 */
#define FOUR(to, from, op, t0, t1, t2, t3, f0, f1, f2, f3) \
        do {                                               \
                to[t0] = op(to[t0], from[f0]);             \
                to[t1] = op(to[t1], from[f1]);             \
                to[t2] = op(to[t2], from[f2]);             \
                to[t3] = op(to[t3], from[f3]);             \
        } while (0)

#define XOR_ROR32(x, y) ROR32(XOR(x, y))
#define XOR_ROR24(x, y) ROR24(XOR(x, y))
#define XOR_ROR16(x, y) ROR16(XOR(x, y))
#define XOR_ROR63(x, y) ROR63(XOR(x, y))

#define HALF_ROUND(b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, x0, x1, x2, x3, y0, y1, y2, y3) \
        do {                                                                                       \
                FOUR(v, m, ADD, 0, 1, 2, 3, x0, x1, x2, x3);                                       \
                FOUR(v, v, ADD, 0, 1, 2, 3, b0, b1, b2, b3);                                       \
                FOUR(v, v, XOR_ROR32, d0, d1, d2, d3, 0, 1, 2, 3);                                 \
                FOUR(v, v, ADD, c0, c1, c2, c3, d0, d1, d2, d3);                                   \
                FOUR(v, v, XOR_ROR24, b0, b1, b2, b3, c0, c1, c2, c3);                             \
                FOUR(v, m, ADD, 0, 1, 2, 3, y0, y1, y2, y3);                                       \
                FOUR(v, v, ADD, 0, 1, 2, 3, b0, b1, b2, b3);                                       \
                FOUR(v, v, XOR_ROR16, d0, d1, d2, d3, 0, 1, 2, 3);                                 \
                FOUR(v, v, ADD, c0, c1, c2, c3, d0, d1, d2, d3);                                   \
                FOUR(v, v, XOR_ROR63, b0, b1, b2, b3, c0, c1, c2, c3);                             \
        } while (0)

/* The message schedule is spelt out, so that every index is known to the compiler. */
#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb, sc, sd, se, sf)                  \
        do {                                                                                   \
                HALF_ROUND(                                                                    \
                    4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, s0, s2, s4, s6, s1, s3, s5, s7); \
                HALF_ROUND(                                                                    \
                    5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14, s8, sa, sc, se, s9, sb, sd, sf); \
        } while (0)

#define ROUNDS()                                                             \
        do {                                                                 \
                ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); \
                ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3); \
                ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4); \
                ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8); \
                ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13); \
                ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9); \
                ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11); \
                ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10); \
                ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5); \
                ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0); \
                ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); \
                ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3); \
        } while (0)

/* Start the work vector (RFC 7693 3.2): state, IV, counter, final flag. */
#define WORK_VECTOR(h, counter, last)                                 \
        do {                                                          \
                UNROLLED                                              \
                for (int i = 0; i < 8; i++) {                         \
                        v[i] = (h)[i];                                \
                        v[i + 8] = SET1((long long)LX_BLAKE2B_IV[i]); \
                }                                                     \
                v[12] = XOR(v[12], SET1((long long)(counter)));       \
                if (last)                                             \
                        v[14] = XOR(v[14], SET1(-1));                 \
        } while (0)

#define AVX2 __attribute__((target("avx2")))
#define ADD(a, b) _mm256_add_epi64(a, b)
#define XOR(a, b) _mm256_xor_si256(a, b)
#define SET1(x) _mm256_set1_epi64x(x)
#define ROR32(x) _mm256_shuffle_epi32(x, 0xb1)
#define ROR24(x) _mm256_shuffle_epi8(x, ror24)
#define ROR16(x) _mm256_shuffle_epi8(x, ror16)
#define ROR63(x) _mm256_xor_si256(_mm256_srli_epi64(x, 63), _mm256_add_epi64(x, x))

/* Words 4j to 4j+3 of four lanes: rows become columns. */
AVX2 static inline __attribute__((always_inline)) void
transpose4(__m256i m[4], const uint8_t *in, size_t stride)
{
        __m256i a = _mm256_loadu_si256((const __m256i_u *)in);
        __m256i b = _mm256_loadu_si256((const __m256i_u *)(in + stride));
        __m256i c = _mm256_loadu_si256((const __m256i_u *)(in + 2 * stride));
        __m256i d = _mm256_loadu_si256((const __m256i_u *)(in + 3 * stride));
        __m256i ab_low = _mm256_unpacklo_epi64(a, b);
        __m256i ab_high = _mm256_unpackhi_epi64(a, b);
        __m256i cd_low = _mm256_unpacklo_epi64(c, d);
        __m256i cd_high = _mm256_unpackhi_epi64(c, d);

        m[0] = _mm256_permute2x128_si256(ab_low, cd_low, 0x20);
        m[1] = _mm256_permute2x128_si256(ab_high, cd_high, 0x20);
        m[2] = _mm256_permute2x128_si256(ab_low, cd_low, 0x31);
        m[3] = _mm256_permute2x128_si256(ab_high, cd_high, 0x31);
}

AVX2 static inline __attribute__((always_inline)) void
compress4(__m256i h[8], const uint8_t *in, size_t stride, uint64_t counter, bool last)
{
        const __m256i ror24 = _mm256_setr_epi8(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
            3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
        const __m256i ror16 = _mm256_setr_epi8(2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
            2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9);
        __m256i v[16], m[16];

        UNROLLED
        for (size_t j = 0; j < 4; j++)
                transpose4(&m[4 * j], in + 32 * j, stride);
        WORK_VECTOR(h, counter, last);
        ROUNDS();
        UNROLLED
        for (int i = 0; i < 8; i++)
                h[i] = XOR(h[i], XOR(v[i], v[i + 8]));
}

AVX2 static void
store4(const __m256i h[8], struct lx_hash out[4])
{
        UNROLLED
        for (size_t i = 0; i < 4; i++) {
                uint64_t words[4];

                _mm256_storeu_si256((__m256i_u *)words, h[i]);
                for (size_t lane = 0; lane < 4; lane++)
                        memcpy(out[lane].b + 8 * i, &words[lane], 8);
        }
}

AVX2 void
lx_lanes_avx2(
    const uint64_t h0[8], const uint8_t *in, size_t stride, size_t len, struct lx_hash out[4])
{
        __m256i h[8];
        uint8_t block[4 * LANES_BLOCK];

        UNROLLED
        for (int i = 0; i < 8; i++)
                h[i] = SET1((long long)h0[i]);
        if (len < LANES_BLOCK) {
                memset(block, 0, sizeof(block));
                for (size_t lane = 0; lane < 4; lane++)
                        memcpy(block + lane * LANES_BLOCK, in + lane * stride, len);
                compress4(h, block, LANES_BLOCK, len, true);
        } else {
                for (size_t at = 0; at < len; at += LANES_BLOCK)
                        compress4(h, in + at, stride, at + LANES_BLOCK, at + LANES_BLOCK == len);
        }
        store4(h, out);
}

#undef ADD
#undef XOR
#undef SET1
#undef ROR32
#undef ROR24
#undef ROR16
#undef ROR63

#define AVX512 __attribute__((target("avx512f")))
#define ADD(a, b) _mm512_add_epi64(a, b)
#define XOR(a, b) _mm512_xor_si512(a, b)
#define SET1(x) _mm512_set1_epi64(x)
#define ROR32(x) _mm512_ror_epi64(x, 32)
#define ROR24(x) _mm512_ror_epi64(x, 24)
#define ROR16(x) _mm512_ror_epi64(x, 16)
#define ROR63(x) _mm512_ror_epi64(x, 63)

/* Words 8j to 8j+7 of eight lanes: rows become columns, by pairs, quarters and halves. */
AVX512 static inline __attribute__((always_inline)) void
transpose8(__m512i m[8], const uint8_t *in, size_t stride)
{
        __m512i row[8], pair[8], quad[8];

        UNROLLED
        for (size_t i = 0; i < 8; i++)
                row[i] = _mm512_loadu_si512(in + i * stride);
        UNROLLED
        for (size_t i = 0; i < 4; i++) {
                pair[2 * i] = _mm512_unpacklo_epi64(row[2 * i], row[2 * i + 1]);
                pair[2 * i + 1] = _mm512_unpackhi_epi64(row[2 * i], row[2 * i + 1]);
        }
        UNROLLED
        for (size_t i = 0; i < 2; i++)
                UNROLLED
        for (size_t j = 0; j < 2; j++) {
                quad[4 * i + j] = _mm512_shuffle_i64x2(pair[4 * i + j], pair[4 * i + 2 + j], 0x88);
                quad[4 * i + 2 + j] =
                    _mm512_shuffle_i64x2(pair[4 * i + j], pair[4 * i + 2 + j], 0xdd);
        }
        UNROLLED
        for (size_t j = 0; j < 4; j++) {
                m[j] = _mm512_shuffle_i64x2(quad[j], quad[4 + j], 0x88);
                m[4 + j] = _mm512_shuffle_i64x2(quad[j], quad[4 + j], 0xdd);
        }
}

AVX512 static inline __attribute__((always_inline)) void
compress8(__m512i h[8], const uint8_t *in, size_t stride, uint64_t counter, bool last)
{
        __m512i v[16], m[16];

        transpose8(m, in, stride);
        transpose8(m + 8, in + 64, stride);
        WORK_VECTOR(h, counter, last);
        ROUNDS();
        UNROLLED
        for (int i = 0; i < 8; i++)
                h[i] = XOR(h[i], XOR(v[i], v[i + 8]));
}

AVX512 void
lx_lanes_avx512(
    const uint64_t h0[8], const uint8_t *in, size_t stride, size_t len, struct lx_hash out[8])
{
        __m512i h[8];
        uint8_t block[8 * LANES_BLOCK];
        uint64_t words[8];

        UNROLLED
        for (int i = 0; i < 8; i++)
                h[i] = SET1((long long)h0[i]);
        if (len < LANES_BLOCK) {
                memset(block, 0, sizeof(block));
                for (size_t lane = 0; lane < 8; lane++)
                        memcpy(block + lane * LANES_BLOCK, in + lane * stride, len);
                compress8(h, block, LANES_BLOCK, len, true);
        } else {
                for (size_t at = 0; at < len; at += LANES_BLOCK)
                        compress8(h, in + at, stride, at + LANES_BLOCK, at + LANES_BLOCK == len);
        }
        UNROLLED
        for (size_t i = 0; i < 4; i++) {
                _mm512_storeu_si512(words, h[i]);
                for (size_t lane = 0; lane < 8; lane++)
                        memcpy(out[lane].b + 8 * i, &words[lane], 8);
        }
}
#endif
