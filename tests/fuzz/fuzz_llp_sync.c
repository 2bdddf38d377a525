/*
 * tests/fuzz/fuzz_llp_sync.c - the messages of sync and gossip: what is accepted encodes to the same bytes. The
 * first byte chooses the decoder.
 */
#include "config.h"
#include "llp/gossip.h"
#include "llp/message.h"
#include "llp/sync_int.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_equal(const uint8_t *bytes, size_t len, const struct lx_writer *wr, const uint8_t *out)
{
        if (lx_writer_end(wr) != LX_OK || wr->len != len || memcmp(out, bytes, len) != 0)
                abort();
}

static void
try_block(const uint8_t *in, size_t len)
{
        struct lx_reader rd = lx_reader_init(in, len);
        struct body *body = lx_alloc(sizeof(*body));
        size_t sum = 4;

        if (llp_sync_read_block(&rd, body) == LX_OK) {
                for (uint32_t i = 0; i < body->tx_count; i++)
                        sum += 4 + body->txs[i].len;
                if (sum + rd.left != len)
                        abort();
        }
        llp_sync_body_free(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const unsigned types[] = {
            LLP_GET_HEADERS, LLP_GET_BLOCKS, LLP_GET_SNAPSHOT, LLP_GET_BLOB};
        static uint8_t out[LLP_SYNC_PIECE_MAX + 64];
        struct lx_writer wr = lx_writer_init(out, sizeof(out));
        struct llp_status status;
        struct llp_request request;
        struct llp_answer answer;

        if (size == 0)
                return 0;
        if (data[0] == 0 && llp_status_decode(data + 1, size - 1, &status) == LX_OK) {
                llp_status_encode(&status, &wr);
                must_equal(data + 1, size - 1, &wr, out);
        } else if (data[0] >= 1 && data[0] <= 4 &&
            llp_request_decode(types[data[0] - 1], data + 1, size - 1, &request) == LX_OK) {
                llp_request_encode(types[data[0] - 1], &request, &wr);
                must_equal(data + 1, size - 1, &wr, out);
        } else if (data[0] == 5 && llp_answer_decode(data + 1, size - 1, &answer) == LX_OK) {
                llp_answer_encode(&answer, &wr);
                must_equal(data + 1, size - 1, &wr, out);
        } else if (data[0] == 7) {
                static struct lx_hash ids[LLP_GOSSIP_IDS_MAX];
                size_t count;

                if (llp_ids_decode(data + 1, size - 1, ids, &count) == LX_OK) {
                        llp_ids_encode(ids, count, &wr);
                        must_equal(data + 1, size - 1, &wr, out);
                }
        } else if (data[0] == 6) {
                try_block(data + 1, size - 1);
        }
        return 0;
}
