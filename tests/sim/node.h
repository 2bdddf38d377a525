/*
 * sim/node.h - a whole node in a world: ledger on a disk that forgets, journal, engine, gossip, sync.
 *
 * What runs here is what the daemon runs from llp/core.h downwards, with threads replaced by events:
 * work handed to pool, executor and writer happens when the world says so. A node may crash at any
 * event (a power cut: what was not synced is lost, kept or torn), its disk may fail, be slow or full, its wall clock be
 * wrong. A faulty node runs the same code with what it sends dropped, repeated or changed; a
 * twin is a second node with the same validator key, which is how equivocation arises. Threads: one.
 */
#ifndef LX_SIM_NODE_H
#define LX_SIM_NODE_H

#include "ledger/engine.h"
#include "lld/mem.h"
#include "llp/core.h"
#include "sim/plot.h"
#include "sim/world.h"

struct node;

/* How a faulty node treats what it sends, per million messages. */
struct node_faults {
        uint32_t drop_ppm;
        uint32_t replay_ppm; /* an older message of its own is sent again */
        uint32_t change_ppm; /* some bytes are changed */
        bool lies, bold;     /* it signs what suits it: liar.h */
};

/* Who watches. All may be NULL. */
struct node_watch {
        void (*sent)(void *arg, struct node *node, unsigned type, const uint8_t *bytes, size_t len);
        void (*block)(void *arg, struct node *node, const struct ledger_header *header);
        void (*punished)(
            void *arg, struct node *node, size_t other, unsigned points, const char *reason);
        void *arg;
};

struct node_options {
        struct world *world;
        size_t number; /* in the world */
        size_t key;    /* which validator's key it has (kit/author.h); SIZE_MAX: none */
        bool honest;
        const struct lx_buf *genesis;
        const char *dir; /* for blobs */
        enum llp_sync_mode sync_mode;
        struct plot *plot;   /* of the net against the honest ones; kept */
        uint32_t timeout_ms; /* of the engine; 0: its own choice */
        struct node_watch watch;
};

/** A node that is off. */
struct node *node_new(const struct node_options *options);
/** Free it, running or not. NULL is fine. */
void node_free(struct node *n);

/** Switch it on: open what its disk has. LX_OK, or what the store or the journal says. */
LX_MUST_CHECK enum lx_err node_start(struct node *n, struct lx_why *why);
/** A power cut now. */
void node_crash(struct node *n);
/** A clean stop. */
void node_stop(struct node *n);
/** Throw its disk away: it comes back with nothing but its key. It must be off. */
void node_wipe(struct node *n);
/** Whether it runs. */
bool node_is_up(const struct node *n);
/** Whether it stopped itself since it was switched on: its disk failed. It must be switched off. */
bool node_has_failed(const struct node *n);
/** Why. */
const char *node_failure(const struct node *n);

/** The @n-th commit or sync of the store from now fails, and all after it until the power is cut. */
void node_fail_disk(struct node *n, enum lld_fault fault, uint64_t nth);
/** The store's disk has room for @more bytes, then it is full; a restart finds room again. */
void node_fill_disk(struct node *n, uint64_t more);
/** The @n-th operation of the journal's disk from now fails, and all after it. */
void node_fail_journal(struct node *n, uint64_t nth);
/** How long a commit and a journal write take. */
void node_set_disk_ms(struct node *n, uint32_t commit_ms, uint32_t journal_ms);
/** How far its wall clock is off. */
void node_set_skew_ms(struct node *n, int64_t skew_ms);
/** What it does to its own messages. */
void node_set_faults(struct node *n, const struct node_faults *faults);

/** Hand in a transaction, as RPC would; what becomes of it is seen on the ledger. */
void node_submit(struct node *n, const uint8_t *bytes, size_t len);
/** The tip's height; 0 when it is off. */
uint64_t node_height(const struct node *n);
/** Its ledger while it is up, or NULL. */
struct ledger *node_ledger(struct node *n);
/** Its core while it is up, or NULL. */
struct llp_core *node_core(struct node *n);
/** Its options. */
const struct node_options *node_options(const struct node *n);

#endif
