/*
 * base/err.h - the errors of the whole project, and the sentence that explains one.
 *
 * Functions that can fail in more than one way return enum lx_err. Where a person needs more than
 * the code, they fill a struct lx_why given by the caller: one sentence with the rule, the value
 * and the limit. Threads: pure. err.h is freestanding; why.h is not.
 */
#ifndef LX_BASE_ERR_H
#define LX_BASE_ERR_H

#include <stdbool.h>

#define LX_MUST_CHECK __attribute__((warn_unused_result))

enum lx_err {
#define LX_ERR(name, text, transient) LX_##name,
#include "base/err.def"
#undef LX_ERR
        LX_ERR_COUNT_ /* how many there are; not an error */
};

/** The text of @err for people, lower case, without a full stop. */
const char *lx_err_text(enum lx_err err);

/** The name of @err for machines, e.g. "ERR_RANGE". */
const char *lx_err_name(enum lx_err err);

/** Whether the same call may succeed later without anybody changing the input. */
bool lx_err_is_transient(enum lx_err err);

#endif
