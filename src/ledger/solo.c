/* ledger/solo.c - the solo engine: one key, a block as soon as there is something to write. */
#include "config.h"
#include "ledger/engine.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <string.h>

#define BLOCK_TXS_MAX 10000 /* taken at once */

/* Somebody who waits for a transaction to be final. */
struct waiter {
        struct waiter *next;
        void (*done)(void *arg, const struct ledger_outcome *outcome);
        void *arg;
};

struct ledger_engine {
        struct ledger_engine_options options;
        struct ledger_mempool *pool;
        struct lx_map *waiters; /* id -> struct waiter */
        struct lx_pubkey public;
        bool building;
        bool failed;
        bool stopping;
        uint64_t last_block_ms; /* monotonic */
};

/* A transaction on its way through the signature check. */
struct submission {
        struct lx_job job; /* first */
        struct ledger_engine *engine;
        struct sigchain_tx tx;
        uint8_t *bytes;
        size_t len;
        enum ledger_wait wait;
        uint64_t now_ms;
        struct waiter *waiter;
        struct ledger_outcome outcome;
};

/* A block on its way through the executor. */
struct block {
        struct lx_job job; /* first */
        struct ledger_engine *engine;
        struct ledger_tx *txs;
        struct ledger_pending **pending;
        size_t count;
        bool may_be_empty;
        size_t included;
        struct ledger_header header;
        enum lx_err err;
        struct lx_why why;
};

static void maybe_build(struct ledger_engine *engine, bool may_be_empty);

/* ---- outcomes ---------------------------------------------------------------------------------- */

static void
tell(struct waiter *waiter, const struct ledger_outcome *outcome)
{
        while (waiter != NULL) {
                struct waiter *next = waiter->next;

                waiter->done(waiter->arg, outcome);
                lx_free(waiter);
                waiter = next;
        }
}

static void
add_waiter(struct ledger_engine *engine, const struct lx_hash *id, struct waiter *waiter)
{
        waiter->next = lx_map_get(engine->waiters, id->b, LX_HASH_LEN);
        lx_map_put(engine->waiters, id->b, LX_HASH_LEN, waiter);
}

/* The end of a waiting transaction: whoever waits hears it. */
static void
finish(struct ledger_engine *engine, const struct ledger_outcome *outcome)
{
        struct waiter *waiter = lx_map_remove(engine->waiters, outcome->id.b, LX_HASH_LEN);

        ledger_mempool_remove(engine->pool, &outcome->id);
        tell(waiter, outcome);
}

/* ---- building ---------------------------------------------------------------------------------- */

static enum lx_err
sign_and_commit(struct block *block, struct ledger_candidate *candidate)
{
        const struct ledger_engine *engine = block->engine;
        struct ledger *ledger = engine->options.ledger;
        uint8_t cert[4 + 1 + LX_SIG_LEN], aux[32];
        struct lx_writer wr = lx_writer_init(cert, sizeof(cert));
        struct lx_hash hash, msg;
        struct lx_sig sig;
        enum lx_err err;

        block->header = *ledger_candidate_header(candidate);
        ledger_header_hash(&lx_crypto_ops()->hash, &block->header, &hash);
        ledger_vote_message(&lx_crypto_ops()->hash, LEDGER_VOTE_PRECOMMIT,
            &block->header.chain_id, block->header.height, 0, &hash, &msg);
        lx_random(aux, sizeof(aux));
        err = lx_sign(engine->options.key, &msg, aux, &sig);
        if (err != LX_OK) {
                ledger_candidate_free(candidate);
                return err;
        }
        lx_write_u32(&wr, 0);
        lx_write_u8(&wr, 0x80);
        lx_write_bytes(&wr, sig.b, LX_SIG_LEN);
        return ledger_commit(ledger, candidate, cert, wr.len, &block->why);
}

static void
run_block(struct lx_job *job)
{
        struct block *block = (struct block *)job;
        struct ledger_candidate *candidate = NULL;

        block->err = ledger_build(block->engine->options.ledger, block->txs, block->count,
            lx_clock_walltime().ms, &candidate, &block->why);
        if (block->err != LX_OK)
                return;
        for (size_t i = 0; i < block->count; i++)
                block->included += block->txs[i].result == LX_OK;
        if (block->included == 0 && !block->may_be_empty)
                ledger_candidate_free(candidate);
        else
                block->err = sign_and_commit(block, candidate);
}

static void
fail(struct ledger_engine *engine, struct block *block)
{
        engine->failed = true;
        for (size_t i = 0; i < block->count; i++) {
                struct ledger_outcome outcome = {
                    .err = block->err, .id = block->pending[i]->id, .why = block->why};

                finish(engine, &outcome);
        }
        if (engine->options.on_failure != NULL)
                engine->options.on_failure(engine->options.arg, block->err, &block->why);
}

static void
settle(struct ledger_engine *engine, struct block *block)
{
        uint32_t index = 0;

        for (size_t i = 0; i < block->count; i++) {
                struct ledger_outcome outcome = {
                    .err = block->txs[i].result, .id = block->pending[i]->id};

                if (outcome.err == LX_ERR_LIMIT) {
                        ledger_mempool_return(engine->pool, &outcome.id);
                        continue;
                }
                if (outcome.err == LX_OK) {
                        outcome.height = block->header.height;
                        outcome.index = index++;
                } else {
                        outcome.why = block->txs[i].why;
                }
                finish(engine, &outcome);
        }
}

static void
end_block(struct lx_job *job)
{
        struct block *block = (struct block *)job;
        struct ledger_engine *engine = block->engine;
        bool committed = block->err == LX_OK && (block->included > 0 || block->may_be_empty);

        engine->building = false;
        engine->last_block_ms = lx_clock_now_ms();
        if (committed && engine->options.on_block != NULL)
                engine->options.on_block(engine->options.arg, &block->header, block->included);
        if (block->err != LX_OK)
                fail(engine, block);
        else
                settle(engine, block);
        lx_free(block->txs);
        lx_free(block->pending);
        lx_free(block);
        maybe_build(engine, false);
}

/* Whatever waits goes into one block: the busier the disk, the larger the blocks. */
static void
maybe_build(struct ledger_engine *engine, bool may_be_empty)
{
        struct ledger_view *view;
        struct block *block;
        size_t waiting = ledger_mempool_count(engine->pool, NULL);

        if (engine->building || engine->failed || engine->stopping ||
            (waiting == 0 && !may_be_empty))
                return;
        block = lx_alloc(sizeof(*block));
        block->job.run = run_block;
        block->job.done = end_block;
        block->engine = engine;
        block->may_be_empty = may_be_empty;
        if (waiting > BLOCK_TXS_MAX)
                waiting = BLOCK_TXS_MAX;
        block->pending = lx_alloc_array(waiting + 1, sizeof(*block->pending));
        block->txs = lx_alloc_array(waiting + 1, sizeof(*block->txs));
        view = ledger_view_new(engine->options.ledger);
        block->count = ledger_mempool_take(engine->pool, block->pending, waiting,
            ledger_view_params(view)->value[SIGCHAIN_BLOCK_BYTES]);
        ledger_view_unref(view);
        for (size_t i = 0; i < block->count; i++) {
                block->txs[i].bytes = block->pending[i]->bytes;
                block->txs[i].len = block->pending[i]->len;
        }
        engine->building = true;
        ledger_executor_submit(engine->options.executor, &block->job);
}

/* ---- submitting -------------------------------------------------------------------------------- */

static void
run_check(struct lx_job *job)
{
        struct submission *s = (struct submission *)job;
        const struct lx_crypto_ops *ops = lx_crypto_ops();

        s->outcome.err = sigchain_tx_decode(&ops->hash, s->bytes, s->len, &s->tx);
        if (s->outcome.err != LX_OK) {
                lx_why_set(&s->outcome.why, "the transaction is malformed: %s",
                    lx_err_text(s->outcome.err));
                return;
        }
        s->outcome.id = s->tx.id;
        if (!lx_hash_eq(&s->tx.chain_id, ledger_chain_id(s->engine->options.ledger))) {
                s->outcome.err = LX_ERR_RULE;
                lx_why_set(&s->outcome.why, "rule chain-id: the transaction is for another network");
                return;
        }
        s->outcome.err = sigchain_tx_verify(ops, &s->tx);
        if (s->outcome.err != LX_OK)
                lx_why_set(&s->outcome.why, "a signature of the transaction does not verify");
}

/* Handing the same transaction in twice is fine: the second one hears what became of the first. */
static bool
is_known(struct submission *s)
{
        struct ledger_view *view = ledger_view_new(s->engine->options.ledger);
        struct lx_buf bytes = {0};
        bool known = ledger_get_tx(view, &s->tx.id, &bytes, &s->outcome.height, &s->outcome.index) ==
            LX_OK;

        lx_buf_clear(&bytes);
        ledger_view_unref(view);
        return known;
}

static void
accept_tx(struct submission *s)
{
        struct ledger_engine *engine = s->engine;
        struct ledger_view *view = ledger_view_new(engine->options.ledger);
        uint64_t height = ledger_view_header(view)->height;

        ledger_view_unref(view);
        s->outcome.err = ledger_mempool_add(engine->pool, &s->tx, s->bytes, s->len, height,
            s->now_ms, false, &s->outcome.why);
        if (s->outcome.err == LX_OK && s->wait == LEDGER_WAIT_FINAL) {
                add_waiter(engine, &s->tx.id, s->waiter);
                s->waiter = NULL;
        }
        maybe_build(engine, false);
}

static void
end_check(struct lx_job *job)
{
        struct submission *s = (struct submission *)job;

        if (s->engine->failed || s->engine->stopping) {
                s->outcome.err = s->engine->failed ? LX_ERR_IO : LX_ERR_STOPPED;
                lx_why_set(&s->outcome.why, "the node %s", s->engine->failed
                    ? "can't write its store: see its log" : "is stopping");
        }
        if (s->outcome.err == LX_OK && !is_known(s))
                accept_tx(s);
        if (s->waiter != NULL)
                tell(s->waiter, &s->outcome);
        lx_free(s->bytes);
        lx_free(s);
}

void
ledger_engine_submit(struct ledger_engine *engine, const uint8_t *bytes, size_t len,
    enum ledger_wait wait, uint64_t now_ms,
    void (*done)(void *arg, const struct ledger_outcome *outcome), void *arg)
{
        struct submission *s = lx_alloc(sizeof(*s));

        s->job.run = run_check;
        s->job.done = end_check;
        s->engine = engine;
        s->bytes = lx_memdup(bytes, len);
        s->len = len;
        s->wait = wait;
        s->now_ms = now_ms;
        s->waiter = lx_alloc(sizeof(*s->waiter));
        s->waiter->done = done;
        s->waiter->arg = arg;
        lx_pool_submit(engine->options.pool, &s->job);
}

/* ---- time, life -------------------------------------------------------------------------------- */

static uint64_t
heartbeat_ms(const struct ledger_engine *engine)
{
        struct ledger_view *view = ledger_view_new(engine->options.ledger);
        uint64_t ms = ledger_view_params(view)->value[SIGCHAIN_HEARTBEAT_MS];

        ledger_view_unref(view);
        return ms;
}

void
ledger_engine_tick(struct ledger_engine *engine, uint64_t now_ms)
{
        if (now_ms >= ledger_engine_deadline_ms(engine))
                maybe_build(engine, true);
}

uint64_t
ledger_engine_deadline_ms(const struct ledger_engine *engine)
{
        uint64_t ms = heartbeat_ms(engine);

        return ms == 0 || engine->failed ? UINT64_MAX : engine->last_block_ms + ms;
}

struct ledger_mempool *
ledger_engine_mempool(struct ledger_engine *engine)
{
        return engine->pool;
}

const char *
ledger_engine_name(const struct ledger_engine *engine)
{
        return engine != NULL ? "solo" : "none";
}

enum lx_err
ledger_solo_new(const struct ledger_engine_options *options, struct ledger_engine **out_engine,
    struct lx_why *why)
{
        const struct sigchain_valset *set = &ledger_genesis(options->ledger)->validators;
        struct lx_pubkey public;
        struct ledger_engine *engine;
        enum lx_err err = lx_sign_pubkey(options->key, &public);

        if (err != LX_OK)
                return err;
        if (set->count != 1 || memcmp(set->v[0].key.b, public.b, LX_PUBKEY_LEN) != 0) { /* public */
                lx_why_set(why, "the validator key is not that of the network's one validator");
                return LX_ERR_DENIED;
        }
        engine = lx_alloc(sizeof(*engine));
        engine->options = *options;
        engine->public = public;
        engine->pool = ledger_mempool_new(options->map_seed);
        engine->waiters = lx_map_new(options->map_seed);
        engine->last_block_ms = lx_clock_now_ms();
        *out_engine = engine;
        return LX_OK;
}

void
ledger_engine_free(struct ledger_engine *engine)
{
        size_t at = 0, key_len;
        const void *key;
        void *value;

        if (engine == NULL)
                return;
        engine->stopping = true;
        lx_pool_drain(engine->options.pool);
        ledger_executor_drain(engine->options.executor);
        while (lx_map_next(engine->waiters, &at, &key, &key_len, &value)) {
                struct ledger_outcome outcome = {.err = LX_ERR_STOPPED};

                memcpy(outcome.id.b, key, LX_HASH_LEN);
                lx_why_set(&outcome.why, "the node is stopping; hand the transaction in again");
                tell(value, &outcome);
        }
        lx_map_free(engine->waiters);
        ledger_mempool_free(engine->pool);
        lx_free(engine);
}
