/*
 * io/loop.h - the event loop: our face over libevent. One loop, one thread.
 *
 * Everything here is called on the loop's thread but io_loop_wake. Callbacks never block.
 */
#ifndef LX_IO_LOOP_H
#define LX_IO_LOOP_H

#include <stdint.h>

struct io_loop;
struct io_timer;
struct event_base;

/** A loop. Ends the program when the system gives none. */
struct io_loop *io_loop_new(void);
/** Free it; timers and servers must be gone. NULL is fine. */
void io_loop_free(struct io_loop *loop);
/** Turn until io_loop_stop. */
void io_loop_run(struct io_loop *loop);
/** Leave io_loop_run after the callback under way. */
void io_loop_stop(struct io_loop *loop);
/** Make the loop call its wake function soon. Any thread (a notify function for base/pool.h). */
void io_loop_wake(void *loop);
/** What a wake calls. */
void io_loop_on_wake(struct io_loop *loop, void (*fn)(void *arg), void *arg);
/** Call @fn on the loop when signal @signo comes (at most 8 of them). */
void io_loop_on_signal(struct io_loop *loop, int signo, void (*fn)(void *arg), void *arg);

/** A timer that is not running. */
struct io_timer *io_timer_new(struct io_loop *loop, void (*fn)(void *arg), void *arg);
/** Run once in @delay_ms, in place of what was set. */
void io_timer_set(struct io_timer *timer, uint64_t delay_ms);
/** Free it; NULL is fine. */
void io_timer_free(struct io_timer *timer);

struct io_watch;
/** Call @fn on the loop whenever @fd, which stays the caller's, has something to read. */
struct io_watch *io_watch_new(struct io_loop *loop, int fd, void (*fn)(void *arg), void *arg);
/** End it, before @fd is closed; NULL is fine. */
void io_watch_free(struct io_watch *watch);

/** For io/ itself. */
struct event_base *io_loop_base(struct io_loop *loop);

#endif
