/*
 * base/clock.h - time. Machines get it as an argument; only shells read a clock.
 */
#ifndef LX_BASE_CLOCK_H
#define LX_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970 UTC: what a person or a ledger sees. */
struct lx_walltime {
        uint64_t ms;
};

/** Monotonic milliseconds, for timeouts. */
uint64_t lx_clock_now_ms(void);
/** Monotonic nanoseconds, for measuring. */
uint64_t lx_clock_now_ns(void);
/** The wall clock. */
struct lx_walltime lx_clock_walltime(void);
/** @t as "2026-01-31T12:00:00.000Z" into @out (at least 25 bytes). */
void lx_walltime_format(struct lx_walltime t, char out[25]);

#endif
