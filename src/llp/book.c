/* llp/book.c - see llp/book.h. */
#include "config.h"
#include "llp/book.h"

#include "base/map.h"
#include "base/mem.h"

#include <string.h>

#define NODE_LEN 60        /* bytes in the file */
#define OTHER_AFTER 2      /* failures until another address is tried */
#define FAILURES_MAX 65535 /* what the file holds */

struct node {
        struct llp_book_node pub;
        struct llp_addr source; /* group of who said it */
        bool has_other;
        struct llp_addr other; /* said of it later */
        size_t at;             /* in the array */
};

struct llp_book {
        struct lx_map *by_id;
        struct node *nodes[LLP_BOOK_MAX];
        size_t count;
};

struct llp_book *
llp_book_new(uint64_t seed)
{
        struct llp_book *book = lx_alloc(sizeof(*book));

        book->by_id = lx_map_new(seed);
        return book;
}

void
llp_book_free(struct llp_book *book)
{
        if (book == NULL)
                return;
        for (size_t i = 0; i < book->count; i++)
                lx_free(book->nodes[i]);
        lx_map_free(book->by_id);
        lx_free(book);
}

size_t
llp_book_count(const struct llp_book *book)
{
        return book->count;
}

static struct node *
find(const struct llp_book *book, const struct lx_pubkey *id)
{
        return lx_map_get(book->by_id, id->b, sizeof(id->b));
}

const struct llp_book_node *
llp_book_find(const struct llp_book *book, const struct lx_pubkey *id)
{
        struct node *node = find(book, id);

        return node != NULL ? &node->pub : NULL;
}

const struct llp_book_node *
llp_book_at(const struct llp_book *book, size_t i)
{
        return &book->nodes[i]->pub;
}

static void
drop(struct llp_book *book, struct node *node)
{
        struct node *last = book->nodes[--book->count];

        (void)lx_map_remove(book->by_id, node->pub.id.b, sizeof(node->pub.id.b));
        book->nodes[node->at] = last;
        last->at = node->at;
        lx_free(node);
}

/* Place for one more: the never reached one with most failures goes. */
static bool
make_place(struct llp_book *book)
{
        struct node *worst = NULL;

        if (book->count < LLP_BOOK_MAX)
                return true;
        for (size_t i = 0; i < book->count; i++) {
                struct node *node = book->nodes[i];

                if (node->pub.good_ms == 0 &&
                    (worst == NULL || node->pub.failures > worst->pub.failures))
                        worst = node;
        }
        if (worst == NULL)
                return false;
        drop(book, worst);
        return true;
}

static struct node *
add(struct llp_book *book, const struct llp_node_addr *said, const struct llp_addr *source)
{
        struct node *node;

        if (!make_place(book))
                return NULL;
        node = lx_alloc(sizeof(*node));
        node->pub = (struct llp_book_node){.id = said->id, .addr = said->addr};
        node->source = *source;
        node->at = book->count;
        book->nodes[book->count++] = node;
        (void)lx_map_put(book->by_id, said->id.b, sizeof(said->id.b), node);
        return node;
}

/* Whether strangers have used up their part: of this group, of this source. */
static bool
is_crowded(const struct llp_book *book, const struct llp_addr *group, const struct llp_addr *source)
{
        size_t in_group = 0, of_source = 0;

        for (size_t i = 0; i < book->count; i++) {
                const struct node *node = book->nodes[i];
                struct llp_addr theirs = llp_addr_group(&node->pub.addr);

                if (node->pub.good_ms > 0)
                        continue;
                in_group += llp_addr_eq(&theirs, group);
                of_source += llp_addr_eq(&node->source, source);
        }
        return in_group >= LLP_BOOK_GROUP_MAX || of_source >= LLP_BOOK_SOURCE_MAX;
}

bool
llp_book_hear(
    struct llp_book *book, const struct llp_node_addr *said, const struct llp_addr *source)
{
        struct node *node = find(book, &said->id);
        struct llp_addr group = llp_addr_group(&said->addr), from = llp_addr_group(source);

        if (!llp_addr_is_usable(&said->addr))
                return false;
        if (node == NULL)
                return !is_crowded(book, &group, &from) && add(book, said, &from) != NULL;
        if (llp_addr_eq(&node->pub.addr, &said->addr))
                return false;
        node->other = said->addr;
        node->has_other = true;
        return true;
}

void
llp_book_reached(struct llp_book *book, const struct llp_node_addr *said, uint64_t wall_ms)
{
        struct node *node = find(book, &said->id);

        if (node == NULL)
                node = add(book, said, &(struct llp_addr){{0}, 0});
        if (node == NULL)
                return;
        node->pub.addr = said->addr;
        node->pub.good_ms = wall_ms;
        node->pub.failures = 0;
        node->pub.next_try_ms = 0;
}

void
llp_book_failed(struct llp_book *book, const struct lx_pubkey *id, uint64_t now_ms, uint64_t jitter)
{
        struct node *node = find(book, id);
        uint64_t delay = LLP_BOOK_RETRY_MAX_MS;

        if (node == NULL)
                return;
        if (node->pub.failures < FAILURES_MAX)
                node->pub.failures++;
        if (node->pub.failures < 10)
                delay = (uint64_t)LLP_BOOK_RETRY_MS << node->pub.failures;
        if (delay > LLP_BOOK_RETRY_MAX_MS)
                delay = LLP_BOOK_RETRY_MAX_MS;
        node->pub.next_try_ms = now_ms + delay + jitter % (delay / 2 + 1);
        if (node->has_other && node->pub.failures >= OTHER_AFTER) {
                struct llp_addr old = node->pub.addr;

                node->pub.addr = node->other;
                node->other = old;
                node->has_other =
                    node->pub.good_ms > 0; /* a reached address is worth another look */
        }
}

const struct llp_book_node *
llp_book_pick(const struct llp_book *book, uint64_t now_ms, uint64_t random,
    bool (*allows)(void *arg, const struct llp_book_node *node), void *arg, uint64_t *out_next_ms)
{
        const struct llp_book_node *any = NULL;
        uint64_t next_ms = UINT64_MAX;

        for (size_t i = 0; i < book->count; i++) {
                const struct llp_book_node *node = &book->nodes[(random + i) % book->count]->pub;

                if (node->next_try_ms > now_ms) {
                        next_ms = node->next_try_ms < next_ms ? node->next_try_ms : next_ms;
                        continue;
                }
                if (!allows(arg, node))
                        continue;
                if (any == NULL || (any->good_ms == 0 && node->good_ms > 0))
                        any = node;
                if (any->good_ms > 0)
                        break;
        }
        *out_next_ms = any != NULL ? now_ms : next_ms;
        return any;
}

size_t
llp_book_sample(const struct llp_book *book, uint64_t wall_ms, bool local, uint64_t random,
    struct llp_node_addr *out)
{
        size_t count = 0;

        for (size_t i = 0; i < book->count && count < LLP_ADDRS_MAX; i++) {
                const struct llp_book_node *node = &book->nodes[(random + i) % book->count]->pub;

                if (node->good_ms == 0 || node->good_ms + LLP_BOOK_FRESH_MS < wall_ms)
                        continue;
                if (!local && !llp_addr_is_public(&node->addr))
                        continue;
                out[count++] = (struct llp_node_addr){node->id, node->addr};
        }
        return count;
}

void
llp_book_write(const struct llp_book *book, struct lx_writer *wr)
{
        lx_write_u32(wr, (uint32_t)book->count);
        for (size_t i = 0; i < book->count; i++) {
                const struct llp_book_node *node = &book->nodes[i]->pub;

                lx_write_bytes(wr, node->id.b, sizeof(node->id.b));
                llp_addr_write(wr, &node->addr);
                lx_write_u64(wr, node->good_ms);
                lx_write_u16(wr, (uint16_t)node->failures);
        }
}

void
llp_book_read(struct llp_book *book, struct lx_reader *rd)
{
        size_t count = lx_read_u32(rd);

        if (count > LLP_BOOK_MAX || count > rd->left / NODE_LEN)
                lx_reader_fail(rd, count > LLP_BOOK_MAX ? LX_ERR_RANGE : LX_ERR_TRUNCATED);
        for (size_t i = 0; i < count && rd->err == LX_OK; i++) {
                struct llp_node_addr said;
                struct node *node;

                lx_read_bytes(rd, said.id.b, sizeof(said.id.b));
                said.addr = llp_addr_read(rd);
                if (find(book, &said.id) != NULL || !llp_addr_is_usable(&said.addr)) {
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                        return;
                }
                node = add(book, &said, &(struct llp_addr){{0}, 0});
                if (node == NULL)
                        return;
                node->pub.good_ms = lx_read_u64(rd);
                node->pub.failures = lx_read_u16(rd);
        }
}
