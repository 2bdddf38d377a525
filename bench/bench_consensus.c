/*
 * bench/bench_consensus.c - final transactions per second of four validators in one process, each with its own store
 * on disk, journal, signature pool, executor and writer; messages are handed over in memory. The yardstick is
 * what BIP 340 verification on all cores gives each of four nodes: all cores busy, divided by four.
 *
 * Every node verifies every transaction, as if it had come from its peers; the time is from the first
 * submission until all four have all of them committed. Transport and gossip are not in it.
 */
#include "config.h"
#include "base/clock.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "bench/proc.h"
#include "bench/verify.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "kit/author.h"
#include "ledger/engine.h"
#include "ledger/kinds.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NODES 4
#define AUTHORS 400
#define EACH 20 /* transactions of an author, the first included */

struct bench;

struct node {
        struct bench *bench;
        uint32_t number;
        uint8_t key[32];
        struct ledger_storage storage;
        struct ledger_engine_net net;
        struct lld *db;
        struct ledger *ledger;
        struct lx_pool *pool;
        struct ledger_executor *executor, *writer;
        struct ledger_engine *engine;
        size_t transactions;
};

struct message {
        struct message *next;
        uint32_t from, to;
        enum ledger_engine_message kind;
        size_t len;
        uint8_t bytes[];
};

struct bench {
        char dir[256];
        unsigned run;
        struct node node[NODES];
        struct message *first, **end;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        bool woken;
        struct lx_buf document;
        struct lx_buf *txs; /* in the order they are handed in */
        size_t tx_count;
};

static void
wake(void *arg)
{
        struct bench *b = arg;

        pthread_mutex_lock(&b->lock);
        b->woken = true;
        pthread_cond_signal(&b->wake);
        pthread_mutex_unlock(&b->lock);
}

static bool
send_message(void *arg, uint32_t peer, enum ledger_engine_message kind, const void *bytes, size_t len)
{
        struct node *node = arg;
        struct message *m = lx_alloc(sizeof(*m) + len);

        m->from = node->number;
        m->to = peer - 1;
        m->kind = kind;
        m->len = len;
        memcpy(m->bytes, bytes, len);
        *node->bench->end = m;
        node->bench->end = &m->next;
        return true;
}

static void
want_txs(void *arg, const struct lx_hash *ids, size_t count, uint32_t peer)
{
        (void)arg, (void)ids, (void)count, (void)peer; /* all nodes have all of them, or will */
}

static void
punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        (void)arg, (void)peer, (void)points, (void)reason;
}

static void
on_block(void *arg, const struct ledger_header *header, size_t tx_count)
{
        (void)header;
        ((struct node *)arg)->transactions += tx_count;
}

static bool
open_node(struct bench *b, uint32_t i)
{
        struct node *node = &b->node[i];
        struct lld_options store = {
            .kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true};
        struct ledger_options ledger = {.genesis = b->document.p, .genesis_len = b->document.len};
        struct ledger_engine_options options = {.key = node->key, .map_seed = i, .net = &node->net,
            .storage = &node->storage, .on_block = on_block, .arg = node};
        struct lx_why why = {{0}};
        char path[300];

        *node = (struct node){.bench = b, .number = i};
        node->net = (struct ledger_engine_net){send_message, want_txs, punish, node};
        kit_validator_key(i, node->key);
        snprintf(path, sizeof(path), "%s/%u", b->dir, i);
        if (lld_open(path, &store, &node->db, &why) != LX_OK)
                return false;
        ledger.db = node->db;
        snprintf(path, sizeof(path), "%s/j%u", b->dir, i);
        node->pool = lx_pool_new(1, wake, b);
        node->executor = ledger_executor_new(wake, b);
        node->writer = ledger_executor_new(wake, b);
        if (ledger_open(&ledger, &node->ledger, &why) != LX_OK ||
            ledger_storage_dir_open(path, &node->storage, &why) != LX_OK)
                return false;
        options.ledger = node->ledger;
        options.pool = node->pool;
        options.executor = node->executor;
        options.writer = node->writer;
        return ledger_bft_engine_new(&options, &node->engine, &why) == LX_OK;
}

static void
close_node(struct node *node)
{
        ledger_engine_free(node->engine);
        ledger_executor_free(node->executor);
        ledger_executor_free(node->writer);
        lx_pool_free(node->pool);
        ledger_close(node->ledger);
        lld_close(node->db);
        ledger_storage_dir_close(&node->storage);
}

static void
ignore(void *arg, const struct ledger_outcome *outcome)
{
        (void)arg, (void)outcome;
}

static void
deliver(struct bench *b)
{
        while (b->first != NULL) {
                struct message *m = b->first;

                if ((b->first = m->next) == NULL)
                        b->end = &b->first;
                (void)!ledger_engine_receive(
                    b->node[m->to].engine, m->from + 1, m->kind, m->bytes, m->len, lx_clock_now_ms());
                lx_free(m);
        }
}

/* One turn of the loop that the four share; sleeps until something happens. */
static void
turn(struct bench *b)
{
        uint64_t now, deadline = UINT64_MAX;
        size_t done = 0;

        for (uint32_t i = 0; i < NODES; i++) {
                struct node *node = &b->node[i];

                done += lx_pool_reap(node->pool) + ledger_executor_reap(node->executor) +
                    ledger_executor_reap(node->writer);
                deliver(b);
                now = lx_clock_now_ms();
                if (ledger_engine_deadline_ms(node->engine) <= now)
                        ledger_engine_tick(node->engine, now);
                if (ledger_engine_deadline_ms(node->engine) < deadline)
                        deadline = ledger_engine_deadline_ms(node->engine);
        }
        pthread_mutex_lock(&b->lock);
        if (!b->woken && done == 0 && b->first == NULL) {
                struct timespec until;

                clock_gettime(CLOCK_REALTIME, &until);
                until.tv_nsec += 5000000;
                if (until.tv_nsec >= 1000000000) {
                        until.tv_sec++;
                        until.tv_nsec -= 1000000000;
                }
                pthread_cond_timedwait(&b->wake, &b->lock, &until);
        }
        b->woken = false;
        pthread_mutex_unlock(&b->lock);
}

static bool
all_have(struct bench *b, size_t count)
{
        for (uint32_t i = 0; i < NODES; i++)
                if (b->node[i].transactions < count)
                        return false;
        return true;
}

static double
final_rate(void *arg)
{
        struct bench *b = arg;
        double from, took;
        bool fine = true;

        snprintf(b->dir, sizeof(b->dir), "%s/consensus%u", bench_dir(), b->run++);
        if (mkdir(b->dir, 0700) != 0)
                return 0;
        b->first = NULL;
        b->end = &b->first;
        for (uint32_t i = 0; i < NODES; i++)
                fine = fine && open_node(b, i);
        for (uint32_t i = 0; i < NODES && fine; i++)
                for (uint32_t j = 0; j < NODES; j++)
                        if (i != j)
                                ledger_engine_peer_up(b->node[i].engine, j + 1, lx_clock_now_ms());
        from = bench_now();
        while (fine && bench_now() < from + 0.5) /* they see each other */
                turn(b);
        from = bench_now();
        for (size_t t = 0; t < b->tx_count && fine; t++) {
                for (uint32_t i = 0; i < NODES; i++)
                        ledger_engine_submit(b->node[i].engine, b->txs[t].p, b->txs[t].len,
                            LEDGER_WAIT_ACCEPTED, lx_clock_now_ms(), ignore, NULL);
                if (t % 64 == 63)
                        turn(b);
        }
        while (fine && !all_have(b, b->tx_count) && bench_now() < from + 60)
                turn(b);
        took = bench_now() - from;
        fine = fine && all_have(b, b->tx_count);
        for (uint32_t i = 0; i < NODES; i++)
                close_node(&b->node[i]);
        deliver(b);
        return fine ? (double)b->tx_count / took : 0;
}

static double
verify_share(void *arg)
{
        (void)arg;
        return verify_rate() / NODES;
}

static void
make_txs(struct bench *b)
{
        struct author *authors = lx_alloc_array(AUTHORS, sizeof(*authors));
        struct lx_hash chain_id, address;

        sigchain_chain_id(&lx_crypto_ops()->hash, b->document.p, b->document.len, &chain_id);
        b->txs = lx_alloc_array(AUTHORS * EACH, sizeof(*b->txs));
        for (size_t i = 0; i < AUTHORS; i++)
                author_init(&authors[i], i + 1, &chain_id);
        for (unsigned e = 0; e < EACH; e++)
                for (size_t i = 0; i < AUTHORS; i++) {
                        struct lx_buf *out = &b->txs[b->tx_count++];

                        if (e == 0)
                                author_begin(&authors[i], out, NULL);
                        else
                                author_create_raw(&authors[i], "hello", 5, out, NULL, &address);
                }
        for (size_t i = 0; i < AUTHORS; i++)
                author_clear(&authors[i]);
        lx_free(authors);
}

int
main(void)
{
        struct bench b = {.tx_count = 0};
        struct bench_row row = {.name = "consensus", .unit = "/s", .budget = 0.3, .rounds = 5,
            .ours = final_rate, .yardstick = verify_share, .arg = &b};
        bool holds;

        if (lx_crypto_init() != LX_OK)
                return 1;
        pthread_mutex_init(&b.lock, NULL);
        pthread_cond_init(&b.wake, NULL);
        kit_genesis(NODES, NULL, "\"heartbeat-ms\":0", &b.document);
        bench_say("making transactions");
        make_txs(&b);
        holds = bench_run(&row);
        for (size_t i = 0; i < b.tx_count; i++)
                lx_buf_clear(&b.txs[i]);
        lx_free(b.txs);
        lx_buf_clear(&b.document);
        return holds ? 0 : 1;
}
