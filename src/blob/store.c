/* blob/store.c - see blob/store.h. */
#include "config.h"
#include "blob/store_int.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Called with the lock, or by the last owner. */
static void
close_kept(struct kept *k)
{
        (void)close(k->fd);
        *k = (struct kept){0};
}

enum lx_err
blob_fail(struct lx_why *why, const char *what, const char *path)
{
        int e = errno;

        lx_why_set(why, "cannot %s %s: %s", what, path, strerror(e));
        return lx_err_from_errno(e);
}

void
blob_path(const struct blob_store *store, unsigned kind, const struct lx_hash *root,
    char dir[PATH_BYTES], char path[PATH_BYTES])
{
        char hex[LX_HEX_LEN(LX_HASH_LEN)];

        lx_hex(root->b, LX_HASH_LEN, hex);
        snprintf(dir, PATH_BYTES, "%s/%s/%.2s", store->dir, store->kinds[kind].name, hex);
        snprintf(path, PATH_BYTES, "%s/%s/%.2s/%s", store->dir, store->kinds[kind].name, hex, hex);
}

static void
remove_leftovers(const char *dir)
{
        char path[PATH_BYTES];
        struct dirent *entry;
        DIR *d = opendir(dir);

        while (d != NULL && (entry = readdir(d)) != NULL) {
                if (strncmp(entry->d_name, "stage.", 6) != 0)
                        continue;
                snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
                unlink(path);
        }
        if (d != NULL)
                closedir(d);
}

enum lx_err
blob_open(const char *dir, const struct blob_kind *kinds, size_t kind_count,
    struct blob_store **out_store, struct lx_why *why)
{
        struct blob_store *store = lx_alloc(sizeof(*store));
        char path[PATH_BYTES];
        enum lx_err err = LX_OK;

        pthread_mutex_init(&store->names, NULL);
        pthread_mutex_init(&store->lock, NULL);
        store->kinds = kinds;
        store->kind_count = kind_count;
        if (snprintf(store->dir, sizeof(store->dir), "%s/blob", dir) >= (int)sizeof(store->dir)) {
                lx_why_set(why, "the path of the data directory is too long");
                err = LX_ERR_RANGE;
        }
        for (size_t i = 0; err == LX_OK && i < kind_count; i++) {
                snprintf(path, sizeof(path), "%s/%s", store->dir, kinds[i].name);
                err = lx_file_mkdirs(path, 0700, why);
        }
        if (err == LX_OK) {
                remove_leftovers(store->dir);
                err = lx_file_sync_dir(store->dir, why);
        }
        if (err != LX_OK) {
                lx_free(store);
                return err;
        }
        *out_store = store;
        return LX_OK;
}

void
blob_close(struct blob_store *store)
{
        if (store == NULL)
                return;
        for (size_t i = 0; i < BLOB_STAGES_MAX; i++)
                blob_upload_free(store->stage[i]);
        for (size_t i = 0; i < OPEN_MAX_KEPT; i++)
                if (store->kept[i].fd != 0)
                        close_kept(&store->kept[i]);
        pthread_mutex_destroy(&store->names);
        pthread_mutex_destroy(&store->lock);
        lx_free(store);
}

bool
blob_has(struct blob_store *store, unsigned kind, const struct lx_hash *root, uint64_t *out_len)
{
        char dir[PATH_BYTES], path[PATH_BYTES];
        struct stat st;

        lx_assert(kind < store->kind_count);
        blob_path(store, kind, root, dir, path);
        if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
                return false;
        if (out_len != NULL)
                *out_len = (uint64_t)st.st_size;
        return true;
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* Open a published blob; its length. */
static enum lx_err
open_blob(struct blob_store *store, unsigned kind, const struct lx_hash *root, int *out_fd,
    uint64_t *out_len)
{
        char dir[PATH_BYTES], path[PATH_BYTES];
        struct stat st;
        int fd;

        lx_assert(kind < store->kind_count);
        blob_path(store, kind, root, dir, path);
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
                return lx_err_from_errno(errno);
        if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
                close(fd);
                return LX_ERR_CORRUPT;
        }
        *out_fd = fd;
        *out_len = (uint64_t)st.st_size;
        return LX_OK;
}

static void
forget_kept(struct blob_store *store, unsigned kind, const struct lx_hash *root)
{
        pthread_mutex_lock(&store->lock);
        store->removals++;
        for (size_t i = 0; i < OPEN_MAX_KEPT; i++) {
                struct kept *k = &store->kept[i];

                if (k->fd == 0 || k->kind != kind || !lx_hash_eq(&k->root, root))
                        continue;
                k->removed = true;
                if (k->readers == 0)
                        close_kept(k);
        }
        pthread_mutex_unlock(&store->lock);
}

/* A slot for one more: a free one, or the one that was not used for longest. Called with the lock. */
static struct kept *
free_slot(struct blob_store *store)
{
        struct kept *best = NULL;

        for (size_t i = 0; i < OPEN_MAX_KEPT; i++) {
                struct kept *k = &store->kept[i];

                if (k->readers == 0 && (best == NULL || k->used < best->used))
                        best = k;
        }
        if (best != NULL && best->fd != 0)
                close_kept(best);
        return best;
}

static struct kept *
find_kept(struct blob_store *store, unsigned kind, const struct lx_hash *root)
{
        struct kept *found = NULL;

        pthread_mutex_lock(&store->lock);
        for (size_t i = 0; i < OPEN_MAX_KEPT && found == NULL; i++) {
                struct kept *k = &store->kept[i];

                if (k->fd != 0 && !k->removed && k->kind == kind && lx_hash_eq(&k->root, root))
                        found = k;
        }
        if (found != NULL) {
                found->readers++;
                found->used = ++store->clock;
        }
        pthread_mutex_unlock(&store->lock);
        return found;
}

/* Open it and keep it; *@out_kept NULL: there was no slot, the caller closes *@out_fd. */
static enum lx_err
open_kept(struct blob_store *store, unsigned kind, const struct lx_hash *root,
    struct kept **out_kept, int *out_fd, uint64_t *out_len)
{
        uint64_t removals;
        enum lx_err err;

        pthread_mutex_lock(&store->lock);
        removals = store->removals;
        pthread_mutex_unlock(&store->lock);
        err = open_blob(store, kind, root, out_fd, out_len);
        if (err != LX_OK)
                return err;
        pthread_mutex_lock(&store->lock);
        /* What was removed meanwhile may have been this one. */
        *out_kept = removals == store->removals && *out_fd != 0 ? free_slot(store) : NULL;
        if (*out_kept != NULL)
                **out_kept = (struct kept){.fd = *out_fd,
                    .kind = kind,
                    .root = *root,
                    .len = *out_len,
                    .readers = 1,
                    .used = ++store->clock};
        pthread_mutex_unlock(&store->lock);
        return LX_OK;
}

static void
end_reading(struct blob_store *store, struct kept *k)
{
        pthread_mutex_lock(&store->lock);
        if (--k->readers == 0 && k->removed)
                close_kept(k);
        pthread_mutex_unlock(&store->lock);
}

static enum lx_err
read_at(int fd, uint64_t offset, size_t len, struct lx_buf *out)
{
        uint8_t *to = lx_buf_reserve(out, len);
        size_t done = 0;

        while (done < len) {
                ssize_t n = pread(fd, to + done, len - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return LX_ERR_IO;
                done += (size_t)n;
        }
        lx_buf_add(out, len);
        return LX_OK;
}

enum lx_err
blob_read(struct blob_store *store, unsigned kind, const struct lx_hash *root, uint64_t offset,
    size_t len, struct lx_buf *out)
{
        struct kept *kept = find_kept(store, kind, root);
        uint64_t size = kept != NULL ? kept->len : 0;
        int fd = kept != NULL ? kept->fd : -1;
        enum lx_err err = LX_OK;

        if (kept == NULL)
                err = open_kept(store, kind, root, &kept, &fd, &size);
        if (err != LX_OK)
                return err;
        err = offset > size || len > size - offset ? LX_ERR_RANGE : read_at(fd, offset, len, out);
        if (kept != NULL)
                end_reading(store, kept);
        else
                (void)close(fd);
        return err;
}

enum lx_err
blob_check(struct blob_store *store, unsigned kind, const struct lx_hash *root, struct lx_why *why)
{
        char hex[LX_HEX_LEN(LX_HASH_LEN)];
        uint64_t len;
        int fd;
        enum lx_err err = open_blob(store, kind, root, &fd, &len);

        if (err != LX_OK)
                return err;
        err = store->kinds[kind].check(fd, len, root, NULL);
        close(fd);
        if (err == LX_OK || err == LX_ERR_IO || err == LX_ERR_NOMEM)
                return err;
        lx_hex(root->b, LX_HASH_LEN, hex);
        lx_why_set(why,
            "blob/%s/%.2s/%s is damaged: remove it and add it again, or restore a backup",
            store->kinds[kind].name, hex, hex);
        return LX_ERR_CORRUPT;
}

enum lx_err
blob_remove(struct blob_store *store, unsigned kind, const struct lx_hash *root)
{
        char dir[PATH_BYTES], path[PATH_BYTES];

        blob_path(store, kind, root, dir, path);
        if (unlink(path) != 0 && errno != ENOENT)
                return lx_err_from_errno(errno);
        forget_kept(store, kind, root);
        return LX_OK;
}

struct walk {
        struct blob_store *store;
        unsigned kind;
        bool (*each)(void *arg, const struct lx_hash *root, uint64_t len, uint64_t age_ms);
        void *arg;
        uint64_t now_ms;
};

/* One file of a directory; false to stop. Names that are no root are not ours. */
static bool
visit(struct walk *walk, int dir_fd, const char *name)
{
        struct lx_hash root;
        struct stat st;
        uint64_t since;

        if (!lx_unhex(name, strlen(name), root.b, LX_HASH_LEN) ||
            fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
                return true;
        since = (uint64_t)st.st_mtim.tv_sec * 1000u;
        return walk->each(walk->arg, &root, (uint64_t)st.st_size,
            walk->now_ms > since ? walk->now_ms - since : 0);
}

enum lx_err
blob_walk(struct blob_store *store, unsigned kind,
    bool (*each)(void *arg, const struct lx_hash *root, uint64_t len, uint64_t age_ms), void *arg)
{
        struct walk walk = {store, kind, each, arg, lx_clock_walltime().ms};
        bool going = true;

        for (unsigned i = 0; i < 256 && going; i++) {
                char path[PATH_BYTES];
                struct dirent *entry;
                DIR *d;

                snprintf(path, sizeof(path), "%s/%s/%02x", store->dir, store->kinds[kind].name, i);
                d = opendir(path);
                if (d == NULL && errno == ENOENT)
                        continue;
                if (d == NULL)
                        return lx_err_from_errno(errno);
                while (going && (entry = readdir(d)) != NULL)
                        going = visit(&walk, dirfd(d), entry->d_name);
                closedir(d);
        }
        return LX_OK;
}

struct backup {
        struct blob_store *store;
        unsigned kind;
        const char *to;
        enum lx_err err;
        struct lx_why *why;
};

/* A hard link where the file system allows it, else a copy. */
static enum lx_err
link_or_copy(const char *from, const char *to, struct lx_why *why)
{
        struct stat st;
        enum lx_err err;
        int in, out;

        if (link(from, to) == 0 || errno == EEXIST)
                return LX_OK;
        in = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (in < 0)
                return blob_fail(why, "open", from);
        out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        err = out < 0               ? blob_fail(why, "create", to)
              : fstat(in, &st) != 0 ? blob_fail(why, "look at", from)
                                    : blob_copy_bytes(in, out, to, (uint64_t)st.st_size, why);
        if (err == LX_OK && fsync(out) != 0)
                err = blob_fail(why, "fsync", to);
        close(in);
        if (out >= 0)
                close(out);
        return err;
}

static bool
backup_one(void *arg, const struct lx_hash *root, uint64_t len, uint64_t age_ms)
{
        struct backup *backup = arg;
        char dir[PATH_BYTES], from[PATH_BYTES], to[PATH_BYTES], hex[LX_HEX_LEN(LX_HASH_LEN)];

        (void)len, (void)age_ms;
        blob_path(backup->store, backup->kind, root, dir, from);
        lx_hex(root->b, LX_HASH_LEN, hex);
        snprintf(dir, sizeof(dir), "%s/blob/%s/%.2s", backup->to,
            backup->store->kinds[backup->kind].name, hex);
        snprintf(to, sizeof(to), "%.4000s/%s", dir, hex);
        backup->err = lx_file_mkdirs(dir, 0700, backup->why);
        if (backup->err == LX_OK)
                backup->err = link_or_copy(from, to, backup->why);
        if (backup->err == LX_OK)
                backup->err = lx_file_sync_dir(dir, backup->why);
        return backup->err == LX_OK;
}

enum lx_err
blob_backup(struct blob_store *store, const char *to, struct lx_why *why)
{
        struct backup backup = {.store = store, .to = to, .err = LX_OK, .why = why};

        for (unsigned kind = 0; kind < store->kind_count && backup.err == LX_OK; kind++) {
                char path[PATH_BYTES];
                enum lx_err err;

                /* Also an empty one: a backup may lie where nothing can be written. */
                snprintf(path, sizeof(path), "%s/blob/%s", to, store->kinds[kind].name);
                backup.kind = kind;
                backup.err = lx_file_mkdirs(path, 0700, why);
                if (backup.err != LX_OK)
                        break;
                err = blob_walk(store, kind, backup_one, &backup);
                if (backup.err == LX_OK)
                        backup.err = err;
        }
        return backup.err;
}

void
blob_get_stats(const struct blob_store *store, struct blob_stats *out_stats)
{
        *out_stats = (struct blob_stats){
            .count = store->count, .bytes = store->bytes, .staged = store->staged};
}
