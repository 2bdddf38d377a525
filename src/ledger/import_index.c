/* ledger/import_index.c - the digest index of each publisher, from its fetched leaves and the manifests. */
#include "config.h"
#include "ledger/import_int.h"

#include "sigchain/manifest.h"
#include "sigchain/object.h"

#include <stdlib.h>
#include <string.h>

#define DIGEST_PART 5000 /* digests of one batch */

struct digest {
        struct lx_hash digest, value, release;
        uint32_t entry;
        bool known; /* its release is */
};

struct publisher {
        struct ledger *ledger;
        uint64_t height;
        struct lx_hash address, owner;
        struct merkle_root root;
        struct digest *digest;
        size_t count, cap;
        /* of the release at hand */
        struct lx_hash release;
        uint64_t created;
        uint32_t *offset;
        uint16_t *length;
        const uint8_t *manifest;
};

static void
add_digest(struct publisher *p, struct lx_span key, struct lx_span value)
{
        struct lx_reader rd = lx_reader_init(value.p, value.len);
        struct digest *d;

        if (p->count == p->cap) {
                p->cap = p->cap == 0 ? 1024 : 2 * p->cap;
                p->digest = lx_realloc(p->digest, p->cap * sizeof(*p->digest));
        }
        d = &p->digest[p->count++];
        *d = (struct digest){.known = value.len == LX_HASH_LEN + 4};
        memcpy(d->digest.b, key.p + 1 + LX_HASH_LEN, LX_HASH_LEN);
        if (!d->known) {
                d->value = lx_read_hash(&rd);
                return;
        }
        d->release = lx_read_hash(&rd);
        d->entry = lx_read_u32(&rd);
        sigchain_index_value(ledger_ops(p->ledger), &d->release, d->entry, &d->value);
}

static enum lx_err
read_digests(struct publisher *p)
{
        uint8_t prefix[1 + LX_HASH_LEN] = {'d'};
        struct lld_iter *iter;
        struct lx_span key, value;

        memcpy(prefix + 1, p->address.b, LX_HASH_LEN);
        iter = lld_iter_open(p->ledger->db, NULL, LEDGER_IMPORT, prefix, sizeof(prefix));
        for (; lld_iter_at(iter, &key, &value); lld_iter_next(iter))
                if (key.len == 1 + 2 * LX_HASH_LEN)
                        add_digest(p, key, value);
        return lld_iter_close(iter);
}

static int
compare_places(const void *a, const void *b)
{
        const struct digest *x = a, *y = b;
        int releases = lx_hash_cmp(&x->release, &y->release);

        return releases != 0 ? releases : (x->entry > y->entry) - (x->entry < y->entry);
}

static bool
note_entry(void *arg, uint32_t number, const struct sigchain_entry *entry, struct lx_span raw)
{
        struct publisher *p = arg;

        (void)entry;
        p->offset[number] = (uint32_t)(raw.p - p->manifest);
        p->length[number] = (uint16_t)raw.len;
        return true;
}

/* Where the entries of a release lie in its manifest, and when it was published. */
static enum lx_err
load_release(struct publisher *p, const struct lx_hash *release)
{
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        struct sigchain_register reg;
        struct lx_buf buf = {0}, manifest = {0};
        struct lx_hash root = {{0}}, got;
        uint32_t count;
        uint64_t len = 0;
        enum lx_err err = import_get_state(p->ledger, p->height, SIGCHAIN_KIND_REGISTER,
            release->b, LX_HASH_LEN, &buf);

        p->release = *release;
        if (err == LX_OK)
                err = sigchain_register_decode(buf.p, buf.len, &reg);
        if (err == LX_OK)
                err = sigchain_object_decode(reg.data, object);
        if (err == LX_OK)
                p->created = reg.created;
        if (err == LX_OK && (!sigchain_object_get_hash(object, "manifest", &root) ||
                                p->ledger->blobs == NULL ||
                                !blob_has(p->ledger->blobs, LEDGER_BLOB_MANIFEST, &root, &len)))
                err = LX_ERR_CORRUPT;
        if (err == LX_OK)
                err = blob_read(
                    p->ledger->blobs, LEDGER_BLOB_MANIFEST, &root, 0, (size_t)len, &manifest);
        p->manifest = manifest.p;
        if (err == LX_OK)
                err = sigchain_manifest_read(ledger_ops(p->ledger), lx_buf_span(&manifest),
                    note_entry, p, &got, &count);
        lx_buf_clear(&buf);
        lx_buf_clear(&manifest);
        lx_free(object);
        return err;
}

/* Join the list of who published it, oldest first; once. */
static enum lx_err
put_published(struct publisher *p, struct lld_batch *batch, const struct digest *d)
{
        struct lx_buf list = {0}, out = {0};
        uint8_t record[DIGEST_RECORD];
        struct lx_writer wr = lx_writer_init(record, sizeof(record));
        size_t at = 0;
        enum lx_err err =
            lld_get(p->ledger->db, NULL, LEDGER_DIGEST, d->digest.b, LX_HASH_LEN, &list);

        lx_write_hash(&wr, &p->owner);
        lx_write_hash(&wr, &d->release);
        lx_write_u32(&wr, d->entry);
        lx_write_u64(&wr, p->created);
        lx_write_u32(&wr, p->offset[d->entry]);
        lx_write_u16(&wr, p->length[d->entry]);
        while (at < list.len && memcmp(list.p + at, p->owner.b, LX_HASH_LEN) != 0 && /* public */
               lx_get_be64(list.p + at + 2 * LX_HASH_LEN + 4) <= p->created)
                at += DIGEST_RECORD;
        for (size_t i = 0; i < list.len; i += DIGEST_RECORD)
                if (memcmp(list.p + i, p->owner.b, LX_HASH_LEN) == 0) /* public */
                        at = SIZE_MAX; /* an interrupted batch put it */
        if ((err == LX_OK || err == LX_ERR_ABSENT) && at != SIZE_MAX &&
            list.len < DIGEST_PUBLISHERS_MAX * DIGEST_RECORD) {
                lx_buf_append(&out, list.p, at);
                lx_buf_append(&out, record, sizeof(record));
                if (at < list.len)
                        lx_buf_append(&out, list.p + at, list.len - at);
                import_put(batch, LEDGER_DIGEST, LX_SPAN(d->digest.b, LX_HASH_LEN), lx_buf_span(&out));
        }
        lx_buf_clear(&list);
        lx_buf_clear(&out);
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

static enum lx_err
put_all_published(struct publisher *p, struct lx_why *why)
{
        struct lld_batch *batch = lld_batch_new_import(p->ledger->db);
        size_t waiting = 0;
        enum lx_err err = LX_OK;

        qsort(p->digest, p->count, sizeof(*p->digest), compare_places);
        p->offset = lx_alloc_array(SIGCHAIN_MANIFEST_ENTRIES_MAX, sizeof(*p->offset));
        p->length = lx_alloc_array(SIGCHAIN_MANIFEST_ENTRIES_MAX, sizeof(*p->length));
        for (size_t i = 0; i < p->count && err == LX_OK; i++) {
                const struct digest *d = &p->digest[i];

                if (!d->known)
                        continue;
                if (!lx_hash_eq(&d->release, &p->release))
                        err = load_release(p, &d->release);
                if (err == LX_OK && d->entry >= SIGCHAIN_MANIFEST_ENTRIES_MAX)
                        err = LX_ERR_CORRUPT;
                if (err == LX_OK)
                        err = put_published(p, batch, d);
                if (err == LX_OK && ++waiting % DIGEST_PART == 0)
                        err = lld_batch_commit(batch, false, why);
        }
        if (err == LX_OK)
                err = lld_batch_commit(batch, false, why);
        lx_free(p->offset);
        lx_free(p->length);
        lld_batch_free(batch);
        return err;
}

/* The tree, with the version that its register names: the register is part of the state. */
static enum lx_err
build_index(struct publisher *p, struct lx_why *why)
{
        struct lld_batch *batch = lld_batch_new_import(p->ledger->db);
        struct merkle_sink sink = {.put = import_keep_page, .stale = import_keep_stale, .arg = batch};
        struct merkle_update *updates = lx_alloc_array(p->count + 1, sizeof(*updates));
        struct merkle_state *tree = import_new_tree(p->ledger, &p->address);
        struct merkle_root root = {0};
        uint8_t key[1 + LX_HASH_LEN] = {'i'};
        enum lx_err err;

        for (size_t i = 0; i < p->count; i++)
                updates[i] = (struct merkle_update){p->digest[i].digest, p->digest[i].value};
        err = merkle_state_update(tree, &root, p->root.version, updates, p->count, &sink, &root);
        if (err == LX_OK && !lx_hash_eq(&root.hash, &p->root.hash)) {
                lx_why_set(why, "the index of a publisher has another root than its register");
                err = LX_ERR_CORRUPT;
        }
        memcpy(key + 1, p->address.b, LX_HASH_LEN);
        (void)lld_batch_remove(batch, LEDGER_IMPORT, key, sizeof(key));
        if (err == LX_OK)
                err = lld_batch_commit(batch, false, why);
        merkle_state_free(tree);
        lx_free(updates);
        lld_batch_free(batch);
        return err;
}

static enum lx_err
fill_index(struct ledger *ledger, const struct import_meta *meta, const struct lx_hash *address,
    struct lx_why *why)
{
        struct publisher p = {.ledger = ledger, .height = meta->height, .address = *address};
        struct sigchain_register reg;
        struct lx_buf buf = {0};
        enum lx_err err = import_get_state(
            ledger, meta->height, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, &buf);

        if (err == LX_OK)
                err = sigchain_register_decode(buf.p, buf.len, &reg);
        if (err == LX_OK) {
                p.owner = reg.owner;
                err = import_read_index(lx_buf_span(&buf), &p.root);
        }
        if (err == LX_OK)
                err = read_digests(&p);
        if (err == LX_OK)
                err = put_all_published(&p, why);
        if (err == LX_OK)
                err = build_index(&p, why);
        lx_free(p.digest);
        lx_buf_clear(&buf);
        return err;
}

enum lx_err
import_fill_indexes(struct ledger *ledger, const struct import_meta *meta, struct lx_why *why)
{
        for (;;) {
                struct lld_iter *iter = lld_iter_open(ledger->db, NULL, LEDGER_IMPORT, "i", 1);
                struct lx_span key, value;
                struct lx_hash address;
                bool found = lld_iter_at(iter, &key, &value) && key.len == 1 + LX_HASH_LEN;
                enum lx_err err;

                if (found)
                        memcpy(address.b, key.p + 1, LX_HASH_LEN);
                err = lld_iter_close(iter);
                if (err == LX_OK && found)
                        err = fill_index(ledger, meta, &address, why);
                if (err != LX_OK || !found)
                        return err;
        }
}
