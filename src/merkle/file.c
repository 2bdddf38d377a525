/* merkle/file.c - whole file trees in memory; see merkle/file.h. */
#include "config.h"
#include "merkle/file.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/tags.h"
#include "merkle/levels_int.h"

#include <string.h>

struct merkle_file {
        const struct lx_hash_ops *ops;
        struct merkle_levels levels;
};

struct merkle_file *
merkle_file_new(const struct lx_hash_ops *ops, const struct lx_hash *leaves, uint64_t count)
{
        struct merkle_file *file = lx_try_alloc(sizeof(*file));

        if (file == NULL)
                return NULL;
        file->ops = ops;
        if (!merkle_levels_init(&file->levels, ops, leaves, count)) {
                lx_free(file);
                return NULL;
        }
        return file;
}

void
merkle_file_free(struct merkle_file *file)
{
        if (file == NULL)
                return;
        merkle_levels_clear(&file->levels);
        lx_free(file);
}

void
merkle_file_root(const struct merkle_file *file, struct lx_hash *out)
{
        const struct merkle_levels *levels = &file->levels;

        if (levels->depth == 0)
                merkle_log_empty_root(file->ops, out);
        else
                *out = levels->nodes[levels->at[levels->depth - 1]];
}

/* How many nodes level @l has. */
static uint64_t
level_count(const struct merkle_levels *levels, unsigned l)
{
        return ((levels->count - 1) >> l) + 1;
}

void
merkle_file_set(struct merkle_file *file, uint64_t index, const struct lx_hash *leaf)
{
        struct merkle_levels *levels = &file->levels;

        lx_assert(index < levels->count);
        levels->nodes[index] = *leaf;
        for (unsigned l = 0; l + 1 < levels->depth; l++, index /= 2) {
                struct lx_hash *pair = &levels->nodes[levels->at[l] + (index & ~1ull)];
                struct lx_hash *up = &levels->nodes[levels->at[l + 1] + index / 2];

                if ((index | 1) < level_count(levels, l))
                        lx_hash_pair(file->ops, &LX_TAG_NODE, &pair[0], &pair[1], up);
                else
                        *up = pair[0];
        }
}

const struct lx_hash *
merkle_file_leaf(const struct merkle_file *file, uint64_t index)
{
        lx_assert(index < file->levels.count);
        return &file->levels.nodes[index];
}

/* In walk order: what lies beside the range. */
static void
collect(const struct merkle_levels *levels, uint64_t start, uint64_t size, uint64_t first,
    uint64_t end, struct merkle_path *path)
{
        uint64_t k = merkle_split(size);

        if (start >= end || start + size <= first) {
                unsigned l = size == 1 ? 0 : 64u - (unsigned)__builtin_clzll(size - 1);

                path->hash[path->count++] = levels->nodes[levels->at[l] + (start >> l)];
                return;
        }
        if (size == 1)
                return;
        collect(levels, start, k, first, end, path);
        collect(levels, start + k, size - k, first, end, path);
}

enum lx_err
merkle_file_prove(
    const struct merkle_file *file, uint64_t first, uint64_t count, struct merkle_path *out_path)
{
        uint64_t size = file->levels.count;

        if (count == 0 || first >= size || count > size - first)
                return LX_ERR_RANGE;
        out_path->count = 0;
        collect(&file->levels, 0, size, first, first + count, out_path);
        return LX_OK;
}

static bool
differs(struct lx_span is, struct lx_span must, uint64_t page)
{
        size_t at = (size_t)page * LX_HASH_LEN;

        if (at + LX_HASH_LEN > is.len || at + LX_HASH_LEN > must.len)
                return true;
        return memcmp(is.p + at, must.p + at, LX_HASH_LEN) != 0; /* public */
}

size_t
merkle_file_compare(
    struct lx_span is, struct lx_span must, struct merkle_run *out, size_t max, size_t *out_count)
{
        uint64_t pages = (is.len > must.len ? is.len : must.len) / LX_HASH_LEN;
        size_t runs = 0;
        bool inside = false;

        for (uint64_t p = 0; p < pages; p++) {
                if (!differs(is, must, p)) {
                        inside = false;
                        continue;
                }
                if (!inside && runs++ < max)
                        out[runs - 1] = (struct merkle_run){.first = p};
                if (runs <= max)
                        out[runs - 1].count++;
                inside = true;
        }
        *out_count = runs;
        return runs < max ? runs : max;
}
