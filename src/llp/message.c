/* llp/message.c - the table. */
#include "config.h"
#include "llp/message.h"

#include "light/wire.h"

#include <assert.h>

#define IDS_MAX (2u + 1000u * 32u) /* a u16 count and ids */
#define ANSWER_HEAD 16u            /* id, number, last of a piece; see llp/sync.h */
#define PROOF_MAX 2048u            /* a log-tree proof and the head of a part */

/* number, name, min, max, class, before hello, per 10 s */
static const struct llp_message_row ROWS[] = {
    {LLP_HELLO, "hello", 81, 145, LLP_PRIO_VOTE, true, 4},
    {LLP_PING, "ping", 8, 8, LLP_PRIO_VOTE, false, 40},
    {LLP_PONG, "pong", 8, 8, LLP_PRIO_VOTE, false, 40},
    {LLP_GOODBYE, "goodbye", 2, 202, LLP_PRIO_VOTE, true, 4},
    {LLP_ADDRS, "addrs", 2, 5002, LLP_PRIO_CHAT, false, 20},
    {LLP_GET_ADDRS, "get_addrs", 0, 0, LLP_PRIO_CHAT, false, 4},
    {LLP_STATUS, "status", 16, 512, LLP_PRIO_VOTE, false, 2000},
    {LLP_PROPOSAL, "proposal", 64, 4096, LLP_PRIO_VOTE, false, 400},
    {LLP_PART, "part", 8, LLP_PIECE_MAX + PROOF_MAX, LLP_PRIO_PART, false, 4000},
    {LLP_VOTE, "vote", 64, 1024, LLP_PRIO_VOTE, false, 20000},
    {LLP_ROUND_STATE, "round_state", 8, 16384, LLP_PRIO_VOTE, false, 2000},
    {LLP_EVIDENCE, "evidence", 64, LLP_PIECE_MAX, LLP_PRIO_VOTE, false, 100},
    {LLP_TX_IDS, "tx_ids", 34, IDS_MAX, LLP_PRIO_TX, false, 2000},
    {LLP_GET_TXS, "get_txs", 34, IDS_MAX, LLP_PRIO_TX, false, 2000},
    {LLP_TX, "tx", 64, LLP_PIECE_MAX, LLP_PRIO_TX, false, 0},
    {LLP_TX_DROP, "tx_drop", 64, 1024, LLP_PRIO_TX, false, 200},
    {LLP_GET_HEADERS, "get_headers", 4, 128, LLP_PRIO_SYNC, false, 2000},
    {LLP_HEADERS, "headers", 4, LLP_PIECE_MAX + ANSWER_HEAD, LLP_PRIO_SYNC, false, 0},
    {LLP_GET_BLOCKS, "get_blocks", 4, 128, LLP_PRIO_SYNC, false, 4000},
    {LLP_BLOCK, "block", 4, LLP_PIECE_MAX + ANSWER_HEAD, LLP_PRIO_SYNC, false, 0},
    {LLP_GET_SNAPSHOT, "get_snapshot", 4, 128, LLP_PRIO_SYNC, false, 4000},
    {LLP_SNAPSHOT_PIECE, "snapshot_piece", 4, LLP_PIECE_MAX + ANSWER_HEAD, LLP_PRIO_SYNC, false, 0},
    {LLP_GET_BLOB, "get_blob", 4, 128, LLP_PRIO_SYNC, false, 4000},
    {LLP_BLOB_PIECE, "blob_piece", 4, LLP_PIECE_MAX + ANSWER_HEAD, LLP_PRIO_SYNC, false, 0},
    {LLP_NOT_FOUND, "not_found", 4, 128, LLP_PRIO_SYNC, false, 4000},
    {LLP_LIGHT_ASK, "light_ask", 3, LIGHT_ASK_MAX, LLP_PRIO_SYNC, false, 400},
    {LLP_LIGHT_PART, "light_part", 2, LIGHT_PART_MAX + LIGHT_PART_HEAD, LLP_PRIO_SYNC, false, 0},
};

static_assert(LLP_PIECE_MAX + PROOF_MAX <= LLP_PAYLOAD_MAX, "a part fits one frame");

#define ROW_COUNT (sizeof(ROWS) / sizeof(ROWS[0]))

const struct llp_message_row *
llp_message_find(unsigned number)
{
        size_t low = 0, high = ROW_COUNT;

        while (low < high) {
                size_t mid = (low + high) / 2;

                if (ROWS[mid].number == number)
                        return &ROWS[mid];
                if (ROWS[mid].number < number)
                        low = mid + 1;
                else
                        high = mid;
        }
        return NULL;
}

const struct llp_message_row *
llp_message_rows(size_t *out_count)
{
        *out_count = ROW_COUNT;
        return ROWS;
}

size_t
llp_class_queue_max(enum llp_prio prio)
{
        static const size_t MAX[LLP_PRIO_COUNT_] = {
            [LLP_PRIO_VOTE] = 1u << 20,
            [LLP_PRIO_PART] = 2u << 20,
            [LLP_PRIO_TX] = 1u << 20,
            [LLP_PRIO_SYNC] = 512u * 1024,
            [LLP_PRIO_CHAT] = 64u * 1024,
        };

        return MAX[prio];
}

const char *
llp_class_name(enum llp_prio prio)
{
        switch (prio) {
        case LLP_PRIO_VOTE:
                return "vote";
        case LLP_PRIO_PART:
                return "part";
        case LLP_PRIO_TX:
                return "tx";
        case LLP_PRIO_SYNC:
                return "sync";
        case LLP_PRIO_CHAT:
                return "chat";
        case LLP_PRIO_COUNT_:
                break;
        }
        return "none";
}
