/*
 * lld/engine_int.h - what an engine does for store.c, which checks policies and keeps heights.
 *
 * All functions are as their namesakes in lld/store.h, without the policies. A key is seen with its
 * kind; kind LLD_KIND_META holds what store.c keeps for itself (the height).
 */
#ifndef LX_LLD_ENGINE_INT_H
#define LX_LLD_ENGINE_INT_H

#include "lld/store.h"

#define LLD_KIND_META LLD_KINDS_MAX /* numbers below are the caller's kinds */

struct lld_engine {
        void (*close)(void *e);
        void *(*snapshot_new)(void *e);
        void (*snapshot_free)(void *e, void *snap);
        enum lx_err (*get)(void *e, void *snap, unsigned kind, const void *key, size_t key_len,
            struct lx_buf *out);
        void *(*iter_new)(void *e, void *snap, unsigned kind);
        void (*iter_seek)(void *it, const void *key, size_t key_len, bool backwards);
        bool (*iter_at)(void *it, struct lx_span *out_key, struct lx_span *out_value);
        void (*iter_step)(void *it, bool backwards);
        enum lx_err (*iter_free)(void *it);
        void *(*batch_new)(void *e);
        void (*batch_free)(void *b);
        void (*batch_put)(void *b, unsigned kind, const void *key, size_t key_len, const void *val,
            size_t val_len);
        void (*batch_remove)(void *b, unsigned kind, const void *key, size_t key_len);
        void (*batch_remove_range)(void *b, unsigned kind, const void *from, size_t from_len,
            const void *to, size_t to_len);
        enum lx_err (*batch_commit)(void *b, bool sync, struct lx_why *why);
        enum lx_err (*backup)(void *e, const char *to, struct lx_why *why);
        enum lx_err (*compact)(void *e);
        void (*stats)(void *e, struct lld_stats *out_stats);
};

/** Wrap @engine (taken over) with its @impl. Reads the height. */
LX_MUST_CHECK enum lx_err lld_new(const struct lld_engine *engine, void *impl,
    const struct lld_options *options, int lock_fd, struct lld **out_db, struct lx_why *why);

/** Check or make FORMAT and LOCK in @dir; *out_fd holds the lock (-1: read only). */
LX_MUST_CHECK enum lx_err lld_dir_open(
    const char *dir, const struct lld_options *options, int *out_fd, struct lx_why *why);

/** Open RocksDB in <@dir>/lld. */
LX_MUST_CHECK enum lx_err lld_rocks_open(
    const char *dir, const struct lld_options *options, void **out_impl, struct lx_why *why);
extern const struct lld_engine LLD_ROCKS;

#endif
