/* ledger/journal_mem.c - storage in memory that fails when told and forgets what was not synced. */
#include "config.h"
#include "ledger/journal.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

#define FILES_MAX 4

/* A write that was not synced. */
struct pending {
        struct pending *next;
        uint64_t offset;
        struct lx_buf bytes;
        bool whole; /* a replace that failed: the file is @bytes, or as it was */
};

struct memfile {
        char name[16];
        bool there;           /* durably */
        struct lx_buf synced; /* what survives a power cut for sure */
        struct lx_buf now;    /* what a reader sees */
        struct pending *first, **end;
};

struct ledger_memdisk {
        struct ledger_storage storage;
        struct memfile file[FILES_MAX];
        size_t count;
        uint64_t operations;
        uint64_t fail_at; /* operation number; 0: none fails */
};

static struct memfile *
find_file(struct ledger_memdisk *disk, const char *name)
{
        struct memfile *file;

        for (size_t i = 0; i < disk->count; i++)
                if (strcmp(disk->file[i].name, name) == 0)
                        return &disk->file[i];
        lx_assert(disk->count < FILES_MAX);
        file = &disk->file[disk->count++];
        (void)strncpy(file->name, name, sizeof(file->name) - 1);
        file->end = &file->first;
        return file;
}

static bool
fails(struct ledger_memdisk *disk)
{
        disk->operations++;
        return disk->fail_at != 0 && disk->operations >= disk->fail_at;
}

static void
put_at(struct lx_buf *buf, uint64_t offset, const void *bytes, size_t len)
{
        if (buf->len < offset + len) {
                size_t more = (size_t)(offset + len) - buf->len;

                memset(lx_buf_reserve(buf, more), 0, more);
                lx_buf_add(buf, more);
        }
        if (len > 0)
                memcpy(buf->p + offset, bytes, len);
}

static void
set_bytes(struct lx_buf *buf, struct lx_span bytes)
{
        lx_buf_reset(buf);
        lx_buf_append(buf, bytes.p, bytes.len);
}

static void
note(struct memfile *file, uint64_t offset, const void *bytes, size_t len, bool whole)
{
        struct pending *p = lx_alloc(sizeof(*p));

        p->offset = offset;
        p->whole = whole;
        lx_buf_append(&p->bytes, bytes, len);
        *file->end = p;
        file->end = &p->next;
}

static void
forget(struct memfile *file)
{
        while (file->first != NULL) {
                struct pending *p = file->first;

                file->first = p->next;
                lx_buf_clear(&p->bytes);
                lx_free(p);
        }
        file->end = &file->first;
}

static enum lx_err
mem_read(void *arg, const char *name, struct lx_buf *out)
{
        struct memfile *file = find_file(arg, name);

        if (!file->there)
                return LX_ERR_ABSENT;
        lx_buf_append(out, file->now.p, file->now.len);
        return LX_OK;
}

static enum lx_err
mem_read_at(void *arg, const char *name, uint64_t offset, void *out, size_t len, size_t *out_len)
{
        struct memfile *file = find_file(arg, name);
        size_t left;

        if (!file->there)
                return LX_ERR_ABSENT;
        left = offset < file->now.len ? file->now.len - (size_t)offset : 0;
        *out_len = len < left ? len : left;
        if (*out_len > 0)
                memcpy(out, file->now.p + offset, *out_len);
        return LX_OK;
}

static enum lx_err
mem_write(void *arg, const char *name, uint64_t offset, const void *bytes, size_t len)
{
        struct memfile *file = find_file(arg, name);
        bool failed = fails(arg);

        note(file, offset, bytes, len, false);
        if (failed)
                return LX_ERR_IO;
        put_at(&file->now, offset, bytes, len);
        return LX_OK;
}

static enum lx_err
mem_sync(void *arg, const char *name)
{
        struct memfile *file = find_file(arg, name);

        if (fails(arg))
                return LX_ERR_IO;
        set_bytes(&file->synced, lx_buf_span(&file->now));
        forget(file);
        return LX_OK;
}

static enum lx_err
mem_cut(void *arg, const char *name, uint64_t len)
{
        struct memfile *file = find_file(arg, name);

        if (fails(arg))
                return LX_ERR_IO;
        if (len < file->now.len)
                file->now.len = len;
        set_bytes(&file->synced, lx_buf_span(&file->now));
        forget(file);
        return LX_OK;
}

static enum lx_err
mem_replace(void *arg, const char *name, const void *bytes, size_t len)
{
        struct memfile *file = find_file(arg, name);

        if (fails(arg)) {
                note(file, 0, bytes, len, true);
                return LX_ERR_IO;
        }
        forget(file);
        file->there = true;
        set_bytes(&file->now, LX_SPAN(bytes, len));
        set_bytes(&file->synced, LX_SPAN(bytes, len));
        return LX_OK;
}

struct ledger_memdisk *
ledger_memdisk_new(void)
{
        struct ledger_memdisk *disk = lx_alloc(sizeof(*disk));

        disk->storage = (struct ledger_storage){.read = mem_read,
            .read_at = mem_read_at,
            .write = mem_write,
            .sync = mem_sync,
            .cut = mem_cut,
            .replace = mem_replace,
            .arg = disk};
        return disk;
}

void
ledger_memdisk_free(struct ledger_memdisk *disk)
{
        if (disk == NULL)
                return;
        for (size_t i = 0; i < disk->count; i++) {
                forget(&disk->file[i]);
                lx_buf_clear(&disk->file[i].synced);
                lx_buf_clear(&disk->file[i].now);
        }
        lx_free(disk);
}

const struct ledger_storage *
ledger_memdisk_storage(struct ledger_memdisk *disk)
{
        return &disk->storage;
}

void
ledger_memdisk_fail(struct ledger_memdisk *disk, uint64_t n)
{
        disk->fail_at = n == 0 ? 0 : disk->operations + n;
}

uint64_t
ledger_memdisk_operations(const struct ledger_memdisk *disk)
{
        return disk->operations;
}

/* What is left of one write: 0 nothing, 1 all, 2 its first half, 3 its second half. */
static void
survive(struct memfile *file, const struct pending *p, unsigned choice)
{
        size_t half = p->bytes.len / 2;

        if (p->whole) {
                if ((choice & 1) != 0) {
                        file->there = true;
                        set_bytes(&file->synced, lx_buf_span(&p->bytes));
                }
                return;
        }
        if (choice == 1)
                put_at(&file->synced, p->offset, p->bytes.p, p->bytes.len);
        else if (choice == 2)
                put_at(&file->synced, p->offset, p->bytes.p, half);
        else if (choice == 3)
                put_at(&file->synced, p->offset + half, p->bytes.p + half, p->bytes.len - half);
}

void
ledger_memdisk_crash(struct ledger_memdisk *disk, uint64_t choice)
{
        for (size_t i = 0; i < disk->count; i++) {
                struct memfile *file = &disk->file[i];

                for (const struct pending *p = file->first; p != NULL; p = p->next) {
                        survive(file, p, (unsigned)(choice & 3));
                        choice = choice >> 2 | choice << 62;
                }
                forget(file);
                set_bytes(&file->now, lx_buf_span(&file->synced));
        }
        disk->fail_at = 0;
}

bool
ledger_memdisk_damage(struct ledger_memdisk *disk, const char *name, uint64_t offset)
{
        struct memfile *file = find_file(disk, name);

        if (!file->there || offset >= file->now.len)
                return false;
        file->now.p[offset] ^= 0x10;
        if (offset < file->synced.len)
                file->synced.p[offset] ^= 0x10;
        return true;
}
