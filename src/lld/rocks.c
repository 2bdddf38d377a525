/*
 * lld/rocks.c - the RocksDB engine; see lld/store.h.
 *
 * Debian builds RocksDB with assertions: a handle that is open at close aborts the process, so
 * store.c counts them. The write-ahead log is recovered in the mode that cuts an incomplete record
 * at its end, which no fsync acknowledged, and refuses every other damage (doc/lld.md).
 */
#include "config.h"
#include "base/assert.h"
#include "base/file.h"
#include "base/mem.h"
#include "lld/engine_int.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 4096
#define CACHE_DEFAULT (16u << 20)
#define BUFFER_DEFAULT (32u << 20)
#define MEMTABLE_BLOOM 0.008 /* of the write buffer: 10 bits for each of 100,000 keys in 16 MiB */
#define NO_LOG 6 /* above rocksdb::InfoLogLevel::HEADER_LEVEL: nothing is logged */
#define WAL_TOLERATE_TORN_TAIL 0 /* rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords */

struct rocks {
        rocksdb_t *db;
        rocksdb_column_family_handle_t *cf[LLD_KINDS_MAX + 1]; /* [kind_count]: the default, META */
        size_t kind_count;
        rocksdb_readoptions_t *read;
        rocksdb_writeoptions_t *write_sync, *write_lazy;
        rocksdb_cache_t *cache;
        rocksdb_options_t *options[LLD_KINDS_MAX + 1];
        pthread_mutex_t lock; /* of damage */
        struct lx_why damage;
        char dir[PATH_BYTES];
};

struct rocks_iter {
        struct rocks *rocks;
        rocksdb_iterator_t *it;
        rocksdb_readoptions_t *read;
};

/* A snapshot with the options for reading through it, which are dear to make for each read. */
struct rocks_snapshot {
        const rocksdb_snapshot_t *snap;
        rocksdb_readoptions_t *read;
};

struct rocks_batch {
        struct rocks *rocks;
        rocksdb_writebatch_t *wb;
};

/* The file that a message is about, by its name's form; "" when it names none. */
static void
find_file(const char *message, char *out, size_t cap)
{
        static const char *const marks[] = {".sst", ".log", "MANIFEST-", "CURRENT", "OPTIONS-"};

        out[0] = '\0';
        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]) && out[0] == '\0'; i++) {
                const char *at = strstr(message, marks[i]), *end;

                if (at == NULL)
                        continue;
                end = at + strlen(marks[i]);
                while (*end >= '0' && *end <= '9')
                        end++;
                while (at > message && at[-1] >= '0' && at[-1] <= '9')
                        at--;
                (void)snprintf(out, cap, "%.*s", (int)(end - at), at);
        }
}

/* Opening the tables that the manifest lists, RocksDB blames the manifest for what is in them. */
static const char *
or_a_table(const char *message, const char *file)
{
        bool manifest = strstr(message, "in MANIFEST") != NULL || strstr(message, "checksum mismatch in file") != NULL;

        return strncmp(file, "MANIFEST", 8) == 0 && !manifest ? " or a table (*.sst) that it lists" : "";
}

static bool
is_damage(const char *message)
{
        static const char *const marks[] = {"orruption", "No such file", "CURRENT", "does not exist",
            "olumn family not found", "Can't find", "truncated", "too short"};

        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
                if (strstr(message, marks[i]) != NULL)
                        return true;
        return false;
}

/* What RocksDB's message means; the message is freed. */
static enum lx_err
take_error(char *message, const char *doing, const char *where, struct lx_why *why)
{
        enum lx_err err = LX_ERR_IO;
        char file[40];

        if (message == NULL)
                return LX_OK;
        find_file(message, file, sizeof(file));
        if (strstr(message, "No space left") != NULL) {
                err = LX_ERR_FULL;
                lx_why_set(why, "no space left while %s %s: free some and start again", doing, where);
        } else if (strstr(message, "Permission denied") != NULL ||
            strstr(message, "Read-only file system") != NULL) {
                err = LX_ERR_DENIED;
                lx_why_set(why, "no permission while %s %s: %.160s", doing, where, message);
        } else if (is_damage(message)) {
                err = LX_ERR_CORRUPT;
                lx_why_set(why, "%s%s%s%s is damaged: restore a backup with lx restore, or sync anew (%.120s)",
                    where, file[0] != '\0' ? "/" : "", file, or_a_table(message, file), message);
        } else {
                lx_why_set(why, "%s %s: %.200s", doing, where, message);
        }
        rocksdb_free(message);
        return err;
}

/* RocksDB does not say which log has a bad record: it is the newest, the others are gone by then. */
static void
find_log(const char *dir, char *out, size_t cap)
{
        struct dirent *entry;
        DIR *d = opendir(dir);

        while (d != NULL && (entry = readdir(d)) != NULL) {
                const char *dot = strchr(entry->d_name, '.');

                if (dot != NULL && strcmp(dot, ".log") == 0 && strcmp(entry->d_name, out) > 0)
                        (void)snprintf(out, cap, "%.*s", (int)cap - 1, entry->d_name);
        }
        if (d != NULL)
                closedir(d);
}

static enum lx_err
take_open_error(char *message, const char *dir, struct lx_why *why)
{
        char file[40], log[40] = "";

        if (message == NULL || strstr(message, "orruption") == NULL)
                return take_error(message, "opening", dir, why);
        find_file(message, file, sizeof(file));
        find_log(dir, log, sizeof(log));
        if (file[0] != '\0' || log[0] == '\0')
                return take_error(message, "opening", dir, why);
        lx_why_set(why, "%s/%s is damaged: restore a backup with lx restore, or sync anew (%.120s)", dir, log, message);
        rocksdb_free(message);
        return LX_ERR_CORRUPT;
}

/* As take_error; damage is kept for rocks_damage. Reads come from any thread. */
static enum lx_err
take_read_error(struct rocks *rocks, char *message)
{
        struct lx_why why = {{0}};
        enum lx_err err = take_error(message, "reading", rocks->dir, &why);

        if (err == LX_ERR_CORRUPT) {
                pthread_mutex_lock(&rocks->lock);
                rocks->damage = why;
                pthread_mutex_unlock(&rocks->lock);
        }
        return err;
}

static void
rocks_damage(void *e, struct lx_why *why)
{
        struct rocks *rocks = e;

        pthread_mutex_lock(&rocks->lock);
        if (rocks->damage.text[0] != '\0' && why != NULL)
                *why = rocks->damage;
        pthread_mutex_unlock(&rocks->lock);
}

static unsigned
cf_index(const struct rocks *rocks, unsigned kind)
{
        return kind == LLD_KIND_META ? (unsigned)rocks->kind_count : kind;
}

/* Options of one kind (NULL: of META). The table options are taken over. */
static rocksdb_options_t *
kind_options(const struct lld_kind *kind, rocksdb_cache_t *cache, size_t buffer)
{
        rocksdb_options_t *o = rocksdb_options_create();
        rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();

        rocksdb_block_based_options_set_block_cache(t, cache);
        rocksdb_block_based_options_set_format_version(t, 5);
        if (kind != NULL && kind->point_only) {
                rocksdb_block_based_options_set_filter_policy(
                    t, rocksdb_filterpolicy_create_bloom_full(10));
                /* The same for what is still in memory: a key that is absent is known without a search. */
                rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, MEMTABLE_BLOOM);
                rocksdb_options_set_memtable_whole_key_filtering(o, 1);
                rocksdb_block_based_options_set_block_size(t, 4096);
        } else {
                rocksdb_block_based_options_set_block_size(t, 16384);
        }
        rocksdb_options_set_block_based_table_factory(o, t);
        rocksdb_block_based_options_destroy(t);
        rocksdb_options_set_compression(
            o, kind != NULL && kind->compress ? rocksdb_lz4_compression : rocksdb_no_compression);
        rocksdb_options_set_write_buffer_size(o, buffer / 2);
        rocksdb_options_set_arena_block_size(o, 128 * 1024);
        rocksdb_options_set_paranoid_checks(o, 1);
        return o;
}

/* What concerns the whole database is set on the first options. */
static void
set_db_options(rocksdb_options_t *o, bool make, bool read_only, size_t buffer)
{
        rocksdb_options_set_create_if_missing(o, make);
        rocksdb_options_set_create_missing_column_families(o, !read_only);
        rocksdb_options_set_db_write_buffer_size(o, buffer);
        rocksdb_options_set_max_total_wal_size(o, 2 * buffer);
        rocksdb_options_set_wal_recovery_mode(o, WAL_TOLERATE_TORN_TAIL);
        rocksdb_options_set_max_background_jobs(o, 2);
        rocksdb_options_set_max_open_files(o, 512);
        rocksdb_options_set_skip_stats_update_on_db_open(o, 1);
        rocksdb_options_set_stats_dump_period_sec(o, 0);
        rocksdb_options_set_stats_persist_period_sec(o, 0);
        /*
         * No log of its own: with assertions on, as Debian builds it, RocksDB ends the process when it
         * writes there after a write that failed, say on a full disk. What fails comes back as an error.
         */
        rocksdb_options_set_info_log_level(o, NO_LOG);
        rocksdb_options_set_keep_log_file_num(o, 1);
        rocksdb_options_set_max_manifest_file_size(o, 16 << 20);
}

static void
free_rocks(struct rocks *rocks)
{
        for (size_t i = 0; i <= rocks->kind_count; i++) {
                if (rocks->cf[i] != NULL)
                        rocksdb_column_family_handle_destroy(rocks->cf[i]);
                rocksdb_options_destroy(rocks->options[i]);
        }
        if (rocks->db != NULL)
                rocksdb_close(rocks->db);
        rocksdb_readoptions_destroy(rocks->read);
        rocksdb_writeoptions_destroy(rocks->write_sync);
        rocksdb_writeoptions_destroy(rocks->write_lazy);
        rocksdb_cache_destroy(rocks->cache);
        pthread_mutex_destroy(&rocks->lock);
        lx_free(rocks);
}

static struct rocks *
new_rocks(const char *dir, const struct lld_options *options, bool make)
{
        size_t buffer = options->write_buffer_bytes ? options->write_buffer_bytes : BUFFER_DEFAULT;
        struct rocks *rocks = lx_alloc(sizeof(*rocks));

        pthread_mutex_init(&rocks->lock, NULL);
        snprintf(rocks->dir, sizeof(rocks->dir), "%s/lld", dir);
        rocks->kind_count = options->kind_count;
        rocks->cache = rocksdb_cache_create_lru(
            options->cache_bytes ? options->cache_bytes : CACHE_DEFAULT);
        rocks->read = rocksdb_readoptions_create();
        rocksdb_readoptions_set_verify_checksums(rocks->read, 1);
        rocks->write_sync = rocksdb_writeoptions_create();
        rocksdb_writeoptions_set_sync(rocks->write_sync, 1);
        rocks->write_lazy = rocksdb_writeoptions_create();
        for (size_t i = 0; i <= options->kind_count; i++)
                rocks->options[i] = kind_options(
                    i < options->kind_count ? &options->kinds[i] : NULL, rocks->cache, buffer);
        set_db_options(rocks->options[options->kind_count], make, options->read_only, buffer);
        return rocks;
}

enum lx_err
lld_rocks_open(const char *dir, const struct lld_options *options, bool make, void **out_impl,
    struct lx_why *why)
{
        struct rocks *rocks = new_rocks(dir, options, make);
        const char *names[LLD_KINDS_MAX + 1];
        size_t n = options->kind_count + 1;
        char *message = NULL;
        enum lx_err err;

        for (size_t i = 0; i + 1 < n; i++)
                names[i] = options->kinds[i].name;
        names[n - 1] = "default";
        if (options->read_only)
                rocks->db = rocksdb_open_for_read_only_column_families(rocks->options[n - 1],
                    rocks->dir, (int)n, names, (const rocksdb_options_t *const *)rocks->options,
                    rocks->cf, 0, &message);
        else
                rocks->db = rocksdb_open_column_families(rocks->options[n - 1], rocks->dir, (int)n,
                    names, (const rocksdb_options_t *const *)rocks->options, rocks->cf, &message);
        err = take_open_error(message, rocks->dir, why);
        if (err != LX_OK) {
                rocks->db = NULL;
                memset(rocks->cf, 0, sizeof(rocks->cf));
                free_rocks(rocks);
                return err;
        }
        *out_impl = rocks;
        return LX_OK;
}

static void
rocks_close(void *e)
{
        free_rocks(e);
}

static void *
rocks_snapshot_new(void *e)
{
        struct rocks *rocks = e;
        struct rocks_snapshot *snap = lx_alloc(sizeof(*snap));

        snap->snap = rocksdb_create_snapshot(rocks->db);
        snap->read = rocksdb_readoptions_create();
        rocksdb_readoptions_set_verify_checksums(snap->read, 1);
        rocksdb_readoptions_set_snapshot(snap->read, snap->snap);
        return snap;
}

static void
rocks_snapshot_free(void *e, void *s)
{
        struct rocks *rocks = e;
        struct rocks_snapshot *snap = s;

        rocksdb_readoptions_destroy(snap->read);
        rocksdb_release_snapshot(rocks->db, snap->snap);
        lx_free(snap);
}

static enum lx_err
rocks_get(void *e, void *snap, unsigned kind, const void *key, size_t key_len, struct lx_buf *out)
{
        struct rocks *rocks = e;
        const rocksdb_readoptions_t *read =
            snap != NULL ? ((struct rocks_snapshot *)snap)->read : rocks->read;
        char *message = NULL;
        rocksdb_pinnableslice_t *slice = rocksdb_get_pinned_cf(
            rocks->db, read, rocks->cf[cf_index(rocks, kind)], key, key_len, &message);
        enum lx_err err = take_read_error(rocks, message);

        if (err == LX_OK && slice == NULL)
                err = LX_ERR_ABSENT;
        if (err == LX_OK) {
                size_t len;
                const char *value = rocksdb_pinnableslice_value(slice, &len);

                lx_buf_append(out, value, len);
        }
        if (slice != NULL)
                rocksdb_pinnableslice_destroy(slice);
        return err;
}

static void *
rocks_iter_new(void *e, void *snap, unsigned kind)
{
        struct rocks *rocks = e;
        struct rocks_iter *iter = lx_alloc(sizeof(*iter));

        iter->rocks = rocks;
        iter->read = rocksdb_readoptions_create();
        rocksdb_readoptions_set_verify_checksums(iter->read, 1);
        if (snap != NULL)
                rocksdb_readoptions_set_snapshot(iter->read, ((struct rocks_snapshot *)snap)->snap);
        iter->it =
            rocksdb_create_iterator_cf(rocks->db, iter->read, rocks->cf[cf_index(rocks, kind)]);
        return iter;
}

static void
rocks_iter_seek(void *it, const void *key, size_t key_len, bool backwards)
{
        struct rocks_iter *iter = it;

        if (backwards)
                rocksdb_iter_seek_for_prev(iter->it, key, key_len);
        else
                rocksdb_iter_seek(iter->it, key, key_len);
}

static bool
rocks_iter_at(void *it, struct lx_span *out_key, struct lx_span *out_value)
{
        struct rocks_iter *iter = it;

        if (!rocksdb_iter_valid(iter->it))
                return false;
        out_key->p = (const uint8_t *)rocksdb_iter_key(iter->it, &out_key->len);
        out_value->p = (const uint8_t *)rocksdb_iter_value(iter->it, &out_value->len);
        return true;
}

static void
rocks_iter_step(void *it, bool backwards)
{
        struct rocks_iter *iter = it;

        if (backwards)
                rocksdb_iter_prev(iter->it);
        else
                rocksdb_iter_next(iter->it);
}

static enum lx_err
rocks_iter_free(void *it)
{
        struct rocks_iter *iter = it;
        struct rocks *rocks = iter->rocks;
        char *message = NULL;

        rocksdb_iter_get_error(iter->it, &message);
        rocksdb_iter_destroy(iter->it);
        rocksdb_readoptions_destroy(iter->read);
        lx_free(iter);
        return take_read_error(rocks, message);
}

static void *
rocks_batch_new(void *e)
{
        struct rocks_batch *batch = lx_alloc(sizeof(*batch));

        batch->rocks = e;
        batch->wb = rocksdb_writebatch_create();
        return batch;
}

static void
rocks_batch_free(void *b)
{
        struct rocks_batch *batch = b;

        rocksdb_writebatch_destroy(batch->wb);
        lx_free(batch);
}

static rocksdb_column_family_handle_t *
batch_cf(const struct rocks_batch *batch, unsigned kind)
{
        return batch->rocks->cf[cf_index(batch->rocks, kind)];
}

static void
rocks_batch_put(
    void *b, unsigned kind, const void *key, size_t key_len, const void *val, size_t val_len)
{
        struct rocks_batch *batch = b;

        rocksdb_writebatch_put_cf(
            batch->wb, batch_cf(batch, kind), key, key_len, val != NULL ? val : "", val_len);
}

static void
rocks_batch_remove(void *b, unsigned kind, const void *key, size_t key_len)
{
        struct rocks_batch *batch = b;

        rocksdb_writebatch_delete_cf(batch->wb, batch_cf(batch, kind), key, key_len);
}

static void
rocks_batch_remove_range(
    void *b, unsigned kind, const void *from, size_t from_len, const void *to, size_t to_len)
{
        struct rocks_batch *batch = b;

        rocksdb_writebatch_delete_range_cf(
            batch->wb, batch_cf(batch, kind), from, from_len, to, to_len);
}

static enum lx_err
rocks_batch_commit(void *b, bool sync, struct lx_why *why)
{
        struct rocks_batch *batch = b;
        char *message = NULL;

        rocksdb_write(batch->rocks->db, sync ? batch->rocks->write_sync : batch->rocks->write_lazy,
            batch->wb, &message);
        return take_error(message, "writing to", batch->rocks->dir, why);
}

static enum lx_err
rocks_backup(void *e, const char *to, struct lx_why *why)
{
        struct rocks *rocks = e;
        char path[PATH_BYTES], text[32], *message = NULL;
        rocksdb_checkpoint_t *checkpoint;
        struct stat st;
        enum lx_err err;

        snprintf(path, sizeof(path), "%s/FORMAT", to);
        if (stat(path, &st) == 0) {
                lx_why_set(why, "there is a backup in %s already", to);
                return LX_ERR_EXISTS;
        }
        err = lx_file_mkdirs(to, 0700, why);
        if (err != LX_OK)
                return err;
        snprintf(path, sizeof(path), "%s/lld", to);
        checkpoint = rocksdb_checkpoint_object_create(rocks->db, &message);
        if (message == NULL)
                rocksdb_checkpoint_create(checkpoint, path, 0, &message);
        if (checkpoint != NULL)
                rocksdb_checkpoint_object_destroy(checkpoint);
        err = take_error(message, "backing up to", path, why);
        if (err == LX_OK)
                err = lx_file_sync_dir(path, why);
        if (err != LX_OK)
                return err;
        snprintf(path, sizeof(path), "%s/FORMAT", to);
        snprintf(text, sizeof(text), "lxnode-store %d\n", LLD_FORMAT_VERSION);
        return lx_file_write(path, text, strlen(text), 0644, why);
}

static enum lx_err
rocks_compact(void *e)
{
        struct rocks *rocks = e;

        for (size_t i = 0; i <= rocks->kind_count; i++)
                rocksdb_compact_range_cf(rocks->db, rocks->cf[i], NULL, 0, NULL, 0);
        return LX_OK;
}

static void
rocks_hurry(void *e)
{
        rocksdb_disable_manual_compaction(((struct rocks *)e)->db);
}

static uint64_t
sum_property(struct rocks *rocks, const char *name)
{
        uint64_t sum = 0, value;

        for (size_t i = 0; i <= rocks->kind_count; i++)
                if (rocksdb_property_int_cf(rocks->db, rocks->cf[i], name, &value) == 0)
                        sum += value;
        return sum;
}

/* Bytes of all files, logs included; not what was allocated for them ahead. */
static uint64_t
files_size(const char *dir)
{
        uint64_t sum = 0;
        struct dirent *entry;
        struct stat st;
        DIR *d = opendir(dir);

        while (d != NULL && (entry = readdir(d)) != NULL)
                if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
                        sum += (uint64_t)st.st_size;
        if (d != NULL)
                closedir(d);
        return sum;
}

static void
rocks_stats(void *e, struct lld_stats *out_stats)
{
        struct rocks *rocks = e;

        out_stats->disk_bytes = files_size(rocks->dir);
        out_stats->mem_bytes = sum_property(rocks, "rocksdb.size-all-mem-tables") +
            sum_property(rocks, "rocksdb.estimate-table-readers-mem") +
            rocksdb_cache_get_usage(rocks->cache);
}

const struct lld_engine LLD_ROCKS = {
    .close = rocks_close,
    .snapshot_new = rocks_snapshot_new,
    .snapshot_free = rocks_snapshot_free,
    .get = rocks_get,
    .iter_new = rocks_iter_new,
    .iter_seek = rocks_iter_seek,
    .iter_at = rocks_iter_at,
    .iter_step = rocks_iter_step,
    .iter_free = rocks_iter_free,
    .batch_new = rocks_batch_new,
    .batch_free = rocks_batch_free,
    .batch_put = rocks_batch_put,
    .batch_remove = rocks_batch_remove,
    .batch_remove_range = rocks_batch_remove_range,
    .batch_commit = rocks_batch_commit,
    .backup = rocks_backup,
    .compact = rocks_compact,
    .hurry = rocks_hurry,
    .stats = rocks_stats,
    .damage = rocks_damage,
};
