/* lx/cmd_overlay.c - EIDs and routes of the overlay. */
#include "config.h"
#include "lx/lx.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "keys/keyfile.h"
#include "lx/check.h"
#include "lx/check.h"
#include "lx/wallet.h"
#include "sigchain/apply.h"
#include "sigchain/standard.h"
#include "sigchain/valset.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define RLOCS_MAX 8
#define RESOLVE_TRIES 30 /* a tenth of a second each */

/* ---- eid ------------------------------------------------------------------------------------------ */

/* The first bytes of every EID of this network, from its genesis document. */
static int
network_prefix(struct lx *lx, struct lx_hash *out_chain_id, uint8_t out[4])
{
        json_t *o = NULL;
        uint8_t addr[16];
        char text[64];
        int status = LX_EXIT_TRUE;
        bool ok;

        if (!lx_call(lx, "chain.genesis", json_object(), &o, &status))
                return status;
        (void)snprintf(text, sizeof(text), "%s", lx_str(json_object_get(o, "document"), "eid_prefix"));
        text[strcspn(text, "/")] = '\0';
        ok = inet_pton(AF_INET6, text, addr) == 1 && lx_parse_hash(lx_str(o, "chain_id"), out_chain_id);
        json_decref(o);
        if (!ok)
                return lx_fail(lx, LX_EXIT_REFUSED, "the node's genesis document has no EID prefix");
        memcpy(out, addr, 4);
        return LX_EXIT_TRUE;
}

/* "A,B,..." as the bytes of a register's rlocs. */
static bool
read_rlocs(const char *list, struct lx_writer *wr)
{
        char text[64];
        unsigned count = 0;

        while (list != NULL && *list != '\0') {
                size_t len = strcspn(list, ",");
                uint8_t addr[16];
                bool v6;

                if (len >= sizeof(text) || ++count > RLOCS_MAX)
                        return false;
                (void)snprintf(text, sizeof(text), "%.*s", (int)len, list);
                v6 = strchr(text, ':') != NULL;
                if (inet_pton(v6 ? AF_INET6 : AF_INET, text, addr) != 1)
                        return false;
                lx_write_u8(wr, v6 ? 6 : 4);
                lx_write_bytes(wr, addr, v6 ? 16 : 4);
                lx_write_u8(wr, (uint8_t)count);
                lx_write_u8(wr, 100);
                list += len;
                list += *list == ',';
        }
        return lx_writer_end(wr) == LX_OK;
}

/* The key in @path, made there when there is none. */
static int
load_or_make(struct lx *lx, const char *path, struct keys_file *out)
{
        enum lx_err err = keys_file_load(path, out, &lx->why);

        if (err == LX_ERR_ABSENT) {
                lx->why = (struct lx_why){{0}};
                err = keys_file_generate(KEYS_EID, out);
                if (err == LX_OK)
                        err = keys_file_save(out, path, &lx->why);
        }
        return err == LX_OK ? LX_EXIT_TRUE : lx_fail(lx, lx_exit_of(err), NULL);
}

static void
eid_of(const uint8_t prefix[4], const struct lx_hash *chain_id, const struct lx_pubkey *key, uint8_t eid[16],
    struct lx_hash *address)
{
        uint8_t canonical[20] = {0};

        sigchain_eid_derive(&lx_crypto_ops()->hash, prefix, chain_id, 0, key, eid);
        memcpy(canonical + 4, eid, 16);
        sigchain_address(&lx_crypto_ops()->hash, SIGCHAIN_EID, canonical, sizeof(canonical), address);
}

static int
show_eid(struct lx *lx, const uint8_t eid[16], const struct lx_hash *address, const char *file, const char *done)
{
        char text[64], hex[65];

        (void)inet_ntop(AF_INET6, eid, text, sizeof(text));
        if (lx->json)
                lx_print_json(json_pack("{s:s,s:s,s:s}", "eid", text, "address", lx_hex_of(address, hex),
                    "file", file));
        else
                printf("%s%s\n", text, done);
        return LX_EXIT_TRUE;
}

/* *out_node (may be NULL): the address of a node register that the first operation made. */
static int
submit(struct lx *lx, struct lx_ops *ops, struct lx_hash *out_node)
{
        struct lx_receipt receipt;
        struct lx_hash genesis;
        int status = lx_submit_plain(lx, ops, &receipt, &genesis);

        if (status == LX_EXIT_TRUE && out_node != NULL)
                sigchain_address_created(
                    &lx_crypto_ops()->hash, SIGCHAIN_NODE, &genesis, receipt.sequence, 0, out_node);
        lx_ops_clear(ops);
        lx_free(ops);
        return status;
}

int
cmd_eid_create(struct lx *lx)
{
        const char *ttl_text = lx_option(lx, "ttl");
        uint8_t rlocs[RLOCS_MAX * 19], prefix[4], eid[16];
        struct lx_writer wr = lx_writer_init(rlocs, sizeof(rlocs));
        struct keys_file key = {0};
        struct lx_hash chain_id, address;
        struct sigchain_object *o;
        struct lx_ops *ops;
        uint64_t ttl = 60;
        int status;

        if (!read_rlocs(lx_option(lx, "rlocs"), &wr))
                return lx_fail(lx, LX_EXIT_USAGE, "--rlocs: at most %d addresses, joined by commas", RLOCS_MAX);
        if (ttl_text != NULL && (!lx_parse_number(ttl_text, &ttl) || ttl == 0 || ttl > 1440))
                return lx_fail(lx, LX_EXIT_USAGE, "--ttl: 1 to 1440 minutes, not \"%.20s\"", ttl_text);
        status = network_prefix(lx, &chain_id, prefix);
        if (status == LX_EXIT_TRUE)
                status = load_or_make(lx, lx->args[0], &key);
        if (status != LX_EXIT_TRUE)
                return status;
        eid_of(prefix, &chain_id, &key.public, eid, &address);
        o = lx_alloc(sizeof(*o));
        ops = lx_alloc(sizeof(*ops));
        lx_field_u64(o, "instance", SIGCHAIN_FIXED, 0);
        lx_field_bytes(o, "eid", SIGCHAIN_FIXED, LX_SPAN(eid, 16));
        lx_field_bytes(o, "first_key", SIGCHAIN_FIXED, LX_SPAN(key.public.b, LX_PUBKEY_LEN));
        lx_field_bytes(o, "key", SIGCHAIN_MUTABLE, LX_SPAN(key.public.b, LX_PUBKEY_LEN));
        lx_field_bytes(o, "rlocs", SIGCHAIN_MUTABLE, LX_SPAN(rlocs, wr.len));
        lx_field_u64(o, "ttl", SIGCHAIN_MUTABLE, ttl);
        lx_field_u64(o, "sealed", SIGCHAIN_MUTABLE, lx_option(lx, "plain") == NULL);
        lx_ops_create(ops, SIGCHAIN_EID, o);
        lx_free(o);
        keys_file_clear(&key);
        status = submit(lx, ops, NULL);
        return status == LX_EXIT_TRUE ? show_eid(lx, eid, &address, lx->args[0], "") : status;
}

int
cmd_eid_show(struct lx *lx)
{
        uint8_t prefix[4], eid[16];
        struct keys_file key = {0};
        struct lx_hash chain_id, address;
        char hex[65];
        json_t *o = NULL;
        enum lx_err err;
        int status = network_prefix(lx, &chain_id, prefix);

        if (status != LX_EXIT_TRUE)
                return status;
        err = keys_file_load(lx->args[0], &key, &lx->why);
        if (err != LX_OK)
                return lx_fail(lx, lx_exit_of(err), NULL);
        eid_of(prefix, &chain_id, &key.public, eid, &address);
        keys_file_clear(&key);
        if (!lx_call(lx, "register.get", json_pack("{s:s}", "address", lx_hex_of(&address, hex)), &o, &status)) {
                (void)show_eid(lx, eid, &address, lx->args[0], " (not on the ledger: lx eid create)");
                return LX_EXIT_FALSE;
        }
        json_decref(o);
        return show_eid(lx, eid, &address, lx->args[0], "");
}

/* Fill hash field @name of the newest header. */
static bool
tip_field(struct lx *lx, const char *name, struct lx_hash *out, uint64_t *out_height, int *status)
{
        json_t *o = NULL;
        bool ok;

        if (!lx_call(lx, "chain.header", json_object(), &o, status))
                return false;
        ok = lx_parse_hash(lx_str(json_object_get(o, "fields"), name), out);
        *out_height = lx_num(o, "height");
        json_decref(o);
        if (!ok)
                *status = lx_fail(lx, LX_EXIT_REFUSED, "the node's header has no field %s", name);
        return ok;
}

/* Roles for the node register at @address, signed by the network's one validator. */
static int
admit(struct lx *lx, const struct lx_hash *address, const char *validator_file)
{
        struct keys_file key = {0};
        struct lx_hash set_hash, chain_id, msg;
        uint8_t what[40], cert[1 + LX_SIG_LEN] = {0x80}, prefix[4];
        struct lx_writer wr = lx_writer_init(what, sizeof(what));
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_NODE_ADMIT};
        struct lx_sig sig;
        struct lx_ops *ops;
        uint64_t height = 0;
        int status = network_prefix(lx, &chain_id, prefix);
        enum lx_err err;

        if (status != LX_EXIT_TRUE || !tip_field(lx, "next_valset", &set_hash, &height, &status))
                return status;
        err = keys_file_load(validator_file, &key, &lx->why);
        if (err != LX_OK)
                return lx_fail(lx, lx_exit_of(err), NULL);
        lx_write_hash(&wr, address);
        lx_write_u64(&wr, 1);
        body.u.update.expiry = height + 100;
        body.u.update.what = LX_SPAN(what, wr.len);
        sigchain_update_message(&lx_crypto_ops()->hash, SIGCHAIN_OP_NODE_ADMIT, &chain_id, &set_hash,
            body.u.update.expiry, body.u.update.what, &msg);
        err = lx_sign(key.secret.p, &msg, NULL, &sig);
        keys_file_clear(&key);
        if (err != LX_OK)
                return lx_fail(lx, LX_EXIT_USAGE, "%s cannot sign", validator_file);
        memcpy(cert + 1, sig.b, LX_SIG_LEN);
        body.u.update.cert = LX_SPAN(cert, sizeof(cert));
        ops = lx_alloc(sizeof(*ops));
        lx_ops_add(ops, &body);
        return submit(lx, ops, NULL);
}

/* A node register: a map-server of the overlay, once the validators have admitted it. */
int
cmd_eid_serve(struct lx *lx)
{
        const char *validator = lx_option(lx, "admit-with");
        uint8_t rlocs[RLOCS_MAX * 19];
        struct lx_writer wr = lx_writer_init(rlocs, sizeof(rlocs));
        struct keys_file key = {0};
        struct sigchain_object *o;
        struct lx_hash address;
        struct lx_ops *ops;
        char hex[65];
        int status;

        if (!read_rlocs(lx->args[1], &wr) || wr.len == 0)
                return lx_fail(lx, LX_EXIT_USAGE, "\"%.60s\": 1 to %d addresses, joined by commas", lx->args[1],
                    RLOCS_MAX);
        status = load_or_make(lx, lx->args[0], &key);
        if (status != LX_EXIT_TRUE)
                return status;
        o = lx_alloc(sizeof(*o));
        ops = lx_alloc(sizeof(*ops));
        lx_field_bytes(o, "key", SIGCHAIN_FIXED, LX_SPAN(key.public.b, LX_PUBKEY_LEN));
        lx_field_bytes(o, "rlocs", SIGCHAIN_MUTABLE, LX_SPAN(rlocs, wr.len));
        lx_field_u64(o, "roles", SIGCHAIN_SYSTEM, 0);
        lx_ops_create(ops, SIGCHAIN_NODE, o);
        lx_free(o);
        keys_file_clear(&key);
        status = submit(lx, ops, &address);
        if (status == LX_EXIT_TRUE && validator != NULL)
                status = admit(lx, &address, validator);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:s,s:b}", "address", lx_hex_of(&address, hex), "admitted",
                    validator != NULL));
        else if (status == LX_EXIT_TRUE)
                printf("%s %s\n", lx_hex_of(&address, hex),
                    validator != NULL ? "serves mappings" : "waits until the validators admit it");
        return status;
}

/* The fields of a prefix register from "ADDRESS/BITS"; @addr outlives the object. */
static bool
prefix_object(const char *text, const struct lx_hash *eid, uint8_t addr[16], struct sigchain_object *o)
{
        const char *slash = strchr(text, '/');
        char host[64];
        uint64_t bits;
        bool v6 = strchr(text, ':') != NULL;

        if (slash == NULL || (size_t)(slash - text) >= sizeof(host))
                return false;
        (void)snprintf(host, sizeof(host), "%.*s", (int)(slash - text), text);
        memset(addr, 0, 16);
        if (inet_pton(v6 ? AF_INET6 : AF_INET, host, addr) != 1 || !lx_parse_number(slash + 1, &bits))
                return false;
        lx_field_u64(o, "instance", SIGCHAIN_FIXED, 0);
        lx_field_u64(o, "family", SIGCHAIN_FIXED, v6 ? 6 : 4);
        lx_field_bytes(o, "prefix", SIGCHAIN_FIXED, LX_SPAN(addr, 16));
        lx_field_u64(o, "bits", SIGCHAIN_FIXED, bits);
        lx_field_hash(o, "eid", SIGCHAIN_ADDRESS, SIGCHAIN_MUTABLE, eid);
        return true;
}

/* The prefix, which may be made by this inside one of ours, is reached where the EID is. */
int
cmd_eid_bind(struct lx *lx)
{
        struct lx_hash prefix, eid;
        struct sigchain_object *o;
        struct lx_ops *ops;
        uint8_t addr[16];
        bool have = lx_parse_hash(lx->args[0], &prefix), none = strcmp(lx->args[1], "none") == 0, ok;
        int status;

        eid = (struct lx_hash){{0}};
        ok = none || lx_parse_hash(lx->args[1], &eid);
        o = lx_alloc(sizeof(*o));
        ops = lx_alloc(sizeof(*ops));
        if (ok && have) {
                lx_field_hash(o, "eid", SIGCHAIN_ADDRESS, SIGCHAIN_MUTABLE, &eid);
                lx_ops_write(ops, &prefix, o);
        } else if (ok && prefix_object(lx->args[0], &eid, addr, o)) {
                lx_ops_create(ops, SIGCHAIN_PREFIX, o);
        } else {
                lx_free(ops);
                lx_free(o);
                return lx_fail(lx, LX_EXIT_USAGE, "a prefix (ADDRESS/BITS, or the address of its register) and the "
                    "address of an EID's register, or none");
        }
        lx_free(o);
        status = submit(lx, ops, NULL);
        if (status == LX_EXIT_TRUE && !lx->json)
                printf("%s is reached %s\n", lx->args[0], none ? "nowhere" : "where the EID is");
        return status;
}

/* The register's address from an argument: written out, or of the EID of a key file. */
static int
eid_register(struct lx *lx, const char *arg, struct lx_hash *out)
{
        struct keys_file key = {0};
        struct lx_hash chain_id;
        uint8_t prefix[4], eid[16];
        enum lx_err err;
        int status;

        if (lx_parse_hash(arg, out))
                return LX_EXIT_TRUE;
        status = network_prefix(lx, &chain_id, prefix);
        if (status != LX_EXIT_TRUE)
                return status;
        err = keys_file_load(arg, &key, &lx->why);
        if (err != LX_OK)
                return lx_fail(lx, lx_exit_of(err), NULL);
        eid_of(prefix, &chain_id, &key.public, eid, out);
        keys_file_clear(&key);
        return LX_EXIT_TRUE;
}

/* A key of zeros signs nothing: there is no such point on the curve. */
int
cmd_eid_revoke(struct lx *lx)
{
        static const uint8_t zeros[LX_PUBKEY_LEN] = {0};
        struct lx_hash address;
        struct sigchain_object *o;
        struct lx_ops *ops;
        char hex[65];
        int status = eid_register(lx, lx->args[0], &address);

        if (status != LX_EXIT_TRUE)
                return status;
        o = lx_alloc(sizeof(*o));
        ops = lx_alloc(sizeof(*ops));
        lx_field_bytes(o, "key", SIGCHAIN_MUTABLE, LX_SPAN(zeros, sizeof(zeros)));
        lx_ops_write(ops, &address, o);
        lx_free(o);
        status = submit(lx, ops, NULL);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:s,s:b}", "address", lx_hex_of(&address, hex), "revoked", true));
        else if (status == LX_EXIT_TRUE)
                printf("%s is revoked\n", lx_hex_of(&address, hex));
        return status;
}

/* ---- route ---------------------------------------------------------------------------------------- */

static void
show_route(struct lx *lx, const json_t *r)
{
        json_t *rlocs = json_object_get(r, "rlocs"), *one;
        size_t i;

        if (lx->json) {
                lx_print_json(json_deep_copy(r));
                return;
        }
        printf("%-44s %-10s ttl %-6llu", lx_str(r, "prefix"), lx_str(r, "source"),
            (unsigned long long)lx_num(r, "ttl"));
        json_array_foreach(rlocs, i, one)
                printf(" %s", json_string_value(one));
        if (json_is_true(json_object_get(r, "light")))
                printf("  as of height %llu, %llu s ago", (unsigned long long)lx_num(r, "height"),
                    (unsigned long long)lx_num(r, "age"));
        printf("\n");
}

int
cmd_route_list(struct lx *lx)
{
        json_t *o = NULL, *one;
        int status = LX_EXIT_TRUE;
        size_t i;

        if (!lx_call(lx, "route.list", json_object(), &o, &status))
                return status;
        json_array_foreach(json_object_get(o, "routes"), i, one)
                show_route(lx, one);
        json_decref(o);
        return LX_EXIT_TRUE;
}

/* The addresses in the bytes of a register's rlocs. */
static json_t *
list_rlocs(const char *hex)
{
        uint8_t bytes[RLOCS_MAX * 19];
        size_t len = strlen(hex) / 2;
        json_t *list = json_array();
        struct lx_reader rd;

        if (len > sizeof(bytes) || !lx_unhex(hex, 2 * len, bytes, len))
                return list;
        rd = lx_reader_init(bytes, len);
        while (rd.left > 0 && rd.err == LX_OK) {
                bool six = lx_read_u8(&rd) == 6;
                struct lx_span addr = lx_read_span(&rd, six ? 16 : 4);
                char text[64];

                (void)lx_read_u16(&rd); /* priority, weight */
                if (rd.err == LX_OK && inet_ntop(six ? AF_INET6 : AF_INET, addr.p, text, sizeof(text)) != NULL)
                        json_array_append_new(list, json_string(text));
        }
        return list;
}

/* A light node's route is what the EID's register says: proven, its addresses replace the node's. */
static int
prove_route(struct lx *lx, json_t *route)
{
        struct lx_check check = {0};
        struct lx_hash address;
        json_t *proven = NULL;
        uint8_t key[20] = {0};
        char hex[65];
        int status = lx_check_begin(lx, &check);

        if (status == LX_EXIT_TRUE && inet_pton(AF_INET6, lx->args[0], key + 4) != 1)
                status = lx_fail(lx, LX_EXIT_USAGE, "\"%.60s\" is no EID", lx->args[0]);
        sigchain_address(&lx_crypto_ops()->hash, SIGCHAIN_EID, key, sizeof(key), &address);
        if (status == LX_EXIT_TRUE && lx_check_fetch(lx, &check, lx_hex_of(&address, hex), &proven) != LX_OK)
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        if (status == LX_EXIT_TRUE) {
                const char *key_now = lx_str(json_object_get(proven, "fields"), "key");
                bool exists = json_is_true(json_object_get(proven, "exists")) && strspn(key_now, "0") < strlen(key_now);

                json_object_set_new(route, "source", json_string(exists ? "ledger" : "negative"));
                json_object_set_new(route, "rlocs",
                    list_rlocs(lx_str(json_object_get(proven, "fields"), "rlocs")));
                json_object_set(route, "height", json_object_get(proven, "height"));
                lx_check_note(&check, route);
        }
        json_decref(proven);
        lx_check_end(&check);
        return status;
}

/*
 * With --verify: whether anybody owns the address is proven. Where its owner is reached now is no word of the
 * ledger's (the routers check the owner's signature). A route against a proven hole is not shown: false.
 */
static bool
prove_owner(struct lx *lx, json_t *route, bool negative, int *status)
{
        struct lx_check check = {0};
        char prefix[LX_PREFIX_TEXT];
        bool owned = false;
        int loaded = lx_check_begin(lx, &check);

        if (loaded == LX_EXIT_TRUE && lx_check_owner(lx, &check, lx->args[0], &owned, prefix) != LX_OK)
                loaded = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        if (loaded == LX_EXIT_TRUE && !negative && !owned)
                loaded = lx_fail(
                    lx, LX_EXIT_FALSE, "the node shows a route, but nobody owns the address: that is proven");
        if (loaded == LX_EXIT_TRUE) {
                json_object_set_new(route, "owned", json_boolean(owned));
                if (!owned)
                        json_object_set_new(route, "prefix", json_string(prefix));
                lx_check_note(&check, route);
                if (!lx->json)
                        printf("%s, proven\n", owned ? "somebody owns the address" : "nobody owns it");
        } else {
                *status = loaded;
        }
        lx_check_end(&check);
        return loaded == LX_EXIT_TRUE;
}

int
cmd_route_resolve(struct lx *lx)
{
        int status = LX_EXIT_TRUE;

        for (unsigned i = 0; i < RESOLVE_TRIES; i++) {
                json_t *o = NULL;
                const char *source;
                bool pending;

                if (!lx_call(lx, "route.resolve", json_pack("{s:s}", "eid", lx->args[0]), &o, &status))
                        return status;
                json_object_del(o, "proof");
                if (lx->verify && json_is_true(json_object_get(o, "light"))) {
                        status = prove_route(lx, o);
                        if (status != LX_EXIT_TRUE) {
                                json_decref(o);
                                return status;
                        }
                }
                source = lx_str(o, "source");
                pending = strcmp(source, "pending") == 0;
                status = pending || strcmp(source, "negative") == 0 ? LX_EXIT_FALSE : LX_EXIT_TRUE;
                if ((!pending || i + 1 == RESOLVE_TRIES) &&
                    (!lx->verify || json_is_true(json_object_get(o, "light")) ||
                        prove_owner(lx, o, status == LX_EXIT_FALSE, &status)))
                        show_route(lx, o);
                json_decref(o);
                if (!pending)
                        return status;
                (void)poll(NULL, 0, 100);
        }
        return status;
}

int
cmd_route_register(struct lx *lx)
{
        json_t *o = NULL;
        int status = LX_EXIT_TRUE;

        if (!lx_call(lx, "route.register", json_object(), &o, &status))
                return status;
        json_decref(o);
        if (!lx->json)
                printf("registering\n");
        return LX_EXIT_TRUE;
}
