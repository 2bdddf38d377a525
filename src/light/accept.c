/* light/accept.c - what a light node takes from others, after it has verified it. */
#include "config.h"
#include "light/light_int.h"

#include "base/mem.h"
#include "crypto/tags.h"
#include "merkle/proof.h"

#include <string.h>

static const struct lx_hash_ops *
ops(const struct light *light)
{
        return &light->options.ops->hash;
}

/* ---- anchor and sets ----------------------------------------------------------------------------- */

enum lx_err
light_take_anchor(struct light *light, const uint8_t *bytes, size_t len, struct lx_why *why)
{
        struct ledger_header header;
        struct lx_hash hash;
        enum lx_err err = ledger_header_decode(bytes, len, &header);

        if (err != LX_OK)
                return err;
        ledger_header_hash(ops(light), &header, &hash);
        if (!light->started || light->anchored || header.height != light->anchor_height ||
            !lx_hash_eq(&hash, &light->anchor) || !lx_hash_eq(&header.chain_id, &light->options.chain_id)) {
                lx_why_set(why, "header %llu is not the one that you trust", (unsigned long long)header.height);
                return LX_ERR_PROOF;
        }
        light->anchored = true;
        light_note_head(&light->changes, light_add_head(light, &header, &hash, LX_SPAN(NULL, 0)));
        light_prune(light);
        if (light_set_bytes(light, &header.next_valset).p == NULL) {
                light->wants_set = true;
                light->wanted_set = header.next_valset;
        }
        return LX_OK;
}

enum lx_err
light_take_set(struct light *light, const uint8_t *bytes, size_t len, struct lx_why *why)
{
        struct sigchain_valset *set;
        struct lx_hash hash;
        enum lx_err err;

        sigchain_valset_hash(ops(light), bytes, len, &hash);
        if (!light->wants_set || !lx_hash_eq(&hash, &light->wanted_set)) {
                lx_why_set(why, "the validator set is not the one that the header names");
                return LX_ERR_PROOF;
        }
        set = lx_alloc(sizeof(*set));
        err = sigchain_valset_decode(bytes, len, set);
        lx_free(set);
        if (err == LX_OK && light_add_set(light, &hash, LX_SPAN(bytes, len)))
                light_note_set(&light->changes, LX_SPAN(bytes, len));
        return err;
}

/* ---- the skip rule ------------------------------------------------------------------------------- */

struct step {
        struct ledger_header header;
        struct lx_hash hash;
        struct lx_span cert;
        struct sigchain_valset trusted, set;
};

static enum lx_err
read_step(struct light *light, const struct light_head *from, const uint8_t *bytes, size_t len, struct step *step)
{
        struct ledger_narrow_known known = {.header = from->header, .hash = from->hash};
        struct lx_reader rd = lx_reader_init(bytes, len);
        enum lx_err err = ledger_narrow_decode(ops(light), &known, &rd, &step->header);

        if (err != LX_OK)
                return err;
        step->cert = LX_SPAN(rd.p, rd.left);
        ledger_header_hash(ops(light), &step->header, &step->hash);
        return LX_OK;
}

/* Whether the validators trusted at @from vouch for the header. */
static enum lx_err
judge_step(struct light *light, const struct light_head *from, struct step *step, uint64_t now_ms,
    struct lx_why *why)
{
        struct ledger_trust trust = {.chain_id = light->options.chain_id, .height = from->header.height,
            .header = from->hash, .next_valset = from->header.next_valset, .time_ms = from->header.time_ms};
        enum lx_err err = light_need_set(light, &from->header.next_valset, &step->trusted);

        if (err == LX_OK)
                err = light_need_set(light, &step->header.valset, &step->set);
        if (err == LX_ERR_ABSENT) {
                lx_why_set(why, "a validator set is missing");
                return err;
        }
        if (err == LX_OK)
                err = ledger_cert_skip(light->options.ops, &trust, &step->trusted, &step->header, &step->set,
                    step->cert.p, step->cert.len, light_now(light, now_ms), light->options.trust_ms);
        if (err == LX_ERR_EXPIRED)
                light_explain(light, now_ms, why);
        else if (err != LX_OK)
                lx_why_set(why, "header %llu is not vouched for by the validators that are trusted at height %llu: %s",
                    (unsigned long long)step->header.height, (unsigned long long)from->header.height,
                    lx_err_text(err));
        return err;
}

/* The tip moves to the header of @step if it is vouched for. */
static enum lx_err
move_on(struct light *light, struct step *step, uint64_t now_ms, struct lx_why *why)
{
        enum lx_err err = judge_step(light, light_tip(light), step, now_ms, why);

        if (err != LX_OK)
                return err;
        light_note_head(&light->changes, light_add_head(light, &step->header, &step->hash, step->cert));
        light_note_clock(light);
        light_prune(light);
        /* Without it nothing above can be judged: better asked for while somebody answers. */
        if (light_set_bytes(light, &step->header.next_valset).p == NULL) {
                light->wants_set = true;
                light->wanted_set = step->header.next_valset;
        }
        return LX_OK;
}

/* Whether headers are taken at all. */
static enum lx_err
may_move(const struct light *light, uint64_t now_ms, struct lx_why *why)
{
        enum light_state state = light_state(light, now_ms);

        if (state == LIGHT_FOLLOWING)
                return LX_OK;
        light_explain(light, now_ms, why);
        return state == LIGHT_EXPIRED ? LX_ERR_EXPIRED : LX_ERR_UNTRUSTED;
}

enum lx_err
light_take_tip(struct light *light, const uint8_t *bytes, size_t len, uint64_t now_ms, struct lx_why *why)
{
        struct step *step;
        enum lx_err err = may_move(light, now_ms, why);

        if (err != LX_OK)
                return err;
        step = lx_alloc(sizeof(*step));
        err = read_step(light, light_tip(light), bytes, len, step);
        if (err == LX_OK)
                err = move_on(light, step, now_ms, why);
        lx_free(step);
        return err;
}

enum lx_err
light_take_header(struct light *light, const struct ledger_header *header, struct lx_span cert, uint64_t now_ms,
    struct lx_why *why)
{
        struct step *step;
        enum lx_err err = may_move(light, now_ms, why);

        if (err != LX_OK)
                return err;
        step = lx_alloc(sizeof(*step));
        step->header = *header;
        step->cert = cert;
        ledger_header_hash(ops(light), header, &step->hash);
        err = move_on(light, step, now_ms, why);
        lx_free(step);
        return err;
}

/* ---- forks --------------------------------------------------------------------------------------- */

bool
light_rival_base(const struct light *light, uint64_t *out_height, struct lx_hash *out_hash)
{
        for (size_t i = light->head_count; light->anchored && i-- > 1;) {
                const struct light_head *head = light->heads[i - 1];

                if (light_set_bytes(light, &head->header.next_valset).p == NULL)
                        continue;
                *out_height = head->header.height;
                *out_hash = head->hash;
                return true;
        }
        return false;
}

enum lx_err
light_take_rival(struct light *light, uint64_t from, const uint8_t *bytes, size_t len, uint64_t now_ms,
    struct lx_why *why)
{
        struct light_head *base = light_head_at(light, from), *tip = light_tip(light);
        struct sigchain_valset *mine = lx_alloc(sizeof(*mine));
        struct step *step = lx_alloc(sizeof(*step));
        char names[LIGHT_NAMES_MAX] = "";
        enum lx_err err = base != NULL && tip != NULL && base != tip ? LX_OK : LX_ERR_RANGE;

        if (err == LX_OK)
                err = read_step(light, base, bytes, len, step);
        if (err == LX_OK && step->header.height != tip->header.height)
                err = LX_ERR_RANGE;
        if (err == LX_OK && lx_hash_eq(&step->hash, &tip->hash))
                err = LX_ERR_EXISTS;
        if (err == LX_OK)
                err = judge_step(light, base, step, now_ms, why);
        if (err == LX_OK && light_need_set(light, &tip->header.valset, mine) == LX_OK && tip->cert.len > 0)
                light_name_culprits(mine, lx_buf_span(&tip->cert), &step->set, step->cert, names);
        if (err == LX_OK) {
                light_add_evidence(light, &tip->header, lx_buf_span(&tip->cert), &step->header, step->cert, names);
                light_note_evidence(&light->changes, &light->evidence[light->evidence_count - 1]);
                light->forked = true;
        }
        lx_free(step);
        lx_free(mine);
        return err;
}

static bool
has_signed(struct lx_span cert, size_t index)
{
        return 4 + index / 8 < cert.len && (cert.p[4 + index / 8] >> (7 - index % 8) & 1) != 0;
}

void
light_name_culprits(const struct sigchain_valset *a_set, struct lx_span a, const struct sigchain_valset *b_set,
    struct lx_span b, char out[LIGHT_NAMES_MAX])
{
        size_t len = 0;

        out[0] = '\0';
        for (size_t i = 0; i < a_set->count; i++)
                for (size_t k = 0; k < b_set->count; k++) {
                        const struct sigchain_validator *v = &a_set->v[i];

                        if (memcmp(v->key.b, b_set->v[k].key.b, LX_PUBKEY_LEN) != 0 || /* public */
                            !has_signed(a, i) || !has_signed(b, k) || len + v->name.len + 3 > LIGHT_NAMES_MAX)
                                continue;
                        if (len > 0)
                                out[len++] = ',';
                        memcpy(out + len, v->name.p, v->name.len);
                        len += v->name.len;
                        out[len] = '\0';
                }
}

static void
put_header(struct lx_buf *out, const struct ledger_header *header)
{
        uint8_t bytes[LEDGER_HEADER_LEN];

        ledger_header_encode(header, bytes);
        lx_buf_append(out, bytes, sizeof(bytes));
}

void
light_add_evidence(struct light *light, const struct ledger_header *a, struct lx_span a_cert,
    const struct ledger_header *b, struct lx_span b_cert, const char *names)
{
        struct light_evidence *e;

        if (light->evidence_count == LIGHT_EVIDENCE_MAX) { /* the oldest gives way */
                for (int k = 0; k < 2; k++) {
                        lx_buf_clear(&light->evidence[0].header[k]);
                        lx_buf_clear(&light->evidence[0].cert[k]);
                }
                memmove(light->evidence, light->evidence + 1,
                    (LIGHT_EVIDENCE_MAX - 1) * sizeof(light->evidence[0]));
                light->evidence_count--;
        }
        e = &light->evidence[light->evidence_count++];
        *e = (struct light_evidence){.height = a->height};
        ledger_header_hash(ops(light), a, &e->hash[0]);
        ledger_header_hash(ops(light), b, &e->hash[1]);
        put_header(&e->header[0], a);
        put_header(&e->header[1], b);
        lx_buf_append(&e->cert[0], a_cert.p, a_cert.len);
        lx_buf_append(&e->cert[1], b_cert.p, b_cert.len);
        strncpy(e->names, names, LIGHT_NAMES_MAX - 1);
}

/* ---- history ------------------------------------------------------------------------------------- */

void
light_begin(struct light *light)
{
        struct light_head *tip = light_tip(light);

        if (!light->anchored || tip->to_link)
                return;
        tip->to_link = true;
        light_note_head(&light->changes, tip);
}

bool
light_wants_path(const struct light *light, uint64_t *out_old)
{
        for (size_t i = 0; light->anchored && i + 1 < light->head_count; i++)
                if (light->heads[i]->to_link) {
                        *out_old = light->heads[i]->header.height;
                        return true;
                }
        return false;
}

/* The root of the first @index leaves: the left hashes of an inclusion proof are its complete subtrees. */
static void
root_before(const struct lx_hash_ops *h, uint64_t index, uint64_t size, const struct lx_hash *path, size_t count,
    struct lx_hash *out)
{
        uint64_t fn = index, sn = size - 1;
        bool any = false;

        merkle_log_empty_root(h, out);
        for (size_t i = 0; i < count; i++) {
                if ((fn & 1) != 0 || fn == sn) {
                        if (any)
                                lx_hash_pair(h, &LX_TAG_NODE, &path[i], out, out);
                        else
                                *out = path[i];
                        any = true;
                        while ((fn & 1) == 0 && fn != 0) {
                                fn >>= 1;
                                sn >>= 1;
                        }
                }
                fn >>= 1;
                sn >>= 1;
        }
}

enum lx_err
light_take_path(struct light *light, uint64_t old, const uint8_t *bytes, size_t len, struct lx_why *why)
{
        struct light_head *head = light_head_at(light, old), *tip = light_tip(light);
        struct lx_hash path[MERKLE_LOG_DEPTH_MAX], leaf, before;
        struct lx_reader rd = lx_reader_init(bytes, len);
        size_t count = len / LX_HASH_LEN;

        if (head == NULL || tip == NULL || old >= tip->header.height)
                return LX_ERR_RANGE;
        if (len % LX_HASH_LEN != 0 || count > MERKLE_LOG_DEPTH_MAX)
                return LX_ERR_FORMAT;
        for (size_t i = 0; i < count; i++)
                path[i] = lx_read_hash(&rd);
        merkle_log_leaf(ops(light), head->hash.b, LX_HASH_LEN, &leaf);
        if (merkle_log_verify(ops(light), &leaf, old, tip->header.height, path, count,
                &tip->header.history_root) != LX_OK) {
                lx_why_set(why, "header %llu is not in the history of header %llu", (unsigned long long)old,
                    (unsigned long long)tip->header.height);
                return LX_ERR_PROOF;
        }
        root_before(ops(light), old, tip->header.height, path, count, &before);
        if (!lx_hash_eq(&before, &head->header.history_root)) {
                lx_why_set(why, "the history of header %llu is not the beginning of that of header %llu",
                    (unsigned long long)old, (unsigned long long)tip->header.height);
                return LX_ERR_PROOF;
        }
        head->to_link = false;
        light_note_head(&light->changes, head);
        return LX_OK;
}

/* ---- states -------------------------------------------------------------------------------------- */

static bool
is_same(const struct light_item *item, bool exists, const struct lx_buf *value)
{
        return item->proven && item->exists == exists && item->value.len == value->len &&
               (value->len == 0 || memcmp(item->value.p, value->p, value->len) == 0); /* public */
}

enum lx_err
light_take_state(struct light *light, size_t index, struct lx_reader *rd, struct lx_why *why)
{
        struct light_item *item = &light->items[index];
        const struct light_head *tip = light_tip(light);
        struct lx_buf value = {0};
        struct lx_span proof;
        struct lx_hash key, hash;
        struct lx_reader pr;
        bool exists;
        enum lx_err err = light->anchored ? light_state_decode(rd, &item->entry, &value, &exists, &proof)
                                          : LX_ERR_UNTRUSTED;

        if (err == LX_OK) {
                sigchain_state_key(ops(light), (enum sigchain_kind)item->entry.kind, item->entry.key,
                    item->entry.key_len, &key);
                sigchain_state_value(ops(light), value.p, value.len, &hash);
                pr = lx_reader_init(proof.p, proof.len);
                err = merkle_proof_verify(
                    ops(light), &pr, &key, exists ? &hash : NULL, &tip->header.state_root);
                if (err == LX_OK)
                        err = lx_reader_end(&pr);
                if (err == LX_ERR_TRUNCATED)
                        err = LX_ERR_FORMAT; /* the head said that it is whole */
                if (err != LX_OK)
                        lx_why_set(why, "the proof of what is watched as number %zu does not hold at height %llu",
                            index, (unsigned long long)tip->header.height);
        }
        if (err == LX_OK && (!item->proven || item->height != tip->header.height)) {
                light_set_item(item, exists, tip->header.height,
                    is_same(item, exists, &value) ? item->changed : tip->header.height, lx_buf_span(&value), proof);
                light_note_item(&light->changes, item);
        }
        lx_buf_clear(&value);
        return err;
}
