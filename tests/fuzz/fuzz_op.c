/* tests/fuzz/fuzz_op.c - bodies of operations (sigchain/op.h); the first byte is the type. */
#include "config.h"
#include "fuzz.h"

#include "sigchain/op.h"

static void
encode(const void *value, struct lx_writer *wr)
{
        sigchain_op_encode(value, wr);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct sigchain_op_body body;

        if (size > 0 && sigchain_op_decode(data[0], LX_SPAN(data + 1, size - 1), &body) == LX_OK)
                fuzz_same(data + 1, size - 1, encode, &body);
        return 0;
}
