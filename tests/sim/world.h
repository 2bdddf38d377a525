/*
 * sim/world.h - virtual time, a seeded random source, and messages between nodes.
 *
 * One world is one run. Everything that happens is an event at a time; events of one time happen in
 * the order in which they were made; randomness comes from the world's seed alone. So a seed replays
 * exactly. Links carry messages between nodes with delay, loss, duplication, reordering and
 * partitions; a link that is cut loses what is under way. Threads: one.
 */
#ifndef LX_SIM_WORLD_H
#define LX_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_NODES_MAX 16

struct world;

/* How the links of a world behave; every field may change while it runs. */
struct world_links {
        uint32_t delay_ms;  /* one way, at least */
        uint32_t jitter_ms; /* and up to so much more: reorders messages unless ordered */
        uint32_t loss_ppm;  /* of messages, per million */
        uint32_t duplicate_ppm;
        bool ordered; /* messages of one direction keep their order */
};

/** A world with @nodes nodes (numbers 0 to @nodes - 1), all links up. */
struct world *world_new(uint64_t seed, size_t nodes);
/** Free it and what is under way. NULL is fine. */
void world_free(struct world *w);

/** Virtual milliseconds since the start. */
uint64_t world_now_ms(const struct world *w);
/** 64 random bits. */
uint64_t world_random(struct world *w);
/** A random number below @n (not 0). */
uint64_t world_below(struct world *w, uint64_t n);
/** True @ppm times in a million. */
bool world_chance(struct world *w, uint32_t ppm);
/** Random bytes for machines that ask for them; @arg is the world. */
void world_random_bytes(void *arg, void *out, size_t len);

/** Call @fn(@arg, @tag) in @delay_ms. There is no cancel: @fn looks whether it still matters. */
void world_after(struct world *w, uint64_t delay_ms, void (*fn)(void *arg, uint64_t tag), void *arg,
    uint64_t tag);
/** Do the next event; false when there is none before @until_ms (time is then @until_ms). */
bool world_step(struct world *w, uint64_t until_ms);
/** How many events happened. */
uint64_t world_events(const struct world *w);
/** A hash over all deliveries so far: equal for equal runs. */
uint64_t world_digest(const struct world *w);

/** The links' behaviour; change it in place. */
struct world_links *world_links(struct world *w);
/** Cut (or join) the link between @a and @b, both ways. */
void world_cut(struct world *w, size_t a, size_t b, bool cut);
/** Cut every link between a node whose bit is set in @side and one whose bit is not; 0 heals all. */
void world_partition(struct world *w, uint32_t side);
/** Whether the link is cut. */
bool world_is_cut(const struct world *w, size_t a, size_t b);

/** Who gets messages, and hears of links that went up or down. */
struct world_receiver {
        void (*deliver)(void *arg, size_t from, unsigned type, const uint8_t *bytes, size_t len);
        void (*link)(void *arg, size_t other, bool up);
        void *arg;
};
/** Set (or with NULL take away: it has crashed) the receiver of @node; links go up or down by it. */
void world_attach(struct world *w, size_t node, const struct world_receiver *receiver);
/** Send (copied). Lost when the link is cut or somebody is not attached, now or when it arrives. */
void
world_send(struct world *w, size_t from, size_t to, unsigned type, const void *bytes, size_t len);

#endif
