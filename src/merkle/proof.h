/*
 * merkle/proof.h - proofs of the state tree (merkle/state.h), and their verification.
 *
 * A proof says what the walk along a key met: the depth, the siblings that are not empty (a bitmap
 * says which), and at the end a leaf or nothing. Inclusion: the leaf has the key. Exclusion: there
 * is nothing, or a leaf with another key. Freestanding: no heap, mem* only. Threads: pure.
 *
 * Bytes (big-endian):
 *   u8   end          0 nothing, 1 the leaf of the key, 2 another leaf
 *   u8   depth        levels walked, at most 255
 *   bitmap            (depth + 7) / 8 bytes, bit d (most significant first) set: sibling d follows;
 *                     unused bits are zero
 *   hash[n]           the siblings, root side first
 *   end 1             nothing more: the verifier knows key and value
 *   end 2             other key (32), other value hash (32)
 */
#ifndef LX_MERKLE_PROOF_H
#define LX_MERKLE_PROOF_H

#include "base/wire.h"
#include "crypto/ops.h"

#define MERKLE_PROOF_DEPTH_MAX 255
#define MERKLE_PROOF_BYTES_MAX (2 + 32 + MERKLE_PROOF_DEPTH_MAX * 32 + 64)

enum merkle_proof_end { MERKLE_END_EMPTY, MERKLE_END_LEAF, MERKLE_END_OTHER };

/* A proof in memory, about 8 KiB: for provers. Verifiers read the bytes and need none. */
struct merkle_proof {
        enum merkle_proof_end end;
        unsigned depth;
        struct lx_hash sibling[MERKLE_PROOF_DEPTH_MAX]; /* [d]: at depth d + 1; zero if empty */
        struct lx_hash other_key;                       /* MERKLE_END_OTHER only */
        struct lx_hash other_value;
};

/** Write the bytes above. */
void merkle_proof_encode(const struct merkle_proof *proof, struct lx_writer *wr);

/** Read the bytes above (not to the end of @rd: a proof is a part of other messages). */
LX_MUST_CHECK enum lx_err merkle_proof_decode(struct lx_reader *rd, struct merkle_proof *out_proof);

/** The leaf hash of (@key, @value). */
void merkle_state_leaf(const struct lx_hash_ops *ops, const struct lx_hash *key,
    const struct lx_hash *value, struct lx_hash *out);

/**
 * Verify from its bytes that under @key stands @value (NULL: nothing) in the tree of @root. Reads
 * one proof off @rd. Returns LX_OK, LX_ERR_PROOF, or what decoding says. One value, one encoding:
 * siblings that are zero but marked present are LX_ERR_FORMAT.
 */
LX_MUST_CHECK enum lx_err merkle_proof_verify(const struct lx_hash_ops *ops, struct lx_reader *rd,
    const struct lx_hash *key, const struct lx_hash *value, const struct lx_hash *root);

#endif
