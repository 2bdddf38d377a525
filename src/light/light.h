/*
 * light/light.h - what a light node knows: trusted headers, what it watches with proofs, whom it met.
 *
 * A pure machine: bytes that a station, a file or a broadcast brought go in; what holds is kept, what does not is
 * refused with a reason that can be shown. It has no whole states and no blocks:
 *
 *   heads      headers that were accepted, with their certificates: the newest (the tip), those that a kept
 *              proof stands on, and LIGHT_HEADS_KEPT more to compare stations by
 *   sets       the validator sets that these name
 *   items      what is watched: value or proven absence, proof, and the height it was proven at
 *   stations   who said what: the tip it proved, how far it was behind, what it did wrong
 *   evidence   two certified headers of one height, and who signed both
 *   floor      neither height nor time goes back: stored, also over restarts
 *
 *      NEW       --the header of the trusted hash, and its next set--> FOLLOWING
 *      FOLLOWING --a header that the skip rule accepts (doc/header.md)--> FOLLOWING, tip higher
 *      FOLLOWING --trusting period over--> EXPIRED: proofs are kept and shown with their age, no header is taken
 *      FOLLOWING --two certified headers of one height--> FORKED: the same
 *      any       --light_trust with a newer header--> NEW
 *
 * Every change is appended to a buffer of entries (light_changes) that the store writes; only then does it
 * count for those that ask (light/store.h). Replaying entries gives the same state.
 *
 * Time: wall clock in ms since 1970, handed in; it is raised to the floor. Ownership: everything is
 * copied. Threads: one. Spec: doc/light.md.
 */
#ifndef LX_LIGHT_LIGHT_H
#define LX_LIGHT_LIGHT_H

#include "base/why.h"
#include "ledger/narrow.h"
#include "light/wire.h"
#include "merkle/log.h"

#define LIGHT_HEADS_KEPT 16   /* accepted headers that stay although no proof needs them */
#define LIGHT_STATIONS_MAX 64 /* the one that was not met for longest gives way */
#define LIGHT_EVIDENCE_MAX 8
#define LIGHT_MANIFEST_MAX (256u << 10)
#define LIGHT_MANIFESTS_MAX (1u << 20) /* all together */
#define LIGHT_NAMES_MAX 512   /* bytes of the names in an evidence */

struct light;

enum light_state { LIGHT_NEW, LIGHT_FOLLOWING, LIGHT_EXPIRED, LIGHT_FORKED };

/* What a station turned out to be; the worst stays. */
enum light_verdict {
        LIGHT_HONEST,    /* nothing against it */
        LIGHT_BEHIND,    /* its tip is below one that others proved: it withholds, or is cut off */
        LIGHT_WITHHOLDS, /* it says that it has what it then does not give */
        LIGHT_FORKS,     /* it shows another header at a height that is known */
        LIGHT_FORGES,    /* headers, certificates or proofs that do not verify */
        LIGHT_GARBAGE    /* bytes that are no message */
};

struct light_options {
        const struct lx_crypto_ops *ops;
        struct lx_hash chain_id;
        uint64_t trust_ms; /* trusting period */
};

/** Knows nothing yet. */
struct light *light_new(const struct light_options *options);
/** Free it. NULL is fine. */
void light_free(struct light *light);
/** The network. */
const struct lx_hash *light_chain_id(const struct light *light);
/** The primitives it was given. */
const struct lx_crypto_ops *light_ops(const struct light *light);

/* ---- trust --------------------------------------------------------------------------------------- */

/**
 * The operator trusts the header @hash of @height. Nothing happens (*out_used false) when it was named before, or
 * a header above it was accepted: heights never go back. Else it is the anchor, and the state is NEW; FORKED
 * ends also with one of the same height.
 * LX_ERR_PROOF: the header that is known at @height is another one.
 */
LX_MUST_CHECK enum lx_err light_trust(struct light *light, uint64_t height, const struct lx_hash *hash,
    bool *out_used, struct lx_why *why);
/** The state at @now_ms. */
enum light_state light_state(const struct light *light, uint64_t now_ms);
/** One sentence for a person: what it is in and what to do. */
void light_explain(const struct light *light, uint64_t now_ms, struct lx_why *out);
/** @wall_ms, or the floor when the clock is behind it. */
uint64_t light_now(const struct light *light, uint64_t wall_ms);
/** @elapsed_ms went by while it ran: the floor of time rises. */
void light_pass(struct light *light, uint64_t elapsed_ms);

/** The trusted header: NEW: height and hash alone. */
uint64_t light_height(const struct light *light);
/** Its hash. */
const struct lx_hash *light_hash(const struct light *light);
/** Its fields; NULL: NEW. */
const struct ledger_header *light_header(const struct light *light);

/* ---- accepting ----------------------------------------------------------------------------------- */

/** The header of the trusted hash (NEW). LX_ERR_PROOF: it has another hash. */
LX_MUST_CHECK enum lx_err light_take_anchor(
    struct light *light, const uint8_t *bytes, size_t len, struct lx_why *why);
/** A set that light_wants_set asked for. LX_ERR_PROOF: nobody did; and what decoding says. */
LX_MUST_CHECK enum lx_err light_take_set(
    struct light *light, const uint8_t *bytes, size_t len, struct lx_why *why);
/** The hash of a set without which it can't go on; false: there is none. */
bool light_wants_set(const struct light *light, struct lx_hash *out_hash);

/**
 * A narrow header above the trusted one and its certificate, to the end: the skip rule. On LX_OK it is
 * the new tip.
 * LX_ERR_ABSENT: a set is missing (light_wants_set), bring it and come again; LX_ERR_UNTRUSTED: ask for
 * a header between; LX_ERR_EXPIRED, LX_ERR_PROOF, LX_ERR_SIGNATURE, LX_ERR_RANGE, and what decoding says.
 */
LX_MUST_CHECK enum lx_err light_take_tip(
    struct light *light, const uint8_t *bytes, size_t len, uint64_t now_ms, struct lx_why *why);
/** The same with a whole header: from a file or a broadcast. */
LX_MUST_CHECK enum lx_err light_take_header(struct light *light, const struct ledger_header *header,
    struct lx_span cert, uint64_t now_ms, struct lx_why *why);
/**
 * A station says that its header at the trusted height is another one, and shows it: a narrow header above
 * the kept header @from (light_rival_base), of the trusted height, and its certificate.
 * LX_OK: it is certified and another one: the state is FORKED and the evidence is kept. LX_ERR_EXISTS: it is the
 * trusted one after all; else errors as of light_take_tip: nothing was shown.
 */
LX_MUST_CHECK enum lx_err light_take_rival(struct light *light, uint64_t from, const uint8_t *bytes,
    size_t len, uint64_t now_ms, struct lx_why *why);
/** The newest kept header below the trusted one from which a rival can be judged; false: none. */
bool light_rival_base(const struct light *light, uint64_t *out_height, struct lx_hash *out_hash);

/** A contact begins: the trusted header of now is to be found in the history of what comes. */
void light_begin(struct light *light);
/**
 * The proof (run of hashes, to the end) that the kept header of @old is in the history of the trusted one;
 * its left hashes also show that the history which @old names is the beginning of that history. LX_ERR_PROOF:
 * it does not hold; it stays wanted, and another station may have one.
 */
LX_MUST_CHECK enum lx_err light_take_path(
    struct light *light, uint64_t old, const uint8_t *bytes, size_t len, struct lx_why *why);
/** The kept header whose place in the history is still to be proven; false: all are. */
bool light_wants_path(const struct light *light, uint64_t *out_old);

/* ---- what is watched ----------------------------------------------------------------------------- */

struct light_item {
        struct light_entry entry;
        bool proven;       /* once, at height */
        bool exists;
        uint64_t height;   /* proven at */
        uint64_t changed;  /* height of the last header at which it was seen to be another one */
        struct lx_buf value, proof;
};

/** Watch @entry, unless it is watched. LX_ERR_LIMIT: LIGHT_LIST_MAX. */
LX_MUST_CHECK enum lx_err light_watch(
    struct light *light, const struct light_entry *entry, size_t *out_index);
/** How many there are. */
size_t light_item_count(const struct light *light);
/** Number @index; valid until the next call that changes something. */
const struct light_item *light_item(const struct light *light, size_t index);
/** The one under (@kind, @key); NULL: not watched. */
const struct light_item *light_find(
    const struct light *light, unsigned kind, const void *key, size_t key_len);
/** Its number. */
size_t light_index(const struct light *light, const struct light_item *item);
/** The encoded list in order, appended; what its digest is over. */
void light_list(const struct light *light, struct lx_buf *out);
/**
 * A state of item @index (wire.h) at the trusted header, off @rd. LX_ERR_TRUNCATED: more bytes are needed, nothing
 * changed; LX_ERR_PROOF: it does not hold; others: malformed.
 */
LX_MUST_CHECK enum lx_err light_take_state(
    struct light *light, size_t index, struct lx_reader *rd, struct lx_why *why);
/** The indices that have no proof from @height on, never proven ones first, then the oldest; at most @max. How many. */
size_t light_stale(const struct light *light, uint64_t height, uint16_t *out, size_t max);
/**
 * Up to this height all changes of what is watched were seen, as a station said; an order of asking, nothing that
 * is believed. Forgotten at a restart: then the oldest proof's height.
 */
uint64_t light_seen(const struct light *light);
/** See light_seen. */
void light_set_seen(struct light *light, uint64_t height);

/** A kept header by height, with certificate and the set that signed it (spans into the machine); false: not kept. */
bool light_get_head(const struct light *light, uint64_t height, struct ledger_header *out_header,
    struct lx_span *out_cert, struct lx_span *out_set);

/* ---- all headers (light/history.h) ---------------------------------------------------------------- */

/* How far the history goes, and the proof of its last header; count 0: there is none. */
struct light_history_mark {
        uint64_t bytes; /* of its file, durable */
        uint64_t count; /* headers */
        uint64_t tip;   /* height of the kept header whose history has the last of them */
        size_t path_count;
        struct lx_hash path[MERKLE_LOG_DEPTH_MAX];
};

/** The mark. */
const struct light_history_mark *light_history(const struct light *light);
/** Set it; the header of mark->tip stays kept. */
void light_set_history(struct light *light, const struct light_history_mark *mark);

/* ---- manifests of releases that are watched ------------------------------------------------------ */

/**
 * The manifest of a proven release that is not here: its root and bytes. Those above LIGHT_MANIFEST_MAX, and what
 * does not fit into LIGHT_MANIFESTS_MAX with the others, are done without.
 */
bool light_wants_manifest(const struct light *light, struct lx_hash *out_root, uint64_t *out_len);
/** A whole manifest. LX_ERR_PROOF: it is not what light_wants_manifest asks for. */
LX_MUST_CHECK enum lx_err light_take_manifest(
    struct light *light, const struct lx_hash *root, const uint8_t *bytes, size_t len, struct lx_why *why);
/** The manifest with @root; p NULL: it is not here. */
struct lx_span light_manifest(const struct light *light, const struct lx_hash *root);
/** Whether @item is a proven release or approval; *out_root, *out_len: of its manifest. */
bool light_is_release(const struct light_item *item, struct lx_hash *out_root, uint64_t *out_len);

/* ---- stations and evidence ----------------------------------------------------------------------- */

struct light_station {
        struct lx_pubkey id;
        uint64_t claimed;  /* height that its hello told */
        uint64_t proven;   /* highest height it proved */
        uint64_t last_ms;  /* wall clock, last contact */
        uint64_t contacts;
        uint64_t bytes_in, bytes_out;
        uint64_t behind;   /* headers that it was behind at the last contact; 0: not */
        enum light_verdict verdict;
        char reason[160];
};

/** The station with @id, made when it is new. */
struct light_station *light_meet(struct light *light, const struct lx_pubkey *id);
/** Note @verdict with @reason, unless a worse one stands; the change is stored with light_part_with. */
void light_judge(struct light_station *station, enum light_verdict verdict, const char *reason);
/** The contact is over: what was noted is stored. */
void light_part_with(struct light *light, struct light_station *station);
/** All stations, newest contact first; how many. */
size_t light_stations(const struct light *light, const struct light_station **out, size_t max);
/** "honest", "behind", ... */
const char *light_verdict_name(enum light_verdict verdict);

struct light_evidence {
        uint64_t height;
        struct lx_hash hash[2];
        char names[LIGHT_NAMES_MAX]; /* of validators that signed both, joined by commas; "" : none did */
        struct lx_buf header[2], cert[2];
};
/** How many there are. */
size_t light_evidence_count(const struct light *light);
/** Number @i. */
const struct light_evidence *light_evidence(const struct light *light, size_t i);

/* ---- keeping ------------------------------------------------------------------------------------- */

/** Entries that are not stored yet; the store empties it. */
struct lx_buf *light_changes(struct light *light);
/** Take up stored entries, of one record, in order. LX_ERR_FORMAT and what decoding says. */
LX_MUST_CHECK enum lx_err light_replay(struct light *light, const uint8_t *bytes, size_t len);
/** Entries that give the whole state, appended. */
void light_snapshot(const struct light *light, struct lx_buf *out);
/** Drop items that @keep does not want, before the first contact. */
void light_keep_items(struct light *light, bool (*keep)(void *arg, const struct light_entry *entry), void *arg);

#endif
