/*
 * base/pool.h - worker threads for batches of pure work: signature checks, hashing.
 *
 * A job is a function over its own data. Results come back through the job's done callback, which
 * the pool's notify function (handed in; the loop's wake-up) makes somebody call on the owner's
 * thread by lx_pool_reap. Threads: submit and reap on the owner's thread; run on a worker.
 */
#ifndef LX_BASE_POOL_H
#define LX_BASE_POOL_H

#include <stddef.h>

struct lx_pool;

/* A job belongs to the caller until done was called. */
struct lx_job {
        void (*run)(struct lx_job *job);  /* on a worker */
        void (*done)(struct lx_job *job); /* on the owner's thread, in lx_pool_reap; may free it */
        struct lx_job *next;              /* the pool's */
};

/** @threads workers (0: one per core). @notify(@arg) is called on a worker when jobs are done. */
struct lx_pool *lx_pool_new(unsigned threads, void (*notify)(void *arg), void *arg);
/**
 * A pool without threads, for simulations: @notify is called in lx_pool_submit, jobs run in
 * lx_pool_reap and lx_pool_drain on the owner's thread, in order. The same input gives the same run.
 */
struct lx_pool *lx_pool_new_inline(void (*notify)(void *arg), void *arg);
/** Run what is queued, stop the workers, call the missing done callbacks, free. NULL is fine. */
void lx_pool_free(struct lx_pool *pool);
/** Queue @job. */
void lx_pool_submit(struct lx_pool *pool, struct lx_job *job);
/** Call done for every finished job; returns how many. */
size_t lx_pool_reap(struct lx_pool *pool);
/** Wait until everything queued is finished, then reap. For programs without a loop. */
void lx_pool_drain(struct lx_pool *pool);
/** How many workers there are. */
unsigned lx_pool_threads(const struct lx_pool *pool);
/**
 * Run @fn(@arg, i) for every i < @count on as many threads as there are workers, the calling one
 * among them; returns when all are done. May be called from any thread but a worker's.
 */
void lx_pool_for(struct lx_pool *pool, size_t count, void (*fn)(void *arg, size_t i), void *arg);

#endif
