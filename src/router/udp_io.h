/*
 * router/udp_io.h - the router's UDP sockets: IPv6 with IPv4 mapped, marks, segmentation offload, "too big".
 *
 * Frames leave with DF, whatever MTU the kernel believes in: only what router/mtu.h believes counts.
 */
#ifndef LX_ROUTER_UDP_IO_H
#define LX_ROUTER_UDP_IO_H

#include "base/why.h"
#include "router/lisp.h"

struct msghdr;
struct sockaddr_in6;

/** Bind @port of all addresses. @data: with UDP GRO and errors. LX_ERR_BUSY, LX_ERR_IO with a why. */
LX_MUST_CHECK enum lx_err udp_open(uint16_t port, bool data, int *out_fd, struct lx_why *why);
/** From now on datagrams leave with DF (@whole), or may be fragmented. */
void udp_set_whole(int fd, bool whole);
/**
 * Send @len bytes to @to as datagrams of @segment bytes, the last one shorter; how many sends the kernel did not take.
 */
unsigned udp_send(
    int fd, const struct router_at *to, const uint8_t *bytes, size_t len, size_t segment, uint8_t tos);

struct udp_marks {
        int tos, ttl, segment; /* ttl -1: unknown; segment 0: one datagram */
};

/** What stood beside a received message. */
struct udp_marks udp_read_marks(struct msghdr *msg);
/** Where it came from. */
struct router_at udp_address(const struct sockaddr_in6 *in);

/* A datagram to @to was larger than @mtu (0: it is another error); @len bytes of it are quoted. */
struct udp_too_big {
        struct router_at to;
        unsigned mtu;
        bool local; /* our kernel says so, of its interface */
        size_t len;
};

/** The next error of the socket; false: there is none. */
bool udp_read_error(int fd, uint8_t *quote, size_t cap, struct udp_too_big *out);

#endif
