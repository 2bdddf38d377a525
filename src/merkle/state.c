/* merkle/state.c - see merkle/state.h. */
#include "config.h"
#include "merkle/state.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/tags.h"
#include "merkle/cache_int.h"

#include <stdlib.h>
#include <string.h>

#define NIBBLES 64u

struct merkle_state {
        const struct lx_hash_ops *ops;
        struct merkle_pages pages;
        struct lx_hash tree_id;
        struct cache *cache;
        uint64_t batch; /* number of the last update */
        struct lx_buf scratch;
};

struct merkle_state *
merkle_state_new(const struct lx_hash_ops *ops, const struct merkle_pages *pages,
    const struct lx_hash *tree_id, size_t cache_bytes)
{
        struct merkle_state *tree = lx_alloc(sizeof(*tree));

        tree->ops = ops;
        tree->pages = *pages;
        tree->tree_id = *tree_id;
        tree->cache = merkle_cache_new(cache_bytes);
        return tree;
}

void
merkle_state_free(struct merkle_state *tree)
{
        if (tree == NULL)
                return;
        merkle_cache_free(tree->cache);
        lx_buf_clear(&tree->scratch);
        lx_free(tree);
}

uint64_t
merkle_state_batch(const struct merkle_state *tree)
{
        return tree->batch;
}

void
merkle_state_settle(struct merkle_state *tree, uint64_t batch, bool accept)
{
        merkle_cache_settle(tree->cache, batch, accept);
}

static enum lx_err
load_page(struct merkle_state *tree, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct page *out_page)
{
        enum lx_err err;

        if (merkle_cache_get(tree->cache, key, out_page))
                return LX_OK;
        lx_buf_reset(&tree->scratch);
        err = tree->pages.get(tree->pages.arg, key, &tree->scratch);
        if (err == LX_OK)
                err = merkle_page_decode(tree->ops, tree->scratch.p, tree->scratch.len, out_page);
        if (err == LX_OK)
                merkle_cache_put(tree->cache, key, out_page, 0);
        return err;
}

enum lx_err
merkle_state_load_page(struct merkle_state *tree, uint64_t version, const struct lx_hash *path,
    unsigned nibbles, struct page *out_page)
{
        uint8_t key[MERKLE_PAGE_KEY_LEN];

        merkle_page_key(&tree->tree_id, version, path, nibbles, key);
        return load_page(tree, key, out_page);
}

const struct lx_hash_ops *
merkle_state_ops(const struct merkle_state *tree)
{
        return tree->ops;
}

/* ---- updating --------------------------------------------------------------------------------- */

struct update {
        struct merkle_state *tree;
        uint64_t version;
        const struct merkle_sink *sink;
        uint64_t batch; /* 0: pages are not kept in the cache */
};

static enum lx_err update_page(struct update *up, struct page *page, unsigned nibbles,
    const struct merkle_update *updates, size_t count, struct slot *out_slot);

static void
set_leaf(struct merkle_state *tree, struct slot *slot, const struct lx_hash *key,
    const struct lx_hash *value)
{
        slot->type = SLOT_LEAF;
        slot->key = *key;
        slot->value = *value;
        merkle_state_leaf(tree->ops, key, value, &slot->hash);
}

/* Updates of a slot that holds nothing or one leaf, by a page made for them. */
static enum lx_err
update_fresh(struct update *up, struct slot *slot, unsigned nibbles,
    const struct merkle_update *updates, size_t count)
{
        struct page *page;
        enum lx_err err;

        /* The frequent cases need no page: one new leaf, or a leaf that gets a new value. */
        if (count == 1 && (slot->type == SLOT_EMPTY || lx_hash_eq(&slot->key, &updates->key))) {
                if (lx_hash_is_zero(&updates->value))
                        slot->type = SLOT_EMPTY;
                else
                        set_leaf(up->tree, slot, &updates->key, &updates->value);
                return LX_OK;
        }
        page = lx_alloc(sizeof(*page));
        if (slot->type == SLOT_LEAF)
                page->slot[merkle_nibble(&slot->key, nibbles)] = *slot;
        err = update_page(up, page, nibbles, updates, count, slot);
        lx_free(page);
        return err;
}

static enum lx_err
update_child(struct update *up, struct slot *slot, unsigned nibbles,
    const struct merkle_update *updates, size_t count)
{
        uint8_t key[MERKLE_PAGE_KEY_LEN];
        struct page *page = lx_alloc(sizeof(*page));
        enum lx_err err;

        merkle_page_key(&up->tree->tree_id, slot->version, &updates->key, nibbles, key);
        err = load_page(up->tree, key, page);
        if (err == LX_OK)
                err = update_page(up, page, nibbles, updates, count, slot);
        if (err == LX_OK)
                up->sink->stale(up->sink->arg, key);
        lx_free(page);
        return err;
}

static void
write_page(struct update *up, const struct page *page, unsigned nibbles, const struct lx_hash *path)
{
        uint8_t key[MERKLE_PAGE_KEY_LEN], bytes[MERKLE_PAGE_MAX];
        size_t len = merkle_page_encode(page, bytes);

        merkle_page_key(&up->tree->tree_id, up->version, path, nibbles, key);
        up->sink->put(up->sink->arg, key, bytes, len);
        if (up->batch != 0)
                merkle_cache_put(up->tree->cache, key, page, up->batch);
}

/*
 * Apply sorted updates, which share the first @nibbles, to @page. What is left comes back as a
 * slot of the parent: nothing, one leaf, or a child whose page was written. The root's page (no
 * nibbles) is also written for a single leaf.
 */
static enum lx_err
update_page(struct update *up, struct page *page, unsigned nibbles,
    const struct merkle_update *updates, size_t count, struct slot *out_slot)
{
        struct page_nodes nodes;
        unsigned only = 0, taken;

        lx_assert(nibbles < NIBBLES);
        for (size_t i = 0, end; i < count; i = end) {
                unsigned n = merkle_nibble(&updates[i].key, nibbles);
                struct slot *slot = &page->slot[n];
                enum lx_err err;

                for (end = i + 1; end < count; end++)
                        if (merkle_nibble(&updates[end].key, nibbles) != n)
                                break;
                err = slot->type == SLOT_CHILD
                          ? update_child(up, slot, nibbles + 1, updates + i, end - i)
                          : update_fresh(up, slot, nibbles + 1, updates + i, end - i);
                if (err != LX_OK)
                        return err;
        }
        taken = merkle_page_count(page, &only);
        if (taken == 0) {
                out_slot->type = SLOT_EMPTY;
                return LX_OK;
        }
        if (taken == 1 && page->slot[only].type == SLOT_LEAF && nibbles > 0) {
                *out_slot = page->slot[only];
                return LX_OK;
        }
        merkle_page_nodes(up->tree->ops, page, &nodes);
        out_slot->type = SLOT_CHILD;
        out_slot->hash = nodes.hash[0];
        out_slot->version = up->version;
        write_page(up, page, nibbles, &updates[0].key);
        return LX_OK;
}

static int
compare_updates(const void *a, const void *b)
{
        return lx_hash_cmp(
            &((const struct merkle_update *)a)->key, &((const struct merkle_update *)b)->key);
}

enum lx_err
merkle_state_update(struct merkle_state *tree, const struct merkle_root *root, uint64_t version,
    struct merkle_update *updates, size_t count, const struct merkle_sink *sink,
    struct merkle_root *out_root)
{
        struct update up = {.tree = tree, .version = version, .sink = sink, .batch = ++tree->batch};
        struct slot slot = {.type = SLOT_EMPTY};
        enum lx_err err;

        qsort(updates, count, sizeof(*updates), compare_updates);
        for (size_t i = 1; i < count; i++)
                if (lx_hash_eq(&updates[i - 1].key, &updates[i].key))
                        return LX_ERR_EXISTS;
        if (count == 0) {
                *out_root = *root;
                return LX_OK;
        }
        if (lx_hash_is_zero(&root->hash)) {
                struct page *page = lx_alloc(sizeof(*page));

                err = update_page(&up, page, 0, updates, count, &slot);
                lx_free(page);
        } else {
                lx_assert(version > root->version);
                slot =
                    (struct slot){.type = SLOT_CHILD, .hash = root->hash, .version = root->version};
                err = update_child(&up, &slot, 0, updates, count);
        }
        if (err != LX_OK)
                return err;
        *out_root = (struct merkle_root){.version = version};
        if (slot.type != SLOT_EMPTY)
                out_root->hash = slot.hash;
        return LX_OK;
}

/* ---- building in parts ------------------------------------------------------------------------- */

static void
to_part(const struct slot *slot, struct merkle_part *out)
{
        *out = (struct merkle_part){.type = (uint8_t)slot->type, .hash = slot->hash};
        if (slot->type == SLOT_LEAF) {
                out->key = slot->key;
                out->value = slot->value;
        } else if (slot->type == SLOT_CHILD) {
                out->version = slot->version;
        }
}

enum lx_err
merkle_state_build_part(struct merkle_state *tree, uint64_t version, unsigned nibbles,
    struct merkle_update *leaves, size_t count, const struct merkle_sink *sink,
    struct merkle_part *out)
{
        struct update up = {.tree = tree, .version = version, .sink = sink};
        struct slot slot = {.type = SLOT_EMPTY};
        enum lx_err err = LX_OK;

        lx_assert(nibbles > 0 && nibbles < NIBBLES);
        if (count > 0)
                err = update_fresh(&up, &slot, nibbles, leaves, count);
        to_part(&slot, out);
        return err;
}

void
merkle_state_join_parts(struct merkle_state *tree, uint64_t version, unsigned nibbles,
    const struct lx_hash *path, const struct merkle_part parts[16], const struct merkle_sink *sink,
    struct merkle_part *out)
{
        struct update up = {.tree = tree, .version = version, .sink = sink};
        struct page *page = lx_alloc(sizeof(*page));
        struct page_nodes nodes;
        struct slot slot = {.type = SLOT_EMPTY};
        unsigned only = 0, taken;

        for (unsigned i = 0; i < PAGE_SLOTS; i++)
                page->slot[i] = (struct slot){.type = (enum slot_type)parts[i].type,
                    .hash = parts[i].hash,
                    .key = parts[i].key,
                    .value = parts[i].value,
                    .version = parts[i].version};
        taken = merkle_page_count(page, &only);
        if (taken == 1 && page->slot[only].type == SLOT_LEAF && nibbles > 0) {
                slot = page->slot[only];
        } else if (taken > 0) {
                merkle_page_nodes(tree->ops, page, &nodes);
                slot = (struct slot){.type = SLOT_CHILD, .hash = nodes.hash[0], .version = version};
                write_page(&up, page, nibbles, path);
        }
        to_part(&slot, out);
        lx_free(page);
}

/* ---- reading ---------------------------------------------------------------------------------- */

enum lx_err
merkle_state_get(struct merkle_state *tree, const struct merkle_root *root,
    const struct lx_hash *key, struct lx_hash *out_value, bool *out_found)
{
        uint64_t version = root->version;
        struct page page;

        *out_found = false;
        if (lx_hash_is_zero(&root->hash))
                return LX_OK;
        for (unsigned nibbles = 0; nibbles < NIBBLES; nibbles++) {
                uint8_t page_key[MERKLE_PAGE_KEY_LEN];
                const struct slot *slot = &page.slot[merkle_nibble(key, nibbles)];
                enum lx_err err;

                merkle_page_key(&tree->tree_id, version, key, nibbles, page_key);
                err = load_page(tree, page_key, &page);
                if (err != LX_OK)
                        return err;
                if (slot->type == SLOT_LEAF && lx_hash_eq(&slot->key, key)) {
                        *out_value = slot->value;
                        *out_found = true;
                }
                if (slot->type != SLOT_CHILD)
                        return LX_OK;
                version = slot->version;
        }
        return LX_ERR_CORRUPT;
}

/* Walk one page down along @key; true: the walk ended in it. */
static bool
prove_in_page(const struct page *page, const struct page_nodes *nodes, const struct lx_hash *key,
    struct merkle_proof *proof)
{
        unsigned j = 0;

        for (unsigned level = 0;; level++) {
                unsigned at = (1u << level) - 1;

                if (nodes->type[at + j] == SLOT_EMPTY) {
                        proof->end = MERKLE_END_EMPTY;
                        return true;
                }
                if (nodes->type[at + j] == SLOT_LEAF) {
                        const struct slot *leaf = merkle_page_leaf(page, level, j);

                        lx_assert(leaf != NULL);
                        proof->end =
                            lx_hash_eq(&leaf->key, key) ? MERKLE_END_LEAF : MERKLE_END_OTHER;
                        proof->other_key = leaf->key;
                        proof->other_value = leaf->value;
                        return true;
                }
                if (level == 4)
                        return false;
                j = 2 * j + lx_hash_bit(key, proof->depth);
                proof->sibling[proof->depth++] = nodes->hash[2 * at + 1 + (j ^ 1)];
        }
}

enum lx_err
merkle_state_prove(struct merkle_state *tree, const struct merkle_root *root,
    const struct lx_hash *key, struct merkle_proof *out_proof)
{
        uint64_t version = root->version;

        out_proof->end = MERKLE_END_EMPTY;
        out_proof->depth = 0;
        if (lx_hash_is_zero(&root->hash))
                return LX_OK;
        for (unsigned nibbles = 0; nibbles + 1 < NIBBLES; nibbles++) {
                uint8_t page_key[MERKLE_PAGE_KEY_LEN];
                struct page_nodes nodes;
                struct page page;
                enum lx_err err;

                merkle_page_key(&tree->tree_id, version, key, nibbles, page_key);
                err = load_page(tree, page_key, &page);
                if (err != LX_OK)
                        return err;
                merkle_page_nodes(tree->ops, &page, &nodes);
                if (prove_in_page(&page, &nodes, key, out_proof))
                        return LX_OK;
                version = page.slot[merkle_nibble(key, nibbles)].version;
        }
        return LX_ERR_RANGE;
}

struct walk {
        struct merkle_state *tree;
        bool (*each)(void *arg, const struct lx_hash *key, const struct lx_hash *value);
        void *arg;
        bool stopped;
};

static enum lx_err
walk_page(struct walk *walk, uint64_t version, const struct lx_hash *path, unsigned nibbles,
    const struct lx_hash *want)
{
        uint8_t page_key[MERKLE_PAGE_KEY_LEN];
        struct page_nodes nodes;
        struct page page;
        enum lx_err err;

        if (nibbles >= NIBBLES)
                return LX_ERR_CORRUPT;
        merkle_page_key(&walk->tree->tree_id, version, path, nibbles, page_key);
        err = load_page(walk->tree, page_key, &page);
        if (err != LX_OK)
                return err;
        merkle_page_nodes(walk->tree->ops, &page, &nodes);
        if (!lx_hash_eq(&nodes.hash[0], want))
                return LX_ERR_CORRUPT;
        for (unsigned i = 0; i < PAGE_SLOTS && err == LX_OK && !walk->stopped; i++) {
                const struct slot *slot = &page.slot[i];
                struct lx_hash below = *path;

                below.b[nibbles / 2] |= (uint8_t)(nibbles % 2 == 0 ? i << 4 : i);
                if (slot->type == SLOT_LEAF)
                        walk->stopped = !walk->each(walk->arg, &slot->key, &slot->value);
                else if (slot->type == SLOT_CHILD)
                        err = walk_page(walk, slot->version, &below, nibbles + 1, &slot->hash);
        }
        return err;
}

enum lx_err
merkle_state_walk(struct merkle_state *tree, const struct merkle_root *root,
    bool (*each)(void *arg, const struct lx_hash *key, const struct lx_hash *value), void *arg)
{
        struct walk walk = {.tree = tree, .each = each, .arg = arg};
        struct lx_hash path = {{0}};

        if (lx_hash_is_zero(&root->hash))
                return LX_OK;
        return walk_page(&walk, root->version, &path, 0, &root->hash);
}
