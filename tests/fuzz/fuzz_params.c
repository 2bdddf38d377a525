/* tests/fuzz/fuzz_params.c - parameters (sigchain/params.h). */
#include "config.h"
#include "fuzz.h"

#include "sigchain/params.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct sigchain_params params, back;
        uint8_t out[SIGCHAIN_PARAMS_BYTES_MAX];
        struct lx_writer wr = lx_writer_init(out, sizeof(out));

        if (sigchain_params_decode(data, size, &params) != LX_OK)
                return 0;
        /* Those that were not named have their default: the whole encoding means the same. */
        sigchain_params_encode(&params, &wr);
        if (lx_writer_end(&wr) != LX_OK || sigchain_params_decode(out, wr.len, &back) != LX_OK ||
            memcmp(params.value + 1, back.value + 1, sizeof(back.value) - sizeof(back.value[0])) !=
                0)
                abort();
        return 0;
}
