/* ledger/import_pieces.c - pieces: each verified alone, with what it makes wanted. */
#include "config.h"
#include "ledger/import_int.h"

#include "crypto/tags.h"
#include "merkle/trie.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"

#include <string.h>

/* ---- what a state makes wanted ------------------------------------------------------------------ */

static void
want_blob(struct ledger_import *import, struct lld_batch *batch, unsigned kind,
    const struct sigchain_object *object, const char *field)
{
        struct ledger_want want = {.section = LEDGER_SECTION_BLOB, .key = {{(uint8_t)kind}}};
        uint64_t len;

        if (!sigchain_object_get_hash(object, field, &want.tree) || lx_hash_is_zero(&want.tree) ||
            (import->ledger->blobs != NULL &&
                blob_has(import->ledger->blobs, kind, &want.tree, &len)))
                return;
        import_put_want(batch, &want);
}

static void
want_of_object(struct ledger_import *import, struct lld_batch *batch,
    const struct sigchain_register *reg)
{
        struct sigchain_object *object = lx_alloc(sizeof(*object));

        if (sigchain_object_decode(reg->data, object) == LX_OK && reg->type == SIGCHAIN_FILE) {
                want_blob(import, batch, LEDGER_BLOB_LEAVES, object, "root");
        } else {
                want_blob(import, batch, LEDGER_BLOB_MANIFEST, object, "manifest");
                want_blob(import, batch, LEDGER_BLOB_LEAVES, object, "leaves");
        }
        lx_free(object);
}

static void
want_of_register(struct ledger_import *import, struct lld_batch *batch, struct lx_span address,
    struct lx_span value)
{
        struct sigchain_register reg;
        struct sigchain_append append;
        struct ledger_want want = {0};
        struct merkle_root root;

        memcpy(want.tree.b, address.p, LX_HASH_LEN);
        if (sigchain_register_decode(value.p, value.len, &reg) != LX_OK)
                return;
        if (reg.type == SIGCHAIN_INDEX && import_read_index(value, &root) == LX_OK) {
                uint8_t key[1 + LX_HASH_LEN] = {'i'};

                memcpy(key + 1, address.p, LX_HASH_LEN);
                want.section = LEDGER_SECTION_INDEX;
                if (lx_hash_is_zero(&root.hash))
                        return;
                import_put_want(batch, &want);
                import_put(batch, LEDGER_IMPORT, LX_SPAN(key, sizeof(key)), LX_SPAN(NULL, 0));
        } else if (reg.type == SIGCHAIN_APPEND &&
            sigchain_append_decode(reg.data, &append) == LX_OK && append.count > 0) {
                want.section = LEDGER_SECTION_ENTRIES;
                import_put_want(batch, &want);
        } else if (reg.type == SIGCHAIN_RELEASE || reg.type == SIGCHAIN_APPROVAL ||
            reg.type == SIGCHAIN_FILE) {
                want_of_object(import, batch, &reg);
        }
}

/* ---- pieces ------------------------------------------------------------------------------------ */

/* The end of a piece with leaves: the want moves on, or is done with. */
static void
move_want(struct lld_batch *batch, const struct ledger_want *want, const struct merkle_range *range)
{
        struct ledger_want next = *want;

        next.key = range->next;
        if (range->to_end || (want->section == LEDGER_SECTION_STATE && next.key.b[0] != want->key.b[0]))
                import_remove_want(batch, want);
        else
                import_put_want(batch, &next);
}

/* The head of a piece with leaves: its range, which begins where it was wanted, and a count. */
static enum lx_err
read_range(struct lx_reader *rd, const struct ledger_want *want, size_t leaf_min,
    struct merkle_range *out, uint32_t *out_count)
{
        uint8_t to_end = lx_read_u8(rd);
        struct lx_hash lane_end = {{(uint8_t)(want->key.b[0] + 1)}};

        out->from = want->key;
        out->next = lx_read_hash(rd);
        out->to_end = to_end != 0;
        *out_count = lx_read_u32(rd);
        if (rd->err == LX_OK && (to_end > 1 || *out_count > rd->left / leaf_min))
                lx_reader_fail(rd, LX_ERR_RANGE);
        if (rd->err == LX_OK && !out->to_end && lx_hash_cmp(&out->next, &out->from) <= 0)
                lx_reader_fail(rd, LX_ERR_PROOF);
        /* A lane's piece ends with the lane at the latest. */
        if (rd->err == LX_OK && want->section == LEDGER_SECTION_STATE && want->key.b[0] != 0xff &&
            (out->to_end || lx_hash_cmp(&out->next, &lane_end) > 0))
                lx_reader_fail(rd, LX_ERR_PROOF);
        return rd->err;
}

static void
put_state(struct ledger_import *import, struct lld_batch *batch, const struct lx_hash *key,
    unsigned kind, struct lx_span canonical, struct lx_span value)
{
        struct ledger_want want = {.section = LEDGER_SECTION_TRIE};
        uint8_t at[LX_HASH_LEN + 8], byte = (uint8_t)kind;
        struct lx_buf record = {0};

        memcpy(at, key->b, LX_HASH_LEN);
        lx_put_be64(at + LX_HASH_LEN, import->meta.height);
        lx_buf_append(&record, &byte, 1);
        lx_buf_append(&record, value.p, value.len);
        import_put(batch, LEDGER_STATE_AT, LX_SPAN(at, sizeof(at)), lx_buf_span(&record));
        lx_buf_clear(&record);
        if (canonical.len > 0)
                import_put(batch, LEDGER_KEY, LX_SPAN(key->b, LX_HASH_LEN), canonical);
        if (kind == SIGCHAIN_KIND_REGISTER)
                want_of_register(import, batch, canonical, value);
        if (kind == SIGCHAIN_KIND_TRIE && value.len == LX_HASH_LEN) {
                memcpy(want.tree.b, value.p, LX_HASH_LEN);
                if (!lx_hash_is_zero(&want.tree))
                        import_put_want(batch, &want);
        }
        import->stats.states++;
}

/* One leaf; what can be wrong with it beside the proof is the kind and the canonical key. */
static enum lx_err
read_state(struct ledger_import *import, struct lx_reader *rd, struct lld_batch *batch,
    struct merkle_leaf *out)
{
        const struct lx_hash_ops *ops = ledger_ops(import->ledger);
        struct lx_hash got;
        unsigned kind;
        struct lx_span canonical, value;

        out->key = lx_read_hash(rd);
        kind = lx_read_u8(rd);
        canonical = lx_read_str8(rd, SIGCHAIN_KEY_MAX);
        value = lx_read_var16(rd, SIGCHAIN_VALUE_MAX);
        if (rd->err != LX_OK)
                return rd->err;
        if (kind == 0 || value.len == 0 ||
            (canonical.len > 0) != (kind == SIGCHAIN_KIND_REGISTER || kind == SIGCHAIN_KIND_DEBIT))
                return LX_ERR_FORMAT;
        if (kind == SIGCHAIN_KIND_REGISTER && canonical.len != LX_HASH_LEN)
                return LX_ERR_FORMAT;
        if (canonical.len > 0) {
                sigchain_state_key(
                    ops, (enum sigchain_kind)kind, canonical.p, canonical.len, &got);
                if (!lx_hash_eq(&got, &out->key))
                        return LX_ERR_PROOF;
        }
        sigchain_state_value(ops, value.p, value.len, &out->value);
        put_state(import, batch, &out->key, kind, canonical, value);
        return LX_OK;
}

static enum lx_err
read_digest(struct ledger_import *import, struct lx_reader *rd, const struct ledger_want *want,
    struct lld_batch *batch, struct merkle_leaf *out)
{
        uint8_t key[1 + 2 * LX_HASH_LEN] = {'d'};
        struct lx_span record;
        struct lx_reader one;
        struct lx_hash release;
        unsigned known;

        out->key = lx_read_hash(rd);
        known = lx_read_u8(rd);
        if (known > 1)
                return LX_ERR_FORMAT;
        if (known == 0) {
                out->value = lx_read_hash(rd);
                record = LX_SPAN(out->value.b, LX_HASH_LEN);
        } else {
                record = lx_read_span(rd, LX_HASH_LEN + 4);
                one = lx_reader_init(record.p, record.len);
                release = lx_read_hash(&one);
                sigchain_index_value(
                    ledger_ops(import->ledger), &release, lx_read_u32(&one), &out->value);
        }
        if (rd->err != LX_OK)
                return rd->err;
        memcpy(key + 1, want->tree.b, LX_HASH_LEN);
        memcpy(key + 1 + LX_HASH_LEN, out->key.b, LX_HASH_LEN);
        import_put(batch, LEDGER_IMPORT, LX_SPAN(key, sizeof(key)), record);
        return LX_OK;
}

/* The root that the leaves are proven against. */
static enum lx_err
find_root(struct ledger_import *import, const struct ledger_want *want, struct lx_hash *out)
{
        struct merkle_root root;
        struct lx_buf buf = {0};
        enum lx_err err;

        if (want->section == LEDGER_SECTION_STATE) {
                *out = import->state_root;
                return import->meta.last_header == import->meta.height ? LX_OK : LX_ERR_ABSENT;
        }
        err = import_get_state(import->ledger, import->meta.height, SIGCHAIN_KIND_REGISTER,
            want->tree.b, LX_HASH_LEN, &buf);
        if (err == LX_OK)
                err = import_read_index(lx_buf_span(&buf), &root);
        if (err == LX_OK)
                *out = root.hash;
        lx_buf_clear(&buf);
        return err;
}

static enum lx_err
put_leaves(struct ledger_import *import, const struct ledger_want *want, struct lx_reader *rd,
    struct lld_batch *batch)
{
        bool state = want->section == LEDGER_SECTION_STATE;
        struct merkle_range range;
        struct merkle_leaf *leaves;
        struct lx_hash root;
        uint32_t count = 0;
        enum lx_err err = find_root(import, want, &root);

        if (err == LX_OK)
                err = read_range(rd, want, state ? LX_HASH_LEN + 4 : 2 * LX_HASH_LEN + 1, &range, &count);
        if (err != LX_OK)
                return err;
        leaves = lx_alloc_array(count > 0 ? count : 1, sizeof(*leaves));
        for (uint32_t i = 0; i < count && err == LX_OK; i++)
                err = state ? read_state(import, rd, batch, &leaves[i])
                            : read_digest(import, rd, want, batch, &leaves[i]);
        if (err == LX_OK)
                err = merkle_range_verify(
                    ledger_ops(import->ledger), rd, &root, &range, leaves, count);
        if (err == LX_OK)
                err = lx_reader_end(rd);
        if (err == LX_OK)
                move_want(batch, want, &range);
        lx_free(leaves);
        return err;
}

struct log_nodes {
        struct lld_batch *batch;
        const struct lx_hash *address;
};

static void
put_log_node(void *arg, unsigned level, uint64_t index, const struct lx_hash *node)
{
        struct log_nodes *nodes = arg;
        uint8_t key[41];

        import_put(nodes->batch, LEDGER_LOG_NODE,
            LX_SPAN(key, ledger_node_key(nodes->address, level, index, key)),
            LX_SPAN(node->b, LX_HASH_LEN));
}

static enum lx_err
find_append(struct ledger_import *import, const struct lx_hash *address, struct sigchain_append *out)
{
        struct sigchain_register reg;
        struct lx_buf buf = {0};
        enum lx_err err = import_get_state(import->ledger, import->meta.height,
            SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, &buf);

        if (err == LX_OK)
                err = sigchain_register_decode(buf.p, buf.len, &reg);
        if (err == LX_OK)
                err = sigchain_append_decode(reg.data, out);
        lx_buf_clear(&buf);
        return err;
}

/* Entries from the wanted offset on, then the consistency proof from what is here then to the whole. */
static enum lx_err
put_entries(struct ledger_import *import, const struct ledger_want *want, struct lx_reader *rd,
    struct lld_batch *batch)
{
        const struct lx_hash_ops *ops = ledger_ops(import->ledger);
        struct log_nodes nodes = {.batch = batch, .address = &want->tree};
        struct sigchain_append append = {0};
        struct merkle_frontier frontier;
        struct ledger_want next = *want;
        struct lx_hash root, path[MERKLE_LOG_PROOF_MAX];
        uint32_t count = lx_read_u16(rd);
        size_t steps;
        enum lx_err err = find_append(import, &want->tree, &append);

        if (err == LX_OK)
                err = ledger_read_frontier(import->ledger, &want->tree, want->offset, &frontier);
        if (err == LX_OK && (count == 0 || count > append.count - want->offset))
                err = LX_ERR_RANGE;
        for (uint32_t i = 0; i < count && err == LX_OK; i++) {
                struct lx_span entry = lx_read_var16(rd, UINT16_MAX);
                uint8_t key[LX_HASH_LEN + 8];
                struct lx_hash leaf;

                memcpy(key, want->tree.b, LX_HASH_LEN);
                lx_put_be64(key + LX_HASH_LEN, want->offset + i);
                import_put(batch, LEDGER_ENTRY, LX_SPAN(key, sizeof(key)), entry);
                merkle_log_leaf(ops, entry.p, entry.len, &leaf);
                merkle_frontier_append(ops, &frontier, &leaf, put_log_node, &nodes);
                err = rd->err;
        }
        steps = lx_read_u8(rd);
        if (err == LX_OK && steps > MERKLE_LOG_PROOF_MAX)
                err = LX_ERR_RANGE;
        for (size_t i = 0; i < steps && err == LX_OK; i++) {
                path[i] = lx_read_hash(rd);
                err = rd->err;
        }
        if (err == LX_OK)
                err = lx_reader_end(rd);
        if (err != LX_OK)
                return err;
        merkle_frontier_root(ops, &frontier, &root);
        next.offset += count;
        if (next.offset == append.count)
                import_remove_want(batch, want);
        else
                import_put_want(batch, &next);
        return merkle_log_verify_consistency(
            ops, next.offset, &root, append.count, &append.root, path, steps);
}

/* A walk from the wanted node: each next one is the one whose hash the walk expects. */
static enum lx_err
put_nodes(struct ledger_import *import, const struct ledger_want *want, struct lx_reader *rd,
    struct lld_batch *batch)
{
        struct lx_buf stack = {0};
        uint32_t count = lx_read_u16(rd);
        enum lx_err err = count > 0 ? rd->err : LX_ERR_RANGE;

        import_remove_want(batch, want);
        lx_buf_append(&stack, want->tree.b, LX_HASH_LEN);
        for (uint32_t i = 0; i < count && err == LX_OK; i++) {
                struct lx_span node = lx_read_str8(rd, MERKLE_TRIE_NODE_MAX);
                struct lx_hash expected, got, child[2];

                if (stack.len == 0)
                        err = LX_ERR_PROOF;
                if (err == LX_OK)
                        err = rd->err;
                if (err != LX_OK)
                        break;
                stack.len -= LX_HASH_LEN;
                memcpy(expected.b, stack.p + stack.len, LX_HASH_LEN);
                lx_hash1(ledger_ops(import->ledger), &LX_TAG_TRIE, node.p, node.len, &got);
                err = lx_hash_eq(&got, &expected) ? merkle_trie_children(node.p, node.len, child)
                                                  : LX_ERR_PROOF;
                import_put(batch, LEDGER_TRIE_NODE, LX_SPAN(got.b, LX_HASH_LEN), node);
                for (int c = 1; c >= 0 && err == LX_OK; c--)
                        if (!lx_hash_is_zero(&child[c]))
                                lx_buf_append(&stack, child[c].b, LX_HASH_LEN);
        }
        if (err == LX_OK)
                err = lx_reader_end(rd);
        for (; stack.len > 0 && err == LX_OK; stack.len -= LX_HASH_LEN) {
                struct ledger_want more = {.section = LEDGER_SECTION_TRIE};

                memcpy(more.tree.b, stack.p + stack.len - LX_HASH_LEN, LX_HASH_LEN);
                import_put_want(batch, &more);
        }
        lx_buf_clear(&stack);
        return err;
}

enum lx_err
import_put_piece(struct ledger_import *import, const struct ledger_want *want,
    struct lx_reader *rd, struct lld_batch *batch)
{
        switch (want->section) {
        case LEDGER_SECTION_STATE:
        case LEDGER_SECTION_INDEX:
                return put_leaves(import, want, rd, batch);
        case LEDGER_SECTION_ENTRIES:
                return put_entries(import, want, rd, batch);
        case LEDGER_SECTION_TRIE:
                return put_nodes(import, want, rd, batch);
        case LEDGER_SECTION_BLOB:
                import_remove_want(batch, want);
                return LX_OK;
        }
        return LX_ERR_RANGE;
}
