/*
 * lld/mem.c - the memory engine; see lld/mem.h.
 *
 * The disk is a list of committed batches, of which the first so many are synced. Opening a store
 * replays them into a sorted table of records, each with its values by sequence number, so that
 * snapshots are numbers.
 */
#include "config.h"
#include "lld/mem.h"

#include "base/assert.h"
#include "base/mem.h"
#include "lld/engine_int.h"

#include <pthread.h>
#include <string.h>

/* A batch as bytes: u8 what, u8 kind, u16 key length, u32 value length (or second key), bytes. */
enum { OP_PUT = 1, OP_REMOVE = 2, OP_RANGE = 3 };

struct lld_disk {
        struct lx_span *batch;
        size_t count, synced, cap;
        uint64_t bytes, capacity;
        bool open, crashed;
        enum lld_fault fault;
        uint64_t fault_in; /* operations until it strikes; 0: not armed */
        bool sticky;
};

struct value {
        struct value *older;
        uint64_t seq;
        bool removed;
        size_t len;
        uint8_t bytes[];
};

struct record {
        unsigned kind;
        size_t key_len;
        struct value *newest;
        uint8_t key[];
};

struct mem {
        struct lld_disk *disk;
        pthread_mutex_t lock;
        struct record **record; /* sorted by kind and key */
        size_t count, cap;
        uint64_t seq;
};

struct mem_iter {
        struct mem *mem;
        uint64_t seq;
        unsigned kind;
        size_t at;
        bool valid;
        struct lx_span key, value;
        enum lx_err err;
};

struct mem_batch {
        struct mem *mem;
        struct lx_buf ops;
};

struct lld_disk *
lld_disk_new(uint64_t capacity)
{
        struct lld_disk *disk = lx_alloc(sizeof(*disk));

        disk->capacity = capacity;
        return disk;
}

void
lld_disk_free(struct lld_disk *disk)
{
        if (disk == NULL)
                return;
        lx_assert(!disk->open);
        for (size_t i = 0; i < disk->count; i++)
                lx_free((void *)(uintptr_t)disk->batch[i].p);
        lx_free(disk->batch);
        lx_free(disk);
}

void
lld_disk_fail(struct lld_disk *disk, enum lld_fault fault, uint64_t n, bool sticky)
{
        disk->fault = fault;
        disk->fault_in = fault == LLD_FAULT_NONE ? 0 : n;
        disk->sticky = sticky;
}

void
lld_disk_leave(struct lld_disk *disk, uint64_t more)
{
        disk->capacity = more == UINT64_MAX ? 0 : disk->bytes + more;
}

void
lld_disk_crash(struct lld_disk *disk, uint64_t keep)
{
        while (disk->count > disk->synced + keep) {
                struct lx_span *last = &disk->batch[--disk->count];

                disk->bytes -= last->len;
                lx_free((void *)(uintptr_t)last->p);
        }
        disk->crashed = true;
}

uint64_t
lld_disk_unsynced(const struct lld_disk *disk)
{
        return disk->count - disk->synced;
}

/* Whether the armed fault strikes this operation. */
static bool
strikes(struct lld_disk *disk, enum lld_fault fault)
{
        if (disk->fault != fault || disk->fault_in == 0)
                return false;
        if (disk->fault_in > 1) {
                disk->fault_in--;
                return false;
        }
        if (!disk->sticky)
                disk->fault_in = 0;
        return true;
}

/* ---- the table -------------------------------------------------------------------------------- */

static int
compare(const struct record *r, unsigned kind, const void *key, size_t key_len)
{
        size_t n = r->key_len < key_len ? r->key_len : key_len;
        int order = r->kind != kind ? (r->kind < kind ? -1 : 1) : 0;

        if (order == 0 && n > 0)
                order = memcmp(r->key, key, n); /* public */
        if (order == 0)
                order = (r->key_len > key_len) - (r->key_len < key_len);
        return order;
}

/* The place of the first record >= (kind, key). */
static size_t
lower_bound(const struct mem *mem, unsigned kind, const void *key, size_t key_len)
{
        size_t low = 0, high = mem->count;

        while (low < high) {
                size_t mid = low + (high - low) / 2;

                if (compare(mem->record[mid], kind, key, key_len) < 0)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low;
}

static struct record *
insert_record(struct mem *mem, size_t at, unsigned kind, const void *key, size_t key_len)
{
        struct record *r = lx_alloc(sizeof(*r) + key_len);

        r->kind = kind;
        r->key_len = key_len;
        memcpy(r->key, key, key_len);
        if (mem->count == mem->cap) {
                mem->cap = mem->cap != 0 ? 2 * mem->cap : 64;
                mem->record = lx_realloc(mem->record, mem->cap * sizeof(mem->record[0]));
        }
        memmove(&mem->record[at + 1], &mem->record[at], (mem->count - at) * sizeof(mem->record[0]));
        mem->record[at] = r;
        mem->count++;
        return r;
}

static void
set_value(struct mem *mem, unsigned kind, const void *key, size_t key_len, const void *val,
    size_t val_len, bool removed)
{
        size_t at = lower_bound(mem, kind, key, key_len);
        struct record *r = at < mem->count ? mem->record[at] : NULL;
        struct value *v = lx_alloc(sizeof(*v) + val_len);

        if (r == NULL || compare(r, kind, key, key_len) != 0)
                r = insert_record(mem, at, kind, key, key_len);
        v->older = r->newest;
        v->seq = mem->seq;
        v->removed = removed;
        v->len = val_len;
        if (val_len > 0)
                memcpy(v->bytes, val, val_len);
        r->newest = v;
}

static void
remove_range(struct mem *mem, unsigned kind, struct lx_span from, struct lx_span to)
{
        size_t end = lower_bound(mem, kind, to.p, to.len);

        for (size_t i = lower_bound(mem, kind, from.p, from.len); i < end; i++)
                set_value(mem, kind, mem->record[i]->key, mem->record[i]->key_len, NULL, 0, true);
}

static void
apply_batch(struct mem *mem, struct lx_span ops)
{
        struct lx_reader rd = lx_reader_init(ops.p, ops.len);

        mem->seq++;
        while (rd.left > 0) {
                unsigned what = lx_read_u8(&rd), kind = lx_read_u8(&rd);
                size_t key_len = lx_read_u16(&rd), val_len = lx_read_u32(&rd);
                struct lx_span key = lx_read_span(&rd, key_len);
                struct lx_span val = lx_read_span(&rd, val_len);

                if (what == OP_RANGE)
                        remove_range(mem, kind, key, val);
                else
                        set_value(mem, kind, key.p, key.len, val.p, val.len, what == OP_REMOVE);
        }
        lx_assert(lx_reader_end(&rd) == LX_OK);
}

/* The value as of @seq; NULL: none. */
static const struct value *
value_at(const struct record *r, uint64_t seq)
{
        const struct value *v = r->newest;

        while (v != NULL && v->seq > seq)
                v = v->older;
        return v != NULL && !v->removed ? v : NULL;
}

/* ---- the engine ------------------------------------------------------------------------------- */

static void
mem_close(void *e)
{
        struct mem *mem = e;

        for (size_t i = 0; i < mem->count; i++) {
                struct value *v = mem->record[i]->newest;

                while (v != NULL) {
                        struct value *older = v->older;

                        lx_free(v);
                        v = older;
                }
                lx_free(mem->record[i]);
        }
        lx_free(mem->record);
        mem->disk->open = false;
        pthread_mutex_destroy(&mem->lock);
        lx_free(mem);
}

static void *
mem_snapshot_new(void *e)
{
        struct mem *mem = e;
        uint64_t *seq = lx_alloc(sizeof(*seq));

        pthread_mutex_lock(&mem->lock);
        *seq = mem->seq;
        pthread_mutex_unlock(&mem->lock);
        return seq;
}

static void
mem_snapshot_free(void *e, void *snap)
{
        (void)e;
        lx_free(snap);
}

static enum lx_err
mem_get_locked(struct mem *mem, void *snap, unsigned kind, const void *key, size_t key_len,
    struct lx_buf *out)
{
        size_t at = lower_bound(mem, kind, key, key_len);
        const struct value *v = NULL;

        if (mem->disk->crashed || strikes(mem->disk, LLD_FAULT_READ))
                return LX_ERR_IO;
        if (strikes(mem->disk, LLD_FAULT_FLIP))
                return LX_ERR_CORRUPT;
        if (at < mem->count && compare(mem->record[at], kind, key, key_len) == 0)
                v = value_at(mem->record[at], snap != NULL ? *(uint64_t *)snap : UINT64_MAX);
        if (v == NULL)
                return LX_ERR_ABSENT;
        lx_buf_append(out, v->bytes, v->len);
        return LX_OK;
}

static enum lx_err
mem_get(void *e, void *snap, unsigned kind, const void *key, size_t key_len, struct lx_buf *out)
{
        struct mem *mem = e;
        enum lx_err err;

        pthread_mutex_lock(&mem->lock);
        err = mem_get_locked(mem, snap, kind, key, key_len, out);
        pthread_mutex_unlock(&mem->lock);
        return err;
}

static void *
mem_iter_new(void *e, void *snap, unsigned kind)
{
        struct mem_iter *iter = lx_alloc(sizeof(*iter));

        iter->mem = e;
        iter->kind = kind;
        iter->seq = snap != NULL ? *(uint64_t *)snap : iter->mem->seq;
        return iter;
}

/* From record @at on, forwards or backwards, stand on the next that has a value. */
static void
settle(struct mem_iter *iter, size_t at, bool backwards)
{
        struct mem *mem = iter->mem;

        iter->valid = false;
        while (at < mem->count && mem->record[at]->kind == iter->kind) {
                const struct record *r = mem->record[at];
                const struct value *v = value_at(r, iter->seq);

                if (v != NULL) {
                        iter->at = at;
                        iter->valid = true;
                        iter->key = LX_SPAN(r->key, r->key_len);
                        iter->value = LX_SPAN(v->bytes, v->len);
                        return;
                }
                at += backwards ? SIZE_MAX : 1; /* below 0 it wraps past the count */
        }
}

static void
mem_iter_seek(void *it, const void *key, size_t key_len, bool backwards)
{
        struct mem_iter *iter = it;
        struct mem *mem = iter->mem;
        size_t at;

        pthread_mutex_lock(&mem->lock);
        at = lower_bound(mem, iter->kind, key, key_len);
        if (backwards &&
            (at == mem->count || compare(mem->record[at], iter->kind, key, key_len) != 0))
                at--;
        settle(iter, at, backwards);
        pthread_mutex_unlock(&mem->lock);
}

static bool
mem_iter_at(void *it, struct lx_span *out_key, struct lx_span *out_value)
{
        struct mem_iter *iter = it;

        if (!iter->valid)
                return false;
        *out_key = iter->key;
        *out_value = iter->value;
        return true;
}

static void
mem_iter_step(void *it, bool backwards)
{
        struct mem_iter *iter = it;
        struct mem *mem = iter->mem;

        if (!iter->valid)
                return;
        pthread_mutex_lock(&mem->lock);
        /* Commits may have moved it. */
        iter->at = lower_bound(mem, iter->kind, iter->key.p, iter->key.len);
        settle(iter, iter->at + (backwards ? SIZE_MAX : 1), backwards);
        pthread_mutex_unlock(&mem->lock);
}

static enum lx_err
mem_iter_free(void *it)
{
        struct mem_iter *iter = it;
        enum lx_err err = iter->err;

        lx_free(iter);
        return err;
}

static void *
mem_batch_new(void *e)
{
        struct mem_batch *batch = lx_alloc(sizeof(*batch));

        batch->mem = e;
        return batch;
}

static void
mem_batch_free(void *b)
{
        struct mem_batch *batch = b;

        lx_buf_clear(&batch->ops);
        lx_free(batch);
}

static void
add_op(struct mem_batch *batch, unsigned what, unsigned kind, const void *key, size_t key_len,
    const void *val, size_t val_len)
{
        uint8_t head[8];
        struct lx_writer wr = lx_writer_init(head, sizeof(head));

        lx_write_u8(&wr, (uint8_t)what);
        lx_write_u8(&wr, (uint8_t)kind);
        lx_write_u16(&wr, (uint16_t)key_len);
        lx_write_u32(&wr, (uint32_t)val_len);
        lx_buf_append(&batch->ops, head, wr.len);
        lx_buf_append(&batch->ops, key, key_len);
        lx_buf_append(&batch->ops, val, val_len);
}

static void
mem_batch_put(
    void *b, unsigned kind, const void *key, size_t key_len, const void *val, size_t val_len)
{
        add_op(b, OP_PUT, kind, key, key_len, val, val_len);
}

static void
mem_batch_remove(void *b, unsigned kind, const void *key, size_t key_len)
{
        add_op(b, OP_REMOVE, kind, key, key_len, NULL, 0);
}

static void
mem_batch_remove_range(
    void *b, unsigned kind, const void *from, size_t from_len, const void *to, size_t to_len)
{
        add_op(b, OP_RANGE, kind, from, from_len, to, to_len);
}

static void
disk_append(struct lld_disk *disk, const struct lx_buf *ops)
{
        if (disk->count == disk->cap) {
                disk->cap = disk->cap != 0 ? 2 * disk->cap : 16;
                disk->batch = lx_realloc(disk->batch, disk->cap * sizeof(disk->batch[0]));
        }
        disk->batch[disk->count++] = LX_SPAN(lx_memdup(ops->p, ops->len), ops->len);
        disk->bytes += ops->len;
}

static enum lx_err
mem_batch_commit(void *b, bool sync, struct lx_why *why)
{
        struct mem_batch *batch = b;
        struct mem *mem = batch->mem;
        struct lld_disk *disk = mem->disk;

        if (disk->capacity != 0 && disk->bytes + batch->ops.len > disk->capacity) {
                lx_why_set(why, "no space left on the memory disk");
                return LX_ERR_FULL;
        }
        if (disk->crashed || strikes(disk, LLD_FAULT_WRITE) || strikes(disk, LLD_FAULT_TORN)) {
                lx_why_set(why, "the memory disk failed to write, as it was told");
                return LX_ERR_IO;
        }
        pthread_mutex_lock(&mem->lock);
        disk_append(disk, &batch->ops);
        apply_batch(mem, lx_buf_span(&batch->ops));
        pthread_mutex_unlock(&mem->lock);
        if (sync && strikes(disk, LLD_FAULT_SYNC)) {
                lx_why_set(why, "the memory disk failed to sync, as it was told");
                return LX_ERR_IO;
        }
        if (sync)
                disk->synced = disk->count;
        return LX_OK;
}

static enum lx_err
mem_backup(void *e, const char *to, struct lx_why *why)
{
        (void)e, (void)to;
        lx_why_set(why, "the memory engine has no files to back up");
        return LX_ERR_USAGE;
}

static enum lx_err
mem_compact(void *e)
{
        (void)e;
        return LX_OK;
}

static void
mem_stats(void *e, struct lld_stats *out_stats)
{
        out_stats->disk_bytes = ((struct mem *)e)->disk->bytes;
}

static const struct lld_engine MEM = {
    .close = mem_close,
    .snapshot_new = mem_snapshot_new,
    .snapshot_free = mem_snapshot_free,
    .get = mem_get,
    .iter_new = mem_iter_new,
    .iter_seek = mem_iter_seek,
    .iter_at = mem_iter_at,
    .iter_step = mem_iter_step,
    .iter_free = mem_iter_free,
    .batch_new = mem_batch_new,
    .batch_free = mem_batch_free,
    .batch_put = mem_batch_put,
    .batch_remove = mem_batch_remove,
    .batch_remove_range = mem_batch_remove_range,
    .batch_commit = mem_batch_commit,
    .backup = mem_backup,
    .compact = mem_compact,
    .stats = mem_stats,
};

enum lx_err
lld_mem_open(struct lld_disk *disk, const struct lld_options *options, struct lld **out_db,
    struct lx_why *why)
{
        struct mem *mem = lx_alloc(sizeof(*mem));

        lx_assert(!disk->open);
        disk->open = true;
        disk->crashed = false;
        mem->disk = disk;
        pthread_mutex_init(&mem->lock, NULL);
        for (size_t i = 0; i < disk->count; i++)
                apply_batch(mem, disk->batch[i]);
        return lld_new(&MEM, mem, options, NULL, -1, out_db, why);
}
