/*
 * llp/sync.h - a node that lags catches up, from several peers at once; and serves those that lag.
 *
 * A pure machine on the loop thread. Peers and disks lie; whatever does not verify changes nothing
 * and costs its sender. What it verifies:
 *   headers   every link, time, history root and validator set hash on the loop, every certificate
 *             on the pool, before anything else is asked for above them;
 *   blocks    asked for in ranges of heights of many peers; every signature and the transactions
 *             root on the pool, then ledger_check_block and ledger_commit on the executor;
 *   blobs     a manifest that a block names and that is not here, against its root;
 *   snapshot  (LLP_SYNC_SNAPSHOT, only while the tip is block 0) headers first, all of them, then the
 *             state at one height in pieces (ledger/snapshot.h), then blocks from there on.
 *
 *      in step --a verified header above the tip--> behind --tip is the last verified header--> in step
 *      behind: header requests, block requests and commits go on side by side, each with a window
 *
 * A peer whose certified headers are not ours is on another branch, which takes a third of the power to lie: it
 * is asked for nothing any more, and whoever signed both branches in one round is named (sync_fork.c).
 *
 * A request has a deadline, moved by every piece; a peer that lets one pass is asked last, three
 * times: dropped. A peer that goes away: its requests go to others. LLP_SYNC_INFLIGHT_MAX requests of
 * one peer at a time; all windows are bounded (LLP_SYNC_AHEAD_MAX headers, LLP_SYNC_BYTES_MAX of bodies).
 * A claim of height is believed only as far as headers were verified: a liar can't make a node
 * think that it is behind.
 *
 * Serving: answers are made on the pool from a view, only when net->has_room says that there is
 * place for them, so that bulk never piles up before votes; LLP_SYNC_SERVE_MAX requests of one peer wait.
 *
 * Executor: while behind, on_syncing(true) tells the core to hold the engine; each commit job looks
 * at the tip again before it starts. Ownership: options' objects are the caller's, outlive the machine.
 * Messages: LLP_STATUS, LLP_GET_HEADERS ... LLP_NOT_FOUND. Spec: doc/sync.md.
 */
#ifndef LX_LLP_SYNC_H
#define LX_LLP_SYNC_H

#include "ledger/executor.h"
#include "ledger/ledger.h"
#include "ledger/snapshot.h"

#define LLP_SYNC_AHEAD_MAX 4096            /* verified headers above the tip */
#define LLP_SYNC_BYTES_MAX (64ull << 20)   /* bodies that wait for their turn */
#define LLP_SYNC_INFLIGHT_MAX 4            /* requests of one peer that wait for an answer */
#define LLP_SYNC_SERVE_MAX 16              /* requests of one peer that wait to be served */
#define LLP_SYNC_PIECE_MAX (60u * 1024)    /* bytes of one answer message's body */
#define LLP_SYNC_TIMEOUT_MS 8000           /* a request without a new piece */
#define LLP_SYNC_SNAPSHOTS_MAX 4           /* heights in a status */
#define LLP_RANGE_MAX 256                  /* headers or blocks of one request */
#define LLP_HEIGHT_MAX (1ull << 62)        /* of a message; above it is malformed */

enum llp_sync_mode { LLP_SYNC_FULL, LLP_SYNC_SNAPSHOT };

struct llp_sync;
struct llp_net;

struct llp_sync_options {
        struct ledger *ledger;
        struct blob_store *blobs;          /* may be NULL: no manifests here */
        struct ledger_executor *executor;
        struct lx_pool *pool;
        const struct llp_net *net;
        enum llp_sync_mode mode;
        uint64_t snapshot_interval;        /* heights offered are multiples of it; 0: 1000 */
        /* after each committed block of this machine, in order; may be NULL */
        void (*on_commit)(void *arg, uint64_t height);
        /* the node is behind what is certified, or in step again; may be NULL */
        void (*on_syncing)(void *arg, bool syncing);
        /* a fork was found: evidence (ledger/evidence.h, a transaction) that names who signed both; may be NULL */
        void (*on_evidence)(void *arg, const uint8_t *tx, size_t len);
        /*
         * It can't go on: the store failed, or a certified block does not execute here (a newer rule
         * version, or more than a third of the power is faulty); may be NULL
         */
        void (*on_failure)(void *arg, enum lx_err err, const struct lx_why *why);
        void *arg;
};

/** A machine without peers; an import that was interrupted is taken up again. */
struct llp_sync *llp_sync_new(const struct llp_sync_options *options);
/** Free it; waits for its jobs (lx_pool_drain, ledger_executor_drain). NULL is fine. */
void llp_sync_free(struct llp_sync *sync);

/** A peer is there; it gets our status. */
void llp_sync_peer_up(struct llp_sync *sync, uint32_t peer, uint64_t now_ms);
/** It is gone: what it was asked for is asked of others, what it waited for is forgotten. */
void llp_sync_peer_down(struct llp_sync *sync, uint32_t peer, uint64_t now_ms);

/** Whether @type is one of this machine's messages. */
bool llp_sync_handles(unsigned type);
/** A message came in; errors as of llp_gossip_receive: the caller drops the peer. */
LX_MUST_CHECK enum lx_err llp_sync_receive(struct llp_sync *sync, uint32_t peer, unsigned type,
    const uint8_t *bytes, size_t len, uint64_t now_ms);
/** The tip moved by somebody else (the engine): peers are told, what is below is forgotten. */
void llp_sync_advanced(struct llp_sync *sync, uint64_t now_ms);
/** There is room again in the peer's queue (optional: the tick looks every few ms anyway). */
void llp_sync_writable(struct llp_sync *sync, uint32_t peer, uint64_t now_ms);

/** Time passes. */
void llp_sync_tick(struct llp_sync *sync, uint64_t now_ms);
/** When it wants llp_sync_tick; UINT64_MAX: not at all. */
uint64_t llp_sync_deadline_ms(const struct llp_sync *sync);

struct llp_sync_stats {
        bool behind;               /* verified headers above the tip, or an import */
        uint64_t tip, verified;    /* heights */
        uint64_t claimed;          /* the highest that a peer claims; not believed */
        const char *phase;         /* "in step", "headers", "blocks", "snapshot", "failed" */
        uint64_t snapshot_height;  /* of the import; 0: none */
        uint64_t pieces, bytes_in, bytes_out, blocks, requests, timeouts, bad;
        size_t peers;
};
/** Figures for status and metrics. */
void llp_sync_get_stats(const struct llp_sync *sync, struct llp_sync_stats *out_stats);

/* ---- codecs (doc/sync.md); readers go to the end of the bytes --------------------------------- */

struct llp_status {
        uint64_t height;
        struct lx_hash tip;      /* header hash */
        uint64_t earliest;       /* lowest height whose blocks and states it has */
        size_t snapshot_count;
        uint64_t snapshot[LLP_SYNC_SNAPSHOTS_MAX];
};
/** Write a status. */
void llp_status_encode(const struct llp_status *status, struct lx_writer *wr);
/** Read a status. */
LX_MUST_CHECK enum lx_err llp_status_decode(
    const uint8_t *bytes, size_t len, struct llp_status *out_status);

/* One form for every request; which fields count is the type's. */
struct llp_request {
        uint32_t id;             /* the asker's, comes back in every answer */
        uint64_t from;           /* headers, blocks: first height; snapshot: height */
        uint16_t count;          /* headers, blocks: how many at most */
        uint8_t section;         /* snapshot: enum ledger_section; blob: enum ledger_blob */
        struct lx_hash tree;     /* snapshot: which tree, register or node; blob: root */
        struct lx_hash key;      /* snapshot: from this key */
        uint64_t offset;         /* snapshot: from this entry; blob: from this byte */
};
/** Write the request of message @type. */
void llp_request_encode(unsigned type, const struct llp_request *request, struct lx_writer *wr);
/** Read the request of message @type. */
LX_MUST_CHECK enum lx_err llp_request_decode(
    unsigned type, const uint8_t *bytes, size_t len, struct llp_request *out_request);

/* One piece of an answer: u32 id, u32 number, u8 last (0 or 1), bytes (to the end). */
struct llp_answer {
        uint32_t id;
        uint32_t number;         /* pieces of one answer count from 0 */
        bool last;
        struct lx_span bytes;    /* at most LLP_SYNC_PIECE_MAX; into the input */
};
/** Write one piece. */
void llp_answer_encode(const struct llp_answer *answer, struct lx_writer *wr);
/** Read one piece. */
LX_MUST_CHECK enum lx_err llp_answer_decode(
    const uint8_t *bytes, size_t len, struct llp_answer *out_answer);

#endif
