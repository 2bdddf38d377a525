/* ledger/narrow_cert.c - certificates of the fewest bytes. */
#include "config.h"
#include "crypto/halfagg.h"
#include "ledger/narrow.h"

#include <stdlib.h>

/* A signer: who, and the signature. */
struct signer {
        size_t index; /* in the set */
        uint64_t power;
        struct lx_sig sig;
};

static size_t
read_signers(const struct sigchain_valset *set, struct lx_reader *rd, struct signer *out)
{
        struct lx_span bitmap = lx_read_span(rd, (set->count + 7) / 8);
        size_t count = 0;

        for (size_t i = 0; i < 8 * bitmap.len; i++) {
                if ((bitmap.p[i / 8] >> (7 - i % 8) & 1) == 0)
                        continue;
                if (i >= set->count) {
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                        return 0;
                }
                out[count] = (struct signer){.index = i, .power = set->v[i].power};
                lx_read_bytes(rd, out[count++].sig.b, LX_SIG_LEN);
        }
        return count;
}

/* The strongest first; among equals the order of the set. */
static int
by_power(const void *a, const void *b)
{
        const struct signer *x = a, *y = b;

        if (x->power != y->power)
                return x->power < y->power ? 1 : -1;
        return x->index > y->index ? 1 : -1;
}

static int
by_index(const void *a, const void *b)
{
        const struct signer *x = a, *y = b;

        return x->index > y->index ? 1 : -1;
}

/* Keep the strongest until they have more than two thirds; 0: all together have not. */
static size_t
keep_enough(struct signer *signers, size_t count, uint64_t total)
{
        uint64_t power = 0;
        size_t kept = 0;

        qsort(signers, count, sizeof(*signers), by_power);
        while (kept < count && !sigchain_is_two_thirds(power, total))
                power += signers[kept++].power;
        if (!sigchain_is_two_thirds(power, total))
                return 0;
        qsort(signers, kept, sizeof(*signers), by_index);
        return kept;
}

static void
write_signers(const struct sigchain_valset *set, const struct lx_hash *msg,
    const struct signer *signers, size_t count, struct lx_writer *wr)
{
        uint8_t bitmap[SIGCHAIN_VALIDATORS_MAX / 8] = {0}, agg[LX_HALFAGG_LEN(LX_HALFAGG_MAX)];
        struct lx_halfagg_item items[LX_HALFAGG_MAX];
        struct lx_sig sigs[LX_HALFAGG_MAX];
        enum lx_err err;

        for (size_t i = 0; i < count; i++) {
                bitmap[signers[i].index / 8] |= (uint8_t)(0x80 >> signers[i].index % 8);
                items[i] = (struct lx_halfagg_item){set->v[signers[i].index].key, *msg};
                sigs[i] = signers[i].sig;
        }
        lx_write_bytes(wr, bitmap, (set->count + 7) / 8);
        err = lx_halfagg_make(items, sigs, count, agg);
        if (err != LX_OK)
                lx_writer_fail(wr, err);
        else
                lx_write_bytes(wr, agg, LX_HALFAGG_LEN(count));
}

enum lx_err
ledger_narrow_cert(const struct lx_hash_ops *ops, const struct ledger_header *header,
    const struct sigchain_valset *set, const uint8_t *cert, size_t cert_len, struct lx_writer *wr)
{
        struct signer signers[SIGCHAIN_VALIDATORS_MAX];
        struct lx_reader rd = lx_reader_init(cert, cert_len);
        uint32_t round = lx_read_u32(&rd);
        size_t count = read_signers(set, &rd, signers);
        struct lx_hash hash, msg;
        enum lx_err err = lx_reader_end(&rd);

        if (err != LX_OK)
                return err;
        count = keep_enough(signers, count, set->total);
        if (count == 0)
                return LX_ERR_PROOF;
        ledger_header_hash(ops, header, &hash);
        ledger_vote_message(ops, LEDGER_VOTE_PRECOMMIT, &header->chain_id, header->height, round, &hash, &msg);
        lx_write_u32(wr, round);
        write_signers(set, &msg, signers, count, wr);
        return lx_writer_end(wr);
}
