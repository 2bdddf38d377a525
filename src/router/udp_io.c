/* router/udp_io.c - see router/udp_io.h. */
#include "config.h"
#include "router/udp_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* needs struct timespec */

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

#define SOCKET_BUFFER (4 << 20)

static void
to_sockaddr(const struct router_at *at, struct sockaddr_in6 *out)
{
        *out = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(at->port)};
        if (at->addr.family == 4) {
                out->sin6_addr.s6_addr[10] = out->sin6_addr.s6_addr[11] = 0xff;
                memcpy(out->sin6_addr.s6_addr + 12, at->addr.b, 4);
        } else {
                memcpy(out->sin6_addr.s6_addr, at->addr.b, 16);
        }
}

struct router_at
udp_address(const struct sockaddr_in6 *in)
{
        struct router_at at = {.port = ntohs(in->sin6_port)};

        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) {
                at.addr.family = 4;
                memcpy(at.addr.b, in->sin6_addr.s6_addr + 12, 4);
        } else {
                at.addr.family = 6;
                memcpy(at.addr.b, in->sin6_addr.s6_addr, 16);
        }
        return at;
}

enum lx_err
udp_open(uint16_t port, bool data, int *out_fd, struct lx_why *why)
{
        struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int off = 0, on = 1, big = SOCKET_BUFFER;

        if (fd < 0) {
                lx_why_set(why, "cannot open a UDP socket: %s", strerror(errno));
                return LX_ERR_IO;
        }
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
        (void)setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on));
        if (data) {
                (void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
                (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
                (void)setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
                /* RFC 9300 5.3 lets others send without a checksum, over IPv6 too */
                (void)setsockopt(fd, SOL_UDP, UDP_NO_CHECK6_RX, &on, sizeof(on));
        }
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
        if (bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0) {
                int was = errno;

                lx_why_set(why, "cannot take UDP port %u: %s%s", port, strerror(was),
                    was == EADDRINUSE ? " (another router runs in this network namespace)" : "");
                (void)close(fd);
                return was == EADDRINUSE ? LX_ERR_BUSY : LX_ERR_IO;
        }
        *out_fd = fd;
        return LX_OK;
}

/* ---- sending -------------------------------------------------------------------------------------- */

void
udp_set_whole(int fd, bool whole)
{
        int v4 = whole ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT, v6 = whole ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT;

        (void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4, sizeof(v4));
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6, sizeof(v6));
}

static void
put_cmsg(struct msghdr *msg, int level, int type, const void *value, size_t len)
{
        struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)msg->msg_control + msg->msg_controllen);

        c->cmsg_level = level;
        c->cmsg_type = type;
        c->cmsg_len = CMSG_LEN(len);
        memcpy(CMSG_DATA(c), value, len);
        msg->msg_controllen += CMSG_SPACE(len);
}

/* An ICMP error that came for another frame is reported once, in place of sending: again, then. */
static bool
try_send(int fd, const struct msghdr *msg)
{
        return sendmsg(fd, msg, MSG_DONTWAIT) >= 0 || (errno != EAGAIN && sendmsg(fd, msg, MSG_DONTWAIT) >= 0);
}

unsigned
udp_send(int fd, const struct router_at *to, const uint8_t *bytes, size_t len, size_t segment, uint8_t tos)
{
        _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))] = {0};
        struct sockaddr_in6 name;
        struct iovec iov = {(void *)(uintptr_t)bytes, len};
        struct msghdr msg = {.msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov,
            .msg_iovlen = 1, .msg_control = control};
        bool v4 = to->addr.family == 4;
        int class = tos;
        uint16_t size = (uint16_t)segment;
        unsigned lost = 0;

        to_sockaddr(to, &name);
        put_cmsg(&msg, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &class, sizeof(class));
        if (segment < len)
                put_cmsg(&msg, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
        if (try_send(fd, &msg))
                return 0;
        if (segment >= len || (errno != EMSGSIZE && errno != EINVAL))
                return 1;
        /* too large for the interface: one by one, each is reported with the MTU */
        for (size_t at = 0; at < len; at += segment)
                lost += udp_send(fd, to, bytes + at, len - at < segment ? len - at : segment, segment, tos);
        return lost;
}

/* ---- receiving ------------------------------------------------------------------------------------ */

struct udp_marks
udp_read_marks(struct msghdr *msg)
{
        struct udp_marks m = {0, -1, 0};

        for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
                size_t len = c->cmsg_len - CMSG_LEN(0);
                int v = 0;

                memcpy(&v, CMSG_DATA(c), len < sizeof(v) ? len : sizeof(v));
                if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) ||
                    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS))
                        m.tos = v & 0xff;
                else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
                         (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
                        m.ttl = v;
                else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
                        m.segment = v & 0xffff;
        }
        return m;
}

/* "Too big" is of interest; what else there is, is not: paths are watched by what comes back. */
static bool
read_error(struct msghdr *msg, struct udp_too_big *out)
{
        for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
                struct sock_extended_err e;

                if (!((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                        (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) ||
                    c->cmsg_len < CMSG_LEN(sizeof(e)))
                        continue;
                memcpy(&e, CMSG_DATA(c), sizeof(e));
                out->mtu = e.ee_errno == EMSGSIZE ? e.ee_info : 0;
                out->local = e.ee_origin == SO_EE_ORIGIN_LOCAL;
                return true;
        }
        return false;
}

bool
udp_read_error(int fd, uint8_t *quote, size_t cap, struct udp_too_big *out)
{
        _Alignas(struct cmsghdr) uint8_t control[256];
        struct sockaddr_in6 name;
        struct iovec iov = {quote, cap};
        struct msghdr msg = {.msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1,
            .msg_control = control, .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);

        *out = (struct udp_too_big){.mtu = 0};
        if (n < 0)
                return false;
        if (msg.msg_namelen != sizeof(name) || !read_error(&msg, out))
                return true;
        out->len = (size_t)n;
        out->to = udp_address(&name);
        return true;
}
