/*
 * light/light_int.h - the machine's parts, shared by light.c, accept.c and keep.c.
 */
#ifndef LX_LIGHT_LIGHT_INT_H
#define LX_LIGHT_LIGHT_INT_H

#include "light/light.h"

/* Entries of a record (doc/light.md). */
enum light_entry_type {
        LIGHT_E_START = 1,   /* chain id, height, hash */
        LIGHT_E_SET = 2,     /* var16 set */
        LIGHT_E_HEAD = 3,    /* header (242), u8 to be linked, var16 certificate */
        LIGHT_E_ITEM = 4,    /* entry, u8 exists, u64 height, u64 changed, var16 value, var16 proof */
        LIGHT_E_CLOCK = 5,   /* u64 floor */
        LIGHT_E_STATION = 6,
        LIGHT_E_EVIDENCE = 7,
        LIGHT_E_DROP = 8,    /* entry: no longer watched */
        LIGHT_E_MANIFEST = 9, /* var32 manifest of a release that is watched */
        LIGHT_E_HISTORY = 10 /* u64 bytes, u64 count, u64 tip, u8 hashes, hashes */
};

struct light_head {
        struct ledger_header header;
        struct lx_hash hash;
        struct lx_buf cert; /* empty: the anchor */
        bool to_link;       /* its place in the history of the tip is wanted */
};

struct light_set {
        struct lx_hash hash;
        struct lx_buf bytes;
};

struct light_manifest {
        struct lx_hash root;
        struct lx_buf bytes;
};

struct light {
        struct light_options options;
        bool started;              /* an anchor was named */
        bool anchored;             /* heads has it */
        bool forked;
        uint64_t anchor_height;
        struct lx_hash anchor;
        uint64_t floor_ms;
        uint64_t stored_floor_ms;
        uint64_t seen;             /* 0: not known */
        struct light_head **heads; /* rising heights; the last one is the tip */
        size_t head_count;
        struct light_set *sets;
        size_t set_count;
        bool wants_set;
        struct lx_hash wanted_set;
        struct light_item *items;
        size_t item_count;
        struct light_manifest *manifests;
        size_t manifest_count;
        struct light_station stations[LIGHT_STATIONS_MAX];
        size_t station_count;
        struct light_evidence evidence[LIGHT_EVIDENCE_MAX];
        size_t evidence_count;
        struct light_history_mark history;
        struct lx_buf changes;
};

/** The newest head; NULL: none. */
struct light_head *light_tip(const struct light *light);
/** The head of @height; NULL: not kept. */
struct light_head *light_head_at(const struct light *light, uint64_t height);
/** The bytes of a set; empty: not here. */
struct lx_span light_set_bytes(const struct light *light, const struct lx_hash *hash);
/** Decode the set with @hash; LX_ERR_ABSENT and it is wanted from now on. */
LX_MUST_CHECK enum lx_err light_need_set(
    struct light *light, const struct lx_hash *hash, struct sigchain_valset *out);
/** Keep a set; false: it is known. */
bool light_add_set(struct light *light, const struct lx_hash *hash, struct lx_span bytes);
/** Append a head above all others (or the first); the machine owns it. */
struct light_head *light_add_head(struct light *light, const struct ledger_header *header,
    const struct lx_hash *hash, struct lx_span cert);
/** Forget heads and sets that nothing needs. */
void light_prune(struct light *light);
/** Forget heads of @height and above. */
void light_forget_heads(struct light *light, uint64_t height);
/** Put the state of an item. */
void light_set_item(struct light_item *item, bool exists, uint64_t height, uint64_t changed,
    struct lx_span value, struct lx_span proof);
/** Names of validators in @set that signed both certificates. */
void light_name_culprits(const struct sigchain_valset *a_set, struct lx_span a,
    const struct sigchain_valset *b_set, struct lx_span b, char out[LIGHT_NAMES_MAX]);
/** Keep an evidence. */
void light_add_evidence(struct light *light, const struct ledger_header *a, struct lx_span a_cert,
    const struct ledger_header *b, struct lx_span b_cert, const char *names);

/** Keep a manifest; its root is computed. LX_ERR_FORMAT and what reading says. */
LX_MUST_CHECK enum lx_err light_add_manifest(struct light *light, struct lx_span bytes, struct lx_hash *out_root);
/** Entries of changes. */
void light_note_start(struct light *light);
void light_note_set(struct lx_buf *out, struct lx_span bytes);
void light_note_head(struct lx_buf *out, const struct light_head *head);
void light_note_item(struct lx_buf *out, const struct light_item *item);
void light_note_clock(struct light *light);
void light_note_station(struct lx_buf *out, const struct light_station *station);
void light_note_evidence(struct lx_buf *out, const struct light_evidence *evidence);
void light_note_manifest(struct lx_buf *out, struct lx_span bytes);
void light_note_history(struct lx_buf *out, const struct light_history_mark *mark);
void light_note_drop(struct lx_buf *out, const struct light_entry *entry);

#endif
