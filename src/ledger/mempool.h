/*
 * ledger/mempool.h - transactions that wait for a block.
 *
 * Bounded in bytes, in number, per chain, and per source. Transactions of one chain keep their
 * order. Which transaction may join, and which replaces another, admit.h says; one that leaves for
 * another, or by its owner's wish, takes those along that wait behind it on its chain. Expired ones
 * leave, and after LEDGER_MEMPOOL_AGE_MS everything. Threads: loop only. Pure: time and height are
 * arguments. Spec: doc/sync.md.
 */
#ifndef LX_LEDGER_MEMPOOL_H
#define LX_LEDGER_MEMPOOL_H

#include "base/buf.h"
#include "base/why.h"
#include "sigchain/tx.h"

#define LEDGER_MEMPOOL_TXS_MAX 65536
#define LEDGER_MEMPOOL_BYTES_MAX (64u << 20)
#define LEDGER_MEMPOOL_CHAIN_MAX 256 /* waiting transactions of one chain */
#define LEDGER_MEMPOOL_AGE_MS (3ull * 3600 * 1000) /* then it leaves, included or not */

struct ledger_mempool;

struct ledger_pending {
        struct lx_hash id;
        struct lx_hash genesis;
        uint64_t sequence;
        uint64_t expiry;
        uint64_t fee;
        struct lx_hash next; /* commitment to the key of the one behind it */
        uint8_t *bytes; /* the mempool's */
        size_t len;
        uint64_t added_ms;
        bool in_block; /* taken by ledger_mempool_take */
};

/** An empty mempool; @seed for its tables. */
struct ledger_mempool *ledger_mempool_new(uint64_t seed);
/** Free it; NULL is fine. */
void ledger_mempool_free(struct ledger_mempool *pool);
/**
 * Add a decoded, verified transaction. LX_OK (also when it is there already), LX_ERR_LIMIT (full,
 * or too many of this chain), LX_ERR_EXISTS (another one with this sequence waits), LX_ERR_EXPIRED.
 */
LX_MUST_CHECK enum lx_err ledger_mempool_add(struct ledger_mempool *pool,
    const struct sigchain_tx *tx, const uint8_t *bytes, size_t len, uint64_t height,
    uint64_t now_ms, bool replace, struct lx_why *why);
/** Take up to @max waiting ones (and @max_bytes), in order, oldest chains first; marks them. */
size_t ledger_mempool_take(struct ledger_mempool *pool, struct ledger_pending **out, size_t max,
    size_t max_bytes);
/** Give one back that was not included, to be tried again. */
void ledger_mempool_return(struct ledger_mempool *pool, const struct lx_hash *id);
/** Remove one: included, refused or dropped by its owner. */
void ledger_mempool_remove(struct ledger_mempool *pool, const struct lx_hash *id);
/**
 * Somebody to be told of every transaction that joins or leaves (before it is freed); NULL: nobody. One at
 * a time; it may not change the mempool.
 */
void ledger_mempool_observe(struct ledger_mempool *pool,
    void (*observe)(void *arg, const struct ledger_pending *pending, bool joined), void *arg);
/** Look at all, in order of arrival. */
void ledger_mempool_each(const struct ledger_mempool *pool,
    void (*each)(void *arg, const struct ledger_pending *pending), void *arg);
/** The waiting one of @genesis with @sequence, or NULL. */
const struct ledger_pending *ledger_mempool_at(
    const struct ledger_mempool *pool, const struct lx_hash *genesis, uint64_t sequence);
/**
 * Append the id of @id and of those that wait behind it on its chain, last first, to @out_ids; whether one
 * of them was taken for a block.
 */
bool ledger_mempool_behind(
    const struct ledger_mempool *pool, const struct lx_hash *id, struct lx_buf *out_ids);
/** The waiting one with this id, or NULL. */
const struct ledger_pending *ledger_mempool_find(
    const struct ledger_mempool *pool, const struct lx_hash *id);
/** The highest sequence + 1 that waits for @genesis; 0: none. */
uint64_t ledger_mempool_next_sequence(
    const struct ledger_mempool *pool, const struct lx_hash *genesis);
/**
 * The ids of those that can't be included above @height or are too old, with what is behind them, appended
 * to @out_ids; how many. They stay: the engine removes them and tells who waits.
 */
size_t ledger_mempool_expired(const struct ledger_mempool *pool, uint64_t height, uint64_t now_ms,
    struct lx_buf *out_ids);
/** How many wait, and their bytes. */
size_t ledger_mempool_count(const struct ledger_mempool *pool, size_t *out_bytes);

#endif
