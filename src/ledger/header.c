/* ledger/header.c - the block header. Freestanding. */
#include "config.h"
#include "ledger/header.h"

#include "crypto/tags.h"

void
ledger_header_encode(const struct ledger_header *header, uint8_t out[LEDGER_HEADER_LEN])
{
        struct lx_writer wr = lx_writer_init(out, LEDGER_HEADER_LEN);

        lx_write_u16(&wr, header->rule_version);
        lx_write_hash(&wr, &header->chain_id);
        lx_write_u64(&wr, header->height);
        lx_write_u64(&wr, header->time_ms);
        lx_write_hash(&wr, &header->previous);
        lx_write_hash(&wr, &header->tx_root);
        lx_write_hash(&wr, &header->state_root);
        lx_write_hash(&wr, &header->history_root);
        lx_write_hash(&wr, &header->valset);
        lx_write_hash(&wr, &header->next_valset);
}

enum lx_err
ledger_header_decode(const uint8_t *bytes, size_t len, struct ledger_header *out_header)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct ledger_header header;
        enum lx_err err;

        header.rule_version = lx_read_u16(&rd);
        header.chain_id = lx_read_hash(&rd);
        header.height = lx_read_u64(&rd);
        header.time_ms = lx_read_u64(&rd);
        header.previous = lx_read_hash(&rd);
        header.tx_root = lx_read_hash(&rd);
        header.state_root = lx_read_hash(&rd);
        header.history_root = lx_read_hash(&rd);
        header.valset = lx_read_hash(&rd);
        header.next_valset = lx_read_hash(&rd);
        err = lx_reader_end(&rd);
        if (err == LX_OK && header.rule_version == 0)
                err = LX_ERR_VERSION;
        if (err == LX_OK)
                *out_header = header;
        return err;
}

void
ledger_header_hash(
    const struct lx_hash_ops *ops, const struct ledger_header *header, struct lx_hash *out)
{
        uint8_t bytes[LEDGER_HEADER_LEN];

        ledger_header_encode(header, bytes);
        lx_hash1(ops, &LX_TAG_HEADER, bytes, sizeof(bytes), out);
}
