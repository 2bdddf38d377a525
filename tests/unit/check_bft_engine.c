/*
 * tests/unit/check_bft_engine.c - whole bft engines in one process on a false clock: ledgers in memory, messages
 * delivered late, lost, doubled and out of order by a seed. Blocks, agreement, crashes, evidence, sets that
 * change, rule upgrades.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "kit/author.h"
#include "ledger/evidence.h"
#include "ledger/engine.h"
#include "ledger/kinds.h"
#include "ledger/maintain.h"
#include "ledger/proposer.h"
#include "lld/mem.h"
#include "unit.h"

#define NODES 7
#define QUEUE_MAX 65536

struct net;

struct node {
        struct net *net;
        size_t number;
        bool up;
        uint8_t key[32];
        struct lld_disk *disk;
        struct ledger_memdisk *journal;
        struct lld *db;
        struct ledger *ledger;
        struct lx_pool *pool;
        struct ledger_executor *executor;
        struct ledger_engine *engine;
        uint64_t height; /* last seen by on_block */
        bool failed;
};

enum packet_kind { PACKET_ENGINE, PACKET_GET_TX, PACKET_TX };

struct packet {
        uint64_t at;
        uint64_t order;
        size_t from, to;
        enum packet_kind kind;
        enum ledger_engine_message message;
        struct lx_buf bytes;
};

struct net {
        uint64_t now, seed, wall;
        size_t count;
        struct node node[NODES];
        struct packet *queue;
        size_t packets;
        uint64_t order;
        unsigned loss, duplicate; /* percent */
        uint64_t delay, jitter;
        uint32_t cut;             /* bit: on the other side */
        struct lx_buf document;
        struct author author;
        uint64_t final;           /* outcomes that were final */
        bool (*tamper)(struct net *net, struct node *from, size_t to, struct packet *packet);
};

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- the network ------------------------------------------------------------------------------- */

static void
post(struct net *net, size_t from, size_t to, enum packet_kind kind, enum ledger_engine_message message,
    const void *bytes, size_t len)
{
        struct packet packet = {
            .from = from, .to = to, .kind = kind, .message = message, .order = net->order++};
        unsigned copies = 1 + (unit_random(&net->seed) % 100 < net->duplicate);

        if (!net->node[to].up || ((net->cut >> from ^ net->cut >> to) & 1) != 0 ||
            unit_random(&net->seed) % 100 < net->loss)
                return;
        for (unsigned i = 0; i < copies && net->packets < QUEUE_MAX; i++) {
                struct packet *p = &net->queue[net->packets];

                *p = packet;
                p->bytes = (struct lx_buf){0};
                lx_buf_append(&p->bytes, bytes, len);
                p->at = net->now + net->delay + unit_random(&net->seed) % (net->jitter + 1);
                if (net->tamper != NULL && !net->tamper(net, &net->node[from], to, p)) {
                        lx_buf_clear(&p->bytes);
                        continue;
                }
                net->packets++;
        }
}

static bool
send_message(void *arg, uint32_t peer, enum ledger_engine_message kind, const void *bytes, size_t len)
{
        struct node *node = arg;

        post(node->net, node->number, peer - 1, PACKET_ENGINE, kind, bytes, len);
        return true;
}

static void
want_txs(void *arg, const struct lx_hash *ids, size_t count, uint32_t peer)
{
        struct node *node = arg;

        for (size_t i = 0; i < count; i++)
                post(node->net, node->number, peer - 1, PACKET_GET_TX, LEDGER_MSG_VOTE, ids[i].b, LX_HASH_LEN);
}

static void
punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        (void)arg, (void)peer, (void)points, (void)reason;
}

static struct ledger_engine_net nets[NODES];

static uint64_t
now_of(void *arg)
{
        return ((struct node *)arg)->net->now;
}

static uint64_t
wall_of(void *arg)
{
        struct node *node = arg;

        return node->net->wall + node->net->now + 100 * node->number;
}

static void
random_of(void *arg, void *out, size_t len)
{
        struct node *node = arg;

        for (size_t i = 0; i < len; i++)
                ((uint8_t *)out)[i] = (uint8_t)unit_random(&node->net->seed);
}

static void
on_block(void *arg, const struct ledger_header *header, size_t tx_count)
{
        struct node *node = arg;

        (void)tx_count;
        node->height = header->height;
}

static void
on_failure(void *arg, enum lx_err err, const struct lx_why *why)
{
        struct node *node = arg;

        (void)err, (void)why;
        node->failed = true;
}

static void
start_node(struct net *net, size_t i)
{
        struct node *node = &net->node[i];
        struct lld_options store = {
            .kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true};
        struct ledger_options ledger = {
            .genesis = net->document.p, .genesis_len = net->document.len};
        struct ledger_engine_options options = {.key = node->key,
            .on_block = on_block,
            .on_failure = on_failure,
            .arg = node,
            .map_seed = i + 1,
            .net = &nets[i],
            .now_ms = now_of,
            .walltime_ms = wall_of,
            .random = random_of,
            .clock_arg = node,
            .timeout_ms = 400};
        struct lx_why why = {{0}};

        nets[i] = (struct ledger_engine_net){send_message, want_txs, punish, node};
        ck_assert_msg(lld_mem_open(node->disk, &store, &node->db, &why) == LX_OK, "%s", why.text);
        ledger.db = node->db;
        ck_assert_msg(ledger_open(&ledger, &node->ledger, &why) == LX_OK, "%s", why.text);
        node->pool = lx_pool_new_inline(NULL, NULL);
        node->executor = ledger_executor_new_inline(NULL, NULL);
        options.ledger = node->ledger;
        options.pool = node->pool;
        options.executor = node->executor;
        options.storage = ledger_memdisk_storage(node->journal);
        ck_assert_msg(ledger_bft_engine_new(&options, &node->engine, &why) == LX_OK, "%s", why.text);
        node->up = true;
        node->failed = false;
        for (size_t j = 0; j < net->count; j++)
                if (j != i && net->node[j].up) {
                        ledger_engine_peer_up(node->engine, (uint32_t)j + 1, net->now);
                        ledger_engine_peer_up(net->node[j].engine, (uint32_t)i + 1, net->now);
                }
}

static void
stop_node(struct net *net, size_t i)
{
        struct node *node = &net->node[i];

        node->up = false;
        ledger_engine_free(node->engine);
        ledger_executor_free(node->executor);
        lx_pool_free(node->pool);
        ledger_close(node->ledger);
        lld_close(node->db);
        node->engine = NULL;
        for (size_t j = 0; j < net->count; j++)
                if (j != i && net->node[j].up)
                        ledger_engine_peer_down(net->node[j].engine, (uint32_t)i + 1, net->now);
}

/* Power cut: what was not synced is gone, on both disks. */
static void
crash_node(struct net *net, size_t i)
{
        lld_disk_crash(net->node[i].disk, unit_random(&net->seed) % 2);
        ledger_memdisk_crash(net->node[i].journal, unit_random(&net->seed));
        stop_node(net, i);
        ledger_memdisk_crash(net->node[i].journal, unit_random(&net->seed));
}

static void
begin_set(struct net *net, size_t validators, size_t nodes, uint64_t seed, const char *parameters)
{
        *net = (struct net){.seed = seed, .now = 1000, .wall = 1800000000000ull, .count = nodes, .delay = 20};
        net->queue = lx_alloc_array(QUEUE_MAX, sizeof(*net->queue));
        kit_genesis(validators, NULL, parameters, &net->document);
        for (size_t i = 0; i < nodes; i++) {
                struct node *node = &net->node[i];

                *node = (struct node){.net = net, .number = i, .disk = lld_disk_new(0),
                    .journal = ledger_memdisk_new()};
                kit_validator_key(i, node->key);
        }
        for (size_t i = 0; i < nodes; i++)
                start_node(net, i);
        author_init(&net->author, 1, ledger_chain_id(net->node[0].ledger));
}

static void
begin(struct net *net, size_t nodes, uint64_t seed)
{
        begin_set(net, nodes, nodes, seed, "\"heartbeat-ms\":0");
}

static void
end(struct net *net)
{
        for (size_t i = 0; i < net->count; i++) {
                if (net->node[i].up)
                        stop_node(net, i);
                lld_disk_free(net->node[i].disk);
                ledger_memdisk_free(net->node[i].journal);
        }
        for (size_t i = 0; i < net->packets; i++)
                lx_buf_clear(&net->queue[i].bytes);
        lx_free(net->queue);
        lx_buf_clear(&net->document);
        author_clear(&net->author);
}

static uint64_t
tip_of(struct node *node)
{
        struct ledger_view *view = ledger_view_new(node->ledger);
        uint64_t height = ledger_view_header(view)->height;

        ledger_view_unref(view);
        return height;
}

static void
count_final(void *arg, const struct ledger_outcome *outcome)
{
        struct net *net = arg;

        if (outcome->err == LX_OK && outcome->height > 0)
                net->final++;
}

static void
ignore(void *arg, const struct ledger_outcome *outcome)
{
        (void)arg, (void)outcome;
}

static void
work(struct node *node)
{
        while (lx_pool_reap(node->pool) + ledger_executor_reap(node->executor) > 0)
                continue;
}

/* Hand a body to whoever asked for it, from mempool or ledger. */
static void
serve_tx(struct net *net, const struct packet *p)
{
        struct node *node = &net->node[p->to];
        struct ledger_view *view;
        const struct ledger_pending *pending;
        struct lx_hash id;
        struct lx_buf bytes = {0};
        uint64_t height;
        uint32_t index;

        memcpy(id.b, p->bytes.p, LX_HASH_LEN);
        pending = ledger_mempool_find(ledger_engine_mempool(node->engine), &id);
        view = ledger_view_new(node->ledger);
        if (pending != NULL)
                post(net, p->to, p->from, PACKET_TX, LEDGER_MSG_VOTE, pending->bytes, pending->len);
        else if (ledger_get_tx(view, &id, &bytes, &height, &index) == LX_OK)
                post(net, p->to, p->from, PACKET_TX, LEDGER_MSG_VOTE, bytes.p, bytes.len);
        lx_buf_clear(&bytes);
        ledger_view_unref(view);
}

static void
deliver(struct net *net, struct packet *p)
{
        struct node *node = &net->node[p->to];

        if (!node->up)
                return;
        if (p->kind == PACKET_ENGINE) {
                enum lx_err err = ledger_engine_receive(node->engine, (uint32_t)p->from + 1, p->message,
                    p->bytes.p, p->bytes.len, net->now);

                ck_assert_msg(err == LX_OK || net->tamper != NULL, "message %d: %s", (int)p->message,
                    lx_err_name(err));
        } else if (p->kind == PACKET_GET_TX) {
                serve_tx(net, p);
        } else {
                ledger_engine_submit(node->engine, p->bytes.p, p->bytes.len, LEDGER_WAIT_ACCEPTED,
                    net->now, ignore, NULL);
        }
        work(node);
}

/* One event: the next packet or deadline before @until. */
static bool
step(struct net *net, uint64_t until)
{
        uint64_t at = until;
        size_t first = net->packets, who = net->count;

        for (size_t i = 0; i < net->packets; i++)
                if (net->queue[i].at < at ||
                    (first < net->packets && net->queue[i].at == at &&
                        net->queue[i].order < net->queue[first].order)) {
                        at = net->queue[i].at;
                        first = i;
                }
        for (size_t i = 0; i < net->count; i++) {
                uint64_t deadline =
                    net->node[i].up ? ledger_engine_deadline_ms(net->node[i].engine) : UINT64_MAX;

                if (deadline < at) {
                        at = deadline;
                        who = i;
                }
        }
        if (at >= until) {
                net->now = until;
                return false;
        }
        net->now = at > net->now ? at : net->now;
        if (who < net->count) {
                ledger_engine_tick(net->node[who].engine, net->now);
                work(&net->node[who]);
        } else {
                struct packet packet = net->queue[first];

                net->queue[first] = net->queue[--net->packets];
                deliver(net, &packet);
                lx_buf_clear(&packet.bytes);
        }
        return true;
}

static void
run_for(struct net *net, uint64_t ms)
{
        uint64_t until = net->now + ms;

        while (step(net, until))
                continue;
}

/* Until all running nodes (or those of @mask) are at @height; how long it took. */
static uint64_t
run_to(struct net *net, uint64_t height, uint32_t mask, uint64_t limit_ms)
{
        uint64_t from = net->now, until = net->now + limit_ms;

        for (;;) {
                bool there = true;

                for (size_t i = 0; i < net->count; i++)
                        if (net->node[i].up && (mask >> i & 1) != 0 && tip_of(&net->node[i]) < height)
                                there = false;
                if (there)
                        return net->now - from;
                ck_assert_msg(step(net, until), "height %llu is not reached: %llu %llu %llu %llu",
                    (unsigned long long)height,
                    (unsigned long long)(net->node[0].up ? tip_of(&net->node[0]) : 0),
                    (unsigned long long)(net->node[1].up ? tip_of(&net->node[1]) : 0),
                    (unsigned long long)(net->node[2].up ? tip_of(&net->node[2]) : 0),
                    (unsigned long long)(net->node[3].up ? tip_of(&net->node[3]) : 0));
        }
}

/* The author's next transaction, handed to node @to, which passes it on. */
static void
submit(struct net *net, size_t to)
{
        struct lx_buf bytes = {0};
        struct lx_hash address;

        if (net->author.sequence == 0)
                author_begin(&net->author, &bytes, NULL);
        else
                author_create_raw(&net->author, "hello", 5, &bytes, NULL, &address);
        ledger_engine_submit(net->node[to].engine, bytes.p, bytes.len, LEDGER_WAIT_FINAL, net->now,
            count_final, net);
        work(&net->node[to]);
        for (size_t i = 0; i < net->count; i++)
                if (i != to)
                        post(net, to, i, PACKET_TX, LEDGER_MSG_VOTE, bytes.p, bytes.len);
        lx_buf_clear(&bytes);
}

/* The same header at every height that two nodes share, every store sound. */
static void
check_agreement(struct net *net)
{
        struct ledger_view *view[NODES] = {NULL};
        struct lx_why why = {{0}};

        for (size_t i = 0; i < net->count; i++)
                if (net->node[i].up)
                        view[i] = ledger_view_new(net->node[i].ledger);
        for (size_t i = 0; i < net->count; i++)
                for (size_t j = i + 1; j < net->count; j++)
                        for (uint64_t h = 1; view[i] != NULL && view[j] != NULL; h++) {
                                struct ledger_header a, b;

                                if (ledger_get_header(view[i], h, &a) != LX_OK ||
                                    ledger_get_header(view[j], h, &b) != LX_OK)
                                        break;
                                ck_assert(lx_hash_eq(&a.previous, &b.previous) &&
                                    lx_hash_eq(&a.state_root, &b.state_root) && a.time_ms == b.time_ms);
                        }
        for (size_t i = 0; i < net->count; i++)
                ledger_view_unref(view[i]);
        for (size_t i = 0; i < net->count; i++)
                if (net->node[i].up)
                        ck_assert_msg(ledger_check_all(net->node[i].ledger, NULL, NULL, NULL, &why) == LX_OK,
                            "%s", why.text);
}

/* No transaction of evidence anywhere: nobody honest was accused. */
static uint64_t
count_evidence(struct net *net)
{
        uint64_t count = 0;

        for (size_t i = 0; i < net->count; i++)
                if (net->node[i].up) {
                        struct ledger_engine_status status;

                        ledger_engine_get_status(net->node[i].engine, &status);
                        count += status.evidence;
                }
        return count;
}

/* ---- tests ------------------------------------------------------------------------------------- */

START_TEST(four_nodes_commit_without_waiting)
{
        struct net net;
        uint64_t took;

        begin(&net, 4, 1);
        net.delay = 50;
        run_for(&net, 3000);
        /* Nothing to do: no blocks. */
        ck_assert_uint_eq(tip_of(&net.node[0]), 0);
        for (uint64_t h = 1; h <= 8; h++) {
                size_t proposer = h % 4;

                submit(&net, proposer);
                took = run_to(&net, h, 15, 20000);
                /* At best three delays; fetching the body is two more, a wrong proposer a timeout. */
                ck_assert_uint_le(took, 400 + 7 * 50 + 200);
                run_for(&net, 500);
                ck_assert_uint_eq(tip_of(&net.node[0]), h);
        }
        ck_assert_uint_eq(net.final, 8);
        check_agreement(&net);
        ck_assert_uint_eq(count_evidence(&net), 0);
        /* Three sign a certificate; the fourth, whose precommit comes after that, is not missing. */
        for (size_t i = 0; i < 4; i++) {
                struct ledger_engine_status status;

                ledger_engine_get_status(net.node[i].engine, &status);
                ck_assert_uint_eq(status.missing_count, 0);
        }
        end(&net);
}
END_TEST

START_TEST(a_block_takes_three_delays)
{
        struct net net;
        uint64_t height = 0, total = 0;

        begin_set(&net, 4, 4, 5, "\"heartbeat-ms\":1000");
        net.delay = 50;
        run_to(&net, 1, 15, 20000);
        for (unsigned i = 0; i < 8; i++) {
                uint64_t from;

                height = tip_of(&net.node[0]);
                run_for(&net, 300);
                from = net.now;
                (void)run_to(&net, height + 1, 15, 5000);
                total += net.now - from;
        }
        /* The heartbeat is 1000 ms; the block itself 150 and no more than some ms. */
        ck_assert_uint_le(total / 8, 1000 + 160);
        check_agreement(&net);
        end(&net);
}
END_TEST

START_TEST(loss_and_reordering_do_no_harm)
{
        struct net net;

        begin(&net, 4, 100 + (uint64_t)_i);
        net.loss = 10;
        net.duplicate = 10;
        net.jitter = 120;
        run_for(&net, 1000);
        for (uint64_t h = 1; h <= 6; h++) {
                submit(&net, (size_t)(unit_random(&net.seed) % 4));
                (void)run_to(&net, h, 15, 120000);
        }
        net.loss = 0;
        run_for(&net, 5000);
        check_agreement(&net);
        ck_assert_uint_eq(count_evidence(&net), 0);
        end(&net);
}
END_TEST

/* Power cuts of any node at any time: no fork, no evidence, and it goes on. */
START_TEST(crashes_lose_nothing)
{
        struct net net;

        begin(&net, 4, 200 + (uint64_t)_i);
        net.loss = 3;
        net.jitter = 40;
        run_for(&net, 1000);
        submit(&net, 0);
        (void)run_to(&net, 1, 15, 60000);
        for (unsigned i = 0; i < 12; i++) {
                size_t victim = (size_t)(unit_random(&net.seed) % 4);

                submit(&net, (victim + 1) % 4);
                run_for(&net, unit_random(&net.seed) % 300);
                crash_node(&net, victim);
                run_for(&net, unit_random(&net.seed) % 600);
                start_node(&net, victim);
                run_for(&net, unit_random(&net.seed) % 600);
        }
        /* All at once, in the middle of a height. */
        submit(&net, 1);
        run_for(&net, unit_random(&net.seed) % 200);
        for (size_t i = 0; i < 4; i++)
                crash_node(&net, i);
        for (size_t i = 0; i < 4; i++)
                start_node(&net, i);
        run_for(&net, 20000);
        submit(&net, 2);
        run_for(&net, 20000);
        for (size_t i = 0; i < 4; i++)
                ck_assert(!net.node[i].failed);
        check_agreement(&net);
        ck_assert_uint_eq(count_evidence(&net), 0);
        ck_assert_uint_gt(tip_of(&net.node[0]), 2);
        end(&net);
}
END_TEST

START_TEST(a_partition_stops_and_heals)
{
        struct net net;
        uint64_t height;

        begin(&net, 4, 300);
        run_for(&net, 1000);
        submit(&net, 0);
        (void)run_to(&net, 1, 15, 20000);
        net.cut = 3;
        submit(&net, 0);
        run_for(&net, 20000);
        ck_assert_uint_eq(tip_of(&net.node[0]), 1);
        ck_assert_uint_eq(tip_of(&net.node[3]), 1);
        net.cut = 0;
        (void)run_to(&net, 2, 15, 60000);
        /* One alone is behind, and comes back by itself. */
        height = tip_of(&net.node[0]);
        net.cut = 8;
        submit(&net, 0);
        (void)run_to(&net, height + 1, 7, 60000);
        net.cut = 0;
        (void)run_to(&net, height + 1, 15, 60000);
        check_agreement(&net);
        ck_assert_uint_eq(count_evidence(&net), 0);
        end(&net);
}
END_TEST

/* Node 3 signs a second vote wherever it signs one: it loses its power, nobody else does. */
static bool
equivocate(struct net *net, struct node *from, size_t to, struct packet *p)
{
        struct ledger_ballot ballot;
        struct lx_writer wr;
        struct lx_hash msg;

        (void)net;
        if (from->number != 3 || p->kind != PACKET_ENGINE || p->message != LEDGER_MSG_VOTE || to == 0 ||
            ledger_ballot_decode(p->bytes.p, p->bytes.len, &ballot) != LX_OK)
                return true;
        for (uint16_t v = 0; v < 4; v++) {
                const struct sigchain_valset *set = &ledger_genesis(from->ledger)->validators;
                struct lx_pubkey own;

                ck_assert_int_eq(lx_sign_pubkey(from->key, &own), LX_OK);
                if (ballot.voter == v && memcmp(set->v[v].key.b, own.b, LX_PUBKEY_LEN) != 0) /* public */
                        return true;
        }
        ballot.value = unit_hash(ballot.height + 77);
        ballot.valid_round = LEDGER_NO_ROUND;
        ledger_ballot_message(ops(), ledger_chain_id(from->ledger), &ballot, &msg);
        ck_assert_int_eq(lx_sign(from->key, &msg, NULL, &ballot.sig), LX_OK);
        wr = lx_writer_init(p->bytes.p, p->bytes.cap);
        ledger_ballot_encode(&ballot, &wr);
        return true;
}

static size_t
set_size(struct node *node)
{
        struct ledger_view *view = ledger_view_new(node->ledger);
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        struct lx_buf bytes = {0};
        size_t count;

        ck_assert_int_eq(ledger_get_valset(view, &ledger_view_header(view)->next_valset, &bytes), LX_OK);
        ck_assert_int_eq(sigchain_valset_decode(bytes.p, bytes.len, set), LX_OK);
        count = set->count;
        lx_buf_clear(&bytes);
        lx_free(set);
        ledger_view_unref(view);
        return count;
}

START_TEST(a_double_signer_loses_its_power)
{
        struct net net;

        begin(&net, 4, 400);
        run_for(&net, 1000);
        submit(&net, 0);
        (void)run_to(&net, 1, 7, 20000);
        net.tamper = equivocate;
        submit(&net, 0);
        (void)run_to(&net, 2, 7, 30000);
        net.tamper = NULL;
        submit(&net, 1);
        (void)run_to(&net, 4, 7, 60000);
        ck_assert_uint_ge(count_evidence(&net), 1);
        ck_assert_uint_eq(set_size(&net.node[0]), 3);
        /* The three go on without it; it follows. */
        submit(&net, 2);
        (void)run_to(&net, 5, 15, 60000);
        check_agreement(&net);
        end(&net);
}
END_TEST

/* ---- updates ----------------------------------------------------------------------------------- */

/* More than two thirds of @set (by node number) sign an update; it is submitted to node 0. */
static void
submit_update(struct net *net, uint8_t type, struct lx_span what, size_t signers)
{
        struct ledger_view *view = ledger_view_new(net->node[0].ledger);
        struct sigchain_op_body body = {.type = (enum sigchain_op_type)type};
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        struct lx_buf bytes = {0}, tx = {0};
        uint8_t cert[LEDGER_CERT_MAX], bitmap[LEDGER_VOTERS_BYTES] = {0};
        struct lx_writer wr = lx_writer_init(cert, sizeof(cert));
        struct lx_hash msg, set_hash = ledger_view_header(view)->next_valset;
        struct lx_sig sig[SIGCHAIN_VALIDATORS_MAX];
        uint64_t expiry = ledger_view_header(view)->height + 100;

        ck_assert_int_eq(ledger_get_valset(view, &set_hash, &bytes), LX_OK);
        ck_assert_int_eq(sigchain_valset_decode(bytes.p, bytes.len, set), LX_OK);
        sigchain_update_message(ops(), type, ledger_chain_id(net->node[0].ledger), &set_hash, expiry, what, &msg);
        for (size_t n = 0; n < signers; n++) {
                struct lx_pubkey key;

                ck_assert_int_eq(lx_sign_pubkey(net->node[n].key, &key), LX_OK);
                for (size_t i = 0; i < set->count; i++)
                        if (memcmp(set->v[i].key.b, key.b, LX_PUBKEY_LEN) == 0) { /* public */
                                ledger_bit_set(bitmap, i);
                                ck_assert_int_eq(lx_sign(net->node[n].key, &msg, NULL, &sig[i]), LX_OK);
                        }
        }
        lx_write_bytes(&wr, bitmap, (set->count + 7) / 8);
        for (size_t i = 0; i < set->count; i++)
                if (ledger_bit(bitmap, i))
                        lx_write_bytes(&wr, sig[i].b, LX_SIG_LEN);
        body.u.update.expiry = expiry;
        body.u.update.what = what;
        body.u.update.cert = LX_SPAN(cert, wr.len);
        author_write_tx(&net->author, &body, 1, &tx, NULL);
        ledger_engine_submit(
            net->node[0].engine, tx.p, tx.len, LEDGER_WAIT_FINAL, net->now, count_final, net);
        work(&net->node[0]);
        for (size_t i = 1; i < net->count; i++)
                post(net, 0, i, PACKET_TX, LEDGER_MSG_VOTE, tx.p, tx.len);
        lx_buf_clear(&bytes);
        lx_buf_clear(&tx);
        lx_free(set);
        ledger_view_unref(view);
}

static int
compare_keys(const void *a, const void *b)
{
        return memcmp(((const struct sigchain_validator *)a)->key.b, /* public */
            ((const struct sigchain_validator *)b)->key.b, LX_PUBKEY_LEN);
}

/* The set of nodes [0, count). */
static size_t
encode_set(struct net *net, size_t count, uint8_t *out, size_t cap)
{
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        struct lx_writer wr = lx_writer_init(out, cap);

        set->count = count;
        for (size_t i = 0; i < count; i++) {
                ck_assert_int_eq(lx_sign_pubkey(net->node[i].key, &set->v[i].key), LX_OK);
                set->v[i].power = 1;
                set->v[i].name = LX_SPAN("v", 1);
        }
        qsort(set->v, count, sizeof(set->v[0]), compare_keys);
        sigchain_valset_encode(set, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        lx_free(set);
        return wr.len;
}

START_TEST(the_set_grows_and_shrinks_while_it_runs)
{
        struct net net;
        uint8_t set[SIGCHAIN_VALSET_BYTES_MAX];
        struct ledger_header a, b;
        struct ledger_view *view;
        uint64_t height;
        size_t len;

        begin_set(&net, 4, 7, 500, "\"heartbeat-ms\":0");
        run_for(&net, 1000);
        submit(&net, 0);
        (void)run_to(&net, 1, 127, 30000);
        len = encode_set(&net, 7, set, sizeof(set));
        submit_update(&net, SIGCHAIN_OP_VALIDATOR_UPDATE, LX_SPAN(set, len), 3);
        (void)run_to(&net, 2, 127, 30000);
        /* An update in H acts at H + 1: H is signed by the old set and names the new one. */
        view = ledger_view_new(net.node[0].ledger);
        ck_assert_int_eq(ledger_get_header(view, 1, &a), LX_OK);
        ck_assert_int_eq(ledger_get_header(view, 2, &b), LX_OK);
        ck_assert(lx_hash_eq(&b.valset, &a.valset) && !lx_hash_eq(&b.next_valset, &b.valset));
        ledger_view_unref(view);
        ck_assert_uint_eq(set_size(&net.node[0]), 7);
        for (uint64_t h = 3; h <= 9; h++) {
                submit(&net, h % 7);
                (void)run_to(&net, h, 127, 60000);
        }
        /* Four of seven are not enough, five are. */
        stop_node(&net, 5);
        stop_node(&net, 6);
        submit(&net, 0);
        (void)run_to(&net, 10, 31, 60000);
        start_node(&net, 5);
        start_node(&net, 6);
        len = encode_set(&net, 3, set, sizeof(set));
        submit_update(&net, SIGCHAIN_OP_VALIDATOR_UPDATE, LX_SPAN(set, len), 5);
        run_for(&net, 20000);
        ck_assert_uint_eq(set_size(&net.node[0]), 3);
        height = tip_of(&net.node[0]);
        submit(&net, 1);
        (void)run_to(&net, height + 1, 127, 60000);
        check_agreement(&net);
        ck_assert_uint_eq(count_evidence(&net), 0);
        end(&net);
}
END_TEST

START_TEST(the_rules_are_upgraded_while_it_runs)
{
        struct net net;
        uint8_t what[64];
        struct lx_writer wr = lx_writer_init(what, sizeof(what));
        struct ledger_view *view;
        struct ledger_header header;

        begin(&net, 4, 600);
        run_for(&net, 1000);
        submit(&net, 0);
        (void)run_to(&net, 1, 15, 30000);
        lx_write_u16(&wr, 1);
        lx_write_u16(&wr, SIGCHAIN_RULE_VERSION);
        lx_write_u64(&wr, 2);
        submit_update(&net, SIGCHAIN_OP_PARAMETER_UPDATE, LX_SPAN(what, wr.len), 3);
        (void)run_to(&net, 2, 15, 30000);
        submit(&net, 0);
        (void)run_to(&net, 3, 15, 30000);
        view = ledger_view_new(net.node[1].ledger);
        ck_assert_int_eq(ledger_get_header(view, 2, &header), LX_OK);
        ck_assert_uint_eq(header.rule_version, 1);
        ck_assert_int_eq(ledger_get_header(view, 3, &header), LX_OK);
        ck_assert_uint_eq(header.rule_version, 2);
        ledger_view_unref(view);
        /* A version that this program does not know: it stops, and says so. */
        wr = lx_writer_init(what, sizeof(what));
        lx_write_u16(&wr, 1);
        lx_write_u16(&wr, SIGCHAIN_RULE_VERSION);
        lx_write_u64(&wr, LEDGER_RULE_VERSION + 1);
        submit_update(&net, SIGCHAIN_OP_PARAMETER_UPDATE, LX_SPAN(what, wr.len), 3);
        (void)run_to(&net, 4, 15, 30000);
        submit(&net, 0);
        run_for(&net, 20000);
        ck_assert_uint_eq(tip_of(&net.node[0]), 4);
        for (size_t i = 0; i < 4; i++)
                ck_assert_uint_eq(tip_of(&net.node[i]), 4);
        end(&net);
}
END_TEST

/* A validator whose signing record is gone is silent for two heights, then signs again. */
START_TEST(a_restored_validator_is_silent_for_two_heights)
{
        struct net net;
        struct ledger_engine_status status;

        begin(&net, 4, 700);
        run_for(&net, 1000);
        submit(&net, 0);
        (void)run_to(&net, 1, 15, 30000);
        stop_node(&net, 3);
        ledger_memdisk_free(net.node[3].journal);
        net.node[3].journal = ledger_memdisk_new();
        start_node(&net, 3);
        run_for(&net, 1000); /* clocks differ: only what was certified after its start counts */
        for (uint64_t h = 2; h <= 3; h++) {
                ledger_engine_get_status(net.node[3].engine, &status);
                ck_assert(!status.voting && status.vote_from == UINT64_MAX);
                submit(&net, 0);
                (void)run_to(&net, h, 15, 30000);
        }
        ledger_engine_get_status(net.node[3].engine, &status);
        ck_assert(status.voting);
        ck_assert_uint_eq(status.vote_from, 4);
        /* It counts again: without another one the three of four still decide. */
        stop_node(&net, 0);
        submit(&net, 1);
        (void)run_to(&net, 4, 14, 60000);
        check_agreement(&net);
        ck_assert_uint_eq(count_evidence(&net), 0);
        end(&net);
}
END_TEST

/* A wiped validator (no store, no record) at a network that is older than it thinks signs nothing. */
START_TEST(a_wiped_validator_signs_nothing_old)
{
        struct net net;
        struct ledger_engine_status status;

        begin(&net, 4, 800);
        run_for(&net, 1000);
        for (uint64_t h = 1; h <= 3; h++) {
                submit(&net, 0);
                (void)run_to(&net, h, 15, 30000);
        }
        stop_node(&net, 3);
        ledger_memdisk_free(net.node[3].journal);
        net.node[3].journal = ledger_memdisk_new();
        lld_disk_free(net.node[3].disk);
        net.node[3].disk = lld_disk_new(0);
        start_node(&net, 3);
        run_for(&net, 5000);
        ledger_engine_get_status(net.node[3].engine, &status);
        ck_assert(!status.voting);
        submit(&net, 0);
        (void)run_to(&net, 4, 7, 30000);
        ck_assert_uint_eq(count_evidence(&net), 0);
        end(&net);
}
END_TEST

/* Three that all are needed begin a network, one after the other. */
START_TEST(all_that_are_needed_begin_one_by_one)
{
        struct net net;

        begin_set(&net, 3, 3, 300 + (uint64_t)_i, "\"heartbeat-ms\":100");
        for (size_t i = 0; i < 3; i++) {
                stop_node(&net, i);
                lld_disk_free(net.node[i].disk);
                ledger_memdisk_free(net.node[i].journal);
                net.node[i].disk = lld_disk_new(0);
                net.node[i].journal = ledger_memdisk_new();
        }
        for (size_t i = 0; i < 3; i++) {
                start_node(&net, ((size_t)_i + i) % 3);
                run_for(&net, unit_random(&net.seed) % 400);
        }
        (void)run_to(&net, 3, 7, 20000);
        check_agreement(&net);
        ck_assert_uint_eq(count_evidence(&net), 0);
        end(&net);
}
END_TEST

int
main(void)
{
        TCase *tcase = tcase_create("bft engine");

        if (lx_crypto_init() != LX_OK)
                return 1;
        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, four_nodes_commit_without_waiting);
        tcase_add_test(tcase, a_block_takes_three_delays);
        tcase_add_loop_test(tcase, loss_and_reordering_do_no_harm, 0, 6);
        tcase_add_loop_test(tcase, crashes_lose_nothing, 0, 8);
        tcase_add_test(tcase, a_partition_stops_and_heals);
        tcase_add_test(tcase, a_double_signer_loses_its_power);
        tcase_add_test(tcase, the_set_grows_and_shrinks_while_it_runs);
        tcase_add_test(tcase, the_rules_are_upgraded_while_it_runs);
        tcase_add_test(tcase, a_restored_validator_is_silent_for_two_heights);
        tcase_add_test(tcase, a_wiped_validator_signs_nothing_old);
        tcase_add_loop_test(tcase, all_that_are_needed_begin_one_by_one, 0, 12);
        return unit_run("bft engine", tcase);
}
