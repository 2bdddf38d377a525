/*
 * llp/swarm_int.h - the fields of struct llp_swarm, for swarm.c (connections, letting in, time),
 * swarm_up.c (what becomes of them), swarm_dial.c (whom to dial) and swarm_view.c (operators, the file).
 */
#ifndef LX_LLP_SWARM_INT_H
#define LX_LLP_SWARM_INT_H

#include "base/map.h"
#include "llp/swarm.h"

#define SLOT_MAX 512 /* connections of any kind */

enum slot_state { SLOT_DIALLING, SLOT_GREETING, SLOT_UP, SLOT_ENDING };

/* Somebody to stay connected to, or a seed. */
struct target {
        bool used, seed, has_addr, is_self;
        struct llp_place place;
        struct llp_addr addrs[4]; /* what its name said; the next to try is first */
        unsigned addr_count, addr_next;
        unsigned failures;
        uint64_t next_try_ms;
        bool resolving;
        uint32_t peer; /* its connection; 0: none */
        char why[80];  /* what went wrong last */
};

struct slot {
        struct llp_swarm *swarm;
        uint32_t peer;
        enum slot_state state;
        bool inbound, up_told, wish_output, wish_close, addrs_asked, hungry;
        int target; /* number of its target, -1: none */
        struct llp_addr addr;
        struct llp_peer *machine; /* NULL while DIALLING */
        struct llp_hello hello;
        uint64_t height, since_ms, deadline_ms, next_addrs_ms, throttled, next_throttle_ms;
        bool has_id;
        struct lx_pubkey id;
};

struct llp_swarm {
        struct llp_swarm_options options;
        char agent[LLP_AGENT_MAX + 1];
        uint8_t *secret; /* with an even y, wiped */
        struct lx_pubkey id;
        struct llp_net net;
        struct llp_book *book;
        struct llp_bans *bans;
        struct slot *slots[SLOT_MAX];
        size_t slot_count;
        uint32_t last_peer;
        struct target targets[LLP_SWARM_FIXED_MAX + LLP_SWARM_SEEDS_MAX];
        struct lx_buf wishes; /* of struct llp_wish */
        size_t wish_at;
        uint64_t now_ms, next_dial_ms;
        bool stopping, dirty;
        uint8_t *scratch;
        struct llp_swarm_stats past; /* of connections that are gone, and the counters */
};

struct slot *swarm_find(const struct llp_swarm *swarm, uint32_t peer);
void swarm_wish(struct llp_swarm *swarm, const struct llp_wish *wish);
/* A connection to dial @addr; NULL: no room. */
struct slot *swarm_dial(
    struct llp_swarm *swarm, const struct llp_addr *addr, const struct lx_pubkey *id, int target);
/* Look whom to dial. */
void swarm_dial_some(struct llp_swarm *swarm);
/* A connection that was dialled is up, or ended; what follows for target and book. */
void swarm_dial_up(struct llp_swarm *swarm, const struct slot *slot);
void swarm_dial_ended(
    struct llp_swarm *swarm, const struct slot *slot, bool was_up, bool is_self, const char *text);
/* Whether there is a connection, or one under way, to node @id. */
bool swarm_is_connected(const struct llp_swarm *swarm, const uint8_t *id);
bool swarm_is_fixed(const struct llp_swarm *swarm, const struct lx_pubkey *id);
uint64_t swarm_random(struct llp_swarm *swarm);
uint64_t swarm_wall(const struct llp_swarm *swarm);
/* Close with @reason; on_down and CLOSE follow when it has ended. */
void swarm_close(struct slot *slot, enum llp_bye reason, const char *text);
/* After every call of the machine: what it came to. The slot may be gone afterwards. */
void swarm_settle(struct slot *slot);
void swarm_wish_output(struct slot *slot);
void swarm_drop(struct slot *slot);
/* Inbound connections in @state, of @party or (NULL) of all. */
size_t
swarm_count_in(const struct llp_swarm *swarm, const struct llp_addr *party, enum slot_state state);
struct llp_peer_calls swarm_calls(struct slot *slot);
void swarm_set_net(struct llp_swarm *swarm);
void
swarm_event(struct llp_swarm *swarm, const struct slot *slot, const char *what, const char *text);

#endif
