/*
 * rpc/rpc_int.h - calls, the table's rows, and what handlers share.
 */
#ifndef LX_RPC_RPC_INT_H
#define LX_RPC_RPC_INT_H

#include "ledger/json.h"
#include "rpc/rpc.h"

#include <jansson.h>

#define RPC_STREAMS_MAX 64       /* pages that are kept live; a further one gets 503 */
#define RPC_GUARD_EVENTS_MAX 50  /* of a report that are kept: the newest */
#define RPC_GUARD_TEXT_MAX 1024  /* bytes of a text in it */

/* The release that was looked up last, as of a height: mostly the next look-up wants it too. */
struct rpc_release {
        bool known;
        uint64_t height;
        struct lx_hash address, manifest;
        struct lx_buf text; /* its members of a match */
};

#define RPC_WAITERS_MAX 64 /* calls that wait for a block */

/* A call of guard.subscribe that waits for a block above @above. */
struct rpc_waiter {
        struct rpc_call *call;
        uint64_t above, until_ms;
};

struct rpc {
        struct rpc_options options;
        const char *unready;
        bool stopping;
        uint64_t calls, errors;
        size_t held; /* bytes of answers that are being made */
        char auth[160]; /* "Basic ..." */
        struct io_timer *turn;        /* goes on with waiting batches */
        struct rpc_body *waiting, **waiting_end;
        struct rpc_release release; /* quick.c */
        struct rpc_waiter waiter[RPC_WAITERS_MAX]; /* who has waited longest first */
        size_t waiter_count;
        struct io_timer *wait_timer;
        struct io_http_request *stream[RPC_STREAMS_MAX]; /* of open pages (page.c) */
        size_t stream_count;
        struct io_timer *page_timer;
        char *said;                 /* the newest event; malloc's */
        uint64_t said_ms;
        json_t *guard;              /* the guard's last report; NULL: none yet */
        uint64_t guard_ms;          /* when it came */
};

/*
 * One body: one call or a batch. It answers when no call is pending. A batch runs in turns of a few
 * milliseconds, so that others are served in between; what it answers is bounded (RPC_ANSWER_MAX).
 */
struct rpc_body {
        struct rpc *rpc;
        struct io_http_request *req;
        struct ledger_view *view;
        struct lx_buf answers; /* JSON, comma-separated */
        json_t *requests;      /* of a batch; NULL: all have begun */
        size_t next;           /* of them */
        size_t pending;
        bool batch;
        struct rpc_body *later; /* in rpc.waiting */
};

struct rpc_call {
        struct rpc_body *body;
        struct rpc *rpc;
        struct ledger_view *view;
        json_t *id;     /* NULL: a notification */
        json_t *params; /* object, checked against the row */
        json_t *result; /* object being filled */
        json_t *proof;  /* NULL: not asked for */
        bool later;     /* the handler will call rpc_call_finish */
        struct lx_why why;
};

struct rpc_row {
        const char *name;
        enum lx_err (*handle)(struct rpc_call *call);
        const char *params; /* "name:type" or "name:type?", blank-separated, in positional order */
        const char *result; /* names, blank-separated */
        const char *summary;
};

/** The rows, NULL-named last. */
const struct rpc_row *rpc_rows(void);
/** Those of a light node. */
const struct rpc_row *rpc_light_rows(void);
/** Paths of a light node: /health, /ready; false: another one. */
bool rpc_light_path(struct rpc *rpc, struct io_http_request *req, const char *path);
/** End a call that was left for later, and free it. */
void rpc_call_finish(struct rpc_call *call, enum lx_err err);

/* Parameters: the row has checked type and form. Absent: false, 0 or NULL. */
bool rpc_has(const struct rpc_call *call, const char *name);
/** A number. */
uint64_t rpc_u64(const struct rpc_call *call, const char *name);
/** A string. */
const char *rpc_str(const struct rpc_call *call, const char *name);
/** A hash. */
struct lx_hash rpc_hash(const struct rpc_call *call, const char *name);
/** A number at most @max; @def when absent. */
uint64_t rpc_limit(const struct rpc_call *call, const char *name, uint64_t def, uint64_t max);

/* JSON values; more in ledger/json.h. */
/** A number. */
json_t *rpc_number(uint64_t n);
/** A time in ISO 8601. */
json_t *rpc_time(uint64_t ms);
/** Set field @name of the result. */
void rpc_set(struct rpc_call *call, const char *name, json_t *value);
/** A register in JSON: address, type, standard, owner, ... fields. */
enum lx_err rpc_register_json(const struct lx_hash *address, struct lx_span value, json_t *out);

/** Parameter name: its register's address, both set in the result. LX_ERR_RANGE: it is no name. */
enum lx_err rpc_begin_name(struct rpc_call *call, struct lx_hash *out_address);
/** Where the name points to, after the register's fields. */
void rpc_end_name(struct rpc_call *call);

/* Proofs: each does nothing unless the call asked for one. */
enum lx_err rpc_prove_state(
    struct rpc_call *call, enum sigchain_kind kind, const void *key, size_t len, uint64_t height);
/** @digest in the index of @publisher. */
enum lx_err rpc_prove_index(
    struct rpc_call *call, const struct lx_hash *publisher, const struct lx_hash *digest);
/** Entry @number (@raw) of the release at @address. */
enum lx_err rpc_prove_entry(struct rpc_call *call, const struct lx_hash *address, uint32_t number,
    uint64_t count, struct lx_span raw, const struct merkle_path *path);
/** A path as an array. */
json_t *rpc_path(const struct merkle_path *path);
/** Header, certificate and set of @height (LEDGER_NOW: the tip) into @out. */
enum lx_err rpc_header_json(struct ledger_view *view, uint64_t height, json_t *out);

/* Handlers by group. */
enum lx_err rpc_chain_pass(struct rpc_call *call);
enum lx_err rpc_route_list(struct rpc_call *call);
enum lx_err rpc_route_resolve(struct rpc_call *call);
enum lx_err rpc_route_register(struct rpc_call *call);
enum lx_err rpc_node_status(struct rpc_call *call);
enum lx_err rpc_node_stop(struct rpc_call *call);
enum lx_err rpc_node_backup(struct rpc_call *call);
enum lx_err rpc_node_log(struct rpc_call *call);
enum lx_err rpc_help(struct rpc_call *call);
enum lx_err rpc_discover(struct rpc_call *call);
enum lx_err rpc_chain_genesis(struct rpc_call *call);
enum lx_err rpc_chain_params(struct rpc_call *call);
enum lx_err rpc_chain_header(struct rpc_call *call);
enum lx_err rpc_chain_headers(struct rpc_call *call);
enum lx_err rpc_chain_block(struct rpc_call *call);
enum lx_err rpc_chain_tx(struct rpc_call *call);
enum lx_err rpc_chain_consistency(struct rpc_call *call);
enum lx_err rpc_chain_ancestor(struct rpc_call *call);
enum lx_err rpc_chain_submit(struct rpc_call *call);
/** chain.waiting. */
enum lx_err rpc_chain_waiting(struct rpc_call *call);
/** chain.drop. */
enum lx_err rpc_chain_drop(struct rpc_call *call);
enum lx_err rpc_guard_subscribe(struct rpc_call *call);
/** Answer who has waited long enough. @arg: the struct rpc. */
void rpc_wait_tick(void *arg);
/** Answer all who wait. */
void rpc_wait_end(struct rpc *rpc);
enum lx_err rpc_profile_get(struct rpc_call *call);
enum lx_err rpc_register_get(struct rpc_call *call);
enum lx_err rpc_register_list(struct rpc_call *call);
enum lx_err rpc_register_history(struct rpc_call *call);
enum lx_err rpc_register_entry(struct rpc_call *call);
enum lx_err rpc_name_resolve(struct rpc_call *call);
enum lx_err rpc_name_list(struct rpc_call *call);
enum lx_err rpc_prefix_match(struct rpc_call *call);
enum lx_err rpc_token_debits(struct rpc_call *call);
enum lx_err rpc_binary_lookup(struct rpc_call *call);
enum lx_err rpc_binary_release(struct rpc_call *call);
enum lx_err rpc_blob_stat(struct rpc_call *call);
enum lx_err rpc_blob_prove(struct rpc_call *call);

/** Answer a body of plain look-ups (quick.c). False: it is something else, and nothing was done. */
bool rpc_quick_body(struct rpc *rpc, struct io_http_request *req, struct lx_span text);

enum lx_err rpc_peer_list(struct rpc_call *call);
enum lx_err rpc_peer_add(struct rpc_call *call);
enum lx_err rpc_peer_ban(struct rpc_call *call);
enum lx_err rpc_peer_unban(struct rpc_call *call);
/** What /metrics says of peers, appended. */
void rpc_peer_metrics(struct rpc *rpc, struct lx_buf *out);
/** Add certificate, consensus and sync to node.status (consensus.c). */
void rpc_consensus_json(struct rpc *rpc, struct ledger_view *view, json_t *out);
/** Engine, sync and gossip for /metrics. */
void rpc_consensus_metrics(struct rpc *rpc, struct lx_buf *out);
/** Why the node is not ready: an array of texts; empty: it is. */
json_t *rpc_reasons(struct rpc *rpc, struct ledger_view *view);
/** One metric with its help. */
void rpc_metric(struct lx_buf *out, const char *name, const char *type, const char *help, uint64_t value);
/** Everything that /metrics says, appended (metrics.c). */
void rpc_metrics(struct rpc *rpc, struct lx_buf *out);
/** guard.report. */
enum lx_err rpc_guard_report(struct rpc_call *call);
/** guard.status. */
enum lx_err rpc_guard_status(struct rpc_call *call);
/** The last report of the guard; null: it never spoke. */
json_t *rpc_guard_json(const struct rpc *rpc);
/** The same for /metrics. */
void rpc_guard_metrics(const struct rpc *rpc, struct lx_buf *out);
/** What node.status says of peers. */
json_t *rpc_peer_status(struct rpc *rpc);

/* The other paths (paths.c): blobs, metrics, health. False: none of them. */
bool rpc_handle_path(struct rpc *rpc, struct io_http_request *req, const char *path);
/** The page and its events (page.c). False: none of them. */
bool rpc_handle_page(struct rpc *rpc, struct io_http_request *req, const char *path);
/** The page's timer. */
void rpc_page_tick(void *rpc);
/** End what pages listen to. */
void rpc_page_free(struct rpc *rpc);
/** HTTP status of an error. */
int rpc_http_status(enum lx_err err);
/** The kind named @name. */
bool rpc_blob_kind(const char *name, enum ledger_blob *out_kind);
/** What node.status says. */
void rpc_status_json(struct rpc *rpc, struct ledger_view *view, json_t *out);

#endif
