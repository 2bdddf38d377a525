/* ledger/narrow.c - see ledger/narrow.h. Freestanding. */
#include "config.h"
#include "ledger/narrow.h"

#include "merkle/log.h"

#define ALL_FLAGS                                                                                  \
        (LEDGER_NARROW_NEXT | LEDGER_NARROW_SET | LEDGER_NARROW_NEXT_SET | LEDGER_NARROW_VERSION |  \
            LEDGER_NARROW_EMPTY | LEDGER_NARROW_HISTORY)

static uint8_t
flags_of(const struct lx_hash_ops *ops, const struct ledger_narrow_known *known,
    const struct ledger_header *header)
{
        const struct ledger_header *k = &known->header;
        struct lx_hash empty;
        uint8_t flags = 0;

        merkle_log_empty_root(ops, &empty);
        if (header->height == k->height + 1 && lx_hash_eq(&header->previous, &known->hash))
                flags |= LEDGER_NARROW_NEXT;
        if (!lx_hash_eq(&header->valset, &k->next_valset))
                flags |= LEDGER_NARROW_SET;
        if (!lx_hash_eq(&header->next_valset, &header->valset))
                flags |= LEDGER_NARROW_NEXT_SET;
        if (header->rule_version != k->rule_version)
                flags |= LEDGER_NARROW_VERSION;
        if (lx_hash_eq(&header->tx_root, &empty))
                flags |= LEDGER_NARROW_EMPTY;
        if ((flags & LEDGER_NARROW_NEXT) != 0 && known->history != NULL &&
            lx_hash_eq(&header->history_root, known->history))
                flags |= LEDGER_NARROW_HISTORY;
        return flags;
}

void
ledger_narrow_encode(const struct lx_hash_ops *ops, const struct ledger_narrow_known *known,
    const struct ledger_header *header, struct lx_writer *wr)
{
        uint8_t flags = flags_of(ops, known, header);

        if (header->height <= known->header.height || header->time_ms <= known->header.time_ms)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u8(wr, flags);
        if ((flags & LEDGER_NARROW_VERSION) != 0)
                lx_write_u16(wr, header->rule_version);
        if ((flags & LEDGER_NARROW_NEXT) == 0) {
                lx_write_varint(wr, header->height - known->header.height);
                lx_write_hash(wr, &header->previous);
        }
        lx_write_varint(wr, header->time_ms - known->header.time_ms);
        if ((flags & LEDGER_NARROW_EMPTY) == 0)
                lx_write_hash(wr, &header->tx_root);
        lx_write_hash(wr, &header->state_root);
        if ((flags & LEDGER_NARROW_HISTORY) == 0)
                lx_write_hash(wr, &header->history_root);
        if ((flags & LEDGER_NARROW_SET) != 0)
                lx_write_hash(wr, &header->valset);
        if ((flags & LEDGER_NARROW_NEXT_SET) != 0)
                lx_write_hash(wr, &header->next_valset);
}

/* @base + the delta that is read, which is not 0. */
static uint64_t
read_above(struct lx_reader *rd, uint64_t base)
{
        uint64_t delta = lx_read_varint(rd);

        if (rd->err == LX_OK && (delta == 0 || base + delta < base))
                lx_reader_fail(rd, LX_ERR_RANGE);
        return base + delta;
}

static void
read_roots(const struct lx_hash_ops *ops, const struct ledger_narrow_known *known, uint8_t flags,
    struct lx_reader *rd, struct ledger_header *h)
{
        if ((flags & LEDGER_NARROW_EMPTY) != 0)
                merkle_log_empty_root(ops, &h->tx_root);
        else
                h->tx_root = lx_read_hash(rd);
        h->state_root = lx_read_hash(rd);
        if ((flags & LEDGER_NARROW_HISTORY) != 0)
                h->history_root = *known->history;
        else
                h->history_root = lx_read_hash(rd);
        h->valset = (flags & LEDGER_NARROW_SET) != 0 ? lx_read_hash(rd) : known->header.next_valset;
        h->next_valset = (flags & LEDGER_NARROW_NEXT_SET) != 0 ? lx_read_hash(rd) : h->valset;
}

enum lx_err
ledger_narrow_decode(const struct lx_hash_ops *ops, const struct ledger_narrow_known *known,
    struct lx_reader *rd, struct ledger_header *out_header)
{
        uint8_t flags = lx_read_u8(rd);
        struct ledger_header h = {
            .rule_version = known->header.rule_version, .chain_id = known->header.chain_id};

        if ((flags & ~ALL_FLAGS) != 0 || ((flags & LEDGER_NARROW_HISTORY) != 0 &&
                ((flags & LEDGER_NARROW_NEXT) == 0 || known->history == NULL)))
                lx_reader_fail(rd, LX_ERR_FORMAT);
        if ((flags & LEDGER_NARROW_VERSION) != 0)
                h.rule_version = lx_read_u16(rd);
        if ((flags & LEDGER_NARROW_NEXT) != 0) {
                h.height = known->header.height + 1;
                h.previous = known->hash;
        } else {
                h.height = read_above(rd, known->header.height);
                h.previous = lx_read_hash(rd);
        }
        h.time_ms = read_above(rd, known->header.time_ms);
        if (rd->err == LX_OK)
                read_roots(ops, known, flags, rd, &h);
        /* One header, one encoding: what could have been left out was. */
        if (rd->err == LX_OK && (h.rule_version == 0 || flags_of(ops, known, &h) != flags))
                lx_reader_fail(rd, LX_ERR_FORMAT);
        if (rd->err == LX_OK)
                *out_header = h;
        return rd->err;
}
