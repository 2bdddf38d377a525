/*
 * ledger/engine.h - the seam of consensus: an engine decides when a block is built and who signs.
 *
 * Three verbs reach the ledger: build a candidate, check a candidate, commit it. Around them an
 * engine is given transactions and says what became of them. One engine here: solo (one key,
 * instant blocks, for --dev and tests); bft comes beside it.
 *
 * Life of a transaction: ledger_engine_submit checks form and sequence, has its signatures verified
 * on the worker pool, puts it into the mempool; the engine builds a block on the executor's thread
 * with everything that waits (so that commits group); done(result) comes on the loop, after fsync.
 * Threads: loop only; work goes to pool and executor. Stop order: engine, executor, pool, ledger.
 */
#ifndef LX_LEDGER_ENGINE_H
#define LX_LEDGER_ENGINE_H

#include "ledger/executor.h"
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

struct ledger_engine_options {
        struct ledger *ledger;
        struct ledger_executor *executor;
        struct lx_pool *pool;
        const uint8_t *key;   /* the validator's secret (32 bytes, secure memory of the caller, kept
                                 while the engine lives) */
        uint64_t map_seed;
        /* called on the loop after each commit, before outcomes are delivered; may be NULL */
        void (*on_block)(void *arg, const struct ledger_header *header, size_t tx_count);
        /* the store failed: nothing will be committed any more; may be NULL */
        void (*on_failure)(void *arg, enum lx_err err, const struct lx_why *why);
        void *arg;
};

/** The solo engine. LX_ERR_DENIED: the key is not the ledger's one validator. */
LX_MUST_CHECK enum lx_err ledger_solo_new(const struct ledger_engine_options *options,
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
/** Time passes: heartbeat, expiry. */
void ledger_engine_tick(struct ledger_engine *engine, uint64_t now_ms);
/** When it wants ledger_engine_tick; UINT64_MAX: not at all. */
uint64_t ledger_engine_deadline_ms(const struct ledger_engine *engine);
/** Its mempool, for status. */
struct ledger_mempool *ledger_engine_mempool(struct ledger_engine *engine);
/** "solo", "bft" or "none". */
const char *ledger_engine_name(const struct ledger_engine *engine);

#endif
