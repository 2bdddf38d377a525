/*
 * light/history_int.h - what history.c and history_read.c share.
 */
#ifndef LX_LIGHT_HISTORY_INT_H
#define LX_LIGHT_HISTORY_INT_H

#include "light/history.h"

#include "base/buf.h"

#include <assert.h>

#define HISTORY_NAME "history"
#define HISTORY_HEAD 40u        /* of the file */
#define HISTORY_RECORD_HEAD 12u
#define HISTORY_CONTENT_HEAD 10u
#define HISTORY_LEVEL 10u       /* of a run in the log tree */

static_assert(1u << HISTORY_LEVEL == LIGHT_HISTORY_RUN, "a run is a whole subtree");

/* Where the chain of headers is: all before it, and the last of them. */
struct history_point {
        struct merkle_frontier frontier; /* over the hashes of all headers up to here */
        struct ledger_header header;     /* the last one; frontier.size 0: none */
        struct lx_hash hash;
        struct lx_hash run_root;         /* of the run that ended last */
};

struct light_history {
        const struct ledger_storage *storage;
        const struct lx_hash_ops *ops;
        struct lx_hash chain_id;
        struct history_point stored, now; /* now: with what is pending */
        uint64_t bytes;           /* of the file; 0: there is none yet */
        uint64_t *offset;         /* of the record that begins run i */
        struct lx_hash *root;     /* of run i, where it is whole */
        size_t runs;              /* begun */
        struct lx_buf pending;    /* narrow; at height 0 behind header 0 */
        bool proven, broken;
        struct light_history_mark mark; /* of what is proven */
};

/** One more header behind @point. */
void history_advance(const struct light_history *h, struct history_point *point,
    const struct ledger_header *header, const struct lx_hash *hash);
/** Read the header that follows @point off @rd. LX_ERR_PROOF: it does not follow; and what decoding says. */
LX_MUST_CHECK enum lx_err history_read_next(const struct light_history *h, const struct history_point *point,
    struct lx_reader *rd, struct ledger_header *out_header);
/** Room for one more run that begins at @offset of the file. */
void history_begin_run(struct light_history *h, uint64_t offset);
/** The checksum of a record's content. */
void history_checksum(const struct light_history *h, uint64_t offset, struct lx_span content, uint8_t out[8]);

/* history_read.c */
/** Find the records of the file, and where they end. */
LX_MUST_CHECK enum lx_err history_scan(struct light_history *h, const struct light *light, struct lx_why *why);

#endif
