/* router/dns_io.c - see router/dns_io.h. */
#include "config.h"
#include "router/dns_io.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_MS 10000

struct connection {
        int fd; /* -1: free */
        uint64_t heard_ms;
        size_t len;
        uint8_t bytes[2 + DNS_MESSAGE_MAX];
};

struct dns_io {
        struct dns_zone zone;
        int udp, tcp, wake;
        atomic_bool stop;
        bool running;
        pthread_t thread;
        struct connection connection[DNS_CONNECTIONS_MAX];
};

static void
drop(struct connection *c)
{
        if (c->fd >= 0)
                (void)close(c->fd);
        c->fd = -1;
}

static void
take_udp(struct dns_io *io)
{
        uint8_t query[DNS_MESSAGE_MAX], answer[DNS_MESSAGE_MAX];

        for (unsigned i = 0; i < 32; i++) {
                struct sockaddr_storage from;
                socklen_t from_len = sizeof(from);
                ssize_t n = recvfrom(
                    io->udp, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
                size_t len;

                if (n < 0)
                        return;
                len = dns_answer(&io->zone, query, (size_t)n, false, answer);
                if (len > 0)
                        (void)sendto(io->udp, answer, len, MSG_DONTWAIT, (struct sockaddr *)&from, from_len);
        }
}

static void
take_connection(struct dns_io *io, uint64_t now)
{
        int fd = accept4(io->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct connection *at = &io->connection[0];

        if (fd < 0)
                return;
        for (unsigned i = 0; i < DNS_CONNECTIONS_MAX; i++) {
                struct connection *c = &io->connection[i];

                if (c->fd < 0) {
                        at = c;
                        break;
                }
                if (c->heard_ms < at->heard_ms)
                        at = c;
        }
        drop(at);
        at->fd = fd;
        at->heard_ms = now;
        at->len = 0;
}

/* RFC 7766: each message has its length in front; several may follow each other. */
static void
take_bytes(struct dns_io *io, struct connection *c, uint64_t now)
{
        uint8_t answer[2 + DNS_MESSAGE_MAX];
        ssize_t n = recv(c->fd, c->bytes + c->len, sizeof(c->bytes) - c->len, MSG_DONTWAIT);

        if (n <= 0) {
                if (n == 0 || errno != EAGAIN)
                        drop(c);
                return;
        }
        c->heard_ms = now;
        c->len += (size_t)n;
        while (c->len >= 2) {
                size_t want = (size_t)(c->bytes[0] << 8 | c->bytes[1]), len;

                if (want > DNS_MESSAGE_MAX) {
                        drop(c);
                        return;
                }
                if (c->len < 2 + want)
                        return;
                len = dns_answer(&io->zone, c->bytes + 2, want, true, answer + 2);
                answer[0] = (uint8_t)(len >> 8);
                answer[1] = (uint8_t)len;
                if (len == 0 || send(c->fd, answer, 2 + len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)(2 + len)) {
                        drop(c);
                        return;
                }
                c->len -= 2 + want;
                memmove(c->bytes, c->bytes + 2 + want, c->len);
        }
}

static void *
run(void *arg)
{
        struct dns_io *io = arg;

        while (!atomic_load(&io->stop)) {
                struct pollfd fds[3 + DNS_CONNECTIONS_MAX] = {{.fd = io->wake, .events = POLLIN},
                    {.fd = io->udp, .events = POLLIN}, {.fd = io->tcp, .events = POLLIN}};
                int timeout = -1;
                uint64_t now;

                for (unsigned i = 0; i < DNS_CONNECTIONS_MAX; i++) {
                        fds[3 + i] = (struct pollfd){.fd = io->connection[i].fd, .events = POLLIN};
                        if (io->connection[i].fd >= 0)
                                timeout = IDLE_MS;
                }
                (void)poll(fds, 3 + DNS_CONNECTIONS_MAX, timeout);
                now = lx_clock_now_ms();
                for (unsigned i = 0; i < DNS_CONNECTIONS_MAX; i++) {
                        struct connection *c = &io->connection[i];

                        if (c->fd >= 0 && fds[3 + i].revents != 0)
                                take_bytes(io, c, now);
                        else if (c->fd >= 0 && now - c->heard_ms >= IDLE_MS)
                                drop(c);
                }
                if ((fds[1].revents & POLLIN) != 0)
                        take_udp(io);
                if ((fds[2].revents & POLLIN) != 0)
                        take_connection(io, now);
        }
        return NULL;
}

/* ---- opening ------------------------------------------------------------------------------------- */

static bool
parse_where(const char *where, struct sockaddr_storage *out, socklen_t *out_len)
{
        const char *colon = strrchr(where, ':');
        char host[ROUTER_TEXT_MAX], *end;
        struct router_addr addr;
        unsigned long port;
        size_t len;

        if (colon == NULL || colon[1] < '0' || colon[1] > '9')
                return false;
        port = strtoul(colon + 1, &end, 10);
        len = (size_t)(colon - where);
        if (*end != '\0' || port == 0 || port > 65535 || len >= sizeof(host))
                return false;
        if (where[0] == '[' && len > 2 && where[len - 1] == ']')
                (void)snprintf(host, sizeof(host), "%.*s", (int)len - 2, where + 1);
        else
                (void)snprintf(host, sizeof(host), "%.*s", (int)len, where);
        if (!router_addr_parse(host, &addr))
                return false;
        memset(out, 0, sizeof(*out));
        if (addr.family == 4) {
                struct sockaddr_in *in = (struct sockaddr_in *)out;

                in->sin_family = AF_INET;
                in->sin_port = htons((uint16_t)port);
                memcpy(&in->sin_addr, addr.b, 4);
                *out_len = sizeof(*in);
        } else {
                struct sockaddr_in6 *in = (struct sockaddr_in6 *)out;

                in->sin6_family = AF_INET6;
                in->sin6_port = htons((uint16_t)port);
                memcpy(&in->sin6_addr, addr.b, 16);
                *out_len = sizeof(*in);
        }
        return true;
}

static enum lx_err
open_socket(const struct sockaddr_storage *at, socklen_t len, int type, const char *where, int *out_fd,
    struct lx_why *why)
{
        int fd = socket(at->ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, was;

        if (type == SOCK_STREAM)
                (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (fd >= 0 && bind(fd, (const struct sockaddr *)at, len) == 0 &&
            (type == SOCK_DGRAM || listen(fd, 16) == 0)) {
                *out_fd = fd;
                return LX_OK;
        }
        was = errno;
        lx_why_set(why, "cannot answer DNS on %.60s: %s", where, strerror(was));
        if (fd >= 0)
                (void)close(fd);
        return was == EADDRINUSE ? LX_ERR_BUSY : was == EACCES ? LX_ERR_DENIED : LX_ERR_IO;
}

enum lx_err
dns_io_open(const char *where, const struct dns_zone *zone, struct dns_io **out_io, struct lx_why *why)
{
        struct dns_io *io;
        struct sockaddr_storage at;
        socklen_t len;
        enum lx_err err;

        if (!parse_where(where, &at, &len)) {
                lx_why_set(why, "dns-listen: \"%.60s\" is no ADDRESS:PORT", where);
                return LX_ERR_USAGE;
        }
        io = lx_alloc(sizeof(*io));
        io->zone = *zone;
        io->udp = io->tcp = -1;
        io->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        for (unsigned i = 0; i < DNS_CONNECTIONS_MAX; i++)
                io->connection[i].fd = -1;
        err = open_socket(&at, len, SOCK_DGRAM, where, &io->udp, why);
        if (err == LX_OK)
                err = open_socket(&at, len, SOCK_STREAM, where, &io->tcp, why);
        if (err == LX_OK && pthread_create(&io->thread, NULL, run, io) != 0)
                err = LX_ERR_IO;
        if (err != LX_OK) {
                dns_io_close(io);
                return err;
        }
        io->running = true;
        *out_io = io;
        return LX_OK;
}

void
dns_io_close(struct dns_io *io)
{
        uint64_t one = 1;

        if (io == NULL)
                return;
        atomic_store(&io->stop, true);
        if (io->running && write(io->wake, &one, sizeof(one)) == (ssize_t)sizeof(one))
                (void)pthread_join(io->thread, NULL);
        for (unsigned i = 0; i < DNS_CONNECTIONS_MAX; i++)
                drop(&io->connection[i]);
        if (io->udp >= 0)
                (void)close(io->udp);
        if (io->tcp >= 0)
                (void)close(io->tcp);
        (void)close(io->wake);
        lx_free(io);
}
