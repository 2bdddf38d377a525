/* tests/fuzz/fuzz_valset.c - validator sets (sigchain/valset.h). */
#include "config.h"
#include "fuzz.h"

#include "sigchain/valset.h"

static void
encode(const void *value, struct lx_writer *wr)
{
        sigchain_valset_encode(value, wr);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct sigchain_valset set;

        if (sigchain_valset_decode(data, size, &set) == LX_OK)
                fuzz_same(data, size, encode, &set);
        return 0;
}
