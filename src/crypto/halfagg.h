/*
 * crypto/halfagg.h - half-aggregation of BIP 340 signatures: n of them in 32 * n + 32 bytes.
 *
 * Source: "Half-Aggregation of BIP 340 Signatures" (cross-input-aggregation draft), with its test
 * vectors. Anybody can aggregate, without the signers; the aggregate verifies only if each signature
 * did. Aggregate: the n nonces r (32 each) in order, then s. Messages are 32 bytes here.
 * Threads: pure.
 */
#ifndef LX_CRYPTO_HALFAGG_H
#define LX_CRYPTO_HALFAGG_H

#include "base/err.h"
#include "crypto/ops.h"

#define LX_HALFAGG_MAX 128 /* signatures */
#define LX_HALFAGG_LEN(n) (32 * ((size_t)(n) + 1))

/** One signature's key and message. */
struct lx_halfagg_item {
        struct lx_pubkey key;
        struct lx_hash msg;
};

/**
 * Aggregate @count signatures (1 to LX_HALFAGG_MAX) into @out, LX_HALFAGG_LEN(count) bytes. They are not
 * verified here. LX_ERR_RANGE: the count, or an s that is not below the group's order.
 */
LX_MUST_CHECK enum lx_err lx_halfagg_make(
    const struct lx_halfagg_item *items, const struct lx_sig *sigs, size_t count, uint8_t *out);

/** Whether @agg (LX_HALFAGG_LEN(count) bytes) aggregates valid signatures of all @items. */
bool lx_halfagg_verify(
    const struct lx_halfagg_item *items, size_t count, const uint8_t *agg, size_t agg_len);

#endif
