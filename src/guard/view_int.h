/*
 * guard/view_int.h - the insides of trust and views, for view.c, trust.c and cache.c.
 */
#ifndef LX_GUARD_VIEW_INT_H
#define LX_GUARD_VIEW_INT_H

#include "base/assert.h"
#include "guard/view.h"
#include "sigchain/state.h"

struct guard_trust {
        struct lxv_trust pin, now;
        struct lx_buf set;   /* that acts after now */
        uint64_t period_ms;
        struct lx_buf steps; /* headers at which the set became another one, as in the cache */
        uint32_t step_count;
};

/* One proven chain record. */
struct guard_record {
        struct lx_buf header, cert, valset, value, path;
        struct sigchain_chain chain;
        uint64_t height, time_ms;
};

struct guard_tx {
        struct lx_buf bytes;
        uint64_t seen_ms;
};

/* A release or approval that a transaction created. */
struct guard_made {
        struct lx_hash manifest, leaves, address;
        char name[40];
        uint64_t seen_ms;
        bool approval;
        bool given_up; /* in this step: nobody has its manifest */
        struct lx_buf bytes; /* the manifest; empty: not here */
};

/* What a transaction of an own chain did to a file register. */
enum guard_file_do { GUARD_FILE_CREATED, GUARD_FILE_WRITTEN, GUARD_FILE_OFFERED, GUARD_FILE_TAKEN_BACK };
struct guard_file_op {
        enum guard_file_do what;
        bool has_root, has_length;
        struct lx_hash address, root;
        uint64_t length;
        char *path; /* of what was created */
};

struct guard_view {
        struct lx_hash genesis;
        bool own;
        struct guard_record record, next; /* height 0: none */
        bool begun;
        bool gained;                   /* a manifest came in this step */
        struct lx_hash want;           /* id of the transaction wanted next; zero: none */
        uint64_t want_sequence;
        struct guard_tx *tx;           /* oldest first */
        size_t tx_count, tx_cap;
        struct guard_tx *staged;       /* newest first */
        size_t staged_count, staged_cap;
        struct guard_made *made;       /* of committed transactions, then of staged ones */
        size_t made_count, made_cap, made_committed;
        struct lx_hash *revoked;       /* committed ones sorted, then staged ones */
        size_t revoked_count, revoked_cap, revoked_committed;
        struct guard_file_op *file;    /* of committed transactions, then of staged ones */
        size_t file_count, file_cap, file_committed;
        struct lx_hash last;           /* id of the last committed transaction */
        uint64_t version;
};

/** Take @bytes as the manifest of release number @i, if it is. */
LX_MUST_CHECK enum lx_err guard_view_put_manifest(
    struct guard_view *view, size_t i, struct lx_span bytes, struct lx_why *why);
/** Our primitives as liblxverify takes them. */
const struct lxv_crypto *guard_crypto(void);
/** Its results as ours. */
enum lx_err guard_err_of(enum lxv_result result);
/** A span as it takes one. */
struct lxv_part guard_part(struct lx_span span);

#endif
