/* lld/dir.c - the FORMAT and LOCK files of a data directory; see lld/store.h. */
#include "config.h"
#include "base/file.h"
#include "base/mem.h"
#include "lld/engine_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define COPY_BYTES (256u * 1024)

static bool
join_path(char out[PATH_BYTES], const char *dir, const char *name)
{
        return snprintf(out, PATH_BYTES, "%s/%s", dir, name) < PATH_BYTES;
}

/* Who holds the lock, as far as the file says. */
static long
read_holder(int fd)
{
        char text[32] = "";

        if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
                return 0;
        return strtol(text, NULL, 10);
}

static enum lx_err
take_lock(const char *dir, int *out_fd, struct lx_why *why)
{
        char path[PATH_BYTES], pid[32];
        int fd, len;

        if (!join_path(path, dir, "LOCK"))
                return LX_ERR_RANGE;
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
                lx_why_set(why, "cannot open %s: %s", path, strerror(errno));
                return lx_err_from_errno(errno);
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
                lx_why_set(why,
                    "data directory %s is in use by process %ld: stop it, or choose another --datadir",
                    dir, read_holder(fd));
                close(fd);
                return LX_ERR_LOCKED;
        }
        len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
        if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len) {
                enum lx_err err = lx_err_from_errno(errno);

                lx_why_set(why, "cannot write %s: %s", path, strerror(errno));
                close(fd);
                return err;
        }
        *out_fd = fd;
        return LX_OK;
}

static bool
is_there(const char *dir, const char *name)
{
        char path[PATH_BYTES];
        struct stat st;

        return join_path(path, dir, name) && lstat(path, &st) == 0;
}

/* What a FORMAT file says. */
static enum lx_err
check_format(const char *dir, struct lx_why *why)
{
        char path[PATH_BYTES];
        struct lx_buf found = {0};
        enum lx_err err;
        char tail = 0;
        long version;

        if (!join_path(path, dir, "FORMAT"))
                return LX_ERR_RANGE;
        err = lx_file_read(path, 64, &found, why);
        if (err == LX_OK &&
            (sscanf(lx_buf_str(&found), "lxnode-store %ld%c", &version, &tail) != 2 || tail != '\n')) {
                lx_why_set(why, "%s is damaged: restore a backup with lx restore", path);
                err = LX_ERR_CORRUPT;
        } else if (err == LX_OK && version > LLD_FORMAT_VERSION) {
                lx_why_set(why,
                    "%s was written by a newer lxnoded (store format %ld, this one knows %d): "
                    "install that version again, or go back with lxnoded --rollback",
                    dir, version, LLD_FORMAT_VERSION);
                err = LX_ERR_VERSION;
        } else if (err == LX_OK && version < 1) {
                lx_why_set(why, "%s names the unknown format %ld: restore a backup with lx restore", path, version);
                err = LX_ERR_CORRUPT;
        }
        lx_buf_clear(&found);
        return err;
}

static enum lx_err
write_format(const char *dir, const char *name, struct lx_why *why)
{
        char path[PATH_BYTES], text[32];

        if (!join_path(path, dir, name))
                return LX_ERR_RANGE;
        snprintf(text, sizeof(text), "lxnode-store %d\n", LLD_FORMAT_VERSION);
        return lx_file_write(path, text, strlen(text), 0644, why);
}

/*
 * A store is made in three steps: FORMAT.new, the engine's files, FORMAT. So a store whose making
 * was cut short can be told from one that lost its FORMAT, and an engine never makes a new store
 * where an old one has lost a file.
 */
static enum lx_err
begin_new(const char *dir, const struct lld_options *options, struct lx_why *why)
{
        if (is_there(dir, "FORMAT.new") && options->create && !options->read_only)
                return LX_OK;
        if (is_there(dir, "lld.part")) {
                lx_why_set(why, "a restore into %s was cut short: run lx restore again", dir);
                return LX_ERR_CORRUPT;
        }
        if (is_there(dir, "lld")) {
                lx_why_set(why, "%s/FORMAT is missing beside the store: restore a backup with lx restore", dir);
                return LX_ERR_CORRUPT;
        }
        if (!options->create || options->read_only) {
                lx_why_set(why, "there is no data in %s (no FORMAT file)", dir);
                return LX_ERR_ABSENT;
        }
        return write_format(dir, "FORMAT.new", why);
}

/* ---- restoring --------------------------------------------------------------------------------- */

static enum lx_err
copy_bytes(int in, int out, const char *from, const char *to, struct lx_why *why)
{
        uint8_t *chunk = lx_alloc(COPY_BYTES);
        enum lx_err err = LX_OK;
        ssize_t n;

        while (err == LX_OK && (n = read(in, chunk, COPY_BYTES)) != 0) {
                if (n < 0)
                        err = lx_file_fail(why, "read", from);
                for (ssize_t at = 0; at < n && err == LX_OK;) {
                        ssize_t done = write(out, chunk + at, (size_t)(n - at));

                        if (done < 0)
                                err = lx_file_fail(why, "write", to);
                        at += done;
                }
        }
        if (err == LX_OK && fsync(out) != 0)
                err = lx_file_fail(why, "fsync", to);
        lx_free(chunk);
        return err;
}

static enum lx_err
copy_file(const char *from, const char *to, struct lx_why *why)
{
        int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), out;
        enum lx_err err;

        if (in < 0)
                return lx_file_fail(why, "read", from);
        out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        err = out < 0 ? lx_file_fail(why, "create", to) : copy_bytes(in, out, from, to, why);
        (void)close(in);
        if (out >= 0)
                (void)close(out);
        return err;
}

/* Files that an engine never changes once they are written. */
static bool
is_table(const char *name)
{
        const char *dot = strrchr(name, '.');

        return dot != NULL && (strcmp(dot, ".sst") == 0 || strcmp(dot, ".blob") == 0);
}

/* The regular files of directory @from into the new directory @to; tables as hard links, with @link_tables. */
static enum lx_err
copy_dir(const char *from, const char *to, bool link_tables, struct lx_why *why)
{
        char in[PATH_BYTES], out[PATH_BYTES];
        struct dirent *entry;
        struct stat st;
        enum lx_err err = lx_file_mkdirs(to, 0700, why);
        DIR *d = err == LX_OK ? opendir(from) : NULL;

        if (err == LX_OK && d == NULL)
                err = lx_file_fail(why, "read the directory", from);
        while (err == LX_OK && (entry = readdir(d)) != NULL) {
                if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
                        continue;
                if (!join_path(in, from, entry->d_name) || !join_path(out, to, entry->d_name))
                        err = LX_ERR_RANGE;
                else if (!link_tables || !is_table(entry->d_name) || link(in, out) != 0)
                        err = copy_file(in, out, why);
        }
        if (d != NULL)
                (void)closedir(d);
        return err == LX_OK ? lx_file_sync_dir(to, why) : err;
}

/* A directory of files, like what an earlier restore left behind. */
static void
remove_files(const char *part)
{
        char path[PATH_BYTES];
        struct dirent *entry;
        DIR *d = opendir(part);

        while (d != NULL && (entry = readdir(d)) != NULL)
                if (join_path(path, part, entry->d_name))
                        (void)unlink(path);
        if (d != NULL)
                (void)closedir(d);
        (void)rmdir(part);
}

enum lx_err
lld_restore(const char *from, const char *to, struct lx_why *why)
{
        char in[PATH_BYTES], part[PATH_BYTES], out[PATH_BYTES];
        enum lx_err err;

        if (!join_path(in, from, "lld") || !join_path(part, to, "lld.part") || !join_path(out, to, "lld"))
                return LX_ERR_RANGE;
        if (is_there(to, "FORMAT") || is_there(to, "lld")) {
                lx_why_set(why, "%s holds a store already: restore into an empty data directory (move the old one "
                    "away first)", to);
                return LX_ERR_EXISTS;
        }
        if (!is_there(from, "FORMAT")) {
                lx_why_set(why, "there is no backup in %s (no FORMAT file)", from);
                return LX_ERR_ABSENT;
        }
        err = check_format(from, why);
        if (err == LX_OK)
                err = lx_file_mkdirs(to, 0700, why);
        remove_files(part);
        if (err == LX_OK)
                err = copy_dir(in, part, false, why);
        if (err == LX_OK && rename(part, out) != 0)
                err = lx_file_fail(why, "rename to", out);
        return err == LX_OK ? write_format(to, "FORMAT", why) : err;
}

/* ---- a copy from before an upgrade --------------------------------------------------------------- */

/* The lock of @dir, held while files are moved about. */
static enum lx_err
lock_dir(const char *dir, int *out_fd, struct lx_why *why)
{
        *out_fd = -1;
        return take_lock(dir, out_fd, why);
}

static enum lx_err
move(const char *from_dir, const char *from, const char *to_dir, const char *to, struct lx_why *why)
{
        char a[PATH_BYTES], b[PATH_BYTES];

        if (!join_path(a, from_dir, from) || !join_path(b, to_dir, to))
                return LX_ERR_RANGE;
        return rename(a, b) == 0 ? LX_OK : lx_file_fail(why, "move", a);
}

static enum lx_err
copy_beside(const char *from_dir, const char *to_dir, const char *name, struct lx_why *why)
{
        char a[PATH_BYTES], b[PATH_BYTES];

        if (!is_there(from_dir, name))
                return LX_OK;
        return join_path(a, from_dir, name) && join_path(b, to_dir, name) ? copy_file(a, b, why) : LX_ERR_RANGE;
}

static void
remove_kept(const char *kept)
{
        static const char *const NAMES[] = {"FORMAT", "HEIGHT"};
        char path[PATH_BYTES];

        if (join_path(path, kept, "lld"))
                remove_files(path);
        for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
                if (join_path(path, kept, NAMES[i]))
                        (void)unlink(path);
        (void)rmdir(kept);
}

enum lx_err
lld_keep(const char *dir, const char *name, struct lx_why *why)
{
        char part[PATH_BYTES], in[PATH_BYTES], out[PATH_BYTES];
        int lock;
        enum lx_err err;

        if (!is_there(dir, "FORMAT") || is_there(dir, name))
                return is_there(dir, name) ? LX_OK : LX_ERR_ABSENT;
        if (snprintf(part, sizeof(part), "%s/%s.part", dir, name) >= PATH_BYTES || !join_path(in, dir, "lld") ||
            !join_path(out, part, "lld"))
                return LX_ERR_RANGE;
        err = lock_dir(dir, &lock, why);
        if (err != LX_OK)
                return err;
        remove_kept(part);
        err = lx_file_mkdirs(part, 0700, why);
        if (err == LX_OK)
                err = copy_dir(in, out, true, why);
        if (err == LX_OK)
                err = copy_beside(dir, part, "FORMAT", why);
        if (err == LX_OK)
                err = copy_beside(dir, part, "HEIGHT", why);
        if (err == LX_OK)
                err = lx_file_sync_dir(part, why);
        if (err == LX_OK && join_path(out, dir, name) && rename(part, out) != 0)
                err = lx_file_fail(why, "rename to", out);
        if (err == LX_OK)
                err = lx_file_sync_dir(dir, why);
        if (err != LX_OK)
                remove_kept(part);
        (void)close(lock);
        return err;
}

/* Every step may have been the last before a power cut: what is done already is seen by what is where. */
static enum lx_err
put_back(const char *dir, const char *kept, struct lx_why *why)
{
        char path[PATH_BYTES];
        enum lx_err err = LX_OK;

        if (!join_path(path, dir, "lld.undone"))
                return LX_ERR_RANGE;
        /* HEIGHT first: it may be behind the store, never ahead. */
        if (is_there(kept, "HEIGHT"))
                err = move(kept, "HEIGHT", dir, "HEIGHT", why);
        if (err == LX_OK && is_there(kept, "lld")) {
                if (is_there(dir, "lld")) {
                        remove_files(path);
                        err = move(dir, "lld", dir, "lld.undone", why);
                }
                if (err == LX_OK)
                        err = move(kept, "lld", dir, "lld", why);
        }
        if (err == LX_OK && is_there(kept, "FORMAT"))
                err = move(kept, "FORMAT", dir, "FORMAT", why);
        if (err == LX_OK)
                err = lx_file_sync_dir(dir, why);
        if (err == LX_OK) {
                remove_files(path);
                remove_kept(kept);
        }
        return err;
}

enum lx_err
lld_put_back(const char *dir, const char *name, struct lx_why *why)
{
        char kept[PATH_BYTES];
        int lock;
        enum lx_err err;

        if (!join_path(kept, dir, name))
                return LX_ERR_RANGE;
        if (!is_there(dir, name))
                return LX_ERR_ABSENT;
        err = is_there(kept, "FORMAT") ? check_format(kept, why) : LX_OK;
        if (err == LX_OK)
                err = lock_dir(dir, &lock, why);
        if (err != LX_OK)
                return err;
        err = put_back(dir, kept, why);
        (void)close(lock);
        return err;
}

void
lld_drop_kept(const char *dir, const char *name)
{
        char kept[PATH_BYTES];

        if (join_path(kept, dir, name))
                remove_kept(kept);
}

bool
lld_sure_height(const char *dir, uint64_t *out_height)
{
        bool found = false;

        return lld_dir_read_height(dir, &found, out_height, NULL) == LX_OK && found;
}

/* ---- new stores -------------------------------------------------------------------------------- */

enum lx_err
lld_dir_finish(const char *dir, struct lx_why *why)
{
        char from[PATH_BYTES];
        enum lx_err err = write_format(dir, "FORMAT", why);

        if (err == LX_OK && join_path(from, dir, "FORMAT.new"))
                (void)unlink(from);
        return err;
}

enum lx_err
lld_dir_open(const char *dir, const struct lld_options *options, int *out_fd, bool *out_new,
    struct lx_why *why)
{
        enum lx_err err = LX_OK;
        struct stat st;

        *out_fd = -1;
        *out_new = false;
        if (options->create)
                err = lx_file_mkdirs(dir, 0700, why);
        else if (stat(dir, &st) != 0) {
                lx_why_set(why, "there is no data directory %s", dir);
                err = LX_ERR_ABSENT;
        }
        if (err == LX_OK && !options->read_only)
                err = take_lock(dir, out_fd, why);
        if (err == LX_OK && is_there(dir, "FORMAT"))
                err = check_format(dir, why);
        else if (err == LX_OK) {
                *out_new = true;
                err = begin_new(dir, options, why);
        }
        if (err != LX_OK && *out_fd >= 0) {
                close(*out_fd);
                *out_fd = -1;
        }
        return err;
}

/* ---- the height that is on disk for sure ------------------------------------------------------- */

/* Nothing, zeroes, or only the first digits: what a power cut leaves of a HEIGHT that was never synced. */
static bool
is_cut_off(const struct lx_buf *buf)
{
        size_t zeroes = 0, digits = 0;

        for (size_t i = 0; i < buf->len; i++) {
                zeroes += buf->p[i] == 0;
                digits += buf->p[i] >= '0' && buf->p[i] <= '9';
        }
        return zeroes == buf->len || (digits == buf->len && buf->len < LLD_HEIGHT_LEN);
}

enum lx_err
lld_dir_read_height(const char *dir, bool *out_found, uint64_t *out_height, struct lx_why *why)
{
        char path[PATH_BYTES], tail;
        struct lx_buf text = {0};
        unsigned long long height;
        enum lx_err err;

        *out_found = false;
        if (!join_path(path, dir, "HEIGHT"))
                return LX_ERR_RANGE;
        err = lx_file_read(path, 64, &text, NULL);
        if (err == LX_ERR_ABSENT || (err == LX_OK && is_cut_off(&text))) {
                err = LX_OK; /* never written, or cut off before it reached the disk: it says nothing */
        } else if (err != LX_OK || text.len != LLD_HEIGHT_LEN ||
            sscanf(lx_buf_str(&text), "%20llu%c", &height, &tail) != 2 || tail != '\n') {
                lx_why_set(why, "%s is damaged: remove it, and look with lxnoded --check-db whether the newest "
                    "blocks are there (else restore a backup with lx restore)", path);
                err = LX_ERR_CORRUPT;
        } else {
                *out_found = true;
                *out_height = height;
        }
        lx_buf_clear(&text);
        return err;
}

enum lx_err
lld_dir_open_height(const char *dir, int *out_fd, struct lx_why *why)
{
        char path[PATH_BYTES];

        if (!join_path(path, dir, "HEIGHT"))
                return LX_ERR_RANGE;
        *out_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (*out_fd >= 0)
                return LX_OK;
        lx_why_set(why, "cannot open %s: %s", path, strerror(errno));
        return lx_err_from_errno(errno);
}

void
lld_dir_write_height(int fd, uint64_t height)
{
        char text[LLD_HEIGHT_LEN + 1];

        snprintf(text, sizeof(text), "%020llu\n", (unsigned long long)height);
        (void)!pwrite(fd, text, LLD_HEIGHT_LEN, 0);
}
