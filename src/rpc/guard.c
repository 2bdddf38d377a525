/* rpc/guard.c - what the guard of this machine last told the node: for a person's eyes and for /metrics. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"

#include <string.h>

/* The figures of a report, in guard.report's parameters, guard.status and /metrics alike. */
static const struct figure {
        const char *name, *type, *help;
} FIGURES[] = {
    {"height", "gauge", "height up to which the lists are verified"},
    {"age", "gauge", "seconds since that block"},
    {"entries", "gauge", "programs that may run"},
    {"judged", "counter", "files judged"},
    {"allowed", "counter", "of those, allowed"},
    {"denied", "counter", "of those, denied"},
    {"would_deny", "counter", "of those, only logged"},
    {"overflows", "counter", "times that the kernel's queue was full"},
    {"events", "counter", "denials, alerts and findings"},
};
#define FIGURE_COUNT (sizeof(FIGURES) / sizeof(FIGURES[0]))

/* Only what is known, only text and numbers of bounded length: it goes to a page. */
static json_t *
clean_event(const json_t *event)
{
        static const char *const TEXTS[] = {
            "time", "verdict", "rule", "path", "exe", "detail", "digest", "release_name"};
        json_t *out = json_object(), *v;

        for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
                v = json_object_get(event, TEXTS[i]);
                if (json_is_string(v) && json_string_length(v) <= RPC_GUARD_TEXT_MAX)
                        json_object_set(out, TEXTS[i], v);
        }
        v = json_object_get(event, "pid");
        if (json_is_integer(v))
                json_object_set(out, "pid", v);
        return out;
}

enum lx_err
rpc_guard_report(struct rpc_call *call)
{
        json_t *events = json_object_get(call->params, "findings"), *kept = json_array(), *report = json_object();
        size_t count = json_array_size(events);

        if (strlen(rpc_str(call, "mode")) > RPC_GUARD_TEXT_MAX) {
                lx_why_set(&call->why, "mode is longer than %d bytes", RPC_GUARD_TEXT_MAX);
                json_decref(kept);
                json_decref(report);
                return LX_ERR_RANGE;
        }
        for (size_t i = count > RPC_GUARD_EVENTS_MAX ? count - RPC_GUARD_EVENTS_MAX : 0; i < count; i++)
                json_array_append_new(kept, clean_event(json_array_get(events, i)));
        json_object_set(report, "mode", json_object_get(call->params, "mode"));
        for (size_t i = 0; i < FIGURE_COUNT; i++)
                json_object_set_new(report, FIGURES[i].name, rpc_number(rpc_u64(call, FIGURES[i].name)));
        json_object_set_new(report, "findings", kept);
        json_decref(call->rpc->guard);
        call->rpc->guard = report;
        call->rpc->guard_ms = lx_clock_now_ms();
        rpc_set(call, "taken", json_true());
        return LX_OK;
}

json_t *
rpc_guard_json(const struct rpc *rpc)
{
        json_t *out;

        if (rpc->guard == NULL)
                return json_null();
        out = json_copy(rpc->guard);
        json_object_set_new(out, "told_ms", rpc_number(lx_clock_now_ms() - rpc->guard_ms));
        return out;
}

enum lx_err
rpc_guard_status(struct rpc_call *call)
{
        rpc_set(call, "guard", rpc_guard_json(call->rpc));
        return LX_OK;
}

void
rpc_guard_metrics(const struct rpc *rpc, struct lx_buf *out)
{
        const char *mode = json_string_value(json_object_get(rpc->guard, "mode"));

        if (mode == NULL)
                return;
        rpc_metric(out, "guard_enforces", "gauge", "Guard: 1 when it denies, 0 when it only logs.",
            strcmp(mode, "enforce") == 0);
        rpc_metric(out, "guard_told_seconds", "gauge", "Guard: seconds since it was heard of last.",
            (lx_clock_now_ms() - rpc->guard_ms) / 1000);
        for (size_t i = 0; i < FIGURE_COUNT; i++) {
                bool counter = strcmp(FIGURES[i].type, "counter") == 0;

                lx_buf_printf(out, "# HELP lxnoded_guard_%s%s Guard: %s.\n# TYPE lxnoded_guard_%s%s %s\n"
                    "lxnoded_guard_%s%s %llu\n", FIGURES[i].name, counter ? "_total" : "", FIGURES[i].help,
                    FIGURES[i].name, counter ? "_total" : "", FIGURES[i].type, FIGURES[i].name,
                    counter ? "_total" : "",
                    (unsigned long long)json_integer_value(json_object_get(rpc->guard, FIGURES[i].name)));
        }
}
