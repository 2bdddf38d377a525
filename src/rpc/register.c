/* rpc/register.c - signature chains, registers, names, prefixes, tokens. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/register_json.h"
#include "sigchain/standard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define LIST_MAX 1000

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

enum lx_err
rpc_register_json(const struct lx_hash *address, struct lx_span value, json_t *out)
{
        enum lx_err err = ledger_register_to_json(address, value, out);

        return err == LX_OK ? LX_OK : LX_ERR_CORRUPT;
}

/* The register at @address into the result, with its proof. */
static enum lx_err
set_register(struct rpc_call *call, const struct lx_hash *address, uint64_t height)
{
        struct lx_buf value = {0};
        uint64_t since = 0;
        enum lx_err proven, err = ledger_get_state(call->view, SIGCHAIN_KIND_REGISTER, address->b,
            LX_HASH_LEN, height, &value, &since);

        if (err == LX_OK)
                err = rpc_register_json(address, lx_buf_span(&value), call->result);
        lx_buf_clear(&value);
        if (err == LX_ERR_PRUNED)
                lx_why_set(&call->why, "pruned below height %llu",
                    (unsigned long long)ledger_view_pruned_below(call->view));
        if (err == LX_ERR_RANGE)
                lx_why_set(&call->why, "there is no height %llu yet: the tip has height %llu",
                    (unsigned long long)height,
                    (unsigned long long)ledger_view_header(call->view)->height);
        if (err != LX_OK && err != LX_ERR_ABSENT)
                return err;
        if (call->proof != NULL && height != LEDGER_NOW) {
                proven = rpc_header_json(call->view, height, call->proof);
                if (proven != LX_OK)
                        return proven;
        }
        proven = rpc_prove_state(call, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, height);
        if (proven != LX_OK)
                return proven;
        rpc_set(call, "exists", json_boolean(err == LX_OK));
        rpc_set(call, "height", rpc_number(
            height == LEDGER_NOW ? ledger_view_header(call->view)->height : height));
        rpc_set(call, "since", rpc_number(since));
        /* With a proof, absence is an answer; without one, an error. */
        return err == LX_ERR_ABSENT && call->proof != NULL ? LX_OK : err;
}

enum lx_err
rpc_register_get(struct rpc_call *call)
{
        struct lx_hash address = rpc_hash(call, "address");
        enum lx_err err;

        rpc_set(call, "address", lx_json_hash(&address));
        err = set_register(
            call, &address, rpc_has(call, "height") ? rpc_u64(call, "height") : LEDGER_NOW);
        if (err == LX_ERR_ABSENT)
                lx_why_set(&call->why, "there is no register at this address");
        return err;
}

static enum lx_err
find_standard(struct rpc_call *call, unsigned *out_type)
{
        const char *name = rpc_str(call, "standard");
        const struct sigchain_standard *standard = name != NULL ? sigchain_standard_named(name) : NULL;

        *out_type = standard != NULL ? standard->type : 0;
        if (name == NULL || standard != NULL)
                return LX_OK;
        lx_why_set(&call->why, "there is no standard \"%.40s\"", name);
        return LX_ERR_RANGE;
}

static enum lx_err
list_addresses(struct rpc_call *call, unsigned type, uint64_t limit, struct lx_hash *out, size_t *out_count)
{
        struct lx_hash owner = rpc_hash(call, "owner"), after = rpc_hash(call, "after");
        const struct lx_hash *from = rpc_has(call, "after") ? &after : NULL;

        if (rpc_has(call, "owner"))
                return ledger_list_owned(call->view, &owner, type, from, out, limit, out_count);
        return ledger_list_type(call->view, type, from, out, limit, out_count);
}

/* A page of registers; @pick chooses what of each is shown. */
static enum lx_err
list_registers(struct rpc_call *call, unsigned type, const char *name,
    json_t *(*pick)(json_t *whole))
{
        uint64_t limit = rpc_limit(call, "limit", 100, LIST_MAX);
        struct lx_hash *addresses = lx_alloc_array(LIST_MAX + 1, sizeof(*addresses));
        json_t *list = json_array();
        size_t count = 0;
        enum lx_err err = list_addresses(call, type, limit + 1, addresses, &count);

        for (size_t i = 0; i < count && i < limit && err == LX_OK; i++) {
                struct lx_buf value = {0};
                json_t *whole = json_object();

                err = ledger_get_state(call->view, SIGCHAIN_KIND_REGISTER, addresses[i].b, LX_HASH_LEN,
                    LEDGER_NOW, &value, NULL);
                if (err == LX_OK)
                        err = rpc_register_json(&addresses[i], lx_buf_span(&value), whole);
                if (err == LX_OK)
                        json_array_append_new(list, pick(whole));
                json_decref(whole);
                lx_buf_clear(&value);
        }
        rpc_set(call, name, list);
        rpc_set(call, "more", json_boolean(count > limit));
        lx_free(addresses);
        return err;
}

static json_t *
pick_register(json_t *whole)
{
        json_t *fields = json_object_get(whole, "fields");

        return json_pack("{s:O,s:O,s:O,s:O,s:O}", "address", json_object_get(whole, "address"),
            "standard", json_object_get(whole, "standard"), "owner", json_object_get(whole, "owner"),
            "modified", json_object_get(whole, "modified"), "fields", fields);
}

enum lx_err
rpc_register_list(struct rpc_call *call)
{
        unsigned type;
        enum lx_err err = find_standard(call, &type);

        return err != LX_OK ? err : list_registers(call, type, "registers", pick_register);
}

static json_t *
pick_name(json_t *whole)
{
        json_t *fields = json_object_get(whole, "fields");

        return json_pack("{s:O,s:O,s:O,s:O}", "name", json_object_get(fields, "name"), "address",
            json_object_get(whole, "address"), "owner", json_object_get(whole, "owner"), "target",
            json_object_get(fields, "target"));
}

enum lx_err
rpc_name_list(struct rpc_call *call)
{
        return list_registers(call, SIGCHAIN_NAME, "names", pick_name);
}

enum lx_err
rpc_register_history(struct rpc_call *call)
{
        struct lx_hash address = rpc_hash(call, "address");
        uint64_t limit = rpc_limit(call, "limit", 100, LIST_MAX);
        uint64_t *heights = lx_alloc_array(LIST_MAX + 1, sizeof(*heights));
        json_t *list = json_array();
        size_t count = 0;
        enum lx_err err = ledger_get_history(call->view, SIGCHAIN_KIND_REGISTER, address.b, LX_HASH_LEN,
            rpc_has(call, "below") ? rpc_u64(call, "below") : UINT64_MAX, heights, limit + 1, &count);

        for (size_t i = 0; i < count && i < limit; i++)
                json_array_append_new(list, rpc_number(heights[i]));
        rpc_set(call, "heights", list);
        rpc_set(call, "more", json_boolean(count > limit));
        lx_free(heights);
        return err;
}

enum lx_err
rpc_register_entry(struct rpc_call *call)
{
        struct lx_hash address = rpc_hash(call, "address");
        struct merkle_path *path = lx_alloc(sizeof(*path));
        struct lx_buf entry = {0};
        uint64_t index = rpc_u64(call, "index");
        enum lx_err err = ledger_get_log_entry(
            call->view, &address, index, &entry, call->proof != NULL ? path : NULL);

        if (err == LX_OK)
                err = set_register(call, &address, LEDGER_NOW);
        if (err == LX_OK) {
                json_t *count = json_object_get(json_object_get(call->result, "fields"), "count");

                rpc_set(call, "index", rpc_number(index));
                rpc_set(call, "count", json_incref(count));
                rpc_set(call, "entry", lx_json_hex(entry.p, entry.len));
                if (call->proof != NULL)
                        json_object_set_new(call->proof, "entry", rpc_path(path));
        }
        lx_buf_clear(&entry);
        lx_free(path);
        return err;
}

enum lx_err
rpc_begin_name(struct rpc_call *call, struct lx_hash *out_address)
{
        const char *name = rpc_str(call, "name");

        if (!sigchain_name_is_valid(LX_SPAN(name, strlen(name)))) {
                lx_why_set(&call->why, "\"%.60s\" is no well-formed name", name);
                return LX_ERR_RANGE;
        }
        sigchain_address(ops(), SIGCHAIN_NAME, name, strlen(name), out_address);
        rpc_set(call, "name", json_string(name));
        rpc_set(call, "address", lx_json_hash(out_address));
        return LX_OK;
}

void
rpc_end_name(struct rpc_call *call)
{
        json_t *target = json_object_get(json_object_get(call->result, "fields"), "target");

        rpc_set(call, "target", target != NULL ? json_incref(target) : json_null());
}

enum lx_err
rpc_name_resolve(struct rpc_call *call)
{
        struct lx_hash address;
        enum lx_err err = rpc_begin_name(call, &address);

        if (err != LX_OK)
                return err;
        err = set_register(call, &address, LEDGER_NOW);
        if (err == LX_ERR_ABSENT)
                lx_why_set(&call->why, "the name %s is not taken", rpc_str(call, "name"));
        rpc_end_name(call);
        return err;
}

/* ---- signature chains -------------------------------------------------------------------------- */

static enum lx_err
set_crypto(struct rpc_call *call, const struct lx_hash *genesis)
{
        struct lx_hash address;
        struct lx_buf value = {0};
        json_t *whole = json_object(), *crypto;
        enum lx_err err;

        sigchain_address(ops(), SIGCHAIN_CRYPTO, genesis->b, LX_HASH_LEN, &address);
        err = ledger_get_state(
            call->view, SIGCHAIN_KIND_REGISTER, address.b, LX_HASH_LEN, LEDGER_NOW, &value, NULL);
        if (err == LX_OK)
                err = rpc_register_json(&address, lx_buf_span(&value), whole);
        if (err == LX_OK)
                err = rpc_prove_state(
                    call, SIGCHAIN_KIND_REGISTER, address.b, LX_HASH_LEN, LEDGER_NOW);
        if (err == LX_OK) {
                crypto = json_incref(json_object_get(whole, "fields"));
                json_object_set(crypto, "address", json_object_get(whole, "address"));
                rpc_set(call, "crypto", crypto);
        }
        json_decref(whole);
        lx_buf_clear(&value);
        return err;
}

enum lx_err
rpc_profile_get(struct rpc_call *call)
{
        struct lx_hash genesis = rpc_hash(call, "genesis");
        struct sigchain_chain chain = {0};
        struct lx_buf value = {0};
        uint64_t waiting = 0;
        enum lx_err err = ledger_get_state(
            call->view, SIGCHAIN_KIND_CHAIN, genesis.b, LX_HASH_LEN, LEDGER_NOW, &value, NULL);
        bool exists = err == LX_OK;

        if (exists)
                err = sigchain_chain_decode(value.p, value.len, &chain);
        lx_buf_clear(&value);
        if (err != LX_OK && err != LX_ERR_ABSENT)
                return err;
        if (call->rpc->options.engine != NULL)
                waiting = ledger_mempool_next_sequence(
                    ledger_engine_mempool(call->rpc->options.engine), &genesis);
        rpc_set(call, "genesis", lx_json_hash(&genesis));
        rpc_set(call, "exists", json_boolean(exists));
        rpc_set(call, "sequence", rpc_number(chain.sequence));
        rpc_set(call, "last", lx_json_hash(&chain.last));
        rpc_set(call, "next", lx_json_hash(&chain.next));
        rpc_set(call, "created", rpc_number(chain.created));
        rpc_set(call, "modified", rpc_number(chain.modified));
        rpc_set(call, "waiting", rpc_number(waiting));
        rpc_set(call, "height", rpc_number(ledger_view_header(call->view)->height));
        err = rpc_prove_state(call, SIGCHAIN_KIND_CHAIN, genesis.b, LX_HASH_LEN, LEDGER_NOW);
        if (err == LX_OK && exists)
                err = set_crypto(call, &genesis);
        return err;
}

/* ---- prefixes, tokens -------------------------------------------------------------------------- */

enum lx_err
rpc_prefix_match(struct rpc_call *call)
{
        const char *text = rpc_str(call, "address");
        uint8_t addr[16] = {0}, family = strchr(text, ':') != NULL ? 6 : 4, key[5];
        uint32_t instance = (uint32_t)rpc_u64(call, "instance");
        struct lx_writer wr = lx_writer_init(key, sizeof(key));
        struct lx_buf proof = {0};
        struct lx_hash reg;
        bool found;
        enum lx_err err;

        if (inet_pton(family == 6 ? AF_INET6 : AF_INET, text, addr) != 1) {
                lx_why_set(&call->why, "\"%.60s\" is no IP address", text);
                return LX_ERR_RANGE;
        }
        err = ledger_match_prefix(
            call->view, instance, family, addr, &reg, &found, call->proof != NULL ? &proof : NULL);
        if (err == LX_OK && found)
                err = set_register(call, &reg, LEDGER_NOW);
        lx_write_u32(&wr, instance);
        lx_write_u8(&wr, family);
        if (err == LX_OK)
                err = rpc_prove_state(call, SIGCHAIN_KIND_TRIE, key, sizeof(key), LEDGER_NOW);
        if (err == LX_OK && call->proof != NULL)
                json_object_set_new(call->proof, "trie", lx_json_hex(proof.p, proof.len));
        if (err == LX_OK) {
                rpc_set(call, "found", json_boolean(found));
                rpc_set(call, "register", found ? lx_json_hash(&reg) : json_null());
        }
        lx_buf_clear(&proof);
        return err;
}

static json_t *
debit_json(struct rpc_call *call, const uint8_t key[33])
{
        struct sigchain_debit debit;
        struct lx_buf value = {0};
        json_t *o = NULL;

        if (ledger_get_state(call->view, SIGCHAIN_KIND_DEBIT, key, 33, LEDGER_NOW, &value, NULL) ==
                LX_OK &&
            sigchain_debit_decode(value.p, value.len, &debit) == LX_OK)
                o = json_pack("{s:o,s:i,s:o,s:o,s:o,s:I}", "tx", lx_json_hex(key, LX_HASH_LEN), "operation",
                    (int)key[32], "token", lx_json_hash(&debit.token), "from",
                    lx_json_hash(&debit.from), "amount", lx_json_amount(debit.amount), "expiry",
                    (json_int_t)debit.expiry);
        lx_buf_clear(&value);
        return o;
}

enum lx_err
rpc_token_debits(struct rpc_call *call)
{
        struct lx_hash account = rpc_hash(call, "account");
        struct lx_buf keys = {0};
        json_t *list = json_array();
        enum lx_err err = ledger_list_debits(call->view, &account, LIST_MAX, &keys);

        for (size_t i = 0; err == LX_OK && i + 33 <= keys.len; i += 33) {
                json_t *o = debit_json(call, keys.p + i);

                if (o != NULL)
                        json_array_append_new(list, o);
        }
        rpc_set(call, "debits", list);
        lx_buf_clear(&keys);
        return err;
}
