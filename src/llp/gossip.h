/*
 * llp/gossip.h - transactions spread once: pushed by their origin, then announced by id and asked for.
 *
 * A pure machine. What was handed in here (RPC) is pushed, body and all, to every peer that does not know
 * it: each would have asked this node for it, a round trip later. What a peer brought is announced by id to
 * the peers that do not know it, batched (every LLP_GOSSIP_BATCH_MS or LLP_GOSSIP_IDS_MAX ids); so is what
 * would make more than LLP_GOSSIP_PUSH_MAX bodies wait for a peer. Who lacks a body asks one peer for it,
 * then, when that one does not answer in LLP_GOSSIP_ASK_MS, the next that announced it; a body that a
 * proposal names may be on its way, and is asked for after LLP_GOSSIP_GRACE_MS. A pushed body counts as an
 * announced one for every limit; an old one, or one above a limit, costs its sender. Ids of one chain are announced
 * in the order of the chain, and a body that comes before its predecessor waits in a bounded room.
 *
 * Before its signatures are verified (on the pool, by ledger_engine_submit) a body must be admitted
 * (ledger/admit.h): the key of its witness is the one that the chain committed to, so only the owner
 * of a chain can fill its place in the mempool. The owner's wish to have a waiting transaction
 * dropped (ledger/admit.h, 128 bytes) travels the same links and is passed on once by each node that
 * follows it, wherever it came from (ledger_engine_drop).
 *
 *      unknown --announced--> wanted --asked--> asked --body--> checking --ok--> in the mempool
 *         ^                     ^                 |                |
 *         |                     +---- timeout ----+                +-- bad: peer punished, forgotten
 *
 * Limits: LLP_GOSSIP_WANTED_MAX wanted ids, of one peer LLP_GOSSIP_PEER_WANTED_MAX; LLP_GOSSIP_ASKED_MAX
 * asked of one peer at a time; LLP_GOSSIP_PEER_WAITING_MAX transactions in the mempool that one peer
 * brought; what is above is not asked for and comes with a later announcement or in a block.
 *
 * Threads: loop only. Time is an argument. Ownership: options' objects are the caller's and
 * outlive the machine. Messages: LLP_TX_IDS, LLP_GET_TXS, LLP_TX, LLP_TX_DROP. Spec: doc/sync.md.
 */
#ifndef LX_LLP_GOSSIP_H
#define LX_LLP_GOSSIP_H

#include "ledger/engine.h"

#define LLP_GOSSIP_IDS_MAX 1000          /* ids of one message */
#define LLP_GOSSIP_BATCH_MS 20           /* an announcement waits for others at most so long */
#define LLP_GOSSIP_PUSH_MAX 256          /* bodies that wait for one peer; more are announced */
#define LLP_GOSSIP_GRACE_MS 15
#define LLP_GOSSIP_ASK_MS 2000           /* then the next peer is asked */
#define LLP_GOSSIP_WANTED_MAX 20000      /* ids that are known by name only */
#define LLP_GOSSIP_PEER_WANTED_MAX 5000  /* of those, first announced by one peer */
#define LLP_GOSSIP_ASKED_MAX 256         /* asked of one peer and not answered */
#define LLP_GOSSIP_PEER_WAITING_MAX 8192 /* in the mempool, brought by one peer */
#define LLP_GOSSIP_ORPHANS_MAX 1024      /* bodies that wait for their predecessor */
#define LLP_GOSSIP_ORPHAN_BYTES_MAX (4u << 20)

struct llp_gossip;
struct llp_net;

struct llp_gossip_options {
        struct ledger *ledger;
        struct ledger_engine *engine;
        const struct llp_net *net;
        uint64_t map_seed;
        /* a body that the engine wanted (llp_gossip_want) is in the mempool; may be NULL */
        void (*on_arrived)(void *arg, const struct lx_hash *id);
        void *arg;
};

/** A machine without peers. It observes the engine's mempool from now on. */
struct llp_gossip *llp_gossip_new(const struct llp_gossip_options *options);
/** Free it; submissions under way must have been reaped. NULL is fine. */
void llp_gossip_free(struct llp_gossip *gossip);

/** A peer is there: what waits in the mempool is announced to it. */
void llp_gossip_peer_up(struct llp_gossip *gossip, uint32_t peer, uint64_t now_ms);
/** It is gone: what it was asked for is asked of others. */
void llp_gossip_peer_down(struct llp_gossip *gossip, uint32_t peer);

/** Whether @type is one of this machine's messages. */
bool llp_gossip_handles(unsigned type);
/**
 * A message came in. LX_OK, also when it is ignored by a limit; LX_ERR_FORMAT, LX_ERR_RANGE,
 * LX_ERR_TRUNCATED, LX_ERR_TRAILING: bytes that no honest peer sends (the caller drops the peer).
 */
LX_MUST_CHECK enum lx_err llp_gossip_receive(struct llp_gossip *gossip, uint32_t peer,
    unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms);

/**
 * The engine needs these bodies now (a proposal names them): asked of @peer at once, then of the
 * others. Those in the mempool already are left out.
 */
void llp_gossip_want(struct llp_gossip *gossip, const struct lx_hash *ids, size_t count,
    uint32_t peer, uint64_t now_ms);

/**
 * A block was committed: wishes that were for included transactions are forgotten, bodies whose
 * predecessor came with it are tried.
 */
void llp_gossip_block(struct llp_gossip *gossip, uint64_t now_ms);

/** Time passes: batches leave, unanswered questions go to the next peer. */
void llp_gossip_tick(struct llp_gossip *gossip, uint64_t now_ms);
/** When it wants llp_gossip_tick; UINT64_MAX: not at all. */
uint64_t llp_gossip_deadline_ms(const struct llp_gossip *gossip);

struct llp_gossip_stats {
        uint64_t announced, asked, bodies_in, bodies_out, unasked, refused, dropped;
        size_t wanted, orphans;
};
/** Figures for status and metrics. */
void llp_gossip_get_stats(const struct llp_gossip *gossip, struct llp_gossip_stats *out_stats);

/* ---- codecs (doc/sync.md) ---------------------------------------------------------------------- */

/** u16 count (1 to LLP_GOSSIP_IDS_MAX), ids: LLP_TX_IDS and LLP_GET_TXS. */
void llp_ids_encode(const struct lx_hash *ids, size_t count, struct lx_writer *wr);
/** Read it to the end; @out has room for LLP_GOSSIP_IDS_MAX. */
LX_MUST_CHECK enum lx_err llp_ids_decode(
    const uint8_t *bytes, size_t len, struct lx_hash *out, size_t *out_count);

#endif
