/*
 * tests/unit/unit.h - what every unit test starts from: one suite, its cases, files of vectors.
 */
#ifndef LX_TESTS_UNIT_H
#define LX_TESTS_UNIT_H

#include "base/hash.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Run @tcase as suite @name; the exit status for main. */
static inline int
unit_run(const char *name, TCase *tcase)
{
        Suite *suite = suite_create(name);
        SRunner *runner;
        int failed;

        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed == 0 ? 0 : 1;
}

/* Run @cases (NULL-terminated) as suite @name, each between @setup and @teardown (NULL: none). */
static inline int
unit_main_in(const char *name, const TTest *const *cases, double timeout_s, SFun setup, SFun teardown)
{
        TCase *tcase = tcase_create(name);

        tcase_set_timeout(tcase, timeout_s);
        tcase_add_checked_fixture(tcase, setup, teardown);
        for (; *cases != NULL; cases++)
                tcase_add_test(tcase, *cases);
        return unit_run(name, tcase);
}

/* The same without a fixture. */
static inline int
unit_main(const char *name, const TTest *const *cases, double timeout_s)
{
        return unit_main_in(name, cases, timeout_s, NULL, NULL);
}

/* tests/vectors/@name, open for reading. */
static inline FILE *
unit_vectors(const char *name)
{
        const char *src = getenv("LX_SRCDIR");
        char path[4096];
        FILE *f;

        snprintf(path, sizeof(path), "%s/tests/vectors/%s", src != NULL ? src : ".", name);
        f = fopen(path, "r");
        ck_assert_msg(f != NULL, "cannot open %s", path);
        return f;
}

/* The bytes of hex string @hex into @out (at least half its length); how many. */
static inline size_t
unit_unhex(const char *hex, uint8_t *out)
{
        size_t len = strlen(hex) / 2;

        ck_assert(lx_unhex(hex, 2 * len, out, len));
        return len;
}

/* A hash made of a number, for tests that need some. */
static inline struct lx_hash
unit_hash(uint64_t n)
{
        struct lx_hash h = {{0}};

        for (size_t i = 0; i < 32; i++)
                h.b[i] = (uint8_t)((n * 0x9e3779b97f4a7c15ull + i * 0xd6e8feb86659fd93ull) >> 29);
        h.b[0] = (uint8_t)(n * 167);
        return h;
}

/* A small generator for tests: the same numbers at every run. */
static inline uint64_t
unit_random(uint64_t *state)
{
        uint64_t x = *state += 0x9e3779b97f4a7c15ull;

        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
        return x ^ (x >> 31);
}

#endif
