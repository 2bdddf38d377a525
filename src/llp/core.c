/* llp/core.c - see llp/core.h. */
#include "config.h"
#include "llp/core.h"

#include "base/clock.h"
#include "base/mem.h"
#include "llp/message.h"

#include <stdio.h>

struct llp_core {
        struct llp_core_options options;
        struct ledger_engine_net engine_net;
        struct ledger_engine *engine;
        struct llp_gossip *gossip;
        struct llp_sync *sync;
        struct llp_station *station;
};

/* The engine's messages, by enum ledger_engine_message. */
static const uint16_t ENGINE_TYPES[] = {[LEDGER_MSG_PROPOSAL] = LLP_PROPOSAL,
    [LEDGER_MSG_PART] = LLP_PART,
    [LEDGER_MSG_VOTE] = LLP_VOTE,
    [LEDGER_MSG_ROUND_STATE] = LLP_ROUND_STATE,
    [LEDGER_MSG_EVIDENCE] = LLP_EVIDENCE};

#define ENGINE_TYPE_COUNT (sizeof(ENGINE_TYPES) / sizeof(ENGINE_TYPES[0]))

/* Jobs end without being told the time. */
static uint64_t
now_of(const struct llp_core *core)
{
        const struct ledger_engine_options *engine = &core->options.engine;

        return engine->now_ms != NULL ? engine->now_ms(engine->clock_arg) : lx_clock_now_ms();
}

/* ---- what the engine is given ------------------------------------------------------------------ */

static bool
send_engine(
    void *arg, uint32_t peer, enum ledger_engine_message kind, const void *bytes, size_t len)
{
        struct llp_core *core = arg;

        return core->options.net.send(core->options.net.arg, peer, ENGINE_TYPES[kind], bytes, len);
}

static void
want_txs(void *arg, const struct lx_hash *ids, size_t count, uint32_t peer)
{
        struct llp_core *core = arg;

        if (core->gossip != NULL)
                llp_gossip_want(core->gossip, ids, count, peer, now_of(core));
}

static void
punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        struct llp_core *core = arg;

        core->options.net.punish(core->options.net.arg, peer, points, reason);
}

static void
tell_block(struct llp_core *core, const struct ledger_header *header, size_t tx_count)
{
        if (core->gossip != NULL)
                llp_gossip_block(core->gossip, now_of(core));
        if (core->options.on_block != NULL)
                core->options.on_block(core->options.arg, header, tx_count);
}

static void
engine_committed(void *arg, const struct ledger_header *header, size_t tx_count)
{
        struct llp_core *core = arg;

        if (core->sync != NULL)
                llp_sync_advanced(core->sync, now_of(core));
        tell_block(core, header, tx_count);
}

static void
failed(void *arg, enum lx_err err, const struct lx_why *why)
{
        struct llp_core *core = arg;

        if (core->options.on_failure != NULL)
                core->options.on_failure(core->options.arg, err, why);
}

/* ---- what gossip and sync say ------------------------------------------------------------------ */

static void
tx_arrived(void *arg, const struct lx_hash *id)
{
        struct llp_core *core = arg;

        ledger_engine_tx_arrived(core->engine, id, now_of(core));
}

static size_t
count_txs(struct ledger_view *view, uint64_t height)
{
        struct lx_buf ids = {0};
        size_t count = ledger_get_tx_ids(view, height, &ids) == LX_OK ? ids.len / LX_HASH_LEN : 0;

        lx_buf_clear(&ids);
        return count;
}

static void
sync_committed(void *arg, uint64_t height)
{
        struct llp_core *core = arg;
        struct ledger_view *view = ledger_view_new(core->options.engine.ledger);
        struct ledger_header header;

        ledger_engine_advanced(core->engine, now_of(core));
        if (ledger_get_header(view, height, &header) == LX_OK)
                tell_block(core, &header, count_txs(view, height));
        ledger_view_unref(view);
}

static void
sync_state(void *arg, bool syncing)
{
        struct llp_core *core = arg;

        ledger_engine_set_syncing(core->engine, syncing, now_of(core));
}

/* Evidence goes the way of one that a peer sent. */
static void
sync_evidence(void *arg, const uint8_t *tx, size_t len)
{
        struct llp_core *core = arg;

        (void)!ledger_engine_receive(
            core->engine, 0, LEDGER_MSG_EVIDENCE, tx, len, now_of(core));
}

/* ---- life -------------------------------------------------------------------------------------- */

static enum lx_err
open_engine(struct llp_core *core, struct lx_why *why)
{
        struct ledger_engine_options options = core->options.engine;

        core->engine_net = (struct ledger_engine_net){
            .send = send_engine, .want_txs = want_txs, .punish = punish, .arg = core};
        options.net = &core->engine_net;
        options.on_block = engine_committed;
        options.on_failure = failed;
        options.arg = core;
        return core->options.kind == LLP_CORE_SOLO
                   ? ledger_solo_new(&options, &core->engine, why)
                   : ledger_bft_engine_new(&options, &core->engine, why);
}

static void
open_gossip(struct llp_core *core)
{
        struct llp_gossip_options options = {.ledger = core->options.engine.ledger,
            .engine = core->engine,
            .net = &core->options.net,
            .map_seed = core->options.engine.map_seed,
            .on_arrived = tx_arrived,
            .arg = core};

        core->gossip = llp_gossip_new(&options);
}

static void
open_sync(struct llp_core *core)
{
        const struct ledger_engine_options *engine = &core->options.engine;
        struct llp_sync_options options = {.ledger = engine->ledger,
            .blobs = core->options.blobs,
            .executor = engine->executor,
            .pool = engine->pool,
            .net = &core->options.net,
            .mode = core->options.sync_mode,
            .snapshot_interval = core->options.snapshot_interval,
            .on_commit = sync_committed,
            .on_syncing = sync_state,
            .on_evidence = sync_evidence,
            .on_failure = failed,
            .arg = core};

        core->sync = llp_sync_new(&options);
}

enum lx_err
llp_core_new(const struct llp_core_options *options, struct llp_core **out_core, struct lx_why *why)
{
        struct llp_core *core = lx_alloc(sizeof(*core));
        enum lx_err err;

        core->options = *options;
        err = open_engine(core, why);
        if (err != LX_OK) {
                lx_free(core);
                return err;
        }
        open_gossip(core);
        open_sync(core);
        core->station = llp_station_new(&(struct llp_station_options){.ledger = options->engine.ledger,
            .blobs = options->blobs,
            .pool = options->engine.pool,
            .net = &core->options.net});
        *out_core = core;
        return LX_OK;
}

void
llp_core_free(struct llp_core *core)
{
        struct llp_gossip *gossip;
        struct llp_sync *sync;

        if (core == NULL)
                return;
        /* Jobs that end meanwhile find nobody to tell. */
        sync = core->sync;
        core->sync = NULL;
        llp_sync_free(sync);
        llp_station_free(core->station);
        core->station = NULL;
        lx_pool_drain(core->options.engine.pool);
        gossip = core->gossip;
        core->gossip = NULL;
        llp_gossip_free(gossip);
        ledger_engine_free(core->engine);
        lx_free(core);
}

/* ---- peers and time ---------------------------------------------------------------------------- */

void
llp_core_peer_up(struct llp_core *core, uint32_t peer, uint64_t now_ms)
{
        llp_sync_peer_up(core->sync, peer, now_ms);
        llp_gossip_peer_up(core->gossip, peer, now_ms);
        ledger_engine_peer_up(core->engine, peer, now_ms);
}

void
llp_core_light_up(struct llp_core *core, uint32_t peer)
{
        llp_station_peer_up(core->station, peer);
}

void
llp_core_peer_down(struct llp_core *core, uint32_t peer, uint64_t now_ms)
{
        if (llp_station_has(core->station, peer)) {
                llp_station_peer_down(core->station, peer);
                return;
        }
        ledger_engine_peer_down(core->engine, peer, now_ms);
        llp_gossip_peer_down(core->gossip, peer);
        llp_sync_peer_down(core->sync, peer, now_ms);
}

static enum lx_err
hand_over(struct llp_core *core, uint32_t peer, unsigned type, const uint8_t *bytes, size_t len,
    uint64_t now_ms)
{
        if (llp_station_has(core->station, peer))
                return llp_station_receive(core->station, peer, type, bytes, len);
        for (size_t kind = 0; kind < ENGINE_TYPE_COUNT; kind++)
                if (ENGINE_TYPES[kind] == type)
                        return ledger_engine_receive(core->engine, peer,
                            (enum ledger_engine_message)kind, bytes, len, now_ms);
        if (llp_gossip_handles(type))
                return llp_gossip_receive(core->gossip, peer, type, bytes, len, now_ms);
        if (llp_sync_handles(type))
                return llp_sync_receive(core->sync, peer, type, bytes, len, now_ms);
        return LX_ERR_FORMAT;
}

enum lx_err
llp_core_receive(struct llp_core *core, uint32_t peer, unsigned type, const uint8_t *bytes,
    size_t len, uint64_t now_ms)
{
        enum lx_err err = hand_over(core, peer, type, bytes, len, now_ms);
        const struct llp_message_row *row = llp_message_find(type);
        char reason[128];

        if (err != LX_OK) {
                (void)snprintf(reason, sizeof(reason), "no honest node sends this %s: %s",
                    row != NULL ? row->name : "message", lx_err_text(err));
                punish(core, peer, LLP_PUNISH_BAN, reason);
        }
        return err;
}

void
llp_core_writable(struct llp_core *core, uint32_t peer, uint64_t now_ms)
{
        llp_sync_writable(core->sync, peer, now_ms);
        llp_station_writable(core->station);
}

void
llp_core_tick(struct llp_core *core, uint64_t now_ms)
{
        ledger_engine_tick(core->engine, now_ms);
        llp_gossip_tick(core->gossip, now_ms);
        llp_sync_tick(core->sync, now_ms);
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

uint64_t
llp_core_deadline_ms(const struct llp_core *core)
{
        return sooner(ledger_engine_deadline_ms(core->engine),
            sooner(llp_gossip_deadline_ms(core->gossip), llp_sync_deadline_ms(core->sync)));
}

struct ledger_engine *
llp_core_get_engine(struct llp_core *core)
{
        return core->engine;
}

struct llp_gossip *
llp_core_get_gossip(struct llp_core *core)
{
        return core->gossip;
}

struct llp_sync *
llp_core_get_sync(struct llp_core *core)
{
        return core->sync;
}

struct llp_station *
llp_core_get_station(struct llp_core *core)
{
        return core->station;
}
