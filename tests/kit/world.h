/*
 * kit/world.h - for tests: several ledgers with their sync machines, on virtual time, joined by links
 * that delay, and by nodes that lie, stall or vanish.
 *
 * Links keep order and lose nothing, as the transport does; what is lost is a whole peer.
 */
#ifndef LX_KIT_WORLD_H
#define LX_KIT_WORLD_H

#include "kit/chain.h"
#include "llp/net.h"
#include "llp/sync.h"

#define WORLD_NODES_MAX 8
#define WORLD_ROOM (512u << 10) /* bytes that may wait on one link */

struct world;

struct world_node {
        struct world *world;
        uint32_t handle; /* what the others call it: its number + 1 */
        struct kit_ledger kit;
        struct llp_sync *sync; /* NULL: down */
        struct llp_net net;
        /*
         * Look at, or change, a message that leaves; false: it never does. NULL: honest.
         */
        bool (*meddle)(struct world_node *node, unsigned type, uint8_t *bytes, size_t len);
        uint64_t meddled;
        unsigned points[WORLD_NODES_MAX + 1];   /* that it gave, by handle */
        uint64_t bytes_to[WORLD_NODES_MAX + 1]; /* that wait on its links */
        uint64_t bytes_in;                      /* answers that reached it */
        uint64_t commits;
        bool syncing;
        unsigned syncing_changes;
        enum lx_err failure;
        struct lx_why why;
        struct lx_buf evidence[8]; /* transactions, as they were made */
        size_t evidence_count;
        bool linked[WORLD_NODES_MAX + 1];
        bool drop[WORLD_NODES_MAX + 1];
};

struct world_message;

struct world {
        uint64_t now_ms;
        uint64_t delay_ms; /* of every link */
        struct world_node node[WORLD_NODES_MAX];
        size_t count;
        struct world_message *first, **end;
        uint64_t events;
};

/** An empty world at @delay_ms. */
void world_init(struct world *w, uint64_t delay_ms);
/** Free it. */
void world_clear(struct world *w);
/** One more node on an empty ledger of @genesis; its sync machine is not started. */
struct world_node *world_add(struct world *w, const struct lx_buf *genesis);
/** Start its machine and link it with all that run. */
void world_start(struct world_node *node, enum llp_sync_mode mode, uint64_t snapshot_interval);
/** Take it away: links go down; its machine is freed (its ledger stays open). */
void world_stop(struct world_node *node);
/**
 * Let time pass until @node's tip is at @height, or @max_ms are over; whether it is.
 */
bool world_run(struct world *w, struct world_node *node, uint64_t height, uint64_t max_ms);

#endif
