/*
 * ledger/vote.h - what validators say to each other about a height: proposals, parts, votes.
 *
 * All integers big-endian; a value is the hash of a header, zero is nil; LEDGER_NO_ROUND (all ones)
 * stands for the algorithm's round -1.
 *
 * Vote, 115 bytes:                          Proposal, 348 bytes:
 *   offset size field                         offset size field
 *        0    1 type: 1 prevote, 2 precommit       0  242 header (header.h): height and value
 *        1    8 height                           242    4 round
 *        9    4 round                            246    4 valid round, or none
 *       13   32 value                            250    2 number of parts
 *       45    4 valid round (prevote), none      252   32 root of the parts
 *       49    2 voter: its place in the set      284   64 signature of the round's proposer
 *       51   64 signature
 *
 * Signed is, by BIP 340, H(lx.vote, u8 type, chain id, u64 height, u32 round, value, then
 *   precommit: nothing (cert.h: certificates are made of precommits)
 *   prevote:   u32 valid round: the round of the prevotes that justified it, see below
 *   proposal:  u32 valid round, u16 parts, root of the parts).
 *
 * The valid round that a prevote signs is that of the proposal when the voter's lock is not newer,
 * else the round of the lock on this very value; none for nil and when there was no lock and a fresh
 * value. So an honest voter that precommitted v in round r never signs, later, a prevote for another
 * value with a valid round below r: such a pair is a proof (evidence.h).
 *
 * Part: u64 height, root of the parts, u16 number of parts, u16 index, u8 hashes, the inclusion proof
 * (merkle/log.h; leaf data are the part's bytes), bytes to the end: LEDGER_PART_MAX in every part but
 * the last, which has at least one. Together: the ids of the block's transactions, 32 bytes each. A
 * block without transactions has no parts, and the root of none.
 *
 * Round state: u64 height, u32 round, u8 step, root of the parts of the round's proposal (zero: it is
 * not here), u16 parts and a bitmap of those that are here; u8 tallies (at most LEDGER_TALLIES_MAX), each
 * u8 type, u32 round, u8 length of the bitmap, bitmap: whose votes are here. Bitmaps: most significant
 * bit first, unused bits zero. The answer is what the other lacks.
 * Threads: pure. Spec: doc/consensus.md.
 */
#ifndef LX_LEDGER_VOTE_H
#define LX_LEDGER_VOTE_H

#include "base/buf.h"
#include "ledger/cert.h"
#include "merkle/log.h"

#define LEDGER_NO_ROUND UINT32_MAX
#define LEDGER_ROUND_MAX 0x7fffffffu
#define LEDGER_BALLOT_LEN 115
#define LEDGER_PROPOSAL_LEN 348
#define LEDGER_PART_MAX (60u * 1024)
#define LEDGER_PARTS_MAX 64
#define LEDGER_PART_MESSAGE_MAX (8 + 32 + 2 + 2 + 1 + 32 * 7 + LEDGER_PART_MAX)
#define LEDGER_TALLIES_MAX 8
#define LEDGER_VOTERS_BYTES 16 /* bitmap of SIGCHAIN_VALIDATORS_MAX */
#define LEDGER_ROUND_STATE_MAX (8 + 4 + 1 + 32 + 2 + LEDGER_PARTS_MAX / 8 + 1 + LEDGER_TALLIES_MAX * 22)

/* A signed prevote or precommit. */
struct ledger_ballot {
        enum ledger_vote type;
        uint64_t height;
        uint32_t round;
        struct lx_hash value;
        uint32_t valid_round; /* prevotes; else LEDGER_NO_ROUND */
        uint16_t voter;
        struct lx_sig sig;
};

/* A signed proposal. */
struct ledger_proposal {
        struct ledger_header header;
        uint32_t round;
        uint32_t valid_round;
        uint16_t part_count;
        struct lx_hash parts_root;
        struct lx_sig sig;
};

struct ledger_part {
        uint64_t height;
        struct lx_hash root;
        uint16_t count;
        uint16_t index;
        struct merkle_path path;
        struct lx_span bytes; /* into the input */
};

struct ledger_tally {
        enum ledger_vote type;
        uint32_t round;
        uint8_t voters_len;
        uint8_t voters[LEDGER_VOTERS_BYTES];
};

struct ledger_round_state {
        uint64_t height;
        uint32_t round;
        uint8_t step; /* enum ledger_step, bft.h */
        struct lx_hash parts_root;
        uint16_t part_count;
        uint8_t parts[LEDGER_PARTS_MAX / 8];
        size_t tally_count;
        struct ledger_tally tally[LEDGER_TALLIES_MAX];
};

/** Write a vote. */
void ledger_ballot_encode(const struct ledger_ballot *ballot, struct lx_writer *wr);
/** Read one, to the end. */
LX_MUST_CHECK enum lx_err ledger_ballot_decode(
    const uint8_t *bytes, size_t len, struct ledger_ballot *out_ballot);
/** What a voter signs. */
void ledger_ballot_message(const struct lx_hash_ops *ops, const struct lx_hash *chain_id,
    const struct ledger_ballot *ballot, struct lx_hash *out);
/** Whether @ballot's voter is in @set and signed it. */
bool ledger_ballot_verify(const struct lx_crypto_ops *ops, const struct lx_hash *chain_id,
    const struct sigchain_valset *set, const struct ledger_ballot *ballot);

/** Write a proposal. */
void ledger_proposal_encode(const struct ledger_proposal *proposal, struct lx_writer *wr);
/** Read one, to the end. */
LX_MUST_CHECK enum lx_err ledger_proposal_decode(
    const uint8_t *bytes, size_t len, struct ledger_proposal *out_proposal);
/** What its proposer signs; @out_value: the header's hash (may be NULL). */
void ledger_proposal_message(const struct lx_hash_ops *ops, const struct ledger_proposal *proposal,
    struct lx_hash *out_value, struct lx_hash *out);

/** Write a part. */
void ledger_part_encode(const struct ledger_part *part, struct lx_writer *wr);
/** Read one, to the end; says nothing about its proof. */
LX_MUST_CHECK enum lx_err ledger_part_decode(
    const uint8_t *bytes, size_t len, struct ledger_part *out_part);
/** Whether its bytes are that part of its root. */
bool ledger_part_verify(const struct lx_hash_ops *ops, const struct ledger_part *part);
/** How many parts @len bytes make; 0 when there are none or too many. */
size_t ledger_parts_count(size_t len);
/** The root of the parts of @bytes. */
void ledger_parts_root(const struct lx_hash_ops *ops, struct lx_span bytes, struct lx_hash *out);
/** Part @index of @bytes with its proof; height and the rest are filled in too. */
void ledger_parts_make(const struct lx_hash_ops *ops, struct lx_span bytes, uint64_t height,
    size_t index, struct ledger_part *out_part);

/** Write a round state. */
void ledger_round_state_encode(const struct ledger_round_state *state, struct lx_writer *wr);
/** Read one, to the end. */
LX_MUST_CHECK enum lx_err ledger_round_state_decode(
    const uint8_t *bytes, size_t len, struct ledger_round_state *out_state);

/** Bit @i of a bitmap, most significant first. */
static inline bool
ledger_bit(const uint8_t *bitmap, size_t i)
{
        return (bitmap[i / 8] >> (7 - i % 8) & 1) != 0;
}

/** Set it. */
static inline void
ledger_bit_set(uint8_t *bitmap, size_t i)
{
        bitmap[i / 8] |= (uint8_t)(0x80u >> (i % 8));
}

#endif
