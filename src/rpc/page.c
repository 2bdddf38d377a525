/* rpc/page.c - the page that a person looks at (page.html, page.css, proof.js, page.js), and what keeps it live. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "rpc/page_files.inc"

#include <stdlib.h>
#include <string.h>

#define TICK_MS 1000
#define SAY_MS 15000 /* a sign of life for whoever keeps a connection open */

static const struct page_file {
        const char *path, *type;
        const uint8_t *bytes;
        size_t len;
} FILES[] = {
    {"/", "text/html; charset=utf-8", page_html, sizeof(page_html)},
    {"/page.css", "text/css; charset=utf-8", page_css, sizeof(page_css)},
    {"/proof.js", "text/javascript; charset=utf-8", proof_js, sizeof(proof_js)},
    {"/page.js", "text/javascript; charset=utf-8", page_js, sizeof(page_js)},
};

/* ---- events: what changed, once a second, the same text for all ---------------------------------- */

/* Everything that status says but what changes with every look. */
static char *
status_text(struct rpc *rpc)
{
        struct ledger_view *view = ledger_view_new(rpc->options.ledger);
        json_t *o = json_object();
        char *text;

        rpc_status_json(rpc, view, o);
        json_object_del(o, "uptime_ms");
        json_object_del(o, "age_ms");
        json_object_set_new(o, "router", json_boolean(rpc->options.router != NULL));
        json_object_set_new(o, "guard_told", json_boolean(rpc->guard != NULL));
        ledger_view_unref(view);
        text = json_dumps(o, JSON_COMPACT);
        json_decref(o);
        return text;
}

static void
drop_stream(struct rpc *rpc, size_t i)
{
        io_http_end(rpc->stream[i]);
        rpc->stream[i] = rpc->stream[--rpc->stream_count];
}

/* A client that has left is found out by what is sent to it. */
static void
drop_gone(struct rpc *rpc)
{
        for (size_t i = rpc->stream_count; i-- > 0;)
                if (io_http_is_gone(rpc->stream[i]))
                        drop_stream(rpc, i);
}

static void
send_all(struct rpc *rpc, const void *bytes, size_t len)
{
        for (size_t i = rpc->stream_count; i-- > 0;)
                if (!io_http_send(rpc->stream[i], bytes, len))
                        drop_stream(rpc, i);
}

void
rpc_page_tick(void *arg)
{
        struct rpc *rpc = arg;
        uint64_t now = lx_clock_now_ms();
        struct lx_buf event = {0};
        char *text;

        drop_gone(rpc);
        if (rpc->stream_count == 0)
                return;
        text = status_text(rpc);
        if (rpc->said == NULL || strcmp(text, rpc->said) != 0) {
                lx_buf_printf(&event, "data: %s\n\n", text);
                free(rpc->said);
                rpc->said = text;
        } else {
                free(text);
                if (now - rpc->said_ms >= SAY_MS)
                        lx_buf_printf(&event, ":\n\n");
        }
        if (event.len > 0) {
                send_all(rpc, event.p, event.len);
                rpc->said_ms = now;
        }
        lx_buf_clear(&event);
        if (rpc->stream_count > 0)
                io_timer_set(rpc->page_timer, TICK_MS);
}

static void
begin_stream(struct rpc *rpc, struct io_http_request *req)
{
        static const char full[] = "{\"error\":\"too many pages look at this node: close one\"}\n";
        struct lx_buf event = {0};

        drop_gone(rpc);
        if (rpc->stream_count == RPC_STREAMS_MAX) {
                io_http_reply(req, 503, "application/json", full, sizeof(full) - 1);
                return;
        }
        io_http_begin(req, 200, "text/event-stream");
        free(rpc->said);
        rpc->said = status_text(rpc);
        lx_buf_printf(&event, "retry: 3000\ndata: %s\n\n", rpc->said);
        if (io_http_send(req, event.p, event.len)) {
                rpc->stream[rpc->stream_count++] = req;
                io_timer_set(rpc->page_timer, TICK_MS);
        } else {
                io_http_end(req);
        }
        lx_buf_clear(&event);
}

void
rpc_page_free(struct rpc *rpc)
{
        while (rpc->stream_count > 0)
                drop_stream(rpc, rpc->stream_count - 1);
        io_timer_free(rpc->page_timer);
        free(rpc->said);
}

/* ---- files -------------------------------------------------------------------------------------- */

/* Nothing from elsewhere, nothing inline, in nobody's frame. */
static void
reply_file(struct io_http_request *req, const struct page_file *file)
{
        io_http_add_header(req, "Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
        io_http_add_header(req, "X-Content-Type-Options", "nosniff");
        io_http_add_header(req, "Referrer-Policy", "no-referrer");
        io_http_add_header(req, "Cache-Control", "no-cache");
        io_http_reply(req, 200, file->type, file->bytes, file->len);
}

bool
rpc_handle_page(struct rpc *rpc, struct io_http_request *req, const char *path)
{
        if (io_http_method(req) != IO_HTTP_GET)
                return false;
        for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++)
                if (strcmp(path, FILES[i].path) == 0) {
                        reply_file(req, &FILES[i]);
                        return true;
                }
        if (strcmp(path, "/events") != 0)
                return false;
        begin_stream(rpc, req);
        return true;
}
