/*
 * ledger/kinds.h - what the ledger keeps in lld: one row each (kinds.c), the number is the kind.
 *
 * Keys are big-endian, so that byte order is number order. Spec: doc/ledger.md.
 *   META         text name                                  current   "genesis" (once), "totals", "pruned", "keys"
 *   HEADER       u64 height                                 versioned header (242 bytes)
 *   HEADER_HASH  header hash                                once      u64 height
 *   CERT         u64 height                                 versioned certificate
 *   VALSET       set hash                                   once      encoded set
 *   BLOCK        u64 height                                 versioned u64 root page version, tx ids
 *   TX           tx id                                      once      encoded transaction
 *   TX_AT        tx id                                      once      u64 height, u32 index
 *   STATE_AT     state key, u64 height                      versioned u8 kind, value (empty: removed)
 *   STATE        state key                                  current   u64 since, u8 kind, value
 *   PAGE         u64 version, tree id, u8 nibbles, path     versioned page of a state tree
 *   STALE        u64 height, page key                       versioned nothing: stale from that height
 *   HISTORY      u8 level, u64 index                        once      node of the tree over headers
 *   ENTRY        address, u64 index                         once      entry of an append register
 *   LOG_NODE     address, u8 level, u64 index               once      node of that register's log
 *   TRIE_NODE    node hash                                  once      node of a prefix trie
 *   DIGEST       digest                                     current   (publisher, release, u32 entry, u64 height,
 *                                                                    u32 offset, u16 length in the manifest)[]
 *   OWNED        owner, address                             current   nothing
 *   REGISTER     address                                    current   nothing: every register
 *   DEBIT        account, tx id, u8 operation               current   nothing: open debits to it
 *   KEY          state key                                  current   canonical key, of registers and debits
 *   IMPORT       see import_int.h                           current   of a snapshot that is being fetched
 */
#ifndef LX_LEDGER_KINDS_H
#define LX_LEDGER_KINDS_H

#include "lld/store.h"

enum ledger_kind {
        LEDGER_META,
        LEDGER_HEADER,
        LEDGER_HEADER_HASH,
        LEDGER_CERT,
        LEDGER_VALSET,
        LEDGER_BLOCK,
        LEDGER_TX,
        LEDGER_TX_AT,
        LEDGER_STATE_AT,
        LEDGER_STATE,
        LEDGER_PAGE,
        LEDGER_STALE,
        LEDGER_HISTORY,
        LEDGER_ENTRY,
        LEDGER_LOG_NODE,
        LEDGER_TRIE_NODE,
        LEDGER_DIGEST,
        LEDGER_OWNED,
        LEDGER_REGISTER,
        LEDGER_DEBIT,
        LEDGER_KEY,
        LEDGER_IMPORT,
        LEDGER_KIND_COUNT_
};

/** The table for lld_options (LEDGER_KIND_COUNT_ rows). */
const struct lld_kind *ledger_kinds(void);

#endif
