/*
 * bench/bench_tx.c - transactions through the engine until they are final: one operation each on a
 * state of 100,000 registers, all cores, fsync per block. The yardstick does bare what cannot be
 * left out, also on all cores and block by block: parse, BIP 340 verify, and one RocksDB batch with
 * every key that ours wrote, tree pages included, with fsync; it verifies a block while it writes
 * the one before.
 *
 * Ours is the solo engine with pool, mempool and executor, as the daemon runs it. Its store is
 * RocksDB behind a thin engine that also copies each put, which is how the yardstick knows the keys.
 */
#include "config.h"
#include "bench/bench.h"
#include "bench/proc.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "ledger/engine.h"
#include "ledger/genesis_json.h"
#include "ledger/kinds.h"
#include "lld/engine_int.h"
#include "sigchain/object.h"
#include "sigchain/op.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAINS 10000u
#define RAWS 9u       /* registers of a chain beside its crypto register */
#define EACH 2u       /* transactions of a chain in one round */
#define ROUND (CHAINS * EACH)
#define TX_CAP 2560u
#define BLOCKS_MAX 256

struct account {
        struct lx_hash genesis, last;
        uint64_t sequence;
};

/* A put that ours made, followed by key and value. */
struct put {
        uint32_t kind, key_len, val_len;
};

/* What ours wrote in the round: puts one after the other, cut into blocks. */
struct record {
        struct lx_buf puts;
        size_t block_count;
        size_t end[BLOCKS_MAX]; /* of each block's puts */
        size_t txs[BLOCKS_MAX]; /* transactions in it */
};

struct bench {
        struct ledger *ledger;
        struct lld *db;
        struct lx_pool *pool, *plain;
        struct ledger_executor *executor;
        struct ledger_engine *engine;
        uint8_t validator[32];
        struct account *accounts;
        uint8_t *bytes; /* [ROUND][TX_CAP] */
        size_t *lens;
        size_t (*make)(struct bench *b, size_t chain, unsigned which, uint8_t *out);
        size_t count; /* of this wave */
        unsigned each;
        size_t done, refused;
        pthread_mutex_t lock;
        pthread_cond_t woken;
        bool wake;
        bool by_cpu; /* transactions per CPU-second, of all threads */
        void *bare; /* the yardstick's RocksDB */
};

static struct record record; /* the recording engine's callbacks have no argument of ours */

/* ---- the recording engine ---------------------------------------------------------------------- */

static void
record_put(void *b, unsigned kind, const void *key, size_t key_len, const void *val, size_t val_len)
{
        struct put put = {kind, (uint32_t)key_len, (uint32_t)val_len};
        uint8_t *to = lx_buf_reserve(&record.puts, sizeof(put) + key_len + val_len);

        memcpy(to, &put, sizeof(put));
        memcpy(to + sizeof(put), key, key_len);
        if (val_len > 0)
                memcpy(to + sizeof(put) + key_len, val, val_len);
        lx_buf_add(&record.puts, sizeof(put) + key_len + val_len);
        if (kind == LEDGER_TX)
                record.txs[record.block_count]++;
        LLD_ROCKS.batch_put(b, kind, key, key_len, val, val_len);
}

static enum lx_err
record_commit(void *b, bool sync, struct lx_why *why)
{
        if (record.block_count + 1 < BLOCKS_MAX) {
                record.end[record.block_count++] = record.puts.len;
                record.txs[record.block_count] = 0;
        }
        return LLD_ROCKS.batch_commit(b, sync, why);
}

static void
record_reset(void)
{
        lx_buf_reset(&record.puts);
        record.block_count = 0;
        record.txs[0] = 0;
}

/* ---- transactions ------------------------------------------------------------------------------ */

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* Any secret will do, as long as it is another each time. */
static void
secret_of(size_t chain, uint64_t sequence, uint8_t out[32])
{
        static const struct lx_tag tag = {"bench"};
        uint64_t in[2] = {chain, sequence};
        struct lx_hash hash;

        lx_blake2b(&tag, in, sizeof(in), &hash);
        memcpy(out, hash.b, 32);
}

static void
witness(struct sigchain_tx *tx, enum sigchain_role role, const uint8_t secret[32])
{
        struct sigchain_witness *w = &tx->witness[tx->witness_count++];
        struct lx_hash msg;

        w->role = role;
        sigchain_tx_message(ops(), role, &tx->id, &msg);
        if (lx_sign_pubkey(secret, &w->key) != LX_OK || lx_sign(secret, &msg, NULL, &w->sig) != LX_OK)
                abort();
}

/* Close, sign and encode the chain's next transaction, whose operations are set. */
static size_t
finish_tx(struct bench *b, size_t chain, struct sigchain_tx *tx, uint8_t *out)
{
        struct account *a = &b->accounts[chain];
        uint8_t now[32], next[32], core[TX_CAP];
        struct lx_writer wr = lx_writer_init(core, sizeof(core));
        struct lx_pubkey key;

        tx->chain_id = *ledger_chain_id(b->ledger);
        tx->genesis = a->genesis;
        tx->sequence = a->sequence;
        tx->previous = a->last;
        secret_of(chain, a->sequence, now);
        secret_of(chain, a->sequence + 1, next);
        if (lx_sign_pubkey(next, &key) != LX_OK)
                abort();
        sigchain_next_hash(ops(), &key, &tx->next);
        sigchain_tx_encode_core(tx, &wr);
        sigchain_tx_id(ops(), core, wr.len, &tx->id);
        witness(tx, SIGCHAIN_ROLE_CHAIN, now);
        if (a->sequence == 0) {
                secret_of(chain, UINT64_MAX, now);
                witness(tx, SIGCHAIN_ROLE_NAME, now);
        }
        wr = lx_writer_init(out, TX_CAP);
        sigchain_tx_encode(tx, &wr);
        if (lx_writer_end(&wr) != LX_OK)
                abort();
        a->last = tx->id;
        a->sequence++;
        return wr.len;
}

static void
add_op(struct sigchain_tx *tx, const struct sigchain_op_body *op, uint8_t *body, size_t cap)
{
        struct lx_writer wr = lx_writer_init(body, cap);

        sigchain_op_encode(op, &wr);
        tx->op[tx->op_count++] =
            (struct sigchain_op){.type = (uint8_t)op->type, .body = LX_SPAN(body, wr.len)};
}

/* The first of a chain: its crypto register. */
static size_t
make_first(struct bench *b, size_t chain, unsigned which, uint8_t *out)
{
        static const char *const names[] = {"kind", "kdf_mem", "kdf_passes", "kdf_lanes", "recovery",
            "recovery_use", "stamp"};
        static const uint64_t values[] = {2, 65536, 3, 1, 0, 0, 0};
        static const enum sigchain_access access[] = {0, 1, 1, 1, 2, 2, 0};
        struct lx_hash none = {{0}};
        struct sigchain_object o = {0};
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_CREATE};
        struct sigchain_tx tx = {0};
        uint8_t secret[32], data[256], body[512];
        struct lx_writer wr = lx_writer_init(data, sizeof(data));
        struct lx_pubkey key;

        (void)which;
        for (size_t i = 0; i < 7; i++)
                o.field[o.count++] = (struct sigchain_field){.name = LX_SPAN(names[i], strlen(names[i])),
                    .type = i == 4 ? SIGCHAIN_HASH : SIGCHAIN_U64, .access = access[i], .u64 = values[i],
                    .bytes = LX_SPAN(none.b, 32)};
        sigchain_object_encode(&o, &wr);
        secret_of(chain, UINT64_MAX, secret);
        if (lx_sign_pubkey(secret, &key) != LX_OK)
                abort();
        sigchain_genesis_id(ops(), &key, &b->accounts[chain].genesis);
        op.u.create.type = SIGCHAIN_CRYPTO;
        op.u.create.data = LX_SPAN(data, wr.len);
        add_op(&tx, &op, body, sizeof(body));
        return finish_tx(b, chain, &tx, out);
}

/* The second: all its raw registers. */
static size_t
make_registers(struct bench *b, size_t chain, unsigned which, uint8_t *out)
{
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_CREATE};
        struct sigchain_tx tx = {0};
        uint8_t body[RAWS][128], data[64] = {0};

        (void)which;
        op.u.create.type = SIGCHAIN_RAW;
        op.u.create.data = LX_SPAN(data, sizeof(data));
        for (size_t i = 0; i < RAWS; i++)
                add_op(&tx, &op, body[i], sizeof(body[i]));
        return finish_tx(b, chain, &tx, out);
}

/* What is measured: 64 new bytes into one of them. */
static size_t
make_write(struct bench *b, size_t chain, unsigned which, uint8_t *out)
{
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_WRITE};
        struct sigchain_tx tx = {0};
        uint8_t body[160], data[64];

        (void)which;
        lx_random(data, sizeof(data));
        sigchain_address_created(ops(), SIGCHAIN_RAW, &b->accounts[chain].genesis, 1,
            (uint8_t)(b->accounts[chain].sequence % RAWS), &op.u.write.address);
        op.u.write.data = LX_SPAN(data, sizeof(data));
        add_op(&tx, &op, body, sizeof(body));
        return finish_tx(b, chain, &tx, out);
}

static void
make_of_chain(void *arg, size_t chain)
{
        struct bench *b = arg;

        for (unsigned k = 0; k < b->each; k++) {
                size_t i = k * CHAINS + chain;

                b->lens[i] = b->make(b, chain, k, b->bytes + i * TX_CAP);
        }
}

static void
make_wave(struct bench *b, unsigned each,
    size_t (*make)(struct bench *b, size_t chain, unsigned which, uint8_t *out))
{
        b->make = make;
        b->each = each;
        b->count = CHAINS * each;
        lx_pool_for(b->plain, CHAINS, make_of_chain, b);
}

/* ---- ours -------------------------------------------------------------------------------------- */

static void
wake(void *arg)
{
        struct bench *b = arg;

        pthread_mutex_lock(&b->lock);
        b->wake = true;
        pthread_cond_signal(&b->woken);
        pthread_mutex_unlock(&b->lock);
}

static void
is_final(void *arg, const struct ledger_outcome *outcome)
{
        struct bench *b = arg;

        if (outcome->err != LX_OK && b->refused++ == 0)
                (void)fprintf(stderr, "refused: %s\n", outcome->why.text);
        b->done++;
}

static double
clock_of(const struct bench *b)
{
        return b->by_cpu ? bench_cpu() : bench_now();
}

/* Hand in the wave and be the loop until all of it is final; transactions a second. */
static double
run_wave(struct bench *b)
{
        double start = clock_of(b);

        b->done = 0;
        for (size_t i = 0; i < b->count; i++)
                ledger_engine_submit(b->engine, b->bytes + i * TX_CAP, b->lens[i], LEDGER_WAIT_FINAL,
                    lx_clock_now_ms(), is_final, b);
        while (b->done < b->count) {
                pthread_mutex_lock(&b->lock);
                while (!b->wake)
                        pthread_cond_wait(&b->woken, &b->lock);
                b->wake = false;
                pthread_mutex_unlock(&b->lock);
                (void)lx_pool_reap(b->pool);
                (void)ledger_executor_reap(b->executor);
        }
        return b->refused > 0 ? 0 : (double)b->count / (clock_of(b) - start);
}

static double
ours(void *arg)
{
        struct bench *b = arg;

        make_wave(b, EACH, make_write);
        record_reset();
        return run_wave(b);
}

/* ---- the yardstick ----------------------------------------------------------------------------- */

struct checking {
        struct bench *b;
        size_t first;
        _Atomic size_t bad;
};

static void
check_one(void *arg, size_t i)
{
        struct checking *c = arg;
        size_t at = c->first + i;
        struct sigchain_tx tx;

        if (sigchain_tx_decode(ops(), c->b->bytes + at * TX_CAP, c->b->lens[at], &tx) != LX_OK ||
            sigchain_tx_verify(lx_crypto_ops(), &tx) != LX_OK)
                c->bad++;
}

/* The writer of the yardstick: block after block, as far as they were verified. */
struct writing {
        struct bench *b;
        pthread_mutex_t lock;
        pthread_cond_t more;
        size_t ready; /* blocks */
        bool failed;
};

static size_t
put_block(struct bench *b, size_t at, size_t end, bool *out_fine)
{
        void *batch = LLD_ROCKS.batch_new(b->bare);

        while (at < end) {
                const uint8_t *p = record.puts.p + at;
                struct put put;

                memcpy(&put, p, sizeof(put));
                p += sizeof(put);
                LLD_ROCKS.batch_put(batch, put.kind, p, put.key_len, p + put.key_len, put.val_len);
                at += sizeof(put) + put.key_len + put.val_len;
        }
        *out_fine = LLD_ROCKS.batch_commit(batch, true, NULL) == LX_OK;
        LLD_ROCKS.batch_free(batch);
        return at;
}

static void *
write_blocks(void *arg)
{
        struct writing *w = arg;
        size_t at = 0;

        for (size_t block = 0; block < record.block_count; block++) {
                bool fine;

                pthread_mutex_lock(&w->lock);
                while (w->ready <= block)
                        pthread_cond_wait(&w->more, &w->lock);
                pthread_mutex_unlock(&w->lock);
                at = put_block(w->b, at, record.end[block], &fine);
                w->failed |= !fine;
        }
        return NULL;
}

static double
yardstick(void *arg)
{
        struct bench *b = arg;
        struct checking c = {.b = b};
        struct writing w = {.b = b};
        double start = clock_of(b);
        pthread_t writer;

        pthread_mutex_init(&w.lock, NULL);
        pthread_cond_init(&w.more, NULL);
        if (pthread_create(&writer, NULL, write_blocks, &w) != 0)
                return 0;
        for (size_t block = 0; block < record.block_count; block++) {
                lx_pool_for(b->plain, record.txs[block], check_one, &c);
                c.first += record.txs[block];
                pthread_mutex_lock(&w.lock);
                w.ready++;
                pthread_cond_signal(&w.more);
                pthread_mutex_unlock(&w.lock);
        }
        (void)pthread_join(writer, NULL);
        pthread_cond_destroy(&w.more);
        pthread_mutex_destroy(&w.lock);
        if (c.bad > 0 || w.failed || c.first == 0)
                return 0;
        return (double)c.first / (clock_of(b) - start);
}

/* ---- setting up -------------------------------------------------------------------------------- */

static enum lx_err
open_ledger(struct bench *b, struct lx_why *why)
{
        struct lld_options store = {.kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true};
        struct ledger_options options = {.pool = b->pool};
        struct lld_engine engine = LLD_ROCKS;
        struct lx_pubkey key;
        struct lx_buf genesis = {0};
        char hex[LX_HEX_LEN(LX_PUBKEY_LEN)], json[600];
        void *impl = NULL;
        enum lx_err err;

        memset(b->validator, 7, sizeof(b->validator));
        if (lx_sign_pubkey(b->validator, &key) != LX_OK)
                return LX_ERR_RANGE;
        lx_hex(key.b, LX_PUBKEY_LEN, hex);
        (void)snprintf(json, sizeof(json), "{\"network\":\"bench\",\"time\":\"2026-01-31T12:00:00.000Z\","
            "\"parameters\":{\"heartbeat-ms\":0},\"validators\":[{\"name\":\"v\",\"key\":\"%s\",\"power\":1}],"
            "\"allocations\":[],\"eid_prefix\":\"fd00:6c78::/32\",\"prefixes\":[]}", hex);
        engine.batch_put = record_put;
        engine.batch_commit = record_commit;
        (void)bench_shell(bench_str("mkdir -p '%s/ours' '%s/bare'", bench_dir(), bench_dir()));
        err = ledger_genesis_from_json(json, strlen(json), &genesis, why);
        if (err == LX_OK)
                err = lld_rocks_open(bench_str("%s/bare", bench_dir()), &store, true, &b->bare, why);
        if (err == LX_OK)
                err = lld_rocks_open(bench_str("%s/ours", bench_dir()), &store, true, &impl, why);
        if (err == LX_OK)
                err = lld_new(&engine, impl, &store, bench_str("%s/ours", bench_dir()), -1, &b->db, why);
        options.db = b->db;
        options.genesis = genesis.p;
        options.genesis_len = genesis.len;
        if (err == LX_OK)
                err = ledger_open(&options, &b->ledger, why);
        lx_buf_clear(&genesis);
        return err;
}

static enum lx_err
open_engine(struct bench *b, struct lx_why *why)
{
        struct ledger_engine_options options = {
            .executor = b->executor, .pool = b->pool, .key = b->validator, .map_seed = 1};

        options.ledger = b->ledger;
        return ledger_solo_new(&options, &b->engine, why);
}

static bool
fill(struct bench *b)
{
        bench_say("100,000 registers of 10,000 chains");
        record_reset();
        make_wave(b, 1, make_first);
        if (run_wave(b) <= 0)
                return false;
        record_reset();
        make_wave(b, 1, make_registers);
        if (run_wave(b) <= 0)
                return false;
        /* So that the first yardstick has something of the right kind. */
        return ours(b) > 0;
}

int
main(void)
{
        static struct bench b = {.lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER};
        struct bench_row row = {.name = "tx commit / parse, verify, put", .unit = "tx/s",
            .budget = 0.7, .rounds = 5, .ours = ours, .yardstick = yardstick, .arg = &b};
        struct lx_why why = {{0}};
        enum lx_err err;

        if (lx_crypto_init() != LX_OK)
                return 1;
        b.pool = lx_pool_new(0, wake, &b);
        b.plain = lx_pool_new(0, NULL, NULL);
        b.executor = ledger_executor_new(wake, &b);
        b.accounts = lx_alloc_array(CHAINS, sizeof(*b.accounts));
        b.bytes = lx_alloc_array(ROUND, TX_CAP);
        b.lens = lx_alloc_array(ROUND, sizeof(*b.lens));
        err = open_ledger(&b, &why);
        if (err == LX_OK)
                err = open_engine(&b, &why);
        if (err != LX_OK || !fill(&b)) {
                (void)fprintf(stderr, "bench_tx: %s\n", why.text);
                return 1;
        }
        (void)bench_run(&row);
        row.name = "the same by CPU time";
        row.unit = "tx/cpu-s";
        b.by_cpu = true;
        (void)bench_run(&row);
        ledger_engine_free(b.engine);
        ledger_executor_free(b.executor);
        lx_pool_free(b.pool);
        lx_pool_free(b.plain);
        ledger_close(b.ledger);
        lld_close(b.db);
        LLD_ROCKS.close(b.bare);
        lx_buf_clear(&record.puts);
        lx_free(b.accounts);
        lx_free(b.bytes);
        lx_free(b.lens);
        return 0;
}
