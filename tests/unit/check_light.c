/*
 * src/light: its messages (every cut, limits, vectors), what it trusts and for how long, its store when the power
 * fails at any write.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "kit/chain.h"
#include "crypto/tags.h"
#include "light/answer.h"
#include "light/pass.h"
#include "light/schedule.h"
#include "light/spray.h"
#include "light/store.h"
#include "light/watch.h"
#include "merkle/proof.h"

#include "unit.h"

#define DAY 86400000ull

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- messages ------------------------------------------------------------------------------------ */

START_TEST(questions_of_the_vectors)
{
        FILE *f = unit_vectors("light.txt");
        char line[4096], hex[4096], digest[2048];
        uint8_t bytes[2048], out[2048];
        unsigned seen = 0;

        while (fgets(line, sizeof(line), f) != NULL) {
                struct light_ask ask;
                struct lx_writer wr = lx_writer_init(out, sizeof(out));
                size_t len;

                if (sscanf(line, "digest %2000s %2000s", hex, digest) == 2) {
                        uint8_t is[LIGHT_DIGEST_LEN];

                        len = unit_unhex(hex, bytes);
                        light_list_digest(ops(), LX_SPAN(bytes, len), is);
                        ck_assert_uint_eq(unit_unhex(digest, out), LIGHT_DIGEST_LEN);
                        ck_assert_mem_eq(is, out, LIGHT_DIGEST_LEN);
                        seen |= 1;
                }
                if (sscanf(line, "ask %4000s", hex) != 1)
                        continue;
                len = unit_unhex(hex, bytes);
                ck_assert_msg(light_ask_decode(bytes, len, &ask) == LX_OK, "%s", line);
                light_ask_encode(&ask, &wr);
                ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
                ck_assert_uint_eq(wr.len, len);
                ck_assert_mem_eq(out, bytes, len);
                seen |= 1u << ask.type;
                bytes[1] = 9; /* no such type */
                ck_assert_int_ne(light_ask_decode(bytes, len, &ask), LX_OK);
                bytes[1] = (uint8_t)ask.type;
        }
        ck_assert_uint_eq(seen, 0x1ff);
        (void)fclose(f);
}
END_TEST

/* Questions end where their fields end; a cut is an error, but where a list could end. */
START_TEST(every_cut_of_a_question)
{
        FILE *f = unit_vectors("light.txt");
        char line[4096], hex[4096];
        uint8_t bytes[2048];

        while (fgets(line, sizeof(line), f) != NULL) {
                struct light_ask ask;
                size_t len;

                if (sscanf(line, "ask %4000s", hex) != 1)
                        continue;
                len = unit_unhex(hex, bytes);
                for (size_t cut = 0; cut < len; cut++) {
                        enum lx_err err = light_ask_decode(bytes, cut, &ask);

                        ck_assert_msg(err != LX_OK || bytes[1] == LIGHT_LIST || bytes[1] == LIGHT_WATCH,
                            "type %u cut at %zu of %zu", bytes[1], cut, len);
                }
                bytes[len] = 0;
                ck_assert_int_ne(light_ask_decode(bytes, len + 1, &ask), LX_OK);
        }
        (void)fclose(f);
}
END_TEST

START_TEST(parts)
{
        uint8_t bytes[LIGHT_PART_MAX + 3] = {7, 1};
        struct light_part part;

        ck_assert_int_eq(light_part_decode(bytes, 0, &part), LX_ERR_TRUNCATED);
        ck_assert_int_eq(light_part_decode(bytes, 1, &part), LX_ERR_TRUNCATED);
        ck_assert_int_eq(light_part_decode(bytes, 2 + LIGHT_PART_MAX, &part), LX_OK);
        ck_assert_uint_eq(part.bytes.len, LIGHT_PART_MAX);
        ck_assert_int_eq(light_part_decode(bytes, 3 + LIGHT_PART_MAX, &part), LX_ERR_RANGE);
        bytes[1] = 3;
        ck_assert_int_eq(light_part_decode(bytes, 9, &part), LX_ERR_FORMAT);
        bytes[1] = 2;
        ck_assert_int_eq(light_part_decode(bytes, 2, &part), LX_ERR_TRUNCATED);
        ck_assert_int_eq(light_part_decode(bytes, 3, &part), LX_ERR_RANGE); /* reason 0 */
        bytes[2] = LIGHT_NO_LIST;
        ck_assert_int_eq(light_part_decode(bytes, 3, &part), LX_OK);
        ck_assert_int_eq(light_part_decode(bytes, 4, &part), LX_ERR_TRAILING);
        bytes[2] = LIGHT_NO_LIST + 1;
        ck_assert_int_eq(light_part_decode(bytes, 3, &part), LX_ERR_RANGE);
}
END_TEST

/* One state there and back, every cut of it. */
static size_t
round_trip(const struct light_entry *entry, struct lx_span value)
{
        struct merkle_proof *proof = lx_alloc(sizeof(*proof));
        uint8_t pbytes[1024], bytes[8192];
        struct lx_writer pw = lx_writer_init(pbytes, sizeof(pbytes)), wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_buf got = {0};
        struct lx_reader rd;
        struct lx_span back;
        bool exists;

        proof->end = value.p != NULL ? MERKLE_END_LEAF : MERKLE_END_OTHER;
        proof->depth = 9;
        proof->sibling[3] = unit_hash(3);
        proof->sibling[8] = unit_hash(4);
        proof->other_key = unit_hash(5);
        merkle_proof_encode(proof, &pw);
        light_state_encode(entry, value, LX_SPAN(pbytes, pw.len), &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        rd = lx_reader_init(bytes, wr.len);
        ck_assert_int_eq(light_state_decode(&rd, entry, &got, &exists, &back), LX_OK);
        ck_assert_uint_eq(rd.left, 0);
        ck_assert(exists == (value.p != NULL) && got.len == value.len && back.len == pw.len);
        ck_assert(value.len == 0 || memcmp(got.p, value.p, value.len) == 0); /* public */
        ck_assert_mem_eq(back.p, pbytes, pw.len);
        for (size_t cut = 0; cut < wr.len; cut++) {
                rd = lx_reader_init(bytes, cut);
                ck_assert_int_eq(light_state_decode(&rd, entry, &got, &exists, &back), LX_ERR_TRUNCATED);
        }
        lx_buf_clear(&got);
        lx_free(proof);
        return wr.len;
}

START_TEST(states)
{
        struct light_entry entry = {.kind = SIGCHAIN_KIND_REGISTER, .key_len = 32, .key = {SIGCHAIN_RAW, 1, 2}};
        struct sigchain_register reg = {.type = SIGCHAIN_RAW, .owner = unit_hash(1), .created = 1000,
            .modified = 3000000, .data = LX_SPAN("0123456789", 10)};
        uint8_t value[SIGCHAIN_REGISTER_MAX], data[256] = {0};
        struct lx_writer wr = lx_writer_init(value, sizeof(value));
        size_t whole;

        sigchain_register_encode(&reg, &wr);
        whole = wr.len;
        /* Saved: encoding, type, flags, most of two heights, the pending owner. */
        ck_assert_uint_eq(round_trip(&entry, LX_SPAN(value, whole)) - 2 - 2 - 64,
            1 + 32 + 2 + 4 + 1 + 10);
        reg.pending = unit_hash(9);
        wr = lx_writer_init(value, sizeof(value));
        sigchain_register_encode(&reg, &wr);
        (void)round_trip(&entry, LX_SPAN(value, wr.len));
        (void)round_trip(&entry, LX_SPAN(NULL, 0));
        reg.flags = 1; /* has no short form */
        wr = lx_writer_init(value, sizeof(value));
        sigchain_register_encode(&reg, &wr);
        if (wr.err == LX_OK && sigchain_register_decode(value, wr.len, &reg) == LX_OK)
                (void)round_trip(&entry, LX_SPAN(value, wr.len));
        entry = (struct light_entry){.kind = SIGCHAIN_KIND_REVOKED, .key_len = 64};
        (void)round_trip(&entry, LX_SPAN(data, 8));
}
END_TEST

/* What could be shorter is refused: a register in the long form. */
START_TEST(one_value_one_encoding)
{
        struct light_entry entry = {.kind = SIGCHAIN_KIND_REGISTER, .key_len = 32, .key = {SIGCHAIN_RAW}};
        struct sigchain_register reg = {.type = SIGCHAIN_RAW, .data = LX_SPAN("x", 1)};
        uint8_t value[256], bytes[512];
        struct lx_writer wr = lx_writer_init(value, sizeof(value)), out = lx_writer_init(bytes, sizeof(bytes));
        struct lx_buf got = {0};
        struct lx_reader rd;
        struct lx_span proof;
        bool exists;

        sigchain_register_encode(&reg, &wr);
        lx_write_u8(&out, 1);
        lx_write_varint(&out, wr.len);
        lx_write_bytes(&out, value, wr.len);
        lx_write_u16(&out, 0x0100);
        rd = lx_reader_init(bytes, out.len);
        ck_assert_int_eq(light_state_decode(&rd, &entry, &got, &exists, &proof), LX_ERR_FORMAT);
        lx_buf_clear(&got);
}
END_TEST

/* ---- trust --------------------------------------------------------------------------------------- */

struct chain {
        struct lx_buf genesis;
        struct kit_ledger kit;
};

static struct light_options
chain_begin(struct chain *c, size_t blocks)
{
        *c = (struct chain){0};
        kit_genesis(4, NULL, "", &c->genesis);
        kit_ledger_init(&c->kit, &c->genesis);
        for (size_t i = 0; i < blocks; i++)
                kit_ledger_add_block(&c->kit, NULL, 0, 4);
        return (struct light_options){
            .ops = lx_crypto_ops(), .chain_id = *ledger_chain_id(c->kit.ledger), .trust_ms = 30 * DAY};
}

static void
chain_end(struct chain *c)
{
        kit_ledger_clear(&c->kit);
        lx_buf_clear(&c->genesis);
}

static struct lx_hash
hash_at(struct chain *c, uint64_t height, struct ledger_header *out_header)
{
        struct ledger_view *view = ledger_view_new(c->kit.ledger);
        struct ledger_header header;
        struct lx_hash hash;

        ck_assert_int_eq(ledger_get_header(view, height, &header), LX_OK);
        ledger_header_hash(ops(), &header, &hash);
        ledger_view_unref(view);
        if (out_header != NULL)
                *out_header = header;
        return hash;
}

static enum lx_err
bring(struct chain *c, const struct light_ask *ask, struct lx_buf *out)
{
        struct ledger_view *view = ledger_view_new(c->kit.ledger);
        uint64_t told;
        enum lx_err err;

        lx_buf_reset(out);
        err = light_answer(view, NULL, ask, LX_SPAN(NULL, 0), out, &told);
        ledger_view_unref(view);
        return err;
}

/* The anchor and its set. */
static void
follow(struct chain *c, struct light *light, uint64_t height)
{
        struct light_ask ask = {.type = LIGHT_ANCHOR, .height = height};
        struct lx_hash hash = hash_at(c, height, NULL), set;
        struct lx_buf bytes = {0};
        struct lx_why why = {{0}};
        bool used;

        ck_assert_int_eq(light_trust(light, height, &hash, &used, &why), LX_OK);
        ck_assert(used);
        ck_assert_int_eq(bring(c, &ask, &bytes), LX_OK);
        ck_assert_int_eq(light_take_anchor(light, bytes.p, bytes.len, &why), LX_OK);
        if (light_wants_set(light, &set)) {
                ask = (struct light_ask){.type = LIGHT_SET, .hash = set};
                ck_assert_int_eq(bring(c, &ask, &bytes), LX_OK);
                ck_assert_int_eq(light_take_set(light, bytes.p, bytes.len, &why), LX_OK);
        }
        lx_buf_clear(&bytes);
}

static enum lx_err
step(struct chain *c, struct light *light, uint64_t to, uint64_t now_ms)
{
        struct light_ask ask = {.type = LIGHT_TIP, .height = light_height(light), .tip = to};
        struct lx_buf bytes = {0};
        struct lx_why why = {{0}};
        enum lx_err err;

        memcpy(ask.check, light_hash(light)->b, LIGHT_CHECK_LEN);
        ck_assert_int_eq(bring(c, &ask, &bytes), LX_OK);
        err = light_take_tip(light, bytes.p, bytes.len, now_ms, &why);
        lx_buf_clear(&bytes);
        return err;
}

START_TEST(the_trusting_period_fails_safe)
{
        struct chain c;
        struct light_options options = chain_begin(&c, 9);
        struct light *light = light_new(&options);
        struct ledger_header header;
        struct lx_why why = {{0}};
        uint64_t time;

        ck_assert_int_eq(light_state(light, 0), LIGHT_NEW);
        follow(&c, light, 2);
        (void)hash_at(&c, 2, &header);
        time = header.time_ms;
        ck_assert_int_eq(light_state(light, time + 30 * DAY), LIGHT_FOLLOWING);
        ck_assert_int_eq(light_state(light, time + 30 * DAY + 1), LIGHT_EXPIRED);
        ck_assert_int_eq(step(&c, light, 5, time + 30 * DAY + 1), LX_ERR_EXPIRED);
        light_explain(light, time + 30 * DAY + 1, &why);
        ck_assert_ptr_nonnull(strstr(why.text, "--trust HEIGHT:HASH"));
        ck_assert_ptr_nonnull(strstr(why.text, "30 days"));
        /* A clock that goes back does not bring trust back: the floor is what went by. */
        light_pass(light, 31 * DAY);
        ck_assert_int_eq(light_state(light, time), LIGHT_EXPIRED);
        ck_assert_int_eq(step(&c, light, 5, 0), LX_ERR_EXPIRED);
        ck_assert_uint_eq(light_height(light), 2);
        light_free(light);
        chain_end(&c);
}
END_TEST

START_TEST(heights_never_go_back)
{
        struct chain c;
        struct light_options options = chain_begin(&c, 9);
        struct light *light = light_new(&options);
        struct lx_hash old, wrong = unit_hash(1);
        struct lx_why why = {{0}};
        bool used;

        follow(&c, light, 2);
        ck_assert_int_eq(step(&c, light, 6, 0), LX_OK);
        old = hash_at(&c, 4, NULL);
        ck_assert_int_eq(light_trust(light, 4, &old, &used, &why), LX_OK);
        ck_assert(!used);
        ck_assert_uint_eq(light_height(light), 6);
        ck_assert_int_eq(light_trust(light, 6, &wrong, &used, &why), LX_ERR_PROOF);
        ck_assert_ptr_nonnull(strstr(why.text, "fork"));
        old = hash_at(&c, 8, NULL);
        ck_assert_int_eq(light_trust(light, 8, &old, &used, &why), LX_OK);
        ck_assert(used);
        ck_assert_int_eq(light_state(light, 0), LIGHT_NEW);
        light_free(light);
        chain_end(&c);
}
END_TEST

START_TEST(a_history_that_goes_on)
{
        struct chain c;
        struct light_options options = chain_begin(&c, 45);

        for (uint64_t from = 1; from < 45; from += 3) {
                struct light *light = light_new(&options);
                struct light_ask ask = {.type = LIGHT_PATH, .height = from, .tip = 45};
                struct lx_buf bytes = {0};
                struct lx_why why = {{0}};
                uint64_t old;

                follow(&c, light, from);
                light_begin(light);
                ck_assert(!light_wants_path(light, &old));
                ck_assert_int_eq(step(&c, light, 45, 0), LX_OK);
                ck_assert(light_wants_path(light, &old) && old == from);
                ck_assert_int_eq(bring(&c, &ask, &bytes), LX_OK);
                for (size_t i = 0; i < bytes.len; i += 29) {
                        bytes.p[i] ^= 4;
                        ck_assert_int_eq(light_take_path(light, from, bytes.p, bytes.len, &why), LX_ERR_PROOF);
                        bytes.p[i] ^= 4;
                }
                ck_assert_int_ne(light_take_path(light, from, bytes.p, bytes.len - 32, &why), LX_OK);
                ck_assert_int_eq(light_take_path(light, from, bytes.p, bytes.len - 1, &why), LX_ERR_FORMAT);
                ck_assert_int_eq(light_take_path(light, from, bytes.p, bytes.len, &why), LX_OK);
                ck_assert(!light_wants_path(light, &old));
                lx_buf_clear(&bytes);
                light_free(light);
        }
        chain_end(&c);
}
END_TEST

/* ---- store --------------------------------------------------------------------------------------- */

static bool
is_odd(void *arg, const struct light_entry *entry)
{
        (void)arg;
        return entry->key[1] % 2 == 1;
}

/* Work that writes often; stops at the first error. Returns how often a sync was acknowledged. */
static unsigned
work(struct chain *c, struct ledger_memdisk *disk, const struct light_options *options, uint64_t *out_height,
    size_t *out_items)
{
        struct light *light = light_new(options);
        struct light_store store;
        struct lx_why why = {{0}};
        unsigned acknowledged = 0;

        *out_height = 0;
        *out_items = 0;
        if (light_store_open(&store, ledger_memdisk_storage(disk), light, &why) != LX_OK)
                goto out;
        follow(c, light, 1);
        for (uint64_t h = 2; h <= 40; h++) {
                struct light_entry entry = {.kind = SIGCHAIN_KIND_REGISTER, .key_len = 32, .key = {1, (uint8_t)h}};

                ck_assert_int_eq(light_watch(light, &entry, NULL), LX_OK);
                ck_assert_int_eq(step(c, light, h, 0), LX_OK);
                if (h == 30)
                        light_keep_items(light, is_odd, NULL);
                if (light_store_sync(&store, light, &why) != LX_OK)
                        break;
                acknowledged++;
                *out_height = light_height(light);
                *out_items = light_item_count(light);
        }
out:
        light_free(light);
        return acknowledged;
}

START_TEST(power_fails_at_any_write)
{
        struct chain c;
        struct light_options options = chain_begin(&c, 40);
        uint64_t total = UINT64_MAX;

        for (uint64_t n = 1; n <= total; n++) {
                struct ledger_memdisk *disk = ledger_memdisk_new();
                struct light *light = light_new(&options);
                struct light_store store;
                struct lx_why why = {{0}};
                uint64_t height;
                size_t items;

                ledger_memdisk_fail(disk, n);
                (void)work(&c, disk, &options, &height, &items);
                if (total == UINT64_MAX && height == 40)
                        total = n;
                ledger_memdisk_crash(disk, n * 0x9e3779b97f4a7c15ull);
                ck_assert_msg(light_store_open(&store, ledger_memdisk_storage(disk), light, &why) == LX_OK,
                    "after operation %llu: %s", (unsigned long long)n, why.text);
                ck_assert_uint_ge(light_height(light), height);
                if (light_height(light) == height && height > 0)
                        ck_assert_uint_eq(light_item_count(light), items);
                light_free(light);
                ledger_memdisk_free(disk);
        }
        ck_assert_uint_gt(total, 70);
        chain_end(&c);
}
END_TEST

START_TEST(damage_is_told_from_a_torn_end)
{
        struct chain c;
        struct light_options options = chain_begin(&c, 40);
        struct ledger_memdisk *disk = ledger_memdisk_new();
        struct light *light;
        struct light_store store;
        struct lx_why why = {{0}};
        uint64_t height;
        size_t items;

        (void)work(&c, disk, &options, &height, &items);
        ck_assert(ledger_memdisk_damage(disk, "light", 200));
        light = light_new(&options);
        ck_assert_int_eq(light_store_open(&store, ledger_memdisk_storage(disk), light, &why), LX_ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(why.text, "--trust"));
        light_free(light);
        ledger_memdisk_free(disk);
        chain_end(&c);
}
END_TEST

START_TEST(a_long_log_is_written_anew)
{
        struct chain c;
        struct light_options options = chain_begin(&c, 3);
        struct ledger_memdisk *disk = ledger_memdisk_new();
        struct light *light = light_new(&options);
        struct light_store store;
        struct lx_why why = {{0}};
        struct lx_buf a = {0}, b = {0};

        ck_assert_int_eq(light_store_open(&store, ledger_memdisk_storage(disk), light, &why), LX_OK);
        follow(&c, light, 2);
        for (int i = 0; i < 9000; i++) {
                struct light_station *s = light_meet(light, &(struct lx_pubkey){{(uint8_t)(i % 3)}});

                s->contacts = (uint64_t)i;
                light_part_with(light, s);
                ck_assert_int_eq(light_store_sync(&store, light, &why), LX_OK);
        }
        ck_assert_uint_gt(store.number, 2);
        ck_assert_uint_lt(store.end, 3 * LIGHT_LOG_SLACK);
        light_snapshot(light, &a);
        light_free(light);
        light = light_new(&options);
        ck_assert_int_eq(light_store_open(&store, ledger_memdisk_storage(disk), light, &why), LX_OK);
        light_snapshot(light, &b);
        ck_assert_uint_eq(a.len, b.len);
        ck_assert_mem_eq(a.p, b.p, a.len);
        options.chain_id = unit_hash(3);
        light_free(light);
        light = light_new(&options);
        ck_assert_int_eq(light_store_open(&store, ledger_memdisk_storage(disk), light, &why), LX_ERR_EXISTS);
        light_free(light);
        lx_buf_clear(&a);
        lx_buf_clear(&b);
        ledger_memdisk_free(disk);
        chain_end(&c);
}
END_TEST

/* ---- pass files ---------------------------------------------------------------------------------- */

START_TEST(a_pass_file)
{
        struct chain c;
        struct light_options options = chain_begin(&c, 30);
        struct ledger_view *view = ledger_view_new(c.kit.ledger);
        struct light_entry entries[2] = {{.kind = SIGCHAIN_KIND_REGISTER, .key_len = 32, .key = {SIGCHAIN_RAW, 7}},
            {.kind = SIGCHAIN_KIND_PARAMS}};
        struct light_pass_result result;
        struct lx_buf pass = {0};
        struct lx_why why = {{0}};
        struct light *light = light_new(&options);
        uint64_t old;

        ck_assert_int_eq(light_pass_make(view, 30, entries, 2, &pass, &why), LX_ERR_RANGE);
        ck_assert_int_eq(light_pass_make(view, 4, entries, 2, &pass, &why), LX_OK);
        ck_assert_int_eq(light_pass_take(light, pass.p, pass.len, 0, &result, &why), LX_ERR_UNTRUSTED);
        follow(&c, light, 4);
        ck_assert_int_eq(light_watch(light, &entries[1], NULL), LX_OK);
        for (size_t cut = 0; cut < pass.len; cut++)
                ck_assert_int_ne(light_pass_take(light, pass.p, cut, 0, &result, &why), LX_OK);
        for (size_t i = 0; i < pass.len; i++) {
                pass.p[i] ^= 1;
                ck_assert_int_ne(light_pass_take(light, pass.p, pass.len, 0, &result, &why), LX_OK);
                pass.p[i] ^= 1;
        }
        ck_assert_uint_eq(light_height(light), 4);
        ck_assert_int_eq(light_pass_take(light, pass.p, pass.len, 0, &result, &why), LX_OK);
        ck_assert_uint_eq(light_height(light), 30);
        ck_assert_uint_eq(result.headers, 1);
        ck_assert_uint_eq(result.states, 1);
        ck_assert_uint_eq(result.unwatched, 1);
        ck_assert(light_item(light, 0)->proven && light_item(light, 0)->exists);
        ck_assert(!light_wants_path(light, &old));
        /* Twice changes nothing; from a header between it works too. */
        ck_assert_int_eq(light_pass_take(light, pass.p, pass.len, 0, &result, &why), LX_OK);
        light_free(light);
        light = light_new(&options);
        follow(&c, light, 17);
        ck_assert_int_eq(light_pass_take(light, pass.p, pass.len, 0, &result, &why), LX_OK);
        ck_assert_uint_eq(light_height(light), 30);
        light_free(light);
        lx_buf_clear(&pass);
        ledger_view_unref(view);
        chain_end(&c);
}
END_TEST

/* Every lie with a right checksum is found by what it breaks. */
START_TEST(a_forged_pass_file)
{
        struct chain c;
        struct light_options options = chain_begin(&c, 12);
        struct ledger_view *view = ledger_view_new(c.kit.ledger);
        struct light_entry entry = {.kind = SIGCHAIN_KIND_PARAMS};
        struct lx_hash truth = hash_at(&c, 12, NULL);
        struct lx_buf pass = {0};
        struct lx_why why = {{0}};

        ck_assert_int_eq(light_pass_make(view, 4, &entry, 1, &pass, &why), LX_OK);
        for (size_t i = LIGHT_PASS_HEAD; i < pass.len - LX_HASH_LEN; i += 3) {
                struct light *light = light_new(&options);
                struct light_pass_result result;
                struct lx_hash sum;
                enum lx_err err;

                follow(&c, light, 4);
                ck_assert_int_eq(light_watch(light, &entry, NULL), LX_OK);
                pass.p[i] ^= 0x10;
                lx_hash1(ops(), &LX_TAG_LIGHT, pass.p, pass.len - LX_HASH_LEN, &sum);
                memcpy(pass.p + pass.len - LX_HASH_LEN, sum.b, LX_HASH_LEN);
                err = light_pass_take(light, pass.p, pass.len, 0, &result, &why);
                /* Sets that nobody asks for are not looked at. */
                ck_assert_msg(err != LX_OK || lx_hash_eq(light_hash(light), &truth), "byte %zu", i);
                ck_assert(light_height(light) == 4 || lx_hash_eq(light_hash(light), &truth));
                pass.p[i] ^= 0x10;
                light_free(light);
        }
        lx_buf_clear(&pass);
        ledger_view_unref(view);
        chain_end(&c);
}
END_TEST

/* ---- broadcast ----------------------------------------------------------------------------------- */

/* A run of @len bytes over a channel that loses @loss of 100 packets, from a packet of the seed's choice on. */
static void
spray_once(size_t len, unsigned loss, uint64_t seed)
{
        uint8_t *bytes = lx_alloc(len + 1), packet[LIGHT_PACKET_LEN];
        struct light_gather *gather = light_gather_new();
        struct light_spray *spray = NULL;
        struct lx_buf out = {0};
        uint64_t state = seed, needed, came = 0, round, n = unit_random(&state) % 5000;
        enum lx_err err = LX_ERR_BUSY;

        for (size_t i = 0; i < len; i++)
                bytes[i] = (uint8_t)unit_random(&state);
        ck_assert_int_eq(light_spray_new(bytes, len, &spray), LX_OK);
        round = light_spray_round(spray, &needed);
        for (uint64_t sent = 0; err != LX_OK && sent < round; sent++, n++) {
                if (unit_random(&state) % 100 < loss)
                        continue;
                light_spray_packet(spray, n, packet);
                if (unit_random(&state) % 50 == 0) { /* damaged on the way */
                        packet[unit_random(&state) % LIGHT_PACKET_LEN] ^= 4;
                        err = light_gather_take(gather, packet, sizeof(packet), &out);
                        ck_assert(err == LX_ERR_CORRUPT || err == LX_ERR_FORMAT);
                        continue;
                }
                came++;
                err = light_gather_take(gather, packet, sizeof(packet), &out);
                ck_assert(err == LX_OK || err == LX_ERR_BUSY);
        }
        ck_assert_int_eq(err, LX_OK);
        ck_assert_uint_eq(out.len, len);
        ck_assert_mem_eq(out.p, bytes, len);
        if (loss == 0 && len <= LIGHT_SYMBOL * LIGHT_BLOCK_MAX) /* one block: not a packet more than symbols */
                ck_assert_uint_eq(came, needed);
        ck_assert_int_eq(light_gather_take(gather, packet, sizeof(packet), &out), LX_ERR_EXISTS);
        light_spray_free(spray);
        light_gather_free(gather);
        lx_buf_clear(&out);
        lx_free(bytes);
}

START_TEST(any_sufficient_packets)
{
        static const size_t lens[] = {1, 1023, 1024, 1025, 5000, 65536, 65537, 200000};
        struct light_spray *spray = NULL;

        if (light_spray_new("x", 1, &spray) == LX_ERR_VERSION)
                return; /* built without ISA-L */
        light_spray_free(spray);
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
                for (unsigned loss = 0; loss <= 60; loss += 30)
                        for (uint64_t seed = 1; seed <= 3; seed++)
                                spray_once(lens[i], loss, seed + 100 * loss + 1000 * i);
        ck_assert_int_eq(light_spray_new("x", 0, &spray), LX_ERR_RANGE);
        ck_assert_int_eq(light_spray_new("x", LIGHT_SPRAY_MAX + 1, &spray), LX_ERR_RANGE);
}
END_TEST

/* Somebody sends packets of their own under the same name: the receiver begins anew, and gets it all the same. */
START_TEST(a_broadcast_with_a_liar)
{
        uint8_t bytes[5000], packet[LIGHT_PACKET_LEN];
        struct light_gather *gather = light_gather_new();
        struct light_spray *spray = NULL;
        struct lx_buf out = {0};
        enum lx_err err = LX_ERR_BUSY;
        bool meddled = false;

        memset(bytes, 7, sizeof(bytes));
        if (light_spray_new(bytes, sizeof(bytes), &spray) == LX_ERR_VERSION) {
                light_gather_free(gather);
                return;
        }
        for (uint64_t n = 0; n < 40 && err != LX_OK; n++) {
                light_spray_packet(spray, n, packet);
                if (n == 2) {
                        struct lx_hash sum;
                        struct lx_span summed[2] = {LX_SPAN(packet, 26), LX_SPAN(packet + LIGHT_PACKET_HEAD, LIGHT_SYMBOL)};

                        packet[100] ^= 1;
                        ops()->hash(ops()->ctx, &LX_TAG_LIGHT, summed, 2, &sum);
                        memcpy(packet + 26, sum.b, 8);
                }
                err = light_gather_take(gather, packet, sizeof(packet), &out);
                meddled |= err == LX_ERR_PROOF;
        }
        ck_assert(meddled);
        ck_assert_int_eq(err, LX_OK);
        ck_assert_mem_eq(out.p, bytes, sizeof(bytes));
        for (size_t len = 0; len < LIGHT_PACKET_LEN; len++)
                ck_assert_int_eq(light_gather_take(gather, packet, len, &out), LX_ERR_FORMAT);
        light_spray_free(spray);
        light_gather_free(gather);
        lx_buf_clear(&out);
}
END_TEST

/* ---- what operators write ------------------------------------------------------------------------ */

START_TEST(schedules)
{
        static const char good[] = "# passes\n2026-11-25T12:00:00Z 2026-11-25T12:08:00Z\n"
                                   "  2026-11-25T10:00:00Z\t2026-11-25T10:08:00Z 60000 # low\n\n";
        static const char *const bad[] = {"2026-11-25T12:00:00Z", "2026-11-25T12:00:00 2026-11-25T12:08:00Z",
            "2026-02-30T12:00:00Z 2026-11-25T12:08:00Z", "2026-11-25T12:00:00Z 2026-11-25T12:00:00Z",
            "2026-11-25T12:00:00Z 2026-11-25T12:08:00Z x", "2026-11-25T12:00:00Z 2026-11-25T12:08:00Z 5 6"};
        struct light_schedule s;
        struct lx_why why = {{0}};

        ck_assert_int_eq(light_schedule_read(good, strlen(good), &s, &why), LX_OK);
        ck_assert_uint_eq(s.count, 2);
        ck_assert_uint_eq(s.windows[0].begin_ms, 1795600800000);
        ck_assert_uint_eq(s.windows[0].bytes, 60000);
        ck_assert_ptr_null(light_schedule_open(&s, 1795600799999));
        ck_assert_ptr_eq(light_schedule_open(&s, 1795600800000), &s.windows[0]);
        ck_assert_ptr_eq(light_schedule_next(&s, 1795600800000), &s.windows[1]);
        ck_assert_ptr_null(light_schedule_open(&s, s.windows[0].end_ms));
        ck_assert_ptr_null(light_schedule_next(&s, s.windows[1].begin_ms));
        light_schedule_clear(&s);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                why.text[0] = '\0';
                ck_assert_int_eq(light_schedule_read(bad[i], strlen(bad[i]), &s, &why), LX_ERR_USAGE);
                ck_assert_ptr_nonnull(strstr(why.text, "line 1"));
        }
}
END_TEST

START_TEST(what_may_be_watched)
{
        struct light_entry a, b;
        struct lx_why why = {{0}};
        char hex[65];

        lx_hex(unit_hash(4).b, 32, hex);
        ck_assert_int_eq(light_watch_read(ops(), hex, &a, &why), LX_OK);
        ck_assert_mem_eq(a.key, unit_hash(4).b, 32);
        ck_assert_int_eq(light_watch_read(ops(), "station7", &a, &why), LX_OK);
        ck_assert_uint_eq(a.key[0], SIGCHAIN_NAME);
        ck_assert_int_eq(light_watch_read(ops(), "fd00:6c78::7", &b, &why), LX_OK);
        ck_assert_uint_eq(b.key[0], SIGCHAIN_EID);
        ck_assert_int_eq(light_watch_read(ops(), "not a name", &b, &why), LX_ERR_USAGE);
        ck_assert_ptr_nonnull(strstr(why.text, "not a name"));
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {questions_of_the_vectors, every_cut_of_a_question, parts, states,
            one_value_one_encoding, the_trusting_period_fails_safe, heights_never_go_back, a_history_that_goes_on,
            power_fails_at_any_write, damage_is_told_from_a_torn_end, a_long_log_is_written_anew, schedules, what_may_be_watched,
            a_pass_file, a_forged_pass_file, any_sufficient_packets, a_broadcast_with_a_liar, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("light", cases, 300);
}
