/* ledger/kinds.c - the table of what the ledger keeps. */
#include "config.h"
#include "ledger/kinds.h"

static const struct lld_kind KINDS[LEDGER_KIND_COUNT_] = {
    [LEDGER_META] = {"meta", LLD_CURRENT, 0, 1, 0},
    [LEDGER_HEADER] = {"header", LLD_VERSIONED, 0, 0, 0},
    [LEDGER_HEADER_HASH] = {"header-hash", LLD_ONCE, 0, 1, 0},
    [LEDGER_CERT] = {"cert", LLD_VERSIONED, 0, 0, 0},
    [LEDGER_VALSET] = {"valset", LLD_ONCE, 0, 1, 1},
    [LEDGER_BLOCK] = {"block", LLD_VERSIONED, 0, 0, 0},
    [LEDGER_TX] = {"tx", LLD_ONCE, 0, 1, 1},
    [LEDGER_TX_AT] = {"tx-at", LLD_ONCE, 0, 1, 0},
    [LEDGER_STATE_AT] = {"state-at", LLD_VERSIONED, LX_HASH_LEN, 0, 1},
    [LEDGER_STATE] = {"state", LLD_CURRENT, 0, 1, 1},
    [LEDGER_PAGE] = {"page", LLD_VERSIONED, 0, 1, 0},
    [LEDGER_STALE] = {"stale", LLD_VERSIONED, 0, 0, 0},
    [LEDGER_HISTORY] = {"history", LLD_ONCE, 0, 1, 0},
    [LEDGER_ENTRY] = {"entry", LLD_ONCE, 0, 0, 1},
    [LEDGER_LOG_NODE] = {"log-node", LLD_ONCE, 0, 1, 0},
    [LEDGER_TRIE_NODE] = {"trie-node", LLD_ONCE, 0, 1, 0},
    [LEDGER_DIGEST] = {"digest", LLD_CURRENT, 0, 1, 0},
    [LEDGER_OWNED] = {"owned", LLD_CURRENT, 0, 0, 0},
    [LEDGER_REGISTER] = {"register", LLD_CURRENT, 0, 0, 0},
    [LEDGER_DEBIT] = {"debit", LLD_CURRENT, 0, 0, 0},
    [LEDGER_KEY] = {"key", LLD_CURRENT, 0, 1, 0},
    [LEDGER_IMPORT] = {"import", LLD_CURRENT, 0, 0, 0},
};

const struct lld_kind *
ledger_kinds(void)
{
        return KINDS;
}
