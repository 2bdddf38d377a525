/*
 * lxguard/gate_int.h - the gate's insides: events on their way, and leases.
 */
#ifndef LX_LXGUARD_GATE_INT_H
#define LX_LXGUARD_GATE_INT_H

#include "lxguard/lxguard.h"

#define WORKERS_MAX 64
#define GROUPS_MAX 256 /* overlay file systems, and one group for all others */

/* A permission event: somebody stands in open() or execve() until it is answered. */
struct job {
        struct job *next;
        int fan;         /* the group it came from and is answered to */
        int fd;
        pid_t tid;
        bool exec;
        bool answered;
        uint64_t start_ns; /* 0: waits for a worker */
        uint64_t came_ns;
};

/*
 * Events of one fanotify group. When the kernel makes an event's descriptor for a file on overlayfs, it opens the
 * file of the layer below, in the reader's name: an event again, and nobody left to read it. So each
 * overlay file system has a group and a reader of its own, and whose event that is, another reads.
 */
struct group {
        struct lxguard *g;
        int fan;
        dev_t dev;
        pthread_t reader;
};

struct gate {
        int fan;             /* of group 0 */
        struct group group[GROUPS_MAX];
        atomic_size_t group_count;
        int break_fd;        /* signalfd */
        int stop_fd;         /* eventfd */
        struct guard_inodes *inodes;
        pthread_mutex_t limbo_lock;
        pthread_cond_t limbo_cond;
        int *limbo;                /* leased descriptors that are let go of in a moment */
        size_t limbo_count, limbo_cap;
        pthread_t limbo_thread;
        struct lx_map *history;    /* device and inode -> root that was approved last: what may be mapped still */
        struct lx_map *shut;       /* device and inode: files that nobody but readers may open */
        atomic_size_t shut_count;
        pthread_mutex_t lock;      /* of inodes, marks and shut */
        pthread_mutex_t job_lock;
        pthread_cond_t job_cond;
        struct job *first, *last;  /* waiting */
        struct job *running[WORKERS_MAX];
        size_t waiting;
        unsigned worker_count;
        pthread_t worker[WORKERS_MAX], breaker, watcher;
        bool started;
        atomic_ullong events, allowed, denied, audited, hashed, hits, breaks, timeouts, overflows, pushed;
};

/* What becomes of an event's descriptor once it is answered. */
enum judge_fd {
        JUDGE_CLOSE,
        JUDGE_HELD,  /* the table took it, with its lease */
        JUDGE_LIMBO  /* it has a lease that must outlive the answer */
};

/** Judge one event; the rule. */
enum guard_rule judge_job(
    struct lxguard *g, const struct rules *rules, struct job *job, enum judge_fd *out_fd);

/** Let go of leased @fd (taken over) when no task can be on its way into execve() past the gate. */
void limbo_add(struct gate *gate, int fd);
/** Wait until no task can. */
void limbo_wait(void);
/** The thread that lets go. @arg: the guard. */
void *limbo_run(void *arg);
/** Remember that file (@dev, @ino) was approved with @root. */
void gate_remember(struct lxguard *g, dev_t dev, ino_t ino, const struct lx_hash *root);
/** Take a read lease on @fd. LX_ERR_BUSY: a writer has the file; LX_ERR_IO: no leases here. */
LX_MUST_CHECK enum lx_err lease_take(int fd);
/** Whether the lease still stands and nobody wants it. */
bool lease_stands(int fd);
/** Give it back. */
void lease_release(int fd);
/** Put the leased file into the table and set its ignore mark. False: the lease is wanted; nothing was kept. */
bool lease_hold(struct lxguard *g, const struct guard_inode *item);
/** The thread that gives leases back when writers want them. @arg: the guard. */
void *lease_breaker(void *arg);
/** Whether opens of file (@dev, @ino) are denied (lock held). */
bool gate_denies(const struct gate *gate, uint64_t dev, uint64_t ino);
/** Let go of file (@dev, @ino), if it is held (lock held). */
void lease_drop(struct gate *gate, uint64_t dev, uint64_t ino);
/** Let go of everything. */
void lease_drop_all(struct lxguard *g);
/** The number of the signal that tells of lease breaks. */
int lease_signal(void);

#endif
