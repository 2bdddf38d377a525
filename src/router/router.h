/*
 * router/router.h - one node of the overlay: ITR, ETR, map-server and map-resolver in one machine.
 *
 * The machine does no I/O: control messages, data frames, packets of the TUN device and time go in;
 * messages, frames and packets come out through the options' callbacks, during the call. All
 * memory is bounded by ROUTER_*_MAX; what does not fit is dropped and counted.
 *
 * How a packet goes: its destination is looked up in the map-cache. Unknown: the ledger says whose it is
 * (nobody: unreachable), Map-Requests go to two of the nodes that placement names, the next after
 * 250 ms; the packet waits. The record that comes back is believed when the owner's signature, the
 * sequence, the header and the expiry hold. Then a handshake with the node that the record names
 * runs over its best RLOC, and the waiting packets leave sealed. A session belongs to two seal keys;
 * a packet out of it is delivered when the ledger says that its source belongs to the EID whose key
 * signed the other side's record, and its destination is ours.
 *
 * Plain LISP goes only to and comes only from RLOCs in plain_from, for EIDs whose register does not
 * ask for sealing, and needs both address checks. What the ledger gives to nobody may be what sites of other
 * implementations registered here with a key, or what a foreign map-server answers for: plain as well.
 *
 * Threads: one at a time, the router's own. Spec: doc/router-*.md.
 */
#ifndef LX_ROUTER_ROUTER_H
#define LX_ROUTER_ROUTER_H

#include "base/why.h"
#include "router/cache.h"
#include "router/ledger.h"
#include "router/message.h"
#include "router/mtu.h"
#include "router/record.h"

#define ROUTER_IDENTITIES_MAX 8
#define ROUTER_PREFIXES_MAX 64
#define ROUTER_LOCAL_RLOCS_MAX 8
#define ROUTER_PLAIN_MAX 32
#define ROUTER_SITES_MAX 32
#define ROUTER_FOREIGN_MAX 16
#define ROUTER_PROXIES_MAX 16
#define ROUTER_PEERS_MAX 16384
#define ROUTER_WAIT_EACH 64       /* packets that wait for one mapping or session */
#define ROUTER_WAIT_ALL 2048      /* packets that wait altogether */
#define ROUTER_REGISTRATIONS_MAX 131072
#define ROUTER_SUBSCRIBERS_MAX 4096
#define ROUTER_CACHE_DEFAULT 65536
#define ROUTER_FRAME_MAX (ROUTER_PACKET_LIMIT + 64)
#define ROUTER_PACKET_LIMIT 9216  /* bytes of an inner packet */

#define ROUTER_NEGATIVE_S 15      /* how long "nobody registered it" is believed */
#define ROUTER_ASK_MS 250         /* until the next node is asked */
#define ROUTER_REKEY_MS 120000
#define ROUTER_EXPIRE_MS 180000   /* a session older than this is not used */

struct router;

/* An EID that this node speaks for. */
struct router_identity {
        uint32_t iid;
        struct router_addr eid;
        uint8_t sign[32]; /* BIP 340, its key is in the eid register */
        uint8_t seal[32]; /* X25519 */
};

struct router_prefix {
        struct router_eid eid;
        uint8_t identity;
};

/* Another implementation's site that registers here with a shared secret. */
struct router_site {
        struct router_eid eid;    /* it may register this and what lies in it */
        uint8_t key_id;
        enum router_alg alg;
        uint8_t key[64];
        uint8_t key_len;
        bool random_nonces;       /* its nonces do not rise: replays are not noticed */
};

/* A map-server of another implementation: a prefix of ours is registered there, or EIDs are asked of it. */
struct router_foreign {
        struct router_eid eid;
        struct router_addr at;
        bool registers;           /* with the key; otherwise: asks about EIDs in .eid that the ledger gives to nobody */
        uint8_t key_id;
        enum router_alg alg;
        uint8_t key[64];
        uint8_t key_len;
};

/* Plain hosts, which the ledger gives to nobody, are reached through the node of an EID, and heard from it. */
struct router_proxy {
        struct router_eid net;
        struct router_addr eid;
};

struct router_options {
        struct router_ledger ledger;
        size_t identity_count;
        struct router_identity identity[ROUTER_IDENTITIES_MAX];
        size_t prefix_count;
        struct router_prefix prefix[ROUTER_PREFIXES_MAX];
        size_t rloc_count;
        struct router_addr rloc[ROUTER_LOCAL_RLOCS_MAX];
        size_t plain_count;
        struct router_eid plain_from[ROUTER_PLAIN_MAX]; /* prefixes of RLOCs */
        size_t site_count;
        struct router_site site[ROUTER_SITES_MAX];
        size_t foreign_count;
        struct router_foreign foreign[ROUTER_FOREIGN_MAX];
        size_t proxy_count;
        struct router_proxy proxy[ROUTER_PROXIES_MAX];  /* that we use */
        size_t lent_count;
        struct router_eid lent[ROUTER_PROXIES_MAX];     /* plain hosts that we are the proxy of ... */
        size_t client_count;
        struct router_eid client[ROUTER_PROXIES_MAX];   /* ... for these EIDs; sealed only */
        bool serve;               /* be a map-server and map-resolver */
        uint32_t cache_max;       /* 0: ROUTER_CACHE_DEFAULT */
        unsigned mtu;             /* of inner packets, where the path has no smaller one; 0: 1400 */
        uint64_t counter;         /* of handshakes; the caller persists something higher first */
        void (*random)(void *arg, void *out, size_t len);
        /* A control message (control port) or frame (data port) to @to. */
        void (*send)(void *arg, bool data, const struct router_at *to, const uint8_t *bytes,
            size_t len, uint8_t tos);
        /* A packet for the TUN device; the bytes may be changed. */
        void (*deliver)(void *arg, uint8_t *packet, size_t len);
        void *arg;
};

/* What happened, and what did not: name and meaning, for /metrics and the tests. */
#define ROUTER_COUNTERS(X)                                                                         \
        X(encapsulated, "inner packets sent to peers")                                             \
        X(decapsulated, "inner packets delivered")                                                 \
        X(encapsulated_bytes, "bytes of inner packets sent")                                       \
        X(decapsulated_bytes, "bytes of inner packets delivered")                                  \
        X(requests_sent, "Map-Requests sent")                                                      \
        X(requests_answered, "Map-Requests answered")                                              \
        X(foreign_registers, "registrations that foreign map-servers confirmed")                   \
        X(registers_accepted, "registrations accepted")                                            \
        X(handshakes_done, "sessions made")                                                        \
        X(moves, "peers that changed their RLOC")                                                  \
        X(proxied, "packets between sites and plain hosts, passed on as their proxy")                     \
        X(failovers, "paths given up for another RLOC")                                            \
        X(relayed, "messages passed on between sites behind NATs")                                 \
        X(relayed_in, "peers first reached through a relay")                                       \
        X(taken_back, "mappings and registrations whose register has changed")                     \
        X(drop_malformed, "messages and packets that are none")                                    \
        X(drop_no_owner, "packets to addresses that nobody owns")                                  \
        X(drop_no_mapping, "packets to owners that nobody could find")                             \
        X(drop_waiting_full, "packets for which there was no room to wait")                        \
        X(fragmented, "packets sent in pieces")                                                    \
        X(path_mtu, "paths whose MTU turned out to be smaller")                                    \
        X(drop_too_big, "packets above the MTU of their path")                                     \
        X(drop_unsent, "frames and packets that the kernel did not take")                          \
        X(drop_ttl, "packets out of hops")                                                         \
        X(drop_not_ours, "packets to a destination that is not ours")                              \
        X(drop_unowned, "packets from an EID or prefix of ours that the ledger does not give us")  \
        X(drop_spoofed_source, "packets from a source that the sender does not own")               \
        X(drop_plain_stranger, "plain packets from an RLOC that no policy names")                  \
        X(drop_plain_sealed, "plain packets for an EID that asks for sealing")                     \
        X(drop_no_session, "frames of no session")                                                 \
        X(drop_frame_forged, "frames that do not open")                                            \
        X(drop_frame_replayed, "frames that came twice or too late")                               \
        X(drop_congestion, "packets marked congested that do not know the mark")                   \
        X(refused_signature, "records not signed by the owner")                                    \
        X(refused_stale, "records older than what is known")                                       \
        X(refused_expired, "records past their expiry or from an unknown block")                   \
        X(refused_owner, "records for what their signer does not own")                             \
        X(refused_nonce, "answers to no question")                                                 \
        X(refused_hmac, "registrations that no site's key made")                                   \
        X(refused_cookie, "registrations sent for a cookie first")                                 \
        X(refused_amplify, "questions smaller than their answer")                                  \
        X(refused_icmp, "ICMP messages about nothing that we sent")                                \
        X(refused_rate, "messages above a rate limit")                                             \
        X(refused_relay, "relayed messages from or for nobody who asked for it")                   \
        X(refused_handshake, "handshakes that are forged, old or not for us")                      \
        X(refused_full, "what found a table full")

struct router_counters {
#define X(name, text) uint64_t name;
        ROUTER_COUNTERS(X)
#undef X
};

/** A router; registers its EIDs at the next tick. Copies the options, wipe yours. */
struct router *router_new(const struct router_options *options, uint64_t now_ms);
/** Free it; NULL is fine. */
void router_free(struct router *router);

/** A message came to the control port. Unauthenticated. */
void router_control_input(struct router *router, uint64_t now_ms, const struct router_at *from,
    const uint8_t *bytes, size_t len);
/** A frame came to the data port; it is opened in place. @ttl of the outer header, -1: unknown. */
void router_data_input(struct router *router, uint64_t now_ms, const struct router_at *from,
    uint8_t *frame, size_t len, uint8_t tos, int ttl);

/* Where packets of a flow go at this moment: valid until the next call that is not wrap. */
struct router_route {
        struct router_at to;
        uint32_t iid;
        uint8_t tos;
        unsigned overhead;           /* bytes that wrap adds */
        unsigned mtu;                /* bytes of an inner packet that wrap takes */
        struct router_session *session; /* NULL: plain */
        struct router_at via;        /* internal: through a relay */
        void *wait;                  /* internal */
};

enum router_verdict { ROUTER_SEND, ROUTER_CUT, ROUTER_WAIT, ROUTER_DROP };

/**
 * Where the packet @bytes of the TUN device (instance @iid) goes. DROP: counted, and ICMP sent. CUT: it is IPv4,
 * larger than the path takes, and may be fragmented (RFC 9300 7.1): each of its pieces goes this way.
 */
enum router_verdict router_route_find(struct router *router, uint64_t now_ms, uint32_t iid,
    const uint8_t *bytes, size_t len, struct router_route *out_route);
/** Encapsulate one packet of it into @out (@len + out_route->overhead bytes); the frame's length. */
size_t router_route_wrap(struct router *router, const struct router_route *route,
    const uint8_t *bytes, size_t len, uint8_t *out);
/** After CUT: piece @number, from 0 on, of a packet into @out (@route->mtu bytes); its length, 0: there are no more. */
size_t router_route_piece(struct router *router, const struct router_route *route, const uint8_t *bytes, size_t len,
    unsigned number, uint8_t *out);
/** After WAIT: keep a copy of the packet until the way is known. */
void router_route_wait(
    struct router *router, const struct router_route *route, const uint8_t *bytes, size_t len);
/** All of it for one packet. */
void router_tun_input(
    struct router *router, uint64_t now_ms, uint32_t iid, const uint8_t *bytes, size_t len);

/**
 * An ICMP message says that a packet to @rloc was larger than @mtu and quotes @len bytes of the frame in it; or
 * our kernel says so (@local). Believed only when we sent that frame (router/mtu.h).
 */
void router_too_big(struct router *router, uint64_t now_ms, const struct router_addr *rloc, unsigned mtu,
    const uint8_t *quote, size_t len, bool local);
/** The largest IP packet that is known to reach @rloc; ROUTER_MTU_UNKNOWN: nothing smaller is known. */
unsigned router_path_mtu(const struct router *router, uint64_t now_ms, const struct router_addr *rloc);

/** Do what is due. */
void router_tick(struct router *router, uint64_t now_ms);
/** When router_tick is due next; UINT64_MAX: never. */
uint64_t router_deadline_ms(const struct router *router);

/** Our addresses are now these: announced to map-servers and peers at once. */
void router_set_rlocs(
    struct router *router, uint64_t now_ms, const struct router_addr *rlocs, size_t count);
/**
 * The ledger has a new block. Whatever rests on it is checked again before its next use, and all of it in
 * the next ticks: a mapping or registration whose register names another key, or none, goes; an EID of
 * ours that the ledger does not give us falls silent; when other nodes serve mappings, we register at them.
 */
void router_new_block(struct router *router, uint64_t now_ms);
/** The prefixes that are bound to our EIDs are now these (at most ROUTER_PREFIXES_MAX). */
void router_set_prefixes(struct router *router, uint64_t now_ms, const struct router_prefix *prefixes, size_t count);

/** The counters so far. */
const struct router_counters *router_counters_get(const struct router *router);

/* A route, as `lx route list` shows it. */
struct router_shown {
        struct router_eid eid;
        const char *source;   /* "local", "sealed", "plain", "negative", "pending", "registered" */
        uint8_t rloc_count;
        struct router_addr rloc[ROUTER_RLOCS_MAX];
        uint32_t ttl_s;
        uint64_t sequence;
};

/** Call @fn for every route: ours, those in the cache, those registered here. */
void router_list(const struct router *router, uint64_t now_ms,
    void (*fn)(void *arg, const struct router_shown *shown), void *arg);
/** Begin to resolve @addr, as a packet would; what is known is in the list. */
void router_resolve(
    struct router *router, uint64_t now_ms, uint32_t iid, const struct router_addr *addr);
/** Register our EIDs again now. */
void router_register_now(struct router *router, uint64_t now_ms);

#endif
