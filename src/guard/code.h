/*
 * guard/code.h - what a file's first bytes make of it: a program, a library, a script, or data.
 *
 * An open() does not say what it is for. A shared library is opened like any file and becomes code when
 * it is mapped, so every ELF file that a loader could map is code; relocatable objects and core files
 * are data: no loader maps them. Scripts start with "#!". Threads: pure.
 */
#ifndef LX_GUARD_CODE_H
#define LX_GUARD_CODE_H

#include "base/hash.h"

#define GUARD_CODE_BYTES 256 /* first bytes that are looked at */

enum guard_code { GUARD_CODE_DATA, GUARD_CODE_ELF, GUARD_CODE_SCRIPT };

/** What the file that begins with @head is. */
enum guard_code guard_code_of(struct lx_span head);

/* How an interpreter was called. */
enum guard_args {
        GUARD_ARGS_SCRIPT, /* with the name of a script or module */
        GUARD_ARGS_INLINE, /* with program text among its arguments */
        GUARD_ARGS_STDIN   /* with neither: it reads standard input */
};

/**
 * What @cmdline (NUL-separated, as in /proc/PID/cmdline) asks of an interpreter whose option letters
 * @inline_letters ("c") take program text and @value_letters ("WX") take a value, which is stepped over. In doubt
 * (a word after an unknown long option) it looks on for program text.
 */
enum guard_args guard_args_of(struct lx_span cmdline, const char *inline_letters, const char *value_letters);

/** Take the next word of NUL-separated @rest; false at the end. */
bool guard_next_word(struct lx_span *rest, struct lx_span *out_word);

/** Whether @environment (NUL-separated) sets a variable that makes a loader load other code. */
bool guard_environ_is_clean(struct lx_span environment);

#endif
