/*
 * lx/wallet.h - transactions from operations: built on the chain's last one, signed, handed in.
 *
 * When another device was faster (the node says LX_ERR_SEQUENCE), the transaction is built again on
 * top, a few times.
 */
#ifndef LX_LX_WALLET_H
#define LX_LX_WALLET_H

#include "lx/signer.h"
#include "sigchain/object.h"
#include "sigchain/op.h"

struct lx_ops {
        size_t count;
        struct sigchain_op op[SIGCHAIN_OPS_MAX];
        struct lx_buf body[SIGCHAIN_OPS_MAX];
};

struct lx_receipt {
        struct lx_hash id;
        uint64_t height;   /* 0: accepted only */
        uint64_t sequence; /* of the transaction in its chain */
};

/** Append an operation; at most SIGCHAIN_OPS_MAX (asserted). */
void lx_ops_add(struct lx_ops *ops, const struct sigchain_op_body *body);
/** Append a create operation of an object register. */
void lx_ops_create(
    struct lx_ops *ops, enum sigchain_type type, const struct sigchain_object *object);
/** Append a write operation that changes fields of an object register. */
void lx_ops_write(
    struct lx_ops *ops, const struct lx_hash *address, const struct sigchain_object *fields);
/** Free the bodies. */
void lx_ops_clear(struct lx_ops *ops);

/* How the transaction is special; all zero: it is not. */
struct lx_submit_how {
        const struct lx_signer *next;      /* commits to a key of this signer's seed (passwd, recover) */
        const struct lx_secret *recovery;  /* signed by this key in place of the chain's */
        bool first;                        /* sequence 0: also signed by the name key */
};
/**
 * Fee and fee account that the network asks for, for the operations of @tx: from the signer's account of
 * the genesis token that holds most. Nothing where the network asks for none, or for a first transaction.
 */
LX_MUST_CHECK enum lx_err lx_set_fee(
    struct lx *lx, const struct lx_signer *signer, struct sigchain_tx *tx);
/** Where the network asks for fees, append the creation of an account to pay them from. */
LX_MUST_CHECK enum lx_err lx_add_fee_account(
    struct lx *lx, const struct lx_signer *signer, struct lx_ops *ops);
/** Build, sign, hand in, wait. Progress is the node's. */
LX_MUST_CHECK enum lx_err lx_submit(struct lx *lx, struct lx_signer *signer, const struct lx_ops *ops,
    const struct lx_submit_how *how, struct lx_receipt *out_receipt);
/** lx_submit for an ordinary transaction of whoever is logged in; prints errors. */
int lx_submit_plain(struct lx *lx, const struct lx_ops *ops, struct lx_receipt *out_receipt,
    struct lx_hash *out_genesis);

/* Objects from fields. */
void lx_field_text(struct sigchain_object *o, const char *name, enum sigchain_access access, const char *s);
/** A number. */
void lx_field_u64(struct sigchain_object *o, const char *name, enum sigchain_access access, uint64_t v);
/** A hash or address. @h must outlive @o. */
void lx_field_hash(struct sigchain_object *o, const char *name, enum sigchain_field_type type,
    enum sigchain_access access, const struct lx_hash *h);
/** Bytes. */
void lx_field_bytes(struct sigchain_object *o, const char *name, enum sigchain_access access, struct lx_span s);

#endif
