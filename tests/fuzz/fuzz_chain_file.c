/* tests/fuzz/fuzz_chain_file.c - chain files (ledger/chain_file.h). */
#include "config.h"
#include "fuzz.h"

#include "ledger/chain_file.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct lx_reader rd = lx_reader_init(data, size);
        struct ledger_chain_file file;
        struct lx_buf out = {0};
        enum lx_err err = ledger_chain_file_open(&rd, &file);

        if (err == LX_OK)
                ledger_chain_file_begin(&out, &file.chain_id, file.first, file.count);
        while (err == LX_OK && ledger_chain_file_has_more(&file)) {
                struct ledger_chain_item item;
                uint8_t header[LEDGER_HEADER_LEN];

                err = ledger_chain_file_next(&rd, &file, &item);
                if (err != LX_OK)
                        break;
                ledger_header_encode(&item.header, header);
                if (ledger_chain_file_add(
                        &out, LX_SPAN(header, sizeof(header)), item.cert, item.set) != LX_OK)
                        abort();
        }
        if (err == LX_OK && lx_reader_end(&rd) == LX_OK &&
            (out.len != size || memcmp(out.p, data, size) != 0))
                abort();
        lx_buf_clear(&out);
        return 0;
}
