/* light/pass.c - see light/pass.h. */
#include "config.h"
#include "light/pass.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "light/answer.h"
#include "light/watch.h"
#include "merkle/proof.h"

#include <string.h>

#define STATE_MAX (SIGCHAIN_VALUE_MAX + MERKLE_PROOF_BYTES_MAX + 256u)
#define RECORDS_MAX (2 * LIGHT_LIST_MAX)

static const char MAGIC[8] = {'L', 'X', 'P', 'A', 'S', 'S', '0', '1'};

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- making -------------------------------------------------------------------------------------- */

static void
put_record(struct lx_buf *out, enum light_ask_type type, struct lx_span content)
{
        uint8_t head[5];
        struct lx_writer wr = lx_writer_init(head, sizeof(head));

        lx_write_u8(&wr, (uint8_t)type);
        lx_write_u32(&wr, (uint32_t)content.len);
        lx_buf_append(out, head, wr.len);
        lx_buf_append(out, content.p, content.len);
}

static enum lx_err
put_set(struct ledger_view *view, const struct lx_hash *hash, struct lx_hash *last, struct lx_buf *out)
{
        struct lx_buf bytes = {0};
        enum lx_err err = LX_OK;

        if (lx_hash_eq(hash, last))
                return LX_OK;
        err = ledger_get_valset(view, hash, &bytes);
        if (err == LX_OK)
                put_record(out, LIGHT_SET, lx_buf_span(&bytes));
        *last = *hash;
        lx_buf_clear(&bytes);
        return err;
}

/* One step from @known as far as its set vouches; *out_told: how far. */
static enum lx_err
put_step(struct ledger_view *view, uint64_t known, struct lx_hash *last_set, struct lx_buf *out, uint64_t *out_told)
{
        struct light_ask ask = {.type = LIGHT_TIP, .height = known};
        struct ledger_narrow_known from = {0};
        struct ledger_header header;
        struct lx_buf answer = {0}, content = {0};
        struct lx_reader rd;
        enum lx_err err = ledger_get_header(view, known, &from.header);

        if (err == LX_OK) {
                ledger_header_hash(ops(), &from.header, &from.hash);
                memcpy(ask.check, from.hash.b, LIGHT_CHECK_LEN);
                err = light_answer(view, NULL, &ask, LX_SPAN(NULL, 0), &answer, out_told);
        }
        rd = lx_reader_init(answer.p, answer.len);
        if (err == LX_OK)
                err = ledger_narrow_decode(ops(), &from, &rd, &header);
        if (err == LX_OK)
                err = put_set(view, &from.header.next_valset, last_set, out);
        if (err == LX_OK)
                err = put_set(view, &header.valset, last_set, out);
        if (err == LX_OK) {
                ledger_header_encode(&header, lx_buf_reserve(&content, LEDGER_HEADER_LEN));
                lx_buf_add(&content, LEDGER_HEADER_LEN);
                lx_buf_append(&content, rd.p, rd.left);
                put_record(out, LIGHT_TIP, lx_buf_span(&content));
                err = put_set(view, &header.next_valset, last_set, out);
        }
        lx_buf_clear(&answer);
        lx_buf_clear(&content);
        return err;
}

/* One state at the tip; of a name *out_target gets what it points to. */
static enum lx_err
put_state(struct ledger_view *view, const struct light_entry *entry, struct lx_buf *out, struct light_entry *out_target)
{
        uint64_t height = ledger_view_header(view)->height;
        struct lx_buf value = {0}, proof = {0}, content = {0};
        struct lx_writer wr;
        enum lx_err err = ledger_get_state(
            view, (enum sigchain_kind)entry->kind, entry->key, entry->key_len, height, &value, NULL);
        bool exists = err == LX_OK;

        if (err == LX_OK || err == LX_ERR_ABSENT)
                err = ledger_prove_state(
                    view, (enum sigchain_kind)entry->kind, entry->key, entry->key_len, height, &proof);
        if (err == LX_OK) {
                wr = lx_writer_init(lx_buf_reserve(&content, STATE_MAX), STATE_MAX);
                light_entry_encode(entry, &wr);
                light_state_encode(entry, exists ? lx_buf_span(&value) : LX_SPAN(NULL, 0), lx_buf_span(&proof), &wr);
                err = lx_writer_end(&wr);
                lx_buf_add(&content, wr.len);
        }
        if (err == LX_OK)
                put_record(out, LIGHT_WATCH, lx_buf_span(&content));
        if (!exists || !light_target_of(entry, lx_buf_span(&value), out_target))
                out_target->kind = 0;
        lx_buf_clear(&value);
        lx_buf_clear(&proof);
        lx_buf_clear(&content);
        return err;
}

static enum lx_err
put_path(struct ledger_view *view, uint64_t from, struct lx_buf *out)
{
        struct light_ask ask = {.type = LIGHT_PATH, .height = from, .tip = ledger_view_header(view)->height};
        struct lx_buf content = {0};
        uint64_t told;
        enum lx_err err;

        lx_put_be64(lx_buf_reserve(&content, 8), from);
        lx_buf_add(&content, 8);
        err = light_answer(view, NULL, &ask, LX_SPAN(NULL, 0), &content, &told);
        if (err == LX_OK)
                put_record(out, LIGHT_PATH, lx_buf_span(&content));
        lx_buf_clear(&content);
        return err;
}

enum lx_err
light_pass_make(struct ledger_view *view, uint64_t from, const struct light_entry *entries, size_t count,
    struct lx_buf *out, struct lx_why *why)
{
        uint64_t tip = ledger_view_header(view)->height, at = from;
        struct lx_buf pass = {0};
        struct lx_hash last_set = {{0}}, sum;
        struct light_entry target;
        enum lx_err err = from < tip ? LX_OK : LX_ERR_RANGE;

        if (err == LX_ERR_RANGE)
                lx_why_set(why, "the pass begins at %llu, and the tip is %llu: there is nothing above it",
                    (unsigned long long)from, (unsigned long long)tip);
        lx_buf_append(&pass, MAGIC, sizeof(MAGIC));
        lx_buf_append(&pass, ledger_view_header(view)->chain_id.b, LX_HASH_LEN);
        lx_put_be64(lx_buf_reserve(&pass, 8), tip);
        lx_buf_add(&pass, 8);
        while (err == LX_OK && at < tip)
                err = put_step(view, at, &last_set, &pass, &at);
        for (size_t i = 0; i < count && err == LX_OK; i++) {
                err = put_state(view, &entries[i], &pass, &target);
                if (err == LX_OK && target.kind != 0)
                        err = put_state(view, &target, &pass, &target);
                if (pass.len > LIGHT_PASS_MAX - LX_HASH_LEN)
                        err = LX_ERR_LIMIT;
        }
        if (err == LX_OK)
                err = put_path(view, from, &pass);
        if (err == LX_OK) {
                lx_hash1(ops(), &LX_TAG_LIGHT, pass.p, pass.len, &sum);
                lx_buf_append(out, pass.p, pass.len);
                lx_buf_append(out, sum.b, LX_HASH_LEN);
        }
        lx_buf_clear(&pass);
        return err;
}

/* ---- taking -------------------------------------------------------------------------------------- */

struct taking {
        struct light *light;
        uint64_t now_ms;
        struct light_pass_result result;
        struct lx_hash set;     /* the last that came */
        struct lx_span sets[8]; /* the last ones, for those that are asked for */
        size_t set_count;
};

/* Give the machine the set it asks for, if the pass has it. */
static bool
give_set(struct taking *t, struct lx_why *why)
{
        struct lx_hash wanted, is;

        if (!light_wants_set(t->light, &wanted))
                return false;
        for (size_t i = 0; i < t->set_count; i++) {
                sigchain_valset_hash(ops(), t->sets[i].p, t->sets[i].len, &is);
                if (lx_hash_eq(&is, &wanted))
                        return light_take_set(t->light, t->sets[i].p, t->sets[i].len, why) == LX_OK;
        }
        return false;
}

static void
note_set(struct taking *t, struct lx_span bytes, struct lx_why *why)
{
        if (t->set_count == sizeof(t->sets) / sizeof(t->sets[0])) {
                memmove(t->sets, t->sets + 1, sizeof(t->sets) - sizeof(t->sets[0]));
                t->set_count--;
        }
        t->sets[t->set_count++] = bytes;
        (void)give_set(t, why);
}

static enum lx_err
take_header(struct taking *t, struct lx_span content, struct lx_why *why)
{
        struct lx_reader rd = lx_reader_init(content.p, content.len);
        struct lx_span bytes = lx_read_span(&rd, LEDGER_HEADER_LEN);
        struct ledger_header header;
        enum lx_err err = rd.err != LX_OK ? rd.err : ledger_header_decode(bytes.p, bytes.len, &header);

        if (err == LX_OK && header.height <= light_height(t->light))
                return LX_OK; /* it has come further */
        if (err == LX_OK)
                err = light_take_header(t->light, &header, LX_SPAN(rd.p, rd.left), t->now_ms, why);
        while (err == LX_ERR_ABSENT && give_set(t, why)) {
                if (why != NULL)
                        why->text[0] = '\0';
                err = light_take_header(t->light, &header, LX_SPAN(rd.p, rd.left), t->now_ms, why);
        }
        t->result.headers += err == LX_OK;
        (void)give_set(t, why);
        return err;
}

static enum lx_err
take_state(struct taking *t, struct lx_span content, struct lx_why *why)
{
        struct lx_reader rd = lx_reader_init(content.p, content.len);
        struct light_entry entry = {0};
        const struct light_item *item;
        enum lx_err err;

        light_entry_decode(&rd, &entry);
        if (rd.err != LX_OK)
                return rd.err;
        item = light_find(t->light, entry.kind, entry.key, entry.key_len);
        if (item == NULL) {
                t->result.unwatched++;
                return LX_OK;
        }
        if (light_height(t->light) != t->result.height)
                return LX_OK; /* proven at a header that it has not, being further */
        err = light_take_state(t->light, light_index(t->light, item), &rd, why);
        if (err == LX_OK)
                err = lx_reader_end(&rd);
        t->result.states += err == LX_OK;
        (void)light_watch_targets(t->light);
        return err;
}

static enum lx_err
take_path(struct taking *t, struct lx_span content, struct lx_why *why)
{
        struct lx_reader rd = lx_reader_init(content.p, content.len);
        uint64_t old = lx_read_u64(&rd), wanted;

        if (rd.err != LX_OK)
                return rd.err;
        if (light_height(t->light) != t->result.height || !light_wants_path(t->light, &wanted) || wanted != old)
                return LX_OK; /* of another header than the one it comes from */
        return light_take_path(t->light, old, rd.p, rd.left, why);
}

static enum lx_err
take_record(struct taking *t, struct lx_reader *rd, struct lx_why *why)
{
        uint8_t type = lx_read_u8(rd);
        struct lx_span content = lx_read_var32(rd, LIGHT_PASS_MAX);

        if (rd->err != LX_OK)
                return rd->err;
        switch (type) {
        case LIGHT_SET:
                note_set(t, content, NULL);
                return LX_OK;
        case LIGHT_TIP:
                return take_header(t, content, why);
        case LIGHT_WATCH:
                return take_state(t, content, why);
        case LIGHT_PATH:
                return take_path(t, content, why);
        default:
                return LX_ERR_FORMAT;
        }
}

/* Whole, undamaged, of this network. */
static enum lx_err
check_whole(const struct light *light, const uint8_t *bytes, size_t len, uint64_t *out_height, struct lx_why *why)
{
        struct lx_reader rd = lx_reader_init(bytes, len);
        struct lx_span magic = lx_read_span(&rd, sizeof(MAGIC));
        struct lx_hash chain = lx_read_hash(&rd), sum;

        *out_height = lx_read_u64(&rd);
        if (rd.err != LX_OK || len > LIGHT_PASS_MAX || rd.left < LX_HASH_LEN ||
            memcmp(magic.p, MAGIC, sizeof(MAGIC)) != 0) { /* public */
                lx_why_set(why, "it is no pass file");
                return LX_ERR_FORMAT;
        }
        lx_hash1(ops(), &LX_TAG_LIGHT, bytes, len - LX_HASH_LEN, &sum);
        if (memcmp(sum.b, bytes + len - LX_HASH_LEN, LX_HASH_LEN) != 0) { /* public */
                lx_why_set(why, "the pass file is damaged or cut off: send it again");
                return LX_ERR_CORRUPT;
        }
        if (!lx_hash_eq(&chain, light_chain_id(light))) {
                lx_why_set(why, "the pass file is of another network");
                return LX_ERR_EXISTS;
        }
        return LX_OK;
}

enum lx_err
light_pass_take(struct light *light, const uint8_t *bytes, size_t len, uint64_t now_ms,
    struct light_pass_result *out_result, struct lx_why *why)
{
        struct taking t = {.light = light, .now_ms = now_ms};
        struct lx_reader rd;
        enum lx_err err = check_whole(light, bytes, len, &t.result.height, why);

        if (err != LX_OK)
                return err;
        if (light_header(light) == NULL) {
                light_explain(light, now_ms, why);
                return LX_ERR_UNTRUSTED;
        }
        light_begin(light);
        rd = lx_reader_init(bytes + LIGHT_PASS_HEAD, len - LIGHT_PASS_HEAD - LX_HASH_LEN);
        for (size_t i = 0; rd.left > 0 && err == LX_OK; i++)
                err = i < RECORDS_MAX ? take_record(&t, &rd, why) : LX_ERR_LIMIT;
        *out_result = t.result;
        return err;
}
