/*
 * base/map.c - see base/map.h.
 *
 * Open addressing with linear probing; removal shifts the followers back, so there are no
 * tombstones. The hash is keyed with the seed and mixes 8 bytes a step by 128-bit multiplication.
 */
#include "config.h"
#include "base/map.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

#define FIRST_SLOTS 16u

struct slot {
        uint64_t hash;
        void *value; /* NULL: free */
        uint8_t *key;
        size_t key_len;
};

struct lx_map {
        struct slot *slots;
        size_t slot_count; /* a power of two */
        size_t count;
        uint64_t seed;
};

static uint64_t
mix(uint64_t a, uint64_t b)
{
        __extension__ unsigned __int128 product = (unsigned __int128)a * b;

        return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t
hash_key(uint64_t seed, const uint8_t *key, size_t len)
{
        uint64_t h = mix(seed ^ 0x9e3779b97f4a7c15ull, len ^ 0xd6e8feb86659fd93ull);

        while (len > 0) {
                size_t n = len < 8 ? len : 8;
                uint64_t word = 0;

                memcpy(&word, key, n);
                h = mix(h ^ word ^ 0xa0761d6478bd642full, seed | 0xe7037ed1a0b428dbull);
                key += n;
                len -= n;
        }
        return mix(h, 0x8ebc6af09c88c6e3ull ^ seed);
}

struct lx_map *
lx_map_new(uint64_t seed)
{
        struct lx_map *map = lx_alloc(sizeof(*map));

        map->seed = seed;
        map->slot_count = FIRST_SLOTS;
        map->slots = lx_alloc_array(FIRST_SLOTS, sizeof(struct slot));
        return map;
}

void
lx_map_free(struct lx_map *map)
{
        if (map == NULL)
                return;
        for (size_t i = 0; i < map->slot_count; i++)
                lx_free(map->slots[i].key);
        lx_free(map->slots);
        lx_free(map);
}

/* The slot with @key, or the free one where it belongs. */
static struct slot *
find_slot(const struct lx_map *map, uint64_t hash, const void *key, size_t key_len)
{
        size_t mask = map->slot_count - 1;

        for (size_t i = hash & mask;; i = (i + 1) & mask) {
                struct slot *slot = &map->slots[i];

                if (slot->value == NULL)
                        return slot;
                if (slot->hash == hash && slot->key_len == key_len &&
                    memcmp(slot->key, key, key_len) == 0) /* public */
                        return slot;
        }
}

static void
grow(struct lx_map *map)
{
        struct slot *old = map->slots;
        size_t old_count = map->slot_count;

        map->slot_count *= 2;
        map->slots = lx_alloc_array(map->slot_count, sizeof(struct slot));
        for (size_t i = 0; i < old_count; i++)
                if (old[i].value != NULL)
                        *find_slot(map, old[i].hash, old[i].key, old[i].key_len) = old[i];
        lx_free(old);
}

void *
lx_map_get(const struct lx_map *map, const void *key, size_t key_len)
{
        return find_slot(map, hash_key(map->seed, key, key_len), key, key_len)->value;
}

void *
lx_map_put(struct lx_map *map, const void *key, size_t key_len, void *value)
{
        uint64_t hash = hash_key(map->seed, key, key_len);
        struct slot *slot;
        void *before;

        lx_assert(value != NULL);
        if (map->count >= map->slot_count / 4 * 3)
                grow(map);
        slot = find_slot(map, hash, key, key_len);
        before = slot->value;
        slot->value = value;
        if (before == NULL) {
                slot->hash = hash;
                slot->key = lx_memdup(key, key_len);
                slot->key_len = key_len;
                map->count++;
        }
        return before;
}

/* Close the gap at @gap: followers that would not be found any more move into it. */
static void
close_gap(struct lx_map *map, size_t gap)
{
        size_t mask = map->slot_count - 1;

        for (size_t i = (gap + 1) & mask; map->slots[i].value != NULL; i = (i + 1) & mask) {
                size_t home = map->slots[i].hash & mask;

                if (((i - home) & mask) < ((i - gap) & mask))
                        continue;
                map->slots[gap] = map->slots[i];
                gap = i;
        }
        map->slots[gap] = (struct slot){0};
}

void *
lx_map_remove(struct lx_map *map, const void *key, size_t key_len)
{
        struct slot *slot = find_slot(map, hash_key(map->seed, key, key_len), key, key_len);
        void *value = slot->value;

        if (value == NULL)
                return NULL;
        lx_free(slot->key);
        close_gap(map, (size_t)(slot - map->slots));
        map->count--;
        return value;
}

size_t
lx_map_count(const struct lx_map *map)
{
        return map->count;
}

bool
lx_map_next(const struct lx_map *map, size_t *pos, const void **out_key, size_t *out_key_len,
    void **out_value)
{
        while (*pos < map->slot_count) {
                const struct slot *slot = &map->slots[(*pos)++];

                if (slot->value == NULL)
                        continue;
                *out_key = slot->key;
                *out_key_len = slot->key_len;
                *out_value = slot->value;
                return true;
        }
        return false;
}
