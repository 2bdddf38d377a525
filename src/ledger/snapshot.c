/* ledger/snapshot.c - making pieces from the store as it is. */
#include "config.h"
#include "ledger/import_int.h"

#include "merkle/trie.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"

#include <string.h>

enum lx_err
ledger_get_state_record(struct ledger_view *view, const struct lx_hash *state_key, uint64_t height,
    unsigned *out_kind, struct lx_buf *out)
{
        struct lld_iter *iter;
        uint8_t key[LX_HASH_LEN + 8];
        struct lx_span at, value;
        enum lx_err err = LX_ERR_ABSENT, closed;

        if (height == view->tip.header.height)
                return ledger_read_state(view->ledger, view->snap, state_key, out, NULL, out_kind);
        iter = lld_iter_open(
            view->ledger->db, view->snap, LEDGER_STATE_AT, state_key->b, LX_HASH_LEN);
        memcpy(key, state_key->b, LX_HASH_LEN);
        lx_put_be64(key + LX_HASH_LEN, height);
        lld_iter_seek_before(iter, key, sizeof(key));
        if (lld_iter_at(iter, &at, &value) && value.len > 1) {
                *out_kind = value.p[0];
                lx_buf_append(out, value.p + 1, value.len - 1);
                err = LX_OK;
        }
        closed = lld_iter_close(iter);
        return closed != LX_OK ? closed : err;
}

enum lx_err
import_read_index(struct lx_span value, struct merkle_root *out_root)
{
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        struct sigchain_register reg;
        enum lx_err err = sigchain_register_decode(value.p, value.len, &reg);

        if (err == LX_OK && reg.type != SIGCHAIN_INDEX)
                err = LX_ERR_ABSENT;
        if (err == LX_OK)
                err = sigchain_object_decode(reg.data, object);
        *out_root = (struct merkle_root){0};
        if (err == LX_OK) {
                (void)sigchain_object_get_hash(object, "root", &out_root->hash);
                (void)sigchain_object_get_u64(object, "version", &out_root->version);
        }
        lx_free(object);
        return err;
}

/* ---- leaves of a tree -------------------------------------------------------------------------- */

struct making {
        struct ledger_view *view;
        uint64_t height;
        const struct ledger_want *want;
        struct lx_hash publisher; /* INDEX: the owner of the register */
        struct lx_buf leaves, value;
        uint32_t count;
        struct merkle_range range;
        enum lx_err err;
};

static void
append_u16(struct lx_buf *out, size_t v)
{
        uint8_t bytes[2] = {(uint8_t)(v >> 8), (uint8_t)v};

        lx_buf_append(out, bytes, sizeof(bytes));
}

static void
append_u32(struct lx_buf *out, uint32_t v)
{
        append_u16(out, v >> 16);
        append_u16(out, v & 0xffff);
}

/* It stops before a leaf that does not fit, or is of another lane. */
static bool
stop_at(struct making *m, const struct lx_hash *key)
{
        m->range.next = *key;
        m->range.to_end = false;
        return false;
}

static bool
add_state(void *arg, const struct lx_hash *key, const struct lx_hash *value_hash)
{
        struct making *m = arg;
        unsigned kind = 0;
        uint8_t byte, len;
        struct lx_buf canonical = {0};

        (void)value_hash;
        if (key->b[0] != m->want->key.b[0])
                return false; /* the range's end is the lane's */
        lx_buf_reset(&m->value);
        m->err = ledger_get_state_record(m->view, key, m->height, &kind, &m->value);
        if (m->err == LX_OK && (kind == SIGCHAIN_KIND_REGISTER || kind == SIGCHAIN_KIND_DEBIT))
                m->err = lld_get(m->view->ledger->db, m->view->snap, LEDGER_KEY, key->b,
                    LX_HASH_LEN, &canonical);
        if (m->err == LX_ERR_ABSENT)
                m->err = LX_ERR_CORRUPT;
        if (m->err != LX_OK)
                return false;
        if (m->leaves.len + LX_HASH_LEN + 4 + canonical.len + m->value.len >
            LEDGER_PIECE_MAX - IMPORT_PROOF_ROOM) {
                lx_buf_clear(&canonical);
                return stop_at(m, key);
        }
        byte = (uint8_t)kind;
        len = (uint8_t)canonical.len;
        lx_buf_append(&m->leaves, key->b, LX_HASH_LEN);
        lx_buf_append(&m->leaves, &byte, 1);
        lx_buf_append(&m->leaves, &len, 1);
        lx_buf_append(&m->leaves, canonical.p, canonical.len);
        append_u16(&m->leaves, m->value.len);
        lx_buf_append(&m->leaves, m->value.p, m->value.len);
        m->count++;
        lx_buf_clear(&canonical);
        return true;
}

/* The record of this publisher among those of the digest. */
static bool
add_digest(void *arg, const struct lx_hash *digest, const struct lx_hash *value)
{
        struct making *m = arg;
        const struct lx_hash_ops *ops = ledger_ops(m->view->ledger);
        struct lx_reader rd;
        bool found = false;

        if (m->leaves.len + 2 * LX_HASH_LEN + 5 > LEDGER_PIECE_MAX - IMPORT_PROOF_ROOM)
                return stop_at(m, digest);
        lx_buf_reset(&m->value);
        m->err = lld_get(m->view->ledger->db, m->view->snap, LEDGER_DIGEST, digest->b, LX_HASH_LEN,
            &m->value);
        rd = lx_reader_init(m->value.p, m->value.len);
        while (m->err == LX_OK && rd.left >= DIGEST_RECORD && !found) {
                struct lx_reader one = lx_read_part(&rd, DIGEST_RECORD);
                struct lx_hash publisher = lx_read_hash(&one), release = lx_read_hash(&one), got;
                uint32_t entry = lx_read_u32(&one);

                sigchain_index_value(ops, &release, entry, &got);
                found = lx_hash_eq(&publisher, &m->publisher) && lx_hash_eq(&got, value);
                if (!found)
                        continue;
                lx_buf_append(&m->leaves, digest->b, LX_HASH_LEN);
                lx_buf_append(&m->leaves, "\1", 1);
                lx_buf_append(&m->leaves, release.b, LX_HASH_LEN);
                append_u32(&m->leaves, entry);
        }
        /* Of a digest with more publishers than are kept, the tree has only the hash. */
        if (m->err == LX_OK && !found) {
                lx_buf_append(&m->leaves, digest->b, LX_HASH_LEN);
                lx_buf_append(&m->leaves, "\0", 1);
                lx_buf_append(&m->leaves, value->b, LX_HASH_LEN);
        }
        m->count++;
        return m->err == LX_OK;
}

/* The tree, its root, and whose index it is. */
static enum lx_err
find_tree(struct making *m, struct merkle_root *out_root)
{
        struct sigchain_register reg;
        struct lx_buf buf = {0};
        enum lx_err err;

        if (m->want->section == LEDGER_SECTION_STATE)
                return ledger_get_root(m->view, m->height, out_root);
        err = ledger_get_state(m->view, SIGCHAIN_KIND_REGISTER, m->want->tree.b, LX_HASH_LEN,
            m->height, &buf, NULL);
        if (err == LX_OK)
                err = import_read_index(lx_buf_span(&buf), out_root);
        if (err == LX_OK)
                err = sigchain_register_decode(buf.p, buf.len, &reg);
        if (err == LX_OK)
                m->publisher = reg.owner;
        lx_buf_clear(&buf);
        return err;
}

/* The range ends with the lane, if nothing ends it before. */
static void
init_range(struct making *m)
{
        m->range.from = m->want->key;
        m->range.to_end = true;
        if (m->want->section == LEDGER_SECTION_STATE && m->want->key.b[0] != 0xff) {
                m->range.to_end = false;
                m->range.next = (struct lx_hash){{(uint8_t)(m->want->key.b[0] + 1)}};
        }
}

static enum lx_err
make_leaves(struct making *m, struct lx_buf *out)
{
        bool state = m->want->section == LEDGER_SECTION_STATE;
        struct ledger_pages pages = {.db = m->view->ledger->db, .snap = m->view->snap};
        struct merkle_pages source = {.get = ledger_get_page, .arg = &pages};
        static const struct lx_hash state_tree = {{0}}, none = {{0}};
        struct merkle_state *tree;
        struct merkle_root root;
        uint8_t end;
        enum lx_err err = find_tree(m, &root);

        if (err != LX_OK)
                return err;
        init_range(m);
        tree = merkle_state_new(ledger_ops(m->view->ledger), &source,
            state ? &state_tree : &m->want->tree, 64u << 10);
        err = merkle_state_walk_from(tree, &root, &m->want->key, state ? add_state : add_digest, m);
        if (err == LX_OK)
                err = m->err;
        end = m->range.to_end;
        if (err == LX_OK) {
                lx_buf_append(out, &end, 1);
                lx_buf_append(out, m->range.to_end ? none.b : m->range.next.b, LX_HASH_LEN);
                append_u32(out, m->count);
                lx_buf_append(out, m->leaves.p, m->leaves.len);
                err = merkle_state_prove_range(tree, &root, &m->range, out);
        }
        merkle_state_free(tree);
        return err;
}

/* ---- entries, nodes ---------------------------------------------------------------------------- */

static enum lx_err
find_append(struct making *m, struct sigchain_append *out)
{
        struct sigchain_register reg;
        struct lx_buf buf = {0};
        enum lx_err err = ledger_get_state(m->view, SIGCHAIN_KIND_REGISTER, m->want->tree.b,
            LX_HASH_LEN, m->height, &buf, NULL);

        if (err == LX_OK)
                err = sigchain_register_decode(buf.p, buf.len, &reg);
        if (err == LX_OK && reg.type != SIGCHAIN_APPEND)
                err = LX_ERR_ABSENT;
        if (err == LX_OK)
                err = sigchain_append_decode(reg.data, out);
        lx_buf_clear(&buf);
        return err;
}

static enum lx_err
add_entries(struct making *m, uint64_t total, uint64_t *out_end)
{
        uint64_t at = m->want->offset;
        enum lx_err err = LX_OK;

        for (; at < total && m->count < UINT16_MAX; at++, m->count++) {
                uint8_t key[LX_HASH_LEN + 8];

                memcpy(key, m->want->tree.b, LX_HASH_LEN);
                lx_put_be64(key + LX_HASH_LEN, at);
                lx_buf_reset(&m->value);
                err = lld_get(m->view->ledger->db, m->view->snap, LEDGER_ENTRY, key, sizeof(key),
                    &m->value);
                if (err != LX_OK)
                        return err == LX_ERR_ABSENT ? LX_ERR_CORRUPT : err;
                if (m->leaves.len + 2 + m->value.len > LEDGER_PIECE_MAX - IMPORT_PROOF_ROOM)
                        break;
                append_u16(&m->leaves, m->value.len);
                lx_buf_append(&m->leaves, m->value.p, m->value.len);
        }
        *out_end = at;
        return err;
}

static enum lx_err
make_entries(struct making *m, struct lx_buf *out)
{
        struct ledger_log log = {.view = m->view, .address = &m->want->tree};
        struct merkle_log_store store = {.get = ledger_log_get, .arg = &log};
        struct merkle_path *path = lx_alloc(sizeof(*path));
        struct sigchain_append append = {0};
        uint64_t end = 0;
        enum lx_err err = find_append(m, &append);

        if (err == LX_OK && m->want->offset >= append.count)
                err = LX_ERR_RANGE;
        if (err == LX_OK)
                err = add_entries(m, append.count, &end);
        if (err == LX_OK)
                err = merkle_log_prove_consistency(
                    ledger_ops(m->view->ledger), &store, end, append.count, path);
        if (err == LX_OK) {
                uint8_t count = (uint8_t)path->count;

                append_u16(out, m->count);
                lx_buf_append(out, m->leaves.p, m->leaves.len);
                lx_buf_append(out, &count, 1);
                lx_buf_append(out, path->hash, path->count * sizeof(path->hash[0]));
        }
        lx_free(path);
        return err;
}

/* A walk from the node that is asked for; what does not fit is asked for by its own hash. */
static enum lx_err
add_nodes(struct making *m, const struct lx_hash *hash)
{
        struct lx_hash child[2];
        struct lx_buf node = {0};
        uint8_t len;
        enum lx_err err = lld_get(m->view->ledger->db, m->view->snap, LEDGER_TRIE_NODE, hash->b,
            LX_HASH_LEN, &node);

        if (err != LX_OK || m->leaves.len + 1 + node.len > LEDGER_PIECE_MAX - IMPORT_PROOF_ROOM) {
                lx_buf_clear(&node);
                return err != LX_OK ? err : LX_ERR_LIMIT;
        }
        len = (uint8_t)node.len;
        lx_buf_append(&m->leaves, &len, 1);
        lx_buf_append(&m->leaves, node.p, node.len);
        m->count++;
        err = merkle_trie_children(node.p, node.len, child);
        for (int i = 0; i < 2 && err == LX_OK; i++)
                if (!lx_hash_is_zero(&child[i]))
                        err = add_nodes(m, &child[i]);
        lx_buf_clear(&node);
        return err;
}

static enum lx_err
make_nodes(struct making *m, struct lx_buf *out)
{
        enum lx_err err = add_nodes(m, &m->want->tree);

        if (err == LX_ERR_LIMIT && m->count > 0)
                err = LX_OK;
        if (err == LX_OK) {
                append_u16(out, m->count);
                lx_buf_append(out, m->leaves.p, m->leaves.len);
        }
        return err;
}

enum lx_err
ledger_snapshot_piece(struct ledger_view *view, uint64_t height, const struct ledger_want *want,
    struct lx_buf *out)
{
        struct making m = {.view = view, .height = height, .want = want};
        size_t before = out->len;
        enum lx_err err = LX_ERR_ABSENT;

        if (height > view->tip.header.height)
                return LX_ERR_RANGE;
        if (height < view->tip.pruned_below)
                return LX_ERR_PRUNED;
        if (want->section == LEDGER_SECTION_STATE || want->section == LEDGER_SECTION_INDEX)
                err = make_leaves(&m, out);
        else if (want->section == LEDGER_SECTION_ENTRIES)
                err = make_entries(&m, out);
        else if (want->section == LEDGER_SECTION_TRIE)
                err = make_nodes(&m, out);
        if (err == LX_OK && out->len - before > LEDGER_PIECE_MAX)
                err = LX_ERR_LIMIT;
        if (err != LX_OK)
                out->len = before;
        lx_buf_clear(&m.leaves);
        lx_buf_clear(&m.value);
        return err;
}

/* ---- canonical keys ---------------------------------------------------------------------------- */

static enum lx_err
fill_kind(struct ledger *ledger, unsigned from, enum sigchain_kind kind, size_t skip,
    struct lld_batch *batch)
{
        struct lld_iter *iter = lld_iter_open(ledger->db, NULL, from, NULL, 0);
        struct lx_span key, value;

        for (; lld_iter_at(iter, &key, &value); lld_iter_next(iter)) {
                struct lx_hash state_key;

                if (key.len <= skip)
                        continue;
                sigchain_state_key(
                    ledger_ops(ledger), kind, key.p + skip, key.len - skip, &state_key);
                import_put(batch, LEDGER_KEY, LX_SPAN(state_key.b, LX_HASH_LEN),
                    LX_SPAN(key.p + skip, key.len - skip));
        }
        return lld_iter_close(iter);
}

enum lx_err
ledger_fill_keys(struct ledger *ledger, struct lx_why *why)
{
        struct lld_batch *batch;
        uint64_t height = 0;
        enum lx_err err = lld_has(ledger->db, NULL, LEDGER_META, "keys", 4);

        if (err != LX_ERR_ABSENT)
                return err;
        (void)lld_height(ledger->db, &height);
        batch = lld_batch_new(ledger->db, height);
        err = fill_kind(ledger, LEDGER_REGISTER, SIGCHAIN_KIND_REGISTER, 0, batch);
        if (err == LX_OK)
                err = fill_kind(ledger, LEDGER_DEBIT, SIGCHAIN_KIND_DEBIT, LX_HASH_LEN, batch);
        import_put(batch, LEDGER_META, LX_SPAN("keys", 4), LX_SPAN("1", 1));
        if (err == LX_OK)
                err = lld_batch_commit(batch, true, why);
        lld_batch_free(batch);
        return err == LX_ERR_DENIED ? LX_OK : err; /* a store that is only read serves nobody */
}
