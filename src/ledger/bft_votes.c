/* ledger/bft_votes.c - the votes of a height: kept by round within bounds, counted, compared. */
#include "config.h"
#include "ledger/bft_int.h"

#include "base/mem.h"

#include <string.h>

/* ---- rounds ------------------------------------------------------------------------------------ */

static size_t
place_of(const struct ledger_bft *bft, uint32_t number)
{
        size_t at = bft->round_count;

        /* Nearly always it is one of the last. */
        while (at > 0 && bft->rounds[at - 1]->number >= number)
                at--;
        return at;
}

struct round *
ledger_bft_find_round(const struct ledger_bft *bft, uint32_t number)
{
        size_t at = place_of(bft, number);

        return at < bft->round_count && bft->rounds[at]->number == number ? bft->rounds[at] : NULL;
}

struct round *
ledger_bft_make_round(struct ledger_bft *bft, uint32_t number)
{
        size_t at = place_of(bft, number);
        struct round *round;

        if (at < bft->round_count && bft->rounds[at]->number == number)
                return bft->rounds[at];
        if (bft->round_count == bft->round_cap) {
                bft->round_cap = bft->round_cap == 0 ? 8 : 2 * bft->round_cap;
                bft->rounds = lx_realloc(bft->rounds, bft->round_cap * sizeof(*bft->rounds));
        }
        round = lx_alloc(sizeof(*round));
        round->number = number;
        round->valid_round = LEDGER_NO_ROUND;
        memmove(bft->rounds + at + 1, bft->rounds + at,
            (bft->round_count - at) * sizeof(*bft->rounds));
        bft->rounds[at] = round;
        bft->round_count++;
        return round;
}

static void
drop_round(struct ledger_bft *bft, size_t at)
{
        lx_free(bft->rounds[at]->ballots);
        lx_free(bft->rounds[at]);
        bft->round_count--;
        memmove(bft->rounds + at, bft->rounds + at + 1,
            (bft->round_count - at) * sizeof(*bft->rounds));
}

/* ---- bounds ------------------------------------------------------------------------------------ */

static bool
has_votes_of(const struct round *round, uint16_t voter)
{
        for (size_t i = 0; i < round->count; i++)
                if (round->ballots[i].voter == voter)
                        return true;
        return false;
}

static void
remove_votes_of(struct ledger_bft *bft, size_t at, uint16_t voter)
{
        struct round *round = bft->rounds[at];
        size_t kept = 0;

        for (size_t i = 0; i < round->count; i++)
                if (round->ballots[i].voter != voter)
                        round->ballots[kept++] = round->ballots[i];
        round->count = kept;
        if (kept == 0 && !round->has_proposal)
                drop_round(bft, at);
}

/*
 * Whether a vote of @voter in round @number may be kept. Far ahead a voter has one round only: an
 * honest one is never in two, and the highest is what line 55 wants.
 */
static bool
admit(struct ledger_bft *bft, uint32_t number, uint16_t voter)
{
        uint64_t now = bft->state.round, ahead = now + LEDGER_ROUNDS_AHEAD;

        if (number <= ahead)
                return (uint64_t)number + LEDGER_ROUNDS_BEHIND >= now ||
                    ledger_bft_find_round(bft, number) != NULL;
        for (size_t i = bft->round_count; i > 0 && bft->rounds[i - 1]->number > ahead; i--) {
                const struct round *round = bft->rounds[i - 1];

                if (!has_votes_of(round, voter) || round->number == number)
                        continue;
                if (round->number > number)
                        return false;
                remove_votes_of(bft, i - 1, voter);
                return true;
        }
        return true;
}

/* ---- counting ---------------------------------------------------------------------------------- */

uint64_t
ledger_bft_tally(const struct ledger_bft *bft, const struct round *round, enum ledger_vote type,
    const struct lx_hash *value)
{
        uint8_t counted[LEDGER_VOTERS_BYTES] = {0};
        uint64_t power = 0;

        for (size_t i = 0; round != NULL && i < round->count; i++) {
                const struct ledger_ballot *b = &round->ballots[i];

                if (b->type != type || ledger_bit(counted, b->voter) ||
                    (value != NULL && !lx_hash_eq(&b->value, value)))
                        continue;
                ledger_bit_set(counted, b->voter);
                power += bft->set.v[b->voter].power;
        }
        return power;
}

uint64_t
ledger_bft_power(const struct ledger_bft *bft, enum ledger_vote type, uint32_t round,
    const struct lx_hash *value)
{
        return ledger_bft_tally(bft, ledger_bft_find_round(bft, round), type, value);
}

bool
ledger_bft_certified(const struct ledger_bft *bft, uint32_t *out_round, struct lx_hash *out_value)
{
        for (size_t r = 0; r < bft->round_count; r++) {
                const struct round *round = bft->rounds[r];

                for (size_t i = 0; i < round->count; i++) {
                        const struct ledger_ballot *b = &round->ballots[i];

                        if (b->type != LEDGER_VOTE_PRECOMMIT || lx_hash_is_zero(&b->value) ||
                            !sigchain_is_two_thirds(
                                ledger_bft_tally(bft, round, b->type, &b->value), bft->set.total))
                                continue;
                        *out_round = round->number;
                        *out_value = b->value;
                        return true;
                }
        }
        return false;
}

static const struct ledger_ballot *
find_ballot(const struct round *round, enum ledger_vote type, uint16_t voter,
    const struct lx_hash *value)
{
        for (size_t i = 0; round != NULL && i < round->count; i++) {
                const struct ledger_ballot *b = &round->ballots[i];

                if (b->type == type && b->voter == voter && lx_hash_eq(&b->value, value))
                        return b;
        }
        return NULL;
}

void
ledger_bft_certificate(const struct ledger_bft *bft, uint32_t round, const struct lx_hash *value,
    struct lx_buf *out)
{
        const struct round *votes = ledger_bft_find_round(bft, round);
        uint8_t bitmap[LEDGER_VOTERS_BYTES] = {0}, head[4];
        struct lx_writer wr = lx_writer_init(head, sizeof(head));

        for (uint16_t i = 0; i < bft->set.count; i++)
                if (find_ballot(votes, LEDGER_VOTE_PRECOMMIT, i, value) != NULL)
                        ledger_bit_set(bitmap, i);
        lx_write_u32(&wr, round);
        lx_buf_append(out, head, sizeof(head));
        lx_buf_append(out, bitmap, (bft->set.count + 7) / 8);
        for (uint16_t i = 0; i < bft->set.count; i++) {
                const struct ledger_ballot *b =
                    find_ballot(votes, LEDGER_VOTE_PRECOMMIT, i, value);

                if (b != NULL)
                        lx_buf_append(out, b->sig.b, LX_SIG_LEN);
        }
}

void
ledger_bft_voters(const struct ledger_bft *bft, enum ledger_vote type, uint32_t round,
    uint8_t out_voters[LEDGER_VOTERS_BYTES])
{
        const struct round *votes = ledger_bft_find_round(bft, round);

        memset(out_voters, 0, LEDGER_VOTERS_BYTES);
        for (size_t i = 0; votes != NULL && i < votes->count; i++)
                if (votes->ballots[i].type == type)
                        ledger_bit_set(out_voters, votes->ballots[i].voter);
}

const struct ledger_ballot *
ledger_bft_each(const struct ledger_bft *bft, size_t *pos)
{
        size_t at = (*pos)++;

        for (size_t r = 0; r < bft->round_count; r++) {
                if (at < bft->rounds[r]->count)
                        return &bft->rounds[r]->ballots[at];
                at -= bft->rounds[r]->count;
        }
        return NULL;
}

/* ---- comparing --------------------------------------------------------------------------------- */

/*
 * Amnesia: @lock precommits a value, and later @vote prevotes another one with a justification that is
 * older than the lock. Honest voters never do (vote.h).
 */
static bool
is_amnesia(const struct ledger_ballot *lock, const struct ledger_ballot *vote)
{
        return lock->type == LEDGER_VOTE_PRECOMMIT && vote->type == LEDGER_VOTE_PREVOTE &&
            lock->round < vote->round && !lx_hash_is_zero(&lock->value) &&
            !lx_hash_is_zero(&vote->value) && !lx_hash_eq(&lock->value, &vote->value) &&
            ledger_round_number(vote->valid_round) < (int64_t)lock->round;
}

static bool
is_double(const struct ledger_ballot *a, const struct ledger_ballot *b)
{
        return a->type == b->type && a->round == b->round &&
            (!lx_hash_eq(&a->value, &b->value) || a->valid_round != b->valid_round);
}

bool
ledger_ballots_convict(const struct ledger_ballot *a, const struct ledger_ballot *b)
{
        return a->voter == b->voter && a->height == b->height &&
            (is_double(a, b) || is_amnesia(a, b) || is_amnesia(b, a));
}

void
ledger_bft_accuse(struct ledger_bft *bft, const struct ledger_ballot *ballot)
{
        for (size_t r = 0; r < bft->round_count; r++)
                for (size_t i = 0; i < bft->rounds[r]->count; i++) {
                        const struct ledger_ballot *other = &bft->rounds[r]->ballots[i];
                        struct ledger_bft_wish wish = {
                            .type = LEDGER_BFT_EVIDENCE, .first = *other, .second = *ballot};

                        if (!ledger_ballots_convict(other, ballot))
                                continue;
                        ledger_bft_wish(bft, &wish);
                        return; /* one proof is enough */
                }
}

/* ---- keeping ----------------------------------------------------------------------------------- */

/* How many of the voter's votes of this type are there; whether this very one is. */
static size_t
count_same(const struct round *round, const struct ledger_ballot *ballot, bool *out_known)
{
        size_t count = 0;

        *out_known = false;
        for (size_t i = 0; round != NULL && i < round->count; i++) {
                const struct ledger_ballot *b = &round->ballots[i];

                if (b->type != ballot->type || b->voter != ballot->voter)
                        continue;
                count++;
                if (lx_hash_eq(&b->value, &ballot->value) && b->valid_round == ballot->valid_round)
                        *out_known = true;
        }
        return count;
}

bool
ledger_bft_keep_vote(struct ledger_bft *bft, const struct ledger_ballot *ballot)
{
        struct round *round = ledger_bft_find_round(bft, ballot->round);
        size_t same;
        bool known;

        if (ballot->height != bft->options.height || ballot->voter >= bft->set.count)
                return false;
        same = count_same(round, ballot, &known);
        if (known || !admit(bft, ballot->round, ballot->voter))
                return false;
        ledger_bft_accuse(bft, ballot);
        if (same >= LEDGER_BALLOTS_EACH)
                return false;
        round = ledger_bft_make_round(bft, ballot->round);
        if (round->count == round->cap) {
                round->cap = round->cap == 0 ? 2 * bft->set.count : 2 * round->cap;
                round->ballots = lx_realloc(round->ballots, round->cap * sizeof(*round->ballots));
        }
        round->ballots[round->count++] = *ballot;
        return true;
}
