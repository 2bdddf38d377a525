/* lld/store.c - policies, heights and counting over an engine; see lld/store.h. */
#include "config.h"
#include "lld/store.h"

#include "base/assert.h"
#include "base/mem.h"
#include "lld/engine_int.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const char HEIGHT_KEY[] = "height";

struct lld {
        struct lld_engine engine;
        void *impl;
        const struct lld_kind *kinds;
        size_t kind_count;
        bool read_only;
        bool failed; /* a commit failed: what is on disk is not known */
        int lock_fd, height_fd; /* -1: none */
        bool has_height;
        _Atomic uint64_t height;
        _Atomic uint64_t commits, synced, bytes_written;
        _Atomic size_t handles; /* snapshots, iterators and batches that are open */
};

struct lld_snapshot {
        struct lld *db;
        void *impl;
};

struct lld_iter {
        struct lld *db;
        void *impl;
        size_t prefix_len;
        uint8_t prefix[LLD_KEY_MAX];
};

struct lld_batch {
        struct lld *db;
        void *impl;
        uint64_t height;
        size_t bytes;
        bool versioned; /* has records that rely on a new height */
        bool import;    /* brings records of any height, each looked at */
        enum lx_err err;
};

static enum lx_err
load_height(struct lld *db, struct lx_why *why)
{
        struct lx_buf value = {0};
        enum lx_err err = db->engine.get(
            db->impl, NULL, LLD_KIND_META, HEIGHT_KEY, sizeof(HEIGHT_KEY) - 1, &value);

        if (err == LX_OK && value.len != 8)
                err = LX_ERR_CORRUPT;
        if (err == LX_OK) {
                db->has_height = true;
                db->height = lx_get_be64(value.p);
        }
        if (err == LX_ERR_CORRUPT)
                lx_why_set(why, "the store's height record is damaged: restore a backup");
        lx_buf_clear(&value);
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

/* Blocks that HEIGHT knows of must be there. */
static enum lx_err
check_height_file(struct lld *db, const char *dir, struct lx_why *why)
{
        uint64_t height;
        bool found;
        enum lx_err err = lld_dir_read_height(dir, &found, &height, why);

        if (err == LX_OK && found && (!db->has_height || height > db->height)) {
                lx_why_set(why,
                    "%s/lld has lost records: it ends at height %lld, and height %llu was acknowledged; restore a "
                    "backup with lx restore, or sync anew (its newest *.log was cut off, or old files put back)",
                    dir, db->has_height ? (long long)db->height : -1ll, (unsigned long long)height);
                return LX_ERR_CORRUPT;
        }
        if (err == LX_OK && !db->read_only)
                err = lld_dir_open_height(dir, &db->height_fd, why);
        return err;
}

enum lx_err
lld_new(const struct lld_engine *engine, void *impl, const struct lld_options *options,
    const char *dir, int lock_fd, struct lld **out_db, struct lx_why *why)
{
        struct lld *db = lx_alloc(sizeof(*db));
        enum lx_err err;

        lx_assert(options->kind_count <= LLD_KINDS_MAX);
        db->engine = *engine;
        db->impl = impl;
        db->kinds = options->kinds;
        db->kind_count = options->kind_count;
        db->read_only = options->read_only;
        db->lock_fd = lock_fd;
        db->height_fd = -1;
        err = load_height(db, why);
        if (err == LX_OK && dir != NULL)
                err = check_height_file(db, dir, why);
        if (err != LX_OK) {
                lld_close(db);
                return err;
        }
        *out_db = db;
        return LX_OK;
}

enum lx_err
lld_open(const char *dir, const struct lld_options *options, struct lld **out_db, struct lx_why *why)
{
        void *impl;
        int lock_fd;
        bool is_new;
        enum lx_err err = lld_dir_open(dir, options, &lock_fd, &is_new, why);

        if (err != LX_OK)
                return err;
        err = lld_rocks_open(dir, options, is_new, &impl, why);
        if (err != LX_OK) {
                if (lock_fd >= 0)
                        close(lock_fd);
                return err;
        }
        if (is_new)
                err = lld_dir_finish(dir, why);
        if (err == LX_OK)
                return lld_new(&LLD_ROCKS, impl, options, dir, lock_fd, out_db, why);
        LLD_ROCKS.close(impl);
        if (lock_fd >= 0)
                close(lock_fd);
        return err;
}

void
lld_close(struct lld *db)
{
        if (db == NULL)
                return;
        lx_assert(db->handles == 0);
        db->engine.close(db->impl);
        if (db->height_fd >= 0)
                close(db->height_fd);
        if (db->lock_fd >= 0)
                close(db->lock_fd);
        lx_free(db);
}

bool
lld_height(const struct lld *db, uint64_t *out_height)
{
        if (db->has_height)
                *out_height = db->height;
        return db->has_height;
}

struct lld_snapshot *
lld_snapshot_new(struct lld *db)
{
        struct lld_snapshot *snap = lx_alloc(sizeof(*snap));

        snap->db = db;
        snap->impl = db->engine.snapshot_new(db->impl);
        db->handles++;
        return snap;
}

void
lld_snapshot_free(struct lld_snapshot *snap)
{
        if (snap == NULL)
                return;
        snap->db->engine.snapshot_free(snap->db->impl, snap->impl);
        snap->db->handles--;
        lx_free(snap);
}

static void *
snapshot_impl(const struct lld_snapshot *snap)
{
        return snap != NULL ? snap->impl : NULL;
}

enum lx_err
lld_get(struct lld *db, const struct lld_snapshot *snap, unsigned kind, const void *key,
    size_t key_len, struct lx_buf *out)
{
        lx_assert(kind < db->kind_count);
        return db->engine.get(db->impl, snapshot_impl(snap), kind, key, key_len, out);
}

enum lx_err
lld_has(struct lld *db, const struct lld_snapshot *snap, unsigned kind, const void *key,
    size_t key_len)
{
        struct lx_buf value = {0};
        enum lx_err err = lld_get(db, snap, kind, key, key_len, &value);

        lx_buf_clear(&value);
        return err;
}

/* ---- iterators -------------------------------------------------------------------------------- */

struct lld_iter *
lld_iter_open(struct lld *db, const struct lld_snapshot *snap, unsigned kind, const void *prefix,
    size_t prefix_len)
{
        struct lld_iter *iter = lx_alloc(sizeof(*iter));

        lx_assert(kind < db->kind_count && prefix_len <= LLD_KEY_MAX);
        iter->db = db;
        iter->impl = db->engine.iter_new(db->impl, snapshot_impl(snap), kind);
        iter->prefix_len = prefix_len;
        if (prefix_len > 0)
                memcpy(iter->prefix, prefix, prefix_len);
        db->handles++;
        lld_iter_seek(iter, iter->prefix, prefix_len);
        return iter;
}

void
lld_iter_seek(struct lld_iter *iter, const void *key, size_t key_len)
{
        iter->db->engine.iter_seek(iter->impl, key, key_len, false);
}

void
lld_iter_seek_before(struct lld_iter *iter, const void *key, size_t key_len)
{
        iter->db->engine.iter_seek(iter->impl, key, key_len, true);
}

bool
lld_iter_at(const struct lld_iter *iter, struct lx_span *out_key, struct lx_span *out_value)
{
        return iter->db->engine.iter_at(iter->impl, out_key, out_value) &&
            out_key->len >= iter->prefix_len &&
            memcmp(out_key->p, iter->prefix, iter->prefix_len) == 0; /* public */
}

void
lld_iter_next(struct lld_iter *iter)
{
        iter->db->engine.iter_step(iter->impl, false);
}

void
lld_iter_prev(struct lld_iter *iter)
{
        iter->db->engine.iter_step(iter->impl, true);
}

enum lx_err
lld_iter_close(struct lld_iter *iter)
{
        enum lx_err err;

        if (iter == NULL)
                return LX_OK;
        err = iter->db->engine.iter_free(iter->impl);
        iter->db->handles--;
        lx_free(iter);
        return err;
}

/* ---- batches ---------------------------------------------------------------------------------- */

struct lld_batch *
lld_batch_new(struct lld *db, uint64_t height)
{
        struct lld_batch *batch = lx_alloc(sizeof(*batch));

        batch->db = db;
        batch->impl = db->engine.batch_new(db->impl);
        batch->height = height;
        db->handles++;
        return batch;
}

struct lld_batch *
lld_batch_new_import(struct lld *db)
{
        struct lld_batch *batch = lld_batch_new(db, db->height);

        batch->import = true;
        return batch;
}

void
lld_batch_free(struct lld_batch *batch)
{
        if (batch == NULL)
                return;
        batch->db->engine.batch_free(batch->impl);
        batch->db->handles--;
        lx_free(batch);
}

/* LLD_ONCE: nothing there is fine, the same value too. */
static enum lx_err
check_once(struct lld *db, unsigned kind, const void *key, size_t key_len, const void *val,
    size_t val_len)
{
        struct lx_buf before = {0};
        enum lx_err err = lld_get(db, NULL, kind, key, key_len, &before);

        if (err == LX_OK && (before.len != val_len || memcmp(before.p, val, val_len) != 0)) /* public */
                err = LX_ERR_EXISTS;
        lx_buf_clear(&before);
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

static enum lx_err
check_versioned(struct lld_batch *batch, unsigned kind, const uint8_t *key, size_t key_len)
{
        size_t at = batch->db->kinds[kind].height_at;

        if (key_len < at + 8 || lx_get_be64(key + at) != batch->height)
                return LX_ERR_RANGE;
        batch->versioned = true;
        return LX_OK;
}

static enum lx_err
check_put(struct lld_batch *batch, unsigned kind, const void *key, size_t key_len, const void *val,
    size_t val_len)
{
        if (key_len == 0 || key_len > LLD_KEY_MAX || val_len > LLD_VALUE_MAX)
                return LX_ERR_RANGE;
        switch (batch->db->kinds[kind].policy) {
        case LLD_ONCE:
                return check_once(batch->db, kind, key, key_len, val, val_len);
        case LLD_VERSIONED:
                return batch->import ? check_once(batch->db, kind, key, key_len, val, val_len)
                                     : check_versioned(batch, kind, key, key_len);
        case LLD_CURRENT:
                return LX_OK;
        }
        return LX_ERR_RANGE;
}

static enum lx_err
keep_error(struct lld_batch *batch, enum lx_err err)
{
        if (batch->err == LX_OK)
                batch->err = err;
        return err;
}

enum lx_err
lld_batch_put(struct lld_batch *batch, unsigned kind, const void *key, size_t key_len,
    const void *val, size_t val_len)
{
        enum lx_err err;

        lx_assert(kind < batch->db->kind_count);
        err = check_put(batch, kind, key, key_len, val, val_len);
        if (err != LX_OK)
                return keep_error(batch, err);
        batch->db->engine.batch_put(batch->impl, kind, key, key_len, val, val_len);
        batch->bytes += key_len + val_len;
        return LX_OK;
}

enum lx_err
lld_batch_remove(struct lld_batch *batch, unsigned kind, const void *key, size_t key_len)
{
        lx_assert(kind < batch->db->kind_count);
        if (batch->db->kinds[kind].policy != LLD_CURRENT)
                return keep_error(batch, LX_ERR_RANGE);
        return lld_batch_prune(batch, kind, key, key_len);
}

enum lx_err
lld_batch_prune(struct lld_batch *batch, unsigned kind, const void *key, size_t key_len)
{
        lx_assert(kind < batch->db->kind_count);
        batch->db->engine.batch_remove(batch->impl, kind, key, key_len);
        return LX_OK;
}

enum lx_err
lld_batch_prune_range(struct lld_batch *batch, unsigned kind, const void *from, size_t from_len,
    const void *to, size_t to_len)
{
        lx_assert(kind < batch->db->kind_count);
        batch->db->engine.batch_remove_range(batch->impl, kind, from, from_len, to, to_len);
        return LX_OK;
}

size_t
lld_batch_bytes(const struct lld_batch *batch)
{
        return batch->bytes;
}

static enum lx_err
check_commit(const struct lld_batch *batch, struct lx_why *why)
{
        const struct lld *db = batch->db;

        if (batch->err != LX_OK) {
                lx_why_set(why, "a record of the batch was refused: %s", lx_err_text(batch->err));
                return batch->err;
        }
        if (db->read_only) {
                lx_why_set(why, "the store is open for reading only");
                return LX_ERR_DENIED;
        }
        if (db->failed) {
                lx_why_set(why, "an earlier write failed: stop the node, mend the disk, start again");
                return LX_ERR_IO;
        }
        if (db->has_height &&
            (batch->versioned ? batch->height <= db->height : batch->height < db->height)) {
                lx_why_set(why, "height %llu is written already", (unsigned long long)batch->height);
                return LX_ERR_EXISTS;
        }
        return LX_OK;
}

enum lx_err
lld_batch_commit(struct lld_batch *batch, bool sync, struct lx_why *why)
{
        struct lld *db = batch->db;
        enum lx_err err = check_commit(batch, why);
        uint8_t height[8];

        if (err == LX_OK) {
                lx_put_be64(height, batch->height);
                db->engine.batch_put(batch->impl, LLD_KIND_META, HEIGHT_KEY, sizeof(HEIGHT_KEY) - 1,
                    height, sizeof(height));
                err = db->engine.batch_commit(batch->impl, sync, why);
                if (err == LX_OK) {
                        db->height = batch->height;
                        db->has_height = true;
                        db->commits++;
                        db->synced += sync;
                        if (sync && db->height_fd >= 0)
                                lld_dir_write_height(db->height_fd, batch->height);
                        db->bytes_written += batch->bytes;
                } else {
                        db->failed = true;
                }
        }
        db->engine.batch_free(batch->impl);
        batch->impl = db->engine.batch_new(db->impl);
        batch->bytes = 0;
        batch->err = LX_OK;
        batch->versioned = false;
        return err;
}

void
lld_damage(struct lld *db, struct lx_why *why)
{
        if (db->engine.damage != NULL)
                db->engine.damage(db->impl, why);
}

/* ---- the whole store -------------------------------------------------------------------------- */

enum lx_err
lld_backup(struct lld *db, const char *to, struct lx_why *why)
{
        return db->engine.backup(db->impl, to, why);
}

enum lx_err
lld_check(struct lld *db, struct lx_why *why)
{
        for (unsigned kind = 0; kind < db->kind_count; kind++) {
                struct lld_iter *iter = lld_iter_open(db, NULL, kind, NULL, 0);
                struct lx_span key, value;
                enum lx_err err;

                while (lld_iter_at(iter, &key, &value))
                        lld_iter_next(iter);
                err = lld_iter_close(iter);
                if (err != LX_OK) {
                        lx_why_set(why, "a record of kind %s can't be read: %s",
                            db->kinds[kind].name, lx_err_text(err));
                        lld_damage(db, why);
                        return err;
                }
        }
        return LX_OK;
}

enum lx_err
lld_compact(struct lld *db)
{
        return db->engine.compact(db->impl);
}

void
lld_hurry(struct lld *db)
{
        if (db->engine.hurry != NULL)
                db->engine.hurry(db->impl);
}

void
lld_get_stats(struct lld *db, struct lld_stats *out_stats)
{
        *out_stats = (struct lld_stats){
            .commits = db->commits, .synced = db->synced, .bytes_written = db->bytes_written};
        db->engine.stats(db->impl, out_stats);
}
