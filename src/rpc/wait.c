/*
 * rpc/wait.c - guard.subscribe: a call that is answered when there is a new block.
 *
 * A caller that asks again at once hears of every block as soon as it is committed, over one connection and without
 * polling. How many wait is bounded: a further one takes the place of that which has waited longest, which is
 * answered as if its time were over.
 */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"

#include <string.h>

#define WAIT_S 25 /* at most, and by default: below what the HTTP server gives a request */

static void
answer(struct rpc_call *call)
{
        struct ledger_view *view = ledger_view_new(call->rpc->options.ledger);

        rpc_set(call, "height", rpc_number(ledger_view_header(view)->height));
        ledger_view_unref(view);
        rpc_call_finish(call, LX_OK);
}

/* Answer waiter number @i; those after it move up, so that the first has waited longest. */
static void
end_wait(struct rpc *rpc, size_t i)
{
        struct rpc_call *call = rpc->waiter[i].call;

        rpc->waiter_count--;
        memmove(&rpc->waiter[i], &rpc->waiter[i + 1], (rpc->waiter_count - i) * sizeof(rpc->waiter[0]));
        answer(call);
}

static void
set_timer(struct rpc *rpc)
{
        uint64_t now = lx_clock_now_ms(), first = UINT64_MAX;

        for (size_t i = 0; i < rpc->waiter_count; i++)
                first = rpc->waiter[i].until_ms < first ? rpc->waiter[i].until_ms : first;
        if (rpc->waiter_count > 0)
                io_timer_set(rpc->wait_timer, first > now ? first - now : 0);
}

void
rpc_wait_tick(void *arg)
{
        struct rpc *rpc = arg;
        uint64_t now = lx_clock_now_ms();

        for (size_t i = 0; i < rpc->waiter_count;) {
                if (now >= rpc->waiter[i].until_ms)
                        end_wait(rpc, i);
                else
                        i++;
        }
        set_timer(rpc);
}

void
rpc_new_block(struct rpc *rpc, uint64_t height)
{
        for (size_t i = 0; rpc != NULL && i < rpc->waiter_count;) {
                if (height > rpc->waiter[i].above)
                        end_wait(rpc, i);
                else
                        i++;
        }
}

void
rpc_wait_end(struct rpc *rpc)
{
        while (rpc->waiter_count > 0)
                end_wait(rpc, 0);
}

enum lx_err
rpc_guard_subscribe(struct rpc_call *call)
{
        struct rpc *rpc = call->rpc;
        uint64_t height = ledger_view_header(call->view)->height, above = rpc_u64(call, "above");
        uint64_t seconds = rpc_limit(call, "seconds", WAIT_S, WAIT_S);

        if (height > above || seconds == 0 || rpc->stopping) {
                rpc_set(call, "height", rpc_number(height));
                return LX_OK;
        }
        if (rpc->waiter_count == RPC_WAITERS_MAX)
                end_wait(rpc, 0);
        call->later = true;
        rpc->waiter[rpc->waiter_count++] =
            (struct rpc_waiter){.call = call, .above = above, .until_ms = lx_clock_now_ms() + seconds * 1000};
        set_timer(rpc);
        return LX_OK;
}
