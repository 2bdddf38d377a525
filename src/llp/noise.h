/*
 * llp/noise.h - the handshake of BOLT 8: Noise_XK over secp256k1, ChaCha20-Poly1305 and SHA-256.
 *
 * A pure machine: three acts, each a message of fixed size. The initiator knows the responder's static
 * key beforehand; the responder learns the initiator's, encrypted, in act three.
 *
 *      initiator                                   responder
 *      WRITE_1  --- act one, 50 bytes --->         READ_1
 *      READ_2   <-- act two, 50 bytes ---          WRITE_2
 *      WRITE_3  --- act three, 66 bytes -->        READ_3
 *      DONE                                        DONE
 *                 any failure: FAILED, for good
 *
 *      act one, two    0   1  version, 0
 *                      1  33  ephemeral point, compressed
 *                     34  16  tag
 *      act three       0   1  version, 0
 *                      1  49  static point of the initiator, sealed
 *                     50  16  tag
 *
 * Both sides mix the prologue (the network) into the first hash: another network fails at act one.
 * Secrets: the static one stays the caller's and is read until the end; what the machine makes lies in
 * its own memory and is wiped. Threads: pure. Spec: doc/llp.md, BOLT 8.
 */
#ifndef LX_LLP_NOISE_H
#define LX_LLP_NOISE_H

#include "crypto/ecdh.h"

#define LLP_NOISE_ACT1_LEN 50
#define LLP_NOISE_ACT2_LEN 50
#define LLP_NOISE_ACT3_LEN 66
#define LLP_NOISE_ACT_MAX 66

struct llp_noise;

struct llp_noise_options {
        bool initiator;
        const uint8_t *secret; /* static scalar, 32 bytes; must outlive the machine */
        uint8_t ephemeral[32]; /* scalar, random and used once; the machine wipes its copy */
        struct lx_span prologue;
        struct lx_point remote; /* initiator: the responder's static point */
};

/* What the handshake agreed on. */
struct llp_noise_keys {
        uint8_t send[32], recv[32];
        uint8_t chaining[32]; /* both directions start their rotation from it */
};

/** A machine at its first act. LX_ERR_RANGE: a bad scalar; LX_ERR_FORMAT: @remote is no point. */
LX_MUST_CHECK enum lx_err
llp_noise_new(const struct llp_noise_options *options, struct llp_noise **out_noise);
/** Wipe and free; NULL is fine. */
void llp_noise_free(struct llp_noise *noise);
/** Bytes of the act that it waits for; 0: none now. */
size_t llp_noise_wants(const struct llp_noise *noise);
/**
 * The act came. Returns LX_OK, LX_ERR_TRUNCATED (fewer bytes than wanted), LX_ERR_TRAILING (more),
 * LX_ERR_VERSION, LX_ERR_FORMAT (no point of the curve), LX_ERR_DENIED (the tag does not fit: another
 * key or network, or changed on the way). After an error the machine has failed.
 */
LX_MUST_CHECK enum lx_err llp_noise_read(struct llp_noise *noise, const uint8_t *act, size_t len);
/** Write the act that is due; how many bytes (0: none is due). */
size_t llp_noise_write(struct llp_noise *noise, uint8_t out[LLP_NOISE_ACT_MAX]);
/** Whether the keys are there. */
bool llp_noise_is_done(const struct llp_noise *noise);
/** The keys, once it is done; the caller wipes them. */
void llp_noise_get_keys(const struct llp_noise *noise, struct llp_noise_keys *out_keys);
/** The static point of the other side; the responder knows it only when it is done. */
const struct lx_point *llp_noise_remote(const struct llp_noise *noise);

#endif
