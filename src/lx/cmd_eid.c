/* lx/cmd_eid.c - EIDs of the overlay and the nodes that serve them. */
#include "config.h"
#include "lx/lx.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "keys/keyfile.h"
#include "lx/wallet.h"
#include "router/ledger.h"
#include "sigchain/apply.h"
#include "sigchain/standard.h"
#include "sigchain/valset.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

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
        char text[ROUTER_TEXT_MAX];
        unsigned count = 0;

        while (list != NULL && *list != '\0') {
                size_t len = strcspn(list, ",");
                struct router_addr addr;

                if (len >= sizeof(text) || ++count > ROUTER_REGISTER_RLOCS)
                        return false;
                (void)snprintf(text, sizeof(text), "%.*s", (int)len, list);
                if (!router_addr_parse(text, &addr))
                        return false;
                router_rlocs_encode(wr, &addr, (uint8_t)count);
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

/* The address of the register of @eid in instance 0. */
static void
register_of(const uint8_t eid[16], struct lx_hash *out)
{
        uint8_t canonical[20] = {0};

        memcpy(canonical + 4, eid, 16);
        sigchain_address(&lx_crypto_ops()->hash, SIGCHAIN_EID, canonical, sizeof(canonical), out);
}

static void
eid_of(const uint8_t prefix[4], const struct lx_hash *chain_id, const struct lx_pubkey *key, uint8_t eid[16],
    struct lx_hash *address)
{
        sigchain_eid_derive(&lx_crypto_ops()->hash, prefix, chain_id, 0, key, eid);
        register_of(eid, address);
}

/* The register's address from an argument: written out, of an EID, or of the EID of a key file. */
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
        if (inet_pton(AF_INET6, arg, eid) == 1) {
                register_of(eid, out);
                return LX_EXIT_TRUE;
        }
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
        uint8_t rlocs[ROUTER_REGISTER_RLOCS * 19], prefix[4], eid[16];
        struct lx_writer wr = lx_writer_init(rlocs, sizeof(rlocs));
        struct keys_file key = {0};
        struct lx_hash chain_id, address;
        struct sigchain_object *o;
        struct lx_ops *ops;
        uint64_t ttl = 60;
        int status;

        if (!read_rlocs(lx_option(lx, "rlocs"), &wr))
                return lx_fail(lx, LX_EXIT_USAGE, "--rlocs: at most %d addresses, joined by commas",
                    ROUTER_REGISTER_RLOCS);
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

/* What the register says: it may have another key than its first one, or none. */
static void
show_register(struct lx *lx, const json_t *o, const char *eid, const char *mine)
{
        const json_t *fields = json_object_get(o, "fields");
        const char *key = lx_str(fields, "key");
        bool revoked = strspn(key, "0") == strlen(key);

        if (lx->json) {
                json_t *out = json_pack("{s:s,s:s,s:s,s:s,s:b,s:b}", "eid", eid, "address", lx_str(o, "address"),
                    "owner", lx_str(o, "owner"), "key", key, "revoked", (int)revoked, "sealed",
                    (int)(lx_num(fields, "sealed") != 0));

                if (mine != NULL) {
                        json_object_set_new(out, "file", json_string(lx->args[0]));
                        json_object_set_new(out, "current", json_boolean(strcmp(key, mine) == 0));
                }
                lx_print_json(out);
                return;
        }
        printf("%s%s\n", eid, revoked ? " (revoked)"
            : mine != NULL && strcmp(key, mine) != 0 ? " (has another key by now: lx eid rekey)" : "");
}

int
cmd_eid_show(struct lx *lx)
{
        uint8_t prefix[4], eid[16];
        struct keys_file key = {0};
        struct lx_hash chain_id, address;
        char hex[65], mine[65] = "", text[64];
        json_t *o = NULL;
        bool file = !lx_parse_hash(lx->args[0], &address) && inet_pton(AF_INET6, lx->args[0], eid) != 1;
        int status = file ? network_prefix(lx, &chain_id, prefix) : eid_register(lx, lx->args[0], &address);

        if (status != LX_EXIT_TRUE)
                return status;
        if (file) {
                enum lx_err err = keys_file_load(lx->args[0], &key, &lx->why);

                if (err != LX_OK)
                        return lx_fail(lx, lx_exit_of(err), NULL);
                eid_of(prefix, &chain_id, &key.public, eid, &address);
                lx_hex(key.public.b, LX_PUBKEY_LEN, mine);
                keys_file_clear(&key);
        }
        if (!lx_call(lx, "register.get", json_pack("{s:s}", "address", lx_hex_of(&address, hex)), &o, &status)) {
                if (file)
                        (void)show_eid(lx, eid, &address, lx->args[0], " (not on the ledger: lx eid create)");
                return file ? LX_EXIT_FALSE : status;
        }
        if (!lx_unhex(lx_str(json_object_get(o, "fields"), "eid"), 32, eid, 16)) {
                json_decref(o);
                return lx_fail(lx, LX_EXIT_USAGE, "\"%.70s\" is no register of an EID", lx->args[0]);
        }
        (void)inet_ntop(AF_INET6, eid, text, sizeof(text));
        show_register(lx, o, text, file ? mine : NULL);
        json_decref(o);
        return LX_EXIT_TRUE;
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
        uint8_t rlocs[ROUTER_REGISTER_RLOCS * 19];
        struct lx_writer wr = lx_writer_init(rlocs, sizeof(rlocs));
        struct keys_file key = {0};
        struct sigchain_object *o;
        struct lx_hash address;
        struct lx_ops *ops;
        char hex[65];
        int status;

        if (!read_rlocs(lx->args[1], &wr) || wr.len == 0)
                return lx_fail(lx, LX_EXIT_USAGE, "\"%.60s\": 1 to %d addresses, joined by commas", lx->args[1],
                    ROUTER_REGISTER_RLOCS);
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

/* Another key for the EID of register @address. */
static int
write_key(struct lx *lx, const struct lx_hash *address, const struct lx_pubkey *key)
{
        struct sigchain_object *o = lx_alloc(sizeof(*o));
        struct lx_ops *ops = lx_alloc(sizeof(*ops));

        lx_field_bytes(o, "key", SIGCHAIN_MUTABLE, LX_SPAN(key->b, LX_PUBKEY_LEN));
        lx_ops_write(ops, address, o);
        lx_free(o);
        return submit(lx, ops, NULL);
}

/* A key of zeros signs nothing: there is no such point on the curve. */
int
cmd_eid_revoke(struct lx *lx)
{
        static const struct lx_pubkey zeros = {{0}};
        struct lx_hash address;
        char hex[65];
        int status = eid_register(lx, lx->args[0], &address);

        if (status == LX_EXIT_TRUE)
                status = write_key(lx, &address, &zeros);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:s,s:b}", "address", lx_hex_of(&address, hex), "revoked", true));
        else if (status == LX_EXIT_TRUE)
                printf("%s is revoked\n", lx_hex_of(&address, hex));
        return status;
}

/* The EID stays, who holds the new key speaks for it: after a loss, a transfer, a change of machines. */
int
cmd_eid_rekey(struct lx *lx)
{
        struct keys_file key = {0};
        struct lx_hash address;
        uint8_t eid[16];
        char hex[65], text[64] = "";
        json_t *o = NULL;
        int status = eid_register(lx, lx->args[0], &address);

        if (status != LX_EXIT_TRUE ||
            !lx_call(lx, "register.get", json_pack("{s:s}", "address", lx_hex_of(&address, hex)), &o, &status))
                return status;
        if (lx_unhex(lx_str(json_object_get(o, "fields"), "eid"), 32, eid, 16))
                (void)inet_ntop(AF_INET6, eid, text, sizeof(text));
        json_decref(o);
        if (text[0] == '\0')
                return lx_fail(lx, LX_EXIT_USAGE, "\"%.70s\" is no register of an EID", lx->args[0]);
        status = load_or_make(lx, lx->args[1], &key);
        if (status == LX_EXIT_TRUE)
                status = write_key(lx, &address, &key.public);
        keys_file_clear(&key);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:s,s:s,s:s}", "eid", text, "address", hex, "file", lx->args[1]));
        else if (status == LX_EXIT_TRUE)
                printf("%s has the key of %s: its node runs with --router-eid %s=%s\n", text, lx->args[1], text,
                    lx->args[1]);
        return status;
}
