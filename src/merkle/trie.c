/* merkle/trie.c - building, reading and proving prefix tries; see merkle/trie.h. */
#include "config.h"
#include "merkle/trie_int.h"

#include "crypto/tags.h"

struct trie {
        const struct lx_hash_ops *ops;
        const struct merkle_trie_nodes *nodes;
};

static enum lx_err
load_node(const struct merkle_trie_nodes *nodes, const struct lx_hash *hash, struct lx_buf *bytes,
    struct trie_node *out_node)
{
        enum lx_err err;

        lx_buf_reset(bytes);
        err = nodes->get(nodes->arg, hash, bytes);
        if (err == LX_OK && merkle_trie_node_decode(bytes->p, bytes->len, out_node) != LX_OK)
                err = LX_ERR_CORRUPT;
        return err;
}

static enum lx_err
load(const struct trie *trie, const struct lx_hash *hash, struct trie_node *out_node)
{
        struct lx_buf bytes = {0};
        enum lx_err err = load_node(trie->nodes, hash, &bytes, out_node);

        lx_buf_clear(&bytes);
        return err;
}

static void
store(const struct trie *trie, const struct trie_node *node, struct lx_hash *out)
{
        uint8_t bytes[MERKLE_TRIE_NODE_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        merkle_trie_node_encode(node, &wr);
        lx_hash1(trie->ops, &LX_TAG_TRIE, bytes, wr.len, out);
        trie->nodes->put(trie->nodes->arg, out, bytes, wr.len);
}

static void
store_leaf(const struct trie *trie, const struct merkle_bits *skip, const struct lx_hash *value,
    struct lx_hash *out)
{
        struct trie_node leaf = {.skip = *skip, .has_value = true, .value = *value};

        store(trie, &leaf, out);
}

/* A node that lost something: nothing left, one child to join with, or still a node. */
static enum lx_err
store_reduced(const struct trie *trie, struct trie_node *node, struct lx_hash *out)
{
        bool left = !lx_hash_is_zero(&node->child[0]);
        bool right = !lx_hash_is_zero(&node->child[1]);
        struct trie_node child;
        enum lx_err err;

        if (node->has_value || (left && right)) {
                store(trie, node, out);
                return LX_OK;
        }
        if (!left && !right) {
                *out = (struct lx_hash){{0}};
                return LX_OK;
        }
        err = load(trie, &node->child[right], &child);
        if (err != LX_OK)
                return err;
        child.skip = merkle_bits_join(&node->skip, right, &child.skip);
        store(trie, &child, out);
        return LX_OK;
}

/* The node's skip goes another way than @rest after @common bits: a new node above both. */
static void
split_node(const struct trie *trie, struct trie_node *node, const struct merkle_bits *rest,
    unsigned common, const struct lx_hash *value, struct lx_hash *out)
{
        struct trie_node above = {.skip = merkle_bits_head(rest, common)};
        unsigned bit = merkle_bit(&node->skip, common);

        node->skip = merkle_bits_tail(&node->skip, common + 1);
        store(trie, node, &above.child[bit]);
        if (rest->len == common) {
                above.has_value = true;
                above.value = *value;
        } else {
                struct merkle_bits skip = merkle_bits_tail(rest, common + 1);

                store_leaf(trie, &skip, value, &above.child[!bit]);
        }
        store(trie, &above, out);
}

static enum lx_err
set_at(const struct trie *trie, const struct lx_hash *hash, const struct merkle_bits *rest,
    const struct lx_hash *value, struct lx_hash *out)
{
        struct merkle_bits below;
        struct trie_node node;
        unsigned common, bit;
        enum lx_err err;

        *out = *hash;
        if (lx_hash_is_zero(hash)) {
                if (value != NULL)
                        store_leaf(trie, rest, value, out);
                return LX_OK;
        }
        err = load(trie, hash, &node);
        if (err != LX_OK)
                return err;
        common = merkle_bits_common(&node.skip, rest);
        if (common < node.skip.len) {
                if (value != NULL)
                        split_node(trie, &node, rest, common, value, out);
                return LX_OK;
        }
        if (rest->len == common) {
                node.has_value = value != NULL;
                if (value != NULL)
                        node.value = *value;
                return store_reduced(trie, &node, out);
        }
        bit = merkle_bit(rest, common);
        below = merkle_bits_tail(rest, common + 1);
        err = set_at(trie, &node.child[bit], &below, value, &node.child[bit]);
        return err == LX_OK ? store_reduced(trie, &node, out) : err;
}

enum lx_err
merkle_trie_set(const struct lx_hash_ops *ops, const struct merkle_trie_nodes *nodes,
    const struct lx_hash *root, const struct merkle_bits *at, const struct lx_hash *value,
    struct lx_hash *out_root)
{
        struct trie trie = {.ops = ops, .nodes = nodes};
        struct lx_hash from = *root;

        return set_at(&trie, &from, at, value, out_root);
}

/* Walk along @addr; every node's bytes are appended to @proof (may be NULL) with their length. */
static enum lx_err
walk_along(const struct merkle_trie_nodes *nodes, struct trie_walk *walk, struct lx_buf *proof,
    unsigned *out_count)
{
        struct lx_buf bytes = {0};
        enum lx_err err = LX_OK;

        *out_count = 0;
        while (!walk->over && err == LX_OK) {
                struct trie_node node;

                err = load_node(nodes, &walk->next, &bytes, &node);
                if (err != LX_OK)
                        break;
                if (proof != NULL) {
                        uint8_t len[2] = {(uint8_t)(bytes.len >> 8), (uint8_t)bytes.len};

                        lx_buf_append(proof, len, 2);
                        lx_buf_append(proof, bytes.p, bytes.len);
                }
                (*out_count)++;
                merkle_trie_pass(walk, &node);
        }
        lx_buf_clear(&bytes);
        return err;
}

enum lx_err
merkle_trie_match(const struct merkle_trie_nodes *nodes, const struct lx_hash *root,
    const struct merkle_bits *addr, struct merkle_bits *out_prefix, struct lx_hash *out_value,
    bool *out_found)
{
        struct trie_walk walk = merkle_trie_walk(root, addr);
        unsigned count;
        enum lx_err err = walk_along(nodes, &walk, NULL, &count);

        if (err != LX_OK)
                return err;
        *out_prefix = walk.prefix;
        *out_value = walk.value;
        *out_found = walk.found;
        return LX_OK;
}

enum lx_err
merkle_trie_get(const struct merkle_trie_nodes *nodes, const struct lx_hash *root,
    const struct merkle_bits *at, struct lx_hash *out_value, bool *out_found)
{
        struct merkle_bits prefix;
        struct lx_hash value;
        bool found;
        enum lx_err err = merkle_trie_match(nodes, root, at, &prefix, &value, &found);

        if (err != LX_OK)
                return err;
        *out_found = found && prefix.len == at->len;
        if (*out_found)
                *out_value = value;
        return LX_OK;
}

enum lx_err
merkle_trie_prove(const struct merkle_trie_nodes *nodes, const struct lx_hash *root,
    const struct merkle_bits *addr, struct lx_buf *out_proof)
{
        struct trie_walk walk = merkle_trie_walk(root, addr);
        struct lx_buf path = {0};
        unsigned count;
        enum lx_err err = walk_along(nodes, &walk, &path, &count);

        if (err == LX_OK) {
                uint8_t n = (uint8_t)count;

                lx_buf_append(out_proof, &n, 1);
                lx_buf_append(out_proof, path.p, path.len);
        }
        lx_buf_clear(&path);
        return err;
}

enum lx_err
merkle_trie_children(const uint8_t *enc, size_t len, struct lx_hash out_child[2])
{
        struct trie_node node;
        enum lx_err err = merkle_trie_node_decode(enc, len, &node);

        if (err != LX_OK)
                return err;
        out_child[0] = node.child[0];
        out_child[1] = node.child[1];
        return LX_OK;
}
