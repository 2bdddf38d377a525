/* merkle/page.c - see merkle/page_int.h. */
#include "config.h"
#include "merkle/page_int.h"

#include "base/wire.h"
#include "crypto/tags.h"
#include "merkle/levels_int.h"

#include <string.h>

unsigned
merkle_page_count(const struct page *page, unsigned *out_only)
{
        unsigned count = 0;

        for (unsigned i = 0; i < PAGE_SLOTS; i++)
                if (page->slot[i].type != SLOT_EMPTY) {
                        count++;
                        if (out_only != NULL)
                                *out_only = i;
                }
        return count;
}

size_t
merkle_page_encode(const struct page *page, uint8_t out[MERKLE_PAGE_MAX])
{
        struct lx_writer wr = lx_writer_init(out, MERKLE_PAGE_MAX);
        uint16_t taken = 0, leaves = 0;

        for (unsigned i = 0; i < PAGE_SLOTS; i++) {
                taken |= (uint16_t)((page->slot[i].type != SLOT_EMPTY) << (15 - i));
                leaves |= (uint16_t)((page->slot[i].type == SLOT_LEAF) << (15 - i));
        }
        lx_write_u16(&wr, taken);
        lx_write_u16(&wr, leaves);
        for (unsigned i = 0; i < PAGE_SLOTS; i++) {
                const struct slot *slot = &page->slot[i];

                switch (slot->type) {
                case SLOT_EMPTY:
                        break;
                case SLOT_LEAF:
                        lx_write_hash(&wr, &slot->key);
                        lx_write_hash(&wr, &slot->value);
                        break;
                case SLOT_CHILD:
                        lx_write_hash(&wr, &slot->hash);
                        lx_write_u64(&wr, slot->version);
                        break;
                }
        }
        return wr.len;
}

/* The hashes of all leaves at once. */
static void
hash_leaves(const struct lx_hash_ops *ops, struct page *page)
{
        struct lx_hash in[2 * PAGE_SLOTS], out[PAGE_SLOTS];
        unsigned at[PAGE_SLOTS], count = 0;

        for (unsigned i = 0; i < PAGE_SLOTS; i++)
                if (page->slot[i].type == SLOT_LEAF) {
                        in[2 * count] = page->slot[i].key;
                        in[2 * count + 1] = page->slot[i].value;
                        at[count++] = i;
                }
        merkle_hash_pairs(ops, &LX_TAG_STATE_LEAF, in, count, out);
        for (unsigned i = 0; i < count; i++)
                page->slot[at[i]].hash = out[i];
}

enum lx_err
merkle_page_decode(
    const struct lx_hash_ops *ops, const uint8_t *bytes, size_t len, struct page *out_page)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        uint16_t taken = lx_read_u16(&rd);
        uint16_t leaves = lx_read_u16(&rd);

        if ((leaves & ~taken) != 0)
                return LX_ERR_CORRUPT;
        for (unsigned i = 0; i < PAGE_SLOTS; i++) {
                struct slot *slot = &out_page->slot[i];

                if ((taken >> (15 - i) & 1) == 0) {
                        slot->type = SLOT_EMPTY;
                } else if ((leaves >> (15 - i) & 1) != 0) {
                        slot->type = SLOT_LEAF;
                        slot->key = lx_read_hash(&rd);
                        slot->value = lx_read_hash(&rd);
                } else {
                        slot->type = SLOT_CHILD;
                        slot->hash = lx_read_hash(&rd);
                        slot->version = lx_read_u64(&rd);
                }
        }
        if (lx_reader_end(&rd) != LX_OK)
                return LX_ERR_CORRUPT;
        hash_leaves(ops, out_page);
        return LX_OK;
}

/*
 * One level from the one below. Two empty ones make an empty one, an empty one and a leaf make that
 * leaf (it is alone there), everything else is an interior node.
 */
static void
join_level(const struct lx_hash_ops *ops, struct page_nodes *nodes, unsigned level)
{
        unsigned width = 1u << level;
        unsigned up = width - 1, down = 2 * width - 1;
        struct lx_hash in[PAGE_SLOTS], out[PAGE_SLOTS / 2];
        unsigned at[PAGE_SLOTS / 2], count = 0;

        for (unsigned j = 0; j < width; j++) {
                unsigned left = down + 2 * j, right = left + 1;
                unsigned alone = nodes->type[left] == SLOT_EMPTY ? right : left;
                unsigned other = alone == left ? right : left;

                if (nodes->type[other] == SLOT_EMPTY && nodes->type[alone] != SLOT_CHILD) {
                        nodes->type[up + j] = nodes->type[alone];
                        nodes->hash[up + j] = nodes->hash[alone];
                        continue;
                }
                nodes->type[up + j] = SLOT_CHILD;
                in[2 * count] = nodes->hash[left];
                in[2 * count + 1] = nodes->hash[right];
                at[count++] = up + j;
        }
        merkle_hash_pairs(ops, &LX_TAG_STATE_NODE, in, count, out);
        for (unsigned i = 0; i < count; i++)
                nodes->hash[at[i]] = out[i];
}

void
merkle_page_nodes(
    const struct lx_hash_ops *ops, const struct page *page, struct page_nodes *out_nodes)
{
        for (unsigned i = 0; i < PAGE_SLOTS; i++) {
                out_nodes->type[PAGE_SLOTS - 1 + i] = page->slot[i].type;
                if (page->slot[i].type == SLOT_EMPTY)
                        out_nodes->hash[PAGE_SLOTS - 1 + i] = (struct lx_hash){{0}};
                else
                        out_nodes->hash[PAGE_SLOTS - 1 + i] = page->slot[i].hash;
        }
        for (unsigned level = 4; level-- > 0;)
                join_level(ops, out_nodes, level);
}

void
merkle_page_key(const struct lx_hash *tree_id, uint64_t version, const struct lx_hash *key,
    unsigned nibbles, uint8_t out[MERKLE_PAGE_KEY_LEN])
{
        lx_put_be64(out, version);
        memcpy(out + 8, tree_id->b, LX_HASH_LEN);
        out[40] = (uint8_t)nibbles;
        memset(out + 41, 0, LX_HASH_LEN);
        memcpy(out + 41, key->b, nibbles / 2);
        if (nibbles % 2 != 0)
                out[41 + nibbles / 2] = key->b[nibbles / 2] & 0xf0;
}

const struct slot *
merkle_page_leaf(const struct page *page, unsigned level, unsigned j)
{
        unsigned width = PAGE_SLOTS >> level;

        for (unsigned i = j * width; i < (j + 1) * width; i++)
                if (page->slot[i].type == SLOT_LEAF)
                        return &page->slot[i];
        return NULL;
}
