/*
 * crypto/aead.h - ChaCha20-Poly1305 (RFC 8439) and HKDF-SHA256 (RFC 5869), by libcrypto.
 *
 * A context is made once and keyed many times: making one costs more than sealing a short message.
 * A context seals or opens, not both. Threads: one at a time for each context.
 */
#ifndef LX_CRYPTO_AEAD_H
#define LX_CRYPTO_AEAD_H

#include "base/err.h"
#include "base/hash.h"

#define LX_AEAD_KEY_LEN 32
#define LX_AEAD_NONCE_LEN 12
#define LX_AEAD_TAG_LEN 16

enum lx_aead_use { LX_AEAD_SEAL, LX_AEAD_OPEN };

struct lx_aead;

/** A context for @use with key @key (copied). Ends the program when memory is out. */
struct lx_aead *lx_aead_new(enum lx_aead_use use, const uint8_t key[LX_AEAD_KEY_LEN]);
/** Wipe and free; NULL is fine. */
void lx_aead_free(struct lx_aead *aead);
/** Another key from now on. */
void lx_aead_rekey(struct lx_aead *aead, const uint8_t key[LX_AEAD_KEY_LEN]);
/**
 * Seal @len bytes at @in into @len + LX_AEAD_TAG_LEN bytes at @out (may be @in itself). A nonce must
 * never come twice under one key. @ad may be empty.
 */
void lx_aead_seal(struct lx_aead *aead, const uint8_t nonce[LX_AEAD_NONCE_LEN], struct lx_span ad,
    const uint8_t *in, size_t len, uint8_t *out);
/**
 * Open @len bytes (the tag included, at least LX_AEAD_TAG_LEN) at @in into @len - LX_AEAD_TAG_LEN
 * bytes at @out (may be @in itself). false: not sealed so; @out is then zeroed.
 */
LX_MUST_CHECK bool lx_aead_open(struct lx_aead *aead, const uint8_t nonce[LX_AEAD_NONCE_LEN],
    struct lx_span ad, const uint8_t *in, size_t len, uint8_t *out);

/** 64 bytes of HKDF-SHA256 with salt @salt (32 bytes), input @ikm, and empty info. */
void lx_hkdf64(const uint8_t salt[32], struct lx_span ikm, uint8_t out[64]);

#endif
