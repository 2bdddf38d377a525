/* blob/upload.c - uploads: staged, checked, published; see blob/store.h. */
#include "config.h"
#include "blob/store_int.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES (256u * 1024)

/* ---- stages ------------------------------------------------------------------------------------ */

static struct blob_upload **
find_stage(struct blob_store *store, unsigned kind, const struct lx_hash *root)
{
        for (size_t i = 0; i < BLOB_STAGES_MAX; i++) {
                struct blob_upload *u = store->stage[i];

                if (u != NULL && u->kind == kind && lx_hash_eq(&u->root, root))
                        return &store->stage[i];
        }
        return NULL;
}

void
blob_upload_free(struct blob_upload *upload)
{
        if (upload == NULL)
                return;
        close(upload->fd);
        if (upload->base >= 0)
                close(upload->base);
        unlink(upload->path); /* when it was published, there is no such name */
        upload->store->staged_bytes -= upload->total;
        upload->store->staged--;
        lx_free(upload);
}

static void
drop_stage(struct blob_upload **stage)
{
        blob_upload_free(*stage);
        *stage = NULL;
}

static enum lx_err
new_upload(struct blob_store *store, unsigned kind, const struct lx_hash *root, uint64_t total,
    struct blob_upload **out, struct lx_why *why)
{
        struct blob_upload *u;

        if (total > store->kinds[kind].max_len) {
                lx_why_set(why, "a %s has at most %llu bytes, not %llu", store->kinds[kind].name,
                    (unsigned long long)store->kinds[kind].max_len, (unsigned long long)total);
                return LX_ERR_RANGE;
        }
        if (store->staged >= BLOB_STAGES_MAX ||
            store->staged_bytes + total > BLOB_STAGED_BYTES_MAX) {
                lx_why_set(why, "too many uploads are going on: try again later");
                return LX_ERR_LIMIT;
        }
        u = lx_alloc(sizeof(*u));
        *u = (struct blob_upload){
            .store = store, .kind = kind, .root = *root, .total = total, .base = -1};
        snprintf(u->path, sizeof(u->path), "%s/stage.%llu", store->dir,
            (unsigned long long)store->number++);
        u->fd = open(u->path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (u->fd < 0) {
                enum lx_err err = blob_fail(why, "create", u->path);

                lx_free(u);
                return err;
        }
        store->staged++;
        store->staged_bytes += total;
        *out = u;
        return LX_OK;
}

static enum lx_err
new_stage(struct blob_store *store, unsigned kind, const struct lx_hash *root, uint64_t total,
    struct blob_upload ***out_stage, struct lx_why *why)
{
        for (size_t i = 0; i < BLOB_STAGES_MAX; i++) {
                if (store->stage[i] != NULL)
                        continue;
                *out_stage = &store->stage[i];
                return new_upload(store, kind, root, total, &store->stage[i], why);
        }
        lx_why_set(why, "too many uploads are going on: try again later");
        return LX_ERR_LIMIT;
}

void
blob_tick(struct blob_store *store, uint64_t now_ms)
{
        for (size_t i = 0; i < BLOB_STAGES_MAX; i++)
                if (store->stage[i] != NULL &&
                    now_ms - store->stage[i]->last_ms > BLOB_STAGE_AGE_MS)
                        drop_stage(&store->stage[i]);
}

/* ---- content ----------------------------------------------------------------------------------- */

static enum lx_err
write_at(
    int fd, const char *path, const uint8_t *bytes, size_t len, uint64_t offset, struct lx_why *why)
{
        while (len > 0) {
                ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return blob_fail(why, "write", path);
                bytes += n;
                offset += (uint64_t)n;
                len -= (size_t)n;
        }
        return LX_OK;
}

enum lx_err
blob_copy_bytes(int from, int to, const char *path, uint64_t len, struct lx_why *why)
{
        uint8_t *chunk = lx_alloc(COPY_BYTES);
        enum lx_err err = LX_OK;

        for (uint64_t at = 0; at < len && err == LX_OK;) {
                size_t want = len - at < COPY_BYTES ? (size_t)(len - at) : COPY_BYTES;
                ssize_t n = pread(from, chunk, want, (off_t)at);

                if (n <= 0)
                        err = n < 0 ? blob_fail(why, "read", path) : LX_ERR_CORRUPT;
                else
                        err = write_at(to, path, chunk, (size_t)n, at, why);
                at += n > 0 ? (uint64_t)n : 0;
        }
        lx_free(chunk);
        return err;
}

static enum lx_err
begin_part(struct blob_store *store, unsigned kind, const struct lx_hash *root, uint64_t total,
    uint64_t offset, struct blob_upload ***out_stage, struct lx_why *why)
{
        struct blob_upload **stage = find_stage(store, kind, root),
                           *u = stage != NULL ? *stage : NULL;

        if (offset == 0) {
                if (u != NULL)
                        drop_stage(stage);
                return new_stage(store, kind, root, total, out_stage, why);
        }
        if (u == NULL || u->have != offset || u->total != total) {
                lx_why_set(why, "the next part of this upload starts at offset %llu, not %llu",
                    u != NULL && u->total == total ? (unsigned long long)u->have : 0ull,
                    (unsigned long long)offset);
                return LX_ERR_SEQUENCE;
        }
        *out_stage = stage;
        return LX_OK;
}

enum lx_err
blob_put_part(struct blob_store *store, unsigned kind, const struct lx_hash *root, uint64_t total,
    uint64_t offset, const void *bytes, size_t len, uint64_t now_ms, bool *out_done,
    struct blob_upload **out_whole, struct lx_why *why)
{
        struct blob_upload **stage;
        enum lx_err err;

        lx_assert(kind < store->kind_count);
        *out_whole = NULL;
        *out_done = blob_has(store, kind, root, NULL);
        if (*out_done)
                return LX_OK;
        if (offset > total || len > total - offset) {
                lx_why_set(why, "the part reaches beyond the upload's %llu bytes",
                    (unsigned long long)total);
                return LX_ERR_RANGE;
        }
        err = begin_part(store, kind, root, total, offset, &stage, why);
        if (err != LX_OK)
                return err;
        err = write_at((*stage)->fd, (*stage)->path, bytes, len, offset, why);
        if (err != LX_OK) {
                drop_stage(stage);
                return err;
        }
        (*stage)->have += len;
        (*stage)->last_ms = now_ms;
        if ((*stage)->have == total) {
                *out_whole = *stage;
                *stage = NULL;
        }
        return LX_OK;
}

enum lx_err
blob_patch(struct blob_store *store, unsigned kind, const struct lx_hash *base,
    const struct lx_hash *root, uint64_t total, uint64_t offset, struct lx_span bytes,
    bool *out_done, struct blob_upload **out_whole, struct lx_why *why)
{
        char dir[PATH_BYTES], path[PATH_BYTES];
        struct blob_upload *u;
        uint64_t base_len, keep;
        enum lx_err err;

        lx_assert(kind < store->kind_count);
        *out_whole = NULL;
        *out_done = blob_has(store, kind, root, NULL);
        if (*out_done)
                return LX_OK;
        if (!blob_has(store, kind, base, &base_len)) {
                lx_why_set(
                    why, "the %s that is to be changed is not here", store->kinds[kind].name);
                return LX_ERR_ABSENT;
        }
        keep = base_len < total ? base_len : total;
        if (offset > keep || bytes.len > total - offset ||
            (keep < total && offset + bytes.len != total))
                return LX_ERR_RANGE;
        err = new_upload(store, kind, root, total, &u, why);
        if (err != LX_OK)
                return err;
        blob_path(store, kind, base, dir, path);
        u->base = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        u->keep = keep;
        u->offset = offset;
        u->bytes = bytes;
        if (u->base >= 0) {
                *out_whole = u;
                return LX_OK;
        }
        err = blob_fail(why, "open", path);
        blob_upload_free(u);
        return err;
}

/* ---- publishing -------------------------------------------------------------------------------- */

static enum lx_err
fill_in(struct blob_upload *u, struct lx_why *why)
{
        enum lx_err err = LX_OK;

        if (u->base < 0)
                return LX_OK;
        err = blob_copy_bytes(u->base, u->fd, u->path, u->keep, why);
        if (err == LX_OK)
                err = write_at(u->fd, u->path, u->bytes.p, u->bytes.len, u->offset, why);
        return err;
}

/* Give it its name for good, or none. Somebody else may have published the same content meanwhile. */
static enum lx_err
name_it(struct blob_upload *u, struct lx_why *why)
{
        struct blob_store *store = u->store;
        char dir[PATH_BYTES], path[PATH_BYTES];
        enum lx_err err = LX_OK;

        if (blob_has(store, u->kind, &u->root, NULL))
                return LX_OK;
        blob_path(store, u->kind, &u->root, dir, path);
        if (mkdir(dir, 0700) != 0 && errno != EEXIST)
                return blob_fail(why, "make directory", dir);
        if (rename(u->path, path) != 0)
                return blob_fail(why, "rename to", path);
        err = lx_file_sync_dir(dir, why);
        if (err == LX_OK) {
                snprintf(dir, sizeof(dir), "%s/%s", store->dir, store->kinds[u->kind].name);
                err = lx_file_sync_dir(dir, why);
        }
        if (err != LX_OK) {
                /* A name that a crash could take back must not be found. */
                unlink(path);
                return err;
        }
        store->count++;
        store->bytes += u->total;
        return LX_OK;
}

enum lx_err
blob_publish(struct blob_upload *u, struct lx_why *why)
{
        struct blob_store *store = u->store;
        enum lx_err err = fill_in(u, why);

        if (err == LX_OK)
                err = store->kinds[u->kind].check(u->fd, u->total, &u->root, why);
        if (err == LX_OK && fsync(u->fd) != 0)
                err = blob_fail(why, "fsync", u->path);
        if (err == LX_OK) {
                pthread_mutex_lock(&store->names);
                err = name_it(u, why);
                pthread_mutex_unlock(&store->names);
        }
        blob_upload_free(u);
        return err;
}

enum lx_err
blob_put(struct blob_store *store, unsigned kind, const struct lx_hash *root, const void *bytes,
    size_t len, struct lx_why *why)
{
        struct blob_upload *whole;
        bool done;
        enum lx_err err = blob_put_part(
            store, kind, root, len, 0, bytes, len, lx_clock_now_ms(), &done, &whole, why);

        return err == LX_OK && whole != NULL ? blob_publish(whole, why) : err;
}
