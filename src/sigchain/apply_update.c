/* sigchain/apply_update.c - what validators sign: their set, parameters, nodes; the genesis state. */
#include "config.h"
#include "sigchain/apply_int.h"

#include "base/assert.h"

#include <string.h>

/* A state that is always there. */
static enum lx_err
get_always(struct apply *a, enum sigchain_kind kind, struct lx_span *out_value)
{
        enum lx_err err = apply_get(a, kind, NULL, 0, out_value);

        return err == LX_ERR_ABSENT ? LX_ERR_CORRUPT : err;
}

/* More than two thirds of the set in force must have signed exactly this; *out_msg is what. */
static enum lx_err
check_certificate(struct apply *a, const struct sigchain_op_body *body, struct lx_hash *out_msg)
{
        const struct sigchain_op_update *op = &body->u.update;
        struct sigchain_valset *set = lx_arena_alloc(a->arena, sizeof(*set));
        struct lx_reader rd = lx_reader_init(op->cert.p, op->cert.len);
        struct lx_hash set_hash;
        struct lx_span value;
        uint64_t power;
        enum lx_err err = get_always(a, SIGCHAIN_KIND_VALSET, &value);

        if (err != LX_OK)
                return err;
        if (sigchain_valset_decode(value.p, value.len, set) != LX_OK)
                return LX_ERR_CORRUPT;
        sigchain_valset_hash(apply_ops(a), value.p, value.len, &set_hash);
        sigchain_update_message(apply_ops(a), (uint8_t)body->type, &a->context->chain_id, &set_hash,
            op->expiry, op->what, out_msg);
        err = sigchain_valset_verify(a->context->ops, set, &rd, out_msg, &power, NULL, NULL);
        if (err == LX_OK)
                err = lx_reader_end(&rd);
        if (err != LX_OK) {
                lx_why_set(a->why, "rule certificate: the update's certificate does not verify: %s",
                    lx_err_text(err));
                return err;
        }
        if (!sigchain_is_two_thirds(power, set->total))
                return apply_refuse(a, "certificate",
                    "%llu of %llu power signed, more than 2/3 must", (unsigned long long)power,
                    (unsigned long long)set->total);
        return LX_OK;
}

/* What was signed once works once: else anybody could bring back old values until the expiry. */
static enum lx_err
use_up(struct apply *a, const struct lx_hash *msg)
{
        uint8_t height[8];
        struct lx_span value;
        enum lx_err err = apply_get(a, SIGCHAIN_KIND_UPDATE, msg->b, LX_HASH_LEN, &value);

        if (err == LX_OK) {
                lx_why_set(a->why, "rule taken: this update was applied already");
                return LX_ERR_EXISTS;
        }
        if (err != LX_ERR_ABSENT)
                return err;
        lx_put_be64(height, a->context->height);
        apply_put(a, SIGCHAIN_KIND_UPDATE, msg->b, LX_HASH_LEN, LX_SPAN(height, sizeof(height)));
        return LX_OK;
}

/* What stays as genesis had it, and the rule version, which is raised only. */
static enum lx_err
check_params(
    struct apply *a, const struct sigchain_params *before, const struct sigchain_params *after)
{
        if (after->value[SIGCHAIN_RULE_VERSION] < before->value[SIGCHAIN_RULE_VERSION])
                return apply_refuse(a, "rule-version", "it is raised only");
        for (unsigned id = 1; id < SIGCHAIN_PARAM_COUNT_; id++)
                if (sigchain_param_row(id)->fixed && after->value[id] != before->value[id])
                        return apply_refuse(a, "parameters", "%s stays as genesis has it",
                            sigchain_param_row(id)->name);
        return LX_OK;
}

static enum lx_err
update_params(struct apply *a, struct lx_span what)
{
        struct sigchain_params before, after;
        uint8_t bytes[SIGCHAIN_PARAMS_BYTES_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_span value;
        enum lx_err err = get_always(a, SIGCHAIN_KIND_PARAMS, &value);

        if (err != LX_OK)
                return err;
        if (sigchain_params_decode(value.p, value.len, &before) != LX_OK)
                return LX_ERR_CORRUPT;
        after = before;
        err = sigchain_params_change(what.p, what.len, &after);
        if (err != LX_OK) {
                lx_why_set(a->why, "rule parameters: they are malformed or out of range: %s",
                    lx_err_text(err));
                return err;
        }
        err = check_params(a, &before, &after);
        if (err != LX_OK)
                return err;
        sigchain_params_encode(&after, &wr);
        lx_assert(lx_writer_end(&wr) == LX_OK);
        apply_put(a, SIGCHAIN_KIND_PARAMS, NULL, 0, LX_SPAN(bytes, wr.len));
        return LX_OK;
}

/* Whom evidence convicted never comes back (ledger/evidence.h). */
static enum lx_err
check_convicted(struct apply *a, const struct sigchain_valset *set)
{
        for (size_t i = 0; i < set->count; i++) {
                struct lx_span since;
                enum lx_err err =
                    apply_get(a, SIGCHAIN_KIND_CONVICTED, set->v[i].key.b, LX_PUBKEY_LEN, &since);

                if (err == LX_OK)
                        return apply_refuse(a, "validators",
                            "evidence convicted the key in place %zu of the new set: use a new key",
                            i);
                if (err != LX_ERR_ABSENT)
                        return err;
        }
        return LX_OK;
}

static enum lx_err
update_validators(struct apply *a, struct lx_span what)
{
        struct sigchain_valset *set = lx_arena_alloc(a->arena, sizeof(*set));
        enum lx_err err = sigchain_valset_decode(what.p, what.len, set);

        if (err != LX_OK) {
                lx_why_set(
                    a->why, "rule validators: the new set is malformed: %s", lx_err_text(err));
                return err;
        }
        err = check_convicted(a, set);
        if (err != LX_OK)
                return err;
        apply_put(a, SIGCHAIN_KIND_VALSET, NULL, 0, what);
        return LX_OK;
}

/* Give a node its roles; 0 takes them away. An offer to another owner falls. */
static enum lx_err
admit_node(struct apply *a, struct lx_span what)
{
        struct lx_reader rd = lx_reader_init(what.p, what.len);
        struct lx_hash address = lx_read_hash(&rd);
        uint64_t roles = lx_read_u64(&rd);
        struct sigchain_object *object = lx_arena_alloc(a->arena, sizeof(*object));
        struct sigchain_register reg;
        enum lx_err err = lx_reader_end(&rd);

        if (err != LX_OK) {
                lx_why_set(a->why, "rule node: an address and roles are admitted, nothing else");
                return err;
        }
        err = apply_get_register(a, &address, &reg);
        if (err != LX_OK)
                return err;
        if (reg.type != SIGCHAIN_NODE)
                return apply_refuse(a, "node", "only node registers are admitted");
        if (sigchain_object_decode(reg.data, object) != LX_OK)
                return LX_ERR_CORRUPT;
        apply_set_u64(object, "roles", roles);
        reg.data = apply_encode_object(a, object);
        reg.pending = (struct lx_hash){{0}};
        apply_put_register(a, &address, &reg);
        return LX_OK;
}

enum lx_err
apply_update(struct apply *a, const struct sigchain_op_body *body)
{
        const struct sigchain_op_update *op = &body->u.update;
        struct lx_hash msg;
        enum lx_err err;

        if (op->expiry < a->context->height) {
                lx_why_set(a->why, "rule expiry: the update's signatures held up to height %llu",
                    (unsigned long long)op->expiry);
                return LX_ERR_EXPIRED;
        }
        err = check_certificate(a, body, &msg);
        if (err == LX_OK)
                err = use_up(a, &msg);
        if (err != LX_OK)
                return err;
        if (body->type == SIGCHAIN_OP_PARAMETER_UPDATE)
                return update_params(a, op->what);
        return body->type == SIGCHAIN_OP_NODE_ADMIT ? admit_node(a, op->what)
                                                    : update_validators(a, op->what);
}

/* ---- genesis ---------------------------------------------------------------------------------- */

void
sigchain_token_address(
    const struct lx_hash_ops *ops, const struct lx_hash *chain_id, struct lx_hash *out)
{
        sigchain_address(ops, SIGCHAIN_TOKEN, chain_id->b, LX_HASH_LEN, out);
}

static struct sigchain_field
field_u64(const char *name, enum sigchain_access access, uint64_t value)
{
        return (struct sigchain_field){.name = LX_SPAN(name, strlen(name)),
            .type = SIGCHAIN_U64,
            .access = access,
            .u64 = value};
}

static struct sigchain_field
field_bytes(const char *name, enum sigchain_field_type type, enum sigchain_access access,
    const void *p, size_t len)
{
        return (struct sigchain_field){.name = LX_SPAN(name, strlen(name)),
            .type = type,
            .access = access,
            .bytes = LX_SPAN(p, len)};
}

static void
put_object(struct apply *a, enum sigchain_type type, const struct lx_hash *owner,
    const struct lx_hash *address, const struct sigchain_object *object)
{
        struct sigchain_register reg = {
            .type = type, .owner = *owner, .data = apply_encode_object(a, object)};

        lx_assert(sigchain_standard_check(sigchain_standard_of(type), object, NULL) == LX_OK);
        apply_put_register(a, address, &reg);
}

static void
put_token(struct apply *a, const struct sigchain_genesis *g)
{
        const struct lx_hash nobody = {{0}};
        struct sigchain_object object = {.count = 4,
            .field = {field_bytes("name", SIGCHAIN_TEXT, SIGCHAIN_FIXED, g->token_name,
                          strlen(g->token_name)),
                field_u64("decimals", SIGCHAIN_FIXED, g->token_decimals),
                field_u64("supply", SIGCHAIN_FIXED, g->token_supply),
                field_u64("balance", SIGCHAIN_SYSTEM, 0)}};

        put_object(a, SIGCHAIN_TOKEN, &nobody, &a->context->token, &object);
        for (size_t i = 0; i < g->allocation_count; i++) {
                uint8_t key[2 * LX_HASH_LEN];
                struct lx_hash address;
                struct sigchain_object account = {.count = 2,
                    .field = {field_bytes("token", SIGCHAIN_ADDRESS, SIGCHAIN_FIXED,
                                  a->context->token.b, LX_HASH_LEN),
                        field_u64("balance", SIGCHAIN_SYSTEM, g->allocation[i].amount)}};

                memcpy(key, g->allocation[i].genesis.b, LX_HASH_LEN);
                memcpy(key + LX_HASH_LEN, a->context->token.b, LX_HASH_LEN);
                sigchain_address(apply_ops(a), SIGCHAIN_ACCOUNT, key, sizeof(key), &address);
                put_object(a, SIGCHAIN_ACCOUNT, &g->allocation[i].genesis, &address, &account);
        }
}

static enum lx_err
put_root_prefix(struct apply *a, const struct sigchain_root_prefix *root)
{
        const struct lx_hash none = {{0}};
        uint8_t key[SIGCHAIN_NAME_MAX];
        struct lx_hash address;
        size_t key_len;
        struct sigchain_object object = {.count = 5,
            .field = {field_u64("instance", SIGCHAIN_FIXED, root->instance),
                field_u64("family", SIGCHAIN_FIXED, root->family),
                field_bytes("prefix", SIGCHAIN_BYTES, SIGCHAIN_FIXED, root->prefix, 16),
                field_u64("bits", SIGCHAIN_FIXED, root->bits),
                field_bytes("eid", SIGCHAIN_ADDRESS, SIGCHAIN_MUTABLE, none.b, LX_HASH_LEN)}};
        enum lx_err err = sigchain_canonical_key(SIGCHAIN_PREFIX, &object, key, &key_len, a->why);

        if (err != LX_OK)
                return err;
        sigchain_address(apply_ops(a), SIGCHAIN_PREFIX, key, key_len, &address);
        err = apply_enter_prefix(a, &object, &address);
        if (err == LX_OK)
                put_object(a, SIGCHAIN_PREFIX, &root->owner, &address, &object);
        return err;
}

static enum lx_err
nothing_there(void *arg, const struct lx_hash *key, struct lx_buf *out)
{
        (void)arg, (void)key, (void)out;
        return LX_ERR_ABSENT;
}

static enum lx_err
put_genesis(struct apply *a, const struct sigchain_genesis *g)
{
        uint8_t *bytes = lx_arena_alloc(a->arena, SIGCHAIN_VALSET_BYTES_MAX);
        struct lx_writer wr = lx_writer_init(bytes, SIGCHAIN_VALSET_BYTES_MAX);
        enum lx_err err = LX_OK;

        sigchain_params_encode(&g->params, &wr);
        apply_put(a, SIGCHAIN_KIND_PARAMS, NULL, 0, LX_SPAN(bytes, wr.len));
        wr = lx_writer_init(bytes, SIGCHAIN_VALSET_BYTES_MAX);
        sigchain_valset_encode(&g->validators, &wr);
        apply_put(a, SIGCHAIN_KIND_VALSET, NULL, 0, LX_SPAN(bytes, wr.len));
        put_token(a, g);
        for (size_t i = 0; i < g->root_count && err == LX_OK; i++)
                err = put_root_prefix(a, &g->root[i]);
        return err;
}

enum lx_err
sigchain_apply_genesis(const struct lx_crypto_ops *ops, const struct lx_hash *chain_id,
    const struct sigchain_genesis *genesis, const struct sigchain_sink *sink, struct lx_why *why)
{
        struct sigchain_context context = {
            .ops = ops, .chain_id = *chain_id, .height = 0, .params = &genesis->params};
        const struct sigchain_view view = {.get = nothing_there, .trie_node = nothing_there};
        struct apply a = {
            .context = &context, .view = &view, .sink = sink, .why = why, .arena = lx_arena_new(0)};
        enum lx_err err;

        sigchain_token_address(&ops->hash, chain_id, &context.token);
        err = put_genesis(&a, genesis);
        lx_arena_free(a.arena);
        return err;
}
