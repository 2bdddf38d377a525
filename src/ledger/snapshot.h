/*
 * ledger/snapshot.h - the ledger at one certified height, in pieces that are verified one by one.
 *
 * Making: any height from ledger_view_pruned_below to the tip can be served, from the store as it
 * is, without preparing anything; a piece is made from a view and a request.
 *
 * Sections, and against what a piece of it is verified, alone, the moment it comes:
 *   STATE    states in the order of their keys, with their values (and, for registers and debits, the
 *            canonical key): a range proof against the header's state root, which also proves that
 *            none was left out;
 *   INDEX    leaves of a publisher's digest index: a range proof against the root in its register;
 *   ENTRIES  entries of an append register: the consistency proof from what is here to its root;
 *   TRIE     nodes of a prefix trie, by hash, in the order of a walk;
 *   blobs    manifests and leaf hashes, against their root (blob/store.h), as in get_blob.
 * Everything else follows and is computed here: headers, certificates, validator sets and history
 * nodes come as headers (all of them, verified before) with ledger_import_headers; log nodes from entries; totals
 * by counting (a chain's sequence says how many transactions it made); tree pages by building.
 *
 * Importing, only into a ledger whose tip is block 0: pieces write records that the tip does not see
 * (by later heights, or staged in LEDGER_IMPORT); what is still wanted stands in LEDGER_IMPORT too,
 * written in the same batch as what a piece brought, so that after kill -9 at any write it goes on
 * where it stopped. When nothing is wanted any more, ledger_import_finish derives the current records
 * in batches of its own (ledger_open completes that after a crash) and, with the last batch and an
 * fsync, makes the height the tip. States below it say LX_ERR_PRUNED.
 *
 * Threads: pieces are made on any thread with a view of one's own; an import belongs to the thread
 * that runs commits (executor.h). Spec: doc/sync.md.
 */
#ifndef LX_LEDGER_SNAPSHOT_H
#define LX_LEDGER_SNAPSHOT_H

#include "ledger/ledger.h"

#define LEDGER_PIECE_MAX (60u * 1024) /* bytes */
#define LEDGER_IMPORT_LANES 256       /* parts of the key space that are fetched side by side */

enum ledger_section {
        LEDGER_SECTION_STATE = 1,   /* from key */
        LEDGER_SECTION_INDEX = 2,   /* tree: address of the index register; from key */
        LEDGER_SECTION_ENTRIES = 3, /* tree: address of the append register; from offset */
        LEDGER_SECTION_TRIE = 4,    /* tree: hash of a node */
        LEDGER_SECTION_BLOB = 5     /* key: u8 kind in key.b[0]; tree: root; from offset */
};

/* What is asked for. */
struct ledger_want {
        enum ledger_section section;
        struct lx_hash tree;
        struct lx_hash key;
        uint64_t offset;
};

/**
 * Make the piece that answers @want as of @height, at most LEDGER_PIECE_MAX bytes, appended to @out.
 * LX_ERR_ABSENT (no such tree, register or node then), LX_ERR_PRUNED, LX_ERR_RANGE (height or offset
 * beyond), LX_ERR_IO, LX_ERR_CORRUPT. Sections but BLOB.
 */
LX_MUST_CHECK enum lx_err ledger_snapshot_piece(struct ledger_view *view, uint64_t height,
    const struct ledger_want *want, struct lx_buf *out);

struct ledger_import;

/**
 * Begin an import of @height, or go on with the one that the store holds (then @height must be its
 * height, or 0: whatever it is). LX_ERR_EXISTS: the tip is above block 0; LX_ERR_ABSENT: @height is 0
 * and there is none; LX_ERR_BUSY: the store holds an import of another height (ledger_import_drop
 * first); LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err ledger_import_open(struct ledger *ledger, uint64_t height,
    struct ledger_import **out_import, struct lx_why *why);
/** Free the handle; what was imported stays. NULL is fine. */
void ledger_import_close(struct ledger_import *import);
/** Remove everything that an unfinished import left, and the import. */
LX_MUST_CHECK enum lx_err ledger_import_drop(struct ledger *ledger, struct lx_why *why);

/** The height it is of. */
uint64_t ledger_import_height(const struct ledger_import *import);
/** The height of the last header it has (0: only genesis), and that header. */
uint64_t ledger_import_last_header(
    const struct ledger_import *import, struct ledger_header *out_header, struct lx_hash *out_hash);

/** The right edge of the log over the headers up to that one. */
void ledger_import_history(const struct ledger_import *import, struct merkle_frontier *out);

/* A header whose certificate was verified. */
struct ledger_certified {
        struct ledger_header header;
        struct lx_span cert;
        struct lx_span set; /* the encoded set that signed; may be empty when it is the one before */
};
/**
 * Add the next headers, up to the import's height at most; certificates must have been verified
 * against the sets, links, history roots and set hashes are checked here. LX_ERR_PROOF names the field.
 */
LX_MUST_CHECK enum lx_err ledger_import_headers(struct ledger_import *import,
    const struct ledger_certified *headers, size_t count, struct lx_why *why);

/**
 * What is wanted now: up to @max, in a fixed order. *out_count 0: nothing is wanted any more. Pieces may
 * come in any order; each moves its want on, or makes others.
 */
LX_MUST_CHECK enum lx_err ledger_import_wants(struct ledger_import *import,
    struct ledger_want *out, size_t max, size_t *out_count);

/**
 * A piece that answers @want: verify, then write it with what it makes wanted. LX_ERR_PROOF,
 * LX_ERR_FORMAT, ...: the peer lied, nothing was written; LX_ERR_ABSENT: that is not wanted (any more);
 * LX_ERR_IO, LX_ERR_FULL: the store failed. For blobs: tell it that one is in the blob store (@bytes NULL).
 */
LX_MUST_CHECK enum lx_err ledger_import_put(struct ledger_import *import,
    const struct ledger_want *want, const uint8_t *bytes, size_t len, struct lx_why *why);

/** Make what was imported so far durable: headers and pieces are written without fsync. */
LX_MUST_CHECK enum lx_err ledger_import_flush(struct ledger_import *import, struct lx_why *why);

/**
 * Nothing is wanted any more: derive the rest and make the height the tip. The transactions of that
 * block (ids as in its root) may be given to be kept with it. The import is consumed on LX_OK.
 * LX_ERR_BUSY: something is still wanted; LX_ERR_CORRUPT: what was built has another root (a bug or
 * a disk that lies: drop and begin again); LX_ERR_IO, LX_ERR_FULL.
 */
LX_MUST_CHECK enum lx_err ledger_import_finish(
    struct ledger_import *import, struct ledger_tx *txs, size_t tx_count, struct lx_why *why);

struct ledger_import_stats {
        uint64_t pieces, states, bytes; /* since it was opened */
};
/** Figures for status. */
void ledger_import_get_stats(
    const struct ledger_import *import, struct ledger_import_stats *out_stats);

#endif
