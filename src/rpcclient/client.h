/*
 * rpcclient/client.h - talking to a node: JSON-RPC and blobs over one HTTP connection.
 *
 * Where: a unix socket path, or http://HOST:PORT (with the cookie of the data directory), or nothing:
 * <datadir>/lxnoded.sock. The connection is kept and opened again when the node closed it. Blocking,
 * with a timeout. Threads: one at a time. Spec: doc/rpc.md.
 */
#ifndef LX_RPCCLIENT_CLIENT_H
#define LX_RPCCLIENT_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"

#include <jansson.h>

struct rpcclient;

/** A client of the node at @where (NULL: of the one with data directory @datadir). No I/O yet. */
struct rpcclient *rpcclient_new(const char *where, const char *datadir);
/** Close; NULL is fine. */
void rpcclient_free(struct rpcclient *client);

/**
 * End every call as soon as @fd (an eventfd or pipe of the caller's) is readable: LX_ERR_STOPPED; and when the node
 * sends and takes nothing for @timeout_s seconds (120 without this).
 */
void rpcclient_set_stop(struct rpcclient *client, int fd, unsigned timeout_s);

/**
 * Call @method with @params (an object, taken over; NULL: none). *out_result: the caller's.
 * Returns LX_OK, LX_ERR_UNREACHABLE, LX_ERR_TIMEOUT, LX_ERR_FORMAT (no JSON-RPC), or the node's own
 * error with its message in @why; then rpcclient_was_refused() is true.
 */
LX_MUST_CHECK enum lx_err rpcclient_call(struct rpcclient *client, const char *method, json_t *params,
    json_t **out_result, struct lx_why *why);
/**
 * Call @method once for each item of @params (an array of objects, taken over), in batches of 100.
 * *out_results: an array of as many results, the caller's. The first error ends it; as rpcclient_call.
 */
LX_MUST_CHECK enum lx_err rpcclient_call_many(struct rpcclient *client, const char *method,
    json_t *params, json_t **out_results, struct lx_why *why);
/** Whether the last error came from the node (and not from the way to it). */
bool rpcclient_was_refused(const struct rpcclient *client);

/** Upload a blob in parts; @progress (may be NULL) hears the bytes so far. */
LX_MUST_CHECK enum lx_err rpcclient_put_blob(struct rpcclient *client, const char *kind,
    const struct lx_hash *root, struct lx_span bytes, struct lx_why *why);
/** Upload @patch as the bytes at @offset of the blob @base; named @root, @total bytes long. */
LX_MUST_CHECK enum lx_err rpcclient_patch_blob(struct rpcclient *client, const char *kind,
    const struct lx_hash *root, const struct lx_hash *base, uint64_t total, uint64_t offset,
    struct lx_span patch, struct lx_why *why);
/** Append @len bytes (all: UINT64_MAX) at @offset of a blob to @out. */
LX_MUST_CHECK enum lx_err rpcclient_get_blob(struct rpcclient *client, const char *kind,
    const struct lx_hash *root, uint64_t offset, uint64_t len, struct lx_buf *out, struct lx_why *why);

#endif
