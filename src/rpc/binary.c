/* rpc/binary.c - releases and look-ups of binaries; blobs. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "merkle/file.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"
#include "sigchain/standard.h"

#include <string.h>

#define MATCHES_MAX 64
#define PUBLISHERS_MAX 64
#define ENTRIES_MAX 1000
#define PROVE_PAGES_MAX 4096u
#define PROVE_LEAVES_MAX (128u << 20) /* bytes of leaf hashes: files of up to 16 GiB */

/* A release or approval register, decoded; spans point into value. */
struct release {
        struct lx_hash address;
        struct lx_buf value;
        struct sigchain_register reg;
        struct sigchain_object object;
        struct lx_hash manifest;
        uint64_t entries;
};

static enum lx_err
get_release(struct rpc_call *call, const struct lx_hash *address, struct release *r)
{
        enum lx_err err;

        *r = (struct release){.address = *address};
        err = ledger_get_state(call->view, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, LEDGER_NOW,
            &r->value, NULL);
        if (err == LX_OK)
                err = sigchain_register_decode(r->value.p, r->value.len, &r->reg);
        if (err == LX_OK && r->reg.type != SIGCHAIN_RELEASE && r->reg.type != SIGCHAIN_APPROVAL) {
                lx_why_set(&call->why, "the register is neither a release nor an approval");
                err = LX_ERR_RANGE;
        }
        if (err == LX_OK)
                err = sigchain_object_decode(r->reg.data, &r->object);
        if (err == LX_OK) {
                (void)sigchain_object_get_hash(&r->object, "manifest", &r->manifest);
                (void)sigchain_object_get_u64(&r->object, "entries", &r->entries);
        }
        return err;
}

static json_t *
field_text(const struct release *r, const char *name)
{
        const struct sigchain_field *f = sigchain_object_find(&r->object, name);

        return f != NULL ? lx_json_text(f->bytes) : json_string("");
}

static bool
is_revoked(struct rpc_call *call, const struct lx_hash *publisher, const struct lx_hash *digest)
{
        uint8_t key[2 * LX_HASH_LEN];
        struct lx_buf value = {0};
        enum lx_err err;

        memcpy(key, publisher->b, LX_HASH_LEN);
        memcpy(key + LX_HASH_LEN, digest->b, LX_HASH_LEN);
        err = ledger_get_state(
            call->view, SIGCHAIN_KIND_REVOKED, key, sizeof(key), LEDGER_NOW, &value, NULL);
        lx_buf_clear(&value);
        return err == LX_OK;
}

static bool
is_entry_revoked(
    struct rpc_call *call, const struct lx_hash *publisher, const struct sigchain_entry *entry)
{
        return is_revoked(call, publisher, &entry->root) ||
            is_revoked(call, publisher, &entry->sha256) ||
            is_revoked(call, publisher, &entry->fsverity);
}

static json_t *
entry_json(struct rpc_call *call, const struct lx_hash *publisher, const struct sigchain_entry *entry)
{
        return json_pack("{s:o,s:I,s:i,s:o,s:o,s:o,s:b}", "path", lx_json_text(entry->path), "size",
            (json_int_t)entry->size, "mode", (int)entry->mode, "root", lx_json_hash(&entry->root),
            "sha256", lx_json_hash(&entry->sha256), "fsverity", lx_json_hash(&entry->fsverity),
            "revoked", is_entry_revoked(call, publisher, entry));
}

static enum lx_err
prove_revocations(
    struct rpc_call *call, const struct lx_hash *publisher, const struct sigchain_entry *entry)
{
        const struct lx_hash *digests[3] = {&entry->root, &entry->sha256, &entry->fsverity};
        uint8_t key[2 * LX_HASH_LEN];
        enum lx_err err = LX_OK;

        memcpy(key, publisher->b, LX_HASH_LEN);
        for (int i = 0; i < 3 && err == LX_OK; i++) {
                memcpy(key + LX_HASH_LEN, digests[i]->b, LX_HASH_LEN);
                err = rpc_prove_state(call, SIGCHAIN_KIND_REVOKED, key, sizeof(key), LEDGER_NOW);
        }
        return err;
}

/* One match: release, entry, whether it is revoked; with its proofs. */
static enum lx_err
add_match(struct rpc_call *call, const struct ledger_published *p, json_t *matches)
{
        struct merkle_path *path = call->proof != NULL ? lx_alloc(sizeof(*path)) : NULL;
        struct release *r = lx_alloc(sizeof(*r));
        struct sigchain_entry entry;
        struct lx_buf raw = {0};
        struct lx_reader rd;
        json_t *o;
        enum lx_err err = get_release(call, &p->release, r);

        if (err == LX_OK)
                err = ledger_get_entry(call->view, &r->manifest, p->entry, p, &raw, path);
        rd = lx_reader_init(raw.p, raw.len);
        sigchain_entry_read(&rd, &entry);
        if (err == LX_OK && lx_reader_end(&rd) != LX_OK)
                err = LX_ERR_CORRUPT;
        if (err == LX_OK) {
                o = entry_json(call, &p->publisher, &entry);
                json_object_set_new(o, "publisher", lx_json_hash(&p->publisher));
                json_object_set_new(o, "release", lx_json_hash(&p->release));
                json_object_set_new(o, "standard",
                    json_string(sigchain_standard_of(r->reg.type)->name));
                json_object_set_new(o, "name", field_text(r, "name"));
                json_object_set_new(o, "version", field_text(r, "version"));
                json_object_set_new(o, "entry", rpc_number(p->entry));
                json_object_set_new(o, "height", rpc_number(p->height));
                json_array_append_new(matches, o);
        }
        if (err == LX_OK && call->proof != NULL) {
                err = rpc_prove_state(
                    call, SIGCHAIN_KIND_REGISTER, p->release.b, LX_HASH_LEN, LEDGER_NOW);
                if (err == LX_OK)
                        err = rpc_prove_entry(
                            call, &p->release, p->entry, r->entries, lx_buf_span(&raw), path);
                if (err == LX_OK)
                        err = prove_revocations(call, &p->publisher, &entry);
        }
        lx_buf_clear(&raw);
        lx_buf_clear(&r->value);
        lx_free(r);
        lx_free(path);
        return err;
}

/* The publishers that the caller asks about. */
static enum lx_err
take_publishers(struct rpc_call *call, struct lx_hash *out, size_t *out_count)
{
        json_t *list = json_object_get(call->params, "publishers"), *item;
        size_t i;

        *out_count = 0;
        if (json_array_size(list) > PUBLISHERS_MAX) {
                lx_why_set(&call->why, "at most %d publishers", PUBLISHERS_MAX);
                return LX_ERR_LIMIT;
        }
        json_array_foreach(list, i, item) {
                const char *s = json_string_value(item);

                if (s == NULL || !lx_unhex(s, strlen(s), out[i].b, LX_HASH_LEN)) {
                        lx_why_set(&call->why, "publishers: each is a genesis id of 64 hex digits");
                        return LX_ERR_RANGE;
                }
        }
        *out_count = json_array_size(list);
        return LX_OK;
}

static bool
is_among(const struct lx_hash *who, const struct lx_hash *list, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (lx_hash_eq(who, &list[i]))
                        return true;
        return count == 0;
}

enum lx_err
rpc_binary_lookup(struct rpc_call *call)
{
        struct lx_hash digest = rpc_hash(call, "digest"), asked[PUBLISHERS_MAX];
        struct ledger_published found[MATCHES_MAX];
        json_t *matches = json_array();
        size_t count = 0, asked_count;
        enum lx_err err = take_publishers(call, asked, &asked_count);

        if (err == LX_OK)
                err = ledger_find_digest(call->view, &digest, found, MATCHES_MAX, &count);
        for (size_t i = 0; i < count && err == LX_OK; i++)
                if (is_among(&found[i].publisher, asked, asked_count))
                        err = add_match(call, &found[i], matches);
        for (size_t i = 0; i < asked_count && err == LX_OK; i++)
                err = rpc_prove_index(call, &asked[i], &digest);
        for (size_t i = 0; i < count && err == LX_OK && asked_count == 0; i++)
                err = rpc_prove_index(call, &found[i].publisher, &digest);
        rpc_set(call, "digest", lx_json_hash(&digest));
        rpc_set(call, "found", json_boolean(json_array_size(matches) > 0));
        rpc_set(call, "height", rpc_number(ledger_view_header(call->view)->height));
        rpc_set(call, "matches", matches);
        return err;
}

/* ---- releases ---------------------------------------------------------------------------------- */

struct listing {
        struct rpc_call *call;
        const struct lx_hash *publisher;
        uint64_t from, limit;
        json_t *list;
};

static bool
list_entry(void *arg, uint32_t number, const struct sigchain_entry *entry, struct lx_span raw)
{
        struct listing *l = arg;

        (void)raw;
        if (number >= l->from && number - l->from < l->limit) {
                json_t *o = entry_json(l->call, l->publisher, entry);

                json_object_set_new(o, "number", rpc_number(number));
                json_array_append_new(l->list, o);
        }
        return true;
}

enum lx_err
rpc_binary_release(struct rpc_call *call)
{
        struct lx_hash address = rpc_hash(call, "release"), root;
        struct release *r = lx_alloc(sizeof(*r));
        struct listing l = {.call = call, .from = rpc_u64(call, "from"),
            .limit = rpc_limit(call, "limit", 100, ENTRIES_MAX), .list = json_array()};
        struct lx_buf bytes = {0};
        uint64_t len = 0;
        uint32_t count = 0;
        enum lx_err err = get_release(call, &address, r);

        l.publisher = &r->reg.owner;
        if (err == LX_OK && !blob_has(call->rpc->options.blobs, LEDGER_BLOB_MANIFEST, &r->manifest, &len))
                err = LX_ERR_ABSENT;
        if (err == LX_OK)
                err = blob_read(
                    call->rpc->options.blobs, LEDGER_BLOB_MANIFEST, &r->manifest, 0, (size_t)len, &bytes);
        if (err == LX_OK)
                err = sigchain_manifest_read(
                    &lx_crypto_ops()->hash, lx_buf_span(&bytes), list_entry, &l, &root, &count);
        if (err == LX_OK) {
                rpc_set(call, "release", lx_json_hash(&address));
                rpc_set(call, "name", field_text(r, "name"));
                rpc_set(call, "version", field_text(r, "version"));
                rpc_set(call, "publisher", lx_json_hash(&r->reg.owner));
                rpc_set(call, "height", rpc_number(r->reg.created));
                rpc_set(call, "entries", rpc_number(count));
                rpc_set(call, "manifest", lx_json_hash(&r->manifest));
                rpc_set(call, "more", json_boolean(l.from + l.limit < count));
                err = rpc_prove_state(call, SIGCHAIN_KIND_REGISTER, address.b, LX_HASH_LEN, LEDGER_NOW);
        }
        rpc_set(call, "list", l.list);
        lx_buf_clear(&bytes);
        lx_buf_clear(&r->value);
        lx_free(r);
        return err;
}

enum lx_err
rpc_blob_stat(struct rpc_call *call)
{
        struct lx_hash root = rpc_hash(call, "root");
        enum ledger_blob kind;
        uint64_t len = 0;
        bool present;

        if (!rpc_blob_kind(rpc_str(call, "kind"), &kind)) {
                lx_why_set(&call->why, "kind is \"manifest\" or \"leaves\"");
                return LX_ERR_RANGE;
        }
        present = blob_has(call->rpc->options.blobs, kind, &root, &len);
        rpc_set(call, "kind", json_string(rpc_str(call, "kind")));
        rpc_set(call, "root", lx_json_hash(&root));
        rpc_set(call, "present", json_boolean(present));
        rpc_set(call, "length", rpc_number(len));
        return LX_OK;
}

/* The range's leaves and path out of a whole tree, built for this call. */
static enum lx_err
prove_range(struct rpc_call *call, const struct lx_buf *leaves, uint64_t first, uint64_t count)
{
        uint64_t pages = leaves->len / LX_HASH_LEN;
        struct merkle_path *path = lx_alloc(sizeof(*path));
        struct merkle_file *file = NULL;
        enum lx_err err = LX_ERR_RANGE;

        if (count > 0 && count <= PROVE_PAGES_MAX && first < pages && count <= pages - first) {
                file = merkle_file_new(&lx_crypto_ops()->hash,
                    (const struct lx_hash *)(const void *)leaves->p, pages);
                err = file != NULL ? merkle_file_prove(file, first, count, path) : LX_ERR_NOMEM;
        }
        if (err == LX_OK) {
                rpc_set(call, "size", rpc_number(pages));
                rpc_set(call, "leaves", lx_json_hex(leaves->p + first * LX_HASH_LEN, count * LX_HASH_LEN));
                rpc_set(call, "path", rpc_path(path));
        }
        merkle_file_free(file);
        lx_free(path);
        return err;
}

enum lx_err
rpc_blob_prove(struct rpc_call *call)
{
        struct lx_hash root = rpc_hash(call, "root");
        uint64_t first = rpc_u64(call, "first"), count = rpc_u64(call, "count"), len = 0;
        struct lx_buf leaves = {0};
        enum lx_err err = LX_OK;

        if (!blob_has(call->rpc->options.blobs, LEDGER_BLOB_LEAVES, &root, &len))
                err = LX_ERR_ABSENT;
        else if (len > PROVE_LEAVES_MAX)
                err = LX_ERR_LIMIT;
        if (err == LX_OK)
                err = blob_read(
                    call->rpc->options.blobs, LEDGER_BLOB_LEAVES, &root, 0, (size_t)len, &leaves);
        if (err == LX_OK)
                err = prove_range(call, &leaves, first, count);
        rpc_set(call, "root", lx_json_hash(&root));
        rpc_set(call, "first", rpc_number(first));
        rpc_set(call, "count", rpc_number(count));
        lx_buf_clear(&leaves);
        return err;
}
