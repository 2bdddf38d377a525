/*
 * tests/unit/check_base_wire.c - reader and writer at every cut and limit; hashes, hex, errors, why.
 */
#include "config.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/why.h"
#include "base/wire.h"
#include "unit.h"

/* One of everything, in order. */
static void
write_all(struct lx_writer *wr)
{
        struct lx_hash h = unit_hash(7);

        lx_write_u8(wr, 0x12);
        lx_write_u16(wr, 0x3456);
        lx_write_u32(wr, 0x789abcde);
        lx_write_u64(wr, 0xf0123456789abcde);
        lx_write_bytes(wr, "xyz", 3);
        lx_write_hash(wr, &h);
        lx_write_str8(wr, LX_SPAN("ab", 2));
        lx_write_var16(wr, LX_SPAN("cde", 3));
        lx_write_var32(wr, LX_SPAN("fghi", 4));
}

#define ALL (1 + 2 + 4 + 8 + 3 + 32 + 3 + 5 + 8)

START_TEST(writer_is_big_endian)
{
        uint8_t out[ALL];
        struct lx_writer wr = lx_writer_init(out, sizeof(out)), count = lx_writer_init(NULL, ALL);
        static const uint8_t head[] = {0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34,
            0x56, 0x78, 0x9a, 0xbc, 0xde, 'x', 'y', 'z'};
        static const uint8_t tail[] = {
            2, 'a', 'b', 0, 3, 'c', 'd', 'e', 0, 0, 0, 4, 'f', 'g', 'h', 'i'};

        write_all(&wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        ck_assert_uint_eq(wr.len, ALL);
        ck_assert_mem_eq(out, head, sizeof(head));
        ck_assert_mem_eq(out + sizeof(head) + 32, tail, sizeof(tail));
        write_all(&count);
        ck_assert_int_eq(lx_writer_end(&count), LX_OK);
        ck_assert_uint_eq(count.len, ALL);
}
END_TEST

/* With too little room the first error stays, nothing is written beyond, later calls do nothing. */
START_TEST(writer_at_every_cut)
{
        for (size_t cap = 0; cap < ALL; cap++) {
                uint8_t *out = malloc(cap + 1);
                struct lx_writer wr = lx_writer_init(out, cap), count = lx_writer_init(NULL, cap);
                size_t len;

                out[cap] = 0xee;
                write_all(&wr);
                ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_LIMIT);
                ck_assert_uint_le(wr.len, cap);
                ck_assert_int_eq(out[cap], 0xee);
                len = wr.len;
                lx_write_bytes(&wr, "", 0);
                lx_writer_fail(&wr, LX_ERR_FORMAT);
                ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_LIMIT);
                ck_assert_uint_eq(wr.len, len);
                write_all(&count);
                ck_assert_int_eq(lx_writer_end(&count), LX_ERR_LIMIT);
                free(out);
        }
}
END_TEST

START_TEST(writer_limits_of_lengths)
{
        static uint8_t big[65537], out[70000];
        struct lx_writer wr = lx_writer_init(out, sizeof(out));

        lx_write_str8(&wr, LX_SPAN(big, 255));
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        lx_write_str8(&wr, LX_SPAN(big, 256));
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_RANGE);
        wr = lx_writer_init(out, sizeof(out));
        lx_write_var16(&wr, LX_SPAN(big, 65535));
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        lx_write_var16(&wr, LX_SPAN(big, 65536));
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_RANGE);
}
END_TEST

static void
read_all(struct lx_reader *rd)
{
        struct lx_hash h = unit_hash(7), zero = {{0}}, got;
        uint8_t xyz[3];
        bool cut;

        /* Each read gives its value, or zero from the first cut on. */
        cut = rd->left < 1;
        ck_assert_uint_eq(lx_read_u8(rd), cut ? 0 : 0x12);
        cut = cut || rd->left < 2;
        ck_assert_uint_eq(lx_read_u16(rd), cut ? 0 : 0x3456);
        cut = cut || rd->left < 4;
        ck_assert_uint_eq(lx_read_u32(rd), cut ? 0 : 0x789abcde);
        cut = cut || rd->left < 8;
        ck_assert_uint_eq(lx_read_u64(rd), cut ? 0 : 0xf0123456789abcde);
        cut = cut || rd->left < 3;
        lx_read_bytes(rd, xyz, 3);
        ck_assert_mem_eq(xyz, cut ? "\0\0\0" : "xyz", 3);
        cut = cut || rd->left < 32;
        got = lx_read_hash(rd);
        ck_assert(lx_hash_eq(&got, cut ? &zero : &h));
        cut = cut || rd->left < 3;
        ck_assert_uint_eq(lx_read_str8(rd, 10).len, cut ? 0 : 2);
        cut = cut || rd->left < 5;
        ck_assert_uint_eq(lx_read_var16(rd, 10).len, cut ? 0 : 3);
        cut = cut || rd->left < 8;
        ck_assert_uint_eq(lx_read_var32(rd, 10).len, cut ? 0 : 4);
        ck_assert_int_eq(lx_reader_end(rd), cut ? LX_ERR_TRUNCATED : LX_OK);
}

START_TEST(reader_at_every_cut)
{
        uint8_t bytes[ALL];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        write_all(&wr);
        for (size_t len = 0; len <= ALL; len++) {
                uint8_t *copy = malloc(len + 1);
                struct lx_reader rd;

                memcpy(copy, bytes, len);
                rd = lx_reader_init(copy, len);
                read_all(&rd);
                free(copy);
        }
}
END_TEST

START_TEST(reader_ends)
{
        static const uint8_t bytes[] = {5, 'a', 'b'};
        struct lx_reader rd = lx_reader_init(bytes, 3), part;

        ck_assert_int_eq(lx_reader_end(&rd), LX_ERR_TRAILING);
        ck_assert_uint_eq(lx_read_str8(&rd, 10).len, 0);
        ck_assert_int_eq(lx_reader_end(&rd), LX_ERR_TRUNCATED);
        lx_reader_fail(&rd, LX_ERR_FORMAT); /* the first one stays */
        ck_assert_int_eq(lx_reader_end(&rd), LX_ERR_TRUNCATED);
        rd = lx_reader_init(bytes, 3);
        ck_assert_uint_eq(lx_read_str8(&rd, 4).len, 0);
        ck_assert_int_eq(lx_reader_end(&rd), LX_ERR_RANGE);
        /* A part ends where it was cut off, whatever follows in the outer message. */
        rd = lx_reader_init(bytes, 3);
        part = lx_read_part(&rd, 2);
        ck_assert_uint_eq(lx_read_u16(&part), 0x0561);
        ck_assert_uint_eq(lx_read_u8(&part), 0);
        ck_assert_int_eq(lx_reader_end(&part), LX_ERR_TRUNCATED);
        ck_assert_uint_eq(lx_read_u8(&rd), 'b');
        ck_assert_int_eq(lx_reader_end(&rd), LX_OK);
        rd = lx_reader_init(bytes, 3);
        part = lx_read_part(&rd, 4);
        ck_assert_int_eq(lx_reader_end(&part), LX_ERR_TRUNCATED);
        ck_assert_int_eq(lx_reader_end(&rd), LX_ERR_TRUNCATED);
        rd = lx_reader_init(NULL, 0);
        ck_assert_int_eq(lx_reader_end(&rd), LX_OK);
}
END_TEST

START_TEST(lengths_of_what_a_peer_says)
{
        static const uint8_t var16[] = {0xff, 0xff, 1}, var32[] = {0xff, 0xff, 0xff, 0xff, 1};
        struct lx_reader rd = lx_reader_init(var16, 3);

        ck_assert_uint_eq(lx_read_var16(&rd, 65534).len, 0);
        ck_assert_int_eq(lx_reader_end(&rd), LX_ERR_RANGE);
        rd = lx_reader_init(var16, 3);
        ck_assert_uint_eq(lx_read_var16(&rd, 65535).len, 0);
        ck_assert_int_eq(lx_reader_end(&rd), LX_ERR_TRUNCATED);
        rd = lx_reader_init(var32, 5);
        ck_assert_uint_eq(lx_read_var32(&rd, SIZE_MAX).len, 0);
        ck_assert_int_eq(lx_reader_end(&rd), LX_ERR_TRUNCATED);
}
END_TEST

START_TEST(hashes_and_hex)
{
        struct lx_hash a = unit_hash(1), b = a, zero = {{0}};
        char hex[LX_HEX_LEN(32)];
        uint8_t back[32], be[8];

        ck_assert(lx_hash_eq(&a, &b) && lx_hash_cmp(&a, &b) == 0);
        b.b[31] ^= 1;
        ck_assert(!lx_hash_eq(&a, &b));
        ck_assert((lx_hash_cmp(&a, &b) < 0) == (a.b[31] < b.b[31]));
        ck_assert(lx_hash_is_zero(&zero) && !lx_hash_is_zero(&a));
        for (unsigned i = 0; i < 32; i++) {
                zero.b[i] = 1;
                ck_assert(!lx_hash_is_zero(&zero));
                zero.b[i] = 0;
        }
        zero.b[0] = 0x80;
        zero.b[31] = 1;
        ck_assert(lx_hash_bit(&zero, 0) == 1 && lx_hash_bit(&zero, 1) == 0 &&
                  lx_hash_bit(&zero, 255) == 1);
        lx_hex(a.b, 32, hex);
        ck_assert_uint_eq(strlen(hex), 64);
        ck_assert(lx_unhex(hex, 64, back, 32));
        ck_assert_mem_eq(back, a.b, 32);
        ck_assert(!lx_unhex(hex, 63, back, 32) && !lx_unhex(hex, 64, back, 31));
        ck_assert(lx_unhex("aBCd", 4, back, 2) && back[0] == 0xab && back[1] == 0xcd);
        for (unsigned c = 0; c < 256; c++) {
                char text[2] = {'0', (char)c};
                bool digit =
                    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');

                ck_assert_int_eq(lx_unhex(text, 2, back, 1), digit);
        }
        lx_put_be64(be, 0x0102030405060708);
        ck_assert_mem_eq(be, "\1\2\3\4\5\6\7\10", 8);
        ck_assert_uint_eq(lx_get_be64(be), 0x0102030405060708);
}
END_TEST

START_TEST(errors_have_names_and_texts)
{
        struct lx_why why = {{0}};
        char longer[2 * LX_WHY_MAX];

        for (int e = 0; e < LX_ERR_COUNT_; e++) {
                ck_assert_uint_gt(strlen(lx_err_text((enum lx_err)e)), 0);
                ck_assert(e == LX_OK || strncmp(lx_err_name((enum lx_err)e), "ERR_", 4) == 0);
                for (int other = 0; other < e; other++)
                        ck_assert_str_ne(
                            lx_err_name((enum lx_err)e), lx_err_name((enum lx_err)other));
        }
        ck_assert(lx_err_is_transient(LX_ERR_BUSY) && !lx_err_is_transient(LX_ERR_FORMAT));
        lx_why_set(NULL, "nothing");
        lx_why_replace(NULL, "nothing");
        lx_why_set(&why, "the %s sentence", "first");
        lx_why_set(&why, "the second");
        ck_assert_str_eq(why.text, "the first sentence");
        lx_why_replace(&why, "another");
        ck_assert_str_eq(why.text, "another");
        memset(longer, 'x', sizeof(longer));
        longer[sizeof(longer) - 1] = '\0';
        lx_why_replace(&why, "%s", longer);
        ck_assert_uint_eq(strlen(why.text), LX_WHY_MAX - 1);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {writer_is_big_endian, writer_at_every_cut,
            writer_limits_of_lengths, reader_at_every_cut, reader_ends, lengths_of_what_a_peer_says,
            hashes_and_hex, errors_have_names_and_texts, NULL};

        return unit_main("base wire", cases, 30);
}
