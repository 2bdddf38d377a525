/* lld/dir.c - the FORMAT and LOCK files of a data directory; see lld/store.h. */
#include "config.h"
#include "base/file.h"
#include "lld/engine_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096

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

static enum lx_err
check_format(const char *dir, bool create, struct lx_why *why)
{
        char path[PATH_BYTES], text[32];
        struct lx_buf found = {0};
        enum lx_err err;
        long version;

        if (!join_path(path, dir, "FORMAT"))
                return LX_ERR_RANGE;
        err = lx_file_read(path, 64, &found, NULL);
        if (err == LX_ERR_ABSENT && create) {
                snprintf(text, sizeof(text), "lxnode-store %d\n", LLD_FORMAT_VERSION);
                return lx_file_write(path, text, strlen(text), 0644, why);
        }
        if (err == LX_ERR_ABSENT)
                lx_why_set(why, "there is no data in %s (no FORMAT file)", dir);
        if (err != LX_OK)
                return err;
        if (sscanf(lx_buf_str(&found), "lxnode-store %ld", &version) != 1) {
                lx_why_set(why, "%s is damaged: restore a backup with lx restore", path);
                err = LX_ERR_CORRUPT;
        } else if (version > LLD_FORMAT_VERSION) {
                lx_why_set(why,
                    "%s was written by a newer lxnoded (store format %ld, this one knows %d): "
                    "install that version again",
                    dir, version, LLD_FORMAT_VERSION);
                err = LX_ERR_VERSION;
        } else if (version < 1) {
                lx_why_set(why, "%s names the unknown format %ld", path, version);
                err = LX_ERR_CORRUPT;
        }
        lx_buf_clear(&found);
        return err;
}

enum lx_err
lld_dir_open(const char *dir, const struct lld_options *options, int *out_fd, struct lx_why *why)
{
        enum lx_err err = LX_OK;
        struct stat st;

        *out_fd = -1;
        if (options->create)
                err = lx_file_mkdirs(dir, 0700, why);
        else if (stat(dir, &st) != 0) {
                lx_why_set(why, "there is no data directory %s", dir);
                err = LX_ERR_ABSENT;
        }
        if (err == LX_OK && !options->read_only)
                err = take_lock(dir, out_fd, why);
        if (err == LX_OK)
                err = check_format(dir, options->create && !options->read_only, why);
        if (err != LX_OK && *out_fd >= 0) {
                close(*out_fd);
                *out_fd = -1;
        }
        return err;
}
