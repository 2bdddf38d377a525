/*
 * llp/core.h - the node without its sockets: engine, gossip and sync over one net.
 *
 * It gives every message to the machine that handles its type and tells each what the others did: a
 * block that the engine committed is news for sync and gossip, one that sync committed is news for the
 * engine and gossip. The daemon puts a swarm below it (llp/swarm.h), the simulation links of its own;
 * above it everything is the same, so what runs in tests/sim is the node.
 *
 * Light nodes are the station's alone (llp/station.h).
 *
 *      swarm or simulation --peer_up, peer_down, receive, tick--> core --> engine, gossip, sync
 *                          <--------- llp_net --------------------
 *
 * Ownership: the objects in the options are the caller's and outlive the core. Threads: loop only. Stop
 * order: core, then executor, writer, pool, ledger. Spec: doc/llp.md.
 */
#ifndef LX_LLP_CORE_H
#define LX_LLP_CORE_H

#include "ledger/engine.h"
#include "llp/gossip.h"
#include "llp/net.h"
#include "llp/station.h"
#include "llp/sync.h"

struct llp_core;

enum llp_core_engine { LLP_CORE_SOLO, LLP_CORE_BFT };

struct llp_core_options {
        enum llp_core_engine kind;
        /* as for the engine alone, without net, on_block, on_failure and arg: those are the core's */
        struct ledger_engine_options engine;
        struct blob_store *blobs; /* may be NULL */
        struct llp_net net;
        enum llp_sync_mode sync_mode;
        uint64_t snapshot_interval; /* sync.h */
        /* a block is the new tip, whoever committed it; may be NULL */
        void (*on_block)(void *arg, const struct ledger_header *header, size_t tx_count);
        /* the store failed, or the chain can't be followed: the node must stop; may be NULL */
        void (*on_failure)(void *arg, enum lx_err err, const struct lx_why *why);
        void *arg;
};

/** A node without peers. Errors are those of the engine (engine.h). */
LX_MUST_CHECK enum lx_err llp_core_new(
    const struct llp_core_options *options, struct llp_core **out_core, struct lx_why *why);
/** Stop all three and free; waits for work under way. NULL is fine. */
void llp_core_free(struct llp_core *core);

/** A peer said hello and is of this network. */
void llp_core_peer_up(struct llp_core *core, uint32_t peer, uint64_t now_ms);
/** A light node (role light, not full) is there: only the station speaks with it. */
void llp_core_light_up(struct llp_core *core, uint32_t peer);
/** It is gone. */
void llp_core_peer_down(struct llp_core *core, uint32_t peer, uint64_t now_ms);
/**
 * A message of a peer. An error (LX_ERR_FORMAT, LX_ERR_RANGE, ...) says that no honest peer sends this;
 * it has been punished with a ban then. Unknown types are LX_ERR_FORMAT.
 */
LX_MUST_CHECK enum lx_err llp_core_receive(struct llp_core *core, uint32_t peer, unsigned type,
    const uint8_t *bytes, size_t len, uint64_t now_ms);
/** There is room again in a peer's queue. */
void llp_core_writable(struct llp_core *core, uint32_t peer, uint64_t now_ms);
/** Time passes. */
void llp_core_tick(struct llp_core *core, uint64_t now_ms);
/** When it wants llp_core_tick; UINT64_MAX: not at all. */
uint64_t llp_core_deadline_ms(const struct llp_core *core);

/** The engine: submissions, mempool, status. */
struct ledger_engine *llp_core_get_engine(struct llp_core *core);
/** The gossip: owners' wishes, figures. */
struct llp_gossip *llp_core_get_gossip(struct llp_core *core);
/** The sync machine: figures. */
struct llp_sync *llp_core_get_sync(struct llp_core *core);
/** The station of light nodes: figures. */
struct llp_station *llp_core_get_station(struct llp_core *core);

#endif
