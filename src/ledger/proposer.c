/* ledger/proposer.c - see ledger/proposer.h. */
#include "config.h"
#include "ledger/proposer.h"

#include <string.h>

/* Powers are at most 2^48, totals at most 2^55: three times the window fits an int64_t. */
#define PRIORITY_MAX ((int64_t)1 << 58)

void
ledger_rotation_init(const struct sigchain_valset *set, struct ledger_rotation *out)
{
        *out = (struct ledger_rotation){.count = set->count};
}

uint16_t
ledger_rotation_turn(struct ledger_rotation *rotation, const struct sigchain_valset *set)
{
        size_t best = 0;

        for (size_t i = 0; i < set->count; i++) {
                rotation->priority[i] += (int64_t)set->v[i].power;
                if (rotation->priority[i] > rotation->priority[best])
                        best = i;
        }
        rotation->priority[best] -= (int64_t)set->total;
        return (uint16_t)best;
}

uint16_t
ledger_rotation_proposer(
    const struct ledger_rotation *rotation, const struct sigchain_valset *set, uint32_t round)
{
        struct ledger_rotation copy = *rotation;
        uint16_t proposer = 0;

        for (uint32_t i = 0; i <= round % LEDGER_ROTATION_ROUNDS; i++)
                proposer = ledger_rotation_turn(&copy, set);
        return proposer;
}

static int
find_key(const struct sigchain_valset *set, const struct lx_pubkey *key)
{
        for (size_t i = 0; i < set->count; i++)
                if (memcmp(set->v[i].key.b, key->b, LX_PUBKEY_LEN) == 0) /* public */
                        return (int)i;
        return -1;
}

/* Divide all so that they span at most twice the total, then move their mean to zero. */
static void
centre(struct ledger_rotation *rotation, const struct sigchain_valset *set)
{
        int64_t low = rotation->priority[0], high = low, window = 2 * (int64_t)set->total, sum = 0;
        int64_t by, mean;

        for (size_t i = 1; i < rotation->count; i++) {
                low = rotation->priority[i] < low ? rotation->priority[i] : low;
                high = rotation->priority[i] > high ? rotation->priority[i] : high;
        }
        by = (high - low + window - 1) / window;
        for (size_t i = 0; i < rotation->count && by > 1; i++)
                rotation->priority[i] /= by;
        /* At most 128 values of at most 2^57 each would overflow: add their means. */
        for (size_t i = 0; i < rotation->count; i++)
                sum += rotation->priority[i] / (int64_t)rotation->count;
        mean = sum;
        for (size_t i = 0; i < rotation->count; i++)
                rotation->priority[i] -= mean;
}

void
ledger_rotation_move(struct ledger_rotation *rotation, const struct sigchain_valset *from,
    const struct sigchain_valset *to)
{
        struct ledger_rotation moved = {.count = to->count};

        for (size_t i = 0; i < to->count; i++) {
                int at = find_key(from, &to->v[i].key);

                moved.priority[i] = at >= 0 ? rotation->priority[at]
                                            : -(int64_t)(to->total + to->total / 8);
        }
        centre(&moved, to);
        *rotation = moved;
}

void
ledger_rotation_encode(const struct ledger_rotation *rotation, struct lx_writer *wr)
{
        lx_write_u16(wr, (uint16_t)rotation->count);
        for (size_t i = 0; i < rotation->count; i++)
                lx_write_u64(wr, (uint64_t)rotation->priority[i]);
}

enum lx_err
ledger_rotation_decode(const uint8_t *bytes, size_t len, struct ledger_rotation *out)
{
        struct lx_reader rd = lx_reader_init(bytes, len);

        *out = (struct ledger_rotation){.count = lx_read_u16(&rd)};
        if (rd.err == LX_OK && (out->count == 0 || out->count > SIGCHAIN_VALIDATORS_MAX))
                return LX_ERR_RANGE;
        for (size_t i = 0; i < out->count && rd.err == LX_OK; i++) {
                out->priority[i] = (int64_t)lx_read_u64(&rd);
                if (out->priority[i] > PRIORITY_MAX || out->priority[i] < -PRIORITY_MAX)
                        lx_reader_fail(&rd, LX_ERR_RANGE);
        }
        return lx_reader_end(&rd);
}
