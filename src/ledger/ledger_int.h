/*
 * ledger/ledger_int.h - what the files of the ledger share: the tip, the ledger, a view.
 */
#ifndef LX_LEDGER_LEDGER_INT_H
#define LX_LEDGER_LEDGER_INT_H

#include "base/map.h"
#include "base/mem.h"
#include "ledger/kinds.h"
#include "ledger/ledger.h"

#include <pthread.h>
#include <stdatomic.h>

#define STATE_HEAD 9      /* LEDGER_STATE: u64 since, u8 kind before the value */
#define DIGEST_RECORD 82  /* bytes of one publisher in LEDGER_DIGEST */
#define DIGEST_PUBLISHERS_MAX 64

struct totals {
        uint64_t transactions, registers, chains, digests;
};

/* Everything a reader or the next block needs to know of the newest block. */
struct tip {
        struct ledger_header header;
        struct lx_hash hash;
        struct merkle_root root;          /* of the state tree */
        struct merkle_frontier history;   /* over the hashes of all headers, this one included */
        struct sigchain_params params;    /* in force for the next block */
        struct lx_buf cert;
        struct lx_buf set;                /* that signed this one */
        struct lx_buf next_set;
        struct totals totals;
        uint64_t pruned_below;
};

struct ledger_view {
        atomic_uint refs;
        struct ledger *ledger;
        struct lld_snapshot *snap;
        struct tip tip;
};

/* Pages of the trees through a snapshot (NULL: now). */
struct ledger_pages {
        struct lld *db;
        const struct lld_snapshot *snap;
};

struct ledger {
        struct lld *db;
        struct blob_store *blobs;
        const struct lx_crypto_ops *ops;
        struct lx_pool *pool;
        struct lx_buf genesis_bytes;
        struct sigchain_genesis *genesis;
        struct lx_hash chain_id;
        struct lx_hash token;              /* address of the genesis token; zero: none */
        struct ledger_pages pages;         /* of tree */
        struct merkle_state *tree;         /* the executor's, with its cache */
        pthread_mutex_t lock;              /* over newest */
        struct ledger_view *newest;
};

/** The hash table in use. */
static inline const struct lx_hash_ops *
ledger_ops(const struct ledger *ledger)
{
        return &ledger->ops->hash;
}

/** Fill @out_tip from the store. */
LX_MUST_CHECK enum lx_err ledger_load_tip(struct ledger *ledger, struct tip *out_tip, struct lx_why *why);
/** Make @tip (taken over) what new views see. */
void ledger_publish_take(struct ledger *ledger, struct tip *tip);
/** Free what a tip owns. */
void ledger_tip_clear(struct tip *tip);
/** A merkle_pages.get over struct ledger_pages. */
enum lx_err ledger_get_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct lx_buf *out);
/** The current encoded value under @state_key, appended; since and kind may be NULL. */
LX_MUST_CHECK enum lx_err ledger_read_state(struct ledger *ledger, const struct lld_snapshot *snap,
    const struct lx_hash *state_key, struct lx_buf *out, uint64_t *out_since, unsigned *out_kind);

/* ---- read.c: what several parts read in the same form; a snapshot NULL: as of now --------------- */

/** The header of @height: LX_OK, LX_ERR_ABSENT, LX_ERR_CORRUPT, LX_ERR_IO. */
LX_MUST_CHECK enum lx_err ledger_read_header(struct ledger *ledger, const struct lld_snapshot *snap,
    uint64_t height, struct ledger_header *out_header);
/** Key of a node of the log @address (NULL: of the history). */
size_t ledger_node_key(const struct lx_hash *address, unsigned level, uint64_t index, uint8_t out[41]);
/** Node (@level, @index) of the log of append register @address, or with NULL of the history. */
LX_MUST_CHECK enum lx_err ledger_read_node(struct ledger *ledger, const struct lld_snapshot *snap,
    const struct lx_hash *address, unsigned level, uint64_t index, struct lx_hash *out);
/** The edge of the first @size leaves of that log. */
LX_MUST_CHECK enum lx_err ledger_read_frontier(struct ledger *ledger, const struct lx_hash *address,
    uint64_t size, struct merkle_frontier *out);

/* A log as a view has it. */
struct ledger_log {
        struct ledger_view *view;
        const struct lx_hash *address; /* NULL: the history */
};
/** A merkle_log_store.get over struct ledger_log; a node that is missing is LX_ERR_CORRUPT. */
enum lx_err ledger_log_get(void *arg, unsigned level, uint64_t index, struct lx_hash *out);

/** The root of the state tree as of @height. */
LX_MUST_CHECK enum lx_err ledger_get_root(
    struct ledger_view *view, uint64_t height, struct merkle_root *out_root);
/** Kind and value under @state_key as of @height, appended: LX_ERR_ABSENT when it is not there then. */
LX_MUST_CHECK enum lx_err ledger_get_state_record(struct ledger_view *view,
    const struct lx_hash *state_key, uint64_t height, unsigned *out_kind, struct lx_buf *out);
/** A store of before there were KEY records gets them. */
LX_MUST_CHECK enum lx_err ledger_fill_keys(struct ledger *ledger, struct lx_why *why);
/** Complete an import that a crash interrupted while it was finishing. */
LX_MUST_CHECK enum lx_err ledger_resume_import(struct ledger *ledger, struct lx_why *why);
/** Write block 0. */
LX_MUST_CHECK enum lx_err ledger_write_genesis(struct ledger *ledger, struct lx_why *why);
/** Execute and compare block @height of @from again on @to, whose tip is below it. */
LX_MUST_CHECK enum lx_err ledger_repeat_block(
    struct ledger *to, struct ledger_view *from, uint64_t height, struct lx_why *why);

#endif
