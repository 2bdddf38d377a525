/*
 * llp/contact.h - a light node's contacts: what it asks a station, in the order of its worth.
 *
 * A pure machine over light/light.h: peers and time go in, questions and the next deadline come out. Stations may
 * come and go at any byte. The first one that is up and not known to lie is worked with; all others are asked for their
 * tip only, so that tips are compared. With the one it works with, in this order, questions ahead of their answers
 * where that saves a round trip:
 *
 *   1 anchor     the trusted header, while it is not known; a set that is missing (goes on where it was cut)
 *   2 tip        newest header that the skip rule accepts; again until the station has nothing newer
 *   3 watched    what changed since the last contact, then what was never proven, then the oldest proof
 *     manifest of a release that is watched (goes on where it was cut); its revocations are watched then, too
 *   4 path       the proof that the history goes on from the header of the last contact
 *   5 history    all headers below the tip, from height 0 up, where that was asked for
 *   then it asks for the tip again every LLP_CONTACT_TIP_MS, and for what changed.
 *
 * What verified is never asked for again; of a state, set or path that was cut off the whole bytes of the set are kept,
 * the rest had not been verified. Who is caught is named (light_judge) and asked nothing more for
 * LLP_CONTACT_SHUN_MS. All that was learned is in light_changes, and in the history; the owner stores both after every
 * call (light_history_sync first).
 *
 * Budget: when the bytes since it was set, both ways with frames, pass it, nothing more is asked. Threads: loop only.
 * Spec: doc/light.md.
 */
#ifndef LX_LLP_CONTACT_H
#define LX_LLP_CONTACT_H

#include "light/history.h"
#include "llp/hello.h"
#include "llp/net.h"

#define LLP_CONTACT_TIP_MS 30000
#define LLP_CONTACT_ANSWER_MS 120000 /* without a part of an answer, on a connection that lives */
#define LLP_CONTACT_SHUN_MS (10u * 60 * 1000)
#define LLP_CONTACT_PEERS_MAX 16
#define LLP_CONTACT_HEADERS 256u /* of the history in one question: 15 s at 9600 bit/s */
#define LLP_CONTACT_ASKS_MAX 4 /* questions under way at one station */

struct llp_contact;

struct llp_contact_options {
        struct light *light;
        struct light_history *history; /* NULL: no history of all headers is asked for */
        const struct llp_net *net;
        uint64_t (*wall_ms)(void *arg); /* since 1970 */
        void *arg;
        uint64_t budget_bytes; /* see llp_contact_set_budget */
};

/** A machine without stations. */
struct llp_contact *llp_contact_new(const struct llp_contact_options *options);
/** Free it. NULL is fine. */
void llp_contact_free(struct llp_contact *contact);
/** A budget for what comes from now on, however often the link is lost; 0: none. */
void llp_contact_set_budget(struct llp_contact *contact, uint64_t bytes);
/** A station is there. */
void llp_contact_up(struct llp_contact *contact, uint32_t peer, const struct lx_pubkey *id,
    const struct llp_hello *hello, uint64_t now_ms);
/** It is gone. */
void llp_contact_down(struct llp_contact *contact, uint32_t peer, uint64_t now_ms);
/** A message of a station; an error: it broke a rule, drop it. */
LX_MUST_CHECK enum lx_err llp_contact_receive(struct llp_contact *contact, uint32_t peer, unsigned type,
    const uint8_t *bytes, size_t len, uint64_t now_ms);
/** Time passes. */
void llp_contact_tick(struct llp_contact *contact, uint64_t now_ms);
/** When it wants llp_contact_tick; UINT64_MAX: not at all. */
uint64_t llp_contact_deadline_ms(const struct llp_contact *contact);

struct llp_contact_stats {
        size_t up;              /* stations connected */
        uint64_t bytes_in, bytes_out; /* of all contacts, questions and answers with their frames */
        uint64_t wasted;        /* of them: answers that were cut off or held nothing */
        uint64_t repeated;      /* proofs that came although they were here: never, with an honest station */
        uint64_t asks, parts;
        uint64_t history_missing; /* headers below the tip that are not stored, where they are asked for */
        size_t never, stale;    /* watched: never proven; not in this contact, or before the tip */
        bool history_doubted;   /* what is stored of it was not proven again: it may be of another branch */
        bool wants_anchor, wants_set, wants_path, wants_manifest;
        bool done;              /* nothing is missing from the station it works with */
        bool over_budget;
};
/** Figures. */
void llp_contact_get_stats(const struct llp_contact *contact, struct llp_contact_stats *out_stats);

#endif
