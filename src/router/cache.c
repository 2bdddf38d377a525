/* router/cache.c - the map-cache's trie; see router/cache.h. */
#include "config.h"
#include "router/cache.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>
#include <sys/mman.h>

#define INLINE static inline __attribute__((always_inline))
#define STEP 6u
#define EMPTY UINT32_MAX
#define LEAF 0x80000000u /* a slot with this bit holds the number of an entry */
#define CLASSES 15u
#define PATH_MAX_ 23u /* nodes on a path: 128 / 6, rounded up, and one */

static const uint8_t CLASS_LEN[CLASSES] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 96, 128};

/* An address as a number. */
struct key {
        uint64_t hi, lo;
};

struct entry {
        struct key key;
        uint32_t value;
        uint32_t expires_s;
        uint16_t table;
        uint8_t bits;
        uint8_t live : 1, used : 1;
        uint32_t next_free;
};

/* Slots: the values of the set bits of inner, then those of outer, in order. */
struct node {
        uint64_t inner, outer;
        uint32_t slots;
        uint8_t pos;
        uint8_t class;
};

struct table {
        uint32_t iid;
        uint8_t family;
        bool used;
        uint32_t root;
};

struct router_cache {
        struct router_cache_options options;
        struct entry *entries;
        struct node *nodes;
        uint32_t *slots;
        uint32_t entry_top, node_top, slot_top; /* first never used */
        uint32_t entry_free, node_free, slot_free[CLASSES];
        uint32_t node_max, slot_max;
        uint32_t count, node_count, slot_count, hand, sweep;
        uint32_t table_count;
        struct table tables[ROUTER_CACHE_TABLES_MAX];
        uint64_t ancestors[64]; /* bits of inner that cover six given bits */
};

/* ---- keys -------------------------------------------------------------------------------------- */

INLINE struct key
key_of(const uint8_t b[16])
{
        return (struct key){lx_get_be64(b), lx_get_be64(b + 8)};
}

INLINE unsigned
key_step(struct key key, unsigned pos)
{
        unsigned __int128 v = (unsigned __int128)key.hi << 64 | key.lo;

        return (unsigned)(v << pos >> 122);
}

static unsigned
key_common(struct key a, struct key b)
{
        if (a.hi != b.hi)
                return (unsigned)__builtin_clzll(a.hi ^ b.hi);
        return a.lo != b.lo ? 64u + (unsigned)__builtin_clzll(a.lo ^ b.lo) : 128u;
}

INLINE bool
entry_covers(const struct entry *e, struct key key)
{
        uint64_t hi = e->key.hi ^ key.hi, lo = e->key.lo ^ key.lo;

        if (e->bits <= 64)
                return e->bits == 0 || hi >> (64 - e->bits) == 0;
        return hi == 0 && (e->bits == 128 ? lo == 0 : lo >> (128 - e->bits) == 0);
}

/* The bit of inner for a prefix that ends @bits - pos behind the node's place. */
static unsigned
inner_bit(struct key key, unsigned pos, unsigned bits)
{
        unsigned len = bits - pos;

        return (1u << len) - 1 + (key_step(key, pos) >> (STEP - len));
}

/* ---- pools ------------------------------------------------------------------------------------- */

static unsigned
class_for(unsigned count)
{
        unsigned c = 0;

        while (CLASS_LEN[c] < count)
                c++;
        return c;
}

static uint32_t
take_slots(struct router_cache *cache, unsigned class)
{
        uint32_t at = cache->slot_free[class];

        if (at != EMPTY) {
                cache->slot_free[class] = cache->slots[at];
        } else {
                if (cache->slot_max - cache->slot_top < CLASS_LEN[class])
                        return EMPTY;
                at = cache->slot_top;
                cache->slot_top += CLASS_LEN[class];
        }
        cache->slot_count += CLASS_LEN[class];
        return at;
}

static void
give_slots(struct router_cache *cache, uint32_t at, unsigned class)
{
        cache->slots[at] = cache->slot_free[class];
        cache->slot_free[class] = at;
        cache->slot_count -= CLASS_LEN[class];
}

/* A node without slots. */
static uint32_t
take_node(struct router_cache *cache, unsigned pos)
{
        uint32_t at = cache->node_free;

        if (at != EMPTY)
                cache->node_free = cache->nodes[at].slots;
        else if (cache->node_top < cache->node_max)
                at = cache->node_top++;
        else
                return EMPTY;
        cache->nodes[at] = (struct node){.slots = EMPTY, .pos = (uint8_t)pos};
        cache->node_count++;
        return at;
}

static void
give_node(struct router_cache *cache, uint32_t at)
{
        if (cache->nodes[at].slots != EMPTY)
                give_slots(cache, cache->nodes[at].slots, cache->nodes[at].class);
        cache->nodes[at].slots = cache->node_free;
        cache->node_free = at;
        cache->node_count--;
}

/* ---- nodes ------------------------------------------------------------------------------------- */

INLINE unsigned
rank_below(uint64_t bits, unsigned bit)
{
        return (unsigned)__builtin_popcountll(bits & ((1ull << bit) - 1));
}

static unsigned
node_len(const struct node *n)
{
        return (unsigned)(__builtin_popcountll(n->inner) + __builtin_popcountll(n->outer));
}

INLINE unsigned
place_of(const struct node *n, bool outer, unsigned bit)
{
        return outer ? (unsigned)__builtin_popcountll(n->inner) + rank_below(n->outer, bit)
                     : rank_below(n->inner, bit);
}

static bool
add_slot(struct router_cache *cache, uint32_t at, bool outer, unsigned bit, uint32_t value)
{
        struct node *n = &cache->nodes[at];
        unsigned len = node_len(n), place = place_of(n, outer, bit), class = class_for(len + 1);
        uint32_t to = n->slots;

        if (n->slots == EMPTY || class != n->class) {
                to = take_slots(cache, class);
                if (to == EMPTY)
                        return false;
                if (n->slots != EMPTY) {
                        memcpy(cache->slots + to, cache->slots + n->slots, place * sizeof(uint32_t));
                        memcpy(cache->slots + to + place + 1, cache->slots + n->slots + place,
                            (len - place) * sizeof(uint32_t));
                        give_slots(cache, n->slots, n->class);
                }
        } else {
                memmove(cache->slots + to + place + 1, cache->slots + to + place,
                    (len - place) * sizeof(uint32_t));
        }
        cache->slots[to + place] = value;
        n->slots = to;
        n->class = (uint8_t)class;
        if (outer)
                n->outer |= 1ull << bit;
        else
                n->inner |= 1ull << bit;
        return true;
}

/* Never fails: a node keeps its class until it may shrink by a take that succeeds. */
static void
drop_slot(struct router_cache *cache, uint32_t at, bool outer, unsigned bit)
{
        struct node *n = &cache->nodes[at];
        unsigned len = node_len(n), place = place_of(n, outer, bit), class = class_for(len - 1);
        uint32_t *slots = cache->slots + n->slots;
        uint32_t to;

        memmove(slots + place, slots + place + 1, (len - place - 1) * sizeof(uint32_t));
        if (outer)
                n->outer &= ~(1ull << bit);
        else
                n->inner &= ~(1ull << bit);
        if (class == n->class)
                return;
        to = take_slots(cache, class);
        if (to == EMPTY)
                return;
        memcpy(cache->slots + to, slots, (len - 1) * sizeof(uint32_t));
        give_slots(cache, n->slots, n->class);
        n->slots = to;
        n->class = (uint8_t)class;
}

static bool
add_entry(struct router_cache *cache, uint32_t at, uint32_t number)
{
        const struct entry *e = &cache->entries[number];
        unsigned pos = cache->nodes[at].pos;

        if (e->bits < pos + STEP)
                return add_slot(cache, at, false, inner_bit(e->key, pos, e->bits), number);
        return add_slot(cache, at, true, key_step(e->key, pos), LEAF | number);
}

/* Any entry below a slot tells the bits that were skipped. */
static const struct entry *
any_below(const struct router_cache *cache, uint32_t slot)
{
        while ((slot & LEAF) == 0) {
                const struct node *n = &cache->nodes[slot];

                slot = cache->slots[n->slots];
                if (n->inner != 0)
                        return &cache->entries[slot];
        }
        return &cache->entries[slot & ~LEAF];
}

/* ---- tables ------------------------------------------------------------------------------------ */

static struct table *
find_table(const struct router_cache *cache, uint32_t iid, uint8_t family)
{
        uint32_t h = (iid * 2u + (family == 6)) * 0x9e3779b1u >> 20;

        for (;; h = (h + 1) % ROUTER_CACHE_TABLES_MAX) {
                const struct table *t = &cache->tables[h];

                if (!t->used || (t->iid == iid && t->family == family))
                        return (struct table *)t;
        }
}

static struct table *
make_table(struct router_cache *cache, uint32_t iid, uint8_t family)
{
        struct table *t = find_table(cache, iid, family);

        if (t->used)
                return t;
        if (cache->table_count >= ROUTER_CACHE_TABLES_MAX / 2)
                return NULL;
        *t = (struct table){.iid = iid, .family = family, .used = true, .root = EMPTY};
        cache->table_count++;
        return t;
}

/* Zeroed memory that is touched as it fills, in huge pages where the system has them. */
static void *
reserve(size_t count, size_t size)
{
        void *p = mmap(NULL, count * size, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p == MAP_FAILED)
                return lx_alloc_array(count, SIZE_MAX / 2); /* ends the program with its message */
        (void)madvise(p, count * size, MADV_HUGEPAGE);
        return p;
}

struct router_cache *
router_cache_new(const struct router_cache_options *options)
{
        struct router_cache *cache = lx_alloc(sizeof(*cache));
        uint32_t max = options->entries_max;

        lx_assert(max > 0 && max < 1u << 28);
        cache->options = *options;
        cache->node_max = max + 1;
        cache->slot_max = 6 * max + 1024;
        cache->entries = reserve(max, sizeof(struct entry));
        cache->nodes = reserve(cache->node_max, sizeof(struct node));
        cache->slots = reserve(cache->slot_max, sizeof(uint32_t));
        cache->entry_free = cache->node_free = EMPTY;
        for (unsigned i = 0; i < CLASSES; i++)
                cache->slot_free[i] = EMPTY;
        for (unsigned six = 0; six < 64; six++)
                for (unsigned len = 0; len < STEP; len++)
                        cache->ancestors[six] |= 1ull << ((1u << len) - 1 + (six >> (STEP - len)));
        return cache;
}

void
router_cache_free(struct router_cache *cache)
{
        if (cache == NULL)
                return;
        (void)munmap(cache->entries, cache->options.entries_max * sizeof(struct entry));
        (void)munmap(cache->nodes, cache->node_max * sizeof(struct node));
        (void)munmap(cache->slots, cache->slot_max * sizeof(uint32_t));
        lx_free(cache);
}

/* ---- looking up -------------------------------------------------------------------------------- */

/* The nodes of a descent whose inner prefixes may cover the address. */
struct walk {
        uint32_t slot;  /* where it stands */
        unsigned depth;
        uint32_t leaf;  /* EMPTY: none */
        uint32_t node[PATH_MAX_];
        uint64_t mask[PATH_MAX_];
};

/* One node further; false: the end. */
INLINE bool
walk_step(const struct router_cache *cache, struct key key, struct walk *w)
{
        const struct node *n = &cache->nodes[w->slot];
        unsigned six = key_step(key, n->pos);
        uint64_t mask = n->inner & cache->ancestors[six];

        if (mask != 0) {
                w->node[w->depth] = w->slot;
                w->mask[w->depth++] = mask;
        }
        if ((n->outer >> six & 1) == 0)
                return false;
        w->slot = cache->slots[n->slots + place_of(n, true, six)];
        if ((w->slot & LEAF) == 0)
                return true;
        w->leaf = w->slot & ~LEAF;
        return false;
}

INLINE struct entry *
try_entry(struct router_cache *cache, uint32_t number, struct key key, uint32_t now_s)
{
        struct entry *e = &cache->entries[number];

        if (e->expires_s <= now_s || !entry_covers(e, key))
                return NULL;
        if (!e->used)
                e->used = 1;
        return e;
}

INLINE uint32_t
walk_end(struct router_cache *cache, struct key key, struct walk *w, uint32_t now_s)
{
        struct entry *e = NULL;

        if (w->leaf != EMPTY)
                e = try_entry(cache, w->leaf, key, now_s);
        while (e == NULL && w->depth > 0) {
                const struct node *n = &cache->nodes[w->node[w->depth - 1]];
                uint64_t *mask = &w->mask[w->depth - 1];
                unsigned bit = 63u - (unsigned)__builtin_clzll(*mask);

                e = try_entry(cache, cache->slots[n->slots + rank_below(n->inner, bit)], key, now_s);
                *mask &= ~(1ull << bit);
                if (*mask == 0)
                        w->depth--;
        }
        return e != NULL ? e->value : ROUTER_CACHE_NONE;
}

INLINE bool
walk_start(struct walk *w, uint32_t root)
{
        w->slot = root;
        w->depth = 0;
        w->leaf = EMPTY;
        if (root == EMPTY)
                return false;
        if ((root & LEAF) == 0)
                return true;
        w->leaf = root & ~LEAF;
        return false;
}

uint32_t
router_cache_find(
    struct router_cache *cache, uint32_t iid, const struct router_addr *addr, uint32_t now_s)
{
        const struct table *t = find_table(cache, iid, addr->family);
        struct key key = key_of(addr->b);
        struct walk w;
        bool more = walk_start(&w, t->used ? t->root : EMPTY);

        while (more)
                more = walk_step(cache, key, &w);
        return walk_end(cache, key, &w, now_s);
}

/* All of them a step, then the next step: the memory that each needs is under way meanwhile. */
INLINE void
batch_descend(const struct router_cache *cache, const struct key *key, struct walk *w, size_t count)
{
        uint8_t active[ROUTER_CACHE_BATCH];
        size_t left = count;

        for (size_t i = 0; i < count; i++)
                active[i] = (uint8_t)i;
        while (left > 0) {
                size_t keep = 0;

                for (size_t i = 0; i < left; i++) {
                        const struct node *n = &cache->nodes[w[active[i]].slot];

                        __builtin_prefetch(&cache->slots[n->slots +
                            place_of(n, true, key_step(key[active[i]], n->pos))]);
                }
                for (size_t i = 0; i < left; i++) {
                        struct walk *one = &w[active[i]];

                        if (walk_step(cache, key[active[i]], one)) {
                                __builtin_prefetch(&cache->nodes[one->slot]);
                                active[keep++] = active[i];
                        } else if (one->leaf != EMPTY) {
                                __builtin_prefetch(&cache->entries[one->leaf]);
                        }
                }
                left = keep;
        }
}

INLINE void
find_batch(struct router_cache *cache, const struct table *t, const uint8_t (*addrs)[16],
    size_t count, uint32_t now_s, uint32_t *out_values)
{
        struct key key[ROUTER_CACHE_BATCH];
        struct walk w[ROUTER_CACHE_BATCH];
        bool more = false;

        lx_assert(count <= ROUTER_CACHE_BATCH);
        for (size_t i = 0; i < count; i++) {
                key[i] = key_of(addrs[i]);
                more = walk_start(&w[i], t->used ? t->root : EMPTY);
        }
        if (more)
                batch_descend(cache, key, w, count);
        for (size_t i = 0; i < count; i++)
                out_values[i] = walk_end(cache, key[i], &w[i], now_s);
}

#ifdef __x86_64__
/* The counting of bits is an instruction that the oldest x86-64 machines lack. */
__attribute__((target("popcnt"))) static void
find_batch_popcnt(struct router_cache *cache, const struct table *t, const uint8_t (*addrs)[16],
    size_t count, uint32_t now_s, uint32_t *out_values)
{
        find_batch(cache, t, addrs, count, now_s, out_values);
}
#endif

void
router_cache_find_batch(struct router_cache *cache, uint32_t iid, uint8_t family,
    const uint8_t (*addrs)[16], size_t count, uint32_t now_s, uint32_t *out_values)
{
        const struct table *t = find_table(cache, iid, family);

#ifdef __x86_64__
        if (__builtin_cpu_supports("popcnt")) {
                find_batch_popcnt(cache, t, addrs, count, now_s, out_values);
                return;
        }
#endif
        find_batch(cache, t, addrs, count, now_s, out_values);
}

/* ---- finding a place --------------------------------------------------------------------------- */

/* Where a slot lies: in a node, or the root of a table. */
struct spot {
        uint32_t node; /* EMPTY: the root */
        bool outer;
        unsigned bit;
};

static uint32_t
spot_get(const struct router_cache *cache, const struct table *t, const struct spot *s)
{
        const struct node *n;

        if (s->node == EMPTY)
                return t->root;
        n = &cache->nodes[s->node];
        return cache->slots[n->slots + place_of(n, s->outer, s->bit)];
}

static void
spot_set(struct router_cache *cache, struct table *t, const struct spot *s, uint32_t slot)
{
        struct node *n;

        if (s->node == EMPTY) {
                t->root = slot;
                return;
        }
        n = &cache->nodes[s->node];
        cache->slots[n->slots + place_of(n, s->outer, s->bit)] = slot;
}

/* The spot of exactly (key, bits), and of the node's parent; false: it is not there. */
static bool
find_spot(const struct router_cache *cache, const struct table *t, struct key key, unsigned bits,
    struct spot *out, struct spot *out_parent)
{
        uint32_t slot = t->used ? t->root : EMPTY;
        struct spot at = {.node = EMPTY}, parent = {.node = EMPTY};

        while (slot != EMPTY && (slot & LEAF) == 0) {
                const struct node *n = &cache->nodes[slot];
                bool outer = bits >= n->pos + STEP;
                unsigned bit;

                if (bits < n->pos)
                        return false;
                bit = outer ? key_step(key, n->pos) : inner_bit(key, n->pos, bits);
                if (((outer ? n->outer : n->inner) >> bit & 1) == 0)
                        return false;
                parent = at;
                at = (struct spot){.node = slot, .outer = outer, .bit = bit};
                slot = spot_get(cache, t, &at);
                if (!outer)
                        slot |= LEAF;
        }
        *out = at;
        *out_parent = parent;
        if (slot == EMPTY)
                return false;
        slot &= ~LEAF;
        return cache->entries[slot].bits == bits && key_common(cache->entries[slot].key, key) == 128;
}

static uint32_t
find_exact(const struct router_cache *cache, const struct router_eid *eid)
{
        const struct table *t = find_table(cache, eid->iid, eid->addr.family);
        struct spot at, parent;

        if (!find_spot(cache, t, key_of(eid->addr.b), eid->bits, &at, &parent))
                return EMPTY;
        return spot_get(cache, t, &at) & ~LEAF;
}

uint32_t
router_cache_get(const struct router_cache *cache, const struct router_eid *eid)
{
        uint32_t number = find_exact(cache, eid);

        return number != EMPTY ? cache->entries[number].value : ROUTER_CACHE_NONE;
}

/* ---- removing ---------------------------------------------------------------------------------- */

static void
free_entry(struct router_cache *cache, uint32_t number)
{
        struct entry *e = &cache->entries[number];
        uint32_t value = e->value;

        *e = (struct entry){.next_free = cache->entry_free};
        cache->entry_free = number;
        cache->count--;
        if (cache->options.gone != NULL)
                cache->options.gone(cache->options.arg, value);
}

/* A node with one slot left is replaced by what is in it. */
static void
contract(struct router_cache *cache, struct table *t, const struct spot *parent, uint32_t at)
{
        const struct node *n = &cache->nodes[at];
        uint32_t slot;

        if (node_len(n) != 1)
                return;
        slot = cache->slots[n->slots];
        if (n->inner != 0)
                slot |= LEAF;
        spot_set(cache, t, parent, slot);
        give_node(cache, at);
}

static void
remove_entry(struct router_cache *cache, uint32_t number)
{
        const struct entry *e = &cache->entries[number];
        struct table *t = &cache->tables[e->table];
        struct spot at, parent;
        bool found = find_spot(cache, t, e->key, e->bits, &at, &parent);

        lx_assert(found);
        if (at.node == EMPTY) {
                t->root = EMPTY;
        } else {
                drop_slot(cache, at.node, at.outer, at.bit);
                contract(cache, t, &parent, at.node);
        }
        free_entry(cache, number);
}

bool
router_cache_remove(struct router_cache *cache, const struct router_eid *eid)
{
        uint32_t number = find_exact(cache, eid);

        if (number == EMPTY)
                return false;
        remove_entry(cache, number);
        return true;
}

/* The clock: who was used since the hand came by gets another round. */
static void
evict(struct router_cache *cache)
{
        for (uint32_t i = 0; i < 2 * cache->entry_top; i++) {
                struct entry *e = &cache->entries[cache->hand];
                uint32_t number = cache->hand;

                cache->hand = cache->hand + 1 < cache->entry_top ? cache->hand + 1 : 0;
                if (e->live && !e->used) {
                        remove_entry(cache, number);
                        return;
                }
                e->used = 0;
        }
}

void
router_cache_sweep(struct router_cache *cache, uint32_t now_s, uint32_t budget)
{
        for (uint32_t i = 0; i < budget && i < cache->entry_top; i++) {
                const struct entry *e = &cache->entries[cache->sweep];

                if (e->live && e->expires_s <= now_s)
                        remove_entry(cache, cache->sweep);
                cache->sweep = cache->sweep + 1 < cache->entry_top ? cache->sweep + 1 : 0;
        }
}

/* ---- putting ----------------------------------------------------------------------------------- */

/* A new node between @at and what hangs there; both go into it. False: no room, nothing changed. */
static bool
split(struct router_cache *cache, struct table *t, const struct spot *at, unsigned common,
    uint32_t number)
{
        uint32_t below = spot_get(cache, t, at), node = take_node(cache, common - common % STEP);
        bool ok;

        if (node == EMPTY)
                return false;
        if ((below & LEAF) != 0)
                ok = add_entry(cache, node, below & ~LEAF);
        else
                ok = add_slot(cache, node, true,
                    key_step(any_below(cache, below)->key, cache->nodes[node].pos), below);
        if (!ok || !add_entry(cache, node, number)) {
                give_node(cache, node);
                return false;
        }
        spot_set(cache, t, at, node);
        return true;
}

static unsigned
common_with(const struct router_cache *cache, uint32_t slot, const struct entry *e)
{
        const struct entry *other = any_below(cache, slot);
        unsigned common = key_common(other->key, e->key);

        if (common > e->bits)
                common = e->bits;
        if ((slot & LEAF) != 0 && common > other->bits)
                common = other->bits;
        return common;
}

/* Hang entry @number, which is not there yet. */
static bool
insert(struct router_cache *cache, struct table *t, uint32_t number)
{
        const struct entry *e = &cache->entries[number];
        struct spot at = {.node = EMPTY};

        if (t->root == EMPTY) {
                t->root = LEAF | number;
                return true;
        }
        for (;;) {
                uint32_t slot = spot_get(cache, t, &at);
                unsigned common = common_with(cache, slot, e);
                const struct node *n = &cache->nodes[slot & ~LEAF];

                if ((slot & LEAF) != 0 || common < n->pos)
                        return split(cache, t, &at, common, number);
                if (e->bits < n->pos + STEP || (n->outer >> key_step(e->key, n->pos) & 1) == 0)
                        return add_entry(cache, slot, number);
                at = (struct spot){.node = slot, .outer = true, .bit = key_step(e->key, n->pos)};
        }
}

static uint32_t
take_entry(struct router_cache *cache)
{
        uint32_t at;

        if (cache->entry_free == EMPTY && cache->entry_top == cache->options.entries_max)
                evict(cache);
        at = cache->entry_free;
        if (at != EMPTY)
                cache->entry_free = cache->entries[at].next_free;
        else if (cache->entry_top < cache->options.entries_max)
                at = cache->entry_top++;
        if (at != EMPTY)
                cache->count++;
        return at;
}

enum lx_err
router_cache_put(struct router_cache *cache, const struct router_eid *eid, uint32_t value,
    uint32_t expires_s)
{
        struct table *t = make_table(cache, eid->iid, eid->addr.family);
        uint32_t number = t != NULL ? find_exact(cache, eid) : EMPTY;

        if (t == NULL)
                return LX_ERR_LIMIT;
        if (number != EMPTY) {
                struct entry *e = &cache->entries[number];
                uint32_t old = e->value;

                e->value = value;
                e->expires_s = expires_s;
                if (cache->options.gone != NULL && old != value)
                        cache->options.gone(cache->options.arg, old);
                return LX_OK;
        }
        number = take_entry(cache);
        if (number == EMPTY)
                return LX_ERR_LIMIT;
        cache->entries[number] = (struct entry){.key = key_of(eid->addr.b),
            .value = value,
            .expires_s = expires_s,
            .table = (uint16_t)(t - cache->tables),
            .bits = eid->bits,
            .live = 1};
        for (unsigned tries = 0; !insert(cache, t, number); tries++) {
                if (tries == 64) {
                        cache->entries[number] = (struct entry){.next_free = cache->entry_free};
                        cache->entry_free = number;
                        cache->count--;
                        return LX_ERR_LIMIT;
                }
                evict(cache);
        }
        return LX_OK;
}

/* ---- walking and figures ----------------------------------------------------------------------- */

bool
router_cache_next(const struct router_cache *cache, uint32_t *pos, struct router_eid *out_eid,
    uint32_t *out_value, uint32_t *out_expires_s)
{
        for (; *pos < cache->entry_top; ++*pos) {
                const struct entry *e = &cache->entries[*pos];
                const struct table *t = &cache->tables[e->table];

                if (!e->live)
                        continue;
                *out_eid = (struct router_eid){
                    .iid = t->iid, .bits = e->bits, .addr = {.family = t->family}};
                lx_put_be64(out_eid->addr.b, e->key.hi);
                lx_put_be64(out_eid->addr.b + 8, e->key.lo);
                *out_value = e->value;
                *out_expires_s = e->expires_s;
                ++*pos;
                return true;
        }
        return false;
}

uint32_t
router_cache_count(const struct router_cache *cache)
{
        return cache->count;
}

size_t
router_cache_bytes(const struct router_cache *cache)
{
        return cache->count * sizeof(struct entry) + cache->node_count * sizeof(struct node) +
               cache->slot_count * sizeof(uint32_t);
}

static bool
check_slot(const struct router_cache *cache, uint32_t slot, unsigned pos, uint32_t *entries,
    uint32_t *nodes)
{
        const struct node *n;

        if ((slot & LEAF) != 0) {
                ++*entries;
                return cache->entries[slot & ~LEAF].live && cache->entries[slot & ~LEAF].bits >= pos;
        }
        n = &cache->nodes[slot];
        ++*nodes;
        if (n->pos < pos || n->pos % STEP != 0 || node_len(n) < 2)
                return false;
        for (unsigned i = 0; i < node_len(n); i++) {
                bool inner = i < (unsigned)__builtin_popcountll(n->inner);
                uint32_t below = cache->slots[n->slots + i] | (inner ? LEAF : 0);

                if (!check_slot(cache, below, inner ? n->pos : n->pos + STEP, entries, nodes))
                        return false;
        }
        return true;
}

bool
router_cache_check(const struct router_cache *cache)
{
        uint32_t entries = 0, nodes = 0;

        for (unsigned i = 0; i < ROUTER_CACHE_TABLES_MAX; i++)
                if (cache->tables[i].used && cache->tables[i].root != EMPTY &&
                    !check_slot(cache, cache->tables[i].root, 0, &entries, &nodes))
                        return false;
        return entries == cache->count && nodes == cache->node_count;
}
