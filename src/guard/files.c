/* guard/files.c - see guard/files.h. */
#include "config.h"
#include "guard/files.h"

#include "base/map.h"
#include "base/mem.h"
#include "merkle/file.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK (64u << 10)
#define RUNS_SHOWN 8

struct item {
        struct guard_file file;
        size_t number; /* in the order of creation; later ones count */
        bool gone;
};

struct guard_files {
        struct item *v;
        size_t count, cap;
        struct lx_map *by_address; /* -> number + 1, as a pointer; NULL once sealed */
        struct lx_arena *paths;
};

struct guard_files *
guard_files_new(void)
{
        struct guard_files *files = lx_alloc(sizeof(*files));

        files->paths = lx_arena_new(ARENA_BLOCK);
        files->by_address = lx_map_new(7);
        return files;
}

void
guard_files_free(struct guard_files *files)
{
        if (files == NULL)
                return;
        lx_map_free(files->by_address);
        lx_arena_free(files->paths);
        lx_free(files->v);
        lx_free(files);
}

bool
guard_files_create(struct guard_files *files, const struct lx_hash *address, const char *path,
    const struct lx_hash *root, uint64_t length)
{
        size_t len = strlen(path) + 1;
        char *copy;

        if (files->count == GUARD_FILES_MAX)
                return false;
        if (files->count == files->cap) {
                files->cap = files->cap == 0 ? 64 : files->cap * 3 / 2;
                files->v = lx_realloc(files->v, files->cap * sizeof(*files->v));
        }
        copy = lx_arena_alloc(files->paths, len);
        memcpy(copy, path, len);
        files->v[files->count] = (struct item){
            .file = {.address = *address, .root = *root, .length = length, .path = copy}, .number = files->count};
        files->count++;
        (void)lx_map_put(files->by_address, address->b, LX_HASH_LEN, (void *)(uintptr_t)files->count);
        return true;
}

static struct item *
find_address(struct guard_files *files, const struct lx_hash *address)
{
        size_t number = (size_t)(uintptr_t)lx_map_get(files->by_address, address->b, LX_HASH_LEN);

        return number > 0 ? &files->v[number - 1] : NULL;
}

void
guard_files_write(
    struct guard_files *files, const struct lx_hash *address, const struct lx_hash *root, const uint64_t *length)
{
        struct item *item = find_address(files, address);

        if (item != NULL && root != NULL)
                item->file.root = *root;
        if (item != NULL && length != NULL)
                item->file.length = *length;
}

void
guard_files_offer(struct guard_files *files, const struct lx_hash *address, bool gone)
{
        struct item *item = find_address(files, address);

        if (item != NULL)
                item->gone = gone;
}

static int
by_path(const void *a, const void *b)
{
        const struct item *x = a, *y = b;
        int order = strcmp(x->file.path, y->file.path);

        return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

void
guard_files_seal(struct guard_files *files)
{
        size_t kept = 0;

        lx_map_free(files->by_address);
        files->by_address = NULL;
        for (size_t i = 0; i < files->count; i++)
                if (!files->v[i].gone)
                        files->v[kept++] = files->v[i];
        files->count = kept;
        if (kept == 0)
                return;
        qsort(files->v, kept, sizeof(*files->v), by_path);
        kept = 0;
        for (size_t i = 0; i < files->count; i++) {
                if (kept > 0 && strcmp(files->v[kept - 1].file.path, files->v[i].file.path) == 0)
                        kept--;
                files->v[kept++] = files->v[i];
        }
        files->count = kept;
}

size_t
guard_files_count(const struct guard_files *files)
{
        return files->count;
}

const struct guard_file *
guard_files_at(const struct guard_files *files, size_t i)
{
        return &files->v[i].file;
}

size_t
guard_files_from(const struct guard_files *files, const char *path)
{
        size_t low = 0, high = files->count;

        while (low < high) {
                size_t mid = low + (high - low) / 2;

                if (strcmp(files->v[mid].file.path, path) < 0)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

const struct guard_file *
guard_files_find(const struct guard_files *files, const char *path)
{
        size_t i = guard_files_from(files, path);

        return i < files->count && strcmp(files->v[i].file.path, path) == 0 ? &files->v[i].file : NULL;
}

enum guard_file_state
guard_file_state(const struct guard_file *must, bool there, const struct lx_hash *root, uint64_t length)
{
        if (must == NULL)
                return there ? GUARD_FILE_NEW : GUARD_FILE_NONE;
        if (!there)
                return GUARD_FILE_MISSING;
        return must->length == length && lx_hash_eq(&must->root, root) ? GUARD_FILE_SAME : GUARD_FILE_CHANGED;
}

const char *
guard_file_state_name(enum guard_file_state state)
{
        static const char *const names[] = {"same", "changed", "new", "missing", "none"};

        return names[state];
}

void
guard_files_print_pages(struct lx_span is, struct lx_span must, struct lx_buf *out)
{
        struct merkle_run run[RUNS_SHOWN];
        size_t count, shown = merkle_file_compare(is, must, run, RUNS_SHOWN, &count);

        for (size_t i = 0; i < shown; i++) {
                lx_buf_printf(out, "%s%llu", i == 0 ? "pages " : ",", (unsigned long long)run[i].first);
                if (run[i].count > 1)
                        lx_buf_printf(out, "-%llu", (unsigned long long)(run[i].first + run[i].count - 1));
        }
        if (count > shown)
                lx_buf_printf(out, " and %zu more ranges", count - shown);
}
