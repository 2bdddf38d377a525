/*
 * ledger/executor.h - the one thread that executes blocks and writes them.
 *
 * The loop hands jobs over; they run one after the other, off the loop; done comes back on the loop
 * through ledger_executor_reap, woken by @notify (called on the executor's thread). So the loop never
 * waits for a disk, and what promises durability is answered only after the commit.
 */
#ifndef LX_LEDGER_EXECUTOR_H
#define LX_LEDGER_EXECUTOR_H

#include "base/pool.h"

struct ledger_executor;

/** Start the thread. */
struct ledger_executor *ledger_executor_new(void (*notify)(void *arg), void *arg);
/**
 * An executor without a thread, for simulations: @notify is called in ledger_executor_submit, jobs run
 * one by one in ledger_executor_reap, each followed by its done.
 */
struct ledger_executor *ledger_executor_new_inline(void (*notify)(void *arg), void *arg);
/** Finish what is queued, call the missing done callbacks, stop. NULL is fine. */
void ledger_executor_free(struct ledger_executor *executor);
/** Queue @job (base/pool.h); run on the executor, done on the loop. */
void ledger_executor_submit(struct ledger_executor *executor, struct lx_job *job);
/** Wait until everything queued has run, then reap. */
void ledger_executor_drain(struct ledger_executor *executor);
/** Call done for the finished ones; returns how many. */
size_t ledger_executor_reap(struct ledger_executor *executor);

#endif
