/*
 * sim/user.h - people who write transactions: each owns a chain, hands its transactions to whatever
 * node is up, and hands them in again until they are in the ledger.
 */
#ifndef LX_SIM_USER_H
#define LX_SIM_USER_H

#include "sim/node.h"

struct users;

/** @count authors who write about every @pause_ms, to the nodes in @nodes; they begin at once. */
struct users *users_new(struct world *w, struct node *const *nodes, size_t node_count, size_t count,
    uint32_t pause_ms, const struct lx_hash *chain_id);
/** Free them. NULL is fine. */
void users_free(struct users *users);
/** They write nothing new; what is outstanding is still handed in again. */
void users_rest(struct users *users);
/** How many transactions are not in the ledger yet. */
size_t users_outstanding(const struct users *users);
/** How many are. */
uint64_t users_final(const struct users *users);

#endif
