/*
 * tests/fuzz/fuzz_codec.c - every decoder of the ledger's formats: what is accepted encodes to the same
 * bytes. The first byte chooses the decoder.
 */
#include "config.h"
#include "base/buf.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/header.h"
#include "merkle/proof.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"
#include "sigchain/op.h"
#include "sigchain/params.h"
#include "sigchain/tx.h"
#include "sigchain/valset.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_equal(const uint8_t *bytes, size_t len, const struct lx_writer *wr, const uint8_t *out)
{
        if (lx_writer_end(wr) != LX_OK || wr->len != len || memcmp(out, bytes, len) != 0)
                abort();
}

static void
try_ledger(uint8_t which, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
        struct lx_writer wr = lx_writer_init(out, cap);
        static struct sigchain_tx tx;
        static struct sigchain_genesis genesis;
        static struct sigchain_valset set;
        struct sigchain_params params;
        struct ledger_header header;

        if (which == 0 && sigchain_tx_decode(&lx_crypto_ops()->hash, in, len, &tx) == LX_OK) {
                sigchain_tx_encode(&tx, &wr);
                must_equal(in, len, &wr, out);
        } else if (which == 1 && sigchain_valset_decode(in, len, &set) == LX_OK) {
                sigchain_valset_encode(&set, &wr);
                must_equal(in, len, &wr, out);
        } else if (which == 2 && sigchain_genesis_decode(in, len, &genesis) == LX_OK) {
                sigchain_genesis_encode(&genesis, &wr);
        } else if (which == 3 && ledger_header_decode(in, len, &header) == LX_OK) {
                ledger_header_encode(&header, out);
                if (memcmp(in, out, len) != 0)
                        abort();
        } else if (which == 4) {
                (void)!sigchain_params_decode(in, len, &params);
        }
}

static void
try_state(uint8_t which, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
        struct lx_writer wr = lx_writer_init(out, cap);
        struct sigchain_object object;
        struct sigchain_register reg;
        struct sigchain_chain chain;
        struct sigchain_debit debit;
        static struct merkle_proof proof;

        if (which == 5 && sigchain_object_decode(LX_SPAN(in, len), &object) == LX_OK)
                sigchain_object_encode(&object, &wr);
        else if (which == 6 && sigchain_register_decode(in, len, &reg) == LX_OK)
                sigchain_register_encode(&reg, &wr);
        else if (which == 7 && sigchain_chain_decode(in, len, &chain) == LX_OK)
                sigchain_chain_encode(&chain, &wr);
        else if (which == 8 && sigchain_debit_decode(in, len, &debit) == LX_OK)
                sigchain_debit_encode(&debit, &wr);
        else if (which == 9) {
                struct lx_reader rd = lx_reader_init(in, len);

                if (merkle_proof_decode(&rd, &proof) != LX_OK || lx_reader_end(&rd) != LX_OK)
                        return;
                merkle_proof_encode(&proof, &wr);
        } else {
                return;
        }
        must_equal(in, len, &wr, out);
}

static void
try_parts(uint8_t which, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
        struct lx_writer wr = lx_writer_init(out, cap);
        struct sigchain_op_body *body;
        struct lx_hash root;
        uint32_t count;

        if (which == 10) {
                (void)!sigchain_manifest_read(
                    &lx_crypto_ops()->hash, LX_SPAN(in, len), NULL, NULL, &root, &count);
        } else if (which == 11 && len > 0) {
                body = lx_alloc(sizeof(*body));
                if (sigchain_op_decode(in[0], LX_SPAN(in + 1, len - 1), body) == LX_OK) {
                        sigchain_op_encode(body, &wr);
                        must_equal(in + 1, len - 1, &wr, out);
                }
                lx_free(body);
        }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        size_t cap = size + SIGCHAIN_GENESIS_MAX;
        uint8_t *out;

        if (size == 0)
                return 0;
        out = lx_alloc(cap);
        try_ledger(data[0] % 12, data + 1, size - 1, out, cap);
        try_state(data[0] % 12, data + 1, size - 1, out, cap);
        try_parts(data[0] % 12, data + 1, size - 1, out, cap);
        lx_free(out);
        return 0;
}
