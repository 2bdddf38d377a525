/* lx/check.c - the trust file, and proofs against it. */
#include "config.h"
#include "lx/check.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "merkle/log.h"
#include "merkle/proof.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"

#include <stdlib.h>
#include <string.h>

#define TRUST_MAX (1u << 20)
#define DAY_MS (24ull * 3600 * 1000)

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* Bytes of a hex field; false: it is none. */
static bool
hex_field(const json_t *o, const char *name, struct lx_buf *out)
{
        const char *s = json_string_value(json_object_get(o, name));
        size_t len = s != NULL ? strlen(s) / 2 : 0;

        lx_buf_reset(out);
        if (s == NULL || !lx_unhex(s, strlen(s), lx_buf_reserve(out, len + 1), len))
                return false;
        lx_buf_add(out, len);
        return true;
}

static enum lx_err
wrong(struct lx *lx, const char *what)
{
        lx_why_set(&lx->why, "%s", what);
        return LX_ERR_PROOF;
}

/* ---- the trust file ---------------------------------------------------------------------------- */

static bool
read_anchor(struct lx_check *check, const json_t *o)
{
        if (json_object_get(o, "header") == NULL)
                return false;
        check->trust.height = lx_num(o, "height");
        check->trust.time_ms = lx_num(o, "time_ms");
        check->trust_ms = lx_num(o, "trust_days") * DAY_MS;
        if (!lx_parse_hash(lx_str(o, "chain_id"), &check->trust.chain_id) ||
            !lx_parse_hash(lx_str(o, "header"), &check->trust.header) ||
            !hex_field(o, "valset", &check->set_bytes))
                return false;
        check->set = lx_alloc(sizeof(*check->set));
        sigchain_valset_hash(
            ops(), check->set_bytes.p, check->set_bytes.len, &check->trust.next_valset);
        return sigchain_valset_decode(check->set_bytes.p, check->set_bytes.len, check->set) == LX_OK;
}

int
lx_check_begin(struct lx *lx, struct lx_check *check)
{
        char *path = lx_path(lx, "trust.json");
        struct lx_buf text = {0};
        json_t *o = NULL, *list, *p;
        enum lx_err err = lx_file_read(path, TRUST_MAX, &text, NULL);
        size_t i;

        *check = (struct lx_check){.publishers = json_array(), .names = json_array()};
        if (err == LX_OK)
                o = json_loadb((const char *)text.p, text.len, 0, NULL);
        lx_buf_clear(&text);
        lx_free(path);
        if (err == LX_OK && o == NULL)
                return lx_fail(lx, LX_EXIT_IO, "the trust file trust.json is damaged: move it away and set "
                    "your trust again");
        check->anchored = read_anchor(check, o);
        list = json_object_get(o, "publishers");
        json_array_foreach(list, i, p) {
                json_array_append(check->publishers, json_object_get(p, "genesis"));
                json_array_append(check->names, json_object_get(p, "name"));
        }
        json_decref(o);
        if (lx->verify && !check->anchored)
                return lx_fail(lx, LX_EXIT_USAGE, "nothing is trusted yet: lx trust set HEIGHT:HASH or "
                    "lx trust set GENESIS-FILE");
        return LX_EXIT_TRUE;
}

enum lx_err
lx_check_save(struct lx *lx, const struct lx_check *check)
{
        char *path = lx_path(lx, "trust.json"), *text, id[65], header[65];
        json_t *o = json_object(), *list = json_array();
        char *set = lx_alloc(LX_HEX_LEN(check->set_bytes.len));
        enum lx_err err;

        if (check->anchored) {
                lx_hex(check->set_bytes.p, check->set_bytes.len, set);
                (void)json_object_update_new(o, json_pack("{s:s,s:I,s:s,s:I,s:I,s:s}", "chain_id",
                    lx_hex_of(&check->trust.chain_id, id), "height", (json_int_t)check->trust.height,
                    "header", lx_hex_of(&check->trust.header, header), "time_ms",
                    (json_int_t)check->trust.time_ms, "trust_days", (json_int_t)(check->trust_ms / DAY_MS),
                    "valset", set));
        }
        for (size_t i = 0; i < json_array_size(check->publishers); i++)
                json_array_append_new(list, json_pack("{s:O,s:O}", "genesis",
                    json_array_get(check->publishers, i), "name", json_array_get(check->names, i)));
        json_object_set_new(o, "publishers", list);
        text = json_dumps(o, JSON_INDENT(2));
        err = lx_file_write(path, text, strlen(text), 0600, &lx->why);
        free(text);
        json_decref(o);
        lx_free(set);
        lx_free(path);
        return err;
}

void
lx_check_end(struct lx_check *check)
{
        lx_free(check->set);
        lx_buf_clear(&check->set_bytes);
        json_decref(check->publishers);
        json_decref(check->names);
        *check = (struct lx_check){0};
}

/* ---- headers ----------------------------------------------------------------------------------- */

/* Trust what was just accepted, when the set that follows it is known. */
static void
move_forward(struct lx *lx, struct lx_check *check, const struct lx_hash *hash, const struct lx_buf *set)
{
        if (!lx_hash_eq(&check->head.next_valset, &check->head.valset))
                return;
        check->trust.height = check->head.height;
        check->trust.header = *hash;
        check->trust.time_ms = check->head.time_ms;
        check->trust.next_valset = check->head.next_valset;
        lx_buf_reset(&check->set_bytes);
        lx_buf_append(&check->set_bytes, set->p, set->len);
        if (sigchain_valset_decode(check->set_bytes.p, check->set_bytes.len, check->set) == LX_OK)
                (void)!lx_check_save(lx, check);
}

static enum lx_err
check_newer(struct lx *lx, struct lx_check *check, const struct lx_hash *hash, const struct lx_buf *cert,
    const struct lx_buf *set_bytes)
{
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        enum lx_err err = sigchain_valset_decode(set_bytes->p, set_bytes->len, set);

        if (err == LX_OK)
                err = ledger_cert_skip(lx_crypto_ops(), &check->trust, check->set, &check->head, set,
                    cert->p, cert->len, lx_clock_walltime().ms, check->trust_ms);
        lx_free(set);
        if (err == LX_OK)
                move_forward(lx, check, hash, set_bytes);
        else if (err == LX_ERR_EXPIRED)
                lx_why_set(&lx->why, "your trusted header (height %llu) is past its trusting period: get a "
                    "newer one from somebody you trust, then lx trust set HEIGHT:HASH",
                    (unsigned long long)check->trust.height);
        else
                lx_why_set(&lx->why, "header %llu is not vouched for by the validators you trust (height "
                    "%llu): %s", (unsigned long long)check->head.height,
                    (unsigned long long)check->trust.height, lx_err_text(err));
        return err;
}

enum lx_err
lx_check_head(struct lx *lx, struct lx_check *check, const json_t *proof)
{
        struct lx_buf header = {0}, cert = {0}, set = {0};
        struct lx_hash hash;
        uint64_t now = lx_clock_walltime().ms;
        enum lx_err err = LX_ERR_FORMAT;

        if (hex_field(proof, "header", &header) && hex_field(proof, "cert", &cert) &&
            hex_field(proof, "valset", &set))
                err = ledger_header_decode(header.p, header.len, &check->head);
        ledger_header_hash(ops(), &check->head, &hash);
        if (err != LX_OK)
                lx_why_set(&lx->why, "the answer has no well-formed proof");
        else if (check->head.height == check->trust.height)
                err = lx_hash_eq(&hash, &check->trust.header)
                    ? LX_OK : wrong(lx, "the node's header differs from the trusted one: a fork, or a lie");
        else if (check->head.height < check->trust.height)
                err = wrong(lx, "the node is behind the header that you trust");
        else
                err = check_newer(lx, check, &hash, &cert, &set);
        if (err == LX_OK)
                check->age_ms = now > check->head.time_ms ? now - check->head.time_ms : 0;
        lx_buf_clear(&header);
        lx_buf_clear(&cert);
        lx_buf_clear(&set);
        return err;
}

/* ---- states ------------------------------------------------------------------------------------ */

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

static const json_t *
find_state(const json_t *proof, enum sigchain_kind kind, const char *hex)
{
        json_t *list = json_object_get(proof, "state"), *o;
        size_t i;

        json_array_foreach(list, i, o)
                if (lx_num(o, "kind") == kind && strcmp(lx_str(o, "key"), hex) == 0)
                        return o;
        return NULL;
}

static enum lx_err
verify_path(const json_t *item, const struct lx_hash *key, const struct lx_hash *value, const struct lx_hash *root)
{
        struct lx_buf path = {0};
        struct lx_reader rd;
        enum lx_err err = LX_ERR_FORMAT;

        if (hex_field(item, "path", &path)) {
                rd = lx_reader_init(path.p, path.len);
                err = merkle_proof_verify(ops(), &rd, key, value, root);
                if (err == LX_OK)
                        err = lx_reader_end(&rd);
        }
        lx_buf_clear(&path);
        return err;
}

enum lx_err
lx_check_state(struct lx *lx, const struct lx_check *check, const json_t *proof, enum sigchain_kind kind,
    const void *key, size_t key_len, struct lx_buf *out_value)
{
        char hex[LX_HEX_LEN(SIGCHAIN_KEY_MAX)];
        struct lx_hash state_key, value;
        const json_t *item;
        enum lx_err err;

        lx_hex(key, key_len, hex);
        item = find_state(proof, kind, hex);
        lx_buf_reset(out_value);
        if (item == NULL)
                return wrong(lx, "the proof lacks a state that the answer stands on");
        if (!json_is_null(json_object_get(item, "value")) && !hex_field(item, "value", out_value))
                return wrong(lx, "the proof is malformed");
        sigchain_state_key(ops(), kind, key, key_len, &state_key);
        sigchain_state_value(ops(), out_value->p, out_value->len, &value);
        err = verify_path(item, &state_key, out_value->len > 0 ? &value : NULL, &check->head.state_root);
        return err == LX_OK ? LX_OK : wrong(lx, "a state proof does not verify");
}

/* A proven register's fields; absent: *out_found false. The object points into @value. */
static enum lx_err
check_object(struct lx *lx, const struct lx_check *check, const json_t *proof, const struct lx_hash *address,
    struct lx_buf *value, struct sigchain_register *reg, struct sigchain_object *object, bool *out_found)
{
        enum lx_err err = lx_check_state(
            lx, check, proof, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, value);

        *out_found = err == LX_OK && value->len > 0;
        if (!*out_found)
                return err;
        err = sigchain_register_decode(value->p, value->len, reg);
        if (err == LX_OK)
                err = sigchain_object_decode(reg->data, object);
        return err == LX_OK ? LX_OK : wrong(lx, "a proven register is malformed");
}

enum lx_err
lx_check_register(struct lx *lx, struct lx_check *check, const struct lx_hash *address, const json_t *answer)
{
        const json_t *proof = json_object_get(answer, "proof");
        struct lx_buf value = {0}, data = {0};
        struct sigchain_register reg;
        struct lx_hash owner;
        bool exists = json_is_true(json_object_get(answer, "exists"));
        enum lx_err err = lx_check_head(lx, check, proof);

        if (err == LX_OK)
                err = lx_check_state(
                    lx, check, proof, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, &value);
        if (err == LX_OK && exists != (value.len > 0))
                err = wrong(lx, "the proof contradicts the answer");
        if (err == LX_OK && exists) {
                err = sigchain_register_decode(value.p, value.len, &reg);
                if (err == LX_OK && (!hex_field(answer, "data", &data) || data.len != reg.data.len ||
                    memcmp(data.p, reg.data.p, data.len) != 0 || /* public */
                    !lx_parse_hash(lx_str(answer, "owner"), &owner) || !lx_hash_eq(&owner, &reg.owner) ||
                    lx_num(answer, "modified") != reg.modified))
                        err = wrong(lx, "the answer is not what its proof proves");
        }
        lx_buf_clear(&value);
        lx_buf_clear(&data);
        return err;
}

/* ---- releases ---------------------------------------------------------------------------------- */

enum lx_err
lx_check_release(struct lx *lx, struct lx_check *check, const char *address, const json_t *fields)
{
        struct lx_hash at;
        json_t *o = NULL;
        enum lx_err err = rpcclient_call(lx->client, "register.get",
            json_pack("{s:s,s:b}", "address", address, "prove", 1), &o, &lx->why);

        if (err == LX_OK && !lx_parse_hash(address, &at))
                err = LX_ERR_FORMAT;
        if (err == LX_OK)
                err = lx_check_register(lx, check, &at, o);
        if (err == LX_OK && !json_equal(json_object_get(o, "fields"), fields))
                err = wrong(lx, "a release is listed with other fields than it has");
        json_decref(o);
        return err;
}

static enum lx_err
check_entry(struct lx *lx, const json_t *proof, const json_t *match, const struct lx_hash *manifest,
    uint64_t count, struct lx_buf *raw)
{
        const json_t *item = find_item(
            json_object_get(proof, "entries"), "release", lx_str(match, "release"), NULL, NULL);
        struct merkle_path *path = lx_alloc(sizeof(*path));
        json_t *list = json_object_get(item, "path"), *h;
        struct lx_hash leaf;
        size_t i;
        enum lx_err err = hex_field(item, "bytes", raw) && json_array_size(list) <= MERKLE_LOG_DEPTH_MAX
            ? LX_OK : LX_ERR_FORMAT;

        json_array_foreach(list, i, h)
                if (err == LX_OK && !lx_parse_hash(json_string_value(h) != NULL ? json_string_value(h) : "",
                    &path->hash[path->count++]))
                        err = LX_ERR_FORMAT;
        merkle_log_leaf(ops(), raw->p, raw->len, &leaf);
        if (err == LX_OK && lx_num(item, "number") != lx_num(match, "entry"))
                err = LX_ERR_PROOF;
        if (err == LX_OK)
                err = merkle_log_verify(
                    ops(), &leaf, lx_num(match, "entry"), count, path->hash, path->count, manifest);
        lx_free(path);
        return err == LX_OK ? LX_OK : wrong(lx, "the entry is not in the release's manifest");
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
                return wrong(lx, "the proven entry has another digest");
        if (strlen(path) != e->path.len || memcmp(path, e->path.p, e->path.len) != 0 || /* public */
            lx_num(match, "size") != e->size || lx_num(match, "mode") != e->mode ||
            !is_hash_field(match, "root", &e->root) || !is_hash_field(match, "sha256", &e->sha256) ||
            !is_hash_field(match, "fsverity", &e->fsverity))
                return wrong(lx, "the answer is not what its proof proves");
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
                err = wrong(lx, "the proof contradicts what the answer says of a revocation");
        return err;
}

/* The publisher's index has the digest: the match must be there, with everything under it proven. */
static enum lx_err
check_match(struct lx *lx, const struct lx_check *check, const json_t *answer, const char *publisher,
    const struct lx_hash *publisher_id, const struct lx_hash *digest, const struct lx_hash *index_value)
{
        const json_t *proof = json_object_get(answer, "proof");
        const json_t *match = find_item(json_object_get(answer, "matches"), "publisher", publisher, NULL, NULL);
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        struct sigchain_register reg;
        struct sigchain_entry entry;
        struct lx_buf value = {0}, raw = {0};
        struct lx_hash release, manifest = {{0}}, expected;
        struct lx_reader rd;
        uint64_t count = 0;
        bool found = false;
        enum lx_err err = match != NULL && lx_parse_hash(lx_str(match, "release"), &release)
            ? LX_OK : wrong(lx, "the answer hides a match that the proof has");

        if (err == LX_OK) {
                sigchain_index_value(ops(), &release, (uint32_t)lx_num(match, "entry"), &expected);
                if (!lx_hash_eq(&expected, index_value))
                        err = wrong(lx, "the answer names another release than the index");
        }
        if (err == LX_OK)
                err = check_object(lx, check, proof, &release, &value, &reg, object, &found);
        if (err == LX_OK && (!found || !lx_hash_eq(&reg.owner, publisher_id) ||
            !sigchain_object_get_hash(object, "manifest", &manifest) ||
            !sigchain_object_get_u64(object, "entries", &count)))
                err = wrong(lx, "the release is not this publisher's");
        if (err == LX_OK)
                err = check_entry(lx, proof, match, &manifest, count, &raw);
        rd = lx_reader_init(raw.p, raw.len);
        sigchain_entry_read(&rd, &entry);
        if (err == LX_OK && lx_reader_end(&rd) != LX_OK)
                err = wrong(lx, "the proven entry is malformed");
        if (err == LX_OK)
                err = compare_entry(lx, match, digest, &entry);
        if (err == LX_OK)
                err = check_revocation(lx, check, proof, match, publisher_id, &entry);
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
                err = check_object(lx, check, proof, &address, &bytes, &reg, object, &found);
        if (err == LX_OK && found) {
                item = find_item(json_object_get(proof, "index"), "publisher", publisher, "digest",
                    lx_hex_of(digest, hex));
                (void)sigchain_object_get_hash(object, "root", &root);
                listed = item != NULL && !json_is_null(json_object_get(item, "value"));
                if (item == NULL || (listed && !lx_parse_hash(lx_str(item, "value"), &value)) ||
                    verify_path(item, digest, listed ? &value : NULL, &root) != LX_OK)
                        err = wrong(lx, "the proof in a publisher's index does not verify");
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
        enum lx_err err = lx_check_head(lx, check, json_object_get(answer, "proof"));

        json_array_foreach(check->publishers, i, publisher)
                if (err == LX_OK)
                        err = check_publisher(
                            lx, check, answer, json_string_value(publisher), digest, &matches);
        if (err == LX_OK && matches != json_array_size(json_object_get(answer, "matches")))
                err = wrong(lx, "the answer has matches that no proof covers");
        return err;
}
