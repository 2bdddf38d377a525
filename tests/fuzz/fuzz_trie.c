/* tests/fuzz/fuzz_trie.c - nodes and proofs of prefix tries (merkle/trie.h). */
#include "config.h"
#include "fuzz.h"

#include "merkle/trie_int.h"

static void
encode(const void *value, struct lx_writer *wr)
{
        merkle_trie_node_encode(value, wr);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct merkle_bits addr = {{10, 1, 200, 1}, 32};
        struct lx_reader rd = lx_reader_init(data, size);
        struct lx_hash root = {{1}}, value;
        struct merkle_bits prefix;
        struct trie_node node;
        bool found;

        if (merkle_trie_node_decode(data, size, &node) == LX_OK)
                fuzz_same(data, size, encode, &node);
        if (merkle_trie_verify(fuzz_ops(), &rd, &root, &addr, &prefix, &value, &found) == LX_OK)
                abort();
        /* Against the root that its first node has, a proof may hold; it must not hurt. */
        rd = lx_reader_init(data, size);
        (void)lx_read_u8(&rd);
        {
                struct lx_span first = lx_read_var16(&rd, MERKLE_TRIE_NODE_MAX);

                lx_hash1(fuzz_ops(), &(struct lx_tag){"lx.trie"}, first.p, first.len, &root);
        }
        rd = lx_reader_init(data, size);
        (void)!merkle_trie_verify(fuzz_ops(), &rd, &root, &addr, &prefix, &value, &found);
        return 0;
}
