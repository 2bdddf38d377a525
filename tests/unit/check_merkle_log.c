/*
 * Log trees and file trees. The shape and the proofs are checked by the published vectors of
 * transparency-dev/merkle (testdata, RFC 6962 and 9162 under SHA-256), run through the same code with
 * a SHA-256 table; then by every size and range against definitions written from the RFC.
 */
#include "config.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "merkle/file.h"

#include "unit.h"

#include <jansson.h>

/* RFC 9162 2.1.1 with SHA-256: leaves are prefixed with 0x00, nodes with 0x01. */
static void
sha_hash(void *ctx, const struct lx_tag *tag, const struct lx_span *parts, size_t count,
    struct lx_hash *out)
{
        struct lx_sha256 *sha = lx_sha256_new();
        uint8_t prefix = strcmp(tag->text, "lx.node") == 0;

        (void)ctx;
        if (count > 0)
                lx_sha256_update(sha, &prefix, 1);
        for (size_t i = 0; i < count; i++)
                lx_sha256_update(sha, parts[i].p, parts[i].len);
        lx_sha256_final(sha, out->b);
        lx_sha256_free(sha);
}

static const struct lx_hash_ops SHA = {.hash = sha_hash};

static size_t
unbase64(const char *text, uint8_t *out)
{
        static const char digits[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        uint32_t bits = 0, n = 0;
        size_t len = 0;

        for (; *text != '\0' && *text != '='; text++) {
                bits = bits << 6 | (uint32_t)(strchr(digits, *text) - digits);
                n += 6;
                if (n >= 8)
                        out[len++] = (uint8_t)(bits >> (n -= 8));
        }
        return len;
}

/* A hash of the vectors; some cases hold short texts in place of hashes: padded with zeros. */
static bool
get_hash(const json_t *value, struct lx_hash *out)
{
        uint8_t bytes[256] = {0};

        size_t len = json_is_string(value) ? unbase64(json_string_value(value), bytes) : 0;

        if (len == 0 || len > LX_HASH_LEN)
                return false;
        memcpy(out->b, bytes, LX_HASH_LEN);
        return true;
}

static bool
get_path(const json_t *proof, struct merkle_path *path)
{
        size_t i;
        json_t *value;

        path->count = 0;
        json_array_foreach(proof, i, value)
                if (i >= MERKLE_LOG_PROOF_MAX || !get_hash(value, &path->hash[path->count++]))
                        return false;
        return true;
}

static json_t *
load_vectors(const char *part)
{
        FILE *f = unit_vectors("rfc9162-sha256.json");
        json_t *all = json_loadf(f, JSON_DECODE_INT_AS_REAL, NULL), *wanted;

        fclose(f);
        wanted = json_incref(json_object_get(all, part));
        json_decref(all);
        return wanted;
}

/* Some bad cases hold numbers up to 2^64 - 1, more than jansson's integers: as reals they are
 * rounded, which leaves them just as bad. */
static uint64_t
get_number(const json_t *value)
{
        double real = json_real_value(value);

        return real >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)real;
}

static uint64_t
get_u64(const json_t *object, const char *name)
{
        return get_number(json_object_get(object, name));
}

START_TEST(rfc9162_inclusion)
{
        json_t *vectors = load_vectors("inclusion"), *v;
        unsigned good = 0, bad = 0;
        size_t i;

        json_array_foreach(vectors, i, v) {
                bool want_err = json_is_true(json_object_get(v, "wantErr"));
                struct lx_hash root, leaf;
                struct merkle_path path;
                bool ok = get_hash(json_object_get(v, "root"), &root) &&
                    get_hash(json_object_get(v, "leafHash"), &leaf) &&
                    get_path(json_object_get(v, "proof"), &path) &&
                    merkle_log_verify(&SHA, &leaf, get_u64(v, "leafIdx"), get_u64(v, "treeSize"),
                        path.hash, path.count, &root) == LX_OK;

                ck_assert_msg(ok == !want_err, "inclusion %zu: %s", i,
                    json_string_value(json_object_get(v, "desc")));
                good += ok, bad += !ok;
        }
        json_decref(vectors);
        ck_assert_uint_ge(good, 5);
        ck_assert_uint_ge(bad, 50);
}
END_TEST

START_TEST(rfc9162_consistency)
{
        json_t *vectors = load_vectors("consistency"), *v;
        unsigned good = 0, bad = 0;
        size_t i;

        json_array_foreach(vectors, i, v) {
                bool want_err = json_is_true(json_object_get(v, "wantErr"));
                struct lx_hash root1, root2;
                struct merkle_path path;
                bool ok = get_hash(json_object_get(v, "root1"), &root1) &&
                    get_hash(json_object_get(v, "root2"), &root2) &&
                    get_path(json_object_get(v, "proof"), &path) &&
                    merkle_log_verify_consistency(&SHA, get_u64(v, "size1"), &root1,
                        get_u64(v, "size2"), &root2, path.hash, path.count) == LX_OK;

                ck_assert_msg(ok == !want_err, "consistency %zu: %s", i,
                    json_string_value(json_object_get(v, "desc")));
                good += ok, bad += !ok;
        }
        json_decref(vectors);
        ck_assert_uint_ge(good, 5);
        ck_assert_uint_ge(bad, 50);
}
END_TEST

/* ---- every size against the definition -------------------------------------------------------- */

enum { SIZES = 70 };

static struct lx_hash leaves[SIZES];
static struct lx_hash nodes[8][SIZES]; /* complete nodes by level */

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* RFC 9162 2.1.1, MTH by recursion. */
static struct lx_hash
define_root(uint64_t start, uint64_t n)
{
        struct lx_hash left, right, out;
        uint64_t k = 1;

        if (n == 1)
                return leaves[start];
        while (2 * k < n)
                k *= 2;
        left = define_root(start, k);
        right = define_root(start + k, n - k);
        lx_hash_pair(ops(), &LX_TAG_NODE, &left, &right, &out);
        return out;
}

static void
keep_node(void *arg, unsigned level, uint64_t index, const struct lx_hash *node)
{
        (void)arg;
        nodes[level][index] = *node;
}

static enum lx_err
get_node(void *arg, unsigned level, uint64_t index, struct lx_hash *out)
{
        (void)arg;
        *out = nodes[level][index];
        return LX_OK;
}

static const struct merkle_log_store STORE = {.get = get_node};

static void
make_leaves(struct merkle_frontier *frontier, struct lx_hash roots[SIZES + 1])
{
        for (uint64_t i = 0; i < SIZES; i++) {
                leaves[i] = unit_hash(i);
                merkle_frontier_append(ops(), frontier, &leaves[i], keep_node, NULL);
                merkle_frontier_root(ops(), frontier, &roots[i + 1]);
        }
}

START_TEST(log_all_sizes)
{
        struct merkle_frontier frontier = {.size = 0};
        struct lx_hash roots[SIZES + 1], root;
        struct merkle_path path, stored;

        make_leaves(&frontier, roots);
        for (uint64_t n = 1; n <= SIZES; n++) {
                struct lx_hash want = define_root(0, n);

                merkle_log_root(ops(), leaves, n, &root);
                ck_assert(lx_hash_eq(&root, &want));
                ck_assert(lx_hash_eq(&roots[n], &want));
                for (uint64_t i = 0; i < n; i++) {
                        merkle_log_prove(ops(), leaves, n, i, &path);
                        ck_assert_int_eq(
                            merkle_log_prove_stored(ops(), &STORE, n, i, &stored), LX_OK);
                        ck_assert_uint_eq(path.count, stored.count);
                        ck_assert_mem_eq(path.hash, stored.hash, path.count * sizeof(root));
                        ck_assert_int_eq(merkle_log_verify(ops(), &leaves[i], i, n, path.hash,
                                             path.count, &want), LX_OK);
                        ck_assert_int_eq(merkle_log_verify(ops(), &leaves[(i + 1) % SIZES], i, n,
                                             path.hash, path.count, &want), LX_ERR_PROOF);
                }
        }
}
END_TEST

START_TEST(consistency_all_pairs)
{
        struct merkle_frontier frontier = {.size = 0};
        struct lx_hash roots[SIZES + 1];
        struct merkle_path path;

        make_leaves(&frontier, roots);
        for (uint64_t m = 1; m <= SIZES; m++)
                for (uint64_t n = m; n <= SIZES; n++) {
                        ck_assert_int_eq(
                            merkle_log_prove_consistency(ops(), &STORE, m, n, &path), LX_OK);
                        ck_assert_int_eq(merkle_log_verify_consistency(ops(), m, &roots[m], n,
                                             &roots[n], path.hash, path.count), LX_OK);
                        if (m < n)
                                ck_assert_int_eq(merkle_log_verify_consistency(ops(), m,
                                    &roots[m + 1 < n ? m + 1 : m - 1 ? m - 1 : n], n, &roots[n],
                                    path.hash, path.count), LX_ERR_PROOF);
                }
}
END_TEST

START_TEST(file_ranges_all)
{
        enum { MOST = 24 };
        struct merkle_frontier frontier = {.size = 0};
        struct lx_hash roots[SIZES + 1], root, changed[MOST];
        struct merkle_path path;

        make_leaves(&frontier, roots);
        for (uint64_t n = 1; n <= MOST; n++) {
                struct merkle_file *file = merkle_file_new(ops(), leaves, n);

                merkle_file_root(file, &root);
                ck_assert(lx_hash_eq(&root, &roots[n]));
                ck_assert_int_eq(merkle_file_prove(file, 0, 0, &path), LX_ERR_RANGE);
                ck_assert_int_eq(merkle_file_prove(file, n, 1, &path), LX_ERR_RANGE);
                ck_assert_int_eq(merkle_file_prove(file, 0, n + 1, &path), LX_ERR_RANGE);
                for (uint64_t first = 0; first < n; first++)
                        for (uint64_t count = 1; first + count <= n; count++) {
                                struct lx_hash after, want;

                                ck_assert_int_eq(
                                    merkle_file_prove(file, first, count, &path), LX_OK);
                                ck_assert_int_eq(merkle_file_verify(ops(), leaves + first, first,
                                    count, n, path.hash, path.count, &root), LX_OK);
                                memcpy(changed, leaves + first, count * sizeof(root));
                                changed[count - 1] = unit_hash(1000 + n);
                                ck_assert_int_eq(merkle_file_verify(ops(), changed, first, count, n,
                                    path.hash, path.count, &root), LX_ERR_PROOF);
                                ck_assert_int_eq(merkle_file_replace(ops(), leaves + first, changed,
                                    first, count, n, path.hash, path.count, &root, &after), LX_OK);
                                merkle_file_set(file, first + count - 1, &changed[count - 1]);
                                merkle_file_root(file, &want);
                                ck_assert(lx_hash_eq(&after, &want));
                                merkle_file_set(
                                    file, first + count - 1, &leaves[first + count - 1]);
                                if (path.count > 0)
                                        ck_assert_int_eq(merkle_file_verify(ops(), leaves + first,
                                            first, count, n, path.hash, path.count - 1, &root),
                                            LX_ERR_PROOF);
                        }
                merkle_file_free(file);
        }
}
END_TEST

/* A 1 GiB file: a page's proof is 18 hashes. */
START_TEST(file_proof_size)
{
        const uint64_t count = 262144;
        struct lx_hash *big = calloc(count, sizeof(*big)), root;
        struct merkle_file *file = merkle_file_new(ops(), big, count);
        struct merkle_path path;

        merkle_file_root(file, &root);
        ck_assert_int_eq(merkle_file_prove(file, 12345, 1, &path), LX_OK);
        ck_assert_uint_eq(path.count * LX_HASH_LEN, 576);
        merkle_file_free(file);
        free(big);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {rfc9162_inclusion, rfc9162_consistency, log_all_sizes,
            consistency_all_pairs, file_ranges_all, file_proof_size, NULL};

        return unit_main("merkle_log", cases, 60);
}
