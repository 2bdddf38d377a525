/*
 * merkle/log.h - log trees: append-only Merkle trees of RFC 9162 shape.
 *
 * Used for the transactions of a block, the headers of the chain, the entries of a manifest, the
 * entries of an append register and (over page hashes) files. Shape and proofs are those of
 * RFC 9162 section 2.1; hashes are ours: leaf = H(lx.leaf, data), node = H(lx.node, left, right),
 * the tags standing in for the RFC's prefix bytes. The root of no leaves is H(lx.node) of no parts,
 * which no leaf and no node has (a table over SHA-256 leaves out the prefix byte then, as the RFC's
 * HASH() does).
 * Callers hand in leaf hashes. Inner nodes are fetched by callback, so a tree may live on disk.
 * Verification (merkle_log_verify_*) is freestanding: no heap, mem* only. Threads: pure.
 * Spec: doc/merkle.md.
 */
#ifndef LX_MERKLE_LOG_H
#define LX_MERKLE_LOG_H

#include "base/err.h"
#include "crypto/ops.h"

#define MERKLE_LOG_DEPTH_MAX 64                         /* hashes of an inclusion proof at most */
#define MERKLE_LOG_PROOF_MAX (2 * MERKLE_LOG_DEPTH_MAX) /* of a consistency proof at most */

/* A proof: hashes in the order of RFC 9162, lowest first. The caller owns the array. */
struct merkle_path {
        size_t count;
        struct lx_hash hash[MERKLE_LOG_PROOF_MAX];
};

/*
 * The right edge of a growing tree: roots of its complete subtrees, largest first. It is all one
 * needs to append and to know the root. Encoding: u64 size, then popcount(size) hashes.
 */
struct merkle_frontier {
        uint64_t size; /* leaves */
        struct lx_hash peak[MERKLE_LOG_DEPTH_MAX];
};

/*
 * Where complete nodes go and come from: level 0 is leaf hashes, node (level, index) covers leaves
 * [index << level, (index + 1) << level). Only complete nodes are ever stored: they never change.
 */
struct merkle_log_store {
        enum lx_err (*get)(void *arg, unsigned level, uint64_t index, struct lx_hash *out);
        void *arg;
};

/** The root of a tree without leaves. */
void merkle_log_empty_root(const struct lx_hash_ops *ops, struct lx_hash *out);

/** The hash of a leaf with these @len bytes. */
void
merkle_log_leaf(const struct lx_hash_ops *ops, const void *data, size_t len, struct lx_hash *out);

/** The root of @count leaf hashes. */
void merkle_log_root(const struct lx_hash_ops *ops, const struct lx_hash *leaves, uint64_t count,
    struct lx_hash *out);

/** The inclusion proof of leaf @index among the @count leaf hashes at @leaves; @index < @count. */
void merkle_log_prove(const struct lx_hash_ops *ops, const struct lx_hash *leaves, uint64_t count,
    uint64_t index, struct merkle_path *out_path);

/**
 * Append a leaf. Every node that becomes complete is handed to @put (may be NULL), the leaf
 * itself first (level 0).
 */
void merkle_frontier_append(const struct lx_hash_ops *ops, struct merkle_frontier *frontier,
    const struct lx_hash *leaf,
    void (*put)(void *arg, unsigned level, uint64_t index, const struct lx_hash *node), void *arg);

/** The root of the tree that @frontier is the edge of. */
void merkle_frontier_root(
    const struct lx_hash_ops *ops, const struct merkle_frontier *frontier, struct lx_hash *out);

/** Inclusion proof of @index in the tree of the first @size leaves kept in @store. */
LX_MUST_CHECK enum lx_err
merkle_log_prove_stored(const struct lx_hash_ops *ops, const struct merkle_log_store *store,
    uint64_t size, uint64_t index, struct merkle_path *out_path);

/** Consistency proof (RFC 9162 2.1.4) from the first @old_size to the first @size leaves. */
LX_MUST_CHECK enum lx_err
merkle_log_prove_consistency(const struct lx_hash_ops *ops, const struct merkle_log_store *store,
    uint64_t old_size, uint64_t size, struct merkle_path *out_path);

/** Verify (RFC 9162 2.1.3.2). LX_ERR_PROOF when it does not hold. */
LX_MUST_CHECK enum lx_err
merkle_log_verify(const struct lx_hash_ops *ops, const struct lx_hash *leaf, uint64_t index,
    uint64_t size, const struct lx_hash *path, size_t path_count, const struct lx_hash *root);

/** Verify (RFC 9162 2.1.4.2). LX_ERR_PROOF when it does not hold. */
LX_MUST_CHECK enum lx_err merkle_log_verify_consistency(const struct lx_hash_ops *ops,
    uint64_t old_size, const struct lx_hash *old_root, uint64_t size, const struct lx_hash *root,
    const struct lx_hash *path, size_t path_count);

#endif
