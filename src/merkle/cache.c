/* merkle/cache.c - see merkle/cache_int.h. */
#include "config.h"
#include "merkle/cache_int.h"

#include "base/mem.h"
#include "base/wire.h"

#include <string.h>

#define WAYS 4u

struct line {
        uint64_t used;  /* 0: free */
        uint64_t batch; /* 0: seen by everybody */
        uint8_t key[MERKLE_PAGE_KEY_LEN];
        struct page page;
};

/* Which lines a batch wrote that is neither accepted nor dropped. */
struct open_batch {
        struct open_batch *next;
        uint64_t number;
        size_t *line;
        size_t count, cap;
};

struct cache {
        size_t set_count;
        struct open_batch *open;
        uint64_t clock;
        struct line *lines; /* [set_count * WAYS] */
};

struct cache *
merkle_cache_new(size_t bytes)
{
        struct cache *cache;

        if (bytes == 0)
                return NULL;
        cache = lx_alloc(sizeof(*cache));
        cache->set_count = bytes / (WAYS * sizeof(struct line)) + 1;
        /* calloc'ed, so lines that were never used cost no memory. */
        cache->lines = lx_alloc_array(cache->set_count * WAYS, sizeof(struct line));
        return cache;
}

void
merkle_cache_free(struct cache *cache)
{
        if (cache == NULL)
                return;
        while (cache->open != NULL)
                merkle_cache_settle(cache, cache->open->number, false);
        lx_free(cache->lines);
        lx_free(cache);
}

/* Paths are prefixes of hashes: their bytes spread well, the depth is mixed in. */
static struct line *
find_set(const struct cache *cache, const uint8_t *key)
{
        uint64_t h = (lx_get_be64(key + 41) ^ lx_get_be64(key + 49) ^ lx_get_be64(key + 8)) *
                         0x9e3779b97f4a7c15ull +
                     key[40] * 0xd6e8feb86659fd93ull;

        h ^= h >> 32;
        return &cache->lines[(size_t)(h % cache->set_count) * WAYS];
}

const struct page *
merkle_cache_get(struct cache *cache, const uint8_t key[MERKLE_PAGE_KEY_LEN])
{
        struct line *set;

        if (cache == NULL)
                return NULL;
        set = find_set(cache, key);
        for (unsigned i = 0; i < WAYS; i++)
                if (set[i].used != 0 && set[i].batch == 0 &&
                    memcmp(set[i].key, key, MERKLE_PAGE_KEY_LEN) == 0) { /* public */
                        set[i].used = ++cache->clock;
                        return &set[i].page;
                }
        return NULL;
}

static void
remember_line(struct cache *cache, uint64_t number, size_t line)
{
        struct open_batch *batch = cache->open;

        while (batch != NULL && batch->number != number)
                batch = batch->next;
        if (batch == NULL) {
                batch = lx_alloc(sizeof(*batch));
                batch->number = number;
                batch->next = cache->open;
                cache->open = batch;
        }
        if (batch->count == batch->cap) {
                batch->cap = batch->cap == 0 ? 64 : 2 * batch->cap;
                batch->line = lx_realloc(batch->line, batch->cap * sizeof(*batch->line));
        }
        batch->line[batch->count++] = line;
}

void
merkle_cache_put(struct cache *cache, const uint8_t key[MERKLE_PAGE_KEY_LEN],
    const struct page *page, uint64_t batch)
{
        struct line *set, *line;

        if (cache == NULL)
                return;
        set = find_set(cache, key);
        line = set;
        for (unsigned i = 0; i < WAYS; i++) {
                if (set[i].used < line->used)
                        line = &set[i];
                if (set[i].used != 0 &&
                    memcmp(set[i].key + 8, key + 8, MERKLE_PAGE_KEY_LEN - 8) == 0) { /* public */
                        line = &set[i];
                        break;
                }
        }
        line->used = ++cache->clock;
        line->batch = batch;
        memcpy(line->key, key, MERKLE_PAGE_KEY_LEN);
        line->page = *page;
        if (batch != 0)
                remember_line(cache, batch, (size_t)(line - cache->lines));
}

void
merkle_cache_settle(struct cache *cache, uint64_t number, bool accept)
{
        struct open_batch **at, *batch;

        if (cache == NULL)
                return;
        for (at = &cache->open; *at != NULL && (*at)->number != number; at = &(*at)->next)
                continue;
        batch = *at;
        if (batch == NULL)
                return;
        for (size_t i = 0; i < batch->count; i++) {
                struct line *line = &cache->lines[batch->line[i]];

                if (line->batch != number)
                        continue;
                if (accept)
                        line->batch = 0;
                else
                        line->used = 0;
        }
        *at = batch->next;
        lx_free(batch->line);
        lx_free(batch);
}
