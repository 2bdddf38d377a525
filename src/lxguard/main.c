/* lxguard/main.c - the privileged program: starts the parts, says what they do, ends them. */
#include "config.h"
#include "lxguard/lxguard.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "guard/maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONF_PATH "/etc/lxguard/lxguard.conf"
#define OOM_SCORE "-1000"
/* What is at least this large is given back when it is freed; glibc would raise it and keep holes instead. More than
 * a verdict's buffer, which is not to be mapped anew each time. */
#define MMAP_BYTES (256 << 10)

struct arguments {
        const char *conf;
        bool help, version, check, panic, scan, scan_full;
        unsigned stop_after_s; /* 0: never */
};

/* ---- what runs now ----------------------------------------------------------------------------- */

static void
check_map(struct lxguard *g, const struct rules *rules, struct lx_map *seen, pid_t pid,
    const struct guard_map *m, json_t *out)
{
        uint64_t key[3] = {m->major, m->minor, m->inode}, size;
        struct guard_answer answer;
        struct lx_hash root;
        struct stat st;
        char path[96], name[4096];
        int fd;

        if (lx_map_put(seen, key, sizeof(key), seen) != NULL)
                return;
        (void)snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)pid, (unsigned long long)m->start,
            (unsigned long long)m->end);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        (void)snprintf(name, sizeof(name), "%.*s", (int)(m->path.len < 4000 ? m->path.len : 4000),
            (const char *)m->path.p);
        if (fstat(fd, &st) == 0 && (rules->policy->mounts.count == 0 || mounts_have(g, st.st_dev))) {
                answer = judge_content(g, rules, fd, name, fs_type(fd), false, 0, &root, &size);
                if (guard_rule_denies(answer.rule) || answer.alert)
                        json_array_append_new(out, json_pack("{s:o,s:s,s:i}", "path",
                            json_string(name) != NULL ? json_string(name) : json_string("?"), "rule",
                            guard_rule_name(answer.rule), "pid", (int)pid));
        }
        (void)close(fd);
}

static void
check_process(
    struct lxguard *g, const struct rules *rules, struct lx_map *seen, pid_t pid, char *text, json_t *out)
{
        struct lx_span rest;
        struct guard_map m;

        if (!process_in_scope(g, rules, pid))
                return;
        rest = LX_SPAN(text, proc_read(pid, "maps", text, 1u << 20));
        while (guard_map_next(&rest, &m))
                if (m.exec && guard_map_kind(&m) == GUARD_MAP_FILE)
                        check_map(g, rules, seen, pid, &m, out);
}

json_t *
safe_start_check(struct lxguard *g)
{
        struct rules *rules = rules_get(g);
        struct lx_map *seen = lx_map_new(5);
        char *text = lx_alloc(1u << 20);
        json_t *out = json_array();
        DIR *dir = opendir("/proc");
        struct dirent *e;

        while (dir != NULL && (e = readdir(dir)) != NULL) {
                pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

                if (pid > 0)
                        check_process(g, rules, seen, pid, text, out);
        }
        if (dir != NULL)
                (void)closedir(dir);
        lx_free(text);
        lx_map_free(seen);
        rules_put(rules);
        return out;
}

/* Enforce only what the running machine would survive; from the audit side one can fix the rest. */
static void
start_mode(struct lxguard *g)
{
        size_t i;
        json_t *o;

        if (g->rules->policy->mode == GUARD_AUDIT) {
                guard_set_mode(g, GUARD_AUDIT, NULL);
                return;
        }
        json_decref(g->would_deny);
        g->would_deny = safe_start_check(g);
        json_array_foreach(g->would_deny, i, o)
                if (i < 100)
                        log_warn(GUARD, "a running program would be denied", "path=%s rule=%s pid=%d",
                            json_string_value(json_object_get(o, "path")),
                            json_string_value(json_object_get(o, "rule")),
                            (int)json_integer_value(json_object_get(o, "pid")));
        if (json_array_size(g->would_deny) > 0)
                guard_set_mode(g, GUARD_AUDIT, "safe start: running programs would be denied; lx guard learn "
                    "approves them");
        else
                guard_set_mode(g, GUARD_ENFORCE, NULL);
}

void
guard_set_mode(struct lxguard *g, enum guard_mode mode, const char *reason)
{
        atomic_store(&g->mode, (int)mode);
        (void)pthread_mutex_lock(&g->lock);
        g->mode_reason = reason;
        (void)pthread_mutex_unlock(&g->lock);
        log_notice(GUARD, "mode", "mode=%s reason=%s", mode == GUARD_ENFORCE ? "enforce" : "audit",
            reason != NULL ? reason : "policy");
        if (g->gate != NULL)
                gate_review(g);
}

/* ---- policy ------------------------------------------------------------------------------------ */

static enum lx_err
load_policy(const char *path, struct guard_policy **out_policy, struct lx_why *why)
{
        struct lx_buf text = {0};
        enum lx_err err = lx_file_read(path, GUARD_CONF_MAX, &text, why);

        if (err == LX_OK)
                err = guard_policy_parse(lx_buf_span(&text), path, out_policy, why);
        else
                lx_why_set(why, "cannot read %s: %s", path, lx_err_text(err));
        lx_buf_clear(&text);
        return err;
}

static bool
same_publishers(const struct guard_policy *a, const struct guard_policy *b)
{
        if (a->publisher_count != b->publisher_count)
                return false;
        for (size_t i = 0; i < a->publisher_count; i++)
                if (!lx_hash_eq(&a->publisher[i].genesis, &b->publisher[i].genesis) ||
                    a->publisher[i].own != b->publisher[i].own)
                        return false;
        return true;
}

enum lx_err
guard_reload(struct lxguard *g, struct lx_why *why)
{
        struct guard_policy *policy = NULL;
        enum lx_err err = load_policy(g->conf_path, &policy, why);

        if (err != LX_OK) {
                log_error(GUARD, "the policy was not read again", "why=%s next=%s", why->text, "the old one acts");
                return err;
        }
        (void)pthread_mutex_lock(&g->view_lock);
        if (!same_publishers(policy, g->rules->policy)) {
                struct guard_view **old = g->views;
                size_t count = g->view_count;

                g->views = lx_alloc_array(policy->publisher_count + 1, sizeof(struct guard_view *));
                g->view_count = policy->publisher_count;
                for (size_t i = 0; i < g->view_count; i++)
                        g->views[i] = guard_view_new(&policy->publisher[i].genesis, policy->publisher[i].own);
                feed_reread(g);
                for (size_t i = 0; i < count; i++)
                        guard_view_free(old[i]);
                lx_free(old);
        }
        rules_swap(g, policy);
        (void)pthread_mutex_unlock(&g->view_lock);
        feed_kick(g);
        start_mode(g);
        return LX_OK;
}

/* ---- status ------------------------------------------------------------------------------------ */

/* What this kernel and this mode leave open, in words; lxguard(8) has the reasons. */
static json_t *
not_covered(struct lxguard *g)
{
        static const char *const open_ends[] = {
            "the guard's own death opens the gate (no BPF LSM gate runs)",
            "a static program in a memfd that opens no file, until the next memory pass",
            "anonymous executable memory and mprotect, until the next memory pass",
            "writes to the memory of running processes, until the next memory pass",
            "writes to a library that is already mapped, until the next full memory pass",
            "kernel modules and BPF programs", NULL};
        json_t *list = json_array();

        if (atomic_load(&g->mode) == GUARD_AUDIT)
                json_array_append_new(list, json_string("everything: audit only logs"));
        for (int i = 0; open_ends[i] != NULL; i++)
                json_array_append_new(list, json_string(open_ends[i]));
        return list;
}

static uint64_t
resident_bytes(void)
{
        char text[128];
        unsigned long long size, resident = 0;

        (void)proc_read(getpid(), "statm", text, sizeof(text));
        if (sscanf(text, "%llu %llu", &size, &resident) != 2)
                return 0;
        return resident * (unsigned long long)sysconf(_SC_PAGESIZE);
}

json_t *
guard_status(struct lxguard *g)
{
        struct rules *rules = rules_get(g);
        const char *reason;
        json_t *o;

        (void)pthread_mutex_lock(&g->lock);
        reason = g->mode_reason;
        (void)pthread_mutex_unlock(&g->lock);
        o = json_pack("{s:s,s:s,s:s?,s:{s:s,s:s},s:I,s:I,s:b,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:O?,s:I,s:f}", "mode",
            atomic_load(&g->mode) == GUARD_ENFORCE ? "enforce" : "audit", "policy_mode",
            rules->policy->mode == GUARD_ENFORCE ? "enforce" : "audit", "mode_reason", reason, "gates", "fanotify",
            "runs", "bpf_lsm", "not built", "height", (json_int_t)atomic_load(&g->height), "age",
            (json_int_t)(rules_age_ms(g) / 1000), "stale",
            (int)(rules->policy->max_age_s > 0 && rules_age_ms(g) > rules->policy->max_age_s * 1000), "entries",
            (json_int_t)guard_list_count(rules->list), "publishers", (json_int_t)rules->policy->publisher_count,
            "list_bytes", (json_int_t)guard_list_bytes(rules->list), "gate", gate_json(g), "mounts", mounts_json(g),
            "node", feed_json(g), "not_covered", not_covered(g), "would_deny", g->would_deny, "resident_bytes",
            (json_int_t)resident_bytes(), "start_ms", (double)(g->ready_ns - g->start_ns) / 1e6);
        json_object_set_new(o, "start_cpu_ms", json_real((double)g->ready_cpu_ns / 1e6));
        json_object_set_new(o, "protected", protect_json(g));
        json_object_set_new(o, "events", json_integer((json_int_t)g->event_count));
        rules_put(rules);
        return o;
}

/* ---- start and end ----------------------------------------------------------------------------- */

static void
notify(const char *text)
{
        const char *where = getenv("NOTIFY_SOCKET");
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        int fd;

        if (where == NULL || strlen(where) >= sizeof(addr.sun_path))
                return;
        memcpy(addr.sun_path, where, strlen(where));
        if (addr.sun_path[0] == '@')
                addr.sun_path[0] = '\0';
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return;
        (void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&addr,
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(where)));
        (void)close(fd);
}

/* Killed for memory, swapped out, or stopped by its own page faults, the gate would be open or stuck. */
static void
settle(void)
{
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd >= 0) {
                (void)!write(fd, OOM_SCORE, strlen(OOM_SCORE));
                (void)close(fd);
        }
        (void)malloc_trim(0);
        if (mlockall(MCL_CURRENT | MCL_ONFAULT) != 0)
                log_warn(GUARD, "memory could not be locked", "error=%s", strerror(errno));
}

static enum lx_err
hash_self(struct lxguard *g)
{
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        uint64_t size;
        enum lx_err err = fd >= 0 ? hash_fd(fd, 0, &g->self, &size, NULL) : LX_ERR_IO;

        if (fd >= 0)
                (void)close(fd);
        return err;
}

static uint64_t
cpu_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* Policy and lists, without a gate. */
static enum lx_err
load(struct lxguard *g, struct lx_why *why)
{
        struct guard_policy *policy = NULL;
        enum lx_err err = load_policy(g->conf_path, &policy, why);

        if (err != LX_OK)
                return err;
        g->rules = lx_alloc(sizeof(*g->rules));
        atomic_init(&g->rules->refs, 1);
        g->rules->policy = policy;
        g->rules->list = guard_list_new();
        g->rules->files = guard_files_new();
        err = lx_file_mkdirs(policy->state_dir, 0700, why);
        if (err == LX_OK)
                err = hash_self(g);
        if (err == LX_OK)
                err = feed_load(g, why);
        if (err == LX_OK)
                rules_swap(g, NULL);
        return err;
}

static enum lx_err
start(struct lxguard *g, struct lx_why *why)
{
        enum lx_err err = load(g, why);
        const char *log_file;

        if (err != LX_OK)
                return err;
        log_file = g->rules->policy->log_file;
        if (log_file != NULL && lx_log_open(log_file) != LX_OK)
                log_warn(GUARD, "the log file cannot be opened", "path=%s next=%s", log_file, "stderr");
        err = gate_open(g, why);
        if (err != LX_OK)
                return err;
        gate_start(g);
        err = mounts_start(g, why);
        if (err == LX_OK)
                start_mode(g);
        g->ready_ns = lx_clock_now_ns();
        g->ready_cpu_ns = cpu_ns();
        if (err == LX_OK)
                err = control_start(g, why);
        return err;
}

static void
stop(struct lxguard *g)
{
        atomic_store(&g->stopping, true);
        feed_end_calls(g);
        control_stop(g);
        memory_stop(g);
        protect_stop(g);
        feed_stop(g);
        mounts_stop(g);
        if (g->gate != NULL)
                log_warn(GUARD, "the gate opens", "next=%s", "nothing is judged until lxguard runs again");
        gate_close(g);
        for (size_t i = 0; i < g->view_count; i++)
                guard_view_free(g->views[i]);
        lx_free(g->views);
        guard_trust_free(g->trust);
        rules_put(g->rules);
        openers_free(g->openers);
        json_decref(g->events);
        json_decref(g->would_deny);
}

static void
block_signals(sigset_t *set)
{
        (void)sigemptyset(set);
        (void)sigaddset(set, SIGTERM);
        (void)sigaddset(set, SIGINT);
        (void)sigaddset(set, SIGHUP);
        (void)sigaddset(set, SIGIO);
        (void)sigaddset(set, SIGRTMIN + 3);
        (void)pthread_sigmask(SIG_BLOCK, set, NULL);
        (void)sigdelset(set, SIGIO);
        (void)sigdelset(set, SIGRTMIN + 3);
        (void)signal(SIGPIPE, SIG_IGN);
}

static void
wait_for_the_end(struct lxguard *g, const sigset_t *set, unsigned stop_after_s)
{
        uint64_t end_ms = lx_clock_now_ms() + stop_after_s * 1000ull;

        for (;;) {
                struct timespec second = {.tv_sec = 1};
                struct lx_why why = {{0}};
                int signo = sigtimedwait(set, NULL, &second);

                if (signo == SIGHUP)
                        (void)!guard_reload(g, &why);
                else if (signo > 0)
                        return;
                notify("WATCHDOG=1");
                if (stop_after_s > 0 && lx_clock_now_ms() >= end_ms)
                        return;
        }
}

/* One memory pass over all processes, by the cached lists; no gate, nobody is touched. */
static int
scan(struct arguments *args)
{
        struct lxguard g = {.conf_path = args->conf, .events = json_array(), .openers = openers_new()};
        struct lx_why why = {{0}};
        json_t *o;
        char *text;
        int status = 5;

        (void)pthread_mutex_init(&g.lock, NULL);
        (void)pthread_mutex_init(&g.event_lock, NULL);
        (void)pthread_mutex_init(&g.view_lock, NULL);
        if (load(&g, &why) != LX_OK) {
                fprintf(stderr, "lxguard: %s\n", why.text);
        } else {
                o = memory_pass(&g, args->scan_full, 0);
                status = json_integer_value(json_object_get(o, "found")) == 0 ? 0 : 1;
                text = json_dumps(o, JSON_COMPACT);
                printf("%s\n", text);
                free(text);
                json_decref(o);
        }
        stop(&g);
        return status;
}

static int
run(struct arguments *args)
{
        struct lxguard g = {.conf_path = args->conf, .start_ns = lx_clock_now_ns(), .events = json_array(),
            .would_deny = json_array(), .openers = openers_new()};
        struct lx_why why = {{0}};
        sigset_t set;
        enum lx_err err;

        (void)mallopt(M_ARENA_MAX, 1);
        (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
        (void)pthread_mutex_init(&g.lock, NULL);
        (void)pthread_mutex_init(&g.event_lock, NULL);
        (void)pthread_mutex_init(&g.view_lock, NULL);
        block_signals(&set);
        err = start(&g, &why);
        if (err == LX_OK) {
                feed_start(&g);
                memory_start(&g);
                protect_start(&g);
                settle();
                log_notice(GUARD, "the gate stands", "entries=%zu height=%llu age_s=%llu start_ms=%.1f",
                    guard_list_count(g.rules->list), (unsigned long long)atomic_load(&g.height),
                    (unsigned long long)(rules_age_ms(&g) / 1000), (double)(g.ready_ns - g.start_ns) / 1e6);
                notify("READY=1");
                wait_for_the_end(&g, &set, args->stop_after_s);
                notify("STOPPING=1");
        } else {
                fprintf(stderr, "lxguard: %s\n", why.text[0] != '\0' ? why.text : lx_err_text(err));
        }
        stop(&g);
        return err == LX_OK ? 0 : err == LX_ERR_USAGE ? 2 : 5;
}

/* ---- command line ------------------------------------------------------------------------------ */

static void
help(void)
{
        printf("Usage: lxguard [--conf FILE] [--check-config] [--stop-after SECONDS] [--panic]\n"
               "               [--scan|--scan-full]\n"
               "Lets only run what the ledger knows.\n\n"
               "  --conf FILE\n        The policy. Default: " CONF_PATH ".\n"
               "  --check-config\n        Check the policy, and exit.\n"
               "  --stop-after SECONDS\n        End by itself, which opens the gate: for trying it out.\n"
               "  --panic\n        Switch the running guard to audit until it starts again.\n"
               "  --scan, --scan-full\n        One pass over the memory of all processes by the cached lists,\n"
               "        without a gate; prints JSON. Exit status 1: something was found.\n"
               "  --help, --version\n\nSettings of the policy file (name = value):\n\n");
        for (const struct guard_row *row = guard_policy_rows(); row->name != NULL; row++) {
                printf("  %s = %s\n        %s", row->name, row->value, row->help);
                if (row->def != NULL)
                        printf(" Default: %s.", row->def);
                printf("\n");
        }
        printf("\nManual: lxguard(8). Talk to it with lx guard.\n");
}

static bool
take_value(int argc, char **argv, int *i, const char *name, const char **out)
{
        if (strcmp(argv[*i], name) != 0 || *i + 1 >= argc)
                return false;
        *out = argv[++*i];
        return true;
}

static bool
read_arguments(int argc, char **argv, struct arguments *args)
{
        const char *seconds;

        for (int i = 1; i < argc; i++) {
                if (take_value(argc, argv, &i, "--conf", &args->conf))
                        continue;
                if (take_value(argc, argv, &i, "--stop-after", &seconds)) {
                        args->stop_after_s = (unsigned)strtoul(seconds, NULL, 10);
                        continue;
                }
                if (strcmp(argv[i], "--check-config") == 0)
                        args->check = true;
                else if (strcmp(argv[i], "--scan") == 0 || strcmp(argv[i], "--scan-full") == 0) {
                        args->scan = true;
                        args->scan_full |= argv[i][6] != '\0';
                } else if (strcmp(argv[i], "--panic") == 0)
                        args->panic = true;
                else if (strcmp(argv[i], "--help") == 0)
                        args->help = true;
                else if (strcmp(argv[i], "--version") == 0)
                        args->version = true;
                else {
                        fprintf(stderr, "lxguard: there is no option %s: see lxguard --help\n", argv[i]);
                        return false;
                }
        }
        return true;
}

/* One line to the running guard, its answer to stdout. */
static int
panic_switch(const struct guard_policy *policy)
{
        static const char line[] = "{\"command\":\"panic\"}\n";
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        char answer[4096];
        ssize_t n = -1;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", policy->socket);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
            write(fd, line, sizeof(line) - 1) > 0)
                n = read(fd, answer, sizeof(answer) - 1);
        if (fd >= 0)
                (void)close(fd);
        if (n <= 0) {
                fprintf(stderr, "lxguard: no guard answers on %s: %s\n", policy->socket, strerror(errno));
                return 3;
        }
        answer[n] = '\0';
        if (strstr(answer, "\"error\"") != NULL) {
                fprintf(stderr, "lxguard: %s", answer);
                return 4;
        }
        printf("lxguard: audit until the guard starts again\n");
        return 0;
}

int
main(int argc, char **argv)
{
        struct arguments args = {.conf = CONF_PATH};
        struct guard_policy *policy = NULL;
        struct lx_why why = {{0}};
        int status = 0;

        if (!read_arguments(argc, argv, &args))
                return 2;
        if (args.help || args.version) {
                if (args.help)
                        help();
                else
                        printf("lxguard %s\n", PACKAGE_VERSION);
                return 0;
        }
        if (args.scan)
                return scan(&args);
        if (!args.check && !args.panic)
                return run(&args);
        if (load_policy(args.conf, &policy, &why) != LX_OK) {
                fprintf(stderr, "lxguard: %s\n", why.text);
                return 2;
        }
        if (args.panic)
                status = panic_switch(policy);
        else
                printf("%s: the policy is good\n", args.conf);
        guard_policy_free(policy);
        return status;
}
