/* light/keep.c - entries: what is stored of a light node's state, and taking it up again. */
#include "config.h"
#include "light/light_int.h"

#include "base/mem.h"
#include "merkle/proof.h"

#include <string.h>

#define NOTE_MAX (64u + 2 * LEDGER_HEADER_LEN + 2 * LEDGER_CERT_MAX + SIGCHAIN_VALUE_MAX + MERKLE_PROOF_BYTES_MAX)

/* ---- writing ------------------------------------------------------------------------------------- */

static struct lx_writer
begin(struct lx_buf *out, enum light_entry_type type)
{
        struct lx_writer wr = lx_writer_init(lx_buf_reserve(out, NOTE_MAX), NOTE_MAX);

        lx_write_u8(&wr, (uint8_t)type);
        return wr;
}

void
light_note_start(struct light *light)
{
        struct lx_writer wr = begin(&light->changes, LIGHT_E_START);

        lx_write_hash(&wr, &light->options.chain_id);
        lx_write_u64(&wr, light->anchor_height);
        lx_write_hash(&wr, &light->anchor);
        lx_buf_add(&light->changes, wr.len);
}

void
light_note_set(struct lx_buf *out, struct lx_span bytes)
{
        struct lx_writer wr = begin(out, LIGHT_E_SET);

        lx_write_var16(&wr, bytes);
        lx_buf_add(out, wr.len);
}

void
light_note_head(struct lx_buf *out, const struct light_head *head)
{
        struct lx_writer wr = begin(out, LIGHT_E_HEAD);
        uint8_t bytes[LEDGER_HEADER_LEN];

        ledger_header_encode(&head->header, bytes);
        lx_write_bytes(&wr, bytes, sizeof(bytes));
        lx_write_u8(&wr, head->to_link);
        lx_write_var16(&wr, lx_buf_span(&head->cert));
        lx_buf_add(out, wr.len);
}

void
light_note_item(struct lx_buf *out, const struct light_item *item)
{
        struct lx_writer wr = begin(out, LIGHT_E_ITEM);

        light_entry_encode(&item->entry, &wr);
        lx_write_u8(&wr, (uint8_t)((item->proven ? 1 : 0) | (item->exists ? 2 : 0)));
        lx_write_u64(&wr, item->height);
        lx_write_u64(&wr, item->changed);
        lx_write_var16(&wr, lx_buf_span(&item->value));
        lx_write_var16(&wr, lx_buf_span(&item->proof));
        lx_buf_add(out, wr.len);
}

static void
put_clock(const struct light *light, struct lx_buf *out)
{
        struct lx_writer wr = begin(out, LIGHT_E_CLOCK);

        lx_write_u64(&wr, light->floor_ms);
        lx_buf_add(out, wr.len);
}

void
light_note_clock(struct light *light)
{
        put_clock(light, &light->changes);
        light->stored_floor_ms = light->floor_ms;
}

void
light_note_station(struct lx_buf *out, const struct light_station *s)
{
        struct lx_writer wr = begin(out, LIGHT_E_STATION);

        lx_write_bytes(&wr, s->id.b, LX_PUBKEY_LEN);
        lx_write_u64(&wr, s->claimed);
        lx_write_u64(&wr, s->proven);
        lx_write_u64(&wr, s->last_ms);
        lx_write_u64(&wr, s->contacts);
        lx_write_u64(&wr, s->bytes_in);
        lx_write_u64(&wr, s->bytes_out);
        lx_write_u64(&wr, s->behind);
        lx_write_u8(&wr, (uint8_t)s->verdict);
        lx_write_str8(&wr, LX_SPAN(s->reason, strlen(s->reason)));
        lx_buf_add(out, wr.len);
}

void
light_note_evidence(struct lx_buf *out, const struct light_evidence *e)
{
        struct lx_writer wr = begin(out, LIGHT_E_EVIDENCE);

        for (int k = 0; k < 2; k++) {
                lx_write_bytes(&wr, e->header[k].p, LEDGER_HEADER_LEN);
                lx_write_var16(&wr, lx_buf_span(&e->cert[k]));
        }
        lx_write_var16(&wr, LX_SPAN(e->names, strlen(e->names)));
        lx_buf_add(out, wr.len);
}

void
light_note_drop(struct lx_buf *out, const struct light_entry *entry)
{
        struct lx_writer wr = begin(out, LIGHT_E_DROP);

        light_entry_encode(entry, &wr);
        lx_buf_add(out, wr.len);
}

void
light_note_history(struct lx_buf *out, const struct light_history_mark *mark)
{
        struct lx_writer wr = begin(out, LIGHT_E_HISTORY);

        lx_write_u64(&wr, mark->bytes);
        lx_write_u64(&wr, mark->count);
        lx_write_u64(&wr, mark->tip);
        lx_write_u8(&wr, (uint8_t)mark->path_count);
        for (size_t i = 0; i < mark->path_count; i++)
                lx_write_hash(&wr, &mark->path[i]);
        lx_buf_add(out, wr.len);
}

void
light_note_manifest(struct lx_buf *out, struct lx_span bytes)
{
        uint8_t head[5];
        struct lx_writer wr = lx_writer_init(head, sizeof(head));

        lx_write_u8(&wr, LIGHT_E_MANIFEST);
        lx_write_u32(&wr, (uint32_t)bytes.len);
        lx_buf_append(out, head, sizeof(head));
        lx_buf_append(out, bytes.p, bytes.len);
}

/* Whether a release that is watched names it. */
static bool
is_named(const struct light *light, const struct lx_hash *root)
{
        for (size_t i = 0; i < light->item_count; i++) {
                struct lx_hash is;
                uint64_t len;

                if (light_is_release(&light->items[i], &is, &len) && lx_hash_eq(&is, root))
                        return true;
        }
        return false;
}

void
light_snapshot(const struct light *light, struct lx_buf *out)
{
        struct light *mutable = (struct light *)(uintptr_t)light;
        struct lx_buf changes = light->changes;

        mutable->changes = (struct lx_buf){0};
        if (light->started)
                light_note_start(mutable);
        lx_buf_append(out, light->changes.p, light->changes.len);
        lx_buf_clear(&mutable->changes);
        mutable->changes = changes;
        for (size_t i = 0; i < light->set_count; i++)
                light_note_set(out, lx_buf_span(&light->sets[i].bytes));
        for (size_t i = 0; i < light->head_count; i++)
                light_note_head(out, light->heads[i]);
        for (size_t i = 0; i < light->item_count; i++)
                light_note_item(out, &light->items[i]);
        for (size_t i = 0; i < light->manifest_count; i++)
                if (is_named(light, &light->manifests[i].root))
                        light_note_manifest(out, lx_buf_span(&light->manifests[i].bytes));
        for (size_t i = 0; i < light->station_count; i++)
                light_note_station(out, &light->stations[i]);
        for (size_t i = 0; i < light->evidence_count; i++)
                light_note_evidence(out, &light->evidence[i]);
        if (light->history.count > 0)
                light_note_history(out, &light->history);
        put_clock(light, out);
}

/* ---- taking up ----------------------------------------------------------------------------------- */

static void
replay_start(struct light *light, struct lx_reader *rd)
{
        struct lx_hash chain = lx_read_hash(rd);

        light->anchor_height = lx_read_u64(rd);
        light->anchor = lx_read_hash(rd);
        if (rd->err == LX_OK && !lx_hash_eq(&chain, &light->options.chain_id))
                lx_reader_fail(rd, LX_ERR_EXISTS); /* the store is of another network */
        light->started = true;
        light->anchored = light_head_at(light, light->anchor_height) != NULL &&
                          lx_hash_eq(&light_head_at(light, light->anchor_height)->hash, &light->anchor);
        light->forked = false;
        if (!light->anchored)
                light_forget_heads(light, light->anchor_height);
}

static void
replay_head(struct light *light, struct lx_reader *rd)
{
        struct lx_span bytes = lx_read_span(rd, LEDGER_HEADER_LEN);
        bool to_link = lx_read_u8(rd) != 0;
        struct lx_span cert = lx_read_var16(rd, LEDGER_CERT_MAX);
        struct ledger_header header;
        struct light_head *head;
        struct lx_hash hash;

        if (rd->err == LX_OK && ledger_header_decode(bytes.p, bytes.len, &header) != LX_OK)
                lx_reader_fail(rd, LX_ERR_FORMAT);
        if (rd->err != LX_OK)
                return;
        ledger_header_hash(&light->options.ops->hash, &header, &hash);
        head = light_head_at(light, header.height);
        if (head == NULL && light_tip(light) != NULL && light_tip(light)->header.height > header.height)
                return; /* of a head that was forgotten */
        if (head == NULL)
                head = light_add_head(light, &header, &hash, cert);
        head->to_link = to_link;
        if (light->started && header.height >= light->anchor_height)
                light->anchored = true;
}

static void
replay_item(struct light *light, struct lx_reader *rd)
{
        struct light_entry entry = {0};
        uint64_t height, changed;
        struct lx_span value, proof;
        uint8_t flags;
        size_t index;

        light_entry_decode(rd, &entry);
        flags = lx_read_u8(rd);
        height = lx_read_u64(rd);
        changed = lx_read_u64(rd);
        value = lx_read_var16(rd, SIGCHAIN_VALUE_MAX);
        proof = lx_read_var16(rd, MERKLE_PROOF_BYTES_MAX);
        if (rd->err != LX_OK || light_watch(light, &entry, &index) != LX_OK)
                return;
        if ((flags & 1) != 0)
                light_set_item(&light->items[index], (flags & 2) != 0, height, changed, value, proof);
}

static void
replay_station(struct light *light, struct lx_reader *rd)
{
        struct light_station s = {0}, *known;
        struct lx_span reason;

        lx_read_bytes(rd, s.id.b, LX_PUBKEY_LEN);
        s.claimed = lx_read_u64(rd);
        s.proven = lx_read_u64(rd);
        s.last_ms = lx_read_u64(rd);
        s.contacts = lx_read_u64(rd);
        s.bytes_in = lx_read_u64(rd);
        s.bytes_out = lx_read_u64(rd);
        s.behind = lx_read_u64(rd);
        s.verdict = (enum light_verdict)lx_read_u8(rd);
        reason = lx_read_str8(rd, sizeof(s.reason) - 1);
        if (rd->err == LX_OK && s.verdict > LIGHT_GARBAGE)
                lx_reader_fail(rd, LX_ERR_RANGE);
        if (rd->err != LX_OK)
                return;
        memcpy(s.reason, reason.p, reason.len);
        known = light_meet(light, &s.id);
        *known = s;
}

static void
replay_evidence(struct light *light, struct lx_reader *rd)
{
        struct ledger_header header[2];
        struct lx_span cert[2], names;
        char text[LIGHT_NAMES_MAX] = "";

        for (int k = 0; k < 2; k++) {
                struct lx_span bytes = lx_read_span(rd, LEDGER_HEADER_LEN);

                cert[k] = lx_read_var16(rd, LEDGER_CERT_MAX);
                if (rd->err == LX_OK && ledger_header_decode(bytes.p, bytes.len, &header[k]) != LX_OK)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
        }
        names = lx_read_var16(rd, LIGHT_NAMES_MAX - 1);
        if (rd->err != LX_OK)
                return;
        memcpy(text, names.p, names.len);
        light_add_evidence(light, &header[0], cert[0], &header[1], cert[1], text);
        /* A head that the operator named since then is above doubt. */
        light->forked = light_tip(light) != NULL && light_tip(light)->header.height == header[0].height &&
                        !lx_hash_eq(&light_tip(light)->hash, &light->anchor);
}

static void
replay_drop(struct light *light, struct lx_reader *rd)
{
        struct light_entry entry = {0};
        const struct light_item *item;

        light_entry_decode(rd, &entry);
        item = rd->err == LX_OK ? light_find(light, entry.kind, entry.key, entry.key_len) : NULL;
        if (item == NULL)
                return;
        lx_buf_clear(&light->items[item - light->items].value);
        lx_buf_clear(&light->items[item - light->items].proof);
        memmove(light->items + (item - light->items), item + 1,
            (light->item_count - 1 - (size_t)(item - light->items)) * sizeof(*item));
        light->item_count--;
}

static void
replay_history(struct light *light, struct lx_reader *rd)
{
        struct light_history_mark mark = {0};

        mark.bytes = lx_read_u64(rd);
        mark.count = lx_read_u64(rd);
        mark.tip = lx_read_u64(rd);
        mark.path_count = lx_read_u8(rd);
        if (rd->err == LX_OK && (mark.count == 0 || mark.count > mark.tip || mark.path_count > MERKLE_LOG_DEPTH_MAX))
                lx_reader_fail(rd, LX_ERR_RANGE);
        for (size_t i = 0; i < mark.path_count && rd->err == LX_OK; i++)
                mark.path[i] = lx_read_hash(rd);
        if (rd->err == LX_OK)
                light->history = mark;
}

static void
replay_one(struct light *light, struct lx_reader *rd)
{
        uint8_t type = lx_read_u8(rd);
        struct lx_span bytes;
        struct lx_hash hash;

        switch ((enum light_entry_type)type) {
        case LIGHT_E_START:
                replay_start(light, rd);
                return;
        case LIGHT_E_SET:
                bytes = lx_read_var16(rd, SIGCHAIN_VALSET_BYTES_MAX);
                sigchain_valset_hash(&light->options.ops->hash, bytes.p, bytes.len, &hash);
                if (rd->err == LX_OK)
                        (void)light_add_set(light, &hash, bytes);
                return;
        case LIGHT_E_HEAD:
                replay_head(light, rd);
                return;
        case LIGHT_E_ITEM:
                replay_item(light, rd);
                return;
        case LIGHT_E_CLOCK:
                light->floor_ms = lx_read_u64(rd);
                light->stored_floor_ms = light->floor_ms;
                return;
        case LIGHT_E_STATION:
                replay_station(light, rd);
                return;
        case LIGHT_E_EVIDENCE:
                replay_evidence(light, rd);
                return;
        case LIGHT_E_DROP:
                replay_drop(light, rd);
                return;
        case LIGHT_E_HISTORY:
                replay_history(light, rd);
                return;
        case LIGHT_E_MANIFEST:
                bytes = lx_read_var32(rd, LIGHT_MANIFEST_MAX);
                if (rd->err == LX_OK && light_add_manifest(light, bytes, &hash) != LX_OK)
                        lx_reader_fail(rd, LX_ERR_FORMAT);
                return;
        }
        lx_reader_fail(rd, LX_ERR_FORMAT);
}

enum lx_err
light_replay(struct light *light, const uint8_t *bytes, size_t len)
{
        struct lx_reader rd = lx_reader_init(bytes, len);

        while (rd.left > 0 && rd.err == LX_OK)
                replay_one(light, &rd);
        light_prune(light);
        lx_buf_reset(&light->changes);
        return lx_reader_end(&rd);
}
