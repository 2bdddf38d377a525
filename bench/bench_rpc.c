/*
 * bench/bench_rpc.c - the node's look-ups per server CPU-second: single ones over keep-alive HTTP
 * against a bare evhttp "hello" server, batches of 100 against redis GET one by one. The questions
 * go round over many digests and registers; the time of the asking side is not counted.
 */
#include "config.h"
#include "bench/bench.h"
#include "bench/hello.h"
#include "bench/proc.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEYS 100 /* different questions; also the size of a batch */
#define SINGLES 6000
#define BATCHES 100

struct text {
        char *p;
        size_t len;
};

struct target {
        pid_t pid;
        int fd;
        struct text request[KEYS];
        unsigned request_count; /* asked in turn */
        unsigned requests;      /* of one measurement */
        double per_request;     /* look-ups in one */
        bool http;
};

struct pair {
        struct target ours, yardstick;
};

struct node {
        pid_t pid;
        unsigned port;
        char auth[256];
};

/* One answer: HTTP by its Content-Length, redis by its "$length" line. */
static bool
receive(const struct target *t)
{
        static char in[1 << 20];
        size_t len = 0, need = 0;

        while (need == 0 || len < need) {
                ssize_t n = recv(t->fd, in + len, sizeof(in) - 1 - len, 0);
                const char *end, *length;

                if (n <= 0)
                        return false;
                len += (size_t)n;
                in[len] = '\0';
                end = strstr(in, t->http ? "\r\n\r\n" : "\r\n");
                length = strstr(in, t->http ? "Content-Length: " : "$");
                if (end == NULL || length == NULL)
                        continue;
                need = (size_t)(end - in) +
                    (t->http ? 4 + strtoul(length + 16, NULL, 10) : 4 + strtoul(length + 1, NULL, 10));
        }
        return len == need && strstr(in, "\"error\"") == NULL;
}

static bool
ask(const struct target *t, const struct text *request)
{
        return send(t->fd, request->p, request->len, MSG_NOSIGNAL) == (ssize_t)request->len && receive(t);
}

/* Look-ups per CPU-second of the server. */
static double
measure(struct target *t)
{
        double before = bench_cpu_of(t->pid);

        for (unsigned i = 0; i < t->requests; i++)
                if (!ask(t, &t->request[i % t->request_count]))
                        return 0;
        return t->requests * t->per_request / (bench_cpu_of(t->pid) - before);
}

static double
ours(void *arg)
{
        return measure(&((struct pair *)arg)->ours);
}

static double
yardstick(void *arg)
{
        return measure(&((struct pair *)arg)->yardstick);
}

/* ---- servers ----------------------------------------------------------------------------------- */

static bool
start_node(struct node *node)
{
        const char *dir = bench_str("%s/node", bench_dir());
        const char *program = bench_str("%s/lxnoded", bench_build());
        const char *argv[] = {program, "--dev", "--datadir", dir, "--rpc-listen", NULL, "--log", "warn", NULL};
        int fd;

        node->port = bench_free_port();
        argv[5] = bench_str("127.0.0.1:%u", node->port);
        node->pid = bench_start(argv);
        fd = bench_dial(node->port);
        (void)close(fd);
        return fd >= 0;
}

/* The first line that the shell command prints. */
static void
line_of(const char *command, char *out, size_t cap)
{
        FILE *f = popen(command, "r");

        out[0] = '\0';
        if (f != NULL) {
                if (fgets(out, (int)cap, f) == NULL)
                        out[0] = '\0';
                (void)pclose(f);
        }
        out[strcspn(out, "\n")] = '\0';
}

/* ---- questions --------------------------------------------------------------------------------- */

static struct text
http_request(const char *auth, const char *body)
{
        size_t cap = strlen(body) + 512;
        struct text t = {.p = malloc(cap)};

        t.len = (size_t)snprintf(t.p, cap, "POST /rpc HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s",
            auth, strlen(body), body);
        return t;
}

static const char *
call_of(const char *method, const char *name, const char *value, int id)
{
        return bench_str("{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":{\"%s\":\"%.64s\"}}",
            id, method, name, value);
}

static bool
bench_singles(const struct node *node, const char *method, const char *name, char values[KEYS][80])
{
        unsigned port = bench_free_port();
        struct pair pair = {
            .ours = {.pid = node->pid, .request_count = KEYS, .requests = SINGLES, .per_request = 1, .http = true},
            .yardstick = {.request_count = KEYS, .requests = SINGLES, .per_request = 1, .http = true}};
        struct bench_row row = {.name = bench_str("%s / evhttp hello", method), .unit = "/cpu-s",
            .budget = 0.6, .ours = ours, .yardstick = yardstick, .arg = &pair};
        char title[64];
        bool holds;

        (void)snprintf(title, sizeof(title), "%s", row.name);
        row.name = title;
        for (int i = 0; i < KEYS; i++) {
                const char *call = call_of(method, name, values[i], i);

                pair.ours.request[i] = http_request(node->auth, call);
                pair.yardstick.request[i] = http_request("", call);
        }
        pair.ours.fd = bench_dial(node->port);
        pair.yardstick.pid = bench_start_fn(hello_serve, &port);
        pair.yardstick.fd = bench_dial(port);
        holds = bench_run(&row);
        bench_stop(pair.yardstick.pid);
        return holds;
}

static void
start_redis(struct target *t)
{
        unsigned port = bench_free_port();
        const char *text = bench_str("%u", port);
        const char *argv[] = {"redis-server", "--port", text, "--save", "", "--appendonly", "no", "--bind",
            "127.0.0.1", "--dir", bench_dir(), NULL};
        char reply[64];

        t->pid = bench_start(argv);
        t->fd = bench_dial(port);
        for (int i = 0; i < KEYS; i++) {
                const char *set = bench_str("*3\r\n$3\r\nSET\r\n$7\r\nkey-%03d\r\n$64\r\n%064d\r\n", i, i);

                if (send(t->fd, set, strlen(set), MSG_NOSIGNAL) < 0 ||
                    recv(t->fd, reply, sizeof(reply), 0) <= 0)
                        exit(1);
                t->request[i].p = strdup(bench_str("*2\r\n$3\r\nGET\r\n$7\r\nkey-%03d\r\n", i));
                t->request[i].len = strlen(t->request[i].p);
        }
}

static bool
bench_batches(const struct node *node, const char *method, const char *name, char values[KEYS][80])
{
        struct pair pair = {
            .ours = {.pid = node->pid, .request_count = 1, .requests = BATCHES, .per_request = KEYS, .http = true},
            .yardstick = {.request_count = KEYS, .requests = 2 * SINGLES, .per_request = 1}};
        struct bench_row row = {.unit = "/cpu-s", .budget = 0.8, .ours = ours, .yardstick = yardstick, .arg = &pair};
        char *body = malloc(KEYS * 256 + 3), title[64];
        size_t at = 0;
        bool holds;

        (void)snprintf(title, sizeof(title), "%s x100 / redis GET", method);
        row.name = title;
        for (int i = 0; i < KEYS; i++)
                at += (size_t)snprintf(
                    body + at, 256, "%c%s", i > 0 ? ',' : '[', call_of(method, name, values[i], i));
        (void)snprintf(body + at, 2, "]");
        pair.ours.request[0] = http_request(node->auth, body);
        pair.ours.fd = bench_dial(node->port);
        start_redis(&pair.yardstick);
        holds = bench_run(&row);
        bench_stop(pair.yardstick.pid);
        return holds;
}

/* ---- the node's content ------------------------------------------------------------------------ */

/* Programs of this machine, published; the SHA-256 digests of KEYS of them. */
static bool
publish(const char *lx, char digests[KEYS][80])
{
        FILE *f;
        int n = 0;

        bench_say("publishing /usr/bin");
        if (bench_shell(bench_str("%s binary publish /usr/bin >/dev/null", lx)) <= 0)
                return false;
        f = popen("find /usr/bin -type f -perm /111 | sort | head -2000 | awk 'NR % 3 == 1' | head -100 "
            "| xargs -d '\n' sha256sum | cut -c1-64", "r");
        while (f != NULL && n < KEYS && fgets(digests[n], 80, f) != NULL)
                n++;
        if (f != NULL)
                (void)pclose(f);
        return n == KEYS;
}

/* KEYS registers, half of them raw, half of the file standard. */
static bool
make_registers(const char *lx, char addresses[KEYS][80])
{
        bench_say("making 100 registers");
        for (int i = 0; i < KEYS; i++) {
                line_of(bench_str("%s --json register create --kind raw --data 'register %d of the bench, with some text' "
                    "| grep -o '[0-9a-f]\\{64\\}' | head -1", lx, i), addresses[i], 80);
                if (strlen(addresses[i]) != 64)
                        return false;
        }
        return true;
}

int
main(void)
{
        static char digests[KEYS][80], addresses[KEYS][80];
        struct node node;
        char lx[1024], dir[300], encoded[200];

        (void)snprintf(dir, sizeof(dir), "%s/node", bench_dir());
        (void)snprintf(lx, sizeof(lx), "%s/lx --datadir %s --key-file %s/key", bench_build(), dir, dir);
        if (!start_node(&node) ||
            bench_shell(bench_str("%s/lx keygen device %s/key && %s profile create", bench_build(), dir, lx)) <= 0 ||
            !publish(lx, digests) || !make_registers(lx, addresses)) {
                (void)fprintf(stderr, "bench_rpc: the node cannot be filled\n");
                return 1;
        }
        line_of(bench_str("base64 -w0 <%s/.cookie", dir), encoded, sizeof(encoded));
        (void)snprintf(node.auth, sizeof(node.auth), "Authorization: Basic %s\r\n", encoded);
        (void)bench_singles(&node, "binary.lookup", "digest", digests);
        (void)bench_singles(&node, "register.get", "address", addresses);
        (void)bench_batches(&node, "binary.lookup", "digest", digests);
        (void)bench_batches(&node, "register.get", "address", addresses);
        return 0;
}
