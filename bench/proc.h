/*
 * bench/proc.h - scratch files, other processes, and what those used.
 *
 * The scratch directory is made on first use in $TMPDIR (/tmp) and removed at exit; processes that
 * were started and not ended are ended then too. Single-threaded.
 */
#ifndef LX_BENCH_PROC_H
#define LX_BENCH_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/** The scratch directory. */
const char *bench_dir(void);

/** printf into a static ring of eight strings: for paths and commands used soon. */
const char *bench_str(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Run @command by the shell, quietly; its seconds, or 0 when it failed (its errors are shown). */
double bench_shell(const char *command);

/** The same, but the CPU seconds (user and system) that it and its children used. */
double bench_shell_cpu(const char *command);

/** Start a program (NULL-ended @argv, found in PATH) with its output thrown away; its pid. */
pid_t bench_start(const char *const argv[]);

/** Start @fn in a child process that never returns from it. */
pid_t bench_start_fn(void (*fn)(void *arg), void *arg);

/** TERM, then wait. */
void bench_stop(pid_t pid);

/** CPU seconds that process @pid has used, all its threads, to the nanosecond. */
double bench_cpu_of(pid_t pid);

/** The figure of "@field:" in /proc/@pid/status, in MiB. */
double bench_status_mib(pid_t pid, const char *field);

/** A TCP port of 127.0.0.1 that was free a moment ago. */
unsigned bench_free_port(void);

/** Connect to 127.0.0.1:@port, trying for five seconds; -1: nobody answered. */
int bench_dial(unsigned port);

/** Where the programs are: $LX_BUILDDIR. */
const char *bench_build(void);

#endif
