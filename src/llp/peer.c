/* llp/peer.c - the machine of one connection; what comes in sealed is in peer_message.c. */
#include "config.h"
#include "llp/peer.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "llp/peer_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define QUERY_VERSION 1 /* an act's version is 0 */

void
llp_peer_prologue(const struct lx_hash *chain_id, uint8_t out[LLP_PROLOGUE_LEN])
{
        memcpy(out, "lxnode\1", LLP_PROLOGUE_LEN - LLP_TAG_LEN);
        memcpy(out + LLP_PROLOGUE_LEN - LLP_TAG_LEN, chain_id->b, LLP_TAG_LEN);
}

/* ---- ending ------------------------------------------------------------------------------------ */

static void
set_end(struct llp_peer *peer, enum llp_end end, const char *text)
{
        if (peer->end != LLP_END_NONE)
                return;
        peer->end = end;
        (void)snprintf(peer->text, sizeof(peer->text), "%s", text);
}

/* CLOSING with a goodbye where the other side could read one, else CLOSED. */
static void
end_with(struct llp_peer *peer, enum llp_bye reason, const char *text)
{
        struct llp_goodbye bye = {.reason = (uint8_t)reason};
        uint8_t bytes[2 + LLP_TEXT_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        if (peer->state == LLP_PEER_CLOSED || peer->state == LLP_PEER_CLOSING)
                return;
        llp_outbox_clear(&peer->box);
        lx_buf_clear(&peer->held);
        if (peer->sealer == NULL) {
                peer->state = LLP_PEER_CLOSED;
                return;
        }
        (void)snprintf(bye.text, sizeof(bye.text), "%s", text);
        for (char *p = bye.text; *p != '\0'; p++)
                if (*p < 0x20 || *p > 0x7e)
                        *p = '?';
        llp_goodbye_encode(&bye, &wr);
        (void)peer_queue(peer, LLP_GOODBYE, bytes, wr.len);
        peer->state = LLP_PEER_CLOSING;
        peer->deadline_ms = peer->now_ms + LLP_PEER_CLOSE_MS;
}

void
peer_fail(struct llp_peer *peer, enum llp_end end, enum llp_bye reason, const char *fmt, ...)
{
        char text[LLP_TEXT_MAX + 1];
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        set_end(peer, end, text);
        if (end == LLP_END_GOODBYE ||
            end == LLP_END_FRAME) /* nothing to say, or nobody to read it */
                peer->state = LLP_PEER_CLOSED;
        else
                end_with(peer, reason, text);
}

void
llp_peer_close(struct llp_peer *peer, enum llp_bye reason, const char *text, uint64_t now_ms)
{
        peer->now_ms = now_ms;
        set_end(peer, LLP_END_OURS, text);
        end_with(peer, reason, text);
}

void
llp_peer_lost(struct llp_peer *peer, const char *text)
{
        set_end(peer, LLP_END_LOST, text);
        peer->state = LLP_PEER_CLOSED;
}

/* ---- handshake --------------------------------------------------------------------------------- */

static enum lx_err
start_noise(struct llp_peer *peer)
{
        struct llp_noise_options options = {.initiator = peer->options.initiator,
            .secret = peer->options.secret,
            .prologue = LX_SPAN(peer->prologue, sizeof(peer->prologue))};
        enum lx_err err;

        memcpy(options.ephemeral, peer->options.ephemeral, sizeof(options.ephemeral));
        if (options.initiator)
                options.remote = lx_ecdh_of_key(&peer->id);
        err = llp_noise_new(&options, &peer->noise);
        lx_wipe(&options, sizeof(options));
        if (err == LX_OK)
                peer->state = LLP_PEER_SHAKING;
        return err;
}

static void
write_act(struct llp_peer *peer)
{
        lx_assert(peer->out_len + LLP_NOISE_ACT_MAX <= sizeof(peer->out));
        peer->out_len += llp_noise_write(peer->noise, peer->out + peer->out_len);
}

/* The question for a node's key: version 1, the chain's tag, zeros; its answer: the key in their place. */
static void
write_query(struct llp_peer *peer, const struct lx_point *point)
{
        uint8_t *p = peer->out + peer->out_len;

        memset(p, 0, LLP_QUERY_LEN);
        p[0] = QUERY_VERSION;
        memcpy(p + 1, peer->prologue + LLP_PROLOGUE_LEN - LLP_TAG_LEN, LLP_TAG_LEN);
        if (point != NULL)
                memcpy(p + 1 + LLP_TAG_LEN, point->b, LX_POINT_LEN);
        peer->out_len += LLP_QUERY_LEN;
}

static bool
is_of_our_chain(const struct llp_peer *peer)
{
        return peer->in[0] == QUERY_VERSION &&
               memcmp(peer->in + 1, peer->prologue + LLP_PROLOGUE_LEN - LLP_TAG_LEN, /* public */
                   LLP_TAG_LEN) == 0;
}

static void
take_query(struct llp_peer *peer)
{
        struct lx_point own;

        if (!is_of_our_chain(peer) || peer->queried ||
            lx_ecdh_point(peer->options.secret, &own) != LX_OK) {
                peer_fail(peer, LLP_END_HANDSHAKE, LLP_BYE_PROTOCOL,
                    "it speaks another protocol or is of another network");
                return;
        }
        peer->queried = true;
        write_query(peer, &own);
}

static void
take_answer(struct llp_peer *peer)
{
        struct lx_point point;

        memcpy(point.b, peer->in + 1 + LLP_TAG_LEN, LX_POINT_LEN);
        if (!is_of_our_chain(peer) || !lx_ecdh_to_key(&point, &peer->id) ||
            start_noise(peer) != LX_OK) {
                peer_fail(peer, LLP_END_HANDSHAKE, LLP_BYE_PROTOCOL,
                    "its answer to the question for its key is wrong, or it is of another network");
                return;
        }
        peer->has_id = true;
        write_act(peer);
}

static void
queue_hello(struct llp_peer *peer)
{
        uint8_t bytes[256];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        llp_hello_encode(&peer->options.hello, &wr);
        lx_assert(lx_writer_end(&wr) == LX_OK);
        (void)peer_queue(peer, LLP_HELLO, bytes, wr.len);
}

static void
finish_handshake(struct llp_peer *peer)
{
        struct llp_noise_keys keys;

        if (!lx_ecdh_to_key(llp_noise_remote(peer->noise), &peer->id)) {
                peer_fail(peer, LLP_END_HANDSHAKE, LLP_BYE_PROTOCOL, "its node key has an odd y");
                return;
        }
        peer->has_id = true;
        llp_noise_get_keys(peer->noise, &keys);
        peer->sealer = llp_sealer_new(keys.send, keys.chaining);
        peer->opener = llp_opener_new(keys.recv, keys.chaining);
        lx_wipe(&keys, sizeof(keys));
        lx_wipe(peer->options.ephemeral, sizeof(peer->options.ephemeral));
        llp_noise_free(peer->noise);
        peer->noise = NULL;
        peer->state = LLP_PEER_GREETING;
        queue_hello(peer);
}

static void
take_act(struct llp_peer *peer)
{
        enum lx_err err;

        if (!peer->options.initiator && peer->in[0] == QUERY_VERSION &&
            peer->in_len == LLP_QUERY_LEN) {
                take_query(peer);
                return;
        }
        err = llp_noise_read(peer->noise, peer->in, peer->in_len);
        if (err != LX_OK) {
                peer_fail(peer, LLP_END_HANDSHAKE, LLP_BYE_PROTOCOL,
                    "the handshake failed (%s): another node key or network, or it was changed on "
                    "the way",
                    lx_err_text(err));
                return;
        }
        write_act(peer);
        if (llp_noise_is_done(peer->noise))
                finish_handshake(peer);
}

/* Take what is needed of the act or answer that is awaited; whether it is whole. */
static bool
gather_act(struct llp_peer *peer, size_t want, const uint8_t **bytes, size_t *len)
{
        size_t part = want - peer->in_len < *len ? want - peer->in_len : *len;

        memcpy(peer->in + peer->in_len, *bytes, part);
        peer->in_len += part;
        *bytes += part;
        *len -= part;
        return peer->in_len == want;
}

static void
take_handshake(struct llp_peer *peer, const uint8_t **bytes, size_t *len)
{
        bool asking = peer->state == LLP_PEER_ASKING;
        size_t want = asking ? LLP_QUERY_LEN : llp_noise_wants(peer->noise);

        if (!gather_act(peer, want, bytes, len))
                return;
        if (asking)
                take_answer(peer);
        else
                take_act(peer);
        peer->in_len = 0;
}

/* ---- life -------------------------------------------------------------------------------------- */

enum lx_err
llp_peer_new(const struct llp_peer_options *options, uint64_t now_ms, struct llp_peer **out_peer)
{
        struct llp_peer *peer = lx_alloc(sizeof(*peer));
        enum lx_err err = LX_OK;

        peer->options = *options;
        peer->now_ms = now_ms;
        peer->deadline_ms = now_ms + LLP_PEER_GREET_MS;
        peer->ping_number = options->ping_seed;
        peer->stats.last_input_ms = now_ms;
        peer->id = options->remote;
        peer->has_id = options->initiator && options->has_remote;
        llp_peer_prologue(&options->hello.chain_id, peer->prologue);
        if (options->initiator && !options->has_remote)
                write_query(peer, NULL);
        else
                err = start_noise(peer);
        if (err != LX_OK) {
                llp_peer_free(peer);
                return err;
        }
        if (peer->noise != NULL)
                write_act(peer);
        *out_peer = peer;
        return LX_OK;
}

void
llp_peer_free(struct llp_peer *peer)
{
        if (peer == NULL)
                return;
        llp_noise_free(peer->noise);
        llp_sealer_free(peer->sealer);
        llp_opener_free(peer->opener);
        llp_outbox_clear(&peer->box);
        lx_buf_clear(&peer->held);
        lx_wipe(peer, sizeof(*peer));
        lx_free(peer);
}

static bool
is_shaking(const struct llp_peer *peer)
{
        return peer->state == LLP_PEER_ASKING || peer->state == LLP_PEER_SHAKING;
}

static bool
is_open(const struct llp_peer *peer)
{
        return peer->state == LLP_PEER_GREETING || peer->state == LLP_PEER_READY;
}

static void
take(struct llp_peer *peer, const uint8_t *bytes, size_t len)
{
        while (len > 0 && is_shaking(peer))
                take_handshake(peer, &bytes, &len);
        if (len > 0 && is_open(peer))
                peer_take_frames(peer, bytes, len);
}

void
llp_peer_input(struct llp_peer *peer, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        peer->now_ms = now_ms;
        peer->stats.bytes_in += len;
        peer->stats.last_input_ms = now_ms;
        if (peer->pause_until_ms > 0 && (is_shaking(peer) || is_open(peer)))
                lx_buf_append(&peer->held, bytes, len);
        else
                take(peer, bytes, len);
}

bool
llp_peer_wants_input(const struct llp_peer *peer)
{
        return peer->pause_until_ms == 0 && peer->state != LLP_PEER_CLOSED;
}

/* ---- output ------------------------------------------------------------------------------------ */

bool
peer_queue(struct llp_peer *peer, unsigned type, const void *bytes, size_t len)
{
        const struct llp_message_row *row = llp_message_find(type);

        lx_assert(row != NULL && len >= row->min && len <= row->max);
        if (llp_outbox_put(&peer->box, row->prio, type, bytes, len))
                return true;
        peer->stats.refused++;
        return false;
}

bool
llp_peer_send(struct llp_peer *peer, unsigned type, const void *bytes, size_t len)
{
        return peer->state == LLP_PEER_READY && peer_queue(peer, type, bytes, len);
}

bool
llp_peer_has_room(const struct llp_peer *peer, unsigned type)
{
        const struct llp_message_row *row = llp_message_find(type);

        lx_assert(row != NULL);
        return peer->state == LLP_PEER_READY &&
               llp_outbox_has_room(&peer->box, row->prio, row->max);
}

static size_t
output_acts(struct llp_peer *peer, uint8_t *out, size_t cap)
{
        size_t len = peer->out_len < cap ? peer->out_len : cap;

        memcpy(out, peer->out, len);
        memmove(peer->out, peer->out + len, peer->out_len - len);
        peer->out_len -= len;
        return len;
}

size_t
llp_peer_output(struct llp_peer *peer, uint8_t *out, size_t cap, uint64_t now_ms)
{
        size_t len = output_acts(peer, out, cap);

        peer->now_ms = now_ms;
        while (peer->sealer != NULL && peer->state != LLP_PEER_CLOSED && peer->out_len == 0 &&
               len < LLP_PEER_TURN) {
                struct lx_span text = llp_outbox_next(&peer->box);

                if (text.len == 0 || text.len + LLP_FRAME_OVERHEAD > cap - len)
                        break;
                len += llp_sealer_seal(peer->sealer, text.p, text.len, out + len);
                llp_outbox_drop_next(&peer->box);
                peer->stats.messages_out++;
        }
        if (peer->state == LLP_PEER_CLOSING && !llp_peer_has_output(peer))
                peer->state = LLP_PEER_CLOSED;
        peer->stats.bytes_out += len;
        return len;
}

bool
llp_peer_has_output(const struct llp_peer *peer)
{
        return peer->out_len > 0 || (peer->state != LLP_PEER_CLOSED && peer->box.count > 0);
}

/* ---- time -------------------------------------------------------------------------------------- */

static void
resume(struct llp_peer *peer)
{
        struct lx_buf held = peer->held;

        peer->pause_until_ms = 0;
        peer->held = (struct lx_buf){0};
        if (held.len > 0)
                take(peer, held.p, held.len);
        lx_buf_clear(&held);
}

/*
 * When the other side is dead: a frame took too long; or a ping was not answered, and no frame is under way that
 * the answer may have to wait for.
 */
static uint64_t
dead_at(const struct llp_peer *peer)
{
        if (peer->inside_since_ms > 0)
                return peer->inside_since_ms + LLP_PEER_FRAME_MS;
        return peer->ping_open ? peer->ping_sent_ms + LLP_PEER_PONG_MS : UINT64_MAX;
}

static void
tick_open(struct llp_peer *peer, uint64_t now_ms)
{
        if (now_ms >= dead_at(peer) && peer->inside_since_ms > 0)
                peer_fail(peer, LLP_END_TIMEOUT, LLP_BYE_TIMEOUT, "a frame took longer than %u s",
                    LLP_PEER_FRAME_MS / 1000);
        else if (now_ms >= dead_at(peer))
                peer_fail(peer, LLP_END_TIMEOUT, LLP_BYE_TIMEOUT, "no answer to a ping in %u s",
                    LLP_PEER_PONG_MS / 1000);
        else if (peer->state == LLP_PEER_READY)
                peer_ping(peer);
}

void
llp_peer_tick(struct llp_peer *peer, uint64_t now_ms)
{
        peer->now_ms = now_ms;
        if (peer->state == LLP_PEER_CLOSED)
                return;
        if (peer->state == LLP_PEER_CLOSING) {
                if (now_ms >= peer->deadline_ms)
                        peer->state = LLP_PEER_CLOSED;
                return;
        }
        if (peer->pause_until_ms > 0 && now_ms >= peer->pause_until_ms)
                resume(peer);
        if (is_open(peer))
                tick_open(peer, now_ms);
        if ((is_shaking(peer) || peer->state == LLP_PEER_GREETING) && now_ms >= peer->deadline_ms)
                peer_fail(peer, LLP_END_TIMEOUT, LLP_BYE_TIMEOUT, "no handshake and hello in %u s",
                    LLP_PEER_GREET_MS / 1000);
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

uint64_t
llp_peer_deadline_ms(const struct llp_peer *peer)
{
        uint64_t at = UINT64_MAX;

        if (peer->state == LLP_PEER_CLOSED)
                return UINT64_MAX;
        if (peer->state != LLP_PEER_READY)
                at = peer->deadline_ms;
        if (peer->state == LLP_PEER_CLOSING)
                return at;
        if (peer->pause_until_ms > 0)
                at = earlier(at, peer->pause_until_ms);
        at = earlier(at, dead_at(peer));
        if (peer->state == LLP_PEER_READY && !peer->ping_open)
                at = earlier(at, peer->next_ping_ms);
        return at;
}

/* ---- looking at it ----------------------------------------------------------------------------- */

enum llp_peer_state
llp_peer_state(const struct llp_peer *peer)
{
        return peer->state;
}

enum llp_end
llp_peer_end(const struct llp_peer *peer, const char **out_text)
{
        if (out_text != NULL)
                *out_text = peer->text;
        return peer->end;
}

bool
llp_peer_id(const struct llp_peer *peer, struct lx_pubkey *out_id)
{
        if (peer->has_id)
                *out_id = peer->id;
        return peer->has_id;
}

unsigned
llp_peer_bye(const struct llp_peer *peer)
{
        return peer->bye;
}

void
llp_peer_get_stats(const struct llp_peer *peer, struct llp_peer_stats *out_stats)
{
        *out_stats = peer->stats;
        out_stats->queued = 0;
        for (unsigned i = 0; i < LLP_PRIO_COUNT_; i++)
                out_stats->queued += llp_outbox_bytes(&peer->box, (enum llp_prio)i);
}
