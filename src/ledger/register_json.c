/* ledger/register_json.c - see ledger/register_json.h. */
#include "config.h"
#include "ledger/register_json.h"

#include "base/mem.h"
#include "ledger/json.h"
#include "sigchain/object.h"
#include "sigchain/standard.h"
#include "sigchain/state.h"

#include <stdio.h>
#include <string.h>

/* Amounts are strings whatever their size. */
static bool
is_amount(struct lx_span name)
{
        return (name.len == 7 && memcmp(name.p, "balance", 7) == 0) || /* public */
            (name.len == 6 && memcmp(name.p, "supply", 6) == 0);       /* public */
}

static json_t *
field_json(const struct sigchain_field *field)
{
        switch (field->type) {
        case SIGCHAIN_U64:
                return is_amount(field->name)
                    ? lx_json_amount(field->u64)
                    : json_integer((json_int_t)field->u64);
        case SIGCHAIN_BOOL:
                return json_boolean(field->u64 != 0);
        case SIGCHAIN_TEXT:
                return lx_json_text(field->bytes);
        case SIGCHAIN_HASH:
        case SIGCHAIN_BYTES:
        case SIGCHAIN_ADDRESS:
                break;
        }
        return lx_json_hex(field->bytes.p, field->bytes.len);
}

static json_t *
fields_json(const struct sigchain_register *reg)
{
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        struct sigchain_append append;
        json_t *fields = json_object();

        if (reg->type == SIGCHAIN_APPEND && sigchain_append_decode(reg->data, &append) == LX_OK) {
                json_object_set_new(fields, "count", json_integer((json_int_t)append.count));
                json_object_set_new(fields, "root", lx_json_hex(append.root.b, LX_HASH_LEN));
        } else if (reg->type != SIGCHAIN_RAW && reg->type != SIGCHAIN_READONLY &&
            sigchain_object_decode(reg->data, object) == LX_OK) {
                for (size_t i = 0; i < object->count; i++) {
                        const struct sigchain_field *f = &object->field[i];
                        char name[SIGCHAIN_FIELD_NAME_MAX + 1];

                        (void)snprintf(name, sizeof(name), "%.*s", (int)f->name.len, f->name.p);
                        json_object_set_new(fields, name, field_json(f));
                }
        }
        lx_free(object);
        return fields;
}

enum lx_err
ledger_register_to_json(const struct lx_hash *address, struct lx_span value, json_t *out)
{
        const struct sigchain_standard *standard;
        struct sigchain_register reg;

        if (sigchain_register_decode(value.p, value.len, &reg) != LX_OK)
                return LX_ERR_FORMAT;
        standard = sigchain_standard_of(reg.type);
        json_object_set_new(out, "address", lx_json_hex(address->b, LX_HASH_LEN));
        json_object_set_new(out, "type", json_integer(reg.type));
        json_object_set_new(
            out, "standard", json_string(standard != NULL ? standard->name : "unknown"));
        json_object_set_new(out, "owner", lx_json_hex(reg.owner.b, LX_HASH_LEN));
        json_object_set_new(out, "created", json_integer((json_int_t)reg.created));
        json_object_set_new(out, "modified", json_integer((json_int_t)reg.modified));
        json_object_set_new(out, "pending",
            lx_hash_is_zero(&reg.pending) ? json_null() : lx_json_hex(reg.pending.b, LX_HASH_LEN));
        json_object_set_new(out, "data", lx_json_hex(reg.data.p, reg.data.len));
        json_object_set_new(out, "fields", fields_json(&reg));
        return LX_OK;
}
