/* llp/sync_headers.c - headers: asked for in runs, certificates on the pool, links in order. */
#include "config.h"
#include "llp/sync_int.h"

#include "crypto/hash.h"
#include "llp/message.h"

#include <string.h>

struct header_job {
        struct lx_job job; /* first */
        struct llp_sync *sync;
        struct run *run;
        enum lx_err err;
        unsigned bad; /* which one */
};

void
llp_sync_free_run(struct run *run)
{
        lx_buf_clear(&run->bytes);
        lx_free(run->entry);
        lx_free(run);
}

/* Forget what came of it, so that it is asked for again. */
static void
reset_run(struct run *run)
{
        lx_buf_clear(&run->bytes);
        lx_free(run->entry);
        run->entry = NULL;
        run->got = 0;
        run->ask = 0;
        run->state = PART_WANTED;
}

static void
remove_run(struct llp_sync *sync, size_t at)
{
        llp_sync_free_run(sync->run[at]);
        sync->run_count--;
        memmove(&sync->run[at], &sync->run[at + 1],
            (sync->run_count - at) * sizeof(struct run *));
}

void
llp_sync_headers_clear(struct llp_sync *sync)
{
        while (sync->run_count > 0) {
                struct run *run = sync->run[sync->run_count - 1];

                /* A job has it: its end frees it. */
                if (run->state == PART_CHECKING && !sync->stopping)
                        sync->run_count--;
                else
                        remove_run(sync, sync->run_count - 1);
        }
}

/* ---- checking ---------------------------------------------------------------------------------- */

/*
 * An answer: per header 242 bytes, var16 certificate, var16 validator set, empty when it is the one
 * of the header before; never empty for the first.
 */
static enum lx_err
read_run(struct run *run)
{
        struct lx_reader rd = lx_reader_init(run->bytes.p, run->bytes.len);
        struct lx_span set = {0};

        run->entry = lx_alloc_array(run->count, sizeof(*run->entry));
        while (rd.left > 0 && rd.err == LX_OK) {
                struct certified *entry = &run->entry[run->got];
                struct lx_span header = lx_read_span(&rd, LEDGER_HEADER_LEN), own;

                if (run->got == run->count)
                        return LX_ERR_RANGE;
                if (rd.err == LX_OK && ledger_header_decode(header.p, header.len, &entry->header) != LX_OK)
                        return LX_ERR_FORMAT;
                ledger_header_hash(&lx_crypto_ops()->hash, &entry->header, &entry->hash);
                entry->cert = lx_read_var16(&rd, LEDGER_CERT_MAX);
                own = lx_read_var16(&rd, SIGCHAIN_VALSET_BYTES_MAX);
                if (own.len > 0)
                        set = own;
                if (set.len == 0)
                        return LX_ERR_FORMAT;
                entry->set = set;
                if (rd.err == LX_OK)
                        run->got++;
        }
        return rd.err;
}

static void
run_check(struct lx_job *job)
{
        struct header_job *hj = (struct header_job *)job;
        struct run *run = hj->run;
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        const uint8_t *decoded = NULL;

        hj->err = read_run(run);
        for (hj->bad = 0; hj->err == LX_OK && hj->bad < run->got; hj->bad++) {
                const struct certified *entry = &run->entry[hj->bad];

                if (entry->set.p != decoded)
                        hj->err = sigchain_valset_decode(entry->set.p, entry->set.len, set);
                decoded = entry->set.p;
                if (hj->err == LX_OK)
                        hj->err = ledger_cert_verify(lx_crypto_ops(), &entry->header, set,
                            entry->cert.p, entry->cert.len);
        }
        lx_free(set);
}

static bool
is_current(const struct llp_sync *sync, const struct run *run)
{
        for (size_t i = 0; i < sync->run_count; i++)
                if (sync->run[i] == run)
                        return true;
        return false;
}

static void
end_check(struct lx_job *job)
{
        struct header_job *hj = (struct header_job *)job;
        struct llp_sync *sync = hj->sync;
        struct run *run = hj->run;

        if (run == sync->doubt) {
                if (!sync->stopping)
                        llp_sync_doubt_checked(sync, hj->err, hj->bad);
        } else if (sync->stopping) {
                /* llp_sync_headers_clear frees what is current. */
                if (!is_current(sync, run))
                        llp_sync_free_run(run);
        } else if (!is_current(sync, run)) {
                llp_sync_free_run(run);
        } else if (hj->err != LX_OK || run->got == 0) {
                llp_sync_punish(sync, run->peer, run->got == 0 ? 20 : 100, "header %llu: %s",
                    (unsigned long long)(run->from + hj->bad),
                    run->got == 0 ? "none came" : lx_err_text(hj->err));
                reset_run(run);
        } else {
                run->state = PART_READY;
                llp_sync_settle_headers(sync);
        }
        lx_free(hj);
        llp_sync_pump(sync);
}

/* ---- links ------------------------------------------------------------------------------------- */

/* Which part of @header does not follow from the last verified one; NULL: it follows. */
static const char *
first_wrong(const struct llp_sync *sync, const struct ledger_header *header)
{
        const struct ledger_header *before = &sync->verified;
        struct lx_hash root;

        if (!lx_hash_eq(&header->chain_id, &before->chain_id))
                return "chain id";
        if (header->height != before->height + 1)
                return "height";
        if (!lx_hash_eq(&header->previous, &sync->verified_hash))
                return "previous header";
        if (header->time_ms <= before->time_ms)
                return "time";
        if (!lx_hash_eq(&header->valset, &before->next_valset))
                return "validator set";
        merkle_frontier_root(&lx_crypto_ops()->hash, &sync->history, &root);
        return lx_hash_eq(&header->history_root, &root) ? NULL : "history root";
}

/* Certified, the next height, and on top of another header than ours: a lie, or a fork. */
static bool
is_branch(const struct llp_sync *sync, const struct ledger_header *header)
{
        return lx_hash_eq(&header->chain_id, &sync->verified.chain_id) &&
            header->height == sync->verified.height + 1 &&
            !lx_hash_eq(&header->previous, &sync->verified_hash);
}

static void
advance_verified(struct llp_sync *sync, const struct certified *entry)
{
        struct lx_hash leaf;

        sync->verified = entry->header;
        sync->verified_hash = entry->hash;
        merkle_log_leaf(&lx_crypto_ops()->hash, entry->hash.b, LX_HASH_LEN, &leaf);
        merkle_frontier_append(&lx_crypto_ops()->hash, &sync->history, &leaf, NULL, NULL);
}

/* The lowest run joins; false: it did not link, or there is no room yet. */
static bool
settle_run(struct llp_sync *sync, struct run *run)
{
        bool importing = llp_sync_snapshot_height(sync) > 0;
        unsigned i = 0, first;

        if (importing ? !llp_sync_snapshot_has_room(sync)
                      : sync->ahead_count + run->got > LLP_SYNC_AHEAD_MAX)
                return false;
        while (i < run->got && run->entry[i].header.height <= sync->verified.height)
                i++; /* The engine was faster. */
        for (first = i; i < run->got; i++) {
                const char *wrong = first_wrong(sync, &run->entry[i].header);

                if (wrong != NULL) {
                        if (i == first && !importing && is_branch(sync, &run->entry[i].header))
                                llp_sync_doubt(sync, run->peer);
                        else
                                llp_sync_punish(sync, run->peer, 100,
                                    "header %llu does not follow: %s",
                                    (unsigned long long)(run->from + i), wrong);
                        if (importing) {
                                run->got = i;
                                llp_sync_snapshot_headers(sync, run, first);
                        }
                        run->from = sync->verified.height + 1;
                        run->count -= i;
                        reset_run(run);
                        return false;
                }
                advance_verified(sync, &run->entry[i]);
                if (!importing)
                        (void)llp_sync_push_ahead(sync, &run->entry[i]);
        }
        if (importing)
                llp_sync_snapshot_headers(sync, run, first);
        return true;
}

void
llp_sync_settle_headers(struct llp_sync *sync)
{
        while (sync->run_count > 0 && sync->run[0]->state == PART_READY) {
                struct run *run = sync->run[0];

                if (!settle_run(sync, run))
                        return;
                if (run->got < run->count) {
                        run->from += run->got;
                        run->count -= run->got;
                        reset_run(run);
                } else {
                        remove_run(sync, 0);
                }
        }
}

/* ---- asking ------------------------------------------------------------------------------------ */

static void
ask_run(struct llp_sync *sync, struct run *run)
{
        struct sync_peer *peer = llp_sync_pick_peer(sync, run->from, 0);
        struct llp_request request = {.from = run->from, .count = (uint16_t)run->count};

        /* Headers are kept by pruned nodes too. */
        for (size_t i = 0; i < sync->peer_count && peer == NULL; i++) {
                struct sync_peer *p = sync->peer[i];

                if (llp_sync_is_of_use(p) && p->status.height >= run->from &&
                    p->under_way < LLP_SYNC_INFLIGHT_MAX && p->pause_until_ms <= sync->now_ms)
                        peer = p;
        }
        if (peer == NULL)
                return;
        if (peer->status.height - run->from + 1 < run->count)
                request.count = (uint16_t)(peer->status.height - run->from + 1);
        run->ask = llp_sync_ask(sync, peer, LLP_GET_HEADERS, &request);
        if (run->ask == 0)
                return;
        run->peer = peer->handle;
        run->state = PART_ASKED;
}

/* One block behind may be the engine's to commit; give it a moment. */
static bool
is_lag_old(struct llp_sync *sync, uint64_t claimed)
{
        if (claimed <= sync->verified.height) {
                sync->lag_since_ms = 0;
                return false;
        }
        if (sync->lag_since_ms == 0)
                sync->lag_since_ms = sync->now_ms + (sync->now_ms == 0);
        return claimed > sync->verified.height + 1 || sync->now_ms >= sync->lag_since_ms + LAG_MS;
}

void
llp_sync_plan_headers(struct llp_sync *sync)
{
        uint64_t import = llp_sync_snapshot_height(sync), claimed = llp_sync_claimed(sync);
        uint64_t top = import > 0 ? import : sync->tip + LLP_SYNC_AHEAD_MAX;
        uint64_t next = sync->verified.height + 1;

        if (llp_sync_snapshot_holds(sync))
                return;
        llp_sync_settle_headers(sync);
        if (top > claimed)
                top = claimed;
        while (sync->run_count > 0 && sync->run[0]->state == PART_WANTED &&
               sync->run[0]->from + sync->run[0]->count <= next)
                remove_run(sync, 0); /* The engine was faster. */
        /* Claims that went away with their peers. */
        while (sync->run_count > 0 && sync->run[sync->run_count - 1]->state == PART_WANTED &&
               sync->run[sync->run_count - 1]->from > claimed)
                remove_run(sync, sync->run_count - 1);
        if (!is_lag_old(sync, claimed))
                return;
        if (sync->run_count > 0)
                next = sync->run[sync->run_count - 1]->from + sync->run[sync->run_count - 1]->count;
        while (sync->run_count < RUNS_MAX && next <= top) {
                struct run *run = lx_alloc(sizeof(*run));

                run->from = next;
                run->count = top - next + 1 < RUN_HEADERS_MAX ? (unsigned)(top - next + 1)
                                                              : RUN_HEADERS_MAX;
                sync->run[sync->run_count++] = run;
                next += run->count;
        }
        for (size_t i = 0; i < sync->run_count; i++)
                if (sync->run[i]->state == PART_WANTED)
                        ask_run(sync, sync->run[i]);
}

void
llp_sync_check_run(struct llp_sync *sync, struct run *run, struct ask *ask)
{
        struct header_job *hj = lx_alloc(sizeof(*hj));

        run->bytes = ask->bytes;
        ask->bytes = (struct lx_buf){0};
        run->state = PART_CHECKING;
        hj->job.run = run_check;
        hj->job.done = end_check;
        hj->sync = sync;
        hj->run = run;
        lx_pool_submit(sync->options.pool, &hj->job);
}

void
llp_sync_headers_came(struct llp_sync *sync, struct ask *ask)
{
        struct run *run = NULL;

        if (llp_sync_doubt_came(sync, ask))
                return;
        for (size_t i = 0; i < sync->run_count; i++)
                if (sync->run[i]->state == PART_ASKED && sync->run[i]->ask == ask->id)
                        run = sync->run[i];
        if (run != NULL)
                llp_sync_check_run(sync, run, ask);
}

void
llp_sync_headers_failed(struct llp_sync *sync, const struct ask *ask)
{
        if (llp_sync_doubt_failed(sync, ask))
                return;
        for (size_t i = 0; i < sync->run_count; i++)
                if (sync->run[i]->state == PART_ASKED && sync->run[i]->ask == ask->id)
                        reset_run(sync->run[i]);
}
