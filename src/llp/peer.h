/*
 * llp/peer.h - the machine of one connection: handshake, hello, frames, classes, pings.
 *
 * Bytes and time go in, bytes, messages and the next deadline come out; no socket, no clock.
 *
 *      ASKING    --answer--> SHAKING    initiator without the other's key: asks for it (doc/llp.md)
 *      SHAKING   --three acts of llp/noise.h--> GREETING
 *      GREETING  --the other's hello--> READY      calls.on_ready
 *      READY     messages both ways                calls.on_message
 *      any       --llp_peer_close, a broken rule, a deadline--> CLOSING: a goodbye waits to leave
 *      CLOSING   --it has left, or LLP_PEER_CLOSE_MS--> CLOSED: the owner closes the connection
 *      SHAKING   --broken rule or deadline--> CLOSED
 *
 * The other side must get to READY in LLP_PEER_GREET_MS, finish a frame in LLP_PEER_FRAME_MS and
 * answer a ping in LLP_PEER_PONG_MS, or after the frame under way. What exceeds the rate of its type
 * (llp/message.h) is not lost: the machine takes no more input until its time has come, so that TCP
 * pushes back.
 *
 * Callbacks may call llp_peer_send and llp_peer_close; they free nothing and feed no other machine.
 * Ownership: strings and keys are copied, but secret and scratch (both outlive the machine).
 * Threads: one at a time. Spec: doc/llp.md.
 */
#ifndef LX_LLP_PEER_H
#define LX_LLP_PEER_H

#include "base/why.h"
#include "crypto/ecdh.h"
#include "llp/hello.h"
#include "llp/message.h"

#define LLP_PEER_GREET_MS 8000    /* from the connection to the other's hello */
#define LLP_PEER_PING_MS 10000    /* between pings */
#define LLP_PEER_PONG_MS 30000    /* an answer to one; then the other side is dead */
#define LLP_PEER_FRAME_MS 60000   /* from the first byte of a frame to its last */
#define LLP_PEER_CLOSE_MS 1000    /* for a goodbye to leave */
#define LLP_PEER_TURN (32 * 1024) /* bytes of one llp_peer_output, and the frame that passes it */
#define LLP_PROLOGUE_LEN 23       /* "lxnode", version 1, the first 16 bytes of the chain id */
#define LLP_TAG_LEN 16
#define LLP_QUERY_LEN 50 /* of the question for a node's key, and of its answer */

struct llp_peer;

enum llp_peer_state {
        LLP_PEER_ASKING,
        LLP_PEER_SHAKING,
        LLP_PEER_GREETING,
        LLP_PEER_READY,
        LLP_PEER_CLOSING,
        LLP_PEER_CLOSED,
};

/* Why it ended. */
enum llp_end {
        LLP_END_NONE,
        LLP_END_OURS,    /* llp_peer_close */
        LLP_END_GOODBYE, /* the other side said so */
        LLP_END_LOST,    /* the connection ended without a word */
        LLP_END_TIMEOUT,
        LLP_END_HANDSHAKE, /* it failed: wrong key or network, garbage; nobody is proven guilty */
        LLP_END_NETWORK,   /* hello: another version or chain */
        LLP_END_FRAME,     /* a frame was not sealed by the other side */
        LLP_END_RULE,      /* the other side, proven, broke a rule */
};

struct llp_peer_calls {
        /* The other side's hello came; its key is llp_peer_id. */
        void (*on_ready)(void *arg, const struct llp_hello *hello, uint64_t now_ms);
        /*
         * A message that the table allows, except hello, ping, pong and goodbye. An error: the other
         * side broke a rule; it is told and the connection ends.
         */
        enum lx_err (*on_message)(
            void *arg, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms);
        void *arg;
};

struct llp_peer_options {
        bool initiator;
        const uint8_t *secret; /* 32 bytes; its point has an even y (lx_ecdh_even) */
        uint8_t ephemeral[32]; /* random, used once */
        uint64_t ping_seed;    /* random */
        bool has_remote;       /* initiator: remote is known */
        struct lx_pubkey remote;
        struct llp_hello hello; /* ours */
        uint8_t *scratch;       /* LLP_FRAME_MAX bytes, may be shared by all machines of a thread */
        struct llp_peer_calls calls;
};

/** A machine for a connection made at @now_ms. LX_ERR_RANGE, LX_ERR_FORMAT: bad keys. */
LX_MUST_CHECK enum lx_err
llp_peer_new(const struct llp_peer_options *options, uint64_t now_ms, struct llp_peer **out_peer);
/** Wipe and free; NULL is fine. */
void llp_peer_free(struct llp_peer *peer);

/** Bytes came. What can't be taken yet is kept (the caller stops reading: llp_peer_wants_input). */
void llp_peer_input(struct llp_peer *peer, const uint8_t *bytes, size_t len, uint64_t now_ms);
/** Whether more input is welcome; false: later, after a tick. */
bool llp_peer_wants_input(const struct llp_peer *peer);
/** The connection ended. */
void llp_peer_lost(struct llp_peer *peer, const char *text);
/**
 * Write bytes for the connection, LLP_PEER_TURN or what the last frame makes more, so that what is queued
 * meanwhile overtakes the rest; at most @cap (at least LLP_PEER_TURN + LLP_FRAME_WIRE_MAX, for any frame to
 * fit). How many; 0: nothing waits.
 */
size_t llp_peer_output(struct llp_peer *peer, uint8_t *out, size_t cap, uint64_t now_ms);
/** Whether llp_peer_output would write something. */
bool llp_peer_has_output(const struct llp_peer *peer);
/** Time passes. */
void llp_peer_tick(struct llp_peer *peer, uint64_t now_ms);
/** When it wants llp_peer_tick; UINT64_MAX: not at all. */
uint64_t llp_peer_deadline_ms(const struct llp_peer *peer);

/** Queue a message (copied). false: not READY, or its class is full. @type must be in the table. */
bool llp_peer_send(struct llp_peer *peer, unsigned type, const void *bytes, size_t len);
/** Whether the largest message of @type would be taken. */
bool llp_peer_has_room(const struct llp_peer *peer, unsigned type);
/** Say goodbye with @reason and @text, drop what waits, close. */
void llp_peer_close(struct llp_peer *peer, enum llp_bye reason, const char *text, uint64_t now_ms);

/** The state. */
enum llp_peer_state llp_peer_state(const struct llp_peer *peer);
/** Why it ended; *out_text (may be NULL): one sentence for a person, the machine's. */
enum llp_end llp_peer_end(const struct llp_peer *peer, const char **out_text);
/** The other side's key; false: not known yet (a responder before GREETING). */
bool llp_peer_id(const struct llp_peer *peer, struct lx_pubkey *out_id);
/** Its goodbye's reason when the end is LLP_END_GOODBYE, else 0. */
unsigned llp_peer_bye(const struct llp_peer *peer);

struct llp_peer_stats {
        uint64_t bytes_in, bytes_out; /* on the wire */
        uint64_t messages_in, messages_out;
        uint64_t refused;                    /* messages that found their class full */
        uint64_t throttled;                  /* times that input had to wait for its rate */
        uint64_t queued;                     /* bytes that wait to leave */
        uint32_t latency_ms, latency_min_ms; /* of pings, the newest and the shortest; */
        bool has_latency;                    /* when there was one */
        uint64_t last_input_ms;              /* monotonic */
};
/** Figures. */
void llp_peer_get_stats(const struct llp_peer *peer, struct llp_peer_stats *out_stats);

/** The prologue of the network of @chain_id. */
void llp_peer_prologue(const struct lx_hash *chain_id, uint8_t out[LLP_PROLOGUE_LEN]);

#endif
