/*
 * ledger/engine.h - the seam of consensus: an engine decides when a block is built and who signs.
 *
 * Three verbs reach the ledger: build a candidate, check a candidate, commit it. Around them an
 * engine is given transactions and says what became of them. Two engines: solo (one key, instant
 * blocks, for --dev and tests) and bft (Tendermint: bft.h is the machine, bft_engine.c joins it with
 * journal, mempool and ledger). What both share is in engine.c; engine_int.h has their table.
 *
 * Life of a transaction: ledger_engine_submit checks form and sequence, has its signatures verified
 * on the worker pool, puts it into the mempool; the engine builds a block on the executor's thread
 * with everything that waits (so that commits group); done(result) comes on the loop, after fsync.
 *
 * Peers: the core tells an engine which peers there are and hands it their messages; what it sends
 * goes through options.net. Messages may be lost, doubled and reordered: round states are repeated
 * while a height makes no progress, and answered with what the other lacks.
 *
 * Threads: loop only; work goes to pool, executor and writer. After every call into an engine, and
 * after every reap of pool, executor and writer, ledger_engine_deadline_ms may have changed.
 * Stop order: engine, executor, writer, pool, ledger.
 */
#ifndef LX_LEDGER_ENGINE_H
#define LX_LEDGER_ENGINE_H

#include "ledger/executor.h"
#include "ledger/journal.h"
#include "ledger/ledger.h"
#include "ledger/mempool.h"

struct ledger_engine;

enum ledger_wait { LEDGER_WAIT_ACCEPTED, LEDGER_WAIT_FINAL };

/* What became of a transaction. */
struct ledger_outcome {
        enum lx_err err;   /* LX_OK: accepted, or final at height */
        struct lx_hash id;
        uint64_t height;   /* final: of its block; accepted: 0 */
        uint32_t index;
        struct lx_why why;
};

/* Consensus messages between nodes; the core maps them to message numbers. Bytes: vote.h, evidence.h. */
enum ledger_engine_message {
        LEDGER_MSG_PROPOSAL,
        LEDGER_MSG_PART,
        LEDGER_MSG_VOTE,
        LEDGER_MSG_ROUND_STATE,
        LEDGER_MSG_EVIDENCE
};

/* How an engine reaches its peers. Peers are handles that are never used again for another. */
struct ledger_engine_net {
        /* false: that class's queue is full, nothing was queued */
        bool (*send)(void *arg, uint32_t peer, enum ledger_engine_message kind, const void *bytes,
            size_t len);
        /* bodies that a proposal names and the mempool lacks; @peer has them */
        void (*want_txs)(void *arg, const struct lx_hash *ids, size_t count, uint32_t peer);
        void (*punish)(void *arg, uint32_t peer, unsigned points, const char *reason);
        void *arg;
};

struct ledger_engine_options {
        struct ledger *ledger;
        struct ledger_executor *executor;
        struct lx_pool *pool;
        const uint8_t *key;   /* the validator's secret (32 bytes, secure memory of the caller, kept
                                 while the engine lives); bft: NULL: an observer */
        uint64_t map_seed;
        /* called on the loop after each commit, before outcomes are delivered; may be NULL */
        void (*on_block)(void *arg, const struct ledger_header *header, size_t tx_count);
        /* the store failed: nothing will be committed any more; may be NULL */
        void (*on_failure)(void *arg, enum lx_err err, const struct lx_why *why);
        void *arg;
        /* ---- bft only ---- */
        const struct ledger_engine_net *net;
        const struct ledger_storage *storage; /* of write-ahead log and signing record; NULL: observer */
        struct ledger_executor *writer;       /* writes the journal; may be the executor */
        /* clocks and randomness of a simulation; NULL: the machine's */
        uint64_t (*now_ms)(void *arg);        /* monotonic */
        uint64_t (*walltime_ms)(void *arg);
        void (*random)(void *arg, void *out, size_t len);
        void *clock_arg;                      /* of the three */
        uint32_t timeout_ms;                  /* of a round's first step; 0: 1500 (bft.h) */
};

/** The solo engine. LX_ERR_DENIED: the key is not the ledger's one validator. */
LX_MUST_CHECK enum lx_err ledger_solo_new(const struct ledger_engine_options *options,
    struct ledger_engine **out_engine, struct lx_why *why);
/**
 * The bft engine. Replays the write-ahead log. LX_ERR_CORRUPT: the log or the signing record is damaged
 * where it was fsynced (why says what to do); LX_ERR_IO, LX_ERR_RANGE (the key).
 */
LX_MUST_CHECK enum lx_err ledger_bft_engine_new(const struct ledger_engine_options *options,
    struct ledger_engine **out_engine, struct lx_why *why);
/** Finish the work under way, answer what waits with LX_ERR_STOPPED, free. NULL is fine. */
void ledger_engine_free(struct ledger_engine *engine);
/**
 * Hand in an encoded transaction (copied). @done comes once, on the loop, never inside this call.
 * @now_ms: monotonic.
 */
void ledger_engine_submit(struct ledger_engine *engine, const uint8_t *bytes, size_t len,
    enum ledger_wait wait, uint64_t now_ms,
    void (*done)(void *arg, const struct ledger_outcome *outcome), void *arg);
/**
 * The owner's wish (admit.h, LEDGER_DROP_LEN bytes) that a waiting transaction goes: it and those behind it
 * leave; whoever waits for them hears LX_ERR_CHANGED. LX_ERR_ABSENT (it does not wait here),
 * LX_ERR_SIGNATURE, LX_ERR_FORMAT, LX_ERR_BUSY (it is being put into a block).
 */
LX_MUST_CHECK enum lx_err ledger_engine_drop(
    struct ledger_engine *engine, const uint8_t *bytes, size_t len, struct lx_why *why);
/** Somebody to be told of every wish that was followed, so that it is passed on; NULL: nobody. */
void ledger_engine_watch_drops(struct ledger_engine *engine,
    void (*dropped)(void *arg, const uint8_t *bytes, size_t len), void *arg);
/** What can't be included any more leaves the mempool; whoever waits hears LX_ERR_EXPIRED. */
void ledger_engine_expire(struct ledger_engine *engine, uint64_t now_ms);
/** Time passes: heartbeat, timeouts, expiry. */
void ledger_engine_tick(struct ledger_engine *engine, uint64_t now_ms);
/** When it wants ledger_engine_tick; UINT64_MAX: not at all. */
uint64_t ledger_engine_deadline_ms(const struct ledger_engine *engine);
/** Its mempool, for status. */
struct ledger_mempool *ledger_engine_mempool(struct ledger_engine *engine);
/** "solo", "bft" or "none". */
const char *ledger_engine_name(const struct ledger_engine *engine);

/** A peer is there. */
void ledger_engine_peer_up(struct ledger_engine *engine, uint32_t peer, uint64_t now_ms);
/** It is gone. */
void ledger_engine_peer_down(struct ledger_engine *engine, uint32_t peer, uint64_t now_ms);
/**
 * A consensus message of @peer. LX_OK also for what is late, known or not wanted; an error says that no
 * honest peer sends this: the caller drops it.
 */
LX_MUST_CHECK enum lx_err ledger_engine_receive(struct ledger_engine *engine, uint32_t peer,
    enum ledger_engine_message kind, const uint8_t *bytes, size_t len, uint64_t now_ms);
/** A body that was wanted (net.want_txs) is in the mempool. Its own submissions it knows of itself. */
void ledger_engine_tx_arrived(struct ledger_engine *engine, const struct lx_hash *id, uint64_t now_ms);
/** The tip moved by somebody else (sync committed blocks). */
void ledger_engine_advanced(struct ledger_engine *engine, uint64_t now_ms);
/** Sync is far behind what is certified: the engine holds still until false comes. */
void ledger_engine_set_syncing(struct ledger_engine *engine, bool syncing, uint64_t now_ms);

/* What a person asks about consensus. */
struct ledger_engine_status {
        bool validator;          /* of the set that signs the height under way */
        bool voting;             /* and it may sign */
        uint64_t height;         /* under way */
        uint32_t round;
        const char *step;        /* "idle", "propose", "prevote", "precommit", "commit" */
        uint64_t vote_from;      /* height from which it may sign; UINT64_MAX: not known yet */
        size_t missing_count;    /* validators whose precommit of the tip never came, not even late */
        uint16_t missing[SIGCHAIN_VALIDATORS_MAX]; /* their places in the tip's set */
        uint64_t rounds_lost;    /* since start: rounds that ended without a block */
        uint64_t evidence;       /* pieces found or received since start */
};
/** Figures for status; solo: height and tip only. */
void ledger_engine_get_status(
    const struct ledger_engine *engine, struct ledger_engine_status *out_status);

#endif
