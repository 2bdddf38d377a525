/*
 * tests/unit/check_lxverify.c - the public library on real proofs: each is accepted as it is, and refused
 * with any single byte of it changed, cut, or longer.
 */
#include "config.h"
#include "base/buf.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "crypto/tags.h"
#include "kit/pages.h"
#include "ledger/cert.h"
#include "liblxverify/lxverify.h"
#include "merkle/file.h"
#include "merkle/log.h"
#include "merkle/state.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"
#include "sigchain/state.h"
#include "unit.h"

static void
blake2b(
    void *ctx, const uint8_t tag[16], const struct lxv_part *parts, size_t count, uint8_t out[32])
{
        struct lx_tag t;
        struct lx_span spans[8];
        struct lx_hash h;

        (*(unsigned *)ctx)++;
        memcpy(t.text, tag, 16);
        for (size_t i = 0; i < count; i++)
                spans[i] = LX_SPAN(parts[i].p, parts[i].len);
        lx_crypto_ops()->hash.hash(lx_crypto_ops()->hash.ctx, &t, spans, count, &h);
        memcpy(out, h.b, 32);
}

static int
verify(void *ctx, const uint8_t key[32], const uint8_t msg[32], const uint8_t sig[64])
{
        struct lx_pubkey k;
        struct lx_hash m;
        struct lx_sig s;

        (void)ctx;
        memcpy(k.b, key, 32);
        memcpy(m.b, msg, 32);
        memcpy(s.b, sig, 64);
        return lx_verify(&k, &m, &s);
}

static unsigned calls;
static const struct lxv_crypto CRYPTO = {.blake2b = blake2b, .verify = verify, .ctx = &calls};

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

static struct lxv_part
part(const void *p, size_t len)
{
        return (struct lxv_part){p, len};
}

/* One proof: what it is about, as bytes that may be spoilt, and the question. */
struct input {
        struct lxv_part part[6];
        size_t count;
        enum lxv_result (*ask)(const struct lxv_part *in);
};

/* Every byte, two ways; every cut; one byte more. Parts of exact length, for the sanitizer. */
static void
check_all(const struct input *input)
{
        struct lxv_part in[6];

        memcpy(in, input->part, sizeof(in));
        ck_assert_int_eq(input->ask(in), LXV_OK);
        for (size_t i = 0; i < input->count; i++) {
                size_t len = input->part[i].len;
                uint8_t *copy = lx_alloc(len + 1);

                memcpy(copy, input->part[i].p, len);
                in[i].p = copy;
                for (size_t at = 0; at < len; at++)
                        for (int way = 0; way < 2; way++) {
                                copy[at] ^= way == 0 ? 0x01 : 0x80;
                                ck_assert_msg(
                                    input->ask(in) != LXV_OK, "part %zu, byte %zu", i, at);
                                copy[at] ^= way == 0 ? 0x01 : 0x80;
                        }
                lx_free(copy);
                for (size_t cut = 0; cut <= len + 1; cut += len > 100 ? 7 : 1) {
                        copy = lx_alloc(cut > 0 ? cut : 1);
                        memcpy(copy, input->part[i].p, cut < len ? cut : len);
                        in[i] = part(copy, cut);
                        if (cut != len)
                                ck_assert_msg(
                                    input->ask(in) != LXV_OK, "part %zu, %zu bytes", i, cut);
                        lx_free(copy);
                }
                in[i] = input->part[i];
        }
}

/* ---- headers ----------------------------------------------------------------------------------- */

#define COUNT 4

struct chain {
        uint8_t sec[COUNT][32];
        struct sigchain_valset set;
        uint8_t set_bytes[SIGCHAIN_VALSET_BYTES_MAX];
        size_t set_len;
        uint8_t header[LEDGER_HEADER_LEN];
        uint8_t cert[LEDGER_CERT_MAX];
        size_t cert_len;
        struct lxv_trust trust;
};

static struct chain c;

static void
make_chain(unsigned signers, uint64_t height)
{
        struct ledger_header header = {.rule_version = 1,
            .chain_id = unit_hash(1),
            .height = height,
            .time_ms = 5000,
            .previous = unit_hash(2),
            .state_root = unit_hash(3)};
        struct lx_writer wr = lx_writer_init(c.set_bytes, sizeof(c.set_bytes));
        struct lx_hash hash, msg;

        memset(&c.set, 0, sizeof(c.set));
        for (size_t i = 0; i < COUNT; i++) {
                size_t at = i;
                uint8_t sec[32];
                struct lx_pubkey key;

                memset(sec, (int)i + 3, 32);
                ck_assert_int_eq(lx_sign_pubkey(sec, &key), LX_OK);
                for (; at > 0 && memcmp(c.set.v[at - 1].key.b, key.b, 32) > 0; at--) { /* public */
                        c.set.v[at] = c.set.v[at - 1];
                        memcpy(c.sec[at], c.sec[at - 1], 32);
                }
                c.set.v[at] =
                    (struct sigchain_validator){.key = key, .power = 5, .name = LX_SPAN("v", 1)};
                memcpy(c.sec[at], sec, 32);
        }
        c.set.count = COUNT;
        sigchain_valset_encode(&c.set, &wr);
        c.set_len = wr.len;
        sigchain_valset_hash(ops(), c.set_bytes, c.set_len, &header.valset);
        header.next_valset = header.valset;
        ledger_header_encode(&header, c.header);
        ledger_header_hash(ops(), &header, &hash);
        ledger_vote_message(ops(), LEDGER_VOTE_PRECOMMIT, &header.chain_id, height, 3, &hash, &msg);
        wr = lx_writer_init(c.cert, sizeof(c.cert));
        lx_write_u32(&wr, 3);
        lx_write_u8(&wr, (uint8_t)(0xff00u >> signers));
        for (unsigned i = 0; i < signers; i++) {
                struct lx_sig sig;

                ck_assert_int_eq(lx_sign(c.sec[i], &msg, NULL, &sig), LX_OK);
                lx_write_bytes(&wr, sig.b, 64);
        }
        c.cert_len = wr.len;
        c.trust = (struct lxv_trust){.height = 6, .time_ms = 1000};
        memcpy(c.trust.chain_id, header.chain_id.b, 32);
        memcpy(c.trust.header, header.previous.b, 32);
        memcpy(c.trust.next_valset, header.valset.b, 32);
}

static enum lxv_result
accept_at(uint64_t now_ms, const struct lxv_part *in, struct lxv_trust *out)
{
        return lxv_header_accept(&CRYPTO, &c.trust, in[0], in[1], in[2], in[3], now_ms, 10000, out);
}

static enum lxv_result
ask_header(const struct lxv_part *in)
{
        struct lxv_trust out;

        memset(&out, 7, sizeof(out));
        return accept_at(5000, in, &out);
}

START_TEST(headers_and_certificates)
{
        struct lxv_header header;
        struct lxv_trust out, untouched;
        struct input input;

        make_chain(3, 7);
        input = (struct input){{part(c.set_bytes, c.set_len), part(c.header, LEDGER_HEADER_LEN),
                                   part(c.set_bytes, c.set_len), part(c.cert, c.cert_len)},
            4, ask_header};
        check_all(&input);
        ck_assert_int_eq(lxv_header_decode(&CRYPTO, c.header, LEDGER_HEADER_LEN, &header), LXV_OK);
        ck_assert_uint_eq(header.height, 7);
        ck_assert_int_eq(accept_at(5000, input.part, &out), LXV_OK);
        ck_assert_mem_eq(out.header, header.hash, 32);
        ck_assert_uint_eq(out.height, 7);
        /* Trusting period: up to its last millisecond. */
        ck_assert_int_eq(accept_at(11000, input.part, NULL), LXV_OK);
        ck_assert_int_eq(accept_at(11001, input.part, NULL), LXV_EXPIRED);
        memset(&untouched, 9, sizeof(untouched));
        out = untouched;
        ck_assert_int_eq(accept_at(11001, input.part, &out), LXV_EXPIRED);
        ck_assert_mem_eq(&out, &untouched, sizeof(out));
        /* Each field of the trust counts. */
        c.trust.header[0] ^= 1;
        ck_assert_int_eq(accept_at(5000, input.part, NULL), LXV_PROOF);
        c.trust.header[0] ^= 1;
        c.trust.chain_id[31] ^= 1;
        ck_assert_int_eq(accept_at(5000, input.part, NULL), LXV_PROOF);
        c.trust.chain_id[31] ^= 1;
        c.trust.next_valset[5] ^= 1;
        ck_assert_int_eq(accept_at(5000, input.part, NULL), LXV_PROOF);
        c.trust.next_valset[5] ^= 1;
        c.trust.height = 7;
        ck_assert_int_eq(accept_at(5000, input.part, NULL), LXV_RANGE);
        c.trust.height = 6;
        c.trust.time_ms = 5000;
        ck_assert_int_eq(accept_at(5000, input.part, NULL), LXV_PROOF);
}
END_TEST

START_TEST(two_of_four_are_too_few)
{
        struct lxv_part in[4];

        make_chain(2, 7);
        in[0] = in[2] = part(c.set_bytes, c.set_len);
        in[1] = part(c.header, LEDGER_HEADER_LEN);
        in[3] = part(c.cert, c.cert_len);
        ck_assert_int_eq(accept_at(5000, in, NULL), LXV_PROOF);
        make_chain(0, 7);
        in[3] = part(c.cert, c.cert_len);
        ck_assert_int_eq(accept_at(5000, in, NULL), LXV_PROOF);
}
END_TEST

/* Far ahead, signed by a set of whom only one of the trusted three signed: nobody vouches. */
START_TEST(strangers_are_untrusted)
{
        struct sigchain_valset trusted;
        uint8_t bytes[SIGCHAIN_VALSET_BYTES_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_hash hash;
        struct lxv_part in[4];

        make_chain(3, 50);
        in[1] = part(c.header, LEDGER_HEADER_LEN);
        in[2] = part(c.set_bytes, c.set_len);
        in[3] = part(c.cert, c.cert_len);
        for (int known = 0; known <= 3; known++) {
                /* A set of three: so many of the signers, the others unknown. */
                trusted = c.set;
                trusted.count = 3;
                for (size_t i = (size_t)known; i < 3; i++)
                        memset(trusted.v[i].key.b, 0xf0 + (int)i, 32);
                for (size_t i = 0; i < (size_t)known; i++)
                        trusted.v[i] = c.set.v[i];
                wr = lx_writer_init(bytes, sizeof(bytes));
                sigchain_valset_encode(&trusted, &wr);
                sigchain_valset_hash(ops(), bytes, wr.len, &hash);
                memcpy(c.trust.next_valset, hash.b, 32);
                in[0] = part(bytes, wr.len);
                /* More than a third of the trusted, beside two thirds of its own. */
                ck_assert_int_eq(accept_at(5000, in, NULL), known >= 2 ? LXV_OK : LXV_UNTRUSTED);
        }
}
END_TEST

/* ---- trees ------------------------------------------------------------------------------------- */

static struct kit_pages pages;

/* A tree of 30 made-up leaves and @key with @value (zero: not there); its root, and the proof. */
static struct lx_hash
make_tree(
    const struct lx_hash *key, const struct lx_hash *value, uint8_t *out_proof, size_t *out_len)
{
        static const struct lx_hash id = {{0}};
        static struct merkle_proof proof;
        struct merkle_update updates[31];
        struct merkle_root root = {{{0}}, 0};
        struct merkle_sink sink = kit_pages_sink(&pages);
        struct merkle_pages from = kit_pages_source(&pages);
        struct merkle_state *tree = merkle_state_new(ops(), &from, &id, 0);
        size_t count = 30;
        struct lx_writer wr = lx_writer_init(out_proof, MERKLE_PROOF_BYTES_MAX);

        for (size_t i = 0; i < 30; i++) {
                uint8_t n = (uint8_t)i;

                lx_blake2b(&LX_TAG_STATE_KEY, &n, 1, &updates[i].key);
                updates[i].value = unit_hash(i + 1);
        }
        if (!lx_hash_is_zero(value))
                updates[count++] = (struct merkle_update){*key, *value};
        ck_assert_int_eq(merkle_state_update(tree, &root, 1, updates, count, &sink, &root), LX_OK);
        ck_assert_int_eq(merkle_state_prove(tree, &root, key, &proof), LX_OK);
        merkle_proof_encode(&proof, &wr);
        *out_len = wr.len;
        merkle_state_free(tree);
        kit_pages_clear(&pages);
        return root.hash;
}

static enum lxv_result
ask_state(const struct lxv_part *in)
{
        if (in[0].len != 32)
                return LXV_FORMAT;
        return lxv_state_check(&CRYPTO, in[0].p, LXV_REGISTER, in[1], in[2], in[3]);
}

static enum lxv_result
ask_absence(const struct lxv_part *in)
{
        if (in[0].len != 32)
                return LXV_FORMAT;
        return lxv_state_check(&CRYPTO, in[0].p, LXV_REGISTER, in[1], part(NULL, 0), in[2]);
}

START_TEST(registers)
{
        struct lx_hash address = unit_hash(9), key, value, root;
        struct sigchain_object o = {.count = 2};
        struct sigchain_register reg = {.type = SIGCHAIN_OBJECT, .owner = unit_hash(4)};
        uint8_t data[200], bytes[400], proof[MERKLE_PROOF_BYTES_MAX];
        struct lx_writer wr = lx_writer_init(data, sizeof(data));
        struct lxv_part field;
        size_t proof_len;
        struct input input;
        uint64_t number = 0;

        o.field[0] =
            (struct sigchain_field){LX_SPAN("text", 4), SIGCHAIN_TEXT, 0, 0, LX_SPAN("hello", 5)};
        o.field[1] = (struct sigchain_field){LX_SPAN("count", 5), SIGCHAIN_U64, 0, 77, {0}};
        sigchain_object_encode(&o, &wr);
        reg.data = LX_SPAN(data, wr.len);
        wr = lx_writer_init(bytes, sizeof(bytes));
        sigchain_register_encode(&reg, &wr);
        sigchain_state_key(ops(), SIGCHAIN_KIND_REGISTER, address.b, 32, &key);
        sigchain_state_value(ops(), bytes, wr.len, &value);
        root = make_tree(&key, &value, proof, &proof_len);
        input = (struct input){
            {part(root.b, 32), part(address.b, 32), part(bytes, wr.len), part(proof, proof_len)}, 4,
            ask_state};
        check_all(&input);
        /* It is not absent, of no other kind, and its fields can be read. */
        ck_assert_int_ne(lxv_state_check(&CRYPTO, root.b, LXV_REGISTER, input.part[1],
                             part(NULL, 0), input.part[3]),
            LXV_OK);
        ck_assert_int_ne(lxv_state_check(&CRYPTO, root.b, LXV_CHAIN, input.part[1], input.part[2],
                             input.part[3]),
            LXV_OK);
        ck_assert_int_eq(lxv_register_field(input.part[2], "text", &field, NULL), LXV_OK);
        ck_assert_mem_eq(field.p, "hello", 5);
        ck_assert_int_eq(lxv_register_field(input.part[2], "count", NULL, &number), LXV_OK);
        ck_assert_uint_eq(number, 77);
        ck_assert_int_eq(lxv_register_field(input.part[2], "other", NULL, NULL), LXV_RANGE);
        ck_assert_int_eq(lxv_register_field(part(bytes, 3), "text", NULL, NULL), LXV_FORMAT);
        ck_assert_int_eq(lxv_state_check(&CRYPTO, root.b, LXV_REGISTER, part(proof, 65),
                             input.part[2], input.part[3]),
            LXV_RANGE);
}
END_TEST

/* Absent where there is nothing, and where another leaf stands alone. */
START_TEST(absence)
{
        unsigned ends = 0;

        for (uint64_t n = 0; n < 40 && ends != 5; n++) {
                const struct lx_hash none = {{0}};
                struct lx_hash address = unit_hash(1000 + n), key, root;
                uint8_t proof[MERKLE_PROOF_BYTES_MAX];
                size_t proof_len;
                struct input input;

                kit_pages_clear(&pages);
                sigchain_state_key(ops(), SIGCHAIN_KIND_REGISTER, address.b, 32, &key);
                root = make_tree(&key, &none, proof, &proof_len);
                if ((ends & 1u << proof[0]) != 0)
                        continue;
                ends |= 1u << proof[0];
                input =
                    (struct input){{part(root.b, 32), part(address.b, 32), part(proof, proof_len)},
                        1, ask_absence};
                check_all(&input);
                /* Another key may be absent by the same proof; but no byte of the proof may change. */
                {
                        struct lxv_part in[3] = {
                            part(root.b, 32), part(address.b, 32), part(proof, proof_len)};

                        for (size_t at = 0; at < proof_len; at++) {
                                proof[at] ^= 1;
                                ck_assert_int_ne(ask_absence(in), LXV_OK);
                                proof[at] ^= 1;
                        }
                        in[2].len--;
                        ck_assert_int_ne(ask_absence(in), LXV_OK);
                        ck_assert_int_ne(lxv_state_check(&CRYPTO, root.b, LXV_REGISTER, in[1],
                                             part("x", 1), in[2]),
                            LXV_OK);
                }
        }
        ck_assert_uint_eq(ends, 5); /* both were met: nothing, another leaf */
}
END_TEST

static uint32_t entry_number;

static enum lxv_result
ask_index(const struct lxv_part *in)
{
        if (in[0].len != 32 || in[1].len != 32 || in[2].len != 32)
                return LXV_FORMAT;
        return lxv_index_check(&CRYPTO, in[0].p, in[1].p, in[2].p, entry_number, in[3]);
}

START_TEST(digests_of_a_publisher)
{
        struct lx_hash digest = unit_hash(9), release = unit_hash(8), value, root;
        uint8_t proof[MERKLE_PROOF_BYTES_MAX];
        size_t proof_len;
        struct input input;

        entry_number = 300;
        sigchain_index_value(ops(), &release, entry_number, &value);
        root = make_tree(&digest, &value, proof, &proof_len);
        input = (struct input){
            {part(root.b, 32), part(digest.b, 32), part(release.b, 32), part(proof, proof_len)}, 4,
            ask_index};
        check_all(&input);
        entry_number++;
        ck_assert_int_ne(ask_index(input.part), LXV_OK);
        ck_assert_int_ne(
            lxv_index_check(&CRYPTO, root.b, digest.b, NULL, 0, input.part[3]), LXV_OK);
        kit_pages_clear(&pages);
        value = (struct lx_hash){{0}};
        root = make_tree(&digest, &value, proof, &proof_len);
        ck_assert_int_eq(
            lxv_index_check(&CRYPTO, root.b, digest.b, NULL, 0, part(proof, proof_len)), LXV_OK);
        ck_assert_int_ne(
            lxv_index_check(&CRYPTO, root.b, digest.b, release.b, 300, part(proof, proof_len)),
            LXV_OK);
}
END_TEST

static uint64_t entry_index, entry_count;

static enum lxv_result
ask_entry(const struct lxv_part *in)
{
        if (in[0].len != 32)
                return LXV_FORMAT;
        return lxv_entry_check(&CRYPTO, in[0].p, entry_index, entry_count, in[1], in[2]);
}

static enum lxv_result
ask_history(const struct lxv_part *in)
{
        if (in[0].len != 32 || in[1].len != 32)
                return LXV_FORMAT;
        return lxv_history_check(&CRYPTO, in[0].p, entry_count, entry_index, in[1].p, in[2]);
}

START_TEST(entries_and_history)
{
        struct lx_hash leaves[13], data[13], root;
        struct merkle_path path;

        for (size_t i = 0; i < 13; i++) {
                data[i] = unit_hash(i + 100);
                merkle_log_leaf(ops(), data[i].b, 32, &leaves[i]);
        }
        entry_count = 13;
        merkle_log_root(ops(), leaves, 13, &root);
        for (entry_index = 0; entry_index < 13; entry_index++) {
                struct input input;

                merkle_log_prove(ops(), leaves, 13, entry_index, &path);
                input = (struct input){{part(root.b, 32), part(data[entry_index].b, 32),
                                           part(path.hash, path.count * 32)},
                    3, ask_entry};
                check_all(&input);
                input.ask = ask_history;
                check_all(&input);
        }
        /* Not at another place, nor in a tree of another size. */
        merkle_log_prove(ops(), leaves, 13, 5, &path);
        for (entry_index = 0; entry_index < 20; entry_index++) {
                struct lxv_part in[3] = {
                    part(root.b, 32), part(data[5].b, 32), part(path.hash, path.count * 32)};

                ck_assert_int_eq(ask_entry(in) == LXV_OK, entry_index == 5);
        }
        entry_index = 5;
        for (entry_count = 0; entry_count < 8; entry_count++) {
                struct lxv_part in[3] = {
                    part(root.b, 32), part(data[5].b, 32), part(path.hash, path.count * 32)};

                ck_assert_int_ne(ask_entry(in), LXV_OK);
        }
}
END_TEST

static uint64_t file_length, file_offset;

static enum lxv_result
ask_file(const struct lxv_part *in)
{
        if (in[0].len != 32)
                return LXV_FORMAT;
        return lxv_file_check(&CRYPTO, in[0].p, file_length, file_offset, in[1], in[2]);
}

START_TEST(file_ranges)
{
        static uint8_t bytes[9 * 4096 + 100];
        struct lx_hash leaves[10], root;
        struct merkle_file *file;
        struct merkle_path path;

        file_length = sizeof(bytes);
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i * 2654435761u >> 13);
        for (size_t i = 0; i < 10; i++) {
                uint8_t page[4096] = {0};

                memcpy(page, bytes + i * 4096, i < 9 ? 4096 : 100);
                lx_blake2b(&LX_TAG_LEAF, page, 4096, &leaves[i]);
        }
        merkle_log_root(ops(), leaves, 10, &root);
        file = merkle_file_new(ops(), leaves, 10);
        for (uint64_t first = 0; first < 10; first += 3)
                for (uint64_t count = 1; first + count <= 10; count += 3) {
                        size_t len = (size_t)(first + count == 10 ? file_length - first * 4096
                                                                  : count * 4096);
                        struct lxv_part in[3];

                        file_offset = first * 4096;
                        ck_assert_int_eq(merkle_file_prove(file, first, count, &path), LX_OK);
                        in[0] = part(root.b, 32);
                        in[1] = part(bytes + file_offset, len);
                        in[2] = part(path.hash, path.count * 32);
                        ck_assert_int_eq(ask_file(in), LXV_OK);
                        /* All of the last page; of whole ones every 61st byte. */
                        for (size_t at = 0; count == 1 && at < len; at += first == 9 ? 1 : 61) {
                                bytes[file_offset + at] ^= 1;
                                ck_assert_int_ne(ask_file(in), LXV_OK);
                                bytes[file_offset + at] ^= 1;
                        }
                        for (size_t at = 0; at < path.count * 32; at++) {
                                ((uint8_t *)path.hash)[at] ^= 1;
                                ck_assert_int_ne(ask_file(in), LXV_OK);
                                ((uint8_t *)path.hash)[at] ^= 1;
                        }
                        in[1].len--;
                        ck_assert_int_ne(ask_file(in), LXV_OK);
                        in[1].len++;
                        in[2].len += 32;
                        ck_assert_int_ne(ask_file(in), LXV_OK);
                        in[2].len -= 33;
                        ck_assert_int_ne(ask_file(in), LXV_OK);
                        in[2].len++;
                        file_offset += 4096;
                        ck_assert_int_ne(ask_file(in), LXV_OK);
                        file_offset -= 4095;
                        ck_assert_int_eq(ask_file(in), LXV_RANGE);
                        file_offset--;
                }
        merkle_file_free(file);
        /* A file of no bytes. */
        merkle_log_empty_root(ops(), &root);
        file_length = file_offset = 0;
        {
                struct lxv_part in[3] = {part(root.b, 32), part("", 0), part("", 0)};

                ck_assert_int_eq(ask_file(in), LXV_OK);
                root.b[3] ^= 1;
                ck_assert_int_eq(ask_file(in), LXV_PROOF);
        }
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {headers_and_certificates, two_of_four_are_too_few,
            strangers_are_untrusted, registers, absence, digests_of_a_publisher,
            entries_and_history, file_ranges, NULL};

        return lx_crypto_init() == LX_OK ? unit_main("liblxverify", cases, 120) : 1;
}
