/* lx/wallet.c - building, signing and handing in transactions. */
#include "config.h"
#include "lx/wallet.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"

#include <stdlib.h>
#include <string.h>

#define RETRIES 5
#define EXPIRY_BLOCKS 1000 /* a transaction that nobody includes is void after so many */

static struct lx_span
text(const char *s)
{
        return LX_SPAN(s, strlen(s));
}

/* ---- objects ----------------------------------------------------------------------------------- */

static struct sigchain_field *
add_field(struct sigchain_object *o, const char *name, enum sigchain_field_type type,
    enum sigchain_access access)
{
        struct sigchain_field *f = &o->field[o->count++];

        lx_assert(o->count <= SIGCHAIN_FIELDS_MAX);
        *f = (struct sigchain_field){.name = text(name), .type = type, .access = access};
        return f;
}

void
lx_field_text(struct sigchain_object *o, const char *name, enum sigchain_access access, const char *s)
{
        add_field(o, name, SIGCHAIN_TEXT, access)->bytes = text(s);
}

void
lx_field_u64(struct sigchain_object *o, const char *name, enum sigchain_access access, uint64_t v)
{
        add_field(o, name, SIGCHAIN_U64, access)->u64 = v;
}

void
lx_field_hash(struct sigchain_object *o, const char *name, enum sigchain_field_type type,
    enum sigchain_access access, const struct lx_hash *h)
{
        add_field(o, name, type, access)->bytes = LX_SPAN(h->b, LX_HASH_LEN);
}

void
lx_field_bytes(struct sigchain_object *o, const char *name, enum sigchain_access access, struct lx_span s)
{
        add_field(o, name, SIGCHAIN_BYTES, access)->bytes = s;
}

/* ---- operations -------------------------------------------------------------------------------- */

void
lx_ops_add(struct lx_ops *ops, const struct sigchain_op_body *body)
{
        struct lx_buf *out = &ops->body[ops->count];
        struct lx_writer wr = lx_writer_init(lx_buf_reserve(out, SIGCHAIN_TX_MAX), SIGCHAIN_TX_MAX);

        lx_assert(ops->count < SIGCHAIN_OPS_MAX);
        sigchain_op_encode(body, &wr);
        lx_buf_add(out, lx_writer_end(&wr) == LX_OK ? wr.len : 0);
        ops->op[ops->count].type = (uint8_t)body->type;
        ops->op[ops->count].body = lx_buf_span(out);
        ops->count++;
}

static void
add_object(struct lx_ops *ops, struct sigchain_op_body *body, struct lx_span *data,
    const struct sigchain_object *object)
{
        uint8_t bytes[SIGCHAIN_DATA_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        sigchain_object_encode(object, &wr);
        *data = LX_SPAN(bytes, lx_writer_end(&wr) == LX_OK ? wr.len : 0);
        lx_ops_add(ops, body);
}

void
lx_ops_create(struct lx_ops *ops, enum sigchain_type type, const struct sigchain_object *object)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_CREATE, .u.create.type = type};

        add_object(ops, &body, &body.u.create.data, object);
}

void
lx_ops_write(struct lx_ops *ops, const struct lx_hash *address, const struct sigchain_object *fields)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_WRITE, .u.write.address = *address};

        add_object(ops, &body, &body.u.write.data, fields);
}

void
lx_ops_clear(struct lx_ops *ops)
{
        for (size_t i = 0; i < ops->count; i++)
                lx_buf_clear(&ops->body[i]);
        ops->count = 0;
}

/* ---- transactions ------------------------------------------------------------------------------ */

static enum lx_err
load_chain(struct lx *lx, const struct lx_signer *signer, struct sigchain_tx *tx)
{
        char hex[65];
        json_t *o = NULL;
        enum lx_err err = rpcclient_call(lx->client, "profile.get",
            json_pack("{s:s}", "genesis", lx_hex_of(&signer->genesis, hex)), &o, &lx->why);

        if (err != LX_OK)
                return err;
        tx->sequence = lx_num(o, "sequence");
        if (!lx_parse_hash(lx_str(o, "last"), &tx->previous))
                err = LX_ERR_FORMAT;
        tx->expiry = lx_num(o, "height") + EXPIRY_BLOCKS;
        json_decref(o);
        return err;
}

static enum lx_err
witness(struct sigchain_tx *tx, enum sigchain_role role, const struct lx_secret *key, struct lx_signer *signer,
    struct lx_why *why)
{
        struct sigchain_witness *w = &tx->witness[tx->witness_count++];
        struct lx_hash msg;
        uint8_t aux[32];
        enum lx_err err;

        w->role = role;
        sigchain_tx_message(&lx_crypto_ops()->hash, role, &tx->id, &msg);
        if (key == NULL)
                return lx_signer_sign(signer, tx->sequence, &msg, &w->key, &w->sig, why);
        lx_random(aux, sizeof(aux));
        err = keys_public(key, &w->key, NULL);
        return err != LX_OK ? err : lx_sign(key->p, &msg, aux, &w->sig);
}

static enum lx_err
sign(struct lx *lx, struct lx_signer *signer, const struct lx_submit_how *how, struct sigchain_tx *tx)
{
        struct lx_signer next = how->next != NULL ? *how->next : *signer;
        struct lx_buf core = {0};
        struct lx_writer wr;
        enum lx_err err = lx_signer_commit(&next, tx->sequence + 1, &tx->next, &lx->why);

        wr = lx_writer_init(lx_buf_reserve(&core, SIGCHAIN_TX_MAX), SIGCHAIN_TX_MAX);
        sigchain_tx_encode_core(tx, &wr);
        if (err == LX_OK)
                err = lx_writer_end(&wr);
        sigchain_tx_id(&lx_crypto_ops()->hash, core.p, wr.len, &tx->id);
        lx_buf_clear(&core);
        tx->witness_count = 0;
        if (err == LX_OK && how->recovery == NULL)
                err = witness(tx, SIGCHAIN_ROLE_CHAIN, NULL, signer, &lx->why);
        if (err == LX_OK && how->first)
                err = witness(tx, SIGCHAIN_ROLE_NAME, &signer->name_key, signer, &lx->why);
        if (err == LX_OK && how->recovery != NULL)
                err = witness(tx, SIGCHAIN_ROLE_RECOVERY, how->recovery, signer, &lx->why);
        return err;
}

static enum lx_err
hand_in(struct lx *lx, const struct sigchain_tx *tx, struct lx_receipt *out_receipt)
{
        struct lx_buf bytes = {0};
        struct lx_writer wr = lx_writer_init(lx_buf_reserve(&bytes, SIGCHAIN_TX_MAX), SIGCHAIN_TX_MAX);
        json_t *o = NULL;
        char *hex;
        enum lx_err err;

        sigchain_tx_encode(tx, &wr);
        err = lx_writer_end(&wr);
        if (err != LX_OK) {
                lx_why_set(&lx->why, "the transaction is larger than %u bytes", SIGCHAIN_TX_MAX);
                lx_buf_clear(&bytes);
                return LX_ERR_USAGE;
        }
        hex = lx_alloc(LX_HEX_LEN(wr.len));
        lx_hex(bytes.p, wr.len, hex);
        err = rpcclient_call(lx->client, "chain.submit",
            json_pack("{s:s,s:s}", "tx", hex, "wait", lx->wait), &o, &lx->why);
        lx_free(hex);
        lx_buf_clear(&bytes);
        if (err == LX_OK)
                *out_receipt = (struct lx_receipt){
                    .id = tx->id, .height = lx_num(o, "height"), .sequence = tx->sequence};
        json_decref(o);
        return err;
}

enum lx_err
lx_submit(struct lx *lx, struct lx_signer *signer, const struct lx_ops *ops,
    const struct lx_submit_how *how, struct lx_receipt *out_receipt)
{
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        enum lx_err err = LX_ERR_SEQUENCE;

        for (int i = 0; i < RETRIES && err == LX_ERR_SEQUENCE; i++) {
                lx->why.text[0] = '\0';
                *tx = (struct sigchain_tx){.chain_id = signer->chain_id,
                    .genesis = signer->genesis,
                    .op_count = ops->count};
                memcpy(tx->op, ops->op, ops->count * sizeof(ops->op[0]));
                err = load_chain(lx, signer, tx);
                if (err == LX_OK && how->first && tx->sequence > 0) {
                        lx_why_set(&lx->why, "the profile exists already");
                        err = LX_ERR_EXISTS;
                }
                if (err == LX_OK)
                        err = lx_set_fee(lx, signer, tx);
                if (err == LX_OK)
                        err = sign(lx, signer, how, tx);
                if (err == LX_OK)
                        err = hand_in(lx, tx, out_receipt);
        }
        lx_free(tx);
        return err;
}

int
lx_submit_plain(struct lx *lx, const struct lx_ops *ops, struct lx_receipt *out_receipt,
    struct lx_hash *out_genesis)
{
        struct lx_submit_how how = {0};
        struct lx_signer signer;
        enum lx_err err = lx_signer_open(lx, &signer);

        if (err != LX_OK)
                return lx_fail(lx, lx_exit_of(err), NULL);
        err = lx_submit(lx, &signer, ops, &how, out_receipt);
        if (out_genesis != NULL)
                *out_genesis = signer.genesis;
        lx_signer_clear(&signer);
        if (err != LX_OK)
                return lx_fail(lx, rpcclient_was_refused(lx->client) ? LX_EXIT_REFUSED : lx_exit_of(err), NULL);
        return LX_EXIT_TRUE;
}
