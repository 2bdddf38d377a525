/*
 * llp/addr.h - addresses of nodes as values: IPv4 or IPv6 and a port; and what may be beside them.
 *
 * IPv4 is kept mapped (::ffff:a.b.c.d), so that there is one form and one order. Threads: pure.
 * Spec: doc/llp.md.
 */
#ifndef LX_LLP_ADDR_H
#define LX_LLP_ADDR_H

#include "base/wire.h"
#include "base/why.h"

#define LLP_ADDR_LEN 18      /* bytes encoded: 16 of the address, 2 of the port */
#define LLP_ADDR_TEXT_MAX 56 /* "[...]:65535" with its NUL */
#define LLP_HOST_MAX 255     /* characters of a host name */

struct llp_addr {
        uint8_t ip[16];
        uint16_t port;
};

/** Write it. */
void llp_addr_write(struct lx_writer *wr, const struct llp_addr *addr);
/** Read it. */
struct llp_addr llp_addr_read(struct lx_reader *rd);
/** Whether it is IPv4. */
bool llp_addr_is_v4(const struct llp_addr *addr);
/** Whether one could connect to it: a port, and neither unspecified nor multicast. */
bool llp_addr_is_usable(const struct llp_addr *addr);
/** Whether it means something beyond this host and site: not loopback, private or link-local. */
bool llp_addr_is_public(const struct llp_addr *addr);
/** Whether it is this host: 127.0.0.0/8 or ::1. */
bool llp_addr_is_loopback(const struct llp_addr *addr);
/** Same address and port. */
bool llp_addr_eq(const struct llp_addr *a, const struct llp_addr *b);
/**
 * What one party easily has: the whole IPv4 address, or the /64 of IPv6; no port. Limits of
 * connections, and bans, count by it.
 */
struct llp_addr llp_addr_party(const struct llp_addr *addr);
/** What one operator may have: the /16 of IPv4, the /32 of IPv6; the book and outbound slots spread over it. */
struct llp_addr llp_addr_group(const struct llp_addr *addr);
/** "1.2.3.4:5" or "[::1]:5"; without the port when it is 0. */
void llp_addr_format(const struct llp_addr *addr, char out[LLP_ADDR_TEXT_MAX]);
/** Read "ADDRESS:PORT", "[ADDRESS6]:PORT", or an address alone (port 0). false: none of these. */
bool llp_addr_parse(const char *text, struct llp_addr *out_addr);

/* "ID@HOST:PORT" or "HOST:PORT", as people write a peer. */
struct llp_place {
        bool has_id;
        uint8_t id[32];              /* x-only node key */
        char host[LLP_HOST_MAX + 1]; /* a name or an address, without brackets */
        uint16_t port;
};
/** Read it; LX_ERR_USAGE with what is wrong with it. */
LX_MUST_CHECK enum lx_err
llp_place_parse(const char *text, struct llp_place *out_place, struct lx_why *why);

#endif
