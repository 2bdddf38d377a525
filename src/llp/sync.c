/* llp/sync.c - peers, questions, time; see llp/sync.h and sync_int.h. */
#include "config.h"
#include "llp/sync_int.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "llp/message.h"
#include "llp/net.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- peers ------------------------------------------------------------------------------------- */

struct sync_peer *
llp_sync_find_peer(struct llp_sync *sync, uint32_t handle)
{
        for (size_t i = 0; i < sync->peer_count; i++)
                if (sync->peer[i]->handle == handle)
                        return sync->peer[i];
        return NULL;
}

/* Fewer strikes first, then fewer questions under way. */
static bool
is_better(const struct sync_peer *a, const struct sync_peer *b)
{
        if (b == NULL || a->strikes != b->strikes)
                return b == NULL || a->strikes < b->strikes;
        return a->under_way < b->under_way;
}

struct sync_peer *
llp_sync_pick_peer(struct llp_sync *sync, uint64_t height, uint32_t not_peer)
{
        struct sync_peer *best = NULL;

        for (size_t i = 0; i < sync->peer_count; i++) {
                struct sync_peer *peer = sync->peer[i];

                if (llp_sync_is_of_use(peer) && peer->handle != not_peer &&
                    (height == ANY_HEIGHT ||
                        (peer->status.height >= height && peer->status.earliest <= height)) &&
                    peer->under_way < LLP_SYNC_INFLIGHT_MAX &&
                    peer->pause_until_ms <= sync->now_ms && is_better(peer, best))
                        best = peer;
        }
        return best;
}

uint64_t
llp_sync_claimed(const struct llp_sync *sync)
{
        uint64_t height = 0;

        for (size_t i = 0; i < sync->peer_count; i++)
                if (llp_sync_is_of_use(sync->peer[i]) && sync->peer[i]->status.height > height)
                        height = sync->peer[i]->status.height;
        return height;
}

void
llp_sync_punish(struct llp_sync *sync, uint32_t handle, unsigned points, const char *fmt, ...)
{
        const struct llp_net *net = sync->options.net;
        struct sync_peer *peer = llp_sync_find_peer(sync, handle);
        char reason[128];
        va_list ap;

        sync->stats.bad++;
        if (peer == NULL || peer->bad)
                return;
        peer->bad = points >= LLP_PUNISH_BAN;
        va_start(ap, fmt);
        (void)vsnprintf(reason, sizeof(reason), fmt, ap);
        va_end(ap);
        net->punish(net->arg, handle, points, reason);
}

/* ---- our status -------------------------------------------------------------------------------- */

static uint64_t
interval(const struct llp_sync *sync)
{
        return sync->options.snapshot_interval > 0 ? sync->options.snapshot_interval : 1000;
}

static void
make_status(struct llp_sync *sync, struct llp_status *out)
{
        struct ledger_view *view = ledger_view_new(sync->options.ledger);
        uint64_t every = interval(sync), top;

        *out = (struct llp_status){.height = ledger_view_header(view)->height,
            .tip = *ledger_view_header_hash(view),
            .earliest = ledger_view_pruned_below(view)};
        ledger_view_unref(view);
        top = out->height - out->height % every;
        if (top > every && top - every >= out->earliest)
                out->snapshot[out->snapshot_count++] = top - every;
        if (top > 0 && top >= out->earliest)
                out->snapshot[out->snapshot_count++] = top;
}

static void
send_status(struct llp_sync *sync, uint32_t peer)
{
        const struct llp_net *net = sync->options.net;
        struct llp_status status;
        uint8_t bytes[128];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        make_status(sync, &status);
        llp_status_encode(&status, &wr);
        if (peer != 0) {
                (void)net->send(net->arg, peer, LLP_STATUS, bytes, wr.len);
                return;
        }
        for (size_t i = 0; i < sync->peer_count; i++)
                (void)net->send(net->arg, sync->peer[i]->handle, LLP_STATUS, bytes, wr.len);
        sync->status_due_ms = sync->now_ms + STATUS_EVERY_MS;
}

static enum lx_err
take_status(struct llp_sync *sync, struct sync_peer *peer, const uint8_t *bytes, size_t len)
{
        struct llp_status status;
        enum lx_err err = llp_status_decode(bytes, len, &status);

        if (err != LX_OK)
                return err;
        peer->status = status;
        peer->has_status = true;
        llp_sync_see_status(sync, peer);
        return LX_OK;
}

/* ---- questions --------------------------------------------------------------------------------- */

uint32_t
llp_sync_ask(
    struct llp_sync *sync, struct sync_peer *peer, unsigned type, const struct llp_request *request)
{
        const struct llp_net *net = sync->options.net;
        uint8_t bytes[128];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct ask *ask = lx_alloc(sizeof(*ask));

        if (++sync->ask_id == 0)
                sync->ask_id = 1;
        ask->id = sync->ask_id;
        ask->peer = peer->handle;
        ask->type = type;
        ask->request = *request;
        ask->request.id = ask->id;
        ask->deadline_ms = sync->now_ms + LLP_SYNC_TIMEOUT_MS;
        ask->limit_ms = sync->now_ms + ASK_LIMIT_MS;
        llp_request_encode(type, &ask->request, &wr);
        if (!net->send(net->arg, peer->handle, type, bytes, wr.len)) {
                peer->pause_until_ms = sync->now_ms + 50;
                lx_free(ask);
                return 0;
        }
        if (sync->ask_count == sync->ask_cap) {
                sync->ask_cap = sync->ask_cap == 0 ? 16 : 2 * sync->ask_cap;
                sync->ask = lx_realloc(sync->ask, sync->ask_cap * sizeof(*sync->ask));
        }
        sync->ask[sync->ask_count++] = ask;
        peer->under_way++;
        sync->stats.requests++;
        return ask->id;
}

static struct ask *
find_ask(struct llp_sync *sync, uint32_t peer, uint32_t id)
{
        for (size_t i = 0; i < sync->ask_count; i++)
                if (sync->ask[i]->id == id && sync->ask[i]->peer == peer)
                        return sync->ask[i];
        return NULL;
}

/* Take it off the list; the caller frees it. */
static void
unlink_ask(struct llp_sync *sync, struct ask *ask)
{
        struct sync_peer *peer = llp_sync_find_peer(sync, ask->peer);

        for (size_t i = 0; i < sync->ask_count; i++)
                if (sync->ask[i] == ask) {
                        sync->ask_count--;
                        memmove(&sync->ask[i], &sync->ask[i + 1],
                            (sync->ask_count - i) * sizeof(struct ask *));
                        break;
                }
        if (peer != NULL)
                peer->under_way--;
}

static void
free_ask(struct ask *ask)
{
        lx_buf_clear(&ask->bytes);
        lx_free(ask);
}

static void
fail_ask(struct llp_sync *sync, struct ask *ask, bool absent)
{
        unlink_ask(sync, ask);
        if (ask->type == LLP_GET_HEADERS)
                llp_sync_headers_failed(sync, ask);
        else if (ask->type == LLP_GET_BLOCKS)
                llp_sync_blocks_failed(sync, ask);
        else if (ask->type == LLP_GET_SNAPSHOT)
                llp_sync_piece_failed(sync, ask);
        else
                llp_sync_blob_failed(sync, ask, absent);
        free_ask(ask);
}

static void
finish_ask(struct llp_sync *sync, struct ask *ask)
{
        unlink_ask(sync, ask);
        if (ask->type == LLP_GET_HEADERS)
                llp_sync_headers_came(sync, ask);
        else if (ask->type == LLP_GET_BLOCKS)
                llp_sync_blocks_came(sync, ask);
        else if (ask->type == LLP_GET_SNAPSHOT)
                llp_sync_piece_came(sync, ask);
        else
                llp_sync_blob_came(sync, ask);
        free_ask(ask);
}

unsigned
llp_sync_answer_of(unsigned type)
{
        return type == LLP_GET_HEADERS ? LLP_HEADERS
            : type == LLP_GET_BLOCKS   ? LLP_BLOCK
            : type == LLP_GET_SNAPSHOT ? LLP_SNAPSHOT_PIECE
                                       : LLP_BLOB_PIECE;
}

/*
 * What an answer may have at most. A block's limit may be raised while we are behind: who then sends more
 * than twice of what we know of is asked again when we know more.
 */
static size_t
answer_max(const struct llp_sync *sync, unsigned type)
{
        return type == LLP_GET_BLOCKS ? 2 * SERVE_BLOCKS_BYTES + 2 * sync->block_bytes
                                      : LLP_SYNC_PIECE_MAX;
}

static enum lx_err
take_answer(
    struct llp_sync *sync, uint32_t handle, unsigned type, const uint8_t *bytes, size_t len)
{
        struct llp_answer answer;
        struct ask *ask;
        enum lx_err err = llp_answer_decode(bytes, len, &answer);

        if (err != LX_OK)
                return err;
        sync->stats.bytes_in += len;
        ask = find_ask(sync, handle, answer.id);
        if (ask == NULL)
                return LX_OK; /* It came too late: somebody else was asked. */
        if (llp_sync_answer_of(ask->type) != type)
                return LX_ERR_FORMAT;
        if (answer.number < ask->next)
                return LX_OK; /* Doubled on the way. */
        if (answer.number > ask->next) {
                /* Pieces were lost: that is not worth a ban, but asking again costs us something. */
                llp_sync_punish(sync, handle, 2, "an answer with a gap before piece %u", answer.number);
                fail_ask(sync, ask, false);
                return LX_OK;
        }
        if (ask->bytes.len + answer.bytes.len > answer_max(sync, ask->type)) {
                llp_sync_punish(sync, handle, 10, "an answer of more than %zu bytes",
                    answer_max(sync, ask->type));
                fail_ask(sync, ask, false);
                return LX_OK;
        }
        lx_buf_append(&ask->bytes, answer.bytes.p, answer.bytes.len);
        ask->next++;
        ask->deadline_ms = sync->now_ms + LLP_SYNC_TIMEOUT_MS;
        if (answer.last)
                finish_ask(sync, ask);
        return LX_OK;
}

/* A peer that says it has not what its status promised is asked less. */
static enum lx_err
take_not_found(struct llp_sync *sync, struct sync_peer *peer, const uint8_t *bytes, size_t len)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        uint32_t id = lx_read_u32(&rd);
        struct ask *ask;
        enum lx_err err;

        (void)lx_read_u8(&rd); /* the reason, for people */
        err = lx_reader_end(&rd);
        if (err != LX_OK)
                return err;
        ask = find_ask(sync, peer->handle, id);
        if (ask == NULL)
                return LX_OK;
        if (ask->type != LLP_GET_BLOB) {
                peer->pause_until_ms = sync->now_ms + 500;
                llp_sync_punish(sync, peer->handle, 5, "does not have what its status promises");
        }
        fail_ask(sync, ask, true);
        return LX_OK;
}

static void
check_deadlines(struct llp_sync *sync)
{
        for (size_t i = 0; i < sync->ask_count;) {
                struct ask *ask = sync->ask[i];
                struct sync_peer *peer = llp_sync_find_peer(sync, ask->peer);

                if (sync->now_ms < ask->deadline_ms && sync->now_ms < ask->limit_ms) {
                        i++;
                        continue;
                }
                sync->stats.timeouts++;
                if (peer != NULL) {
                        peer->strikes++;
                        peer->pause_until_ms = sync->now_ms + 2000ull * peer->strikes;
                        llp_sync_punish(sync, peer->handle, peer->strikes >= STRIKES_MAX ? LLP_PUNISH_BAN : 20,
                            "does not answer (%u times)", peer->strikes);
                }
                fail_ask(sync, ask, false);
        }
}

/* ---- the tip ----------------------------------------------------------------------------------- */

/* The frontier over all headers up to the tip, from the tip's own history root and hash. */
static void
begin_at(struct llp_sync *sync, struct ledger_view *view)
{
        sync->verified = *ledger_view_header(view);
        sync->verified_hash = *ledger_view_header_hash(view);
        ledger_view_history(view, &sync->history);
}

void
llp_sync_look(struct llp_sync *sync)
{
        struct ledger_view *view = ledger_view_new(sync->options.ledger);

        sync->tip = ledger_view_header(view)->height;
        sync->block_bytes = (size_t)ledger_view_params(view)->value[SIGCHAIN_BLOCK_BYTES];
        if (sync->verified.height <= sync->tip)
                begin_at(sync, view);
        llp_sync_pop_ahead(sync);
        ledger_view_unref(view);
}

void
llp_sync_fail(struct llp_sync *sync, enum lx_err err, const struct lx_why *why)
{
        if (sync->failed || sync->stopping)
                return;
        sync->failed = true;
        if (sync->options.on_failure != NULL)
                sync->options.on_failure(sync->options.arg, err, why);
}

static void
tell_syncing(struct llp_sync *sync)
{
        bool behind =
            !sync->failed && (sync->snapshot != NULL || sync->verified.height > sync->tip + 1);

        if (sync->syncing && !behind && sync->verified.height > sync->tip)
                return; /* the last block of a run: not yet */
        if (behind == sync->syncing)
                return;
        sync->syncing = behind;
        if (sync->options.on_syncing != NULL)
                sync->options.on_syncing(sync->options.arg, behind);
}

void
llp_sync_pump(struct llp_sync *sync)
{
        if (sync->pumping || sync->stopping)
                return;
        sync->pumping = true;
        if (!sync->failed) {
                llp_sync_plan_snapshot(sync);
                llp_sync_plan_headers(sync);
                llp_sync_plan_blocks(sync);
                llp_sync_plan_blobs(sync);
                llp_sync_plan_doubt(sync);
        }
        tell_syncing(sync);
        llp_sync_plan_serving(sync);
        sync->pumping = false;
}

/* ---- from outside ------------------------------------------------------------------------------ */

/* What an import left that is not gone on with. */
static void
drop_import(struct llp_sync *sync)
{
        struct lx_why why = {{0}};
        enum lx_err err = ledger_import_drop(sync->options.ledger, &why);

        if (err != LX_OK)
                llp_sync_fail(sync, err, &why);
}

struct llp_sync *
llp_sync_new(const struct llp_sync_options *options)
{
        struct llp_sync *sync = lx_alloc(sizeof(*sync));

        sync->options = *options;
        sync->ahead = lx_alloc_array(LLP_SYNC_AHEAD_MAX, sizeof(*sync->ahead));
        llp_sync_look(sync);
        if (options->mode == LLP_SYNC_FULL)
                drop_import(sync);
        return sync;
}

void
llp_sync_free(struct llp_sync *sync)
{
        if (sync == NULL)
                return;
        sync->stopping = true;
        /* A done callback may hand on to the other: twice, then both are empty. */
        for (int i = 0; i < 2; i++) {
                lx_pool_drain(sync->options.pool);
                ledger_executor_drain(sync->options.executor);
        }
        while (sync->ask_count > 0) {
                struct ask *ask = sync->ask[0];

                unlink_ask(sync, ask);
                free_ask(ask);
        }
        for (size_t i = 0; i < sync->peer_count; i++) {
                llp_sync_serving_clear(sync->peer[i]);
                lx_free(sync->peer[i]);
        }
        llp_sync_headers_clear(sync);
        llp_sync_doubt_clear(sync);
        llp_sync_blocks_clear(sync);
        llp_sync_snapshot_free(sync->snapshot);
        lx_free(sync->peer);
        lx_free(sync->ask);
        lx_free(sync->ahead);
        lx_free(sync);
}

void
llp_sync_peer_up(struct llp_sync *sync, uint32_t handle, uint64_t now_ms)
{
        struct sync_peer *peer;

        sync->now_ms = now_ms;
        if (sync->peer_count >= PEERS_MAX || llp_sync_find_peer(sync, handle) != NULL)
                return;
        peer = lx_alloc(sizeof(*peer));
        peer->handle = handle;
        peer->end = &peer->first;
        sync->peer = lx_realloc(sync->peer, (sync->peer_count + 1) * sizeof(struct sync_peer *));
        sync->peer[sync->peer_count++] = peer;
        send_status(sync, handle);
        llp_sync_pump(sync);
}

void
llp_sync_peer_down(struct llp_sync *sync, uint32_t handle, uint64_t now_ms)
{
        struct sync_peer *peer = llp_sync_find_peer(sync, handle);

        sync->now_ms = now_ms;
        if (peer == NULL)
                return;
        peer->bad = true;
        for (size_t i = 0; i < sync->ask_count;)
                if (sync->ask[i]->peer == handle)
                        fail_ask(sync, sync->ask[i], false);
                else
                        i++;
        for (size_t i = 0; i < sync->peer_count; i++)
                if (sync->peer[i] == peer) {
                        sync->peer_count--;
                        memmove(&sync->peer[i], &sync->peer[i + 1],
                            (sync->peer_count - i) * sizeof(struct sync_peer *));
                        break;
                }
        llp_sync_serving_clear(peer);
        lx_free(peer);
        llp_sync_pump(sync);
}

bool
llp_sync_handles(unsigned type)
{
        return type == LLP_STATUS || (type >= LLP_GET_HEADERS && type <= LLP_NOT_FOUND);
}

enum lx_err
llp_sync_receive(struct llp_sync *sync, uint32_t handle, unsigned type, const uint8_t *bytes,
    size_t len, uint64_t now_ms)
{
        struct sync_peer *peer = llp_sync_find_peer(sync, handle);
        enum lx_err err;

        sync->now_ms = now_ms;
        if (peer == NULL)
                return LX_OK;
        if (type == LLP_STATUS)
                err = take_status(sync, peer, bytes, len);
        else if (type == LLP_NOT_FOUND)
                err = take_not_found(sync, peer, bytes, len);
        else if (type == LLP_GET_HEADERS || type == LLP_GET_BLOCKS || type == LLP_GET_SNAPSHOT ||
            type == LLP_GET_BLOB)
                err = llp_sync_serve(sync, peer, type, bytes, len);
        else
                err = take_answer(sync, handle, type, bytes, len);
        llp_sync_pump(sync);
        return err;
}

void
llp_sync_advanced(struct llp_sync *sync, uint64_t now_ms)
{
        sync->now_ms = now_ms;
        llp_sync_look(sync);
        send_status(sync, 0);
        llp_sync_pump(sync);
}

void
llp_sync_writable(struct llp_sync *sync, uint32_t peer, uint64_t now_ms)
{
        (void)peer;
        sync->now_ms = now_ms;
        llp_sync_pump(sync);
}

void
llp_sync_tick(struct llp_sync *sync, uint64_t now_ms)
{
        sync->now_ms = now_ms;
        check_deadlines(sync);
        if (now_ms >= sync->status_due_ms)
                send_status(sync, 0);
        llp_sync_pump(sync);
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

uint64_t
llp_sync_deadline_ms(const struct llp_sync *sync)
{
        uint64_t at = sync->status_due_ms;

        for (size_t i = 0; i < sync->ask_count; i++)
                at = earlier(at, earlier(sync->ask[i]->deadline_ms, sync->ask[i]->limit_ms));
        for (size_t i = 0; i < sync->peer_count; i++)
                if (sync->peer[i]->pause_until_ms > sync->now_ms)
                        at = earlier(at, sync->peer[i]->pause_until_ms);
        if (sync->lag_since_ms != 0 && sync->lag_since_ms + LAG_MS > sync->now_ms)
                at = earlier(at, sync->lag_since_ms + LAG_MS);
        if (llp_sync_is_serving(sync))
                at = earlier(at, sync->now_ms + 5);
        for (size_t i = 0; i < sync->fetch_count; i++)
                if (sync->fetch[i].state == PART_WANTED && sync->fetch[i].after_ms > sync->now_ms)
                        at = earlier(at, sync->fetch[i].after_ms);
        if (sync->snapshot != NULL)
                at = earlier(at, sync->now_ms + 100);
        return at;
}

void
llp_sync_get_stats(const struct llp_sync *sync, struct llp_sync_stats *out_stats)
{
        *out_stats = sync->stats;
        out_stats->behind = sync->syncing;
        out_stats->tip = sync->tip;
        out_stats->verified = sync->verified.height;
        out_stats->claimed = llp_sync_claimed(sync);
        out_stats->peers = sync->peer_count;
        out_stats->snapshot_height = llp_sync_snapshot_height(sync);
        out_stats->phase = sync->failed             ? "failed"
            : sync->snapshot != NULL                ? "snapshot"
            : sync->ahead_count > 0                 ? "blocks"
            : out_stats->claimed > sync->tip        ? "headers"
                                                    : "in step";
}
