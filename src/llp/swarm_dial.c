/* llp/swarm_dial.c - whom to dial when: the operator's peers, the book, seeds. */
#include "config.h"
#include "llp/swarm.h"

#include "llp/swarm_int.h"

#include <stdio.h>
#include <string.h>

#define TARGETS (LLP_SWARM_FIXED_MAX + LLP_SWARM_SEEDS_MAX)
#define LOOK_MS 5000    /* between looks when nothing is due */
#define SELF_MS 3600000 /* until an address that turned out to be ours is tried again */
#define PROVEN_MS 30000 /* a connection that lived so long was no failure */
#define FIRST_RETRY_MS 1000
#define SEEDS_BELOW 2 /* outbound peers; with more the seeds are left alone */

static bool
same_key(const struct lx_pubkey *a, const uint8_t *b)
{
        return memcmp(a->b, b, sizeof(a->b)) == 0; /* public */
}

bool
swarm_is_fixed(const struct llp_swarm *swarm, const struct lx_pubkey *id)
{
        for (size_t i = 0; i < TARGETS; i++)
                if (swarm->targets[i].used && !swarm->targets[i].seed &&
                    same_key(id, swarm->targets[i].place.id))
                        return true;
        return false;
}

bool
swarm_is_connected(const struct llp_swarm *swarm, const uint8_t *id)
{
        for (size_t i = 0; i < swarm->slot_count; i++)
                if (swarm->slots[i]->has_id && swarm->slots[i]->state != SLOT_ENDING &&
                    same_key(&swarm->slots[i]->id, id))
                        return true;
        return false;
}

/* ---- targets ----------------------------------------------------------------------------------- */

static bool
set_addr(struct target *target)
{
        struct llp_addr addr;

        if (!llp_addr_parse(target->place.host, &addr) || addr.port != 0)
                return false;
        addr.port = target->place.port;
        target->addrs[0] = addr;
        target->addr_count = 1;
        target->addr_next = 0;
        target->has_addr = true;
        return true;
}

static void
delay_target(struct llp_swarm *swarm, struct target *target)
{
        uint64_t delay, most = target->seed ? LLP_SEED_RETRY_MS : LLP_FIXED_RETRY_MS;

        if (target->failures < 16)
                target->failures++;
        delay = (uint64_t)FIRST_RETRY_MS << (target->failures - 1);
        if (delay > most || target->seed)
                delay = most;
        target->next_try_ms = swarm->now_ms + delay + swarm_random(swarm) % (delay / 4 + 1);
}

static void
dial_target(struct llp_swarm *swarm, size_t i)
{
        struct target *target = &swarm->targets[i];
        struct lx_pubkey id;
        struct slot *slot;

        if (!target->has_addr && !set_addr(target)) {
                target->resolving = true;
                swarm_wish(swarm,
                    &(struct llp_wish){
                        .kind = LLP_WISH_RESOLVE, .name = (uint32_t)i, .host = target->place.host});
                return;
        }
        memcpy(id.b, target->place.id, sizeof(id.b));
        slot = swarm_dial(swarm, &target->addrs[target->addr_next],
            target->place.has_id && !target->seed ? &id : NULL, (int)i);
        target->peer = slot != NULL ? slot->peer : 0;
        if (slot == NULL)
                delay_target(swarm, target);
}

void
llp_swarm_resolved(struct llp_swarm *swarm, uint32_t name, const struct llp_addr *addrs,
    size_t count, uint64_t now_ms)
{
        struct target *target = &swarm->targets[name % TARGETS];
        const size_t max = sizeof(target->addrs) / sizeof(target->addrs[0]);

        swarm->now_ms = now_ms;
        if (!target->used || !target->resolving)
                return;
        target->resolving = false;
        target->addr_count = (unsigned)(count < max ? count : max);
        target->addr_next = 0;
        target->has_addr = count > 0;
        for (size_t i = 0; i < target->addr_count; i++) {
                target->addrs[i] = addrs[i];
                target->addrs[i].port = target->place.port;
        }
        if (count == 0) {
                swarm_event(
                    swarm, NULL, "a name has no address, asking again later", target->place.host);
                (void)snprintf(target->why, sizeof(target->why), "the name has no address");
                delay_target(swarm, target);
        } else if (!swarm->stopping) {
                dial_target(swarm, name % TARGETS);
        }
        swarm->next_dial_ms = now_ms;
}

/* Whether target @i wants to be dialled now; *next_ms: lowered to when it may. */
static bool
is_due(const struct llp_swarm *swarm, size_t i, uint64_t *next_ms)
{
        const struct target *target = &swarm->targets[i];
        struct llp_culprit who = {.kind = LLP_CULPRIT_KEY};

        if (!target->used || target->peer != 0 || target->resolving)
                return false;
        if (target->place.has_id && swarm_is_connected(swarm, target->place.id))
                return false;
        memcpy(who.b, target->place.id, sizeof(who.b));
        if (target->place.has_id && llp_bans_find(swarm->bans, &who, swarm_wall(swarm)) != NULL)
                return false; /* the operator changed their mind */
        if (target->next_try_ms <= swarm->now_ms)
                return true;
        if (target->next_try_ms < *next_ms)
                *next_ms = target->next_try_ms;
        return false;
}

/* ---- the book ---------------------------------------------------------------------------------- */

static bool
is_outbound_of_ours(const struct llp_swarm *swarm, const struct slot *slot)
{
        return !slot->inbound && slot->state != SLOT_ENDING &&
               !(slot->has_id && swarm_is_fixed(swarm, &slot->id));
}

static bool
may_dial(void *arg, const struct llp_book_node *node)
{
        struct llp_swarm *swarm = arg;
        struct llp_culprit key = llp_culprit_of_key(&node->id),
                           party = llp_culprit_of_addr(&node->addr);
        struct llp_addr group = llp_addr_group(&node->addr);
        uint64_t wall = swarm_wall(swarm);

        if (same_key(&node->id, swarm->id.b) || swarm_is_connected(swarm, node->id.b) ||
            swarm_is_fixed(swarm, &node->id))
                return false;
        if (llp_bans_find(swarm->bans, &key, wall) != NULL ||
            llp_bans_find(swarm->bans, &party, wall) != NULL)
                return false;
        for (size_t i = 0; llp_addr_is_public(&node->addr) && i < swarm->slot_count; i++) {
                struct llp_addr theirs = llp_addr_group(&swarm->slots[i]->addr);

                if (is_outbound_of_ours(swarm, swarm->slots[i]) && llp_addr_eq(&theirs, &group))
                        return false;
        }
        return true;
}

/* One more outbound peer, of the book, or (@seeds) a seed. false: nobody is left to try now. */
static bool
dial_one(struct llp_swarm *swarm, bool seeds, uint64_t *next_ms)
{
        uint64_t book_ms;
        const struct llp_book_node *node = llp_book_pick(
            swarm->book, swarm->now_ms, swarm_random(swarm), may_dial, swarm, &book_ms);

        if (node != NULL)
                return swarm_dial(swarm, &node->addr, &node->id, -1) != NULL;
        if (book_ms < *next_ms)
                *next_ms = book_ms;
        for (size_t i = 0; i < TARGETS && seeds; i++) {
                if (swarm->targets[i].seed && is_due(swarm, i, next_ms)) {
                        dial_target(swarm, i);
                        return true;
                }
        }
        return false;
}

void
swarm_dial_some(struct llp_swarm *swarm)
{
        uint64_t next_ms = swarm->now_ms + LOOK_MS;
        size_t out = 0, dialling = 0;

        if (swarm->stopping)
                return;
        for (size_t i = 0; i < TARGETS; i++)
                if (!swarm->targets[i].seed && is_due(swarm, i, &next_ms))
                        dial_target(swarm, i);
        for (size_t i = 0; i < swarm->slot_count; i++) {
                out += is_outbound_of_ours(swarm, swarm->slots[i]);
                dialling += is_outbound_of_ours(swarm, swarm->slots[i]) &&
                            swarm->slots[i]->state != SLOT_UP;
        }
        for (; out < swarm->options.out_max && dialling < LLP_SWARM_DIALS; out++, dialling++)
                if (!dial_one(swarm, out < SEEDS_BELOW && dialling == 0, &next_ms))
                        break;
        swarm->next_dial_ms = next_ms > swarm->now_ms ? next_ms : swarm->now_ms + 1;
}

/* ---- what became of it -------------------------------------------------------------------------- */

void
swarm_dial_up(struct llp_swarm *swarm, const struct slot *slot)
{
        struct llp_node_addr node = {.id = slot->id, .addr = slot->addr};

        llp_book_reached(swarm->book, &node, swarm_wall(swarm));
        if (slot->target >= 0 && swarm->targets[slot->target].seed) {
                struct target *seed = &swarm->targets[slot->target];

                memcpy(seed->place.id, slot->id.b, sizeof(seed->place.id));
                seed->place.has_id = true; /* not dialled again while it is connected */
        }
}

static void
end_target(
    struct llp_swarm *swarm, const struct slot *slot, bool was_up, bool is_self, const char *text)
{
        struct target *target = &swarm->targets[slot->target];

        if (target->peer != slot->peer)
                return;
        target->peer = 0;
        (void)snprintf(target->why, sizeof(target->why), "%s", text);
        if (!was_up && target->failures == 0 && !target->seed)
                swarm_event(swarm, slot, "peer unreachable, trying again for ever", text);
        if (was_up && swarm->now_ms >= slot->since_ms + PROVEN_MS)
                target->failures = 0;
        if (!was_up && ++target->addr_next >= target->addr_count)
                target->has_addr = false; /* names are asked for again */
        delay_target(swarm, target);
        if (is_self)
                target->next_try_ms = swarm->now_ms + SELF_MS;
}

void
swarm_dial_ended(
    struct llp_swarm *swarm, const struct slot *slot, bool was_up, bool is_self, const char *text)
{
        swarm->next_dial_ms = swarm->now_ms;
        if (slot->inbound)
                return;
        if (slot->target >= 0)
                end_target(swarm, slot, was_up, is_self, text);
        if (slot->has_id && (!was_up || swarm->now_ms < slot->since_ms + PROVEN_MS))
                llp_book_failed(swarm->book, &slot->id, swarm->now_ms, swarm_random(swarm));
}
