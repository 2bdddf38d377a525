/*
 * tests/unit/check_base_mem.c - memory, arenas, buffers, maps against a naive model, the worker pool.
 */
#include "config.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/pool.h"
#include "unit.h"

#include <signal.h>
#include <stdatomic.h>

/* An address sanitizer gives NULL for what is too large, as malloc does. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
        return "allocator_may_return_null=1";
}

START_TEST(sizes_of_outsiders_may_fail)
{
        uint8_t *p;

        ck_assert_ptr_null(lx_try_alloc_array(SIZE_MAX / 2, 3));
        ck_assert_ptr_null(lx_try_alloc(SIZE_MAX - 64));
        for (uint64_t n = 1; n <= 3; n++) {
                void *a, *b, *c;

                lx_mem_fail_after(n);
                a = lx_try_alloc(1);
                b = lx_try_alloc_array(2, 2);
                c = lx_try_realloc(NULL, 3);
                ck_assert((a == NULL) == (n == 1));
                ck_assert((b == NULL) == (n == 2));
                ck_assert((c == NULL) == (n == 3));
                lx_free(a);
                lx_free(b);
                lx_free(c);
        }
        lx_mem_fail_after(0);
        p = lx_try_alloc(100);
        for (int i = 0; i < 100; i++)
                ck_assert_uint_eq(p[i], 0);
        p[0] = 9;
        lx_mem_fail_after(1);
        ck_assert_ptr_null(lx_try_realloc(p, 200));
        ck_assert_uint_eq(p[0], 9); /* unchanged */
        lx_free(p);
        lx_free(NULL);
}
END_TEST

START_TEST(overflow_is_told)
{
        uint64_t v;

        ck_assert(!lx_add_overflows(UINT64_MAX - 1, 1, &v) && v == UINT64_MAX);
        ck_assert(lx_add_overflows(UINT64_MAX, 1, &v));
        ck_assert(!lx_mul_overflows(1ull << 32, (1ull << 32) - 1, &v));
        ck_assert(lx_mul_overflows(1ull << 32, 1ull << 32, &v));
}
END_TEST

START_TEST(too_many_items_end_the_program)
{
        (void)lx_alloc_array(SIZE_MAX / 2, 3);
}
END_TEST

START_TEST(arenas)
{
        struct lx_arena *arena = lx_arena_new(100);
        uint8_t *seen[200];

        for (int round = 0; round < 3; round++) {
                for (size_t i = 0; i < 200; i++) {
                        seen[i] = lx_arena_alloc(arena, i);
                        ck_assert_uint_eq((uintptr_t)seen[i] % 16, 0);
                        for (size_t j = 0; j < i; j++)
                                ck_assert_uint_eq(seen[i][j], 0);
                        memset(seen[i], (int)i, i);
                }
                for (size_t i = 0; i < 200; i++)
                        for (size_t j = 0; j < i; j++)
                                ck_assert_uint_eq(seen[i][j], i);
                ck_assert_mem_eq(lx_arena_memdup(arena, "abc", 3), "abc", 3);
                ck_assert_str_eq(lx_arena_printf(arena, "%d-%s", 7, "x"), "7-x");
                lx_arena_reset(arena);
        }
        lx_arena_free(arena);
        lx_arena_free(NULL);
}
END_TEST

START_TEST(buffers_grow)
{
        struct lx_buf buf = {0};
        uint8_t model[5000];
        uint64_t seed = 1;
        size_t len = 0;

        while (len < 4000) {
                size_t n = unit_random(&seed) % 300;

                for (size_t i = 0; i < n; i++)
                        model[len + i] = (uint8_t)unit_random(&seed);
                lx_buf_append(&buf, model + len, n);
                len += n;
                ck_assert_uint_eq(buf.len, len);
                ck_assert_mem_eq(buf.p, model, len);
        }
        lx_buf_reset(&buf);
        lx_buf_printf(&buf, "%s %d", "hello", 42);
        ck_assert_str_eq(lx_buf_str(&buf), "hello 42");
        ck_assert_uint_eq(buf.len, 8);
        ck_assert_uint_eq(lx_buf_span(&buf).len, 8);
        lx_buf_append(&buf, NULL, 0);
        lx_buf_clear(&buf);
        ck_assert_str_eq(lx_buf_str(&buf), "");
        lx_buf_clear(&buf);
        ck_assert(buf.p == NULL && buf.len == 0 && buf.cap == 0);
}
END_TEST

START_TEST(more_than_reserved_is_our_bug)
{
        struct lx_buf buf = {0};

        (void)lx_buf_reserve(&buf, 1);
        lx_buf_add(&buf, buf.cap + 1);
}
END_TEST

/* Random puts, gets and removals of a small key space, against an array. */
START_TEST(maps_equal_a_model)
{
        void *model[400] = {NULL};
        struct lx_map *map = lx_map_new((uint64_t)_i);
        static int values[16];
        uint64_t seed = 99 + (uint64_t)_i;
        size_t count = 0;

        for (int step = 0; step < 20000; step++) {
                uint64_t r = unit_random(&seed);
                unsigned key = (unsigned)(r % 400);
                char text[16];
                size_t len = (size_t)snprintf(text, sizeof(text), "%0*u", (int)(1 + key % 12), key);

                if (r >> 32 & 1) {
                        void *value = &values[r >> 33 & 15];

                        ck_assert_ptr_eq(lx_map_put(map, text, len, value), model[key]);
                        count += model[key] == NULL;
                        model[key] = value;
                } else if (r >> 40 & 1) {
                        ck_assert_ptr_eq(lx_map_remove(map, text, len), model[key]);
                        count -= model[key] != NULL;
                        model[key] = NULL;
                }
                ck_assert_ptr_eq(lx_map_get(map, text, len), model[key]);
                ck_assert_uint_eq(lx_map_count(map), count);
        }
        {
                size_t pos = 0, walked = 0, key_len;
                const void *key;
                void *value;

                while (lx_map_next(map, &pos, &key, &key_len, &value)) {
                        ck_assert_ptr_eq(lx_map_get(map, key, key_len), value);
                        walked++;
                }
                ck_assert_uint_eq(walked, count);
        }
        lx_map_free(map);
        lx_map_free(NULL);
}
END_TEST

START_TEST(maps_take_any_key)
{
        struct lx_map *map = lx_map_new(5);
        int a, b, c;

        ck_assert_ptr_null(lx_map_put(map, "", 0, &a));
        ck_assert_ptr_null(lx_map_put(map, "\0", 1, &b));
        ck_assert_ptr_null(lx_map_put(map, "\0\0", 2, &c));
        ck_assert_ptr_eq(lx_map_get(map, "", 0), &a);
        ck_assert_ptr_eq(lx_map_get(map, "\0", 1), &b);
        ck_assert_ptr_eq(lx_map_remove(map, "\0\0", 2), &c);
        ck_assert_ptr_null(lx_map_remove(map, "\0\0", 2));
        ck_assert_ptr_null(lx_map_get(map, "x", 1));
        lx_map_free(map);
}
END_TEST

/* ---- the pool ---------------------------------------------------------------------------------- */

struct job {
        struct lx_job job;
        atomic_int *runs;
        int *dones;
        uint64_t in, out;
};

static void
run(struct lx_job *j)
{
        struct job *job = (struct job *)j;

        job->out = job->in * job->in;
        atomic_fetch_add(job->runs, 1);
}

static void
done(struct lx_job *j)
{
        (*((struct job *)j)->dones)++;
}

static void
notify(void *arg)
{
        atomic_fetch_add((atomic_int *)arg, 1);
}

START_TEST(jobs_run_once_and_come_back)
{
        static struct job jobs[1000];
        atomic_int runs = 0, calls = 0;
        int dones = 0;
        struct lx_pool *pool = lx_pool_new(3, notify, &calls);

        ck_assert_uint_eq(lx_pool_threads(pool), 3);
        for (uint64_t i = 0; i < 1000; i++) {
                jobs[i] = (struct job){{.run = run, .done = done}, &runs, &dones, i, 0};
                lx_pool_submit(pool, &jobs[i].job);
                if (i % 100 == 0)
                        (void)lx_pool_reap(pool);
        }
        lx_pool_drain(pool);
        ck_assert_int_eq(runs, 1000);
        ck_assert_int_eq(dones, 1000);
        ck_assert_int_gt(calls, 0);
        for (uint64_t i = 0; i < 1000; i++)
                ck_assert_uint_eq(jobs[i].out, i * i);
        /* What is queued when the pool goes is still done. */
        for (int i = 0; i < 100; i++)
                lx_pool_submit(pool, &jobs[i].job);
        lx_pool_free(pool);
        ck_assert_int_eq(dones, 1100);
        lx_pool_free(NULL);
}
END_TEST

static void
square(void *arg, size_t i)
{
        atomic_uint *counts = arg;

        atomic_fetch_add(&counts[i], 1);
}

START_TEST(for_covers_each_index_once)
{
        static atomic_uint counts[5000];
        struct lx_pool *pool = lx_pool_new(2, NULL, NULL);

        lx_pool_for(pool, 0, square, counts);
        lx_pool_for(pool, 1, square, counts);
        for (size_t i = 1; i < 5000; i++)
                atomic_store(&counts[i], 0);
        atomic_store(&counts[0], 0);
        lx_pool_for(pool, 5000, square, counts);
        for (size_t i = 0; i < 5000; i++)
                ck_assert_uint_eq(counts[i], 1);
        lx_pool_free(pool);
}
END_TEST

int
main(void)
{
        TCase *tcase = tcase_create("base mem");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, sizes_of_outsiders_may_fail);
        tcase_add_test(tcase, overflow_is_told);
        tcase_add_test_raise_signal(tcase, too_many_items_end_the_program, SIGABRT);
        tcase_add_test(tcase, arenas);
        tcase_add_test(tcase, buffers_grow);
        tcase_add_test_raise_signal(tcase, more_than_reserved_is_our_bug, SIGABRT);
        tcase_add_loop_test(tcase, maps_equal_a_model, 0, 5);
        tcase_add_test(tcase, maps_take_any_key);
        tcase_add_test(tcase, jobs_run_once_and_come_back);
        tcase_add_test(tcase, for_covers_each_index_once);
        return unit_run("base mem", tcase);
}
