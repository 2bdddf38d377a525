/* tests/fuzz/fuzz_proof.c - proofs of the state tree (merkle/proof.h): decoded, and verified from their bytes. */
#include "config.h"
#include "fuzz.h"

#include "merkle/proof.h"

static void
encode(const void *value, struct lx_writer *wr)
{
        merkle_proof_encode(value, wr);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct merkle_proof proof;
        struct lx_reader rd = lx_reader_init(data, size);
        struct lx_hash key = {{1}}, value = {{2}}, root = {{3}};

        if (merkle_proof_decode(&rd, &proof) == LX_OK && lx_reader_end(&rd) == LX_OK)
                fuzz_same(data, size, encode, &proof);
        rd = lx_reader_init(data, size);
        if (merkle_proof_verify(fuzz_ops(), &rd, &key, size % 2 == 0 ? &value : NULL, &root) ==
            LX_OK)
                abort(); /* nobody finds a proof for a made-up root */
        return 0;
}
