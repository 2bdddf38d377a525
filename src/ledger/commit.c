/* ledger/commit.c - one block, one batch, one fsync. */
#include "config.h"
#include "ledger/candidate_int.h"

#include "base/assert.h"
#include "sigchain/apply.h"

#include <string.h>

#define META_TOTALS "totals"

/* Put errors are kept by the batch and come out of its commit. */
static void
put(struct lld_batch *batch, unsigned kind, struct lx_span key, struct lx_span value)
{
        (void)lld_batch_put(batch, kind, key.p, key.len, value.p, value.len);
}

static struct lx_span
height_key(uint8_t key[8], uint64_t height)
{
        lx_put_be64(key, height);
        return LX_SPAN(key, 8);
}

static void
put_header(struct lld_batch *batch, const struct tip *tip)
{
        uint8_t key[8], header[LEDGER_HEADER_LEN];
        struct lx_span at = height_key(key, tip->header.height);

        ledger_header_encode(&tip->header, header);
        put(batch, LEDGER_HEADER, at, LX_SPAN(header, sizeof(header)));
        put(batch, LEDGER_HEADER_HASH, LX_SPAN(tip->hash.b, LX_HASH_LEN), at);
        if (tip->header.height > 0)
                put(batch, LEDGER_CERT, at, lx_buf_span(&tip->cert));
        put(batch, LEDGER_VALSET, LX_SPAN(tip->header.next_valset.b, LX_HASH_LEN),
            lx_buf_span(&tip->next_set));
}

static void
put_txs(struct lld_batch *batch, const struct ledger_candidate *c)
{
        struct lx_buf block = {0};
        uint8_t key[8], at[12];

        lx_put_be64(lx_buf_reserve(&block, 8), c->tip.root.version);
        lx_buf_add(&block, 8);
        lx_put_be64(at, c->tip.header.height);
        for (size_t i = 0; i < c->tx_count; i++) {
                struct lx_span id = LX_SPAN(c->txs[i].id.b, LX_HASH_LEN);
                struct lx_writer wr = lx_writer_init(at + 8, 4);

                lx_write_u32(&wr, (uint32_t)i);
                put(batch, LEDGER_TX, id, c->txs[i].bytes);
                put(batch, LEDGER_TX_AT, id, LX_SPAN(at, sizeof(at)));
                lx_buf_append(&block, id.p, id.len);
        }
        put(batch, LEDGER_BLOCK, height_key(key, c->tip.header.height), lx_buf_span(&block));
        lx_buf_clear(&block);
}

/* Who owns which register: keys of owner and address, and one of each register. */
static void
put_owner(struct lld_batch *batch, struct totals *totals, const struct change *change, struct lx_span before)
{
        uint8_t key[2 * LX_HASH_LEN];
        struct sigchain_register reg;
        struct lx_hash old = {{0}};
        bool had = before.len > 0 && sigchain_register_decode(before.p, before.len, &reg) == LX_OK;

        memcpy(key + LX_HASH_LEN, change->key.p, LX_HASH_LEN);
        if (had)
                old = reg.owner;
        if (change->value.len == 0 ||
            sigchain_register_decode(change->value.p, change->value.len, &reg) != LX_OK)
                return;
        if (!had) {
                totals->registers++;
                put(batch, LEDGER_REGISTER, LX_SPAN(change->key.p, LX_HASH_LEN), LX_SPAN(NULL, 0));
        }
        if (had && lx_hash_eq(&old, &reg.owner))
                return;
        if (had) {
                memcpy(key, old.b, LX_HASH_LEN);
                (void)lld_batch_remove(batch, LEDGER_OWNED, key, sizeof(key));
        }
        memcpy(key, reg.owner.b, LX_HASH_LEN);
        put(batch, LEDGER_OWNED, LX_SPAN(key, sizeof(key)), LX_SPAN(NULL, 0));
}

static void
put_debit(struct lld_batch *batch, const struct change *change, struct lx_span before)
{
        uint8_t key[2 * LX_HASH_LEN + 1];
        struct lx_span value = change->value.len > 0 ? change->value : before;
        struct sigchain_debit debit;

        if (value.len == 0 || sigchain_debit_decode(value.p, value.len, &debit) != LX_OK)
                return;
        memcpy(key, debit.to.b, LX_HASH_LEN);
        memcpy(key + LX_HASH_LEN, change->key.p, LX_HASH_LEN + 1);
        if (change->value.len > 0)
                put(batch, LEDGER_DEBIT, LX_SPAN(key, sizeof(key)), LX_SPAN(NULL, 0));
        else
                (void)lld_batch_remove(batch, LEDGER_DEBIT, key, sizeof(key));
}

/* What the tip has under the key of @change; read again only when the block read too much to keep it. */
static enum lx_err
get_before(struct ledger_candidate *c, const struct change *change, struct lx_buf *buf, struct lx_span *out)
{
        enum lx_err err = LX_OK;

        *out = change->before;
        if (change->knows_before || c->base == NULL)
                return LX_OK;
        lx_buf_reset(buf);
        err = ledger_read_state(c->ledger, c->base->snap, &change->state_key, buf, NULL, NULL);
        *out = LX_SPAN(buf->p, err == LX_OK ? buf->len : 0);
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

/* What follows from a change beside the state: who owns what, open debits, how many chains. */
static enum lx_err
put_consequences(
    struct lld_batch *batch, struct ledger_candidate *c, const struct change *change, struct lx_buf *buf)
{
        struct lx_span before;
        enum lx_err err;

        if (change->kind != SIGCHAIN_KIND_REGISTER && change->kind != SIGCHAIN_KIND_DEBIT &&
            change->kind != SIGCHAIN_KIND_CHAIN)
                return LX_OK;
        err = get_before(c, change, buf, &before);
        if (err != LX_OK)
                return err;
        if (change->kind == SIGCHAIN_KIND_REGISTER)
                put_owner(batch, &c->tip.totals, change, before);
        else if (change->kind == SIGCHAIN_KIND_DEBIT)
                put_debit(batch, change, before);
        else
                c->tip.totals.chains += before.len == 0;
        if (before.len == 0 &&
            (change->kind == SIGCHAIN_KIND_REGISTER || change->kind == SIGCHAIN_KIND_DEBIT))
                put(batch, LEDGER_KEY, LX_SPAN(change->state_key.b, LX_HASH_LEN), change->key);
        return LX_OK;
}

static enum lx_err
put_change(struct lld_batch *batch, struct ledger_candidate *c, const struct change *change, struct lx_buf *buf)
{
        uint8_t key[LX_HASH_LEN + 8];
        enum lx_err err = put_consequences(batch, c, change, buf);

        if (err != LX_OK)
                return err;
        lx_buf_reset(buf);
        lx_put_be64(lx_buf_reserve(buf, STATE_HEAD), c->tip.header.height);
        lx_buf_add(buf, 8);
        buf->p[buf->len++] = (uint8_t)change->kind;
        lx_buf_append(buf, change->value.p, change->value.len);
        memcpy(key, change->state_key.b, LX_HASH_LEN);
        lx_put_be64(key + LX_HASH_LEN, c->tip.header.height);
        put(batch, LEDGER_STATE_AT, LX_SPAN(key, sizeof(key)), LX_SPAN(buf->p + 8, buf->len - 8));
        if (change->value.len > 0)
                put(batch, LEDGER_STATE, LX_SPAN(key, LX_HASH_LEN), lx_buf_span(buf));
        else
                (void)lld_batch_remove(batch, LEDGER_STATE, key, LX_HASH_LEN);
        return LX_OK;
}

static enum lx_err
put_changes(struct lld_batch *batch, struct ledger_candidate *c)
{
        struct lx_buf buf = {0};
        size_t at = 0, key_len;
        const void *key;
        void *value;
        enum lx_err err = LX_OK;

        while (err == LX_OK && lx_map_next(c->state, &at, &key, &key_len, &value))
                if (((const struct change *)value)->changed)
                        err = put_change(batch, c, value, &buf);
        for (at = 0; lx_map_next(c->digests, &at, &key, &key_len, &value);)
                put(batch, LEDGER_DIGEST, LX_SPAN(key, key_len), *(const struct lx_span *)value);
        for (const struct record *r = c->records; r != NULL; r = r->next)
                put(batch, r->kind, r->key, r->value);
        lx_buf_clear(&buf);
        return err;
}

static void
put_totals(struct lld_batch *batch, const struct totals *totals)
{
        uint8_t value[32];

        lx_put_be64(value, totals->transactions);
        lx_put_be64(value + 8, totals->registers);
        lx_put_be64(value + 16, totals->chains);
        lx_put_be64(value + 24, totals->digests);
        put(batch, LEDGER_META, LX_SPAN(META_TOTALS, 6), LX_SPAN(value, sizeof(value)));
}

static enum lx_err
write_candidate(struct ledger_candidate *c, bool sync, struct lx_why *why)
{
        struct lld_batch *batch = lld_batch_new(c->ledger->db, c->tip.header.height);
        struct lx_span genesis = lx_buf_span(&c->ledger->genesis_bytes);
        enum lx_err err;

        put_header(batch, &c->tip);
        put_txs(batch, c);
        err = put_changes(batch, c);
        put_totals(batch, &c->tip.totals);
        if (c->base == NULL) {
                put(batch, LEDGER_META, LX_SPAN("genesis", 7), genesis);
                put(batch, LEDGER_META, LX_SPAN("keys", 4), LX_SPAN("1", 1));
        }
        if (err == LX_OK)
                err = lld_batch_commit(batch, sync, why);
        else
                lx_why_set(why, "the state before the block can't be read: %s", lx_err_text(err));
        lld_batch_free(batch);
        return err;
}

/* Whether @c stands on the newest block: of several candidates of a height one is committed. */
static bool
is_next(struct ledger *ledger, const struct ledger_candidate *c)
{
        struct ledger_view *view = ledger_view_new(ledger);
        bool next = lx_hash_eq(&view->tip.hash, &c->base->tip.hash);

        ledger_view_unref(view);
        return next;
}

static enum lx_err
commit(struct ledger *ledger, struct ledger_candidate *c, const uint8_t *cert, size_t cert_len,
    bool sync, struct lx_why *why)
{
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        enum lx_err err = sigchain_valset_decode(c->tip.set.p, c->tip.set.len, set);

        if (err == LX_OK && !is_next(ledger, c)) {
                lx_free(set);
                lx_why_set(why, "another block %llu was committed meanwhile",
                    (unsigned long long)c->tip.header.height);
                ledger_candidate_free(c);
                return LX_ERR_CHANGED;
        }
        if (err == LX_OK)
                err = ledger_cert_verify(ledger->ops, &c->tip.header, set, cert, cert_len);
        lx_free(set);
        if (err != LX_OK)
                lx_why_set(why, "the certificate of block %llu does not verify: %s",
                    (unsigned long long)c->tip.header.height, lx_err_text(err));
        if (err == LX_OK) {
                lx_buf_append(&c->tip.cert, cert, cert_len);
                err = write_candidate(c, sync, why);
        }
        if (err == LX_OK) {
                ledger_publish_take(ledger, &c->tip);
                c->tip = (struct tip){0};
                c->committed = true;
        }
        ledger_candidate_free(c);
        return err;
}

enum lx_err
ledger_commit(struct ledger *ledger, struct ledger_candidate *c, const uint8_t *cert, size_t cert_len,
    struct lx_why *why)
{
        return commit(ledger, c, cert, cert_len, true, why);
}

enum lx_err
ledger_commit_later(struct ledger *ledger, struct ledger_candidate *c, const uint8_t *cert,
    size_t cert_len, struct lx_why *why)
{
        return commit(ledger, c, cert, cert_len, false, why);
}

enum lx_err
ledger_write_genesis(struct ledger *ledger, struct lx_why *why)
{
        struct ledger_candidate *c = ledger_candidate_new(ledger, true);
        struct sigchain_sink sink = ledger_candidate_sink(c);
        enum lx_err err = sigchain_apply_genesis(
            ledger->ops, &ledger->chain_id, ledger->genesis, &sink, why);

        if (err == LX_OK)
                err = ledger_candidate_seal(c, ledger->genesis->time_ms, why);
        if (err == LX_OK)
                err = write_candidate(c, true, why);
        c->committed = err == LX_OK;
        ledger_candidate_free(c);
        return err;
}
