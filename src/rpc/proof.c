/* rpc/proof.c - the proofs that answers carry; see doc/rpc.md. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "crypto/hash.h"
#include "sigchain/manifest.h"

static json_t *
list_of(struct rpc_call *call, const char *name)
{
        json_t *list = json_object_get(call->proof, name);

        if (list == NULL) {
                list = json_array();
                json_object_set_new(call->proof, name, list);
        }
        return list;
}

/* The same state proven twice (two matches of one release) is sent once. */
static bool
has_item(json_t *list, unsigned kind, json_t *key)
{
        size_t i;
        json_t *o;

        json_array_foreach(list, i, o)
                if (json_integer_value(json_object_get(o, "kind")) == (json_int_t)kind &&
                    json_equal(json_object_get(o, "key"), key))
                        return true;
        return false;
}

enum lx_err
rpc_prove_state(
    struct rpc_call *call, enum sigchain_kind kind, const void *key, size_t len, uint64_t height)
{
        struct lx_buf value = {0}, path = {0};
        json_t *list, *hex;
        enum lx_err err;

        if (call->proof == NULL)
                return LX_OK;
        list = list_of(call, "state");
        hex = lx_json_hex(key, len);
        if (has_item(list, kind, hex)) {
                json_decref(hex);
                return LX_OK;
        }
        err = ledger_get_state(call->view, kind, key, len, height, &value, NULL);
        if (err == LX_OK || err == LX_ERR_ABSENT)
                err = ledger_prove_state(call->view, kind, key, len, height, &path);
        if (err == LX_OK)
                json_array_append_new(list, json_pack("{s:i,s:O,s:o,s:o}", "kind", (int)kind, "key", hex,
                    "value", value.len > 0 ? lx_json_hex(value.p, value.len) : json_null(), "path",
                    lx_json_hex(path.p, path.len)));
        json_decref(hex);
        lx_buf_clear(&value);
        lx_buf_clear(&path);
        return err;
}

enum lx_err
rpc_prove_index(struct rpc_call *call, const struct lx_hash *publisher, const struct lx_hash *digest)
{
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct ledger_published found[64];
        struct lx_hash address, value;
        struct lx_buf path = {0};
        json_t *hex = json_null();
        size_t count = 0;
        enum lx_err err;

        if (call->proof == NULL)
                return LX_OK;
        sigchain_address(ops, SIGCHAIN_INDEX, publisher->b, LX_HASH_LEN, &address);
        err = rpc_prove_state(call, SIGCHAIN_KIND_REGISTER, address.b, LX_HASH_LEN, LEDGER_NOW);
        if (err == LX_OK)
                err = ledger_find_digest(call->view, digest, found, 64, &count);
        for (size_t i = 0; i < count && err == LX_OK; i++)
                if (lx_hash_eq(&found[i].publisher, publisher)) {
                        sigchain_index_value(ops, &found[i].release, found[i].entry, &value);
                        hex = lx_json_hash(&value);
                        break;
                }
        if (err == LX_OK)
                err = ledger_prove_digest(call->view, publisher, digest, &path);
        /* No index register: its absence is the proof. */
        if (err == LX_OK)
                json_array_append_new(list_of(call, "index"), json_pack("{s:o,s:o,s:O,s:o}", "publisher",
                    lx_json_hash(publisher), "digest", lx_json_hash(digest), "value", hex, "path",
                    lx_json_hex(path.p, path.len)));
        json_decref(hex);
        lx_buf_clear(&path);
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

json_t *
rpc_path(const struct merkle_path *path)
{
        json_t *list = json_array();

        for (size_t i = 0; i < path->count; i++)
                json_array_append_new(list, lx_json_hash(&path->hash[i]));
        return list;
}

enum lx_err
rpc_prove_entry(struct rpc_call *call, const struct lx_hash *address, uint32_t number, uint64_t count,
    struct lx_span raw, const struct merkle_path *path)
{
        if (call->proof != NULL)
                json_array_append_new(list_of(call, "entries"), json_pack("{s:o,s:I,s:I,s:o,s:o}",
                    "release", lx_json_hash(address), "number", (json_int_t)number, "count",
                    (json_int_t)count, "bytes", lx_json_hex(raw.p, raw.len), "path", rpc_path(path)));
        return LX_OK;
}

enum lx_err
rpc_header_json(struct ledger_view *view, uint64_t height, json_t *out)
{
        struct ledger_header header = *ledger_view_header(view);
        struct lx_buf cert = {0}, set = {0};
        uint8_t bytes[LEDGER_HEADER_LEN];
        enum lx_err err = LX_OK;

        if (height == LEDGER_NOW)
                height = header.height;
        else
                err = ledger_get_header(view, height, &header);
        if (err == LX_OK && height > 0)
                err = ledger_get_cert(view, height, &cert);
        if (err == LX_OK)
                err = ledger_get_valset(view, &header.valset, &set);
        if (err == LX_OK) {
                ledger_header_encode(&header, bytes);
                json_object_set_new(out, "header", lx_json_hex(bytes, sizeof(bytes)));
                json_object_set_new(out, "cert", lx_json_hex(cert.p, cert.len));
                json_object_set_new(out, "valset", lx_json_hex(set.p, set.len));
        }
        lx_buf_clear(&cert);
        lx_buf_clear(&set);
        return err;
}
