/*
 * llp/book.h - the address book: nodes by key, where they were said to be, whether that was true.
 *
 * What strangers say fills only a part: at most LLP_BOOK_GROUP_MAX nodes of one address group and
 * LLP_BOOK_SOURCE_MAX of one source that were never reached. A node that was reached keeps its address;
 * another one that is said of it is tried when that fails. When the book is full, a node that was
 * never reached makes place, the one with most failures first. So nobody can fill it with their own.
 *
 *      file (LLP_BOOK_FILE_MAX at most):
 *      0   8  "lxbook", version 0001
 *      8   4  count, then for each node:
 *                 0  32  key (x-only)
 *                32  18  address: 16 bytes (IPv4 mapped), port
 *                50   8  when it was last reached, milliseconds since 1970, 0: never
 *                58   2  failures since
 *      .   2  count of bans, then for each (llp/ban.h)
 *      .  32  BLAKE2b-256 (lx.book) of all before it
 *
 * Threads: pure; time and randomness are arguments. Spec: doc/llp.md.
 */
#ifndef LX_LLP_BOOK_H
#define LX_LLP_BOOK_H

#include "llp/hello.h"

#define LLP_BOOK_MAX 4096
#define LLP_BOOK_GROUP_MAX 64
#define LLP_BOOK_SOURCE_MAX 512
#define LLP_BOOK_RETRY_MS 1000 /* after the first failure; doubles */
#define LLP_BOOK_RETRY_MAX_MS (10 * 60 * 1000)
#define LLP_BOOK_FRESH_MS (14ull * 24 * 3600 * 1000) /* passed on only if reached since */

struct llp_book;

struct llp_book_node {
        struct lx_pubkey id;
        struct llp_addr addr;
        uint64_t good_ms;     /* wall clock; 0: never reached */
        uint32_t failures;    /* since then */
        uint64_t next_try_ms; /* monotonic */
};

/** An empty book. @seed: of its table. */
struct llp_book *llp_book_new(uint64_t seed);
/** Free it; NULL is fine. */
void llp_book_free(struct llp_book *book);
/** How many nodes. */
size_t llp_book_count(const struct llp_book *book);
/** Somebody at @source says that node @said is there. Whether the book kept it. */
bool llp_book_hear(
    struct llp_book *book, const struct llp_node_addr *said, const struct llp_addr *source);
/** The node was reached at this address. */
void llp_book_reached(struct llp_book *book, const struct llp_node_addr *node, uint64_t wall_ms);
/** It was not; it is left alone for a time that doubles, @jitter (any number) spreads it. */
void llp_book_failed(
    struct llp_book *book, const struct lx_pubkey *id, uint64_t now_ms, uint64_t jitter);
/** The node @id, or NULL; valid until the next change. */
const struct llp_book_node *llp_book_find(const struct llp_book *book, const struct lx_pubkey *id);
/**
 * A node to try now that @allows allows, from a place that @random chooses, one that was reached before
 * if there is one; NULL: none. *out_next_ms: when there might be one (UINT64_MAX: never).
 */
const struct llp_book_node *
llp_book_pick(const struct llp_book *book, uint64_t now_ms, uint64_t random,
    bool (*allows)(void *arg, const struct llp_book_node *node), void *arg, uint64_t *out_next_ms);
/**
 * Up to LLP_ADDRS_MAX nodes to tell others, reached since LLP_BOOK_FRESH_MS, from a place that @random
 * chooses; @local: not only public addresses. How many.
 */
size_t llp_book_sample(const struct llp_book *book, uint64_t wall_ms, bool local, uint64_t random,
    struct llp_node_addr *out);
/** Node number @i (below the count). */
const struct llp_book_node *llp_book_at(const struct llp_book *book, size_t i);

/** Write the nodes (count and nodes). */
void llp_book_write(const struct llp_book *book, struct lx_writer *wr);
/** Read nodes into the empty @book. */
void llp_book_read(struct llp_book *book, struct lx_reader *rd);

#endif
