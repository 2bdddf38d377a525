/*
 * lxnoded/broadcast.h - a light node listens to a one-way broadcast (light/spray.h) on a UDP socket.
 *
 * A turn reads at most BROADCAST_TURN packets. Threads: loop only.
 */
#ifndef LX_LXNODED_BROADCAST_H
#define LX_LXNODED_BROADCAST_H

#include "base/err.h"
#include "base/hash.h"
#include "base/why.h"
#include "io/loop.h"

#define BROADCAST_TURN 64

struct broadcast;

/**
 * Listen on @where ("ADDRESS:PORT"; a multicast group is joined); @on_pass gets every run of bytes that becomes whole.
 * LX_ERR_USAGE, LX_ERR_BUSY (the port is taken), LX_ERR_VERSION (built without ISA-L), LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err broadcast_open(struct io_loop *loop, const char *where,
    void (*on_pass)(void *arg, struct lx_span bytes), void *arg, struct broadcast **out_broadcast, struct lx_why *why);
/** Close it; NULL is fine. */
void broadcast_close(struct broadcast *broadcast);

#endif
