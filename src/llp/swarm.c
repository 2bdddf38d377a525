/* llp/swarm.c - connections: letting in, shaking hands, up, down, points. */
#include "config.h"
#include "llp/swarm.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "llp/swarm_int.h"

#include <stdio.h>
#include <string.h>

uint64_t
swarm_random(struct llp_swarm *swarm)
{
        uint64_t n;

        swarm->options.random(swarm->options.arg, &n, sizeof(n));
        return n;
}

uint64_t
swarm_wall(const struct llp_swarm *swarm)
{
        return swarm->options.wall_ms(swarm->options.arg);
}

void
swarm_event(struct llp_swarm *swarm, const struct slot *slot, const char *what, const char *text)
{
        if (swarm->options.on_event != NULL)
                swarm->options.on_event(
                    swarm->options.arg, slot != NULL ? slot->peer : 0, what, text);
}

/* ---- wishes ------------------------------------------------------------------------------------ */

void
swarm_wish(struct llp_swarm *swarm, const struct llp_wish *wish)
{
        bool first = swarm->wish_at * sizeof(*wish) == swarm->wishes.len;

        lx_buf_append(&swarm->wishes, wish, sizeof(*wish));
        if (first)
                swarm->options.on_wish(swarm->options.arg);
}

void
swarm_wish_output(struct slot *slot)
{
        if (slot->wish_output)
                return;
        slot->wish_output = true;
        swarm_wish(slot->swarm, &(struct llp_wish){.kind = LLP_WISH_OUTPUT, .peer = slot->peer});
}

bool
llp_swarm_next_wish(struct llp_swarm *swarm, struct llp_wish *out_wish)
{
        while (swarm->wish_at * sizeof(*out_wish) < swarm->wishes.len) {
                struct slot *slot;

                memcpy(out_wish, swarm->wishes.p + swarm->wish_at++ * sizeof(*out_wish),
                    sizeof(*out_wish));
                slot = swarm_find(swarm, out_wish->peer);
                if (out_wish->kind == LLP_WISH_OUTPUT && slot != NULL)
                        slot->wish_output = false;
                if (slot != NULL || out_wish->kind == LLP_WISH_CLOSE ||
                    out_wish->kind == LLP_WISH_RESOLVE)
                        return true;
        }
        lx_buf_reset(&swarm->wishes);
        swarm->wish_at = 0;
        return false;
}

/* ---- slots ------------------------------------------------------------------------------------- */

struct slot *
swarm_find(const struct llp_swarm *swarm, uint32_t peer)
{
        for (size_t i = 0; i < swarm->slot_count; i++)
                if (swarm->slots[i]->peer == peer)
                        return swarm->slots[i];
        return NULL;
}

static struct slot *
new_slot(struct llp_swarm *swarm, const struct llp_addr *addr, bool inbound)
{
        struct slot *slot;

        if (swarm->slot_count == SLOT_MAX)
                return NULL;
        slot = lx_alloc(sizeof(*slot));
        *slot = (struct slot){.swarm = swarm,
            .inbound = inbound,
            .target = -1,
            .addr = *addr,
            .since_ms = swarm->now_ms,
            .deadline_ms = swarm->now_ms + LLP_DIAL_MS};
        if (++swarm->last_peer == 0)
                swarm->last_peer = 1;
        slot->peer = swarm->last_peer;
        swarm->slots[swarm->slot_count++] = slot;
        return slot;
}

struct slot *
swarm_dial(
    struct llp_swarm *swarm, const struct llp_addr *addr, const struct lx_pubkey *id, int target)
{
        struct slot *slot = new_slot(swarm, addr, false);

        if (slot == NULL)
                return NULL;
        slot->target = target;
        slot->has_id = id != NULL;
        if (id != NULL)
                slot->id = *id;
        swarm->past.dialled++;
        swarm_wish(swarm,
            &(struct llp_wish){.kind = LLP_WISH_DIAL, .peer = slot->peer, .addr = slot->addr});
        return slot;
}

static void
add_stats(struct llp_swarm_stats *sum, const struct slot *slot)
{
        struct llp_peer_stats stats;

        if (slot->machine == NULL)
                return;
        llp_peer_get_stats(slot->machine, &stats);
        sum->bytes_in += stats.bytes_in;
        sum->bytes_out += stats.bytes_out;
        sum->messages_in += stats.messages_in;
        sum->messages_out += stats.messages_out;
        sum->queue_refused += stats.refused;
        sum->throttled += stats.throttled;
}

void
swarm_drop(struct slot *slot)
{
        struct llp_swarm *swarm = slot->swarm;

        for (size_t i = 0; i < swarm->slot_count; i++)
                if (swarm->slots[i] == slot)
                        swarm->slots[i] = swarm->slots[swarm->slot_count - 1];
        swarm->slot_count--;
        add_stats(&swarm->past, slot);
        llp_peer_free(slot->machine);
        lx_free(slot);
}

void
llp_swarm_get_stats(const struct llp_swarm *swarm, struct llp_swarm_stats *out_stats)
{
        struct llp_swarm_stats stats = swarm->past;

        for (size_t i = 0; i < swarm->slot_count; i++) {
                const struct slot *slot = swarm->slots[i];

                add_stats(&stats, slot);
                stats.up_in += slot->state == SLOT_UP && slot->inbound;
                stats.up_out += slot->state == SLOT_UP && !slot->inbound;
                stats.half_open += slot->state == SLOT_GREETING;
                stats.dialling += slot->state == SLOT_DIALLING;
        }
        stats.book = llp_book_count(swarm->book);
        while (llp_bans_at(swarm->bans, stats.bans) != NULL)
                stats.bans++;
        *out_stats = stats;
}

/* ---- machines ---------------------------------------------------------------------------------- */

static void
start_machine(struct slot *slot)
{
        struct llp_swarm *swarm = slot->swarm;
        struct llp_peer_options options = {.initiator = !slot->inbound,
            .secret = swarm->secret,
            .ping_seed = swarm_random(swarm),
            .has_remote = slot->has_id,
            .remote = slot->id,
            .scratch = swarm->scratch,
            .calls = swarm_calls(slot)};
        enum lx_err err;

        options.hello = (struct llp_hello){.version = LLP_VERSION,
            .chain_id = swarm->options.chain_id,
            .roles = swarm->options.roles,
            .listen_port = swarm->options.listen_port};
        memcpy(options.hello.agent, swarm->agent, sizeof(options.hello.agent));
        swarm->options.upper.tip(swarm->options.upper.arg, &options.hello.height, &options.hello.tip);
        do /* once in 2^128 the random scalar is too large */
                swarm->options.random(
                    swarm->options.arg, options.ephemeral, sizeof(options.ephemeral));
        while ((err = llp_peer_new(&options, swarm->now_ms, &slot->machine)) == LX_ERR_RANGE);
        lx_wipe(options.ephemeral, sizeof(options.ephemeral));
        slot->state = SLOT_GREETING;
        slot->since_ms = swarm->now_ms;
        if (err != LX_OK) /* the id that we were given is no point */
                slot->machine = NULL;
}

void
llp_swarm_connected(struct llp_swarm *swarm, uint32_t peer, uint64_t now_ms)
{
        struct slot *slot = swarm_find(swarm, peer);

        swarm->now_ms = now_ms;
        if (slot == NULL || slot->state != SLOT_DIALLING)
                return;
        start_machine(slot);
        if (slot->machine != NULL) {
                swarm_settle(slot);
                return;
        }
        swarm_event(swarm, slot, "dialling failed", "the node id is no key");
        swarm_dial_ended(swarm, slot, false, false, "the node id is no key");
        swarm_wish(swarm, &(struct llp_wish){.kind = LLP_WISH_CLOSE, .peer = peer});
        swarm_drop(slot);
}

/* ---- letting in -------------------------------------------------------------------------------- */

/* All half-open slots are taken: the oldest of the party with most of them makes place, or nobody. */
static bool
make_place(struct llp_swarm *swarm, const struct llp_addr *newcomer)
{
        struct slot *victim = NULL;
        size_t most = swarm_count_in(swarm, newcomer, SLOT_GREETING) + 1;

        for (size_t i = 0; i < swarm->slot_count; i++) {
                struct slot *slot = swarm->slots[i];
                struct llp_addr party = llp_addr_party(&slot->addr);
                size_t count;

                if (!slot->inbound || slot->state != SLOT_GREETING)
                        continue;
                count = swarm_count_in(swarm, &party, SLOT_GREETING);
                if (count > most ||
                    (victim != NULL && count == most && slot->since_ms < victim->since_ms)) {
                        most = count;
                        victim = slot;
                }
        }
        if (victim == NULL)
                return false;
        llp_peer_lost(victim->machine, "another party needed its place");
        swarm_settle(victim);
        return true;
}

static bool
may_come_in(struct llp_swarm *swarm, const struct llp_addr *addr)
{
        struct llp_culprit who = llp_culprit_of_addr(addr);
        struct llp_addr party = llp_addr_party(addr);
        bool local = llp_addr_is_loopback(addr);

        if (swarm->stopping || swarm->slot_count == SLOT_MAX)
                return false;
        if (llp_bans_find(swarm->bans, &who, swarm_wall(swarm)) != NULL)
                return false;
        if (swarm_count_in(swarm, &party, SLOT_GREETING) >=
            (local ? LLP_SWARM_LOCAL : LLP_SWARM_PARTY_HALF))
                return false;
        if (!llp_bans_knock(swarm->bans, &who, swarm->now_ms))
                return false;
        return swarm_count_in(swarm, NULL, SLOT_GREETING) < LLP_SWARM_HALF ||
               make_place(swarm, &party);
}

uint32_t
llp_swarm_accepted(struct llp_swarm *swarm, const struct llp_addr *addr, uint64_t now_ms)
{
        struct slot *slot;

        swarm->now_ms = now_ms;
        if (!may_come_in(swarm, addr)) {
                swarm->past.refused++;
                return 0;
        }
        slot = new_slot(swarm, addr, true);
        if (slot == NULL)
                return 0;
        start_machine(slot);
        lx_assert(slot->machine != NULL);
        swarm->past.accepted++;
        return slot->peer;
}

/* ---- what the shell reports --------------------------------------------------------------------- */

void
llp_swarm_failed(struct llp_swarm *swarm, uint32_t peer, const char *text, uint64_t now_ms)
{
        struct slot *slot = swarm_find(swarm, peer);

        swarm->now_ms = now_ms;
        if (slot == NULL)
                return;
        if (slot->machine != NULL) {
                llp_peer_lost(slot->machine, text);
                swarm_settle(slot);
                return;
        }
        swarm->past.dial_failures++;
        swarm_event(swarm, slot, "dialling failed", text);
        swarm_dial_ended(swarm, slot, false, false, text);
        swarm_drop(slot);
}

void
llp_swarm_input(
    struct llp_swarm *swarm, uint32_t peer, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct slot *slot = swarm_find(swarm, peer);

        swarm->now_ms = now_ms;
        if (slot == NULL || slot->machine == NULL)
                return;
        llp_peer_input(slot->machine, bytes, len, now_ms);
        swarm_settle(slot);
}

bool
llp_swarm_wants_input(const struct llp_swarm *swarm, uint32_t peer)
{
        const struct slot *slot = swarm_find(swarm, peer);

        return slot != NULL && slot->machine != NULL && llp_peer_wants_input(slot->machine);
}

size_t
llp_swarm_output(struct llp_swarm *swarm, uint32_t peer, uint8_t *out, size_t cap, uint64_t now_ms)
{
        struct slot *slot = swarm_find(swarm, peer);
        size_t len;

        swarm->now_ms = now_ms;
        if (slot == NULL || slot->machine == NULL)
                return 0;
        len = llp_peer_output(slot->machine, out, cap, now_ms);
        if (llp_peer_state(slot->machine) == LLP_PEER_CLOSED) {
                swarm_settle(slot);
        } else if (slot->hungry && llp_peer_has_room(slot->machine, LLP_BLOCK)) {
                slot->hungry = false;
                if (swarm->options.upper.on_room != NULL)
                        swarm->options.upper.on_room(swarm->options.upper.arg, peer, now_ms);
        }
        return len;
}

bool
llp_swarm_has_output(const struct llp_swarm *swarm, uint32_t peer)
{
        const struct slot *slot = swarm_find(swarm, peer);

        return slot != NULL && slot->machine != NULL && llp_peer_has_output(slot->machine);
}

/* ---- time --------------------------------------------------------------------------------------- */

static void
ask_addrs(struct slot *slot)
{
        /* On a narrow link addresses are not worth their bytes. */
        if (slot->state != SLOT_UP || slot->inbound || slot->swarm->now_ms < slot->next_addrs_ms ||
            (slot->swarm->options.roles & LLP_ROLE_LIGHT) != 0)
                return;
        slot->next_addrs_ms = slot->swarm->now_ms + LLP_ADDRS_EVERY_MS;
        slot->addrs_asked = llp_peer_send(slot->machine, LLP_GET_ADDRS, NULL, 0);
}

static void
tick_slot(struct slot *slot)
{
        struct llp_swarm *swarm = slot->swarm;

        if (slot->machine != NULL) {
                llp_peer_tick(slot->machine, swarm->now_ms);
                ask_addrs(slot);
                swarm_settle(slot);
        } else if (swarm->now_ms >= slot->deadline_ms) {
                swarm_wish(swarm, &(struct llp_wish){.kind = LLP_WISH_CLOSE, .peer = slot->peer});
                llp_swarm_failed(swarm, slot->peer, "no connection in time", swarm->now_ms);
        }
}

void
llp_swarm_tick(struct llp_swarm *swarm, uint64_t now_ms)
{
        swarm->now_ms = now_ms;
        for (size_t i = swarm->slot_count; i-- > 0;)
                if (i < swarm->slot_count)
                        tick_slot(swarm->slots[i]);
        if (now_ms >= swarm->next_dial_ms)
                swarm_dial_some(swarm);
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

uint64_t
llp_swarm_deadline_ms(const struct llp_swarm *swarm)
{
        uint64_t at = swarm->stopping ? UINT64_MAX : swarm->next_dial_ms;

        for (size_t i = 0; i < swarm->slot_count; i++) {
                const struct slot *slot = swarm->slots[i];

                if (slot->machine == NULL)
                        at = earlier(at, slot->deadline_ms);
                else
                        at = earlier(at, llp_peer_deadline_ms(slot->machine));
                if (slot->state == SLOT_UP && !slot->inbound)
                        at = earlier(at, slot->next_addrs_ms);
        }
        return at;
}

/* ---- life --------------------------------------------------------------------------------------- */

enum lx_err
llp_swarm_new(
    const struct llp_swarm_options *options, uint64_t now_ms, struct llp_swarm **out_swarm)
{
        struct llp_swarm *swarm = lx_alloc(sizeof(*swarm));
        struct lx_secret secret = {0};
        enum lx_err err;

        swarm->options = *options;
        swarm->now_ms = now_ms;
        swarm->next_dial_ms = now_ms;
        if (swarm->options.in_max == 0)
                swarm->options.in_max = LLP_SWARM_IN;
        if (swarm->options.out_max == 0)
                swarm->options.out_max = LLP_SWARM_OUT;
        (void)snprintf(swarm->agent, sizeof(swarm->agent), "%s", options->agent);
        swarm_set_net(swarm);
        err = lx_secret_init(&secret, LX_SECKEY_LEN);
        swarm->secret = secret.p;
        if (err == LX_OK)
                err = lx_ecdh_even(options->secret, swarm->secret);
        if (err == LX_OK)
                err = lx_sign_pubkey(swarm->secret, &swarm->id);
        swarm->book = llp_book_new(swarm_random(swarm));
        swarm->bans = llp_bans_new(swarm_random(swarm));
        swarm->scratch = lx_alloc(LLP_FRAME_MAX);
        if (err != LX_OK) {
                llp_swarm_free(swarm);
                return err;
        }
        *out_swarm = swarm;
        return LX_OK;
}

void
llp_swarm_free(struct llp_swarm *swarm)
{
        struct lx_secret secret;

        if (swarm == NULL)
                return;
        while (swarm->slot_count > 0)
                swarm_drop(swarm->slots[0]);
        llp_book_free(swarm->book);
        llp_bans_free(swarm->bans);
        lx_buf_clear(&swarm->wishes);
        lx_free(swarm->scratch);
        secret = (struct lx_secret){.p = swarm->secret, .len = LX_SECKEY_LEN};
        if (secret.p != NULL)
                lx_secret_clear(&secret);
        lx_free(swarm);
}

struct lx_pubkey
llp_swarm_id(const struct llp_swarm *swarm)
{
        return swarm->id;
}

void
llp_swarm_stop(struct llp_swarm *swarm, uint64_t now_ms)
{
        swarm->now_ms = now_ms;
        swarm->stopping = true;
        for (size_t i = 0; i < swarm->slot_count; i++)
                swarm_close(swarm->slots[i], LLP_BYE_STOPPING, "the node stops");
}
