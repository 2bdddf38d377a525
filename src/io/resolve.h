/*
 * io/resolve.h - addresses of a host name, looked up off the loop by a thread of its own.
 *
 * The system's resolver may block for many seconds; so each look-up has a thread that ends with it.
 * A cancelled look-up never calls back; its thread ends by itself.
 */
#ifndef LX_IO_RESOLVE_H
#define LX_IO_RESOLVE_H

#include "io/stream.h"

#define IO_RESOLVE_ADDRS 8

struct io_resolve;

/**
 * Look up @host. @done comes once, on the loop, with up to IO_RESOLVE_ADDRS addresses (port 0), none when
 * there are none or on any failure; then the look-up is gone. NULL: no thread could be made.
 */
struct io_resolve *io_resolve_start(struct io_loop *loop, const char *host,
    void (*done)(void *arg, const struct io_addr *addrs, size_t count), void *arg);
/** Cancel; NULL is fine. */
void io_resolve_cancel(struct io_resolve *resolve);

#endif
