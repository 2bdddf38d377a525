/*
 * llp/ban.h - who misbehaved: points that fade, bans with reasons, and rates of new connections.
 *
 * A culprit is a node key or a party (llp_addr_party: one IPv4 address, one /64 of IPv6). Points fade by
 * one every LLP_BAN_FADE_MS; at LLP_PUNISH_BAN the culprit is banned for LLP_BAN_MS, doubled by each ban
 * before, at most LLP_BAN_MAX_MS. At most LLP_CULPRITS_MAX culprits are remembered (the least guilty is
 * forgotten) and LLP_BANS_MAX bans kept (the first to end goes).
 *
 *      one ban in the file:  0   1  1: key, 2: party
 *                            1  32  key, or address (16 bytes) and 16 zeros
 *                           33   8  until when, milliseconds since 1970
 *                           41   1  by an operator: 1, else 0
 *                           42   1  length of the reason (at most LLP_TEXT_MAX), then printable ASCII
 *
 * Threads: pure. Spec: doc/llp.md.
 */
#ifndef LX_LLP_BAN_H
#define LX_LLP_BAN_H

#include "llp/hello.h"
#include "llp/net.h"

#define LLP_BAN_FADE_MS 5000
#define LLP_BAN_MS (10ull * 60 * 1000)
#define LLP_BAN_MAX_MS (24ull * 3600 * 1000)
#define LLP_CULPRITS_MAX 1024
#define LLP_BANS_MAX 1024
#define LLP_KNOCK_BURST 16u     /* connections of one party at once */
#define LLP_KNOCK_EVERY_MS 250u /* and then one in so many */

enum llp_culprit_kind { LLP_CULPRIT_KEY = 1, LLP_CULPRIT_PARTY = 2 };

struct llp_culprit {
        uint8_t kind;  /* enum llp_culprit_kind */
        uint8_t b[32]; /* key, or address and zeros */
};

struct llp_ban {
        struct llp_culprit who;
        uint64_t until_ms; /* wall clock */
        bool by_operator;
        char reason[LLP_TEXT_MAX + 1];
};

struct llp_bans;

/** The culprit that is a node. */
struct llp_culprit llp_culprit_of_key(const struct lx_pubkey *id);
/** The culprit that is an address's party. */
struct llp_culprit llp_culprit_of_addr(const struct llp_addr *addr);
/** Its key as hex, or its address, for people; @out has room for 65 characters. */
void llp_culprit_format(const struct llp_culprit *who, char out[LX_HEX_LEN(32)]);

/** No bans. @seed: of its table. */
struct llp_bans *llp_bans_new(uint64_t seed);
/** Free it; NULL is fine. */
void llp_bans_free(struct llp_bans *bans);
/** Points of @who now. */
unsigned
llp_bans_points(const struct llp_bans *bans, const struct llp_culprit *who, uint64_t now_ms);
/** Add @points; true: that makes a ban, and it is banned from @wall_ms on. */
bool llp_bans_punish(struct llp_bans *bans, const struct llp_culprit *who, unsigned points,
    const char *reason, uint64_t now_ms, uint64_t wall_ms);
/** Whether @who may open one more connection now (LLP_KNOCK_*); counts it. */
bool llp_bans_knock(struct llp_bans *bans, const struct llp_culprit *who, uint64_t now_ms);
/** Ban @who until @until_ms, in place of a ban that it has. */
void llp_bans_add(struct llp_bans *bans, const struct llp_culprit *who, uint64_t until_ms,
    bool by_operator, const char *reason);
/** Lift a ban; false: there is none. Points are forgotten too. */
bool llp_bans_lift(struct llp_bans *bans, const struct llp_culprit *who);
/** The ban of @who, or NULL; ended ones are forgotten. */
const struct llp_ban *
llp_bans_find(struct llp_bans *bans, const struct llp_culprit *who, uint64_t wall_ms);
/** Ban number @i, or NULL: no more. */
const struct llp_ban *llp_bans_at(const struct llp_bans *bans, size_t i);

/** Write the bans (count and bans). */
void llp_bans_write(const struct llp_bans *bans, struct lx_writer *wr);
/** Read bans into the empty @bans. */
void llp_bans_read(struct llp_bans *bans, struct lx_reader *rd);

#endif
