/*
 * ledger/bft_engine.c - the bft engine: one machine a height, joined with journal, mempool and ledger.
 *
 *   idle --a transaction waits, the heartbeat is due, or somebody votes--> the machine runs
 *        --decision--> commit on the executor --> the next height, idle again
 *
 * On the happy path nothing waits for a clock. An idle height costs nothing but, every few seconds, a
 * round state.
 */
#include "config.h"
#include "ledger/bft_engine_int.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "crypto/sign.h"

#include <string.h>

#define PROPOSE_MS 1500
#define IDLE_STATES_MS 5000
#define SWEEP_HEIGHTS 4 /* transactions that waited so long are tried against the rules */

/* ---- time -------------------------------------------------------------------------------------- */

uint64_t
bft_now(struct bft_engine *e)
{
        uint64_t now = e->base.options.now_ms != NULL
            ? e->base.options.now_ms(e->base.options.clock_arg)
            : lx_clock_now_ms();

        if (now > e->now_ms)
                e->now_ms = now;
        return e->now_ms;
}

uint64_t
bft_wall(const struct bft_engine *e)
{
        return e->base.options.walltime_ms != NULL
            ? e->base.options.walltime_ms(e->base.options.clock_arg)
            : lx_clock_walltime().ms;
}

static uint64_t
heartbeat_ms(const struct bft_engine *e)
{
        struct ledger_view *view = ledger_view_new(e->base.options.ledger);
        uint64_t ms = ledger_view_params(view)->value[SIGCHAIN_HEARTBEAT_MS];

        ledger_view_unref(view);
        return ms;
}

static bool
is_idle(const struct bft_engine *e)
{
        struct ledger_bft_state state;

        if (e->machine == NULL)
                return true;
        ledger_bft_get_state(e->machine, &state);
        return state.step == LEDGER_STEP_IDLE;
}

/* ---- heights ----------------------------------------------------------------------------------- */

static uint16_t
proposer_of(void *arg, uint32_t round)
{
        const struct bft_engine *e = arg;

        return ledger_rotation_proposer(&e->rotation, &e->set, round);
}

static int
place_in(const struct sigchain_valset *set, const struct lx_pubkey *key)
{
        for (size_t i = 0; i < set->count; i++)
                if (memcmp(set->v[i].key.b, key->b, LX_PUBKEY_LEN) == 0) /* public */
                        return (int)i;
        return -1;
}

static void
load_rotation(struct bft_engine *e, struct ledger_view *view)
{
        struct lx_buf state = {0};

        ledger_rotation_init(&e->set, &e->rotation);
        if (ledger_get_state(view, SIGCHAIN_KIND_ROTATION, NULL, 0, LEDGER_NOW, &state, NULL) == LX_OK)
                (void)!ledger_rotation_decode(state.p, state.len, &e->rotation);
        lx_buf_clear(&state);
}

static bool
load_height(struct bft_engine *e)
{
        struct ledger_view *view = ledger_view_new(e->base.options.ledger);
        bool fine;

        e->tip = *ledger_view_header(view);
        e->tip_hash = *ledger_view_header_hash(view);
        e->height = e->tip.height + 1;
        lx_buf_reset(&e->set_bytes);
        fine = ledger_get_valset(view, &e->tip.next_valset, &e->set_bytes) == LX_OK &&
            sigchain_valset_decode(e->set_bytes.p, e->set_bytes.len, &e->set) == LX_OK;
        if (fine)
                load_rotation(e, view);
        ledger_view_unref(view);
        e->self = fine && e->base.options.key != NULL ? place_in(&e->set, &e->base.public) : -1;
        return fine;
}

static void
make_machine(struct bft_engine *e)
{
        uint32_t first = e->base.options.timeout_ms != 0 ? e->base.options.timeout_ms : PROPOSE_MS;
        struct ledger_bft_options options = {.height = e->height,
            .set = &e->set,
            .self = e->self,
            .propose_ms = first,
            .prevote_ms = first / 2,
            .precommit_ms = first / 2,
            .proposer = proposer_of,
            .arg = e};

        e->machine = ledger_bft_new(&options);
        e->woken = false;
        e->progress_ms = e->now_ms;
        e->proposal_count = 0;
        memset(e->accused, 0, sizeof(e->accused));
}

/* Keep what laggards and late votes need of the height that is over. */
static void
keep_height(struct bft_engine *e)
{
        struct kept *kept = &e->kept[e->height % BFT_KEPT_HEIGHTS];
        struct lx_hash hash;
        struct value *value;
        uint32_t round;

        ledger_bft_free(kept->machine);
        kept->height = e->height;
        kept->machine = e->machine;
        kept->has_proposal = false;
        lx_buf_clear(&kept->payload);
        lx_buf_reset(&kept->set_bytes);
        lx_buf_append(&kept->set_bytes, e->set_bytes.p, e->set_bytes.len);
        if (sigchain_valset_decode(kept->set_bytes.p, kept->set_bytes.len, &kept->set) != LX_OK)
                kept->set.count = 0;
        memcpy(kept->accused, e->accused, sizeof(kept->accused));
        e->machine = NULL;
        if (!ledger_bft_decision(kept->machine, &round, &hash))
                return;
        e->rounds_lost += round;
        value = bft_find_value(e, &hash);
        for (size_t i = 0; i < e->proposal_count && value != NULL; i++) {
                struct lx_hash of;

                ledger_header_hash(&lx_crypto_ops()->hash, &e->proposals[i].header, &of);
                if (!lx_hash_eq(&of, &hash))
                        continue;
                kept->proposal = e->proposals[i];
                kept->has_proposal = true;
                lx_buf_append(&kept->payload, value->payload.p, value->payload.len);
                break;
        }
}

static void
begin_height(struct bft_engine *e)
{
        struct lx_why why = {{0}};

        if (!load_height(e)) {
                lx_why_set(&why, "the validator set of block %llu can't be read",
                    (unsigned long long)e->height);
                ledger_engine_fail(&e->base, LX_ERR_CORRUPT, &why);
        }
        make_machine(e);
}

/* Transactions that came with blocks of others: who waits for them hears it. */
static void
finish_included(struct bft_engine *e, uint64_t from, uint64_t to)
{
        struct ledger_view *view = ledger_view_new(e->base.options.ledger);

        for (uint64_t h = from; h <= to && ledger_mempool_count(e->base.pool, NULL) > 0; h++) {
                struct lx_buf ids = {0};

                if (ledger_get_tx_ids(view, h, &ids) == LX_OK)
                        for (size_t at = 0; at < ids.len; at += LX_HASH_LEN) {
                                struct ledger_outcome outcome = {
                                    .height = h, .index = (uint32_t)(at / LX_HASH_LEN)};

                                memcpy(outcome.id.b, ids.p + at, LX_HASH_LEN);
                                if (ledger_mempool_find(e->base.pool, &outcome.id) != NULL)
                                        ledger_engine_finish(&e->base, &outcome);
                        }
                lx_buf_clear(&ids);
        }
        ledger_view_unref(view);
}

void
bft_next_height(struct bft_engine *e)
{
        uint64_t before = e->height;
        struct ledger_view *view = ledger_view_new(e->base.options.ledger);
        uint64_t tip = ledger_view_header(view)->height;

        ledger_view_unref(view);
        if (tip < e->height) {
                bft_pump(e);
                return;
        }
        finish_included(e, before, tip);
        keep_height(e);
        bft_drop_values(e);
        begin_height(e);
        bft_sign_height_done(e, &e->tip);
        e->last_block_ms = e->now_ms;
        bft_hear_early(e);
        if (e->height >= e->swept_height + SWEEP_HEIGHTS) {
                e->swept_height = e->height;
                if (e->self < 0 && ledger_mempool_count(e->base.pool, NULL) > 0)
                        bft_sweep(e);
        }
        /* Who lags is told at once. */
        if (!is_idle(e) || ledger_mempool_count(e->base.pool, NULL) == 0)
                e->states_ms = e->now_ms;
        bft_pump(e);
}

/* ---- wishes ------------------------------------------------------------------------------------ */

/*
 * A new validator does not begin a height before it knows whether it may sign: what it would sign meanwhile it would
 * never sign, and where all are needed the round would never end.
 */
static bool
holds_back(const struct bft_engine *e)
{
        return e->self >= 0 && e->fresh && !bft_may_sign(e) && (!e->woken || bft_awaits_peers(e));
}

static bool
wants_to_start(const struct bft_engine *e)
{
        uint64_t heartbeat = heartbeat_ms(e);

        if (holds_back(e))
                return false;
        return e->woken || ledger_mempool_count(e->base.pool, NULL) > 0 ||
            (heartbeat > 0 && e->now_ms >= e->last_block_ms + heartbeat);
}

static void
grant(struct bft_engine *e, const struct ledger_bft_wish *wish)
{
        switch (wish->type) {
        case LEDGER_BFT_BUILD:
                if (bft_may_sign(e))
                        bft_build(e, wish->round);
                break;
        case LEDGER_BFT_PROPOSE:
                bft_sign_proposal(e, wish);
                break;
        case LEDGER_BFT_PREVOTE:
                bft_sign_ballot(e, LEDGER_VOTE_PREVOTE, wish);
                break;
        case LEDGER_BFT_PRECOMMIT:
                bft_sign_ballot(e, LEDGER_VOTE_PRECOMMIT, wish);
                break;
        case LEDGER_BFT_CHECK:
                break; /* a value is checked as soon as its bodies are here */
        case LEDGER_BFT_DECIDE:
                bft_commit(e, wish->round, &wish->value);
                break;
        case LEDGER_BFT_EVIDENCE:
                bft_accuse(e, &wish->first, &wish->second);
                break;
        }
}

/* More than two thirds say that a value is a block, and here it is none: nothing can go on. */
static void
check_certified(struct bft_engine *e)
{
        struct ledger_view *view;
        struct lx_why why = {{0}};
        struct value *value;
        struct lx_hash hash;
        uint32_t round;
        bool on_tip;

        if (!ledger_bft_certified(e->machine, &round, &hash))
                return;
        value = bft_find_value(e, &hash);
        if (value == NULL || value->state != VALUE_INVALID || e->base.failed)
                return;
        view = ledger_view_new(e->base.options.ledger);
        on_tip = ledger_view_header(view)->height + 1 == e->height;
        ledger_view_unref(view);
        if (!on_tip)
                return;
        lx_why_set(&why, "block %llu is certified by more than two thirds of the validators and is not "
            "valid here: this program differs from theirs, or they are faulty; compare versions",
            (unsigned long long)e->height);
        ledger_engine_fail(&e->base, LX_ERR_RULE, &why);
}

void
bft_pump(struct bft_engine *e)
{
        struct ledger_bft_wish wish;

        if (e->machine == NULL || e->base.failed || e->base.stopping || e->syncing)
                return;
        if (is_idle(e) && wants_to_start(e)) {
                e->progress_ms = e->now_ms;
                ledger_bft_start(e->machine, e->now_ms);
        }
        while (e->machine != NULL && ledger_bft_next(e->machine, &wish))
                grant(e, &wish);
        if (e->machine != NULL)
                check_certified(e);
}

/* ---- verbs ------------------------------------------------------------------------------------- */

static void
see_time(struct bft_engine *e, uint64_t now_ms)
{
        if (now_ms > e->now_ms)
                e->now_ms = now_ms;
}

static uint64_t
states_due_ms(const struct bft_engine *e)
{
        if (e->peers == NULL)
                return UINT64_MAX;
        if (is_idle(e))
                return e->states_ms + IDLE_STATES_MS;
        return (e->states_ms > e->progress_ms ? e->states_ms : e->progress_ms) + BFT_STATE_EVERY_MS;
}

static void
engine_tick(struct ledger_engine *engine, uint64_t now_ms)
{
        struct bft_engine *e = (struct bft_engine *)engine;

        see_time(e, now_ms);
        if (e->base.failed || e->syncing || e->machine == NULL)
                return;
        ledger_bft_tick(e->machine, e->now_ms);
        if (e->now_ms >= bft_values_deadline_ms(e))
                bft_retry_values(e);
        if (e->now_ms >= states_due_ms(e))
                bft_send_states(e, 0);
        bft_pump(e);
}

static uint64_t
engine_deadline_ms(const struct ledger_engine *engine)
{
        const struct bft_engine *e = (const struct bft_engine *)engine;
        uint64_t at, other;

        if (e->base.failed || e->syncing || e->machine == NULL)
                return UINT64_MAX;
        at = ledger_bft_deadline_ms(e->machine);
        other = bft_values_deadline_ms(e);
        at = other < at ? other : at;
        other = states_due_ms(e);
        at = other < at ? other : at;
        if (is_idle(e) && heartbeat_ms(e) > 0 && !holds_back(e)) {
                other = e->last_block_ms + heartbeat_ms(e);
                at = other < at ? other : at;
        }
        other = bft_fresh_deadline_ms(e);
        return other < at ? other : at;
}

static void
engine_joined(struct ledger_engine *engine, const struct lx_hash *id)
{
        struct bft_engine *e = (struct bft_engine *)engine;
        const struct ledger_pending *pending = ledger_mempool_find(engine->pool, id);

        (void)bft_now(e);
        if (pending != NULL && pending->len > 0 && pending->bytes[0] == SIGCHAIN_TX_EVIDENCE) {
                e->evidence++;
                bft_broadcast(e, LEDGER_MSG_EVIDENCE, pending->bytes, pending->len, 0);
        }
        bft_pump(e);
}

static void
engine_verified(struct ledger_engine *engine, const struct lx_hash *id, const uint8_t *bytes, size_t len)
{
        bft_add_body((struct bft_engine *)engine, id, bytes, len);
}

static void
engine_tx_arrived(struct ledger_engine *engine, const struct lx_hash *id, uint64_t now_ms)
{
        struct bft_engine *e = (struct bft_engine *)engine;
        const struct ledger_pending *pending = ledger_mempool_find(engine->pool, id);

        see_time(e, now_ms);
        if (pending != NULL)
                bft_add_body(e, id, pending->bytes, pending->len);
        bft_pump(e);
}

static void
engine_peer_up(struct ledger_engine *engine, uint32_t handle, uint64_t now_ms)
{
        struct bft_engine *e = (struct bft_engine *)engine;
        struct bft_peer *peer;

        see_time(e, now_ms);
        if (e->peer_count >= BFT_PEERS_MAX)
                return;
        peer = lx_alloc(sizeof(*peer));
        peer->handle = handle;
        peer->next = e->peers;
        e->peers = peer;
        e->peer_count++;
        bft_send_states(e, handle);
}

static void
engine_peer_down(struct ledger_engine *engine, uint32_t handle, uint64_t now_ms)
{
        struct bft_engine *e = (struct bft_engine *)engine;

        see_time(e, now_ms);
        for (struct bft_peer **at = &e->peers; *at != NULL; at = &(*at)->next)
                if ((*at)->handle == handle) {
                        struct bft_peer *peer = *at;

                        *at = peer->next;
                        lx_free(peer);
                        e->peer_count--;
                        return;
                }
}

static enum lx_err
engine_receive(struct ledger_engine *engine, uint32_t peer, enum ledger_engine_message kind,
    const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct bft_engine *e = (struct bft_engine *)engine;
        enum lx_err err;

        see_time(e, now_ms);
        if (e->base.failed || e->base.stopping || e->machine == NULL)
                return LX_OK;
        err = bft_hear(e, peer, kind, bytes, len);
        bft_pump(e);
        return err;
}

static void
engine_advanced(struct ledger_engine *engine, uint64_t now_ms)
{
        struct bft_engine *e = (struct bft_engine *)engine;

        see_time(e, now_ms);
        /* A commit under way ends first, and finds that the tip moved. */
        if (!e->committing && e->machine != NULL)
                bft_next_height(e);
}

static void
engine_set_syncing(struct ledger_engine *engine, bool syncing, uint64_t now_ms)
{
        struct bft_engine *e = (struct bft_engine *)engine;

        see_time(e, now_ms);
        e->syncing = syncing;
        if (!syncing)
                bft_pump(e);
}

/* Who is not in the certificate of the tip, and whose precommit did not come later either. */
static void
find_missing(const struct bft_engine *e, struct ledger_engine_status *out)
{
        const struct kept *kept = &e->kept[(e->height - 1) % BFT_KEPT_HEIGHTS];
        uint8_t late[LEDGER_VOTERS_BYTES] = {0};
        struct ledger_view *view = ledger_view_new(e->base.options.ledger);
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        struct lx_span cert = ledger_view_cert(view), bytes = ledger_view_valset(view);
        struct lx_reader rd = lx_reader_init(cert.p, cert.len);

        if (cert.len > 4 && sigchain_valset_decode(bytes.p, bytes.len, set) == LX_OK &&
            cert.len >= 4 + (set->count + 7) / 8) {
                if (kept->machine != NULL && kept->height == e->height - 1)
                        ledger_bft_voters(
                            kept->machine, LEDGER_VOTE_PRECOMMIT, lx_read_u32(&rd), late);
                for (size_t i = 0; i < set->count; i++)
                        if (!ledger_bit(cert.p + 4, i) && !ledger_bit(late, i))
                                out->missing[out->missing_count++] = (uint16_t)i;
        }
        lx_free(set);
        ledger_view_unref(view);
}

static void
engine_get_status(const struct ledger_engine *engine, struct ledger_engine_status *out)
{
        static const char *const steps[] = {"idle", "propose", "prevote", "precommit", "commit"};
        const struct bft_engine *e = (const struct bft_engine *)engine;
        struct ledger_bft_state state = {.step = LEDGER_STEP_IDLE};

        if (e->machine != NULL)
                ledger_bft_get_state(e->machine, &state);
        *out = (struct ledger_engine_status){.validator = e->self >= 0,
            .voting = bft_may_sign(e),
            .height = e->height,
            .round = state.round,
            .step = steps[state.step],
            .vote_from = e->record.vote_from,
            .rounds_lost = e->rounds_lost,
            .evidence = e->evidence};
        find_missing(e, out);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void
engine_free(struct ledger_engine *engine)
{
        struct bft_engine *e = (struct bft_engine *)engine;
        size_t at = 0, len;
        const void *key;
        void *body;

        bft_drop_values(e);
        ledger_executor_drain(e->base.options.executor);
        while (lx_map_next(e->stash, &at, &key, &len, &body))
                lx_free(body);
        lx_map_free(e->stash);
        for (size_t i = 0; i < BFT_KEPT_HEIGHTS; i++) {
                ledger_bft_free(e->kept[i].machine);
                lx_buf_clear(&e->kept[i].set_bytes);
                lx_buf_clear(&e->kept[i].payload);
        }
        while (e->early != NULL) {
                struct early *early = e->early;

                e->early = early->next;
                lx_free(early);
        }
        while (e->peers != NULL)
                engine_peer_down(engine, e->peers->handle, 0);
        ledger_bft_free(e->machine);
        ledger_journal_close(e->journal);
        lx_buf_clear(&e->set_bytes);
        lx_buf_clear(&e->log_queue);
        lx_buf_clear(&e->replay);
        lx_free(e->proposals);
        lx_free(e);
}

/* Where the signing record stands at this very height, the machine goes on from there. */
static void
restore(struct bft_engine *e)
{
        struct ledger_bft_state state = e->record.state;

        if (!e->has_journal || e->record.height != e->height || state.step == LEDGER_STEP_IDLE)
                return;
        if (state.step == LEDGER_STEP_DECIDED)
                state.step = LEDGER_STEP_PRECOMMIT;
        ledger_bft_restore(e->machine, &state, e->now_ms);
}

static enum lx_err
open_engine(struct bft_engine *e, struct lx_why *why)
{
        enum lx_err err = LX_OK;

        e->chain_id = *ledger_chain_id(e->base.options.ledger);
        e->stash = lx_map_new(e->base.options.map_seed);
        e->early_end = &e->early;
        (void)bft_now(e);
        e->last_block_ms = e->now_ms;
        if (e->base.options.key != NULL)
                err = lx_sign_pubkey(e->base.options.key, &e->base.public);
        if (err != LX_OK) {
                lx_why_set(why, "the validator key is not valid");
                return err;
        }
        if (!load_height(e)) {
                lx_why_set(why, "the validator set of the next block can't be read");
                return LX_ERR_CORRUPT;
        }
        err = bft_open_journal(e, why);
        if (err != LX_OK)
                return err;
        make_machine(e);
        restore(e);
        bft_replay(e);
        return LX_OK;
}

enum lx_err
ledger_bft_engine_new(const struct ledger_engine_options *options, struct ledger_engine **out_engine,
    struct lx_why *why)
{
        static const struct ledger_engine_ops ops = {.name = "bft",
            .free = engine_free,
            .tick = engine_tick,
            .deadline_ms = engine_deadline_ms,
            .joined = engine_joined,
            .verified = engine_verified,
            .peer_up = engine_peer_up,
            .peer_down = engine_peer_down,
            .receive = engine_receive,
            .tx_arrived = engine_tx_arrived,
            .advanced = engine_advanced,
            .set_syncing = engine_set_syncing,
            .get_status = engine_get_status};
        struct bft_engine *e = lx_alloc(sizeof(*e));
        enum lx_err err;

        ledger_engine_init(&e->base, &ops, options);
        if (e->base.options.writer == NULL)
                e->base.options.writer = options->executor;
        err = open_engine(e, why);
        if (err != LX_OK) {
                ledger_engine_free(&e->base);
                return err;
        }
        *out_engine = &e->base;
        return LX_OK;
}
