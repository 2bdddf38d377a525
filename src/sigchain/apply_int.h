/*
 * sigchain/apply_int.h - what the rules share: the transaction at hand and its overlay.
 */
#ifndef LX_SIGCHAIN_APPLY_INT_H
#define LX_SIGCHAIN_APPLY_INT_H

#include "base/mem.h"
#include "sigchain/apply.h"
#include "sigchain/standard.h"

/* One effect that later operations of the same transaction must see. */
struct overlay {
        struct overlay *next;
        enum sigchain_effect_type type;
        struct lx_hash id; /* STATE: state key; LOG_NODE: address; TRIE_NODE: hash */
        unsigned level;    /* LOG_NODE */
        uint64_t index;    /* LOG_NODE */
        struct lx_span value;
};

struct apply {
        const struct sigchain_context *context;
        const struct sigchain_view *view;
        const struct sigchain_tx *tx;
        const struct sigchain_sink *sink;
        struct lx_why *why;
        struct lx_arena *arena;
        struct overlay *overlay; /* newest first */
        uint8_t op;              /* number of the operation at hand */
        bool recovery;           /* signed by the recovery key */
        uint64_t cost;           /* units, of the operations so far */
        uint64_t inserts;        /* digests that the manifests so far put into the index */
        struct lx_hash signer;   /* genesis id of the chain */
};

/** The hash table in use. */
static inline const struct lx_hash_ops *
apply_ops(const struct apply *a)
{
        return &a->context->ops->hash;
}

/* State, through the overlay; values live in the arena. LX_ERR_ABSENT: nothing there. */
LX_MUST_CHECK enum lx_err apply_get(struct apply *a, enum sigchain_kind kind, const void *key,
    size_t key_len, struct lx_span *out_value);
/** Emit a state value (empty: removed) and remember it. */
void apply_put(struct apply *a, enum sigchain_kind kind, const void *key, size_t key_len,
    struct lx_span value);
/** The register at @address; a why when it is absent. Spans live in the arena. */
LX_MUST_CHECK enum lx_err apply_get_register(
    struct apply *a, const struct lx_hash *address, struct sigchain_register *out_reg);
/** The same, which the signer must own. */
LX_MUST_CHECK enum lx_err
apply_get_owned(struct apply *a, const struct lx_hash *address, struct sigchain_register *out_reg);
/** Emit the register; modified becomes the height. */
void apply_put_register(
    struct apply *a, const struct lx_hash *address, const struct sigchain_register *reg);
/** Encode @object into the arena. */
struct lx_span apply_encode_object(struct apply *a, const struct sigchain_object *object);
/** Give u64 field @name, which must be there, a value. */
void apply_set_u64(struct sigchain_object *object, const char *name, uint64_t value);
/** A view of log and trie nodes through the overlay. */
enum lx_err apply_log_node(struct apply *a, const struct lx_hash *address, unsigned level,
    uint64_t index, struct lx_hash *out);
/** Emit node and remember it. */
void apply_put_log_node(struct apply *a, const struct lx_hash *address, unsigned level,
    uint64_t index, const struct lx_hash *node);
/** A trie node by hash. */
enum lx_err apply_trie_node(void *arg, const struct lx_hash *hash, struct lx_buf *out);
/** Emit a trie node and remember it. */
void apply_put_trie_node(void *arg, const struct lx_hash *hash, const uint8_t *bytes, size_t len);
/** Say which rule forbids it: LX_ERR_RULE. */
__attribute__((format(printf, 3, 4))) enum lx_err
apply_refuse(struct apply *a, const char *rule, const char *fmt, ...);

/* The operations: checks and effects. */
LX_MUST_CHECK enum lx_err apply_create(struct apply *a, const struct sigchain_op_body *body);
LX_MUST_CHECK enum lx_err apply_write(struct apply *a, const struct sigchain_op_body *body);
LX_MUST_CHECK enum lx_err apply_append(struct apply *a, const struct sigchain_op_body *body);
LX_MUST_CHECK enum lx_err apply_transfer(struct apply *a, const struct sigchain_op_body *body);
LX_MUST_CHECK enum lx_err apply_claim(struct apply *a, const struct sigchain_op_body *body);
LX_MUST_CHECK enum lx_err apply_debit(struct apply *a, const struct sigchain_op_body *body);
LX_MUST_CHECK enum lx_err apply_credit(struct apply *a, const struct sigchain_op_body *body);
LX_MUST_CHECK enum lx_err apply_revoke(struct apply *a, const struct sigchain_op_body *body);
LX_MUST_CHECK enum lx_err apply_update(struct apply *a, const struct sigchain_op_body *body);
/** Take the fee for a->cost from the fee account. */
LX_MUST_CHECK enum lx_err apply_fee(struct apply *a);

/* What creating a register of a type asks for beyond its schema. */
LX_MUST_CHECK enum lx_err
apply_check_new(struct apply *a, enum sigchain_type type, struct sigchain_object *object);
/** Enter prefix register @address, whose fields are @object, into its trie. */
LX_MUST_CHECK enum lx_err apply_enter_prefix(
    struct apply *a, const struct sigchain_object *object, const struct lx_hash *address);
/**
 * Whether the signer owns the prefix that covers prefix register @reg, which is another chain's: it may take
 * back what it delegated. Then @reg names no EID any more; its owner is left to the caller.
 */
LX_MUST_CHECK enum lx_err
apply_take_back_prefix(struct apply *a, struct sigchain_register *reg, bool *out_taken);

#endif
