/*
 * The state tree and the prefix trie against naive definitions, over random histories.
 */
#include "config.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "merkle/state.h"
#include "merkle/trie.h"

#include "unit.h"

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* Records by key, standing in for a store. */
struct record {
        size_t len;
        uint8_t bytes[];
};

static void
keep(struct lx_map *map, const void *key, size_t key_len, const uint8_t *bytes, size_t len)
{
        struct record *r = lx_alloc(sizeof(*r) + len);

        r->len = len;
        memcpy(r->bytes, bytes, len);
        lx_free(lx_map_put(map, key, key_len, r));
}

static void
free_records(struct lx_map *map)
{
        size_t pos = 0, key_len;
        const void *key;
        void *value;

        while (lx_map_next(map, &pos, &key, &key_len, &value))
                lx_free(value);
        lx_map_free(map);
}

static enum lx_err
get_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct lx_buf *out)
{
        const struct record *r = lx_map_get(arg, key, MERKLE_PAGE_KEY_LEN);

        if (r == NULL)
                return LX_ERR_CORRUPT;
        lx_buf_append(out, r->bytes, r->len);
        return LX_OK;
}

struct batch {
        struct lx_map *pages;
        struct lx_buf stale;
};

static void
put_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], const uint8_t *page, size_t len)
{
        struct batch *batch = arg;

        ck_assert_ptr_null(lx_map_get(batch->pages, key, MERKLE_PAGE_KEY_LEN));
        keep(batch->pages, key, MERKLE_PAGE_KEY_LEN, page, len);
}

static void
stale_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN])
{
        lx_buf_append(&((struct batch *)arg)->stale, key, MERKLE_PAGE_KEY_LEN);
}

/* ---- the definition: the root of a sorted list of leaves below depth @d ------------------------- */

struct pair {
        struct lx_hash key, value;
};

static struct lx_hash
define_root(const struct pair *p, size_t n, unsigned d)
{
        struct lx_hash left, right, out = {{0}};
        size_t split = 0;

        if (n == 0)
                return out;
        if (n == 1) {
                merkle_state_leaf(ops(), &p->key, &p->value, &out);
                return out;
        }
        while (split < n && lx_hash_bit(&p[split].key, d) == 0)
                split++;
        left = define_root(p, split, d + 1);
        right = define_root(p + split, n - split, d + 1);
        lx_hash_pair(ops(), &LX_TAG_STATE_NODE, &left, &right, &out);
        return out;
}

enum { KEYS = 400, VERSIONS = 60 };

struct world {
        struct lx_hash key[KEYS];
        struct lx_hash value[VERSIONS + 1][KEYS]; /* zero: absent */
        uint64_t rival; /* a batch that lost and is not dropped yet; 0: none */
        struct merkle_root root[VERSIONS + 1];
        struct batch batch;
        struct merkle_state *tree;
};

static int
compare_pairs(const void *a, const void *b)
{
        return lx_hash_cmp(&((const struct pair *)a)->key, &((const struct pair *)b)->key);
}

static struct lx_hash
world_root(const struct world *w, unsigned v)
{
        struct pair p[KEYS];
        size_t n = 0;

        for (unsigned i = 0; i < KEYS; i++)
                if (!lx_hash_is_zero(&w->value[v][i]))
                        p[n++] = (struct pair){w->key[i], w->value[v][i]};
        qsort(p, n, sizeof(p[0]), compare_pairs);
        return define_root(p, n, 0);
}

/* Some keys share many bits, as no honest hash would. */
static void
make_keys(struct world *w)
{
        for (unsigned i = 0; i < KEYS; i++) {
                uint64_t seed = i;

                for (unsigned j = 0; j < 4; j++) {
                        uint64_t r = unit_random(&seed);

                        memcpy(w->key[i].b + 8 * j, &r, 8);
                }
                if (i % 10 == 1) {
                        unsigned shared = 1 + i % 31;

                        memcpy(w->key[i].b, w->key[i - 1].b, shared);
                        w->key[i].b[shared] = (uint8_t)(w->key[i - 1].b[shared] ^ 0x10);
                }
        }
}

static void
drop_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], const uint8_t *page, size_t len)
{
        (void)arg, (void)key, (void)page, (void)len;
}

static void
drop_stale(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN])
{
        (void)arg, (void)key;
}

/* Another batch of the same version on the same root, with other values: its pages must never be seen. */
static uint64_t
make_rival(struct world *w, unsigned v, const struct merkle_update *updates, size_t count)
{
        struct merkle_update *others = lx_memdup(updates, count * sizeof(*updates));
        struct merkle_sink nowhere = {.put = drop_page, .stale = drop_stale};
        struct merkle_root root;

        for (size_t i = 0; i < count; i += 2)
                others[i].value = unit_hash(v * 1000 + i + 1);
        ck_assert_int_eq(merkle_state_update(w->tree, &w->root[v - 1], v, others, count, &nowhere, &root), LX_OK);
        lx_free(others);
        return merkle_state_batch(w->tree);
}

static void
make_version(struct world *w, unsigned v, uint64_t *state)
{
        const struct merkle_sink sink = {.put = put_page, .stale = stale_page, .arg = &w->batch};
        struct merkle_update updates[KEYS];
        uint64_t rival = 0, batch;
        size_t count = 0, most = v % 7 == 0 ? KEYS : 12;

        memcpy(w->value[v], w->value[v - 1], sizeof(w->value[v]));
        for (unsigned i = 0; i < KEYS && count < most; i++) {
                if (unit_random(state) % KEYS > most)
                        continue;
                w->value[v][i] = (struct lx_hash){{0}};
                /* In some versions nearly everything goes. */
                if (unit_random(state) % 100 < (v % 14 == 0 ? 2u : 70u))
                        w->value[v][i] = unit_hash(unit_random(state) | 1);
                updates[count++] = (struct merkle_update){w->key[i], w->value[v][i]};
        }
        if (v % 2 == 0)
                rival = make_rival(w, v, updates, count);
        ck_assert_int_eq(merkle_state_update(w->tree, &w->root[v - 1], v, updates, count, &sink,
                             &w->root[v]), LX_OK);
        batch = merkle_state_batch(w->tree);
        if (v % 2 == 1)
                rival = make_rival(w, v, updates, count);
        /* The one that lost is dropped before or after the winner, or while the next is made. */
        if (v % 3 == 0)
                merkle_state_settle(w->tree, rival, false);
        merkle_state_settle(w->tree, batch, true);
        if (v % 3 == 1)
                merkle_state_settle(w->tree, rival, false);
        if (w->rival != 0)
                merkle_state_settle(w->tree, w->rival, false);
        w->rival = v % 3 == 2 ? rival : 0;
}

static void
check_version(struct world *w, unsigned v, bool with_cuts)
{
        struct merkle_proof *proof = lx_alloc(sizeof(*proof));
        uint8_t bytes[MERKLE_PROOF_BYTES_MAX];

        for (unsigned i = 0; i < KEYS; i += with_cuts ? 37 : 1) {
                const struct lx_hash *value =
                    lx_hash_is_zero(&w->value[v][i]) ? NULL : &w->value[v][i];
                const struct lx_hash other = unit_hash(77);
                struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
                struct lx_reader rd;
                struct lx_hash got;
                bool found;

                ck_assert_int_eq(
                    merkle_state_get(w->tree, &w->root[v], &w->key[i], &got, &found), LX_OK);
                ck_assert(found == (value != NULL) && (!found || lx_hash_eq(&got, value)));
                ck_assert_int_eq(
                    merkle_state_prove(w->tree, &w->root[v], &w->key[i], proof), LX_OK);
                merkle_proof_encode(proof, &wr);
                ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
                rd = lx_reader_init(bytes, wr.len);
                ck_assert_int_eq(
                    merkle_proof_verify(ops(), &rd, &w->key[i], value, &w->root[v].hash), LX_OK);
                ck_assert_int_eq(lx_reader_end(&rd), LX_OK);
                rd = lx_reader_init(bytes, wr.len);
                ck_assert_int_eq(
                    merkle_proof_verify(ops(), &rd, &w->key[i], &other, &w->root[v].hash),
                    LX_ERR_PROOF);
                rd = lx_reader_init(bytes, wr.len);
                ck_assert_int_ne(merkle_proof_verify(ops(), &rd, &w->key[i],
                                     value != NULL ? NULL : &other, &w->root[v].hash), LX_OK);
                for (size_t cut = 0; with_cuts && cut < wr.len; cut++) {
                        rd = lx_reader_init(bytes, cut);
                        ck_assert_int_ne(
                            merkle_proof_verify(ops(), &rd, &w->key[i], value, &w->root[v].hash),
                            LX_OK);
                }
                for (size_t bit = 0; with_cuts && bit < 8 * wr.len; bit++) {
                        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
                        rd = lx_reader_init(bytes, wr.len);
                        found = merkle_proof_verify(ops(), &rd, &w->key[i], value,
                                    &w->root[v].hash) == LX_OK && lx_reader_end(&rd) == LX_OK;
                        ck_assert_msg(!found, "flipped bit %zu", bit);
                        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
                }
        }
        lx_free(proof);
}

static struct world *
make_world(size_t cache_bytes)
{
        struct world *w = lx_alloc(sizeof(*w));
        const struct lx_hash id = {{7}};
        struct merkle_pages pages = {.get = get_page};
        uint64_t state = 42;

        w->batch.pages = lx_map_new(1);
        pages.arg = w->batch.pages;
        w->tree = merkle_state_new(ops(), &pages, &id, cache_bytes);
        make_keys(w);
        for (unsigned v = 1; v <= VERSIONS; v++) {
                struct lx_hash want;

                make_version(w, v, &state);
                want = world_root(w, v);
                ck_assert_msg(lx_hash_eq(&w->root[v].hash, &want), "version %u", v);
        }
        return w;
}

static void
free_world(struct world *w)
{
        merkle_state_free(w->tree);
        free_records(w->batch.pages);
        lx_buf_clear(&w->batch.stale);
        lx_free(w);
}

START_TEST(state_equals_definition)
{
        struct world *w = make_world(_i == 0 ? 0 : 64 * 1024);

        check_version(w, VERSIONS, true);
        check_version(w, 14, true);
        for (unsigned v = 1; v <= VERSIONS; v += 3)
                check_version(w, v, false);
        free_world(w);
}
END_TEST

START_TEST(state_equals_definition_cached)
{
        struct world *w = make_world(64 * 1024);

        for (unsigned v = 1; v <= VERSIONS; v += 3)
                check_version(w, v, false);
        free_world(w);
}
END_TEST

static bool
count_leaf(void *arg, const struct lx_hash *key, const struct lx_hash *value)
{
        (void)key, (void)value;
        (*(size_t *)arg)++;
        return true;
}

/* What the batches called stale is exactly what the newest version does not need. */
START_TEST(stale_pages_can_go)
{
        struct world *w = make_world(0);
        size_t leaves = 0, want = 0;

        for (size_t at = 0; at < w->batch.stale.len; at += MERKLE_PAGE_KEY_LEN) {
                void *page = lx_map_remove(
                    w->batch.pages, w->batch.stale.p + at, MERKLE_PAGE_KEY_LEN);

                ck_assert_ptr_nonnull(page);
                lx_free(page);
        }
        for (unsigned i = 0; i < KEYS; i++)
                want += !lx_hash_is_zero(&w->value[VERSIONS][i]);
        ck_assert_int_eq(
            merkle_state_walk(w->tree, &w->root[VERSIONS], count_leaf, &leaves), LX_OK);
        ck_assert_uint_eq(leaves, want);
        check_version(w, VERSIONS, false);
        leaves = 0;
        ck_assert_int_eq(
            merkle_state_walk(w->tree, &w->root[VERSIONS - 1], count_leaf, &leaves), LX_ERR_CORRUPT);
        free_world(w);
}
END_TEST

START_TEST(damaged_page_is_found)
{
        struct world *w = make_world(0);
        size_t pos = 0, key_len, leaves = 0, caught = 0;
        const void *key;
        void *value;

        while (lx_map_next(w->batch.pages, &pos, &key, &key_len, &value)) {
                struct record *r = value;
                enum lx_err err;

                r->bytes[r->len - 1] ^= 1;
                err = merkle_state_walk(w->tree, &w->root[VERSIONS], count_leaf, &leaves);
                caught += err == LX_ERR_CORRUPT;
                r->bytes[r->len - 1] ^= 1;
        }
        ck_assert_uint_ge(caught, 10);
        ck_assert_int_eq(
            merkle_state_walk(w->tree, &w->root[VERSIONS], count_leaf, &leaves), LX_OK);
        free_world(w);
}
END_TEST

START_TEST(same_key_twice_is_refused)
{
        struct world *w = make_world(0);
        const struct merkle_sink sink = {.put = put_page, .stale = stale_page, .arg = &w->batch};
        struct merkle_update updates[2] = {{w->key[3], unit_hash(1)}, {w->key[3], unit_hash(2)}};
        struct merkle_root root;

        ck_assert_int_eq(merkle_state_update(w->tree, &w->root[VERSIONS], VERSIONS + 1, updates, 2,
                             &sink, &root), LX_ERR_EXISTS);
        free_world(w);
}
END_TEST

/* ---- prefix trie ------------------------------------------------------------------------------ */

static enum lx_err
get_trie_node(void *arg, const struct lx_hash *hash, struct lx_buf *out)
{
        const struct record *r = lx_map_get(arg, hash->b, LX_HASH_LEN);

        if (r == NULL)
                return LX_ERR_CORRUPT;
        lx_buf_append(out, r->bytes, r->len);
        return LX_OK;
}

static void
put_trie_node(void *arg, const struct lx_hash *hash, const uint8_t *bytes, size_t len)
{
        keep(arg, hash->b, LX_HASH_LEN, bytes, len);
}

enum { PREFIXES = 120 };

static struct merkle_bits
random_bits(uint64_t *state, unsigned len)
{
        struct merkle_bits bits = {.len = (uint8_t)len};

        /* Few different bits, so that prefixes nest. */
        for (unsigned i = 0; i < len; i++)
                if (unit_random(state) % 3 == 0)
                        bits.b[i / 8] |= (uint8_t)(0x80u >> i % 8);
        return bits;
}

static bool
covers(const struct merkle_bits *prefix, const struct merkle_bits *addr)
{
        if (prefix->len > addr->len)
                return false;
        for (unsigned i = 0; i < prefix->len; i++)
                if (((prefix->b[i / 8] ^ addr->b[i / 8]) >> (7 - i % 8) & 1) != 0)
                        return false;
        return true;
}

static bool
same_bits(const struct merkle_bits *a, const struct merkle_bits *b)
{
        return a->len == b->len && covers(a, b);
}

/* The longest set prefix of @addr by looking at all; PREFIXES: none. */
static unsigned
longest(const struct merkle_bits *prefix, const bool *set, const struct merkle_bits *addr)
{
        unsigned best = PREFIXES;

        for (unsigned i = 0; i < PREFIXES; i++)
                if (set[i] && covers(&prefix[i], addr) &&
                    (best == PREFIXES || prefix[i].len > prefix[best].len))
                        best = i;
        return best;
}

static void
check_address(const struct merkle_trie_nodes *nodes, const struct lx_hash *root,
    const struct merkle_bits *prefix, const bool *set, const struct merkle_bits *addr)
{
        unsigned want = longest(prefix, set, addr);
        struct merkle_bits got;
        struct lx_hash value;
        struct lx_buf proof = {0};
        struct lx_reader rd;
        bool found;

        ck_assert_int_eq(merkle_trie_prove(nodes, root, addr, &proof), LX_OK);
        rd = lx_reader_init(proof.p, proof.len);
        ck_assert_int_eq(
            merkle_trie_verify(ops(), &rd, root, addr, &got, &value, &found), LX_OK);
        ck_assert_int_eq(lx_reader_end(&rd), LX_OK);
        ck_assert(found == (want != PREFIXES));
        if (found) {
                struct lx_hash expected = unit_hash(want + 1);

                ck_assert(same_bits(&got, &prefix[want]));
                ck_assert(lx_hash_eq(&value, &expected));
        } else {
                /* The hole covers the address and no set prefix. */
                ck_assert(covers(&got, addr));
                for (unsigned i = 0; i < PREFIXES; i++)
                        ck_assert(!set[i] || !covers(&got, &prefix[i]));
        }
        for (size_t cut = 0; cut < proof.len; cut++) {
                rd = lx_reader_init(proof.p, cut);
                ck_assert_int_ne(
                    merkle_trie_verify(ops(), &rd, root, addr, &got, &value, &found), LX_OK);
        }
        lx_buf_clear(&proof);
}

START_TEST(trie_equals_definition)
{
        struct lx_map *map = lx_map_new(3);
        const struct merkle_trie_nodes nodes = {get_trie_node, put_trie_node, map};
        struct merkle_bits prefix[PREFIXES];
        bool set[PREFIXES] = {false};
        struct lx_hash root = {{0}};
        uint64_t state = 9;

        for (unsigned i = 0; i < PREFIXES; i++)
        again: {
                prefix[i] = random_bits(&state, (unsigned)(unit_random(&state) % 33));
                for (unsigned j = 0; j < i; j++)
                        if (same_bits(&prefix[i], &prefix[j]))
                                goto again;
        }
        for (unsigned round = 0; round < 600; round++) {
                unsigned i = (unsigned)(unit_random(&state) % PREFIXES);
                struct merkle_bits addr = random_bits(&state, 32);
                struct lx_hash value = unit_hash(i + 1), got;
                bool found;

                set[i] = round < 200 || unit_random(&state) % 3 == 0;
                ck_assert_int_eq(
                    merkle_trie_set(ops(), &nodes, &root, &prefix[i], set[i] ? &value : NULL, &root),
                    LX_OK);
                ck_assert_int_eq(merkle_trie_get(&nodes, &root, &prefix[i], &got, &found), LX_OK);
                ck_assert(found == set[i] && (!found || lx_hash_eq(&got, &value)));
                check_address(&nodes, &root, prefix, set, &addr);
                if (prefix[i].len == 32)
                        check_address(&nodes, &root, prefix, set, &prefix[i]);
        }
        for (unsigned i = 0; i < PREFIXES; i++)
                ck_assert_int_eq(
                    merkle_trie_set(ops(), &nodes, &root, &prefix[i], NULL, &root), LX_OK);
        ck_assert(lx_hash_is_zero(&root));
        free_records(map);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {state_equals_definition, state_equals_definition_cached,
            stale_pages_can_go, damaged_page_is_found, same_key_twice_is_refused,
            trie_equals_definition, NULL};

        return unit_main("merkle_state", cases, 120);
}
