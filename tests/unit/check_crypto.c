/*
 * Published vectors for src/crypto: BLAKE2 (BLAKE2/BLAKE2 testvectors), BIP 340 (bitcoin/bips),
 * RFC 9106 (Argon2id, through libargon2 as the reference), FIPS 180-4 (SHA-256).
 */
#include "config.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sha_pages.h"
#include "crypto/sign.h"
#include "crypto/tags.h"

#include "unit.h"

#include <argon2.h>
#include <blake2.h>

START_TEST(blake2b_known_answers)
{
        FILE *f = unit_vectors("blake2b-kat.txt");
        char line[2048];
        uint8_t in[512], key[64], want[64], got[64];
        size_t in_len = 0, key_len = 0, count = 0;

        while (fgets(line, sizeof(line), f) != NULL) {
                char *value = strchr(line, '\t');

                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, "in:", 3) == 0) {
                        in_len = unit_unhex(value + 1, in);
                } else if (strncmp(line, "key:", 4) == 0) {
                        key_len = unit_unhex(value + 1, key);
                } else if (strncmp(line, "hash:", 5) == 0) {
                        unit_unhex(value + 1, want);
                        lx_blake2b_512(key, key_len, in, in_len, got);
                        ck_assert_mem_eq(got, want, 64);
                        count++;
                }
        }
        fclose(f);
        ck_assert_uint_ge(count, 256);
}
END_TEST

START_TEST(bip340_vectors)
{
        FILE *f = unit_vectors("bip340.csv");
        char line[4096];
        unsigned count = 0;

        ck_assert(fgets(line, sizeof(line), f) != NULL);
        while (fgets(line, sizeof(line), f) != NULL) {
                char *field[8], *at = line;
                uint8_t sec[32], aux[32], msg[512];
                struct lx_pubkey key;
                struct lx_sig sig, made;
                struct lx_hash hash;
                size_t msg_len;

                for (int i = 0; i < 8; i++)
                        field[i] = strsep(&at, ",\r\n");
                unit_unhex(field[2], key.b);
                msg_len = unit_unhex(field[4], msg);
                unit_unhex(field[5], sig.b);
                ck_assert_msg(lx_verify_any(&key, msg, msg_len, &sig) ==
                        (strcmp(field[6], "TRUE") == 0), "vector %s", field[0]);
                count++;
                if (field[1][0] == '\0' || msg_len != 32)
                        continue;
                unit_unhex(field[1], sec);
                unit_unhex(field[3], aux);
                memcpy(hash.b, msg, 32);
                ck_assert(lx_sign(sec, &hash, aux, &made) == LX_OK);
                ck_assert_mem_eq(made.b, sig.b, LX_SIG_LEN);
                ck_assert(lx_sign_pubkey(sec, &key) == LX_OK);
                unit_unhex(field[2], msg);
                ck_assert_mem_eq(key.b, msg, 32);
        }
        fclose(f);
        ck_assert_uint_ge(count, 19);
}
END_TEST

START_TEST(bad_secret_keys_are_refused)
{
        uint8_t sec[32] = {0};
        struct lx_pubkey key;
        struct lx_sig sig;
        struct lx_hash msg = {{1}};

        ck_assert_int_eq(lx_sign_pubkey(sec, &key), LX_ERR_RANGE);
        memset(sec, 0xff, sizeof(sec));
        ck_assert_int_eq(lx_sign_pubkey(sec, &key), LX_ERR_RANGE);
        ck_assert_int_eq(lx_sign(sec, &msg, NULL, &sig), LX_ERR_RANGE);
}
END_TEST

/* RFC 9106 5.3: Argon2id with secret and associated data, which only libargon2 takes. */
START_TEST(argon2id_rfc9106)
{
        uint8_t pass[32], salt[16], secret[8], ad[12], out[32], want[32];
        argon2_context ctx = {.out = out, .outlen = 32, .pwd = pass, .pwdlen = 32, .salt = salt,
            .saltlen = 16, .secret = secret, .secretlen = 8, .ad = ad, .adlen = 12, .t_cost = 3,
            .m_cost = 32, .lanes = 4, .threads = 4, .version = ARGON2_VERSION_13};

        memset(pass, 1, 32), memset(salt, 2, 16), memset(secret, 3, 8), memset(ad, 4, 12);
        ck_assert_int_eq(argon2id_ctx(&ctx), ARGON2_OK);
        unit_unhex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659", want);
        ck_assert_mem_eq(out, want, 32);
}
END_TEST

START_TEST(argon2id_agrees_with_libargon2)
{
        const struct lx_kdf kdf = {LX_KDF_FLOOR_MEM_KIB, LX_KDF_FLOOR_PASSES, 1};
        const uint8_t salt[LX_KDF_SALT_LEN] = "0123456789abcde";
        uint8_t ours[32], theirs[32];

        ck_assert_int_eq(lx_kdf_derive(&kdf, (const uint8_t *)"secret", 6, salt, ours, 32), LX_OK);
        ck_assert_int_eq(argon2id_hash_raw(kdf.passes, kdf.mem_kib, 1, "secret", 6, salt,
                             sizeof(salt), theirs, 32), ARGON2_OK);
        ck_assert_mem_eq(ours, theirs, 32);
}
END_TEST

START_TEST(kdf_floor)
{
        struct lx_kdf kdf = {LX_KDF_FLOOR_MEM_KIB, LX_KDF_FLOOR_PASSES, 1};

        ck_assert(lx_kdf_is_allowed(&kdf));
        kdf.mem_kib--;
        ck_assert(!lx_kdf_is_allowed(&kdf));
        kdf.mem_kib = LX_KDF_MAX_MEM_KIB + 1;
        ck_assert(!lx_kdf_is_allowed(&kdf));
        kdf.mem_kib = LX_KDF_MAX_MEM_KIB;
        kdf.passes = LX_KDF_FLOOR_PASSES - 1;
        ck_assert(!lx_kdf_is_allowed(&kdf));
        kdf.passes = LX_KDF_FLOOR_PASSES;
        kdf.lanes = 2;
        ck_assert(!lx_kdf_is_allowed(&kdf));
}
END_TEST

/* FIPS 180-4 examples: "abc" and the empty message. */
START_TEST(sha256_known_answers)
{
        uint8_t want[32], got[32];
        struct lx_sha256 *sha = lx_sha256_new();

        unit_unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", want);
        lx_sha256("abc", 3, got);
        ck_assert_mem_eq(got, want, 32);
        lx_sha256_update(sha, "a", 1);
        lx_sha256_update(sha, "bc", 2);
        lx_sha256_final(sha, got);
        ck_assert_mem_eq(got, want, 32);
        lx_sha256_reset(sha);
        lx_sha256_final(sha, got);
        unit_unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", want);
        ck_assert_mem_eq(got, want, 32);
        lx_sha256_free(sha);
}
END_TEST

/* Every implementation that this CPU has equals libb2, for every count and alignment. */
/* A file and its pages at once, by the CPU's instructions and without, for lengths around every border. */
START_TEST(sha_pages_equal_libcrypto)
{
        static uint8_t file[5 * LX_PAGE_LEN];
        static const size_t lens[] = {0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 4095, 4096, 4097, 4096 + 55,
            4096 + 56, 4096 + 63, 4096 + 64, 8191, 8192, 12345, 5 * 4096 - 1, 5 * 4096};

        for (size_t i = 0; i < sizeof(file); i++)
                file[i] = (uint8_t)(i * 37 + i / 251);
        for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++)
                for (int plain = 0; plain < 2; plain++) {
                        struct lx_sha_pages *sha = lx_sha_pages_new();
                        size_t pages = lens[l] / LX_PAGE_LEN, rest = lens[l] % LX_PAGE_LEN;
                        struct lx_hash page[5], got;
                        uint8_t want[32];

                        if (plain)
                                lx_sha_pages_force_plain(sha);
                        /* In two parts. */
                        lx_sha_pages_update(sha, file, pages / 2, page);
                        lx_sha_pages_update(sha, file + pages / 2 * LX_PAGE_LEN, pages - pages / 2, page + pages / 2);
                        lx_sha_pages_final(sha, file + pages * LX_PAGE_LEN, rest, &got);
                        lx_sha256(file, lens[l], want);
                        ck_assert_mem_eq(got.b, want, 32);
                        for (size_t i = 0; i < pages; i++) {
                                lx_sha256(file + i * LX_PAGE_LEN, LX_PAGE_LEN, want);
                                ck_assert_mem_eq(page[i].b, want, 32);
                        }
                        lx_sha_pages_free(sha);
                }
}
END_TEST

START_TEST(lanes_equal_libb2)
{
        enum { PAGES = 19 };
        uint8_t *pages = malloc(PAGES * LX_PAGE_LEN + 1);
        struct lx_hash got[PAGES], want[PAGES];
        uint64_t state = 1;

        for (size_t i = 0; i < PAGES * LX_PAGE_LEN + 1; i++)
                pages[i] = (uint8_t)unit_random(&state);
        for (size_t shift = 0; shift < 2; shift++)
                for (size_t count = 0; count <= PAGES; count++) {
                        for (size_t i = 0; i < count; i++)
                                lx_blake2b(&LX_TAG_LEAF, pages + shift + i * LX_PAGE_LEN,
                                    LX_PAGE_LEN, &want[i]);
                        for (int lanes = 0; lanes <= (int)lx_blake2b_lanes(); lanes++) {
                                memset(got, 0, sizeof(got));
                                ck_assert(lx_blake2b_pages_by((enum lx_lanes)lanes, &LX_TAG_LEAF,
                                    pages + shift, count, got));
                                ck_assert_mem_eq(got, want, count * sizeof(got[0]));
                        }
                }
        free(pages);
}
END_TEST

START_TEST(pairs_equal_single_hashes)
{
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct lx_hash in[2 * 11], got[11], want;

        for (unsigned i = 0; i < 22; i++)
                in[i] = unit_hash(i);
        ops->hash_pairs(ops->ctx, &LX_TAG_NODE, in, 11, got);
        for (unsigned i = 0; i < 11; i++) {
                lx_hash_pair(ops, &LX_TAG_NODE, &in[2 * i], &in[2 * i + 1], &want);
                ck_assert(lx_hash_eq(&got[i], &want));
        }
}
END_TEST

/* The personalisation and the key reach libb2: compared with its own parameter block. */
START_TEST(tags_and_keys_separate)
{
        blake2b_param param = {.digest_length = 32, .fanout = 1, .depth = 1};
        blake2b_state state;
        struct lx_hash a, b, want;

        memcpy(param.personal, "lx.leaf", 7);
        blake2b_init_param(&state, &param);
        blake2b_update(&state, (const uint8_t *)"x", 1);
        blake2b_final(&state, want.b, 32);
        lx_blake2b(&LX_TAG_LEAF, "x", 1, &a);
        ck_assert(lx_hash_eq(&a, &want));
        lx_blake2b(&LX_TAG_NODE, "x", 1, &b);
        ck_assert(!lx_hash_eq(&a, &b));
        lx_blake2b_keyed(&LX_TAG_LEAF, (const uint8_t *)"k", 1, "x", 1, &b);
        ck_assert(!lx_hash_eq(&a, &b));
}
END_TEST

START_TEST(secrets_are_zeroed_and_cleared)
{
        struct lx_secret s;

        ck_assert_int_eq(lx_secret_init(&s, 32), LX_OK);
        for (size_t i = 0; i < 32; i++)
                ck_assert_int_eq(s.p[i], 0);
        lx_random(s.p, s.len);
        lx_secret_clear(&s);
        ck_assert_ptr_null(s.p);
        lx_secret_clear(&s);
        ck_assert(lx_ct_equal("abc", "abc", 3) && !lx_ct_equal("abc", "abd", 3));
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {blake2b_known_answers, bip340_vectors,
            bad_secret_keys_are_refused, argon2id_rfc9106, argon2id_agrees_with_libargon2, kdf_floor,
            sha256_known_answers, sha_pages_equal_libcrypto, lanes_equal_libb2, pairs_equal_single_hashes,
            tags_and_keys_separate, secrets_are_zeroed_and_cleared, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("crypto", cases, 60);
}
