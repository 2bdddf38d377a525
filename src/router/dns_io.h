/*
 * router/dns_io.h - the DNS responder's sockets, UDP and TCP, on a thread of their own.
 *
 * At most DNS_CONNECTIONS_MAX connections; one that says nothing for ten seconds is closed, and the oldest goes
 * when all are taken. The zone's functions are called on this thread.
 */
#ifndef LX_ROUTER_DNS_IO_H
#define LX_ROUTER_DNS_IO_H

#include "base/why.h"
#include "router/dns.h"

#define DNS_CONNECTIONS_MAX 32

struct dns_io;

/**
 * Answer on "ADDRESS:PORT" or "[ADDRESS6]:PORT"; the zone is copied. LX_ERR_USAGE: no such address;
 * LX_ERR_BUSY, LX_ERR_DENIED, LX_ERR_IO with a why.
 */
LX_MUST_CHECK enum lx_err dns_io_open(
    const char *where, const struct dns_zone *zone, struct dns_io **out_io, struct lx_why *why);
/** Stop; NULL is fine. */
void dns_io_close(struct dns_io *io);

#endif
