/* tests/kit/pages.c - see kit/pages.h. */
#include "config.h"
#include "kit/pages.h"

#include "base/assert.h"

#include <string.h>

static void
put(struct kit_pages *pages, const void *key, size_t key_len, const uint8_t *page, size_t len)
{
        lx_assert(pages->count < KIT_PAGES_MAX);
        lx_buf_append(&pages->key[pages->count], key, key_len);
        lx_buf_append(&pages->page[pages->count++], page, len);
}

static enum lx_err
get(const struct kit_pages *pages, const void *key, size_t key_len, struct lx_buf *out)
{
        for (size_t i = 0; i < pages->count; i++)
                if (pages->key[i].len == key_len && memcmp(pages->key[i].p, key, key_len) == 0) { /* public */
                        lx_buf_append(out, pages->page[i].p, pages->page[i].len);
                        return LX_OK;
                }
        return LX_ERR_CORRUPT;
}

static void
put_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], const uint8_t *page, size_t len)
{
        put(arg, key, MERKLE_PAGE_KEY_LEN, page, len);
}

static void
stale_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN])
{
        (void)arg, (void)key;
}

static enum lx_err
get_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct lx_buf *out)
{
        return get(arg, key, MERKLE_PAGE_KEY_LEN, out);
}

static void
put_node(void *arg, const struct lx_hash *node, const uint8_t *enc, size_t len)
{
        put(arg, node->b, LX_HASH_LEN, enc, len);
}

static enum lx_err
get_node(void *arg, const struct lx_hash *node, struct lx_buf *out)
{
        return get(arg, node->b, LX_HASH_LEN, out);
}

struct merkle_sink
kit_pages_sink(struct kit_pages *pages)
{
        return (struct merkle_sink){put_page, stale_page, pages};
}

struct merkle_pages
kit_pages_source(struct kit_pages *pages)
{
        return (struct merkle_pages){get_page, pages};
}

struct merkle_trie_nodes
kit_pages_nodes(struct kit_pages *pages)
{
        return (struct merkle_trie_nodes){get_node, put_node, pages};
}

void
kit_pages_clear(struct kit_pages *pages)
{
        for (size_t i = 0; i < pages->count; i++) {
                lx_buf_clear(&pages->key[i]);
                lx_buf_clear(&pages->page[i]);
        }
        pages->count = 0;
}
