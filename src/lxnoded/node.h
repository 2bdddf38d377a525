/*
 * lxnoded/node.h - the node: every part, opened, joined, run and closed in order.
 *
 * Start order: data directory, store, blobs, ledger, pool, executor, engine, peers, RPC. Stop order is the
 * reverse. Threads: one event loop; the pool's workers; the executor.
 */
#ifndef LX_LXNODED_NODE_H
#define LX_LXNODED_NODE_H

#include "lxnoded/options.h"

struct lxnode;

/** Open everything; on an error what was opened is closed again. */
LX_MUST_CHECK enum lx_err node_open(
    const struct node_conf *conf, struct lxnode **out_node, struct lx_why *why);
/** Serve until a signal or node.stop; LX_OK, or the error that ended it. */
enum lx_err node_run(struct lxnode *node);
/** Close everything; NULL is fine. */
void node_close(struct lxnode *node);
/** --check-db. */
LX_MUST_CHECK enum lx_err node_check_db(const struct node_conf *conf, struct lx_why *why);
/** --restore. */
LX_MUST_CHECK enum lx_err node_restore(const struct node_conf *conf, struct lx_why *why);
/** --hand-over, --take-over. */
LX_MUST_CHECK enum lx_err node_move(const struct node_conf *conf, struct lx_why *why);
/** --rollback. */
LX_MUST_CHECK enum lx_err node_rollback(const struct node_conf *conf, struct lx_why *why);

#endif
