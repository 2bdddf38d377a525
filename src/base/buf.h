/*
 * base/buf.h - bytes that grow. Embedded: lx_buf_clear frees. Growth ends the program when memory
 * is out, so whoever appends what an outsider sent checks a limit first.
 */
#ifndef LX_BASE_BUF_H
#define LX_BASE_BUF_H

#include "base/hash.h"

struct lx_buf {
        uint8_t *p;
        size_t len; /* bytes in use */
        size_t cap; /* bytes owned */
};

/** Free what @buf owns and make it empty. */
void lx_buf_clear(struct lx_buf *buf);
/** Make it empty, keep the memory. */
void lx_buf_reset(struct lx_buf *buf);
/** Room for @len more bytes; returns where they go; lx_buf_add says how many were used. */
uint8_t *lx_buf_reserve(struct lx_buf *buf, size_t len);
/** Count @len reserved bytes as used. */
void lx_buf_add(struct lx_buf *buf, size_t len);
/** Append @len bytes. */
void lx_buf_append(struct lx_buf *buf, const void *bytes, size_t len);
/** Append a formatted string, without its NUL. */
__attribute__((format(printf, 2, 3))) void lx_buf_printf(struct lx_buf *buf, const char *fmt, ...);
/** The bytes as a NUL-terminated string (the NUL is beyond len). */
const char *lx_buf_str(struct lx_buf *buf);
/** The bytes in use. */
struct lx_span lx_buf_span(const struct lx_buf *buf);

#endif
