/*
 * tests/fuzz/fuzz_guard.c - the guard's parsers: policy file, maps, arguments, file heads, the cache.
 * The first byte chooses. A policy that is accepted prints to one that parses to the same text.
 */
#include "config.h"
#include "base/buf.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "guard/code.h"
#include "guard/maps.h"
#include "guard/policy.h"
#include "guard/view.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_policy(struct lx_span in)
{
        struct guard_policy *policy = NULL, *again = NULL;
        struct lx_buf text = {0}, twice = {0};

        if (guard_policy_parse(in, "fuzz", &policy, NULL) != LX_OK)
                return;
        guard_policy_print(policy, &text);
        if (guard_policy_parse(lx_buf_span(&text), "fuzz", &again, NULL) != LX_OK)
                abort();
        guard_policy_print(again, &twice);
        if (text.len != twice.len || memcmp(text.p, twice.p, text.len) != 0)
                abort();
        guard_policy_free(policy);
        guard_policy_free(again);
        lx_buf_clear(&text);
        lx_buf_clear(&twice);
}

/* The checksum is put right, so that the evidence itself is read. */
static void
try_cache(struct lx_span in)
{
        struct lxv_trust pin = {.height = 0};
        struct guard_trust *trust = guard_trust_new(&pin, (struct lx_span){0}, 1);
        struct lx_hash zero = {{0}}, sum;
        struct guard_view *view = guard_view_new(&zero, true);
        struct lx_buf bytes = {0};

        lx_buf_append(&bytes, in.p, in.len);
        lx_blake2b(&LX_TAG_GUARD, bytes.p, bytes.len, &sum);
        lx_buf_append(&bytes, sum.b, LX_HASH_LEN);
        (void)!guard_cache_decode(lx_buf_span(&bytes), trust, &view, 1, NULL);
        lx_buf_clear(&bytes);
        guard_view_free(view);
        guard_trust_free(trust);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct lx_span in, rest;
        struct guard_map map;

        if (size == 0)
                return 0;
        rest = in = LX_SPAN(data + 1, size - 1);
        switch (data[0] % 4) {
        case 0:
                try_policy(in);
                break;
        case 1:
                while (guard_map_next(&rest, &map))
                        (void)guard_map_kind(&map);
                break;
        case 2:
                (void)guard_code_of(in);
                (void)guard_args_of(in, "ce", "WX");
                (void)guard_environ_is_clean(in);
                break;
        case 3:
                try_cache(in);
                break;
        }
        return 0;
}
