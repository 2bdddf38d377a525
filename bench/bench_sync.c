/*
 * bench/bench_sync.c - full sync of blocks full of transactions: the sync machine with a pool of all cores and
 * an executor, over RocksDB, from two peers that answer at once from memory. The yardstick does bare what cannot
 * be left out, on all cores: parse, BIP 340 verify, and puts of all records that the blocks made, in one RocksDB
 * batch a block, with as many fsyncs; it puts a block while others are verified.
 */
#include "config.h"
#include "bench/bench.h"
#include "bench/proc.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "kit/chain.h"
#include "ledger/kinds.h"
#include "llp/message.h"
#include "llp/net.h"
#include "llp/sync.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define AUTHORS 250u
#define EACH 4u                  /* transactions of an author in a block */
#define BLOCK (AUTHORS * EACH)
#define BLOCKS 24u
#define VALIDATORS 4u
#define FSYNC_EVERY 16u          /* blocks of the yardstick; ours: what a commit run has */

/* ---- the chain, in memory ---------------------------------------------------------------------- */

struct record {
        struct record *next;
        unsigned kind;
        size_t key_len, val_len;
        uint8_t bytes[];
};

struct source {
        struct lx_buf genesis;
        struct kit_ledger kit;
        uint64_t first;                 /* height of the first full block */
        struct lx_buf header_run;       /* an answer for all headers */
        struct lx_buf block[BLOCKS + 1]; /* encoded as in an answer */
        uint64_t heights;
        struct record *put[BLOCKS + 1]; /* by block; [0]: those before the full ones, unused */
        uint64_t put_bytes;
};

static struct author AUTHOR[AUTHORS];
static struct lx_hash ADDRESS[AUTHORS];

static void
add_block(struct source *s, struct lx_buf *txs, size_t count)
{
        struct lx_span *span = lx_alloc_array(count, sizeof(*span));

        for (size_t i = 0; i < count; i++)
                span[i] = lx_buf_span(&txs[i]);
        kit_ledger_add_block(&s->kit, span, count, VALIDATORS);
        lx_free(span);
}

static void
make_chain(struct source *s)
{
        struct lx_buf *txs = lx_alloc_array(BLOCK, sizeof(*txs));
        uint8_t data[200] = {0};

        kit_genesis(VALIDATORS, NULL, "\"heartbeat-ms\":0,\"chain-ops\":1000000", &s->genesis);
        kit_ledger_init(&s->kit, &s->genesis);
        for (unsigned a = 0; a < AUTHORS; a++) {
                author_init(&AUTHOR[a], a, ledger_chain_id(s->kit.ledger));
                author_begin(&AUTHOR[a], &txs[a], NULL);
        }
        add_block(s, txs, AUTHORS);
        for (unsigned a = 0; a < AUTHORS; a++) {
                lx_buf_reset(&txs[a]);
                author_create_raw(&AUTHOR[a], data, sizeof(data), &txs[a], NULL, &ADDRESS[a]);
        }
        add_block(s, txs, AUTHORS);
        s->first = 3;
        for (unsigned b = 1; b <= BLOCKS; b++) {
                for (unsigned i = 0; i < BLOCK; i++) {
                        memcpy(data, &b, sizeof(b));
                        memcpy(data + 4, &i, sizeof(i));
                        lx_buf_reset(&txs[i]);
                        author_write_raw(&AUTHOR[i % AUTHORS], &ADDRESS[i % AUTHORS], data, sizeof(data),
                            &txs[i], NULL);
                }
                add_block(s, txs, BLOCK);
        }
        s->heights = s->first + BLOCKS - 1;
        for (unsigned i = 0; i < BLOCK; i++)
                lx_buf_clear(&txs[i]);
        lx_free(txs);
}

static void
append_int(struct lx_buf *out, uint32_t v, size_t bytes)
{
        for (size_t i = bytes; i-- > 0;) {
                uint8_t byte = (uint8_t)(v >> 8 * i);

                lx_buf_append(out, &byte, 1);
        }
}

/* Headers and blocks as a peer would send them. */
static void
encode_answers(struct source *s, struct lx_buf *early)
{
        struct ledger_view *view = ledger_view_new(s->kit.ledger);
        struct lx_buf ids = {0}, bytes = {0};

        for (uint64_t h = 1; h <= s->heights; h++) {
                struct lx_buf *out = h < s->first ? &early[h] : &s->block[h - s->first + 1];
                struct ledger_header header;
                uint8_t raw[LEDGER_HEADER_LEN];

                lx_assert(ledger_get_header(view, h, &header) == LX_OK);
                ledger_header_encode(&header, raw);
                lx_buf_append(&s->header_run, raw, sizeof(raw));
                lx_buf_reset(&bytes);
                lx_assert(ledger_get_cert(view, h, &bytes) == LX_OK);
                append_int(&s->header_run, (uint32_t)bytes.len, 2);
                lx_buf_append(&s->header_run, bytes.p, bytes.len);
                lx_buf_reset(&bytes);
                if (h == 1)
                        lx_assert(ledger_get_valset(view, &header.valset, &bytes) == LX_OK);
                append_int(&s->header_run, (uint32_t)bytes.len, 2);
                lx_buf_append(&s->header_run, bytes.p, bytes.len);
                lx_buf_reset(&ids);
                lx_assert(ledger_get_tx_ids(view, h, &ids) == LX_OK);
                append_int(out, (uint32_t)(ids.len / LX_HASH_LEN), 4);
                for (size_t at = 0; at < ids.len; at += LX_HASH_LEN) {
                        struct lx_hash id;
                        uint64_t where;
                        uint32_t index;

                        memcpy(id.b, ids.p + at, LX_HASH_LEN);
                        lx_buf_reset(&bytes);
                        lx_assert(ledger_get_tx(view, &id, &bytes, &where, &index) == LX_OK);
                        append_int(out, (uint32_t)bytes.len, 4);
                        lx_buf_append(out, bytes.p, bytes.len);
                }
        }
        lx_buf_clear(&ids);
        lx_buf_clear(&bytes);
        ledger_view_unref(view);
}

/* Which block wrote a record; 0: one that is not of a full block. */
static uint64_t
block_of(const struct source *s, unsigned kind, struct lx_span key, struct lx_span value)
{
        uint64_t height = 0;

        if (kind == LEDGER_HEADER || kind == LEDGER_CERT || kind == LEDGER_BLOCK || kind == LEDGER_PAGE ||
            kind == LEDGER_STALE)
                height = lx_get_be64(key.p);
        else if (kind == LEDGER_STATE_AT)
                height = lx_get_be64(key.p + LX_HASH_LEN);
        else if (kind == LEDGER_TX_AT || kind == LEDGER_HEADER_HASH)
                height = lx_get_be64(value.p);
        return height >= s->first ? height - s->first + 1 : 0;
}

static void
add_record(struct source *s, uint64_t block, unsigned kind, struct lx_span key, struct lx_span value)
{
        struct record *r = lx_alloc(sizeof(*r) + key.len + value.len);

        r->kind = kind;
        r->key_len = key.len;
        r->val_len = value.len;
        memcpy(r->bytes, key.p, key.len);
        if (value.len > 0)
                memcpy(r->bytes + key.len, value.p, value.len);
        r->next = s->put[block];
        s->put[block] = r;
        s->put_bytes += key.len + value.len;
}

/* Every record of the full blocks; a state was put twice, by height and as the newest. */
static void
collect_records(struct source *s)
{
        for (unsigned kind = 0; kind < LEDGER_KIND_COUNT_; kind++) {
                struct lld_iter *iter = lld_iter_open(s->kit.db, NULL, kind, NULL, 0);
                struct lx_span key, value;

                for (; lld_iter_at(iter, &key, &value); lld_iter_next(iter)) {
                        uint64_t block = block_of(s, kind, key, value);

                        if (block == 0)
                                continue;
                        add_record(s, block, kind, key, value);
                        if (kind == LEDGER_STATE_AT)
                                add_record(s, block, LEDGER_STATE, LX_SPAN(key.p, LX_HASH_LEN), value);
                        if (kind == LEDGER_TX_AT) {
                                struct lx_buf tx = {0};

                                lx_assert(lld_get(s->kit.db, NULL, LEDGER_TX, key.p, key.len, &tx) == LX_OK);
                                add_record(s, block, LEDGER_TX, key, lx_buf_span(&tx));
                                lx_buf_clear(&tx);
                        }
                }
                lx_assert(lld_iter_close(iter) == LX_OK);
        }
}

/* ---- ours -------------------------------------------------------------------------------------- */

struct message {
        struct message *next;
        unsigned type, peer;
        size_t len;
        uint8_t bytes[];
};

struct node {
        struct source *source;
        struct lx_buf *early;
        struct llp_sync *sync;
        struct message *first, **end;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        bool ready;
        enum lx_err failure;
        struct lx_why why;
};

static void
notify(void *arg)
{
        struct node *node = arg;

        pthread_mutex_lock(&node->lock);
        node->ready = true;
        pthread_cond_signal(&node->wake);
        pthread_mutex_unlock(&node->lock);
}

static void
post(struct node *node, unsigned peer, unsigned type, uint32_t id, uint32_t number, bool last,
    struct lx_span part)
{
        struct llp_answer answer = {.id = id, .number = number, .last = last, .bytes = part};
        struct message *m = lx_alloc(sizeof(*m) + part.len + 16);
        struct lx_writer wr = lx_writer_init(m->bytes, part.len + 16);

        llp_answer_encode(&answer, &wr);
        lx_assert(lx_writer_end(&wr) == LX_OK);
        m->type = type;
        m->peer = peer;
        m->len = wr.len;
        *node->end = m;
        node->end = &m->next;
}

static void
answer_blocks(struct node *node, unsigned peer, const struct llp_request *request)
{
        const struct source *s = node->source;
        struct lx_buf out = {0};
        uint32_t number = 0;

        for (unsigned i = 0; i < request->count && out.len < (1u << 20); i++) {
                uint64_t h = request->from + i;
                const struct lx_buf *b = h < s->first ? &node->early[h] : &s->block[h - s->first + 1];

                if (h > s->heights)
                        break;
                lx_buf_append(&out, b->p, b->len);
        }
        for (size_t at = 0; at < out.len;) {
                size_t part = out.len - at < LLP_SYNC_PIECE_MAX ? out.len - at : LLP_SYNC_PIECE_MAX;

                post(node, peer, LLP_BLOCK, request->id, number++, at + part == out.len,
                    LX_SPAN(out.p + at, part));
                at += part;
        }
        lx_buf_clear(&out);
}

static bool
net_send(void *arg, uint32_t peer, unsigned type, const void *bytes, size_t len)
{
        struct node *node = arg;
        struct llp_request request;

        if (type == LLP_STATUS || type == LLP_NOT_FOUND)
                return true;
        lx_assert(llp_request_decode(type, bytes, len, &request) == LX_OK);
        if (type == LLP_GET_HEADERS)
                post(node, peer, LLP_HEADERS, request.id, 0, true, lx_buf_span(&node->source->header_run));
        else
                answer_blocks(node, peer, &request);
        return true;
}

static bool
net_has_room(void *arg, uint32_t peer, unsigned type)
{
        (void)arg;
        (void)peer;
        (void)type;
        return true;
}

static void
net_punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        (void)arg;
        (void)fprintf(stderr, "peer %u: %u points: %s\n", peer, points, reason);
}

static void
on_failure(void *arg, enum lx_err err, const struct lx_why *why)
{
        struct node *node = arg;

        node->failure = err;
        if (why != NULL)
                node->why = *why;
}

static void
hello(struct node *node, uint32_t peer)
{
        struct llp_status status = {.height = node->source->heights};
        uint8_t bytes[128];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        llp_sync_peer_up(node->sync, peer, 0);
        llp_status_encode(&status, &wr);
        lx_assert(llp_sync_receive(node->sync, peer, LLP_STATUS, bytes, wr.len, 0) == LX_OK);
}

/* Turns of the loop until everything is committed. */
static void
run_node(struct node *node, struct lx_pool *pool, struct ledger_executor *executor)
{
        struct llp_sync_stats stats = {0};

        while (stats.tip < node->source->heights && node->failure == LX_OK) {
                struct message *m = node->first;

                if (m != NULL) {
                        node->first = m->next;
                        if (node->first == NULL)
                                node->end = &node->first;
                        lx_assert(llp_sync_receive(node->sync, m->peer, m->type, m->bytes, m->len, 1) == LX_OK);
                        lx_free(m);
                }
                if (lx_pool_reap(pool) + ledger_executor_reap(executor) == 0 && m == NULL) {
                        pthread_mutex_lock(&node->lock);
                        while (!node->ready)
                                pthread_cond_wait(&node->wake, &node->lock);
                        node->ready = false;
                        pthread_mutex_unlock(&node->lock);
                }
                llp_sync_get_stats(node->sync, &stats);
        }
}

struct work {
        struct source source;
        struct lx_buf early[3];
        unsigned round;
};

static double
ours(void *arg)
{
        struct work *work = arg;
        const char *dir = bench_str("%s/ours%u", bench_dir(), work->round++);
        struct lld_options db = {.kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true};
        struct ledger_options options = {
            .genesis = work->source.genesis.p, .genesis_len = work->source.genesis.len};
        struct node node = {.source = &work->source, .early = work->early};
        struct llp_net net = {
            .send = net_send, .has_room = net_has_room, .punish = net_punish, .arg = &node};
        struct llp_sync_options sync = {.net = &net, .on_failure = on_failure, .arg = &node};
        double begin, took;

        node.end = &node.first;
        pthread_mutex_init(&node.lock, NULL);
        pthread_cond_init(&node.wake, NULL);
        if (lld_open(dir, &db, &options.db, NULL) != LX_OK ||
            ledger_open(&options, &sync.ledger, NULL) != LX_OK)
                return 0;
        sync.pool = lx_pool_new(0, notify, &node);
        sync.executor = ledger_executor_new(notify, &node);
        node.sync = llp_sync_new(&sync);
        begin = bench_now();
        hello(&node, 1);
        hello(&node, 2);
        run_node(&node, sync.pool, sync.executor);
        took = bench_now() - begin;
        if (node.failure != LX_OK)
                (void)fprintf(stderr, "sync failed: %s\n", node.why.text);
        llp_sync_free(node.sync);
        ledger_executor_free(sync.executor);
        lx_pool_free(sync.pool);
        ledger_close(sync.ledger);
        lld_close(options.db);
        (void)bench_shell(bench_str("rm -rf '%s'", dir));
        return node.failure == LX_OK ? BLOCK * BLOCKS / took : 0;
}

/* ---- the yardstick ----------------------------------------------------------------------------- */

/* All kinds, without looking at what is there. */
static const struct lld_kind *
bare_kinds(void)
{
        static struct lld_kind kinds[LEDGER_KIND_COUNT_];

        memcpy(kinds, ledger_kinds(), sizeof(kinds));
        for (unsigned i = 0; i < LEDGER_KIND_COUNT_; i++)
                kinds[i].policy = LLD_CURRENT;
        return kinds;
}

struct check {
        struct lx_job job; /* first */
        const struct lx_buf *block;
        bool fine;
};

static void
run_check(struct lx_job *job)
{
        struct check *check = (struct check *)job;
        struct lx_reader rd = lx_reader_init(check->block->p, check->block->len);
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        uint32_t count = lx_read_u32(&rd);

        check->fine = true;
        for (uint32_t i = 0; i < count && check->fine; i++) {
                struct lx_span one = lx_read_var32(&rd, SIGCHAIN_TX_MAX);

                check->fine = sigchain_tx_decode(&lx_crypto_ops()->hash, one.p, one.len, tx) == LX_OK &&
                    sigchain_tx_verify(lx_crypto_ops(), tx) == LX_OK;
        }
        lx_free(tx);
}

static void
end_check(struct lx_job *job)
{
        (void)job;
}

static bool
put_block(struct lld *db, const struct source *s, unsigned b)
{
        struct lld_batch *batch = lld_batch_new(db, b);
        enum lx_err err;

        for (const struct record *r = s->put[b]; r != NULL; r = r->next)
                (void)lld_batch_put(batch, r->kind, r->bytes, r->key_len, r->bytes + r->key_len, r->val_len);
        err = lld_batch_commit(batch, b % FSYNC_EVERY == 0 || b == BLOCKS, NULL);
        lld_batch_free(batch);
        return err == LX_OK;
}

static double
bare(void *arg)
{
        struct work *work = arg;
        const char *dir = bench_str("%s/bare%u", bench_dir(), work->round++);
        struct lld_options options = {
            .kinds = bare_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true};
        struct check check[BLOCKS + 1];
        struct lx_pool *pool;
        struct lld *db;
        bool fine = true;
        double begin, took;

        if (lld_open(dir, &options, &db, NULL) != LX_OK)
                return 0;
        pool = lx_pool_new(0, NULL, NULL);
        begin = bench_now();
        for (unsigned b = 1; b <= BLOCKS; b++) {
                check[b] = (struct check){
                    .job = {.run = run_check, .done = end_check}, .block = &work->source.block[b]};
                lx_pool_submit(pool, &check[b].job);
        }
        for (unsigned b = 1; b <= BLOCKS && fine; b++)
                fine = put_block(db, &work->source, b);
        lx_pool_drain(pool);
        took = bench_now() - begin;
        for (unsigned b = 1; b <= BLOCKS; b++)
                fine = fine && check[b].fine;
        lx_pool_free(pool);
        lld_close(db);
        (void)bench_shell(bench_str("rm -rf '%s'", dir));
        return fine ? BLOCK * BLOCKS / took : 0;
}

int
main(void)
{
        struct work *work;
        struct bench_row row = {.name = "sync-full", .unit = "tx/s", .budget = 0.7, .rounds = 5,
            .ours = ours, .yardstick = bare};

        if (lx_crypto_init() != LX_OK)
                return 1;
        work = lx_alloc(sizeof(*work));
        row.arg = work;
        bench_say("blocks full of transactions are being signed");
        make_chain(&work->source);
        encode_answers(&work->source, work->early);
        collect_records(&work->source);
        return bench_run(&row) ? 0 : 1;
}
