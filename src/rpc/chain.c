/* rpc/chain.c - headers, blocks, transactions. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/admit.h"
#include "ledger/genesis_json.h"
#include "ledger/tx_json.h"
#include "merkle/log.h"

#include <string.h>

#define HEADERS_MAX 500

enum lx_err
rpc_chain_genesis(struct rpc_call *call)
{
        struct lx_span bytes = ledger_genesis_bytes(call->rpc->options.ledger);
        struct lx_buf text = {0};
        enum lx_err err = ledger_genesis_to_json(bytes.p, bytes.len, &text, &call->why);

        rpc_set(call, "chain_id", lx_json_hash(ledger_chain_id(call->rpc->options.ledger)));
        rpc_set(call, "document", json_loadb((const char *)text.p, text.len, 0, NULL));
        rpc_set(call, "bytes", lx_json_hex(bytes.p, bytes.len));
        lx_buf_clear(&text);
        return err;
}

enum lx_err
rpc_chain_params(struct rpc_call *call)
{
        const struct sigchain_params *params = ledger_view_params(call->view);
        json_t *list = json_object();

        for (unsigned id = 1; id < SIGCHAIN_PARAM_COUNT_; id++)
                if (sigchain_param_row(id) != NULL)
                        json_object_set_new(
                            list, sigchain_param_row(id)->name, rpc_number(params->value[id]));
        rpc_set(call, "height", rpc_number(ledger_view_header(call->view)->height));
        rpc_set(call, "params", list);
        return LX_OK;
}

/* The height that the call names: by number, by hash, or the tip. */
static enum lx_err
which(struct rpc_call *call, uint64_t *out_height)
{
        struct lx_hash hash = rpc_hash(call, "hash");
        enum lx_err err = LX_OK;

        *out_height = ledger_view_header(call->view)->height;
        if (rpc_has(call, "hash"))
                err = ledger_find_header(call->view, &hash, out_height);
        else if (rpc_has(call, "height") && rpc_u64(call, "height") > *out_height)
                err = LX_ERR_ABSENT;
        else if (rpc_has(call, "height"))
                *out_height = rpc_u64(call, "height");
        if (err == LX_ERR_ABSENT)
                lx_why_set(&call->why, "there is no such header; the tip has height %llu",
                    (unsigned long long)ledger_view_header(call->view)->height);
        return err;
}

static void
set_fields(struct rpc_call *call, const struct ledger_header *h)
{
        rpc_set(call, "fields",
            json_pack("{s:i,s:o,s:o,s:o,s:o,s:o,s:o}", "rule_version", (int)h->rule_version,
                "previous", lx_json_hash(&h->previous), "tx_root", lx_json_hash(&h->tx_root),
                "state_root", lx_json_hash(&h->state_root), "history_root",
                lx_json_hash(&h->history_root), "valset", lx_json_hash(&h->valset), "next_valset",
                lx_json_hash(&h->next_valset)));
}

static enum lx_err
set_header(struct rpc_call *call, struct lx_buf *ids)
{
        struct ledger_header header;
        struct lx_hash hash;
        uint64_t height;
        enum lx_err err = which(call, &height);

        if (err == LX_OK)
                err = ledger_get_header(call->view, height, &header);
        if (err == LX_OK)
                err = rpc_header_json(call->view, height, call->result);
        if (err == LX_OK)
                err = ledger_get_tx_ids(call->view, height, ids);
        if (err != LX_OK)
                return err;
        ledger_header_hash(&lx_crypto_ops()->hash, &header, &hash);
        rpc_set(call, "height", rpc_number(height));
        rpc_set(call, "hash", lx_json_hash(&hash));
        rpc_set(call, "time", rpc_time(header.time_ms));
        rpc_set(call, "tx_count", rpc_number(ids->len / LX_HASH_LEN));
        set_fields(call, &header);
        return LX_OK;
}

enum lx_err
rpc_chain_header(struct rpc_call *call)
{
        struct lx_buf ids = {0};
        enum lx_err err = set_header(call, &ids);

        lx_buf_clear(&ids);
        return err;
}

enum lx_err
rpc_chain_block(struct rpc_call *call)
{
        struct lx_buf ids = {0};
        json_t *list = json_array();
        enum lx_err err = set_header(call, &ids);

        for (size_t i = 0; i < ids.len; i += LX_HASH_LEN)
                json_array_append_new(list, lx_json_hex(ids.p + i, LX_HASH_LEN));
        rpc_set(call, "transactions", list);
        lx_buf_clear(&ids);
        return err;
}

enum lx_err
rpc_chain_headers(struct rpc_call *call)
{
        uint64_t from = rpc_u64(call, "from"), tip = ledger_view_header(call->view)->height;
        uint64_t count = rpc_limit(call, "count", HEADERS_MAX, HEADERS_MAX);
        json_t *list = json_array(), *last_set = NULL;
        enum lx_err err = LX_OK;

        for (uint64_t h = from; h < from + count && h <= tip && err == LX_OK; h++) {
                json_t *o = json_pack("{s:I}", "height", (json_int_t)h), *set;

                err = rpc_header_json(call->view, h, o);
                json_array_append_new(list, o);
                set = json_object_get(o, "valset");
                if (last_set != NULL && json_equal(set, last_set)) {
                        json_object_del(o, "valset");
                } else {
                        json_decref(last_set);
                        last_set = json_incref(set);
                }
        }
        json_decref(last_set);
        rpc_set(call, "headers", list);
        return err;
}

/* ---- transactions ------------------------------------------------------------------------------ */

/* The header of the transaction's block, and the way from the id to its transactions root. */
static enum lx_err
prove_tx(struct rpc_call *call, uint64_t height, uint32_t index)
{
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct merkle_path *path = lx_alloc(sizeof(*path));
        struct lx_buf ids = {0};
        struct lx_hash *leaves;
        uint64_t count;
        enum lx_err err = rpc_header_json(call->view, height, call->proof);

        if (err == LX_OK)
                err = ledger_get_tx_ids(call->view, height, &ids);
        count = ids.len / LX_HASH_LEN;
        leaves = (struct lx_hash *)(void *)ids.p;
        for (uint64_t i = 0; i < count; i++) {
                struct lx_hash id = leaves[i];

                merkle_log_leaf(ops, id.b, LX_HASH_LEN, &leaves[i]);
        }
        if (err == LX_OK && index < count) {
                merkle_log_prove(ops, leaves, count, index, path);
                json_object_set_new(call->proof, "tx",
                    json_pack("{s:I,s:I,s:o}", "index", (json_int_t)index, "count", (json_int_t)count, "path",
                        rpc_path(path)));
        } else if (err == LX_OK) {
                err = LX_ERR_CORRUPT;
        }
        lx_buf_clear(&ids);
        lx_free(path);
        return err;
}

enum lx_err
rpc_chain_tx(struct rpc_call *call)
{
        struct lx_hash id = rpc_hash(call, "id");
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        struct lx_buf bytes = {0};
        const char *status = "final";
        uint64_t height = 0;
        uint32_t index = 0;
        enum lx_err err = ledger_get_tx(call->view, &id, &bytes, &height, &index);

        if (err == LX_ERR_ABSENT && call->rpc->options.engine != NULL) {
                const struct ledger_pending *p =
                    ledger_mempool_find(ledger_engine_mempool(call->rpc->options.engine), &id);

                if (p != NULL) {
                        lx_buf_append(&bytes, p->bytes, p->len);
                        status = "waiting";
                        err = LX_OK;
                }
        }
        if (err == LX_OK)
                err = sigchain_tx_decode(&lx_crypto_ops()->hash, bytes.p, bytes.len, tx);
        if (err == LX_OK && call->proof != NULL && height > 0)
                err = prove_tx(call, height, index);
        if (err == LX_OK) {
                rpc_set(call, "id", lx_json_hash(&id));
                rpc_set(call, "height", rpc_number(height));
                rpc_set(call, "index", rpc_number(index));
                rpc_set(call, "bytes", lx_json_hex(bytes.p, bytes.len));
                rpc_set(call, "status", json_string(status));
                rpc_set(call, "fields", ledger_tx_to_json(tx));
        }
        lx_free(tx);
        lx_buf_clear(&bytes);
        return err;
}

enum lx_err
rpc_chain_consistency(struct rpc_call *call)
{
        struct merkle_path *path = lx_alloc(sizeof(*path));
        uint64_t from = rpc_u64(call, "from"), to = ledger_view_header(call->view)->height;
        enum lx_err err;

        if (rpc_has(call, "to"))
                to = rpc_u64(call, "to");
        err = ledger_prove_history(call->view, from, to, path);
        if (err == LX_OK) {
                rpc_set(call, "from", rpc_number(from));
                rpc_set(call, "to", rpc_number(to));
                rpc_set(call, "path", rpc_path(path));
        }
        lx_free(path);
        return err;
}

enum lx_err
rpc_chain_ancestor(struct rpc_call *call)
{
        struct merkle_path *path = lx_alloc(sizeof(*path));
        uint64_t height = rpc_u64(call, "height");
        struct ledger_header header;
        struct lx_hash hash;
        enum lx_err err = ledger_prove_header(call->view, height, path);

        if (err == LX_OK)
                err = ledger_get_header(call->view, height, &header);
        if (err == LX_OK) {
                ledger_header_hash(&lx_crypto_ops()->hash, &header, &hash);
                rpc_set(call, "height", rpc_number(height));
                rpc_set(call, "hash", lx_json_hash(&hash));
                rpc_set(call, "index", rpc_number(height));
                rpc_set(call, "size", rpc_number(ledger_view_header(call->view)->height));
                rpc_set(call, "path", rpc_path(path));
        }
        lx_free(path);
        return err;
}

static void
submitted(void *arg, const struct ledger_outcome *outcome)
{
        struct rpc_call *call = arg;

        call->why = outcome->why;
        rpc_set(call, "id", lx_json_hash(&outcome->id));
        rpc_set(call, "height", rpc_number(outcome->height));
        rpc_set(call, "index", rpc_number(outcome->index));
        rpc_set(call, "status", json_string(outcome->height > 0 ? "final" : "accepted"));
        rpc_call_finish(call, outcome->err);
}

/* What was built on an old tip would only be refused with a reason that misleads. */
static enum lx_err
refuse_while_behind(struct rpc_call *call)
{
        struct llp_sync_stats stats = {0};

        if (call->rpc->options.core != NULL)
                llp_sync_get_stats(llp_core_get_sync(call->rpc->options.core), &stats);
        if (!stats.behind)
                return LX_OK;
        lx_why_set(&call->why,
            "the node is catching up, at height %llu of %llu: try again when lx status says that "
            "it is ready",
            (unsigned long long)stats.tip, (unsigned long long)stats.verified);
        return LX_ERR_BUSY;
}

enum lx_err
rpc_chain_submit(struct rpc_call *call)
{
        const char *hex = rpc_str(call, "tx"), *wait = rpc_str(call, "wait");
        size_t len = strlen(hex) / 2;
        uint8_t *bytes;

        if (call->rpc->options.engine == NULL) {
                lx_why_set(&call->why, "this node takes no transactions: it has no validator key");
                return LX_ERR_DENIED;
        }
        if (call->rpc->stopping)
                return LX_ERR_STOPPED;
        if (refuse_while_behind(call) != LX_OK)
                return LX_ERR_BUSY;
        if (len > SIGCHAIN_TX_MAX) {
                lx_why_set(&call->why, "a transaction has at most %u bytes, this one %zu",
                    SIGCHAIN_TX_MAX, len);
                return LX_ERR_LIMIT;
        }
        if (wait != NULL && strcmp(wait, "accepted") != 0 && strcmp(wait, "final") != 0) {
                lx_why_set(&call->why, "wait is \"accepted\" or \"final\"");
                return LX_ERR_RANGE;
        }
        bytes = lx_alloc(len + 1);
        (void)lx_unhex(hex, 2 * len, bytes, len);
        call->later = true;
        ledger_engine_submit(call->rpc->options.engine, bytes, len,
            wait != NULL && strcmp(wait, "accepted") == 0 ? LEDGER_WAIT_ACCEPTED
                                                          : LEDGER_WAIT_FINAL,
            lx_clock_now_ms(), submitted, call);
        lx_free(bytes);
        return LX_OK;
}

enum lx_err
rpc_chain_waiting(struct rpc_call *call)
{
        struct lx_hash genesis = rpc_hash(call, "genesis");
        struct ledger_mempool *pool;
        json_t *list = json_array();
        const struct ledger_pending *pending;
        uint64_t next, sequence, now = lx_clock_now_ms();

        rpc_set(call, "transactions", list);
        if (call->rpc->options.engine == NULL)
                return LX_OK;
        pool = ledger_engine_mempool(call->rpc->options.engine);
        next = ledger_mempool_next_sequence(pool, &genesis);
        /* A chain has at most so many; sequences that wait need not follow on one another. */
        for (sequence = next > LEDGER_MEMPOOL_CHAIN_MAX ? next - LEDGER_MEMPOOL_CHAIN_MAX : 0;
             sequence < next; sequence++) {
                pending = ledger_mempool_at(pool, &genesis, sequence);
                if (pending == NULL)
                        continue;
                json_array_append_new(list,
                    json_pack("{s:o,s:o,s:o,s:o,s:o,s:b}", "id", lx_json_hash(&pending->id),
                        "sequence", rpc_number(pending->sequence), "fee", rpc_number(pending->fee),
                        "expiry", rpc_number(pending->expiry), "age_ms",
                        rpc_number(now - pending->added_ms), "in_block", pending->in_block));
        }
        return LX_OK;
}

enum lx_err
rpc_chain_drop(struct rpc_call *call)
{
        const char *hex = rpc_str(call, "wish");
        uint8_t wish[LEDGER_DROP_LEN];
        struct lx_hash id;
        enum lx_err err;

        if (call->rpc->options.engine == NULL) {
                lx_why_set(&call->why, "this node takes no transactions: it has no validator key");
                return LX_ERR_DENIED;
        }
        if (strlen(hex) != 2 * sizeof(wish) || !lx_unhex(hex, strlen(hex), wish, sizeof(wish))) {
                lx_why_set(&call->why, "a wish has %u bytes, this one %zu", (unsigned)sizeof(wish),
                    strlen(hex) / 2);
                return LX_ERR_RANGE;
        }
        memcpy(id.b, wish, LX_HASH_LEN);
        err = ledger_engine_drop(call->rpc->options.engine, wish, sizeof(wish), &call->why);
        if (err == LX_OK)
                rpc_set(call, "id", lx_json_hash(&id));
        return err;
}
