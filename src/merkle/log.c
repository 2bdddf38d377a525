/* merkle/log.c - building log trees and their proofs; see merkle/log.h. */
#include "config.h"
#include "merkle/log.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/tags.h"
#include "merkle/levels_int.h"

#include <string.h>

void
merkle_hash_pairs(const struct lx_hash_ops *ops, const struct lx_tag *tag, const struct lx_hash *in,
    size_t count, struct lx_hash *out)
{
        if (ops->hash_pairs != NULL) {
                ops->hash_pairs(ops->ctx, tag, in, count, out);
                return;
        }
        for (size_t i = 0; i < count; i++) {
                struct lx_hash joined;

                lx_hash_pair(ops, tag, &in[2 * i], &in[2 * i + 1], &joined);
                out[i] = joined;
        }
}

/* The level above: pairs are joined, a single last node stands as high as it can. */
static uint64_t
next_level(
    const struct lx_hash_ops *ops, const struct lx_hash *in, uint64_t count, struct lx_hash *out)
{
        merkle_hash_pairs(ops, &LX_TAG_NODE, in, count / 2, out);
        if (count % 2 != 0)
                out[count / 2] = in[count - 1];
        return count / 2 + count % 2;
}

void
merkle_log_root(const struct lx_hash_ops *ops, const struct lx_hash *leaves, uint64_t count,
    struct lx_hash *out)
{
        struct lx_hash *level;

        if (count == 0) {
                merkle_log_empty_root(ops, out);
                return;
        }
        if (count == 1) {
                *out = *leaves;
                return;
        }
        level = lx_alloc_array(count / 2 + 1, sizeof(*level));
        for (const struct lx_hash *in = leaves; count > 1; in = level)
                count = next_level(ops, in, count, level);
        *out = *level;
        lx_free(level);
}

bool
merkle_levels_init(struct merkle_levels *levels, const struct lx_hash_ops *ops,
    const struct lx_hash *leaves, uint64_t count)
{
        uint64_t total = 0;

        levels->count = count;
        levels->depth = 0;
        for (uint64_t n = count; n > 0; n = n > 1 ? n / 2 + n % 2 : 0) {
                levels->at[levels->depth++] = total;
                total += n;
        }
        levels->nodes = lx_try_alloc_array(total, sizeof(*levels->nodes));
        if (levels->nodes == NULL)
                return false;
        if (count > 0)
                memcpy(levels->nodes, leaves, count * sizeof(*leaves));
        for (unsigned l = 0; l + 1 < levels->depth; l++)
                count = next_level(
                    ops, levels->nodes + levels->at[l], count, levels->nodes + levels->at[l + 1]);
        return true;
}

void
merkle_levels_clear(struct merkle_levels *levels)
{
        lx_free(levels->nodes);
        levels->nodes = NULL;
}

void
merkle_log_prove(const struct lx_hash_ops *ops, const struct lx_hash *leaves, uint64_t count,
    uint64_t index, struct merkle_path *out_path)
{
        struct merkle_levels levels;

        lx_assert(index < count);
        if (!merkle_levels_init(&levels, ops, leaves, count))
                lx_assert(!"out of memory");
        out_path->count = 0;
        for (unsigned l = 0; l + 1 < levels.depth; l++, index /= 2) {
                uint64_t beside = index ^ 1;

                if (levels.at[l] + beside < levels.at[l + 1])
                        out_path->hash[out_path->count++] = levels.nodes[levels.at[l] + beside];
        }
        merkle_levels_clear(&levels);
}

void
merkle_frontier_append(const struct lx_hash_ops *ops, struct merkle_frontier *frontier,
    const struct lx_hash *leaf,
    void (*put)(void *arg, unsigned level, uint64_t index, const struct lx_hash *node), void *arg)
{
        unsigned peaks = (unsigned)__builtin_popcountll(frontier->size);
        struct lx_hash node = *leaf;
        unsigned level = 0;

        if (put != NULL)
                put(arg, 0, frontier->size, &node);
        /* Every 1 bit at the low end of the size is a peak that is joined now. */
        for (uint64_t size = frontier->size; (size & 1) != 0; size >>= 1) {
                struct lx_hash joined;

                lx_hash_pair(ops, &LX_TAG_NODE, &frontier->peak[--peaks], &node, &joined);
                node = joined;
                level++;
                if (put != NULL)
                        put(arg, level, frontier->size >> level, &node);
        }
        frontier->peak[peaks] = node;
        frontier->size++;
}

void
merkle_frontier_root(
    const struct lx_hash_ops *ops, const struct merkle_frontier *frontier, struct lx_hash *out)
{
        unsigned peaks = (unsigned)__builtin_popcountll(frontier->size);
        struct lx_hash root;

        if (peaks == 0) {
                merkle_log_empty_root(ops, out);
                return;
        }
        root = frontier->peak[--peaks];
        while (peaks > 0) {
                struct lx_hash joined;

                lx_hash_pair(ops, &LX_TAG_NODE, &frontier->peak[--peaks], &root, &joined);
                root = joined;
        }
        *out = root;
}

/* The root of leaves [start, start + size): complete subtrees are fetched, the rest is joined. */
static enum lx_err
stored_root(const struct lx_hash_ops *ops, const struct merkle_log_store *store, uint64_t start,
    uint64_t size, struct lx_hash *out)
{
        struct lx_hash left, right;
        uint64_t k = merkle_split(size);
        enum lx_err err;

        if ((size & (size - 1)) == 0) {
                unsigned level = (unsigned)__builtin_ctzll(size);

                return store->get(store->arg, level, start >> level, out);
        }
        err = stored_root(ops, store, start, k, &left);
        if (err == LX_OK)
                err = stored_root(ops, store, start + k, size - k, &right);
        if (err == LX_OK)
                lx_hash_pair(ops, &LX_TAG_NODE, &left, &right, out);
        return err;
}

/* RFC 9162 2.1.3.1: PATH(m, D[n]), lowest first. */
static enum lx_err
stored_path(const struct lx_hash_ops *ops, const struct merkle_log_store *store, uint64_t start,
    uint64_t size, uint64_t index, struct merkle_path *path)
{
        uint64_t k = merkle_split(size);
        bool right = index >= k;
        enum lx_err err;

        if (size == 1)
                return LX_OK;
        err = right ? stored_path(ops, store, start + k, size - k, index - k, path)
                    : stored_path(ops, store, start, k, index, path);
        if (err == LX_OK)
                err = stored_root(ops, store, right ? start : start + k, right ? k : size - k,
                    &path->hash[path->count]);
        path->count += err == LX_OK;
        return err;
}

enum lx_err
merkle_log_prove_stored(const struct lx_hash_ops *ops, const struct merkle_log_store *store,
    uint64_t size, uint64_t index, struct merkle_path *out_path)
{
        lx_assert(index < size);
        out_path->count = 0;
        return stored_path(ops, store, 0, size, index, out_path);
}

/* RFC 9162 2.1.4.1: SUBPROOF(m, D[n], b). */
static enum lx_err
subproof(const struct lx_hash_ops *ops, const struct merkle_log_store *store, uint64_t old_size,
    uint64_t start, uint64_t size, bool whole, struct merkle_path *path)
{
        uint64_t k = merkle_split(size);
        uint64_t other_start, other_size;
        enum lx_err err;

        if (old_size == size) {
                if (whole)
                        return LX_OK;
                return stored_root(ops, store, start, size, &path->hash[path->count++]);
        }
        if (old_size <= k) {
                err = subproof(ops, store, old_size, start, k, whole, path);
                other_start = start + k;
                other_size = size - k;
        } else {
                err = subproof(ops, store, old_size - k, start + k, size - k, false, path);
                other_start = start;
                other_size = k;
        }
        if (err == LX_OK)
                err = stored_root(ops, store, other_start, other_size, &path->hash[path->count++]);
        return err;
}

enum lx_err
merkle_log_prove_consistency(const struct lx_hash_ops *ops, const struct merkle_log_store *store,
    uint64_t old_size, uint64_t size, struct merkle_path *out_path)
{
        lx_assert(old_size > 0 && old_size <= size);
        out_path->count = 0;
        return subproof(ops, store, old_size, 0, size, true, out_path);
}
