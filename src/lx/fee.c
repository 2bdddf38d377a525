/* lx/fee.c - what a transaction costs, and from which account it is paid. */
#include "config.h"
#include "lx/wallet.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "sigchain/apply.h"

#include <string.h>

/* Cost units of one operation, with the manifest that it names. */
static uint64_t
op_cost(const struct sigchain_op *op)
{
        struct sigchain_op_body *body = lx_alloc(sizeof(*body));
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        uint64_t cost = sigchain_op_cost(op->type, op->body.len), size = 0;

        if (op->type == SIGCHAIN_OP_CREATE && sigchain_op_decode(op->type, op->body, body) == LX_OK &&
            (body->u.create.type == SIGCHAIN_RELEASE || body->u.create.type == SIGCHAIN_APPROVAL) &&
            sigchain_object_decode(body->u.create.data, object) == LX_OK &&
            sigchain_object_get_u64(object, "size", &size))
                cost += sigchain_manifest_cost(size);
        lx_free(object);
        lx_free(body);
        return cost;
}

static enum lx_err
fee_unit(struct lx *lx, uint64_t *out_unit)
{
        json_t *o = NULL;
        enum lx_err err = rpcclient_call(lx->client, "chain.params", NULL, &o, &lx->why);

        if (err == LX_OK)
                *out_unit = lx_num(json_object_get(o, "params"), "fee-unit");
        json_decref(o);
        return err;
}

/* The signer's account of the genesis token that holds most. */
static enum lx_err
richest_account(struct lx *lx, const struct lx_signer *signer, struct lx_hash *out_address)
{
        char owner[65], token[65];
        struct lx_hash address;
        uint64_t most = 0;
        json_t *o = NULL, *reg;
        enum lx_err err = rpcclient_call(lx->client, "register.list",
            json_pack("{s:s,s:s}", "owner", lx_hex_of(&signer->genesis, owner), "standard", "account"), &o,
            &lx->why);
        size_t i;

        sigchain_token_address(&lx_crypto_ops()->hash, &signer->chain_id, &address);
        (void)lx_hex_of(&address, token);
        json_array_foreach(json_object_get(o, "registers"), i, reg) {
                const json_t *fields = json_object_get(reg, "fields");

                if (strcmp(lx_str(fields, "token"), token) == 0 && lx_num(fields, "balance") >= most &&
                    lx_parse_hash(lx_str(reg, "address"), &address)) {
                        most = lx_num(fields, "balance") + 1;
                        *out_address = address;
                }
        }
        json_decref(o);
        if (err == LX_OK && most == 0) {
                lx_why_set(&lx->why, "the network asks for a fee, and you have no account of its token: "
                    "lx token balance --token %s opens one; have somebody send to it", token);
                err = LX_ERR_RULE;
        }
        return err;
}

enum lx_err
lx_add_fee_account(struct lx *lx, const struct lx_signer *signer, struct lx_ops *ops)
{
        struct sigchain_object *o = lx_alloc(sizeof(*o));
        struct lx_hash token;
        uint64_t unit = 0;
        enum lx_err err = fee_unit(lx, &unit);

        sigchain_token_address(&lx_crypto_ops()->hash, &signer->chain_id, &token);
        lx_field_hash(o, "token", SIGCHAIN_ADDRESS, SIGCHAIN_FIXED, &token);
        lx_field_u64(o, "balance", SIGCHAIN_SYSTEM, 0);
        if (err == LX_OK && unit > 0)
                lx_ops_create(ops, SIGCHAIN_ACCOUNT, o);
        lx_free(o);
        return err;
}

enum lx_err
lx_set_fee(struct lx *lx, const struct lx_signer *signer, struct sigchain_tx *tx)
{
        uint64_t unit = 0, cost = 0;
        enum lx_err err;

        if (tx->sequence == 0 && tx->op_count <= SIGCHAIN_FREE_OPS)
                return LX_OK;
        err = fee_unit(lx, &unit);
        if (err != LX_OK || unit == 0)
                return err;
        for (size_t i = 0; i < tx->op_count; i++)
                cost += op_cost(&tx->op[i]);
        if (lx_mul_overflows(cost, unit, &tx->fee)) {
                lx_why_set(&lx->why, "the node names a fee of %llu for each of %llu units",
                    (unsigned long long)unit, (unsigned long long)cost);
                return LX_ERR_RANGE;
        }
        return richest_account(lx, signer, &tx->fee_account);
}
