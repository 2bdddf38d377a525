/*
 * ledger/mempool.h - transactions that wait for a block.
 *
 * Bounded in bytes, in number, per chain, and per source. Transactions of one chain keep their
 * order. A transaction of the same chain and sequence replaces an older one only if it pays more or
 * the owner asks for it (@replace); expired ones leave. Threads: loop only. Pure: time and height
 * are arguments. Spec: doc/ledger.md.
 */
#ifndef LX_LEDGER_MEMPOOL_H
#define LX_LEDGER_MEMPOOL_H

#include "base/buf.h"
#include "base/why.h"
#include "sigchain/tx.h"

#define LEDGER_MEMPOOL_TXS_MAX 65536
#define LEDGER_MEMPOOL_BYTES_MAX (64u << 20)
#define LEDGER_MEMPOOL_CHAIN_MAX 256 /* waiting transactions of one chain */

struct ledger_mempool;

struct ledger_pending {
        struct lx_hash id;
        struct lx_hash genesis;
        uint64_t sequence;
        uint64_t expiry;
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
/** The waiting one with this id, or NULL. */
const struct ledger_pending *ledger_mempool_find(
    const struct ledger_mempool *pool, const struct lx_hash *id);
/** The highest sequence + 1 that waits for @genesis; 0: none. */
uint64_t ledger_mempool_next_sequence(
    const struct ledger_mempool *pool, const struct lx_hash *genesis);
/** Remove those that can't be included above @height; returns how many, ids appended to @out_ids. */
size_t ledger_mempool_expire(struct ledger_mempool *pool, uint64_t height, struct lx_buf *out_ids);
/** How many wait, and their bytes. */
size_t ledger_mempool_count(const struct ledger_mempool *pool, size_t *out_bytes);

#endif
