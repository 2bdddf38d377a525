/*
 * sigchain/tx.h - transactions: a list of operations, signed by the chain's next one-time key.
 *
 * Bytes of the core (its hash H(lx.tx, core) is the id):
 *   u8   version 1
 *   hash chain id           of the network
 *   hash genesis            of the signature chain
 *   u64  sequence           0 for the first
 *   hash previous           id of the chain's last transaction; zero for the first
 *   hash next               H(lx.nextkey, key that will sign the next one)
 *   u64  expiry             last height at which it may be included; 0: none
 *   u64  fee                in the genesis token; 0: none
 *   hash fee account        zero when fee is 0
 *   u8   operations         1 to 100, then each: u8 type, u16 body length, body (op.h)
 * Then the witnesses: u8 count 1 to 4, each: u8 role, key (32), signature (64); roles rise strictly.
 * Each signs H(lx.witness, role, id). Id and transactions root leave the witnesses out.
 * At most SIGCHAIN_TX_MAX bytes. Threads: pure. Spec: doc/transaction.md.
 *
 * Version 2 is evidence against validators (ledger/evidence.h), which proves itself and belongs to no chain:
 *   u8   version 2
 *   hash chain id           of the network
 *        evidence           to the end
 * Its id is the hash of all of it, its genesis (for tables keyed by chain) the id, it has no operations and no
 * witnesses; sigchain_apply refuses it: the ledger applies it itself.
 */
#ifndef LX_SIGCHAIN_TX_H
#define LX_SIGCHAIN_TX_H

#include "base/buf.h"
#include "base/wire.h"
#include "crypto/ops.h"

#define SIGCHAIN_TX_MAX (60u * 1024)
#define SIGCHAIN_OPS_MAX 100
#define SIGCHAIN_WITNESSES_MAX 4
#define SIGCHAIN_TX_EVIDENCE 2 /* version */
#define SIGCHAIN_FREE_OPS 2    /* a first transaction with no more than these owes no fee */

enum sigchain_role {
        SIGCHAIN_ROLE_CHAIN = 1,    /* the committed one-time key */
        SIGCHAIN_ROLE_NAME = 2,     /* first transaction only: the key that the genesis id is of */
        SIGCHAIN_ROLE_RECOVERY = 3, /* in place of chain: the committed recovery key */
        SIGCHAIN_ROLE_SPONSOR = 4,  /* reserved: decodes, refused by rule */
        SIGCHAIN_ROLE_DELEGATE = 5  /* reserved: decodes, refused by rule */
};

struct sigchain_witness {
        enum sigchain_role role;
        struct lx_pubkey key;
        struct lx_sig sig;
};

struct sigchain_op {
        uint8_t type; /* enum sigchain_op_type, op.h; unknown ones decode and are refused by rule */
        struct lx_span body;
};

/* A decoded transaction. Spans point into the bytes it was decoded from. */
struct sigchain_tx {
        uint8_t version; /* SIGCHAIN_TX_EVIDENCE, else 1 (0 is taken for 1 when encoding) */
        struct lx_span
            evidence; /* of version 2; all below but chain_id, id and core is empty then */
        struct lx_hash chain_id;
        struct lx_hash genesis;
        uint64_t sequence;
        struct lx_hash previous;
        struct lx_hash next;
        uint64_t expiry;
        uint64_t fee;
        struct lx_hash fee_account;
        size_t op_count;
        struct sigchain_op op[SIGCHAIN_OPS_MAX];
        size_t witness_count;
        struct sigchain_witness witness[SIGCHAIN_WITNESSES_MAX];
        struct lx_hash id;   /* computed while decoding and by sigchain_tx_id */
        struct lx_span core; /* the core's bytes, after decoding */
};

/** Write core and witnesses; the writer fails with LX_ERR_RANGE where a limit is broken. */
void sigchain_tx_encode(const struct sigchain_tx *tx, struct lx_writer *wr);
/** Write the core alone. */
void sigchain_tx_encode_core(const struct sigchain_tx *tx, struct lx_writer *wr);
/** Read one transaction, to the end; fills id and core. */
LX_MUST_CHECK enum lx_err sigchain_tx_decode(
    const struct lx_hash_ops *ops, const uint8_t *bytes, size_t len, struct sigchain_tx *out_tx);

/** The witness of @role, or NULL. */
const struct sigchain_witness *
sigchain_tx_witness(const struct sigchain_tx *tx, enum sigchain_role role);

/** The id of the core's bytes. */
void
sigchain_tx_id(const struct lx_hash_ops *ops, const void *core, size_t len, struct lx_hash *out);
/** What a witness of @role signs for transaction @id. */
void sigchain_tx_message(const struct lx_hash_ops *ops, enum sigchain_role role,
    const struct lx_hash *id, struct lx_hash *out);
/** The commitment to a one-time or recovery key. */
void
sigchain_next_hash(const struct lx_hash_ops *ops, const struct lx_pubkey *key, struct lx_hash *out);
/** The genesis id that belongs to a name key. */
void sigchain_genesis_id(
    const struct lx_hash_ops *ops, const struct lx_pubkey *name_key, struct lx_hash *out);

/**
 * Whether every witness's signature verifies. Pure and slow (about 40 us each): for worker threads.
 * Says nothing about whether these are the right keys: sigchain_apply does. Evidence has no witnesses: what it
 * proves is verified where it is applied (ledger/evidence.h).
 */
LX_MUST_CHECK enum lx_err
sigchain_tx_verify(const struct lx_crypto_ops *ops, const struct sigchain_tx *tx);

#endif
