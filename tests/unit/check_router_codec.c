/*
 * tests/unit/check_router_codec.c - every control message: there and back, every cut, every limit, packets
 * and their marks. With LX_PCAP=FILE it writes all messages there for a dissector to judge.
 */
#include "config.h"
#include "unit.h"

#include "router/packet.h"
#include "router_samples.h"

START_TEST(test_round_trip)
{
        for (unsigned n = 0; n < SAMPLES; n++) {
                uint8_t bytes[SAMPLE_MAX], again[SAMPLE_MAX];
                size_t len = sample(n, bytes);

                ck_assert_msg(sample_again(bytes, len, again, sizeof(again)) == len, "%s", SAMPLE_NAMES[n]);
                ck_assert_mem_eq(bytes, again, len);
        }
}
END_TEST

/* A cut message is refused; only the optional end of a Map-Request may be missing. */
START_TEST(test_cuts)
{
        for (unsigned n = 0; n < SAMPLES; n++) {
                uint8_t bytes[SAMPLE_MAX], again[SAMPLE_MAX];
                size_t len = sample(n, bytes);

                for (size_t cut = 0; cut < len; cut++) {
                        uint8_t *copy = malloc(cut + 1);

                        memcpy(copy, bytes, cut);
                        ck_assert_msg(sample_again(copy, cut, again, sizeof(again)) == 0,
                            "%s cut to %zu of %zu was taken", SAMPLE_NAMES[n], cut, len);
                        free(copy);
                }
                bytes[len] = 0;
                if (n != 0 && n != 1 && n != 2 && n != 8)
                        ck_assert_uint_eq(sample_again(bytes, len + 1, again, sizeof(again)), 0);
        }
}
END_TEST

START_TEST(test_request_values)
{
        uint8_t bytes[SAMPLE_MAX];
        size_t len = sample(0, bytes);
        struct router_map_request q;

        ck_assert_int_eq(router_map_request_decode(bytes, len, &q), LX_OK);
        ck_assert_uint_eq(q.nonce, 0x1122334455667788);
        ck_assert_uint_eq(q.asked_count, 2);
        ck_assert(q.subscribe[0] && !q.subscribe[1]);
        ck_assert_uint_eq(q.asked[1].iid, 9);
        ck_assert_uint_eq(q.itr_count, 2);
        ck_assert_uint_eq(q.site_id, 77);
        /* RFC 9301 5.2: the record count is the fourth byte; none, or more than we answer */
        bytes[3] = 0;
        ck_assert_int_eq(router_map_request_decode(bytes, len, &q), LX_ERR_RANGE);
        bytes[3] = ROUTER_ASKED_MAX + 1;
        ck_assert_int_ne(router_map_request_decode(bytes, len, &q), LX_OK);
}
END_TEST

/* LCAFs inside LCAFs: as deep as allowed, and one deeper. */
START_TEST(test_lcaf_depth)
{
        for (unsigned depth = 1; depth <= ROUTER_LCAF_DEPTH_MAX + 1; depth++) {
                uint8_t bytes[256];
                struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
                struct lx_reader rd;
                struct router_field field;
                struct router_addr addr = sample_addr("192.0.2.7");

                for (unsigned i = 0; i < depth; i++) {
                        lx_write_u16(&wr, 16387);
                        lx_write_u16(&wr, 0);
                        lx_write_u8(&wr, ROUTER_LCAF_LIST);
                        lx_write_u8(&wr, 0);
                        lx_write_u16(&wr, (uint16_t)(8 * (depth - i - 1) + 6));
                }
                router_addr_write(&wr, &addr);
                rd = lx_reader_init(bytes, wr.len);
                router_field_read(&rd, &field);
                if (depth <= ROUTER_LCAF_DEPTH_MAX) {
                        ck_assert_int_eq(lx_reader_end(&rd), LX_OK);
                        ck_assert(router_addr_eq(&field.addr, &addr));
                } else {
                        ck_assert_int_eq(rd.err, LX_ERR_FORMAT);
                }
        }
}
END_TEST

/* What we do not know is skipped by its length, and not usable. */
START_TEST(test_lcaf_unknown)
{
        static const uint8_t geo[] = {0x40, 3, 0, 0, 5, 0, 0, 3, 1, 2, 3, 0, 1, 192, 0, 2, 1};
        struct lx_reader rd = lx_reader_init(geo, sizeof(geo));
        struct router_field field;

        router_field_read(&rd, &field);
        ck_assert_int_eq(rd.err, LX_OK);
        ck_assert_uint_eq(field.addr.family, 0);
        ck_assert_uint_eq(field.lcaf, 5);
        router_field_read(&rd, &field);
        ck_assert_int_eq(lx_reader_end(&rd), LX_OK);
        ck_assert_uint_eq(field.addr.family, 4);
}
END_TEST

START_TEST(test_text)
{
        static const char *const good[] = {"10.0.0.0/8", "[7]fd00::/48", "::/0", "2001:db8::1/128"};
        static const char *const bad[] = {"10.0.0.0/33", "fd00::/129", "x", "[7fd00::/8", "[-1]::/0",
            "10.0.0.0/", "[4294967296]::/0", "1.2.3.4/ 8", ""};

        for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                struct router_eid eid = sample_eid(good[i]);
                char text[ROUTER_TEXT_MAX];

                router_eid_format(&eid, text);
                ck_assert_str_eq(text, good[i]);
        }
        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct router_eid eid;

                ck_assert_msg(!router_eid_parse(bad[i], &eid), "%s was taken", bad[i]);
        }
}
END_TEST

/* ---- packets ----------------------------------------------------------------------------------- */

static size_t
udp_packet(const char *from, const char *to, size_t payload, uint8_t *out)
{
        struct router_at a = {sample_addr(from), 1000}, b = {sample_addr(to), 2000};
        uint8_t zeros[2000] = {0};
        size_t head = router_packet_udp_header(&a, &b, zeros, payload, out);

        memset(out + head, 0, payload);
        return head + payload;
}

START_TEST(test_packet)
{
        uint8_t bytes[2100], icmp[1300];
        struct router_packet p, q;
        struct router_addr us = sample_addr("10.0.0.1"), us6 = sample_addr("fd00::1");
        size_t len = udp_packet("10.1.0.1", "10.2.0.2", 1400, bytes), icmp_len;

        ck_assert(router_packet_parse(bytes, len, &p));
        ck_assert_uint_eq(p.dport, 2000);
        ck_assert_uint_eq(router_sum_end(router_sum(0, bytes, 20)), 0);
        for (size_t cut = 0; cut < len; cut++)
                ck_assert(!router_packet_parse(bytes, cut, &q));
        ck_assert(router_packet_hop(bytes, &p));
        ck_assert_uint_eq(bytes[8], 63);
        ck_assert_uint_eq(router_sum_end(router_sum(0, bytes, 20)), 0);
        icmp_len = router_packet_icmp(ROUTER_ICMP_TOO_BIG, bytes, &p, &us, 1280, icmp, sizeof(icmp));
        ck_assert_uint_eq(icmp_len, 576);
        ck_assert_uint_eq(router_sum_end(router_sum(0, icmp + 20, icmp_len - 20)), 0);
        ck_assert_uint_eq(icmp[20], 3);
        ck_assert_uint_eq(icmp[21], 4);
        ck_assert_uint_eq(icmp[26] << 8 | icmp[27], 1280);
        /* never about an error */
        ck_assert(router_packet_parse(icmp, icmp_len, &q));
        ck_assert_uint_eq(
            router_packet_icmp(ROUTER_ICMP_TOO_BIG, icmp, &q, &us, 1280, bytes, sizeof(bytes)), 0);
        len = udp_packet("fd00::5", "fd00::6", 1400, bytes);
        ck_assert(router_packet_parse(bytes, len, &p));
        icmp_len = router_packet_icmp(ROUTER_ICMP_TOO_BIG, bytes, &p, &us6, 1280, icmp, sizeof(icmp));
        ck_assert_uint_eq(icmp_len, 1280);
        ck_assert_uint_eq(icmp[40], 2);
        ck_assert_uint_eq(router_sum_end(router_sum(router_sum_pseudo(&us6, &p.source, 58, 1240),
                              icmp + 40, 1240)), 0);
}
END_TEST

/* RFC 6040 figure 4, row by row; and the TTL of RFC 9300 5.3. */
START_TEST(test_marks)
{
        static const int want[4][4] = {/* inner Not-ECT, ECT(1), ECT(0), CE; outer across */
            {0, 0, 0, -1}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};

        for (unsigned v6 = 0; v6 < 2; v6++)
                for (unsigned inner = 0; inner < 4; inner++)
                        for (unsigned outer = 0; outer < 4; outer++) {
                                uint8_t b[200];
                                struct router_packet p;
                                size_t len = v6 ? udp_packet("fd00::1", "fd00::2", 9, b)
                                                : udp_packet("10.0.0.1", "10.0.0.2", 9, b);

                                if (v6)
                                        b[1] = (uint8_t)(inner << 4);
                                else
                                        b[1] = (uint8_t)inner;
                                b[10] = b[11] = 0;
                                if (!v6) {
                                        uint16_t sum = router_sum_end(router_sum(0, b, 20));
                                        b[10] = (uint8_t)(sum >> 8), b[11] = (uint8_t)sum;
                                }
                                ck_assert(router_packet_parse(b, len, &p));
                                ck_assert_int_eq(router_packet_decap_marks(b, &p, 7, outer),
                                    want[inner][outer] >= 0);
                                if (want[inner][outer] < 0)
                                        continue;
                                ck_assert(router_packet_parse(b, len, &p));
                                ck_assert_int_eq(p.tos & 3, want[inner][outer]);
                                ck_assert_uint_eq(p.ttl, 7);
                                if (!v6)
                                        ck_assert_uint_eq(router_sum_end(router_sum(0, b, 20)), 0);
                        }
}
END_TEST

/* ---- for a dissector --------------------------------------------------------------------------- */

static void
put_le32(FILE *f, uint32_t v)
{
        for (unsigned i = 0; i < 4; i++)
                (void)fputc((int)(v >> 8 * i & 255), f);
}

static void
write_pcap(const char *path)
{
        FILE *f = fopen(path, "w");
        struct router_at a = {sample_addr("192.0.2.1"), 4342}, b = {sample_addr("192.0.2.2"), 4342};

        ck_assert_ptr_nonnull(f);
        put_le32(f, 0xa1b2c3d4);
        put_le32(f, 2 | 4 << 16);
        put_le32(f, 0), put_le32(f, 0), put_le32(f, 65535), put_le32(f, 101);
        for (unsigned n = 0; n < SAMPLES; n++) {
                uint8_t bytes[SAMPLE_MAX], head[48];
                size_t len = sample(n, bytes), head_len = router_packet_udp_header(&a, &b, bytes, len, head);

                put_le32(f, n), put_le32(f, 0);
                put_le32(f, (uint32_t)(head_len + len)), put_le32(f, (uint32_t)(head_len + len));
                fwrite(head, 1, head_len, f);
                fwrite(bytes, 1, len, f);
        }
        fclose(f);
}

START_TEST(test_pcap)
{
        if (getenv("LX_PCAP") != NULL)
                write_pcap(getenv("LX_PCAP"));
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_round_trip, test_cuts, test_request_values, test_lcaf_depth,
            test_lcaf_unknown, test_text, test_packet, test_marks, test_pcap, NULL};

        return unit_main("router_codec", cases, 60);
}
