/*
 * tests/unit/check_router_ledger.c - what routers do when the ledger changes under them: EIDs revoked, prefixes bound
 * elsewhere and handed on in parts, map-servers admitted and dismissed. On a false clock.
 */
#include "config.h"
#include "router_net.h"

/* One packet from a host of 10.@from to 10.@to.@third.2; whether it arrived, at any site. */
static bool
arrives(struct net *net, unsigned from, unsigned to, unsigned third, unsigned where)
{
        uint8_t bytes[300];
        struct router_addr a = net_addr("10.%u.0.1", from), b = net_addr("10.%u.0.2", to);
        uint64_t got = net->site[where].got;
        size_t len;

        b.b[2] = (uint8_t)third;
        len = net_packet(&a, &b, 100, bytes);
        router_tun_input(net->site[from].router, net->now_ms, 0, bytes, len);
        net_run(net, 3000);
        return net->site[where].got > got;
}

static bool
hears(struct net *net, unsigned from, unsigned to)
{
        uint64_t got = net->site[to].got;

        net_ping(net, from, to, 6);
        net_run(net, 3000);
        return net->site[to].got > got;
}

/* Who has a session with a revoked EID neither sends to it nor takes from it; map-servers forget it. */
START_TEST(test_revoked)
{
        struct net *net = net_new(5, 3, 30);

        net_run(net, 2000);
        ck_assert(hears(net, 3, 4) && hears(net, 4, 3) && hears(net, 0, 4));
        net->revoked[4] = true;
        net_block(net);
        for (unsigned i = 0; i < 4; i++) {
                ck_assert(!hears(net, i, 4));
                ck_assert(!hears(net, 4, i));
        }
        ck_assert_uint_ge(net_count(net, 3)->taken_back, 1);
        ck_assert_uint_eq(net_count(net, 4)->drop_unowned, 4);
        ck_assert_uint_ge(net->site[3].icmp, 1);
        ck_assert(hears(net, 3, 0) && hears(net, 0, 3));
        net->revoked[4] = false;
        net_block(net);
        net_run(net, 1000);
        ck_assert(hears(net, 3, 4) && hears(net, 4, 3));
        net_free(net);
}
END_TEST

/* A node that does not follow the ledger goes on sending; those that do refuse it. */
START_TEST(test_revoked_insists)
{
        struct net *net = net_new(3, 2, 31);
        uint64_t got;

        net_run(net, 2000);
        ck_assert(hears(net, 2, 1));
        net->revoked[2] = true;
        router_new_block(net->site[0].router, net->now_ms);
        router_new_block(net->site[1].router, net->now_ms);
        got = net->site[1].got;
        net_ping(net, 2, 1, 6); /* its own session, its own memory: it leaves */
        net_run(net, 3000);
        ck_assert_uint_eq(net->site[1].got, got);
        ck_assert_uint_eq(net_count(net, 1)->drop_spoofed_source, 1);
        net_free(net);
}
END_TEST

/* A prefix that is bound to another EID is reached there, by those who had it elsewhere in their caches too. */
START_TEST(test_rebound)
{
        struct net *net = net_new(5, 3, 32);

        net_run(net, 2000);
        ck_assert(arrives(net, 3, 4, 0, 4));
        net->holder[4] = 2;
        net_block(net);
        net_run(net, 1000);
        ck_assert(arrives(net, 3, 4, 0, 2));
        ck_assert(arrives(net, 0, 4, 0, 2));
        ck_assert(!arrives(net, 4, 3, 0, 3)); /* 10.4.0.1 is not 4's to send from */
        ck_assert_uint_eq(net_count(net, 4)->drop_spoofed_source, 1);
        net_free(net);
}
END_TEST

/* The half of a prefix that was delegated to another site goes there, whatever the whole one's record says. */
START_TEST(test_delegated)
{
        struct net *net = net_new(5, 3, 33);

        net_run(net, 2000);
        ck_assert(arrives(net, 3, 4, 0, 4));
        ck_assert(arrives(net, 3, 4, 200, 4));
        net->part[4] = 1;
        net_block(net);
        net_run(net, 1000);
        ck_assert(arrives(net, 3, 4, 200, 1));
        ck_assert(arrives(net, 3, 4, 0, 4));
        ck_assert(arrives(net, 4, 4, 200, 1)); /* from the other half too */
        /* its holder is gone: the half has no way, and does not fall back to the whole */
        net->site[1].dead = true;
        ck_assert(!arrives(net, 2, 4, 201, 4));
        net->revoked[1] = true;
        net_block(net);
        ck_assert(!arrives(net, 3, 4, 200, 4));
        ck_assert(arrives(net, 3, 4, 0, 4));
        net_free(net);
}
END_TEST

static void
count_registered(void *arg, const struct router_shown *shown)
{
        if (strcmp(shown->source, "registered") == 0)
                ++*(unsigned *)arg;
}

static unsigned
registered_at(struct net *net, unsigned i)
{
        unsigned count = 0;

        router_list(net->site[i].router, net->now_ms, count_registered, &count);
        return count;
}

/* Map-servers come and go with their node registers; who keeps its place hears nothing new. */
START_TEST(test_placement)
{
        struct net *net = net_new(6, 3, 34);
        struct router_options serves = {0};
        uint64_t kept;

        net->servers = 4; /* 3 is ready to serve, but not admitted yet */
        net_start(net, 3, &serves);
        net_run(net, 2000);
        ck_assert_uint_eq(registered_at(net, 0), 12);
        ck_assert_uint_eq(registered_at(net, 3), 0);
        kept = net_count(net, 1)->registers_accepted;
        net->serving = 0x0e;
        net_block(net);
        net_run(net, 2000);
        ck_assert_uint_eq(registered_at(net, 3), 12);
        ck_assert_uint_eq(net_count(net, 1)->registers_accepted, kept);
        net->site[0].dead = true;
        ck_assert(hears(net, 4, 5) && hears(net, 5, 1));
        /* the same set again: nobody registers anew */
        kept = net_count(net, 3)->registers_accepted;
        net_block(net);
        net_run(net, 1000);
        ck_assert_uint_eq(net_count(net, 3)->registers_accepted, kept);
        ck_assert_uint_eq(net_count(net, 1)->registers_accepted, 12);
        net_free(net);
}
END_TEST

/* The walks after a block find what nobody asks for. */
START_TEST(test_walk)
{
        struct net *net = net_new(5, 3, 35);

        net_run(net, 2000);
        ck_assert(hears(net, 3, 4));
        net->revoked[4] = true;
        net_block(net);
        net_run(net, 1000);
        ck_assert_uint_eq(net_count(net, 3)->taken_back, 1);
        for (unsigned i = 0; i < 3; i++) {
                ck_assert_uint_eq(net_count(net, i)->taken_back, 2); /* the EID and its prefix */
                ck_assert_uint_eq(registered_at(net, i), 8);
        }
        net_free(net);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_revoked, test_revoked_insists, test_rebound, test_delegated, test_placement,
            test_walk, NULL};

        return unit_main("router_ledger", cases, 60);
}
