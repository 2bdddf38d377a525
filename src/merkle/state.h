/*
 * merkle/state.h - the state tree: a binary sparse Merkle tree over 32-byte keys.
 *
 * Shape: the root is at depth 0; bit d of the key (most significant first) chooses the child at
 * depth d. A subtree without leaves has the hash zero; a subtree with exactly one leaf is that
 * leaf, H(lx.sleaf, key, value hash); any other is H(lx.snode, left, right). (So a leaf stands as
 * high as its key is unique, and a path holds only as many hashes as the tree is deep there.)
 *
 * Storage: pages of four levels. The page of path p (depth 4k bits, k = 0, 1, ...) holds the up to
 * 16 child entries at depth 4(k+1), or the leaves that stand higher. An entry is a leaf (key, value
 * hash) or an interior child (hash, version of its page). Bytes of a page: u16 which of the 16 slots
 * are taken, u16 which of those are leaves, then the slots in order: leaf: key, value hash; child:
 * hash, u64 version. Below the root a page holds at least two leaves. A page is stored under (version, tree,
 * path) and never overwritten: a batch at version v writes new pages of version v and lists those
 * it made stale. Old versions stay readable until their pages are pruned.
 * Pages come and go by callback. Trees are told apart by a 32-byte id (zero: the ledger's state).
 *
 * Verification is in merkle/proof.h, freestanding. Threads: an object belongs to one thread.
 * Spec: doc/merkle.md.
 */
#ifndef LX_MERKLE_STATE_H
#define LX_MERKLE_STATE_H

#include "base/buf.h"
#include "merkle/proof.h"

#define MERKLE_PAGE_MAX (4 + 16 * 64) /* bytes of an encoded page at most (16 leaves) */
#define MERKLE_PAGE_KEY_LEN 73        /* u64 version, 32-byte tree id, u8 nibbles, 32-byte path */

/* The root of a tree at one version. An empty tree has hash zero. */
struct merkle_root {
        struct lx_hash hash;
        uint64_t version; /* of the root page; meaningless for an empty tree */
};

/* One change: the new value hash, or zero for removal. */
struct merkle_update {
        struct lx_hash key;
        struct lx_hash value;
};

/* Where pages live. get appends the page's bytes; LX_ERR_CORRUPT when it is missing. */
struct merkle_pages {
        enum lx_err (*get)(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct lx_buf *out);
        void *arg;
};

/* Where a batch's results go: a new page to store, an old page's key that became stale. */
struct merkle_sink {
        void (*put)(
            void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], const uint8_t *page, size_t len);
        void (*stale)(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN]);
        void *arg;
};

struct merkle_state;

/**
 * A tree over @pages. @tree_id tells it from others in the same pages. @cache_bytes of decoded
 * pages are kept between batches (0: none). The structs are copied.
 */
struct merkle_state *merkle_state_new(const struct lx_hash_ops *ops,
    const struct merkle_pages *pages, const struct lx_hash *tree_id, size_t cache_bytes);

/** Free it; NULL is fine. */
void merkle_state_free(struct merkle_state *tree);

/**
 * Apply @count updates (any order; sorted in place; a key twice is LX_ERR_EXISTS) to @root and make
 * version @version, which must be above @root->version.
 * On failure nothing reached @sink that matters: the caller drops the batch.
 * Returns LX_OK, LX_ERR_EXISTS, LX_ERR_CORRUPT (a page is missing or damaged), LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err merkle_state_update(struct merkle_state *tree,
    const struct merkle_root *root, uint64_t version, struct merkle_update *updates, size_t count,
    const struct merkle_sink *sink, struct merkle_root *out_root);

/*
 * A tree that is made from nothing in parts: each of the subtrees of one depth on its own, then the pages
 * above them. So that a tree of any size is built with the memory of one part.
 */
struct merkle_part {
        uint8_t type; /* 0 nothing, 1 a leaf, 2 more */
        struct lx_hash hash;
        struct lx_hash key; /* a leaf's */
        struct lx_hash value;
        uint64_t version; /* of its page */
};
/** Build the subtree of @count sorted leaves that share their first @nibbles (1 and more). */
LX_MUST_CHECK enum lx_err merkle_state_build_part(struct merkle_state *tree, uint64_t version,
    unsigned nibbles, struct merkle_update *leaves, size_t count, const struct merkle_sink *sink,
    struct merkle_part *out);
/**
 * Build the page that is @nibbles deep on @path over its 16 parts. With @nibbles 0 it is the root's: then
 * out->hash is the root.
 */
void merkle_state_join_parts(struct merkle_state *tree, uint64_t version, unsigned nibbles,
    const struct lx_hash *path, const struct merkle_part parts[16], const struct merkle_sink *sink,
    struct merkle_part *out);

/**
 * The number of the last update. Its new pages are in the cache, but nothing sees them until its caller says that they
 * are stored. So several updates may make the same version from the same root (candidates of one
 * height) and at most one be accepted.
 */
uint64_t merkle_state_batch(const struct merkle_state *tree);
/** The pages of update @batch are stored (@accept), or never will be. Every update is settled once. */
void merkle_state_settle(struct merkle_state *tree, uint64_t batch, bool accept);

/** The value hash under @key at @root: found or not in @out_found. */
LX_MUST_CHECK enum lx_err
merkle_state_get(struct merkle_state *tree, const struct merkle_root *root,
    const struct lx_hash *key, struct lx_hash *out_value, bool *out_found);

/**
 * The proof of what stands under @key at @root: inclusion or exclusion. LX_ERR_RANGE when another
 * key shares more than 252 bits with it, which hashes don't.
 */
LX_MUST_CHECK enum lx_err merkle_state_prove(struct merkle_state *tree,
    const struct merkle_root *root, const struct lx_hash *key, struct merkle_proof *out_proof);

/**
 * Walk all leaves at @root in key order: @each returns false to stop. For checks and snapshots.
 * Every page's hash is recomputed and compared on the way: LX_ERR_CORRUPT.
 */
LX_MUST_CHECK enum lx_err
merkle_state_walk(struct merkle_state *tree, const struct merkle_root *root,
    bool (*each)(void *arg, const struct lx_hash *key, const struct lx_hash *value), void *arg);

#endif
