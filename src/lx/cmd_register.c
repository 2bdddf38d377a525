/* lx/cmd_register.c - registers, names, tokens, prefixes. */
#include "config.h"
#include "lx/wallet.h"

#include "base/file.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "lx/check.h"
#include "sigchain/standard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_MAX 1000 /* heights shown */

int
lx_bad_address(struct lx *lx, const char *s)
{
        return lx_fail(lx, LX_EXIT_USAGE, "\"%.70s\" is no address (64 hex digits)", s);
}

int
lx_finish(struct lx *lx, struct lx_ops *ops, unsigned type, const struct lx_hash *known, const char *did)
{
        struct lx_receipt receipt;
        struct lx_hash genesis, address = {{0}};
        char hex[65];
        int status = lx_submit_plain(lx, ops, &receipt, &genesis);

        lx_ops_clear(ops);
        lx_free(ops);
        if (status != LX_EXIT_TRUE)
                return status;
        if (known != NULL)
                address = *known;
        else
                sigchain_address_created(
                    &lx_crypto_ops()->hash, (enum sigchain_type)type, &genesis, receipt.sequence, 0, &address);
        if (lx->json)
                lx_print_json(json_pack("{s:s,s:I}", "address", lx_hex_of(&address, hex), "height",
                    (json_int_t)receipt.height));
        else
                printf("%s: %s, height %llu\n", did, lx_hex_of(&address, hex), (unsigned long long)receipt.height);
        return LX_EXIT_TRUE;
}

/* --data STRING or @FILE into @out. */
static int
take_data(struct lx *lx, struct lx_buf *out)
{
        const char *data = lx_option(lx, "data");
        enum lx_err err;

        if (data == NULL)
                return lx_fail(lx, LX_EXIT_USAGE, "--data STRING or --data @FILE is missing");
        if (data[0] != '@') {
                if (strlen(data) > SIGCHAIN_DATA_MAX)
                        return lx_fail(lx, LX_EXIT_USAGE, "a register holds at most %d bytes, --data has %zu",
                            SIGCHAIN_DATA_MAX, strlen(data));
                lx_buf_append(out, data, strlen(data));
                return LX_EXIT_TRUE;
        }
        err = lx_file_read(data + 1, SIGCHAIN_DATA_MAX, out, &lx->why);
        if (err == LX_OK)
                return LX_EXIT_TRUE;
        lx_why_set(&lx->why, "cannot read %s: %s", data + 1, lx_err_text(err));
        return lx_fail(lx, err == LX_ERR_IO ? LX_EXIT_IO : LX_EXIT_USAGE, NULL);
}

/* ---- registers --------------------------------------------------------------------------------- */

static enum sigchain_type
kind_option(const struct lx *lx)
{
        const char *kind = lx_option(lx, "kind"), *standard = lx_option(lx, "standard");
        const struct sigchain_standard *row;

        if (standard != NULL) {
                row = sigchain_standard_named(standard);
                return row != NULL ? row->type : (enum sigchain_type)0;
        }
        row = sigchain_standard_named(kind != NULL ? kind : "raw");
        return row != NULL ? row->type : (enum sigchain_type)0;
}

int
cmd_register_create(struct lx *lx)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_CREATE, .u.create.type = kind_option(lx)};
        struct lx_buf data = {0};
        struct lx_ops *ops;
        int status = LX_EXIT_TRUE;

        if (body.u.create.type == 0)
                return lx_fail(lx, LX_EXIT_USAGE, "there is no such kind or standard of register");
        if (body.u.create.type != SIGCHAIN_APPEND)
                status = take_data(lx, &data);
        if (status == LX_EXIT_TRUE) {
                ops = lx_alloc(sizeof(*ops));
                body.u.create.data = lx_buf_span(&data);
                lx_ops_add(ops, &body);
                status = lx_finish(lx, ops, body.u.create.type, NULL, "register created");
        }
        lx_buf_clear(&data);
        return status;
}

static void
show_register(json_t *o)
{
        const char *key;
        json_t *v;

        printf("address   %s\nstandard  %s\nowner     %s\ncreated   height %llu\nmodified  height %llu\n",
            lx_str(o, "address"), lx_str(o, "standard"), lx_str(o, "owner"),
            (unsigned long long)lx_num(o, "created"), (unsigned long long)lx_num(o, "modified"));
        json_object_foreach(json_object_get(o, "fields"), key, v) {
                char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

                printf("  %-12s %s\n", key, text);
                free(text);
        }
        if (json_object_size(json_object_get(o, "fields")) == 0)
                printf("data      %s\n", lx_str(o, "data"));
}

/* What is asked about a register: @address is what the client computed, never what the node says. */
struct question {
        const char *method;
        json_t *params; /* taken over */
        struct lx_hash address;
        uint64_t height; /* LX_CHECK_NOW */
        const char *name; /* name.resolve only */
        bool print_proof;
};

static int
check_answer(struct lx *lx, const struct question *q, json_t *o)
{
        struct lx_check check = {0};
        int status = lx_check_begin(lx, &check);

        if (status == LX_EXIT_TRUE && lx_check_register(lx, &check, &q->address, q->height, o) != LX_OK)
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        if (status == LX_EXIT_TRUE) {
                lx_check_note(&check, o);
        }
        if (status == LX_EXIT_TRUE && q->name != NULL) {
                json_object_set_new(o, "name", json_string(q->name));
                json_object_set(o, "target", json_object_get(json_object_get(o, "fields"), "target"));
        }
        lx_check_end(&check);
        return status;
}

/* Call a method that answers a register, check it with --verify, show it. */
static int
get_register(struct lx *lx, const struct question *q)
{
        json_t *o = NULL;
        int status = LX_EXIT_TRUE;
        bool exists, light;

        if (lx->verify || q->print_proof)
                json_object_set_new(q->params, "prove", json_true());
        if (!lx_call(lx, q->method, q->params, &o, &status))
                return status;
        light = json_is_true(json_object_get(o, "light"));
        if (lx->verify)
                status = check_answer(lx, q, o);
        exists = !json_is_false(json_object_get(o, "exists"));
        if (!q->print_proof)
                json_object_del(o, "proof");
        if (status != LX_EXIT_TRUE)
                ;
        else if (lx->json || q->print_proof)
                lx_print_json(json_incref(o));
        else if (exists)
                show_register(o);
        else
                printf("there is none%s\n", lx->verify ? " (proven)" : "");
        if (light && status == LX_EXIT_TRUE && !lx->json && !q->print_proof)
                printf("as of     height %llu, %llu s ago (a light node's proof)\n",
                    (unsigned long long)lx_num(o, "height"), (unsigned long long)lx_num(o, "age"));
        json_decref(o);
        return status != LX_EXIT_TRUE ? status : exists ? LX_EXIT_TRUE : LX_EXIT_FALSE;
}

/* The question about the register at the address given as @arg; params NULL: it is no address. */
static struct question
ask_address(struct lx *lx, const char *arg)
{
        struct question q = {.method = "register.get", .height = LX_CHECK_NOW};

        if (lx_parse_hash(arg, &q.address))
                q.params = json_pack("{s:s}", "address", arg);
        else
                (void)lx_bad_address(lx, arg);
        return q;
}

int
cmd_register_get(struct lx *lx)
{
        const char *height = lx_option(lx, "height");
        struct question q = ask_address(lx, lx->args[0]);

        if (q.params != NULL && height != NULL && !lx_parse_number(height, &q.height)) {
                json_decref(q.params);
                return lx_fail(lx, LX_EXIT_USAGE, "--height is a number, not \"%.40s\"", height);
        }
        if (q.params != NULL && height != NULL)
                json_object_set_new(q.params, "height", json_integer((json_int_t)q.height));
        return q.params != NULL ? get_register(lx, &q) : LX_EXIT_USAGE;
}

int
cmd_register_prove(struct lx *lx)
{
        struct question q = ask_address(lx, lx->args[0]);

        q.print_proof = true;
        return q.params != NULL ? get_register(lx, &q) : LX_EXIT_USAGE;
}

int
lx_owner_option(struct lx *lx, bool mine, json_t *params)
{
        const char *owner = lx_option(lx, "owner");
        struct lx_hash genesis;
        struct lx_signer signer;
        char hex[65];
        int status;

        if (owner != NULL) {
                status = lx_resolve_genesis(lx, owner, &genesis);
                if (status != LX_EXIT_TRUE)
                        return status;
        } else if (mine && lx_signer_open(lx, &signer) == LX_OK) {
                genesis = signer.genesis;
                lx_signer_clear(&signer);
        } else {
                lx->why.text[0] = '\0';
                return LX_EXIT_TRUE;
        }
        json_object_set_new(params, "owner", json_string(lx_hex_of(&genesis, hex)));
        return LX_EXIT_TRUE;
}

/* With --verify an item is fetched again with its proof; the list itself may lack some. */
static int
prove_item(struct lx *lx, struct lx_check *check, json_t *item)
{
        json_t *proven = NULL, *fields;
        enum lx_err err = lx_check_fetch(lx, check, lx_str(item, "address"), &proven);

        if (err == LX_OK && !json_is_true(json_object_get(proven, "exists"))) {
                lx_why_set(&lx->why, "%s is listed and does not exist", lx_str(item, "address"));
                err = LX_ERR_PROOF;
        }
        if (err != LX_OK) {
                json_decref(proven);
                return lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        }
        fields = json_object_get(proven, "fields");
        if (json_object_get(item, "name") != NULL) {
                json_object_set(item, "name", json_object_get(fields, "name"));
                json_object_set(item, "target", json_object_get(fields, "target"));
        } else {
                json_object_set(item, "fields", fields);
                json_object_set(item, "standard", json_object_get(proven, "standard"));
                json_object_set(item, "modified", json_object_get(proven, "modified"));
        }
        json_object_set(item, "owner", json_object_get(proven, "owner"));
        json_object_set_new(item, "proven", json_true());
        json_decref(proven);
        return LX_EXIT_TRUE;
}

static void
show_item(struct lx *lx, json_t *item, const char *show)
{
        if (lx->json)
                lx_print_json(json_incref(item));
        else
                printf("%s  %s\n", lx_str(item, "address"), json_object_get(item, show) != NULL
                    ? lx_str(item, show) : lx_str(json_object_get(item, "fields"), show));
}

int
lx_show_list(struct lx *lx, const char *method, const char *list_name, json_t *params, const char *show)
{
        struct lx_check check = {0};
        bool more = true;
        int status = lx->verify ? lx_check_begin(lx, &check) : LX_EXIT_TRUE;

        while (more && status == LX_EXIT_TRUE) {
                json_t *o = NULL, *item;
                size_t i;

                if (!lx_call(lx, method, json_deep_copy(params), &o, &status))
                        break;
                json_array_foreach(json_object_get(o, list_name), i, item) {
                        json_object_set(params, "after", json_object_get(item, "address"));
                        if (lx->verify && status == LX_EXIT_TRUE)
                                status = prove_item(lx, &check, item);
                        if (status == LX_EXIT_TRUE)
                                show_item(lx, item, show);
                }
                more = json_is_true(json_object_get(o, "more"));
                json_decref(o);
        }
        lx_check_end(&check);
        json_decref(params);
        return status;
}

int
cmd_register_list(struct lx *lx)
{
        json_t *params = json_pack("{s:i}", "limit", 1000);
        int status = lx_owner_option(lx, true, params);

        if (lx_option(lx, "standard") != NULL)
                json_object_set_new(params, "standard", json_string(lx_option(lx, "standard")));
        if (status == LX_EXIT_TRUE)
                return lx_show_list(lx, "register.list", "registers", params, "standard");
        json_decref(params);
        return status;
}

int
cmd_register_write(struct lx *lx)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_WRITE};
        struct lx_buf data = {0};
        struct lx_ops *ops;
        int status;

        if (!lx_parse_hash(lx->args[0], &body.u.write.address))
                return lx_bad_address(lx, lx->args[0]);
        status = take_data(lx, &data);
        if (status == LX_EXIT_TRUE) {
                ops = lx_alloc(sizeof(*ops));
                body.u.write.data = lx_buf_span(&data);
                lx_ops_add(ops, &body);
                status = lx_finish(lx, ops, 0, &body.u.write.address, "register written");
        }
        lx_buf_clear(&data);
        return status;
}

int
cmd_register_append(struct lx *lx)
{
        struct sigchain_op_body *body = lx_alloc(sizeof(*body));
        struct lx_buf data = {0};
        struct lx_ops *ops;
        struct lx_hash address;
        int status;

        body->type = SIGCHAIN_OP_APPEND;
        status = lx_parse_hash(lx->args[0], &address) ? take_data(lx, &data) : lx_bad_address(lx, lx->args[0]);
        if (status == LX_EXIT_TRUE) {
                ops = lx_alloc(sizeof(*ops));
                body->u.append.address = address;
                body->u.append.count = 1;
                body->u.append.entry[0] = lx_buf_span(&data);
                lx_ops_add(ops, body);
                status = lx_finish(lx, ops, 0, &address, "entry appended");
        }
        lx_buf_clear(&data);
        lx_free(body);
        return status;
}

int
cmd_register_transfer(struct lx *lx)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_TRANSFER};
        struct lx_ops *ops;
        int status;

        if (!lx_parse_hash(lx->args[0], &body.u.transfer.address))
                return lx_bad_address(lx, lx->args[0]);
        status = lx_resolve_profile(lx, lx->args[1], &body.u.transfer.to);
        if (status != LX_EXIT_TRUE)
                return status;
        ops = lx_alloc(sizeof(*ops));
        lx_ops_add(ops, &body);
        return lx_finish(lx, ops, 0, &body.u.transfer.address, "offered");
}

int
cmd_register_claim(struct lx *lx)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_CLAIM};
        struct lx_ops *ops;

        if (!lx_parse_hash(lx->args[0], &body.u.claim.address))
                return lx_bad_address(lx, lx->args[0]);
        ops = lx_alloc(sizeof(*ops));
        lx_ops_add(ops, &body);
        return lx_finish(lx, ops, 0, &body.u.claim.address, "claimed");
}

/* The heights at which the register changed, proven; NULL: *out_status says why not. */
static json_t *
prove_history(struct lx *lx, const struct lx_hash *address, int *out_status)
{
        struct lx_check check = {0};
        json_t *o = NULL, *heights = json_array();
        bool more = false;

        *out_status = lx_check_begin(lx, &check);
        if (*out_status == LX_EXIT_TRUE &&
            lx_check_history(lx, &check, address, HISTORY_MAX, heights, &more) != LX_OK)
                *out_status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        if (*out_status == LX_EXIT_TRUE) {
                o = json_pack("{s:O,s:b}", "heights", heights, "more", (int)more);
                lx_check_note(&check, o);
        }
        json_decref(heights);
        lx_check_end(&check);
        return o;
}

int
cmd_register_history(struct lx *lx)
{
        json_t *o = NULL, *h;
        int status = LX_EXIT_TRUE;
        struct lx_hash address;
        size_t i;

        if (!lx_parse_hash(lx->args[0], &address))
                return lx_bad_address(lx, lx->args[0]);
        if (lx->verify)
                o = prove_history(lx, &address, &status);
        else
                (void)lx_call(lx, "register.history",
                    json_pack("{s:s,s:i}", "address", lx->args[0], "limit", HISTORY_MAX), &o, &status);
        if (o == NULL)
                return status;
        if (lx->json)
                lx_print_json(json_incref(o));
        else
                json_array_foreach(json_object_get(o, "heights"), i, h)
                        printf("height %llu\n", (unsigned long long)json_integer_value(h));
        if (!lx->json && json_is_true(json_object_get(o, "more")))
                printf("and older ones, which this node has pruned or which are more than %d\n", HISTORY_MAX);
        status = json_array_size(json_object_get(o, "heights")) > 0 ? LX_EXIT_TRUE : LX_EXIT_FALSE;
        json_decref(o);
        return status;
}

/* ---- names ------------------------------------------------------------------------------------- */

static int
bad_name(struct lx *lx, const char *name)
{
        return lx_fail(lx, LX_EXIT_USAGE, "\"%.70s\" is no name: a-z, digits and -, joined by dots", name);
}

int
cmd_name_claim(struct lx *lx)
{
        const char *name = lx->args[0], *target = lx_option(lx, "target");
        struct sigchain_object *o;
        struct lx_ops *ops;
        struct lx_hash to = {{0}}, address;

        if (!sigchain_name_is_valid(LX_SPAN(name, strlen(name))))
                return bad_name(lx, name);
        if (target != NULL && !lx_parse_hash(target, &to))
                return lx_bad_address(lx, target);
        o = lx_alloc(sizeof(*o));
        ops = lx_alloc(sizeof(*ops));
        lx_field_text(o, "name", SIGCHAIN_FIXED, name);
        lx_field_hash(o, "target", SIGCHAIN_ADDRESS, SIGCHAIN_MUTABLE, &to);
        lx_ops_create(ops, SIGCHAIN_NAME, o);
        lx_free(o);
        sigchain_address(&lx_crypto_ops()->hash, SIGCHAIN_NAME, name, strlen(name), &address);
        return lx_finish(lx, ops, SIGCHAIN_NAME, &address, "name claimed");
}

int
cmd_name_resolve(struct lx *lx)
{
        const char *name = lx->args[0];
        struct question q = {.method = "name.resolve", .height = LX_CHECK_NOW, .name = name};

        if (!sigchain_name_is_valid(LX_SPAN(name, strlen(name))))
                return bad_name(lx, name);
        sigchain_address(&lx_crypto_ops()->hash, SIGCHAIN_NAME, name, strlen(name), &q.address);
        q.params = json_pack("{s:s}", "name", name);
        return get_register(lx, &q);
}

int
cmd_name_list(struct lx *lx)
{
        json_t *params = json_pack("{s:i}", "limit", 1000);
        int status = lx_owner_option(lx, false, params);

        if (status == LX_EXIT_TRUE)
                return lx_show_list(lx, "name.list", "names", params, "name");
        json_decref(params);
        return status;
}

/* ---- tokens ------------------------------------------------------------------------------------ */

int
cmd_token_create(struct lx *lx)
{
        const char *decimals = lx_option(lx, "decimals");
        struct sigchain_object *o;
        struct lx_ops *ops;
        uint64_t supply, places = 0;

        if (!lx_parse_number(lx->args[1], &supply) || (decimals != NULL && !lx_parse_number(decimals, &places)))
                return lx_fail(lx, LX_EXIT_USAGE, "SUPPLY and --decimals are numbers");
        o = lx_alloc(sizeof(*o));
        ops = lx_alloc(sizeof(*ops));
        lx_field_text(o, "name", SIGCHAIN_FIXED, lx->args[0]);
        lx_field_u64(o, "decimals", SIGCHAIN_FIXED, places);
        lx_field_u64(o, "supply", SIGCHAIN_FIXED, supply);
        lx_field_u64(o, "balance", SIGCHAIN_SYSTEM, supply);
        lx_ops_create(ops, SIGCHAIN_TOKEN, o);
        lx_free(o);
        return lx_finish(lx, ops, SIGCHAIN_TOKEN, NULL, "token created");
}

int
cmd_token_send(struct lx *lx)
{
        const char *expiry = lx_option(lx, "expiry");
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_DEBIT, .u.debit.expiry = UINT64_MAX};
        struct lx_ops *ops;

        if (!lx_parse_hash(lx->args[0], &body.u.debit.from))
                return lx_bad_address(lx, lx->args[0]);
        if (!lx_parse_hash(lx->args[1], &body.u.debit.to))
                return lx_bad_address(lx, lx->args[1]);
        if (!lx_parse_number(lx->args[2], &body.u.debit.amount) ||
            (expiry != NULL && !lx_parse_number(expiry, &body.u.debit.expiry)))
                return lx_fail(lx, LX_EXIT_USAGE, "AMOUNT and --expiry are numbers, in the smallest unit");
        ops = lx_alloc(sizeof(*ops));
        lx_ops_add(ops, &body);
        return lx_finish(lx, ops, 0, &body.u.debit.to, "sent to");
}

int
cmd_token_receive(struct lx *lx)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_CREDIT};
        struct lx_ops *ops;
        json_t *o = NULL, *d;
        int status = LX_EXIT_TRUE;
        size_t i;

        if (!lx_parse_hash(lx->args[0], &body.u.credit.account))
                return lx_bad_address(lx, lx->args[0]);
        if (!lx_call(lx, "token.debits", json_pack("{s:s}", "account", lx->args[0]), &o, &status))
                return status;
        ops = lx_alloc(sizeof(*ops));
        json_array_foreach(json_object_get(o, "debits"), i, d) {
                body.u.credit.op = (uint8_t)lx_num(d, "operation");
                if (ops->count < SIGCHAIN_OPS_MAX && lx_parse_hash(lx_str(d, "tx"), &body.u.credit.tx))
                        lx_ops_add(ops, &body);
        }
        json_decref(o);
        if (ops->count > 0)
                return lx_finish(lx, ops, 0, &body.u.credit.account, "credited");
        lx_free(ops);
        if (lx->json)
                lx_print_json(json_pack("{s:s,s:i}", "account", lx->args[0], "credited", 0));
        else
                printf("nothing was sent to this account\n");
        return LX_EXIT_FALSE;
}

int
cmd_token_balance(struct lx *lx)
{
        const char *token = lx_option(lx, "token");
        struct sigchain_object *o;
        struct lx_ops *ops;
        struct lx_hash address;
        json_t *params;
        int status;

        if (token != NULL) {
                if (!lx_parse_hash(token, &address))
                        return lx_bad_address(lx, token);
                o = lx_alloc(sizeof(*o));
                ops = lx_alloc(sizeof(*ops));
                lx_field_hash(o, "token", SIGCHAIN_ADDRESS, SIGCHAIN_FIXED, &address);
                lx_field_u64(o, "balance", SIGCHAIN_SYSTEM, 0);
                lx_ops_create(ops, SIGCHAIN_ACCOUNT, o);
                lx_free(o);
                return lx_finish(lx, ops, SIGCHAIN_ACCOUNT, NULL, "account opened");
        }
        if (lx->arg_count == 1) {
                struct question q = ask_address(lx, lx->args[0]);

                return q.params != NULL ? get_register(lx, &q) : LX_EXIT_USAGE;
        }
        params = json_pack("{s:i,s:s}", "limit", 1000, "standard", "account");
        status = lx_owner_option(lx, true, params);
        if (status == LX_EXIT_TRUE)
                return lx_show_list(lx, "register.list", "registers", params, "balance");
        json_decref(params);
        return status;
}
