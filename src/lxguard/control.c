/*
 * lxguard/control.c - the control socket: one JSON object a line in, one out. Mode 0600; the peer is root.
 */
#include "config.h"
#include "lxguard/lxguard.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES 65536
#define ANSWER_S 5
#define SERVE_MAX 16

struct control {
        pthread_t thread;
        atomic_uint serving; /* threads, at most SERVE_MAX */
        int fd;
        char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/* @text: one sentence; bytes that are no UTF-8 become a general one. */
static json_t *
error(const char *text)
{
        json_t *o = json_string(text);

        return json_pack("{s:o}", "error", o != NULL ? o : json_string("bad input"));
}

/* ---- commands ---------------------------------------------------------------------------------- */

static json_t *
say_log(struct lxguard *g, const json_t *request, pid_t peer)
{
        json_int_t max = json_integer_value(json_object_get(request, "max"));

        (void)peer;
        return json_pack("{s:o}", "events", events_json(g, max > 0 ? (size_t)max : 50));
}

static json_t *
say_why(struct lxguard *g, const json_t *request, pid_t peer)
{
        const char *path = json_string_value(json_object_get(request, "path"));
        struct rules *rules = rules_get(g);
        struct lx_hash root = {{0}};
        struct guard_answer answer;
        uint64_t size = 0;
        char hex[LX_HEX_LEN(LX_HASH_LEN)];
        json_t *o;
        int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
        struct stat st;

        (void)peer;
        if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
                o = error("it cannot be read as a file");
        } else {
                answer = judge_content(g, rules, fd, path, fs_type(fd), false, 0, &root, &size);
                lx_hex(root.b, LX_HASH_LEN, hex);
                o = json_pack("{s:s,s:s,s:s,s:s,s:I,s:b}", "path", path, "digest", hex, "verdict",
                    guard_rule_denies(answer.rule) ? "deny" : "allow", "rule", guard_rule_name(answer.rule), "size",
                    (json_int_t)size, "guarded", (int)mounts_have(g, st.st_dev));
                if (answer.entry != NULL) {
                        const struct guard_release *r = guard_list_release(rules->list, answer.entry);

                        lx_hex(r->address.b, LX_HASH_LEN, hex);
                        json_object_set_new(o, "release", json_string(hex));
                        json_object_set_new(o, "release_name", json_string(r->name));
                        json_object_set_new(o, "published_as", json_string(answer.entry->path));
                        lx_hex(rules->policy->publisher[r->publisher].genesis.b, LX_HASH_LEN, hex);
                        json_object_set_new(o, "publisher", json_string(hex));
                }
        }
        if (fd >= 0)
                (void)close(fd);
        rules_put(rules);
        return o;
}

static json_t *
say_scan(struct lxguard *g, const json_t *request, pid_t peer)
{
        (void)peer;
        return json_pack("{s:o,s:o}", "running", safe_start_check(g), "memory",
            memory_pass(g, json_is_true(json_object_get(request, "full")), 0));
}

static json_t *
do_reload(struct lxguard *g, const json_t *request, pid_t peer)
{
        struct lx_why why = {{0}};

        (void)request;
        (void)peer;
        if (guard_reload(g, &why) != LX_OK)
                return error(why.text);
        return guard_status(g);
}

/* tty_nr of the peer: the system console, a virtual or a serial one. */
static bool
is_at_console(pid_t pid)
{
        char text[1024], *at;
        int tty;

        (void)proc_read(pid, "stat", text, sizeof(text));
        at = strrchr(text, ')');
        if (at == NULL || sscanf(at + 1, " %*c %*d %*d %*d %d", &tty) != 1)
                return false;
        tty = tty >> 8 & 0xfff;
        return tty == 4 || tty == 5 || tty == 204 || tty == 229;
}

static json_t *
do_panic(struct lxguard *g, const json_t *request, pid_t peer)
{
        struct rules *rules = rules_get(g);
        bool allowed = rules->policy->panic_anywhere || is_at_console(peer);

        (void)request;
        rules_put(rules);
        if (!allowed)
                return error("the panic switch works from a console (panic-anywhere = yes lifts that)");
        guard_set_mode(g, GUARD_AUDIT, "panic switch");
        return guard_status(g);
}

static json_t *
say_status(struct lxguard *g, const json_t *request, pid_t peer)
{
        (void)request;
        (void)peer;
        return guard_status(g);
}

static const struct {
        const char *name;
        json_t *(*run)(struct lxguard *g, const json_t *request, pid_t peer);
} COMMANDS[] = {{"status", say_status}, {"log", say_log}, {"why", say_why}, {"scan", say_scan},
    {"reload", do_reload}, {"panic", do_panic}};

static json_t *
obey(struct lxguard *g, const json_t *request, pid_t peer)
{
        const char *name = json_string_value(json_object_get(request, "command"));

        for (size_t i = 0; name != NULL && i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
                if (strcmp(COMMANDS[i].name, name) == 0)
                        return COMMANDS[i].run(g, request, peer);
        return error("there is no such command: status, log, why, scan, reload, panic");
}

/* ---- the socket -------------------------------------------------------------------------------- */

static void
serve(struct lxguard *g, int fd)
{
        struct timeval tv = {.tv_sec = ANSWER_S};
        struct ucred peer = {0};
        socklen_t len = sizeof(peer);
        char *line = lx_alloc(LINE_MAX_BYTES), *text;
        size_t have = 0;
        ssize_t n = 0;
        json_t *request, *answer;

        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
        while (have < LINE_MAX_BYTES && memchr(line, '\n', have) == NULL &&
            (n = read(fd, line + have, LINE_MAX_BYTES - have)) > 0)
                have += (size_t)n;
        request = peer.uid == 0 ? json_loadb(line, have, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
        answer = request != NULL ? obey(g, request, peer.pid) : error("no JSON object, or not root");
        text = json_dumps(answer, JSON_COMPACT);
        if (text != NULL) {
                size_t total = strlen(text);

                text[total] = '\n'; /* in place of the NUL */
                for (size_t at = 0; at < total + 1; at += (size_t)n)
                        if ((n = send(fd, text + at, total + 1 - at, MSG_NOSIGNAL)) <= 0)
                                break;
        }
        free(text);
        json_decref(answer);
        json_decref(request);
        lx_free(line);
}

struct visit {
        struct lxguard *g;
        int fd;
};

static void *
serve_one(void *arg)
{
        struct visit visit = *(struct visit *)arg;

        lx_free(arg);
        serve(visit.g, visit.fd);
        (void)close(visit.fd);
        atomic_fetch_sub(&visit.g->control->serving, 1);
        return NULL;
}

/* A thread each: a long scan must not keep the panic switch waiting. */
static void
take_visit(struct lxguard *g, int fd)
{
        struct visit *visit = lx_alloc(sizeof(*visit));
        pthread_t thread;

        *visit = (struct visit){.g = g, .fd = fd};
        if (atomic_fetch_add(&g->control->serving, 1) < SERVE_MAX &&
            pthread_create(&thread, NULL, serve_one, visit) == 0) {
                (void)pthread_detach(thread);
                return;
        }
        atomic_fetch_sub(&g->control->serving, 1);
        (void)close(fd);
        lx_free(visit);
}

static void *
listen_loop(void *arg)
{
        struct lxguard *g = arg;
        struct pollfd p = {.fd = g->control->fd, .events = POLLIN};

        while (!atomic_load(&g->stopping)) {
                int fd;

                if (poll(&p, 1, 200) <= 0)
                        continue;
                fd = accept4(g->control->fd, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0)
                        continue;
                take_visit(g, fd);
        }
        return NULL;
}

enum lx_err
control_start(struct lxguard *g, struct lx_why *why)
{
        struct control *control = lx_alloc(sizeof(*control));
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        const char *path = g->rules->policy->socket;
        mode_t mask;
        int bound;

        if (strlen(path) >= sizeof(addr.sun_path)) {
                lx_why_set(why, "the socket path %.80s... is too long", path);
                lx_free(control);
                return LX_ERR_RANGE;
        }
        memcpy(addr.sun_path, path, strlen(path) + 1);
        memcpy(control->path, addr.sun_path, sizeof(control->path));
        control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)unlink(path);
        mask = umask(0177);
        bound = control->fd >= 0 ? bind(control->fd, (struct sockaddr *)&addr, sizeof(addr)) : -1;
        (void)umask(mask);
        g->control = control;
        if (bound != 0 || listen(control->fd, 16) != 0 ||
            pthread_create(&control->thread, NULL, listen_loop, g) != 0) {
                lx_why_set(why, "cannot make the control socket %s: %s", path, strerror(errno));
                if (control->fd >= 0)
                        (void)close(control->fd);
                g->control = NULL;
                lx_free(control);
                return LX_ERR_IO;
        }
        return LX_OK;
}

void
control_stop(struct lxguard *g)
{
        struct control *control = g->control;

        if (control == NULL)
                return;
        (void)pthread_join(control->thread, NULL);
        while (atomic_load(&control->serving) > 0)
                (void)poll(NULL, 0, 5);
        (void)close(control->fd);
        (void)unlink(control->path);
        g->control = NULL;
        lx_free(control);
}
