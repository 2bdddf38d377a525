/*
 * bench/bench_start.c - a new `lxnoded --dev` from exec until /ready says 200; its anonymous memory
 * and CPU when nobody asks, empty and after real work.
 */
#include "config.h"
#include "bench/bench.h"
#include "bench/proc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_S 5

static unsigned port;

static pid_t
start_node(void)
{
        const char *dir = bench_str("%s/node", bench_dir());
        const char *program = bench_str("%s/lxnoded", bench_build());
        const char *argv[] = {program, "--dev", "--datadir", dir, "--rpc-listen", NULL, NULL};

        port = bench_free_port();
        argv[5] = bench_str("127.0.0.1:%u", port);
        return bench_start(argv);
}

static bool
is_ready(void)
{
        static const char request[] = "GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        int fd = bench_dial(port);
        char in[1024] = "";
        bool ready = fd >= 0 && send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) > 0 &&
            recv(fd, in, sizeof(in) - 1, 0) > 0 && strncmp(in, "HTTP/1.1 200", 12) == 0;

        (void)close(fd);
        return ready;
}

static double
start_once(void *arg)
{
        double start;
        pid_t pid;

        (void)arg;
        (void)bench_shell(bench_str("rm -rf '%s/node'", bench_dir()));
        start = bench_now();
        pid = start_node();
        while (!is_ready() && bench_now() < start + 10)
                continue;
        start = (bench_now() - start) * 1000;
        bench_stop(pid);
        return start;
}

static double
rss_anon(void *arg)
{
        return bench_status_mib(*(pid_t *)arg, "RssAnon");
}

/* Percent of one core. */
static double
idle_cpu(void *arg)
{
        double before = bench_cpu_of(*(pid_t *)arg), start = bench_now();

        (void)sleep(IDLE_S);
        return 100 * (bench_cpu_of(*(pid_t *)arg) - before) / (bench_now() - start);
}

/* Everything of /usr/bin published, then 2,000 look-ups with proofs. */
static bool
work(void)
{
        const char *dir = bench_str("%s/node", bench_dir()), *build = bench_build();

        bench_say("publishing /usr/bin and /usr/lib, looking up");
        return bench_shell(bench_str("lx='%s/lx --datadir %s --key-file %s/key'; %s/lx keygen device %s/key && "
            "$lx profile create && $lx binary publish /usr/bin /usr/lib && "
            "$lx trust set %s/genesis.json && d=$(sha256sum /bin/ls | cut -d' ' -f1) && $lx trust publisher "
            "$($lx --json binary lookup $d | jq -r .publisher) && "
            "for i in $(seq 100); do $lx --verify binary lookup $d || exit 1; done",
            build, dir, dir, build, dir, dir)) > 0;
}

int
main(void)
{
        struct bench_row start = {.name = "start of --dev until ready", .unit = "ms", .budget = 300,
            .at_most = true, .ours = start_once};
        struct bench_row memory = {.name = "idle RssAnon, empty", .unit = "MiB", .budget = 40,
            .at_most = true, .rounds = 5, .ours = rss_anon};
        struct bench_row cpu = {.name = "idle CPU", .unit = "%", .budget = 0.1, .at_most = true,
            .rounds = 5, .ours = idle_cpu};
        pid_t node;

        (void)bench_run(&start);
        node = start_node();
        while (!is_ready())
                continue;
        memory.arg = cpu.arg = &node;
        (void)sleep(1);
        (void)bench_run(&memory);
        (void)bench_run(&cpu);
        if (!work())
                return 1;
        memory.name = "idle RssAnon, after work";
        (void)sleep(1);
        (void)bench_run(&memory);
        bench_stop(node);
        return 0;
}
