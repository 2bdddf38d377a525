/* lxguard/rules.c - the snapshot that verdicts read, made of policy and views. */
#include "config.h"
#include "lxguard/lxguard.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

struct rules *
rules_get(struct lxguard *g)
{
        struct rules *rules;

        (void)pthread_mutex_lock(&g->lock);
        rules = g->rules;
        atomic_fetch_add(&rules->refs, 1);
        (void)pthread_mutex_unlock(&g->lock);
        return rules;
}

void
rules_put(struct rules *rules)
{
        if (rules == NULL || atomic_fetch_sub(&rules->refs, 1) != 1)
                return;
        guard_list_free(rules->list);
        guard_files_free(rules->files);
        guard_policy_free(rules->policy);
        lx_free(rules);
}

const struct named_program *
rules_program(const struct rules *rules, const struct lx_hash *root)
{
        for (size_t i = 0; i < rules->program_count; i++)
                if (lx_hash_eq(&rules->program[i].root, root))
                        return &rules->program[i];
        return NULL;
}

uint64_t
rules_age_ms(struct lxguard *g)
{
        uint64_t now = lx_clock_walltime().ms, then = atomic_load(&g->ledger_ms);

        return now > then ? now - then : 0;
}

/* ---- making them ------------------------------------------------------------------------------- */

static struct guard_policy *
copy_policy(const struct guard_policy *policy)
{
        struct guard_policy *copy = NULL;
        struct lx_buf text = {0};

        guard_policy_print(policy, &text);
        /* What was printed parses: the policy's own tests say so. */
        if (guard_policy_parse(lx_buf_span(&text), "policy", &copy, NULL) != LX_OK)
                copy = NULL;
        lx_buf_clear(&text);
        return copy;
}

/* Programs are known by content, so that a copy or a link under another name is the same program. */
static void
name_program(struct rules *rules, const char *path, const struct guard_interpreter *interpreter)
{
        struct named_program *p = &rules->program[rules->program_count];
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        uint64_t size;

        if (fd < 0)
                return;
        if (hash_fd(fd, 0, &p->root, &size, NULL) == LX_OK) {
                p->interpreter = interpreter;
                rules->program_count++;
        }
        (void)close(fd);
}

static struct guard_list *
make_list(struct lxguard *g, const struct guard_policy *policy)
{
        struct guard_list *list = guard_list_new();

        for (size_t i = 0; i < policy->publisher_count && i < g->view_count; i++)
                if (guard_view_fill(g->views[i], (uint16_t)i, list) != LX_OK)
                        log_error(GUARD, "a publisher's releases are too many", "publisher=%s next=%s",
                            policy->publisher[i].name, "the rest of it is not allowed");
        guard_list_seal(list);
        return list;
}

/* The registers of files of one's own chains. */
static struct guard_files *
make_files(struct lxguard *g)
{
        struct guard_files *files = guard_files_new();

        for (size_t i = 0; i < g->view_count; i++)
                guard_view_fill_files(g->views[i], files);
        guard_files_seal(files);
        return files;
}

static void
note_age(struct lxguard *g)
{
        uint64_t height = UINT64_MAX, ms = UINT64_MAX;

        for (size_t i = 0; i < g->view_count; i++) {
                uint64_t h = guard_view_height(g->views[i]), t = guard_view_time(g->views[i]);

                height = h < height ? h : height;
                ms = t < ms ? t : ms;
        }
        atomic_store(&g->height, g->view_count > 0 ? height : 0);
        atomic_store(&g->ledger_ms, g->view_count > 0 ? ms : 0);
}

void
rules_swap(struct lxguard *g, struct guard_policy *policy)
{
        struct rules *rules = lx_alloc(sizeof(*rules)), *old;

        atomic_init(&rules->refs, 1);
        rules->policy = policy != NULL ? policy : copy_policy(g->rules->policy);
        rules->generation = ++g->generation;
        for (size_t i = 0; i < rules->policy->interpreter_count; i++)
                name_program(rules, rules->policy->interpreter[i].path, &rules->policy->interpreter[i]);
        for (size_t i = 0; i < rules->policy->readers.count; i++)
                name_program(rules, rules->policy->readers.v[i], NULL);
        rules->list = make_list(g, rules->policy);
        rules->files = make_files(g);
        note_age(g);
        (void)pthread_mutex_lock(&g->lock);
        old = g->rules;
        g->rules = rules;
        (void)pthread_mutex_unlock(&g->lock);
        rules_put(old);
        (void)malloc_trim(0); /* making a list takes several times what it keeps */
        if (g->gate != NULL)
                gate_review(g);
}
