/* lxguard/event.c - denials, alerts and findings: one log line each, and the newest in memory. */
#include "config.h"
#include "lxguard/lxguard.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

#define KEEP 2000
#define BURST_MAX 200 /* lines a second; how many more there were is said after */

static bool
is_too_fast(struct lxguard *g, uint64_t now_ms)
{
        if (now_ms - g->burst_start_ms >= 1000) {
                if (g->suppressed > 0)
                        log_warn(GUARD, "events were left out of the log", "count=%llu",
                            (unsigned long long)g->suppressed);
                g->burst_start_ms = now_ms;
                g->burst = g->suppressed = 0;
        }
        if (g->burst < BURST_MAX) {
                g->burst++;
                return false;
        }
        g->suppressed++;
        return true;
}

static json_t *
text(const char *s)
{
        json_t *o = json_string(s);

        return o != NULL ? o : json_string("?");
}

static json_t *
event_json(const struct event *e)
{
        char when[25], hex[LX_HEX_LEN(LX_HASH_LEN)] = "";
        json_t *o;

        lx_walltime_format(lx_clock_walltime(), when);
        o = json_pack("{s:s,s:s,s:s,s:o,s:i,s:o,s:s}", "time", when, "verdict", e->kind, "rule", e->rule, "path",
            text(e->path), "pid", (int)e->pid, "exe", text(e->exe), "detail", e->detail);
        if (e->digest != NULL) {
                lx_hex(e->digest->b, LX_HASH_LEN, hex);
                json_object_set_new(o, "digest", json_string(hex));
        }
        if (e->release != NULL) {
                lx_hex(e->release->address.b, LX_HASH_LEN, hex);
                json_object_set_new(o, "release", json_string(hex));
                json_object_set_new(o, "release_name", text(e->release->name));
                json_object_set_new(o, "publisher", json_integer(e->release->publisher));
        }
        if (e->address != 0) {
                json_object_set_new(o, "address", json_sprintf("%llx", (unsigned long long)e->address));
                json_object_set_new(o, "page", json_integer((json_int_t)e->page));
        }
        return o;
}

void
event_note(struct lxguard *g, const struct event *e)
{
        json_t *o = event_json(e);
        bool quiet;

        (void)pthread_mutex_lock(&g->event_lock);
        quiet = is_too_fast(g, lx_clock_now_ms());
        json_object_set_new(o, "id", json_integer((json_int_t)++g->event_count));
        json_array_append(g->events, o);
        if (json_array_size(g->events) > KEEP)
                json_array_remove(g->events, 0);
        (void)pthread_mutex_unlock(&g->event_lock);
        if (!quiet)
                log_warn(GUARD, e->kind, "rule=%s path=%s pid=%d exe=%s digest=%s detail=%s address=%llx page=%llu",
                    e->rule, e->path, (int)e->pid, e->exe,
                    e->digest != NULL ? json_string_value(json_object_get(o, "digest")) : "-",
                    e->detail[0] != '\0' ? e->detail : "-", (unsigned long long)e->address,
                    (unsigned long long)e->page);
        (void)pthread_mutex_lock(&g->event_lock);
        json_decref(o); /* the ring shares it: counts are not atomic */
        (void)pthread_mutex_unlock(&g->event_lock);
}

json_t *
events_json(struct lxguard *g, size_t max)
{
        json_t *list = json_array();
        size_t count, from;

        (void)pthread_mutex_lock(&g->event_lock);
        count = json_array_size(g->events);
        from = count > max ? count - max : 0;
        for (size_t i = from; i < count; i++)
                json_array_append_new(list, json_deep_copy(json_array_get(g->events, i)));
        (void)pthread_mutex_unlock(&g->event_lock);
        return list;
}
