/*
 * sigchain/standard.h - the standards: which fields a register of each type has, and who may make
 * one. One table (standard.c); checking, the JSON face and doc/standards.md follow it.
 *
 * crypto     kind u64 (1 profile, 2 key file), kdf_mem, kdf_passes, kdf_lanes u64 (mutable), recovery
 *            hash, recovery_use u64 (system), stamp u64
 * name       name text, target address (mutable)         canonical key: the name, see below
 * namespace  name text
 * token      name text, decimals u64, supply u64, balance u64 (system: what was not yet sent)
 * account    token address, balance u64 (system)
 * release    name text, version text, manifest hash, entries u64, size u64 (bytes of the manifest),
 *            leaves hash (of the blob with all entries' leaf hashes in manifest order; zero: none)
 * approval   the same
 * index      root hash, version u64, count u64 (all system)
 * file       path text, root hash (mutable), length u64 (mutable)
 * eid        instance u64, eid bytes(16), first_key bytes(32), key bytes(32, mutable), rlocs bytes
 *            (mutable), ttl u64 (mutable),
 *            sealed u64 (mutable)                         canonical key: u32 instance, eid (16)
 * prefix     instance u64, family u64, prefix bytes, bits u64, eid address (mutable; zero: none)
 *                                                        canonical key: u32, u8 family, 16, u8 bits
 * node       key bytes(32), rlocs bytes (mutable), roles u64 (system: 0 until node-admit sets it)
 * device     key bytes(32) (mutable), rights u64 (mutable)
 * validator  key bytes(32), name text
 * Reserved, refused when created (the formats stand, their rules come later):
 * delegation key bytes(32), operations u64 (bit t: operation type t), allowance u64 (of the genesis
 *            token), until u64 (height, mutable)
 * owners     need u64, members bytes (genesis ids, rising): M-of-N, named by register flag bit 0
 *
 * Names: 1 to 63 bytes of [a-z0-9-], not starting or ending with '-', joined by dots to at most 200
 * bytes. "a" is free for all; "host.a" may only be made by the owner of namespace "a".
 * Threads: pure. Spec: doc/standards.md.
 */
#ifndef LX_SIGCHAIN_STANDARD_H
#define LX_SIGCHAIN_STANDARD_H

#include "base/why.h"
#include "sigchain/object.h"
#include "sigchain/state.h"

#define SIGCHAIN_NAME_MAX 200

struct sigchain_schema_field {
        const char *name;
        enum sigchain_field_type type;
        enum sigchain_access access;
        uint16_t len; /* exact bytes of a SIGCHAIN_BYTES field, 0: any */
};

struct sigchain_standard {
        enum sigchain_type type;
        const char *name; /* as people write it: "release" */
        bool by_user;     /* a create operation may make one */
        const struct sigchain_schema_field
            *fields; /* NULL-named last; NULL: free (object, raw...) */
};

/** The row of @type; NULL when there is no such type. */
const struct sigchain_standard *sigchain_standard_of(unsigned type);
/** The row named @name; NULL when there is none. */
const struct sigchain_standard *sigchain_standard_named(const char *name);

/** Whether @object has exactly the fields of @standard: LX_OK or LX_ERR_RULE with a why. */
LX_MUST_CHECK enum lx_err sigchain_standard_check(const struct sigchain_standard *standard,
    const struct sigchain_object *object, struct lx_why *why);

/** Whether @name is a well-formed name. */
bool sigchain_name_is_valid(struct lx_span name);

/** Whether no bit is set behind the first @bits of the 16 bytes. */
bool sigchain_prefix_is_clean(const uint8_t prefix[16], uint64_t bits);

/**
 * The canonical key from which the address of a register of this type with these fields is derived;
 * *out_len 0 when the type's addresses come from genesis, sequence and operation.
 * LX_ERR_RULE: a field does not fit.
 */
LX_MUST_CHECK enum lx_err
sigchain_canonical_key(enum sigchain_type type, const struct sigchain_object *object,
    uint8_t out_key[SIGCHAIN_NAME_MAX], size_t *out_len, struct lx_why *why);

#endif
