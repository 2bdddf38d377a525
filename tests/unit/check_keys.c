/*
 * tests/unit/check_keys.c - from names, passwords, words and files to keys; what is too weak; what is
 * damaged. Words: the 256-bit vectors of BIP 39 (trezor/python-mnemonic, vectors.json). Argon2id:
 * libargon2 as the reference.
 */
#include "config.h"
#include "base/buf.h"
#include "base/file.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "keys/derive.c" /* make_scalar deserves a test of its own */
#include "keys/keyfile.h"
#include "keys/words.h"
#include "unit.h"

#include <argon2.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- words ------------------------------------------------------------------------------------- */

static const struct {
        const char *entropy, *words;
} WORDS[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
        "abandon "
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon "
        "art"},
    {"7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank year wave sausage "
        "worth "
        "useful legal winner thank year wave sausage worth title"},
    {"8080808080808080808080808080808080808080808080808080808080808080",
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount "
        "doctor "
        "acoustic avoid letter advice cage absurd amount doctor acoustic bless"},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo "
        "zoo vote"},
    {"68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
        "hamster diagram private dutch cause delay private meat slide toddler razor book happy "
        "fancy "
        "gospel tennis maple dilemma loan word shrug inflict delay length"},
    {"9f6a2878b2520799a44ef18bc7df394e7061a224d2c33cd015b157d746869863",
        "panda eyebrow bullet gorilla call smoke muffin taste mesh discover soft ostrich alcohol "
        "speed "
        "nation flash devote level hobby quick inner drive ghost inside"},
    {"066dca1a2bb7e8a1db2832148ce9933eea0f3ac9548d793112d9a95c9407efad",
        "all hour make first leader extend hole alien behind guard gospel lava path output census "
        "museum "
        "junior mass reopen famous sing advance salt reform"},
    {"f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
        "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing "
        "screen "
        "patrol group space point ten exist slush involve unfold"},
};

START_TEST(words_of_bip39)
{
        for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
                uint8_t entropy[32], back[32];
                char phrase[KEYS_PHRASE_MAX];

                unit_unhex(WORDS[i].entropy, entropy);
                keys_words_encode(entropy, phrase);
                ck_assert_str_eq(phrase, WORDS[i].words);
                ck_assert_int_eq(keys_words_decode(phrase, strlen(phrase), back, NULL), LX_OK);
                ck_assert_mem_eq(back, entropy, 32);
        }
}
END_TEST

static enum lx_err
decode(const char *phrase, struct lx_why *why)
{
        uint8_t out[32];

        why->text[0] = '\0';
        return keys_words_decode(phrase, strlen(phrase), out, why);
}

START_TEST(words_that_are_wrong)
{
        struct lx_why why;
        char phrase[KEYS_PHRASE_MAX + 64];

        /* As people type them. */
        snprintf(phrase, sizeof(phrase), "  %s\n", WORDS[4].words);
        phrase[2] = 'H';
        *strchr(phrase + 3, ' ') = '\t';
        ck_assert_int_eq(decode(phrase, &why), LX_OK);
        /* One word less, one more, one unknown, one too long, two exchanged, another last one. */
        snprintf(phrase, sizeof(phrase), "%s", WORDS[4].words);
        *strrchr(phrase, ' ') = '\0';
        ck_assert_int_eq(decode(phrase, &why), LX_ERR_FORMAT);
        ck_assert_ptr_nonnull(strstr(why.text, "24 words"));
        snprintf(phrase, sizeof(phrase), "%s zoo", WORDS[4].words);
        ck_assert_int_eq(decode(phrase, &why), LX_ERR_FORMAT);
        ck_assert_int_eq(decode("", &why), LX_ERR_FORMAT);
        snprintf(phrase, sizeof(phrase), "%s", WORDS[4].words);
        memcpy(strstr(phrase, "dutch"), "dutcx", 5);
        ck_assert_int_eq(decode(phrase, &why), LX_ERR_FORMAT);
        ck_assert_ptr_nonnull(strstr(why.text, "word 4 "));
        ck_assert_ptr_null(strstr(why.text, "dutc")); /* its number, never the word */
        ck_assert_int_eq(decode("abandonabandonabandon art", &why), LX_ERR_FORMAT);
        ck_assert_ptr_nonnull(strstr(why.text, "word 1 "));
        snprintf(phrase, sizeof(phrase), "%s", WORDS[4].words);
        memcpy(phrase, "private diagram hamster", 23);
        ck_assert_int_eq(decode(phrase, &why), LX_ERR_FORMAT);
        ck_assert_ptr_nonnull(strstr(why.text, "belong together"));
        snprintf(phrase, sizeof(phrase), "%s", WORDS[0].words);
        memcpy(strrchr(phrase, ' '), " zoo", 4);
        ck_assert_int_eq(decode(phrase, &why), LX_ERR_FORMAT);
}
END_TEST

/* ---- names and weak secrets -------------------------------------------------------------------- */

START_TEST(user_names)
{
        char name[KEYS_NAME_MAX + 2];
        struct lx_why why = {{0}};

        ck_assert_int_eq(keys_check_name("a", NULL), LX_OK);
        ck_assert_int_eq(keys_check_name("alice.b_c-9", NULL), LX_OK);
        ck_assert_int_eq(keys_check_name("", &why), LX_ERR_RANGE);
        ck_assert_uint_gt(strlen(why.text), 0);
        ck_assert_int_eq(keys_check_name("Alice", NULL), LX_ERR_FORMAT);
        ck_assert_int_eq(keys_check_name("al ice", NULL), LX_ERR_FORMAT);
        ck_assert_int_eq(keys_check_name("\xc3\xa4", NULL), LX_ERR_FORMAT);
        memset(name, 'x', sizeof(name));
        name[KEYS_NAME_MAX + 1] = '\0';
        ck_assert_int_eq(keys_check_name(name, NULL), LX_ERR_RANGE);
        name[KEYS_NAME_MAX] = '\0';
        ck_assert_int_eq(keys_check_name(name, NULL), LX_OK);
}
END_TEST

static struct lx_secret
secret(const char *text)
{
        struct lx_secret s;

        ck_assert_int_eq(lx_secret_init(&s, strlen(text) + 1), LX_OK);
        memcpy(s.p, text, strlen(text));
        s.len = strlen(text);
        return s;
}

START_TEST(weak_secrets_are_refused_with_the_reason)
{
        static const struct {
                const char *password, *pin, *why; /* NULL: strong */
        } rows[] = {
            {"brittle moose 41 lantern", "830172", NULL},
            {"xkq7!vbn2#Lm", "274918", NULL},
            {"short", "830172", "fewer than 10"},
            {"123456789", "830172", "fewer than 10"},
            {"1234567890", "830172", "easy to guess"},
            {"aaaaaaaaaaaaaaaaaaaa", "830172", "easy to guess"},
            {"abcdefghijklmnop", "830172", "easy to guess"},
            {"zyxwvutsrqponm", "830172", "easy to guess"},
            {"passwordpassword", "830172", "easy to guess"},
            {"Password123456", "830172", "easy to guess"},
            {"alicealicealice", "830172", "easy to guess"},
            {"ALICE alice 99", "830172", "easy to guess"},
            {"qwertzqwertzqwertz", "830172", "easy to guess"},
            {"brittle moose 41 lantern", "", "PIN has fewer"},
            {"brittle moose 41 lantern", "12345", "PIN has fewer"},
            {"brittle moose 41 lantern", "111111", "repetition or a sequence"},
            {"brittle moose 41 lantern", "123456", "repetition or a sequence"},
            {"brittle moose 41 lantern", "654321", "repetition or a sequence"},
            {"brittle moose 41 lantern", "777888", "repetition or a sequence"},
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct lx_secret password = secret(rows[i].password), pin = secret(rows[i].pin);
                struct lx_why why = {{0}};
                enum lx_err err = keys_check_strength("alice", &password, &pin, &why);

                if (rows[i].why == NULL) {
                        ck_assert_msg(err == LX_OK, "row %zu: %s", i, why.text);
                } else {
                        ck_assert_msg(err == LX_ERR_WEAK, "row %zu", i);
                        ck_assert_msg(
                            strstr(why.text, rows[i].why) != NULL, "row %zu: %s", i, why.text);
                        /* The reason does not give the secret away. */
                        ck_assert(rows[i].password[0] == '\0' ||
                                  strstr(why.text, rows[i].password) == NULL);
                }
                lx_secret_clear(&password);
                lx_secret_clear(&pin);
        }
}
END_TEST

/* ---- deriving ---------------------------------------------------------------------------------- */

START_TEST(seeds_are_argon2id_of_both)
{
        const struct lx_kdf kdf = {65536, 3, 1};
        struct lx_hash genesis = unit_hash(5), salt;
        struct lx_secret password = secret("brittle moose"), pin = secret("830172"), seed = {0};
        static const uint8_t joined[] = "\0\15brittle moose\0\6"
                                        "830172";
        uint8_t want[32];

        ck_assert_int_eq(keys_derive_seed(&genesis, &password, &pin, &kdf, &seed), LX_OK);
        lx_blake2b(&LX_TAG_SEED_SALT, genesis.b, 32, &salt);
        ck_assert_int_eq(
            argon2id_hash_raw(3, 65536, 1, joined, sizeof(joined) - 1, salt.b, 16, want, 32),
            ARGON2_OK);
        ck_assert_mem_eq(seed.p, want, 32);
        lx_secret_clear(&seed);
        lx_secret_clear(&password);
        lx_secret_clear(&pin);
}
END_TEST

START_TEST(names_are_argon2id_of_the_network)
{
        const struct lx_kdf kdf = {65536, 3, 1};
        struct lx_hash chain_id = unit_hash(5), salt;
        struct lx_secret key = {0};
        uint8_t want[32];

        ck_assert_int_eq(keys_derive_name(&chain_id, "alice", &kdf, &key), LX_OK);
        lx_blake2b(&LX_TAG_NAME_SALT, chain_id.b, 32, &salt);
        ck_assert_int_eq(
            argon2id_hash_raw(3, 65536, 1, "alice", 5, salt.b, 16, want, 32), ARGON2_OK);
        ck_assert_mem_eq(key.p, want, 32);
        lx_secret_clear(&key);
}
END_TEST

/* Moving a byte from the password to the PIN, another network, another profile: another key. */
START_TEST(everything_counts)
{
        static const struct {
                const char *password, *pin;
                uint64_t genesis;
                uint32_t mem;
        } rows[] = {{"abcdefghij", "123456", 1, 65536}, {"abcdefghij1", "23456", 1, 65536},
            {"abcdefghij", "123456", 2, 65536}, {"abcdefghij", "123456", 1, 65544},
            {"abcdefghi", "j123456", 1, 65536}};
        uint8_t seen[5][32];

        for (size_t i = 0; i < 5; i++) {
                struct lx_kdf kdf = {rows[i].mem, 3, 1};
                struct lx_secret password = secret(rows[i].password), pin = secret(rows[i].pin),
                                 seed = {0};
                struct lx_hash genesis = unit_hash(rows[i].genesis);

                ck_assert_int_eq(keys_derive_seed(&genesis, &password, &pin, &kdf, &seed), LX_OK);
                memcpy(seen[i], seed.p, 32);
                for (size_t j = 0; j < i; j++)
                        ck_assert_mem_ne(seen[i], seen[j], 32);
                lx_secret_clear(&seed);
                lx_secret_clear(&password);
                lx_secret_clear(&pin);
        }
}
END_TEST

/* Below the floor nothing is derived, whoever names the parameters. */
START_TEST(the_floor_holds)
{
        static const struct lx_kdf bad[] = {{65535, 3, 1}, {0, 3, 1}, {4194305, 3, 1},
            {65536, 2, 1}, {65536, 65, 1}, {65536, 3, 0}, {65536, 3, 2}};
        struct lx_hash h = unit_hash(1);
        struct lx_secret password = secret("abcdefghij"), pin = secret("123456"), out = {0};
        struct lx_secret longer;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                ck_assert(!lx_kdf_is_allowed(&bad[i]));
                ck_assert_int_eq(
                    keys_derive_seed(&h, &password, &pin, &bad[i], &out), LX_ERR_RANGE);
                ck_assert_int_eq(keys_derive_name(&h, "alice", &bad[i], &out), LX_ERR_RANGE);
                ck_assert_ptr_null(out.p); /* outputs untouched */
        }
        ck_assert_int_eq(lx_secret_init(&longer, KEYS_PASSWORD_MAX + 1), LX_OK);
        ck_assert_int_eq(
            keys_derive_seed(&h, &longer, &pin, &(struct lx_kdf){65536, 3, 1}, &out), LX_ERR_RANGE);
        longer.len = KEYS_PIN_MAX + 1;
        ck_assert_int_eq(
            keys_derive_seed(&h, &password, &longer, &(struct lx_kdf){65536, 3, 1}, &out),
            LX_ERR_RANGE);
        longer.len = KEYS_PASSWORD_MAX + 1;
        lx_secret_clear(&longer);
        lx_secret_clear(&password);
        lx_secret_clear(&pin);
}
END_TEST

START_TEST(keys_of_a_chain)
{
        struct lx_secret seed = secret("0123456789abcdef0123456789abcdef"), key = {0};
        struct lx_hash genesis = unit_hash(1), commitment, want;
        struct lx_pubkey public, before = {{0}};
        struct lx_hash msg = unit_hash(2);
        struct lx_sig sig;

        for (uint64_t i = 0; i < 100; i++) {
                ck_assert_int_eq(keys_derive_chain(&seed, i, &key), LX_OK);
                ck_assert_int_eq(keys_public(&key, &public, &commitment), LX_OK);
                ck_assert_mem_ne(public.b, before.b, 32);
                before = public;
                sigchain_next_hash(&lx_crypto_ops()->hash, &public, &want);
                ck_assert(lx_hash_eq(&want, &commitment));
                ck_assert_int_eq(lx_sign(key.p, &msg, NULL, &sig), LX_OK);
                ck_assert(lx_verify(&public, &msg, &sig));
                lx_secret_clear(&key);
        }
        ck_assert_int_eq(keys_derive_recovery(&seed, &genesis, 0, &key), LX_OK);
        ck_assert_int_eq(keys_public(&key, &before, NULL), LX_OK);
        lx_secret_clear(&key);
        ck_assert_int_eq(keys_derive_recovery(&seed, &genesis, 1, &key), LX_OK);
        ck_assert_int_eq(keys_public(&key, &public, NULL), LX_OK);
        ck_assert_mem_ne(public.b, before.b, 32);
        lx_secret_clear(&key);
        lx_secret_clear(&seed);
}
END_TEST

/* 32 bytes that are no scalar (the order of the group and above, and zero) become one. */
START_TEST(bytes_become_scalars)
{
        static const char *const none[] = {
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "0000000000000000000000000000000000000000000000000000000000000000"};
        struct lx_hash again;

        for (size_t i = 0; i < 3; i++) {
                struct lx_secret key = {0};
                uint8_t before[32];

                ck_assert_int_eq(lx_secret_init(&key, 32), LX_OK);
                unit_unhex(none[i], key.p);
                memcpy(before, key.p, 32);
                make_scalar(&key);
                lx_blake2b_keyed(&LX_TAG_KEY, before, 32, "again", 5, &again);
                ck_assert_mem_eq(key.p, again.b, 32);
                lx_secret_clear(&key);
        }
}
END_TEST

/* ---- key files --------------------------------------------------------------------------------- */

static char path[64];

static void
setup(void)
{
        char dir[] = "/tmp/check_keys.XXXXXX";

        ck_assert_ptr_nonnull(mkdtemp(dir));
        snprintf(path, sizeof(path), "%s/key", dir);
}

static void
teardown(void)
{
        (void)unlink(path);
        *strrchr(path, '/') = '\0';
        (void)rmdir(path);
}

START_TEST(key_files_come_back)
{
        struct keys_file file, back;
        struct stat st;
        struct lx_why why = {{0}};
        enum keys_kind kind;

        for (int k = KEYS_VALIDATOR; k <= KEYS_DEVICE; k++) {
                ck_assert(keys_kind_named(keys_kind_name((enum keys_kind)k), &kind) &&
                          kind == (enum keys_kind)k);
                ck_assert_int_eq(keys_file_generate(kind, &file), LX_OK);
                ck_assert_int_eq(keys_file_save(&file, path, &why), LX_OK);
                ck_assert_int_eq(stat(path, &st), 0);
                ck_assert_uint_eq(st.st_mode & 0777, 0600);
                ck_assert_int_eq(keys_file_load(path, &back, &why), LX_OK);
                ck_assert(back.kind == kind);
                ck_assert_mem_eq(back.secret.p, file.secret.p, 32);
                ck_assert_mem_eq(back.public.b, file.public.b, 32);
                /* Never overwritten. */
                ck_assert_int_eq(keys_file_save(&file, path, &why), LX_ERR_EXISTS);
                keys_file_clear(&file);
                keys_file_clear(&back);
                keys_file_clear(&back);
                ck_assert_int_eq(unlink(path), 0);
        }
        ck_assert(!keys_kind_named("king", &kind));
}
END_TEST

START_TEST(key_files_that_others_may_read)
{
        static const mode_t modes[] = {0640, 0604, 0644, 0660, 0610, 0601};
        struct keys_file file, back;
        struct lx_why why;

        ck_assert_int_eq(keys_file_generate(KEYS_DEVICE, &file), LX_OK);
        ck_assert_int_eq(keys_file_save(&file, path, NULL), LX_OK);
        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
                why.text[0] = '\0';
                ck_assert_int_eq(chmod(path, modes[i]), 0);
                ck_assert_int_eq(keys_file_load(path, &back, &why), LX_ERR_DENIED);
                ck_assert_ptr_nonnull(strstr(why.text, "chmod 600"));
        }
        ck_assert_int_eq(chmod(path, 0400), 0);
        ck_assert_int_eq(keys_file_load(path, &back, NULL), LX_OK);
        keys_file_clear(&back);
        keys_file_clear(&file);
}
END_TEST

START_TEST(damaged_key_files)
{
        struct keys_file file, back;
        struct lx_buf text = {0};
        struct lx_why why = {{0}};

        ck_assert_int_eq(keys_file_load(path, &back, &why), LX_ERR_ABSENT);
        ck_assert_int_eq(keys_file_generate(KEYS_DEVICE, &file), LX_OK);
        ck_assert_int_eq(keys_file_save(&file, path, NULL), LX_OK);
        ck_assert_int_eq(lx_file_read(path, 1000, &text, NULL), LX_OK);
        for (size_t i = 0; i <= text.len; i++) {
                /* Cut there, and with that byte changed. */
                ck_assert_int_eq(lx_file_write(path, text.p, i, 0600, NULL), LX_OK);
                if (i < text.len)
                        ck_assert_int_eq(keys_file_load(path, &back, NULL), LX_ERR_FORMAT);
                if (i == text.len)
                        break;
                text.p[i] ^= 1;
                ck_assert_int_eq(lx_file_write(path, text.p, text.len, 0600, NULL), LX_OK);
                ck_assert_msg(keys_file_load(path, &back, NULL) == LX_ERR_FORMAT, "byte %zu", i);
                text.p[i] ^= 1;
        }
        lx_buf_append(&text, "x", 1);
        ck_assert_int_eq(lx_file_write(path, text.p, text.len, 0600, NULL), LX_OK);
        ck_assert_int_eq(keys_file_load(path, &back, NULL), LX_ERR_FORMAT);
        while (text.len <= 512)
                lx_buf_append(&text, "xxxxxxxx", 8);
        ck_assert_int_eq(lx_file_write(path, text.p, text.len, 0600, NULL), LX_OK);
        ck_assert_int_eq(keys_file_load(path, &back, NULL), LX_ERR_LIMIT);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        ck_assert_int_eq(keys_file_load(path, &back, NULL), LX_ERR_FORMAT);
        keys_file_clear(&file);
        lx_buf_clear(&text);
}
END_TEST

START_TEST(a_device_has_a_chain)
{
        struct keys_file file = {.kind = KEYS_DEVICE};
        struct lx_secret name = {0}, seed = {0}, key = {0};
        struct lx_pubkey public;

        ck_assert_int_eq(keys_file_generate(KEYS_DEVICE, &file), LX_OK);
        ck_assert_int_eq(keys_file_chain(&file, &name, &seed), LX_OK);
        ck_assert_mem_ne(name.p, seed.p, 32);
        ck_assert_mem_ne(name.p, file.secret.p, 32);
        ck_assert_int_eq(keys_public(&name, &public, NULL), LX_OK);
        ck_assert_int_eq(keys_derive_chain(&seed, 0, &key), LX_OK);
        lx_secret_clear(&key);
        lx_secret_clear(&name);
        lx_secret_clear(&seed);
        keys_file_clear(&file);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {words_of_bip39, words_that_are_wrong, user_names,
            weak_secrets_are_refused_with_the_reason, seeds_are_argon2id_of_both,
            names_are_argon2id_of_the_network, everything_counts, the_floor_holds, keys_of_a_chain,
            bytes_become_scalars, key_files_come_back, key_files_that_others_may_read,
            damaged_key_files, a_device_has_a_chain, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main_in("keys", cases, 60, setup, teardown);
}
