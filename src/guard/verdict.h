/*
 * guard/verdict.h - may this file become code? One pure function of policy, list and what was seen.
 *
 * The order of the rules is the order of enum guard_rule's denials: what cannot be trusted at all (its
 * file system, a writer that has it open) comes first, then the ledger, then the policy's own delays.
 * Exceptions are looked at only where the ledger did not already say yes, and never undo a revocation.
 * Threads: pure.
 */
#ifndef LX_GUARD_VERDICT_H
#define LX_GUARD_VERDICT_H

#include "guard/list.h"
#include "guard/policy.h"

enum guard_rule {
        /* allowed */
        GUARD_RULE_DATA,      /* no code */
        GUARD_RULE_SELF,      /* the guard's own program */
        GUARD_RULE_RELEASE,
        GUARD_RULE_APPROVAL,
        GUARD_RULE_EXCEPTION,
        GUARD_RULE_READER,    /* read as data by a program that may */
        GUARD_RULE_WRITER,    /* opened to write: no loader does that */
        GUARD_RULE_CRITICAL,  /* revoked, but it would stop the machine: an alert */
        GUARD_RULE_SCOPE,     /* outside the scope */
        /* denied */
        GUARD_RULE_FILESYSTEM,
        GUARD_RULE_WRITABLE,  /* somebody has it open for writing */
        GUARD_RULE_UNKNOWN,
        GUARD_RULE_REVOKED,
        GUARD_RULE_YOUNG,     /* min-age */
        GUARD_RULE_UNCONFIRMED,
        GUARD_RULE_STALE,
        GUARD_RULE_INLINE,    /* program text in an interpreter's arguments or standard input */
        GUARD_RULE_PROCESS,   /* opened by a process whose program was never approved */
        GUARD_RULE_PROTECTED, /* a protected file that is not as its register says */
        GUARD_RULE_TIMEOUT,
        GUARD_RULE_ERROR,     /* it could not be read */
        GUARD_RULE_COUNT_
};

/** The word for @rule in logs and answers: "release", "unknown". */
const char *guard_rule_name(enum guard_rule rule);
/** Whether @rule denies. */
bool guard_rule_denies(enum guard_rule rule);

struct guard_ask {
        struct lx_hash root;
        uint64_t size;
        const char *path;      /* for exceptions and critical files; "" when it has none */
        const char *fs;        /* type of its file system: "ext4" */
        bool writable;         /* a writer has it open, so the root says nothing about what comes */
        bool self;
        uint64_t wall_ms;      /* for exceptions */
        uint64_t ledger_ms;    /* time of the newest proven header */
        uint64_t age_ms;       /* of that header */
};

struct guard_answer {
        enum guard_rule rule;
        const struct guard_entry *entry; /* in the list; NULL: none */
        bool alert;                      /* a person must look */
};

/** The verdict. */
struct guard_answer guard_decide(
    const struct guard_policy *policy, const struct guard_list *list, const struct guard_ask *ask);

#endif
