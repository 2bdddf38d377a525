/* router/router_io.c - the thread with the TUN device and the sockets; see router/router_io.h. */
#include "config.h"
#include "router/router_io.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "router/offload.h"
#include "router/tun_io.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

#define BATCH 32          /* datagrams taken at once */
#define DATAGRAM 65536
#define SOCKET_BUFFER (4 << 20)
#define SEGMENTS_MAX 60   /* of one UDP GSO send; the kernel takes 64 */
#define SEND_MAX 64000    /* bytes of one */
#define MERGES 8          /* flows joined at once */

struct router_io {
        struct router_io_options options;
        struct router *router;
        pthread_mutex_t lock;
        pthread_t thread;
        bool running;
        int tun, control, data, wake, link;
        bool stop, new_block;
        struct router_merge *merge; /* MERGES of them */
        uint8_t *in;                /* BATCH datagrams */
        uint8_t out[DATAGRAM + ROUTER_FRAME_MAX];
        size_t out_len, out_segment;
        struct router_at out_to;
        uint8_t out_tos;
        uint64_t errors;
};

/* ---- addresses ----------------------------------------------------------------------------------- */

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

static struct router_at
from_sockaddr(const struct sockaddr_in6 *in)
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

/* ---- sending ------------------------------------------------------------------------------------- */

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

/* @segment: bytes of each datagram but the last. */
static void
send_datagrams(struct router_io *io, int fd, const struct router_at *to, const uint8_t *bytes,
    size_t len, size_t segment, uint8_t tos)
{
        _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t))] = {0};
        struct sockaddr_in6 name;
        struct iovec iov = {(void *)(uintptr_t)bytes, len};
        struct msghdr msg = {.msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov,
            .msg_iovlen = 1, .msg_control = control};
        bool v4 = to->addr.family == 4;
        int class = tos;
        uint16_t size = (uint16_t)segment;

        to_sockaddr(to, &name);
        put_cmsg(&msg, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &class, sizeof(class));
        if (segment < len)
                put_cmsg(&msg, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
        if (sendmsg(fd, &msg, MSG_DONTWAIT) < 0)
                io->errors++;
}

static void
flush_out(struct router_io *io)
{
        if (io->out_len > 0)
                send_datagrams(io, io->data, &io->out_to, io->out, io->out_len, io->out_segment, io->out_tos);
        io->out_len = 0;
}

/* Frames of the same size to the same place leave together; a shorter one is the last. */
static uint8_t *
out_room(struct router_io *io, const struct router_at *to, uint8_t tos, size_t len)
{
        bool same = io->out_len > 0 && router_addr_eq(&io->out_to.addr, &to->addr) &&
                    io->out_to.port == to->port && io->out_tos == tos && len <= io->out_segment &&
                    io->out_len % io->out_segment == 0 && io->out_len + len <= SEND_MAX &&
                    io->out_len / io->out_segment < SEGMENTS_MAX;

        if (!same) {
                flush_out(io);
                io->out_to = *to;
                io->out_tos = tos;
                io->out_segment = len;
        }
        return io->out + io->out_len;
}

static void
send_message(void *arg, bool data, const struct router_at *to, const uint8_t *bytes, size_t len,
    uint8_t tos)
{
        struct router_io *io = arg;

        if (!data) {
                send_datagrams(io, io->control, to, bytes, len, len, tos);
                return;
        }
        memcpy(out_room(io, to, tos, len), bytes, len);
        io->out_len += len;
}

/* ---- the device ---------------------------------------------------------------------------------- */

static void
flush_merge(struct router_io *io, struct router_merge *m)
{
        const uint8_t *bytes;
        size_t len = router_merge_take(m, &bytes);

        if (len > 0 && io->tun >= 0 && write(io->tun, bytes, len) < 0)
                io->errors++;
}

static void
deliver(void *arg, uint8_t *packet, size_t len)
{
        struct router_io *io = arg;
        struct router_packet p;
        struct router_merge *m = &io->merge[0];

        if (router_packet_parse(packet, len, &p))
                m = &io->merge[router_packet_flow(&p) % MERGES];
        if (router_merge_add(m, packet, len))
                return;
        flush_merge(io, m);
        (void)router_merge_add(m, packet, len);
}

static void
flush_all(struct router_io *io)
{
        flush_out(io);
        for (unsigned i = 0; i < MERGES; i++)
                flush_merge(io, &io->merge[i]);
}

/* One look-up serves all segments of a large packet. */
static void
tun_packet(struct router_io *io, uint64_t now, const uint8_t *bytes, size_t len)
{
        struct router_vnet vnet;
        struct router_split split;
        struct router_route route;
        uint8_t packet[ROUTER_PACKET_LIMIT];
        enum router_verdict verdict;
        size_t part;

        router_vnet_read(bytes, &vnet);
        if (!router_split_init(&split, &vnet, bytes + ROUTER_VNET_LEN, len - ROUTER_VNET_LEN))
                return;
        part = router_split_next(&split, packet, sizeof(packet));
        if (part == 0)
                return;
        verdict = router_route_find(io->router, now, 0, packet, part, &route);
        for (; part > 0 && verdict != ROUTER_DROP; part = router_split_next(&split, packet, sizeof(packet))) {
                if (verdict == ROUTER_WAIT)
                        router_route_wait(io->router, &route, packet, part);
                else
                        io->out_len += router_route_wrap(io->router, &route, packet, part,
                            out_room(io, &route.to, route.tos, part + route.overhead));
        }
}

static void
read_tun(struct router_io *io, uint64_t now)
{
        for (unsigned i = 0; i < BATCH; i++) {
                ssize_t n = read(io->tun, io->in, DATAGRAM);

                if (n <= ROUTER_VNET_LEN)
                        break;
                tun_packet(io, now, io->in, (size_t)n);
        }
        flush_all(io);
}

/* ---- the sockets --------------------------------------------------------------------------------- */

struct marks {
        int tos, ttl, segment;
};

static struct marks
read_marks(struct msghdr *msg)
{
        struct marks m = {0, -1, 0};

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

static void
take_datagram(struct router_io *io, uint64_t now, bool data, const struct router_at *from,
    uint8_t *bytes, size_t len, const struct marks *m)
{
        size_t step = m->segment > 0 ? (size_t)m->segment : len;

        if (!data) {
                router_control_input(io->router, now, from, bytes, len);
                return;
        }
        for (size_t at = 0; at < len; at += step)
                router_data_input(io->router, now, from, bytes + at, len - at < step ? len - at : step,
                    (uint8_t)m->tos, m->ttl);
}

static void
read_socket(struct router_io *io, uint64_t now, bool data)
{
        _Alignas(struct cmsghdr) uint8_t control[BATCH][128];
        struct mmsghdr msgs[BATCH];
        struct iovec iov[BATCH];
        struct sockaddr_in6 name[BATCH];
        int count;

        for (unsigned i = 0; i < BATCH; i++) {
                iov[i] = (struct iovec){io->in + (size_t)i * DATAGRAM, DATAGRAM};
                msgs[i].msg_hdr = (struct msghdr){.msg_name = &name[i], .msg_namelen = sizeof(name[i]),
                    .msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = control[i],
                    .msg_controllen = sizeof(control[i])};
        }
        count = recvmmsg(data ? io->data : io->control, msgs, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < count; i++) {
                struct marks m = read_marks(&msgs[i].msg_hdr);
                struct router_at from = from_sockaddr(&name[i]);

                take_datagram(io, now, data, &from, iov[i].iov_base, msgs[i].msg_len, &m);
        }
        flush_all(io);
}

/* ---- the thread ---------------------------------------------------------------------------------- */

static void
take_wake(struct router_io *io, uint64_t now)
{
        uint64_t count;

        if (read(io->wake, &count, sizeof(count)) < 0 || !io->new_block)
                return;
        io->new_block = false;
        if (io->options.woken != NULL)
                io->options.woken(io->options.woken_arg);
        if (io->options.prefixes != NULL) {
                struct router_prefix prefix[ROUTER_PREFIXES_MAX];

                router_set_prefixes(io->router, now, prefix,
                    io->options.prefixes(io->options.woken_arg, prefix, ROUTER_PREFIXES_MAX));
        }
        router_new_block(io->router, now);
        flush_all(io);
}

/* Addresses came or went. None at all is no news: there is nobody to tell, and nothing to say. */
static void
take_link(struct router_io *io, uint64_t now)
{
        struct router_addr addrs[ROUTER_LOCAL_RLOCS_MAX];
        uint8_t news[8192];
        size_t count;

        while (recv(io->link, news, sizeof(news), MSG_DONTWAIT) > 0)
                continue;
        count = io->options.addresses(io->options.woken_arg, addrs, ROUTER_LOCAL_RLOCS_MAX);
        if (count > 0)
                router_set_rlocs(io->router, now, addrs, count);
        flush_all(io);
}

static int
wait_ms(const struct router_io *io, uint64_t now)
{
        uint64_t at = router_deadline_ms(io->router);

        if (at == UINT64_MAX)
                return -1;
        if (at <= now)
                return 0;
        return at - now > 3600000 ? 3600000 : (int)(at - now);
}

static void
turn(struct router_io *io, const struct pollfd fds[5])
{
        uint64_t now = lx_clock_now_ms();

        if ((fds[3].revents & POLLIN) != 0)
                take_wake(io, now);
        if ((fds[4].revents & POLLIN) != 0)
                take_link(io, now);
        if ((fds[1].revents & POLLIN) != 0)
                read_socket(io, now, false);
        if ((fds[2].revents & POLLIN) != 0)
                read_socket(io, now, true);
        if ((fds[0].revents & POLLIN) != 0)
                read_tun(io, now);
        if (router_deadline_ms(io->router) <= now) {
                router_tick(io->router, now);
                flush_all(io);
        }
}

static void *
run(void *arg)
{
        struct router_io *io = arg;

        pthread_mutex_lock(&io->lock);
        while (!io->stop) {
                struct pollfd fds[5] = {{.fd = io->tun, .events = POLLIN},
                    {.fd = io->control, .events = POLLIN}, {.fd = io->data, .events = POLLIN},
                    {.fd = io->wake, .events = POLLIN}, {.fd = io->link, .events = POLLIN}};
                int timeout = wait_ms(io, lx_clock_now_ms());

                pthread_mutex_unlock(&io->lock);
                (void)poll(fds, 5, timeout);
                pthread_mutex_lock(&io->lock);
                turn(io, fds);
        }
        pthread_mutex_unlock(&io->lock);
        return NULL;
}

static void
wake(struct router_io *io)
{
        uint64_t one = 1;

        if (write(io->wake, &one, sizeof(one)) < 0)
                io->errors++;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static enum lx_err
open_socket(uint16_t port, bool gro, int *out_fd, struct lx_why *why)
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
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
        if (gro)
                (void)setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
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

/* The kernel tells of addresses and links; without it we would learn of a move by chance. */
static int
open_link(void)
{
        struct sockaddr_nl at = {.nl_family = AF_NETLINK,
            .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

        if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
                return fd;
        if (fd >= 0)
                (void)close(fd);
        return -1;
}

static void
random_bytes(void *arg, void *out, size_t len)
{
        (void)arg;
        lx_random(out, len);
}

static enum lx_err
open_all(struct router_io *io, struct router_options *machine, struct lx_why *why)
{
        const struct router_io_options *o = &io->options;
        enum lx_err err = open_socket(ROUTER_PORT_CONTROL, false, &io->control, why);

        if (err == LX_OK)
                err = open_socket(ROUTER_PORT_DATA, true, &io->data, why);
        if (err == LX_OK && o->tun != NULL)
                err = tun_open(o->tun, machine->mtu, machine, o->route, o->route_count, &io->tun, why);
        if (err != LX_OK)
                return err;
        io->router = router_new(machine, lx_clock_now_ms());
        if (pthread_create(&io->thread, NULL, run, io) != 0) {
                lx_why_set(why, "cannot start the router's thread");
                return LX_ERR_IO;
        }
        io->running = true;
        return LX_OK;
}

enum lx_err
router_io_open(
    const struct router_io_options *options, struct router_io **out_io, struct lx_why *why)
{
        struct router_io *io = lx_alloc(sizeof(*io));
        struct router_options machine = options->router;
        enum lx_err err;

        io->options = *options;
        io->tun = io->control = io->data = -1;
        io->link = options->addresses != NULL ? open_link() : -1;
        io->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        io->merge = lx_alloc_array(MERGES, sizeof(*io->merge));
        io->in = lx_alloc_array(BATCH, DATAGRAM);
        (void)pthread_mutex_init(&io->lock, NULL);
        if (machine.mtu == 0)
                machine.mtu = 1400;
        machine.random = random_bytes;
        machine.send = send_message;
        machine.deliver = deliver;
        machine.arg = io;
        err = open_all(io, &machine, why);
        lx_wipe(&machine, sizeof(machine));
        lx_wipe(io->options.router.identity, sizeof(io->options.router.identity));
        if (err != LX_OK) {
                router_io_close(io);
                return err;
        }
        *out_io = io;
        return LX_OK;
}

static void
close_fd(int fd)
{
        if (fd >= 0)
                (void)close(fd);
}

void
router_io_close(struct router_io *io)
{
        if (io == NULL)
                return;
        if (io->running) {
                pthread_mutex_lock(&io->lock);
                io->stop = true;
                pthread_mutex_unlock(&io->lock);
                wake(io);
                (void)pthread_join(io->thread, NULL);
        }
        router_free(io->router);
        close_fd(io->tun);
        close_fd(io->control);
        close_fd(io->data);
        close_fd(io->wake);
        close_fd(io->link);
        (void)pthread_mutex_destroy(&io->lock);
        lx_free(io->merge);
        lx_free(io->in);
        lx_free(io);
}

/* ---- from other threads -------------------------------------------------------------------------- */

static void
leave(struct router_io *io)
{
        flush_all(io);
        pthread_mutex_unlock(&io->lock);
        wake(io);
}

void
router_io_new_block(struct router_io *io)
{
        pthread_mutex_lock(&io->lock);
        io->new_block = true;
        leave(io);
}

void
router_io_list(
    struct router_io *io, void (*fn)(void *arg, const struct router_shown *shown), void *arg)
{
        pthread_mutex_lock(&io->lock);
        router_list(io->router, lx_clock_now_ms(), fn, arg);
        pthread_mutex_unlock(&io->lock);
}

void
router_io_resolve(struct router_io *io, uint32_t iid, const struct router_addr *addr)
{
        pthread_mutex_lock(&io->lock);
        router_resolve(io->router, lx_clock_now_ms(), iid, addr);
        leave(io);
}

void
router_io_register(struct router_io *io)
{
        pthread_mutex_lock(&io->lock);
        router_register_now(io->router, lx_clock_now_ms());
        leave(io);
}

void
router_io_counters(struct router_io *io, struct router_counters *out)
{
        pthread_mutex_lock(&io->lock);
        *out = *router_counters_get(io->router);
        pthread_mutex_unlock(&io->lock);
}
