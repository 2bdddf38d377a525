/* ledger/ledger.c - opening, the tip, views. */
#include "config.h"
#include "ledger/ledger_int.h"

#include "base/assert.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "sigchain/manifest.h"

#include <string.h>
#include <unistd.h>

#define TREE_CACHE (16u << 20)
#define CONTENT_PAGES 16u      /* pages of a file checked at once */
#define LEAVES_PART 512u        /* leaf hashes checked at once; a power of two */
#define CONTENT_MAX (256ull << 20) /* bytes of a file whose content is kept */
#define LEAVES_MAX (4ull << 30) /* bytes of a leaves blob: files of up to 512 GiB */

void
ledger_tip_clear(struct tip *tip)
{
        lx_buf_clear(&tip->cert);
        lx_buf_clear(&tip->set);
        lx_buf_clear(&tip->next_set);
}

enum lx_err
ledger_get_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct lx_buf *out)
{
        struct ledger_pages *pages = arg;
        enum lx_err err =
            lld_get(pages->db, pages->snap, LEDGER_PAGE, key, MERKLE_PAGE_KEY_LEN, out);

        return err == LX_ERR_ABSENT ? LX_ERR_CORRUPT : err;
}

enum lx_err
ledger_read_state(struct ledger *ledger, const struct lld_snapshot *snap,
    const struct lx_hash *state_key, struct lx_buf *out, uint64_t *out_since, unsigned *out_kind)
{
        size_t at = out->len;
        enum lx_err err = lld_get(ledger->db, snap, LEDGER_STATE, state_key->b, LX_HASH_LEN, out);

        if (err != LX_OK)
                return err;
        if (out->len - at <= STATE_HEAD) {
                out->len = at;
                return LX_ERR_CORRUPT;
        }
        if (out_since != NULL)
                *out_since = lx_get_be64(out->p + at);
        if (out_kind != NULL)
                *out_kind = out->p[at + 8];
        memmove(out->p + at, out->p + at + STATE_HEAD, out->len - at - STATE_HEAD);
        out->len -= STATE_HEAD;
        return LX_OK;
}

/* ---- the tip ----------------------------------------------------------------------------------- */

/* The root page's version stands in the block record. */
static enum lx_err
load_root(struct ledger *ledger, struct tip *tip)
{
        struct lx_buf buf = {0};
        uint8_t key[8];
        enum lx_err err;

        lx_put_be64(key, tip->header.height);
        err = lld_get(ledger->db, NULL, LEDGER_BLOCK, key, sizeof(key), &buf);
        if (err == LX_OK && buf.len < 8)
                err = LX_ERR_CORRUPT;
        if (err == LX_OK)
                tip->root = (struct merkle_root){
                    .hash = tip->header.state_root, .version = lx_get_be64(buf.p)};
        lx_buf_clear(&buf);
        return err;
}

/* The peaks of the tree over all headers, the tip's included. */
static enum lx_err
load_params(struct ledger *ledger, struct tip *tip)
{
        struct lx_buf buf = {0};
        struct lx_hash key;
        enum lx_err err;

        sigchain_state_key(ledger_ops(ledger), SIGCHAIN_KIND_PARAMS, NULL, 0, &key);
        err = ledger_read_state(ledger, NULL, &key, &buf, NULL, NULL);
        if (err == LX_OK)
                err = sigchain_params_decode(buf.p, buf.len, &tip->params);
        lx_buf_clear(&buf);
        return err;
}

static enum lx_err
load_meta(struct ledger *ledger, struct tip *tip)
{
        struct lx_buf buf = {0};
        enum lx_err err = lld_get(ledger->db, NULL, LEDGER_META, "totals", 6, &buf);

        if (err == LX_OK && buf.len == 32)
                tip->totals = (struct totals){lx_get_be64(buf.p), lx_get_be64(buf.p + 8),
                    lx_get_be64(buf.p + 16), lx_get_be64(buf.p + 24)};
        else if (err == LX_OK)
                err = LX_ERR_CORRUPT;
        lx_buf_reset(&buf);
        if (err == LX_OK && lld_get(ledger->db, NULL, LEDGER_META, "pruned", 6, &buf) == LX_OK &&
            buf.len == 8)
                tip->pruned_below = lx_get_be64(buf.p);
        lx_buf_clear(&buf);
        return err;
}

static enum lx_err
load_sets(struct ledger *ledger, struct tip *tip)
{
        uint8_t key[8];
        enum lx_err err = lld_get(ledger->db, NULL, LEDGER_VALSET, tip->header.valset.b,
            LX_HASH_LEN, &tip->set);

        if (err == LX_OK)
                err = lld_get(ledger->db, NULL, LEDGER_VALSET, tip->header.next_valset.b,
                    LX_HASH_LEN, &tip->next_set);
        lx_put_be64(key, tip->header.height);
        if (err == LX_OK && tip->header.height > 0)
                err = lld_get(ledger->db, NULL, LEDGER_CERT, key, sizeof(key), &tip->cert);
        return err;
}

/* The root page must hash to what the header says: the cheapest sign that tip and tree agree. */
static enum lx_err
check_root(struct ledger *ledger, struct tip *tip)
{
        struct lx_hash key, value, got;
        struct lx_buf buf = {0};
        bool found = false;
        enum lx_err err;

        sigchain_state_key(ledger_ops(ledger), SIGCHAIN_KIND_PARAMS, NULL, 0, &key);
        err = merkle_state_get(ledger->tree, &tip->root, &key, &value, &found);
        if (err == LX_OK)
                err = ledger_read_state(ledger, NULL, &key, &buf, NULL, NULL);
        if (err == LX_OK) {
                sigchain_state_value(ledger_ops(ledger), buf.p, buf.len, &got);
                if (!found || !lx_hash_eq(&got, &value))
                        err = LX_ERR_CORRUPT;
        }
        lx_buf_clear(&buf);
        return err;
}

enum lx_err
ledger_load_tip(struct ledger *ledger, struct tip *out_tip, struct lx_why *why)
{
        struct tip tip = {0};
        uint64_t height = 0;
        enum lx_err err = LX_ERR_ABSENT;

        if (lld_height(ledger->db, &height))
                err = ledger_read_header(ledger, NULL, height, &tip.header);
        if (err == LX_OK && tip.header.rule_version > LEDGER_RULE_VERSION) {
                lx_why_set(why, "block %llu has rule version %u, this program knows %u: install a "
                    "newer lxnoded", (unsigned long long)height, tip.header.rule_version,
                    LEDGER_RULE_VERSION);
                return LX_ERR_VERSION;
        }
        ledger_header_hash(ledger_ops(ledger), &tip.header, &tip.hash);
        if (err == LX_OK)
                err = load_root(ledger, &tip);
        if (err == LX_OK)
                err = ledger_read_frontier(ledger, NULL, tip.header.height + 1, &tip.history);
        if (err == LX_OK)
                err = load_params(ledger, &tip);
        if (err == LX_OK)
                err = load_meta(ledger, &tip);
        if (err == LX_OK)
                err = load_sets(ledger, &tip);
        if (err == LX_OK)
                err = check_root(ledger, &tip);
        if (err != LX_OK) {
                lx_why_set(why, "the newest block (height %llu) is not complete: %s; run lxnoded "
                    "--check-db, then restore a backup", (unsigned long long)height, lx_err_text(err));
                ledger_tip_clear(&tip);
                return err == LX_ERR_IO ? err : LX_ERR_CORRUPT;
        }
        *out_tip = tip;
        return LX_OK;
}

/* ---- views ------------------------------------------------------------------------------------- */

void
ledger_publish_take(struct ledger *ledger, struct tip *tip)
{
        struct ledger_view *view = lx_alloc(sizeof(*view)), *old;

        atomic_init(&view->refs, 1);
        view->ledger = ledger;
        view->snap = lld_snapshot_new(ledger->db);
        view->tip = *tip;
        pthread_mutex_lock(&ledger->lock);
        old = ledger->newest;
        ledger->newest = view;
        pthread_mutex_unlock(&ledger->lock);
        ledger_view_unref(old);
}

struct ledger_view *
ledger_view_new(struct ledger *ledger)
{
        struct ledger_view *view;

        pthread_mutex_lock(&ledger->lock);
        view = ledger_view_ref(ledger->newest);
        pthread_mutex_unlock(&ledger->lock);
        return view;
}

struct ledger_view *
ledger_view_ref(struct ledger_view *view)
{
        atomic_fetch_add(&view->refs, 1);
        return view;
}

void
ledger_view_unref(struct ledger_view *view)
{
        if (view == NULL || atomic_fetch_sub(&view->refs, 1) != 1)
                return;
        lld_snapshot_free(view->snap);
        ledger_tip_clear(&view->tip);
        lx_free(view);
}

/* ---- blobs ------------------------------------------------------------------------------------- */

static enum lx_err
read_all(int fd, uint64_t len, struct lx_buf *out)
{
        uint8_t *p = lx_try_alloc(len > 0 ? len : 1);

        if (p == NULL)
                return LX_ERR_NOMEM;
        *out = (struct lx_buf){.p = p, .cap = len > 0 ? len : 1};
        while (out->len < len) {
                ssize_t n = pread(fd, p + out->len, len - out->len, (off_t)out->len);

                if (n <= 0)
                        return LX_ERR_IO;
                out->len += (size_t)n;
        }
        return LX_OK;
}

static enum lx_err
check_manifest(int fd, uint64_t len, const struct lx_hash *root, struct lx_why *why)
{
        struct lx_buf buf = {0};
        struct lx_hash got;
        uint32_t count;
        enum lx_err err = read_all(fd, len, &buf);

        if (err == LX_OK)
                err = sigchain_manifest_read(
                    &lx_crypto_ops()->hash, lx_buf_span(&buf), NULL, NULL, &got, &count);
        if (err == LX_OK && !lx_hash_eq(&got, root)) {
                lx_why_set(why, "the manifest's root is not the one it was announced with");
                err = LX_ERR_PROOF;
        }
        lx_buf_clear(&buf);
        return err;
}

static enum lx_err
check_leaves(int fd, uint64_t len, const struct lx_hash *root, struct lx_why *why)
{
        struct merkle_frontier frontier = {0}; /* over the roots of parts: the same tree, each is 2^n */
        struct lx_hash part[LEAVES_PART], got;
        uint64_t at = 0;

        if (len % LX_HASH_LEN != 0) {
                lx_why_set(why, "%llu bytes are no whole number of leaf hashes", (unsigned long long)len);
                return LX_ERR_FORMAT;
        }
        while (at < len) {
                size_t want = len - at < sizeof(part) ? (size_t)(len - at) : sizeof(part);
                ssize_t n = pread(fd, part, want, (off_t)at);

                if (n != (ssize_t)want)
                        return LX_ERR_IO;
                merkle_log_root(&lx_crypto_ops()->hash, part, want / LX_HASH_LEN, &got);
                merkle_frontier_append(&lx_crypto_ops()->hash, &frontier, &got, NULL, NULL);
                at += want;
        }
        merkle_frontier_root(&lx_crypto_ops()->hash, &frontier, &got);
        if (lx_hash_eq(&got, root))
                return LX_OK;
        lx_why_set(why, "the leaf hashes have another root than the one they were announced with");
        return LX_ERR_PROOF;
}

/* The bytes of a file against the root of its file tree. */
static enum lx_err
check_content(int fd, uint64_t len, const struct lx_hash *root, struct lx_why *why)
{
        struct merkle_frontier frontier = {0};
        uint8_t part[CONTENT_PAGES * LX_PAGE_LEN];
        struct lx_hash leaf[CONTENT_PAGES], got;

        for (uint64_t at = 0; at < len; at += sizeof(part)) {
                size_t want = len - at < sizeof(part) ? (size_t)(len - at) : sizeof(part);
                size_t pages = (want + LX_PAGE_LEN - 1) / LX_PAGE_LEN;

                if (pread(fd, part, want, (off_t)at) != (ssize_t)want)
                        return LX_ERR_IO;
                memset(part + want, 0, pages * LX_PAGE_LEN - want);
                lx_blake2b_pages(&LX_TAG_LEAF, part, pages, leaf);
                for (size_t i = 0; i < pages; i++)
                        merkle_frontier_append(&lx_crypto_ops()->hash, &frontier, &leaf[i], NULL, NULL);
        }
        merkle_frontier_root(&lx_crypto_ops()->hash, &frontier, &got);
        if (lx_hash_eq(&got, root))
                return LX_OK;
        lx_why_set(why, "the content has another root than the one it was announced with");
        return LX_ERR_PROOF;
}

const struct blob_kind *
ledger_blob_kinds(void)
{
        static const struct blob_kind kinds[LEDGER_BLOB_COUNT_] = {
            [LEDGER_BLOB_MANIFEST] = {"manifest", SIGCHAIN_MANIFEST_MAX, check_manifest},
            [LEDGER_BLOB_LEAVES] = {"leaves", LEAVES_MAX, check_leaves},
            [LEDGER_BLOB_CONTENT] = {"content", CONTENT_MAX, check_content},
        };

        return kinds;
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* The genesis document: the store's, and the caller's must be the same. */
static enum lx_err
load_genesis(struct ledger *ledger, const struct ledger_options *options, bool *out_empty,
    struct lx_why *why)
{
        struct lx_buf *bytes = &ledger->genesis_bytes;
        enum lx_err err = lld_get(ledger->db, NULL, LEDGER_META, "genesis", 7, bytes);

        *out_empty = err == LX_ERR_ABSENT;
        if (*out_empty && options->genesis == NULL) {
                lx_why_set(why, "the data directory is new and no genesis document was given");
                return LX_ERR_ABSENT;
        }
        if (*out_empty) {
                lx_buf_append(bytes, options->genesis, options->genesis_len);
                err = LX_OK;
        }
        if (err != LX_OK)
                return err;
        if (options->genesis != NULL && (bytes->len != options->genesis_len ||
                memcmp(bytes->p, options->genesis, bytes->len) != 0)) { /* public */
                lx_why_set(why, "the genesis document is not the one that this data directory began "
                    "with: for another network use another --datadir, else put the old document back");
                return LX_ERR_EXISTS;
        }
        ledger->genesis = lx_alloc(sizeof(*ledger->genesis));
        err = sigchain_genesis_decode(bytes->p, bytes->len, ledger->genesis);
        if (err != LX_OK)
                lx_why_set(why, "the genesis document is not valid: %s", lx_err_text(err));
        return err;
}

enum lx_err
ledger_open(const struct ledger_options *options, struct ledger **out_ledger, struct lx_why *why)
{
        static const struct lx_hash state_tree = {{0}};
        struct ledger *ledger = lx_alloc(sizeof(*ledger));
        struct merkle_pages source = {.get = ledger_get_page, .arg = &ledger->pages};
        struct tip tip;
        bool empty = false;
        enum lx_err err;

        ledger->db = options->db;
        ledger->blobs = options->blobs;
        ledger->ops = lx_crypto_ops();
        ledger->pool = options->pool;
        pthread_mutex_init(&ledger->lock, NULL);
        ledger->pages.db = ledger->db;
        ledger->tree = merkle_state_new(ledger_ops(ledger), &source, &state_tree,
            options->tree_cache_bytes > 0 ? options->tree_cache_bytes : TREE_CACHE);
        err = load_genesis(ledger, options, &empty, why);
        if (err == LX_OK) {
                sigchain_chain_id(ledger_ops(ledger), ledger->genesis_bytes.p,
                    ledger->genesis_bytes.len, &ledger->chain_id);
                if (ledger->genesis->token_supply > 0)
                        sigchain_token_address(ledger_ops(ledger), &ledger->chain_id, &ledger->token);
        }
        if (err == LX_OK && empty)
                err = ledger_write_genesis(ledger, why);
        if (err == LX_OK)
                err = ledger_resume_import(ledger, why);
        if (err == LX_OK)
                err = ledger_fill_keys(ledger, why);
        if (err == LX_OK)
                err = ledger_load_tip(ledger, &tip, why);
        if (err != LX_OK) {
                ledger_close(ledger);
                return err;
        }
        ledger_publish_take(ledger, &tip);
        *out_ledger = ledger;
        return LX_OK;
}

void
ledger_close(struct ledger *ledger)
{
        if (ledger == NULL)
                return;
        lx_assert(ledger->newest == NULL || atomic_load(&ledger->newest->refs) == 1);
        ledger_view_unref(ledger->newest);
        merkle_state_free(ledger->tree);
        pthread_mutex_destroy(&ledger->lock);
        lx_buf_clear(&ledger->genesis_bytes);
        lx_free(ledger->genesis);
        lx_free(ledger);
}

const struct lx_hash *
ledger_chain_id(const struct ledger *ledger)
{
        return &ledger->chain_id;
}

const struct sigchain_genesis *
ledger_genesis(const struct ledger *ledger)
{
        return ledger->genesis;
}

struct lx_span
ledger_genesis_bytes(const struct ledger *ledger)
{
        return lx_buf_span(&ledger->genesis_bytes);
}
