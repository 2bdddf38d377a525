/*
 * merkle/file.h - file trees: the log tree over the pages of a file.
 *
 * Leaf i is H(lx.leaf, page i): 4096 bytes, the last page zero-padded as the kernel maps it; the
 * length of the file stands beside the root wherever a root stands. A file of no bytes has no
 * leaves and the empty log root. The same tree verifies the file, a part of it and its pages in
 * memory. Leaf hashes as a sequence are a "leaves" blob, named by the root. Reading files is the
 * caller's. Verification is freestanding. Threads: pure. Spec: doc/merkle.md.
 */
#ifndef LX_MERKLE_FILE_H
#define LX_MERKLE_FILE_H

#include "merkle/log.h"

#define MERKLE_FILE_PAGE 4096 /* bytes */

/** How many pages a file of @len bytes has. */
static inline uint64_t
merkle_file_pages(uint64_t len)
{
        return len / MERKLE_FILE_PAGE + (len % MERKLE_FILE_PAGE != 0);
}

/*
 * A whole tree in memory, interior nodes included: 64 bytes a page. For repeated updates and
 * proofs; one page's update rehashes only its path.
 */
struct merkle_file;

/** The tree over @count leaf hashes (copied); NULL when memory is out. */
struct merkle_file *
merkle_file_new(const struct lx_hash_ops *ops, const struct lx_hash *leaves, uint64_t count);
/** Free it; NULL is fine. */
void merkle_file_free(struct merkle_file *file);
/** Its root. */
void merkle_file_root(const struct merkle_file *file, struct lx_hash *out);
/** Give leaf @index (< count) a new hash. */
void merkle_file_set(struct merkle_file *file, uint64_t index, const struct lx_hash *leaf);
/** Its leaf hash @index. */
const struct lx_hash *merkle_file_leaf(const struct merkle_file *file, uint64_t index);

/* Where two lists of leaf hashes differ. */
struct merkle_run {
        uint64_t first, count; /* pages */
};
/**
 * At most @max runs of pages whose leaf hashes differ, or stand in one list alone; how many were put into
 * @out, and in *out_count how many there are.
 */
size_t merkle_file_compare(
    struct lx_span is, struct lx_span must, struct merkle_run *out, size_t max, size_t *out_count);

/*
 * A range proof: the pages [first, first + count) of a tree of @size pages. The hashes are those
 * of the subtrees left and right of the range that are needed to compute the root, in the order a
 * depth-first walk from the root meets them, left to right. Range proofs of one page hold the same
 * hashes as an inclusion proof of the log tree, in walk order.
 */
#define MERKLE_FILE_RANGE_MAX (2 * MERKLE_LOG_DEPTH_MAX)

/** The proof hashes of a range; count 0 or a range beyond the end is LX_ERR_RANGE. */
LX_MUST_CHECK enum lx_err merkle_file_prove(
    const struct merkle_file *file, uint64_t first, uint64_t count, struct merkle_path *out_path);

/**
 * Verify that leaves @leaves[0..count) are pages first.. of the tree of @size pages and root @root.
 * Freestanding, stack bounded by depth. LX_ERR_PROOF, LX_ERR_RANGE.
 */
LX_MUST_CHECK enum lx_err merkle_file_verify(const struct lx_hash_ops *ops,
    const struct lx_hash *leaves, uint64_t first, uint64_t count, uint64_t size,
    const struct lx_hash *path, size_t path_count, const struct lx_hash *root);

/**
 * The root after the range is replaced: @old_leaves and the path must prove @old_root; the same
 * path with @new_leaves gives @out_root. For updating one page without the rest.
 */
LX_MUST_CHECK enum lx_err merkle_file_replace(const struct lx_hash_ops *ops,
    const struct lx_hash *old_leaves, const struct lx_hash *new_leaves, uint64_t first,
    uint64_t count, uint64_t size, const struct lx_hash *path, size_t path_count,
    const struct lx_hash *old_root, struct lx_hash *out_root);

#endif
