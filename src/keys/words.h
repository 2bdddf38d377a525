/*
 * keys/words.h - 24 words for 32 bytes, as BIP 39 (English).
 *
 * 256 bits of entropy and 8 bits of checksum (the first byte of their SHA-256), cut into 24 groups
 * of 11 bits. The words are secrets: they live in memory that the caller wipes.
 * Threads: pure. Source: BIP 39.
 */
#ifndef LX_KEYS_WORDS_H
#define LX_KEYS_WORDS_H

#include "base/err.h"
#include "base/why.h"

#include <stddef.h>
#include <stdint.h>

#define KEYS_WORDS 24
#define KEYS_ENTROPY_LEN 32
#define KEYS_PHRASE_MAX (KEYS_WORDS * 9) /* bytes, spaces and NUL included */

/** Write the phrase, words separated by one space. */
void keys_words_encode(const uint8_t entropy[KEYS_ENTROPY_LEN], char out_phrase[KEYS_PHRASE_MAX]);

/**
 * Read a phrase of @len bytes; any white space separates, case does not matter.
 * LX_ERR_FORMAT: @why names the number of the word (never the word) or says that the checksum fails.
 */
LX_MUST_CHECK enum lx_err keys_words_decode(
    const char *phrase, size_t len, uint8_t out_entropy[KEYS_ENTROPY_LEN], struct lx_why *why);

#endif
