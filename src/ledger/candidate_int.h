/*
 * ledger/candidate_int.h - a block in memory: what executing it changed, and its header.
 *
 * Changes are gathered in maps whose values live in the candidate's arena. A transaction's effects
 * are staged and join the maps only when all its rules held.
 */
#ifndef LX_LEDGER_CANDIDATE_INT_H
#define LX_LEDGER_CANDIDATE_INT_H

#include "ledger/ledger_int.h"

/* A state value that the block changes, or that it only read. */
struct change {
        struct lx_hash state_key;
        bool changed;
        enum sigchain_kind kind;
        struct lx_span key;    /* canonical */
        struct lx_span value;  /* empty: removed */
        bool knows_before;
        struct lx_span before; /* what the tip has; empty: nothing */
};

#define LEDGER_BEFORE_MAX (32u << 20) /* bytes of values that are kept after reading */

/* Bytes under a key of a kind, to be written as they are. */
struct record {
        struct record *next;
        unsigned kind;
        struct lx_span key;
        struct lx_span value;
};

/* A manifest whose digests join their publisher's index at the end of the block. */
struct insert {
        struct insert *next;
        struct lx_hash publisher;
        struct lx_hash release; /* address */
        struct lx_hash manifest;
        uint32_t entries;
};

struct included {
        struct lx_hash id;
        struct lx_span bytes;
};

struct ledger_candidate {
        struct ledger *ledger;
        struct ledger_view *base; /* the tip it stands on; NULL for block 0 */
        struct lx_arena *arena;
        struct lx_map *state;     /* state key -> struct change */
        size_t change_count;      /* of those that are changed */
        size_t before_bytes;      /* of what was read and kept */
        struct lx_map *nodes;     /* log node key -> lx_hash */
        struct lx_map *tries;     /* node hash -> lx_span */
        struct lx_map *digests;   /* digest -> struct lx_span of records */
        struct lx_map *chain_ops; /* genesis -> count + 1 as pointer */
        struct record *records;   /* entries, tree pages, stale keys */
        struct record **records_end;
        struct insert *inserts;
        struct insert **inserts_end;
        struct included *txs;
        size_t tx_count;
        uint64_t bytes, ops, index_inserts;
        struct lx_hash missing;   /* the manifest that the transaction at hand lacks; zero: none */
        uint64_t page_batch;      /* of the state tree's pages (merkle/state.h); 0: none yet */
        bool committed;           /* its pages are in the store */
        struct tip tip;           /* the new tip, except for the certificate */
};

/** An empty candidate on the tip (or, without one, for block 0). */
struct ledger_candidate *ledger_candidate_new(struct ledger *ledger, bool first);
/** Apply one decoded transaction; its effects join only on LX_OK. */
LX_MUST_CHECK enum lx_err ledger_candidate_apply(struct ledger_candidate *c,
    const struct sigchain_tx *tx, struct lx_span bytes, struct lx_why *why);
/** A sink that merges effects at once (genesis). */
struct sigchain_sink ledger_candidate_sink(struct ledger_candidate *c);
/** State under @state_key as the block has it, appended. */
LX_MUST_CHECK enum lx_err ledger_candidate_get(
    struct ledger_candidate *c, const struct lx_hash *state_key, struct lx_buf *out);
/** Set state directly (the index registers). */
void ledger_candidate_put(struct ledger_candidate *c, enum sigchain_kind kind, struct lx_span key,
    struct lx_span value);
/** Keep @value under @key of @kind for the commit; both copied. */
void ledger_candidate_keep(struct ledger_candidate *c, unsigned kind, struct lx_span key, struct lx_span value);
/** A merkle_sink that keeps pages and stale keys. */
struct merkle_sink ledger_candidate_pages(struct ledger_candidate *c);
/** Apply evidence (evidence.c): its culprits leave the next set for good. */
LX_MUST_CHECK enum lx_err ledger_candidate_convict(
    struct ledger_candidate *c, const struct sigchain_tx *tx, struct lx_why *why);
/** Insert the digests of the block's manifests, write their index registers (index.c). */
LX_MUST_CHECK enum lx_err ledger_candidate_index(struct ledger_candidate *c, struct lx_why *why);
/** Update the trees and fill the header; the time must be above the tip's. */
LX_MUST_CHECK enum lx_err ledger_candidate_seal(
    struct ledger_candidate *c, uint64_t time_ms, struct lx_why *why);

#endif
