/* bench/bench_pages.c - page hashing in lanes against libb2 over the same pages, by CPU time. */
#include "config.h"
#include "bench/bench.h"
#include "crypto/hash.h"
#include "crypto/tags.h"

#include <stdlib.h>
#include <string.h>

#define PAGES 16384u /* 64 MiB */

struct work {
        uint8_t *pages;
        struct lx_hash *out;
};

static double
rate(double seconds)
{
        return PAGES * (double)LX_PAGE_LEN / seconds / (1u << 30);
}

static double
hash_with(struct work *work, enum lx_lanes lanes)
{
        double start = bench_cpu();

        (void)lx_blake2b_pages_by(lanes, &LX_TAG_LEAF, work->pages, PAGES, work->out);
        return rate(bench_cpu() - start);
}

static double
ours(void *arg)
{
        return hash_with(arg, lx_blake2b_lanes());
}

static double
libb2(void *arg)
{
        return hash_with(arg, LX_LANES_PORTABLE);
}

int
main(void)
{
        struct work work = {malloc(PAGES * (size_t)LX_PAGE_LEN), malloc(PAGES * sizeof(struct lx_hash))};
        struct bench_row row = {.name = "page hashing / libb2", .unit = "GiB/s", .budget = lx_blake2b_lanes() == LX_LANES_AVX512 ? 3.5 : 2,
            .ours = ours, .yardstick = libb2, .arg = &work};

        memset(work.pages, 0x5a, PAGES * (size_t)LX_PAGE_LEN);
        bench_run(&row);
        free(work.pages);
        free(work.out);
        return 0;
}
