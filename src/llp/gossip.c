/* llp/gossip.c - see llp/gossip.h. */
#include "config.h"
#include "llp/gossip_int.h"

#include "crypto/hash.h"
#include "ledger/admit.h"
#include "llp/message.h"
#include "llp/net.h"

#include <string.h>

#define PEERS_MAX 256
#define BODIES_QUEUE_MAX 4096 /* ids that one peer asked for and that wait for room */

/* A body on its way through the signature check. */
struct checking {
        struct llp_gossip *gossip;
        struct lx_hash id;
        uint32_t peer;
};

/* ---- codecs ------------------------------------------------------------------------------------ */

void
llp_ids_encode(const struct lx_hash *ids, size_t count, struct lx_writer *wr)
{
        if (count == 0 || count > LLP_GOSSIP_IDS_MAX)
                lx_writer_fail(wr, LX_ERR_RANGE);
        lx_write_u16(wr, (uint16_t)count);
        for (size_t i = 0; i < count && wr->err == LX_OK; i++)
                lx_write_hash(wr, &ids[i]);
}

enum lx_err
llp_ids_decode(const uint8_t *bytes, size_t len, struct lx_hash *out, size_t *out_count)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        size_t count = lx_read_u16(&rd);

        if (rd.err == LX_OK && (count == 0 || count > LLP_GOSSIP_IDS_MAX))
                lx_reader_fail(&rd, LX_ERR_RANGE);
        for (size_t i = 0; i < count && rd.err == LX_OK; i++)
                out[i] = lx_read_hash(&rd);
        *out_count = count;
        return lx_reader_end(&rd);
}

/* ---- peers ------------------------------------------------------------------------------------- */

struct gossip_peer *
gossip_find_peer(struct llp_gossip *g, uint32_t handle)
{
        for (size_t i = 0; i < g->peer_count; i++)
                if (g->peer[i]->handle == handle)
                        return g->peer[i];
        return NULL;
}

static void
punish(struct llp_gossip *g, uint32_t peer, unsigned points, const char *reason)
{
        g->options.net->punish(g->options.net->arg, peer, points, reason);
}

/* Queue the body itself for @peer, unless it knows it or much waits for it already. */
static bool
push_to(struct gossip_peer *peer, const struct lx_hash *id)
{
        if (gossip_known_has(&peer->known, id) ||
            peer->bodies.len >= LLP_GOSSIP_PUSH_MAX * LX_HASH_LEN)
                return false;
        lx_buf_append(&peer->bodies, id->b, LX_HASH_LEN);
        return true;
}

/* Put @id on the list of what @peer is told, unless it knows it. */
static void
announce_to(struct llp_gossip *g, struct gossip_peer *peer, const struct lx_hash *id)
{
        if (gossip_known_has(&peer->known, id))
                return;
        gossip_known_add(&peer->known, id, g->options.map_seed);
        if (peer->announce.len == 0)
                peer->announce_ms = g->now_ms;
        lx_buf_append(&peer->announce, id->b, LX_HASH_LEN);
}

/* ---- sending ----------------------------------------------------------------------------------- */

static void
take_front(struct lx_buf *buf, size_t len)
{
        if (len == 0)
                return;
        memmove(buf->p, buf->p + len, buf->len - len);
        buf->len -= len;
}

static void
flush_announcements(struct llp_gossip *g)
{
        const struct llp_net *net = g->options.net;

        for (size_t i = 0; i < g->peer_count; i++) {
                struct gossip_peer *peer = g->peer[i];
                size_t at = 0;

                while (peer->announce.len - at >= LX_HASH_LEN * LLP_GOSSIP_IDS_MAX ||
                       (peer->announce.len > at &&
                           g->now_ms >= peer->announce_ms + LLP_GOSSIP_BATCH_MS)) {
                        size_t count = (peer->announce.len - at) / LX_HASH_LEN;
                        static const size_t max = LLP_GOSSIP_IDS_MAX;
                        uint8_t head[2];
                        struct lx_buf out = {0};
                        struct lx_writer wr = lx_writer_init(head, sizeof(head));
                        bool sent;

                        if (count > max)
                                count = max;
                        lx_write_u16(&wr, (uint16_t)count);
                        lx_buf_append(&out, head, sizeof(head));
                        lx_buf_append(&out, peer->announce.p + at, count * LX_HASH_LEN);
                        sent = net->send(net->arg, peer->handle, LLP_TX_IDS, out.p, out.len);
                        lx_buf_clear(&out);
                        if (!sent) {
                                peer->announce_ms = g->now_ms;
                                break;
                        }
                        g->stats.announced += count;
                        at += count * LX_HASH_LEN;
                }
                take_front(&peer->announce, at);
        }
}

/* The body under @id: it waits, or it was committed not long ago. */
static bool
find_body(struct llp_gossip *g, const struct lx_hash *id, struct lx_buf *out)
{
        const struct ledger_pending *pending = ledger_mempool_find(g->pool, id);
        struct ledger_view *view;
        uint64_t height;
        uint32_t index;
        bool found;

        lx_buf_reset(out);
        if (pending != NULL) {
                lx_buf_append(out, pending->bytes, pending->len);
                return true;
        }
        view = ledger_view_new(g->options.ledger);
        found = ledger_get_tx(view, id, out, &height, &index) == LX_OK;
        ledger_view_unref(view);
        return found;
}

static void
flush_bodies(struct llp_gossip *g)
{
        const struct llp_net *net = g->options.net;
        struct lx_buf body = {0};

        for (size_t i = 0; i < g->peer_count; i++) {
                struct gossip_peer *peer = g->peer[i];
                size_t at = 0;

                while (at < peer->bodies.len && net->has_room(net->arg, peer->handle, LLP_TX)) {
                        struct lx_hash id;

                        memcpy(id.b, peer->bodies.p + at, LX_HASH_LEN);
                        at += LX_HASH_LEN;
                        if (!find_body(g, &id, &body))
                                continue;
                        if (!net->send(net->arg, peer->handle, LLP_TX, body.p, body.len))
                                break;
                        gossip_known_add(&peer->known, &id, g->options.map_seed);
                        g->stats.bodies_out++;
                }
                take_front(&peer->bodies, at);
        }
        lx_buf_clear(&body);
}

static void
pump(struct llp_gossip *g)
{
        gossip_ask(g);
        flush_announcements(g);
        flush_bodies(g);
}

/* ---- bodies that come -------------------------------------------------------------------------- */

static void take_body(struct llp_gossip *g, uint32_t peer, const uint8_t *bytes, size_t len,
    const struct sigchain_tx *tx);

/*
 * Take up those that wait for @id, or (NULL) for what is in @view. All of them are off the list before the first is
 * tried, and each is tried once: it may end on the list again.
 */
static void
try_orphans(struct llp_gossip *g, const struct lx_hash *id, struct ledger_view *view)
{
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        struct orphan *ready = NULL, **end = &ready;

        for (struct orphan **at = &g->orphan; *at != NULL;) {
                const struct lx_hash *previous = &(*at)->previous;

                if (id != NULL ? !lx_hash_eq(previous, id) : !ledger_has_tx(view, previous)) {
                        at = &(*at)->next;
                        continue;
                }
                *end = gossip_take_orphan(g, at);
                end = &(*end)->next;
        }
        while (ready != NULL) {
                struct orphan *orphan = ready;

                ready = orphan->next;
                if (sigchain_tx_decode(&lx_crypto_ops()->hash, orphan->bytes, orphan->len, tx) ==
                    LX_OK)
                        take_body(g, orphan->peer, orphan->bytes, orphan->len, tx);
                gossip_free_orphan(orphan);
        }
        lx_free(tx);
}

/* Whether an honest peer can have passed it on: its view may be another than ours. */
static bool
is_honest(enum lx_err err)
{
        return err != LX_ERR_SIGNATURE && err != LX_ERR_FORMAT && err != LX_ERR_RANGE &&
            err != LX_ERR_TRUNCATED && err != LX_ERR_TRAILING;
}

static void
end_checking(void *arg, const struct ledger_outcome *outcome)
{
        struct checking *checking = arg;
        struct llp_gossip *g = checking->gossip;
        struct want *want = gossip_find_want(g, &checking->id);

        if (want != NULL)
                gossip_remove_want(g, want);
        if (ledger_mempool_find(g->pool, &checking->id) == NULL)
                (void)lx_map_remove(g->sources, checking->id.b, LX_HASH_LEN);
        if (outcome->err != LX_OK) {
                g->stats.refused++;
                if (outcome->err == LX_ERR_SIGNATURE && gossip_find_peer(g, checking->peer) != NULL)
                        punish(g, checking->peer, LLP_PUNISH_BAN, "a transaction's signature does not verify");
        } else if (g->options.on_arrived != NULL) {
                g->options.on_arrived(g->options.arg, &checking->id);
        }
        if (outcome->err == LX_OK)
                try_orphans(g, &checking->id, NULL);
        lx_free(checking);
        pump(g);
}

/* A decoded body that is wanted: admitted, it goes through the engine. */
static void
take_body(struct llp_gossip *g, uint32_t peer, const uint8_t *bytes, size_t len,
    const struct sigchain_tx *tx)
{
        struct ledger_view *view = ledger_view_new(g->options.ledger);
        enum lx_err err = ledger_admit_tx(view, g->pool, tx, NULL);
        struct want *want = gossip_find_want(g, &tx->id);
        struct checking *checking;

        /* Its predecessor is in the ledger, and it is not the next all the same: it never will be. */
        if (err == LX_ERR_ABSENT && ledger_has_tx(view, &tx->previous))
                err = LX_ERR_SEQUENCE;
        ledger_view_unref(view);
        /*
         * A proposal names it: whether it may wait here is another matter. Of two transactions with one
         * sequence the proposer may hold the other one, and its block must be checked all the same.
         */
        if (want != NULL && want->urgent &&
            (err == LX_ERR_EXISTS || err == LX_ERR_ABSENT || err == LX_ERR_SEQUENCE))
                err = LX_OK;
        if (err == LX_ERR_ABSENT)
                gossip_keep_orphan(g, peer, tx, bytes, len);
        if (err != LX_OK) {
                g->stats.refused += err != LX_ERR_ABSENT;
                if (want != NULL)
                        gossip_remove_want(g, want);
                if (err == LX_ERR_RULE)
                        punish(g, peer, LLP_PUNISH_BAN, "a transaction of another network");
                else if (err == LX_ERR_SIGNATURE)
                        punish(g, peer, 5, "a transaction by somebody else than the chain's owner");
                return;
        }
        if (want != NULL) {
                gossip_set_want(g, want, WANT_CHECKING);
        }
        /* Who brought it is noted when it joins the mempool. */
        lx_map_put(g->sources, tx->id.b, LX_HASH_LEN, (void *)(uintptr_t)peer);
        checking = lx_alloc(sizeof(*checking));
        *checking = (struct checking){.gossip = g, .id = tx->id, .peer = peer};
        ledger_engine_submit(g->options.engine, bytes, len, LEDGER_WAIT_ACCEPTED, g->now_ms,
            end_checking, checking);
}

/*
 * A body that nobody asked for: its origin pushes it, once, to spare a round trip. It is taken like an
 * announced one, within the same limits, unless it is old; that, often, is a flood.
 */
static void
take_pushed(struct llp_gossip *g, struct gossip_peer *peer, const uint8_t *bytes, size_t len,
    const struct sigchain_tx *tx)
{
        struct ledger_view *view;
        bool old;

        if (ledger_mempool_find(g->pool, &tx->id) != NULL)
                return; /* late, after somebody else was asked */
        view = ledger_view_new(g->options.ledger);
        old = gossip_known_has(&g->dropped, &tx->id) || ledger_has_tx(view, &tx->id);
        ledger_view_unref(view);
        if (old || lx_map_count(g->wants) >= LLP_GOSSIP_WANTED_MAX ||
            peer->wanted >= LLP_GOSSIP_PEER_WANTED_MAX || peer->waiting >= LLP_GOSSIP_PEER_WAITING_MAX) {
                g->stats.unasked++;
                punish(g, peer->handle, 1, "a transaction that nobody asked for, and nobody needs");
                return;
        }
        (void)gossip_add_want(g, &tx->id, peer->handle);
        take_body(g, peer->handle, bytes, len, tx);
}

static enum lx_err
receive_tx(struct llp_gossip *g, struct gossip_peer *peer, const uint8_t *bytes, size_t len)
{
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        enum lx_err err = sigchain_tx_decode(&lx_crypto_ops()->hash, bytes, len, tx);
        struct want *want;

        if (err != LX_OK) {
                lx_free(tx);
                return is_honest(err) ? LX_ERR_FORMAT : err;
        }
        gossip_known_add(&peer->known, &tx->id, g->options.map_seed);
        g->stats.bodies_in++;
        want = gossip_find_want(g, &tx->id);
        if (want == NULL)
                take_pushed(g, peer, bytes, len, tx);
        else if (want->state != WANT_CHECKING)
                take_body(g, peer->handle, bytes, len, tx);
        lx_free(tx);
        return LX_OK;
}

/* ---- other messages ---------------------------------------------------------------------------- */

static void
note_announced(struct llp_gossip *g, struct gossip_peer *peer, const struct lx_hash *id)
{
        struct want *want = gossip_find_want(g, id);

        if (want == NULL) {
                if (lx_map_count(g->wants) >= LLP_GOSSIP_WANTED_MAX ||
                    peer->wanted >= LLP_GOSSIP_PEER_WANTED_MAX)
                        return;
                want = gossip_add_want(g, id, peer->handle);
        }
        gossip_add_announcer(want, peer->handle);
}

static enum lx_err
receive_ids(struct llp_gossip *g, struct gossip_peer *peer, const uint8_t *bytes, size_t len)
{
        struct lx_hash *ids = lx_alloc_array(LLP_GOSSIP_IDS_MAX, sizeof(*ids));
        struct ledger_view *view = ledger_view_new(g->options.ledger);
        size_t count = 0;
        enum lx_err err = llp_ids_decode(bytes, len, ids, &count);

        for (size_t i = 0; i < count && err == LX_OK; i++) {
                gossip_known_add(&peer->known, &ids[i], g->options.map_seed);
                if (ledger_mempool_find(g->pool, &ids[i]) == NULL &&
                    !gossip_known_has(&g->dropped, &ids[i]) && !ledger_has_tx(view, &ids[i]))
                        note_announced(g, peer, &ids[i]);
        }
        ledger_view_unref(view);
        lx_free(ids);
        return err;
}

static enum lx_err
receive_get(struct llp_gossip *g, struct gossip_peer *peer, const uint8_t *bytes, size_t len)
{
        struct lx_hash *ids = lx_alloc_array(LLP_GOSSIP_IDS_MAX, sizeof(*ids));
        size_t count = 0;
        enum lx_err err = llp_ids_decode(bytes, len, ids, &count);

        (void)g;
        if (err == LX_OK && peer->bodies.len / LX_HASH_LEN + count <= BODIES_QUEUE_MAX)
                lx_buf_append(&peer->bodies, ids, count * sizeof(*ids));
        lx_free(ids);
        return err;
}

/* Pass a wish on to everybody but @from. */
static void
spread_wish(struct llp_gossip *g, uint32_t from, const uint8_t *bytes, size_t len)
{
        const struct llp_net *net = g->options.net;

        for (size_t i = 0; i < g->peer_count; i++)
                if (g->peer[i]->handle != from)
                        (void)net->send(net->arg, g->peer[i]->handle, LLP_TX_DROP, bytes, len);
}

/* A wish was followed here, wherever it came from. */
static void
on_drop(void *arg, const uint8_t *bytes, size_t len)
{
        struct llp_gossip *g = arg;
        struct lx_hash id;

        memcpy(id.b, bytes, LX_HASH_LEN);
        gossip_known_add(&g->dropped, &id, g->options.map_seed);
        g->stats.dropped++;
        spread_wish(g, g->wish_from, bytes, len);
}

static enum lx_err
receive_drop(struct llp_gossip *g, struct gossip_peer *peer, const uint8_t *bytes, size_t len)
{
        struct lx_why why = {{0}};
        enum lx_err err;

        if (len != LEDGER_DROP_LEN)
                return LX_ERR_FORMAT;
        g->wish_from = peer->handle;
        err = ledger_engine_drop(g->options.engine, bytes, len, &why);
        g->wish_from = 0;
        if (err == LX_ERR_SIGNATURE)
                punish(g, peer->handle, LLP_PUNISH_BAN, "a wish to drop that its owner did not sign");
        return LX_OK; /* It may not wait here, or be on its way into a block. */
}

/* ---- the mempool ------------------------------------------------------------------------------- */

static void
on_mempool(void *arg, const struct ledger_pending *pending, bool joined)
{
        struct llp_gossip *g = arg;
        uintptr_t source =
            (uintptr_t)lx_map_get(g->sources, pending->id.b, LX_HASH_LEN);
        struct gossip_peer *peer = gossip_find_peer(g, (uint32_t)source);

        if (!joined) {
                if (peer != NULL && peer->waiting > 0)
                        peer->waiting--;
                (void)lx_map_remove(g->sources, pending->id.b, LX_HASH_LEN);
                return;
        }
        if (peer != NULL)
                peer->waiting++;
        /* What begins its way here is pushed: every other node would have asked us for it. */
        for (size_t i = 0; i < g->peer_count; i++)
                if (source != 0 || !push_to(g->peer[i], &pending->id))
                        announce_to(g, g->peer[i], &pending->id);
}

struct tell_all {
        struct llp_gossip *g;
        struct gossip_peer *peer;
};

static void
announce_one(void *arg, const struct ledger_pending *pending)
{
        struct tell_all *tell = arg;

        announce_to(tell->g, tell->peer, &pending->id);
}

/* ---- from outside ------------------------------------------------------------------------------ */

struct llp_gossip *
llp_gossip_new(const struct llp_gossip_options *options)
{
        struct llp_gossip *g = lx_alloc(sizeof(*g));

        g->options = *options;
        g->pool = ledger_engine_mempool(options->engine);
        g->wants = lx_map_new(options->map_seed);
        g->sources = lx_map_new(options->map_seed);
        gossip_known_init(&g->dropped, options->map_seed);
        g->orphan_end = &g->orphan;
        ledger_mempool_observe(g->pool, on_mempool, g);
        ledger_engine_watch_drops(options->engine, on_drop, g);
        return g;
}

static void
free_peer(struct gossip_peer *peer)
{
        gossip_known_clear(&peer->known);
        lx_buf_clear(&peer->announce);
        lx_buf_clear(&peer->bodies);
        lx_free(peer);
}

void
llp_gossip_free(struct llp_gossip *g)
{
        if (g == NULL)
                return;
        ledger_mempool_observe(g->pool, NULL, NULL);
        ledger_engine_watch_drops(g->options.engine, NULL, NULL);
        while (g->first != NULL)
                gossip_remove_want(g, g->first);
        while (g->orphan != NULL)
                gossip_free_orphan(gossip_take_orphan(g, &g->orphan));
        for (size_t i = 0; i < g->peer_count; i++)
                free_peer(g->peer[i]);
        lx_free(g->peer);
        lx_map_free(g->wants);
        lx_map_free(g->sources);
        gossip_known_clear(&g->dropped);
        lx_free(g);
}

void
llp_gossip_peer_up(struct llp_gossip *g, uint32_t handle, uint64_t now_ms)
{
        struct gossip_peer *peer;
        struct tell_all tell = {.g = g};

        g->now_ms = now_ms;
        if (g->peer_count >= PEERS_MAX || gossip_find_peer(g, handle) != NULL)
                return;
        peer = lx_alloc(sizeof(*peer));
        peer->handle = handle;
        gossip_known_init(&peer->known, g->options.map_seed);
        g->peer = lx_realloc(g->peer, (g->peer_count + 1) * sizeof(struct gossip_peer *));
        g->peer[g->peer_count++] = peer;
        tell.peer = peer;
        ledger_mempool_each(g->pool, announce_one, &tell);
}

void
llp_gossip_peer_down(struct llp_gossip *g, uint32_t handle)
{
        struct gossip_peer *peer = gossip_find_peer(g, handle);

        if (peer == NULL)
                return;
        for (struct want *want = g->first, *next; want != NULL; want = next) {
                next = want->next;
                if (want->state == WANT_ASKED && want->asked == handle)
                        gossip_set_want(g, want, WANT_IDLE);
                gossip_drop_announcer(want, handle);
                if (want->first == handle)
                        want->first = 0;
                if (want->state == WANT_IDLE && want->announcer_count == 0)
                        gossip_remove_want(g, want);
        }
        for (size_t i = 0; i < g->peer_count; i++)
                if (g->peer[i] == peer) {
                        g->peer_count--;
                        memmove(&g->peer[i], &g->peer[i + 1],
                            (g->peer_count - i) * sizeof(struct gossip_peer *));
                        break;
                }
        free_peer(peer);
        gossip_ask(g);
}

bool
llp_gossip_handles(unsigned type)
{
        return type == LLP_TX_IDS || type == LLP_GET_TXS || type == LLP_TX || type == LLP_TX_DROP;
}

enum lx_err
llp_gossip_receive(struct llp_gossip *g, uint32_t handle, unsigned type, const uint8_t *bytes,
    size_t len, uint64_t now_ms)
{
        struct gossip_peer *peer = gossip_find_peer(g, handle);
        enum lx_err err;

        g->now_ms = now_ms;
        if (peer == NULL)
                return LX_OK;
        if (type == LLP_TX_IDS)
                err = receive_ids(g, peer, bytes, len);
        else if (type == LLP_GET_TXS)
                err = receive_get(g, peer, bytes, len);
        else if (type == LLP_TX)
                err = receive_tx(g, peer, bytes, len);
        else
                err = receive_drop(g, peer, bytes, len);
        pump(g);
        return err;
}

void
llp_gossip_want(struct llp_gossip *g, const struct lx_hash *ids, size_t count, uint32_t handle,
    uint64_t now_ms)
{
        g->now_ms = now_ms;
        for (size_t i = 0; i < count; i++) {
                struct want *want = gossip_find_want(g, &ids[i]);

                if (ledger_mempool_find(g->pool, &ids[i]) != NULL)
                        continue;
                if (want == NULL) {
                        want = gossip_add_want(g, &ids[i], handle);
                        want->not_before_ms = now_ms + LLP_GOSSIP_GRACE_MS;
                        g->ask_ms = want->not_before_ms;
                }
                want->urgent = true;
                gossip_add_announcer(want, handle);
        }
        gossip_ask(g);
}

void
llp_gossip_block(struct llp_gossip *g, uint64_t now_ms)
{
        struct ledger_view *view = ledger_view_new(g->options.ledger);

        g->now_ms = now_ms;
        for (struct want *want = g->first, *next; want != NULL; want = next) {
                next = want->next;
                if (want->state != WANT_CHECKING && ledger_has_tx(view, &want->id))
                        gossip_remove_want(g, want);
        }
        try_orphans(g, NULL, view);
        ledger_view_unref(view);
        pump(g);
}

void
llp_gossip_tick(struct llp_gossip *g, uint64_t now_ms)
{
        g->now_ms = now_ms;
        gossip_check_wants(g);
        pump(g);
}

uint64_t
llp_gossip_deadline_ms(const struct llp_gossip *g)
{
        uint64_t at = g->ask_ms > g->now_ms ? g->ask_ms : UINT64_MAX;

        for (size_t i = 0; i < g->peer_count; i++) {
                const struct gossip_peer *peer = g->peer[i];

                if (peer->announce.len > 0 && peer->announce_ms + LLP_GOSSIP_BATCH_MS < at)
                        at = peer->announce_ms + LLP_GOSSIP_BATCH_MS;
                if (peer->bodies.len > 0 && g->now_ms + 5 < at)
                        at = g->now_ms + 5;
        }
        return g->first != NULL && g->check_ms < at ? g->check_ms : at;
}

void
llp_gossip_get_stats(const struct llp_gossip *g, struct llp_gossip_stats *out_stats)
{
        *out_stats = g->stats;
        out_stats->wanted = lx_map_count(g->wants);
        out_stats->orphans = g->orphan_count;
}
