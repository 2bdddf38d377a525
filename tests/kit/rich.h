/*
 * kit/rich.h - for tests: a chain that has everything a ledger keeps: registers of many owners, releases of two
 * publishers that share files, approvals, files, append registers, prefixes, open debits, registers that changed.
 */
#ifndef LX_KIT_RICH_H
#define LX_KIT_RICH_H

#include "kit/chain.h"

#define RICH_VALIDATORS 4

struct rich {
        struct lx_buf genesis;
        struct kit_ledger kit;
        struct author author[3]; /* 0: token and prefixes; 0 and 1 publish */
        struct lx_hash append, raw, release;
        uint64_t entries; /* of the append register */
        unsigned releases;
};

/** A chain of some 30 blocks with @registers raw registers and @entries log entries. */
void rich_init(struct rich *r, unsigned registers, unsigned entries);
/** One more block that touches everything: entries, a release, a debit, a write. */
void rich_grow(struct rich *r);
/** Free it. */
void rich_clear(struct rich *r);
/** Copy the blobs of @r into @to. */
void rich_copy_blobs(struct rich *r, struct kit_ledger *to);
/** Bring @to, which has the same genesis, to @r's tip, block by block. */
void rich_copy_chain(struct rich *r, struct kit_ledger *to);

#endif
