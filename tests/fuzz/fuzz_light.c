/* tests/fuzz/fuzz_light.c - questions, parts, states and stored entries of light nodes (src/light). */
#include "config.h"
#include "fuzz.h"

#include "crypto/tags.h"
#include "light/history.h"
#include "light/pass.h"
#include "light/schedule.h"
#include "light/spray.h"

static void
fuzz_ask(const uint8_t *data, size_t size)
{
        uint8_t out[LIGHT_ASK_MAX];
        struct lx_writer wr = lx_writer_init(out, sizeof(out));
        struct light_ask ask;

        if (size > LIGHT_ASK_MAX || light_ask_decode(data, size, &ask) != LX_OK)
                return;
        light_ask_encode(&ask, &wr);
        if (lx_writer_end(&wr) != LX_OK || wr.len != size || memcmp(out, data, size) != 0)
                abort();
}

static void
fuzz_part(const uint8_t *data, size_t size)
{
        uint8_t out[LIGHT_PART_MAX + LIGHT_PART_HEAD];
        struct lx_writer wr = lx_writer_init(out, sizeof(out));
        struct light_part part;

        if (light_part_decode(data, size, &part) != LX_OK)
                return;
        light_part_encode(&part, &wr);
        if (lx_writer_end(&wr) != LX_OK || wr.len != size || memcmp(out, data, size) != 0)
                abort();
}

static void
fuzz_state(const uint8_t *data, size_t size)
{
        struct light_entry entry = {0};
        struct lx_reader rd = lx_reader_init(data, size), start;
        struct lx_buf value = {0};
        struct lx_span proof;
        struct lx_writer wr;
        static uint8_t out[1u << 16];
        bool exists;

        light_entry_decode(&rd, &entry);
        start = rd;
        if (rd.err == LX_OK && light_state_decode(&rd, &entry, &value, &exists, &proof) == LX_OK) {
                wr = lx_writer_init(out, sizeof(out));
                light_state_encode(&entry, exists ? lx_buf_span(&value) : LX_SPAN(NULL, 0), proof, &wr);
                if (lx_writer_end(&wr) != LX_OK || wr.len != start.left - rd.left ||
                    memcmp(out, start.p, wr.len) != 0)
                        abort();
        }
        lx_buf_clear(&value);
}

/* What was taken up gives a snapshot that gives the same snapshot. */
static void
fuzz_replay(const uint8_t *data, size_t size)
{
        struct light_options options = {.ops = lx_crypto_ops(), .trust_ms = 1000};
        struct light *light = light_new(&options), *again = light_new(&options);
        struct lx_buf a = {0}, b = {0};

        if (light_replay(light, data, size) == LX_OK) {
                light_snapshot(light, &a);
                if (light_replay(again, a.p, a.len) != LX_OK)
                        abort();
                light_snapshot(again, &b);
                if (a.len != b.len || memcmp(a.p, b.p, a.len) != 0)
                        abort();
        }
        lx_buf_clear(&a);
        lx_buf_clear(&b);
        light_free(light);
        light_free(again);
}

static void
fuzz_schedule(const uint8_t *data, size_t size)
{
        struct light_schedule schedule = {0};
        struct lx_why why = {{0}};

        if (light_schedule_read((const char *)data, size, &schedule, &why) == LX_OK)
                for (size_t i = 0; i < schedule.count; i++)
                        if (light_schedule_open(&schedule, schedule.windows[i].begin_ms) == NULL)
                                abort();
        light_schedule_clear(&schedule);
}

/* A light node that trusts something takes what comes, with a checksum that is right. */
static void
fuzz_pass(const uint8_t *data, size_t size)
{
        struct light_options options = {.ops = lx_crypto_ops(), .trust_ms = UINT64_MAX};
        struct light *light = light_new(&options);
        struct ledger_header header = {.rule_version = 1, .height = 4, .time_ms = 1};
        struct light_pass_result result;
        uint8_t bytes[LEDGER_HEADER_LEN];
        struct lx_buf pass = {0};
        struct lx_hash hash, sum;
        struct lx_why why = {{0}};
        bool used;

        ledger_header_encode(&header, bytes);
        ledger_header_hash(fuzz_ops(), &header, &hash);
        if (light_trust(light, 4, &hash, &used, &why) != LX_OK ||
            light_take_anchor(light, bytes, sizeof(bytes), &why) != LX_OK)
                abort();
        lx_buf_append(&pass, "LXPASS01", 8);
        lx_buf_append(&pass, options.chain_id.b, LX_HASH_LEN);
        lx_buf_append(&pass, data, size);
        lx_hash1(fuzz_ops(), &LX_TAG_LIGHT, pass.p, pass.len, &sum);
        lx_buf_append(&pass, sum.b, LX_HASH_LEN);
        (void)!light_pass_take(light, pass.p, pass.len, 0, &result, &why);
        if (light_height(light) != 4)
                abort(); /* nobody vouched */
        lx_buf_clear(&pass);
        light_free(light);
}

/* Packets one after the other: heads from the input, with a checksum that is right. */
static void
fuzz_packets(const uint8_t *data, size_t size)
{
        struct light_gather *gather = light_gather_new();
        struct lx_buf out = {0};

        for (; size >= 26; data += 26, size -= 26) {
                uint8_t packet[LIGHT_PACKET_LEN] = {0};
                struct lx_span parts[2] = {LX_SPAN(packet, 26), LX_SPAN(packet + LIGHT_PACKET_HEAD, LIGHT_SYMBOL)};
                struct lx_hash sum;

                memcpy(packet, data, 26);
                fuzz_ops()->hash(fuzz_ops()->ctx, &LX_TAG_LIGHT, parts, 2, &sum);
                memcpy(packet + 26, sum.b, 8);
                (void)!light_gather_take(gather, packet, sizeof(packet), &out);
        }
        lx_buf_clear(&out);
        light_gather_free(gather);
}

/* A file of headers, with checksums that are right where the records are whole. */
static void
fuzz_history(const uint8_t *data, size_t size)
{
        struct light_options options = {.ops = lx_crypto_ops(), .trust_ms = 1000};
        struct light *light = light_new(&options);
        struct ledger_memdisk *disk = ledger_memdisk_new();
        const struct ledger_storage *storage = ledger_memdisk_storage(disk);
        struct light_history *history = NULL;
        struct lx_reader rd = lx_reader_init(data, size);
        struct lx_buf file = {0};
        struct ledger_header header;
        struct lx_hash hash;
        struct lx_why why = {{0}};

        lx_buf_append(&file, "LXHIST01", 8);
        lx_buf_append(&file, options.chain_id.b, LX_HASH_LEN);
        while (rd.left > 2 && rd.err == LX_OK) {
                struct lx_span content = lx_read_var16(&rd, 60000);
                uint8_t head[12];
                struct lx_writer wr = lx_writer_init(head, sizeof(head));
                struct lx_span parts[2] = {LX_SPAN(head, sizeof(head)), content};
                struct lx_hash sum;

                if (content.len == 0)
                        break;
                lx_write_u64(&wr, file.len);
                lx_write_u32(&wr, (uint32_t)content.len);
                fuzz_ops()->hash(fuzz_ops()->ctx, &LX_TAG_LIGHT, parts, 2, &sum);
                lx_buf_append(&file, head + 8, 4);
                lx_buf_append(&file, sum.b, 8);
                lx_buf_append(&file, content.p, content.len);
        }
        if (storage->replace(storage->arg, "history", file.p, file.len) == LX_OK &&
            light_history_open(storage, light, &history, &why) == LX_OK) {
                for (uint64_t h = 0; h < light_history_count(history); h++)
                        if (light_history_get(history, h, &header, &hash, &why) == LX_OK && header.height != h)
                                abort();
                (void)!light_history_take(history, &rd, &why);
        }
        light_history_free(history);
        ledger_memdisk_free(disk);
        lx_buf_clear(&file);
        light_free(light);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size == 0)
                return 0;
        if (data[0] == 0xff) {
                fuzz_history(data + 1, size - 1);
                return 0;
        }
        switch (data[0] % 7) {
        case 0:
                fuzz_ask(data + 1, size - 1);
                break;
        case 1:
                fuzz_part(data + 1, size - 1);
                break;
        case 2:
                fuzz_state(data + 1, size - 1);
                break;
        case 3:
                fuzz_replay(data + 1, size - 1);
                break;
        case 4:
                fuzz_schedule(data + 1, size - 1);
                break;
        case 5:
                fuzz_pass(data + 1, size - 1);
                break;
        default:
                fuzz_packets(data + 1, size - 1);
                break;
        }
        return 0;
}
