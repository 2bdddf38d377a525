/* llp/swarm_up.c - what becomes of a connection: points, up, messages, the end; the face of the net. */
#include "config.h"
#include "llp/swarm.h"

#include "base/assert.h"
#include "llp/swarm_int.h"

#include <string.h>

/* Points of LLP_PUNISH_BAN for what peers do. */
#define POINTS_RULE 50       /* a proven broken rule, by key */
#define POINTS_RULE_PARTY 20 /* and by party */
#define POINTS_HANDSHAKE 10  /* a handshake that failed, by party */
#define POINTS_SLOW 5        /* one that did not come to an end */
#define POINTS_UNASKED 10    /* addresses that nobody asked for */
#define POINTS_THROTTLE 1    /* a second above a rate */

/* ---- points ------------------------------------------------------------------------------------ */

static void
punish_party(struct llp_swarm *swarm, const struct slot *slot, unsigned points, const char *reason)
{
        struct llp_culprit who = llp_culprit_of_addr(&slot->addr);

        if (!slot->inbound || llp_addr_is_loopback(&slot->addr))
                return;
        swarm->past.punished++;
        if (llp_bans_punish(swarm->bans, &who, points, reason, swarm->now_ms, swarm_wall(swarm))) {
                swarm->past.banned++;
                swarm->dirty = true;
                swarm_event(swarm, slot, "address banned", reason);
        }
}

/* By key. Returns whether that was enough for a ban (of the operator's peers: to be dropped). */
static bool
punish_key(struct llp_swarm *swarm, const struct slot *slot, unsigned points, const char *reason)
{
        struct llp_culprit who = llp_culprit_of_key(&slot->id);

        if (!slot->has_id)
                return false;
        swarm->past.punished++;
        if (!llp_bans_punish(swarm->bans, &who, points, reason, swarm->now_ms, swarm_wall(swarm)))
                return false;
        if (swarm_is_fixed(swarm, &slot->id)) {
                (void)llp_bans_lift(swarm->bans, &who);
                swarm_event(swarm, slot, "peer dropped, not banned: it is the operator's", reason);
        } else {
                swarm->past.banned++;
                swarm->dirty = true;
                swarm_event(swarm, slot, "peer banned", reason);
        }
        return true;
}

void
swarm_close(struct slot *slot, enum llp_bye reason, const char *text)
{
        if (slot->machine != NULL)
                llp_peer_close(slot->machine, reason, text, slot->swarm->now_ms);
        swarm_wish_output(slot); /* the shell comes back, and the end is seen */
}

/* ---- the end of a connection ------------------------------------------------------------------- */

static void
punish_end(struct slot *slot, enum llp_end end, const char *text)
{
        switch (end) {
        case LLP_END_RULE:
                (void)punish_key(slot->swarm, slot, POINTS_RULE, text);
                punish_party(slot->swarm, slot, POINTS_RULE_PARTY, text);
                if (slot->has_id) /* nobody to dial at once */
                        llp_book_failed(slot->swarm->book, &slot->id, slot->swarm->now_ms, 0);
                return;
        case LLP_END_HANDSHAKE:
                slot->swarm->past.handshake_failures++;
                punish_party(slot->swarm, slot, POINTS_HANDSHAKE, text);
                return;
        case LLP_END_TIMEOUT:
                if (!slot->up_told) {
                        slot->swarm->past.handshake_failures++;
                        punish_party(slot->swarm, slot, POINTS_SLOW, text);
                }
                return;
        case LLP_END_NONE:
        case LLP_END_OURS:
        case LLP_END_GOODBYE:
        case LLP_END_LOST:
        case LLP_END_NETWORK:
        case LLP_END_FRAME: /* a man in the middle can do that */
                return;
        }
}

/* It ends: those above are told, once; target and book learn of it. */
static void
begin_end(struct slot *slot)
{
        struct llp_swarm *swarm = slot->swarm;
        const char *text = "";
        bool was_up = slot->up_told, is_self;
        enum llp_end end = llp_peer_end(slot->machine, &text);
        struct lx_pubkey id;

        if (slot->state == SLOT_ENDING)
                return;
        slot->state = SLOT_ENDING;
        punish_end(slot, end, text);
        swarm_event(swarm, slot, was_up ? "peer down" : "connection ended", text);
        slot->up_told = false;
        if (was_up && swarm->options.upper.on_down != NULL)
                swarm->options.upper.on_down(swarm->options.upper.arg, slot->peer, swarm->now_ms);
        is_self = llp_peer_id(slot->machine, &id) &&
                  memcmp(id.b, swarm->id.b, sizeof(id.b)) == 0; /* public */
        swarm_dial_ended(swarm, slot, was_up, is_self, text);
}

/* After every call of the machine: what it came to. The slot may be gone afterwards. */
void
swarm_settle(struct slot *slot)
{
        struct llp_swarm *swarm = slot->swarm;
        struct llp_peer_stats stats;

        if (slot->state == SLOT_UP && swarm->now_ms >= slot->next_throttle_ms) {
                llp_peer_get_stats(slot->machine, &stats);
                if (stats.throttled > slot->throttled) {
                        slot->throttled = stats.throttled;
                        slot->next_throttle_ms = swarm->now_ms + 1000;
                        if (punish_key(
                                swarm, slot, POINTS_THROTTLE, "it floods: far above the rates"))
                                swarm_close(slot, LLP_BYE_BANNED, "you flood");
                }
        }
        if (llp_peer_state(slot->machine) == LLP_PEER_CLOSING) {
                begin_end(slot);
                swarm_wish_output(slot);
        } else if (llp_peer_state(slot->machine) == LLP_PEER_CLOSED) {
                begin_end(slot);
                swarm_wish(swarm, &(struct llp_wish){.kind = LLP_WISH_CLOSE, .peer = slot->peer});
                swarm_drop(slot);
        } else if (llp_peer_has_output(slot->machine)) {
                swarm_wish_output(slot);
        }
}

/* ---- up ---------------------------------------------------------------------------------------- */

/* Of two connections to one node: whether the new one stays. Both sides come to the same answer. */
static bool
new_one_stays(const struct llp_swarm *swarm, const struct slot *old, const struct slot *new)
{
        bool we_are_lower = memcmp(swarm->id.b, new->id.b, sizeof(new->id.b)) < 0; /* public */

        if (old->inbound == new->inbound)
                return true;
        return new->inbound != we_are_lower; /* the lower one's connection stays */
}

static bool
settle_duplicate(struct llp_swarm *swarm, struct slot *new)
{
        for (size_t i = 0; i < swarm->slot_count; i++) {
                struct slot *old = swarm->slots[i];

                if (old == new || old->state != SLOT_UP ||
                    memcmp(old->id.b, new->id.b, sizeof(new->id.b)) != 0) /* public */
                        continue;
                if (!new_one_stays(swarm, old, new)) {
                        swarm_close(new, LLP_BYE_DUPLICATE, "another connection stays");
                        return false;
                }
                swarm_close(old, LLP_BYE_DUPLICATE, "another connection stays");
        }
        return true;
}

size_t
swarm_count_in(const struct llp_swarm *swarm, const struct llp_addr *party, enum slot_state state)
{
        size_t count = 0;

        for (size_t i = 0; i < swarm->slot_count; i++) {
                const struct slot *slot = swarm->slots[i];
                struct llp_addr theirs = llp_addr_party(&slot->addr);

                count += slot->inbound && slot->state == state &&
                         (party == NULL || llp_addr_eq(&theirs, party));
        }
        return count;
}

/* Whether the newcomer may stay; else it was told goodbye. */
static bool
is_welcome(struct slot *slot)
{
        struct llp_swarm *swarm = slot->swarm;
        struct llp_culprit who = llp_culprit_of_key(&slot->id);
        struct llp_addr party = llp_addr_party(&slot->addr);
        size_t party_max = llp_addr_is_loopback(&slot->addr) ? LLP_SWARM_LOCAL : LLP_SWARM_PARTY_IN;

        if (memcmp(slot->id.b, swarm->id.b, sizeof(slot->id.b)) == 0) { /* public */
                swarm_close(slot, LLP_BYE_DUPLICATE, "that is the node itself");
                return false;
        }
        if (llp_bans_find(swarm->bans, &who, swarm_wall(swarm)) != NULL) {
                swarm_close(slot, LLP_BYE_BANNED, "you are banned here");
                return false;
        }
        if (swarm_is_fixed(swarm, &slot->id))
                return settle_duplicate(swarm, slot);
        if (!settle_duplicate(swarm, slot))
                return false;
        if (slot->inbound && (swarm_count_in(swarm, NULL, SLOT_UP) >= swarm->options.in_max ||
                                 swarm_count_in(swarm, &party, SLOT_UP) >= party_max)) {
                swarm_close(slot, LLP_BYE_FULL, "no slot is free");
                return false;
        }
        return true;
}

static void
on_ready(void *arg, const struct llp_hello *hello, uint64_t now_ms)
{
        struct slot *slot = arg;
        struct llp_swarm *swarm = slot->swarm;

        slot->has_id = llp_peer_id(slot->machine, &slot->id);
        slot->hello = *hello;
        slot->height = hello->height;
        if (!is_welcome(slot))
                return;
        slot->state = SLOT_UP;
        slot->up_told = true;
        slot->since_ms = now_ms;
        swarm_event(swarm, slot, "peer up", hello->agent);
        swarm->dirty = true;
        if (!slot->inbound) {
                swarm_dial_up(swarm, slot);
        } else if (hello->listen_port != 0) {
                struct llp_node_addr said = {.id = slot->id, .addr = slot->addr};

                said.addr.port = hello->listen_port;
                (void)llp_book_hear(swarm->book, &said, &slot->addr);
        }
        if (swarm->options.upper.on_up != NULL)
                swarm->options.upper.on_up(swarm->options.upper.arg, slot->peer, hello, now_ms);
}

/* ---- messages ---------------------------------------------------------------------------------- */

/* Those that are connected and say where they listen, then others of the book. */
static size_t
choose_addrs(struct llp_swarm *swarm, const struct slot *asker, struct llp_node_addr *out)
{
        bool local = !llp_addr_is_public(&asker->addr);
        struct llp_node_addr sample[LLP_ADDRS_MAX];
        size_t count = 0, sampled = llp_book_sample(
                              swarm->book, swarm_wall(swarm), local, swarm_random(swarm), sample);

        for (size_t i = 0; i < swarm->slot_count && count < LLP_ADDRS_MAX / 2; i++) {
                const struct slot *slot = swarm->slots[i];

                if (slot == asker || slot->state != SLOT_UP || slot->hello.listen_port == 0 ||
                    (!local && !llp_addr_is_public(&slot->addr)))
                        continue;
                out[count] = (struct llp_node_addr){slot->id, slot->addr};
                out[count++].addr.port = slot->hello.listen_port;
        }
        for (size_t i = 0; i < sampled && count < LLP_ADDRS_MAX; i++)
                out[count++] = sample[i];
        return count;
}

static void
answer_addrs(struct slot *slot)
{
        struct llp_node_addr addrs[LLP_ADDRS_MAX];
        uint8_t bytes[2 + LLP_ADDRS_MAX * (32 + LLP_ADDR_LEN)];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        llp_addrs_encode(addrs, choose_addrs(slot->swarm, slot, addrs), &wr);
        lx_assert(lx_writer_end(&wr) == LX_OK);
        (void)llp_peer_send(slot->machine, LLP_ADDRS, bytes, wr.len);
}

static enum lx_err
take_addrs(struct slot *slot, const uint8_t *bytes, size_t len)
{
        struct llp_swarm *swarm = slot->swarm;
        struct llp_node_addr addrs[LLP_ADDRS_MAX];
        bool local = !llp_addr_is_public(&slot->addr);
        size_t count;
        enum lx_err err = llp_addrs_decode(bytes, len, addrs, &count);

        if (err != LX_OK)
                return err;
        if (!slot->addrs_asked) {
                (void)punish_key(swarm, slot, POINTS_UNASKED, "addresses that nobody asked for");
                return LX_OK;
        }
        slot->addrs_asked = false;
        for (size_t i = 0; i < count; i++)
                if ((local || llp_addr_is_public(&addrs[i].addr)) &&
                    memcmp(addrs[i].id.b, swarm->id.b, 32) != 0 && /* public */
                    llp_book_hear(swarm->book, &addrs[i], &slot->addr))
                        swarm->dirty = true;
        swarm->next_dial_ms = swarm->now_ms;
        return LX_OK;
}

static enum lx_err
on_message(void *arg, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct slot *slot = arg;
        struct llp_swarm *swarm = slot->swarm;

        if (type == LLP_GET_ADDRS) {
                answer_addrs(slot);
                return LX_OK;
        }
        if (type == LLP_ADDRS)
                return take_addrs(slot, bytes, len);
        if (type == LLP_STATUS) { /* it begins with the height */
                struct lx_reader rd = lx_reader_init(bytes, len);

                slot->height = lx_read_u64(&rd);
        }
        if (swarm->options.upper.on_message == NULL)
                return LX_OK;
        return swarm->options.upper.on_message(swarm->options.upper.arg, slot->peer, type, bytes, len, now_ms);
}

/* ---- the face of the net ------------------------------------------------------------------------ */

static struct slot *
find_up(const struct llp_swarm *swarm, uint32_t peer)
{
        struct slot *slot = swarm_find(swarm, peer);

        return slot != NULL && slot->state == SLOT_UP ? slot : NULL;
}

static bool
net_send(void *arg, uint32_t peer, unsigned type, const void *bytes, size_t len)
{
        struct slot *slot = find_up(arg, peer);

        if (slot == NULL)
                return false;
        if (!llp_peer_send(slot->machine, type, bytes, len)) {
                slot->hungry = true;
                return false;
        }
        swarm_wish_output(slot);
        return true;
}

static bool
net_has_room(void *arg, uint32_t peer, unsigned type)
{
        struct slot *slot = find_up(arg, peer);

        if (slot == NULL)
                return false;
        if (llp_peer_has_room(slot->machine, type))
                return true;
        slot->hungry = true;
        return false;
}

static void
net_punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        struct slot *slot = find_up(arg, peer);

        if (slot != NULL && punish_key(arg, slot, points, reason))
                swarm_close(slot, LLP_BYE_BANNED, reason);
}

const struct llp_net *
llp_swarm_net(const struct llp_swarm *swarm)
{
        return &swarm->net;
}

struct llp_peer_calls
swarm_calls(struct slot *slot)
{
        return (struct llp_peer_calls){on_ready, on_message, slot};
}

void
swarm_set_net(struct llp_swarm *swarm)
{
        swarm->net = (struct llp_net){net_send, net_has_room, net_punish, swarm};
}
