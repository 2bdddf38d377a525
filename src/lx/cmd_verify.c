/* lx/cmd_verify.c - lx binary verify: files against what was published under their paths. */
#include "config.h"
#include "lx/files.h"
#include "lx/signer.h"

#include "base/map.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "lx/check.h"
#include "merkle/file.h"
#include "merkle/log.h"
#include "sigchain/manifest.h"

#include <stdio.h>
#include <string.h>

/* What was published under a path. */
struct published {
        struct published *same_name; /* another one with the same last part of the path */
        struct published *same_root; /* the same content, published again */
        const char *path;
        struct lx_hash publisher, root, sha256, fsverity;
        uint64_t size;
        struct lx_hash leaves;   /* blob with the leaf hashes of the whole release */
        uint64_t leaves_at;      /* offset of this entry's in it */
};

/* Everything published by those whom the user trusts (and by the user). */
struct catalogue {
        struct lx *lx;
        struct lx_map *by_path;
        struct lx_map *by_root; /* root -> published */
        struct lx_map *by_name; /* last part of the path -> published, for copies elsewhere */
        struct lx_arena *arena;
        struct lx_hash leaves;
        struct lx_hash publisher; /* of the release that is read */
        uint64_t at;
        size_t releases;
        bool light;               /* the node is a light one: it has only what is watched */
        uint64_t oldest_ms;       /* age of the oldest proof (light) */
};

static bool
note_entry(void *arg, uint32_t number, const struct sigchain_entry *entry, struct lx_span raw)
{
        struct catalogue *c = arg;
        struct published *p = lx_arena_alloc(c->arena, sizeof(*p));

        (void)number;
        (void)raw;
        *p = (struct published){.publisher = c->publisher, .root = entry->root, .sha256 = entry->sha256,
            .fsverity = entry->fsverity, .size = entry->size, .leaves = c->leaves, .leaves_at = c->at};
        p->path = lx_arena_printf(c->arena, "/%.*s", (int)entry->path.len, entry->path.p);
        p->same_name = lx_map_put(c->by_name, strrchr(p->path, '/'), strlen(strrchr(p->path, '/')), p);
        lx_map_put(c->by_path, p->path, strlen(p->path), p);
        p->same_root = lx_map_put(c->by_root, entry->root.b, LX_HASH_LEN, p);
        c->at += merkle_file_pages(entry->size) * LX_HASH_LEN;
        return true;
}

static enum lx_err
note_release(struct catalogue *c, const json_t *fields)
{
        struct lx_hash manifest, root;
        struct lx_buf bytes = {0};
        uint32_t count;
        enum lx_err err;

        if (!lx_parse_hash(lx_str(fields, "manifest"), &manifest))
                return LX_ERR_FORMAT;
        if (!lx_parse_hash(lx_str(fields, "leaves"), &c->leaves))
                c->leaves = (struct lx_hash){{0}};
        c->at = 0;
        err = rpcclient_get_blob(
            c->lx->client, "manifest", &manifest, 0, UINT64_MAX, &bytes, &c->lx->why);
        if (err == LX_OK)
                err = sigchain_manifest_read(
                    &lx_crypto_ops()->hash, lx_buf_span(&bytes), note_entry, c, &root, &count);
        if (err == LX_OK && !lx_hash_eq(&root, &manifest)) {
                lx_why_set(&c->lx->why, "the node sent another manifest than the one asked for");
                err = LX_ERR_PROOF;
        }
        c->releases++;
        lx_buf_clear(&bytes);
        return err;
}

/* The release at @address as proven, which must be @publisher's. */
static int
prove_release(struct catalogue *c, struct lx_check *check, const char *publisher, const char *standard,
    const char *address, json_t **out_proven)
{
        json_t *o = NULL;

        if (lx_check_fetch(c->lx, check, address, &o) != LX_OK)
                return lx_fail(c->lx, rpcclient_was_refused(c->lx->client) ? LX_EXIT_REFUSED : LX_EXIT_FALSE,
                    "the node's answer does not hold: %s", c->lx->why.text);
        *out_proven = o;
        if (check->age_ms > c->oldest_ms)
                c->oldest_ms = check->age_ms;
        if (strcmp(lx_str(o, "owner"), publisher) == 0 && strcmp(lx_str(o, "standard"), standard) == 0)
                return LX_EXIT_TRUE;
        return lx_fail(c->lx, LX_EXIT_FALSE, "the node's answer does not hold: %s is no %s of %s", address, standard,
            publisher);
}

/* All releases and approvals of @publisher, oldest first, as the register list has them. */
static int
note_publisher(struct catalogue *c, struct lx_check *check, const char *publisher, const char *standard)
{
        json_t *o = NULL, *list, *reg, *proven;
        char after[65] = "";
        bool more = true;
        int status = lx_parse_hash(publisher, &c->publisher) ? LX_EXIT_TRUE : LX_EXIT_USAGE;
        size_t i;

        while (more && status == LX_EXIT_TRUE) {
                json_t *params = json_pack("{s:s,s:s,s:i}", "owner", publisher, "standard", standard, "limit", 1000);

                if (after[0] != '\0')
                        json_object_set_new(params, "after", json_string(after));
                if (!lx_call(c->lx, "register.list", params, &o, &status))
                        return status;
                list = json_object_get(o, "registers");
                c->light |= json_is_true(json_object_get(o, "light"));
                json_array_foreach(list, i, reg) {
                        json_t *fields = json_object_get(reg, "fields");

                        (void)snprintf(after, sizeof(after), "%s", lx_str(reg, "address"));
                        proven = NULL;
                        if (c->lx->verify)
                                status = prove_release(c, check, publisher, standard, after, &proven);
                        if (proven != NULL)
                                fields = json_object_get(proven, "fields");
                        if (status == LX_EXIT_TRUE && note_release(c, fields) != LX_OK)
                                status = lx_fail(c->lx, LX_EXIT_REFUSED, NULL);
                        json_decref(proven);
                        if (status != LX_EXIT_TRUE)
                                break;
                }
                more = json_is_true(json_object_get(o, "more"));
                json_decref(o);
        }
        return status;
}

static int
fill(struct catalogue *c, struct lx_check *check)
{
        struct lx_signer signer;
        json_t *item;
        char hex[65];
        size_t i;
        int status = lx_check_begin(c->lx, check);

        if (status == LX_EXIT_TRUE && json_array_size(check->publishers) == 0) {
                if (c->lx->verify || lx_signer_open(c->lx, &signer) != LX_OK)
                        return lx_fail(c->lx, LX_EXIT_USAGE,
                            "no publisher is trusted: lx trust publisher NAME|GENESIS-ID");
                json_array_append_new(check->publishers, json_string(lx_hex_of(&signer.genesis, hex)));
                lx_signer_clear(&signer);
        }
        json_array_foreach(check->publishers, i, item) {
                if (status == LX_EXIT_TRUE)
                        status = note_publisher(c, check, json_string_value(item), "release");
                if (status == LX_EXIT_TRUE)
                        status = note_publisher(c, check, json_string_value(item), "approval");
        }
        return status;
}

/* ---- verdicts ---------------------------------------------------------------------------------- */

struct tally {
        size_t good, bad, unknown, revoked, failed;
};

/* What the catalogue says of the file's content; NULL: nobody published it. */
static const struct published *
find_same(const struct catalogue *c, const struct lx_file *f)
{
        const struct published *p =
            f->err == LX_OK ? lx_map_get(c->by_root, f->digest.root.b, LX_HASH_LEN) : NULL;

        return p != NULL && p->size == f->digest.size ? p : NULL;
}

/* Whether an answer about a digest names a publisher who has not revoked it. */
static bool
is_vouched(const json_t *answer)
{
        json_t *m;
        size_t i;

        json_array_foreach(json_object_get(answer, "matches"), i, m)
                if (!json_is_true(json_object_get(m, "revoked")))
                        return true;
        return false;
}

/* Whether a light node has that @publisher took @digest back; with --verify proven. */
static int
ask_state(struct catalogue *c, struct lx_check *check, const struct lx_hash *publisher, const struct lx_hash *digest,
    bool *out_revoked)
{
        uint8_t key[2 * LX_HASH_LEN];
        char hex[LX_HEX_LEN(sizeof(key))];
        struct lx_buf value = {0};
        json_t *o = NULL, *proof;
        int status = LX_EXIT_TRUE;

        memcpy(key, publisher->b, LX_HASH_LEN);
        memcpy(key + LX_HASH_LEN, digest->b, LX_HASH_LEN);
        lx_hex(key, sizeof(key), hex);
        if (!lx_call(c->lx, "state.get", json_pack("{s:i,s:s,s:b}", "kind", SIGCHAIN_KIND_REVOKED, "key", hex, "prove",
                (int)c->lx->verify), &o, &status))
                return status;
        *out_revoked = json_is_true(json_object_get(o, "exists"));
        proof = json_object_get(o, "proof");
        if (c->lx->verify && (lx_check_head(c->lx, check, proof, LX_CHECK_NOW) != LX_OK ||
                lx_check_state(c->lx, check, proof, SIGCHAIN_KIND_REVOKED, key, sizeof(key), &value) != LX_OK ||
                (value.len > 0) != *out_revoked))
                status = lx_fail(c->lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", c->lx->why.text);
        if (c->lx->verify && check->age_ms > c->oldest_ms)
                c->oldest_ms = check->age_ms;
        if (!c->lx->verify && lx_num(o, "age") * 1000 > c->oldest_ms)
                c->oldest_ms = lx_num(o, "age") * 1000;
        lx_buf_clear(&value);
        json_decref(o);
        return status;
}

/* A light node has no index of digests: each publisher's revocation of each digest is a state of its own. */
static int
ask_light(struct catalogue *c, struct lx_check *check, const struct lx_file *file, bool *out_revoked)
{
        int status = LX_EXIT_TRUE;

        *out_revoked = true;
        for (const struct published *p = find_same(c, file); p != NULL && status == LX_EXIT_TRUE; p = p->same_root) {
                const struct lx_hash *digests[3] = {&p->root, &p->sha256, &p->fsverity};
                bool revoked = false, one = false;

                for (int i = 0; i < 3 && status == LX_EXIT_TRUE; i++) {
                        status = ask_state(c, check, &p->publisher, digests[i], &one);
                        revoked |= one;
                }
                *out_revoked &= revoked;
        }
        return status;
}

#define ASK_AT_ONCE 500

/* Ask about the files from @at on that somebody published; fills revoked[]. */
static int
ask_some(struct catalogue *c, struct lx_check *check, const struct lx_files *files, size_t at, size_t end,
    bool *revoked)
{
        json_t *params = json_array(), *answers = NULL;
        char hex[65];
        int status = LX_EXIT_TRUE;

        for (size_t i = at; i < end; i++)
                if (find_same(c, &files->v[i]) != NULL)
                        json_array_append_new(params, json_pack("{s:s,s:O,s:b}", "digest",
                            lx_hex_of(&files->v[i].digest.root, hex), "publishers", check->publishers, "prove",
                            (int)c->lx->verify));
        if (rpcclient_call_many(c->lx->client, "binary.lookup", params, &answers, &c->lx->why) != LX_OK)
                return lx_fail(c->lx, rpcclient_was_refused(c->lx->client) ? LX_EXIT_REFUSED
                    : LX_EXIT_UNREACHABLE, NULL);
        for (size_t i = at, n = 0; i < end && status == LX_EXIT_TRUE; i++) {
                json_t *answer;

                if (find_same(c, &files->v[i]) == NULL)
                        continue;
                answer = json_array_get(answers, n++);
                if (c->lx->verify && lx_check_lookup(c->lx, check, &files->v[i].digest.root, answer) != LX_OK)
                        status = lx_fail(c->lx, LX_EXIT_FALSE, "the node's answer does not hold: %s",
                            c->lx->why.text);
                revoked[i] = !is_vouched(answer);
        }
        json_decref(answers);
        return status;
}

/* Which files were revoked by everyone who published them. */
static int
ask_revoked(struct catalogue *c, struct lx_check *check, const struct lx_files *files, bool *revoked)
{
        int status = LX_EXIT_TRUE;

        for (size_t i = 0; c->light && i < files->count && status == LX_EXIT_TRUE; i++)
                if (find_same(c, &files->v[i]) != NULL)
                        status = ask_light(c, check, &files->v[i], &revoked[i]);
        if (c->light)
                return status;
        for (size_t at = 0; at < files->count && status == LX_EXIT_TRUE; at += ASK_AT_ONCE)
                status = ask_some(c, check, files, at,
                    at + ASK_AT_ONCE < files->count ? at + ASK_AT_ONCE : files->count, revoked);
        return status;
}

/* The leaf hashes that were published; they must have the published root. */
static bool
get_leaves(struct catalogue *c, const struct published *p, struct lx_buf *out)
{
        uint64_t len = merkle_file_pages(p->size) * LX_HASH_LEN;
        struct lx_hash root;

        if (lx_hash_is_zero(&p->leaves) ||
            rpcclient_get_blob(c->lx->client, "leaves", &p->leaves, p->leaves_at, len, out, &c->lx->why) != LX_OK)
                return false;
        merkle_log_root(&lx_crypto_ops()->hash, (const struct lx_hash *)(const void *)out->p,
            out->len / LX_HASH_LEN, &root);
        return lx_hash_eq(&root, &p->root);
}

static void
tell(struct catalogue *c, const struct lx_file *f, const char *verdict, json_t *ranges)
{
        char hex[65];

        if (c->lx->json) {
                lx_print_json(json_pack("{s:s,s:s,s:s,s:b,s:o*}", "path", f->path, "verdict", verdict, "root",
                    lx_hex_of(&f->digest.root, hex), "proven", (int)c->lx->verify, "ranges", ranges));
                return;
        }
        json_decref(ranges);
}

/* A file that lies elsewhere is held against what has its name, the same size first. */
static const struct published *
find_original(struct catalogue *c, const struct lx_file *f)
{
        const char *name = strrchr(f->path, '/');
        const struct published *p = lx_map_get(c->by_path, f->path, strlen(f->path)), *any;

        if (p != NULL)
                return p;
        any = lx_map_get(c->by_name, name, strlen(name));
        for (p = any; p != NULL; p = p->same_name)
                if (p->size == f->digest.size)
                        return p;
        return any;
}

static void
judge(struct catalogue *c, const struct lx_file *f, bool revoked, struct tally *tally)
{
        const struct published *p = find_original(c, f);
        struct lx_buf must = {0};

        if (f->err != LX_OK) {
                (void)lx_fail(c->lx, 0, "%s", f->why.text);
                tally->failed++;
        } else if (find_same(c, f) != NULL && revoked) {
                tally->revoked++;
                if (!c->lx->json)
                        printf("%sREVOKED%s  %s\n", lx_color(LX_BAD), lx_color_off(), f->path);
                tell(c, f, "revoked", NULL);
        } else if (find_same(c, f) != NULL) {
                tally->good++;
                if (c->lx->json)
                        tell(c, f, "good", NULL);
        } else if (p == NULL) {
                tally->unknown++;
                if (!c->lx->json)
                        printf("%sUNKNOWN%s  %s\n", lx_color(LX_DOUBT), lx_color_off(), f->path);
                tell(c, f, "unknown", NULL);
        } else {
                tally->bad++;
                if (!c->lx->json)
                        printf("%sBAD%s      %s (published as %s)\n", lx_color(LX_BAD), lx_color_off(),
                            f->path, p->path);
                tell(c, f, "bad", get_leaves(c, p, &must) ? lx_ranges(f, &must, p->size, !c->lx->json) : NULL);
        }
        lx_buf_clear(&must);
}

static int
judge_all(struct catalogue *c, struct lx_check *check, struct lx_files *files)
{
        struct tally t = {0};
        bool *revoked = lx_alloc_array(files->count + 1, sizeof(*revoked));
        int status;

        lx_files_sort(files);
        lx_files_hash(files, DIGEST_ROOT, true, "verifying");
        status = ask_revoked(c, check, files, revoked);
        for (size_t i = 0; i < files->count && status == LX_EXIT_TRUE; i++)
                judge(c, &files->v[i], revoked[i], &t);
        lx_free(revoked);
        if (status != LX_EXIT_TRUE)
                return status;
        if (!c->lx->json)
                printf("%zu good, %zu bad, %zu unknown, %zu revoked, %zu unreadable (of %zu releases)\n", t.good,
                    t.bad, t.unknown, t.revoked, t.failed, c->releases);
        if (!c->lx->json && c->light)
                printf("by a light node: only releases that are watched are known; the oldest proof is of %llu s ago\n",
                    (unsigned long long)c->oldest_ms / 1000);
        return t.failed > 0 ? LX_EXIT_IO : t.bad + t.unknown + t.revoked > 0 ? LX_EXIT_FALSE : LX_EXIT_TRUE;
}

int
cmd_binary_verify(struct lx *lx)
{
        struct catalogue c = {.lx = lx, .by_path = lx_map_new(1), .by_root = lx_map_new(2), .by_name = lx_map_new(3),
            .arena = lx_arena_new(1u << 20)};
        struct lx_check check = {0};
        struct lx_files files = {0};
        int status = fill(&c, &check);

        for (int i = 0; i < lx->arg_count && status == LX_EXIT_TRUE; i++)
                status = lx_files_add(lx, &files, lx->args[i], true);
        if (status == LX_EXIT_TRUE)
                status = judge_all(&c, &check, &files);
        lx_files_clear(&files);
        lx_check_end(&check);
        lx_map_free(c.by_path);
        lx_map_free(c.by_root);
        lx_map_free(c.by_name);
        lx_arena_free(c.arena);
        return status;
}
