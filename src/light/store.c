/* light/store.c - see light/store.h. */
#include "config.h"
#include "light/store.h"

#include "crypto/hash.h"
#include "crypto/tags.h"

#include <string.h>

#define NAME "light"
#define HEAD 16u
#define RECORD_HEAD 12u

static const char MAGIC[8] = {'L', 'X', 'L', 'I', 'G', 'H', 'T', '1'};

static void
checksum(uint64_t number, uint64_t offset, struct lx_span content, uint8_t out[8])
{
        uint8_t head[20];
        struct lx_writer wr = lx_writer_init(head, sizeof(head));
        struct lx_span parts[2] = {LX_SPAN(head, sizeof(head)), content};
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct lx_hash hash;

        lx_write_u64(&wr, number);
        lx_write_u64(&wr, offset);
        lx_write_u32(&wr, (uint32_t)content.len);
        ops->hash(ops->ctx, &LX_TAG_LIGHT, parts, 2, &hash);
        memcpy(out, hash.b, 8);
}

static void
put_record(struct lx_buf *out, uint64_t number, uint64_t offset, struct lx_span content)
{
        uint8_t head[RECORD_HEAD];
        struct lx_writer wr = lx_writer_init(head, sizeof(head));
        uint8_t sum[8];

        checksum(number, offset, content, sum);
        lx_write_u32(&wr, (uint32_t)content.len);
        lx_write_bytes(&wr, sum, sizeof(sum));
        lx_buf_append(out, head, sizeof(head));
        lx_buf_append(out, content.p, content.len);
}

/* The whole record at @offset of @log; false: there is none. */
static bool
find_record(const struct lx_buf *log, uint64_t number, size_t offset, struct lx_span *out_content)
{
        struct lx_reader rd = lx_reader_init(log->p + offset, log->len - offset);
        uint32_t len = lx_read_u32(&rd);
        uint8_t sum[8], is[8];

        lx_read_bytes(&rd, sum, sizeof(sum));
        if (rd.err != LX_OK || len == 0 || len > LIGHT_RECORD_MAX || len > rd.left)
                return false;
        *out_content = LX_SPAN(rd.p, len);
        checksum(number, offset, *out_content, is);
        return memcmp(sum, is, sizeof(sum)) == 0; /* public */
}

static enum lx_err
begin_log(struct light_store *store, struct light *light, struct lx_why *why)
{
        struct lx_buf all = {0}, log = {0};
        uint8_t head[HEAD];
        struct lx_writer wr = lx_writer_init(head, sizeof(head));
        enum lx_err err;

        lx_write_bytes(&wr, MAGIC, sizeof(MAGIC));
        lx_write_u64(&wr, store->number + 1);
        lx_buf_append(&log, head, sizeof(head));
        light_snapshot(light, &all);
        put_record(&log, store->number + 1, HEAD, lx_buf_span(&all));
        err = store->storage->replace(store->storage->arg, NAME, log.p, log.len);
        if (err == LX_OK) {
                store->number++;
                store->end = store->base = log.len;
                lx_buf_reset(light_changes(light));
        } else {
                store->broken = true;
                lx_why_set(why, "the light store cannot be written: %s", lx_err_text(err));
        }
        lx_buf_clear(&all);
        lx_buf_clear(&log);
        return err;
}

/* What is not whole at @offset: torn at the end, or damaged before it. */
static enum lx_err
end_log(struct light_store *store, const struct lx_buf *log, size_t offset, struct lx_why *why)
{
        struct lx_span content;

        for (size_t at = offset + 1; at < log->len; at++)
                if (find_record(log, store->number, at, &content)) {
                        lx_why_set(why, "the light store is damaged at byte %zu: move the file \"" NAME "\" away and "
                            "start again with --trust HEIGHT:HASH; what was verified is fetched again", offset);
                        return LX_ERR_CORRUPT;
                }
        return store->storage->cut(store->storage->arg, NAME, offset);
}

static enum lx_err
read_log(struct light_store *store, const struct lx_buf *log, struct light *light, struct lx_why *why)
{
        struct lx_reader rd = lx_reader_init(log->p, log->len);
        struct lx_span magic = lx_read_span(&rd, sizeof(MAGIC)), content;
        struct lx_buf all = {0};
        size_t at = HEAD;
        enum lx_err err = LX_OK;

        store->number = lx_read_u64(&rd);
        if (rd.err != LX_OK || memcmp(magic.p, MAGIC, sizeof(MAGIC)) != 0) { /* public */
                lx_why_set(why, "the file \"" NAME "\" is no light store of this version");
                return LX_ERR_VERSION;
        }
        while (at < log->len && err == LX_OK && find_record(log, store->number, at, &content)) {
                err = light_replay(light, content.p, content.len);
                at += RECORD_HEAD + content.len;
        }
        if (err == LX_ERR_EXISTS)
                lx_why_set(why, "the light store is of another network: use another --datadir");
        else if (err != LX_OK)
                lx_why_set(why, "the light store has a record that this program cannot read");
        if (err == LX_OK && at < log->len)
                err = end_log(store, log, at, why);
        store->end = at;
        light_snapshot(light, &all);
        store->base = HEAD + RECORD_HEAD + all.len;
        lx_buf_clear(&all);
        return err;
}

enum lx_err
light_store_open(struct light_store *out_store, const struct ledger_storage *storage, struct light *light,
    struct lx_why *why)
{
        struct light_store store = {.storage = storage};
        struct lx_buf log = {0};
        enum lx_err err = storage->read(storage->arg, NAME, &log);

        if (err == LX_ERR_ABSENT)
                err = begin_log(&store, light, why);
        else if (err == LX_OK)
                err = read_log(&store, &log, light, why);
        lx_buf_clear(&log);
        if (err == LX_OK)
                *out_store = store;
        else
                lx_why_set(why, "the light store cannot be read: %s", lx_err_text(err));
        return err;
}

enum lx_err
light_store_sync(struct light_store *store, struct light *light, struct lx_why *why)
{
        struct lx_buf *changes = light_changes(light), record = {0};
        enum lx_err err;

        if (store->broken) {
                lx_why_set(why, "the light store could not be written before: restart");
                return LX_ERR_IO;
        }
        if (changes->len == 0)
                return LX_OK;
        if (store->end > 2 * store->base + LIGHT_LOG_SLACK)
                return begin_log(store, light, why);
        put_record(&record, store->number, store->end, lx_buf_span(changes));
        err = store->storage->write(store->storage->arg, NAME, store->end, record.p, record.len);
        if (err == LX_OK)
                err = store->storage->sync(store->storage->arg, NAME);
        if (err == LX_OK) {
                store->end += record.len;
                lx_buf_reset(changes);
        } else {
                store->broken = true;
                lx_why_set(why, "the light store cannot be written: %s", lx_err_text(err));
        }
        lx_buf_clear(&record);
        return err;
}
