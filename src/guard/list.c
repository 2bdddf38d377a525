/* guard/list.c - see guard/list.h. */
#include "config.h"
#include "guard/list.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "merkle/file.h"

#include <stdlib.h>
#include <string.h>

#define RELEASES_MAX 65535u
#define ARENA_BLOCK (64u << 10)

struct guard_list {
        struct guard_entry *v;
        size_t count, cap;
        struct guard_release *release;
        size_t release_count, release_cap;
        struct lx_arena *paths;
        size_t path_bytes;
        bool sealed;
};

struct guard_list *
guard_list_new(void)
{
        struct guard_list *list = lx_alloc(sizeof(*list));

        list->paths = lx_arena_new(ARENA_BLOCK);
        return list;
}

void
guard_list_free(struct guard_list *list)
{
        if (list == NULL)
                return;
        lx_arena_free(list->paths);
        lx_free(list->release);
        lx_free(list->v);
        lx_free(list);
}

struct adding {
        struct guard_list *list;
        const struct lx_hash *revoked;
        size_t revoked_count;
        uint64_t seen_ms, leaves_at;
};

static int
compare_hashes(const void *a, const void *b)
{
        return lx_hash_cmp(a, b);
}

static bool
is_revoked(const struct adding *a, const struct lx_hash *digest)
{
        return a->revoked_count > 0 &&
            bsearch(digest, a->revoked, a->revoked_count, sizeof(*a->revoked), compare_hashes) != NULL;
}

static bool
add_entry(void *arg, uint32_t number, const struct sigchain_entry *entry, struct lx_span raw)
{
        struct adding *a = arg;
        struct guard_list *list = a->list;
        struct guard_entry *e;
        char *path;

        (void)number;
        (void)raw;
        if (list->count == GUARD_ENTRIES_MAX || a->leaves_at > UINT32_MAX)
                return false;
        if (list->count == list->cap) {
                list->cap = list->cap == 0 ? 256 : list->cap * 3 / 2;
                list->v = lx_realloc(list->v, list->cap * sizeof(*list->v));
        }
        path = lx_arena_alloc(list->paths, entry->path.len + 2);
        path[0] = '/';
        memcpy(path + 1, entry->path.p, entry->path.len);
        list->path_bytes += entry->path.len + 2;
        e = &list->v[list->count++];
        *e = (struct guard_entry){.root = entry->root,
            .size = entry->size,
            .seen_ms = a->seen_ms,
            .path = path,
            .leaves_at = (uint32_t)a->leaves_at,
            .release = (uint16_t)(list->release_count - 1),
            .revoked = is_revoked(a, &entry->root) || is_revoked(a, &entry->sha256) ||
                is_revoked(a, &entry->fsverity)};
        a->leaves_at += merkle_file_pages(entry->size);
        return true;
}

enum lx_err
guard_list_add(struct guard_list *list, const struct guard_release *release, struct lx_span manifest,
    uint64_t seen_ms, const struct lx_hash *revoked, size_t revoked_count)
{
        struct adding a = {
            .list = list, .revoked = revoked, .revoked_count = revoked_count, .seen_ms = seen_ms};
        struct lx_hash root;
        uint32_t count;
        enum lx_err err;

        if (list->release_count == RELEASES_MAX)
                return LX_ERR_LIMIT;
        if (list->release_count == list->release_cap) {
                list->release_cap = list->release_cap == 0 ? 8 : list->release_cap * 2;
                list->release = lx_realloc(list->release, list->release_cap * sizeof(*list->release));
        }
        list->release[list->release_count++] = *release;
        err = sigchain_manifest_read(&lx_crypto_ops()->hash, manifest, add_entry, &a, &root, &count);
        return err == LX_ERR_STOPPED ? LX_ERR_LIMIT : err;
}

static int
compare_entries(const void *a, const void *b)
{
        const struct guard_entry *x = a, *y = b;
        int order = lx_hash_cmp(&x->root, &y->root);

        return order != 0 ? order : (x->release > y->release) - (x->release < y->release);
}

void
guard_list_seal(struct guard_list *list)
{
        if (list->count > 0) {
                qsort(list->v, list->count, sizeof(*list->v), compare_entries);
                list->v = lx_realloc(list->v, list->count * sizeof(*list->v));
                list->cap = list->count;
        }
        list->sealed = true;
}

size_t
guard_list_count(const struct guard_list *list)
{
        return list->count;
}

const struct guard_entry *
guard_list_entry(const struct guard_list *list, size_t i)
{
        return &list->v[i];
}

const struct guard_release *
guard_list_release(const struct guard_list *list, const struct guard_entry *entry)
{
        return &list->release[entry->release];
}

const struct guard_entry *
guard_list_find(const struct guard_list *list, const struct lx_hash *root, size_t *out_count)
{
        size_t low = 0, high = list->sealed ? list->count : 0, end;

        while (low < high) {
                size_t mid = low + (high - low) / 2;

                if (lx_hash_cmp(&list->v[mid].root, root) < 0)
                        low = mid + 1;
                else
                        high = mid;
        }
        for (end = low; list->sealed && end < list->count && lx_hash_eq(&list->v[end].root, root);)
                end++;
        *out_count = end - low;
        return end > low ? &list->v[low] : NULL;
}

const struct guard_entry *
guard_list_find_path(const struct guard_list *list, const char *path)
{
        const struct guard_entry *best = NULL;

        for (size_t i = 0; i < list->count; i++)
                if (!list->v[i].revoked && strcmp(list->v[i].path, path) == 0 &&
                    (best == NULL || list->v[i].release > best->release))
                        best = &list->v[i];
        return best;
}

size_t
guard_list_bytes(const struct guard_list *list)
{
        return list->cap * sizeof(*list->v) + list->release_cap * sizeof(*list->release) + list->path_bytes;
}
