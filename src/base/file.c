/* base/file.c - see base/file.h. */
#include "config.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096

enum lx_err
lx_err_from_errno(int e)
{
        switch (e) {
        case ENOENT:
        case ENOTDIR:
                return LX_ERR_ABSENT;
        case EACCES:
        case EPERM:
        case EROFS:
                return LX_ERR_DENIED;
        case ENOSPC:
        case EDQUOT:
                return LX_ERR_FULL;
        case EEXIST:
                return LX_ERR_EXISTS;
        case ENOMEM:
                return LX_ERR_NOMEM;
        case ELOOP:
                return LX_ERR_FORMAT;
        default:
                return LX_ERR_IO;
        }
}

enum lx_err
lx_file_fail(struct lx_why *why, const char *what, const char *path)
{
        int e = errno;

        lx_why_set(why, "cannot %s %s: %s", what, path, strerror(e));
        return lx_err_from_errno(e);
}

static enum lx_err
read_all(int fd, const char *path, size_t max, struct lx_buf *out, struct lx_why *why)
{
        size_t total = 0;

        for (;;) {
                size_t room = max - total < 65536 ? max - total + 1 : 65536;
                ssize_t n = read(fd, lx_buf_reserve(out, room), room);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return lx_file_fail(why, "read", path);
                if (n == 0)
                        return LX_OK;
                total += (size_t)n;
                if (total > max) {
                        lx_why_set(why, "%s is larger than %zu bytes", path, max);
                        return LX_ERR_LIMIT;
                }
                lx_buf_add(out, (size_t)n);
        }
}

enum lx_err
lx_file_read(const char *path, size_t max, struct lx_buf *out, struct lx_why *why)
{
        /* O_NONBLOCK: a FIFO must not make us wait for a writer. */
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        size_t before = out->len;
        enum lx_err err = LX_OK;
        struct stat st;

        if (fd < 0)
                return lx_file_fail(why, "open", path);
        if (fstat(fd, &st) != 0)
                err = lx_file_fail(why, "look at", path);
        else if (!S_ISREG(st.st_mode)) {
                lx_why_set(why, "%s is not a regular file", path);
                err = LX_ERR_FORMAT;
        } else
                err = read_all(fd, path, max, out, why);
        close(fd);
        if (err != LX_OK)
                out->len = before;
        return err;
}

static enum lx_err
write_bytes(int fd, const char *path, const uint8_t *bytes, size_t len, struct lx_why *why)
{
        while (len > 0) {
                ssize_t n = write(fd, bytes, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return lx_file_fail(why, "write", path);
                bytes += n;
                len -= (size_t)n;
        }
        return LX_OK;
}

static enum lx_err
write_all(int fd, const char *path, const uint8_t *bytes, size_t len, struct lx_why *why)
{
        enum lx_err err = write_bytes(fd, path, bytes, len, why);

        return err == LX_OK && fsync(fd) != 0 ? lx_file_fail(why, "fsync", path) : err;
}

enum lx_err
lx_file_sync_dir(const char *path, struct lx_why *why)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        enum lx_err err = LX_OK;

        if (fd < 0)
                return lx_file_fail(why, "open", path);
        if (fsync(fd) != 0)
                err = lx_file_fail(why, "fsync", path);
        close(fd);
        return err;
}

static enum lx_err
sync_parent(const char *path, struct lx_why *why)
{
        char dir[PATH_BYTES];
        const char *slash = strrchr(path, '/');

        if (slash == NULL)
                return lx_file_sync_dir(".", why);
        snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
        return lx_file_sync_dir(dir, why);
}

/* A terminal, a pipe, /dev/null: written to, never replaced. */
static enum lx_err
write_into(const char *path, const uint8_t *bytes, size_t len, struct lx_why *why)
{
        int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
        enum lx_err err;

        if (fd < 0)
                return lx_file_fail(why, "write", path);
        err = write_bytes(fd, path, bytes, len, why);
        close(fd);
        return err;
}

enum lx_err
lx_file_write(const char *path, const void *bytes, size_t len, unsigned mode, struct lx_why *why)
{
        char beside[PATH_BYTES], real[PATH_BYTES];
        struct stat st;
        enum lx_err err;
        int fd;

        if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
                if (realpath(path, real) == NULL)
                        return lx_file_fail(why, "write", path);
                path = real;
        }
        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
                return write_into(path, bytes, len, why);
        if (snprintf(beside, sizeof(beside), "%s.new.%ld", path, (long)getpid()) >=
            (int)sizeof(beside))
                return LX_ERR_RANGE;
        fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0)
                return lx_file_fail(why, "write", path);
        err = fchmod(fd, mode) != 0 ? lx_file_fail(why, "set the mode of", beside)
                                    : write_all(fd, beside, bytes, len, why);
        close(fd);
        if (err == LX_OK && rename(beside, path) != 0)
                err = lx_file_fail(why, "replace", path);
        if (err != LX_OK) {
                unlink(beside);
                return err;
        }
        return sync_parent(path, why);
}

enum lx_err
lx_file_mkdirs(const char *path, unsigned mode, struct lx_why *why)
{
        char part[PATH_BYTES];
        size_t len = strlen(path);

        if (len == 0 || len >= sizeof(part)) {
                lx_why_set(why, "a path has 1 to %zu bytes", sizeof(part) - 1);
                return LX_ERR_RANGE;
        }
        for (size_t i = 1; i <= len; i++) {
                struct stat st;

                if (path[i] != '/' && path[i] != '\0')
                        continue;
                memcpy(part, path, i);
                part[i] = '\0';
                if (mkdir(part, mode) == 0) {
                        enum lx_err err = sync_parent(part, why);

                        if (err != LX_OK)
                                return err;
                } else if (errno != EEXIST) {
                        return lx_file_fail(why, "make directory", part);
                }
                if (i == len && (stat(part, &st) != 0 || !S_ISDIR(st.st_mode))) {
                        lx_why_set(why, "%s is not a directory", part);
                        return LX_ERR_FORMAT;
                }
        }
        return LX_OK;
}
