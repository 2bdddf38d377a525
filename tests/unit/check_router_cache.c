/* tests/unit/check_router_cache.c - the map-cache against a plain list, its limits and its clock. */
#include "config.h"
#include "unit.h"

#include "base/mem.h"
#include "router/cache.h"

#define MODEL_MAX 3000

struct model {
        struct router_eid eid[MODEL_MAX];
        uint32_t value[MODEL_MAX], expires[MODEL_MAX];
        size_t count;
};

static struct router_eid
random_eid(uint64_t *seed)
{
        struct router_eid eid = {.addr = {.family = unit_random(seed) % 3 == 0 ? 4 : 6}};
        unsigned width = eid.addr.family == 4 ? 4 : 16;

        eid.iid = (uint32_t)(unit_random(seed) % 2);
        /* few different bytes, so that prefixes nest and share long beginnings */
        for (unsigned i = 0; i < width; i++)
                eid.addr.b[i] = (uint8_t)(unit_random(seed) % 4 == 0 ? unit_random(seed) % 4 * 85 : 0);
        eid.bits = (uint8_t)(unit_random(seed) % (width * 8 + 1));
        router_addr_mask(&eid.addr, eid.bits);
        return eid;
}

static size_t
model_at(const struct model *m, const struct router_eid *eid)
{
        size_t i = 0;

        while (i < m->count && !router_eid_eq(&m->eid[i], eid))
                i++;
        return i;
}

static uint32_t
model_find(const struct model *m, uint32_t iid, const struct router_addr *addr, uint32_t now)
{
        uint32_t best = ROUTER_CACHE_NONE;
        int bits = -1;

        for (size_t i = 0; i < m->count; i++)
                if (m->expires[i] > now && m->eid[i].bits > bits &&
                    router_eid_covers(&m->eid[i], iid, addr)) {
                        bits = m->eid[i].bits;
                        best = m->value[i];
                }
        return best;
}

static void
change(struct router_cache *cache, struct model *m, uint64_t *seed)
{
        struct router_eid eid = random_eid(seed);
        size_t at = model_at(m, &eid);
        uint32_t value = (uint32_t)unit_random(seed) >> 1, expires = (uint32_t)(unit_random(seed) % 20 + 1);

        if (unit_random(seed) % 3 == 0 && m->count > 0) {
                at = unit_random(seed) % m->count;
                eid = m->eid[at];
                ck_assert(router_cache_remove(cache, &eid));
                ck_assert(!router_cache_remove(cache, &eid));
                m->count--;
                m->eid[at] = m->eid[m->count];
                m->value[at] = m->value[m->count];
                m->expires[at] = m->expires[m->count];
                return;
        }
        if (at == m->count && m->count == MODEL_MAX)
                return;
        ck_assert_int_eq(router_cache_put(cache, &eid, value, expires), LX_OK);
        ck_assert_uint_eq(router_cache_get(cache, &eid), value);
        m->eid[at] = eid;
        m->value[at] = value;
        m->expires[at] = expires;
        m->count += at == m->count;
}

START_TEST(test_model)
{
        struct router_cache_options options = {.entries_max = MODEL_MAX};
        struct router_cache *cache = router_cache_new(&options);
        struct model *m = lx_alloc(sizeof(*m));
        uint64_t seed = 7;

        for (unsigned round = 0; round < 20000; round++) {
                struct router_eid eid = random_eid(&seed);
                uint32_t now = (uint32_t)(unit_random(&seed) % 20);

                change(cache, m, &seed);
                ck_assert_uint_eq(router_cache_find(cache, eid.iid, &eid.addr, now),
                    model_find(m, eid.iid, &eid.addr, now));
                if (round % 500 == 0)
                        ck_assert(router_cache_check(cache));
        }
        ck_assert_uint_eq(router_cache_count(cache), m->count);
        router_cache_sweep(cache, 21, MODEL_MAX);
        ck_assert_uint_eq(router_cache_count(cache), 0);
        ck_assert_uint_eq(router_cache_bytes(cache), 0);
        ck_assert(router_cache_check(cache));
        lx_free(m);
        router_cache_free(cache);
}
END_TEST

START_TEST(test_batch)
{
        struct router_cache_options options = {.entries_max = 20000};
        struct router_cache *cache = router_cache_new(&options);
        uint64_t seed = 3;

        for (unsigned i = 0; i < 20000; i++) {
                struct router_eid eid = random_eid(&seed);

                eid.iid = 1;
                ck_assert_int_eq(router_cache_put(cache, &eid, i, ROUTER_CACHE_NEVER), LX_OK);
        }
        for (unsigned round = 0; round < 500; round++) {
                uint8_t addrs[ROUTER_CACHE_BATCH][16];
                uint32_t got[ROUTER_CACHE_BATCH];
                size_t count = unit_random(&seed) % (ROUTER_CACHE_BATCH + 1);

                for (size_t i = 0; i < count; i++) {
                        struct router_eid eid = random_eid(&seed);
                        memcpy(addrs[i], eid.addr.b, 16);
                }
                router_cache_find_batch(cache, 1, 6, (const uint8_t (*)[16])addrs, count, 5, got);
                for (size_t i = 0; i < count; i++) {
                        struct router_addr addr = {.family = 6};

                        memcpy(addr.b, addrs[i], 16);
                        ck_assert_uint_eq(got[i], router_cache_find(cache, 1, &addr, 5));
                }
        }
        router_cache_free(cache);
}
END_TEST

static void
count_gone(void *arg, uint32_t value)
{
        (void)value;
        ++*(unsigned *)arg;
}

/* A scan of strange addresses pushes out what nobody uses, not what is used. */
START_TEST(test_eviction)
{
        unsigned gone = 0;
        struct router_cache_options options = {.entries_max = 100, .gone = count_gone, .arg = &gone};
        struct router_cache *cache = router_cache_new(&options);
        struct router_eid keep, eid;
        uint64_t seed = 5;

        ck_assert(router_eid_parse("2001:db8::/48", &keep));
        ck_assert_int_eq(router_cache_put(cache, &keep, 1, ROUTER_CACHE_NEVER), LX_OK);
        for (unsigned i = 0; i < 10000; i++) {
                ck_assert_uint_eq(router_cache_find(cache, 0, &keep.addr, 1), 1);
                ck_assert(router_eid_parse("fd00::/128", &eid));
                lx_put_be64(eid.addr.b + 8, unit_random(&seed));
                ck_assert_int_eq(router_cache_put(cache, &eid, 2, ROUTER_CACHE_NEVER), LX_OK);
                ck_assert_uint_le(router_cache_count(cache), 100);
        }
        ck_assert_uint_eq(router_cache_find(cache, 0, &keep.addr, 1), 1);
        ck_assert_uint_eq(gone, 10001 - 100);
        ck_assert(router_cache_check(cache));
        router_cache_free(cache);
}
END_TEST

/* A million random prefixes stay below 64 bytes each. */
START_TEST(test_memory)
{
        struct router_cache_options options = {.entries_max = 1000000};
        struct router_cache *cache = router_cache_new(&options);
        uint64_t seed = 11;

        for (unsigned i = 0; i < 1000000; i++) {
                struct router_eid eid = {.bits = (uint8_t)(48 + i % 81), .addr = {.family = 6}};

                lx_put_be64(eid.addr.b, unit_random(&seed));
                lx_put_be64(eid.addr.b + 8, unit_random(&seed));
                router_addr_mask(&eid.addr, eid.bits);
                ck_assert_int_eq(router_cache_put(cache, &eid, i, ROUTER_CACHE_NEVER), LX_OK);
        }
        ck_assert_uint_gt(router_cache_count(cache), 999000);
        ck_assert_uint_le(router_cache_bytes(cache), 64ull * router_cache_count(cache));
        router_cache_free(cache);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_model, test_batch, test_eviction, test_memory, NULL};

        return unit_main("router_cache", cases, 60);
}
