/*
 * llp/station.h - a full node as the station of light nodes: their questions in, parts of answers out.
 *
 * Questions of one peer are answered in their order, made on the pool from a view (light/answer.h), and sent when
 * net->has_room says so. LLP_STATION_ASKS_MAX questions of a peer wait; more are refused. Watch lists that were told
 * once are known by their digest to whoever asks, LLP_STATION_LISTS_MAX of them and LLP_STATION_LIST_BYTES_MAX bytes,
 * the least used gives way; a restart forgets them.
 *
 * Light nodes get no status, no votes and no transactions: the core hands them to this machine alone.
 * Ownership: options' objects are the caller's. Threads: loop only. Spec: doc/light.md.
 */
#ifndef LX_LLP_STATION_H
#define LX_LLP_STATION_H

#include "base/pool.h"
#include "ledger/ledger.h"
#include "llp/net.h"

#define LLP_STATION_ASKS_MAX 8
#define LLP_STATION_LISTS_MAX 64
#define LLP_STATION_LIST_BYTES_MAX (4u << 20)

struct llp_station;

struct llp_station_options {
        struct ledger *ledger;
        struct blob_store *blobs; /* may be NULL */
        struct lx_pool *pool;
        const struct llp_net *net;
};

/** A station without peers. */
struct llp_station *llp_station_new(const struct llp_station_options *options);
/** Free it; waits for its jobs (lx_pool_drain). NULL is fine. */
void llp_station_free(struct llp_station *station);
/** A light node is there. */
void llp_station_peer_up(struct llp_station *station, uint32_t peer);
/** It is gone. */
void llp_station_peer_down(struct llp_station *station, uint32_t peer);
/** Whether @peer is one of its. */
bool llp_station_has(const struct llp_station *station, uint32_t peer);
/** A question; errors: no honest node sends this. */
LX_MUST_CHECK enum lx_err llp_station_receive(
    struct llp_station *station, uint32_t peer, unsigned type, const uint8_t *bytes, size_t len);
/** There may be room again: go on sending. */
void llp_station_writable(struct llp_station *station);

struct llp_station_stats {
        size_t peers, lists;
        uint64_t asks, refused, bytes_out;
};
/** Figures. */
void llp_station_get_stats(const struct llp_station *station, struct llp_station_stats *out_stats);

#endif
