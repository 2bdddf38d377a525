/* base/hash.c - see base/hash.h. Freestanding. */
#include "config.h"
#include "base/hash.h"

#include <string.h>

int
lx_hash_cmp(const struct lx_hash *a, const struct lx_hash *b)
{
        return memcmp(a->b, b->b, LX_HASH_LEN); /* public */
}

bool
lx_hash_eq(const struct lx_hash *a, const struct lx_hash *b)
{
        return lx_hash_cmp(a, b) == 0;
}

bool
lx_hash_is_zero(const struct lx_hash *h)
{
        uint8_t all = 0;

        for (size_t i = 0; i < LX_HASH_LEN; i++)
                all |= h->b[i];
        return all == 0;
}

/* Hex of secrets too: no table is looked into and nothing branches on a digit. */
static char
hex_digit(unsigned nibble)
{
        return (char)(nibble + '0' + (((9u - nibble) >> 8) & ('a' - '0' - 10)));
}

void
lx_hex(const uint8_t *bytes, size_t len, char *out)
{
        for (size_t i = 0; i < len; i++) {
                out[2 * i] = hex_digit(bytes[i] >> 4);
                out[2 * i + 1] = hex_digit(bytes[i] & 15u);
        }
        out[2 * len] = '\0';
}

/* 1 when @value < @limit, for values below 2^31 or just under 2^32 (a character less another one). */
static unsigned
is_below(unsigned value, unsigned limit)
{
        return ((value - limit) & ~value) >> 31;
}

/* The value of digit @c; *bad becomes 1 when it is none. */
static unsigned
hex_value(char c, unsigned *bad)
{
        unsigned from_0 = (unsigned)(unsigned char)c - '0';
        unsigned from_a = ((unsigned)(unsigned char)c | 0x20u) - 'a';
        unsigned digit = is_below(from_0, 10), letter = is_below(from_a, 6);

        *bad |= 1u ^ (digit | letter);
        return ((0u - digit) & from_0) | ((0u - letter) & (from_a + 10));
}

bool
lx_unhex(const char *hex, size_t hex_len, uint8_t *out, size_t len)
{
        unsigned bad = 0;

        if (hex_len != 2 * len)
                return false;
        for (size_t i = 0; i < len; i++) {
                unsigned high = hex_value(hex[2 * i], &bad);

                out[i] = (uint8_t)(high << 4 | hex_value(hex[2 * i + 1], &bad));
        }
        return bad == 0;
}
