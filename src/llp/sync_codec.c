/* llp/sync_codec.c - the messages of the sync machine; see llp/sync.h and doc/sync.md. */
#include "config.h"
#include "llp/sync.h"

#include "llp/message.h"

void
llp_status_encode(const struct llp_status *status, struct lx_writer *wr)
{
        if (status->snapshot_count > LLP_SYNC_SNAPSHOTS_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u64(wr, status->height);
        lx_write_hash(wr, &status->tip);
        lx_write_u64(wr, status->earliest);
        lx_write_u8(wr, (uint8_t)status->snapshot_count);
        for (size_t i = 0; i < status->snapshot_count && wr->err == LX_OK; i++)
                lx_write_u64(wr, status->snapshot[i]);
}

enum lx_err
llp_status_decode(const uint8_t *bytes, size_t len, struct llp_status *out_status)
{
        struct lx_reader rd = lx_reader_init(bytes, len);

        out_status->height = lx_read_u64(&rd);
        out_status->tip = lx_read_hash(&rd);
        out_status->earliest = lx_read_u64(&rd);
        out_status->snapshot_count = lx_read_u8(&rd);
        if (rd.err == LX_OK && (out_status->snapshot_count > LLP_SYNC_SNAPSHOTS_MAX ||
                                   out_status->earliest > out_status->height ||
                                   out_status->height > LLP_HEIGHT_MAX))
                lx_reader_fail(&rd, LX_ERR_RANGE);
        for (size_t i = 0; i < out_status->snapshot_count && rd.err == LX_OK; i++) {
                out_status->snapshot[i] = lx_read_u64(&rd);
                /* Rising, and heights that it has. */
                if (rd.err == LX_OK && (out_status->snapshot[i] > out_status->height ||
                                           out_status->snapshot[i] < out_status->earliest ||
                                           (i > 0 && out_status->snapshot[i] <=
                                                   out_status->snapshot[i - 1])))
                        lx_reader_fail(&rd, LX_ERR_RANGE);
        }
        return lx_reader_end(&rd);
}

/* Which fields a request has. */
static bool
is_range(unsigned type)
{
        return type == LLP_GET_HEADERS || type == LLP_GET_BLOCKS;
}

void
llp_request_encode(unsigned type, const struct llp_request *request, struct lx_writer *wr)
{
        lx_write_u32(wr, request->id);
        if (is_range(type)) {
                lx_write_u64(wr, request->from);
                lx_write_u16(wr, request->count);
                return;
        }
        if (type == LLP_GET_SNAPSHOT)
                lx_write_u64(wr, request->from);
        lx_write_u8(wr, request->section);
        lx_write_hash(wr, &request->tree);
        if (type == LLP_GET_SNAPSHOT)
                lx_write_hash(wr, &request->key);
        lx_write_u64(wr, request->offset);
}

static void
read_snapshot_request(struct lx_reader *rd, struct llp_request *request)
{
        request->from = lx_read_u64(rd);
        request->section = lx_read_u8(rd);
        request->tree = lx_read_hash(rd);
        request->key = lx_read_hash(rd);
        request->offset = lx_read_u64(rd);
        if (rd->err == LX_OK && (request->section < LEDGER_SECTION_STATE ||
                                    request->section > LEDGER_SECTION_TRIE))
                lx_reader_fail(rd, LX_ERR_RANGE);
}

enum lx_err
llp_request_decode(
    unsigned type, const uint8_t *bytes, size_t len, struct llp_request *out_request)
{
        struct lx_reader rd = lx_reader_init(bytes, len);

        *out_request = (struct llp_request){.id = lx_read_u32(&rd)};
        if (is_range(type)) {
                out_request->from = lx_read_u64(&rd);
                out_request->count = lx_read_u16(&rd);
                if (rd.err == LX_OK &&
                    (out_request->count == 0 || out_request->count > LLP_RANGE_MAX ||
                        out_request->from > LLP_HEIGHT_MAX))
                        lx_reader_fail(&rd, LX_ERR_RANGE);
        } else if (type == LLP_GET_SNAPSHOT) {
                read_snapshot_request(&rd, out_request);
        } else {
                out_request->section = lx_read_u8(&rd);
                out_request->tree = lx_read_hash(&rd);
                out_request->offset = lx_read_u64(&rd);
                if (rd.err == LX_OK && out_request->section >= LEDGER_BLOB_SHARED)
                        lx_reader_fail(&rd, LX_ERR_RANGE);
        }
        return lx_reader_end(&rd);
}

void
llp_answer_encode(const struct llp_answer *answer, struct lx_writer *wr)
{
        if (answer->bytes.len > LLP_SYNC_PIECE_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u32(wr, answer->id);
        lx_write_u32(wr, answer->number);
        lx_write_u8(wr, answer->last);
        lx_write_bytes(wr, answer->bytes.p, answer->bytes.len);
}

enum lx_err
llp_answer_decode(const uint8_t *bytes, size_t len, struct llp_answer *out_answer)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        unsigned last;

        out_answer->id = lx_read_u32(&rd);
        out_answer->number = lx_read_u32(&rd);
        last = lx_read_u8(&rd);
        out_answer->last = last == 1;
        if (rd.err == LX_OK && (last > 1 || rd.left > LLP_SYNC_PIECE_MAX))
                lx_reader_fail(&rd, LX_ERR_RANGE);
        out_answer->bytes = lx_read_span(&rd, rd.err == LX_OK ? rd.left : 0);
        return lx_reader_end(&rd);
}
