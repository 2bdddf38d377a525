/*
 * Half-aggregation: the published vectors (BlockstreamResearch/cross-input-aggregation), aggregates of our
 * own signatures, and that no byte of one may change.
 */
#include "config.h"
#include "crypto/halfagg.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include "unit.h"

/* "key,message;key,message aggregate" */
static size_t
read_vector(char *line, struct lx_halfagg_item *items, uint8_t *agg, size_t *out_agg_len)
{
        char *list = strsep(&line, " "), *pair;
        size_t count = 0;

        line[strcspn(line, "\r\n")] = '\0';
        *out_agg_len = unit_unhex(line, agg);
        while ((pair = strsep(&list, ";")) != NULL) {
                unit_unhex(strsep(&pair, ","), items[count].key.b);
                unit_unhex(pair, items[count++].msg.b);
        }
        return count;
}

START_TEST(published_vectors)
{
        FILE *f = unit_vectors("bip340-halfagg.txt");
        char line[4096];
        unsigned lines = 0;

        while (fgets(line, sizeof(line), f) != NULL) {
                struct lx_halfagg_item items[LX_HALFAGG_MAX];
                uint8_t agg[LX_HALFAGG_LEN(LX_HALFAGG_MAX)];
                size_t agg_len, count = read_vector(line, items, agg, &agg_len);

                ck_assert(lx_halfagg_verify(items, count, agg, agg_len));
                agg[agg_len - 1] ^= 1;
                ck_assert(!lx_halfagg_verify(items, count, agg, agg_len));
                lines++;
        }
        fclose(f);
        ck_assert_uint_eq(lines, 2);
}
END_TEST

static void
sign_items(struct lx_halfagg_item *items, struct lx_sig *sigs, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                uint8_t secret[32] = {1, 2, 3};

                secret[30] = (uint8_t)(i >> 8);
                secret[31] = (uint8_t)(i + 1);
                items[i].msg = unit_hash(i);
                ck_assert_int_eq(lx_sign_pubkey(secret, &items[i].key), LX_OK);
                ck_assert_int_eq(lx_sign(secret, &items[i].msg, NULL, &sigs[i]), LX_OK);
        }
}

START_TEST(the_aggregate_of_one_signature_is_itself)
{
        struct lx_halfagg_item item;
        struct lx_sig sig;
        uint8_t agg[LX_HALFAGG_LEN(1)];

        sign_items(&item, &sig, 1);
        ck_assert_int_eq(lx_halfagg_make(&item, &sig, 1, agg), LX_OK);
        ck_assert_mem_eq(agg, sig.b, 64);
}
END_TEST

START_TEST(aggregates_of_every_size)
{
        struct lx_halfagg_item items[LX_HALFAGG_MAX + 1];
        struct lx_sig sigs[LX_HALFAGG_MAX + 1];
        uint8_t agg[LX_HALFAGG_LEN(LX_HALFAGG_MAX + 1)];
        static const size_t sizes[] = {1, 2, 3, 4, 16, 100, LX_HALFAGG_MAX};

        sign_items(items, sigs, LX_HALFAGG_MAX + 1);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                size_t n = sizes[i];

                ck_assert_int_eq(lx_halfagg_make(items, sigs, n, agg), LX_OK);
                ck_assert(lx_halfagg_verify(items, n, agg, LX_HALFAGG_LEN(n)));
                ck_assert(!lx_halfagg_verify(items, n, agg, LX_HALFAGG_LEN(n) - 1));
                ck_assert(!lx_halfagg_verify(items, n + 1 <= LX_HALFAGG_MAX ? n + 1 : n, agg,
                    LX_HALFAGG_LEN(n + 1)));
        }
        ck_assert_int_eq(lx_halfagg_make(items, sigs, 0, agg), LX_ERR_RANGE);
        ck_assert_int_eq(lx_halfagg_make(items, sigs, LX_HALFAGG_MAX + 1, agg), LX_ERR_RANGE);
}
END_TEST

START_TEST(no_byte_may_change)
{
        struct lx_halfagg_item items[3];
        struct lx_sig sigs[3];
        uint8_t agg[LX_HALFAGG_LEN(3)];

        sign_items(items, sigs, 3);
        ck_assert_int_eq(lx_halfagg_make(items, sigs, 3, agg), LX_OK);
        for (size_t i = 0; i < sizeof(agg); i++) {
                agg[i] ^= 0x10;
                ck_assert(!lx_halfagg_verify(items, 3, agg, sizeof(agg)));
                agg[i] ^= 0x10;
        }
        items[1].msg.b[0] ^= 1;
        ck_assert(!lx_halfagg_verify(items, 3, agg, sizeof(agg)));
}
END_TEST

START_TEST(one_bad_signature_spoils_the_aggregate)
{
        struct lx_halfagg_item items[4];
        struct lx_sig sigs[4];
        uint8_t agg[LX_HALFAGG_LEN(4)];

        sign_items(items, sigs, 4);
        sigs[2].b[40] ^= 1;
        ck_assert_int_eq(lx_halfagg_make(items, sigs, 4, agg), LX_OK);
        ck_assert(!lx_halfagg_verify(items, 4, agg, sizeof(agg)));
        memset(sigs[2].b + 32, 0xff, 32);
        ck_assert_int_eq(lx_halfagg_make(items, sigs, 4, agg), LX_ERR_RANGE);
}
END_TEST

START_TEST(two_wrong_signatures_cannot_cancel)
{
        /* Adding to one s what is taken from another keeps a plain sum; the randomizers break it. */
        struct lx_halfagg_item items[2];
        struct lx_sig sigs[2];
        uint8_t agg[LX_HALFAGG_LEN(2)];

        sign_items(items, sigs, 2);
        sigs[0].b[63] = (uint8_t)(sigs[0].b[63] + 1);
        sigs[1].b[63] = (uint8_t)(sigs[1].b[63] - 1);
        ck_assert_int_eq(lx_halfagg_make(items, sigs, 2, agg), LX_OK);
        ck_assert(!lx_halfagg_verify(items, 2, agg, sizeof(agg)));
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {published_vectors,
            the_aggregate_of_one_signature_is_itself,
            aggregates_of_every_size, no_byte_may_change, one_bad_signature_spoils_the_aggregate,
            two_wrong_signatures_cannot_cancel, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("halfagg", cases, 60);
}
