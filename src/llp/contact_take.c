/* llp/contact_take.c - what a station answered: taken, or the station is named. */
#include "config.h"
#include "llp/contact_int.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

void
contact_accuse_error(struct llp_contact *c, struct station_peer *p, const char *what, enum lx_err err,
    const struct lx_why *why)
{
        bool forged = err == LX_ERR_PROOF || err == LX_ERR_SIGNATURE || err == LX_ERR_UNTRUSTED;
        char reason[160];

        (void)snprintf(reason, sizeof(reason), "%s: %.140s", what, why->text[0] != '\0' ? why->text : lx_err_text(err));
        contact_accuse(c, p, forged ? LIGHT_FORGES : LIGHT_GARBAGE, reason);
}

/* ---- answers: header and sets -------------------------------------------------------------------- */

/* The tip of this contact is known: what is asked next is asked for it. */
static void
settle(struct llp_contact *c, struct station_peer *p)
{
        if (p->base == 0)
                p->base = light_height(c->options.light);
        p->asked_tip = true;
        contact_compare(c, p);
}

static void
took_tip(struct llp_contact *c, struct station_peer *p)
{
        struct light_station *s = contact_record(c, p);
        uint64_t height = light_height(c->options.light);

        s->proven = height;
        if (p->claimed < height)
                p->claimed = height;
        p->middle = 0;
        p->watched = false;
        p->no_path = p->no_watch = false;
        settle(c, p);
        if (p->claimed > height) /* one between: at once the next */
                p->next_tip_ms = c->now_ms;
}

static void
try_tip(struct llp_contact *c, struct station_peer *p, const uint8_t *bytes, size_t len)
{
        struct light *light = c->options.light;
        struct lx_why why = {{0}};
        uint64_t known = light_height(light);
        enum lx_err err = light_take_tip(light, bytes, len, contact_wall(c), &why);

        if (err == LX_OK) {
                took_tip(c, p);
        } else if (err == LX_ERR_ABSENT) {
                if (bytes != c->pending.p) {
                        lx_buf_reset(&c->pending);
                        lx_buf_append(&c->pending, bytes, len);
                }
        } else if (err == LX_ERR_UNTRUSTED && light_state(light, contact_wall(c)) == LIGHT_FOLLOWING) {
                /* Half the way, until it is the next one: for that one everybody trusted has signed. */
                uint64_t wanted = p->middle != 0 ? p->middle : p->claimed;

                if (wanted <= known + 1)
                        contact_accuse_error(c, p, "header", err, &why);
                else
                        p->middle = known + (wanted - known) / 2;
        } else if (err == LX_ERR_EXPIRED || (err == LX_ERR_UNTRUSTED)) {
                settle(c, p); /* nobody's fault: the state says what to do */
        } else {
                contact_accuse_error(c, p, "header", err, &why);
        }
}

static void
take_rival(struct llp_contact *c, struct station_peer *p, const struct question *q)
{
        struct lx_why why = {{0}};
        enum lx_err err =
            light_take_rival(c->options.light, q->ask.height, q->got.p, q->got.len, contact_wall(c), &why);
        char reason[160];

        if (err == LX_OK) {
                const struct light_evidence *e =
                    light_evidence(c->options.light, light_evidence_count(c->options.light) - 1);

                (void)snprintf(reason, sizeof(reason), "another certified header of height %llu; both signed: %.80s",
                    (unsigned long long)e->height, e->names[0] != '\0' ? e->names : "nobody");
                contact_accuse(c, p, LIGHT_FORKS, reason);
        } else if (err == LX_ERR_EXISTS) {
                contact_accuse(c, p, LIGHT_FORGES, "it denied a header that it then showed itself");
        } else if (err == LX_ERR_ABSENT) {
                contact_accuse(c, p, LIGHT_FORKS, "its header at the trusted height is another one, of an unknown set");
        } else {
                contact_accuse_error(c, p, "a rival header", err, &why);
        }
}

static void
take_set(struct llp_contact *c, struct station_peer *p, const uint8_t *bytes, size_t len, bool last)
{
        struct lx_why why = {{0}};
        enum lx_err err;

        c->partial_mixed |= c->partial.len > 0 && memcmp(c->partial_by.b, p->id.b, LX_PUBKEY_LEN) != 0; /* public */
        c->partial_by = p->id;
        lx_buf_append(&c->partial, bytes, len);
        if (c->partial.len > SIGCHAIN_VALSET_BYTES_MAX) {
                lx_buf_reset(&c->partial);
                contact_accuse(c, p, LIGHT_GARBAGE, "a validator set that is too long");
                return;
        }
        if (!last)
                return;
        err = light_take_set(c->options.light, c->partial.p, c->partial.len, &why);
        lx_buf_reset(&c->partial);
        if (err != LX_OK && c->partial_mixed) { /* of two stations: one of them again, from the start */
                c->partial_mixed = false;
                return;
        }
        c->partial_mixed = false;
        if (err != LX_OK) {
                contact_accuse_error(c, p, "validator set", err, &why);
                return;
        }
        if (c->pending.len > 0) {
                struct lx_buf pending = c->pending;

                c->pending = (struct lx_buf){0};
                try_tip(c, p, pending.p, pending.len);
                lx_buf_clear(&pending);
        }
}

/* Bytes of a manifest, behind the length of the whole: it is whole when the release says so. */
static void
take_manifest(struct llp_contact *c, struct station_peer *p, struct question *q)
{
        struct lx_reader rd = lx_reader_init(q->got.p, q->got.len);
        uint64_t total = lx_read_varint(&rd), wanted = 0;
        struct lx_hash root;
        struct lx_why why = {{0}};
        enum lx_err err;

        if (rd.err != LX_OK || !light_wants_manifest(c->options.light, &root, &wanted) ||
            !lx_hash_eq(&root, &c->manifest_root))
                return;
        if (total != wanted || q->ask.offset != c->manifest.len || rd.left == 0 || rd.left > total - q->ask.offset) {
                lx_buf_reset(&c->manifest);
                p->no_manifest = true;
                contact_accuse(c, p, LIGHT_FORGES, "a manifest of another length than the release says");
                return;
        }
        lx_buf_append(&c->manifest, rd.p, rd.left);
        if (c->manifest.len < total)
                return;
        err = light_take_manifest(c->options.light, &root, c->manifest.p, c->manifest.len, &why);
        lx_buf_reset(&c->manifest);
        if (err != LX_OK)
                contact_accuse_error(c, p, "manifest", err, &why);
}

/* What came of a manifest before the contact was lost stays: it goes on there. */
void
contact_keep_part(struct llp_contact *c, const struct question *q)
{
        struct lx_reader rd = lx_reader_init(q->got.p, q->got.len);

        (void)lx_read_varint(&rd);
        if (q->ask.type == LIGHT_BLOB && rd.err == LX_OK && lx_hash_eq(&q->ask.hash, &c->manifest_root) &&
            q->ask.offset == c->manifest.len && c->manifest.len + rd.left < LIGHT_MANIFEST_MAX)
                lx_buf_append(&c->manifest, rd.p, rd.left);
}

/* ---- answers: states ----------------------------------------------------------------------------- */

/* The indices of what changed; false: not all of them are here. */
static bool
read_changed(struct question *q, struct lx_reader *rd)
{
        struct lx_reader look = *rd;
        uint64_t count = lx_read_varint(&look);

        if (look.err == LX_OK && count > LIGHT_LIST_MAX)
                lx_reader_fail(rd, LX_ERR_RANGE);
        for (uint64_t i = 0; i < count && look.err == LX_OK; i++)
                (void)lx_read_varint(&look);
        if (look.err != LX_OK)
                return false;
        q->changed_read = true;
        q->changed_left = count;
        *rd = look;
        return true;
}

/* One state; false: it is not whole, or was refused (then *out_err). */
static bool
take_one(struct llp_contact *c, struct question *q, struct lx_reader *rd, enum lx_err *out_err, struct lx_why *why)
{
        struct lx_reader look = *rd;
        uint64_t index = lx_read_varint(&look);

        if (look.err == LX_OK && index >= light_item_count(c->options.light))
                look.err = LX_ERR_RANGE;
        *out_err = look.err;
        if (look.err == LX_OK) {
                const struct light_item *item = light_item(c->options.light, (size_t)index);
                bool here = item->proven && item->height == light_height(c->options.light);

                *out_err = light_take_state(c->options.light, (size_t)index, &look, why);
                c->stats.repeated += here && *out_err == LX_OK;
        }
        if (*out_err != LX_OK)
                return false;
        *rd = look;
        q->taken++;
        if (q->changed_left > 0)
                q->changed_left--;
        return true;
}

static void
take_watched(struct llp_contact *c, struct station_peer *p, struct question *q, bool last)
{
        struct lx_reader rd = lx_reader_init(q->got.p, q->got.len);
        struct lx_why why = {{0}};
        enum lx_err err = LX_OK;
        size_t used;

        if (q->dead) {
                c->stats.wasted += q->got.len;
                lx_buf_reset(&q->got);
                return;
        }
        if (!q->changed_read && !read_changed(q, &rd))
                err = rd.err;
        while (q->changed_read && rd.left > 0 && take_one(c, q, &rd, &err, &why))
                ;
        used = q->got.len - rd.left;
        memmove(q->got.p, q->got.p + used, q->got.len - used);
        q->got.len -= used;
        if (err == LX_ERR_TRUNCATED && !last)
                err = LX_OK;
        if (err != LX_OK) {
                contact_accuse_error(c, p, "watched state", err, &why);
        } else if (last && q->got.len > 0) {
                contact_accuse(c, p, LIGHT_GARBAGE, "an answer that ends within a state");
        } else if (last && q->taken == 0 && q->ask.want_count > 0) {
                contact_accuse(c, p, LIGHT_WITHHOLDS, "it gives nothing of what is watched");
        } else if (last && q->changed_left == 0) {
                light_set_seen(c->options.light, light_height(c->options.light));
                p->watched = true;
        }
}

/* ---- answers ------------------------------------------------------------------------------------- */

/* A TIP has its answer: what was asked ahead for it can be looked at, or never. */
static void
release_ahead(struct station_peer *p, bool took)
{
        for (size_t i = 0; i < p->q_count; i++)
                if (p->q[i]->ahead) {
                        p->q[i]->ahead = false;
                        p->q[i]->dead = !took;
                }
}

static void
refused_tip(struct llp_contact *c, struct station_peer *p, const struct question *q, enum light_no no)
{
        if (q->rival) {
                contact_accuse(c, p, LIGHT_WITHHOLDS, "it denies the header that is trusted, and shows no other");
        } else if (no == LIGHT_NO_OTHER) {
                contact_ask_rival(c, p);
        } else if (no == LIGHT_NO_BUSY) {
                p->next_tip_ms = c->now_ms + 5000;
        } else if (p->claimed > q->ask.height && q->ask.tip == 0) {
                contact_accuse(c, p, LIGHT_WITHHOLDS, "its hello tells a tip that it then does not have");
        } else {
                if (no == LIGHT_NO_NEWER && p->claimed < q->ask.height)
                        p->claimed = q->ask.height; /* it has come so far since its hello */
                p->middle = 0;
                settle(c, p);
        }
}

static void
refused(struct llp_contact *c, struct station_peer *p, const struct question *q, enum light_no no)
{
        if (q->history) {
                p->no_history = true;
                return;
        }
        switch (q->ask.type) {
        case LIGHT_TIP:
                refused_tip(c, p, q, no);
                return;
        case LIGHT_WATCH:
                if (no == LIGHT_NO_LIST) {
                        p->list_known = false;
                        p->list_have = 0;
                        contact_ask_list(c, p);
                } else if (!q->dead && no != LIGHT_NO_BUSY) {
                        light_judge(contact_record(c, p), LIGHT_WITHHOLDS, no == LIGHT_NO_PRUNED
                            ? "it has pruned the states of its tip" : "it does not prove what is watched");
                        p->no_watch = true;
                }
                return;
        case LIGHT_PATH:
                p->no_path = true;
                return;
        case LIGHT_ANCHOR:
                light_judge(contact_record(c, p), LIGHT_BEHIND, "it does not have the header that is trusted");
                p->shunned = true;
                return;
        case LIGHT_SET:
                light_judge(contact_record(c, p), LIGHT_WITHHOLDS, "it lacks a validator set of its own headers");
                p->shunned = true;
                return;
        case LIGHT_BLOB:
                p->no_manifest = true;
                return;
        case LIGHT_LIST:
        case LIGHT_HISTORY:
                p->no_history |= q->ask.type == LIGHT_HISTORY && no != LIGHT_NO_BUSY;
                return;
        }
}

static void
take_list(struct llp_contact *c, struct station_peer *p, const struct question *q)
{
        struct lx_reader rd = lx_reader_init(q->got.p, q->got.len);
        uint64_t have = lx_read_varint(&rd);

        if (lx_reader_end(&rd) != LX_OK || have > light_item_count(c->options.light) || have <= q->ask.offset) {
                contact_accuse(c, p, LIGHT_GARBAGE, "it does not take the watch list");
                return;
        }
        p->list_have = have;
        p->list_known = have == light_item_count(c->options.light);
}

/* The whole answer is here. */
static void
take_answer(struct llp_contact *c, struct station_peer *p, struct question *q)
{
        struct lx_why why = {{0}};
        enum lx_err err;

        if (q->history) {
                contact_end_history(c, p, q);
                return;
        }
        switch (q->ask.type) {
        case LIGHT_TIP:
                if (q->rival)
                        take_rival(c, p, q);
                else
                        try_tip(c, p, q->got.p, q->got.len);
                return;
        case LIGHT_ANCHOR:
                err = light_take_anchor(c->options.light, q->got.p, q->got.len, &why);
                if (err != LX_OK)
                        contact_accuse_error(c, p, "trusted header", err, &why);
                return;
        case LIGHT_PATH:
                err = q->ask.tip == light_height(c->options.light)
                    ? light_take_path(c->options.light, q->ask.height, q->got.p, q->got.len, &why) : LX_OK;
                if (err != LX_OK)
                        contact_accuse_error(c, p, "history", err, &why);
                return;
        case LIGHT_LIST:
                take_list(c, p, q);
                return;
        case LIGHT_BLOB:
                take_manifest(c, p, q);
                return;
        case LIGHT_SET:
        case LIGHT_WATCH:
        case LIGHT_HISTORY:
                return;
        }
}

static void
drop_first(struct station_peer *p)
{
        contact_free_question(p->q[0]);
        memmove(p->q, p->q + 1, (p->q_count - 1) * sizeof(struct question *));
        p->q_count--;
}

/* The first question has its answer. */
static void
finish(struct llp_contact *c, struct station_peer *p, const struct light_part *part)
{
        struct question *q = p->q[0];
        uint64_t height = light_height(c->options.light);
        bool tip = q->ask.type == LIGHT_TIP && !q->rival;

        /* Others may be asked from in here: the question stands aside first. */
        memmove(p->q, p->q + 1, (p->q_count - 1) * sizeof(struct question *));
        p->q_count--;
        if (part->end == 2)
                refused(c, p, q, (enum light_no)part->no);
        else
                take_answer(c, p, q);
        if (tip && !p->shunned)
                release_ahead(p, light_height(c->options.light) > height);
        contact_free_question(q);
}

enum lx_err
contact_take_part(struct llp_contact *c, struct station_peer *p, const struct light_part *part)
{
        struct question *q = p->q[0];
        bool last = part->end == 1;

        if (part->end != 2 && q->ask.type == LIGHT_SET) {
                take_set(c, p, part->bytes.p, part->bytes.len, last);
                if (last && p->q_count > 0)
                        drop_first(p);
                return LX_OK;
        }
        if (part->end != 2 && q->got.len + part->bytes.len > 2 * LIGHT_LIST_MAX * 64u) {
                contact_accuse(c, p, LIGHT_GARBAGE, "an answer without end");
                return LX_OK;
        }
        if (part->end != 2)
                lx_buf_append(&q->got, part->bytes.p, part->bytes.len);
        if (part->end != 2 && ((q->ask.type == LIGHT_WATCH && !q->ahead) || q->ask.type == LIGHT_HISTORY)) {
                if (q->ask.type == LIGHT_WATCH)
                        take_watched(c, p, q, last);
                else
                        contact_take_history(c, p, q, last);
                if (p->shunned)
                        return LX_OK;
        }
        if (part->end != 0)
                finish(c, p, part);
        return LX_OK;
}
