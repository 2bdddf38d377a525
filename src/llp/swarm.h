/*
 * llp/swarm.h - all peers of a node: whom to dial when, whom to let in, whom to throw out.
 *
 * A pure set of peer machines (llp/peer.h) with the address book (llp/book.h) and the bans (llp/ban.h).
 * The shell (llp/swarm_io.h) owns sockets and clocks: it reports what happened, and carries out wishes.
 *
 *      DIALLING  --connected--> GREETING --the other's hello--> UP --> ENDING (on_down) --> gone
 *                accepted   -->
 *
 * Dialling: the operator's peers always and for ever (1 s after a failure, doubling to LLP_FIXED_RETRY_MS);
 * then nodes of the book until LLP_SWARM_OUT outbound peers are up, each of another address group
 * where addresses are public; seeds (asked for their key) while it has less than two and the book nobody. Two
 * connections between the same nodes: the one that the node with the lower key made stays; two of the
 * same direction: the newer one.
 *
 * Letting in: not the banned; of one party (llp_addr_party) LLP_SWARM_PARTY_HALF half-open connections,
 * LLP_SWARM_PARTY_IN peers and the rate of llp_bans_knock; LLP_SWARM_HALF half-open ones in all, where
 * the oldest of the party with most makes place for another party's; options.in_max peers, where the
 * operator's always have place.
 *
 * Points (llp/net.h) are kept by node key, of failed handshakes by party; nobody is banned for what a
 * man in the middle could do. The operator's peers are dropped, never banned.
 *
 * Threads: loop only. Time is an argument; wall clock and randomness come from options. Nothing is
 * freed inside a callback. Spec: doc/llp.md.
 */
#ifndef LX_LLP_SWARM_H
#define LX_LLP_SWARM_H

#include "base/buf.h"
#include "llp/ban.h"
#include "llp/book.h"
#include "llp/net.h"
#include "llp/peer.h"

#define LLP_SWARM_OUT 8        /* outbound peers, the operator's not counted */
#define LLP_SWARM_DIALS 4      /* of them at the same time under way */
#define LLP_SWARM_IN 64        /* default of options.in_max */
#define LLP_SWARM_HALF 128     /* inbound connections before their hello */
#define LLP_SWARM_PARTY_HALF 8 /* of one party; loopback: LLP_SWARM_LOCAL */
#define LLP_SWARM_PARTY_IN 16  /* peers of one party; loopback: LLP_SWARM_LOCAL */
#define LLP_SWARM_LOCAL 64
#define LLP_SWARM_FIXED_MAX 64 /* the operator's peers */
#define LLP_SWARM_SEEDS_MAX 32
#define LLP_FIXED_RETRY_MS 30000
#define LLP_SEED_RETRY_MS 60000
#define LLP_DIAL_MS 10000         /* for a connection to be made */
#define LLP_ADDRS_EVERY_MS 600000 /* addresses are asked for */
#define LLP_BOOK_FILE_MAX (1u << 20)

struct llp_swarm;

/* What is above, called from inside the swarm. */
struct llp_swarm_upper {
        /* height and tip that a hello tells */
        void (*tip)(void *arg, uint64_t *out_height, struct lx_hash *out_tip);
        /* the machines; each may be NULL */
        void (*on_up)(void *arg, uint32_t peer, const struct llp_hello *hello, uint64_t now_ms);
        void (*on_down)(void *arg, uint32_t peer, uint64_t now_ms);
        enum lx_err (*on_message)(void *arg, uint32_t peer, unsigned type, const uint8_t *bytes,
            size_t len, uint64_t now_ms);
        /* bulk found no room (net->has_room, net->send), and there is some again; never inside those */
        void (*on_room)(void *arg, uint32_t peer, uint64_t now_ms);
        void *arg;
};

struct llp_swarm_options {
        const uint8_t *secret; /* node key, 32 bytes (any y); must outlive the swarm */
        struct lx_hash chain_id;
        uint32_t roles;       /* enum llp_role, told in hello */
        uint16_t listen_port; /* 0: nobody can connect */
        const char *agent;
        unsigned in_max;  /* 0: LLP_SWARM_IN */
        unsigned out_max; /* 0: LLP_SWARM_OUT */
        struct llp_swarm_upper upper;
        /* the shell */
        uint64_t (*wall_ms)(void *arg);
        void (*random)(void *arg, void *out, size_t len);
        /* there is a wish, and there was none; the shell looks soon, never inside this call */
        void (*on_wish)(void *arg);
        /* something for the log; may be NULL */
        void (*on_event)(void *arg, uint32_t peer, const char *what, const char *text);
        void *arg;
};

/** A swarm without peers. LX_ERR_RANGE: a bad node key. */
LX_MUST_CHECK enum lx_err llp_swarm_new(
    const struct llp_swarm_options *options, uint64_t now_ms, struct llp_swarm **out_swarm);
/** Free it; on_down is not called. NULL is fine. */
void llp_swarm_free(struct llp_swarm *swarm);
/** Our node key. */
struct lx_pubkey llp_swarm_id(const struct llp_swarm *swarm);
/** The face that the machines above are given; lives as long as the swarm. */
const struct llp_net *llp_swarm_net(const struct llp_swarm *swarm);

/* ---- what the operator wants ------------------------------------------------------------------ */

/** Always stay connected to @place, which has an id. LX_ERR_EXISTS, LX_ERR_LIMIT, LX_ERR_USAGE. */
LX_MUST_CHECK enum lx_err llp_swarm_add(
    struct llp_swarm *swarm, const struct llp_place *place, uint64_t now_ms, struct lx_why *why);
/** A place to start from, without an id. LX_ERR_LIMIT. */
LX_MUST_CHECK enum lx_err
llp_swarm_add_seed(struct llp_swarm *swarm, const struct llp_place *place, struct lx_why *why);
/** Ban a node id (64 hex digits) or an address for @seconds; whoever it is, is dropped. LX_ERR_USAGE. */
LX_MUST_CHECK enum lx_err llp_swarm_ban(struct llp_swarm *swarm, const char *target,
    uint64_t seconds, const char *reason, uint64_t now_ms, struct lx_why *why);
/** Lift it. LX_ERR_USAGE, LX_ERR_ABSENT. */
LX_MUST_CHECK enum lx_err
llp_swarm_unban(struct llp_swarm *swarm, const char *target, struct lx_why *why);
/** Say goodbye to all and dial nobody any more. */
void llp_swarm_stop(struct llp_swarm *swarm, uint64_t now_ms);

/* ---- the shell reports ------------------------------------------------------------------------- */

enum llp_wish_kind {
        LLP_WISH_DIAL,    /* connect to addr, then llp_swarm_connected or llp_swarm_failed */
        LLP_WISH_RESOLVE, /* look up host, then llp_swarm_resolved; peer is 0 */
        LLP_WISH_OUTPUT,  /* there is output, or place for more input */
        LLP_WISH_CLOSE,   /* close the connection; the handle is gone */
};

struct llp_wish {
        enum llp_wish_kind kind;
        uint32_t peer;
        struct llp_addr addr;
        uint32_t name;    /* RESOLVE: to be handed back */
        const char *host; /* RESOLVE: valid until the next call */
};

/** Take the next wish; false: none. */
bool llp_swarm_next_wish(struct llp_swarm *swarm, struct llp_wish *out_wish);
/** Somebody connected from @addr: its handle, or 0: close it at once. */
uint32_t llp_swarm_accepted(struct llp_swarm *swarm, const struct llp_addr *addr, uint64_t now_ms);
/** A dialled connection is there. */
void llp_swarm_connected(struct llp_swarm *swarm, uint32_t peer, uint64_t now_ms);
/** A dialled connection failed, or a connection ended; @text says how. */
void llp_swarm_failed(struct llp_swarm *swarm, uint32_t peer, const char *text, uint64_t now_ms);
/** Addresses of a name (none: @count 0); the port is not looked at. */
void llp_swarm_resolved(struct llp_swarm *swarm, uint32_t name, const struct llp_addr *addrs,
    size_t count, uint64_t now_ms);
/** Bytes came. */
void llp_swarm_input(
    struct llp_swarm *swarm, uint32_t peer, const uint8_t *bytes, size_t len, uint64_t now_ms);
/** Whether the shell should read from it. */
bool llp_swarm_wants_input(const struct llp_swarm *swarm, uint32_t peer);
/** Bytes to write (llp_peer_output). */
size_t
llp_swarm_output(struct llp_swarm *swarm, uint32_t peer, uint8_t *out, size_t cap, uint64_t now_ms);
/** Whether there are some. */
bool llp_swarm_has_output(const struct llp_swarm *swarm, uint32_t peer);
/** Time passes. */
void llp_swarm_tick(struct llp_swarm *swarm, uint64_t now_ms);
/** When it wants llp_swarm_tick. */
uint64_t llp_swarm_deadline_ms(const struct llp_swarm *swarm);

/* ---- the book on disk --------------------------------------------------------------------------- */

/** Nodes and bans as bytes (llp/book.h), appended. */
void llp_swarm_save(struct llp_swarm *swarm, struct lx_buf *out);
/** Read them into a new swarm. LX_ERR_VERSION, LX_ERR_CORRUPT, or what reading says; then it is empty. */
LX_MUST_CHECK enum lx_err llp_swarm_load(struct llp_swarm *swarm, const uint8_t *bytes, size_t len);
/** Whether nodes or bans changed since the last save. */
bool llp_swarm_is_dirty(const struct llp_swarm *swarm);

/* ---- looking at it ------------------------------------------------------------------------------ */

struct llp_peer_info {
        uint32_t peer;
        bool has_id, inbound, fixed, up;
        struct lx_pubkey id;
        struct llp_addr addr; /* port 0: not known */
        const char *state;    /* "dialling", "greeting", "up", "ending"; "down": the operator's, and
                                     not connected; then peer is 0 */
        const char *why;      /* down: what went wrong last; else "" */
        const char *host;     /* down: where, as the operator gave it; else "" */
        uint64_t next_try_ms; /* down: monotonic; else 0 */
        struct llp_hello hello; /* when up */
        uint64_t height;        /* newest that it told */
        unsigned points;
        uint64_t since_ms; /* monotonic: connected, or dialled */
        struct llp_peer_stats stats;
};

/** Connection number @i, then the operator's peers that are not connected; false: no more. */
bool llp_swarm_peer_at(
    const struct llp_swarm *swarm, size_t i, uint64_t now_ms, struct llp_peer_info *out_info);
/** Ban number @i, or NULL: no more. */
const struct llp_ban *llp_swarm_ban_at(const struct llp_swarm *swarm, size_t i);

struct llp_swarm_stats {
        size_t up_in, up_out, half_open, dialling, book, bans;
        uint64_t bytes_in, bytes_out, messages_in, messages_out; /* of all connections so far */
        uint64_t accepted, refused, dialled, dial_failures, handshake_failures, punished, banned;
        uint64_t queue_refused, throttled;
};
/** Figures for status and metrics. */
void llp_swarm_get_stats(const struct llp_swarm *swarm, struct llp_swarm_stats *out_stats);

#endif
