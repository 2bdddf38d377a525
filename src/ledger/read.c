/* ledger/read.c - what several parts of the ledger read from the store in the same form. */
#include "config.h"
#include "ledger/ledger_int.h"

#include <string.h>

enum lx_err
ledger_read_header(struct ledger *ledger, const struct lld_snapshot *snap, uint64_t height,
    struct ledger_header *out_header)
{
        struct lx_buf buf = {0};
        uint8_t key[8];
        enum lx_err err;

        lx_put_be64(key, height);
        err = lld_get(ledger->db, snap, LEDGER_HEADER, key, sizeof(key), &buf);
        if (err == LX_OK && ledger_header_decode(buf.p, buf.len, out_header) != LX_OK)
                err = LX_ERR_CORRUPT;
        lx_buf_clear(&buf);
        return err;
}

size_t
ledger_node_key(const struct lx_hash *address, unsigned level, uint64_t index, uint8_t out[41])
{
        size_t at = 0;

        if (address != NULL) {
                memcpy(out, address->b, LX_HASH_LEN);
                at = LX_HASH_LEN;
        }
        out[at] = (uint8_t)level;
        lx_put_be64(out + at + 1, index);
        return at + 9;
}

enum lx_err
ledger_read_node(struct ledger *ledger, const struct lld_snapshot *snap,
    const struct lx_hash *address, unsigned level, uint64_t index, struct lx_hash *out)
{
        struct lx_buf buf = {0};
        uint8_t key[41];
        enum lx_err err = lld_get(ledger->db, snap, address != NULL ? LEDGER_LOG_NODE : LEDGER_HISTORY,
            key, ledger_node_key(address, level, index, key), &buf);

        if (err == LX_OK && buf.len != LX_HASH_LEN)
                err = LX_ERR_CORRUPT;
        if (err == LX_OK)
                memcpy(out->b, buf.p, LX_HASH_LEN);
        lx_buf_clear(&buf);
        return err;
}

enum lx_err
ledger_log_get(void *arg, unsigned level, uint64_t index, struct lx_hash *out)
{
        const struct ledger_log *log = arg;
        enum lx_err err =
            ledger_read_node(log->view->ledger, log->view->snap, log->address, level, index, out);

        /* Only nodes that the log's size says are there are asked for. */
        return err == LX_ERR_ABSENT ? LX_ERR_CORRUPT : err;
}

enum lx_err
ledger_read_frontier(struct ledger *ledger, const struct lx_hash *address, uint64_t size,
    struct merkle_frontier *out)
{
        uint64_t at = 0;
        size_t peaks = 0;
        enum lx_err err = LX_OK;

        out->size = size;
        for (int level = 63; level >= 0 && err == LX_OK; level--) {
                if ((size >> level & 1) == 0)
                        continue;
                err = ledger_read_node(
                    ledger, NULL, address, (unsigned)level, at >> level, &out->peak[peaks++]);
                at += 1ull << level;
        }
        return err;
}
