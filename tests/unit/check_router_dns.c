/* tests/unit/check_router_dns.c - names there and back, what is refused, cuts and noise. */
#include "config.h"
#include "unit.h"

#include "router/dns.h"

static bool
forward(void *arg, struct lx_span name, struct router_addr *out)
{
        (void)arg;
        if (name.len != 8 || memcmp(name.p, "station7", 8) != 0)
                return false;
        return router_addr_parse("fd00:6c78::7", out);
}

static bool
reverse(void *arg, const struct router_addr *eid, char out[DNS_NAME_MAX + 1])
{
        (void)arg;
        if (eid->b[15] != 7)
                return false;
        (void)snprintf(out, DNS_NAME_MAX + 1, "station7");
        return true;
}

static const struct dns_zone ZONE = {
    .eid_prefix = {0xfd, 0x00, 0x6c, 0x78}, .ttl_s = 60, .forward = forward, .reverse = reverse};

static size_t
question(const char *name, uint16_t type, bool edns, uint8_t *out)
{
        struct lx_writer wr = lx_writer_init(out, 512);

        lx_write_u16(&wr, 0x1234);
        lx_write_u16(&wr, 0x0100);
        lx_write_u16(&wr, 1), lx_write_u16(&wr, 0), lx_write_u16(&wr, 0), lx_write_u16(&wr, edns);
        while (*name != '\0') {
                size_t len = strcspn(name, ".");

                lx_write_str8(&wr, LX_SPAN(name, len));
                name += len;
                name += *name == '.';
        }
        lx_write_u8(&wr, 0);
        lx_write_u16(&wr, type);
        lx_write_u16(&wr, 1);
        if (edns) {
                lx_write_u8(&wr, 0), lx_write_u16(&wr, 41), lx_write_u16(&wr, 4096);
                lx_write_u32(&wr, 0), lx_write_u16(&wr, 0);
        }
        return wr.len;
}

static size_t
ask(const char *name, uint16_t type, uint8_t *out)
{
        uint8_t q[512];
        size_t len = question(name, type, true, q);

        return dns_answer(&ZONE, q, len, false, out);
}

START_TEST(test_forward)
{
        uint8_t out[DNS_MESSAGE_MAX];
        struct router_addr want;
        size_t len = ask("Station7.LX", 28, out);

        ck_assert(router_addr_parse("fd00:6c78::7", &want));
        ck_assert_uint_eq(out[2] << 8 | out[3], 0x8500); /* QR, AA, RD */
        ck_assert_uint_eq(out[7], 1);
        ck_assert_mem_eq(out + len - 11 - 16, want.b, 16);
        /* it is there, without an IPv4 address */
        (void)ask("station7.lx", 1, out);
        ck_assert_uint_eq(out[3] & 15, 0);
        ck_assert_uint_eq(out[7], 0);
        ck_assert_uint_eq(out[9], 1);
        (void)ask("station8.lx", 28, out);
        ck_assert_uint_eq(out[3] & 15, 3);
        (void)ask("example.org", 28, out);
        ck_assert_uint_eq(out[3] & 15, 5);
        (void)ask("xlx", 28, out);
        ck_assert_uint_eq(out[3] & 15, 5);
}
END_TEST

START_TEST(test_reverse)
{
        uint8_t out[DNS_MESSAGE_MAX];
        size_t len = ask("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.7.c.6.0.0.d.f.ip6.arpa", 12, out);

        ck_assert_uint_eq(out[3] & 15, 0);
        ck_assert_uint_eq(out[7], 1);
        ck_assert_mem_eq(out + len - 11 - 13, "\010station7\002lx", 13);
        (void)ask("8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.7.c.6.0.0.d.f.ip6.arpa", 12, out);
        ck_assert_uint_eq(out[3] & 15, 3);
        (void)ask("8.7.c.6.0.0.d.f.ip6.arpa", 12, out);
        ck_assert_uint_eq(out[3] & 15, 0);
        (void)ask("8.b.d.0.1.0.0.2.ip6.arpa", 12, out);
        ck_assert_uint_eq(out[3] & 15, 5);
}
END_TEST

/* What may be forwarded, and which answers are answers. */
START_TEST(test_whose)
{
        static const struct { const char *name; bool ours; } names[] = {{"station7.lx", true}, {"lx", true},
            {"nobody.LX", true}, {"example.org", false}, {"lx.example.org", false}, {"alx", false},
            {"7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.7.c.6.0.0.d.f.ip6.arpa", true},
            {"8.7.c.6.0.0.d.f.ip6.arpa", true}, {"7.c.6.0.0.d.f.ip6.arpa", false}, {"8.b.d.0.1.0.0.2.ip6.arpa", false},
            {"1.0.0.127.in-addr.arpa", false}};
        uint8_t q[512], a[512];

        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                size_t len = question(names[i].name, 1, true, q);

                ck_assert_msg(dns_is_ours(&ZONE, q, len) == names[i].ours, "%s", names[i].name);
                for (size_t cut = 0; cut < len - 11; cut++) /* without its end nobody else sees it */
                        ck_assert(dns_is_ours(&ZONE, q, cut));
                memcpy(a, q, len);
                ck_assert(!dns_answers(q, len, a, len)); /* a question */
                a[2] |= 0x80;
                ck_assert(dns_answers(q, len, a, len));
                for (size_t cut = 0; cut < len - 11; cut++)
                        ck_assert(!dns_answers(q, len, a, cut));
                a[1] ^= 1;
                ck_assert(!dns_answers(q, len, a, len));
                a[1] ^= 1;
                a[13] ^= 1;
                ck_assert(!dns_answers(q, len, a, len));
        }
}
END_TEST

START_TEST(test_bad)
{
        uint8_t q[512], out[DNS_MESSAGE_MAX];
        size_t len = question("station7.lx", 28, true, q);
        uint64_t seed = 3;

        for (size_t cut = 0; cut < len; cut++) {
                uint8_t *copy = malloc(cut + 1);
                size_t got;

                memcpy(copy, q, cut);
                got = dns_answer(&ZONE, copy, cut, false, out);
                ck_assert(cut >= 12 || got == 0);
                free(copy);
        }
        q[2] |= 0x80; /* an answer is not answered */
        ck_assert_uint_eq(dns_answer(&ZONE, q, len, false, out), 0);
        for (unsigned i = 0; i < 100000; i++) {
                (void)question("station7.lx", 28, true, q);
                for (unsigned j = 0; j < 3; j++)
                        q[unit_random(&seed) % len] = (uint8_t)unit_random(&seed);
                ck_assert_uint_le(dns_answer(&ZONE, q, unit_random(&seed) % (len + 1), false, out), DNS_UDP_MAX);
        }
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_forward, test_reverse, test_whose, test_bad, NULL};

        return unit_main("router_dns", cases, 60);
}
