/* light/answer.c - see light/answer.h. */
#include "config.h"
#include "light/answer.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/narrow.h"
#include "merkle/proof.h"

#include <string.h>

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

enum light_no
light_no_of(enum lx_err err)
{
        switch ((int)err) {
        case LX_ERR_PRUNED:
                return LIGHT_NO_PRUNED;
        case LX_ERR_LIMIT:
                return LIGHT_NO_BUSY;
        case LX_ERR_SEQUENCE:
                return LIGHT_NO_NEWER;
        case LX_ERR_CHANGED:
                return LIGHT_NO_OTHER;
        case LX_ERR_EXISTS:
                return LIGHT_NO_LIST;
        default:
                return LIGHT_NO_ABSENT;
        }
}

static void
put_varint(struct lx_buf *out, uint64_t v)
{
        struct lx_writer wr = lx_writer_init(lx_buf_reserve(out, 10), 10);

        lx_write_varint(&wr, v);
        lx_buf_add(out, wr.len);
}

/* ---- the tip ------------------------------------------------------------------------------------- */

struct candidate {
        struct ledger_header header;
        struct sigchain_valset set;
        uint8_t cert[LEDGER_NARROW_CERT_MAX];
        size_t cert_len;
};

static enum lx_err
get_set(struct ledger_view *view, const struct lx_hash *hash, struct lx_buf *bytes, struct sigchain_valset *out)
{
        enum lx_err err;

        lx_buf_reset(bytes);
        err = ledger_get_valset(view, hash, bytes);
        return err == LX_OK ? sigchain_valset_decode(bytes->p, bytes->len, out) : err;
}

static enum lx_err
get_candidate(struct ledger_view *view, uint64_t height, struct lx_buf *bytes, struct candidate *out)
{
        struct lx_writer wr = lx_writer_init(out->cert, sizeof(out->cert));
        struct lx_buf cert = {0};
        enum lx_err err = ledger_get_header(view, height, &out->header);

        if (err == LX_OK)
                err = ledger_get_cert(view, height, &cert);
        if (err == LX_OK)
                err = get_set(view, &out->header.valset, bytes, &out->set);
        if (err == LX_OK)
                err = ledger_narrow_cert(ops(), &out->header, &out->set, cert.p, cert.len, &wr);
        out->cert_len = wr.len;
        lx_buf_clear(&cert);
        return err;
}

/* The power that the signers of the certificate have in @trusted. */
static uint64_t
power_of(const struct candidate *c, const struct sigchain_valset *trusted)
{
        uint64_t power = 0;

        for (size_t i = 0; i < c->set.count; i++) {
                if ((c->cert[4 + i / 8] >> (7 - i % 8) & 1) == 0)
                        continue;
                for (size_t k = 0; k < trusted->count; k++)
                        if (memcmp(trusted->v[k].key.b, c->set.v[i].key.b, LX_PUBKEY_LEN) == 0) /* public */
                                power += trusted->v[k].power;
        }
        return power;
}

/* The newest header up to @wanted for which those trusted at @known vouch. */
static enum lx_err
choose(struct ledger_view *view, const struct ledger_header *known, uint64_t wanted, struct candidate *out)
{
        struct sigchain_valset *trusted = lx_alloc(sizeof(*trusted));
        struct lx_buf a = {0}, b = {0};
        enum lx_err err = get_set(view, &known->next_valset, &a, trusted);

        while (err == LX_OK) {
                err = get_candidate(view, wanted, &b, out);
                if (err != LX_OK || wanted == known->height + 1 ||
                    lx_hash_eq(&out->header.valset, &known->next_valset) ||
                    sigchain_is_one_third(power_of(out, trusted), trusted->total))
                        break;
                wanted = known->height + (wanted - known->height + 1) / 2;
        }
        lx_buf_clear(&a);
        lx_buf_clear(&b);
        lx_free(trusted);
        return err;
}

static enum lx_err
answer_tip(struct ledger_view *view, const struct light_ask *ask, struct lx_buf *out, uint64_t *out_told)
{
        uint64_t tip = ledger_view_header(view)->height, wanted = ask->tip == 0 ? tip : ask->tip;
        struct ledger_narrow_known known = {0};
        struct candidate *c;
        struct lx_writer wr;
        enum lx_err err = wanted <= ask->height || ask->height >= tip ? LX_ERR_SEQUENCE : LX_OK;

        if (ask->height > tip)
                return LX_ERR_ABSENT;
        if (wanted > tip)
                return LX_ERR_SEQUENCE;
        if (ledger_get_header(view, ask->height, &known.header) != LX_OK)
                return LX_ERR_ABSENT;
        ledger_header_hash(ops(), &known.header, &known.hash);
        if (memcmp(known.hash.b, ask->check, LIGHT_CHECK_LEN) != 0) /* public */
                return LX_ERR_CHANGED;
        *out_told = ask->height;
        if (err != LX_OK)
                return err;
        c = lx_alloc(sizeof(*c));
        err = choose(view, &known.header, wanted, c);
        if (err == LX_OK) {
                wr = lx_writer_init(lx_buf_reserve(out, LEDGER_NARROW_HEADER_MAX), LEDGER_NARROW_HEADER_MAX);
                ledger_narrow_encode(ops(), &known, &c->header, &wr);
                err = lx_writer_end(&wr);
        }
        if (err == LX_OK) {
                lx_buf_add(out, wr.len);
                lx_buf_append(out, c->cert, c->cert_len);
                *out_told = c->header.height;
        }
        lx_free(c);
        return err;
}

static enum lx_err
answer_anchor(struct ledger_view *view, const struct light_ask *ask, struct lx_buf *out)
{
        struct ledger_header header;
        enum lx_err err = ledger_get_header(view, ask->height, &header);

        if (err != LX_OK)
                return err;
        ledger_header_encode(&header, lx_buf_reserve(out, LEDGER_HEADER_LEN));
        lx_buf_add(out, LEDGER_HEADER_LEN);
        return LX_OK;
}

static enum lx_err
answer_set(struct ledger_view *view, const struct light_ask *ask, struct lx_buf *out)
{
        struct lx_buf bytes = {0};
        enum lx_err err = ledger_get_valset(view, &ask->hash, &bytes);

        if (err == LX_OK && ask->offset >= bytes.len)
                err = LX_ERR_RANGE;
        if (err == LX_OK)
                lx_buf_append(out, bytes.p + ask->offset, bytes.len - (size_t)ask->offset);
        lx_buf_clear(&bytes);
        return err;
}

/* ---- what is watched ----------------------------------------------------------------------------- */

static enum lx_err
put_state(struct ledger_view *view, uint64_t height, uint16_t index, const struct light_entry *entry,
    struct lx_buf *out)
{
        struct lx_buf value = {0}, proof = {0};
        struct lx_writer wr;
        size_t room = SIGCHAIN_VALUE_MAX + MERKLE_PROOF_BYTES_MAX + 64;
        enum lx_err err = ledger_get_state(
            view, (enum sigchain_kind)entry->kind, entry->key, entry->key_len, height, &value, NULL);
        bool exists = err == LX_OK;

        if (err == LX_OK || err == LX_ERR_ABSENT)
                err = ledger_prove_state(
                    view, (enum sigchain_kind)entry->kind, entry->key, entry->key_len, height, &proof);
        if (err == LX_OK) {
                put_varint(out, index);
                wr = lx_writer_init(lx_buf_reserve(out, room), room);
                light_state_encode(entry, exists ? lx_buf_span(&value) : LX_SPAN(NULL, 0), lx_buf_span(&proof), &wr);
                err = lx_writer_end(&wr);
                lx_buf_add(out, wr.len);
        }
        lx_buf_clear(&value);
        lx_buf_clear(&proof);
        return err;
}

static bool
has_changed(struct ledger_view *view, const struct light_entry *entry, uint64_t since, uint64_t until)
{
        uint64_t height = 0;
        size_t count = 0;

        return ledger_get_history(view, (enum sigchain_kind)entry->kind, entry->key, entry->key_len, until + 1,
                   &height, 1, &count) == LX_OK &&
               count == 1 && height > since;
}

/* The order of sending: what changed, then what is wanted, each once. */
static size_t
choose_order(const struct light_ask *ask, const bool *changed, size_t entry_count, uint16_t *order)
{
        bool *sent = lx_alloc_array(entry_count + 1, sizeof(*sent));
        size_t count = 0;

        for (size_t i = 0; i < entry_count; i++)
                if (changed[i]) {
                        order[count++] = (uint16_t)i;
                        sent[i] = true;
                }
        for (size_t i = 0; i < ask->want_count; i++)
                if (ask->want[i] < entry_count && !sent[ask->want[i]]) {
                        order[count++] = ask->want[i];
                        sent[ask->want[i]] = true;
                }
        lx_free(sent);
        return count;
}

static enum lx_err
answer_watch(struct ledger_view *view, const struct light_ask *ask, struct lx_span list, struct lx_buf *out)
{
        uint64_t tip = ledger_view_header(view)->height, height = ask->tip;
        struct light_entry *entries = lx_alloc_array(LIGHT_LIST_MAX, sizeof(*entries));
        struct lx_reader rd = lx_reader_init(list.p, list.len);
        uint16_t *order = lx_alloc_array(LIGHT_LIST_MAX, sizeof(*order));
        bool *changed = lx_alloc_array(LIGHT_LIST_MAX, sizeof(*changed));
        size_t count = 0, order_count, changed_count = 0;
        enum lx_err err = height > tip ? LX_ERR_SEQUENCE : LX_OK;

        while (rd.left > 0 && rd.err == LX_OK && count < LIGHT_LIST_MAX)
                light_entry_decode(&rd, &entries[count++]);
        if (err == LX_OK)
                err = rd.err;
        for (size_t i = 0; i < count && err == LX_OK; i++) {
                changed[i] = has_changed(view, &entries[i], ask->since, height);
                changed_count += changed[i];
        }
        order_count = choose_order(ask, changed, err == LX_OK ? count : 0, order);
        if (err == LX_OK) {
                put_varint(out, changed_count);
                for (size_t i = 0; i < changed_count; i++)
                        put_varint(out, order[i]);
        }
        for (size_t i = 0; i < order_count && err == LX_OK && out->len < LIGHT_ANSWER_MAX; i++)
                err = put_state(view, height, order[i], &entries[order[i]], out);
        lx_free(changed);
        lx_free(order);
        lx_free(entries);
        return err;
}

/* ---- history ------------------------------------------------------------------------------------- */

static void
put_path(struct lx_buf *out, const struct merkle_path *path)
{
        for (size_t i = 0; i < path->count; i++)
                lx_buf_append(out, path->hash[i].b, LX_HASH_LEN);
}

static enum lx_err
answer_path(struct ledger_view *view, uint64_t height, uint64_t tip, struct lx_buf *out)
{
        struct merkle_path *path = lx_alloc(sizeof(*path));
        enum lx_err err = ledger_prove_header_in(view, height, tip, path);

        if (err == LX_OK)
                put_path(out, path);
        lx_free(path);
        return err;
}

static enum lx_err
answer_history(struct ledger_view *view, const struct light_ask *ask, struct lx_buf *out)
{
        struct ledger_narrow_known known = {0};
        enum lx_err err = ledger_get_header(view, ask->height - 1, &known.header);

        for (uint64_t h = ask->height; h < ask->height + ask->count && err == LX_OK; h++) {
                struct lx_writer wr;
                struct ledger_header header;

                ledger_header_hash(ops(), &known.header, &known.hash);
                err = ledger_get_header(view, h, &header);
                known.history = &header.history_root;
                wr = lx_writer_init(lx_buf_reserve(out, LEDGER_NARROW_HEADER_MAX), LEDGER_NARROW_HEADER_MAX);
                if (err == LX_OK)
                        ledger_narrow_encode(ops(), &known, &header, &wr);
                if (err == LX_OK)
                        err = lx_writer_end(&wr);
                lx_buf_add(out, wr.len);
                known.header = header;
        }
        return err == LX_OK ? answer_path(view, ask->height + ask->count - 1, ask->tip, out) : err;
}

static enum lx_err
answer_blob(struct blob_store *blobs, const struct light_ask *ask, struct lx_buf *out)
{
        uint64_t len = 0, part;

        if (blobs == NULL || ask->kind >= LEDGER_BLOB_COUNT_ || !blob_has(blobs, ask->kind, &ask->hash, &len))
                return LX_ERR_ABSENT;
        if (ask->offset >= len)
                return LX_ERR_RANGE;
        put_varint(out, len);
        part = len - ask->offset < LIGHT_ANSWER_MAX ? len - ask->offset : LIGHT_ANSWER_MAX;
        return blob_read(blobs, ask->kind, &ask->hash, ask->offset, (size_t)part, out);
}

enum lx_err
light_answer(struct ledger_view *view, struct blob_store *blobs, const struct light_ask *ask, struct lx_span list,
    struct lx_buf *out, uint64_t *out_told)
{
        switch (ask->type) {
        case LIGHT_TIP:
                return answer_tip(view, ask, out, out_told);
        case LIGHT_ANCHOR:
                return answer_anchor(view, ask, out);
        case LIGHT_SET:
                return answer_set(view, ask, out);
        case LIGHT_WATCH:
                return answer_watch(view, ask, list, out);
        case LIGHT_PATH:
                return answer_path(view, ask->height, ask->tip, out);
        case LIGHT_HISTORY:
                return answer_history(view, ask, out);
        case LIGHT_BLOB:
                return answer_blob(blobs, ask, out);
        case LIGHT_LIST:
                break;
        }
        return LX_ERR_ABSENT;
}
