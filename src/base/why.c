/* base/why.c - see base/why.h. */
#include "config.h"
#include "base/why.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

void
lx_why_set(struct lx_why *why, const char *fmt, ...)
{
        va_list ap;

        if (why == NULL || why->text[0] != '\0')
                return;
        va_start(ap, fmt);
        vsnprintf(why->text, sizeof(why->text), fmt, ap);
        va_end(ap);
}

void
lx_why_replace(struct lx_why *why, const char *fmt, ...)
{
        va_list ap;

        if (why == NULL)
                return;
        va_start(ap, fmt);
        vsnprintf(why->text, sizeof(why->text), fmt, ap);
        va_end(ap);
}
