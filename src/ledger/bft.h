/*
 * ledger/bft.h - the machine of one height: Tendermint as in arXiv 1807.04938, Algorithm 1.
 *
 * A pure machine: messages whose signatures hold and time go in; wishes come out one by one
 * (ledger_bft_next); nothing else happens. Its rules carry the line numbers of the paper:
 *
 *   line 10  start               line 44  2f+1 prevotes for nil
 *   line 22  a fresh proposal    line 47  2f+1 precommits for anything
 *   line 28  a proposal with     line 49  2f+1 precommits for a value: the decision
 *            2f+1 prevotes       line 55  f+1 messages of a later round
 *   line 34  2f+1 prevotes for anything
 *   line 36  2f+1 prevotes for the proposal: lock, valid value
 *   and the timeouts of lines 57 (propose), 61 (prevote), 65 (precommit)
 *
 *      idle --start--> propose --proposal or timeout--> prevote --2f+1 or timeout--> precommit
 *                         ^                                                        |
 *                         +--- next round: timeout of line 65, or line 55 ---------+
 *      any step --2f+1 precommits for one valid value--> decided
 *
 * "2f+1" is more than two thirds of the power, "f+1" more than one third, in exact integers. A lock is
 * given up only as lines 28 to 29 say; 2f+1 prevotes for nil unlock nothing. A value is the hash of a header;
 * whether it is valid is found out elsewhere (WISH_CHECK, ledger_bft_judge); until then the rules
 * that ask valid(v) wait. A machine without a place in the set (self < 0), or whose signing is
 * not allowed, follows the same steps and wishes for no votes.
 *
 * Votes are kept by round. A voter counts once in every tally, for at most LEDGER_BALLOTS_EACH values of a
 * round and type (a second value is evidence, yet may be part of the certificate). Against floods:
 * rounds up to LEDGER_ROUNDS_AHEAD above the current one are kept, and of every voter one later round
 * (a vote of a still later one displaces it); rounds further than LEDGER_ROUNDS_BEHIND below the current one
 * are no longer begun.
 * Evidence: every vote is compared with the voter's others of the height: two values in one round, or a prevote
 * that a lock forbids (vote.h); WISH_EVIDENCE names both.
 *
 * Timeouts grow by half their first value each round. Ownership: the set is copied. Threads: one. Spec:
 * doc/consensus.md.
 */
#ifndef LX_LEDGER_BFT_H
#define LX_LEDGER_BFT_H

#include "ledger/vote.h"

#define LEDGER_ROUNDS_AHEAD 8u
#define LEDGER_ROUNDS_BEHIND 64u
#define LEDGER_BALLOTS_EACH 2

struct ledger_bft;

enum ledger_step {
        LEDGER_STEP_IDLE,
        LEDGER_STEP_PROPOSE,
        LEDGER_STEP_PREVOTE,
        LEDGER_STEP_PRECOMMIT,
        LEDGER_STEP_DECIDED
};

struct ledger_bft_options {
        uint64_t height;
        const struct sigchain_valset *set;
        int self;                 /* own place in the set; -1: an observer */
        uint32_t propose_ms;      /* of round 0: lines 21, 35, 48 */
        uint32_t prevote_ms;
        uint32_t precommit_ms;
        /* the place of the proposer of @round (proposer.h) */
        uint16_t (*proposer)(void *arg, uint32_t round);
        void *arg;
};

enum ledger_bft_wish_type {
        LEDGER_BFT_BUILD,     /* line 18: getValue() for round; then ledger_bft_built */
        LEDGER_BFT_PROPOSE,   /* line 19: sign and broadcast a proposal of value with valid_round */
        LEDGER_BFT_PREVOTE,   /* sign and broadcast; then ledger_bft_add_vote with it */
        LEDGER_BFT_PRECOMMIT,
        LEDGER_BFT_CHECK,     /* is value (a proposal's) valid? then ledger_bft_judge */
        LEDGER_BFT_DECIDE,    /* line 51: value, decided by the precommits of round */
        LEDGER_BFT_EVIDENCE   /* first and second convict their voter */
};

struct ledger_bft_wish {
        enum ledger_bft_wish_type type;
        uint32_t round;
        struct lx_hash value;
        uint32_t valid_round;
        struct ledger_ballot first, second; /* EVIDENCE */
};

/** A machine in step idle. */
struct ledger_bft *ledger_bft_new(const struct ledger_bft_options *options);
/** Free it; NULL is fine. */
void ledger_bft_free(struct ledger_bft *bft);

/* What a validator must not forget of a height (lines 6 to 9, 12, 13). */
struct ledger_bft_state {
        uint32_t round;
        enum ledger_step step;
        uint32_t locked_round;
        struct lx_hash locked;
        uint32_t valid_round;
        struct lx_hash valid;
};

/** The fields above. */
void ledger_bft_get_state(const struct ledger_bft *bft, struct ledger_bft_state *out_state);
/** Go on from @state, before anything else came in: the round is entered without its first wishes. */
void ledger_bft_restore(struct ledger_bft *bft, const struct ledger_bft_state *state, uint64_t now_ms);

/** Line 10, when it is idle. */
void ledger_bft_start(struct ledger_bft *bft, uint64_t now_ms);
/** The value asked for by BUILD is there (valid, of course). */
void ledger_bft_built(struct ledger_bft *bft, uint32_t round, const struct lx_hash *value, uint64_t now_ms);
/**
 * The proposal of @round by its proposer (the caller checked the signature). @timely: its clock was in the window when
 * it came; counts for fresh ones only. false: not kept (another one of the round was first: @out_other, or
 * a bound).
 */
bool ledger_bft_add_proposal(struct ledger_bft *bft, uint32_t round, const struct lx_hash *value,
    uint32_t valid_round, bool timely, uint64_t now_ms);
/** Whether the proposal of @round is here; its value and valid round. */
bool ledger_bft_get_proposal(const struct ledger_bft *bft, uint32_t round, struct lx_hash *out_value,
    uint32_t *out_valid_round);
/** valid(v), for good. */
void ledger_bft_judge(struct ledger_bft *bft, const struct lx_hash *value, bool valid, uint64_t now_ms);

/** A vote of this height whose signature holds. false: it is known already or a bound keeps it out. */
bool ledger_bft_add_vote(struct ledger_bft *bft, const struct ledger_ballot *ballot, uint64_t now_ms);

/** Whether two votes, both signed by their voter, prove it faulty: two of one round, or a forgotten lock. */
bool ledger_ballots_convict(const struct ledger_ballot *a, const struct ledger_ballot *b);

/** The next wish; false: there is none. */
bool ledger_bft_next(struct ledger_bft *bft, struct ledger_bft_wish *out_wish);
/** Time passes. */
void ledger_bft_tick(struct ledger_bft *bft, uint64_t now_ms);
/** When it wants ledger_bft_tick; UINT64_MAX: not at all. */
uint64_t ledger_bft_deadline_ms(const struct ledger_bft *bft);

/** The decision: false before it. */
bool ledger_bft_decision(const struct ledger_bft *bft, uint32_t *out_round, struct lx_hash *out_value);
/** Power that voted @type for @value in @round. */
uint64_t ledger_bft_power(const struct ledger_bft *bft, enum ledger_vote type, uint32_t round,
    const struct lx_hash *value);
/** The value that more than two thirds precommitted in any round, be it known or not. */
bool ledger_bft_certified(
    const struct ledger_bft *bft, uint32_t *out_round, struct lx_hash *out_value);
/** Append the certificate (cert.h) made of the precommits for @value in @round; they suffice. */
void ledger_bft_certificate(const struct ledger_bft *bft, uint32_t round,
    const struct lx_hash *value, struct lx_buf *out);
/** Whose votes of @type and @round are here. */
void ledger_bft_voters(const struct ledger_bft *bft, enum ledger_vote type, uint32_t round,
    uint8_t out_voters[LEDGER_VOTERS_BYTES]);
/** Walk all votes: *@pos starts at 0; NULL at the end. No changes while walking. */
const struct ledger_ballot *ledger_bft_each(const struct ledger_bft *bft, size_t *pos);

#endif
