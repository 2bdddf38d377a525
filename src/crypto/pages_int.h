/*
 * crypto/pages_int.h - many-lane BLAKE2b-256: several independent inputs of one length at once.
 *
 * A lane is one input. All lanes have the same length, at most 128 bytes or a multiple of 128, and
 * lie @stride bytes apart. @h0: the initial state (IV and parameter block) that all share.
 * Source: RFC 7693; the personalisation is in the parameter block of the BLAKE2 paper, 2.5.
 */
#ifndef LX_CRYPTO_PAGES_INT_H
#define LX_CRYPTO_PAGES_INT_H

#include "crypto/ops.h"

#define LANES_BLOCK 128u

/** 4 lanes with AVX2; @out[4]. Only on a CPU that has it. */
void lx_lanes_avx2(
    const uint64_t h0[8], const uint8_t *in, size_t stride, size_t len, struct lx_hash out[4]);

/** 8 lanes with AVX-512F; @out[8]. Only on a CPU that has it. */
void lx_lanes_avx512(
    const uint64_t h0[8], const uint8_t *in, size_t stride, size_t len, struct lx_hash out[8]);

extern const uint64_t LX_BLAKE2B_IV[8];

#endif
