/*
 * tests/unit/llp_pair.h - two peer machines on a wire in memory and a false clock, for tests and fuzz
 * targets of src/llp.
 */
#ifndef LX_TESTS_LLP_PAIR_H
#define LX_TESTS_LLP_PAIR_H

#include "base/buf.h"
#include "base/mem.h"
#include "crypto/ecdh.h"
#include "llp/frame.h"
#include "llp/peer.h"

#include <stdlib.h>
#include <string.h>

#define PAIR_LOG_MAX 4096

/* One side: its machine and what it was told. */
struct pair_side {
        struct llp_peer *peer;
        uint8_t secret[32];
        struct lx_pubkey id;
        bool ready;
        struct llp_hello hello;       /* of the other */
        unsigned types[PAIR_LOG_MAX]; /* messages that came */
        size_t lens[PAIR_LOG_MAX];
        size_t count;
        enum lx_err answer; /* what on_message says */
};

struct pair {
        struct pair_side a, b; /* a connects */
        uint64_t now_ms;
        uint8_t scratch[LLP_FRAME_MAX];
        uint8_t wire[2 * LLP_FRAME_WIRE_MAX];
};

static inline void
pair_on_ready(void *arg, const struct llp_hello *hello, uint64_t now_ms)
{
        struct pair_side *side = arg;

        (void)now_ms;
        side->ready = true;
        side->hello = *hello;
}

static inline enum lx_err
pair_on_message(void *arg, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct pair_side *side = arg;

        (void)bytes;
        (void)now_ms;
        if (side->count < PAIR_LOG_MAX) {
                side->types[side->count] = type;
                side->lens[side->count] = len;
        }
        side->count++;
        return side->answer;
}

static inline struct llp_peer_options
pair_options(struct pair *pair, struct pair_side *side, uint8_t seed)
{
        struct llp_peer_options options = {.secret = side->secret,
            .ping_seed = seed,
            .scratch = pair->scratch,
            .calls = {pair_on_ready, pair_on_message, side}};
        uint8_t raw[32];

        memset(raw, seed, sizeof(raw));
        if (lx_ecdh_even(raw, side->secret) != LX_OK || lx_sign_pubkey(raw, &side->id) != LX_OK)
                abort();
        memset(options.ephemeral, seed + 1, sizeof(options.ephemeral));
        options.hello = (struct llp_hello){.version = LLP_VERSION,
            .height = seed,
            .roles = LLP_ROLE_FULL,
            .listen_port = 1000,
            .agent = "test"};
        memset(options.hello.chain_id.b, 0x77, LX_HASH_LEN);
        return options;
}

/* Both machines; @asks: a must ask for b's key. */
static inline struct pair *
pair_new(bool asks)
{
        struct pair *pair = lx_alloc(sizeof(*pair));
        struct llp_peer_options a, b;

        pair->now_ms = 1000;
        b = pair_options(pair, &pair->b, 0x21);
        a = pair_options(pair, &pair->a, 0x11);
        a.initiator = true;
        a.has_remote = !asks;
        if (!asks)
                a.remote = pair->b.id;
        if (llp_peer_new(&a, pair->now_ms, &pair->a.peer) != LX_OK ||
            llp_peer_new(&b, pair->now_ms, &pair->b.peer) != LX_OK)
                abort();
        return pair;
}

static inline void
pair_free(struct pair *pair)
{
        llp_peer_free(pair->a.peer);
        llp_peer_free(pair->b.peer);
        lx_free(pair);
}

/* What @from has to say goes to @to in pieces of @step bytes; how many bytes. */
static inline size_t
pair_carry(struct pair *pair, struct pair_side *from, struct pair_side *to, size_t step)
{
        size_t len = llp_peer_output(from->peer, pair->wire, sizeof(pair->wire), pair->now_ms);

        for (size_t at = 0; at < len; at += step)
                llp_peer_input(
                    to->peer, pair->wire + at, len - at < step ? len - at : step, pair->now_ms);
        return len;
}

/* Carry both ways until nothing moves. */
static inline void
pair_settle(struct pair *pair, size_t step)
{
        while (pair_carry(pair, &pair->a, &pair->b, step) +
                   pair_carry(pair, &pair->b, &pair->a, step) >
               0)
                ;
}

/* Let @ms pass, ticking at every deadline, carrying all the time. */
static inline void
pair_pass(struct pair *pair, uint64_t ms)
{
        uint64_t end = pair->now_ms + ms;

        while (pair->now_ms < end) {
                uint64_t da = llp_peer_deadline_ms(pair->a.peer),
                         db = llp_peer_deadline_ms(pair->b.peer), next = da < db ? da : db;

                if (next <= pair->now_ms)
                        next = pair->now_ms + 1;
                pair->now_ms = next < end ? next : end;
                llp_peer_tick(pair->a.peer, pair->now_ms);
                llp_peer_tick(pair->b.peer, pair->now_ms);
                pair_settle(pair, SIZE_MAX);
        }
}

#endif
