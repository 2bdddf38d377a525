/*
 * bench/verify.h - how many BIP 340 signatures this machine checks a second, all cores busy: what no ledger beats.
 */
#ifndef LX_BENCH_VERIFY_H
#define LX_BENCH_VERIFY_H

/** Checks a second, measured once; the threads are made on first use. */
double verify_rate(void);

#endif
