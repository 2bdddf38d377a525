/*
 * lx/cmd_update.c - what validators decide together: their set, the network's parameters, which nodes serve.
 *
 * One of them proposes into a file, each signs the file (or a copy) with its validator key, anybody submits
 * it when more than two thirds of the power signed. The file is JSON: what, chain_id, expiry, set and
 * bytes (hex), summary for people, signatures {key: signature}.
 */
#include "config.h"
#include "lx/wallet.h"

#include "base/file.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "keys/keyfile.h"
#include "sigchain/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPDATE_FILE_MAX (1u << 20)
#define UPDATE_BLOCKS 1000 /* how long signatures hold, without --blocks */

/* An update on its way: what the file says, decoded. */
struct update {
        uint8_t op; /* enum sigchain_op_type */
        struct lx_hash chain_id;
        uint64_t expiry;
        struct lx_buf set, what;
        struct sigchain_valset now; /* decoded from set */
        json_t *summary, *signatures;
};

static void
clear(struct update *u)
{
        lx_buf_clear(&u->set);
        lx_buf_clear(&u->what);
        json_decref(u->summary);
        json_decref(u->signatures);
        lx_free(u);
}

static bool
take_hex(const char *hex, size_t max, struct lx_buf *out)
{
        size_t len = strlen(hex) / 2;

        if (len == 0 || len > max || !lx_unhex(hex, strlen(hex), lx_buf_reserve(out, len), len))
                return false;
        lx_buf_add(out, len);
        return true;
}

static json_t *
hex_of(const void *bytes, size_t len)
{
        char *hex = lx_alloc(LX_HEX_LEN(len));
        json_t *out;

        lx_hex(bytes, len, hex);
        out = json_string(hex);
        lx_free(hex);
        return out;
}

static void
message_of(const struct update *u, struct lx_hash *out)
{
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct lx_hash set;

        sigchain_valset_hash(ops, u->set.p, u->set.len, &set);
        sigchain_update_message(
            ops, u->op, &u->chain_id, &set, u->expiry, lx_buf_span(&u->what), out);
}

/* ---- the file ---------------------------------------------------------------------------------- */

static int
write_update(struct lx *lx, const struct update *u, const char *path)
{
        json_t *o = json_pack("{s:s,s:o,s:I,s:o,s:o,s:O,s:O}", "what", sigchain_op_name(u->op),
            "chain_id", hex_of(u->chain_id.b, LX_HASH_LEN), "expiry", (json_int_t)u->expiry, "set",
            hex_of(u->set.p, u->set.len), "bytes", hex_of(u->what.p, u->what.len), "summary",
            u->summary, "signatures", u->signatures);
        char *text = json_dumps(o, JSON_INDENT(2));
        enum lx_err err = lx_file_write(path, text, strlen(text), 0644, &lx->why);

        free(text);
        json_decref(o);
        return err == LX_OK ? LX_EXIT_TRUE
                            : lx_fail(lx, LX_EXIT_IO, "cannot write %s: %s", path, lx->why.text);
}

static bool
decode_update(const json_t *o, struct update *u)
{
        struct lx_hash chain_id;

        for (unsigned type = SIGCHAIN_OP_VALIDATOR_UPDATE; type <= SIGCHAIN_OP_NODE_ADMIT; type++)
                if (strcmp(lx_str(o, "what"), sigchain_op_name(type)) == 0)
                        u->op = (uint8_t)type;
        if (u->op == 0 || !lx_parse_hash(lx_str(o, "chain_id"), &chain_id) ||
            !take_hex(lx_str(o, "set"), SIGCHAIN_VALSET_BYTES_MAX, &u->set) ||
            !take_hex(lx_str(o, "bytes"), SIGCHAIN_VALSET_BYTES_MAX, &u->what) ||
            sigchain_valset_decode(u->set.p, u->set.len, &u->now) != LX_OK)
                return false;
        u->chain_id = chain_id;
        u->expiry = lx_num(o, "expiry");
        u->summary = json_incref(json_object_get(o, "summary"));
        u->signatures = json_incref(json_object_get(o, "signatures"));
        return json_is_array(u->summary) && json_is_object(u->signatures);
}

static int
read_update(struct lx *lx, const char *path, struct update **out)
{
        struct update *u = lx_alloc(sizeof(*u));
        struct lx_buf text = {0};
        json_t *o = NULL;
        enum lx_err err = lx_file_read(path, UPDATE_FILE_MAX, &text, &lx->why);

        if (err == LX_OK)
                o = json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, NULL);
        lx_buf_clear(&text);
        if (err == LX_OK && o != NULL && decode_update(o, u)) {
                json_decref(o);
                *out = u;
                return LX_EXIT_TRUE;
        }
        json_decref(o);
        clear(u);
        return err != LX_OK
                   ? lx_fail(lx, LX_EXIT_USAGE, "cannot read %s: %s", path, lx_err_text(err))
                   : lx_fail(lx, LX_EXIT_USAGE,
                         "%s is no proposed update: make one with lx validator propose, lx parameter "
                         "propose or lx node propose",
                         path);
}

/* ---- proposing --------------------------------------------------------------------------------- */

/* The set in force, and a height for the expiry. */
static int
begin(struct lx *lx, uint8_t op, struct update **out)
{
        struct update *u = lx_alloc(sizeof(*u));
        const char *blocks = lx_option(lx, "blocks");
        uint64_t hold = UPDATE_BLOCKS;
        struct lx_kdf kdf; /* of names: not needed here */
        struct lx_hash hash, next;
        json_t *tip = NULL;
        int status = LX_EXIT_UNREACHABLE;

        if (blocks != NULL && (!lx_parse_number(blocks, &hold) || hold == 0)) {
                lx_free(u);
                return lx_fail(
                    lx, LX_EXIT_USAGE, "--blocks is a number above 0, not \"%.40s\"", blocks);
        }
        if (!lx_call(lx, "chain.header", NULL, &tip, &status) ||
            lx_network(lx, &u->chain_id, &kdf) != LX_OK ||
            !take_hex(lx_str(tip, "valset"), SIGCHAIN_VALSET_BYTES_MAX, &u->set) ||
            sigchain_valset_decode(u->set.p, u->set.len, &u->now) != LX_OK ||
            !lx_parse_hash(lx_str(json_object_get(tip, "fields"), "next_valset"), &next)) {
                json_decref(tip);
                clear(u);
                return status != LX_EXIT_TRUE ? status : LX_EXIT_UNREACHABLE;
        }
        u->op = op;
        u->expiry = lx_num(tip, "height") + hold;
        u->summary = json_array();
        u->signatures = json_object();
        json_decref(tip);
        sigchain_valset_hash(&lx_crypto_ops()->hash, u->set.p, u->set.len, &hash);
        if (!lx_hash_eq(&hash, &next)) {
                clear(u);
                return lx_fail(lx, LX_EXIT_REFUSED,
                    "the set of validators is changing in this block: propose again "
                    "after the next one");
        }
        *out = u;
        return LX_EXIT_TRUE;
}

/* The validator that @who names, by name or key; set->count: none. */
static size_t
find_validator(const struct sigchain_valset *set, const char *who, size_t who_len)
{
        for (size_t i = 0; i < set->count; i++) {
                char key[LX_HEX_LEN(LX_PUBKEY_LEN)];

                lx_hex(set->v[i].key.b, LX_PUBKEY_LEN, key);
                if ((set->v[i].name.len == who_len &&
                        memcmp(set->v[i].name.p, who, who_len) == 0) || /* public */
                    (who_len == 64 && strncmp(key, who, 64) == 0))
                        return i;
        }
        return set->count;
}

static bool
add_validator(struct sigchain_valset *set, const char *spec)
{
        const char *key = strchr(spec, ':'), *power = key != NULL ? strchr(key + 1, ':') : NULL;
        struct sigchain_validator v = {
            .name = LX_SPAN(spec, key != NULL ? (size_t)(key - spec) : 0)};
        size_t at = 0;

        if (power == NULL || set->count == SIGCHAIN_VALIDATORS_MAX ||
            !lx_unhex(key + 1, (size_t)(power - key - 1), v.key.b, LX_PUBKEY_LEN) ||
            !lx_parse_number(power + 1, &v.power))
                return false;
        while (at < set->count && memcmp(set->v[at].key.b, v.key.b, LX_PUBKEY_LEN) < 0) /* public */
                at++;
        memmove(&set->v[at + 1], &set->v[at], (set->count - at) * sizeof(v));
        set->v[at] = v;
        set->count++;
        return true;
}

static bool
change_power(struct sigchain_valset *set, const char *spec)
{
        const char *colon = strrchr(spec, ':');
        size_t i = find_validator(set, spec, colon != NULL ? (size_t)(colon - spec) : 0);

        return colon != NULL && i < set->count && lx_parse_number(colon + 1, &set->v[i].power);
}

static bool
remove_validator(struct sigchain_valset *set, const char *who)
{
        size_t i = find_validator(set, who, strlen(who));

        if (i == set->count)
                return false;
        set->count--;
        memmove(&set->v[i], &set->v[i + 1], (set->count - i) * sizeof(set->v[0]));
        return true;
}

static int
apply_changes(struct lx *lx, struct sigchain_valset *set, json_t *summary)
{
        static const struct {
                const char *name, *form;
                bool (*change)(struct sigchain_valset *set, const char *spec);
        } changes[] = {{"add", "NAME:PUBKEY:POWER", add_validator},
            {"remove", "a NAME or key of the set", remove_validator},
            {"power", "NAME:POWER of one in the set", change_power}};

        for (int i = 0; i < lx->option_count; i++)
                for (size_t k = 0; k < sizeof(changes) / sizeof(changes[0]); k++) {
                        const char *value = lx->option[i].value;

                        if (strcmp(lx->option[i].name, changes[k].name) != 0)
                                continue;
                        if (!changes[k].change(set, value))
                                return lx_fail(lx, LX_EXIT_USAGE, "--%s takes %s, not \"%.120s\"",
                                    changes[k].name, changes[k].form, value);
                        json_array_append_new(
                            summary, json_sprintf("%s %s", changes[k].name, value));
                }
        return json_array_size(summary) > 0
                   ? LX_EXIT_TRUE
                   : lx_fail(lx, LX_EXIT_USAGE, "nothing changes: give --add, --remove or --power");
}

/* The first word of the commands for updates of this kind. */
static const char *
group_of(uint8_t op)
{
        return op == SIGCHAIN_OP_VALIDATOR_UPDATE   ? "validator"
               : op == SIGCHAIN_OP_PARAMETER_UPDATE ? "parameter"
                                                    : "node";
}

static int
finish(struct lx *lx, struct update *u, int status)
{
        const char *path = lx->args[lx->arg_count - 1];

        if (status == LX_EXIT_TRUE)
                status = write_update(lx, u, path);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:s,s:I,s:O}", "file", path, "expiry",
                    (json_int_t)u->expiry, "summary", u->summary));
        else if (status == LX_EXIT_TRUE)
                printf("proposed in %s: good up to height %llu; every validator signs it with lx "
                       "%s sign\n",
                    path, (unsigned long long)u->expiry, group_of(u->op));
        clear(u);
        return status;
}

int
cmd_validator_propose(struct lx *lx)
{
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        struct update *u = NULL;
        int status = begin(lx, SIGCHAIN_OP_VALIDATOR_UPDATE, &u);

        if (status == LX_EXIT_TRUE) {
                uint8_t *bytes = lx_buf_reserve(&u->what, SIGCHAIN_VALSET_BYTES_MAX);
                struct lx_writer wr = lx_writer_init(bytes, SIGCHAIN_VALSET_BYTES_MAX);
                struct sigchain_valset check;

                *set = u->now;
                status = apply_changes(lx, set, u->summary);
                if (status == LX_EXIT_TRUE) {
                        sigchain_valset_encode(set, &wr);
                        lx_buf_add(&u->what, wr.len);
                        if (lx_writer_end(&wr) != LX_OK ||
                            sigchain_valset_decode(bytes, wr.len, &check) != LX_OK)
                                status = lx_fail(lx, LX_EXIT_USAGE,
                                    "that is no set of validators: 1 to %d of them, keys "
                                    "once each, powers from 1 to 2^48",
                                    SIGCHAIN_VALIDATORS_MAX);
                }
                status = finish(lx, u, status);
        }
        lx_free(set);
        return status;
}

/* "NAME=VALUE" into @params and @named; false: it is none. */
static bool
set_param(const char *text, bool *named, uint64_t *values)
{
        const char *equals = strchr(text, '=');

        for (unsigned id = 1; equals != NULL && id < SIGCHAIN_PARAM_COUNT_; id++) {
                const struct sigchain_param_row *row = sigchain_param_row(id);

                if (row == NULL || strlen(row->name) != (size_t)(equals - text) ||
                    strncmp(row->name, text, strlen(row->name)) != 0)
                        continue;
                named[id] = true;
                return lx_parse_number(equals + 1, &values[id]) && values[id] >= row->min &&
                       values[id] <= row->max;
        }
        return false;
}

int
cmd_parameter_propose(struct lx *lx)
{
        bool named[SIGCHAIN_PARAM_COUNT_] = {false};
        uint64_t values[SIGCHAIN_PARAM_COUNT_];
        uint16_t count = 0;
        struct lx_writer wr;
        struct update *u = NULL;
        int status;

        for (int i = 0; i < lx->arg_count - 1; i++)
                if (!set_param(lx->args[i], named, values))
                        return lx_fail(lx, LX_EXIT_USAGE,
                            "\"%.80s\" is no NAME=VALUE of a parameter in its range: lx rpc "
                            "chain.params shows them",
                            lx->args[i]);
        status = begin(lx, SIGCHAIN_OP_PARAMETER_UPDATE, &u);
        if (status != LX_EXIT_TRUE)
                return status;
        wr = lx_writer_init(
            lx_buf_reserve(&u->what, SIGCHAIN_PARAMS_BYTES_MAX), SIGCHAIN_PARAMS_BYTES_MAX);
        for (unsigned id = 1; id < SIGCHAIN_PARAM_COUNT_; id++)
                count = (uint16_t)(count + named[id]);
        lx_write_u16(&wr, count);
        for (unsigned id = 1; id < SIGCHAIN_PARAM_COUNT_; id++)
                if (named[id]) {
                        lx_write_u16(&wr, (uint16_t)id);
                        lx_write_u64(&wr, values[id]);
                        json_array_append_new(
                            u->summary, json_sprintf("%s = %llu", sigchain_param_row(id)->name,
                                            (unsigned long long)values[id]));
                }
        lx_buf_add(&u->what, wr.len);
        return finish(lx, u, LX_EXIT_TRUE);
}

int
cmd_node_propose(struct lx *lx)
{
        struct update *u = NULL;
        struct lx_hash address;
        struct lx_writer wr;
        uint64_t roles;
        char hex[65];
        int status;

        if (!lx_parse_hash(lx->args[0], &address))
                return lx_fail(lx, LX_EXIT_USAGE, "\"%.80s\" is no address of a node's register (lx eid serve prints "
                    "it)", lx->args[0]);
        if (!lx_number_option(lx, "roles", 0, UINT32_MAX, 1, &roles))
                return LX_EXIT_USAGE;
        status = begin(lx, SIGCHAIN_OP_NODE_ADMIT, &u);
        if (status != LX_EXIT_TRUE)
                return status;
        wr = lx_writer_init(lx_buf_reserve(&u->what, LX_HASH_LEN + 8), LX_HASH_LEN + 8);
        lx_write_hash(&wr, &address);
        lx_write_u64(&wr, roles);
        lx_buf_add(&u->what, wr.len);
        json_array_append_new(u->summary, json_sprintf("%s roles %llu", lx_hex_of(&address, hex),
            (unsigned long long)roles));
        return finish(lx, u, LX_EXIT_TRUE);
}

/* ---- signing ----------------------------------------------------------------------------------- */

/* What is being signed, made from the bytes and not from the file's own summary. */
static void
show_update(const struct update *u)
{
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        struct lx_reader rd = lx_reader_init(u->what.p, u->what.len);

        printf("%s, good up to height %llu:\n", sigchain_op_name(u->op),
            (unsigned long long)u->expiry);
        if (u->op == SIGCHAIN_OP_VALIDATOR_UPDATE) {
                if (sigchain_valset_decode(u->what.p, u->what.len, set) == LX_OK)
                        for (size_t i = 0; i < set->count; i++) {
                                char key[LX_HEX_LEN(LX_PUBKEY_LEN)];

                                lx_hex(set->v[i].key.b, LX_PUBKEY_LEN, key);
                                printf("  %-20.*s power %-10llu %s%s\n", (int)set->v[i].name.len,
                                    (const char *)set->v[i].name.p,
                                    (unsigned long long)set->v[i].power, key,
                                    find_validator(&u->now, key, 64) < u->now.count ? ""
                                                                                    : "  (new)");
                        }
        } else if (u->op == SIGCHAIN_OP_NODE_ADMIT) {
                struct lx_hash address = lx_read_hash(&rd);
                char hex[65];

                printf("  %s roles %llu\n", lx_hex_of(&address, hex), (unsigned long long)lx_read_u64(&rd));
        } else {
                for (uint16_t left = lx_read_u16(&rd); left > 0 && rd.err == LX_OK; left--) {
                        unsigned id = lx_read_u16(&rd);
                        uint64_t value = lx_read_u64(&rd);

                        printf("  %s = %llu\n",
                            sigchain_param_row(id) != NULL ? sigchain_param_row(id)->name : "?",
                            (unsigned long long)value);
                }
        }
        lx_free(set);
}

static int
sign_update(struct lx *lx, struct update *u, const struct keys_file *file)
{
        char key[LX_HEX_LEN(LX_PUBKEY_LEN)];
        uint8_t aux[32];
        struct lx_hash msg;
        struct lx_sig sig;

        lx_hex(file->public.b, LX_PUBKEY_LEN, key);
        if (find_validator(&u->now, key, 64) == u->now.count)
                return lx_fail(
                    lx, LX_EXIT_USAGE, "the key %s is not one of the set that decides", key);
        if (!lx->json)
                show_update(u);
        if (!lx_confirm(lx, "Sign this?"))
                return lx_fail(lx, LX_EXIT_USAGE, "not signed (--yes answers in a script)");
        message_of(u, &msg);
        lx_random(aux, sizeof(aux));
        if (lx_sign(file->secret.p, &msg, aux, &sig) != LX_OK)
                return lx_fail(lx, LX_EXIT_USAGE, "the key file holds no usable key");
        json_object_set_new(u->signatures, key, hex_of(sig.b, LX_SIG_LEN));
        return LX_EXIT_TRUE;
}

static int
sign_file(struct lx *lx)
{
        const char *path = lx_option(lx, "validator-key");
        struct keys_file file = {0};
        struct update *u = NULL;
        int status;

        if (path == NULL)
                return lx_fail(lx, LX_EXIT_USAGE, "--validator-key FILE is missing");
        if (keys_file_load(path, &file, &lx->why) != LX_OK)
                return lx_fail(lx, LX_EXIT_USAGE, NULL);
        status = read_update(lx, lx->args[0], &u);
        if (status == LX_EXIT_TRUE) {
                status = sign_update(lx, u, &file);
                if (status == LX_EXIT_TRUE)
                        status = write_update(lx, u, lx->args[0]);
                if (status == LX_EXIT_TRUE && lx->json)
                        lx_print_json(json_pack("{s:s,s:I,s:I}", "file", lx->args[0], "signatures",
                            (json_int_t)json_object_size(u->signatures), "of",
                            (json_int_t)u->now.count));
                else if (status == LX_EXIT_TRUE)
                        printf("signed: %zu of %zu validators\n", json_object_size(u->signatures),
                            u->now.count);
                clear(u);
        }
        keys_file_clear(&file);
        return status;
}

int
cmd_validator_sign(struct lx *lx)
{
        return sign_file(lx);
}

int
cmd_parameter_sign(struct lx *lx)
{
        return sign_file(lx);
}

int
cmd_node_sign(struct lx *lx)
{
        return sign_file(lx);
}

/* ---- submitting -------------------------------------------------------------------------------- */

/* Bitmap and signatures of those that verify; their power. */
static uint64_t
make_certificate(const struct update *u, struct lx_buf *out)
{
        uint8_t bitmap[SIGCHAIN_VALIDATORS_MAX / 8] = {0};
        struct lx_buf sigs = {0};
        struct lx_hash msg;
        uint64_t power = 0;

        message_of(u, &msg);
        for (size_t i = 0; i < u->now.count; i++) {
                char key[LX_HEX_LEN(LX_PUBKEY_LEN)];
                const char *hex;
                struct lx_sig sig;

                lx_hex(u->now.v[i].key.b, LX_PUBKEY_LEN, key);
                hex = json_string_value(json_object_get(u->signatures, key));
                if (hex == NULL || !lx_unhex(hex, strlen(hex), sig.b, LX_SIG_LEN) ||
                    !lx_verify(&u->now.v[i].key, &msg, &sig))
                        continue;
                bitmap[i / 8] |= (uint8_t)(0x80u >> i % 8);
                lx_buf_append(&sigs, sig.b, LX_SIG_LEN);
                power += u->now.v[i].power;
        }
        lx_buf_append(out, bitmap, (u->now.count + 7) / 8);
        lx_buf_append(out, sigs.p, sigs.len);
        lx_buf_clear(&sigs);
        return power;
}

/* Copies of one proposal, each signed by somebody, become one. */
static int
merge_files(struct lx *lx, struct update *u)
{
        struct lx_hash msg, other;

        message_of(u, &msg);
        for (int i = 1; i < lx->arg_count; i++) {
                struct update *more = NULL;
                int status = read_update(lx, lx->args[i], &more);

                if (status != LX_EXIT_TRUE)
                        return status;
                message_of(more, &other);
                if (!lx_hash_eq(&msg, &other))
                        status = lx_fail(lx, LX_EXIT_USAGE, "%s is another proposal than %s",
                            lx->args[i], lx->args[0]);
                else
                        (void)json_object_update_missing(u->signatures, more->signatures);
                clear(more);
                if (status != LX_EXIT_TRUE)
                        return status;
        }
        return LX_EXIT_TRUE;
}

static int
submit(struct lx *lx, const struct update *u, const struct lx_buf *cert)
{
        struct sigchain_op_body body = {.type = (enum sigchain_op_type)u->op};
        struct lx_ops *ops = lx_alloc(sizeof(*ops));
        struct lx_receipt receipt;
        struct lx_hash genesis;
        int status;

        body.u.update.expiry = u->expiry;
        body.u.update.what = lx_buf_span(&u->what);
        body.u.update.cert = lx_buf_span(cert);
        lx_ops_add(ops, &body);
        status = lx_submit_plain(lx, ops, &receipt, &genesis);
        lx_ops_clear(ops);
        lx_free(ops);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:I}", "height", (json_int_t)receipt.height));
        else if (status == LX_EXIT_TRUE)
                printf("in force after height %llu\n", (unsigned long long)receipt.height);
        return status;
}

static int
submit_files(struct lx *lx)
{
        struct update *u = NULL;
        struct lx_buf cert = {0};
        uint64_t power;
        int status = read_update(lx, lx->args[0], &u);

        if (status != LX_EXIT_TRUE)
                return status;
        status = merge_files(lx, u);
        if (status == LX_EXIT_TRUE) {
                power = make_certificate(u, &cert);
                status = sigchain_is_two_thirds(power, u->now.total)
                             ? submit(lx, u, &cert)
                             : lx_fail(lx, LX_EXIT_REFUSED,
                                   "%llu of %llu power signed, more than two thirds must: let more "
                                   "validators sign",
                                   (unsigned long long)power, (unsigned long long)u->now.total);
        }
        lx_buf_clear(&cert);
        clear(u);
        return status;
}

int
cmd_validator_submit(struct lx *lx)
{
        return submit_files(lx);
}

int
cmd_parameter_submit(struct lx *lx)
{
        return submit_files(lx);
}

int
cmd_node_submit(struct lx *lx)
{
        return submit_files(lx);
}
