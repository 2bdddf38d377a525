/* tests/fuzz/fuzz_genesis_json.c - the JSON face of genesis documents (ledger/genesis_json.h). */
#include "config.h"
#include "fuzz.h"

#include "ledger/genesis_json.h"
#include "sigchain/params.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct sigchain_genesis g;
        struct lx_buf bytes = {0}, json = {0}, again = {0};
        struct lx_why why = {{0}};

        if (ledger_genesis_from_json((const char *)data, size, &bytes, &why) != LX_OK) {
                if (why.text[0] == 0 || bytes.len != 0)
                        abort(); /* refused without a reason, or half written */
                lx_buf_clear(&bytes);
                return 0;
        }
        /* What was accepted is a document, and its own face means the same. */
        if (sigchain_genesis_decode(bytes.p, bytes.len, &g) != LX_OK ||
            ledger_genesis_to_json(bytes.p, bytes.len, &json, &why) != LX_OK ||
            ledger_genesis_from_json((const char *)json.p, json.len, &again, &why) != LX_OK ||
            again.len != bytes.len || memcmp(again.p, bytes.p, bytes.len) != 0)
                abort();
        lx_buf_clear(&bytes);
        lx_buf_clear(&json);
        lx_buf_clear(&again);
        return 0;
}
