/*
 * ledger/bft.c - the rules of arXiv 1807.04938, Algorithm 1. See ledger/bft.h.
 *
 * Quoted lines are the paper's. Every input is kept first; then rules fire one by one until none
 * does, so that the order in which messages came makes no difference to what is true.
 */
#include "config.h"
#include "ledger/bft_int.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

#define ROUND_GROWTH_MAX 1000u /* timeouts stop growing there */

/* ---- helpers ----------------------------------------------------------------------------------- */

void
ledger_bft_wish(struct ledger_bft *bft, const struct ledger_bft_wish *wish)
{
        if (bft->wish_first > 0 && bft->wish_first == bft->wish_count)
                bft->wish_first = bft->wish_count = 0;
        if (bft->wish_count == bft->wish_cap) {
                bft->wish_cap = bft->wish_cap == 0 ? 8 : 2 * bft->wish_cap;
                bft->wishes = lx_realloc(bft->wishes, bft->wish_cap * sizeof(*bft->wishes));
        }
        bft->wishes[bft->wish_count++] = *wish;
}

bool
ledger_bft_next(struct ledger_bft *bft, struct ledger_bft_wish *out_wish)
{
        if (bft->wish_first == bft->wish_count)
                return false;
        *out_wish = bft->wishes[bft->wish_first++];
        return true;
}

static struct judged *
find_judged(const struct ledger_bft *bft, const struct lx_hash *value)
{
        for (size_t i = 0; i < bft->judged_count; i++)
                if (lx_hash_eq(&bft->judged[i].value, value))
                        return &bft->judged[i];
        return NULL;
}

static void
set_verdict(struct ledger_bft *bft, const struct lx_hash *value, enum verdict verdict)
{
        struct judged *judged = find_judged(bft, value);

        if (judged != NULL) {
                judged->verdict = verdict;
                return;
        }
        if (bft->judged_count == bft->judged_cap) {
                bft->judged_cap = bft->judged_cap == 0 ? 8 : 2 * bft->judged_cap;
                bft->judged = lx_realloc(bft->judged, bft->judged_cap * sizeof(*bft->judged));
        }
        bft->judged[bft->judged_count++] = (struct judged){.value = *value, .verdict = verdict};
}

static bool
has_verdict(const struct ledger_bft *bft, const struct lx_hash *value, enum verdict verdict)
{
        const struct judged *judged = find_judged(bft, value);

        return judged != NULL && judged->verdict == verdict;
}

static bool
is_quorum(const struct ledger_bft *bft, uint64_t power)
{
        return sigchain_is_two_thirds(power, bft->set.total);
}

static uint64_t
timeout(const struct ledger_bft *bft, uint32_t first_ms, uint64_t now_ms)
{
        uint64_t round = bft->state.round < ROUND_GROWTH_MAX ? bft->state.round : ROUND_GROWTH_MAX;

        return now_ms + first_ms + round * first_ms / 2;
}

static void
vote(struct ledger_bft *bft, enum ledger_bft_wish_type type, const struct lx_hash *value,
    uint32_t valid_round)
{
        struct ledger_bft_wish wish = {
            .type = type, .round = bft->state.round, .valid_round = valid_round};

        if (value != NULL)
                wish.value = *value;
        bft->state.step =
            type == LEDGER_BFT_PREVOTE ? LEDGER_STEP_PREVOTE : LEDGER_STEP_PRECOMMIT;
        if (bft->options.self >= 0)
                ledger_bft_wish(bft, &wish);
}

/* ---- rounds ------------------------------------------------------------------------------------ */

/* Lines 11 to 21. Everybody waits for the proposal, the proposer too: building it may fail. */
static void
start_round(struct ledger_bft *bft, uint32_t number, uint64_t now_ms)
{
        struct ledger_bft_wish wish = {.round = number, .valid_round = bft->state.valid_round};

        bft->state.round = number;                 /* line 12 */
        bft->state.step = LEDGER_STEP_PROPOSE;     /* line 13 */
        (void)ledger_bft_make_round(bft, number);
        bft->prevote_at = bft->precommit_at = UINT64_MAX;
        bft->propose_at = timeout(bft, bft->options.propose_ms, now_ms); /* line 21 */
        if (bft->options.self < 0 ||
            bft->options.proposer(bft->options.arg, number) != (uint16_t)bft->options.self)
                return;
        if (bft->state.valid_round != LEDGER_NO_ROUND) { /* lines 15, 16, 19 */
                wish.type = LEDGER_BFT_PROPOSE;
                wish.value = bft->state.valid;
        } else { /* line 18 */
                wish.type = LEDGER_BFT_BUILD;
        }
        ledger_bft_wish(bft, &wish);
}

/* ---- the rules --------------------------------------------------------------------------------- */

/*
 * Line 22: "upon <PROPOSAL, h_p, round_p, v, -1> from proposer(h_p, round_p) while step_p = propose"
 * Line 23: "if valid(v) and (lockedRound_p = -1 or lockedValue_p = v)"
 */
static bool
rule_22(struct ledger_bft *bft, const struct round *now)
{
        const struct ledger_bft_state *s = &bft->state;
        bool free_to = s->locked_round == LEDGER_NO_ROUND || lx_hash_eq(&s->locked, &now->value);

        if (s->step != LEDGER_STEP_PROPOSE || !now->has_proposal ||
            now->valid_round != LEDGER_NO_ROUND)
                return false;
        if (!free_to || !now->timely || has_verdict(bft, &now->value, VERDICT_INVALID))
                vote(bft, LEDGER_BFT_PREVOTE, NULL, LEDGER_NO_ROUND); /* line 26 */
        else if (has_verdict(bft, &now->value, VERDICT_VALID))
                vote(bft, LEDGER_BFT_PREVOTE, &now->value, s->locked_round); /* line 24 */
        else
                return false;
        return true;
}

/*
 * Line 28: "upon <PROPOSAL, h_p, round_p, v, vr> from proposer(h_p, round_p) AND
 * 2f+1 <PREVOTE, h_p, vr, id(v)> while step_p = propose and (vr >= 0 and vr < round_p)"
 * Line 29: "if valid(v) and (lockedRound_p <= vr or lockedValue_p = v)"
 */
static bool
rule_28(struct ledger_bft *bft, const struct round *now)
{
        const struct ledger_bft_state *s = &bft->state;
        int64_t locked = ledger_round_number(s->locked_round);
        bool newer;

        if (s->step != LEDGER_STEP_PROPOSE || !now->has_proposal ||
            now->valid_round == LEDGER_NO_ROUND || now->valid_round >= s->round ||
            !is_quorum(bft,
                ledger_bft_power(bft, LEDGER_VOTE_PREVOTE, now->valid_round, &now->value)))
                return false;
        newer = locked <= (int64_t)now->valid_round;
        if ((!newer && !lx_hash_eq(&s->locked, &now->value)) ||
            has_verdict(bft, &now->value, VERDICT_INVALID))
                vote(bft, LEDGER_BFT_PREVOTE, NULL, LEDGER_NO_ROUND); /* line 32 */
        else if (has_verdict(bft, &now->value, VERDICT_VALID))
                vote(bft, LEDGER_BFT_PREVOTE, &now->value,
                    newer ? now->valid_round : s->locked_round); /* line 30 */
        else
                return false;
        return true;
}

/* Line 34: "upon 2f+1 <PREVOTE, h_p, round_p, *> while step_p = prevote for the first time" */
static bool
rule_34(struct ledger_bft *bft, struct round *now, uint64_t now_ms)
{
        if (now->prevote_timer || bft->state.step != LEDGER_STEP_PREVOTE ||
            !is_quorum(bft, ledger_bft_tally(bft, now, LEDGER_VOTE_PREVOTE, NULL)))
                return false;
        now->prevote_timer = true;
        bft->prevote_at = timeout(bft, bft->options.prevote_ms, now_ms); /* line 35 */
        return true;
}

/*
 * Line 36: "upon <PROPOSAL, h_p, round_p, v, *> from proposer(h_p, round_p) AND
 * 2f+1 <PREVOTE, h_p, round_p, id(v)> while valid(v) and step_p >= prevote for the first time"
 */
static bool
rule_36(struct ledger_bft *bft, struct round *now)
{
        struct ledger_bft_state *s = &bft->state;

        if (now->locked || s->step < LEDGER_STEP_PREVOTE || !now->has_proposal ||
            !has_verdict(bft, &now->value, VERDICT_VALID) ||
            !is_quorum(bft, ledger_bft_tally(bft, now, LEDGER_VOTE_PREVOTE, &now->value)))
                return false;
        now->locked = true;
        s->valid = now->value;           /* line 42 */
        s->valid_round = now->number;    /* line 43 */
        if (s->step == LEDGER_STEP_PREVOTE) { /* line 37 */
                s->locked = now->value;       /* line 38 */
                s->locked_round = now->number; /* line 39 */
                vote(bft, LEDGER_BFT_PRECOMMIT, &now->value, LEDGER_NO_ROUND); /* lines 40, 41 */
        }
        return true;
}

/* Line 44: "upon 2f+1 <PREVOTE, h_p, round_p, nil> while step_p = prevote": nothing is unlocked. */
static bool
rule_44(struct ledger_bft *bft, const struct round *now)
{
        static const struct lx_hash nil = {{0}};

        if (bft->state.step != LEDGER_STEP_PREVOTE ||
            !is_quorum(bft, ledger_bft_tally(bft, now, LEDGER_VOTE_PREVOTE, &nil)))
                return false;
        vote(bft, LEDGER_BFT_PRECOMMIT, NULL, LEDGER_NO_ROUND); /* lines 45, 46 */
        return true;
}

/* Line 47: "upon 2f+1 <PRECOMMIT, h_p, round_p, *> for the first time" */
static bool
rule_47(struct ledger_bft *bft, struct round *now, uint64_t now_ms)
{
        if (now->precommit_timer ||
            !is_quorum(bft, ledger_bft_tally(bft, now, LEDGER_VOTE_PRECOMMIT, NULL)))
                return false;
        now->precommit_timer = true;
        bft->precommit_at = timeout(bft, bft->options.precommit_ms, now_ms); /* line 48 */
        return true;
}

/*
 * Line 49: "upon <PROPOSAL, h_p, r, v, *> from proposer(h_p, r) AND
 * 2f+1 <PRECOMMIT, h_p, r, id(v)> while decision_p[h_p] = nil", line 50: "if valid(v)". A value
 * that was judged is known, whichever round's proposal brought it.
 */
static bool
rule_49(struct ledger_bft *bft)
{
        struct ledger_bft_wish wish = {.type = LEDGER_BFT_DECIDE, .valid_round = LEDGER_NO_ROUND};

        if (!ledger_bft_certified(bft, &wish.round, &wish.value) ||
            !has_verdict(bft, &wish.value, VERDICT_VALID))
                return false;
        bft->decided = true; /* line 51 */
        bft->decided_round = wish.round;
        bft->decided_value = wish.value;
        bft->state.step = LEDGER_STEP_DECIDED;
        bft->propose_at = bft->prevote_at = bft->precommit_at = UINT64_MAX;
        ledger_bft_wish(bft, &wish);
        return true;
}

/* Line 55: "upon f+1 <*, h_p, round, *, *> with round > round_p" */
static bool
rule_55(struct ledger_bft *bft, uint64_t now_ms)
{
        for (size_t r = bft->round_count; r > 0 && bft->rounds[r - 1]->number > bft->state.round; r--) {
                const struct round *round = bft->rounds[r - 1];
                uint8_t counted[LEDGER_VOTERS_BYTES] = {0};
                uint64_t power = 0;

                for (size_t i = 0; i < round->count; i++)
                        ledger_bit_set(counted, round->ballots[i].voter);
                if (round->has_proposal)
                        ledger_bit_set(
                            counted, bft->options.proposer(bft->options.arg, round->number));
                for (size_t i = 0; i < bft->set.count; i++)
                        power += ledger_bit(counted, i) ? bft->set.v[i].power : 0;
                if (!sigchain_is_one_third(power, bft->set.total))
                        continue;
                start_round(bft, round->number, now_ms); /* line 56 */
                return true;
        }
        return false;
}

/* Fire rules until none does. */
static void
settle(struct ledger_bft *bft, uint64_t now_ms)
{
        bool fired = true;

        while (fired && bft->state.step != LEDGER_STEP_IDLE && !bft->decided) {
                struct round *now = ledger_bft_find_round(bft, bft->state.round);

                lx_assert(now != NULL);
                fired = rule_49(bft) || rule_55(bft, now_ms) || rule_22(bft, now) ||
                    rule_28(bft, now) || rule_36(bft, now) || rule_44(bft, now) ||
                    rule_34(bft, now, now_ms) || rule_47(bft, now, now_ms);
        }
}

/* ---- inputs ------------------------------------------------------------------------------------ */

void
ledger_bft_start(struct ledger_bft *bft, uint64_t now_ms)
{
        if (bft->state.step != LEDGER_STEP_IDLE)
                return;
        start_round(bft, 0, now_ms); /* line 10 */
        settle(bft, now_ms);
}

void
ledger_bft_restore(struct ledger_bft *bft, const struct ledger_bft_state *state, uint64_t now_ms)
{
        lx_assert(bft->state.step == LEDGER_STEP_IDLE && state->step != LEDGER_STEP_DECIDED);
        bft->state = *state;
        if (state->step == LEDGER_STEP_IDLE)
                return;
        (void)ledger_bft_make_round(bft, state->round);
        if (state->step == LEDGER_STEP_PROPOSE)
                bft->propose_at = timeout(bft, bft->options.propose_ms, now_ms);
        settle(bft, now_ms);
}

void
ledger_bft_built(
    struct ledger_bft *bft, uint32_t round, const struct lx_hash *value, uint64_t now_ms)
{
        struct ledger_bft_wish wish = {.type = LEDGER_BFT_PROPOSE,
            .round = round,
            .value = *value,
            .valid_round = LEDGER_NO_ROUND};

        set_verdict(bft, value, VERDICT_VALID);
        /* A lock that came meanwhile (line 36 needs another's proposal) can't be: the turn is ours. */
        if (bft->state.round == round && bft->state.step == LEDGER_STEP_PROPOSE)
                ledger_bft_wish(bft, &wish);
        settle(bft, now_ms);
}

bool
ledger_bft_add_proposal(struct ledger_bft *bft, uint32_t round, const struct lx_hash *value,
    uint32_t valid_round, bool timely, uint64_t now_ms)
{
        uint64_t now = bft->state.round;
        struct round *kept = ledger_bft_find_round(bft, round);
        struct ledger_bft_wish wish = {
            .type = LEDGER_BFT_CHECK, .round = round, .value = *value, .valid_round = valid_round};

        if (kept != NULL && kept->has_proposal)
                return false;
        if (kept == NULL &&
            (round > now + LEDGER_ROUNDS_AHEAD || (uint64_t)round + LEDGER_ROUNDS_BEHIND < now))
                return false;
        kept = ledger_bft_make_round(bft, round);
        kept->has_proposal = true;
        kept->timely = timely;
        kept->value = *value;
        kept->valid_round = valid_round;
        if (find_judged(bft, value) == NULL) {
                set_verdict(bft, value, VERDICT_ASKED);
                ledger_bft_wish(bft, &wish);
        }
        settle(bft, now_ms);
        return true;
}

bool
ledger_bft_get_proposal(const struct ledger_bft *bft, uint32_t round, struct lx_hash *out_value,
    uint32_t *out_valid_round)
{
        const struct round *kept = ledger_bft_find_round(bft, round);

        if (kept == NULL || !kept->has_proposal)
                return false;
        *out_value = kept->value;
        *out_valid_round = kept->valid_round;
        return true;
}

void
ledger_bft_judge(
    struct ledger_bft *bft, const struct lx_hash *value, bool valid, uint64_t now_ms)
{
        set_verdict(bft, value, valid ? VERDICT_VALID : VERDICT_INVALID);
        settle(bft, now_ms);
}

bool
ledger_bft_add_vote(struct ledger_bft *bft, const struct ledger_ballot *ballot, uint64_t now_ms)
{
        bool kept = ledger_bft_keep_vote(bft, ballot);

        if (kept)
                settle(bft, now_ms);
        return kept;
}

/* ---- time -------------------------------------------------------------------------------------- */

void
ledger_bft_tick(struct ledger_bft *bft, uint64_t now_ms)
{
        struct ledger_bft_state *s = &bft->state;

        if (bft->decided || s->step == LEDGER_STEP_IDLE)
                return;
        if (now_ms >= bft->propose_at) {
                bft->propose_at = UINT64_MAX;
                if (s->step == LEDGER_STEP_PROPOSE) /* lines 57 to 60 */
                        vote(bft, LEDGER_BFT_PREVOTE, NULL, LEDGER_NO_ROUND);
        }
        if (now_ms >= bft->prevote_at) {
                bft->prevote_at = UINT64_MAX;
                if (s->step == LEDGER_STEP_PREVOTE) /* lines 61 to 64 */
                        vote(bft, LEDGER_BFT_PRECOMMIT, NULL, LEDGER_NO_ROUND);
        }
        if (now_ms >= bft->precommit_at) {
                bft->precommit_at = UINT64_MAX;
                if (s->round < LEDGER_ROUND_MAX)
                        start_round(bft, s->round + 1, now_ms); /* lines 65 to 67 */
        }
        settle(bft, now_ms);
}

uint64_t
ledger_bft_deadline_ms(const struct ledger_bft *bft)
{
        uint64_t at = bft->propose_at;

        if (bft->prevote_at < at)
                at = bft->prevote_at;
        return bft->precommit_at < at ? bft->precommit_at : at;
}

/* ---- life -------------------------------------------------------------------------------------- */

struct ledger_bft *
ledger_bft_new(const struct ledger_bft_options *options)
{
        struct ledger_bft *bft = lx_alloc(sizeof(*bft));

        bft->options = *options;
        bft->set = *options->set;
        bft->options.set = NULL;
        bft->state.locked_round = bft->state.valid_round = LEDGER_NO_ROUND;
        bft->propose_at = bft->prevote_at = bft->precommit_at = UINT64_MAX;
        return bft;
}

void
ledger_bft_free(struct ledger_bft *bft)
{
        if (bft == NULL)
                return;
        for (size_t i = 0; i < bft->round_count; i++) {
                lx_free(bft->rounds[i]->ballots);
                lx_free(bft->rounds[i]);
        }
        lx_free(bft->rounds);
        lx_free(bft->judged);
        lx_free(bft->wishes);
        lx_free(bft);
}

void
ledger_bft_get_state(const struct ledger_bft *bft, struct ledger_bft_state *out_state)
{
        *out_state = bft->state;
}

bool
ledger_bft_decision(
    const struct ledger_bft *bft, uint32_t *out_round, struct lx_hash *out_value)
{
        if (!bft->decided)
                return false;
        *out_round = bft->decided_round;
        *out_value = bft->decided_value;
        return true;
}
