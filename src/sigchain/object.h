/*
 * sigchain/object.h - the data of object registers: typed fields, mutable or not.
 *
 * Bytes: u8 field count (1 to 32), then each field: u8 name length (1 to 32), name ([a-z0-9_]),
 * u8 type (bits 0-3) and access (bits 4-5), value. Names are unique, in the order of creation.
 * Values: u64; hash (32); bytes and text (var16, text is UTF-8); address (32); bool (u8 0 or 1).
 * Freestanding. Threads: pure. Spec: doc/state.md.
 */
#ifndef LX_SIGCHAIN_OBJECT_H
#define LX_SIGCHAIN_OBJECT_H

#include "base/wire.h"

#define SIGCHAIN_FIELDS_MAX 32
#define SIGCHAIN_FIELD_NAME_MAX 32

enum sigchain_field_type {
        SIGCHAIN_U64 = 1,
        SIGCHAIN_HASH = 2,
        SIGCHAIN_BYTES = 3,
        SIGCHAIN_TEXT = 4,
        SIGCHAIN_ADDRESS = 5,
        SIGCHAIN_BOOL = 6
};

enum sigchain_access {
        SIGCHAIN_FIXED = 0,   /* never changes */
        SIGCHAIN_MUTABLE = 1, /* the owner writes it */
        SIGCHAIN_SYSTEM = 2   /* only the rules of other operations change it (balances) */
};

struct sigchain_field {
        struct lx_span name;
        enum sigchain_field_type type;
        enum sigchain_access access;
        uint64_t u64;         /* SIGCHAIN_U64, SIGCHAIN_BOOL */
        struct lx_span bytes; /* all others; 32 bytes for hash and address */
};

struct sigchain_object {
        size_t count;
        struct sigchain_field field[SIGCHAIN_FIELDS_MAX];
};

/** Write the bytes above. */
void sigchain_object_encode(const struct sigchain_object *object, struct lx_writer *wr);
/** Read them, to the end; spans point into the input. Duplicate names are LX_ERR_FORMAT. */
LX_MUST_CHECK enum lx_err
sigchain_object_decode(struct lx_span data, struct sigchain_object *out_object);
/** The field @name, or NULL. */
const struct sigchain_field *
sigchain_object_find(const struct sigchain_object *object, const char *name);
/** Copy the 32 bytes of hash or address field @name; false: no such field. */
bool sigchain_object_get_hash(
    const struct sigchain_object *object, const char *name, struct lx_hash *out);
/** The number in u64 or bool field @name; false: no such field. */
bool sigchain_object_get_u64(const struct sigchain_object *object, const char *name, uint64_t *out);

#endif
