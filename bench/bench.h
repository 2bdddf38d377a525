/*
 * bench/bench.h - interleaved rounds of ours and a yardstick, medians, one row per budget.
 *
 * Times on a shared machine mean little alone: every figure is a ratio of two things measured in
 * turn in the same run, and the verdict is the median of the rounds' ratios. The row goes to stdout
 * for people and to $LX_BENCH_JSON as one JSON object (doc/bench.md).
 *
 * Helpers for scratch files, other processes and their CPU time are in bench/proc.h.
 */
#ifndef LX_BENCH_H
#define LX_BENCH_H

#include <stdbool.h>

#define BENCH_ROUNDS 7
#define BENCH_ROUNDS_MAX 64

struct bench_row {
        const char *name;
        const char *unit;      /* of both figures: "GiB/s", "/s", "ms" */
        double budget;         /* of the ratio ours / yardstick, or of ours where there is none */
        bool at_most;          /* the budget is a ceiling; else a floor */
        unsigned rounds;       /* 0: BENCH_ROUNDS; at least 5 */
        double (*ours)(void *arg);      /* one measurement, in the unit; 0: it failed */
        double (*yardstick)(void *arg); /* NULL: none, the budget is about ours itself */
        void *arg;
};

/**
 * One unmeasured round of both (caches and files get warm), then the rounds: who goes first
 * alternates. Prints the row; true when the budget holds. A measurement that fails makes the row
 * fail.
 */
bool bench_run(const struct bench_row *row);

/** Say what takes long before the rounds begin ("a million keys"); only on a terminal. */
void bench_say(const char *what);

/** Seconds on the monotonic clock. */
double bench_now(void);

/** Seconds of CPU time of this process, all threads. */
double bench_cpu(void);

#endif
