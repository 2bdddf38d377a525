/*
 * light/answer.h - what a station answers a light node, from a view of its ledger.
 *
 * Every answer is a run of bytes that only the asker's own checks give weight to. Bytes:
 *   TIP      narrow header (ledger/narrow.h) against the known one, then the narrow certificate to the end. When the
 *            validators that the asker trusts do not vouch for the wanted header by the skip rule, the answer is
 *            one between, found by halving the distance: nearer ones until they do
 *   ANCHOR   the 242 bytes of the header
 *   SET      the encoded set from the offset on
 *   WATCH    varint count of those that changed above `since`, their indices (varint each); then for each of these,
 *            then each wanted one that was not sent yet: varint index, its state (wire.h) at the tip's height. At
 *            most LIGHT_ANSWER_MAX bytes; then it ends after a whole one
 *   PATH     hashes of the inclusion proof of the old header in the tip's history
 *   HISTORY  narrow headers, each against the one before, the first against the header below it, with the history root
 *            left out; then the inclusion proof of the last one in the tip's history
 *   BLOB     varint length of the whole, then the bytes from the offset on, at most LIGHT_ANSWER_MAX
 *
 * Threads: any; each call on its own view. Spec: doc/light.md.
 */
#ifndef LX_LIGHT_ANSWER_H
#define LX_LIGHT_ANSWER_H

#include "ledger/ledger.h"
#include "light/wire.h"

#define LIGHT_ANSWER_MAX (128u * 1024)

/**
 * Append the answer to @ask. @list: the asker's watch list, encoded (WATCH). @blobs may be NULL. *out_told: height of
 * the header that a TIP told, or of the known one when there is none above it (else untouched).
 * LX_OK, or an error that light_no_of turns into a refusal.
 */
LX_MUST_CHECK enum lx_err light_answer(struct ledger_view *view, struct blob_store *blobs,
    const struct light_ask *ask, struct lx_span list, struct lx_buf *out, uint64_t *out_told);
/** The reason of a refusal for an error of light_answer. */
enum light_no light_no_of(enum lx_err err);

#endif
