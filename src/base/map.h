/*
 * base/map.h - a hash table from byte strings to pointers.
 *
 * Keys are copied, values are the caller's. Seeded per table (handed in), so that a stranger
 * can't choose colliding keys. The caller sets the limit by looking at lx_map_count.
 */
#ifndef LX_BASE_MAP_H
#define LX_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lx_map;

/** An empty table. @seed: random in programs, fixed in simulations. */
struct lx_map *lx_map_new(uint64_t seed);
/** Free the table, not the values; NULL is fine. */
void lx_map_free(struct lx_map *map);
/** The value under @key, or NULL. */
void *lx_map_get(const struct lx_map *map, const void *key, size_t key_len);
/** Put @value (not NULL) under @key; returns the value that was there, or NULL. */
void *lx_map_put(struct lx_map *map, const void *key, size_t key_len, void *value);
/** Remove @key; returns its value, or NULL. */
void *lx_map_remove(struct lx_map *map, const void *key, size_t key_len);
/** How many keys there are. */
size_t lx_map_count(const struct lx_map *map);
/** Walk: *@pos starts at 0; false at the end. No changes while walking. */
bool lx_map_next(const struct lx_map *map, size_t *pos, const void **out_key, size_t *out_key_len,
    void **out_value);

#endif
