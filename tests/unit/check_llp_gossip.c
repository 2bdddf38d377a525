/*
 * tests/unit/check_llp_gossip.c - src/llp/gossip*.c, src/ledger/admit.c and the mempool: transactions
 * spread once over links that delay, in the order of their chains; wishes, replacements, limits.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "keys/derive.h"
#include "kit/chain.h"
#include "ledger/admit.h"
#include "ledger/engine_int.h"
#include "llp/gossip.h"
#include "llp/message.h"
#include "llp/net.h"
#include "unit.h"

#define NODES 4
#define DELAY_MS 20

/* ---- an engine that lets everything wait ------------------------------------------------------- */

static void
still_free(struct ledger_engine *engine)
{
        lx_free(engine);
}

static void
still_tick(struct ledger_engine *engine, uint64_t now_ms)
{
        (void)engine;
        (void)now_ms;
}

static uint64_t
still_deadline(const struct ledger_engine *engine)
{
        (void)engine;
        return UINT64_MAX;
}

static const struct ledger_engine_ops STILL = {
    .name = "still", .free = still_free, .tick = still_tick, .deadline_ms = still_deadline};

/* ---- nodes ------------------------------------------------------------------------------------- */

struct message {
        struct message *next;
        uint64_t at_ms;
        unsigned from, to, type;
        uint8_t *bytes;
        size_t len;
};

struct net;

struct node {
        struct net *net;
        unsigned number; /* from 1: its handle */
        struct kit_ledger kit;
        struct ledger_engine *engine;
        struct llp_gossip *gossip;
        struct llp_net face;
        bool linked[NODES + 1];
        bool mute;       /* what it sends is lost */
        unsigned points[NODES + 1];
        uint64_t bodies, tx_bytes;
        struct ledger_outcome outcome; /* of the last submission that ended */
        unsigned outcomes;
};

struct net {
        struct lx_buf genesis;
        struct node node[NODES + 1];
        struct message *first, **end;
        uint64_t now_ms;
};

static bool
face_send(void *arg, uint32_t to, unsigned type, const void *bytes, size_t len)
{
        struct node *node = arg;
        struct message *m;
        const struct llp_message_row *row = llp_message_find(type);

        ck_assert(row != NULL && len >= row->min && len <= row->max);
        if (!node->linked[to])
                return false;
        node->bodies += type == LLP_TX;
        node->tx_bytes += type == LLP_TX ? len : 0;
        if (node->mute)
                return true;
        m = lx_alloc(sizeof(*m));
        *m = (struct message){.at_ms = node->net->now_ms + DELAY_MS, .from = node->number, .to = to,
            .type = type, .bytes = lx_memdup(bytes, len), .len = len};
        *node->net->end = m;
        node->net->end = &m->next;
        return true;
}

static bool
face_has_room(void *arg, uint32_t to, unsigned type)
{
        (void)type;
        return ((struct node *)arg)->linked[to];
}

static void
face_punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        ck_assert(reason[0] != '\0');
        ((struct node *)arg)->points[peer] += points;
}

static void
net_init(struct net *net)
{
        memset(net, 0, sizeof(*net));
        net->end = &net->first;
        net->now_ms = 1000;
        kit_genesis(1, NULL, "\"heartbeat-ms\":0", &net->genesis);
        for (unsigned i = 1; i <= NODES; i++) {
                struct node *node = &net->node[i];
                struct ledger_engine_options options = {0};
                struct llp_gossip_options gossip = {0};

                node->net = net;
                node->number = i;
                kit_ledger_init(&node->kit, &net->genesis);
                options.ledger = node->kit.ledger;
                options.executor = node->kit.executor;
                options.pool = node->kit.pool;
                node->engine = lx_alloc(sizeof(*node->engine));
                ledger_engine_init(node->engine, &STILL, &options);
                node->face = (struct llp_net){.send = face_send, .has_room = face_has_room,
                    .punish = face_punish, .arg = node};
                gossip.ledger = node->kit.ledger;
                gossip.engine = node->engine;
                gossip.net = &node->face;
                node->gossip = llp_gossip_new(&gossip);
        }
}

static void
net_link(struct net *net, unsigned a, unsigned b)
{
        net->node[a].linked[b] = net->node[b].linked[a] = true;
        llp_gossip_peer_up(net->node[a].gossip, b, net->now_ms);
        llp_gossip_peer_up(net->node[b].gossip, a, net->now_ms);
}

static void
net_mesh(struct net *net)
{
        for (unsigned a = 1; a <= NODES; a++)
                for (unsigned b = a + 1; b <= NODES; b++)
                        net_link(net, a, b);
}

static void
settle(struct net *net)
{
        for (unsigned i = 1; i <= NODES; i++)
                (void)kit_ledger_run(&net->node[i].kit);
}

/* Let @ms pass. */
static void
net_run(struct net *net, uint64_t ms)
{
        uint64_t end = net->now_ms + ms;

        settle(net);
        while (net->now_ms < end) {
                struct message *m = net->first;
                uint64_t at = m != NULL ? m->at_ms : end;

                for (unsigned i = 1; i <= NODES; i++)
                        if (llp_gossip_deadline_ms(net->node[i].gossip) < at) {
                                at = llp_gossip_deadline_ms(net->node[i].gossip);
                                m = NULL;
                        }
                if (at > end)
                        at = end, m = NULL;
                net->now_ms = at > net->now_ms ? at : net->now_ms;
                if (m != NULL) {
                        net->first = m->next;
                        if (net->first == NULL)
                                net->end = &net->first;
                        ck_assert_int_eq(llp_gossip_receive(net->node[m->to].gossip, m->from,
                            m->type, m->bytes, m->len, net->now_ms), LX_OK);
                        lx_free(m->bytes);
                        lx_free(m);
                }
                for (unsigned i = 1; i <= NODES && m == NULL; i++)
                        llp_gossip_tick(net->node[i].gossip, net->now_ms);
                settle(net);
        }
}

static void
net_clear(struct net *net)
{
        while (net->first != NULL) {
                struct message *m = net->first;

                net->first = m->next;
                lx_free(m->bytes);
                lx_free(m);
        }
        for (unsigned i = 1; i <= NODES; i++) {
                struct node *node = &net->node[i];

                (void)kit_ledger_run(&node->kit);
                llp_gossip_free(node->gossip);
                ledger_engine_free(node->engine);
                kit_ledger_clear(&node->kit);
        }
        lx_buf_clear(&net->genesis);
}

static void
note_outcome(void *arg, const struct ledger_outcome *outcome)
{
        struct node *node = arg;

        node->outcome = *outcome;
        node->outcomes++;
}

static void
submit(struct node *node, const struct lx_buf *tx, enum ledger_wait wait)
{
        ledger_engine_submit(
            node->engine, tx->p, tx->len, wait, node->net->now_ms, note_outcome, node);
        (void)kit_ledger_run(&node->kit);
}

static size_t
waiting(struct node *node)
{
        return ledger_mempool_count(ledger_engine_mempool(node->engine), NULL);
}

static bool
has(struct node *node, const struct lx_hash *id)
{
        return ledger_mempool_find(ledger_engine_mempool(node->engine), id) != NULL;
}

/* ---- spreading --------------------------------------------------------------------------------- */

/* Every node gets every body once; a body crosses as few links as there are nodes that lack it. */
START_TEST(test_once)
{
        struct net net;
        struct author author[8];
        struct lx_buf tx = {0};
        uint64_t bodies = 0, bytes = 0, all = 0;

        net_init(&net);
        net_mesh(&net);
        for (unsigned a = 0; a < 8; a++) {
                author_init(&author[a], a, ledger_chain_id(net.node[1].kit.ledger));
                for (unsigned i = 0; i < 20; i++) {
                        struct lx_hash address;

                        lx_buf_reset(&tx);
                        if (i == 0)
                                author_begin(&author[a], &tx, NULL);
                        else
                                author_create_raw(&author[a], &i, sizeof(i), &tx, NULL, &address);
                        submit(&net.node[1 + a % NODES], &tx, LEDGER_WAIT_ACCEPTED);
                        ck_assert_int_eq(net.node[1 + a % NODES].outcome.err, LX_OK);
                        all += tx.len;
                        if (i % 5 == 0)
                                net_run(&net, 7);
                }
        }
        net_run(&net, 1000);
        for (unsigned i = 1; i <= NODES; i++) {
                ck_assert_uint_eq(waiting(&net.node[i]), 160);
                bodies += net.node[i].bodies;
                bytes += net.node[i].tx_bytes;
                for (unsigned p = 1; p <= NODES; p++)
                        ck_assert_uint_eq(net.node[i].points[p], 0);
        }
        ck_assert_uint_eq(bodies, 160 * (NODES - 1));
        /* Over six links half of the size each. */
        ck_assert_uint_eq(bytes, all * (NODES - 1));
        for (unsigned a = 0; a < 8; a++)
                author_clear(&author[a]);
        lx_buf_clear(&tx);
        net_clear(&net);
}
END_TEST

/* A chain of nodes; who comes later hears what waits. */
START_TEST(test_line)
{
        struct net net;
        struct author author;
        struct lx_buf tx = {0};
        struct lx_hash id[30], address;

        net_init(&net);
        net_link(&net, 1, 2);
        net_link(&net, 2, 3);
        author_init(&author, 1, ledger_chain_id(net.node[1].kit.ledger));
        for (unsigned i = 0; i < 30; i++) {
                lx_buf_reset(&tx);
                if (i == 0)
                        author_begin(&author, &tx, &id[i]);
                else
                        author_create_raw(&author, &i, sizeof(i), &tx, &id[i], &address);
                submit(&net.node[1], &tx, LEDGER_WAIT_ACCEPTED);
        }
        net_run(&net, 2000);
        ck_assert_uint_eq(waiting(&net.node[3]), 30);
        net_link(&net, 3, 4);
        net_run(&net, 2000);
        for (unsigned i = 0; i < 30; i++)
                ck_assert(has(&net.node[4], &id[i]));
        author_clear(&author);
        lx_buf_clear(&tx);
        net_clear(&net);
}
END_TEST

/* Announces @ids to node @to as if from node @from. */
static void
announce(struct net *net, unsigned from, unsigned to, const struct lx_hash *ids, size_t count)
{
        uint8_t bytes[2 + 64 * LX_HASH_LEN];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        llp_ids_encode(ids, count, &wr);
        ck_assert_int_eq(llp_gossip_receive(
            net->node[to].gossip, from, LLP_TX_IDS, bytes, wr.len, net->now_ms), LX_OK);
}

/* Who announces and then is silent is passed over; the next one is asked. */
START_TEST(test_silent)
{
        struct net net;
        struct author author;
        struct lx_buf tx = {0};
        struct lx_hash id;
        struct llp_gossip_stats stats;

        net_init(&net);
        net_link(&net, 1, 2);
        net_link(&net, 1, 3);
        net_link(&net, 3, 4);
        author_init(&author, 1, ledger_chain_id(net.node[1].kit.ledger));
        author_begin(&author, &tx, &id);
        net.node[2].mute = true;
        announce(&net, 2, 1, &id, 1);
        submit(&net.node[4], &tx, LEDGER_WAIT_ACCEPTED); /* pushed to 3, which announces it */
        net_run(&net, 1000);
        ck_assert(!has(&net.node[1], &id));
        net_run(&net, 2000);
        ck_assert(has(&net.node[1], &id));
        ck_assert_uint_gt(net.node[1].points[2], 0);
        ck_assert_uint_eq(net.node[1].points[3], 0);
        llp_gossip_get_stats(net.node[1].gossip, &stats);
        ck_assert_uint_eq(stats.wanted, 0);
        ck_assert_uint_eq(stats.asked, 2);
        author_clear(&author);
        lx_buf_clear(&tx);
        net_clear(&net);
}
END_TEST

/* A body before its predecessor waits; a pushed one is taken; who is not the owner costs points. */
START_TEST(test_order_and_lies)
{
        struct net net;
        struct author author, thief;
        struct lx_buf first = {0}, second = {0}, stolen = {0}, bad = {0};
        struct lx_hash id[4], address;
        struct node *n;
        struct llp_gossip_stats stats;

        net_init(&net);
        net_link(&net, 1, 2);
        n = &net.node[1];
        author_init(&author, 1, ledger_chain_id(n->kit.ledger));
        author_begin(&author, &first, &id[0]);
        author_create_raw(&author, "x", 1, &second, &id[1], &address);
        announce(&net, 2, 1, &id[1], 1);
        ck_assert_int_eq(llp_gossip_receive(n->gossip, 2, LLP_TX, second.p, second.len, net.now_ms), LX_OK);
        settle(&net);
        ck_assert_uint_eq(waiting(n), 0);
        llp_gossip_get_stats(n->gossip, &stats);
        ck_assert_uint_eq(stats.orphans, 1);
        announce(&net, 2, 1, &id[0], 1);
        ck_assert_int_eq(llp_gossip_receive(n->gossip, 2, LLP_TX, first.p, first.len, net.now_ms), LX_OK);
        settle(&net);
        ck_assert_uint_eq(waiting(n), 2);
        ck_assert_uint_eq(n->points[2], 0);
        /* Asked of nobody: pushed by its origin, taken once. */
        author_init(&thief, 2, ledger_chain_id(n->kit.ledger));
        author_begin(&thief, &stolen, &id[2]);
        for (unsigned i = 0; i < 2; i++) {
                ck_assert_int_eq(
                    llp_gossip_receive(n->gossip, 2, LLP_TX, stolen.p, stolen.len, net.now_ms), LX_OK);
                settle(&net);
                ck_assert_uint_eq(waiting(n), 3);
                ck_assert_uint_eq(n->points[2], 0);
        }
        /* In another's name: not the committed key. */
        thief.genesis = author.genesis;
        thief.last = author.last;
        thief.sequence = author.sequence;
        lx_buf_reset(&stolen);
        author_create_raw(&thief, "y", 1, &stolen, &id[2], &address);
        announce(&net, 2, 1, &id[2], 1);
        ck_assert_int_eq(llp_gossip_receive(n->gossip, 2, LLP_TX, stolen.p, stolen.len, net.now_ms), LX_OK);
        settle(&net);
        ck_assert_uint_eq(waiting(n), 3);
        ck_assert_uint_eq(n->points[2], 5);
        /* The owner's, with a broken signature: banned. */
        author_create_raw(&author, "z", 1, &bad, &id[3], &address);
        bad.p[bad.len - 1] ^= 1;
        announce(&net, 2, 1, &id[3], 1);
        ck_assert_int_eq(llp_gossip_receive(n->gossip, 2, LLP_TX, bad.p, bad.len, net.now_ms), LX_OK);
        settle(&net);
        ck_assert_uint_eq(waiting(n), 3);
        ck_assert_uint_ge(n->points[2], LLP_PUNISH_BAN);
        /* Not a transaction at all. */
        ck_assert_int_ne(llp_gossip_receive(n->gossip, 2, LLP_TX, bad.p, bad.len - 1, net.now_ms), LX_OK);
        author_clear(&author);
        author_clear(&thief);
        lx_buf_clear(&first);
        lx_buf_clear(&second);
        lx_buf_clear(&stolen);
        lx_buf_clear(&bad);
        net_clear(&net);
}
END_TEST

/* ---- replacing, dropping, expiring ------------------------------------------------------------- */

static void
write_wish(const struct author *a, uint64_t sequence, const struct lx_hash *id, uint8_t out[LEDGER_DROP_LEN])
{
        struct lx_secret key = {0};
        struct lx_pubkey public;
        struct lx_hash msg;
        struct lx_sig sig;

        ck_assert_int_eq(keys_derive_chain(&a->seed, sequence, &key), LX_OK);
        ck_assert_int_eq(keys_public(&key, &public, NULL), LX_OK);
        ledger_drop_message(&lx_crypto_ops()->hash, &a->chain_id, id, &msg);
        ck_assert_int_eq(lx_sign(key.p, &msg, NULL, &sig), LX_OK);
        memcpy(out, id->b, LX_HASH_LEN);
        memcpy(out + 32, public.b, LX_PUBKEY_LEN);
        memcpy(out + 64, sig.b, LX_SIG_LEN);
        lx_secret_clear(&key);
}

START_TEST(test_drop)
{
        struct net net;
        struct author author, other;
        struct lx_buf tx = {0}, gone = {0};
        struct lx_hash id[3], address;
        uint8_t wish[LEDGER_DROP_LEN], forged[LEDGER_DROP_LEN];
        struct lx_why why = {{0}};

        net_init(&net);
        net_mesh(&net);
        author_init(&author, 1, ledger_chain_id(net.node[1].kit.ledger));
        author_init(&other, 2, ledger_chain_id(net.node[1].kit.ledger));
        author_begin(&author, &tx, &id[0]);
        submit(&net.node[1], &tx, LEDGER_WAIT_ACCEPTED);
        for (int i = 1; i < 3; i++) {
                lx_buf_reset(&tx);
                author_create_raw(&author, &i, sizeof(i), &tx, &id[i], &address);
                submit(&net.node[1], &tx, LEDGER_WAIT_FINAL);
                if (i == 1)
                        lx_buf_append(&gone, tx.p, tx.len);
        }
        net_run(&net, 500);
        for (unsigned i = 1; i <= NODES; i++)
                ck_assert_uint_eq(waiting(&net.node[i]), 3);
        /* By somebody else: nothing happens, and it costs a peer its connection. */
        write_wish(&other, 1, &id[1], forged);
        ck_assert_int_eq(ledger_engine_drop(
                    net.node[1].engine, forged, sizeof(forged), &why), LX_ERR_SIGNATURE);
        ck_assert_int_eq(llp_gossip_receive(
            net.node[1].gossip, 2, LLP_TX_DROP, forged, sizeof(forged), net.now_ms), LX_OK);
        ck_assert_uint_ge(net.node[1].points[2], LLP_PUNISH_BAN);
        write_wish(&author, 1, &id[1], wish);
        wish[100] ^= 1;
        ck_assert_int_eq(ledger_engine_drop(
                    net.node[1].engine, wish, sizeof(wish), &why), LX_ERR_SIGNATURE);
        wish[100] ^= 1;
        for (size_t len = 0; len < sizeof(wish); len++)
                ck_assert_int_eq(
                    ledger_engine_drop(
                    net.node[1].engine, wish, len, &why), LX_ERR_FORMAT);
        /* By the owner, at another node: it and what is behind it leave everywhere. */
        net.node[1].outcomes = 0;
        ck_assert_int_eq(ledger_engine_drop(
                    net.node[3].engine, wish, sizeof(wish), &why), LX_OK);
        net_run(&net, 500);
        for (unsigned i = 1; i <= NODES; i++) {
                ck_assert_uint_eq(waiting(&net.node[i]), 1);
                ck_assert(has(&net.node[i], &id[0]));
        }
        ck_assert_uint_eq(net.node[1].outcomes, 2);
        ck_assert_int_eq(net.node[1].outcome.err, LX_ERR_CHANGED);
        /* Who pushes it all the same pays. */
        ck_assert_int_eq(llp_gossip_receive(
            net.node[1].gossip, 3, LLP_TX, gone.p, gone.len, net.now_ms), LX_OK);
        net_run(&net, 500);
        ck_assert(!has(&net.node[1], &id[1]));
        ck_assert_uint_eq(net.node[1].points[3], 1);
        /* Its place is free again. */
        author.sequence = 1;
        author.last = id[0];
        lx_buf_reset(&tx);
        author_create_raw(&author, "new", 3, &tx, &id[2], &address);
        submit(&net.node[4], &tx, LEDGER_WAIT_ACCEPTED);
        net_run(&net, 500);
        for (unsigned i = 1; i <= NODES; i++)
                ck_assert(has(&net.node[i], &id[2]));
        ck_assert_int_eq(ledger_engine_drop(
                    net.node[1].engine, wish, sizeof(wish), &why), LX_ERR_ABSENT);
        author_clear(&author);
        author_clear(&other);
        lx_buf_clear(&tx);
        lx_buf_clear(&gone);
        net_clear(&net);
}
END_TEST

START_TEST(test_replace_and_expire)
{
        struct net net;
        struct author author;
        struct lx_buf tx = {0};
        struct lx_hash id[5], address, account;

        net_init(&net);
        net_mesh(&net);
        memset(account.b, 3, sizeof(account.b));
        author_init(&author, 1, ledger_chain_id(net.node[1].kit.ledger));
        author_begin(&author, &tx, &id[0]);
        submit(&net.node[1], &tx, LEDGER_WAIT_ACCEPTED);
        for (int i = 1; i < 4; i++) {
                static const uint64_t fee[] = {0, 100, 105, 110};

                author.sequence = 1;
                author.last = id[0];
                author.fee = fee[i];
                author.fee_account = account;
                lx_buf_reset(&tx);
                author_create_raw(&author, &i, sizeof(i), &tx, &id[i], &address);
                submit(&net.node[i], &tx, LEDGER_WAIT_ACCEPTED);
                ck_assert_int_eq(net.node[i].outcome.err, i == 2 ? LX_ERR_EXISTS : LX_OK);
                net_run(&net, 500);
        }
        for (unsigned i = 1; i <= NODES; i++) {
                ck_assert_uint_eq(waiting(&net.node[i]), 2);
                ck_assert(has(&net.node[i], &id[3]));
        }
        ck_assert(!ledger_fee_replaces(0, 0));
        ck_assert(ledger_fee_replaces(0, 1));
        ck_assert(!ledger_fee_replaces(100, 109));
        ck_assert(ledger_fee_replaces(100, 110));
        ck_assert(!ledger_fee_replaces(UINT64_MAX - 1, UINT64_MAX));
        /* The chain as the ledger has it: behind it is refused, so is what expired. */
        author.expiry = 0;
        lx_buf_reset(&tx);
        author.sequence = 2;
        author.last = id[3];
        author.expiry = 1;
        author_create_raw(&author, "e", 1, &tx, &id[4], &address);
        submit(&net.node[1], &tx, LEDGER_WAIT_FINAL);
        net_run(&net, 500);
        ck_assert(has(&net.node[4], &id[4]));
        kit_ledger_add_block(&net.node[1].kit, NULL, 0, 1);
        net.node[1].outcomes = 0;
        ledger_engine_expire(net.node[1].engine, net.now_ms);
        ck_assert_uint_eq(net.node[1].outcomes, 1);
        ck_assert_int_eq(net.node[1].outcome.err, LX_ERR_EXPIRED);
        ck_assert_uint_eq(waiting(&net.node[1]), 2);
        ledger_engine_expire(net.node[1].engine, net.now_ms + LEDGER_MEMPOOL_AGE_MS);
        ck_assert_uint_eq(waiting(&net.node[1]), 0);
        author_clear(&author);
        lx_buf_clear(&tx);
        net_clear(&net);
}
END_TEST

/* A proposal names a body that only one peer has. */
START_TEST(test_want)
{
        struct net net;
        struct author author;
        struct lx_buf tx = {0};
        struct lx_hash id;

        net_init(&net);
        author_init(&author, 1, ledger_chain_id(net.node[1].kit.ledger));
        author_begin(&author, &tx, &id);
        submit(&net.node[2], &tx, LEDGER_WAIT_ACCEPTED);
        net_link(&net, 1, 2);
        net_link(&net, 1, 3);
        /* The one named first does not have it; the announcement of the other comes meanwhile. */
        llp_gossip_want(net.node[1].gossip, &id, 1, 3, net.now_ms);
        net_run(&net, 3000);
        ck_assert(has(&net.node[1], &id));
        author_clear(&author);
        lx_buf_clear(&tx);
        net_clear(&net);
}
END_TEST

/* Bodies that name a predecessor which they do not follow: they wait, and are not tried for ever. */
START_TEST(test_false_orphans)
{
        struct net net;
        struct author author, liar;
        struct lx_buf first = {0}, tx = {0};
        struct lx_hash id[2], address;
        struct llp_gossip_stats stats;
        struct node *n;

        net_init(&net);
        net_link(&net, 1, 2);
        n = &net.node[1];
        author_init(&author, 1, ledger_chain_id(n->kit.ledger));
        author_begin(&author, &first, &id[0]);
        author_init(&liar, 2, ledger_chain_id(n->kit.ledger));
        for (unsigned i = 0; i < 3; i++) {
                liar.genesis = author.genesis;
                liar.last = author.last;
                liar.sequence = author.sequence + 5 + i;
                lx_buf_reset(&tx);
                author_create_raw(&liar, "x", 1, &tx, &id[1], &address);
                ck_assert_int_eq(
                    llp_gossip_receive(n->gossip, 2, LLP_TX, tx.p, tx.len, net.now_ms), LX_OK);
        }
        settle(&net);
        llp_gossip_get_stats(n->gossip, &stats);
        ck_assert_uint_eq(stats.orphans, 3);
        /* What they name comes, and waits. */
        ck_assert_int_eq(
            llp_gossip_receive(n->gossip, 2, LLP_TX, first.p, first.len, net.now_ms), LX_OK);
        settle(&net);
        ck_assert_uint_eq(waiting(n), 1);
        llp_gossip_get_stats(n->gossip, &stats);
        ck_assert_uint_eq(stats.orphans, 3);
        /* It is in the ledger: they can't follow any more. */
        kit_ledger_add_block(&n->kit, &(struct lx_span){first.p, first.len}, 1, 1);
        llp_gossip_block(n->gossip, net.now_ms);
        llp_gossip_get_stats(n->gossip, &stats);
        ck_assert_uint_eq(stats.orphans, 0);
        liar.genesis = author.genesis;
        liar.last = author.last;
        liar.sequence = author.sequence + 9;
        lx_buf_reset(&tx);
        author_create_raw(&liar, "x", 1, &tx, &id[1], &address);
        ck_assert_int_eq(
            llp_gossip_receive(n->gossip, 2, LLP_TX, tx.p, tx.len, net.now_ms), LX_OK);
        llp_gossip_get_stats(n->gossip, &stats);
        ck_assert_uint_eq(stats.orphans, 0);
        author_clear(&author);
        author_clear(&liar);
        lx_buf_clear(&first);
        lx_buf_clear(&tx);
        net_clear(&net);
}
END_TEST

START_TEST(test_codec)
{
        static struct lx_hash ids[LLP_GOSSIP_IDS_MAX + 1], out[LLP_GOSSIP_IDS_MAX];
        static uint8_t bytes[2 + (LLP_GOSSIP_IDS_MAX + 1) * LX_HASH_LEN];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        size_t count;

        llp_ids_encode(ids, LLP_GOSSIP_IDS_MAX, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        ck_assert_int_eq(llp_ids_decode(bytes, wr.len, out, &count), LX_OK);
        ck_assert_uint_eq(count, LLP_GOSSIP_IDS_MAX);
        ck_assert_int_eq(llp_ids_decode(bytes, wr.len + 1, out, &count), LX_ERR_TRAILING);
        for (size_t cut = 0; cut < 100; cut++)
                ck_assert_int_eq(llp_ids_decode(bytes, cut, out, &count), LX_ERR_TRUNCATED);
        wr = lx_writer_init(bytes, sizeof(bytes));
        llp_ids_encode(ids, LLP_GOSSIP_IDS_MAX + 1, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_RANGE);
        memset(bytes, 0, 2);
        ck_assert_int_eq(llp_ids_decode(bytes, 2, out, &count), LX_ERR_RANGE);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_once, test_line, test_silent, test_order_and_lies,
            test_drop, test_replace_and_expire, test_want, test_false_orphans, test_codec, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("llp_gossip", cases, 60);
}
