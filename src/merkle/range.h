/*
 * merkle/range.h - range proofs of the state tree (merkle/state.h): these leaves, and no others, have
 * their keys in [from, next).
 *
 * A proof is a walk from the root, depth first, left before right. A subtree whose keys are all in the
 * range is computed from the leaves and has no bytes. Of a subtree whose keys are all outside:
 *   u8 0  it is empty
 *   u8 1  it is one leaf: key (32), value hash (32)
 *   u8 2  it is more: its hash (32)
 * Of one that is partly in the range:
 *   u8 0  it is empty
 *   u8 1  it is one leaf, in the range
 *   u8 2  it is one leaf, not in the range: key (32), value hash (32)
 *   u8 3  it is more: left, then right follow
 * An empty tree has no proof bytes: its root is zero. Threads: pure. Spec: doc/merkle.md.
 */
#ifndef LX_MERKLE_RANGE_H
#define LX_MERKLE_RANGE_H

#include "merkle/state.h"

/* A leaf of the tree. */
struct merkle_leaf {
        struct lx_hash key;
        struct lx_hash value; /* hash */
};

/* Keys from @from (included) to @next (not included); no @next: to the end. */
struct merkle_range {
        struct lx_hash from;
        struct lx_hash next;
        bool to_end; /* next counts for nothing */
};

/**
 * Walk the leaves at @root from key @from on, in order, until @each says false: that leaf is not counted
 * any more. LX_ERR_CORRUPT, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err merkle_state_walk_from(struct merkle_state *tree,
    const struct merkle_root *root, const struct lx_hash *from,
    bool (*each)(void *arg, const struct lx_hash *key, const struct lx_hash *value), void *arg);

/** Append the proof of @range at @root to @out. */
LX_MUST_CHECK enum lx_err merkle_state_prove_range(struct merkle_state *tree,
    const struct merkle_root *root, const struct merkle_range *range, struct lx_buf *out);

/**
 * Verify that the @count leaves at @leaves, in order, are those of @range in the tree of @root. Reads
 * one proof off @rd. LX_ERR_PROOF, LX_ERR_FORMAT, LX_ERR_TRUNCATED.
 */
LX_MUST_CHECK enum lx_err
merkle_range_verify(const struct lx_hash_ops *ops, struct lx_reader *rd, const struct lx_hash *root,
    const struct merkle_range *range, const struct merkle_leaf *leaves, size_t count);

#endif
