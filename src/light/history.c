/* light/history.c - see light/history.h: what comes, is proven and stored. */
#include "config.h"
#include "light/history_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/tags.h"

#include <string.h>

static const char MAGIC[8] = {'L', 'X', 'H', 'I', 'S', 'T', '0', '1'};

/* ---- the chain of headers ------------------------------------------------------------------------ */

static void
note_run(void *arg, unsigned level, uint64_t index, const struct lx_hash *node)
{
        struct history_point *point = arg;

        (void)index;
        if (level == HISTORY_LEVEL)
                point->run_root = *node;
}

void
history_advance(const struct light_history *h, struct history_point *point, const struct ledger_header *header,
    const struct lx_hash *hash)
{
        struct lx_hash leaf;

        merkle_log_leaf(h->ops, hash->b, LX_HASH_LEN, &leaf);
        merkle_frontier_append(h->ops, &point->frontier, &leaf, note_run, point);
        point->header = *header;
        point->hash = *hash;
}

enum lx_err
history_read_next(const struct light_history *h, const struct history_point *point, struct lx_reader *rd,
    struct ledger_header *out_header)
{
        struct ledger_narrow_known known = {.header = point->header, .hash = point->hash};
        struct ledger_header header;
        struct lx_hash root;
        enum lx_err err;

        merkle_frontier_root(h->ops, &point->frontier, &root);
        known.history = &root;
        err = ledger_narrow_decode(h->ops, &known, rd, &header);
        if (err == LX_OK && (header.height != point->header.height + 1 || !lx_hash_eq(&header.previous, &point->hash) ||
            !lx_hash_eq(&header.history_root, &root)))
                err = LX_ERR_PROOF;
        if (err == LX_OK)
                *out_header = header;
        return err;
}

/* ---- taking -------------------------------------------------------------------------------------- */

uint64_t
light_history_count(const struct light_history *h)
{
        return h->stored.frontier.size;
}

uint64_t
light_history_next(const struct light_history *h)
{
        return h->now.frontier.size;
}

uint64_t
light_history_pending(const struct light_history *h)
{
        return h->now.frontier.size - h->stored.frontier.size;
}

bool
light_history_unsynced(const struct light_history *h)
{
        return h->proven;
}

bool
light_history_unproven(const struct light_history *h, const struct light *light)
{
        struct ledger_header header;
        struct lx_span cert, set;

        if (light_history_count(h) == 0)
                return false;
        return light_history(light)->count < light_history_count(h) ||
               !light_get_head(light, light_history(light)->tip, &header, &cert, &set);
}

/* Whether one more may become pending. */
static enum lx_err
may_take(const struct light_history *h)
{
        bool full = light_history_pending(h) > 0 && light_history_next(h) % LIGHT_HISTORY_RUN == 0;

        return h->proven || h->broken || full ? LX_ERR_LIMIT : LX_OK;
}

enum lx_err
light_history_take_first(struct light_history *h, const uint8_t *bytes, size_t len, struct lx_why *why)
{
        struct ledger_header header;
        struct lx_hash hash, empty;
        enum lx_err err = light_history_next(h) == 0 ? may_take(h) : LX_ERR_EXISTS;

        if (err == LX_OK)
                err = ledger_header_decode(bytes, len, &header);
        if (err != LX_OK)
                return err;
        merkle_log_empty_root(h->ops, &empty);
        if (header.height != 0 || !lx_hash_eq(&header.chain_id, &h->chain_id) ||
            !lx_hash_eq(&header.history_root, &empty)) {
                lx_why_set(why, "it is not the first header of this network");
                return LX_ERR_PROOF;
        }
        ledger_header_hash(h->ops, &header, &hash);
        lx_buf_append(&h->pending, bytes, len);
        history_advance(h, &h->now, &header, &hash);
        return LX_OK;
}

enum lx_err
light_history_take(struct light_history *h, struct lx_reader *rd, struct lx_why *why)
{
        struct lx_reader look = *rd;
        struct ledger_header header;
        struct lx_hash hash;
        enum lx_err err = light_history_next(h) > 0 ? may_take(h) : LX_ERR_RANGE;

        if (err == LX_OK)
                err = history_read_next(h, &h->now, &look, &header);
        if (err == LX_ERR_PROOF)
                lx_why_set(why, "header %llu does not follow the one before it",
                    (unsigned long long)light_history_next(h));
        if (err != LX_OK)
                return err;
        ledger_header_hash(h->ops, &header, &hash);
        lx_buf_append(&h->pending, rd->p, rd->left - look.left);
        history_advance(h, &h->now, &header, &hash);
        *rd = look;
        return LX_OK;
}

enum lx_err
light_history_prove(struct light_history *h, const struct light *light, uint64_t tip, const uint8_t *bytes,
    size_t len, struct lx_why *why)
{
        struct light_history_mark mark = {.tip = tip, .count = light_history_next(h), .path_count = len / LX_HASH_LEN};
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct ledger_header header;
        struct lx_span cert, set;
        struct lx_hash leaf;

        if (mark.count == 0 || h->proven)
                return LX_ERR_RANGE;
        if (len % LX_HASH_LEN != 0 || mark.path_count > MERKLE_LOG_DEPTH_MAX)
                return LX_ERR_FORMAT;
        if (!light_get_head(light, tip, &header, &cert, &set))
                return LX_ERR_ABSENT;
        for (size_t i = 0; i < mark.path_count; i++)
                mark.path[i] = lx_read_hash(&rd);
        merkle_log_leaf(h->ops, h->now.hash.b, LX_HASH_LEN, &leaf);
        if (mark.count > tip || merkle_log_verify(h->ops, &leaf, mark.count - 1, tip, mark.path, mark.path_count,
                &header.history_root) != LX_OK) {
                lx_why_set(why, "the headers up to %llu are not in the history of header %llu",
                    (unsigned long long)mark.count - 1, (unsigned long long)tip);
                return LX_ERR_PROOF;
        }
        h->mark = mark;
        h->proven = true;
        return LX_OK;
}

size_t
light_history_forget(struct light_history *h)
{
        size_t len = h->proven ? 0 : h->pending.len;

        if (!h->proven) {
                lx_buf_reset(&h->pending);
                h->now = h->stored;
        }
        return len;
}

/* ---- storing ------------------------------------------------------------------------------------- */

void
history_checksum(const struct light_history *h, uint64_t offset, struct lx_span content, uint8_t out[8])
{
        uint8_t head[12];
        struct lx_writer wr = lx_writer_init(head, sizeof(head));
        struct lx_span parts[2] = {LX_SPAN(head, sizeof(head)), content};
        struct lx_hash hash;

        lx_write_u64(&wr, offset);
        lx_write_u32(&wr, (uint32_t)content.len);
        h->ops->hash(h->ops->ctx, &LX_TAG_LIGHT, parts, 2, &hash);
        memcpy(out, hash.b, 8);
}

void
history_begin_run(struct light_history *h, uint64_t offset)
{
        if ((h->runs & (h->runs - 1)) == 0) {
                size_t room = h->runs > 0 ? 2 * h->runs : 1;

                h->offset = lx_realloc(h->offset, room * sizeof(*h->offset));
                h->root = lx_realloc(h->root, room * sizeof(*h->root));
        }
        h->offset[h->runs++] = offset;
}

/* The record of what is proven, for @offset of the file. */
static void
make_record(const struct light_history *h, uint64_t offset, struct lx_buf *out)
{
        uint64_t first = light_history_count(h);
        uint8_t fixed[HISTORY_CONTENT_HEAD + LEDGER_HEADER_LEN + LX_HASH_LEN], head[HISTORY_RECORD_HEAD], sum[8];
        struct lx_writer fw = lx_writer_init(fixed, sizeof(fixed)), hw = lx_writer_init(head, sizeof(head));
        struct lx_buf content = {0};

        lx_write_u64(&fw, first);
        lx_write_u16(&fw, (uint16_t)light_history_pending(h));
        if (first > 0 && first % LIGHT_HISTORY_RUN == 0) {
                uint8_t before[LEDGER_HEADER_LEN];

                ledger_header_encode(&h->stored.header, before);
                lx_write_bytes(&fw, before, sizeof(before));
                lx_write_hash(&fw, &h->stored.run_root);
        }
        lx_buf_append(&content, fixed, fw.len);
        lx_buf_append(&content, h->pending.p, h->pending.len);
        history_checksum(h, offset, lx_buf_span(&content), sum);
        lx_write_u32(&hw, (uint32_t)content.len);
        lx_write_bytes(&hw, sum, sizeof(sum));
        lx_buf_append(out, head, hw.len);
        lx_buf_append(out, content.p, content.len);
        lx_buf_clear(&content);
}

static enum lx_err
begin_file(struct light_history *h)
{
        uint8_t head[HISTORY_HEAD];
        enum lx_err err;

        memcpy(head, MAGIC, sizeof(MAGIC));
        memcpy(head + sizeof(MAGIC), h->chain_id.b, LX_HASH_LEN);
        err = h->storage->replace(h->storage->arg, HISTORY_NAME, head, sizeof(head));
        if (err == LX_OK)
                h->bytes = HISTORY_HEAD;
        return err;
}

enum lx_err
light_history_sync(struct light_history *h, struct light *light, struct lx_why *why)
{
        struct lx_buf record = {0};
        enum lx_err err = h->broken ? LX_ERR_IO : LX_OK;

        if (!h->proven)
                return LX_OK;
        if (err == LX_OK && h->bytes == 0)
                err = begin_file(h);
        if (err == LX_OK && light_history_pending(h) > 0) {
                make_record(h, h->bytes, &record);
                err = h->storage->write(h->storage->arg, HISTORY_NAME, h->bytes, record.p, record.len);
        }
        if (err == LX_OK && record.len > 0)
                err = h->storage->sync(h->storage->arg, HISTORY_NAME);
        if (err == LX_OK) {
                if (record.len > 0 && h->stored.frontier.size % LIGHT_HISTORY_RUN == 0)
                        history_begin_run(h, h->bytes);
                h->stored = h->now;
                if (record.len > 0 && h->stored.frontier.size % LIGHT_HISTORY_RUN == 0)
                        h->root[h->runs - 1] = h->stored.run_root;
                h->bytes += record.len;
                h->mark.bytes = h->bytes;
                h->proven = false;
                lx_buf_reset(&h->pending);
                light_set_history(light, &h->mark);
        } else {
                h->broken = true;
                lx_why_set(why, "the history cannot be written: %s", lx_err_text(err));
        }
        lx_buf_clear(&record);
        return err;
}

/* ---- life ---------------------------------------------------------------------------------------- */

static enum lx_err
check_head(struct light_history *h, struct lx_why *why)
{
        uint8_t head[HISTORY_HEAD];
        size_t len = 0;
        enum lx_err err = h->storage->read_at(h->storage->arg, HISTORY_NAME, 0, head, sizeof(head), &len);

        if (err != LX_OK)
                return err;
        if (len != sizeof(head) || memcmp(head, MAGIC, sizeof(MAGIC)) != 0) { /* public */
                lx_why_set(why, "the file \"" HISTORY_NAME "\" is no history of this version");
                return LX_ERR_VERSION;
        }
        if (memcmp(head + sizeof(MAGIC), h->chain_id.b, LX_HASH_LEN) != 0) { /* public */
                lx_why_set(why, "the file \"" HISTORY_NAME "\" is of another network: use another --datadir");
                return LX_ERR_EXISTS;
        }
        h->bytes = HISTORY_HEAD;
        return LX_OK;
}

enum lx_err
light_history_open(const struct ledger_storage *storage, const struct light *light, struct light_history **out_history,
    struct lx_why *why)
{
        struct light_history *h = lx_alloc(sizeof(*h));
        enum lx_err err;

        h->storage = storage;
        h->ops = &light_ops(light)->hash;
        h->chain_id = *light_chain_id(light);
        err = check_head(h, why);
        if (err == LX_OK)
                err = history_scan(h, light, why);
        else if (err == LX_ERR_ABSENT)
                err = LX_OK; /* begun with what comes first; one that was moved away is fetched again */
        if (err != LX_OK) {
                lx_why_set(why, "the history cannot be read: %s", lx_err_text(err));
                light_history_free(h);
                return err;
        }
        h->now = h->stored;
        *out_history = h;
        return LX_OK;
}

void
light_history_free(struct light_history *h)
{
        if (h == NULL)
                return;
        lx_buf_clear(&h->pending);
        lx_free(h->offset);
        lx_free(h->root);
        lx_free(h);
}
