/*
 * base/hash.h - the 32-byte value type that names everything, and spans of bytes.
 *
 * Freestanding: only mem*. Computing hashes is crypto's; here are comparing and hex.
 */
#ifndef LX_BASE_HASH_H
#define LX_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LX_HASH_LEN 32
#define LX_HEX_LEN(n) (2 * (n) + 1) /* characters for n bytes, the final NUL included */

struct lx_hash {
        uint8_t b[LX_HASH_LEN];
};

/* Bytes that somebody else owns. */
struct lx_span {
        const uint8_t *p;
        size_t len; /* bytes */
};

#define LX_SPAN(ptr, n) ((struct lx_span){.p = (const uint8_t *)(ptr), .len = (n)})

/** Order of two public hashes: negative, 0 or positive, byte order. */
int lx_hash_cmp(const struct lx_hash *a, const struct lx_hash *b);

/** Whether two public hashes are equal. */
bool lx_hash_eq(const struct lx_hash *a, const struct lx_hash *b);

/** Whether all bytes are zero. */
bool lx_hash_is_zero(const struct lx_hash *h);

/** Bit @i of @h, 0 being the most significant bit of the first byte; @i < 256. */
static inline unsigned
lx_hash_bit(const struct lx_hash *h, unsigned i)
{
        return (h->b[i >> 3] >> (7 - (i & 7))) & 1u;
}

/** Write @len bytes as lower-case hex with a final NUL into @out, LX_HEX_LEN(len) characters. */
void lx_hex(const uint8_t *bytes, size_t len, char *out);

/** Read exactly @len bytes from the @hex_len hex digits at @hex, either case; false: not that. */
bool lx_unhex(const char *hex, size_t hex_len, uint8_t *out, size_t len);

#endif
