/* sigchain/op.c - names, costs and bodies of operations; see sigchain/op.h. */
#include "config.h"
#include "sigchain/op.h"

static const char *const NAMES[] = {NULL, "create", "write", "append", "transfer", "claim", "debit",
    "credit", "revoke", "validator-update", "parameter-update", "node-admit"};

#define BODY_MAX UINT16_MAX

const char *
sigchain_op_name(unsigned type)
{
        return type < sizeof(NAMES) / sizeof(NAMES[0]) ? NAMES[type] : NULL;
}

uint64_t
sigchain_op_cost(unsigned type, size_t body_len)
{
        return sigchain_op_name(type) != NULL ? 1 + (body_len + 1023) / 1024 : 0;
}

uint64_t
sigchain_manifest_cost(uint64_t len)
{
        return (len + 1023) / 1024;
}

static void
write_entries(const struct sigchain_op_append *append, struct lx_writer *wr)
{
        if (append->count == 0 || append->count > SIGCHAIN_ENTRIES_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_hash(wr, &append->address);
        lx_write_u8(wr, (uint8_t)append->count);
        for (size_t i = 0; i < append->count && i < SIGCHAIN_ENTRIES_MAX; i++) {
                if (append->entry[i].len == 0 || append->entry[i].len > SIGCHAIN_ENTRY_MAX)
                        lx_writer_fail(wr, LX_ERR_RANGE);
                lx_write_var16(wr, append->entry[i]);
        }
}

static void
write_debit(const struct sigchain_op_debit *debit, struct lx_writer *wr)
{
        lx_write_hash(wr, &debit->from);
        lx_write_hash(wr, &debit->to);
        lx_write_u64(wr, debit->amount);
        lx_write_u64(wr, debit->expiry);
}

void
sigchain_op_encode(const struct sigchain_op_body *body, struct lx_writer *wr)
{
        switch (body->type) {
        case SIGCHAIN_OP_CREATE:
                lx_write_u8(wr, (uint8_t)body->u.create.type);
                lx_write_var16(wr, body->u.create.data);
                break;
        case SIGCHAIN_OP_WRITE:
                lx_write_hash(wr, &body->u.write.address);
                lx_write_var16(wr, body->u.write.data);
                break;
        case SIGCHAIN_OP_APPEND:
                write_entries(&body->u.append, wr);
                break;
        case SIGCHAIN_OP_TRANSFER:
                lx_write_hash(wr, &body->u.transfer.address);
                lx_write_hash(wr, &body->u.transfer.to);
                break;
        case SIGCHAIN_OP_CLAIM:
                lx_write_hash(wr, &body->u.claim.address);
                break;
        case SIGCHAIN_OP_DEBIT:
                write_debit(&body->u.debit, wr);
                break;
        case SIGCHAIN_OP_CREDIT:
                lx_write_hash(wr, &body->u.credit.tx);
                lx_write_u8(wr, body->u.credit.op);
                lx_write_hash(wr, &body->u.credit.account);
                break;
        case SIGCHAIN_OP_REVOKE:
                lx_write_hash(wr, &body->u.revoke.digest);
                break;
        case SIGCHAIN_OP_VALIDATOR_UPDATE:
        case SIGCHAIN_OP_PARAMETER_UPDATE:
        case SIGCHAIN_OP_NODE_ADMIT:
                lx_write_u64(wr, body->u.update.expiry);
                lx_write_var16(wr, body->u.update.what);
                lx_write_bytes(wr, body->u.update.cert.p, body->u.update.cert.len);
                break;
        }
}

static void
read_entries(struct lx_reader *rd, struct sigchain_op_append *append)
{
        append->address = lx_read_hash(rd);
        append->count = lx_read_u8(rd);
        if (rd->err == LX_OK && (append->count == 0 || append->count > SIGCHAIN_ENTRIES_MAX))
                lx_reader_fail(rd, LX_ERR_RANGE);
        for (size_t i = 0; i < append->count && rd->err == LX_OK; i++) {
                append->entry[i] = lx_read_var16(rd, SIGCHAIN_ENTRY_MAX);
                if (rd->err == LX_OK && append->entry[i].len == 0)
                        lx_reader_fail(rd, LX_ERR_RANGE);
        }
}

static void
read_debit(struct lx_reader *rd, struct sigchain_op_debit *debit)
{
        debit->from = lx_read_hash(rd);
        debit->to = lx_read_hash(rd);
        debit->amount = lx_read_u64(rd);
        debit->expiry = lx_read_u64(rd);
}

static void
read_body(struct lx_reader *rd, struct sigchain_op_body *body)
{
        switch (body->type) {
        case SIGCHAIN_OP_CREATE:
                body->u.create.type = (enum sigchain_type)lx_read_u8(rd);
                body->u.create.data = lx_read_var16(rd, SIGCHAIN_DATA_MAX);
                break;
        case SIGCHAIN_OP_WRITE:
                body->u.write.address = lx_read_hash(rd);
                body->u.write.data = lx_read_var16(rd, SIGCHAIN_DATA_MAX);
                break;
        case SIGCHAIN_OP_APPEND:
                read_entries(rd, &body->u.append);
                break;
        case SIGCHAIN_OP_TRANSFER:
                body->u.transfer.address = lx_read_hash(rd);
                body->u.transfer.to = lx_read_hash(rd);
                break;
        case SIGCHAIN_OP_CLAIM:
                body->u.claim.address = lx_read_hash(rd);
                break;
        case SIGCHAIN_OP_DEBIT:
                read_debit(rd, &body->u.debit);
                break;
        case SIGCHAIN_OP_CREDIT:
                body->u.credit.tx = lx_read_hash(rd);
                body->u.credit.op = lx_read_u8(rd);
                body->u.credit.account = lx_read_hash(rd);
                break;
        case SIGCHAIN_OP_REVOKE:
                body->u.revoke.digest = lx_read_hash(rd);
                break;
        case SIGCHAIN_OP_VALIDATOR_UPDATE:
        case SIGCHAIN_OP_PARAMETER_UPDATE:
        case SIGCHAIN_OP_NODE_ADMIT:
                body->u.update.expiry = lx_read_u64(rd);
                body->u.update.what = lx_read_var16(rd, BODY_MAX);
                body->u.update.cert = lx_read_span(rd, rd->left);
                break;
        }
}

enum lx_err
sigchain_op_decode(unsigned type, struct lx_span bytes, struct sigchain_op_body *out_body)
{
        struct lx_reader rd = lx_reader_init(bytes.p, bytes.len);

        if (sigchain_op_name(type) == NULL)
                return LX_ERR_FORMAT;
        out_body->type = (enum sigchain_op_type)type;
        read_body(&rd, out_body);
        return lx_reader_end(&rd);
}
