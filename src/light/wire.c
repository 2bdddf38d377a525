/* light/wire.c - see light/wire.h. */
#include "config.h"
#include "light/wire.h"

#include "crypto/tags.h"
#include "merkle/proof.h"

#include <string.h>

enum { EXISTS = 1, SHORT = 2, PENDING = 4 };

/* ---- entries ----------------------------------------------------------------------------------- */

void
light_entry_encode(const struct light_entry *entry, struct lx_writer *wr)
{
        lx_write_u8(wr, entry->kind);
        lx_write_str8(wr, LX_SPAN(entry->key, entry->key_len));
}

void
light_entry_decode(struct lx_reader *rd, struct light_entry *out_entry)
{
        struct light_entry entry = {.kind = lx_read_u8(rd)};
        struct lx_span key = lx_read_str8(rd, SIGCHAIN_KEY_MAX);

        if (rd->err == LX_OK && (entry.kind < SIGCHAIN_KIND_REGISTER || entry.kind > SIGCHAIN_KIND_CONVICTED))
                lx_reader_fail(rd, LX_ERR_RANGE);
        if (rd->err == LX_OK && entry.kind == SIGCHAIN_KIND_REGISTER && key.len != LX_HASH_LEN)
                lx_reader_fail(rd, LX_ERR_RANGE);
        if (rd->err != LX_OK)
                return;
        entry.key_len = (uint8_t)key.len;
        if (key.len > 0)
                memcpy(entry.key, key.p, key.len);
        *out_entry = entry;
}

void
light_list_digest(
    const struct lx_hash_ops *ops, struct lx_span entries, uint8_t out[LIGHT_DIGEST_LEN])
{
        struct lx_hash hash;

        lx_hash1(ops, &LX_TAG_LIGHT, entries.p, entries.len, &hash);
        memcpy(out, hash.b, LIGHT_DIGEST_LEN);
}

/* Whether @entries are whole entries, at most @max. */
static bool
are_entries(struct lx_span entries, size_t max)
{
        struct lx_reader rd = lx_reader_init(entries.p, entries.len);
        struct light_entry entry;
        size_t count = 0;

        while (rd.left > 0 && rd.err == LX_OK && count++ < max)
                light_entry_decode(&rd, &entry);
        return rd.err == LX_OK && rd.left == 0 && count > 0;
}

/* ---- questions --------------------------------------------------------------------------------- */

static void
write_watch(const struct light_ask *ask, struct lx_writer *wr)
{
        lx_write_bytes(wr, ask->digest, LIGHT_DIGEST_LEN);
        lx_write_varint(wr, ask->tip);
        lx_write_varint(wr, ask->since);
        lx_write_u8(wr, ask->listed);
        lx_write_u8(wr, (uint8_t)ask->want_count);
        for (size_t i = 0; i < ask->want_count; i++)
                lx_write_varint(wr, ask->want[i]);
        if (ask->listed)
                lx_write_bytes(wr, ask->entries.p, ask->entries.len);
}

void
light_ask_encode(const struct light_ask *ask, struct lx_writer *wr)
{
        lx_write_u8(wr, ask->number);
        lx_write_u8(wr, (uint8_t)ask->type);
        switch (ask->type) {
        case LIGHT_TIP:
                lx_write_varint(wr, ask->height);
                lx_write_bytes(wr, ask->check, LIGHT_CHECK_LEN);
                lx_write_varint(wr, ask->tip);
                return;
        case LIGHT_ANCHOR:
                lx_write_varint(wr, ask->height);
                return;
        case LIGHT_SET:
                lx_write_hash(wr, &ask->hash);
                lx_write_varint(wr, ask->offset);
                return;
        case LIGHT_WATCH:
                write_watch(ask, wr);
                return;
        case LIGHT_LIST:
                lx_write_bytes(wr, ask->digest, LIGHT_DIGEST_LEN);
                lx_write_varint(wr, ask->count);
                lx_write_varint(wr, ask->offset);
                lx_write_bytes(wr, ask->entries.p, ask->entries.len);
                return;
        case LIGHT_PATH:
                lx_write_varint(wr, ask->height);
                lx_write_varint(wr, ask->tip);
                return;
        case LIGHT_HISTORY:
                lx_write_varint(wr, ask->height);
                lx_write_varint(wr, ask->count);
                lx_write_varint(wr, ask->tip);
                return;
        case LIGHT_BLOB:
                lx_write_u8(wr, ask->kind);
                lx_write_hash(wr, &ask->hash);
                lx_write_varint(wr, ask->offset);
                return;
        }
}

static void
read_watch(struct lx_reader *rd, struct light_ask *ask)
{
        uint8_t listed;

        lx_read_bytes(rd, ask->digest, LIGHT_DIGEST_LEN);
        ask->tip = lx_read_varint(rd);
        ask->since = lx_read_varint(rd);
        listed = lx_read_u8(rd);
        ask->want_count = lx_read_u8(rd);
        if (listed > 1)
                lx_reader_fail(rd, LX_ERR_FORMAT);
        if (ask->want_count > LIGHT_WANT_MAX)
                lx_reader_fail(rd, LX_ERR_RANGE);
        for (size_t i = 0; i < ask->want_count && rd->err == LX_OK; i++) {
                uint64_t index = lx_read_varint(rd);

                if (index >= LIGHT_LIST_MAX)
                        lx_reader_fail(rd, LX_ERR_RANGE);
                ask->want[i] = (uint16_t)index;
        }
        ask->listed = listed == 1;
        if (ask->listed)
                ask->entries = lx_read_span(rd, rd->left);
        if (ask->listed && rd->err == LX_OK && !are_entries(ask->entries, LIGHT_INLINE_MAX))
                lx_reader_fail(rd, LX_ERR_FORMAT);
}

static void
read_list(struct lx_reader *rd, struct light_ask *ask)
{
        lx_read_bytes(rd, ask->digest, LIGHT_DIGEST_LEN);
        ask->count = lx_read_varint(rd);
        ask->offset = lx_read_varint(rd);
        ask->entries = lx_read_span(rd, rd->left);
        if (rd->err == LX_OK && (ask->count == 0 || ask->count > LIGHT_LIST_MAX || ask->offset >= ask->count))
                lx_reader_fail(rd, LX_ERR_RANGE);
        if (rd->err == LX_OK && !are_entries(ask->entries, (size_t)(ask->count - ask->offset)))
                lx_reader_fail(rd, LX_ERR_FORMAT);
}

static void
read_rest(struct lx_reader *rd, struct light_ask *ask)
{
        switch (ask->type) {
        case LIGHT_TIP:
                ask->height = lx_read_varint(rd);
                lx_read_bytes(rd, ask->check, LIGHT_CHECK_LEN);
                ask->tip = lx_read_varint(rd);
                return;
        case LIGHT_ANCHOR:
                ask->height = lx_read_varint(rd);
                return;
        case LIGHT_SET:
                ask->hash = lx_read_hash(rd);
                ask->offset = lx_read_varint(rd);
                return;
        case LIGHT_WATCH:
                read_watch(rd, ask);
                return;
        case LIGHT_LIST:
                read_list(rd, ask);
                return;
        case LIGHT_PATH:
                ask->height = lx_read_varint(rd);
                ask->tip = lx_read_varint(rd);
                if (rd->err == LX_OK && ask->height >= ask->tip)
                        lx_reader_fail(rd, LX_ERR_RANGE);
                return;
        case LIGHT_HISTORY:
                ask->height = lx_read_varint(rd);
                ask->count = lx_read_varint(rd);
                ask->tip = lx_read_varint(rd);
                if (rd->err == LX_OK && (ask->height == 0 || ask->count == 0 || ask->count > LIGHT_RUN_MAX ||
                        ask->height >= ask->tip || ask->count > ask->tip - ask->height))
                        lx_reader_fail(rd, LX_ERR_RANGE);
                return;
        case LIGHT_BLOB:
                ask->kind = lx_read_u8(rd);
                ask->hash = lx_read_hash(rd);
                ask->offset = lx_read_varint(rd);
                return;
        }
        lx_reader_fail(rd, LX_ERR_FORMAT);
}

enum lx_err
light_ask_decode(const uint8_t *bytes, size_t len, struct light_ask *out_ask)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct light_ask ask = {.number = lx_read_u8(&rd)};
        enum lx_err err;

        ask.type = (enum light_ask_type)lx_read_u8(&rd);
        if (rd.err == LX_OK)
                read_rest(&rd, &ask);
        err = lx_reader_end(&rd);
        if (err == LX_OK)
                *out_ask = ask;
        return err;
}

/* ---- parts ------------------------------------------------------------------------------------- */

void
light_part_encode(const struct light_part *part, struct lx_writer *wr)
{
        lx_write_u8(wr, part->number);
        lx_write_u8(wr, part->end);
        if (part->end == 2)
                lx_write_u8(wr, part->no);
        else
                lx_write_bytes(wr, part->bytes.p, part->bytes.len);
}

enum lx_err
light_part_decode(const uint8_t *bytes, size_t len, struct light_part *out_part)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct light_part part = {.number = lx_read_u8(&rd), .end = lx_read_u8(&rd)};
        enum lx_err err;

        if (rd.err == LX_OK && part.end > 2)
                lx_reader_fail(&rd, LX_ERR_FORMAT);
        if (part.end == 2) {
                part.no = lx_read_u8(&rd);
                if (rd.err == LX_OK && (part.no < LIGHT_NO_ABSENT || part.no > LIGHT_NO_LIST))
                        lx_reader_fail(&rd, LX_ERR_RANGE);
        } else {
                part.bytes = lx_read_span(&rd, rd.left);
                if (part.bytes.len > LIGHT_PART_MAX)
                        lx_reader_fail(&rd, LX_ERR_RANGE);
        }
        err = lx_reader_end(&rd);
        if (err == LX_OK)
                *out_part = part;
        return err;
}

/* ---- states ------------------------------------------------------------------------------------ */

/* Whether the short form says it all. */
static bool
is_short(const struct light_entry *entry, struct lx_span value, struct sigchain_register *reg)
{
        return entry->kind == SIGCHAIN_KIND_REGISTER &&
               sigchain_register_decode(value.p, value.len, reg) == LX_OK && reg->flags == 0 &&
               (uint8_t)reg->type == entry->key[0] && reg->modified >= reg->created;
}

static void
write_short(const struct sigchain_register *reg, struct lx_writer *wr)
{
        bool pending = !lx_hash_is_zero(&reg->pending);

        lx_write_u8(wr, (uint8_t)(EXISTS | SHORT | (pending ? PENDING : 0)));
        lx_write_hash(wr, &reg->owner);
        lx_write_varint(wr, reg->created);
        lx_write_varint(wr, reg->modified - reg->created);
        if (pending)
                lx_write_hash(wr, &reg->pending);
        lx_write_varint(wr, reg->data.len);
        lx_write_bytes(wr, reg->data.p, reg->data.len);
}

void
light_state_encode(const struct light_entry *entry, struct lx_span value, struct lx_span proof,
    struct lx_writer *wr)
{
        struct sigchain_register reg;

        if (value.p == NULL) {
                lx_write_u8(wr, 0);
        } else if (is_short(entry, value, &reg)) {
                write_short(&reg, wr);
        } else {
                lx_write_u8(wr, EXISTS);
                lx_write_varint(wr, value.len);
                lx_write_bytes(wr, value.p, value.len);
        }
        lx_write_bytes(wr, proof.p, proof.len);
}

static struct lx_span
read_bytes(struct lx_reader *rd, size_t max)
{
        uint64_t len = lx_read_varint(rd);

        if (rd->err == LX_OK && len > max)
                lx_reader_fail(rd, LX_ERR_RANGE);
        return lx_read_span(rd, rd->err == LX_OK ? (size_t)len : 0);
}

static void
read_short(struct lx_reader *rd, const struct light_entry *entry, uint8_t flags, struct lx_buf *out)
{
        struct sigchain_register reg = {.type = (enum sigchain_type)entry->key[0], .owner = lx_read_hash(rd),
            .created = lx_read_varint(rd)};
        struct lx_writer wr;
        uint64_t delta = lx_read_varint(rd);

        if (reg.created + delta < reg.created)
                lx_reader_fail(rd, LX_ERR_RANGE);
        reg.modified = reg.created + delta;
        if ((flags & PENDING) != 0) {
                reg.pending = lx_read_hash(rd);
                if (rd->err == LX_OK && lx_hash_is_zero(&reg.pending))
                        lx_reader_fail(rd, LX_ERR_FORMAT);
        }
        reg.data = read_bytes(rd, SIGCHAIN_DATA_MAX);
        if (rd->err != LX_OK)
                return;
        wr = lx_writer_init(lx_buf_reserve(out, SIGCHAIN_REGISTER_MAX), SIGCHAIN_REGISTER_MAX);
        sigchain_register_encode(&reg, &wr);
        if (wr.err != LX_OK)
                lx_reader_fail(rd, wr.err);
        else
                lx_buf_add(out, wr.len);
}

/* The value; it must be of the form that the encoder would choose. */
static void
read_value(struct lx_reader *rd, const struct light_entry *entry, uint8_t flags, struct lx_buf *out)
{
        struct sigchain_register reg;
        struct lx_span value;

        if ((flags & SHORT) != 0) {
                read_short(rd, entry, flags, out);
        } else {
                value = read_bytes(rd, SIGCHAIN_VALUE_MAX);
                if (rd->err == LX_OK && value.len == 0)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                lx_buf_append(out, value.p, value.len);
        }
        if (rd->err == LX_OK && is_short(entry, lx_buf_span(out), &reg) != ((flags & SHORT) != 0))
                lx_reader_fail(rd, LX_ERR_FORMAT);
}

/* The bytes of a proof: its head says how many. */
static struct lx_span
read_proof(struct lx_reader *rd)
{
        struct lx_reader look = *rd;
        uint8_t end = lx_read_u8(&look), depth = lx_read_u8(&look);
        struct lx_span bitmap = lx_read_span(&look, ((size_t)depth + 7) / 8);
        size_t count = 0;

        if (look.err == LX_OK && end > MERKLE_END_OTHER)
                lx_reader_fail(rd, LX_ERR_FORMAT);
        for (size_t i = 0; i < bitmap.len; i++)
                count += (size_t)__builtin_popcount(bitmap.p[i]);
        return lx_read_span(rd, 2 + ((size_t)depth + 7) / 8 + LX_HASH_LEN * count +
                                    (end == MERKLE_END_OTHER ? 2 * LX_HASH_LEN : 0));
}

enum lx_err
light_state_decode(struct lx_reader *rd, const struct light_entry *entry, struct lx_buf *out_value,
    bool *out_exists, struct lx_span *out_proof)
{
        uint8_t flags = lx_read_u8(rd);
        bool exists = (flags & EXISTS) != 0, registers = entry->kind == SIGCHAIN_KIND_REGISTER;

        lx_buf_reset(out_value);
        if ((flags & ~(EXISTS | SHORT | PENDING)) != 0 || (!exists && flags != 0) ||
            ((flags & PENDING) != 0 && (flags & SHORT) == 0) || ((flags & SHORT) != 0 && !registers))
                lx_reader_fail(rd, LX_ERR_FORMAT);
        if (exists && rd->err == LX_OK)
                read_value(rd, entry, flags, out_value);
        *out_proof = read_proof(rd);
        *out_exists = exists;
        return rd->err;
}
