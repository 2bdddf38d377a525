/* sigchain/apply_register.c - create, write, append, transfer, claim; see sigchain/apply.h. */
#include "config.h"
#include "sigchain/apply_int.h"

#include "merkle/log.h"

#include <string.h>

static bool
is_object(const struct sigchain_standard *standard)
{
        return standard->fields != NULL || standard->type == SIGCHAIN_OBJECT;
}

/* The data a new register starts with. */
static enum lx_err
first_data(struct apply *a, const struct sigchain_op_create *create,
    const struct sigchain_standard *standard, struct sigchain_object *object,
    struct lx_span *out_data)
{
        struct sigchain_append empty = {.count = 0};
        struct lx_writer wr;
        enum lx_err err;

        *out_data = create->data;
        if (create->type == SIGCHAIN_APPEND) {
                if (create->data.len != 0)
                        return apply_refuse(a, "append", "an append register starts empty");
                merkle_log_empty_root(apply_ops(a), &empty.root);
                wr = lx_writer_init(lx_arena_alloc(a->arena, 40), 40);
                lx_write_u64(&wr, empty.count);
                lx_write_hash(&wr, &empty.root);
                *out_data = LX_SPAN(wr.p, wr.len);
                return LX_OK;
        }
        if (!is_object(standard))
                return LX_OK;
        err = sigchain_object_decode(create->data, object);
        if (err != LX_OK) {
                lx_why_set(a->why, "rule fields: the fields of the new %s are malformed: %s",
                    standard->name, lx_err_text(err));
                return err;
        }
        err = sigchain_standard_check(standard, object, a->why);
        return err == LX_OK ? apply_check_new(a, create->type, object) : err;
}

/* Where it goes; that must be free. */
static enum lx_err
new_address(struct apply *a, const struct sigchain_standard *standard,
    const struct sigchain_object *object, struct lx_hash *out_address)
{
        uint8_t key[SIGCHAIN_NAME_MAX];
        struct lx_span ignored;
        size_t key_len = 0;
        enum lx_err err = LX_OK;

        if (is_object(standard))
                err = sigchain_canonical_key(standard->type, object, key, &key_len, a->why);
        if (err != LX_OK)
                return err;
        if (standard->type == SIGCHAIN_CRYPTO)
                sigchain_address(
                    apply_ops(a), SIGCHAIN_CRYPTO, a->signer.b, LX_HASH_LEN, out_address);
        else if (key_len > 0)
                sigchain_address(apply_ops(a), standard->type, key, key_len, out_address);
        else
                sigchain_address_created(
                    apply_ops(a), standard->type, &a->signer, a->tx->sequence, a->op, out_address);
        err = apply_get(a, SIGCHAIN_KIND_REGISTER, out_address->b, LX_HASH_LEN, &ignored);
        if (err == LX_OK) {
                lx_why_set(a->why, "rule taken: this %s is taken already", standard->name);
                return LX_ERR_EXISTS;
        }
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

static void
ask_for_index(struct apply *a, const struct sigchain_object *object, const struct lx_hash *address)
{
        struct sigchain_effect effect = {.type = SIGCHAIN_EFFECT_INDEX, .address = *address};
        uint64_t entries = 0;

        (void)sigchain_object_get_hash(object, "manifest", &effect.hash);
        (void)sigchain_object_get_u64(object, "entries", &entries);
        effect.entries = (uint32_t)entries;
        a->sink->emit(a->sink->arg, &effect);
}

enum lx_err
apply_create(struct apply *a, const struct sigchain_op_body *body)
{
        const struct sigchain_op_create *create = &body->u.create;
        const struct sigchain_standard *standard = sigchain_standard_of(create->type);
        struct sigchain_object *object = lx_arena_alloc(a->arena, sizeof(*object));
        struct sigchain_register reg = {.owner = a->signer, .created = a->context->height};
        struct lx_hash address;
        enum lx_err err;

        if (standard == NULL)
                return apply_refuse(
                    a, "type", "there is no register type %u", (unsigned)create->type);
        if (!standard->by_user)
                return apply_refuse(a, "type", "a %s register can't be created", standard->name);
        if ((create->type == SIGCHAIN_CRYPTO) != (a->tx->sequence == 0 && a->op == 0))
                return apply_refuse(a, "first-transaction",
                    "the crypto register is created by the first operation of a chain, and only "
                    "there");
        err = first_data(a, create, standard, object, &reg.data);
        if (err == LX_OK)
                err = new_address(a, standard, object, &address);
        if (err != LX_OK)
                return err;
        if (create->type == SIGCHAIN_PREFIX)
                err = apply_enter_prefix(a, object, &address);
        if (err != LX_OK)
                return err;
        reg.type = create->type;
        apply_put_register(a, &address, &reg);
        if (create->type == SIGCHAIN_RELEASE || create->type == SIGCHAIN_APPROVAL)
                ask_for_index(a, object, &address);
        return LX_OK;
}

/* ---- write ------------------------------------------------------------------------------------ */

/* Whether the signer may change @field now. */
static bool
may_write(const struct apply *a, const struct sigchain_field *field)
{
        return field->access == SIGCHAIN_MUTABLE ||
               (a->recovery && a->op == 0 && field->access == SIGCHAIN_SYSTEM &&
                   field->name.len == 8 && memcmp(field->name.p, "recovery", 8) == 0); /* public */
}

static bool
same_value(const struct sigchain_field *x, const struct sigchain_field *y)
{
        return x->u64 == y->u64 && x->bytes.len == y->bytes.len &&
               (x->bytes.len == 0 ||
                   memcmp(x->bytes.p, y->bytes.p, x->bytes.len) == 0); /* public */
}

static enum lx_err
merge_field(struct apply *a, const struct sigchain_standard *standard,
    struct sigchain_object *object, const struct sigchain_field *change, bool *changed)
{
        for (size_t i = 0; i < object->count; i++) {
                struct sigchain_field *field = &object->field[i];

                if (field->name.len != change->name.len ||
                    memcmp(field->name.p, change->name.p, change->name.len) != 0) /* public */
                        continue;
                if (field->type != change->type)
                        return apply_refuse(a, "field-type", "field %.*s has another type",
                            (int)field->name.len, (const char *)field->name.p);
                if (!may_write(a, field))
                        return apply_refuse(a, "field-fixed", "field %.*s can't be written",
                            (int)field->name.len, (const char *)field->name.p);
                if (standard->fields != NULL && standard->fields[i].len != 0 &&
                    change->bytes.len != standard->fields[i].len)
                        return apply_refuse(a, "schema", "field %.*s has %u bytes",
                            (int)field->name.len, (const char *)field->name.p,
                            standard->fields[i].len);
                *changed |= !same_value(field, change);
                field->u64 = change->u64;
                field->bytes = change->bytes;
                return LX_OK;
        }
        return apply_refuse(a, "field", "there is no field %.*s", (int)change->name.len,
            (const char *)change->name.p);
}

/* The crypto register keeps a sound KDF; a recovery uses its key up. */
static enum lx_err
check_crypto_write(struct apply *a, struct sigchain_object *object, const struct lx_hash *before)
{
        struct lx_hash after;
        uint64_t use = 0;

        if (a->recovery && a->op == 0) {
                if (!sigchain_object_get_hash(object, "recovery", &after) ||
                    lx_hash_is_zero(&after) || lx_hash_eq(before, &after))
                        return apply_refuse(
                            a, "recovery", "a recovery sets a new recovery hash, not the used one");
                (void)sigchain_object_get_u64(object, "recovery_use", &use);
                apply_set_u64(object, "recovery_use", use + 1);
        }
        return apply_check_new(a, SIGCHAIN_CRYPTO, object);
}

static enum lx_err
write_fields(struct apply *a, const struct sigchain_standard *standard,
    struct sigchain_register *reg, struct lx_span data)
{
        struct sigchain_object *object = lx_arena_alloc(a->arena, sizeof(*object));
        struct sigchain_object *changes = lx_arena_alloc(a->arena, sizeof(*changes));
        struct lx_hash recovery = {{0}};
        bool changed = false;
        struct lx_writer size;
        enum lx_err err = sigchain_object_decode(data, changes);

        if (err != LX_OK) {
                lx_why_set(
                    a->why, "rule fields: the fields to write are malformed: %s", lx_err_text(err));
                return err;
        }
        if (sigchain_object_decode(reg->data, object) != LX_OK)
                return LX_ERR_CORRUPT;
        (void)sigchain_object_get_hash(object, "recovery", &recovery);
        for (size_t i = 0; i < changes->count; i++) {
                err = merge_field(a, standard, object, &changes->field[i], &changed);
                if (err != LX_OK)
                        return err;
        }
        /* Of the crypto register it may: a change of password keeps the KDF and commits to a new key. */
        if (!changed && reg->type != SIGCHAIN_CRYPTO)
                return apply_refuse(a, "no-change", "the write changes nothing");
        if (reg->type == SIGCHAIN_CRYPTO)
                err = check_crypto_write(a, object, &recovery);
        if (err != LX_OK)
                return err;
        size = lx_writer_init(NULL, SIGCHAIN_DATA_MAX);
        sigchain_object_encode(object, &size);
        if (lx_writer_end(&size) != LX_OK)
                return apply_refuse(
                    a, "size", "a register holds at most %d bytes", SIGCHAIN_DATA_MAX);
        reg->data = apply_encode_object(a, object);
        return LX_OK;
}

enum lx_err
apply_write(struct apply *a, const struct sigchain_op_body *body)
{
        const struct sigchain_op_write *op = &body->u.write;
        const struct sigchain_standard *standard;
        struct sigchain_register reg;
        enum lx_err err = apply_get_owned(a, &op->address, &reg);

        if (err != LX_OK)
                return err;
        standard = sigchain_standard_of(reg.type);
        if (reg.type == SIGCHAIN_RAW) {
                if (reg.data.len == op->data.len &&
                    memcmp(reg.data.p, op->data.p, op->data.len) == 0) /* public */
                        return apply_refuse(a, "no-change", "the write changes nothing");
                reg.data = op->data;
        } else if (standard != NULL && is_object(standard)) {
                err = write_fields(a, standard, &reg, op->data);
        } else {
                err = apply_refuse(a, "kind", "a register of this kind can't be written");
        }
        if (err == LX_OK)
                apply_put_register(a, &op->address, &reg);
        return err;
}

/* ---- append ----------------------------------------------------------------------------------- */

struct appending {
        struct apply *a;
        const struct lx_hash *address;
};

static void
put_node(void *arg, unsigned level, uint64_t index, const struct lx_hash *node)
{
        struct appending *ap = arg;

        apply_put_log_node(ap->a, ap->address, level, index, node);
}

/* The edge of the register's log, from its stored nodes. */
static enum lx_err
load_frontier(struct apply *a, const struct lx_hash *address, uint64_t count,
    struct merkle_frontier *out_frontier)
{
        uint64_t start = 0;
        unsigned peak = 0;

        out_frontier->size = count;
        for (unsigned level = 64; level-- > 0;) {
                enum lx_err err;

                if ((count >> level & 1) == 0)
                        continue;
                err =
                    apply_log_node(a, address, level, start >> level, &out_frontier->peak[peak++]);
                if (err != LX_OK)
                        return err == LX_ERR_ABSENT ? LX_ERR_CORRUPT : err;
                start += 1ull << level;
        }
        return LX_OK;
}

enum lx_err
apply_append(struct apply *a, const struct sigchain_op_body *body)
{
        const struct sigchain_op_append *op = &body->u.append;
        struct appending appending = {a, &op->address};
        struct merkle_frontier *frontier = lx_arena_alloc(a->arena, sizeof(*frontier));
        struct sigchain_register reg;
        struct sigchain_append state;
        struct lx_hash root;
        struct lx_writer wr;
        enum lx_err err = apply_get_owned(a, &op->address, &reg);

        if (err != LX_OK)
                return err;
        if (reg.type != SIGCHAIN_APPEND)
                return apply_refuse(a, "kind", "only append registers take entries");
        if (sigchain_append_decode(reg.data, &state) != LX_OK)
                return LX_ERR_CORRUPT;
        err = load_frontier(a, &op->address, state.count, frontier);
        if (err != LX_OK)
                return err;
        for (size_t i = 0; i < op->count; i++) {
                struct sigchain_effect effect = {.type = SIGCHAIN_EFFECT_ENTRY,
                    .address = op->address,
                    .index = frontier->size,
                    .value = op->entry[i]};
                struct lx_hash leaf;

                merkle_log_leaf(apply_ops(a), op->entry[i].p, op->entry[i].len, &leaf);
                a->sink->emit(a->sink->arg, &effect);
                merkle_frontier_append(apply_ops(a), frontier, &leaf, put_node, &appending);
        }
        merkle_frontier_root(apply_ops(a), frontier, &root);
        wr = lx_writer_init(lx_arena_alloc(a->arena, 40), 40);
        lx_write_u64(&wr, frontier->size);
        lx_write_hash(&wr, &root);
        reg.data = LX_SPAN(wr.p, wr.len);
        apply_put_register(a, &op->address, &reg);
        return LX_OK;
}

/* ---- transfer and claim ----------------------------------------------------------------------- */

/* Whether the validators admitted this node: for its owner, not for another. */
static bool
has_roles(const struct sigchain_register *reg)
{
        struct sigchain_object object;
        uint64_t roles = 0;

        return sigchain_object_decode(reg->data, &object) == LX_OK &&
               sigchain_object_get_u64(&object, "roles", &roles) && roles != 0;
}

enum lx_err
apply_transfer(struct apply *a, const struct sigchain_op_body *body)
{
        const struct sigchain_op_transfer *op = &body->u.transfer;
        struct sigchain_register reg;
        enum lx_err err = apply_get_owned(a, &op->address, &reg);

        if (err != LX_OK)
                return err;
        if (reg.type == SIGCHAIN_CRYPTO || reg.type == SIGCHAIN_INDEX)
                return apply_refuse(a, "transfer", "this register stays with its chain");
        if (reg.type == SIGCHAIN_NODE && has_roles(&reg))
                return apply_refuse(a, "transfer", "an admitted node stays with its chain");
        if (lx_hash_eq(&reg.pending, &op->to))
                return apply_refuse(a, "no-change", "that offer stands already");
        if (lx_hash_eq(&op->to, &a->signer))
                return apply_refuse(a, "transfer", "it is yours already");
        reg.pending = op->to;
        apply_put_register(a, &op->address, &reg);
        return LX_OK;
}

enum lx_err
apply_claim(struct apply *a, const struct sigchain_op_body *body)
{
        struct sigchain_register reg;
        enum lx_err err = apply_get_register(a, &body->u.claim.address, &reg);
        bool mine;

        if (err != LX_OK)
                return err;
        mine = lx_hash_eq(&reg.pending, &a->signer);
        if (!mine && reg.type == SIGCHAIN_PREFIX)
                err = apply_take_back_prefix(a, &reg, &mine);
        if (err != LX_OK)
                return err;
        if (!mine) {
                lx_why_set(a->why, "rule claim: the register is not offered to this chain%s",
                    reg.type == SIGCHAIN_PREFIX ? ", nor is the prefix around it its own" : "");
                return LX_ERR_DENIED;
        }
        reg.owner = a->signer;
        reg.pending = (struct lx_hash){{0}};
        apply_put_register(a, &body->u.claim.address, &reg);
        return LX_OK;
}
