/*
 * guard/cache.c - the evidence on disk.
 *
 *   8 bytes "LXGUARD1"; hash chain id; u64 pinned height; hash pinned header
 *   u32 steps, each: var16 header, var16 certificate, var16 validator set
 *   u16 views, each: genesis (32), var16 header, var16 certificate, var16 set, var16 chain record,
 *     var16 proof; u32 transactions, each u64 first seen (ms), var16 bytes, oldest first;
 *     u32 manifests, each u32 number of the release (they rise), var32 bytes
 *   hash H(lx.guard, all before): damage is told from lies
 */
#include "config.h"
#include "guard/view_int.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tags.h"

#include <stdlib.h>
#include <string.h>

static const char MAGIC[8] = {'L', 'X', 'G', 'U', 'A', 'R', 'D', '1'};

/* ---- writing ----------------------------------------------------------------------------------- */

static void
add_number(struct lx_buf *out, unsigned bytes, uint64_t v)
{
        uint8_t be[8];

        lx_put_be64(be, v);
        lx_buf_append(out, be + 8 - bytes, bytes);
}

static void
add_var(struct lx_buf *out, unsigned bytes, const struct lx_buf *b)
{
        add_number(out, bytes, b->len);
        lx_buf_append(out, b->p, b->len);
}

static void
add_view(const struct guard_view *view, struct lx_buf *out)
{
        uint32_t manifests = 0;

        lx_buf_append(out, view->genesis.b, LX_HASH_LEN);
        add_var(out, 2, &view->record.header);
        add_var(out, 2, &view->record.cert);
        add_var(out, 2, &view->record.valset);
        add_var(out, 2, &view->record.value);
        add_var(out, 2, &view->record.path);
        add_number(out, 4, view->tx_count);
        for (size_t i = 0; i < view->tx_count; i++) {
                add_number(out, 8, view->tx[i].seen_ms);
                add_var(out, 2, &view->tx[i].bytes);
        }
        for (size_t i = 0; i < view->made_committed; i++)
                manifests += view->made[i].bytes.len > 0;
        add_number(out, 4, manifests);
        for (size_t i = 0; i < view->made_committed; i++)
                if (view->made[i].bytes.len > 0) {
                        add_number(out, 4, i);
                        add_var(out, 4, &view->made[i].bytes);
                }
}

/* Lower heights first, so that reading them only moves forward. */
static int
compare_views(const void *a, const void *b)
{
        const struct guard_view *x = *(struct guard_view *const *)a, *y = *(struct guard_view *const *)b;

        return (x->record.height > y->record.height) - (x->record.height < y->record.height);
}

void
guard_cache_encode(
    const struct guard_trust *trust, struct guard_view *const *views, size_t count, struct lx_buf *out)
{
        struct guard_view **sorted = lx_alloc_array(count + 1, sizeof(*sorted));
        size_t start = out->len, proven = 0;
        struct lx_hash sum;

        for (size_t i = 0; i < count; i++)
                if (views[i]->record.height > 0)
                        sorted[proven++] = views[i];
        qsort(sorted, proven, sizeof(struct guard_view *), compare_views);
        lx_buf_append(out, MAGIC, sizeof(MAGIC));
        lx_buf_append(out, trust->pin.chain_id, LX_HASH_LEN);
        add_number(out, 8, trust->pin.height);
        lx_buf_append(out, trust->pin.header, LX_HASH_LEN);
        add_number(out, 4, trust->step_count);
        lx_buf_append(out, trust->steps.p, trust->steps.len);
        add_number(out, 2, proven);
        for (size_t i = 0; i < proven; i++)
                add_view(sorted[i], out);
        lx_blake2b(&LX_TAG_GUARD, out->p + start, out->len - start, &sum);
        lx_buf_append(out, sum.b, LX_HASH_LEN);
        lx_free(sorted);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static enum lx_err
read_pin(struct lx_reader *rd, const struct guard_trust *trust, struct lx_why *why)
{
        struct lx_span magic = lx_read_span(rd, sizeof(MAGIC));
        struct lx_hash chain = lx_read_hash(rd), header;
        uint64_t height = lx_read_u64(rd);

        header = lx_read_hash(rd);
        if (rd->err != LX_OK || memcmp(magic.p, MAGIC, sizeof(MAGIC)) != 0) /* public */
                return LX_ERR_CORRUPT;
        if (height == trust->pin.height && memcmp(header.b, trust->pin.header, LX_HASH_LEN) == 0 && /* public */
            memcmp(chain.b, trust->pin.chain_id, LX_HASH_LEN) == 0) /* public */
                return LX_OK;
        lx_why_set(why, "the cache stands on another pinned header (height %llu)", (unsigned long long)height);
        return LX_ERR_UNTRUSTED;
}

static enum lx_err
read_steps(struct lx_reader *rd, struct guard_trust *trust, struct lx_why *why)
{
        uint32_t count = lx_read_u32(rd);
        enum lx_err err = rd->err;

        for (uint32_t i = 0; i < count && err == LX_OK; i++) {
                struct guard_proof proof = {0};
                struct lxv_header header;

                proof.header = lx_read_var16(rd, UINT16_MAX);
                proof.cert = lx_read_var16(rd, UINT16_MAX);
                proof.valset = lx_read_var16(rd, UINT16_MAX);
                err = rd->err == LX_OK ? guard_trust_accept(trust, &proof, 0, &header, why) : rd->err;
        }
        return err;
}

struct cached_tx {
        uint64_t seen_ms;
        struct lx_span bytes;
};

/* They lie oldest first and are wanted newest first. */
static enum lx_err
give_txs(struct lx_reader *rd, struct guard_view *view, struct lx_why *why)
{
        uint32_t count = lx_read_u32(rd);
        struct cached_tx *t;
        enum lx_err err = LX_OK;

        if (rd->err != LX_OK || count > rd->left / 10)
                return LX_ERR_CORRUPT;
        t = lx_try_alloc_array(count + 1u, sizeof(*t));
        if (t == NULL)
                return LX_ERR_NOMEM;
        for (uint32_t i = 0; i < count; i++) {
                t[i].seen_ms = lx_read_u64(rd);
                t[i].bytes = lx_read_var16(rd, UINT16_MAX);
        }
        if (rd->err != LX_OK || count != view->next.chain.sequence - view->tx_count)
                err = LX_ERR_CORRUPT;
        for (uint32_t i = count; i > 0 && err == LX_OK; i--) {
                view->next.time_ms = t[i - 1].seen_ms;
                err = guard_view_give_tx(view, t[i - 1].bytes, why);
        }
        lx_free(t);
        return err;
}

static enum lx_err
give_manifests(struct lx_reader *rd, struct guard_view *view, struct lx_why *why)
{
        uint32_t count = lx_read_u32(rd);
        uint64_t next = 0;
        enum lx_err err = rd->err;

        for (uint32_t i = 0; i < count && err == LX_OK; i++) {
                uint32_t number = lx_read_u32(rd);
                struct lx_span bytes = lx_read_var32(rd, SIGCHAIN_MANIFEST_MAX);

                if (rd->err != LX_OK || number < next || number >= view->made_count)
                        return LX_ERR_CORRUPT;
                next = (uint64_t)number + 1;
                err = guard_view_put_manifest(view, number, bytes, why);
        }
        return err;
}

static struct guard_view *
find_view(struct guard_view *const *views, size_t count, const struct lx_hash *genesis)
{
        for (size_t i = 0; i < count; i++)
                if (lx_hash_eq(&views[i]->genesis, genesis))
                        return views[i];
        return NULL;
}

static enum lx_err
read_view(struct lx_reader *rd, struct guard_trust *trust, struct guard_view *const *views, size_t count,
    struct lx_why *why)
{
        struct lx_hash genesis = lx_read_hash(rd);
        struct guard_view *spare = NULL, *view = find_view(views, count, &genesis);
        struct guard_proof proof = {0};
        uint64_t time_ms;
        enum lx_err err;

        /* A publisher that the policy names no more is read over. */
        if (view == NULL)
                view = spare = guard_view_new(&genesis, true);
        proof.header = lx_read_var16(rd, UINT16_MAX);
        proof.cert = lx_read_var16(rd, UINT16_MAX);
        proof.valset = lx_read_var16(rd, UINT16_MAX);
        proof.value = lx_read_var16(rd, UINT16_MAX);
        proof.path = lx_read_var16(rd, UINT16_MAX);
        err = rd->err == LX_OK ? guard_view_begin(view, trust, &proof, 0, why) : LX_ERR_CORRUPT;
        time_ms = view->next.time_ms;
        if (err == LX_OK)
                err = give_txs(rd, view, why);
        if (err == LX_OK)
                err = give_manifests(rd, view, why);
        view->next.time_ms = time_ms;
        if (err == LX_OK && !guard_view_commit(view))
                err = LX_ERR_CORRUPT;
        guard_view_abort(view);
        guard_view_free(spare);
        return err;
}

enum lx_err
guard_cache_decode(struct lx_span bytes, struct guard_trust *trust, struct guard_view *const *views,
    size_t count, struct lx_why *why)
{
        struct lx_reader rd;
        struct lx_hash sum;
        uint16_t stored;
        enum lx_err err;

        if (bytes.len < LX_HASH_LEN || bytes.len > GUARD_CACHE_MAX)
                return LX_ERR_CORRUPT;
        lx_blake2b(&LX_TAG_GUARD, bytes.p, bytes.len - LX_HASH_LEN, &sum);
        if (memcmp(sum.b, bytes.p + bytes.len - LX_HASH_LEN, LX_HASH_LEN) != 0) { /* public */
                lx_why_set(why, "the cache is damaged: its checksum differs");
                return LX_ERR_CORRUPT;
        }
        rd = lx_reader_init(bytes.p, bytes.len - LX_HASH_LEN);
        err = read_pin(&rd, trust, why);
        if (err == LX_OK)
                err = read_steps(&rd, trust, why);
        stored = lx_read_u16(&rd);
        for (uint16_t i = 0; i < stored && err == LX_OK; i++)
                err = read_view(&rd, trust, views, count, why);
        if (err == LX_OK && lx_reader_end(&rd) != LX_OK)
                err = LX_ERR_CORRUPT;
        return err;
}
