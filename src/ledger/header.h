/*
 * ledger/header.h - the block header: 242 fixed bytes.
 *
 *   offset size field
 *        0    2 rule version
 *        2   32 chain id
 *       34    8 height
 *       42    8 time, ms since 1970
 *       50   32 previous header's hash (zero at height 0)
 *       82   32 transactions root: log tree over the transaction ids as leaf data
 *      114   32 state root after this block
 *      146   32 history root: log tree over the hashes of all earlier headers as leaf data
 *      178   32 hash of the validator set that signs this header
 *      210   32 hash of the next set
 * Its hash is H(lx.header, bytes). Freestanding. Threads: pure. Spec: doc/header.md.
 */
#ifndef LX_LEDGER_HEADER_H
#define LX_LEDGER_HEADER_H

#include "base/wire.h"
#include "crypto/ops.h"

#define LEDGER_HEADER_LEN 242
/*
 * The newest rule version that this program knows. 1: as doc/ says. 2: the same rules; it is there so that
 * a network can go through an upgrade (parameter-update of rule-version) before one is needed.
 */
#define LEDGER_RULE_VERSION 2

struct ledger_header {
        uint16_t rule_version;
        struct lx_hash chain_id;
        uint64_t height;
        uint64_t time_ms;
        struct lx_hash previous;
        struct lx_hash tx_root;
        struct lx_hash state_root;
        struct lx_hash history_root;
        struct lx_hash valset;
        struct lx_hash next_valset;
};

/** Write the bytes above. */
void ledger_header_encode(const struct ledger_header *header, uint8_t out[LEDGER_HEADER_LEN]);
/** Read them: exactly LEDGER_HEADER_LEN bytes. */
LX_MUST_CHECK enum lx_err ledger_header_decode(
    const uint8_t *bytes, size_t len, struct ledger_header *out_header);
/** The hash of @header. */
void ledger_header_hash(const struct lx_hash_ops *ops, const struct ledger_header *header,
    struct lx_hash *out);

#endif
