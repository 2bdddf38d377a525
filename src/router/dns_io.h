/*
 * router/dns_io.h - the DNS responder's sockets, UDP and TCP, on a thread of their own.
 *
 * At most DNS_CONNECTIONS_MAX connections; one that says nothing for ten seconds is closed, and the oldest goes
 * when all are taken. The zone's functions are called on this thread.
 *
 * Names that are not ours are refused, or with an upstream server forwarded to it: over UDP each query from a port of
 * its own with an id of its own, at most DNS_FORWARDS_MAX at once (the oldest goes), over TCP on a connection beside
 * the client's, one query at a time.
 */
#ifndef LX_ROUTER_DNS_IO_H
#define LX_ROUTER_DNS_IO_H

#include "base/why.h"
#include "router/dns.h"

#define DNS_CONNECTIONS_MAX 32
#define DNS_FORWARDS_MAX 64

struct dns_io;

/**
 * Answer on "ADDRESS:PORT" or "[ADDRESS6]:PORT"; the zone is copied. @upstream, of the same form, NULL: forward
 * nothing. LX_ERR_USAGE: no such address; LX_ERR_BUSY, LX_ERR_DENIED, LX_ERR_IO with a why.
 */
LX_MUST_CHECK enum lx_err dns_io_open(
    const char *where, const char *upstream, const struct dns_zone *zone, struct dns_io **out_io, struct lx_why *why);
/** Stop; NULL is fine. */
void dns_io_close(struct dns_io *io);

#endif
