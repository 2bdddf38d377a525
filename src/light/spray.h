/*
 * light/spray.h - a run of bytes as packets of which any sufficient number gives it back: one-way broadcast.
 *
 * The bytes are cut into symbols of LIGHT_SYMBOL (the last one zero-padded), these into blocks of at most
 * LIGHT_BLOCK_MAX as even as can be. A block of k symbols has 255 codewords of LIGHT_SYMBOL bytes: the symbols
 * themselves, then 255 - k repair ones by the Cauchy matrix of ISA-L over GF(2^8). Any k different ones give the
 * block back.
 *
 * Packet, 1058 bytes:
 *   offset size field
 *        0    4 "LXB1"
 *        4   16 first bytes of H(lx.light, the run of bytes)
 *       20    4 its length, 1 to LIGHT_PASS_MAX
 *       24    1 block
 *       25    1 codeword, below 255
 *       26    8 first bytes of H(lx.light, all but these 8)
 *       34 1024 the codeword
 * Packet n is codeword n / blocks of block n % blocks, and so on round and round: a receiver may begin anywhere.
 *
 * Nothing is signed: whoever can send on the channel can make a receiver wait, and not more, since what comes out is
 * a pass (light/pass.h) that is verified. A receiver holds LIGHT_GATHER_MAX runs at a time, the one without news for
 * longest gives way. Without ISA-L at build time both say LX_ERR_VERSION. Threads: pure. Spec: doc/light.md.
 */
#ifndef LX_LIGHT_SPRAY_H
#define LX_LIGHT_SPRAY_H

#include "base/buf.h"
#include "base/err.h"

#define LIGHT_SYMBOL 1024u
#define LIGHT_BLOCK_MAX 64u
#define LIGHT_CODEWORDS 255u
#define LIGHT_PACKET_HEAD 34u
#define LIGHT_PACKET_LEN (LIGHT_PACKET_HEAD + LIGHT_SYMBOL)
#define LIGHT_SPRAY_MAX (2u << 20) /* bytes of a run */
#define LIGHT_GATHER_MAX 2

struct light_spray;
struct light_gather;

/** A sender of the @len bytes, copied. LX_ERR_RANGE: none, or more than LIGHT_SPRAY_MAX; LX_ERR_VERSION. */
LX_MUST_CHECK enum lx_err light_spray_new(const void *bytes, size_t len, struct light_spray **out_spray);
/** Free it. NULL is fine. */
void light_spray_free(struct light_spray *spray);
/** How many packets go round: after so many they repeat; the first *out_needed of them suffice. */
uint64_t light_spray_round(const struct light_spray *spray, uint64_t *out_needed);
/** Write packet @n. */
void light_spray_packet(const struct light_spray *spray, uint64_t n, uint8_t out[LIGHT_PACKET_LEN]);

/** A receiver. */
struct light_gather *light_gather_new(void);
/** Free it. NULL is fine. */
void light_gather_free(struct light_gather *gather);
/**
 * A packet came. LX_OK: a run is whole, appended to @out; LX_ERR_BUSY: more are needed; LX_ERR_EXISTS: of a run that
 * was given back already; LX_ERR_FORMAT, LX_ERR_CORRUPT: it is no packet, or a damaged one; LX_ERR_PROOF: all are
 * there, and they do not give what they name (somebody meddles): it begins anew.
 */
LX_MUST_CHECK enum lx_err light_gather_take(
    struct light_gather *gather, const uint8_t *bytes, size_t len, struct lx_buf *out);

#endif
