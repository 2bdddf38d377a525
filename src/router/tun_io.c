/* router/tun_io.c - see router/tun_io.h. */
#include "config.h"
#include "router/tun_io.h"

#include "base/log.h"
#include "router/offload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void
name_request(struct ifreq *ifr, const char *name)
{
        memset(ifr, 0, sizeof(*ifr));
        (void)snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
}

static void
left(const char *what, const char *name)
{
        log_warn(ROUTER, "the TUN device is left as it is", "what=%s device=%s error=\"%s\"", what, name,
            strerror(errno));
}

static void
add_address(int fd, int index, const char *name, const struct router_addr *eid)
{
        struct in6_ifreq req = {.ifr6_prefixlen = 128, .ifr6_ifindex = index};

        memcpy(&req.ifr6_addr, eid->b, 16);
        if (ioctl(fd, SIOCSIFADDR, &req) != 0 && errno != EEXIST)
                left("address", name);
}

static void
add_route6(int fd, int index, const char *name, const struct router_eid *to)
{
        struct in6_rtmsg rt = {.rtmsg_dst_len = to->bits, .rtmsg_metric = 1024, .rtmsg_flags = RTF_UP,
            .rtmsg_ifindex = index};

        memcpy(&rt.rtmsg_dst, to->addr.b, 16);
        if (ioctl(fd, SIOCADDRT, &rt) != 0 && errno != EEXIST)
                left("route", name);
}

static void
add_route4(int fd, const char *name, const struct router_eid *to)
{
        char device[IFNAMSIZ];
        struct rtentry rt = {.rt_flags = RTF_UP, .rt_dev = device};
        struct sockaddr_in sin = {.sin_family = AF_INET};
        uint32_t mask = to->bits == 0 ? 0 : htonl(UINT32_MAX << (32 - to->bits));

        (void)snprintf(device, sizeof(device), "%s", name);
        memcpy(&sin.sin_addr, to->addr.b, 4);
        memcpy(&rt.rt_dst, &sin, sizeof(sin));
        memcpy(&sin.sin_addr, &mask, 4);
        memcpy(&rt.rt_genmask, &sin, sizeof(sin));
        if (ioctl(fd, SIOCADDRT, &rt) != 0 && errno != EEXIST)
                left("route", name);
}

static void
set_up(const char *name, unsigned mtu, const struct router_options *machine,
    const struct router_eid *routes, size_t route_count)
{
        int fd4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), index = (int)if_nametoindex(name);
        struct ifreq ifr;

        name_request(&ifr, name);
        ifr.ifr_mtu = (int)mtu;
        if (ioctl(fd4, SIOCSIFMTU, &ifr) != 0)
                left("mtu", name);
        name_request(&ifr, name);
        if (ioctl(fd4, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP) == 0) {
                ifr.ifr_flags |= IFF_UP;
                if (ioctl(fd4, SIOCSIFFLAGS, &ifr) != 0)
                        left("up", name);
        }
        for (size_t i = 0; i < machine->identity_count; i++)
                add_address(fd6, index, name, &machine->identity[i].eid);
        for (size_t i = 0; i < route_count; i++) {
                if (routes[i].addr.family == 4)
                        add_route4(fd4, name, &routes[i]);
                else
                        add_route6(fd6, index, name, &routes[i]);
        }
        (void)close(fd4);
        (void)close(fd6);
}

enum lx_err
tun_open(const char *name, unsigned mtu, const struct router_options *machine,
    const struct router_eid *routes, size_t route_count, int *out_fd, struct lx_why *why)
{
        int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), size = ROUTER_VNET_LEN;
        struct ifreq ifr;

        if (fd < 0) {
                lx_why_set(why, "cannot open /dev/net/tun: %s", strerror(errno));
                return LX_ERR_IO;
        }
        name_request(&ifr, name);
        ifr.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
        if (ioctl(fd, TUNSETIFF, &ifr) != 0) {
                int was = errno;

                lx_why_set(why, "cannot take TUN device %s: %s%s", name, strerror(was),
                    was == EPERM ? " (give lxnoded CAP_NET_ADMIN, or make the device for its user)" : "");
                (void)close(fd);
                return was == EPERM ? LX_ERR_DENIED : LX_ERR_IO;
        }
        (void)ioctl(fd, TUNSETVNETHDRSZ, &size);
        if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
                left("segmentation offload", name);
        set_up(name, mtu, machine, routes, route_count);
        *out_fd = fd;
        return LX_OK;
}
