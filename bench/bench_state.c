/*
 * bench/bench_state.c - the state tree on RocksDB: 10,000 random updates in one block on a million
 * keys, 64 MiB of cache, against a batch put of the same values into a RocksDB of its own. Both with
 * fsync.
 */
#include "config.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "bench/proc.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "lld/store.h"
#include "merkle/state.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 1000000u
#define UPDATES 10000u

static const struct lld_kind KINDS[] = {{"page", LLD_VERSIONED, 0, 1, 0}, {"stale", LLD_VERSIONED, 0, 0, 0},
    {"value", LLD_CURRENT, 0, 1, 0}};

struct work {
        struct lld *db, *plain;
        struct merkle_state *tree;
        struct merkle_root root;
        struct lld_batch *batch;
        uint64_t version;
        struct merkle_update *updates;
        bool by_cpu; /* updates per CPU-second, of all threads */
};

static double
clock_of(const struct work *w)
{
        return w->by_cpu ? bench_cpu() : bench_now();
}

static enum lx_err
get_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct lx_buf *out)
{
        return lld_get(((struct work *)arg)->db, NULL, 0, key, MERKLE_PAGE_KEY_LEN, out);
}

static void
put_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], const uint8_t *page, size_t len)
{
        (void)lld_batch_put(((struct work *)arg)->batch, 0, key, MERKLE_PAGE_KEY_LEN, page, len);
}

static void
put_stale(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN])
{
        struct work *w = arg;
        uint8_t stale[8 + MERKLE_PAGE_KEY_LEN];

        lx_put_be64(stale, w->version);
        memcpy(stale + 8, key, MERKLE_PAGE_KEY_LEN);
        (void)lld_batch_put(w->batch, 1, stale, sizeof(stale), NULL, 0);
}

static void
key_of(uint64_t i, struct lx_hash *out)
{
        static const struct lx_tag tag = {"bench"};

        lx_blake2b(&tag, &i, sizeof(i), out);
}

static void
choose(struct work *w, uint64_t from, uint64_t count, bool random)
{
        for (uint64_t i = 0; i < count; i++) {
                key_of(random ? (i * 100 + (uint64_t)w->version * 7) % KEYS : from + i, &w->updates[i].key);
                lx_random(&w->updates[i].value, sizeof(w->updates[i].value));
        }
}

static bool
update(struct work *w, uint64_t count)
{
        struct merkle_sink sink = {.put = put_page, .stale = put_stale, .arg = w};
        bool fine;

        w->batch = lld_batch_new(w->db, w->version);
        fine = merkle_state_update(w->tree, &w->root, w->version, w->updates, count, &sink, &w->root) == LX_OK &&
            lld_batch_commit(w->batch, true, NULL) == LX_OK;
        merkle_state_settle(w->tree, merkle_state_batch(w->tree), fine);
        lld_batch_free(w->batch);
        w->version++;
        return fine;
}

static double
ours(void *arg)
{
        struct work *w = arg;
        double start;

        choose(w, 0, UPDATES, true);
        start = clock_of(w);
        return update(w, UPDATES) ? UPDATES / (clock_of(w) - start) : 0;
}

static bool
put_values(struct work *w, uint64_t count)
{
        bool fine;

        w->batch = lld_batch_new(w->plain, w->version);
        for (uint64_t i = 0; i < count; i++)
                (void)lld_batch_put(w->batch, 2, w->updates[i].key.b, 32, w->updates[i].value.b, 32);
        fine = lld_batch_commit(w->batch, true, NULL) == LX_OK;
        lld_batch_free(w->batch);
        return fine;
}

static double
yardstick(void *arg)
{
        struct work *w = arg;
        double start;

        choose(w, 0, UPDATES, true);
        start = clock_of(w);
        return put_values(w, UPDATES) ? UPDATES / (clock_of(w) - start) : 0;
}

int
main(void)
{
        static const struct lx_hash id = {{0}};
        struct lld_options options = {.kinds = KINDS, .kind_count = 3, .create = true};
        struct work w = {.version = 1, .updates = lx_alloc_array(100000, sizeof(*w.updates))};
        struct merkle_pages pages = {.get = get_page, .arg = &w};
        struct bench_row row = {.name = "state tree, 10,000 of 1,000,000 / put", .unit = "/s",
            .budget = 0.12, .rounds = 15, .ours = ours, .yardstick = yardstick, .arg = &w};
        struct lx_why why = {{0}};

        if (lx_crypto_init() != LX_OK || lld_open(bench_str("%s/ours", bench_dir()), &options, &w.db, &why) != LX_OK ||
            lld_open(bench_str("%s/plain", bench_dir()), &options, &w.plain, &why) != LX_OK) {
                (void)fprintf(stderr, "bench_state: %s\n", why.text);
                return 1;
        }
        w.tree = merkle_state_new(&lx_crypto_ops()->hash, &pages, &id, 64u << 20);
        bench_say("a million keys");
        for (uint64_t at = 0; at < KEYS; at += 100000) {
                choose(&w, at, 100000, false);
                if (!update(&w, 100000) || !put_values(&w, 100000))
                        return 1;
        }
        (void)bench_run(&row);
        row.name = "the same by CPU time";
        row.unit = "/cpu-s";
        w.by_cpu = true;
        (void)bench_run(&row);
        merkle_state_free(w.tree);
        lld_close(w.db);
        lld_close(w.plain);
        lx_free(w.updates);
        return 0;
}
