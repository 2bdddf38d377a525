/* ledger/find.c - finding things in a view: digests, entries, registers, debits, prefixes. */
#include "config.h"
#include "ledger/ledger_int.h"

#include "base/assert.h"
#include "merkle/trie.h"
#include "sigchain/manifest.h"

#include <stdlib.h>
#include <string.h>

static enum lx_err
get(struct ledger_view *view, unsigned kind, const void *key, size_t len, struct lx_buf *out)
{
        return lld_get(view->ledger->db, view->snap, kind, key, len, out);
}

static int
compare_published(const void *a, const void *b)
{
        const struct ledger_published *x = a, *y = b;

        if (x->height != y->height)
                return x->height > y->height ? 1 : -1;
        return lx_hash_cmp(&x->publisher, &y->publisher);
}

enum lx_err
ledger_find_digest(struct ledger_view *view, const struct lx_hash *digest, struct ledger_published *out,
    size_t max, size_t *out_count)
{
        struct ledger_published all[DIGEST_PUBLISHERS_MAX];
        struct lx_buf buf = {0};
        struct lx_reader rd;
        size_t count = 0;
        enum lx_err err = get(view, LEDGER_DIGEST, digest->b, LX_HASH_LEN, &buf);

        rd = lx_reader_init(buf.p, buf.len);
        while (err == LX_OK && rd.left > 0 && count < DIGEST_PUBLISHERS_MAX) {
                all[count].publisher = lx_read_hash(&rd);
                all[count].release = lx_read_hash(&rd);
                all[count].entry = lx_read_u32(&rd);
                all[count].height = lx_read_u64(&rd);
                all[count].offset = lx_read_u32(&rd);
                all[count].length = lx_read_u16(&rd);
                err = rd.err == LX_OK ? LX_OK : LX_ERR_CORRUPT;
                count++;
        }
        lx_buf_clear(&buf);
        if (err != LX_OK && err != LX_ERR_ABSENT)
                return err;
        qsort(all, count, sizeof(all[0]), compare_published);
        *out_count = count < max ? count : max;
        memcpy(out, all, *out_count * sizeof(all[0]));
        return LX_OK;
}

/* ---- manifests --------------------------------------------------------------------------------- */

struct entry_search {
        const struct lx_hash_ops *ops;
        uint32_t number;
        struct lx_buf *out;
        struct lx_hash *leaves; /* NULL: no proof wanted */
        bool found;
};

static bool
meet_entry(void *arg, uint32_t number, const struct sigchain_entry *entry, struct lx_span raw)
{
        struct entry_search *s = arg;

        (void)entry;
        if (number == s->number) {
                lx_buf_append(s->out, raw.p, raw.len);
                s->found = true;
        }
        if (s->leaves != NULL)
                merkle_log_leaf(s->ops, raw.p, raw.len, &s->leaves[number]);
        return s->leaves != NULL || !s->found;
}

/* Without a proof only the framing is walked: no hash is computed. */
static enum lx_err
skip_to_entry(struct lx_span bytes, struct entry_search *s)
{
        struct lx_reader rd = lx_reader_init(bytes.p, bytes.len);
        uint32_t count;

        (void)lx_read_u8(&rd);
        count = lx_read_u32(&rd);
        for (uint32_t i = 0; i < count && rd.err == LX_OK && !s->found; i++) {
                const uint8_t *at = rd.p;
                struct sigchain_entry entry;

                sigchain_entry_read(&rd, &entry);
                if (rd.err == LX_OK && i == s->number) {
                        lx_buf_append(s->out, at, (size_t)(rd.p - at));
                        s->found = true;
                }
        }
        return rd.err == LX_OK ? LX_OK : LX_ERR_CORRUPT;
}

static enum lx_err
search_entry(struct lx_span bytes, struct entry_search *s, struct merkle_path *out_path)
{
        struct lx_hash root;
        uint32_t count = 0;
        enum lx_err err;

        if (out_path == NULL)
                return skip_to_entry(bytes, s);
        s->leaves = lx_alloc_array(SIGCHAIN_MANIFEST_ENTRIES_MAX, sizeof(*s->leaves));
        err = sigchain_manifest_read(s->ops, bytes, meet_entry, s, &root, &count);
        if (err == LX_OK && s->found)
                merkle_log_prove(s->ops, s->leaves, count, s->number, out_path);
        lx_free(s->leaves);
        return err == LX_OK ? LX_OK : LX_ERR_CORRUPT;
}

enum lx_err
ledger_get_entry(struct ledger_view *view, const struct lx_hash *root, uint32_t number,
    const struct ledger_published *at, struct lx_buf *out, struct merkle_path *out_path)
{
        struct blob_store *blobs = view->ledger->blobs;
        struct entry_search s = {.ops = ledger_ops(view->ledger), .number = number, .out = out};
        struct lx_buf bytes = {0};
        uint64_t len = 0;
        enum lx_err err = LX_ERR_ABSENT;

        if (blobs != NULL && at != NULL && out_path == NULL)
                return blob_read(blobs, LEDGER_BLOB_MANIFEST, root, at->offset, at->length, out);
        if (blobs != NULL && blob_has(blobs, LEDGER_BLOB_MANIFEST, root, &len))
                err = blob_read(blobs, LEDGER_BLOB_MANIFEST, root, 0, (size_t)len, &bytes);
        if (err == LX_OK)
                err = search_entry(lx_buf_span(&bytes), &s, out_path);
        if (err == LX_OK && !s.found)
                err = LX_ERR_RANGE;
        lx_buf_clear(&bytes);
        return err;
}

/* ---- lists ------------------------------------------------------------------------------------- */

/* The last 32 bytes of the keys after @from, those of @type. */
static enum lx_err
list(struct ledger_view *view, unsigned kind, struct lx_span prefix, unsigned type,
    const struct lx_hash *after, struct lx_hash *out, size_t max, size_t *out_count)
{
        struct lld_iter *iter =
            lld_iter_open(view->ledger->db, view->snap, kind, prefix.p, prefix.len);
        uint8_t from[2 * LX_HASH_LEN] = {0};
        struct lx_span key, value;
        size_t count = 0;
        enum lx_err err;

        memcpy(from, prefix.p, prefix.len > LX_HASH_LEN ? LX_HASH_LEN : prefix.len);
        if (after != NULL)
                memcpy(from + (kind == LEDGER_OWNED ? LX_HASH_LEN : 0), after->b, LX_HASH_LEN);
        if (after != NULL)
                lld_iter_seek(iter, from, kind == LEDGER_OWNED ? 64 : 32);
        for (; count < max && lld_iter_at(iter, &key, &value); lld_iter_next(iter)) {
                struct lx_hash address;

                if (key.len < LX_HASH_LEN)
                        continue;
                memcpy(address.b, key.p + key.len - LX_HASH_LEN, LX_HASH_LEN);
                if (after != NULL && lx_hash_cmp(&address, after) <= 0)
                        continue;
                if (type == 0 || address.b[0] == type)
                        out[count++] = address;
        }
        err = lld_iter_close(iter);
        if (err == LX_OK)
                *out_count = count;
        return err;
}

enum lx_err
ledger_list_owned(struct ledger_view *view, const struct lx_hash *owner, unsigned type,
    const struct lx_hash *after, struct lx_hash *out, size_t max, size_t *out_count)
{
        uint8_t prefix[LX_HASH_LEN + 1];

        memcpy(prefix, owner->b, LX_HASH_LEN);
        prefix[LX_HASH_LEN] = (uint8_t)type;
        return list(view, LEDGER_OWNED, LX_SPAN(prefix, type != 0 ? sizeof(prefix) : LX_HASH_LEN),
            type, after, out, max, out_count);
}

enum lx_err
ledger_list_type(struct ledger_view *view, unsigned type, const struct lx_hash *after,
    struct lx_hash *out, size_t max, size_t *out_count)
{
        uint8_t prefix = (uint8_t)type;

        return list(view, LEDGER_REGISTER, LX_SPAN(&prefix, type != 0), type, after, out, max, out_count);
}

enum lx_err
ledger_list_debits(struct ledger_view *view, const struct lx_hash *to, size_t max, struct lx_buf *out)
{
        struct lld_iter *iter =
            lld_iter_open(view->ledger->db, view->snap, LEDGER_DEBIT, to->b, LX_HASH_LEN);
        struct lx_span key, value;

        for (size_t i = 0; i < max && lld_iter_at(iter, &key, &value); i++, lld_iter_next(iter))
                if (key.len == 2 * LX_HASH_LEN + 1)
                        lx_buf_append(out, key.p + LX_HASH_LEN, LX_HASH_LEN + 1);
        return lld_iter_close(iter);
}

/* ---- append registers -------------------------------------------------------------------------- */

enum lx_err
ledger_get_log_entry(struct ledger_view *view, const struct lx_hash *address, uint64_t index,
    struct lx_buf *out, struct merkle_path *out_path)
{
        struct ledger_log log = {.view = view, .address = address};
        struct merkle_log_store store = {.get = ledger_log_get, .arg = &log};
        struct sigchain_register reg;
        struct sigchain_append append;
        struct lx_buf buf = {0};
        uint8_t key[LX_HASH_LEN + 8];
        enum lx_err err = ledger_get_state(
            view, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, LEDGER_NOW, &buf, NULL);

        if (err == LX_OK)
                err = sigchain_register_decode(buf.p, buf.len, &reg);
        if (err == LX_OK && reg.type != SIGCHAIN_APPEND)
                err = LX_ERR_FORMAT;
        if (err == LX_OK)
                err = sigchain_append_decode(reg.data, &append);
        if (err == LX_OK && index >= append.count)
                err = LX_ERR_RANGE;
        memcpy(key, address->b, LX_HASH_LEN);
        lx_put_be64(key + LX_HASH_LEN, index);
        if (err == LX_OK)
                err = get(view, LEDGER_ENTRY, key, sizeof(key), out);
        if (err == LX_OK && out_path != NULL)
                err = merkle_log_prove_stored(
                    ledger_ops(view->ledger), &store, append.count, index, out_path);
        lx_buf_clear(&buf);
        return err;
}

/* ---- prefixes ---------------------------------------------------------------------------------- */

static enum lx_err
get_trie_node(void *arg, const struct lx_hash *hash, struct lx_buf *out)
{
        enum lx_err err = get(arg, LEDGER_TRIE_NODE, hash->b, LX_HASH_LEN, out);

        return err == LX_ERR_ABSENT ? LX_ERR_CORRUPT : err;
}

enum lx_err
ledger_match_prefix(struct ledger_view *view, uint32_t instance, uint8_t family,
    const uint8_t addr[16], struct lx_hash *out_register, bool *out_found, struct lx_buf *out_proof)
{
        struct merkle_trie_nodes nodes = {.get = get_trie_node, .arg = view};
        struct merkle_bits bits = {.len = family == 4 ? 32 : 128}, prefix;
        struct lx_buf buf = {0};
        struct lx_hash root;
        uint8_t key[5];
        struct lx_writer wr = lx_writer_init(key, sizeof(key));
        enum lx_err err;

        lx_write_u32(&wr, instance);
        lx_write_u8(&wr, family);
        memcpy(bits.b, addr, family == 4 ? 4 : 16);
        *out_found = false;
        err = ledger_get_state(view, SIGCHAIN_KIND_TRIE, key, sizeof(key), LEDGER_NOW, &buf, NULL);
        if (err == LX_OK && buf.len != LX_HASH_LEN)
                err = LX_ERR_CORRUPT;
        if (err == LX_OK) {
                memcpy(root.b, buf.p, LX_HASH_LEN);
                err = merkle_trie_match(&nodes, &root, &bits, &prefix, out_register, out_found);
                if (err == LX_OK && out_proof != NULL)
                        err = merkle_trie_prove(&nodes, &root, &bits, out_proof);
        }
        lx_buf_clear(&buf);
        return err == LX_ERR_ABSENT ? LX_OK : err;
}
