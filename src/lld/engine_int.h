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
        void (*hurry)(void *e); /* may be NULL */
        void (*stats)(void *e, struct lld_stats *out_stats);
        void (*damage)(void *e, struct lx_why *why); /* what the last LX_ERR_CORRUPT was; may be NULL */
};

/**
 * Wrap @engine (taken over) with its @impl. Reads the height; where there is a @dir (NULL: none), it
 * must not be below what HEIGHT says.
 */
LX_MUST_CHECK enum lx_err lld_new(const struct lld_engine *engine, void *impl,
    const struct lld_options *options, const char *dir, int lock_fd, struct lld **out_db,
    struct lx_why *why);

/**
 * Check FORMAT and take LOCK in @dir; *out_fd holds the lock (-1: read only). *out_new: there is no
 * store yet; the engine makes it, then lld_dir_finish writes FORMAT.
 */
LX_MUST_CHECK enum lx_err lld_dir_open(const char *dir, const struct lld_options *options,
    int *out_fd, bool *out_new, struct lx_why *why);
/** The new store is made. */
LX_MUST_CHECK enum lx_err lld_dir_finish(const char *dir, struct lx_why *why);

/*
 * HEIGHT: 20 decimal digits and a newline: a height that was fsynced in the store before this was
 * written. It is never fsynced itself, so it costs a commit nothing; it may be behind, never ahead.
 * A store that is behind it has lost what was acknowledged (a log that was cut off looks just like
 * one that ended there).
 */
#define LLD_HEIGHT_LEN 21
/** What HEIGHT says. LX_ERR_CORRUPT: it is damaged. */
LX_MUST_CHECK enum lx_err lld_dir_read_height(
    const char *dir, bool *out_found, uint64_t *out_height, struct lx_why *why);
/** Open it for writing. */
LX_MUST_CHECK enum lx_err lld_dir_open_height(const char *dir, int *out_fd, struct lx_why *why);
/** Write it; a failure only makes it say less. */
void lld_dir_write_height(int fd, uint64_t height);

/** Open RocksDB in <@dir>/lld; only with @make does it make a database. */
LX_MUST_CHECK enum lx_err lld_rocks_open(const char *dir, const struct lld_options *options,
    bool make, void **out_impl, struct lx_why *why);
extern const struct lld_engine LLD_ROCKS;

#endif
