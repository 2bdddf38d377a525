/* llp/swarm_view.c - what operators want and see; the file. */
#include "config.h"
#include "llp/swarm.h"

#include "crypto/hash.h"
#include "crypto/tags.h"
#include "llp/swarm_int.h"

#include <string.h>

static const char MAGIC[8] = "lxbook\0\1";

/* ---- wishes of the operator --------------------------------------------------------------------- */

static struct target *
free_target(struct llp_swarm *swarm, bool seed, size_t max)
{
        struct target *free = NULL;
        size_t used = 0;

        for (size_t i = 0; i < sizeof(swarm->targets) / sizeof(swarm->targets[0]); i++) {
                struct target *target = &swarm->targets[i];

                used += target->used && target->seed == seed;
                if (!target->used && free == NULL)
                        free = target;
        }
        return used < max ? free : NULL;
}

enum lx_err
llp_swarm_add(
    struct llp_swarm *swarm, const struct llp_place *place, uint64_t now_ms, struct lx_why *why)
{
        struct target *target = free_target(swarm, false, LLP_SWARM_FIXED_MAX);
        struct lx_pubkey id;

        memcpy(id.b, place->id, sizeof(id.b));
        if (!place->has_id) {
                lx_why_set(
                    why, "a peer is ID@HOST:PORT; %s:%u says no id", place->host, place->port);
                return LX_ERR_USAGE;
        }
        if (memcmp(id.b, swarm->id.b, sizeof(id.b)) == 0) { /* public */
                lx_why_set(why, "that id is this node's own");
                return LX_ERR_USAGE;
        }
        if (swarm_is_fixed(swarm, &id)) {
                lx_why_set(why, "that peer is in the list already");
                return LX_ERR_EXISTS;
        }
        if (target == NULL) {
                lx_why_set(why, "at most %d peers can be given", LLP_SWARM_FIXED_MAX);
                return LX_ERR_LIMIT;
        }
        *target = (struct target){.used = true, .place = *place};
        swarm->now_ms = now_ms;
        swarm->next_dial_ms = now_ms;
        return LX_OK;
}

enum lx_err
llp_swarm_add_seed(struct llp_swarm *swarm, const struct llp_place *place, struct lx_why *why)
{
        struct target *target = free_target(swarm, true, LLP_SWARM_SEEDS_MAX);

        if (target == NULL) {
                lx_why_set(why, "at most %d seeds can be given", LLP_SWARM_SEEDS_MAX);
                return LX_ERR_LIMIT;
        }
        *target = (struct target){.used = true, .seed = true, .place = *place};
        target->place.has_id = false;
        return LX_OK;
}

static bool
read_culprit(const char *text, struct llp_culprit *out_who, struct lx_why *why)
{
        struct lx_pubkey id;
        struct llp_addr addr;

        if (lx_unhex(text, strlen(text), id.b, sizeof(id.b))) {
                *out_who = llp_culprit_of_key(&id);
                return true;
        }
        if (llp_addr_parse(text, &addr)) {
                *out_who = llp_culprit_of_addr(&addr);
                return true;
        }
        lx_why_set(why, "\"%.80s\" is neither a node id (64 hex digits) nor an IP address", text);
        return false;
}

static bool
is_of(const struct slot *slot, const struct llp_culprit *who)
{
        struct llp_culprit theirs = who->kind == LLP_CULPRIT_KEY ? llp_culprit_of_key(&slot->id)
                                                                 : llp_culprit_of_addr(&slot->addr);

        return (who->kind == LLP_CULPRIT_PARTY || slot->has_id) &&
               memcmp(theirs.b, who->b, sizeof(theirs.b)) == 0; /* public */
}

enum lx_err
llp_swarm_ban(struct llp_swarm *swarm, const char *target, uint64_t seconds, const char *reason,
    uint64_t now_ms, struct lx_why *why)
{
        struct llp_culprit who;

        if (!read_culprit(target, &who, why))
                return LX_ERR_USAGE;
        if (seconds > UINT32_MAX) {
                lx_why_set(
                    why, "%llu s is longer than a ban can last", (unsigned long long)seconds);
                return LX_ERR_USAGE;
        }
        swarm->now_ms = now_ms;
        llp_bans_add(swarm->bans, &who, swarm_wall(swarm) + seconds * 1000, true, reason);
        swarm->dirty = true;
        for (size_t i = 0; i < swarm->slot_count; i++)
                if (is_of(swarm->slots[i], &who))
                        swarm_close(swarm->slots[i], LLP_BYE_BANNED, reason);
        return LX_OK;
}

enum lx_err
llp_swarm_unban(struct llp_swarm *swarm, const char *target, struct lx_why *why)
{
        struct llp_culprit who;

        if (!read_culprit(target, &who, why))
                return LX_ERR_USAGE;
        if (!llp_bans_lift(swarm->bans, &who)) {
                lx_why_set(why, "%.80s is not banned", target);
                return LX_ERR_ABSENT;
        }
        swarm->dirty = true;
        return LX_OK;
}

/* ---- looking ------------------------------------------------------------------------------------ */

static const char *
state_name(enum slot_state state)
{
        switch (state) {
        case SLOT_DIALLING:
                return "dialling";
        case SLOT_GREETING:
                return "greeting";
        case SLOT_UP:
                return "up";
        case SLOT_ENDING:
                return "ending";
        }
        return "unknown";
}

/* The operator's peers that are not connected, @i of them left to skip. */
static bool
down_at(const struct llp_swarm *swarm, size_t i, struct llp_peer_info *out_info)
{
        for (size_t t = 0; t < sizeof(swarm->targets) / sizeof(swarm->targets[0]); t++) {
                const struct target *target = &swarm->targets[t];

                if (!target->used || target->seed || swarm_is_connected(swarm, target->place.id) ||
                    i-- > 0)
                        continue;
                *out_info = (struct llp_peer_info){.has_id = true,
                    .fixed = true,
                    .state = "down",
                    .why = target->why,
                    .host = target->place.host,
                    .next_try_ms = target->next_try_ms};
                memcpy(out_info->id.b, target->place.id, sizeof(out_info->id.b));
                if (!llp_addr_parse(target->place.host, &out_info->addr))
                        out_info->addr = target->addrs[0];
                out_info->addr.port = target->place.port;
                return true;
        }
        return false;
}

bool
llp_swarm_peer_at(
    const struct llp_swarm *swarm, size_t i, uint64_t now_ms, struct llp_peer_info *out_info)
{
        const struct slot *slot;
        struct llp_culprit who;

        if (i >= swarm->slot_count)
                return down_at(swarm, i - swarm->slot_count, out_info);
        slot = swarm->slots[i];
        *out_info = (struct llp_peer_info){.peer = slot->peer,
            .has_id = slot->has_id,
            .inbound = slot->inbound,
            .fixed = slot->has_id && swarm_is_fixed(swarm, &slot->id),
            .up = slot->state == SLOT_UP,
            .id = slot->id,
            .addr = slot->addr,
            .state = state_name(slot->state),
            .why = "",
            .host = "",
            .hello = slot->hello,
            .height = slot->height,
            .since_ms = slot->since_ms};
        who = llp_culprit_of_key(&slot->id);
        if (slot->has_id)
                out_info->points = llp_bans_points(swarm->bans, &who, now_ms);
        if (slot->machine != NULL)
                llp_peer_get_stats(slot->machine, &out_info->stats);
        return true;
}

const struct llp_ban *
llp_swarm_ban_at(const struct llp_swarm *swarm, size_t i)
{
        return llp_bans_at(swarm->bans, i);
}

/* ---- the file ----------------------------------------------------------------------------------- */

void
llp_swarm_save(struct llp_swarm *swarm, struct lx_buf *out)
{
        struct lx_writer wr =
            lx_writer_init(lx_buf_reserve(out, LLP_BOOK_FILE_MAX), LLP_BOOK_FILE_MAX);
        struct lx_hash sum;

        lx_write_bytes(&wr, MAGIC, sizeof(MAGIC));
        llp_book_write(swarm->book, &wr);
        llp_bans_write(swarm->bans, &wr);
        lx_blake2b(&LX_TAG_BOOK, wr.p, wr.len, &sum);
        lx_write_hash(&wr, &sum);
        lx_buf_add(out, wr.len);
        swarm->dirty = false;
}

bool
llp_swarm_is_dirty(const struct llp_swarm *swarm)
{
        return swarm->dirty;
}

enum lx_err
llp_swarm_load(struct llp_swarm *swarm, const uint8_t *bytes, size_t len)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct llp_book *book = llp_book_new(swarm_random(swarm));
        struct llp_bans *bans = llp_bans_new(swarm_random(swarm));
        struct lx_span magic = lx_read_span(&rd, sizeof(MAGIC));
        struct lx_hash sum, want;
        enum lx_err err;

        if (magic.len > 0 && memcmp(magic.p, MAGIC, sizeof(MAGIC)) != 0) /* public */
                lx_reader_fail(&rd, LX_ERR_VERSION);
        llp_book_read(book, &rd);
        llp_bans_read(bans, &rd);
        want = lx_read_hash(&rd);
        err = lx_reader_end(&rd);
        if (err == LX_OK) {
                lx_blake2b(&LX_TAG_BOOK, bytes, len - sizeof(sum), &sum);
                err = lx_hash_eq(&sum, &want) ? LX_OK : LX_ERR_CORRUPT;
        }
        if (err == LX_OK) {
                llp_book_free(swarm->book);
                llp_bans_free(swarm->bans);
                swarm->book = book;
                swarm->bans = bans;
                swarm->next_dial_ms = swarm->now_ms;
        } else {
                llp_book_free(book);
                llp_bans_free(bans);
        }
        return err;
}
