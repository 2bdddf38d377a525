/*
 * tests/unit/check_merkle_range.c - range proofs of the state tree, and trees that are built in parts.
 */
#include "config.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "merkle/range.h"
#include "unit.h"

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- a tree in memory -------------------------------------------------------------------------- */

struct tree {
        struct lx_map *pages;
        struct lx_arena *arena;
        struct merkle_state *state;
        struct merkle_root root;
        struct merkle_leaf *leaf; /* sorted */
        size_t count;
        uint64_t random;
};

static enum lx_err
get_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], struct lx_buf *out)
{
        const struct lx_span *page = lx_map_get(((struct tree *)arg)->pages, key, MERKLE_PAGE_KEY_LEN);

        if (page == NULL)
                return LX_ERR_CORRUPT;
        lx_buf_append(out, page->p, page->len);
        return LX_OK;
}

static void
put_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN], const uint8_t *page, size_t len)
{
        struct tree *t = arg;
        struct lx_span *span = lx_arena_alloc(t->arena, sizeof(*span));

        *span = LX_SPAN(lx_arena_memdup(t->arena, page, len), len);
        lx_map_put(t->pages, key, MERKLE_PAGE_KEY_LEN, span);
}

static void
stale_page(void *arg, const uint8_t key[MERKLE_PAGE_KEY_LEN])
{
        (void)arg;
        (void)key;
}

static uint64_t
next_random(struct tree *t)
{
        t->random ^= t->random << 13;
        t->random ^= t->random >> 7;
        t->random ^= t->random << 17;
        return t->random;
}

static int
compare(const void *a, const void *b)
{
        return lx_hash_cmp(&((const struct merkle_leaf *)a)->key, &((const struct merkle_leaf *)b)->key);
}

/* Keys with @shared random first bytes out of few, so that some paths are deep. */
static void
tree_init(struct tree *t, size_t count, unsigned shared)
{
        static const struct lx_hash id = {{0}};
        struct merkle_pages source = {.get = get_page, .arg = t};
        struct merkle_sink sink = {.put = put_page, .stale = stale_page, .arg = t};
        struct merkle_update *updates = lx_alloc_array(count + 1, sizeof(*updates));

        *t = (struct tree){.pages = lx_map_new(1), .arena = lx_arena_new(0), .count = count,
            .random = 88172645463325252ull + count};
        t->leaf = lx_alloc_array(count + 1, sizeof(*t->leaf));
        t->state = merkle_state_new(ops(), &source, &id, 0);
        for (size_t i = 0; i < count; i++) {
                struct merkle_leaf *leaf = &t->leaf[i];

                for (unsigned b = 0; b < LX_HASH_LEN; b++) {
                        leaf->key.b[b] = (uint8_t)next_random(t);
                        leaf->value.b[b] = (uint8_t)next_random(t);
                        if (b < shared)
                                leaf->key.b[b] &= 0x81;
                }
        }
        qsort(t->leaf, count, sizeof(*t->leaf), compare);
        for (size_t i = 0; i < count; i++)
                updates[i] = (struct merkle_update){t->leaf[i].key, t->leaf[i].value};
        ck_assert_int_eq(merkle_state_update(
            t->state, &t->root, 7, updates, count, &sink, &t->root), LX_OK);
        lx_free(updates);
}

static void
tree_clear(struct tree *t)
{
        merkle_state_free(t->state);
        lx_map_free(t->pages);
        lx_arena_free(t->arena);
        lx_free(t->leaf);
}

/* A key: a random one, one of the tree, or next to one. */
static struct lx_hash
some_key(struct tree *t)
{
        struct lx_hash key;

        for (unsigned b = 0; b < LX_HASH_LEN; b++)
                key.b[b] = (uint8_t)next_random(t);
        if (t->count > 0 && next_random(t) % 4 != 0) {
                key = t->leaf[next_random(t) % t->count].key;
                if (next_random(t) % 3 == 0)
                        key.b[31]++;
        }
        if (next_random(t) % 16 == 0)
                memset(key.b, 0, sizeof(key.b));
        return key;
}

static enum lx_err
verify(struct tree *t, const struct merkle_range *range, const struct lx_buf *proof,
    const struct merkle_leaf *leaves, size_t count)
{
        struct lx_reader rd = lx_reader_init(proof->p, proof->len);
        enum lx_err err =
            merkle_range_verify(ops(), &rd, &t->root.hash, range, leaves, count);

        return err == LX_OK ? lx_reader_end(&rd) : err;
}

/* The leaves of @range: [*first, *first + the result). */
static size_t
leaves_of(struct tree *t, const struct merkle_range *range, size_t *out_first)
{
        size_t first = 0, end;

        while (first < t->count && lx_hash_cmp(&t->leaf[first].key, &range->from) < 0)
                first++;
        for (end = first; end < t->count; end++)
                if (!range->to_end && lx_hash_cmp(&t->leaf[end].key, &range->next) >= 0)
                        break;
        *out_first = first;
        return end - first;
}

/* What a liar may try: leaving one out, adding one, another value, a shorter or longer range. */
static void
try_lies(struct tree *t, const struct merkle_range *range, struct lx_buf *proof, size_t first, size_t count)
{
        struct merkle_leaf *lie = lx_alloc_array(count + 1, sizeof(*lie));
        struct merkle_range other = *range;

        if (count > 0) {
                size_t at = next_random(t) % count;

                memcpy(lie, t->leaf + first, count * sizeof(*lie));
                lie[at].value.b[5] ^= 1;
                ck_assert_int_ne(verify(t, range, proof, lie, count), LX_OK);
                memcpy(lie, t->leaf + first, count * sizeof(*lie));
                memmove(lie + at, lie + at + 1, (count - at - 1) * sizeof(*lie));
                ck_assert_int_ne(verify(t, range, proof, lie, count - 1), LX_OK);
        }
        for (size_t i = 0; i < proof->len; i += 1 + proof->len / 40) {
                proof->p[i] ^= 1u << next_random(t) % 8;
                memcpy(lie, t->leaf + first, count * sizeof(*lie));
                if (verify(t, range, proof, lie, count) == LX_OK)
                        ck_abort_msg("a changed proof verifies at %zu of %zu", i, proof->len);
                lx_buf_reset(proof);
                ck_assert_int_eq(merkle_state_prove_range(t->state, &t->root, range, proof), LX_OK);
        }
        /* A range that would hold more leaves than the proof has. */
        memset(other.from.b, 0, sizeof(other.from.b));
        if (first > 0)
                ck_assert_int_ne(verify(t, &other, proof, t->leaf + first, count), LX_OK);
        lx_free(lie);
}

START_TEST(test_ranges)
{
        static const size_t counts[] = {0, 1, 2, 3, 17, 300, 3000};

        for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
                for (unsigned shared = 0; shared < 4; shared += 3) {
                        struct tree t;

                        tree_init(&t, counts[c], shared);
                        for (unsigned round = 0; round < 60; round++) {
                                struct merkle_range range = {.from = some_key(&t),
                                    .next = some_key(&t), .to_end = round % 7 == 0};
                                struct lx_buf proof = {0};
                                size_t first, count = leaves_of(&t, &range, &first);

                                if (!range.to_end && lx_hash_cmp(&range.from, &range.next) >= 0)
                                        continue;
                                ck_assert_int_eq(merkle_state_prove_range(
                                    t.state, &t.root, &range, &proof), LX_OK);
                                ck_assert_int_eq(
                                    verify(&t, &range, &proof, t.leaf + first, count), LX_OK);
                                if (round < 20)
                                        try_lies(&t, &range, &proof, first, count);
                                lx_buf_clear(&proof);
                        }
                        tree_clear(&t);
                }
}
END_TEST

struct seen {
        struct tree *t;
        size_t at, left;
};

static bool
see(void *arg, const struct lx_hash *key, const struct lx_hash *value)
{
        struct seen *s = arg;

        if (s->left == 0)
                return false;
        s->left--;
        ck_assert(lx_hash_eq(key, &s->t->leaf[s->at].key));
        ck_assert(lx_hash_eq(value, &s->t->leaf[s->at].value));
        s->at++;
        return true;
}

START_TEST(test_walk)
{
        struct tree t;

        tree_init(&t, 500, 3);
        for (unsigned round = 0; round < 50; round++) {
                struct merkle_range range = {.from = some_key(&t), .to_end = true};
                struct seen s = {.t = &t, .left = round};
                size_t count = leaves_of(&t, &range, &s.at), first = s.at;

                ck_assert_int_eq(
                    merkle_state_walk_from(t.state, &t.root, &range.from, see, &s), LX_OK);
                ck_assert_uint_eq(s.at - first, count < round ? count : round);
        }
        tree_clear(&t);
}
END_TEST

/* The same root from parts of two nibbles as from one update, and the same answers. */
START_TEST(test_parts)
{
        static const size_t counts[] = {0, 1, 2, 40, 2000};

        for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
                for (unsigned shared = 0; shared < 2; shared++) {
                        struct tree t;
                        struct merkle_part part[16], mid[16], top;
                        struct merkle_sink sink = {.put = put_page, .stale = stale_page, .arg = &t};
                        struct merkle_root root;
                        size_t at = 0;

                        tree_init(&t, counts[c], shared);
                        for (unsigned lane = 0; lane < 256; lane++) {
                                struct merkle_update updates[2000];
                                struct lx_hash path = {{(uint8_t)(lane & 0xf0)}};
                                size_t n = 0;

                                for (; at < t.count && t.leaf[at].key.b[0] == lane; at++)
                                        updates[n++] = (struct merkle_update){
                                            t.leaf[at].key, t.leaf[at].value};
                                ck_assert_int_eq(merkle_state_build_part(
                                    t.state, 9, 2, updates, n, &sink, &part[lane % 16]), LX_OK);
                                if (lane % 16 == 15)
                                        merkle_state_join_parts(
                                            t.state, 9, 1, &path, part, &sink, &mid[lane / 16]);
                        }
                        merkle_state_join_parts(
                            t.state, 9, 0, &(struct lx_hash){{0}}, mid, &sink, &top);
                        root = (struct merkle_root){.hash = top.hash, .version = 9};
                        ck_assert(lx_hash_eq(&root.hash, &t.root.hash));
                        for (size_t i = 0; i < t.count; i += 7) {
                                struct lx_hash value;
                                bool found = false;

                                ck_assert_int_eq(merkle_state_get(
                                    t.state, &root, &t.leaf[i].key, &value, &found), LX_OK);
                                ck_assert(found && lx_hash_eq(&value, &t.leaf[i].value));
                        }
                        tree_clear(&t);
                }
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {test_ranges, test_walk, test_parts, NULL};

        return unit_main("merkle_range", cases, 60);
}
