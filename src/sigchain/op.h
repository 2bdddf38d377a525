/*
 * sigchain/op.h - operations: one row each of one table (checks, effect, cost).
 *
 * Bodies (big-endian; "rest": to the end of the body):
 *   create            u8 register type, var16 data
 *   write             address, var16 data   raw: the new bytes; object: the fields to change, encoded
 *                                           as an object (object.h)
 *   append            address, u8 count 1 to 100, each var16 entry (1 to 4096 bytes)
 *   transfer          address, genesis id of the receiver (zero: take the offer back)
 *   claim             address
 *   debit             from (account or token), to (account), u64 amount > 0, u64 expiry
 *   credit            tx id (32), u8 operation, account
 *   revoke            digest (32): of this chain's own releases and approvals, for ever
 *   validator-update  u64 expiry, var16 validator set, certificate (rest; valset.h)
 *   parameter-update  u64 expiry, var16 parameters (those that change), certificate (rest)
 *   node-admit        u64 expiry, var16 (node register's address, u64 roles), certificate (rest)
 * The last three are signed by the validators and each such signature works once (apply_update.c).
 * Threads: pure. Spec: doc/transaction.md.
 */
#ifndef LX_SIGCHAIN_OP_H
#define LX_SIGCHAIN_OP_H

#include "base/wire.h"
#include "crypto/ops.h"
#include "sigchain/state.h"

enum sigchain_op_type {
        SIGCHAIN_OP_CREATE = 1,
        SIGCHAIN_OP_WRITE = 2,
        SIGCHAIN_OP_APPEND = 3,
        SIGCHAIN_OP_TRANSFER = 4,
        SIGCHAIN_OP_CLAIM = 5,
        SIGCHAIN_OP_DEBIT = 6,
        SIGCHAIN_OP_CREDIT = 7,
        SIGCHAIN_OP_REVOKE = 8,
        SIGCHAIN_OP_VALIDATOR_UPDATE = 9,
        SIGCHAIN_OP_PARAMETER_UPDATE = 10,
        SIGCHAIN_OP_NODE_ADMIT = 11
};

#define SIGCHAIN_ENTRIES_MAX 100
#define SIGCHAIN_ENTRY_MAX 4096

/** The name of an operation ("validator-update"), NULL for an unknown type. */
const char *sigchain_op_name(unsigned type);
/** What it costs at a fee of 1 per unit, for a body of @body_len bytes; 0 for an unknown type. */
uint64_t sigchain_op_cost(unsigned type, size_t body_len);
/** What a manifest of @len bytes costs on top: everybody stores it. */
uint64_t sigchain_manifest_cost(uint64_t len);

/* The decoded bodies. Spans point into the body. */
struct sigchain_op_create {
        enum sigchain_type type;
        struct lx_span data;
};
struct sigchain_op_write {
        struct lx_hash address;
        struct lx_span data;
};
struct sigchain_op_append {
        struct lx_hash address;
        size_t count;
        struct lx_span entry[SIGCHAIN_ENTRIES_MAX];
};
struct sigchain_op_transfer {
        struct lx_hash address;
        struct lx_hash to;
};
struct sigchain_op_claim {
        struct lx_hash address;
};
struct sigchain_op_debit {
        struct lx_hash from;
        struct lx_hash to;
        uint64_t amount;
        uint64_t expiry;
};
struct sigchain_op_credit {
        struct lx_hash tx;
        uint8_t op;
        struct lx_hash account;
};
struct sigchain_op_revoke {
        struct lx_hash digest;
};
struct sigchain_op_update {
        uint64_t expiry;
        struct lx_span what; /* encoded validator set, parameters, or address and roles */
        struct lx_span cert; /* update certificate, valset.h */
};

/* Any body. */
struct sigchain_op_body {
        enum sigchain_op_type type;
        union {
                struct sigchain_op_create create;
                struct sigchain_op_write write;
                struct sigchain_op_append append;
                struct sigchain_op_transfer transfer;
                struct sigchain_op_claim claim;
                struct sigchain_op_debit debit;
                struct sigchain_op_credit credit;
                struct sigchain_op_revoke revoke;
                struct sigchain_op_update update;
        } u;
};

/** Write the body (without type and length). */
void sigchain_op_encode(const struct sigchain_op_body *body, struct lx_writer *wr);
/** Read it, to the end; LX_ERR_FORMAT for an unknown type. */
LX_MUST_CHECK enum lx_err
sigchain_op_decode(unsigned type, struct lx_span bytes, struct sigchain_op_body *out_body);

#endif
