/* lxguard/restore.c - the last good content of a protected file, from the node's blobs back to its place. */
#include "config.h"
#include "lxguard/protect_int.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAMES_MAX 4096 /* bytes of names of extended attributes */
#define VALUE_MAX 4096

/* Extended attributes: capabilities, labels, ACLs. What cannot be carried over is left out. */
static void
copy_attributes(int from, int to)
{
        char names[NAMES_MAX], value[VALUE_MAX];
        ssize_t len = flistxattr(from, names, sizeof(names));

        for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
                ssize_t n = fgetxattr(from, name, value, sizeof(value));

                if (n >= 0)
                        (void)fsetxattr(to, name, value, (size_t)n, 0);
        }
}

static bool
copy_owner(int from, int to)
{
        struct stat st;

        if (from < 0)
                return fchmod(to, 0600) == 0;
        if (fstat(from, &st) != 0 || fchown(to, st.st_uid, st.st_gid) != 0)
                return false;
        copy_attributes(from, to);
        return fchmod(to, st.st_mode & 07777) == 0;
}

static bool
write_all(int fd, const uint8_t *bytes, size_t len)
{
        while (len > 0) {
                ssize_t n = write(fd, bytes, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                bytes += n;
                len -= (size_t)n;
        }
        return true;
}

/* What is in the open file must be what the register says, to the byte. */
static enum lx_err
check_copy(int fd, const struct guard_file *must, struct lx_why *why)
{
        struct lx_hash root;
        uint64_t length;
        enum lx_err err = hash_fd(fd, 0, &root, &length, NULL);

        if (err == LX_OK && guard_file_state(must, true, &root, length) != GUARD_FILE_SAME) {
                lx_why_set(why, "what the node has is not the registered content");
                err = LX_ERR_PROOF;
        }
        return err;
}

/* Beside its place, checked, synced, then renamed: whoever has the changed file open keeps that one. */
static enum lx_err
replace(const struct guard_file *must, int now, struct lx_span bytes, struct lx_why *why)
{
        const char *name = strrchr(must->path, '/') + 1;
        struct lx_buf dir = {0};
        char temp[64];
        enum lx_err err = LX_OK;
        int at, fd = -1;

        lx_buf_append(&dir, must->path, (size_t)(name - must->path));
        (void)snprintf(temp, sizeof(temp), ".lxguard.%d", (int)getpid());
        at = open(lx_buf_str(&dir), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (at >= 0 && (fd = openat(at, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0 &&
            errno == EEXIST && unlinkat(at, temp, 0) == 0)
                fd = openat(at, temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 || !write_all(fd, bytes.p, bytes.len) || ftruncate(fd, (off_t)must->length) != 0 ||
            !copy_owner(now, fd) || fsync(fd) != 0)
                err = lx_file_fail(why, "write", must->path);
        if (err == LX_OK)
                err = check_copy(fd, must, why);
        if (err == LX_OK && (renameat(at, temp, at, name) != 0 || fsync(at) != 0))
                err = lx_file_fail(why, "replace", must->path);
        if (err != LX_OK && fd >= 0)
                (void)unlinkat(at, temp, 0);
        if (fd >= 0)
                (void)close(fd);
        if (at >= 0)
                (void)close(at);
        lx_buf_clear(&dir);
        return err;
}

enum lx_err
protect_restore(struct lxguard *g, const struct guard_file *must, int now, struct lx_why *why)
{
        struct lx_buf bytes = {0};
        enum lx_err err = LX_OK;

        if (must->length > 0)
                err = feed_blob(g, "content", &must->root, &bytes, why);
        if (err == LX_OK && bytes.len > must->length)
                bytes.len = (size_t)must->length; /* zeros that the tree does not tell apart: checked below */
        if (err == LX_OK)
                err = replace(must, now, lx_buf_span(&bytes), why);
        lx_buf_clear(&bytes);
        return err;
}
