/* llp/peer_message.c - what comes in sealed: the table's rules, hello, pings, goodbye. */
#include "config.h"
#include "llp/peer_int.h"

#include "base/assert.h"

#include <string.h>

#define WINDOW_US (10u * 1000 * 1000) /* rates are per 10 s */

void
peer_ping(struct llp_peer *peer)
{
        uint8_t number[LLP_PING_LEN];

        if (peer->ping_open || peer->now_ms < peer->next_ping_ms)
                return;
        peer->ping_number++;
        lx_put_be64(number, peer->ping_number);
        peer->next_ping_ms = peer->now_ms + LLP_PEER_PING_MS;
        if (!peer_queue(peer, LLP_PING, number, sizeof(number)))
                return;
        peer->ping_open = true;
        peer->ping_sent_ms = peer->now_ms;
}

static void
take_pong(struct llp_peer *peer, const uint8_t *bytes)
{
        uint64_t took = peer->now_ms - peer->ping_sent_ms;

        if (!peer->ping_open || lx_get_be64(bytes) != peer->ping_number) {
                peer_fail(peer, LLP_END_RULE, LLP_BYE_PROTOCOL, "a pong that nobody asked for");
                return;
        }
        peer->ping_open = false;
        peer->stats.latency_ms = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
        if (!peer->stats.has_latency || peer->stats.latency_ms < peer->stats.latency_min_ms)
                peer->stats.latency_min_ms = peer->stats.latency_ms;
        peer->stats.has_latency = true;
}

static void
take_hello(struct llp_peer *peer, const uint8_t *bytes, size_t len)
{
        struct llp_hello hello;
        enum lx_err err;

        if (peer->hello_came) {
                peer_fail(peer, LLP_END_RULE, LLP_BYE_PROTOCOL, "a second hello");
                return;
        }
        err = llp_hello_decode(bytes, len, &hello);
        if (err == LX_ERR_VERSION) {
                peer_fail(peer, LLP_END_NETWORK, LLP_BYE_NETWORK,
                    "it speaks another version; ours is %d", LLP_VERSION);
                return;
        }
        if (err != LX_OK) {
                peer_fail(
                    peer, LLP_END_RULE, LLP_BYE_PROTOCOL, "a bad hello: %s", lx_err_text(err));
                return;
        }
        if (!lx_hash_eq(&hello.chain_id, &peer->options.hello.chain_id)) {
                peer_fail(peer, LLP_END_NETWORK, LLP_BYE_NETWORK, "it is of another chain");
                return;
        }
        peer->hello_came = true;
        peer->state = LLP_PEER_READY;
        peer->next_ping_ms = peer->now_ms;
        peer_ping(peer);
        peer->options.calls.on_ready(peer->options.calls.arg, &hello, peer->now_ms);
}

static void
take_goodbye(struct llp_peer *peer, const uint8_t *bytes, size_t len)
{
        struct llp_goodbye bye;

        if (llp_goodbye_decode(bytes, len, &bye) != LX_OK) {
                peer_fail(peer, LLP_END_RULE, LLP_BYE_PROTOCOL, "a bad goodbye");
                return;
        }
        peer->bye = bye.reason;
        peer_fail(peer, LLP_END_GOODBYE, LLP_BYE_STOPPING, "it said: %s", bye.text);
}

static void
handle(struct llp_peer *peer, const struct llp_message_row *row, const uint8_t *bytes, size_t len)
{
        enum lx_err err;

        switch (row->number) {
        case LLP_HELLO:
                take_hello(peer, bytes, len);
                return;
        case LLP_PING:
                (void)peer_queue(peer, LLP_PONG, bytes, len);
                return;
        case LLP_PONG:
                take_pong(peer, bytes);
                return;
        case LLP_GOODBYE:
                take_goodbye(peer, bytes, len);
                return;
        default:
                break;
        }
        err = peer->options.calls.on_message(
            peer->options.calls.arg, row->number, bytes, len, peer->now_ms);
        if (err != LX_OK)
                peer_fail(peer, LLP_END_RULE, LLP_BYE_PROTOCOL, "a bad %s of %zu bytes: %s",
                    row->name, len, lx_err_text(err));
}

/*
 * The rate of a row: each message moves the time at which the next one would be on the rate; who is
 * more than a window ahead of that waits.
 */
static void
charge(struct llp_peer *peer, const struct llp_message_row *row)
{
        const struct llp_message_row *rows;
        size_t count, i;
        uint64_t now_us = peer->now_ms * 1000, step, until;

        if (row->rate == 0)
                return;
        rows = llp_message_rows(&count);
        i = (size_t)(row - rows);
        lx_assert(count <= PEER_ROWS_MAX);
        step = WINDOW_US / row->rate;
        if (peer->due_us[i] < now_us)
                peer->due_us[i] = now_us;
        peer->due_us[i] += step;
        if (peer->due_us[i] + step <= now_us + WINDOW_US)
                return;
        until = (peer->due_us[i] + step - WINDOW_US + 999) / 1000;
        if (until > peer->pause_until_ms)
                peer->pause_until_ms = until;
        peer->stats.throttled++;
}

static void
take_text(struct llp_peer *peer, const uint8_t *text, size_t len)
{
        unsigned number;
        const struct llp_message_row *row;

        peer->stats.messages_in++;
        if (len < LLP_MESSAGE_HEAD_LEN) {
                peer_fail(peer, LLP_END_RULE, LLP_BYE_PROTOCOL,
                    "a frame of %zu bytes has no message number", len);
                return;
        }
        number = (unsigned)text[0] << 8 | text[1];
        row = llp_message_find(number);
        len -= LLP_MESSAGE_HEAD_LEN;
        if (row == NULL) {
                if (number % 2 == 0)
                        peer_fail(peer, LLP_END_RULE, LLP_BYE_PROTOCOL,
                            "message 0x%02x must be understood and is not", number);
                return;
        }
        if (len < row->min || len > row->max) {
                peer_fail(peer, LLP_END_RULE, LLP_BYE_PROTOCOL,
                    "%s has %zu bytes, allowed are %u to %u", row->name, len, row->min, row->max);
                return;
        }
        if (!peer->hello_came && !row->before_hello) {
                peer_fail(peer, LLP_END_RULE, LLP_BYE_PROTOCOL, "%s came before hello", row->name);
                return;
        }
        charge(peer, row);
        handle(peer, row, text + LLP_MESSAGE_HEAD_LEN, len);
}

void
peer_take_frames(struct llp_peer *peer, const uint8_t *bytes, size_t len)
{
        while (len > 0) {
                size_t text_len = 0;
                bool whole;
                enum lx_err err;

                if (peer->pause_until_ms > peer->now_ms) {
                        lx_buf_append(&peer->held, bytes, len);
                        return;
                }
                err = llp_opener_take(
                    peer->opener, &bytes, &len, peer->options.scratch, &whole, &text_len);
                if (err != LX_OK) {
                        peer_fail(
                            peer, LLP_END_FRAME, LLP_BYE_PROTOCOL, "a frame that it did not seal");
                        return;
                }
                if (!whole) {
                        if (peer->inside_since_ms == 0)
                                peer->inside_since_ms = peer->now_ms;
                        return;
                }
                peer->inside_since_ms = 0;
                take_text(peer, peer->options.scratch, text_len);
                if (peer->state != LLP_PEER_GREETING && peer->state != LLP_PEER_READY)
                        return;
        }
}
