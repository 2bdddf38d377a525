/* light/history_read.c - see light/history.h: finding what is stored, and proving it. */
#include "config.h"
#include "light/history_int.h"

#include "base/mem.h"
#include "crypto/tags.h"

#include <string.h>

static enum lx_err
damaged(uint64_t offset, struct lx_why *why)
{
        lx_why_set(why, "the history is damaged at byte %llu: move the file \"" HISTORY_NAME "\" away and start again; "
            "it is fetched again", (unsigned long long)offset);
        return LX_ERR_CORRUPT;
}

/* ---- records ------------------------------------------------------------------------------------- */

struct record {
        uint64_t offset, first;
        uint32_t len; /* of the content */
        uint16_t count;
        uint8_t sum[8];
};

/* The head of the record at @offset; false: there is no whole one. */
static bool
read_head(struct light_history *h, uint64_t offset, struct record *out)
{
        uint8_t bytes[HISTORY_RECORD_HEAD + HISTORY_CONTENT_HEAD], last;
        struct lx_reader rd;
        size_t len = 0;

        if (h->storage->read_at(h->storage->arg, HISTORY_NAME, offset, bytes, sizeof(bytes), &len) != LX_OK)
                return false;
        rd = lx_reader_init(bytes, len);
        *out = (struct record){.offset = offset, .len = lx_read_u32(&rd)};
        lx_read_bytes(&rd, out->sum, sizeof(out->sum));
        out->first = lx_read_u64(&rd);
        out->count = lx_read_u16(&rd);
        if (rd.err != LX_OK || out->len <= HISTORY_CONTENT_HEAD || out->len > LIGHT_HISTORY_RECORD_MAX ||
            out->count == 0 || out->first % LIGHT_HISTORY_RUN + out->count > LIGHT_HISTORY_RUN)
                return false;
        return h->storage->read_at(h->storage->arg, HISTORY_NAME, offset + HISTORY_RECORD_HEAD + out->len - 1, &last, 1,
                   &len) == LX_OK && len == 1;
}

/* Its content, checked. */
static enum lx_err
read_content(struct light_history *h, const struct record *r, struct lx_buf *out, struct lx_why *why)
{
        uint8_t sum[8];
        size_t len = 0;
        enum lx_err err;

        lx_buf_reset(out);
        err = h->storage->read_at(h->storage->arg, HISTORY_NAME, r->offset + HISTORY_RECORD_HEAD,
            lx_buf_reserve(out, r->len), r->len, &len);
        if (err != LX_OK)
                return err;
        lx_buf_add(out, len);
        history_checksum(h, r->offset, lx_buf_span(out), sum);
        return len == r->len && memcmp(sum, r->sum, sizeof(sum)) == 0 ? LX_OK : damaged(r->offset, why); /* public */
}

/* ---- runs ---------------------------------------------------------------------------------------- */

/* The edge of the tree before run @run: roots of the runs before, joined. */
static void
edge_before(const struct light_history *h, size_t run, struct merkle_frontier *out)
{
        size_t at = 0, peaks = 0;

        *out = (struct merkle_frontier){.size = (uint64_t)run * LIGHT_HISTORY_RUN};
        for (unsigned bit = 64; bit-- > 0;)
                if ((run >> bit & 1) != 0) {
                        merkle_log_root(h->ops, h->root + at, 1ull << bit, &out->peak[peaks++]);
                        at += (size_t)1 << bit;
                }
}

/* What is before the headers of the record that begins a run, or header 0 itself. */
static enum lx_err
begin_run(const struct light_history *h, size_t run, struct lx_reader *rd, struct history_point *out)
{
        struct lx_span bytes = lx_read_span(rd, LEDGER_HEADER_LEN);
        struct ledger_header header;
        struct lx_hash hash;
        enum lx_err err = rd->err != LX_OK ? rd->err : ledger_header_decode(bytes.p, bytes.len, &header);

        if (err != LX_OK)
                return err;
        *out = (struct history_point){.header = header};
        ledger_header_hash(h->ops, &header, &hash);
        if (run == 0) {
                history_advance(h, out, &header, &hash);
                return LX_OK;
        }
        out->hash = hash;
        out->run_root = lx_read_hash(rd);
        edge_before(h, run, &out->frontier);
        return rd->err;
}

/* Walk the headers of @run, at most up to height @until; @each may be NULL. *out_point: the last one. */
static enum lx_err
walk_run(struct light_history *h, size_t run, uint64_t until,
    void (*each)(void *arg, const struct history_point *point), void *arg, struct history_point *out_point,
    struct lx_why *why)
{
        uint64_t height = (uint64_t)run * LIGHT_HISTORY_RUN, end = height + LIGHT_HISTORY_RUN, offset = h->offset[run];
        struct history_point point = {0};
        struct lx_buf content = {0};
        struct record r;
        enum lx_err err = LX_OK;

        while (err == LX_OK && height <= until && height < end && offset < h->bytes) {
                struct lx_reader rd;
                uint64_t stop;

                err = read_head(h, offset, &r) && r.first == height ? read_content(h, &r, &content, why)
                                                                    : damaged(offset, why);
                if (err != LX_OK)
                        break;
                rd = lx_reader_init(content.p + HISTORY_CONTENT_HEAD, content.len - HISTORY_CONTENT_HEAD);
                stop = height + r.count;
                if (height % LIGHT_HISTORY_RUN == 0) {
                        err = begin_run(h, run, &rd, &point);
                        if (err == LX_OK && run == 0 && height++ == 0 && each != NULL)
                                each(arg, &point);
                }
                for (; err == LX_OK && height < stop && height <= until; height++) {
                        struct ledger_header header;
                        struct lx_hash hash;

                        err = history_read_next(h, &point, &rd, &header);
                        if (err != LX_OK)
                                break;
                        ledger_header_hash(h->ops, &header, &hash);
                        history_advance(h, &point, &header, &hash);
                        if (each != NULL)
                                each(arg, &point);
                }
                if (err != LX_OK)
                        err = damaged(offset, why);
                offset += HISTORY_RECORD_HEAD + r.len;
        }
        lx_buf_clear(&content);
        if (err == LX_OK)
                *out_point = point;
        return err;
}

/* The root of the run before the one that begins with the record at @offset. */
static enum lx_err
read_root(struct light_history *h, uint64_t offset, struct lx_hash *out)
{
        size_t len = 0;
        enum lx_err err = h->storage->read_at(h->storage->arg, HISTORY_NAME,
            offset + HISTORY_RECORD_HEAD + HISTORY_CONTENT_HEAD + LEDGER_HEADER_LEN, out->b, LX_HASH_LEN, &len);

        return err == LX_OK && len != LX_HASH_LEN ? LX_ERR_CORRUPT : err;
}

/*
 * The proof that the mark has must hold still: it stands on the roots of all runs, which were read without the
 * checksums of their records, and with a wrong one what honest stations give would not fit.
 */
static enum lx_err
check_mark(struct light_history *h, const struct light *light, struct lx_why *why)
{
        const struct light_history_mark *mark = light_history(light);
        struct ledger_header tip, last;
        struct lx_span cert, set;
        struct lx_hash hash, leaf;
        enum lx_err err;

        if (mark->count == 0 || !light_get_head(light, mark->tip, &tip, &cert, &set))
                return LX_OK; /* proven anew with the next contact */
        err = light_history_get(h, mark->count - 1, &last, &hash, why);
        if (err == LX_ERR_ABSENT)
                return damaged(h->bytes, why);
        if (err != LX_OK)
                return err;
        merkle_log_leaf(h->ops, hash.b, LX_HASH_LEN, &leaf);
        err = merkle_log_verify(
            h->ops, &leaf, mark->count - 1, mark->tip, mark->path, mark->path_count, &tip.history_root);
        if (err != LX_OK)
                lx_why_set(why, "the history is damaged, or of another branch: move the file \"" HISTORY_NAME
                    "\" away and start again; it is fetched again");
        return err == LX_OK ? LX_OK : LX_ERR_CORRUPT;
}

enum lx_err
history_scan(struct light_history *h, const struct light *light, struct lx_why *why)
{
        uint64_t offset = HISTORY_HEAD, count = 0, marked = light_history(light)->bytes;
        struct lx_buf content = {0};
        struct record r;
        enum lx_err err = LX_OK;

        while (read_head(h, offset, &r) && r.first == count) {
                if (offset >= marked && read_content(h, &r, &content, NULL) != LX_OK)
                        break; /* torn */
                if (count % LIGHT_HISTORY_RUN == 0) {
                        history_begin_run(h, offset);
                        if (count > 0)
                                err = read_root(h, offset, &h->root[h->runs - 2]);
                        if (err != LX_OK)
                                break;
                }
                count += r.count;
                offset += HISTORY_RECORD_HEAD + r.len;
        }
        lx_buf_clear(&content);
        if (err != LX_OK)
                return err;
        if (offset < marked)
                return damaged(offset, why);
        h->bytes = offset;
        err = h->storage->cut(h->storage->arg, HISTORY_NAME, offset);
        if (err == LX_OK && h->runs > 0)
                err = walk_run(h, h->runs - 1, UINT64_MAX, NULL, NULL, &h->stored, why);
        if (err == LX_OK && h->stored.frontier.size != count)
                err = damaged(offset, why);
        if (err == LX_OK && h->runs > 0 && count % LIGHT_HISTORY_RUN == 0)
                h->root[h->runs - 1] = h->stored.run_root;
        return err == LX_OK ? check_mark(h, light, why) : err;
}

enum lx_err
light_history_get(struct light_history *h, uint64_t height, struct ledger_header *out_header, struct lx_hash *out_hash,
    struct lx_why *why)
{
        struct history_point point;
        enum lx_err err = height < light_history_count(h) ? LX_OK : LX_ERR_ABSENT;

        if (err == LX_OK)
                err = walk_run(h, (size_t)(height / LIGHT_HISTORY_RUN), height, NULL, NULL, &point, why);
        if (err == LX_OK) {
                *out_header = point.header;
                *out_hash = point.hash;
        }
        return err;
}

/* ---- proofs -------------------------------------------------------------------------------------- */

/* Complete nodes of the log tree: of roots of runs, and of the run that was read last. */
struct nodes {
        struct light_history *history;
        uint64_t start; /* leaves before the subtree that is proven in */
        struct lx_hash *leaves; /* of run number run */
        size_t run, count;
        struct lx_why *why;
};

static void
note_leaf(void *arg, const struct history_point *point)
{
        struct nodes *n = arg;

        merkle_log_leaf(n->history->ops, point->hash.b, LX_HASH_LEN, &n->leaves[n->count++]);
}

static enum lx_err
get_node(void *arg, unsigned level, uint64_t index, struct lx_hash *out)
{
        struct nodes *n = arg;
        struct light_history *h = n->history;
        uint64_t first = n->start + (index << level);
        size_t run = (size_t)(first / LIGHT_HISTORY_RUN);
        struct history_point point;
        enum lx_err err = LX_OK;

        if (level >= HISTORY_LEVEL) {
                merkle_log_root(h->ops, h->root + run, 1ull << (level - HISTORY_LEVEL), out);
                return LX_OK;
        }
        if (n->count == 0 || n->run != run) {
                n->count = 0;
                n->run = run;
                err = walk_run(h, run, UINT64_MAX, note_leaf, n, &point, n->why);
        }
        if (err == LX_OK && first % LIGHT_HISTORY_RUN + (1ull << level) > n->count)
                err = LX_ERR_ABSENT;
        if (err == LX_OK)
                merkle_log_root(h->ops, n->leaves + first % LIGHT_HISTORY_RUN, 1ull << level, out);
        return err;
}

/* The largest power of two below @n (RFC 9162 2.1.1). */
static uint64_t
split(uint64_t n)
{
        return n < 2 ? 0 : 1ull << (63 - __builtin_clzll(n - 1));
}

/* The root of the @size leaves from @start on: leaf @last is under it, @path (lowest first) beside it. */
static void
root_over(const struct lx_hash_ops *ops, uint64_t start, uint64_t size, uint64_t last, const struct lx_hash *leaf,
    const struct lx_hash *path, size_t count, struct lx_hash *out)
{
        uint64_t k = split(size);
        struct lx_hash inner;

        if (size == 1 || count == 0) {
                *out = *leaf;
                return;
        }
        if (last - start < k) {
                root_over(ops, start, k, last, leaf, path, count - 1, &inner);
                lx_hash_pair(ops, &LX_TAG_NODE, &inner, &path[count - 1], out);
        } else {
                root_over(ops, start + k, size - k, last, leaf, path, count - 1, &inner);
                lx_hash_pair(ops, &LX_TAG_NODE, &path[count - 1], &inner, out);
        }
}

/*
 * The path of leaf @height from that of leaf @mark.count - 1: they share what is above where they part; there the other
 * side is computed from the known path, and below it everything is stored.
 */
static enum lx_err
derive(struct nodes *n, const struct light_history_mark *mark, const struct lx_hash *leaf, uint64_t height,
    struct merkle_path *out)
{
        uint64_t start = 0, size = mark->tip, last = mark->count - 1, k = split(size);
        size_t left = mark->path_count; /* hashes of the path at and below here */
        struct merkle_log_store store = {.get = get_node, .arg = n};
        enum lx_err err = LX_OK;

        out->count = 0;
        while (size > 1 && (height - start < k) == (last - start < k)) {
                bool right = height - start >= k;

                start += right ? k : 0;
                size = right ? size - k : k;
                k = split(size);
                if (left-- == 0)
                        return LX_ERR_CORRUPT;
        }
        if (size > 1) {
                struct lx_hash other;

                if (left-- == 0)
                        return LX_ERR_CORRUPT;
                root_over(n->history->ops, start + k, size - k, last, leaf, mark->path, left, &other);
                n->start = start;
                err = merkle_log_prove_stored(n->history->ops, &store, k, height - start, out);
                if (err == LX_OK)
                        out->hash[out->count++] = other;
                left++;
        }
        for (size_t i = left; i < mark->path_count && err == LX_OK; i++)
                out->hash[out->count++] = mark->path[i];
        return err;
}

enum lx_err
light_history_path(struct light_history *h, const struct light *light, uint64_t height, struct merkle_path *out_path,
    uint64_t *out_size, struct lx_why *why)
{
        const struct light_history_mark *mark = light_history(light);
        struct nodes n = {.history = h, .why = why};
        struct ledger_header header, last;
        struct lx_span cert, set;
        struct lx_hash hash, leaf;
        enum lx_err err;

        if (height >= light_history_count(h) || height >= mark->count || mark->count > light_history_count(h) ||
            !light_get_head(light, mark->tip, &header, &cert, &set))
                return LX_ERR_ABSENT;
        err = light_history_get(h, mark->count - 1, &last, &hash, why);
        if (err != LX_OK)
                return err;
        n.leaves = lx_alloc_array(LIGHT_HISTORY_RUN, sizeof(*n.leaves));
        merkle_log_leaf(h->ops, hash.b, LX_HASH_LEN, &leaf);
        err = derive(&n, mark, &leaf, height, out_path);
        lx_free(n.leaves);
        if (err == LX_OK)
                *out_size = mark->tip;
        return err;
}
