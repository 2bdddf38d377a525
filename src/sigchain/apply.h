/*
 * sigchain/apply.h - the rules: applying a transaction is a pure function from (view, transaction)
 * to effects, or an error whose why names the rule.
 *
 * The caller gives a view of the state before the transaction (its overlay within a block) and a
 * sink. Effects are emitted as they are found; on an error the caller drops those of this
 * transaction. Later operations of a transaction see the effects of earlier ones: sigchain_apply
 * keeps an overlay of its own for that. Signatures were checked before (sigchain_tx_verify); that the
 * keys are the committed ones is checked here. Threads: pure.
 *
 * The digest index and its registers are not written here: SIGCHAIN_EFFECT_INDEX asks the ledger to
 * insert the manifest's digests at the end of the block (first one wins), and to write the index
 * register then.
 */
#ifndef LX_SIGCHAIN_APPLY_H
#define LX_SIGCHAIN_APPLY_H

#include "base/buf.h"
#include "base/why.h"
#include "sigchain/op.h"
#include "sigchain/params.h"
#include "sigchain/tx.h"

/* What the rules may look at. All append to @out; LX_ERR_ABSENT when there is nothing. */
struct sigchain_view {
        /* the encoded value under a state key */
        enum lx_err (*get)(void *arg, const struct lx_hash *state_key, struct lx_buf *out);
        /* node (level, index) of the log of an append register (32 bytes) */
        enum lx_err (*log_node)(void *arg, const struct lx_hash *address, unsigned level,
            uint64_t index, struct lx_hash *out);
        /* a node of a prefix trie, by hash */
        enum lx_err (*trie_node)(void *arg, const struct lx_hash *hash, struct lx_buf *out);
        /* the manifest with this root: its bytes are stored and fsynced here */
        enum lx_err (*manifest)(void *arg, const struct lx_hash *root, struct lx_buf *out);
        void *arg;
};

enum sigchain_effect_type {
        SIGCHAIN_EFFECT_STATE, /* state_key := value (empty: removed); kind and key say what it is */
        SIGCHAIN_EFFECT_ENTRY,     /* entry number index of append register address */
        SIGCHAIN_EFFECT_LOG_NODE,  /* node (level, index) of that register's log */
        SIGCHAIN_EFFECT_TRIE_NODE, /* a trie node: hash, value */
        SIGCHAIN_EFFECT_INDEX /* insert the manifest of register address into its owner's index */
};

struct sigchain_effect {
        enum sigchain_effect_type type;
        enum sigchain_kind kind;  /* STATE */
        struct lx_span key;       /* STATE: the canonical key */
        struct lx_hash state_key; /* STATE */
        struct lx_hash address;   /* ENTRY, LOG_NODE, INDEX */
        struct lx_hash hash;      /* LOG_NODE, TRIE_NODE; INDEX: the manifest root */
        unsigned level;           /* LOG_NODE */
        uint64_t index;           /* ENTRY, LOG_NODE */
        uint32_t entries;         /* INDEX: how many entries the manifest has */
        struct lx_span value;     /* STATE, ENTRY, TRIE_NODE */
};

/* Spans of the effect are valid during the call only. */
struct sigchain_sink {
        void (*emit)(void *arg, const struct sigchain_effect *effect);
        void *arg;
};

struct sigchain_context {
        const struct lx_crypto_ops *ops;
        struct lx_hash chain_id;
        uint64_t height;                      /* of the block it goes into */
        const struct sigchain_params *params; /* in force for that block */
        uint8_t eid_prefix[4];                /* from genesis */
        struct lx_hash token;                 /* address of the genesis token; zero: none */
};

/**
 * Apply @tx. Returns LX_OK, LX_ERR_RULE, LX_ERR_SEQUENCE (not the chain's next transaction),
 * LX_ERR_EXPIRED, LX_ERR_SIGNATURE (not the committed key), LX_ERR_ABSENT (a manifest or register is
 * not there), LX_ERR_EXISTS, LX_ERR_DENIED (not the owner), LX_ERR_FORMAT, LX_ERR_LIMIT, or what the
 * view returned.
 */
LX_MUST_CHECK enum lx_err
sigchain_apply(const struct sigchain_context *context, const struct sigchain_view *view,
    const struct sigchain_tx *tx, const struct sigchain_sink *sink, struct lx_why *why);

/** Emit the state that the genesis document makes: parameters, set, token, accounts, prefixes. */
LX_MUST_CHECK enum lx_err
sigchain_apply_genesis(const struct lx_crypto_ops *ops, const struct lx_hash *chain_id,
    const struct sigchain_genesis *genesis, const struct sigchain_sink *sink, struct lx_why *why);

/** The address of the genesis token. */
void sigchain_token_address(
    const struct lx_hash_ops *ops, const struct lx_hash *chain_id, struct lx_hash *out);

/** An EID: @eid_prefix, then 96 bits of the hash of (chain id, u32 instance, first key). */
void sigchain_eid_derive(const struct lx_hash_ops *ops, const uint8_t eid_prefix[4],
    const struct lx_hash *chain_id, uint32_t instance, const struct lx_pubkey *key,
    uint8_t out_eid[16]);

/** How many leading zero bits the stamp of a new chain has: H(lx.stamp, chain id, genesis, u64). */
unsigned sigchain_stamp_bits(const struct lx_hash_ops *ops, const struct lx_hash *chain_id,
    const struct lx_hash *genesis, uint64_t stamp);

#endif
