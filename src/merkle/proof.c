/* merkle/proof.c - see merkle/proof.h. Freestanding. */
#include "config.h"
#include "merkle/proof.h"

#include "crypto/tags.h"

static bool
bit_at(const uint8_t *bits, unsigned i)
{
        return (bits[i / 8] >> (7 - i % 8) & 1) != 0;
}

void
merkle_proof_encode(const struct merkle_proof *proof, struct lx_writer *wr)
{
        uint8_t bitmap[(MERKLE_PROOF_DEPTH_MAX + 7) / 8] = {0};

        lx_write_u8(wr, (uint8_t)proof->end);
        lx_write_u8(wr, (uint8_t)proof->depth);
        for (unsigned d = 0; d < proof->depth; d++)
                if (!lx_hash_is_zero(&proof->sibling[d]))
                        bitmap[d / 8] |= (uint8_t)(0x80u >> d % 8);
        lx_write_bytes(wr, bitmap, (proof->depth + 7) / 8);
        for (unsigned d = 0; d < proof->depth; d++)
                if (bit_at(bitmap, d))
                        lx_write_hash(wr, &proof->sibling[d]);
        if (proof->end == MERKLE_END_OTHER) {
                lx_write_hash(wr, &proof->other_key);
                lx_write_hash(wr, &proof->other_value);
        }
}

/* The parts of an encoded proof, as spans into it. */
struct parts {
        enum merkle_proof_end end;
        unsigned depth;
        const uint8_t *bitmap;
        const uint8_t *siblings; /* 32 bytes each */
        unsigned sibling_count;
        struct lx_hash other_key, other_value;
};

static enum lx_err
read_parts(struct lx_reader *rd, struct parts *parts)
{
        uint8_t end = lx_read_u8(rd);
        struct lx_span bitmap;

        parts->depth = lx_read_u8(rd);
        bitmap = lx_read_span(rd, (parts->depth + 7) / 8);
        if (end > MERKLE_END_OTHER)
                lx_reader_fail(rd, LX_ERR_FORMAT);
        if (rd->err != LX_OK)
                return rd->err;
        parts->end = (enum merkle_proof_end)end;
        parts->bitmap = bitmap.p;
        parts->sibling_count = 0;
        for (unsigned i = 0; i < 8 * bitmap.len; i++) {
                bool set = bit_at(bitmap.p, i);

                if (set && i >= parts->depth)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                parts->sibling_count += set;
        }
        parts->siblings = lx_read_span(rd, (size_t)parts->sibling_count * LX_HASH_LEN).p;
        if (parts->end == MERKLE_END_OTHER) {
                parts->other_key = lx_read_hash(rd);
                parts->other_value = lx_read_hash(rd);
        }
        return rd->err;
}

/* The sibling at depth @d, walking down from *@at; counting backwards from the end. */
static struct lx_hash
take_sibling(const struct parts *parts, unsigned d, unsigned *left)
{
        struct lx_hash sibling = {{0}};

        if (bit_at(parts->bitmap, d)) {
                (*left)--;
                for (unsigned i = 0; i < LX_HASH_LEN; i++)
                        sibling.b[i] = parts->siblings[*left * LX_HASH_LEN + i];
        }
        return sibling;
}

enum lx_err
merkle_proof_decode(struct lx_reader *rd, struct merkle_proof *out_proof)
{
        struct parts parts;
        enum lx_err err = read_parts(rd, &parts);
        unsigned left;

        if (err != LX_OK)
                return err;
        left = parts.sibling_count;
        for (unsigned d = parts.depth; d-- > 0;) {
                out_proof->sibling[d] = take_sibling(&parts, d, &left);
                if (bit_at(parts.bitmap, d) && lx_hash_is_zero(&out_proof->sibling[d])) {
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                        return LX_ERR_FORMAT;
                }
        }
        out_proof->end = parts.end;
        out_proof->depth = parts.depth;
        if (parts.end == MERKLE_END_OTHER) {
                out_proof->other_key = parts.other_key;
                out_proof->other_value = parts.other_value;
        }
        return LX_OK;
}

void
merkle_state_leaf(const struct lx_hash_ops *ops, const struct lx_hash *key,
    const struct lx_hash *value, struct lx_hash *out)
{
        lx_hash_pair(ops, &LX_TAG_STATE_LEAF, key, value, out);
}

/* Whether @other differs from @key, but not before depth @depth: it stands where @key would. */
static bool
stands_in_the_way(const struct lx_hash *key, const struct lx_hash *other, unsigned depth)
{
        for (unsigned d = 0; d < depth; d++)
                if (lx_hash_bit(key, d) != lx_hash_bit(other, d))
                        return false;
        return !lx_hash_eq(key, other);
}

/* The hash at the end of the walk; false: the end does not say what is to be proven. */
static bool
end_hash(const struct lx_hash_ops *ops, const struct parts *parts, const struct lx_hash *key,
    const struct lx_hash *value, struct lx_hash *out)
{
        switch (parts->end) {
        case MERKLE_END_EMPTY:
                *out = (struct lx_hash){{0}};
                return value == NULL;
        case MERKLE_END_LEAF:
                if (value == NULL)
                        return false;
                merkle_state_leaf(ops, key, value, out);
                return true;
        case MERKLE_END_OTHER:
                merkle_state_leaf(ops, &parts->other_key, &parts->other_value, out);
                return value == NULL && stands_in_the_way(key, &parts->other_key, parts->depth);
        }
        return false;
}

enum lx_err
merkle_proof_verify(const struct lx_hash_ops *ops, struct lx_reader *rd, const struct lx_hash *key,
    const struct lx_hash *value, const struct lx_hash *root)
{
        struct parts parts;
        enum lx_err err = read_parts(rd, &parts);
        struct lx_hash hash;
        unsigned left;

        if (err != LX_OK)
                return err;
        if (!end_hash(ops, &parts, key, value, &hash))
                return LX_ERR_PROOF;
        left = parts.sibling_count;
        for (unsigned d = parts.depth; d-- > 0;) {
                struct lx_hash sibling = take_sibling(&parts, d, &left);
                struct lx_hash up;

                if (bit_at(parts.bitmap, d) && lx_hash_is_zero(&sibling))
                        return LX_ERR_FORMAT;
                if (lx_hash_bit(key, d) != 0)
                        lx_hash_pair(ops, &LX_TAG_STATE_NODE, &sibling, &hash, &up);
                else
                        lx_hash_pair(ops, &LX_TAG_STATE_NODE, &hash, &sibling, &up);
                hash = up;
        }
        return lx_hash_eq(&hash, root) ? LX_OK : LX_ERR_PROOF;
}
