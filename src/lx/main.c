/* lx/main.c - global options, then a command of the table. */
#include "config.h"
#include "crypto/secret.h"
#include "lx/lx.h"

#include "base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many of the words at @argv name @command; 0: another one. */
static int
match_words(const struct lx_command *command, int argc, char **argv)
{
        const char *at = command->words;
        int count = 0;

        while (*at != '\0') {
                size_t len = strcspn(at, " ");

                if (count >= argc || strlen(argv[count]) != len || strncmp(argv[count], at, len) != 0)
                        return 0;
                count++;
                at += len;
                at += *at == ' ';
        }
        return count;
}

/* Whether the row has option @name, and whether it takes a value. */
static bool
has_option(const struct lx_command *c, const char *name, size_t len, bool *out_value)
{
        const char *at = c->options;

        while (*at != '\0') {
                size_t word = strcspn(at, " "), n = strcspn(at, "= ");

                if (n == len && strncmp(at, name, len) == 0) {
                        *out_value = n < word;
                        return true;
                }
                at += word;
                at += *at == ' ';
        }
        return false;
}

static const char **
global_text(struct lx *lx, const char *name, size_t len)
{
        const struct {
                const char *name;
                const char **field;
        } rows[] = {{"datadir", &lx->datadir}, {"rpc", &lx->rpc}, {"secret-file", &lx->secret_file},
            {"key-file", &lx->key_file}, {"wait", &lx->wait}};

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0)
                        return rows[i].field;
        return NULL;
}

static bool
global_switch(struct lx *lx, const char *name)
{
        if (strcmp(name, "json") == 0)
                lx->json = true;
        else if (strcmp(name, "verify") == 0)
                lx->verify = true;
        else if (strcmp(name, "yes") == 0)
                lx->yes = true;
        else
                return false;
        return true;
}

/* Take the option at argv[i]; returns the index of its last word, -1: wrong usage. */
static int
take_option(struct lx *lx, int argc, char **argv, int i)
{
        const char *name = argv[i] + 2, *value = strchr(name, '=');
        size_t len = value != NULL ? (size_t)(value - name) : strlen(name);
        const char **text = global_text(lx, name, len);
        bool wants_value = text != NULL;

        if (text == NULL && value == NULL && global_switch(lx, name))
                return i;
        if (text == NULL &&
            (lx->command == NULL || !has_option(lx->command, name, len, &wants_value) ||
                lx->option_count == LX_OPTIONS_MAX)) {
                (void)lx_fail(lx, 0, "there is no option %s here: see lx help%s%s", argv[i],
                    lx->command != NULL ? " " : "", lx->command != NULL ? lx->command->words : "");
                return -1;
        }
        if (wants_value && value == NULL && i + 1 >= argc) {
                (void)lx_fail(lx, 0, "%s needs a value", argv[i]);
                return -1;
        }
        if (value != NULL)
                value++;
        else
                value = wants_value ? argv[++i] : "";
        if (text != NULL) {
                *text = value;
        } else {
                char *copy = lx_memdup(name, len + 1);

                copy[len] = '\0';
                lx->option[lx->option_count++] = (struct lx_option){.name = copy, .value = value};
        }
        return i;
}

/* Options stand anywhere; the first words name the command; "--" ends the options. */
static bool
parse(struct lx *lx, int argc, char **argv)
{
        char help[] = "help", *help_argv[] = {help, NULL};
        int first = 1;
        bool options = true;

        lx->args = lx_alloc_array((size_t)argc + 1, sizeof(char *));
        while (first < argc && strncmp(argv[first], "--", 2) == 0 && strcmp(argv[first], "--help") != 0 &&
            strcmp(argv[first], "--version") != 0) {
                first = take_option(lx, argc, argv, first);
                if (first++ < 0)
                        return false;
        }
        if (first < argc && strcmp(argv[first], "--version") == 0) {
                printf("lx %s\n", PACKAGE_VERSION);
                lx->helped = true;
                return true;
        }
        if (first >= argc || strcmp(argv[first], "--help") == 0 || strcmp(argv[first], "-h") == 0) {
                argv = help_argv;
                argc = 1;
                first = 0;
        }
        for (const struct lx_command *c = lx_commands(); c->words != NULL && lx->command == NULL; c++) {
                int words = match_words(c, argc - first, argv + first);

                if (words > 0) {
                        lx->command = c;
                        first += words;
                }
        }
        if (lx->command == NULL) {
                bool group = lx_show_help(argv[first]) > 0;

                (void)lx_fail(lx, 0, group ? "one of these: lx %s ..."
                                          : "there is no command %s: see lx help", argv[first]);
                return false;
        }
        for (int i = first; i < argc; i++) {
                if (options && strcmp(argv[i], "--help") == 0) {
                        (void)lx_show_help(lx->command->words);
                        lx->helped = true;
                        return true;
                } else if (options && strcmp(argv[i], "--") == 0) {
                        options = false;
                } else if (options && strcmp(argv[i], "-r") == 0) {
                        lx->option[lx->option_count++] =
                            (struct lx_option){.name = lx_strdup("recursive"), .value = ""};
                } else if (options && strncmp(argv[i], "--", 2) == 0) {
                        i = take_option(lx, argc, argv, i);
                        if (i < 0)
                                return false;
                } else {
                        lx->args[lx->arg_count++] = argv[i];
                }
        }
        return true;
}

static int
run(struct lx *lx)
{
        const struct lx_command *c = lx->command;

        if (lx->arg_count < c->min || lx->arg_count > c->max)
                return lx_fail(lx, LX_EXIT_USAGE, "usage: lx %s%s%s (lx help %s)", c->words,
                    c->args[0] != '\0' ? " " : "", c->args, c->words);
        if (lx->verify && lx_is_unproven(c))
                return lx_fail(lx, LX_EXIT_USAGE, "the answer of lx %s carries no proof: ask without --verify, and do "
                    "not rely on it", c->words);
        if (strcmp(lx->wait, "final") != 0 && strcmp(lx->wait, "accepted") != 0)
                return lx_fail(lx, LX_EXIT_USAGE, "--wait is accepted or final");
        lx->client = rpcclient_new(lx->rpc, lx->datadir);
        return c->run(lx);
}

int
main(int argc, char **argv)
{
        struct lx lx = {.wait = "final"};
        const char *home = getenv("HOME");
        size_t len = strlen(home != NULL ? home : "/root") + sizeof("/.lxnode");
        char *def = lx_alloc(len);
        int status = LX_EXIT_USAGE;

        (void)snprintf(def, len, "%s/.lxnode", home != NULL ? home : "/root");
        lx.datadir = def;
        (void)signal(SIGPIPE, SIG_IGN);
        if (lx_crypto_init() != LX_OK)
                status = lx_fail(&lx, LX_EXIT_IO, "the system gives no randomness");
        else if (parse(&lx, argc, argv))
                status = lx.helped ? LX_EXIT_TRUE : run(&lx);
        rpcclient_free(lx.client);
        for (int i = 0; i < lx.option_count; i++)
                lx_free((char *)(uintptr_t)lx.option[i].name);
        lx_free(lx.args);
        lx_free(def);
        if (fflush(stdout) != 0 && status == LX_EXIT_TRUE)
                status = LX_EXIT_IO;
        return status;
}
