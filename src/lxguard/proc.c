/* lxguard/proc.c - who opens a file: its program, arguments, environment, cgroup. */
#include "config.h"
#include "lxguard/lxguard.h"

#include "base/map.h"
#include "base/mem.h"
#include "guard/code.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OPENERS_MAX 4096   /* programs remembered; then all are forgotten */
#define CMDLINE_MAX 131072 /* bytes of arguments looked at; of more, anything may be hidden behind them */
#define ENVIRON_MAX 65536
#define ASLEEP_TRIES 100

size_t
proc_read(pid_t tid, const char *name, char *out, size_t cap)
{
        char path[64];
        size_t len = 0;
        ssize_t n = 0;
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)tid, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        while (fd >= 0 && len < cap - 1 && (n = read(fd, out + len, cap - 1 - len)) > 0)
                len += (size_t)n;
        if (fd >= 0)
                (void)close(fd);
        out[len] = '\0';
        return len;
}

void
proc_link(pid_t tid, const char *name, char *out, size_t cap)
{
        char path[64];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)tid, name);
        n = readlink(path, out, cap - 1);
        out[n > 0 ? n : 0] = '\0';
}

/* ---- programs ---------------------------------------------------------------------------------- */

/*
 * A running program's file cannot be written (ETXTBSY), so its verdict is remembered under everything that
 * would change with its content.
 */
struct program_key {
        uint64_t dev, ino, size;
        int64_t ctime_s, ctime_ns;
};

struct program {
        struct lx_hash root;
        enum guard_rule rule;
        uint64_t generation; /* of the rules that judged it */
};

struct openers {
        pthread_mutex_t lock;
        struct lx_map *map;
};

struct openers *
openers_new(void)
{
        struct openers *openers = lx_alloc(sizeof(*openers));

        (void)pthread_mutex_init(&openers->lock, NULL);
        openers->map = lx_map_new(3);
        return openers;
}

static void
forget_all(struct openers *openers)
{
        const void *key;
        size_t pos = 0, len;
        void *value;

        while (lx_map_next(openers->map, &pos, &key, &len, &value))
                lx_free(value);
        lx_map_free(openers->map);
        openers->map = lx_map_new(3);
}

void
openers_free(struct openers *openers)
{
        if (openers == NULL)
                return;
        forget_all(openers);
        lx_map_free(openers->map);
        (void)pthread_mutex_destroy(&openers->lock);
        lx_free(openers);
}

static bool
recall(struct openers *openers, const struct program_key *key, const struct rules *rules, struct program *out)
{
        struct program *p;

        (void)pthread_mutex_lock(&openers->lock);
        p = lx_map_get(openers->map, key, sizeof(*key));
        if (p != NULL)
                *out = *p;
        (void)pthread_mutex_unlock(&openers->lock);
        return p != NULL && out->generation == rules->generation;
}

static void
remember(struct openers *openers, const struct program_key *key, const struct program *p)
{
        (void)pthread_mutex_lock(&openers->lock);
        if (lx_map_count(openers->map) >= OPENERS_MAX)
                forget_all(openers);
        lx_free(lx_map_put(openers->map, key, sizeof(*key), lx_memdup(p, sizeof(*p))));
        (void)pthread_mutex_unlock(&openers->lock);
}

static void
judge_program(struct lxguard *g, const struct rules *rules, pid_t tid, const char *exe, struct program *out)
{
        char path[64];
        uint64_t size;
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)tid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        *out = (struct program){.rule = GUARD_RULE_ERROR, .generation = rules->generation};
        if (fd < 0)
                return;
        out->rule = judge_content(g, rules, fd, exe, fs_type(fd), false, 0, &out->root, &size).rule;
        (void)close(fd);
}

static bool
is_rooted(struct lxguard *g, pid_t tid)
{
        char path[64];
        struct stat st;

        (void)snprintf(path, sizeof(path), "/proc/%d/root/.", (int)tid);
        return stat(path, &st) == 0 && mounts_have(g, st.st_dev);
}

/* Whether program @exe of device @dev, which @tid runs, is this gate's business. */
static bool
is_judged(struct lxguard *g, const struct rules *rules, pid_t tid, dev_t dev, const char *exe)
{
        return rules->policy->mounts.count == 0 || mounts_have(g, dev) ||
            (strncmp(exe, "/memfd:", 7) == 0 && is_rooted(g, tid));
}

void
opener_of(struct lxguard *g, const struct rules *rules, pid_t tid, struct opener *out)
{
        struct program_key key;
        struct program p;
        struct stat st;
        char path[64];

        *out = (struct opener){.rule = GUARD_RULE_ERROR};
        (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)tid);
        if (tid <= 0 || stat(path, &st) != 0)
                return; /* a kernel thread, or gone */
        memset(&key, 0, sizeof(key));
        key = (struct program_key){(uint64_t)st.st_dev, (uint64_t)st.st_ino, (uint64_t)st.st_size,
            st.st_ctim.tv_sec, st.st_ctim.tv_nsec};
        out->known = true;
        if (!recall(g->openers, &key, rules, &p)) {
                proc_link(tid, "exe", out->exe, sizeof(out->exe));
                judge_program(g, rules, tid, out->exe, &p);
                if (p.rule != GUARD_RULE_EXCEPTION && p.rule != GUARD_RULE_ERROR)
                        remember(g->openers, &key, &p);
        }
        out->rule = p.rule;
        out->root = p.root;
        out->program = rules_program(rules, &p.root);
        if (guard_rule_denies(p.rule)) {
                proc_link(tid, "exe", out->exe, sizeof(out->exe));
                out->judged = is_judged(g, rules, tid, st.st_dev, out->exe);
        }
}

/* ---- system calls ------------------------------------------------------------------------------ */

/*
 * The event does not tell how a file is opened; the blocked thread's registers do. openat2 has its flags in
 * memory that another thread may change: not taken.
 */
bool
opener_writes(pid_t tid)
{
        char text[256], *at = text;
        long number;
        unsigned long arg[3];

        /* It is on its way to sleep: the event was read before it got there. */
        for (int i = 0; i < ASLEEP_TRIES; i++) {
                if (proc_read(tid, "syscall", text, sizeof(text)) == 0)
                        return false;
                if (strncmp(text, "running", 7) != 0)
                        break;
                (void)usleep(100);
        }
        number = strtol(at, &at, 10);
        for (int i = 0; i < 3; i++)
                arg[i] = strtoul(at, &at, 16);
        switch (number) {
#ifdef SYS_open
        case SYS_open:
                return (arg[1] & O_ACCMODE) != O_RDONLY;
#endif
#ifdef SYS_creat
        case SYS_creat:
                return true;
#endif
        case SYS_openat:
                return (arg[2] & O_ACCMODE) != O_RDONLY;
#ifdef SYS_truncate
        case SYS_truncate:
                return true;
#endif
        default:
                return false;
        }
}

bool
opener_is_clean(pid_t tid)
{
        char *text = lx_alloc(ENVIRON_MAX);
        size_t len = proc_read(tid, "environ", text, ENVIRON_MAX);
        bool clean = len < ENVIRON_MAX - 1 && guard_environ_is_clean(LX_SPAN(text, len));

        lx_free(text);
        return clean;
}

/* ---- scope ------------------------------------------------------------------------------------- */

/* Lines "0::/path" (cgroup 2) or "4:memory:/path" (one of version 1): any may be named. */
bool
opener_in_scope(const struct guard_policy *policy, pid_t tid)
{
        char text[4096], *line, *rest = text;

        if (policy->cgroups.count == 0)
                return true;
        (void)proc_read(tid, "cgroup", text, sizeof(text) - 1);
        while ((line = strsep(&rest, "\n")) != NULL) {
                char *path = strchr(line, '/'), with_slash[4096];

                if (path == NULL)
                        continue;
                (void)snprintf(with_slash, sizeof(with_slash), "%s/", path);
                if (guard_strings_have(&policy->cgroups, path) || guard_strings_have(&policy->cgroups, with_slash))
                        return true;
        }
        return false;
}

bool
process_in_scope(struct lxguard *g, const struct rules *rules, pid_t pid)
{
        char path[64];
        struct stat st;

        if (!opener_in_scope(rules->policy, pid))
                return false;
        if (rules->policy->mounts.count == 0)
                return true;
        (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
        return (stat(path, &st) == 0 && mounts_have(g, st.st_dev)) || is_rooted(g, pid);
}

/* ---- interpreters ------------------------------------------------------------------------------ */

/* Where the names among a process's arguments begin. */
struct walk {
        pid_t tid;
        int root, cwd;     /* directories; -1: gone */
        char prefix[4096]; /* the latter below the former, as a path */
};

static int
open_directory(pid_t tid, const char *name)
{
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)tid, name);
        return open(path, O_PATH | O_CLOEXEC);
}

static void
walk_begin(struct walk *w, pid_t tid)
{
        char cwd[4096], top[4096];
        size_t len;

        *w = (struct walk){.tid = tid, .root = open_directory(tid, "root"), .cwd = open_directory(tid, "cwd")};
        proc_link(tid, "cwd", cwd, sizeof(cwd));
        proc_link(tid, "root", top, sizeof(top));
        len = strcmp(top, "/") == 0 ? 0 : strlen(top);
        (void)snprintf(w->prefix, sizeof(w->prefix), "%s", cwd + (strncmp(cwd, top, len) == 0 ? len : 0));
}

static void
walk_end(struct walk *w)
{
        if (w->root >= 0)
                (void)close(w->root);
        if (w->cwd >= 0)
                (void)close(w->cwd);
}

enum named { NAMED_NOT, NAMED_THIS, NAMED_UNTOLD };

/* What stat() or open() said of a name. */
static enum named
is_file(bool good, const struct stat *st, dev_t dev, ino_t ino)
{
        if (good)
                return st->st_dev == dev && st->st_ino == ino ? NAMED_THIS : NAMED_NOT;
        if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG)
                return NAMED_NOT;
        return NAMED_UNTOLD; /* through a link of /proc or a file system that hides from us; changed meanwhile */
}

/* Path @name from directory @top: absolute links are links in @tid's root, not in ours. */
static enum named
names_from(int top, const char *name, uint64_t resolve, dev_t dev, ino_t ino)
{
        struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = resolve | RESOLVE_NO_MAGICLINKS};
        int fd = (int)syscall(SYS_openat2, top, name, &how, sizeof(how));
        struct stat st;
        enum named said = is_file(fd >= 0 && fstat(fd, &st) == 0, &st, dev, ino);

        if (fd >= 0)
                (void)close(fd);
        return said;
}

/* Whether argument @word names the file (@dev, @ino), by whatever link. */
static enum named
names_file(const struct walk *w, const char *word, dev_t dev, ino_t ino)
{
        static const char *const standard[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
        enum named first, second;
        char path[8300];
        struct stat st;
        unsigned number = UINT_MAX;

        for (unsigned i = 0; i < 3; i++)
                if (strcmp(word, standard[i]) == 0)
                        number = i;
        if (number != UINT_MAX || sscanf(word, "/dev/fd/%u", &number) == 1 ||
            sscanf(word, "/proc/self/fd/%u", &number) == 1) {
                (void)snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)w->tid, number);
                return is_file(stat(path, &st) == 0, &st, dev, ino);
        }
        if (word[0] == '/')
                return names_from(w->root, word, RESOLVE_IN_ROOT, dev, ino);
        (void)snprintf(path, sizeof(path), "%s/%.4096s", w->prefix, word);
        first = names_from(w->root, path, RESOLVE_IN_ROOT, dev, ino);
        if (first == NAMED_THIS)
                return first;
        /* Its directory may be outside its root, or deeper than a path can be long. */
        second = names_from(w->cwd, word, 0, dev, ino);
        return second == NAMED_NOT ? first : second;
}

/* Whether one of the arguments @rest may name the file; one that cannot be followed may. */
static bool
is_argument(pid_t tid, struct lx_span rest, dev_t dev, ino_t ino)
{
        struct lx_span word;
        struct walk w;
        bool found = false;

        walk_begin(&w, tid);
        (void)guard_next_word(&rest, &word);
        while (!found && guard_next_word(&rest, &word))
                found = names_file(&w, (const char *)word.p, dev, ino) != NAMED_NOT;
        walk_end(&w);
        return found;
}

static bool
has_suffix(const struct guard_interpreter *in, const char *path)
{
        size_t len = strlen(path);

        for (size_t i = 0; i < in->suffix_count; i++) {
                size_t n = strlen(in->suffix[i]);

                if (len >= n && strcmp(path + len - n, in->suffix[i]) == 0)
                        return true;
        }
        return false;
}

/* A terminal is a person; anything else on standard input is a program text. */
static bool
reads_a_terminal(pid_t tid)
{
        char target[256];

        proc_link(tid, "fd/0", target, sizeof(target));
        return strncmp(target, "/dev/tty", 8) == 0 || strncmp(target, "/dev/pts/", 9) == 0 ||
            strcmp(target, "/dev/console") == 0;
}

enum lx_err
opener_interprets(
    const struct guard_interpreter *in, pid_t tid, const char *path, dev_t dev, ino_t ino, bool *out_code)
{
        char *text = lx_alloc(CMDLINE_MAX);
        size_t len = proc_read(tid, "cmdline", text, CMDLINE_MAX);
        struct lx_span words = LX_SPAN(text, len);
        enum guard_args args = guard_args_of(words, in->inline_letters, in->value_letters);
        enum lx_err err = LX_OK;

        *out_code = has_suffix(in, path) || len == CMDLINE_MAX - 1 || is_argument(tid, words, dev, ino);
        if (in->inline_letters[0] != '\0' && len > 0 &&
            (args == GUARD_ARGS_INLINE || (args == GUARD_ARGS_STDIN && !reads_a_terminal(tid))))
                err = LX_ERR_DENIED;
        lx_free(text);
        return err;
}
