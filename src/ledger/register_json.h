/*
 * ledger/register_json.h - the JSON face of an encoded register: one for the node that answers and
 * for the client that proves, so that a client shows what the proven bytes say and nothing else.
 *
 * Threads: any. Spec: doc/rpc.md, register.get.
 */
#ifndef LX_LEDGER_REGISTER_JSON_H
#define LX_LEDGER_REGISTER_JSON_H

#include "base/err.h"
#include "base/hash.h"
#include "base/wire.h"

#include <jansson.h>

/**
 * Set in the object @out what the encoded register @value of @address says: address, type,
 * standard, owner, created, modified, pending, data and fields.
 * Returns LX_OK, LX_ERR_FORMAT (no well-formed register; nothing is set).
 */
LX_MUST_CHECK enum lx_err ledger_register_to_json(
    const struct lx_hash *address, struct lx_span value, json_t *out);

#endif
