/* lx/cmd_binary.c - publishing, approving, revoking and looking up binaries. */
#include "config.h"
#include "lx/files.h"
#include "lx/wallet.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "lx/check.h"
#include "merkle/log.h"
#include "sigchain/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One transaction inserts at most 65,536 digests: three of each entry. */
#define PART_ENTRIES (65536u / 3)
#define PART_BYTES (15u << 20)

/* ---- publishing -------------------------------------------------------------------------------- */

struct part {
        struct lx_file *files;
        size_t count;
        struct lx_buf manifest, leaves;
        struct lx_hash root, leaves_root;
};

static size_t
part_length(const struct lx_file *files, size_t count)
{
        size_t bytes = 5, n = 0;

        while (n < count && n < PART_ENTRIES && bytes < PART_BYTES)
                bytes += 110 + strlen(files[n++].path);
        return n;
}

static enum lx_err
make_part(struct part *part, struct lx_why *why)
{
        struct sigchain_entry *entries = lx_alloc_array(part->count, sizeof(*entries));
        const struct lx_hash_ops *ops = &lx_crypto_ops()->hash;
        enum lx_err err;

        for (size_t i = 0; i < part->count; i++) {
                const struct lx_file *f = &part->files[i];

                entries[i] = (struct sigchain_entry){.path = LX_SPAN(f->path + 1, strlen(f->path + 1)),
                    .size = f->digest.size,
                    .mode = f->digest.mode,
                    .root = f->digest.root,
                    .sha256 = f->digest.sha256,
                    .fsverity = f->digest.fsverity};
                lx_buf_append(&part->leaves, f->leaves.p, f->leaves.len);
        }
        err = sigchain_manifest_write(ops, entries, (uint32_t)part->count, &part->manifest, &part->root);
        lx_free(entries);
        if (err != LX_OK)
                lx_why_set(why, "the manifest cannot be made: %s", lx_err_text(err));
        if (part->leaves.len > 0)
                merkle_log_root(ops, (const struct lx_hash *)(const void *)part->leaves.p,
                    part->leaves.len / LX_HASH_LEN, &part->leaves_root);
        return err;
}

static int
submit_part(struct lx *lx, struct part *part, enum sigchain_type type, const char *name,
    const char *version, struct lx_hash *out_address, struct lx_hash *out_publisher, struct lx_receipt *receipt)
{
        struct sigchain_object *o = lx_alloc(sizeof(*o));
        struct lx_ops *ops = lx_alloc(sizeof(*ops));
        int status = LX_EXIT_TRUE;
        enum lx_err err = rpcclient_put_blob(
            lx->client, "manifest", &part->root, lx_buf_span(&part->manifest), &lx->why);

        if (err == LX_OK && part->leaves.len > 0)
                err = rpcclient_put_blob(
                    lx->client, "leaves", &part->leaves_root, lx_buf_span(&part->leaves), &lx->why);
        if (err != LX_OK) {
                status = lx_fail(lx, rpcclient_was_refused(lx->client) ? LX_EXIT_REFUSED : lx_exit_of(err), NULL);
        } else {
                lx_field_text(o, "name", SIGCHAIN_FIXED, name);
                lx_field_text(o, "version", SIGCHAIN_FIXED, version);
                lx_field_hash(o, "manifest", SIGCHAIN_HASH, SIGCHAIN_FIXED, &part->root);
                lx_field_u64(o, "entries", SIGCHAIN_FIXED, part->count);
                lx_field_u64(o, "size", SIGCHAIN_FIXED, part->manifest.len);
                lx_field_hash(o, "leaves", SIGCHAIN_HASH, SIGCHAIN_FIXED, &part->leaves_root);
                lx_ops_create(ops, type, o);
                status = lx_submit_plain(lx, ops, receipt, out_publisher);
        }
        if (status == LX_EXIT_TRUE)
                sigchain_address_created(&lx_crypto_ops()->hash, type, out_publisher, receipt->sequence, 0,
                    out_address);
        lx_ops_clear(ops);
        lx_free(ops);
        lx_free(o);
        return status;
}

static void
report_part(struct lx *lx, const struct part *part, const struct lx_hash *address,
    const struct lx_hash *publisher, const struct lx_receipt *receipt)
{
        char a[65], p[65], r[65];

        if (lx->json)
                lx_print_json(json_pack("{s:s,s:s,s:I,s:I,s:s}", "release", lx_hex_of(address, a),
                    "publisher", lx_hex_of(publisher, p), "entries", (json_int_t)part->count, "height",
                    (json_int_t)receipt->height, "manifest", lx_hex_of(&part->root, r)));
        else
                printf("published %zu files: release %s, height %llu\n", part->count,
                    lx_hex_of(address, a), (unsigned long long)receipt->height);
}

/* Files that cannot be read stop the work: a release that silently lacks files helps nobody. */
static int
hash_all(struct lx *lx, struct lx_files *files, unsigned what, bool programs, const char *title)
{
        int status = LX_EXIT_TRUE;

        for (int i = 0; i < lx->arg_count && status == LX_EXIT_TRUE; i++)
                status = lx_files_add(lx, files, lx->args[i], programs);
        if (status != LX_EXIT_TRUE)
                return status;
        lx_files_sort(files);
        if (files->count == 0)
                return lx_fail(lx, LX_EXIT_USAGE, "there are no files to take there");
        lx_files_hash(files, what, true, title);
        return LX_EXIT_TRUE;
}

static int
publish(struct lx *lx, enum sigchain_type type)
{
        const char *name = lx_option(lx, "release"), *version = lx_option(lx, "version");
        struct lx_files files = {0};
        int status = hash_all(lx, &files, DIGEST_ALL, true, "hashing");

        for (size_t i = 0; i < files.count && status == LX_EXIT_TRUE; i++)
                if (files.v[i].err != LX_OK)
                        status = lx_fail(lx, lx_exit_of(files.v[i].err), "%s", files.v[i].why.text);
        for (size_t at = 0; at < files.count && status == LX_EXIT_TRUE;) {
                struct part part = {.files = files.v + at, .count = part_length(files.v + at, files.count - at)};
                struct lx_hash address, publisher;
                struct lx_receipt receipt;

                if (make_part(&part, &lx->why) != LX_OK)
                        status = lx_fail(lx, LX_EXIT_USAGE, NULL);
                else
                        status = submit_part(lx, &part, type, name != NULL ? name : "release",
                            version != NULL ? version : "1", &address, &publisher, &receipt);
                if (status == LX_EXIT_TRUE)
                        report_part(lx, &part, &address, &publisher, &receipt);
                lx_buf_clear(&part.manifest);
                lx_buf_clear(&part.leaves);
                at += part.count;
        }
        lx_files_clear(&files);
        return status;
}

int
cmd_binary_publish(struct lx *lx)
{
        return publish(lx, SIGCHAIN_RELEASE);
}

int
cmd_binary_approve(struct lx *lx)
{
        return publish(lx, SIGCHAIN_APPROVAL);
}

int
cmd_binary_revoke(struct lx *lx)
{
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_REVOKE};
        struct lx_ops *ops;
        struct lx_receipt receipt;
        int status;

        if (!lx_parse_hash(lx->args[0], &body.u.revoke.digest))
                return lx_fail(lx, LX_EXIT_USAGE, "a digest has 64 hex digits");
        if (!lx_confirm(lx, "Revoke this digest for ever?"))
                return lx_fail(lx, LX_EXIT_USAGE, "not confirmed (--yes confirms)");
        ops = lx_alloc(sizeof(*ops));
        lx_ops_add(ops, &body);
        status = lx_submit_plain(lx, ops, &receipt, NULL);
        lx_ops_clear(ops);
        lx_free(ops);
        if (status == LX_EXIT_TRUE && !lx->json)
                printf("revoked at height %llu\n", (unsigned long long)receipt.height);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:s,s:I}", "digest", lx->args[0], "height", (json_int_t)receipt.height));
        return status;
}

/* ---- looking up -------------------------------------------------------------------------------- */

static int
digest_of_argument(struct lx *lx, const char *arg, struct lx_hash *out)
{
        struct lx_digest d;
        enum lx_err err;

        if (lx_parse_hash(arg, out))
                return LX_EXIT_TRUE;
        err = digest_file(arg, DIGEST_SHA256, NULL, NULL, NULL, &d, NULL, &lx->why);
        if (err == LX_ERR_ABSENT)
                lx_why_replace(&lx->why, "\"%s\" is neither a digest (64 hex digits) nor a file", arg);
        if (err != LX_OK)
                return lx_fail(lx, err == LX_ERR_IO || err == LX_ERR_CHANGED ? LX_EXIT_IO : LX_EXIT_USAGE, NULL);
        *out = d.sha256;
        return LX_EXIT_TRUE;
}

static json_t *
match_json(const struct lx_hash *digest, json_t *match, bool proven, uint64_t age_ms)
{
        json_t *o = json_deep_copy(match);
        char hex[65];

        json_object_set_new(o, "path", json_sprintf("/%s", lx_str(match, "path")));

        json_object_set_new(o, "digest", json_string(lx_hex_of(digest, hex)));
        json_object_set_new(o, "found", json_true());
        json_object_set_new(o, "proven", json_boolean(proven));
        json_object_set_new(o, "age", json_integer((json_int_t)(age_ms / 1000)));
        return o;
}

static void
show_match(json_t *m, bool proven)
{
        const char *end = lx_color_off();

        printf("/%s\n  release    %s %s (%s)\n  publisher  %s\n  address    %s\n  height     %llu\n"
               "  sha256     %s\n  fsverity   %s\n  root       %s\n  %s%s%s\n", lx_str(m, "path"),
            lx_str(m, "name"), lx_str(m, "version"), lx_str(m, "standard"), lx_str(m, "publisher"),
            lx_str(m, "release"), (unsigned long long)lx_num(m, "height"), lx_str(m, "sha256"),
            lx_str(m, "fsverity"), lx_str(m, "root"), proven ? lx_color(LX_GOOD) : "",
            proven ? "proven" : "not proven (--verify proves it)", proven ? end : "");
        if (json_is_true(json_object_get(m, "revoked")))
                printf("  %sREVOKED%s\n", lx_color(LX_BAD), end);
}

static int
show_lookup(struct lx *lx, const struct lx_hash *digest, json_t *o, bool proven, uint64_t age_ms)
{
        json_t *matches = json_object_get(o, "matches"), *m;
        bool good = false;
        char hex[65];
        size_t i;

        json_array_foreach(matches, i, m) {
                good |= !json_is_true(json_object_get(m, "revoked"));
                if (lx->json)
                        lx_print_json(match_json(digest, m, proven, age_ms));
                else
                        show_match(m, proven);
        }
        if (json_array_size(matches) > 0)
                return good ? LX_EXIT_TRUE : LX_EXIT_FALSE;
        if (lx->json)
                lx_print_json(json_pack("{s:s,s:b,s:b,s:I}", "digest", lx_hex_of(digest, hex), "found", 0,
                    "proven", (int)proven, "height", (json_int_t)lx_num(o, "height")));
        else
                printf("unknown%s\n", proven ? ": proven absent at every trusted publisher"
                                             : ", not proven (--verify proves it for trusted publishers)");
        return LX_EXIT_FALSE;
}

int
cmd_binary_lookup(struct lx *lx)
{
        struct lx_hash digest;
        struct lx_check check = {0};
        json_t *params, *o = NULL;
        char hex[65];
        int status = digest_of_argument(lx, lx->args[0], &digest);

        if (status != LX_EXIT_TRUE)
                return status;
        params = json_pack("{s:s}", "digest", lx_hex_of(&digest, hex));
        if (lx->verify) {
                status = lx_check_begin(lx, &check);
                if (status == LX_EXIT_TRUE && json_array_size(check.publishers) == 0)
                        status = lx_fail(lx, LX_EXIT_USAGE,
                            "no publisher is trusted: lx trust publisher NAME|GENESIS-ID");
                if (status != LX_EXIT_TRUE) {
                        lx_check_end(&check);
                        json_decref(params);
                        return status;
                }
                json_object_set_new(params, "prove", json_true());
                json_object_set(params, "publishers", check.publishers);
        }
        if (!lx_call(lx, "binary.lookup", params, &o, &status)) {
                lx_check_end(&check);
                return status;
        }
        if (lx->verify && lx_check_lookup(lx, &check, &digest, o) != LX_OK)
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        else
                status = show_lookup(lx, &digest, o, lx->verify, check.age_ms);
        lx_check_end(&check);
        json_decref(o);
        return status;
}
