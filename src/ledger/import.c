/* ledger/import.c - fetching a state: what is wanted, headers, pieces; see ledger/snapshot.h. */
#include "config.h"
#include "ledger/import_int.h"

#include "crypto/hash.h"

#include <string.h>

#define DROP_PART 20000 /* records of one batch while an import is dropped */

/* ---- records ----------------------------------------------------------------------------------- */

void
import_put(struct lld_batch *batch, unsigned kind, struct lx_span key, struct lx_span value)
{
        (void)lld_batch_put(batch, kind, key.p, key.len, value.p, value.len);
}

enum lx_err
import_load_meta(struct ledger *ledger, struct import_meta *out)
{
        struct lx_buf buf = {0};
        struct lx_reader rd;
        enum lx_err err = lld_get(ledger->db, NULL, LEDGER_IMPORT, "m", 1, &buf);

        rd = lx_reader_init(buf.p, buf.len);
        if (err == LX_OK) {
                out->height = lx_read_u64(&rd);
                out->phase = (enum import_phase)lx_read_u8(&rd);
                out->lane = lx_read_u32(&rd);
                out->last_header = lx_read_u64(&rd);
                out->totals.transactions = lx_read_u64(&rd);
                out->totals.registers = lx_read_u64(&rd);
                out->totals.chains = lx_read_u64(&rd);
                out->totals.digests = lx_read_u64(&rd);
                err = lx_reader_end(&rd) == LX_OK && out->phase >= IMPORT_FETCH &&
                        out->phase <= IMPORT_INDEX
                    ? LX_OK
                    : LX_ERR_CORRUPT;
        }
        lx_buf_clear(&buf);
        return err;
}

void
import_put_meta(struct lld_batch *batch, const struct import_meta *meta)
{
        uint8_t bytes[64];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        lx_write_u64(&wr, meta->height);
        lx_write_u8(&wr, (uint8_t)meta->phase);
        lx_write_u32(&wr, meta->lane);
        lx_write_u64(&wr, meta->last_header);
        lx_write_u64(&wr, meta->totals.transactions);
        lx_write_u64(&wr, meta->totals.registers);
        lx_write_u64(&wr, meta->totals.chains);
        lx_write_u64(&wr, meta->totals.digests);
        import_put(batch, LEDGER_IMPORT, LX_SPAN("m", 1), LX_SPAN(bytes, wr.len));
}

void
import_want_key(const struct ledger_want *want, uint8_t out[35])
{
        out[0] = 'w';
        out[1] = (uint8_t)want->section;
        memcpy(out + 2, want->tree.b, LX_HASH_LEN);
        out[34] = want->section == LEDGER_SECTION_STATE || want->section == LEDGER_SECTION_BLOB
            ? want->key.b[0]
            : 0;
}

enum lx_err
import_read_want(struct lx_span key, struct lx_span value, struct ledger_want *out)
{
        if (key.len != 35 || value.len != LX_HASH_LEN + 8)
                return LX_ERR_CORRUPT;
        out->section = (enum ledger_section)key.p[1];
        memcpy(out->tree.b, key.p + 2, LX_HASH_LEN);
        memcpy(out->key.b, value.p, LX_HASH_LEN);
        out->offset = lx_get_be64(value.p + LX_HASH_LEN);
        return LX_OK;
}

void
import_put_want(struct lld_batch *batch, const struct ledger_want *want)
{
        uint8_t key[35], value[LX_HASH_LEN + 8];

        import_want_key(want, key);
        memcpy(value, want->key.b, LX_HASH_LEN);
        lx_put_be64(value + LX_HASH_LEN, want->offset);
        import_put(batch, LEDGER_IMPORT, LX_SPAN(key, sizeof(key)), LX_SPAN(value, sizeof(value)));
}

void
import_remove_want(struct lld_batch *batch, const struct ledger_want *want)
{
        uint8_t key[35];

        import_want_key(want, key);
        (void)lld_batch_remove(batch, LEDGER_IMPORT, key, sizeof(key));
}

enum lx_err
import_get_state(struct ledger *ledger, uint64_t height, enum sigchain_kind kind, const void *key,
    size_t key_len, struct lx_buf *out)
{
        struct lx_hash state_key;
        uint8_t at[LX_HASH_LEN + 8];
        struct lx_buf buf = {0};
        enum lx_err err;

        sigchain_state_key(ledger_ops(ledger), kind, key, key_len, &state_key);
        memcpy(at, state_key.b, LX_HASH_LEN);
        lx_put_be64(at + LX_HASH_LEN, height);
        err = lld_get(ledger->db, NULL, LEDGER_STATE_AT, at, sizeof(at), &buf);
        if (err == LX_OK && buf.len < 2)
                err = LX_ERR_CORRUPT;
        if (err == LX_OK)
                lx_buf_append(out, buf.p + 1, buf.len - 1);
        lx_buf_clear(&buf);
        return err;
}

/* ---- life -------------------------------------------------------------------------------------- */

static enum lx_err
load_last(struct ledger_import *import)
{
        enum lx_err err = ledger_read_header(import->ledger, NULL, import->meta.last_header, &import->last);

        if (err == LX_OK) {
                ledger_header_hash(ledger_ops(import->ledger), &import->last, &import->last_hash);
                err = ledger_read_frontier(
                    import->ledger, NULL, import->meta.last_header + 1, &import->history);
        }
        if (import->meta.last_header == import->meta.height)
                import->state_root = import->last.state_root;
        return err;
}

/* Everything of the state is wanted, lane by lane. */
static enum lx_err
begin(struct ledger_import *import, uint64_t height, struct lx_why *why)
{
        struct lld_batch *batch = lld_batch_new_import(import->ledger->db);
        enum lx_err err;

        import->meta = (struct import_meta){.height = height, .phase = IMPORT_FETCH};
        import_put_meta(batch, &import->meta);
        for (unsigned lane = 0; lane < LEDGER_IMPORT_LANES; lane++) {
                struct ledger_want want = {
                    .section = LEDGER_SECTION_STATE, .key = {{(uint8_t)lane}}};

                import_put_want(batch, &want);
        }
        err = lld_batch_commit(batch, true, why);
        lld_batch_free(batch);
        return err;
}

enum lx_err
ledger_import_open(struct ledger *ledger, uint64_t height, struct ledger_import **out_import,
    struct lx_why *why)
{
        struct ledger_import *import = lx_alloc(sizeof(*import));
        struct ledger_view *view = ledger_view_new(ledger);
        bool fresh = ledger_view_header(view)->height == 0;
        enum lx_err err = import_load_meta(ledger, &import->meta);

        ledger_view_unref(view);
        import->ledger = ledger;
        if (!fresh) {
                lx_why_set(why, "only a ledger that has nothing but block 0 can begin from a snapshot");
                err = LX_ERR_EXISTS;
        } else if (err == LX_OK && height != 0 && import->meta.height != height) {
                lx_why_set(why, "a snapshot of height %llu is being fetched already",
                    (unsigned long long)import->meta.height);
                err = LX_ERR_BUSY;
        } else if (err == LX_ERR_ABSENT && height != 0) {
                err = begin(import, height, why);
        }
        if (err == LX_OK)
                err = load_last(import);
        if (err != LX_OK) {
                lx_free(import);
                return err;
        }
        *out_import = import;
        return LX_OK;
}

void
ledger_import_close(struct ledger_import *import)
{
        lx_free(import);
}

/* The states that it brought; what else it wrote belongs to the chain and is never seen below its height. */
static enum lx_err
drop_states(struct ledger *ledger, uint64_t height, struct lx_why *why)
{
        struct lld_iter *iter = lld_iter_open(ledger->db, NULL, LEDGER_STATE_AT, NULL, 0);
        struct lld_batch *batch = lld_batch_new_import(ledger->db);
        struct lx_span key, value;
        size_t count = 0;
        enum lx_err err = LX_OK, closed;

        for (; err == LX_OK && lld_iter_at(iter, &key, &value); lld_iter_next(iter)) {
                if (key.len != LX_HASH_LEN + 8 || lx_get_be64(key.p + LX_HASH_LEN) != height)
                        continue;
                (void)lld_batch_prune(batch, LEDGER_STATE_AT, key.p, key.len);
                if (++count % DROP_PART == 0)
                        err = lld_batch_commit(batch, false, why);
        }
        closed = lld_iter_close(iter);
        if (err == LX_OK)
                err = closed;
        if (err == LX_OK)
                err = lld_batch_commit(batch, true, why);
        lld_batch_free(batch);
        return err;
}

enum lx_err
ledger_import_drop(struct ledger *ledger, struct lx_why *why)
{
        static const uint8_t first = 0, last = 0xff;
        struct import_meta meta;
        struct lld_batch *batch;
        uint64_t tip = 0;
        enum lx_err err = import_load_meta(ledger, &meta);

        if (err == LX_ERR_ABSENT)
                return LX_OK;
        if (err == LX_OK && meta.phase != IMPORT_FETCH)
                return LX_ERR_BUSY;
        /* A tip that came to that height otherwise has the same records. */
        if (err == LX_OK && lld_height(ledger->db, &tip) && tip < meta.height)
                err = drop_states(ledger, meta.height, why);
        if (err != LX_OK)
                return err;
        batch = lld_batch_new_import(ledger->db);
        (void)lld_batch_prune_range(batch, LEDGER_IMPORT, &first, 1, &last, 1);
        err = lld_batch_commit(batch, true, why);
        lld_batch_free(batch);
        return err;
}

uint64_t
ledger_import_height(const struct ledger_import *import)
{
        return import->meta.height;
}

uint64_t
ledger_import_last_header(
    const struct ledger_import *import, struct ledger_header *out_header, struct lx_hash *out_hash)
{
        if (out_header != NULL)
                *out_header = import->last;
        if (out_hash != NULL)
                *out_hash = import->last_hash;
        return import->meta.last_header;
}

void
ledger_import_history(const struct ledger_import *import, struct merkle_frontier *out)
{
        *out = import->history;
}

void
ledger_import_get_stats(
    const struct ledger_import *import, struct ledger_import_stats *out_stats)
{
        *out_stats = import->stats;
}

/* ---- headers ----------------------------------------------------------------------------------- */

static const char *
first_wrong(const struct ledger_import *import, const struct ledger_certified *in)
{
        const struct lx_hash_ops *ops = ledger_ops(import->ledger);
        struct lx_hash hash;

        if (in->header.height != import->last.height + 1 ||
            in->header.height > import->meta.height)
                return "height";
        if (!lx_hash_eq(&in->header.chain_id, &import->last.chain_id))
                return "chain id";
        if (!lx_hash_eq(&in->header.previous, &import->last_hash))
                return "previous header";
        if (in->header.time_ms <= import->last.time_ms)
                return "time";
        if (!lx_hash_eq(&in->header.valset, &import->last.next_valset))
                return "validator set";
        if (in->set.len > 0) {
                sigchain_valset_hash(ops, in->set.p, in->set.len, &hash);
                if (!lx_hash_eq(&hash, &in->header.valset))
                        return "validator set's bytes";
        }
        merkle_frontier_root(ops, &import->history, &hash);
        return lx_hash_eq(&hash, &in->header.history_root) ? NULL : "history root";
}

static void
put_history(void *arg, unsigned level, uint64_t index, const struct lx_hash *node)
{
        uint8_t key[41];

        import_put(arg, LEDGER_HISTORY, LX_SPAN(key, ledger_node_key(NULL, level, index, key)),
            LX_SPAN(node->b, LX_HASH_LEN));
}

static void
put_header(struct ledger_import *import, struct lld_batch *batch, const struct ledger_certified *in)
{
        const struct lx_hash_ops *ops = ledger_ops(import->ledger);
        uint8_t height[8], bytes[LEDGER_HEADER_LEN];
        struct lx_span at = LX_SPAN(height, sizeof(height));
        struct lx_hash leaf;

        lx_put_be64(height, in->header.height);
        ledger_header_encode(&in->header, bytes);
        ledger_header_hash(ops, &in->header, &import->last_hash);
        import->last = in->header;
        import_put(batch, LEDGER_HEADER, at, LX_SPAN(bytes, sizeof(bytes)));
        import_put(batch, LEDGER_HEADER_HASH, LX_SPAN(import->last_hash.b, LX_HASH_LEN), at);
        import_put(batch, LEDGER_CERT, at, in->cert);
        if (in->set.len > 0)
                import_put(batch, LEDGER_VALSET, LX_SPAN(in->header.valset.b, LX_HASH_LEN), in->set);
        merkle_log_leaf(ops, import->last_hash.b, LX_HASH_LEN, &leaf);
        merkle_frontier_append(ops, &import->history, &leaf, put_history, batch);
}

enum lx_err
ledger_import_headers(struct ledger_import *import, const struct ledger_certified *headers,
    size_t count, struct lx_why *why)
{
        struct lld_batch *batch = lld_batch_new_import(import->ledger->db);
        struct ledger_import before = *import;
        enum lx_err err = LX_OK;

        for (size_t i = 0; i < count && err == LX_OK; i++) {
                const char *wrong = first_wrong(import, &headers[i]);

                if (wrong == NULL) {
                        put_header(import, batch, &headers[i]);
                        continue;
                }
                lx_why_set(why, "header %llu does not follow: %s",
                    (unsigned long long)headers[i].header.height, wrong);
                err = LX_ERR_PROOF;
        }
        import->meta.last_header = import->last.height;
        import_put_meta(batch, &import->meta);
        if (err == LX_OK)
                err = lld_batch_commit(batch, false, why);
        lld_batch_free(batch);
        if (err != LX_OK)
                *import = before;
        else if (import->meta.last_header == import->meta.height)
                import->state_root = import->last.state_root;
        return err;
}

/* ---- wants ------------------------------------------------------------------------------------- */

enum lx_err
import_has_want(struct ledger *ledger)
{
        struct lld_iter *iter = lld_iter_open(ledger->db, NULL, LEDGER_IMPORT, "w", 1);
        struct lx_span key, value;
        bool found = lld_iter_at(iter, &key, &value);
        enum lx_err err = lld_iter_close(iter);

        return err != LX_OK ? err : found ? LX_OK : LX_ERR_ABSENT;
}

enum lx_err
ledger_import_wants(
    struct ledger_import *import, struct ledger_want *out, size_t max, size_t *out_count)
{
        struct lld_iter *iter = lld_iter_open(import->ledger->db, NULL, LEDGER_IMPORT, "w", 1);
        struct lx_span key, value;
        size_t count = 0;
        enum lx_err err = LX_OK, closed;

        for (; count < max && err == LX_OK && lld_iter_at(iter, &key, &value); lld_iter_next(iter))
                err = import_read_want(key, value, &out[count++]);
        closed = lld_iter_close(iter);
        *out_count = count;
        return err != LX_OK ? err : closed;
}

/* Whether @want stands as it is: another piece may have moved it on. */
static enum lx_err
check_want(struct ledger_import *import, const struct ledger_want *want)
{
        struct ledger_want now;
        struct lx_buf buf = {0};
        uint8_t key[35];
        enum lx_err err;

        import_want_key(want, key);
        err = lld_get(import->ledger->db, NULL, LEDGER_IMPORT, key, sizeof(key), &buf);
        if (err == LX_OK)
                err = import_read_want(LX_SPAN(key, sizeof(key)), lx_buf_span(&buf), &now);
        if (err == LX_OK && (!lx_hash_eq(&now.key, &want->key) || now.offset != want->offset))
                err = LX_ERR_ABSENT;
        lx_buf_clear(&buf);
        return err;
}

enum lx_err
ledger_import_put(struct ledger_import *import, const struct ledger_want *want,
    const uint8_t *bytes, size_t len, struct lx_why *why)
{
        struct lld_batch *batch = lld_batch_new_import(import->ledger->db);
        struct lx_reader rd = lx_reader_init(bytes, len);
        uint64_t states = import->stats.states;
        enum lx_err err = check_want(import, want);

        if (err == LX_OK)
                err = import_put_piece(import, want, &rd, batch);
        if (err == LX_OK)
                err = lld_batch_commit(batch, false, why);
        lld_batch_free(batch);
        if (err != LX_OK) {
                import->stats.states = states;
                return err;
        }
        import->stats.pieces++;
        import->stats.bytes += len;
        return LX_OK;
}

enum lx_err
ledger_import_flush(struct ledger_import *import, struct lx_why *why)
{
        struct lld_batch *batch = lld_batch_new_import(import->ledger->db);
        enum lx_err err;

        import_put_meta(batch, &import->meta);
        err = lld_batch_commit(batch, true, why);
        lld_batch_free(batch);
        return err;
}

/* ---- the end ----------------------------------------------------------------------------------- */

/* The block's transactions are kept with the first batch of the end. */
static enum lx_err
keep_block(struct ledger_import *import, struct lld_batch *batch, const struct ledger_tx *txs, size_t count)
{
        const struct lx_hash_ops *ops = ledger_ops(import->ledger);
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        struct lx_hash *leaves = lx_alloc_array(count > 0 ? count : 1, sizeof(*leaves)), root;
        struct lx_buf ids = {0};
        enum lx_err err = LX_OK;

        for (size_t i = 0; i < count && err == LX_OK; i++) {
                uint8_t at[12];
                struct lx_writer wr = lx_writer_init(at, sizeof(at));

                err = sigchain_tx_decode(ops, txs[i].bytes, txs[i].len, tx);
                merkle_log_leaf(ops, tx->id.b, LX_HASH_LEN, &leaves[i]);
                lx_buf_append(&ids, tx->id.b, LX_HASH_LEN);
                lx_write_u64(&wr, import->meta.height);
                lx_write_u32(&wr, (uint32_t)i);
                import_put(batch, LEDGER_TX, LX_SPAN(tx->id.b, LX_HASH_LEN),
                    LX_SPAN(txs[i].bytes, txs[i].len));
                import_put(batch, LEDGER_TX_AT, LX_SPAN(tx->id.b, LX_HASH_LEN), LX_SPAN(at, sizeof(at)));
        }
        merkle_log_root(ops, leaves, count, &root);
        if (err == LX_OK && !lx_hash_eq(&root, &import->last.tx_root))
                err = LX_ERR_PROOF;
        import_put(batch, LEDGER_IMPORT, LX_SPAN("b", 1), lx_buf_span(&ids));
        lx_buf_clear(&ids);
        lx_free(leaves);
        lx_free(tx);
        return err;
}

enum lx_err
ledger_import_finish(struct ledger_import *import, struct ledger_tx *txs, size_t tx_count,
    struct lx_why *why)
{
        struct lld_batch *batch;
        enum lx_err err = import_has_want(import->ledger);

        if (err == LX_OK || import->meta.last_header != import->meta.height)
                return LX_ERR_BUSY;
        if (err != LX_ERR_ABSENT)
                return err;
        batch = lld_batch_new_import(import->ledger->db);
        err = keep_block(import, batch, txs, tx_count);
        if (err == LX_OK) {
                import->meta.phase = IMPORT_FILL;
                import->meta.lane = 0;
                import_put_meta(batch, &import->meta);
                err = lld_batch_commit(batch, true, why);
        }
        lld_batch_free(batch);
        if (err == LX_OK)
                err = import_complete(import->ledger, &import->meta, why);
        if (err == LX_OK) {
                struct tip tip;

                err = ledger_load_tip(import->ledger, &tip, why);
                if (err == LX_OK) {
                        ledger_publish_take(import->ledger, &tip);
                        ledger_import_close(import);
                }
        }
        return err;
}
