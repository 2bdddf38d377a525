/*
 * bench/bench_latency.c - how long a register.get waits while others publish releases without a pause
 * (uploads, checks, index insertions, commits with fsync): the 99th percentile and the worst of 2,000,
 * against a bare evhttp "hello" server that is asked in turn, on the same busy machine.
 */
#include "config.h"
#include "bench/bench.h"
#include "bench/hello.h"
#include "bench/proc.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ASKED 400
#define PAUSE_US 1000

struct server {
        int fd;
        const char *request;
};

struct pair {
        struct server ours, yardstick;
        double part; /* which percentile */
};

static int
compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

/* Milliseconds until the answer. */
static double
ask(const struct server *s)
{
        double start = bench_now();
        char in[16384];

        if (send(s->fd, s->request, strlen(s->request), MSG_NOSIGNAL) < 0 || recv(s->fd, in, sizeof(in), 0) <= 0)
                return 1e9;
        return (bench_now() - start) * 1000;
}

static double
percentile(const struct server *s, double part)
{
        static double ms[ASKED];

        for (int i = 0; i < ASKED; i++) {
                ms[i] = ask(s);
                (void)usleep(PAUSE_US);
        }
        qsort(ms, ASKED, sizeof(*ms), compare);
        return ms[(size_t)(part * (ASKED - 1))];
}

static double
ours(void *arg)
{
        return percentile(&((struct pair *)arg)->ours, ((struct pair *)arg)->part);
}

static double
yardstick(void *arg)
{
        return percentile(&((struct pair *)arg)->yardstick, ((struct pair *)arg)->part);
}

static int
dial_node(const char *dir)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};

        for (int i = 0; i < 500; i++) {
                int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

                (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/lxnoded.sock", dir);
                if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
                        return fd;
                (void)close(fd);
                (void)usleep(10000);
        }
        return -1;
}

static const char *
request(const char *body)
{
        return strdup(bench_str("POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body));
}

int
main(void)
{
        const char *build = bench_build(), *dir = strdup(bench_str("%s/node", bench_dir()));
        const char *program = bench_str("%s/lxnoded", build);
        const char *argv[] = {program, "--dev", "--datadir", dir, "--rpc-listen", "none", NULL};
        const char *load = strdup(bench_str("B=%s D=%s; while :; do k=$D/key.$(date +%%s%%N); $B/lx keygen device $k; "
            "L=\"$B/lx --datadir $D --key-file $k\"; $L profile create; echo $k >$D/files/own; chmod 755 $D/files/own; "
            "$L binary publish $D/files; done", build, dir));
        const char *shell[] = {"/bin/sh", "-c", load, NULL};
        struct pair pair = {.part = 0.99};
        struct bench_row row = {.name = "register.get p99 under load / hello", .unit = "ms", .budget = 3,
            .at_most = true, .ours = ours, .yardstick = yardstick, .arg = &pair};
        unsigned port = bench_free_port();

        (void)bench_start(argv);
        pair.ours.fd = dial_node(dir);
        (void)bench_start_fn(hello_serve, &port);
        pair.yardstick.fd = bench_dial(port);
        pair.ours.request = request("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"register.get\",\"params\":{\"address\":"
            "\"0000000000000000000000000000000000000000000000000000000000000000\"}}");
        pair.yardstick.request = request("hello");
        if (bench_shell(bench_str("mkdir %s/files && for f in $(seq 3000); do echo $f >%s/files/$f; done; "
                "chmod 755 %s/files/*", dir, dir, dir)) <= 0)
                return 1;
        (void)bench_start(shell);
        (void)sleep(1);
        (void)bench_run(&row);
        pair.part = 1;
        row.name = "register.get worst under load / hello";
        (void)bench_run(&row);
        return 0;
}
