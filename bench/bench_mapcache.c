/* bench/bench_mapcache.c - the map-cache: a million IPv6 prefixes, uniform hits, batches of 32. */
#include "config.h"
#include "bench/bench.h"
#include "router/cache.h"

#include <stdio.h>
#include <stdlib.h>

#define PREFIXES 1000000u
#define LOOKUPS 4000000u

struct work {
        struct router_cache *cache;
        uint8_t (*addrs)[16];
        unsigned missed;
};

static uint64_t
next(uint64_t *state)
{
        uint64_t x = *state += 0x9e3779b97f4a7c15ull;

        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
        return x ^ (x >> 31);
}

static double
ours(void *arg)
{
        struct work *work = arg;
        uint32_t got[ROUTER_CACHE_BATCH];
        double start = bench_cpu();

        for (unsigned i = 0; i < LOOKUPS; i += ROUTER_CACHE_BATCH) {
                router_cache_find_batch(work->cache, 0, 6,
                    (const uint8_t (*)[16])work->addrs + i, ROUTER_CACHE_BATCH, 1, got);
                for (unsigned j = 0; j < ROUTER_CACHE_BATCH; j++)
                        work->missed += got[j] == ROUTER_CACHE_NONE;
        }
        return LOOKUPS / (bench_cpu() - start) / 1e6;
}

static double
bytes_each(void *arg)
{
        struct work *work = arg;

        return (double)router_cache_bytes(work->cache) / router_cache_count(work->cache);
}

int
main(void)
{
        struct router_cache_options options = {.entries_max = PREFIXES};
        struct work work = {router_cache_new(&options), malloc(LOOKUPS * (size_t)16), 0};
        struct bench_row rate = {.name = "map-cache look-ups, 1 million prefixes, one core",
            .unit = "M/s", .budget = 10, .ours = ours, .arg = &work};
        struct bench_row bytes = {.name = "map-cache memory a prefix", .unit = "bytes", .budget = 64,
            .at_most = true, .rounds = 5, .ours = bytes_each, .arg = &work};
        struct router_eid *eids = malloc(PREFIXES * sizeof(*eids));
        uint64_t seed = 1;

        for (unsigned i = 0; i < PREFIXES; i++) {
                eids[i] = (struct router_eid){.bits = (uint8_t)(48 + next(&seed) % 81), .addr = {.family = 6}};
                lx_put_be64(eids[i].addr.b, next(&seed));
                lx_put_be64(eids[i].addr.b + 8, next(&seed));
                router_addr_mask(&eids[i].addr, eids[i].bits);
                if (router_cache_put(work.cache, &eids[i], i, ROUTER_CACHE_NEVER) != LX_OK)
                        return 1;
        }
        for (unsigned i = 0; i < LOOKUPS; i++) {
                const struct router_eid *eid = &eids[next(&seed) % PREFIXES];
                struct router_addr tail = {.family = 6}, rest;

                lx_put_be64(tail.b, next(&seed));
                lx_put_be64(tail.b + 8, next(&seed));
                rest = tail;
                router_addr_mask(&rest, eid->bits);
                for (unsigned j = 0; j < 16; j++)
                        work.addrs[i][j] = (uint8_t)(eid->addr.b[j] | (tail.b[j] ^ rest.b[j]));
        }
        bench_run(&rate);
        bench_run(&bytes);
        if (work.missed > 0)
                (void)fprintf(stderr, "%u look-ups missed\n", work.missed);
        router_cache_free(work.cache);
        free(work.addrs);
        free(eids);
        return work.missed > 0;
}
