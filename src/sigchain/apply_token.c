/* sigchain/apply_token.c - debit, credit, fees; see sigchain/apply.h. */
#include "config.h"
#include "sigchain/apply_int.h"

#include <string.h>

/* An account, or a token register as the account of what it has not sent yet. */
struct account {
        struct lx_hash address;
        struct sigchain_register reg;
        struct sigchain_object *object;
        struct lx_hash token;
        uint64_t balance;
};

static enum lx_err
load_account(struct apply *a, const struct lx_hash *address, struct account *out)
{
        enum lx_err err = apply_get_register(a, address, &out->reg);

        if (err != LX_OK)
                return err;
        if (out->reg.type != SIGCHAIN_ACCOUNT && out->reg.type != SIGCHAIN_TOKEN)
                return apply_refuse(a, "account", "tokens move between accounts only");
        out->address = *address;
        out->object = lx_arena_alloc(a->arena, sizeof(*out->object));
        if (sigchain_object_decode(out->reg.data, out->object) != LX_OK ||
            !sigchain_object_get_u64(out->object, "balance", &out->balance))
                return LX_ERR_CORRUPT;
        out->token = *address;
        if (out->reg.type == SIGCHAIN_ACCOUNT &&
            !sigchain_object_get_hash(out->object, "token", &out->token))
                return LX_ERR_CORRUPT;
        return LX_OK;
}

static enum lx_err
load_own_account(struct apply *a, const struct lx_hash *address, struct account *out)
{
        enum lx_err err = load_account(a, address, out);

        if (err == LX_OK && !lx_hash_eq(&out->reg.owner, &a->signer)) {
                lx_why_set(a->why, "rule owner: the account belongs to another signature chain");
                return LX_ERR_DENIED;
        }
        return err;
}

static void
set_balance(struct apply *a, struct account *account, uint64_t balance)
{
        apply_set_u64(account->object, "balance", balance);
        account->reg.data = apply_encode_object(a, account->object);
        apply_put_register(a, &account->address, &account->reg);
}

static enum lx_err
take(struct apply *a, struct account *account, uint64_t amount)
{
        if (amount > account->balance)
                return apply_refuse(a, "balance", "the account holds %llu, not %llu",
                    (unsigned long long)account->balance, (unsigned long long)amount);
        set_balance(a, account, account->balance - amount);
        return LX_OK;
}

static void
debit_key(const struct lx_hash *tx, uint8_t op, uint8_t out[LX_HASH_LEN + 1])
{
        memcpy(out, tx->b, LX_HASH_LEN);
        out[LX_HASH_LEN] = op;
}

enum lx_err
apply_debit(struct apply *a, const struct sigchain_op_body *body)
{
        const struct sigchain_op_debit *op = &body->u.debit;
        struct sigchain_debit debit = {
            .from = op->from, .to = op->to, .amount = op->amount, .expiry = op->expiry};
        uint8_t key[LX_HASH_LEN + 1], bytes[128];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct account from, to;
        enum lx_err err = load_own_account(a, &op->from, &from);

        if (err == LX_OK)
                err = load_account(a, &op->to, &to);
        if (err != LX_OK)
                return err;
        if (op->amount == 0)
                return apply_refuse(a, "amount", "the amount is zero");
        if (to.reg.type != SIGCHAIN_ACCOUNT || !lx_hash_eq(&from.token, &to.token) ||
            lx_hash_eq(&op->from, &op->to))
                return apply_refuse(
                    a, "account", "the receiver is another account of the same token");
        if (op->expiry != 0 && op->expiry <= a->context->height)
                return apply_refuse(a, "debit-expiry", "height %llu is not above this block's %llu",
                    (unsigned long long)op->expiry, (unsigned long long)a->context->height);
        err = take(a, &from, op->amount);
        if (err != LX_OK)
                return err;
        debit.token = from.token;
        sigchain_debit_encode(&debit, &wr);
        debit_key(&a->tx->id, a->op, key);
        apply_put(a, SIGCHAIN_KIND_DEBIT, key, sizeof(key), LX_SPAN(bytes, wr.len));
        return LX_OK;
}

/* The receiver takes it; after its expiry the sender may take it back. */
static bool
may_credit(const struct apply *a, const struct sigchain_debit *debit, const struct lx_hash *account)
{
        if (lx_hash_eq(account, &debit->to))
                return true;
        return debit->expiry != 0 && a->context->height >= debit->expiry &&
               lx_hash_eq(account, &debit->from);
}

enum lx_err
apply_credit(struct apply *a, const struct sigchain_op_body *body)
{
        const struct sigchain_op_credit *op = &body->u.credit;
        uint8_t key[LX_HASH_LEN + 1];
        struct sigchain_debit debit;
        struct account account;
        struct lx_span value;
        uint64_t sum;
        enum lx_err err;

        debit_key(&op->tx, op->op, key);
        err = apply_get(a, SIGCHAIN_KIND_DEBIT, key, sizeof(key), &value);
        if (err == LX_ERR_ABSENT)
                lx_why_set(a->why, "rule credit: there is no such open debit");
        if (err != LX_OK)
                return err;
        if (sigchain_debit_decode(value.p, value.len, &debit) != LX_OK)
                return LX_ERR_CORRUPT;
        err = load_own_account(a, &op->account, &account);
        if (err != LX_OK)
                return err;
        if (!may_credit(a, &debit, &op->account)) {
                lx_why_set(a->why, "rule credit: the debit is not for this account");
                return LX_ERR_DENIED;
        }
        if (lx_add_overflows(account.balance, debit.amount, &sum))
                return apply_refuse(a, "balance", "the account can't hold that much");
        set_balance(a, &account, sum);
        apply_put(a, SIGCHAIN_KIND_DEBIT, key, sizeof(key), (struct lx_span){0});
        return LX_OK;
}

/* A new chain has nothing to pay from: its stamp pays for the crypto register and one more. */
static bool
is_paid_by_stamp(const struct sigchain_tx *tx)
{
        return tx->sequence == 0 && tx->op_count <= SIGCHAIN_FREE_OPS;
}

enum lx_err
apply_fee(struct apply *a)
{
        const struct sigchain_tx *tx = a->tx;
        uint64_t least =
            is_paid_by_stamp(tx) ? 0 : a->cost * a->context->params->value[SIGCHAIN_FEE_UNIT];
        struct account account;
        enum lx_err err;

        if (tx->fee < least)
                return apply_refuse(a, "fee", "the fee is %llu, at least %llu is asked for",
                    (unsigned long long)tx->fee, (unsigned long long)least);
        if (tx->fee == 0)
                return LX_OK;
        err = load_own_account(a, &tx->fee_account, &account);
        if (err != LX_OK)
                return err;
        if (account.reg.type != SIGCHAIN_ACCOUNT || !lx_hash_eq(&account.token, &a->context->token))
                return apply_refuse(a, "fee", "fees are paid from an account of the genesis token");
        return take(a, &account, tx->fee);
}
