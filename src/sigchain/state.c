/* sigchain/state.c - see sigchain/state.h. Freestanding. */
#include "config.h"
#include "sigchain/state.h"

#include "crypto/tags.h"

#define ENCODING 1u

void
sigchain_state_key(const struct lx_hash_ops *ops, enum sigchain_kind kind, const void *key,
    size_t key_len, struct lx_hash *out)
{
        uint8_t byte = (uint8_t)kind;
        struct lx_span parts[2] = {LX_SPAN(&byte, 1), LX_SPAN(key, key_len)};

        ops->hash(ops->ctx, &LX_TAG_STATE_KEY, parts, 2, out);
}

void
sigchain_state_value(
    const struct lx_hash_ops *ops, const void *value, size_t len, struct lx_hash *out)
{
        lx_hash1(ops, &LX_TAG_STATE_VALUE, value, len, out);
}

void
sigchain_address(const struct lx_hash_ops *ops, enum sigchain_type type, const void *key,
    size_t key_len, struct lx_hash *out)
{
        uint8_t byte = (uint8_t)type;
        struct lx_span parts[2] = {LX_SPAN(&byte, 1), LX_SPAN(key, key_len)};
        struct lx_hash hash;

        ops->hash(ops->ctx, &LX_TAG_ADDRESS, parts, 2, &hash);
        out->b[0] = byte;
        for (unsigned i = 1; i < LX_HASH_LEN; i++)
                out->b[i] = hash.b[i - 1];
}

void
sigchain_address_created(const struct lx_hash_ops *ops, enum sigchain_type type,
    const struct lx_hash *genesis, uint64_t sequence, uint8_t op, struct lx_hash *out)
{
        uint8_t key[LX_HASH_LEN + 9];
        struct lx_writer wr = lx_writer_init(key, sizeof(key));

        lx_write_hash(&wr, genesis);
        lx_write_u64(&wr, sequence);
        lx_write_u8(&wr, op);
        sigchain_address(ops, type, key, wr.len, out);
}

void
sigchain_register_encode(const struct sigchain_register *reg, struct lx_writer *wr)
{
        if (reg->data.len > SIGCHAIN_DATA_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u8(wr, ENCODING);
        lx_write_u8(wr, (uint8_t)reg->type);
        lx_write_u8(wr, reg->flags);
        lx_write_hash(wr, &reg->owner);
        lx_write_u64(wr, reg->created);
        lx_write_u64(wr, reg->modified);
        lx_write_hash(wr, &reg->pending);
        lx_write_var16(wr, reg->data);
}

static bool
is_type(unsigned type)
{
        return (type >= SIGCHAIN_OBJECT && type <= SIGCHAIN_APPEND) ||
               (type >= SIGCHAIN_CRYPTO && type <= SIGCHAIN_OWNERS);
}

enum lx_err
sigchain_register_decode(const uint8_t *bytes, size_t len, struct sigchain_register *out_reg)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct sigchain_register reg;
        uint8_t type;

        if (lx_read_u8(&rd) != ENCODING)
                lx_reader_fail(&rd, LX_ERR_VERSION);
        type = lx_read_u8(&rd);
        if (!is_type(type))
                lx_reader_fail(&rd, LX_ERR_FORMAT);
        reg.type = (enum sigchain_type)type;
        reg.flags = lx_read_u8(&rd);
        if (reg.flags > 1)
                lx_reader_fail(&rd, LX_ERR_FORMAT);
        reg.owner = lx_read_hash(&rd);
        reg.created = lx_read_u64(&rd);
        reg.modified = lx_read_u64(&rd);
        reg.pending = lx_read_hash(&rd);
        reg.data = lx_read_var16(&rd, SIGCHAIN_DATA_MAX);
        if (lx_reader_end(&rd) == LX_OK)
                *out_reg = reg;
        return lx_reader_end(&rd);
}

void
sigchain_chain_encode(const struct sigchain_chain *chain, struct lx_writer *wr)
{
        lx_write_u8(wr, ENCODING);
        lx_write_u64(wr, chain->sequence);
        lx_write_hash(wr, &chain->last);
        lx_write_hash(wr, &chain->next);
        lx_write_u64(wr, chain->created);
        lx_write_u64(wr, chain->modified);
}

enum lx_err
sigchain_chain_decode(const uint8_t *bytes, size_t len, struct sigchain_chain *out_chain)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct sigchain_chain chain;

        if (lx_read_u8(&rd) != ENCODING)
                lx_reader_fail(&rd, LX_ERR_VERSION);
        chain.sequence = lx_read_u64(&rd);
        chain.last = lx_read_hash(&rd);
        chain.next = lx_read_hash(&rd);
        chain.created = lx_read_u64(&rd);
        chain.modified = lx_read_u64(&rd);
        if (lx_reader_end(&rd) == LX_OK)
                *out_chain = chain;
        return lx_reader_end(&rd);
}

enum lx_err
sigchain_append_decode(struct lx_span data, struct sigchain_append *out_append)
{
        struct lx_reader rd = lx_reader_init(data.p, data.len);
        struct sigchain_append append;

        append.count = lx_read_u64(&rd);
        append.root = lx_read_hash(&rd);
        if (lx_reader_end(&rd) == LX_OK)
                *out_append = append;
        return lx_reader_end(&rd);
}

void
sigchain_debit_encode(const struct sigchain_debit *debit, struct lx_writer *wr)
{
        lx_write_hash(wr, &debit->token);
        lx_write_hash(wr, &debit->from);
        lx_write_hash(wr, &debit->to);
        lx_write_u64(wr, debit->amount);
        lx_write_u64(wr, debit->expiry);
}

enum lx_err
sigchain_debit_decode(const uint8_t *bytes, size_t len, struct sigchain_debit *out_debit)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct sigchain_debit debit;

        debit.token = lx_read_hash(&rd);
        debit.from = lx_read_hash(&rd);
        debit.to = lx_read_hash(&rd);
        debit.amount = lx_read_u64(&rd);
        debit.expiry = lx_read_u64(&rd);
        if (lx_reader_end(&rd) == LX_OK)
                *out_debit = debit;
        return lx_reader_end(&rd);
}
