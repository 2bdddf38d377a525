/*
 * merkle/cache_int.h - decoded pages kept between batches, within a number of bytes.
 *
 * A page is kept packed: its taken slots with the hashes of its leaves, which are dear to compute
 * again; so a page of three leaves takes a fifth of struct page. Set-associative by path: of one path
 * only one version is kept, so a new version takes the place of the one it made stale. Within a set
 * the least recently used goes; when all bytes are taken, the sets give up pages in turn.
 *
 * Pages written by a batch are not seen by anybody until the batch is accepted: several batches that
 * make the same version (candidates of one height) are told apart by their number, so their pages never mix.
 */
#ifndef LX_MERKLE_CACHE_INT_H
#define LX_MERKLE_CACHE_INT_H

#include "merkle/page_int.h"

struct cache;

/** A cache of about @bytes; NULL for 0. */
struct cache *merkle_cache_new(size_t bytes);
/** Free it; NULL is fine. */
void merkle_cache_free(struct cache *cache);
/** Whether the page is there, and the page. */
bool merkle_cache_get(
    struct cache *cache, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct page *out_page);
/** Keep a copy: as read from the store (@batch 0), or written by @batch. */
void merkle_cache_put(struct cache *cache, const uint8_t key[MERKLE_PAGE_KEY_LEN],
    const struct page *page, uint64_t batch);
/** The pages of @batch are in the store now: let them be seen; or (@accept false) drop them. */
void merkle_cache_settle(struct cache *cache, uint64_t batch, bool accept);

#endif
