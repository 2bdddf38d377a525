/* rpc/light.c - what a light node answers: from what it proved, with the age; it never guesses. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/genesis_json.h"
#include "ledger/json.h"
#include "ledger/register_json.h"
#include "light/pass.h"
#include "light/watch.h"
#include "router/ledger.h"
#include "sigchain/object.h"
#include "sigchain/standard.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define STATIONS_MAX LIGHT_STATIONS_MAX

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

static const struct light *
light_of(const struct rpc_call *call)
{
        return call->rpc->options.light->light;
}

static uint64_t
now_of(const struct rpc_call *call)
{
        return light_now(light_of(call), lx_clock_walltime().ms);
}

static const char *
state_name(enum light_state state)
{
        static const char *const names[] = {"new", "following", "expired", "forked"};

        return names[state];
}

/* ---- the node ------------------------------------------------------------------------------------ */

static enum lx_err
light_status(struct rpc_call *call)
{
        const struct rpc_options *options = &call->rpc->options;
        const struct light *light = light_of(call);
        const struct ledger_header *header = light_header(light);
        uint64_t now = now_of(call);
        struct llp_contact_stats stats;
        struct lx_why why = {{0}};
        json_t *listening = json_array(), *reasons = json_array();

        llp_contact_get_stats(options->light->contact, &stats);
        light_explain(light, now, &why);
        for (size_t i = 0; i < 4 && options->listening[i] != NULL; i++)
                json_array_append_new(listening, json_string(options->listening[i]));
        if (light_state(light, now) != LIGHT_FOLLOWING)
                json_array_append_new(reasons, json_string(why.text));
        rpc_set(call, "version", json_string(PACKAGE_VERSION));
        rpc_set(call, "network", json_string(options->light->network));
        rpc_set(call, "light", json_true());
        rpc_set(call, "engine", json_string("light"));
        rpc_set(call, "state", json_string(state_name(light_state(light, now))));
        rpc_set(call, "explained", json_string(why.text));
        rpc_set(call, "height", rpc_number(light_height(light)));
        rpc_set(call, "hash", lx_json_hash(light_hash(light)));
        rpc_set(call, "ready", json_boolean(json_array_size(reasons) == 0));
        rpc_set(call, "reasons", reasons);
        if (header != NULL) {
                rpc_set(call, "chain_id", lx_json_hash(&header->chain_id));
                rpc_set(call, "time", rpc_time(header->time_ms));
                rpc_set(call, "age_ms", rpc_number(now > header->time_ms ? now - header->time_ms : 0));
                rpc_set(call, "state_root", lx_json_hash(&header->state_root));
        }
        rpc_set(call, "watched", rpc_number(light_item_count(light)));
        rpc_set(call, "never_proven", rpc_number(stats.never));
        rpc_set(call, "history", rpc_number(light_history_count(options->light->history)));
        rpc_set(call, "stations", rpc_number(stats.up));
        rpc_set(call, "listening", listening);
        rpc_set(call, "datadir", json_string(options->datadir));
        rpc_set(call, "uptime_ms", rpc_number(lx_clock_now_ms() - options->start_ms));
        return LX_OK;
}

static enum lx_err
light_genesis(struct rpc_call *call)
{
        struct lx_span bytes = call->rpc->options.light->genesis;
        struct lx_buf text = {0};
        struct lx_hash id;
        enum lx_err err = ledger_genesis_to_json(bytes.p, bytes.len, &text, &call->why);

        sigchain_chain_id(ops(), bytes.p, bytes.len, &id);
        rpc_set(call, "chain_id", lx_json_hash(&id));
        rpc_set(call, "document", json_loadb((const char *)text.p, text.len, 0, NULL));
        rpc_set(call, "bytes", lx_json_hex(bytes.p, bytes.len));
        lx_buf_clear(&text);
        return err;
}

/* Header, certificate and set of a kept height into @out. */
static enum lx_err
set_head(struct rpc_call *call, uint64_t height, json_t *out)
{
        struct ledger_header header;
        struct lx_span cert, set;
        uint8_t bytes[LEDGER_HEADER_LEN];

        if (!light_get_head(light_of(call), height, &header, &cert, &set)) {
                lx_why_set(&call->why, "a light node keeps few headers, and not that of height %llu",
                    (unsigned long long)height);
                return LX_ERR_ABSENT;
        }
        ledger_header_encode(&header, bytes);
        json_object_set_new(out, "header", lx_json_hex(bytes, sizeof(bytes)));
        json_object_set_new(out, "cert", lx_json_hex(cert.p, cert.len));
        json_object_set_new(out, "valset", lx_json_hex(set.p, set.len));
        json_object_set_new(out, "light", json_true());
        return LX_OK;
}

/* One of the history that is not kept with a certificate; chain.ancestor proves it. */
static enum lx_err
set_old_header(struct rpc_call *call, uint64_t height)
{
        struct ledger_header header;
        struct lx_hash hash;
        uint8_t bytes[LEDGER_HEADER_LEN];
        enum lx_err err = light_history_get(call->rpc->options.light->history, height, &header, &hash, &call->why);

        if (err == LX_ERR_ABSENT)
                lx_why_set(&call->why, "this light node has no header %llu: with --history it keeps all of them, and "
                    "has those below %llu so far", (unsigned long long)height,
                    (unsigned long long)light_history_count(call->rpc->options.light->history));
        if (err != LX_OK)
                return err;
        ledger_header_encode(&header, bytes);
        rpc_set(call, "header", lx_json_hex(bytes, sizeof(bytes)));
        rpc_set(call, "cert", json_string(""));
        rpc_set(call, "valset", json_string(""));
        rpc_set(call, "light", json_true());
        rpc_set(call, "height", rpc_number(height));
        rpc_set(call, "hash", lx_json_hash(&hash));
        rpc_set(call, "time", rpc_time(header.time_ms));
        return LX_OK;
}

/* The proof that an old header is in the history of one that is kept. */
static enum lx_err
light_chain_ancestor(struct rpc_call *call)
{
        struct light_history *history = call->rpc->options.light->history;
        struct merkle_path *path = lx_alloc(sizeof(*path));
        uint64_t height = rpc_u64(call, "height"), size = 0;
        struct ledger_header header;
        struct lx_hash hash;
        enum lx_err err = light_history_path(history, light_of(call), height, path, &size, &call->why);

        if (err == LX_OK)
                err = light_history_get(history, height, &header, &hash, &call->why);
        if (err == LX_ERR_ABSENT)
                lx_why_set(&call->why, "this light node cannot prove header %llu: it is not in the history that it has "
                    "(--history), or needs a contact", (unsigned long long)height);
        if (err == LX_OK) {
                rpc_set(call, "height", rpc_number(height));
                rpc_set(call, "hash", lx_json_hash(&hash));
                rpc_set(call, "index", rpc_number(height));
                rpc_set(call, "size", rpc_number(size));
                rpc_set(call, "path", rpc_path(path));
        }
        lx_free(path);
        return err;
}

static enum lx_err
light_chain_header(struct rpc_call *call)
{
        uint64_t height = rpc_has(call, "height") ? rpc_u64(call, "height") : light_height(light_of(call));
        struct ledger_header header;
        struct lx_span cert, set;
        struct lx_hash hash;
        enum lx_err err;

        if (rpc_has(call, "hash")) {
                lx_why_set(&call->why, "a light node finds headers by height alone");
                return LX_ERR_RANGE;
        }
        if (!light_get_head(light_of(call), height, &header, &cert, &set))
                return set_old_header(call, height);
        err = set_head(call, height, call->result);
        if (err != LX_OK || !light_get_head(light_of(call), height, &header, &cert, &set))
                return err;
        ledger_header_hash(ops(), &header, &hash);
        rpc_set(call, "height", rpc_number(height));
        rpc_set(call, "hash", lx_json_hash(&hash));
        rpc_set(call, "time", rpc_time(header.time_ms));
        return LX_OK;
}

/* ---- what is watched ----------------------------------------------------------------------------- */

/* The proven item; else why it can't be answered. */
static enum lx_err
find_item(struct rpc_call *call, unsigned kind, const void *key, size_t len, const char *what,
    const struct light_item **out_item)
{
        const struct light_item *item = light_find(light_of(call), kind, key, len);

        if (item == NULL) {
                lx_why_set(&call->why, "%s is not watched here, so this light node can't tell: restart it with "
                    "--watch, and wait for a contact", what);
                return LX_ERR_UNTRUSTED;
        }
        if (!item->proven) {
                lx_why_set(&call->why, "%s is watched, and no station has proven it yet: wait for a contact "
                    "(lx contact next)", what);
                return LX_ERR_BUSY;
        }
        *out_item = item;
        return LX_OK;
}

/* Height, age and proof of @item into the answer. */
static enum lx_err
set_proof(struct rpc_call *call, const struct light_item *item)
{
        struct ledger_header header;
        struct lx_span cert, set;
        uint64_t now = now_of(call);
        enum lx_err err = LX_OK;

        rpc_set(call, "light", json_true());
        rpc_set(call, "exists", json_boolean(item->exists));
        rpc_set(call, "height", rpc_number(item->height));
        if (light_get_head(light_of(call), item->height, &header, &cert, &set))
                rpc_set(call, "age", rpc_number(now > header.time_ms ? (now - header.time_ms) / 1000 : 0));
        if (!json_is_true(json_object_get(call->params, "prove")))
                return LX_OK;
        if (call->proof == NULL)
                call->proof = json_object();
        err = set_head(call, item->height, call->proof);
        if (err == LX_OK)
                json_object_set_new(call->proof, "state", json_pack("[{s:i,s:o,s:o,s:o}]", "kind",
                    (int)item->entry.kind, "key", lx_json_hex(item->entry.key, item->entry.key_len), "value",
                    item->exists ? lx_json_hex(item->value.p, item->value.len) : json_null(), "path",
                    lx_json_hex(item->proof.p, item->proof.len)));
        return err;
}

/* @none: what to say when it is proven that there is none (with a proof that is an answer). */
static enum lx_err
set_register(struct rpc_call *call, const struct lx_hash *address, const char *what, const char *none)
{
        const struct light_item *item = NULL;
        enum lx_err err = find_item(call, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, what, &item);

        if (err == LX_OK)
                err = set_proof(call, item);
        if (err == LX_OK && item->exists)
                err = rpc_register_json(address, lx_buf_span(&item->value), call->result);
        if (err == LX_OK && !item->exists && call->proof == NULL) {
                lx_why_set(&call->why, "%s (proven at height %llu)", none, (unsigned long long)item->height);
                err = LX_ERR_ABSENT;
        }
        return err;
}

static enum lx_err
light_register_get(struct rpc_call *call)
{
        struct lx_hash address = rpc_hash(call, "address");

        rpc_set(call, "address", lx_json_hash(&address));
        return set_register(call, &address, "this register", "there is no register at this address");
}

/* Any state that is watched: what a client needs to prove revocations. */
static enum lx_err
light_state_get(struct rpc_call *call)
{
        const char *hex = rpc_str(call, "key");
        uint8_t key[SIGCHAIN_KEY_MAX];
        const struct light_item *item = NULL;
        enum lx_err err;

        if (strlen(hex) > 2 * sizeof(key) || !lx_unhex(hex, strlen(hex), key, strlen(hex) / 2))
                return LX_ERR_RANGE;
        err = find_item(call, (unsigned)rpc_u64(call, "kind"), key, strlen(hex) / 2, "this state", &item);
        if (err == LX_OK)
                err = set_proof(call, item);
        if (err == LX_OK)
                rpc_set(call, "value", item->exists ? lx_json_hex(item->value.p, item->value.len) : json_null());
        return err;
}

/* Registers that are watched and proven: whether others exist it can't know, and says so. */
static enum lx_err
light_register_list(struct rpc_call *call)
{
        const char *standard = rpc_str(call, "standard"), *owner = rpc_str(call, "owner");
        json_t *list = json_array();

        for (size_t i = 0; i < light_item_count(light_of(call)); i++) {
                const struct light_item *item = light_item(light_of(call), i);
                json_t *o = json_object();
                struct lx_hash address;

                memcpy(address.b, item->entry.key, LX_HASH_LEN);
                if (item->entry.kind == SIGCHAIN_KIND_REGISTER && item->proven && item->exists &&
                    ledger_register_to_json(&address, lx_buf_span(&item->value), o) == LX_OK &&
                    (standard == NULL || strcmp(json_string_value(json_object_get(o, "standard")), standard) == 0) &&
                    (owner == NULL || strcmp(json_string_value(json_object_get(o, "owner")), owner) == 0))
                        json_array_append(list, o);
                json_decref(o);
        }
        rpc_set(call, "registers", list);
        rpc_set(call, "more", json_false());
        rpc_set(call, "light", json_true());
        return LX_OK;
}

static enum lx_err
light_name_resolve(struct rpc_call *call)
{
        struct lx_hash address;
        enum lx_err err = rpc_begin_name(call, &address);

        if (err != LX_OK)
                return err;
        err = set_register(call, &address, "this name", "the name is not taken");
        rpc_end_name(call);
        return err;
}

/* "A,B" of a register's rlocs field. */
static json_t *
rlocs_of(const struct sigchain_object *object)
{
        const struct sigchain_field *field = sigchain_object_find(object, "rlocs");
        struct router_addr addr[ROUTER_REGISTER_RLOCS];
        json_t *list = json_array();
        size_t count = 0;

        if (field == NULL || !router_rlocs_decode(field->bytes, addr, ROUTER_REGISTER_RLOCS, &count))
                return list;
        for (size_t i = 0; i < count; i++) {
                char text[ROUTER_TEXT_MAX];

                router_addr_format(&addr[i], text);
                json_array_append_new(list, json_string(text));
        }
        return list;
}

/* Where the ledger says that an EID is at home; where it moved since, a light node can't know. */
static enum lx_err
light_route_resolve(struct rpc_call *call)
{
        const char *text = rpc_str(call, "eid");
        uint8_t key[20] = {0};
        struct lx_hash address;
        const struct light_item *item = NULL;
        struct sigchain_object object;
        struct sigchain_register reg;
        const struct sigchain_field *ttl;
        enum lx_err err;

        if (inet_pton(AF_INET6, text, key + 4) != 1) {
                lx_why_set(&call->why, "\"%.60s\" is no EID", text);
                return LX_ERR_RANGE;
        }
        sigchain_address(ops(), SIGCHAIN_EID, key, sizeof(key), &address);
        err = find_item(call, SIGCHAIN_KIND_REGISTER, address.b, LX_HASH_LEN, "this EID", &item);
        if (err == LX_OK)
                err = set_proof(call, item);
        if (err != LX_OK)
                return err;
        rpc_set(call, "address", lx_json_hash(&address));
        rpc_set(call, "prefix", json_sprintf("%s/128", text));
        rpc_set(call, "eid", json_string(text));
        rpc_set(call, "iid", rpc_number(0));
        rpc_set(call, "sequence", rpc_number(0));
        rpc_set(call, "source", json_string(item->exists ? "ledger" : "negative"));
        if (!item->exists)
                return LX_OK;
        if (sigchain_register_decode(item->value.p, item->value.len, &reg) != LX_OK ||
            sigchain_object_decode(reg.data, &object) != LX_OK)
                return LX_ERR_CORRUPT;
        ttl = sigchain_object_find(&object, "ttl");
        rpc_set(call, "rlocs", rlocs_of(&object));
        rpc_set(call, "ttl", rpc_number(ttl != NULL ? ttl->u64 * 60 : 0));
        return LX_OK;
}

/* ---- pass files ---------------------------------------------------------------------------------- */

/* A full node's: what a light node takes in with chain.import. */
enum lx_err
rpc_chain_pass(struct rpc_call *call)
{
        json_t *watch = json_object_get(call->params, "watch"), *one;
        size_t count = json_array_size(watch), i;
        struct light_entry *entries = lx_alloc_array(LIGHT_LIST_MAX, sizeof(*entries));
        struct lx_buf out = {0};
        enum lx_err err = count <= LIGHT_LIST_MAX ? LX_OK : LX_ERR_LIMIT;

        json_array_foreach(watch, i, one)
                if (err == LX_OK)
                        err = json_is_string(one)
                            ? light_watch_read(ops(), json_string_value(one), &entries[i], &call->why) : LX_ERR_RANGE;
        if (err == LX_OK)
                err = light_pass_make(call->view, rpc_u64(call, "from"), entries, count, &out, &call->why);
        if (err == LX_OK) {
                rpc_set(call, "height", rpc_number(ledger_view_header(call->view)->height));
                rpc_set(call, "from", rpc_number(rpc_u64(call, "from")));
                rpc_set(call, "bytes", lx_json_hex(out.p, out.len));
        }
        lx_buf_clear(&out);
        lx_free(entries);
        return err;
}

static enum lx_err
light_chain_import(struct rpc_call *call)
{
        const struct rpc_options *options = &call->rpc->options;
        const char *hex = rpc_str(call, "bytes");
        struct light_pass_result result = {0};
        struct lx_buf bytes = {0};
        size_t len = strlen(hex) / 2;
        enum lx_err err = len <= LIGHT_PASS_MAX ? LX_OK : LX_ERR_LIMIT, stored;

        if (err == LX_OK && lx_unhex(hex, 2 * len, lx_buf_reserve(&bytes, len), len)) {
                lx_buf_add(&bytes, len);
                err = light_pass_take(
                    options->light->light, bytes.p, bytes.len, lx_clock_walltime().ms, &result, &call->why);
        }
        lx_buf_clear(&bytes);
        stored = options->light->stored(options->arg, &call->why); /* also what came before an error */
        rpc_set(call, "height", rpc_number(light_height(light_of(call))));
        rpc_set(call, "headers", rpc_number(result.headers));
        rpc_set(call, "states", rpc_number(result.states));
        rpc_set(call, "unwatched", rpc_number(result.unwatched));
        return err == LX_OK ? stored : err;
}

/* ---- contacts ------------------------------------------------------------------------------------ */

static json_t *
station_json(const struct light_station *s)
{
        char id[LX_HEX_LEN(LX_PUBKEY_LEN)];

        lx_hex(s->id.b, LX_PUBKEY_LEN, id);
        return json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "id", id, "verdict",
            light_verdict_name(s->verdict), "reason", s->reason, "claimed", (json_int_t)s->claimed, "proven",
            (json_int_t)s->proven, "behind", (json_int_t)s->behind, "contacts", (json_int_t)s->contacts, "bytes_in",
            (json_int_t)s->bytes_in, "bytes_out", (json_int_t)s->bytes_out, "last",
            s->last_ms > 0 ? rpc_time(s->last_ms) : json_null());
}

static enum lx_err
light_contact_list(struct rpc_call *call)
{
        const struct light_station *stations[STATIONS_MAX];
        size_t count = light_stations(light_of(call), stations, STATIONS_MAX);
        json_t *list = json_array(), *evidence = json_array();

        for (size_t i = 0; i < count; i++)
                json_array_append_new(list, station_json(stations[i]));
        for (size_t i = 0; i < light_evidence_count(light_of(call)); i++) {
                const struct light_evidence *e = light_evidence(light_of(call), i);

                json_array_append_new(evidence, json_pack("{s:I,s:s,s:[oo],s:[oo],s:[oo]}", "height",
                    (json_int_t)e->height, "signed_both", e->names, "hashes", lx_json_hash(&e->hash[0]),
                    lx_json_hash(&e->hash[1]), "headers", lx_json_hex(e->header[0].p, e->header[0].len),
                    lx_json_hex(e->header[1].p, e->header[1].len), "certs",
                    lx_json_hex(e->cert[0].p, e->cert[0].len), lx_json_hex(e->cert[1].p, e->cert[1].len)));
        }
        rpc_set(call, "stations", list);
        rpc_set(call, "evidence", evidence);
        return LX_OK;
}

static void
add_window(json_t *out, const char *name, const struct light_window *w)
{
        json_object_set_new(out, name, w == NULL ? json_null() : json_pack("{s:o,s:o,s:I}", "begin",
            rpc_time(w->begin_ms), "end", rpc_time(w->end_ms), "bytes", (json_int_t)w->bytes));
}

static enum lx_err
light_contact_next(struct rpc_call *call)
{
        const struct rpc_light *light = call->rpc->options.light;
        uint64_t now = lx_clock_walltime().ms;
        struct llp_contact_stats stats;
        json_t *missing = json_array();

        llp_contact_get_stats(light->contact, &stats);
        rpc_set(call, "always", json_boolean(light->always));
        add_window(call->result, "open", light_schedule_open(&light->schedule, now));
        add_window(call->result, "next", light_schedule_next(&light->schedule, now));
        if (stats.wants_anchor)
                json_array_append_new(missing, json_string("the trusted header"));
        if (stats.wants_set)
                json_array_append_new(missing, json_string("a validator set"));
        if (stats.never > 0)
                json_array_append_new(missing, json_sprintf("%zu that were never proven", stats.never));
        if (stats.stale > 0)
                json_array_append_new(missing, json_sprintf("%zu with proofs older than the tip", stats.stale));
        if (stats.wants_manifest)
                json_array_append_new(missing, json_string("the manifest of a release"));
        if (stats.wants_path)
                json_array_append_new(missing, json_string("the proof that the history goes on"));
        if (stats.history_missing > 0)
                json_array_append_new(missing, json_sprintf("%llu headers of the history",
                    (unsigned long long)stats.history_missing));
        if (stats.history_doubted)
                json_array_append_new(missing, json_string("the proof of the history that is stored: after a fork "
                    "move light/history of the data directory away and start again"));
        rpc_set(call, "stations", rpc_number(stats.up));
        rpc_set(call, "bytes_in", rpc_number(stats.bytes_in));
        rpc_set(call, "bytes_out", rpc_number(stats.bytes_out));
        rpc_set(call, "wasted", rpc_number(stats.wasted));
        rpc_set(call, "over_budget", json_boolean(stats.over_budget));
        rpc_set(call, "missing", missing);
        return LX_OK;
}

/* ---- table --------------------------------------------------------------------------------------- */

static const struct rpc_row ROWS[] = {
    {"node.status", light_status, "", "version network chain_id height hash time age_ms",
        "The node at a glance: what it trusts, how old that is, what is missing."},
    {"node.stop", rpc_node_stop, "", "stopping", "Stop the node cleanly."},
    {"node.log", rpc_node_log, "spec:str", "spec", "Set the log level: LEVEL or LEVEL:CATEGORY."},
    {"chain.genesis", light_genesis, "", "chain_id document bytes", "The genesis document."},
    {"chain.header", light_chain_header, "height:u64? hash:hash?", "height hash time header cert valset",
        "The newest header, or one that is kept."},
    {"chain.ancestor", light_chain_ancestor, "height:u64", "height hash index size path",
        "The proof that a header is in the history of one that is kept."},
    {"register.get", light_register_get, "address:hash prove:bool?",
        "address type standard owner created modified pending data fields height age",
        "A register that is watched, as of the height it was proven at."},
    {"register.list", light_register_list, "owner:hash? standard:str? after:hash? limit:u64?", "registers more",
        "The registers that are watched and proven."},
    {"state.get", light_state_get, "kind:u64 key:hex prove:bool?", "exists value height age",
        "Any state that is watched."},
    {"name.resolve", light_name_resolve, "name:str prove:bool?", "name address target owner height age",
        "Where a name that is watched points to."},
    {"route.resolve", light_route_resolve, "eid:str iid:u64? prove:bool?", "prefix iid source rlocs ttl eid height age",
        "The home of an EID that is watched."},
    {"chain.import", light_chain_import, "bytes:hex", "height headers states unwatched",
        "Take in a pass file: headers and states, verified as in a contact."},
    {"contact.list", light_contact_list, "", "stations evidence", "Whom it met, and what they turned out to be."},
    {"contact.next", light_contact_next, "", "always open next missing",
        "When the next contact is, and what is still missing."},
    {NULL, NULL, NULL, NULL, NULL}};

const struct rpc_row *
rpc_light_rows(void)
{
        return ROWS;
}

/* The part of a manifest that the query names. */
static void
reply_manifest(const struct light *light, struct io_http_request *req, const char *hex)
{
        static const char none[] = "{\"error\":{\"code\":-31010,\"message\":\"this light node does not have the "
                                   "manifest: is the release watched, and was there a contact?\"}}";
        const char *from = io_http_query(req, "offset"), *count = io_http_query(req, "length");
        uint64_t offset = from != NULL ? strtoull(from, NULL, 10) : 0;
        uint64_t length = count != NULL ? strtoull(count, NULL, 10) : UINT64_MAX;
        struct lx_span bytes = {NULL, 0};
        struct lx_hash root;

        if (io_http_method(req) == IO_HTTP_GET && lx_unhex(hex, strlen(hex), root.b, LX_HASH_LEN))
                bytes = light_manifest(light, &root);
        if (bytes.p == NULL || offset > bytes.len) {
                io_http_reply(req, 404, "application/json", none, sizeof(none) - 1);
                return;
        }
        if (length > bytes.len - offset)
                length = bytes.len - offset;
        io_http_reply(req, 200, "application/octet-stream", bytes.p + offset, (size_t)length);
}

bool
rpc_light_path(struct rpc *rpc, struct io_http_request *req, const char *path)
{
        const struct light *light = rpc->options.light->light;
        struct lx_why why = {{0}};
        bool ready = light_state(light, lx_clock_walltime().ms) == LIGHT_FOLLOWING;

        if (strcmp(path, "/health") == 0) {
                io_http_reply(req, 200, "text/plain", "ok\n", 3);
                return true;
        }
        if (strncmp(path, "/blob/manifest/", 15) == 0) {
                reply_manifest(light, req, path + 15);
                return true;
        }
        if (strcmp(path, "/ready") != 0)
                return false;
        light_explain(light, lx_clock_walltime().ms, &why);
        io_http_reply(req, ready ? 200 : 503, "text/plain", why.text, strlen(why.text));
        return true;
}
