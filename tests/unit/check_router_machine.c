/*
 * tests/unit/check_router_machine.c - sites that find each other, talk, move, lose paths and map-servers; and
 * strangers who forge, replay, overclaim and flood. On a false clock.
 */
#include "config.h"
#include "router_net.h"

START_TEST(test_all_pairs)
{
        struct net *net = net_new(10, 5, 1);

        net_run(net, 2000);
        for (unsigned i = 0; i < 10; i++)
                ck_assert_uint_ge(net_count(net, i)->registers_accepted + 10 * (i >= 5), i < 5 ? 1 : 10);
        for (unsigned family = 4; family <= 6; family += 2)
                for (unsigned i = 0; i < 10; i++)
                        for (unsigned j = 0; j < 10; j++)
                                if (i != j)
                                        net_ping(net, i, j, family);
        net_run(net, 2000);
        for (unsigned i = 0; i < 10; i++)
                for (unsigned j = 0; j < 10; j++)
                        ck_assert_msg(i == j || net->site[i].got_from[j] == 2, "%u had %llu of %u", i,
                            (unsigned long long)net->site[i].got_from[j], j);
        net_free(net);
}
END_TEST

/* Cold caches, a burst at once: nothing is lost at first contact. */
START_TEST(test_first_contact)
{
        struct net *net = net_new(3, 3, 2);

        net_run(net, 2000);
        for (unsigned i = 0; i < 50; i++)
                net_ping(net, 0, 1, 6);
        net_run(net, 1000);
        ck_assert_uint_eq(net->site[1].got, 50);
        net_free(net);
}
END_TEST

/* Any one map-server dead, before anything was resolved. */
START_TEST(test_server_dead)
{
        for (unsigned dead = 0; dead < 4; dead++) {
                struct net *net = net_new(6, 4, 3 + dead);

                net_run(net, 2000);
                net->site[dead].dead = true;
                net_ping(net, 4, 5, 6);
                net_ping(net, 5, 4, 4);
                net_run(net, 2000);
                ck_assert_uint_eq(net->site[5].got, 1);
                ck_assert_uint_eq(net->site[4].got, 1);
                net_free(net);
        }
}
END_TEST

static void
stream(struct net *net, unsigned ms)
{
        for (unsigned i = 0; i < ms; i += 5) {
                net_ping(net, 1, 2, 6);
                net_ping(net, 2, 1, 6);
                net_run(net, 5);
        }
}

/* Links of 1 ms, packets every 5: silence after an address change in mid-stream. */
START_TEST(test_move)
{
        struct net *net = net_new(3, 1, 8);
        struct site *s = &net->site[1];

        net_run(net, 2000);
        stream(net, 500);
        for (unsigned move = 0; move < 5; move++) {
                s->rloc = net_addr("198.51.100.%u", move + 1);
                net->site[1].longest_gap_ms = net->site[2].longest_gap_ms = 0;
                router_set_rlocs(s->router, net->now_ms, &s->rloc, 1);
                stream(net, 500);
                ck_assert_uint_le(net->site[1].longest_gap_ms, 50);
                ck_assert_uint_le(net->site[2].longest_gap_ms, 50);
        }
        ck_assert_uint_ge(net_count(net, 2)->moves, 5);
        /* and who has never spoken with it finds it where it is now */
        net_ping(net, 0, 1, 6);
        net_run(net, 1000);
        ck_assert_uint_eq(s->got_from[0], 1);
        net_free(net);
}
END_TEST

/* The first RLOC of a site falls silent: the second carries on. */
START_TEST(test_failover)
{
        struct net *net = net_new(3, 1, 9);
        struct site *s = &net->site[1];
        uint64_t before;

        s->rloc2 = net_addr("198.51.100.%u", 77);
        net_start(net, 1, NULL);
        net_run(net, 2000);
        stream(net, 500);
        net->cut = s->rloc;
        before = s->got;
        for (unsigned i = 0; i < 3000; i += 5) {
                net_ping(net, 2, 1, 6);
                net_run(net, 5);
                s->rloc = net->cut; /* it answers from where it is asked: the second one */
                if (net_count(net, 2)->failovers > 0 && s->rloc2.family != 0) {
                        struct router_addr swap = s->rloc;
                        s->rloc = s->rloc2, s->rloc2 = swap;
                        net->cut = swap;
                        break;
                }
        }
        ck_assert_uint_ge(net_count(net, 2)->failovers, 1);
        stream(net, 500);
        ck_assert_uint_gt(s->got, before + 50);
        net_free(net);
}
END_TEST

/* Ten minutes of traffic over several rekeys; then links of 300 ms with 2 % loss. */
START_TEST(test_rekey)
{
        struct net *net = net_new(3, 1, 10);
        uint64_t sent = 0;

        net_run(net, 2000);
        for (unsigned i = 0; i < 6000; i++, sent++) {
                net_ping(net, 1, 2, 6);
                net_run(net, 100);
        }
        ck_assert_uint_eq(net->site[2].got, sent);
        ck_assert_uint_ge(net_count(net, 1)->handshakes_done, 4);
        net->delay_ms = 300;
        net->loss_percent = 2;
        for (unsigned i = 0; i < 6000; i++, sent++) {
                net_ping(net, 1, 2, 6);
                net_run(net, 100);
        }
        net_run(net, 1000);
        ck_assert_uint_ge(net->site[2].got, sent * 96 / 100);
        net_free(net);
}
END_TEST

/* A site restarts with fresh keys in memory: traffic comes back by itself. */
START_TEST(test_restart)
{
        struct net *net = net_new(3, 1, 11);
        struct router_options o = {.counter = 100000};
        uint64_t before;

        net_run(net, 2000);
        stream(net, 300);
        net_start(net, 2, &o);
        before = net->site[2].got;
        for (unsigned i = 0; i < 15000; i += 50) {
                net_ping(net, 1, 2, 6);
                net_run(net, 50);
        }
        ck_assert_uint_gt(net->site[2].got, before);
        net_free(net);
}
END_TEST

/* Site 3 behind a NAT, sites 0 to 2 map-servers; everybody is registered. */
static struct net *
nat_net(uint64_t seed)
{
        struct net *net = net_new(4, 3, seed);

        net->site[3].rloc = net_addr("192.168.77.%u", 4);
        net->site[3].nat = net_addr("198.51.100.%u", 4);
        net_start(net, 3, NULL);
        net_run(net, 2000);
        return net;
}

/* Site 1 starts afresh and is the first to speak to the hidden site, whose session with it is @age_ms old. */
static void
nat_restart(uint64_t seed, uint64_t age_ms)
{
        struct net *net = nat_net(seed);
        struct router_options o = {.counter = 100000};

        net_ping(net, 3, 1, 6);
        net_run(net, age_ms);
        ck_assert_uint_eq(net->site[1].got, 1);
        net_start(net, 1, &o);
        net_run(net, 20);
        net_ping(net, 1, 3, 6);
        net_run(net, 200);
        ck_assert_msg(net->site[3].got == 1, "session of %u ms: the hidden site had %u packets", (unsigned)age_ms,
            (unsigned)net->site[3].got);
        ck_assert_uint_eq(net_count(net, 1)->handshakes_done, 1); /* two map-servers introduce: one session */
        net_free(net);
}

START_TEST(test_nat_restart)
{
        for (unsigned i = 0; i < 4; i++) {
                nat_restart(40 + i, 100);
                nat_restart(50 + i, 2900);
                nat_restart(60 + i, 20000);
        }
}
END_TEST

/* The hidden site tries in vain to reach who is down: when that one asks for it, it does not wait for its next try. */
START_TEST(test_nat_waits)
{
        struct net *net = nat_net(70);
        struct router_options o = {.counter = 100000};

        net->site[1].dead = true;
        net_ping(net, 3, 1, 6);
        net_run(net, 8000);
        net->site[1].dead = false;
        net_start(net, 1, &o);
        net_run(net, 20);
        net_ping(net, 1, 3, 6);
        net_run(net, 200);
        ck_assert_uint_eq(net->site[3].got, 1);
        net_free(net);
}
END_TEST

static void
keep_introduction(struct net *net, struct flight *f)
{
        if (f->data || f->bytes[0] >> 4 != ROUTER_ENCAPSULATED)
                return;
        memcpy(net->tapped, f->bytes, f->len);
        net->tapped_len = f->len;
        net->tapped_from = f->from;
}

/* What a map-server passed on once is passed on again and again: the session that it led to stays. */
START_TEST(test_nat_replay)
{
        struct net *net = nat_net(73);

        net->tap = keep_introduction;
        net_ping(net, 1, 3, 6);
        net_run(net, 100);
        ck_assert_uint_gt(net->tapped_len, 0);
        net->tap = NULL;
        for (unsigned i = 0; i < 100; i++) {
                router_control_input(net->site[3].router, net->now_ms, &net->tapped_from, net->tapped, net->tapped_len);
                net_run(net, 20);
        }
        ck_assert_uint_eq(net_count(net, 3)->handshakes_done, 1);
        ck_assert_uint_eq(net->site[3].got, 1);
        net_free(net);
}
END_TEST

static void
lose_introductions(struct net *net, struct flight *f)
{
        if (!f->data && f->bytes[0] >> 4 == ROUTER_ENCAPSULATED && net->tapped_len < 2) {
                net->tapped_len++;
                f->to.port = 9;
                f->to.addr = net_addr("203.0.113.%u", 9);
        }
}

/* What a map-server passed on is lost: it is asked again. */
START_TEST(test_nat_lost)
{
        struct net *net = nat_net(71);

        net->tap = lose_introductions;
        net_ping(net, 1, 3, 6);
        net_run(net, 2000);
        ck_assert_uint_eq(net->tapped_len, 2);
        ck_assert_uint_eq(net->site[3].got, 1);
        net_free(net);
}
END_TEST

/* No session is left and the map-servers forgot who subscribed: a site that moved is found all the same. */
START_TEST(test_moved_unheard)
{
        struct net *net = net_new(4, 2, 72);
        struct router_options o = {.counter = 100000};
        struct site *s = &net->site[3];

        net_run(net, 2000);
        net_ping(net, 2, 3, 6);
        net_run(net, 400000);
        ck_assert_uint_eq(s->got, 1);
        for (unsigned i = 0; i < 2; i++)
                net_start(net, i, &o);
        net_start(net, 3, &o);
        s->rloc = net_addr("198.51.100.%u", 77);
        router_set_rlocs(s->router, net->now_ms, &s->rloc, 1);
        net_run(net, 2000);
        net_ping(net, 2, 3, 6);
        net_run(net, 2000);
        ck_assert_uint_eq(s->got, 2);
        net_free(net);
}
END_TEST

START_TEST(test_nobody)
{
        struct net *net = net_new(3, 2, 12);
        struct router_addr nobody = net_addr("fd00::%x", 0xbad);
        uint8_t bytes[300];
        size_t len = net_packet(&net->site[0].id.eid, &nobody, 50, bytes);

        net_run(net, 2000);
        router_tun_input(net->site[0].router, net->now_ms, 0, bytes, len);
        ck_assert_uint_eq(net_count(net, 0)->drop_no_owner, 1);
        ck_assert_uint_eq(net->site[0].icmp, 1);
        ck_assert_uint_eq(net_count(net, 0)->requests_sent, 0);
        /* an owner that never registered: asked about, then unreachable, and asked again later */
        net->site[2].dead = true;
        net_free(net);
        net = net_new(3, 2, 12);
        net->site[2].dead = true;
        net_run(net, 2000);
        net_ping(net, 0, 2, 6);
        net_run(net, 5000);
        ck_assert_uint_eq(net_count(net, 0)->drop_no_mapping, 1);
        net->site[2].dead = false;
        net_run(net, 30000);
        net_ping(net, 0, 2, 6);
        net_run(net, 2000);
        ck_assert_uint_eq(net->site[2].got, 1);
        net_free(net);
}
END_TEST

/* ---- strangers ---------------------------------------------------------------------------------- */

static void
keep_frame(struct net *net, struct flight *f)
{
        if (f->data && f->len > 120) {
                memcpy(net->tapped, f->bytes, f->len);
                net->tapped_len = f->len;
                net->tapped_from = f->from;
                net->tapped_to = f->to;
        }
}

/* A frame comes twice, comes changed, comes from elsewhere. */
START_TEST(test_frame_attacks)
{
        struct net *net = net_new(3, 1, 13);
        uint8_t copy[ROUTER_FRAME_MAX];
        struct router_at stranger = {net_addr("203.0.113.%u", 9), 4341};

        net_run(net, 2000);
        stream(net, 100);
        net->tap = keep_frame;
        net_ping(net, 1, 2, 6);
        net_run(net, 100);
        ck_assert_uint_gt(net->tapped_len, 0);
        memcpy(copy, net->tapped, net->tapped_len);
        router_data_input(net->site[2].router, net->now_ms, &stranger, copy, net->tapped_len, 0, 60);
        ck_assert_uint_eq(net_count(net, 2)->drop_frame_replayed, 1);
        for (size_t i = 0; i < net->tapped_len; i += 7) {
                uint64_t got = net->site[2].got;

                memcpy(copy, net->tapped, net->tapped_len);
                copy[12 + i % 8] ^= 0x10; /* another counter: never a replay, always a forgery */
                copy[i] ^= 0x40;
                router_data_input(net->site[2].router, net->now_ms, &stranger, copy, net->tapped_len, 0, 60);
                ck_assert_uint_eq(net->site[2].got, got);
        }
        ck_assert_uint_gt(net_count(net, 2)->drop_frame_forged, 5);
        /* and the path has not moved to the stranger */
        ck_assert_uint_eq(net_count(net, 2)->moves, 0);
        net_free(net);
}
END_TEST

/* Plain LISP from a stranger, and from a peer when the EID asks for sealing. */
START_TEST(test_plain_refused)
{
        struct net *net = net_new(3, 1, 14);
        struct router_options o = {.plain_count = 1};
        uint8_t frame[400] = {0};
        size_t len = net_packet(&net->site[1].id.eid, &net->site[2].id.eid, 50, frame + 8);
        struct router_at from = {net->site[1].rloc, 4341};

        net_run(net, 2000);
        router_data_input(net->site[2].router, net->now_ms, &from, frame, len + 8, 0, 60);
        ck_assert_uint_eq(net_count(net, 2)->drop_plain_stranger, 1);
        ck_assert(router_eid_parse("192.0.2.0/24", &o.plain_from[0]));
        net_start(net, 2, &o);
        net_run(net, 2000);
        router_data_input(net->site[2].router, net->now_ms, &from, frame, len + 8, 0, 60);
        net_run(net, 1000);
        router_data_input(net->site[2].router, net->now_ms, &from, frame, len + 8, 0, 60);
        ck_assert_uint_ge(net_count(net, 2)->drop_plain_sealed, 1);
        ck_assert_uint_eq(net->site[2].got, 0);
        net_free(net);
}
END_TEST

/* Plain between named peers: both ways, with both address checks. */
START_TEST(test_plain)
{
        struct net *net = net_new(3, 1, 15);
        struct router_options o = {.plain_count = 1};
        uint8_t frame[400] = {0};
        struct router_at from = {net->site[0].rloc, 4341};
        size_t len;

        net->sealed = false;
        ck_assert(router_eid_parse("192.0.2.0/24", &o.plain_from[0]));
        for (unsigned i = 0; i < 3; i++)
                net_start(net, i, &o);
        net_run(net, 2000);
        stream(net, 200);
        ck_assert_uint_eq(net->site[1].got, 40);
        ck_assert_uint_eq(net->site[2].got, 40);
        ck_assert_uint_eq(net_count(net, 1)->handshakes_done, 0);
        /* site 0 says that it is site 1 */
        len = net_packet(&net->site[1].id.eid, &net->site[2].id.eid, 50, frame + 8);
        router_data_input(net->site[2].router, net->now_ms, &from, frame, len + 8, 0, 60);
        ck_assert_uint_eq(net_count(net, 2)->drop_spoofed_source, 1);
        /* and sends what is not for site 2 */
        len = net_packet(&net->site[0].id.eid, &net->site[1].id.eid, 50, frame + 8);
        router_data_input(net->site[2].router, net->now_ms, &from, frame, len + 8, 0, 60);
        ck_assert_uint_eq(net_count(net, 2)->drop_not_ours, 1);
        ck_assert_uint_eq(net->site[2].got, 40);
        net_free(net);
}
END_TEST

static void
keep_register(struct net *net, struct flight *f)
{
        if (!f->data && f->bytes[0] >> 4 == ROUTER_MAP_REGISTER && f->len > net->tapped_len && f->len < 500 &&
            f->bytes[13] == ROUTER_ALG_COOKIE && router_addr_eq(&f->from.addr, &net->site[1].rloc)) {
                memcpy(net->tapped, f->bytes, f->len);
                net->tapped_len = f->len;
                net->tapped_from = f->from;
                net->tapped_to = f->to;
        }
}

/* A registration from elsewhere, changed, old, past its expiry, from an unknown block. */
START_TEST(test_register_attacks)
{
        struct net *net = net_new(2, 1, 16);
        struct router_at stranger = {net_addr("203.0.113.%u", 9), 4342};
        struct site *s = &net->site[1];
        uint64_t accepted;
        uint8_t copy[2000];

        net->tap = keep_register;
        net_run(net, 2000);
        net->tap = NULL;
        ck_assert_uint_gt(net->tapped_len, 0);
        accepted = net_count(net, 0)->registers_accepted;
        memcpy(copy, net->tapped, net->tapped_len);
        router_control_input(net->site[0].router, net->now_ms, &stranger, copy, net->tapped_len);
        ck_assert_uint_eq(net_count(net, 0)->registers_accepted, accepted);
        ck_assert_uint_ge(net_count(net, 0)->refused_cookie, 1);
        for (size_t i = 32; i < net->tapped_len; i++) {
                memcpy(copy, net->tapped, net->tapped_len);
                copy[i] ^= 0x04;
                router_control_input(net->site[0].router, net->now_ms, &net->tapped_from, copy, net->tapped_len);
        }
        ck_assert_uint_gt(net_count(net, 0)->refused_signature, 50);
        for (size_t cut = 0; cut < net->tapped_len; cut++)
                router_control_input(net->site[0].router, net->now_ms, &net->tapped_from, copy, cut);
        /* the site moves on: what it said before is stale */
        router_register_now(s->router, net->now_ms);
        net_run(net, 1000);
        accepted = net_count(net, 0)->registers_accepted;
        router_control_input(net->site[0].router, net->now_ms, &net->tapped_from, net->tapped, net->tapped_len);
        ck_assert_uint_eq(net_count(net, 0)->registers_accepted, accepted);
        ck_assert_uint_ge(net_count(net, 0)->refused_stale, 1);
        net->tip_ms += 1000ull * 3600 * 24;
        net->refuse_header = true;
        router_register_now(s->router, net->now_ms);
        net_run(net, 1000);
        ck_assert_uint_ge(net_count(net, 0)->refused_expired, 1);
        net_free(net);
}
END_TEST

static void
no_larger(struct net *net, struct flight *f)
{
        if (f->to.addr.b[0] == 203 && f->len > net->tapped_len)
                net->worst_answer = f->len - net->tapped_len > net->worst_answer ? f->len - net->tapped_len : net->worst_answer;
}

/* Questions of every size from spoofed addresses: no answer is larger, memory does not grow, others are served. */
START_TEST(test_floods)
{
        struct net *net = net_new(4, 2, 17);
        uint64_t seed = 4;

        net_run(net, 2000);
        net->tap = no_larger;
        for (unsigned i = 0; i < 20000; i++) {
                struct router_at from = {net_addr("203.0.113.%u", i % 200), (uint16_t)(1024 + i)};
                uint8_t bytes[2000];
                struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
                struct router_map_request q = {.nonce = i, .itr_count = (uint8_t)(1 + i % 32), .asked_count = (uint8_t)(1 + i % 8),
                    .probe = i % 5 == 0};

                for (unsigned j = 0; j < 32; j++)
                        q.itr[j] = from.addr;
                for (unsigned j = 0; j < 8; j++) {
                        q.asked[j] = router_eid_host(0, &net->site[(i + j) % 4].id.eid);
                        if (i % 3 == 0)
                                lx_put_be64(q.asked[j].addr.b + 8, unit_random(&seed));
                        q.subscribe[j] = i % 2 == 0;
                }
                router_map_request_encode(&q, &wr);
                net->tapped_len = wr.len;
                router_control_input(net->site[i % 2].router, net->now_ms, &from, bytes, wr.len);
                while (net->flying > 0 && net->flight[net->flying - 1].to.addr.b[0] == 203)
                        lx_free(net->flight[--net->flying].bytes);
        }
        ck_assert_uint_eq(net->worst_answer, 0);
        ck_assert_uint_gt(net_count(net, 0)->refused_amplify, 100);
        net->tap = NULL;
        net_ping(net, 2, 3, 6);
        net_run(net, 1000);
        ck_assert_uint_eq(net->site[3].got, 1);
        net_free(net);
}
END_TEST

/* A host behind a site scans addresses: the cache stays within its limit, what is used stays. */
START_TEST(test_scan)
{
        struct net *net = net_new(3, 1, 18);
        uint64_t seed = 4;

        net_run(net, 2000);
        stream(net, 100);
        for (unsigned i = 0; i < 20000; i++) {
                struct router_addr to = net_addr("fd00::%x", 0);
                uint8_t bytes[300];
                size_t len;

                lx_put_be64(to.b + 8, unit_random(&seed));
                len = net_packet(&net->site[1].id.eid, &to, 10, bytes);
                router_tun_input(net->site[1].router, net->now_ms, 0, bytes, len);
                if (i % 100 == 0)
                        net_ping(net, 1, 2, 6);
        }
        net_run(net, 100);
        ck_assert_uint_eq(net->site[2].got, 20 + 200);
        net_free(net);
}
END_TEST

/* Noise: random bytes of every length, and our own messages with bytes changed. */
START_TEST(test_noise)
{
        struct net *net = net_new(3, 2, 19);
        uint64_t seed = 6;
        struct router_at from = {net_addr("203.0.113.%u", 9), 4342};

        net_run(net, 2000);
        for (unsigned i = 0; i < 30000; i++) {
                uint8_t bytes[256];
                size_t len = unit_random(&seed) % sizeof(bytes);

                for (size_t j = 0; j < len; j++)
                        bytes[j] = (uint8_t)unit_random(&seed);
                if (len > 0 && i % 2 == 0)
                        bytes[0] = (uint8_t)((1 + i / 2 % 8) << 4);
                router_control_input(net->site[0].router, net->now_ms, &from, bytes, len);
                router_data_input(net->site[0].router, net->now_ms, &from, bytes, len, 0, 60);
        }
        net_ping(net, 1, 0, 6);
        net_run(net, 1000);
        ck_assert_uint_eq(net->site[0].got, 1);
        net_free(net);
}
END_TEST

/* ---- others' sites ------------------------------------------------------------------------------- */

#include "crypto/mac.h"

static size_t
old_register(enum router_alg alg, uint64_t nonce, const char *prefix, uint8_t *out, size_t cap)
{
        static const uint8_t zeros[32] = {0};
        struct router_map_register m = {.type = ROUTER_MAP_REGISTER, .want_notify = true, .record_count = 1,
            .nonce = nonce, .key_id = 1, .alg = (uint8_t)alg,
            .auth = LX_SPAN(zeros, alg == ROUTER_ALG_SHA1_96 ? 20 : 16)};
        struct router_record record = {.ttl_min = 10, .rloc_count = 1, .eid_usable = true};
        struct lx_writer wr = lx_writer_init(out, cap);
        struct lx_span whole;
        uint8_t mac[32];
        size_t offset;

        ck_assert(router_eid_parse(prefix, &record.eid));
        record.rloc[0] = (struct router_rloc){.addr = net_addr("203.0.113.%u", 50), .priority = 1, .weight = 100, .flags = 5};
        router_map_register_encode(&m, &wr, &offset);
        router_record_write(&wr, &record);
        whole = LX_SPAN(out, wr.len);
        if (alg == ROUTER_ALG_SHA1_96)
                lx_hmac_sha1(LX_SPAN("secret", 6), &whole, 1, mac);
        else
                lx_hmac_sha256(LX_SPAN("secret", 6), &whole, 1, mac);
        memcpy(out + offset, mac, m.auth.len);
        return wr.len;
}

static void
keep_answer(struct net *net, struct flight *f)
{
        if (f->to.addr.b[0] == 203) {
                memcpy(net->tapped, f->bytes, f->len);
                net->tapped_len = f->len;
        }
}

/* An xTR of RFC 6830 age registers with a shared secret and asks with a bare Map-Request. */
START_TEST(test_old_peer)
{
        for (unsigned sha1 = 0; sha1 < 2; sha1++) {
                struct net *net = net_new(2, 1, 20);
                struct router_options o = {.site_count = 1};
                struct router_at from = {net_addr("203.0.113.%u", 50), 4342};
                enum router_alg alg = sha1 ? ROUTER_ALG_SHA1_96 : ROUTER_ALG_SHA256_128;
                struct router_map_register notify;
                struct router_map_reply reply;
                struct router_record record;
                struct lx_reader rd;
                uint8_t bytes[1000];
                size_t len;

                ck_assert(router_eid_parse("172.16.0.0/16", &o.site[0].eid));
                o.site[0].key_id = 1;
                o.site[0].alg = alg;
                o.site[0].random_nonces = sha1;
                memcpy(o.site[0].key, "secret", 6);
                o.site[0].key_len = 6;
                net_start(net, 0, &o);
                net_run(net, 2000);
                net->tap = keep_answer;
                len = old_register(alg, 500, "172.16.5.0/24", bytes, sizeof(bytes));
                router_control_input(net->site[0].router, net->now_ms, &from, bytes, len);
                ck_assert_int_eq(router_map_register_decode(net->tapped, net->tapped_len, &notify, &rd), LX_OK);
                ck_assert_int_eq(notify.type, ROUTER_MAP_NOTIFY);
                ck_assert_uint_eq(notify.nonce, 500);
                ck_assert_uint_eq(notify.record_count, 1);
                net->tapped_len = 0;
                /* the same again: a replay, unless its nonces are known not to rise */
                router_control_input(net->site[0].router, net->now_ms, &from, bytes, len);
                ck_assert_uint_eq(net->tapped_len > 0, sha1);
                /* outside its prefix; with the wrong algorithm; with a wrong MAC */
                len = old_register(alg, 501, "172.17.5.0/24", bytes, sizeof(bytes));
                router_control_input(net->site[0].router, net->now_ms, &from, bytes, len);
                ck_assert_uint_eq(net_count(net, 0)->refused_owner, 1);
                len = old_register(sha1 ? ROUTER_ALG_SHA256_128 : ROUTER_ALG_SHA1_96, 502, "172.16.5.0/24", bytes, sizeof(bytes));
                router_control_input(net->site[0].router, net->now_ms, &from, bytes, len);
                len = old_register(alg, 503, "172.16.5.0/24", bytes, sizeof(bytes));
                bytes[len - 1] ^= 1;
                router_control_input(net->site[0].router, net->now_ms, &from, bytes, len);
                ck_assert_uint_eq(net_count(net, 0)->refused_hmac, 2);
                /* a bare question from such a peer has an answer that it can read: nothing but plain AFIs */
                {
                        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
                        struct router_map_request q = {.nonce = 7, .itr_count = 1, .itr = {from.addr}, .asked_count = 1};

                        ck_assert(router_eid_parse("172.16.5.9/32", &q.asked[0]));
                        router_map_request_encode(&q, &wr);
                        /* as such peers send it: inside an ECM, which is longer than the answer */
                        {
                                uint8_t ecm[1000];
                                struct lx_writer we = lx_writer_init(ecm, sizeof(ecm));
                                struct router_encapsulated e = {.from = from, .to = {net_addr("172.16.5.%u", 9), 4342},
                                    .message = LX_SPAN(bytes, wr.len)};

                                router_encapsulated_encode(&e, &we);
                                net->tapped_len = 0;
                                router_control_input(net->site[0].router, net->now_ms, &from, ecm, we.len);
                        }
                }
                ck_assert_uint_gt(net->tapped_len, 0);
                ck_assert_int_eq(router_map_reply_decode(net->tapped, net->tapped_len, &reply, &rd), LX_OK);
                router_record_read(&rd, &record);
                ck_assert_int_eq(lx_reader_end(&rd), LX_OK);
                ck_assert_uint_eq(record.rloc_count, 1);
                ck_assert_uint_eq(record.rloc[0].addr.b[0], 203);
                net_free(net);
        }
}
END_TEST

/* An idle site for a day: bytes towards the network. */
START_TEST(test_idle)
{
        struct net *net = net_new(2, 1, 21);
        uint64_t bytes;

        net_run(net, 2000);
        stream(net, 0);
        net_run(net, 60000);
        bytes = net->bytes;
        net_run(net, 24ull * 3600 * 1000);
        bytes = net->bytes - bytes;
        ck_assert_msg(bytes < 1000000, "%llu bytes", (unsigned long long)bytes);
        net_free(net);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_all_pairs, test_first_contact, test_server_dead, test_move,
            test_failover, test_rekey, test_restart, test_nat_restart, test_nat_waits, test_nat_replay, test_nat_lost,
            test_moved_unheard, test_nobody, test_frame_attacks, test_plain_refused, test_plain, test_register_attacks, test_floods, test_scan, test_noise, test_old_peer, test_idle, NULL};

        return unit_main("router_machine", cases, 60);
}
