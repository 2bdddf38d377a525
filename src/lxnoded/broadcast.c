/* lxnoded/broadcast.c - see lxnoded/broadcast.h. */
#include "config.h"
#include "lxnoded/broadcast.h"

#include "base/log.h"
#include "base/mem.h"
#include "light/spray.h"
#include "llp/addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct broadcast {
        int fd;
        struct io_watch *watch;
        struct light_gather *gather;
        void (*on_pass)(void *arg, struct lx_span bytes);
        void *arg;
};

static void
take_packet(struct broadcast *b, const uint8_t *bytes, size_t len)
{
        struct lx_buf out = {0};
        enum lx_err err = light_gather_take(b->gather, bytes, len, &out);

        if (err == LX_OK)
                b->on_pass(b->arg, lx_buf_span(&out));
        else if (err == LX_ERR_PROOF)
                log_warn(LLP, "somebody meddles with the broadcast", "next=%s", "gathering begins anew");
        lx_buf_clear(&out);
}

static void
read_packets(void *arg)
{
        struct broadcast *b = arg;
        uint8_t packet[LIGHT_PACKET_LEN + 1];

        for (int i = 0; i < BROADCAST_TURN; i++) {
                ssize_t n = recv(b->fd, packet, sizeof(packet), 0);

                if (n < 0)
                        return;
                take_packet(b, packet, (size_t)n);
        }
}

static enum lx_err
join(int fd, const struct llp_addr *addr)
{
        bool four = llp_addr_is_v4(addr);
        struct ip_mreq m4 = {0};
        struct ipv6_mreq m6 = {0};

        if (four && (addr->ip[12] & 0xf0) == 0xe0) {
                memcpy(&m4.imr_multiaddr, addr->ip + 12, 4);
                return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m4, sizeof(m4)) == 0 ? LX_OK : LX_ERR_IO;
        }
        if (!four && addr->ip[0] == 0xff) {
                memcpy(&m6.ipv6mr_multiaddr, addr->ip, 16);
                return setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &m6, sizeof(m6)) == 0 ? LX_OK : LX_ERR_IO;
        }
        return LX_OK;
}

/* A socket of the address's family, bound. */
static int
bind_to(const struct llp_addr *addr)
{
        bool four = llp_addr_is_v4(addr);
        struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
        struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
        int fd = socket(four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), room = 1 << 20, was;

        memcpy(&a4.sin_addr, addr->ip + 12, 4);
        memcpy(&a6.sin6_addr, addr->ip, 16);
        if (fd < 0)
                return -1;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
        if (bind(fd, four ? (const struct sockaddr *)&a4 : (const struct sockaddr *)&a6,
                four ? sizeof(a4) : sizeof(a6)) == 0)
                return fd;
        was = errno;
        (void)close(fd);
        errno = was;
        return -1;
}

static unsigned
port_of(int fd)
{
        struct sockaddr_in6 a6 = {0}; /* the port stands at the same place in both families */
        socklen_t len = sizeof(a6);

        return getsockname(fd, (struct sockaddr *)&a6, &len) == 0 ? ntohs(a6.sin6_port) : 0;
}

enum lx_err
broadcast_open(struct io_loop *loop, const char *where, void (*on_pass)(void *arg, struct lx_span bytes), void *arg,
    struct broadcast **out_broadcast, struct lx_why *why)
{
        struct broadcast *b;
        struct llp_addr addr;
        struct light_spray *probe = NULL;
        int fd;

        if (light_spray_new("x", 1, &probe) == LX_ERR_VERSION) {
                lx_why_set(why, "--broadcast-listen: this program was built without ISA-L (libisal-dev)");
                return LX_ERR_VERSION;
        }
        light_spray_free(probe);
        if (!llp_addr_parse(where, &addr)) {
                lx_why_set(why, "--broadcast-listen: \"%.60s\" is no ADDRESS:PORT", where);
                return LX_ERR_USAGE;
        }
        fd = bind_to(&addr);
        if (fd < 0 || join(fd, &addr) != LX_OK) {
                bool busy = errno == EADDRINUSE;

                lx_why_set(why, "--broadcast-listen: cannot listen on %s: %s", where, strerror(errno));
                if (fd >= 0)
                        (void)close(fd);
                return busy ? LX_ERR_BUSY : LX_ERR_IO;
        }
        b = lx_alloc(sizeof(*b));
        *b = (struct broadcast){.fd = fd, .gather = light_gather_new(), .on_pass = on_pass, .arg = arg};
        b->watch = io_watch_new(loop, fd, read_packets, b);
        log_notice(LLP, "listening for broadcasts", "port=%u", port_of(fd));
        *out_broadcast = b;
        return LX_OK;
}

void
broadcast_close(struct broadcast *b)
{
        if (b == NULL)
                return;
        io_watch_free(b->watch);
        (void)close(b->fd);
        light_gather_free(b->gather);
        lx_free(b);
}
