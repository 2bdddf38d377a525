/* tests/fuzz/fuzz_object.c - objects and the standards over them (sigchain/object.h, standard.h); the first byte is the type. */
#include "config.h"
#include "fuzz.h"

#include "sigchain/object.h"
#include "sigchain/standard.h"

static void
encode(const void *value, struct lx_writer *wr)
{
        sigchain_object_encode(value, wr);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct sigchain_standard *standard;
        struct sigchain_object object;
        uint8_t key[SIGCHAIN_NAME_MAX];
        struct lx_why why = {{0}};
        size_t key_len;

        if (size == 0 || sigchain_object_decode(LX_SPAN(data + 1, size - 1), &object) != LX_OK)
                return 0;
        fuzz_same(data + 1, size - 1, encode, &object);
        standard = sigchain_standard_of(data[0]);
        if (standard != NULL && sigchain_standard_check(standard, &object, &why) == LX_OK &&
            sigchain_canonical_key(standard->type, &object, key, &key_len, &why) == LX_OK &&
            key_len > sizeof(key))
                abort();
        return 0;
}
