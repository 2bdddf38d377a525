/*
 * lx/check.h - whether a node's answer holds, by the user's own trust file and nothing else.
 *
 * <datadir>/trust.json holds a header that the user trusts (or the genesis document), the validator
 * set that acts after it, and publishers. With every newer header that the skip rule accepts the
 * trust moves forward.
 */
#ifndef LX_LX_CHECK_H
#define LX_LX_CHECK_H

#include "ledger/cert.h"
#include "lx/lx.h"
#include "sigchain/state.h"

struct lx_check {
        struct ledger_trust trust;
        struct sigchain_valset *set;  /* that acts after trust.height */
        struct lx_buf set_bytes;
        uint64_t trust_ms;            /* trusting period */
        json_t *publishers;           /* genesis ids */
        json_t *names;                /* what the user calls them */
        bool anchored;
        struct ledger_header head;    /* of the answer at hand */
        uint64_t age_ms;              /* of that header */
};

/** Load the trust file; with --verify there must be an anchor. An exit status. */
int lx_check_begin(struct lx *lx, struct lx_check *check);
/** Save it. */
LX_MUST_CHECK enum lx_err lx_check_save(struct lx *lx, const struct lx_check *check);
/** Free; fine on a zeroed one. */
void lx_check_end(struct lx_check *check);

/** Check header, certificate and set of a proof against the trust; fills check->head. */
LX_MUST_CHECK enum lx_err lx_check_head(struct lx *lx, struct lx_check *check, const json_t *proof);
/** The proven state under (@kind, @key) in @proof: *out_value empty when proven absent. After lx_check_head. */
LX_MUST_CHECK enum lx_err lx_check_state(struct lx *lx, const struct lx_check *check, const json_t *proof,
    enum sigchain_kind kind, const void *key, size_t key_len, struct lx_buf *out_value);
/** A whole answer of binary.lookup. */
LX_MUST_CHECK enum lx_err lx_check_lookup(
    struct lx *lx, struct lx_check *check, const struct lx_hash *digest, const json_t *answer);
/** A whole answer of register.get or name.resolve for @address. */
LX_MUST_CHECK enum lx_err lx_check_register(
    struct lx *lx, struct lx_check *check, const struct lx_hash *address, const json_t *answer);
/** Whether the release at @address (hex) has these fields: fetches and checks its proof. */
LX_MUST_CHECK enum lx_err lx_check_release(
    struct lx *lx, struct lx_check *check, const char *address, const json_t *fields);

#endif
