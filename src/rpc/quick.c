/*
 * rpc/quick.c - the commonest look-ups without a tree of JSON values between request and answer.
 *
 * A body of nothing but plain calls of the methods in QUICK (one parameter, a hash; no escapes, no
 * proof) is read in one pass and answered as text, byte for byte what the way through jansson gives.
 * Whatever is not that plain, or ends in an error, is left to that way: false, and nothing happened.
 */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"
#include "sigchain/standard.h"

#include <stdlib.h>
#include <string.h>

#define MATCHES_MAX 64
#define ID_MAX 64 /* bytes of an id, quotes included */

struct quick;

struct quick_row {
        const char *method, *param;
        enum lx_err (*answer)(struct quick *q, const struct lx_hash *key);
};

struct quick_call {
        const struct quick_row *row;
        struct lx_span id; /* as it stands in the request */
        struct lx_hash key;
};

struct quick {
        struct ledger_view *view;
        struct lx_buf out, value;
        struct rpc_release *release;
};

static bool
is(struct lx_span s, const char *text)
{
        return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0; /* public */
}

/* ---- text -------------------------------------------------------------------------------------- */

static void
put(struct quick *q, const char *text)
{
        lx_buf_append(&q->out, text, strlen(text));
}

static void
put_hex(struct quick *q, const void *bytes, size_t len)
{
        char *to = (char *)lx_buf_reserve(&q->out, LX_HEX_LEN(len) + 2);

        to[0] = '"';
        lx_hex(bytes, len, to + 1);
        to[1 + 2 * len] = '"';
        lx_buf_add(&q->out, 2 * len + 2);
}

static void
put_hash(struct quick *q, const char *before, const struct lx_hash *hash)
{
        put(q, before);
        put_hex(q, hash->b, LX_HASH_LEN);
}

static void
put_number(struct quick *q, const char *before, uint64_t n)
{
        char digits[24];
        size_t at = sizeof(digits);

        put(q, before);
        do
                digits[--at] = (char)('0' + n % 10);
        while ((n /= 10) > 0);
        lx_buf_append(&q->out, digits + at, sizeof(digits) - at);
}

static void
put_bool(struct quick *q, const char *before, bool yes)
{
        put(q, before);
        put(q, yes ? "true" : "false");
}

/* Text of others: what is not plain is escaped, or refused, as jansson does it. */
static void
put_text(struct lx_buf *out, struct lx_span s)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.p[i] < 0x20 || s.p[i] > 0x7e || s.p[i] == '"' || s.p[i] == '\\') {
                        json_t *json = lx_json_text(s);
                        char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);

                        lx_buf_append(out, text, strlen(text));
                        free(text);
                        json_decref(json);
                        return;
                }
        lx_buf_append(out, "\"", 1);
        lx_buf_append(out, s.p, s.len);
        lx_buf_append(out, "\"", 1);
}

static enum lx_err
get_register(struct quick *q, const struct lx_hash *address, struct sigchain_register *out_reg,
    uint64_t *out_since)
{
        enum lx_err err;

        lx_buf_reset(&q->value);
        err = ledger_get_state(q->view, SIGCHAIN_KIND_REGISTER, address->b, LX_HASH_LEN, LEDGER_NOW,
            &q->value, out_since);
        return err != LX_OK ? err : sigchain_register_decode(q->value.p, q->value.len, out_reg);
}

/* ---- binary.lookup ----------------------------------------------------------------------------- */

static void
put_release_text(struct lx_buf *out, const char *member, const struct sigchain_object *object,
    const char *field)
{
        const struct sigchain_field *f = sigchain_object_find(object, field);

        lx_buf_append(out, member, strlen(member));
        put_text(out, f != NULL ? f->bytes : LX_SPAN("", 0));
}

static enum lx_err
know_release(struct quick *q, const struct lx_hash *address)
{
        struct rpc_release *r = q->release;
        uint64_t height = ledger_view_header(q->view)->height;
        struct sigchain_register reg;
        struct sigchain_object object;
        char hex[LX_HEX_LEN(LX_HASH_LEN)];
        enum lx_err err;

        if (r->known && r->height == height && lx_hash_eq(&r->address, address))
                return LX_OK;
        r->known = false;
        err = get_register(q, address, &reg, NULL);
        if (err == LX_OK && reg.type != SIGCHAIN_RELEASE && reg.type != SIGCHAIN_APPROVAL)
                err = LX_ERR_RANGE;
        if (err == LX_OK)
                err = sigchain_object_decode(reg.data, &object);
        if (err == LX_OK && !sigchain_object_get_hash(&object, "manifest", &r->manifest))
                err = LX_ERR_CORRUPT;
        if (err != LX_OK)
                return err;
        lx_hex(address->b, LX_HASH_LEN, hex);
        lx_buf_reset(&r->text);
        lx_buf_printf(&r->text, ",\"release\":\"%s\",\"standard\":\"%s\"", hex,
            sigchain_standard_of(reg.type)->name);
        put_release_text(&r->text, ",\"name\":", &object, "name");
        put_release_text(&r->text, ",\"version\":", &object, "version");
        r->address = *address;
        r->height = height;
        r->known = true;
        return LX_OK;
}

/* As rpc/binary.c has it: an error of the store counts as not revoked there, here as an error. */
static enum lx_err
check_revoked(struct quick *q, const struct lx_hash *publisher, const struct lx_hash *digest, bool *out_revoked)
{
        uint8_t key[2 * LX_HASH_LEN];
        enum lx_err err;

        memcpy(key, publisher->b, LX_HASH_LEN);
        memcpy(key + LX_HASH_LEN, digest->b, LX_HASH_LEN);
        lx_buf_reset(&q->value);
        err = ledger_get_state(
            q->view, SIGCHAIN_KIND_REVOKED, key, sizeof(key), LEDGER_NOW, &q->value, NULL);
        *out_revoked |= err == LX_OK;
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

static void
put_entry(struct quick *q, const struct sigchain_entry *entry)
{
        put(q, "{\"path\":");
        put_text(&q->out, entry->path);
        put_number(q, ",\"size\":", entry->size);
        put_number(q, ",\"mode\":", entry->mode);
        put_hash(q, ",\"root\":", &entry->root);
        put_hash(q, ",\"sha256\":", &entry->sha256);
        put_hash(q, ",\"fsverity\":", &entry->fsverity);
}

static enum lx_err
put_match(struct quick *q, const struct ledger_published *p)
{
        struct sigchain_entry entry;
        struct lx_reader rd;
        bool revoked = false;
        enum lx_err err = know_release(q, &p->release);

        lx_buf_reset(&q->value);
        if (err == LX_OK)
                err = ledger_get_entry(q->view, &q->release->manifest, p->entry, p, &q->value, NULL);
        rd = lx_reader_init(q->value.p, q->value.len);
        sigchain_entry_read(&rd, &entry);
        if (err == LX_OK)
                err = lx_reader_end(&rd);
        if (err != LX_OK)
                return err;
        put_entry(q, &entry); /* its path lies in q->value, which is used again now */
        err = check_revoked(q, &p->publisher, &entry.root, &revoked);
        if (err == LX_OK)
                err = check_revoked(q, &p->publisher, &entry.sha256, &revoked);
        if (err == LX_OK)
                err = check_revoked(q, &p->publisher, &entry.fsverity, &revoked);
        put_bool(q, ",\"revoked\":", revoked);
        put_hash(q, ",\"publisher\":", &p->publisher);
        lx_buf_append(&q->out, q->release->text.p, q->release->text.len);
        put_number(q, ",\"entry\":", p->entry);
        put_number(q, ",\"height\":", p->height);
        put(q, "}");
        return err;
}

static enum lx_err
answer_lookup(struct quick *q, const struct lx_hash *digest)
{
        struct ledger_published found[MATCHES_MAX];
        size_t count = 0;
        enum lx_err err = ledger_find_digest(q->view, digest, found, MATCHES_MAX, &count);

        put_hash(q, "{\"digest\":", digest);
        put_bool(q, ",\"found\":", count > 0);
        put_number(q, ",\"height\":", ledger_view_header(q->view)->height);
        put(q, ",\"matches\":[");
        for (size_t i = 0; i < count && err == LX_OK; i++) {
                put(q, i > 0 ? "," : "");
                err = put_match(q, &found[i]);
        }
        put(q, "]}");
        return err;
}

/* ---- register.get ------------------------------------------------------------------------------ */

/* Amounts are strings whatever their size (ledger/register_json.c). */
static bool
is_amount(struct lx_span name)
{
        return is(name, "balance") || is(name, "supply");
}

static void
put_field(struct quick *q, const struct sigchain_field *f)
{
        switch (f->type) {
        case SIGCHAIN_U64:
                put_number(q, is_amount(f->name) ? "\"" : "", f->u64);
                put(q, is_amount(f->name) ? "\"" : "");
                return;
        case SIGCHAIN_BOOL:
                put_bool(q, "", f->u64 != 0);
                return;
        case SIGCHAIN_TEXT:
                put_text(&q->out, f->bytes);
                return;
        case SIGCHAIN_HASH:
        case SIGCHAIN_BYTES:
        case SIGCHAIN_ADDRESS:
                break;
        }
        put_hex(q, f->bytes.p, f->bytes.len);
}

static void
put_fields(struct quick *q, const struct sigchain_register *reg)
{
        struct sigchain_object object;
        struct sigchain_append append;

        put(q, ",\"fields\":{");
        if (reg->type == SIGCHAIN_APPEND && sigchain_append_decode(reg->data, &append) == LX_OK) {
                put_number(q, "\"count\":", append.count);
                put_hash(q, ",\"root\":", &append.root);
        } else if (reg->type != SIGCHAIN_RAW && reg->type != SIGCHAIN_READONLY &&
            sigchain_object_decode(reg->data, &object) == LX_OK) {
                for (size_t i = 0; i < object.count; i++) {
                        put(q, i > 0 ? "," : "");
                        put_text(&q->out, object.field[i].name);
                        put(q, ":");
                        put_field(q, &object.field[i]);
                }
        }
        put(q, "}");
}

static enum lx_err
answer_register(struct quick *q, const struct lx_hash *address)
{
        const struct sigchain_standard *standard;
        struct sigchain_register reg;
        uint64_t since = 0;
        enum lx_err err = get_register(q, address, &reg, &since);

        if (err != LX_OK)
                return err;
        standard = sigchain_standard_of(reg.type);
        put_hash(q, "{\"address\":", address);
        put_number(q, ",\"type\":", reg.type);
        put(q, ",\"standard\":\"");
        put(q, standard != NULL ? standard->name : "unknown");
        put_hash(q, "\",\"owner\":", &reg.owner);
        put_number(q, ",\"created\":", reg.created);
        put_number(q, ",\"modified\":", reg.modified);
        if (lx_hash_is_zero(&reg.pending))
                put(q, ",\"pending\":null");
        else
                put_hash(q, ",\"pending\":", &reg.pending);
        put(q, ",\"data\":");
        put_hex(q, reg.data.p, reg.data.len);
        put_fields(q, &reg);
        put(q, ",\"exists\":true");
        put_number(q, ",\"height\":", ledger_view_header(q->view)->height);
        put_number(q, ",\"since\":", since);
        put(q, "}");
        return LX_OK;
}

static const struct quick_row QUICK[] = {
    {"binary.lookup", "digest", answer_lookup},
    {"register.get", "address", answer_register},
};

/* ---- reading ----------------------------------------------------------------------------------- */

struct scan {
        const uint8_t *p, *end;
};

static void
skip_blanks(struct scan *s)
{
        while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
                s->p++;
}

/* Blanks, then this one character. */
static bool
take(struct scan *s, char c)
{
        skip_blanks(s);
        if (s->p == s->end || *s->p != (uint8_t)c)
                return false;
        s->p++;
        return true;
}

/* A string of printable ASCII without escapes. */
static bool
take_string(struct scan *s, struct lx_span *out)
{
        const uint8_t *from;

        if (!take(s, '"'))
                return false;
        for (from = s->p; s->p < s->end && *s->p != '"'; s->p++)
                if (*s->p < 0x20 || *s->p > 0x7e || *s->p == '\\')
                        return false;
        *out = LX_SPAN(from, (size_t)(s->p - from));
        return take(s, '"');
}

/* A plain string or a small whole number, as it stands. */
static bool
take_id(struct scan *s, struct lx_span *out)
{
        const uint8_t *from;
        struct lx_span string;

        skip_blanks(s);
        from = s->p;
        if (s->p < s->end && *s->p == '"') {
                if (!take_string(s, &string))
                        return false;
        } else {
                while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
                        s->p++;
                if (s->p == from || s->p - from > 15 || (*from == '0' && s->p - from > 1))
                        return false;
        }
        *out = LX_SPAN(from, (size_t)(s->p - from));
        return out->len <= ID_MAX;
}

/* {"NAME": "HASH"} */
static bool
take_params(struct scan *s, struct lx_span *out_name, struct lx_hash *out_key)
{
        struct lx_span hex;

        return take(s, '{') && take_string(s, out_name) && take(s, ':') && take_string(s, &hex) &&
            take(s, '}') && lx_unhex((const char *)hex.p, hex.len, out_key->b, LX_HASH_LEN);
}

/* The members seen, so that none comes twice. */
enum { SEEN_VERSION = 1, SEEN_ID = 2, SEEN_METHOD = 4, SEEN_PARAMS = 8, SEEN_ALL = 15 };

static bool
take_member(struct scan *s, struct quick_call *call, unsigned *seen, struct lx_span *param, struct lx_span *method)
{
        struct lx_span name, version;
        unsigned which;
        bool fine;

        if (!take_string(s, &name) || !take(s, ':'))
                return false;
        if (is(name, "jsonrpc")) {
                which = SEEN_VERSION;
                fine = take_string(s, &version) && is(version, "2.0");
        } else if (is(name, "id")) {
                which = SEEN_ID;
                fine = take_id(s, &call->id);
        } else if (is(name, "method")) {
                which = SEEN_METHOD;
                fine = take_string(s, method);
        } else if (is(name, "params")) {
                which = SEEN_PARAMS;
                fine = take_params(s, param, &call->key);
        } else {
                return false;
        }
        fine = fine && (*seen & which) == 0;
        *seen |= which;
        return fine;
}

static bool
take_call(struct scan *s, struct quick_call *out)
{
        struct lx_span param = {NULL, 0}, method = {NULL, 0};
        unsigned seen = 0;

        if (!take(s, '{'))
                return false;
        do
                if (!take_member(s, out, &seen, &param, &method))
                        return false;
        while (take(s, ','));
        if (!take(s, '}') || seen != SEEN_ALL)
                return false;
        for (size_t i = 0; i < sizeof(QUICK) / sizeof(QUICK[0]); i++)
                if (is(method, QUICK[i].method) && is(param, QUICK[i].param)) {
                        out->row = &QUICK[i];
                        return true;
                }
        return false;
}

/* The calls of a body; 0: not only plain ones. */
static size_t
take_calls(struct lx_span text, struct quick_call *calls, size_t max, bool *out_batch)
{
        struct scan s;
        size_t count = 0;

        *out_batch = false;
        if (text.len == 0) /* no body: there is no pointer to count with */
                return 0;
        s = (struct scan){text.p, text.p + text.len};
        *out_batch = take(&s, '[');
        do
                if (count == max || !take_call(&s, &calls[count++]))
                        return 0;
        while (*out_batch && take(&s, ','));
        if (*out_batch && !take(&s, ']'))
                return 0;
        skip_blanks(&s);
        return s.p == s.end ? count : 0;
}

/* ---- answering --------------------------------------------------------------------------------- */

static enum lx_err
answer_calls(struct quick *q, const struct quick_call *calls, size_t count, bool batch)
{
        enum lx_err err = LX_OK;

        put(q, batch ? "[" : "");
        for (size_t i = 0; i < count && err == LX_OK; i++) {
                put(q, i > 0 ? ",{\"jsonrpc\":\"2.0\",\"result\":" : "{\"jsonrpc\":\"2.0\",\"result\":");
                err = calls[i].row->answer(q, &calls[i].key);
                put(q, ",\"id\":");
                lx_buf_append(&q->out, calls[i].id.p, calls[i].id.len);
                put(q, "}");
        }
        put(q, batch ? "]" : "");
        return err;
}

bool
rpc_quick_body(struct rpc *rpc, struct io_http_request *req, struct lx_span text)
{
        struct quick_call few[1], *calls = few;
        struct quick q = {.release = &rpc->release};
        bool batch = text.len > 0 && text.p[0] == '[', done = false;
        size_t count;

        if (batch)
                calls = lx_alloc_array(RPC_BATCH_MAX, sizeof(*calls));
        count = take_calls(text, calls, batch ? RPC_BATCH_MAX : 1, &batch);
        if (count > 0) {
                q.view = ledger_view_new(rpc->options.ledger);
                done = answer_calls(&q, calls, count, batch) == LX_OK;
        }
        if (done) {
                rpc->calls += count;
                io_http_reply(req, 200, "application/json", q.out.p, q.out.len);
        }
        ledger_view_unref(q.view);
        lx_buf_clear(&q.out);
        lx_buf_clear(&q.value);
        if (calls != few)
                lx_free(calls);
        return done;
}
