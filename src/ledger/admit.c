/* ledger/admit.c - see ledger/admit.h. */
#include "config.h"
#include "ledger/admit.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "sigchain/object.h"
#include "sigchain/state.h"

#include <string.h>

static enum lx_err
refuse_key(struct lx_why *why, const char *text)
{
        lx_why_set(why, "rule witness: %s", text);
        return LX_ERR_SIGNATURE;
}

/* The first transaction of a chain: the name key is the one that the genesis id is of. */
static enum lx_err
check_first(const struct sigchain_tx *tx, struct lx_why *why)
{
        const struct sigchain_witness *name = sigchain_tx_witness(tx, SIGCHAIN_ROLE_NAME);
        struct lx_hash genesis;

        if (name == NULL || sigchain_tx_witness(tx, SIGCHAIN_ROLE_CHAIN) == NULL)
                return refuse_key(
                    why, "a first transaction is signed by the chain's key and the name key");
        sigchain_genesis_id(&lx_crypto_ops()->hash, &name->key, &genesis);
        if (!lx_hash_eq(&genesis, &tx->genesis))
                return refuse_key(why, "the name key is not the one that the genesis id is of");
        return LX_OK;
}

/* The recovery hash that the chain's crypto register commits to. */
static enum lx_err
check_recovery(struct ledger_view *view, const struct sigchain_tx *tx,
    const struct sigchain_witness *witness, struct lx_why *why)
{
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        struct sigchain_register reg;
        struct lx_hash address, committed = {{0}}, hash;
        struct lx_buf buf = {0};
        enum lx_err err;

        sigchain_address(ops, SIGCHAIN_CRYPTO, tx->genesis.b, LX_HASH_LEN, &address);
        err = ledger_get_state(
            view, SIGCHAIN_KIND_REGISTER, address.b, LX_HASH_LEN, LEDGER_NOW, &buf, NULL);
        if (err == LX_OK)
                err = sigchain_register_decode(buf.p, buf.len, &reg);
        if (err == LX_OK)
                err = sigchain_object_decode(reg.data, object);
        if (err == LX_OK)
                (void)sigchain_object_get_hash(object, "recovery", &committed);
        sigchain_next_hash(ops, &witness->key, &hash);
        if (err == LX_OK && (lx_hash_is_zero(&committed) || !lx_hash_eq(&hash, &committed)))
                err = refuse_key(why, "the recovery key is not the committed one: "
                    "the words are another profile's, or were used before");
        lx_buf_clear(&buf);
        lx_free(object);
        return err == LX_ERR_ABSENT ? refuse_key(why, "the chain has no recovery key") : err;
}

static enum lx_err
check_key(struct ledger_view *view, const struct sigchain_tx *tx, const struct lx_hash *next,
    struct lx_why *why)
{
        const struct sigchain_witness *key = sigchain_tx_witness(tx, SIGCHAIN_ROLE_CHAIN);
        const struct sigchain_witness *recovery = sigchain_tx_witness(tx, SIGCHAIN_ROLE_RECOVERY);
        struct lx_hash hash;

        if (recovery != NULL)
                return check_recovery(view, tx, recovery, why);
        if (key == NULL)
                return refuse_key(why, "one witness signs: the chain's next key or the recovery key");
        sigchain_next_hash(&lx_crypto_ops()->hash, &key->key, &hash);
        if (!lx_hash_eq(&hash, next))
                return refuse_key(why, "the key is not the one that the last transaction committed to");
        return LX_OK;
}

static enum lx_err
load_chain(struct ledger_view *view, const struct lx_hash *genesis, struct sigchain_chain *out)
{
        struct lx_buf buf = {0};
        enum lx_err err = ledger_get_state(
            view, SIGCHAIN_KIND_CHAIN, genesis->b, LX_HASH_LEN, LEDGER_NOW, &buf, NULL);

        if (err == LX_OK)
                err = sigchain_chain_decode(buf.p, buf.len, out);
        if (err == LX_ERR_ABSENT) {
                *out = (struct sigchain_chain){0};
                err = LX_OK;
        }
        lx_buf_clear(&buf);
        return err;
}

/* It stands behind a waiting one: that must be its predecessor, and have committed to its key. */
static enum lx_err
check_behind(struct ledger_view *view, const struct ledger_mempool *pool,
    const struct sigchain_tx *tx, struct lx_why *why)
{
        const struct ledger_pending *before =
            ledger_mempool_at(pool, &tx->genesis, tx->sequence - 1);

        if (before == NULL) {
                lx_why_set(why, "transaction %llu of this chain, which comes before, is not here",
                    (unsigned long long)(tx->sequence - 1));
                return LX_ERR_ABSENT;
        }
        if (!lx_hash_eq(&before->id, &tx->previous)) {
                lx_why_set(why, "rule sequence: it follows another transaction %llu of this chain "
                    "than the one that waits", (unsigned long long)(tx->sequence - 1));
                return LX_ERR_SEQUENCE;
        }
        return check_key(view, tx, &before->next, why);
}

static enum lx_err
check_place(struct ledger_view *view, const struct ledger_mempool *pool,
    const struct sigchain_tx *tx, struct lx_why *why)
{
        struct sigchain_chain chain;
        enum lx_err err = load_chain(view, &tx->genesis, &chain);

        if (err != LX_OK)
                return err;
        if (tx->sequence > chain.sequence)
                return check_behind(view, pool, tx, why);
        if (tx->sequence < chain.sequence || !lx_hash_eq(&tx->previous, &chain.last)) {
                lx_why_set(why,
                    "rule sequence: transaction %llu of this chain comes next, not %llu",
                    (unsigned long long)chain.sequence, (unsigned long long)tx->sequence);
                return LX_ERR_SEQUENCE;
        }
        return tx->sequence == 0 ? check_first(tx, why) : check_key(view, tx, &chain.next, why);
}

enum lx_err
ledger_admit_tx(struct ledger_view *view, const struct ledger_mempool *pool,
    const struct sigchain_tx *tx, struct lx_why *why)
{
        const struct ledger_header *tip = ledger_view_header(view);
        const struct ledger_pending *same;
        char id[LX_HEX_LEN(LX_HASH_LEN)];
        enum lx_err err;

        if (!lx_hash_eq(&tx->chain_id, &tip->chain_id)) {
                lx_why_set(why, "rule chain-id: the transaction is for another network");
                return LX_ERR_RULE;
        }
        if (tx->expiry != 0 && tx->expiry <= tip->height) {
                lx_why_set(why, "the transaction expired at height %llu",
                    (unsigned long long)tx->expiry);
                return LX_ERR_EXPIRED;
        }
        /* Evidence has no place in a chain; that it holds is checked where signatures are. */
        if (tx->version == SIGCHAIN_TX_EVIDENCE)
                return LX_OK;
        err = check_place(view, pool, tx, why);
        if (err != LX_OK)
                return err;
        same = ledger_mempool_at(pool, &tx->genesis, tx->sequence);
        if (same == NULL || lx_hash_eq(&same->id, &tx->id) ||
            ledger_fee_replaces(same->fee, tx->fee))
                return LX_OK;
        lx_hex(same->id.b, LX_HASH_LEN, id);
        lx_why_set(why, "another transaction with sequence %llu of this chain waits already, paying "
            "%llu: pay a tenth more to replace it, or drop it: lx chain drop %s",
            (unsigned long long)tx->sequence, (unsigned long long)same->fee, id);
        return LX_ERR_EXISTS;
}

bool
ledger_fee_replaces(uint64_t waiting_fee, uint64_t fee)
{
        uint64_t more = waiting_fee / 10 > 1 ? waiting_fee / 10 : 1;

        return fee > waiting_fee && fee - waiting_fee >= more;
}

/* ---- wishes ------------------------------------------------------------------------------------ */

void
ledger_drop_message(const struct lx_hash_ops *ops, const struct lx_hash *chain_id,
    const struct lx_hash *id, struct lx_hash *out)
{
        lx_hash_pair(ops, &LX_TAG_DROP, chain_id, id, out);
}

enum lx_err
ledger_drop_verify(const struct lx_crypto_ops *ops, const struct lx_hash *chain_id,
    const uint8_t *bytes, size_t len, const struct sigchain_tx *tx)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct lx_hash id = lx_read_hash(&rd), msg;
        struct lx_pubkey key;
        struct lx_sig sig;
        enum lx_err err;

        lx_read_bytes(&rd, key.b, LX_PUBKEY_LEN);
        lx_read_bytes(&rd, sig.b, LX_SIG_LEN);
        err = lx_reader_end(&rd);
        if (err != LX_OK)
                return err;
        if (!lx_hash_eq(&id, &tx->id))
                return LX_ERR_FORMAT;
        for (size_t i = 0; i < tx->witness_count; i++) {
                const struct sigchain_witness *w = &tx->witness[i];

                if (w->role != SIGCHAIN_ROLE_CHAIN && w->role != SIGCHAIN_ROLE_RECOVERY)
                        continue;
                if (memcmp(w->key.b, key.b, LX_PUBKEY_LEN) != 0) /* public */
                        continue;
                ledger_drop_message(&ops->hash, chain_id, &id, &msg);
                return ops->sig.verify(ops->sig.ctx, &key, &msg, &sig) ? LX_OK
                                                                       : LX_ERR_SIGNATURE;
        }
        return LX_ERR_SIGNATURE;
}
