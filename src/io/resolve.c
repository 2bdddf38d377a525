/* io/resolve.c - see io/resolve.h. */
#include "config.h"
#include "io/resolve.h"

#include "base/assert.h"
#include "base/mem.h"

#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What thread and loop share; the last of them frees it. */
struct job {
        atomic_int owners;
        int fd; /* tells that it is done */
        char *host;
        struct io_addr addrs[IO_RESOLVE_ADDRS];
        size_t count;
};

struct io_resolve {
        struct job *job;
        struct event *event;
        void (*done)(void *arg, const struct io_addr *addrs, size_t count);
        void *arg;
};

static void
unref(struct job *job)
{
        if (atomic_fetch_sub(&job->owners, 1) > 1)
                return;
        (void)close(job->fd);
        lx_free(job->host);
        lx_free(job);
}

static void
take(struct job *job, const struct addrinfo *info)
{
        struct io_addr *addr = &job->addrs[job->count];

        *addr = (struct io_addr){.port = 0};
        if (info->ai_family == AF_INET) {
                const struct sockaddr_in *v4 =
                    (const struct sockaddr_in *)(const void *)info->ai_addr;

                addr->ip[10] = addr->ip[11] = 0xff;
                memcpy(addr->ip + 12, &v4->sin_addr, 4);
                job->count++;
        } else if (info->ai_family == AF_INET6) {
                const struct sockaddr_in6 *v6 =
                    (const struct sockaddr_in6 *)(const void *)info->ai_addr;

                memcpy(addr->ip, &v6->sin6_addr, 16);
                job->count++;
        }
}

static void *
look_up(void *arg)
{
        struct job *job = arg;
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
        uint64_t one = 1;

        if (getaddrinfo(job->host, NULL, &hints, &list) == 0) {
                for (struct addrinfo *i = list; i != NULL && job->count < IO_RESOLVE_ADDRS;
                     i = i->ai_next)
                        take(job, i);
                freeaddrinfo(list);
        }
        if (write(job->fd, &one, sizeof(one)) < 0)
                job->count = 0; /* an eventfd of which nothing was read takes a 1 always */
        unref(job);
        return NULL;
}

static void
finished(evutil_socket_t fd, short what, void *arg)
{
        struct io_resolve *resolve = arg;
        struct io_addr addrs[IO_RESOLVE_ADDRS];
        size_t count = resolve->job->count;
        void (*done)(void *, const struct io_addr *, size_t) = resolve->done;
        void *done_arg = resolve->arg;

        (void)fd;
        (void)what;
        memcpy(addrs, resolve->job->addrs, sizeof(addrs));
        io_resolve_cancel(resolve);
        done(done_arg, addrs, count);
}

struct io_resolve *
io_resolve_start(struct io_loop *loop, const char *host,
    void (*done)(void *arg, const struct io_addr *addrs, size_t count), void *arg)
{
        struct job *job = lx_alloc(sizeof(*job));
        struct io_resolve *resolve = lx_alloc(sizeof(*resolve));
        pthread_attr_t attr;
        pthread_t thread;
        int made;

        job->host = lx_strdup(host);
        job->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        lx_assert(job->fd >= 0);
        atomic_init(&job->owners, 2);
        *resolve = (struct io_resolve){.job = job, .done = done, .arg = arg};
        resolve->event = event_new(io_loop_base(loop), job->fd, EV_READ, finished, resolve);
        lx_assert(resolve->event != NULL && event_add(resolve->event, NULL) == 0);
        (void)pthread_attr_init(&attr);
        (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        made = pthread_create(&thread, &attr, look_up, job);
        (void)pthread_attr_destroy(&attr);
        if (made == 0)
                return resolve;
        atomic_store(&job->owners, 1);
        io_resolve_cancel(resolve);
        return NULL;
}

void
io_resolve_cancel(struct io_resolve *resolve)
{
        if (resolve == NULL)
                return;
        event_free(resolve->event);
        unref(resolve->job);
        lx_free(resolve);
}
