/*
 * tests/unit/check_router_offload.c - large packets cut and joined again: lengths, sequence, flags, checksums.
 */
#include "config.h"
#include "unit.h"

#include "router/offload.h"
#include "router/udp_io.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static void
put16(uint8_t *p, size_t v)
{
        p[0] = (uint8_t)(v >> 8);
        p[1] = (uint8_t)v;
}

/* A TCP packet with an unfinished checksum, as the device gives it. */
static size_t
big_packet(bool v6, size_t payload, uint8_t *out)
{
        struct router_addr a = {0}, b = {0};
        size_t ip = v6 ? 40 : 20, len = ip + 32 + payload;

        ck_assert(router_addr_parse(v6 ? "fd00::1" : "10.0.0.1", &a));
        ck_assert(router_addr_parse(v6 ? "fd00::2" : "10.0.0.2", &b));
        memset(out, 0, ip + 32);
        out[0] = v6 ? 0x60 : 0x45;
        if (v6) {
                put16(out + 4, len - 40);
                out[6] = 6, out[7] = 64;
                memcpy(out + 8, a.b, 16), memcpy(out + 24, b.b, 16);
        } else {
                put16(out + 2, len);
                out[6] = 0x40, out[8] = 64, out[9] = 6;
                memcpy(out + 12, a.b, 4), memcpy(out + 16, b.b, 4);
                put16(out + 10, router_sum_end(router_sum(0, out, 20)));
        }
        put16(out + ip, 1000), put16(out + ip + 2, 2000);
        put16(out + ip + 6, 0xfff0); /* a sequence that carries over 16 bits */
        out[ip + 12] = 8 << 4;
        out[ip + 13] = 0x18; /* ACK, PSH */
        put16(out + ip + 16, (uint16_t)~router_sum_end(router_sum_pseudo(&a, &b, 6, len - ip)));
        for (size_t i = 0; i < payload; i++)
                out[ip + 32 + i] = (uint8_t)(i * 7 + i / 256);
        return len;
}

static void
check_segment(const uint8_t *seg, size_t len, size_t ip, const uint8_t *payload, bool last)
{
        struct router_packet p;

        ck_assert(router_packet_parse(seg, len, &p));
        ck_assert_uint_eq(p.len, len);
        if (ip == 20)
                ck_assert_uint_eq(router_sum_end(router_sum(0, seg, 20)), 0);
        ck_assert_uint_eq(
            router_sum_end(router_sum(router_sum_pseudo(&p.source, &p.dest, 6, len - ip), seg + ip, len - ip)), 0);
        ck_assert_mem_eq(seg + ip + 32, payload, len - ip - 32);
        ck_assert_uint_eq(seg[ip + 13], last ? 0x18 : 0x10);
}

START_TEST(test_there_and_back)
{
        static uint8_t big[70000], seg[2000];
        static struct router_merge merge;

        for (unsigned v6 = 0; v6 < 2; v6++)
                for (size_t payload = 1; payload < 60000; payload = payload * 3 + 1) {
                        size_t ip = v6 ? 40 : 20, len = big_packet(v6, payload, big), at = 0, n;
                        struct router_vnet vnet = {.flags = 1, .gso_type = v6 ? 4 : 1, .gso_size = 1000,
                            .hdr_len = (uint16_t)(ip + 32), .csum_start = (uint16_t)ip, .csum_offset = 16}, got;
                        struct router_split split;
                        const uint8_t *whole;

                        merge.len = 0;
                        ck_assert(router_split_init(&split, &vnet, big, len));
                        while ((n = router_split_next(&split, seg, sizeof(seg))) > 0) {
                                check_segment(seg, n, ip, big + ip + 32 + at, at + n - ip - 32 == payload);
                                at += n - ip - 32;
                                ck_assert(router_merge_add(&merge, seg, n));
                        }
                        ck_assert_uint_eq(at, payload);
                        n = router_merge_take(&merge, &whole);
                        ck_assert_uint_eq(n, ROUTER_VNET_LEN + len);
                        router_vnet_read(whole, &got);
                        if (payload > 1000) {
                                ck_assert_uint_eq(got.gso_size, 1000);
                                ck_assert_uint_eq(got.gso_type, vnet.gso_type);
                                ck_assert_mem_eq(whole + ROUTER_VNET_LEN, big, len);
                        }
                        ck_assert_mem_eq(whole + ROUTER_VNET_LEN + ip + 32, big + ip + 32, payload);
                        ck_assert_uint_eq(router_merge_take(&merge, &whole), 0);
                }
}
END_TEST

/* What must not be joined: another flow, a gap, a wrong checksum, a SYN, a shorter one in between. */
START_TEST(test_not_joined)
{
        static uint8_t big[70000], seg[3][2000];
        static struct router_merge merge;
        size_t n[3], len = big_packet(false, 3000, big);
        struct router_vnet vnet = {.flags = 1, .gso_type = 1, .gso_size = 1000, .csum_start = 20, .csum_offset = 16};
        struct router_split split;

        ck_assert(router_split_init(&split, &vnet, big, len));
        for (unsigned i = 0; i < 3; i++)
                n[i] = router_split_next(&split, seg[i], sizeof(seg[i]));
        merge.len = 0;
        ck_assert(router_merge_add(&merge, seg[0], n[0]));
        ck_assert(!router_merge_add(&merge, seg[2], n[2])); /* a gap */
        seg[1][60] ^= 1;
        ck_assert(!router_merge_add(&merge, seg[1], n[1])); /* the checksum */
        seg[1][60] ^= 1;
        seg[1][20 + 13] |= 2;
        ck_assert(!router_merge_add(&merge, seg[1], n[1])); /* a flag, and the checksum */
        seg[1][20 + 13] &= (uint8_t)~2u;
        ck_assert(router_merge_add(&merge, seg[1], n[1]));
        ck_assert(router_merge_add(&merge, seg[2], n[2]));
        ck_assert(!router_merge_add(&merge, seg[0], n[0])); /* PSH closed it */
}
END_TEST

START_TEST(test_bad)
{
        static uint8_t big[70000], out[2000];
        uint64_t seed = 3;

        for (unsigned i = 0; i < 50000; i++) {
                size_t len = big_packet(i % 2, 200, big);
                uint8_t head[ROUTER_VNET_LEN];
                struct router_vnet vnet;
                struct router_split split;

                for (unsigned j = 0; j < ROUTER_VNET_LEN; j++)
                        head[j] = (uint8_t)(unit_random(&seed) % 3 == 0 ? unit_random(&seed) : 1);
                big[unit_random(&seed) % 72] = (uint8_t)unit_random(&seed);
                router_vnet_read(head, &vnet);
                if (router_split_init(&split, &vnet, big, unit_random(&seed) % (len + 1)))
                        for (unsigned k = 0; k < 300 && router_split_next(&split, out, sizeof(out)) > 0; k++)
                                continue;
        }
}
END_TEST

/* RFC 9300 5.3: frames of others may come without a UDP checksum, over IPv6 too. */
START_TEST(test_no_checksum)
{
        struct sockaddr_in6 to = {.sin6_family = AF_INET6};
        socklen_t len = sizeof(to);
        struct pollfd wait = {.events = POLLIN};
        struct lx_why why = {{0}};
        int on = 1, out = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        ck_assert_int_eq(udp_open(0, true, &wait.fd, &why), LX_OK);
        ck_assert_int_eq(getsockname(wait.fd, (struct sockaddr *)&to, &len), 0);
        to.sin6_addr = in6addr_loopback;
        ck_assert_int_eq(setsockopt(out, IPPROTO_UDP, UDP_NO_CHECK6_TX, &on, sizeof(on)), 0);
        if (sendto(out, "frame", 5, 0, (struct sockaddr *)&to, sizeof(to)) == 5) /* else there is no IPv6 here */
                ck_assert_int_eq(poll(&wait, 1, 10000), 1);
        (void)close(out);
        (void)close(wait.fd);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_there_and_back, test_not_joined, test_bad, test_no_checksum, NULL};

        return unit_main("router_offload", cases, 60);
}
