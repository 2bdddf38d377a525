/*
 * tests/unit/check_llp_snapshot.c - src/llp/sync_snapshot.c: a new node that begins from a state, from several
 * peers on virtual time, with one that lies, stalls or vanishes; killed in the middle; and a node that lacks
 * manifests while it follows block by block.
 */
#include "config.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "kit/rich.h"
#include "kit/world.h"
#include "ledger/maintain.h"
#include "llp/message.h"
#include "unit.h"

#define INTERVAL 10

static struct world_node *
add_server(struct world *w, struct rich *r, bool (*meddle)(struct world_node *, unsigned, uint8_t *, size_t))
{
        struct world_node *node = world_add(w, &r->genesis);

        rich_copy_blobs(r, &node->kit);
        rich_copy_chain(r, &node->kit);
        node->meddle = meddle;
        world_start(node, LLP_SYNC_FULL, INTERVAL);
        return node;
}

/* The tip of the source, and that nothing below the snapshot was executed. */
static void
expect_snapshot(struct rich *r, struct world_node *node)
{
        struct ledger_view *view = ledger_view_new(node->kit.ledger);
        struct lx_hash want, got;
        struct lx_why why = {{0}};
        uint64_t height = kit_ledger_tip(&r->kit, &want);

        ck_assert_uint_eq(kit_ledger_tip(&node->kit, &got), height);
        ck_assert(lx_hash_eq(&want, &got));
        ck_assert_uint_ge(ledger_view_pruned_below(view), INTERVAL);
        ck_assert_int_eq(node->failure, LX_OK);
        ledger_view_unref(view);
        ck_assert_msg(
            ledger_check_all(node->kit.ledger, NULL, NULL, NULL, &why) == LX_OK, "%s", why.text);
}

START_TEST(test_snapshot)
{
        struct rich r;
        struct world w;
        struct world_node *node, *next;
        struct llp_sync_stats stats;
        uint64_t height;

        rich_init(&r, 6000, 300);
        height = kit_ledger_tip(&r.kit, NULL);
        world_init(&w, 50);
        for (int i = 0; i < 3; i++)
                (void)add_server(&w, &r, NULL);
        node = world_add(&w, &r.genesis);
        world_start(node, LLP_SYNC_SNAPSHOT, INTERVAL);
        ck_assert(world_run(&w, node, height, 120000));
        expect_snapshot(&r, node);
        for (int i = 0; i < 3; i++) {
                llp_sync_get_stats(w.node[i].sync, &stats);
                ck_assert_uint_gt(stats.bytes_out, 30000);
                ck_assert_uint_eq(node->points[i + 1], 0);
        }
        /* It serves what it has: a new node that knows only this one. */
        for (int i = 0; i < 3; i++)
                world_stop(&w.node[i]);
        rich_grow(&r);
        rich_copy_blobs(&r, &node->kit);
        rich_copy_chain(&r, &node->kit);
        while (kit_ledger_tip(&r.kit, NULL) % INTERVAL != 1) {
                rich_grow(&r);
                rich_copy_blobs(&r, &node->kit);
                rich_copy_chain(&r, &node->kit);
        }
        llp_sync_advanced(node->sync, w.now_ms);
        next = world_add(&w, &r.genesis);
        world_start(next, LLP_SYNC_SNAPSHOT, INTERVAL);
        ck_assert(world_run(&w, next, kit_ledger_tip(&r.kit, NULL), 120000));
        expect_snapshot(&r, next);
        world_clear(&w);
        rich_clear(&r);
}
END_TEST

/* ---- peers that are not honest ----------------------------------------------------------------- */

static bool
lie_in_pieces(struct world_node *node, unsigned type, uint8_t *bytes, size_t len)
{
        if (type == LLP_SNAPSHOT_PIECE) {
                bytes[len / 2] ^= 4;
                node->meddled++;
        }
        return true;
}

static bool
lie_in_blobs(struct world_node *node, unsigned type, uint8_t *bytes, size_t len)
{
        if (type == LLP_BLOB_PIECE) {
                bytes[len - 1] ^= 4;
                node->meddled++;
        }
        return true;
}

static bool
stall_pieces(struct world_node *node, unsigned type, uint8_t *bytes, size_t len)
{
        (void)bytes;
        (void)len;
        if (type != LLP_SNAPSHOT_PIECE && type != LLP_BLOB_PIECE)
                return true;
        node->meddled++;
        return false;
}

static bool
offer_much(struct world_node *node, unsigned type, uint8_t *bytes, size_t len)
{
        if (type == LLP_STATUS && len > 56) {
                bytes[4] ^= 1; /* height */
                bytes[len - 4] ^= 1; /* the last snapshot */
                node->meddled++;
        }
        return true;
}

static void
snapshot_beside(bool (*meddle)(struct world_node *, unsigned, uint8_t *, size_t), bool banned)
{
        struct rich r;
        struct world w;
        struct world_node *node, *bad;
        uint64_t height;

        rich_init(&r, 1500, 60);
        height = kit_ledger_tip(&r.kit, NULL);
        world_init(&w, 20);
        bad = add_server(&w, &r, meddle);
        (void)add_server(&w, &r, NULL);
        (void)add_server(&w, &r, NULL);
        node = world_add(&w, &r.genesis);
        world_start(node, LLP_SYNC_SNAPSHOT, INTERVAL);
        ck_assert(world_run(&w, node, height, 240000));
        expect_snapshot(&r, node);
        ck_assert_uint_gt(bad->meddled, 0);
        if (banned)
                ck_assert_uint_ge(node->points[bad->handle], LLP_PUNISH_BAN);
        ck_assert_uint_eq(node->points[2], 0);
        ck_assert_uint_eq(node->points[3], 0);
        world_clear(&w);
        rich_clear(&r);
}

START_TEST(test_liar_pieces)
{
        snapshot_beside(lie_in_pieces, true);
}
END_TEST

START_TEST(test_liar_blobs)
{
        snapshot_beside(lie_in_blobs, true);
}
END_TEST

START_TEST(test_staller)
{
        snapshot_beside(stall_pieces, false);
}
END_TEST

START_TEST(test_liar_offer)
{
        snapshot_beside(offer_much, false);
}
END_TEST

/* ---- interrupted ------------------------------------------------------------------------------- */

/* The node is killed at several moments, its peers change; it goes on with what it has. */
START_TEST(test_killed)
{
        struct rich r;
        struct world w;
        struct world_node *node;
        uint64_t height, at = 40;

        rich_init(&r, 3000, 100);
        height = kit_ledger_tip(&r.kit, NULL);
        world_init(&w, 30);
        (void)add_server(&w, &r, NULL);
        (void)add_server(&w, &r, NULL);
        node = world_add(&w, &r.genesis);
        for (int i = 0; kit_ledger_tip(&node->kit, NULL) < height; i++) {
                ck_assert_int_lt(i, 40);
                world_start(node, LLP_SYNC_SNAPSHOT, INTERVAL);
                (void)world_run(&w, node, height, 1200 + at * (uint64_t)i);
                world_stop(node);
                lld_disk_crash(node->kit.disk, (uint64_t)i % 3);
                kit_ledger_reopen(&node->kit);
                if (i == 3)
                        world_stop(&w.node[0]);
        }
        expect_snapshot(&r, node);
        world_clear(&w);
        rich_clear(&r);
}
END_TEST

/* Begun from a snapshot, gone on with from block 0: nothing of the import is left. */
START_TEST(test_other_way)
{
        struct rich r;
        struct world w;
        struct world_node *node;
        struct lx_why why = {{0}};
        struct ledger_view *view;
        uint64_t heights[64];
        size_t count = 0;

        rich_init(&r, 3000, 20);
        world_init(&w, 30);
        (void)add_server(&w, &r, NULL);
        node = world_add(&w, &r.genesis);
        world_start(node, LLP_SYNC_SNAPSHOT, INTERVAL);
        (void)world_run(&w, node, 1000, 1500);
        ck_assert_uint_eq(kit_ledger_tip(&node->kit, NULL), 0);
        world_stop(node);
        kit_ledger_reopen(&node->kit);
        world_start(node, LLP_SYNC_FULL, INTERVAL);
        ck_assert(world_run(&w, node, kit_ledger_tip(&r.kit, NULL), 120000));
        view = ledger_view_new(node->kit.ledger);
        ck_assert_uint_eq(ledger_view_pruned_below(view), 0);
        ck_assert_int_eq(ledger_get_history(view, SIGCHAIN_KIND_PARAMS, NULL, 0, 1000, heights, 64, &count), LX_OK);
        ck_assert_uint_eq(count, 1);
        ledger_view_unref(view);
        ck_assert_msg(
            ledger_check_all(node->kit.ledger, NULL, NULL, NULL, &why) == LX_OK, "%s", why.text);
        world_clear(&w);
        rich_clear(&r);
}
END_TEST

/* The one that serves it goes away and another, which has pruned that height, stays: it begins anew. */
START_TEST(test_moved_on)
{
        struct rich r;
        struct world w;
        struct world_node *node, *first, *second;
        struct lx_why why = {{0}};
        bool more = true;

        rich_init(&r, 3000, 20);
        world_init(&w, 30);
        first = add_server(&w, &r, NULL);
        node = world_add(&w, &r.genesis);
        world_start(node, LLP_SYNC_SNAPSHOT, INTERVAL);
        (void)world_run(&w, node, 1000, 1500);
        ck_assert_uint_eq(kit_ledger_tip(&node->kit, NULL), 0);
        world_stop(first);
        for (int i = 0; i < 2 * INTERVAL; i++)
                rich_grow(&r);
        second = world_add(&w, &r.genesis);
        rich_copy_blobs(&r, &second->kit);
        rich_copy_chain(&r, &second->kit);
        while (more)
                ck_assert_int_eq(ledger_prune(second->kit.ledger,
                    kit_ledger_tip(&r.kit, NULL) - INTERVAL, 100000, &more, &why), LX_OK);
        world_start(second, LLP_SYNC_FULL, INTERVAL);
        ck_assert(world_run(&w, node, kit_ledger_tip(&r.kit, NULL), 240000));
        expect_snapshot(&r, node);
        world_clear(&w);
        rich_clear(&r);
}
END_TEST

/* Nobody offers a snapshot: block by block from block 0. */
START_TEST(test_no_offer)
{
        struct rich r;
        struct world w;
        struct world_node *node, *server;

        rich_init(&r, 20, 5);
        world_init(&w, 30);
        server = world_add(&w, &r.genesis);
        rich_copy_blobs(&r, &server->kit);
        rich_copy_chain(&r, &server->kit);
        world_start(server, LLP_SYNC_FULL, 1000);
        node = world_add(&w, &r.genesis);
        world_start(node, LLP_SYNC_SNAPSHOT, 1000);
        ck_assert(world_run(&w, node, kit_ledger_tip(&r.kit, NULL), 60000));
        world_clear(&w);
        rich_clear(&r);
}
END_TEST

/* ---- manifests while following ------------------------------------------------------------------ */

/* Blocks name manifests that are not here: they are fetched before the block is valid. */
static void
sync_manifests(bool (*meddle)(struct world_node *, unsigned, uint8_t *, size_t))
{
        struct rich r;
        struct world w;
        struct world_node *node;
        struct lx_hash want, got;

        rich_init(&r, 20, 5);
        world_init(&w, 30);
        (void)add_server(&w, &r, meddle);
        (void)add_server(&w, &r, NULL);
        node = world_add(&w, &r.genesis);
        world_start(node, LLP_SYNC_FULL, 0);
        ck_assert(world_run(&w, node, kit_ledger_tip(&r.kit, &want), 120000));
        (void)kit_ledger_tip(&node->kit, &got);
        ck_assert(lx_hash_eq(&want, &got));
        ck_assert_uint_eq(node->points[2], 0);
        if (meddle != NULL)
                ck_assert_uint_ge(node->points[1], LLP_PUNISH_BAN);
        world_clear(&w);
        rich_clear(&r);
}

START_TEST(test_manifests)
{
        sync_manifests(NULL);
        sync_manifests(lie_in_blobs);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_snapshot, test_liar_pieces, test_liar_blobs, test_staller,
            test_liar_offer, test_killed, test_other_way, test_moved_on, test_no_offer, test_manifests, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("llp_snapshot", cases, 120);
}
