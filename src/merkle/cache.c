/* merkle/cache.c - see merkle/cache_int.h. */
#include "config.h"
#include "merkle/cache_int.h"

#include "base/mem.h"
#include "base/wire.h"

#include <string.h>

#define WAYS 8u
#define TYPICAL 320u /* bytes of a packed page with its line, for the number of lines */
#define PACKED_MAX (MERKLE_PAGE_KEY_LEN + 4 + PAGE_SLOTS * 3 * LX_HASH_LEN)
#define OVERHEAD 16u /* of an allocation */

struct line {
        uint8_t *packed; /* key, u16 taken, u16 leaves, then the slots; NULL: free */
        uint32_t len;
        uint32_t tag;   /* of the path: others are passed over without a look at their key */
        uint64_t used;  /* when */
        uint64_t batch; /* 0: seen by everybody */
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
        size_t bytes, bytes_max;
        size_t hand; /* the set that gives up a page next */
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
        cache->set_count = bytes / (WAYS * TYPICAL) + 1;
        cache->bytes = cache->set_count * WAYS * sizeof(struct line);
        cache->bytes_max = bytes;
        cache->lines = lx_alloc_array(cache->set_count * WAYS, sizeof(struct line));
        return cache;
}

static void
drop(struct cache *cache, struct line *line)
{
        if (line->packed == NULL)
                return;
        cache->bytes -= line->len + OVERHEAD;
        lx_free(line->packed);
        *line = (struct line){.packed = NULL};
}

void
merkle_cache_free(struct cache *cache)
{
        if (cache == NULL)
                return;
        while (cache->open != NULL)
                merkle_cache_settle(cache, cache->open->number, false);
        for (size_t i = 0; i < cache->set_count * WAYS; i++)
                lx_free(cache->lines[i].packed);
        lx_free(cache->lines);
        lx_free(cache);
}

/* Paths are prefixes of hashes: their bytes spread well, the depth is mixed in. */
static uint64_t
hash_path(const uint8_t *key)
{
        uint64_t h = (lx_get_be64(key + 41) ^ lx_get_be64(key + 49) ^ lx_get_be64(key + 8)) *
                         0x9e3779b97f4a7c15ull +
                     key[40] * 0xd6e8feb86659fd93ull;

        h ^= h >> 32;
        return h * 0xd6e8feb86659fd93ull;
}

static struct line *
set_of(const struct cache *cache, uint64_t hash)
{
        return &cache->lines[(size_t)((hash >> 32) % cache->set_count) * WAYS];
}

/* The line of the path, whatever its version; NULL: there is none. */
static struct line *
find_line(const struct cache *cache, uint64_t hash, const uint8_t *key)
{
        struct line *set = set_of(cache, hash);

        for (unsigned i = 0; i < WAYS; i++)
                if (set[i].packed != NULL && set[i].tag == (uint32_t)hash &&
                    memcmp(set[i].packed + 8, key + 8, MERKLE_PAGE_KEY_LEN - 8) == 0) /* public */
                        return &set[i];
        return NULL;
}

/* ---- packing ----------------------------------------------------------------------------------- */

static uint8_t *
pack_hash(uint8_t *to, const struct lx_hash *hash)
{
        memcpy(to, hash->b, LX_HASH_LEN);
        return to + LX_HASH_LEN;
}

static size_t
pack(const uint8_t *key, const struct page *page, uint8_t out[PACKED_MAX])
{
        uint16_t taken = 0, leaves = 0;
        uint8_t *to = out + MERKLE_PAGE_KEY_LEN + 4;

        memcpy(out, key, MERKLE_PAGE_KEY_LEN);
        for (unsigned i = 0; i < PAGE_SLOTS; i++) {
                const struct slot *slot = &page->slot[i];

                if (slot->type == SLOT_EMPTY)
                        continue;
                taken |= (uint16_t)(1u << i);
                to = pack_hash(to, &slot->hash);
                if (slot->type == SLOT_LEAF) {
                        leaves |= (uint16_t)(1u << i);
                        to = pack_hash(to, &slot->key);
                        to = pack_hash(to, &slot->value);
                } else {
                        memcpy(to, &slot->version, sizeof(slot->version));
                        to += sizeof(slot->version);
                }
        }
        memcpy(out + MERKLE_PAGE_KEY_LEN, &taken, 2);
        memcpy(out + MERKLE_PAGE_KEY_LEN + 2, &leaves, 2);
        return (size_t)(to - out);
}

static const uint8_t *
unpack_hash(const uint8_t *from, struct lx_hash *out)
{
        memcpy(out->b, from, LX_HASH_LEN);
        return from + LX_HASH_LEN;
}

static void
unpack(const uint8_t *packed, struct page *out_page)
{
        const uint8_t *from = packed + MERKLE_PAGE_KEY_LEN + 4;
        uint16_t taken, leaves;

        memcpy(&taken, packed + MERKLE_PAGE_KEY_LEN, 2);
        memcpy(&leaves, packed + MERKLE_PAGE_KEY_LEN + 2, 2);
        for (unsigned i = 0; i < PAGE_SLOTS; i++) {
                struct slot *slot = &out_page->slot[i];

                slot->type = SLOT_EMPTY;
                if ((taken >> i & 1) == 0)
                        continue;
                from = unpack_hash(from, &slot->hash);
                if ((leaves >> i & 1) != 0) {
                        slot->type = SLOT_LEAF;
                        from = unpack_hash(from, &slot->key);
                        from = unpack_hash(from, &slot->value);
                } else {
                        slot->type = SLOT_CHILD;
                        memcpy(&slot->version, from, sizeof(slot->version));
                        from += sizeof(slot->version);
                }
        }
}

/* ---- keeping ----------------------------------------------------------------------------------- */

bool
merkle_cache_get(struct cache *cache, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct page *out_page)
{
        struct line *line = cache != NULL ? find_line(cache, hash_path(key), key) : NULL;

        if (line == NULL || line->batch != 0 || memcmp(line->packed, key, 8) != 0) /* public */
                return false;
        line->used = ++cache->clock;
        unpack(line->packed, out_page);
        return true;
}

/* Of a set; free lines are the oldest. */
static struct line *
oldest(struct line *set)
{
        struct line *line = set;

        for (unsigned i = 1; i < WAYS; i++)
                if (set[i].used < line->used)
                        line = &set[i];
        return line;
}

/* The sets give up their oldest page in turn, but for the one that was just put. */
static void
make_room(struct cache *cache)
{
        for (size_t tries = cache->set_count; cache->bytes > cache->bytes_max && tries > 0;
             tries--) {
                struct line *set = &cache->lines[cache->hand * WAYS], *victim = NULL;

                for (unsigned i = 0; i < WAYS; i++)
                        if (set[i].packed != NULL && (victim == NULL || set[i].used < victim->used))
                                victim = &set[i];
                if (victim != NULL && victim->used < cache->clock)
                        drop(cache, victim);
                cache->hand = (cache->hand + 1) % cache->set_count;
        }
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
        uint8_t packed[PACKED_MAX];
        struct line *line;
        uint64_t hash;
        size_t len;

        if (cache == NULL)
                return;
        hash = hash_path(key);
        line = find_line(cache, hash, key);
        if (line == NULL)
                line = oldest(set_of(cache, hash));
        len = pack(key, page, packed);
        if (len != line->len) {
                drop(cache, line);
                line->packed = lx_realloc(NULL, len);
                line->len = (uint32_t)len;
                cache->bytes += len + OVERHEAD;
        }
        memcpy(line->packed, packed, len);
        line->tag = (uint32_t)hash;
        line->used = ++cache->clock;
        line->batch = batch;
        if (batch != 0)
                remember_line(cache, batch, (size_t)(line - cache->lines));
        make_room(cache);
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
                        drop(cache, line);
        }
        *at = batch->next;
        lx_free(batch->line);
        lx_free(batch);
}
