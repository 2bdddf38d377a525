/* ledger/view.c - reading the ledger at a point in time: blocks, states, proofs. */
#include "config.h"
#include "ledger/ledger_int.h"

#include "sigchain/object.h"

#include <string.h>

const struct ledger_header *
ledger_view_header(const struct ledger_view *view)
{
        return &view->tip.header;
}

const struct lx_hash *
ledger_view_header_hash(const struct ledger_view *view)
{
        return &view->tip.hash;
}

struct lx_span
ledger_view_cert(const struct ledger_view *view)
{
        return lx_buf_span(&view->tip.cert);
}

struct lx_span
ledger_view_valset(const struct ledger_view *view)
{
        return lx_buf_span(&view->tip.set);
}

const struct sigchain_params *
ledger_view_params(const struct ledger_view *view)
{
        return &view->tip.params;
}

uint64_t
ledger_view_pruned_below(const struct ledger_view *view)
{
        return view->tip.pruned_below;
}

void
ledger_view_history(const struct ledger_view *view, struct merkle_frontier *out)
{
        *out = view->tip.history;
}

void
ledger_get_stats(struct ledger_view *view, struct ledger_stats *out_stats)
{
        const struct totals *t = &view->tip.totals;

        *out_stats = (struct ledger_stats){.transactions = t->transactions,
            .registers = t->registers,
            .chains = t->chains,
            .digests = t->digests};
}

static enum lx_err
get(struct ledger_view *view, unsigned kind, const void *key, size_t len, struct lx_buf *out)
{
        return lld_get(view->ledger->db, view->snap, kind, key, len, out);
}

/* ---- blocks ------------------------------------------------------------------------------------ */

enum lx_err
ledger_get_header(struct ledger_view *view, uint64_t height, struct ledger_header *out_header)
{
        return ledger_read_header(view->ledger, view->snap, height, out_header);
}

enum lx_err
ledger_find_header(struct ledger_view *view, const struct lx_hash *hash, uint64_t *out_height)
{
        struct lx_buf buf = {0};
        enum lx_err err = get(view, LEDGER_HEADER_HASH, hash->b, LX_HASH_LEN, &buf);

        if (err == LX_OK && buf.len != 8)
                err = LX_ERR_CORRUPT;
        if (err == LX_OK)
                *out_height = lx_get_be64(buf.p);
        lx_buf_clear(&buf);
        return err;
}

enum lx_err
ledger_get_cert(struct ledger_view *view, uint64_t height, struct lx_buf *out)
{
        uint8_t key[8];

        lx_put_be64(key, height);
        return get(view, LEDGER_CERT, key, sizeof(key), out);
}

enum lx_err
ledger_get_valset(struct ledger_view *view, const struct lx_hash *hash, struct lx_buf *out)
{
        return get(view, LEDGER_VALSET, hash->b, LX_HASH_LEN, out);
}

/* The block record: the version of the state tree's root page, then the ids. */
static enum lx_err
get_block(struct ledger_view *view, uint64_t height, struct lx_buf *out)
{
        uint8_t key[8];
        enum lx_err err;

        if (height > view->tip.header.height)
                return LX_ERR_ABSENT;
        lx_put_be64(key, height);
        err = get(view, LEDGER_BLOCK, key, sizeof(key), out);
        if (err == LX_OK && (out->len < 8 || out->len % LX_HASH_LEN != 8))
                err = LX_ERR_CORRUPT;
        return err;
}

enum lx_err
ledger_get_tx_ids(struct ledger_view *view, uint64_t height, struct lx_buf *out)
{
        struct lx_buf block = {0};
        enum lx_err err = get_block(view, height, &block);

        if (err == LX_OK)
                lx_buf_append(out, block.p + 8, block.len - 8);
        lx_buf_clear(&block);
        return err;
}

enum lx_err
ledger_get_tx(struct ledger_view *view, const struct lx_hash *id, struct lx_buf *out,
    uint64_t *out_height, uint32_t *out_index)
{
        struct lx_buf at = {0};
        struct lx_reader rd;
        uint64_t height;
        uint32_t index;
        enum lx_err err = get(view, LEDGER_TX_AT, id->b, LX_HASH_LEN, &at);

        rd = lx_reader_init(at.p, at.len);
        height = lx_read_u64(&rd);
        index = lx_read_u32(&rd);
        if (err == LX_OK && lx_reader_end(&rd) != LX_OK)
                err = LX_ERR_CORRUPT;
        lx_buf_clear(&at);
        if (err != LX_OK)
                return err;
        err = get(view, LEDGER_TX, id->b, LX_HASH_LEN, out);
        if (err == LX_ERR_ABSENT)
                err = height < view->tip.pruned_below ? LX_ERR_PRUNED : LX_ERR_CORRUPT;
        if (err == LX_OK) {
                *out_height = height;
                *out_index = index;
        }
        return err;
}

bool
ledger_has_tx(struct ledger_view *view, const struct lx_hash *id)
{
        return lld_has(view->ledger->db, view->snap, LEDGER_TX_AT, id->b, LX_HASH_LEN) == LX_OK;
}

enum lx_err
ledger_prove_tx(struct ledger_view *view, uint64_t height, uint32_t index, struct merkle_path *out_path)
{
        struct lx_buf ids = {0};
        struct lx_hash *leaves;
        enum lx_err err = ledger_get_tx_ids(view, height, &ids);
        size_t count = ids.len / LX_HASH_LEN;

        if (err == LX_OK && index >= count)
                err = LX_ERR_RANGE;
        if (err != LX_OK) {
                lx_buf_clear(&ids);
                return err;
        }
        leaves = lx_alloc_array(count, sizeof(*leaves));
        for (size_t i = 0; i < count; i++)
                merkle_log_leaf(
                    ledger_ops(view->ledger), ids.p + i * LX_HASH_LEN, LX_HASH_LEN, &leaves[i]);
        merkle_log_prove(ledger_ops(view->ledger), leaves, count, index, out_path);
        lx_free(leaves);
        lx_buf_clear(&ids);
        return LX_OK;
}

/* The history root of header H is over the headers below it: size H. */
enum lx_err
ledger_prove_header(struct ledger_view *view, uint64_t height, struct merkle_path *out_path)
{
        return ledger_prove_header_in(view, height, view->tip.header.height, out_path);
}

enum lx_err
ledger_prove_header_in(
    struct ledger_view *view, uint64_t height, uint64_t size, struct merkle_path *out_path)
{
        struct ledger_log history = {.view = view};
        struct merkle_log_store store = {.get = ledger_log_get, .arg = &history};

        if (height >= size || size > view->tip.header.height)
                return LX_ERR_RANGE;
        return merkle_log_prove_stored(ledger_ops(view->ledger), &store, size, height, out_path);
}

enum lx_err
ledger_prove_history(
    struct ledger_view *view, uint64_t from, uint64_t to, struct merkle_path *out_path)
{
        struct ledger_log history = {.view = view};
        struct merkle_log_store store = {.get = ledger_log_get, .arg = &history};

        if (from > to || to > view->tip.header.height)
                return LX_ERR_RANGE;
        return merkle_log_prove_consistency(ledger_ops(view->ledger), &store, from, to, out_path);
}

/* ---- states ------------------------------------------------------------------------------------ */

/* The newest record at or below @height; removed ones are absent. */
static enum lx_err
get_state_at(struct ledger_view *view, const struct lx_hash *state_key, uint64_t height,
    struct lx_buf *out, uint64_t *out_since)
{
        struct lld_iter *iter = lld_iter_open(
            view->ledger->db, view->snap, LEDGER_STATE_AT, state_key->b, LX_HASH_LEN);
        uint8_t key[LX_HASH_LEN + 8];
        struct lx_span at, value;
        enum lx_err err = LX_ERR_ABSENT, closed;

        memcpy(key, state_key->b, LX_HASH_LEN);
        lx_put_be64(key + LX_HASH_LEN, height);
        lld_iter_seek_before(iter, key, sizeof(key));
        if (lld_iter_at(iter, &at, &value)) {
                err = value.len == 0 || at.len != sizeof(key) ? LX_ERR_CORRUPT
                    : value.len == 1                          ? LX_ERR_ABSENT
                                                              : LX_OK;
                if (err == LX_OK && out_since != NULL)
                        *out_since = lx_get_be64(at.p + LX_HASH_LEN);
                if (err == LX_OK)
                        lx_buf_append(out, value.p + 1, value.len - 1);
        }
        closed = lld_iter_close(iter);
        return closed != LX_OK ? closed : err;
}

enum lx_err
ledger_get_state(struct ledger_view *view, enum sigchain_kind kind, const void *key, size_t key_len,
    uint64_t height, struct lx_buf *out, uint64_t *out_since)
{
        struct lx_hash state_key;

        sigchain_state_key(ledger_ops(view->ledger), kind, key, key_len, &state_key);
        if (height == LEDGER_NOW || height == view->tip.header.height)
                return ledger_read_state(view->ledger, view->snap, &state_key, out, out_since, NULL);
        if (height > view->tip.header.height)
                return LX_ERR_RANGE;
        if (height < view->tip.pruned_below)
                return LX_ERR_PRUNED;
        return get_state_at(view, &state_key, height, out, out_since);
}

enum lx_err
ledger_get_history(struct ledger_view *view, enum sigchain_kind kind, const void *key, size_t key_len,
    uint64_t below, uint64_t *out_heights, size_t max, size_t *out_count)
{
        struct lx_hash state_key;
        struct lld_iter *iter;
        uint8_t at[LX_HASH_LEN + 8];
        struct lx_span found, value;
        size_t count = 0;
        enum lx_err err;

        sigchain_state_key(ledger_ops(view->ledger), kind, key, key_len, &state_key);
        *out_count = 0;
        if (below == 0)
                return LX_OK;
        memcpy(at, state_key.b, LX_HASH_LEN);
        lx_put_be64(at + LX_HASH_LEN, below - 1);
        iter = lld_iter_open(
            view->ledger->db, view->snap, LEDGER_STATE_AT, state_key.b, LX_HASH_LEN);
        for (lld_iter_seek_before(iter, at, sizeof(at));
             count < max && lld_iter_at(iter, &found, &value); lld_iter_prev(iter))
                out_heights[count++] = lx_get_be64(found.p + LX_HASH_LEN);
        err = lld_iter_close(iter);
        if (err == LX_OK)
                *out_count = count;
        return err;
}

enum lx_err
ledger_get_root(struct ledger_view *view, uint64_t height, struct merkle_root *out_root)
{
        struct ledger_header header;
        struct lx_buf block = {0};
        enum lx_err err;

        if (height == LEDGER_NOW || height == view->tip.header.height) {
                *out_root = view->tip.root;
                return LX_OK;
        }
        if (height > view->tip.header.height)
                return LX_ERR_RANGE;
        if (height < view->tip.pruned_below)
                return LX_ERR_PRUNED;
        err = ledger_get_header(view, height, &header);
        if (err == LX_OK)
                err = get_block(view, height, &block);
        if (err == LX_OK)
                *out_root = (struct merkle_root){
                    .hash = header.state_root, .version = lx_get_be64(block.p)};
        lx_buf_clear(&block);
        return err;
}

/* A tree of one's own for one proof: the shared one belongs to the executor. */
static enum lx_err
prove_in(struct ledger_view *view, const struct lx_hash *tree_id, const struct merkle_root *root,
    const struct lx_hash *key, struct lx_buf *out)
{
        struct ledger_pages pages = {.db = view->ledger->db, .snap = view->snap};
        struct merkle_pages source = {.get = ledger_get_page, .arg = &pages};
        struct merkle_state *tree = merkle_state_new(ledger_ops(view->ledger), &source, tree_id, 0);
        struct merkle_proof *proof = lx_alloc(sizeof(*proof));
        enum lx_err err = merkle_state_prove(tree, root, key, proof);

        if (err == LX_OK) {
                struct lx_writer wr =
                    lx_writer_init(lx_buf_reserve(out, MERKLE_PROOF_BYTES_MAX), MERKLE_PROOF_BYTES_MAX);

                merkle_proof_encode(proof, &wr);
                err = lx_writer_end(&wr);
                lx_buf_add(out, err == LX_OK ? wr.len : 0);
        }
        lx_free(proof);
        merkle_state_free(tree);
        return err;
}

enum lx_err
ledger_prove_state(struct ledger_view *view, enum sigchain_kind kind, const void *key, size_t key_len,
    uint64_t height, struct lx_buf *out)
{
        static const struct lx_hash state_tree = {{0}};
        struct merkle_root root;
        struct lx_hash state_key;
        enum lx_err err = ledger_get_root(view, height, &root);

        if (err != LX_OK)
                return err;
        sigchain_state_key(ledger_ops(view->ledger), kind, key, key_len, &state_key);
        return prove_in(view, &state_tree, &root, &state_key, out);
}

enum lx_err
ledger_prove_digest(struct ledger_view *view, const struct lx_hash *publisher,
    const struct lx_hash *digest, struct lx_buf *out)
{
        struct sigchain_register reg;
        struct sigchain_object object;
        struct merkle_root root = {0};
        struct lx_buf buf = {0};
        struct lx_hash address;
        enum lx_err err;

        sigchain_address(
            ledger_ops(view->ledger), SIGCHAIN_INDEX, publisher->b, LX_HASH_LEN, &address);
        err = ledger_get_state(view, SIGCHAIN_KIND_REGISTER, address.b, LX_HASH_LEN, LEDGER_NOW,
            &buf, NULL);
        if (err == LX_OK)
                err = sigchain_register_decode(buf.p, buf.len, &reg);
        if (err == LX_OK)
                err = sigchain_object_decode(reg.data, &object);
        if (err == LX_OK) {
                (void)sigchain_object_get_hash(&object, "root", &root.hash);
                (void)sigchain_object_get_u64(&object, "version", &root.version);
                err = prove_in(view, &address, &root, digest, out);
        }
        lx_buf_clear(&buf);
        return err;
}
