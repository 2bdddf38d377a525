/* ledger/journal_dir.c - the journal's storage in a directory. */
#include "config.h"
#include "ledger/journal.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 4
#define FILE_BYTES_MAX (1u << 30)

struct open_file {
        char name[16];
        int fd;
};

struct directory {
        char *path;
        struct open_file file[FILES_MAX];
        size_t count;
};

static char *
path_of(const struct directory *dir, const char *name)
{
        struct lx_buf buf = {0};
        char *path;

        lx_buf_printf(&buf, "%s/%s", dir->path, name);
        path = lx_strdup(lx_buf_str(&buf));
        lx_buf_clear(&buf);
        return path;
}

static struct open_file *
slot_of(struct directory *dir, const char *name)
{
        for (size_t i = 0; i < dir->count; i++)
                if (strcmp(dir->file[i].name, name) == 0)
                        return &dir->file[i];
        if (dir->count == FILES_MAX)
                return NULL;
        dir->file[dir->count].fd = -1;
        (void)strncpy(dir->file[dir->count].name, name, sizeof(dir->file[0].name) - 1);
        return &dir->file[dir->count++];
}

/* The descriptor of @name, kept open; -1 with errno. */
static int
find_file(struct directory *dir, const char *name)
{
        struct open_file *file = slot_of(dir, name);
        char *path;

        if (file == NULL) {
                errno = EMFILE;
                return -1;
        }
        if (file->fd < 0) {
                path = path_of(dir, name);
                file->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
                lx_free(path);
        }
        return file->fd;
}

static enum lx_err
dir_read(void *arg, const char *name, struct lx_buf *out)
{
        char *path = path_of(arg, name);
        enum lx_err err = lx_file_read(path, FILE_BYTES_MAX, out, NULL);

        lx_free(path);
        return err;
}

static enum lx_err
dir_read_at(void *arg, const char *name, uint64_t offset, void *out, size_t len, size_t *out_len)
{
        int fd = find_file(arg, name);
        size_t got = 0;

        if (fd < 0)
                return errno == ENOENT ? LX_ERR_ABSENT : lx_err_from_errno(errno);
        while (got < len) {
                ssize_t n = pread(fd, (uint8_t *)out + got, len - got, (off_t)(offset + got));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return lx_err_from_errno(errno);
                if (n == 0)
                        break;
                got += (size_t)n;
        }
        *out_len = got;
        return LX_OK;
}

static enum lx_err
dir_write(void *arg, const char *name, uint64_t offset, const void *bytes, size_t len)
{
        int fd = find_file(arg, name);
        const uint8_t *p = bytes;

        if (fd < 0)
                return lx_err_from_errno(errno);
        while (len > 0) {
                ssize_t n = pwrite(fd, p, len, (off_t)offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return lx_err_from_errno(n < 0 ? errno : EIO);
                p += n;
                offset += (uint64_t)n;
                len -= (size_t)n;
        }
        return LX_OK;
}

static enum lx_err
dir_sync(void *arg, const char *name)
{
        int fd = find_file(arg, name);

        return fd >= 0 && fdatasync(fd) == 0 ? LX_OK : lx_err_from_errno(errno);
}

static enum lx_err
dir_cut(void *arg, const char *name, uint64_t len)
{
        int fd = find_file(arg, name);

        return fd >= 0 && ftruncate(fd, (off_t)len) == 0 && fsync(fd) == 0
            ? LX_OK
            : lx_err_from_errno(errno);
}

static enum lx_err
dir_replace(void *arg, const char *name, const void *bytes, size_t len)
{
        struct open_file *file = slot_of(arg, name);
        char *path = path_of(arg, name);
        enum lx_err err = lx_file_write(path, bytes, len, 0600, NULL);

        lx_free(path);
        if (file != NULL && file->fd >= 0) {
                (void)close(file->fd);
                file->fd = -1;
        }
        return err;
}

enum lx_err
ledger_storage_dir_open(const char *path, struct ledger_storage *out, struct lx_why *why)
{
        struct directory *dir;
        enum lx_err err = lx_file_mkdirs(path, 0700, why);

        if (err != LX_OK)
                return err;
        dir = lx_alloc(sizeof(*dir));
        dir->path = lx_strdup(path);
        *out = (struct ledger_storage){.read = dir_read,
            .read_at = dir_read_at,
            .write = dir_write,
            .sync = dir_sync,
            .cut = dir_cut,
            .replace = dir_replace,
            .arg = dir};
        return LX_OK;
}

void
ledger_storage_dir_close(struct ledger_storage *storage)
{
        struct directory *dir = storage->arg;

        if (dir == NULL)
                return;
        for (size_t i = 0; i < dir->count; i++)
                if (dir->file[i].fd >= 0)
                        (void)close(dir->file[i].fd);
        lx_free(dir->path);
        lx_free(dir);
        storage->arg = NULL;
}
