/* merkle/trie_verify.c - codec and verification of prefix tries. Freestanding. */
#include "config.h"
#include "crypto/tags.h"
#include "merkle/trie_int.h"

#include <string.h>

#define FLAG_VALUE 1u
#define FLAG_LEFT 2u
#define FLAG_RIGHT 4u

unsigned
merkle_bit(const struct merkle_bits *bits, unsigned i)
{
        return bits->b[i / 8] >> (7 - i % 8) & 1u;
}

static void
set_bit(struct merkle_bits *bits, unsigned i, unsigned bit)
{
        if (bit != 0)
                bits->b[i / 8] |= (uint8_t)(0x80u >> i % 8);
}

struct merkle_bits
merkle_bits_head(const struct merkle_bits *bits, unsigned len)
{
        struct merkle_bits head = {.len = (uint8_t)len};

        for (unsigned i = 0; i < len; i++)
                set_bit(&head, i, merkle_bit(bits, i));
        return head;
}

struct merkle_bits
merkle_bits_tail(const struct merkle_bits *bits, unsigned from)
{
        struct merkle_bits tail = {.len = (uint8_t)(bits->len - from)};

        for (unsigned i = 0; i < tail.len; i++)
                set_bit(&tail, i, merkle_bit(bits, from + i));
        return tail;
}

struct merkle_bits
merkle_bits_join(const struct merkle_bits *a, unsigned bit, const struct merkle_bits *b)
{
        struct merkle_bits joined = *a;

        set_bit(&joined, joined.len++, bit);
        for (unsigned i = 0; i < b->len; i++)
                set_bit(&joined, joined.len++, merkle_bit(b, i));
        return joined;
}

unsigned
merkle_bits_common(const struct merkle_bits *a, const struct merkle_bits *b)
{
        unsigned i = 0;

        while (i < a->len && i < b->len && merkle_bit(a, i) == merkle_bit(b, i))
                i++;
        return i;
}

void
merkle_trie_node_encode(const struct trie_node *node, struct lx_writer *wr)
{
        bool left = !lx_hash_is_zero(&node->child[0]);
        bool right = !lx_hash_is_zero(&node->child[1]);

        lx_write_u8(wr, node->skip.len);
        lx_write_bytes(wr, node->skip.b, (node->skip.len + 7u) / 8);
        lx_write_u8(wr, (uint8_t)((node->has_value ? FLAG_VALUE : 0) | (left ? FLAG_LEFT : 0) |
                                  (right ? FLAG_RIGHT : 0)));
        if (node->has_value)
                lx_write_hash(wr, &node->value);
        if (left)
                lx_write_hash(wr, &node->child[0]);
        if (right)
                lx_write_hash(wr, &node->child[1]);
}

enum lx_err
merkle_trie_node_decode(const uint8_t *bytes, size_t len, struct trie_node *out_node)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct trie_node node = {.has_value = false};
        struct merkle_bits clean;
        uint8_t flags;

        node.skip.len = lx_read_u8(&rd);
        if (node.skip.len > MERKLE_TRIE_BITS_MAX)
                return LX_ERR_RANGE;
        lx_read_bytes(&rd, node.skip.b, (node.skip.len + 7u) / 8);
        flags = lx_read_u8(&rd);
        clean = merkle_bits_head(&node.skip, node.skip.len);
        if (memcmp(clean.b, node.skip.b, sizeof(clean.b)) != 0) /* public */
                lx_reader_fail(&rd, LX_ERR_FORMAT);
        if (flags == 0 || flags > 7 || flags == FLAG_LEFT || flags == FLAG_RIGHT)
                lx_reader_fail(&rd, LX_ERR_FORMAT);
        node.has_value = (flags & FLAG_VALUE) != 0;
        if (node.has_value)
                node.value = lx_read_hash(&rd);
        for (unsigned i = 0; i < 2; i++)
                if ((flags & FLAG_LEFT << i) != 0) {
                        node.child[i] = lx_read_hash(&rd);
                        if (lx_hash_is_zero(&node.child[i]))
                                lx_reader_fail(&rd, LX_ERR_FORMAT);
                }
        if (lx_reader_end(&rd) == LX_OK)
                *out_node = node;
        return lx_reader_end(&rd);
}

struct trie_walk
merkle_trie_walk(const struct lx_hash *root, const struct merkle_bits *addr)
{
        struct trie_walk walk = {.addr = addr, .next = *root};

        walk.over = lx_hash_is_zero(root);
        return walk;
}

/* The walk ends; without a match the hole is the first @depth bits of the address. */
static void
end_walk(struct trie_walk *walk, unsigned depth)
{
        walk->over = true;
        if (!walk->found)
                walk->prefix = merkle_bits_head(walk->addr, depth);
}

void
merkle_trie_pass(struct trie_walk *walk, const struct trie_node *node)
{
        struct merkle_bits rest = merkle_bits_tail(walk->addr, walk->depth);
        unsigned common = merkle_bits_common(&node->skip, &rest);
        unsigned bit;

        if (common < node->skip.len) {
                unsigned end = walk->depth + common + 1;

                end_walk(walk, end < walk->addr->len ? end : walk->addr->len);
                return;
        }
        walk->depth += common;
        if (node->has_value) {
                walk->found = true;
                walk->value = node->value;
                walk->prefix = merkle_bits_head(walk->addr, walk->depth);
        }
        if (walk->depth == walk->addr->len) {
                end_walk(walk, walk->depth);
                return;
        }
        bit = merkle_bit(walk->addr, walk->depth++);
        walk->next = node->child[bit];
        if (lx_hash_is_zero(&walk->next))
                end_walk(walk, walk->depth);
}

enum lx_err
merkle_trie_verify(const struct lx_hash_ops *ops, struct lx_reader *rd, const struct lx_hash *root,
    const struct merkle_bits *addr, struct merkle_bits *out_prefix, struct lx_hash *out_value,
    bool *out_found)
{
        struct trie_walk walk = merkle_trie_walk(root, addr);
        unsigned count = lx_read_u8(rd);

        for (; count > 0 && rd->err == LX_OK; count--) {
                struct lx_span bytes = lx_read_var16(rd, MERKLE_TRIE_NODE_MAX);
                struct trie_node node;
                struct lx_hash hash;
                enum lx_err err;

                if (rd->err != LX_OK)
                        break;
                lx_hash1(ops, &LX_TAG_TRIE, bytes.p, bytes.len, &hash);
                if (walk.over || !lx_hash_eq(&hash, &walk.next))
                        return LX_ERR_PROOF;
                err = merkle_trie_node_decode(bytes.p, bytes.len, &node);
                if (err != LX_OK)
                        return err;
                merkle_trie_pass(&walk, &node);
        }
        if (rd->err != LX_OK)
                return rd->err;
        if (!walk.over)
                return LX_ERR_PROOF;
        *out_prefix = walk.prefix;
        *out_value = walk.value;
        *out_found = walk.found;
        return LX_OK;
}
