/*
 * tests/fuzz/fuzz.h - what the fuzz targets of formats share: what is accepted has one encoding.
 */
#ifndef LX_TESTS_FUZZ_H
#define LX_TESTS_FUZZ_H

#include "base/mem.h"
#include "base/wire.h"
#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_OUT_MAX (1u << 18)

/* The ops of the project. */
static inline const struct lx_hash_ops *
fuzz_ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* Encode by @encode(@value, wr); it must give the @len bytes at @in again. */
static inline void
fuzz_same(const uint8_t *in, size_t len, void (*encode)(const void *value, struct lx_writer *wr),
    const void *value)
{
        static uint8_t out[FUZZ_OUT_MAX];
        struct lx_writer wr = lx_writer_init(out, sizeof(out));

        encode(value, &wr);
        if (lx_writer_end(&wr) != LX_OK || wr.len != len || (len > 0 && memcmp(out, in, len) != 0))
                abort(); /* two encodings of one value */
}

#endif
