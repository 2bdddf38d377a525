/*
 * tests/unit/check_base_file.c - small files, directories, the log, clocks.
 */
#include "config.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/check_base_file.XXXXXX";

static const char *
at(const char *name)
{
        static char path[4096];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        return path;
}

static void
setup(void)
{
        memcpy(strrchr(dir, '.') + 1, "XXXXXX", 6);
        ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
        char command[64];

        snprintf(command, sizeof(command), "rm -rf %s", dir);
        ck_assert_int_eq(system(command), 0);
}

START_TEST(what_is_written_is_read)
{
        struct lx_buf out = {0};
        struct lx_why why = {{0}};
        struct stat st;
        uint8_t big[70000];

        for (size_t i = 0; i < sizeof(big); i++)
                big[i] = (uint8_t)(i * 7);
        ck_assert_int_eq(lx_file_write(at("f"), big, sizeof(big), 0600, &why), LX_OK);
        ck_assert_int_eq(stat(at("f"), &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0600);
        lx_buf_append(&out, "before", 6);
        ck_assert_int_eq(lx_file_read(at("f"), sizeof(big), &out, &why), LX_OK);
        ck_assert_uint_eq(out.len, sizeof(big) + 6);
        ck_assert_mem_eq(out.p + 6, big, sizeof(big));
        /* Another content and mode replace it whole; nothing is left beside it. */
        ck_assert_int_eq(lx_file_write(at("f"), "x", 1, 0644, &why), LX_OK);
        ck_assert_int_eq(stat(at("f"), &st), 0);
        ck_assert_uint_eq(st.st_size, 1);
        ck_assert_uint_eq(st.st_mode & 0777, 0644);
        lx_buf_reset(&out);
        ck_assert_int_eq(lx_file_write(at("empty"), "", 0, 0600, &why), LX_OK);
        ck_assert_int_eq(lx_file_read(at("empty"), 0, &out, &why), LX_OK);
        ck_assert_uint_eq(out.len, 0);
        lx_buf_clear(&out);
}
END_TEST

START_TEST(what_is_not_a_file_is_refused)
{
        struct lx_buf out = {0};
        struct lx_why why = {{0}};

        lx_buf_append(&out, "keep", 4);
        ck_assert_int_eq(lx_file_read(at("absent"), 10, &out, &why), LX_ERR_ABSENT);
        ck_assert_ptr_nonnull(strstr(why.text, "absent"));
        ck_assert_int_eq(lx_file_read(dir, 10, &out, NULL), LX_ERR_FORMAT);
        ck_assert_int_eq(mkfifo(at("fifo"), 0600), 0);
        ck_assert_int_eq(
            lx_file_read(at("fifo"), 10, &out, NULL), LX_ERR_FORMAT); /* and does not wait */
        ck_assert_int_eq(lx_file_read("/dev/zero", 10, &out, NULL), LX_ERR_FORMAT);
        ck_assert_int_eq(symlink("loop", at("loop")), 0);
        ck_assert_int_eq(lx_file_read(at("loop"), 10, &out, NULL), LX_ERR_FORMAT);
        ck_assert_int_eq(lx_file_write(at("f"), "12345678901", 11, 0600, NULL), LX_OK);
        ck_assert_int_eq(lx_file_read(at("f"), 10, &out, NULL), LX_ERR_LIMIT);
        ck_assert_int_eq(lx_file_read(at("f"), 11, &out, NULL), LX_OK);
        ck_assert_uint_eq(out.len, 15);
        ck_assert_mem_eq(out.p, "keep1234", 8);
        lx_buf_clear(&out);
}
END_TEST

START_TEST(a_failed_write_leaves_what_was)
{
        struct lx_buf out = {0};
        struct lx_why why = {{0}};
        char longer[5000];

        ck_assert_int_eq(lx_file_write(at("no/f"), "x", 1, 0600, &why), LX_ERR_ABSENT);
        ck_assert_int_eq(mkdir(at("d"), 0700), 0);
        ck_assert_int_eq(lx_file_write(at("d"), "x", 1, 0600, NULL), LX_ERR_IO); /* a directory */
        ck_assert_int_eq(lx_file_write("/dev/full/x", "x", 1, 0600, NULL), LX_ERR_ABSENT);
        memset(longer, 'x', sizeof(longer));
        longer[sizeof(longer) - 1] = '\0';
        ck_assert_int_ne(lx_file_write(longer, "x", 1, 0600, NULL), LX_OK);
        ck_assert_int_eq(lx_file_read(at("d/f"), 10, &out, NULL), LX_ERR_ABSENT);
        lx_buf_clear(&out);
}
END_TEST

START_TEST(directories_with_parents)
{
        struct stat st;
        struct lx_why why = {{0}};

        ck_assert_int_eq(lx_file_mkdirs(at("a/b/c"), 0700, &why), LX_OK);
        ck_assert_int_eq(stat(at("a/b/c"), &st), 0);
        ck_assert(S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0700);
        ck_assert_int_eq(lx_file_mkdirs(at("a/b/c"), 0700, &why), LX_OK);
        ck_assert_int_eq(lx_file_sync_dir(at("a/b"), &why), LX_OK);
        ck_assert_int_eq(lx_file_write(at("f"), "x", 1, 0600, &why), LX_OK);
        ck_assert_int_eq(lx_file_mkdirs(at("f"), 0700, NULL), LX_ERR_FORMAT);
        ck_assert_int_eq(lx_file_mkdirs(at("f/g"), 0700, NULL), LX_ERR_ABSENT);
        ck_assert_int_eq(lx_file_mkdirs("", 0700, NULL), LX_ERR_RANGE);
        ck_assert_int_ne(lx_file_sync_dir(at("nowhere"), NULL), LX_OK);
}
END_TEST

START_TEST(errno_has_our_names)
{
        static const struct {
                int e;
                enum lx_err err;
        } rows[] = {{ENOENT, LX_ERR_ABSENT}, {ENOTDIR, LX_ERR_ABSENT}, {EACCES, LX_ERR_DENIED},
            {EPERM, LX_ERR_DENIED}, {EROFS, LX_ERR_DENIED}, {ENOSPC, LX_ERR_FULL},
            {EDQUOT, LX_ERR_FULL}, {EEXIST, LX_ERR_EXISTS}, {ENOMEM, LX_ERR_NOMEM},
            {ELOOP, LX_ERR_FORMAT}, {EIO, LX_ERR_IO}};

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                ck_assert_int_eq(lx_err_from_errno(rows[i].e), rows[i].err);
}
END_TEST

/* ---- the log ----------------------------------------------------------------------------------- */

static struct lx_buf
logged(void)
{
        struct lx_buf out = {0};

        ck_assert_int_eq(lx_file_read(at("log"), 1 << 20, &out, NULL), LX_OK);
        (void)lx_buf_str(&out);
        return out;
}

START_TEST(levels_and_categories)
{
        struct lx_buf out;

        ck_assert_int_eq(lx_log_open(at("log")), LX_OK);
        ck_assert_int_eq(lx_log_set_level("warn"), LX_OK);
        ck_assert_int_eq(lx_log_set_level("debug:lld"), LX_OK);
        ck_assert_int_eq(lx_log_set_level("loud"), LX_ERR_FORMAT);
        ck_assert_int_eq(lx_log_set_level("info:nowhere"), LX_ERR_FORMAT);
        ck_assert_int_eq(lx_log_set_level(""), LX_ERR_FORMAT);
        ck_assert(
            lx_log_is_on(LX_LOG_LLD, LX_LOG_DEBUG) && !lx_log_is_on(LX_LOG_LLD, LX_LOG_TRACE));
        ck_assert(lx_log_is_on(LX_LOG_RPC, LX_LOG_WARN) && !lx_log_is_on(LX_LOG_RPC, LX_LOG_INFO));
        lx_log(LX_LOG_LLD, LX_LOG_DEBUG, "written", "n=%d", 1);
        lx_log(LX_LOG_RPC, LX_LOG_INFO, "silent", "n=%d", 2);
        lx_log(LX_LOG_RPC, LX_LOG_ERROR, "told", "text=%s", "a\nforged line");
        out = logged();
        ck_assert_ptr_nonnull(strstr((char *)out.p, " debug lld \"written\" n=1\n"));
        ck_assert_ptr_null(strstr((char *)out.p, "silent"));
        ck_assert_ptr_nonnull(strstr((char *)out.p, "error rpc \"told\""));
        ck_assert_ptr_null(strstr((char *)out.p, "\nforged")); /* one event, one line */
        lx_buf_clear(&out);
}
END_TEST

START_TEST(the_file_can_move_away)
{
        struct lx_buf out;
        char moved[4096];

        ck_assert_int_eq(lx_log_open(at("log")), LX_OK);
        ck_assert_int_eq(lx_log_set_level("info"), LX_OK);
        lx_log(LX_LOG_NODE, LX_LOG_INFO, "first", "x=1");
        snprintf(moved, sizeof(moved), "%s/log.1", dir);
        ck_assert_int_eq(rename(at("log"), moved), 0);
        lx_log(LX_LOG_NODE, LX_LOG_INFO, "second", "x=1");
        ck_assert_int_eq(lx_log_open(at("log")), LX_OK);
        lx_log(LX_LOG_NODE, LX_LOG_INFO, "third", "x=1");
        out = logged();
        ck_assert_ptr_null(strstr((char *)out.p, "second"));
        ck_assert_ptr_nonnull(strstr((char *)out.p, "third"));
        lx_buf_clear(&out);
        ck_assert_int_ne(lx_log_open(at("nowhere/log")), LX_OK);
        lx_log(LX_LOG_NODE, LX_LOG_INFO, "fourth", "x=1"); /* where it was */
        out = logged();
        ck_assert_ptr_nonnull(strstr((char *)out.p, "fourth"));
        lx_buf_clear(&out);
}
END_TEST

START_TEST(long_lines_are_cut)
{
        struct lx_buf out;
        char text[20000];

        memset(text, 'y', sizeof(text));
        text[sizeof(text) - 1] = '\0';
        ck_assert_int_eq(lx_log_open(at("log")), LX_OK);
        lx_log(LX_LOG_NODE, LX_LOG_ERROR, "long", "text=%s", text);
        out = logged();
        ck_assert_uint_lt(out.len, sizeof(text));
        ck_assert_uint_eq(out.p[out.len - 1], '\n');
        lx_buf_clear(&out);
}
END_TEST

START_TEST(strangers_are_limited)
{
        struct lx_log_limit limit = {0};
        int allowed = 0;

        for (int i = 0; i < 100; i++)
                allowed += lx_log_limit_allows(&limit, 1000 + (uint64_t)i);
        ck_assert_int_eq(allowed, 5);
        ck_assert_uint_eq(limit.suppressed, 95);
        ck_assert(lx_log_limit_allows(&limit, 11000));
        ck_assert_uint_eq(limit.suppressed, 0);
}
END_TEST

START_TEST(walltime_for_people)
{
        char text[25];
        uint64_t before = lx_clock_now_ms();

        lx_walltime_format((struct lx_walltime){0}, text);
        ck_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
        lx_walltime_format((struct lx_walltime){1769860800123}, text);
        ck_assert_str_eq(text, "2026-01-31T12:00:00.123Z");
        ck_assert_uint_ge(lx_clock_now_ms(), before);
        ck_assert_uint_ge(lx_clock_now_ns() / 1000000, before);
        ck_assert_uint_gt(lx_clock_walltime().ms, 1700000000000);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {what_is_written_is_read, what_is_not_a_file_is_refused,
            a_failed_write_leaves_what_was, directories_with_parents, errno_has_our_names,
            levels_and_categories, the_file_can_move_away, long_lines_are_cut,
            strangers_are_limited, walltime_for_people, NULL};

        return unit_main_in("base file", cases, 4, setup, teardown);
}
