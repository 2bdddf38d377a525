/*
 * ledger/ledger.h - the ledger: blocks on a store, executed by the rules, read at points in time.
 *
 * A ledger binds sigchain's rules and merkle's trees to lld and blob. It has three verbs for
 * engines (build, check, commit: engine.h) and point-in-time views for everybody else.
 *
 * Kinds in lld are listed in kinds.h. A block is written as ONE batch: header, certificate,
 * transactions, states, tree pages, history nodes, entries, indexes; fsynced before it counts.
 *
 * Ownership: views are counted; the ledger outlives them. Threads: build, check and commit on one
 * thread at a time (executor.h gives them one of their own); views from any thread, each object on
 * one thread at a time. Spec: doc/ledger.md.
 */
#ifndef LX_LEDGER_LEDGER_H
#define LX_LEDGER_LEDGER_H

#include "base/pool.h"
#include "blob/store.h"
#include "ledger/cert.h"
#include "ledger/header.h"
#include "lld/store.h"
#include "merkle/log.h"
#include "merkle/state.h"
#include "sigchain/apply.h"

struct ledger;
struct ledger_view;

enum ledger_blob { LEDGER_BLOB_MANIFEST, LEDGER_BLOB_LEAVES, LEDGER_BLOB_CONTENT, LEDGER_BLOB_COUNT_ };
/* Kinds below it are every node's; the content of files is its owner's and never goes to a peer. */
#define LEDGER_BLOB_SHARED LEDGER_BLOB_CONTENT

/** The blob kinds and their checks, for blob_open. */
const struct blob_kind *ledger_blob_kinds(void);

struct ledger_options {
        struct lld *db;            /* open; the caller's, outlives the ledger */
        struct blob_store *blobs;  /* open; the caller's */
        const uint8_t *genesis;    /* canonical document; NULL: what the store has */
        size_t genesis_len;
        size_t tree_cache_bytes;   /* 0: 16 MiB */
        struct lx_pool *pool;      /* may be NULL */
};

/**
 * Open the ledger on a store; on an empty one with a genesis document, write block 0.
 * Returns LX_OK, LX_ERR_ABSENT (empty store and no genesis), LX_ERR_EXISTS (the store has another
 * genesis), LX_ERR_CORRUPT (tip, root and tree disagree), LX_ERR_VERSION (the tip has a newer rule
 * version), LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err ledger_open(
    const struct ledger_options *options, struct ledger **out_ledger, struct lx_why *why);
/** Close; views must be gone. NULL is fine. */
void ledger_close(struct ledger *ledger);

/** The chain id. */
const struct lx_hash *ledger_chain_id(const struct ledger *ledger);
/** The genesis document, decoded; constant. */
const struct sigchain_genesis *ledger_genesis(const struct ledger *ledger);
/** Its canonical bytes. */
struct lx_span ledger_genesis_bytes(const struct ledger *ledger);

/* A block that was executed but not committed. Its writes are in memory. */
struct ledger_candidate;

struct ledger_tx {
        const uint8_t *bytes; /* encoded, signatures already verified */
        size_t len;
        enum lx_err result;   /* out: LX_OK it is in the block, else why it was left out */
        struct lx_hash missing; /* out: with LX_ERR_ABSENT the manifest that is not here, else zero */
        struct lx_why why;    /* out */
};

/**
 * Execute @count transactions on top of the tip, leaving out those that the rules refuse, and stop
 * at the limits of the block (left out with LX_ERR_LIMIT: try in the next one).
 * Returns LX_OK (also for an empty block), LX_ERR_CORRUPT, LX_ERR_IO, LX_ERR_NOMEM.
 */
LX_MUST_CHECK enum lx_err ledger_build(struct ledger *ledger, struct ledger_tx *txs, size_t count,
    uint64_t time_ms, struct ledger_candidate **out_candidate, struct lx_why *why);

/**
 * Execute a block that somebody else built and compare every field of @header. Signatures of its
 * transactions must have been verified. LX_ERR_RULE names what is wrong; LX_ERR_VERSION: newer rules
 * than this program knows; LX_ERR_ABSENT: a manifest is not here (the transaction's .missing).
 */
LX_MUST_CHECK enum lx_err ledger_check_block(struct ledger *ledger,
    const struct ledger_header *header, struct ledger_tx *txs, size_t count,
    struct ledger_candidate **out_candidate, struct lx_why *why);

/** The candidate's header. */
const struct ledger_header *ledger_candidate_header(const struct ledger_candidate *candidate);
/** The encoded validator set that must sign it. */
struct lx_span ledger_candidate_valset(const struct ledger_candidate *candidate);
/** Drop it; NULL is fine. */
void ledger_candidate_free(struct ledger_candidate *candidate);

/**
 * Verify the certificate, write the block with fsync, make it the tip. LX_ERR_CHANGED: the tip moved since
 * the candidate was made (several may be alive, one of a height is committed). The candidate is consumed
 * whatever happens. After an error of the store the ledger must be closed.
 */
LX_MUST_CHECK enum lx_err ledger_commit(struct ledger *ledger, struct ledger_candidate *candidate,
    const uint8_t *cert, size_t cert_len, struct lx_why *why);

/**
 * As ledger_commit, without fsync: the block is durable with the next ledger_commit, together with it
 * or not at all. For runs of blocks that others certified; the last of a run is committed with fsync.
 */
LX_MUST_CHECK enum lx_err ledger_commit_later(struct ledger *ledger,
    struct ledger_candidate *candidate, const uint8_t *cert, size_t cert_len, struct lx_why *why);

/* ---- reading ---------------------------------------------------------------------------------- */

/** A view of the newest committed block. */
struct ledger_view *ledger_view_new(struct ledger *ledger);
/** One more owner. */
struct ledger_view *ledger_view_ref(struct ledger_view *view);
/** One owner less; NULL is fine. */
void ledger_view_unref(struct ledger_view *view);

/** The view's tip header (also for height 0). */
const struct ledger_header *ledger_view_header(const struct ledger_view *view);
/** Its hash. */
const struct lx_hash *ledger_view_header_hash(const struct ledger_view *view);
/** The tip's certificate bytes (empty at height 0). */
struct lx_span ledger_view_cert(const struct ledger_view *view);
/** The encoded set that signed the tip. */
struct lx_span ledger_view_valset(const struct ledger_view *view);
/** The parameters in force after the tip. */
const struct sigchain_params *ledger_view_params(const struct ledger_view *view);
/** The lowest height whose states are still readable (pruning). */
uint64_t ledger_view_pruned_below(const struct ledger_view *view);

/** The right edge of the log over the hashes of all headers, the tip's included. */
void ledger_view_history(const struct ledger_view *view, struct merkle_frontier *out);

/** Header of @height: LX_OK, LX_ERR_ABSENT, LX_ERR_IO, LX_ERR_CORRUPT. */
LX_MUST_CHECK enum lx_err ledger_get_header(
    struct ledger_view *view, uint64_t height, struct ledger_header *out_header);
/** Height of the header with this hash. */
LX_MUST_CHECK enum lx_err ledger_find_header(
    struct ledger_view *view, const struct lx_hash *hash, uint64_t *out_height);
/** Certificate of @height, appended. */
LX_MUST_CHECK enum lx_err ledger_get_cert(
    struct ledger_view *view, uint64_t height, struct lx_buf *out);
/** The encoded validator set with this hash, appended. */
LX_MUST_CHECK enum lx_err ledger_get_valset(
    struct ledger_view *view, const struct lx_hash *hash, struct lx_buf *out);
/** Ids of the block's transactions, appended (32 bytes each). LX_ERR_PRUNED. */
LX_MUST_CHECK enum lx_err ledger_get_tx_ids(
    struct ledger_view *view, uint64_t height, struct lx_buf *out);
/** A transaction by id: its bytes appended, its height and place. LX_ERR_ABSENT, LX_ERR_PRUNED. */
LX_MUST_CHECK enum lx_err ledger_get_tx(struct ledger_view *view, const struct lx_hash *id,
    struct lx_buf *out, uint64_t *out_height, uint32_t *out_index);

/** Whether a transaction is in a block: cheaper than getting it. */
bool ledger_has_tx(struct ledger_view *view, const struct lx_hash *id);

/**
 * The encoded state value under (@kind, @key) as of @height (LEDGER_NOW: the view's tip), appended;
 * *out_since: the height that wrote it (may be NULL). LX_ERR_ABSENT, LX_ERR_PRUNED.
 */
#define LEDGER_NOW UINT64_MAX
LX_MUST_CHECK enum lx_err ledger_get_state(struct ledger_view *view, enum sigchain_kind kind,
    const void *key, size_t key_len, uint64_t height, struct lx_buf *out, uint64_t *out_since);

/** The heights at which (@kind, @key) changed, newest first, at most @max; *out_count. */
LX_MUST_CHECK enum lx_err ledger_get_history(struct ledger_view *view, enum sigchain_kind kind,
    const void *key, size_t key_len, uint64_t below, uint64_t *out_heights, size_t max,
    size_t *out_count);

/** The state proof (merkle/proof.h bytes) of (@kind, @key) at @height, appended. */
LX_MUST_CHECK enum lx_err ledger_prove_state(struct ledger_view *view, enum sigchain_kind kind,
    const void *key, size_t key_len, uint64_t height, struct lx_buf *out);
/** Inclusion proof of transaction @index in block @height. */
LX_MUST_CHECK enum lx_err ledger_prove_tx(
    struct ledger_view *view, uint64_t height, uint32_t index, struct merkle_path *out_path);
/** Proof that header @height is in the history root of the view's tip; @height below it. */
LX_MUST_CHECK enum lx_err ledger_prove_header(
    struct ledger_view *view, uint64_t height, struct merkle_path *out_path);
/** The same in the history root of header @size, at or below the tip; @height below it. */
LX_MUST_CHECK enum lx_err ledger_prove_header_in(
    struct ledger_view *view, uint64_t height, uint64_t size, struct merkle_path *out_path);
/** Consistency proof between the history roots of headers @from and @to. */
LX_MUST_CHECK enum lx_err ledger_prove_history(
    struct ledger_view *view, uint64_t from, uint64_t to, struct merkle_path *out_path);

/* Where a digest was published. */
struct ledger_published {
        struct lx_hash publisher; /* genesis id */
        struct lx_hash release;   /* address of the release or approval */
        uint32_t entry;           /* number in its manifest */
        uint64_t height;
        uint32_t offset;          /* where the entry's bytes are in the manifest's blob */
        uint16_t length;
};
/**
 * All publishers of @digest (root, SHA-256 or fs-verity), oldest first, those of one height in the order of
 * their ids (so that every node says the same); at most @max.
 */
LX_MUST_CHECK enum lx_err ledger_find_digest(struct ledger_view *view, const struct lx_hash *digest,
    struct ledger_published *out, size_t max, size_t *out_count);
/** The proof for @digest in the publisher's index (merkle/proof.h bytes over its index root). */
LX_MUST_CHECK enum lx_err ledger_prove_digest(struct ledger_view *view,
    const struct lx_hash *publisher, const struct lx_hash *digest, struct lx_buf *out);
/**
 * Entry @number of the manifest @root: its bytes appended; @path (may be NULL) gets its proof. @at (may
 * be NULL): where ledger_find_digest found it, so that without a proof only the entry is read.
 */
LX_MUST_CHECK enum lx_err ledger_get_entry(struct ledger_view *view, const struct lx_hash *root,
    uint32_t number, const struct ledger_published *at, struct lx_buf *out,
    struct merkle_path *out_path);

/** Addresses of the registers that @owner has, of @type (0: all), after @after (NULL: from the start). */
LX_MUST_CHECK enum lx_err ledger_list_owned(struct ledger_view *view, const struct lx_hash *owner,
    unsigned type, const struct lx_hash *after, struct lx_hash *out, size_t max, size_t *out_count);
/** Addresses of all registers of @type after @after, whoever owns them. */
LX_MUST_CHECK enum lx_err ledger_list_type(struct ledger_view *view, unsigned type,
    const struct lx_hash *after, struct lx_hash *out, size_t max, size_t *out_count);
/** Entry @index of append register @address, appended; @path (may be NULL) gets its proof. */
LX_MUST_CHECK enum lx_err ledger_get_log_entry(struct ledger_view *view,
    const struct lx_hash *address, uint64_t index, struct lx_buf *out, struct merkle_path *out_path);
/** Open debits to account @to, as (tx id, u8 operation) keys of 33 bytes, appended. */
LX_MUST_CHECK enum lx_err ledger_list_debits(
    struct ledger_view *view, const struct lx_hash *to, size_t max, struct lx_buf *out);
/** The longest prefix of @addr in (@instance, @family): address of its register; and the proof. */
LX_MUST_CHECK enum lx_err ledger_match_prefix(struct ledger_view *view, uint32_t instance,
    uint8_t family, const uint8_t addr[16], struct lx_hash *out_register, bool *out_found,
    struct lx_buf *out_proof);

struct ledger_stats {
        uint64_t transactions; /* committed since genesis */
        uint64_t registers;    /* that exist */
        uint64_t chains;
        uint64_t digests;      /* in all indexes */
};
/** Figures for status and metrics. */
void ledger_get_stats(struct ledger_view *view, struct ledger_stats *out_stats);

#endif
