/*
 * bench/bench_file.c - the tree of a 1 GiB cached file: `lx file root` against `b2sum`, both bound to
 * one core and by their CPU time (so that a neighbour on that core does not count); two cores
 * against one, by the clock; a new leaf hash and root after one page changed, and the length of a
 * page's proof.
 */
#include "config.h"
#include "bench/bench.h"
#include "bench/proc.h"

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/tags.h"
#include "merkle/file.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES (1ull << 30)
#define PAGES (FILE_BYTES / LX_PAGE_LEN)
#define UPDATES 2000

struct commands {
        char ours[1024], yardstick[1024];
        bool by_cpu;
};

static double
speed(const struct commands *c, const char *command)
{
        double s = c->by_cpu ? bench_shell_cpu(command) : bench_shell(command);

        return s > 0 ? 1 / s : 0;
}

static double
ours(void *arg)
{
        return speed(arg, ((struct commands *)arg)->ours);
}

static double
yardstick(void *arg)
{
        return speed(arg, ((struct commands *)arg)->yardstick);
}

static bool
make_file(const char *path)
{
        static uint8_t block[1 << 20];
        FILE *f = fopen(path, "wb");

        bench_say("writing 1 GiB");
        if (f == NULL)
                return false;
        lx_random(block, sizeof(block));
        for (uint64_t at = 0; at < FILE_BYTES; at += sizeof(block)) {
                memcpy(block, &at, sizeof(at));
                if (fwrite(block, sizeof(block), 1, f) != 1)
                        return false;
        }
        return fclose(f) == 0;
}

static void
bench_roots(const char *path)
{
        struct commands c = {.by_cpu = true};
        struct bench_row row = {.name = "file root 1 GiB, one core / b2sum", .unit = "GiB/s",
            .ours = ours, .yardstick = yardstick, .arg = &c};

        row.budget = lx_blake2b_lanes() == LX_LANES_AVX512 ? 3.5 : lx_blake2b_lanes() == LX_LANES_AVX2 ? 2 : 1;
        (void)snprintf(c.ours, sizeof(c.ours), "taskset -c 1 %s/lx file root %s", bench_build(), path);
        (void)snprintf(c.yardstick, sizeof(c.yardstick), "taskset -c 1 b2sum %s", path);
        (void)bench_run(&row);
        c.by_cpu = false;
        row.name = "file root 1 GiB, two cores / one";
        row.rounds = 11;
        row.budget = 1.8;
        (void)snprintf(c.yardstick, sizeof(c.yardstick), "taskset -c 1 %s/lx file root %s", bench_build(), path);
        (void)snprintf(c.ours, sizeof(c.ours), "taskset -c 0,1 %s/lx file root %s", bench_build(), path);
        (void)bench_run(&row);
}

/* Microseconds of CPU to hash a changed page, set its leaf and have the new root. */
static double
update_pages(void *arg)
{
        struct merkle_file *file = arg;
        static uint8_t page[LX_PAGE_LEN];
        struct lx_hash leaf, root;
        double start = bench_cpu();

        for (uint64_t i = 0; i < UPDATES; i++) {
                memcpy(page, &i, sizeof(i));
                lx_blake2b_pages(&LX_TAG_LEAF, page, 1, &leaf);
                merkle_file_set(file, i * 104729 % PAGES, &leaf);
                merkle_file_root(file, &root);
        }
        return (bench_cpu() - start) / UPDATES * 1e6;
}

static double
proof_bytes(void *arg)
{
        static struct merkle_path path;

        if (merkle_file_prove(arg, PAGES / 3, 1, &path) != LX_OK)
                return 0;
        return (double)(path.count * LX_HASH_LEN);
}

static void
bench_update(void)
{
        struct lx_hash *leaves = malloc(PAGES * sizeof(*leaves));
        struct merkle_file *file;
        struct bench_row row = {.name = "one page's update in 1 GiB", .unit = "us", .budget = 20,
            .at_most = true, .ours = update_pages};
        struct bench_row proof = {.name = "one page's proof in 1 GiB", .unit = "bytes", .budget = 576,
            .at_most = true, .rounds = 5, .ours = proof_bytes};

        lx_random(leaves, PAGES * sizeof(*leaves));
        file = merkle_file_new(&lx_crypto_ops()->hash, leaves, PAGES);
        free(leaves);
        row.arg = proof.arg = file;
        (void)bench_run(&row);
        (void)bench_run(&proof);
        merkle_file_free(file);
}

int
main(void)
{
        char path[300];

        if (lx_crypto_init() != LX_OK)
                return 1;
        (void)snprintf(path, sizeof(path), "%s/file", bench_dir());
        if (!make_file(path)) {
                perror(path);
                return 1;
        }
        bench_roots(path);
        bench_update();
        return 0;
}
