/* llp/contact_ask.c - what a light node asks, in the order of its worth. */
#include "config.h"
#include "llp/contact_int.h"

#include "base/mem.h"

#include <string.h>

#define STATE_BYTES 700u /* of a usual state with its proof */
#define LIST_PART 1024u  /* bytes of entries in one LIST */

/* ---- asking -------------------------------------------------------------------------------------- */

struct question *
contact_ask(struct llp_contact *c, struct station_peer *p, const struct light_ask *what)
{
        uint8_t bytes[LIGHT_ASK_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct question *q;
        struct light_ask numbered = *what;

        if (p->q_count == LLP_CONTACT_ASKS_MAX)
                return NULL;
        numbered.number = p->number++;
        light_ask_encode(&numbered, &wr);
        if (lx_writer_end(&wr) != LX_OK ||
            !c->options.net->send(c->options.net->arg, p->handle, LLP_LIGHT_ASK, bytes, wr.len))
                return NULL;
        if (p->q_count == 0)
                p->heard_ms = c->now_ms;
        p->bytes_out += wr.len + CONTACT_FRAME_BYTES;
        c->stats.bytes_out += wr.len + CONTACT_FRAME_BYTES;
        c->stats.asks++;
        q = lx_alloc(sizeof(*q));
        q->ask = numbered;
        q->ask.entries = LX_SPAN(NULL, 0);
        p->q[p->q_count++] = q;
        return q;
}

static bool
is_asking(const struct station_peer *p, enum light_ask_type type)
{
        for (size_t i = 0; i < p->q_count; i++)
                if (p->q[i]->ask.type == type)
                        return true;
        return false;
}

static bool
is_anyone_asking(const struct llp_contact *c, enum light_ask_type type)
{
        for (size_t i = 0; i < c->peer_count; i++)
                if (is_asking(c->peer[i], type))
                        return true;
        return false;
}

static void
ask_tip(struct llp_contact *c, struct station_peer *p)
{
        struct light_ask a = {.type = LIGHT_TIP, .height = light_height(c->options.light), .tip = p->middle};

        memcpy(a.check, light_hash(c->options.light)->b, LIGHT_CHECK_LEN);
        (void)contact_ask(c, p, &a);
        p->next_tip_ms = c->now_ms + LLP_CONTACT_TIP_MS;
}

void
contact_ask_rival(struct llp_contact *c, struct station_peer *p)
{
        struct light_ask a = {.type = LIGHT_TIP, .tip = light_height(c->options.light)};
        struct lx_hash hash;
        struct question *q;

        if (!light_rival_base(c->options.light, &a.height, &hash)) {
                contact_accuse(c, p, LIGHT_FORKS, "its header at the height that is trusted is another one");
                return;
        }
        memcpy(a.check, hash.b, LIGHT_CHECK_LEN);
        q = contact_ask(c, p, &a);
        if (q != NULL)
                q->rival = true;
}

static void
ask_set(struct llp_contact *c, struct station_peer *p, const struct lx_hash *hash)
{
        struct light_ask a = {.type = LIGHT_SET, .hash = *hash};

        if (!lx_hash_eq(&c->partial_hash, hash)) {
                lx_buf_reset(&c->partial);
                c->partial_mixed = false;
        }
        c->partial_hash = *hash;
        a.offset = c->partial.len;
        (void)contact_ask(c, p, &a);
}

/* As much of the list as the station does not know yet, a part at a time. */
void
contact_ask_list(struct llp_contact *c, struct station_peer *p)
{
        struct light_ask a = {.type = LIGHT_LIST, .count = light_item_count(c->options.light), .offset = p->list_have};
        struct lx_buf list = {0};
        struct lx_reader rd;
        struct light_entry entry;
        size_t from, to;

        light_list(c->options.light, &list);
        rd = lx_reader_init(list.p, list.len);
        for (uint64_t i = 0; i < p->list_have; i++)
                light_entry_decode(&rd, &entry);
        from = to = list.len - rd.left;
        while (rd.left > 0 && rd.err == LX_OK) {
                light_entry_decode(&rd, &entry);
                if (list.len - rd.left - from > LIST_PART)
                        break;
                to = list.len - rd.left;
                if (p->list_have == 0) /* it may know more already: its answer says from where to go on */
                        break;
        }
        a.entries = LX_SPAN(list.p + from, to - from);
        light_list_digest(&light_ops(c->options.light)->hash, lx_buf_span(&list), a.digest);
        (void)contact_ask(c, p, &a);
        lx_buf_clear(&list);
}

/* No more than what the budget may still carry. */
static size_t
want_max(const struct llp_contact *c)
{
        uint64_t left = contact_budget_left(c);

        return left / STATE_BYTES >= LIGHT_WANT_MAX ? LIGHT_WANT_MAX : (size_t)(left / STATE_BYTES + 1);
}

/* @ahead: for the tip that is asked for now. */
static void
ask_watched(struct llp_contact *c, struct station_peer *p, bool ahead)
{
        struct light *light = c->options.light;
        struct light_ask a = {.type = LIGHT_WATCH, .tip = ahead ? 0 : light_height(light), .since = light_seen(light)};
        uint64_t from = ahead ? light_height(light) + 1 : p->base;
        struct lx_buf list = {0};
        struct question *q;

        a.listed = light_item_count(light) <= LIGHT_INLINE_MAX;
        if (!a.listed && !p->list_known) {
                contact_ask_list(c, p);
                return;
        }
        a.want_count = light_stale(light, from, a.want, want_max(c));
        light_list(light, &list);
        if (a.listed)
                a.entries = lx_buf_span(&list);
        light_list_digest(&light_ops(light)->hash, lx_buf_span(&list), a.digest);
        q = contact_ask(c, p, &a);
        if (q != NULL)
                q->ahead = ahead;
        lx_buf_clear(&list);
}

static void
ask_path(struct llp_contact *c, struct station_peer *p, uint64_t old)
{
        struct light_ask a = {.type = LIGHT_PATH, .height = old, .tip = light_height(c->options.light)};

        (void)contact_ask(c, p, &a);
}

static void
ask_manifest(struct llp_contact *c, struct station_peer *p, const struct lx_hash *root)
{
        struct light_ask a = {.type = LIGHT_BLOB, .kind = 0, .hash = *root};

        if (!lx_hash_eq(&c->manifest_root, root))
                lx_buf_reset(&c->manifest);
        c->manifest_root = *root;
        a.offset = c->manifest.len;
        (void)contact_ask(c, p, &a);
}

/* With the one that is worked with, after its tip is known. */
static void
plan_rest(struct llp_contact *c, struct station_peer *p)
{
        struct light *light = c->options.light;
        struct lx_hash root;
        uint16_t one;
        uint64_t old, len;

        if (light_item_count(light) > 0 && !is_asking(p, LIGHT_WATCH) && !is_asking(p, LIGHT_LIST) &&
            !p->no_watch && p->claimed >= light_height(light) &&
            (!p->watched || light_stale(light, p->base, &one, 1) > 0))
                ask_watched(c, p, false);
        if (!p->no_manifest && !is_anyone_asking(c, LIGHT_BLOB) && light_wants_manifest(light, &root, &len))
                ask_manifest(c, p, &root);
        if (light_wants_path(light, &old) && !is_asking(p, LIGHT_PATH) && !is_asking(p, LIGHT_LIST) && !p->no_path &&
            p->claimed >= light_height(light))
                ask_path(c, p, old);
        if (contact_wants_history(c) && !p->no_history && p->q_count == 0)
                contact_ask_history(c, p); /* after everything else */
}

static void
plan_tip(struct llp_contact *c, struct station_peer *p)
{
        struct light *light = c->options.light;
        bool newer = p->claimed > light_height(light);

        if (is_asking(p, LIGHT_TIP) || (p->asked_tip && c->now_ms < p->next_tip_ms && p->middle == 0))
                return;
        ask_tip(c, p);
        if (newer && p == contact_active(c) && p->middle == 0 && p->base == 0 && light_item_count(light) > 0 &&
            !is_asking(p, LIGHT_WATCH))
                ask_watched(c, p, true);
}

void
contact_plan(struct llp_contact *c, struct station_peer *p)
{
        struct light *light = c->options.light;
        bool active = p == contact_active(c);
        struct lx_hash set;
        struct light_ask anchor = {.type = LIGHT_ANCHOR, .height = light_height(light)};

        p->planned_ms = c->now_ms;
        if (c->options.history == NULL || !light_history_unsynced(c->options.history))
                p->go_on = false;
        if (p->shunned || contact_budget_left(c) == 0)
                return;
        if (light_header(light) == NULL) {
                if (active && !is_asking(p, LIGHT_ANCHOR))
                        (void)contact_ask(c, p, &anchor);
                return;
        }
        if (light_state(light, contact_wall(c)) != LIGHT_FOLLOWING)
                return;
        if (light_wants_set(light, &set)) {
                if (active && !is_anyone_asking(c, LIGHT_SET))
                        ask_set(c, p, &set);
                return;
        }
        plan_tip(c, p);
        if (active && p->asked_tip && !is_asking(p, LIGHT_TIP))
                plan_rest(c, p);
}
