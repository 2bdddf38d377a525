/* sigchain/apply.c - the rules of whole transactions; see sigchain/apply.h. */
#include "config.h"
#include "sigchain/apply_int.h"

#include "base/assert.h"
#include "crypto/tags.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The table of operations. */
static const struct {
        enum sigchain_op_type type;
        enum lx_err (*apply)(struct apply *a, const struct sigchain_op_body *body);
} OPERATIONS[] = {
    {SIGCHAIN_OP_CREATE, apply_create},
    {SIGCHAIN_OP_WRITE, apply_write},
    {SIGCHAIN_OP_APPEND, apply_append},
    {SIGCHAIN_OP_TRANSFER, apply_transfer},
    {SIGCHAIN_OP_CLAIM, apply_claim},
    {SIGCHAIN_OP_DEBIT, apply_debit},
    {SIGCHAIN_OP_CREDIT, apply_credit},
    {SIGCHAIN_OP_REVOKE, apply_revoke},
    {SIGCHAIN_OP_VALIDATOR_UPDATE, apply_update},
    {SIGCHAIN_OP_PARAMETER_UPDATE, apply_update},
    {SIGCHAIN_OP_NODE_ADMIT, apply_update},
};

enum lx_err
apply_refuse(struct apply *a, const char *rule, const char *fmt, ...)
{
        char text[LX_WHY_MAX];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        lx_why_set(a->why, "rule %s: %.280s", rule, text);
        return LX_ERR_RULE;
}

/* ---- the overlay ------------------------------------------------------------------------------ */

static void
remember(struct apply *a, enum sigchain_effect_type type, const struct lx_hash *id, unsigned level,
    uint64_t index, struct lx_span value)
{
        struct overlay *o = lx_arena_alloc(a->arena, sizeof(*o));

        *o = (struct overlay){.next = a->overlay,
            .type = type,
            .id = *id,
            .level = level,
            .index = index,
            .value = LX_SPAN(lx_arena_memdup(a->arena, value.p, value.len), value.len)};
        a->overlay = o;
}

static const struct overlay *
recall(const struct apply *a, enum sigchain_effect_type type, const struct lx_hash *id,
    unsigned level, uint64_t index)
{
        for (const struct overlay *o = a->overlay; o != NULL; o = o->next)
                if (o->type == type && o->level == level && o->index == index &&
                    lx_hash_eq(&o->id, id))
                        return o;
        return NULL;
}

enum lx_err
apply_get(struct apply *a, enum sigchain_kind kind, const void *key, size_t key_len,
    struct lx_span *out_value)
{
        struct lx_buf value = {0};
        struct lx_hash state_key;
        const struct overlay *o;
        enum lx_err err;

        sigchain_state_key(apply_ops(a), kind, key, key_len, &state_key);
        o = recall(a, SIGCHAIN_EFFECT_STATE, &state_key, 0, 0);
        if (o != NULL) {
                *out_value = o->value;
                return o->value.len > 0 ? LX_OK : LX_ERR_ABSENT;
        }
        err = a->view->get(a->view->arg, &state_key, &value);
        if (err == LX_OK)
                *out_value = LX_SPAN(lx_arena_memdup(a->arena, value.p, value.len), value.len);
        lx_buf_clear(&value);
        return err;
}

void
apply_put(
    struct apply *a, enum sigchain_kind kind, const void *key, size_t key_len, struct lx_span value)
{
        struct sigchain_effect effect = {.type = SIGCHAIN_EFFECT_STATE,
            .kind = kind,
            .key = LX_SPAN(key, key_len),
            .value = value};

        sigchain_state_key(apply_ops(a), kind, key, key_len, &effect.state_key);
        remember(a, SIGCHAIN_EFFECT_STATE, &effect.state_key, 0, 0, value);
        a->sink->emit(a->sink->arg, &effect);
}

enum lx_err
apply_log_node(struct apply *a, const struct lx_hash *address, unsigned level, uint64_t index,
    struct lx_hash *out)
{
        const struct overlay *o = recall(a, SIGCHAIN_EFFECT_LOG_NODE, address, level, index);

        if (o == NULL)
                return a->view->log_node(a->view->arg, address, level, index, out);
        memcpy(out->b, o->value.p, LX_HASH_LEN);
        return LX_OK;
}

void
apply_put_log_node(struct apply *a, const struct lx_hash *address, unsigned level, uint64_t index,
    const struct lx_hash *node)
{
        struct sigchain_effect effect = {.type = SIGCHAIN_EFFECT_LOG_NODE,
            .address = *address,
            .level = level,
            .index = index,
            .hash = *node};

        remember(a, SIGCHAIN_EFFECT_LOG_NODE, address, level, index, LX_SPAN(node->b, LX_HASH_LEN));
        a->sink->emit(a->sink->arg, &effect);
}

enum lx_err
apply_trie_node(void *arg, const struct lx_hash *hash, struct lx_buf *out)
{
        struct apply *a = arg;
        const struct overlay *o = recall(a, SIGCHAIN_EFFECT_TRIE_NODE, hash, 0, 0);

        if (o == NULL)
                return a->view->trie_node(a->view->arg, hash, out);
        lx_buf_append(out, o->value.p, o->value.len);
        return LX_OK;
}

void
apply_put_trie_node(void *arg, const struct lx_hash *hash, const uint8_t *bytes, size_t len)
{
        struct apply *a = arg;
        struct sigchain_effect effect = {
            .type = SIGCHAIN_EFFECT_TRIE_NODE, .hash = *hash, .value = LX_SPAN(bytes, len)};

        remember(a, SIGCHAIN_EFFECT_TRIE_NODE, hash, 0, 0, effect.value);
        a->sink->emit(a->sink->arg, &effect);
}

/* ---- registers -------------------------------------------------------------------------------- */

enum lx_err
apply_get_register(
    struct apply *a, const struct lx_hash *address, struct sigchain_register *out_reg)
{
        struct lx_span value;
        enum lx_err err = apply_get(a, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, &value);

        if (err == LX_ERR_ABSENT) {
                char hex[LX_HEX_LEN(LX_HASH_LEN)];

                lx_hex(address->b, LX_HASH_LEN, hex);
                lx_why_set(a->why, "rule register: there is no register %s", hex);
        }
        if (err != LX_OK)
                return err;
        return sigchain_register_decode(value.p, value.len, out_reg) == LX_OK ? LX_OK
                                                                              : LX_ERR_CORRUPT;
}

enum lx_err
apply_get_owned(struct apply *a, const struct lx_hash *address, struct sigchain_register *out_reg)
{
        enum lx_err err = apply_get_register(a, address, out_reg);

        if (err != LX_OK || lx_hash_eq(&out_reg->owner, &a->signer))
                return err;
        lx_why_set(a->why, "rule owner: the register belongs to another signature chain");
        return LX_ERR_DENIED;
}

void
apply_put_register(
    struct apply *a, const struct lx_hash *address, const struct sigchain_register *reg)
{
        struct sigchain_register now = *reg;
        uint8_t bytes[SIGCHAIN_REGISTER_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        now.modified = a->context->height;
        sigchain_register_encode(&now, &wr);
        lx_assert(lx_writer_end(&wr) == LX_OK);
        apply_put(a, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, LX_SPAN(bytes, wr.len));
}

struct lx_span
apply_encode_object(struct apply *a, const struct sigchain_object *object)
{
        uint8_t *bytes = lx_arena_alloc(a->arena, SIGCHAIN_DATA_MAX);
        struct lx_writer wr = lx_writer_init(bytes, SIGCHAIN_DATA_MAX);

        sigchain_object_encode(object, &wr);
        lx_assert(lx_writer_end(&wr) == LX_OK);
        return LX_SPAN(bytes, wr.len);
}

void
apply_set_u64(struct sigchain_object *object, const char *name, uint64_t value)
{
        for (size_t i = 0; i < object->count; i++)
                if (&object->field[i] == sigchain_object_find(object, name))
                        object->field[i].u64 = value;
}

/* ---- the transaction -------------------------------------------------------------------------- */

static enum lx_err
check_place(struct apply *a, const struct sigchain_chain *chain)
{
        const struct sigchain_tx *tx = a->tx;

        if (tx->version == SIGCHAIN_TX_EVIDENCE)
                return apply_refuse(a, "evidence", "it belongs to no chain");
        if (!lx_hash_eq(&tx->chain_id, &a->context->chain_id))
                return apply_refuse(a, "network", "the transaction is for another network");
        if (tx->expiry != 0 && tx->expiry < a->context->height) {
                lx_why_set(a->why,
                    "rule expiry: it could be included up to height %llu, this is %llu",
                    (unsigned long long)tx->expiry, (unsigned long long)a->context->height);
                return LX_ERR_EXPIRED;
        }
        if (tx->sequence != chain->sequence || !lx_hash_eq(&tx->previous, &chain->last)) {
                lx_why_set(a->why,
                    "rule sequence: transaction %llu of this chain comes next, not %llu",
                    (unsigned long long)chain->sequence, (unsigned long long)tx->sequence);
                return LX_ERR_SEQUENCE;
        }
        if (lx_hash_is_zero(&tx->next))
                return apply_refuse(a, "next-key", "the next key's hash is zero");
        if (sigchain_tx_witness(tx, SIGCHAIN_ROLE_SPONSOR) ||
            sigchain_tx_witness(tx, SIGCHAIN_ROLE_DELEGATE))
                return apply_refuse(a, "role", "sponsors and delegates are not in use yet");
        for (size_t i = 0; i < tx->witness_count; i++) {
                struct lx_hash used;

                sigchain_next_hash(apply_ops(a), &tx->witness[i].key, &used);
                if (lx_hash_eq(&used, &tx->next))
                        return apply_refuse(
                            a, "next-key", "the next key is one that signs this transaction");
        }
        return LX_OK;
}

static enum lx_err
refuse_key(struct apply *a, const char *text)
{
        lx_why_set(a->why, "rule witness: %s", text);
        return LX_ERR_SIGNATURE;
}

/* The first transaction proves the name; what follows is signed by committed keys. */
static enum lx_err
check_first(struct apply *a)
{
        const struct sigchain_witness *name = sigchain_tx_witness(a->tx, SIGCHAIN_ROLE_NAME);
        const struct sigchain_witness *chain = sigchain_tx_witness(a->tx, SIGCHAIN_ROLE_CHAIN);
        struct lx_hash genesis;

        if (name == NULL || chain == NULL || a->tx->witness_count != 2)
                return refuse_key(
                    a, "a first transaction is signed by the chain's key and the name key");
        sigchain_genesis_id(apply_ops(a), &name->key, &genesis);
        if (!lx_hash_eq(&genesis, &a->tx->genesis))
                return refuse_key(a, "the name key is not the one that the genesis id is of");
        if (a->tx->op[0].type != SIGCHAIN_OP_CREATE || a->tx->op[0].body.len < 1 ||
            a->tx->op[0].body.p[0] != SIGCHAIN_CRYPTO)
                return apply_refuse(
                    a, "first-transaction", "its first operation creates the crypto register");
        return LX_OK;
}

static enum lx_err
check_recovery(struct apply *a, const struct sigchain_witness *witness)
{
        struct sigchain_register reg;
        struct sigchain_object object;
        struct lx_hash address, committed, hash;
        enum lx_err err;

        sigchain_address(apply_ops(a), SIGCHAIN_CRYPTO, a->signer.b, LX_HASH_LEN, &address);
        err = apply_get_register(a, &address, &reg);
        if (err != LX_OK)
                return err;
        if (sigchain_object_decode(reg.data, &object) != LX_OK ||
            !sigchain_object_get_hash(&object, "recovery", &committed))
                return LX_ERR_CORRUPT;
        sigchain_next_hash(apply_ops(a), &witness->key, &hash);
        if (lx_hash_is_zero(&committed) || !lx_hash_eq(&hash, &committed))
                return refuse_key(a, "the recovery key is not the committed one: "
                                     "the words are another profile's, or were used before");
        if (a->tx->op[0].type != SIGCHAIN_OP_WRITE || a->tx->op[0].body.len < LX_HASH_LEN ||
            memcmp(a->tx->op[0].body.p, address.b, LX_HASH_LEN) != 0) /* public */
                return apply_refuse(a, "recovery",
                    "its first operation writes a new recovery hash to the crypto register");
        a->recovery = true;
        return LX_OK;
}

static enum lx_err
check_witnesses(struct apply *a, const struct sigchain_chain *chain)
{
        const struct sigchain_witness *key = sigchain_tx_witness(a->tx, SIGCHAIN_ROLE_CHAIN);
        const struct sigchain_witness *recovery =
            sigchain_tx_witness(a->tx, SIGCHAIN_ROLE_RECOVERY);
        struct lx_hash hash;

        if (chain->sequence == 0)
                return check_first(a);
        if (a->tx->witness_count != 1 || (key == NULL && recovery == NULL))
                return refuse_key(a, "one witness signs: the chain's next key or the recovery key");
        if (recovery != NULL)
                return check_recovery(a, recovery);
        sigchain_next_hash(apply_ops(a), &key->key, &hash);
        if (!lx_hash_eq(&hash, &chain->next))
                return refuse_key(
                    a, "the key is not the one that the last transaction committed to");
        return LX_OK;
}

static enum lx_err
run_operations(struct apply *a)
{
        struct sigchain_op_body *body = lx_arena_alloc(a->arena, sizeof(*body));

        for (size_t i = 0; i < a->tx->op_count; i++) {
                const struct sigchain_op *op = &a->tx->op[i];
                enum lx_err err = sigchain_op_decode(op->type, op->body, body);

                if (err != LX_OK) {
                        lx_why_set(a->why, "rule form: operation %zu (type %u): %s", i, op->type,
                            lx_err_text(err));
                        return err;
                }
                a->op = (uint8_t)i;
                a->cost += sigchain_op_cost(op->type, op->body.len);
                err = OPERATIONS[op->type - 1].apply(a, body);
                if (err != LX_OK)
                        return err;
        }
        return LX_OK;
}

static void
move_chain(struct apply *a, struct sigchain_chain *chain)
{
        uint8_t bytes[128];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        if (chain->sequence == 0)
                chain->created = a->context->height;
        chain->modified = a->context->height;
        chain->sequence++;
        chain->last = a->tx->id;
        chain->next = a->tx->next;
        sigchain_chain_encode(chain, &wr);
        apply_put(a, SIGCHAIN_KIND_CHAIN, a->signer.b, LX_HASH_LEN, LX_SPAN(bytes, wr.len));
}

static enum lx_err
apply_in_arena(struct apply *a)
{
        struct sigchain_chain chain = {.sequence = 0};
        struct lx_span value;
        enum lx_err err = apply_get(a, SIGCHAIN_KIND_CHAIN, a->signer.b, LX_HASH_LEN, &value);

        if (err == LX_OK && sigchain_chain_decode(value.p, value.len, &chain) != LX_OK)
                return LX_ERR_CORRUPT;
        if (err != LX_OK && err != LX_ERR_ABSENT)
                return err;
        err = check_place(a, &chain);
        if (err == LX_OK)
                err = check_witnesses(a, &chain);
        if (err == LX_OK)
                err = run_operations(a);
        if (err == LX_OK)
                err = apply_fee(a);
        if (err == LX_OK)
                move_chain(a, &chain);
        return err;
}

enum lx_err
sigchain_apply(const struct sigchain_context *context, const struct sigchain_view *view,
    const struct sigchain_tx *tx, const struct sigchain_sink *sink, struct lx_why *why)
{
        struct apply a = {.context = context,
            .view = view,
            .tx = tx,
            .sink = sink,
            .why = why,
            .arena = lx_arena_new(0),
            .signer = tx->genesis};
        enum lx_err err = apply_in_arena(&a);

        lx_arena_free(a.arena);
        return err;
}

unsigned
sigchain_stamp_bits(const struct lx_hash_ops *ops, const struct lx_hash *chain_id,
    const struct lx_hash *genesis, uint64_t stamp)
{
        uint8_t number[8];
        struct lx_span parts[3] = {LX_SPAN(chain_id->b, LX_HASH_LEN),
            LX_SPAN(genesis->b, LX_HASH_LEN), LX_SPAN(number, 8)};
        struct lx_hash hash;
        unsigned bits = 0;

        lx_put_be64(number, stamp);
        ops->hash(ops->ctx, &LX_TAG_STAMP, parts, 3, &hash);
        while (bits < 256 && lx_hash_bit(&hash, bits) == 0)
                bits++;
        return bits;
}
