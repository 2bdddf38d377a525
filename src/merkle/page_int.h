/*
 * merkle/page_int.h - one page of the state tree in memory: 16 slots, four levels.
 */
#ifndef LX_MERKLE_PAGE_INT_H
#define LX_MERKLE_PAGE_INT_H

#include "merkle/state.h"

#define PAGE_SLOTS 16u

enum slot_type { SLOT_EMPTY, SLOT_LEAF, SLOT_CHILD };

struct slot {
        enum slot_type type;
        struct lx_hash hash;  /* LEAF: the leaf's hash; CHILD: the subtree's */
        struct lx_hash key;   /* LEAF */
        struct lx_hash value; /* LEAF: value hash */
        uint64_t version;     /* CHILD: of its page */
};

struct page {
        struct slot slot[PAGE_SLOTS];
};

/* Node j of level l (0: root, 4: slots) is at [(1 << l) - 1 + j]. */
struct page_nodes {
        enum slot_type type[2 * PAGE_SLOTS - 1];
        struct lx_hash hash[2 * PAGE_SLOTS - 1];
};

/** How many slots are taken; *@out_only (may be NULL): one of them. */
unsigned merkle_page_count(const struct page *page, unsigned *out_only);
/** Write the bytes of merkle/state.h. */
size_t merkle_page_encode(const struct page *page, uint8_t out[MERKLE_PAGE_MAX]);
/** Read them and compute the leaves' hashes: LX_ERR_CORRUPT. */
LX_MUST_CHECK enum lx_err merkle_page_decode(
    const struct lx_hash_ops *ops, const uint8_t *bytes, size_t len, struct page *out_page);
/** All 31 nodes. */
void merkle_page_nodes(
    const struct lx_hash_ops *ops, const struct page *page, struct page_nodes *out_nodes);
/** The one leaf below node (@level, @j); NULL: that node is no leaf. */
const struct slot *merkle_page_leaf(const struct page *page, unsigned level, unsigned j);
/** The key of the page on the path of @key, @nibbles deep. */
void merkle_page_key(const struct lx_hash *tree_id, uint64_t version, const struct lx_hash *key,
    unsigned nibbles, uint8_t out[MERKLE_PAGE_KEY_LEN]);

/** The page of @path, @nibbles deep, at @version of @tree: LX_OK, LX_ERR_CORRUPT, LX_ERR_IO. */
LX_MUST_CHECK enum lx_err merkle_state_load_page(struct merkle_state *tree, uint64_t version,
    const struct lx_hash *path, unsigned nibbles, struct page *out_page);
/** The hashes it is made with. */
const struct lx_hash_ops *merkle_state_ops(const struct merkle_state *tree);

/** Nibble @i of @key, most significant first. */
static inline unsigned
merkle_nibble(const struct lx_hash *key, unsigned i)
{
        return i % 2 == 0 ? key->b[i / 2] >> 4 : key->b[i / 2] & 15u;
}

#endif
