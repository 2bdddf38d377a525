/* lx/cmd_chain.c - the chain, its export and verification; trust. */
#include "config.h"
#include "lx/check.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "ledger/chain_file.h"
#include "ledger/genesis_json.h"
#include "merkle/log.h"
#include "sigchain/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHAIN_FILE_MAX (1u << 30)
#define GENESIS_JSON_MAX (1u << 20)
#define DAY_MS (24ull * 3600 * 1000)

/* The ids that a block lists are those under its header's transactions root. */
static bool
has_transactions(const struct ledger_header *h, const json_t *ids)
{
        struct lx_buf leaves = {0};
        struct lx_hash id, leaf, root;
        bool good = true;

        for (size_t i = 0; i < json_array_size(ids) && good; i++) {
                const char *s = json_string_value(json_array_get(ids, i));

                good = s != NULL && lx_parse_hash(s, &id);
                merkle_log_leaf(&lx_crypto_ops()->hash, id.b, LX_HASH_LEN, &leaf);
                lx_buf_append(&leaves, leaf.b, LX_HASH_LEN);
        }
        merkle_log_root(&lx_crypto_ops()->hash, (const struct lx_hash *)(const void *)leaves.p,
            leaves.len / LX_HASH_LEN, &root);
        lx_buf_clear(&leaves);
        return good && lx_hash_eq(&root, &h->tx_root);
}

static void
set_hash(json_t *o, const char *name, const struct lx_hash *hash)
{
        char hex[65];

        json_object_set_new(o, name, json_string(lx_hex_of(hash, hex)));
}

/* What the proven header says, in place of what the node said of it. */
static void
replace_header(json_t *o, const struct lx_check *check)
{
        const struct ledger_header *h = &check->head;
        json_t *fields = json_object();
        struct lx_hash hash;
        char when[25];

        ledger_header_hash(&lx_crypto_ops()->hash, h, &hash);
        lx_walltime_format((struct lx_walltime){h->time_ms}, when);
        json_object_set_new(o, "height", json_integer((json_int_t)h->height));
        set_hash(o, "hash", &hash);
        json_object_set_new(o, "time", json_string(when));
        json_object_set_new(fields, "rule_version", json_integer(h->rule_version));
        set_hash(fields, "previous", &h->previous);
        set_hash(fields, "tx_root", &h->tx_root);
        set_hash(fields, "state_root", &h->state_root);
        set_hash(fields, "history_root", &h->history_root);
        set_hash(fields, "valset", &h->valset);
        set_hash(fields, "next_valset", &h->next_valset);
        json_object_set_new(o, "fields", fields);
        lx_check_note(check, o);
}

/* A header (or, with @block, its transactions too) against the trust; @must: the hash asked for, or NULL. */
static int
prove_header(struct lx *lx, json_t *o, uint64_t height, const struct lx_hash *must, bool block)
{
        struct lx_check check = {0};
        struct lx_hash hash;
        int status = lx_check_begin(lx, &check);
        enum lx_err err = LX_OK;

        if (status == LX_EXIT_TRUE)
                err = lx_check_head(lx, &check, o, must != NULL ? lx_num(o, "height") : height);
        ledger_header_hash(&lx_crypto_ops()->hash, &check.head, &hash);
        if (err == LX_OK && must != NULL && !lx_hash_eq(&hash, must)) {
                lx_why_set(&lx->why, "it is another header than the one asked for");
                err = LX_ERR_PROOF;
        }
        if (err == LX_OK && status == LX_EXIT_TRUE && block &&
            !has_transactions(&check.head, json_object_get(o, "transactions"))) {
                lx_why_set(&lx->why, "the block has other transactions than the answer");
                err = LX_ERR_PROOF;
        }
        if (err != LX_OK)
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        if (status == LX_EXIT_TRUE) {
                if (!block)
                        json_object_del(o, "tx_count");
                replace_header(o, &check);
        }
        lx_check_end(&check);
        return status;
}

static int
show_header(struct lx *lx, const char *method, const char *which, bool block)
{
        struct lx_hash hash;
        uint64_t height = LX_CHECK_NOW;
        bool by_hash = which != NULL && lx_parse_hash(which, &hash);
        json_t *params = NULL, *o = NULL;
        int status = LX_EXIT_TRUE;

        if (by_hash)
                params = json_pack("{s:s}", "hash", which);
        else if (which != NULL && !lx_parse_number(which, &height))
                return lx_fail(lx, LX_EXIT_USAGE, "\"%.70s\" is neither a height nor a hash", which);
        else if (which != NULL)
                params = json_pack("{s:I}", "height", (json_int_t)height);
        if (!lx_call(lx, method, params, &o, &status))
                return status;
        if (lx->verify)
                status = prove_header(lx, o, height, by_hash ? &hash : NULL, block);
        if (status == LX_EXIT_TRUE)
                return lx_print_answer(lx, o);
        json_decref(o);
        return status;
}

int
cmd_chain_head(struct lx *lx)
{
        return show_header(lx, "chain.header", NULL, false);
}

int
cmd_chain_header(struct lx *lx)
{
        return show_header(lx, "chain.header", lx->args[0], false);
}

int
cmd_chain_block(struct lx *lx)
{
        return show_header(lx, "chain.block", lx->args[0], true);
}

/* ---- chain files ------------------------------------------------------------------------------- */

static bool
append_hex(struct lx_buf *out, const char *hex)
{
        size_t len = strlen(hex) / 2;

        if (!lx_unhex(hex, strlen(hex), lx_buf_reserve(out, len + 1), len))
                return false;
        lx_buf_add(out, len);
        return true;
}

/* One header of the node's answer: header, certificate and set, one after the other in @bytes. */
static bool
append_header(struct lx_buf *out, struct lx_buf *bytes, const json_t *o)
{
        size_t cert, set;

        lx_buf_reset(bytes);
        if (!append_hex(bytes, lx_str(o, "header")))
                return false;
        cert = bytes->len;
        if (!append_hex(bytes, lx_str(o, "cert")))
                return false;
        set = bytes->len;
        return append_hex(bytes, lx_str(o, "valset")) &&
            ledger_chain_file_add(out, LX_SPAN(bytes->p, cert), LX_SPAN(bytes->p + cert, set - cert),
                LX_SPAN(bytes->p + set, bytes->len - set)) == LX_OK;
}

static bool
append_headers(struct lx_buf *out, json_t *list, uint64_t *height)
{
        struct lx_buf bytes = {0};
        bool ok = true;
        size_t i;
        json_t *o;

        json_array_foreach(list, i, o) {
                ok = ok && append_header(out, &bytes, o);
                *height = lx_num(o, "height") + 1;
        }
        lx_buf_clear(&bytes);
        return ok;
}

int
cmd_chain_export(struct lx *lx)
{
        struct lx_buf out = {0};
        struct lx_hash chain_id;
        uint64_t from, to, next;
        json_t *o = NULL;
        int status = LX_EXIT_TRUE;
        enum lx_err err;

        if (lx_option(lx, "light") != NULL)
                return lx_pass_export(lx);
        if (lx->arg_count == 0)
                return lx_fail(lx, LX_EXIT_USAGE, "name the FILE to write");
        if (!lx_number_option(lx, "from", 0, INT64_MAX, 0, &from) ||
            !lx_number_option(lx, "to", 0, INT64_MAX, UINT64_MAX, &to))
                return LX_EXIT_USAGE;
        if (!lx_call(lx, "node.status", NULL, &o, &status))
                return status;
        if (to == UINT64_MAX)
                to = lx_num(o, "height");
        next = from;
        if (!lx_parse_hash(lx_str(o, "chain_id"), &chain_id) || to > lx_num(o, "height") || from > to) {
                status = lx_fail(lx, LX_EXIT_USAGE, "the node has heights 0 to %llu",
                    (unsigned long long)lx_num(o, "height"));
                json_decref(o);
                return status;
        }
        json_decref(o);
        ledger_chain_file_begin(&out, &chain_id, from, to - from + 1);
        while (next <= to && status == LX_EXIT_TRUE) {
                uint64_t count = to - next + 1 < 500 ? to - next + 1 : 500;

                if (lx_call(lx, "chain.headers", json_pack("{s:I,s:I}", "from", (json_int_t)next, "count",
                        (json_int_t)count), &o, &status) &&
                    !append_headers(&out, json_object_get(o, "headers"), &next))
                        status = lx_fail(lx, LX_EXIT_REFUSED, "the node sent malformed headers");
                json_decref(o);
                o = NULL;
        }
        if (status == LX_EXIT_TRUE) {
                err = lx_file_write(lx->args[0], out.p, out.len, 0644, &lx->why);
                if (err != LX_OK)
                        status = lx_fail(lx, LX_EXIT_IO, NULL);
                else if (lx->json)
                        lx_print_json(json_pack("{s:s,s:I,s:I,s:I}", "file", lx->args[0], "first", (json_int_t)from,
                            "last", (json_int_t)to, "bytes", (json_int_t)out.len));
                else
                        printf("%llu headers (%llu to %llu), %zu bytes in %s\n",
                            (unsigned long long)(to - from + 1), (unsigned long long)from,
                            (unsigned long long)to, out.len, lx->args[0]);
        }
        lx_buf_clear(&out);
        return status;
}

struct run {
        struct lx_check *check;
        struct sigchain_valset *set;
        struct lx_span set_bytes; /* of the set, in the file */
        struct ledger_trust tip;  /* the newest header whose following set is known, and that set */
        struct lx_span tip_set;
        struct lx_hash set_hash;
        struct ledger_header last;
        struct lx_hash last_hash;
        struct merkle_frontier history;
        bool first, complete; /* complete: from height 0, so that history roots can be computed */
        bool anchored;        /* the trusted header was met, and is the same */
};

/* Trust may move to @h when the set that follows it is the one at hand. */
static void
note_tip(struct run *r, const struct ledger_header *h, const struct lx_hash *hash)
{
        if (!lx_hash_eq(&h->next_valset, &r->set_hash))
                return;
        r->tip.height = h->height;
        r->tip.header = *hash;
        r->tip.time_ms = h->time_ms;
        r->tip.next_valset = h->next_valset;
        r->tip_set = r->set_bytes;
}

/* One header against the one before: link, set, certificate, history. */
static enum lx_err
verify_one(struct run *r, const struct ledger_header *h, struct lx_span cert)
{
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        struct lx_hash root, hash, leaf;

        ledger_header_hash(ops, h, &hash);
        if (!r->first && (h->height != r->last.height + 1 || !lx_hash_eq(&h->previous, &r->last_hash) ||
            h->time_ms <= r->last.time_ms || !lx_hash_eq(&h->valset, &r->last.next_valset)))
                return LX_ERR_PROOF;
        merkle_frontier_root(ops, &r->history, &root);
        if (r->complete && !lx_hash_eq(&root, &h->history_root))
                return LX_ERR_PROOF;
        if (!lx_hash_eq(&r->set_hash, &h->valset) ||
            (h->height > 0 && ledger_cert_verify(lx_crypto_ops(), h, r->set, cert.p, cert.len) != LX_OK))
                return LX_ERR_SIGNATURE;
        if (r->check->anchored && h->height == r->check->trust.height) {
                if (!lx_hash_eq(&hash, &r->check->trust.header))
                        return LX_ERR_UNTRUSTED;
                r->anchored = true;
        }
        if (r->check->anchored && r->first && h->height == r->check->trust.height + 1 &&
            lx_hash_eq(&h->previous, &r->check->trust.header) &&
            lx_hash_eq(&h->valset, &r->check->trust.next_valset))
                r->anchored = true; /* the file goes on where the trust ends */
        merkle_log_leaf(ops, hash.b, LX_HASH_LEN, &leaf);
        merkle_frontier_append(ops, &r->history, &leaf, NULL, NULL);
        if (!r->first)
                note_tip(r, &r->last, &r->last_hash);
        note_tip(r, h, &hash);
        r->last = *h;
        r->last_hash = hash;
        r->first = false;
        return LX_OK;
}

static enum lx_err
verify_run(struct run *r, struct lx_reader *rd, struct ledger_chain_file *file)
{
        enum lx_err err = LX_OK;

        while (err == LX_OK && ledger_chain_file_has_more(file)) {
                struct ledger_chain_item item;

                err = ledger_chain_file_next(rd, file, &item);
                if (err == LX_OK && item.set.len > 0) {
                        r->set_bytes = item.set;
                        sigchain_valset_hash(
                            &lx_crypto_ops()->hash, item.set.p, item.set.len, &r->set_hash);
                        err = sigchain_valset_decode(item.set.p, item.set.len, r->set);
                }
                if (err == LX_OK)
                        err = verify_one(r, &item.header, item.cert);
        }
        return err == LX_OK ? lx_reader_end(rd) : err;
}

/* The whole of a chain file against the trust; *out_file and @r say what it holds. An exit status, errors printed. */
static int
verify_file(struct lx *lx, struct run *r, struct lx_span bytes, struct ledger_chain_file *out_file)
{
        struct lx_reader rd = lx_reader_init(bytes.p, bytes.len);
        enum lx_err err;

        if (ledger_chain_file_open(&rd, out_file) != LX_OK)
                return lx_fail(lx, LX_EXIT_USAGE, "%s is no chain file", lx->args[0]);
        if (r->check->anchored && !lx_hash_eq(&out_file->chain_id, &r->check->trust.chain_id))
                return lx_fail(lx, LX_EXIT_FALSE, "the file is of another network than the one you trust");
        r->complete = out_file->first == 0;
        err = verify_run(r, &rd, out_file);
        if (err != LX_OK)
                return lx_fail(lx, LX_EXIT_FALSE, "header %llu does not verify: %s",
                    (unsigned long long)(r->first ? out_file->first : r->last.height + 1), lx_err_text(err));
        if (r->anchored)
                return LX_EXIT_TRUE;
        return lx_fail(lx, LX_EXIT_FALSE,
            "nothing is proven: %llu headers follow on one another, up to height %llu, but %s",
            (unsigned long long)out_file->count, (unsigned long long)r->last.height,
            r->check->anchored ? "your trusted header is not among them" : "you trust none of them yet (lx trust set)");
}

static int
read_chain_file(struct lx *lx, struct lx_buf *out)
{
        enum lx_err err = lx_file_read(lx->args[0], CHAIN_FILE_MAX, out, &lx->why);

        if (err == LX_OK)
                return LX_EXIT_TRUE;
        lx_why_set(&lx->why, "cannot read %s: %s", lx->args[0], lx_err_text(err));
        return lx_fail(lx, err == LX_ERR_IO ? LX_EXIT_IO : LX_EXIT_USAGE, NULL);
}

int
cmd_chain_verify(struct lx *lx)
{
        struct lx_check check = {0};
        struct run r = {.check = &check, .set = lx_alloc(sizeof(*r.set)), .first = true};
        struct lx_buf in = {0};
        struct ledger_chain_file file;
        char hex[65];
        int status = lx_check_begin(lx, &check);

        if (status == LX_EXIT_TRUE)
                status = read_chain_file(lx, &in);
        if (status == LX_EXIT_TRUE)
                status = verify_file(lx, &r, lx_buf_span(&in), &file);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:I,s:I,s:s,s:b}", "first", (json_int_t)file.first, "last",
                    (json_int_t)r.last.height, "hash", lx_hex_of(&r.last_hash, hex), "proven", 1));
        else if (status == LX_EXIT_TRUE)
                printf("%llu headers verify, up to height %llu, hash %s\n", (unsigned long long)file.count,
                    (unsigned long long)r.last.height, lx_hex_of(&r.last_hash, hex));
        lx_check_end(&check);
        lx_buf_clear(&in);
        lx_free(r.set);
        return status;
}

/* Trust moves to the newest header of @r, unless it is past the trusting period or newer already. */
static int
move_trust(struct lx *lx, struct lx_check *check, const struct run *r)
{
        if (r->tip.height <= check->trust.height)
                return LX_EXIT_TRUE;
        if (check->trust.time_ms + check->trust_ms <= lx_clock_walltime().ms)
                return lx_fail(lx, LX_EXIT_FALSE, "your trusted header (height %llu) is past its trusting period: get "
                    "a newer one from somebody you trust, then lx trust set HEIGHT:HASH",
                    (unsigned long long)check->trust.height);
        check->trust.height = r->tip.height;
        check->trust.header = r->tip.header;
        check->trust.time_ms = r->tip.time_ms;
        check->trust.next_valset = r->tip.next_valset;
        lx_buf_reset(&check->set_bytes);
        lx_buf_append(&check->set_bytes, r->tip_set.p, r->tip_set.len);
        return lx_check_save(lx, check) == LX_OK ? LX_EXIT_TRUE : lx_fail(lx, LX_EXIT_IO, NULL);
}

static int
import_headers(struct lx *lx, struct lx_span bytes)
{
        struct lx_check check = {0};
        struct run r = {.check = &check, .set = lx_alloc(sizeof(*r.set)), .first = true};
        struct ledger_chain_file file;
        char hex[65];
        int status = lx_check_begin(lx, &check);

        if (status == LX_EXIT_TRUE)
                status = verify_file(lx, &r, bytes, &file);
        if (status == LX_EXIT_TRUE)
                status = move_trust(lx, &check, &r);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:I,s:s}", "height", (json_int_t)check.trust.height, "header",
                    lx_hex_of(&check.trust.header, hex)));
        else if (status == LX_EXIT_TRUE)
                printf("%llu headers verify; you trust height %llu, hash %s\n", (unsigned long long)file.count,
                    (unsigned long long)check.trust.height, lx_hex_of(&check.trust.header, hex));
        lx_check_end(&check);
        lx_free(r.set);
        return status;
}

int
cmd_chain_import(struct lx *lx)
{
        struct lx_buf in = {0};
        int status = read_chain_file(lx, &in);

        if (status == LX_EXIT_TRUE)
                status = ledger_chain_file_is(lx_buf_span(&in)) ? import_headers(lx, lx_buf_span(&in))
                                                                : lx_import_pass(lx, lx_buf_span(&in));
        lx_buf_clear(&in);
        return status;
}

/* ---- trust ------------------------------------------------------------------------------------- */

static enum lx_err
anchor_at(struct lx_check *check, const struct ledger_header *h, const struct lx_buf *set, uint64_t trust_days)
{
        struct lx_hash set_hash;

        sigchain_valset_hash(&lx_crypto_ops()->hash, set->p, set->len, &set_hash);
        if (!lx_hash_eq(&set_hash, &h->next_valset))
                return LX_ERR_PROOF;
        check->trust.chain_id = h->chain_id;
        check->trust.height = h->height;
        check->trust.time_ms = h->time_ms;
        check->trust.next_valset = h->next_valset;
        ledger_header_hash(&lx_crypto_ops()->hash, h, &check->trust.header);
        check->trust_ms = trust_days * DAY_MS;
        lx_buf_reset(&check->set_bytes);
        lx_buf_append(&check->set_bytes, set->p, set->len);
        check->anchored = true;
        return LX_OK;
}

/* The header of HEIGHT as the node has it, if its hash is the one that the user knows. */
static int
trust_header(struct lx *lx, struct lx_check *check, uint64_t height, const struct lx_hash *must)
{
        struct ledger_header h;
        struct lx_buf bytes = {0}, set = {0};
        struct lx_hash hash = {{0}};
        json_t *o = NULL, *g = NULL;
        const char *hex, *set_hex;
        int status = LX_EXIT_TRUE;

        if (!lx_call(lx, "chain.header", json_pack("{s:I}", "height", (json_int_t)height), &o, &status))
                return status;
        hex = lx_str(o, "header");
        set_hex = lx_str(o, "valset");
        if (lx_unhex(hex, strlen(hex), lx_buf_reserve(&bytes, LEDGER_HEADER_LEN + 1), LEDGER_HEADER_LEN) &&
            ledger_header_decode(bytes.p, LEDGER_HEADER_LEN, &h) == LX_OK)
                ledger_header_hash(&lx_crypto_ops()->hash, &h, &hash);
        if (!lx_unhex(set_hex, strlen(set_hex), lx_buf_reserve(&set, strlen(set_hex) / 2 + 1), strlen(set_hex) / 2))
                status = LX_EXIT_REFUSED;
        lx_buf_add(&set, strlen(set_hex) / 2);
        if (!lx_hash_eq(&hash, must))
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's header of height %llu has another hash",
                    (unsigned long long)height);
        else if (anchor_at(check, &h, &set, 400) != LX_OK)
                status = lx_fail(lx, LX_EXIT_USAGE, "the validators change after this header: trust the next one");
        json_decref(o);
        json_decref(g);
        lx_buf_clear(&bytes);
        lx_buf_clear(&set);
        return status;
}

/* The document says who the validators are; the header of height 0 is fetched and must be its. */
static int
trust_genesis(struct lx *lx, struct lx_check *check, const char *path)
{
        struct lx_buf json = {0}, bytes = {0};
        struct sigchain_genesis *g = lx_alloc(sizeof(*g));
        struct lx_hash id, hash;
        json_t *o = NULL;
        int status = LX_EXIT_TRUE;
        enum lx_err err = lx_file_read(path, GENESIS_JSON_MAX, &json, NULL);

        if (err == LX_OK)
                err = ledger_genesis_from_json((const char *)json.p, json.len, &bytes, &lx->why);
        if (err == LX_OK)
                err = sigchain_genesis_decode(bytes.p, bytes.len, g);
        if (err != LX_OK) {
                lx_why_set(&lx->why, "cannot read the genesis document %s: %s", path, lx_err_text(err));
                status = lx_fail(lx, LX_EXIT_USAGE, NULL);
        }
        sigchain_chain_id(&lx_crypto_ops()->hash, bytes.p, bytes.len, &id);
        if (status == LX_EXIT_TRUE &&
            lx_call(lx, "chain.header", json_pack("{s:i}", "height", 0), &o, &status) &&
            lx_parse_hash(lx_str(o, "hash"), &hash))
                status = trust_header(lx, check, 0, &hash);
        /* Header 0 has no certificate: the document must say the same chain, time and validators. */
        if (status == LX_EXIT_TRUE) {
                struct lx_buf set = {0};
                struct lx_writer wr = lx_writer_init(
                    lx_buf_reserve(&set, SIGCHAIN_VALSET_BYTES_MAX), SIGCHAIN_VALSET_BYTES_MAX);

                sigchain_valset_encode(&g->validators, &wr);
                lx_buf_add(&set, wr.len);
                if (!lx_hash_eq(&id, &check->trust.chain_id) || g->time_ms != check->trust.time_ms ||
                    set.len != check->set_bytes.len || memcmp(set.p, check->set_bytes.p, set.len) != 0) /* public */
                        status = lx_fail(lx, LX_EXIT_FALSE, "the node is of another network than %s", path);
                check->trust_ms = g->params.value[SIGCHAIN_TRUST_DAYS] * DAY_MS;
                lx_buf_clear(&set);
        }
        json_decref(o);
        lx_free(g);
        lx_buf_clear(&json);
        lx_buf_clear(&bytes);
        return status;
}

static json_t *
trust_json(const struct lx_check *check)
{
        json_t *o = json_pack("{s:O,s:O}", "publishers", check->publishers, "names", check->names);
        char hex[65];

        if (check->anchored)
                (void)json_object_update_new(o, json_pack("{s:I,s:s}", "height", (json_int_t)check->trust.height,
                    "header", lx_hex_of(&check->trust.header, hex)));
        return o;
}

static int
save(struct lx *lx, struct lx_check *check, int status, const char *what)
{
        if (status == LX_EXIT_TRUE && lx_check_save(lx, check) != LX_OK)
                status = lx_fail(lx, LX_EXIT_IO, NULL);
        if (status == LX_EXIT_TRUE && !lx->json)
                printf("%s\n", what);
        else if (status == LX_EXIT_TRUE)
                lx_print_json(trust_json(check));
        lx_check_end(check);
        return status;
}

int
cmd_trust_set(struct lx *lx)
{
        struct lx_check check = {0};
        struct lx_hash hash;
        const char *colon = strchr(lx->args[0], ':');
        bool verify = lx->verify;
        uint64_t height;
        char number[24] = "";
        int status;

        lx->verify = false; /* there need not be an anchor yet */
        status = lx_check_begin(lx, &check);
        lx->verify = verify;
        if (colon != NULL)
                (void)snprintf(number, sizeof(number), "%.*s", (int)(colon - lx->args[0]), lx->args[0]);
        if (status == LX_EXIT_TRUE && lx_parse_number(number, &height) && access(lx->args[0], F_OK) != 0)
                status = lx_parse_hash(colon + 1, &hash) ? trust_header(lx, &check, height, &hash)
                    : lx_fail(lx, LX_EXIT_USAGE, "\"%.70s\" is no hash (64 hex digits)", colon + 1);
        else if (status == LX_EXIT_TRUE)
                status = trust_genesis(lx, &check, lx->args[0]);
        return save(lx, &check, status, "trusted");
}

int
cmd_trust_publisher(struct lx *lx)
{
        struct lx_check check = {0};
        struct lx_hash genesis;
        bool remove = lx_option(lx, "remove") != NULL, there = false;
        char hex[65];
        int status = (remove ? lx_resolve_genesis : lx_resolve_profile)(lx, lx->args[0], &genesis);

        if (status == LX_EXIT_TRUE) {
                bool verify = lx->verify;

                lx->verify = false;
                status = lx_check_begin(lx, &check);
                lx->verify = verify;
        }
        lx_hex_of(&genesis, hex);
        for (size_t i = 0; i < json_array_size(check.publishers); i++) {
                if (strcmp(json_string_value(json_array_get(check.publishers, i)), hex) != 0)
                        continue;
                there = true;
                if (remove) {
                        json_array_remove(check.publishers, i);
                        json_array_remove(check.names, i--);
                }
        }
        if (!remove && !there && status == LX_EXIT_TRUE) {
                json_array_append_new(check.publishers, json_string(hex));
                json_array_append_new(check.names, json_string(lx->args[0]));
        }
        return save(lx, &check, status, remove ? "no longer trusted" : "trusted publisher");
}

int
cmd_trust_show(struct lx *lx)
{
        struct lx_check check = {0};
        char hex[65];
        int status;

        lx->verify = false;
        status = lx_check_begin(lx, &check);
        if (status == LX_EXIT_TRUE && lx->json) {
                lx_print_json(trust_json(&check));
        } else if (status == LX_EXIT_TRUE) {
                if (check.anchored)
                        printf("header     %llu %s\n", (unsigned long long)check.trust.height,
                            lx_hex_of(&check.trust.header, hex));
                for (size_t i = 0; i < json_array_size(check.publishers); i++)
                        printf("publisher  %s %s\n", json_string_value(json_array_get(check.publishers, i)),
                            json_string_value(json_array_get(check.names, i)));
        }
        lx_check_end(&check);
        return status;
}
