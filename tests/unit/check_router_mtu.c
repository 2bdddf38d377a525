/*
 * tests/unit/check_router_mtu.c - paths that take less: who sent too much is told, IPv4 that may be is cut, and strangers
 * say nothing that counts. On a false clock.
 */
#include "config.h"
#include "router_net.h"

/* A packet of @len bytes from site 0 to site 1, DF as @whole says (IPv4). */
static void
send_packet(struct net *net, unsigned family, size_t len, bool whole)
{
        uint8_t bytes[9100];
        struct router_addr a = net->site[0].id.eid, b = net->site[1].id.eid;
        size_t head = family == 4 ? 28 : 48;

        if (family == 4) {
                a = net_addr("10.%u.0.1", 0);
                b = net_addr("10.%u.0.2", 1);
        }
        ck_assert_uint_eq(net_packet(&a, &b, len - head, bytes), len);
        if (family == 4) {
                bytes[4] = 0x12;
                bytes[6] = whole ? 0x40 : 0;
                bytes[10] = bytes[11] = 0;
                head = router_sum_end(router_sum(0, bytes, 20));
                bytes[10] = (uint8_t)(head >> 8);
                bytes[11] = (uint8_t)head;
        }
        router_tun_input(net->site[0].router, net->now_ms, 0, bytes, len);
        net_run(net, 2000);
}

/* The MTU in the last ICMP "too big" that site 0 had; 0: the last packet was none. */
static unsigned
told(const struct net *net)
{
        const uint8_t *p = net->site[0].last;

        if (p[0] >> 4 == 4)
                return p[9] == 1 && p[20] == 3 && p[21] == 4 ? (unsigned)(p[26] << 8 | p[27]) : 0;
        return p[6] == 58 && p[40] == 2 ? (unsigned)(p[46] << 8 | p[47]) : 0;
}

/* From the RLOC path's MTU: what the sender is told is what goes through, one byte more does not. */
START_TEST(test_told)
{
        for (unsigned family = 4; family <= 6; family += 2)
                for (unsigned plain = 0; plain < 2; plain++) {
                        struct net *net = net_new(3, 2, 40);
                        struct router_options o = {.plain_count = 1};
                        unsigned inner = 1400 - 28 - (plain ? 8 : 36);

                        net->sealed = !plain;
                        ck_assert(router_eid_parse("192.0.2.0/24", &o.plain_from[0]));
                        for (unsigned i = 0; i < 3 && plain; i++)
                                net_start(net, i, &o);
                        net_run(net, 2000);
                        send_packet(net, family, 1400, true);
                        ck_assert_uint_eq(net->site[1].got, 1);
                        send_packet(net, family, 1401, true);
                        ck_assert_uint_eq(net->site[1].got, 1);
                        ck_assert_uint_eq(told(net), 1400);
                        net->mtu = 1400;
                        send_packet(net, family, 1400, true); /* lost in the middle: learnt */
                        ck_assert_uint_eq(net->site[1].got, 1);
                        ck_assert_uint_eq(net_count(net, 0)->path_mtu, 1);
                        send_packet(net, family, 1400, true);
                        ck_assert_uint_eq(told(net), inner);
                        send_packet(net, family, inner + 1, true);
                        ck_assert_uint_eq(told(net), inner);
                        ck_assert_uint_eq(net_count(net, 0)->drop_too_big, 3);
                        send_packet(net, family, inner, true);
                        ck_assert_uint_eq(net->site[1].got, 2);
                        ck_assert_uint_eq(net->site[1].last_len, inner);
                        net_free(net);
                }
}
END_TEST

static uint8_t whole[1400];
static size_t whole_len, whole_pieces;

/* Put the pieces together that site 1 gets. */
static void
collect(void *arg, uint8_t *packet, size_t len)
{
        size_t at = (size_t)((packet[6] & 0x1f) << 8 | packet[7]) * 8;

        (void)arg;
        ck_assert_uint_eq(router_sum_end(router_sum(0, packet, 20)), 0);
        ck_assert_uint_eq(packet[4], 0x12);
        ck_assert_uint_le(20 + at + len - 20, sizeof(whole));
        memcpy(whole + 20 + at, packet + 20, len - 20);
        whole_pieces++;
        if ((packet[6] & 0x20) == 0)
                whole_len = 20 + at + len - 20;
}

/* Without DF nothing is lost and nobody told: as few pieces as fit, about equal. */
START_TEST(test_pieces)
{
        uint8_t bytes[1400], out[1400], sent[1400];
        struct router_packet p;
        struct router_addr a = net_addr("10.0.0.%u", 1), b = net_addr("10.1.0.%u", 1);

        ck_assert_uint_eq(net_packet(&a, &b, 1400 - 28, bytes), 1400);
        for (unsigned i = 20; i < 1400; i++)
                bytes[i] = (uint8_t)(i * 7);
        bytes[4] = 0x12;
        memcpy(sent, bytes, sizeof(sent));
        ck_assert(router_packet_parse(bytes, 1400, &p));
        for (unsigned mtu = 68; mtu < 1400; mtu += 13) {
                size_t len, first = 0, count = (1380 + ((mtu - 20) & ~7u) - 1) / ((mtu - 20) & ~7u);

                whole_len = whole_pieces = 0;
                for (unsigned n = 0; (len = router_packet_piece(bytes, &p, mtu, n, out)) > 0; n++) {
                        struct router_packet piece;

                        ck_assert_uint_le(len, mtu);
                        ck_assert(router_packet_parse(out, len, &piece) && piece.fragment && piece.len == len);
                        first = n == 0 ? len : first;
                        ck_assert_uint_le(len, first);
                        collect(NULL, out, len);
                }
                ck_assert_uint_eq(whole_pieces, count);
                ck_assert_uint_eq(whole_len, 1400);
                ck_assert(memcmp(whole + 20, sent + 20, 1380) == 0); /* public */
        }
        ck_assert_uint_eq(router_packet_piece(bytes, &p, 27, 0, out), 0);
}
END_TEST

/* A fragment is cut on: offsets add up, the last one keeps its MF; options that are not copied stand in the first only. */
START_TEST(test_pieces_again)
{
        uint8_t bytes[128] = {0x48, 0, 0, 128, 1, 2, 0x20, 3, 9, 17}, out[128];
        struct router_packet p;
        size_t sum;

        bytes[20] = 0x94, bytes[21] = 4; /* router alert: copied */
        bytes[24] = 7, bytes[25] = 7;    /* record route: not copied */
        sum = router_sum_end(router_sum(0, bytes, 32));
        bytes[10] = (uint8_t)(sum >> 8);
        bytes[11] = (uint8_t)sum;
        ck_assert(router_packet_parse(bytes, 128, &p));
        ck_assert_uint_eq(router_packet_piece(bytes, &p, 80, 0, out), 80);
        ck_assert_uint_eq(out[7], 3);
        ck_assert_uint_eq(out[24], 7);
        ck_assert_uint_eq(router_packet_piece(bytes, &p, 80, 1, out), 80);
        ck_assert_uint_eq(out[6], 0x20);
        ck_assert_uint_eq(out[7], 3 + 6);
        ck_assert_uint_eq(out[20], 0x94);
        ck_assert_uint_eq(out[24], 1);
        ck_assert_uint_eq(out[30], 1);
        ck_assert_uint_eq(router_sum_end(router_sum(0, out, 32)), 0);
        ck_assert_uint_eq(router_packet_piece(bytes, &p, 80, 2, out), 0);
        bytes[6] = 0x1f, bytes[7] = 0xfe; /* its end lies beyond 65,535 */
        ck_assert_uint_eq(router_packet_piece(bytes, &p, 80, 0, out), 0);
}
END_TEST

START_TEST(test_cut)
{
        struct net *net = net_new(3, 2, 41);

        net_run(net, 2000);
        send_packet(net, 4, 1400, false);
        ck_assert_uint_eq(net->site[1].got, 1);
        net->mtu = 1000 + 64;
        send_packet(net, 4, 1400, false); /* lost: learnt from it */
        ck_assert_uint_eq(net->site[1].got, 1);
        send_packet(net, 4, 1400, false);
        ck_assert_uint_eq(net->site[1].got, 3);
        ck_assert_uint_eq(net->site[1].got_bytes, 1400 + 1400 + 20);
        ck_assert_uint_eq(net_count(net, 0)->fragmented, 1);
        send_packet(net, 4, 9000, false); /* more than the device has: cut all the same */
        ck_assert_uint_eq(net->site[1].got, 3 + 10);
        ck_assert_uint_eq(net->site[0].icmp, 0);
        net_free(net);
}
END_TEST

/* Nobody who did not see the frame changes anything. */
START_TEST(test_strangers)
{
        struct net *net = net_new(3, 2, 42);
        struct router_addr to = net->site[1].rloc, other = net->site[2].rloc;
        uint8_t quote[100];

        net_run(net, 2000);
        net->mtu = 1200;
        send_packet(net, 6, 1280, true);
        ck_assert_uint_eq(net_count(net, 0)->path_mtu, 1);
        memset(quote, 0, sizeof(quote));
        router_too_big(net->site[0].router, net->now_ms, &to, 600, quote, sizeof(quote), false);
        router_too_big(net->site[0].router, net->now_ms, &to, 600, quote, 8, false); /* what RFC 792 asks for */
        router_too_big(net->site[0].router, net->now_ms, &other, 600, quote, sizeof(quote), false);
        ck_assert_uint_eq(net_count(net, 0)->refused_icmp, 3);
        ck_assert_uint_eq(router_path_mtu(net->site[0].router, net->now_ms, &to), 1200);
        ck_assert_uint_eq(router_path_mtu(net->site[0].router, net->now_ms, &other), ROUTER_MTU_UNKNOWN);
        /* it is never raised by one, and is tried again after ten minutes */
        router_too_big(net->site[0].router, net->now_ms, &to, 1300, NULL, 0, true);
        ck_assert_uint_eq(router_path_mtu(net->site[0].router, net->now_ms, &to), 1200);
        router_too_big(net->site[0].router, net->now_ms, &to, 100, NULL, 0, true);
        ck_assert_uint_eq(router_path_mtu(net->site[0].router, net->now_ms, &to), ROUTER_MTU_MIN4);
        net_run(net, ROUTER_MTU_HOLDS_MS);
        ck_assert_uint_eq(router_path_mtu(net->site[0].router, net->now_ms, &to), ROUTER_MTU_UNKNOWN);
        /* IPv6 is told no less than 1280: that much always goes */
        router_too_big(net->site[0].router, net->now_ms, &to, 600, NULL, 0, true);
        net->mtu = 0;
        send_packet(net, 6, 1281, true);
        ck_assert_uint_eq(told(net), 1280);
        send_packet(net, 6, 1280, true);
        ck_assert_uint_eq(net->site[1].got, 1);
        net_free(net);
}
END_TEST

/* More paths than there is room for: the oldest is forgotten, nothing else. */
START_TEST(test_table)
{
        struct router_mtu *mtu = lx_alloc(sizeof(*mtu));
        struct router_addr addr = net_addr("192.0.2.%u", 1);

        for (unsigned i = 0; i < ROUTER_MTU_PATHS_MAX + 10; i++) {
                addr.b[2] = (uint8_t)(i >> 8);
                addr.b[3] = (uint8_t)i;
                ck_assert(router_mtu_lower(mtu, 1000 + i, &addr, 1300, NULL, 0, true));
        }
        ck_assert_uint_eq(mtu->count, ROUTER_MTU_PATHS_MAX);
        for (unsigned i = 0; i < ROUTER_MTU_PATHS_MAX + 10; i++) {
                addr.b[2] = (uint8_t)(i >> 8);
                addr.b[3] = (uint8_t)i;
                ck_assert_uint_eq(router_mtu_find(mtu, 2000, &addr), i < 10 ? ROUTER_MTU_UNKNOWN : 1300);
        }
        lx_free(mtu);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_told, test_pieces, test_pieces_again, test_cut, test_strangers, test_table, NULL};

        return unit_main("router_mtu", cases, 60);
}
