/* llp/contact_history.c - all headers below the tip, after everything else (light/history.h). */
#include "config.h"
#include "llp/contact_int.h"

#include "base/mem.h"

#include <string.h>

#define HEADER_BYTES 72u /* on the link, with its share of question and proof */

bool
contact_wants_history(const struct llp_contact *c)
{
        const struct light_history *h = c->options.history;

        return h != NULL && !light_history_unsynced(h) &&
               (light_history_next(h) < light_height(c->options.light) || light_history_pending(h) > 0 ||
                   light_history_unproven(h, c->options.light));
}

static void
ask_as_history(struct llp_contact *c, struct station_peer *p, const struct light_ask *a)
{
        struct question *q = contact_ask(c, p, a);

        if (q != NULL)
                q->history = a->type != LIGHT_HISTORY;
}

/* At height 0 its header; where a run ends, or the tip comes next, what is pending needs its proof alone; else more. */
void
contact_ask_history(struct llp_contact *c, struct station_peer *p)
{
        uint64_t next = light_history_next(c->options.history), tip = light_height(c->options.light), count;
        bool alone = light_history_pending(c->options.history) > 0 &&
                     (next % LIGHT_HISTORY_RUN == 0 || next >= tip);
        uint64_t left = contact_budget_left(c) / HEADER_BYTES + 1;
        struct light_ask a = {.type = LIGHT_ANCHOR};

        alone |= light_history_unproven(c->options.history, c->options.light);
        if (p->claimed < tip || next > tip)
                return;
        if (alone) {
                a = (struct light_ask){.type = LIGHT_PATH, .height = next - 1, .tip = tip};
        } else if (next > 0) {
                count = LIGHT_HISTORY_RUN - next % LIGHT_HISTORY_RUN;
                count = count < LLP_CONTACT_HEADERS ? count : LLP_CONTACT_HEADERS;
                count = count < tip - next ? count : tip - next;
                count = count < left ? count : left;
                a = (struct light_ask){.type = LIGHT_HISTORY, .height = next, .count = count, .tip = tip};
        }
        ask_as_history(c, p, &a);
}

/* Who gave what is pending. */
static void
note_giver(struct llp_contact *c, const struct station_peer *p)
{
        if (light_history_pending(c->options.history) == 0)
                c->history_mixed = false;
        else if (memcmp(c->history_by.b, p->id.b, LX_PUBKEY_LEN) != 0) /* public */
                c->history_mixed = true;
        c->history_by = p->id;
}

/*
 * It does not hold: the one who gave it is named; of two nobody knows which, so it is fetched again. A proof of what is
 * stored may also fail because that is of another branch (an operator trusts another header now): nobody is named.
 */
static void
refuse(struct llp_contact *c, struct station_peer *p, enum lx_err err, const struct lx_why *why)
{
        if (light_history_pending(c->options.history) == 0 && light_history_count(c->options.history) > 0) {
                p->no_history = true;
                c->history_doubted = true;
                return;
        }
        c->stats.wasted += light_history_forget(c->options.history);
        if (!c->history_mixed)
                contact_accuse_error(c, p, "history of headers", err, why);
        c->history_mixed = false;
}

static void
prove(struct llp_contact *c, struct station_peer *p, const struct question *q)
{
        struct lx_why why = {{0}};
        enum lx_err err =
            light_history_prove(c->options.history, c->options.light, q->ask.tip, q->got.p, q->got.len, &why);

        if (err == LX_OK) {
                c->history_mixed = false;
                c->history_doubted = false;
                p->go_on = true;
        } else if (err == LX_ERR_ABSENT) {
                c->stats.wasted += light_history_forget(c->options.history); /* its tip is not kept any more */
        } else {
                refuse(c, p, err, &why);
        }
}

void
contact_take_history(struct llp_contact *c, struct station_peer *p, struct question *q, bool last)
{
        struct light_history *h = c->options.history;
        struct lx_reader rd = lx_reader_init(q->got.p, q->got.len);
        struct lx_why why = {{0}};
        enum lx_err err = LX_OK;
        size_t used;

        if (h == NULL || light_history_next(h) != q->ask.height + q->taken) {
                lx_buf_reset(&q->got); /* what it goes on from was forgotten meanwhile */
                return;
        }
        note_giver(c, p);
        while (q->taken < q->ask.count && rd.left > 0 && err == LX_OK) {
                err = light_history_take(h, &rd, &why);
                q->taken += err == LX_OK;
        }
        used = q->got.len - rd.left;
        if (used > 0)
                memmove(q->got.p, q->got.p + used, q->got.len - used);
        q->got.len -= used;
        if ((err != LX_OK && (err != LX_ERR_TRUNCATED || last)) || (last && q->taken < q->ask.count))
                refuse(c, p, err != LX_OK ? err : LX_ERR_TRUNCATED, &why);
        else if (last)
                prove(c, p, q);
}

/* Header 0, or the proof of what is pending. */
void
contact_end_history(struct llp_contact *c, struct station_peer *p, struct question *q)
{
        struct light_history *h = c->options.history;
        struct lx_why why = {{0}};
        enum lx_err err = LX_OK;

        if (h == NULL || light_history_next(h) != (q->ask.type == LIGHT_PATH ? q->ask.height + 1 : 0))
                return;
        note_giver(c, p);
        if (q->ask.type == LIGHT_PATH)
                prove(c, p, q);
        else
                err = light_history_take_first(h, q->got.p, q->got.len, &why);
        if (err != LX_OK)
                refuse(c, p, err, &why);
}
