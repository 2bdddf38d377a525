/* llp/sync_blocks.c - blocks: asked of many, checked on the pool, committed in order. */
#include "config.h"
#include "llp/sync_int.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "llp/message.h"

#include <stdio.h>
#include <string.h>

/* ---- the ring of headers ahead ----------------------------------------------------------------- */

static struct ahead *
at(struct llp_sync *sync, size_t i)
{
        return &sync->ahead[(sync->ahead_at + i) % LLP_SYNC_AHEAD_MAX];
}

struct ahead *
llp_sync_ahead(struct llp_sync *sync, uint64_t height)
{
        if (sync->ahead_count == 0 || height < at(sync, 0)->header.height ||
            height - at(sync, 0)->header.height >= sync->ahead_count)
                return NULL;
        return at(sync, (size_t)(height - at(sync, 0)->header.height));
}

bool
llp_sync_push_ahead(struct llp_sync *sync, const struct certified *entry)
{
        struct ahead *ahead;
        struct lx_hash empty;

        if (sync->ahead_count == LLP_SYNC_AHEAD_MAX)
                return false;
        ahead = at(sync, sync->ahead_count++);
        *ahead = (struct ahead){.header = entry->header, .hash = entry->hash};
        lx_buf_append(&ahead->cert, entry->cert.p, entry->cert.len);
        /* A block without transactions is known from its header. */
        merkle_log_empty_root(&lx_crypto_ops()->hash, &empty);
        if (lx_hash_eq(&empty, &entry->header.tx_root))
                ahead->state = PART_READY;
        return true;
}

static void
pop(struct llp_sync *sync)
{
        struct ahead *ahead = at(sync, 0);

        if (ahead->body != NULL && ahead->state != PART_CHECKING) {
                sync->body_bytes -= ahead->body->bytes;
                llp_sync_body_free(ahead->body);
        }
        lx_buf_clear(&ahead->cert);
        ahead->body = NULL;
        sync->ahead_at = (sync->ahead_at + 1) % LLP_SYNC_AHEAD_MAX;
        sync->ahead_count--;
}

void
llp_sync_pop_ahead(struct llp_sync *sync)
{
        /* The commit under way pops its own. */
        while (sync->ahead_count > 0 && !sync->committing && at(sync, 0)->header.height <= sync->tip)
                pop(sync);
}

void
llp_sync_blocks_clear(struct llp_sync *sync)
{
        lx_assert(!sync->committing || sync->stopping);
        while (sync->ahead_count > 0)
                pop(sync);
}

/* ---- bodies ------------------------------------------------------------------------------------ */

static void
parcel_unref(struct parcel *parcel)
{
        if (--parcel->refs > 0)
                return;
        lx_buf_clear(&parcel->bytes);
        lx_free(parcel);
}

void
llp_sync_body_free(struct body *body)
{
        if (body == NULL)
                return;
        if (body->parcel != NULL)
                parcel_unref(body->parcel);
        lx_free(body->txs);
        lx_free(body->leaves);
        lx_free(body);
}

/* A block: u32 transactions, each var32 bytes. */
enum lx_err
llp_sync_read_block(struct lx_reader *rd, struct body *body)
{
        uint32_t count = lx_read_u32(rd);

        /* No transaction is shorter than its length field and one byte. */
        if (rd->err == LX_OK && count > rd->left / 5)
                lx_reader_fail(rd, LX_ERR_RANGE);
        if (rd->err != LX_OK)
                return rd->err;
        body->txs = lx_alloc_array(count > 0 ? count : 1, sizeof(*body->txs));
        body->leaves = lx_alloc_array(count > 0 ? count : 1, sizeof(*body->leaves));
        for (; body->tx_count < count && rd->err == LX_OK; body->tx_count++) {
                struct lx_span tx = lx_read_var32(rd, SIGCHAIN_TX_MAX);

                body->txs[body->tx_count].bytes = tx.p;
                body->txs[body->tx_count].len = tx.len;
                body->bytes += tx.len + sizeof(struct ledger_tx) + LX_HASH_LEN;
        }
        return rd->err;
}

struct check_job {
        struct lx_job job; /* first */
        struct llp_sync *sync;
        struct body *body;
        uint32_t from, to;
        enum lx_err err;
        void (*done)(struct llp_sync *sync, struct body *body);
};

static void
run_check(struct lx_job *job)
{
        struct check_job *check = (struct check_job *)job;
        const struct lx_crypto_ops *ops = lx_crypto_ops();
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));

        for (uint32_t i = check->from; i < check->to && check->err == LX_OK; i++) {
                const struct ledger_tx *in = &check->body->txs[i];

                check->err = sigchain_tx_decode(&ops->hash, in->bytes, in->len, tx);
                if (check->err == LX_OK)
                        check->err = sigchain_tx_verify(ops, tx);
                if (check->err == LX_OK)
                        merkle_log_leaf(
                            &ops->hash, tx->id.b, LX_HASH_LEN, &check->body->leaves[i]);
        }
        lx_free(tx);
}

static void
end_check(struct lx_job *job)
{
        struct check_job *check = (struct check_job *)job;
        struct body *body = check->body;

        if (check->err != LX_OK && body->err == LX_OK)
                body->err = check->err;
        if (--body->pending == 0)
                check->done(check->sync, body);
        lx_free(check);
}

void
llp_sync_check_body(
    struct llp_sync *sync, struct body *body, void (*done)(struct llp_sync *, struct body *))
{
        body->pending = (body->tx_count + CHECK_TXS - 1) / CHECK_TXS;
        if (body->pending == 0) {
                done(sync, body);
                return;
        }
        for (uint32_t from = 0; from < body->tx_count; from += CHECK_TXS) {
                struct check_job *check = lx_alloc(sizeof(*check));

                check->job.run = run_check;
                check->job.done = end_check;
                check->sync = sync;
                check->body = body;
                check->from = from;
                check->to = from + CHECK_TXS < body->tx_count ? from + CHECK_TXS : body->tx_count;
                check->done = done;
                lx_pool_submit(sync->options.pool, &check->job);
        }
}

/* All signatures are checked; the ids must give the header's root. */
static void
body_checked(struct llp_sync *sync, struct body *body)
{
        struct ahead *ahead = sync->stopping ? NULL : llp_sync_ahead(sync, body->height);
        struct lx_hash root;

        if (ahead == NULL || ahead->body != body) {
                sync->body_bytes -= body->bytes;
                llp_sync_body_free(body);
                return;
        }
        if (body->err == LX_OK) {
                merkle_log_root(&lx_crypto_ops()->hash, body->leaves, body->tx_count, &root);
                if (!lx_hash_eq(&root, &ahead->header.tx_root))
                        body->err = LX_ERR_PROOF;
        }
        if (body->err != LX_OK) {
                llp_sync_punish(sync, body->peer, 100, "transactions of block %llu: %s",
                    (unsigned long long)body->height, lx_err_text(body->err));
                sync->body_bytes -= body->bytes;
                llp_sync_body_free(body);
                ahead->body = NULL;
                ahead->state = PART_WANTED;
        } else {
                ahead->state = PART_READY;
        }
        llp_sync_pump(sync);
}

/* ---- asking ------------------------------------------------------------------------------------ */

void
llp_sync_blocks_failed(struct llp_sync *sync, const struct ask *ask)
{
        if (llp_sync_snapshot_block_failed(sync, ask))
                return;
        for (unsigned i = 0; i < ask->request.count; i++) {
                struct ahead *ahead = llp_sync_ahead(sync, ask->request.from + i);

                if (ahead != NULL && ahead->state == PART_ASKED && ahead->ask == ask->id)
                        ahead->state = PART_WANTED;
        }
}

/* Blocks of an answer are for those heights that the question was for, and that still wait for it. */
static enum lx_err
take_blocks(struct llp_sync *sync, struct ask *ask, struct parcel *parcel)
{
        struct lx_reader rd = lx_reader_init(parcel->bytes.p, parcel->bytes.len);
        uint64_t height = ask->request.from, end = height + ask->request.count;

        if (rd.left == 0)
                return LX_ERR_TRUNCATED;
        for (; rd.left > 0; height++) {
                struct body *body = lx_alloc(sizeof(*body));
                struct ahead *ahead = llp_sync_ahead(sync, height);
                enum lx_err err = llp_sync_read_block(&rd, body);

                if (err == LX_OK && height >= end)
                        err = LX_ERR_RANGE;
                if (err != LX_OK || ahead == NULL || ahead->state != PART_ASKED ||
                    ahead->ask != ask->id) {
                        llp_sync_body_free(body);
                        if (err != LX_OK)
                                return err;
                        continue;
                }
                body->parcel = parcel;
                parcel->refs++;
                body->height = height;
                body->peer = ask->peer;
                ahead->body = body;
                ahead->state = PART_CHECKING;
                sync->body_bytes += body->bytes;
                llp_sync_check_body(sync, body, body_checked);
        }
        return LX_OK;
}

void
llp_sync_blocks_came(struct llp_sync *sync, struct ask *ask)
{
        struct parcel *parcel;
        enum lx_err err;

        if (llp_sync_snapshot_block_came(sync, ask))
                return;
        parcel = lx_alloc(sizeof(*parcel));
        parcel->refs = 1;
        parcel->bytes = ask->bytes;
        ask->bytes = (struct lx_buf){0};
        err = take_blocks(sync, ask, parcel);
        parcel_unref(parcel);
        if (err != LX_OK)
                llp_sync_punish(sync, ask->peer, 100, "the answer for blocks from %llu: %s",
                    (unsigned long long)ask->request.from, lx_err_text(err));
        /* What did not fit into the answer is asked for again. */
        llp_sync_blocks_failed(sync, ask);
}

/* Ask for the wanted ones from entry @from on; how many entries it covers. */
static size_t
ask_range(struct llp_sync *sync, size_t from)
{
        uint64_t height = at(sync, from)->header.height;
        struct sync_peer *peer = llp_sync_pick_peer(sync, height, 0);
        struct llp_request request = {.from = height};
        uint32_t id;

        if (peer == NULL)
                return 0;
        while (request.count < BLOCKS_MAX && from + request.count < sync->ahead_count &&
               at(sync, from + request.count)->state == PART_WANTED &&
               height + request.count <= peer->status.height)
                request.count++;
        id = llp_sync_ask(sync, peer, LLP_GET_BLOCKS, &request);
        if (id == 0)
                return 0;
        for (unsigned i = 0; i < request.count; i++) {
                at(sync, from + i)->state = PART_ASKED;
                at(sync, from + i)->ask = id;
        }
        return request.count;
}

/* ---- committing -------------------------------------------------------------------------------- */

struct commit_job {
        struct lx_job job; /* first */
        struct llp_sync *sync;
        struct ahead *item[COMMIT_BLOCKS_MAX]; /* in the ring, which waits for the job */
        size_t count, done;
        struct lx_hash missing; /* manifest; zero: none */
        enum lx_err err;
        struct lx_why why;
};

static enum lx_err
commit_one(struct commit_job *job, struct ahead *ahead, bool last)
{
        struct ledger *ledger = job->sync->options.ledger;
        struct ledger_candidate *candidate = NULL;
        struct body *body = ahead->body;
        size_t count = body != NULL ? body->tx_count : 0;
        enum lx_err err = ledger_check_block(
            ledger, &ahead->header, body != NULL ? body->txs : NULL, count, &candidate, &job->why);

        for (size_t i = 0; i < count && err == LX_ERR_ABSENT; i++)
                if (!lx_hash_is_zero(&body->txs[i].missing))
                        job->missing = body->txs[i].missing;
        if (err != LX_OK)
                return err;
        return last ? ledger_commit(ledger, candidate, ahead->cert.p, ahead->cert.len, &job->why)
                    : ledger_commit_later(
                          ledger, candidate, ahead->cert.p, ahead->cert.len, &job->why);
}

static uint64_t
tip_height(struct ledger *ledger)
{
        struct ledger_view *view = ledger_view_new(ledger);
        uint64_t height = ledger_view_header(view)->height;

        ledger_view_unref(view);
        return height;
}

/* The engine may have committed meanwhile: each block is compared with the tip of that moment. */
static void
run_commit(struct lx_job *lx)
{
        struct commit_job *job = (struct commit_job *)lx;

        for (; job->done < job->count && job->err == LX_OK; job->done++) {
                struct ahead *ahead = job->item[job->done];
                uint64_t tip = tip_height(job->sync->options.ledger);

                if (ahead->header.height <= tip)
                        continue;
                job->err = ahead->header.height != tip + 1
                    ? LX_ERR_BUSY
                    : commit_one(job, ahead, job->done + 1 == job->count);
                if (job->err != LX_OK)
                        break;
        }
}

static void
commit_failed(struct llp_sync *sync, struct commit_job *job)
{
        if (job->err == LX_ERR_ABSENT && !lx_hash_is_zero(&job->missing) &&
            llp_sync_fetch_blob(sync, LEDGER_BLOB_MANIFEST, &job->missing))
                return;
        if (job->err != LX_ERR_BUSY)
                llp_sync_fail(sync, job->err, &job->why);
}

static void
end_commit(struct lx_job *lx)
{
        struct commit_job *job = (struct commit_job *)lx;
        struct llp_sync *sync = job->sync;
        uint64_t before = sync->tip;

        sync->committing = false;
        for (size_t i = job->done; i < job->count; i++)
                job->item[i]->state = PART_READY;
        if (sync->stopping) {
                lx_free(job);
                return;
        }
        llp_sync_look(sync);
        sync->stats.blocks += job->done;
        if (job->err != LX_OK)
                commit_failed(sync, job);
        for (uint64_t h = before + 1; h <= sync->tip && sync->options.on_commit != NULL; h++)
                sync->options.on_commit(sync->options.arg, h);
        lx_free(job);
        if (sync->ahead_count == 0)
                sync->status_due_ms = sync->now_ms; /* in step: say so */
        llp_sync_pump(sync);
}

static void
commit_ready(struct llp_sync *sync)
{
        struct commit_job *job;
        size_t bytes = 0;

        if (sync->committing || sync->failed || sync->ahead_count == 0 ||
            at(sync, 0)->state != PART_READY || sync->fetch_count > 0)
                return;
        job = lx_alloc(sizeof(*job));
        job->job.run = run_commit;
        job->job.done = end_commit;
        job->sync = sync;
        while (job->count < COMMIT_BLOCKS_MAX && job->count < sync->ahead_count &&
               at(sync, job->count)->state == PART_READY && bytes < COMMIT_BYTES_MAX) {
                struct ahead *ahead = at(sync, job->count);

                ahead->state = PART_COMMITTING;
                bytes += ahead->body != NULL ? ahead->body->bytes : 0;
                job->item[job->count++] = ahead;
        }
        sync->committing = true;
        ledger_executor_submit(sync->options.executor, &job->job);
}

void
llp_sync_plan_blocks(struct llp_sync *sync)
{
        if (sync->snapshot != NULL)
                return;
        for (size_t i = 0; i < sync->ahead_count;) {
                size_t asked = 1;

                /* The lowest ones may always come, else what is above could wait for ever. */
                if (sync->body_bytes > LLP_SYNC_BYTES_MAX && i >= BLOCKS_MAX)
                        break;
                if (at(sync, i)->state == PART_WANTED)
                        asked = ask_range(sync, i);
                if (asked == 0)
                        break;
                i += asked;
        }
        commit_ready(sync);
}
