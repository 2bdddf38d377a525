/* ledger/prune.c - forgetting by policy: old states, stale pages, bodies, unnamed blobs. */
#include "config.h"
#include "ledger/maintain.h"

#include "ledger/ledger_int.h"
#include "sigchain/object.h"

#include <string.h>

#define LIST_PART 256

struct pruning {
        struct ledger *ledger;
        struct ledger_view *view;
        struct lld_batch *batch;
        uint64_t keep_from;
        size_t left; /* records this call may still look at */
};

/* Pages that no height from keep_from on needs: those stale at or below it. */
static enum lx_err
prune_pages(struct pruning *p)
{
        struct lld_iter *iter = lld_iter_open(p->ledger->db, p->view->snap, LEDGER_STALE, NULL, 0);
        struct lx_span key, value;

        for (; p->left > 0 && lld_iter_at(iter, &key, &value); lld_iter_next(iter), p->left--) {
                if (key.len != 8 + MERKLE_PAGE_KEY_LEN || lx_get_be64(key.p) > p->keep_from)
                        break;
                (void)lld_batch_prune(p->batch, LEDGER_PAGE, key.p + 8, MERKLE_PAGE_KEY_LEN);
                (void)lld_batch_prune(p->batch, LEDGER_STALE, key.p, key.len);
        }
        return lld_iter_close(iter);
}

static enum lx_err
prune_bodies(struct pruning *p, uint64_t from)
{
        enum lx_err err = LX_OK;

        for (uint64_t h = from; h < p->keep_from && err == LX_OK; h++) {
                struct lx_buf ids = {0};

                err = ledger_get_tx_ids(p->view, h, &ids);
                for (size_t i = 0; i < ids.len; i += LX_HASH_LEN)
                        (void)lld_batch_prune(p->batch, LEDGER_TX, ids.p + i, LX_HASH_LEN);
                lx_buf_clear(&ids);
        }
        return err;
}

/*
 * A state's record is needed when it is the newest one at or below keep_from, or above it. The walk
 * is resumed at @cursor (a key); *out_done: it came to the end.
 */
static enum lx_err
prune_states(struct pruning *p, struct lx_buf *cursor, bool *out_done)
{
        struct lld_iter *iter = lld_iter_open(p->ledger->db, p->view->snap, LEDGER_STATE_AT, NULL, 0);
        uint8_t before[LX_HASH_LEN + 8] = {0};
        struct lx_span key, value;
        bool have = false, before_removed = false;

        if (cursor->len > 0)
                lld_iter_seek(iter, cursor->p, cursor->len);
        for (; lld_iter_at(iter, &key, &value); lld_iter_next(iter)) {
                bool same = have && memcmp(before, key.p, LX_HASH_LEN) == 0; /* public */

                if (key.len != sizeof(before))
                        continue;
                if (same && lx_get_be64(key.p + LX_HASH_LEN) <= p->keep_from)
                        (void)lld_batch_prune(p->batch, LEDGER_STATE_AT, before, sizeof(before));
                if (!same && have && before_removed &&
                    lx_get_be64(before + LX_HASH_LEN) <= p->keep_from)
                        (void)lld_batch_prune(p->batch, LEDGER_STATE_AT, before, sizeof(before));
                if (p->left == 0)
                        break;
                p->left--;
                memcpy(before, key.p, sizeof(before));
                before_removed = value.len <= 1;
                have = true;
        }
        lx_buf_reset(cursor);
        *out_done = !lld_iter_at(iter, &key, &value);
        if (!*out_done)
                lx_buf_append(cursor, have ? before : key.p, sizeof(before));
        return lld_iter_close(iter);
}

/* What the store remembers of the work: "pruned" (done) and "prune-at" (where the walk goes on). */
static enum lx_err
finish(struct pruning *p, const struct lx_buf *cursor, bool done, struct lx_why *why)
{
        uint8_t height[8];
        struct tip tip;
        enum lx_err err;

        lx_put_be64(height, p->keep_from);
        /* Reads below are refused as soon as the first record goes. */
        (void)lld_batch_put(p->batch, LEDGER_META, "pruned", 6, height, sizeof(height));
        if (done)
                (void)lld_batch_remove(p->batch, LEDGER_META, "prune-at", 8);
        else
                (void)lld_batch_put(p->batch, LEDGER_META, "prune-at", 8, cursor->p, cursor->len);
        err = lld_batch_commit(p->batch, true, why);
        if (err == LX_OK)
                err = ledger_load_tip(p->ledger, &tip, why);
        if (err == LX_OK)
                ledger_publish_take(p->ledger, &tip);
        return err;
}

enum lx_err
ledger_prune(
    struct ledger *ledger, uint64_t keep_from, size_t budget, bool *out_more, struct lx_why *why)
{
        struct pruning p = {.ledger = ledger, .view = ledger_view_new(ledger), .left = budget};
        struct lx_buf cursor = {0};
        uint64_t from = p.view->tip.pruned_below, tip = p.view->tip.header.height;
        bool done = false;
        enum lx_err err = lld_get(ledger->db, p.view->snap, LEDGER_META, "prune-at", 8, &cursor);

        if (err == LX_ERR_ABSENT)
                err = LX_OK;
        p.keep_from = keep_from > tip ? tip : keep_from;
        *out_more = false;
        if (err != LX_OK || (p.keep_from <= from && cursor.len == 0)) {
                lx_buf_clear(&cursor);
                ledger_view_unref(p.view);
                return err;
        }
        if (p.keep_from < from)
                p.keep_from = from;
        p.batch = lld_batch_new(ledger->db, tip);
        err = prune_bodies(&p, from);
        if (err == LX_OK)
                err = prune_pages(&p);
        if (err == LX_OK && p.left > 0)
                err = prune_states(&p, &cursor, &done);
        else if (err == LX_OK && cursor.len == 0)
                lx_buf_append(&cursor, "", 1);
        if (err == LX_OK)
                err = finish(&p, &cursor, done, why);
        lld_batch_free(p.batch);
        ledger_view_unref(p.view);
        lx_buf_clear(&cursor);
        *out_more = err == LX_OK && !done;
        return err;
}

/* ---- blobs ------------------------------------------------------------------------------------- */

struct collection {
        struct ledger *ledger;
        struct lx_map *named; /* roots that registers name */
        uint64_t min_age_ms, count;
        struct lx_buf drop;
};

static enum lx_err
note_roots(struct collection *c, struct ledger_view *view, unsigned type, const char *field)
{
        struct lx_hash page[LIST_PART], after;
        const struct lx_hash *from = NULL;
        struct sigchain_object *object = lx_alloc(sizeof(*object));
        size_t count = LIST_PART;
        enum lx_err err = LX_OK;

        while (err == LX_OK && count == LIST_PART) {
                err = ledger_list_type(view, type, from, page, LIST_PART, &count);
                for (size_t i = 0; i < count && err == LX_OK; i++) {
                        struct lx_buf value = {0};
                        struct sigchain_register reg;
                        struct lx_hash root;

                        err = ledger_get_state(view, SIGCHAIN_KIND_REGISTER, page[i].b, LX_HASH_LEN,
                            LEDGER_NOW, &value, NULL);
                        if (err == LX_OK)
                                err = sigchain_register_decode(value.p, value.len, &reg);
                        if (err == LX_OK)
                                err = sigchain_object_decode(reg.data, object);
                        if (err == LX_OK && sigchain_object_get_hash(object, field, &root))
                                lx_map_put(c->named, root.b, LX_HASH_LEN, c);
                        lx_buf_clear(&value);
                }
                if (count > 0)
                        after = page[count - 1];
                from = &after;
        }
        lx_free(object);
        return err;
}

static bool
meet_blob(void *arg, const struct lx_hash *root, uint64_t len, uint64_t age_ms)
{
        struct collection *c = arg;

        (void)len;
        if (age_ms >= c->min_age_ms && lx_map_get(c->named, root->b, LX_HASH_LEN) == NULL)
                lx_buf_append(&c->drop, root->b, LX_HASH_LEN);
        return true;
}

static enum lx_err
collect_kind(struct collection *c, unsigned kind)
{
        enum lx_err err;

        lx_buf_reset(&c->drop);
        err = blob_walk(c->ledger->blobs, kind, meet_blob, c);
        for (size_t i = 0; i < c->drop.len && err == LX_OK; i += LX_HASH_LEN) {
                struct lx_hash root;

                memcpy(root.b, c->drop.p + i, LX_HASH_LEN);
                err = blob_remove(c->ledger->blobs, kind, &root);
                c->count++;
        }
        return err;
}

enum lx_err
ledger_collect_blobs(
    struct ledger *ledger, uint64_t min_age_ms, uint64_t *out_count, struct lx_why *why)
{
        struct collection c = {.ledger = ledger, .named = lx_map_new(1), .min_age_ms = min_age_ms};
        struct ledger_view *view = ledger_view_new(ledger);
        enum lx_err err = note_roots(&c, view, SIGCHAIN_RELEASE, "manifest");

        if (err == LX_OK)
                err = note_roots(&c, view, SIGCHAIN_APPROVAL, "manifest");
        if (err == LX_OK)
                err = note_roots(&c, view, SIGCHAIN_RELEASE, "leaves");
        if (err == LX_OK)
                err = note_roots(&c, view, SIGCHAIN_APPROVAL, "leaves");
        if (err == LX_OK)
                err = note_roots(&c, view, SIGCHAIN_FILE, "root");
        for (unsigned kind = 0; kind < LEDGER_BLOB_COUNT_ && err == LX_OK; kind++)
                err = collect_kind(&c, kind);
        if (err != LX_OK)
                lx_why_set(why, "collecting blobs: %s", lx_err_text(err));
        *out_count = c.count;
        ledger_view_unref(view);
        lx_buf_clear(&c.drop);
        lx_map_free(c.named);
        return err;
}
