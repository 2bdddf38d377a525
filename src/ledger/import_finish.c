/* ledger/import_finish.c - from fetched pieces to a ledger: in batches that may be interrupted anywhere. */
#include "config.h"
#include "ledger/import_int.h"

#include <string.h>

static const uint8_t LAST_KEY[LLD_KEY_MAX] = {[0 ... LLD_KEY_MAX - 1] = 0xff};

static void
prune_all(struct lld_batch *batch, unsigned kind)
{
        static const uint8_t first = 0;

        (void)lld_batch_prune_range(batch, kind, &first, 1, LAST_KEY, sizeof(LAST_KEY));
}

/* What block 0 left as current goes: all of it comes anew, or is not there any more. */
static enum lx_err
clear_current(struct ledger *ledger, struct lx_why *why)
{
        struct lld_batch *batch = lld_batch_new_import(ledger->db);
        enum lx_err err;

        prune_all(batch, LEDGER_STATE);
        prune_all(batch, LEDGER_OWNED);
        prune_all(batch, LEDGER_REGISTER);
        prune_all(batch, LEDGER_DEBIT);
        prune_all(batch, LEDGER_DIGEST);
        err = lld_batch_commit(batch, false, why);
        lld_batch_free(batch);
        return err;
}

/* ---- a lane ------------------------------------------------------------------------------------ */

struct lane {
        struct ledger *ledger;
        struct lld_batch *batch;
        struct import_meta *meta;
        struct merkle_update *updates;
        size_t count, cap;
};

void
import_keep_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], const uint8_t *page, size_t len)
{
        import_put(arg, LEDGER_PAGE, LX_SPAN(key, MERKLE_PAGE_KEY_LEN), LX_SPAN(page, len));
}

/* A tree that is made from nothing makes no page stale. */
void
import_keep_stale(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN])
{
        (void)arg;
        (void)key;
}

static enum lx_err
get_no_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct lx_buf *out)
{
        (void)arg;
        (void)key;
        (void)out;
        return LX_ERR_CORRUPT;
}

struct merkle_state *
import_new_tree(struct ledger *ledger, const struct lx_hash *id)
{
        struct merkle_pages none = {.get = get_no_page};

        return merkle_state_new(ledger_ops(ledger), &none, id, 0);
}

static enum lx_err
canonical_key(struct ledger *ledger, const struct lx_hash *state_key, struct lx_buf *out)
{
        enum lx_err err =
            lld_get(ledger->db, NULL, LEDGER_KEY, state_key->b, LX_HASH_LEN, out);

        return err == LX_ERR_ABSENT ? LX_ERR_CORRUPT : err;
}

static enum lx_err
put_register(struct lane *lane, const struct lx_hash *state_key, struct lx_span value)
{
        struct sigchain_register reg;
        struct lx_buf address = {0};
        uint8_t key[2 * LX_HASH_LEN];
        enum lx_err err = canonical_key(lane->ledger, state_key, &address);

        if (err == LX_OK && (address.len != LX_HASH_LEN ||
                                sigchain_register_decode(value.p, value.len, &reg) != LX_OK))
                err = LX_ERR_CORRUPT;
        if (err == LX_OK) {
                memcpy(key, reg.owner.b, LX_HASH_LEN);
                memcpy(key + LX_HASH_LEN, address.p, LX_HASH_LEN);
                import_put(lane->batch, LEDGER_OWNED, LX_SPAN(key, sizeof(key)), LX_SPAN(NULL, 0));
                import_put(lane->batch, LEDGER_REGISTER, lx_buf_span(&address), LX_SPAN(NULL, 0));
                lane->meta->totals.registers++;
        }
        lx_buf_clear(&address);
        return err;
}

static enum lx_err
put_debit(struct lane *lane, const struct lx_hash *state_key, struct lx_span value)
{
        struct sigchain_debit debit;
        struct lx_buf canonical = {0}, key = {0};
        enum lx_err err = canonical_key(lane->ledger, state_key, &canonical);

        if (err == LX_OK && sigchain_debit_decode(value.p, value.len, &debit) != LX_OK)
                err = LX_ERR_CORRUPT;
        if (err == LX_OK) {
                lx_buf_append(&key, debit.to.b, LX_HASH_LEN);
                lx_buf_append(&key, canonical.p, canonical.len);
                import_put(lane->batch, LEDGER_DEBIT, lx_buf_span(&key), LX_SPAN(NULL, 0));
        }
        lx_buf_clear(&canonical);
        lx_buf_clear(&key);
        return err;
}

/* Every transaction belongs to a chain, whose sequence says how many it made. */
static enum lx_err
count_chain(struct lane *lane, struct lx_span value)
{
        struct sigchain_chain chain;

        if (sigchain_chain_decode(value.p, value.len, &chain) != LX_OK)
                return LX_ERR_CORRUPT;
        lane->meta->totals.chains++;
        lane->meta->totals.transactions += chain.sequence;
        return LX_OK;
}

static enum lx_err
put_state(struct lane *lane, const struct lx_hash *key, struct lx_span record)
{
        struct lx_span value = LX_SPAN(record.p + 1, record.len - 1);
        struct merkle_update *update;
        struct lx_buf buf = {0};

        if (lane->count == lane->cap) {
                lane->cap = lane->cap == 0 ? 1024 : 2 * lane->cap;
                lane->updates = lx_realloc(lane->updates, lane->cap * sizeof(*lane->updates));
        }
        update = &lane->updates[lane->count++];
        update->key = *key;
        sigchain_state_value(ledger_ops(lane->ledger), value.p, value.len, &update->value);
        lx_put_be64(lx_buf_reserve(&buf, 8), lane->meta->height);
        lx_buf_add(&buf, 8);
        lx_buf_append(&buf, record.p, record.len);
        import_put(lane->batch, LEDGER_STATE, LX_SPAN(key->b, LX_HASH_LEN), lx_buf_span(&buf));
        lx_buf_clear(&buf);
        if (record.p[0] == SIGCHAIN_KIND_REGISTER)
                return put_register(lane, key, value);
        if (record.p[0] == SIGCHAIN_KIND_DEBIT)
                return put_debit(lane, key, value);
        return record.p[0] == SIGCHAIN_KIND_CHAIN ? count_chain(lane, value) : LX_OK;
}

static enum lx_err
read_lane(struct lane *lane)
{
        uint8_t prefix = (uint8_t)lane->meta->lane;
        struct lld_iter *iter = lld_iter_open(lane->ledger->db, NULL, LEDGER_STATE_AT, &prefix, 1);
        struct lx_span key, value;
        enum lx_err err = LX_OK, closed;

        for (; err == LX_OK && lld_iter_at(iter, &key, &value); lld_iter_next(iter)) {
                struct lx_hash state_key;

                if (key.len != LX_HASH_LEN + 8 || value.len < 2 ||
                    lx_get_be64(key.p + LX_HASH_LEN) != lane->meta->height)
                        continue;
                memcpy(state_key.b, key.p, LX_HASH_LEN);
                err = put_state(lane, &state_key, value);
        }
        closed = lld_iter_close(iter);
        return err != LX_OK ? err : closed;
}

static void
put_part(struct lld_batch *batch, uint8_t number, const struct merkle_part *part)
{
        uint8_t key[2] = {'p', number}, bytes[128];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        lx_write_u8(&wr, part->type);
        lx_write_hash(&wr, &part->hash);
        lx_write_hash(&wr, &part->key);
        lx_write_hash(&wr, &part->value);
        lx_write_u64(&wr, part->version);
        import_put(batch, LEDGER_IMPORT, LX_SPAN(key, 2), LX_SPAN(bytes, wr.len));
}

static enum lx_err
get_part(struct ledger *ledger, uint8_t number, struct merkle_part *out)
{
        uint8_t key[2] = {'p', number};
        struct lx_buf buf = {0};
        struct lx_reader rd;
        enum lx_err err = lld_get(ledger->db, NULL, LEDGER_IMPORT, key, 2, &buf);

        rd = lx_reader_init(buf.p, buf.len);
        if (err == LX_OK) {
                out->type = lx_read_u8(&rd);
                out->hash = lx_read_hash(&rd);
                out->key = lx_read_hash(&rd);
                out->value = lx_read_hash(&rd);
                out->version = lx_read_u64(&rd);
                err = lx_reader_end(&rd) == LX_OK && out->type <= 2 ? LX_OK : LX_ERR_CORRUPT;
        }
        lx_buf_clear(&buf);
        return err == LX_ERR_ABSENT ? LX_ERR_CORRUPT : err;
}

static enum lx_err
fill_lane(struct ledger *ledger, struct import_meta *meta, struct lx_why *why)
{
        static const struct lx_hash state_tree = {{0}};
        struct import_meta next = *meta;
        struct lane lane = {
            .ledger = ledger, .meta = &next, .batch = lld_batch_new_import(ledger->db)};
        struct merkle_sink sink = {.put = import_keep_page, .stale = import_keep_stale, .arg = lane.batch};
        struct merkle_state *tree = import_new_tree(ledger, &state_tree);
        struct merkle_part part;
        enum lx_err err = read_lane(&lane);

        if (err == LX_OK)
                err = merkle_state_build_part(
                    tree, meta->height, 2, lane.updates, lane.count, &sink, &part);
        if (err == LX_OK) {
                put_part(lane.batch, (uint8_t)meta->lane, &part);
                next.lane++;
                if (next.lane == LEDGER_IMPORT_LANES)
                        next.phase = IMPORT_INDEX;
                import_put_meta(lane.batch, &next);
                err = lld_batch_commit(lane.batch, false, why);
        }
        if (err == LX_OK)
                *meta = next;
        merkle_state_free(tree);
        lx_free(lane.updates);
        lld_batch_free(lane.batch);
        return err;
}

/* ---- the top ----------------------------------------------------------------------------------- */

static enum lx_err
join_lanes(struct ledger *ledger, const struct import_meta *meta, struct lld_batch *batch,
    struct lx_hash *out_root)
{
        static const struct lx_hash state_tree = {{0}};
        struct merkle_sink sink = {.put = import_keep_page, .stale = import_keep_stale, .arg = batch};
        struct merkle_state *tree = import_new_tree(ledger, &state_tree);
        struct merkle_part part[16], mid[16], top;
        enum lx_err err = LX_OK;

        for (unsigned i = 0; i < LEDGER_IMPORT_LANES && err == LX_OK; i++) {
                struct lx_hash path = {{(uint8_t)(i & 0xf0)}};

                err = get_part(ledger, (uint8_t)i, &part[i % 16]);
                if (err == LX_OK && i % 16 == 15)
                        merkle_state_join_parts(
                            tree, meta->height, 1, &path, part, &sink, &mid[i / 16]);
        }
        if (err == LX_OK) {
                merkle_state_join_parts(tree, meta->height, 0, &state_tree, mid, &sink, &top);
                *out_root = top.hash;
        }
        merkle_state_free(tree);
        return err;
}

static enum lx_err
put_next_set(struct ledger *ledger, const struct import_meta *meta,
    const struct ledger_header *header, struct lld_batch *batch)
{
        struct lx_buf set = {0};
        struct lx_hash hash;
        enum lx_err err =
            import_get_state(ledger, meta->height, SIGCHAIN_KIND_VALSET, NULL, 0, &set);

        sigchain_valset_hash(ledger_ops(ledger), set.p, set.len, &hash);
        if (err == LX_OK && !lx_hash_eq(&hash, &header->next_valset))
                err = LX_ERR_CORRUPT;
        if (err == LX_OK)
                import_put(batch, LEDGER_VALSET, LX_SPAN(hash.b, LX_HASH_LEN), lx_buf_span(&set));
        lx_buf_clear(&set);
        return err;
}

static enum lx_err
count_digests(struct ledger *ledger, uint64_t *out)
{
        struct lld_iter *iter = lld_iter_open(ledger->db, NULL, LEDGER_DIGEST, NULL, 0);
        struct lx_span key, value;

        for (*out = 0; lld_iter_at(iter, &key, &value); lld_iter_next(iter))
                ++*out;
        return lld_iter_close(iter);
}

static void
put_meta_records(struct lld_batch *batch, const struct import_meta *meta)
{
        uint8_t bytes[32], pruned[8];

        lx_put_be64(bytes, meta->totals.transactions);
        lx_put_be64(bytes + 8, meta->totals.registers);
        lx_put_be64(bytes + 16, meta->totals.chains);
        lx_put_be64(bytes + 24, meta->totals.digests);
        lx_put_be64(pruned, meta->height);
        import_put(batch, LEDGER_META, LX_SPAN("totals", 6), LX_SPAN(bytes, sizeof(bytes)));
        import_put(batch, LEDGER_META, LX_SPAN("pruned", 6), LX_SPAN(pruned, sizeof(pruned)));
}

/* Header and block record with the rest of the tree, in the one batch that moves the height. */
static enum lx_err
put_top(struct ledger *ledger, struct import_meta *meta, struct lld_batch *batch, struct lx_why *why)
{
        struct ledger_header header;
        struct lx_buf bytes = {0}, block = {0};
        struct lx_hash root;
        uint8_t key[8];
        enum lx_err err;

        lx_put_be64(key, meta->height);
        err = lld_get(ledger->db, NULL, LEDGER_HEADER, key, sizeof(key), &bytes);
        if (err == LX_OK)
                err = ledger_header_decode(bytes.p, bytes.len, &header);
        if (err == LX_OK)
                err = join_lanes(ledger, meta, batch, &root);
        if (err == LX_OK && !lx_hash_eq(&root, &header.state_root)) {
                lx_why_set(why, "the state that was fetched has another root than header %llu: a disk "
                    "that changes data? Remove the data directory and sync anew",
                    (unsigned long long)meta->height);
                err = LX_ERR_CORRUPT;
        }
        if (err == LX_OK)
                err = put_next_set(ledger, meta, &header, batch);
        if (err == LX_OK)
                err = count_digests(ledger, &meta->totals.digests);
        lx_put_be64(lx_buf_reserve(&block, 8), meta->height); /* version of the root page */
        lx_buf_add(&block, 8);
        if (err == LX_OK)
                err = lld_get(ledger->db, NULL, LEDGER_IMPORT, "b", 1, &block);
        if (err == LX_OK) {
                import_put(batch, LEDGER_HEADER, LX_SPAN(key, sizeof(key)), lx_buf_span(&bytes));
                import_put(batch, LEDGER_BLOCK, LX_SPAN(key, sizeof(key)), lx_buf_span(&block));
                put_meta_records(batch, meta);
                prune_all(batch, LEDGER_IMPORT);
        }
        lx_buf_clear(&bytes);
        lx_buf_clear(&block);
        return err;
}

enum lx_err
import_complete(struct ledger *ledger, struct import_meta *meta, struct lx_why *why)
{
        struct lld_batch *batch;
        enum lx_err err = LX_OK;

        if (meta->phase == IMPORT_FILL && meta->lane == 0)
                err = clear_current(ledger, why);
        while (err == LX_OK && meta->phase == IMPORT_FILL)
                err = fill_lane(ledger, meta, why);
        if (err == LX_OK)
                err = import_fill_indexes(ledger, meta, why);
        if (err != LX_OK)
                return err;
        batch = lld_batch_new(ledger->db, meta->height);
        err = put_top(ledger, meta, batch, why);
        if (err == LX_OK)
                err = lld_batch_commit(batch, true, why);
        lld_batch_free(batch);
        return err;
}

enum lx_err
ledger_resume_import(struct ledger *ledger, struct lx_why *why)
{
        struct import_meta meta;
        enum lx_err err = import_load_meta(ledger, &meta);

        if (err == LX_ERR_ABSENT)
                return LX_OK;
        return err != LX_OK || meta.phase == IMPORT_FETCH ? err
                                                          : import_complete(ledger, &meta, why);
}
