/* sigchain/manifest.c - whole manifests; see sigchain/manifest.h. */
#include "config.h"
#include "sigchain/manifest.h"

#include "base/mem.h"
#include "merkle/log.h"

#include <string.h>

#define ENCODING 1u
#define ENTRY_MIN (2 + 1 + 8 + 4 + 3 * 32)

/* Byte order of paths; a prefix comes before what it begins. */
static int
compare_paths(struct lx_span a, struct lx_span b)
{
        size_t n = a.len < b.len ? a.len : b.len;
        int order = n > 0 ? memcmp(a.p, b.p, n) : 0; /* public */

        return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

enum lx_err
sigchain_manifest_read(const struct lx_hash_ops *ops, struct lx_span bytes,
    bool (*each)(
        void *arg, uint32_t number, const struct sigchain_entry *entry, struct lx_span raw),
    void *arg, struct lx_hash *out_root, uint32_t *out_count)
{
        struct lx_reader rd = lx_reader_init(bytes.p, bytes.len);
        struct merkle_frontier frontier = {.size = 0};
        struct lx_span before = {0};
        uint32_t count;

        if (bytes.len > SIGCHAIN_MANIFEST_MAX)
                return LX_ERR_RANGE;
        if (lx_read_u8(&rd) != ENCODING)
                lx_reader_fail(&rd, LX_ERR_VERSION);
        count = lx_read_u32(&rd);
        if (rd.err == LX_OK &&
            (count == 0 || count > SIGCHAIN_MANIFEST_ENTRIES_MAX || count > rd.left / ENTRY_MIN))
                lx_reader_fail(&rd, LX_ERR_RANGE);
        for (uint32_t i = 0; i < count && rd.err == LX_OK; i++) {
                const uint8_t *start = rd.p;
                struct sigchain_entry entry;
                struct lx_hash leaf;

                sigchain_entry_read(&rd, &entry);
                if (rd.err != LX_OK)
                        break;
                if (i > 0 && compare_paths(before, entry.path) >= 0)
                        return LX_ERR_FORMAT;
                before = entry.path;
                merkle_log_leaf(ops, start, (size_t)(rd.p - start), &leaf);
                merkle_frontier_append(ops, &frontier, &leaf, NULL, NULL);
                if (each != NULL && !each(arg, i, &entry, LX_SPAN(start, rd.p - start)))
                        return LX_ERR_STOPPED;
        }
        if (lx_reader_end(&rd) != LX_OK)
                return lx_reader_end(&rd);
        merkle_frontier_root(ops, &frontier, out_root);
        *out_count = count;
        return LX_OK;
}

enum lx_err
sigchain_manifest_write(const struct lx_hash_ops *ops, const struct sigchain_entry *entries,
    uint32_t count, struct lx_buf *out, struct lx_hash *out_root)
{
        struct merkle_frontier frontier = {.size = 0};
        size_t start = out->len;
        uint8_t head[5];
        struct lx_writer wr = lx_writer_init(head, sizeof(head));

        if (count == 0 || count > SIGCHAIN_MANIFEST_ENTRIES_MAX)
                return LX_ERR_RANGE;
        lx_write_u8(&wr, ENCODING);
        lx_write_u32(&wr, count);
        lx_buf_append(out, head, wr.len);
        for (uint32_t i = 0; i < count; i++) {
                struct lx_hash leaf;

                if (i > 0 && compare_paths(entries[i - 1].path, entries[i].path) >= 0)
                        return LX_ERR_FORMAT;
                wr = lx_writer_init(
                    lx_buf_reserve(out, SIGCHAIN_ENTRY_BYTES_MAX), SIGCHAIN_ENTRY_BYTES_MAX);
                sigchain_entry_encode(&entries[i], &wr);
                if (lx_writer_end(&wr) != LX_OK)
                        return lx_writer_end(&wr);
                merkle_log_leaf(ops, wr.p, wr.len, &leaf);
                merkle_frontier_append(ops, &frontier, &leaf, NULL, NULL);
                lx_buf_add(out, wr.len);
        }
        if (out->len - start > SIGCHAIN_MANIFEST_MAX)
                return LX_ERR_RANGE;
        merkle_frontier_root(ops, &frontier, out_root);
        return LX_OK;
}
