/* base/clock.c - see base/clock.h. */
#include "config.h"
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t
lx_clock_now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t
lx_clock_now_ms(void)
{
        return lx_clock_now_ns() / 1000000u;
}

struct lx_walltime
lx_clock_walltime(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        return (struct lx_walltime){(uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u};
}

void
lx_walltime_format(struct lx_walltime t, char out[25])
{
        time_t seconds = (time_t)(t.ms / 1000u);
        struct tm tm;
        char date[24];

        if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year > 8099)
                tm = (struct tm){.tm_year = 8099, .tm_mon = 11, .tm_mday = 31};
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(out, 25, "%.19s.%03uZ", date, (unsigned)(t.ms % 1000u));
}
