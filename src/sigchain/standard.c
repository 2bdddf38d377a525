/* sigchain/standard.c - the table of standards; see sigchain/standard.h. */
#include "config.h"
#include "sigchain/standard.h"

#include <string.h>

#define FIXED SIGCHAIN_FIXED
#define MUTABLE SIGCHAIN_MUTABLE
#define SYSTEM SIGCHAIN_SYSTEM

/* clang-format off */
static const struct sigchain_schema_field CRYPTO_FIELDS[] = {
    {"kind", SIGCHAIN_U64, FIXED, 0}, {"kdf_mem", SIGCHAIN_U64, MUTABLE, 0},
    {"kdf_passes", SIGCHAIN_U64, MUTABLE, 0}, {"kdf_lanes", SIGCHAIN_U64, MUTABLE, 0},
    {"recovery", SIGCHAIN_HASH, SYSTEM, 0}, {"recovery_use", SIGCHAIN_U64, SYSTEM, 0},
    {"stamp", SIGCHAIN_U64, FIXED, 0}, {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field NAME_FIELDS[] = {
    {"name", SIGCHAIN_TEXT, FIXED, 0}, {"target", SIGCHAIN_ADDRESS, MUTABLE, 0},
    {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field NAMESPACE_FIELDS[] = {
    {"name", SIGCHAIN_TEXT, FIXED, 0}, {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field TOKEN_FIELDS[] = {
    {"name", SIGCHAIN_TEXT, FIXED, 0}, {"decimals", SIGCHAIN_U64, FIXED, 0},
    {"supply", SIGCHAIN_U64, FIXED, 0}, {"balance", SIGCHAIN_U64, SYSTEM, 0},
    {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field ACCOUNT_FIELDS[] = {
    {"token", SIGCHAIN_ADDRESS, FIXED, 0}, {"balance", SIGCHAIN_U64, SYSTEM, 0},
    {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field RELEASE_FIELDS[] = {
    {"name", SIGCHAIN_TEXT, FIXED, 0}, {"version", SIGCHAIN_TEXT, FIXED, 0},
    {"manifest", SIGCHAIN_HASH, FIXED, 0}, {"entries", SIGCHAIN_U64, FIXED, 0},
    {"size", SIGCHAIN_U64, FIXED, 0}, {"leaves", SIGCHAIN_HASH, FIXED, 0},
    {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field INDEX_FIELDS[] = {
    {"root", SIGCHAIN_HASH, SYSTEM, 0}, {"version", SIGCHAIN_U64, SYSTEM, 0},
    {"count", SIGCHAIN_U64, SYSTEM, 0}, {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field FILE_FIELDS[] = {
    {"path", SIGCHAIN_TEXT, FIXED, 0}, {"root", SIGCHAIN_HASH, MUTABLE, 0},
    {"length", SIGCHAIN_U64, MUTABLE, 0}, {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field EID_FIELDS[] = {
    {"instance", SIGCHAIN_U64, FIXED, 0}, {"eid", SIGCHAIN_BYTES, FIXED, 16},
    {"first_key", SIGCHAIN_BYTES, FIXED, 32}, {"key", SIGCHAIN_BYTES, MUTABLE, 32},
    {"rlocs", SIGCHAIN_BYTES, MUTABLE, 0}, {"ttl", SIGCHAIN_U64, MUTABLE, 0},
    {"sealed", SIGCHAIN_U64, MUTABLE, 0}, {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field PREFIX_FIELDS[] = {
    {"instance", SIGCHAIN_U64, FIXED, 0}, {"family", SIGCHAIN_U64, FIXED, 0},
    {"prefix", SIGCHAIN_BYTES, FIXED, 16}, {"bits", SIGCHAIN_U64, FIXED, 0},
    {"eid", SIGCHAIN_ADDRESS, MUTABLE, 0}, {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field NODE_FIELDS[] = {
    {"key", SIGCHAIN_BYTES, FIXED, 32}, {"rlocs", SIGCHAIN_BYTES, MUTABLE, 0},
    {"roles", SIGCHAIN_U64, SYSTEM, 0}, {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field DEVICE_FIELDS[] = {
    {"key", SIGCHAIN_BYTES, MUTABLE, 32}, {"rights", SIGCHAIN_U64, MUTABLE, 0},
    {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field VALIDATOR_FIELDS[] = {
    {"key", SIGCHAIN_BYTES, FIXED, 32}, {"name", SIGCHAIN_TEXT, FIXED, 0},
    {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field DELEGATION_FIELDS[] = {
    {"key", SIGCHAIN_BYTES, FIXED, 32}, {"operations", SIGCHAIN_U64, FIXED, 0},
    {"allowance", SIGCHAIN_U64, FIXED, 0}, {"until", SIGCHAIN_U64, MUTABLE, 0},
    {NULL, SIGCHAIN_U64, FIXED, 0}};
static const struct sigchain_schema_field OWNERS_FIELDS[] = {
    {"need", SIGCHAIN_U64, FIXED, 0}, {"members", SIGCHAIN_BYTES, FIXED, 0},
    {NULL, SIGCHAIN_U64, FIXED, 0}};

static const struct sigchain_standard STANDARDS[] = {
    {SIGCHAIN_OBJECT, "object", true, NULL},
    {SIGCHAIN_RAW, "raw", true, NULL},
    {SIGCHAIN_READONLY, "readonly", true, NULL},
    {SIGCHAIN_APPEND, "append", true, NULL},
    {SIGCHAIN_CRYPTO, "crypto", true, CRYPTO_FIELDS},
    {SIGCHAIN_NAME, "name", true, NAME_FIELDS},
    {SIGCHAIN_NAMESPACE, "namespace", true, NAMESPACE_FIELDS},
    {SIGCHAIN_TOKEN, "token", true, TOKEN_FIELDS},
    {SIGCHAIN_ACCOUNT, "account", true, ACCOUNT_FIELDS},
    {SIGCHAIN_RELEASE, "release", true, RELEASE_FIELDS},
    {SIGCHAIN_INDEX, "index", false, INDEX_FIELDS},
    {SIGCHAIN_APPROVAL, "approval", true, RELEASE_FIELDS},
    {SIGCHAIN_FILE, "file", true, FILE_FIELDS},
    {SIGCHAIN_EID, "eid", true, EID_FIELDS},
    {SIGCHAIN_PREFIX, "prefix", true, PREFIX_FIELDS},
    {SIGCHAIN_NODE, "node", true, NODE_FIELDS},
    {SIGCHAIN_DEVICE, "device", true, DEVICE_FIELDS},
    {SIGCHAIN_VALIDATOR, "validator", true, VALIDATOR_FIELDS},
    {SIGCHAIN_DELEGATION, "delegation", false, DELEGATION_FIELDS},
    {SIGCHAIN_OWNERS, "owners", false, OWNERS_FIELDS},
};
/* clang-format on */

#define COUNT (sizeof(STANDARDS) / sizeof(STANDARDS[0]))

const struct sigchain_standard *
sigchain_standard_of(unsigned type)
{
        for (size_t i = 0; i < COUNT; i++)
                if (STANDARDS[i].type == type)
                        return &STANDARDS[i];
        return NULL;
}

const struct sigchain_standard *
sigchain_standard_named(const char *name)
{
        for (size_t i = 0; i < COUNT; i++)
                if (strcmp(STANDARDS[i].name, name) == 0)
                        return &STANDARDS[i];
        return NULL;
}

static enum lx_err
check_field(const struct sigchain_standard *standard, const struct sigchain_schema_field *want,
    const struct sigchain_field *field, struct lx_why *why)
{
        if (field->name.len != strlen(want->name) ||
            memcmp(field->name.p, want->name, field->name.len) != 0 || /* public */
            field->type != want->type || field->access != want->access) {
                lx_why_set(why,
                    "rule schema: field %s of a %s has another name, type or access here",
                    want->name, standard->name);
                return LX_ERR_RULE;
        }
        if (want->len != 0 && field->bytes.len != want->len) {
                lx_why_set(why, "rule schema: field %s of a %s has %u bytes, not %zu", want->name,
                    standard->name, want->len, field->bytes.len);
                return LX_ERR_RULE;
        }
        return LX_OK;
}

enum lx_err
sigchain_standard_check(const struct sigchain_standard *standard,
    const struct sigchain_object *object, struct lx_why *why)
{
        size_t i;

        if (standard->fields == NULL)
                return LX_OK;
        for (i = 0; standard->fields[i].name != NULL; i++) {
                enum lx_err err;

                if (i >= object->count) {
                        lx_why_set(why, "rule schema: field %s of a %s is missing",
                            standard->fields[i].name, standard->name);
                        return LX_ERR_RULE;
                }
                err = check_field(standard, &standard->fields[i], &object->field[i], why);
                if (err != LX_OK)
                        return err;
        }
        if (object->count != i) {
                lx_why_set(why, "rule schema: a %s has %zu fields, not %zu", standard->name, i,
                    object->count);
                return LX_ERR_RULE;
        }
        return LX_OK;
}

bool
sigchain_name_is_valid(struct lx_span name)
{
        size_t label = 0; /* bytes of the one at hand */

        if (name.len == 0 || name.len > SIGCHAIN_NAME_MAX)
                return false;
        for (size_t i = 0; i < name.len; i++) {
                uint8_t c = name.p[i];
                bool edge = label == 0 || i + 1 == name.len || name.p[i + 1] == '.';

                if (c == '.') {
                        if (label == 0 || i + 1 == name.len)
                                return false;
                        label = 0;
                        continue;
                }
                if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (c != '-' || edge))
                        return false;
                if (++label > 63)
                        return false;
        }
        return true;
}

static enum lx_err
name_key(const struct sigchain_object *object, struct lx_writer *wr, struct lx_why *why)
{
        const struct sigchain_field *name = sigchain_object_find(object, "name");

        if (name == NULL || !sigchain_name_is_valid(name->bytes)) {
                lx_why_set(why,
                    "rule name: a name is made of labels of 1 to 63 bytes of a-z, 0-9 "
                    "and '-', joined by dots, at most %d bytes",
                    SIGCHAIN_NAME_MAX);
                return LX_ERR_RULE;
        }
        lx_write_bytes(wr, name->bytes.p, name->bytes.len);
        return LX_OK;
}

static bool
get_u64_below(const struct sigchain_object *object, const char *name, uint64_t limit, uint64_t *out)
{
        return sigchain_object_get_u64(object, name, out) && *out < limit;
}

static enum lx_err
eid_key(const struct sigchain_object *object, struct lx_writer *wr, struct lx_why *why)
{
        const struct sigchain_field *eid = sigchain_object_find(object, "eid");
        uint64_t instance;

        if (eid == NULL || eid->bytes.len != 16 ||
            !get_u64_below(object, "instance", 1ull << 32, &instance)) {
                lx_why_set(why, "rule eid: an EID has an instance below 2^32 and 16 bytes");
                return LX_ERR_RULE;
        }
        lx_write_u32(wr, (uint32_t)instance);
        lx_write_bytes(wr, eid->bytes.p, 16);
        return LX_OK;
}

bool
sigchain_prefix_is_clean(const uint8_t prefix[16], uint64_t bits)
{
        for (uint64_t i = bits; i < 128; i++)
                if ((prefix[i / 8] >> (7 - i % 8) & 1) != 0)
                        return false;
        return true;
}

static enum lx_err
prefix_key(const struct sigchain_object *object, struct lx_writer *wr, struct lx_why *why)
{
        const struct sigchain_field *prefix = sigchain_object_find(object, "prefix");
        uint64_t instance, family, bits;

        if (prefix == NULL || prefix->bytes.len != 16 ||
            !get_u64_below(object, "instance", 1ull << 32, &instance) ||
            !get_u64_below(object, "family", 7, &family) || (family != 4 && family != 6) ||
            !get_u64_below(object, "bits", family == 4 ? 33 : 129, &bits) ||
            !sigchain_prefix_is_clean(prefix->bytes.p, bits)) {
                lx_why_set(why,
                    "rule prefix: instance below 2^32, family 4 or 6, at most 32 or 128 "
                    "bits, and nothing set behind them");
                return LX_ERR_RULE;
        }
        lx_write_u32(wr, (uint32_t)instance);
        lx_write_u8(wr, (uint8_t)family);
        lx_write_bytes(wr, prefix->bytes.p, 16);
        lx_write_u8(wr, (uint8_t)bits);
        return LX_OK;
}

enum lx_err
sigchain_canonical_key(enum sigchain_type type, const struct sigchain_object *object,
    uint8_t out_key[SIGCHAIN_NAME_MAX], size_t *out_len, struct lx_why *why)
{
        struct lx_writer wr = lx_writer_init(out_key, SIGCHAIN_NAME_MAX);
        enum lx_err err = LX_OK;

        if (type == SIGCHAIN_NAME || type == SIGCHAIN_NAMESPACE)
                err = name_key(object, &wr, why);
        else if (type == SIGCHAIN_EID)
                err = eid_key(object, &wr, why);
        else if (type == SIGCHAIN_PREFIX)
                err = prefix_key(object, &wr, why);
        if (err == LX_OK)
                *out_len = wr.len;
        return err;
}
