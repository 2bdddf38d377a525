/*
 * ledger/admit.h - whether a transaction may wait: cheap checks before its signatures are verified.
 *
 * Only the owner of a chain may take a place of it in the mempool: the witness key must be the one
 * that the chain (or the waiting predecessor) committed to. So a stranger can neither fill the mempool
 * in another's name nor block a sequence.
 *
 * Replacing and dropping. Of two transactions with the same chain and sequence a node keeps the one it
 * has, unless the other pays at least a tenth (and at least 1) more, or the owner says that the first is
 * to go: a drop wish, signed by the key that signed the transaction. Bytes of a wish (LEDGER_DROP_LEN):
 *   offset size field
 *        0   32 id of the transaction that is to go
 *       32   32 public key: a witness of that transaction with role chain or recovery
 *       64   64 BIP 340 signature of H(lx.drop, chain id, id)
 * A transaction leaves together with those that wait behind it on its chain: they name it. A wish is no
 * promise: what is in a proposal already may become final. Threads: loop. Spec: doc/sync.md.
 */
#ifndef LX_LEDGER_ADMIT_H
#define LX_LEDGER_ADMIT_H

#include "ledger/ledger.h"
#include "ledger/mempool.h"

#define LEDGER_DROP_LEN 128

/**
 * Whether @tx (decoded) may wait on top of @view and @pool. LX_OK: next of its chain; LX_ERR_SEQUENCE: the
 * chain has moved on; LX_ERR_ABSENT: its predecessor is not here (yet); LX_ERR_SIGNATURE: not the
 * committed key; LX_ERR_EXPIRED; LX_ERR_RULE (other network); LX_ERR_EXISTS: another with its sequence
 * waits and it does not replace that one.
 */
LX_MUST_CHECK enum lx_err ledger_admit_tx(struct ledger_view *view,
    const struct ledger_mempool *pool, const struct sigchain_tx *tx, struct lx_why *why);

/** Whether @fee replaces a waiting transaction that pays @waiting_fee. */
bool ledger_fee_replaces(uint64_t waiting_fee, uint64_t fee);

/** What the owner signs. */
void ledger_drop_message(const struct lx_hash_ops *ops, const struct lx_hash *chain_id,
    const struct lx_hash *id, struct lx_hash *out);
/**
 * Verify a wish against the transaction it names (@tx, decoded). LX_ERR_FORMAT, LX_ERR_SIGNATURE.
 */
LX_MUST_CHECK enum lx_err ledger_drop_verify(const struct lx_crypto_ops *ops,
    const struct lx_hash *chain_id, const uint8_t *bytes, size_t len, const struct sigchain_tx *tx);

#endif
