/*
 * merkle/levels_int.h - a whole log tree in memory, level by level, and the RFC's split.
 *
 * Level l has ceil(count / 2^l) nodes; a single last node stands on every level it is alone on, so
 * that node (l, i) covers the leaves [i << l, min((i + 1) << l, count)) in the RFC's shape.
 */
#ifndef LX_MERKLE_LEVELS_INT_H
#define LX_MERKLE_LEVELS_INT_H

#include "merkle/log.h"

struct merkle_levels {
        struct lx_hash *nodes;                 /* all levels, lowest first */
        uint64_t count;                        /* leaves */
        unsigned depth;                        /* levels; 0: no leaves */
        uint64_t at[MERKLE_LOG_DEPTH_MAX + 1]; /* where each begins in nodes */
};

/** Build over copies of @leaves; false: no memory. */
bool merkle_levels_init(struct merkle_levels *levels, const struct lx_hash_ops *ops,
    const struct lx_hash *leaves, uint64_t count);
/** Free it. */
void merkle_levels_clear(struct merkle_levels *levels);

/** @count hashes of two hashes each; @out may be @in. */
void merkle_hash_pairs(const struct lx_hash_ops *ops, const struct lx_tag *tag,
    const struct lx_hash *in, size_t count, struct lx_hash *out);

/** RFC 9162 2.1.1: "let k be the largest power of two smaller than n"; 0 for n < 2. */
static inline uint64_t
merkle_split(uint64_t n)
{
        return n < 2 ? 0 : 1ull << (63 - __builtin_clzll(n - 1));
}

#endif
