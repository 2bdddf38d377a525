/*
 * keys/keyfile.h - key files: identities of devices, services, validators and nodes.
 *
 * Text, mode 0600, refused when group or others may read it:
 *   lxnode-key 1
 *   kind validator|node|device|eid
 *   secret <64 hex>
 *   public <64 hex>           (x-only, of the secret used as a key; checked against it)
 * Validators and nodes sign with the secret itself. For a device the secret is the root of its
 * signature chain: name key = scalar(H(lx.key, keyed secret; "name")), seed = H(lx.key, keyed secret;
 * "seed"). Threads: pure but for the file. Spec: doc/keys.md.
 */
#ifndef LX_KEYS_KEYFILE_H
#define LX_KEYS_KEYFILE_H

#include "keys/derive.h"

enum keys_kind { KEYS_VALIDATOR, KEYS_NODE, KEYS_DEVICE, KEYS_EID };

struct keys_file {
        enum keys_kind kind;
        struct lx_secret secret; /* 32 bytes */
        struct lx_pubkey public;
};

/** The kind called @name ("validator", "node", "device", "eid"); false: there is none. */
bool keys_kind_named(const char *name, enum keys_kind *out_kind);
/** The name of @kind. */
const char *keys_kind_name(enum keys_kind kind);
/** A new random key of @kind. LX_ERR_NOMEM. */
LX_MUST_CHECK enum lx_err keys_file_generate(enum keys_kind kind, struct keys_file *out_file);
/** Write it to @path, which must not exist (LX_ERR_EXISTS), mode 0600. */
LX_MUST_CHECK enum lx_err
keys_file_save(const struct keys_file *file, const char *path, struct lx_why *why);
/** Read it: LX_ERR_ABSENT, LX_ERR_DENIED (others may read it), LX_ERR_FORMAT. */
LX_MUST_CHECK enum lx_err
keys_file_load(const char *path, struct keys_file *out_file, struct lx_why *why);
/** Wipe it; fine on a zeroed struct. */
void keys_file_clear(struct keys_file *file);
/** Name key and seed of a device's signature chain. */
LX_MUST_CHECK enum lx_err keys_file_chain(
    const struct keys_file *file, struct lx_secret *out_name_key, struct lx_secret *out_seed);

#endif
