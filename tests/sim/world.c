/* sim/world.c - see sim/world.h. */
#include "config.h"
#include "sim/world.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

struct event {
        uint64_t at_ms;
        uint64_t order; /* of making: breaks ties */
        void (*fn)(void *arg, uint64_t tag);
        void *arg;
        uint64_t tag;
};

struct message {
        struct world *world;
        size_t from, to;
        uint64_t from_life, to_life; /* of the link's ends when it was sent */
        unsigned type;
        size_t len;
        uint8_t bytes[];
};

struct end {
        struct world_receiver receiver;
        bool attached;
        uint64_t life; /* rises with every attach and every cut: older messages are lost */
        uint64_t last_ms[WORLD_NODES_MAX]; /* arrival of the newest message to each, when ordered */
        bool cut[WORLD_NODES_MAX];
};

struct world {
        uint64_t now_ms, order, events, digest;
        uint64_t random[2];
        struct event *heap;
        size_t count, cap;
        struct world_links links;
        size_t nodes;
        struct end end[WORLD_NODES_MAX];
        uint64_t link_life[WORLD_NODES_MAX][WORLD_NODES_MAX];
};

/* ---- randomness: xoroshiro128+ (Blackman, Vigna), seeded by splitmix64 -------------------------- */

static uint64_t
splitmix(uint64_t *x)
{
        uint64_t z = *x += 0x9e3779b97f4a7c15u;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
}

static uint64_t
rotate(uint64_t x, unsigned k)
{
        return x << k | x >> (64 - k);
}

uint64_t
world_random(struct world *w)
{
        uint64_t a = w->random[0], b = w->random[1], sum = a + b;

        b ^= a;
        w->random[0] = rotate(a, 24) ^ b ^ b << 16;
        w->random[1] = rotate(b, 37);
        return sum;
}

uint64_t
world_below(struct world *w, uint64_t n)
{
        lx_assert(n > 0);
        return (world_random(w) >> 11) % n;
}

bool
world_chance(struct world *w, uint32_t ppm)
{
        return ppm > 0 && world_below(w, 1000000) < ppm;
}

void
world_random_bytes(void *arg, void *out, size_t len)
{
        struct world *w = arg;
        uint8_t *p = out;

        for (size_t i = 0; i < len; i++)
                p[i] = (uint8_t)(world_random(w) >> 32);
}

/* ---- events: a binary heap --------------------------------------------------------------------- */

static bool
is_before(const struct event *a, const struct event *b)
{
        return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void
swap_events(struct event *a, struct event *b)
{
        struct event t = *a;

        *a = *b;
        *b = t;
}

void
world_after(struct world *w, uint64_t delay_ms, void (*fn)(void *arg, uint64_t tag), void *arg,
    uint64_t tag)
{
        size_t i = w->count++;

        if (w->count > w->cap) {
                w->cap = w->cap * 2 + 64;
                w->heap = lx_realloc(w->heap, w->cap * sizeof(*w->heap));
        }
        w->heap[i] = (struct event){w->now_ms + delay_ms, w->order++, fn, arg, tag};
        for (; i > 0 && is_before(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
                swap_events(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static struct event
pop_event(struct world *w)
{
        struct event first = w->heap[0];
        size_t i = 0;

        w->heap[0] = w->heap[--w->count];
        for (;;) {
                size_t least = i;

                for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < w->count; child++)
                        if (is_before(&w->heap[child], &w->heap[least]))
                                least = child;
                if (least == i)
                        return first;
                swap_events(&w->heap[i], &w->heap[least]);
                i = least;
        }
}

bool
world_step(struct world *w, uint64_t until_ms)
{
        struct event event;

        if (w->count == 0 || w->heap[0].at_ms >= until_ms) {
                w->now_ms = until_ms;
                return false;
        }
        event = pop_event(w);
        w->now_ms = event.at_ms;
        w->events++;
        event.fn(event.arg, event.tag);
        return true;
}

/* ---- links ------------------------------------------------------------------------------------- */

static bool
is_up(const struct world *w, size_t a, size_t b)
{
        return a != b && w->end[a].attached && w->end[b].attached && !w->end[a].cut[b];
}

static void
tell_link(struct world *w, size_t a, size_t b, bool up)
{
        w->link_life[a][b]++;
        w->link_life[b][a]++;
        if (w->end[a].attached)
                w->end[a].receiver.link(w->end[a].receiver.arg, b, up);
        if (w->end[b].attached)
                w->end[b].receiver.link(w->end[b].receiver.arg, a, up);
}

void
world_cut(struct world *w, size_t a, size_t b, bool cut)
{
        bool before = is_up(w, a, b);

        w->end[a].cut[b] = w->end[b].cut[a] = cut;
        if (is_up(w, a, b) != before)
                tell_link(w, a, b, !before);
}

bool
world_is_cut(const struct world *w, size_t a, size_t b)
{
        return w->end[a].cut[b];
}

void
world_partition(struct world *w, uint32_t side)
{
        for (size_t a = 0; a < w->nodes; a++)
                for (size_t b = a + 1; b < w->nodes; b++)
                        world_cut(w, a, b, side != 0 && (side >> a & 1) != (side >> b & 1));
}

void
world_attach(struct world *w, size_t node, const struct world_receiver *receiver)
{
        bool up[WORLD_NODES_MAX];

        for (size_t other = 0; other < w->nodes; other++)
                up[other] = is_up(w, node, other);
        w->end[node].attached = receiver != NULL;
        if (receiver != NULL)
                w->end[node].receiver = *receiver;
        for (size_t other = 0; other < w->nodes; other++)
                if (is_up(w, node, other) != up[other])
                        tell_link(w, node, other, !up[other]);
}

static void
mix(struct world *w, const void *bytes, size_t len)
{
        const uint8_t *p = bytes;

        for (size_t i = 0; i < len; i++)
                w->digest = (w->digest ^ p[i]) * 0x100000001b3u;
}

static void
arrive(void *arg, uint64_t life)
{
        struct message *m = arg;
        struct world *w = m->world;
        struct end *end = &w->end[m->to];

        if (is_up(w, m->from, m->to) && w->link_life[m->from][m->to] == life) {
                mix(w, &w->now_ms, sizeof(w->now_ms));
                mix(w, &m->to, sizeof(m->to));
                mix(w, m->bytes, m->len);
                end->receiver.deliver(end->receiver.arg, m->from, m->type, m->bytes, m->len);
        }
        lx_free(m);
}

static void
post(struct world *w, size_t from, size_t to, unsigned type, const void *bytes, size_t len)
{
        struct message *m = lx_alloc(sizeof(*m) + len);
        uint64_t delay = w->links.delay_ms;
        uint64_t *last = &w->end[from].last_ms[to];

        if (w->links.jitter_ms > 0)
                delay += world_below(w, w->links.jitter_ms + 1u);
        if (w->links.ordered && w->now_ms + delay < *last)
                delay = *last - w->now_ms;
        *last = w->now_ms + delay;
        m->world = w;
        m->from = from;
        m->to = to;
        m->type = type;
        m->len = len;
        memcpy(m->bytes, bytes, len);
        world_after(w, delay, arrive, m, w->link_life[from][to]);
}

void
world_send(struct world *w, size_t from, size_t to, unsigned type, const void *bytes, size_t len)
{
        if (!is_up(w, from, to) || world_chance(w, w->links.loss_ppm))
                return;
        post(w, from, to, type, bytes, len);
        if (world_chance(w, w->links.duplicate_ppm))
                post(w, from, to, type, bytes, len);
}

/* ---- life -------------------------------------------------------------------------------------- */

struct world *
world_new(uint64_t seed, size_t nodes)
{
        struct world *w = lx_alloc(sizeof(*w));

        lx_assert(nodes <= WORLD_NODES_MAX);
        w->nodes = nodes;
        w->random[0] = splitmix(&seed);
        w->random[1] = splitmix(&seed);
        w->digest = 0xcbf29ce484222325u;
        w->links.delay_ms = 20;
        w->links.ordered = true;
        return w;
}

void
world_free(struct world *w)
{
        if (w == NULL)
                return;
        for (size_t i = 0; i < w->count; i++)
                if (w->heap[i].fn == arrive)
                        lx_free(w->heap[i].arg);
        lx_free(w->heap);
        lx_free(w);
}

uint64_t
world_now_ms(const struct world *w)
{
        return w->now_ms;
}

uint64_t
world_events(const struct world *w)
{
        return w->events;
}

uint64_t
world_digest(const struct world *w)
{
        return w->digest;
}

struct world_links *
world_links(struct world *w)
{
        return &w->links;
}
