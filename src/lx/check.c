/* lx/check.c - the trust file, and proofs against it. */
#include "config.h"
#include "lx/check_int.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/register_json.h"
#include "merkle/log.h"
#include "merkle/proof.h"

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
bool
lx_check_hex(const json_t *o, const char *name, struct lx_buf *out)
{
        const char *s = json_string_value(json_object_get(o, name));
        size_t len = s != NULL ? strlen(s) / 2 : 0;

        lx_buf_reset(out);
        if (s == NULL || !lx_unhex(s, strlen(s), lx_buf_reserve(out, len + 1), len))
                return false;
        lx_buf_add(out, len);
        return true;
}

/* The hashes of a list; false: it is none, or longer than any proof. */
bool
lx_check_path(const json_t *list, struct merkle_path *out)
{
        size_t count = json_array_size(list);

        out->count = 0;
        if (!json_is_array(list) || count > MERKLE_LOG_DEPTH_MAX)
                return false;
        for (; out->count < count; out->count++) {
                const char *s = json_string_value(json_array_get(list, out->count));

                if (s == NULL || !lx_parse_hash(s, &out->hash[out->count]))
                        return false;
        }
        return true;
}

enum lx_err
lx_check_wrong(struct lx *lx, const char *what)
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
            !lx_check_hex(o, "valset", &check->set_bytes))
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

static enum lx_err
read_head(struct lx *lx, struct lx_check *check, const json_t *proof, struct lx_buf *cert, struct lx_buf *set,
    struct lx_hash *out_hash)
{
        struct lx_buf header = {0};
        enum lx_err err = LX_ERR_FORMAT;

        if (lx_check_hex(proof, "header", &header) && lx_check_hex(proof, "cert", cert) &&
            lx_check_hex(proof, "valset", set))
                err = ledger_header_decode(header.p, header.len, &check->head);
        if (err == LX_OK)
                ledger_header_hash(ops(), &check->head, out_hash);
        else
                lx_why_set(&lx->why, "the answer has no well-formed proof");
        lx_buf_clear(&header);
        return err;
}

/* Header @hash of @height is in the history that a newer, vouched-for header commits to. */
static enum lx_err
check_older(struct lx *lx, struct lx_check *check, const struct lx_hash *hash, uint64_t height)
{
        struct ledger_header older = check->head;
        struct merkle_path *path = lx_alloc(sizeof(*path));
        struct lx_hash leaf;
        uint64_t size = 0;
        bool kept;
        json_t *o = NULL, *tip = NULL;
        enum lx_err err = rpcclient_call(lx->client, "chain.ancestor",
            json_pack("{s:I}", "height", (json_int_t)height), &o, &lx->why);

        size = lx_num(o, "size");
        if (err == LX_OK && (size <= height || !lx_check_path(json_object_get(o, "path"), path)))
                err = lx_check_wrong(lx, "the node does not prove the old header");
        if (err == LX_OK)
                err = rpcclient_call(lx->client, "chain.header",
                    json_pack("{s:I}", "height", (json_int_t)size), &tip, &lx->why);
        kept = size < check->trust.height && json_is_true(json_object_get(tip, "light"));
        if (err == LX_OK && ((size < check->trust.height && !kept) || lx_str(tip, "cert")[0] == '\0'))
                err = lx_check_wrong(lx, "the node is behind the header that you trust");
        if (err == LX_OK)
                err = lx_check_head(lx, check, tip, kept ? LX_CHECK_NOW : size);
        if (err == LX_OK && check->head.height != size)
                err = lx_check_wrong(lx, "the node shows another header than the one that proves the old one");
        merkle_log_leaf(ops(), hash->b, LX_HASH_LEN, &leaf);
        if (err == LX_OK && merkle_log_verify(ops(), &leaf, height, size, path->hash, path->count,
            &check->head.history_root) != LX_OK)
                err = lx_check_wrong(lx, "the old header is not in the history of the newest one");
        check->head = older;
        json_decref(o);
        json_decref(tip);
        lx_free(path);
        return err;
}

/*
 * A light node answers from what it proved, which may be below the trusted header and in a history that it does
 * not have: signed by the very set that is trusted it holds all the same, and the age is shown.
 */
static enum lx_err
check_kept(struct lx *lx, struct lx_check *check, const struct lx_buf *cert, const struct lx_buf *set_bytes)
{
        struct lx_hash set;

        sigchain_valset_hash(ops(), set_bytes->p, set_bytes->len, &set);
        if (!lx_hash_eq(&set, &check->trust.next_valset) ||
            !lx_hash_eq(&check->head.chain_id, &check->trust.chain_id) ||
            ledger_cert_verify(lx_crypto_ops(), &check->head, check->set, cert->p, cert->len) != LX_OK)
                return lx_check_wrong(lx, "the light node's proof is of an older validator set: it needs a contact");
        return LX_OK;
}

enum lx_err
lx_check_head(struct lx *lx, struct lx_check *check, const json_t *proof, uint64_t height)
{
        struct lx_buf cert = {0}, set = {0};
        struct lx_hash hash = {{0}};
        uint64_t now = lx_clock_walltime().ms, is;
        enum lx_err err = read_head(lx, check, proof, &cert, &set, &hash);

        is = check->head.height;
        if (err == LX_OK && height != LX_CHECK_NOW && is != height)
                err = lx_check_wrong(lx, "the proof is of another height than the one asked for");
        else if (err == LX_OK && is == check->trust.height && is > 0)
                err = lx_hash_eq(&hash, &check->trust.header)
                    ? LX_OK : lx_check_wrong(lx, "the node's header differs from the trusted one: a fork, or a lie");
        else if (err == LX_OK && is > check->trust.height && cert.len > 0)
                err = check_newer(lx, check, &hash, &cert, &set);
        else if (err == LX_OK && height != LX_CHECK_NOW && (is < check->trust.height ||
                     (is > check->trust.height && cert.len == 0)))
                err = check_older(lx, check, &hash, is);
        else if (err == LX_OK && is > 0 && json_is_true(json_object_get(proof, "light")))
                err = check_kept(lx, check, &cert, &set);
        else if (err == LX_OK)
                err = lx_check_wrong(lx, is == 0
                        ? "header 0 has no certificate: nothing is proven before the first block"
                        : "the node is behind the header that you trust");
        if (err == LX_OK)
                check->age_ms = now > check->head.time_ms ? now - check->head.time_ms : 0;
        lx_buf_clear(&cert);
        lx_buf_clear(&set);
        return err;
}

/* ---- states ------------------------------------------------------------------------------------ */

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

enum lx_err
lx_check_leaf(const json_t *item, const struct lx_hash *key, const struct lx_hash *value, const struct lx_hash *root)
{
        struct lx_buf path = {0};
        struct lx_reader rd;
        enum lx_err err = LX_ERR_FORMAT;

        if (lx_check_hex(item, "path", &path)) {
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
                return lx_check_wrong(lx, "the proof lacks a state that the answer stands on");
        if (!json_is_null(json_object_get(item, "value")) && !lx_check_hex(item, "value", out_value))
                return lx_check_wrong(lx, "the proof is malformed");
        sigchain_state_key(ops(), kind, key, key_len, &state_key);
        sigchain_state_value(ops(), out_value->p, out_value->len, &value);
        err = lx_check_leaf(item, &state_key, out_value->len > 0 ? &value : NULL, &check->head.state_root);
        return err == LX_OK ? LX_OK : lx_check_wrong(lx, "a state proof does not verify");
}

/* A proven register's fields; absent: *out_found false. The object points into @value. */
enum lx_err
lx_check_object(struct lx *lx, const struct lx_check *check, const json_t *proof, const struct lx_hash *address,
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
        return err == LX_OK ? LX_OK : lx_check_wrong(lx, "a proven register is malformed");
}

/* What the node said gives way to what was proven. */
static enum lx_err
replace_answer(struct lx *lx, const struct lx_check *check, const struct lx_hash *address,
    const struct lx_buf *value, json_t *answer)
{
        json_t *proof = json_incref(json_object_get(answer, "proof"));
        enum lx_err err = LX_OK;

        (void)json_object_clear(answer);
        json_object_set_new(answer, "exists", json_boolean(value->len > 0));
        json_object_set_new(answer, "height", json_integer((json_int_t)check->head.height));
        if (value->len > 0)
                err = ledger_register_to_json(address, lx_buf_span(value), answer);
        json_object_set_new(answer, "proof", proof);
        return err == LX_OK ? LX_OK : lx_check_wrong(lx, "a proven register is malformed");
}

enum lx_err
lx_check_register(struct lx *lx, struct lx_check *check, const struct lx_hash *address, uint64_t height,
    json_t *answer)
{
        const json_t *proof = json_object_get(answer, "proof");
        struct lx_buf value = {0};
        enum lx_err err = lx_check_head(lx, check, proof, height);

        if (err == LX_OK)
                err = lx_check_state(
                    lx, check, proof, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, &value);
        if (err == LX_OK)
                err = replace_answer(lx, check, address, &value, answer);
        lx_buf_clear(&value);
        return err;
}

enum lx_err
lx_check_fetch(struct lx *lx, struct lx_check *check, const char *address, json_t **out_answer)
{
        struct lx_hash at;
        json_t *o = NULL;
        enum lx_err err = lx_parse_hash(address, &at) ? LX_OK : LX_ERR_FORMAT;

        if (err == LX_OK)
                err = rpcclient_call(lx->client, "register.get",
                    json_pack("{s:s,s:b}", "address", address, "prove", 1), &o, &lx->why);
        if (err == LX_OK)
                err = lx_check_register(lx, check, &at, LX_CHECK_NOW, o);
        if (err != LX_OK) {
                json_decref(o);
                return err;
        }
        *out_answer = o;
        return LX_OK;
}

/* The chain's crypto register, as profile.get shows it. */
static enum lx_err
check_crypto(struct lx *lx, const struct lx_check *check, const struct lx_hash *genesis, json_t *answer)
{
        struct lx_buf value = {0};
        struct lx_hash address;
        json_t *whole = json_object();
        enum lx_err err;

        sigchain_address(ops(), SIGCHAIN_CRYPTO, genesis->b, LX_HASH_LEN, &address);
        err = lx_check_state(lx, check, json_object_get(answer, "proof"), SIGCHAIN_KIND_REGISTER, address.b,
            LX_HASH_LEN, &value);
        if (err == LX_OK)
                err = ledger_register_to_json(&address, lx_buf_span(&value), whole);
        if (err == LX_OK) {
                json_object_set(json_object_get(whole, "fields"), "address", json_object_get(whole, "address"));
                json_object_set(answer, "crypto", json_object_get(whole, "fields"));
        }
        json_decref(whole);
        lx_buf_clear(&value);
        return err;
}

enum lx_err
lx_check_profile(struct lx *lx, struct lx_check *check, const struct lx_hash *genesis, json_t *answer)
{
        json_t *proof = json_object_get(answer, "proof");
        struct sigchain_chain chain = {0};
        struct lx_buf value = {0};
        char id[65], last[65], next[65];
        enum lx_err err = lx_check_head(lx, check, proof, LX_CHECK_NOW);

        if (err == LX_OK)
                err = lx_check_state(lx, check, proof, SIGCHAIN_KIND_CHAIN, genesis->b, LX_HASH_LEN, &value);
        if (err == LX_OK && value.len > 0)
                err = sigchain_chain_decode(value.p, value.len, &chain);
        if (err == LX_OK) {
                json_incref(proof);
                (void)json_object_clear(answer);
                (void)json_object_update_new(answer, json_pack("{s:s,s:b,s:I,s:s,s:s,s:I,s:I,s:I,s:o}",
                    "genesis", lx_hex_of(genesis, id), "exists", value.len > 0, "sequence",
                    (json_int_t)chain.sequence, "last", lx_hex_of(&chain.last, last), "next",
                    lx_hex_of(&chain.next, next), "created", (json_int_t)chain.created, "modified",
                    (json_int_t)chain.modified, "height", (json_int_t)check->head.height, "proof", proof));
        }
        if (err == LX_OK && value.len > 0)
                err = check_crypto(lx, check, genesis, answer);
        lx_buf_clear(&value);
        return err;
}

void
lx_check_note(const struct lx_check *check, json_t *answer)
{
        json_object_set_new(answer, "proven", json_true());
        json_object_set_new(answer, "age", json_integer((json_int_t)(check->age_ms / 1000)));
}
