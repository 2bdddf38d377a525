/*
 * keys/derive.h - from what a person knows to the keys of a signature chain.
 *
 *   name key      = scalar(Argon2id(user name; salt H(lx.namesalt, chain id)[0..16), parameters of
 *                   the genesis document)): its hash is the genesis id, found by the name alone
 *   master seed   = Argon2id(u16 length, password, u16 length, PIN; salt H(lx.seedsalt, genesis
 *                   id)[0..16), parameters of the crypto register)
 *   one-time key  = scalar(H(lx.key, keyed with the seed; "chain", u64 sequence))
 *   recovery key  = scalar(H(lx.key, keyed with the 32 bytes behind the 24 words; "recovery",
 *                   genesis id, u64 use))
 * For key files name key and seed come from the file. scalar(x) is x as a secp256k1 scalar; in the
 * one case in 2^128 where it is none, H(lx.key, keyed x; "again") is tried, and so on.
 *
 * Secrets are in struct lx_secret; whoever holds one clears it. Every guess of a password costs one
 * full Argon2id: nothing public is derived from less. Threads: pure, slow (Argon2id).
 * Spec: doc/keys.md.
 */
#ifndef LX_KEYS_DERIVE_H
#define LX_KEYS_DERIVE_H

#include "base/why.h"
#include "crypto/secret.h"
#include "crypto/sign.h"

#define KEYS_SEED_LEN 32
#define KEYS_NAME_MAX 64 /* bytes of a user name */
#define KEYS_PASSWORD_MAX 1024
#define KEYS_PIN_MAX 64

/** Whether @name can be a user name: 1 to KEYS_NAME_MAX bytes of [a-z0-9._-]; else why says it. */
LX_MUST_CHECK enum lx_err keys_check_name(const char *name, struct lx_why *why);

/**
 * Whether password and PIN are strong enough: LX_ERR_WEAK with the reason. Password: at least 10
 * characters, an estimated 40 bits by a simple count of what a guesser would try (repetition,
 * sequences, common words, the name itself count little); PIN: at least 6 characters, no repetition
 * or sequence.
 */
LX_MUST_CHECK enum lx_err keys_check_strength(const char *name, const struct lx_secret *password,
    const struct lx_secret *pin, struct lx_why *why);

/** The name key's secret. LX_ERR_NOMEM, LX_ERR_RANGE. */
LX_MUST_CHECK enum lx_err keys_derive_name(const struct lx_hash *chain_id, const char *name,
    const struct lx_kdf *kdf, struct lx_secret *out_key);

/** The master seed. LX_ERR_NOMEM, LX_ERR_RANGE (parameters, or password or PIN too long). */
LX_MUST_CHECK enum lx_err
keys_derive_seed(const struct lx_hash *genesis, const struct lx_secret *password,
    const struct lx_secret *pin, const struct lx_kdf *kdf, struct lx_secret *out_seed);

/** The secret one-time key of @sequence. LX_ERR_NOMEM (secure memory). */
LX_MUST_CHECK enum lx_err
keys_derive_chain(const struct lx_secret *seed, uint64_t sequence, struct lx_secret *out_key);

/** The secret recovery key number @use from the 32 bytes behind the words. */
LX_MUST_CHECK enum lx_err keys_derive_recovery(const struct lx_secret *entropy,
    const struct lx_hash *genesis, uint64_t use, struct lx_secret *out_key);

/** Public key and commitment (H(lx.nextkey, key)) of a secret key; either output may be NULL. */
LX_MUST_CHECK enum lx_err keys_public(
    const struct lx_secret *key, struct lx_pubkey *out_public, struct lx_hash *out_commitment);

#endif
