/*
 * tests/unit/check_blob.c - uploads in parts, checks, limits, leftovers, damage, backups; on a real disk.
 */
#include "config.h"
#include "base/mem.h"
#include "blob/store.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static struct blob_store *store;

/* What a root names here: the BLAKE2b of the content. */
static enum lx_err
check(int fd, uint64_t len, const struct lx_hash *root, struct lx_why *why)
{
        uint8_t *bytes = malloc(len + 1);
        struct lx_hash got;
        ssize_t n = pread(fd, bytes, len + 1, 0);

        lx_blake2b(&LX_TAG_LEAF, bytes, n > 0 ? (size_t)n : 0, &got);
        free(bytes);
        if (n != (ssize_t)len)
                return LX_ERR_IO;
        if (lx_hash_eq(&got, root))
                return LX_OK;
        lx_why_set(why, "not what the root names");
        return LX_ERR_PROOF;
}

static const struct blob_kind KINDS[2] = {{"one", 100000, check}, {"two", 5000000000, check}};

static struct lx_hash
root_of(const void *bytes, size_t len)
{
        struct lx_hash root;

        lx_blake2b(&LX_TAG_LEAF, bytes, len, &root);
        return root;
}

static void
open_store(void)
{
        struct lx_why why = {{0}};

        ck_assert_msg(blob_open(dir, KINDS, 2, &store, &why) == LX_OK, "%s", why.text);
}

static void
setup(void)
{
        snprintf(dir, sizeof(dir), "/tmp/check_blob.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(dir));
        open_store();
}

static void
teardown(void)
{
        char command[256];

        blob_close(store);
        snprintf(command, sizeof(command), "rm -rf %s %s.backup", dir, dir);
        ck_assert_int_eq(system(command), 0);
}

static const char *
path_of(const struct lx_hash *root)
{
        static char path[256];
        char hex[65];

        lx_hex(root->b, 32, hex);
        snprintf(path, sizeof(path), "%s/blob/one/%.2s/%s", dir, hex, hex);
        return path;
}

/* How many names lie in blob/ itself: kinds, and uploads going on. */
static int
staged_files(void)
{
        char command[128];
        FILE *f;
        int n = 0;

        snprintf(command, sizeof(command), "ls %s/blob | grep -c stage", dir);
        f = popen(command, "r");
        ck_assert(fscanf(f, "%d", &n) == 1);
        pclose(f);
        return n;
}

/* What the daemon spreads over threads, at once. */
static enum lx_err
finish(enum lx_err err, struct blob_upload *whole, bool *out_done, struct lx_why *why)
{
        if (whole != NULL) {
                err = blob_publish(whole, why);
                *out_done = err == LX_OK;
        }
        return err;
}

static enum lx_err
put_part(struct blob_store *to, unsigned kind, const struct lx_hash *root, uint64_t total, uint64_t offset,
    const void *bytes, size_t len, uint64_t now_ms, bool *out_done, struct lx_why *why)
{
        struct blob_upload *whole;
        enum lx_err err =
            blob_put_part(to, kind, root, total, offset, bytes, len, now_ms, out_done, &whole, why);

        return finish(err, whole, out_done, why);
}

static enum lx_err
put_patched(struct blob_store *to, unsigned kind, const struct lx_hash *base, const struct lx_hash *root,
    uint64_t total, uint64_t offset, const void *bytes, size_t len, struct lx_why *why)
{
        struct blob_upload *whole;
        bool done;
        enum lx_err err =
            blob_patch(to, kind, base, root, total, offset, LX_SPAN(bytes, len), &done, &whole, why);

        return finish(err, whole, &done, why);
}

START_TEST(a_blob_comes_in_parts)
{
        uint8_t bytes[1000];
        struct lx_hash root;
        struct lx_buf out = {0};
        struct lx_why why = {{0}};
        uint64_t len;
        bool done;

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i * 13);
        root = root_of(bytes, sizeof(bytes));
        ck_assert(!blob_has(store, 0, &root, &len));
        ck_assert_int_eq(blob_read(store, 0, &root, 0, 1, &out), LX_ERR_ABSENT);
        for (size_t at = 0; at < 1000; at += 250) {
                ck_assert(!blob_has(store, 0, &root, NULL)); /* not before it is whole */
                ck_assert_int_eq(
                    put_part(store, 0, &root, 1000, at, bytes + at, 250, 0, &done, &why),
                    LX_OK);
                ck_assert_int_eq(done, at == 750);
        }
        ck_assert(blob_has(store, 0, &root, &len) && len == 1000);
        ck_assert(!blob_has(store, 1, &root, NULL)); /* kinds are apart */
        ck_assert_int_eq(blob_read(store, 0, &root, 100, 200, &out), LX_OK);
        ck_assert_uint_eq(out.len, 200);
        ck_assert_mem_eq(out.p, bytes + 100, 200);
        ck_assert_int_eq(blob_read(store, 0, &root, 900, 101, &out), LX_ERR_RANGE);
        ck_assert_int_eq(blob_read(store, 0, &root, 1001, 0, &out), LX_ERR_RANGE);
        ck_assert_int_eq(blob_check(store, 0, &root, &why), LX_OK);
        /* What is there already is done at once. */
        ck_assert_int_eq(put_part(store, 0, &root, 1000, 0, bytes, 1, 0, &done, &why), LX_OK);
        ck_assert(done && staged_files() == 0);
        /* It is there after a restart, and gone when it is removed. */
        blob_close(store);
        open_store();
        ck_assert(blob_has(store, 0, &root, NULL));
        ck_assert_int_eq(blob_remove(store, 0, &root), LX_OK);
        ck_assert_int_eq(blob_remove(store, 0, &root), LX_OK);
        ck_assert(!blob_has(store, 0, &root, NULL));
        lx_buf_clear(&out);
}
END_TEST

START_TEST(parts_that_do_not_fit)
{
        struct lx_hash root = root_of("abcdef", 6);
        struct lx_why why = {{0}};
        bool done;

        ck_assert_int_eq(
            put_part(store, 0, &root, 6, 3, "def", 3, 0, &done, &why), LX_ERR_SEQUENCE);
        ck_assert_ptr_nonnull(strstr(why.text, "offset 0"));
        ck_assert_int_eq(put_part(store, 0, &root, 6, 0, "abc", 3, 0, &done, NULL), LX_OK);
        why.text[0] = '\0';
        ck_assert_int_eq(
            put_part(store, 0, &root, 6, 4, "ef", 2, 0, &done, &why), LX_ERR_SEQUENCE);
        ck_assert_ptr_nonnull(strstr(why.text, "offset 3"));
        ck_assert_int_eq(
            put_part(store, 0, &root, 7, 3, "def", 3, 0, &done, NULL), LX_ERR_SEQUENCE);
        ck_assert_int_eq(
            put_part(store, 0, &root, 6, 3, "defg", 4, 0, &done, NULL), LX_ERR_RANGE);
        ck_assert_int_eq(put_part(store, 0, &root, 6, 7, "", 0, 0, &done, NULL), LX_ERR_RANGE);
        /* Offset 0 begins anew; the wrong content is refused and forgotten. */
        ck_assert_int_eq(put_part(store, 0, &root, 6, 0, "xbc", 3, 0, &done, NULL), LX_OK);
        ck_assert_int_eq(
            put_part(store, 0, &root, 6, 3, "def", 3, 0, &done, NULL), LX_ERR_PROOF);
        ck_assert(!done && !blob_has(store, 0, &root, NULL) && staged_files() == 0);
        ck_assert_int_eq(blob_put(store, 0, &root, "abcdef", 6, NULL), LX_OK);
        root = root_of("", 0);
        ck_assert_int_eq(blob_put(store, 0, &root, "", 0, NULL), LX_OK);
        ck_assert(blob_has(store, 0, &root, NULL));
}
END_TEST

START_TEST(several_wait_to_be_published)
{
        struct lx_hash root = root_of("abc", 3);
        struct blob_upload *good, *bad, *again;
        struct blob_stats stats;
        struct lx_why why = {{0}};
        bool done;

        ck_assert_int_eq(blob_put_part(store, 0, &root, 3, 0, "abc", 3, 0, &done, &good, &why), LX_OK);
        ck_assert_int_eq(blob_put_part(store, 0, &root, 3, 0, "xxx", 3, 0, &done, &bad, &why), LX_OK);
        ck_assert_int_eq(blob_put_part(store, 0, &root, 3, 0, "abc", 3, 0, &done, &again, &why), LX_OK);
        ck_assert(!done && good != NULL && bad != NULL && again != NULL && !blob_has(store, 0, &root, NULL));
        blob_tick(store, 2 * BLOB_STAGE_AGE_MS); /* they are not dropped under their publishers */
        blob_get_stats(store, &stats);
        ck_assert_uint_eq(stats.staged, 3);
        ck_assert_int_eq(blob_publish(good, &why), LX_OK);
        /* Neither what is wrong nor what is the same takes away what is there. */
        ck_assert_int_eq(blob_publish(bad, &why), LX_ERR_PROOF);
        ck_assert(blob_has(store, 0, &root, NULL));
        ck_assert_int_eq(blob_publish(again, &why), LX_OK);
        ck_assert_int_eq(blob_check(store, 0, &root, &why), LX_OK);
        ck_assert_int_eq(staged_files(), 0);
        blob_get_stats(store, &stats);
        ck_assert(stats.staged == 0 && stats.count == 1 && stats.bytes == 3);
}
END_TEST

START_TEST(uploads_have_limits)
{
        struct lx_why why = {{0}};
        struct lx_hash root;
        struct blob_stats stats;
        bool done;

        root = unit_hash(0);
        ck_assert_int_eq(
            put_part(store, 0, &root, 100001, 0, "x", 1, 0, &done, &why), LX_ERR_RANGE);
        ck_assert_ptr_nonnull(strstr(why.text, "100001"));
        for (uint64_t i = 0; i < BLOB_STAGES_MAX; i++) {
                root = unit_hash(i);
                ck_assert_int_eq(
                    put_part(store, 0, &root, 100000, 0, "x", 1, i, &done, NULL), LX_OK);
        }
        root = unit_hash(BLOB_STAGES_MAX);
        ck_assert_int_eq(
            put_part(store, 0, &root, 10, 0, "x", 1, 0, &done, NULL), LX_ERR_LIMIT);
        blob_get_stats(store, &stats);
        ck_assert_uint_eq(stats.staged, BLOB_STAGES_MAX);
        /* Who stops is dropped after a while, and makes room. */
        blob_tick(store, BLOB_STAGE_AGE_MS);
        ck_assert_int_eq(staged_files(), BLOB_STAGES_MAX);
        blob_tick(store, BLOB_STAGE_AGE_MS + 1);
        ck_assert_int_eq(staged_files(), BLOB_STAGES_MAX - 1);
        ck_assert_int_eq(put_part(store, 0, &root, 10, 0, "x", 1, 0, &done, NULL), LX_OK);
        blob_tick(store, 100 * BLOB_STAGE_AGE_MS);
        ck_assert_int_eq(staged_files(), 0);
        /* All together: 4 GiB. */
        ck_assert_int_eq(
            put_part(store, 1, &root, BLOB_STAGED_BYTES_MAX, 0, "x", 1, 0, &done, NULL),
            LX_OK);
        root = unit_hash(3);
        ck_assert_int_eq(put_part(store, 1, &root, 1, 0, "", 0, 0, &done, NULL), LX_ERR_LIMIT);
}
END_TEST

START_TEST(leftovers_go_at_the_start)
{
        struct lx_hash root = root_of("abc", 3);
        char path[128];
        bool done;
        int fd;

        ck_assert_int_eq(put_part(store, 0, &root, 3, 0, "a", 1, 0, &done, NULL), LX_OK);
        blob_close(store); /* drops it */
        snprintf(path, sizeof(path), "%s/blob/stage.77", dir);
        fd = open(path, O_CREAT | O_WRONLY, 0600); /* as a crash leaves one */
        ck_assert_int_ge(fd, 0);
        close(fd);
        open_store();
        ck_assert_int_eq(staged_files(), 0);
        ck_assert_int_eq(
            put_part(store, 0, &root, 3, 1, "bc", 2, 0, &done, NULL), LX_ERR_SEQUENCE);
}
END_TEST

START_TEST(patches)
{
        uint8_t bytes[5000];
        struct lx_hash base, root;
        struct lx_buf out = {0};

        memset(bytes, 'a', sizeof(bytes));
        base = root_of(bytes, 4000);
        ck_assert_int_eq(blob_put(store, 0, &base, bytes, 4000, NULL), LX_OK);
        memset(bytes + 1000, 'b', 32);
        root = root_of(bytes, 4000);
        ck_assert_int_eq(
            put_patched(store, 0, &base, &root, 4000, 1000, bytes + 1000, 32, NULL), LX_OK);
        ck_assert_int_eq(blob_read(store, 0, &root, 0, 4000, &out), LX_OK);
        ck_assert_mem_eq(out.p, bytes, 4000);
        ck_assert(blob_has(store, 0, &base, NULL));
        /* Growing at the end, and cutting. */
        base = root;
        root = root_of(bytes, 5000);
        ck_assert_int_eq(
            put_patched(store, 0, &base, &root, 5000, 4000, bytes + 4000, 1000, NULL), LX_OK);
        root = root_of(bytes, 500);
        ck_assert_int_eq(put_patched(store, 0, &base, &root, 500, 500, "", 0, NULL), LX_OK);
        /* A hole, beyond the end, of what is not here, not what the root names. */
        root = unit_hash(1);
        ck_assert_int_eq(
            put_patched(store, 0, &base, &root, 5000, 4001, bytes, 999, NULL), LX_ERR_RANGE);
        ck_assert_int_eq(
            put_patched(store, 0, &base, &root, 4000, 3990, bytes, 11, NULL), LX_ERR_RANGE);
        ck_assert_int_eq(
            put_patched(store, 0, &root, &root, 4000, 0, bytes, 1, NULL), LX_ERR_ABSENT);
        ck_assert_int_eq(
            put_patched(store, 0, &base, &root, 4000, 0, "x", 1, NULL), LX_ERR_PROOF);
        ck_assert_int_eq(staged_files(), 0);
        lx_buf_clear(&out);
}
END_TEST

START_TEST(damage_is_found_and_named)
{
        struct lx_hash root = root_of("abcdef", 6);
        struct lx_buf out = {0};
        struct lx_why why = {{0}};
        int fd;

        ck_assert_int_eq(blob_check(store, 0, &root, &why), LX_ERR_ABSENT);
        ck_assert_int_eq(blob_put(store, 0, &root, "abcdef", 6, NULL), LX_OK);
        fd = open(path_of(&root), O_WRONLY);
        ck_assert_int_eq(pwrite(fd, "X", 1, 2), 1);
        ck_assert_int_eq(blob_check(store, 0, &root, &why), LX_ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(why.text, path_of(&root) + strlen(dir) + 1));
        ck_assert_int_eq(ftruncate(fd, 3), 0);
        ck_assert_int_eq(blob_check(store, 0, &root, NULL), LX_ERR_CORRUPT);
        ck_assert_int_eq(blob_read(store, 0, &root, 0, 6, &out), LX_ERR_RANGE);
        close(fd);
        /* A link, a FIFO, a directory in its place are not followed, and nobody waits. */
        blob_close(store); /* which keeps a few files open */
        open_store();
        ck_assert_int_eq(unlink(path_of(&root)), 0);
        ck_assert_int_eq(symlink("/etc/passwd", path_of(&root)), 0);
        ck_assert_int_ne(blob_read(store, 0, &root, 0, 1, &out), LX_OK);
        ck_assert_int_eq(unlink(path_of(&root)), 0);
        ck_assert_int_eq(mkfifo(path_of(&root), 0600), 0);
        ck_assert_int_eq(blob_read(store, 0, &root, 0, 1, &out), LX_ERR_CORRUPT);
        ck_assert_uint_eq(out.len, 0);
        lx_buf_clear(&out);
}
END_TEST

struct seen {
        size_t count, stop;
        uint64_t bytes;
};

static bool
see(void *arg, const struct lx_hash *root, uint64_t len, uint64_t age_ms)
{
        struct seen *seen = arg;

        (void)root, (void)age_ms;
        seen->bytes += len;
        return ++seen->count != seen->stop;
}

START_TEST(walking_and_backups)
{
        char to[80], path[256];
        struct blob_store *copy;
        struct seen seen = {0};
        struct lx_hash root;
        int fd;

        for (uint32_t i = 0; i < 300; i++) {
                root = root_of(&i, sizeof(i));
                ck_assert_int_eq(blob_put(store, 0, &root, &i, sizeof(i), NULL), LX_OK);
        }
        snprintf(path, sizeof(path), "%s/blob/one/00", dir);
        (void)mkdir(path, 0700);
        snprintf(path, sizeof(path), "%s/blob/one/00/not-a-root", dir);
        fd = open(path, O_CREAT | O_WRONLY, 0600);
        close(fd);
        ck_assert_int_eq(blob_walk(store, 0, see, &seen), LX_OK);
        ck_assert_uint_eq(seen.count, 300);
        ck_assert_uint_eq(seen.bytes, 1200);
        seen = (struct seen){.stop = 7};
        ck_assert_int_eq(blob_walk(store, 0, see, &seen), LX_OK);
        ck_assert_uint_eq(seen.count, 7);
        snprintf(to, sizeof(to), "%s.backup", dir);
        ck_assert_int_eq(blob_backup(store, to, NULL), LX_OK);
        ck_assert_int_eq(blob_open(to, KINDS, 2, &copy, NULL), LX_OK);
        seen = (struct seen){0};
        ck_assert_int_eq(blob_walk(copy, 0, see, &seen), LX_OK);
        ck_assert_uint_eq(seen.count, 300);
        ck_assert_int_eq(blob_check(copy, 0, &root, NULL), LX_OK);
        /* The copy does not need the original. */
        ck_assert_int_eq(blob_remove(store, 0, &root), LX_OK);
        ck_assert(blob_has(copy, 0, &root, NULL));
        blob_close(copy);
        blob_close(NULL);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {a_blob_comes_in_parts, parts_that_do_not_fit, several_wait_to_be_published,
            uploads_have_limits, leftovers_go_at_the_start, patches, damage_is_found_and_named,
            walking_and_backups, NULL};

        return unit_main_in("blob", cases, 60, setup, teardown);
}
