/* kit/world.c - see kit/world.h. */
#include "config.h"
#include "kit/world.h"

#include "base/assert.h"
#include "base/mem.h"
#include "llp/message.h"

#include <string.h>

struct world_message {
        struct world_message *next;
        uint64_t at_ms;
        uint32_t from, to;
        unsigned type;
        size_t len;
        uint8_t *bytes;
};

static bool
net_send(void *arg, uint32_t to, unsigned type, const void *bytes, size_t len)
{
        struct world_node *node = arg;
        struct world *w = node->world;
        const struct llp_message_row *row = llp_message_find(type);
        struct world_message *m;
        uint8_t *copy;

        lx_assert(row != NULL && len >= row->min && len <= row->max);
        if (!node->linked[to] || node->bytes_to[to] + len > 2 * WORLD_ROOM)
                return false;
        copy = lx_memdup(bytes, len);
        if (node->meddle != NULL && !node->meddle(node, type, copy, len)) {
                lx_free(copy);
                return true;
        }
        m = lx_alloc(sizeof(*m));
        *m = (struct world_message){.at_ms = w->now_ms + w->delay_ms,
            .from = node->handle,
            .to = to,
            .type = type,
            .len = len,
            .bytes = copy};
        node->bytes_to[to] += len;
        *w->end = m;
        w->end = &m->next;
        return true;
}

static bool
net_has_room(void *arg, uint32_t to, unsigned type)
{
        struct world_node *node = arg;

        (void)type;
        return node->linked[to] && node->bytes_to[to] + LLP_PIECE_MAX + 16 <= WORLD_ROOM;
}

static void
net_punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        struct world_node *node = arg;

        lx_assert(reason[0] != '\0');
        node->points[peer] += points;
        if (node->points[peer] >= LLP_PUNISH_BAN)
                node->drop[peer] = true;
}

static void
on_commit(void *arg, uint64_t height)
{
        struct world_node *node = arg;

        (void)height;
        node->commits++;
}

static void
on_syncing(void *arg, bool syncing)
{
        struct world_node *node = arg;

        node->syncing = syncing;
        node->syncing_changes++;
}

static void
on_evidence(void *arg, const uint8_t *tx, size_t len)
{
        struct world_node *node = arg;

        lx_assert(node->evidence_count < 8);
        lx_buf_append(&node->evidence[node->evidence_count++], tx, len);
}

static void
on_failure(void *arg, enum lx_err err, const struct lx_why *why)
{
        struct world_node *node = arg;

        node->failure = err;
        if (why != NULL)
                node->why = *why;
}

void
world_init(struct world *w, uint64_t delay_ms)
{
        *w = (struct world){.now_ms = 1000, .delay_ms = delay_ms};
        w->end = &w->first;
}

struct world_node *
world_add(struct world *w, const struct lx_buf *genesis)
{
        struct world_node *node = &w->node[w->count];

        lx_assert(w->count < WORLD_NODES_MAX);
        node->world = w;
        node->handle = (uint32_t)++w->count;
        node->net = (struct llp_net){
            .send = net_send, .has_room = net_has_room, .punish = net_punish, .arg = node};
        kit_ledger_init(&node->kit, genesis);
        return node;
}

static void
unlink_nodes(struct world *w, struct world_node *a, struct world_node *b)
{
        if (!a->linked[b->handle])
                return;
        a->linked[b->handle] = b->linked[a->handle] = false;
        a->drop[b->handle] = b->drop[a->handle] = false;
        a->bytes_to[b->handle] = b->bytes_to[a->handle] = 0;
        for (struct world_message *m = w->first; m != NULL; m = m->next)
                if ((m->from == a->handle && m->to == b->handle) ||
                    (m->from == b->handle && m->to == a->handle))
                        m->to = 0;
        if (a->sync != NULL)
                llp_sync_peer_down(a->sync, b->handle, w->now_ms);
        if (b->sync != NULL)
                llp_sync_peer_down(b->sync, a->handle, w->now_ms);
}

void
world_start(struct world_node *node, enum llp_sync_mode mode, uint64_t snapshot_interval)
{
        struct world *w = node->world;
        struct llp_sync_options options = {.ledger = node->kit.ledger,
            .blobs = node->kit.blobs,
            .executor = node->kit.executor,
            .pool = node->kit.pool,
            .net = &node->net,
            .mode = mode,
            .snapshot_interval = snapshot_interval,
            .on_commit = on_commit,
            .on_syncing = on_syncing,
            .on_evidence = on_evidence,
            .on_failure = on_failure,
            .arg = node};

        node->failure = LX_OK;
        node->sync = llp_sync_new(&options);
        for (size_t i = 0; i < w->count; i++) {
                struct world_node *other = &w->node[i];

                if (other == node || other->sync == NULL)
                        continue;
                node->linked[other->handle] = other->linked[node->handle] = true;
                llp_sync_peer_up(node->sync, other->handle, w->now_ms);
                llp_sync_peer_up(other->sync, node->handle, w->now_ms);
        }
}

void
world_stop(struct world_node *node)
{
        struct world *w = node->world;
        struct llp_sync *sync = node->sync;

        if (sync == NULL)
                return;
        node->sync = NULL;
        for (size_t i = 0; i < w->count; i++)
                unlink_nodes(w, node, &w->node[i]);
        llp_sync_free(sync);
}

void
world_clear(struct world *w)
{
        for (size_t i = 0; i < w->count; i++)
                world_stop(&w->node[i]);
        while (w->first != NULL) {
                struct world_message *m = w->first;

                w->first = m->next;
                lx_free(m->bytes);
                lx_free(m);
        }
        for (size_t i = 0; i < w->count; i++)
                kit_ledger_clear(&w->node[i].kit);
}

/* After every event: finished jobs, dropped peers. */
static void
settle(struct world *w)
{
        bool again = true;

        while (again) {
                again = false;
                for (size_t i = 0; i < w->count; i++)
                        again = kit_ledger_run(&w->node[i].kit) || again;
                for (size_t i = 0; i < w->count; i++)
                        for (uint32_t h = 1; h <= w->count; h++)
                                if (w->node[i].drop[h])
                                        unlink_nodes(w, &w->node[i], &w->node[h - 1]);
        }
}

static void
deliver(struct world *w, struct world_message *m)
{
        struct world_node *from = m->to != 0 ? &w->node[m->from - 1] : NULL;
        struct world_node *to = m->to != 0 ? &w->node[m->to - 1] : NULL;

        if (to != NULL && to->sync != NULL) {
                from->bytes_to[m->to] -= m->len;
                to->bytes_in += m->len;
                if (llp_sync_receive(to->sync, m->from, m->type, m->bytes, m->len, w->now_ms) !=
                    LX_OK)
                        net_punish(to, m->from, LLP_PUNISH_BAN, "malformed");
        }
        lx_free(m->bytes);
        lx_free(m);
}

bool
world_run(struct world *w, struct world_node *node, uint64_t height, uint64_t max_ms)
{
        uint64_t end = w->now_ms + max_ms;

        settle(w);
        while (kit_ledger_tip(&node->kit, NULL) < height) {
                uint64_t at = w->first != NULL ? w->first->at_ms : UINT64_MAX;
                struct world_message *m = w->first;

                for (size_t i = 0; i < w->count; i++)
                        if (w->node[i].sync != NULL && llp_sync_deadline_ms(w->node[i].sync) < at) {
                                at = llp_sync_deadline_ms(w->node[i].sync);
                                m = NULL;
                        }
                if (at > end)
                        break;
                w->now_ms = at > w->now_ms ? at : w->now_ms;
                w->events++;
                if (m != NULL) {
                        w->first = m->next;
                        if (w->first == NULL)
                                w->end = &w->first;
                        deliver(w, m);
                } else {
                        for (size_t i = 0; i < w->count; i++)
                                if (w->node[i].sync != NULL &&
                                    llp_sync_deadline_ms(w->node[i].sync) <= w->now_ms)
                                        llp_sync_tick(w->node[i].sync, w->now_ms);
                }
                settle(w);
        }
        if (kit_ledger_tip(&node->kit, NULL) < height)
                w->now_ms = end;
        return kit_ledger_tip(&node->kit, NULL) >= height;
}
