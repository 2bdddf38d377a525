/*
 * tests/kit/pages.h - where a small tree keeps its pages or nodes: a list in memory, in the order of writing.
 *
 * For merkle/state.h and merkle/trie.h. Nothing is ever taken out. Threads: one.
 */
#ifndef LX_KIT_PAGES_H
#define LX_KIT_PAGES_H

#include "base/buf.h"
#include "merkle/state.h"
#include "merkle/trie.h"

#define KIT_PAGES_MAX 256

struct kit_pages {
        struct lx_buf key[KIT_PAGES_MAX], page[KIT_PAGES_MAX];
        size_t count;
};

/** The three faces of @pages, which must stay. */
struct merkle_sink kit_pages_sink(struct kit_pages *pages);
struct merkle_pages kit_pages_source(struct kit_pages *pages);
struct merkle_trie_nodes kit_pages_nodes(struct kit_pages *pages);
/** Free what is in it. */
void kit_pages_clear(struct kit_pages *pages);

#endif
