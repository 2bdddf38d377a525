/*
 * ledger/maintain.h - what an operator does to a ledger: check, prune, export, import, collect.
 *
 * Threads: check, prune and collect on the executor's thread or before the engine starts; export on
 * any thread with a view of its own. Progress is reported by callback.
 */
#ifndef LX_LEDGER_MAINTAIN_H
#define LX_LEDGER_MAINTAIN_H

#include "ledger/ledger.h"

struct ledger_progress {
        void (*report)(void *arg, const char *what, uint64_t done, uint64_t total);
        void *arg;
};

/**
 * Check everything: every header's link, hash, history root and certificate, every block's
 * transactions and their root, every state value against its tree leaf, every page's hash at the
 * tip, indexes, entries and blobs; states of all kept heights are recomputed by executing the
 * blocks again where nothing was pruned. Several findings are reported through @finding.
 * LX_ERR_CORRUPT when there was one; why names the first.
 */
LX_MUST_CHECK enum lx_err ledger_check_all(struct ledger *ledger,
    const struct ledger_progress *progress, void (*finding)(void *arg, const char *text), void *arg,
    struct lx_why *why);

/**
 * Forget states, tree pages and transaction bodies that only heights below @keep_from need; headers,
 * certificates and what the current state needs stay. At most @budget records a call;
 * *out_more: call again. Then lld_compact gives the space back.
 */
LX_MUST_CHECK enum lx_err ledger_prune(
    struct ledger *ledger, uint64_t keep_from, size_t budget, bool *out_more, struct lx_why *why);

/** Remove blobs older than @min_age_ms that no register names any more; how many. */
LX_MUST_CHECK enum lx_err ledger_collect_blobs(
    struct ledger *ledger, uint64_t min_age_ms, uint64_t *out_count, struct lx_why *why);

/*
 * Header chain file ("lxchain"): magic "LXCHAIN1", chain id, u64 first height, u64 count, then per
 * height: header (242), u32 certificate length, certificate, u16 set length and set (only when it
 * differs from the one before; else 0). Spec: doc/header.md.
 */
/** Append the chain file of heights [@from, @to] to @fd. */
LX_MUST_CHECK enum lx_err ledger_export_headers(
    struct ledger_view *view, uint64_t from, uint64_t to, int fd, struct lx_why *why);

struct ledger_chain_summary {
        struct lx_hash chain_id;
        uint64_t first, last;       /* heights */
        struct lx_hash first_hash, last_hash;
        uint64_t last_time_ms;
        struct lx_hash last_next_valset;
};
/**
 * Verify a chain file on @fd from @trust (NULL: from its own first header, links and certificates
 * only). LX_ERR_PROOF names the height.
 */
LX_MUST_CHECK enum lx_err ledger_verify_headers(int fd, const struct ledger_trust *trust,
    struct ledger_chain_summary *out_summary, struct lx_why *why);

#endif
