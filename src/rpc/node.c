/* rpc/node.c - the node itself. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/header.h"
#include "sigchain/params.h"

#include <unistd.h>

static void
add_tip(struct rpc *rpc, struct ledger_view *view, json_t *out)
{
        const struct ledger_header *header = ledger_view_header(view);
        uint64_t now = lx_clock_walltime().ms;

        json_object_set_new(out, "version", json_string(PACKAGE_VERSION));
        json_object_set_new(out, "network", json_string(ledger_genesis(rpc->options.ledger)->network));
        json_object_set_new(out, "chain_id", lx_json_hash(ledger_chain_id(rpc->options.ledger)));
        json_object_set_new(out, "height", rpc_number(header->height));
        json_object_set_new(out, "hash", lx_json_hash(ledger_view_header_hash(view)));
        json_object_set_new(out, "time", rpc_time(header->time_ms));
        json_object_set_new(
            out, "age_ms", rpc_number(now > header->time_ms ? now - header->time_ms : 0));
        json_object_set_new(out, "state_root", lx_json_hash(&header->state_root));
        json_object_set_new(out, "pruned_below", rpc_number(ledger_view_pruned_below(view)));
}

static void
add_store(struct rpc *rpc, struct ledger_view *view, json_t *out)
{
        struct lld_stats store;
        struct blob_stats blobs;
        struct ledger_stats totals;

        lld_get_stats(rpc->options.db, &store);
        blob_get_stats(rpc->options.blobs, &blobs);
        ledger_get_stats(view, &totals);
        json_object_set_new(out, "store", json_pack("{s:I,s:I,s:I}", "disk_bytes",
            (json_int_t)store.disk_bytes, "mem_bytes", (json_int_t)store.mem_bytes, "commits",
            (json_int_t)store.commits));
        json_object_set_new(out, "blobs", json_pack("{s:I,s:I,s:I}", "count", (json_int_t)blobs.count,
            "bytes", (json_int_t)blobs.bytes, "staged", (json_int_t)blobs.staged));
        json_object_set_new(out, "totals", json_pack("{s:I,s:I,s:I,s:I}", "transactions",
            (json_int_t)totals.transactions, "registers", (json_int_t)totals.registers, "chains",
            (json_int_t)totals.chains, "digests", (json_int_t)totals.digests));
}

void
rpc_status_json(struct rpc *rpc, struct ledger_view *view, json_t *out)
{
        size_t bytes = 0, count = 0;
        json_t *listening = json_array(), *reasons = rpc_reasons(rpc, view);
        struct ledger_engine_status consensus = {0};

        if (rpc->options.engine != NULL)
                count = ledger_mempool_count(ledger_engine_mempool(rpc->options.engine), &bytes);
        for (size_t i = 0; i < 4 && rpc->options.listening[i] != NULL; i++)
                json_array_append_new(listening, json_string(rpc->options.listening[i]));
        add_tip(rpc, view, out);
        json_object_set_new(out, "engine", json_string(ledger_engine_name(rpc->options.engine)));
        if (rpc->options.engine != NULL)
                ledger_engine_get_status(rpc->options.engine, &consensus);
        json_object_set_new(out, "validator", json_boolean(consensus.validator));
        json_object_set_new(out, "ready", json_boolean(json_array_size(reasons) == 0));
        json_object_set_new(out, "reasons", reasons);
        rpc_consensus_json(rpc, view, out);
        json_object_set_new(out, "rules", json_pack("{s:I,s:I,s:I}", "now",
            (json_int_t)ledger_view_header(view)->rule_version, "next",
            (json_int_t)ledger_view_params(view)->value[SIGCHAIN_RULE_VERSION], "known",
            (json_int_t)LEDGER_RULE_VERSION));
        json_object_set_new(out, "mempool", json_pack("{s:I,s:I}", "count", (json_int_t)count, "bytes",
            (json_int_t)bytes));
        json_object_set_new(out, "peers", rpc_peer_status(rpc));
        add_store(rpc, view, out);
        json_object_set_new(
            out, "uptime_ms", rpc_number(lx_clock_now_ms() - rpc->options.start_ms));
        json_object_set_new(out, "upgrade_from", rpc->options.upgrade_from != NULL
                ? json_string(rpc->options.upgrade_from) : json_null());
        json_object_set_new(out, "datadir", json_string(rpc->options.datadir));
        json_object_set_new(out, "pid", rpc_number((uint64_t)getpid()));
        json_object_set_new(out, "rpc", listening);
}

enum lx_err
rpc_node_status(struct rpc_call *call)
{
        rpc_status_json(call->rpc, call->view, call->result);
        return LX_OK;
}

enum lx_err
rpc_node_stop(struct rpc_call *call)
{
        rpc_set(call, "stopping", json_true());
        call->rpc->options.stop(call->rpc->options.daemon);
        return LX_OK;
}

struct backup {
        struct rpc_backup backup; /* first */
        struct rpc_call *call;
};

static void
backup_done(struct rpc_backup *backup)
{
        struct rpc_call *call = ((struct backup *)backup)->call;
        enum lx_err err = backup->err;

        call->why = backup->why;
        rpc_set(call, "dir", json_string(backup->dir));
        rpc_set(call, "height", rpc_number(backup->height));
        lx_free(backup);
        rpc_call_finish(call, err);
}

enum lx_err
rpc_node_backup(struct rpc_call *call)
{
        const char *dir = rpc_str(call, "dir");
        struct backup *b;

        if (dir[0] != '/') {
                lx_why_set(&call->why, "dir must be an absolute path");
                return LX_ERR_RANGE;
        }
        b = lx_alloc(sizeof(*b));
        b->backup = (struct rpc_backup){.dir = dir, .done = backup_done};
        b->call = call;
        call->later = true;
        call->rpc->options.backup(call->rpc->options.arg, &b->backup);
        return LX_OK;
}

enum lx_err
rpc_node_log(struct rpc_call *call)
{
        enum lx_err err = lx_log_set_level(rpc_str(call, "spec"));

        if (err != LX_OK)
                lx_why_set(&call->why, "\"%.40s\" is no LEVEL or LEVEL:CATEGORY (levels: error warn "
                    "notice info debug trace)", rpc_str(call, "spec"));
        rpc_set(call, "spec", json_string(rpc_str(call, "spec")));
        return err;
}
