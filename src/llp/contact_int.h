/*
 * llp/contact_int.h - what contact.c, contact_ask.c and contact_take.c share.
 */
#ifndef LX_LLP_CONTACT_INT_H
#define LX_LLP_CONTACT_INT_H

#include "llp/contact.h"
#include "llp/frame.h"
#include "llp/message.h"

#define CONTACT_FRAME_BYTES (LLP_MESSAGE_HEAD_LEN + LLP_FRAME_OVERHEAD)
#define CONTACT_LOOK_MS 1000 /* what found no room is tried again */

/* A question under way. */
struct question {
        struct light_ask ask;
        struct lx_buf got;   /* answer bytes that are not consumed yet */
        bool rival;          /* TIP: a header at our height is to be shown */
        bool changed_read;   /* WATCH: the indices of what changed were read */
        bool ahead;          /* WATCH: asked before its TIP was answered */
        bool history;        /* ANCHOR, PATH: for the history of all headers */
        bool dead;           /* WATCH: its tip did not come: nothing in it can verify */
        uint64_t changed_left;
        uint64_t taken;      /* states that verified */
};

struct station_peer {
        uint32_t handle;
        struct lx_pubkey id;
        uint64_t claimed;
        uint64_t base;      /* height of the tip when this contact had settled on one; 0: not yet */
        uint64_t heard_ms;  /* last part, or the question when there was none */
        uint64_t next_tip_ms, planned_ms;
        uint64_t bytes_in, bytes_out; /* of this contact */
        uint64_t middle;    /* TIP: a height between, after UNTRUSTED; 0: none */
        uint64_t list_have; /* entries of the list that it knows */
        bool list_known;
        bool asked_tip;     /* once answered */
        bool shunned;
        bool watched;       /* what changed was told for the tip of now */
        bool no_manifest;
        bool no_history;
        bool go_on;         /* a part of the history was proven: once it is stored, the next is asked for */
        bool no_path, no_watch; /* it has none for the tip of now */
        uint8_t number;
        struct question *q[LLP_CONTACT_ASKS_MAX];
        size_t q_count;
};

struct llp_contact {
        struct llp_contact_options options;
        struct station_peer *peer[LLP_CONTACT_PEERS_MAX];
        size_t peer_count;
        struct lx_hash partial_hash; /* a set that is not whole yet */
        struct lx_buf partial;
        struct lx_pubkey partial_by; /* who gave its last bytes */
        bool partial_mixed;          /* several did */
        struct lx_pubkey history_by; /* who gave what of the history is pending */
        bool history_mixed;          /* several did */
        bool history_doubted;        /* no station gave a proof of what is stored */
        struct lx_hash manifest_root; /* of a manifest that is not whole yet */
        struct lx_buf manifest;
        struct lx_buf pending; /* a tip that waits for a set */
        uint64_t budget_from; /* all bytes when the budget began */
        uint64_t now_ms;
        struct llp_contact_stats stats;
};

/* contact.c */
void contact_free_question(struct question *q);
uint64_t contact_wall(const struct llp_contact *c);
struct light_station *contact_record(struct llp_contact *c, const struct station_peer *p);
/* The one that is worked with; NULL: none. */
struct station_peer *contact_active(const struct llp_contact *c);
/* Caught: named, and asked nothing more. */
void contact_accuse(struct llp_contact *c, struct station_peer *p, enum light_verdict verdict, const char *reason);
/* How its tip compares with what is known. */
void contact_compare(struct llp_contact *c, struct station_peer *p);
/* Bytes that may still go both ways; UINT64_MAX: no limit. */
uint64_t contact_budget_left(const struct llp_contact *c);

/* contact_ask.c: what is worth asking now. */
void contact_plan(struct llp_contact *c, struct station_peer *p);
void contact_ask_list(struct llp_contact *c, struct station_peer *p);
void contact_ask_rival(struct llp_contact *c, struct station_peer *p);

/* contact_take.c: a part of an answer to its first question. */
enum lx_err contact_take_part(struct llp_contact *c, struct station_peer *p, const struct light_part *part);

/* contact_history.c: all headers. What is worth asking, a part of the answer, its end, a refusal. */
void contact_ask_history(struct llp_contact *c, struct station_peer *p);
void contact_take_history(struct llp_contact *c, struct station_peer *p, struct question *q, bool last);
void contact_end_history(struct llp_contact *c, struct station_peer *p, struct question *q);
bool contact_wants_history(const struct llp_contact *c);
/* contact_ask.c: send a question; NULL: there is no room. */
struct question *contact_ask(struct llp_contact *c, struct station_peer *p, const struct light_ask *what);
/* contact_take.c: an error of what it gave names it. */
void contact_accuse_error(struct llp_contact *c, struct station_peer *p, const char *what, enum lx_err err,
    const struct lx_why *why);

/* What came of a manifest stays when the contact is lost. */
void contact_keep_part(struct llp_contact *c, const struct question *q);

#endif
