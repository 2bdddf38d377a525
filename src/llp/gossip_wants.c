/* llp/gossip_wants.c - ids without a body: whom to ask, and bodies without a predecessor. */
#include "config.h"
#include "llp/gossip_int.h"

#include "llp/message.h"
#include "llp/net.h"

#include <string.h>

#define GET_IDS_MAX 64     /* bodies of one question */
#define CHECK_EVERY_MS 250 /* unanswered questions */

static const char KNOWN[] = "";

/* ---- bounded sets ------------------------------------------------------------------------------ */

void
gossip_known_init(struct known *known, uint64_t seed)
{
        known->young = lx_map_new(seed);
        known->old = lx_map_new(seed);
}

void
gossip_known_clear(struct known *known)
{
        lx_map_free(known->young);
        lx_map_free(known->old);
}

bool
gossip_known_has(const struct known *known, const struct lx_hash *id)
{
        return lx_map_get(known->young, id->b, LX_HASH_LEN) != NULL ||
            lx_map_get(known->old, id->b, LX_HASH_LEN) != NULL;
}

void
gossip_known_add(struct known *known, const struct lx_hash *id, uint64_t seed)
{
        if (lx_map_count(known->young) >= KNOWN_MAX / 2) {
                lx_map_free(known->old);
                known->old = known->young;
                known->young = lx_map_new(seed);
        }
        lx_map_put(known->young, id->b, LX_HASH_LEN, (void *)(uintptr_t)KNOWN);
}

/* ---- wants ------------------------------------------------------------------------------------- */

struct want *
gossip_find_want(struct llp_gossip *g, const struct lx_hash *id)
{
        return lx_map_get(g->wants, id->b, LX_HASH_LEN);
}

struct want *
gossip_add_want(struct llp_gossip *g, const struct lx_hash *id, uint32_t first)
{
        struct want *want = lx_alloc(sizeof(*want));
        struct gossip_peer *peer = gossip_find_peer(g, first);

        want->id = *id;
        want->first = first;
        want->prev = g->last;
        *(g->last != NULL ? &g->last->next : &g->first) = want;
        g->last = want;
        lx_map_put(g->wants, id->b, LX_HASH_LEN, want);
        if (peer != NULL)
                peer->wanted++;
        g->idle++;
        return want;
}

void
gossip_set_want(struct llp_gossip *g, struct want *want, enum want_state state)
{
        struct gossip_peer *peer = gossip_find_peer(g, want->asked);

        if (want->state == WANT_ASKED && peer != NULL)
                peer->asked--;
        g->idle += (state == WANT_IDLE) - (size_t)(want->state == WANT_IDLE);
        want->state = state;
}

void
gossip_remove_want(struct llp_gossip *g, struct want *want)
{
        struct gossip_peer *peer = gossip_find_peer(g, want->first);

        gossip_set_want(g, want, WANT_CHECKING);
        if (peer != NULL)
                peer->wanted--;
        *(want->prev != NULL ? &want->prev->next : &g->first) = want->next;
        *(want->next != NULL ? &want->next->prev : &g->last) = want->prev;
        (void)lx_map_remove(g->wants, want->id.b, LX_HASH_LEN);
        lx_free(want);
}

void
gossip_add_announcer(struct want *want, uint32_t peer)
{
        for (size_t i = 0; i < want->announcer_count; i++)
                if (want->announcer[i] == peer)
                        return;
        if (want->announcer_count < ANNOUNCERS_MAX)
                want->announcer[want->announcer_count++] = peer;
}

void
gossip_drop_announcer(struct want *want, uint32_t peer)
{
        for (size_t i = 0; i < want->announcer_count; i++)
                if (want->announcer[i] == peer) {
                        want->announcer_count--;
                        memmove(&want->announcer[i], &want->announcer[i + 1],
                            (want->announcer_count - i) * sizeof(uint32_t));
                        return;
                }
}

/* Whom to ask for it now: the first that announced it and has a free place. */
static struct gossip_peer *
pick_announcer(struct llp_gossip *g, const struct want *want)
{
        for (size_t i = 0; i < want->announcer_count; i++) {
                struct gossip_peer *peer = gossip_find_peer(g, want->announcer[i]);

                if (peer != NULL && peer->asked < LLP_GOSSIP_ASKED_MAX &&
                    (peer->waiting < LLP_GOSSIP_PEER_WAITING_MAX || want->urgent))
                        return peer;
        }
        return NULL;
}

/* The questions that go to one peer in one message. */
struct question {
        struct gossip_peer *peer;
        size_t count;
        struct lx_hash id[GET_IDS_MAX];
};

static void
send_question(struct llp_gossip *g, struct question *q)
{
        const struct llp_net *net = g->options.net;
        uint8_t bytes[2 + GET_IDS_MAX * LX_HASH_LEN];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        if (q->count == 0)
                return;
        llp_ids_encode(q->id, q->count, &wr);
        /* What does not leave now is asked again when its time is over. */
        (void)net->send(net->arg, q->peer->handle, LLP_GET_TXS, bytes, wr.len);
        g->stats.asked += q->count;
        q->count = 0;
}

void
gossip_ask(struct llp_gossip *g)
{
        struct question *q;

        if (g->idle == 0)
                return;
        q = lx_alloc_array(g->peer_count + 1, sizeof(*q));
        for (size_t i = 0; i < g->peer_count; i++)
                q[i].peer = g->peer[i];
        for (struct want *want = g->first; want != NULL; want = want->next) {
                struct gossip_peer *peer;
                size_t i = 0;

                if (want->state != WANT_IDLE || g->now_ms < want->not_before_ms ||
                    (peer = pick_announcer(g, want)) == NULL)
                        continue;
                while (q[i].peer != peer)
                        i++;
                q[i].id[q[i].count++] = want->id;
                gossip_set_want(g, want, WANT_ASKED);
                want->asked = peer->handle;
                want->deadline_ms = g->now_ms + LLP_GOSSIP_ASK_MS;
                peer->asked++;
                if (q[i].count == GET_IDS_MAX)
                        send_question(g, &q[i]);
        }
        for (size_t i = 0; i < g->peer_count; i++)
                send_question(g, &q[i]);
        lx_free(q);
}

/* Who did not answer is no announcer of it any more; without another the id is forgotten. */
void
gossip_check_wants(struct llp_gossip *g)
{
        if (g->now_ms < g->check_ms)
                return;
        g->check_ms = g->now_ms + CHECK_EVERY_MS;
        for (struct want *want = g->first, *next; want != NULL; want = next) {
                next = want->next;
                if (want->state == WANT_ASKED && g->now_ms >= want->deadline_ms) {
                        uint32_t late = want->asked;

                        gossip_set_want(g, want, WANT_IDLE);
                        gossip_drop_announcer(want, late);
                        g->options.net->punish(g->options.net->arg, late, 2,
                            "does not send a transaction that it announced");
                }
                if (want->state == WANT_IDLE && want->announcer_count == 0)
                        gossip_remove_want(g, want);
        }
}

/* ---- orphans ----------------------------------------------------------------------------------- */

struct orphan *
gossip_take_orphan(struct llp_gossip *g, struct orphan **at)
{
        struct orphan *orphan = *at;

        *at = orphan->next;
        if (*at == NULL)
                g->orphan_end = at;
        orphan->next = NULL;
        g->orphan_count--;
        g->orphan_bytes -= orphan->len;
        return orphan;
}

void
gossip_free_orphan(struct orphan *orphan)
{
        lx_free(orphan->bytes);
        lx_free(orphan);
}

void
gossip_keep_orphan(struct llp_gossip *g, uint32_t peer, const struct sigchain_tx *tx,
    const uint8_t *bytes, size_t len)
{
        struct orphan *orphan;

        for (orphan = g->orphan; orphan != NULL; orphan = orphan->next)
                if (lx_hash_eq(&orphan->id, &tx->id))
                        return;
        /* The oldest give way. */
        while (g->orphan_count > 0 && (g->orphan_count >= LLP_GOSSIP_ORPHANS_MAX ||
                                          g->orphan_bytes + len > LLP_GOSSIP_ORPHAN_BYTES_MAX))
                gossip_free_orphan(gossip_take_orphan(g, &g->orphan));
        orphan = lx_alloc(sizeof(*orphan));
        orphan->id = tx->id;
        orphan->previous = tx->previous;
        orphan->peer = peer;
        orphan->bytes = lx_memdup(bytes, len);
        orphan->len = len;
        *g->orphan_end = orphan;
        g->orphan_end = &orphan->next;
        g->orphan_count++;
        g->orphan_bytes += len;
}

