/* lx/files.c - walking, hashing in parallel, naming what is bad. */
#include "config.h"
#include "lx/files.h"

#include "base/mem.h"
#include "merkle/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANGES_MAX 16
#define PAGE 4096ull

static void
add(struct lx_files *files, const char *path, uint64_t size)
{
        if (files->count == files->cap) {
                files->cap = files->cap == 0 ? 64 : 2 * files->cap;
                files->v = lx_realloc(files->v, files->cap * sizeof(*files->v));
        }
        files->v[files->count++] = (struct lx_file){.path = lx_strdup(path)};
        files->bytes += size;
}

static bool
is_elf(const char *path)
{
        char magic[4] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        bool elf = fd >= 0 && read(fd, magic, 4) == 4 && memcmp(magic, "\177ELF", 4) == 0; /* public */

        if (fd >= 0)
                (void)close(fd);
        return elf;
}

static int
walk(struct lx *lx, struct lx_files *files, const char *dir, bool programs)
{
        DIR *d = opendir(dir);
        struct dirent *entry;
        char path[PATH_MAX];
        struct stat st;
        int status = LX_EXIT_TRUE;

        if (d == NULL)
                return lx_fail(lx, LX_EXIT_IO, "cannot read the directory %s: %s", dir, strerror(errno));
        while (status == LX_EXIT_TRUE && (entry = readdir(d)) != NULL) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                    (size_t)snprintf(path, sizeof(path), "%s/%s", strcmp(dir, "/") == 0 ? "" : dir,
                        entry->d_name) >= sizeof(path) ||
                    lstat(path, &st) != 0)
                        continue;
                if (S_ISDIR(st.st_mode))
                        status = walk(lx, files, path, programs);
                else if (S_ISREG(st.st_mode) && (!programs || (st.st_mode & 0111) != 0 || is_elf(path)))
                        add(files, path, (uint64_t)st.st_size);
        }
        (void)closedir(d);
        return status;
}

int
lx_files_add(struct lx *lx, struct lx_files *files, const char *path, bool programs)
{
        char real[PATH_MAX];
        struct stat st;

        if (realpath(path, real) == NULL || stat(real, &st) != 0)
                return lx_fail(lx, errno == ENOENT || errno == ELOOP ? LX_EXIT_USAGE : LX_EXIT_IO,
                    "cannot read %s: %s", path, strerror(errno));
        if (S_ISDIR(st.st_mode))
                return walk(lx, files, real, programs);
        if (!S_ISREG(st.st_mode))
                return lx_fail(lx, LX_EXIT_USAGE, "%s is neither a file nor a directory", path);
        add(files, real, (uint64_t)st.st_size);
        return LX_EXIT_TRUE;
}

static int
by_path(const void *a, const void *b)
{
        return strcmp(((const struct lx_file *)a)->path, ((const struct lx_file *)b)->path);
}

void
lx_files_sort(struct lx_files *files)
{
        size_t kept = 0;

        if (files->count == 0)
                return;
        qsort(files->v, files->count, sizeof(*files->v), by_path);
        for (size_t i = 1; i < files->count; i++)
                if (strcmp(files->v[i].path, files->v[kept].path) == 0)
                        lx_free(files->v[i].path);
                else
                        files->v[++kept] = files->v[i];
        files->count = kept + 1;
}

void
lx_files_clear(struct lx_files *files)
{
        for (size_t i = 0; i < files->count; i++) {
                lx_free(files->v[i].path);
                lx_buf_clear(&files->v[i].leaves);
        }
        lx_free(files->v);
        *files = (struct lx_files){0};
}

/* ---- hashing ----------------------------------------------------------------------------------- */

struct hashing {
        struct lx_files *files;
        unsigned what;
        bool leaves;
        struct lx_pool *inner; /* for the leaves of one large file */
        pthread_mutex_t lock;
        struct lx_progress progress;
};

static void
progressed(void *arg, uint64_t bytes)
{
        struct hashing *h = arg;

        if (!h->progress.on)
                return;
        pthread_mutex_lock(&h->lock);
        lx_progress_add(&h->progress, bytes);
        pthread_mutex_unlock(&h->lock);
}

static void
hash_one(void *arg, size_t i)
{
        struct hashing *h = arg;
        struct lx_file *f = &h->files->v[i];

        f->err = digest_file(f->path, h->what, h->inner, progressed, h, &f->digest,
            h->leaves ? &f->leaves : NULL, &f->why);
}

void
lx_files_hash(struct lx_files *files, unsigned what, bool leaves, const char *title)
{
        struct lx_pool *pool = lx_pool_new(0, NULL, NULL);
        struct hashing h = {.files = files, .what = what, .leaves = leaves};

        pthread_mutex_init(&h.lock, NULL);
        lx_progress_begin(&h.progress, title, files->bytes);
        /* Few files: the cores share each; many: each core takes its own. */
        if (files->count <= lx_pool_threads(pool)) {
                h.inner = pool;
                for (size_t i = 0; i < files->count; i++)
                        hash_one(&h, i);
        } else {
                lx_pool_for(pool, files->count, hash_one, &h);
        }
        lx_progress_end(&h.progress);
        pthread_mutex_destroy(&h.lock);
        lx_pool_free(pool);
}

/* ---- what is bad ------------------------------------------------------------------------------- */

json_t *
lx_ranges(const struct lx_file *file, const struct lx_buf *must, uint64_t must_size, bool print)
{
        struct merkle_run runs[RANGES_MAX];
        size_t count = 0, shown = merkle_file_compare(lx_buf_span(&file->leaves), lx_buf_span(must), runs,
            RANGES_MAX, &count);
        json_t *list = json_array();
        uint64_t size = file->digest.size;

        if (print && size != must_size)
                printf("  size %llu, published with %llu bytes\n", (unsigned long long)size,
                    (unsigned long long)must_size);
        for (size_t i = 0; i < shown; i++) {
                uint64_t from = runs[i].first * PAGE, to = (runs[i].first + runs[i].count) * PAGE;

                if (to > size && to > must_size)
                        to = size > must_size ? size : must_size;
                if (print)
                        printf("  bad bytes %llu-%llu (%llu page%s)\n", (unsigned long long)from,
                            (unsigned long long)to - 1, (unsigned long long)runs[i].count,
                            runs[i].count == 1 ? "" : "s");
                json_array_append_new(list, json_pack("{s:I,s:I}", "offset", (json_int_t)from, "length",
                    (json_int_t)(to - from)));
        }
        if (print && count > shown)
                printf("  and %zu more ranges\n", count - shown);
        return list;
}
