/*
 * ledger/bft_int.h - what the files of the consensus machine share: rounds, their votes, the machine.
 */
#ifndef LX_LEDGER_BFT_INT_H
#define LX_LEDGER_BFT_INT_H

#include "ledger/bft.h"

/* What came of one round. */
struct round {
        uint32_t number;
        bool has_proposal, timely;
        struct lx_hash value;
        uint32_t valid_round;
        bool prevote_timer, locked, precommit_timer; /* lines 34, 36, 47: for the first time */
        struct ledger_ballot *ballots;
        size_t count, cap;
};

enum verdict { VERDICT_ASKED, VERDICT_VALID, VERDICT_INVALID };

struct judged {
        struct lx_hash value;
        enum verdict verdict;
};

struct ledger_bft {
        struct ledger_bft_options options;
        struct sigchain_valset set;
        struct ledger_bft_state state;
        struct round **rounds; /* by number */
        size_t round_count, round_cap;
        struct judged *judged;
        size_t judged_count, judged_cap;
        struct ledger_bft_wish *wishes;
        size_t wish_first, wish_count, wish_cap;
        uint64_t propose_at, prevote_at, precommit_at; /* UINT64_MAX: not scheduled */
        bool decided;
        uint32_t decided_round;
        struct lx_hash decided_value;
};

/** The round's record, or NULL. */
struct round *ledger_bft_find_round(const struct ledger_bft *bft, uint32_t number);
/** The round's record, made when it is missing. */
struct round *ledger_bft_make_round(struct ledger_bft *bft, uint32_t number);
/** Append a wish. */
void ledger_bft_wish(struct ledger_bft *bft, const struct ledger_bft_wish *wish);
/** Keep a vote within the bounds; false: it is known, or a bound keeps it out. */
bool ledger_bft_keep_vote(struct ledger_bft *bft, const struct ledger_ballot *ballot);
/** Wish for evidence against the voter of @ballot, if his other votes give any. */
void ledger_bft_accuse(struct ledger_bft *bft, const struct ledger_ballot *ballot);
/** Power that voted @type in @round: for @value, or (NULL) for anything. */
uint64_t ledger_bft_tally(const struct ledger_bft *bft, const struct round *round,
    enum ledger_vote type, const struct lx_hash *value);

/** Rounds as the paper counts: none is -1. */
static inline int64_t
ledger_round_number(uint32_t round)
{
        return round == LEDGER_NO_ROUND ? -1 : (int64_t)round;
}

#endif
