/* lx/check_past.c - what once happened: a transaction in its block, the changes of a register. */
#include "config.h"
#include "lx/check_int.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/tx_json.h"

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- transactions ------------------------------------------------------------------------------ */

/* The id is under the transactions root of check->head. */
static enum lx_err
check_included(struct lx *lx, const struct lx_check *check, const struct lx_hash *id, const json_t *proof)
{
        const json_t *item = json_object_get(proof, "tx");
        struct merkle_path *path = lx_alloc(sizeof(*path));
        struct lx_hash leaf;
        enum lx_err err = LX_ERR_PROOF;

        merkle_log_leaf(ops(), id->b, LX_HASH_LEN, &leaf);
        if (lx_check_path(json_object_get(item, "path"), path))
                err = merkle_log_verify(ops(), &leaf, lx_num(item, "index"), lx_num(item, "count"), path->hash,
                    path->count, &check->head.tx_root);
        lx_free(path);
        return err == LX_OK ? LX_OK
                            : lx_check_wrong(lx, "the transaction is not in the block that it is said to be in");
}

/* What the id stands for, in place of what the node said; the id leaves the witnesses out. */
static void
replace_tx(const struct lx_check *check, const struct lx_hash *id, const struct sigchain_tx *tx, json_t *answer)
{
        json_t *fields = ledger_tx_to_json(tx);
        char hex[65];

        json_object_del(fields, "witnesses");
        (void)json_object_clear(answer);
        (void)json_object_update_new(answer, json_pack("{s:s,s:I,s:s,s:o}", "id", lx_hex_of(id, hex), "height",
            (json_int_t)check->head.height, "status", "final", "fields", fields));
}

enum lx_err
lx_check_tx(struct lx *lx, struct lx_check *check, const struct lx_hash *id, json_t *answer)
{
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        const json_t *proof = json_object_get(answer, "proof");
        struct lx_buf bytes = {0};
        enum lx_err err = LX_OK;

        if (lx_num(answer, "height") == 0)
                err = lx_check_wrong(lx, "the transaction waits for a block: nothing is proven of it yet");
        if (err == LX_OK)
                err = lx_check_head(lx, check, proof, lx_num(answer, "height"));
        if (err == LX_OK && (!lx_check_hex(answer, "bytes", &bytes) ||
            sigchain_tx_decode(ops(), bytes.p, bytes.len, tx) != LX_OK || !lx_hash_eq(&tx->id, id)))
                err = lx_check_wrong(lx, "it is another transaction than the one asked for");
        if (err == LX_OK)
                err = check_included(lx, check, id, proof);
        if (err == LX_OK)
                replace_tx(check, id, tx, answer);
        lx_buf_clear(&bytes);
        lx_free(tx);
        return err;
}

/* ---- registers --------------------------------------------------------------------------------- */

/* The register as of @height (LX_CHECK_NOW: now): *out_modified 0 when there is none. */
static enum lx_err
fetch_at(struct lx *lx, struct lx_check *check, const struct lx_hash *address, uint64_t height,
    uint64_t *out_created, uint64_t *out_modified)
{
        char hex[65];
        json_t *o = NULL, *params = json_pack("{s:s,s:b}", "address", lx_hex_of(address, hex), "prove", 1);
        enum lx_err err;

        if (height != LX_CHECK_NOW)
                json_object_set_new(params, "height", json_integer((json_int_t)height));
        err = rpcclient_call(lx->client, "register.get", params, &o, &lx->why);
        if (err == LX_OK)
                err = lx_check_register(lx, check, address, height, o);
        if (err == LX_OK) {
                *out_created = lx_num(o, "created");
                *out_modified = lx_num(o, "modified");
        }
        json_decref(o);
        return err;
}

enum lx_err
lx_check_history(struct lx *lx, struct lx_check *check, const struct lx_hash *address, size_t limit,
    json_t *heights, bool *out_more)
{
        uint64_t height = LX_CHECK_NOW, created = 0, modified = 0;
        enum lx_err err = fetch_at(lx, check, address, height, &created, &modified);
        struct ledger_header head = check->head;
        uint64_t age_ms = check->age_ms;

        *out_more = false;
        while (err == LX_OK && modified > 0) {
                /* A register is never gone again, and each of its values tells since when it is. */
                if (modified > height || created > modified)
                        return lx_check_wrong(lx, "the changes of the register contradict each other");
                *out_more = json_array_size(heights) >= limit;
                if (*out_more)
                        return LX_OK;
                json_array_append_new(heights, json_integer((json_int_t)modified));
                if (created == modified)
                        return LX_OK;
                height = modified - 1;
                modified = 0;
                err = fetch_at(lx, check, address, height, &created, &modified);
                check->head = head; /* the answer is as old as its newest part */
                check->age_ms = age_ms;
                if (err == LX_OK && modified == 0)
                        return lx_check_wrong(lx, "the register is older than the node shows");
        }
        *out_more = err == LX_ERR_PRUNED;
        return err == LX_ERR_PRUNED ? LX_OK : err;
}
