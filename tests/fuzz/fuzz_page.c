/* tests/fuzz/fuzz_page.c - pages of the state tree (merkle/page_int.h). */
#include "config.h"
#include "fuzz.h"

#include "merkle/page_int.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct page page;
        uint8_t out[MERKLE_PAGE_MAX];

        if (merkle_page_decode(fuzz_ops(), data, size, &page) == LX_OK &&
            (merkle_page_encode(&page, out) != size || memcmp(out, data, size) != 0))
                abort();
        return 0;
}
