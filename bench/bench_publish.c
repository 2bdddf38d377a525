/*
 * bench/bench_publish.c - publishing 5,000 executables of about 1 GiB, cached, until final, against
 * sha256sum of the same files. Ours reads them once and computes page tree, SHA-256 and fs-verity
 * digest of each, sends manifest and leaves to the node, and waits for the block. Each round is
 * another publisher, so that every digest is new to its index; the node is the same.
 */
#include "config.h"
#include "bench/bench.h"
#include "bench/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 5000
#define BYTES (1ull << 30)

struct bench {
        char lx[1024];
        unsigned round;
};

/*
 * Copies of this machine's programs, smallest half and largest half in turn, until they are 5,000 and
 * about 1 GiB; each copy gets a number appended, so that no two are alike.
 */
static bool
collect(void)
{
        bench_say("copying 5,000 programs");
        return bench_shell(bench_str("mkdir -p '%s/programs' && cd '%s/programs' && "
            "find /usr/bin /usr/sbin /usr/lib -type f \\( -perm /111 -o -name '*.so*' \\) -size -2000k "
            "-printf '%%s %%p\\n' | sort -n | awk -v want=%d -v bytes=%llu '"
            "{size[NR] = $1; sub(/^[0-9]+ /, \"\"); path[NR] = $0}"
            "END {left = bytes; for (i = 0; i < want; i++) {"
            "  goal = left / (want - i); lo = 1; hi = NR; "
            "  while (lo < hi) {mid = int((lo + hi) / 2); if (size[mid] < goal) lo = mid + 1; else hi = mid}"
            "  k = lo + (i * 7919) %% NR - int(NR / 2); if (k < 1) k = 1; if (k > NR) k = NR;"
            "  left -= size[k]; print path[k]}}' |"
            "{ n=0; while read -r f; do n=$((n + 1)); cp \"$f\" $n && echo $n >>$n && chmod 755 $n; done; }",
            bench_dir(), bench_dir(), FILES, BYTES)) > 0;
}

static double
ours(void *arg)
{
        struct bench *b = arg;
        const char *key = bench_str("%s/node/key%u", bench_dir(), b->round++);

        if (bench_shell(bench_str("%s/lx keygen device %s && %s --key-file %s profile create", bench_build(),
                key, b->lx, key)) <= 0)
                return 0;
        return bench_shell(
            bench_str("%s --key-file %s binary publish '%s/programs'", b->lx, key, bench_dir()));
}

static double
yardstick(void *arg)
{
        (void)arg;
        return bench_shell(bench_str("cd '%s/programs' && ls | xargs sha256sum", bench_dir()));
}

/* The budget is about speed: the inverse of the seconds. */
static double
speed_ours(void *arg)
{
        double s = ours(arg);

        return s > 0 ? 1 / s : 0;
}

static double
speed_yardstick(void *arg)
{
        double s = yardstick(arg);

        return s > 0 ? 1 / s : 0;
}

int
main(void)
{
        struct bench b = {.round = 0};
        struct bench_row row = {.name = "publish 5,000 programs / sha256sum", .unit = "runs/s", .budget = 3,
            .ours = speed_ours, .yardstick = speed_yardstick, .arg = &b};
        const char *program = bench_str("%s/lxnoded", bench_build());
        const char *dir = bench_str("%s/node", bench_dir());
        const char *argv[] = {program, "--dev", "--datadir", dir, "--rpc-listen", "none", NULL};
        pid_t node;

        (void)snprintf(b.lx, sizeof(b.lx), "%s/lx --datadir %s/node", bench_build(), bench_dir());
        if (!collect())
                return 1;
        node = bench_start(argv);
        if (bench_shell(bench_str("for i in $(seq 100); do %s status 2>/dev/null && exit; sleep 0.1; done; exit 1",
                b.lx)) <= 0)
                return 1;
        (void)bench_run(&row);
        bench_stop(node);
        return 0;
}
