/* tests/fuzz/fuzz_genesis.c - genesis documents and their JSON face (sigchain/params.h, ledger/genesis_json.h). */
#include "config.h"
#include "fuzz.h"

#include "ledger/genesis_json.h"
#include "sigchain/params.h"

/* A document with all parameters comes back from its JSON byte for byte. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct sigchain_genesis g;
        static uint8_t whole[SIGCHAIN_GENESIS_MAX];
        struct lx_writer wr = lx_writer_init(whole, sizeof(whole));
        struct lx_buf json = {0}, back = {0};
        struct lx_why why = {{0}};

        if (sigchain_genesis_decode(data, size, &g) != LX_OK)
                return 0;
        sigchain_genesis_encode(&g, &wr);
        if (lx_writer_end(&wr) != LX_OK) /* larger, with all parameters named */
                return 0;
        if (ledger_genesis_to_json(whole, wr.len, &json, &why) != LX_OK)
                abort();
        if (ledger_genesis_from_json((const char *)json.p, json.len, &back, &why) == LX_OK &&
            (back.len != wr.len || memcmp(back.p, whole, wr.len) != 0))
                abort();
        lx_buf_clear(&json);
        lx_buf_clear(&back);
        return 0;
}
