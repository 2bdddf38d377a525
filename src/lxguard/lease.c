/*
 * lxguard/lease.c - read leases and ignore marks: an approved file passes without a question only as long as
 * nobody can have written it.
 *
 * The order is the safety: mark after lease; on a break the mark goes first, then everybody who may have passed
 * it is waited for (limbo.c), then the lease goes; the writer waits in open() or truncate() until it is given back.
 */
#include "config.h"
#include "lxguard/gate_int.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define MASK (FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM)

int
lease_signal(void)
{
        return SIGRTMIN + 3;
}

enum lx_err
lease_take(int fd)
{
        if (fcntl(fd, F_SETSIG, lease_signal()) != 0 || fcntl(fd, F_SETOWN, getpid()) != 0)
                return LX_ERR_IO;
        if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
                return LX_OK;
        return errno == EAGAIN ? LX_ERR_BUSY : LX_ERR_IO;
}

bool
lease_stands(int fd)
{
        return fcntl(fd, F_GETLEASE) == F_RDLCK;
}

void
lease_release(int fd)
{
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
}

/* Mark first, then lease. The descriptor was the table's. */
static void
let_go(struct gate *gate, const struct guard_inode *item)
{
        if (item->marked &&
            fanotify_mark(gate->fan, FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK, MASK, item->fd, NULL) != 0 &&
            errno != ENOENT)
                log_error(GUARD, "an ignore mark could not be removed", "path=%s error=%s", item->path,
                    strerror(errno));
        limbo_add(gate, item->fd);
}

static void
drop(struct gate *gate, struct guard_inode *item)
{
        struct guard_inode copy = *item;

        guard_inodes_remove(gate->inodes, item);
        let_go(gate, &copy);
}

void
lease_drop(struct gate *gate, uint64_t dev, uint64_t ino)
{
        struct guard_inode *item = guard_inodes_find(gate->inodes, dev, ino);

        if (item != NULL)
                drop(gate, item);
}

bool
lease_hold(struct lxguard *g, const struct guard_inode *item)
{
        struct gate *gate = g->gate;
        struct guard_inode copy = *item, pushed;
        bool held;

        (void)pthread_mutex_lock(&gate->lock);
        if (gate_denies(gate, item->dev, item->ino)) { /* since it was judged */
                (void)pthread_mutex_unlock(&gate->lock);
                return false;
        }
        copy.marked =
            fanotify_mark(gate->fan, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, MASK, copy.fd, NULL) == 0;
        held = copy.marked && lease_stands(copy.fd);
        if (copy.marked && !held)
                (void)fanotify_mark(gate->fan, FAN_MARK_REMOVE | FAN_MARK_IGNORED_MASK, MASK, copy.fd, NULL);
        if (held && guard_inodes_put(gate->inodes, &copy, &pushed)) {
                /* The same file twice (two workers at once): its mark is shared and stays. */
                pushed.marked = pushed.marked && (pushed.dev != copy.dev || pushed.ino != copy.ino);
                let_go(gate, &pushed);
                atomic_fetch_add(&gate->pushed, 1);
        }
        (void)pthread_mutex_unlock(&gate->lock);
        return held;
}

/* ---- breaks ------------------------------------------------------------------------------------ */

static void
break_one(struct lxguard *g, int fd)
{
        struct gate *gate = g->gate;
        struct guard_inode *item;

        (void)pthread_mutex_lock(&gate->lock);
        item = guard_inodes_find_fd(gate->inodes, fd);
        if (item != NULL && !lease_stands(fd)) {
                drop(gate, item);
                atomic_fetch_add(&gate->breaks, 1);
        }
        (void)pthread_mutex_unlock(&gate->lock);
}

/* The queue of real-time signals was full: which lease is wanted is not known, so all are asked. */
static void
break_all_wanted(struct lxguard *g)
{
        struct gate *gate = g->gate;
        struct guard_inode *item, *next;

        (void)pthread_mutex_lock(&gate->lock);
        for (item = guard_inodes_oldest(gate->inodes); item != NULL; item = next) {
                next = item->newer;
                if (!lease_stands(item->fd)) {
                        drop(gate, item);
                        atomic_fetch_add(&gate->breaks, 1);
                }
        }
        (void)pthread_mutex_unlock(&gate->lock);
}

void *
lease_breaker(void *arg)
{
        struct lxguard *g = arg;
        struct gate *gate = g->gate;
        struct pollfd p[2] = {{.fd = gate->break_fd, .events = POLLIN}, {.fd = gate->stop_fd, .events = POLLIN}};
        struct signalfd_siginfo info[32];

        while (!atomic_load(&g->stopping)) {
                ssize_t n;
                int ready = poll(p, 2, 1000);

                /* A signal that was lost must not leave a mark standing until the kernel takes the lease. */
                if (ready == 0)
                        break_all_wanted(g);
                if (ready <= 0 || (p[0].revents & POLLIN) == 0)
                        continue;
                n = read(gate->break_fd, info, sizeof(info));
                for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(info[0]); i++) {
                        if ((int)info[i].ssi_signo == lease_signal())
                                break_one(g, info[i].ssi_fd);
                        else
                                break_all_wanted(g);
                }
        }
        return NULL;
}

void
lease_drop_all(struct lxguard *g)
{
        struct guard_inode *item;

        (void)pthread_mutex_lock(&g->gate->lock);
        while ((item = guard_inodes_oldest(g->gate->inodes)) != NULL)
                drop(g->gate, item);
        (void)pthread_mutex_unlock(&g->gate->lock);
}
