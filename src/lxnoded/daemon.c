/* lxnoded/daemon.c - see lxnoded/daemon.h. */
#include "config.h"
#include "lxnoded/daemon.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lxnoded/setup.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define CLIENT_TIMEOUT_S 60
#define STOP_MS 50 /* for the answer to node.stop to leave */

/* ---- events ------------------------------------------------------------------------------------ */

static void
stop_now(void *arg)
{
        io_loop_stop(((struct daemon *)arg)->loop);
}

void
daemon_stop(void *daemon)
{
        struct daemon *d = daemon;

        if (d->stopping)
                return;
        d->stopping = true;
        setup_notify("STOPPING=1");
        rpc_stop(d->rpc);
        d->calls.stopping(d->calls.arg);
        io_timer_set(d->stop_timer, STOP_MS);
}

/* The watchdog hears of every turn of the loop that is due: a loop that hangs is killed and started again. */
static void
alive(void *arg)
{
        struct daemon *d = arg;

        setup_notify("WATCHDOG=1");
        io_timer_set(d->watchdog, d->watchdog_ms);
}

static void
say_reloaded(const struct daemon *d, const struct node_conf *fresh)
{
        struct lx_buf names = {0};

        options_restart_names(d->conf, fresh, &names);
        if (names.len > 0)
                log_warn(NODE, "reloaded, but for what needs a restart", "options=%s", lx_buf_str(&names));
        else
                log_notice(NODE, "reloaded", "log=%s", fresh->log);
        lx_buf_clear(&names);
}

/* HUP: the options are read again; what a running node can take is taken. */
static void
reload(void *arg)
{
        struct daemon *d = arg;
        struct node_conf fresh = {0};
        struct lx_why why = {{0}};
        enum lx_err err = options_read(d->conf->argc, d->conf->argv, &fresh, &why);

        if (err == LX_OK)
                err = setup_log(&fresh, &why);
        if (err == LX_OK)
                say_reloaded(d, &fresh);
        else
                log_error(NODE, "not reloaded, all goes on as it was", "why=\"%s\"", why.text);
        options_clear(&fresh);
}

static size_t
count_connections(void *arg)
{
        return io_http_connections(((struct daemon *)arg)->http);
}

static size_t
count_unsent(void *arg)
{
        return io_http_unsent(((struct daemon *)arg)->http);
}

/* ---- life -------------------------------------------------------------------------------------- */

void
daemon_open(struct daemon *d, const struct node_conf *conf, const struct daemon_calls *calls)
{
        struct rlimit files;

        *d = (struct daemon){.conf = conf, .calls = *calls};
        /* Every connection is a file descriptor: take as many as the system lets us have. */
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
        (void)signal(SIGPIPE, SIG_IGN);
        d->loop = io_loop_new();
        io_loop_on_wake(d->loop, calls->woken, calls->arg);
        io_loop_on_signal(d->loop, SIGTERM, daemon_stop, d);
        io_loop_on_signal(d->loop, SIGINT, daemon_stop, d);
        io_loop_on_signal(d->loop, SIGHUP, reload, d);
        d->stop_timer = io_timer_new(d->loop, stop_now, d);
        d->watchdog = io_timer_new(d->loop, alive, d);
}

enum lx_err
daemon_serve(struct daemon *d, struct rpc_options *options, struct lx_why *why)
{
        const char *where = d->conf->rpc_listen;
        struct io_http_options http = {
            .body_max = RPC_BODY_MAX, .timeout_s = CLIENT_TIMEOUT_S, .handler = rpc_handle};
        bool tcp = strcmp(where, "none") != 0;
        unsigned port = 0;
        enum lx_err err = setup_cookie(d->conf, &d->cookie, why);

        d->socket_path = setup_path(d->conf, "lxnoded.sock");
        options->loop = d->loop;
        options->datadir = d->conf->datadir;
        options->cookie = lx_buf_str(&d->cookie);
        options->listening[0] = d->socket_path;
        options->listening[1] = tcp ? d->tcp : NULL;
        options->connections = count_connections;
        options->unsent = count_unsent;
        options->stop = daemon_stop;
        options->daemon = d;
        options->start_ms = lx_clock_now_ms();
        d->rpc = rpc_new(options);
        http.arg = d->rpc;
        d->http = io_http_new(d->loop, &http);
        if (err == LX_OK)
                err = io_http_listen_unix(d->http, d->socket_path, why);
        if (err == LX_OK && tcp)
                err = io_http_listen_tcp(d->http, where, &port, why);
        if (err == LX_OK && tcp)
                (void)snprintf(d->tcp, sizeof(d->tcp), "%.*s:%u", (int)(strrchr(where, ':') - where), where, port);
        return err;
}

void
daemon_ready(struct daemon *d)
{
        setup_notify("READY=1");
        d->watchdog_ms = setup_watchdog_ms();
        if (d->watchdog_ms > 0)
                alive(d);
}

void
daemon_close_rpc(struct daemon *d)
{
        if (d->rpc != NULL)
                rpc_stop(d->rpc);
        io_http_free(d->http);
        rpc_free(d->rpc);
        d->http = NULL;
        d->rpc = NULL;
}

void
daemon_close(struct daemon *d)
{
        daemon_close_rpc(d);
        io_timer_free(d->stop_timer);
        io_timer_free(d->watchdog);
        io_loop_free(d->loop);
        lx_wipe(d->cookie.p, d->cookie.len);
        lx_buf_clear(&d->cookie);
        lx_free(d->socket_path);
}
