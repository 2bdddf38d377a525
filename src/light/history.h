/*
 * light/history.h - all headers below the tip: a light node that was asked to keeps them, and proves each.
 *
 * Headers come from height 0 up, narrow (ledger/narrow.h), each against the one before; the history root of each is
 * computed here, not told. They are held as pending until a proof shows that the last of them is in the history of a
 * header that the skip rule accepted: since each names the one before, all of them are then. Only then they count
 * and are stored, as they came: 35 to 69 bytes each.
 *
 *   pending   light_history_take         unproven, in memory; a cut loses what is not a whole header
 *   proven    light_history_prove        until light_history_sync, which must come before more is taken
 *   stored    light_history_sync         with fsync; the mark in light/light.h says how far
 *
 * File "history": 8 bytes "LXHIST01", chain id (32), then records:
 *   offset size field
 *        0    4 length n of the content, at most LIGHT_HISTORY_RECORD_MAX
 *        4    8 checksum: first bytes of H(lx.light, u64 offset of the record, u32 length, content)
 *       12    8 height of its first header
 *       20    2 headers
 *       22      when the first height is a multiple of LIGHT_HISTORY_RUN: above 0 the header before (242) and the root
 *               of the log tree over the LIGHT_HISTORY_RUN headers before (32); at 0 header 0 itself (242)
 *               then the headers, narrow, without chain id
 * No record crosses a multiple of LIGHT_HISTORY_RUN, so that each header is found by reading one run. Memory: 40 bytes
 * for each run. What is torn behind the mark is cut off when it is opened. Damage before it is LX_ERR_CORRUPT: there,
 * of the last run and of the roots that all that comes stands on; of another run when it is read.
 *
 * Ownership: the storage is the caller's. Threads: one; reading and syncing block. Spec: doc/light.md.
 */
#ifndef LX_LIGHT_HISTORY_H
#define LX_LIGHT_HISTORY_H

#include "ledger/journal.h"
#include "light/light.h"

#define LIGHT_HISTORY_RUN 1024u
#define LIGHT_HISTORY_RECORD_MAX (256u << 10)

struct light_history;

/**
 * Open what is stored, as far as the mark of @light says at least; nothing is written yet when there is none.
 * LX_ERR_CORRUPT, LX_ERR_EXISTS (of another network), LX_ERR_VERSION, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err light_history_open(const struct ledger_storage *storage, const struct light *light,
    struct light_history **out_history, struct lx_why *why);
/** Free it. NULL is fine. */
void light_history_free(struct light_history *history);

/** How many headers are stored: all below this height. */
uint64_t light_history_count(const struct light_history *history);
/** The height that comes next: stored, proven and pending ones are below it. */
uint64_t light_history_next(const struct light_history *history);
/** How many are pending. */
uint64_t light_history_pending(const struct light_history *history);
/** Whether what is proven waits for light_history_sync. */
bool light_history_unsynced(const struct light_history *history);

/** Whether the proof of what is stored was lost (a power cut between its file and the mark): light_history_prove. */
bool light_history_unproven(const struct light_history *history, const struct light *light);

/** Header 0, when nothing is here. LX_ERR_PROOF: it is none of this network; and what decoding says. */
LX_MUST_CHECK enum lx_err light_history_take_first(
    struct light_history *history, const uint8_t *bytes, size_t len, struct lx_why *why);
/**
 * The next header off @rd, which becomes pending. LX_ERR_TRUNCATED: more bytes are needed, nothing changed;
 * LX_ERR_PROOF: it does not follow; LX_ERR_LIMIT: the run is full, prove it first; and what decoding says.
 */
LX_MUST_CHECK enum lx_err light_history_take(
    struct light_history *history, struct lx_reader *rd, struct lx_why *why);
/**
 * The hashes, to the end, of the proof that the last pending header (without one: the last stored one) is in the
 * history of the kept header of height @tip.
 * LX_ERR_PROOF: it does not hold; LX_ERR_ABSENT: @tip is not kept any more; LX_ERR_FORMAT.
 */
LX_MUST_CHECK enum lx_err light_history_prove(struct light_history *history, const struct light *light, uint64_t tip,
    const uint8_t *bytes, size_t len, struct lx_why *why);
/** Forget what is pending; how many bytes that were. */
size_t light_history_forget(struct light_history *history);
/**
 * Store what is proven, durably, and set the mark of @light (which its store then writes). After an error nothing more
 * is taken. LX_ERR_IO, LX_ERR_FULL.
 */
LX_MUST_CHECK enum lx_err light_history_sync(
    struct light_history *history, struct light *light, struct lx_why *why);

/** The stored header of @height and its hash. LX_ERR_ABSENT, LX_ERR_CORRUPT, LX_ERR_IO. */
LX_MUST_CHECK enum lx_err light_history_get(struct light_history *history, uint64_t height,
    struct ledger_header *out_header, struct lx_hash *out_hash, struct lx_why *why);
/**
 * The proof that the stored header of @height is in the history of the kept header of height *out_size.
 * LX_ERR_ABSENT: it is not stored, or no kept header proves it; LX_ERR_CORRUPT, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err light_history_path(struct light_history *history, const struct light *light,
    uint64_t height, struct merkle_path *out_path, uint64_t *out_size, struct lx_why *why);

#endif
