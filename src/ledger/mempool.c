/* ledger/mempool.c - transactions that wait: by id, by chain, in order of arrival. */
#include "config.h"
#include "ledger/mempool.h"

#include "base/map.h"
#include "base/mem.h"

#include <string.h>

struct waiting {
        struct ledger_pending pub;          /* first: what callers see */
        struct waiting *prev, *next;        /* in order of arrival */
        struct waiting *chain_next;         /* of the same chain, by sequence */
};

struct chain {
        struct waiting *first; /* lowest sequence */
        size_t count;
};

struct ledger_mempool {
        struct lx_map *by_id;    /* id -> waiting */
        struct lx_map *by_chain; /* genesis -> chain */
        struct waiting *oldest, *newest;
        size_t bytes;
        void (*observe)(void *arg, const struct ledger_pending *pending, bool joined);
        void *arg;
};

struct ledger_mempool *
ledger_mempool_new(uint64_t seed)
{
        struct ledger_mempool *pool = lx_alloc(sizeof(*pool));

        pool->by_id = lx_map_new(seed);
        pool->by_chain = lx_map_new(seed);
        return pool;
}

void
ledger_mempool_free(struct ledger_mempool *pool)
{
        if (pool == NULL)
                return;
        while (pool->oldest != NULL)
                ledger_mempool_remove(pool, &pool->oldest->pub.id);
        lx_map_free(pool->by_id);
        lx_map_free(pool->by_chain);
        lx_free(pool);
}

static struct waiting *
find_sequence(const struct chain *chain, uint64_t sequence)
{
        for (struct waiting *w = chain != NULL ? chain->first : NULL; w != NULL; w = w->chain_next)
                if (w->pub.sequence == sequence)
                        return w;
        return NULL;
}

static void
link_in(struct ledger_mempool *pool, struct chain *chain, struct waiting *w)
{
        struct waiting **at = &chain->first;

        while (*at != NULL && (*at)->pub.sequence < w->pub.sequence)
                at = &(*at)->chain_next;
        w->chain_next = *at;
        *at = w;
        chain->count++;
        w->prev = pool->newest;
        *(pool->newest != NULL ? &pool->newest->next : &pool->oldest) = w;
        pool->newest = w;
        pool->bytes += w->pub.len;
        lx_map_put(pool->by_id, w->pub.id.b, LX_HASH_LEN, w);
}

/* Whether there is room for @len more bytes of @chain. */
static enum lx_err
check_room(const struct ledger_mempool *pool, const struct chain *chain, size_t len, struct lx_why *why)
{
        if (chain != NULL && chain->count >= LEDGER_MEMPOOL_CHAIN_MAX) {
                lx_why_set(why, "%zu transactions of this chain wait already, at most %d may",
                    chain->count, LEDGER_MEMPOOL_CHAIN_MAX);
                return LX_ERR_LIMIT;
        }
        if (lx_map_count(pool->by_id) >= LEDGER_MEMPOOL_TXS_MAX ||
            pool->bytes + len > LEDGER_MEMPOOL_BYTES_MAX) {
                lx_why_set(why, "the mempool is full (%zu transactions wait): try again later",
                    lx_map_count(pool->by_id));
                return LX_ERR_LIMIT;
        }
        return LX_OK;
}

/* One that is replaced takes those behind it along: they name it. */
static void
remove_behind(struct ledger_mempool *pool, const struct lx_hash *id)
{
        struct lx_buf ids = {0};

        (void)ledger_mempool_behind(pool, id, &ids);
        for (size_t at = 0; at < ids.len; at += LX_HASH_LEN) {
                struct lx_hash one;

                memcpy(one.b, ids.p + at, LX_HASH_LEN);
                ledger_mempool_remove(pool, &one);
        }
        lx_buf_clear(&ids);
}

enum lx_err
ledger_mempool_add(struct ledger_mempool *pool, const struct sigchain_tx *tx, const uint8_t *bytes,
    size_t len, uint64_t height, uint64_t now_ms, bool replace, struct lx_why *why)
{
        struct chain *chain = lx_map_get(pool->by_chain, tx->genesis.b, LX_HASH_LEN);
        struct waiting *same = find_sequence(chain, tx->sequence), *w;
        enum lx_err err;

        if (ledger_mempool_find(pool, &tx->id) != NULL)
                return LX_OK;
        if (tx->expiry != 0 && tx->expiry <= height) {
                lx_why_set(why, "the transaction expired at height %llu", (unsigned long long)tx->expiry);
                return LX_ERR_EXPIRED;
        }
        if (same != NULL && (!replace || same->pub.in_block)) {
                lx_why_set(why, "another transaction with sequence %llu of this chain waits already",
                    (unsigned long long)tx->sequence);
                return LX_ERR_EXISTS;
        }
        if (same != NULL) {
                remove_behind(pool, &same->pub.id);
                chain = lx_map_get(pool->by_chain, tx->genesis.b, LX_HASH_LEN);
        }
        err = check_room(pool, chain, len, why);
        if (err != LX_OK)
                return err;
        if (chain == NULL) {
                chain = lx_alloc(sizeof(*chain));
                lx_map_put(pool->by_chain, tx->genesis.b, LX_HASH_LEN, chain);
        }
        w = lx_alloc(sizeof(*w));
        w->pub = (struct ledger_pending){.id = tx->id,
            .genesis = tx->genesis,
            .sequence = tx->sequence,
            .expiry = tx->expiry,
            .fee = tx->fee,
            .next = tx->next,
            .bytes = lx_memdup(bytes, len),
            .len = len,
            .added_ms = now_ms};
        link_in(pool, chain, w);
        if (pool->observe != NULL)
                pool->observe(pool->arg, &w->pub, true);
        return LX_OK;
}

size_t
ledger_mempool_take(struct ledger_mempool *pool, struct ledger_pending **out, size_t max, size_t max_bytes)
{
        size_t count = 0, bytes = 0;

        /* Arrival order is block order; a later sequence that came first waits for its turn. */
        for (struct waiting *w = pool->oldest; w != NULL && count < max; w = w->next) {
                const struct chain *chain;

                if (w->pub.in_block)
                        continue;
                chain = lx_map_get(pool->by_chain, w->pub.genesis.b, LX_HASH_LEN);
                for (struct waiting *c = chain->first; c != NULL && count < max; c = c->chain_next) {
                        if (c->pub.in_block)
                                continue;
                        if (bytes + c->pub.len > max_bytes)
                                return count;
                        c->pub.in_block = true;
                        bytes += c->pub.len;
                        out[count++] = &c->pub;
                        if (c == w)
                                break;
                }
        }
        return count;
}

void
ledger_mempool_return(struct ledger_mempool *pool, const struct lx_hash *id)
{
        struct waiting *w = lx_map_get(pool->by_id, id->b, LX_HASH_LEN);

        if (w != NULL)
                w->pub.in_block = false;
}

void
ledger_mempool_remove(struct ledger_mempool *pool, const struct lx_hash *id)
{
        struct waiting *w = lx_map_remove(pool->by_id, id->b, LX_HASH_LEN);
        struct chain *chain;

        if (w == NULL)
                return;
        if (pool->observe != NULL)
                pool->observe(pool->arg, &w->pub, false);
        chain = lx_map_get(pool->by_chain, w->pub.genesis.b, LX_HASH_LEN);
        for (struct waiting **at = &chain->first; *at != NULL; at = &(*at)->chain_next)
                if (*at == w) {
                        *at = w->chain_next;
                        break;
                }
        if (--chain->count == 0)
                lx_free(lx_map_remove(pool->by_chain, w->pub.genesis.b, LX_HASH_LEN));
        *(w->prev != NULL ? &w->prev->next : &pool->oldest) = w->next;
        *(w->next != NULL ? &w->next->prev : &pool->newest) = w->prev;
        pool->bytes -= w->pub.len;
        lx_free(w->pub.bytes);
        lx_free(w);
}

const struct ledger_pending *
ledger_mempool_find(const struct ledger_mempool *pool, const struct lx_hash *id)
{
        const struct waiting *w = lx_map_get(pool->by_id, id->b, LX_HASH_LEN);

        return w != NULL ? &w->pub : NULL;
}

uint64_t
ledger_mempool_next_sequence(const struct ledger_mempool *pool, const struct lx_hash *genesis)
{
        const struct chain *chain = lx_map_get(pool->by_chain, genesis->b, LX_HASH_LEN);
        uint64_t next = 0;

        for (const struct waiting *w = chain != NULL ? chain->first : NULL; w != NULL; w = w->chain_next)
                next = w->pub.sequence + 1;
        return next;
}

const struct ledger_pending *
ledger_mempool_at(
    const struct ledger_mempool *pool, const struct lx_hash *genesis, uint64_t sequence)
{
        const struct waiting *w =
            find_sequence(lx_map_get(pool->by_chain, genesis->b, LX_HASH_LEN), sequence);

        return w != NULL ? &w->pub : NULL;
}

/* Last first, so that none ever stands without its predecessor. */
static bool
note_behind(const struct waiting *w, struct lx_buf *out_ids)
{
        bool taken = false;

        if (w == NULL)
                return false;
        taken = note_behind(w->chain_next, out_ids);
        lx_buf_append(out_ids, w->pub.id.b, LX_HASH_LEN);
        return taken || w->pub.in_block;
}

bool
ledger_mempool_behind(
    const struct ledger_mempool *pool, const struct lx_hash *id, struct lx_buf *out_ids)
{
        return note_behind(lx_map_get(pool->by_id, id->b, LX_HASH_LEN), out_ids);
}

static bool
is_expired(const struct waiting *w, uint64_t height, uint64_t now_ms)
{
        return !w->pub.in_block &&
            ((w->pub.expiry != 0 && w->pub.expiry <= height) ||
                now_ms >= w->pub.added_ms + LEDGER_MEMPOOL_AGE_MS);
}

size_t
ledger_mempool_expired(const struct ledger_mempool *pool, uint64_t height, uint64_t now_ms,
    struct lx_buf *out_ids)
{
        size_t before = out_ids->len;

        for (const struct waiting *w = pool->oldest; w != NULL; w = w->next)
                if (is_expired(w, height, now_ms))
                        (void)note_behind(w, out_ids);
        return (out_ids->len - before) / LX_HASH_LEN;
}

void
ledger_mempool_observe(struct ledger_mempool *pool,
    void (*observe)(void *arg, const struct ledger_pending *pending, bool joined), void *arg)
{
        pool->observe = observe;
        pool->arg = arg;
}

void
ledger_mempool_each(const struct ledger_mempool *pool,
    void (*each)(void *arg, const struct ledger_pending *pending), void *arg)
{
        for (const struct waiting *w = pool->oldest; w != NULL; w = w->next)
                each(arg, &w->pub);
}

size_t
ledger_mempool_count(const struct ledger_mempool *pool, size_t *out_bytes)
{
        if (out_bytes != NULL)
                *out_bytes = pool->bytes;
        return lx_map_count(pool->by_id);
}
