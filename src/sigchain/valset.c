/* sigchain/valset.c - see sigchain/valset.h. Freestanding. */
#include "config.h"
#include "sigchain/valset.h"

#include "crypto/tags.h"

#include <string.h>

#define NAME_MAX_BYTES 32

void
sigchain_valset_encode(const struct sigchain_valset *set, struct lx_writer *wr)
{
        if (set->count == 0 || set->count > SIGCHAIN_VALIDATORS_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u16(wr, (uint16_t)set->count);
        for (size_t i = 0; i < set->count && i < SIGCHAIN_VALIDATORS_MAX; i++) {
                lx_write_bytes(wr, set->v[i].key.b, LX_PUBKEY_LEN);
                lx_write_u64(wr, set->v[i].power);
                lx_write_str8(wr, set->v[i].name);
        }
}

static bool
is_printable(struct lx_span text)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.p[i] < ' ' || text.p[i] > '~')
                        return false;
        return true;
}

enum lx_err
sigchain_valset_decode(const uint8_t *bytes, size_t len, struct sigchain_valset *out_set)
{
        struct lx_reader rd = lx_reader_init(bytes, len);

        out_set->total = 0;
        out_set->count = lx_read_u16(&rd);
        if (rd.err == LX_OK && (out_set->count == 0 || out_set->count > SIGCHAIN_VALIDATORS_MAX))
                lx_reader_fail(&rd, LX_ERR_RANGE);
        for (size_t i = 0; i < out_set->count && rd.err == LX_OK; i++) {
                struct sigchain_validator *v = &out_set->v[i];

                lx_read_bytes(&rd, v->key.b, LX_PUBKEY_LEN);
                v->power = lx_read_u64(&rd);
                v->name = lx_read_str8(&rd, NAME_MAX_BYTES);
                if (v->power == 0 || v->power > SIGCHAIN_POWER_MAX)
                        lx_reader_fail(&rd, LX_ERR_RANGE);
                if (!is_printable(v->name))
                        lx_reader_fail(&rd, LX_ERR_FORMAT);
                if (i > 0 && memcmp(v[-1].key.b, v->key.b, LX_PUBKEY_LEN) >= 0) /* public */
                        lx_reader_fail(&rd, LX_ERR_FORMAT);
                out_set->total += v->power;
        }
        return lx_reader_end(&rd);
}

void
sigchain_valset_hash(
    const struct lx_hash_ops *ops, const uint8_t *bytes, size_t len, struct lx_hash *out)
{
        lx_hash1(ops, &LX_TAG_VALSET, bytes, len, out);
}

/* Powers are at most 128 * 2^48, so that three times their sum fits. */
bool
sigchain_is_two_thirds(uint64_t power, uint64_t total)
{
        return 3 * power > 2 * total;
}

bool
sigchain_is_one_third(uint64_t power, uint64_t total)
{
        return 3 * power > total;
}

/* The power of the validator with @key in @set; 0: it is not there. */
static uint64_t
power_of(const struct sigchain_valset *set, const struct lx_pubkey *key)
{
        for (size_t i = 0; i < set->count; i++)
                if (memcmp(set->v[i].key.b, key->b, LX_PUBKEY_LEN) == 0) /* public */
                        return set->v[i].power;
        return 0;
}

static bool
bit_at(struct lx_span bitmap, size_t i)
{
        return (bitmap.p[i / 8] >> (7 - i % 8) & 1) != 0;
}

/* Who signed, by the bitmap: their keys and power. LX_ERR_FORMAT: a bit beyond the set. */
static enum lx_err
list_signers(const struct sigchain_valset *set, struct lx_span bitmap,
    const struct sigchain_valset *other, struct lx_pubkey *keys, size_t *out_count,
    uint64_t *out_power, uint64_t *out_other_power)
{
        size_t count = 0;

        *out_power = *out_other_power = 0;
        for (size_t i = 0; i < 8 * bitmap.len; i++) {
                if (!bit_at(bitmap, i))
                        continue;
                if (i >= set->count)
                        return LX_ERR_FORMAT;
                keys[count++] = set->v[i].key;
                *out_power += set->v[i].power;
                if (other != NULL)
                        *out_other_power += power_of(other, &set->v[i].key);
        }
        *out_count = count;
        return LX_OK;
}

static enum lx_err
verify_each(const struct lx_sig_ops *ops, const struct lx_pubkey *keys, size_t count,
    const struct lx_hash *msg, struct lx_reader *rd)
{
        for (size_t i = 0; i < count; i++) {
                struct lx_sig sig;

                lx_read_bytes(rd, sig.b, LX_SIG_LEN);
                if (rd->err != LX_OK)
                        return rd->err;
                if (!ops->verify(ops->ctx, &keys[i], msg, &sig))
                        return LX_ERR_SIGNATURE;
        }
        return LX_OK;
}

enum lx_err
sigchain_valset_verify(const struct lx_crypto_ops *ops, const struct sigchain_valset *set,
    struct lx_reader *rd, const struct lx_hash *msg, uint64_t *out_power,
    const struct sigchain_valset *other, uint64_t *out_other_power)
{
        struct lx_pubkey keys[SIGCHAIN_VALIDATORS_MAX];
        struct lx_span bitmap = lx_read_span(rd, (set->count + 7) / 8), agg;
        uint64_t power, other_power;
        size_t count;
        enum lx_err err = rd->err;

        if (err == LX_OK)
                err = list_signers(set, bitmap, other, keys, &count, &power, &other_power);
        if (err != LX_OK)
                return err;
        if (count > 1 && rd->left == 32 * (count + 1)) {
                agg = lx_read_span(rd, rd->left);
                err = ops->sig.verify_half != NULL &&
                              ops->sig.verify_half(ops->sig.ctx, keys, count, msg, agg.p, agg.len)
                          ? LX_OK
                          : LX_ERR_SIGNATURE;
        } else {
                err = verify_each(&ops->sig, keys, count, msg, rd);
        }
        if (err != LX_OK)
                return err;
        *out_power = power;
        if (out_other_power != NULL)
                *out_other_power = other_power;
        return LX_OK;
}

void
sigchain_update_message(const struct lx_hash_ops *ops, uint8_t op_type,
    const struct lx_hash *chain_id, const struct lx_hash *set_hash, uint64_t expiry,
    struct lx_span what, struct lx_hash *out)
{
        uint8_t height[8];
        struct lx_span parts[5] = {LX_SPAN(&op_type, 1), LX_SPAN(chain_id->b, LX_HASH_LEN),
            LX_SPAN(set_hash->b, LX_HASH_LEN), LX_SPAN(height, 8), what};

        lx_put_be64(height, expiry);
        ops->hash(ops->ctx, &LX_TAG_UPDATE, parts, 5, out);
}
