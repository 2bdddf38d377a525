/*
 * router/noise.h - Noise_IK_25519_ChaChaPoly_SHA256 between two nodes, and the sealed frames after it.
 *
 * The initiator knows the responder's static key from its signed record; the responder learns the
 * initiator's from the first message and checks it against the record that comes beside it. The
 * prologue is "lx router 1" and the chain id. Payload of message 1: u64 counter (persisted by the
 * initiator, rising, so that an old message is not taken twice); of message 2: nothing.
 *
 * A frame: the LISP data header (8 bytes, its K bits 01), u32 receiver's index, u64 counter, the
 * sealed inner packet, 16 bytes tag. The first 20 bytes are associated data; the counter is the
 * nonce. A window of ROUTER_WINDOW counters keeps replays out.
 *
 * Threads: pure; a session on one thread at a time. Spec: doc/router-frames.md; noiseprotocol.org rev. 34.
 */
#ifndef LX_ROUTER_NOISE_H
#define LX_ROUTER_NOISE_H

#include "crypto/aead.h"
#include "router/record.h"

#define ROUTER_NOISE1_LEN (32 + 48 + 8 + 16) /* e, sealed s, sealed counter */
#define ROUTER_NOISE2_LEN (32 + 16)          /* e, tag */
#define ROUTER_WINDOW 8192
#define ROUTER_FRAME_HEAD 20
#define ROUTER_FRAME_OVERHEAD (ROUTER_FRAME_HEAD + LX_AEAD_TAG_LEN)
#define ROUTER_FRAMES_MAX (1ull << 60) /* of one key */

/* One side of a handshake under way. Wipe it with router_noise_clear. */
struct router_noise {
        uint8_t ck[32], h[32];
        uint8_t e[32], e_pub[32];
        uint8_t peer_e[32], peer_s[32];
};

/** Wipe it. */
void router_noise_clear(struct router_noise *noise);

/**
 * Write message 1 to @peer_s. @ephemeral: 32 fresh random bytes. false: a key of small order.
 */
LX_MUST_CHECK bool router_noise_start(struct router_noise *noise, const struct lx_hash *chain_id,
    const uint8_t sec[32], const uint8_t peer_s[32], const uint8_t ephemeral[32], uint64_t counter,
    uint8_t out_message[ROUTER_NOISE1_LEN]);
/** Read message 1: the initiator's static key is in noise->peer_s. false: not for us, or forged. */
LX_MUST_CHECK bool router_noise_accept(struct router_noise *noise, const struct lx_hash *chain_id,
    const uint8_t sec[32], const uint8_t message[ROUTER_NOISE1_LEN], uint64_t *out_counter);
/** Write message 2; afterwards router_session_new. */
LX_MUST_CHECK bool router_noise_answer(struct router_noise *noise, const uint8_t ephemeral[32],
    uint8_t out_message[ROUTER_NOISE2_LEN]);
/** Read message 2; false: forged, and @noise is as it was. */
LX_MUST_CHECK bool router_noise_finish(struct router_noise *noise, const uint8_t sec[32],
    const uint8_t message[ROUTER_NOISE2_LEN]);

/* The keys of one session. */
struct router_session {
        struct lx_aead *seal, *open;
        uint32_t local_index, remote_index;
        uint64_t sent;              /* counter of the next frame */
        uint64_t highest;           /* counter received, plus one */
        uint64_t window[ROUTER_WINDOW / 64];
        uint64_t born_ms;
        bool initiator;
        bool confirmed;             /* the other side proved that it has the keys */
};

/** Split: the session of a finished handshake. Never NULL; free it. */
struct router_session *router_session_new(
    const struct router_noise *noise, bool initiator, uint64_t now_ms);
/** Wipe and free; NULL is fine. */
void router_session_free(struct router_session *session);
/**
 * Seal @len bytes of an inner packet (may be 0) of instance @iid into @out, of @len +
 * ROUTER_FRAME_OVERHEAD bytes. @in may be @out + ROUTER_FRAME_HEAD. Returns the frame's length.
 */
size_t router_session_seal(
    struct router_session *session, uint32_t iid, const uint8_t *in, size_t len, uint8_t *out);
/**
 * Open a frame in place: *out_inner points into it. LX_ERR_SIGNATURE: forged; LX_ERR_SEQUENCE: a
 * replay, or too old; LX_ERR_TRUNCATED.
 */
LX_MUST_CHECK enum lx_err router_session_open(struct router_session *session, uint8_t *frame,
    size_t len, uint32_t *out_iid, uint8_t **out_inner, size_t *out_len);
/** The receiver's index of what looks like a sealed frame; false: it is none. */
bool router_frame_index(const uint8_t *frame, size_t len, uint32_t *out_index);

#endif
