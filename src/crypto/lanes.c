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

/* One G of RFC 7693 3.1 with the vector type's ADD, XOR and rotations. */
#define G(a, b, c, d, x, y)                                                                        \
        do {                                                                                       \
                a = ADD(ADD(a, b), x);                                                             \
                d = ROR32(XOR(d, a));                                                              \
                c = ADD(c, d);                                                                     \
                b = ROR24(XOR(b, c));                                                              \
                a = ADD(ADD(a, b), y);                                                             \
                d = ROR16(XOR(d, a));                                                              \
                c = ADD(c, d);                                                                     \
                b = ROR63(XOR(b, c));                                                              \
        } while (0)

/* The message schedule is spelt out, so that every index is known to the compiler. */
#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, sa, sb, sc, sd, se, sf)                      \
        do {                                                                                       \
                G(v[0], v[4], v[8], v[12], m[s0], m[s1]);                                          \
                G(v[1], v[5], v[9], v[13], m[s2], m[s3]);                                          \
                G(v[2], v[6], v[10], v[14], m[s4], m[s5]);                                         \
                G(v[3], v[7], v[11], v[15], m[s6], m[s7]);                                         \
                G(v[0], v[5], v[10], v[15], m[s8], m[s9]);                                         \
                G(v[1], v[6], v[11], v[12], m[sa], m[sb]);                                         \
                G(v[2], v[7], v[8], v[13], m[sc], m[sd]);                                          \
                G(v[3], v[4], v[9], v[14], m[se], m[sf]);                                          \
        } while (0)

#define ROUNDS()                                                                                   \
        do {                                                                                       \
                ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);                       \
                ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);                       \
                ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);                       \
                ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);                       \
                ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);                       \
                ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);                       \
                ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);                       \
                ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);                       \
                ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);                       \
                ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);                       \
                ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);                       \
                ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);                       \
        } while (0)

/* Start the work vector (RFC 7693 3.2): state, IV, counter, final flag. */
#define WORK_VECTOR(h, counter, last)                                                              \
        do {                                                                                       \
                for (int i = 0; i < 8; i++) {                                                      \
                        v[i] = (h)[i];                                                             \
                        v[i + 8] = SET1((long long)LX_BLAKE2B_IV[i]);                              \
                }                                                                                  \
                v[12] = XOR(v[12], SET1((long long)(counter)));                                    \
                if (last)                                                                          \
                        v[14] = XOR(v[14], SET1(-1));                                              \
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

        for (size_t j = 0; j < 4; j++)
                transpose4(&m[4 * j], in + 32 * j, stride);
        WORK_VECTOR(h, counter, last);
        ROUNDS();
        for (int i = 0; i < 8; i++)
                h[i] = XOR(h[i], XOR(v[i], v[i + 8]));
}

AVX2 static void
store4(const __m256i h[8], struct lx_hash out[4])
{
        for (size_t i = 0; i < 4; i++) {
                uint64_t words[4];

                _mm256_storeu_si256((__m256i_u *)words, h[i]);
                for (size_t lane = 0; lane < 4; lane++)
                        memcpy(out[lane].b + 8 * i, &words[lane], 8);
        }
}

AVX2 void
lx_lanes_avx2(const uint64_t h0[8], const uint8_t *in, size_t stride, size_t len,
    struct lx_hash out[4])
{
        __m256i h[8];
        uint8_t block[4 * LANES_BLOCK];

        for (int i = 0; i < 8; i++)
                h[i] = SET1((long long)h0[i]);
        if (len < LANES_BLOCK) {
                memset(block, 0, sizeof(block));
                for (size_t lane = 0; lane < 4; lane++)
                        memcpy(block + lane * LANES_BLOCK, in + lane * stride, len);
                compress4(h, block, LANES_BLOCK, len, true);
        } else {
                for (size_t at = 0; at < len; at += LANES_BLOCK)
                        compress4(
                            h, in + at, stride, at + LANES_BLOCK, at + LANES_BLOCK == len);
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

AVX512 static inline __attribute__((always_inline)) void
compress8(__m512i h[8], const uint8_t *in, __m512i offsets, uint64_t counter, bool last)
{
        __m512i v[16], m[16];

        for (size_t j = 0; j < 16; j++)
                m[j] = _mm512_i64gather_epi64(offsets, (const void *)(in + 8 * j), 1);
        WORK_VECTOR(h, counter, last);
        ROUNDS();
        for (int i = 0; i < 8; i++)
                h[i] = XOR(h[i], XOR(v[i], v[i + 8]));
}

AVX512 static inline __attribute__((always_inline)) __m512i
lane_offsets(size_t stride)
{
        long long s = (long long)stride;

        return _mm512_setr_epi64(0, s, 2 * s, 3 * s, 4 * s, 5 * s, 6 * s, 7 * s);
}

AVX512 void
lx_lanes_avx512(const uint64_t h0[8], const uint8_t *in, size_t stride, size_t len,
    struct lx_hash out[8])
{
        __m512i h[8];
        uint8_t block[8 * LANES_BLOCK];
        uint64_t words[8];

        for (int i = 0; i < 8; i++)
                h[i] = SET1((long long)h0[i]);
        if (len < LANES_BLOCK) {
                memset(block, 0, sizeof(block));
                for (size_t lane = 0; lane < 8; lane++)
                        memcpy(block + lane * LANES_BLOCK, in + lane * stride, len);
                compress8(h, block, lane_offsets(LANES_BLOCK), len, true);
        } else {
                for (size_t at = 0; at < len; at += LANES_BLOCK)
                        compress8(h, in + at, lane_offsets(stride), at + LANES_BLOCK,
                            at + LANES_BLOCK == len);
        }
        for (size_t i = 0; i < 4; i++) {
                _mm512_storeu_si512(words, h[i]);
                for (size_t lane = 0; lane < 8; lane++)
                        memcpy(out[lane].b + 8 * i, &words[lane], 8);
        }
}
#endif
