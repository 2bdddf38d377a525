/* crypto/x25519.c - see crypto/x25519.h. */
#include "config.h"
#include "crypto/x25519.h"

#include <sodium.h>

void
lx_x25519_public(const uint8_t sec[LX_X25519_LEN], uint8_t out_pub[LX_X25519_LEN])
{
        (void)crypto_scalarmult_base(out_pub, sec);
}

bool
lx_x25519(const uint8_t sec[LX_X25519_LEN], const uint8_t pub[LX_X25519_LEN],
    uint8_t out_shared[LX_X25519_LEN])
{
        return crypto_scalarmult(out_shared, sec, pub) == 0;
}
