/*
 * tests/scale/join.c - joining late: a chain of BLOCKS blocks with REGISTERS registers on RocksDB, and new nodes
 * that join it from three peers, of which one lies, by full sync and by snapshot sync. By hand: make join.
 *
 *      join DIRECTORY BLOCKS REGISTERS
 *
 * The chain is built once in DIRECTORY/source and used again by later runs with the same figures. Prints what
 * each way took; fails when a node does not end with the same tip and state, or a liar is not banned.
 */
#include "config.h"
#include "base/assert.h"
#include "base/clock.h"
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
#include <stdlib.h>
#include <string.h>

#define VALIDATORS 4u
#define AUTHORS 50u
#define OPS 20u     /* registers of one transaction */
#define PEERS 3u    /* handles 1 to 3; 1 lies; the node is 4 */
#define ROOM (512u << 10)

static struct lx_buf genesis;
static const struct lx_span NO_TX[1];

/* ---- a ledger on disk -------------------------------------------------------------------------- */

struct store {
        struct lld *db;
        struct blob_store *blobs;
        struct ledger *ledger;
};

static void
open_store(struct store *s, const char *dir)
{
        struct lld_options db = {.kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true,
            .write_buffer_bytes = 128u << 20};
        struct ledger_options options = {.genesis = genesis.p, .genesis_len = genesis.len,
            .tree_cache_bytes = 256u << 20};
        struct lx_why why = {{0}};

        if (lld_open(dir, &db, &s->db, &why) != LX_OK ||
            blob_open(dir, ledger_blob_kinds(), LEDGER_BLOB_COUNT_, &s->blobs, &why) != LX_OK) {
                (void)fprintf(stderr, "%s: %s\n", dir, why.text);
                exit(1);
        }
        options.db = s->db;
        options.blobs = s->blobs;
        if (ledger_open(&options, &s->ledger, &why) != LX_OK) {
                (void)fprintf(stderr, "%s: %s\n", dir, why.text);
                exit(1);
        }
}

static void
close_store(struct store *s)
{
        ledger_close(s->ledger);
        blob_close(s->blobs);
        lld_close(s->db);
}

static uint64_t
tip_of(const struct store *s, struct lx_hash *out_hash)
{
        struct ledger_view *view = ledger_view_new(s->ledger);
        uint64_t height = ledger_view_header(view)->height;

        *out_hash = *ledger_view_header_hash(view);
        ledger_view_unref(view);
        return height;
}

/* ---- the chain --------------------------------------------------------------------------------- */

static void
must(enum lx_err err, const struct lx_why *why)
{
        if (err == LX_OK)
                return;
        (void)fprintf(stderr, "%s: %s\n", lx_err_text(err), why->text);
        exit(1);
}

static void
add_block(struct store *s, const struct lx_span *txs, size_t count, bool last)
{
        static struct sigchain_valset set;
        struct ledger_tx *in = lx_alloc_array(count + 1, sizeof(*in));
        struct ledger_candidate *candidate;
        struct lx_buf cert = {0};
        struct lx_why why = {{0}};
        struct lx_span bytes;

        for (size_t i = 0; i < count; i++)
                in[i] = (struct ledger_tx){.bytes = txs[i].p, .len = txs[i].len};
        must(ledger_build(s->ledger, in, count, 0, &candidate, &why), &why);
        for (size_t i = 0; i < count; i++)
                must(in[i].result, &in[i].why);
        bytes = ledger_candidate_valset(candidate);
        must(sigchain_valset_decode(bytes.p, bytes.len, &set), &why);
        kit_certify(ledger_candidate_header(candidate), &set, VALIDATORS, 3, &cert);
        must(last ? ledger_commit(s->ledger, candidate, cert.p, cert.len, &why)
                  : ledger_commit_later(s->ledger, candidate, cert.p, cert.len, &why), &why);
        lx_buf_clear(&cert);
        lx_free(in);
}

/* @count registers by one transaction. */
static void
write_registers(struct author *a, uint64_t first, unsigned count, struct lx_buf *out)
{
        struct sigchain_op_body op[OPS];
        uint64_t data[OPS][4];

        for (unsigned i = 0; i < count; i++) {
                memset(data[i], 0x77, sizeof(data[i]));
                data[i][0] = first + i;
                op[i] = (struct sigchain_op_body){.type = SIGCHAIN_OP_CREATE};
                op[i].u.create.type = SIGCHAIN_RAW;
                op[i].u.create.data = LX_SPAN(data[i], sizeof(data[i]));
        }
        lx_buf_reset(out);
        author_write_tx(a, op, count, out, NULL);
}

static void
build(struct store *s, uint64_t blocks, uint64_t registers)
{
        static struct author author[AUTHORS];
        struct lx_buf tx[AUTHORS] = {{0}};
        struct lx_span span[AUTHORS];
        uint64_t made = 0, start = lx_clock_now_ms();

        for (unsigned a = 0; a < AUTHORS; a++) {
                author_init(&author[a], a, ledger_chain_id(s->ledger));
                author_begin(&author[a], &tx[a], NULL);
                span[a] = lx_buf_span(&tx[a]);
        }
        add_block(s, span, AUTHORS, false);
        for (uint64_t h = 2; h <= blocks; h++) {
                /* Spread evenly: many full blocks early, every block after them has a transaction or two. */
                uint64_t left = blocks - h + 1;
                size_t count = made >= registers ? 0
                    : made + left * OPS < registers + AUTHORS * OPS ? AUTHORS
                                                                    : 1;

                if (h % 3 == 0 && count == 1)
                        count = 0;
                for (size_t i = 0; i < count; i++) {
                        write_registers(&author[(h + i) % AUTHORS], made, OPS, &tx[i]);
                        made += OPS;
                        span[i] = lx_buf_span(&tx[i]);
                }
                add_block(s, count > 0 ? span : NO_TX, count, h == blocks || h % 1000 == 0);
                if (h % 5000 == 0)
                        (void)fprintf(stderr, "built %llu blocks, %llu registers, %.0f s\n",
                            (unsigned long long)h, (unsigned long long)made,
                            (double)(lx_clock_now_ms() - start) / 1000);
        }
        for (unsigned a = 0; a < AUTHORS; a++) {
                author_clear(&author[a]);
                lx_buf_clear(&tx[a]);
        }
}

/* ---- nodes ------------------------------------------------------------------------------------- */

struct message {
        struct message *next;
        uint32_t from, to;
        unsigned type;
        size_t len;
        uint8_t bytes[];
};

struct node;

struct world {
        struct node *node[PEERS + 2]; /* by handle */
        struct message *first, **end;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        bool ready;
};

struct node {
        struct world *world;
        uint32_t handle;
        bool lies;
        uint64_t lied;
        struct llp_sync *sync;
        struct llp_net net;
        struct lx_pool *pool;
        struct ledger_executor *executor;
        uint64_t to[PEERS + 2]; /* bytes under way */
        unsigned points[PEERS + 2];
        enum lx_err failure;
        struct lx_why why;
};

static void
notify(void *arg)
{
        struct world *w = arg;

        pthread_mutex_lock(&w->lock);
        w->ready = true;
        pthread_cond_signal(&w->wake);
        pthread_mutex_unlock(&w->lock);
}

static bool
is_up(const struct node *node, uint32_t peer)
{
        const struct world *w = node->world;

        return w->node[peer] != NULL && node->points[peer] < LLP_PUNISH_BAN &&
            w->node[peer]->points[node->handle] < LLP_PUNISH_BAN;
}

static bool
net_send(void *arg, uint32_t to, unsigned type, const void *bytes, size_t len)
{
        struct node *node = arg;
        struct message *m;

        if (!is_up(node, to))
                return false;
        m = lx_alloc(sizeof(*m) + len);
        *m = (struct message){.from = node->handle, .to = to, .type = type, .len = len};
        memcpy(m->bytes, bytes, len);
        if (node->lies && (type == LLP_BLOCK || type == LLP_SNAPSHOT_PIECE) && len > 400) {
                m->bytes[len - 60] ^= 1;
                node->lied++;
        }
        node->to[to] += len;
        *node->world->end = m;
        node->world->end = &m->next;
        return true;
}

static bool
net_has_room(void *arg, uint32_t to, unsigned type)
{
        struct node *node = arg;

        (void)type;
        return is_up(node, to) && node->to[to] + LLP_PIECE_MAX + 16 <= ROOM;
}

static void
net_punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        struct node *node = arg;

        (void)fprintf(stderr, "  peer %u: %u points: %s\n", peer, points, reason);
        node->points[peer] += points;
}

static void
on_failure(void *arg, enum lx_err err, const struct lx_why *why)
{
        struct node *node = arg;

        node->failure = err;
        if (why != NULL)
                node->why = *why;
}

static struct node *
add_node(struct world *w, uint32_t handle, const struct store *store, enum llp_sync_mode mode, bool lies)
{
        struct node *node = lx_alloc(sizeof(*node));
        struct llp_sync_options options = {.ledger = store->ledger, .blobs = store->blobs, .mode = mode,
            .on_failure = on_failure, .arg = node};

        node->world = w;
        node->handle = handle;
        node->lies = lies;
        node->net = (struct llp_net){
            .send = net_send, .has_room = net_has_room, .punish = net_punish, .arg = node};
        node->pool = lx_pool_new(handle > PEERS ? 0 : 1, notify, w);
        node->executor = ledger_executor_new(notify, w);
        options.net = &node->net;
        options.pool = node->pool;
        options.executor = node->executor;
        w->node[handle] = node;
        node->sync = llp_sync_new(&options);
        return node;
}

static void
free_node(struct node *node)
{
        llp_sync_free(node->sync);
        ledger_executor_free(node->executor);
        lx_pool_free(node->pool);
        lx_free(node);
}

/* Once both ends know that one gave the other enough points. */
static void
drop_banned(struct world *w, struct node *joiner, uint64_t now)
{
        for (uint32_t p = 1; p <= PEERS; p++)
                if (w->node[p] != NULL && !is_up(joiner, p)) {
                        llp_sync_peer_down(joiner->sync, p, now);
                        llp_sync_peer_down(w->node[p]->sync, joiner->handle, now);
                }
}

static bool
turn(struct world *w, uint64_t now)
{
        struct message *m = w->first;
        bool worked = m != NULL;

        if (m != NULL) {
                struct node *to = w->node[m->to], *from = w->node[m->from];

                w->first = m->next;
                if (w->first == NULL)
                        w->end = &w->first;
                from->to[m->to] -= m->len;
                if (is_up(to, m->from) &&
                    llp_sync_receive(to->sync, m->from, m->type, m->bytes, m->len, now) != LX_OK)
                        net_punish(to, m->from, LLP_PUNISH_BAN, "malformed");
                lx_free(m);
        }
        for (uint32_t h = 1; h <= PEERS + 1; h++) {
                worked = lx_pool_reap(w->node[h]->pool) + ledger_executor_reap(w->node[h]->executor) > 0 || worked;
                if (now >= llp_sync_deadline_ms(w->node[h]->sync))
                        llp_sync_tick(w->node[h]->sync, now);
        }
        return worked;
}

static void
sleep_a_while(struct world *w)
{
        struct timespec until;

        (void)timespec_get(&until, TIME_UTC);
        until.tv_nsec += 5000000;
        if (until.tv_nsec >= 1000000000) {
                until.tv_nsec -= 1000000000;
                until.tv_sec++;
        }
        pthread_mutex_lock(&w->lock);
        if (!w->ready)
                (void)pthread_cond_timedwait(&w->wake, &w->lock, &until);
        w->ready = false;
        pthread_mutex_unlock(&w->lock);
}

static void
report(const char *name, struct node *joiner, uint64_t start, uint64_t blocks, uint64_t registers)
{
        struct llp_sync_stats stats;
        double s = (double)(lx_clock_now_ms() - start) / 1000;

        llp_sync_get_stats(joiner->sync, &stats);
        (void)printf("%-9s %llu blocks, %llu registers: %.1f s, %.1f MiB received, %llu questions, %llu pieces, "
            "%llu timeouts\n", name, (unsigned long long)blocks, (unsigned long long)registers, s,
            (double)stats.bytes_in / (1 << 20), (unsigned long long)stats.requests,
            (unsigned long long)stats.pieces, (unsigned long long)stats.timeouts);
        (void)fflush(stdout);
}

static bool
join(const struct store *source, const char *dir, enum llp_sync_mode mode, uint64_t registers)
{
        struct world w = {0};
        struct store store;
        struct node *joiner;
        struct lx_hash want, got = {{0}};
        struct ledger_stats stats;
        struct ledger_view *view;
        uint64_t blocks = tip_of(source, &want), start = lx_clock_now_ms(), told = start, now = start;
        bool fine;

        w.end = &w.first;
        pthread_mutex_init(&w.lock, NULL);
        pthread_cond_init(&w.wake, NULL);
        open_store(&store, dir);
        for (uint32_t h = 1; h <= PEERS; h++)
                (void)add_node(&w, h, source, LLP_SYNC_FULL, h == 1);
        joiner = add_node(&w, PEERS + 1, &store, mode, false);
        for (uint32_t h = 1; h <= PEERS; h++) {
                llp_sync_peer_up(joiner->sync, h, now);
                llp_sync_peer_up(w.node[h]->sync, joiner->handle, now);
        }
        while (tip_of(&store, &got) < blocks && joiner->failure == LX_OK) {
                now = lx_clock_now_ms();
                if (!turn(&w, now))
                        sleep_a_while(&w);
                drop_banned(&w, joiner, now);
                if (now > told + 10000) {
                        struct llp_sync_stats at;

                        told = now;
                        llp_sync_get_stats(joiner->sync, &at);
                        (void)fprintf(stderr, "  %s: tip %llu, verified %llu, %llu pieces\n", at.phase,
                            (unsigned long long)at.tip, (unsigned long long)at.verified,
                            (unsigned long long)at.pieces);
                }
        }
        report(mode == LLP_SYNC_FULL ? "full" : "snapshot", joiner, start, blocks, registers);
        view = ledger_view_new(store.ledger);
        ledger_get_stats(view, &stats);
        ledger_view_unref(view);
        fine = lx_hash_eq(&want, &got) && stats.registers >= registers && joiner->points[1] >= LLP_PUNISH_BAN &&
            joiner->points[2] == 0 && joiner->points[3] == 0 && w.node[1]->lied > 0;
        if (!fine)
                (void)fprintf(stderr, "NOT in step: tip %llu of %llu, %llu registers, points %u %u %u: %s\n",
                    (unsigned long long)tip_of(&store, &got), (unsigned long long)blocks,
                    (unsigned long long)stats.registers, joiner->points[1], joiner->points[2],
                    joiner->points[3], joiner->why.text);
        for (uint32_t h = 1; h <= PEERS + 1; h++)
                free_node(w.node[h]);
        while (w.first != NULL) {
                struct message *m = w.first;

                w.first = m->next;
                lx_free(m);
        }
        close_store(&store);
        return fine;
}

int
main(int argc, char **argv)
{
        char path[3][512];
        struct store source;
        struct lx_hash hash;
        uint64_t blocks, registers;
        bool fine;

        if (argc != 4 || lx_crypto_init() != LX_OK) {
                (void)fprintf(stderr, "usage: join DIRECTORY BLOCKS REGISTERS\n");
                return 2;
        }
        blocks = strtoull(argv[2], NULL, 10);
        registers = strtoull(argv[3], NULL, 10);
        kit_genesis(VALIDATORS, NULL, "\"heartbeat-ms\":0,\"chain-ops\":1000000", &genesis);
        (void)snprintf(path[0], sizeof(path[0]), "%s/source", argv[1]);
        (void)snprintf(path[1], sizeof(path[1]), "%s/full", argv[1]);
        (void)snprintf(path[2], sizeof(path[2]), "%s/snapshot", argv[1]);
        open_store(&source, path[0]);
        if (tip_of(&source, &hash) < blocks)
                build(&source, blocks, registers);
        fine = join(&source, path[2], LLP_SYNC_SNAPSHOT, registers);
        fine = join(&source, path[1], LLP_SYNC_FULL, registers) && fine;
        close_store(&source);
        lx_buf_clear(&genesis);
        return fine ? 0 : 1;
}
