/* merkle/cache.c - see merkle/cache_int.h. */
#include "config.h"
#include "merkle/cache_int.h"

#include "base/mem.h"
#include "base/wire.h"

#include <string.h>

#define WAYS 4u

struct line {
        uint64_t used; /* 0: free */
        uint8_t key[MERKLE_PAGE_KEY_LEN];
        struct page page;
};

struct cache {
        size_t set_count;
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
                if (set[i].used != 0 &&
                    memcmp(set[i].key, key, MERKLE_PAGE_KEY_LEN) == 0) { /* public */
                        set[i].used = ++cache->clock;
                        return &set[i].page;
                }
        return NULL;
}

void
merkle_cache_put(
    struct cache *cache, const uint8_t key[MERKLE_PAGE_KEY_LEN], const struct page *page)
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
        memcpy(line->key, key, MERKLE_PAGE_KEY_LEN);
        line->page = *page;
}

void
merkle_cache_forget_after(struct cache *cache, uint64_t version)
{
        if (cache == NULL)
                return;
        for (size_t i = 0; i < cache->set_count * WAYS; i++)
                if (cache->lines[i].used != 0 && lx_get_be64(cache->lines[i].key) > version)
                        cache->lines[i].used = 0;
}
