/* base/pool.c - see base/pool.h. */
#include "config.h"
#include "base/pool.h"

#include "base/assert.h"
#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

struct queue {
        struct lx_job *first;
        struct lx_job **last;
};

struct lx_pool {
        pthread_mutex_t lock;
        pthread_cond_t work; /* something is queued, or stopping */
        pthread_cond_t idle; /* pending became 0 */
        struct queue todo;
        struct queue finished;
        size_t pending; /* queued or running */
        bool stopping;
        void (*notify)(void *arg);
        void *arg;
        unsigned thread_count;
        pthread_t thread[];
};

static void
push(struct queue *queue, struct lx_job *job)
{
        job->next = NULL;
        *queue->last = job;
        queue->last = &job->next;
}

static struct lx_job *
pop(struct queue *queue)
{
        struct lx_job *job = queue->first;

        if (job == NULL)
                return NULL;
        queue->first = job->next;
        if (queue->first == NULL)
                queue->last = &queue->first;
        return job;
}

/* Called and returns with the lock held. */
static void
run_job(struct lx_pool *pool, struct lx_job *job)
{
        bool first;

        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
        first = pool->finished.first == NULL;
        push(&pool->finished, job);
        if (--pool->pending == 0)
                pthread_cond_broadcast(&pool->idle);
        /* One wake-up is enough until somebody has reaped. */
        if (first && pool->notify != NULL)
                pool->notify(pool->arg);
}

static void *
worker(void *arg)
{
        struct lx_pool *pool = arg;

        pthread_mutex_lock(&pool->lock);
        for (;;) {
                struct lx_job *job = pop(&pool->todo);

                if (job != NULL)
                        run_job(pool, job);
                else if (pool->stopping)
                        break;
                else
                        pthread_cond_wait(&pool->work, &pool->lock);
        }
        pthread_mutex_unlock(&pool->lock);
        return NULL;
}

static struct lx_pool *
new_pool(unsigned threads, void (*notify)(void *arg), void *arg)
{
        struct lx_pool *pool = lx_alloc(sizeof(*pool) + threads * sizeof(pool->thread[0]));

        pthread_mutex_init(&pool->lock, NULL);
        pthread_cond_init(&pool->work, NULL);
        pthread_cond_init(&pool->idle, NULL);
        pool->todo.last = &pool->todo.first;
        pool->finished.last = &pool->finished.first;
        pool->notify = notify;
        pool->arg = arg;
        return pool;
}

struct lx_pool *
lx_pool_new_inline(void (*notify)(void *arg), void *arg)
{
        return new_pool(0, notify, arg);
}

/* Those that this process may run on, which a container or taskset may have narrowed. */
static unsigned
usable_cores(void)
{
        cpu_set_t set;
        int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;

        return cores > 0 && cores < 256 ? (unsigned)cores : 1;
}

struct lx_pool *
lx_pool_new(unsigned threads, void (*notify)(void *arg), void *arg)
{
        struct lx_pool *pool;
        sigset_t all, before;

        if (threads == 0)
                threads = usable_cores();
        pool = new_pool(threads, notify, arg);
        /* Signals belong to the thread that has the loop. */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        for (; pool->thread_count < threads; pool->thread_count++)
                if (pthread_create(&pool->thread[pool->thread_count], NULL, worker, pool) != 0)
                        break;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        lx_assert(pool->thread_count > 0);
        return pool;
}

void
lx_pool_free(struct lx_pool *pool)
{
        if (pool == NULL)
                return;
        pthread_mutex_lock(&pool->lock);
        pool->stopping = true;
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->lock);
        for (unsigned i = 0; i < pool->thread_count; i++)
                pthread_join(pool->thread[i], NULL);
        lx_pool_reap(pool);
        pthread_mutex_destroy(&pool->lock);
        pthread_cond_destroy(&pool->work);
        pthread_cond_destroy(&pool->idle);
        lx_free(pool);
}

void
lx_pool_submit(struct lx_pool *pool, struct lx_job *job)
{
        pthread_mutex_lock(&pool->lock);
        push(&pool->todo, job);
        pool->pending++;
        pthread_cond_signal(&pool->work);
        if (pool->thread_count == 0 && pool->notify != NULL)
                pool->notify(pool->arg);
        pthread_mutex_unlock(&pool->lock);
}

/* An inline pool: what is queued now runs now. Called and returns with the lock held. */
static void
run_inline(struct lx_pool *pool)
{
        for (size_t left = pool->pending; left > 0; left--) {
                struct lx_job *job = pop(&pool->todo);

                pthread_mutex_unlock(&pool->lock);
                job->run(job);
                pthread_mutex_lock(&pool->lock);
                push(&pool->finished, job);
                pool->pending--;
        }
}

size_t
lx_pool_reap(struct lx_pool *pool)
{
        struct lx_job *job;
        size_t count = 0;

        pthread_mutex_lock(&pool->lock);
        if (pool->thread_count == 0)
                run_inline(pool);
        job = pool->finished.first;
        pool->finished.first = NULL;
        pool->finished.last = &pool->finished.first;
        pthread_mutex_unlock(&pool->lock);
        while (job != NULL) {
                struct lx_job *next = job->next;

                job->done(job);
                job = next;
                count++;
        }
        return count;
}

void
lx_pool_drain(struct lx_pool *pool)
{
        pthread_mutex_lock(&pool->lock);
        while (pool->pending > 0 && pool->thread_count > 0)
                pthread_cond_wait(&pool->idle, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
        lx_pool_reap(pool);
}

unsigned
lx_pool_threads(const struct lx_pool *pool)
{
        return pool->thread_count;
}

/* A lx_pool_for: every helper and the caller take the next number until there are none. */
struct share {
        void (*fn)(void *arg, size_t i);
        void *arg;
        size_t count;
        _Atomic size_t next;
        pthread_mutex_t lock;
        pthread_cond_t over;
        size_t helpers; /* still at it */
};

struct helper {
        struct lx_job job;
        struct share *share;
};

static void
take_shares(struct share *share)
{
        for (;;) {
                size_t i = atomic_fetch_add(&share->next, 1);

                if (i >= share->count)
                        return;
                share->fn(share->arg, i);
        }
}

static void
help(struct lx_job *job)
{
        struct helper *helper = (struct helper *)job;
        struct share *share = helper->share;

        take_shares(share);
        pthread_mutex_lock(&share->lock);
        if (--share->helpers == 0)
                pthread_cond_signal(&share->over);
        pthread_mutex_unlock(&share->lock);
}

static void
free_helper(struct lx_job *job)
{
        lx_free(job);
}

void
lx_pool_for(struct lx_pool *pool, size_t count, void (*fn)(void *arg, size_t i), void *arg)
{
        struct share share = {.fn = fn, .arg = arg, .count = count};
        /* The caller is one of them: as many threads as workers, no more. */
        size_t helpers =
            pool != NULL && count > 1 && pool->thread_count > 1 ? pool->thread_count - 1 : 0;

        if (helpers > 0 && helpers >= count)
                helpers = count - 1;
        pthread_mutex_init(&share.lock, NULL);
        pthread_cond_init(&share.over, NULL);
        share.helpers = helpers;
        for (size_t i = 0; i < helpers; i++) {
                struct helper *helper = lx_alloc(sizeof(*helper));

                helper->job.run = help;
                helper->job.done = free_helper;
                helper->share = &share;
                lx_pool_submit(pool, &helper->job);
        }
        take_shares(&share);
        pthread_mutex_lock(&share.lock);
        while (share.helpers > 0)
                pthread_cond_wait(&share.over, &share.lock);
        pthread_mutex_unlock(&share.lock);
        pthread_mutex_destroy(&share.lock);
        pthread_cond_destroy(&share.over);
}
