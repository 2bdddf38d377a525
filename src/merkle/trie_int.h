/*
 * merkle/trie_int.h - nodes of a prefix trie and arithmetic on bit strings. Freestanding.
 */
#ifndef LX_MERKLE_TRIE_INT_H
#define LX_MERKLE_TRIE_INT_H

#include "merkle/trie.h"

struct trie_node {
        struct merkle_bits skip;
        bool has_value;
        struct lx_hash value;
        struct lx_hash child[2]; /* zero: none */
};

/** Bit @i of @bits. */
unsigned merkle_bit(const struct merkle_bits *bits, unsigned i);
/** The first @len bits. */
struct merkle_bits merkle_bits_head(const struct merkle_bits *bits, unsigned len);
/** What follows the first @from bits. */
struct merkle_bits merkle_bits_tail(const struct merkle_bits *bits, unsigned from);
/** @a, one bit, @b. */
struct merkle_bits
merkle_bits_join(const struct merkle_bits *a, unsigned bit, const struct merkle_bits *b);
/** How many bits both start with. */
unsigned merkle_bits_common(const struct merkle_bits *a, const struct merkle_bits *b);
/** Write the bytes of merkle/trie.h. */
void merkle_trie_node_encode(const struct trie_node *node, struct lx_writer *wr);
/** Read them, to the end. */
LX_MUST_CHECK enum lx_err
merkle_trie_node_decode(const uint8_t *bytes, size_t len, struct trie_node *out_node);

/* A walk down a trie along an address, node by node. */
struct trie_walk {
        const struct merkle_bits *addr;
        unsigned depth; /* bits of addr passed */
        bool found;
        bool over;
        struct merkle_bits prefix; /* of the longest match so far, or, over without one, the hole */
        struct lx_hash value;
        struct lx_hash next; /* the node to look at, zero: none */
};

/** Begin at @root. */
struct trie_walk merkle_trie_walk(const struct lx_hash *root, const struct merkle_bits *addr);
/** Pass @node, whose hash is walk->next. */
void merkle_trie_pass(struct trie_walk *walk, const struct trie_node *node);

#endif
