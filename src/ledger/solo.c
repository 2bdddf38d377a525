/* ledger/solo.c - the solo engine: one key, a block as soon as there is something to write. */
#include "config.h"
#include "ledger/engine_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <string.h>

#define BLOCK_TXS_MAX 10000 /* taken at once */

struct solo {
        struct ledger_engine base; /* first */
        bool building;
        uint64_t last_block_ms; /* monotonic */
};

/* A block on its way through the executor. */
struct block {
        struct lx_job job; /* first */
        struct solo *solo;
        struct ledger_tx *txs;
        struct ledger_pending **pending;
        size_t count;
        bool may_be_empty;
        size_t included;
        struct ledger_header header;
        enum lx_err err;
        struct lx_why why;
};

static void maybe_build(struct solo *solo, bool may_be_empty);

/* ---- building ---------------------------------------------------------------------------------- */

static enum lx_err
sign_and_commit(struct block *block, struct ledger_candidate *candidate)
{
        const struct ledger_engine *engine = &block->solo->base;
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

        block->err = ledger_build(block->solo->base.options.ledger, block->txs, block->count,
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
        for (size_t i = 0; i < block->count; i++) {
                struct ledger_outcome outcome = {
                    .err = block->err, .id = block->pending[i]->id, .why = block->why};

                ledger_engine_finish(engine, &outcome);
        }
        ledger_engine_fail(engine, block->err, &block->why);
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
                ledger_engine_finish(engine, &outcome);
        }
}

static void
end_block(struct lx_job *job)
{
        struct block *block = (struct block *)job;
        struct solo *solo = block->solo;
        struct ledger_engine *engine = &solo->base;
        bool committed = block->err == LX_OK && (block->included > 0 || block->may_be_empty);

        solo->building = false;
        solo->last_block_ms = lx_clock_now_ms();
        if (committed && engine->options.on_block != NULL)
                engine->options.on_block(engine->options.arg, &block->header, block->included);
        if (block->err != LX_OK)
                fail(engine, block);
        else
                settle(engine, block);
        lx_free(block->txs);
        lx_free(block->pending);
        lx_free(block);
        maybe_build(solo, false);
}

/* Whatever waits goes into one block: the busier the disk, the larger the blocks. */
static void
maybe_build(struct solo *solo, bool may_be_empty)
{
        struct ledger_engine *engine = &solo->base;
        struct ledger_view *view;
        struct block *block;
        size_t waiting = ledger_mempool_count(engine->pool, NULL);

        if (solo->building || engine->failed || engine->stopping ||
            (waiting == 0 && !may_be_empty))
                return;
        block = lx_alloc(sizeof(*block));
        block->job.run = run_block;
        block->job.done = end_block;
        block->solo = solo;
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
        solo->building = true;
        ledger_executor_submit(engine->options.executor, &block->job);
}

/* ---- the engine -------------------------------------------------------------------------------- */

static void
solo_joined(struct ledger_engine *engine, const struct lx_hash *id)
{
        (void)id;
        maybe_build((struct solo *)engine, false);
}

static uint64_t
solo_deadline_ms(const struct ledger_engine *engine)
{
        const struct solo *solo = (const struct solo *)engine;
        struct ledger_view *view = ledger_view_new(engine->options.ledger);
        uint64_t ms = ledger_view_params(view)->value[SIGCHAIN_HEARTBEAT_MS];

        ledger_view_unref(view);
        return ms == 0 || engine->failed ? UINT64_MAX : solo->last_block_ms + ms;
}

static void
solo_tick(struct ledger_engine *engine, uint64_t now_ms)
{
        if (now_ms >= solo_deadline_ms(engine))
                maybe_build((struct solo *)engine, true);
}

static void
solo_free(struct ledger_engine *engine)
{
        lx_free(engine);
}

enum lx_err
ledger_solo_new(const struct ledger_engine_options *options, struct ledger_engine **out_engine,
    struct lx_why *why)
{
        static const struct ledger_engine_ops ops = {.name = "solo",
            .free = solo_free,
            .tick = solo_tick,
            .deadline_ms = solo_deadline_ms,
            .joined = solo_joined};
        const struct sigchain_valset *set = &ledger_genesis(options->ledger)->validators;
        struct lx_pubkey public;
        struct solo *solo;
        enum lx_err err = lx_sign_pubkey(options->key, &public);

        if (err != LX_OK)
                return err;
        if (set->count != 1 || memcmp(set->v[0].key.b, public.b, LX_PUBKEY_LEN) != 0) { /* public */
                lx_why_set(why, "the validator key is not that of the network's one validator");
                return LX_ERR_DENIED;
        }
        solo = lx_alloc(sizeof(*solo));
        ledger_engine_init(&solo->base, &ops, options);
        solo->base.public = public;
        solo->last_block_ms = lx_clock_now_ms();
        *out_engine = &solo->base;
        return LX_OK;
}
