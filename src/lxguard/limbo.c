/*
 * lxguard/limbo.c - leases that are no longer wanted, until nobody can be between the gate and the kernel's own
 * lock on a running program.
 *
 * execve() opens the file (here the gate, or an ignore mark, lets it pass) and a few instructions later denies
 * write access to it. A task may be preempted in between; a writer that came, wrote and left meanwhile would
 * have changed what runs. So a lease is given back only when every task that was in execve(), or was running
 * unseen, after its mark went, has been seen elsewhere or has run for longer than those instructions take.
 */
#include "config.h"
#include "lxguard/gate_int.h"

#include "base/clock.h"
#include "base/mem.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RAN_NS 2000000ull        /* a thousand times what the instructions take */
#define PATIENCE_NS 10000000000ull /* a starved task can delay a writer so long; lxguard(8) says it */

struct suspect {
        pid_t tid;
        uint64_t ran_ns;
};

struct suspects {
        struct suspect *v;
        size_t count, cap;
};

/* Whether the task may be in execve(): it is there, or it runs and cannot be asked. */
static bool
may_execute(pid_t tid, bool *out_runs)
{
        char text[64], *end;
        long number;

        *out_runs = false;
        if (proc_read(tid, "syscall", text, sizeof(text)) == 0)
                return false;
        *out_runs = strncmp(text, "running", 7) == 0;
        if (*out_runs)
                return true;
        number = strtol(text, &end, 10);
        /* 11 and 358 are the numbers of 32-bit programs. */
        return end != text && (number == SYS_execve || number == SYS_execveat || number == 11 || number == 358);
}

static uint64_t
ran_ns(pid_t tid)
{
        char text[128];

        (void)proc_read(tid, "schedstat", text, sizeof(text));
        return strtoull(text, NULL, 10);
}

static void
suspect(struct suspects *s, pid_t tid)
{
        bool runs;

        if (!may_execute(tid, &runs))
                return;
        if (s->count == s->cap) {
                s->cap = s->cap == 0 ? 64 : s->cap * 2;
                s->v = lx_realloc(s->v, s->cap * sizeof(*s->v));
        }
        s->v[s->count++] = (struct suspect){.tid = tid, .ran_ns = ran_ns(tid)};
}

static void
collect(struct suspects *s)
{
        DIR *procs = opendir("/proc"), *tasks;
        struct dirent *p, *t;
        char path[300];

        while (procs != NULL && (p = readdir(procs)) != NULL) {
                if (p->d_name[0] < '1' || p->d_name[0] > '9' || strtol(p->d_name, NULL, 10) == getpid())
                        continue;
                (void)snprintf(path, sizeof(path), "/proc/%s/task", p->d_name);
                tasks = opendir(path);
                while (tasks != NULL && (t = readdir(tasks)) != NULL)
                        if (t->d_name[0] != '.')
                                suspect(s, (pid_t)strtol(t->d_name, NULL, 10));
                if (tasks != NULL)
                        (void)closedir(tasks);
        }
        if (procs != NULL)
                (void)closedir(procs);
}

static bool
is_cleared(const struct suspect *s)
{
        bool runs;

        if (!may_execute(s->tid, &runs))
                return true;
        return runs && ran_ns(s->tid) >= s->ran_ns + RAN_NS;
}

void
limbo_wait(void)
{
        struct suspects s = {0};
        uint64_t end = lx_clock_now_ns() + PATIENCE_NS;

        collect(&s);
        while (s.count > 0 && lx_clock_now_ns() < end) {
                for (size_t i = 0; i < s.count;) {
                        if (is_cleared(&s.v[i]))
                                s.v[i] = s.v[--s.count];
                        else
                                i++;
                }
                if (s.count > 0)
                        (void)poll(NULL, 0, 1);
        }
        lx_free(s.v);
}

void
limbo_add(struct gate *gate, int fd)
{
        (void)pthread_mutex_lock(&gate->limbo_lock);
        if (gate->limbo_count == gate->limbo_cap) {
                gate->limbo_cap = gate->limbo_cap == 0 ? 64 : gate->limbo_cap * 2;
                gate->limbo = lx_realloc(gate->limbo, gate->limbo_cap * sizeof(*gate->limbo));
        }
        gate->limbo[gate->limbo_count++] = fd;
        (void)pthread_mutex_unlock(&gate->limbo_lock);
        (void)pthread_cond_signal(&gate->limbo_cond);
}

static void
let_go(int *fds, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                lease_release(fds[i]);
                (void)close(fds[i]);
        }
}

void *
limbo_run(void *arg)
{
        struct lxguard *g = arg;
        struct gate *gate = g->gate;

        for (;;) {
                int *fds;
                size_t count;

                (void)pthread_mutex_lock(&gate->limbo_lock);
                while (gate->limbo_count == 0 && !atomic_load(&g->stopping))
                        (void)pthread_cond_wait(&gate->limbo_cond, &gate->limbo_lock);
                fds = gate->limbo;
                count = gate->limbo_count;
                gate->limbo = NULL;
                gate->limbo_count = gate->limbo_cap = 0;
                (void)pthread_mutex_unlock(&gate->limbo_lock);
                if (!atomic_load(&g->stopping))
                        limbo_wait();
                let_go(fds, count);
                lx_free(fds);
                if (count == 0 && atomic_load(&g->stopping))
                        return NULL;
        }
}
