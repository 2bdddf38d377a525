/* sim/liar.c - see sim/liar.h. */
#include "config.h"
#include "sim/liar.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/kinds.h"
#include "ledger/proposer.h"
#include "ledger/vote.h"
#include "llp/message.h"
#include "sigchain/state.h"

#include <string.h>

#define VALUES_MAX 16
#define PREVOTES_MAX 512
#define QUEUE_MAX 1024

/* A proposed value of the height, as it was proposed first. */
struct seen_value {
        struct lx_hash hash;
        struct ledger_proposal proposal;
};

struct out_message {
        unsigned type;
        size_t len;
        uint8_t bytes[LEDGER_PROPOSAL_LEN];
};

struct liar {
        uint8_t key[32];
        struct lx_pubkey public;
        bool bold;
        /* the height under way */
        uint64_t height;
        struct lx_hash chain_id;
        struct lx_buf set_bytes;
        struct sigchain_valset set;
        struct ledger_rotation rotation;
        uint16_t place; /* set.count: none */
        uint32_t round; /* the latest that an honest looking message is about */
        struct seen_value value[VALUES_MAX];
        size_t value_count;
        struct ledger_ballot prevote[PREVOTES_MAX];
        size_t prevote_count;
        bool lied;
        uint32_t lied_round; /* the last of them */
        /* what is to be sent */
        struct out_message queue[QUEUE_MAX];
        size_t first, count;
};

/* ---- the height -------------------------------------------------------------------------------- */

static void
load_set(struct liar *l, struct ledger_view *view)
{
        struct lx_buf priorities = {0};

        lx_buf_reset(&l->set_bytes);
        l->set.count = 0;
        if (ledger_get_valset(view, &ledger_view_header(view)->next_valset, &l->set_bytes) !=
                LX_OK ||
            sigchain_valset_decode(l->set_bytes.p, l->set_bytes.len, &l->set) != LX_OK)
                l->set.count = 0;
        ledger_rotation_init(&l->set, &l->rotation);
        if (ledger_get_state(view, SIGCHAIN_KIND_ROTATION, NULL, 0, LEDGER_NOW, &priorities,
                NULL) == LX_OK)
                (void)!ledger_rotation_decode(priorities.p, priorities.len, &l->rotation);
        lx_buf_clear(&priorities);
        for (l->place = 0; l->place < l->set.count; l->place++)
                if (memcmp(l->set.v[l->place].key.b, l->public.b, LX_PUBKEY_LEN) == 0)
                        break;
}

/* The height above the ledger's tip is the one to lie about. */
static void
follow(struct liar *l, struct ledger *ledger)
{
        struct ledger_view *view = ledger_view_new(ledger);

        if (ledger_view_header(view)->height + 1 != l->height) {
                l->height = ledger_view_header(view)->height + 1;
                l->chain_id = *ledger_chain_id(ledger);
                l->round = 0;
                l->value_count = l->prevote_count = 0;
                l->lied = false;
                load_set(l, view);
        }
        ledger_view_unref(view);
}

/* ---- what it remembers ------------------------------------------------------------------------- */

static void
hear_round(struct liar *l, uint32_t round)
{
        if (round > l->round)
                l->round = round;
}

static void
hear_proposal(struct liar *l, const uint8_t *bytes, size_t len)
{
        struct seen_value seen;
        struct lx_hash msg;
        uint16_t proposer;

        if (ledger_proposal_decode(bytes, len, &seen.proposal) != LX_OK ||
            seen.proposal.header.height != l->height || l->value_count == VALUES_MAX)
                return;
        ledger_proposal_message(&lx_crypto_ops()->hash, &seen.proposal, &seen.hash, &msg);
        proposer = ledger_rotation_proposer(&l->rotation, &l->set, seen.proposal.round);
        if (!lx_verify(&l->set.v[proposer].key, &msg, &seen.proposal.sig))
                return;
        hear_round(l, seen.proposal.round);
        for (size_t i = 0; i < l->value_count; i++)
                if (lx_hash_eq(&l->value[i].hash, &seen.hash))
                        return;
        l->value[l->value_count++] = seen;
}

static void
hear_vote(struct liar *l, const uint8_t *bytes, size_t len)
{
        struct ledger_ballot ballot;

        if (ledger_ballot_decode(bytes, len, &ballot) != LX_OK || ballot.height != l->height)
                return;
        for (size_t i = 0; i < l->prevote_count; i++)
                if (memcmp(&l->prevote[i].sig, &ballot.sig, sizeof(ballot.sig)) == 0)
                        return;
        if (!ledger_ballot_verify(lx_crypto_ops(), &l->chain_id, &l->set, &ballot))
                return;
        hear_round(l, ballot.round);
        if (ballot.type == LEDGER_VOTE_PREVOTE && !lx_hash_is_zero(&ballot.value) &&
            ballot.voter != l->place && l->prevote_count < PREVOTES_MAX)
                l->prevote[l->prevote_count++] = ballot;
}

static void
hear_state(struct liar *l, const uint8_t *bytes, size_t len)
{
        struct ledger_round_state state;

        /* Nobody signs it: a damaged one may say anything, so it leads one round further at most. */
        if (ledger_round_state_decode(bytes, len, &state) == LX_OK && state.height == l->height &&
            state.round == l->round + 1)
                l->round++;
}

/* ---- what it signs ----------------------------------------------------------------------------- */

static struct lx_writer
begin_message(struct liar *l, unsigned type)
{
        struct out_message *m = &l->queue[l->count++];

        m->type = type;
        return lx_writer_init(m->bytes, sizeof(m->bytes));
}

static void
show_ballot(struct liar *l, const struct ledger_ballot *ballot)
{
        struct lx_writer wr;

        if (l->count == QUEUE_MAX)
                return;
        wr = begin_message(l, LLP_VOTE);
        ledger_ballot_encode(ballot, &wr);
        l->queue[l->count - 1].len = wr.len;
}

static void
sign_prevote(struct liar *l, uint32_t round, const struct lx_hash *value)
{
        struct ledger_ballot ballot = {.type = LEDGER_VOTE_PREVOTE,
            .height = l->height,
            .round = round,
            .value = *value,
            .valid_round = LEDGER_NO_ROUND,
            .voter = l->place};
        struct lx_hash msg;

        ledger_ballot_message(&lx_crypto_ops()->hash, &l->chain_id, &ballot, &msg);
        if (lx_sign(l->key, &msg, NULL, &ballot.sig) == LX_OK)
                show_ballot(l, &ballot);
}

static void
sign_proposal(struct liar *l, const struct seen_value *value, uint32_t valid_round)
{
        struct ledger_proposal proposal = value->proposal;
        struct lx_writer wr;
        struct lx_hash msg;

        proposal.round = l->round;
        proposal.valid_round = valid_round;
        ledger_proposal_message(&lx_crypto_ops()->hash, &proposal, NULL, &msg);
        if (l->count == QUEUE_MAX || lx_sign(l->key, &msg, NULL, &proposal.sig) != LX_OK)
                return;
        wr = begin_message(l, LLP_PROPOSAL);
        ledger_proposal_encode(&proposal, &wr);
        l->queue[l->count - 1].len = wr.len;
}

/* Whether the prevotes for @value in @round and its own one are more than two thirds. */
static bool
can_be_quorum(const struct liar *l, uint32_t round, const struct lx_hash *value)
{
        uint8_t counted[LEDGER_VOTERS_BYTES] = {0};
        uint64_t power = l->set.v[l->place].power;

        for (size_t i = 0; i < l->prevote_count; i++) {
                const struct ledger_ballot *b = &l->prevote[i];

                if (b->round != round || !lx_hash_eq(&b->value, value) ||
                    ledger_bit(counted, b->voter))
                        continue;
                ledger_bit_set(counted, b->voter);
                power += l->set.v[b->voter].power;
        }
        return sigchain_is_two_thirds(power, l->set.total);
}

/* The value of the lowest round that can be justified. */
static const struct seen_value *
find_old(const struct liar *l, uint32_t *out_round)
{
        for (uint32_t round = 0; round < l->round; round++)
                for (size_t i = 0; i < l->value_count; i++)
                        if (can_be_quorum(l, round, &l->value[i].hash)) {
                                *out_round = round;
                                return &l->value[i];
                        }
        return NULL;
}

static void
lie(struct liar *l)
{
        const struct seen_value *value;
        uint32_t round;

        if (l->place == l->set.count || (l->lied && l->lied_round == l->round) ||
            ledger_rotation_proposer(&l->rotation, &l->set, l->round) != l->place)
                return;
        value = find_old(l, &round);
        if (value == NULL)
                return;
        l->lied = true;
        l->lied_round = l->round;
        sign_proposal(l, value, round);
        sign_prevote(l, round, &value->hash);
        for (size_t i = 0; l->bold && i < l->value_count; i++)
                sign_prevote(l, l->round, &l->value[i].hash);
        for (size_t i = 0; i < l->prevote_count; i++)
                if (l->prevote[i].round == round && lx_hash_eq(&l->prevote[i].value, &value->hash))
                        show_ballot(l, &l->prevote[i]);
}

/* ---- from outside ------------------------------------------------------------------------------ */

void
liar_hear(struct liar *l, struct ledger *ledger, unsigned type, const uint8_t *bytes, size_t len)
{
        follow(l, ledger);
        if (l->place == l->set.count)
                return;
        if (type == LLP_PROPOSAL)
                hear_proposal(l, bytes, len);
        else if (type == LLP_VOTE)
                hear_vote(l, bytes, len);
        else if (type == LLP_ROUND_STATE)
                hear_state(l, bytes, len);
        lie(l);
}

bool
liar_withholds(const struct liar *l, unsigned type, const uint8_t *bytes, size_t len)
{
        struct ledger_proposal proposal;
        struct ledger_ballot ballot;

        if (type == LLP_VOTE)
                return ledger_ballot_decode(bytes, len, &ballot) == LX_OK &&
                    ballot.height == l->height && ballot.voter == l->place;
        return type == LLP_PROPOSAL && l->lied &&
            ledger_proposal_decode(bytes, len, &proposal) == LX_OK &&
            proposal.header.height == l->height && proposal.round == l->lied_round;
}

bool
liar_next(struct liar *l, unsigned *out_type, struct lx_span *out_bytes)
{
        if (l->first == l->count) {
                l->first = l->count = 0;
                return false;
        }
        *out_type = l->queue[l->first].type;
        *out_bytes = LX_SPAN(l->queue[l->first].bytes, l->queue[l->first].len);
        l->first++;
        return true;
}

struct liar *
liar_new(const uint8_t key[32], bool bold)
{
        struct liar *l = lx_alloc(sizeof(*l));

        memcpy(l->key, key, sizeof(l->key));
        l->bold = bold;
        if (lx_sign_pubkey(key, &l->public) != LX_OK) {
                lx_free(l);
                return NULL;
        }
        return l;
}

void
liar_free(struct liar *l)
{
        if (l == NULL)
                return;
        lx_buf_clear(&l->set_bytes);
        lx_free(l);
}
