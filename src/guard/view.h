/*
 * guard/view.h - what a publisher did, proven: its signature chain, followed to its last transaction.
 *
 * A header that the trust accepts proves (state tree) the publisher's chain record: how many transactions
 * there were and the id of the last one. Each transaction names the one before, so that one proof commits
 * to everything the publisher ever did: no release, and no revocation, can be held back by the node that
 * is asked. The machine says what it wants next (a transaction by id, a manifest by root) and takes
 * only what fits. Nothing of it counts before guard_view_commit. Heights never go back.
 *
 * The cache (guard_cache_encode) holds the same evidence, so a start without a node verifies it again
 * from the pinned header by the same code. Ownership: a view copies what it is given.
 * Threads: one at a time. Spec: doc/guard.md.
 */
#ifndef LX_GUARD_VIEW_H
#define LX_GUARD_VIEW_H

#include "base/why.h"
#include "guard/files.h"
#include "guard/list.h"
#include "guard/policy.h"
#include "liblxverify/lxverify.h"

#define GUARD_TXS_MAX 1000000u          /* of one publisher */
#define GUARD_STEPS_MAX 65536u          /* changes of the validator set since the pin */
#define GUARD_CACHE_MAX (1u << 30)      /* bytes */

/* What is trusted: the pin of the operator, moved forward by every header that the skip rule accepts. */
struct guard_trust;

/** From the pin: a header, the set that acts after it (encoded), the trusting period. */
struct guard_trust *guard_trust_new(const struct lxv_trust *pin, struct lx_span set, uint64_t period_ms);
/** Free; NULL is fine. */
void guard_trust_free(struct guard_trust *trust);
/** Height of the newest accepted header. */
uint64_t guard_trust_height(const struct guard_trust *trust);

struct guard_proof {
        struct lx_span header, cert, valset;
        struct lx_span value, path; /* of the chain record in the state tree */
};

/**
 * Accept the header of @proof. @now_ms 0: the trusting period is not looked at (the cache at boot, when
 * no clock can be trusted). LX_ERR_UNTRUSTED, LX_ERR_EXPIRED, LX_ERR_PROOF, LX_ERR_SIGNATURE,
 * LX_ERR_FORMAT; LX_ERR_RANGE: below what was accepted before.
 */
LX_MUST_CHECK enum lx_err guard_trust_accept(struct guard_trust *trust, const struct guard_proof *proof,
    uint64_t now_ms, struct lxv_header *out_header, struct lx_why *why);

struct guard_view;

/** A view that knows nothing. */
struct guard_view *guard_view_new(const struct lx_hash *genesis, bool own);
/** Free; NULL is fine. */
void guard_view_free(struct guard_view *view);
/** Begin a step: accept header and chain record. LX_ERR_ABSENT: the chain provably does not exist. */
LX_MUST_CHECK enum lx_err guard_view_begin(struct guard_view *view, struct guard_trust *trust,
    const struct guard_proof *proof, uint64_t now_ms, struct lx_why *why);
/** The transaction wanted next; false: none. */
bool guard_view_wants_tx(const struct guard_view *view, struct lx_hash *out_id);
/** Give it. LX_ERR_PROOF: it is another one. */
LX_MUST_CHECK enum lx_err guard_view_give_tx(struct guard_view *view, struct lx_span bytes, struct lx_why *why);
/** The manifest wanted next, when no transaction is; false: none. */
bool guard_view_wants_manifest(const struct guard_view *view, struct lx_hash *out_root);
/** Give it, or an empty span: nobody has it, its release is left out until the next step. */
LX_MUST_CHECK enum lx_err guard_view_give_manifest(
    struct guard_view *view, struct lx_span bytes, struct lx_why *why);
/** End the step: it counts now. False: transactions are missing, or it did not begin. */
bool guard_view_commit(struct guard_view *view);
/** Forget a step that began. */
void guard_view_abort(struct guard_view *view);

/** The height at which it was last proven; 0: never. */
uint64_t guard_view_height(const struct guard_view *view);
/** Time of that header, ms since 1970. */
uint64_t guard_view_time(const struct guard_view *view);
/** How many releases have no manifest here. */
size_t guard_view_missing(const struct guard_view *view);
/** A number that changes whenever what it says to the list changes. */
uint64_t guard_view_version(const struct guard_view *view);
/** Add all its releases to @list as those of publisher number @publisher. */
LX_MUST_CHECK enum lx_err guard_view_fill(
    const struct guard_view *view, uint16_t publisher, struct guard_list *list);
/** Tell @files of all registers of files; of a chain that is not one's own: of none. */
void guard_view_fill_files(const struct guard_view *view, struct guard_files *files);

/** Append pin, steps and the views that were proven, as doc/guard.md has it. */
void guard_cache_encode(const struct guard_trust *trust, struct guard_view *const *views, size_t count,
    struct lx_buf *out);
/**
 * Verify a cache from @trust (fresh from the pin) and fill those of @views that it has.
 * LX_ERR_CORRUPT: damaged; LX_ERR_UNTRUSTED: from another pin; else why it does not hold.
 */
LX_MUST_CHECK enum lx_err guard_cache_decode(struct lx_span bytes, struct guard_trust *trust,
    struct guard_view *const *views, size_t count, struct lx_why *why);

#endif
