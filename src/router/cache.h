/*
 * router/cache.h - the map-cache: longest-prefix match over EID prefixes of many instances.
 *
 * A path-compressed trie of six bits a step: a node has one bit for each of the 63 prefixes that may
 * end in it and one for each of 64 children; a prefix alone below a child is hung there directly.
 * Descending checks nothing; what was passed is compared with the address at the end, longest first.
 * An entry is 32 bytes; nodes and slots add 10 to 20 a prefix. Memory is reserved for the limit and
 * touched as it fills.
 *
 * Values are the caller's numbers (places of mappings). At the limit the entry that was not used
 * for longest (clock) goes; every value that leaves is reported. Time is in seconds of the caller's
 * clock. Threads: one at a time.
 */
#ifndef LX_ROUTER_CACHE_H
#define LX_ROUTER_CACHE_H

#include "router/lisp.h"

#define ROUTER_CACHE_TABLES_MAX 4096 /* (instance, family) pairs */
#define ROUTER_CACHE_BATCH 32        /* addresses of one batch */
#define ROUTER_CACHE_NONE UINT32_MAX
#define ROUTER_CACHE_NEVER UINT32_MAX /* an expiry */

struct router_cache;

struct router_cache_options {
        uint32_t entries_max;
        void (*gone)(void *arg, uint32_t value); /* a value left; may be NULL */
        void *arg;
};

/** An empty cache. Ends the program when memory is out. */
struct router_cache *router_cache_new(const struct router_cache_options *options);
/** Free it; values are not reported. NULL is fine. */
void router_cache_free(struct router_cache *cache);

/**
 * Put @value under @eid until @expires_s, in place of what is there. LX_ERR_LIMIT: too many
 * instances, or everything is in use and nothing could be evicted.
 */
LX_MUST_CHECK enum lx_err router_cache_put(struct router_cache *cache, const struct router_eid *eid,
    uint32_t value, uint32_t expires_s);
/** Remove exactly @eid; false: it is not there. */
bool router_cache_remove(struct router_cache *cache, const struct router_eid *eid);
/** The value exactly at @eid, or ROUTER_CACHE_NONE; expired ones count. */
uint32_t router_cache_get(const struct router_cache *cache, const struct router_eid *eid);
/** The value of the longest prefix of @addr that has not expired, or ROUTER_CACHE_NONE. */
uint32_t router_cache_find(
    struct router_cache *cache, uint32_t iid, const struct router_addr *addr, uint32_t now_s);
/** The same for @count (at most ROUTER_CACHE_BATCH) addresses of one instance and family. */
void router_cache_find_batch(struct router_cache *cache, uint32_t iid, uint8_t family,
    const uint8_t (*addrs)[16], size_t count, uint32_t now_s, uint32_t *out_values);
/** Remove what expired, looking at up to @budget entries; call it again and again. */
void router_cache_sweep(struct router_cache *cache, uint32_t now_s, uint32_t budget);
/** Walk: *pos starts at 0; false at the end. Removing the one at hand is fine. */
bool router_cache_next(const struct router_cache *cache, uint32_t *pos, struct router_eid *out_eid,
    uint32_t *out_value, uint32_t *out_expires_s);
/** How many prefixes there are. */
uint32_t router_cache_count(const struct router_cache *cache);
/** Bytes in use by them: entries, nodes, slots. */
size_t router_cache_bytes(const struct router_cache *cache);
/** For tests: whether every link and count agrees. */
bool router_cache_check(const struct router_cache *cache);

#endif
