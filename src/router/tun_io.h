/*
 * router/tun_io.h - the TUN device: made or taken, with a virtio header and TCP segmentation.
 *
 * A device that exists and belongs to this user is taken as it is; making one, and giving it addresses and
 * routes, needs CAP_NET_ADMIN. What may not be set up is left as it is and logged.
 */
#ifndef LX_ROUTER_TUN_IO_H
#define LX_ROUTER_TUN_IO_H

#include "base/why.h"
#include "router/router.h"

/**
 * Open device @name, set @mtu, give it the IPv6 EIDs of @machine, route @routes into it, switch it on.
 * LX_ERR_DENIED, LX_ERR_IO with a why.
 */
LX_MUST_CHECK enum lx_err tun_open(const char *name, unsigned mtu,
    const struct router_options *machine, const struct router_eid *routes, size_t route_count,
    int *out_fd, struct lx_why *why);

#endif
