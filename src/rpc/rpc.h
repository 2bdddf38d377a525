/*
 * rpc/rpc.h - what a node answers: JSON-RPC 2.0, blobs, metrics and health over HTTP.
 *
 * All methods are rows of one table (table.c): parameters are checked, help and OpenRPC are made from
 * it. Every call of a body reads one view of the ledger. Threads: loop only. Spec: doc/rpc.md.
 */
#ifndef LX_RPC_RPC_H
#define LX_RPC_RPC_H

#include "io/http.h"
#include "ledger/engine.h"
#include "light/history.h"
#include "light/schedule.h"
#include "llp/contact.h"
#include "llp/core.h"
#include "llp/swarm_io.h"

#define RPC_BODY_MAX (4u << 20) /* bytes of a request, and of one part of a blob */
#define RPC_BATCH_MAX 1000      /* calls */
#define RPC_DEPTH_MAX 16        /* nesting */
#define RPC_ANSWER_MAX (32u << 20)  /* bytes of a batch's answers; further calls are refused */
#define RPC_ANSWERS_MAX (64u << 20) /* and of all that are made or not taken yet, beyond */
#define RPC_ANSWER_SMALL (64u << 10) /* those that every batch may have */

struct rpc;
struct router_io;

/* What node.backup waits for. */
struct rpc_backup {
        const char *dir;
        uint64_t height;
        enum lx_err err;
        struct lx_why why;
        void (*done)(struct rpc_backup *backup); /* on the loop */
};

/* What a light node answers from. */
struct rpc_light {
        struct light *light;
        struct light_history *history;
        struct llp_contact *contact;
        struct light_schedule schedule; /* no windows: always */
        bool always;
        struct lx_span genesis; /* canonical document */
        const char *network;
        enum lx_err (*stored)(void *arg, struct lx_why *why); /* make what changed durable; options' arg */
};

struct rpc_options {
        struct io_loop *loop;
        struct ledger *ledger;        /* NULL: a light node */
        const struct rpc_light *light; /* NULL: a full node */
        struct ledger_engine *engine; /* NULL: nothing is written here */
        struct llp_core *core;        /* NULL: no network */
        struct blob_store *blobs;
        struct lx_pool *pool;         /* publishes uploads; drained before rpc_free */
        struct lld *db;
        struct llp_swarm_io *peers;   /* NULL: this node has none */
        const char *peers_listen;     /* "ADDRESS:PORT" or "none" */
        struct router_io *router;     /* NULL: no router */
        const char *datadir;
        const char *upgrade_from;     /* the version before, while one can go back to it; NULL: none */
        const char *listening[4];     /* sockets, for node.status; NULL-ended */
        const char *cookie;           /* "user:password"; needed on TCP */
        bool open_metrics;            /* /metrics without the cookie */
        uint64_t start_ms;            /* monotonic */
        void (*stop)(void *daemon);   /* node.stop */
        size_t (*connections)(void *daemon);
        size_t (*unsent)(void *daemon); /* bytes of answers that clients have not taken */
        void *daemon;
        void (*backup)(void *arg, struct rpc_backup *backup); /* begins it; done comes later, always */
        void *arg;
};

/** The options are copied, what they point to stays the caller's. */
struct rpc *rpc_new(const struct rpc_options *options);
/** Free it; NULL is fine. Answers that others owe were given before; batches under way are dropped. */
void rpc_free(struct rpc *rpc);
/** Why the node is not ready; NULL: it is. */
void rpc_set_unready(struct rpc *rpc, const char *reason);
/** Answer one request: the handler of io/http.h with the struct rpc as argument. */
void rpc_handle(void *rpc, struct io_http_request *req);
/** The tip has this height now: whoever waits for a block is answered. NULL rpc is fine. */
void rpc_new_block(struct rpc *rpc, uint64_t height);
/** Refuse writes from now on, and let nobody wait: the node is stopping. NULL is fine. */
void rpc_stop(struct rpc *rpc);

#endif
