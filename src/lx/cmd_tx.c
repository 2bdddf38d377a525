/* lx/cmd_tx.c - transactions: what became of one, and dropping one that waits. */
#include "config.h"
#include "lx/check.h"

#include "crypto/hash.h"
#include "crypto/tags.h"
#include "lx/signer.h"

#include <stdio.h>
#include <string.h>

/* chain.tx against the trust: what is left of @o is proven. */
static int
prove_tx(struct lx *lx, const struct lx_hash *id, json_t *o)
{
        struct lx_check check = {0};
        int status = lx_check_begin(lx, &check);

        if (status == LX_EXIT_TRUE && lx_check_tx(lx, &check, id, o) != LX_OK)
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        if (status == LX_EXIT_TRUE)
                lx_check_note(&check, o);
        lx_check_end(&check);
        return status;
}

int
cmd_chain_tx(struct lx *lx)
{
        struct lx_hash id;
        json_t *o = NULL;
        int status = LX_EXIT_TRUE;

        if (!lx_parse_hash(lx->args[0], &id))
                return lx_fail(lx, LX_EXIT_USAGE, "\"%.70s\" is no transaction id (64 hex digits)", lx->args[0]);
        if (!lx_call(lx, "chain.tx", json_pack("{s:s,s:b}", "id", lx->args[0], "prove", (int)lx->verify), &o,
                &status))
                return status;
        if (lx->verify)
                status = prove_tx(lx, &id, o);
        if (status == LX_EXIT_TRUE)
                return lx_print_answer(lx, o);
        json_decref(o);
        return status;
}

/* ---- dropping ---------------------------------------------------------------------------------- */

/* The sequence of the waiting transaction @id of the signer's chain. */
static bool
find_waiting(struct lx *lx, const struct lx_signer *signer, const char *id, uint64_t *out, int *status)
{
        char genesis[65];
        json_t *answer = NULL, *tx;
        size_t i;
        bool found = false;

        if (!lx_call(lx, "chain.waiting", json_pack("{s:s}", "genesis", lx_hex_of(&signer->genesis, genesis)),
                &answer, status))
                return false;
        json_array_foreach(json_object_get(answer, "transactions"), i, tx) {
                if (strcmp(lx_str(tx, "id"), id) != 0)
                        continue;
                *out = lx_num(tx, "sequence");
                found = true;
        }
        json_decref(answer);
        if (!found)
                *status = lx_fail(lx, LX_EXIT_FALSE, "no transaction of yours with that id waits: it is final "
                    "(lx chain tx shows it), was dropped, or was handed in at another node");
        return found;
}

static int
send_wish(struct lx *lx, struct lx_signer *signer, const struct lx_hash *id, uint64_t sequence)
{
        uint8_t wish[32 + LX_PUBKEY_LEN + LX_SIG_LEN];
        char hex[2 * sizeof(wish) + 1];
        struct lx_pubkey key;
        struct lx_sig sig;
        struct lx_hash msg;
        json_t *answer = NULL;
        int status = LX_EXIT_TRUE;
        enum lx_err err;

        lx_hash_pair(&lx_crypto_ops()->hash, &LX_TAG_DROP, &signer->chain_id, id, &msg);
        err = lx_signer_sign(signer, sequence, &msg, &key, &sig, &lx->why);
        if (err != LX_OK)
                return lx_fail(lx, lx_exit_of(err), NULL);
        memcpy(wish, id->b, LX_HASH_LEN);
        memcpy(wish + LX_HASH_LEN, key.b, LX_PUBKEY_LEN);
        memcpy(wish + LX_HASH_LEN + LX_PUBKEY_LEN, sig.b, LX_SIG_LEN);
        lx_hex(wish, sizeof(wish), hex);
        return lx_call(lx, "chain.drop", json_pack("{s:s}", "wish", hex), &answer, &status)
            ? lx_print_answer(lx, answer)
            : status;
}

int
cmd_chain_drop(struct lx *lx)
{
        struct lx_signer signer = {.agent = -1};
        struct lx_hash id;
        uint64_t sequence = 0;
        int status = LX_EXIT_TRUE;
        enum lx_err err;

        if (!lx_parse_hash(lx->args[0], &id))
                return lx_fail(lx, LX_EXIT_USAGE, "\"%.70s\" is no transaction id (64 hex digits)", lx->args[0]);
        err = lx_signer_open(lx, &signer);
        if (err != LX_OK)
                return lx_fail(lx, lx_exit_of(err), NULL);
        if (find_waiting(lx, &signer, lx->args[0], &sequence, &status))
                status = send_wish(lx, &signer, &id, sequence);
        lx_signer_clear(&signer);
        return status;
}

int
cmd_chain_waiting(struct lx *lx)
{
        struct lx_signer signer = {.agent = -1};
        json_t *answer = NULL, *list, *tx;
        char genesis[65];
        int status = LX_EXIT_TRUE;
        size_t i;
        enum lx_err err = lx_signer_open(lx, &signer);

        if (err != LX_OK)
                return lx_fail(lx, lx_exit_of(err), NULL);
        if (!lx_call(lx, "chain.waiting", json_pack("{s:s}", "genesis", lx_hex_of(&signer.genesis, genesis)),
                &answer, &status)) {
                lx_signer_clear(&signer);
                return status;
        }
        list = json_object_get(answer, "transactions");
        json_array_foreach(list, i, tx) {
                if (lx->json)
                        lx_print_json(json_incref(tx));
                else
                        printf("%s  sequence %llu, fee %llu, for %llu s; expires at height %llu\n",
                            lx_str(tx, "id"), (unsigned long long)lx_num(tx, "sequence"),
                            (unsigned long long)lx_num(tx, "fee"),
                            (unsigned long long)lx_num(tx, "age_ms") / 1000,
                            (unsigned long long)lx_num(tx, "expiry"));
        }
        if (json_array_size(list) == 0 && !lx->json)
                printf("nothing of yours waits here\n");
        json_decref(answer);
        lx_signer_clear(&signer);
        return status;
}
