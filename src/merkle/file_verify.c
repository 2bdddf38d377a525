/* merkle/file_verify.c - verification of file ranges (merkle/file.h). Freestanding. */
#include "config.h"
#include "crypto/tags.h"
#include "merkle/file.h"
#include "merkle/levels_int.h"

/* A walk over the tree of a file, from what the prover gave. */
struct walk {
        const struct lx_hash_ops *ops;
        const struct lx_hash *leaves;
        const struct lx_hash *other; /* second set of leaves, or NULL */
        uint64_t first, end;         /* the range */
        const struct lx_hash *path;
        size_t path_left;
        bool failed;
};

/* The root of [start, start + size), with the leaves of both sets. Depth of recursion: the tree's. */
static void
walk_root(struct walk *w, uint64_t start, uint64_t size, struct lx_hash out[2])
{
        struct lx_hash left[2], right[2];
        uint64_t k = merkle_split(size);

        if (start >= w->end || start + size <= w->first) {
                w->failed |= w->path_left == 0;
                if (w->failed)
                        return;
                out[0] = out[1] = *w->path++;
                w->path_left--;
                return;
        }
        if (size == 1) {
                out[0] = w->leaves[start - w->first];
                out[1] = w->other != NULL ? w->other[start - w->first] : out[0];
                return;
        }
        walk_root(w, start, k, left);
        if (!w->failed)
                walk_root(w, start + k, size - k, right);
        if (w->failed)
                return;
        lx_hash_pair(w->ops, &LX_TAG_NODE, &left[0], &right[0], &out[0]);
        if (w->other != NULL)
                lx_hash_pair(w->ops, &LX_TAG_NODE, &left[1], &right[1], &out[1]);
}

static enum lx_err
check_range(struct walk *w, uint64_t count, uint64_t size, const struct lx_hash *root,
    struct lx_hash out[2])
{
        if (count == 0 || w->first >= size || count > size - w->first)
                return LX_ERR_RANGE;
        w->end = w->first + count;
        walk_root(w, 0, size, out);
        if (w->failed || w->path_left != 0 || !lx_hash_eq(&out[0], root))
                return LX_ERR_PROOF;
        return LX_OK;
}

enum lx_err
merkle_file_verify(const struct lx_hash_ops *ops, const struct lx_hash *leaves, uint64_t first,
    uint64_t count, uint64_t size, const struct lx_hash *path, size_t path_count,
    const struct lx_hash *root)
{
        struct walk w = {
            .ops = ops, .leaves = leaves, .first = first, .path = path, .path_left = path_count};
        struct lx_hash out[2];

        return check_range(&w, count, size, root, out);
}

enum lx_err
merkle_file_replace(const struct lx_hash_ops *ops, const struct lx_hash *old_leaves,
    const struct lx_hash *new_leaves, uint64_t first, uint64_t count, uint64_t size,
    const struct lx_hash *path, size_t path_count, const struct lx_hash *old_root,
    struct lx_hash *out_root)
{
        struct walk w = {.ops = ops,
            .leaves = old_leaves,
            .other = new_leaves,
            .first = first,
            .path = path,
            .path_left = path_count};
        struct lx_hash out[2];
        enum lx_err err = check_range(&w, count, size, old_root, out);

        if (err == LX_OK)
                *out_root = out[1];
        return err;
}
