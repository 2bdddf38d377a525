/*
 * bench/bench_light.c - what a contact of a light node costs: bytes exactly, with our frames, made by the codecs that
 * the nodes use; time over a link of 9600 bit/s and 300 ms one way on virtual time (tests/kit/pass.h); CPU time of
 * verifying against bare BIP 340 checks.
 */
#include "config.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "bench/light_memory.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "kit/pass.h"
#include "ledger/narrow.h"
#include "light/answer.h"
#include "llp/frame.h"
#include "llp/message.h"
#include "merkle/log.h"
#include "merkle/proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_BLOCKS 3153600ull /* one in 10 s */
#define FRAME (LLP_MESSAGE_HEAD_LEN + LLP_FRAME_OVERHEAD)
#define KEYS 1000000u
#define RUN LLP_CONTACT_HEADERS

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

static struct lx_hash
hash_of(uint64_t n)
{
        static const struct lx_tag tag = {"bench"};
        struct lx_hash hash;

        lx_blake2b(&tag, &n, sizeof(n), &hash);
        return hash;
}

/* Bytes on the wire of an answer of @len bytes. */
static double
answer_bytes(size_t len)
{
        size_t parts = len == 0 ? 1 : (len + LIGHT_PART_MAX - 1) / LIGHT_PART_MAX;

        return (double)(len + parts * (FRAME + LIGHT_PART_HEAD));
}

static double
ask_bytes(const struct light_ask *ask)
{
        uint8_t bytes[LIGHT_ASK_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        light_ask_encode(ask, &wr);
        return wr.err == LX_OK ? (double)(wr.len + FRAME) : 0;
}

/* ---- tip ----------------------------------------------------------------------------------------- */

/* The precommits of all of @set, which are the kit's validators. */
static void
certify(const struct ledger_header *header, const struct sigchain_valset *set, struct lx_buf *out)
{
        uint8_t bytes[LEDGER_CERT_MAX], bitmap[16] = {0}, secret[32];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_hash hash, msg;

        ledger_header_hash(ops(), header, &hash);
        ledger_vote_message(
            ops(), LEDGER_VOTE_PRECOMMIT, &header->chain_id, header->height, 0, &hash, &msg);
        for (size_t i = 0; i < set->count; i++)
                bitmap[i / 8] |= (uint8_t)(0x80 >> i % 8);
        lx_write_u32(&wr, 0);
        lx_write_bytes(&wr, bitmap, (set->count + 7) / 8);
        for (size_t i = 0; i < set->count; i++)
                for (size_t k = 0; k < set->count; k++) {
                        struct lx_pubkey key;
                        struct lx_sig sig;

                        kit_validator_key(k, secret);
                        if (lx_sign_pubkey(secret, &key) == LX_OK &&
                            memcmp(key.b, set->v[i].key.b, LX_PUBKEY_LEN) == 0 && /* public */
                            lx_sign(secret, &msg, NULL, &sig) == LX_OK)
                                lx_write_bytes(&wr, sig.b, LX_SIG_LEN);
                }
        lx_buf_append(out, bytes, wr.len);
}

/* Header and certificate a year above a known header, by @validators of which all signed. */
static double
tip_bytes(void *arg)
{
        size_t validators = *(const size_t *)arg;
        struct lx_buf genesis = {0}, cert = {0};
        struct sigchain_genesis *doc = lx_alloc(sizeof(*doc));
        uint8_t set_bytes[SIGCHAIN_VALSET_BYTES_MAX], narrow[LEDGER_NARROW_HEADER_MAX + LEDGER_NARROW_CERT_MAX];
        struct lx_writer sw = lx_writer_init(set_bytes, sizeof(set_bytes)), wr = lx_writer_init(narrow, sizeof(narrow));
        struct ledger_narrow_known known = {.header = {.rule_version = 1, .height = YEAR_BLOCKS,
            .time_ms = 1800000000000}};
        struct light_ask ask = {.type = LIGHT_TIP, .height = YEAR_BLOCKS};
        struct ledger_header header;
        double bytes = 0;

        kit_genesis(validators, NULL, "", &genesis);
        if (sigchain_genesis_decode(genesis.p, genesis.len, doc) == LX_OK) {
                sigchain_valset_encode(&doc->validators, &sw);
                sigchain_valset_hash(ops(), set_bytes, sw.len, &known.header.next_valset);
                ledger_header_hash(ops(), &known.header, &known.hash);
                header = known.header;
                header.height += YEAR_BLOCKS;
                header.time_ms += YEAR_BLOCKS * 10000;
                header.previous = hash_of(1);
                header.tx_root = hash_of(2);
                header.state_root = hash_of(3);
                header.history_root = hash_of(4);
                header.valset = known.header.next_valset;
                certify(&header, &doc->validators, &cert);
                ledger_narrow_encode(ops(), &known, &header, &wr);
                if (ledger_narrow_cert(ops(), &header, &doc->validators, cert.p, cert.len, &wr) == LX_OK)
                        bytes = ask_bytes(&ask) + answer_bytes(wr.len);
        }
        lx_buf_clear(&genesis);
        lx_buf_clear(&cert);
        lx_free(doc);
        return bytes;
}

/* ---- history ------------------------------------------------------------------------------------- */

/* Hashes of the proof that the trusted header of a month-old chain is in the history a year on. */
static struct merkle_path *
month_path(void)
{
        uint64_t old = YEAR_BLOCKS / 12, size = old + YEAR_BLOCKS;
        struct merkle_path *path = lx_alloc(sizeof(*path));
        struct lx_hash *leaves = lx_alloc_array(size, sizeof(*leaves));

        for (uint64_t i = 0; i < size; i++)
                memcpy(leaves[i].b, &i, sizeof(i)); /* the number of hashes is that of any leaves */
        merkle_log_prove(ops(), leaves, size, old, path);
        lx_free(leaves);
        return path;
}

static double
path_bytes(void *arg)
{
        const struct merkle_path *path = arg;

        return answer_bytes(path->count * LX_HASH_LEN);
}

/* A run of headers of blocks with transactions, with its proof and its question, per header. */
static double
run_bytes(void *arg)
{
        const struct merkle_path *path = arg;
        struct light_ask ask = {.type = LIGHT_HISTORY, .height = YEAR_BLOCKS, .count = RUN, .tip = 2 * YEAR_BLOCKS};
        struct ledger_narrow_known known = {.header = {.rule_version = 1, .height = YEAR_BLOCKS,
            .time_ms = 1800000000000}};
        uint8_t bytes[LEDGER_NARROW_HEADER_MAX];
        size_t len = path->count * LX_HASH_LEN;

        for (unsigned i = 0; i < RUN; i++) {
                struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
                struct ledger_header header = known.header;

                ledger_header_hash(ops(), &known.header, &known.hash);
                header.height++;
                header.time_ms += 9000 + i * 4; /* in some 10 s */
                header.previous = known.hash;
                header.tx_root = hash_of(i);
                header.state_root = hash_of(i + RUN);
                header.history_root = hash_of(i + 2 * RUN);
                known.history = &header.history_root;
                ledger_narrow_encode(ops(), &known, &header, &wr);
                len += wr.len;
                known.header = header;
        }
        return (ask_bytes(&ask) + answer_bytes(len)) / RUN;
}

/* ---- a register among a million ------------------------------------------------------------------ */

static int
by_hash(const void *a, const void *b)
{
        return memcmp(a, b, LX_HASH_LEN); /* public */
}


/* The walk to key number @i of the sorted @keys: a sibling is there when some key is under it. */
static void
walk(const struct lx_hash *keys, size_t i, struct merkle_proof *proof)
{
        size_t low = 0, high = KEYS;

        proof->end = MERKLE_END_LEAF;
        proof->depth = 0;
        while (high - low > 1) {
                size_t mid = low, end = high; /* the first key of the range with a one at this depth */

                while (mid < end) {
                        size_t m = (mid + end) / 2;

                        if (lx_hash_bit(&keys[m], proof->depth))
                                end = m;
                        else
                                mid = m + 1;
                }
                proof->sibling[proof->depth] = (struct lx_hash){{0}};
                if (mid > low && mid < high)
                        proof->sibling[proof->depth] = hash_of(proof->depth);
                if (i < mid)
                        high = mid;
                else
                        low = mid;
                proof->depth++;
        }
}

static int
by_size(const void *a, const void *b)
{
        const size_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static double
register_bytes(void *arg)
{
        const struct lx_hash *keys = arg;
        struct light_entry entry = {.kind = SIGCHAIN_KIND_REGISTER, .key_len = LX_HASH_LEN, .key = {SIGCHAIN_RAW}};
        uint8_t data[256] = {0}, value[512], pbytes[2048], state[4096];
        struct sigchain_register reg = {.type = SIGCHAIN_RAW, .owner = hash_of(1), .created = YEAR_BLOCKS,
            .modified = YEAR_BLOCKS + 100000, .data = LX_SPAN(data, sizeof(data))};
        struct merkle_proof *proof = lx_alloc(sizeof(*proof));
        struct lx_writer vw = lx_writer_init(value, sizeof(value));
        static size_t sizes[1000];

        sigchain_register_encode(&reg, &vw);
        for (size_t n = 0; n < 1000; n++) {
                struct lx_writer pw = lx_writer_init(pbytes, sizeof(pbytes)), wr = lx_writer_init(state, sizeof(state));

                walk(keys, (n * 7919 + 13) % KEYS, proof);
                merkle_proof_encode(proof, &pw);
                lx_write_varint(&wr, 0);   /* nothing changed */
                lx_write_varint(&wr, 100); /* index in the list */
                light_state_encode(&entry, LX_SPAN(value, vw.len), LX_SPAN(pbytes, pw.len), &wr);
                sizes[n] = wr.err == LX_OK ? (size_t)answer_bytes(wr.len) : 0;
        }
        lx_free(proof);
        qsort(sizes, 1000, sizeof(sizes[0]), by_size);
        return (double)(sizes[499] + sizes[500]) / 2;
}

/* ---- a whole contact ----------------------------------------------------------------------------- */

struct contact {
        struct kit_ledger kit;
        struct author author;
        struct lx_hash address;
        uint64_t seed;
};

static void
contact_begin(struct contact *c)
{
        struct lx_buf genesis = {0}, tx = {0};
        /* 256 bytes, and what the proof among these few is shorter than one among a million. */
        uint8_t data[256 + 540] = {1};
        struct lx_span span;

        kit_genesis(4, NULL, "", &genesis);
        kit_ledger_init(&c->kit, &genesis);
        author_init(&c->author, 1, ledger_chain_id(c->kit.ledger));
        author_begin(&c->author, &tx, NULL);
        span = lx_buf_span(&tx);
        kit_ledger_add_block(&c->kit, &span, 1, 4);
        lx_buf_reset(&tx);
        author_create_raw(&c->author, data, sizeof(data), &tx, NULL, &c->address);
        span = lx_buf_span(&tx);
        kit_ledger_add_block(&c->kit, &span, 1, 4);
        for (int i = 0; i < 300; i++)
                kit_ledger_add_block(&c->kit, NULL, 0, 4);
        lx_buf_clear(&tx);
        lx_buf_clear(&genesis);
}

static struct pass pass;

static bool
has_tip_and_register(struct pass *p)
{
        return light_height(p->light) == kit_ledger_tip(p->with->kit, NULL) &&
               light_item(p->light, 0)->height == light_height(p->light);
}

/* Seconds from TCP connect until tip and register are verified; a contact before this one met the station. */
static double
contact_time(void *arg)
{
        struct contact *c = arg;
        struct pass_station *s;
        uint64_t start;
        double seconds = 0;

        pass_init(&pass, &c->kit, ++c->seed);
        pass_trust(&pass, &c->kit, 1);
        pass_watch(&pass, &c->address);
        s = pass_add(&pass, &c->kit);
        pass_connect(&pass, s);
        if (pass_until(&pass, pass_is_done, 100000)) {
                pass_cut(&pass);
                kit_ledger_add_block(&c->kit, NULL, 0, 4);
                start = pass.now_ms;
                pass_connect(&pass, s);
                if (pass_until(&pass, has_tip_and_register, 100000))
                        seconds = (double)(pass.now_ms - start) / 1000;
        }
        pass_clear(&pass);
        return seconds;
}

/* ---- verifying ----------------------------------------------------------------------------------- */

struct verifying {
        struct contact *c;
        struct light *light; /* at height 2, with the sets that it needs */
        struct lx_buf stored, tip, state;
        struct lx_pubkey key[3];
        struct lx_sig sig[3];
        struct lx_hash msg;
};

#define VERIFIES 200

/* Tip and register verified, per CPU-second: from the stored state each time. */
static double
verify_ours(void *arg)
{
        struct verifying *v = arg;
        struct lx_why why = {{0}};
        double spent = 0;

        for (int i = 0; i < VERIFIES; i++) {
                struct light *light = light_new(&pass.options);
                struct lx_reader rd = lx_reader_init(v->state.p, v->state.len);
                double start;

                if (light_replay(light, v->stored.p, v->stored.len) != LX_OK)
                        return 0;
                start = bench_cpu();
                if (light_take_tip(light, v->tip.p, v->tip.len, 0, &why) != LX_OK ||
                    light_take_state(light, 0, &rd, &why) != LX_OK)
                        return 0;
                spent += bench_cpu() - start;
                light_free(light);
        }
        return VERIFIES / spent;
}

static double
verify_bare(void *arg)
{
        struct verifying *v = arg;
        double start = bench_cpu();

        for (int i = 0; i < VERIFIES; i++)
                for (int k = 0; k < 3; k++)
                        if (!lx_verify(&v->key[k], &v->msg, &v->sig[k]))
                                return 0;
        return VERIFIES / (bench_cpu() - start);
}

static bool
verifying_begin(struct verifying *v, struct contact *c)
{
        struct light_ask ask = {.type = LIGHT_TIP};
        struct ledger_view *view;
        struct light_entry entry;
        uint64_t told;
        bool fine;

        *v = (struct verifying){.c = c};
        pass_init(&pass, &c->kit, 1);
        pass_trust(&pass, &c->kit, 2);
        pass_watch(&pass, &c->address);
        entry = light_item(pass.light, 0)->entry;
        pass_connect(&pass, pass_add(&pass, &c->kit));
        fine = pass_until(&pass, pass_is_done, 100000);
        light_snapshot(pass.light, &v->stored);
        pass_cut(&pass);
        kit_ledger_add_block(&c->kit, NULL, 0, 4);
        view = ledger_view_new(c->kit.ledger);
        ask.height = light_height(pass.light);
        memcpy(ask.check, light_hash(pass.light)->b, LIGHT_CHECK_LEN);
        fine = fine && light_answer(view, NULL, &ask, LX_SPAN(NULL, 0), &v->tip, &told) == LX_OK;
        {
                struct lx_buf value = {0}, proof = {0};
                uint8_t bytes[4096];
                struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

                fine = fine && ledger_get_state(view, SIGCHAIN_KIND_REGISTER, entry.key, 32, told, &value, NULL) == LX_OK &&
                       ledger_prove_state(view, SIGCHAIN_KIND_REGISTER, entry.key, 32, told, &proof) == LX_OK;
                light_state_encode(&entry, lx_buf_span(&value), lx_buf_span(&proof), &wr);
                lx_buf_append(&v->state, bytes, wr.len);
                lx_buf_clear(&value);
                lx_buf_clear(&proof);
        }
        ledger_view_unref(view);
        v->msg = hash_of(5);
        for (size_t k = 0; k < 3; k++) {
                uint8_t secret[32];

                kit_validator_key(k, secret);
                fine = fine && lx_sign_pubkey(secret, &v->key[k]) == LX_OK &&
                       lx_sign(secret, &v->msg, NULL, &v->sig[k]) == LX_OK;
        }
        return fine;
}

/* ---- rows ---------------------------------------------------------------------------------------- */

int
main(void)
{
        size_t validators[3] = {4, 16, 100};
        const char *names[3] = {"tip a year on, 4 validators", "tip a year on, 16 validators",
            "tip a year on, 100 validators"};
        double budgets[3] = {400, 620, 2450};
        struct bench_row row = {.unit = "B", .at_most = true, .rounds = 5};
        struct lx_hash *keys;
        struct merkle_path *path;
        struct contact c = {0};
        struct verifying v;
        bool fine = true;

        if (lx_crypto_init() != LX_OK)
                return 1;
        for (int i = 0; i < 3; i++) {
                row.name = names[i];
                row.budget = budgets[i];
                row.ours = tip_bytes;
                row.arg = &validators[i];
                fine &= bench_run(&row);
        }
        bench_say("a million keys, three million headers");
        path = month_path();
        row = (struct bench_row){.name = "proof of the history, a year on", .unit = "B", .budget = 750, .at_most = true,
            .rounds = 5, .ours = path_bytes, .arg = path};
        fine &= bench_run(&row);
        row = (struct bench_row){.name = "history of headers, per header", .unit = "B", .budget = 72, .at_most = true,
            .rounds = 5, .ours = run_bytes, .arg = path};
        fine &= bench_run(&row);
        lx_free(path);
        keys = lx_alloc_array(KEYS, sizeof(*keys));
        for (size_t i = 0; i < KEYS; i++)
                keys[i] = hash_of(i);
        qsort(keys, KEYS, sizeof(*keys), by_hash);
        row = (struct bench_row){.name = "register of 256 B among 1,000,000", .unit = "B", .budget = 1000,
            .at_most = true, .rounds = 5, .ours = register_bytes, .arg = keys};
        fine &= bench_run(&row);
        lx_free(keys);
        contact_begin(&c);
        row = (struct bench_row){.name = "contact at 9600 bit/s, 300 ms", .unit = "s", .budget = 4.5, .at_most = true,
            .rounds = 5, .ours = contact_time, .arg = &c};
        fine &= bench_run(&row);
        fine &= verifying_begin(&v, &c);
        row = (struct bench_row){.name = "verify tip and register / bare checks", .unit = "/cpu-s", .budget = 1 / 1.2,
            .ours = verify_ours, .yardstick = verify_bare, .arg = &v};
        fine &= bench_run(&row);
        fine &= bench_light_memory(certify);
        return fine ? 0 : 1;
}
