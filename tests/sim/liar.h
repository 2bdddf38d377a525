/*
 * sim/liar.h - what a faulty validator with its own key may sign, beside what its node sends.
 *
 * It remembers the proposals and prevotes of the height. Votes of its own it keeps to itself, so that honest
 * prevotes alone may fall short of a quorum that its own one would complete later. When a round is its
 * turn, it proposes again the oldest value of an earlier round whose prevotes and its own one make that
 * quorum, says that round is the valid one, and shows the prevotes, its own among them: whoever is locked on
 * another value in a round since must not follow. A bold one also signs a prevote for every value of a round, which
 * is double signing. All signatures hold. Threads: one.
 */
#ifndef LX_SIM_LIAR_H
#define LX_SIM_LIAR_H

#include "ledger/ledger.h"

struct liar;

/** One with this secret key; @bold: it signs several values of a round. */
struct liar *liar_new(const uint8_t key[32], bool bold);
/** Free it. NULL is fine. */
void liar_free(struct liar *l);
/** Its node, on @ledger, heard or sent this (@type: llp/message.h). */
void liar_hear(
    struct liar *l, struct ledger *ledger, unsigned type, const uint8_t *bytes, size_t len);
/** Whether its node's message must not leave. */
bool liar_withholds(const struct liar *l, unsigned type, const uint8_t *bytes, size_t len);
/** The next message for everybody; false: there is none. Valid until the next call. */
bool liar_next(struct liar *l, unsigned *out_type, struct lx_span *out_bytes);

#endif
