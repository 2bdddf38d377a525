/*
 * light/pass.h - the pass file: what a contact brings, as one run of bytes for any other link.
 *
 *   offset size field
 *        0    8 "LXPASS01"
 *        8   32 chain id
 *       40    8 height of the tip
 *       48      records, each: u8 type, var32 content
 *                 3 SET    an encoded validator set that a header below needs
 *                 1 TIP    header (242), narrow certificate: from any trusted header below it, by the skip rule
 *                 4 STATE  entry (light/wire.h), state (light/wire.h) at the last header before it
 *                 6 PATH   u64 old height, hashes (32 each): inclusion of the old header in that header's history
 *      end   32 H(lx.light, all before)
 * A light node takes what is new to it and verifies all of it; the checksum only tells damage from lies.
 * Limits: LIGHT_PASS_MAX bytes. Threads: pure. Spec: doc/light.md.
 */
#ifndef LX_LIGHT_PASS_H
#define LX_LIGHT_PASS_H

#include "ledger/ledger.h"
#include "light/light.h"

#define LIGHT_PASS_MAX (2u << 20)
#define LIGHT_PASS_HEAD 48u

/**
 * Append the pass from header @from to the view's tip with the states of @entries (names: also what they point
 * to). LX_ERR_RANGE: @from is not below the tip; LX_ERR_LIMIT; and what reading the ledger says.
 */
LX_MUST_CHECK enum lx_err light_pass_make(struct ledger_view *view, uint64_t from,
    const struct light_entry *entries, size_t count, struct lx_buf *out, struct lx_why *why);

struct light_pass_result {
        uint64_t height;  /* of the pass's tip */
        size_t headers;   /* accepted */
        size_t states;    /* of what is watched, proven anew */
        size_t unwatched; /* states that nobody watches here: left out */
};

/**
 * Take a pass into @light. What verified before an error stays. LX_ERR_FORMAT, LX_ERR_CORRUPT (the checksum),
 * LX_ERR_EXISTS (another network), LX_ERR_UNTRUSTED (nothing is trusted yet, or the pass begins above what is), and
 * errors as of light_take_tip.
 */
LX_MUST_CHECK enum lx_err light_pass_take(struct light *light, const uint8_t *bytes, size_t len, uint64_t now_ms,
    struct light_pass_result *out_result, struct lx_why *why);

#endif
