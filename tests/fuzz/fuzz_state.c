/* tests/fuzz/fuzz_state.c - states: registers, chains, debits, append registers (sigchain/state.h); the first byte chooses. */
#include "config.h"
#include "fuzz.h"

#include "sigchain/state.h"

static void
encode_register(const void *value, struct lx_writer *wr)
{
        sigchain_register_encode(value, wr);
}

static void
encode_chain(const void *value, struct lx_writer *wr)
{
        sigchain_chain_encode(value, wr);
}

static void
encode_debit(const void *value, struct lx_writer *wr)
{
        sigchain_debit_encode(value, wr);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const uint8_t *in = data + 1;
        size_t len = size - 1;
        struct sigchain_register reg;
        struct sigchain_chain chain;
        struct sigchain_debit debit;
        struct sigchain_append append;

        if (size == 0)
                return 0;
        if (data[0] % 4 == 0 && sigchain_register_decode(in, len, &reg) == LX_OK)
                fuzz_same(in, len, encode_register, &reg);
        else if (data[0] % 4 == 1 && sigchain_chain_decode(in, len, &chain) == LX_OK)
                fuzz_same(in, len, encode_chain, &chain);
        else if (data[0] % 4 == 2 && sigchain_debit_decode(in, len, &debit) == LX_OK)
                fuzz_same(in, len, encode_debit, &debit);
        else if (data[0] % 4 == 3)
                (void)!sigchain_append_decode(LX_SPAN(in, len), &append);
        return 0;
}
