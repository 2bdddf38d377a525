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

#define LX_CHECK_NOW UINT64_MAX /* height of a question about the present */

/**
 * Check header, certificate and set of a proof against the trust; fills check->head. The header
 * must be of @height; with LX_CHECK_NOW any that is not behind the trusted one. A header below the
 * trusted one is proven by the history root of a newer one, which is fetched.
 */
LX_MUST_CHECK enum lx_err lx_check_head(
    struct lx *lx, struct lx_check *check, const json_t *proof, uint64_t height);
/** The proven state under (@kind, @key) in @proof: *out_value empty when proven absent. After lx_check_head. */
LX_MUST_CHECK enum lx_err lx_check_state(struct lx *lx, const struct lx_check *check, const json_t *proof,
    enum sigchain_kind kind, const void *key, size_t key_len, struct lx_buf *out_value);
/** A whole answer of binary.lookup. */
LX_MUST_CHECK enum lx_err lx_check_lookup(
    struct lx *lx, struct lx_check *check, const struct lx_hash *digest, const json_t *answer);
/**
 * A whole answer of register.get or name.resolve about @address at @height. What the proof proves
 * replaces what the node said: afterwards @answer holds exists, height, the fields of
 * ledger/register_json.h, and the proof, and nothing else.
 */
LX_MUST_CHECK enum lx_err lx_check_register(struct lx *lx, struct lx_check *check,
    const struct lx_hash *address, uint64_t height, json_t *answer);
/** register.get of @address with its proof, checked; *out_answer as lx_check_register leaves it. */
LX_MUST_CHECK enum lx_err lx_check_fetch(
    struct lx *lx, struct lx_check *check, const char *address, json_t **out_answer);
/** A whole answer of profile.get about @genesis; proven values replace the node's. */
LX_MUST_CHECK enum lx_err lx_check_profile(
    struct lx *lx, struct lx_check *check, const struct lx_hash *genesis, json_t *answer);

/**
 * A whole answer of chain.tx about @id, which must be final. Afterwards @answer holds id, height, status and
 * fields without witnesses (which the id leaves out), and nothing else.
 */
LX_MUST_CHECK enum lx_err lx_check_tx(
    struct lx *lx, struct lx_check *check, const struct lx_hash *id, json_t *answer);
/**
 * The heights at which the register at @address changed, newest first, appended to the list @heights: its proven
 * value now tells when it was made, the one before that the next, and so on, so none can be left out. *out_more: there
 * are more than @limit, or the node has pruned what is older.
 */
LX_MUST_CHECK enum lx_err lx_check_history(struct lx *lx, struct lx_check *check,
    const struct lx_hash *address, size_t limit, json_t *heights, bool *out_more);
#define LX_PREFIX_TEXT 64
#define LX_TRIE_PROOF_MAX 65536u
/**
 * Whether the ledger gives the overlay's address @text (instance 0) to an EID that has a key, by proofs asked for here.
 * @out_prefix: what was looked at: the EID, the longest prefix, or the hole around it. LX_ERR_RANGE: no address.
 */
LX_MUST_CHECK enum lx_err lx_check_owner(
    struct lx *lx, struct lx_check *check, const char *text, bool *out_owned, char out_prefix[LX_PREFIX_TEXT]);
/** Note in @answer that it is proven, and how old the header is that proves it. */
void lx_check_note(const struct lx_check *check, json_t *answer);

#endif
