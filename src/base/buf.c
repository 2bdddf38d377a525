/* base/buf.c - see base/buf.h. */
#include "config.h"
#include "base/buf.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CAP 256

void
lx_buf_clear(struct lx_buf *buf)
{
        lx_free(buf->p);
        *buf = (struct lx_buf){0};
}

void
lx_buf_reset(struct lx_buf *buf)
{
        buf->len = 0;
}

uint8_t *
lx_buf_reserve(struct lx_buf *buf, size_t len)
{
        size_t cap = buf->cap != 0 ? buf->cap : FIRST_CAP;

        if (buf->p != NULL && len <= buf->cap - buf->len)
                return buf->p + buf->len;
        while (cap - buf->len < len) {
                lx_assert(cap <= SIZE_MAX / 2);
                cap *= 2;
        }
        buf->p = lx_realloc(buf->p, cap);
        buf->cap = cap;
        return buf->p + buf->len;
}

void
lx_buf_add(struct lx_buf *buf, size_t len)
{
        lx_assert(len <= buf->cap - buf->len);
        buf->len += len;
}

void
lx_buf_append(struct lx_buf *buf, const void *bytes, size_t len)
{
        uint8_t *to = lx_buf_reserve(buf, len);

        if (len > 0)
                memcpy(to, bytes, len);
        buf->len += len;
}

void
lx_buf_printf(struct lx_buf *buf, const char *fmt, ...)
{
        va_list ap;
        int len;

        va_start(ap, fmt);
        len = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        lx_assert(len >= 0);
        va_start(ap, fmt);
        vsnprintf((char *)lx_buf_reserve(buf, (size_t)len + 1), (size_t)len + 1, fmt, ap);
        va_end(ap);
        buf->len += (size_t)len;
}

const char *
lx_buf_str(struct lx_buf *buf)
{
        *lx_buf_reserve(buf, 1) = '\0';
        return (const char *)buf->p;
}

struct lx_span
lx_buf_span(const struct lx_buf *buf)
{
        return LX_SPAN(buf->p, buf->len);
}
