/* sigchain/object.c - see sigchain/object.h. Freestanding. */
#include "config.h"
#include "sigchain/object.h"

#include <string.h>

#define VALUE_MAX 4096

static bool
name_is_valid(struct lx_span name)
{
        for (size_t i = 0; i < name.len; i++) {
                uint8_t c = name.p[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
                        return false;
        }
        return name.len > 0 && name.len <= SIGCHAIN_FIELD_NAME_MAX;
}

/* How many bytes the character at @p has; 0: it is not UTF-8 in its shortest form. */
static size_t
utf8_len(const uint8_t *p, size_t left)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t n = p[0] < 0x80       ? 1
                   : p[0] >> 5 == 6  ? 2
                   : p[0] >> 4 == 14 ? 3
                   : p[0] >> 3 == 30 ? 4
                                     : 0;
        uint32_t c = n == 1 ? p[0] : n == 0 ? 0 : p[0] & (0x7fu >> n);

        if (n == 0 || n > left)
                return 0;
        for (size_t i = 1; i < n; i++) {
                if (p[i] >> 6 != 2)
                        return 0;
                c = c << 6 | (p[i] & 0x3fu);
        }
        return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

/* UTF-8 without control characters. */
static bool
text_is_valid(struct lx_span text)
{
        for (size_t i = 0, n; i < text.len; i += n) {
                n = utf8_len(text.p + i, text.len - i);
                if (n == 0 || text.p[i] < ' ' || text.p[i] == 0x7f)
                        return false;
        }
        return true;
}

static void
write_value(const struct sigchain_field *field, struct lx_writer *wr)
{
        switch (field->type) {
        case SIGCHAIN_U64:
                lx_write_u64(wr, field->u64);
                break;
        case SIGCHAIN_BOOL:
                lx_write_u8(wr, field->u64 != 0);
                break;
        case SIGCHAIN_HASH:
        case SIGCHAIN_ADDRESS:
                if (field->bytes.len != LX_HASH_LEN)
                        lx_writer_fail(wr, LX_ERR_RANGE);
                lx_write_bytes(wr, field->bytes.p, field->bytes.len);
                break;
        case SIGCHAIN_TEXT:
                if (!text_is_valid(field->bytes))
                        lx_writer_fail(wr, LX_ERR_FORMAT);
                lx_write_var16(wr, field->bytes);
                break;
        case SIGCHAIN_BYTES:
                lx_write_var16(wr, field->bytes);
                break;
        }
}

void
sigchain_object_encode(const struct sigchain_object *object, struct lx_writer *wr)
{
        if (object->count == 0 || object->count > SIGCHAIN_FIELDS_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u8(wr, (uint8_t)object->count);
        for (size_t i = 0; i < object->count && i < SIGCHAIN_FIELDS_MAX; i++) {
                const struct sigchain_field *field = &object->field[i];

                if (!name_is_valid(field->name))
                        lx_writer_fail(wr, LX_ERR_FORMAT);
                lx_write_str8(wr, field->name);
                lx_write_u8(wr, (uint8_t)(field->type | (unsigned)field->access << 4));
                write_value(field, wr);
        }
}

static void
read_value(struct lx_reader *rd, struct sigchain_field *field)
{
        switch (field->type) {
        case SIGCHAIN_U64:
                field->u64 = lx_read_u64(rd);
                break;
        case SIGCHAIN_BOOL:
                field->u64 = lx_read_u8(rd);
                if (field->u64 > 1)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                break;
        case SIGCHAIN_HASH:
        case SIGCHAIN_ADDRESS:
                field->bytes = lx_read_span(rd, LX_HASH_LEN);
                break;
        case SIGCHAIN_TEXT:
                field->bytes = lx_read_var16(rd, VALUE_MAX);
                if (rd->err == LX_OK && !text_is_valid(field->bytes))
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                break;
        case SIGCHAIN_BYTES:
                field->bytes = lx_read_var16(rd, VALUE_MAX);
                break;
        }
}

static bool
same_name(struct lx_span a, struct lx_span b)
{
        return a.len == b.len && memcmp(a.p, b.p, a.len) == 0; /* public */
}

static void
read_field(struct lx_reader *rd, const struct sigchain_object *object, struct sigchain_field *field)
{
        unsigned type, access;

        *field = (struct sigchain_field){.name = lx_read_str8(rd, SIGCHAIN_FIELD_NAME_MAX)};
        type = lx_read_u8(rd);
        access = type >> 4;
        type &= 15;
        if (rd->err == LX_OK && (!name_is_valid(field->name) || type < SIGCHAIN_U64 ||
                                    type > SIGCHAIN_BOOL || access > SIGCHAIN_SYSTEM))
                lx_reader_fail(rd, LX_ERR_FORMAT);
        for (size_t i = 0; i < object->count && rd->err == LX_OK; i++)
                if (same_name(object->field[i].name, field->name))
                        lx_reader_fail(rd, LX_ERR_FORMAT);
        if (rd->err != LX_OK)
                return;
        field->type = (enum sigchain_field_type)type;
        field->access = (enum sigchain_access)access;
        read_value(rd, field);
}

enum lx_err
sigchain_object_decode(struct lx_span data, struct sigchain_object *out_object)
{
        struct lx_reader rd = lx_reader_init(data.p, data.len);
        size_t count = lx_read_u8(&rd);

        if (rd.err == LX_OK && (count == 0 || count > SIGCHAIN_FIELDS_MAX))
                lx_reader_fail(&rd, LX_ERR_RANGE);
        out_object->count = 0;
        while (rd.err == LX_OK && out_object->count < count) {
                read_field(&rd, out_object, &out_object->field[out_object->count]);
                out_object->count++;
        }
        return lx_reader_end(&rd);
}

const struct sigchain_field *
sigchain_object_find(const struct sigchain_object *object, const char *name)
{
        size_t len = 0;

        while (name[len] != '\0')
                len++;
        for (size_t i = 0; i < object->count; i++)
                if (same_name(object->field[i].name, LX_SPAN(name, len)))
                        return &object->field[i];
        return NULL;
}

bool
sigchain_object_get_hash(
    const struct sigchain_object *object, const char *name, struct lx_hash *out)
{
        const struct sigchain_field *field = sigchain_object_find(object, name);

        if (field == NULL || (field->type != SIGCHAIN_HASH && field->type != SIGCHAIN_ADDRESS))
                return false;
        memcpy(out->b, field->bytes.p, LX_HASH_LEN);
        return true;
}

bool
sigchain_object_get_u64(const struct sigchain_object *object, const char *name, uint64_t *out)
{
        const struct sigchain_field *field = sigchain_object_find(object, name);

        if (field == NULL || (field->type != SIGCHAIN_U64 && field->type != SIGCHAIN_BOOL))
                return false;
        *out = field->u64;
        return true;
}
