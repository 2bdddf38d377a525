/*
 * io/http.h - a small HTTP/1.1 server on a unix socket and TCP: our face over evhttp.
 *
 * A request belongs to the handler until it is answered, exactly once, at any later time on the
 * loop; a client that has gone meanwhile does no harm. Limits: body, 16 KiB of headers, a timeout for
 * whoever sends or takes nothing, 60 s for a whole request, and so many connections on each socket: a
 * further one takes the place of that which has waited longest.
 * Threads: loop only.
 */
#ifndef LX_IO_HTTP_H
#define LX_IO_HTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"
#include "io/loop.h"

#define IO_HTTP_UNSENT_MAX (512u << 10) /* bytes of an answer without end that nobody takes */

struct io_http;
struct io_http_request;

enum io_http_method { IO_HTTP_GET, IO_HTTP_POST, IO_HTTP_PUT, IO_HTTP_PATCH, IO_HTTP_OTHER };

struct io_http_options {
        size_t body_max;          /* bytes; larger ones get 413 */
        unsigned timeout_s;       /* a connection without progress is closed */
        size_t conn_max;          /* on each of the two sockets; 0: 256 */
        void (*handler)(void *arg, struct io_http_request *req);
        void *arg;
};

/** A server that does not listen yet. */
struct io_http *io_http_new(struct io_loop *loop, const struct io_http_options *options);
/** Close it; requests not yet answered lose their client. NULL is fine. */
void io_http_free(struct io_http *http);
/**
 * Listen on a unix socket, mode 0600. A socket that nobody serves is replaced.
 * LX_ERR_BUSY: somebody serves it; LX_ERR_RANGE: the path is too long; LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err io_http_listen_unix(
    struct io_http *http, const char *path, struct lx_why *why);
/** Listen on "ADDRESS:PORT" or "[ADDRESS6]:PORT"; *out_port: the port it got. */
LX_MUST_CHECK enum lx_err io_http_listen_tcp(
    struct io_http *http, const char *where, unsigned *out_port, struct lx_why *why);

/** How many connections there are. */
size_t io_http_connections(const struct io_http *http);
/** Bytes of answers that clients have not taken yet, all together. */
size_t io_http_unsent(const struct io_http *http);

/** The method. */
enum io_http_method io_http_method(const struct io_http_request *req);
/** The path, without the query. */
const char *io_http_path(const struct io_http_request *req);
/** The decoded value of query parameter @name, or NULL. */
const char *io_http_query(struct io_http_request *req, const char *name);
/** The value of a header, or NULL. */
const char *io_http_header(struct io_http_request *req, const char *name);
/** Whether the client has gone: the answer will reach nobody. */
bool io_http_is_gone(const struct io_http_request *req);
/** The body; valid until the answer. */
struct lx_span io_http_body(struct io_http_request *req);
/** Whether it came over the unix socket. */
bool io_http_is_local(const struct io_http_request *req);
/** A header of the answer; before it. */
void io_http_add_header(struct io_http_request *req, const char *name, const char *value);
/** Answer with a copy of @len bytes. @type: the content type. The request is gone afterwards. */
void io_http_reply(
    struct io_http_request *req, int status, const char *type, const void *body, size_t len);

/*
 * An answer without end: io_http_begin, any number of io_http_send, io_http_end, which frees the request also when
 * the client has gone. While it lasts the connection counts as in work.
 */
/** Begin it. */
void io_http_begin(struct io_http_request *req, int status, const char *type);
/** Send a copy of @len bytes; false: the client has gone, or leaves more than IO_HTTP_UNSENT_MAX bytes waiting. */
LX_MUST_CHECK bool io_http_send(struct io_http_request *req, const void *bytes, size_t len);
/** End it. */
void io_http_end(struct io_http_request *req);

#endif
