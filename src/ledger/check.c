/* ledger/check.c - checking everything: links, roots, certificates, states, by executing again. */
#include "config.h"
#include "ledger/maintain.h"

#include "ledger/ledger_int.h"
#include "lld/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct check {
        struct ledger *ledger;
        struct ledger_view *view;
        const struct ledger_progress *progress;
        void (*finding)(void *arg, const char *text);
        void *arg;
        struct lx_why *why;
        uint64_t findings;
};

__attribute__((format(printf, 2, 3))) static void
found(struct check *check, const char *fmt, ...)
{
        char text[LX_WHY_MAX];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        lx_why_set(check->why, "%s", text);
        if (check->finding != NULL && check->findings < 100)
                check->finding(check->arg, text);
        check->findings++;
}

static void
report(struct check *check, const char *what, uint64_t done, uint64_t total)
{
        if (check->progress != NULL && check->progress->report != NULL &&
            (done == total || done % 64 == 0))
                check->progress->report(check->progress->arg, what, done, total);
}

/* ---- headers ----------------------------------------------------------------------------------- */

static void
check_cert(struct check *check, const struct ledger_header *header)
{
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        struct lx_buf cert = {0}, bytes = {0};
        enum lx_err err = ledger_get_cert(check->view, header->height, &cert);

        if (err == LX_OK)
                err = ledger_get_valset(check->view, &header->valset, &bytes);
        if (err == LX_OK)
                err = sigchain_valset_decode(bytes.p, bytes.len, set);
        if (err == LX_OK)
                err = ledger_cert_verify(check->ledger->ops, header, set, cert.p, cert.len);
        if (err != LX_OK)
                found(check, "header %llu: its certificate does not verify: %s",
                    (unsigned long long)header->height, lx_err_text(err));
        lx_buf_clear(&cert);
        lx_buf_clear(&bytes);
        lx_free(set);
}

static void
check_link(struct check *check, const struct ledger_header *header, const struct ledger_header *before,
    const struct lx_hash *before_hash, const struct merkle_frontier *history)
{
        struct lx_hash root;

        merkle_frontier_root(ledger_ops(check->ledger), history, &root);
        if (!lx_hash_eq(&header->previous, before_hash) || header->time_ms <= before->time_ms ||
            !lx_hash_eq(&header->valset, &before->next_valset) ||
            !lx_hash_eq(&header->chain_id, &check->ledger->chain_id))
                found(check, "header %llu does not follow header %llu",
                    (unsigned long long)header->height, (unsigned long long)before->height);
        if (!lx_hash_eq(&header->history_root, &root))
                found(check, "header %llu: its history root is not that of the headers below",
                    (unsigned long long)header->height);
}

static void
check_headers(struct check *check)
{
        uint64_t tip = check->view->tip.header.height;
        struct merkle_frontier history = {0};
        struct ledger_header before = {0};
        struct lx_hash hash = {{0}}, leaf;

        for (uint64_t h = 0; h <= tip; h++) {
                struct ledger_header header;
                uint64_t at = UINT64_MAX;
                enum lx_err err = ledger_get_header(check->view, h, &header);

                report(check, "headers", h, tip);
                if (err != LX_OK || header.height != h) {
                        found(check, "header %llu cannot be read: %s", (unsigned long long)h,
                            lx_err_text(err == LX_OK ? LX_ERR_CORRUPT : err));
                        return;
                }
                if (h > 0) {
                        check_link(check, &header, &before, &hash, &history);
                        check_cert(check, &header);
                }
                ledger_header_hash(ledger_ops(check->ledger), &header, &hash);
                if (ledger_find_header(check->view, &hash, &at) != LX_OK || at != h)
                        found(check, "header %llu is not found by its hash", (unsigned long long)h);
                merkle_log_leaf(ledger_ops(check->ledger), hash.b, LX_HASH_LEN, &leaf);
                merkle_frontier_append(ledger_ops(check->ledger), &history, &leaf, NULL, NULL);
                before = header;
        }
}

/* ---- states ------------------------------------------------------------------------------------ */

struct walk {
        struct check *check;
        uint64_t leaves;
};

static bool
check_leaf(void *arg, const struct lx_hash *key, const struct lx_hash *value)
{
        struct walk *walk = arg;
        struct check *check = walk->check;
        struct lx_buf buf = {0};
        struct lx_hash got;
        char hex[LX_HEX_LEN(LX_HASH_LEN)];
        enum lx_err err = ledger_read_state(check->ledger, check->view->snap, key, &buf, NULL, NULL);

        if (err == LX_OK) {
                sigchain_state_value(ledger_ops(check->ledger), buf.p, buf.len, &got);
                err = lx_hash_eq(&got, value) ? LX_OK : LX_ERR_CORRUPT;
        }
        if (err != LX_OK) {
                lx_hex(key->b, LX_HASH_LEN, hex);
                found(check, "state %s is not what the tree says: %s", hex, lx_err_text(err));
        }
        lx_buf_clear(&buf);
        walk->leaves++;
        return true;
}

static void
check_states(struct check *check)
{
        static const struct lx_hash state_tree = {{0}};
        struct ledger_pages pages = {.db = check->ledger->db, .snap = check->view->snap};
        struct merkle_pages source = {.get = ledger_get_page, .arg = &pages};
        struct merkle_state *tree =
            merkle_state_new(ledger_ops(check->ledger), &source, &state_tree, 0);
        struct walk walk = {.check = check};
        enum lx_err err = merkle_state_walk(tree, &check->view->tip.root, check_leaf, &walk);
        struct lld_iter *iter =
            lld_iter_open(check->ledger->db, check->view->snap, LEDGER_STATE, NULL, 0);
        struct lx_span key, value;
        uint64_t records = 0;

        if (err != LX_OK)
                found(check, "a page of the state tree is damaged: %s", lx_err_text(err));
        for (; lld_iter_at(iter, &key, &value); lld_iter_next(iter))
                records++;
        if (lld_iter_close(iter) != LX_OK || (err == LX_OK && records != walk.leaves))
                found(check, "the store holds %llu states, the tree %llu", (unsigned long long)records,
                    (unsigned long long)walk.leaves);
        merkle_state_free(tree);
}

/* ---- executing again --------------------------------------------------------------------------- */

static enum lx_err
load_txs(struct ledger_view *from, uint64_t height, struct ledger_tx **out_txs, struct lx_buf *bodies,
    size_t *out_count)
{
        struct lx_buf ids = {0};
        size_t *at, count;
        struct ledger_tx *txs;
        enum lx_err err = ledger_get_tx_ids(from, height, &ids);

        count = ids.len / LX_HASH_LEN;
        txs = lx_alloc_array(count + 1, sizeof(*txs));
        at = lx_alloc_array(count + 1, sizeof(*at));
        for (size_t i = 0; i < count && err == LX_OK; i++) {
                struct lx_hash id;
                uint64_t h;
                uint32_t index;

                memcpy(id.b, ids.p + i * LX_HASH_LEN, LX_HASH_LEN);
                at[i] = bodies->len;
                err = ledger_get_tx(from, &id, bodies, &h, &index);
                txs[i].len = bodies->len - at[i];
                if (err == LX_OK && (h != height || index != i))
                        err = LX_ERR_CORRUPT;
        }
        for (size_t i = 0; i < count; i++)
                txs[i].bytes = bodies->p + at[i];
        lx_free(at);
        lx_buf_clear(&ids);
        *out_txs = txs;
        *out_count = count;
        return err;
}

static enum lx_err
verify_txs(struct ledger *ledger, const struct ledger_tx *txs, size_t count, struct lx_why *why)
{
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        enum lx_err err = LX_OK;

        for (size_t i = 0; i < count && err == LX_OK; i++) {
                err = sigchain_tx_decode(ledger_ops(ledger), txs[i].bytes, txs[i].len, tx);
                if (err == LX_OK)
                        err = sigchain_tx_verify(ledger->ops, tx);
                if (err != LX_OK)
                        lx_why_set(why, "transaction %zu: %s", i, lx_err_text(err));
        }
        lx_free(tx);
        return err;
}

enum lx_err
ledger_repeat_block(struct ledger *to, struct ledger_view *from, uint64_t height, struct lx_why *why)
{
        struct ledger_candidate *candidate = NULL;
        struct ledger_header header;
        struct ledger_tx *txs = NULL;
        struct lx_buf bodies = {0}, cert = {0};
        size_t count = 0;
        enum lx_err err = ledger_get_header(from, height, &header);

        if (err == LX_OK)
                err = load_txs(from, height, &txs, &bodies, &count);
        if (err == LX_OK)
                err = verify_txs(to, txs, count, why);
        if (err == LX_OK)
                err = ledger_get_cert(from, height, &cert);
        if (err == LX_OK)
                err = ledger_check_block(to, &header, txs, count, &candidate, why);
        if (err == LX_OK)
                err = ledger_commit(to, candidate, cert.p, cert.len, why);
        lx_free(txs);
        lx_buf_clear(&bodies);
        lx_buf_clear(&cert);
        return err;
}

/* Every block again, from genesis, into memory: the roots must come out the same. */
static void
check_blocks(struct check *check)
{
        struct lld_options options = {
            .kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true};
        struct lld_disk *disk = lld_disk_new(0);
        struct lld *db = NULL;
        struct ledger *again = NULL;
        struct ledger_options ledger = {.blobs = check->ledger->blobs,
            .genesis = check->ledger->genesis_bytes.p,
            .genesis_len = check->ledger->genesis_bytes.len};
        uint64_t tip = check->view->tip.header.height;
        struct lx_why why = {{0}};
        enum lx_err err = lld_mem_open(disk, &options, &db, &why);

        ledger.db = db;
        if (err == LX_OK)
                err = ledger_open(&ledger, &again, &why);
        for (uint64_t h = 1; h <= tip && err == LX_OK; h++) {
                report(check, "blocks", h, tip);
                err = ledger_repeat_block(again, check->view, h, &why);
                if (err != LX_OK)
                        found(check, "block %llu does not execute to its header: %s",
                            (unsigned long long)h, why.text[0] != '\0' ? why.text : lx_err_text(err));
        }
        ledger_close(again);
        lld_close(db);
        lld_disk_free(disk);
}

static bool
check_blob(void *arg, const struct lx_hash *root, uint64_t len, uint64_t age_ms)
{
        struct check *check = arg;
        struct lx_why why = {{0}};

        (void)len;
        (void)age_ms;
        for (unsigned kind = 0; kind < LEDGER_BLOB_COUNT_; kind++)
                if (blob_has(check->ledger->blobs, kind, root, NULL) &&
                    blob_check(check->ledger->blobs, kind, root, &why) != LX_OK)
                        found(check, "%s", why.text);
        return true;
}

enum lx_err
ledger_check_all(struct ledger *ledger, const struct ledger_progress *progress,
    void (*finding)(void *arg, const char *text), void *arg, struct lx_why *why)
{
        struct check check = {.ledger = ledger,
            .view = ledger_view_new(ledger),
            .progress = progress,
            .finding = finding,
            .arg = arg,
            .why = why};

        check_headers(&check);
        if (check.findings == 0)
                check_states(&check);
        if (check.findings == 0 && check.view->tip.pruned_below == 0)
                check_blocks(&check);
        for (unsigned kind = 0; kind < LEDGER_BLOB_COUNT_ && ledger->blobs != NULL; kind++)
                if (blob_walk(ledger->blobs, kind, check_blob, &check) != LX_OK)
                        found(&check, "the blobs cannot be read");
        ledger_view_unref(check.view);
        return check.findings == 0 ? LX_OK : LX_ERR_CORRUPT;
}
