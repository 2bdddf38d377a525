/*
 * tests/ctime/ctime_llp.c - the transport: no branch and no index of ours depends on a secret.
 *
 * Both sides' static and ephemeral secrets are marked undefined; handshake, frames in both directions and a
 * key rotation run under valgrind, which reports whatever decides or addresses by them. What went over the
 * wire is shown in between. Usage: ctime_llp [leak]; "leak" branches on a key on purpose.
 */
#include "config.h"
#include "crypto/secret.h"
#include "llp/frame.h"
#include "llp/noise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

static void
must(bool ok, const char *what)
{
        if (ok)
                return;
        fprintf(stderr, "ctime_llp: %s\n", what);
        exit(2);
}

static void
hide(const void *p, size_t len)
{
        (void)VALGRIND_MAKE_MEM_UNDEFINED(p, len);
}

static void
show(const void *p, size_t len)
{
        (void)VALGRIND_MAKE_MEM_DEFINED(p, len);
}

/* One act from @from to @to, by way of a wire that everybody sees. */
static void
carry(struct llp_noise *from, struct llp_noise *to)
{
        uint8_t act[LLP_NOISE_ACT_MAX];
        size_t len = llp_noise_write(from, act);

        show(act, len);
        must(llp_noise_read(to, act, len) == LX_OK, "an act is refused");
}

static void
talk(struct llp_sealer *sealer, struct llp_opener *opener)
{
        static uint8_t text[200], wire[200 + LLP_FRAME_OVERHEAD], back[LLP_FRAME_MAX];

        for (int i = 0; i < 510; i++) { /* over a rotation */
                const uint8_t *p = wire;
                size_t len, got = 0;
                bool whole;

                hide(text, sizeof(text));
                len = llp_sealer_seal(sealer, text, sizeof(text), wire);
                show(wire, len);
                must(llp_opener_take(opener, &p, &len, back, &whole, &got) == LX_OK,
                    "a frame is refused");
                must(whole && got == sizeof(text), "a frame is not whole");
        }
}

int
main(int argc, char **argv)
{
        static const char prologue[] = "test";
        uint8_t a_secret[32], b_secret[32];
        struct llp_noise_options options = {.initiator = true, .prologue = LX_SPAN(prologue, 4)};
        struct llp_noise *a, *b;
        struct llp_noise_keys a_keys, b_keys;
        struct llp_sealer *sealer;
        struct llp_opener *opener;

        must(lx_crypto_init() == LX_OK, "no randomness");
        memset(a_secret, 0x11, 32);
        memset(b_secret, 0x21, 32);
        hide(a_secret, 32);
        hide(b_secret, 32);
        must(lx_ecdh_even(a_secret, a_secret) == LX_OK && lx_ecdh_even(b_secret, b_secret) == LX_OK,
            "keys");
        must(lx_ecdh_point(b_secret, &options.remote) == LX_OK, "a point");
        options.secret = a_secret;
        memset(options.ephemeral, 0x12, 32);
        hide(options.ephemeral, 32);
        must(llp_noise_new(&options, &a) == LX_OK, "initiator");
        options.initiator = false;
        options.secret = b_secret;
        memset(options.ephemeral, 0x22, 32);
        hide(options.ephemeral, 32);
        must(llp_noise_new(&options, &b) == LX_OK, "responder");
        carry(a, b);
        carry(b, a);
        carry(a, b);
        must(llp_noise_is_done(a) && llp_noise_is_done(b), "the handshake does not end");
        llp_noise_get_keys(a, &a_keys);
        llp_noise_get_keys(b, &b_keys);
        sealer = llp_sealer_new(a_keys.send, a_keys.chaining);
        opener = llp_opener_new(b_keys.recv, b_keys.chaining);
        talk(sealer, opener);
        if (argc > 1 && strcmp(argv[1], "leak") == 0 && a_keys.send[0] == 1)
                puts("leaked");
        llp_sealer_free(sealer);
        llp_opener_free(opener);
        llp_noise_free(a);
        llp_noise_free(b);
        return 0;
}
