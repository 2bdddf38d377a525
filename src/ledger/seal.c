/* ledger/seal.c - the roots and the header of a candidate; building and checking blocks. */
#include "config.h"
#include "ledger/candidate_int.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "ledger/evidence.h"
#include "ledger/proposer.h"

#include <string.h>

static enum lx_err
update_tree(struct ledger_candidate *c)
{
        static const struct merkle_root empty;
        size_t count = c->change_count, at = 0, i = 0;
        struct merkle_update *updates = lx_alloc_array(count > 0 ? count : 1, sizeof(*updates));
        const struct merkle_root *from = c->base != NULL ? &c->base->tip.root : &empty;
        struct merkle_sink sink = ledger_candidate_pages(c);
        const void *key;
        size_t key_len;
        void *value;
        enum lx_err err = LX_OK;

        while (lx_map_next(c->state, &at, &key, &key_len, &value)) {
                const struct change *change = value;

                if (!change->changed)
                        continue;
                updates[i].key = change->state_key;
                if (change->value.len > 0)
                        sigchain_state_value(ledger_ops(c->ledger), change->value.p,
                            change->value.len, &updates[i].value);
                i++;
        }
        c->tip.root = *from;
        if (count > 0)
                err = merkle_state_update(c->ledger->tree, from, c->tip.header.height, updates,
                    count, &sink, &c->tip.root);
        if (count > 0)
                c->page_batch = merkle_state_batch(c->ledger->tree);
        lx_free(updates);
        c->tip.header.state_root = c->tip.root.hash;
        return err;
}

static void
tx_root(struct ledger_candidate *c)
{
        struct lx_hash *leaves = lx_alloc_array(c->tx_count > 0 ? c->tx_count : 1, sizeof(*leaves));

        for (size_t i = 0; i < c->tx_count; i++)
                merkle_log_leaf(ledger_ops(c->ledger), c->txs[i].id.b, LX_HASH_LEN, &leaves[i]);
        merkle_log_root(ledger_ops(c->ledger), leaves, c->tx_count, &c->tip.header.tx_root);
        lx_free(leaves);
}

/* Parameters and validators that act at the next height: what the state says now. */
static enum lx_err
next_rules(struct ledger_candidate *c)
{
        struct lx_buf buf = {0};
        struct lx_hash key;
        enum lx_err err;

        sigchain_state_key(ledger_ops(c->ledger), SIGCHAIN_KIND_VALSET, NULL, 0, &key);
        err = ledger_candidate_get(c, &key, &c->tip.next_set);
        sigchain_valset_hash(ledger_ops(c->ledger), c->tip.next_set.p, c->tip.next_set.len,
            &c->tip.header.next_valset);
        sigchain_state_key(ledger_ops(c->ledger), SIGCHAIN_KIND_PARAMS, NULL, 0, &key);
        if (err == LX_OK)
                err = ledger_candidate_get(c, &key, &buf);
        if (err == LX_OK)
                err = sigchain_params_decode(buf.p, buf.len, &c->tip.params);
        lx_buf_clear(&buf);
        return err == LX_ERR_ABSENT ? LX_ERR_CORRUPT : err;
}

/* The priorities for the next height (proposer.h): one turn of this one's, moved to the next set. */
static enum lx_err
turn(struct ledger_candidate *c, const struct tip *from, struct lx_buf *state,
    struct sigchain_valset *now, struct sigchain_valset *next)
{
        struct ledger_rotation rotation;
        uint8_t bytes[LEDGER_ROTATION_BYTES_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        if (sigchain_valset_decode(from->next_set.p, from->next_set.len, now) != LX_OK ||
            sigchain_valset_decode(c->tip.next_set.p, c->tip.next_set.len, next) != LX_OK)
                return LX_ERR_CORRUPT;
        ledger_rotation_init(now, &rotation);
        if (state->len > 0 && (ledger_rotation_decode(state->p, state->len, &rotation) != LX_OK ||
                                  rotation.count != now->count))
                return LX_ERR_CORRUPT;
        (void)ledger_rotation_turn(&rotation, now);
        if (!lx_hash_eq(&from->header.next_valset, &c->tip.header.next_valset))
                ledger_rotation_move(&rotation, now, next);
        if (next->count > 1)
                ledger_rotation_encode(&rotation, &wr);
        if (next->count > 1 || state->len > 0)
                ledger_candidate_put(
                    c, SIGCHAIN_KIND_ROTATION, LX_SPAN(NULL, 0), LX_SPAN(bytes, wr.len));
        return lx_writer_end(&wr);
}

static enum lx_err
rotate(struct ledger_candidate *c, const struct tip *from)
{
        struct sigchain_valset *sets = lx_alloc_array(2, sizeof(*sets));
        struct lx_buf state = {0};
        struct lx_hash key;
        enum lx_err err;

        sigchain_state_key(ledger_ops(c->ledger), SIGCHAIN_KIND_ROTATION, NULL, 0, &key);
        err = ledger_candidate_get(c, &key, &state);
        if (err == LX_OK || err == LX_ERR_ABSENT)
                err = turn(c, from, &state, &sets[0], &sets[1]);
        lx_buf_clear(&state);
        lx_free(sets);
        return err;
}

static void
keep_history(void *arg, unsigned level, uint64_t index, const struct lx_hash *node)
{
        uint8_t key[41];

        ledger_candidate_keep(arg, LEDGER_HISTORY,
            LX_SPAN(key, ledger_node_key(NULL, level, index, key)), LX_SPAN(node->b, LX_HASH_LEN));
}

enum lx_err
ledger_candidate_seal(struct ledger_candidate *c, uint64_t time_ms, struct lx_why *why)
{
        const struct tip *from = c->base != NULL ? &c->base->tip : NULL;
        struct ledger_header *header = &c->tip.header;
        struct lx_hash leaf;
        enum lx_err err;

        header->height = from != NULL ? from->header.height + 1 : 0;
        header->chain_id = c->ledger->chain_id;
        header->time_ms = time_ms;
        c->tip.totals = from != NULL ? from->totals : (struct totals){0};
        c->tip.pruned_below = from != NULL ? from->pruned_below : 0;
        c->tip.history.size = 0;
        if (from != NULL) {
                header->previous = from->hash;
                c->tip.history = from->history;
                lx_buf_append(&c->tip.set, from->next_set.p, from->next_set.len);
                header->valset = from->header.next_valset;
        }
        merkle_frontier_root(ledger_ops(c->ledger), &c->tip.history, &header->history_root);
        err = ledger_candidate_index(c, why);
        if (err == LX_OK)
                err = next_rules(c);
        if (err == LX_OK && from != NULL)
                err = rotate(c, from);
        if (err == LX_OK)
                err = update_tree(c);
        if (err != LX_OK)
                return err;
        header->rule_version = (uint16_t)(
            from != NULL ? from->params.value[SIGCHAIN_RULE_VERSION]
                         : c->tip.params.value[SIGCHAIN_RULE_VERSION]);
        if (from == NULL) {
                header->valset = header->next_valset;
                lx_buf_append(&c->tip.set, c->tip.next_set.p, c->tip.next_set.len);
        }
        tx_root(c);
        c->tip.totals.transactions += c->tx_count;
        ledger_header_hash(ledger_ops(c->ledger), header, &c->tip.hash);
        merkle_log_leaf(ledger_ops(c->ledger), c->tip.hash.b, LX_HASH_LEN, &leaf);
        merkle_frontier_append(ledger_ops(c->ledger), &c->tip.history, &leaf, keep_history, c);
        return LX_OK;
}

/* ---- the verbs --------------------------------------------------------------------------------- */

static bool
is_ours(enum lx_err err)
{
        return err == LX_ERR_IO || err == LX_ERR_CORRUPT || err == LX_ERR_NOMEM;
}

/* Execute one; what the rules refuse is the transaction's result, what the store says is ours. */
static enum lx_err
execute(struct ledger_candidate *c, struct ledger_tx *tx, struct sigchain_tx *decoded,
    struct lx_map *deferred)
{
        tx->why.text[0] = '\0';
        tx->result = sigchain_tx_decode(ledger_ops(c->ledger), tx->bytes, tx->len, decoded);
        if (tx->result != LX_OK)
                return LX_OK;
        if (lx_map_get(deferred, decoded->genesis.b, LX_HASH_LEN) != NULL)
                tx->result = LX_ERR_LIMIT;
        else
                tx->result = ledger_candidate_apply(c, decoded, LX_SPAN(tx->bytes, tx->len), &tx->why);
        tx->missing = c->missing;
        c->missing = (struct lx_hash){{0}};
        /* Later ones of a chain wait too: they follow the one that has no room. */
        if (tx->result == LX_ERR_LIMIT)
                lx_map_put(deferred, decoded->genesis.b, LX_HASH_LEN, c);
        return is_ours(tx->result) ? tx->result : LX_OK;
}

static enum lx_err
execute_all(struct ledger_candidate *c, struct ledger_tx *txs, size_t count, bool all,
    struct lx_why *why)
{
        struct sigchain_tx *decoded = lx_alloc(sizeof(*decoded));
        struct lx_map *deferred = lx_map_new(1);
        enum lx_err err = LX_OK;

        /* The height is known to the index and the pages before the header is sealed. */
        c->tip.header.height = c->base->tip.header.height + 1;
        if (c->base->tip.params.value[SIGCHAIN_RULE_VERSION] > LEDGER_RULE_VERSION) {
                lx_why_set(why, "block %llu has rule version %llu, this program knows %u: install a newer "
                    "lxnoded", (unsigned long long)c->tip.header.height,
                    (unsigned long long)c->base->tip.params.value[SIGCHAIN_RULE_VERSION],
                    LEDGER_RULE_VERSION);
                err = LX_ERR_VERSION;
        }
        for (size_t i = 0; i < count && err == LX_OK; i++) {
                err = execute(c, &txs[i], decoded, deferred);
                if (err == LX_OK && all)
                        err = txs[i].result;
        }
        lx_map_free(deferred);
        lx_free(decoded);
        return err;
}

enum lx_err
ledger_build(struct ledger *ledger, struct ledger_tx *txs, size_t count, uint64_t time_ms,
    struct ledger_candidate **out_candidate, struct lx_why *why)
{
        struct ledger_candidate *c = ledger_candidate_new(ledger, false);
        uint64_t after = c->base->tip.header.time_ms + 1;
        enum lx_err err = execute_all(c, txs, count, false, why);

        if (err == LX_OK)
                err = ledger_candidate_seal(c, time_ms > after ? time_ms : after, why);
        if (err != LX_OK) {
                lx_why_set(why, "executing a block failed: %s", lx_err_text(err));
                ledger_candidate_free(c);
                return err;
        }
        *out_candidate = c;
        return LX_OK;
}

/* Which field of a header is not what executing gave. */
static const char *
first_difference(const struct ledger_header *is, const struct ledger_header *must)
{
        if (is->rule_version != must->rule_version)
                return "rule version";
        if (!lx_hash_eq(&is->chain_id, &must->chain_id))
                return "chain id";
        if (is->height != must->height)
                return "height";
        if (!lx_hash_eq(&is->previous, &must->previous))
                return "previous header";
        if (!lx_hash_eq(&is->tx_root, &must->tx_root))
                return "transactions root";
        if (!lx_hash_eq(&is->state_root, &must->state_root))
                return "state root";
        if (!lx_hash_eq(&is->history_root, &must->history_root))
                return "history root";
        if (!lx_hash_eq(&is->valset, &must->valset))
                return "validator set";
        return lx_hash_eq(&is->next_valset, &must->next_valset) ? NULL : "next validator set";
}

enum lx_err
ledger_check_block(struct ledger *ledger, const struct ledger_header *header, struct ledger_tx *txs,
    size_t count, struct ledger_candidate **out_candidate, struct lx_why *why)
{
        struct ledger_candidate *c = ledger_candidate_new(ledger, false);
        const char *wrong;
        enum lx_err err = LX_OK;

        if (header->rule_version > LEDGER_RULE_VERSION) {
                lx_why_set(why, "block %llu has rule version %u, this program knows %u: install a newer "
                    "lxnoded", (unsigned long long)header->height, header->rule_version,
                    LEDGER_RULE_VERSION);
                err = LX_ERR_VERSION;
        }
        if (err == LX_OK)
                err = execute_all(c, txs, count, true, why);

        for (size_t i = 0; i < count && err != LX_OK; i++)
                if (txs[i].result == err) {
                        lx_why_set(why, "transaction %zu of the block: %s", i,
                            txs[i].why.text[0] != '\0' ? txs[i].why.text : lx_err_text(err));
                        if (!is_ours(err) &&
                            (err != LX_ERR_ABSENT || lx_hash_is_zero(&txs[i].missing)))
                                err = LX_ERR_RULE;
                        break;
                }
        if (err == LX_OK && header->time_ms <= c->base->tip.header.time_ms) {
                lx_why_set(why, "rule time: a block's time is above the one's before");
                err = LX_ERR_RULE;
        }
        if (err == LX_OK)
                err = ledger_candidate_seal(c, header->time_ms, why);
        wrong = err == LX_OK ? first_difference(header, &c->tip.header) : NULL;
        if (wrong != NULL) {
                lx_why_set(why, "rule header: the %s of block %llu is not what executing it gives",
                    wrong, (unsigned long long)header->height);
                err = LX_ERR_RULE;
        }
        if (err != LX_OK) {
                ledger_candidate_free(c);
                return err;
        }
        *out_candidate = c;
        return LX_OK;
}
