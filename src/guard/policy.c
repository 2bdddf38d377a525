/* guard/policy.c - the table of the conf file, its parser and its printer. */
#include "config.h"
#include "guard/policy.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct guard_policy, field)
#define DAY_MS 86400000ull

static enum lx_err
refuse(struct lx_why *why, const struct guard_row *row, const char *value)
{
        lx_why_set(why, "%s: \"%.80s\" is not of the form %s", row->name, value, row->value);
        return LX_ERR_USAGE;
}

static enum lx_err
refuse_full(struct lx_why *why, const struct guard_row *row)
{
        lx_why_set(why, "%s: at most %d of them", row->name, GUARD_LIST_MAX);
        return LX_ERR_USAGE;
}

/* ---- words ------------------------------------------------------------------------------------- */

/* The next blank-separated word of *@rest, NUL-terminated in place; NULL at the end. */
static char *
next_word(char **rest)
{
        char *word = *rest;

        while (isspace((unsigned char)*word))
                word++;
        *rest = word + strcspn(word, " \t");
        if (**rest != '\0')
                *(*rest)++ = '\0';
        return *word != '\0' ? word : NULL;
}

static bool
parse_digits(const char *s, size_t count, unsigned *out)
{
        *out = 0;
        for (size_t i = 0; i < count; i++) {
                if (s[i] < '0' || s[i] > '9')
                        return false;
                *out = *out * 10 + (unsigned)(s[i] - '0');
        }
        return true;
}

/* Days since 1970 of a date of the Gregorian calendar. */
static uint64_t
days_of(unsigned y, unsigned m, unsigned d)
{
        unsigned before = 0;

        for (unsigned i = 1970; i < y; i++)
                before += (i % 4 == 0 && i % 100 != 0) || i % 400 == 0 ? 366 : 365;
        for (unsigned i = 1; i < m; i++) {
                static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

                before += lengths[i - 1];
                before += i == 2 && ((y % 4 == 0 && y % 100 != 0) || y % 400 == 0);
        }
        return before + d - 1;
}

bool
guard_date_parse(const char *text, uint64_t *out_ms)
{
        unsigned y, m, d, h = 0, min = 0;
        size_t len = strlen(text);

        if ((len != 10 && len != 16) || !parse_digits(text, 4, &y) || text[4] != '-' ||
            !parse_digits(text + 5, 2, &m) || text[7] != '-' || !parse_digits(text + 8, 2, &d))
                return false;
        if (len == 16 && (text[10] != 'T' || !parse_digits(text + 11, 2, &h) || text[13] != ':' ||
            !parse_digits(text + 14, 2, &min)))
                return false;
        if (y < 1970 || m < 1 || m > 12 || d < 1 || d > 31 || h > 23 || min > 59)
                return false;
        *out_ms = days_of(y, m, d) * DAY_MS + (h * 60ull + min) * 60000;
        return true;
}

static void
print_date(struct lx_buf *out, uint64_t ms)
{
        uint64_t days = ms / DAY_MS, minutes = ms % DAY_MS / 60000;
        unsigned y = 1970, m = 1;

        while (days_of(y + 1, 1, 1) <= days)
                y++;
        while (m < 12 && days_of(y, m + 1, 1) <= days)
                m++;
        lx_buf_printf(out, "%04u-%02u-%02uT%02u:%02u", y, m, (unsigned)(days - days_of(y, m, 1) + 1),
            (unsigned)(minutes / 60), (unsigned)(minutes % 60));
}

/* ---- setters ----------------------------------------------------------------------------------- */

static enum lx_err
set_text(struct guard_policy *policy, const struct guard_row *row, char *value, struct lx_why *why)
{
        char **field = (char **)(void *)((char *)policy + row->at);

        if (*value == '\0')
                return refuse(why, row, value);
        lx_free(*field);
        *field = lx_strdup(value);
        return LX_OK;
}

static enum lx_err
set_number(struct guard_policy *policy, const struct guard_row *row, char *value, struct lx_why *why)
{
        unsigned long long v;
        char *end;

        errno = 0;
        v = strtoull(value, &end, 10);
        if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || v < row->min || v > row->max) {
                lx_why_set(why, "%s: \"%.60s\" is no number from %llu to %llu", row->name, value,
                    (unsigned long long)row->min, (unsigned long long)row->max);
                return LX_ERR_USAGE;
        }
        *(uint64_t *)(void *)((char *)policy + row->at) = v;
        return LX_OK;
}

static enum lx_err
set_flag(struct guard_policy *policy, const struct guard_row *row, char *value, struct lx_why *why)
{
        bool *field = (bool *)((char *)policy + row->at);

        if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
                return refuse(why, row, value);
        *field = value[0] == 'y';
        return LX_OK;
}

/* Values of the form "a|b|c": the number of the word. Enums are ints. */
static enum lx_err
set_choice(struct guard_policy *policy, const struct guard_row *row, char *value, struct lx_why *why)
{
        const char *at = row->value;
        size_t len = strlen(value);

        for (int i = 0; *at != '\0'; i++) {
                size_t n = strcspn(at, "|");

                if (n == len && strncmp(at, value, n) == 0) {
                        *(int *)(void *)((char *)policy + row->at) = i;
                        return LX_OK;
                }
                at += n + (at[n] == '|');
        }
        return refuse(why, row, value);
}

static enum lx_err
set_list(struct guard_policy *policy, const struct guard_row *row, char *value, struct lx_why *why)
{
        struct guard_strings *list = (struct guard_strings *)(void *)((char *)policy + row->at);

        if (*value == '\0')
                return refuse(why, row, value);
        if (list->count == GUARD_LIST_MAX)
                return refuse_full(why, row);
        list->v[list->count++] = lx_strdup(value);
        return LX_OK;
}

static enum lx_err
set_path_list(struct guard_policy *policy, const struct guard_row *row, char *value, struct lx_why *why)
{
        return *value == '/' ? set_list(policy, row, value, why) : refuse(why, row, value);
}

static enum lx_err
set_publisher(struct guard_policy *policy, const struct guard_row *row, char *value, struct lx_why *why)
{
        struct guard_publisher *p = &policy->publisher[policy->publisher_count];
        char *id = next_word(&value), *name = next_word(&value);

        if (policy->publisher_count == GUARD_LIST_MAX)
                return refuse_full(why, row);
        if (id == NULL || !lx_unhex(id, strlen(id), p->genesis.b, LX_HASH_LEN) || next_word(&value) != NULL ||
            (name != NULL && strlen(name) >= sizeof(p->name)))
                return refuse(why, row, id != NULL ? id : "");
        for (size_t i = 0; i < policy->publisher_count; i++)
                if (lx_hash_eq(&policy->publisher[i].genesis, &p->genesis)) {
                        lx_why_set(why, "%s: %.16s... is named twice", row->name, id);
                        return LX_ERR_USAGE;
                }
        p->name[0] = '\0';
        if (name != NULL)
                memcpy(p->name, name, strlen(name) + 1);
        p->own = row->name[0] == 'a';
        policy->publisher_count++;
        return LX_OK;
}

static enum lx_err
set_exception(struct guard_policy *policy, const struct guard_row *row, char *value, struct lx_why *why)
{
        struct guard_exception *e = &policy->exception[policy->exception_count];
        char *what = next_word(&value), *until = next_word(&value);

        if (policy->exception_count == GUARD_LIST_MAX)
                return refuse_full(why, row);
        if (what == NULL || until == NULL || strncmp(until, "until=", 6) != 0 || next_word(&value) != NULL ||
            !guard_date_parse(until + 6, &e->until_ms))
                return refuse(why, row, what != NULL ? what : "");
        e->path = NULL;
        if (what[0] == '/')
                e->path = lx_strdup(what);
        else if (!lx_unhex(what, strlen(what), e->root.b, LX_HASH_LEN))
                return refuse(why, row, what);
        policy->exception_count++;
        return LX_OK;
}

static bool
take_letters(const char *word, const char *name, char out[12])
{
        size_t len = strlen(name);

        if (strncmp(word, name, len) != 0 || word[len] == '\0' || strlen(word + len) >= 12)
                return false;
        memcpy(out, word + len, strlen(word + len) + 1);
        return true;
}

static enum lx_err
set_interpreter(struct guard_policy *policy, const struct guard_row *row, char *value, struct lx_why *why)
{
        struct guard_interpreter *in = &policy->interpreter[policy->interpreter_count];
        char *path = next_word(&value), *word;

        if (policy->interpreter_count == GUARD_LIST_MAX)
                return refuse_full(why, row);
        if (path == NULL || path[0] != '/')
                return refuse(why, row, path != NULL ? path : "");
        *in = (struct guard_interpreter){0};
        while ((word = next_word(&value)) != NULL) {
                if (take_letters(word, "inline=", in->inline_letters) ||
                    take_letters(word, "value=", in->value_letters)) {
                        continue;
                } else if (strncmp(word, "suffix=.", 8) == 0 && word[8] != '\0' &&
                    strlen(word + 7) < sizeof(in->suffix[0]) && in->suffix_count < GUARD_SUFFIX_MAX) {
                        memcpy(in->suffix[in->suffix_count++], word + 7, strlen(word + 7) + 1);
                } else {
                        return refuse(why, row, word);
                }
        }
        in->path = lx_strdup(path);
        policy->interpreter_count++;
        return LX_OK;
}

/* ---- the table --------------------------------------------------------------------------------- */

#define HOURS(n) ((n)*3600ull)
#define NO_LIMIT UINT64_MAX / 1000

static const struct guard_row ROWS[] = {
    {"mode", set_choice, AT(mode), "audit|enforce", "audit",
        "audit only logs what enforce would deny.", 0, 0},
    {"publisher", set_publisher, 0, "GENESIS-ID [NAME]", NULL,
        "Releases of this signature chain may run. May repeat.", 0, 0},
    {"approvals", set_publisher, 0, "GENESIS-ID [NAME]", NULL,
        "One's own chain: its approvals and releases may run. May repeat.", 0, 0},
    {"trust", set_text, AT(trust), "FILE", "/etc/lxguard/trust.json",
        "The pinned header and validator set (lx guard trust writes it); all proofs are held against it.", 0, 0},
    {"node", set_text, AT(node), "SOCKET|URL", "/var/lib/lxnode/lxnoded.sock",
        "The node that tells of changes. No verdict waits for it.", 0, 0},
    {"state-dir", set_text, AT(state_dir), "DIR", "/var/lib/lxguard",
        "Where the verified lists are kept for the next start.", 0, 0},
    {"socket", set_text, AT(socket), "PATH", "/run/lxguard.sock", "Control socket, mode 0600.", 0, 0},
    {"log-file", set_text, AT(log_file), "FILE", NULL, "Log to FILE (default: stderr).", 0, 0},
    {"scope-mount", set_path_list, AT(mounts), "DIR", NULL,
        "Guard only file systems mounted at or below DIR (default: all that can hold code). May repeat.", 0, 0},
    {"scope-cgroup", set_path_list, AT(cgroups), "CGROUP", NULL,
        "Judge only processes in this cgroup (\"/\" ends a subtree). May repeat.", 0, 0},
    {"exception", set_exception, 0, "PATH|ROOT until=DATE", NULL,
        "Lets a file (a tree when PATH ends in /) run until DATE, UTC. May repeat.", 0, 0},
    {"interpreter", set_interpreter, 0, "PATH [inline=LETTERS] [value=LETTERS] [suffix=.EXT]...", NULL,
        "What this program runs is code: the script it was given, files with such a suffix; with inline, whose "
        "letters are the options that take program text, that text and standard input are refused. value: "
        "letters of options that take a value. May repeat.", 0, 0},
    {"reader", set_path_list, AT(readers), "PATH", NULL,
        "This program may read unknown program files as data (copy, archive, publish), when its environment "
        "holds no loader variables. May repeat.", 0, 0},
    {"untrusted-fs", set_list, AT(untrusted_fs), "TYPE", NULL,
        "Nothing on file systems of this type runs: their content can change behind the kernel's back. May repeat.",
        0, 0},
    {"unknown-process", set_choice, AT(process), "log|kill", "kill",
        "What enforce does, at its next open(), with a process whose program was never approved (a memfd, a file "
        "from where no gate stands), and with an interpreter of inline program text.", 0, 0},
    {"max-age", set_number, AT(max_age_s), "SECONDS", "604800",
        "From which age the ledger's view counts as stale; 0: never.", 0, NO_LIMIT},
    {"stale", set_choice, AT(stale), "keep|deny", "keep",
        "With a stale view: keep deciding by it, or deny what is not yet running.", 0, 0},
    {"min-age", set_number, AT(min_age_s), "SECONDS", "0",
        "Releases of others run only this long after they were first seen on the ledger.", 0, NO_LIMIT},
    {"confirm", set_number, AT(confirm), "N", "1",
        "A file must be in releases of so many trusted publishers (own approvals suffice).", 1, GUARD_LIST_MAX},
    {"critical", set_path_list, AT(critical), "PATH", NULL,
        "What would stop the machine: a publisher's revocation of these only alerts. May repeat.", 0, 0},
    {"workers", set_number, AT(workers), "N", "3", "Threads that judge.", 1, 64},
    {"verdict-timeout", set_number, AT(verdict_ms), "MS", "10000",
        "A verdict that takes longer is a denial (in audit: an allowance).", 10, 3600000},
    {"leases", set_number, AT(leases_max), "N", "8192",
        "So many approved files stay open under a lease; the oldest makes room.", 16, 1000000},
    {"memory", set_choice, AT(memory), "off|log|stop|kill", "log",
        "What to do with a process whose code in memory is not what the ledger says.", 0, 0},
    {"memory-interval", set_number, AT(memory_every_s), "SECONDS", "60",
        "A quick pass over all processes this often; a full one every 60th time.", 1, NO_LIMIT},
    {"memory-cpu", set_number, AT(memory_cpu), "PERCENT", "10",
        "At most this share of one core for the passes.", 1, 100},
    {"jit", set_path_list, AT(jits), "PATH", NULL,
        "This program makes code at run time: its anonymous executable memory is no finding. May repeat.", 0, 0},
    {"protect", set_path_list, AT(protect), "DIR", NULL,
        "Every file below DIR must be as its register on one of the approvals chains says (lx file add, lx file "
        "update); what is changed, new or missing is told. May repeat.", 0, 0},
    {"protect-action", set_choice, AT(protect_action), "log|restore|deny", "log",
        "What enforce does besides: put the registered content back (lx file add --keep), or deny opening the file "
        "until it is as registered; restore denies what it cannot put back. Readers may open what is denied.", 0, 0},
    {"protect-interval", set_number, AT(protect_every_s), "SECONDS", "3600",
        "All protected files are read again this often, for what no event told.", 1, NO_LIMIT},
    {"panic-anywhere", set_flag, AT(panic_anywhere), "yes|no", "no",
        "Let root use the panic switch from any terminal, not only from a console.", 0, 0},
    {NULL, NULL, 0, NULL, NULL, NULL, 0, 0}};

const struct guard_row *
guard_policy_rows(void)
{
        return ROWS;
}

/* ---- parsing ----------------------------------------------------------------------------------- */

static char *
trim(char *s)
{
        char *end;

        while (isspace((unsigned char)*s))
                s++;
        end = s + strlen(s);
        while (end > s && isspace((unsigned char)end[-1]))
                *--end = '\0';
        return s;
}

static enum lx_err
set_by_name(struct guard_policy *policy, const char *name, char *value, struct lx_why *why)
{
        for (const struct guard_row *row = ROWS; row->name != NULL; row++)
                if (strcmp(row->name, name) == 0)
                        return row->set(policy, row, value, why);
        lx_why_set(why, "there is no setting \"%.60s\" (lxguard --help lists them)", name);
        return LX_ERR_USAGE;
}

static enum lx_err
parse_line(struct guard_policy *policy, char *line, struct lx_why *why)
{
        char *equals;

        line[strcspn(line, "#")] = '\0';
        line = trim(line);
        if (*line == '\0')
                return LX_OK;
        equals = strchr(line, '=');
        if (equals == NULL) {
                lx_why_set(why, "\"%.60s\" has no \"=\"", line);
                return LX_ERR_USAGE;
        }
        *equals = '\0';
        return set_by_name(policy, trim(line), trim(equals + 1), why);
}

static enum lx_err
set_defaults(struct guard_policy *policy)
{
        enum lx_err err = LX_OK;

        for (const struct guard_row *row = ROWS; row->name != NULL && err == LX_OK; row++)
                if (row->def != NULL) {
                        char *copy = lx_strdup(row->def);

                        err = row->set(policy, row, copy, NULL);
                        lx_free(copy);
                }
        return err;
}

enum lx_err
guard_policy_parse(struct lx_span text, const char *name, struct guard_policy **out_policy, struct lx_why *why)
{
        struct guard_policy *policy;
        struct lx_why inner = {{0}};
        char *copy, *line, *rest;
        unsigned number = 0;
        enum lx_err err;

        if (text.len > GUARD_CONF_MAX) {
                lx_why_set(why, "%s has more than %u bytes", name, GUARD_CONF_MAX);
                return LX_ERR_USAGE;
        }
        policy = lx_alloc(sizeof(*policy));
        copy = lx_alloc(text.len + 1);
        if (text.len > 0)
                memcpy(copy, text.p, text.len);
        err = set_defaults(policy);
        for (rest = copy; err == LX_OK && (line = strsep(&rest, "\n")) != NULL;) {
                number++;
                err = parse_line(policy, line, &inner);
        }
        if (err != LX_OK)
                lx_why_set(why, "%s line %u: %s", name, number, inner.text);
        lx_free(copy);
        if (err == LX_OK)
                *out_policy = policy;
        else
                guard_policy_free(policy);
        return err;
}

static void
clear_strings(struct guard_strings *list)
{
        for (size_t i = 0; i < list->count; i++)
                lx_free(list->v[i]);
}

void
guard_policy_free(struct guard_policy *policy)
{
        if (policy == NULL)
                return;
        for (const struct guard_row *row = ROWS; row->name != NULL; row++) {
                if (row->set == set_text)
                        lx_free(*(char **)(void *)((char *)policy + row->at));
                else if (row->set == set_list || row->set == set_path_list)
                        clear_strings((struct guard_strings *)(void *)((char *)policy + row->at));
        }
        for (size_t i = 0; i < policy->exception_count; i++)
                lx_free(policy->exception[i].path);
        for (size_t i = 0; i < policy->interpreter_count; i++)
                lx_free(policy->interpreter[i].path);
        lx_free(policy);
}

/* ---- printing ---------------------------------------------------------------------------------- */

static void
print_choice(const struct guard_policy *policy, const struct guard_row *row, struct lx_buf *out)
{
        int v = *(const int *)(const void *)((const char *)policy + row->at);
        const char *at = row->value;

        while (v-- > 0)
                at += strcspn(at, "|") + 1;
        lx_buf_printf(out, "%s = %.*s\n", row->name, (int)strcspn(at, "|"), at);
}

static void
print_strings(const struct guard_strings *list, const char *name, struct lx_buf *out)
{
        for (size_t i = 0; i < list->count; i++)
                lx_buf_printf(out, "%s = %s\n", name, list->v[i]);
}

static void
print_lists(const struct guard_policy *policy, struct lx_buf *out)
{
        char hex[LX_HEX_LEN(LX_HASH_LEN)];

        for (size_t i = 0; i < policy->publisher_count; i++) {
                const struct guard_publisher *p = &policy->publisher[i];

                lx_hex(p->genesis.b, LX_HASH_LEN, hex);
                lx_buf_printf(out, "%s = %s %s\n", p->own ? "approvals" : "publisher", hex, p->name);
        }
        for (size_t i = 0; i < policy->exception_count; i++) {
                lx_hex(policy->exception[i].root.b, LX_HASH_LEN, hex);
                lx_buf_printf(out, "exception = %s until=",
                    policy->exception[i].path != NULL ? policy->exception[i].path : hex);
                print_date(out, policy->exception[i].until_ms);
                lx_buf_printf(out, "\n");
        }
        for (size_t i = 0; i < policy->interpreter_count; i++) {
                const struct guard_interpreter *in = &policy->interpreter[i];

                lx_buf_printf(out, "interpreter = %s", in->path);
                if (in->inline_letters[0] != '\0')
                        lx_buf_printf(out, " inline=%s", in->inline_letters);
                if (in->value_letters[0] != '\0')
                        lx_buf_printf(out, " value=%s", in->value_letters);
                for (size_t j = 0; j < in->suffix_count; j++)
                        lx_buf_printf(out, " suffix=%s", in->suffix[j]);
                lx_buf_printf(out, "\n");
        }
}

void
guard_policy_print(const struct guard_policy *policy, struct lx_buf *out)
{
        for (const struct guard_row *row = ROWS; row->name != NULL; row++) {
                const char *field = (const char *)policy + row->at;

                if (row->set == set_text && *(char *const *)(const void *)field != NULL)
                        lx_buf_printf(out, "%s = %s\n", row->name, *(char *const *)(const void *)field);
                else if (row->set == set_number)
                        lx_buf_printf(out, "%s = %llu\n", row->name,
                            (unsigned long long)*(const uint64_t *)(const void *)field);
                else if (row->set == set_flag)
                        lx_buf_printf(out, "%s = %s\n", row->name, *(const bool *)field ? "yes" : "no");
                else if (row->set == set_choice)
                        print_choice(policy, row, out);
                else if (row->set == set_list || row->set == set_path_list)
                        print_strings((const struct guard_strings *)(const void *)field, row->name, out);
        }
        print_lists(policy, out);
}

bool
guard_strings_have(const struct guard_strings *list, const char *path)
{
        for (size_t i = 0; i < list->count; i++) {
                size_t len = strlen(list->v[i]);

                if (strcmp(list->v[i], path) == 0 ||
                    (len > 0 && list->v[i][len - 1] == '/' && strncmp(list->v[i], path, len) == 0))
                        return true;
        }
        return false;
}
