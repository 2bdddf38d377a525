/*
 * lxnoded/light.h - lxnoded --light: store, contact and RPC of a light node, joined and run.
 *
 * No ledger is opened: what it knows is in <datadir>/light. Peers are stations, dialled while a contact is open
 * (--contact; without it always). Threads: one event loop; a pool of one for names of hosts.
 */
#ifndef LX_LXNODED_LIGHT_H
#define LX_LXNODED_LIGHT_H

#include "lxnoded/options.h"

struct light_node;

/** Whether --trust, --watch and --contact are right. LX_ERR_USAGE, and what reading a file says. */
LX_MUST_CHECK enum lx_err light_node_check(const struct node_conf *conf, struct lx_why *why);
/** Open everything; on an error what was opened is closed again. */
LX_MUST_CHECK enum lx_err light_node_open(
    const struct node_conf *conf, struct light_node **out_node, struct lx_why *why);
/** Serve until a signal or node.stop. */
enum lx_err light_node_run(struct light_node *node);
/** Close everything; NULL is fine. */
void light_node_close(struct light_node *node);

#endif
