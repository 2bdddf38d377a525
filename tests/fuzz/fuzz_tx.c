/* tests/fuzz/fuzz_tx.c - transactions (sigchain/tx.h). */
#include "config.h"
#include "fuzz.h"

#include "sigchain/tx.h"

static void
encode(const void *value, struct lx_writer *wr)
{
        sigchain_tx_encode(value, wr);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct sigchain_tx tx;

        if (sigchain_tx_decode(fuzz_ops(), data, size, &tx) == LX_OK)
                fuzz_same(data, size, encode, &tx);
        return 0;
}
