/* light/schedule.c - see light/schedule.h. */
#include "config.h"
#include "light/schedule.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_BYTES 256

/* A time in UTC; false: it is none. */
static bool
read_time(const char *s, uint64_t *out_ms)
{
        static const char form[] = "0000-00-00T00:00:00Z";
        struct tm tm = {0};
        time_t t;
        char again[32];

        if (strlen(s) != sizeof(form) - 1)
                return false;
        for (size_t i = 0; i < sizeof(form) - 1; i++)
                if (form[i] == '0' ? !isdigit((unsigned char)s[i]) : s[i] != form[i])
                        return false;
        if (strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm) == NULL)
                return false;
        t = timegm(&tm);
        if (t < 0 || gmtime_r(&t, &tm) == NULL || strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0 ||
            strcmp(again, s) != 0) /* the 31st of February */
                return false;
        *out_ms = (uint64_t)t * 1000;
        return true;
}

static enum lx_err
read_line(const char *line, unsigned number, struct light_schedule *schedule, struct lx_why *why)
{
        char begin[64] = "", end[64] = "", bytes[64] = "", rest[2] = "", *stop = bytes;
        struct light_window w = {0};
        int fields = sscanf(line, "%63s %63s %63s %1s", begin, end, bytes, rest);

        if (fields <= 0)
                return LX_OK;
        if (fields < 2 || fields > 3 || !read_time(begin, &w.begin_ms) || !read_time(end, &w.end_ms)) {
                lx_why_set(why, "line %u: BEGIN END [BYTES], times as 2026-11-25T10:00:00Z", number);
                return LX_ERR_USAGE;
        }
        if (fields == 3)
                w.bytes = strtoull(bytes, &stop, 10);
        if (*stop != '\0' || (fields == 3 && !isdigit((unsigned char)bytes[0])) || w.end_ms <= w.begin_ms) {
                lx_why_set(why, "line %u: %s", number, w.end_ms <= w.begin_ms ? "it ends before it begins"
                                                                             : "BYTES is a number");
                return LX_ERR_USAGE;
        }
        if (schedule->count == LIGHT_WINDOWS_MAX) {
                lx_why_set(why, "more than %d contacts", LIGHT_WINDOWS_MAX);
                return LX_ERR_LIMIT;
        }
        schedule->windows = lx_realloc(schedule->windows, (schedule->count + 1) * sizeof(w));
        schedule->windows[schedule->count++] = w;
        return LX_OK;
}

static int
by_begin(const void *a, const void *b)
{
        const struct light_window *x = a, *y = b;

        if (x->begin_ms != y->begin_ms)
                return x->begin_ms < y->begin_ms ? -1 : 1;
        return x->end_ms < y->end_ms ? -1 : x->end_ms > y->end_ms;
}

enum lx_err
light_schedule_read(const char *text, size_t len, struct light_schedule *out_schedule, struct lx_why *why)
{
        struct light_schedule schedule = {0};
        unsigned number = 0;
        enum lx_err err = LX_OK;

        for (size_t at = 0; at < len && err == LX_OK;) {
                const char *nl = memchr(text + at, '\n', len - at);
                size_t n = nl != NULL ? (size_t)(nl - text) - at : len - at;
                char line[LINE_MAX_BYTES];

                number++;
                if (n >= sizeof(line) || memchr(text + at, '\0', n) != NULL) {
                        lx_why_set(why, "line %u is no line of a schedule", number);
                        err = LX_ERR_USAGE;
                        break;
                }
                memcpy(line, text + at, n);
                line[n] = '\0';
                line[strcspn(line, "#")] = '\0';
                err = read_line(line, number, &schedule, why);
                at += n + 1;
        }
        if (err != LX_OK) {
                light_schedule_clear(&schedule);
                return err;
        }
        if (schedule.count > 0)
                qsort(schedule.windows, schedule.count, sizeof(*schedule.windows), by_begin);
        *out_schedule = schedule;
        return LX_OK;
}

void
light_schedule_clear(struct light_schedule *schedule)
{
        lx_free(schedule->windows);
        *schedule = (struct light_schedule){0};
}

const struct light_window *
light_schedule_open(const struct light_schedule *schedule, uint64_t now_ms)
{
        for (size_t i = 0; i < schedule->count; i++)
                if (schedule->windows[i].begin_ms <= now_ms && now_ms < schedule->windows[i].end_ms)
                        return &schedule->windows[i];
        return NULL;
}

const struct light_window *
light_schedule_next(const struct light_schedule *schedule, uint64_t now_ms)
{
        for (size_t i = 0; i < schedule->count; i++)
                if (schedule->windows[i].begin_ms > now_ms)
                        return &schedule->windows[i];
        return NULL;
}
