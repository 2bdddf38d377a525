/*
 * tests/unit/check_snapshot.c - src/ledger/snapshot.c, import*.c: a state in pieces, each verified alone;
 * interrupted at every write; and a ledger that goes on from it as if it had executed everything.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "kit/rich.h"
#include "ledger/maintain.h"
#include "ledger/snapshot.h"
#include "unit.h"

/* Headers with certificates of @r from the import's last one on. */
static enum lx_err
import_headers(struct rich *r, struct ledger_import *import, uint64_t to, struct lx_why *why)
{
        struct ledger_view *view = ledger_view_new(r->kit.ledger);
        enum lx_err err = LX_OK;
        uint64_t h = ledger_import_last_header(import, NULL, NULL) + 1;

        for (; h <= to && err == LX_OK; h++) {
                struct ledger_certified one;
                struct lx_buf cert = {0};

                ck_assert_int_eq(ledger_get_header(view, h, &one.header), LX_OK);
                ck_assert_int_eq(ledger_get_cert(view, h, &cert), LX_OK);
                one.cert = lx_buf_span(&cert);
                one.set = LX_SPAN(NULL, 0);
                err = ledger_import_headers(import, &one, 1, why);
                lx_buf_clear(&cert);
        }
        ledger_view_unref(view);
        return err;
}

static enum lx_err
import_blob(struct rich *r, struct kit_ledger *to, struct ledger_import *import,
    const struct ledger_want *want, struct lx_why *why)
{
        unsigned kind = want->key.b[0];
        struct lx_buf bytes = {0};
        uint64_t len = 0;

        ck_assert(blob_has(r->kit.blobs, kind, &want->tree, &len));
        ck_assert_int_eq(blob_read(r->kit.blobs, kind, &want->tree, 0, (size_t)len, &bytes), LX_OK);
        ck_assert_int_eq(blob_put(to->blobs, kind, &want->tree, bytes.p, bytes.len, NULL), LX_OK);
        lx_buf_clear(&bytes);
        return ledger_import_put(import, want, NULL, 0, why);
}

/* The piece for @want; blobs are copied. */
static enum lx_err
import_one(struct rich *r, struct kit_ledger *to, struct ledger_import *import,
    const struct ledger_want *want, struct lx_why *why)
{
        struct ledger_view *view;
        struct lx_buf piece = {0};
        enum lx_err err;

        if (want->section == LEDGER_SECTION_BLOB)
                return import_blob(r, to, import, want, why);
        view = ledger_view_new(r->kit.ledger);
        err = ledger_snapshot_piece(view, ledger_import_height(import), want, &piece);
        ck_assert_int_eq(err, LX_OK);
        ck_assert_uint_le(piece.len, LEDGER_PIECE_MAX);
        err = ledger_import_put(import, want, piece.p, piece.len, why);
        lx_buf_clear(&piece);
        ledger_view_unref(view);
        return err;
}

/* The transactions of the block @height; spans into @bytes. */
static struct ledger_tx *
block_of(struct rich *r, uint64_t height, struct lx_buf *bytes, size_t *out_count)
{
        struct ledger_view *view = ledger_view_new(r->kit.ledger);
        struct lx_buf ids = {0};
        struct ledger_tx *txs;

        ck_assert_int_eq(ledger_get_tx_ids(view, height, &ids), LX_OK);
        *out_count = ids.len / LX_HASH_LEN;
        txs = lx_alloc_array(*out_count + 1, sizeof(*txs));
        for (size_t i = 0; i < 2 * *out_count; i++) {
                struct ledger_tx *tx = &txs[i % *out_count];
                struct lx_hash id;
                uint64_t where;
                uint32_t index;
                size_t before;

                if (i == *out_count)
                        lx_buf_reset(bytes); /* it grows no more */
                before = bytes->len;
                memcpy(id.b, ids.p + i % *out_count * LX_HASH_LEN, LX_HASH_LEN);
                ck_assert_int_eq(ledger_get_tx(view, &id, bytes, &where, &index), LX_OK);
                tx->bytes = bytes->p + before;
                tx->len = bytes->len - before;
        }
        lx_buf_clear(&ids);
        ledger_view_unref(view);
        return txs;
}

/* All of it, from where it stands; @height 0: the one that was begun. */
static enum lx_err
import_all(struct rich *r, struct kit_ledger *to, uint64_t height, struct lx_why *why)
{
        struct ledger_import *import;
        struct ledger_want want[3];
        struct lx_buf bytes = {0};
        struct ledger_tx *txs;
        size_t count = 0;
        enum lx_err err = ledger_import_open(to->ledger, height, &import, why);

        if (err != LX_OK)
                return err;
        height = ledger_import_height(import);
        err = import_headers(r, import, height, why);
        while (err == LX_OK) {
                err = ledger_import_wants(import, want, 3, &count);
                if (err != LX_OK || count == 0)
                        break;
                for (size_t i = count; i-- > 0 && err == LX_OK;)
                        err = import_one(r, to, import, &want[i], why);
        }
        if (err == LX_OK) {
                txs = block_of(r, height, &bytes, &count);
                err = ledger_import_finish(import, txs, count, why);
                lx_free(txs);
                lx_buf_clear(&bytes);
                if (err == LX_OK)
                        return LX_OK;
        }
        ledger_import_close(import);
        return err;
}

/* ---- comparing --------------------------------------------------------------------------------- */

static void
expect_register(struct ledger_view *a, struct ledger_view *b, const struct lx_hash *address)
{
        struct lx_buf va = {0}, vb = {0}, proof = {0};
        static const enum sigchain_kind kind = SIGCHAIN_KIND_REGISTER;

        ck_assert_int_eq(ledger_get_state(a, kind, address->b, 32, LEDGER_NOW, &va, NULL), LX_OK);
        ck_assert_int_eq(ledger_get_state(b, kind, address->b, 32, LEDGER_NOW, &vb, NULL), LX_OK);
        ck_assert_uint_eq(va.len, vb.len);
        ck_assert_int_eq(memcmp(va.p, vb.p, va.len), 0);
        ck_assert_int_eq(ledger_prove_state(b, kind, address->b, 32, LEDGER_NOW, &proof), LX_OK);
        lx_buf_clear(&va);
        lx_buf_clear(&vb);
        lx_buf_clear(&proof);
}

static void
expect_lists(struct ledger_view *a, struct ledger_view *b, const struct lx_hash *owner)
{
        struct lx_hash x[64], y[64];
        size_t n = 0, m = 0;

        for (unsigned type = 0; type < 0x20; type++) {
                ck_assert_int_eq(ledger_list_owned(a, owner, type, NULL, x, 64, &n), LX_OK);
                ck_assert_int_eq(ledger_list_owned(b, owner, type, NULL, y, 64, &m), LX_OK);
                ck_assert_uint_eq(n, m);
                ck_assert_int_eq(memcmp(x, y, n * sizeof(x[0])), 0);
                for (size_t i = 0; i < n; i++)
                        expect_register(a, b, &x[i]);
        }
}

static void
expect_digest(struct ledger_view *a, struct ledger_view *b, const struct lx_hash *digest)
{
        struct ledger_published x[4], y[4];
        struct lx_buf p = {0}, q = {0};
        size_t n = 0, m = 0;

        ck_assert_int_eq(ledger_find_digest(a, digest, x, 4, &n), LX_OK);
        ck_assert_int_eq(ledger_find_digest(b, digest, y, 4, &m), LX_OK);
        ck_assert_uint_eq(n, m);
        for (size_t k = 0; k < n; k++) {
                ck_assert(lx_hash_eq(&x[k].publisher, &y[k].publisher));
                ck_assert(lx_hash_eq(&x[k].release, &y[k].release));
                ck_assert_uint_eq(x[k].entry, y[k].entry);
                ck_assert_uint_eq(x[k].height, y[k].height);
                ck_assert_uint_eq(x[k].offset, y[k].offset);
                ck_assert_uint_eq(x[k].length, y[k].length);
                ck_assert_int_eq(ledger_prove_digest(a, &x[k].publisher, digest, &p), LX_OK);
                ck_assert_int_eq(ledger_prove_digest(b, &x[k].publisher, digest, &q), LX_OK);
        }
        ck_assert_uint_eq(p.len, q.len);
        ck_assert(p.len == 0 || memcmp(p.p, q.p, p.len) == 0);
        lx_buf_clear(&p);
        lx_buf_clear(&q);
}

static void
expect_digests(struct rich *r, struct ledger_view *a, struct ledger_view *b)
{
        for (unsigned salt = 0; salt <= r->releases; salt++)
                for (unsigned i = 0; i < 300; i += 23) {
                        unsigned seed[2] = {salt, i};
                        struct lx_tag tag = {"test.sha"};
                        struct lx_hash digest;

                        lx_hash1(&lx_crypto_ops()->hash, &tag, seed, sizeof(seed), &digest);
                        expect_digest(a, b, &digest);
                }
}

static void
expect_totals(struct ledger_view *a, struct ledger_view *b)
{
        struct ledger_stats sa, sb;

        ledger_get_stats(a, &sa);
        ledger_get_stats(b, &sb);
        ck_assert_uint_eq(sa.transactions, sb.transactions);
        ck_assert_uint_eq(sa.registers, sb.registers);
        ck_assert_uint_eq(sa.chains, sb.chains);
        ck_assert_uint_eq(sa.digests, sb.digests);
}

/* The imported ledger answers as the other one does. */
static void
expect_equal(struct rich *r, struct kit_ledger *to)
{
        struct ledger_view *a = ledger_view_new(r->kit.ledger), *b = ledger_view_new(to->ledger);
        struct merkle_path path;
        struct lx_buf buf = {0};
        struct lx_hash match;
        uint8_t addr[16] = {10, 77, 1, 2};
        bool found = false;

        ck_assert(lx_hash_eq(ledger_view_header_hash(a), ledger_view_header_hash(b)));
        expect_totals(a, b);
        for (unsigned i = 0; i < 3; i++)
                expect_lists(a, b, &r->author[i].genesis);
        expect_digests(r, a, b);
        for (uint64_t i = 0; i < r->entries; i += 7)
                ck_assert_int_eq(ledger_get_log_entry(b, &r->append, i, &buf, &path), LX_OK);
        lx_buf_reset(&buf);
        ck_assert_int_eq(ledger_match_prefix(b, 0, 4, addr, &match, &found, &buf), LX_OK);
        ck_assert(found);
        for (uint64_t h = 0; h < ledger_view_header(b)->height; h += 5)
                ck_assert_int_eq(ledger_prove_header(b, h, &path), LX_OK);
        lx_buf_clear(&buf);
        ledger_view_unref(a);
        ledger_view_unref(b);
}

static void
finding(void *arg, const char *text)
{
        (void)arg;
        (void)fprintf(stderr, "check: %s\n", text);
}

static void
expect_sound(struct kit_ledger *to)
{
        struct lx_why why = {{0}};

        ck_assert_msg(
            ledger_check_all(to->ledger, NULL, finding, NULL, &why) == LX_OK, "%s", why.text);
}

/* ---- the tests --------------------------------------------------------------------------------- */

START_TEST(test_import)
{
        struct rich r;
        struct kit_ledger to;
        struct lx_why why = {{0}};
        uint64_t height;

        rich_init(&r, 3000, 250);
        height = kit_ledger_tip(&r.kit, NULL);
        kit_ledger_init(&to, &r.genesis);
        ck_assert_msg(import_all(&r, &to, height, &why) == LX_OK, "%s", why.text);
        ck_assert_uint_eq(kit_ledger_tip(&to, NULL), height);
        expect_equal(&r, &to);
        expect_sound(&to);
        /* It goes on, before and after it is opened again. */
        for (int i = 0; i < 3; i++) {
                rich_grow(&r);
                rich_copy_blobs(&r, &to);
                rich_copy_chain(&r, &to);
                kit_ledger_reopen(&to);
        }
        expect_equal(&r, &to);
        expect_sound(&to);
        kit_ledger_clear(&to);
        rich_clear(&r);
}
END_TEST

/* A height that is not the tip any more; and from a ledger that was imported itself. */
START_TEST(test_older_height)
{
        struct rich r, second;
        struct kit_ledger to, third;
        struct lx_why why = {{0}};
        struct lx_hash want, got;
        uint64_t height;

        rich_init(&r, 500, 30);
        height = kit_ledger_tip(&r.kit, &want);
        for (int i = 0; i < 4; i++)
                rich_grow(&r);
        kit_ledger_init(&to, &r.genesis);
        ck_assert_msg(import_all(&r, &to, height, &why) == LX_OK, "%s", why.text);
        ck_assert_uint_eq(kit_ledger_tip(&to, &got), height);
        ck_assert(lx_hash_eq(&want, &got));
        rich_copy_blobs(&r, &to);
        rich_copy_chain(&r, &to);
        expect_equal(&r, &to);
        second = r;
        second.kit = to;
        kit_ledger_init(&third, &r.genesis);
        ck_assert_int_eq(import_all(&second, &third, kit_ledger_tip(&to, NULL) - 1, &why), LX_OK);
        rich_copy_blobs(&r, &third);
        rich_copy_chain(&r, &third);
        expect_equal(&r, &third);
        kit_ledger_clear(&third);
        kit_ledger_clear(&to);
        rich_clear(&r);
}
END_TEST

/* A ledger after the crash, taken up again until it is complete. */
static void
import_again(struct rich *r, struct kit_ledger *to, uint64_t height, uint64_t keep)
{
        struct lx_why why = {{0}};
        enum lx_err err;

        lld_disk_fail(to->disk, LLD_FAULT_NONE, 0, false);
        lld_disk_crash(to->disk, keep);
        kit_ledger_reopen(to);
        if (kit_ledger_tip(to, NULL) == height)
                return;
        err = import_all(r, to, 0, &why);
        if (err == LX_ERR_ABSENT) /* it had not begun on disk */
                err = import_all(r, to, height, &why);
        ck_assert_msg(err == LX_OK, "%s: %s", lx_err_text(err), why.text);
}

/* The n-th write fails and the machine with it, for n all over; afterwards it goes on where it was. */
START_TEST(test_every_write)
{
        struct rich r;
        uint64_t height;
        bool done = false;

        rich_init(&r, 40, 20);
        height = kit_ledger_tip(&r.kit, NULL);
        for (uint64_t n = 1; !done; n += n < 24 ? 3 : 23) {
                struct kit_ledger to;
                enum lx_err err;

                kit_ledger_init(&to, &r.genesis);
                lld_disk_fail(to.disk, LLD_FAULT_WRITE, n, false);
                err = import_all(&r, &to, height, NULL);
                done = err == LX_OK;
                if (!done) {
                        ck_assert_int_eq(err, LX_ERR_IO);
                        import_again(&r, &to, height, n % 5);
                }
                expect_equal(&r, &to);
                kit_ledger_clear(&to);
        }
        for (uint64_t n = 1; n < 4; n++) {
                struct kit_ledger to;

                kit_ledger_init(&to, &r.genesis);
                lld_disk_fail(to.disk, LLD_FAULT_SYNC, n, false);
                if (import_all(&r, &to, height, NULL) != LX_OK)
                        import_again(&r, &to, height, 0);
                expect_equal(&r, &to);
                kit_ledger_clear(&to);
        }
        rich_clear(&r);
}
END_TEST

/* What is changed, cut or longer is refused, and changes nothing. */
static void
expect_refused(struct ledger_view *view, struct ledger_import *import, const struct ledger_want *want)
{
        static uint64_t random = 12345;
        struct lx_buf piece = {0};
        uint64_t height = ledger_import_height(import);

        ck_assert_int_eq(ledger_snapshot_piece(view, height, want, &piece), LX_OK);
        for (size_t at = 0; at < piece.len; at += 1 + piece.len / 60) {
                random = random * 6364136223846793005ull + 1442695040888963407ull;
                piece.p[at] ^= (uint8_t)(1u << (random >> 60) % 8);
                ck_assert_int_ne(ledger_import_put(import, want, piece.p, piece.len, NULL), LX_OK);
                lx_buf_reset(&piece);
                ck_assert_int_eq(ledger_snapshot_piece(view, height, want, &piece), LX_OK);
        }
        for (size_t cut = 0; cut < piece.len; cut += 1 + piece.len / 40)
                ck_assert_int_ne(ledger_import_put(import, want, piece.p, cut, NULL), LX_OK);
        lx_buf_append(&piece, "", 1);
        ck_assert_int_ne(ledger_import_put(import, want, piece.p, piece.len, NULL), LX_OK);
        lx_buf_clear(&piece);
}

START_TEST(test_lies)
{
        struct rich r;
        struct kit_ledger to;
        struct ledger_import *import;
        struct ledger_view *view;
        struct ledger_want *want = lx_alloc_array(512, sizeof(*want));
        unsigned seen[6] = {0};
        size_t count = 1;
        uint64_t height;

        rich_init(&r, 600, 120);
        height = kit_ledger_tip(&r.kit, NULL);
        view = ledger_view_new(r.kit.ledger);
        kit_ledger_init(&to, &r.genesis);
        ck_assert_int_eq(ledger_import_open(to.ledger, height, &import, NULL), LX_OK);
        ck_assert_int_eq(import_headers(&r, import, height, NULL), LX_OK);
        while (count > 0) {
                ck_assert_int_eq(ledger_import_wants(import, want, 512, &count), LX_OK);
                for (size_t i = 0; i < count; i++) {
                        struct ledger_want *w = &want[i];

                        if (w->section != LEDGER_SECTION_BLOB && seen[w->section]++ < 12)
                                expect_refused(view, import, w);
                        ck_assert_int_eq(import_one(&r, &to, import, w, NULL), LX_OK);
                        /* A second time it is not wanted. */
                        if (w->section == LEDGER_SECTION_STATE)
                                ck_assert_int_eq(
                                    import_one(&r, &to, import, w, NULL), LX_ERR_ABSENT);
                }
        }
        for (unsigned s = LEDGER_SECTION_STATE; s < LEDGER_SECTION_BLOB; s++)
                ck_assert_uint_gt(seen[s], 0);
        ledger_import_close(import);
        ledger_view_unref(view);
        lx_free(want);
        kit_ledger_clear(&to);
        rich_clear(&r);
}
END_TEST

/* Headers that do not follow are refused; an import is given up for another height. */
START_TEST(test_drop_and_headers)
{
        struct rich r;
        struct kit_ledger to;
        struct ledger_import *import;
        struct ledger_want want[64];
        struct lx_why why = {{0}};
        struct ledger_certified one = {0};
        struct ledger_view *view;
        size_t count;
        uint64_t height;

        rich_init(&r, 300, 10);
        height = kit_ledger_tip(&r.kit, NULL);
        kit_ledger_init(&to, &r.genesis);
        ck_assert_int_eq(ledger_import_open(to.ledger, 0, &import, &why), LX_ERR_ABSENT);
        ck_assert_int_eq(ledger_import_open(to.ledger, height - 3, &import, &why), LX_OK);
        view = ledger_view_new(r.kit.ledger);
        ck_assert_int_eq(ledger_get_header(view, 1, &one.header), LX_OK);
        one.header.time_ms = 0;
        ck_assert_int_eq(ledger_import_headers(import, &one, 1, &why), LX_ERR_PROOF);
        ck_assert_int_eq(ledger_get_header(view, 2, &one.header), LX_OK);
        ck_assert_int_eq(ledger_import_headers(import, &one, 1, &why), LX_ERR_PROOF);
        ledger_view_unref(view);
        ck_assert_int_eq(import_headers(&r, import, height - 3, &why), LX_OK);
        ck_assert_int_eq(ledger_import_wants(import, want, 64, &count), LX_OK);
        for (size_t i = 0; i < count; i++)
                ck_assert_int_eq(import_one(&r, &to, import, &want[i], &why), LX_OK);
        ck_assert_int_eq(ledger_import_finish(import, NULL, 0, &why), LX_ERR_BUSY);
        ledger_import_close(import);
        ck_assert_int_eq(ledger_import_open(to.ledger, height, &import, &why), LX_ERR_BUSY);
        kit_ledger_reopen(&to);
        ck_assert_uint_eq(kit_ledger_tip(&to, NULL), 0);
        ck_assert_int_eq(ledger_import_drop(to.ledger, &why), LX_OK);
        ck_assert_int_eq(import_all(&r, &to, height, &why), LX_OK);
        expect_equal(&r, &to);
        ck_assert_int_eq(ledger_import_open(to.ledger, height, &import, &why), LX_ERR_EXISTS);
        kit_ledger_clear(&to);
        rich_clear(&r);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_import, test_older_height, test_every_write, test_lies,
            test_drop_and_headers, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("snapshot", cases, 120);
}
