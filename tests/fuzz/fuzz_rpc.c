/*
 * tests/fuzz/fuzz_rpc.c - bodies of JSON-RPC requests against a real ledger in memory (rpc/rpc.h).
 *
 * HTTP is left out: this file stands in for io/http. Every request is answered exactly once, with JSON.
 */
#include "config.h"
#include "fuzz.h"

#include "crypto/secret.h"
#include "ledger/genesis_json.h"
#include "ledger/kinds.h"
#include "ledger/ledger.h"
#include "lld/mem.h"
#include "rpc/rpc.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

struct io_http_request {
        struct lx_span body;
        unsigned answers;
};

enum io_http_method
io_http_method(const struct io_http_request *req)
{
        (void)req;
        return IO_HTTP_POST;
}

const char *
io_http_path(const struct io_http_request *req)
{
        (void)req;
        return "/rpc";
}

const char *
io_http_query(struct io_http_request *req, const char *name)
{
        (void)req, (void)name;
        return NULL;
}

const char *
io_http_header(struct io_http_request *req, const char *name)
{
        (void)req, (void)name;
        return NULL;
}

struct lx_span
io_http_body(struct io_http_request *req)
{
        return req->body;
}

bool
io_http_is_local(const struct io_http_request *req)
{
        (void)req;
        return true;
}

bool
io_http_is_gone(const struct io_http_request *req)
{
        (void)req;
        return false;
}

void
io_http_add_header(struct io_http_request *req, const char *name, const char *value)
{
        (void)req;
        (void)name;
        (void)value;
}

/* An answer without end ends at its first piece: the client has gone. */
void
io_http_begin(struct io_http_request *req, int status, const char *type)
{
        (void)req;
        (void)status;
        (void)type;
}

bool
io_http_send(struct io_http_request *req, const void *bytes, size_t len)
{
        (void)req;
        (void)bytes;
        (void)len;
        return false;
}

void
io_http_end(struct io_http_request *req)
{
        (void)req;
}

static struct io_loop *loop; /* a long batch takes its turns on it */

void
io_http_reply(
    struct io_http_request *req, int status, const char *type, const void *body, size_t len)
{
        json_t *json = len > 0 ? json_loadb(body, len, 0, NULL) : NULL;

        if (++req->answers > 1 || status < 200 || status > 599 || (len > 0 && json == NULL) ||
            type == NULL)
                abort();
        json_decref(json);
        io_loop_stop(loop);
}

static void
stop(void *arg)
{
        (void)arg;
}

static void
backup(void *arg, struct rpc_backup *backup)
{
        (void)arg;
        lx_why_set(&backup->why, "no backups here");
        backup->err = LX_ERR_DENIED;
        backup->done(backup);
}

static size_t
connections(void *arg)
{
        (void)arg;
        return 1;
}

static struct rpc *
make_node(void)
{
        static const char json[] = "{\"network\":\"fuzz\",\"time\":\"2026-01-31T12:00:00.000Z\","
                                   "\"validators\":[{\"name\":\"v\",\"key\":"
                                   "\"79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81"
                                   "798\",\"power\":1}],\"eid_prefix\":"
                                   "\"fd00:6c78::/32\"}";
        static char dir[] = "/tmp/fuzz_rpc.XXXXXX";
        struct lld_options options = {
            .kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true};
        struct ledger_options ledger_options = {0};
        struct rpc_options rpc = {.datadir = "/nowhere", .stop = stop, .backup = backup,
            .connections = connections};
        struct lx_buf document = {0};
        struct lx_why why = {{0}};
        struct blob_store *blobs;
        struct ledger *ledger;
        struct lld *db;

        if (lx_crypto_init() != LX_OK || mkdtemp(dir) == NULL ||
            ledger_genesis_from_json(json, sizeof(json) - 1, &document, &why) != LX_OK ||
            lld_mem_open(lld_disk_new(0), &options, &db, &why) != LX_OK ||
            blob_open(dir, ledger_blob_kinds(), LEDGER_BLOB_COUNT_, &blobs, &why) != LX_OK)
                abort();
        ledger_options.db = db;
        ledger_options.blobs = blobs;
        ledger_options.genesis = document.p;
        ledger_options.genesis_len = document.len;
        if (ledger_open(&ledger_options, &ledger, &why) != LX_OK)
                abort();
        lx_buf_clear(&document);
        rpc.loop = loop = io_loop_new();
        rpc.ledger = ledger;
        rpc.db = db;
        rpc.blobs = blobs;
        return rpc_new(&rpc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct rpc *rpc;
        struct io_http_request req = {.body = LX_SPAN(data, size)};

        if (rpc == NULL)
                rpc = make_node();
        rpc_handle(rpc, &req);
        rpc_new_block(rpc, UINT64_MAX); /* whoever waits for one */
        if (req.answers == 0)
                io_loop_run(loop);
        if (req.answers != 1)
                abort();
        return 0;
}
