/* bench/bench.c - see bench/bench.h. */
#include "config.h"
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What the rounds of a row gave. */
struct rounds {
        unsigned count;
        double ours[BENCH_ROUNDS_MAX], yardstick[BENCH_ROUNDS_MAX], ratio[BENCH_ROUNDS_MAX];
        bool failed;
};

static int
compare(const void *a, const void *b)
{
        double x = *(const double *)a;
        double y = *(const double *)b;

        return (x > y) - (x < y);
}

static double
median(double *v, unsigned n)
{
        qsort(v, n, sizeof(*v), compare);
        return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* The middle half of the sorted rounds, relative to their median. */
static double
spread(const double *sorted, unsigned n)
{
        double middle = sorted[n / 2];

        return middle > 0 ? (sorted[n - 1 - n / 4] - sorted[n / 4]) / middle : 0;
}

static double
clock_seconds(clockid_t id)
{
        struct timespec ts;

        clock_gettime(id, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double
bench_now(void)
{
        return clock_seconds(CLOCK_MONOTONIC);
}

double
bench_cpu(void)
{
        return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

void
bench_say(const char *what)
{
        if (isatty(STDERR_FILENO))
                (void)fprintf(stderr, "\r\033[K  %s ...", what);
}

static void
say_nothing(void)
{
        if (isatty(STDERR_FILENO))
                (void)fprintf(stderr, "\r\033[K");
}

static void
write_json(const struct bench_row *row, double ours, double yardstick, double ratio, bool holds,
    unsigned rounds, double middle_half)
{
        const char *path = getenv("LX_BENCH_JSON");
        FILE *f = path != NULL ? fopen(path, "a") : NULL;

        if (f == NULL)
                return;
        (void)fprintf(f, "{\"name\": \"%s\", \"ours\": %.6g, ", row->name, ours);
        if (row->yardstick != NULL)
                (void)fprintf(f, "\"yardstick\": %.6g, \"unit\": \"%s\", \"ratio\": %.4g, ",
                    yardstick, row->unit, ratio);
        else
                (void)fprintf(f, "\"yardstick\": null, \"unit\": \"%s\", \"ratio\": null, ", row->unit);
        (void)fprintf(f, "\"budget\": %.4g, \"holds\": %s, \"rounds\": %u, \"spread\": %.3g}\n",
            row->budget, holds ? "true" : "false", rounds, middle_half);
        (void)fclose(f);
}

static bool
report(const struct bench_row *row, struct rounds *r)
{
        double ours = median(r->ours, r->count), yardstick = median(r->yardstick, r->count);
        double ratio = median(r->ratio, r->count), part = spread(r->ratio, r->count);
        bool holds = !r->failed && (row->at_most ? ratio <= row->budget : ratio >= row->budget);

        say_nothing();
        printf("%-42s %10.4g ", row->name, ours);
        if (row->yardstick != NULL)
                printf("%10.4g %-8s %8.3g", yardstick, row->unit, ratio);
        else
                printf("%10s %-8s %8s", "-", row->unit, "-");
        printf("  %s %-5.4g %-4s %4.0f %%  %.3g..%.3g%s\n", row->at_most ? "<=" : ">=", row->budget,
            holds ? "yes" : "NO", part * 100, r->ratio[0], r->ratio[r->count - 1],
            r->failed ? "  (a round failed)" : "");
        (void)fflush(stdout);
        write_json(row, ours, yardstick, ratio, holds, r->count, part);
        return holds;
}

static void
measure(const struct bench_row *row, struct rounds *r, unsigned i)
{
        bool yardstick_first = i % 2 == 0;

        if (row->yardstick != NULL && yardstick_first)
                r->yardstick[i] = row->yardstick(row->arg);
        r->ours[i] = row->ours(row->arg);
        if (row->yardstick != NULL && !yardstick_first)
                r->yardstick[i] = row->yardstick(row->arg);
        if (r->ours[i] <= 0 || (row->yardstick != NULL && r->yardstick[i] <= 0))
                r->failed = true;
        r->ratio[i] = row->yardstick == NULL ? r->ours[i]
            : r->yardstick[i] > 0            ? r->ours[i] / r->yardstick[i]
                                             : 0;
}

bool
bench_run(const struct bench_row *row)
{
        struct rounds r = {.count = row->rounds != 0 ? row->rounds : BENCH_ROUNDS}, warm = {0};
        char what[128];

        if (r.count > BENCH_ROUNDS_MAX)
                r.count = BENCH_ROUNDS_MAX;
        (void)snprintf(what, sizeof(what), "%s: warming up", row->name);
        bench_say(what);
        measure(row, &warm, 0);
        for (unsigned i = 0; i < r.count; i++) {
                (void)snprintf(what, sizeof(what), "%s: round %u of %u", row->name, i + 1, r.count);
                bench_say(what);
                measure(row, &r, i);
        }
        return report(row, &r);
}
