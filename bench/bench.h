/*
 * bench/bench.h - interleaved rounds of ours and a yardstick, medians, one row per budget.
 *
 * Times on a shared machine mean little alone: every figure is a ratio of two things measured in
 * turn in the same run. The row goes to stdout for people and to $LX_BENCH_JSON as one JSON object.
 */
#ifndef LX_BENCH_H
#define LX_BENCH_H

#include <stdbool.h>

#define BENCH_ROUNDS 7

struct bench_row {
        const char *name;
        const char *unit;      /* of both figures: "GiB/s", "/s", "ms" */
        double budget;         /* of the ratio ours / yardstick, or of ours where there is none */
        bool at_most;          /* the budget is a ceiling; else a floor */
        unsigned rounds;       /* 0: BENCH_ROUNDS; at least 5 */
        double (*ours)(void *arg);      /* one measurement, in the unit */
        double (*yardstick)(void *arg); /* NULL: none, the budget is about ours itself */
        void *arg;
};

/** Run the rounds and print the row; true when the budget holds. */
bool bench_run(const struct bench_row *row);

/** Print a row whose figures were measured elsewhere (medians), with their count and spread. */
bool bench_report(const struct bench_row *row, double ours, double yardstick, unsigned rounds,
    double spread);

/** Seconds on the monotonic clock. */
double bench_now(void);

/** Seconds of CPU time of this process. */
double bench_cpu(void);

#endif
