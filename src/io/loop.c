/* io/loop.c - the event loop over libevent. */
#include "config.h"
#include "io/loop.h"

#include "base/assert.h"
#include "base/mem.h"

#include <event2/event.h>
#include <event2/thread.h>

#define SIGNALS_MAX 8

struct signal_handler {
        struct event *event;
        void (*fn)(void *arg);
        void *arg;
};

struct io_loop {
        struct event_base *base;
        struct event *wake;
        void (*on_wake)(void *arg);
        void *wake_arg;
        struct signal_handler signals[SIGNALS_MAX];
        unsigned signal_count;
};

struct io_timer {
        struct event *event;
        void (*fn)(void *arg);
        void *arg;
};

static void
woken(evutil_socket_t fd, short what, void *arg)
{
        struct io_loop *loop = arg;

        (void)fd;
        (void)what;
        if (loop->on_wake != NULL)
                loop->on_wake(loop->wake_arg);
}

struct io_loop *
io_loop_new(void)
{
        struct io_loop *loop = lx_alloc(sizeof(*loop));

        lx_assert(evthread_use_pthreads() == 0);
        loop->base = event_base_new();
        lx_assert(loop->base != NULL);
        loop->wake = event_new(loop->base, -1, EV_PERSIST, woken, loop);
        lx_assert(loop->wake != NULL);
        return loop;
}

void
io_loop_free(struct io_loop *loop)
{
        if (loop == NULL)
                return;
        for (unsigned i = 0; i < loop->signal_count; i++)
                event_free(loop->signals[i].event);
        event_free(loop->wake);
        event_base_free(loop->base);
        libevent_global_shutdown();
        lx_free(loop);
}

void
io_loop_run(struct io_loop *loop)
{
        (void)event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void
io_loop_stop(struct io_loop *loop)
{
        (void)event_base_loopbreak(loop->base);
}

void
io_loop_wake(void *loop)
{
        event_active(((struct io_loop *)loop)->wake, EV_READ, 0);
}

void
io_loop_on_wake(struct io_loop *loop, void (*fn)(void *arg), void *arg)
{
        loop->on_wake = fn;
        loop->wake_arg = arg;
}

static void
signalled(evutil_socket_t fd, short what, void *arg)
{
        struct signal_handler *handler = arg;

        (void)fd;
        (void)what;
        handler->fn(handler->arg);
}

void
io_loop_on_signal(struct io_loop *loop, int signo, void (*fn)(void *arg), void *arg)
{
        struct signal_handler *handler = &loop->signals[loop->signal_count++];

        lx_assert(loop->signal_count <= SIGNALS_MAX);
        handler->fn = fn;
        handler->arg = arg;
        handler->event = evsignal_new(loop->base, signo, signalled, handler);
        lx_assert(handler->event != NULL && event_add(handler->event, NULL) == 0);
}

static void
fired(evutil_socket_t fd, short what, void *arg)
{
        struct io_timer *timer = arg;

        (void)fd;
        (void)what;
        timer->fn(timer->arg);
}

struct io_watch {
        struct event *event;
        void (*fn)(void *arg);
        void *arg;
};

static void
readable(evutil_socket_t fd, short what, void *arg)
{
        struct io_watch *watch = arg;

        (void)fd;
        (void)what;
        watch->fn(watch->arg);
}

struct io_watch *
io_watch_new(struct io_loop *loop, int fd, void (*fn)(void *arg), void *arg)
{
        struct io_watch *watch = lx_alloc(sizeof(*watch));

        watch->fn = fn;
        watch->arg = arg;
        watch->event = event_new(loop->base, fd, EV_READ | EV_PERSIST, readable, watch);
        lx_assert(watch->event != NULL && event_add(watch->event, NULL) == 0);
        return watch;
}

void
io_watch_free(struct io_watch *watch)
{
        if (watch == NULL)
                return;
        event_free(watch->event);
        lx_free(watch);
}

struct io_timer *
io_timer_new(struct io_loop *loop, void (*fn)(void *arg), void *arg)
{
        struct io_timer *timer = lx_alloc(sizeof(*timer));

        timer->fn = fn;
        timer->arg = arg;
        timer->event = evtimer_new(loop->base, fired, timer);
        lx_assert(timer->event != NULL);
        return timer;
}

void
io_timer_set(struct io_timer *timer, uint64_t delay_ms)
{
        struct timeval tv = {
            .tv_sec = (time_t)(delay_ms / 1000), .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000};

        (void)evtimer_add(timer->event, &tv);
}

void
io_timer_free(struct io_timer *timer)
{
        if (timer == NULL)
                return;
        event_free(timer->event);
        lx_free(timer);
}

struct event_base *
io_loop_base(struct io_loop *loop)
{
        return loop->base;
}
