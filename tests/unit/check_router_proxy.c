/*
 * tests/unit/check_router_proxy.c - plain hosts behind a proxy: both ends name each other, or nothing passes; what has
 * an owner is never theirs. On a false clock.
 */
#include "config.h"
#include "router/message.h"
#include "router_net.h"

#define USER 2
#define PROXY 3
#define OTHER 4

static struct router_eid
eid_of(const char *text)
{
        struct router_eid eid;

        ck_assert(router_eid_parse(text, &eid));
        return eid;
}

/* Sites 0 and 1 are map-servers; 172.20.0.0/16 is behind site 3, for 10.2.0.0/16; site 2 uses it. */
static struct net *
with_proxy(void)
{
        struct net *net = net_new(5, 2, 7);
        struct router_options uses = {.proxy_count = 1}, lends = {.lent_count = 2, .client_count = 1};

        net->proxy = PROXY + 1;
        uses.proxy[0] = (struct router_proxy){eid_of("172.20.0.0/16"), net->site[PROXY].id.eid};
        lends.lent[0] = eid_of("172.20.0.0/16");
        lends.lent[1] = eid_of("10.0.0.0/8"); /* others own parts of it: not theirs */
        lends.client[0] = eid_of("10.2.0.0/16");
        net_start(net, USER, &uses);
        net_start(net, PROXY, &lends);
        net_run(net, 3000);
        return net;
}

static bool
passes(struct net *net, unsigned at, const char *from, const char *to, unsigned where)
{
        struct router_addr a = net_parse(from), b = net_parse(to);
        uint64_t got = net->site[where].got;
        uint8_t bytes[300];
        size_t len = net_packet(&a, &b, 100, bytes);

        router_tun_input(net->site[at].router, net->now_ms, 0, bytes, len);
        net_run(net, 2000);
        return net->site[where].got > got;
}

START_TEST(test_both_ways)
{
        struct net *net = with_proxy();

        ck_assert(passes(net, USER, "10.2.0.1", "172.20.0.9", PROXY));
        ck_assert(passes(net, PROXY, "172.20.0.9", "10.2.0.1", USER));
        ck_assert_uint_eq(net_count(net, PROXY)->proxied, 1);
        ck_assert_uint_eq(net_count(net, USER)->drop_spoofed_source, 0);
        net_free(net);
}
END_TEST

START_TEST(test_not_named)
{
        struct net *net = with_proxy();

        /* no other host, no other site, no other proxy */
        ck_assert(!passes(net, USER, "10.2.0.1", "172.21.0.9", PROXY));
        ck_assert(!passes(net, OTHER, "10.4.0.1", "172.20.0.9", PROXY));
        ck_assert(!passes(net, PROXY, "172.21.0.9", "10.2.0.1", USER));
        ck_assert(!passes(net, PROXY, "172.20.0.9", "10.4.0.1", OTHER));
        ck_assert(!passes(net, OTHER, "172.20.0.9", "10.2.0.1", USER));
        /* what has an owner, the proxy does not speak for, though its operator said so */
        ck_assert(!passes(net, PROXY, "10.4.0.9", "10.2.0.1", USER));
        ck_assert_uint_eq(net_count(net, PROXY)->proxied, 0);
        ck_assert_uint_gt(net_count(net, PROXY)->drop_spoofed_source, 0);
        net_free(net);
}
END_TEST

/* A proxy that sends on behalf of hosts for which its user did not name it. */
START_TEST(test_proxy_lies)
{
        struct net *net = with_proxy();
        struct router_options lends = {.lent_count = 1, .client_count = 1};

        lends.lent[0] = eid_of("172.16.0.0/12");
        lends.client[0] = eid_of("10.0.0.0/8");
        net_start(net, PROXY, &lends);
        net_run(net, 3000);
        ck_assert(!passes(net, PROXY, "172.21.0.9", "10.2.0.1", USER));
        ck_assert_uint_gt(net_count(net, USER)->drop_spoofed_source, 0);
        ck_assert(!passes(net, PROXY, "172.20.0.9", "10.4.0.1", OTHER)); /* it named nobody */
        ck_assert_uint_gt(net_count(net, OTHER)->drop_spoofed_source, 0);
        net_free(net);
}
END_TEST

static unsigned asked[2]; /* Map-Requests of the proxy about what is not its own, by the bit p */

static void
note_question(struct net *net, struct flight *f)
{
        struct router_map_request q;

        if (f->data || !router_addr_eq(&f->from.addr, &net->site[PROXY].rloc) ||
            router_message_type(f->bytes, f->len) != ROUTER_MAP_REQUEST)
                return;
        ck_assert_int_eq(router_map_request_decode(f->bytes, f->len, &q), LX_OK);
        asked[q.pitr]++;
}

/* Every question that a plain host's packet raises says so, asked again too; no other one does. */
START_TEST(test_says_so)
{
        struct net *net = with_proxy();

        net->tap = note_question;
        net->site[0].dead = net->site[1].dead = true;
        asked[0] = asked[1] = 0;
        ck_assert(!passes(net, PROXY, "172.20.0.9", "10.2.0.1", USER));
        ck_assert_uint_gt(asked[1], 3); /* two at first, the rest in turn */
        ck_assert_uint_eq(asked[0], 0);
        net->site[0].dead = net->site[1].dead = false;
        net_run(net, 20000);
        asked[0] = asked[1] = 0;
        ck_assert(passes(net, PROXY, "10.3.0.1", "10.4.0.1", OTHER));
        ck_assert_uint_gt(asked[0], 0);
        ck_assert_uint_eq(asked[1], 0);
        net_free(net);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_both_ways, test_not_named, test_proxy_lies, test_says_so, NULL};

        return unit_main("router_proxy", cases, 60);
}
