/*
 * tests/ctime/ctime.c - no branch and no index depends on a secret, in our own code around the libraries.
 *
 * Secrets are marked undefined; valgrind's memcheck reports whatever decides or addresses by them. What the
 * libraries do inside is theirs to test (libraries.supp). Usage: ctime [leak]; "leak" branches on a secret
 * on purpose, to show that the test can fail.
 */
#include "config.h"
#include "base/hash.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "keys/derive.h"
#include "keys/keyfile.h"
#include "keys/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

static void
must(bool ok, const char *what)
{
        if (ok)
                return;
        fprintf(stderr, "ctime: %s\n", what);
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

static struct lx_secret
secret(size_t len)
{
        struct lx_secret s;

        must(lx_secret_init(&s, len) == LX_OK, "secure memory");
        for (size_t i = 0; i < len; i++)
                s.p[i] = (uint8_t)(i * 7 + 1);
        hide(s.p, len);
        return s;
}

static void
compare(void)
{
        struct lx_secret a = secret(32), b = secret(32);
        bool equal = lx_ct_equal(a.p, b.p, 32);

        show(&equal, sizeof(equal));
        must(equal, "equal secrets differ");
        lx_secret_clear(&a);
        lx_secret_clear(&b);
}

static void
hex(void)
{
        struct lx_secret a = secret(32);
        char text[LX_HEX_LEN(32)];
        uint8_t back[32];
        bool ok;

        lx_hex(a.p, 32, text);
        ok = lx_unhex(text, 64, back, 32);
        show(&ok, sizeof(ok));
        must(ok, "hex");
        lx_secret_clear(&a);
}

static void
derive_and_sign(void)
{
        struct lx_secret seed = secret(KEYS_SEED_LEN), key = {0};
        struct lx_hash genesis = {{1}}, msg = {{2}}, commitment;
        struct lx_pubkey public;
        struct lx_sig sig;
        uint8_t aux[32] = {3};

        must(keys_derive_chain(&seed, 5, &key) == LX_OK, "one-time key");
        must(keys_public(&key, &public, &commitment) == LX_OK, "public key");
        show(&public, sizeof(public));
        must(lx_sign(key.p, &msg, aux, &sig) == LX_OK, "signature");
        show(&sig, sizeof(sig));
        must(lx_verify(&public, &msg, &sig), "signature does not verify");
        lx_secret_clear(&key);
        must(keys_derive_recovery(&seed, &genesis, 1, &key) == LX_OK, "recovery key");
        lx_secret_clear(&key);
        lx_secret_clear(&seed);
}

static void
password(void)
{
        const struct lx_kdf kdf = {LX_KDF_FLOOR_MEM_KIB, LX_KDF_FLOOR_PASSES, 1};
        struct lx_secret pass = secret(20), pin = secret(6), seed = {0};
        struct lx_hash genesis = {{1}};

        must(keys_derive_seed(&genesis, &pass, &pin, &kdf, &seed) == LX_OK, "seed");
        lx_secret_clear(&pass);
        lx_secret_clear(&pin);
        lx_secret_clear(&seed);
}

static void
device(void)
{
        struct keys_file file = {.kind = KEYS_DEVICE, .secret = secret(32)};
        struct lx_secret name = {0}, seed = {0};

        must(keys_file_chain(&file, &name, &seed) == LX_OK, "device");
        lx_secret_clear(&name);
        lx_secret_clear(&seed);
        keys_file_clear(&file);
}

static void
words(void)
{
        struct lx_secret entropy = secret(KEYS_ENTROPY_LEN);
        char phrase[KEYS_PHRASE_MAX];
        uint8_t back[KEYS_ENTROPY_LEN];
        size_t len;

        keys_words_encode(entropy.p, phrase);
        for (len = 0; len < sizeof(phrase); len++) {
                char end = phrase[len];

                show(&end, sizeof(end));
                if (end == '\0')
                        break;
        }
        hide(phrase, len);
        must(keys_words_decode(phrase, len, back, NULL) == LX_OK, "words");
        lx_secret_clear(&entropy);
}

int
main(int argc, char **argv)
{
        must(lx_crypto_init() == LX_OK, "no randomness");
        compare();
        hex();
        derive_and_sign();
        words();
        device();
        if (getenv("LX_CTIME_KDF") != NULL) /* slow under valgrind */
                password();
        if (argc > 1 && strcmp(argv[1], "leak") == 0) {
                struct lx_secret s = secret(1);

                if (s.p[0] == 1)
                        puts("leaked");
                lx_secret_clear(&s);
        }
        return 0;
}
