/*
 * light/store.h - a light node's state on disk: one log of records, each whole or not there.
 *
 * File "light" (over ledger/journal.h's storage, so that tests cut the power at every write):
 *   8 bytes "LXLIGHT1", u64 number of the log, then records:
 *   offset size field
 *        0    4 length n of the content, 1 to LIGHT_RECORD_MAX
 *        4    8 checksum: first bytes of H(lx.light, u64 number, u64 offset of the record, u32 length, content)
 *       12    n entries (light/light.h)
 * What changed between two syncs is one record. The last record may be torn by a power cut: it is cut off, nobody was
 * told of it. A damaged record that another one follows was not torn: LX_ERR_CORRUPT, nothing is touched.
 * When the log is LIGHT_LOG_SLACK longer than twice what the state takes, a new one (number one higher, one
 * record with everything) replaces it.
 *
 * Threads: one; syncing blocks (some ms): a light node has nobody else to serve meanwhile. Spec: doc/light.md.
 */
#ifndef LX_LIGHT_STORE_H
#define LX_LIGHT_STORE_H

#include "ledger/journal.h"
#include "light/light.h"

#define LIGHT_RECORD_MAX (64u << 20)
#define LIGHT_LOG_SLACK (256u * 1024)

struct light_store {
        const struct ledger_storage *storage;
        uint64_t number, end, base; /* of the log, its bytes, bytes after the last rewriting */
        bool broken;                /* a write failed: what is on disk is not known until it is opened again */
};

/**
 * Take up what is stored in @light (new), or begin a log. LX_ERR_CORRUPT, LX_ERR_EXISTS (of another
 * network), LX_ERR_VERSION, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err light_store_open(struct light_store *out_store,
    const struct ledger_storage *storage, struct light *light, struct lx_why *why);
/**
 * Store what changed, durably; nothing to do when nothing did. After an error the store takes nothing more.
 * LX_ERR_IO, LX_ERR_FULL.
 */
LX_MUST_CHECK enum lx_err light_store_sync(
    struct light_store *store, struct light *light, struct lx_why *why);

#endif
