/* guard/code.c - see guard/code.h. */
#include "config.h"
#include "guard/code.h"

#include <string.h>

#define ET_EXEC 2
#define ET_DYN 3

enum guard_code
guard_code_of(struct lx_span head)
{
        unsigned type;

        if (head.len >= 2 && head.p[0] == '#' && head.p[1] == '!')
                return GUARD_CODE_SCRIPT;
        if (head.len < 18 || memcmp(head.p, "\177ELF", 4) != 0) /* public */
                return GUARD_CODE_DATA;
        /* Byte 5 is the byte order; what is neither may be read as either by a sloppy loader. */
        type = head.p[5] == 2 ? (unsigned)head.p[16] << 8 | head.p[17] : (unsigned)head.p[17] << 8 | head.p[16];
        if (head.p[5] != 1 && head.p[5] != 2)
                return GUARD_CODE_ELF;
        return type == ET_EXEC || type == ET_DYN ? GUARD_CODE_ELF : GUARD_CODE_DATA;
}

bool
guard_next_word(struct lx_span *rest, struct lx_span *out_word)
{
        const uint8_t *nul;

        if (rest->len == 0)
                return false;
        nul = memchr(rest->p, '\0', rest->len);
        out_word->p = rest->p;
        out_word->len = nul != NULL ? (size_t)(nul - rest->p) : rest->len;
        rest->p += out_word->len + (nul != NULL);
        rest->len -= out_word->len + (nul != NULL);
        return true;
}

static bool
begins(struct lx_span word, const char *text)
{
        return word.len >= strlen(text) && memcmp(word.p, text, strlen(text)) == 0; /* public */
}

static bool
is_inline_word(struct lx_span word)
{
        return begins(word, "--eval") || begins(word, "--exec") || begins(word, "--command") ||
            begins(word, "--print") || begins(word, "--source");
}

/* A word of short options: does one take program text; does the last one take the next word? */
static bool
read_letters(struct lx_span word, const char *inline_letters, const char *value_letters, bool *out_value)
{
        for (size_t i = 1; i < word.len; i++) {
                if (strchr(inline_letters, word.p[i]) != NULL)
                        return true;
                if (strchr(value_letters, word.p[i]) != NULL) {
                        *out_value = i + 1 == word.len;
                        return false;
                }
        }
        return false;
}

static bool
is_any_of(struct lx_span word, const char *const names[])
{
        for (int i = 0; names[i] != NULL; i++)
                if (word.len == strlen(names[i]) && begins(word, names[i]))
                        return true;
        return false;
}

/* Long options whose value is the next word. */
static bool
takes_next(struct lx_span word)
{
        static const char *const names[] = {"--check-hash-based-pycs", "--rcfile", "--init-file", "--require",
            "--import", "--loader", "--experimental-loader", "--conditions", "--icu-data-dir", "--title", NULL};

        return is_any_of(word, names);
}

static bool
is_option(struct lx_span word)
{
        return word.len > 1 && (word.p[0] == '-' || word.p[0] == '+');
}

/* The first word that is no option: a script, or the standard input by its names. */
static enum guard_args
script_or_stdin(struct lx_span word)
{
        static const char *const names[] = {"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", NULL};

        return is_any_of(word, names) ? GUARD_ARGS_STDIN : GUARD_ARGS_SCRIPT;
}

enum guard_args
guard_args_of(struct lx_span cmdline, const char *inline_letters, const char *value_letters)
{
        struct lx_span word, ahead, next;
        bool value = false, unsure = false, script = false;

        (void)guard_next_word(&cmdline, &word); /* the program's own name */
        while (guard_next_word(&cmdline, &word)) {
                ahead = cmdline;
                if (value) {
                        value = false;
                } else if (word.len == 2 && begins(word, "--")) {
                        return guard_next_word(&cmdline, &word) ? script_or_stdin(word) : GUARD_ARGS_STDIN;
                } else if (!is_option(word)) {
                        if (!unsure)
                                return script_or_stdin(word);
                        unsure = false; /* or the value of a long option that is not known here: look on */
                        script = true;
                } else if (word.p[0] == '-' && word.p[1] == '-') {
                        if (is_inline_word(word))
                                return GUARD_ARGS_INLINE;
                        value = takes_next(word);
                        unsure = !value && memchr(word.p, '=', word.len) == NULL;
                } else if (word.len == 2 && begins(word, "-m") && guard_next_word(&ahead, &next) && !is_option(next)) {
                        return GUARD_ARGS_SCRIPT; /* a module by its name; a shell's -m takes none */
                } else if (read_letters(word, inline_letters, value_letters, &value)) {
                        return GUARD_ARGS_INLINE;
                }
        }
        return script ? GUARD_ARGS_SCRIPT : GUARD_ARGS_STDIN;
}

bool
guard_environ_is_clean(struct lx_span environment)
{
        static const char *const loud[] = {"LD_", "GCONV_PATH=", "OPENSSL_CONF=", "OPENSSL_ENGINES=",
            "OPENSSL_MODULES=", "GLIBC_TUNABLES=", "PYTHONPATH=", "PYTHONHOME=", "PYTHONSTARTUP=", "PERL5LIB=",
            "PERL5OPT=", "RUBYLIB=", "RUBYOPT=", "NODE_OPTIONS=", "NODE_PATH=", "BASH_ENV=", "ENV=", NULL};
        struct lx_span word;

        while (guard_next_word(&environment, &word))
                for (int i = 0; loud[i] != NULL; i++)
                        if (word.len >= strlen(loud[i]) &&
                            memcmp(word.p, loud[i], strlen(loud[i])) == 0) /* public */
                                return false;
        return true;
}
