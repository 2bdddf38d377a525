/*
 * ledger/genesis_json.h - the JSON face of the genesis document.
 *
 * JSON is only a face: the chain id is over the canonical binary. Fields: network, time (ISO 8601),
 * parameters {name: value}, validators [{name, key, power}], token {name, decimals, supply (string)},
 * allocations [{genesis, amount (string)}], eid_prefix ("fd12:3456::/32"), prefixes [{instance,
 * prefix, owner}]. Unknown fields are refused. Threads: pure. Spec: doc/genesis.md.
 */
#ifndef LX_LEDGER_GENESIS_JSON_H
#define LX_LEDGER_GENESIS_JSON_H

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"

/** JSON text -> canonical bytes appended to @out_bytes. LX_ERR_FORMAT, LX_ERR_RANGE with a why. */
LX_MUST_CHECK enum lx_err ledger_genesis_from_json(
    const char *json, size_t len, struct lx_buf *out_bytes, struct lx_why *why);
/** Canonical bytes -> JSON text appended to @out_json, indented. */
LX_MUST_CHECK enum lx_err ledger_genesis_to_json(
    const uint8_t *bytes, size_t len, struct lx_buf *out_json, struct lx_why *why);

#endif
