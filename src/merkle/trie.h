/*
 * merkle/trie.h - prefix tries: one path proves the longest match of an address, or the hole.
 *
 * A binary trie over bit strings of at most 128 bits (IPv4: 32), path-compressed. Node:
 * H(lx.trie, encoding), where the encoding is
 *   u8 skip bits, then the skipped bits left-aligned in (skip + 7) / 8 bytes (unused bits zero),
 *   u8 flags (1: a value stands here, 2: left child, 4: right child), value hash, left, right, each
 *   only if flagged.
 * A node without a value has two children. Nodes are content-addressed: fetched by hash, never
 * changed. A proof is the encodings of the nodes along the address, root first, each with a u16
 * length, a u8 count in front. Verification is freestanding. Threads: pure. Spec: doc/merkle.md.
 */
#ifndef LX_MERKLE_TRIE_H
#define LX_MERKLE_TRIE_H

#include "base/buf.h"
#include "base/wire.h"
#include "crypto/ops.h"

#define MERKLE_TRIE_BITS_MAX 128
#define MERKLE_TRIE_NODE_MAX (1 + 16 + 1 + 3 * 32)

/* A bit string, left-aligned, unused bits zero. */
struct merkle_bits {
        uint8_t b[16];
        uint8_t len; /* bits */
};

struct merkle_trie_nodes {
        /* append the node's encoding to @out; LX_ERR_CORRUPT when it is missing */
        enum lx_err (*get)(void *arg, const struct lx_hash *node, struct lx_buf *out);
        void (*put)(void *arg, const struct lx_hash *node, const uint8_t *enc, size_t len);
        void *arg;
};

/** Put @value (not zero) at prefix @at, or remove it (@value NULL). Zero root: empty trie. */
LX_MUST_CHECK enum lx_err merkle_trie_set(const struct lx_hash_ops *ops,
    const struct merkle_trie_nodes *nodes, const struct lx_hash *root, const struct merkle_bits *at,
    const struct lx_hash *value, struct lx_hash *out_root);

/** The children of a node's encoding (zero: none): LX_OK, or what decoding says. */
LX_MUST_CHECK enum lx_err
merkle_trie_children(const uint8_t *enc, size_t len, struct lx_hash out_child[2]);

/** The value exactly at @at. */
LX_MUST_CHECK enum lx_err
merkle_trie_get(const struct merkle_trie_nodes *nodes, const struct lx_hash *root,
    const struct merkle_bits *at, struct lx_hash *out_value, bool *out_found);

/** The longest prefix of @addr with a value: its bits and value; found or not. */
LX_MUST_CHECK enum lx_err merkle_trie_match(const struct merkle_trie_nodes *nodes,
    const struct lx_hash *root, const struct merkle_bits *addr, struct merkle_bits *out_prefix,
    struct lx_hash *out_value, bool *out_found);

/** Write the proof for @addr. */
LX_MUST_CHECK enum lx_err merkle_trie_prove(const struct merkle_trie_nodes *nodes,
    const struct lx_hash *root, const struct merkle_bits *addr, struct lx_buf *out_proof);

/**
 * Verify a proof read off @rd: the longest match of @addr under @root in *out_prefix, *out_value;
 * *out_found false: proven that nothing matches; then *out_prefix is the least-specific hole
 * around @addr. Returns LX_OK, LX_ERR_PROOF or what decoding says.
 */
LX_MUST_CHECK enum lx_err merkle_trie_verify(const struct lx_hash_ops *ops, struct lx_reader *rd,
    const struct lx_hash *root, const struct merkle_bits *addr, struct merkle_bits *out_prefix,
    struct lx_hash *out_value, bool *out_found);

#endif
