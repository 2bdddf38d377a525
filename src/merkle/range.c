/* merkle/range.c - see merkle/range.h. */
#include "config.h"
#include "merkle/range.h"

#include "base/assert.h"
#include "crypto/tags.h"
#include "merkle/page_int.h"

#include <string.h>

#define DEPTH_MAX 256u

/* ---- where a subtree lies ---------------------------------------------------------------------- */

enum place { PLACE_OUT, PLACE_IN, PLACE_PARTLY };

static bool
has_key(const struct merkle_range *range, const struct lx_hash *key)
{
        return lx_hash_cmp(key, &range->from) >= 0 &&
               (range->to_end || lx_hash_cmp(key, &range->next) < 0);
}

/* The highest key whose first @depth bits are those of @prefix. */
static void
last_key(const struct lx_hash *prefix, unsigned depth, struct lx_hash *out)
{
        *out = *prefix;
        if (depth < DEPTH_MAX && depth % 8 != 0)
                out->b[depth / 8] |= (uint8_t)(0xff >> depth % 8);
        for (unsigned i = (depth + 7) / 8; i < LX_HASH_LEN; i++)
                out->b[i] = 0xff;
}

/* @prefix: its first @depth bits, then zeros. */
static enum place
place_of(const struct merkle_range *range, const struct lx_hash *prefix, unsigned depth)
{
        struct lx_hash last;

        last_key(prefix, depth, &last);
        if (has_key(range, prefix) && has_key(range, &last))
                return PLACE_IN;
        if (lx_hash_cmp(&last, &range->from) < 0 ||
            (!range->to_end && lx_hash_cmp(prefix, &range->next) >= 0))
                return PLACE_OUT;
        return PLACE_PARTLY;
}

static void
set_bit(struct lx_hash *prefix, unsigned depth)
{
        prefix->b[depth / 8] |= (uint8_t)(0x80 >> depth % 8);
}

/* ---- walking ----------------------------------------------------------------------------------- */

struct walk {
        struct merkle_state *tree;
        const struct lx_hash *from;
        bool (*each)(void *arg, const struct lx_hash *key, const struct lx_hash *value);
        void *arg;
        bool stopped;
};

static enum lx_err
walk_page(struct walk *walk, uint64_t version, const struct lx_hash *path, unsigned nibbles)
{
        struct page page;
        enum lx_err err = nibbles < 64
                              ? merkle_state_load_page(walk->tree, version, path, nibbles, &page)
                              : LX_ERR_CORRUPT;

        for (unsigned i = 0; i < PAGE_SLOTS && err == LX_OK && !walk->stopped; i++) {
                const struct slot *slot = &page.slot[i];
                struct lx_hash below = *path, last;

                below.b[nibbles / 2] |= (uint8_t)(nibbles % 2 == 0 ? i << 4 : i);
                last_key(&below, 4 * (nibbles + 1), &last);
                if (slot->type == SLOT_LEAF && lx_hash_cmp(&slot->key, walk->from) >= 0)
                        walk->stopped = !walk->each(walk->arg, &slot->key, &slot->value);
                else if (slot->type == SLOT_CHILD && lx_hash_cmp(&last, walk->from) >= 0)
                        err = walk_page(walk, slot->version, &below, nibbles + 1);
        }
        return err;
}

enum lx_err
merkle_state_walk_from(struct merkle_state *tree, const struct merkle_root *root,
    const struct lx_hash *from,
    bool (*each)(void *arg, const struct lx_hash *key, const struct lx_hash *value), void *arg)
{
        struct walk walk = {.tree = tree, .from = from, .each = each, .arg = arg};
        struct lx_hash path = {{0}};

        if (lx_hash_is_zero(&root->hash))
                return LX_OK;
        return walk_page(&walk, root->version, &path, 0);
}

/* ---- proving ----------------------------------------------------------------------------------- */

struct prove {
        struct merkle_state *tree;
        const struct merkle_range *range;
        struct lx_buf *out;
};

static void
put(struct prove *p, uint8_t mark, const struct lx_hash *a, const struct lx_hash *b)
{
        lx_buf_append(p->out, &mark, 1);
        if (a != NULL)
                lx_buf_append(p->out, a->b, LX_HASH_LEN);
        if (b != NULL)
                lx_buf_append(p->out, b->b, LX_HASH_LEN);
}

static void
put_outside(struct prove *p, const struct page *page, const struct page_nodes *nodes,
    unsigned level, unsigned j)
{
        unsigned at = (1u << level) - 1 + j;
        const struct slot *leaf;

        switch (nodes->type[at]) {
        case SLOT_EMPTY:
                put(p, 0, NULL, NULL);
                break;
        case SLOT_LEAF:
                leaf = merkle_page_leaf(page, level, j);
                lx_assert(leaf != NULL);
                put(p, 1, &leaf->key, &leaf->value);
                break;
        case SLOT_CHILD:
                put(p, 2, &nodes->hash[at], NULL);
                break;
        }
}

static enum lx_err
prove_page(struct prove *p, uint64_t version, const struct lx_hash *path, unsigned nibbles);

static enum lx_err
prove_node(struct prove *p, const struct page *page, const struct page_nodes *nodes,
    const struct lx_hash *prefix, unsigned nibbles, unsigned level, unsigned j)
{
        unsigned depth = 4 * nibbles + level;
        enum place place = place_of(p->range, prefix, depth);
        const struct slot *leaf;
        struct lx_hash right = *prefix;
        enum lx_err err;

        if (place == PLACE_IN)
                return LX_OK;
        if (place == PLACE_OUT) {
                put_outside(p, page, nodes, level, j);
                return LX_OK;
        }
        switch (nodes->type[(1u << level) - 1 + j]) {
        case SLOT_EMPTY:
                put(p, 0, NULL, NULL);
                return LX_OK;
        case SLOT_LEAF:
                leaf = merkle_page_leaf(page, level, j);
                lx_assert(leaf != NULL);
                if (has_key(p->range, &leaf->key))
                        put(p, 1, NULL, NULL);
                else
                        put(p, 2, &leaf->key, &leaf->value);
                return LX_OK;
        case SLOT_CHILD:
                break;
        }
        if (level == 4)
                return prove_page(p, page->slot[j].version, prefix, nibbles + 1);
        put(p, 3, NULL, NULL);
        set_bit(&right, depth);
        err = prove_node(p, page, nodes, prefix, nibbles, level + 1, 2 * j);
        return err != LX_OK ? err
                            : prove_node(p, page, nodes, &right, nibbles, level + 1, 2 * j + 1);
}

static enum lx_err
prove_page(struct prove *p, uint64_t version, const struct lx_hash *path, unsigned nibbles)
{
        struct page page;
        struct page_nodes nodes;
        enum lx_err err = nibbles < 64
                              ? merkle_state_load_page(p->tree, version, path, nibbles, &page)
                              : LX_ERR_CORRUPT;

        if (err != LX_OK)
                return err;
        merkle_page_nodes(merkle_state_ops(p->tree), &page, &nodes);
        return prove_node(p, &page, &nodes, path, nibbles, 0, 0);
}

enum lx_err
merkle_state_prove_range(struct merkle_state *tree, const struct merkle_root *root,
    const struct merkle_range *range, struct lx_buf *out)
{
        struct prove p = {.tree = tree, .range = range, .out = out};
        struct lx_hash path = {{0}};

        if (lx_hash_is_zero(&root->hash))
                return LX_OK;
        return prove_page(&p, root->version, &path, 0);
}

/* ---- verifying --------------------------------------------------------------------------------- */

/* A subtree that was put together: whether it is a leaf says how it joins. */
struct subtree {
        enum slot_type type;
        struct lx_hash hash;
};

struct verify {
        const struct lx_hash_ops *ops;
        struct lx_reader *rd;
        const struct merkle_range *range;
};

/* Leaves [*@count) at @leaves that have bit @depth clear; they are sorted. */
static size_t
count_left(const struct merkle_leaf *leaves, size_t count, unsigned depth)
{
        size_t low = 0, high = count;

        while (low < high) {
                size_t mid = (low + high) / 2;

                if (lx_hash_bit(&leaves[mid].key, depth))
                        high = mid;
                else
                        low = mid + 1;
        }
        return low;
}

static struct subtree
join(struct verify *v, const struct subtree *left, const struct subtree *right)
{
        struct subtree out = {.type = SLOT_CHILD};

        if (left->type == SLOT_EMPTY && right->type != SLOT_CHILD)
                return *right;
        if (right->type == SLOT_EMPTY && left->type != SLOT_CHILD)
                return *left;
        lx_hash_pair(v->ops, &LX_TAG_STATE_NODE, &left->hash, &right->hash, &out.hash);
        return out;
}

static struct subtree
build(struct verify *v, const struct merkle_leaf *leaves, size_t count, unsigned depth)
{
        struct subtree out = {.type = SLOT_EMPTY}, left, right;
        size_t split;

        if (count == 0)
                return out;
        if (count == 1) {
                out.type = SLOT_LEAF;
                merkle_state_leaf(v->ops, &leaves->key, &leaves->value, &out.hash);
                return out;
        }
        split = count_left(leaves, count, depth);
        left = build(v, leaves, split, depth + 1);
        right = build(v, leaves + split, count - split, depth + 1);
        return join(v, &left, &right);
}

/* A leaf that is not in the range, but in the subtree. */
static struct subtree
read_leaf(struct verify *v, const struct lx_hash *prefix, unsigned depth)
{
        struct subtree out = {.type = SLOT_LEAF};
        struct lx_hash key = lx_read_hash(v->rd), value = lx_read_hash(v->rd), last;

        last_key(prefix, depth, &last);
        if (lx_hash_cmp(&key, prefix) < 0 || lx_hash_cmp(&key, &last) > 0 ||
            has_key(v->range, &key))
                lx_reader_fail(v->rd, LX_ERR_PROOF);
        merkle_state_leaf(v->ops, &key, &value, &out.hash);
        return out;
}

static struct subtree
read_outside(struct verify *v, const struct lx_hash *prefix, unsigned depth)
{
        struct subtree out = {.type = SLOT_EMPTY};

        switch (lx_read_u8(v->rd)) {
        case 0:
                break;
        case 1:
                return read_leaf(v, prefix, depth);
        case 2:
                out.type = SLOT_CHILD;
                out.hash = lx_read_hash(v->rd);
                break;
        default:
                lx_reader_fail(v->rd, LX_ERR_FORMAT);
        }
        return out;
}

static struct subtree
read_node(struct verify *v, const struct lx_hash *prefix, unsigned depth,
    const struct merkle_leaf *leaves, size_t count)
{
        struct subtree out = {.type = SLOT_EMPTY}, left, right;
        struct lx_hash middle = *prefix;
        enum place place = place_of(v->range, prefix, depth);
        unsigned mark;
        size_t split;

        if (v->rd->err != LX_OK)
                return out;
        if (place == PLACE_IN)
                return build(v, leaves, count, depth);
        if (place == PLACE_OUT)
                return read_outside(v, prefix, depth); /* no leaf of the range is in it */
        mark = lx_read_u8(v->rd);
        if (mark == 3 && depth < DEPTH_MAX) {
                set_bit(&middle, depth);
                split = count_left(leaves, count, depth);
                left = read_node(v, prefix, depth + 1, leaves, split);
                right = read_node(v, &middle, depth + 1, leaves + split, count - split);
                out.type = SLOT_CHILD;
                lx_hash_pair(v->ops, &LX_TAG_STATE_NODE, &left.hash, &right.hash, &out.hash);
                return out;
        }
        if (count != (mark == 1) || mark > 2)
                lx_reader_fail(v->rd, LX_ERR_PROOF);
        else if (mark == 2)
                return read_leaf(v, prefix, depth);
        return build(v, leaves, count, depth);
}

enum lx_err
merkle_range_verify(const struct lx_hash_ops *ops, struct lx_reader *rd, const struct lx_hash *root,
    const struct merkle_range *range, const struct merkle_leaf *leaves, size_t count)
{
        struct verify v = {.ops = ops, .rd = rd, .range = range};
        struct lx_hash prefix = {{0}};
        struct subtree got;

        for (size_t i = 0; i < count; i++)
                if (!has_key(range, &leaves[i].key) ||
                    (i > 0 && lx_hash_cmp(&leaves[i - 1].key, &leaves[i].key) >= 0))
                        return LX_ERR_PROOF;
        if (lx_hash_is_zero(root))
                return count == 0 ? LX_OK : LX_ERR_PROOF;
        got = read_node(&v, &prefix, 0, leaves, count);
        if (rd->err != LX_OK)
                return rd->err;
        return lx_hash_eq(&got.hash, root) ? LX_OK : LX_ERR_PROOF;
}
