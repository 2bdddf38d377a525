/*
 * ledger/tx_json.h - the JSON face of a transaction: one for the node that answers and for the client that
 * proves, so that a client shows what the proven bytes say and nothing else.
 *
 * Threads: any. Spec: doc/rpc.md, chain.tx.
 */
#ifndef LX_LEDGER_TX_JSON_H
#define LX_LEDGER_TX_JSON_H

#include "sigchain/tx.h"

#include <jansson.h>

/** Core and witnesses of @tx: genesis, sequence, previous, next, expiry, fee, operations, witnesses. */
json_t *ledger_tx_to_json(const struct sigchain_tx *tx);

#endif
