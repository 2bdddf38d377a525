/*
 * ledger/bft_sign.c - own messages: signed once, logged, fsynced, then sent; the journal and its replay.
 *
 * When may a node sign? With a signing record: wherever that has not been. Without one (wiped, restored from a
 * backup) it can't know what it signed before: only from the second height on that is certified after
 * its start, by header time and by what it sees, and never while it catches up. At block 0 there is nothing to
 * remember, unless the network is older than this store thinks: so a new validator signs at height 1 only
 * after a peer said that it is at height 1 too, and none that it is further.
 */
#include "config.h"
#include "ledger/bft_engine_int.h"

#include "base/assert.h"
#include "base/log.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#include <string.h>

#define FRESH_WAIT_MS 300 /* after the first peer, for others to say that they are further */

/* An own message on its way through the writer. */
struct own_job {
        struct lx_job job; /* first */
        struct bft_engine *e;
        uint64_t height;
        bool is_proposal, restart;
        struct ledger_proposal proposal;
        struct lx_hash value;
        struct ledger_ballot ballot;
        struct lx_buf records; /* for the log */
        struct ledger_sign_record record;
        enum lx_err err;
};

/* ---- may it sign? ------------------------------------------------------------------------------ */

static bool
peers_agree_on_fresh(const struct bft_engine *e)
{
        bool any = false;

        if (e->set.count == 1)
                return true;
        for (const struct bft_peer *peer = e->peers; peer != NULL; peer = peer->next) {
                if (peer->height > 1)
                        return false;
                any = any || peer->height == 1;
        }
        return any && e->fresh_since_ms != 0 && e->now_ms >= e->fresh_since_ms + FRESH_WAIT_MS;
}

bool
bft_awaits_peers(const struct bft_engine *e)
{
        if (e->self < 0 || !e->fresh || e->height != 1 || bft_may_sign(e))
                return false;
        for (const struct bft_peer *peer = e->peers; peer != NULL; peer = peer->next)
                if (peer->height > 1)
                        return false;
        return true;
}

uint64_t
bft_fresh_deadline_ms(const struct bft_engine *e)
{
        uint64_t at = e->fresh_since_ms + FRESH_WAIT_MS;

        return e->fresh && e->fresh_since_ms != 0 && e->now_ms < at ? at : UINT64_MAX;
}

bool
bft_may_sign(const struct bft_engine *e)
{
        if (e->self < 0 || !e->has_journal || e->silenced || e->syncing ||
            e->height < e->record.vote_from)
                return false;
        return !e->fresh || (e->height == 1 && peers_agree_on_fresh(e));
}

void
bft_sign_height_done(struct bft_engine *e, const struct ledger_header *header)
{
        e->silenced = false;
        if (e->fresh && e->has_journal && e->record.height == 0) {
                /* Height 1 was decided without us: who knows since when the network runs. */
                e->record.vote_from = UINT64_MAX;
        }
        e->fresh = false;
        if (e->has_journal && e->record.vote_from == UINT64_MAX && !e->syncing &&
            header->time_ms > e->start_wall_ms && ++e->certified == 2) {
                e->record.vote_from = header->height + 1;
                log_notice(LEDGER, "this validator signs again", "from=%llu",
                    (unsigned long long)e->record.vote_from);
        }
}

void
bft_own_vote_seen(struct bft_engine *e, const struct ledger_ballot *ballot)
{
        if (e->silenced || !e->has_journal)
                return;
        log_warn(LEDGER, "a vote of this validator is about that it does not remember; it is silent at this "
            "height", "height=%llu round=%u next=\"two more heights without signing\"",
            (unsigned long long)ballot->height, ballot->round);
        e->silenced = true;
        e->fresh = false;
        e->certified = 0;
        e->record.vote_from = UINT64_MAX;
}

/* ---- the log ----------------------------------------------------------------------------------- */

static void
queue_record(struct lx_buf *queue, enum bft_log type, const void *content, size_t len)
{
        uint8_t head[5];
        struct lx_writer wr = lx_writer_init(head, sizeof(head));

        lx_write_u8(&wr, (uint8_t)type);
        lx_write_u32(&wr, (uint32_t)len);
        lx_buf_append(queue, head, sizeof(head));
        lx_buf_append(queue, content, len);
}

void
bft_log(struct bft_engine *e, enum bft_log type, const void *content, size_t len)
{
        if (e->has_journal)
                queue_record(&e->log_queue, type, content, len);
}

/* A block as it is logged: header, u32 count, each u32 length and the transaction. */
static void
log_block(struct bft_engine *e, struct value *value)
{
        uint8_t header[LEDGER_HEADER_LEN], number[4];
        struct lx_buf block = {0};
        struct lx_writer wr;

        if (value == NULL || value->logged || value->bodies_here < value->tx_count)
                return;
        ledger_header_encode(&value->proposal.header, header);
        lx_buf_append(&block, header, sizeof(header));
        wr = lx_writer_init(number, sizeof(number));
        lx_write_u32(&wr, (uint32_t)value->tx_count);
        lx_buf_append(&block, number, sizeof(number));
        for (size_t i = 0; i < value->tx_count; i++) {
                wr = lx_writer_init(number, sizeof(number));
                lx_write_u32(&wr, (uint32_t)value->body[i]->len);
                lx_buf_append(&block, number, sizeof(number));
                lx_buf_append(&block, value->body[i]->bytes, value->body[i]->len);
        }
        if (block.len <= LEDGER_RECORD_MAX)
                bft_log(e, BFT_LOG_BLOCK, block.p, block.len);
        value->logged = true;
        lx_buf_clear(&block);
}

/* On the writer: a new log if it is long, the records, fsync, the signing record, fsync. */
static void
run_own(struct lx_job *base)
{
        struct own_job *job = (struct own_job *)base;
        struct ledger_journal *journal = job->e->journal;
        struct lx_reader rd = lx_reader_init(job->records.p, job->records.len);

        job->err = LX_OK;
        if (job->restart && ledger_journal_len(journal) > BFT_LOG_MAX)
                job->err = ledger_journal_restart(journal);
        while (rd.left > 0 && job->err == LX_OK) {
                unsigned type = lx_read_u8(&rd);
                struct lx_span content = lx_read_var32(&rd, LEDGER_RECORD_MAX);

                job->err = rd.err != LX_OK ? rd.err
                                           : ledger_journal_append(journal, type, content.p, content.len);
        }
        if (job->err == LX_OK)
                job->err = ledger_journal_sync(journal);
        if (job->err == LX_OK)
                job->err = ledger_journal_put_record(journal, &job->record);
}

static void
release(struct bft_engine *e, struct own_job *job)
{
        struct value *value;

        if (!job->is_proposal) {
                bft_send_ballot(e, &job->ballot, 0);
                if (job->height == e->height)
                        (void)ledger_bft_add_vote(e->machine, &job->ballot, e->now_ms);
                return;
        }
        value = job->height == e->height ? bft_find_value(e, &job->value) : NULL;
        if (value == NULL)
                return;
        bft_send_proposal(e, &job->proposal, lx_buf_span(&value->payload), 0);
        bft_take_proposal(e, &job->proposal, &job->value, 0);
}

static void
end_own(struct lx_job *base)
{
        struct own_job *job = (struct own_job *)base;
        struct bft_engine *e = job->e;

        (void)bft_now(e);
        if (job->err != LX_OK) {
                struct lx_why why = {{0}};

                lx_why_set(&why, "the journal of the validator can't be written: %s",
                    lx_err_text(job->err));
                ledger_engine_fail(&e->base, job->err, &why);
        } else {
                release(e, job);
        }
        lx_buf_clear(&job->records);
        lx_free(job);
        bft_pump(e);
}

/* ---- signing ----------------------------------------------------------------------------------- */

static void
make_random(struct bft_engine *e, uint8_t out[32])
{
        if (e->base.options.random != NULL)
                e->base.options.random(e->base.options.clock_arg, out, 32);
        else
                lx_random(out, 32);
}

/* A signature under @msg, the old one if that was signed before; false: it may not be signed. */
static bool
sign(struct bft_engine *e, uint32_t round, enum ledger_sign_step step, const struct lx_hash *msg,
    struct lx_sig *out_sig)
{
        enum lx_err err = bft_may_sign(e)
            ? ledger_sign_may(&e->record, e->height, round, step, msg)
            : LX_ERR_DENIED;
        uint8_t aux[32];

        if (err == LX_ERR_EXISTS) {
                *out_sig = e->record.last[step].sig;
                return true;
        }
        if (err != LX_OK)
                return false;
        make_random(e, aux);
        if (lx_sign(e->base.options.key, msg, aux, out_sig) != LX_OK)
                return false;
        ledger_sign_note(&e->record, e->height, round, step, msg, out_sig);
        return true;
}

static struct own_job *
new_own(struct bft_engine *e)
{
        struct own_job *job = lx_alloc(sizeof(*job));

        job->job.run = run_own;
        job->job.done = end_own;
        job->e = e;
        job->height = e->height;
        job->restart = e->record.height != e->height;
        return job;
}

static void
submit_own(struct bft_engine *e, struct own_job *job)
{
        ledger_bft_get_state(e->machine, &e->record.state);
        if (e->record.state.step > LEDGER_STEP_PRECOMMIT)
                e->record.state.step = LEDGER_STEP_PRECOMMIT;
        job->record = e->record;
        job->records = e->log_queue;
        e->log_queue = (struct lx_buf){0};
        ledger_executor_submit(e->base.options.writer, &job->job);
}

void
bft_sign_ballot(struct bft_engine *e, enum ledger_vote type, const struct ledger_bft_wish *wish)
{
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        bool first = e->record.height != e->height;
        struct ledger_ballot ballot = {.type = type,
            .height = e->height,
            .round = wish->round,
            .value = wish->value,
            .valid_round = type == LEDGER_VOTE_PREVOTE ? wish->valid_round : LEDGER_NO_ROUND,
            .voter = (uint16_t)e->self};
        uint8_t bytes[LEDGER_BALLOT_LEN];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct own_job *job;
        struct lx_hash msg;

        ledger_ballot_message(ops, &e->chain_id, &ballot, &msg);
        if (!sign(e, wish->round,
                type == LEDGER_VOTE_PREVOTE ? LEDGER_SIGN_PREVOTE : LEDGER_SIGN_PRECOMMIT, &msg,
                &ballot.sig))
                return;
        job = new_own(e);
        job->restart = first;
        job->ballot = ballot;
        /* Block parts before the precommit: whoever precommits can bring the block. */
        if (type == LEDGER_VOTE_PRECOMMIT && !lx_hash_is_zero(&ballot.value))
                log_block(e, bft_find_value(e, &ballot.value));
        ledger_ballot_encode(&ballot, &wr);
        bft_log(e, BFT_LOG_BALLOT, bytes, wr.len);
        submit_own(e, job);
}

void
bft_sign_proposal(struct bft_engine *e, const struct ledger_bft_wish *wish)
{
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct value *value = bft_find_value(e, &wish->value);
        bool first = e->record.height != e->height;
        uint8_t bytes[LEDGER_PROPOSAL_LEN];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct ledger_proposal proposal;
        struct own_job *job;
        struct lx_hash msg;

        if (value == NULL)
                return;
        proposal = value->proposal;
        proposal.round = wish->round;
        proposal.valid_round = wish->valid_round;
        ledger_proposal_message(ops, &proposal, NULL, &msg);
        if (!sign(e, wish->round, LEDGER_SIGN_PROPOSAL, &msg, &proposal.sig))
                return;
        job = new_own(e);
        job->restart = first;
        job->is_proposal = true;
        job->proposal = proposal;
        job->value = wish->value;
        ledger_proposal_encode(&proposal, &wr);
        bft_log(e, BFT_LOG_PROPOSAL, bytes, wr.len);
        log_block(e, value);
        submit_own(e, job);
}

/* ---- opening and replay ------------------------------------------------------------------------ */

static void
keep_record(void *arg, unsigned type, struct lx_span content)
{
        struct bft_engine *e = arg;
        uint64_t height = 0;

        /* Only what is about the height under way is of use. */
        if (type == BFT_LOG_BALLOT && content.len == LEDGER_BALLOT_LEN)
                height = lx_get_be64(content.p + 1);
        else if ((type == BFT_LOG_PROPOSAL || type == BFT_LOG_BLOCK) && content.len >= LEDGER_HEADER_LEN)
                height = lx_get_be64(content.p + 34); /* header.h: offset of the height */
        if (height == e->height)
                queue_record(&e->replay, (enum bft_log)type, content.p, content.len);
}

enum lx_err
bft_open_journal(struct bft_engine *e, struct lx_why *why)
{
        bool found;
        enum lx_err err;

        if (e->base.options.storage == NULL || e->base.options.key == NULL)
                return LX_OK;
        err = ledger_journal_open(
            e->base.options.storage, keep_record, e, &e->record, &found, &e->journal, why);
        if (err != LX_OK)
                return err;
        e->has_journal = true;
        e->start_wall_ms = bft_wall(e);
        e->fresh = !found && e->tip.height == 0;
        if (!found && !e->fresh) {
                e->record.vote_from = UINT64_MAX;
                log_notice(LEDGER, "there is no signing record: this validator does not sign yet",
                    "next=\"%s\"", "it signs from the second height certified after its start");
        }
        return LX_OK;
}

/* A block of the log: its bodies were verified when they were logged. */
static void
replay_block(struct bft_engine *e, struct lx_span content)
{
        struct lx_reader rd = lx_reader_init(content.p, content.len);
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        uint32_t count;

        (void)lx_read_span(&rd, LEDGER_HEADER_LEN);
        count = lx_read_u32(&rd);
        for (uint32_t i = 0; i < count && rd.err == LX_OK; i++) {
                struct lx_span bytes = lx_read_var32(&rd, SIGCHAIN_TX_MAX);
                struct body *body;

                if (rd.err != LX_OK ||
                    sigchain_tx_decode(&lx_crypto_ops()->hash, bytes.p, bytes.len, tx) != LX_OK)
                        break;
                body = lx_alloc(sizeof(*body) + bytes.len);
                body->len = bytes.len;
                memcpy(body->bytes, bytes.p, bytes.len);
                lx_free(lx_map_put(e->stash, tx->id.b, LX_HASH_LEN, body));
        }
        lx_free(tx);
}

/* The value of a logged block, all of it: its ids are in the order of the log. */
static void
replay_payload(struct bft_engine *e, struct lx_span content)
{
        struct lx_reader rd = lx_reader_init(content.p, content.len);
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        struct lx_span bytes = lx_read_span(&rd, LEDGER_HEADER_LEN);
        struct ledger_header header;
        struct lx_buf ids = {0};
        struct lx_hash hash;
        struct value *value;
        uint32_t count = lx_read_u32(&rd);

        if (rd.err != LX_OK || ledger_header_decode(bytes.p, bytes.len, &header) != LX_OK)
                count = 0;
        else
                ledger_header_hash(&lx_crypto_ops()->hash, &header, &hash);
        value = rd.err == LX_OK ? bft_find_value(e, &hash) : NULL;
        for (uint32_t i = 0; i < count && value != NULL; i++) {
                bytes = lx_read_var32(&rd, SIGCHAIN_TX_MAX);
                if (rd.err != LX_OK ||
                    sigchain_tx_decode(&lx_crypto_ops()->hash, bytes.p, bytes.len, tx) != LX_OK)
                        break;
                lx_buf_append(&ids, tx->id.b, LX_HASH_LEN);
        }
        for (size_t i = 0; value != NULL && i < ledger_parts_count(ids.len); i++) {
                struct ledger_part part;

                ledger_parts_make(&lx_crypto_ops()->hash, lx_buf_span(&ids), e->height, i, &part);
                (void)bft_add_part(e, &part, 0);
        }
        lx_buf_clear(&ids);
        lx_free(tx);
}

static void
replay_one(struct bft_engine *e, enum bft_log type, struct lx_span content, int pass)
{
        if (pass == 0 && type == BFT_LOG_BLOCK)
                replay_block(e, content);
        else if (pass == 1 && type == BFT_LOG_PROPOSAL)
                (void)!bft_hear(e, 0, LEDGER_MSG_PROPOSAL, content.p, content.len);
        else if (pass == 2 && type == BFT_LOG_BLOCK)
                replay_payload(e, content);
        else if (pass == 3 && type == BFT_LOG_BALLOT)
                (void)!bft_hear(e, 0, LEDGER_MSG_VOTE, content.p, content.len);
}

void
bft_replay(struct bft_engine *e)
{
        struct lx_buf records = e->replay;

        e->replay = (struct lx_buf){0};
        for (int pass = 0; pass < 4; pass++) {
                struct lx_reader rd = lx_reader_init(records.p, records.len);

                while (rd.left > 0) {
                        unsigned type = lx_read_u8(&rd);
                        struct lx_span content = lx_read_var32(&rd, LEDGER_RECORD_MAX);

                        lx_assert(rd.err == LX_OK);
                        replay_one(e, (enum bft_log)type, content, pass);
                }
        }
        lx_buf_clear(&records);
        /* They are in the log already. */
        lx_buf_reset(&e->log_queue);
}
