/*
 * llp/message.h - the table of messages: number, name, size limits, class, rate.
 *
 * A frame's plain bytes are u16 number, then the payload; the payload's form belongs to the machine
 * that handles it (llp/hello.h, llp/gossip.h, llp/sync.h, ledger/...). Even numbers must be
 * understood: an unknown one ends the connection; unknown odd ones are ignored.
 *
 * Class: what waits to leave is sent in this order, frame by frame, so that a vote waits at most for
 * the frame under way. Each class has a bounded queue (llp_class_queue_max).
 * Rate: so many messages of the type in 10 s are read from one peer, with a burst of as many; what is
 * above stays in the peer's socket until its time has come, and costs points. 0: no limit (answers
 * to our own questions, bounded by the questions).
 *
 * Adding one: spec section in doc/, a row here, codec, vectors, fuzz target, in one commit.
 * Threads: pure. Spec: doc/llp.md.
 */
#ifndef LX_LLP_MESSAGE_H
#define LX_LLP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LLP_FRAME_MAX 65535u    /* plain bytes of one frame */
#define LLP_MESSAGE_HEAD_LEN 2u /* the number */
#define LLP_PAYLOAD_MAX (LLP_FRAME_MAX - LLP_MESSAGE_HEAD_LEN)
#define LLP_PIECE_MAX (60u * 1024) /* bulk bytes that one message carries */

enum llp_message {
        LLP_HELLO = 0x02,
        LLP_PING = 0x04,
        LLP_PONG = 0x06,
        LLP_GOODBYE = 0x08,
        LLP_ADDRS = 0x0b,
        LLP_GET_ADDRS = 0x0d,

        LLP_STATUS = 0x20,
        LLP_PROPOSAL = 0x22,
        LLP_PART = 0x24,
        LLP_VOTE = 0x26,
        LLP_ROUND_STATE = 0x28,
        LLP_EVIDENCE = 0x2a,

        LLP_TX_IDS = 0x30,
        LLP_GET_TXS = 0x32,
        LLP_TX = 0x34,
        LLP_TX_DROP = 0x36,

        LLP_GET_HEADERS = 0x40,
        LLP_HEADERS = 0x42,
        LLP_GET_BLOCKS = 0x44,
        LLP_BLOCK = 0x46,
        LLP_GET_SNAPSHOT = 0x48,
        LLP_SNAPSHOT_PIECE = 0x4a,
        LLP_GET_BLOB = 0x4c,
        LLP_BLOB_PIECE = 0x4e,
        LLP_NOT_FOUND = 0x50,

        LLP_LIGHT_ASK = 0x61,
        LLP_LIGHT_PART = 0x63,
};

/* The classes, first ones first. */
enum llp_prio {
        LLP_PRIO_VOTE, /* votes, proposals, round states, and what keeps the connection alive */
        LLP_PRIO_PART, /* parts of proposals */
        LLP_PRIO_TX,
        LLP_PRIO_SYNC, /* bulk */
        LLP_PRIO_CHAT, /* addresses */
        LLP_PRIO_COUNT_
};

struct llp_message_row {
        uint16_t number; /* enum llp_message */
        const char *name;
        uint32_t min, max; /* payload bytes */
        enum llp_prio prio;
        bool before_hello; /* allowed before the peer's hello came */
        uint32_t rate;     /* per 10 s; 0: no limit */
};

/** The row of message @number, or NULL: unknown. */
const struct llp_message_row *llp_message_find(unsigned number);
/** All rows, in the order of their numbers; *out_count of them. */
const struct llp_message_row *llp_message_rows(size_t *out_count);
/** Bytes of frames that may wait in the queue of class @prio towards one peer. */
size_t llp_class_queue_max(enum llp_prio prio);
/** "vote", "part", "tx", "sync", "chat". */
const char *llp_class_name(enum llp_prio prio);

#endif
