/* keys/strength.c - which names and secrets are good enough (keys/derive.h). */
#include "config.h"
#include "keys/derive.h"

#include <ctype.h>
#include <string.h>

#define PASSWORD_MIN 10
#define PIN_MIN 6
#define BITS_MIN 40

/* Parts that guessers try first; matched without case, they count as one character. */
static const char *const COMMON[] = {"password", "passwort", "qwertz", "qwerty", "asdfgh",
    "letmein", "welcome", "admin", "login", "secret", "dragon", "monkey", "iloveyou", "master",
    "sunshine", "football", "abc123", "111111", "123123", "lxnode"};

enum lx_err
keys_check_name(const char *name, struct lx_why *why)
{
        size_t len = strlen(name);

        if (len == 0 || len > KEYS_NAME_MAX) {
                lx_why_set(why, "a user name has 1 to %d characters, not %zu", KEYS_NAME_MAX, len);
                return LX_ERR_RANGE;
        }
        for (size_t i = 0; i < len; i++)
                if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", name[i])) {
                        lx_why_set(why, "a user name is made of a-z, 0-9, '.', '_' and '-' only");
                        return LX_ERR_FORMAT;
                }
        return LX_OK;
}

static bool
starts_with(const uint8_t *p, size_t len, const char *word)
{
        size_t n = strlen(word);

        if (n < 3 || len < n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (tolower(p[i]) != tolower((unsigned char)word[i]))
                        return false;
        return true;
}

/* Length of the common word, or of the name, that stands at @p; 0: none. */
static size_t
known_word(const uint8_t *p, size_t len, const char *name)
{
        if (starts_with(p, len, name))
                return strlen(name);
        for (size_t i = 0; i < sizeof(COMMON) / sizeof(COMMON[0]); i++)
                if (starts_with(p, len, COMMON[i]))
                        return strlen(COMMON[i]);
        return 0;
}

/* Whether p[i] only goes on with a repetition or a sequence (aaa, abc, 321). */
static bool
is_predictable(const uint8_t *p, size_t i)
{
        int step;

        if (i < 2)
                return i == 1 && p[1] == p[0];
        step = p[i] - p[i - 1];
        return step >= -1 && step <= 1 && p[i - 1] - p[i - 2] == step;
}

/* Tenths of bits that one character of the used classes is worth. */
static unsigned
bits_per_character(const uint8_t *p, size_t len)
{
        bool lower = false, upper = false, digit = false, other = false;

        for (size_t i = 0; i < len; i++) {
                lower |= islower(p[i]) != 0;
                upper |= isupper(p[i]) != 0;
                digit |= isdigit(p[i]) != 0;
                other |= !isalnum(p[i]);
        }
        /* log2 of the alphabet, less for letters because words are not random. */
        return 10 + (lower ? 20u : 0u) + (upper ? 8u : 0u) + (digit ? 8u : 0u) + (other ? 10u : 0u);
}

static unsigned
estimate_bits(const uint8_t *p, size_t len, const char *name)
{
        unsigned each = bits_per_character(p, len);
        unsigned tenths = 0;

        for (size_t i = 0; i < len;) {
                size_t known = known_word(p + i, len - i, name);

                tenths += is_predictable(p, i) ? 5 : each;
                i += known != 0 ? known : 1;
        }
        return tenths / 10;
}

static bool
is_simple_pin(const struct lx_secret *pin)
{
        unsigned predictable = 0;

        for (size_t i = 1; i < pin->len; i++)
                predictable += is_predictable(pin->p, i);
        return predictable + 3 >= pin->len;
}

enum lx_err
keys_check_strength(const char *name, const struct lx_secret *password, const struct lx_secret *pin,
    struct lx_why *why)
{
        unsigned bits = estimate_bits(password->p, password->len, name);

        if (password->len < PASSWORD_MIN) {
                lx_why_set(why, "the password has fewer than %d characters", PASSWORD_MIN);
                return LX_ERR_WEAK;
        }
        if (bits < BITS_MIN) {
                lx_why_set(why,
                    "the password is easy to guess (about 2^%u tries, at least 2^%d are asked "
                    "for): "
                    "use several unrelated words",
                    bits, BITS_MIN);
                return LX_ERR_WEAK;
        }
        if (pin->len < PIN_MIN) {
                lx_why_set(why, "the PIN has fewer than %d characters", PIN_MIN);
                return LX_ERR_WEAK;
        }
        if (is_simple_pin(pin)) {
                lx_why_set(why, "the PIN is a repetition or a sequence");
                return LX_ERR_WEAK;
        }
        return LX_OK;
}
