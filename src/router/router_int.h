/*
 * router/router_int.h - the machine's tables, shared by its parts:
 *   router.c    life, time, lists      resolve.c  mappings, Map-Request and Map-Reply
 *   server.c    map-server             peer.c     sessions, frames, paths
 *   announce.c  our registrations      data.c     packets
 *   proxy.c     plain hosts
 *   shake.c     handshakes             relay.c    through nodes in between, both sides of it
 */
#ifndef LX_ROUTER_ROUTER_INT_H
#define LX_ROUTER_ROUTER_INT_H

#include "base/map.h"
#include "router/envelope.h"
#include "router/noise.h"
#include "router/packet.h"
#include "router/router.h"

#define NONE UINT32_MAX
#define ASK_TRIES 4          /* rounds of questions before a mapping counts as absent */
#define REGISTERED_MAX 1100  /* bytes of a record that is kept to be relayed */
#define SESSIONS_MAX 65536

#define PATHS_MAX 8          /* RLOCs of a mapping that are used */

/* An RLOC in use. */
struct path {
        struct router_addr addr;
        uint16_t port;      /* 0: the data port */
        uint8_t priority, weight;
};

/* A packet that waits. */
struct waiting {
        struct waiting *next;
        struct router_at from; /* inbound plain: where it came from; family 0: outbound */
        uint32_t iid;
        size_t len;
        uint8_t bytes[];
};

struct queue {
        struct waiting *first, **end;
        unsigned count;
};

enum mapping_kind { MAPPING_FREE, MAPPING_PENDING, MAPPING_NEGATIVE, MAPPING_SEALED, MAPPING_PLAIN };

struct mapping {
        enum mapping_kind kind;
        struct router_eid eid;
        uint64_t sequence;
        uint32_t peer;      /* SEALED */
        uint8_t rloc_count;
        struct path rloc[PATHS_MAX];
        struct lx_pubkey key;     /* of the owner */
        struct lx_hash reg;       /* the register that says so */
        uint64_t block;           /* as of which it was checked against the ledger */
        uint8_t outside;          /* the ledger gives it to nobody: OUTSIDE_SITE, or the foreign map-server, from 1 */
        struct router_addr dest_ok; /* of a prefix: the last destination that the register covers */
        /* PENDING */
        uint64_t nonce, next_ms;
        unsigned tries, said_no;
        bool pitr;          /* asked for a plain host */
        struct queue queue;
        uint32_t next_free;
};

/*
 * An address of this family is a way through a relay: .b is the EID of the peer, the port our identity (high byte)
 * and the relay's place in router.relay (low byte).
 */
#define VIA 7
#define RELAYS_MAX 64

struct peer {
        bool used;
        uint8_t identity;           /* ours */
        struct router_eid eid;      /* the host EID that it speaks for */
        struct lx_pubkey key;       /* of its register */
        uint8_t seal[32];
        uint64_t sequence;          /* of the record whose RLOCs these are */
        uint8_t rloc_count, rloc_now;
        struct path rloc[PATHS_MAX];
        struct router_at data;      /* where its frames go */
        struct router_at via;       /* a way through a relay, after all RLOCs; family 0: none */
        uint64_t direct_ms;         /* when a direct path was tried last, while the relay's was in use */
        struct router_session *now, *before, *unproven;
        uint64_t counter;           /* highest that its handshakes had, plus one */
        /* handshake under way as initiator */
        bool shaking;
        struct router_noise noise;
        uint32_t shake_index;
        uint64_t shake_nonce, shake_next_ms, shake_start_ms;
        uint64_t ask_nonce;         /* of questions to map-servers while it does not answer */
        unsigned shake_tries;
        uint8_t cookie[16];
        uint64_t cookie_ms;         /* when it was given; 0: none */
        uint64_t introduced;        /* highest sequence of its records that map-servers passed on */
        /* life of the path */
        uint64_t rx_ms, tx_ms, data_tx_ms, data_rx_ms, ping_ms;
        unsigned pings;
        struct queue queue;
        /* the last inner source that the ledger confirmed */
        struct router_eid source_ok;
        bool has_source_ok;
        uint64_t source_block;
};

#define OUTSIDE_SITE 255 /* a site registered it here */

struct registration {
        bool used;
        struct router_eid eid;
        uint64_t sequence;          /* or the nonce of a site's registration */
        uint64_t expires_ms;
        uint32_t next_free;
        int site;                   /* -1: signed */
        struct lx_pubkey key;       /* of the owner, if signed */
        uint64_t block;             /* as of which it was checked against the ledger */
        struct router_at from;      /* where the registration came from */
        bool hidden;                /* that is none of its RLOCs: it is behind a NAT */
        uint64_t heard_ms;          /* last registration from there */
        struct router_at data;      /* where frames for it are relayed to; family 0: nowhere */
        uint64_t data_ms;           /* when it said so last */
        uint16_t len;
        uint8_t bytes[REGISTERED_MAX]; /* the record, as it came */
};

struct subscriber {
        bool used;
        struct router_eid eid;      /* of the registration */
        struct router_at at;
        uint64_t nonce, expires_ms, next_ms;
        unsigned unacked;
};

#define EXTRA_MAX 3
#define PLACES_MAX (ROUTER_PLACES + EXTRA_MAX)

/* One EID of ours at one of its nodes. */
struct announcement {
        struct router_node node;
        uint64_t nonce, next_ms;
        unsigned tries;
        bool acked, has_cookie;
        bool hidden;                /* it sees us behind a NAT: keep the way open */
        uint8_t cookie[16];
        /* as our relay */
        bool has_token, attached;   /* attached: it has confirmed it once */
        bool attach_due;            /* it is asked until it confirms */
        uint8_t token[16];
        uint64_t attach_ms;         /* when it is asked (again) to relay to us */
        unsigned attach_tries;
        bool extra;                 /* it is none of the placed nodes: a peer is reached through it */
        uint64_t until_ms;          /* of an extra one */
};

struct announced {
        struct router_eid eid;
        uint8_t identity;
        struct router_signed claim;
        bool owned;                 /* the ledger agrees */
        bool sealed;                /* it asks for no plain LISP */
        struct lx_hash reg;         /* the register that does */
        struct router_addr ours_ok; /* of a prefix: the last address that the register covers */
        uint64_t ours_block;
        size_t place_count;
        struct announcement place[PLACES_MAX];
        uint64_t renew_ms, renewed_ms;
};

/* A token bucket. */
struct bucket {
        uint64_t at_ms;
        uint32_t tokens;
};

struct router {
        struct router_options options;
        uint64_t now_ms, start_ms;
        uint64_t deadline_ms;
        uint64_t block;             /* counts router_new_block */
        uint32_t recheck_mapping, recheck_registration; /* the walks after a block */
        uint8_t seal_pub[ROUTER_IDENTITIES_MAX][32];
        struct lx_pubkey sign_pub[ROUTER_IDENTITIES_MAX];
        struct router_counters count;
        struct router_mtu mtu;
        /* relay.c */
        struct router_addr relay[RELAYS_MAX];
        unsigned relay_count, relay_next;
        struct bucket relay_bucket;
        /* resolve.c */
        struct router_cache *cache;
        struct mapping *mapping;
        uint32_t mapping_top, mapping_free, pending_count;
        unsigned waiting_count;
        /* peer.c */
        struct peer *peer;
        uint32_t peer_top;
        struct lx_map *peer_by_key; /* u8 identity, seal key -> index + 1 */
        struct { struct router_session *session; uint32_t peer; } *session;
        uint32_t session_next;
        struct bucket shake_bucket, introduce_bucket;
        /* server.c */
        struct router_cache *registered;
        struct registration *registration;
        uint32_t registration_top, registration_free;
        struct subscriber *subscriber;
        uint32_t subscriber_top;
        uint8_t cookie_secret[32];
        /* announce.c */
        size_t announced_count;
        struct announced announced[ROUTER_IDENTITIES_MAX + ROUTER_PREFIXES_MAX];
        uint64_t sequence;
        /* foreign.c */
        struct { uint64_t nonce, next_ms; unsigned tries; } foreign[ROUTER_FOREIGN_MAX];
};

#define COUNT(r, name) ((r)->count.name++)

/* router.c */
void router_wish(struct router *r, uint64_t at_ms);
uint32_t router_now_s(const struct router *r);
uint64_t router_random_u64(struct router *r);
bool router_bucket_take(struct router *r, struct bucket *b, uint32_t rate);
void router_send_control(struct router *r, const struct router_at *to, struct lx_writer *wr);
void router_cookie(struct router *r, const struct router_at *from, unsigned ago, uint8_t out[16]);
bool router_cookie_ok(struct router *r, const struct router_at *from, const uint8_t *cookie);
void queue_init(struct queue *q);
bool queue_push(struct router *r, struct queue *q, const struct router_at *from, uint32_t iid,
    const uint8_t *bytes, size_t len);
struct waiting *queue_pop(struct router *r, struct queue *q);
void queue_drop(struct router *r, struct queue *q);

/* resolve.c */
struct mapping *resolve_find(struct router *r, uint32_t iid, const struct router_addr *addr);
/** Ask about it; @pitr: a plain host wants to know (RFC 9301 5.2, bit p). */
struct mapping *resolve_begin(struct router *r, uint32_t iid, const struct router_addr *addr, bool pitr);
/** As resolve_find, then resolve_begin; what the ledger has taken back since is not used. */
struct mapping *resolve_get(struct router *r, uint32_t iid, const struct router_addr *addr, bool pitr);
/** After a block: look at mappings again, some in each call; true: there are more. */
bool resolve_recheck(struct router *r);
/** Ask one of the nodes that may know @eid, the @turn-th. What comes back under @nonce is learnt: peer_asked. */
void resolve_again(struct router *r, const struct router_eid *eid, uint64_t nonce, unsigned turn);
void resolve_reply(struct router *r, const struct router_at *from, const uint8_t *bytes, size_t len);
void resolve_tick(struct router *r);
void resolve_gone(void *arg, uint32_t value);
/** Check a claim against the ledger; the owner it speaks for. Counts what is wrong. */
bool resolve_check(struct router *r, const struct router_signed *claim, struct router_owner *out);
/** A checked claim: into the cache, if it is newer. */
void resolve_learn(
    struct router *r, const struct router_signed *claim, const struct router_owner *owner);
/** The RLOCs of a record that packets can use; how many. */
uint8_t resolve_paths(const struct router_record *record, struct path out[PATHS_MAX]);

/* server.c */
void server_register(struct router *r, const struct router_at *from, const uint8_t *bytes, size_t len);
void server_notify_ack(struct router *r, const struct router_at *from, const uint8_t *bytes, size_t len);
/** A map-server passes on who asks for us: if we are hidden, we must speak first. */
void server_introduced(struct router *r, const struct router_map_request *request);
void server_request(struct router *r, const struct router_at *from, size_t outer_len,
    const struct router_map_request *request);
void server_tick(struct router *r);
/** What a site registered here with a key that covers @addr; NULL: nothing. */
const struct registration *server_site(struct router *r, uint32_t iid, const struct router_addr *addr);
/** The MAC over a message whose authentication data, @auth_len bytes at @offset, counts as zeros; its length. */
size_t server_mac(enum router_alg alg, struct lx_span key, const uint8_t *bytes, size_t len, size_t offset,
    size_t auth_len, uint8_t out[32]);
/** After a block: look at registrations again, some in each call; true: there are more. */
bool server_recheck(struct router *r);

/* peer.c */
struct peer *peer_for(struct router *r, uint8_t identity, const uint8_t seal[32]);
void peer_learn(struct router *r, struct peer *p, const struct router_signed *claim,
    const struct router_owner *owner);
/** The same node as @p, as our @identity talks to it: a source of that EID leaves by its key. NULL: no room. */
struct peer *peer_as(struct router *r, struct peer *p, uint8_t identity);
void peer_shake(struct router *r, struct peer *p);
void peer_request(struct router *r, const struct router_at *from, size_t len,
    const struct router_map_request *request);
bool peer_reply(struct router *r, const struct router_at *from, const struct router_map_reply *reply,
    const struct router_record *record);
/** The EID that was asked about under @nonce because its peer does not answer; NULL: none. */
const struct router_eid *peer_asked(const struct router *r, uint64_t nonce);
/** The peer has no session and asks for us, says a map-server with the peer's record of @sequence. */
void peer_introduced(struct router *r, struct peer *p, uint64_t sequence);
struct router_session *peer_session(struct router *r, struct peer *p);
void peer_frame(struct router *r, const struct router_at *from, uint8_t *frame, size_t len, uint8_t tos,
    int ttl);
void peer_moved(struct router *r);
struct router_at peer_data_at(const struct path *rloc);
bool peer_enter_session(struct router *r, struct peer *p, struct router_session *s, uint32_t index);
void peer_drop_session(struct router *r, struct router_session **session);
uint32_t peer_new_index(struct router *r);
/** A new session: the one before it stays for what is under way. */
void peer_promote(struct router *r, struct peer *p, struct router_session *s);
/** Send an empty frame, or one for the router (first nibble 0), to where the peer is. */
void peer_send_inside(struct router *r, struct peer *p, const uint8_t *inside, size_t len);
/** What waited for a session goes. */
void peer_flush(struct router *r, struct peer *p);
void peer_tick(struct router *r);
void peer_free_all(struct router *r);

/* announce.c */
void announce_all(struct router *r);
void announce_tick(struct router *r);
void announce_notify(struct router *r, const struct router_at *from, const uint8_t *bytes, size_t len);
/** Our newest claim of @identity's EID; NULL: the ledger does not know it. */
const struct router_signed *announce_claim(const struct router *r, uint8_t identity);
/** The announced EID or prefix of ours that covers @addr; NULL: not ours. */
const struct announced *announce_covers(
    const struct router *r, uint32_t iid, const struct router_addr *addr);
/** Whether @addr is ours and the ledger agrees, as of the newest block. */
bool announce_speaks_for(struct router *r, uint32_t iid, const struct router_addr *addr);
/** After a block: what is not ours any more falls silent, new map-servers are registered at. */
void announce_new_block(struct router *r);
/** Our prefixes are now those of the options. */
void announce_set_prefixes(struct router *r);

/** Register identity @identity also at @at, because a peer is reached through it. */
void announce_also(struct router *r, uint8_t identity, const struct router_at *at);
/** Whether a map-server sees @identity behind a NAT. */
bool announce_hidden(const struct router *r, uint8_t identity);

/* relay.c */
#define RELAY_HEAD ROUTER_ENVELOPE_LEN /* bytes before what is relayed */
/** A frame to @to, which may be a way through a relay. */
void relay_send(struct router *r, const struct router_at *to, const uint8_t *bytes, size_t len, uint8_t tos);
/** Write the head for a frame to @via into @out; where it goes. */
struct router_at relay_head(const struct router *r, const struct router_at *via, uint8_t out[RELAY_HEAD]);
/** A relayed message, or one about relaying, came to the data port. Unauthenticated. */
void relay_input(struct router *r, const struct router_at *from, uint8_t *frame, size_t len);
/** Ask @p to relay frames for @eid to where this comes from. */
void relay_attach(struct router *r, const struct router_eid *eid, struct announcement *p);
/** The token that shows that who has it registered @eid here, as of @ago minutes ago. */
void relay_token(struct router *r, const struct router_eid *eid, unsigned ago, uint8_t out[16]);
/** A map-server's record says that its site is reached through it. */
void relay_hint(struct router *r, const struct router_at *from, const struct router_record *record,
    const struct router_owner *owner);
/** The record of @g, with a word that it is reached through us. */
void relay_write(struct lx_writer *wr, const struct registration *g);

/* foreign.c */
void foreign_tick(struct router *r);
/** A Map-Notify: whether it confirms a registration of ours at a foreign map-server. */
bool foreign_notify(struct router *r, const struct router_at *from, const struct router_map_register *m,
    const uint8_t *bytes, size_t len);
/** The foreign map-server to ask about @addr, from 1; 0: none. */
uint8_t foreign_for(const struct router *r, uint32_t iid, const struct router_addr *addr);
/** Ask number @number about @eid, in a form that parsers of RFC 6830's age read. */
void foreign_ask(struct router *r, uint8_t number, uint64_t nonce, const struct router_eid *eid, bool pitr);

/* proxy.c */
/** The EID through which the plain host @dest is reached; NULL: it is none, or policy names no proxy for it. */
const struct router_addr *proxy_towards(struct router *r, uint32_t iid, const struct router_addr *dest);
/** Whether the node of @eid may send us what the plain host @source says. */
bool proxy_speaks_for(
    struct router *r, const struct router_addr *eid, uint32_t iid, const struct router_addr *source);
/** Whether we are the proxy between the plain host @host and the site of EID @site. */
bool proxy_lends(struct router *r, uint32_t iid, const struct router_addr *host, const struct router_addr *site);

/* data.c */
/** @claimed: the source, which belongs to the peer; NULL: a plain host's, from its proxy. */
void data_flush(struct router *r, struct queue *q);
void data_deliver(struct router *r, const struct router_addr *claimed, uint8_t *packet, size_t len,
    uint8_t tos, int ttl, uint32_t iid);
void data_unreachable(struct router *r, struct queue *q);

#endif
