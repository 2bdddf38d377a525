/* keys/words.c - see keys/words.h. */
#include "config.h"
#include "keys/words.h"

#include "base/hash.h"
#include "crypto/ctime.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#include <stdbool.h>
#include <string.h>

#define WORD_BITS 11
#define WORD_COUNT 2048
#define WORD_MAX 8 /* letters */

/* Zero-padded, so that all are looked at in the same way. */
static const char WORDS[WORD_COUNT][WORD_MAX + 1] = {
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

                bits->b[at / 8] |= (uint8_t)((value >> (WORD_BITS - 1 - i) & 1u) << (7 - at % 8));
        }
}

static uint8_t
checksum(const uint8_t *entropy)
{
        uint8_t digest[32], first;

        lx_sha256(entropy, KEYS_ENTROPY_LEN, digest);
        first = digest[0];
        lx_wipe(digest, sizeof(digest));
        return first;
}

/* The eight bytes of a word as a number: 0 behind its end. */
static uint64_t
load_word(const char word[WORD_MAX])
{
        uint64_t value = 0;

        for (unsigned i = 0; i < WORD_MAX; i++)
                value = value << 8 | (uint8_t)word[i];
        return value;
}

/* All ones when both are equal, else zero. */
static uint64_t
equal_mask(uint64_t a, uint64_t b)
{
        uint64_t diff = a ^ b;

        return ((diff | (0 - diff)) >> 63) - 1;
}

/* Write word @number; where it ends. All words are looked at, whichever it is. */
static char *
put_word(char *at, unsigned number)
{
        uint64_t word = 0;
        unsigned len = 0;

        for (unsigned i = 0; i < WORD_COUNT; i++)
                word |= load_word(WORDS[i]) & equal_mask(i, number);
        for (unsigned i = 0; i < WORD_MAX; i++)
                len += (unsigned)((word >> 8 * i & 0xff) + 0x7f) >> 7;
        lx_declassify(&len, sizeof(len)); /* everybody who sees the screen from afar sees it */
        for (unsigned i = 0; i < len; i++)
                *at++ = (char)(word >> (56 - 8 * i));
        return at;
}

void
keys_words_encode(const uint8_t entropy[KEYS_ENTROPY_LEN], char out_phrase[KEYS_PHRASE_MAX])
{
        struct bits bits;
        char *at = out_phrase;

        memcpy(bits.b, entropy, KEYS_ENTROPY_LEN);
        bits.b[KEYS_ENTROPY_LEN] = checksum(entropy);
        for (unsigned i = 0; i < KEYS_WORDS; i++) {
                at = put_word(at, get_group(&bits, i));
                *at++ = i + 1 < KEYS_WORDS ? ' ' : '\0';
        }
        lx_wipe(&bits, sizeof(bits));
}

/* The number of the word in *out_number; false: it is none. Takes the same time for every word. */
static bool
find_word(const char word[WORD_MAX + 1], unsigned *out_number)
{
        uint64_t want = load_word(word), found = 0, hit = 0;
        bool is_word;

        for (unsigned i = 0; i < WORD_COUNT; i++) {
                uint64_t mask = equal_mask(load_word(WORDS[i]), want);

                found |= i & mask;
                hit |= mask;
        }
        *out_number = (unsigned)found;
        is_word = hit != 0;
        lx_declassify(&is_word, sizeof(is_word));
        return is_word;
}

/* Where words begin and end may be known: so may whether a character is a space. */
static bool
is_space(char c)
{
        static const char spaces[] = {' ', '\t', '\n', '\r'};
        uint64_t mask = 0;
        bool space;

        for (unsigned i = 0; i < sizeof(spaces); i++)
                mask |= equal_mask((uint8_t)c, (uint8_t)spaces[i]);
        space = mask & 1;
        lx_declassify(&space, sizeof(space));
        return space;
}

static char
to_lower(char c)
{
        unsigned from_a = (unsigned)(unsigned char)c - 'A';
        unsigned is_upper = ((from_a - 26) & ~from_a) >> 31;

        return (char)(c + (char)(is_upper << 5));
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
                        word[n] = to_lower(**at);
        if (n > WORD_MAX)
                memset(word, 0, WORD_MAX + 1);
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
                unsigned value;

                if (count >= KEYS_WORDS) {
                        err = LX_ERR_FORMAT;
                } else if (!find_word(word, &value)) {
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
        bool fits = checksum(bits.b) == bits.b[KEYS_ENTROPY_LEN];

        lx_declassify(&fits, sizeof(fits));
        if (err == LX_OK && !fits) {
                lx_why_set(why, "the words don't belong together: one of them is wrong");
                err = LX_ERR_FORMAT;
        }
        if (err == LX_OK)
                memcpy(out_entropy, bits.b, KEYS_ENTROPY_LEN);
        lx_wipe(&bits, sizeof(bits));
        return err;
}
