/* merkle/log_verify.c - verification of log trees (merkle/log.h). Freestanding. */
#include "config.h"
#include "crypto/tags.h"
#include "merkle/log.h"

void
merkle_log_empty_root(const struct lx_hash_ops *ops, struct lx_hash *out)
{
        ops->hash(ops->ctx, &LX_TAG_NODE, NULL, 0, out);
}

void
merkle_log_leaf(const struct lx_hash_ops *ops, const void *data, size_t len, struct lx_hash *out)
{
        lx_hash1(ops, &LX_TAG_LEAF, data, len, out);
}

static void
join(const struct lx_hash_ops *ops, const struct lx_hash *left, const struct lx_hash *right,
    struct lx_hash *out)
{
        struct lx_hash joined;

        lx_hash_pair(ops, &LX_TAG_NODE, left, right, &joined);
        *out = joined;
}

/* RFC 9162 2.1.3.2, step by step. */
enum lx_err
merkle_log_verify(const struct lx_hash_ops *ops, const struct lx_hash *leaf, uint64_t index,
    uint64_t size, const struct lx_hash *path, size_t path_count, const struct lx_hash *root)
{
        uint64_t fn = index;
        uint64_t sn = size - 1;
        struct lx_hash r = *leaf;

        if (index >= size)
                return LX_ERR_PROOF;
        for (size_t i = 0; i < path_count; i++) {
                if (sn == 0)
                        return LX_ERR_PROOF;
                if ((fn & 1) != 0 || fn == sn) {
                        join(ops, &path[i], &r, &r);
                        while ((fn & 1) == 0 && fn != 0) {
                                fn >>= 1;
                                sn >>= 1;
                        }
                } else {
                        join(ops, &r, &path[i], &r);
                }
                fn >>= 1;
                sn >>= 1;
        }
        return sn == 0 && lx_hash_eq(&r, root) ? LX_OK : LX_ERR_PROOF;
}

/* Steps 5 and 6 of RFC 9162 2.1.4.2. */
static enum lx_err
verify_steps(const struct lx_hash_ops *ops, uint64_t fn, uint64_t sn, struct lx_hash r,
    const struct lx_hash *path, size_t path_count, const struct lx_hash *old_root,
    const struct lx_hash *root)
{
        struct lx_hash fr = r;
        struct lx_hash sr = r;

        for (size_t i = 0; i < path_count; i++) {
                if (sn == 0)
                        return LX_ERR_PROOF;
                if ((fn & 1) != 0 || fn == sn) {
                        join(ops, &path[i], &fr, &fr);
                        join(ops, &path[i], &sr, &sr);
                        while ((fn & 1) == 0 && fn != 0) {
                                fn >>= 1;
                                sn >>= 1;
                        }
                } else {
                        join(ops, &sr, &path[i], &sr);
                }
                fn >>= 1;
                sn >>= 1;
        }
        return sn == 0 && lx_hash_eq(&fr, old_root) && lx_hash_eq(&sr, root) ? LX_OK : LX_ERR_PROOF;
}

/* RFC 9162 2.1.4.2. */
enum lx_err
merkle_log_verify_consistency(const struct lx_hash_ops *ops, uint64_t old_size,
    const struct lx_hash *old_root, uint64_t size, const struct lx_hash *root,
    const struct lx_hash *path, size_t path_count)
{
        uint64_t fn = old_size - 1;
        uint64_t sn = size - 1;

        if (old_size == 0 || old_size > size)
                return LX_ERR_PROOF;
        if (old_size == size)
                return path_count == 0 && lx_hash_eq(old_root, root) ? LX_OK : LX_ERR_PROOF;
        if (path_count == 0)
                return LX_ERR_PROOF;
        while ((fn & 1) != 0) {
                fn >>= 1;
                sn >>= 1;
        }
        /* "If FIRST is an exact power of 2, then prepend FIRST_HASH to the consistency_path." */
        if ((old_size & (old_size - 1)) == 0)
                return verify_steps(ops, fn, sn, *old_root, path, path_count, old_root, root);
        return verify_steps(ops, fn, sn, path[0], path + 1, path_count - 1, old_root, root);
}
