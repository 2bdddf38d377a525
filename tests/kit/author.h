/*
 * kit/author.h - for tests: a signature chain whose owner writes transactions, and a genesis document
 * with validators whose keys are known.
 *
 * Keys follow from a number, so the same calls make the same bytes. Nothing here talks to a node: the
 * author assumes that what it wrote becomes final, in order.
 */
#ifndef LX_KIT_AUTHOR_H
#define LX_KIT_AUTHOR_H

#include "base/buf.h"
#include "crypto/secret.h"
#include "sigchain/op.h"
#include "sigchain/tx.h"

struct author {
        struct lx_hash chain_id; /* of the network */
        struct lx_hash genesis;  /* of the signature chain */
        struct lx_hash last;     /* id of the newest transaction; zero: none */
        uint64_t sequence;       /* of the next transaction */
        uint64_t fee;            /* offered by the next ones; with fee_account */
        struct lx_hash fee_account;
        uint64_t expiry; /* of the next ones; 0: none */
        struct lx_secret name_key, seed;
};

/** Author number @n on network @chain_id; nothing is written yet. */
void author_init(struct author *a, uint64_t n, const struct lx_hash *chain_id);
/** Free the keys. */
void author_clear(struct author *a);
/** Append the encoded next transaction with @count operations; @out_id may be NULL. */
void author_write_tx(struct author *a, const struct sigchain_op_body *ops, size_t count,
    struct lx_buf *out, struct lx_hash *out_id);
/** The first transaction: the crypto register of a key-file identity. */
void author_begin(struct author *a, struct lx_buf *out, struct lx_hash *out_id);
/** One that makes a raw register with @len bytes; its address. */
void author_create_raw(struct author *a, const void *data, size_t len, struct lx_buf *out,
    struct lx_hash *out_id, struct lx_hash *out_address);
/** One that writes @len bytes into a raw register. */
void author_write_raw(struct author *a, const struct lx_hash *address, const void *data, size_t len,
    struct lx_buf *out, struct lx_hash *out_id);

/** The secret key of validator @i. */
void kit_validator_key(size_t i, uint8_t out[32]);
/**
 * Append the canonical genesis document of a network with @count validators of power @power[i] (NULL:
 * 1 each). @parameters: the inside of a JSON object ("\"heartbeat-ms\":0"), may be empty.
 */
void kit_genesis(size_t count, const uint64_t *power, const char *parameters, struct lx_buf *out);

#endif
