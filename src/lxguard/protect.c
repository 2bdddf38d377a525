/*
 * lxguard/protect.c - protected files: each is what its register says, or it is told, put back or denied.
 *
 * The registers are those of the policy's own chains, proven like the lists of programs, so no node can leave one
 * out. `lx file add` and `lx file update` confirm what is new or changed. In audit nothing is done but telling.
 */
#include "config.h"
#include "lxguard/protect_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "merkle/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TICK_MS 500
#define NICE 19
#define RESTORES_MAX 10 /* of one path in a window; then somebody insists, and it is denied */
#define WINDOW_MS 60000

/* One look at a path. */
struct look {
        const char *path;
        const struct guard_file *must; /* NULL: no register */
        int fd;                        /* -1: there is no regular file */
        struct lx_hash root;
        uint64_t length;
        struct lx_buf leaves;
        enum guard_file_state state;
};

#define OPEN_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* False: it cannot be told what is there (no descriptor left, no right): that is no sign that it is gone. */
static bool
look_at(struct protect *p, const char *path, struct look *l)
{
        struct stat st;

        *l = (struct look){.path = path, .must = guard_files_find(p->rules->files, path)};
        l->fd = open(path, OPEN_FLAGS | O_NOATIME);
        if (l->fd < 0 && errno == EPERM) /* somebody else's, and the right to leave its time alone was taken away */
                l->fd = open(path, OPEN_FLAGS);
        if (l->fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ENXIO) {
                log_error(GUARD, "a protected file cannot be read", "path=%s error=%s next=%s", path, strerror(errno),
                    "nothing is known of it; it is read again at the next interval");
                return false;
        }
        if (l->fd >= 0 && (fstat(l->fd, &st) != 0 || !S_ISREG(st.st_mode))) {
                (void)close(l->fd);
                l->fd = -1;
        }
        /* A file that cannot be read to its end is none that is as registered. */
        if (l->fd >= 0 &&
            hash_fd(l->fd, 0, &l->root, &l->length, l->must != NULL ? &l->leaves : NULL) != LX_OK)
                l->length = UINT64_MAX;
        l->state = guard_file_state(l->must, l->fd >= 0, &l->root, l->length);
        return true;
}

/* ---- telling ----------------------------------------------------------------------------------- */

/* Which pages, by the leaf hashes that the node keeps; nothing when it has none. */
static void
print_pages(struct protect *p, const struct look *l, struct lx_buf *out)
{
        struct lx_buf must = {0};
        struct lx_hash root;

        if (l->state != GUARD_FILE_CHANGED || feed_blob(p->g, "leaves", &l->must->root, &must, NULL) != LX_OK ||
            must.len % LX_HASH_LEN != 0) {
                lx_buf_clear(&must);
                return;
        }
        merkle_log_root(&lx_crypto_ops()->hash, (const struct lx_hash *)(const void *)must.p, must.len / LX_HASH_LEN,
            &root);
        if (lx_hash_eq(&root, &l->must->root))
                guard_files_print_pages(lx_buf_span(&l->leaves), lx_buf_span(&must), out);
        lx_buf_clear(&must);
}

static void
tell(struct protect *p, const struct look *l, const char *done, const char *why)
{
        static const char *const rules[] = {"file-good", "protected-changed", "protected-new", "protected-missing",
            "file-good"};
        bool good = l->state == GUARD_FILE_SAME || l->state == GUARD_FILE_NONE;
        struct lx_buf detail = {0};
        struct event e = {.kind = good ? "notice" : "finding", .rule = rules[l->state], .path = l->path, .exe = "",
            .digest = l->fd >= 0 && l->length != UINT64_MAX ? &l->root : NULL};

        if (l->must != NULL && l->fd >= 0 && l->length != l->must->length && l->length != UINT64_MAX)
                lx_buf_printf(&detail, "%llu bytes, registered are %llu; ", (unsigned long long)l->length,
                    (unsigned long long)l->must->length);
        print_pages(p, l, &detail);
        if (detail.len > 0 && !good && lx_buf_str(&detail)[detail.len - 1] != ' ')
                lx_buf_printf(&detail, "; ");
        lx_buf_printf(&detail, "%s%s%s", done, why[0] != '\0' ? ": " : "", why);
        e.detail = lx_buf_str(&detail);
        event_note(p->g, &e);
        lx_buf_clear(&detail);
}

/* ---- acting ------------------------------------------------------------------------------------ */

static void
allow_again(struct protect *p, struct odd *odd)
{
        if (odd->fd < 0)
                return;
        gate_allow_file(p->g, odd->fd);
        (void)close(odd->fd);
        odd->fd = -1;
        p->denied--;
}

/* Opens of the file as it is now are denied; takes l->fd over when it says so. */
static const char *
deny(struct protect *p, struct look *l, struct odd *odd)
{
        allow_again(p, odd);
        if (l->fd < 0)
                return "logged";
        if (p->denied >= PROTECT_DENIED_MAX || !gate_deny_file(p->g, l->fd))
                return "cannot be denied here";
        odd->fd = l->fd;
        l->fd = -1;
        p->denied++;
        return "denied";
}

static bool
may_restore(struct odd *odd)
{
        uint64_t now = lx_clock_now_ms();

        if (now - odd->window_ms > WINDOW_MS) {
                odd->window_ms = now;
                odd->restores = 0;
        }
        return odd->restores++ < RESTORES_MAX;
}

/* What the policy says is done about it; a word for what was done. */
static const char *
act(struct protect *p, struct look *l, struct odd *odd, struct lx_why *why)
{
        enum guard_protect action = p->rules->policy->protect_action;
        enum lx_err err;

        if (atomic_load(&p->g->mode) != GUARD_ENFORCE || action == GUARD_PROTECT_LOG) {
                allow_again(p, odd);
                return "logged";
        }
        if (action == GUARD_PROTECT_RESTORE && l->state != GUARD_FILE_NEW) {
                if (!may_restore(odd)) {
                        lx_why_set(why, "put back %u times within a minute", RESTORES_MAX);
                        return deny(p, l, odd);
                }
                err = protect_restore(p->g, l->must, l->fd, why);
                if (err == LX_OK) {
                        allow_again(p, odd);
                        atomic_fetch_add(&p->restored, 1);
                        return "put back";
                }
                if (why->text[0] == '\0')
                        lx_why_set(why, "%s",
                            err == LX_ERR_ABSENT ? "the node keeps no content (lx file add --keep)" : lx_err_text(err));
        }
        return deny(p, l, odd);
}

/* ---- one path ---------------------------------------------------------------------------------- */

static void
count(struct protect *p, enum guard_file_state state, unsigned long long by)
{
        if (state == GUARD_FILE_CHANGED)
                atomic_fetch_add(&p->changed, by);
        else if (state == GUARD_FILE_NEW)
                atomic_fetch_add(&p->fresh, by);
        else if (state == GUARD_FILE_MISSING)
                atomic_fetch_add(&p->missing, by);
}

static struct odd *
odd_of(struct protect *p, const char *path)
{
        struct odd *odd = lx_map_get(p->odd, path, strlen(path) + 1);

        if (odd == NULL) {
                odd = lx_alloc(sizeof(*odd));
                *odd = (struct odd){.state = GUARD_FILE_SAME, .fd = -1, .done = ""};
                (void)lx_map_put(p->odd, path, strlen(path) + 1, odd);
        }
        return odd;
}

/* It is as it must be: nothing is denied any more. Who was put back lately is remembered for a while. */
static void
set_right(struct protect *p, const struct look *l, struct odd *odd)
{
        if (odd == NULL)
                return;
        allow_again(p, odd);
        if (odd->state != GUARD_FILE_SAME) {
                count(p, odd->state, -1ull);
                tell(p, l, l->state == GUARD_FILE_NONE ? "gone again" : "as registered again", "");
        }
        odd->state = GUARD_FILE_SAME;
        if (odd->restores == 0 || lx_clock_now_ms() - odd->window_ms > WINDOW_MS)
                lx_free(lx_map_remove(p->odd, l->path, strlen(l->path) + 1));
}

static void
set_odd(struct protect *p, struct look *l)
{
        struct odd *odd = odd_of(p, l->path);
        bool known = odd->state == l->state && odd->length == l->length && lx_hash_eq(&odd->root, &l->root);
        struct lx_why why = {{0}};
        struct look told = *l;
        const char *done = act(p, l, odd, &why);

        told.fd = told.state == GUARD_FILE_MISSING ? -1 : 0; /* for what is told of it alone */
        if (!known || strcmp(done, odd->done) != 0)
                tell(p, &told, done, why.text);
        count(p, odd->state, -1ull);
        odd->state = strcmp(done, "put back") == 0 ? GUARD_FILE_SAME : l->state;
        count(p, odd->state, 1);
        odd->root = l->root;
        odd->length = l->length;
        odd->done = done;
}

void
protect_check(struct protect *p, const char *path)
{
        struct odd *odd = lx_map_get(p->odd, path, strlen(path) + 1);
        struct look l;

        if (!look_at(p, path, &l))
                return;
        if (l.state == GUARD_FILE_SAME || l.state == GUARD_FILE_NONE)
                set_right(p, &l, odd);
        else if (odd != NULL || lx_map_count(p->odd) < PROTECT_ODD_MAX)
                set_odd(p, &l);
        else
                tell(p, &l, "logged", "");
        lx_buf_clear(&l.leaves);
        if (l.fd >= 0)
                (void)close(l.fd);
}

/* ---- new rules --------------------------------------------------------------------------------- */

static bool
is_protected(const struct rules *rules, const char *path)
{
        const struct guard_strings *list = &rules->policy->protect;

        for (size_t i = 0; i < list->count; i++) {
                size_t len = strlen(list->v[i]);

                while (len > 0 && list->v[i][len - 1] == '/')
                        len--;
                if (strncmp(path, list->v[i], len) == 0 && path[len] == '/')
                        return true;
        }
        return false;
}

/* Paths whose register is not in @old, or says something else there. */
static void
check_difference(struct protect *p, const struct guard_files *is, const struct guard_files *old)
{
        for (size_t i = 0; i < guard_files_count(is); i++) {
                const struct guard_file *f = guard_files_at(is, i), *was = guard_files_find(old, f->path);

                if (guard_file_state(was, true, &f->root, f->length) != GUARD_FILE_SAME &&
                    is_protected(p->rules, f->path))
                        protect_check(p, f->path);
        }
}

void
protect_check_odd(struct protect *p, const char *below)
{
        struct lx_buf paths = {0};
        const void *key;
        void *value;
        size_t pos = 0, len;

        /* Looking at them changes the map. */
        while (lx_map_next(p->odd, &pos, &key, &len, &value))
                lx_buf_append(&paths, key, len);
        for (size_t at = 0; at < paths.len; at += strlen((const char *)paths.p + at) + 1) {
                const char *path = (const char *)paths.p + at;

                if (strncmp(path, below, strlen(below)) == 0)
                        protect_check(p, path);
        }
        lx_buf_clear(&paths);
}

static bool
same_strings(const struct guard_strings *a, const struct guard_strings *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (strcmp(a->v[i], b->v[i]) != 0)
                        return false;
        return true;
}

void
protect_take_rules(struct protect *p, struct rules *rules)
{
        struct rules *old = p->rules;

        p->rules = rules;
        atomic_store(&p->file_count, guard_files_count(rules->files));
        if (old == NULL || !same_strings(&old->policy->protect, &rules->policy->protect)) {
                protect_unwatch(p, "");
                p->full = true;
        } else {
                check_difference(p, rules->files, old->files);
                check_difference(p, old->files, rules->files);
                protect_check_odd(p, "");
        }
        atomic_store(&p->action, (int)rules->policy->protect_action);
        rules_put(old);
}

/* ---- the thread -------------------------------------------------------------------------------- */

static void *
run(void *arg)
{
        struct protect *p = arg;
        struct pollfd fd = {.fd = p->inotify, .events = POLLIN};
        int mode = -1;

        (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
        while (!atomic_load(&p->g->stopping)) {
                struct rules *rules = rules_get(p->g);
                uint64_t every_ms = rules->policy->protect_every_s * 1000;

                /* Before anything was proven nothing is known of any file. */
                if (atomic_load(&p->g->height) == 0) {
                        rules_put(rules);
                        (void)poll(NULL, 0, TICK_MS);
                        continue;
                }
                if (p->rules == NULL || rules->generation != p->rules->generation)
                        protect_take_rules(p, rules);
                else
                        rules_put(rules);
                if (mode != atomic_load(&p->g->mode)) {
                        mode = atomic_load(&p->g->mode);
                        protect_check_odd(p, "");
                }
                if (p->full || lx_clock_now_ms() - p->looked_ms >= every_ms) {
                        p->full = false;
                        protect_check_all(p);
                        p->looked_ms = lx_clock_now_ms();
                }
                (void)poll(&fd, 1, TICK_MS);
                protect_read_events(p);
        }
        return NULL;
}

void
protect_start(struct lxguard *g)
{
        struct protect *p = lx_alloc(sizeof(*p));

        p->g = g;
        p->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        p->dirs = lx_map_new(9);
        p->odd = lx_map_new(10);
        p->touched = lx_map_new(8);
        g->protect = p;
        if (p->inotify >= 0 && pthread_create(&p->thread, NULL, run, p) == 0)
                return;
        log_error(GUARD, "protected files cannot be watched", "error=%s next=%s", strerror(errno),
            "nothing of them is told");
        g->protect = NULL;
        if (p->inotify >= 0)
                (void)close(p->inotify);
        lx_map_free(p->dirs);
        lx_map_free(p->odd);
        lx_map_free(p->touched);
        lx_free(p);
}

static void
free_values(struct lx_map *map)
{
        const void *key;
        void *value;
        size_t pos = 0, len;

        while (lx_map_next(map, &pos, &key, &len, &value))
                lx_free(value);
        lx_map_free(map);
}

void
protect_stop(struct lxguard *g)
{
        struct protect *p = g->protect;
        const void *key;
        void *value;
        size_t pos = 0, len;

        if (p == NULL)
                return;
        (void)pthread_join(p->thread, NULL);
        while (lx_map_next(p->odd, &pos, &key, &len, &value))
                allow_again(p, value);
        g->protect = NULL;
        free_values(p->dirs);
        free_values(p->odd);
        lx_map_free(p->touched);
        (void)close(p->inotify);
        rules_put(p->rules);
        lx_free(p);
}

json_t *
protect_json(struct lxguard *g)
{
        static const char *const actions[] = {"log", "restore", "deny"};
        struct protect *p = g->protect;

        if (p == NULL)
                return json_null();
#define N(name) (json_int_t)atomic_load(&p->name)
        return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "action",
            actions[atomic_load(&p->action)], "directories", N(dir_count), "registers", N(file_count),
            "changed", N(changed), "new", N(fresh), "missing", N(missing), "restored", N(restored), "overflows",
            N(overflows), "passes", N(passes));
#undef N
}
