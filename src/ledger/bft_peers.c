/*
 * ledger/bft_peers.c - what the bft engine hears and sends.
 *
 * Nothing is believed before its signature holds; what is new goes to all other peers. Messages of the next height wait
 * for it, within bounds; votes of heights that are done still convict.
 */
#include "config.h"
#include "ledger/bft_engine_int.h"

#include "base/log.h"

#include <string.h>

/* ---- sending ----------------------------------------------------------------------------------- */

static void
send_to(struct bft_engine *e, uint32_t peer, enum ledger_engine_message kind, const void *bytes, size_t len)
{
        const struct ledger_engine_net *net = e->base.options.net;

        /* A full queue loses it; round states bring it again. */
        if (net != NULL)
                (void)net->send(net->arg, peer, kind, bytes, len);
}

void
bft_broadcast(struct bft_engine *e, enum ledger_engine_message kind, const void *bytes, size_t len,
    uint32_t except)
{
        for (struct bft_peer *peer = e->peers; peer != NULL; peer = peer->next)
                if (peer->handle != except)
                        send_to(e, peer->handle, kind, bytes, len);
}

static void
send_part(struct bft_engine *e, const struct ledger_part *part, uint32_t only, uint32_t except)
{
        uint8_t *bytes = lx_alloc(LEDGER_PART_MESSAGE_MAX);
        struct lx_writer wr = lx_writer_init(bytes, LEDGER_PART_MESSAGE_MAX);

        ledger_part_encode(part, &wr);
        if (only != 0)
                send_to(e, only, LEDGER_MSG_PART, bytes, wr.len);
        else
                bft_broadcast(e, LEDGER_MSG_PART, bytes, wr.len, except);
        lx_free(bytes);
}

static void
send_proposal_alone(
    struct bft_engine *e, const struct ledger_proposal *proposal, uint32_t only, uint32_t except)
{
        uint8_t bytes[LEDGER_PROPOSAL_LEN];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        ledger_proposal_encode(proposal, &wr);
        if (only != 0)
                send_to(e, only, LEDGER_MSG_PROPOSAL, bytes, wr.len);
        else
                bft_broadcast(e, LEDGER_MSG_PROPOSAL, bytes, wr.len, except);
}

/* The parts of @payload that are not in @have (may be NULL). */
static void
send_parts(struct bft_engine *e, struct lx_span payload, uint64_t height, const uint8_t *have, uint32_t only)
{
        for (size_t i = 0; i < ledger_parts_count(payload.len); i++) {
                struct ledger_part part;

                if (have != NULL && ledger_bit(have, i))
                        continue;
                ledger_parts_make(&lx_crypto_ops()->hash, payload, height, i, &part);
                send_part(e, &part, only, 0);
        }
}

void
bft_send_proposal(struct bft_engine *e, const struct ledger_proposal *proposal, struct lx_span payload,
    uint32_t peer)
{
        send_proposal_alone(e, proposal, peer, 0);
        send_parts(e, payload, proposal->header.height, NULL, peer);
}

static void
send_ballot_to(struct bft_engine *e, const struct ledger_ballot *ballot, uint32_t peer)
{
        uint8_t bytes[LEDGER_BALLOT_LEN];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        ledger_ballot_encode(ballot, &wr);
        send_to(e, peer, LEDGER_MSG_VOTE, bytes, wr.len);
}

void
bft_send_ballot(struct bft_engine *e, const struct ledger_ballot *ballot, uint32_t except)
{
        for (struct bft_peer *peer = e->peers; peer != NULL; peer = peer->next)
                if (peer->handle != except)
                        send_ballot_to(e, ballot, peer->handle);
}

/* ---- round states ------------------------------------------------------------------------------ */

static void
add_tally(const struct bft_engine *e, struct ledger_round_state *state, enum ledger_vote type, uint32_t round)
{
        struct ledger_tally *tally = &state->tally[state->tally_count];

        if (state->tally_count == LEDGER_TALLIES_MAX)
                return;
        *tally = (struct ledger_tally){
            .type = type, .round = round, .voters_len = (uint8_t)((e->set.count + 7) / 8)};
        ledger_bft_voters(e->machine, type, round, tally->voters);
        state->tally_count++;
}

static void
fill_state(const struct bft_engine *e, struct ledger_round_state *out)
{
        const struct ledger_proposal *proposal;
        struct ledger_bft_state state;
        struct lx_hash hash;
        const struct value *value;

        ledger_bft_get_state(e->machine, &state);
        *out = (struct ledger_round_state){
            .height = e->height, .round = state.round, .step = (uint8_t)state.step};
        proposal = bft_find_proposal(e, state.round);
        if (proposal != NULL) {
                ledger_header_hash(&lx_crypto_ops()->hash, &proposal->header, &hash);
                value = bft_find_value(e, &hash);
                out->parts_root = proposal->parts_root;
                out->part_count = proposal->part_count;
                for (size_t i = 0; value != NULL && i < out->part_count; i++)
                        if (ledger_bit(value->have, i))
                                ledger_bit_set(out->parts, i);
                if (proposal->valid_round != LEDGER_NO_ROUND)
                        add_tally(e, out, LEDGER_VOTE_PREVOTE, proposal->valid_round);
        }
        for (uint32_t back = 0; back < 3 && back <= state.round; back++) {
                add_tally(e, out, LEDGER_VOTE_PREVOTE, state.round - back);
                add_tally(e, out, LEDGER_VOTE_PRECOMMIT, state.round - back);
        }
}

void
bft_send_states(struct bft_engine *e, uint32_t only)
{
        struct ledger_round_state state;
        uint8_t bytes[LEDGER_ROUND_STATE_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        if (e->machine == NULL)
                return;
        fill_state(e, &state);
        ledger_round_state_encode(&state, &wr);
        if (only != 0)
                send_to(e, only, LEDGER_MSG_ROUND_STATE, bytes, wr.len);
        else
                bft_broadcast(e, LEDGER_MSG_ROUND_STATE, bytes, wr.len, 0);
        e->states_ms = e->now_ms;
}

static bool
has_vote(const struct ledger_round_state *state, const struct ledger_ballot *ballot)
{
        for (size_t i = 0; i < state->tally_count; i++) {
                const struct ledger_tally *tally = &state->tally[i];

                if (tally->type == ballot->type && tally->round == ballot->round)
                        return ballot->voter / 8u < tally->voters_len &&
                            ledger_bit(tally->voters, ballot->voter);
        }
        return false;
}

/* Votes that the other lacks: of its round and later, of the two before, and of the valid round it waits for. */
static void
answer_votes(struct bft_engine *e, const struct ledger_bft *machine,
    const struct ledger_round_state *state, uint32_t peer)
{
        const struct ledger_proposal *proposal =
            state->height == e->height ? bft_find_proposal(e, state->round) : NULL;
        const struct ledger_ballot *ballot;
        size_t pos = 0, sent = 0;

        while ((ballot = ledger_bft_each(machine, &pos)) != NULL && sent < 512) {
                bool asked = proposal != NULL && proposal->valid_round == ballot->round &&
                    ballot->type == LEDGER_VOTE_PREVOTE;

                if ((ballot->round + 2 < state->round && !asked) || has_vote(state, ballot))
                        continue;
                send_ballot_to(e, ballot, peer);
                sent++;
        }
}

static void
answer_height(struct bft_engine *e, const struct ledger_round_state *state, uint32_t peer)
{
        const struct ledger_proposal *proposal = bft_find_proposal(e, state->round);
        struct ledger_bft_state own;
        struct lx_hash hash;
        const struct value *value;
        uint32_t round;

        ledger_bft_get_state(e->machine, &own);
        /* What more than two thirds precommitted is wanted by everybody, whatever its round. */
        if (ledger_bft_certified(e->machine, &round, &hash))
                proposal = bft_find_proposal(e, round) != NULL ? bft_find_proposal(e, round) : proposal;
        else if (proposal == NULL && own.round > state->round)
                proposal = bft_find_proposal(e, own.round);
        if (proposal != NULL) {
                bool same = lx_hash_eq(&state->parts_root, &proposal->parts_root);

                ledger_header_hash(&lx_crypto_ops()->hash, &proposal->header, &hash);
                value = bft_find_value(e, &hash);
                /* A value without parts has the root of none: the proposal is small, it goes again. */
                if (!same || proposal->round != state->round)
                        send_proposal_alone(e, proposal, peer, 0);
                if (value != NULL && value->tx_count > 0)
                        send_parts(e, lx_buf_span(&value->payload), e->height,
                            same ? state->parts : NULL, peer);
        }
        answer_votes(e, e->machine, state, peer);
}

/* A laggard is shown what the height ended with; who is further behind has sync. */
static void
answer_kept(struct bft_engine *e, const struct ledger_round_state *state, uint32_t peer)
{
        struct kept *kept = &e->kept[state->height % BFT_KEPT_HEIGHTS];

        if (kept->machine == NULL || kept->height != state->height)
                return;
        if (kept->has_proposal) {
                bool same = lx_hash_eq(&state->parts_root, &kept->proposal.parts_root);

                send_proposal_alone(e, &kept->proposal, peer, 0);
                send_parts(e, lx_buf_span(&kept->payload), kept->height, same ? state->parts : NULL, peer);
        }
        answer_votes(e, kept->machine, state, peer);
}

static enum lx_err
hear_state(struct bft_engine *e, uint32_t peer, const uint8_t *bytes, size_t len)
{
        struct ledger_round_state *state = lx_alloc(sizeof(*state));
        enum lx_err err = ledger_round_state_decode(bytes, len, state);
        struct bft_peer *p = e->peers;

        while (p != NULL && p->handle != peer)
                p = p->next;
        if (err == LX_OK && p != NULL) {
                p->height = state->height;
                if (e->fresh && e->fresh_since_ms == 0)
                        e->fresh_since_ms = e->now_ms;
                if (p->answered_ms + BFT_ANSWER_EVERY_MS <= e->now_ms) {
                        p->answered_ms = e->now_ms;
                        if (state->height == e->height)
                                answer_height(e, state, peer);
                        else if (state->height < e->height)
                                answer_kept(e, state, peer);
                }
        }
        lx_free(state);
        return err;
}

/* ---- proposals --------------------------------------------------------------------------------- */

const struct ledger_proposal *
bft_find_proposal(const struct bft_engine *e, uint32_t round)
{
        for (size_t i = 0; i < e->proposal_count; i++)
                if (e->proposals[i].round == round)
                        return &e->proposals[i];
        return NULL;
}

/* The clock of the proposer of a fresh value, within a window that grows with the round. */
static bool
is_timely(const struct bft_engine *e, const struct ledger_proposal *proposal)
{
        uint64_t now = bft_wall(e), at = proposal->header.time_ms;
        uint64_t window = BFT_WINDOW_MS + 1000ull * proposal->round;

        return at > now ? at - now <= window : now - at <= window;
}

static void
accuse_proposer(struct bft_engine *e, uint16_t proposer, const struct ledger_proposal *a,
    const struct ledger_proposal *b)
{
        struct ledger_evidence evidence = {.kind = LEDGER_EVIDENCE_PROPOSALS,
            .height = e->height,
            .proposer = proposer,
            .proposal = {*a, *b}};
        struct lx_buf tx = {0};

        if (ledger_bit(e->accused, proposer))
                return;
        ledger_bit_set(e->accused, proposer);
        ledger_evidence_make_tx(&e->chain_id, &evidence, &tx);
        (void)!bft_hear(e, 0, LEDGER_MSG_EVIDENCE, tx.p, tx.len);
        lx_buf_clear(&tx);
}

void
bft_take_proposal(struct bft_engine *e, const struct ledger_proposal *proposal,
    const struct lx_hash *hash, uint32_t peer)
{
        struct value *value;

        if (!ledger_bft_add_proposal(e->machine, proposal->round, hash, proposal->valid_round,
                peer == 0 || is_timely(e, proposal), e->now_ms))
                return;
        if (e->proposal_count == e->proposal_cap) {
                e->proposal_cap = e->proposal_cap == 0 ? 4 : 2 * e->proposal_cap;
                e->proposals = lx_realloc(e->proposals, e->proposal_cap * sizeof(*e->proposals));
        }
        e->proposals[e->proposal_count++] = *proposal;
        e->woken = true;
        e->progress_ms = e->now_ms;
        value = bft_add_value(e, proposal, hash, peer);
        if (value->state == VALUE_INVALID)
                ledger_bft_judge(e->machine, hash, false, e->now_ms);
        bft_retry_values(e);
}

/* The parts of a header that are known before its block was executed. */
static bool
is_plausible(const struct bft_engine *e, const struct ledger_header *header)
{
        return lx_hash_eq(&header->previous, &e->tip_hash) && header->time_ms > e->tip.time_ms &&
            lx_hash_eq(&header->valset, &e->tip.next_valset);
}

static enum lx_err
hear_proposal(struct bft_engine *e, uint32_t peer, const uint8_t *bytes, size_t len)
{
        const struct lx_crypto_ops *ops = lx_crypto_ops();
        const struct ledger_proposal *known;
        struct ledger_proposal proposal;
        struct lx_hash hash, msg;
        uint16_t proposer;
        enum lx_err err = ledger_proposal_decode(bytes, len, &proposal);

        if (err != LX_OK)
                return err;
        known = bft_find_proposal(e, proposal.round);
        if (known != NULL && memcmp(&known->sig, &proposal.sig, sizeof(known->sig)) == 0) /* public */
                return LX_OK;
        if (!lx_hash_eq(&proposal.header.chain_id, &e->chain_id))
                return LX_ERR_FORMAT;
        proposer = ledger_rotation_proposer(&e->rotation, &e->set, proposal.round);
        ledger_proposal_message(&ops->hash, &proposal, &hash, &msg);
        if (!ops->sig.verify(ops->sig.ctx, &e->set.v[proposer].key, &msg, &proposal.sig))
                return LX_ERR_SIGNATURE;
        if (known != NULL) {
                accuse_proposer(e, proposer, known, &proposal);
                return LX_OK;
        }
        bft_log(e, BFT_LOG_PROPOSAL, bytes, len);
        bft_take_proposal(e, &proposal, &hash, peer);
        if (!is_plausible(e, &proposal.header))
                ledger_bft_judge(e->machine, &hash, false, e->now_ms);
        if (bft_find_proposal(e, proposal.round) != NULL && peer != 0)
                send_proposal_alone(e, &proposal, 0, peer);
        return LX_OK;
}

static enum lx_err
hear_part(struct bft_engine *e, uint32_t peer, const uint8_t *bytes, size_t len)
{
        struct ledger_part *part = lx_alloc(sizeof(*part));
        enum lx_err err = ledger_part_decode(bytes, len, part);

        if (err == LX_OK && bft_add_part(e, part, peer)) {
                e->progress_ms = e->now_ms;
                bft_broadcast(e, LEDGER_MSG_PART, bytes, len, peer);
        }
        lx_free(part);
        return err;
}

/* ---- votes ------------------------------------------------------------------------------------- */

void
bft_accuse(struct bft_engine *e, const struct ledger_ballot *a, const struct ledger_ballot *b)
{
        struct ledger_evidence evidence = {
            .kind = LEDGER_EVIDENCE_VOTES, .height = a->height, .ballot = {*a, *b}};
        struct lx_buf tx = {0};
        uint8_t *accused = a->height == e->height
            ? e->accused
            : e->kept[a->height % BFT_KEPT_HEIGHTS].accused;

        /* One proof is enough, however many a liar makes. */
        if (ledger_bit(accused, a->voter))
                return;
        ledger_bit_set(accused, a->voter);
        log_warn(LEDGER, "a validator broke the rules of consensus", "height=%llu voter=%u",
            (unsigned long long)a->height, a->voter);
        ledger_evidence_make_tx(&e->chain_id, &evidence, &tx);
        (void)!bft_hear(e, 0, LEDGER_MSG_EVIDENCE, tx.p, tx.len);
        lx_buf_clear(&tx);
}

static bool
is_known_vote(const struct ledger_bft *machine, const struct ledger_ballot *ballot)
{
        const struct ledger_ballot *b;
        size_t pos = 0;

        while ((b = ledger_bft_each(machine, &pos)) != NULL)
                if (b->voter == ballot->voter && b->round == ballot->round && b->type == ballot->type &&
                    memcmp(&b->sig, &ballot->sig, sizeof(b->sig)) == 0) /* public */
                        return true;
        return false;
}

/* A late vote of a height that is done: only for what it proves. */
static enum lx_err
hear_late_vote(struct bft_engine *e, const struct ledger_ballot *ballot)
{
        struct kept *kept = &e->kept[ballot->height % BFT_KEPT_HEIGHTS];
        struct ledger_bft_wish wish;

        if (kept->machine == NULL || kept->height != ballot->height ||
            is_known_vote(kept->machine, ballot))
                return LX_OK;
        if (!ledger_ballot_verify(lx_crypto_ops(), &e->chain_id, &kept->set, ballot))
                return LX_ERR_SIGNATURE;
        (void)ledger_bft_add_vote(kept->machine, ballot, e->now_ms);
        while (ledger_bft_next(kept->machine, &wish))
                if (wish.type == LEDGER_BFT_EVIDENCE)
                        bft_accuse(e, &wish.first, &wish.second);
        return LX_OK;
}

static enum lx_err
hear_vote(struct bft_engine *e, uint32_t peer, const uint8_t *bytes, size_t len)
{
        struct ledger_ballot ballot;
        enum lx_err err = ledger_ballot_decode(bytes, len, &ballot);

        if (err != LX_OK)
                return err;
        if (ballot.height < e->height)
                return hear_late_vote(e, &ballot);
        if (is_known_vote(e->machine, &ballot))
                return LX_OK;
        if (!ledger_ballot_verify(lx_crypto_ops(), &e->chain_id, &e->set, &ballot))
                return LX_ERR_SIGNATURE;
        if (peer != 0 && e->self >= 0 && ballot.voter == (uint16_t)e->self &&
            (e->record.height < e->height || e->record.round < ballot.round))
                bft_own_vote_seen(e, &ballot);
        if (!ledger_bft_add_vote(e->machine, &ballot, e->now_ms))
                return LX_OK;
        e->woken = true;
        e->progress_ms = e->now_ms;
        bft_log(e, BFT_LOG_BALLOT, bytes, len);
        if (peer != 0)
                bft_send_ballot(e, &ballot, peer);
        return LX_OK;
}

/* ---- everything -------------------------------------------------------------------------------- */

static void
ignore_outcome(void *arg, const struct ledger_outcome *outcome)
{
        (void)arg, (void)outcome;
}

/* Evidence goes the way of every transaction; when it joins the mempool, all peers get it. */
static enum lx_err
hear_evidence(struct bft_engine *e, const uint8_t *bytes, size_t len)
{
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        struct ledger_evidence *evidence = lx_alloc(sizeof(*evidence));
        enum lx_err err = sigchain_tx_decode(&lx_crypto_ops()->hash, bytes, len, tx);

        if (err == LX_OK && tx->version != SIGCHAIN_TX_EVIDENCE)
                err = LX_ERR_VERSION;
        if (err == LX_OK)
                err = ledger_evidence_decode(tx->evidence.p, tx->evidence.len, evidence);
        if (err == LX_OK && ledger_mempool_find(e->base.pool, &tx->id) == NULL)
                ledger_engine_submit(&e->base, bytes, len, LEDGER_WAIT_ACCEPTED, e->now_ms,
                    ignore_outcome, NULL);
        lx_free(evidence);
        lx_free(tx);
        return err;
}

static uint64_t
height_of(enum ledger_engine_message kind, const uint8_t *bytes, size_t len)
{
        switch (kind) {
        case LEDGER_MSG_PROPOSAL:
                return len == LEDGER_PROPOSAL_LEN ? lx_get_be64(bytes + 34) : 0;
        case LEDGER_MSG_PART:
                return len >= 8 ? lx_get_be64(bytes) : 0;
        case LEDGER_MSG_VOTE:
                return len == LEDGER_BALLOT_LEN ? lx_get_be64(bytes + 1) : 0;
        case LEDGER_MSG_ROUND_STATE:
        case LEDGER_MSG_EVIDENCE:
                break;
        }
        return 0;
}

static void
keep_early(struct bft_engine *e, uint32_t peer, enum ledger_engine_message kind, const uint8_t *bytes,
    size_t len)
{
        struct early *early;

        if (e->early_count >= BFT_EARLY_MAX || e->early_bytes + len > BFT_EARLY_BYTES_MAX)
                return;
        early = lx_alloc(sizeof(*early) + len);
        early->peer = peer;
        early->kind = kind;
        early->len = len;
        memcpy(early->bytes, bytes, len);
        *e->early_end = early;
        e->early_end = &early->next;
        e->early_count++;
        e->early_bytes += len;
}

void
bft_hear_early(struct bft_engine *e)
{
        struct early *early = e->early;

        e->early = NULL;
        e->early_end = &e->early;
        e->early_count = e->early_bytes = 0;
        while (early != NULL) {
                struct early *next = early->next;

                (void)!bft_hear(e, early->peer, early->kind, early->bytes, early->len);
                lx_free(early);
                early = next;
        }
}

enum lx_err
bft_hear(struct bft_engine *e, uint32_t peer, enum ledger_engine_message kind, const uint8_t *bytes,
    size_t len)
{
        uint64_t height = height_of(kind, bytes, len);

        if (kind == LEDGER_MSG_ROUND_STATE)
                return hear_state(e, peer, bytes, len);
        if (kind == LEDGER_MSG_EVIDENCE)
                return hear_evidence(e, bytes, len);
        if (height == e->height + 1)
                keep_early(e, peer, kind, bytes, len);
        if (height != 0 && height != e->height && (kind != LEDGER_MSG_VOTE || height > e->height))
                return LX_OK;
        switch (kind) {
        case LEDGER_MSG_PROPOSAL:
                return hear_proposal(e, peer, bytes, len);
        case LEDGER_MSG_PART:
                return hear_part(e, peer, bytes, len);
        case LEDGER_MSG_VOTE:
                return hear_vote(e, peer, bytes, len);
        case LEDGER_MSG_ROUND_STATE:
        case LEDGER_MSG_EVIDENCE:
                break;
        }
        return LX_OK;
}
