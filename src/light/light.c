/* light/light.c - see light/light.h: life, trust, heads and sets, items, stations. */
#include "config.h"
#include "light/light_int.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS (24ull * 3600 * 1000)

struct light *
light_new(const struct light_options *options)
{
        struct light *light = lx_alloc(sizeof(*light));

        light->options = *options;
        return light;
}

static void
free_head(struct light_head *head)
{
        lx_buf_clear(&head->cert);
        lx_free(head);
}

void
light_free(struct light *light)
{
        if (light == NULL)
                return;
        for (size_t i = 0; i < light->head_count; i++)
                free_head(light->heads[i]);
        for (size_t i = 0; i < light->set_count; i++)
                lx_buf_clear(&light->sets[i].bytes);
        for (size_t i = 0; i < light->item_count; i++) {
                lx_buf_clear(&light->items[i].value);
                lx_buf_clear(&light->items[i].proof);
        }
        for (size_t i = 0; i < light->evidence_count; i++)
                for (int k = 0; k < 2; k++) {
                        lx_buf_clear(&light->evidence[i].header[k]);
                        lx_buf_clear(&light->evidence[i].cert[k]);
                }
        for (size_t i = 0; i < light->manifest_count; i++)
                lx_buf_clear(&light->manifests[i].bytes);
        lx_free(light->manifests);
        lx_free(light->heads);
        lx_free(light->sets);
        lx_free(light->items);
        lx_buf_clear(&light->changes);
        lx_free(light);
}

const struct lx_hash *
light_chain_id(const struct light *light)
{
        return &light->options.chain_id;
}

const struct lx_crypto_ops *
light_ops(const struct light *light)
{
        return light->options.ops;
}

/* ---- trust --------------------------------------------------------------------------------------- */

static void
name_anchor(struct light *light, uint64_t height, const struct lx_hash *hash)
{
        light->started = true;
        light->anchored = false;
        light->forked = false;
        light->anchor_height = height;
        light->anchor = *hash;
        light_note_start(light);
}

enum lx_err
light_trust(struct light *light, uint64_t height, const struct lx_hash *hash, bool *out_used, struct lx_why *why)
{
        const struct light_head *tip = light_tip(light), *known = light_head_at(light, height);

        *out_used = false;
        if (light->started && light->anchor_height == height && lx_hash_eq(&light->anchor, hash))
                return LX_OK;
        if (known != NULL && !lx_hash_eq(&known->hash, hash) && !light->forked) {
                lx_why_set(why, "--trust %llu: another header of that height was accepted before: one of the two is "
                    "a fork; ask its source, or begin again in a new data directory",
                    (unsigned long long)height);
                return LX_ERR_PROOF;
        }
        if (tip != NULL && (height < tip->header.height || (height == tip->header.height && !light->forked)))
                return LX_OK;
        light_forget_heads(light, height);
        name_anchor(light, height, hash);
        *out_used = true;
        return LX_OK;
}

enum light_state
light_state(const struct light *light, uint64_t now_ms)
{
        const struct light_head *tip = light_tip(light);

        if (!light->anchored || tip == NULL)
                return LIGHT_NEW;
        if (light->forked)
                return LIGHT_FORKED;
        now_ms = light_now(light, now_ms);
        if (now_ms > tip->header.time_ms && now_ms - tip->header.time_ms > light->options.trust_ms)
                return LIGHT_EXPIRED;
        return LIGHT_FOLLOWING;
}

void
light_explain(const struct light *light, uint64_t now_ms, struct lx_why *out)
{
        unsigned long long height = light_height(light);

        switch (light_state(light, now_ms)) {
        case LIGHT_NEW:
                if (!light->started)
                        lx_why_set(out, "nothing is trusted yet: start with --trust HEIGHT:HASH, from somebody you "
                            "trust");
                else
                        lx_why_set(out, "header %llu is trusted, but no station has shown it yet", height);
                return;
        case LIGHT_EXPIRED:
                lx_why_set(out, "the newest verified header (height %llu) is older than the trusting period of %llu "
                    "days: its validators may have given their keys away, so no header is taken any more; restart "
                    "with --trust HEIGHT:HASH of a newer header, from somebody you trust", height,
                    (unsigned long long)(light->options.trust_ms / DAY_MS));
                return;
        case LIGHT_FORKED:
                lx_why_set(out, "two certified headers of height %llu contradict each other, signed by %s: no header "
                    "is taken any more; find out which holds, then restart with --trust HEIGHT:HASH of it", height,
                    light->evidence_count > 0 && light->evidence[light->evidence_count - 1].names[0] != '\0'
                        ? light->evidence[light->evidence_count - 1].names : "different validators");
                return;
        case LIGHT_FOLLOWING:
                lx_why_set(out, "verified up to height %llu", height);
                return;
        }
}

uint64_t
light_now(const struct light *light, uint64_t wall_ms)
{
        return wall_ms > light->floor_ms ? wall_ms : light->floor_ms;
}

void
light_pass(struct light *light, uint64_t elapsed_ms)
{
        light->floor_ms += elapsed_ms;
        if (light->floor_ms - light->stored_floor_ms >= 3600 * 1000)
                light_note_clock(light);
}

uint64_t
light_height(const struct light *light)
{
        return light->anchored ? light_tip(light)->header.height : light->anchor_height;
}

const struct lx_hash *
light_hash(const struct light *light)
{
        return light->anchored ? &light_tip(light)->hash : &light->anchor;
}

const struct ledger_header *
light_header(const struct light *light)
{
        return light->anchored ? &light_tip(light)->header : NULL;
}

/* ---- heads and sets ------------------------------------------------------------------------------ */

struct light_head *
light_tip(const struct light *light)
{
        return light->head_count > 0 ? light->heads[light->head_count - 1] : NULL;
}

struct light_head *
light_head_at(const struct light *light, uint64_t height)
{
        size_t low = 0, high = light->head_count;

        while (low < high) {
                size_t mid = (low + high) / 2;

                if (light->heads[mid]->header.height < height)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low < light->head_count && light->heads[low]->header.height == height ? light->heads[low] : NULL;
}

struct lx_span
light_set_bytes(const struct light *light, const struct lx_hash *hash)
{
        for (size_t i = 0; i < light->set_count; i++)
                if (lx_hash_eq(&light->sets[i].hash, hash))
                        return lx_buf_span(&light->sets[i].bytes);
        return (struct lx_span){NULL, 0};
}

enum lx_err
light_need_set(struct light *light, const struct lx_hash *hash, struct sigchain_valset *out)
{
        struct lx_span bytes = light_set_bytes(light, hash);

        if (bytes.p == NULL) {
                light->wants_set = true;
                light->wanted_set = *hash;
                return LX_ERR_ABSENT;
        }
        return sigchain_valset_decode(bytes.p, bytes.len, out);
}

bool
light_wants_set(const struct light *light, struct lx_hash *out_hash)
{
        if (light->wants_set)
                *out_hash = light->wanted_set;
        return light->wants_set;
}

bool
light_add_set(struct light *light, const struct lx_hash *hash, struct lx_span bytes)
{
        struct light_set *set;

        if (light->wants_set && lx_hash_eq(hash, &light->wanted_set))
                light->wants_set = false;
        if (light_set_bytes(light, hash).p != NULL)
                return false;
        light->sets = lx_realloc(light->sets, (light->set_count + 1) * sizeof(*light->sets));
        set = &light->sets[light->set_count++];
        *set = (struct light_set){.hash = *hash};
        lx_buf_append(&set->bytes, bytes.p, bytes.len);
        return true;
}

struct light_head *
light_add_head(struct light *light, const struct ledger_header *header, const struct lx_hash *hash,
    struct lx_span cert)
{
        struct light_head *head = lx_alloc(sizeof(*head));

        lx_assert(light->head_count == 0 || light_tip(light)->header.height < header->height);
        head->header = *header;
        head->hash = *hash;
        lx_buf_append(&head->cert, cert.p, cert.len);
        light->heads = lx_realloc(light->heads, (light->head_count + 1) * sizeof(struct light_head *));
        light->heads[light->head_count++] = head;
        if (header->time_ms > light->floor_ms)
                light->floor_ms = header->time_ms;
        return head;
}

static bool
is_used(const struct light *light, uint64_t height)
{
        for (size_t i = 0; i < light->item_count; i++)
                if (light->items[i].proven && light->items[i].height == height)
                        return true;
        return false;
}

static bool
is_named(const struct light *light, const struct lx_hash *set)
{
        for (size_t i = 0; i < light->head_count; i++)
                if (lx_hash_eq(&light->heads[i]->header.valset, set) ||
                    lx_hash_eq(&light->heads[i]->header.next_valset, set))
                        return true;
        return light->wants_set && lx_hash_eq(&light->wanted_set, set);
}

void
light_prune(struct light *light)
{
        size_t kept = 0, newest = light->head_count > LIGHT_HEADS_KEPT ? light->head_count - LIGHT_HEADS_KEPT : 0;

        for (size_t i = 0; i < light->head_count; i++) {
                struct light_head *head = light->heads[i];

                if (i >= newest || is_used(light, head->header.height) ||
                    (light->history.count > 0 && light->history.tip == head->header.height))
                        light->heads[kept++] = head;
                else
                        free_head(head);
        }
        light->head_count = kept;
        kept = 0;
        for (size_t i = 0; i < light->set_count; i++) {
                if (is_named(light, &light->sets[i].hash))
                        light->sets[kept++] = light->sets[i];
                else
                        lx_buf_clear(&light->sets[i].bytes);
        }
        light->set_count = kept;
}

void
light_forget_heads(struct light *light, uint64_t height)
{
        while (light->head_count > 0 && light_tip(light)->header.height >= height)
                free_head(light->heads[--light->head_count]);
        for (size_t i = 0; i < light->item_count; i++)
                if (light->items[i].height >= height)
                        light->items[i].proven = false;
}

bool
light_get_head(const struct light *light, uint64_t height, struct ledger_header *out_header,
    struct lx_span *out_cert, struct lx_span *out_set)
{
        const struct light_head *head = light_head_at(light, height);

        if (head == NULL)
                return false;
        *out_header = head->header;
        *out_cert = lx_buf_span(&head->cert);
        *out_set = light_set_bytes(light, &head->header.valset);
        return true;
}

/* ---- items --------------------------------------------------------------------------------------- */

size_t
light_item_count(const struct light *light)
{
        return light->item_count;
}

const struct light_item *
light_item(const struct light *light, size_t index)
{
        lx_assert(index < light->item_count);
        return &light->items[index];
}

const struct light_item *
light_find(const struct light *light, unsigned kind, const void *key, size_t key_len)
{
        for (size_t i = 0; i < light->item_count; i++) {
                const struct light_entry *e = &light->items[i].entry;

                if (e->kind == kind && e->key_len == key_len && memcmp(e->key, key, key_len) == 0) /* public */
                        return &light->items[i];
        }
        return NULL;
}

size_t
light_index(const struct light *light, const struct light_item *item)
{
        return (size_t)(item - light->items);
}

enum lx_err
light_watch(struct light *light, const struct light_entry *entry, size_t *out_index)
{
        const struct light_item *known = light_find(light, entry->kind, entry->key, entry->key_len);

        if (known == NULL && light->item_count == LIGHT_LIST_MAX)
                return LX_ERR_LIMIT;
        if (known == NULL) {
                if ((light->item_count & (light->item_count - 1)) == 0)
                        light->items = lx_realloc(light->items,
                            (light->item_count > 0 ? 2 * light->item_count : 1) * sizeof(*light->items));
                light->items[light->item_count] = (struct light_item){.entry = *entry};
                light_note_item(&light->changes, &light->items[light->item_count]);
                known = &light->items[light->item_count++];
        }
        if (out_index != NULL)
                *out_index = (size_t)(known - light->items);
        return LX_OK;
}

void
light_keep_items(struct light *light, bool (*keep)(void *arg, const struct light_entry *entry), void *arg)
{
        size_t kept = 0;

        for (size_t i = 0; i < light->item_count; i++) {
                struct light_item *item = &light->items[i];

                if (keep(arg, &item->entry)) {
                        light->items[kept++] = *item;
                        continue;
                }
                light_note_drop(&light->changes, &item->entry);
                lx_buf_clear(&item->value);
                lx_buf_clear(&item->proof);
        }
        light->item_count = kept;
}

void
light_list(const struct light *light, struct lx_buf *out)
{
        for (size_t i = 0; i < light->item_count; i++) {
                struct lx_writer wr = lx_writer_init(lx_buf_reserve(out, 2 + SIGCHAIN_KEY_MAX), 2 + SIGCHAIN_KEY_MAX);

                light_entry_encode(&light->items[i].entry, &wr);
                lx_buf_add(out, wr.len);
        }
}

void
light_set_item(struct light_item *item, bool exists, uint64_t height, uint64_t changed, struct lx_span value,
    struct lx_span proof)
{
        struct lx_buf v = {0}, p = {0};

        lx_buf_append(&v, value.p, value.len);
        lx_buf_append(&p, proof.p, proof.len);
        lx_buf_clear(&item->value);
        lx_buf_clear(&item->proof);
        item->value = v;
        item->proof = p;
        item->exists = exists;
        item->height = height;
        item->changed = changed;
        item->proven = true;
}

struct rank {
        uint64_t height; /* 0: never proven */
        uint16_t index;
};

static int
by_age(const void *a, const void *b)
{
        const struct rank *x = a, *y = b;

        if (x->height != y->height)
                return x->height < y->height ? -1 : 1;
        return x->index < y->index ? -1 : 1;
}

size_t
light_stale(const struct light *light, uint64_t height, uint16_t *out, size_t max)
{
        struct rank *ranks = lx_alloc_array(light->item_count + 1, sizeof(*ranks));
        size_t count = 0;

        for (size_t i = 0; i < light->item_count; i++) {
                const struct light_item *item = &light->items[i];

                if (!item->proven || item->height < height)
                        ranks[count++] = (struct rank){item->proven ? item->height + 1 : 0, (uint16_t)i};
        }
        qsort(ranks, count, sizeof(*ranks), by_age);
        if (count > max)
                count = max;
        for (size_t i = 0; i < count; i++)
                out[i] = ranks[i].index;
        lx_free(ranks);
        return count;
}

uint64_t
light_seen(const struct light *light)
{
        uint64_t oldest = light->anchored ? light_height(light) : 0;

        if (light->seen != 0)
                return light->seen;
        for (size_t i = 0; i < light->item_count; i++)
                if (light->items[i].proven && light->items[i].height < oldest)
                        oldest = light->items[i].height;
        return oldest;
}

void
light_set_seen(struct light *light, uint64_t height)
{
        light->seen = height;
}

/* ---- stations ------------------------------------------------------------------------------------ */

struct light_station *
light_meet(struct light *light, const struct lx_pubkey *id)
{
        struct light_station *oldest = NULL;

        for (size_t i = 0; i < light->station_count; i++) {
                struct light_station *s = &light->stations[i];

                if (memcmp(s->id.b, id->b, LX_PUBKEY_LEN) == 0) /* public */
                        return s;
                if (oldest == NULL || s->last_ms < oldest->last_ms)
                        oldest = s;
        }
        if (light->station_count < LIGHT_STATIONS_MAX)
                oldest = &light->stations[light->station_count++];
        *oldest = (struct light_station){.id = *id};
        return oldest;
}

void
light_judge(struct light_station *station, enum light_verdict verdict, const char *reason)
{
        if (verdict < station->verdict)
                return;
        station->verdict = verdict;
        (void)snprintf(station->reason, sizeof(station->reason), "%s", reason);
}

void
light_part_with(struct light *light, struct light_station *station)
{
        light_note_station(&light->changes, station);
}

static int
by_contact(const void *a, const void *b)
{
        const struct light_station *const *x = a, *const *y = b;

        if ((*x)->last_ms != (*y)->last_ms)
                return (*x)->last_ms > (*y)->last_ms ? -1 : 1;
        return memcmp((*x)->id.b, (*y)->id.b, LX_PUBKEY_LEN); /* public */
}

size_t
light_stations(const struct light *light, const struct light_station **out, size_t max)
{
        const struct light_station *all[LIGHT_STATIONS_MAX];
        size_t count = light->station_count < max ? light->station_count : max;

        for (size_t i = 0; i < light->station_count; i++)
                all[i] = &light->stations[i];
        qsort(all, light->station_count, sizeof(all[0]), by_contact);
        for (size_t i = 0; i < count; i++)
                out[i] = all[i];
        return count;
}

const char *
light_verdict_name(enum light_verdict verdict)
{
        static const char *const names[] = {"honest", "behind", "withholds", "forks", "forges", "garbage"};

        return names[verdict];
}

size_t
light_evidence_count(const struct light *light)
{
        return light->evidence_count;
}

const struct light_evidence *
light_evidence(const struct light *light, size_t i)
{
        lx_assert(i < light->evidence_count);
        return &light->evidence[i];
}

const struct light_history_mark *
light_history(const struct light *light)
{
        return &light->history;
}

void
light_set_history(struct light *light, const struct light_history_mark *mark)
{
        light->history = *mark;
        light_note_history(&light->changes, mark);
        light_prune(light);
}

struct lx_buf *
light_changes(struct light *light)
{
        return &light->changes;
}
