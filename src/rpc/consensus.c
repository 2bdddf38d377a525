/* rpc/consensus.c - what a person asks about agreement and sync: rounds, certificate, who is missing. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ledger/header.h"
#include "ledger/vote.h"
#include "sigchain/params.h"

#include <string.h>

#define STALL_HEARTBEATS 5 /* so many missed heartbeats in a row are a stall */

/* The validators without a bit, by name, or key where they have none. */
static json_t *
missing_names(const struct sigchain_valset *set, const uint8_t *bitmap)
{
        json_t *list = json_array();

        for (size_t i = 0; i < set->count; i++) {
                const struct sigchain_validator *v = &set->v[i];
                char key[LX_HEX_LEN(LX_PUBKEY_LEN)];

                if (ledger_bit(bitmap, i))
                        continue;
                lx_hex(v->key.b, LX_PUBKEY_LEN, key);
                json_array_append_new(list, v->name.len > 0
                                                ? json_stringn((const char *)v->name.p, v->name.len)
                                                : json_string(key));
        }
        return list;
}

/* Who signed in time, and (in a bft engine that has this tip) whose precommit came after the certificate was whole. */
static void
add_late(const struct ledger_engine *engine, uint64_t height, size_t count, uint8_t *bitmap)
{
        struct ledger_engine_status status;

        if (engine == NULL || strcmp(ledger_engine_name(engine), "bft") != 0)
                return;
        ledger_engine_get_status(engine, &status);
        if (status.height != height + 1)
                return;
        for (size_t i = 0; i < count; i++)
                ledger_bit_set(bitmap, i);
        for (size_t i = 0; i < status.missing_count; i++)
                bitmap[status.missing[i] / 8] &= (uint8_t)~(0x80 >> status.missing[i] % 8);
}

/* {height, round, signers, of, missing}: the tip's certificate; null at height 0. */
static json_t *
certificate(const struct ledger_engine *engine, struct ledger_view *view)
{
        uint8_t bitmap[LEDGER_VOTERS_BYTES] = {0};
        size_t signers = 0;

        struct lx_span cert = ledger_view_cert(view), bytes = ledger_view_valset(view);
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        struct lx_reader rd = lx_reader_init(cert.p, cert.len);
        uint32_t round = lx_read_u32(&rd);
        json_t *out = json_null();

        if (sigchain_valset_decode(bytes.p, bytes.len, set) == LX_OK &&
            rd.left >= (set->count + 7) / 8 && cert.len > 0) {
                memcpy(bitmap, rd.p, (set->count + 7) / 8);
                for (size_t i = 0; i < set->count; i++)
                        signers += ledger_bit(bitmap, i);
                add_late(engine, ledger_view_header(view)->height, set->count, bitmap);
                out = json_pack("{s:I,s:I,s:I,s:I,s:o}", "height",
                    (json_int_t)ledger_view_header(view)->height, "round", (json_int_t)round,
                    "signers", (json_int_t)signers, "of", (json_int_t)set->count, "missing",
                    missing_names(set, bitmap));
        }
        lx_free(set);
        return out;
}

static json_t *
rounds(const struct ledger_engine *engine)
{
        struct ledger_engine_status status;

        if (engine == NULL)
                return json_null();
        ledger_engine_get_status(engine, &status);
        return json_pack("{s:b,s:b,s:I,s:I,s:s,s:I,s:I}", "validator", status.validator, "voting",
            status.voting, "height", (json_int_t)status.height, "round", (json_int_t)status.round,
            "step", status.step, "rounds_lost", (json_int_t)status.rounds_lost, "evidence",
            (json_int_t)status.evidence);
}

static json_t *
sync_state(const struct rpc *rpc)
{
        struct llp_sync_stats stats;

        if (rpc->options.core == NULL)
                return json_null();
        llp_sync_get_stats(llp_core_get_sync(rpc->options.core), &stats);
        return json_pack("{s:b,s:s,s:I,s:I,s:I}", "behind", stats.behind, "phase", stats.phase,
            "verified", (json_int_t)stats.verified, "claimed", (json_int_t)stats.claimed,
            "snapshot_height", (json_int_t)stats.snapshot_height);
}

void
rpc_consensus_json(struct rpc *rpc, struct ledger_view *view, json_t *out)
{
        json_object_set_new(out, "certificate", certificate(rpc->options.engine, view));
        json_object_set_new(out, "consensus", rounds(rpc->options.engine));
        json_object_set_new(out, "sync", sync_state(rpc));
}

/* No block for several heartbeats: the network does not agree, or nobody reaches us. */
static void
add_stall(struct rpc *rpc, struct ledger_view *view, json_t *list)
{
        uint64_t heartbeat = ledger_view_params(view)->value[SIGCHAIN_HEARTBEAT_MS];
        uint64_t tip = ledger_view_header(view)->time_ms, now = lx_clock_walltime().ms;
        uint64_t up_ms = lx_clock_now_ms() - rpc->options.start_ms;
        char text[128];

        if (rpc->options.core == NULL || heartbeat == 0 || now < tip ||
            now - tip < STALL_HEARTBEATS * heartbeat || up_ms < STALL_HEARTBEATS * heartbeat)
                return;
        (void)snprintf(text, sizeof(text), "no block for %llu s, one is due every %llu s",
            (unsigned long long)(now - tip) / 1000, (unsigned long long)heartbeat / 1000);
        json_array_append_new(list, json_string(text));
}

/* Blocks that this program does not understand: it stops before them, and others go on. */
static void
add_rules(struct ledger_view *view, json_t *list)
{
        uint64_t next = ledger_view_params(view)->value[SIGCHAIN_RULE_VERSION];
        char text[192];

        if (next <= LEDGER_RULE_VERSION)
                return;
        (void)snprintf(text, sizeof(text),
            "stopped at height %llu: from the next block on rule version %llu acts, this program knows %u: "
            "install a newer lxnoded", (unsigned long long)ledger_view_header(view)->height, (unsigned long long)next,
            LEDGER_RULE_VERSION);
        json_array_append_new(list, json_string(text));
}

json_t *
rpc_reasons(struct rpc *rpc, struct ledger_view *view)
{
        json_t *list = json_array();
        struct llp_sync_stats stats = {0};
        char text[128];

        if (rpc->unready != NULL)
                json_array_append_new(list, json_string(rpc->unready));
        if (rpc->stopping)
                json_array_append_new(list, json_string("stopping"));
        add_rules(view, list);
        if (rpc->options.core != NULL)
                llp_sync_get_stats(llp_core_get_sync(rpc->options.core), &stats);
        if (stats.behind) {
                (void)snprintf(text, sizeof(text), "syncing (%s): at height %llu of %llu",
                    stats.phase, (unsigned long long)stats.tip, (unsigned long long)stats.verified);
                json_array_append_new(list, json_string(text));
        } else {
                add_stall(rpc, view, list);
        }
        return list;
}

void
rpc_consensus_metrics(struct rpc *rpc, struct lx_buf *out)
{
        struct ledger_engine_status status;
        struct llp_sync_stats sync;
        struct llp_gossip_stats gossip;

        if (rpc->options.core == NULL)
                return;
        ledger_engine_get_status(rpc->options.engine, &status);
        llp_sync_get_stats(llp_core_get_sync(rpc->options.core), &sync);
        llp_gossip_get_stats(llp_core_get_gossip(rpc->options.core), &gossip);
        rpc_metric(out, "consensus_validator", "gauge",
            "1 when this node is of the set that signs.", status.validator);
        rpc_metric(out, "consensus_voting", "gauge", "1 when it may sign.", status.voting);
        rpc_metric(out, "consensus_height", "gauge", "Height under way.", status.height);
        rpc_metric(out, "consensus_round", "gauge", "Round of that height.", status.round);
        rpc_metric(out, "consensus_rounds_lost_total", "counter",
            "Rounds that ended without a block.", status.rounds_lost);
        rpc_metric(out, "consensus_missing", "gauge", "Validators whose vote for the tip never came.",
            status.missing_count);
        rpc_metric(out, "consensus_evidence_total", "counter", "Pieces of evidence seen.",
            status.evidence);
        rpc_metric(out, "consensus_vote_from", "gauge", "Height from which it may sign; 0: no validator, or not known.",
            status.vote_from == UINT64_MAX ? 0 : status.vote_from);
        rpc_metric(out, "sync_behind", "gauge", "1 while this node catches up.", sync.behind);
        rpc_metric(out, "sync_verified_height", "gauge", "Height up to which headers are verified.",
            sync.verified);
        rpc_metric(out, "sync_claimed_height", "gauge", "The highest that a peer claims; not believed.",
            sync.claimed);
        rpc_metric(out, "sync_peers", "gauge", "Peers that blocks can be asked from.", sync.peers);
        rpc_metric(out, "sync_requests_total", "counter", "Requests sent.", sync.requests);
        rpc_metric(out, "sync_timeouts_total", "counter", "Of those, never answered.", sync.timeouts);
        rpc_metric(out, "sync_pieces_total", "counter", "Pieces of snapshots taken.", sync.pieces);
        rpc_metric(out, "sync_blocks_total", "counter", "Blocks committed by sync.", sync.blocks);
        rpc_metric(out, "sync_in_bytes_total", "counter", "Bytes received by sync.", sync.bytes_in);
        rpc_metric(
            out, "sync_out_bytes_total", "counter", "Bytes served to others.", sync.bytes_out);
        rpc_metric(out, "sync_bad_total", "counter", "Answers that did not verify.", sync.bad);
        rpc_metric(out, "gossip_bodies_in_total", "counter", "Transactions received from peers.",
            gossip.bodies_in);
        rpc_metric(out, "gossip_bodies_out_total", "counter", "Transactions sent to peers.",
            gossip.bodies_out);
        rpc_metric(out, "gossip_announced_total", "counter", "Transactions that peers told of.",
            gossip.announced);
        rpc_metric(out, "gossip_dropped_total", "counter", "Waiting transactions that their owners took back.",
            gossip.dropped);
        rpc_metric(out, "gossip_refused_total", "counter",
            "Transactions of peers that were refused.", gossip.refused);
}
