/* io/stream.c - see io/stream.h. */
#include "config.h"
#include "io/stream.h"

#include "base/assert.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 256
#define ACCEPTS_MAX 32 /* of one turn */
#define PAUSE_MS 1000  /* accepting rests so long when there are no file descriptors */
#define RECEIVE_BUFFER (256 * 1024)

struct io_stream {
        int fd;
        struct event *readable, *writable;
        struct io_stream_calls calls;
        bool connecting, reading;
        bool inside, closed; /* a callback runs; it was closed meanwhile */
};

struct io_listener {
        int fd;
        struct event *event;
        struct io_timer *pause;
        struct io_loop *loop;
        void (*on_accept)(void *arg, struct io_stream *stream, const struct io_addr *addr);
        void *arg;
};

/* ---- addresses --------------------------------------------------------------------------------- */

static const uint8_t MAPPED[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static socklen_t
to_sockaddr(const struct io_addr *addr, struct sockaddr_storage *out)
{
        memset(out, 0, sizeof(*out));
        if (memcmp(addr->ip, MAPPED, sizeof(MAPPED)) == 0) { /* public */
                struct sockaddr_in *in = (struct sockaddr_in *)out;

                in->sin_family = AF_INET;
                in->sin_port = htons(addr->port);
                memcpy(&in->sin_addr, addr->ip + 12, 4);
                return sizeof(*in);
        }
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(addr->port);
        memcpy(&in6->sin6_addr, addr->ip, 16);
        return sizeof(*in6);
}

static struct io_addr
from_sockaddr(const struct sockaddr_storage *in)
{
        struct io_addr addr = {{0}, 0};

        if (in->ss_family == AF_INET) {
                const struct sockaddr_in *v4 = (const struct sockaddr_in *)in;

                memcpy(addr.ip, MAPPED, sizeof(MAPPED));
                memcpy(addr.ip + 12, &v4->sin_addr, 4);
                addr.port = ntohs(v4->sin_port);
        } else if (in->ss_family == AF_INET6) {
                const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)in;

                memcpy(addr.ip, &v6->sin6_addr, 16);
                addr.port = ntohs(v6->sin6_port);
        }
        return addr;
}

/* ---- streams ----------------------------------------------------------------------------------- */

static void
destroy(struct io_stream *stream)
{
        event_free(stream->readable);
        event_free(stream->writable);
        (void)close(stream->fd);
        lx_free(stream);
}

void
io_stream_close(struct io_stream *stream)
{
        if (stream == NULL)
                return;
        (void)event_del(stream->readable);
        (void)event_del(stream->writable);
        if (stream->inside)
                stream->closed = true;
        else
                destroy(stream);
}

static void
end(struct io_stream *stream, const char *text)
{
        (void)event_del(stream->readable);
        (void)event_del(stream->writable);
        stream->reading = false;
        stream->calls.on_end(stream->calls.arg, text);
}

static void
became_readable(evutil_socket_t fd, short what, void *arg)
{
        struct io_stream *stream = arg;
        uint8_t bytes[IO_STREAM_READ_MAX];
        ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

        (void)what;
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        stream->inside = true;
        if (got > 0)
                stream->calls.on_bytes(stream->calls.arg, bytes, (size_t)got);
        else
                end(stream, got == 0 ? "the other side closed the connection" : strerror(errno));
        stream->inside = false;
        if (stream->closed)
                destroy(stream);
}

static void
finish_connecting(struct io_stream *stream)
{
        int error = 0;
        socklen_t len = sizeof(error);

        stream->connecting = false;
        if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
                error = errno;
        if (error != 0) {
                end(stream, strerror(error));
                return;
        }
        io_stream_set_reading(stream, true);
        stream->calls.on_connected(stream->calls.arg);
}

static void
became_writable(evutil_socket_t fd, short what, void *arg)
{
        struct io_stream *stream = arg;

        (void)fd;
        (void)what;
        stream->inside = true;
        if (stream->connecting)
                finish_connecting(stream);
        else
                stream->calls.on_writable(stream->calls.arg);
        stream->inside = false;
        if (stream->closed)
                destroy(stream);
}

static void
set_options(int fd)
{
        int on = 1, unsent = IO_STREAM_UNSENT;

        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static struct io_stream *
new_stream(struct io_loop *loop, int fd)
{
        struct io_stream *stream = lx_alloc(sizeof(*stream));

        set_options(fd);
        stream->fd = fd;
        stream->readable =
            event_new(io_loop_base(loop), fd, EV_READ | EV_PERSIST, became_readable, stream);
        stream->writable = event_new(io_loop_base(loop), fd, EV_WRITE, became_writable, stream);
        lx_assert(stream->readable != NULL && stream->writable != NULL);
        return stream;
}

struct io_stream *
io_stream_connect(struct io_loop *loop, const struct io_addr *addr,
    const struct io_stream_calls *calls, struct lx_why *why)
{
        struct sockaddr_storage to;
        socklen_t len = to_sockaddr(addr, &to);
        int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct io_stream *stream;

        if (fd < 0 || (connect(fd, (struct sockaddr *)&to, len) != 0 && errno != EINPROGRESS)) {
                lx_why_set(why, "%s", strerror(errno));
                if (fd >= 0)
                        (void)close(fd);
                return NULL;
        }
        stream = new_stream(loop, fd);
        stream->calls = *calls;
        stream->connecting = true;
        (void)event_add(stream->writable, NULL);
        return stream;
}

void
io_stream_start(struct io_stream *stream, const struct io_stream_calls *calls)
{
        stream->calls = *calls;
        io_stream_set_reading(stream, true);
}

void
io_stream_set_reading(struct io_stream *stream, bool reading)
{
        if (stream->reading == reading || stream->connecting || stream->closed)
                return;
        stream->reading = reading;
        if (reading)
                (void)event_add(stream->readable, NULL);
        else
                (void)event_del(stream->readable);
}

void
io_stream_want_writable(struct io_stream *stream)
{
        if (!stream->closed && !stream->connecting)
                (void)event_add(stream->writable, NULL);
}

size_t
io_stream_write(struct io_stream *stream, const uint8_t *bytes, size_t len)
{
        size_t done = 0;

        while (done < len) {
                ssize_t put = send(stream->fd, bytes + done, len - done, MSG_NOSIGNAL);

                if (put > 0) {
                        done += (size_t)put;
                } else if (errno == EAGAIN) {
                        io_stream_want_writable(stream);
                        break;
                } else if (errno != EINTR) {
                        if (!stream->closed) /* broken: let reading find it and tell */
                                event_active(stream->readable, EV_READ, 0);
                        break;
                }
        }
        return done;
}

/* ---- listening --------------------------------------------------------------------------------- */

static void
accept_some(evutil_socket_t fd, short what, void *arg)
{
        struct io_listener *listener = arg;

        (void)what;
        for (int i = 0; i < ACCEPTS_MAX; i++) {
                struct sockaddr_storage from;
                socklen_t len = sizeof(from);
                int got = accept4(fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
                struct io_addr addr;

                if (got < 0) {
                        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                            errno == ENOMEM) {
                                (void)event_del(listener->event);
                                io_timer_set(listener->pause, PAUSE_MS);
                        }
                        return;
                }
                addr = from_sockaddr(&from);
                listener->on_accept(listener->arg, new_stream(listener->loop, got), &addr);
        }
}

static void
go_on(void *arg)
{
        (void)event_add(((struct io_listener *)arg)->event, NULL);
}

static int
open_listener(const struct sockaddr_storage *at, socklen_t len)
{
        int fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1,
            off = 0;
        int room = RECEIVE_BUFFER;

        if (fd < 0)
                return -1;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
        if (at->ss_family == AF_INET6)
                (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
        if (bind(fd, (const struct sockaddr *)at, len) == 0 && listen(fd, BACKLOG) == 0)
                return fd;
        off = errno;
        (void)close(fd);
        errno = off;
        return -1;
}

bool
io_addr_is_local(const struct io_addr *addr)
{
        static const uint8_t one[16] = {[15] = 1};

        return memcmp(addr->ip, one, sizeof(one)) == 0 ||                             /* public */
            (memcmp(addr->ip, MAPPED, sizeof(MAPPED)) == 0 && addr->ip[12] == 127); /* public */
}

bool
io_addr_parse(const char *where, struct io_addr *out)
{
        const char *colon = strrchr(where, ':');
        char host[INET6_ADDRSTRLEN], *rest;
        size_t len = colon != NULL ? (size_t)(colon - where) : 0;
        bool bracket = where[0] == '[' && len > 2 && where[len - 1] == ']';
        unsigned long port;

        if (bracket)
                where++, len -= 2;
        if (len == 0 || len >= sizeof(host) || colon[1] < '0' || colon[1] > '9')
                return false;
        memcpy(host, where, len);
        host[len] = '\0';
        port = strtoul(colon + 1, &rest, 10);
        if (*rest != '\0' || port > 65535)
                return false;
        out->port = (uint16_t)port;
        memcpy(out->ip, MAPPED, sizeof(MAPPED));
        return bracket ? inet_pton(AF_INET6, host, out->ip) == 1
                       : inet_pton(AF_INET, host, out->ip + 12) == 1;
}

enum lx_err
io_listen(struct io_loop *loop, const char *where,
    void (*on_accept)(void *arg, struct io_stream *stream, const struct io_addr *addr), void *arg,
    struct io_listener **out_listener, unsigned *out_port, struct lx_why *why)
{
        struct sockaddr_storage at = {0};
        int fd;
        socklen_t got = sizeof(at);
        struct io_listener *listener;
        struct io_addr addr;

        if (!io_addr_parse(where, &addr)) {
                lx_why_set(why, "\"%.80s\" is not ADDRESS:PORT or [ADDRESS6]:PORT", where);
                return LX_ERR_USAGE;
        }
        fd = open_listener(&at, to_sockaddr(&addr, &at));
        if (fd < 0 || getsockname(fd, (struct sockaddr *)&at, &got) != 0) {
                enum lx_err err = errno == EADDRINUSE ? LX_ERR_BUSY : LX_ERR_IO;

                lx_why_set(why, "cannot listen on %.80s for peers: %s%s", where, strerror(errno),
                    err == LX_ERR_BUSY ? "; choose another with --listen, or \"none\"" : "");
                return err;
        }
        listener = lx_alloc(sizeof(*listener));
        *listener =
            (struct io_listener){.fd = fd, .loop = loop, .on_accept = on_accept, .arg = arg};
        listener->event =
            event_new(io_loop_base(loop), fd, EV_READ | EV_PERSIST, accept_some, listener);
        lx_assert(listener->event != NULL);
        listener->pause = io_timer_new(loop, go_on, listener);
        (void)event_add(listener->event, NULL);
        *out_port = from_sockaddr(&at).port;
        *out_listener = listener;
        return LX_OK;
}

void
io_listener_close(struct io_listener *listener)
{
        if (listener == NULL)
                return;
        event_free(listener->event);
        io_timer_free(listener->pause);
        (void)close(listener->fd);
        lx_free(listener);
}
