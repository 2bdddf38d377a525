/*
 * tests/unit/check_sigchain_codec.c - the encodings of sigchain: every cut and one byte too many, every
 * limit and one beyond, and what is accepted encodes to the same bytes.
 */
#include "config.h"
#include "world.h"

#include "base/buf.h"

#define CAP (SIGCHAIN_GENESIS_MAX + 16)

/* A decoder followed by its encoder: the error, and what comes out again. */
typedef enum lx_err (*codec)(const uint8_t *bytes, size_t len, struct lx_writer *out);

static enum lx_err
again(enum lx_err err, const struct lx_writer *wr)
{
        return err != LX_OK ? err : lx_writer_end(wr);
}

static enum lx_err
tx_codec(const uint8_t *bytes, size_t len, struct lx_writer *out)
{
        static struct sigchain_tx tx;
        enum lx_err err = sigchain_tx_decode(world_ops(), bytes, len, &tx);

        if (err == LX_OK)
                sigchain_tx_encode(&tx, out);
        return again(err, out);
}

static enum lx_err
object_codec(const uint8_t *bytes, size_t len, struct lx_writer *out)
{
        struct sigchain_object o;
        enum lx_err err = sigchain_object_decode(LX_SPAN(bytes, len), &o);

        if (err == LX_OK)
                sigchain_object_encode(&o, out);
        return again(err, out);
}

static enum lx_err
register_codec(const uint8_t *bytes, size_t len, struct lx_writer *out)
{
        struct sigchain_register reg;
        enum lx_err err = sigchain_register_decode(bytes, len, &reg);

        if (err == LX_OK)
                sigchain_register_encode(&reg, out);
        return again(err, out);
}

static enum lx_err
chain_codec(const uint8_t *bytes, size_t len, struct lx_writer *out)
{
        struct sigchain_chain chain;
        enum lx_err err = sigchain_chain_decode(bytes, len, &chain);

        if (err == LX_OK)
                sigchain_chain_encode(&chain, out);
        return again(err, out);
}

static enum lx_err
debit_codec(const uint8_t *bytes, size_t len, struct lx_writer *out)
{
        struct sigchain_debit debit;
        enum lx_err err = sigchain_debit_decode(bytes, len, &debit);

        if (err == LX_OK)
                sigchain_debit_encode(&debit, out);
        return again(err, out);
}

static enum lx_err
valset_codec(const uint8_t *bytes, size_t len, struct lx_writer *out)
{
        static struct sigchain_valset set;
        enum lx_err err = sigchain_valset_decode(bytes, len, &set);

        if (err == LX_OK)
                sigchain_valset_encode(&set, out);
        return again(err, out);
}

static enum lx_err
params_codec(const uint8_t *bytes, size_t len, struct lx_writer *out)
{
        struct sigchain_params params;
        enum lx_err err = sigchain_params_decode(bytes, len, &params);

        if (err == LX_OK)
                sigchain_params_encode(&params, out);
        return again(err, out);
}

static enum lx_err
genesis_codec(const uint8_t *bytes, size_t len, struct lx_writer *out)
{
        static struct sigchain_genesis genesis;
        enum lx_err err = sigchain_genesis_decode(bytes, len, &genesis);

        if (err == LX_OK)
                sigchain_genesis_encode(&genesis, out);
        return again(err, out);
}

static enum lx_err
manifest_codec(const uint8_t *bytes, size_t len, struct lx_writer *out)
{
        struct lx_hash root;
        uint32_t count;
        enum lx_err err =
            sigchain_manifest_read(world_ops(), LX_SPAN(bytes, len), NULL, NULL, &root, &count);

        if (err == LX_OK)
                lx_write_bytes(out, bytes, len);
        return again(err, out);
}

/* Accepted whole and the same again; refused at every cut and with one byte more. */
static void
check_cuts(codec one, const uint8_t *bytes, size_t len, enum lx_err longer)
{
        uint8_t *copy = lx_alloc(len + 1), *out = lx_alloc(CAP);
        struct lx_writer wr = lx_writer_init(out, CAP);

        ck_assert_int_eq(one(bytes, len, &wr), LX_OK);
        ck_assert_uint_eq(wr.len, len);
        ck_assert_mem_eq(out, bytes, len);
        for (size_t cut = 0; cut < len; cut++) {
                /* A copy of exactly that length, so that a sanitizer sees reads past the end. */
                uint8_t *part = lx_alloc(cut > 0 ? cut : 1);

                memcpy(part, bytes, cut);
                wr = lx_writer_init(out, CAP);
                ck_assert_msg(one(part, cut, &wr) != LX_OK, "cut at %zu of %zu", cut, len);
                lx_free(part);
        }
        memcpy(copy, bytes, len);
        copy[len] = 0;
        wr = lx_writer_init(out, CAP);
        ck_assert_int_eq(one(copy, len + 1, &wr), longer);
        lx_free(copy);
        lx_free(out);
}

/* Every flipped bit is refused, or it is another value that has just this one encoding. */
static void
check_flips(codec one, const uint8_t *bytes, size_t len)
{
        uint8_t *copy = lx_memdup(bytes, len), *out = lx_alloc(CAP);

        for (size_t bit = 0; bit < 8 * len; bit++) {
                struct lx_writer wr = lx_writer_init(out, CAP);

                copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
                if (one(copy, len, &wr) == LX_OK) {
                        ck_assert_uint_eq(wr.len, len);
                        ck_assert_mem_eq(out, copy, len);
                }
                copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        lx_free(copy);
        lx_free(out);
}

static void
check_codec(codec one, const struct lx_writer *wr)
{
        ck_assert_int_eq(lx_writer_end(wr), LX_OK);
        check_cuts(one, wr->p, wr->len, LX_ERR_TRAILING);
        check_flips(one, wr->p, wr->len);
}

static uint8_t buffer[CAP];

/* ---- transactions ------------------------------------------------------------------------------ */

static void
make_tx(struct sigchain_tx *tx, size_t ops, size_t body_len, size_t witnesses)
{
        static const uint8_t body[UINT16_MAX];

        memset(tx, 0, sizeof(*tx));
        tx->chain_id = unit_hash(1);
        tx->genesis = unit_hash(2);
        tx->sequence = 3;
        tx->previous = unit_hash(4);
        tx->next = unit_hash(5);
        tx->expiry = 6;
        tx->fee = 7;
        tx->fee_account = unit_hash(8);
        tx->op_count = ops;
        for (size_t i = 0; i < ops && i < SIGCHAIN_OPS_MAX; i++)
                tx->op[i] = (struct sigchain_op){.type = 2, .body = LX_SPAN(body, body_len)};
        tx->witness_count = witnesses;
        for (size_t i = 0; i < witnesses && i < SIGCHAIN_WITNESSES_MAX; i++)
                tx->witness[i].role = (enum sigchain_role)(i + 1);
}

static struct lx_writer
encode_tx(const struct sigchain_tx *tx)
{
        struct lx_writer wr = lx_writer_init(buffer, sizeof(buffer));

        sigchain_tx_encode(tx, &wr);
        return wr;
}

START_TEST(transactions)
{
        static struct sigchain_tx tx, back;
        struct lx_writer wr;

        make_tx(&tx, 3, 40, 2);
        wr = encode_tx(&tx);
        check_codec(tx_codec, &wr);
        /* Sizes: 186 bytes of head, 3 and the body for each operation, 97 for each witness. */
        ck_assert_uint_eq(wr.len, 186 + 3 * 43 + 1 + 2 * 97);
        make_tx(&tx, SIGCHAIN_OPS_MAX, 1, SIGCHAIN_WITNESSES_MAX);
        wr = encode_tx(&tx);
        check_cuts(tx_codec, wr.p, wr.len, LX_ERR_TRAILING);
        ck_assert_int_eq(sigchain_tx_decode(world_ops(), wr.p, wr.len, &back), LX_OK);
        ck_assert_uint_eq(back.op_count, SIGCHAIN_OPS_MAX);
}
END_TEST

START_TEST(limits_of_transactions)
{
        static struct sigchain_tx tx;
        const size_t rest = 186 + 3 + 1 + 97;
        struct lx_writer wr;

        make_tx(&tx, 0, 1, 1);
        wr = encode_tx(&tx);
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_RANGE);
        make_tx(&tx, SIGCHAIN_OPS_MAX + 1, 1, 1);
        wr = encode_tx(&tx);
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_RANGE);
        make_tx(&tx, 1, 1, 0);
        wr = encode_tx(&tx);
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_RANGE);
        make_tx(&tx, 1, 1, SIGCHAIN_WITNESSES_MAX + 1);
        wr = encode_tx(&tx);
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_RANGE);
        make_tx(&tx, 1, SIGCHAIN_TX_MAX - rest, 1);
        wr = encode_tx(&tx);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        ck_assert_uint_eq(wr.len, SIGCHAIN_TX_MAX);
        ck_assert_int_eq(sigchain_tx_decode(world_ops(), wr.p, wr.len, &tx), LX_OK);
        make_tx(&tx, 1, SIGCHAIN_TX_MAX - rest + 1, 1);
        wr = encode_tx(&tx);
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_RANGE);
        ck_assert_int_eq(sigchain_tx_decode(world_ops(), wr.p, wr.len, &tx), LX_ERR_RANGE);
}
END_TEST

/* What decoding refuses beyond cuts: by offset, the byte put there, and the error. */
START_TEST(malformed_transactions)
{
        static const struct {
                size_t at;
                uint8_t byte;
                enum lx_err err;
        } rows[] = {
            {0, 0, LX_ERR_VERSION}, {0, 3, LX_ERR_VERSION}, {185, 0, LX_ERR_RANGE},
            {185, 101, LX_ERR_RANGE},                         /* operations */
            {190, 0, LX_ERR_RANGE}, {190, 5, LX_ERR_RANGE},   /* witnesses */
            {191, 0, LX_ERR_FORMAT}, {191, 6, LX_ERR_FORMAT}, /* role */
            {288, 1, LX_ERR_FORMAT}, {288, 6, LX_ERR_FORMAT}, /* the second: not rising, unknown */
        };
        static struct sigchain_tx tx;
        struct lx_writer wr;

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                make_tx(&tx, 1, 1, 2);
                wr = encode_tx(&tx);
                buffer[rows[i].at] = rows[i].byte;
                ck_assert_msg(sigchain_tx_decode(world_ops(), buffer, wr.len, &tx) == rows[i].err,
                    "row %zu", i);
        }
        /* Fee and fee account come together or not at all. */
        make_tx(&tx, 1, 1, 1);
        tx.fee = 0;
        wr = encode_tx(&tx);
        ck_assert_int_eq(sigchain_tx_decode(world_ops(), wr.p, wr.len, &tx), LX_ERR_FORMAT);
        make_tx(&tx, 1, 1, 1);
        tx.fee_account = (struct lx_hash){{0}};
        wr = encode_tx(&tx);
        ck_assert_int_eq(sigchain_tx_decode(world_ops(), wr.p, wr.len, &tx), LX_ERR_FORMAT);
}
END_TEST

/* Evidence: all that follows the chain id; no operations, no witnesses. */
START_TEST(evidence_transactions)
{
        static struct sigchain_tx tx;
        struct lx_hash chain_id = unit_hash(1);
        struct lx_writer wr = lx_writer_init(buffer, sizeof(buffer));
        struct lx_hash id;

        lx_write_u8(&wr, SIGCHAIN_TX_EVIDENCE);
        lx_write_hash(&wr, &chain_id);
        lx_write_bytes(&wr, "evidence", 8);
        for (size_t cut = 0; cut <= 33; cut++)
                ck_assert_int_ne(sigchain_tx_decode(world_ops(), buffer, cut, &tx), LX_OK);
        ck_assert_int_eq(sigchain_tx_decode(world_ops(), buffer, wr.len, &tx), LX_OK);
        ck_assert_uint_eq(tx.evidence.len, 8);
        ck_assert_uint_eq(tx.op_count, 0);
        sigchain_tx_id(world_ops(), buffer, wr.len, &id);
        ck_assert(lx_hash_eq(&id, &tx.id) && lx_hash_eq(&id, &tx.genesis));
        ck_assert_uint_eq(tx.witness_count, 0);
        check_flips(tx_codec, buffer, wr.len);
}
END_TEST

/* The id covers all but the witnesses; each signature covers the id and its role. */
START_TEST(ids_and_signatures)
{
        static struct sigchain_tx tx, other;
        uint8_t sec[32] = {1};
        struct lx_hash id, msg, role2;
        struct lx_writer wr;

        make_tx(&tx, 1, 1, 1);
        wr = encode_tx(&tx);
        ck_assert_int_eq(sigchain_tx_decode(world_ops(), wr.p, wr.len, &tx), LX_OK);
        id = tx.id;
        ck_assert_int_eq(sigchain_tx_verify(lx_crypto_ops(), &tx), LX_ERR_SIGNATURE);
        ck_assert_int_eq(lx_sign_pubkey(sec, &tx.witness[0].key), LX_OK);
        sigchain_tx_message(world_ops(), SIGCHAIN_ROLE_CHAIN, &id, &msg);
        sigchain_tx_message(world_ops(), SIGCHAIN_ROLE_NAME, &id, &role2);
        ck_assert(!lx_hash_eq(&msg, &role2));
        ck_assert_int_eq(lx_sign(sec, &msg, NULL, &tx.witness[0].sig), LX_OK);
        ck_assert_int_eq(sigchain_tx_verify(lx_crypto_ops(), &tx), LX_OK);
        wr = encode_tx(&tx);
        ck_assert_int_eq(sigchain_tx_decode(world_ops(), wr.p, wr.len, &other), LX_OK);
        ck_assert(lx_hash_eq(&id, &other.id));
        other.witness[0].role = SIGCHAIN_ROLE_NAME;
        ck_assert_int_eq(sigchain_tx_verify(lx_crypto_ops(), &other), LX_ERR_SIGNATURE);
        /* Every byte of the core is in the id. */
        for (size_t i = 1; i < 185; i++) {
                buffer[i] ^= 1;
                if (sigchain_tx_decode(world_ops(), buffer, wr.len, &other) == LX_OK) {
                        ck_assert(!lx_hash_eq(&id, &other.id));
                        ck_assert_int_eq(
                            sigchain_tx_verify(lx_crypto_ops(), &other), LX_ERR_SIGNATURE);
                }
                buffer[i] ^= 1;
        }
}
END_TEST

/* ---- operations -------------------------------------------------------------------------------- */

static enum sigchain_op_type op_type;

static enum lx_err
op_codec(const uint8_t *bytes, size_t len, struct lx_writer *out)
{
        static struct sigchain_op_body body;
        enum lx_err err = sigchain_op_decode(op_type, LX_SPAN(bytes, len), &body);

        if (err == LX_OK)
                sigchain_op_encode(&body, out);
        return again(err, out);
}

START_TEST(operations)
{
        static struct sigchain_op_body body;
        struct lx_writer wr;

        for (op_type = SIGCHAIN_OP_CREATE; op_type <= SIGCHAIN_OP_NODE_ADMIT; op_type++) {
                wr = lx_writer_init(buffer, sizeof(buffer));
                memset(&body, 0, sizeof(body));
                body.type = op_type;
                switch (op_type) {
                case SIGCHAIN_OP_CREATE:
                        body.u.create =
                            (struct sigchain_op_create){SIGCHAIN_RAW, LX_SPAN("abc", 3)};
                        break;
                case SIGCHAIN_OP_WRITE:
                        body.u.write = (struct sigchain_op_write){unit_hash(1), LX_SPAN("abc", 3)};
                        break;
                case SIGCHAIN_OP_APPEND:
                        body.u.append.count = 2;
                        body.u.append.entry[0] = LX_SPAN("abc", 3);
                        body.u.append.entry[1] = LX_SPAN("d", 1);
                        break;
                case SIGCHAIN_OP_TRANSFER:
                        body.u.transfer = (struct sigchain_op_transfer){unit_hash(1), unit_hash(2)};
                        break;
                case SIGCHAIN_OP_CLAIM:
                        body.u.claim.address = unit_hash(1);
                        break;
                case SIGCHAIN_OP_DEBIT:
                        body.u.debit = (struct sigchain_op_debit){unit_hash(1), unit_hash(2), 3, 4};
                        break;
                case SIGCHAIN_OP_CREDIT:
                        body.u.credit = (struct sigchain_op_credit){unit_hash(1), 2, unit_hash(3)};
                        break;
                case SIGCHAIN_OP_REVOKE:
                        body.u.revoke.digest = unit_hash(1);
                        break;
                case SIGCHAIN_OP_VALIDATOR_UPDATE:
                case SIGCHAIN_OP_PARAMETER_UPDATE:
                case SIGCHAIN_OP_NODE_ADMIT:
                        /* The certificate is the rest: no cut of it can be told here. */
                        body.u.update = (struct sigchain_op_update){7, LX_SPAN("abc", 3), {0}};
                        sigchain_op_encode(&body, &wr);
                        check_cuts(op_codec, wr.p, wr.len, LX_OK);
                        check_flips(op_codec, wr.p, wr.len);
                        continue;
                }
                sigchain_op_encode(&body, &wr);
                check_codec(op_codec, &wr);
        }
}
END_TEST

START_TEST(limits_of_operations)
{
        static struct sigchain_op_body body;
        static const uint8_t data[SIGCHAIN_DATA_MAX + 1];
        struct lx_writer wr = lx_writer_init(buffer, sizeof(buffer));

        ck_assert_int_eq(sigchain_op_decode(0, LX_SPAN(data, 1), &body), LX_ERR_FORMAT);
        ck_assert_int_eq(sigchain_op_decode(12, LX_SPAN(data, 1), &body), LX_ERR_FORMAT);
        ck_assert_ptr_null(sigchain_op_name(0));
        ck_assert_ptr_null(sigchain_op_name(12));
        ck_assert_str_eq(sigchain_op_name(11), "node-admit");
        body.type = SIGCHAIN_OP_CREATE;
        for (size_t len = SIGCHAIN_DATA_MAX; len <= sizeof(data); len++) {
                wr = lx_writer_init(buffer, sizeof(buffer));
                lx_write_u8(&wr, SIGCHAIN_RAW);
                lx_write_var16(&wr, LX_SPAN(data, len));
                ck_assert_int_eq(
                    sigchain_op_decode(SIGCHAIN_OP_CREATE, LX_SPAN(buffer, wr.len), &body),
                    len == SIGCHAIN_DATA_MAX ? LX_OK : LX_ERR_RANGE);
        }
        body = (struct sigchain_op_body){.type = SIGCHAIN_OP_APPEND};
        for (size_t count = 0; count <= SIGCHAIN_ENTRIES_MAX + 1;
             count += SIGCHAIN_ENTRIES_MAX / 2 + 1) {
                enum lx_err want =
                    count > 0 && count <= SIGCHAIN_ENTRIES_MAX ? LX_OK : LX_ERR_RANGE;

                wr = lx_writer_init(buffer, sizeof(buffer));
                lx_write_hash(&wr, &body.u.append.address);
                lx_write_u8(&wr, (uint8_t)count);
                for (size_t i = 0; i < count; i++)
                        lx_write_var16(&wr, LX_SPAN("e", 1));
                ck_assert_int_eq(
                    sigchain_op_decode(SIGCHAIN_OP_APPEND, LX_SPAN(buffer, wr.len), &body), want);
        }
        for (size_t len = 0; len <= SIGCHAIN_ENTRY_MAX + 1; len += SIGCHAIN_ENTRY_MAX / 2) {
                wr = lx_writer_init(buffer, sizeof(buffer));
                lx_write_hash(&wr, &body.u.append.address);
                lx_write_u8(&wr, 1);
                lx_write_var16(&wr, LX_SPAN(data, len));
                ck_assert_int_eq(
                    sigchain_op_decode(SIGCHAIN_OP_APPEND, LX_SPAN(buffer, wr.len), &body),
                    len > 0 ? LX_OK : LX_ERR_RANGE);
        }
        wr = lx_writer_init(buffer, sizeof(buffer));
        lx_write_hash(&wr, &body.u.append.address);
        lx_write_u8(&wr, 1);
        lx_write_var16(&wr, LX_SPAN(data, SIGCHAIN_ENTRY_MAX + 1));
        ck_assert_int_eq(
            sigchain_op_decode(SIGCHAIN_OP_APPEND, LX_SPAN(buffer, wr.len), &body), LX_ERR_RANGE);
        ck_assert_uint_eq(sigchain_op_cost(SIGCHAIN_OP_CLAIM, 0), 1);
        ck_assert_uint_eq(sigchain_op_cost(SIGCHAIN_OP_CLAIM, 1), 2);
        ck_assert_uint_eq(sigchain_op_cost(SIGCHAIN_OP_CLAIM, 1024), 2);
        ck_assert_uint_eq(sigchain_op_cost(SIGCHAIN_OP_CLAIM, 1025), 3);
        ck_assert_uint_eq(sigchain_op_cost(99, 1), 0);
}
END_TEST

/* ---- states ------------------------------------------------------------------------------------ */

START_TEST(states)
{
        struct sigchain_object o = {.count = 0};
        struct sigchain_register reg = {.type = SIGCHAIN_RAW,
            .flags = 1,
            .owner = unit_hash(1),
            .created = 2,
            .modified = 3,
            .pending = unit_hash(4),
            .data = LX_SPAN("hello", 5)};
        struct sigchain_chain chain = {1, unit_hash(2), unit_hash(3), 4, 5};
        struct sigchain_debit debit = {unit_hash(1), unit_hash(2), unit_hash(3), 4, 5};
        struct lx_hash h = unit_hash(6);
        struct lx_writer wr = lx_writer_init(buffer, sizeof(buffer));

        field_u64(&o, "number", SIGCHAIN_FIXED, 1);
        field_bytes(&o, "hash", SIGCHAIN_HASH, SIGCHAIN_MUTABLE, h.b, 32);
        field_bytes(&o, "address", SIGCHAIN_ADDRESS, SIGCHAIN_SYSTEM, h.b, 32);
        field_bytes(&o, "bytes", SIGCHAIN_BYTES, SIGCHAIN_FIXED, "\0\xff", 2);
        field_text(&o, "text", SIGCHAIN_FIXED, "gr\xc3\xbc\xc3\x9f");
        field_u64(&o, "flag", SIGCHAIN_MUTABLE, 1);
        o.field[5].type = SIGCHAIN_BOOL;
        sigchain_object_encode(&o, &wr);
        check_codec(object_codec, &wr);
        wr = lx_writer_init(buffer, sizeof(buffer));
        sigchain_register_encode(&reg, &wr);
        ck_assert_uint_eq(wr.len, 85 + 5);
        check_codec(register_codec, &wr);
        wr = lx_writer_init(buffer, sizeof(buffer));
        sigchain_chain_encode(&chain, &wr);
        ck_assert_uint_eq(wr.len, 89);
        check_codec(chain_codec, &wr);
        wr = lx_writer_init(buffer, sizeof(buffer));
        sigchain_debit_encode(&debit, &wr);
        ck_assert_uint_eq(wr.len, 112);
        check_codec(debit_codec, &wr);
}
END_TEST

static enum lx_err
decode_text(const char *text, size_t len)
{
        struct sigchain_object o;
        struct lx_writer wr = lx_writer_init(buffer, sizeof(buffer));

        lx_write_u8(&wr, 1);
        lx_write_str8(&wr, LX_SPAN("t", 1));
        lx_write_u8(&wr, SIGCHAIN_TEXT);
        lx_write_var16(&wr, LX_SPAN(text, len));
        return sigchain_object_decode(LX_SPAN(buffer, wr.len), &o);
}

START_TEST(text_is_utf8)
{
        static const char *const good[] = {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
            "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
        static const char *const bad[] = {"\x1f", "\x7f", "\x80", "\xc0\x80", "\xc1\xbf", "\xc2",
            "\xc2z", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
            "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "a\n"};

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                ck_assert_msg(decode_text(good[i], strlen(good[i])) == LX_OK, "good %zu", i);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                ck_assert_msg(decode_text(bad[i], strlen(bad[i])) == LX_ERR_FORMAT, "bad %zu", i);
        ck_assert_int_eq(decode_text("a\0b", 3), LX_ERR_FORMAT);
}
END_TEST

START_TEST(limits_of_objects)
{
        static const uint8_t zeros[SIGCHAIN_DATA_MAX + 1];
        char names[SIGCHAIN_FIELDS_MAX + 1][SIGCHAIN_FIELD_NAME_MAX + 2];
        struct sigchain_object o = {.count = 0}, back;
        struct lx_writer wr;

        for (size_t i = 0; i <= SIGCHAIN_FIELDS_MAX; i++)
                snprintf(names[i], sizeof(names[i]), "f%zu", i);
        for (size_t count = 0; count <= SIGCHAIN_FIELDS_MAX + 1; count++) {
                wr = lx_writer_init(buffer, sizeof(buffer));
                lx_write_u8(&wr, (uint8_t)count);
                for (size_t i = 0; i < count; i++) {
                        lx_write_str8(&wr, LX_SPAN(names[i], strlen(names[i])));
                        lx_write_u8(&wr, SIGCHAIN_BOOL);
                        lx_write_u8(&wr, 0);
                }
                ck_assert_int_eq(sigchain_object_decode(LX_SPAN(buffer, wr.len), &back),
                    count > 0 && count <= SIGCHAIN_FIELDS_MAX ? LX_OK : LX_ERR_RANGE);
        }
        /* Names: 1 to 32 of a-z, 0-9, _; each once. */
        for (size_t len = 0; len <= SIGCHAIN_FIELD_NAME_MAX + 1; len++) {
                memset(names[0], 'x', sizeof(names[0]));
                wr = lx_writer_init(buffer, sizeof(buffer));
                lx_write_u8(&wr, 1);
                lx_write_str8(&wr, LX_SPAN(names[0], len));
                lx_write_u8(&wr, SIGCHAIN_BOOL);
                lx_write_u8(&wr, 0);
                ck_assert_int_eq(sigchain_object_decode(LX_SPAN(buffer, wr.len), &back),
                    len == 0                         ? LX_ERR_FORMAT
                    : len <= SIGCHAIN_FIELD_NAME_MAX ? LX_OK
                                                     : LX_ERR_RANGE);
        }
        field_u64(&o, "A", SIGCHAIN_FIXED, 1);
        wr = lx_writer_init(buffer, sizeof(buffer));
        sigchain_object_encode(&o, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_FORMAT);
        o.count = 0;
        field_u64(&o, "a", SIGCHAIN_FIXED, 1);
        field_u64(&o, "b", SIGCHAIN_FIXED, 1);
        wr = lx_writer_init(buffer, sizeof(buffer));
        sigchain_object_encode(&o, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        buffer[1 + 2 + 1 + 8 + 1] = 'a';
        ck_assert_int_eq(sigchain_object_decode(LX_SPAN(buffer, wr.len), &back), LX_ERR_FORMAT);
        /* Type 0 and 7, access 3: not in use. A bool of 2 is none. */
        for (unsigned i = 0; i < 4; i++) {
                static const uint8_t bad[4] = {0, 7, SIGCHAIN_U64 | 3 << 4, SIGCHAIN_BOOL};

                wr = lx_writer_init(buffer, sizeof(buffer));
                lx_write_u8(&wr, 1);
                lx_write_str8(&wr, LX_SPAN("a", 1));
                lx_write_u8(&wr, bad[i]);
                lx_write_u8(&wr, 2);
                if (i < 3)
                        lx_write_bytes(&wr, zeros, 7);
                ck_assert_int_eq(
                    sigchain_object_decode(LX_SPAN(buffer, wr.len), &back), LX_ERR_FORMAT);
        }
        /* Values of at most 4096 bytes. */
        for (size_t len = SIGCHAIN_DATA_MAX; len <= SIGCHAIN_DATA_MAX + 1; len++) {
                wr = lx_writer_init(buffer, sizeof(buffer));
                lx_write_u8(&wr, 1);
                lx_write_str8(&wr, LX_SPAN("a", 1));
                lx_write_u8(&wr, SIGCHAIN_BYTES);
                lx_write_var16(&wr, LX_SPAN(zeros, len));
                ck_assert_int_eq(sigchain_object_decode(LX_SPAN(buffer, wr.len), &back),
                    len == SIGCHAIN_DATA_MAX ? LX_OK : LX_ERR_RANGE);
        }
}
END_TEST

START_TEST(malformed_registers)
{
        static const uint8_t types[] = {0, 5, 0x0f, 0x20};
        struct sigchain_register reg = {.type = SIGCHAIN_RAW, .data = LX_SPAN("x", 1)};
        static const uint8_t big[SIGCHAIN_DATA_MAX + 1];
        struct lx_writer wr = lx_writer_init(buffer, sizeof(buffer));

        sigchain_register_encode(&reg, &wr);
        buffer[0] = 2;
        ck_assert_int_eq(sigchain_register_decode(buffer, wr.len, &reg), LX_ERR_VERSION);
        buffer[0] = 1;
        for (size_t i = 0; i < sizeof(types); i++) {
                buffer[1] = types[i];
                ck_assert_int_eq(sigchain_register_decode(buffer, wr.len, &reg), LX_ERR_FORMAT);
        }
        buffer[1] = SIGCHAIN_RAW;
        buffer[2] = 2;
        ck_assert_int_eq(sigchain_register_decode(buffer, wr.len, &reg), LX_ERR_FORMAT);
        reg.data = LX_SPAN(big, sizeof(big));
        wr = lx_writer_init(buffer, sizeof(buffer));
        sigchain_register_encode(&reg, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_ERR_RANGE);
        reg.data.len--;
        wr = lx_writer_init(buffer, sizeof(buffer));
        sigchain_register_encode(&reg, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        ck_assert_uint_eq(wr.len, SIGCHAIN_REGISTER_MAX);
}
END_TEST

/* ---- validators, parameters, genesis ----------------------------------------------------------- */

START_TEST(validator_sets)
{
        static struct sigchain_valset set;
        struct lx_buf bytes = {0};
        static struct world w;
        struct lx_writer wr;

        world_begin(&w);
        world_set(&w, 4, &bytes);
        check_cuts(valset_codec, bytes.p, bytes.len, LX_ERR_TRAILING);
        check_flips(valset_codec, bytes.p, bytes.len);
        for (size_t count = 0; count <= SIGCHAIN_VALIDATORS_MAX + 1; count++) {
                wr = lx_writer_init(buffer, sizeof(buffer));
                lx_write_u16(&wr, (uint16_t)count);
                for (size_t i = 0; i < count; i++) {
                        uint8_t key[32] = {(uint8_t)(i + 1)};

                        lx_write_bytes(&wr, key, 32);
                        lx_write_u64(&wr, 1);
                        lx_write_str8(&wr, LX_SPAN("", 0));
                }
                ck_assert_int_eq(sigchain_valset_decode(buffer, wr.len, &set),
                    count > 0 && count <= SIGCHAIN_VALIDATORS_MAX ? LX_OK : LX_ERR_RANGE);
        }
        set = w.set;
        for (int i = 0; i < 5; i++) {
                static const enum lx_err want[] = {
                    LX_ERR_RANGE, LX_OK, LX_ERR_RANGE, LX_ERR_FORMAT, LX_ERR_FORMAT};

                set = w.set;
                if (i == 0)
                        set.v[1].power = 0;
                else if (i == 1)
                        set.v[1].power = SIGCHAIN_POWER_MAX;
                else if (i == 2)
                        set.v[1].power = SIGCHAIN_POWER_MAX + 1;
                else if (i == 3)
                        set.v[1].key = set.v[0].key;
                else
                        set.v[1].name = LX_SPAN("a\n", 2);
                wr = lx_writer_init(buffer, sizeof(buffer));
                sigchain_valset_encode(&set, &wr);
                ck_assert_int_eq(sigchain_valset_decode(buffer, wr.len, &set), want[i]);
        }
        lx_buf_clear(&bytes);
        world_end(&w);
}
END_TEST

/* Bits of the bitmap: each signer counts once, bits beyond the set are refused. */
START_TEST(signatures_of_a_set)
{
        static struct world w;
        struct lx_hash msg = unit_hash(5);
        struct lx_buf bytes = {0};
        uint64_t power, other;

        world_begin(&w);
        for (unsigned mask = 0; mask < 32; mask++) {
                struct lx_writer wr = lx_writer_init(buffer, sizeof(buffer));
                struct lx_reader rd;
                struct sigchain_valset first = w.set;
                unsigned want = 0, in_first = 0;
                enum lx_err err;

                first.count = 1;
                lx_write_u8(&wr, (uint8_t)(mask << 3));
                for (unsigned i = 0; i < 5; i++) {
                        struct lx_sig sig = {{0}};

                        if ((mask << 3 & 0x80u >> i) == 0)
                                continue;
                        if (i < 4)
                                ck_assert_int_eq(lx_sign(w.validator[i], &msg, NULL, &sig), LX_OK);
                        lx_write_bytes(&wr, sig.b, 64);
                        want++;
                        in_first += i == 0;
                }
                rd = lx_reader_init(buffer, wr.len);
                err = sigchain_valset_verify(
                    lx_crypto_ops(), &w.set, &rd, &msg, &power, &first, &other);
                if ((mask & 1) != 0) { /* bit 4 of a set of four */
                        ck_assert_int_eq(err, LX_ERR_FORMAT);
                        continue;
                }
                ck_assert_int_eq(err, LX_OK);
                ck_assert_uint_eq(power, want);
                ck_assert_uint_eq(other, in_first);
        }
        lx_buf_clear(&bytes);
        world_end(&w);
}
END_TEST

START_TEST(parameters)
{
        struct sigchain_params params, back;
        struct lx_writer wr = lx_writer_init(buffer, sizeof(buffer));

        sigchain_params_defaults(&params);
        sigchain_params_encode(&params, &wr);
        check_codec(params_codec, &wr);
        ck_assert_ptr_null(sigchain_param_row(0));
        ck_assert_ptr_null(sigchain_param_row(SIGCHAIN_PARAM_COUNT_));
        for (unsigned id = 1; id < SIGCHAIN_PARAM_COUNT_; id++) {
                const struct sigchain_param_row *row = sigchain_param_row(id);

                ck_assert_uint_eq(row->id, id);
                ck_assert(row->min <= row->def && row->def <= row->max);
                for (int i = 0; i < 4; i++) {
                        const uint64_t value[] = {row->min - 1, row->min, row->max, row->max + 1};
                        bool ok = value[i] >= row->min && value[i] <= row->max;

                        wr = lx_writer_init(buffer, sizeof(buffer));
                        lx_write_u16(&wr, 1);
                        lx_write_u16(&wr, (uint16_t)id);
                        lx_write_u64(&wr, value[i]);
                        ck_assert_int_eq(sigchain_params_decode(buffer, wr.len, &back),
                            ok ? LX_OK : LX_ERR_RANGE);
                        if (ok)
                                ck_assert_uint_eq(back.value[id], value[i]);
                }
        }
        /* Ids rise strictly; the floors of key derivation are the parameters' minimum. */
        wr = lx_writer_init(buffer, sizeof(buffer));
        lx_write_u16(&wr, 2);
        for (int i = 0; i < 2; i++) {
                lx_write_u16(&wr, SIGCHAIN_FEE_UNIT);
                lx_write_u64(&wr, 1);
        }
        ck_assert_int_eq(sigchain_params_decode(buffer, wr.len, &back), LX_ERR_FORMAT);
        ck_assert_uint_eq(sigchain_param_row(SIGCHAIN_KDF_NAME_MEM)->min, 64 * 1024);
        ck_assert_uint_eq(sigchain_param_row(SIGCHAIN_KDF_NAME_PASSES)->min, 3);
        ck_assert_uint_eq(sigchain_param_row(SIGCHAIN_INDEX_INSERTS)->max, 65536);
        ck_assert_uint_eq(sigchain_param_row(SIGCHAIN_MANIFEST_BYTES)->max, 16u << 20);
        ck_assert_uint_eq(sigchain_param_row(SIGCHAIN_TRUST_DAYS)->def, 400);
}
END_TEST

static enum lx_err
decode_genesis(const struct sigchain_genesis *g)
{
        static struct sigchain_genesis back;
        struct lx_writer wr = lx_writer_init(buffer, sizeof(buffer));

        sigchain_genesis_encode(g, &wr);
        ck_assert_int_eq(lx_writer_end(&wr), LX_OK);
        return sigchain_genesis_decode(buffer, wr.len, &back);
}

static void
spoil_genesis(struct sigchain_genesis *g, int how)
{
        struct sigchain_root_prefix root = g->root[0];

        switch (how) {
        case 0:
                g->network[0] = '\0';
                break;
        case 1:
                g->network[0] = '\n';
                break;
        case 2:
                g->token_decimals = 19;
                break;
        case 3:
                g->allocation[0].amount++;
                break;
        case 4:
                g->allocation[0].amount--;
                break;
        case 5:
                g->allocation[1].genesis = g->allocation[0].genesis;
                break;
        case 6:
                g->eid_prefix[0] = 0xfc;
                break;
        case 7:
                g->root[0].family = 5;
                break;
        case 8:
                g->root[0].bits = 33;
                break;
        case 9:
                g->root[g->root_count++] = root;
                break;
        case 10:
                g->root[g->root_count++] = root, g->root[1].instance = 6;
                break;
        case 11:
                g->root[g->root_count++] = root, g->root[1].prefix[0] = 9;
                break;
        case 12:
                g->root[g->root_count++] = root, g->root[1].bits = 7;
                break;
        case 13:
                g->params.value[SIGCHAIN_BLOCK_OPS] = 1;
                break;
        case 14:
                g->validators.v[0].power = 0;
                break;
        case 15:
                g->allocation_count = SIGCHAIN_ALLOCATIONS_MAX;
                break;
        case 16:
                g->root[0].prefix[15] = 1;
                break;
        case 17:
                g->time_ms = SIGCHAIN_TIME_MAX + 1;
                break;
        default:
                ck_abort();
        }
}

START_TEST(genesis_documents)
{
        static const enum lx_err want[] = {LX_ERR_RANGE, LX_ERR_FORMAT, LX_ERR_RANGE, LX_ERR_RANGE,
            LX_ERR_RANGE, LX_ERR_FORMAT, LX_ERR_RANGE, LX_ERR_RANGE, LX_ERR_RANGE, LX_ERR_FORMAT,
            LX_ERR_FORMAT, LX_ERR_FORMAT, LX_ERR_FORMAT, LX_ERR_RANGE, LX_ERR_RANGE, LX_ERR_FORMAT,
            LX_ERR_FORMAT, LX_ERR_RANGE};
        static struct world w;
        static struct sigchain_genesis g;
        struct lx_writer wr = lx_writer_init(buffer, sizeof(buffer));

        world_begin(&w);
        g = w.genesis;
        sigchain_genesis_encode(&g, &wr);
        check_codec(genesis_codec, &wr);
        for (int i = 0; i < (int)(sizeof(want) / sizeof(want[0])); i++) {
                g = w.genesis;
                spoil_genesis(&g, i);
                ck_assert_msg(decode_genesis(&g) == want[i], "%d", i);
        }
        g = w.genesis;
        g.root[g.root_count++] = g.root[0];
        g.root[1].bits = 9;
        ck_assert_int_eq(decode_genesis(&g), LX_OK);
        world_end(&w);
}
END_TEST

/* ---- manifests --------------------------------------------------------------------------------- */

START_TEST(manifests)
{
        static struct world w;
        const struct lx_buf *bytes;
        struct lx_hash root, got;
        uint32_t count;
        uint64_t size;

        world_begin(&w);
        root = world_manifest(&w, 3, "bin", &size);
        bytes = lx_map_get(w.manifests, root.b, 32);
        check_cuts(manifest_codec, bytes->p, bytes->len, LX_ERR_TRAILING);
        ck_assert_int_eq(
            sigchain_manifest_read(world_ops(), lx_buf_span(bytes), NULL, NULL, &got, &count),
            LX_OK);
        ck_assert(lx_hash_eq(&root, &got) && count == 3);
        /* Every byte counts: another byte is refused or has another root. */
        for (size_t i = 0; i < bytes->len; i++) {
                bytes->p[i] ^= 1;
                ck_assert(sigchain_manifest_read(
                              world_ops(), lx_buf_span(bytes), NULL, NULL, &got, &count) != LX_OK ||
                          !lx_hash_eq(&root, &got));
                bytes->p[i] ^= 1;
        }
        world_end(&w);
}
END_TEST

START_TEST(manifest_paths)
{
        static const char *const good[] = {"a", "a/b", "usr/bin/ls", "...", "a/..b", "\xff"};
        static const char *const bad[] = {
            "", "/a", "a/", "a//b", ".", "..", "a/.", "../a", "a/../b"};
        char path[SIGCHAIN_PATH_MAX + 1];

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                ck_assert(sigchain_path_is_valid(LX_SPAN(good[i], strlen(good[i]))));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                ck_assert(!sigchain_path_is_valid(LX_SPAN(bad[i], strlen(bad[i]))));
        memset(path, 'x', sizeof(path));
        ck_assert(sigchain_path_is_valid(LX_SPAN(path, SIGCHAIN_PATH_MAX)));
        ck_assert(!sigchain_path_is_valid(LX_SPAN(path, SIGCHAIN_PATH_MAX + 1)));
        ck_assert(!sigchain_path_is_valid(LX_SPAN("a\0b", 3)));
}
END_TEST

static bool
stop_at_second(void *arg, uint32_t number, const struct sigchain_entry *entry, struct lx_span raw)
{
        (void)entry, (void)raw;
        *(uint32_t *)arg = number;
        return number < 1;
}

START_TEST(manifest_order_and_limits)
{
        struct sigchain_entry e[2] = {{.path = LX_SPAN("b", 1)}, {.path = LX_SPAN("a", 1)}};
        struct lx_buf out = {0};
        struct lx_hash root;
        uint32_t count = 0, seen = 0;

        ck_assert_int_eq(sigchain_manifest_write(world_ops(), e, 2, &out, &root), LX_ERR_FORMAT);
        lx_buf_reset(&out);
        e[1].path = e[0].path;
        ck_assert_int_eq(sigchain_manifest_write(world_ops(), e, 2, &out, &root), LX_ERR_FORMAT);
        lx_buf_reset(&out);
        e[1].path = LX_SPAN("b/c", 3);
        ck_assert_int_eq(sigchain_manifest_write(world_ops(), e, 2, &out, &root), LX_OK);
        ck_assert_int_eq(sigchain_manifest_read(
                             world_ops(), lx_buf_span(&out), stop_at_second, &seen, &root, &count),
            LX_ERR_STOPPED);
        ck_assert_uint_eq(seen, 1);
        /* The reader finds the wrong order too. */
        ck_assert_int_eq(out.p[5 + 2], 'b');
        out.p[5 + 2] = 'c';
        ck_assert_int_eq(
            sigchain_manifest_read(world_ops(), lx_buf_span(&out), NULL, NULL, &root, &count),
            LX_ERR_FORMAT);
        lx_buf_reset(&out);
        ck_assert_int_eq(sigchain_manifest_write(world_ops(), e, 0, &out, &root), LX_ERR_RANGE);
        ck_assert_int_eq(
            sigchain_manifest_write(world_ops(), e, SIGCHAIN_MANIFEST_ENTRIES_MAX + 1, &out, &root),
            LX_ERR_RANGE);
        lx_buf_clear(&out);
}
END_TEST

START_TEST(the_table_of_standards)
{
        for (unsigned type = 0; type < 256; type++) {
                const struct sigchain_standard *row = sigchain_standard_of(type);

                if (row == NULL)
                        continue;
                ck_assert_uint_eq(row->type, type);
                ck_assert_ptr_eq(sigchain_standard_named(row->name), row);
        }
        ck_assert_ptr_null(sigchain_standard_named("nonsense"));
        ck_assert(!sigchain_standard_of(SIGCHAIN_DELEGATION)->by_user);
        ck_assert(!sigchain_standard_of(SIGCHAIN_OWNERS)->by_user);
        ck_assert(!sigchain_standard_of(SIGCHAIN_INDEX)->by_user);
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {transactions, limits_of_transactions, malformed_transactions,
            evidence_transactions, ids_and_signatures, operations, limits_of_operations, states,
            text_is_utf8, limits_of_objects, malformed_registers, validator_sets,
            signatures_of_a_set, parameters, genesis_documents, manifests, manifest_paths,
            manifest_order_and_limits, the_table_of_standards, NULL};

        return unit_main("sigchain codecs", cases, 60);
}
