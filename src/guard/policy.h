/*
 * guard/policy.h - what the machine's owner decided: the conf file of lxguard, parsed.
 *
 * Lines "name = value"; "#" begins a comment; names that may repeat add to a list. One table (policy.c)
 * drives the parser, `lxguard --help` and the test that contrib/lxguard.conf names every row. A value
 * that makes no sense refuses the whole file: a guard that half understood its policy is none.
 *
 *   exception = PATH|ROOT until=YYYY-MM-DD[THH:MM]   a path (a directory when it ends in "/"), or a file
 *               root of 64 hex digits; UTC; it always ends
 *   interpreter = PATH [inline=LETTERS] [value=LETTERS] [suffix=.py]...
 *   publisher, approvals = GENESIS-ID [NAME]         releases of others; approvals of one's own chain
 *
 * Ownership: the policy owns its strings. Threads: pure; immutable once parsed.
 */
#ifndef LX_GUARD_POLICY_H
#define LX_GUARD_POLICY_H

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"

#define GUARD_CONF_MAX (1u << 20) /* bytes of a conf file */
#define GUARD_LIST_MAX 256        /* items of each list */
#define GUARD_SUFFIX_MAX 8

enum guard_mode { GUARD_AUDIT, GUARD_ENFORCE };
enum guard_stale { GUARD_STALE_KEEP, GUARD_STALE_DENY };
enum guard_memory { GUARD_MEMORY_OFF, GUARD_MEMORY_LOG, GUARD_MEMORY_STOP, GUARD_MEMORY_KILL };
enum guard_protect { GUARD_PROTECT_LOG, GUARD_PROTECT_RESTORE, GUARD_PROTECT_DENY };
enum guard_process { GUARD_PROCESS_LOG, GUARD_PROCESS_KILL };

struct guard_publisher {
        struct lx_hash genesis;
        char name[64];
        bool own; /* from "approvals": approval registers count too */
};

struct guard_exception {
        char *path;          /* NULL: by root */
        struct lx_hash root;
        uint64_t until_ms;   /* wall clock */
};

struct guard_interpreter {
        char *path;
        char inline_letters[12]; /* options that take program text; empty: inline code is not judged */
        char value_letters[12];  /* options that take a value */
        size_t suffix_count;
        char suffix[GUARD_SUFFIX_MAX][12];
};

struct guard_strings {
        size_t count;
        char *v[GUARD_LIST_MAX];
};

struct guard_policy {
        enum guard_mode mode;
        enum guard_stale stale;
        enum guard_memory memory;
        enum guard_process process;
        enum guard_protect protect_action;
        char *node, *trust, *state_dir, *socket, *log_file;
        uint64_t max_age_s, min_age_s, confirm;
        uint64_t workers, verdict_ms, leases_max;
        uint64_t memory_every_s, memory_cpu; /* percent of one core */
        uint64_t protect_every_s;
        bool panic_anywhere;
        size_t publisher_count;
        struct guard_publisher publisher[GUARD_LIST_MAX];
        size_t exception_count;
        struct guard_exception exception[GUARD_LIST_MAX];
        size_t interpreter_count;
        struct guard_interpreter interpreter[GUARD_LIST_MAX];
        struct guard_strings mounts, cgroups, readers, jits, critical, untrusted_fs, protect;
};

struct guard_row {
        const char *name;
        enum lx_err (*set)(struct guard_policy *policy, const struct guard_row *row, char *value,
            struct lx_why *why);
        size_t at;         /* in struct guard_policy */
        const char *value; /* what a value looks like */
        const char *def;   /* NULL: none */
        const char *help;
        uint64_t min, max; /* of numbers */
};

/** The rows, NULL-named last. */
const struct guard_row *guard_policy_rows(void);
/**
 * Read the text of a conf file (named @name in messages) over the defaults. LX_ERR_USAGE with a why that
 * names the line. *out_policy: free it with guard_policy_free.
 */
LX_MUST_CHECK enum lx_err guard_policy_parse(
    struct lx_span text, const char *name, struct guard_policy **out_policy, struct lx_why *why);
/** Free; NULL is fine. */
void guard_policy_free(struct guard_policy *policy);
/** The policy as a conf file that parses to the same; appended. */
void guard_policy_print(const struct guard_policy *policy, struct lx_buf *out);
/** Whether @path is in @list: equal, or below an item that ends in "/". */
bool guard_strings_have(const struct guard_strings *list, const char *path);
/** "2026-12-31" or "2026-12-31T23:59" (UTC) as milliseconds since 1970; false: no such date. */
bool guard_date_parse(const char *text, uint64_t *out_ms);

#endif
