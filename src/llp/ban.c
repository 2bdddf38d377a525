/* llp/ban.c - see llp/ban.h. */
#include "config.h"
#include "llp/ban.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define CULPRIT_LEN 33

struct record {
        struct llp_culprit who;
        unsigned points;
        uint64_t since_ms; /* of points */
        unsigned bans;     /* so far */
        uint64_t knock_ms; /* when it would be on its rate again */
        size_t at;
};

struct llp_bans {
        struct lx_map *by_who;
        struct record *records[LLP_CULPRITS_MAX];
        size_t record_count;
        struct llp_ban *bans;
        size_t ban_count, ban_cap;
};

struct llp_culprit
llp_culprit_of_key(const struct lx_pubkey *id)
{
        struct llp_culprit who = {.kind = LLP_CULPRIT_KEY};

        memcpy(who.b, id->b, sizeof(id->b));
        return who;
}

struct llp_culprit
llp_culprit_of_addr(const struct llp_addr *addr)
{
        struct llp_culprit who = {.kind = LLP_CULPRIT_PARTY};
        struct llp_addr party = llp_addr_party(addr);

        memcpy(who.b, party.ip, sizeof(party.ip));
        return who;
}

void
llp_culprit_format(const struct llp_culprit *who, char out[LX_HEX_LEN(32)])
{
        if (who->kind == LLP_CULPRIT_PARTY) {
                struct llp_addr addr = {.port = 0};
                char text[LLP_ADDR_TEXT_MAX];

                memcpy(addr.ip, who->b, sizeof(addr.ip));
                llp_addr_format(&addr, text);
                (void)snprintf(out, LX_HEX_LEN(32), "%s", text);
        } else {
                lx_hex(who->b, sizeof(who->b), out);
        }
}

static bool
same(const struct llp_culprit *a, const struct llp_culprit *b)
{
        return a->kind == b->kind && memcmp(a->b, b->b, sizeof(a->b)) == 0; /* public */
}

struct llp_bans *
llp_bans_new(uint64_t seed)
{
        struct llp_bans *bans = lx_alloc(sizeof(*bans));

        bans->by_who = lx_map_new(seed);
        return bans;
}

void
llp_bans_free(struct llp_bans *bans)
{
        if (bans == NULL)
                return;
        for (size_t i = 0; i < bans->record_count; i++)
                lx_free(bans->records[i]);
        lx_map_free(bans->by_who);
        lx_free(bans->bans);
        lx_free(bans);
}

/* ---- points ------------------------------------------------------------------------------------ */

static struct record *
find_record(const struct llp_bans *bans, const struct llp_culprit *who)
{
        uint8_t key[CULPRIT_LEN] = {who->kind};

        memcpy(key + 1, who->b, sizeof(who->b));
        return lx_map_get(bans->by_who, key, sizeof(key));
}

static void
drop_record(struct llp_bans *bans, struct record *record)
{
        uint8_t key[CULPRIT_LEN] = {record->who.kind};
        struct record *last = bans->records[--bans->record_count];

        memcpy(key + 1, record->who.b, sizeof(record->who.b));
        (void)lx_map_remove(bans->by_who, key, sizeof(key));
        bans->records[record->at] = last;
        last->at = record->at;
        lx_free(record);
}

static unsigned
points_now(const struct record *record, uint64_t now_ms)
{
        uint64_t faded = (now_ms - record->since_ms) / LLP_BAN_FADE_MS;

        return faded >= record->points ? 0 : record->points - (unsigned)faded;
}

/* The least guilty makes place: fewest bans, then points, then the longest quiet. */
static void
make_place(struct llp_bans *bans, uint64_t now_ms)
{
        struct record *least = NULL;

        if (bans->record_count < LLP_CULPRITS_MAX)
                return;
        for (size_t i = 0; i < bans->record_count; i++) {
                struct record *r = bans->records[i];

                if (least == NULL || r->bans < least->bans ||
                    (r->bans == least->bans && points_now(r, now_ms) < points_now(least, now_ms)) ||
                    (r->bans == least->bans && points_now(r, now_ms) == points_now(least, now_ms) &&
                        r->knock_ms < least->knock_ms))
                        least = r;
        }
        drop_record(bans, least);
}

static struct record *
get_record(struct llp_bans *bans, const struct llp_culprit *who, uint64_t now_ms)
{
        struct record *record = find_record(bans, who);
        uint8_t key[CULPRIT_LEN] = {who->kind};

        if (record != NULL)
                return record;
        make_place(bans, now_ms);
        record = lx_alloc(sizeof(*record));
        *record = (struct record){.who = *who, .since_ms = now_ms, .at = bans->record_count};
        bans->records[bans->record_count++] = record;
        memcpy(key + 1, who->b, sizeof(who->b));
        (void)lx_map_put(bans->by_who, key, sizeof(key), record);
        return record;
}

unsigned
llp_bans_points(const struct llp_bans *bans, const struct llp_culprit *who, uint64_t now_ms)
{
        const struct record *record = find_record(bans, who);

        return record != NULL ? points_now(record, now_ms) : 0;
}

bool
llp_bans_punish(struct llp_bans *bans, const struct llp_culprit *who, unsigned points,
    const char *reason, uint64_t now_ms, uint64_t wall_ms)
{
        struct record *record = get_record(bans, who, now_ms);
        uint64_t ban_ms = LLP_BAN_MAX_MS;

        record->points =
            points_now(record, now_ms) + (points < LLP_PUNISH_BAN ? points : LLP_PUNISH_BAN);
        record->since_ms = now_ms;
        if (record->points < LLP_PUNISH_BAN)
                return false;
        if (record->bans < 8 && (LLP_BAN_MS << record->bans) < LLP_BAN_MAX_MS)
                ban_ms = LLP_BAN_MS << record->bans;
        record->bans++;
        record->points = 0;
        llp_bans_add(bans, who, wall_ms + ban_ms, false, reason);
        return true;
}

bool
llp_bans_knock(struct llp_bans *bans, const struct llp_culprit *who, uint64_t now_ms)
{
        struct record *record = get_record(bans, who, now_ms);

        if (record->knock_ms < now_ms)
                record->knock_ms = now_ms;
        if (record->knock_ms + LLP_KNOCK_EVERY_MS > now_ms + LLP_KNOCK_BURST * LLP_KNOCK_EVERY_MS)
                return false;
        record->knock_ms += LLP_KNOCK_EVERY_MS;
        return true;
}

/* ---- bans -------------------------------------------------------------------------------------- */

static struct llp_ban *
find_ban(const struct llp_bans *bans, const struct llp_culprit *who)
{
        for (size_t i = 0; i < bans->ban_count; i++)
                if (same(&bans->bans[i].who, who))
                        return &bans->bans[i];
        return NULL;
}

static void
drop_ban(struct llp_bans *bans, struct llp_ban *ban)
{
        *ban = bans->bans[--bans->ban_count];
}

/* Place for one more ban: the first to end goes. */
static struct llp_ban *
new_ban(struct llp_bans *bans)
{
        struct llp_ban *first = bans->bans;

        if (bans->ban_count < LLP_BANS_MAX) {
                if (bans->ban_count == bans->ban_cap) {
                        bans->ban_cap = bans->ban_cap * 2 + 8;
                        bans->bans = lx_realloc(bans->bans, bans->ban_cap * sizeof(*bans->bans));
                }
                return &bans->bans[bans->ban_count++];
        }
        for (size_t i = 1; i < bans->ban_count; i++)
                if (bans->bans[i].until_ms < first->until_ms)
                        first = &bans->bans[i];
        return first;
}

void
llp_bans_add(struct llp_bans *bans, const struct llp_culprit *who, uint64_t until_ms,
    bool by_operator, const char *reason)
{
        struct llp_ban *ban = find_ban(bans, who);

        if (ban == NULL)
                ban = new_ban(bans);
        *ban = (struct llp_ban){.who = *who, .until_ms = until_ms, .by_operator = by_operator};
        (void)snprintf(ban->reason, sizeof(ban->reason), "%s", reason);
        for (char *p = ban->reason; *p != '\0'; p++)
                if (*p < 0x20 || *p > 0x7e)
                        *p = '?';
}

bool
llp_bans_lift(struct llp_bans *bans, const struct llp_culprit *who)
{
        struct llp_ban *ban = find_ban(bans, who);
        struct record *record = find_record(bans, who);

        if (record != NULL)
                drop_record(bans, record);
        if (ban == NULL)
                return false;
        drop_ban(bans, ban);
        return true;
}

const struct llp_ban *
llp_bans_find(struct llp_bans *bans, const struct llp_culprit *who, uint64_t wall_ms)
{
        struct llp_ban *ban = find_ban(bans, who);

        if (ban == NULL || ban->until_ms > wall_ms)
                return ban;
        drop_ban(bans, ban);
        return NULL;
}

const struct llp_ban *
llp_bans_at(const struct llp_bans *bans, size_t i)
{
        return i < bans->ban_count ? &bans->bans[i] : NULL;
}

/* ---- file -------------------------------------------------------------------------------------- */

void
llp_bans_write(const struct llp_bans *bans, struct lx_writer *wr)
{
        lx_write_u16(wr, (uint16_t)bans->ban_count);
        for (size_t i = 0; i < bans->ban_count; i++) {
                const struct llp_ban *ban = &bans->bans[i];

                lx_write_u8(wr, ban->who.kind);
                lx_write_bytes(wr, ban->who.b, sizeof(ban->who.b));
                lx_write_u64(wr, ban->until_ms);
                lx_write_u8(wr, ban->by_operator);
                lx_write_str8(wr, LX_SPAN(ban->reason, strlen(ban->reason)));
        }
}

static bool
read_ban(struct lx_reader *rd, struct llp_ban *ban)
{
        struct lx_span reason;
        uint8_t by_operator;

        *ban = (struct llp_ban){.who = {.kind = lx_read_u8(rd)}};
        lx_read_bytes(rd, ban->who.b, sizeof(ban->who.b));
        ban->until_ms = lx_read_u64(rd);
        by_operator = lx_read_u8(rd);
        reason = lx_read_str8(rd, LLP_TEXT_MAX);
        if (rd->err == LX_OK && (by_operator > 1 || (ban->who.kind != LLP_CULPRIT_KEY &&
                                                        ban->who.kind != LLP_CULPRIT_PARTY)))
                lx_reader_fail(rd, LX_ERR_FORMAT);
        for (size_t i = 0; i < reason.len; i++)
                if (reason.p[i] < 0x20 || reason.p[i] > 0x7e)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
        ban->by_operator = by_operator == 1;
        if (reason.len > 0)
                memcpy(ban->reason, reason.p, reason.len);
        return rd->err == LX_OK;
}

void
llp_bans_read(struct llp_bans *bans, struct lx_reader *rd)
{
        size_t count = lx_read_u16(rd);

        if (count > LLP_BANS_MAX)
                lx_reader_fail(rd, LX_ERR_RANGE);
        for (size_t i = 0; i < count && rd->err == LX_OK; i++) {
                struct llp_ban ban;

                if (!read_ban(rd, &ban))
                        return;
                if (find_ban(bans, &ban.who) != NULL)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                else
                        *new_ban(bans) = ban;
        }
}
