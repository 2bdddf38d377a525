/*
 * bench/light_memory.h - the memory of a light node that watches much and knows all headers.
 */
#ifndef LX_BENCH_LIGHT_MEMORY_H
#define LX_BENCH_LIGHT_MEMORY_H

#include "base/buf.h"
#include "ledger/header.h"
#include "sigchain/valset.h"

#include <stdbool.h>

/**
 * The row: RssAnon of `lxnoded --light --history` with 1,000 watched registers and 1 million headers, after it has answered
 * look-ups. @certify appends the precommits of all of @set for @header.
 */
bool bench_light_memory(
    void (*certify)(const struct ledger_header *header, const struct sigchain_valset *set, struct lx_buf *out));

#endif
