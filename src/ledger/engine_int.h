/*
 * ledger/engine_int.h - what engines share: the table of verbs, the mempool, who waits for what.
 *
 * An engine embeds struct ledger_engine as its first member and fills ops; engine.c does submissions,
 * waiters and outcomes. Every verb but free, tick and deadline_ms may be NULL.
 */
#ifndef LX_LEDGER_ENGINE_INT_H
#define LX_LEDGER_ENGINE_INT_H

#include "base/map.h"
#include "ledger/engine.h"

struct ledger_engine_ops {
        const char *name;
        void (*free)(struct ledger_engine *engine); /* what is beyond the base, and the struct itself */
        void (*tick)(struct ledger_engine *engine, uint64_t now_ms);
        uint64_t (*deadline_ms)(const struct ledger_engine *engine);
        /* a transaction joined the mempool */
        void (*joined)(struct ledger_engine *engine, const struct lx_hash *id);
        /* a transaction's signatures hold; whether it may wait is another matter */
        void (*verified)(struct ledger_engine *engine, const struct lx_hash *id, const uint8_t *bytes,
            size_t len);
        void (*peer_up)(struct ledger_engine *engine, uint32_t peer, uint64_t now_ms);
        void (*peer_down)(struct ledger_engine *engine, uint32_t peer, uint64_t now_ms);
        enum lx_err (*receive)(struct ledger_engine *engine, uint32_t peer,
            enum ledger_engine_message kind, const uint8_t *bytes, size_t len, uint64_t now_ms);
        void (*tx_arrived)(struct ledger_engine *engine, const struct lx_hash *id, uint64_t now_ms);
        void (*advanced)(struct ledger_engine *engine, uint64_t now_ms);
        void (*set_syncing)(struct ledger_engine *engine, bool syncing, uint64_t now_ms);
        void (*get_status)(const struct ledger_engine *engine, struct ledger_engine_status *out_status);
};

struct ledger_engine {
        const struct ledger_engine_ops *ops;
        struct ledger_engine_options options;
        struct ledger_mempool *pool;
        struct lx_map *waiters; /* id -> struct waiter (engine.c) */
        struct lx_pubkey public;
        void (*dropped)(void *arg, const uint8_t *bytes, size_t len); /* a wish was followed */
        void *dropped_arg;
        uint64_t expire_ms;     /* when expired transactions are looked for */
        bool failed;
        bool stopping;
};

/** Fill the base: options, mempool, table of those who wait. */
void ledger_engine_init(struct ledger_engine *engine, const struct ledger_engine_ops *ops,
    const struct ledger_engine_options *options);
/** The end of a waiting transaction: it leaves the mempool, whoever waits hears it. */
void ledger_engine_finish(struct ledger_engine *engine, const struct ledger_outcome *outcome);
/** The store failed: nothing is accepted any more, on_failure is called. */
void ledger_engine_fail(struct ledger_engine *engine, enum lx_err err, const struct lx_why *why);

#endif
