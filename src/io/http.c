/* io/http.c - HTTP over evhttp. */
#include "config.h"
#include "io/http.h"

#include "base/mem.h"
#include "io/conn_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEADERS_MAX 16384
#define BACKLOG 128
#define CONN_MAX 256

struct server {
        struct io_http *http;
        struct evhttp *ev;
        struct io_conns *conns;
        bool local;
};

struct io_http {
        struct io_loop *loop;
        struct io_http_options options;
        struct server server[2]; /* unix, TCP */
        char *unix_path;
        time_t date_s; /* the second that date says */
        char date[40];
};

struct io_http_request {
        struct server *server;
        struct evhttp_request *ev;   /* NULL: the client has gone */
        struct evkeyvalq query;
        bool has_query;
};

/* ---- requests ---------------------------------------------------------------------------------- */

enum io_http_method
io_http_method(const struct io_http_request *req)
{
        switch (evhttp_request_get_command(req->ev)) {
        case EVHTTP_REQ_GET:
                return IO_HTTP_GET;
        case EVHTTP_REQ_POST:
                return IO_HTTP_POST;
        case EVHTTP_REQ_PUT:
                return IO_HTTP_PUT;
        case EVHTTP_REQ_PATCH:
                return IO_HTTP_PATCH;
        case EVHTTP_REQ_HEAD:
        case EVHTTP_REQ_DELETE:
        case EVHTTP_REQ_OPTIONS:
        case EVHTTP_REQ_TRACE:
        case EVHTTP_REQ_CONNECT:
                break;
        }
        return IO_HTTP_OTHER;
}

const char *
io_http_path(const struct io_http_request *req)
{
        const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req->ev));

        return path != NULL && path[0] != '\0' ? path : "/";
}

const char *
io_http_query(struct io_http_request *req, const char *name)
{
        if (!req->has_query) {
                const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req->ev));

                if (query == NULL || evhttp_parse_query_str(query, &req->query) != 0)
                        return NULL;
                req->has_query = true;
        }
        return evhttp_find_header(&req->query, name);
}

const char *
io_http_header(struct io_http_request *req, const char *name)
{
        return evhttp_find_header(evhttp_request_get_input_headers(req->ev), name);
}

struct lx_span
io_http_body(struct io_http_request *req)
{
        struct evbuffer *body = evhttp_request_get_input_buffer(req->ev);
        size_t len = evbuffer_get_length(body);

        return LX_SPAN(len > 0 ? evbuffer_pullup(body, -1) : NULL, len);
}

bool
io_http_is_gone(const struct io_http_request *req)
{
        return req->ev == NULL;
}

bool
io_http_is_local(const struct io_http_request *req)
{
        return req->server->local;
}

static void
free_request(struct io_http_request *req)
{
        if (req->has_query)
                evhttp_clear_headers(&req->query);
        lx_free(req);
}

/* The Date header; libevent would make its text anew for every answer. */
static const char *
date_now(struct io_http *http)
{
        time_t now = time(NULL);

        if (now != http->date_s)
                (void)evutil_date_rfc1123(http->date, sizeof(http->date), NULL);
        http->date_s = now;
        return http->date;
}

void
io_http_add_header(struct io_http_request *req, const char *name, const char *value)
{
        if (req->ev != NULL)
                (void)evhttp_add_header(evhttp_request_get_output_headers(req->ev), name, value);
}

void
io_http_begin(struct io_http_request *req, int status, const char *type)
{
        io_http_add_header(req, "Content-Type", type);
        io_http_add_header(req, "Cache-Control", "no-store");
        if (req->ev != NULL)
                evhttp_send_reply_start(req->ev, status, NULL);
}

bool
io_http_send(struct io_http_request *req, const void *bytes, size_t len)
{
        struct bufferevent *bev;
        struct evbuffer *piece;

        if (req->ev == NULL)
                return false;
        bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(req->ev));
        if (evbuffer_get_length(bufferevent_get_output(bev)) > IO_HTTP_UNSENT_MAX)
                return false;
        piece = evbuffer_new();
        if (piece == NULL || evbuffer_add(piece, bytes, len) != 0) {
                if (piece != NULL)
                        evbuffer_free(piece);
                return false;
        }
        evhttp_send_reply_chunk(req->ev, piece);
        evbuffer_free(piece);
        return req->ev != NULL;
}

void
io_http_end(struct io_http_request *req)
{
        struct evhttp_connection *evcon;

        if (req->ev != NULL) {
                evcon = evhttp_request_get_connection(req->ev);
                evhttp_connection_set_closecb(evcon, NULL, NULL);
                io_conns_set_busy(req->server->conns, evhttp_connection_get_bufferevent(evcon), false);
                evhttp_send_reply_end(req->ev);
        }
        free_request(req);
}

void
io_http_reply(struct io_http_request *req, int status, const char *type, const void *body, size_t len)
{
        struct evhttp_request *ev = req->ev;

        if (ev != NULL) {
                struct evbuffer *out = evhttp_request_get_output_buffer(ev);
                struct evhttp_connection *evcon = evhttp_request_get_connection(ev);

                evhttp_connection_set_closecb(evcon, NULL, NULL);
                io_conns_set_busy(req->server->conns, evhttp_connection_get_bufferevent(evcon), false);
                (void)evhttp_add_header(evhttp_request_get_output_headers(ev), "Content-Type", type);
                (void)evhttp_add_header(
                    evhttp_request_get_output_headers(ev), "Date", date_now(req->server->http));
                (void)evbuffer_add(out, body, len);
                evhttp_send_reply(ev, status, NULL, NULL);
        }
        free_request(req);
}

/* ---- connections ------------------------------------------------------------------------------- */

/*
 * evhttp frees an unanswered request with its connection, unless the end of it was an error: then it has let go of the
 * request, and leaves it to whoever answers. Whoever holds ours must not touch it in either case.
 */
static void
client_gone(struct evhttp_connection *evcon, void *arg)
{
        struct io_http_request *req = arg;

        (void)evcon;
        if (evhttp_request_get_connection(req->ev) == NULL)
                evhttp_request_free(req->ev);
        req->ev = NULL;
}

static void
request_came(struct evhttp_request *ev, void *arg)
{
        struct server *server = arg;
        struct io_http_request *req = lx_alloc(sizeof(*req));

        req->server = server;
        req->ev = ev;
        evhttp_connection_set_closecb(evhttp_request_get_connection(ev), client_gone, req);
        io_conns_set_busy(
            server->conns, evhttp_connection_get_bufferevent(evhttp_request_get_connection(ev)), true);
        server->http->options.handler(server->http->options.arg, req);
}

static struct evhttp *
new_server(struct io_http *http, bool local)
{
        struct server *server = &http->server[local ? 0 : 1];

        if (server->ev != NULL)
                return server->ev;
        server->http = http;
        server->local = local;
        server->ev = evhttp_new(io_loop_base(http->loop));
        server->conns = io_conns_new(http->loop, http->options.conn_max > 0 ? http->options.conn_max : CONN_MAX);
        evhttp_set_bevcb(server->ev, io_conns_add, server->conns);
        evhttp_set_max_body_size(server->ev, (ev_ssize_t)http->options.body_max);
        evhttp_set_max_headers_size(server->ev, HEADERS_MAX);
        evhttp_set_timeout(server->ev, (int)http->options.timeout_s);
        evhttp_set_default_content_type(server->ev, NULL);
        evhttp_set_allowed_methods(server->ev,
            EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE |
                EVHTTP_REQ_HEAD);
        evhttp_set_gencb(server->ev, request_came, server);
        return server->ev;
}

struct io_http *
io_http_new(struct io_loop *loop, const struct io_http_options *options)
{
        struct io_http *http = lx_alloc(sizeof(*http));

        http->loop = loop;
        http->options = *options;
        return http;
}

void
io_http_free(struct io_http *http)
{
        if (http == NULL)
                return;
        for (int i = 0; i < 2; i++) {
                if (http->server[i].ev != NULL)
                        evhttp_free(http->server[i].ev);
                io_conns_free(http->server[i].conns);
        }
        if (http->unix_path != NULL)
                (void)unlink(http->unix_path);
        lx_free(http->unix_path);
        lx_free(http);
}

size_t
io_http_connections(const struct io_http *http)
{
        size_t count = 0;

        for (int i = 0; i < 2; i++)
                if (http->server[i].conns != NULL)
                        count += io_conns_count(http->server[i].conns);
        return count;
}

size_t
io_http_unsent(const struct io_http *http)
{
        size_t bytes = 0;

        for (size_t i = 0; i < 2; i++)
                if (http->server[i].conns != NULL)
                        bytes += io_conns_unsent(http->server[i].conns);
        return bytes;
}

/* ---- listening --------------------------------------------------------------------------------- */

static enum lx_err
accept_on(struct io_http *http, int fd, bool local, struct lx_why *why)
{
        if (listen(fd, BACKLOG) != 0 || evutil_make_socket_nonblocking(fd) != 0 ||
            evhttp_accept_socket(new_server(http, local), fd) != 0) {
                lx_why_set(why, "cannot listen: %s", strerror(errno));
                (void)close(fd);
                return LX_ERR_IO;
        }
        return LX_OK;
}

/* Whether somebody answers on the socket at @addr. */
static bool
is_served(const struct sockaddr_un *addr)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool served =
            fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;

        if (fd >= 0)
                (void)close(fd);
        return served;
}

enum lx_err
io_http_listen_unix(struct io_http *http, const char *path, struct lx_why *why)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        mode_t mask;
        int fd, bound;
        enum lx_err err;

        if (strlen(path) >= sizeof(addr.sun_path)) {
                lx_why_set(why, "the socket path %s is longer than %zu bytes: use a shorter --datadir",
                    path, sizeof(addr.sun_path) - 1);
                return LX_ERR_RANGE;
        }
        memcpy(addr.sun_path, path, strlen(path));
        if (is_served(&addr)) {
                lx_why_set(why, "another node answers on %s", path);
                return LX_ERR_BUSY;
        }
        (void)unlink(path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        mask = umask(0177);
        bound = fd >= 0 ? bind(fd, (struct sockaddr *)&addr, sizeof(addr)) : -1;
        (void)umask(mask);
        if (bound != 0) {
                lx_why_set(why, "cannot make the socket %s: %s", path, strerror(errno));
                if (fd >= 0)
                        (void)close(fd);
                return LX_ERR_IO;
        }
        err = accept_on(http, fd, true, why);
        if (err == LX_OK)
                http->unix_path = lx_strdup(path);
        return err;
}

enum lx_err
io_http_listen_tcp(struct io_http *http, const char *where, unsigned *out_port, struct lx_why *why)
{
        struct sockaddr_storage addr;
        int len = sizeof(addr), one = 1, fd;
        socklen_t addr_len;
        size_t where_len = strlen(where);
        bool any_port = where_len > 2 && strcmp(where + where_len - 2, ":0") == 0;
        char text[80];

        /* libevent's parser refuses port 0, which asks the system for a free one. */
        (void)snprintf(text, sizeof(text), "%.*s%s", (int)(any_port ? where_len - 1 : where_len), where,
            any_port ? "1" : "");
        if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&addr, &len) != 0) {
                lx_why_set(why, "\"%s\" is no ADDRESS:PORT", where);
                return LX_ERR_USAGE;
        }
        addr_len = (socklen_t)len;
        if (any_port && addr.ss_family == AF_INET6)
                ((struct sockaddr_in6 *)&addr)->sin6_port = 0;
        else if (any_port)
                ((struct sockaddr_in *)&addr)->sin_port = 0;
        fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
            bind(fd, (struct sockaddr *)&addr, addr_len) != 0 ||
            (addr_len = sizeof(addr), getsockname(fd, (struct sockaddr *)&addr, &addr_len)) != 0) {
                lx_why_set(why, "cannot listen on %s: %s (choose another with --rpc-listen)", where, strerror(errno));
                if (fd >= 0)
                        (void)close(fd);
                return errno == EADDRINUSE ? LX_ERR_BUSY : LX_ERR_IO;
        }
        *out_port = ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                                     : ((struct sockaddr_in *)&addr)->sin_port);
        return accept_on(http, fd, false, why);
}
