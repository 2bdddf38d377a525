/*
 * ledger/proposer.h - whose turn it is: rotation by power, with priorities that are part of the state.
 *
 * Every validator has a signed priority. A turn: each priority grows by the validator's power, the
 * highest (of equals the first in the set) proposes and pays the total power. So over any stretch of
 * rounds everybody proposes in proportion to its power, and nobody can choose its turn. The proposer of
 * round r at a height is that of turn r + 1 from the height's priorities; the next height's are those after one turn,
 * whatever round decided: they follow from the block below alone.
 *
 * When the set changes, those who stay keep their priority, a new one begins at minus nine eighths of the
 * total power (so that leaving and coming back gains nothing); then all are scaled into a
 * window of twice the total and centred around zero.
 *
 * State value (kind PROPOSER, key: nothing): u16 count, then per validator, in the order of the set
 * that acts at the next height: u64 priority, two's complement. Written in every block whose next set has more
 * than one validator; absent: all zero. Threads: pure. Spec: doc/consensus.md, doc/state.md.
 */
#ifndef LX_LEDGER_PROPOSER_H
#define LX_LEDGER_PROPOSER_H

#include "base/wire.h"
#include "sigchain/valset.h"

#define LEDGER_ROTATION_BYTES_MAX (2 + 8 * SIGCHAIN_VALIDATORS_MAX)
#define LEDGER_ROTATION_ROUNDS 4096u /* turns repeat after so many rounds of one height */

struct ledger_rotation {
        size_t count;
        int64_t priority[SIGCHAIN_VALIDATORS_MAX];
};

/** All zero, for @set. */
void ledger_rotation_init(const struct sigchain_valset *set, struct ledger_rotation *out_rotation);
/** One turn; returns the place of the proposer. */
uint16_t ledger_rotation_turn(struct ledger_rotation *rotation, const struct sigchain_valset *set);
/** The proposer of @round from the height's priorities. */
uint16_t ledger_rotation_proposer(
    const struct ledger_rotation *rotation, const struct sigchain_valset *set, uint32_t round);
/** From the priorities of @from to those of @to. */
void ledger_rotation_move(struct ledger_rotation *rotation, const struct sigchain_valset *from,
    const struct sigchain_valset *to);

/** Write the bytes above. */
void ledger_rotation_encode(const struct ledger_rotation *rotation, struct lx_writer *wr);
/** Read them, to the end. LX_ERR_RANGE: a priority that no rotation reaches. */
LX_MUST_CHECK enum lx_err ledger_rotation_decode(
    const uint8_t *bytes, size_t len, struct ledger_rotation *out_rotation);

#endif
