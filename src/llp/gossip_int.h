/*
 * llp/gossip_int.h - what the files of gossip share: gossip.c has peers and messages, gossip_wants.c
 * the ids that are known by name only, whom to ask for them, and the bodies that came too early.
 */
#ifndef LX_LLP_GOSSIP_INT_H
#define LX_LLP_GOSSIP_INT_H

#include "base/map.h"
#include "base/mem.h"
#include "llp/gossip.h"

#define ANNOUNCERS_MAX 8    /* peers remembered per wanted id */
#define KNOWN_MAX 16384     /* ids that a peer is remembered to know */

enum want_state { WANT_IDLE, WANT_ASKED, WANT_CHECKING };

/* An id without its body. */
struct want {
        struct want *prev, *next; /* in the order in which they were announced */
        struct lx_hash id;
        enum want_state state;
        uint32_t asked;           /* peer */
        uint64_t deadline_ms;
        uint64_t not_before_ms;   /* it may be on its way already */
        bool urgent;              /* the engine waits for it */
        uint32_t first;           /* who announced it first: its share */
        size_t announcer_count;
        uint32_t announcer[ANNOUNCERS_MAX];
};

/* Ids that a peer knows, so that they are not announced to it: two generations of a bounded set. */
struct known {
        struct lx_map *young, *old;
};

struct gossip_peer {
        uint32_t handle;
        struct known known;
        struct lx_buf announce;  /* ids to be announced, in order */
        uint64_t announce_ms;    /* when the first of them came; 0: none */
        struct lx_buf bodies;    /* ids that it asked for */
        size_t wanted, asked, waiting;
};

/* A body that came before its predecessor. */
struct orphan {
        struct orphan *next;     /* of all, oldest first */
        struct lx_hash id, previous;
        uint32_t peer;
        uint8_t *bytes;
        size_t len;
};

struct llp_gossip {
        struct llp_gossip_options options;
        struct ledger_mempool *pool;
        uint64_t now_ms;
        struct gossip_peer **peer;
        size_t peer_count;
        struct lx_map *wants;    /* id -> want */
        struct want *first, *last;
        size_t idle;             /* of them neither asked for nor being checked */
        uint64_t ask_ms;         /* when wants that had a grace may be asked for */
        uint64_t check_ms;       /* when unanswered questions are looked for */
        struct lx_map *sources;  /* id in the mempool -> handle of who brought it, as a pointer */
        struct orphan *orphan, **orphan_end;
        size_t orphan_count, orphan_bytes;
        uint32_t wish_from;      /* peer whose wish is being followed; 0: a user's */
        struct known dropped;    /* ids that their owners dropped: not taken again */
        struct llp_gossip_stats stats;
};

/** An empty set. */
void gossip_known_init(struct known *known, uint64_t seed);
/** Free it. */
void gossip_known_clear(struct known *known);
/** Whether @id is in it. */
bool gossip_known_has(const struct known *known, const struct lx_hash *id);
/** Add @id; the oldest half goes when it is full. */
void gossip_known_add(struct known *known, const struct lx_hash *id, uint64_t seed);

/** The peer, or NULL. */
struct gossip_peer *gossip_find_peer(struct llp_gossip *g, uint32_t handle);

/** The want of @id, or NULL. */
struct want *gossip_find_want(struct llp_gossip *g, const struct lx_hash *id);
/** A new one; @first is charged with it. */
struct want *gossip_add_want(struct llp_gossip *g, const struct lx_hash *id, uint32_t first);
/** Forget it. */
void gossip_remove_want(struct llp_gossip *g, struct want *want);
/** Change its state; it is then asked of nobody. */
void gossip_set_want(struct llp_gossip *g, struct want *want, enum want_state state);
/** @peer has its body. */
void gossip_add_announcer(struct want *want, uint32_t peer);
/** @peer has not, or is gone. */
void gossip_drop_announcer(struct want *want, uint32_t peer);
/** Ask for what nobody was asked for, each of one peer. */
void gossip_ask(struct llp_gossip *g);
/** Who did not answer in time is not asked for it again. */
void gossip_check_wants(struct llp_gossip *g);

/** Keep a body until its predecessor comes; the oldest give way. */
void gossip_keep_orphan(struct llp_gossip *g, uint32_t peer, const struct sigchain_tx *tx,
    const uint8_t *bytes, size_t len);
/** Take the orphan at @at off the list; the caller frees it. */
struct orphan *gossip_take_orphan(struct llp_gossip *g, struct orphan **at);
/** Free one that is in no list. */
void gossip_free_orphan(struct orphan *orphan);

#endif
