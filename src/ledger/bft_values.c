/*
 * ledger/bft_values.c - proposed values: their parts, their bodies, building, checking, committing.
 *
 * A value goes parts -> bodies -> checking -> valid or invalid. Every node executes a value once: the proposer
 * while building it, the others while checking it; what came out is kept until the height ends and
 * committed as it is.
 */
#include "config.h"
#include "ledger/bft_engine_int.h"

#include "base/assert.h"
#include "base/log.h"

#include <string.h>

#define STASH_BYTES_MAX (32u << 20)

/* A block on its way through the executor: to be built, checked, committed, dropped or tried. */
struct block_job {
        struct lx_job job; /* first */
        struct bft_engine *e;
        uint64_t height;
        uint32_t round;
        struct lx_hash hash;
        struct ledger_header header;
        struct ledger_tx *txs;
        struct lx_hash *ids;
        struct body **bodies; /* owned copies; NULL entries are not */
        size_t count;
        uint64_t time_ms;
        struct lx_buf cert;
        struct ledger_candidate *candidate;
        enum lx_err err;
        struct lx_why why;
};

static void try_value(struct bft_engine *e, struct value *value);

/* ---- bodies ------------------------------------------------------------------------------------ */

static struct body *
copy_body(const uint8_t *bytes, size_t len)
{
        struct body *body = lx_alloc(sizeof(*body) + len);

        body->len = len;
        memcpy(body->bytes, bytes, len);
        return body;
}

static struct body *
find_body(const struct bft_engine *e, const struct lx_hash *id)
{
        const struct ledger_pending *pending = ledger_mempool_find(e->base.pool, id);
        const struct body *stashed;

        if (pending != NULL)
                return copy_body(pending->bytes, pending->len);
        stashed = lx_map_get(e->stash, id->b, LX_HASH_LEN);
        return stashed != NULL ? copy_body(stashed->bytes, stashed->len) : NULL;
}

static struct lx_hash
id_at(const struct value *value, size_t i)
{
        struct lx_hash id;

        memcpy(id.b, value->payload.p + i * LX_HASH_LEN, LX_HASH_LEN);
        return id;
}

/* Look for the bodies that are missing; ask for those that are not here. */
static void
gather(struct bft_engine *e, struct value *value)
{
        struct lx_buf missing = {0};

        for (size_t i = 0; i < value->tx_count; i++) {
                struct lx_hash id = id_at(value, i);

                if (value->body[i] != NULL)
                        continue;
                value->body[i] = find_body(e, &id);
                if (value->body[i] != NULL)
                        value->bodies_here++;
                else
                        lx_buf_append(&missing, id.b, LX_HASH_LEN);
        }
        value->asked_ms = e->now_ms;
        if (missing.len > 0 && e->base.options.net != NULL && value->peer != 0)
                e->base.options.net->want_txs(e->base.options.net->arg,
                    (const struct lx_hash *)(const void *)missing.p, missing.len / LX_HASH_LEN,
                    value->peer);
        lx_buf_clear(&missing);
}

void
bft_add_body(struct bft_engine *e, const struct lx_hash *id, const uint8_t *bytes, size_t len)
{
        for (struct value *value = e->values; value != NULL; value = value->next) {
                bool took = false;

                if (value->state != VALUE_BODIES)
                        continue;
                for (size_t i = 0; i < value->tx_count; i++) {
                        struct lx_hash at = id_at(value, i);

                        if (value->body[i] != NULL || !lx_hash_eq(&at, id))
                                continue;
                        value->body[i] = copy_body(bytes, len);
                        value->bodies_here++;
                        took = true;
                }
                if (took)
                        try_value(e, value);
        }
}

/* ---- values ------------------------------------------------------------------------------------ */

struct value *
bft_find_value(const struct bft_engine *e, const struct lx_hash *hash)
{
        for (struct value *value = e->values; value != NULL; value = value->next)
                if (lx_hash_eq(&value->hash, hash))
                        return value;
        return NULL;
}

/* All parts are here: the payload is a list of ids. */
static void
payload_complete(struct bft_engine *e, struct value *value)
{
        value->tx_count = value->payload.len / LX_HASH_LEN;
        if (value->payload.len % LX_HASH_LEN != 0) {
                value->state = VALUE_INVALID;
                ledger_bft_judge(e->machine, &value->hash, false, e->now_ms);
                return;
        }
        value->body = lx_alloc_array(value->tx_count + 1, sizeof(*value->body));
        value->state = VALUE_BODIES;
        gather(e, value);
        try_value(e, value);
}

struct value *
bft_add_value(struct bft_engine *e, const struct ledger_proposal *proposal,
    const struct lx_hash *hash, uint32_t peer)
{
        struct value *value = bft_find_value(e, hash);

        if (value != NULL)
                return value;
        value = lx_alloc(sizeof(*value));
        value->hash = *hash;
        value->proposal = *proposal;
        value->peer = peer;
        value->next = e->values;
        e->values = value;
        return value;
}

bool
bft_add_part(struct bft_engine *e, const struct ledger_part *part, uint32_t peer)
{
        for (struct value *value = e->values; value != NULL; value = value->next) {
                if (value->state != VALUE_PARTS || value->proposal.part_count != part->count ||
                    !lx_hash_eq(&value->proposal.parts_root, &part->root) ||
                    ledger_bit(value->have, part->index) ||
                    !ledger_part_verify(&lx_crypto_ops()->hash, part))
                        continue;
                if (value->payload.cap == 0)
                        (void)lx_buf_reserve(&value->payload, part->count * (size_t)LEDGER_PART_MAX);
                memcpy(value->payload.p + part->index * (size_t)LEDGER_PART_MAX, part->bytes.p,
                    part->bytes.len);
                if (part->index + 1 == part->count)
                        value->payload.len =
                            part->index * (size_t)LEDGER_PART_MAX + part->bytes.len;
                ledger_bit_set(value->have, part->index);
                value->parts_here++;
                value->peer = peer;
                if (value->parts_here == part->count)
                        payload_complete(e, value);
                return true;
        }
        return false;
}

static void
free_value(struct value *value)
{
        for (size_t i = 0; value->body != NULL && i < value->tx_count; i++)
                lx_free(value->body[i]);
        lx_free(value->body);
        lx_buf_clear(&value->payload);
        lx_free(value);
}

/* ---- the executor ------------------------------------------------------------------------------ */

static struct block_job *
new_job(struct bft_engine *e, void (*run)(struct lx_job *), void (*done)(struct lx_job *), size_t count)
{
        struct block_job *job = lx_alloc(sizeof(*job));

        job->job.run = run;
        job->job.done = done;
        job->e = e;
        job->height = e->height;
        job->count = count;
        job->txs = lx_alloc_array(count + 1, sizeof(*job->txs));
        job->ids = lx_alloc_array(count + 1, sizeof(*job->ids));
        job->bodies = lx_alloc_array(count + 1, sizeof(*job->bodies));
        return job;
}

static void
free_job(struct block_job *job)
{
        for (size_t i = 0; i < job->count; i++)
                lx_free(job->bodies[i]);
        lx_free(job->bodies);
        lx_free(job->txs);
        lx_free(job->ids);
        lx_buf_clear(&job->cert);
        lx_free(job);
}

static void
run_drop(struct lx_job *job)
{
        ledger_candidate_free(((struct block_job *)job)->candidate);
}

static void
end_drop(struct lx_job *job)
{
        free_job((struct block_job *)job);
}

/* Candidates belong to the executor's thread, in the end too. */
static void
drop_candidate(struct bft_engine *e, struct ledger_candidate *candidate)
{
        struct block_job *job;

        if (candidate == NULL)
                return;
        job = new_job(e, run_drop, end_drop, 0);
        job->candidate = candidate;
        ledger_executor_submit(e->base.options.executor, &job->job);
}

/* Whether the block would stand on the tip: sync may have been faster. */
static bool
is_on_tip(struct block_job *job)
{
        struct ledger_view *view = ledger_view_new(job->e->base.options.ledger);
        bool is = ledger_view_header(view)->height + 1 == job->height;

        ledger_view_unref(view);
        if (!is)
                job->err = LX_ERR_CHANGED;
        return is;
}

/* ---- checking ---------------------------------------------------------------------------------- */

static void
run_check(struct lx_job *base)
{
        struct block_job *job = (struct block_job *)base;

        if (is_on_tip(job))
                job->err = ledger_check_block(job->e->base.options.ledger, &job->header, job->txs,
                    job->count, &job->candidate, &job->why);
}

static bool
is_store_failure(enum lx_err err)
{
        return err == LX_ERR_IO || err == LX_ERR_CORRUPT || err == LX_ERR_NOMEM ||
            err == LX_ERR_FULL || err == LX_ERR_VERSION;
}

static void
end_check(struct lx_job *base)
{
        struct block_job *job = (struct block_job *)base;
        struct bft_engine *e = job->e;
        struct value *value = job->height == e->height ? bft_find_value(e, &job->hash) : NULL;

        (void)bft_now(e);
        if (value == NULL || job->err == LX_ERR_CHANGED) {
                drop_candidate(e, job->candidate);
        } else if (job->err == LX_OK) {
                value->candidate = job->candidate;
                value->state = VALUE_VALID;
                ledger_bft_judge(e->machine, &value->hash, true, e->now_ms);
        } else if (job->err == LX_ERR_ABSENT) {
                value->state = VALUE_WAITING; /* a manifest is not here yet */
                value->asked_ms = e->now_ms;
        } else if (is_store_failure(job->err)) {
                ledger_engine_fail(&e->base, job->err, &job->why);
        } else {
                log_warn(LEDGER, "a proposed block is not valid", "height=%llu why=\"%s\"",
                    (unsigned long long)job->height, job->why.text);
                value->state = VALUE_INVALID;
                ledger_bft_judge(e->machine, &value->hash, false, e->now_ms);
        }
        free_job(job);
        bft_pump(e);
}

/* When all bodies are here, it is checked. */
static void
try_value(struct bft_engine *e, struct value *value)
{
        struct block_job *job;

        if ((value->state != VALUE_BODIES && value->state != VALUE_WAITING) ||
            value->bodies_here < value->tx_count)
                return;
        job = new_job(e, run_check, end_check, value->tx_count);
        job->hash = value->hash;
        job->header = value->proposal.header;
        for (size_t i = 0; i < value->tx_count; i++) {
                /* The value keeps its bodies until the height ends; jobs end before it does. */
                job->bodies[i] = copy_body(value->body[i]->bytes, value->body[i]->len);
                job->txs[i].bytes = job->bodies[i]->bytes;
                job->txs[i].len = job->bodies[i]->len;
        }
        value->state = VALUE_CHECKING;
        ledger_executor_submit(e->base.options.executor, &job->job);
}

/* A value without parts, whose proposal has just come. */
static void
begin_value(struct bft_engine *e, struct value *value)
{
        if (value->state == VALUE_PARTS && value->proposal.part_count == 0)
                payload_complete(e, value);
}

void
bft_retry_values(struct bft_engine *e)
{
        for (struct value *value = e->values; value != NULL; value = value->next) {
                begin_value(e, value);
                if (e->now_ms < value->asked_ms + BFT_RETRY_MS)
                        continue;
                if (value->state == VALUE_BODIES)
                        gather(e, value);
                try_value(e, value);
        }
}

uint64_t
bft_values_deadline_ms(const struct bft_engine *e)
{
        uint64_t at = UINT64_MAX;

        for (const struct value *value = e->values; value != NULL; value = value->next)
                if ((value->state == VALUE_BODIES || value->state == VALUE_WAITING) &&
                    value->asked_ms + BFT_RETRY_MS < at)
                        at = value->asked_ms + BFT_RETRY_MS;
        return at;
}

/* ---- building ---------------------------------------------------------------------------------- */

static void
run_build(struct lx_job *base)
{
        struct block_job *job = (struct block_job *)base;

        if (is_on_tip(job))
                job->err = ledger_build(job->e->base.options.ledger, job->txs, job->count,
                    job->time_ms, &job->candidate, &job->why);
}

/* A later transaction of a chain that came before its predecessor waits for it. */
static bool
is_ahead(struct bft_engine *e, const struct body *body)
{
        struct ledger_view *view = ledger_view_new(e->base.options.ledger);
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        struct sigchain_chain chain = {.sequence = 0};
        struct lx_buf value = {0};
        bool ahead = false;

        if (sigchain_tx_decode(&lx_crypto_ops()->hash, body->bytes, body->len, tx) == LX_OK) {
                if (ledger_get_state(view, SIGCHAIN_KIND_CHAIN, tx->genesis.b, LX_HASH_LEN,
                        LEDGER_NOW, &value, NULL) == LX_OK)
                        (void)!sigchain_chain_decode(value.p, value.len, &chain);
                ahead = tx->sequence > chain.sequence;
        }
        lx_buf_clear(&value);
        lx_free(tx);
        ledger_view_unref(view);
        return ahead;
}

/* What the rules refused leaves the mempool; the rest goes back to wait until a block is final. */
static void
settle_refused(struct bft_engine *e, struct block_job *job)
{
        for (size_t i = 0; i < job->count; i++) {
                struct ledger_outcome outcome = {
                    .err = job->txs[i].result, .id = job->ids[i], .why = job->txs[i].why};

                ledger_mempool_return(e->base.pool, &job->ids[i]);
                if (outcome.err == LX_OK || outcome.err == LX_ERR_LIMIT ||
                    is_store_failure(outcome.err) ||
                    (outcome.err == LX_ERR_SEQUENCE && is_ahead(e, job->bodies[i])))
                        continue;
                ledger_engine_finish(&e->base, &outcome);
        }
}

/* A value of our own: nothing is missing. */
static struct value *
own_value(struct bft_engine *e, struct block_job *job)
{
        struct ledger_proposal proposal = {
            .header = *ledger_candidate_header(job->candidate), .valid_round = LEDGER_NO_ROUND};
        struct lx_hash hash;
        struct value *value;
        size_t n = 0;

        ledger_header_hash(&lx_crypto_ops()->hash, &proposal.header, &hash);
        value = bft_add_value(e, &proposal, &hash, 0);
        if (value->state != VALUE_PARTS)
                return value;
        value->body = lx_alloc_array(job->count + 1, sizeof(*value->body));
        for (size_t i = 0; i < job->count; i++) {
                if (job->txs[i].result != LX_OK)
                        continue;
                lx_buf_append(&value->payload, job->ids[i].b, LX_HASH_LEN);
                value->body[n++] = job->bodies[i];
                job->bodies[i] = NULL;
        }
        value->tx_count = value->bodies_here = n;
        value->proposal.part_count = (uint16_t)ledger_parts_count(value->payload.len);
        value->parts_here = value->proposal.part_count;
        memset(value->have, 0, sizeof(value->have));
        for (size_t i = 0; i < value->parts_here; i++)
                ledger_bit_set(value->have, i);
        ledger_parts_root(&lx_crypto_ops()->hash, lx_buf_span(&value->payload),
            &value->proposal.parts_root);
        value->state = VALUE_VALID;
        value->candidate = job->candidate;
        job->candidate = NULL;
        return value;
}

static void
end_build(struct lx_job *base)
{
        struct block_job *job = (struct block_job *)base;
        struct bft_engine *e = job->e;

        (void)bft_now(e);
        e->building = false;
        if (job->err == LX_OK)
                settle_refused(e, job);
        else
                for (size_t i = 0; i < job->count; i++)
                        ledger_mempool_return(e->base.pool, &job->ids[i]);
        if (job->err == LX_OK && job->height == e->height && job->round != LEDGER_NO_ROUND) {
                struct value *value = own_value(e, job);

                ledger_bft_built(e->machine, job->round, &value->hash, e->now_ms);
        } else if (job->err != LX_OK && job->err != LX_ERR_CHANGED) {
                ledger_engine_fail(&e->base, job->err, &job->why);
        }
        drop_candidate(e, job->candidate);
        free_job(job);
        bft_pump(e);
}

/* With round LEDGER_NO_ROUND: only to see what the rules say. */
static void
build(struct bft_engine *e, uint32_t round, size_t max)
{
        size_t waiting = ledger_mempool_count(e->base.pool, NULL);
        struct ledger_pending **pending;
        struct ledger_view *view;
        struct block_job *job;
        size_t count;

        if (e->building || e->base.failed || e->base.stopping)
                return;
        waiting = waiting < max ? waiting : max;
        pending = lx_alloc_array(waiting + 1, sizeof(struct ledger_pending *));
        view = ledger_view_new(e->base.options.ledger);
        count = ledger_mempool_take(e->base.pool, pending, waiting,
            ledger_view_params(view)->value[SIGCHAIN_BLOCK_BYTES]);
        ledger_view_unref(view);
        job = new_job(e, run_build, end_build, count);
        job->round = round;
        job->time_ms = bft_wall(e);
        for (size_t i = 0; i < count; i++) {
                job->ids[i] = pending[i]->id;
                job->bodies[i] = copy_body(pending[i]->bytes, pending[i]->len);
                job->txs[i].bytes = job->bodies[i]->bytes;
                job->txs[i].len = job->bodies[i]->len;
        }
        lx_free(pending);
        e->building = true;
        ledger_executor_submit(e->base.options.executor, &job->job);
}

void
bft_build(struct bft_engine *e, uint32_t round)
{
        build(e, round, BFT_BLOCK_TXS_MAX);
}

void
bft_sweep(struct bft_engine *e)
{
        build(e, LEDGER_NO_ROUND, 1000);
}

/* ---- committing -------------------------------------------------------------------------------- */

static void
run_commit(struct lx_job *base)
{
        struct block_job *job = (struct block_job *)base;

        job->err = ledger_commit(
            job->e->base.options.ledger, job->candidate, job->cert.p, job->cert.len, &job->why);
        job->candidate = NULL;
}

static void
end_commit(struct lx_job *base)
{
        struct block_job *job = (struct block_job *)base;
        struct bft_engine *e = job->e;

        (void)bft_now(e);
        e->committing = false;
        if (job->err != LX_OK && job->err != LX_ERR_CHANGED) {
                ledger_engine_fail(&e->base, job->err, &job->why);
                free_job(job);
                return;
        }
        if (job->err == LX_OK && e->base.options.on_block != NULL)
                e->base.options.on_block(e->base.options.arg, &job->header, job->count);
        for (size_t i = 0; i < job->count && job->err == LX_OK; i++) {
                struct ledger_outcome outcome = {
                    .id = job->ids[i], .height = job->height, .index = (uint32_t)i};

                ledger_engine_finish(&e->base, &outcome);
        }
        free_job(job);
        bft_next_height(e);
}

void
bft_commit(struct bft_engine *e, uint32_t round, const struct lx_hash *hash)
{
        struct value *value = bft_find_value(e, hash);
        struct block_job *job;

        if (value == NULL || value->candidate == NULL || e->committing)
                return;
        job = new_job(e, run_commit, end_commit, value->tx_count);
        for (size_t i = 0; i < value->tx_count; i++)
                job->ids[i] = id_at(value, i);
        job->header = value->proposal.header;
        job->candidate = value->candidate;
        value->candidate = NULL;
        ledger_bft_certificate(e->machine, round, hash, &job->cert);
        e->committing = true;
        ledger_executor_submit(e->base.options.executor, &job->job);
}

/* Bodies of a value that lost may be needed again: not everybody has them in its mempool. */
static void
stash(struct bft_engine *e, struct value *value)
{
        for (size_t i = 0; value->body != NULL && i < value->tx_count; i++) {
                struct lx_hash id = id_at(value, i);

                if (value->body[i] == NULL || e->stash_bytes + value->body[i]->len > STASH_BYTES_MAX ||
                    ledger_mempool_find(e->base.pool, &id) != NULL ||
                    lx_map_get(e->stash, id.b, LX_HASH_LEN) != NULL)
                        continue;
                e->stash_bytes += value->body[i]->len;
                lx_map_put(e->stash, id.b, LX_HASH_LEN, value->body[i]);
                value->body[i] = NULL;
        }
}

static void
clear_stash(struct bft_engine *e)
{
        size_t at = 0, len;
        const void *key;
        void *body;

        while (lx_map_next(e->stash, &at, &key, &len, &body))
                lx_free(body);
        lx_map_free(e->stash);
        e->stash = lx_map_new(e->base.options.map_seed);
        e->stash_bytes = 0;
}

void
bft_drop_values(struct bft_engine *e)
{
        uint32_t round;
        struct lx_hash won;
        bool decided = e->machine != NULL && ledger_bft_decision(e->machine, &round, &won);

        clear_stash(e);
        while (e->values != NULL) {
                struct value *value = e->values;

                e->values = value->next;
                drop_candidate(e, value->candidate);
                if (!e->base.stopping && (!decided || !lx_hash_eq(&won, &value->hash)))
                        stash(e, value);
                free_value(value);
        }
}
