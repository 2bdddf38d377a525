/*
 * router/envelope.h - what stands before a message that goes through a relay.
 *
 *   4   0x0b000000 (K = 11: no data header of LISP has it)
 *   3   0
 *   1   kind
 *   16  EID of the receiver, instance 0
 *   16  EID of the sender, instance 0
 *   n   payload
 * Threads: pure. Spec: doc/router-frames.md.
 */
#ifndef LX_ROUTER_ENVELOPE_H
#define LX_ROUTER_ENVELOPE_H

#include "router/lisp.h"

#define ROUTER_ENVELOPE_LEN 40 /* bytes before the payload */

enum router_envelope_kind {
        ROUTER_ENVELOPE_CONTROL = 1,  /* a Map-Request or Map-Reply with P */
        ROUTER_ENVELOPE_FRAME = 2,    /* a sealed frame */
        ROUTER_ENVELOPE_ATTACH = 3,   /* a site asks to be relayed to; the token */
        ROUTER_ENVELOPE_ATTACHED = 4  /* so it is; the token */
};

struct router_envelope {
        uint8_t kind;                /* of enum router_envelope_kind, or one that is unknown */
        struct router_addr to, from; /* IPv6 */
        struct lx_span payload;      /* points into the input */
};

/** Write the head for what goes from @from to @to. */
void router_envelope_write(uint8_t kind, const struct router_addr *to, const struct router_addr *from,
    uint8_t out[ROUTER_ENVELOPE_LEN]);
/** Read it; false: it is cut, or none. */
bool router_envelope_read(const uint8_t *bytes, size_t len, struct router_envelope *out_envelope);

#endif
