/*
 * Headers and certificates for narrow links: every combination of what can be left out, every cut, one
 * encoding for one value, and that a narrowed certificate proves the same.
 */
#include "config.h"
#include "crypto/hash.h"
#include "crypto/halfagg.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "kit/author.h"
#include "ledger/narrow.h"
#include "liblxverify/lxverify.h"
#include "merkle/log.h"
#include "sigchain/params.h"

#include "unit.h"

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

static struct ledger_narrow_known
make_known(void)
{
        struct ledger_narrow_known known = {.header = {.rule_version = 1, .chain_id = unit_hash(1),
            .height = 1000, .time_ms = 1800000000000, .previous = unit_hash(2), .tx_root = unit_hash(3),
            .state_root = unit_hash(4), .history_root = unit_hash(5), .valset = unit_hash(6),
            .next_valset = unit_hash(7)}};

        ledger_header_hash(ops(), &known.header, &known.hash);
        return known;
}

/* A header above @known from which everything that @flags names can be left out (or must be said). */
static struct ledger_header
make_header(const struct ledger_narrow_known *known, unsigned flags)
{
        struct ledger_header h = known->header;

        h.height += (flags & LEDGER_NARROW_NEXT) != 0 ? 1 : 3000000;
        h.time_ms += 10000;
        h.previous = (flags & LEDGER_NARROW_NEXT) != 0 ? known->hash : unit_hash(20);
        h.tx_root = unit_hash(21);
        if ((flags & LEDGER_NARROW_EMPTY) != 0)
                merkle_log_empty_root(ops(), &h.tx_root);
        h.state_root = unit_hash(22);
        h.history_root = (flags & LEDGER_NARROW_HISTORY) != 0 ? *known->history : unit_hash(23);
        h.valset = (flags & LEDGER_NARROW_SET) != 0 ? unit_hash(24) : known->header.next_valset;
        h.next_valset = (flags & LEDGER_NARROW_NEXT_SET) != 0 ? unit_hash(25) : h.valset;
        h.rule_version = (flags & LEDGER_NARROW_VERSION) != 0 ? 2 : 1;
        return h;
}

static void
check_flags(unsigned flags)
{
        struct lx_hash history = unit_hash(30);
        struct ledger_narrow_known known = make_known();
        uint8_t bytes[LEDGER_NARROW_HEADER_MAX + 1];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes) - 1);
        struct ledger_header h, got;
        struct lx_reader rd;

        known.history = &history;
        h = make_header(&known, flags);
        ledger_narrow_encode(ops(), &known, &h, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        ck_assert_uint_eq(bytes[0], flags);
        rd = lx_reader_init(bytes, wr.len);
        ck_assert_int_eq(ledger_narrow_decode(ops(), &known, &rd, &got), LX_OK);
        ck_assert_int_eq(lx_reader_end(&rd), LX_OK);
        ck_assert(got.height == h.height && got.time_ms == h.time_ms &&
            got.rule_version == h.rule_version && lx_hash_eq(&got.previous, &h.previous) &&
            lx_hash_eq(&got.tx_root, &h.tx_root) && lx_hash_eq(&got.state_root, &h.state_root) &&
            lx_hash_eq(&got.history_root, &h.history_root) && lx_hash_eq(&got.valset, &h.valset) &&
            lx_hash_eq(&got.next_valset, &h.next_valset) && lx_hash_eq(&got.chain_id, &h.chain_id));
        for (size_t cut = 0; cut < wr.len; cut++) {
                rd = lx_reader_init(bytes, cut);
                ck_assert_int_eq(ledger_narrow_decode(ops(), &known, &rd, &got), LX_ERR_TRUNCATED);
        }
}

START_TEST(everything_that_can_be_left_out)
{
        for (unsigned flags = 0; flags < 64; flags++)
                if ((flags & LEDGER_NARROW_HISTORY) == 0 || (flags & LEDGER_NARROW_NEXT) != 0)
                        check_flags(flags);
}
END_TEST

START_TEST(sizes)
{
        struct lx_hash history = unit_hash(30);
        struct ledger_narrow_known known = make_known();
        uint8_t bytes[LEDGER_NARROW_HEADER_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct ledger_header h;

        /* One header of a run of blocks with transactions: flags, time, two roots. */
        known.history = &history;
        h = make_header(&known, LEDGER_NARROW_NEXT | LEDGER_NARROW_HISTORY);
        ledger_narrow_encode(ops(), &known, &h, &wr);
        ck_assert_uint_eq(wr.len, 1 + 2 + 64);
        /* The tip, three million blocks and a year later, set unchanged. */
        known.history = NULL;
        h = make_header(&known, 0);
        h.time_ms = known.header.time_ms + 31536000000;
        wr = lx_writer_init(bytes, sizeof(bytes));
        ledger_narrow_encode(ops(), &known, &h, &wr);
        ck_assert_uint_eq(wr.len, 1 + 4 + 5 + 4 * 32);
}
END_TEST

START_TEST(one_value_one_encoding)
{
        struct ledger_narrow_known known = make_known();
        uint8_t bytes[LEDGER_NARROW_HEADER_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct ledger_header h = make_header(&known, LEDGER_NARROW_NEXT), got;
        static const uint8_t long_form[] = {0x81, 0x00};
        struct lx_reader rd;

        /* What could be left out was written all the same: height and previous of NEXT. */
        lx_write_u8(&wr, 0);
        lx_write_u8(&wr, 1);
        lx_write_hash(&wr, &h.previous);
        lx_write_u8(&wr, 1);
        lx_write_hash(&wr, &h.tx_root);
        lx_write_hash(&wr, &h.state_root);
        lx_write_hash(&wr, &h.history_root);
        rd = lx_reader_init(bytes, wr.len);
        ck_assert_int_eq(ledger_narrow_decode(ops(), &known, &rd, &got), LX_ERR_FORMAT);
        /* A number in more bytes than it needs. */
        wr = lx_writer_init(bytes, sizeof(bytes));
        lx_write_u8(&wr, LEDGER_NARROW_NEXT);
        lx_write_bytes(&wr, long_form, 2);
        lx_write_hash(&wr, &h.tx_root);
        lx_write_hash(&wr, &h.state_root);
        lx_write_hash(&wr, &h.history_root);
        rd = lx_reader_init(bytes, wr.len);
        ck_assert_int_eq(ledger_narrow_decode(ops(), &known, &rd, &got), LX_ERR_FORMAT);
        /* Unknown flags, and a history that the receiver lacks. */
        for (unsigned flag = 32; flag < 256; flag *= 2) {
                bytes[0] = (uint8_t)(LEDGER_NARROW_NEXT | flag);
                rd = lx_reader_init(bytes, wr.len);
                ck_assert_int_eq(ledger_narrow_decode(ops(), &known, &rd, &got), LX_ERR_FORMAT);
        }
}
END_TEST

static void
blake2b(void *ctx, const uint8_t tag[16], const struct lxv_part *parts, size_t count, uint8_t out[32])
{
        struct lx_span spans[8];
        struct lx_tag personal;
        struct lx_hash hash;

        (void)ctx;
        memcpy(personal.text, tag, sizeof(personal.text));
        for (size_t i = 0; i < count; i++)
                spans[i] = LX_SPAN(parts[i].p, parts[i].len);
        ops()->hash(ops()->ctx, &personal, spans, count, &hash);
        memcpy(out, hash.b, 32);
}

START_TEST(the_library_widens_what_was_narrowed)
{
        const struct lxv_crypto crypto = {.blake2b = blake2b};
        struct lx_hash history = unit_hash(30);
        struct ledger_narrow_known known = make_known();
        struct ledger_header h;
        uint8_t from[LXV_HEADER_LEN], want[LXV_HEADER_LEN], got[LXV_HEADER_LEN];
        uint8_t bytes[LEDGER_NARROW_HEADER_MAX + 8];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        size_t used;

        known.history = &history;
        h = make_header(&known, LEDGER_NARROW_NEXT | LEDGER_NARROW_HISTORY | LEDGER_NARROW_NEXT_SET);
        ledger_header_encode(&known.header, from);
        ledger_header_encode(&h, want);
        ledger_narrow_encode(ops(), &known, &h, &wr);
        ck_assert_int_eq(lxv_header_widen(&crypto, from, history.b,
            (struct lxv_part){bytes, sizeof(bytes)}, got, &used), LXV_OK);
        ck_assert_uint_eq(used, wr.len);
        ck_assert_mem_eq(got, want, sizeof(want));
        ck_assert_int_eq(lxv_header_widen(&crypto, from, NULL, (struct lxv_part){bytes, wr.len}, got,
            &used), LXV_FORMAT);
        ck_assert_int_eq(lxv_header_widen(&crypto, from, history.b,
            (struct lxv_part){bytes, wr.len - 1}, got, &used), LXV_FORMAT);
}
END_TEST

/* A network of @count validators of power 1, a header of its set and everybody's certificate. */
static void
make_cert(size_t count, struct lx_buf *genesis, struct sigchain_genesis *doc,
    struct ledger_header *header, struct lx_buf *cert, size_t signers)
{
        struct lx_hash hash, msg;
        uint8_t set[SIGCHAIN_VALSET_BYTES_MAX], bitmap[16] = {0};
        struct lx_writer wr = lx_writer_init(set, sizeof(set));
        struct lx_sig sig[SIGCHAIN_VALIDATORS_MAX];
        size_t signed_count = 0;

        kit_genesis(count, NULL, "", genesis);
        ck_assert_int_eq(sigchain_genesis_decode(genesis->p, genesis->len, doc), LX_OK);
        sigchain_valset_encode(&doc->validators, &wr);
        *header = make_known().header;
        sigchain_valset_hash(ops(), set, wr.len, &header->valset);
        ledger_header_hash(ops(), header, &hash);
        ledger_vote_message(ops(), LEDGER_VOTE_PRECOMMIT, &header->chain_id, header->height, 7, &hash, &msg);
        for (size_t i = 0; i < count && signed_count < signers; i++) {
                for (size_t k = 0; k < count; k++) {
                        uint8_t secret[32];
                        struct lx_pubkey key;

                        kit_validator_key(k, secret);
                        ck_assert_int_eq(lx_sign_pubkey(secret, &key), LX_OK);
                        if (memcmp(key.b, doc->validators.v[i].key.b, 32) != 0)
                                continue;
                        ck_assert_int_eq(lx_sign(secret, &msg, NULL, &sig[signed_count++]), LX_OK);
                        bitmap[i / 8] |= (uint8_t)(0x80 >> i % 8);
                }
        }
        lx_buf_append(cert, "\0\0\0\7", 4);
        lx_buf_append(cert, bitmap, (count + 7) / 8);
        for (size_t i = 0; i < signed_count; i++)
                lx_buf_append(cert, sig[i].b, LX_SIG_LEN);
}

static void
check_cert(size_t count, size_t signers, size_t want_len)
{
        struct sigchain_genesis *doc = malloc(sizeof(*doc));
        struct lx_buf genesis = {0}, cert = {0};
        struct ledger_header header;
        uint8_t narrow[LEDGER_NARROW_CERT_MAX];
        struct lx_writer wr = lx_writer_init(narrow, sizeof(narrow));

        make_cert(count, &genesis, doc, &header, &cert, signers);
        ck_assert_int_eq(ledger_narrow_cert(ops(), &header, &doc->validators, cert.p, cert.len, &wr), LX_OK);
        ck_assert_uint_eq(wr.len, want_len);
        ck_assert_int_eq(
            ledger_cert_verify(lx_crypto_ops(), &header, &doc->validators, narrow, wr.len), LX_OK);
        for (size_t i = 0; i < wr.len; i += 1 + wr.len / 64) {
                narrow[i] ^= 0x40;
                ck_assert_int_ne(
                    ledger_cert_verify(lx_crypto_ops(), &header, &doc->validators, narrow, wr.len), LX_OK);
                narrow[i] ^= 0x40;
        }
        for (size_t cut = 0; cut < wr.len; cut++)
                ck_assert_int_ne(
                    ledger_cert_verify(lx_crypto_ops(), &header, &doc->validators, narrow, cut), LX_OK);
        lx_buf_clear(&genesis);
        lx_buf_clear(&cert);
        free(doc);
}

START_TEST(certificates)
{
        check_cert(1, 1, 4 + 1 + 64);
        check_cert(4, 4, 4 + 1 + 32 * 4);
        check_cert(4, 3, 4 + 1 + 32 * 4);
        check_cert(16, 16, 4 + 2 + 32 * 12);
        check_cert(100, 70, 4 + 13 + 32 * 68);
}
END_TEST

START_TEST(too_little_power)
{
        struct sigchain_genesis *doc = malloc(sizeof(*doc));
        struct lx_buf genesis = {0}, cert = {0};
        struct ledger_header header;
        uint8_t narrow[LEDGER_NARROW_CERT_MAX];
        struct lx_writer wr = lx_writer_init(narrow, sizeof(narrow));

        make_cert(6, &genesis, doc, &header, &cert, 4);
        ck_assert_int_eq(
            ledger_narrow_cert(ops(), &header, &doc->validators, cert.p, cert.len, &wr), LX_ERR_PROOF);
        lx_buf_clear(&genesis);
        lx_buf_clear(&cert);
        free(doc);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {everything_that_can_be_left_out, sizes, one_value_one_encoding,
            the_library_widens_what_was_narrowed,            certificates, too_little_power, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("narrow", cases, 120);
}
