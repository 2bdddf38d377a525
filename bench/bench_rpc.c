/*
 * bench/bench_rpc.c - the node's look-ups per server CPU-second: single ones against a bare evhttp
 * "hello" server, batches of 100 against redis GET; start until ready, and idle memory.
 */
#include "config.h"
#include "bench/bench.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIR "/tmp/lx-bench-rpc"
#define NODE_PORT 45390
#define HELLO_PORT 45391
#define REDIS_PORT 45392
#define REQUESTS 4000
#define BATCH 100

struct target {
        pid_t pid;
        int fd;
        const char *request;
        size_t request_len;
        unsigned requests;
        double per_request; /* look-ups in one */
        bool http;
};

/* CPU seconds of another process, its threads included. */
static double
cpu_of(pid_t pid)
{
        char path[64], line[1024];
        unsigned long user = 0, sys = 0;
        const char *at;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        f = fopen(path, "r");
        if (f == NULL || fgets(line, sizeof(line), f) == NULL)
                return 0;
        (void)fclose(f);
        at = strrchr(line, ')');
        if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
                return 0;
        return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static int
dial(unsigned port)
{
        struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        for (int i = 0; i < 200; i++) {
                int fd = socket(AF_INET, SOCK_STREAM, 0);

                if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
                        return fd;
                (void)close(fd);
                (void)usleep(20000);
        }
        return -1;
}

/* One answer: HTTP by its Content-Length, redis by its lines. */
static bool
receive(const struct target *t)
{
        static char in[1 << 20];
        size_t len = 0, need = 0;

        while (need == 0 || len < need) {
                ssize_t n = recv(t->fd, in + len, sizeof(in) - 1 - len, 0);
                const char *end, *cl;

                if (n <= 0)
                        return false;
                len += (size_t)n;
                in[len] = '\0';
                if (!t->http) {
                        if (len >= 2 && in[len - 1] == '\n')
                                return true;
                        continue;
                }
                end = strstr(in, "\r\n\r\n");
                cl = strstr(in, "Content-Length: ");
                if (end != NULL && cl != NULL)
                        need = (size_t)(end - in) + 4 + strtoul(cl + 16, NULL, 10);
        }
        return true;
}

/* Look-ups per CPU-second of the server. */
static double
measure(void *arg)
{
        struct target *t = arg;
        double before = cpu_of(t->pid), used;

        for (unsigned i = 0; i < t->requests; i++)
                if (send(t->fd, t->request, t->request_len, MSG_NOSIGNAL) < 0 || !receive(t))
                        return 0;
        used = cpu_of(t->pid) - before;
        return t->requests * t->per_request / (used > 0 ? used : 0.01);
}

struct pair {
        struct target ours, yard;
};

static double
ours(void *arg)
{
        return measure(&((struct pair *)arg)->ours);
}

static double
yardstick(void *arg)
{
        return measure(&((struct pair *)arg)->yard);
}

/* ---- servers ----------------------------------------------------------------------------------- */

static void
say_hello(struct evhttp_request *req, void *arg)
{
        struct evbuffer *body = evbuffer_new();

        (void)arg;
        (void)evbuffer_add_printf(body, "hello\n");
        evhttp_send_reply(req, 200, "OK", body);
        evbuffer_free(body);
}

static pid_t
start_hello(void)
{
        pid_t pid = fork();

        if (pid == 0) {
                struct event_base *base = event_base_new();
                struct evhttp *http = evhttp_new(base);

                evhttp_set_gencb(http, say_hello, NULL);
                if (evhttp_bind_socket(http, "127.0.0.1", HELLO_PORT) == 0)
                        (void)event_base_dispatch(base);
                _exit(1);
        }
        return pid;
}

static pid_t
start_program(const char *const argv[])
{
        pid_t pid = fork();

        if (pid == 0) {
                (void)!freopen("/dev/null", "w", stdout);
                (void)!freopen("/dev/null", "w", stderr);
                (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
                _exit(127);
        }
        return pid;
}

static void
end_program(pid_t pid)
{
        (void)kill(pid, SIGTERM);
        (void)waitpid(pid, NULL, 0);
}

/* Run @command by the shell; $B in it is the build directory. */
static bool
shell(const char *command, const char *build)
{
        pid_t pid = fork();
        int status = 1;

        if (pid == 0) {
                (void)setenv("B", build, 1);
                (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
                _exit(127);
        }
        return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static pid_t
start_node(const char *build)
{
        char program[512], listen[64];
        const char *argv[] = {program, "--dev", "--datadir", DIR, "--rpc-listen", listen, "--log", "warn", NULL};

        (void)snprintf(program, sizeof(program), "%s/lxnoded", build);
        (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", NODE_PORT);
        return start_program(argv);
}

/* ---- start ------------------------------------------------------------------------------------- */

static double
start_once(void *arg)
{
        double start;
        pid_t pid;
        int fd;

        (void)shell("rm -rf " DIR, arg);
        start = bench_now();
        pid = start_node(arg);
        while ((fd = socket(AF_INET, SOCK_STREAM, 0)) >= 0) {
                struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(NODE_PORT),
                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

                if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
                        break;
                (void)close(fd);
                (void)usleep(1000);
        }
        start = (bench_now() - start) * 1000;
        (void)close(fd);
        end_program(pid);
        return start;
}

static double
rss_anon_mib(void *arg)
{
        char path[64], line[256];
        unsigned long kib = 0;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)*(pid_t *)arg);
        f = fopen(path, "r");
        while (f != NULL && fgets(line, sizeof(line), f) != NULL)
                (void)sscanf(line, "RssAnon: %lu", &kib);
        if (f != NULL)
                (void)fclose(f);
        return (double)kib / 1024;
}

/* ---- rows -------------------------------------------------------------------------------------- */

static char *
http_request(const char *auth, const char *body, size_t *out_len)
{
        size_t cap = strlen(body) + 512;
        char *text = malloc(cap);

        *out_len = (size_t)snprintf(text, cap, "POST /rpc HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s",
            auth, strlen(body), body);
        return text;
}

static void
read_auth(char *out, size_t cap)
{
        FILE *f = popen("base64 -w0 <" DIR "/.cookie", "r");
        char encoded[256] = "";

        if (f != NULL) {
                (void)!fgets(encoded, sizeof(encoded), f);
                (void)pclose(f);
        }
        (void)snprintf(out, cap, "Authorization: Basic %s\r\n", encoded);
}

static void
bench_lookups(pid_t node, const char *name, const char *call, const char *auth)
{
        struct pair single = {.ours = {.pid = node, .requests = REQUESTS, .per_request = 1, .http = true},
            .yard = {.requests = 2 * REQUESTS, .per_request = 1, .http = true}};
        struct bench_row row = {.name = name, .unit = "/cpu-s", .budget = 0.6, .rounds = 5, .ours = ours,
            .yardstick = yardstick, .arg = &single};

        single.ours.request = http_request(auth, call, &single.ours.request_len);
        single.ours.fd = dial(NODE_PORT);
        single.yard.pid = start_hello();
        single.yard.fd = dial(HELLO_PORT);
        single.yard.request = http_request("", call, &single.yard.request_len);
        bench_run(&row);
        end_program(single.yard.pid);
}

static void
bench_batches(pid_t node, const char *call, const char *auth)
{
        static const char get[] = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
        char port[16];
        const char *redis[] = {"redis-server", "--port", port, "--save", "", "--bind", "127.0.0.1", NULL};
        struct pair batch = {.ours = {.pid = node, .requests = REQUESTS / 20, .per_request = BATCH, .http = true},
            .yard = {.requests = 5 * REQUESTS, .per_request = 1, .request = get, .request_len = sizeof(get) - 1}};
        struct bench_row row = {.name = "look-ups in batches of 100 / redis GET", .unit = "/cpu-s", .budget = 0.8,
            .rounds = 5, .ours = ours, .yardstick = yardstick, .arg = &batch};
        char *body = malloc((strlen(call) + 2) * BATCH + 3);
        size_t at = 0;

        (void)snprintf(port, sizeof(port), "%d", REDIS_PORT);
        body[at++] = '[';
        for (int i = 0; i < BATCH; i++)
                at += (size_t)sprintf(body + at, "%s%s", i > 0 ? "," : "", call);
        body[at++] = ']';
        body[at] = '\0';
        batch.ours.request = http_request(auth, body, &batch.ours.request_len);
        batch.ours.fd = dial(NODE_PORT);
        batch.yard.pid = start_program(redis);
        batch.yard.fd = dial(REDIS_PORT);
        bench_run(&row);
        end_program(batch.yard.pid);
}

int
main(void)
{
        const char *build = getenv("LX_BUILDDIR");
        char auth[512], digest[80] = "", lookup[256];
        struct bench_row start = {.name = "start until ready", .unit = "ms", .budget = 300, .at_most = true,
            .ours = start_once, .arg = (void *)(uintptr_t)build};
        struct bench_row memory = {.name = "idle RssAnon", .unit = "MiB", .budget = 40, .at_most = true,
            .rounds = 5, .ours = rss_anon_mib};
        FILE *f;
        pid_t node;

        if (build == NULL)
                return 1;
        bench_run(&start);
        (void)shell("rm -rf " DIR, build);
        node = start_node(build);
        (void)close(dial(NODE_PORT));
        memory.arg = &node;
        bench_run(&memory);
        if (!shell("$B/lx keygen device " DIR "/key >/dev/null && $B/lx --datadir " DIR " --key-file " DIR
                "/key profile create >/dev/null && $B/lx --datadir " DIR " --key-file " DIR
                "/key binary publish /usr/bin >/dev/null", build))
                return 1;
        f = popen("sha256sum /bin/ls", "r");
        (void)!fgets(digest, 65, f);
        (void)pclose(f);
        read_auth(auth, sizeof(auth));
        (void)snprintf(lookup, sizeof(lookup), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"binary.lookup\","
            "\"params\":{\"digest\":\"%.64s\"}}", digest);
        bench_lookups(node, "binary.lookup / evhttp hello", lookup, auth);
        bench_batches(node, lookup, auth);
        end_program(node);
        return 0;
}
