/*
 * light/wire.h - what a light node asks a station, and the bytes of the answers.
 *
 * A question has a number and a type; what follows is the type's. The answer is a run of bytes in parts of at
 * most LIGHT_PART_MAX, each behind a head that repeats the question's number. Nothing here verifies
 * anything: light/light.h does.
 *
 * Question: u8 number, u8 type, then
 *   1 TIP      varint known height, 4 first bytes of the known header's hash, varint wanted height (0: the newest)
 *   2 ANCHOR   varint height
 *   3 SET      hash (32), varint offset
 *   4 WATCH    digest (16), varint tip, varint since, u8 listed (0 or 1), u8 count, count varint indices
 *              (at most LIGHT_WANT_MAX); when listed: the whole list follows
 *   5 LIST     digest (16), varint total, varint first, entries to the end
 *   6 PATH     varint old height, varint tip
 *   7 HISTORY  varint first height, varint count (1 to LIGHT_RUN_MAX), varint tip
 *   8 BLOB     u8 kind, root (32), varint offset
 * Entry of a list: u8 kind of state, str8 canonical key. Its digest: first 16 bytes of H(lx.light, entries).
 *
 * Part: u8 question's number, u8 end (0 more follows, 1 the last, 2 refused), then bytes; refused: u8 reason.
 *
 * Limits are named below. Threads: pure. Spec: doc/light.md.
 */
#ifndef LX_LIGHT_WIRE_H
#define LX_LIGHT_WIRE_H

#include "base/buf.h"
#include "base/wire.h"
#include "crypto/ops.h"
#include "sigchain/state.h"

#define LIGHT_PART_MAX 2400u  /* bytes of an answer in one message: two seconds at 9600 bit/s */
#define LIGHT_PART_HEAD 2u
#define LIGHT_ASK_MAX 1400u   /* bytes of a question */
#define LIGHT_LIST_MAX 4096u  /* entries of a watch list */
#define LIGHT_INLINE_MAX 8u   /* entries of a list that goes with the question */
#define LIGHT_WANT_MAX 64u    /* indices in one question */
#define LIGHT_RUN_MAX 1024u   /* headers of one run of history */
#define LIGHT_DIGEST_LEN 16u
#define LIGHT_CHECK_LEN 4u

enum light_ask_type {
        LIGHT_TIP = 1,
        LIGHT_ANCHOR = 2,
        LIGHT_SET = 3,
        LIGHT_WATCH = 4,
        LIGHT_LIST = 5,
        LIGHT_PATH = 6,
        LIGHT_HISTORY = 7,
        LIGHT_BLOB = 8
};

/* Why a station has no answer. */
enum light_no {
        LIGHT_NO_ABSENT = 1, /* it does not have it */
        LIGHT_NO_PRUNED = 2,
        LIGHT_NO_BUSY = 3,  /* too many questions */
        LIGHT_NO_NEWER = 4, /* nothing above the known height */
        LIGHT_NO_OTHER = 5, /* its header at the known height is another one */
        LIGHT_NO_LIST = 6   /* it does not know the watch list */
};

/* One thing that is watched: a place in the state tree. */
struct light_entry {
        uint8_t kind; /* enum sigchain_kind */
        uint8_t key_len;
        uint8_t key[SIGCHAIN_KEY_MAX];
};

struct light_ask {
        uint8_t number;
        enum light_ask_type type;
        uint64_t height; /* TIP: known; ANCHOR; PATH: old; HISTORY: first */
        uint64_t tip;    /* TIP: wanted; WATCH, PATH, HISTORY */
        uint64_t since;  /* WATCH: what changed above it comes first */
        uint64_t offset; /* SET, BLOB: bytes; LIST: entries before these */
        uint64_t count;  /* HISTORY: headers; LIST: entries of the whole list */
        uint8_t check[LIGHT_CHECK_LEN];   /* TIP */
        uint8_t digest[LIGHT_DIGEST_LEN]; /* WATCH, LIST */
        struct lx_hash hash;              /* SET, BLOB */
        uint8_t kind;                     /* BLOB: enum ledger_blob */
        bool listed;                      /* WATCH: entries are there */
        size_t want_count;                /* WATCH */
        uint16_t want[LIGHT_WANT_MAX];
        struct lx_span entries; /* WATCH when listed, LIST: encoded entries, into the input */
};

/** Write a question. */
void light_ask_encode(const struct light_ask *ask, struct lx_writer *wr);
/** Read one, to the end. LX_ERR_FORMAT: unknown types, entries that are none; LX_ERR_RANGE: limits. */
LX_MUST_CHECK enum lx_err light_ask_decode(
    const uint8_t *bytes, size_t len, struct light_ask *out_ask);

/** Write one entry. */
void light_entry_encode(const struct light_entry *entry, struct lx_writer *wr);
/** Read one entry. LX_ERR_RANGE: a kind or key that no state has. */
void light_entry_decode(struct lx_reader *rd, struct light_entry *out_entry);
/** The digest of a list's encoded entries. */
void light_list_digest(
    const struct lx_hash_ops *ops, struct lx_span entries, uint8_t out[LIGHT_DIGEST_LEN]);

struct light_part {
        uint8_t number;
        uint8_t end; /* 0 more, 1 last, 2 refused */
        uint8_t no;  /* enum light_no when refused */
        struct lx_span bytes;
};

/** Write one part. */
void light_part_encode(const struct light_part *part, struct lx_writer *wr);
/** Read one part, to the end. */
LX_MUST_CHECK enum lx_err light_part_decode(
    const uint8_t *bytes, size_t len, struct light_part *out_part);

/*
 * A state in few bytes: u8 flags (1 it exists, 2 a register in the short form, 4 with a pending owner), then
 *   nothing when it does not exist;
 *   short form: owner (32), varint created, varint modified - created, [pending (32)], varint length, data:
 *     type is the address's first byte, encoding 1, flags 0;
 *   else varint length and the value;
 * then the proof (merkle/proof.h).
 */

/** Write the state of @entry: @value (p NULL: none) and @proof. */
void light_state_encode(const struct light_entry *entry, struct lx_span value, struct lx_span proof,
    struct lx_writer *wr);
/**
 * Read one: the value is appended to @out_value (nothing when it does not exist), *out_proof points into
 * the input. LX_ERR_TRUNCATED: more bytes are needed. One value, one encoding. On an error out_value is undefined.
 */
LX_MUST_CHECK enum lx_err light_state_decode(struct lx_reader *rd, const struct light_entry *entry,
    struct lx_buf *out_value, bool *out_exists, struct lx_span *out_proof);

#endif
