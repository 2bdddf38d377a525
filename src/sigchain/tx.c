/* sigchain/tx.c - see sigchain/tx.h. */
#include "config.h"
#include "sigchain/tx.h"

#include "crypto/tags.h"

#define ENCODING 1u

void
sigchain_tx_encode_core(const struct sigchain_tx *tx, struct lx_writer *wr)
{
        if (tx->version == SIGCHAIN_TX_EVIDENCE) {
                lx_write_u8(wr, SIGCHAIN_TX_EVIDENCE);
                lx_write_hash(wr, &tx->chain_id);
                lx_write_bytes(wr, tx->evidence.p, tx->evidence.len);
                return;
        }
        if (tx->op_count == 0 || tx->op_count > SIGCHAIN_OPS_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u8(wr, ENCODING);
        lx_write_hash(wr, &tx->chain_id);
        lx_write_hash(wr, &tx->genesis);
        lx_write_u64(wr, tx->sequence);
        lx_write_hash(wr, &tx->previous);
        lx_write_hash(wr, &tx->next);
        lx_write_u64(wr, tx->expiry);
        lx_write_u64(wr, tx->fee);
        lx_write_hash(wr, &tx->fee_account);
        lx_write_u8(wr, (uint8_t)tx->op_count);
        for (size_t i = 0; i < tx->op_count && i < SIGCHAIN_OPS_MAX; i++) {
                lx_write_u8(wr, tx->op[i].type);
                lx_write_var16(wr, tx->op[i].body);
        }
}

void
sigchain_tx_encode(const struct sigchain_tx *tx, struct lx_writer *wr)
{
        sigchain_tx_encode_core(tx, wr);
        if (tx->version == SIGCHAIN_TX_EVIDENCE)
                return;
        if (tx->witness_count == 0 || tx->witness_count > SIGCHAIN_WITNESSES_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u8(wr, (uint8_t)tx->witness_count);
        for (size_t i = 0; i < tx->witness_count && i < SIGCHAIN_WITNESSES_MAX; i++) {
                lx_write_u8(wr, (uint8_t)tx->witness[i].role);
                lx_write_bytes(wr, tx->witness[i].key.b, LX_PUBKEY_LEN);
                lx_write_bytes(wr, tx->witness[i].sig.b, LX_SIG_LEN);
        }
        if (wr->len > SIGCHAIN_TX_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
}

static void
read_core(struct lx_reader *rd, struct sigchain_tx *tx)
{
        tx->version = lx_read_u8(rd);
        if (tx->version != ENCODING)
                lx_reader_fail(rd, LX_ERR_VERSION);
        tx->chain_id = lx_read_hash(rd);
        tx->genesis = lx_read_hash(rd);
        tx->sequence = lx_read_u64(rd);
        tx->previous = lx_read_hash(rd);
        tx->next = lx_read_hash(rd);
        tx->expiry = lx_read_u64(rd);
        tx->fee = lx_read_u64(rd);
        tx->fee_account = lx_read_hash(rd);
        tx->op_count = lx_read_u8(rd);
        if (rd->err == LX_OK && (tx->op_count == 0 || tx->op_count > SIGCHAIN_OPS_MAX))
                lx_reader_fail(rd, LX_ERR_RANGE);
        if (rd->err == LX_OK && (tx->fee == 0) != lx_hash_is_zero(&tx->fee_account))
                lx_reader_fail(rd, LX_ERR_FORMAT);
        for (size_t i = 0; i < tx->op_count && rd->err == LX_OK; i++) {
                tx->op[i].type = lx_read_u8(rd);
                tx->op[i].body = lx_read_var16(rd, UINT16_MAX);
        }
}

static void
read_witnesses(struct lx_reader *rd, struct sigchain_tx *tx)
{
        unsigned before = 0;

        tx->witness_count = lx_read_u8(rd);
        if (rd->err == LX_OK &&
            (tx->witness_count == 0 || tx->witness_count > SIGCHAIN_WITNESSES_MAX))
                lx_reader_fail(rd, LX_ERR_RANGE);
        for (size_t i = 0; i < tx->witness_count && rd->err == LX_OK; i++) {
                unsigned role = lx_read_u8(rd);

                if (rd->err == LX_OK && (role <= before || role > SIGCHAIN_ROLE_DELEGATE))
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                before = role;
                tx->witness[i].role = (enum sigchain_role)role;
                lx_read_bytes(rd, tx->witness[i].key.b, LX_PUBKEY_LEN);
                lx_read_bytes(rd, tx->witness[i].sig.b, LX_SIG_LEN);
        }
}

static enum lx_err
decode_evidence(const struct lx_hash_ops *ops, struct lx_span bytes, struct sigchain_tx *out_tx)
{
        struct lx_reader rd = lx_reader_init(bytes.p, bytes.len);

        *out_tx = (struct sigchain_tx){.version = lx_read_u8(&rd), .core = bytes};
        out_tx->chain_id = lx_read_hash(&rd);
        out_tx->evidence = lx_read_span(&rd, rd.left);
        if (rd.err == LX_OK && out_tx->evidence.len == 0)
                return LX_ERR_TRUNCATED;
        sigchain_tx_id(ops, bytes.p, bytes.len, &out_tx->id);
        out_tx->genesis = out_tx->id;
        return rd.err;
}

enum lx_err
sigchain_tx_decode(
    const struct lx_hash_ops *ops, const uint8_t *bytes, size_t len, struct sigchain_tx *out_tx)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        enum lx_err err;

        if (len > SIGCHAIN_TX_MAX)
                return LX_ERR_RANGE;
        if (len > 0 && bytes[0] == SIGCHAIN_TX_EVIDENCE)
                return decode_evidence(ops, LX_SPAN(bytes, len), out_tx);
        read_core(&rd, out_tx);
        out_tx->core = LX_SPAN(bytes, len - rd.left);
        if (rd.err == LX_OK)
                read_witnesses(&rd, out_tx);
        err = lx_reader_end(&rd);
        if (err == LX_OK)
                sigchain_tx_id(ops, out_tx->core.p, out_tx->core.len, &out_tx->id);
        return err;
}

const struct sigchain_witness *
sigchain_tx_witness(const struct sigchain_tx *tx, enum sigchain_role role)
{
        for (size_t i = 0; i < tx->witness_count; i++)
                if (tx->witness[i].role == role)
                        return &tx->witness[i];
        return NULL;
}

void
sigchain_tx_id(const struct lx_hash_ops *ops, const void *core, size_t len, struct lx_hash *out)
{
        lx_hash1(ops, &LX_TAG_TX, core, len, out);
}

void
sigchain_tx_message(const struct lx_hash_ops *ops, enum sigchain_role role,
    const struct lx_hash *id, struct lx_hash *out)
{
        uint8_t byte = (uint8_t)role;
        struct lx_span parts[2] = {LX_SPAN(&byte, 1), LX_SPAN(id->b, LX_HASH_LEN)};

        ops->hash(ops->ctx, &LX_TAG_WITNESS, parts, 2, out);
}

void
sigchain_next_hash(const struct lx_hash_ops *ops, const struct lx_pubkey *key, struct lx_hash *out)
{
        lx_hash1(ops, &LX_TAG_NEXT_KEY, key->b, LX_PUBKEY_LEN, out);
}

void
sigchain_genesis_id(
    const struct lx_hash_ops *ops, const struct lx_pubkey *name_key, struct lx_hash *out)
{
        lx_hash1(ops, &LX_TAG_GENESIS, name_key->b, LX_PUBKEY_LEN, out);
}

enum lx_err
sigchain_tx_verify(const struct lx_crypto_ops *ops, const struct sigchain_tx *tx)
{
        for (size_t i = 0; i < tx->witness_count; i++) {
                const struct sigchain_witness *w = &tx->witness[i];
                struct lx_hash msg;

                sigchain_tx_message(&ops->hash, w->role, &tx->id, &msg);
                if (!ops->sig.verify(ops->sig.ctx, &w->key, &msg, &w->sig))
                        return LX_ERR_SIGNATURE;
        }
        return LX_OK;
}
