/* rpc/rpc.c - JSON-RPC 2.0: bodies, batches, calls, errors. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_PARSE (-32700)
#define CODE_INVALID (-32600)
#define CODE_METHOD (-32601)
#define CODE_PARAMS (-32602)
#define CODE_OURS (-31000)
#define TURN_MS 4 /* of a batch, then others get theirs */

static void take_turns(void *arg);
static void drop_body(struct rpc *rpc);

/* ---- life -------------------------------------------------------------------------------------- */

static void
base64(const char *in, char *out)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        size_t len = strlen(in);

        for (size_t i = 0; i < len; i += 3) {
                uint32_t v = (uint32_t)(uint8_t)in[i] << 16;

                v |= i + 1 < len ? (uint32_t)(uint8_t)in[i + 1] << 8 : 0;
                v |= i + 2 < len ? (uint8_t)in[i + 2] : 0;
                *out++ = digits[v >> 18];
                *out++ = digits[v >> 12 & 63];
                *out++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
                *out++ = i + 2 < len ? digits[v & 63] : '=';
        }
        *out = '\0';
}

struct rpc *
rpc_new(const struct rpc_options *options)
{
        struct rpc *rpc = lx_alloc(sizeof(*rpc));
        char encoded[128];

        rpc->options = *options;
        rpc->turn = io_timer_new(options->loop, take_turns, rpc);
        rpc->wait_timer = io_timer_new(options->loop, rpc_wait_tick, rpc);
        rpc->page_timer = io_timer_new(options->loop, rpc_page_tick, rpc);
        rpc->waiting_end = &rpc->waiting;
        if (options->cookie != NULL && strlen(options->cookie) < 90) {
                base64(options->cookie, encoded);
                (void)snprintf(rpc->auth, sizeof(rpc->auth), "Basic %s", encoded);
        }
        return rpc;
}

void
rpc_free(struct rpc *rpc)
{
        if (rpc == NULL)
                return;
        rpc_page_free(rpc);
        io_timer_free(rpc->turn);
        io_timer_free(rpc->wait_timer);
        lx_wipe(rpc->auth, sizeof(rpc->auth));
        lx_buf_clear(&rpc->release.text);
        json_decref(rpc->guard);
        lx_free(rpc);
}

void
rpc_set_unready(struct rpc *rpc, const char *reason)
{
        rpc->unready = reason;
}

void
rpc_stop(struct rpc *rpc)
{
        if (rpc == NULL)
                return;
        rpc->stopping = true;
        rpc_wait_end(rpc);
}

/* ---- answers ----------------------------------------------------------------------------------- */

static json_t *
error_json(int code, const char *message, enum lx_err err)
{
        json_t *error = json_pack("{s:i,s:s}", "code", code, "message", message);

        if (err != LX_OK)
                json_object_set_new(error, "data", json_pack("{s:s,s:b}", "name", lx_err_name(err),
                    "transient", lx_err_is_transient(err)));
        return error;
}

static json_t *
envelope(json_t *id, const char *field, json_t *value)
{
        json_t *answer = json_object();

        json_object_set_new(answer, "jsonrpc", json_string("2.0"));
        json_object_set_new(answer, field, value);
        json_object_set(answer, "id", id != NULL ? id : json_null());
        return answer;
}

static int
append_text(const char *text, size_t len, void *out)
{
        lx_buf_append(out, text, len);
        return 0;
}

/* One more answer of the body; @json is taken over. */
static void
add_answer(struct rpc_body *body, json_t *json)
{
        size_t before = body->answers.len;

        if (body->answers.len > 0)
                lx_buf_append(&body->answers, ",", 1);
        (void)json_dump_callback(json, append_text, &body->answers, JSON_COMPACT);
        body->rpc->held += body->answers.len - before;
        json_decref(json);
}

static void
finish_body(struct rpc_body *body)
{
        struct lx_buf whole = {0};

        if (body->pending > 0 || body->requests != NULL)
                return;
        if (body->answers.len == 0) {
                io_http_reply(body->req, 204, "application/json", "", 0);
        } else if (body->batch) {
                lx_buf_append(&whole, "[", 1);
                lx_buf_append(&whole, body->answers.p, body->answers.len);
                lx_buf_append(&whole, "]", 1);
                io_http_reply(body->req, 200, "application/json", whole.p, whole.len);
        } else {
                io_http_reply(body->req, 200, "application/json", body->answers.p, body->answers.len);
        }
        lx_buf_clear(&whole);
        body->rpc->held -= body->answers.len;
        lx_buf_clear(&body->answers);
        ledger_view_unref(body->view);
        lx_free(body);
}

static void
answer(struct rpc_call *call, enum lx_err err)
{
        json_t *json;

        if (err == LX_ERR_CORRUPT && call->why.text[0] == '\0' && call->rpc->options.db != NULL)
                lld_damage(call->rpc->options.db, &call->why);
        if (err != LX_OK) {
                call->rpc->errors++;
                json = envelope(call->id, "error", error_json(CODE_OURS - (int)err,
                    call->why.text[0] != '\0' ? call->why.text : lx_err_text(err), err));
        } else {
                if (call->proof != NULL)
                        json_object_set(call->result, "proof", call->proof);
                json = envelope(call->id, "result", json_incref(call->result));
        }
        if (call->id != NULL)
                add_answer(call->body, json);
        else
                json_decref(json);
}

static void
free_call(struct rpc_call *call)
{
        json_decref(call->result);
        json_decref(call->proof);
        json_decref(call->params);
        json_decref(call->id);
        lx_free(call);
}

void
rpc_call_finish(struct rpc_call *call, enum lx_err err)
{
        struct rpc_body *body = call->body;

        answer(call, err);
        free_call(call);
        body->pending--;
        finish_body(body);
}

/* ---- parameters -------------------------------------------------------------------------------- */

static bool
is_hex(const char *s)
{
        return strspn(s, "0123456789abcdefABCDEF") == strlen(s) && strlen(s) % 2 == 0;
}

/* Whether @value is of the type named by the @len characters at @type. */
static bool
is_type(json_t *value, const char *type, size_t len)
{
        const char *s = json_string_value(value);

        if (strncmp(type, "u64", len) == 0)
                return json_is_integer(value) && json_integer_value(value) >= 0;
        if (strncmp(type, "bool", len) == 0)
                return json_is_boolean(value);
        if (strncmp(type, "list", len) == 0)
                return json_is_array(value);
        if (strncmp(type, "hash", len) == 0)
                return s != NULL && strlen(s) == 2 * LX_HASH_LEN && is_hex(s);
        if (strncmp(type, "hex", len) == 0)
                return s != NULL && is_hex(s);
        return s != NULL;
}

/* Check the parameters against the row's and return them as an object; NULL: why says what is wrong. */
static json_t *
take_params(const struct rpc_row *row, json_t *given, struct lx_why *why)
{
        json_t *params = json_object();
        size_t position = 0, taken = 0;

        for (const char *spec = row->params; *spec != '\0'; position++) {
                size_t len = strcspn(spec, " "), name_len = strcspn(spec, ":");
                bool optional = spec[len - 1] == '?';
                size_t type_len = len - name_len - 1 - optional;
                char name[32];
                json_t *value;

                (void)snprintf(name, sizeof(name), "%.*s", (int)name_len, spec);
                value = json_is_array(given) ? json_array_get(given, position)
                                             : json_object_get(given, name);
                if (value != NULL)
                        taken++;
                if (value != NULL && !(optional && json_is_null(value))) {
                        if (!is_type(value, spec + name_len + 1, type_len)) {
                                lx_why_set(why, "%s: parameter %s must be a %.*s", row->name, name,
                                    (int)type_len, spec + name_len + 1);
                                goto bad;
                        }
                        json_object_set(params, name, value);
                } else if (!optional) {
                        lx_why_set(why, "%s: parameter %s is missing", row->name, name);
                        goto bad;
                }
                spec += len;
                spec += *spec == ' ';
        }
        if (taken == (json_is_array(given) ? json_array_size(given) : json_object_size(given)))
                return params;
        lx_why_set(why, "%s takes these parameters only: %s", row->name, row->params);
bad:
        json_decref(params);
        return NULL;
}

/* ---- calls ------------------------------------------------------------------------------------- */

static void
refuse(struct rpc_body *body, json_t *id, int code, const char *message)
{
        body->rpc->errors++;
        add_answer(body, envelope(id, "error", error_json(code, message, LX_OK)));
}

static const struct rpc_row *
find_row(const struct rpc *rpc, const char *method)
{
        for (const struct rpc_row *row = rpc->options.light != NULL ? rpc_light_rows() : rpc_rows(); row->name != NULL;
             row++)
                if (strcmp(row->name, method) == 0)
                        return row;
        return NULL;
}

static void
run_call(struct rpc_body *body, const struct rpc_row *row, json_t *id, json_t *params)
{
        struct rpc_call *call = lx_alloc(sizeof(*call));
        enum lx_err err;

        call->body = body;
        call->rpc = body->rpc;
        call->view = body->view;
        call->id = json_incref(id);
        call->params = params;
        call->result = json_object();
        if (json_is_true(json_object_get(params, "prove"))) {
                call->proof = json_object();
                if (body->view != NULL)
                        (void)rpc_header_json(body->view, LEDGER_NOW, call->proof);
        }
        body->rpc->calls++;
        body->pending++;
        err = row->handle(call);
        if (!call->later)
                rpc_call_finish(call, err);
}

/* A call without an id is a notification: nobody hears what comes of it. */
static void
refuse_call(struct rpc_body *body, json_t *id, int code, const char *message)
{
        if (id != NULL)
                refuse(body, id, code, message);
        else
                body->rpc->errors++;
}

static bool
is_request(json_t *request)
{
        const char *version = json_string_value(json_object_get(request, "jsonrpc"));
        json_t *id = json_object_get(request, "id"), *given = json_object_get(request, "params");

        return json_is_string(json_object_get(request, "method")) && version != NULL &&
            strcmp(version, "2.0") == 0 && (given == NULL || json_is_array(given) || json_is_object(given)) &&
            (id == NULL || json_is_string(id) || json_is_number(id) || json_is_null(id));
}

static void
handle_call(struct rpc_body *body, json_t *request)
{
        const char *method = json_string_value(json_object_get(request, "method"));
        json_t *id = json_object_get(request, "id"), *params;
        const struct rpc_row *row;
        struct lx_why why = {{0}};

        if (!is_request(request)) {
                refuse(body, NULL, CODE_INVALID, "not a JSON-RPC 2.0 request");
                return;
        }
        row = find_row(body->rpc, method);
        if (row == NULL) {
                char text[128];

                (void)snprintf(text, sizeof(text), "there is no method %.60s: see rpc.help", method);
                refuse_call(body, id, CODE_METHOD, text);
                return;
        }
        params = take_params(row, json_object_get(request, "params"), &why);
        if (params == NULL)
                refuse_call(body, id, CODE_PARAMS, why.text);
        else
                run_call(body, row, id, params);
}

/* ---- batches ----------------------------------------------------------------------------------- */

static void
refuse_large(struct rpc_body *body, json_t *request)
{
        json_t *id = json_object_get(request, "id");

        body->rpc->errors++;
        if (id != NULL && is_request(request))
                add_answer(body, envelope(id, "error", error_json(CODE_OURS - (int)LX_ERR_LIMIT,
                    "the answers of this batch, or those that were not taken yet, are too large together: ask in "
                    "smaller batches", LX_ERR_LIMIT)));
}

/* Clients that ask for much and take nothing must not use up the memory; small batches always go on. */
static bool
has_room(const struct rpc_body *body)
{
        const struct rpc_options *options = &body->rpc->options;

        if (body->answers.len <= RPC_ANSWER_SMALL)
                return true;
        return body->answers.len <= RPC_ANSWER_MAX &&
            body->rpc->held + (options->unsent != NULL ? options->unsent(options->daemon) : 0) <= RPC_ANSWERS_MAX;
}

/* The batch's calls for one turn; it waits for the next when there are more, else it may answer. */
static void
run_batch(struct rpc_body *body)
{
        uint64_t end = lx_clock_now_ms() + TURN_MS;
        struct rpc *rpc = body->rpc;

        body->pending++; /* this function */
        while (body->requests != NULL) {
                json_t *request = json_array_get(body->requests, body->next++);

                if (has_room(body))
                        handle_call(body, request);
                else
                        refuse_large(body, request);
                if (body->next == json_array_size(body->requests)) {
                        json_decref(body->requests);
                        body->requests = NULL;
                } else if (lx_clock_now_ms() >= end) {
                        break;
                }
        }
        body->pending--;
        if (body->requests == NULL) {
                finish_body(body);
                return;
        }
        body->later = NULL;
        *rpc->waiting_end = body;
        rpc->waiting_end = &body->later;
        io_timer_set(rpc->turn, 0);
}

static struct rpc_body *
take_waiting(struct rpc *rpc)
{
        struct rpc_body *body = rpc->waiting;

        rpc->waiting = body->later;
        if (rpc->waiting == NULL)
                rpc->waiting_end = &rpc->waiting;
        return body;
}

/* The rest of a batch is not run: the node stops, or nobody waits for it. */
static void
drop_body(struct rpc *rpc)
{
        struct rpc_body *body = take_waiting(rpc);

        json_decref(body->requests);
        body->requests = NULL;
        finish_body(body);
}

static void
take_turns(void *arg)
{
        struct rpc *rpc = arg;

        if (rpc->waiting == NULL)
                return;
        if (io_http_is_gone(rpc->waiting->req))
                drop_body(rpc);
        else
                run_batch(take_waiting(rpc));
        if (rpc->waiting != NULL)
                io_timer_set(rpc->turn, 0);
}

/* ---- bodies ------------------------------------------------------------------------------------ */

/* jansson recurses: how deep the text nests is counted before it is parsed. */
static bool
is_too_deep(struct lx_span text)
{
        unsigned depth = 0;
        bool in_string = false;

        for (size_t i = 0; i < text.len; i++) {
                uint8_t c = text.p[i];

                if (in_string) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                in_string = false;
                } else if (c == '"') {
                        in_string = true;
                } else if (c == '[' || c == '{') {
                        if (++depth > RPC_DEPTH_MAX)
                                return true;
                } else if ((c == ']' || c == '}') && depth > 0) {
                        depth--;
                }
        }
        return false;
}

static void
handle_body(struct rpc *rpc, struct io_http_request *req)
{
        struct lx_span text = io_http_body(req);
        struct rpc_body *body;
        json_error_t error;
        json_t *json;

        if (rpc->options.ledger != NULL && rpc_quick_body(rpc, req, text))
                return;
        json = is_too_deep(text)
            ? NULL : json_loadb((const char *)text.p, text.len, JSON_REJECT_DUPLICATES, &error);
        body = lx_alloc(sizeof(*body));
        body->rpc = rpc;
        body->req = req;
        body->view = rpc->options.ledger != NULL ? ledger_view_new(rpc->options.ledger) : NULL;
        body->pending = 1; /* this function: nothing answers before all calls have begun */
        body->batch = json_is_array(json);
        if (json == NULL)
                refuse(body, NULL, CODE_PARSE, "the body is no JSON (or nests too deeply)");
        else if (body->batch && (json_array_size(json) == 0 || json_array_size(json) > RPC_BATCH_MAX)) {
                body->batch = false;
                refuse(body, NULL, CODE_INVALID, "a batch holds 1 to 1000 calls");
        } else if (body->batch) {
                body->requests = json;
                body->pending--;
                run_batch(body);
                return;
        } else {
                handle_call(body, json);
        }
        json_decref(json);
        body->pending--;
        finish_body(body);
}

/* ---- requests ---------------------------------------------------------------------------------- */

static bool
is_allowed(const struct rpc *rpc, struct io_http_request *req, const char *path)
{
        const char *auth;

        if (io_http_is_local(req) || strcmp(path, "/health") == 0 || strcmp(path, "/ready") == 0 ||
            (rpc->options.open_metrics && strcmp(path, "/metrics") == 0))
                return true;
        auth = io_http_header(req, "Authorization");
        return auth != NULL && rpc->auth[0] != '\0' && strlen(auth) == strlen(rpc->auth) &&
            lx_ct_equal(auth, rpc->auth, strlen(auth));
}

/* A browser that knows the cookie must not lend it to other sites' pages. */
static bool
is_foreign(struct io_http_request *req)
{
        const char *origin = io_http_header(req, "Origin"), *host = io_http_header(req, "Host");
        const char *site = io_http_header(req, "Sec-Fetch-Site"), *at;

        if (site != NULL && strcmp(site, "cross-site") == 0 && io_http_method(req) != IO_HTTP_GET)
                return true;
        if (origin == NULL)
                return false;
        at = strstr(origin, "://");
        return host == NULL || at == NULL || strcmp(at + 3, host) != 0;
}

void
rpc_handle(void *arg, struct io_http_request *req)
{
        static const char no_cookie[] = "{\"error\":\"the cookie is missing or wrong: it is in "
                                        "<datadir>/.cookie\"}\n";
        static const char no_origin[] = "{\"error\":\"a page of another origin asks\"}\n";
        static const char no_path[] = "{\"error\":\"there is nothing here: POST /rpc\"}\n";
        static const char no_method[] = "{\"error\":\"this method is not allowed here\"}\n";
        struct rpc *rpc = arg;
        const char *path = io_http_path(req);

        if (is_foreign(req))
                io_http_reply(req, 403, "application/json", no_origin, sizeof(no_origin) - 1);
        else if (!is_allowed(rpc, req, path)) {
                /* A browser asks for user and password, and keeps them for this origin. */
                if (io_http_method(req) == IO_HTTP_GET)
                        io_http_add_header(req, "WWW-Authenticate", "Basic realm=\"lxnoded\", charset=\"UTF-8\"");
                io_http_reply(req, 401, "application/json", no_cookie, sizeof(no_cookie) - 1);
        } else if (rpc_handle_page(rpc, req, path))
                return;
        else if (strcmp(path, "/") == 0 || strcmp(path, "/rpc") == 0) {
                if (io_http_method(req) == IO_HTTP_POST)
                        handle_body(rpc, req);
                else
                        io_http_reply(req, 405, "application/json", no_method, sizeof(no_method) - 1);
        } else if (rpc->options.light != NULL ? !rpc_light_path(rpc, req, path) : !rpc_handle_path(rpc, req, path))
                io_http_reply(req, 404, "application/json", no_path, sizeof(no_path) - 1);
}

/* ---- what handlers use ------------------------------------------------------------------------- */

bool
rpc_has(const struct rpc_call *call, const char *name)
{
        return json_object_get(call->params, name) != NULL;
}

uint64_t
rpc_u64(const struct rpc_call *call, const char *name)
{
        return (uint64_t)json_integer_value(json_object_get(call->params, name));
}

const char *
rpc_str(const struct rpc_call *call, const char *name)
{
        return json_string_value(json_object_get(call->params, name));
}

struct lx_hash
rpc_hash(const struct rpc_call *call, const char *name)
{
        const char *s = rpc_str(call, name);
        struct lx_hash hash = {{0}};

        if (s != NULL)
                (void)lx_unhex(s, strlen(s), hash.b, LX_HASH_LEN);
        return hash;
}

uint64_t
rpc_limit(const struct rpc_call *call, const char *name, uint64_t def, uint64_t max)
{
        uint64_t v = rpc_has(call, name) ? rpc_u64(call, name) : def;

        return v < max ? v : max;
}

json_t *
rpc_number(uint64_t n)
{
        return json_integer((json_int_t)n);
}

json_t *
rpc_time(uint64_t ms)
{
        char text[25];

        lx_walltime_format((struct lx_walltime){ms}, text);
        return json_string(text);
}

void
rpc_set(struct rpc_call *call, const char *name, json_t *value)
{
        json_object_set_new(call->result, name, value);
}

int
rpc_http_status(enum lx_err err)
{
        switch ((int)err) {
        case LX_OK:
                return 200;
        case LX_ERR_ABSENT:
                return 404;
        case LX_ERR_IO:
        case LX_ERR_CORRUPT:
                return 500;
        case LX_ERR_FULL:
                return 507;
        case LX_ERR_BUSY:
        case LX_ERR_LIMIT:
                return 503;
        default:
                return 400;
        }
}
