/* tests/fuzz/fuzz_header.c - headers (ledger/header.h). */
#include "config.h"
#include "fuzz.h"

#include "ledger/header.h"

static void
encode(const void *value, struct lx_writer *wr)
{
        uint8_t bytes[LEDGER_HEADER_LEN];

        ledger_header_encode(value, bytes);
        lx_write_bytes(wr, bytes, sizeof(bytes));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct ledger_header header;

        if (ledger_header_decode(data, size, &header) == LX_OK)
                fuzz_same(data, size, encode, &header);
        return 0;
}
