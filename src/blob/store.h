/*
 * blob/store.h - content-addressed pieces on disk: manifests and leaves of file trees.
 *
 * A blob is named by its kind and its root: <dir>/blob/<kind>/<first two hex>/<root hex>. It is
 * written beside its place (staged), checked against the root, fsynced, renamed, and the directory
 * fsynced: a name that is there has its content. Reading checks nothing but the size; the caller
 * verifies what it uses (blob_check reads it all). What "against the root" means is the kind's:
 * the caller hands in the function.
 * Staged uploads are bounded in number, bytes and age; whoever stops gets a clear error and may
 * begin again. Files are opened without following links.
 * Threads: uploads begin and grow on one thread; blob_publish, blob_has and blob_read from any thread.
 * Spec: doc/blob.md.
 */
#ifndef LX_BLOB_STORE_H
#define LX_BLOB_STORE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/why.h"
#include "base/wire.h"

#define BLOB_STAGES_MAX 64                    /* uploads at the same time */
#define BLOB_STAGE_AGE_MS (10ull * 60 * 1000) /* without a write: dropped */
#define BLOB_STAGED_BYTES_MAX (4ull << 30)    /* of all uploads together */

struct blob_kind {
        const char *name; /* directory name */
        uint64_t max_len; /* bytes */
        /* Whether the @len bytes of the readable file @fd are what @root names. Called on finish. */
        enum lx_err (*check)(int fd, uint64_t len, const struct lx_hash *root, struct lx_why *why);
};

struct blob_store;
struct blob_upload; /* one that is complete, and not yet checked */

/** Open <@dir>/blob, making it when missing; leftovers of uploads are removed. @kinds: static. */
LX_MUST_CHECK enum lx_err blob_open(const char *dir, const struct blob_kind *kinds,
    size_t kind_count, struct blob_store **out_store, struct lx_why *why);
/** Close; drops uploads that are not complete (the others must be published before). NULL is fine. */
void blob_close(struct blob_store *store);

/** Whether it is there, and its length (@out_len may be NULL). */
bool
blob_has(struct blob_store *store, unsigned kind, const struct lx_hash *root, uint64_t *out_len);

/**
 * Bytes [@offset, @offset + @len) of the upload of (@kind, @root), @total bytes long. Parts come in
 * order (LX_ERR_SEQUENCE names the expected offset); offset 0 begins anew. With the last part *@out_whole is the
 * upload, which the caller must hand to blob_publish; else NULL. *@out_done: it is there already.
 * Returns LX_OK, LX_ERR_RANGE, LX_ERR_LIMIT, LX_ERR_SEQUENCE, LX_ERR_FULL, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err blob_put_part(struct blob_store *store, unsigned kind,
    const struct lx_hash *root, uint64_t total, uint64_t offset, const void *bytes, size_t len,
    uint64_t now_ms, bool *out_done, struct blob_upload **out_whole, struct lx_why *why);

/**
 * A new blob made from the one named @base by replacing @bytes at @offset (within it, or growing it at the end),
 * cut to @total bytes; named and checked as @root. Results as of blob_put_part; @bytes must stay until
 * blob_publish.
 */
LX_MUST_CHECK enum lx_err blob_patch(struct blob_store *store, unsigned kind,
    const struct lx_hash *base, const struct lx_hash *root, uint64_t total, uint64_t offset,
    struct lx_span bytes, bool *out_done, struct blob_upload **out_whole, struct lx_why *why);

/**
 * Check, fsync and name a complete upload; it is gone afterwards. Slow: for worker threads.
 * Returns LX_OK, LX_ERR_PROOF (it is not what the root names), LX_ERR_FORMAT, LX_ERR_FULL, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err blob_publish(struct blob_upload *upload, struct lx_why *why);

/** A whole blob at once, published. */
LX_MUST_CHECK enum lx_err blob_put(struct blob_store *store, unsigned kind,
    const struct lx_hash *root, const void *bytes, size_t len, struct lx_why *why);

/** Append bytes [@offset, @offset + @len) to @out: LX_OK, LX_ERR_ABSENT, LX_ERR_RANGE, LX_ERR_IO. */
LX_MUST_CHECK enum lx_err blob_read(struct blob_store *store, unsigned kind,
    const struct lx_hash *root, uint64_t offset, size_t len, struct lx_buf *out);

/** Check the whole blob against its root: LX_OK, LX_ERR_ABSENT, LX_ERR_CORRUPT (why names it). */
LX_MUST_CHECK enum lx_err
blob_check(struct blob_store *store, unsigned kind, const struct lx_hash *root, struct lx_why *why);

/** Remove it (nothing on the ledger names it any more). Absent is fine. */
LX_MUST_CHECK enum lx_err
blob_remove(struct blob_store *store, unsigned kind, const struct lx_hash *root);

/** Walk all names of @kind; @each returns false to stop. @age_ms: since it was published. */
LX_MUST_CHECK enum lx_err blob_walk(struct blob_store *store, unsigned kind,
    bool (*each)(void *arg, const struct lx_hash *root, uint64_t len, uint64_t age_ms), void *arg);

/** Drop uploads that had no write for BLOB_STAGE_AGE_MS. */
void blob_tick(struct blob_store *store, uint64_t now_ms);

/** A copy of all published blobs below directory @to (hard links where it can), fsynced. */
LX_MUST_CHECK enum lx_err blob_backup(struct blob_store *store, const char *to, struct lx_why *why);

struct blob_stats {
        uint64_t count;  /* published since open, all kinds */
        uint64_t bytes;  /* of those */
        uint64_t staged; /* uploads going on */
};
/** Figures for status and metrics. */
void blob_get_stats(const struct blob_store *store, struct blob_stats *out_stats);

#endif
