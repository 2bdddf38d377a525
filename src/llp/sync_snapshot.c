/*
 * llp/sync_snapshot.c - a new node begins from a state: headers, pieces, the block of that height, the end.
 *
 * Everything that touches the import runs as one job at a time on the executor: it takes the headers and
 * pieces that came, and brings back what is wanted now.
 *
 *      opening --none in the store--> choosing --a height that most offer--> opening
 *      opening --there it is--> fetching --nothing wanted--> block --its transactions--> finishing --> blocks
 *      fetching --nobody serves that height any more--> dropping --> choosing
 *      choosing --nobody offers one--> blocks, from block 0
 */
#include "config.h"
#include "llp/sync_int.h"

#include "crypto/hash.h"
#include "llp/message.h"

#include <string.h>

#define CHOOSE_MS 1000      /* after the first status: what others offer */
#define WANTS_MAX 512       /* known at a time */
#define RUNS_WAITING_MAX 16 /* of headers that wait for the executor */
#define PIECES_WAITING_MAX 128
#define ALONE_MS 30000      /* nobody serves the height: another one is chosen */

enum snapshot_state {
        SNAPSHOT_OPENING,
        SNAPSHOT_CHOOSING,
        SNAPSHOT_FETCHING,
        SNAPSHOT_BLOCK,
        SNAPSHOT_FINISHING,
        SNAPSHOT_DROPPING
};

/* Headers that were verified and wait to be written; bytes and entries are a run's. */
struct headers {
        struct headers *next;
        struct lx_buf bytes;
        struct certified *entry;
        unsigned first, count;
};

/* A piece that came; of a blob: it is in the blob store. */
struct piece {
        struct piece *next;
        struct ledger_want want;
        uint32_t peer;
        struct lx_buf bytes;
        enum lx_err err;
};

/* What was asked for, until the job has taken its piece. */
struct flight {
        struct ledger_want want;
        uint32_t ask; /* 0: the piece is here */
};

struct snapshot_sync {
        enum snapshot_state state;
        bool working;               /* a job is on the executor */
        struct ledger_import *import;
        uint64_t height;
        uint64_t imported;          /* height of the last header in the store */
        uint64_t since_ms;          /* choosing: the first status; fetching: somebody serves it */
        struct headers *headers, **headers_end;
        size_t headers_count;
        struct piece *pieces, **pieces_end;
        size_t piece_count;
        struct ledger_want want[WANTS_MAX];
        size_t want_count;
        bool fresh;                 /* want is as of the last job */
        struct flight flight[WANTS_MAX];
        size_t flight_count;
        struct lx_hash valset;      /* of the last header that was handed on */
        uint32_t block_ask;
        struct body *body;          /* of the block */
        bool body_here;
};

/* One job; which fields count is the state's. */
struct step {
        struct lx_job job; /* first */
        struct llp_sync *sync;
        enum snapshot_state state;
        struct ledger_import *import;
        uint64_t height;
        struct headers *headers;
        struct piece *pieces;
        struct body *body;
        struct ledger_want want[WANTS_MAX];
        size_t want_count;
        struct ledger_header last;
        struct lx_hash last_hash;
        struct merkle_frontier history;
        enum lx_err err;
        struct lx_why why;
};

/* ---- lists ------------------------------------------------------------------------------------- */

static void
free_headers(struct headers *h)
{
        while (h != NULL) {
                struct headers *next = h->next;

                lx_buf_clear(&h->bytes);
                lx_free(h->entry);
                lx_free(h);
                h = next;
        }
}

static void
free_pieces(struct piece *p)
{
        while (p != NULL) {
                struct piece *next = p->next;

                lx_buf_clear(&p->bytes);
                lx_free(p);
                p = next;
        }
}

static void
add_piece(struct snapshot_sync *s, const struct ledger_want *want, uint32_t peer, struct lx_buf *take)
{
        struct piece *piece = lx_alloc(sizeof(*piece));

        piece->want = *want;
        piece->peer = peer;
        if (take != NULL) {
                piece->bytes = *take;
                *take = (struct lx_buf){0};
        }
        *s->pieces_end = piece;
        s->pieces_end = &piece->next;
        s->piece_count++;
}

static bool
is_same(const struct ledger_want *a, const struct ledger_want *b)
{
        return a->section == b->section && a->offset == b->offset && lx_hash_eq(&a->tree, &b->tree) &&
            lx_hash_eq(&a->key, &b->key);
}

static struct flight *
find_flight(struct snapshot_sync *s, const struct ledger_want *want)
{
        for (size_t i = 0; i < s->flight_count; i++)
                if (is_same(&s->flight[i].want, want))
                        return &s->flight[i];
        return NULL;
}

static void
remove_flight(struct snapshot_sync *s, struct flight *flight)
{
        *flight = s->flight[--s->flight_count];
}

static struct flight *
flight_of_ask(struct llp_sync *sync, const struct ask *ask)
{
        struct snapshot_sync *s = sync->snapshot;

        for (size_t i = 0; s != NULL && i < s->flight_count; i++)
                if (s->flight[i].ask == ask->id)
                        return &s->flight[i];
        return NULL;
}

/* ---- the job ----------------------------------------------------------------------------------- */

static enum lx_err
write_headers(struct step *step, struct headers *h)
{
        struct ledger_certified *in = lx_alloc_array(h->count, sizeof(*in));
        enum lx_err err;

        for (unsigned i = 0; i < h->count; i++)
                in[i] = (struct ledger_certified){.header = h->entry[h->first + i].header,
                    .cert = h->entry[h->first + i].cert,
                    .set = h->entry[h->first + i].set};
        err = ledger_import_headers(step->import, in, h->count, &step->why);
        lx_free(in);
        return err;
}

static bool
is_ours(enum lx_err err)
{
        return err == LX_ERR_IO || err == LX_ERR_FULL || err == LX_ERR_NOMEM ||
            err == LX_ERR_CORRUPT || err == LX_ERR_EXISTS;
}

static void
run_fetching(struct step *step)
{
        for (struct headers *h = step->headers; h != NULL && step->err == LX_OK; h = h->next)
                step->err = write_headers(step, h);
        for (struct piece *p = step->pieces; p != NULL && step->err == LX_OK; p = p->next) {
                struct lx_why why = {{0}};

                p->err = ledger_import_put(step->import, &p->want, p->bytes.p, p->bytes.len, &why);
                if (is_ours(p->err)) {
                        step->err = p->err;
                        step->why = why;
                }
        }
        if (step->err == LX_OK)
                step->err = ledger_import_flush(step->import, &step->why);
        if (step->err == LX_OK)
                step->err =
                    ledger_import_wants(step->import, step->want, WANTS_MAX, &step->want_count);
}

static void
run_step(struct lx_job *job)
{
        struct step *step = (struct step *)job;
        struct ledger *ledger = step->sync->options.ledger;

        switch (step->state) {
        case SNAPSHOT_OPENING:
                step->err = ledger_import_open(ledger, step->height, &step->import, &step->why);
                break;
        case SNAPSHOT_FETCHING:
                run_fetching(step);
                break;
        case SNAPSHOT_FINISHING:
                step->err = ledger_import_finish(step->import,
                    step->body != NULL ? step->body->txs : NULL,
                    step->body != NULL ? step->body->tx_count : 0, &step->why);
                break;
        case SNAPSHOT_DROPPING:
                ledger_import_close(step->import);
                step->import = NULL;
                step->err = ledger_import_drop(ledger, &step->why);
                break;
        case SNAPSHOT_CHOOSING:
        case SNAPSHOT_BLOCK:
                break;
        }
        if (step->err == LX_OK && step->state == SNAPSHOT_OPENING) {
                step->height = ledger_import_height(step->import);
                (void)ledger_import_last_header(step->import, &step->last, &step->last_hash);
                ledger_import_history(step->import, &step->history);
                step->err =
                    ledger_import_wants(step->import, step->want, WANTS_MAX, &step->want_count);
        }
}

/* The import is there: headers go on from its last one. */
static void
opened(struct llp_sync *sync, struct snapshot_sync *s, struct step *step)
{
        s->import = step->import;
        if (step->err == LX_ERR_ABSENT) {
                s->state = SNAPSHOT_CHOOSING;
                return;
        }
        if (step->err != LX_OK) {
                llp_sync_fail(sync, step->err, &step->why);
                return;
        }
        llp_sync_headers_clear(sync);
        llp_sync_blocks_clear(sync);
        s->state = SNAPSHOT_FETCHING;
        s->height = step->height;
        s->imported = step->last.height;
        s->since_ms = sync->now_ms;
        sync->verified = step->last;
        sync->verified_hash = step->last_hash;
        sync->history = step->history;
        memcpy(s->want, step->want, sizeof(s->want));
        s->want_count = step->want_count;
        s->fresh = true;
}

static void
fetched(struct llp_sync *sync, struct snapshot_sync *s, struct step *step)
{
        for (struct headers *h = step->headers; h != NULL; h = h->next)
                s->imported = h->entry[h->first + h->count - 1].header.height;
        for (struct piece *p = step->pieces; p != NULL; p = p->next) {
                struct flight *flight = find_flight(s, &p->want);

                if (flight != NULL)
                        remove_flight(s, flight);
                if (p->err == LX_OK)
                        sync->stats.pieces++;
                else if (p->err != LX_ERR_ABSENT && !is_ours(p->err))
                        llp_sync_punish(sync, p->peer, 100, "a piece of the state at %llu: %s",
                            (unsigned long long)s->height, lx_err_text(p->err));
        }
        if (step->err != LX_OK) {
                llp_sync_fail(sync, step->err, &step->why);
                return;
        }
        memcpy(s->want, step->want, sizeof(s->want));
        s->want_count = step->want_count;
        s->fresh = true;
}

static void
finished(struct llp_sync *sync, struct step *step)
{
        uint64_t height = sync->snapshot->height;

        if (step->err != LX_OK) {
                llp_sync_fail(sync, step->err, &step->why);
                return;
        }
        sync->snapshot->import = NULL; /* consumed */
        llp_sync_snapshot_free(sync->snapshot);
        sync->snapshot = NULL;
        sync->status_due_ms = sync->now_ms;
        llp_sync_look(sync);
        if (sync->options.on_commit != NULL)
                sync->options.on_commit(sync->options.arg, height);
}

/* Choose again, from the beginning. */
static void
dropped(struct llp_sync *sync, struct snapshot_sync *s, struct step *step)
{
        s->import = NULL;
        if (step->err != LX_OK) {
                llp_sync_fail(sync, step->err, &step->why);
                return;
        }
        s->state = SNAPSHOT_CHOOSING;
        s->since_ms = 0;
        s->height = s->imported = 0;
        s->flight_count = s->want_count = 0;
        llp_sync_headers_clear(sync);
        sync->verified.height = 0;
        llp_sync_look(sync);
}

static void
end_step(struct lx_job *job)
{
        struct step *step = (struct step *)job;
        struct llp_sync *sync = step->sync;
        struct snapshot_sync *s = sync->snapshot;

        s->working = false;
        if (sync->stopping) {
                s->import = step->state == SNAPSHOT_FINISHING && step->err == LX_OK ? NULL : step->import;
        } else {
                switch (step->state) {
                case SNAPSHOT_OPENING:
                        opened(sync, s, step);
                        break;
                case SNAPSHOT_FETCHING:
                        fetched(sync, s, step);
                        break;
                case SNAPSHOT_FINISHING:
                        finished(sync, step);
                        break;
                case SNAPSHOT_DROPPING:
                        dropped(sync, s, step);
                        break;
                case SNAPSHOT_CHOOSING:
                case SNAPSHOT_BLOCK:
                        break;
                }
        }
        free_headers(step->headers);
        free_pieces(step->pieces);
        lx_free(step);
        llp_sync_pump(sync);
}

static void
submit(struct llp_sync *sync, enum snapshot_state state, uint64_t height)
{
        struct snapshot_sync *s = sync->snapshot;
        struct step *step = lx_alloc(sizeof(*step));

        step->job.run = run_step;
        step->job.done = end_step;
        step->sync = sync;
        step->state = state;
        step->import = s->import;
        step->height = height;
        if (state == SNAPSHOT_FETCHING) {
                step->headers = s->headers;
                step->pieces = s->pieces;
                s->headers = NULL;
                s->headers_end = &s->headers;
                s->headers_count = 0;
                s->pieces = NULL;
                s->pieces_end = &s->pieces;
                s->piece_count = 0;
        }
        step->body = s->body;
        s->working = true;
        s->fresh = false;
        ledger_executor_submit(sync->options.executor, &step->job);
}

/* ---- choosing a height ------------------------------------------------------------------------- */

/* How many peers offer @height. */
static size_t
count_offers(const struct llp_sync *sync, uint64_t height)
{
        size_t count = 0;

        for (size_t i = 0; i < sync->peer_count; i++) {
                const struct sync_peer *peer = sync->peer[i];

                for (size_t k = 0; llp_sync_is_of_use(peer) && k < peer->status.snapshot_count; k++)
                        count += peer->status.snapshot[k] == height;
        }
        return count;
}

/* The one that most offer; among those the lowest, which can't be a liar's alone. */
static uint64_t
choose_height(const struct llp_sync *sync)
{
        uint64_t best = 0;
        size_t offers = 0;

        for (size_t i = 0; i < sync->peer_count; i++) {
                const struct sync_peer *peer = sync->peer[i];

                for (size_t k = 0; llp_sync_is_of_use(peer) && k < peer->status.snapshot_count; k++) {
                        uint64_t height = peer->status.snapshot[k];
                        size_t count = count_offers(sync, height);

                        /* Of several that as many offer, a later one of the same peer is as good. */
                        if (count > offers || (count == offers && height > best &&
                                                  count * 2 > sync->peer_count)) {
                                best = height;
                                offers = count;
                        }
                }
        }
        return best;
}

static void
choose(struct llp_sync *sync, struct snapshot_sync *s)
{
        bool any = false;
        uint64_t height;

        for (size_t i = 0; i < sync->peer_count; i++)
                any = any || sync->peer[i]->has_status;
        if (!any)
                return;
        if (s->since_ms == 0)
                s->since_ms = sync->now_ms;
        if (sync->now_ms < s->since_ms + CHOOSE_MS)
                return;
        height = choose_height(sync);
        if (height == 0) {
                /* Nobody has one: from block 0, block by block. */
                sync->options.mode = LLP_SYNC_FULL;
                llp_sync_snapshot_free(s);
                sync->snapshot = NULL;
                return;
        }
        submit(sync, SNAPSHOT_OPENING, height);
}

/* ---- fetching ---------------------------------------------------------------------------------- */

static void
ask_blob(struct llp_sync *sync, struct snapshot_sync *s, const struct ledger_want *want)
{
        unsigned kind = want->key.b[0];
        uint64_t len;

        if (sync->options.blobs != NULL && !blob_has(sync->options.blobs, kind, &want->tree, &len)) {
                (void)llp_sync_fetch_blob(sync, kind, &want->tree);
                return;
        }
        s->flight[s->flight_count++] = (struct flight){.want = *want};
        add_piece(s, want, 0, NULL);
}

static bool
ask_piece(struct llp_sync *sync, struct snapshot_sync *s, const struct ledger_want *want)
{
        struct sync_peer *peer = llp_sync_pick_peer(sync, s->height, 0);
        struct llp_request request = {.from = s->height,
            .section = (uint8_t)want->section,
            .tree = want->tree,
            .key = want->key,
            .offset = want->offset};
        uint32_t id = peer != NULL ? llp_sync_ask(sync, peer, LLP_GET_SNAPSHOT, &request) : 0;

        if (id == 0)
                return false;
        s->flight[s->flight_count++] = (struct flight){.want = *want, .ask = id};
        return true;
}

static bool
is_served(const struct llp_sync *sync, uint64_t height)
{
        for (size_t i = 0; i < sync->peer_count; i++) {
                const struct sync_peer *peer = sync->peer[i];

                if (llp_sync_is_of_use(peer) && peer->status.height >= height &&
                    peer->status.earliest <= height)
                        return true;
        }
        return false;
}

/* Whether the height is worth waiting for; if not, the import goes. */
static bool
check_served(struct llp_sync *sync, struct snapshot_sync *s)
{
        if (sync->peer_count == 0 || is_served(sync, s->height))
                s->since_ms = sync->now_ms;
        if (sync->now_ms < s->since_ms + ALONE_MS || s->working)
                return true;
        s->state = SNAPSHOT_DROPPING;
        submit(sync, SNAPSHOT_DROPPING, 0);
        return false;
}

static void
fetch(struct llp_sync *sync, struct snapshot_sync *s)
{
        bool more = true;

        if (!check_served(sync, s))
                return;
        for (size_t i = 0; i < s->want_count && s->imported == s->height; i++) {
                const struct ledger_want *want = &s->want[i];

                if (s->flight_count == WANTS_MAX || s->piece_count >= PIECES_WAITING_MAX)
                        break;
                if (find_flight(s, want) != NULL)
                        continue;
                if (want->section == LEDGER_SECTION_BLOB)
                        ask_blob(sync, s, want);
                else if (more)
                        more = ask_piece(sync, s, want);
        }
        if (!s->working && (s->headers != NULL || s->pieces != NULL))
                submit(sync, SNAPSHOT_FETCHING, 0);
        if (!s->working && s->fresh && s->want_count == 0 && s->flight_count == 0 &&
            s->imported == s->height && sync->fetch_count == 0)
                s->state = SNAPSHOT_BLOCK;
}

/* ---- the block of that height ------------------------------------------------------------------- */

static void
fetch_block(struct llp_sync *sync, struct snapshot_sync *s)
{
        struct llp_request request = {.from = s->height, .count = 1};
        struct sync_peer *peer;
        struct lx_hash empty;

        merkle_log_empty_root(&lx_crypto_ops()->hash, &empty);
        if (lx_hash_eq(&empty, &sync->verified.tx_root))
                s->body_here = true;
        if (s->body_here) {
                s->state = SNAPSHOT_FINISHING;
                submit(sync, SNAPSHOT_FINISHING, 0);
                return;
        }
        if (s->block_ask != 0 || s->body != NULL)
                return;
        peer = llp_sync_pick_peer(sync, s->height, 0);
        if (peer != NULL)
                s->block_ask = llp_sync_ask(sync, peer, LLP_GET_BLOCKS, &request);
}

static void
block_checked(struct llp_sync *sync, struct body *body)
{
        struct snapshot_sync *s = sync->snapshot;
        struct lx_hash root;

        if (sync->stopping || s == NULL || s->body != body) {
                llp_sync_body_free(body);
                return;
        }
        merkle_log_root(&lx_crypto_ops()->hash, body->leaves, body->tx_count, &root);
        if (body->err == LX_OK && !lx_hash_eq(&root, &sync->verified.tx_root))
                body->err = LX_ERR_PROOF;
        if (body->err != LX_OK) {
                llp_sync_punish(sync, body->peer, 100, "transactions of block %llu: %s",
                    (unsigned long long)body->height, lx_err_text(body->err));
                s->body = NULL;
                llp_sync_body_free(body);
        } else {
                s->body_here = true;
        }
        llp_sync_pump(sync);
}

bool
llp_sync_snapshot_block_came(struct llp_sync *sync, struct ask *ask)
{
        struct snapshot_sync *s = sync->snapshot;
        struct lx_reader rd;
        struct body *body;

        if (s == NULL || s->block_ask != ask->id)
                return false;
        s->block_ask = 0;
        body = lx_alloc(sizeof(*body));
        body->parcel = lx_alloc(sizeof(*body->parcel));
        body->parcel->refs = 1;
        body->parcel->bytes = ask->bytes;
        ask->bytes = (struct lx_buf){0};
        body->height = s->height;
        body->peer = ask->peer;
        rd = lx_reader_init(body->parcel->bytes.p, body->parcel->bytes.len);
        if (llp_sync_read_block(&rd, body) != LX_OK || lx_reader_end(&rd) != LX_OK) {
                llp_sync_punish(sync, ask->peer, 100, "malformed block %llu",
                    (unsigned long long)s->height);
                llp_sync_body_free(body);
                return true;
        }
        s->body = body;
        llp_sync_check_body(sync, body, block_checked);
        return true;
}

bool
llp_sync_snapshot_block_failed(struct llp_sync *sync, const struct ask *ask)
{
        if (sync->snapshot == NULL || sync->snapshot->block_ask != ask->id)
                return false;
        sync->snapshot->block_ask = 0;
        return true;
}

/* ---- for the other parts ----------------------------------------------------------------------- */

void
llp_sync_plan_snapshot(struct llp_sync *sync)
{
        struct snapshot_sync *s = sync->snapshot;

        if (s == NULL) {
                if (sync->options.mode != LLP_SYNC_SNAPSHOT || sync->tip > 0)
                        return;
                s = sync->snapshot = lx_alloc(sizeof(*s));
                s->headers_end = &s->headers;
                s->pieces_end = &s->pieces;
                submit(sync, SNAPSHOT_OPENING, 0);
        }
        switch (s->state) {
        case SNAPSHOT_CHOOSING:
                if (!s->working)
                        choose(sync, s);
                break;
        case SNAPSHOT_FETCHING:
                fetch(sync, s);
                break;
        case SNAPSHOT_BLOCK:
                fetch_block(sync, s);
                break;
        case SNAPSHOT_OPENING:
        case SNAPSHOT_FINISHING:
        case SNAPSHOT_DROPPING:
                break;
        }
}

void
llp_sync_piece_came(struct llp_sync *sync, struct ask *ask)
{
        struct flight *flight = flight_of_ask(sync, ask);

        if (flight == NULL)
                return;
        flight->ask = 0;
        add_piece(sync->snapshot, &flight->want, ask->peer, &ask->bytes);
}

void
llp_sync_piece_failed(struct llp_sync *sync, const struct ask *ask)
{
        struct flight *flight = flight_of_ask(sync, ask);

        if (flight != NULL)
                remove_flight(sync->snapshot, flight);
}

void
llp_sync_snapshot_skip_blob(struct llp_sync *sync, unsigned kind, const struct lx_hash *root)
{
        struct snapshot_sync *s = sync->snapshot;
        struct ledger_want want = {
            .section = LEDGER_SECTION_BLOB, .tree = *root, .key = {{(uint8_t)kind}}};

        if (s == NULL || s->state != SNAPSHOT_FETCHING || find_flight(s, &want) != NULL ||
            s->flight_count == WANTS_MAX)
                return;
        s->flight[s->flight_count++] = (struct flight){.want = want};
        add_piece(s, &want, 0, NULL);
}

void
llp_sync_snapshot_free(struct snapshot_sync *s)
{
        if (s == NULL)
                return;
        free_headers(s->headers);
        free_pieces(s->pieces);
        llp_sync_body_free(s->body);
        ledger_import_close(s->import);
        lx_free(s);
}

bool
llp_sync_snapshot_holds(const struct llp_sync *sync)
{
        return sync->snapshot != NULL && sync->snapshot->state != SNAPSHOT_FETCHING;
}

uint64_t
llp_sync_snapshot_height(const struct llp_sync *sync)
{
        return sync->snapshot != NULL ? sync->snapshot->height : 0;
}

bool
llp_sync_snapshot_has_room(const struct llp_sync *sync)
{
        return sync->snapshot->headers_count < RUNS_WAITING_MAX;
}

void
llp_sync_snapshot_headers(struct llp_sync *sync, struct run *run, unsigned first)
{
        struct snapshot_sync *s = sync->snapshot;
        struct headers *h;

        if (first == run->got)
                return;
        h = lx_alloc(sizeof(*h));
        h->bytes = run->bytes;
        h->entry = run->entry;
        h->first = first;
        h->count = run->got - first;
        run->bytes = (struct lx_buf){0};
        run->entry = NULL;
        /* A set is written once, with the first header that it signed. */
        for (unsigned i = first; i < run->got; i++) {
                if (lx_hash_eq(&s->valset, &h->entry[i].header.valset))
                        h->entry[i].set = LX_SPAN(NULL, 0);
                s->valset = h->entry[i].header.valset;
        }
        *s->headers_end = h;
        s->headers_end = &h->next;
        s->headers_count++;
}
