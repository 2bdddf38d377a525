/* lxguard/gate.c - fanotify: events in, answers out, nobody waits longer than the policy says. */
#include "config.h"
#include "lxguard/gate_int.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MASK (FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM)
#define SPARE_FDS 65536 /* besides the leases */
#define WATCH_MS 20
#define HISTORY_MAX 32768 /* approved files remembered for the memory pass; then all are forgotten */

static void
respond(int fan, int fd, bool allow)
{
        struct fanotify_response r = {.fd = fd, .response = allow ? FAN_ALLOW : FAN_DENY};

        if (write(fan, &r, sizeof(r)) != (ssize_t)sizeof(r) && errno != ENOENT)
                log_error(GUARD, "an answer was not taken", "error=%s next=%s", strerror(errno), "its process waits");
}

/* ---- workers ----------------------------------------------------------------------------------- */

static bool
allows(struct lxguard *g, enum guard_rule rule)
{
        if (!guard_rule_denies(rule)) {
                atomic_fetch_add(&g->gate->allowed, 1);
                return true;
        }
        if (atomic_load(&g->mode) == GUARD_AUDIT) {
                atomic_fetch_add(&g->gate->audited, 1);
                return true;
        }
        atomic_fetch_add(&g->gate->denied, 1);
        return false;
}

static void
answer(struct gate *gate, struct job *job, bool allow)
{
        (void)pthread_mutex_lock(&gate->job_lock);
        if (!job->answered)
                respond(job->fan, job->fd, allow);
        job->answered = true;
        (void)pthread_mutex_unlock(&gate->job_lock);
}

static struct job *
next_job(struct lxguard *g, unsigned me)
{
        struct gate *gate = g->gate;
        struct job *job;

        (void)pthread_mutex_lock(&gate->job_lock);
        while (gate->first == NULL && !atomic_load(&g->stopping))
                (void)pthread_cond_wait(&gate->job_cond, &gate->job_lock);
        job = gate->first;
        if (job != NULL) {
                gate->first = job->next;
                if (gate->first == NULL)
                        gate->last = NULL;
                gate->waiting--;
                job->start_ns = lx_clock_now_ns();
                gate->running[me] = job;
        }
        (void)pthread_mutex_unlock(&gate->job_lock);
        return job;
}

struct start {
        struct lxguard *g;
        unsigned number;
};

static void *
work(void *arg)
{
        struct start start = *(struct start *)arg;
        struct lxguard *g = start.g;
        struct gate *gate = g->gate;
        struct job *job;

        lx_free(arg);
        while ((job = next_job(g, start.number)) != NULL) {
                struct rules *rules = rules_get(g);
                enum judge_fd fate;
                enum guard_rule rule = judge_job(g, rules, job, &fate);

                answer(gate, job, allows(g, rule));
                rules_put(rules);
                (void)pthread_mutex_lock(&gate->job_lock);
                gate->running[start.number] = NULL;
                (void)pthread_mutex_unlock(&gate->job_lock);
                if (fate == JUDGE_CLOSE)
                        (void)close(job->fd);
                else if (fate == JUDGE_LIMBO)
                        limbo_add(gate, job->fd);
                lx_free(job);
        }
        return NULL;
}

/* Under job_lock, or before there are threads. */
static void
start_worker(struct lxguard *g)
{
        struct gate *gate = g->gate;
        struct start *start = lx_alloc(sizeof(*start));

        *start = (struct start){.g = g, .number = gate->worker_count};
        if (pthread_create(&gate->worker[gate->worker_count], NULL, work, start) == 0)
                gate->worker_count++;
        else
                lx_free(start);
}

/* ---- the one that is never late ---------------------------------------------------------------- */

static void
answer_late(struct lxguard *g, uint64_t limit_ns)
{
        struct gate *gate = g->gate;
        bool allow = atomic_load(&g->mode) == GUARD_AUDIT;
        unsigned late = 0;
        uint64_t now;

        (void)pthread_mutex_lock(&gate->job_lock);
        now = lx_clock_now_ns(); /* after every time that stands there */
        for (unsigned i = 0; i < gate->worker_count; i++) {
                struct job *job = gate->running[i];

                if (job == NULL || now - job->start_ns < limit_ns + limit_ns / 4)
                        continue;
                late++;
                if (!job->answered) {
                        respond(job->fan, job->fd, allow);
                        atomic_fetch_add(&gate->timeouts, 1);
                        log_warn(GUARD, "a verdict took too long", "pid=%d answer=%s", (int)job->tid,
                            allow ? "allow" : "deny");
                }
                job->answered = true;
        }
        /* Whoever hangs in a slow file system must not take the others with it. */
        if (late >= gate->worker_count && gate->worker_count < WORKERS_MAX)
                start_worker(g);
        for (struct job *job = gate->first; job != NULL; job = job->next) {
                if (job->answered || now - job->came_ns < 2 * limit_ns)
                        continue;
                respond(job->fan, job->fd, allow);
                job->answered = true;
                atomic_fetch_add(&gate->timeouts, 1);
        }
        (void)pthread_mutex_unlock(&gate->job_lock);
}

static void *
watch(void *arg)
{
        struct lxguard *g = arg;
        struct pollfd p = {.fd = g->gate->stop_fd, .events = POLLIN};

        while (!atomic_load(&g->stopping)) {
                struct rules *rules = rules_get(g);
                uint64_t limit_ns = rules->policy->verdict_ms * 1000000ull;

                rules_put(rules);
                answer_late(g, limit_ns);
                (void)poll(&p, 1, WATCH_MS);
        }
        return NULL;
}

/* ---- the reader -------------------------------------------------------------------------------- */

/* Our own threads open files while others wait for them: answered at once, by the reader, which opens none. */
static bool
is_own(pid_t tid)
{
        return tid > 0 && syscall(SYS_tgkill, getpid(), tid, 0) == 0;
}

static void
take_event(struct lxguard *g, int fan, const struct fanotify_event_metadata *e)
{
        struct gate *gate = g->gate;
        struct job *job;

        if ((e->mask & FAN_Q_OVERFLOW) != 0) {
                atomic_fetch_add(&gate->overflows, 1);
                log_error(GUARD, "the event queue overflowed", "next=%s", "what was lost was not judged");
        }
        if (e->fd < 0)
                return;
        atomic_fetch_add(&gate->events, 1);
        if ((e->mask & MASK) == 0 || is_own(e->pid)) {
                if ((e->mask & MASK) != 0)
                        respond(fan, e->fd, true);
                (void)close(e->fd);
                return;
        }
        job = lx_alloc(sizeof(*job));
        *job = (struct job){.fan = fan, .fd = e->fd, .tid = e->pid, .exec = (e->mask & FAN_OPEN_EXEC_PERM) != 0};
        (void)pthread_mutex_lock(&gate->job_lock);
        job->came_ns = lx_clock_now_ns();
        if (gate->last != NULL)
                gate->last->next = job;
        else
                gate->first = job;
        gate->last = job;
        gate->waiting++;
        (void)pthread_cond_signal(&gate->job_cond);
        (void)pthread_mutex_unlock(&gate->job_lock);
}

static void *
read_events(void *arg)
{
        struct group *group = arg;
        struct lxguard *g = group->g;
        struct pollfd p[2] = {{.fd = group->fan, .events = POLLIN}, {.fd = g->gate->stop_fd, .events = POLLIN}};
        _Alignas(struct fanotify_event_metadata) char buf[16384];

        while (!atomic_load(&g->stopping)) {
                const struct fanotify_event_metadata *e = (const void *)buf;
                ssize_t n;

                if (poll(p, 2, -1) < 0 || (p[0].revents & POLLIN) == 0)
                        continue;
                n = read(group->fan, buf, sizeof(buf));
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        log_error(GUARD, "an event could not be read", "error=%s next=%s", strerror(errno),
                            "the kernel denies it");
                for (; n > 0 && FAN_EVENT_OK(e, n); e = FAN_EVENT_NEXT(e, n))
                        take_event(g, group->fan, e);
        }
        return NULL;
}

/* ---- opening and closing ----------------------------------------------------------------------- */

static void
raise_limits(uint64_t leases)
{
        struct rlimit files = {.rlim_cur = leases + SPARE_FDS, .rlim_max = leases + SPARE_FDS};
        struct rlimit signals = {.rlim_cur = leases + 1024, .rlim_max = leases + 1024};

        if (setrlimit(RLIMIT_NOFILE, &files) != 0 && getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &files);
                if (files.rlim_cur < leases + 1024)
                        log_warn(GUARD, "the limit of open files is low", "limit=%llu wanted=%llu next=%s",
                            (unsigned long long)files.rlim_cur, (unsigned long long)leases + SPARE_FDS,
                            "set leases lower, or the limit higher");
        }
        (void)setrlimit(RLIMIT_SIGPENDING, &signals);
}

static int
new_group(void)
{
        return fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE |
                FAN_UNLIMITED_MARKS | FAN_REPORT_TID,
            O_RDONLY | O_LARGEFILE | O_CLOEXEC | O_NOATIME | O_NONBLOCK);
}

static void
forget_history(struct gate *gate)
{
        const void *key;
        size_t pos = 0, len;
        void *value;

        while (lx_map_next(gate->history, &pos, &key, &len, &value))
                lx_free(value);
        lx_map_free(gate->history);
        gate->history = NULL;
}

enum lx_err
gate_open(struct lxguard *g, struct lx_why *why)
{
        struct gate *gate = lx_alloc(sizeof(*gate));
        sigset_t set;

        raise_limits(g->rules->policy->leases_max);
        gate->fan = new_group();
        if (gate->fan < 0) {
                lx_why_set(why, "this kernel gives no fanotify gate: %s (it needs root and "
                    "CONFIG_FANOTIFY_ACCESS_PERMISSIONS)", strerror(errno));
                lx_free(gate);
                return LX_ERR_DENIED;
        }
        (void)sigemptyset(&set);
        (void)sigaddset(&set, lease_signal());
        (void)sigaddset(&set, SIGIO);
        gate->break_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        gate->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        (void)pthread_mutex_init(&gate->limbo_lock, NULL);
        (void)pthread_cond_init(&gate->limbo_cond, NULL);
        gate->history = lx_map_new(6);
        gate->shut = lx_map_new(11);
        gate->inodes = guard_inodes_new((size_t)g->rules->policy->leases_max);
        (void)pthread_mutex_init(&gate->lock, NULL);
        (void)pthread_mutex_init(&gate->job_lock, NULL);
        (void)pthread_cond_init(&gate->job_cond, NULL);
        gate->group[0] = (struct group){.g = g, .fan = gate->fan};
        atomic_store(&gate->group_count, 1);
        g->gate = gate;
        return LX_OK;
}

void
gate_start(struct lxguard *g)
{
        struct gate *gate = g->gate;

        (void)pthread_create(&gate->breaker, NULL, lease_breaker, g);
        (void)pthread_create(&gate->limbo_thread, NULL, limbo_run, g);
        for (uint64_t i = 0; i < g->rules->policy->workers; i++)
                start_worker(g);
        (void)pthread_create(&gate->watcher, NULL, watch, g);
        (void)pthread_create(&gate->group[0].reader, NULL, read_events, &gate->group[0]);
        gate->started = true;
}

void
gate_close(struct lxguard *g)
{
        struct gate *gate = g->gate;
        uint64_t one = 1;

        if (gate == NULL)
                return;
        atomic_store(&g->stopping, true);
        (void)!write(gate->stop_fd, &one, sizeof(one));
        if (gate->started) {
                for (size_t i = 0; i < atomic_load(&gate->group_count); i++)
                        (void)pthread_join(gate->group[i].reader, NULL);
                (void)pthread_join(gate->watcher, NULL);
                (void)pthread_join(gate->breaker, NULL);
                (void)pthread_mutex_lock(&gate->job_lock);
                (void)pthread_cond_broadcast(&gate->job_cond);
                (void)pthread_mutex_unlock(&gate->job_lock);
                for (unsigned i = 0; i < gate->worker_count; i++)
                        (void)pthread_join(gate->worker[i], NULL);
        }
        /* Closing the group lets everything pass that still waits in it. */
        lease_drop_all(g);
        if (gate->started) {
                (void)pthread_cond_broadcast(&gate->limbo_cond);
                (void)pthread_join(gate->limbo_thread, NULL);
        }
        for (size_t i = 0; i < atomic_load(&gate->group_count); i++)
                (void)close(gate->group[i].fan);
        (void)close(gate->break_fd);
        (void)close(gate->stop_fd);
        guard_inodes_free(gate->inodes);
        lx_map_free(gate->shut);
        forget_history(gate);
        g->gate = NULL;
        lx_free(gate);
}

/* The group of an overlay file system, made when it is met. Called by the mounts alone, under their lock. */
static int
overlay_group(struct lxguard *g, dev_t dev)
{
        struct gate *gate = g->gate;
        size_t count = atomic_load(&gate->group_count);
        struct group *group;

        for (size_t i = 1; i < count; i++)
                if (gate->group[i].dev == dev)
                        return gate->group[i].fan;
        if (count == GROUPS_MAX)
                return -1;
        group = &gate->group[count];
        *group = (struct group){.g = g, .fan = new_group(), .dev = dev};
        if (group->fan < 0)
                return -1;
        if (pthread_create(&group->reader, NULL, read_events, group) != 0) {
                (void)close(group->fan);
                return -1;
        }
        atomic_store(&gate->group_count, count + 1);
        return group->fan;
}

bool
gate_history(struct lxguard *g, dev_t dev, ino_t ino, struct lx_hash *out_root)
{
        uint64_t key[2] = {(uint64_t)dev, (uint64_t)ino};
        struct lx_hash *root;

        (void)pthread_mutex_lock(&g->gate->lock);
        root = lx_map_get(g->gate->history, key, sizeof(key));
        if (root != NULL)
                *out_root = *root;
        (void)pthread_mutex_unlock(&g->gate->lock);
        return root != NULL;
}

void
gate_remember(struct lxguard *g, dev_t dev, ino_t ino, const struct lx_hash *root)
{
        uint64_t key[2] = {(uint64_t)dev, (uint64_t)ino};
        struct gate *gate = g->gate;

        (void)pthread_mutex_lock(&gate->lock);
        if (lx_map_count(gate->history) >= HISTORY_MAX) {
                forget_history(gate);
                gate->history = lx_map_new(6);
        }
        lx_free(lx_map_put(gate->history, key, sizeof(key), lx_memdup(root, sizeof(*root))));
        (void)pthread_mutex_unlock(&gate->lock);
}

/* ---- files that are denied whatever is in them ------------------------------------------------- */

bool
gate_denies(const struct gate *gate, uint64_t dev, uint64_t ino)
{
        uint64_t key[2] = {dev, ino};

        return lx_map_get(gate->shut, key, sizeof(key)) != NULL;
}

bool
gate_deny_file(struct lxguard *g, int fd)
{
        struct gate *gate = g->gate;
        struct stat st;
        uint64_t key[2];
        bool marked, covered;

        if (fstat(fd, &st) != 0)
                return false;
        key[0] = (uint64_t)st.st_dev, key[1] = (uint64_t)st.st_ino;
        /* Events of overlay files need a group of their own (gate_int.h). */
        covered = strcmp(fs_type(fd), "overlay") == 0;
        marked = covered && mounts_have(g, st.st_dev);
        (void)pthread_mutex_lock(&gate->lock);
        lease_drop(gate, key[0], key[1]);
        if (!covered)
                marked = fanotify_mark(gate->fan, FAN_MARK_ADD, MASK, fd, NULL) == 0;
        if (marked && lx_map_put(gate->shut, key, sizeof(key), gate) == NULL)
                atomic_fetch_add(&gate->shut_count, 1);
        (void)pthread_mutex_unlock(&gate->lock);
        return marked;
}

void
gate_allow_file(struct lxguard *g, int fd)
{
        struct gate *gate = g->gate;
        struct stat st;
        uint64_t key[2];

        if (fstat(fd, &st) != 0)
                return;
        key[0] = (uint64_t)st.st_dev, key[1] = (uint64_t)st.st_ino;
        (void)pthread_mutex_lock(&gate->lock);
        if (lx_map_remove(gate->shut, key, sizeof(key)) != NULL)
                atomic_fetch_sub(&gate->shut_count, 1);
        (void)fanotify_mark(gate->fan, FAN_MARK_REMOVE, MASK, fd, NULL);
        (void)pthread_mutex_unlock(&gate->lock);
}

enum lx_err
gate_mark(struct lxguard *g, const char *path, bool overlay, dev_t dev)
{
        int fan = overlay ? overlay_group(g, dev) : g->gate->fan;

        if (fan < 0)
                return LX_ERR_LIMIT;
        if (fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, MASK, AT_FDCWD, path) == 0)
                return LX_OK;
        return lx_err_from_errno(errno);
}

void
gate_review(struct lxguard *g)
{
        struct rules *rules = rules_get(g);
        struct gate *gate = g->gate;
        struct guard_inode *item, *next;

        (void)pthread_mutex_lock(&gate->lock);
        for (item = guard_inodes_oldest(gate->inodes); item != NULL; item = next) {
                struct guard_ask ask = {.root = item->root, .size = item->size, .path = item->path,
                    .fs = item->fs, .self = lx_hash_eq(&item->root, &g->self),
                    .wall_ms = lx_clock_walltime().ms, .ledger_ms = atomic_load(&g->ledger_ms),
                    .age_ms = rules_age_ms(g)};
                struct guard_inode copy = *item;

                next = item->newer;
                if (guard_decide(rules->policy, rules->list, &ask).rule == item->rule &&
                    (atomic_load(&g->mode) == GUARD_AUDIT || !guard_rule_denies(item->rule)))
                        continue;
                guard_inodes_remove(gate->inodes, item);
                (void)fanotify_mark(gate->fan, FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK, MASK, copy.fd, NULL);
                limbo_add(gate, copy.fd);
        }
        (void)pthread_mutex_unlock(&gate->lock);
        rules_put(rules);
}

json_t *
gate_json(struct lxguard *g)
{
        struct gate *gate = g->gate;
        size_t leases;

        if (gate == NULL)
                return json_null();
        (void)pthread_mutex_lock(&gate->lock);
        leases = guard_inodes_count(gate->inodes);
        (void)pthread_mutex_unlock(&gate->lock);
#define N(name) (json_int_t)atomic_load(&gate->name)
        return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:i}", "leases", (json_int_t)leases,
            "events", N(events), "allowed", N(allowed), "denied", N(denied), "would_deny", N(audited), "hashed",
            N(hashed), "hits", N(hits), "breaks", N(breaks), "timeouts", N(timeouts), "overflows", N(overflows),
            "recycled", N(pushed), "workers", (int)gate->worker_count);
#undef N
}
