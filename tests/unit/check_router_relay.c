/*
 * tests/unit/check_router_relay.c - two sites behind NATs of their own: through a map-server that holds no keys, and back to
 * the direct way. Strangers who want to use it. On a false clock.
 */
#include "config.h"
#include "router/envelope.h"
#include "router_net.h"

/* The bytes before what is relayed: every cut, and every bit that must be zero. */
START_TEST(test_envelope)
{
        struct router_addr to = net_addr("fd00::%x", 7), from = net_addr("fd00::%x", 9);
        uint8_t bytes[ROUTER_ENVELOPE_LEN + 3] = {0};
        struct router_envelope e;

        router_envelope_write(ROUTER_ENVELOPE_FRAME, &to, &from, bytes);
        for (size_t len = 0; len < ROUTER_ENVELOPE_LEN; len++) {
                uint8_t *cut = lx_alloc(len + 1); /* what is read beyond it, a sanitizer sees */

                memcpy(cut, bytes, len);
                ck_assert(!router_envelope_read(cut, len, &e));
                lx_free(cut);
        }
        for (size_t len = ROUTER_ENVELOPE_LEN; len <= sizeof(bytes); len++) {
                ck_assert(router_envelope_read(bytes, len, &e));
                ck_assert_uint_eq(e.kind, ROUTER_ENVELOPE_FRAME);
                ck_assert(router_addr_eq(&e.to, &to) && router_addr_eq(&e.from, &from));
                ck_assert(e.payload.p == bytes + ROUTER_ENVELOPE_LEN && e.payload.len == len - ROUTER_ENVELOPE_LEN);
        }
        for (unsigned bit = 0; bit < 56; bit++) {
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
                ck_assert(!router_envelope_read(bytes, sizeof(bytes), &e));
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        bytes[7] = 200; /* a kind that nobody knows is read; relay.c counts it */
        ck_assert(router_envelope_read(bytes, sizeof(bytes), &e) && e.kind == 200);
}
END_TEST

/* Sites 3 and 4 behind NATs, 0 to 2 map-servers; everybody is registered. */
static struct net *
hidden(unsigned count, unsigned servers, uint64_t seed)
{
        struct net *net = net_new(count, servers, seed);

        for (unsigned i = count - 2; i < count; i++) {
                net->site[i].nat = net_addr("203.0.113.%u", i);
                net->site[i].rloc = net_addr("192.168.77.%u", i);
                net_start(net, i, NULL);
        }
        net_run(net, 3000);
        return net;
}

static bool
hears(struct net *net, unsigned from, unsigned to, uint64_t ms)
{
        uint64_t got = net->site[to].got;

        net_ping(net, from, to, 6);
        net_run(net, ms);
        return net->site[to].got > got;
}

static uint64_t
relayed(struct net *net)
{
        uint64_t sum = 0;

        for (unsigned i = 0; i < net->servers; i++)
                sum += net_count(net, i)->relayed;
        return sum;
}

START_TEST(test_both_hidden)
{
        for (uint64_t seed = 50; seed < 54; seed++) {
                struct net *net = hidden(5, 3, seed);
                uint64_t kept;

                ck_assert(hears(net, 3, 4, 3000));
                ck_assert(hears(net, 4, 3, 1000));
                ck_assert_uint_gt(relayed(net), 0);
                for (unsigned i = 0; i < 3; i++) /* a relay has no session with anybody */
                        ck_assert_uint_eq(net_count(net, i)->handshakes_done + net_count(net, i)->decapsulated, 0);
                /* nothing is lost once it works, for an hour with keys renewed and ways kept open */
                kept = net->site[4].got;
                for (unsigned i = 0; i < 360; i++) {
                        net_ping(net, 3, 4, 6);
                        net_ping(net, 4, 3, 4);
                        net_run(net, 10000);
                }
                ck_assert_uint_eq(net->site[4].got - kept, 360);
                /* who is not behind a NAT is spoken to directly */
                kept = relayed(net);
                ck_assert(hears(net, 0, 4, 3000) && hears(net, 4, 1, 3000));
                ck_assert_uint_le(relayed(net) - kept, 8); /* pings of the relayed way */
                net_free(net);
        }
}
END_TEST

/* One relay dies in the middle: another is found. */
START_TEST(test_relay_dies)
{
        struct net *net = hidden(5, 3, 55);
        unsigned used = 0;

        ck_assert(hears(net, 3, 4, 3000));
        for (unsigned i = 0; i < 3; i++)
                if (net_count(net, i)->relayed > net_count(net, used)->relayed)
                        used = i;
        net->site[used].dead = true;
        for (unsigned i = 0; i < 40; i++)
                (void)hears(net, 3, 4, 1000);
        ck_assert(hears(net, 3, 4, 1000) && hears(net, 4, 3, 1000));
        net_free(net);
}
END_TEST

/* A site comes out from behind its NAT: the direct way is taken, by both. */
START_TEST(test_way_back)
{
        struct net *net = hidden(5, 3, 56);
        struct site *s = &net->site[4];
        uint64_t kept;

        ck_assert(hears(net, 3, 4, 3000) && hears(net, 4, 3, 1000));
        s->nat.family = 0;
        s->rloc = net_addr("198.51.100.%u", 4);
        router_set_rlocs(s->router, net->now_ms, &s->rloc, 1);
        for (unsigned i = 0; i < 10; i++) {
                net_ping(net, 3, 4, 6);
                net_ping(net, 4, 3, 6);
                net_run(net, 500);
        }
        kept = relayed(net);
        for (unsigned i = 0; i < 20; i++)
                ck_assert(hears(net, 3, 4, 1000) && hears(net, 4, 3, 1000));
        ck_assert_uint_eq(relayed(net), kept);
        net_free(net);
}
END_TEST

/* The NAT lets the direct way through after all (the same network behind it): pings find it. */
START_TEST(test_direct_after_all)
{
        struct net *net = hidden(5, 3, 57);
        uint64_t kept;

        ck_assert(hears(net, 3, 4, 3000) && hears(net, 4, 3, 1000));
        /* without telling anybody: the addresses in the records are reached now */
        net->site[3].nat.family = net->site[4].nat.family = 0;
        for (unsigned i = 0; i < 20; i++) {
                net_ping(net, 3, 4, 6);
                net_ping(net, 4, 3, 6);
                net_run(net, 1000);
        }
        kept = relayed(net);
        for (unsigned i = 0; i < 20; i++)
                ck_assert(hears(net, 3, 4, 1000) && hears(net, 4, 3, 1000));
        ck_assert_uint_eq(relayed(net), kept);
        net_free(net);
}
END_TEST

/* Many servers, of which the two sites share none or few: the one that is asked for becomes a relay of both. */
START_TEST(test_no_common_server)
{
        for (uint64_t seed = 60; seed < 64; seed++) {
                struct net *net = hidden(12, 10, seed);

                ck_assert(hears(net, 10, 11, 5000));
                ck_assert(hears(net, 11, 10, 1000));
                ck_assert_uint_gt(relayed(net), 0);
                net_free(net);
        }
}
END_TEST

static void
keep_relayed(struct net *net, struct flight *f)
{
        if (f->data && f->bytes[0] == 0x0b && f->bytes[7] == 2 && net->tapped_len == 0) {
                memcpy(net->tapped, f->bytes, f->len);
                net->tapped_len = f->len;
                net->tapped_from = f->from;
                net->tapped_to = f->to;
        }
}

/* Only sites that attached, from where they attached, to sites that did; a relayed frame may not be told as another's. */
START_TEST(test_strangers)
{
        struct net *net = hidden(5, 3, 58);
        struct router_at stranger = {net_addr("198.51.100.%u", 9), 4341};
        uint8_t frame[ROUTER_FRAME_MAX];
        uint64_t kept, got;
        unsigned at = 0;
        size_t len;

        net->tap = keep_relayed;
        ck_assert(hears(net, 3, 4, 3000));
        ck_assert_uint_gt(net->tapped_len, 0);
        net->tap = NULL;
        while (at < 2 && !router_addr_eq(&net->site[at].rloc, &net->tapped_to.addr))
                at++;
        len = net->tapped_len;
        kept = relayed(net);
        got = net_count(net, at)->refused_relay;
        /* from elsewhere; to nobody; in another's name */
        memcpy(frame, net->tapped, len);
        router_data_input(net->site[at].router, net->now_ms, &stranger, frame, len, 0, 60);
        memcpy(frame, net->tapped, len);
        frame[23] ^= 0x40;
        router_data_input(net->site[at].router, net->now_ms, &net->tapped_from, frame, len, 0, 60);
        memcpy(frame, net->tapped, len);
        frame[39] = 1;
        router_data_input(net->site[at].router, net->now_ms, &net->tapped_from, frame, len, 0, 60);
        ck_assert_uint_eq(net_count(net, at)->refused_relay, got + 3);
        /* an attachment without its token */
        memset(frame, 0, sizeof(frame));
        memcpy(frame, net->tapped, 40);
        frame[7] = 3;
        router_data_input(net->site[at].router, net->now_ms, &stranger, frame, 56, 0, 60);
        ck_assert_uint_eq(net_count(net, at)->refused_relay, got + 4);
        ck_assert_uint_eq(relayed(net), kept);
        /* straight to the site, as if it were relayed; a replay by the relay */
        got = net->site[4].got;
        memcpy(frame, net->tapped, len);
        router_data_input(net->site[4].router, net->now_ms, &stranger, frame, len, 0, 60);
        ck_assert_uint_eq(net_count(net, 4)->refused_relay, 1);
        memcpy(frame, net->tapped, len);
        router_data_input(net->site[4].router, net->now_ms, &net->tapped_to, frame, len, 0, 60);
        ck_assert_uint_eq(net_count(net, 4)->drop_frame_replayed, 1);
        ck_assert_uint_eq(net->site[4].got, got);
        /* every cut of it, both sides */
        for (size_t cut = 0; cut < len; cut++) {
                memcpy(frame, net->tapped, len);
                router_data_input(net->site[at].router, net->now_ms, &stranger, frame, cut, 0, 60);
                memcpy(frame, net->tapped, len);
                router_data_input(net->site[4].router, net->now_ms, &net->tapped_to, frame, cut, 0, 60);
        }
        ck_assert_uint_eq(net->site[4].got, got);
        ck_assert(hears(net, 3, 4, 1000));
        net_free(net);
}
END_TEST

static void
keep_register(struct net *net, struct flight *f)
{
        if (!f->data && f->bytes[0] >> 4 == ROUTER_MAP_REGISTER && f->len > 200 && router_addr_eq(&f->from.addr, &net->site[4].nat) &&
            f->to.addr.b[3] == 1) {
                memcpy(net->tapped, f->bytes, f->len);
                net->tapped_len = f->len;
        }
}

static void
keep_cookie(struct net *net, struct flight *f)
{
        if (!f->data && f->bytes[0] >> 4 == ROUTER_MAP_NOTIFY && f->to.addr.b[0] == 198) {
                memcpy(net->tapped + 2000, f->bytes, f->len);
                net->tapped_to = f->to;
        }
}

/* The same record from another address, with a cookie of that address' own: the site stays where it is. */
START_TEST(test_registered_elsewhere)
{
        struct net *net = hidden(5, 3, 59);
        struct router_at stranger = {net_addr("198.51.100.%u", 9), 4342};
        struct router_map_register m;
        struct lx_reader rd;
        uint64_t stale, challenged;

        net->tap = keep_register;
        net_run(net, 26000);
        ck_assert_uint_gt(net->tapped_len, 0);
        net->tap = keep_cookie;
        stale = net_count(net, 0)->refused_stale;
        challenged = net_count(net, 0)->refused_cookie;
        router_control_input(net->site[0].router, net->now_ms, &stranger, net->tapped, net->tapped_len);
        ck_assert_uint_eq(net_count(net, 0)->refused_cookie, challenged + 1);
        ck_assert_int_eq(router_map_register_decode(net->tapped, net->tapped_len, &m, &rd), LX_OK);
        ck_assert_uint_eq(m.auth.len, 16);
        memcpy(net->tapped + m.auth_offset, net->tapped + 2000 + m.auth_offset, 16);
        router_control_input(net->site[0].router, net->now_ms, &stranger, net->tapped, net->tapped_len);
        ck_assert_uint_eq(net_count(net, 0)->refused_stale, stale + 1);
        net->tap = NULL;
        ck_assert(hears(net, 3, 4, 3000));
        net_free(net);
}
END_TEST

/* A site goes behind a NAT while it talks to one that is behind another: seconds, not a time-out. */
START_TEST(test_moves_in)
{
        struct net *net = hidden(5, 3, 65);
        struct site *s = &net->site[3];

        s->nat.family = 0;
        s->rloc = net_addr("198.51.100.%u", 3);
        net_start(net, 3, NULL);
        net_run(net, 3000);
        ck_assert(hears(net, 3, 4, 3000) && hears(net, 4, 3, 1000));
        s->nat = net_addr("203.0.113.%u", 77);
        s->rloc = net_addr("192.168.78.%u", 3);
        router_set_rlocs(s->router, net->now_ms, &s->rloc, 1);
        net_run(net, 3000);
        ck_assert(hears(net, 3, 4, 1000));
        ck_assert(hears(net, 4, 3, 1000));
        net_free(net);
}
END_TEST

/* The NAT forgets its flows and shows the site elsewhere: a record signed anew puts it right. */
START_TEST(test_nat_moves)
{
        struct net *net = hidden(5, 3, 64);

        ck_assert(hears(net, 3, 4, 3000));
        net->site[4].nat = net_addr("203.0.113.%u", 99);
        net->site[4].flows = 0;
        net_run(net, 120000);
        ck_assert(hears(net, 3, 4, 5000));
        ck_assert(hears(net, 4, 3, 1000));
        net_free(net);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_envelope, test_both_hidden, test_relay_dies, test_way_back, test_direct_after_all,
            test_no_common_server, test_strangers, test_registered_elsewhere, test_moves_in, test_nat_moves, NULL};

        return unit_main("router_relay", cases, 120);
}
