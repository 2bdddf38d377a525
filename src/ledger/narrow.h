/*
 * ledger/narrow.h - headers and certificates as narrow links carry them.
 *
 * A header is written against one that the receiver has (the known one): what follows from that is
 * left out. Bytes:
 *   u8   flags
 *        1 NEXT       height is known + 1 and previous is the known header's hash: both left out
 *        2 SET        the signing set is not the known header's next set: its hash follows
 *        4 NEXT_SET   the next set is not the signing set: its hash follows
 *        8 VERSION    another rule version: u16 follows
 *       16 EMPTY      no transactions: their root is left out
 *       32 HISTORY    the history root is left out: the receiver has the whole history before it
 *   then, in this order, what is not left out: u16 version; varint height - known height (at least 1);
 *   previous (32); varint time - known time in ms (at least 1); transactions root (32); state root (32);
 *   history root (32); signing set's hash (32); next set's hash (32)
 * Varint: 7 bits a byte, low ones first, the high bit says that more follow; the shortest form only.
 *
 * A certificate (cert.h) is narrowed by leaving out signatures beyond two thirds of the power and
 * half-aggregating the rest; ledger_cert_verify and ledger_cert_skip take both. The headers' codec is
 * freestanding. Threads: pure. Spec: doc/header.md.
 */
#ifndef LX_LEDGER_NARROW_H
#define LX_LEDGER_NARROW_H

#include "ledger/cert.h"

#define LEDGER_NARROW_HEADER_MAX (1 + 2 + 10 + 10 + 6 * 32)
#define LEDGER_NARROW_CERT_MAX (4 + 16 + 32 * (SIGCHAIN_VALIDATORS_MAX + 1))

enum ledger_narrow_flag {
        LEDGER_NARROW_NEXT = 1,
        LEDGER_NARROW_SET = 2,
        LEDGER_NARROW_NEXT_SET = 4,
        LEDGER_NARROW_VERSION = 8,
        LEDGER_NARROW_EMPTY = 16,
        LEDGER_NARROW_HISTORY = 32
};

/* What the receiver has. */
struct ledger_narrow_known {
        struct ledger_header header;
        struct lx_hash hash;          /* of that header */
        const struct lx_hash *history; /* root over all headers up to it, for NEXT with HISTORY; or NULL */
};

/** Write @header against @known, of the same chain and below it; everything that can be left out is. */
void ledger_narrow_encode(const struct lx_hash_ops *ops, const struct ledger_narrow_known *known,
    const struct ledger_header *header, struct lx_writer *wr);

/**
 * Read one header against @known. LX_ERR_FORMAT (unknown flags, a form that is not the shortest, HISTORY
 * when @known has none), LX_ERR_RANGE (height or time overflows), LX_ERR_TRUNCATED. It is not verified.
 */
LX_MUST_CHECK enum lx_err ledger_narrow_decode(const struct lx_hash_ops *ops,
    const struct ledger_narrow_known *known, struct lx_reader *rd, struct ledger_header *out_header);

/**
 * Write the narrow form of certificate @cert of @set into @wr: the strongest signers until they have
 * more than two thirds, aggregated where that is shorter. LX_ERR_PROOF: too little power.
 */
LX_MUST_CHECK enum lx_err ledger_narrow_cert(const struct lx_hash_ops *ops,
    const struct ledger_header *header, const struct sigchain_valset *set, const uint8_t *cert,
    size_t cert_len, struct lx_writer *wr);

#endif
