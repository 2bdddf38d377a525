/* ledger/executor.c - one thread, one queue in, one queue out. */
#include "config.h"
#include "ledger/executor.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdbool.h>

struct queue {
        struct lx_job *first, **end;
};

struct ledger_executor {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t more, idle;
        bool busy;
        struct queue todo, finished;
        bool stopping;
        bool inlined; /* no thread: jobs run at reap */
        void (*notify)(void *arg);
        void *arg;
};

static void
push(struct queue *queue, struct lx_job *job)
{
        job->next = NULL;
        *queue->end = job;
        queue->end = &job->next;
}

static struct lx_job *
pop(struct queue *queue)
{
        struct lx_job *job = queue->first;

        if (job != NULL && (queue->first = job->next) == NULL)
                queue->end = &queue->first;
        return job;
}

static void *
work(void *arg)
{
        struct ledger_executor *executor = arg;
        struct lx_job *job;

        pthread_mutex_lock(&executor->lock);
        for (;;) {
                while ((job = pop(&executor->todo)) == NULL && !executor->stopping) {
                        executor->busy = false;
                        pthread_cond_broadcast(&executor->idle);
                        pthread_cond_wait(&executor->more, &executor->lock);
                }
                if (job == NULL)
                        break;
                executor->busy = true;
                pthread_mutex_unlock(&executor->lock);
                job->run(job);
                pthread_mutex_lock(&executor->lock);
                push(&executor->finished, job);
                if (executor->notify != NULL)
                        executor->notify(executor->arg);
        }
        pthread_mutex_unlock(&executor->lock);
        return NULL;
}

struct ledger_executor *
ledger_executor_new_inline(void (*notify)(void *arg), void *arg)
{
        struct ledger_executor *executor = lx_alloc(sizeof(*executor));

        pthread_mutex_init(&executor->lock, NULL);
        pthread_cond_init(&executor->more, NULL);
        pthread_cond_init(&executor->idle, NULL);
        executor->todo.end = &executor->todo.first;
        executor->finished.end = &executor->finished.first;
        executor->notify = notify;
        executor->arg = arg;
        executor->inlined = true;
        return executor;
}

struct ledger_executor *
ledger_executor_new(void (*notify)(void *arg), void *arg)
{
        struct ledger_executor *executor = ledger_executor_new_inline(notify, arg);

        executor->inlined = false;
        if (pthread_create(&executor->thread, NULL, work, executor) != 0) {
                lx_free(executor);
                return NULL;
        }
        return executor;
}

void
ledger_executor_free(struct ledger_executor *executor)
{
        if (executor == NULL)
                return;
        pthread_mutex_lock(&executor->lock);
        executor->stopping = true;
        pthread_cond_signal(&executor->more);
        pthread_mutex_unlock(&executor->lock);
        if (!executor->inlined)
                pthread_join(executor->thread, NULL);
        while (ledger_executor_reap(executor) > 0)
                continue;
        pthread_cond_destroy(&executor->more);
        pthread_cond_destroy(&executor->idle);
        pthread_mutex_destroy(&executor->lock);
        lx_free(executor);
}

void
ledger_executor_submit(struct ledger_executor *executor, struct lx_job *job)
{
        pthread_mutex_lock(&executor->lock);
        push(&executor->todo, job);
        pthread_cond_signal(&executor->more);
        if (executor->inlined && executor->notify != NULL)
                executor->notify(executor->arg);
        pthread_mutex_unlock(&executor->lock);
}

void
ledger_executor_drain(struct ledger_executor *executor)
{
        pthread_mutex_lock(&executor->lock);
        while (!executor->inlined && (executor->busy || executor->todo.first != NULL))
                pthread_cond_wait(&executor->idle, &executor->lock);
        pthread_mutex_unlock(&executor->lock);
        (void)ledger_executor_reap(executor);
}

size_t
ledger_executor_reap(struct ledger_executor *executor)
{
        size_t count = 0;
        struct lx_job *job;

        for (;;) {
                pthread_mutex_lock(&executor->lock);
                job = pop(executor->inlined ? &executor->todo : &executor->finished);
                pthread_mutex_unlock(&executor->lock);
                if (job == NULL)
                        return count;
                if (executor->inlined)
                        job->run(job);
                job->done(job);
                count++;
        }
}
