/* ledger/cert.c - certificates and the skip rule of light clients. Freestanding, no heap. */
#include "config.h"
#include "ledger/cert.h"

#include "crypto/tags.h"

void
ledger_vote_message(const struct lx_hash_ops *ops, enum ledger_vote type,
    const struct lx_hash *chain_id, uint64_t height, uint32_t round, const struct lx_hash *header,
    struct lx_hash *out)
{
        uint8_t bytes[1 + LX_HASH_LEN + 8 + 4 + LX_HASH_LEN];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        lx_write_u8(&wr, (uint8_t)type);
        lx_write_hash(&wr, chain_id);
        lx_write_u64(&wr, height);
        lx_write_u32(&wr, round);
        lx_write_hash(&wr, header);
        lx_hash1(ops, &LX_TAG_VOTE, bytes, sizeof(bytes), out);
}

/* The hash of @set's canonical bytes, streamed validator by validator would need a second face of
 * the hash; the encoding is small enough for the stack. */
static bool
is_set(const struct lx_hash_ops *ops, const struct sigchain_valset *set, const struct lx_hash *hash)
{
        uint8_t bytes[SIGCHAIN_VALSET_BYTES_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_hash got;

        sigchain_valset_encode(set, &wr);
        if (lx_writer_end(&wr) != LX_OK)
                return false;
        sigchain_valset_hash(ops, bytes, wr.len, &got);
        return lx_hash_eq(&got, hash);
}

/* Power of the signers in @set, and in @other; every signature verifies. */
static enum lx_err
verify(const struct lx_crypto_ops *ops, const struct ledger_header *header,
    const struct sigchain_valset *set, const uint8_t *cert, size_t cert_len, uint64_t *out_power,
    const struct sigchain_valset *other, uint64_t *out_other)
{
        struct lx_reader rd = lx_reader_init(cert, cert_len);
        uint32_t round = lx_read_u32(&rd);
        struct lx_hash hash, msg;
        enum lx_err err;

        if (!is_set(&ops->hash, set, &header->valset))
                return LX_ERR_PROOF;
        ledger_header_hash(&ops->hash, header, &hash);
        ledger_vote_message(&ops->hash, LEDGER_VOTE_PRECOMMIT, &header->chain_id, header->height,
            round, &hash, &msg);
        err = sigchain_valset_verify(ops, set, &rd, &msg, out_power, other, out_other);
        return err != LX_OK ? err : lx_reader_end(&rd);
}

enum lx_err
ledger_cert_verify(const struct lx_crypto_ops *ops, const struct ledger_header *header,
    const struct sigchain_valset *set, const uint8_t *cert, size_t cert_len)
{
        uint64_t power = 0;
        enum lx_err err = verify(ops, header, set, cert, cert_len, &power, NULL, NULL);

        if (err != LX_OK)
                return err;
        return sigchain_is_two_thirds(power, set->total) ? LX_OK : LX_ERR_PROOF;
}

enum lx_err
ledger_cert_skip(const struct lx_crypto_ops *ops, const struct ledger_trust *trust,
    const struct sigchain_valset *trusted_set, const struct ledger_header *header,
    const struct sigchain_valset *set, const uint8_t *cert, size_t cert_len, uint64_t now_ms,
    uint64_t trust_ms)
{
        uint64_t power = 0, trusted = 0;
        enum lx_err err;

        if (header->height <= trust->height)
                return LX_ERR_RANGE;
        if (now_ms > trust->time_ms && now_ms - trust->time_ms > trust_ms)
                return LX_ERR_EXPIRED;
        if (!lx_hash_eq(&header->chain_id, &trust->chain_id) || header->time_ms <= trust->time_ms ||
            !is_set(&ops->hash, trusted_set, &trust->next_valset))
                return LX_ERR_PROOF;
        if (header->height == trust->height + 1 &&
            (!lx_hash_eq(&header->valset, &trust->next_valset) ||
                !lx_hash_eq(&header->previous, &trust->header)))
                return LX_ERR_PROOF;
        err = verify(ops, header, set, cert, cert_len, &power, trusted_set, &trusted);
        if (err != LX_OK)
                return err;
        if (sigchain_is_two_thirds(trusted, trusted_set->total))
                return LX_OK;
        if (!sigchain_is_two_thirds(power, set->total))
                return LX_ERR_PROOF;
        return sigchain_is_one_third(trusted, trusted_set->total) ? LX_OK : LX_ERR_UNTRUSTED;
}
