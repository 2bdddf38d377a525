/*
 * lxnoded/daemon.h - what every kind of node is around its rules: a loop that hears signals, the RPC sockets, systemd.
 *
 * A full node (node.h) and a light one (light.h) hold one each. TERM, INT and node.stop end the loop after a moment in
 * which the last answer leaves; HUP reads the options again; the watchdog of systemd is fed by the loop.
 * Ownership: everything in it is its own. Threads: loop only.
 */
#ifndef LX_LXNODED_DAEMON_H
#define LX_LXNODED_DAEMON_H

#include "base/buf.h"
#include "io/http.h"
#include "io/loop.h"
#include "lxnoded/options.h"
#include "rpc/rpc.h"

struct daemon_calls {
        void (*woken)(void *arg);    /* workers are done with something */
        void (*stopping)(void *arg); /* once; the loop ends soon */
        void *arg;
};

struct daemon {
        const struct node_conf *conf;
        struct daemon_calls calls;
        struct io_loop *loop;
        struct io_timer *stop_timer, *watchdog;
        uint64_t watchdog_ms;
        bool stopping;
        struct rpc *rpc;
        struct io_http *http;
        struct lx_buf cookie;
        char *socket_path;
        char tcp[80]; /* where RPC is served by TCP; "": nowhere */
};

/** A loop, with signals. @conf must stay. As many files as the system allows may be open from now on. */
void daemon_open(struct daemon *daemon, const struct node_conf *conf, const struct daemon_calls *calls);
/**
 * Serve RPC. Of @options loop, datadir, cookie, listening, connections, unsent, start_ms and stop are filled in.
 * Errors are those of io/http.h and setup_cookie.
 */
LX_MUST_CHECK enum lx_err daemon_serve(
    struct daemon *daemon, struct rpc_options *options, struct lx_why *why);
/** Everything is open: systemd is told, and hears of the loop from now on. */
void daemon_ready(struct daemon *daemon);
/** Begin to stop; again is fine. @daemon: struct daemon. */
void daemon_stop(void *daemon);
/** No more RPC. Answers under way must have been given. */
void daemon_close_rpc(struct daemon *daemon);
/** Close what is left; the loop last. */
void daemon_close(struct daemon *daemon);

#endif
