/* base/assert.c - see base/assert.h. */
#include "config.h"
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void
lx_assert_fail(const char *cond, const char *file, int line)
{
        fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, cond);
        abort();
}
