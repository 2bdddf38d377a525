/*
 * Sets of peers on a false clock and a network in memory: meeting by --peer, by seeds, by what others
 * say; reconnecting, backoff, duplicates, slots, bans, half-open floods; the book, its file and its limits.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "llp/frame.h"
#include "llp/swarm.h"

#include "unit.h"

#define NODES_MAX 16
#define LINKS_MAX 256

struct world;

struct node {
        struct world *world;
        struct llp_swarm *swarm;
        struct llp_addr addr;
        uint8_t secret[32];
        bool dead; /* unreachable, says nothing */
        unsigned ups, downs, dials, votes;
        uint32_t last_up;
        enum lx_err answer;
        char last_event[256];
        uint64_t rng;
};

/* One connection: handles at both ends, 0 when that end has closed. */
struct link {
        int a, b;
        uint32_t pa, pb;
};

struct world {
        uint64_t now_ms;
        struct node nodes[NODES_MAX];
        int count;
        struct link links[LINKS_MAX];
        int link_count;
        uint8_t wire[2 * LLP_FRAME_WIRE_MAX];
};

/* ---- options ------------------------------------------------------------------------------------- */

static uint64_t
wall_ms(void *arg)
{
        return 1800000000000ull + ((struct node *)arg)->world->now_ms;
}

static void
fill(void *arg, void *out, size_t len)
{
        struct node *node = arg;

        for (size_t i = 0; i < len; i++) {
                node->rng = node->rng * 6364136223846793005ull + 1442695040888963407ull;
                ((uint8_t *)out)[i] = (uint8_t)(node->rng >> 40);
        }
}

static void
tip(void *arg, uint64_t *out_height, struct lx_hash *out_tip)
{
        *out_height = (uint64_t)(((struct node *)arg)->addr.ip[15]);
        *out_tip = unit_hash(1);
}

static void
on_up(void *arg, uint32_t peer, const struct llp_hello *hello, uint64_t now_ms)
{
        struct node *node = arg;

        (void)hello, (void)now_ms;
        node->ups++;
        node->last_up = peer;
}

static void
on_down(void *arg, uint32_t peer, uint64_t now_ms)
{
        (void)peer, (void)now_ms;
        ((struct node *)arg)->downs++;
}

static enum lx_err
on_message(
    void *arg, uint32_t peer, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct node *node = arg;

        (void)peer, (void)bytes, (void)len, (void)now_ms;
        node->votes += type == LLP_VOTE;
        return node->answer;
}

static void
on_wish(void *arg)
{
        (void)arg; /* the world looks at all of them anyway */
}

static void
on_event(void *arg, uint32_t peer, const char *what, const char *text)
{
        struct node *node = arg;

        (void)peer;
        (void)snprintf(node->last_event, sizeof(node->last_event), "%s: %s", what, text);
}

static struct world *
world_new(void)
{
        struct world *world = lx_alloc(sizeof(*world));

        world->now_ms = 100000;
        return world;
}

/* A node at @where with the key of number @key (0: the next). */
static struct node *
add_node(struct world *world, const char *where, unsigned key, unsigned in_max)
{
        struct node *node = &world->nodes[world->count++];
        struct llp_swarm_options options = {.secret = node->secret,
            .roles = LLP_ROLE_FULL,
            .agent = "test",
            .in_max = in_max,
            .wall_ms = wall_ms,
            .random = fill,
            .upper = {.tip = tip, .on_up = on_up, .on_down = on_down, .on_message = on_message, .arg = node},
            .on_wish = on_wish,
            .on_event = on_event,
            .arg = node};

        node->world = world;
        node->rng = (uint64_t)world->count;
        ck_assert(llp_addr_parse(where, &node->addr));
        options.listen_port = node->addr.port;
        memset(node->secret, key != 0 ? (int)key : world->count, 32);
        ck_assert_int_eq(llp_swarm_new(&options, world->now_ms, &node->swarm), LX_OK);
        return node;
}

static void
world_free(struct world *world)
{
        for (int i = 0; i < world->count; i++)
                llp_swarm_free(world->nodes[i].swarm);
        lx_free(world);
}

/* ---- the network ---------------------------------------------------------------------------------- */

static int
index_of(const struct node *node)
{
        return (int)(node - node->world->nodes);
}

static struct link *
link_of(struct world *world, int node, uint32_t peer)
{
        for (int i = 0; i < world->link_count; i++) {
                struct link *link = &world->links[i];

                if ((link->a == node && link->pa == peer) || (link->b == node && link->pb == peer))
                        return link;
        }
        return NULL;
}

static void
dial(struct node *from, const struct llp_wish *wish)
{
        struct world *world = from->world;

        from->dials++;
        for (int i = 0; i < world->count; i++) {
                struct node *to = &world->nodes[i];
                struct llp_addr source = from->addr;
                uint32_t peer;

                if (to->dead || !llp_addr_eq(&to->addr, &wish->addr))
                        continue;
                source.port = (uint16_t)(20000 + world->link_count);
                peer = llp_swarm_accepted(to->swarm, &source, world->now_ms);
                if (peer == 0)
                        break;
                ck_assert_int_lt(world->link_count, LINKS_MAX);
                world->links[world->link_count++] =
                    (struct link){index_of(from), i, wish->peer, peer};
                llp_swarm_connected(from->swarm, wish->peer, world->now_ms);
                return;
        }
        llp_swarm_failed(from->swarm, wish->peer, "connection refused", world->now_ms);
}

static void
hang_up(struct node *from, uint32_t peer)
{
        struct world *world = from->world;
        struct link *link = link_of(world, index_of(from), peer);
        bool first;
        struct node *other;
        uint32_t theirs;

        if (link == NULL)
                return;
        first = link->a == index_of(from) && link->pa == peer;
        other = &world->nodes[first ? link->b : link->a];
        theirs = first ? link->pb : link->pa;
        *link = (struct link){-1, -1, 0, 0};
        if (!other->dead && theirs != 0)
                llp_swarm_failed(other->swarm, theirs, "the connection was closed", world->now_ms);
}

static bool
carry(struct node *from, uint32_t peer)
{
        struct world *world = from->world;
        bool moved = false;
        size_t len;

        while ((len = llp_swarm_output(
                    from->swarm, peer, world->wire, sizeof(world->wire), world->now_ms)) > 0) {
                struct link *link = link_of(world, index_of(from), peer);
                bool first;

                moved = true;
                if (link == NULL)
                        continue;
                first = link->a == index_of(from) && link->pa == peer;
                if (!world->nodes[first ? link->b : link->a].dead)
                        llp_swarm_input(world->nodes[first ? link->b : link->a].swarm,
                            first ? link->pb : link->pa, world->wire, len, world->now_ms);
        }
        return moved;
}

static bool
serve(struct node *node)
{
        struct llp_wish wish;
        bool any = false;

        while (!node->dead && llp_swarm_next_wish(node->swarm, &wish)) {
                any = true;
                switch (wish.kind) {
                case LLP_WISH_DIAL:
                        dial(node, &wish);
                        break;
                case LLP_WISH_RESOLVE: {
                        struct llp_addr addr;

                        ck_assert_str_eq(wish.host, "seed.example");
                        ck_assert(llp_addr_parse("10.0.0.1", &addr));
                        llp_swarm_resolved(node->swarm, wish.name, &addr, 1, node->world->now_ms);
                        break;
                }
                case LLP_WISH_OUTPUT:
                        (void)carry(node, wish.peer);
                        break;
                case LLP_WISH_CLOSE:
                        hang_up(node, wish.peer);
                        break;
                }
        }
        return any;
}

static void
settle(struct world *world)
{
        bool any = true;

        for (unsigned turns = 0; any; turns++) {
                ck_assert_uint_lt(turns, 10000);
                any = false;
                for (int i = 0; i < world->count; i++)
                        any |= serve(&world->nodes[i]);
        }
}

static void
pass(struct world *world, uint64_t ms)
{
        uint64_t end = world->now_ms + ms;

        settle(world);
        while (world->now_ms < end) {
                uint64_t next = end;

                for (int i = 0; i < world->count; i++) {
                        uint64_t at = world->nodes[i].dead
                                          ? end
                                          : llp_swarm_deadline_ms(world->nodes[i].swarm);

                        next = at < next ? at : next;
                }
                world->now_ms = next > world->now_ms ? next : world->now_ms + 1;
                for (int i = 0; i < world->count; i++)
                        if (!world->nodes[i].dead)
                                llp_swarm_tick(world->nodes[i].swarm, world->now_ms);
                settle(world);
        }
}

static size_t
up(const struct node *node)
{
        struct llp_swarm_stats stats;

        llp_swarm_get_stats(node->swarm, &stats);
        return stats.up_in + stats.up_out;
}

static struct llp_place
place_of(const struct node *node, bool id)
{
        struct llp_place place = {.has_id = id, .port = node->addr.port};
        struct llp_addr addr = node->addr;
        struct lx_pubkey key = llp_swarm_id(node->swarm);
        char text[LLP_ADDR_TEXT_MAX];

        addr.port = 0;
        llp_addr_format(&addr, text);
        (void)snprintf(place.host, sizeof(place.host), "%s", text);
        memcpy(place.id, key.b, 32);
        return place;
}

static void
fix(struct node *from, const struct node *to)
{
        struct llp_place place = place_of(to, true);

        ck_assert_int_eq(llp_swarm_add(from->swarm, &place, from->world->now_ms, NULL), LX_OK);
}

/* ---- meeting ---------------------------------------------------------------------------------------- */

START_TEST(given_peers_meet_and_talk)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0),
                    *b = add_node(world, "[fd00::2]:1", 0, 0);
        struct llp_peer_info info;
        uint8_t vote[100] = {0};
        const struct llp_net *net = llp_swarm_net(a->swarm);

        fix(a, b);
        pass(world, 100);
        ck_assert_uint_eq(up(a), 1);
        ck_assert_uint_eq(up(b), 1);
        ck_assert(net->send(net->arg, a->last_up, LLP_VOTE, vote, sizeof(vote)));
        ck_assert(!net->send(net->arg, a->last_up + 7, LLP_VOTE, vote, sizeof(vote)));
        ck_assert(net->has_room(net->arg, a->last_up, LLP_BLOCK));
        pass(world, 1);
        ck_assert_uint_eq(b->votes, 1);
        ck_assert(llp_swarm_peer_at(a->swarm, 0, world->now_ms, &info));
        ck_assert(info.up && info.fixed && !info.inbound && info.has_id);
        ck_assert_uint_eq(info.height, 2);
        ck_assert_str_eq(info.hello.agent, "test");
        ck_assert(info.stats.bytes_in > 0 && info.stats.has_latency);
        ck_assert(!llp_swarm_peer_at(a->swarm, 1, world->now_ms, &info));
        b->dead = true;
        pass(world, 200000);
        ck_assert(llp_swarm_peer_at(a->swarm, 0, world->now_ms, &info));
        ck_assert_str_eq(info.state, "down");
        ck_assert_str_eq(info.why, "connection refused");
        ck_assert_str_eq(info.host, "fd00::2");
        b->dead = false;
        pass(world, 100000);
        ck_assert_uint_eq(a->ups, 2);
        pass(world, 3600000);
        ck_assert_uint_eq(a->ups, 2); /* it stays up */
        world_free(world);
}
END_TEST

/* Both give each other: one connection stays, both agree on which. */
START_TEST(crossing_dials_leave_one)
{
        for (unsigned swap = 0; swap < 2; swap++) {
                struct world *world = world_new();
                struct node *a = add_node(world, "10.0.0.1:1", swap ? 9 : 3, 0),
                            *b = add_node(world, "10.0.0.2:1", swap ? 3 : 9, 0);

                fix(a, b);
                fix(b, a);
                pass(world, 60000);
                ck_assert_uint_eq(up(a), 1);
                ck_assert_uint_eq(up(b), 1);
                ck_assert_uint_eq(a->ups - a->downs, 1);
                ck_assert_uint_le(a->dials + b->dials, 3);
                world_free(world);
        }
}
END_TEST

START_TEST(it_comes_back)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0),
                    *b = add_node(world, "10.0.0.2:1", 0, 0);
        unsigned before;

        fix(a, b);
        pass(world, 60000);
        b->dead = true; /* without a word: found by pings */
        pass(world, LLP_PEER_PING_MS + LLP_PEER_PONG_MS + 1000);
        ck_assert_uint_eq(up(a), 0);
        ck_assert_uint_eq(a->downs, 1);
        before = a->dials;
        pass(world, 600000);
        ck_assert_uint_ge(a->dials - before, 600000 / (LLP_FIXED_RETRY_MS * 5 / 4));
        ck_assert_uint_le(a->dials - before, 600000 / LLP_FIXED_RETRY_MS + 8);
        b->dead = false;
        pass(world, LLP_FIXED_RETRY_MS * 5 / 4 + 2000);
        ck_assert_uint_eq(up(a), 1);
        world_free(world);
}
END_TEST

/* One seed, many nodes: they learn of each other from it, then stay connected without it. */
START_TEST(they_learn_of_each_other)
{
        struct world *world = world_new();
        struct llp_place seed = {.host = "seed.example", .port = 1};

        for (int i = 0; i < 6; i++) {
                char where[32];

                (void)snprintf(where, sizeof(where), "10.0.0.%d:1", i + 1);
                add_node(world, where, 0, 0);
                if (i > 0)
                        ck_assert_int_eq(
                            llp_swarm_add_seed(world->nodes[i].swarm, &seed, NULL), LX_OK);
        }
        pass(world, 1500000);
        for (int i = 0; i < 6; i++)
                ck_assert_uint_eq(up(&world->nodes[i]), 5);
        world->nodes[0].dead = true;
        pass(world, 120000);
        for (int i = 1; i < 6; i++)
                ck_assert_uint_eq(up(&world->nodes[i]), 4);
        world_free(world);
}
END_TEST

START_TEST(it_does_not_meet_itself)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0);
        struct llp_place place = place_of(a, false);
        struct lx_why why = {{0}};

        ck_assert_int_eq(llp_swarm_add_seed(a->swarm, &place, NULL), LX_OK);
        pass(world, 600000);
        ck_assert_uint_eq(up(a), 0);
        ck_assert_uint_eq(a->ups, 0);
        ck_assert_uint_le(a->dials, 2);
        place = place_of(a, true);
        ck_assert_int_eq(llp_swarm_add(a->swarm, &place, world->now_ms, &why), LX_ERR_USAGE);
        ck_assert(strstr(why.text, "own") != NULL);
        world_free(world);
}
END_TEST

START_TEST(what_an_operator_gives)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0);
        struct llp_place place = {.host = "h", .port = 1};
        struct lx_why why = {{0}};

        ck_assert_int_eq(llp_swarm_add(a->swarm, &place, 0, &why), LX_ERR_USAGE);
        place.has_id = true;
        for (int i = 0; i < LLP_SWARM_FIXED_MAX; i++) {
                place.id[0] = (uint8_t)i;
                ck_assert_int_eq(llp_swarm_add(a->swarm, &place, 0, NULL), LX_OK);
        }
        ck_assert_int_eq(llp_swarm_add(a->swarm, &place, 0, NULL), LX_ERR_EXISTS);
        place.id[1] = 1;
        ck_assert_int_eq(llp_swarm_add(a->swarm, &place, 0, NULL), LX_ERR_LIMIT);
        for (int i = 0; i < LLP_SWARM_SEEDS_MAX; i++)
                ck_assert_int_eq(llp_swarm_add_seed(a->swarm, &place, NULL), LX_OK);
        ck_assert_int_eq(llp_swarm_add_seed(a->swarm, &place, NULL), LX_ERR_LIMIT);
        world_free(world);
}
END_TEST

/* ---- throwing out ------------------------------------------------------------------------------------ */

START_TEST(punished_ones_are_banned)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0),
                    *b = add_node(world, "10.0.0.2:1", 0, 0);
        const struct llp_net *net = llp_swarm_net(b->swarm);
        const struct llp_ban *ban;
        struct lx_pubkey id = llp_swarm_id(a->swarm);

        fix(a, b);
        pass(world, 1000);
        net->punish(net->arg, b->last_up, 60, "first");
        pass(world, 20 * LLP_BAN_FADE_MS); /* 20 points fade */
        net->punish(net->arg, b->last_up, 59, "second");
        ck_assert_uint_eq(up(b), 1);
        net->punish(net->arg, b->last_up, 1, "third");
        pass(world, 100);
        ck_assert_uint_eq(up(b), 0);
        ck_assert_uint_eq(b->downs, 1);
        ban = llp_swarm_ban_at(b->swarm, 0);
        ck_assert_ptr_nonnull(ban);
        ck_assert_mem_eq(ban->who.b, id.b, 32);
        ck_assert_str_eq(ban->reason, "third");
        pass(world, LLP_BAN_MS - 60000);
        ck_assert_uint_eq(b->ups, 1);
        pass(world, 120000);
        ck_assert_uint_eq(up(b), 1); /* the ban is over */
        world_free(world);
}
END_TEST

START_TEST(the_operators_are_dropped_only)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0),
                    *b = add_node(world, "10.0.0.2:1", 0, 0);
        const struct llp_net *net = llp_swarm_net(a->swarm);

        fix(a, b);
        pass(world, 1000);
        net->punish(net->arg, a->last_up, 100, "bad block");
        pass(world, 100);
        ck_assert_uint_eq(a->downs, 1);
        ck_assert_ptr_null(llp_swarm_ban_at(a->swarm, 0));
        pass(world, 60000);
        ck_assert_uint_eq(up(a), 1);
        world_free(world);
}
END_TEST

/* Two proven broken rules in a short time: banned. */
START_TEST(broken_rules_count)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0),
                    *b = add_node(world, "10.0.0.2:1", 0, 0);
        const struct llp_net *net = llp_swarm_net(a->swarm);
        uint8_t vote[100] = {0};

        fix(a, b);
        b->answer = LX_ERR_FORMAT;
        for (int i = 0; i < 2; i++) {
                pass(world, 3000);
                ck_assert_uint_eq(up(b), 1);
                ck_assert(net->send(net->arg, a->last_up, LLP_VOTE, vote, sizeof(vote)));
                pass(world, 1);
                ck_assert_uint_eq(up(b), 0);
        }
        ck_assert_ptr_nonnull(llp_swarm_ban_at(b->swarm, 0));
        pass(world, 60000);
        ck_assert_uint_eq(b->ups, 2);
        world_free(world);
}
END_TEST

START_TEST(bans_by_hand)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0),
                    *b = add_node(world, "10.0.0.2:1", 0, 0);
        struct lx_why why = {{0}};
        struct lx_pubkey id = llp_swarm_id(a->swarm);
        char hex[65];

        lx_hex(id.b, 32, hex);
        fix(a, b);
        pass(world, 1000);
        ck_assert_int_eq(
            llp_swarm_ban(b->swarm, "nonsense", 60, "x", world->now_ms, &why), LX_ERR_USAGE);
        ck_assert(strstr(why.text, "nonsense") != NULL);
        ck_assert_int_eq(
            llp_swarm_ban(b->swarm, "10.0.0.1", 60, "noisy", world->now_ms, NULL), LX_OK);
        pass(world, 30000);
        ck_assert_uint_eq(up(b), 0);
        pass(world, 70000);
        ck_assert_uint_eq(up(b), 1); /* over */
        ck_assert_int_eq(llp_swarm_ban(b->swarm, hex, 100000, "noisy", world->now_ms, NULL), LX_OK);
        pass(world, 70000);
        ck_assert_uint_eq(up(b), 0);
        ck_assert_int_eq(llp_swarm_unban(b->swarm, hex, NULL), LX_OK);
        ck_assert_int_eq(llp_swarm_unban(b->swarm, hex, &why), LX_ERR_ABSENT);
        pass(world, 70000);
        ck_assert_uint_eq(up(b), 1);
        id = llp_swarm_id(b->swarm); /* also of a peer that was given */
        lx_hex(id.b, 32, hex);
        ck_assert_int_eq(llp_swarm_ban(a->swarm, hex, 100, "enough", world->now_ms, NULL), LX_OK);
        pass(world, 90000);
        ck_assert_uint_eq(up(a), 0);
        pass(world, 90000);
        ck_assert_uint_eq(up(a), 1);
        world_free(world);
}
END_TEST

/* ---- slots and floods --------------------------------------------------------------------------------- */

START_TEST(slots_are_bounded)
{
        struct world *world = world_new();
        struct node *hub = add_node(world, "10.0.0.1:1", 0, 3);

        for (int i = 0; i < 5; i++) {
                char where[32];
                struct node *node;

                (void)snprintf(where, sizeof(where), "10.0.1.%d:1", i + 1);
                node = add_node(world, where, 0, 0);
                fix(node, hub);
                if (i == 4)
                        fix(hub, node); /* the operator's have place */
                hub->addr = world->nodes[0].addr;
        }
        pass(world, 20000);
        ck_assert_uint_eq(up(hub), 4);
        world_free(world);
}
END_TEST

/* 1,000 connections of one address that say nothing: few are held, another party comes in at once. */
START_TEST(half_open_flood)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0),
                    *b = add_node(world, "10.0.0.2:1", 0, 0);
        struct llp_swarm_stats stats;
        struct llp_addr addr;
        unsigned let_in = 0;

        ck_assert(llp_addr_parse("10.9.9.9:5", &addr));
        for (int i = 0; i < 1000; i++) {
                addr.port = (uint16_t)(1000 + i);
                let_in += llp_swarm_accepted(a->swarm, &addr, world->now_ms) != 0;
        }
        ck_assert_uint_eq(let_in, LLP_SWARM_PARTY_HALF);
        fix(b, a);
        pass(world, 10);
        ck_assert_uint_eq(up(b), 1);
        llp_swarm_get_stats(a->swarm, &stats);
        ck_assert_uint_eq(stats.refused, 1000 - LLP_SWARM_PARTY_HALF);
        pass(world, LLP_PEER_GREET_MS);
        llp_swarm_get_stats(a->swarm, &stats);
        ck_assert_uint_eq(stats.half_open, 0);
        world_free(world);
}
END_TEST

/* Of many addresses: the table is full, and a newcomer takes the place of the greediest party. */
START_TEST(half_open_flood_of_many)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0),
                    *b = add_node(world, "10.0.0.2:1", 0, 0);
        struct llp_swarm_stats stats;
        struct llp_addr addr;

        for (int i = 0; i < 400; i++) {
                char text[32];

                (void)snprintf(text, sizeof(text), "10.9.%d.%d:5", i / 100, i % 100 / 4);
                ck_assert(llp_addr_parse(text, &addr));
                (void)llp_swarm_accepted(a->swarm, &addr, world->now_ms);
        }
        llp_swarm_get_stats(a->swarm, &stats);
        ck_assert_uint_eq(stats.half_open, LLP_SWARM_HALF);
        fix(b, a);
        pass(world, 10);
        ck_assert_uint_eq(up(b), 1);
        world_free(world);
}
END_TEST

/* Garbage in place of a handshake, again and again: the address is banned for a while. */
START_TEST(bad_handshakes_ban_the_address)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0);
        struct llp_addr addr;
        uint8_t garbage[100] = {0, 2, 3};
        unsigned tries = 0;

        ck_assert(llp_addr_parse("10.9.9.9:5", &addr));
        for (; tries < 100; tries++) {
                uint32_t peer = llp_swarm_accepted(a->swarm, &addr, world->now_ms);

                if (peer == 0)
                        break;
                llp_swarm_input(a->swarm, peer, garbage, sizeof(garbage), world->now_ms);
                pass(world, 300);
        }
        ck_assert_uint_ge(tries, 10);
        ck_assert_uint_le(tries, 12);
        ck_assert_ptr_nonnull(llp_swarm_ban_at(a->swarm, 0));
        ck_assert_int_eq(llp_swarm_ban_at(a->swarm, 0)->who.kind, LLP_CULPRIT_PARTY);
        world_free(world);
}
END_TEST

START_TEST(stopping_says_goodbye)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0),
                    *b = add_node(world, "10.0.0.2:1", 0, 0);

        fix(a, b);
        pass(world, 1000);
        llp_swarm_stop(b->swarm, world->now_ms);
        settle(world);
        ck_assert_uint_eq(up(a), 0);
        ck_assert(strstr(a->last_event, "the node stops") != NULL);
        ck_assert_uint_eq(llp_swarm_accepted(b->swarm, &a->addr, world->now_ms), 0);
        world_free(world);
}
END_TEST

/* ---- the book and its file ------------------------------------------------------------------------------ */

START_TEST(book_limits_strangers)
{
        struct llp_book *book = llp_book_new(1);
        struct llp_node_addr said = {.addr = {.port = 1}};
        struct llp_addr source, other;
        unsigned kept = 0;

        ck_assert(llp_addr_parse("5.5.5.5:1", &source));
        ck_assert(llp_addr_parse("6.6.6.6:1", &other));
        for (unsigned i = 0; i < 1000; i++) { /* one group */
                char text[32];

                (void)snprintf(text, sizeof(text), "8.8.%u.%u:1", i / 250, i % 250 + 1);
                ck_assert(llp_addr_parse(text, &said.addr));
                said.id.b[0] = (uint8_t)i, said.id.b[1] = (uint8_t)(i >> 8);
                kept += llp_book_hear(book, &said, &source);
        }
        ck_assert_uint_eq(kept, LLP_BOOK_GROUP_MAX);
        for (unsigned i = 0; i < 1000; i++) { /* many groups, one source */
                char text[32];

                (void)snprintf(text, sizeof(text), "9.%u.%u.1:1", i / 4, i);
                (void)snprintf(text, sizeof(text), "%u.%u.8.1:1", 20 + i / 250, i % 250);
                ck_assert(llp_addr_parse(text, &said.addr));
                said.id.b[2] = 1, said.id.b[0] = (uint8_t)i, said.id.b[1] = (uint8_t)(i >> 8);
                kept += llp_book_hear(book, &said, &source);
        }
        ck_assert_uint_eq(kept, LLP_BOOK_SOURCE_MAX);
        said.id.b[3] = 1;
        ck_assert(llp_book_hear(book, &said, &other));
        ck_assert_uint_eq(llp_book_count(book), LLP_BOOK_SOURCE_MAX + 1);
        llp_book_free(book);
}
END_TEST

static bool
any(void *arg, const struct llp_book_node *node)
{
        (void)arg, (void)node;
        return true;
}

START_TEST(book_backs_off)
{
        struct llp_book *book = llp_book_new(1);
        struct llp_node_addr said = {.id = {{1}}};
        struct llp_addr source, first, second;
        uint64_t now = 1000, next, last = 0;

        ck_assert(llp_addr_parse("8.8.8.8:1", &first));
        ck_assert(llp_addr_parse("9.9.9.9:1", &second));
        source = first;
        ck_assert_ptr_null(llp_book_pick(book, now, 3, any, NULL, &next));
        ck_assert_uint_eq(next, UINT64_MAX);
        said.addr = first;
        ck_assert(llp_book_hear(book, &said, &source));
        llp_book_reached(book, &said, 77);
        said.addr = second;
        ck_assert(llp_book_hear(book, &said, &source));
        ck_assert(llp_addr_eq(&llp_book_find(book, &said.id)->addr, &first));
        for (int i = 0; i < 20; i++) {
                ck_assert_ptr_nonnull(llp_book_pick(book, now, 3, any, NULL, &next));
                llp_book_failed(book, &said.id, now, 0);
                ck_assert_ptr_null(llp_book_pick(book, now, 3, any, NULL, &next));
                ck_assert_uint_ge(next - now, last);
                last = next - now;
                now = next;
                if (i == 1)
                        ck_assert(llp_addr_eq(&llp_book_find(book, &said.id)->addr, &second));
        }
        ck_assert_uint_eq(last, LLP_BOOK_RETRY_MAX_MS);
        llp_book_free(book);
}
END_TEST

START_TEST(file_survives)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0),
                    *b = add_node(world, "10.0.0.2:1", 0, 0),
                    *c = add_node(world, "10.0.0.3:1", 0, 0);
        struct lx_buf bytes = {0}, again = {0};
        uint8_t *copy;

        fix(a, b);
        ck_assert_int_eq(
            llp_swarm_ban(a->swarm, "1.2.3.4", 1000, "why not", world->now_ms, NULL), LX_OK);
        pass(world, 1000);
        ck_assert(llp_swarm_is_dirty(a->swarm));
        llp_swarm_save(a->swarm, &bytes);
        ck_assert(!llp_swarm_is_dirty(a->swarm));
        copy = lx_memdup(bytes.p, bytes.len);
        for (size_t i = 0; i < bytes.len; i++) { /* every cut, every changed byte */
                ck_assert_int_ne(llp_swarm_load(c->swarm, copy, i), LX_OK);
                copy[i] ^= 0x10;
                ck_assert_int_ne(llp_swarm_load(c->swarm, copy, bytes.len), LX_OK);
                copy[i] ^= 0x10;
        }
        ck_assert_ptr_null(llp_swarm_ban_at(c->swarm, 0));
        ck_assert_int_eq(llp_swarm_load(c->swarm, copy, bytes.len), LX_OK);
        ck_assert_str_eq(llp_swarm_ban_at(c->swarm, 0)->reason, "why not");
        llp_swarm_save(c->swarm, &again);
        ck_assert_uint_eq(again.len, bytes.len);
        ck_assert_mem_eq(again.p, bytes.p, bytes.len);
        pass(world, 1000);
        ck_assert_uint_ge(up(c), 1); /* found b in the book */
        lx_free(copy);
        lx_buf_clear(&bytes);
        lx_buf_clear(&again);
        world_free(world);
}
END_TEST

/* The bytes called @name in tests/vectors/llp.txt. */
static size_t
vector(const char *name, uint8_t *out, size_t cap)
{
        FILE *f = unit_vectors("llp.txt");
        char line[4096];
        size_t len = 0, name_len = strlen(name);

        while (len == 0 && fgets(line, sizeof(line), f) != NULL) {
                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, name, name_len) == 0 && line[name_len] == ' ') {
                        ck_assert_uint_le(strlen(line + name_len + 1) / 2, cap);
                        len = unit_unhex(line + name_len + 1, out);
                }
        }
        fclose(f);
        ck_assert_msg(len > 0, "no vector %s", name);
        return len;
}

static void
same_as(const char *name, const uint8_t *bytes, size_t len)
{
        uint8_t want[2048];

        ck_assert_uint_eq(vector(name, want, sizeof(want)), len);
        ck_assert_mem_eq(want, bytes, len);
}

/* What the document says, encoded by others, is what we encode. */
START_TEST(published_encodings)
{
        struct llp_hello hello = {.version = 1,
            .height = 123456,
            .roles = 3,
            .listen_port = 5389,
            .agent = "lxnoded/0.1.0"};
        struct llp_goodbye bye = {.reason = LLP_BYE_STOPPING, .text = "the node stops"};
        struct llp_node_addr addrs[2];
        uint8_t bytes[2048], prologue[LLP_PROLOGUE_LEN];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        memset(hello.chain_id.b, 0x77, 32);
        memset(hello.tip.b, 0x11, 32);
        llp_hello_encode(&hello, &wr);
        same_as("hello", bytes, wr.len);
        wr = lx_writer_init(bytes, sizeof(bytes));
        llp_goodbye_encode(&bye, &wr);
        same_as("goodbye", bytes, wr.len);
        wr = lx_writer_init(bytes, sizeof(bytes));
        for (int i = 0; i < 2; i++) {
                memset(addrs[i].id.b, i + 1, 32);
                ck_assert(llp_addr_parse(
                    i == 0 ? "203.0.113.7:5389" : "[2001:db8::1]:1", &addrs[i].addr));
        }
        llp_addrs_encode(addrs, 2, &wr);
        same_as("addrs", bytes, wr.len);
        llp_peer_prologue(&hello.chain_id, prologue);
        same_as("prologue", prologue, sizeof(prologue));
}
END_TEST

START_TEST(published_book)
{
        struct world *world = world_new();
        struct node *a = add_node(world, "10.0.0.1:1", 0, 0);
        struct lx_buf again = {0};
        uint8_t bytes[2048];
        size_t len = vector("book", bytes, sizeof(bytes));
        char who[LX_HEX_LEN(32)];

        ck_assert_int_eq(llp_swarm_load(a->swarm, bytes, len), LX_OK);
        llp_culprit_format(&llp_swarm_ban_at(a->swarm, 0)->who, who);
        ck_assert_str_eq(who, "2001:db8::");
        ck_assert_str_eq(llp_swarm_ban_at(a->swarm, 0)->reason, "noisy");
        llp_swarm_save(a->swarm, &again);
        ck_assert_uint_eq(again.len, len);
        ck_assert_mem_eq(again.p, bytes, len);
        lx_buf_clear(&again);
        world_free(world);
}
END_TEST

START_TEST(culprits_are_bounded)
{
        struct llp_bans *bans = llp_bans_new(1);
        struct llp_culprit guilty = {.kind = LLP_CULPRIT_KEY, .b = {0xff}},
                           who = {.kind = LLP_CULPRIT_KEY};
        size_t count = 0;

        ck_assert(!llp_bans_punish(bans, &guilty, 99, "x", 0, 0));
        for (unsigned i = 0; i < 5000; i++) {
                who.b[0] = (uint8_t)i, who.b[1] = (uint8_t)(i >> 8), who.b[2] = 1;
                ck_assert(!llp_bans_punish(bans, &who, 1, "x", 0, 0));
                llp_bans_add(bans, &who, i + 1, false, "y");
        }
        ck_assert_uint_eq(llp_bans_points(bans, &guilty, 0), 99);
        ck_assert_uint_eq(llp_bans_points(bans, &guilty, 98 * LLP_BAN_FADE_MS), 1);
        while (llp_bans_at(bans, count) != NULL)
                count++;
        ck_assert_uint_eq(count, LLP_BANS_MAX);
        ck_assert_ptr_nonnull(llp_bans_find(bans, &who, 4999));
        ck_assert_ptr_null(llp_bans_find(bans, &who, 5000));
        llp_bans_free(bans);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {given_peers_meet_and_talk, crossing_dials_leave_one,
            it_comes_back, they_learn_of_each_other, it_does_not_meet_itself,
            what_an_operator_gives, punished_ones_are_banned, the_operators_are_dropped_only,
            broken_rules_count, bans_by_hand, slots_are_bounded, half_open_flood,
            half_open_flood_of_many, bad_handshakes_ban_the_address, stopping_says_goodbye,
            book_limits_strangers, book_backs_off, file_survives, culprits_are_bounded,
            published_encodings, published_book, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("llp_swarm", cases, 120);
}
