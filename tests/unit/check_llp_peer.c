/*
 * One connection on a false clock: handshake and hello in pieces of every size, the question for a key,
 * the table's rules, classes, rates, pings, deadlines; garbage, truncated, replayed and oversized frames;
 * the codecs of hello, goodbye, addresses.
 */
#include "config.h"
#include "crypto/secret.h"
#include "llp/hello.h"
#include "llp/outbox.h"

#include "llp_pair.h"
#include "unit.h"

static uint8_t big[LLP_PAYLOAD_MAX];

static struct pair *
ready_pair(void)
{
        struct pair *pair = pair_new(false);

        pair_settle(pair, SIZE_MAX);
        ck_assert(pair->a.ready && pair->b.ready);
        return pair;
}

static void
expect_end(const struct llp_peer *peer, enum llp_end want, const char *part)
{
        const char *text;

        ck_assert_int_eq(llp_peer_end(peer, &text), want);
        ck_assert_msg(strstr(text, part) != NULL, "\"%s\" does not say \"%s\"", text, part);
}

START_TEST(they_meet)
{
        static const size_t STEPS[] = {1, 2, 3, 49, 50, 51, 66, 100, 1000, SIZE_MAX};

        for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
                for (int asks = 0; asks < 2; asks++) {
                        struct pair *pair = pair_new(asks);
                        struct lx_pubkey id;

                        pair_settle(pair, STEPS[i]);
                        ck_assert(pair->a.ready && pair->b.ready);
                        ck_assert_int_eq(llp_peer_state(pair->a.peer), LLP_PEER_READY);
                        ck_assert(llp_peer_id(pair->a.peer, &id));
                        ck_assert_mem_eq(id.b, pair->b.id.b, 32);
                        ck_assert(llp_peer_id(pair->b.peer, &id));
                        ck_assert_mem_eq(id.b, pair->a.id.b, 32);
                        ck_assert_uint_eq(pair->a.hello.height, 0x21);
                        ck_assert_uint_eq(pair->b.hello.height, 0x11);
                        ck_assert_str_eq(pair->b.hello.agent, "test");
                        pair_free(pair);
                }
        }
}
END_TEST

START_TEST(messages_go_both_ways)
{
        struct pair *pair = ready_pair();
        size_t rows_count, sent = 0;
        const struct llp_message_row *rows = llp_message_rows(&rows_count);

        for (size_t i = 0; i < rows_count; i++) {
                if (rows[i].number < LLP_ADDRS)
                        continue;
                ck_assert(llp_peer_send(pair->a.peer, rows[i].number, big, rows[i].max));
                ck_assert(llp_peer_send(pair->b.peer, rows[i].number, big, rows[i].min));
                sent++;
                pair_settle(pair, 777);
                ck_assert_uint_eq(pair->a.count, sent);
                ck_assert_uint_eq(pair->b.count, sent);
                ck_assert_uint_eq(pair->b.types[sent - 1], rows[i].number);
                ck_assert_uint_eq(pair->b.lens[sent - 1], rows[i].max);
                ck_assert_uint_eq(pair->a.lens[sent - 1], rows[i].min);
        }
        pair_free(pair);
}
END_TEST

/* Queued bulk is overtaken by a vote: after it at most the frame under way leaves first. */
START_TEST(votes_overtake)
{
        struct pair *pair = ready_pair();
        static const unsigned LATER[] = {LLP_GET_ADDRS, LLP_BLOCK, LLP_TX, LLP_PART, LLP_VOTE};
        size_t lens[] = {0, 60000, 5000, 50000, 200};

        for (int i = 0; i < 5; i++)
                ck_assert(llp_peer_send(pair->a.peer, LATER[i], big, lens[i]));
        while (llp_peer_has_output(pair->a.peer))
                pair_carry(pair, &pair->a, &pair->b, SIZE_MAX);
        ck_assert_uint_eq(pair->b.count, 5);
        for (int i = 0; i < 5; i++)
                ck_assert_uint_eq(pair->b.types[i], LATER[4 - i]);
        pair_free(pair);
}
END_TEST

START_TEST(queues_are_bounded)
{
        struct pair *pair = ready_pair();
        struct llp_peer_stats stats;
        unsigned blocks = 0;

        while (llp_peer_has_room(pair->a.peer, LLP_BLOCK)) {
                ck_assert(llp_peer_send(pair->a.peer, LLP_BLOCK, big, 60000));
                blocks++;
        }
        ck_assert_uint_ge(blocks, 4);
        ck_assert_uint_le(blocks, llp_class_queue_max(LLP_PRIO_SYNC) / 60000);
        while (llp_peer_send(pair->a.peer, LLP_BLOCK, big, 60000))
                ;
        ck_assert(llp_peer_has_room(pair->a.peer, LLP_VOTE));
        ck_assert(llp_peer_send(pair->a.peer, LLP_VOTE, big, 200));
        llp_peer_get_stats(pair->a.peer, &stats);
        ck_assert_uint_eq(stats.refused, 1);
        pair_settle(pair, SIZE_MAX);
        ck_assert(llp_peer_has_room(pair->a.peer, LLP_BLOCK));
        pair_free(pair);
}
END_TEST

/* ---- rules ---------------------------------------------------------------------------------------- */

/*
 * A side that says what it likes: its frames are made with the keys of a handshake of its own.
 */
struct rogue {
        struct pair *pair;
        struct llp_sealer *sealer;
        uint8_t wire[LLP_FRAME_WIRE_MAX];
};

#include "llp/noise.h"

/* A pair whose side b is shaken hands with by hand, and has not had a hello. */
static struct rogue *
rogue_new(bool hello)
{
        struct rogue *rogue = lx_alloc(sizeof(*rogue));
        struct llp_noise_options options = {.initiator = true};
        struct llp_noise_keys keys;
        struct llp_noise *noise;
        uint8_t prologue[LLP_PROLOGUE_LEN], act[LLP_NOISE_ACT_MAX], out[1024];
        size_t len;

        rogue->pair = pair_new(false);
        options.secret = rogue->pair->a.secret;
        memset(options.ephemeral, 0x31, 32);
        options.remote = lx_ecdh_of_key(&rogue->pair->b.id);
        memset(out, 0x77, 32);
        llp_peer_prologue((const struct lx_hash *)out, prologue);
        options.prologue = LX_SPAN(prologue, sizeof(prologue));
        ck_assert_int_eq(llp_noise_new(&options, &noise), LX_OK);
        len = llp_noise_write(noise, act);
        llp_peer_input(rogue->pair->b.peer, act, len, 1000);
        len = llp_peer_output(rogue->pair->b.peer, out, 50, 1000);
        ck_assert_int_eq(llp_noise_read(noise, out, len), LX_OK);
        len = llp_noise_write(noise, act);
        llp_peer_input(rogue->pair->b.peer, act, len, 1000);
        ck_assert_int_eq(llp_peer_state(rogue->pair->b.peer), LLP_PEER_GREETING);
        llp_noise_get_keys(noise, &keys);
        rogue->sealer = llp_sealer_new(keys.send, keys.chaining);
        llp_noise_free(noise);
        if (hello) {
                struct lx_writer wr = lx_writer_init(out + 2, sizeof(out) - 2);
                struct llp_peer_options a = pair_options(rogue->pair, &rogue->pair->a, 0x11);

                out[0] = 0, out[1] = LLP_HELLO;
                llp_hello_encode(&a.hello, &wr);
                len = llp_sealer_seal(rogue->sealer, out, wr.len + 2, rogue->wire);
                llp_peer_input(rogue->pair->b.peer, rogue->wire, len, 1000);
                ck_assert(rogue->pair->b.ready);
        }
        return rogue;
}

static void
rogue_free(struct rogue *rogue)
{
        llp_sealer_free(rogue->sealer);
        pair_free(rogue->pair);
        lx_free(rogue);
}

/* Say message @type with @len bytes of zeros (@type > 0xffff: a frame of @len bytes). */
static void
rogue_say(struct rogue *rogue, unsigned type, size_t len)
{
        uint8_t *text = lx_alloc(LLP_FRAME_MAX);
        size_t wire_len;

        text[0] = (uint8_t)(type >> 8), text[1] = (uint8_t)type;
        wire_len = llp_sealer_seal(rogue->sealer, text, type > 0xffff ? len : len + 2, rogue->wire);
        llp_peer_input(rogue->pair->b.peer, rogue->wire, wire_len, rogue->pair->now_ms);
        lx_free(text);
}

/* The rule is kept: a goodbye waits, and after it the machine is closed. */
static void
expect_rule(bool hello, unsigned type, size_t len, const char *part)
{
        struct rogue *rogue = rogue_new(hello);
        uint8_t out[4096];

        rogue_say(rogue, type, len);
        expect_end(rogue->pair->b.peer, LLP_END_RULE, part);
        ck_assert_int_eq(llp_peer_state(rogue->pair->b.peer), LLP_PEER_CLOSING);
        while (llp_peer_output(rogue->pair->b.peer, out, sizeof(out), 1000) > 0)
                ;
        ck_assert_int_eq(llp_peer_state(rogue->pair->b.peer), LLP_PEER_CLOSED);
        rogue_free(rogue);
}

START_TEST(rules_of_the_table)
{
        size_t count;
        const struct llp_message_row *rows = llp_message_rows(&count);

        expect_rule(true, 0x70, 5, "must be understood");
        expect_rule(true, 0x10000, 1, "no message number");
        expect_rule(true, 0x10000, 0, "no message number");
        expect_rule(true, LLP_PONG, 8, "nobody asked");
        expect_rule(true, LLP_HELLO, 81, "second hello");
        expect_rule(true, LLP_GOODBYE, 3, "bad goodbye");
        for (size_t i = 0; i < count; i++) {
                expect_rule(true, rows[i].number, rows[i].max + 1, "allowed are");
                if (rows[i].min > 0)
                        expect_rule(true, rows[i].number, rows[i].min - 1, "allowed are");
                if (!rows[i].before_hello)
                        expect_rule(false, rows[i].number, rows[i].min, "before hello");
        }
}
END_TEST

START_TEST(odd_unknown_ones_are_ignored)
{
        struct rogue *rogue = rogue_new(true);

        rogue_say(rogue, 0x7fff, 1000);
        rogue_say(rogue, LLP_VOTE, 100);
        ck_assert_int_eq(llp_peer_state(rogue->pair->b.peer), LLP_PEER_READY);
        ck_assert_uint_eq(rogue->pair->b.count, 1);
        rogue_free(rogue);
}
END_TEST

START_TEST(bad_payloads_end_it)
{
        struct rogue *rogue = rogue_new(true);

        uint8_t text[102] = {0, LLP_VOTE}, two[400];
        size_t len = llp_sealer_seal(rogue->sealer, text, sizeof(text), two);

        rogue->pair->b.answer = LX_ERR_FORMAT;
        len += llp_sealer_seal(rogue->sealer, text, sizeof(text), two + len);
        llp_peer_input(rogue->pair->b.peer, two, len, 1000);
        expect_end(rogue->pair->b.peer, LLP_END_RULE, "a bad vote of 100 bytes");
        ck_assert_uint_eq(rogue->pair->b.count, 1); /* nothing more is heard of it */
        rogue_free(rogue);
}
END_TEST

/* ---- what is not sealed by the other side ---------------------------------------------------------- */

START_TEST(replayed_truncated_changed)
{
        for (int kind = 0; kind < 4; kind++) {
                struct rogue *rogue = rogue_new(true);
                struct llp_peer *peer = rogue->pair->b.peer;
                uint8_t text[102] = {0, LLP_VOTE};
                size_t len = llp_sealer_seal(rogue->sealer, text, sizeof(text), rogue->wire);

                if (kind == 3)
                        rogue->wire[5] ^= 1; /* a changed length */
                llp_peer_input(peer, rogue->wire, kind == 1 ? len - 1 : len, 1000);
                if (kind == 0) { /* the same frame again */
                        llp_peer_input(peer, rogue->wire, len, 1000);
                } else if (kind == 1) { /* a byte is missing */
                        ck_assert_int_eq(llp_peer_state(peer), LLP_PEER_READY);
                        rogue_say(rogue, LLP_VOTE, 100);
                } else if (kind == 2) { /* garbage after a good one */
                        llp_peer_input(peer, text, 18, 1000);
                }
                expect_end(peer, LLP_END_FRAME, "did not seal");
                ck_assert_int_eq(llp_peer_state(peer), LLP_PEER_CLOSED);
                ck_assert_uint_eq(rogue->pair->b.count, kind == 0 || kind == 2 ? 1 : 0);
                rogue_free(rogue);
        }
}
END_TEST

START_TEST(garbage_before_the_handshake)
{
        for (unsigned seed = 0; seed < 200; seed++) {
                struct pair *pair = pair_new(false);
                uint8_t bytes[200];

                for (size_t i = 0; i < sizeof(bytes); i++)
                        bytes[i] = (uint8_t)(unit_hash(seed * 1000 + i).b[0] * 31 + i * seed);
                bytes[0] = (uint8_t)(seed % 3);
                llp_peer_input(pair->b.peer, bytes, sizeof(bytes), 1000);
                ck_assert_int_eq(llp_peer_end(pair->b.peer, NULL), LLP_END_HANDSHAKE);
                ck_assert(!llp_peer_has_output(pair->b.peer));
                pair_free(pair);
        }
}
END_TEST

/* The question for a key gets one answer, of its own size; of another chain none. */
START_TEST(key_question)
{
        struct pair *pair = pair_new(false);
        uint8_t query[LLP_QUERY_LEN] = {1}, out[1024];

        memset(query + 1, 0x77, LLP_TAG_LEN);
        llp_peer_input(pair->b.peer, query, sizeof(query), 1000);
        ck_assert_uint_eq(llp_peer_output(pair->b.peer, out, sizeof(out), 1000), LLP_QUERY_LEN);
        ck_assert_mem_eq(out, query, 1 + LLP_TAG_LEN);
        ck_assert_mem_eq(out + 2 + LLP_TAG_LEN, pair->b.id.b, 32);
        llp_peer_input(pair->b.peer, query, sizeof(query), 1000);
        ck_assert_int_eq(llp_peer_end(pair->b.peer, NULL), LLP_END_HANDSHAKE);
        pair_free(pair);
        pair = pair_new(false);
        query[3] ^= 1;
        llp_peer_input(pair->b.peer, query, sizeof(query), 1000);
        ck_assert_uint_eq(llp_peer_output(pair->b.peer, out, sizeof(out), 1000), 0);
        ck_assert_int_eq(llp_peer_end(pair->b.peer, NULL), LLP_END_HANDSHAKE);
        pair_free(pair);
}
END_TEST

/* An asker that is told a wrong key, or is flooded with answers before it could say a word. */
START_TEST(wrong_answers)
{
        struct pair *pair = pair_new(true);
        uint8_t answer[LLP_QUERY_LEN] = {1};
        uint8_t flood[600];

        memset(answer + 1, 0x77, LLP_TAG_LEN);
        answer[1 + LLP_TAG_LEN] = 3; /* odd */
        llp_peer_input(pair->a.peer, answer, sizeof(answer), 1000);
        expect_end(pair->a.peer, LLP_END_HANDSHAKE, "question for its key");
        pair_free(pair);
        pair = pair_new(true);
        memset(flood, 0, sizeof(flood));
        answer[1 + LLP_TAG_LEN] = 2;
        memcpy(answer + 2 + LLP_TAG_LEN, pair->b.id.b, 32);
        memcpy(flood, answer, sizeof(answer));
        llp_peer_input(pair->a.peer, flood, sizeof(flood), 1000);
        ck_assert_int_eq(llp_peer_end(pair->a.peer, NULL), LLP_END_HANDSHAKE);
        pair_free(pair);
}
END_TEST

/* Another chain behind the same tag, another version. */
START_TEST(other_networks)
{
        for (int kind = 0; kind < 3; kind++) {
                struct rogue *rogue = rogue_new(false);
                struct llp_peer_options a = pair_options(rogue->pair, &rogue->pair->a, 0x11);
                uint8_t text[256] = {0, LLP_HELLO};
                struct lx_writer wr = lx_writer_init(text + 2, sizeof(text) - 2);
                size_t len;

                if (kind == 0)
                        a.hello.chain_id.b[31] ^= 1;
                else if (kind == 1)
                        a.hello.version = 2;
                else
                        a.hello.agent[0] = '\n';
                llp_hello_encode(&a.hello, &wr);
                len = llp_sealer_seal(rogue->sealer, text, wr.len + 2, rogue->wire);
                llp_peer_input(rogue->pair->b.peer, rogue->wire, len, 1000);
                if (kind == 2)
                        expect_end(rogue->pair->b.peer, LLP_END_RULE, "bad hello");
                else
                        expect_end(rogue->pair->b.peer, LLP_END_NETWORK,
                            kind == 0 ? "another chain" : "version");
                rogue_free(rogue);
        }
}
END_TEST

/* ---- time ------------------------------------------------------------------------------------------ */

START_TEST(slow_handshake)
{
        struct pair *pair = pair_new(false);

        llp_peer_input(pair->b.peer, (const uint8_t *)"\0", 1, 1000);
        ck_assert_uint_eq(llp_peer_deadline_ms(pair->b.peer), 1000 + LLP_PEER_GREET_MS);
        llp_peer_tick(pair->b.peer, 1000 + LLP_PEER_GREET_MS - 1);
        ck_assert_int_eq(llp_peer_state(pair->b.peer), LLP_PEER_SHAKING);
        llp_peer_tick(pair->b.peer, 1000 + LLP_PEER_GREET_MS);
        expect_end(pair->b.peer, LLP_END_TIMEOUT, "no handshake");
        ck_assert_int_eq(llp_peer_state(pair->b.peer), LLP_PEER_CLOSED);
        ck_assert_uint_eq(llp_peer_deadline_ms(pair->b.peer), UINT64_MAX);
        pair_free(pair);
}
END_TEST

START_TEST(pings_keep_it_alive)
{
        struct pair *pair = ready_pair();
        struct llp_peer_stats stats;

        pair_pass(pair, 600000);
        ck_assert_int_eq(llp_peer_state(pair->a.peer), LLP_PEER_READY);
        llp_peer_get_stats(pair->a.peer, &stats);
        ck_assert(stats.has_latency);
        ck_assert_uint_ge(stats.messages_in, 110); /* hello; 60 pings and 60 pongs or so */
        ck_assert_uint_le(stats.messages_in, 130);
        pair_free(pair);
}
END_TEST

START_TEST(latency_is_measured)
{
        struct pair *pair = pair_new(false);
        struct llp_peer_stats stats;

        while (!pair->a.ready)
                pair_carry(pair, &pair->a, &pair->b, SIZE_MAX),
                    pair_carry(pair, &pair->b, &pair->a, SIZE_MAX);
        pair_carry(pair, &pair->a, &pair->b, SIZE_MAX);
        pair->now_ms += 200;
        pair_settle(pair, SIZE_MAX);
        llp_peer_get_stats(pair->a.peer, &stats);
        ck_assert_uint_eq(stats.latency_ms, 200);
        ck_assert_uint_eq(stats.latency_min_ms, 200);
        pair->now_ms += LLP_PEER_PING_MS;
        llp_peer_tick(pair->a.peer, pair->now_ms);
        pair_carry(pair, &pair->a, &pair->b, SIZE_MAX);
        pair->now_ms += 123;
        pair_settle(pair, SIZE_MAX);
        llp_peer_get_stats(pair->a.peer, &stats);
        ck_assert_uint_eq(stats.latency_ms, 123);
        ck_assert_uint_eq(stats.latency_min_ms, 123);
        pair_free(pair);
}
END_TEST

START_TEST(dead_peers_are_found)
{
        struct pair *pair = ready_pair();
        uint64_t start = pair->now_ms;

        while (llp_peer_end(pair->a.peer, NULL) == LLP_END_NONE) {
                pair->now_ms = llp_peer_deadline_ms(pair->a.peer);
                ck_assert_uint_ne(pair->now_ms, UINT64_MAX);
                llp_peer_tick(pair->a.peer, pair->now_ms);
        }
        expect_end(pair->a.peer, LLP_END_TIMEOUT, "ping");
        ck_assert_uint_eq(pair->now_ms - start, LLP_PEER_PING_MS + LLP_PEER_PONG_MS);
        pair_free(pair);
}
END_TEST

/* Feed the frame of @len bytes that is in the rogue's wire, a byte every @gap_ms; how many it took. */
static size_t
dribble(struct rogue *rogue, size_t len, uint64_t gap_ms, uint64_t *now)
{
        struct llp_peer *peer = rogue->pair->b.peer;
        size_t at = 0;

        for (; at < len && llp_peer_end(peer, NULL) == LLP_END_NONE; *now += gap_ms) {
                llp_peer_input(peer, rogue->wire + at++, 1, *now);
                llp_peer_tick(peer, *now);
        }
        return at;
}

/* 1036 bytes in 55 s are in time, although no ping is answered meanwhile; in 103 s they are not. */
START_TEST(slow_frames_end)
{
        struct rogue *rogue = rogue_new(true);
        struct llp_peer *peer = rogue->pair->b.peer;
        uint8_t text[1002] = {0, LLP_VOTE};
        size_t len = llp_sealer_seal(rogue->sealer, text, sizeof(text), rogue->wire);
        uint64_t now = 1000;

        ck_assert_uint_eq(dribble(rogue, len, 53, &now), len);
        ck_assert_uint_eq(rogue->pair->b.count, 1);
        llp_peer_tick(peer, now);
        expect_end(peer, LLP_END_TIMEOUT, "no answer to a ping");
        rogue_free(rogue);
        rogue = rogue_new(true);
        peer = rogue->pair->b.peer;
        len = llp_sealer_seal(rogue->sealer, text, sizeof(text), rogue->wire);
        now = 1000;
        ck_assert_uint_lt(dribble(rogue, len, 100, &now), len);
        expect_end(peer, LLP_END_TIMEOUT, "a frame took longer");
        ck_assert_uint_ge(now, 1000 + LLP_PEER_FRAME_MS);
        ck_assert_uint_le(now, 1300 + LLP_PEER_FRAME_MS);
        rogue_free(rogue);
}
END_TEST

/* Above its rate a message waits; none is lost, and other peers' time is not used. */
START_TEST(rates_push_back)
{
        struct rogue *rogue = rogue_new(true);
        struct llp_peer *peer = rogue->pair->b.peer;
        const uint64_t rate = llp_message_find(LLP_EVIDENCE)->rate;
        struct llp_peer_stats stats;
        uint64_t now = 1000;

        for (unsigned i = 0; i < 3 * rate; i++)
                rogue_say(rogue, LLP_EVIDENCE, 100);
        ck_assert_uint_eq(rogue->pair->b.count, rate);
        ck_assert(!llp_peer_wants_input(peer));
        while (rogue->pair->b.count < 3 * rate) {
                uint64_t next = llp_peer_deadline_ms(peer);

                ck_assert_uint_gt(next, now);
                ck_assert_uint_lt(next, now + 30000);
                now = next;
                llp_peer_tick(peer, now);
        }
        ck_assert_uint_ge(now, 20000); /* two windows */
        ck_assert_uint_le(now, 22000);
        llp_peer_get_stats(peer, &stats);
        ck_assert_uint_ge(stats.throttled, rate);
        rogue_free(rogue);
}
END_TEST

START_TEST(goodbye_says_why)
{
        struct pair *pair = ready_pair();

        llp_peer_close(pair->a.peer, LLP_BYE_STOPPING, "the node stops", pair->now_ms);
        ck_assert(!llp_peer_send(pair->a.peer, LLP_VOTE, big, 100));
        pair_settle(pair, SIZE_MAX);
        ck_assert_int_eq(llp_peer_state(pair->a.peer), LLP_PEER_CLOSED);
        ck_assert_int_eq(llp_peer_state(pair->b.peer), LLP_PEER_CLOSED);
        expect_end(pair->b.peer, LLP_END_GOODBYE, "the node stops");
        ck_assert_uint_eq(llp_peer_bye(pair->b.peer), LLP_BYE_STOPPING);
        expect_end(pair->a.peer, LLP_END_OURS, "the node stops");
        pair_free(pair);
}
END_TEST

START_TEST(goodbye_does_not_wait_for_ever)
{
        struct pair *pair = ready_pair();

        llp_peer_close(pair->a.peer, LLP_BYE_STOPPING, "x", pair->now_ms);
        ck_assert_uint_eq(llp_peer_deadline_ms(pair->a.peer), pair->now_ms + LLP_PEER_CLOSE_MS);
        llp_peer_tick(pair->a.peer, pair->now_ms + LLP_PEER_CLOSE_MS);
        ck_assert_int_eq(llp_peer_state(pair->a.peer), LLP_PEER_CLOSED);
        pair_free(pair);
}
END_TEST

/* ---- codecs ---------------------------------------------------------------------------------------- */

START_TEST(hello_codec)
{
        struct llp_hello hello = {.version = 1,
                             .height = 7,
                             .roles = 0x80000001u,
                             .listen_port = 5389,
                             .agent = "lxnoded/0.1.0"},
                         back;
        uint8_t bytes[256];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        llp_hello_encode(&hello, &wr);
        ck_assert_uint_eq(wr.len, 81 + 13);
        ck_assert_int_eq(llp_hello_decode(bytes, wr.len, &back), LX_OK);
        ck_assert_mem_eq(&back, &hello, sizeof(hello));
        for (size_t cut = 0; cut < wr.len; cut++)
                ck_assert_int_eq(llp_hello_decode(bytes, cut, &back), LX_ERR_TRUNCATED);
        ck_assert_int_eq(llp_hello_decode(bytes, wr.len + 1, &back), LX_ERR_TRAILING);
        bytes[81] = '\n';
        ck_assert_int_eq(llp_hello_decode(bytes, wr.len, &back), LX_ERR_FORMAT);
        bytes[81] = 'l';
        bytes[80] = LLP_AGENT_MAX + 1;
        ck_assert_int_eq(llp_hello_decode(bytes, sizeof(bytes), &back), LX_ERR_RANGE);
        bytes[1] = 2;
        ck_assert_int_eq(llp_hello_decode(bytes, wr.len, &back), LX_ERR_VERSION);
}
END_TEST

START_TEST(goodbye_codec)
{
        struct llp_goodbye bye = {.reason = 5, .text = "no"}, back;
        uint8_t bytes[256];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        llp_goodbye_encode(&bye, &wr);
        ck_assert_int_eq(llp_goodbye_decode(bytes, wr.len, &back), LX_OK);
        ck_assert_str_eq(back.text, "no");
        for (size_t cut = 0; cut < wr.len; cut++)
                ck_assert_int_eq(llp_goodbye_decode(bytes, cut, &back), LX_ERR_TRUNCATED);
        ck_assert_int_eq(llp_goodbye_decode(bytes, wr.len + 1, &back), LX_ERR_TRAILING);
        bytes[2] = 0x7f;
        ck_assert_int_eq(llp_goodbye_decode(bytes, wr.len, &back), LX_ERR_FORMAT);
        bytes[1] = LLP_TEXT_MAX + 1;
        ck_assert_int_eq(llp_goodbye_decode(bytes, sizeof(bytes), &back), LX_ERR_RANGE);
}
END_TEST

START_TEST(addrs_codec)
{
        struct llp_node_addr addrs[LLP_ADDRS_MAX] = {0}, back[LLP_ADDRS_MAX];
        uint8_t bytes[6000];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        size_t count;

        for (size_t i = 0; i < LLP_ADDRS_MAX; i++) {
                addrs[i].id.b[0] = (uint8_t)i;
                ck_assert(
                    llp_addr_parse(i % 2 ? "1.2.3.4:5" : "[2001:db8::1]:65535", &addrs[i].addr));
        }
        llp_addrs_encode(addrs, LLP_ADDRS_MAX, &wr);
        ck_assert_uint_eq(wr.len, llp_message_find(LLP_ADDRS)->max);
        ck_assert_int_eq(llp_addrs_decode(bytes, wr.len, back, &count), LX_OK);
        ck_assert_uint_eq(count, LLP_ADDRS_MAX);
        ck_assert_mem_eq(back, addrs, sizeof(addrs));
        for (size_t cut = 0; cut < wr.len; cut++)
                ck_assert_int_eq(llp_addrs_decode(bytes, cut, back, &count), LX_ERR_TRUNCATED);
        ck_assert_int_eq(llp_addrs_decode(bytes, wr.len + 1, back, &count), LX_ERR_TRAILING);
        bytes[1] = LLP_ADDRS_MAX + 1;
        ck_assert_int_eq(llp_addrs_decode(bytes, sizeof(bytes), back, &count), LX_ERR_RANGE);
}
END_TEST

START_TEST(address_texts)
{
        static const char *const GOOD[] = {
            "1.2.3.4:5", "[::1]:65535", "[2001:db8::5]:1", "10.0.0.1", "2001:db8::5"};
        static const char *const BAD[] = {"", ":", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "[::1",
            "[::1]5", "host:5", "1.2.3:4", "1.2.3.4:5x", "[]:5"};
        struct llp_addr addr;
        char text[LLP_ADDR_TEXT_MAX];

        for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
                ck_assert_msg(llp_addr_parse(GOOD[i], &addr), "%s", GOOD[i]);
                llp_addr_format(&addr, text);
                ck_assert_str_eq(text, GOOD[i]);
        }
        for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
                ck_assert_msg(!llp_addr_parse(BAD[i], &addr), "%s", BAD[i]);
}
END_TEST

START_TEST(address_kinds)
{
        static const struct {
                const char *text;
                bool usable, public, loopback;
        } ROWS[] = {{"127.0.0.1:1", true, false, true}, {"[::1]:1", true, false, true},
            {"10.1.1.1:1", true, false, false}, {"172.31.0.1:1", true, false, false},
            {"172.32.0.1:1", true, true, false}, {"192.168.0.1:1", true, false, false},
            {"100.64.0.1:1", true, false, false}, {"169.254.0.1:1", true, false, false},
            {"8.8.8.8:1", true, true, false}, {"0.0.0.0:1", false, true, false},
            {"224.0.0.1:1", false, true, false}, {"[fd00::1]:1", true, false, false},
            {"[fe80::1]:1", true, false, false}, {"[2001:db8::1]:1", true, true, false},
            {"[ff02::1]:1", false, true, false}, {"[::]:1", false, true, false},
            {"8.8.8.8", false, true, false}};

        for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
                struct llp_addr addr;

                ck_assert(llp_addr_parse(ROWS[i].text, &addr));
                ck_assert_msg(llp_addr_is_usable(&addr) == ROWS[i].usable, "%s", ROWS[i].text);
                ck_assert_msg(llp_addr_is_public(&addr) == ROWS[i].public, "%s", ROWS[i].text);
                ck_assert_msg(llp_addr_is_loopback(&addr) == ROWS[i].loopback, "%s", ROWS[i].text);
        }
}
END_TEST

START_TEST(places)
{
        static const char ID[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        struct llp_place place;
        struct lx_why why = {{0}};
        char text[200];

        (void)snprintf(text, sizeof(text), "%s@node.example:5389", ID);
        ck_assert_int_eq(llp_place_parse(text, &place, &why), LX_OK);
        ck_assert(place.has_id && place.id[1] == 0x11 && place.port == 5389);
        ck_assert_str_eq(place.host, "node.example");
        ck_assert_int_eq(llp_place_parse("[::1]:7", &place, &why), LX_OK);
        ck_assert(!place.has_id);
        ck_assert_str_eq(place.host, "::1");
        ck_assert_int_eq(llp_place_parse("12@h:1", &place, &why), LX_ERR_USAGE);
        ck_assert(strstr(why.text, "64 hex digits") != NULL);
        why.text[0] = '\0';
        ck_assert_int_eq(llp_place_parse("host", &place, &why), LX_ERR_USAGE);
        ck_assert(strstr(why.text, "HOST:PORT") != NULL);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {they_meet, messages_go_both_ways, votes_overtake,
            queues_are_bounded, rules_of_the_table, odd_unknown_ones_are_ignored,
            bad_payloads_end_it, replayed_truncated_changed, garbage_before_the_handshake,
            key_question, wrong_answers, other_networks, slow_handshake, pings_keep_it_alive,
            latency_is_measured, dead_peers_are_found, slow_frames_end, rates_push_back,
            goodbye_says_why, goodbye_does_not_wait_for_ever, hello_codec, goodbye_codec,
            addrs_codec, address_texts, address_kinds, places, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("llp_peer", cases, 60);
}
