/* guard/verdict.c - see guard/verdict.h. */
#include "config.h"
#include "guard/verdict.h"

#include <string.h>

static const char *const NAMES[] = {"data", "self", "release", "approval", "exception", "reader", "writer",
    "critical", "scope", "filesystem", "writable", "unknown", "revoked", "young", "unconfirmed", "stale",
    "inline", "process", "protected", "timeout", "error"};

_Static_assert(sizeof(NAMES) / sizeof(NAMES[0]) == GUARD_RULE_COUNT_, "a name for every rule");

const char *
guard_rule_name(enum guard_rule rule)
{
        return NAMES[rule];
}

bool
guard_rule_denies(enum guard_rule rule)
{
        return rule >= GUARD_RULE_FILESYSTEM;
}

static bool
has_exception(const struct guard_policy *policy, const struct guard_ask *ask)
{
        for (size_t i = 0; i < policy->exception_count; i++) {
                const struct guard_exception *e = &policy->exception[i];
                size_t len = e->path != NULL ? strlen(e->path) : 0;

                if (ask->wall_ms >= e->until_ms)
                        continue;
                if (e->path == NULL && lx_hash_eq(&e->root, &ask->root))
                        return true;
                if (len > 0 && (strcmp(e->path, ask->path) == 0 ||
                    (e->path[len - 1] == '/' && strncmp(e->path, ask->path, len) == 0)))
                        return true;
        }
        return false;
}

/* What the ledger says of the root, all publishers taken together. */
static struct guard_answer
ask_ledger(const struct guard_policy *policy, const struct guard_list *list, const struct guard_ask *ask)
{
        struct guard_answer answer = {.rule = GUARD_RULE_UNKNOWN};
        bool publisher[GUARD_LIST_MAX] = {false}, young = false;
        uint64_t publishers = 0;
        size_t count;
        const struct guard_entry *e = guard_list_find(list, &ask->root, &count);

        for (size_t i = 0; i < count; i++, e++) {
                const struct guard_release *r = guard_list_release(list, e);

                if (e->size != ask->size)
                        continue;
                if (e->revoked) {
                        /* One publisher's word against its own file stands against all others. */
                        return (struct guard_answer){.rule = GUARD_RULE_REVOKED, .entry = e};
                }
                if (r->own) {
                        answer = (struct guard_answer){.rule = GUARD_RULE_APPROVAL, .entry = e};
                } else if (ask->ledger_ms < e->seen_ms + policy->min_age_s * 1000 && policy->min_age_s > 0) {
                        young = true;
                } else {
                        publishers += !publisher[r->publisher % GUARD_LIST_MAX];
                        publisher[r->publisher % GUARD_LIST_MAX] = true;
                        if (answer.entry == NULL)
                                answer.entry = e;
                }
        }
        if (answer.rule == GUARD_RULE_APPROVAL)
                return answer;
        if (publishers >= policy->confirm)
                answer.rule = GUARD_RULE_RELEASE;
        else if (publishers > 0 && !young)
                answer.rule = GUARD_RULE_UNCONFIRMED;
        else if (young)
                answer.rule = GUARD_RULE_YOUNG;
        return answer;
}

struct guard_answer
guard_decide(const struct guard_policy *policy, const struct guard_list *list, const struct guard_ask *ask)
{
        struct guard_answer answer = {.rule = GUARD_RULE_UNKNOWN};

        if (ask->writable)
                return (struct guard_answer){.rule = GUARD_RULE_WRITABLE};
        if (ask->self)
                return (struct guard_answer){.rule = GUARD_RULE_SELF};
        if (guard_strings_have(&policy->untrusted_fs, ask->fs))
                answer.rule = GUARD_RULE_FILESYSTEM;
        else
                answer = ask_ledger(policy, list, ask);
        if (answer.rule == GUARD_RULE_REVOKED && guard_strings_have(&policy->critical, ask->path))
                return (struct guard_answer){.rule = GUARD_RULE_CRITICAL, .entry = answer.entry, .alert = true};
        if (guard_rule_denies(answer.rule) && answer.rule != GUARD_RULE_REVOKED && has_exception(policy, ask))
                answer.rule = GUARD_RULE_EXCEPTION;
        if ((answer.rule == GUARD_RULE_RELEASE || answer.rule == GUARD_RULE_APPROVAL) &&
            policy->stale == GUARD_STALE_DENY && policy->max_age_s > 0 &&
            ask->age_ms > policy->max_age_s * 1000)
                answer.rule = GUARD_RULE_STALE;
        return answer;
}
