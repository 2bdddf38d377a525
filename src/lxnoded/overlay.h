/*
 * lxnoded/overlay.h - the router and the DNS responder of this node: their options read, their questions
 * answered from the ledger.
 *
 * The router runs on a thread of its own and reads the ledger through a view that only that thread uses;
 * overlay_new_block makes it take a new one. Threads: loop, but for what the router calls.
 */
#ifndef LX_LXNODED_OVERLAY_H
#define LX_LXNODED_OVERLAY_H

#include "ledger/ledger.h"
#include "lxnoded/options.h"
#include "router/router_io.h"

struct overlay;

/** Start the router and the responder that @conf asks for. LX_ERR_USAGE and what they say, with a why. */
LX_MUST_CHECK enum lx_err overlay_open(const struct node_conf *conf, struct ledger *ledger,
    struct overlay **out_overlay, struct lx_why *why);
/** Stop it; NULL is fine. */
void overlay_close(struct overlay *overlay);
/** The ledger has a new block. */
void overlay_new_block(struct overlay *overlay);
/** Every few seconds, with the height of the newest block: followers learn of blocks this way. */
void overlay_tick(struct overlay *overlay, uint64_t height);
/** The router, for rpc; NULL: there is none. */
struct router_io *overlay_router(struct overlay *overlay);

#endif
