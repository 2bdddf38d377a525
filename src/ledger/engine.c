/* ledger/engine.c - what every engine does alike: submissions, signatures, who waits for what. */
#include "config.h"
#include "ledger/engine_int.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/admit.h"
#include "ledger/evidence.h"

#include <string.h>

#define EXPIRE_EVERY_MS 1000

/* Somebody who waits for a transaction to be final. */
struct waiter {
        struct waiter *next;
        void (*done)(void *arg, const struct ledger_outcome *outcome);
        void *arg;
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

void
ledger_engine_finish(struct ledger_engine *engine, const struct ledger_outcome *outcome)
{
        struct ledger_outcome kept = *outcome; /* the id may be the mempool's, which goes */
        struct waiter *waiter = lx_map_remove(engine->waiters, kept.id.b, LX_HASH_LEN);

        ledger_mempool_remove(engine->pool, &kept.id);
        tell(waiter, &kept);
}

void
ledger_engine_fail(struct ledger_engine *engine, enum lx_err err, const struct lx_why *why)
{
        if (engine->failed)
                return;
        engine->failed = true;
        if (engine->options.on_failure != NULL)
                engine->options.on_failure(engine->options.arg, err, why);
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
        if (s->tx.version == SIGCHAIN_TX_EVIDENCE) {
                struct ledger_view *view = ledger_view_new(s->engine->options.ledger);

                s->outcome.err = ledger_evidence_check(view, &s->tx, &s->outcome.why);
                ledger_view_unref(view);
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

/* Those at @id and behind it leave, last first; who waits for them hears @err and @text. */
static void
finish_behind(struct ledger_engine *engine, struct lx_buf *ids, enum lx_err err, const char *text)
{
        for (size_t at = 0; at < ids->len; at += LX_HASH_LEN) {
                struct ledger_outcome outcome = {.err = err};

                memcpy(outcome.id.b, ids->p + at, LX_HASH_LEN);
                lx_why_set(&outcome.why, "%s", text);
                ledger_engine_finish(engine, &outcome);
        }
        lx_buf_clear(ids);
}

/* What waits in its place gives way, if admit.h said that it must. */
static enum lx_err
make_place(struct ledger_engine *engine, const struct sigchain_tx *tx, struct lx_why *why)
{
        const struct ledger_pending *same =
            ledger_mempool_at(engine->pool, &tx->genesis, tx->sequence);
        struct lx_buf ids = {0};

        if (same == NULL || lx_hash_eq(&same->id, &tx->id))
                return LX_OK;
        if (ledger_mempool_behind(engine->pool, &same->id, &ids)) {
                lx_why_set(why, "the waiting transaction %llu of this chain is being put into a block",
                    (unsigned long long)tx->sequence);
                lx_buf_clear(&ids);
                return LX_ERR_BUSY;
        }
        finish_behind(engine, &ids, LX_ERR_CHANGED, "its owner replaced it");
        return LX_OK;
}

static void
accept_tx(struct submission *s)
{
        struct ledger_engine *engine = s->engine;
        struct ledger_view *view = ledger_view_new(engine->options.ledger);
        uint64_t height = ledger_view_header(view)->height;

        s->outcome.err = ledger_admit_tx(view, engine->pool, &s->tx, &s->outcome.why);
        ledger_view_unref(view);
        /* Several of one chain handed in at once may be verified out of order. */
        if (s->outcome.err == LX_ERR_ABSENT) {
                s->outcome.err = LX_OK;
                s->outcome.why.text[0] = '\0';
        }
        if (s->outcome.err == LX_OK)
                s->outcome.err = make_place(engine, &s->tx, &s->outcome.why);
        if (s->outcome.err == LX_OK)
                s->outcome.err = ledger_mempool_add(engine->pool, &s->tx, s->bytes, s->len, height,
                    s->now_ms, false, &s->outcome.why);
        if (s->outcome.err == LX_OK && s->wait == LEDGER_WAIT_FINAL) {
                add_waiter(engine, &s->tx.id, s->waiter);
                s->waiter = NULL;
        }
        if (s->outcome.err == LX_OK && engine->ops->joined != NULL)
                engine->ops->joined(engine, &s->tx.id);
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
        if (s->outcome.err == LX_OK && s->engine->ops->verified != NULL)
                s->engine->ops->verified(s->engine, &s->tx.id, s->bytes, s->len);
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

/* ---- leaving ----------------------------------------------------------------------------------- */

enum lx_err
ledger_engine_drop(
    struct ledger_engine *engine, const uint8_t *bytes, size_t len, struct lx_why *why)
{
        const struct ledger_pending *pending = NULL;
        struct sigchain_tx *tx;
        struct lx_buf ids = {0};
        struct lx_hash id;
        enum lx_err err;

        if (len == LEDGER_DROP_LEN) {
                memcpy(id.b, bytes, LX_HASH_LEN);
                pending = ledger_mempool_find(engine->pool, &id);
        }
        if (pending == NULL) {
                lx_why_set(why, "no transaction with that id waits here: it is final already, or was "
                    "never handed in");
                return len == LEDGER_DROP_LEN ? LX_ERR_ABSENT : LX_ERR_FORMAT;
        }
        tx = lx_alloc(sizeof(*tx));
        err = sigchain_tx_decode(&lx_crypto_ops()->hash, pending->bytes, pending->len, tx);
        if (err == LX_OK)
                err = ledger_drop_verify(
                    lx_crypto_ops(), ledger_chain_id(engine->options.ledger), bytes, len, tx);
        lx_free(tx);
        if (err != LX_OK)
                lx_why_set(why, "the wish is not signed by the key that signed the transaction");
        if (err == LX_OK && ledger_mempool_behind(engine->pool, &id, &ids)) {
                lx_why_set(why, "the transaction is being put into a block: it may become final; ask again");
                err = LX_ERR_BUSY;
        }
        if (err == LX_OK)
                finish_behind(engine, &ids, LX_ERR_CHANGED, "its owner dropped it");
        if (err == LX_OK && engine->dropped != NULL)
                engine->dropped(engine->dropped_arg, bytes, len);
        lx_buf_clear(&ids);
        return err;
}

void
ledger_engine_watch_drops(struct ledger_engine *engine,
    void (*dropped)(void *arg, const uint8_t *bytes, size_t len), void *arg)
{
        engine->dropped = dropped;
        engine->dropped_arg = arg;
}

void
ledger_engine_expire(struct ledger_engine *engine, uint64_t now_ms)
{
        struct ledger_view *view = ledger_view_new(engine->options.ledger);
        struct lx_buf ids = {0};

        if (ledger_mempool_expired(
                engine->pool, ledger_view_header(view)->height, now_ms, &ids) > 0)
                finish_behind(engine, &ids, LX_ERR_EXPIRED,
                    "it was not included before its expiry, or waited too long");
        lx_buf_clear(&ids);
        ledger_view_unref(view);
}

/* ---- the table --------------------------------------------------------------------------------- */

void
ledger_engine_init(struct ledger_engine *engine, const struct ledger_engine_ops *ops,
    const struct ledger_engine_options *options)
{
        engine->ops = ops;
        engine->options = *options;
        engine->pool = ledger_mempool_new(options->map_seed);
        engine->waiters = lx_map_new(options->map_seed);
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
        if (engine->options.writer != NULL)
                ledger_executor_drain(engine->options.writer);
        while (lx_map_next(engine->waiters, &at, &key, &key_len, &value)) {
                struct ledger_outcome outcome = {.err = LX_ERR_STOPPED};

                memcpy(outcome.id.b, key, LX_HASH_LEN);
                lx_why_set(&outcome.why, "the node is stopping; hand the transaction in again");
                tell(value, &outcome);
        }
        lx_map_free(engine->waiters);
        ledger_mempool_free(engine->pool);
        engine->ops->free(engine);
}

void
ledger_engine_tick(struct ledger_engine *engine, uint64_t now_ms)
{
        if (now_ms >= engine->expire_ms) {
                engine->expire_ms = now_ms + EXPIRE_EVERY_MS;
                ledger_engine_expire(engine, now_ms);
        }
        engine->ops->tick(engine, now_ms);
}

uint64_t
ledger_engine_deadline_ms(const struct ledger_engine *engine)
{
        return engine->ops->deadline_ms(engine);
}

struct ledger_mempool *
ledger_engine_mempool(struct ledger_engine *engine)
{
        return engine->pool;
}

const char *
ledger_engine_name(const struct ledger_engine *engine)
{
        return engine != NULL ? engine->ops->name : "none";
}

void
ledger_engine_peer_up(struct ledger_engine *engine, uint32_t peer, uint64_t now_ms)
{
        if (engine->ops->peer_up != NULL)
                engine->ops->peer_up(engine, peer, now_ms);
}

void
ledger_engine_peer_down(struct ledger_engine *engine, uint32_t peer, uint64_t now_ms)
{
        if (engine->ops->peer_down != NULL)
                engine->ops->peer_down(engine, peer, now_ms);
}

enum lx_err
ledger_engine_receive(struct ledger_engine *engine, uint32_t peer, enum ledger_engine_message kind,
    const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        return engine->ops->receive != NULL
            ? engine->ops->receive(engine, peer, kind, bytes, len, now_ms)
            : LX_OK;
}

void
ledger_engine_tx_arrived(struct ledger_engine *engine, const struct lx_hash *id, uint64_t now_ms)
{
        if (engine->ops->tx_arrived != NULL)
                engine->ops->tx_arrived(engine, id, now_ms);
}

void
ledger_engine_advanced(struct ledger_engine *engine, uint64_t now_ms)
{
        if (engine->ops->advanced != NULL)
                engine->ops->advanced(engine, now_ms);
}

void
ledger_engine_set_syncing(struct ledger_engine *engine, bool syncing, uint64_t now_ms)
{
        if (engine->ops->set_syncing != NULL)
                engine->ops->set_syncing(engine, syncing, now_ms);
}

void
ledger_engine_get_status(
    const struct ledger_engine *engine, struct ledger_engine_status *out_status)
{
        struct ledger_view *view = ledger_view_new(engine->options.ledger);

        *out_status = (struct ledger_engine_status){.validator = true,
            .voting = true,
            .step = "idle",
            .height = ledger_view_header(view)->height + 1};
        ledger_view_unref(view);
        if (engine->ops->get_status != NULL)
                engine->ops->get_status(engine, out_status);
}
