/* keys/derive.c - see keys/derive.h. */
#include "config.h"
#include "keys/derive.h"

#include "base/wire.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "sigchain/tx.h"

#include <string.h>

/* Turn 32 secret bytes, in place, into a valid scalar. */
static void
make_scalar(struct lx_secret *key)
{
        static const char again[] = "again";
        struct lx_pubkey ignored;

        while (lx_sign_pubkey(key->p, &ignored) != LX_OK) {
                struct lx_hash next;

                lx_blake2b_keyed(&LX_TAG_KEY, key->p, key->len, again, sizeof(again) - 1, &next);
                memcpy(key->p, next.b, LX_SECKEY_LEN);
                lx_wipe(&next, sizeof(next));
        }
}

/* The first bytes of a tagged hash of @id, as salt. */
static void
make_salt(const struct lx_tag *tag, const struct lx_hash *id, uint8_t salt[LX_KDF_SALT_LEN])
{
        struct lx_hash hash;

        lx_blake2b(tag, id->b, LX_HASH_LEN, &hash);
        memcpy(salt, hash.b, LX_KDF_SALT_LEN);
}

enum lx_err
keys_derive_name(const struct lx_hash *chain_id, const char *name, const struct lx_kdf *kdf,
    struct lx_secret *out_key)
{
        uint8_t salt[LX_KDF_SALT_LEN];
        struct lx_secret key;
        enum lx_err err = lx_secret_init(&key, LX_SECKEY_LEN);

        if (err != LX_OK)
                return err;
        make_salt(&LX_TAG_NAME_SALT, chain_id, salt);
        err = lx_kdf_derive(kdf, (const uint8_t *)name, strlen(name), salt, key.p, key.len);
        if (err != LX_OK) {
                lx_secret_clear(&key);
                return err;
        }
        make_scalar(&key);
        *out_key = key;
        return LX_OK;
}

/* u16 length and bytes of both, one after the other. */
static enum lx_err
join_secrets(
    const struct lx_secret *password, const struct lx_secret *pin, struct lx_secret *out_joined)
{
        struct lx_writer wr;
        enum lx_err err;

        if (password->len > KEYS_PASSWORD_MAX || pin->len > KEYS_PIN_MAX)
                return LX_ERR_RANGE;
        err = lx_secret_init(out_joined, 4 + password->len + pin->len);
        if (err != LX_OK)
                return err;
        wr = lx_writer_init(out_joined->p, out_joined->len);
        lx_write_var16(&wr, LX_SPAN(password->p, password->len));
        lx_write_var16(&wr, LX_SPAN(pin->p, pin->len));
        return lx_writer_end(&wr);
}

enum lx_err
keys_derive_seed(const struct lx_hash *genesis, const struct lx_secret *password,
    const struct lx_secret *pin, const struct lx_kdf *kdf, struct lx_secret *out_seed)
{
        uint8_t salt[LX_KDF_SALT_LEN];
        struct lx_secret joined = {0};
        struct lx_secret seed = {0};
        enum lx_err err = join_secrets(password, pin, &joined);

        if (err == LX_OK)
                err = lx_secret_init(&seed, KEYS_SEED_LEN);
        if (err == LX_OK) {
                make_salt(&LX_TAG_SEED_SALT, genesis, salt);
                err = lx_kdf_derive(kdf, joined.p, joined.len, salt, seed.p, seed.len);
        }
        lx_secret_clear(&joined);
        if (err != LX_OK) {
                lx_secret_clear(&seed);
                return err;
        }
        *out_seed = seed;
        return LX_OK;
}

/* A key for @purpose and the bytes of @info, keyed with @root. */
static enum lx_err
derive_key(const struct lx_secret *root, const char *purpose, const struct lx_hash *id,
    uint64_t number, struct lx_secret *out_key)
{
        uint8_t info[64];
        struct lx_writer wr = lx_writer_init(info, sizeof(info));
        struct lx_secret key;
        struct lx_hash hash;
        enum lx_err err = lx_secret_init(&key, LX_SECKEY_LEN);

        if (err != LX_OK)
                return err;
        lx_write_bytes(&wr, purpose, strlen(purpose));
        if (id != NULL)
                lx_write_hash(&wr, id);
        lx_write_u64(&wr, number);
        lx_blake2b_keyed(&LX_TAG_KEY, root->p, root->len, info, wr.len, &hash);
        memcpy(key.p, hash.b, LX_SECKEY_LEN);
        lx_wipe(&hash, sizeof(hash));
        make_scalar(&key);
        *out_key = key;
        return LX_OK;
}

enum lx_err
keys_derive_chain(const struct lx_secret *seed, uint64_t sequence, struct lx_secret *out_key)
{
        return derive_key(seed, "chain", NULL, sequence, out_key);
}

enum lx_err
keys_derive_recovery(const struct lx_secret *entropy, const struct lx_hash *genesis, uint64_t use,
    struct lx_secret *out_key)
{
        return derive_key(entropy, "recovery", genesis, use, out_key);
}

enum lx_err
keys_public(
    const struct lx_secret *key, struct lx_pubkey *out_public, struct lx_hash *out_commitment)
{
        struct lx_pubkey pub;
        enum lx_err err = lx_sign_pubkey(key->p, &pub);

        if (err != LX_OK)
                return err;
        if (out_commitment != NULL)
                sigchain_next_hash(&lx_crypto_ops()->hash, &pub, out_commitment);
        if (out_public != NULL)
                *out_public = pub;
        return LX_OK;
}
