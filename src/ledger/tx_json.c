/* ledger/tx_json.c - see ledger/tx_json.h. */
#include "config.h"
#include "ledger/tx_json.h"

#include "ledger/json.h"
#include "sigchain/op.h"

static json_t *
op_json(const struct sigchain_op *op)
{
        const char *name = sigchain_op_name(op->type);

        return json_pack("{s:s,s:o}", "type", name != NULL ? name : "unknown", "body",
            lx_json_hex(op->body.p, op->body.len));
}

json_t *
ledger_tx_to_json(const struct sigchain_tx *tx)
{
        static const char *const roles[] = {"", "chain", "name", "recovery", "sponsor", "delegate"};
        json_t *ops = json_array(), *witnesses = json_array();

        for (size_t i = 0; i < tx->op_count; i++)
                json_array_append_new(ops, op_json(&tx->op[i]));
        for (size_t i = 0; i < tx->witness_count; i++)
                json_array_append_new(witnesses,
                    json_pack("{s:s,s:o}", "role",
                        tx->witness[i].role <= SIGCHAIN_ROLE_DELEGATE ? roles[tx->witness[i].role]
                                                                      : "?",
                        "key", lx_json_hex(tx->witness[i].key.b, LX_PUBKEY_LEN)));
        return json_pack("{s:o,s:I,s:o,s:o,s:I,s:o,s:o,s:o}", "genesis", lx_json_hash(&tx->genesis),
            "sequence", (json_int_t)tx->sequence, "previous", lx_json_hash(&tx->previous), "next",
            lx_json_hash(&tx->next), "expiry", (json_int_t)tx->expiry, "fee", lx_json_amount(tx->fee),
            "operations", ops, "witnesses", witnesses);
}
