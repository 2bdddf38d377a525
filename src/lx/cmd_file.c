/* lx/cmd_file.c - files: registering, verifying, updating, proving. */
#include "config.h"
#include "lx/files.h"
#include "lx/wallet.h"

#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "lx/check.h"
#include "merkle/file.h"
#include "merkle/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TX_BODY_MAX (50u << 10) /* bytes of operations in one transaction */
#define PAGE 4096ull
#define KEEP_MAX (256u << 20) /* bytes of a file whose content the node keeps */

/* A file register of whoever is logged in. */
struct entry {
        struct lx_hash address, root, owner;
        uint64_t length;
};

static int
list_files(struct lx *lx, struct lx_map *map, struct lx_arena *arena)
{
        struct lx_signer signer;
        struct lx_hash genesis;
        char owner[65], after[65] = "";
        bool more = true;
        int status = LX_EXIT_TRUE;
        enum lx_err err = lx_signer_open(lx, &signer);

        if (err != LX_OK)
                return lx_fail(lx, lx_exit_of(err), NULL);
        genesis = signer.genesis;
        lx_hex_of(&genesis, owner);
        lx_signer_clear(&signer);
        while (more && status == LX_EXIT_TRUE) {
                json_t *params = json_pack("{s:s,s:s,s:i}", "owner", owner, "standard", "file", "limit", 1000);
                json_t *o = NULL, *reg;
                size_t i;

                if (after[0] != '\0')
                        json_object_set_new(params, "after", json_string(after));
                if (!lx_call(lx, "register.list", params, &o, &status))
                        return status;
                json_array_foreach(json_object_get(o, "registers"), i, reg) {
                        const json_t *f = json_object_get(reg, "fields");
                        struct entry *e = lx_arena_alloc(arena, sizeof(*e));

                        (void)snprintf(after, sizeof(after), "%s", lx_str(reg, "address"));
                        e->length = lx_num(f, "length");
                        e->owner = genesis;
                        if (lx_parse_hash(after, &e->address) && lx_parse_hash(lx_str(f, "root"), &e->root))
                                lx_map_put(map, lx_str(f, "path"), strlen(lx_str(f, "path")), e);
                }
                more = json_is_true(json_object_get(o, "more"));
                json_decref(o);
        }
        return status;
}

/* With --verify the register itself is proven, not only listed; its root and length are then *e's. */
static int
prove_entry(struct lx *lx, struct lx_check *check, const char *path, struct entry *e)
{
        char hex[65];
        json_t *o = NULL, *fields;
        struct lx_hash owner;
        int status = LX_EXIT_TRUE;

        if (lx_check_fetch(lx, check, lx_hex_of(&e->address, hex), &o) != LX_OK)
                return lx_fail(lx, rpcclient_was_refused(lx->client) ? LX_EXIT_REFUSED : LX_EXIT_FALSE,
                    "the node's answer does not hold: %s", lx->why.text);
        fields = json_object_get(o, "fields");
        if (strcmp(lx_str(o, "standard"), "file") != 0 || strcmp(lx_str(fields, "path"), path) != 0 ||
            !lx_parse_hash(lx_str(o, "owner"), &owner) || !lx_hash_eq(&owner, &e->owner) ||
            !lx_parse_hash(lx_str(fields, "root"), &e->root))
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s is not the register of %s",
                    hex, path);
        e->length = lx_num(fields, "length");
        json_decref(o);
        return status;
}

/* The register of @path alone. */
static int
find_file(struct lx *lx, const char *path, char real[PATH_MAX], struct entry *out)
{
        struct lx_map *map = lx_map_new(1);
        struct lx_arena *arena = lx_arena_new(0);
        struct lx_check check = {0};
        const struct entry *e;
        int status;

        if (realpath(path, real) == NULL) {
                status = lx_fail(lx, LX_EXIT_USAGE, "cannot read %s: %s", path, strerror(errno));
        } else {
                status = list_files(lx, map, arena);
                e = lx_map_get(map, real, strlen(real));
                if (status == LX_EXIT_TRUE && e == NULL)
                        status = lx_fail(lx, LX_EXIT_FALSE, "%s is not registered: lx file add %s", real, real);
                else if (e != NULL)
                        *out = *e;
                if (status == LX_EXIT_TRUE && lx->verify) {
                        status = lx_check_begin(lx, &check);
                        if (status == LX_EXIT_TRUE)
                                status = prove_entry(lx, &check, real, out);
                        lx_check_end(&check);
                }
        }
        lx_map_free(map);
        lx_arena_free(arena);
        return status;
}

static int
put_leaves(struct lx *lx, const struct lx_file *f)
{
        enum lx_err err = LX_OK;

        if (f->leaves.len > 0)
                err = rpcclient_put_blob(
                    lx->client, "leaves", &f->digest.root, lx_buf_span(&f->leaves), &lx->why);
        return err == LX_OK ? LX_EXIT_TRUE
                            : lx_fail(lx, rpcclient_was_refused(lx->client) ? LX_EXIT_REFUSED : lx_exit_of(err), NULL);
}

/* With --keep the node keeps the content too, so that lxguard can put it back: that of @path. */
static int
put_content(struct lx *lx, const char *path, const struct lx_file *f)
{
        struct lx_buf bytes = {0};
        enum lx_err err;

        if (lx_option(lx, "keep") == NULL || f->digest.size == 0)
                return LX_EXIT_TRUE;
        err = lx_file_read(path, KEEP_MAX, &bytes, &lx->why);
        if (err == LX_OK)
                err = rpcclient_put_blob(lx->client, "content", &f->digest.root, lx_buf_span(&bytes), &lx->why);
        lx_wipe(bytes.p, bytes.len);
        lx_buf_clear(&bytes);
        if (err == LX_OK)
                return LX_EXIT_TRUE;
        return lx_fail(lx, rpcclient_was_refused(lx->client) ? LX_EXIT_REFUSED : lx_exit_of(err),
            "the content of %s is not kept (at most %u MiB): %s", path, KEEP_MAX >> 20,
            lx->why.text[0] != '\0' ? lx->why.text : lx_err_text(err));
}

/* ---- add --------------------------------------------------------------------------------------- */

static void
add_op(struct lx_ops *ops, const struct lx_file *f, const struct entry *known)
{
        struct sigchain_object *o = lx_alloc(sizeof(*o));

        if (known == NULL)
                lx_field_text(o, "path", SIGCHAIN_FIXED, f->path);
        lx_field_hash(o, "root", SIGCHAIN_HASH, SIGCHAIN_MUTABLE, &f->digest.root);
        lx_field_u64(o, "length", SIGCHAIN_MUTABLE, f->digest.size);
        if (known == NULL)
                lx_ops_create(ops, SIGCHAIN_FILE, o);
        else
                lx_ops_write(ops, &known->address, o);
        lx_free(o);
}

static size_t
bytes_of(const struct lx_ops *ops)
{
        size_t bytes = 0;

        for (size_t i = 0; i < ops->count; i++)
                bytes += ops->body[i].len + 3;
        return bytes;
}

static int
flush(struct lx *lx, struct lx_ops *ops, uint64_t *height)
{
        struct lx_receipt receipt;
        int status = LX_EXIT_TRUE;

        if (ops->count > 0)
                status = lx_submit_plain(lx, ops, &receipt, NULL);
        if (ops->count > 0 && status == LX_EXIT_TRUE)
                *height = receipt.height;
        lx_ops_clear(ops);
        return status;
}

/* @from: where the content of the only file is (NULL: where each file is). */
static int
add_files(struct lx *lx, struct lx_files *files, struct lx_map *known, const char *from)
{
        struct lx_ops *ops = lx_alloc(sizeof(*ops));
        size_t added = 0, same = 0;
        uint64_t height = 0;
        int status = LX_EXIT_TRUE;

        for (size_t i = 0; i < files->count && status == LX_EXIT_TRUE; i++) {
                const struct lx_file *f = &files->v[i];
                const struct entry *e = lx_map_get(known, f->path, strlen(f->path));

                if (f->err != LX_OK)
                        status = lx_fail(lx, lx_exit_of(f->err), "%s", f->why.text);
                else
                        status = put_content(lx, from != NULL ? from : f->path, f);
                if (status != LX_EXIT_TRUE)
                        break;
                if (e != NULL && lx_hash_eq(&e->root, &f->digest.root) && e->length == f->digest.size) {
                        same++;
                } else {
                        status = put_leaves(lx, f);
                        if (status == LX_EXIT_TRUE && (ops->count == SIGCHAIN_OPS_MAX ||
                            bytes_of(ops) + strlen(f->path) + 256 > TX_BODY_MAX))
                                status = flush(lx, ops, &height);
                        add_op(ops, f, e);
                        added++;
                }
        }
        if (status == LX_EXIT_TRUE)
                status = flush(lx, ops, &height);
        lx_ops_clear(ops);
        lx_free(ops);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:I,s:I,s:I}", "added", (json_int_t)added, "unchanged",
                    (json_int_t)same, "height", (json_int_t)height));
        else if (status == LX_EXIT_TRUE && added > 0)
                printf("%zu files registered, %zu unchanged, height %llu\n", added, same,
                    (unsigned long long)height);
        else if (status == LX_EXIT_TRUE)
                printf("nothing new: all %zu files are registered as they are\n", same);
        return status;
}

/* Collect and hash the arguments, and load the registers. */
static int
prepare(struct lx *lx, struct lx_files *files, struct lx_map *known, struct lx_arena *arena, const char *title)
{
        int status = LX_EXIT_TRUE;

        for (int i = 0; i < lx->arg_count && status == LX_EXIT_TRUE; i++)
                status = lx_files_add(lx, files, lx->args[i], false);
        if (status == LX_EXIT_TRUE)
                status = list_files(lx, known, arena);
        if (status == LX_EXIT_TRUE) {
                lx_files_sort(files);
                lx_files_hash(files, DIGEST_ROOT, true, title);
        }
        return status;
}

int
cmd_file_add(struct lx *lx)
{
        struct lx_files files = {0};
        struct lx_map *known = lx_map_new(1);
        struct lx_arena *arena = lx_arena_new(0);
        int status = prepare(lx, &files, known, arena, "hashing");

        if (status == LX_EXIT_TRUE)
                status = add_files(lx, &files, known, NULL);
        lx_files_clear(&files);
        lx_map_free(known);
        lx_arena_free(arena);
        return status;
}

/* ---- verify ------------------------------------------------------------------------------------ */

static bool
get_leaves(struct lx *lx, const struct entry *e, struct lx_buf *out)
{
        struct lx_hash root;

        if (rpcclient_get_blob(lx->client, "leaves", &e->root, 0, UINT64_MAX, out, &lx->why) != LX_OK)
                return false;
        merkle_log_root(&lx_crypto_ops()->hash, (const struct lx_hash *)(const void *)out->p,
            out->len / LX_HASH_LEN, &root);
        return lx_hash_eq(&root, &e->root);
}

static bool
judge(struct lx *lx, const struct lx_file *f, const struct entry *e)
{
        struct lx_buf must = {0};
        char hex[65];
        bool good = e != NULL && lx_hash_eq(&e->root, &f->digest.root) && e->length == f->digest.size;
        const char *verdict = good ? "good" : e == NULL ? "unknown" : "bad";
        json_t *ranges = NULL;

        if (!good && !lx->json)
                printf("%s%s%s  %s\n", lx_color(e == NULL ? LX_DOUBT : LX_BAD), e == NULL ? "UNKNOWN" : "BAD    ",
                    lx_color_off(), f->path);
        if (!good && e != NULL && get_leaves(lx, e, &must))
                ranges = lx_ranges(f, &must, e->length, !lx->json);
        if (lx->json)
                lx_print_json(json_pack("{s:s,s:s,s:s,s:b,s:o*}", "path", f->path, "verdict", verdict, "root",
                    lx_hex_of(&f->digest.root, hex), "proven", (int)lx->verify, "ranges", ranges));
        else
                json_decref(ranges);
        lx_buf_clear(&must);
        return good;
}

static int
compare_paths(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
compare_file(const void *path, const void *file)
{
        return strcmp(path, ((const struct lx_file *)file)->path);
}

/* Whether @path is below one of the directories that were named. */
static bool
is_below(struct lx *lx, const char *path)
{
        char real[PATH_MAX];
        size_t len;

        for (int i = 0; i < lx->arg_count; i++) {
                if (realpath(lx->args[i], real) == NULL)
                        continue;
                len = strlen(real);
                if (strncmp(path, real, len) == 0 && (path[len] == '/' || (len == 1 && path[1] != '\0')))
                        return true;
        }
        return false;
}

/* What is registered below the directories and not there any more; how many. */
static size_t
tell_missing(struct lx *lx, const struct lx_files *files, const struct lx_map *known)
{
        const char **missing = lx_alloc_array(lx_map_count(known) + 1, sizeof(*missing));
        size_t count = 0, pos = 0, len;
        const void *key;
        void *value;
        char path[PATH_MAX];

        while (lx_map_next(known, &pos, &key, &len, &value)) {
                (void)snprintf(path, sizeof(path), "%.*s", (int)len, (const char *)key);
                if (is_below(lx, path) && (files->count == 0 ||
                    bsearch(path, files->v, files->count, sizeof(*files->v), compare_file) == NULL))
                        missing[count++] = lx_strdup(path);
        }
        qsort(missing, count, sizeof(*missing), compare_paths);
        for (size_t i = 0; i < count; i++) {
                if (lx->json)
                        lx_print_json(json_pack("{s:s,s:s,s:b}", "path", missing[i], "verdict", "missing",
                            "proven", 0));
                else
                        printf("%sMISSING%s  %s\n", lx_color(LX_BAD), lx_color_off(), missing[i]);
                lx_free((char *)(uintptr_t)missing[i]);
        }
        lx_free(missing);
        return count;
}

int
cmd_file_verify(struct lx *lx)
{
        struct lx_files files = {0};
        struct lx_map *known = lx_map_new(1);
        struct lx_arena *arena = lx_arena_new(0);
        struct lx_check check = {0};
        size_t good = 0, failed = 0, missing = 0;
        struct stat st;
        int status = LX_EXIT_TRUE;

        for (int i = 0; i < lx->arg_count && lx_option(lx, "recursive") == NULL; i++)
                if (stat(lx->args[i], &st) == 0 && S_ISDIR(st.st_mode) && status == LX_EXIT_TRUE)
                        status = lx_fail(lx, LX_EXIT_USAGE, "%s is a directory (-r verifies what is below)",
                            lx->args[i]);
        if (status == LX_EXIT_TRUE && lx->verify)
                status = lx_check_begin(lx, &check);
        if (status == LX_EXIT_TRUE)
                status = prepare(lx, &files, known, arena, "verifying");
        for (size_t i = 0; i < files.count && status == LX_EXIT_TRUE; i++) {
                const struct lx_file *f = &files.v[i];
                struct entry *e = lx_map_get(known, f->path, strlen(f->path));

                if (lx->verify && e != NULL)
                        status = prove_entry(lx, &check, f->path, e);
                if (f->err != LX_OK) {
                        (void)lx_fail(lx, 0, "%s", f->why.text);
                        failed++;
                } else if (status == LX_EXIT_TRUE) {
                        good += judge(lx, f, e);
                }
        }
        if (status == LX_EXIT_TRUE && lx_option(lx, "recursive") != NULL)
                missing = tell_missing(lx, &files, known);
        if (status == LX_EXIT_TRUE) {
                if (!lx->json)
                        printf("%zu of %zu files are good\n", good, files.count + missing);
                status = failed > 0 ? LX_EXIT_IO : good == files.count + missing ? LX_EXIT_TRUE : LX_EXIT_FALSE;
        }
        lx_check_end(&check);
        lx_files_clear(&files);
        lx_map_free(known);
        lx_arena_free(arena);
        return status;
}

/* ---- ranges ------------------------------------------------------------------------------------ */

static bool
parse_range(const char *s, uint64_t size, uint64_t *out_first, uint64_t *out_count)
{
        char *end;
        unsigned long long offset, len;

        errno = 0;
        offset = strtoull(s, &end, 10);
        if (s[0] < '0' || s[0] > '9' || *end != ':')
                return false;
        len = strtoull(end + 1, &end, 10);
        if (*end != '\0' || errno != 0 || len == 0 || offset >= size || len > size - offset)
                return false;
        *out_first = offset / PAGE;
        *out_count = (offset + len - 1) / PAGE - *out_first + 1;
        return true;
}

struct range {
        uint64_t first, count, pages;
        struct lx_buf old_leaves;
        struct merkle_path path;
};

/* The range as registered, with its proof, checked against the register's root. */
static int
get_range(struct lx *lx, const struct entry *e, struct range *r)
{
        char hex[65];
        json_t *o = NULL, *h;
        int status = LX_EXIT_TRUE;
        const char *leaves;
        size_t i;

        if (!lx_call(lx, "blob.prove", json_pack("{s:s,s:I,s:I}", "root", lx_hex_of(&e->root, hex), "first",
                (json_int_t)r->first, "count", (json_int_t)r->count), &o, &status))
                return status;
        r->pages = lx_num(o, "size");
        leaves = lx_str(o, "leaves");
        if (lx_unhex(leaves, strlen(leaves), lx_buf_reserve(&r->old_leaves, strlen(leaves) / 2 + 1),
                strlen(leaves) / 2))
                lx_buf_add(&r->old_leaves, strlen(leaves) / 2);
        json_array_foreach(json_object_get(o, "path"), i, h)
                if (i < MERKLE_LOG_PROOF_MAX && lx_parse_hash(json_string_value(h), &r->path.hash[i]))
                        r->path.count++;
        if (r->old_leaves.len != r->count * LX_HASH_LEN || r->pages != merkle_file_pages(e->length) ||
            merkle_file_verify(&lx_crypto_ops()->hash, (const struct lx_hash *)(const void *)r->old_leaves.p,
                r->first, r->count, r->pages, r->path.hash, r->path.count, &e->root) != LX_OK)
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's proof of the range does not hold");
        json_decref(o);
        return status;
}

static int
submit_root(struct lx *lx, const struct entry *e, const struct lx_hash *root, uint64_t length, const char *path)
{
        struct sigchain_object *o = lx_alloc(sizeof(*o));
        struct lx_ops *ops = lx_alloc(sizeof(*ops));
        struct lx_receipt receipt;
        char hex[65];
        int status;

        lx_field_hash(o, "root", SIGCHAIN_HASH, SIGCHAIN_MUTABLE, root);
        lx_field_u64(o, "length", SIGCHAIN_MUTABLE, length);
        lx_ops_write(ops, &e->address, o);
        status = lx_submit_plain(lx, ops, &receipt, NULL);
        if (status == LX_EXIT_TRUE && lx->json)
                lx_print_json(json_pack("{s:s,s:s,s:I}", "path", path, "root", lx_hex_of(root, hex), "height",
                    (json_int_t)receipt.height));
        else if (status == LX_EXIT_TRUE)
                printf("%s: root %s, height %llu\n", path, lx_hex_of(root, hex),
                    (unsigned long long)receipt.height);
        lx_ops_clear(ops);
        lx_free(ops);
        lx_free(o);
        return status;
}

static void
tell_unchanged(struct lx *lx, const char *path, const struct lx_hash *root)
{
        char hex[65];

        if (lx->json)
                lx_print_json(json_pack("{s:s,s:s,s:b}", "path", path, "root", lx_hex_of(root, hex), "unchanged", 1));
        else
                printf("%s: unchanged\n", path);
}

static int
update_range(struct lx *lx, const struct entry *e, const char *path, const char *range)
{
        struct range *r = lx_alloc(sizeof(*r));
        struct lx_buf leaves = {0};
        struct lx_hash root;
        uint64_t size = 0;
        uint32_t mode;
        int fd = -1, status;
        enum lx_err err = digest_open(path, &fd, &size, &mode, &lx->why);

        if (err != LX_OK) {
                status = lx_fail(lx, lx_exit_of(err), NULL);
        } else if (size != e->length) {
                status = lx_fail(lx, LX_EXIT_USAGE, "%s has %llu bytes, registered are %llu: update it without "
                    "--range", path, (unsigned long long)size, (unsigned long long)e->length);
        } else if (!parse_range(range, size, &r->first, &r->count)) {
                status = lx_fail(lx, LX_EXIT_USAGE, "--range is OFFSET:LENGTH within the file's %llu bytes",
                    (unsigned long long)size);
        } else {
                status = get_range(lx, e, r);
                err = status == LX_EXIT_TRUE ? digest_pages(fd, size, r->first, r->count, &leaves) : LX_OK;
                if (err == LX_OK && status == LX_EXIT_TRUE)
                        err = merkle_file_replace(&lx_crypto_ops()->hash,
                            (const struct lx_hash *)(const void *)r->old_leaves.p,
                            (const struct lx_hash *)(const void *)leaves.p, r->first, r->count, r->pages,
                            r->path.hash, r->path.count, &e->root, &root);
                if (err == LX_OK && status == LX_EXIT_TRUE && !lx_hash_eq(&root, &e->root))
                        err = rpcclient_patch_blob(lx->client, "leaves", &root, &e->root,
                            r->pages * LX_HASH_LEN, r->first * LX_HASH_LEN, lx_buf_span(&leaves), &lx->why);
                if (err != LX_OK)
                        status = lx_fail(lx, lx_exit_of(err), "%s: %s", path,
                            lx->why.text[0] != '\0' ? lx->why.text : lx_err_text(err));
                else if (status == LX_EXIT_TRUE && lx_hash_eq(&root, &e->root))
                        tell_unchanged(lx, path, &root);
                else if (status == LX_EXIT_TRUE)
                        status = submit_root(lx, e, &root, size, path);
        }
        if (fd >= 0)
                (void)close(fd);
        lx_buf_clear(&leaves);
        lx_buf_clear(&r->old_leaves);
        lx_free(r);
        return status;
}

/* The content of @from becomes what PATH must have; lxguard then puts it there. */
static int
update_from(struct lx *lx, const char *from)
{
        struct lx_files files = {0};
        struct lx_map *known = lx_map_new(1);
        struct lx_arena *arena = lx_arena_new(0);
        char real[PATH_MAX], source[PATH_MAX];
        int status = LX_EXIT_TRUE;

        if (realpath(lx->args[0], real) == NULL)
                status = lx_fail(lx, LX_EXIT_USAGE, "cannot read %s: %s", lx->args[0], strerror(errno));
        if (status == LX_EXIT_TRUE)
                status = lx_files_add(lx, &files, from, false);
        if (status == LX_EXIT_TRUE && (files.count != 1 || strlen(files.v[0].path) >= sizeof(source)))
                status = lx_fail(lx, LX_EXIT_USAGE, "--from %s: name one file", from);
        if (status == LX_EXIT_TRUE)
                status = list_files(lx, known, arena);
        if (status == LX_EXIT_TRUE) {
                lx_files_hash(&files, DIGEST_ROOT, true, "hashing");
                (void)snprintf(source, sizeof(source), "%s", files.v[0].path);
                lx_free(files.v[0].path);
                files.v[0].path = lx_strdup(real);
                status = add_files(lx, &files, known, source);
        }
        lx_files_clear(&files);
        lx_map_free(known);
        lx_arena_free(arena);
        return status;
}

int
cmd_file_update(struct lx *lx)
{
        const char *range = lx_option(lx, "range"), *from = lx_option(lx, "from");
        char real[PATH_MAX];
        struct entry e = {0};
        int status;

        if (range != NULL && (from != NULL || lx_option(lx, "keep") != NULL))
                return lx_fail(lx, LX_EXIT_USAGE, "--range goes with neither --from nor --keep");
        if (from != NULL)
                return update_from(lx, from);
        if (range == NULL)
                return cmd_file_add(lx);
        status = find_file(lx, lx->args[0], real, &e);
        return status == LX_EXIT_TRUE ? update_range(lx, &e, real, range) : status;
}

int
cmd_file_prove(struct lx *lx)
{
        const char *text = lx_option(lx, "range");
        struct range *r = lx_alloc(sizeof(*r));
        struct entry e = {0};
        char real[PATH_MAX], root[65], address[65];
        json_t *path = json_array();
        int status = text == NULL ? lx_fail(lx, LX_EXIT_USAGE, "usage: lx file prove PATH --range OFF:LEN")
                                  : find_file(lx, lx->args[0], real, &e);

        if (status == LX_EXIT_TRUE && !parse_range(text, e.length, &r->first, &r->count))
                status = lx_fail(lx, LX_EXIT_USAGE, "--range is OFFSET:LENGTH within the file");
        if (status == LX_EXIT_TRUE)
                status = get_range(lx, &e, r);
        if (status == LX_EXIT_TRUE) {
                char *leaves = lx_alloc(LX_HEX_LEN(r->old_leaves.len));

                lx_hex(r->old_leaves.p, r->old_leaves.len, leaves);
                for (size_t i = 0; i < r->path.count; i++) {
                        char hex[65];

                        json_array_append_new(path, json_string(lx_hex_of(&r->path.hash[i], hex)));
                }
                lx_print_json(json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:s,s:O}", "path", real, "address",
                    lx_hex_of(&e.address, address), "root", lx_hex_of(&e.root, root), "length",
                    (json_int_t)e.length, "first", (json_int_t)r->first, "count", (json_int_t)r->count,
                    "leaves", leaves, "proof", path));
                lx_free(leaves);
        }
        json_decref(path);
        lx_buf_clear(&r->old_leaves);
        lx_free(r);
        return status;
}

static int
prove_root(struct lx *lx, const struct lx_hash *address, json_t *o)
{
        struct lx_check check = {0};
        int status = lx_check_begin(lx, &check);

        if (status == LX_EXIT_TRUE && lx_check_register(lx, &check, address, LX_CHECK_NOW, o) != LX_OK)
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        lx_check_end(&check);
        return status;
}

int
cmd_file_root(struct lx *lx)
{
        struct lx_pool *pool;
        struct lx_digest d;
        struct lx_hash address;
        char hex[65];
        json_t *o = NULL;
        int status = LX_EXIT_TRUE;
        enum lx_err err;

        if (lx_parse_hash(lx->args[0], &address)) {
                if (!lx_call(lx, "register.get", json_pack("{s:s,s:b}", "address", lx->args[0], "prove",
                        (int)lx->verify), &o, &status))
                        return status;
                if (lx->verify)
                        status = prove_root(lx, &address, o);
                if (status == LX_EXIT_TRUE && lx_str(json_object_get(o, "fields"), "root")[0] == '\0')
                        status = lx_fail(lx, LX_EXIT_USAGE, "%s is no register of a file", lx->args[0]);
                else if (status == LX_EXIT_TRUE && lx->json)
                        lx_print_json(json_pack("{s:s,s:O,s:O,s:b}", "address", lx->args[0], "root",
                            json_object_get(json_object_get(o, "fields"), "root"), "size",
                            json_object_get(json_object_get(o, "fields"), "length"), "proven", (int)lx->verify));
                else if (status == LX_EXIT_TRUE)
                        printf("%s\n", lx_str(json_object_get(o, "fields"), "root"));
                json_decref(o);
                return status;
        }
        pool = lx_pool_new(0, NULL, NULL);
        err = digest_file(lx->args[0], DIGEST_ROOT, pool, NULL, NULL, &d, NULL, &lx->why);
        lx_pool_free(pool);
        if (err != LX_OK)
                return lx_fail(lx, lx_exit_of(err), NULL);
        if (lx->json)
                lx_print_json(json_pack("{s:s,s:s,s:I}", "path", lx->args[0], "root", lx_hex_of(&d.root, hex),
                    "size", (json_int_t)d.size));
        else
                printf("%s\n", lx_hex_of(&d.root, hex));
        return LX_EXIT_TRUE;
}
