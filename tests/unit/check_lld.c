/*
 * The store: one suite over both engines, then what only real files or injected faults show.
 */
#include "config.h"
#include "base/file.h"
#include "lld/mem.h"

#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ONCE, VERSIONED, CURRENT, KINDS };

static const struct lld_kind KIND[KINDS] = {
    [ONCE] = {.name = "once", .policy = LLD_ONCE, .point_only = 1},
    [VERSIONED] = {.name = "versioned", .policy = LLD_VERSIONED, .height_at = 1},
    [CURRENT] = {.name = "current", .policy = LLD_CURRENT},
};

static const struct lld_options OPTIONS = {.kinds = KIND, .kind_count = KINDS, .create = true};

static char dir[64];

static void
make_dir(void)
{
        strcpy(dir, "/tmp/lxnode-lld-XXXXXX"); /* fits */
        ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
remove_dir(void)
{
        char command[128];

        snprintf(command, sizeof(command), "rm -rf '%s'", dir);
        ck_assert_int_eq(system(command), 0);
}

static struct lld *
open_rocks(enum lx_err want, struct lx_why *why)
{
        struct lld *db = NULL;

        why->text[0] = '\0';
        ck_assert_msg(lld_open(dir, &OPTIONS, &db, why) == want, "%s", why->text);
        return db;
}

static enum lx_err
put_at(struct lld *db, uint64_t height, unsigned kind, const char *key, const char *value, bool sync)
{
        struct lld_batch *batch = lld_batch_new(db, height);
        enum lx_err err;

        (void)lld_batch_put(batch, kind, key, strlen(key), value, strlen(value));
        err = lld_batch_commit(batch, sync, NULL);
        lld_batch_free(batch);
        return err;
}

static bool
has_value(struct lld *db, const struct lld_snapshot *snap, unsigned kind, const char *key,
    const char *want)
{
        struct lx_buf out = {0};
        enum lx_err err = lld_get(db, snap, kind, key, strlen(key), &out);
        bool same = err == LX_OK && out.len == strlen(want) && memcmp(out.p, want, out.len) == 0;

        lx_buf_clear(&out);
        return same;
}

/* What every engine must do; @db is empty. */
static void
check_engine(struct lld *db)
{
        uint8_t key[9] = {'k'};
        struct lld_batch *batch;
        struct lld_snapshot *snap;
        struct lld_iter *iter;
        struct lx_span k, v;
        uint64_t height;

        ck_assert(!lld_height(db, &height));
        ck_assert_int_eq(put_at(db, 0, ONCE, "a", "1", true), LX_OK);
        ck_assert(lld_height(db, &height) && height == 0);
        ck_assert_int_eq(put_at(db, 0, ONCE, "a", "1", true), LX_OK);
        ck_assert_int_eq(put_at(db, 0, ONCE, "a", "2", true), LX_ERR_EXISTS);
        ck_assert(has_value(db, NULL, ONCE, "a", "1"));
        ck_assert_int_eq(lld_has(db, NULL, ONCE, "b", 1), LX_ERR_ABSENT);

        /* Versioned keys carry the batch's height, which must rise. */
        batch = lld_batch_new(db, 5);
        lx_put_be64(key + 1, 4);
        ck_assert_int_eq(lld_batch_put(batch, VERSIONED, key, 9, "x", 1), LX_ERR_RANGE);
        ck_assert_int_eq(lld_batch_commit(batch, true, NULL), LX_ERR_RANGE);
        lx_put_be64(key + 1, 5);
        ck_assert_int_eq(lld_batch_put(batch, VERSIONED, key, 9, "x", 1), LX_OK);
        ck_assert_int_eq(lld_batch_commit(batch, true, NULL), LX_OK);
        ck_assert_int_eq(lld_batch_put(batch, VERSIONED, key, 9, "y", 1), LX_OK);
        ck_assert_int_eq(lld_batch_commit(batch, true, NULL), LX_ERR_EXISTS);
        ck_assert_int_eq(lld_batch_remove(batch, VERSIONED, key, 9), LX_ERR_RANGE);
        ck_assert_int_eq(lld_batch_commit(batch, true, NULL), LX_ERR_RANGE);
        lld_batch_free(batch);
        ck_assert_int_eq(put_at(db, 4, CURRENT, "c", "1", true), LX_ERR_EXISTS);

        /* Snapshots stay as they were. */
        ck_assert_int_eq(put_at(db, 5, CURRENT, "c", "1", false), LX_OK);
        snap = lld_snapshot_new(db);
        ck_assert_int_eq(put_at(db, 5, CURRENT, "c", "2", false), LX_OK);
        ck_assert_int_eq(put_at(db, 5, CURRENT, "ca", "3", false), LX_OK);
        ck_assert_int_eq(put_at(db, 5, CURRENT, "d", "4", false), LX_OK);
        ck_assert(has_value(db, snap, CURRENT, "c", "1"));
        ck_assert(has_value(db, NULL, CURRENT, "c", "2"));
        ck_assert_int_eq(lld_has(db, snap, CURRENT, "d", 1), LX_ERR_ABSENT);

        /* Iterators keep within their prefix. */
        iter = lld_iter_open(db, NULL, CURRENT, "c", 1);
        ck_assert(lld_iter_at(iter, &k, &v) && k.len == 1 && v.p[0] == '2');
        lld_iter_next(iter);
        ck_assert(lld_iter_at(iter, &k, &v) && k.len == 2 && v.p[0] == '3');
        lld_iter_next(iter);
        ck_assert(!lld_iter_at(iter, &k, &v));
        lld_iter_seek_before(iter, "cz", 2);
        ck_assert(lld_iter_at(iter, &k, &v) && k.len == 2);
        lld_iter_prev(iter);
        ck_assert(lld_iter_at(iter, &k, &v) && k.len == 1);
        lld_iter_prev(iter);
        ck_assert(!lld_iter_at(iter, &k, &v));
        ck_assert_int_eq(lld_iter_close(iter), LX_OK);
        iter = lld_iter_open(db, snap, CURRENT, NULL, 0);
        ck_assert(lld_iter_at(iter, &k, &v) && v.p[0] == '1');
        lld_iter_next(iter);
        ck_assert(!lld_iter_at(iter, &k, &v));
        ck_assert_int_eq(lld_iter_close(iter), LX_OK);
        lld_snapshot_free(snap);

        /* Pruning takes any kind. */
        batch = lld_batch_new(db, 6);
        lld_batch_prune(batch, ONCE, "a", 1);
        lld_batch_prune_range(batch, CURRENT, "c", 1, "d", 1);
        ck_assert_int_eq(lld_batch_commit(batch, true, NULL), LX_OK);
        lld_batch_free(batch);
        ck_assert_int_eq(lld_has(db, NULL, ONCE, "a", 1), LX_ERR_ABSENT);
        ck_assert_int_eq(lld_has(db, NULL, CURRENT, "ca", 2), LX_ERR_ABSENT);
        ck_assert(has_value(db, NULL, CURRENT, "d", "4"));
        ck_assert_int_eq(lld_check(db, NULL), LX_OK);
}

START_TEST(both_engines)
{
        struct lld_disk *disk = lld_disk_new(0);
        struct lx_why why = {""};
        struct lld *db;
        uint64_t height;

        ck_assert_int_eq(lld_mem_open(disk, &OPTIONS, &db, NULL), LX_OK);
        check_engine(db);
        lld_close(db);
        lld_disk_free(disk);

        make_dir();
        db = open_rocks(LX_OK, &why);
        check_engine(db);
        lld_close(db);
        db = open_rocks(LX_OK, &why);
        ck_assert(lld_height(db, &height) && height == 6);
        ck_assert(has_value(db, NULL, CURRENT, "d", "4"));
        lld_close(db);
        remove_dir();
}
END_TEST

/* After a power cut a prefix of the unsynced batches is there, and all of the synced ones. */
START_TEST(memory_forgets_what_was_not_synced)
{
        for (uint64_t keep = 0; keep <= 3; keep++) {
                struct lld_disk *disk = lld_disk_new(0);
                struct lld *db;

                ck_assert_int_eq(lld_mem_open(disk, &OPTIONS, &db, NULL), LX_OK);
                ck_assert_int_eq(put_at(db, 1, CURRENT, "s", "1", true), LX_OK);
                ck_assert_int_eq(put_at(db, 2, CURRENT, "1", "1", false), LX_OK);
                ck_assert_int_eq(put_at(db, 3, CURRENT, "2", "1", false), LX_OK);
                ck_assert_int_eq(put_at(db, 4, CURRENT, "3", "1", false), LX_OK);
                lld_disk_crash(disk, keep);
                ck_assert_int_eq(lld_has(db, NULL, CURRENT, "s", 1), LX_ERR_IO);
                lld_close(db);
                ck_assert_int_eq(lld_mem_open(disk, &OPTIONS, &db, NULL), LX_OK);
                ck_assert(has_value(db, NULL, CURRENT, "s", "1"));
                for (uint64_t i = 1; i <= 3; i++) {
                        char key[2] = {(char)('0' + i), '\0'};

                        ck_assert(has_value(db, NULL, CURRENT, key, "1") == (i <= keep));
                }
                lld_close(db);
                lld_disk_free(disk);
        }
}
END_TEST

START_TEST(memory_faults)
{
        struct lld_disk *disk = lld_disk_new(4096);
        struct lld *db;
        char big[8192];

        memset(big, 'x', sizeof(big) - 1);
        big[sizeof(big) - 1] = '\0';
        ck_assert_int_eq(lld_mem_open(disk, &OPTIONS, &db, NULL), LX_OK);
        ck_assert_int_eq(put_at(db, 1, CURRENT, "a", "1", true), LX_OK);
        lld_disk_fail(disk, LLD_FAULT_READ, 2, false);
        ck_assert_int_eq(lld_has(db, NULL, CURRENT, "a", 1), LX_OK);
        ck_assert_int_eq(lld_has(db, NULL, CURRENT, "a", 1), LX_ERR_IO);
        ck_assert_int_eq(lld_has(db, NULL, CURRENT, "a", 1), LX_OK);
        lld_disk_fail(disk, LLD_FAULT_FLIP, 1, false);
        ck_assert_int_eq(lld_has(db, NULL, CURRENT, "a", 1), LX_ERR_CORRUPT);
        ck_assert_int_eq(put_at(db, 2, CURRENT, "b", big, true), LX_ERR_FULL);
        /* Nobody knows what reached the disk: no more writes until it is opened again. */
        ck_assert_int_eq(put_at(db, 3, CURRENT, "b", "1", true), LX_ERR_IO);
        lld_close(db);
        ck_assert_int_eq(lld_mem_open(disk, &OPTIONS, &db, NULL), LX_OK);
        ck_assert_int_eq(put_at(db, 3, CURRENT, "b", "1", true), LX_OK);
        lld_disk_fail(disk, LLD_FAULT_SYNC, 1, false);
        ck_assert_int_eq(put_at(db, 4, CURRENT, "c", "1", true), LX_ERR_IO);
        lld_disk_crash(disk, 0);
        lld_close(db);
        ck_assert_int_eq(lld_mem_open(disk, &OPTIONS, &db, NULL), LX_OK);
        ck_assert_int_eq(lld_has(db, NULL, CURRENT, "c", 1), LX_ERR_ABSENT);
        lld_close(db);
        lld_disk_free(disk);
}
END_TEST

START_TEST(directory_rules)
{
        struct lx_why why = {""};
        struct lld_options no_create = OPTIONS;
        struct lld *db, *second;
        char path[128];

        make_dir();
        no_create.create = false;
        ck_assert_int_eq(lld_open(dir, &no_create, &db, &why), LX_ERR_ABSENT);
        db = open_rocks(LX_OK, &why);
        why.text[0] = '\0';
        ck_assert_int_eq(lld_open(dir, &OPTIONS, &second, &why), LX_ERR_LOCKED);
        ck_assert_ptr_nonnull(strstr(why.text, "in use by process"));
        lld_close(db);
        snprintf(path, sizeof(path), "%s/FORMAT", dir);
        ck_assert_int_eq(lx_file_write(path, "lxnode-store 2\n", 15, 0644, NULL), LX_OK);
        open_rocks(LX_ERR_VERSION, &why);
        ck_assert_ptr_nonnull(strstr(why.text, "newer lxnoded"));
        ck_assert_int_eq(lx_file_write(path, "rubbish", 7, 0644, NULL), LX_OK);
        open_rocks(LX_ERR_CORRUPT, &why);
        remove_dir();
}
END_TEST

/* The files of the store whose names end in @suffix (SST files, logs, ...); how many. */
static size_t
find_files(const char *part, char names[][256], size_t max)
{
        char path[128];
        struct dirent *entry;
        size_t count = 0;
        DIR *d;

        snprintf(path, sizeof(path), "%s/lld", dir);
        d = opendir(path);
        while ((entry = readdir(d)) != NULL && count < max)
                if (strstr(entry->d_name, part) != NULL)
                        snprintf(names[count++], 256, "%s/%.100s", path, entry->d_name);
        closedir(d);
        return count;
}

static void
flip(const char *path, off_t at)
{
        int fd = open(path, O_RDWR);
        uint8_t byte;

        ck_assert_int_ge(fd, 0);
        if (at < 0)
                at += lseek(fd, 0, SEEK_END);
        ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
        byte ^= 0x40;
        ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
        close(fd);
}

static void
fill(bool compact)
{
        struct lx_why why = {""};
        struct lld *db = open_rocks(LX_OK, &why);
        char key[16];

        for (uint64_t i = 0; i < 50; i++) {
                snprintf(key, sizeof(key), "key%03u", (unsigned)i);
                ck_assert_int_eq(put_at(db, i, CURRENT, key, "some value of it", true), LX_OK);
        }
        if (compact)
                ck_assert_int_eq(lld_compact(db), LX_OK);
        lld_close(db);
}

/* Damage of what was acknowledged is an error that names the place and the way out. */
START_TEST(damage_is_never_silent)
{
        char names[8][256];
        struct lx_why why = {""};
        struct lld *db;

        for (int where = 0; where < 2; where++) {
                make_dir();
                fill(false);
                ck_assert_uint_eq(find_files(".log", names, 8), 1);
                flip(names[0], where == 0 ? 600 : -20);
                open_rocks(LX_ERR_CORRUPT, &why);
                ck_assert_ptr_nonnull(strstr(why.text, ".log is damaged"));
                ck_assert_ptr_nonnull(strstr(why.text, "restore"));
                remove_dir();
        }
        make_dir();
        fill(true);
        ck_assert_uint_ge(find_files(".sst", names, 8), 1);
        flip(names[0], 20);
        if (lld_open(dir, &OPTIONS, &db, &why) == LX_OK) {
                ck_assert_int_eq(lld_check(db, &why), LX_ERR_CORRUPT);
                ck_assert_ptr_nonnull(strstr(why.text, ".sst is damaged"));
                ck_assert_ptr_nonnull(strstr(why.text, "restore"));
                lld_close(db);
        }
        ck_assert_int_eq(unlink(names[0]), 0);
        open_rocks(LX_ERR_CORRUPT, &why);
        remove_dir();
        make_dir();
        fill(true);
        ck_assert_uint_ge(find_files("CURRENT", names, 8), 1);
        ck_assert_int_eq(truncate(names[0], 0), 0);
        open_rocks(LX_ERR_CORRUPT, &why);
        remove_dir();
}
END_TEST

/*
 * A record at the end that was cut short and that no fsync had acknowledged goes; without one that
 * was acknowledged the store does not open.
 */
START_TEST(torn_tail_is_cut)
{
        char names[8][256], path[128];
        struct lx_why why = {""};
        struct stat st;
        struct lld *db;
        uint64_t height;

        make_dir();
        fill(false);
        db = open_rocks(LX_OK, &why);
        ck_assert_int_eq(put_at(db, 50, CURRENT, "key050", "some value of it", false), LX_OK);
        lld_close(db);
        ck_assert_uint_eq(find_files(".log", names, 8), 1);
        ck_assert_int_eq(stat(names[0], &st), 0);
        ck_assert_int_eq(truncate(names[0], st.st_size - 10), 0);
        db = open_rocks(LX_OK, &why);
        ck_assert(lld_height(db, &height) && height == 49);
        ck_assert(has_value(db, NULL, CURRENT, "key049", "some value of it"));
        ck_assert_int_eq(put_at(db, 50, CURRENT, "key050", "some value of it", true), LX_OK);
        lld_close(db);
        for (size_t i = 0, n = find_files(".log", names, 8); i < n; i++)
                ck_assert_int_eq(truncate(names[i], 0), 0);
        open_rocks(LX_ERR_CORRUPT, &why);
        ck_assert_ptr_nonnull(strstr(why.text, "height 50 was acknowledged"));
        ck_assert_ptr_nonnull(strstr(why.text, "restore"));
        /* A power cut may leave HEIGHT empty or blank: then it says nothing. */
        snprintf(path, sizeof(path), "%s/HEIGHT", dir);
        ck_assert_int_eq(truncate(path, 0), 0);
        ck_assert_int_eq(truncate(path, 21), 0);
        lld_close(open_rocks(LX_OK, &why));
        ck_assert_int_eq(lx_file_write(path, "0000000000000000005x\n", 21, 0600, NULL), LX_OK);
        open_rocks(LX_ERR_CORRUPT, &why);
        ck_assert_ptr_nonnull(strstr(why.text, "HEIGHT"));
        remove_dir();
}
END_TEST

/* A file that is gone is damage, never the beginning of a new store in place of the old one. */
START_TEST(a_lost_file_makes_no_new_store)
{
        static const char *const lost[] = {"FORMAT", "lld/CURRENT"};
        char path[128], kept[128];
        struct lx_why why = {""};
        struct lld *db;

        for (size_t i = 0; i < 2; i++) {
                make_dir();
                fill(true);
                snprintf(path, sizeof(path), "%s/%s", dir, lost[i]);
                snprintf(kept, sizeof(kept), "%s/kept", dir);
                ck_assert_int_eq(rename(path, kept), 0);
                open_rocks(LX_ERR_CORRUPT, &why);
                ck_assert_ptr_nonnull(strstr(why.text, lost[i]));
                ck_assert_ptr_nonnull(strstr(why.text, "restore"));
                ck_assert_int_eq(rename(kept, path), 0);
                db = open_rocks(LX_OK, &why);
                ck_assert(has_value(db, NULL, CURRENT, "key049", "some value of it"));
                lld_close(db);
                remove_dir();
        }
        /* One whose making was cut short is made again. */
        make_dir();
        snprintf(path, sizeof(path), "%s/FORMAT.new", dir);
        ck_assert_int_eq(lx_file_write(path, "lxnode-store 1\n", 15, 0644, NULL), LX_OK);
        snprintf(path, sizeof(path), "%s/lld", dir);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        fill(false);
        ck_assert_int_ne(access(path, F_OK), -1);
        remove_dir();
}
END_TEST

/* A backup is copied out; what was cut short can be done again; nothing is overwritten. */
START_TEST(restore_copies_a_backup)
{
        struct lx_why why = {""};
        struct lld *db;
        char from[128], to[64], part[128];

        make_dir();
        fill(false);
        db = open_rocks(LX_OK, &why);
        snprintf(from, sizeof(from), "%s/copy", dir);
        ck_assert_int_eq(lld_backup(db, from, &why), LX_OK);
        lld_close(db);
        ck_assert_int_eq(lld_restore(from, dir, &why), LX_ERR_EXISTS);
        snprintf(to, sizeof(to), "%.40s/new", dir);
        ck_assert_int_eq(lld_restore(to, to, &why), LX_ERR_ABSENT);
        snprintf(part, sizeof(part), "%s/lld.part", to);
        ck_assert_int_eq(lx_file_mkdirs(part, 0700, NULL), LX_OK);
        why.text[0] = '\0';
        ck_assert_int_eq(lld_open(to, &OPTIONS, &db, &why), LX_ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(why.text, "lx restore again"));
        ck_assert_msg(lld_restore(from, to, &why) == LX_OK, "%s", why.text);
        ck_assert_int_eq(lld_open(to, &OPTIONS, &db, &why), LX_OK);
        ck_assert(has_value(db, NULL, CURRENT, "key049", "some value of it"));
        lld_close(db);
        remove_dir();
}
END_TEST

/* Pruned records leave the disk with a compaction, which nothing hinders and a hurry ends. */
START_TEST(compaction_gives_space_back)
{
        struct lx_why why = {""};
        struct lld_stats full, less;
        struct lld_batch *batch;
        uint8_t key[9] = {'k'}, to[9] = {'k'}, *value;
        struct lld *db;

        make_dir();
        value = malloc(1 << 20);
        for (size_t i = 0; i < 1 << 20; i++)
                value[i] = (uint8_t)((i * 2654435761u) >> 13);
        db = open_rocks(LX_OK, &why);
        for (uint64_t h = 1; h <= 24; h++) {
                batch = lld_batch_new(db, h);
                lx_put_be64(key + 1, h);
                ck_assert_int_eq(lld_batch_put(batch, VERSIONED, key, 9, value, 1 << 20), LX_OK);
                ck_assert_int_eq(lld_batch_commit(batch, false, &why), LX_OK);
                lld_batch_free(batch);
        }
        ck_assert_int_eq(lld_compact(db), LX_OK);
        lld_get_stats(db, &full);
        ck_assert_uint_ge(full.disk_bytes, 24u << 20);
        batch = lld_batch_new(db, 25);
        lx_put_be64(key + 1, 1);
        lx_put_be64(to + 1, 23);
        ck_assert_int_eq(lld_batch_prune_range(batch, VERSIONED, key, 9, to, 9), LX_OK);
        ck_assert_int_eq(lld_batch_commit(batch, true, &why), LX_OK);
        lld_batch_free(batch);
        ck_assert_int_eq(lld_compact(db), LX_OK);
        lld_get_stats(db, &less);
        ck_assert_uint_le(less.disk_bytes, 4u << 20);
        lld_hurry(db);
        (void)!lld_compact(db);
        lld_close(db);
        free(value);
        remove_dir();
}
END_TEST

START_TEST(backup_is_a_store)
{
        struct lx_why why = {""};
        struct lld *db;
        char to[128], kept[64];

        make_dir();
        fill(false);
        db = open_rocks(LX_OK, &why);
        snprintf(to, sizeof(to), "%s/copy", dir);
        ck_assert_msg(lld_backup(db, to, &why) == LX_OK, "%s", why.text);
        ck_assert_int_eq(lld_backup(db, to, &why), LX_ERR_EXISTS);
        ck_assert_int_eq(put_at(db, 60, CURRENT, "later", "1", true), LX_OK);
        lld_close(db);
        strcpy(kept, dir); /* same size */
        snprintf(dir, sizeof(dir), "%.50s/copy", kept);
        db = open_rocks(LX_OK, &why);
        ck_assert(has_value(db, NULL, CURRENT, "key049", "some value of it"));
        ck_assert_int_eq(lld_has(db, NULL, CURRENT, "later", 5), LX_ERR_ABSENT);
        lld_close(db);
        strcpy(dir, kept); /* same size */
        remove_dir();
}
END_TEST

/* kill -9 while it writes: everything that was acknowledged through the pipe is there. */
START_TEST(kill_loses_nothing_acknowledged)
{
        struct lx_why why = {""};
        uint64_t floor = 0, height = 0;

        make_dir();
        for (int round = 0; round < 5; round++) {
                uint64_t acked = floor;
                struct lld *db;
                int fds[2];
                pid_t pid;

                ck_assert_int_eq(pipe(fds), 0);
                pid = fork();
                if (pid == 0) {
                        db = open_rocks(LX_OK, &why);
                        for (uint64_t i = floor + 1;; i++)
                                if (put_at(db, i, CURRENT, "k", "v", true) != LX_OK ||
                                    write(fds[1], &i, sizeof(i)) != sizeof(i))
                                        _exit(1);
                }
                close(fds[1]);
                for (int n = 0; n < 20 + 7 * round; n++)
                        ck_assert_int_eq(read(fds[0], &acked, sizeof(acked)), sizeof(acked));
                kill(pid, SIGKILL);
                waitpid(pid, NULL, 0);
                while (read(fds[0], &acked, sizeof(acked)) == sizeof(acked))
                        ;
                close(fds[0]);
                db = open_rocks(LX_OK, &why);
                ck_assert(lld_height(db, &height));
                ck_assert_uint_ge(height, acked);
                lld_close(db);
                floor = height;
        }
        remove_dir();
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {both_engines, memory_forgets_what_was_not_synced,
            memory_faults, directory_rules, damage_is_never_silent, torn_tail_is_cut,
            a_lost_file_makes_no_new_store, compaction_gives_space_back, backup_is_a_store, restore_copies_a_backup, kill_loses_nothing_acknowledged, NULL};

        return unit_main("lld", cases, 120);
}
