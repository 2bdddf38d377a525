/*
 * crypto/secret.h - secrets: locked memory, wiping, constant-time comparing, randomness, Argon2id.
 *
 * struct lx_secret memory is locked, guarded, left out of core files and wiped when freed
 * (libsodium's secure memory). Nothing here logs or puts a secret into an error text.
 */
#ifndef LX_CRYPTO_SECRET_H
#define LX_CRYPTO_SECRET_H

#include "base/err.h"
#include "base/hash.h"

/* Bytes in secure memory. */
struct lx_secret {
        uint8_t *p;
        size_t len; /* bytes */
};

/** Initialise the library; call once at program start. LX_ERR_IO: no randomness. */
LX_MUST_CHECK enum lx_err lx_crypto_init(void);
/** @len zeroed bytes of secure memory; LX_ERR_NOMEM when no more can be locked. */
LX_MUST_CHECK enum lx_err lx_secret_init(struct lx_secret *secret, size_t len);
/** Wipe and free; fine on a zeroed struct, and twice. */
void lx_secret_clear(struct lx_secret *secret);
/** Overwrite @len bytes so that the compiler keeps it. */
void lx_wipe(void *p, size_t len);
/** Whether two strings of @len bytes are equal, in time that does not depend on them. */
bool lx_ct_equal(const void *a, const void *b, size_t len);
/** Fill with random bytes from the system. */
void lx_random(void *out, size_t len);

/* Argon2id (RFC 9106), version 1.3. */
struct lx_kdf {
        uint32_t mem_kib; /* memory in KiB */
        uint32_t passes;  /* t */
        uint32_t lanes;   /* p */
};

#define LX_KDF_FLOOR_MEM_KIB (64u * 1024) /* floor of both, 64 MiB and t=3 */
#define LX_KDF_FLOOR_PASSES 3u
#define LX_KDF_MAX_MEM_KIB (4u * 1024 * 1024)
#define LX_KDF_MAX_PASSES 64u
#define LX_KDF_SALT_LEN 16

/** Whether @kdf is between floor and maximum; one lane (libsodium computes no more). */
bool lx_kdf_is_allowed(const struct lx_kdf *kdf);

/**
 * @out_len bytes of Argon2id(@pass, @salt). Takes long and @kdf->mem_kib of memory.
 * Returns LX_OK, LX_ERR_RANGE (parameters), LX_ERR_NOMEM.
 */
LX_MUST_CHECK enum lx_err lx_kdf_derive(const struct lx_kdf *kdf, const uint8_t *pass,
    size_t pass_len, const uint8_t salt[LX_KDF_SALT_LEN], uint8_t *out, size_t out_len);

#endif
