/*
 * llp/frame.h - sealed frames on a stream, with key rotation: BOLT 8, "Lightning Message Specification".
 *
 *      0   2  length n of the text, big-endian, sealed  } 18 bytes
 *      2  16  tag                                       }
 *     18   n  text (0 to 65535 bytes), sealed
 *   18+n  16  tag
 *
 * Each direction has a key and a chaining key of its own and counts its seals from 0 (two a frame;
 * the nonce is four zero bytes and the count, little-endian). After 1000 seals: chaining key, key =
 * HKDF(chaining key, key), and the count starts from 0.
 *
 * A sealer makes frames one after the other; an opener takes a stream in pieces of any size and keeps
 * the beginning of a frame (at most LLP_FRAME_WIRE_MAX bytes) until the rest comes.
 * Threads: one at a time for each. Spec: doc/llp.md.
 */
#ifndef LX_LLP_FRAME_H
#define LX_LLP_FRAME_H

#include "base/err.h"
#include "llp/message.h"

#define LLP_FRAME_HEAD_LEN 18u
#define LLP_FRAME_TAIL_LEN 16u
#define LLP_FRAME_OVERHEAD (LLP_FRAME_HEAD_LEN + LLP_FRAME_TAIL_LEN)
#define LLP_FRAME_WIRE_MAX (LLP_FRAME_MAX + LLP_FRAME_OVERHEAD)
#define LLP_FRAME_SEALS_PER_KEY 1000u

struct llp_sealer;
struct llp_opener;

/** A sealer that starts with @key and @chaining (both copied, 32 bytes). */
struct llp_sealer *llp_sealer_new(const uint8_t key[32], const uint8_t chaining[32]);
/** Wipe and free; NULL is fine. */
void llp_sealer_free(struct llp_sealer *sealer);
/**
 * Seal the frame of @len (at most LLP_FRAME_MAX) bytes at @text into @out, which has room for
 * @len + LLP_FRAME_OVERHEAD; how many bytes it is.
 */
size_t llp_sealer_seal(struct llp_sealer *sealer, const uint8_t *text, size_t len, uint8_t *out);

/** An opener that starts with @key and @chaining (both copied). */
struct llp_opener *llp_opener_new(const uint8_t key[32], const uint8_t chaining[32]);
/** Wipe and free; NULL is fine. */
void llp_opener_free(struct llp_opener *opener);
/**
 * Take bytes of the stream from *@bytes (moved on, with *@len) until one frame is whole, and open it
 * into @text (LLP_FRAME_MAX bytes). *out_whole: whether one is; *out_len: its length. When none is,
 * everything was taken.
 * Returns LX_OK, or LX_ERR_DENIED: not sealed by the other side (changed, repeated, cut, garbage);
 * the stream is lost.
 */
LX_MUST_CHECK enum lx_err llp_opener_take(struct llp_opener *opener, const uint8_t **bytes,
    size_t *len, uint8_t *text, bool *out_whole, size_t *out_len);
/** Whether it keeps the beginning of a frame. */
bool llp_opener_is_inside(const struct llp_opener *opener);

#endif
