/*
 * ledger/chain_file.h - the chain file: a run of headers with their certificates, to carry somewhere.
 *
 *   offset size field
 *        0    8 "LXCHAIN1"
 *        8   32 chain id
 *       40    8 first height
 *       48    8 count of headers (at least 1), then each:
 *              242 header
 *            var32 certificate; empty at height 0
 *            var16 the validator set that signed it; empty when it is the one before
 * Reading checks form, chain id and heights; links and certificates are the caller's. Threads: pure.
 * Spec: doc/ledger.md.
 */
#ifndef LX_LEDGER_CHAIN_FILE_H
#define LX_LEDGER_CHAIN_FILE_H

#include "base/buf.h"
#include "ledger/cert.h"

#define LEDGER_CHAIN_FILE_MAGIC "LXCHAIN1"

struct ledger_chain_file {
        struct lx_hash chain_id;
        uint64_t first; /* height */
        uint64_t count; /* headers */
        uint64_t next;  /* height of the header that is read next */
};

struct ledger_chain_item {
        struct ledger_header header;
        struct lx_span cert;
        struct lx_span set; /* empty: as before */
};

/** Append the head of a file of @count headers from @first on. */
void ledger_chain_file_begin(
    struct lx_buf *out, const struct lx_hash *chain_id, uint64_t first, uint64_t count);
/** Append one header (242 bytes), its certificate and set. LX_ERR_RANGE: longer than they can be. */
LX_MUST_CHECK enum lx_err ledger_chain_file_add(
    struct lx_buf *out, struct lx_span header, struct lx_span cert, struct lx_span set);

/** Whether @bytes begin as a chain file does. */
bool ledger_chain_file_is(struct lx_span bytes);
/** Read the head; LX_ERR_FORMAT: it is no chain file. */
LX_MUST_CHECK enum lx_err ledger_chain_file_open(
    struct lx_reader *rd, struct ledger_chain_file *out_file);
/** Whether another header follows. */
bool ledger_chain_file_has_more(const struct ledger_chain_file *file);
/**
 * Read the next header; spans point into the input. LX_ERR_FORMAT: another chain id or height than its
 * place asks for. After the last one lx_reader_end says whether the file ends there.
 */
LX_MUST_CHECK enum lx_err ledger_chain_file_next(
    struct lx_reader *rd, struct ledger_chain_file *file, struct ledger_chain_item *out_item);

#endif
