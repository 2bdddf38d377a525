/*
 * io/conn_int.h - the connections of an HTTP server: how many, and how long a request may take.
 *
 * evhttp times out a connection without any byte; whoever sends one now and then it would keep for
 * ever. Here a request that has begun must be complete after CONN_REQUEST_MS, and where there are as
 * many connections as allowed, the one that has waited longest without a request in work makes room for
 * the new one. Closing is a shutdown of the socket: evhttp then sees the end and cleans up.
 * Threads: loop only.
 */
#ifndef LX_IO_CONN_INT_H
#define LX_IO_CONN_INT_H

#include "io/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct bufferevent;
struct event_base;
struct io_conns;

#define CONN_REQUEST_MS 60000u /* from its first byte to its last */

/** No connections yet, at most @max. */
struct io_conns *io_conns_new(struct io_loop *loop, size_t max);
/** Forget them; the server is gone. NULL is fine. */
void io_conns_free(struct io_conns *conns);
/** A new connection's buffers, for evhttp_set_bevcb. @conns: struct io_conns. */
struct bufferevent *io_conns_add(struct event_base *base, void *conns);
/** A request is complete and in work (@busy), or answered. */
void io_conns_set_busy(struct io_conns *conns, struct bufferevent *bev, bool busy);
/** How many there are. */
size_t io_conns_count(const struct io_conns *conns);
/** Bytes that wait for their clients. */
size_t io_conns_unsent(const struct io_conns *conns);

#endif
