/* ledger/chain_file.c - see ledger/chain_file.h. */
#include "config.h"
#include "ledger/chain_file.h"

#include <string.h>

#define MAGIC_LEN 8

void
ledger_chain_file_begin(
    struct lx_buf *out, const struct lx_hash *chain_id, uint64_t first, uint64_t count)
{
        uint8_t be[8];

        lx_buf_append(out, LEDGER_CHAIN_FILE_MAGIC, MAGIC_LEN);
        lx_buf_append(out, chain_id->b, LX_HASH_LEN);
        lx_put_be64(be, first);
        lx_buf_append(out, be, sizeof(be));
        lx_put_be64(be, count);
        lx_buf_append(out, be, sizeof(be));
}

enum lx_err
ledger_chain_file_add(
    struct lx_buf *out, struct lx_span header, struct lx_span cert, struct lx_span set)
{
        size_t len = LEDGER_HEADER_LEN + 4 + LEDGER_CERT_MAX + 2 + SIGCHAIN_VALSET_BYTES_MAX;
        struct lx_writer wr = lx_writer_init(lx_buf_reserve(out, len), len);

        if (header.len != LEDGER_HEADER_LEN || cert.len > LEDGER_CERT_MAX ||
            set.len > SIGCHAIN_VALSET_BYTES_MAX)
                return LX_ERR_RANGE;
        lx_write_bytes(&wr, header.p, header.len);
        lx_write_var32(&wr, cert);
        lx_write_var16(&wr, set);
        lx_buf_add(out, wr.len);
        return lx_writer_end(&wr);
}

bool
ledger_chain_file_is(struct lx_span bytes)
{
        return bytes.len >= MAGIC_LEN && memcmp(bytes.p, LEDGER_CHAIN_FILE_MAGIC, MAGIC_LEN) == 0; /* public */
}

enum lx_err
ledger_chain_file_open(struct lx_reader *rd, struct ledger_chain_file *out_file)
{
        struct lx_span magic = lx_read_span(rd, MAGIC_LEN);
        struct ledger_chain_file file;

        file.chain_id = lx_read_hash(rd);
        file.first = lx_read_u64(rd);
        file.count = lx_read_u64(rd);
        file.next = file.first;
        if (rd->err != LX_OK)
                return rd->err;
        if (memcmp(magic.p, LEDGER_CHAIN_FILE_MAGIC, MAGIC_LEN) != 0 || file.count == 0) /* public */
                return LX_ERR_FORMAT;
        /* Counted against what is there; so the last height cannot overflow either. */
        if (file.count > rd->left / LEDGER_HEADER_LEN || file.first > UINT64_MAX - file.count)
                return LX_ERR_RANGE;
        *out_file = file;
        return LX_OK;
}

bool
ledger_chain_file_has_more(const struct ledger_chain_file *file)
{
        return file->next - file->first < file->count;
}

enum lx_err
ledger_chain_file_next(
    struct lx_reader *rd, struct ledger_chain_file *file, struct ledger_chain_item *out_item)
{
        struct lx_span header = lx_read_span(rd, LEDGER_HEADER_LEN);
        enum lx_err err;

        out_item->cert = lx_read_var32(rd, LEDGER_CERT_MAX);
        out_item->set = lx_read_var16(rd, SIGCHAIN_VALSET_BYTES_MAX);
        if (rd->err != LX_OK)
                return rd->err;
        err = ledger_header_decode(header.p, header.len, &out_item->header);
        if (err != LX_OK)
                return err;
        if (out_item->header.height != file->next ||
            !lx_hash_eq(&out_item->header.chain_id, &file->chain_id))
                return LX_ERR_FORMAT;
        file->next++;
        return LX_OK;
}
