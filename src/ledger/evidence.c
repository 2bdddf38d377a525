/* ledger/evidence.c - see ledger/evidence.h. */
#include "config.h"
#include "ledger/evidence.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/candidate_int.h"

#include <string.h>

#define HEAD_LEN 9 /* kind and height */

/* ---- codec ------------------------------------------------------------------------------------- */

static void
write_one(const struct ledger_evidence *e, unsigned i, struct lx_writer *wr)
{
        switch (e->kind) {
        case LEDGER_EVIDENCE_VOTES:
                ledger_ballot_encode(&e->ballot[i], wr);
                break;
        case LEDGER_EVIDENCE_PROPOSALS:
                ledger_proposal_encode(&e->proposal[i], wr);
                break;
        case LEDGER_EVIDENCE_CERTS:
                lx_write_hash(wr, &e->header[i]);
                break;
        }
}

/* Which of the two comes first: the one whose bytes are smaller; a tie proves nothing. */
static int
compare(const struct ledger_evidence *e)
{
        uint8_t a[LEDGER_PROPOSAL_LEN], b[LEDGER_PROPOSAL_LEN];
        struct lx_writer wa = lx_writer_init(a, sizeof(a)), wb = lx_writer_init(b, sizeof(b));

        write_one(e, 0, &wa);
        write_one(e, 1, &wb);
        return memcmp(a, b, wa.len); /* public */
}

void
ledger_evidence_encode(const struct ledger_evidence *e, struct lx_writer *wr)
{
        unsigned first = compare(e) > 0;

        lx_write_u8(wr, (uint8_t)e->kind);
        lx_write_u64(wr, e->height);
        if (e->kind == LEDGER_EVIDENCE_PROPOSALS)
                lx_write_u16(wr, e->proposer);
        write_one(e, first, wr);
        write_one(e, !first, wr);
        if (e->kind != LEDGER_EVIDENCE_CERTS)
                return;
        lx_write_var16(wr, e->cert[first]);
        lx_write_var16(wr, e->cert[!first]);
}

static void
read_two(struct lx_reader *rd, struct ledger_evidence *e)
{
        for (unsigned i = 0; i < 2 && rd->err == LX_OK; i++) {
                struct lx_span one;

                switch (e->kind) {
                case LEDGER_EVIDENCE_VOTES:
                        one = lx_read_span(rd, LEDGER_BALLOT_LEN);
                        if (rd->err == LX_OK)
                                lx_reader_fail(rd, ledger_ballot_decode(one.p, one.len, &e->ballot[i]));
                        break;
                case LEDGER_EVIDENCE_PROPOSALS:
                        one = lx_read_span(rd, LEDGER_PROPOSAL_LEN);
                        if (rd->err == LX_OK)
                                lx_reader_fail(
                                    rd, ledger_proposal_decode(one.p, one.len, &e->proposal[i]));
                        break;
                case LEDGER_EVIDENCE_CERTS:
                        e->header[i] = lx_read_hash(rd);
                        break;
                }
        }
}

enum lx_err
ledger_evidence_decode(const uint8_t *bytes, size_t len, struct ledger_evidence *out)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        unsigned kind = lx_read_u8(&rd);

        *out = (struct ledger_evidence){.kind = (enum ledger_evidence_kind)kind};
        out->height = lx_read_u64(&rd);
        if (rd.err == LX_OK &&
            (kind < LEDGER_EVIDENCE_VOTES || kind > LEDGER_EVIDENCE_CERTS || out->height == 0))
                return LX_ERR_RANGE;
        if (rd.err == LX_OK && kind == LEDGER_EVIDENCE_PROPOSALS)
                out->proposer = lx_read_u16(&rd);
        read_two(&rd, out);
        if (rd.err == LX_OK && compare(out) >= 0)
                return LX_ERR_FORMAT;
        for (unsigned i = 0; i < 2 && kind == LEDGER_EVIDENCE_CERTS; i++)
                out->cert[i] = lx_read_var16(&rd, LEDGER_CERT_MAX);
        return lx_reader_end(&rd);
}

void
ledger_evidence_make_tx(
    const struct lx_hash *chain_id, const struct ledger_evidence *evidence, struct lx_buf *out)
{
        struct lx_writer wr =
            lx_writer_init(lx_buf_reserve(out, SIGCHAIN_TX_MAX), SIGCHAIN_TX_MAX);

        lx_write_u8(&wr, SIGCHAIN_TX_EVIDENCE);
        lx_write_hash(&wr, chain_id);
        ledger_evidence_encode(evidence, &wr);
        if (lx_writer_end(&wr) == LX_OK)
                lx_buf_add(out, wr.len);
}

/* ---- proving ----------------------------------------------------------------------------------- */

static enum lx_err
verify_votes(const struct lx_crypto_ops *ops, const struct lx_hash *chain_id,
    const struct ledger_evidence *e, const struct sigchain_valset *set, uint8_t *culprits)
{
        if (e->ballot[0].height != e->height ||
            !ledger_ballots_convict(&e->ballot[0], &e->ballot[1]))
                return LX_ERR_PROOF;
        for (unsigned i = 0; i < 2; i++)
                if (!ledger_ballot_verify(ops, chain_id, set, &e->ballot[i]))
                        return LX_ERR_SIGNATURE;
        ledger_bit_set(culprits, e->ballot[0].voter);
        return LX_OK;
}

static enum lx_err
verify_proposals(const struct lx_crypto_ops *ops, const struct lx_hash *chain_id,
    const struct ledger_evidence *e, const struct sigchain_valset *set, uint8_t *culprits)
{
        struct lx_hash msg[2];

        if (e->proposer >= set->count || e->proposal[0].round != e->proposal[1].round)
                return LX_ERR_PROOF;
        for (unsigned i = 0; i < 2; i++) {
                const struct ledger_proposal *p = &e->proposal[i];

                ledger_proposal_message(&ops->hash, p, NULL, &msg[i]);
                if (p->header.height != e->height || !lx_hash_eq(&p->header.chain_id, chain_id))
                        return LX_ERR_PROOF;
                if (!ops->sig.verify(ops->sig.ctx, &set->v[e->proposer].key, &msg[i], &p->sig))
                        return LX_ERR_SIGNATURE;
        }
        /* Two signatures of one message are no crime. */
        if (lx_hash_eq(&msg[0], &msg[1]))
                return LX_ERR_PROOF;
        ledger_bit_set(culprits, e->proposer);
        return LX_OK;
}

/* Who signed the header with this hash; the round. */
static enum lx_err
verify_cert(const struct lx_crypto_ops *ops, const struct lx_hash *chain_id,
    const struct ledger_evidence *e, unsigned i, const struct sigchain_valset *set,
    uint32_t *out_round, uint8_t out_signers[LEDGER_VOTERS_BYTES])
{
        struct lx_reader rd = lx_reader_init(e->cert[i].p, e->cert[i].len);
        size_t len = (set->count + 7) / 8;
        struct lx_hash msg;
        uint64_t power;
        enum lx_err err;

        *out_round = lx_read_u32(&rd);
        if (rd.err != LX_OK || rd.left < len)
                return LX_ERR_TRUNCATED;
        memcpy(out_signers, rd.p, len);
        ledger_vote_message(&ops->hash, LEDGER_VOTE_PRECOMMIT, chain_id, e->height, *out_round,
            &e->header[i], &msg);
        err = sigchain_valset_verify(ops, set, &rd, &msg, &power, NULL, NULL);
        return err != LX_OK ? err : lx_reader_end(&rd);
}

static enum lx_err
verify_certs(const struct lx_crypto_ops *ops, const struct lx_hash *chain_id,
    const struct ledger_evidence *e, const struct sigchain_valset *set, uint8_t *culprits)
{
        uint8_t signers[2][LEDGER_VOTERS_BYTES] = {{0}};
        uint32_t round[2];
        bool any = false;

        /* A precommit for nil may stand beside nothing; a header's hash is never zero. */
        if (lx_hash_is_zero(&e->header[0]))
                return LX_ERR_PROOF;
        for (unsigned i = 0; i < 2; i++) {
                enum lx_err err = verify_cert(ops, chain_id, e, i, set, &round[i], signers[i]);

                if (err != LX_OK)
                        return err;
        }
        for (size_t i = 0; i < LEDGER_VOTERS_BYTES; i++) {
                culprits[i] = signers[0][i] & signers[1][i];
                any = any || culprits[i] != 0;
        }
        return any && round[0] == round[1] ? LX_OK : LX_ERR_PROOF;
}

enum lx_err
ledger_evidence_verify(const struct lx_crypto_ops *ops, const struct lx_hash *chain_id,
    const struct ledger_evidence *e, const struct sigchain_valset *set,
    uint8_t out_culprits[LEDGER_VOTERS_BYTES])
{
        memset(out_culprits, 0, LEDGER_VOTERS_BYTES);
        switch (e->kind) {
        case LEDGER_EVIDENCE_VOTES:
                return verify_votes(ops, chain_id, e, set, out_culprits);
        case LEDGER_EVIDENCE_PROPOSALS:
                return verify_proposals(ops, chain_id, e, set, out_culprits);
        case LEDGER_EVIDENCE_CERTS:
                return verify_certs(ops, chain_id, e, set, out_culprits);
        }
        return LX_ERR_PROOF;
}

/* ---- applying ---------------------------------------------------------------------------------- */

/* A case at hand: the evidence, who is guilty, who will be left. */
struct trial {
        struct ledger_view *view;
        const struct sigchain_tx *tx;
        struct lx_why *why;
        enum lx_err (*get)(void *arg, const struct lx_hash *state_key, struct lx_buf *out);
        void *arg;
        struct ledger_evidence evidence;
        struct sigchain_valset then, now, left; /* acted at the height; next; next without culprits */
        struct lx_buf then_bytes, now_bytes;
        uint8_t culprits[LEDGER_VOTERS_BYTES];
};

static bool
is_named(const struct trial *t, const struct lx_pubkey *key)
{
        for (size_t i = 0; i < t->then.count; i++)
                if (ledger_bit(t->culprits, i) &&
                    memcmp(t->then.v[i].key.b, key->b, LX_PUBKEY_LEN) == 0) /* public */
                        return true;
        return false;
}

static enum lx_err
get_state(struct trial *t, enum sigchain_kind kind, const void *key, size_t len, struct lx_buf *out)
{
        struct lx_hash state_key;

        sigchain_state_key(ledger_ops(t->view->ledger), kind, key, len, &state_key);
        return t->get(t->arg, &state_key, out);
}

/* The set that acted at the evidence's height. */
static enum lx_err
load_then(struct trial *t)
{
        uint64_t next = t->view->tip.header.height + 1, height = t->evidence.height;
        struct ledger_header header;
        enum lx_err err;

        if (height > next) {
                lx_why_set(t->why, "rule evidence: it is about height %llu, which is to come",
                    (unsigned long long)height);
                return LX_ERR_RANGE;
        }
        if (next - height > t->view->tip.params.value[SIGCHAIN_EVIDENCE_BLOCKS]) {
                lx_why_set(t->why, "rule evidence: height %llu is more than %llu blocks ago",
                    (unsigned long long)height,
                    (unsigned long long)t->view->tip.params.value[SIGCHAIN_EVIDENCE_BLOCKS]);
                return LX_ERR_EXPIRED;
        }
        if (height == next) {
                lx_buf_append(&t->then_bytes, t->view->tip.next_set.p, t->view->tip.next_set.len);
                err = LX_OK;
        } else {
                err = ledger_get_header(t->view, height, &header);
                if (err == LX_OK)
                        err = ledger_get_valset(t->view, &header.valset, &t->then_bytes);
        }
        if (err == LX_OK)
                err = sigchain_valset_decode(t->then_bytes.p, t->then_bytes.len, &t->then);
        return err == LX_ERR_ABSENT ? LX_ERR_CORRUPT : err;
}

/* Somebody it names must be free, and somebody must be left. */
static enum lx_err
judge(struct trial *t)
{
        size_t new_ones = 0;

        for (size_t i = 0; i < t->then.count; i++) {
                struct lx_buf since = {0};
                enum lx_err err = LX_OK;

                if (ledger_bit(t->culprits, i))
                        err = get_state(t, SIGCHAIN_KIND_CONVICTED, t->then.v[i].key.b, LX_PUBKEY_LEN, &since);
                lx_buf_clear(&since);
                if (err != LX_OK && err != LX_ERR_ABSENT)
                        return err;
                new_ones += err == LX_ERR_ABSENT;
        }
        if (new_ones == 0) {
                lx_why_set(t->why, "rule evidence: whom it names is convicted already");
                return LX_ERR_EXISTS;
        }
        if (get_state(t, SIGCHAIN_KIND_VALSET, NULL, 0, &t->now_bytes) != LX_OK ||
            sigchain_valset_decode(t->now_bytes.p, t->now_bytes.len, &t->now) != LX_OK)
                return LX_ERR_CORRUPT;
        for (size_t i = 0; i < t->now.count; i++)
                if (!is_named(t, &t->now.v[i].key))
                        t->left.v[t->left.count++] = t->now.v[i];
        if (t->left.count > 0)
                return LX_OK;
        lx_why_set(t->why, "rule evidence: no validator would be left");
        return LX_ERR_RULE;
}

static enum lx_err
try_case(struct trial *t)
{
        const struct ledger *ledger = t->view->ledger;
        enum lx_err err = ledger_evidence_decode(t->tx->evidence.p, t->tx->evidence.len, &t->evidence);

        if (err == LX_OK && !lx_hash_eq(&t->tx->chain_id, &ledger->chain_id)) {
                lx_why_set(t->why, "rule network: the evidence is of another network");
                return LX_ERR_RULE;
        }
        if (err == LX_OK)
                err = load_then(t);
        if (err == LX_OK)
                err = ledger_evidence_verify(
                    ledger->ops, &ledger->chain_id, &t->evidence, &t->then, t->culprits);
        if (err != LX_OK)
                lx_why_set(t->why, "rule evidence: it proves nothing: %s", lx_err_text(err));
        return err == LX_OK ? judge(t) : err;
}

static void
end_trial(struct trial *t)
{
        lx_buf_clear(&t->then_bytes);
        lx_buf_clear(&t->now_bytes);
        lx_free(t);
}

static enum lx_err
candidate_get(void *arg, const struct lx_hash *state_key, struct lx_buf *out)
{
        return ledger_candidate_get(arg, state_key, out);
}

static void
sentence(struct ledger_candidate *c, const struct trial *t)
{
        uint8_t height[8], set[SIGCHAIN_VALSET_BYTES_MAX];
        struct lx_writer wr = lx_writer_init(set, sizeof(set));

        lx_put_be64(height, c->base->tip.header.height + 1);
        for (size_t i = 0; i < t->then.count; i++) {
                struct lx_buf since = {0};
                struct lx_hash key;

                if (!ledger_bit(t->culprits, i))
                        continue;
                sigchain_state_key(ledger_ops(c->ledger), SIGCHAIN_KIND_CONVICTED,
                    t->then.v[i].key.b, LX_PUBKEY_LEN, &key);
                if (ledger_candidate_get(c, &key, &since) == LX_ERR_ABSENT)
                        ledger_candidate_put(c, SIGCHAIN_KIND_CONVICTED,
                            LX_SPAN(t->then.v[i].key.b, LX_PUBKEY_LEN), LX_SPAN(height, 8));
                lx_buf_clear(&since);
        }
        if (t->left.count == t->now.count)
                return;
        sigchain_valset_encode(&t->left, &wr);
        ledger_candidate_put(c, SIGCHAIN_KIND_VALSET, LX_SPAN(NULL, 0), LX_SPAN(set, wr.len));
}

enum lx_err
ledger_candidate_convict(
    struct ledger_candidate *c, const struct sigchain_tx *tx, struct lx_why *why)
{
        struct trial *t = lx_alloc(sizeof(*t));
        enum lx_err err;

        t->view = c->base;
        t->tx = tx;
        t->why = why;
        t->get = candidate_get;
        t->arg = c;
        err = try_case(t);
        if (err == LX_OK)
                sentence(c, t);
        end_trial(t);
        return err;
}

static enum lx_err
view_get(void *arg, const struct lx_hash *state_key, struct lx_buf *out)
{
        struct ledger_view *view = arg;

        return ledger_read_state(view->ledger, view->snap, state_key, out, NULL, NULL);
}

enum lx_err
ledger_evidence_check(struct ledger_view *view, const struct sigchain_tx *tx, struct lx_why *why)
{
        struct trial *t = lx_alloc(sizeof(*t));
        enum lx_err err;

        t->view = view;
        t->tx = tx;
        t->why = why;
        t->get = view_get;
        t->arg = view;
        err = try_case(t);
        end_trial(t);
        return err;
}
