/*
 * bench/bench_file.c - lx against the coreutils: root of a 1 GiB cached file against b2sum, two cores
 * against one, publishing this machine's programs against sha256sum, one page's update.
 */
#include "config.h"
#include "bench/bench.h"

#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_PATH "/tmp/lx-bench-file"
#define FILE_BYTES (1ull << 30)

struct setup {
        const char *build;
        char ours[512], yard[512];
        double scale; /* what one run counts for */
};

/* Run @command by the shell; seconds, negative when it failed. */
static double
run(const char *command)
{
        double start = bench_now();
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
                _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
                return -1;
        return bench_now() - start;
}

static double
ours(void *arg)
{
        const struct setup *s = arg;

        return s->scale / run(s->ours);
}

static double
yardstick(void *arg)
{
        const struct setup *s = arg;

        return s->scale / run(s->yard);
}

static bool
make_file(void)
{
        uint64_t x = 88172645463325252ull;
        static uint64_t block[1 << 15];
        FILE *f = fopen(FILE_PATH, "wb");

        if (f == NULL)
                return false;
        for (uint64_t at = 0; at < FILE_BYTES; at += sizeof(block)) {
                for (size_t i = 0; i < sizeof(block) / 8; i++) {
                        x ^= x << 13;
                        x ^= x >> 7;
                        x ^= x << 17;
                        block[i] = x;
                }
                if (fwrite(block, sizeof(block), 1, f) != 1)
                        return false;
        }
        return fclose(f) == 0;
}

static void
bench_roots(struct setup *s)
{
        struct bench_row row = {.name = "file root 1 GiB, one core, / b2sum", .unit = "GiB/s", .budget = 2,
            .rounds = 5, .ours = ours, .yardstick = yardstick, .arg = s};

        s->scale = 1;
        (void)snprintf(s->ours, sizeof(s->ours), "taskset -c 0 %s/lx file root " FILE_PATH " >/dev/null", s->build);
        (void)snprintf(s->yard, sizeof(s->yard), "taskset -c 0 b2sum " FILE_PATH " >/dev/null");
        bench_run(&row);
        row.name = "file root, two cores / one";
        row.budget = 1.8;
        (void)snprintf(s->ours, sizeof(s->ours), "%s/lx file root " FILE_PATH " >/dev/null", s->build);
        (void)snprintf(s->yard, sizeof(s->yard), "taskset -c 0 %s/lx file root " FILE_PATH " >/dev/null", s->build);
        bench_run(&row);
}

/* A node of its own, a device key, everything published again and again. */
static void
bench_publish(struct setup *s)
{
        struct bench_row row = {.name = "publish /usr, / sha256sum", .unit = "runs/s", .budget = 3,
            .rounds = 5, .ours = ours, .yardstick = yardstick, .arg = s};
        char command[1024];

        (void)snprintf(command, sizeof(command),
            "d=/tmp/lx-bench-node; rm -rf $d; (%s/lxnoded --dev --datadir $d --rpc-listen none >/dev/null 2>&1 &);"
            "until %s/lx --datadir $d status >/dev/null 2>&1; do :; done;"
            "%s/lx keygen device $d/key >/dev/null && %s/lx --datadir $d --key-file $d/key profile create >/dev/null",
            s->build, s->build, s->build, s->build);
        if (run(command) < 0)
                return;
        (void)snprintf(s->ours, sizeof(s->ours), "%s/lx --datadir /tmp/lx-bench-node --key-file "
            "/tmp/lx-bench-node/key binary publish /usr/bin /usr/sbin /usr/lib >/dev/null", s->build);
        (void)snprintf(s->yard, sizeof(s->yard), "{ find /usr/bin /usr/sbin /usr/lib -type f -perm /111 -print0; "
            "find /usr/lib -type f ! -perm /111 -name '*.so*' -print0; } | xargs -0 sha256sum >/dev/null");
        bench_run(&row);
        (void)snprintf(command, sizeof(command), "%s/lx --datadir /tmp/lx-bench-node stop >/dev/null", s->build);
        (void)run(command);
}

int
main(void)
{
        struct setup s = {.build = getenv("LX_BUILDDIR")};

        if (s.build == NULL || !make_file())
                return 1;
        bench_roots(&s);
        (void)unlink(FILE_PATH);
        bench_publish(&s);
        return 0;
}
