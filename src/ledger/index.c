/* ledger/index.c - the digest index of each publisher, written at the end of a block. */
#include "config.h"
#include "ledger/candidate_int.h"

#include "crypto/hash.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"

#include <string.h>

#define INDEX_CACHE (4u << 20) /* decoded pages while one block inserts */

/* The index of one publisher while the block's manifests join it. */
struct index {
        struct ledger_candidate *c;
        struct lx_hash publisher;
        struct lx_hash address;
        struct lx_span state_value;   /* of the register before; empty: there was none */
        struct merkle_root root;
        uint64_t count;
        struct merkle_state *tree;
        struct ledger_pages pages;
        struct lx_map *seen;          /* digests of this block */
        struct merkle_update *updates;
        size_t update_count, update_cap;
        const struct insert *insert;
        const uint8_t *manifest;      /* its bytes */
        enum lx_err err;
};

static enum lx_err
load_register(struct index *ix)
{
        struct sigchain_register reg;
        struct sigchain_object object;
        struct lx_buf buf = {0};
        struct lx_hash key;
        enum lx_err err;

        sigchain_address(ledger_ops(ix->c->ledger), SIGCHAIN_INDEX, ix->publisher.b, LX_HASH_LEN,
            &ix->address);
        sigchain_state_key(
            ledger_ops(ix->c->ledger), SIGCHAIN_KIND_REGISTER, ix->address.b, LX_HASH_LEN, &key);
        err = ledger_candidate_get(ix->c, &key, &buf);
        if (err == LX_OK) {
                ix->state_value = LX_SPAN(lx_arena_memdup(ix->c->arena, buf.p, buf.len), buf.len);
                err = sigchain_register_decode(ix->state_value.p, ix->state_value.len, &reg);
        }
        if (err == LX_OK)
                err = sigchain_object_decode(reg.data, &object);
        if (err == LX_OK) {
                (void)sigchain_object_get_hash(&object, "root", &ix->root.hash);
                (void)sigchain_object_get_u64(&object, "version", &ix->root.version);
                (void)sigchain_object_get_u64(&object, "count", &ix->count);
        }
        lx_buf_clear(&buf);
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

/* The block's newest list of who published @digest; appends one record. */
static enum lx_err
note_publisher(struct index *ix, const struct lx_hash *digest, uint32_t number, struct lx_span raw)
{
        struct ledger_candidate *c = ix->c;
        struct lx_span *list = lx_map_get(c->digests, digest->b, LX_HASH_LEN);
        struct lx_buf buf = {0};
        uint8_t record[DIGEST_RECORD];
        struct lx_writer wr = lx_writer_init(record, sizeof(record));
        enum lx_err err = LX_OK;

        if (list == NULL) {
                err = c->base == NULL ? LX_ERR_ABSENT
                                      : lld_get(c->ledger->db, c->base->snap, LEDGER_DIGEST,
                                            digest->b, LX_HASH_LEN, &buf);
                if (err == LX_ERR_ABSENT) {
                        c->tip.totals.digests++;
                        err = LX_OK;
                }
                list = lx_arena_alloc(c->arena, sizeof(*list));
        } else {
                lx_buf_append(&buf, list->p, list->len);
        }
        if (err == LX_OK && buf.len < DIGEST_PUBLISHERS_MAX * DIGEST_RECORD) {
                lx_write_hash(&wr, &ix->publisher);
                lx_write_hash(&wr, &ix->insert->release);
                lx_write_u32(&wr, number);
                lx_write_u64(&wr, c->tip.header.height);
                lx_write_u32(&wr, (uint32_t)(raw.p - ix->manifest));
                lx_write_u16(&wr, (uint16_t)raw.len);
                lx_buf_append(&buf, record, sizeof(record));
        }
        if (err == LX_OK) {
                *list = LX_SPAN(lx_arena_memdup(c->arena, buf.p, buf.len), buf.len);
                lx_map_put(c->digests, digest->b, LX_HASH_LEN, list);
        }
        lx_buf_clear(&buf);
        return err;
}

/* The first release wins: what is there, or came earlier in this block, stays. */
static enum lx_err
insert_digest(struct index *ix, const struct lx_hash *digest, uint32_t number, struct lx_span raw)
{
        struct merkle_update *update;
        struct lx_hash before;
        bool found = false;
        enum lx_err err = LX_OK;

        if (lx_map_get(ix->seen, digest->b, LX_HASH_LEN) != NULL)
                return LX_OK;
        lx_map_put(ix->seen, digest->b, LX_HASH_LEN, ix);
        if (!lx_hash_is_zero(&ix->root.hash))
                err = merkle_state_get(ix->tree, &ix->root, digest, &before, &found);
        if (err != LX_OK || found)
                return err;
        if (ix->update_count == ix->update_cap) {
                ix->update_cap = ix->update_cap == 0 ? 1024 : 2 * ix->update_cap;
                ix->updates = lx_realloc(ix->updates, ix->update_cap * sizeof(*ix->updates));
        }
        update = &ix->updates[ix->update_count++];
        update->key = *digest;
        sigchain_index_value(
            ledger_ops(ix->c->ledger), &ix->insert->release, number, &update->value);
        return note_publisher(ix, digest, number, raw);
}

static bool
insert_entry(void *arg, uint32_t number, const struct sigchain_entry *entry, struct lx_span raw)
{
        struct index *ix = arg;

        ix->err = insert_digest(ix, &entry->root, number, raw);
        if (ix->err == LX_OK)
                ix->err = insert_digest(ix, &entry->sha256, number, raw);
        if (ix->err == LX_OK)
                ix->err = insert_digest(ix, &entry->fsverity, number, raw);
        return ix->err == LX_OK;
}

static enum lx_err
insert_manifest(struct index *ix, const struct insert *insert)
{
        struct blob_store *blobs = ix->c->ledger->blobs;
        struct lx_buf bytes = {0};
        struct lx_hash root;
        uint32_t count;
        uint64_t len = 0;
        enum lx_err err = LX_ERR_ABSENT;

        ix->insert = insert;
        ix->err = LX_OK;
        if (blobs != NULL && blob_has(blobs, LEDGER_BLOB_MANIFEST, &insert->manifest, &len))
                err = blob_read(
                    blobs, LEDGER_BLOB_MANIFEST, &insert->manifest, 0, (size_t)len, &bytes);
        ix->manifest = bytes.p;
        if (err == LX_OK)
                err = sigchain_manifest_read(ledger_ops(ix->c->ledger), lx_buf_span(&bytes),
                    insert_entry, ix, &root, &count);
        if (err == LX_OK && !lx_hash_eq(&root, &insert->manifest))
                err = LX_ERR_CORRUPT; /* the disk gave other bytes than were checked */
        lx_buf_clear(&bytes);
        return ix->err != LX_OK ? ix->err : err;
}

static struct lx_span
text(const char *s)
{
        return LX_SPAN(s, strlen(s));
}

/* Write the register: root, version of the root page, how many digests. */
static void
put_register(struct index *ix)
{
        uint64_t height = ix->c->tip.header.height;
        struct sigchain_object object = {.count = 3,
            .field = {{.name = text("root"), .type = SIGCHAIN_HASH, .access = SIGCHAIN_SYSTEM,
                          .bytes = LX_SPAN(ix->root.hash.b, LX_HASH_LEN)},
                {.name = text("version"), .type = SIGCHAIN_U64, .access = SIGCHAIN_SYSTEM,
                    .u64 = ix->root.version},
                {.name = text("count"), .type = SIGCHAIN_U64, .access = SIGCHAIN_SYSTEM,
                    .u64 = ix->count}}};
        struct sigchain_register reg = {.type = SIGCHAIN_INDEX,
            .owner = ix->publisher,
            .created = height,
            .modified = height}, before;
        uint8_t data[256], bytes[512];
        struct lx_writer wr = lx_writer_init(data, sizeof(data));

        if (ix->state_value.len > 0 &&
            sigchain_register_decode(ix->state_value.p, ix->state_value.len, &before) == LX_OK)
                reg.created = before.created;
        sigchain_object_encode(&object, &wr);
        reg.data = LX_SPAN(data, wr.len);
        wr = lx_writer_init(bytes, sizeof(bytes));
        sigchain_register_encode(&reg, &wr);
        ledger_candidate_put(ix->c, SIGCHAIN_KIND_REGISTER, LX_SPAN(ix->address.b, LX_HASH_LEN),
            LX_SPAN(bytes, wr.len));
}

static enum lx_err
update_publisher(struct ledger_candidate *c, const struct insert *first)
{
        struct index ix = {.c = c,
            .publisher = first->publisher,
            .pages = {.db = c->ledger->db, .snap = c->base != NULL ? c->base->snap : NULL}};
        struct merkle_pages pages = {.get = ledger_get_page, .arg = &ix.pages};
        struct merkle_sink sink = ledger_candidate_pages(c);
        enum lx_err err = load_register(&ix);

        if (err != LX_OK)
                return err;
        ix.tree = merkle_state_new(ledger_ops(c->ledger), &pages, &ix.address,
            lx_hash_is_zero(&ix.root.hash) ? 0 : INDEX_CACHE);
        ix.seen = lx_map_new(1);
        for (const struct insert *in = first; in != NULL && err == LX_OK; in = in->next)
                if (lx_hash_eq(&in->publisher, &first->publisher))
                        err = insert_manifest(&ix, in);
        if (err == LX_OK && ix.update_count > 0) {
                err = merkle_state_update(ix.tree, &ix.root, c->tip.header.height, ix.updates,
                    ix.update_count, &sink, &ix.root);
                ix.count += ix.update_count;
        }
        if (err == LX_OK && (ix.update_count > 0 || ix.state_value.len == 0))
                put_register(&ix);
        lx_map_free(ix.seen);
        lx_free(ix.updates);
        merkle_state_free(ix.tree);
        return err;
}

enum lx_err
ledger_candidate_index(struct ledger_candidate *c, struct lx_why *why)
{
        struct lx_map *done = lx_map_new(1);
        enum lx_err err = LX_OK;

        for (const struct insert *in = c->inserts; in != NULL && err == LX_OK; in = in->next)
                if (lx_map_put(done, in->publisher.b, LX_HASH_LEN, c) == NULL)
                        err = update_publisher(c, in);
        lx_map_free(done);
        if (err != LX_OK)
                lx_why_set(why, "a publisher's index can't be updated: %s", lx_err_text(err));
        return err;
}
