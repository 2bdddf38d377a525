/* sigchain/entry.c - one entry of a manifest; see sigchain/manifest.h. Freestanding. */
#include "config.h"
#include "crypto/tags.h"
#include "sigchain/manifest.h"

void
sigchain_entry_encode(const struct sigchain_entry *entry, struct lx_writer *wr)
{
        if (!sigchain_path_is_valid(entry->path))
                lx_writer_fail(wr, LX_ERR_FORMAT);
        lx_write_var16(wr, entry->path);
        lx_write_u64(wr, entry->size);
        lx_write_u32(wr, entry->mode);
        lx_write_hash(wr, &entry->root);
        lx_write_hash(wr, &entry->sha256);
        lx_write_hash(wr, &entry->fsverity);
}

void
sigchain_entry_read(struct lx_reader *rd, struct sigchain_entry *out_entry)
{
        out_entry->path = lx_read_var16(rd, SIGCHAIN_PATH_MAX);
        if (rd->err == LX_OK && !sigchain_path_is_valid(out_entry->path))
                lx_reader_fail(rd, LX_ERR_FORMAT);
        out_entry->size = lx_read_u64(rd);
        out_entry->mode = lx_read_u32(rd);
        out_entry->root = lx_read_hash(rd);
        out_entry->sha256 = lx_read_hash(rd);
        out_entry->fsverity = lx_read_hash(rd);
}

/* Whether the part of @len bytes at @p is none that a path may have. */
static bool
is_bad_part(const uint8_t *p, size_t len)
{
        return len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.');
}

bool
sigchain_path_is_valid(struct lx_span path)
{
        size_t start = 0;

        if (path.len == 0 || path.len > SIGCHAIN_PATH_MAX)
                return false;
        for (size_t i = 0; i <= path.len; i++) {
                if (i < path.len && path.p[i] == '\0')
                        return false;
                if (i < path.len && path.p[i] != '/')
                        continue;
                if (is_bad_part(path.p + start, i - start))
                        return false;
                start = i + 1;
        }
        return true;
}

void
sigchain_index_value(const struct lx_hash_ops *ops, const struct lx_hash *release, uint32_t entry,
    struct lx_hash *out)
{
        uint8_t bytes[LX_HASH_LEN + 4];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        lx_write_hash(&wr, release);
        lx_write_u32(&wr, entry);
        lx_hash1(ops, &LX_TAG_STATE_VALUE, bytes, wr.len, out);
}
