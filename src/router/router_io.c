/* router/router_io.c - the thread with the TUN device and the sockets; see router/router_io.h. */
#include "config.h"
#include "router/router_io.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "router/offload.h"
#include "router/tun_io.h"
#include "router/udp_io.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 32          /* datagrams taken at once */
#define DATAGRAM 65536
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
        bool whole;                 /* frames leave with DF */
        uint64_t errors, now_ms;
};

/* ---- sending ------------------------------------------------------------------------------------- */

/* A frame larger than its path even so (IPv6 inside, a path of less than 1280 and headers) goes in pieces. */
static void
set_whole(struct router_io *io, bool whole)
{
        if (io->whole != whole)
                udp_set_whole(io->data, whole);
        io->whole = whole;
}

static void
flush_out(struct router_io *io)
{
        unsigned head = io->out_to.addr.family == 4 ? 28 : 48;

        if (io->out_len > 0) {
                set_whole(io, io->out_segment + head <= router_path_mtu(io->router, io->now_ms, &io->out_to.addr));
                io->errors += udp_send(io->data, &io->out_to, io->out, io->out_len, io->out_segment, io->out_tos);
        }
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
                io->errors += udp_send(io->control, to, bytes, len, len, tos);
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

static void
send_frame(struct router_io *io, const struct router_route *route, const uint8_t *packet, size_t len)
{
        io->out_len += router_route_wrap(
            io->router, route, packet, len, out_room(io, &route->to, route->tos, len + route->overhead));
}

/* One look-up serves all segments of a large packet. */
static void
tun_packet(struct router_io *io, uint64_t now, const uint8_t *bytes, size_t len)
{
        struct router_vnet vnet;
        struct router_split split;
        struct router_route route;
        uint8_t packet[ROUTER_PACKET_LIMIT], piece[ROUTER_PACKET_LIMIT];
        enum router_verdict verdict;
        size_t part, piece_len;

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
                else if (verdict == ROUTER_SEND)
                        send_frame(io, &route, packet, part);
                for (unsigned n = 0; verdict == ROUTER_CUT &&
                     (piece_len = router_route_piece(io->router, &route, packet, part, n, piece)) > 0; n++)
                        send_frame(io, &route, piece, piece_len);
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

static void
take_datagram(struct router_io *io, uint64_t now, bool data, const struct router_at *from,
    uint8_t *bytes, size_t len, const struct udp_marks *m)
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
                struct udp_marks m = udp_read_marks(&msgs[i].msg_hdr);
                struct router_at from = udp_address(&name[i]);

                take_datagram(io, now, data, &from, iov[i].iov_base, msgs[i].msg_len, &m);
        }
        flush_all(io);
}

static void
read_errors(struct router_io *io, uint64_t now)
{
        struct udp_too_big e;

        for (unsigned i = 0; i < BATCH && udp_read_error(io->data, io->in, DATAGRAM, &e); i++)
                if (e.mtu > 0)
                        router_too_big(
                            io->router, now, &e.to.addr, e.mtu > 65535 ? 65535 : e.mtu, io->in, e.len, e.local);
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

        io->now_ms = now;
        if ((fds[2].revents & POLLERR) != 0)
                read_errors(io, now);
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
        enum lx_err err = udp_open(ROUTER_PORT_CONTROL, false, &io->control, why);

        if (err == LX_OK)
                err = udp_open(ROUTER_PORT_DATA, true, &io->data, why);
        if (err == LX_OK && o->tun != NULL)
                err = tun_open(o->tun, machine->mtu, machine, o->route, o->route_count, &io->tun, why);
        if (err != LX_OK)
                return err;
        io->now_ms = lx_clock_now_ms();
        io->router = router_new(machine, io->now_ms);
        set_whole(io, true);
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
        out->drop_unsent = io->errors;
        pthread_mutex_unlock(&io->lock);
}
