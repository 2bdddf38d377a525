/*
 * router/router_io.h - the shell around the machine: a TUN device, two UDP sockets, one thread.
 *
 * The thread owns the sockets and the device, takes packets in batches (UDP GRO, TCP segmentation of the
 * TUN device), and sends them in batches (UDP GSO). Other threads reach the machine through the functions
 * below, which take its lock for a moment. Sockets are IPv6 with IPv4 mapped. It wakes for
 * packets and for the machine's deadline, for nothing else.
 */
#ifndef LX_ROUTER_ROUTER_IO_H
#define LX_ROUTER_ROUTER_IO_H

#include "router/router.h"

#define ROUTER_ROUTES_MAX 64

struct router_io;

struct router_io_options {
        struct router_options router;  /* .random, .send, .deliver, .arg are filled here */
        const char *tun;               /* name of the device; NULL: none */
        size_t route_count;
        struct router_eid route[ROUTER_ROUTES_MAX]; /* prefixes to route into the device */
        void (*woken)(void *arg);      /* on the thread, after router_io_new_block; may be NULL */
        /* Our addresses now; asked on the thread whenever the kernel says that they changed. NULL: fixed. */
        size_t (*addresses)(void *arg, struct router_addr *out, size_t max);
        /* The prefixes bound to our EIDs; asked on the thread after .woken. NULL: fixed. */
        size_t (*prefixes)(void *arg, struct router_prefix *out, size_t max);
        void *woken_arg;               /* of all three */
};

/** Open sockets and device, start the thread. LX_ERR_BUSY, LX_ERR_DENIED, LX_ERR_IO with a why. */
LX_MUST_CHECK enum lx_err router_io_open(
    const struct router_io_options *options, struct router_io **out_io, struct lx_why *why);
/** Stop the thread and close all; NULL is fine. */
void router_io_close(struct router_io *io);
/** The ledger has a new block. Any thread. */
void router_io_new_block(struct router_io *io);
/** See router_list. Any thread. */
void router_io_list(
    struct router_io *io, void (*fn)(void *arg, const struct router_shown *shown), void *arg);
/** See router_resolve. Any thread. */
void router_io_resolve(struct router_io *io, uint32_t iid, const struct router_addr *addr);
/** See router_register_now. Any thread. */
void router_io_register(struct router_io *io);
/** A copy of the counters. Any thread. */
void router_io_counters(struct router_io *io, struct router_counters *out);

#endif
