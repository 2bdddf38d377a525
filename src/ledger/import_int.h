/*
 * ledger/import_int.h - what the files of snapshots share: the bytes of pieces, the records of LEDGER_IMPORT.
 *
 * Records of LEDGER_IMPORT (first byte of the key says which):
 *   'm'                              struct import_meta, once
 *   'w' u8 section, tree, u8 sub     key (32), u64 offset: wanted from there on; sub: lane, or blob kind
 *   'd' tree, digest                 release (32), u32 entry: a leaf of a digest index
 *   'i' address                      nothing: an index register whose tree is to be built
 *   'p' u8 lane                      the built part of the state tree (struct merkle_part)
 *   'b'                              ids of the transactions of the block
 */
#ifndef LX_LEDGER_IMPORT_INT_H
#define LX_LEDGER_IMPORT_INT_H

#include "ledger/ledger_int.h"
#include "ledger/snapshot.h"
#include "merkle/range.h"

#define IMPORT_PROOF_ROOM (8u << 10) /* bytes of a piece that are left for its proof */

enum import_phase {
        IMPORT_FETCH = 1, /* headers and pieces come */
        IMPORT_FILL = 2,  /* current records of lane meta.lane on are written */
        IMPORT_INDEX = 3  /* digest indexes, then the top */
};

struct import_meta {
        uint64_t height;
        enum import_phase phase;
        uint32_t lane;
        uint64_t last_header;
        struct totals totals;
};

struct ledger_import {
        struct ledger *ledger;
        struct import_meta meta;
        struct ledger_header last;      /* the last header that was added; genesis before */
        struct lx_hash last_hash;
        struct merkle_frontier history; /* over the headers up to it */
        struct lx_hash state_root;      /* of the import's header, when it is here */
        struct ledger_import_stats stats;
};

/** Append a record to @batch; errors come out of its commit. */
void import_put(struct lld_batch *batch, unsigned kind, struct lx_span key, struct lx_span value);
/** Read the meta record: LX_OK, LX_ERR_ABSENT, LX_ERR_CORRUPT, LX_ERR_IO. */
LX_MUST_CHECK enum lx_err import_load_meta(struct ledger *ledger, struct import_meta *out_meta);
/** Write it. */
void import_put_meta(struct lld_batch *batch, const struct import_meta *meta);
/** Key of the want record: 35 bytes. */
void import_want_key(const struct ledger_want *want, uint8_t out[35]);
/** What stands under @key (35 bytes) with @value as a want. */
LX_MUST_CHECK enum lx_err import_read_want(
    struct lx_span key, struct lx_span value, struct ledger_want *out_want);
/** Write it as wanted. */
void import_put_want(struct lld_batch *batch, const struct ledger_want *want);
/** It is not wanted any more. */
void import_remove_want(struct lld_batch *batch, const struct ledger_want *want);
/** Verify a piece and put what it brings, and makes wanted, into @batch (import_pieces.c). */
LX_MUST_CHECK enum lx_err import_put_piece(struct ledger_import *import,
    const struct ledger_want *want, struct lx_reader *rd, struct lld_batch *batch);
/** Whether something is wanted; LX_OK: yes, LX_ERR_ABSENT: nothing. */
LX_MUST_CHECK enum lx_err import_has_want(struct ledger *ledger);
/** The imported value under (@kind, @key) at @height, appended. */
LX_MUST_CHECK enum lx_err import_get_state(struct ledger *ledger, uint64_t height,
    enum sigchain_kind kind, const void *key, size_t key_len, struct lx_buf *out);
/** A merkle_sink.put into the batch @arg, and its stale: nothing was there before. */
void import_keep_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], const uint8_t *page, size_t len);
/** See import_keep_page. */
void import_keep_stale(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN]);
/** A tree that is made from nothing. */
struct merkle_state *import_new_tree(struct ledger *ledger, const struct lx_hash *id);
/** Build every index that came, with who published what (import_index.c). */
LX_MUST_CHECK enum lx_err import_fill_indexes(
    struct ledger *ledger, const struct import_meta *meta, struct lx_why *why);
/** From IMPORT_FILL to the end, with the tip at the import's height. */
LX_MUST_CHECK enum lx_err import_complete(
    struct ledger *ledger, struct import_meta *meta, struct lx_why *why);
/** Root, version and count of an index register's value. */
LX_MUST_CHECK enum lx_err import_read_index(struct lx_span value, struct merkle_root *out_root);

#endif
