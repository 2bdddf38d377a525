/*
 * tests/unit/check_llp_sync.c - src/llp/sync*.c: nodes that catch up from several others on virtual
 * time, with one that lies, one that stalls, one that vanishes; and the codecs.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "kit/world.h"
#include "ledger/evidence.h"
#include "llp/message.h"
#include "unit.h"

#define VALIDATORS 4

/* ---- a chain to be served ---------------------------------------------------------------------- */

struct source {
        struct lx_buf genesis;
        struct kit_ledger kit; /* the original; copied to the servers block by block */
        struct author author;
        struct lx_hash address;
};

static void
source_begin(struct source *s, const char *parameters)
{
        struct lx_buf tx = {0};
        struct lx_span one;

        memset(s, 0, sizeof(*s));
        kit_genesis(VALIDATORS, NULL, parameters, &s->genesis);
        kit_ledger_init(&s->kit, &s->genesis);
        author_init(&s->author, 1, ledger_chain_id(s->kit.ledger));
        author_begin(&s->author, &tx, NULL);
        one = lx_buf_span(&tx);
        kit_ledger_add_block(&s->kit, &one, 1, VALIDATORS);
        lx_buf_reset(&tx);
        author_create_raw(&s->author, "x", 1, &tx, NULL, &s->address);
        one = lx_buf_span(&tx);
        kit_ledger_add_block(&s->kit, &one, 1, VALIDATORS);
        lx_buf_clear(&tx);
}

/* Blocks up to @height: every third is empty, others have one or, every tenth, many. */
static void
source_grow(struct source *s, uint64_t height)
{
        struct lx_buf tx[40] = {{0}};
        struct lx_span span[40];

        for (uint64_t h = kit_ledger_tip(&s->kit, NULL) + 1; h <= height; h++) {
                size_t count = h % 3 == 0 ? 0 : h % 10 == 1 ? 40 : 1;

                for (size_t i = 0; i < count; i++) {
                        uint64_t data[2] = {h, i};

                        lx_buf_reset(&tx[i]);
                        author_write_raw(
                            &s->author, &s->address, data, sizeof(data), &tx[i], NULL);
                        span[i] = lx_buf_span(&tx[i]);
                }
                kit_ledger_add_block(&s->kit, span, count, VALIDATORS);
        }
        for (size_t i = 0; i < 40; i++)
                lx_buf_clear(&tx[i]);
}

static void
source_end(struct source *s)
{
        author_clear(&s->author);
        kit_ledger_clear(&s->kit);
        lx_buf_clear(&s->genesis);
}

/* A node that has the source's chain: by sync from the source itself, which is one more node. */
static void
copy_chain(struct source *s, struct kit_ledger *to)
{
        struct ledger_view *view = ledger_view_new(s->kit.ledger);
        uint64_t top = ledger_view_header(view)->height;

        for (uint64_t h = kit_ledger_tip(to, NULL) + 1; h <= top; h++) {
                struct ledger_header header;
                struct lx_buf ids = {0}, cert = {0}, bytes[64] = {{0}};
                struct ledger_tx txs[64];
                struct ledger_candidate *candidate;
                size_t count;

                ck_assert_int_eq(ledger_get_header(view, h, &header), LX_OK);
                ck_assert_int_eq(ledger_get_tx_ids(view, h, &ids), LX_OK);
                count = ids.len / LX_HASH_LEN;
                ck_assert_uint_le(count, 64);
                for (size_t i = 0; i < count; i++) {
                        struct lx_hash id;
                        uint64_t where;
                        uint32_t index;

                        memcpy(id.b, ids.p + i * LX_HASH_LEN, LX_HASH_LEN);
                        ck_assert_int_eq(ledger_get_tx(view, &id, &bytes[i], &where, &index), LX_OK);
                        txs[i].bytes = bytes[i].p;
                        txs[i].len = bytes[i].len;
                }
                ck_assert_int_eq(ledger_get_cert(view, h, &cert), LX_OK);
                ck_assert_int_eq(
                    ledger_check_block(to->ledger, &header, txs, count, &candidate, NULL), LX_OK);
                ck_assert_int_eq(
                    ledger_commit(to->ledger, candidate, cert.p, cert.len, NULL), LX_OK);
                for (size_t i = 0; i < count; i++)
                        lx_buf_clear(&bytes[i]);
                lx_buf_clear(&ids);
                lx_buf_clear(&cert);
        }
        ledger_view_unref(view);
}

static struct world_node *
add_server(struct world *w, struct source *s)
{
        struct world_node *node = world_add(w, &s->genesis);

        copy_chain(s, &node->kit);
        world_start(node, LLP_SYNC_FULL, 0);
        return node;
}

/* The same tip and the same state as the source. */
static void
expect_same(struct source *s, struct world_node *node)
{
        struct lx_hash want, got;
        uint64_t height = kit_ledger_tip(&s->kit, &want);

        ck_assert_uint_eq(kit_ledger_tip(&node->kit, &got), height);
        ck_assert(lx_hash_eq(&want, &got));
        ck_assert_int_eq(node->failure, LX_OK);
}

/* ---- full sync --------------------------------------------------------------------------------- */

START_TEST(test_full)
{
        struct source s;
        struct world w;
        struct world_node *node;

        source_begin(&s, "\"heartbeat-ms\":0");
        source_grow(&s, 500);
        world_init(&w, 50);
        (void)add_server(&w, &s);
        (void)add_server(&w, &s);
        (void)add_server(&w, &s);
        node = world_add(&w, &s.genesis);
        world_start(node, LLP_SYNC_FULL, 0);
        ck_assert(world_run(&w, node, 500, 60000));
        expect_same(&s, node);
        ck_assert_uint_eq(node->commits, 500);
        /* Behind, then in step: told once each. */
        (void)world_run(&w, node, 501, 1000);
        ck_assert_uint_eq(node->syncing_changes, 2);
        ck_assert(!node->syncing);
        for (uint32_t h = 1; h <= 3; h++)
                ck_assert_uint_eq(node->points[h], 0);
        /* It serves what it got: a node that knows only this one. */
        world_stop(&w.node[0]);
        world_stop(&w.node[1]);
        world_stop(&w.node[2]);
        node = world_add(&w, &s.genesis);
        world_start(node, LLP_SYNC_FULL, 0);
        ck_assert(world_run(&w, node, 500, 60000));
        expect_same(&s, node);
        world_clear(&w);
        source_end(&s);
}
END_TEST

/* All peers are asked, none for everything. */
START_TEST(test_parallel)
{
        struct source s;
        struct world w;
        struct world_node *node;
        struct llp_sync_stats stats;

        source_begin(&s, "\"heartbeat-ms\":0");
        source_grow(&s, 300);
        world_init(&w, 100);
        for (int i = 0; i < 3; i++)
                (void)add_server(&w, &s);
        node = world_add(&w, &s.genesis);
        world_start(node, LLP_SYNC_FULL, 0);
        ck_assert(world_run(&w, node, 300, 60000));
        expect_same(&s, node);
        for (int i = 0; i < 3; i++) {
                llp_sync_get_stats(w.node[i].sync, &stats);
                ck_assert_uint_gt(stats.bytes_out, 1000);
        }
        world_clear(&w);
        source_end(&s);
}
END_TEST

static bool
lie_in_blocks(struct world_node *node, unsigned type, uint8_t *bytes, size_t len)
{
        if (type == LLP_BLOCK && len > 60) {
                bytes[len - 10] ^= 1; /* a signature of the last transaction */
                node->meddled++;
        }
        return true;
}

static bool
lie_in_headers(struct world_node *node, unsigned type, uint8_t *bytes, size_t len)
{
        if (type == LLP_HEADERS && len > 300) {
                bytes[9 + 100] ^= 1; /* the first one's transactions root */
                node->meddled++;
        }
        return true;
}

static bool
lie_in_framing(struct world_node *node, unsigned type, uint8_t *bytes, size_t len)
{
        (void)len;
        if (type == LLP_BLOCK) {
                bytes[9] ^= 0x40; /* the first block's count */
                node->meddled++;
        }
        return true;
}

static bool
claim_much(struct world_node *node, unsigned type, uint8_t *bytes, size_t len)
{
        (void)len;
        if (type == LLP_STATUS) {
                bytes[4] ^= 1; /* a height beyond everything */
                node->meddled++;
        }
        return true;
}

static bool
stall(struct world_node *node, unsigned type, uint8_t *bytes, size_t len)
{
        (void)bytes;
        (void)len;
        node->meddled++;
        return type == LLP_STATUS || type == LLP_GET_HEADERS;
}

/* A node with two honest peers and one that is not; which ends banned if @banned. */
static void
sync_beside(bool (*meddle)(struct world_node *, unsigned, uint8_t *, size_t), bool banned)
{
        struct source s;
        struct world w;
        struct world_node *node, *bad;

        source_begin(&s, "\"heartbeat-ms\":0");
        source_grow(&s, 250);
        world_init(&w, 20);
        bad = add_server(&w, &s);
        bad->meddle = meddle;
        (void)add_server(&w, &s);
        (void)add_server(&w, &s);
        node = world_add(&w, &s.genesis);
        world_start(node, LLP_SYNC_FULL, 0);
        ck_assert(world_run(&w, node, 250, 120000));
        expect_same(&s, node);
        ck_assert_uint_gt(bad->meddled, 0);
        if (banned)
                ck_assert_uint_ge(node->points[bad->handle], LLP_PUNISH_BAN);
        else
                ck_assert_uint_gt(node->points[bad->handle], 0);
        ck_assert_uint_eq(node->points[2], 0);
        ck_assert_uint_eq(node->points[3], 0);
        world_clear(&w);
        source_end(&s);
}

START_TEST(test_liar_blocks)
{
        sync_beside(lie_in_blocks, true);
}
END_TEST

START_TEST(test_liar_headers)
{
        sync_beside(lie_in_headers, true);
}
END_TEST

START_TEST(test_liar_framing)
{
        sync_beside(lie_in_framing, true);
}
END_TEST

START_TEST(test_staller)
{
        sync_beside(stall, false);
}
END_TEST

/* Who claims a height that is not there can't make a node believe that it is behind. */
START_TEST(test_liar_height)
{
        struct source s;
        struct world w;
        struct world_node *node, *bad;

        source_begin(&s, "\"heartbeat-ms\":0");
        source_grow(&s, 60);
        world_init(&w, 20);
        bad = add_server(&w, &s);
        bad->meddle = claim_much;
        (void)add_server(&w, &s);
        node = world_add(&w, &s.genesis);
        world_start(node, LLP_SYNC_FULL, 0);
        ck_assert(world_run(&w, node, 60, 60000));
        expect_same(&s, node);
        (void)world_run(&w, node, 61, 120000);
        ck_assert(!node->syncing);
        ck_assert_uint_gt(node->points[bad->handle], 0);
        world_clear(&w);
        source_end(&s);
}
END_TEST

/* The only peer goes away in the middle, at several points; another comes. */
START_TEST(test_vanish)
{
        struct source s;
        struct world w;
        struct world_node *node, *first, *second;

        source_begin(&s, "\"heartbeat-ms\":0");
        source_grow(&s, 400);
        for (uint64_t at = 20; at < 600; at += 60) {
                world_init(&w, 30);
                first = add_server(&w, &s);
                node = world_add(&w, &s.genesis);
                world_start(node, LLP_SYNC_FULL, 0);
                (void)world_run(&w, node, 400, at);
                world_stop(first);
                (void)world_run(&w, node, 400, 5000);
                second = add_server(&w, &s);
                ck_assert(world_run(&w, node, 400, 60000));
                expect_same(&s, node);
                ck_assert_uint_eq(node->points[second->handle], 0);
                world_clear(&w);
        }
        source_end(&s);
}
END_TEST

/* New blocks are followed when they come; a node that was stopped goes on where it was. */
START_TEST(test_follow)
{
        struct source s;
        struct world w;
        struct world_node *node, *server;

        source_begin(&s, "\"heartbeat-ms\":0");
        source_grow(&s, 30);
        world_init(&w, 20);
        server = add_server(&w, &s);
        node = world_add(&w, &s.genesis);
        world_start(node, LLP_SYNC_FULL, 0);
        ck_assert(world_run(&w, node, 30, 60000));
        for (uint64_t top = 31; top < 40; top++) {
                source_grow(&s, top);
                copy_chain(&s, &server->kit);
                llp_sync_advanced(server->sync, w.now_ms);
                ck_assert(world_run(&w, node, top, 2000));
        }
        world_stop(node);
        kit_ledger_reopen(&node->kit);
        source_grow(&s, 60);
        copy_chain(&s, &server->kit);
        world_start(node, LLP_SYNC_FULL, 0);
        ck_assert(world_run(&w, node, 60, 60000));
        expect_same(&s, node);
        world_clear(&w);
        source_end(&s);
}
END_TEST

/* A disk that fails: the machine says so and stops; nothing wrong is there afterwards. */
START_TEST(test_disk)
{
        struct source s;
        struct world w;
        struct world_node *node;

        source_begin(&s, "\"heartbeat-ms\":0");
        source_grow(&s, 120);
        for (uint64_t n = 1; n < 120; n += 17) {
                uint64_t tip;

                world_init(&w, 20);
                (void)add_server(&w, &s);
                node = world_add(&w, &s.genesis);
                lld_disk_fail(node->kit.disk, LLD_FAULT_WRITE, n, true);
                world_start(node, LLP_SYNC_FULL, 0);
                ck_assert(!world_run(&w, node, 120, 20000));
                ck_assert_int_eq(node->failure, LX_ERR_IO);
                world_stop(node);
                lld_disk_fail(node->kit.disk, LLD_FAULT_NONE, 0, false);
                lld_disk_crash(node->kit.disk, n % 3);
                kit_ledger_reopen(&node->kit);
                tip = kit_ledger_tip(&node->kit, NULL);
                ck_assert_uint_lt(tip, 120);
                world_start(node, LLP_SYNC_FULL, 0);
                ck_assert(world_run(&w, node, 120, 60000));
                expect_same(&s, node);
                world_clear(&w);
        }
        source_end(&s);
}
END_TEST

/* ---- codecs ------------------------------------------------------------------------------------ */

/* ---- a fork ------------------------------------------------------------------------------------ */

#define COMMON 21 /* blocks before the fork; the next one has a transaction on one branch only */

struct fork {
        struct source s; /* one branch: validators 0 to 2 sign, in round 0 */
        struct world w;
        struct world_node *node, *other; /* who looks, and who is on the other branch */
};

/*
 * Both branches from block COMMON on: @ours more blocks on the node's, @theirs on the other, where validators 1 to 3
 * sign: the first @late of those in round 1, the rest in round 0.
 */
static void
fork_begin(struct fork *f, uint64_t ours, uint64_t theirs, uint64_t late)
{
        memset(f, 0, sizeof(*f));
        source_begin(&f->s, "\"heartbeat-ms\":0");
        source_grow(&f->s, COMMON);
        world_init(&f->w, 20);
        f->other = world_add(&f->w, &f->s.genesis);
        copy_chain(&f->s, &f->other->kit);
        for (uint64_t i = 0; i < theirs; i++)
                kit_ledger_add_block_by(
                    &f->other->kit, NULL, 0, VALIDATORS, 0xe, i < late ? 1 : 0);
        source_grow(&f->s, COMMON + ours);
        world_start(f->other, LLP_SYNC_FULL, 0);
        (void)add_server(&f->w, &f->s);
        f->node = world_add(&f->w, &f->s.genesis);
        copy_chain(&f->s, &f->node->kit);
        world_start(f->node, LLP_SYNC_FULL, 0);
}

/* The node stays where it was, and nobody is punished. */
static void
fork_end(struct fork *f)
{
        struct llp_sync_stats stats;

        expect_same(&f->s, f->node);
        llp_sync_get_stats(f->node->sync, &stats);
        ck_assert(!stats.behind);
        for (size_t i = 0; i < f->w.count; i++)
                for (uint32_t h = 1; h <= f->w.count; h++)
                        ck_assert_uint_eq(f->w.node[i].points[h], 0);
        for (size_t i = 0; i < f->w.count; i++)
                for (size_t k = 0; k < f->w.node[i].evidence_count; k++)
                        lx_buf_clear(&f->w.node[i].evidence[k]);
        world_clear(&f->w);
        source_end(&f->s);
}

/* The node's evidence @i would be applied on its branch, is about @height and names validators 1 and 2. */
static void
expect_culprits(struct fork *f, size_t i, uint64_t height)
{
        const struct lx_buf *bytes = &f->node->evidence[i];
        struct ledger_evidence *evidence = lx_alloc(sizeof(*evidence));
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        struct ledger_view *view = ledger_view_new(f->node->kit.ledger);
        struct lx_span set_bytes = ledger_view_valset(view);
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        uint8_t culprits[LEDGER_VOTERS_BYTES];

        ck_assert_int_eq(sigchain_tx_decode(&lx_crypto_ops()->hash, bytes->p, bytes->len, tx), LX_OK);
        ck_assert_int_eq(ledger_evidence_check(view, tx, NULL), LX_OK);
        ck_assert_int_eq(
            ledger_evidence_decode(tx->evidence.p, tx->evidence.len, evidence), LX_OK);
        ck_assert_uint_eq(evidence->height, height);
        ck_assert_int_eq(sigchain_valset_decode(set_bytes.p, set_bytes.len, set), LX_OK);
        ck_assert_int_eq(ledger_evidence_verify(lx_crypto_ops(), ledger_chain_id(f->node->kit.ledger),
                             evidence, set, culprits), LX_OK);
        for (size_t v = 0; v < VALIDATORS; v++)
                ck_assert_int_eq(ledger_bit(culprits, v), v == 1 || v == 2);
        ledger_view_unref(view);
        lx_free(evidence);
        lx_free(set);
        lx_free(tx);
}

/* Whichever is further: certificates that came by sync alone name who signed both. */
START_TEST(test_fork)
{
        static const uint64_t lengths[][2] = {{1, 1}, {3, 3}, {1, 6}, {6, 1}, {2, 300}, {300, 2}};

        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
                struct fork f;

                fork_begin(&f, lengths[i][0], lengths[i][1], 0);
                (void)world_run(&f.w, f.node, UINT64_MAX, 60000);
                ck_assert_uint_eq(f.node->evidence_count, 1);
                expect_culprits(&f, 0, COMMON + 1);
                /* The other branch finds them too, at each of its two peers. */
                ck_assert_uint_eq(f.other->evidence_count, 2);
                fork_end(&f);
        }
}
END_TEST

/* Certificates of different rounds name nobody; the first pair of one round does. */
START_TEST(test_fork_rounds)
{
        struct fork f;

        fork_begin(&f, 4, 4, 4);
        (void)world_run(&f.w, f.node, UINT64_MAX, 60000);
        ck_assert_uint_eq(f.node->evidence_count, 0);
        fork_end(&f);
        fork_begin(&f, 4, 4, 2);
        (void)world_run(&f.w, f.node, UINT64_MAX, 60000);
        ck_assert_uint_eq(f.node->evidence_count, 1);
        expect_culprits(&f, 0, COMMON + 3);
        fork_end(&f);
}
END_TEST

static bool
claim_other(struct world_node *node, unsigned type, uint8_t *bytes, size_t len)
{
        (void)len;
        if (type == LLP_STATUS) {
                bytes[8] ^= 1; /* the tip's hash */
                node->meddled++;
        }
        return true;
}

/* Who says that it is on another branch, and is not, lies. */
START_TEST(test_fork_claimed)
{
        struct source s;
        struct world w;
        struct world_node *node, *bad;

        source_begin(&s, "\"heartbeat-ms\":0");
        source_grow(&s, 30);
        world_init(&w, 20);
        bad = add_server(&w, &s);
        bad->meddle = claim_other;
        (void)add_server(&w, &s);
        node = add_server(&w, &s);
        (void)world_run(&w, node, UINT64_MAX, 60000);
        ck_assert_uint_gt(bad->meddled, 0);
        ck_assert_uint_eq(node->points[bad->handle], LLP_PUNISH_BAN);
        ck_assert_uint_eq(node->points[2], 0);
        ck_assert_uint_eq(node->evidence_count, 0);
        expect_same(&s, node);
        world_clear(&w);
        source_end(&s);
}
END_TEST

START_TEST(test_codecs)
{
        struct llp_status status = {.height = 5000, .earliest = 7, .snapshot_count = 2,
            .snapshot = {1000, 2000}}, got;
        static const unsigned types[] = {
            LLP_GET_HEADERS, LLP_GET_BLOCKS, LLP_GET_SNAPSHOT, LLP_GET_BLOB};
        uint8_t bytes[256];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        llp_status_encode(&status, &wr);
        ck_assert_int_eq(llp_status_decode(bytes, wr.len, &got), LX_OK);
        ck_assert_uint_eq(got.snapshot[1], 2000);
        for (size_t cut = 0; cut < wr.len; cut++)
                ck_assert_int_eq(llp_status_decode(bytes, cut, &got), LX_ERR_TRUNCATED);
        ck_assert_int_eq(llp_status_decode(bytes, wr.len + 1, &got), LX_ERR_TRAILING);
        bytes[wr.len - 1] = 0; /* 1792: still rising */
        ck_assert_int_eq(llp_status_decode(bytes, wr.len, &got), LX_OK);
        bytes[wr.len - 2] = 0; /* 0: below the earliest */
        ck_assert_int_eq(llp_status_decode(bytes, wr.len, &got), LX_ERR_RANGE);
        bytes[48] = LLP_SYNC_SNAPSHOTS_MAX + 1;
        ck_assert_int_eq(llp_status_decode(bytes, wr.len, &got), LX_ERR_RANGE);

        for (size_t i = 0; i < 4; i++) {
                struct llp_request request = {.id = 9, .from = 77, .count = LLP_RANGE_MAX,
                    .section = 1, .offset = 3}, back;

                wr = lx_writer_init(bytes, sizeof(bytes));
                llp_request_encode(types[i], &request, &wr);
                ck_assert_int_eq(llp_request_decode(types[i], bytes, wr.len, &back), LX_OK);
                ck_assert_uint_eq(back.id, 9);
                for (size_t cut = 0; cut < wr.len; cut++)
                        ck_assert_int_eq(
                            llp_request_decode(types[i], bytes, cut, &back), LX_ERR_TRUNCATED);
                ck_assert_int_eq(
                    llp_request_decode(types[i], bytes, wr.len + 1, &back), LX_ERR_TRAILING);
                request.count = LLP_RANGE_MAX + 1;
                /* The content of files goes to nobody. */
                request.section = types[i] == LLP_GET_BLOB ? LEDGER_BLOB_CONTENT : 9;
                wr = lx_writer_init(bytes, sizeof(bytes));
                llp_request_encode(types[i], &request, &wr);
                ck_assert_int_eq(llp_request_decode(types[i], bytes, wr.len, &back), LX_ERR_RANGE);
        }
}
END_TEST

START_TEST(test_answer)
{
        static uint8_t bytes[LLP_SYNC_PIECE_MAX + 16], body[LLP_SYNC_PIECE_MAX + 1];
        struct llp_answer answer = {.id = 1, .number = 2, .last = true,
            .bytes = LX_SPAN(body, LLP_SYNC_PIECE_MAX)}, got;
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        llp_answer_encode(&answer, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        ck_assert_int_eq(llp_answer_decode(bytes, wr.len, &got), LX_OK);
        ck_assert_uint_eq(got.bytes.len, LLP_SYNC_PIECE_MAX);
        ck_assert(got.last);
        ck_assert_int_eq(llp_answer_decode(bytes, wr.len + 1, &got), LX_ERR_RANGE);
        for (size_t cut = 0; cut < 9; cut++)
                ck_assert_int_eq(llp_answer_decode(bytes, cut, &got), LX_ERR_TRUNCATED);
        bytes[8] = 2;
        ck_assert_int_eq(llp_answer_decode(bytes, wr.len, &got), LX_ERR_RANGE);
        answer.bytes.len++;
        wr = lx_writer_init(bytes, sizeof(bytes));
        llp_answer_encode(&answer, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_RANGE);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_full, test_parallel, test_liar_blocks,
            test_liar_headers, test_liar_framing, test_staller, test_liar_height, test_vanish,
            test_follow, test_disk, test_fork, test_fork_rounds, test_fork_claimed, test_codecs,
            test_answer, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("llp_sync", cases, 120);
}
