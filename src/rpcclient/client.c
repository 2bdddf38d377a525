/* rpcclient/client.c - HTTP/1.1 over a socket, as little as a node's answers need. */
#include "config.h"
#include "rpcclient/client.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_S 120
#define HEAD_MAX 16384
#define ANSWER_MAX (256u << 20)
#define PART (4u << 20) /* bytes of a blob's part */
#define BATCH 100u /* calls of one batch */
#define CODE_OURS (-31000)

struct rpcclient {
        char *unix_path; /* NULL: TCP */
        char *host, *port;
        char auth[160];  /* header line, or empty */
        char *datadir;
        int fd, stop_fd; /* -1: none */
        unsigned timeout_s;
        uint64_t next_id;
        bool refused;
};

static char *
join(const char *dir, const char *name)
{
        size_t len = strlen(dir) + strlen(name) + 2;
        char *path = lx_alloc(len);

        (void)snprintf(path, len, "%s/%s", dir, name);
        return path;
}

static void
set_tcp(struct rpcclient *client, const char *where)
{
        const char *colon = strrchr(where, ':');
        size_t len = colon != NULL ? (size_t)(colon - where) : strlen(where);

        if (len >= 2 && where[0] == '[' && where[len - 1] == ']') {
                where++;
                len -= 2;
        }
        client->host = lx_memdup(where, len + 1);
        client->host[len] = '\0';
        client->port = lx_strdup(colon != NULL ? colon + 1 : "5390");
        client->port[strcspn(client->port, "/")] = '\0';
}

struct rpcclient *
rpcclient_new(const char *where, const char *datadir)
{
        struct rpcclient *client = lx_alloc(sizeof(*client));

        client->fd = client->stop_fd = -1;
        client->timeout_s = TIMEOUT_S;
        client->datadir = lx_strdup(datadir);
        if (where == NULL)
                client->unix_path = join(datadir, "lxnoded.sock");
        else if (strncmp(where, "http://", 7) == 0)
                set_tcp(client, where + 7);
        else
                client->unix_path = lx_strdup(where);
        return client;
}

static void
hang_up(struct rpcclient *client)
{
        if (client->fd >= 0)
                (void)close(client->fd);
        client->fd = -1;
}

void
rpcclient_free(struct rpcclient *client)
{
        if (client == NULL)
                return;
        hang_up(client);
        lx_free(client->unix_path);
        lx_free(client->host);
        lx_free(client->port);
        lx_free(client->datadir);
        lx_free(client);
}

void
rpcclient_set_stop(struct rpcclient *client, int fd, unsigned timeout_s)
{
        client->timeout_s = timeout_s;
        client->stop_fd = fd;
}

bool
rpcclient_was_refused(const struct rpcclient *client)
{
        return client->refused;
}

/* ---- connecting -------------------------------------------------------------------------------- */

static const char *
place(const struct rpcclient *client)
{
        return client->unix_path != NULL ? client->unix_path : client->host;
}

static int
connect_unix(const struct rpcclient *client)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        int fd;

        if (strlen(client->unix_path) >= sizeof(addr.sun_path)) {
                errno = ENAMETOOLONG;
                return -1;
        }
        memcpy(addr.sun_path, client->unix_path, strlen(client->unix_path));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
                int e = errno;

                (void)close(fd);
                errno = e;
                return -1;
        }
        return fd;
}

static int
connect_tcp(const struct rpcclient *client)
{
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
        int fd = -1;

        if (getaddrinfo(client->host, client->port, &hints, &list) != 0) {
                errno = EHOSTUNREACH;
                return -1;
        }
        for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
                fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
                if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
                        (void)close(fd);
                        fd = -1;
                }
        }
        freeaddrinfo(list);
        return fd;
}

static void
base64(struct lx_span in, char *out)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t i = 0; i < in.len; i += 3) {
                uint32_t v = (uint32_t)in.p[i] << 16;

                v |= i + 1 < in.len ? (uint32_t)in.p[i + 1] << 8 : 0;
                v |= i + 2 < in.len ? in.p[i + 2] : 0;
                *out++ = digits[v >> 18];
                *out++ = digits[v >> 12 & 63];
                *out++ = i + 1 < in.len ? digits[v >> 6 & 63] : '=';
                *out++ = i + 2 < in.len ? digits[v & 63] : '=';
        }
        *out = '\0';
}

/* The cookie goes to this machine only: over a network anybody could read it. */
static bool
is_loopback(int fd)
{
        struct sockaddr_storage addr;
        socklen_t len = sizeof(addr);

        if (getpeername(fd, (struct sockaddr *)&addr, &len) != 0)
                return false;
        if (addr.ss_family == AF_INET)
                return ntohl(((struct sockaddr_in *)&addr)->sin_addr.s_addr) >> 24 == 127;
        return addr.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&addr)->sin6_addr);
}

/* The cookie is new at every start of the node: read it with every connection. */
static void
load_cookie(struct rpcclient *client)
{
        char *path = join(client->datadir, ".cookie"), encoded[128];
        struct lx_buf cookie = {0};

        if (lx_file_read(path, 90, &cookie, NULL) == LX_OK) {
                base64(lx_buf_span(&cookie), encoded);
                (void)snprintf(client->auth, sizeof(client->auth), "Authorization: Basic %s\r\n", encoded);
        }
        lx_buf_clear(&cookie);
        lx_free(path);
}

static enum lx_err
ensure_connection(struct rpcclient *client, struct lx_why *why)
{
        if (client->fd >= 0)
                return LX_OK;
        client->fd = client->unix_path != NULL ? connect_unix(client) : connect_tcp(client);
        client->auth[0] = '\0';
        if (client->fd >= 0 && client->unix_path == NULL && is_loopback(client->fd))
                load_cookie(client);
        if (client->fd < 0) {
                lx_why_set(why, "no node answers on %s (%s): start one with lxnoded --dev, or name it "
                    "with --rpc", place(client), strerror(errno));
                return LX_ERR_UNREACHABLE;
        }
        return LX_OK;
}

/* ---- one exchange ------------------------------------------------------------------------------ */

/* Until the connection is ready for @events: LX_OK, LX_ERR_TIMEOUT, LX_ERR_STOPPED. */
static enum lx_err
wait_for(const struct rpcclient *client, short events)
{
        struct pollfd p[2] = {{.fd = client->fd, .events = events}, {.fd = client->stop_fd, .events = POLLIN}};
        int n;

        do
                n = poll(p, 2, (int)client->timeout_s * 1000);
        while (n < 0 && errno == EINTR);
        if (client->stop_fd >= 0 && p[1].revents != 0)
                return LX_ERR_STOPPED;
        return n > 0 ? LX_OK : LX_ERR_TIMEOUT;
}

static enum lx_err
send_all(struct rpcclient *client, struct lx_span bytes)
{
        while (bytes.len > 0) {
                enum lx_err err = wait_for(client, POLLOUT);
                ssize_t n = err == LX_OK ? send(client->fd, bytes.p, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

                if (err != LX_OK)
                        return err;
                if (n <= 0 && errno != EAGAIN)
                        return LX_ERR_UNREACHABLE;
                bytes.p += n > 0 ? n : 0;
                bytes.len -= n > 0 ? (size_t)n : 0;
        }
        return LX_OK;
}

static enum lx_err
receive_more(struct rpcclient *client, struct lx_buf *in)
{
        enum lx_err err = wait_for(client, POLLIN);
        ssize_t n = err == LX_OK ? recv(client->fd, lx_buf_reserve(in, 65536), 65536, 0) : 0;

        if (err != LX_OK)
                return err;
        if (n <= 0)
                return LX_ERR_UNREACHABLE;
        lx_buf_add(in, (size_t)n);
        return LX_OK;
}

/* The head's status, body length and whether the connection ends; false: no HTTP. */
static bool
read_head(const char *head, int *out_status, size_t *out_len, bool *out_close)
{
        const char *line = strstr(head, "\r\n");

        *out_len = 0;
        *out_close = false;
        if (sscanf(head, "HTTP/1.%*d %d", out_status) != 1)
                return false;
        while (line != NULL && strncmp(line, "\r\n\r\n", 4) != 0) {
                line += 2;
                if (strncasecmp(line, "Content-Length:", 15) == 0)
                        *out_len = strtoull(line + 15, NULL, 10);
                if (strncasecmp(line, "Connection: close", 17) == 0)
                        *out_close = true;
                line = strstr(line, "\r\n");
        }
        return *out_len <= ANSWER_MAX;
}

static enum lx_err
receive(struct rpcclient *client, int *out_status, struct lx_buf *out_body)
{
        struct lx_buf in = {0};
        const char *end = NULL;
        size_t len = 0, head;
        bool last = false;
        enum lx_err err = LX_OK;

        while (err == LX_OK && (in.len == 0 || (end = strstr(lx_buf_str(&in), "\r\n\r\n")) == NULL))
                err = in.len > HEAD_MAX ? LX_ERR_FORMAT : receive_more(client, &in);
        if (err == LX_OK && !read_head((const char *)in.p, out_status, &len, &last))
                err = LX_ERR_FORMAT;
        head = err == LX_OK ? (size_t)(end - (const char *)in.p) + 4 : 0;
        while (err == LX_OK && in.len < head + len)
                err = receive_more(client, &in);
        if (err == LX_OK)
                lx_buf_append(out_body, in.p + head, len);
        if (err != LX_OK || last)
                hang_up(client);
        lx_buf_clear(&in);
        return err;
}

static enum lx_err
exchange(struct rpcclient *client, const char *method, const char *target, struct lx_span body,
    int *out_status, struct lx_buf *out_body, struct lx_why *why)
{
        struct lx_buf head = {0};
        bool fresh = client->fd < 0;
        enum lx_err err = ensure_connection(client, why);

        if (err != LX_OK)
                return err;
        lx_buf_printf(&head, "%s %s HTTP/1.1\r\nHost: lxnode\r\n%sContent-Type: application/json\r\n"
            "Content-Length: %zu\r\n\r\n", method, target, client->auth, body.len);
        err = send_all(client, lx_buf_span(&head));
        if (err == LX_OK)
                err = send_all(client, body);
        if (err == LX_OK)
                err = receive(client, out_status, out_body);
        lx_buf_clear(&head);
        if (err == LX_OK)
                return LX_OK;
        hang_up(client);
        /* A kept connection may have been closed by the node while nothing went over it. */
        if (!fresh && err == LX_ERR_UNREACHABLE)
                return exchange(client, method, target, body, out_status, out_body, why);
        lx_why_set(why, "the node on %s %s", place(client), err == LX_ERR_TIMEOUT
            ? "does not answer in time" : err == LX_ERR_STOPPED ? "is waited for no longer" : "closed the connection");
        return err;
}

/* ---- JSON-RPC ---------------------------------------------------------------------------------- */

/* What an error object says; the code gives back the number in base/err.def. */
static enum lx_err
read_error(struct rpcclient *client, const json_t *error, struct lx_why *why)
{
        json_int_t code = json_integer_value(json_object_get(error, "code"));
        const char *message = json_string_value(json_object_get(error, "message"));

        client->refused = true;
        lx_why_set(why, "%s", message != NULL ? message : "the node refused without a reason");
        if (code <= CODE_OURS && code > CODE_OURS - LX_ERR_COUNT_)
                return (enum lx_err)(CODE_OURS - code);
        return code == -32602 || code == -32601 ? LX_ERR_USAGE : LX_ERR_RULE;
}

static enum lx_err
read_answer(struct rpcclient *client, int status, const struct lx_buf *body, json_t **out_result,
    struct lx_why *why)
{
        json_t *answer = json_loadb((const char *)body->p, body->len, 0, NULL), *result;
        enum lx_err err = LX_OK;

        if (status == 401) {
                lx_why_set(why, "the node does not accept the cookie of %s: name its data directory "
                    "with --datadir", client->datadir);
                client->refused = true;
                err = LX_ERR_DENIED;
        } else if (json_is_object(json_object_get(answer, "error"))) {
                err = read_error(client, json_object_get(answer, "error"), why);
        } else if ((result = json_object_get(answer, "result")) != NULL) {
                *out_result = json_incref(result);
        } else {
                lx_why_set(why, "%s answers, but is no lxnoded (HTTP status %d)", place(client), status);
                err = LX_ERR_FORMAT;
        }
        json_decref(answer);
        return err;
}

enum lx_err
rpcclient_call(struct rpcclient *client, const char *method, json_t *params, json_t **out_result,
    struct lx_why *why)
{
        json_t *request = json_pack("{s:s,s:I,s:s,s:o*}", "jsonrpc", "2.0", "id",
            (json_int_t)++client->next_id, "method", method, "params", params);
        char *text = json_dumps(request, JSON_COMPACT);
        struct lx_buf body = {0};
        int status = 0;
        enum lx_err err;

        client->refused = false;
        err = exchange(client, "POST", "/rpc", LX_SPAN(text, strlen(text)), &status, &body, why);
        if (err == LX_OK)
                err = read_answer(client, status, &body, out_result, why);
        lx_buf_clear(&body);
        free(text);
        json_decref(request);
        return err;
}

/* One batch: the answers may come in any order; ids are positions. */
static enum lx_err
call_batch(struct rpcclient *client, const char *method, json_t *params, size_t from, size_t count,
    json_t *results, struct lx_why *why)
{
        json_t *batch = json_array(), *answers = NULL, *item;
        struct lx_buf body = {0};
        char *text;
        int status = 0;
        size_t i;
        enum lx_err err;

        for (i = 0; i < count; i++)
                json_array_append_new(batch, json_pack("{s:s,s:I,s:s,s:O}", "jsonrpc", "2.0", "id",
                    (json_int_t)(from + i), "method", method, "params", json_array_get(params, from + i)));
        text = json_dumps(batch, JSON_COMPACT);
        err = exchange(client, "POST", "/rpc", LX_SPAN(text, strlen(text)), &status, &body, why);
        if (err == LX_OK) {
                answers = json_loadb((const char *)body.p, body.len, 0, NULL);
                if (!json_is_array(answers) || json_array_size(answers) != count) {
                        json_t *none = NULL;

                        err = read_answer(client, status, &body, &none, why);
                        json_decref(none);
                        if (err == LX_OK)
                                err = LX_ERR_FORMAT;
                }
        }
        json_array_foreach(answers, i, item) {
                size_t at = (size_t)json_integer_value(json_object_get(item, "id"));
                json_t *result = json_object_get(item, "result");

                if (err == LX_OK && json_is_object(json_object_get(item, "error")))
                        err = read_error(client, json_object_get(item, "error"), why);
                else if (err == LX_OK && (result == NULL || at < from || at >= from + count ||
                    json_array_set(results, at, result) != 0))
                        err = LX_ERR_FORMAT;
        }
        json_decref(answers);
        lx_buf_clear(&body);
        free(text);
        json_decref(batch);
        return err;
}

enum lx_err
rpcclient_call_many(struct rpcclient *client, const char *method, json_t *params, json_t **out_results,
    struct lx_why *why)
{
        size_t total = json_array_size(params);
        json_t *results = json_array();
        enum lx_err err = LX_OK;

        client->refused = false;
        for (size_t i = 0; i < total; i++)
                json_array_append_new(results, json_null());
        for (size_t from = 0; from < total && err == LX_OK; from += BATCH)
                err = call_batch(client, method, params, from, total - from < BATCH ? total - from : BATCH,
                    results, why);
        if (err == LX_ERR_FORMAT && why->text[0] == '\0')
                lx_why_set(why, "%s answers a batch with something else", place(client));
        json_decref(params);
        if (err != LX_OK)
                json_decref(results);
        else
                *out_results = results;
        return err;
}

/* ---- blobs ------------------------------------------------------------------------------------- */

static enum lx_err
blob_error(struct rpcclient *client, int status, const struct lx_buf *body, struct lx_why *why)
{
        json_t *answer, *error;
        enum lx_err err;

        if (status == 200)
                return LX_OK;
        answer = json_loadb((const char *)body->p, body->len, 0, NULL);
        error = json_object_get(answer, "error");
        if (json_is_object(error)) {
                err = read_error(client, error, why);
        } else {
                lx_why_set(why, "the node refused a blob with HTTP status %d", status);
                err = LX_ERR_DENIED;
        }
        json_decref(answer);
        return err;
}

static enum lx_err
send_part(struct rpcclient *client, const char *method, const char *target, struct lx_span part,
    bool *out_done, struct lx_why *why)
{
        struct lx_buf body = {0};
        int status = 0;
        enum lx_err err = exchange(client, method, target, part, &status, &body, why);
        json_t *answer;

        if (err == LX_OK)
                err = blob_error(client, status, &body, why);
        if (err == LX_OK) {
                answer = json_loadb((const char *)body.p, body.len, 0, NULL);
                *out_done = json_is_true(json_object_get(answer, "done"));
                json_decref(answer);
        }
        lx_buf_clear(&body);
        return err;
}

enum lx_err
rpcclient_put_blob(struct rpcclient *client, const char *kind, const struct lx_hash *root,
    struct lx_span bytes, struct lx_why *why)
{
        char hex[LX_HEX_LEN(LX_HASH_LEN)], target[160];
        size_t at = 0;
        bool done = false;
        enum lx_err err;

        client->refused = false;
        lx_hex(root->b, LX_HASH_LEN, hex);
        do {
                size_t len = bytes.len - at < PART ? bytes.len - at : PART;

                (void)snprintf(target, sizeof(target), "/blob/%s/%s?offset=%zu&total=%zu", kind, hex, at,
                    bytes.len);
                err = send_part(client, "PUT", target, LX_SPAN(bytes.p + at, len), &done, why);
                at += len;
        } while (err == LX_OK && !done && at < bytes.len);
        return err;
}

enum lx_err
rpcclient_patch_blob(struct rpcclient *client, const char *kind, const struct lx_hash *root,
    const struct lx_hash *base, uint64_t total, uint64_t offset, struct lx_span patch,
    struct lx_why *why)
{
        char hex[LX_HEX_LEN(LX_HASH_LEN)], base_hex[LX_HEX_LEN(LX_HASH_LEN)], target[256];
        bool done = false;

        client->refused = false;
        lx_hex(root->b, LX_HASH_LEN, hex);
        lx_hex(base->b, LX_HASH_LEN, base_hex);
        (void)snprintf(target, sizeof(target), "/blob/%s/%s?base=%s&total=%llu&offset=%llu", kind, hex,
            base_hex, (unsigned long long)total, (unsigned long long)offset);
        return send_part(client, "PATCH", target, patch, &done, why);
}

enum lx_err
rpcclient_get_blob(struct rpcclient *client, const char *kind, const struct lx_hash *root,
    uint64_t offset, uint64_t len, struct lx_buf *out, struct lx_why *why)
{
        char hex[LX_HEX_LEN(LX_HASH_LEN)], target[160];
        enum lx_err err = LX_OK;

        client->refused = false;
        lx_hex(root->b, LX_HASH_LEN, hex);
        while (len > 0 && err == LX_OK) {
                uint64_t want = len < PART ? len : PART;
                struct lx_buf body = {0};
                int status = 0;

                (void)snprintf(target, sizeof(target), "/blob/%s/%s?offset=%llu&length=%llu", kind, hex,
                    (unsigned long long)offset, (unsigned long long)want);
                err = exchange(client, "GET", target, LX_SPAN(NULL, 0), &status, &body, why);
                if (err == LX_OK)
                        err = blob_error(client, status, &body, why);
                if (err == LX_OK)
                        lx_buf_append(out, body.p, body.len);
                if (err == LX_OK && body.len < want)
                        len = body.len; /* the end */
                offset += body.len;
                len -= body.len < len ? body.len : len;
                lx_buf_clear(&body);
        }
        return err;
}
