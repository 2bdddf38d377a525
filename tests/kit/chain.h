/*
 * kit/chain.h - for tests: a ledger in memory with a pool and an executor that run when they are reaped,
 * and blocks signed by the validators of kit/author.h.
 */
#ifndef LX_KIT_CHAIN_H
#define LX_KIT_CHAIN_H

#include "kit/author.h"
#include "ledger/executor.h"
#include "ledger/ledger.h"
#include "lld/mem.h"

struct kit_ledger {
        struct lld_disk *disk;
        struct lld *db;
        struct blob_store *blobs;
        char dir[64]; /* of the blobs */
        struct ledger *ledger;
        struct lx_pool *pool;
        struct ledger_executor *executor;
};

/** An empty ledger of the network of @genesis, on a disk of its own. */
void kit_ledger_init(struct kit_ledger *kit, const struct lx_buf *genesis);
/** Close the ledger and open it again, as after a kill. */
void kit_ledger_reopen(struct kit_ledger *kit);
/** Only close, only open (LX_OK asserted). */
void kit_ledger_close(struct kit_ledger *kit);
/** See kit_ledger_close. */
void kit_ledger_open(struct kit_ledger *kit);
/** Free it all. */
void kit_ledger_clear(struct kit_ledger *kit);
/** Run what waits in pool and executor until nothing does; whether something ran. */
bool kit_ledger_run(struct kit_ledger *kit);
/** The height of its tip; @out_hash may be NULL. */
uint64_t kit_ledger_tip(struct kit_ledger *kit, struct lx_hash *out_hash);
/** Append the certificate of @header by the first @signers of @validators validators. */
void kit_certify(const struct ledger_header *header, const struct sigchain_valset *set,
    size_t validators, size_t signers, struct lx_buf *out);
/** The same by those of the set whose bits are set in @signers (bit 0: the first), in @round. */
void kit_certify_by(const struct ledger_header *header, const struct sigchain_valset *set,
    size_t validators, uint32_t signers, uint32_t round, struct lx_buf *out);
/**
 * Build, certify and commit a block with @count transactions (spans of encoded ones), all of which must be
 * included, @validators of the genesis set signing.
 */
void kit_ledger_add_block(
    struct kit_ledger *kit, const struct lx_span *txs, size_t count, size_t validators);
/** The same, certified as by kit_certify_by; @signers 0: as above. */
void kit_ledger_add_block_by(struct kit_ledger *kit, const struct lx_span *txs, size_t count,
    size_t validators, uint32_t signers, uint32_t round);

#endif
