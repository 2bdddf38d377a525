/*
 * router/mtu.h - how large packets may be on the way to an RLOC, and who may say so.
 *
 * A bounded table from RLOC to the MTU of its path, for those that are smaller than expected. An ICMP message
 * "too big" lowers an entry only when it quotes a frame that we sent a moment ago, which somebody off
 * the path can't know (router_mtu_sent keeps hashes of the last large ones); what our own kernel says of its
 * interface needs no proof. An entry holds for ten minutes (RFC 1191 6.3, 8201 4), then larger
 * packets are tried again. When the table is full the oldest entry goes.
 *
 * Threads: one at a time. Time in ms of the caller's clock.
 */
#ifndef LX_ROUTER_MTU_H
#define LX_ROUTER_MTU_H

#include "router/lisp.h"

#define ROUTER_MTU_PATHS_MAX 256
#define ROUTER_MTU_SENT 2048        /* large frames remembered */
#define ROUTER_MTU_QUOTE 36         /* bytes of a frame that a quotation must have */
#define ROUTER_MTU_LARGE 1000       /* bytes of a frame that is remembered */
#define ROUTER_MTU_MIN4 576         /* less is not believed; RFC 791, RFC 8200 */
#define ROUTER_MTU_MIN6 1280
#define ROUTER_MTU_HOLDS_MS 600000
#define ROUTER_MTU_UNKNOWN 65535

struct router_mtu {
        unsigned count;
        struct { struct router_addr rloc; unsigned mtu; uint64_t until_ms; } path[ROUTER_MTU_PATHS_MAX];
        uint64_t seed;              /* of the hashes; the caller sets it, random */
        unsigned next;
        uint64_t sent[ROUTER_MTU_SENT];
};

/** The largest IP packet that reaches @rloc, as far as it is known; ROUTER_MTU_UNKNOWN else. */
unsigned router_mtu_find(const struct router_mtu *mtu, uint64_t now_ms, const struct router_addr *rloc);
/** A frame of @len bytes leaves for @rloc. */
void router_mtu_sent(
    struct router_mtu *mtu, const struct router_addr *rloc, const uint8_t *frame, size_t len);
/**
 * A message says that a packet to @rloc was larger than @value bytes, and quotes @len bytes of the frame in it
 * (behind the UDP header). @local: our kernel says so, of its own interface. false: it is not believed.
 */
bool router_mtu_lower(struct router_mtu *mtu, uint64_t now_ms, const struct router_addr *rloc, unsigned value,
    const uint8_t *quote, size_t len, bool local);

#endif
