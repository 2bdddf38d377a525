/*
 * llp/net.h - what the machines above the peer layer are given: a way to speak to peers.
 *
 * A peer is a handle, never reused while the node runs; 0 is nobody. It is known to the machines from
 * its "up" to its "down"; calls with a handle that is gone do nothing and say false. Nothing here
 * calls back before it returns. Threads: loop only. The swarm fills it (llp/swarm.h), simulations too.
 */
#ifndef LX_LLP_NET_H
#define LX_LLP_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LLP_PUNISH_BAN 100 /* points at which a peer is banned */

struct llp_net {
        /*
         * Queue a message (copied). false: the peer is gone or the queue of that type's class is
         * full; then nothing is queued.
         */
        bool (*send)(void *arg, uint32_t peer, unsigned type, const void *bytes, size_t len);
        /*
         * Whether a message of this type at its largest would be taken now: who sends bulk asks
         * before it makes something, so that nothing piles up.
         */
        bool (*has_room)(void *arg, uint32_t peer, unsigned type);
        /*
         * The peer did something that honest ones don't: @points of LLP_PUNISH_BAN. They fade with
         * time; at LLP_PUNISH_BAN it is banned and dropped, after this call has returned.
         */
        void (*punish)(void *arg, uint32_t peer, unsigned points, const char *reason);
        void *arg;
};

#endif
