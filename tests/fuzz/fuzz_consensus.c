/*
 * tests/fuzz/fuzz_consensus.c - every decoder of consensus: votes, proposals, parts, round states,
 * evidence, the signing record, priorities. What is accepted encodes to the same bytes. The first byte chooses.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/evidence.h"
#include "ledger/journal.h"
#include "ledger/proposer.h"
#include "ledger/vote.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_equal(const uint8_t *bytes, size_t len, const struct lx_writer *wr)
{
        if (lx_writer_end(wr) != LX_OK || wr->len != len || memcmp(wr->p, bytes, len) != 0)
                abort();
}

static void
try_messages(uint8_t which, const uint8_t *in, size_t len, struct lx_writer *wr)
{
        struct ledger_ballot ballot;
        struct ledger_proposal proposal;
        struct ledger_part part;
        struct ledger_round_state state;

        if (which == 0 && ledger_ballot_decode(in, len, &ballot) == LX_OK)
                ledger_ballot_encode(&ballot, wr);
        else if (which == 1 && ledger_proposal_decode(in, len, &proposal) == LX_OK)
                ledger_proposal_encode(&proposal, wr);
        else if (which == 2 && ledger_part_decode(in, len, &part) == LX_OK)
                ledger_part_encode(&part, wr);
        else if (which == 3 && ledger_round_state_decode(in, len, &state) == LX_OK)
                ledger_round_state_encode(&state, wr);
        else
                return;
        must_equal(in, len, wr);
        if (which == 2)
                (void)ledger_part_verify(&lx_crypto_ops()->hash, &part);
}

static void
try_records(uint8_t which, const uint8_t *in, size_t len, struct lx_writer *wr)
{
        struct ledger_evidence *evidence = lx_alloc(sizeof(*evidence));
        struct ledger_sign_record record;
        struct ledger_rotation rotation;
        bool accepted = true;

        if (which == 4 && ledger_evidence_decode(in, len, evidence) == LX_OK)
                ledger_evidence_encode(evidence, wr);
        else if (which == 5 && ledger_sign_record_decode(in, len, &record) == LX_OK)
                ledger_sign_record_encode(&record, wr);
        else if (which == 6 && ledger_rotation_decode(in, len, &rotation) == LX_OK)
                ledger_rotation_encode(&rotation, wr);
        else
                accepted = false;
        if (accepted)
                must_equal(in, len, wr);
        lx_free(evidence);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct lx_writer wr;
        uint8_t *out;

        if (size == 0)
                return 0;
        out = lx_alloc(size + 64);
        wr = lx_writer_init(out, size + 64);
        try_messages(data[0] % 7, data + 1, size - 1, &wr);
        try_records(data[0] % 7, data + 1, size - 1, &wr);
        lx_free(out);
        return 0;
}
