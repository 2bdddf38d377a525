/* bench/bench.c - see bench/bench.h. */
#include "config.h"
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

static void
write_json(const struct bench_row *row, double ours, double yardstick, double ratio, bool holds,
    unsigned rounds, double spread)
{
        const char *path = getenv("LX_BENCH_JSON");
        FILE *f = path != NULL ? fopen(path, "a") : NULL;

        if (f == NULL)
                return;
        fprintf(f,
            "{\"name\": \"%s\", \"ours\": %.6g, \"yardstick\": %.6g, \"unit\": \"%s\", "
            "\"ratio\": %.4g, \"budget\": %.4g, \"holds\": %s, \"rounds\": %u, \"spread\": %.3g}\n",
            row->name, ours, yardstick, row->unit, ratio, row->budget, holds ? "true" : "false",
            rounds, spread);
        fclose(f);
}

bool
bench_report(
    const struct bench_row *row, double ours, double yardstick, unsigned rounds, double spread)
{
        double ratio = yardstick > 0 ? ours / yardstick : ours;
        bool holds = row->at_most ? ratio <= row->budget : ratio >= row->budget;

        printf("%-34s %12.5g %12.5g %-10s %8.3g %8.3g  %s (spread %.0f %%)\n", row->name, ours,
            yardstick, row->unit, ratio, row->budget, holds ? "yes" : "NO", spread * 100);
        fflush(stdout);
        write_json(row, ours, yardstick, ratio, holds, rounds, spread);
        return holds;
}

bool
bench_run(const struct bench_row *row)
{
        double ours[64], yard[64], ratio[64];
        unsigned n = row->rounds ? row->rounds : BENCH_ROUNDS;
        double spread;

        for (unsigned i = 0; i < n; i++) {
                yard[i] = row->yardstick != NULL ? row->yardstick(row->arg) : 0;
                ours[i] = row->ours(row->arg);
                ratio[i] = yard[i] > 0 ? ours[i] / yard[i] : ours[i];
        }
        (void)median(ratio, n);
        spread = ratio[n / 2] > 0 ? (ratio[n - 1] - ratio[0]) / ratio[n / 2] : 0;
        return bench_report(row, median(ours, n), median(yard, n), n, spread);
}
