/*
 * kit/pass.h - for tests: a light node, stations, and passes over a narrow link on virtual time.
 *
 * Both ends are the real machines (llp/peer.h, llp/contact.h, llp/station.h), the store is on a disk that forgets.
 * The link is a byte stream as TCP gives it: rate, delay, and losses that show as waiting for a repetition; a cut
 * loses what is under way. 40 bytes of IP and TCP headers are counted for each segment of 512.
 */
#ifndef LX_KIT_PASS_H
#define LX_KIT_PASS_H

#include "kit/chain.h"
#include "light/store.h"
#include "llp/contact.h"
#include "llp/peer.h"
#include "llp/station.h"

#define PASS_STATIONS_MAX 4
#define PASS_SEGMENT 512u
#define PASS_HEADERS 40u

struct pass;

/* A station: its ledger is the caller's. */
struct pass_station {
        struct pass *pass;
        struct kit_ledger *kit;
        struct llp_station *station;
        struct llp_net net;
        uint8_t secret[32];
        struct lx_pubkey id;
        uint64_t claims; /* added to the height that its hello tells; may wrap */
        /* Look at, or change, a part that leaves (its length may shrink); false: it never does. NULL: honest */
        bool (*meddle)(struct pass_station *station, uint8_t *bytes, size_t *len);
        void *arg;
        uint64_t parts;
};

struct pass_segment;

struct pass_line {
        struct pass_segment *first, **end;
        double free_ms;    /* when the sender can send again */
        double arrival_ms; /* of the last segment */
        uint64_t bytes, payload;
};

struct pass {
        uint64_t now_ms, wall_base;
        uint64_t seed;
        uint32_t rate_bps;
        uint64_t delay_ms;
        unsigned loss_percent;
        struct pass_station station[PASS_STATIONS_MAX];
        size_t station_count;
        struct light_options options;
        struct light *light;
        struct light_history *history; /* NULL: not asked for */
        bool wants_history;            /* from the next opening on */
        struct llp_contact *contact;
        struct llp_net net;
        struct ledger_memdisk *disk;
        struct light_store store;
        uint64_t budget;
        enum lx_err stored;      /* of the last sync */
        uint8_t secret[32];
        uint8_t scratch[LLP_FRAME_MAX];
        uint8_t wire[2 * LLP_FRAME_MAX];
        /* of the contact that is on */
        struct pass_station *with;
        uint32_t handle;
        struct llp_peer *near, *far; /* the light node's end, the station's */
        struct pass_line up, down;
        uint64_t punished;
        bool lost;
        /* called after every event; may be NULL */
        void (*watch)(struct pass *pass, void *arg);
        void *watch_arg;
};

/** A light node without anything, on an empty disk. */
void pass_init(struct pass *pass, const struct kit_ledger *kit, uint64_t seed);
/** Free it; stations' ledgers stay. */
void pass_clear(struct pass *pass);
/** One more station over @kit. */
struct pass_station *pass_add(struct pass *pass, struct kit_ledger *kit);
/** A contact begins: TCP is connected after one round trip. */
void pass_connect(struct pass *pass, struct pass_station *station);
/** Let @ms go by; false: the connection has ended before. */
bool pass_run(struct pass *pass, uint64_t ms);
/** Run until @is (after an event) or @ms are over; whether it is. */
bool pass_until(struct pass *pass, bool (*is)(struct pass *pass), uint64_t ms);
/** The link is cut: what is under way is lost. */
void pass_cut(struct pass *pass);
/** All headers are asked for from now on. */
void pass_keep_history(struct pass *pass);
/** The light node loses power and starts again; what was not synced is kept, lost or torn as @choice says. */
void pass_power_cut(struct pass *pass, uint64_t choice);
/** Whether the light node has the tip of the station it is in contact with, and all is proven. */
bool pass_is_done(struct pass *pass);
/** The operator names the header of @height of @kit. */
void pass_trust(struct pass *pass, struct kit_ledger *kit, uint64_t height);
/** Watch a register. */
void pass_watch(struct pass *pass, const struct lx_hash *address);

#endif
