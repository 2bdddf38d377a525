/*
 * ledger/json.h - values as this project writes them in JSON: bytes and hashes as lower-case hex, amounts as
 * decimal strings whatever their size, text that is UTF-8.
 *
 * All return new references. Threads: any. Spec: doc/rpc.md.
 */
#ifndef LX_LEDGER_JSON_H
#define LX_LEDGER_JSON_H

#include "base/hash.h"
#include "base/wire.h"

#include <jansson.h>

/** Bytes. */
json_t *lx_json_hex(const void *bytes, size_t len);
/** A hash. */
json_t *lx_json_hash(const struct lx_hash *hash);
/** An amount. */
json_t *lx_json_amount(uint64_t n);
/** Text that need not be NUL-terminated; what is no UTF-8 becomes "?". */
json_t *lx_json_text(struct lx_span s);

#endif
