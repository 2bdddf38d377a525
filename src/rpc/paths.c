/* rpc/paths.c - what is not JSON-RPC: blobs, metrics, health. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
rpc_blob_kind(const char *name, enum ledger_blob *out_kind)
{
        for (int kind = 0; kind < LEDGER_BLOB_COUNT_; kind++)
                if (strcmp(ledger_blob_kinds()[kind].name, name) == 0) {
                        *out_kind = (enum ledger_blob)kind;
                        return true;
                }
        return false;
}

static void
reply(struct io_http_request *req, int status, json_t *json)
{
        char *text = json_dumps(json, JSON_COMPACT);

        io_http_reply(req, status, "application/json", text, strlen(text));
        free(text);
        json_decref(json);
}

static void
reply_error(struct io_http_request *req, enum lx_err err, const struct lx_why *why)
{
        reply(req, rpc_http_status(err), json_pack("{s:{s:i,s:s,s:{s:s,s:b}}}", "error", "code",
            -31000 - (int)err, "message", why->text[0] != '\0' ? why->text : lx_err_text(err), "data",
            "name", lx_err_name(err), "transient", lx_err_is_transient(err)));
}

/* ---- blobs ------------------------------------------------------------------------------------- */

/* A number in the query; false when it is missing or none. */
static bool
query_u64(struct io_http_request *req, const char *name, uint64_t *out)
{
        const char *s = io_http_query(req, name);
        char *end;

        if (s == NULL || s[0] < '0' || s[0] > '9')
                return false;
        errno = 0;
        *out = strtoull(s, &end, 10);
        return *end == '\0' && errno == 0;
}

/* An upload that is checked and published on a worker, while the client waits. */
struct publishing {
        struct lx_job job;
        struct io_http_request *req;
        struct blob_upload *upload;
        uint64_t total;
        enum lx_err err;
        struct lx_why why;
};

static void
reply_upload(struct io_http_request *req, bool done, uint64_t offset)
{
        reply(req, 200, json_pack("{s:b,s:I}", "done", (int)done, "offset", (json_int_t)offset));
}

static void
run_publishing(struct lx_job *job)
{
        struct publishing *p = (struct publishing *)job;

        p->err = blob_publish(p->upload, &p->why);
}

static void
end_publishing(struct lx_job *job)
{
        struct publishing *p = (struct publishing *)job;

        if (p->err != LX_OK)
                reply_error(p->req, p->err, &p->why);
        else
                reply_upload(p->req, true, p->total);
        lx_free(p);
}

static void
publish(struct rpc *rpc, struct io_http_request *req, struct blob_upload *upload, uint64_t total)
{
        struct publishing *p = lx_alloc(sizeof(*p));

        *p = (struct publishing){.job = {.run = run_publishing, .done = end_publishing},
            .req = req,
            .upload = upload,
            .total = total};
        lx_pool_submit(rpc->options.pool, &p->job);
}

static void
put_blob(struct rpc *rpc, struct io_http_request *req, enum ledger_blob kind, const struct lx_hash *root)
{
        struct lx_span body = io_http_body(req);
        struct blob_upload *whole = NULL;
        struct lx_why why = {{0}};
        uint64_t offset, total;
        bool done = false;
        enum lx_err err = LX_ERR_RANGE;

        if (!query_u64(req, "offset", &offset) || !query_u64(req, "total", &total))
                lx_why_set(&why, "PUT needs offset and total in the query");
        else
                err = blob_put_part(rpc->options.blobs, kind, root, total, offset, body.p, body.len,
                    lx_clock_now_ms(), &done, &whole, &why);
        if (err != LX_OK)
                reply_error(req, err, &why);
        else if (whole != NULL)
                publish(rpc, req, whole, total);
        else
                reply_upload(req, done, done ? total : offset + body.len);
}

static void
patch_blob(struct rpc *rpc, struct io_http_request *req, enum ledger_blob kind, const struct lx_hash *root)
{
        const char *base_hex = io_http_query(req, "base");
        struct blob_upload *whole = NULL;
        struct lx_why why = {{0}};
        struct lx_hash base;
        uint64_t offset, total;
        bool done = false;
        enum lx_err err = LX_ERR_RANGE;

        if (base_hex == NULL || !lx_unhex(base_hex, strlen(base_hex), base.b, LX_HASH_LEN) ||
            !query_u64(req, "offset", &offset) || !query_u64(req, "total", &total))
                lx_why_set(&why, "PATCH needs base, offset and total in the query");
        else
                err = blob_patch(rpc->options.blobs, kind, &base, root, total, offset, io_http_body(req), &done,
                    &whole, &why);
        if (err != LX_OK)
                reply_error(req, err, &why);
        else if (whole != NULL)
                publish(rpc, req, whole, total);
        else
                reply_upload(req, true, total);
}

static void
get_blob(struct rpc *rpc, struct io_http_request *req, enum ledger_blob kind, const struct lx_hash *root)
{
        struct lx_why why = {{0}};
        struct lx_buf out = {0};
        uint64_t offset = 0, length = RPC_BODY_MAX, total;
        enum lx_err err = LX_OK;

        (void)query_u64(req, "offset", &offset);
        (void)query_u64(req, "length", &length);
        if (!blob_has(rpc->options.blobs, kind, root, &total))
                err = LX_ERR_ABSENT;
        else if (offset > total)
                err = LX_ERR_RANGE;
        if (err == LX_OK && length > RPC_BODY_MAX)
                length = RPC_BODY_MAX;
        if (err == LX_OK && length > total - offset)
                length = total - offset;
        if (err == LX_OK)
                err = blob_read(rpc->options.blobs, kind, root, offset, (size_t)length, &out);
        if (err == LX_OK)
                io_http_reply(req, 200, "application/octet-stream", out.p, out.len);
        else
                reply_error(req, err, &why);
        lx_buf_clear(&out);
}

static void
handle_blob(struct rpc *rpc, struct io_http_request *req, const char *rest)
{
        struct lx_why why = {{0}};
        char name[16];
        size_t len = strcspn(rest, "/");
        struct lx_hash root;
        enum ledger_blob kind;

        if (len >= sizeof(name)) {
                reply_error(req, LX_ERR_ABSENT, &why);
                return;
        }
        memcpy(name, rest, len);
        name[len] = '\0';
        if (!rpc_blob_kind(name, &kind) || rest[len] != '/' ||
            !lx_unhex(rest + len + 1, strlen(rest + len + 1), root.b, LX_HASH_LEN)) {
                lx_why_set(&why, "blobs are at /blob/manifest|leaves|content/ROOT");
                reply_error(req, LX_ERR_ABSENT, &why);
                return;
        }
        switch (io_http_method(req)) {
        case IO_HTTP_GET:
                get_blob(rpc, req, kind, &root);
                break;
        case IO_HTTP_PUT:
                put_blob(rpc, req, kind, &root);
                break;
        case IO_HTTP_PATCH:
                patch_blob(rpc, req, kind, &root);
                break;
        case IO_HTTP_POST:
        case IO_HTTP_OTHER:
                io_http_reply(req, 405, "application/json", "{}", 2);
                break;
        }
}

/* ---- health ------------------------------------------------------------------------------------ */

static void
handle_ready(struct rpc *rpc, struct io_http_request *req)
{
        struct ledger_view *view = ledger_view_new(rpc->options.ledger);
        json_t *reasons = rpc_reasons(rpc, view);
        bool ready = json_array_size(reasons) == 0;

        ledger_view_unref(view);
        reply(req, ready ? 200 : 503, json_pack("{s:b,s:o}", "ready", ready, "reasons", reasons));
}

static void
handle_metrics(struct rpc *rpc, struct io_http_request *req)
{
        struct lx_buf out = {0};

        rpc_metrics(rpc, &out);
        io_http_reply(req, 200, "text/plain; version=0.0.4", out.p, out.len);
        lx_buf_clear(&out);
}

bool
rpc_handle_path(struct rpc *rpc, struct io_http_request *req, const char *path)
{
        if (strncmp(path, "/blob/", 6) == 0)
                handle_blob(rpc, req, path + 6);
        else if (strcmp(path, "/health") == 0)
                io_http_reply(req, 200, "text/plain", "ok\n", 3);
        else if (strcmp(path, "/ready") == 0)
                handle_ready(rpc, req);
        else if (strcmp(path, "/metrics") == 0)
                handle_metrics(rpc, req);
        else
                return false;
        return true;
}
