/* ledger/candidate.c - executing transactions into a block in memory. */
#include "config.h"
#include "ledger/candidate_int.h"

#include "base/assert.h"
#include "crypto/hash.h"

#include <string.h>

/* Iteration order never reaches the ledger's bytes; the seed only spreads keys. */
#define MAP_SEED 0x6c786e6f64656421ull

/* One effect of the transaction at hand, until it is known to hold. */
struct staged {
        struct staged *next;
        struct sigchain_effect effect;
};

struct stage {
        struct ledger_candidate *c;
        struct staged *first, **end;
};

static struct lx_span
keep_span(struct ledger_candidate *c, struct lx_span s)
{
        return LX_SPAN(lx_arena_memdup(c->arena, s.p, s.len), s.len);
}

struct ledger_candidate *
ledger_candidate_new(struct ledger *ledger, bool first)
{
        struct ledger_candidate *c = lx_alloc(sizeof(*c));

        c->ledger = ledger;
        c->base = first ? NULL : ledger_view_new(ledger);
        c->arena = lx_arena_new(64u << 10);
        c->state = lx_map_new(MAP_SEED);
        c->nodes = lx_map_new(MAP_SEED);
        c->tries = lx_map_new(MAP_SEED);
        c->digests = lx_map_new(MAP_SEED);
        c->chain_ops = lx_map_new(MAP_SEED);
        c->records_end = &c->records;
        c->inserts_end = &c->inserts;
        return c;
}

void
ledger_candidate_free(struct ledger_candidate *c)
{
        if (c == NULL)
                return;
        /* Pages of a block that never came are not to be seen by the next one. */
        merkle_state_settle(c->ledger->tree, c->page_batch, c->committed);
        lx_map_free(c->state);
        lx_map_free(c->nodes);
        lx_map_free(c->tries);
        lx_map_free(c->digests);
        lx_map_free(c->chain_ops);
        lx_arena_free(c->arena);
        ledger_tip_clear(&c->tip);
        ledger_view_unref(c->base);
        lx_free(c);
}

const struct ledger_header *
ledger_candidate_header(const struct ledger_candidate *c)
{
        return &c->tip.header;
}

struct lx_span
ledger_candidate_valset(const struct ledger_candidate *c)
{
        return lx_buf_span(&c->tip.set);
}

void
ledger_candidate_keep(struct ledger_candidate *c, unsigned kind, struct lx_span key, struct lx_span value)
{
        struct record *record = lx_arena_alloc(c->arena, sizeof(*record));

        record->kind = kind;
        record->key = keep_span(c, key);
        record->value = keep_span(c, value);
        *c->records_end = record;
        c->records_end = &record->next;
}

/* ---- what the rules see ------------------------------------------------------------------------ */

/* Keep what the tip has: the rules ask again, and the commit does. */
static void
keep_before(struct ledger_candidate *c, const struct lx_hash *state_key, struct lx_span value)
{
        struct change *change;

        if (c->before_bytes + value.len > LEDGER_BEFORE_MAX)
                return;
        c->before_bytes += value.len + sizeof(*change);
        change = lx_arena_alloc(c->arena, sizeof(*change));
        *change = (struct change){
            .state_key = *state_key, .knows_before = true, .before = keep_span(c, value)};
        lx_map_put(c->state, state_key->b, LX_HASH_LEN, change);
}

enum lx_err
ledger_candidate_get(struct ledger_candidate *c, const struct lx_hash *state_key, struct lx_buf *out)
{
        const struct change *change = lx_map_get(c->state, state_key->b, LX_HASH_LEN);
        size_t at = out->len;
        struct lx_span value;
        enum lx_err err;

        if (change != NULL) {
                value = change->changed ? change->value : change->before;
                if (value.len == 0)
                        return LX_ERR_ABSENT;
                lx_buf_append(out, value.p, value.len);
                return LX_OK;
        }
        if (c->base == NULL)
                return LX_ERR_ABSENT;
        err = ledger_read_state(c->ledger, c->base->snap, state_key, out, NULL, NULL);
        if (err == LX_OK || err == LX_ERR_ABSENT)
                keep_before(c, state_key,
                    out->len > at ? LX_SPAN(out->p + at, out->len - at) : LX_SPAN(NULL, 0));
        return err;
}

static enum lx_err
view_get(void *arg, const struct lx_hash *state_key, struct lx_buf *out)
{
        return ledger_candidate_get(arg, state_key, out);
}

static enum lx_err
view_log_node(
    void *arg, const struct lx_hash *address, unsigned level, uint64_t index, struct lx_hash *out)
{
        struct ledger_candidate *c = arg;
        uint8_t key[41];
        size_t len = ledger_node_key(address, level, index, key);
        const struct lx_hash *node = lx_map_get(c->nodes, key, len);

        if (node != NULL) {
                *out = *node;
                return LX_OK;
        }
        if (c->base == NULL)
                return LX_ERR_ABSENT;
        return ledger_read_node(c->ledger, c->base->snap, address, level, index, out);
}

static enum lx_err
view_trie_node(void *arg, const struct lx_hash *hash, struct lx_buf *out)
{
        struct ledger_candidate *c = arg;
        const struct lx_span *node = lx_map_get(c->tries, hash->b, LX_HASH_LEN);

        if (node != NULL) {
                lx_buf_append(out, node->p, node->len);
                return LX_OK;
        }
        if (c->base == NULL)
                return LX_ERR_ABSENT;
        return lld_get(c->ledger->db, c->base->snap, LEDGER_TRIE_NODE, hash->b, LX_HASH_LEN, out);
}

static enum lx_err
view_manifest(void *arg, const struct lx_hash *root, struct lx_buf *out)
{
        struct ledger_candidate *c = arg;
        uint64_t len;

        if (c->ledger->blobs == NULL ||
            !blob_has(c->ledger->blobs, LEDGER_BLOB_MANIFEST, root, &len)) {
                c->missing = *root;
                return LX_ERR_ABSENT;
        }
        return blob_read(c->ledger->blobs, LEDGER_BLOB_MANIFEST, root, 0, (size_t)len, out);
}

/* ---- effects ----------------------------------------------------------------------------------- */

static void
stage_effect(void *arg, const struct sigchain_effect *effect)
{
        struct stage *stage = arg;
        struct staged *staged = lx_arena_alloc(stage->c->arena, sizeof(*staged));

        staged->effect = *effect;
        staged->effect.key = keep_span(stage->c, effect->key);
        staged->effect.value = keep_span(stage->c, effect->value);
        *stage->end = staged;
        stage->end = &staged->next;
}

static void
merge_state(struct ledger_candidate *c, const struct sigchain_effect *effect)
{
        struct change *change = lx_map_get(c->state, effect->state_key.b, LX_HASH_LEN);

        if (change == NULL) {
                change = lx_arena_alloc(c->arena, sizeof(*change));
                change->state_key = effect->state_key;
                lx_map_put(c->state, change->state_key.b, LX_HASH_LEN, change);
        }
        c->change_count += !change->changed;
        change->changed = true;
        change->kind = effect->kind;
        change->key = effect->key;
        change->value = effect->value;
}

static void
merge_log(struct ledger_candidate *c, const struct sigchain_effect *effect)
{
        uint8_t key[41];
        size_t len;

        if (effect->type == SIGCHAIN_EFFECT_ENTRY) {
                memcpy(key, effect->address.b, LX_HASH_LEN);
                lx_put_be64(key + LX_HASH_LEN, effect->index);
                ledger_candidate_keep(c, LEDGER_ENTRY, LX_SPAN(key, 40), effect->value);
                return;
        }
        len = ledger_node_key(&effect->address, effect->level, effect->index, key);
        lx_map_put(c->nodes, key, len, lx_arena_memdup(c->arena, effect->hash.b, LX_HASH_LEN));
        ledger_candidate_keep(
            c, LEDGER_LOG_NODE, LX_SPAN(key, len), LX_SPAN(effect->hash.b, LX_HASH_LEN));
}

static void
merge_trie(struct ledger_candidate *c, const struct sigchain_effect *effect)
{
        if (lx_map_put(c->tries, effect->hash.b, LX_HASH_LEN,
                lx_arena_memdup(c->arena, &effect->value, sizeof(effect->value))) == NULL)
                ledger_candidate_keep(
                    c, LEDGER_TRIE_NODE, LX_SPAN(effect->hash.b, LX_HASH_LEN), effect->value);
}

static void
merge_index(struct ledger_candidate *c, const struct sigchain_effect *effect, const struct lx_hash *who)
{
        struct insert *insert = lx_arena_alloc(c->arena, sizeof(*insert));

        *insert = (struct insert){.publisher = *who,
            .release = effect->address,
            .manifest = effect->hash,
            .entries = effect->entries};
        *c->inserts_end = insert;
        c->inserts_end = &insert->next;
        c->index_inserts += 3ull * effect->entries;
}

static void
merge(struct ledger_candidate *c, const struct sigchain_effect *effect, const struct lx_hash *who)
{
        switch (effect->type) {
        case SIGCHAIN_EFFECT_STATE:
                merge_state(c, effect);
                break;
        case SIGCHAIN_EFFECT_ENTRY:
        case SIGCHAIN_EFFECT_LOG_NODE:
                merge_log(c, effect);
                break;
        case SIGCHAIN_EFFECT_TRIE_NODE:
                merge_trie(c, effect);
                break;
        case SIGCHAIN_EFFECT_INDEX:
                merge_index(c, effect, who);
                break;
        }
}

static void
merge_now(void *arg, const struct sigchain_effect *effect)
{
        struct ledger_candidate *c = arg;
        static const struct lx_hash nobody = {{0}};
        struct sigchain_effect kept = *effect;

        kept.key = keep_span(c, effect->key);
        kept.value = keep_span(c, effect->value);
        merge(c, &kept, &nobody);
}

struct sigchain_sink
ledger_candidate_sink(struct ledger_candidate *c)
{
        return (struct sigchain_sink){.emit = merge_now, .arg = c};
}

void
ledger_candidate_put(struct ledger_candidate *c, enum sigchain_kind kind, struct lx_span key, struct lx_span value)
{
        struct sigchain_effect effect = {
            .type = SIGCHAIN_EFFECT_STATE, .kind = kind, .key = key, .value = value};

        sigchain_state_key(ledger_ops(c->ledger), kind, key.p, key.len, &effect.state_key);
        merge_now(c, &effect);
}

/* ---- one transaction --------------------------------------------------------------------------- */

/* The limits of a block; whatever is above waits for the next one. */
static enum lx_err
check_room(struct ledger_candidate *c, const struct sigchain_tx *tx, size_t len, struct lx_why *why)
{
        const uint64_t *limit = c->base->tip.params.value;
        uintptr_t chain = (uintptr_t)lx_map_get(c->chain_ops, tx->genesis.b, LX_HASH_LEN);

        if (c->bytes + len > limit[SIGCHAIN_BLOCK_BYTES] ||
            c->ops + tx->op_count > limit[SIGCHAIN_BLOCK_OPS] ||
            chain + tx->op_count > limit[SIGCHAIN_CHAIN_OPS]) {
                lx_why_set(why, "the block is full");
                return LX_ERR_LIMIT;
        }
        return LX_OK;
}

static enum lx_err
check_index_room(struct ledger_candidate *c, const struct stage *stage, struct lx_why *why)
{
        uint64_t inserts = c->index_inserts;

        for (const struct staged *s = stage->first; s != NULL; s = s->next)
                if (s->effect.type == SIGCHAIN_EFFECT_INDEX)
                        inserts += 3ull * s->effect.entries;
        if (inserts <= c->base->tip.params.value[SIGCHAIN_INDEX_INSERTS])
                return LX_OK;
        lx_why_set(why, "the block's index insertions are used up"); /* by others: the rules saw to it */
        return LX_ERR_LIMIT;
}

static void
include(struct ledger_candidate *c, const struct sigchain_tx *tx, struct lx_span bytes)
{
        uintptr_t chain = (uintptr_t)lx_map_get(c->chain_ops, tx->genesis.b, LX_HASH_LEN);

        if ((c->tx_count & (c->tx_count - 1)) == 0) {
                size_t cap = c->tx_count == 0 ? 1 : 2 * c->tx_count;
                struct included *more = lx_arena_alloc(c->arena, cap * sizeof(*more));

                if (c->tx_count > 0)
                        memcpy(more, c->txs, c->tx_count * sizeof(*more));
                c->txs = more;
        }
        c->txs[c->tx_count++] = (struct included){.id = tx->id, .bytes = keep_span(c, bytes)};
        c->bytes += bytes.len;
        c->ops += tx->op_count;
        if (tx->op_count > 0) /* evidence has none, and no chain */
                lx_map_put(
                    c->chain_ops, tx->genesis.b, LX_HASH_LEN, (void *)(chain + tx->op_count));
}

enum lx_err
ledger_candidate_apply(struct ledger_candidate *c, const struct sigchain_tx *tx, struct lx_span bytes,
    struct lx_why *why)
{
        const struct ledger *ledger = c->ledger;
        struct sigchain_context context = {.ops = ledger->ops,
            .chain_id = ledger->chain_id,
            .height = c->base->tip.header.height + 1,
            .params = &c->base->tip.params,
            .token = ledger->token};
        struct sigchain_view view = {.get = view_get,
            .log_node = view_log_node,
            .trie_node = view_trie_node,
            .manifest = view_manifest,
            .arg = c};
        struct stage stage = {.c = c};
        struct sigchain_sink sink = {.emit = stage_effect, .arg = &stage};
        enum lx_err err = check_room(c, tx, bytes.len, why);

        if (err == LX_OK && tx->version == SIGCHAIN_TX_EVIDENCE) {
                err = ledger_candidate_convict(c, tx, why);
                if (err == LX_OK)
                        include(c, tx, bytes);
                return err;
        }
        if (err != LX_OK)
                return err;
        stage.end = &stage.first;
        memcpy(context.eid_prefix, ledger->genesis->eid_prefix, sizeof(context.eid_prefix));
        err = sigchain_apply(&context, &view, tx, &sink, why);
        if (err == LX_OK)
                err = check_index_room(c, &stage, why);
        if (err != LX_OK)
                return err;
        for (const struct staged *s = stage.first; s != NULL; s = s->next)
                merge(c, &s->effect, &tx->genesis);
        include(c, tx, bytes);
        return LX_OK;
}

/* ---- pages ------------------------------------------------------------------------------------- */

static void
keep_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], const uint8_t *page, size_t len)
{
        ledger_candidate_keep(arg, LEDGER_PAGE, LX_SPAN(key, MERKLE_PAGE_KEY_LEN), LX_SPAN(page, len));
}

static void
keep_stale(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN])
{
        struct ledger_candidate *c = arg;
        uint8_t stale[8 + MERKLE_PAGE_KEY_LEN];

        lx_put_be64(stale, c->tip.header.height);
        memcpy(stale + 8, key, MERKLE_PAGE_KEY_LEN);
        ledger_candidate_keep(c, LEDGER_STALE, LX_SPAN(stale, sizeof(stale)), LX_SPAN(NULL, 0));
}

struct merkle_sink
ledger_candidate_pages(struct ledger_candidate *c)
{
        return (struct merkle_sink){.put = keep_page, .stale = keep_stale, .arg = c};
}
