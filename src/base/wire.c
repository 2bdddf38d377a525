/* base/wire.c - see base/wire.h. Freestanding. */
#include "config.h"
#include "base/wire.h"

#include <string.h>

struct lx_reader
lx_reader_init(const uint8_t *bytes, size_t len)
{
        return (struct lx_reader){.p = bytes, .left = len, .err = LX_OK};
}

void
lx_reader_fail(struct lx_reader *rd, enum lx_err err)
{
        if (rd->err == LX_OK)
                rd->err = err;
}

/* The next @len bytes, or NULL with the error kept. */
static const uint8_t *
take(struct lx_reader *rd, size_t len)
{
        const uint8_t *p = rd->p;

        if (rd->err != LX_OK)
                return NULL;
        if (len > rd->left) {
                rd->err = LX_ERR_TRUNCATED;
                return NULL;
        }
        if (len > 0)
                rd->p += len;
        rd->left -= len;
        return p;
}

static uint64_t
take_uint(struct lx_reader *rd, size_t len)
{
        const uint8_t *p = take(rd, len);
        uint64_t v = 0;

        for (size_t i = 0; p != NULL && i < len; i++)
                v = v << 8 | p[i];
        return v;
}

uint8_t
lx_read_u8(struct lx_reader *rd)
{
        return (uint8_t)take_uint(rd, 1);
}

uint16_t
lx_read_u16(struct lx_reader *rd)
{
        return (uint16_t)take_uint(rd, 2);
}

uint32_t
lx_read_u32(struct lx_reader *rd)
{
        return (uint32_t)take_uint(rd, 4);
}

uint64_t
lx_read_u64(struct lx_reader *rd)
{
        return take_uint(rd, 8);
}

void
lx_read_bytes(struct lx_reader *rd, uint8_t *out, size_t len)
{
        const uint8_t *p = take(rd, len);

        if (len == 0)
                return;
        if (p != NULL)
                memcpy(out, p, len);
        else
                memset(out, 0, len);
}

struct lx_hash
lx_read_hash(struct lx_reader *rd)
{
        struct lx_hash h;

        lx_read_bytes(rd, h.b, LX_HASH_LEN);
        return h;
}

struct lx_span
lx_read_span(struct lx_reader *rd, size_t len)
{
        const uint8_t *p = take(rd, len);

        return (struct lx_span){.p = p, .len = p != NULL ? len : 0};
}

struct lx_reader
lx_read_part(struct lx_reader *rd, size_t len)
{
        struct lx_span span = lx_read_span(rd, len);

        return (struct lx_reader){.p = span.p, .left = span.len, .err = rd->err};
}

static struct lx_span
take_limited(struct lx_reader *rd, size_t len, size_t max)
{
        if (rd->err == LX_OK && len > max)
                rd->err = LX_ERR_RANGE;
        return lx_read_span(rd, len);
}

struct lx_span
lx_read_str8(struct lx_reader *rd, size_t max)
{
        return take_limited(rd, lx_read_u8(rd), max);
}

struct lx_span
lx_read_var16(struct lx_reader *rd, size_t max)
{
        return take_limited(rd, lx_read_u16(rd), max);
}

struct lx_span
lx_read_var32(struct lx_reader *rd, size_t max)
{
        return take_limited(rd, lx_read_u32(rd), max);
}

uint64_t
lx_read_varint(struct lx_reader *rd)
{
        uint64_t v = 0;
        uint8_t byte = 0x80;

        for (unsigned shift = 0; (byte & 0x80) != 0 && rd->err == LX_OK; shift += 7) {
                byte = lx_read_u8(rd);
                if (shift > 63 || (shift == 63 && byte > 1) || (shift > 0 && byte == 0)) {
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                        return 0;
                }
                v |= (uint64_t)(byte & 0x7f) << shift;
        }
        return rd->err == LX_OK ? v : 0;
}

enum lx_err
lx_reader_end(const struct lx_reader *rd)
{
        if (rd->err == LX_OK && rd->left != 0)
                return LX_ERR_TRAILING;
        return rd->err;
}

struct lx_writer
lx_writer_init(uint8_t *out, size_t cap)
{
        return (struct lx_writer){.p = out, .len = 0, .cap = cap, .err = LX_OK};
}

void
lx_writer_fail(struct lx_writer *wr, enum lx_err err)
{
        if (wr->err == LX_OK)
                wr->err = err;
}

void
lx_write_bytes(struct lx_writer *wr, const void *bytes, size_t len)
{
        if (wr->err != LX_OK)
                return;
        if (len > wr->cap - wr->len) {
                wr->err = LX_ERR_LIMIT;
                return;
        }
        if (wr->p != NULL && len > 0)
                memcpy(wr->p + wr->len, bytes, len);
        wr->len += len;
}

static void
write_uint(struct lx_writer *wr, uint64_t v, size_t len)
{
        uint8_t bytes[8];

        for (size_t i = 0; i < len; i++)
                bytes[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
        lx_write_bytes(wr, bytes, len);
}

void
lx_write_u8(struct lx_writer *wr, uint8_t v)
{
        write_uint(wr, v, 1);
}

void
lx_write_u16(struct lx_writer *wr, uint16_t v)
{
        write_uint(wr, v, 2);
}

void
lx_write_u32(struct lx_writer *wr, uint32_t v)
{
        write_uint(wr, v, 4);
}

void
lx_write_u64(struct lx_writer *wr, uint64_t v)
{
        write_uint(wr, v, 8);
}

void
lx_write_hash(struct lx_writer *wr, const struct lx_hash *h)
{
        lx_write_bytes(wr, h->b, LX_HASH_LEN);
}

static void
write_var(struct lx_writer *wr, struct lx_span s, size_t len_bytes, uint64_t max)
{
        if (s.len > max) {
                lx_writer_fail(wr, LX_ERR_RANGE);
                return;
        }
        write_uint(wr, s.len, len_bytes);
        lx_write_bytes(wr, s.p, s.len);
}

void
lx_write_str8(struct lx_writer *wr, struct lx_span s)
{
        write_var(wr, s, 1, UINT8_MAX);
}

void
lx_write_var16(struct lx_writer *wr, struct lx_span s)
{
        write_var(wr, s, 2, UINT16_MAX);
}

void
lx_write_var32(struct lx_writer *wr, struct lx_span s)
{
        write_var(wr, s, 4, UINT32_MAX);
}

enum lx_err
lx_writer_end(const struct lx_writer *wr)
{
        return wr->err;
}

void
lx_put_be64(uint8_t out[8], uint64_t v)
{
        for (size_t i = 0; i < 8; i++)
                out[i] = (uint8_t)(v >> (56 - 8 * i));
}

uint64_t
lx_get_be64(const uint8_t in[8])
{
        uint64_t v = 0;

        for (size_t i = 0; i < 8; i++)
                v = v << 8 | in[i];
        return v;
}

void
lx_write_varint(struct lx_writer *wr, uint64_t v)
{
        for (; v >= 0x80; v >>= 7)
                lx_write_u8(wr, (uint8_t)(v | 0x80));
        lx_write_u8(wr, (uint8_t)v);
}
