/*
 * llp/peer_int.h - the fields of struct llp_peer, for peer.c (the machine) and peer_message.c (what
 * comes in sealed).
 */
#ifndef LX_LLP_PEER_INT_H
#define LX_LLP_PEER_INT_H

#include "base/buf.h"
#include "llp/frame.h"
#include "llp/noise.h"
#include "llp/outbox.h"
#include "llp/peer.h"

#define PEER_ROWS_MAX 64 /* rows of the message table */

struct llp_peer {
        struct llp_peer_options options;
        enum llp_peer_state state;
        uint64_t now_ms; /* of the call under way */

        /* handshake */
        struct llp_noise *noise;
        uint8_t prologue[LLP_PROLOGUE_LEN];
        uint8_t in[LLP_NOISE_ACT_MAX]; /* of the act or answer that is awaited */
        size_t in_len;
        uint8_t out[4 * LLP_NOISE_ACT_MAX]; /* acts that wait to leave */
        size_t out_len;
        bool queried; /* responder: it told its key already */
        bool has_id;
        struct lx_pubkey id;

        /* frames */
        struct llp_sealer *sealer;
        struct llp_opener *opener;
        struct llp_outbox box;
        struct lx_buf held; /* input that waits for pause_until_ms */
        uint64_t pause_until_ms;
        uint64_t inside_since_ms;       /* a frame began; 0: none */
        uint64_t due_us[PEER_ROWS_MAX]; /* when the next message of a row would be on its rate */

        /* pings */
        uint64_t next_ping_ms, ping_sent_ms, ping_number;
        bool ping_open;

        uint64_t deadline_ms; /* of GREETING and before, and of CLOSING */
        bool hello_came;
        enum llp_end end;
        unsigned bye;
        char text[LLP_TEXT_MAX + 1];
        struct llp_peer_stats stats;
};

/* End it: with a goodbye when the other side could read one. */
void peer_fail(struct llp_peer *peer, enum llp_end end, enum llp_bye reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Take sealed bytes: open, check against the table, handle; stops when it must pause. */
void peer_take_frames(struct llp_peer *peer, const uint8_t *bytes, size_t len);
/* Queue without looking at the state. */
bool peer_queue(struct llp_peer *peer, unsigned type, const void *bytes, size_t len);
/* Send a ping when one is due. */
void peer_ping(struct llp_peer *peer);

#endif
