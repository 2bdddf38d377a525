/* llp/contact.c - see llp/contact.h: life, who is what, coming and going. */
#include "config.h"
#include "llp/contact_int.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- life ---------------------------------------------------------------------------------------- */

struct llp_contact *
llp_contact_new(const struct llp_contact_options *options)
{
        struct llp_contact *c = lx_alloc(sizeof(*c));

        c->options = *options;
        return c;
}

void
contact_free_question(struct question *q)
{
        lx_buf_clear(&q->got);
        lx_free(q);
}

static void
free_peer(struct station_peer *p)
{
        for (size_t i = 0; i < p->q_count; i++)
                contact_free_question(p->q[i]);
        lx_free(p);
}

void
llp_contact_free(struct llp_contact *c)
{
        if (c == NULL)
                return;
        for (size_t i = 0; i < c->peer_count; i++)
                free_peer(c->peer[i]);
        lx_buf_clear(&c->partial);
        lx_buf_clear(&c->pending);
        lx_buf_clear(&c->manifest);
        lx_free(c);
}

void
llp_contact_set_budget(struct llp_contact *c, uint64_t bytes)
{
        c->options.budget_bytes = bytes;
        c->budget_from = c->stats.bytes_in + c->stats.bytes_out;
}

static struct station_peer *
find_peer(const struct llp_contact *c, uint32_t handle)
{
        for (size_t i = 0; i < c->peer_count; i++)
                if (c->peer[i]->handle == handle)
                        return c->peer[i];
        return NULL;
}

uint64_t
contact_wall(const struct llp_contact *c)
{
        return c->options.wall_ms(c->options.arg);
}

struct light_station *
contact_record(struct llp_contact *c, const struct station_peer *p)
{
        return light_meet(c->options.light, &p->id);
}

/* The one that is worked with: of those that are not shunned the one with the highest tip, or the first. */
struct station_peer *
contact_active(const struct llp_contact *c)
{
        struct station_peer *best = NULL;

        for (size_t i = 0; i < c->peer_count; i++)
                if (!c->peer[i]->shunned && (best == NULL || c->peer[i]->claimed > best->claimed))
                        best = c->peer[i];
        return best;
}

/* ---- who is what --------------------------------------------------------------------------------- */

/* Caught: named, and asked nothing more. */
void
contact_accuse(struct llp_contact *c, struct station_peer *p, enum light_verdict verdict, const char *reason)
{
        struct light_station *s = contact_record(c, p);

        light_judge(s, verdict, reason);
        s->last_ms = contact_wall(c);
        light_part_with(c->options.light, s);
        p->shunned = true;
        for (size_t i = 0; i < p->q_count; i++)
                contact_free_question(p->q[i]);
        p->q_count = 0;
        lx_buf_reset(&c->pending);
        c->options.net->punish(c->options.net->arg, p->handle, LLP_PUNISH_BAN, reason);
}

/* How its tip compares with what is known. */
void
contact_compare(struct llp_contact *c, struct station_peer *p)
{
        struct light_station *s = contact_record(c, p);
        uint64_t height = light_height(c->options.light);
        char reason[160];

        s->claimed = p->claimed;
        s->behind = p->claimed < height ? height - p->claimed : 0;
        if (s->behind > 0) {
                (void)snprintf(reason, sizeof(reason), "its tip %llu is %llu headers behind what others proved",
                    (unsigned long long)p->claimed, (unsigned long long)s->behind);
                light_judge(s, LIGHT_BEHIND, reason);
        } else if (s->verdict == LIGHT_BEHIND) {
                s->verdict = LIGHT_HONEST; /* it has caught up */
                s->reason[0] = '\0';
        }
}

uint64_t
contact_budget_left(const struct llp_contact *c)
{
        uint64_t spent = c->stats.bytes_in + c->stats.bytes_out - c->budget_from;

        if (c->options.budget_bytes == 0)
                return UINT64_MAX;
        return spent < c->options.budget_bytes ? c->options.budget_bytes - spent : 0;
}

enum lx_err
llp_contact_receive(struct llp_contact *c, uint32_t peer, unsigned type, const uint8_t *bytes, size_t len,
    uint64_t now_ms)
{
        struct station_peer *p = find_peer(c, peer);
        struct light_part part;
        enum lx_err err;

        c->now_ms = now_ms;
        if (p == NULL || type != LLP_LIGHT_PART)
                return LX_OK; /* what full nodes tell each other is nothing to us */
        p->bytes_in += len + CONTACT_FRAME_BYTES;
        c->stats.bytes_in += len + CONTACT_FRAME_BYTES;
        c->stats.parts++;
        p->heard_ms = now_ms;
        if (p->shunned)
                return LX_OK;
        err = light_part_decode(bytes, len, &part);
        if (err != LX_OK || p->q_count == 0 || p->q[0]->ask.number != part.number) {
                contact_accuse(c, p, LIGHT_GARBAGE, "a message that answers no question");
                return LX_ERR_FORMAT;
        }
        err = contact_take_part(c, p, &part);
        if (err == LX_OK)
                contact_plan(c, p);
        return err;
}

/* ---- coming and going ---------------------------------------------------------------------------- */

void
llp_contact_up(struct llp_contact *c, uint32_t peer, const struct lx_pubkey *id, const struct llp_hello *hello,
    uint64_t now_ms)
{
        struct station_peer *p;
        struct light_station *s;

        c->now_ms = now_ms;
        if (c->peer_count == LLP_CONTACT_PEERS_MAX || find_peer(c, peer) != NULL)
                return;
        p = lx_alloc(sizeof(*p));
        *p = (struct station_peer){.handle = peer, .id = *id, .claimed = hello->height, .list_known = true};
        c->peer[c->peer_count++] = p;
        s = light_meet(c->options.light, id);
        p->shunned = s->verdict >= LIGHT_WITHHOLDS && contact_wall(c) - s->last_ms < LLP_CONTACT_SHUN_MS;
        s->claimed = hello->height;
        s->contacts++;
        if (c->peer_count == 1)
                light_begin(c->options.light);
        contact_plan(c, p);
}

void
llp_contact_down(struct llp_contact *c, uint32_t peer, uint64_t now_ms)
{
        struct station_peer *p = find_peer(c, peer);
        struct light_station *s;

        c->now_ms = now_ms;
        if (p == NULL)
                return;
        s = light_meet(c->options.light, &p->id);
        s->last_ms = p->shunned ? s->last_ms : contact_wall(c);
        s->bytes_in += p->bytes_in;
        s->bytes_out += p->bytes_out;
        light_part_with(c->options.light, s);
        for (size_t i = 0; i < p->q_count; i++)
                if (p->q[i]->ask.type == LIGHT_BLOB)
                        contact_keep_part(c, p->q[i]);
                else
                        c->stats.wasted += p->q[i]->got.len;
        if (p == contact_active(c))
                lx_buf_reset(&c->pending);
        for (size_t i = 0; i < c->peer_count; i++)
                if (c->peer[i] == p) {
                        memmove(&c->peer[i], &c->peer[i + 1], (c->peer_count - 1 - i) * sizeof(struct station_peer *));
                        c->peer_count--;
                        break;
                }
        free_peer(p);
        if (contact_active(c) != NULL)
                contact_plan(c, contact_active(c));
}

void
llp_contact_tick(struct llp_contact *c, uint64_t now_ms)
{
        c->now_ms = now_ms;
        for (size_t i = 0; i < c->peer_count; i++) {
                struct station_peer *p = c->peer[i];

                if (p->q_count > 0 && now_ms >= p->heard_ms + LLP_CONTACT_ANSWER_MS)
                        contact_accuse(c, p, LIGHT_WITHHOLDS, "it is there and answers nothing");
                else
                        contact_plan(c, p);
        }
}

uint64_t
llp_contact_deadline_ms(const struct llp_contact *c)
{
        uint64_t deadline = UINT64_MAX;

        for (size_t i = 0; i < c->peer_count; i++) {
                const struct station_peer *p = c->peer[i];
                uint64_t at = p->q_count > 0 ? p->heard_ms + LLP_CONTACT_ANSWER_MS : p->next_tip_ms;

                if (p->q_count == 0 && at < p->planned_ms + CONTACT_LOOK_MS)
                        at = p->planned_ms + CONTACT_LOOK_MS; /* what found no room is tried again */

                if (p->go_on)
                        at = c->now_ms;
                if (!p->shunned && contact_budget_left(c) > 0 && at < deadline)
                        deadline = at;
        }
        return deadline;
}

void
llp_contact_get_stats(const struct llp_contact *c, struct llp_contact_stats *out_stats)
{
        const struct light *light = c->options.light;
        const struct station_peer *p = contact_active(c);
        struct lx_hash set;
        uint64_t old, fresh = light_height(light);

        if (p != NULL && p->base != 0) /* in a contact under way, what it proved is new enough */
                fresh = p->base;
        *out_stats = c->stats;
        out_stats->up = c->peer_count;
        for (size_t i = 0; i < light_item_count(light); i++) {
                const struct light_item *item = light_item(light, i);

                out_stats->never += !item->proven;
                out_stats->stale += item->proven && item->height < fresh;
        }
        if (c->options.history != NULL && light_header(light) != NULL &&
            light_height(light) > light_history_count(c->options.history))
                out_stats->history_missing = light_height(light) - light_history_count(c->options.history);
        out_stats->history_doubted = c->history_doubted;
        out_stats->wants_anchor = light_header(light) == NULL;
        out_stats->wants_set = light_wants_set(light, &set);
        out_stats->wants_path = light_wants_path(light, &old);
        out_stats->wants_manifest = light_wants_manifest(light, &set, &old);
        out_stats->done = p != NULL && p->q_count == 0 && p->asked_tip &&
                          (p->no_history || !contact_wants_history(c));
        out_stats->over_budget = p != NULL && contact_budget_left(c) == 0;
}
