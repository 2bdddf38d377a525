/* llp/sync_serve.c - answering others: made on the pool, sent when there is room. */
#include "config.h"
#include "llp/sync_int.h"

#include "llp/message.h"
#include "llp/net.h"

#include <string.h>

/* An answer that is being made: one a peer. */
struct serve_job {
        struct lx_job job; /* first */
        struct llp_sync *sync;
        uint32_t peer;
        unsigned type;
        struct llp_request request;
        struct ledger_view *view;
        struct lx_buf out;
        enum lx_err err;
};

/* ---- making ------------------------------------------------------------------------------------ */

/* One header with its certificate, and its set when it is another one than @set. */
static enum lx_err
add_header(struct serve_job *job, uint64_t height, struct lx_hash *set)
{
        struct ledger_header header;
        uint8_t bytes[LEDGER_HEADER_LEN], len[2];
        struct lx_buf cert = {0}, valset = {0};
        struct lx_writer wr;
        enum lx_err err = ledger_get_header(job->view, height, &header);

        if (err == LX_OK)
                err = ledger_get_cert(job->view, height, &cert);
        if (err == LX_OK && !lx_hash_eq(&header.valset, set))
                err = ledger_get_valset(job->view, &header.valset, &valset);
        if (err == LX_OK && job->out.len + sizeof(bytes) + 4 + cert.len + valset.len > LLP_SYNC_PIECE_MAX)
                err = LX_ERR_LIMIT;
        if (err == LX_OK) {
                ledger_header_encode(&header, bytes);
                lx_buf_append(&job->out, bytes, sizeof(bytes));
                wr = lx_writer_init(len, sizeof(len));
                lx_write_u16(&wr, (uint16_t)cert.len);
                lx_buf_append(&job->out, len, sizeof(len));
                lx_buf_append(&job->out, cert.p, cert.len);
                wr = lx_writer_init(len, sizeof(len));
                lx_write_u16(&wr, (uint16_t)valset.len);
                lx_buf_append(&job->out, len, sizeof(len));
                lx_buf_append(&job->out, valset.p, valset.len);
                *set = header.valset;
        }
        lx_buf_clear(&cert);
        lx_buf_clear(&valset);
        return err;
}

static enum lx_err
make_headers(struct serve_job *job)
{
        struct lx_hash set = {{0}};
        enum lx_err err = LX_OK;

        for (unsigned i = 0; i < job->request.count && err == LX_OK; i++)
                if (job->request.from + i > ledger_view_header(job->view)->height)
                        break;
                else
                        err = add_header(job, job->request.from + i, &set);
        return err == LX_ERR_LIMIT && job->out.len > 0 ? LX_OK : err;
}

static void
append_u32(struct lx_buf *out, uint32_t v)
{
        uint8_t bytes[4];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        lx_write_u32(&wr, v);
        lx_buf_append(out, bytes, sizeof(bytes));
}

static enum lx_err
add_block(struct serve_job *job, uint64_t height)
{
        struct lx_buf ids = {0}, tx = {0};
        enum lx_err err = ledger_get_tx_ids(job->view, height, &ids);

        if (err == LX_OK)
                append_u32(&job->out, (uint32_t)(ids.len / LX_HASH_LEN));
        for (size_t at = 0; at < ids.len && err == LX_OK; at += LX_HASH_LEN) {
                struct lx_hash id;
                uint64_t where;
                uint32_t index;

                memcpy(id.b, ids.p + at, LX_HASH_LEN);
                lx_buf_reset(&tx);
                err = ledger_get_tx(job->view, &id, &tx, &where, &index);
                if (err == LX_OK) {
                        append_u32(&job->out, (uint32_t)tx.len);
                        lx_buf_append(&job->out, tx.p, tx.len);
                }
        }
        lx_buf_clear(&ids);
        lx_buf_clear(&tx);
        return err;
}

static enum lx_err
make_blocks(struct serve_job *job)
{
        for (unsigned i = 0; i < job->request.count && job->out.len < SERVE_BLOCKS_BYTES; i++) {
                uint64_t height = job->request.from + i;
                size_t before = job->out.len;
                enum lx_err err;

                if (height > ledger_view_header(job->view)->height)
                        break;
                err = height < ledger_view_pruned_below(job->view) ? LX_ERR_PRUNED
                                                                   : add_block(job, height);
                if (err != LX_OK) {
                        job->out.len = before;
                        return before > 0 ? LX_OK : err;
                }
        }
        return LX_OK;
}

static enum lx_err
make_blob(struct serve_job *job)
{
        struct blob_store *blobs = job->sync->options.blobs;
        uint64_t len = 0, offset = job->request.offset, part;
        uint8_t total[8];

        if (blobs == NULL || !blob_has(blobs, job->request.section, &job->request.tree, &len))
                return LX_ERR_ABSENT;
        if (offset >= len)
                return LX_ERR_RANGE;
        part = len - offset < LLP_SYNC_PIECE_MAX - 8 ? len - offset : LLP_SYNC_PIECE_MAX - 8;
        lx_put_be64(total, len);
        lx_buf_append(&job->out, total, sizeof(total));
        return blob_read(
            blobs, job->request.section, &job->request.tree, offset, (size_t)part, &job->out);
}

static void
run_serve(struct lx_job *lx)
{
        struct serve_job *job = (struct serve_job *)lx;

        if (job->type == LLP_GET_HEADERS) {
                job->err = make_headers(job);
        } else if (job->type == LLP_GET_BLOCKS) {
                job->err = make_blocks(job);
        } else if (job->type == LLP_GET_BLOB) {
                job->err = make_blob(job);
        } else {
                struct ledger_want want = {.section = (enum ledger_section)job->request.section,
                    .tree = job->request.tree,
                    .key = job->request.key,
                    .offset = job->request.offset};

                job->err =
                    ledger_snapshot_piece(job->view, job->request.from, &want, &job->out);
        }
        if (job->err == LX_OK && job->out.len == 0)
                job->err = LX_ERR_ABSENT;
}

/* ---- sending ----------------------------------------------------------------------------------- */

static void
send_not_found(struct llp_sync *sync, uint32_t peer, uint32_t id, enum lx_err err)
{
        const struct llp_net *net = sync->options.net;
        uint8_t bytes[5];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        lx_write_u32(&wr, id);
        lx_write_u8(&wr, (uint8_t)(err == LX_ERR_PRUNED ? 2 : err == LX_ERR_LIMIT ? 3 : 1));
        (void)net->send(net->arg, peer, LLP_NOT_FOUND, bytes, wr.len);
}

static void
end_serve(struct lx_job *lx)
{
        struct serve_job *job = (struct serve_job *)lx;
        struct llp_sync *sync = job->sync;
        struct sync_peer *peer = llp_sync_find_peer(sync, job->peer);

        ledger_view_unref(job->view);
        if (peer != NULL && peer->job == job) {
                peer->job = NULL;
                if (job->err != LX_OK && !sync->stopping) {
                        send_not_found(sync, peer->handle, job->request.id, job->err);
                } else {
                        peer->answer = job->out;
                        job->out = (struct lx_buf){0};
                        peer->answer_at = 0;
                        peer->answer_number = 0;
                        peer->answer_id = job->request.id;
                        peer->answer_type = llp_sync_answer_of(job->type);
                }
        }
        lx_buf_clear(&job->out);
        lx_free(job);
        llp_sync_pump(sync);
}

/* Send pieces of the answer while there is room; true: all of it is queued. */
static bool
send_answer(struct llp_sync *sync, struct sync_peer *peer)
{
        const struct llp_net *net = sync->options.net;
        uint8_t bytes[LLP_SYNC_PIECE_MAX + 9];

        while (net->has_room(net->arg, peer->handle, peer->answer_type)) {
                size_t left = peer->answer.len - peer->answer_at;
                size_t part = left < LLP_SYNC_PIECE_MAX ? left : LLP_SYNC_PIECE_MAX;
                struct llp_answer answer = {.id = peer->answer_id,
                    .number = peer->answer_number,
                    .last = part == left,
                    .bytes = LX_SPAN(peer->answer.p + peer->answer_at, part)};
                struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

                llp_answer_encode(&answer, &wr);
                if (!net->send(net->arg, peer->handle, peer->answer_type, bytes, wr.len))
                        return false;
                sync->stats.bytes_out += wr.len;
                peer->answer_at += part;
                peer->answer_number++;
                if (part == left) {
                        lx_buf_clear(&peer->answer);
                        peer->answer_type = 0;
                        return true;
                }
        }
        return false;
}

static void
make_next(struct llp_sync *sync, struct sync_peer *peer)
{
        struct served *served = peer->first;
        struct serve_job *job = lx_alloc(sizeof(*job));

        peer->first = served->next;
        if (peer->first == NULL)
                peer->end = &peer->first;
        peer->waiting--;
        job->job.run = run_serve;
        job->job.done = end_serve;
        job->sync = sync;
        job->peer = peer->handle;
        job->type = served->type;
        job->request = served->request;
        job->view = ledger_view_new(sync->options.ledger);
        peer->job = job;
        lx_free(served);
        lx_pool_submit(sync->options.pool, &job->job);
}

void
llp_sync_plan_serving(struct llp_sync *sync)
{
        const struct llp_net *net = sync->options.net;

        for (size_t i = 0; i < sync->peer_count; i++) {
                struct sync_peer *peer = sync->peer[i];

                if (peer->answer_type != 0 && !send_answer(sync, peer))
                        continue;
                if (peer->job == NULL && peer->answer_type == 0 && peer->first != NULL &&
                    net->has_room(net->arg, peer->handle, llp_sync_answer_of(peer->first->type)))
                        make_next(sync, peer);
        }
}

enum lx_err
llp_sync_serve(struct llp_sync *sync, struct sync_peer *peer, unsigned type, const uint8_t *bytes,
    size_t len)
{
        struct llp_request request;
        struct served *served;
        enum lx_err err = llp_request_decode(type, bytes, len, &request);

        if (err != LX_OK)
                return err;
        if (peer->waiting >= LLP_SYNC_SERVE_MAX) {
                send_not_found(sync, peer->handle, request.id, LX_ERR_LIMIT);
                llp_sync_punish(sync, peer->handle, 1, "more than %d questions at a time",
                    LLP_SYNC_SERVE_MAX);
                return LX_OK;
        }
        served = lx_alloc(sizeof(*served));
        served->type = type;
        served->request = request;
        *peer->end = served;
        peer->end = &served->next;
        peer->waiting++;
        return LX_OK;
}

void
llp_sync_serving_clear(struct sync_peer *peer)
{
        while (peer->first != NULL) {
                struct served *served = peer->first;

                peer->first = served->next;
                lx_free(served);
        }
        peer->end = &peer->first;
        peer->waiting = 0;
        peer->job = NULL; /* its end frees it */
        lx_buf_clear(&peer->answer);
        peer->answer_type = 0;
}

bool
llp_sync_is_serving(const struct llp_sync *sync)
{
        for (size_t i = 0; i < sync->peer_count; i++)
                if (sync->peer[i]->answer_type != 0 || sync->peer[i]->first != NULL)
                        return true;
        return false;
}
