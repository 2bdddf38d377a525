/*
 * Contacts of a light node with stations, over the real transport and a link of 9600 bit/s, 300 ms and losses, on
 * virtual time: it ends with the tip and all proofs, however often it is cut and its power fails; it takes nothing
 * wrong from a station that lies, and names it.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "kit/pass.h"
#include "kit/rich.h"
#include "light/watch.h"

#include "unit.h"

#define VALIDATORS 4

static struct pass pass;

/* ---- chains -------------------------------------------------------------------------------------- */

/* A chain whose author has @registers raw registers of @len bytes; @set: validators that act from now on. */
struct chain {
        struct lx_buf genesis;
        struct kit_ledger kit;
        struct author author;
        struct lx_hash address[256];
        size_t registers;
        uint64_t writes;
};

static void
add_block(struct chain *c, const struct lx_buf *tx, size_t validators)
{
        struct lx_span span = lx_buf_span(tx);

        kit_ledger_add_block(&c->kit, &span, tx->len > 0 ? 1 : 0, validators);
}

static void
chain_begin_of(struct chain *c, size_t validators, size_t registers, size_t len)
{
        struct lx_buf tx = {0};
        uint8_t data[512];

        *c = (struct chain){.registers = registers};
        kit_genesis(validators, NULL, "", &c->genesis);
        kit_ledger_init(&c->kit, &c->genesis);
        author_init(&c->author, 1, ledger_chain_id(c->kit.ledger));
        author_begin(&c->author, &tx, NULL);
        add_block(c, &tx, validators);
        for (size_t i = 0; i < registers; i++) {
                lx_buf_reset(&tx);
                memset(data, (int)i, len);
                author_create_raw(&c->author, data, len, &tx, NULL, &c->address[i]);
                add_block(c, &tx, validators);
        }
        lx_buf_clear(&tx);
}

static void
chain_begin(struct chain *c, size_t registers)
{
        chain_begin_of(c, VALIDATORS, registers, 256);
}

/* Blocks on top, each of which changes register number @which (none when there are none). */
static void
chain_grow(struct chain *c, size_t blocks, size_t which)
{
        struct lx_buf tx = {0};

        for (size_t i = 0; i < blocks; i++) {
                char text[32];

                lx_buf_reset(&tx);
                (void)snprintf(text, sizeof(text), "write %llu", (unsigned long long)c->writes++);
                if (c->registers > 0)
                        author_write_raw(&c->author, &c->address[which], text, strlen(text), &tx, NULL);
                add_block(c, &tx, 16);
        }
        lx_buf_clear(&tx);
}

static int
by_key(const void *a, const void *b)
{
        return memcmp(((const struct sigchain_validator *)a)->key.b, /* public */
            ((const struct sigchain_validator *)b)->key.b, LX_PUBKEY_LEN);
}

/* The update's signatures by all of the set in force. */
static struct lx_span
sign_update(const struct sigchain_valset *set, const struct lx_hash *msg, uint8_t *out, size_t cap)
{
        uint8_t bitmap[16] = {0}, secret[32];
        struct lx_writer wr = lx_writer_init(out, cap);

        for (size_t i = 0; i < set->count; i++)
                bitmap[i / 8] |= (uint8_t)(0x80 >> i % 8);
        lx_write_bytes(&wr, bitmap, (set->count + 7) / 8);
        for (size_t i = 0; i < set->count; i++)
                for (size_t k = 0; k < 16; k++) {
                        struct lx_pubkey key;
                        struct lx_sig sig;

                        kit_validator_key(k, secret);
                        ck_assert_int_eq(lx_sign_pubkey(secret, &key), LX_OK);
                        if (memcmp(key.b, set->v[i].key.b, LX_PUBKEY_LEN) != 0) /* public */
                                continue;
                        ck_assert_int_eq(lx_sign(secret, msg, NULL, &sig), LX_OK);
                        lx_write_bytes(&wr, sig.b, LX_SIG_LEN);
                }
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        return LX_SPAN(out, wr.len);
}

/* Validators number @from to @from + 3 from the next block on. */
static void
chain_change_set(struct chain *c, size_t from)
{
        struct ledger_view *view = ledger_view_new(c->kit.ledger);
        struct sigchain_op_body body = {.type = SIGCHAIN_OP_VALIDATOR_UPDATE};
        struct sigchain_valset *set = lx_alloc(sizeof(*set)), *now = lx_alloc(sizeof(*now));
        static uint8_t what[1024], cert[LEDGER_CERT_MAX];
        struct lx_writer wr = lx_writer_init(what, sizeof(what));
        struct lx_hash set_hash = ledger_view_header(view)->next_valset, msg;
        struct lx_buf bytes = {0}, tx = {0};

        set->count = VALIDATORS;
        for (size_t i = 0; i < VALIDATORS; i++) {
                uint8_t secret[32];

                kit_validator_key(from + i, secret);
                ck_assert_int_eq(lx_sign_pubkey(secret, &set->v[i].key), LX_OK);
                set->v[i].power = 1;
                set->v[i].name = LX_SPAN("next", 4);
        }
        qsort(set->v, VALIDATORS, sizeof(set->v[0]), by_key);
        sigchain_valset_encode(set, &wr);
        ck_assert_int_eq(ledger_get_valset(view, &set_hash, &bytes), LX_OK);
        ck_assert_int_eq(sigchain_valset_decode(bytes.p, bytes.len, now), LX_OK);
        body.u.update.expiry = ledger_view_header(view)->height + 100;
        body.u.update.what = LX_SPAN(what, wr.len);
        sigchain_update_message(&lx_crypto_ops()->hash, SIGCHAIN_OP_VALIDATOR_UPDATE, ledger_chain_id(c->kit.ledger),
            &set_hash, body.u.update.expiry, body.u.update.what, &msg);
        body.u.update.cert = sign_update(now, &msg, cert, sizeof(cert));
        author_write_tx(&c->author, &body, 1, &tx, NULL);
        ledger_view_unref(view);
        add_block(c, &tx, 16);
        lx_buf_clear(&bytes);
        lx_buf_clear(&tx);
        lx_free(set);
        lx_free(now);
}

static void
chain_end(struct chain *c)
{
        author_clear(&c->author);
        kit_ledger_clear(&c->kit);
        lx_buf_clear(&c->genesis);
}

/* ---- what must always hold ----------------------------------------------------------------------- */

/* What the light node took is what the honest ledger has. */
static void
check_truth(struct pass *p, void *arg)
{
        struct chain *c = arg;
        struct ledger_view *view;
        struct ledger_header header;
        struct lx_hash hash;

        if (light_header(p->light) == NULL)
                return;
        view = ledger_view_new(c->kit.ledger);
        ck_assert_int_eq(ledger_get_header(view, light_height(p->light), &header), LX_OK);
        ledger_header_hash(&lx_crypto_ops()->hash, &header, &hash);
        ck_assert(lx_hash_eq(&hash, light_hash(p->light)));
        for (size_t i = 0; i < light_item_count(p->light); i++) {
                const struct light_item *item = light_item(p->light, i);
                struct lx_buf value = {0};

                if (!item->proven)
                        continue;
                ck_assert_int_eq(ledger_get_state(view, (enum sigchain_kind)item->entry.kind, item->entry.key,
                    item->entry.key_len, item->height, &value, NULL), item->exists ? LX_OK : LX_ERR_ABSENT);
                ck_assert_uint_eq(value.len, item->value.len);
                ck_assert(value.len == 0 || memcmp(value.p, item->value.p, value.len) == 0); /* public */
                lx_buf_clear(&value);
        }
        ledger_view_unref(view);
}

static struct pass_station *
begin(struct chain *c, uint64_t seed, uint64_t trusted, size_t watched)
{
        pass_init(&pass, &c->kit, seed);
        pass.watch = check_truth;
        pass.watch_arg = c;
        pass_trust(&pass, &c->kit, trusted);
        for (size_t i = 0; i < watched; i++)
                pass_watch(&pass, &c->address[i]);
        return pass_add(&pass, &c->kit);
}

static enum light_verdict
verdict_of(const struct pass_station *s)
{
        return light_meet(pass.light, &s->id)->verdict;
}

/* ---- tests --------------------------------------------------------------------------------------- */

START_TEST(one_contact_of_one_register)
{
        struct chain c;
        struct pass_station *s;
        struct llp_contact_stats stats;
        uint64_t start;

        chain_begin(&c, 3);
        s = begin(&c, 1, 1, 1);
        /* The first contact: the header of the trusted hash and its set come too. */
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        ck_assert_int_eq(verdict_of(s), LIGHT_HONEST);
        pass_cut(&pass);
        /* A later one: from TCP connect to tip, register and history. */
        chain_grow(&c, 200, 0);
        start = pass.now_ms;
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        ck_assert_uint_le(pass.now_ms - start, 5000);
        llp_contact_get_stats(pass.contact, &stats);
        ck_assert_uint_eq(stats.wasted, 0);
        ck_assert_uint_eq(stats.repeated, 0);
        ck_assert_uint_eq(light_item(pass.light, 0)->changed, light_height(pass.light));
        pass_clear(&pass);
        chain_end(&c);
}
END_TEST

START_TEST(what_changed_comes_first)
{
        struct chain c;
        struct pass_station *s;

        chain_begin(&c, 40);
        s = begin(&c, 2, 1, 40);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 600000));
        pass_cut(&pass);
        chain_grow(&c, 1, 33);
        pass_connect(&pass, s);
        /* Long before all forty are proven anew, the one that changed is. */
        ck_assert(!pass_until(&pass, pass_is_done, 7000));
        ck_assert_uint_eq(light_item(pass.light, 33)->height, light_height(pass.light));
        ck_assert_uint_lt(light_item(pass.light, 39)->height, light_height(pass.light));
        /* The oldest proofs go on where it was cut. */
        pass_cut(&pass);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 600000));
        pass_clear(&pass);
        chain_end(&c);
}
END_TEST

START_TEST(sets_that_change)
{
        struct chain c;
        struct pass_station *s;

        chain_begin(&c, 1);
        s = begin(&c, 3, 1, 1);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        pass_cut(&pass);
        /* Each set has three of four with the one before; the last has none with the first. */
        for (size_t i = 1; i <= 5; i++) {
                chain_grow(&c, 7, 0);
                chain_change_set(&c, i);
        }
        chain_grow(&c, 3, 0);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 120000));
        ck_assert_int_eq(verdict_of(s), LIGHT_HONEST);
        /* And one that changes whole at once is followed too: at the next height all have signed. */
        pass_cut(&pass);
        chain_change_set(&c, 10);
        chain_grow(&c, 3, 0);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 120000));
        ck_assert_int_eq(verdict_of(s), LIGHT_HONEST);
        pass_clear(&pass);
        chain_end(&c);
}
END_TEST

/* Cut after times from the seed, power lost now and then, the chain growing meanwhile. */
static void
run_seed(struct chain *c, uint64_t seed)
{
        struct pass_station *s = begin(c, seed, 1 + seed % 3, 12);
        struct llp_contact_stats stats;
        uint64_t state = seed, contacts = 0, repeated = 0;
        bool done = false;

        pass.loss_percent = 2;
        while (!done && contacts++ < 400) {
                uint64_t what = unit_random(&state);

                if (what % 5 == 0)
                        chain_grow(c, 1 + what / 8 % 3, what / 64 % 12);
                pass_connect(&pass, s);
                done = pass_until(&pass, pass_is_done, 1500 + unit_random(&state) % 12000);
                ck_assert_int_eq(pass.stored, LX_OK);
                llp_contact_get_stats(pass.contact, &stats);
                repeated += stats.repeated;
                if (!done && what % 7 < 2) {
                        uint64_t height = light_height(pass.light);

                        pass_power_cut(&pass, unit_random(&state));
                        ck_assert_uint_eq(light_height(pass.light), height);
                } else if (!done) {
                        pass_cut(&pass);
                }
                pass.now_ms += 1000;
        }
        ck_assert_msg(done, "seed %llu: not done after %llu contacts", (unsigned long long)seed,
            (unsigned long long)contacts);
        ck_assert_msg(repeated == 0, "seed %llu: %llu proofs were fetched twice", (unsigned long long)seed,
            (unsigned long long)repeated);
        ck_assert_int_eq(verdict_of(s), LIGHT_HONEST);
        pass_clear(&pass);
}

START_TEST(cut_at_random_times)
{
        const char *count = getenv("SEEDS");
        struct chain c;

        chain_begin(&c, 12);
        for (uint64_t seed = 1; seed <= (count != NULL ? strtoull(count, NULL, 10) : 150); seed++)
                run_seed(&c, seed);
        chain_end(&c);
}
END_TEST

static uint64_t
pass_bytes(void)
{
        struct llp_contact_stats stats;

        llp_contact_get_stats(pass.contact, &stats);
        return stats.bytes_in + stats.bytes_out;
}

START_TEST(a_budget_is_kept)
{
        struct chain c;
        struct pass_station *s;
        struct llp_contact_stats stats;

        chain_begin(&c, 40);
        s = begin(&c, 5, 1, 40);
        llp_contact_set_budget(pass.contact, 3000);
        pass_connect(&pass, s);
        ck_assert(!pass_until(&pass, pass_is_done, 120000));
        llp_contact_get_stats(pass.contact, &stats);
        ck_assert(stats.over_budget);
        /* A link that is lost and found again brings no new budget. */
        pass_cut(&pass);
        pass_connect(&pass, s);
        (void)pass_until(&pass, NULL, 20000);
        ck_assert_uint_lt(pass_bytes(), stats.bytes_in + stats.bytes_out + 1);
        ck_assert_uint_eq(light_height(pass.light), kit_ledger_tip(&c.kit, NULL));
        pass_clear(&pass);
        chain_end(&c);
}
END_TEST

/* ---- stations that lie --------------------------------------------------------------------------- */

/* Flip a bit of part number arg (from 1), behind its head. */
static bool
flip(struct pass_station *s, uint8_t *bytes, size_t *len)
{
        const uint64_t *which = s->arg;

        if (s->parts == which[0] && *len > LIGHT_PART_HEAD)
                bytes[LIGHT_PART_HEAD + which[1] % (*len - LIGHT_PART_HEAD)] ^= (uint8_t)(1u << which[1] % 8);
        return true;
}

static bool
say_nothing(struct pass_station *s, uint8_t *bytes, size_t *len)
{
        (void)s;
        (void)bytes;
        (void)len;
        return false;
}

static bool
refuse_all(struct pass_station *s, uint8_t *bytes, size_t *len)
{
        bytes[1] = 2;
        bytes[2] = *(const uint8_t *)s->arg;
        *len = 3;
        return true;
}

static bool
garble(struct pass_station *s, uint8_t *bytes, size_t *len)
{
        uint64_t state = s->parts;

        for (size_t i = 1; i < *len; i++)
                bytes[i] = (uint8_t)unit_random(&state);
        return true;
}

/* What is flipped is noticed; but in the count of a watch list that it knows, which only costs a question. */
START_TEST(every_flipped_bit_is_noticed)
{
        struct chain c;
        uint64_t state = 7;
        unsigned noticed = 0, reached = 0;

        chain_begin(&c, 9);
        chain_grow(&c, 20, 0);
        for (int round = 0; round < 60; round++) {
                struct pass_station *s = begin(&c, 100, 2, 9);
                uint64_t which[2] = {1 + unit_random(&state) % 7, unit_random(&state)};
                bool done;

                s->meddle = flip;
                s->arg = which;
                pass_connect(&pass, s);
                done = pass_until(&pass, pass_is_done, 200000);
                reached += s->parts >= which[0];
                noticed += !done;
                ck_assert(done || verdict_of(s) >= LIGHT_WITHHOLDS);
                /* An honest one is believed after that. */
                pass_connect(&pass, pass_add(&pass, &c.kit));
                ck_assert(pass_until(&pass, pass_is_done, 200000));
                pass_clear(&pass);
        }
        ck_assert_uint_gt(noticed, 40);
        ck_assert_uint_le(reached - noticed, 10);
        chain_end(&c);
}
END_TEST

START_TEST(who_withholds_is_named)
{
        struct chain c, old;
        struct pass_station *s, *late;
        uint8_t no = LIGHT_NO_NEWER;

        chain_begin(&c, 2);
        chain_begin(&old, 2);
        s = begin(&c, 8, 1, 2);
        late = pass_add(&pass, &old.kit);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        chain_grow(&c, 9, 0);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        /* One that stopped nine headers ago, with the same chain. */
        pass_connect(&pass, late);
        ck_assert(!pass_until(&pass, NULL, 10000));
        ck_assert_int_eq(verdict_of(late), LIGHT_BEHIND);
        ck_assert_uint_eq(light_meet(pass.light, &late->id)->behind, 9);
        /* It catches up. */
        chain_grow(&old, 9, 0);
        pass_connect(&pass, late);
        (void)pass_until(&pass, NULL, 10000);
        ck_assert_int_eq(verdict_of(late), LIGHT_HONEST);
        /* One that claims a tip that it does not give. */
        s = pass_add(&pass, &c.kit);
        s->claims = 5;
        pass_connect(&pass, s);
        (void)pass_until(&pass, NULL, 20000);
        ck_assert_int_eq(verdict_of(s), LIGHT_WITHHOLDS);
        chain_grow(&c, 3, 0);
        s = pass_add(&pass, &c.kit);
        s->meddle = refuse_all;
        s->arg = &no;
        pass_connect(&pass, s);
        (void)pass_until(&pass, NULL, 20000);
        ck_assert_int_eq(verdict_of(s), LIGHT_WITHHOLDS);
        pass_clear(&pass);
        chain_end(&old);
        chain_end(&c);
}
END_TEST

START_TEST(silence_and_garbage)
{
        struct chain c;
        struct pass_station *s;

        chain_begin(&c, 1);
        s = begin(&c, 9, 1, 1);
        s->meddle = say_nothing;
        pass_connect(&pass, s);
        (void)pass_until(&pass, NULL, LLP_CONTACT_ANSWER_MS + 20000);
        ck_assert_int_eq(verdict_of(s), LIGHT_WITHHOLDS);
        s = pass_add(&pass, &c.kit);
        s->meddle = garble;
        pass_connect(&pass, s);
        (void)pass_until(&pass, NULL, 20000);
        ck_assert_int_ge(verdict_of(s), LIGHT_WITHHOLDS);
        s = pass_add(&pass, &c.kit);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        pass_clear(&pass);
        chain_end(&c);
}
END_TEST

/* Two chains of one genesis that part after @common blocks: the same validators signed both. */
START_TEST(a_fork_is_evidence_with_names)
{
        struct chain c, fork;
        struct pass_station *s, *other;
        struct lx_why why = {{0}};

        chain_begin(&c, 2);
        chain_begin(&fork, 2);
        chain_grow(&c, 4, 0);
        chain_grow(&fork, 4, 1);
        s = begin(&c, 10, 1, 1);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        other = pass_add(&pass, &fork.kit);
        pass_connect(&pass, other);
        (void)pass_until(&pass, NULL, 20000);
        ck_assert_int_eq(verdict_of(other), LIGHT_FORKS);
        ck_assert_uint_eq(light_evidence_count(pass.light), 1);
        /* Three of four sign a certificate: here the same three. */
        ck_assert_msg(strlen(light_evidence(pass.light, 0)->names) == 8, "names: %s",
            light_evidence(pass.light, 0)->names);
        ck_assert_int_eq(light_state(pass.light, 0), LIGHT_FORKED);
        light_explain(pass.light, 0, &why);
        ck_assert(strstr(why.text, light_evidence(pass.light, 0)->names) != NULL);
        /* It is stored, and no header is taken any more, until the operator decides. */
        pass_power_cut(&pass, 12345);
        ck_assert_int_eq(light_state(pass.light, 0), LIGHT_FORKED);
        ck_assert_uint_eq(light_evidence_count(pass.light), 1);
        chain_grow(&c, 2, 0);
        pass_connect(&pass, s);
        ck_assert(!pass_until(&pass, pass_is_done, 20000));
        pass_trust(&pass, &c.kit, kit_ledger_tip(&c.kit, NULL) - 1);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        pass_clear(&pass);
        chain_end(&fork);
        chain_end(&c);
}
END_TEST

/* ---- all headers --------------------------------------------------------------------------------- */

/* Every header is the ledger's, and provably in the history of one that is kept. */
static void
check_history(struct chain *c)
{
        struct ledger_view *view = ledger_view_new(c->kit.ledger);
        struct merkle_path *path = lx_alloc(sizeof(*path));
        uint64_t count = light_history_count(pass.history);

        for (uint64_t h = 0; h < count; h += h + 5 < count && h % 1024 > 2 && h % 1024 < 1020 ? 37 : 1) {
                struct ledger_header must, is, kept;
                struct lx_hash hash, leaf;
                struct lx_span cert, set;
                struct lx_why why = {{0}};
                uint8_t a[LEDGER_HEADER_LEN], b[LEDGER_HEADER_LEN];
                uint64_t size = 0;

                ck_assert_int_eq(ledger_get_header(view, h, &must), LX_OK);
                ck_assert_msg(light_history_get(pass.history, h, &is, &hash, &why) == LX_OK, "%s", why.text);
                ledger_header_encode(&must, a);
                ledger_header_encode(&is, b);
                ck_assert_mem_eq(a, b, sizeof(a));
                if (h >= light_history(pass.light)->count) { /* the power went before its proof was stored */
                        ck_assert_int_eq(
                            light_history_path(pass.history, pass.light, h, path, &size, &why), LX_ERR_ABSENT);
                        continue;
                }
                ck_assert_int_eq(light_history_path(pass.history, pass.light, h, path, &size, &why), LX_OK);
                ck_assert(light_get_head(pass.light, size, &kept, &cert, &set));
                merkle_log_leaf(&lx_crypto_ops()->hash, hash.b, LX_HASH_LEN, &leaf);
                ck_assert_msg(merkle_log_verify(&lx_crypto_ops()->hash, &leaf, h, size, path->hash, path->count,
                    &kept.history_root) == LX_OK, "header %llu of %llu, proven at %llu", (unsigned long long)h,
                    (unsigned long long)count, (unsigned long long)size);
        }
        lx_free(path);
        ledger_view_unref(view);
}

/* A flipped bit in the root of a run that is not read at the start: else what honest stations give would not fit. */
static void
old_root_is_damaged(void)
{
        const struct ledger_storage *storage = ledger_memdisk_storage(pass.disk);
        struct light_history *h = NULL;
        struct lx_why why = {{0}};
        uint64_t offset = 40, first = 0;

        for (;;) {
                uint8_t head[22];
                struct lx_reader rd;
                uint32_t len;
                size_t got = 0;

                ck_assert_int_eq(storage->read_at(storage->arg, "history", offset, head, sizeof(head), &got), LX_OK);
                ck_assert_uint_eq(got, sizeof(head));
                rd = lx_reader_init(head, sizeof(head));
                len = lx_read_u32(&rd);
                (void)lx_read_span(&rd, 8);
                first = lx_read_u64(&rd);
                if (first == 1024)
                        break;
                offset += 12 + len;
        }
        ck_assert(ledger_memdisk_damage(pass.disk, "history", offset + 12 + 10 + 242 + 5));
        ck_assert_int_eq(light_history_open(storage, pass.light, &h, &why), LX_ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(why.text, "move the file"));
        ck_assert(ledger_memdisk_damage(pass.disk, "history", offset + 12 + 10 + 242 + 5));
}

/* A bit of all answers that are hashes alone. */
static bool
flip_proofs(struct pass_station *s, uint8_t *bytes, size_t *len)
{
        (void)s;
        if (*len > LIGHT_PART_HEAD && (*len - LIGHT_PART_HEAD) % LX_HASH_LEN == 0)
                bytes[LIGHT_PART_HEAD] ^= 1;
        return true;
}

/* The header that proved what is stored is gone, and no proof holds: nobody is named; the next that holds is taken. */
static void
stored_is_doubted(struct chain *c, struct pass_station *s)
{
        struct light_history_mark mark = *light_history(pass.light);
        struct llp_contact_stats stats;

        pass_cut(&pass);
        mark.tip += 1000; /* not kept */
        light_set_history(pass.light, &mark);
        ck_assert(light_history_unproven(pass.history, pass.light));
        s->meddle = flip_proofs;
        pass_connect(&pass, s);
        (void)pass_until(&pass, pass_is_done, 20000);
        llp_contact_get_stats(pass.contact, &stats);
        ck_assert(stats.history_doubted);
        ck_assert_int_eq(verdict_of(s), LIGHT_HONEST);
        s->meddle = NULL;
        pass_cut(&pass);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        llp_contact_get_stats(pass.contact, &stats);
        ck_assert(!stats.history_doubted && !light_history_unproven(pass.history, pass.light));
        check_history(c);
}

/* Cut at any byte, power lost: what was proven stays, and is not fetched again. */
START_TEST(all_headers)
{
        struct chain c;
        struct pass_station *s;
        uint64_t state = 21, stored = 0;
        bool done = false;

        chain_begin(&c, 2);
        for (int i = 0; i < 2100; i++)
                kit_ledger_add_block(&c.kit, NULL, 0, 4);
        s = begin(&c, 21, 3, 2);
        pass.rate_bps = 100000;
        pass.loss_percent = 2;
        pass_keep_history(&pass);
        for (int contact = 0; !done && contact < 300; contact++) {
                if (contact % 4 == 3)
                        chain_grow(&c, 1, 0);
                pass_connect(&pass, s);
                done = pass_until(&pass, pass_is_done, 2000 + unit_random(&state) % 6000);
                ck_assert_int_eq(pass.stored, LX_OK);
                ck_assert_uint_ge(light_history_count(pass.history), stored);
                stored = light_history_count(pass.history);
                if (!done && contact % 3 == 0)
                        pass_power_cut(&pass, unit_random(&state));
                else if (!done)
                        pass_cut(&pass);
                ck_assert_uint_eq(light_history_count(pass.history), stored);
                if (contact == 2 || contact == 9)
                        check_history(&c);
        }
        ck_assert(done);
        ck_assert_int_eq(verdict_of(s), LIGHT_HONEST);
        ck_assert_uint_eq(light_history_count(pass.history), light_height(pass.light));
        check_history(&c);
        /* It goes on: with one more header, and behind a tip that has moved. */
        pass_power_cut(&pass, 7);
        ck_assert_uint_eq(light_history_count(pass.history), light_height(pass.light));
        check_history(&c);
        chain_grow(&c, 30, 0);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        check_history(&c);
        old_root_is_damaged();
        stored_is_doubted(&c, s);
        pass_clear(&pass);
        chain_end(&c);
}
END_TEST

static uint64_t acknowledged;

static void
note_acknowledged(struct pass *p, void *arg)
{
        check_truth(p, arg);
        if (p->stored == LX_OK && p->history != NULL)
                acknowledged = light_history_count(p->history);
}

/* The power goes at the n-th write, for every n: what was stored is there, whole, and it goes on. */
START_TEST(a_history_and_power_cuts)
{
        struct chain c;

        chain_begin(&c, 1);
        for (int i = 0; i < 1030; i++)
                kit_ledger_add_block(&c.kit, NULL, 0, 4);
        for (uint64_t n = 1; n <= 36; n += 2) {
                struct pass_station *s = begin(&c, n, 2, 1);
                uint64_t before;

                pass.rate_bps = 1000000;
                pass_keep_history(&pass);
                pass.watch = note_acknowledged;
                acknowledged = 0;
                ledger_memdisk_fail(pass.disk, n);
                pass_connect(&pass, s);
                (void)pass_until(&pass, pass_is_done, 20000);
                before = acknowledged;
                pass_power_cut(&pass, n * 0x9e3779b97f4a7c15ull);
                ck_assert_uint_ge(light_history_count(pass.history), before);
                check_history(&c);
                if (light_header(pass.light) != NULL || light_height(pass.light) > 0) {
                        pass_connect(&pass, s);
                        ck_assert(pass_until(&pass, pass_is_done, 60000));
                        ck_assert_uint_eq(light_history_count(pass.history), light_height(pass.light));
                        ck_assert_uint_eq(light_history(pass.light)->count, light_height(pass.light));
                        check_history(&c);
                }
                pass_clear(&pass);
        }
        chain_end(&c);
}
END_TEST

/* A byte of the file that is not what it was: named, where and what to do; torn behind the mark: cut off. */
START_TEST(a_damaged_history)
{
        struct chain c;
        struct pass_station *s;
        struct ledger_header header;
        struct light_history *h = NULL;
        struct lx_hash hash;
        struct lx_why why = {{0}};

        chain_begin(&c, 1);
        for (int i = 0; i < 300; i++)
                kit_ledger_add_block(&c.kit, NULL, 0, 4);
        s = begin(&c, 3, 2, 1);
        pass.rate_bps = 1000000;
        pass_keep_history(&pass);
        pass_connect(&pass, s);
        ck_assert(pass_until(&pass, pass_is_done, 60000));
        pass_cut(&pass);
        ck_assert(ledger_memdisk_damage(pass.disk, "history", 2000));
        ck_assert_int_eq(light_history_get(pass.history, 20, &header, &hash, &why), LX_ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(why.text, "damaged at byte 40"));
        why = (struct lx_why){{0}};
        ck_assert_int_eq(
            light_history_open(ledger_memdisk_storage(pass.disk), pass.light, &h, &why), LX_ERR_CORRUPT);
        ck_assert(ledger_memdisk_damage(pass.disk, "history", 2000));
        ck_assert(ledger_memdisk_damage(pass.disk, "history", 10));
        ck_assert_int_eq(
            light_history_open(ledger_memdisk_storage(pass.disk), pass.light, &h, &why), LX_ERR_EXISTS);
        pass_clear(&pass);
        chain_end(&c);
}
END_TEST

/* What is flipped in the history is never stored, and an honest station then gives it. */
START_TEST(a_forged_history)
{
        struct chain c;
        uint64_t state = 5;

        chain_begin(&c, 1);
        for (int i = 0; i < 60; i++)
                kit_ledger_add_block(&c.kit, NULL, 0, 4);
        for (int round = 0; round < 30; round++) {
                struct pass_station *s = begin(&c, 100, 2, 1);
                uint64_t which[2] = {6 + unit_random(&state) % 4, unit_random(&state)};

                pass.rate_bps = 1000000;
                pass_keep_history(&pass);
                s->meddle = flip;
                s->arg = which;
                pass_connect(&pass, s);
                (void)pass_until(&pass, pass_is_done, 60000);
                check_history(&c);
                pass_connect(&pass, pass_add(&pass, &c.kit));
                ck_assert(pass_until(&pass, pass_is_done, 60000));
                ck_assert_uint_eq(light_history_count(pass.history), light_height(pass.light));
                check_history(&c);
                pass_clear(&pass);
        }
        chain_end(&c);
}
END_TEST

/* ---- releases ------------------------------------------------------------------------------------ */

static void
watch_more(struct pass *p, void *arg)
{
        (void)arg;
        (void)light_watch_targets(p->light);
}

static bool
has_release(struct pass *p)
{
        struct llp_contact_stats stats;

        llp_contact_get_stats(p->contact, &stats);
        return pass_is_done(p) && !stats.wants_manifest && light_item_count(p->light) > 1;
}

/* Flip a bit in parts that are longer than a header and a proof can be here: in the manifest. */
static bool
spoil_long(struct pass_station *s, uint8_t *bytes, size_t *len)
{
        (void)s;
        if (*len > 1500)
                bytes[*len / 2] ^= 1;
        return true;
}

START_TEST(a_release_with_its_manifest)
{
        struct rich r;
        struct pass_station *s;
        struct lx_hash root;
        struct lx_span manifest;
        uint64_t state = 5, len = 0;
        size_t revocations = 0;
        bool done = false;

        rich_init(&r, 3, 3);
        pass_init(&pass, &r.kit, 11);
        pass.watch = watch_more;
        pass_trust(&pass, &r.kit, 1);
        pass_watch(&pass, &r.release);
        s = pass_add(&pass, &r.kit);
        s->meddle = spoil_long;
        pass_connect(&pass, s);
        ck_assert(!pass_until(&pass, has_release, 200000));
        /* With an honest one it goes on where it was cut. */
        s = pass_add(&pass, &r.kit);
        for (int i = 0; i < 200 && !done; i++) {
                pass_connect(&pass, s);
                done = pass_until(&pass, has_release, 3000 + unit_random(&state) % 6000);
                if (!done)
                        pass_cut(&pass);
        }
        ck_assert(done);
        ck_assert_int_eq(verdict_of(s), LIGHT_HONEST);
        ck_assert(light_is_release(light_item(pass.light, 0), &root, &len));
        manifest = light_manifest(pass.light, &root);
        ck_assert(manifest.p != NULL && manifest.len == len);
        for (size_t i = 0; i < light_item_count(pass.light); i++)
                revocations += light_item(pass.light, i)->entry.kind == SIGCHAIN_KIND_REVOKED;
        ck_assert_uint_gt(revocations, 2);
        pass_cut(&pass);
        pass_power_cut(&pass, 99);
        ck_assert_uint_eq(light_manifest(pass.light, &root).len, len);
        pass_clear(&pass);
        rich_clear(&r);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {one_contact_of_one_register, what_changed_comes_first, sets_that_change,
            cut_at_random_times, a_budget_is_kept, every_flipped_bit_is_noticed, who_withholds_is_named,
            silence_and_garbage, a_fork_is_evidence_with_names, a_release_with_its_manifest, all_headers,
            a_forged_history, a_history_and_power_cuts, a_damaged_history, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("contact", cases, 300);
}
