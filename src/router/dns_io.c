/* router/dns_io.c - see router/dns_io.h. */
#include "config.h"
#include "router/dns_io.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"

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
#define FORWARD_MS 5000 /* an answer that takes longer is not waited for: the client asks again */
#define FDS (3 + 2 * DNS_CONNECTIONS_MAX + DNS_FORWARDS_MAX)

struct connection {
        int fd; /* -1: free */
        uint64_t heard_ms;
        size_t len;
        uint8_t bytes[2 + DNS_MESSAGE_MAX];
        int up;             /* to the upstream server; -1: none */
        bool asking;        /* the first query in .bytes is with it */
        bool asked;         /* and was sent */
        uint8_t head[2];    /* length of the answer, as it comes in */
        size_t answered;    /* bytes of the answer, with its length, that were passed on */
};

/* A query that was forwarded over UDP. */
struct forward {
        int fd; /* -1: free */
        uint64_t at_ms;
        struct sockaddr_storage from;
        socklen_t from_len;
        uint8_t id[2]; /* the client's */
        size_t len;
        uint8_t query[DNS_MESSAGE_MAX];
};

struct dns_io {
        struct dns_zone zone;
        int udp, tcp, wake;
        atomic_bool stop;
        bool running;
        pthread_t thread;
        struct connection connection[DNS_CONNECTIONS_MAX];
        bool forwards;
        struct sockaddr_storage upstream;
        socklen_t upstream_len;
        struct forward forward[DNS_FORWARDS_MAX];
};

static void
drop(struct connection *c)
{
        if (c->fd >= 0)
                (void)close(c->fd);
        if (c->up >= 0)
                (void)close(c->up);
        c->fd = c->up = -1;
        c->asking = c->asked = false;
        c->answered = 0;
}

/* ---- forwarding ---------------------------------------------------------------------------------- */

static int
connect_upstream(const struct dns_io *io, int type)
{
        int fd = socket(io->upstream.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd >= 0 && connect(fd, (const struct sockaddr *)&io->upstream, io->upstream_len) != 0 &&
            errno != EINPROGRESS) {
                (void)close(fd);
                return -1;
        }
        return fd;
}

static void
drop_forward(struct forward *f)
{
        if (f->fd >= 0)
                (void)close(f->fd);
        f->fd = -1;
}

static void
forward_udp(struct dns_io *io, uint64_t now, const uint8_t *query, size_t len, const struct sockaddr_storage *from,
    socklen_t from_len)
{
        struct forward *f = &io->forward[0];

        for (unsigned i = 0; i < DNS_FORWARDS_MAX && f->fd >= 0; i++)
                if (io->forward[i].fd < 0 || io->forward[i].at_ms < f->at_ms)
                        f = &io->forward[i];
        drop_forward(f);
        f->fd = connect_upstream(io, SOCK_DGRAM);
        f->at_ms = now;
        f->from = *from;
        f->from_len = from_len;
        f->len = len;
        memcpy(f->query, query, len);
        memcpy(f->id, query, 2);
        lx_random(f->query, 2);
        if (f->fd >= 0 && send(f->fd, f->query, len, MSG_DONTWAIT) < 0)
                drop_forward(f);
}

static void
take_forward(struct dns_io *io, struct forward *f)
{
        uint8_t answer[65536];
        ssize_t n = recv(f->fd, answer, sizeof(answer), MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
                return;
        if (n > 0 && !dns_answers(f->query, f->len, answer, (size_t)n))
                return; /* not to this question: wait on */
        if (n > 0) {
                memcpy(answer, f->id, 2);
                (void)sendto(io->udp, answer, (size_t)n, MSG_DONTWAIT, (struct sockaddr *)&f->from, f->from_len);
        }
        drop_forward(f);
}

/* The first query of @c goes to the upstream server when that can take it. */
static void
ask_upstream(struct connection *c)
{
        size_t len = 2 + (size_t)(c->bytes[0] << 8 | c->bytes[1]);

        if (c->asked)
                return;
        if (send(c->up, c->bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
                c->asked = true;
        else
                drop(c);
}

/* What comes back goes to the client as it comes; true: the answer is whole. */
static bool
take_upstream(struct connection *c)
{
        uint8_t bytes[4096];
        size_t want = c->answered < 2 ? 2 - c->answered : 2 + (size_t)(c->head[0] << 8 | c->head[1]) - c->answered;
        ssize_t n = recv(c->up, bytes, want < sizeof(bytes) ? want : sizeof(bytes), MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
                return false;
        if (n <= 0 || send(c->fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n) {
                drop(c);
                return false;
        }
        for (ssize_t i = 0; i < n && c->answered + (size_t)i < 2; i++)
                c->head[c->answered + (size_t)i] = bytes[i];
        c->answered += (size_t)n;
        return c->answered >= 2 && c->answered == 2 + (size_t)(c->head[0] << 8 | c->head[1]);
}

/* ---- answering ----------------------------------------------------------------------------------- */

static void
take_udp(struct dns_io *io, uint64_t now)
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
                if (io->forwards && !dns_is_ours(&io->zone, query, (size_t)n)) {
                        forward_udp(io, now, query, (size_t)n, &from, from_len);
                        continue;
                }
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

static void
next_query(struct connection *c)
{
        size_t len = 2 + (size_t)(c->bytes[0] << 8 | c->bytes[1]);

        c->len -= len;
        memmove(c->bytes, c->bytes + len, c->len);
}

/* The queries that are there whole; one that is forwarded holds up those behind it. */
static void
take_queries(struct dns_io *io, struct connection *c)
{
        uint8_t answer[2 + DNS_MESSAGE_MAX];

        while (c->len >= 2 && !c->asking) {
                size_t want = (size_t)(c->bytes[0] << 8 | c->bytes[1]), len;

                if (want > DNS_MESSAGE_MAX) {
                        drop(c);
                        return;
                }
                if (c->len < 2 + want)
                        return;
                if (io->forwards && !dns_is_ours(&io->zone, c->bytes + 2, want)) {
                        c->asking = true;
                        c->asked = false;
                        c->answered = 0;
                        if (c->up < 0 && (c->up = connect_upstream(io, SOCK_STREAM)) < 0)
                                drop(c);
                        return;
                }
                len = dns_answer(&io->zone, c->bytes + 2, want, true, answer + 2);
                answer[0] = (uint8_t)(len >> 8);
                answer[1] = (uint8_t)len;
                if (len == 0 || send(c->fd, answer, 2 + len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)(2 + len)) {
                        drop(c);
                        return;
                }
                next_query(c);
        }
}

/* RFC 7766: each message has its length in front; several may follow each other. */
static void
take_bytes(struct dns_io *io, struct connection *c, uint64_t now)
{
        ssize_t n = recv(c->fd, c->bytes + c->len, sizeof(c->bytes) - c->len, MSG_DONTWAIT);

        if (n <= 0) {
                if (n == 0 || errno != EAGAIN)
                        drop(c);
                return;
        }
        c->heard_ms = now;
        c->len += (size_t)n;
        take_queries(io, c);
}

static void
turn_connection(struct dns_io *io, struct connection *c, uint64_t now, short client, short upstream)
{
        if (c->fd >= 0 && c->asking && (upstream & POLLOUT) != 0)
                ask_upstream(c);
        if (c->fd >= 0 && c->asking && (upstream & (POLLIN | POLLHUP | POLLERR)) != 0 && take_upstream(c)) {
                c->asking = false;
                c->heard_ms = now;
                next_query(c);
                take_queries(io, c);
        } else if (c->fd >= 0 && c->up >= 0 && !c->asking && upstream != 0) {
                (void)close(c->up); /* it has closed, or says what nobody asked */
                c->up = -1;
        }
        if (c->fd >= 0 && client != 0)
                take_bytes(io, c, now);
        else if (c->fd >= 0 && now - c->heard_ms >= IDLE_MS)
                drop(c);
}

static void
turn(struct dns_io *io, const struct pollfd *fds)
{
        uint64_t now = lx_clock_now_ms();
        const struct pollfd *client = fds + 3, *upstream = client + DNS_CONNECTIONS_MAX,
                            *forward = upstream + DNS_CONNECTIONS_MAX;

        for (unsigned i = 0; i < DNS_CONNECTIONS_MAX; i++)
                turn_connection(io, &io->connection[i], now, client[i].revents, upstream[i].revents);
        for (unsigned i = 0; i < DNS_FORWARDS_MAX; i++) {
                if (io->forward[i].fd >= 0 && forward[i].revents != 0)
                        take_forward(io, &io->forward[i]);
                else if (io->forward[i].fd >= 0 && now - io->forward[i].at_ms >= FORWARD_MS)
                        drop_forward(&io->forward[i]);
        }
        if ((fds[1].revents & POLLIN) != 0)
                take_udp(io, now);
        if ((fds[2].revents & POLLIN) != 0)
                take_connection(io, now);
}

static void *
run(void *arg)
{
        struct dns_io *io = arg;

        while (!atomic_load(&io->stop)) {
                struct pollfd fds[FDS] = {{.fd = io->wake, .events = POLLIN}, {.fd = io->udp, .events = POLLIN},
                    {.fd = io->tcp, .events = POLLIN}};
                struct pollfd *at = fds + 3;
                int timeout = -1;

                for (unsigned i = 0; i < DNS_CONNECTIONS_MAX; i++, at++) {
                        const struct connection *c = &io->connection[i];

                        at->fd = c->asking ? -1 : c->fd;
                        at->events = POLLIN;
                        at[DNS_CONNECTIONS_MAX].fd = c->up;
                        at[DNS_CONNECTIONS_MAX].events = c->asking && !c->asked ? POLLIN | POLLOUT : POLLIN;
                        if (c->fd >= 0)
                                timeout = IDLE_MS;
                }
                at += DNS_CONNECTIONS_MAX;
                for (unsigned i = 0; i < DNS_FORWARDS_MAX; i++, at++) {
                        at->fd = io->forward[i].fd;
                        at->events = POLLIN;
                        if (at->fd >= 0)
                                timeout = FORWARD_MS;
                }
                (void)poll(fds, FDS, timeout);
                turn(io, fds);
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
dns_io_open(const char *where, const char *upstream, const struct dns_zone *zone, struct dns_io **out_io,
    struct lx_why *why)
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
                io->connection[i].fd = io->connection[i].up = -1;
        for (unsigned i = 0; i < DNS_FORWARDS_MAX; i++)
                io->forward[i].fd = -1;
        if (upstream != NULL)
                io->forwards = parse_where(upstream, &io->upstream, &io->upstream_len);
        if (upstream != NULL && !io->forwards) {
                lx_why_set(why, "dns-forward: \"%.60s\" is no ADDRESS:PORT", upstream);
                dns_io_close(io);
                return LX_ERR_USAGE;
        }
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
        for (unsigned i = 0; i < DNS_FORWARDS_MAX; i++)
                drop_forward(&io->forward[i]);
        if (io->udp >= 0)
                (void)close(io->udp);
        if (io->tcp >= 0)
                (void)close(io->tcp);
        (void)close(io->wake);
        lx_free(io);
}
