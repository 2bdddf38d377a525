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

void
lx_hex(const uint8_t *bytes, size_t len, char *out)
{
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < len; i++) {
                out[2 * i] = digits[bytes[i] >> 4];
                out[2 * i + 1] = digits[bytes[i] & 15];
        }
        out[2 * len] = '\0';
}

static int
hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

bool
lx_unhex(const char *hex, size_t hex_len, uint8_t *out, size_t len)
{
        if (hex_len != 2 * len)
                return false;
        for (size_t i = 0; i < len; i++) {
                int high = hex_value(hex[2 * i]);
                int low = hex_value(hex[2 * i + 1]);

                if (high < 0 || low < 0)
                        return false;
                out[i] = (uint8_t)(high << 4 | low);
        }
        return true;
}
