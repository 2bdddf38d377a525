/* keys/words.c - see keys/words.h. */
#include "config.h"
#include "keys/words.h"

#include "base/hash.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#include <stdbool.h>
#include <string.h>

#define WORD_BITS 11
#define WORD_COUNT 2048
#define WORD_MAX 8 /* letters */

static const char *const WORDS[WORD_COUNT] = {
#include "keys/words.inc"
};

/* Entropy, then the checksum byte: 264 bits. */
struct bits {
        uint8_t b[KEYS_ENTROPY_LEN + 1];
};

static unsigned
get_group(const struct bits *bits, unsigned group)
{
        unsigned value = 0;

        for (unsigned i = group * WORD_BITS; i < (group + 1) * WORD_BITS; i++)
                value = value << 1 | ((bits->b[i / 8] >> (7 - i % 8)) & 1u);
        return value;
}

static void
set_group(struct bits *bits, unsigned group, unsigned value)
{
        for (unsigned i = 0; i < WORD_BITS; i++) {
                unsigned at = group * WORD_BITS + i;

                if (value >> (WORD_BITS - 1 - i) & 1u)
                        bits->b[at / 8] |= (uint8_t)(0x80u >> at % 8);
        }
}

static uint8_t
checksum(const uint8_t *entropy)
{
        uint8_t digest[32];

        lx_sha256(entropy, KEYS_ENTROPY_LEN, digest);
        return digest[0];
}

void
keys_words_encode(const uint8_t entropy[KEYS_ENTROPY_LEN], char out_phrase[KEYS_PHRASE_MAX])
{
        struct bits bits;
        char *at = out_phrase;

        memcpy(bits.b, entropy, KEYS_ENTROPY_LEN);
        bits.b[KEYS_ENTROPY_LEN] = checksum(entropy);
        for (unsigned i = 0; i < KEYS_WORDS; i++) {
                const char *word = WORDS[get_group(&bits, i)];
                size_t len = strlen(word);

                memcpy(at, word, len);
                at += len;
                *at++ = i + 1 < KEYS_WORDS ? ' ' : '\0';
        }
        lx_wipe(&bits, sizeof(bits));
}

/* The words are sorted, but looking at all of them takes the same time for every word. */
static unsigned
find_word(const char word[WORD_MAX + 1])
{
        unsigned found = WORD_COUNT;

        for (unsigned i = 0; i < WORD_COUNT; i++)
                if (strncmp(WORDS[i], word, WORD_MAX + 1) == 0)
                        found = i;
        return found;
}

static bool
is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next word in lower case; false at the end. A word that is too long comes out empty. */
static bool
next_word(const char **at, const char *end, char word[WORD_MAX + 1])
{
        size_t n = 0;

        while (*at < end && is_space(**at))
                (*at)++;
        if (*at == end)
                return false;
        memset(word, 0, WORD_MAX + 1);
        for (; *at < end && !is_space(**at); (*at)++, n++)
                if (n < WORD_MAX)
                        word[n] = (char)(**at >= 'A' && **at <= 'Z' ? **at - 'A' + 'a' : **at);
        if (n > WORD_MAX)
                word[0] = '\0';
        return true;
}

static enum lx_err
read_words(const char *phrase, size_t len, struct bits *bits, struct lx_why *why)
{
        const char *end = phrase + len;
        char word[WORD_MAX + 1];
        unsigned count = 0;
        enum lx_err err = LX_OK;

        for (; err == LX_OK && next_word(&phrase, end, word); count++) {
                unsigned value = find_word(word);

                if (count >= KEYS_WORDS) {
                        err = LX_ERR_FORMAT;
                } else if (value == WORD_COUNT) {
                        lx_why_set(why, "word %u is not in the list of BIP 39", count + 1);
                        err = LX_ERR_FORMAT;
                } else {
                        set_group(bits, count, value);
                }
        }
        lx_wipe(word, sizeof(word));
        if (err == LX_OK && count != KEYS_WORDS)
                err = LX_ERR_FORMAT;
        if (err != LX_OK)
                lx_why_set(why, "a recovery phrase has %u words", KEYS_WORDS);
        return err;
}

enum lx_err
keys_words_decode(
    const char *phrase, size_t len, uint8_t out_entropy[KEYS_ENTROPY_LEN], struct lx_why *why)
{
        struct bits bits = {.b = {0}};
        enum lx_err err = read_words(phrase, len, &bits, why);

        if (err == LX_OK && checksum(bits.b) != bits.b[KEYS_ENTROPY_LEN]) {
                lx_why_set(why, "the words don't belong together: one of them is wrong");
                err = LX_ERR_FORMAT;
        }
        if (err == LX_OK)
                memcpy(out_entropy, bits.b, KEYS_ENTROPY_LEN);
        lx_wipe(&bits, sizeof(bits));
        return err;
}
