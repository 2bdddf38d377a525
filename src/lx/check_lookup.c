/* lx/check_lookup.c - answers about digests, proven through the publisher's index and the manifest. */
#include "config.h"
#include "lx/check_int.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "sigchain/manifest.h"

#include <string.h>

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* The item of @list whose fields @a and @b are these strings (b NULL: only one). */
static const json_t *
find_item(const json_t *list, const char *a, const char *a_value, const char *b, const char *b_value)
{
        size_t i;
        json_t *o;

        json_array_foreach((json_t *)(uintptr_t)list, i, o)
                if (strcmp(lx_str(o, a), a_value) == 0 && (b == NULL || strcmp(lx_str(o, b), b_value) == 0))
                        return o;
        return NULL;
}

static enum lx_err
check_entry(struct lx *lx, const json_t *proof, const json_t *match, const struct lx_hash *manifest,
    uint64_t count, struct lx_buf *raw)
{
        const json_t *item = find_item(
            json_object_get(proof, "entries"), "release", lx_str(match, "release"), NULL, NULL);
        struct merkle_path *path = lx_alloc(sizeof(*path));
        struct lx_hash leaf;
        enum lx_err err = lx_check_hex(item, "bytes", raw) && lx_check_path(json_object_get(item, "path"), path)
            ? LX_OK : LX_ERR_FORMAT;

        merkle_log_leaf(ops(), raw->p, raw->len, &leaf);
        if (err == LX_OK && lx_num(item, "number") != lx_num(match, "entry"))
                err = LX_ERR_PROOF;
        if (err == LX_OK)
                err = merkle_log_verify(
                    ops(), &leaf, lx_num(match, "entry"), count, path->hash, path->count, manifest);
        lx_free(path);
        return err == LX_OK ? LX_OK : lx_check_wrong(lx, "the entry is not in the release's manifest");
}

static bool
is_hash_field(const json_t *o, const char *name, const struct lx_hash *h)
{
        char hex[65];

        return strcmp(lx_str(o, name), lx_hex_of(h, hex)) == 0;
}

/* The match says what the proven entry says, and the digest asked for is one of its three. */
static enum lx_err
compare_entry(struct lx *lx, const json_t *match, const struct lx_hash *digest, const struct sigchain_entry *e)
{
        const char *path = lx_str(match, "path");

        if (!lx_hash_eq(digest, &e->root) && !lx_hash_eq(digest, &e->sha256) && !lx_hash_eq(digest, &e->fsverity))
                return lx_check_wrong(lx, "the proven entry has another digest");
        if (strlen(path) != e->path.len || memcmp(path, e->path.p, e->path.len) != 0 || /* public */
            lx_num(match, "size") != e->size || lx_num(match, "mode") != e->mode ||
            !is_hash_field(match, "root", &e->root) || !is_hash_field(match, "sha256", &e->sha256) ||
            !is_hash_field(match, "fsverity", &e->fsverity))
                return lx_check_wrong(lx, "the answer is not what its proof proves");
        return LX_OK;
}

static enum lx_err
check_revocation(struct lx *lx, const struct lx_check *check, const json_t *proof, const json_t *match,
    const struct lx_hash *publisher, const struct sigchain_entry *e)
{
        const struct lx_hash *digests[3] = {&e->root, &e->sha256, &e->fsverity};
        uint8_t key[2 * LX_HASH_LEN];
        struct lx_buf value = {0};
        bool revoked = false;
        enum lx_err err = LX_OK;

        memcpy(key, publisher->b, LX_HASH_LEN);
        for (int i = 0; i < 3 && err == LX_OK; i++) {
                memcpy(key + LX_HASH_LEN, digests[i]->b, LX_HASH_LEN);
                err = lx_check_state(lx, check, proof, SIGCHAIN_KIND_REVOKED, key, sizeof(key), &value);
                revoked |= value.len > 0;
        }
        lx_buf_clear(&value);
        if (err == LX_OK && revoked != json_is_true(json_object_get(match, "revoked")))
                err = lx_check_wrong(lx, "the proof contradicts what the answer says of a revocation");
        return err;
}

/* What a match says of its release is what the proven register says. */
static void
replace_release(json_t *match, const struct sigchain_register *reg, const struct sigchain_object *object)
{
        static const char *const names[] = {"name", "version"};

        for (size_t i = 0; i < 2; i++) {
                const struct sigchain_field *f = sigchain_object_find(object, names[i]);

                json_object_set_new(match, names[i], f == NULL ? json_string("")
                    : json_stringn((const char *)f->bytes.p, f->bytes.len));
        }
        json_object_set_new(match, "height", json_integer((json_int_t)reg->created));
        json_object_set_new(match, "standard", json_string(reg->type == SIGCHAIN_RELEASE ? "release" : "approval"));
}

/* The publisher's index has the digest: the match must be there, with everything under it proven. */
static enum lx_err
check_match(struct lx *lx, const struct lx_check *check, const json_t *answer, const char *publisher,
    const struct lx_hash *publisher_id, const struct lx_hash *digest, const struct lx_hash *index_value)
{
        const json_t *proof = json_object_get(answer, "proof");
        json_t *match =
            (json_t *)(uintptr_t)find_item(json_object_get(answer, "matches"), "publisher", publisher, NULL, NULL);
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        struct sigchain_register reg;
        struct sigchain_entry entry;
        struct lx_buf value = {0}, raw = {0};
        struct lx_hash release, manifest = {{0}}, expected;
        struct lx_reader rd;
        uint64_t count = 0;
        bool found = false;
        enum lx_err err = match != NULL && lx_parse_hash(lx_str(match, "release"), &release)
            ? LX_OK : lx_check_wrong(lx, "the answer hides a match that the proof has");

        if (err == LX_OK) {
                sigchain_index_value(ops(), &release, (uint32_t)lx_num(match, "entry"), &expected);
                if (!lx_hash_eq(&expected, index_value))
                        err = lx_check_wrong(lx, "the answer names another release than the index");
        }
        if (err == LX_OK)
                err = lx_check_object(lx, check, proof, &release, &value, &reg, object, &found);
        if (err == LX_OK && (!found || !lx_hash_eq(&reg.owner, publisher_id) ||
            (reg.type != SIGCHAIN_RELEASE && reg.type != SIGCHAIN_APPROVAL) ||
            !sigchain_object_get_hash(object, "manifest", &manifest) ||
            !sigchain_object_get_u64(object, "entries", &count)))
                err = lx_check_wrong(lx, "the release is not this publisher's");
        if (err == LX_OK)
                err = check_entry(lx, proof, match, &manifest, count, &raw);
        rd = lx_reader_init(raw.p, raw.len);
        sigchain_entry_read(&rd, &entry);
        if (err == LX_OK && lx_reader_end(&rd) != LX_OK)
                err = lx_check_wrong(lx, "the proven entry is malformed");
        if (err == LX_OK)
                err = compare_entry(lx, match, digest, &entry);
        if (err == LX_OK)
                err = check_revocation(lx, check, proof, match, publisher_id, &entry);
        if (err == LX_OK)
                replace_release(match, &reg, object);
        lx_buf_clear(&value);
        lx_buf_clear(&raw);
        lx_free(object);
        return err;
}

static enum lx_err
check_publisher(struct lx *lx, const struct lx_check *check, const json_t *answer, const char *publisher,
    const struct lx_hash *digest, size_t *matches)
{
        const json_t *proof = json_object_get(answer, "proof"), *item;
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        struct sigchain_register reg;
        struct lx_hash id, address, root = {{0}}, value;
        struct lx_buf bytes = {0};
        char hex[65];
        bool found = false, listed = false;
        enum lx_err err = lx_parse_hash(publisher, &id) ? LX_OK : LX_ERR_FORMAT;

        sigchain_address(ops(), SIGCHAIN_INDEX, id.b, LX_HASH_LEN, &address);
        if (err == LX_OK)
                err = lx_check_object(lx, check, proof, &address, &bytes, &reg, object, &found);
        if (err == LX_OK && found) {
                item = find_item(json_object_get(proof, "index"), "publisher", publisher, "digest",
                    lx_hex_of(digest, hex));
                (void)sigchain_object_get_hash(object, "root", &root);
                listed = item != NULL && !json_is_null(json_object_get(item, "value"));
                if (item == NULL || (listed && !lx_parse_hash(lx_str(item, "value"), &value)) ||
                    lx_check_leaf(item, digest, listed ? &value : NULL, &root) != LX_OK)
                        err = lx_check_wrong(lx, "the proof in a publisher's index does not verify");
        }
        if (err == LX_OK && listed) {
                (*matches)++;
                err = check_match(lx, check, answer, publisher, &id, digest, &value);
        }
        lx_buf_clear(&bytes);
        lx_free(object);
        return err;
}

enum lx_err
lx_check_lookup(
    struct lx *lx, struct lx_check *check, const struct lx_hash *digest, const json_t *answer)
{
        size_t i, matches = 0;
        json_t *publisher;
        enum lx_err err = lx_check_head(lx, check, json_object_get(answer, "proof"), LX_CHECK_NOW);

        json_array_foreach(check->publishers, i, publisher)
                if (err == LX_OK)
                        err = check_publisher(
                            lx, check, answer, json_string_value(publisher), digest, &matches);
        if (err == LX_OK && matches != json_array_size(json_object_get(answer, "matches")))
                err = lx_check_wrong(lx, "the answer has matches that no proof covers");
        return err;
}
