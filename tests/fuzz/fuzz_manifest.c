/* tests/fuzz/fuzz_manifest.c - manifests and their entries (sigchain/manifest.h). */
#include "config.h"
#include "fuzz.h"

#include "sigchain/manifest.h"

/* The entries that were read, to be written again. */
struct entries {
        struct sigchain_entry entry[256];
        uint32_t count;
};

static bool
keep(void *arg, uint32_t number, const struct sigchain_entry *entry, struct lx_span raw)
{
        struct entries *entries = arg;

        (void)raw;
        if (number < 256)
                entries->entry[number] = *entry;
        entries->count = number + 1;
        return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct entries entries;
        struct lx_buf out = {0};
        struct lx_hash root, again;
        uint32_t count;

        entries.count = 0;
        if (sigchain_manifest_read(
                fuzz_ops(), LX_SPAN(data, size), keep, &entries, &root, &count) != LX_OK)
                return 0;
        if (count != entries.count)
                abort();
        if (count <= 256) {
                if (sigchain_manifest_write(fuzz_ops(), entries.entry, count, &out, &again) !=
                        LX_OK ||
                    out.len != size || memcmp(out.p, data, size) != 0 || !lx_hash_eq(&root, &again))
                        abort();
                lx_buf_clear(&out);
        }
        return 0;
}
