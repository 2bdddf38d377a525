/*
 * tests/unit/check_ledger_block.c - what a block may hold and what its header must say: limits, the digest
 * index ("the first release wins"), parameters that act at the next height, every field of a header.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "kit/chain.h"
#include "ledger/chain_file.h"
#include "merkle/proof.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

static struct kit_ledger kit;
static struct author author[3];
static struct lx_buf genesis;

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* One block with what @out holds, all included. */
static void
add_block(struct lx_buf *txs, size_t count)
{
        struct lx_span spans[8];

        for (size_t i = 0; i < count; i++)
                spans[i] = lx_buf_span(&txs[i]);
        kit_ledger_add_block(&kit, spans, count, 1);
        for (size_t i = 0; i < count; i++)
                lx_buf_clear(&txs[i]);
}

static void
begin(const char *parameters)
{
        struct lx_buf txs[3] = {{0}};

        kit_genesis(1, NULL, parameters, &genesis);
        kit_ledger_init(&kit, &genesis);
        for (uint64_t i = 0; i < 3; i++) {
                author_init(&author[i], i + 1, ledger_chain_id(kit.ledger));
                author_begin(&author[i], &txs[i], NULL);
        }
        add_block(txs, 3);
}

static void
end(void)
{
        for (int i = 0; i < 3; i++)
                author_clear(&author[i]);
        kit_ledger_clear(&kit);
        lx_buf_clear(&genesis);
}

/* What building says of each transaction; nothing is committed. */
static void
try_build(struct lx_buf *txs, size_t count, enum lx_err *results, struct lx_why *why)
{
        struct ledger_tx in[8] = {{0}};
        struct ledger_candidate *candidate;

        for (size_t i = 0; i < count; i++) {
                in[i].bytes = txs[i].p;
                in[i].len = txs[i].len;
        }
        ck_assert_int_eq(ledger_build(kit.ledger, in, count, 0, &candidate, why), LX_OK);
        for (size_t i = 0; i < count; i++)
                results[i] = in[i].result;
        if (why != NULL)
                *why = in[count - 1].why;
        ledger_candidate_free(candidate);
}

/* ---- releases ---------------------------------------------------------------------------------- */

static struct lx_hash
digest(uint64_t n)
{
        struct lx_hash h;

        lx_sha256(&n, sizeof(n), h.b);
        return h;
}

/* Store a manifest of entries first.. ; its root. Digests are numbers 3n, 3n + 1, 3n + 2. */
static struct lx_hash
store_manifest(uint64_t first, uint32_t count, uint64_t *out_size)
{
        struct sigchain_entry *e = lx_alloc_array(count, sizeof(*e));
        char(*path)[24] = lx_alloc_array(count, sizeof(*path));
        struct lx_buf bytes = {0};
        struct lx_hash root;

        for (uint32_t i = 0; i < count; i++) {
                snprintf(path[i], sizeof(path[i]), "f%08u", i);
                e[i] = (struct sigchain_entry){.path = LX_SPAN(path[i], 9),
                    .size = first,
                    .root = digest(3 * (first + i)),
                    .sha256 = digest(3 * (first + i) + 1),
                    .fsverity = digest(3 * (first + i) + 2)};
        }
        ck_assert_int_eq(sigchain_manifest_write(ops(), e, count, &bytes, &root), LX_OK);
        ck_assert_int_eq(
            blob_put(kit.blobs, LEDGER_BLOB_MANIFEST, &root, bytes.p, bytes.len, NULL), LX_OK);
        *out_size = bytes.len;
        lx_buf_clear(&bytes);
        lx_free(path);
        lx_free(e);
        return root;
}

static struct sigchain_field
field(const char *name, enum sigchain_field_type type, uint64_t number, struct lx_span bytes)
{
        return (struct sigchain_field){
            LX_SPAN(name, strlen(name)), type, SIGCHAIN_FIXED, number, bytes};
}

/* A transaction that publishes @root; the release's address. */
static struct lx_hash
publish(struct author *a, enum sigchain_type type, struct lx_hash root, uint32_t entries,
    uint64_t size, struct lx_buf *out)
{
        static const struct lx_hash none = {{0}};
        struct sigchain_object o = {.count = 6};
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_CREATE};
        uint8_t data[400];
        struct lx_writer wr = lx_writer_init(data, sizeof(data));
        struct lx_hash address;

        o.field[0] = field("name", SIGCHAIN_TEXT, 0, LX_SPAN("n", 1));
        o.field[1] = field("version", SIGCHAIN_TEXT, 0, LX_SPAN("1", 1));
        o.field[2] = field("manifest", SIGCHAIN_HASH, 0, LX_SPAN(root.b, 32));
        o.field[3] = field("entries", SIGCHAIN_U64, entries, LX_SPAN(NULL, 0));
        o.field[4] = field("size", SIGCHAIN_U64, size, LX_SPAN(NULL, 0));
        o.field[5] = field("leaves", SIGCHAIN_HASH, 0, LX_SPAN(none.b, 32));
        sigchain_object_encode(&o, &wr);
        op.u.create.type = type;
        op.u.create.data = LX_SPAN(data, wr.len);
        sigchain_address_created(ops(), type, &a->genesis, a->sequence, 0, &address);
        author_write_tx(a, &op, 1, out, NULL);
        return address;
}

/* In @who's index digest @n is proven to belong to entry @entry of @release (NULL: to be absent). */
static void
check_index(const struct author *who, uint64_t n, const struct lx_hash *release, uint32_t entry)
{
        struct ledger_view *view = ledger_view_new(kit.ledger);
        struct lx_buf value = {0}, proof = {0};
        struct sigchain_register reg;
        struct sigchain_object o;
        struct lx_hash address, root, key = digest(n), want;
        struct lx_reader rd;

        sigchain_address(ops(), SIGCHAIN_INDEX, who->genesis.b, 32, &address);
        ck_assert_int_eq(
            ledger_get_state(view, SIGCHAIN_KIND_REGISTER, address.b, 32, LEDGER_NOW, &value, NULL),
            LX_OK);
        ck_assert_int_eq(sigchain_register_decode(value.p, value.len, &reg), LX_OK);
        ck_assert(lx_hash_eq(&reg.owner, &who->genesis));
        ck_assert_int_eq(sigchain_object_decode(reg.data, &o), LX_OK);
        ck_assert(sigchain_object_get_hash(&o, "root", &root));
        ck_assert_int_eq(ledger_prove_digest(view, &who->genesis, &key, &proof), LX_OK);
        rd = lx_reader_init(proof.p, proof.len);
        if (release != NULL)
                sigchain_index_value(ops(), release, entry, &want);
        ck_assert_int_eq(
            merkle_proof_verify(ops(), &rd, &key, release != NULL ? &want : NULL, &root), LX_OK);
        lx_buf_clear(&value);
        lx_buf_clear(&proof);
        ledger_view_unref(view);
}

static uint64_t
index_count(const struct author *who)
{
        struct ledger_view *view = ledger_view_new(kit.ledger);
        struct lx_buf value = {0};
        struct sigchain_register reg;
        struct sigchain_object o;
        struct lx_hash address;
        uint64_t count = 0;

        sigchain_address(ops(), SIGCHAIN_INDEX, who->genesis.b, 32, &address);
        ck_assert_int_eq(
            ledger_get_state(view, SIGCHAIN_KIND_REGISTER, address.b, 32, LEDGER_NOW, &value, NULL),
            LX_OK);
        ck_assert_int_eq(sigchain_register_decode(value.p, value.len, &reg), LX_OK);
        ck_assert_int_eq(sigchain_object_decode(reg.data, &o), LX_OK);
        ck_assert(sigchain_object_get_u64(&o, "count", &count));
        lx_buf_clear(&value);
        ledger_view_unref(view);
        return count;
}

START_TEST(the_first_release_wins)
{
        struct lx_buf txs[3] = {{0}};
        struct lx_hash root, overlap, first, second, approval;
        struct ledger_published published[8];
        struct ledger_view *view;
        struct lx_hash key = digest(3 * 105);
        uint64_t size, overlap_size;
        size_t found = 0;

        begin("");
        /* Entries 100 to 109, and 105 to 114 in the same block and again, as an approval, in the next. */
        root = store_manifest(100, 10, &size);
        overlap = store_manifest(105, 10, &overlap_size);
        first = publish(&author[0], SIGCHAIN_RELEASE, root, 10, size, &txs[0]);
        second = publish(&author[0], SIGCHAIN_RELEASE, overlap, 10, overlap_size, &txs[1]);
        add_block(txs, 2);
        approval = publish(&author[0], SIGCHAIN_APPROVAL, overlap, 10, overlap_size, &txs[0]);
        add_block(txs, 1);
        (void)approval;
        for (uint64_t n = 3 * 100; n < 3 * 115; n++) {
                uint64_t entry = n / 3;

                check_index(&author[0], n, entry < 110 ? &first : &second,
                    (uint32_t)(entry < 110 ? entry - 100 : entry - 105));
        }
        check_index(&author[0], 3 * 115, NULL, 0);
        ck_assert_uint_eq(index_count(&author[0]), 45);
        /* Another publisher has an index of its own. */
        first = publish(&author[1], SIGCHAIN_APPROVAL, overlap, 10, overlap_size, &txs[0]);
        add_block(txs, 1);
        check_index(&author[1], 3 * 105, &first, 0);
        check_index(&author[1], 3 * 100, NULL, 0);
        view = ledger_view_new(kit.ledger);
        ck_assert_int_eq(ledger_find_digest(view, &key, published, 8, &found), LX_OK);
        ck_assert_uint_eq(found, 2);
        ck_assert(lx_hash_eq(&published[0].publisher, &author[0].genesis));
        ck_assert(lx_hash_eq(&published[1].publisher, &author[1].genesis));
        ledger_view_unref(view);
        end();
}
END_TEST

/* A file whose digests are equal counts once; a release whose digests are all known adds none. */
START_TEST(nothing_is_counted_twice)
{
        struct lx_buf tx = {0};
        struct lx_hash root;
        uint64_t size;

        begin("");
        root = store_manifest(7, 3, &size);
        (void)publish(&author[0], SIGCHAIN_RELEASE, root, 3, size, &tx);
        add_block(&tx, 1);
        ck_assert_uint_eq(index_count(&author[0]), 9);
        (void)publish(&author[0], SIGCHAIN_RELEASE, root, 3, size, &tx);
        add_block(&tx, 1);
        ck_assert_uint_eq(index_count(&author[0]), 9);
        end();
}
END_TEST

START_TEST(insertions_of_a_block_are_limited)
{
        struct lx_buf txs[3] = {{0}};
        struct lx_hash root;
        enum lx_err results[3];
        struct lx_why why = {{0}};
        uint64_t size;

        begin("\"index-inserts\":1024");
        root = store_manifest(0, 200, &size); /* 600 digests */
        for (int i = 0; i < 3; i++)
                (void)publish(&author[i], SIGCHAIN_RELEASE, root, 200, size, &txs[i]);
        try_build(txs, 3, results, &why);
        ck_assert_int_eq(results[0], LX_OK);
        ck_assert_int_eq(results[1], LX_ERR_LIMIT); /* it waits for the next block */
        ck_assert_int_eq(results[2], LX_ERR_LIMIT);
        add_block(&txs[0], 1);
        add_block(&txs[1], 1);
        add_block(&txs[2], 1);
        /* What no block could take is refused for good, with the way out. */
        root = store_manifest(0, 342, &size);
        (void)publish(&author[0], SIGCHAIN_RELEASE, root, 342, size, &txs[0]);
        why.text[0] = '\0';
        try_build(txs, 1, results, &why);
        ck_assert_int_eq(results[0], LX_ERR_RULE);
        ck_assert_ptr_nonnull(strstr(why.text, "split the release"));
        lx_buf_clear(&txs[0]);
        end();
}
END_TEST

/* A manifest that the disk gave back otherwise than it was checked is damage, not another index. */
START_TEST(a_damaged_manifest_is_no_index)
{
        struct lx_buf tx = {0};
        struct ledger_tx in = {0};
        struct ledger_candidate *candidate = NULL;
        struct lx_why why = {{0}};
        char path[256], hex[65];
        struct lx_hash root;
        uint64_t size;
        int fd;

        begin("");
        root = store_manifest(0, 3, &size);
        (void)publish(&author[0], SIGCHAIN_RELEASE, root, 3, size, &tx);
        lx_hex(root.b, 32, hex);
        snprintf(path, sizeof(path), "%s/blob/manifest/%.2s/%s", kit.dir, hex, hex);
        fd = open(path, O_WRONLY);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(pwrite(fd, "X", 1, (off_t)size - 1), 1); /* in the last digest */
        close(fd);
        in.bytes = tx.p;
        in.len = tx.len;
        ck_assert_int_eq(ledger_build(kit.ledger, &in, 1, 0, &candidate, &why), LX_ERR_CORRUPT);
        ck_assert_ptr_null(candidate);
        lx_buf_clear(&tx);
        end();
}
END_TEST

/* ---- limits ------------------------------------------------------------------------------------ */

static void
many_raws(struct author *a, size_t count, size_t len, struct lx_buf *out)
{
        static uint8_t data[4096];
        struct sigchain_op_body *bodies = lx_alloc_array(count, sizeof(*bodies));

        for (size_t i = 0; i < count; i++) {
                bodies[i].type = SIGCHAIN_OP_CREATE;
                bodies[i].u.create.type = SIGCHAIN_RAW;
                bodies[i].u.create.data = LX_SPAN(data, len);
        }
        author_write_tx(a, bodies, count, out, NULL);
        lx_free(bodies);
}

START_TEST(operations_of_a_block_are_limited)
{
        struct lx_buf txs[3] = {{0}};
        enum lx_err results[3];

        begin("\"block-ops\":150");
        many_raws(&author[0], 100, 1, &txs[0]);
        many_raws(&author[1], 51, 1, &txs[1]);
        many_raws(&author[2], 50, 1, &txs[2]);
        try_build(txs, 3, results, NULL);
        ck_assert_int_eq(results[0], LX_OK);
        ck_assert_int_eq(results[1], LX_ERR_LIMIT);
        ck_assert_int_eq(results[2], LX_OK); /* exactly 150 */
        for (int i = 0; i < 3; i++)
                lx_buf_clear(&txs[i]);
        end();
}
END_TEST

START_TEST(operations_of_a_chain_are_limited)
{
        struct lx_buf txs[3] = {{0}};
        enum lx_err results[3];

        begin("\"chain-ops\":100");
        many_raws(&author[0], 60, 1, &txs[0]);
        many_raws(&author[0], 41, 1, &txs[1]);
        many_raws(&author[0], 1, 1, &txs[2]);
        try_build(txs, 3, results, NULL);
        ck_assert_int_eq(results[0], LX_OK);
        ck_assert_int_eq(results[1], LX_ERR_LIMIT);
        ck_assert_int_eq(results[2], LX_ERR_LIMIT); /* it follows one that waits */
        for (int i = 0; i < 3; i++)
                lx_buf_clear(&txs[i]);
        end();
}
END_TEST

START_TEST(bytes_of_a_block_are_limited)
{
        struct lx_buf txs[3] = {{0}};
        enum lx_err results[3];

        begin("\"block-bytes\":131072");
        for (int i = 0; i < 3; i++)
                many_raws(&author[i], 12, 4096, &txs[i]); /* 49 KiB */
        try_build(txs, 3, results, NULL);
        ck_assert_int_eq(results[0], LX_OK);
        ck_assert_int_eq(results[1], LX_OK);
        ck_assert_int_eq(results[2], LX_ERR_LIMIT);
        for (int i = 0; i < 3; i++)
                lx_buf_clear(&txs[i]);
        end();
}
END_TEST

/* ---- headers ----------------------------------------------------------------------------------- */

/* Another field of the header: refused, and the field is named. */
START_TEST(headers_say_what_executing_gives)
{
        static const char *const names[] = {"rule version", "chain id", "height", "previous header",
            "transactions root", "state root", "history root", "validator set",
            "next validator set"};
        struct lx_buf tx = {0};
        struct ledger_tx in = {0};
        struct ledger_candidate *candidate;
        struct ledger_header good, bad;
        struct lx_why why = {{0}};

        begin("");
        many_raws(&author[0], 3, 10, &tx);
        in.bytes = tx.p;
        in.len = tx.len;
        ck_assert_int_eq(ledger_build(kit.ledger, &in, 1, 0, &candidate, &why), LX_OK);
        good = *ledger_candidate_header(candidate);
        ledger_candidate_free(candidate);
        for (int i = 0; i < 9; i++) {
                struct lx_hash *hash[] = {NULL, &bad.chain_id, NULL, &bad.previous, &bad.tx_root,
                    &bad.state_root, &bad.history_root, &bad.valset, &bad.next_valset};

                bad = good;
                if (i == 0)
                        bad.rule_version = LEDGER_RULE_VERSION + 1;
                else if (i == 2)
                        bad.height++;
                else
                        hash[i]->b[7] ^= 1;
                why.text[0] = '\0';
                ck_assert_int_eq(ledger_check_block(kit.ledger, &bad, &in, 1, &candidate, &why),
                    i == 0 ? LX_ERR_VERSION : LX_ERR_RULE);
                ck_assert_msg(strstr(why.text, names[i]) != NULL, "%s, not %s", why.text, names[i]);
        }
        bad = good;
        bad.time_ms = 0;
        why.text[0] = '\0';
        ck_assert_int_eq(
            ledger_check_block(kit.ledger, &bad, &in, 1, &candidate, &why), LX_ERR_RULE);
        ck_assert_ptr_nonnull(strstr(why.text, "rule time"));
        /* Without its transaction, or with it twice: another block. */
        ck_assert_int_eq(
            ledger_check_block(kit.ledger, &good, &in, 0, &candidate, NULL), LX_ERR_RULE);
        {
                struct ledger_tx twice[2] = {in, in};

                ck_assert_int_eq(
                    ledger_check_block(kit.ledger, &good, twice, 2, &candidate, NULL), LX_ERR_RULE);
        }
        ck_assert_int_eq(ledger_check_block(kit.ledger, &good, &in, 1, &candidate, &why), LX_OK);
        ledger_candidate_free(candidate);
        lx_buf_clear(&tx);
        end();
}
END_TEST

/* A change of parameters is state of its block and acts at the next height. */
START_TEST(parameters_act_at_the_next_height)
{
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_PARAMETER_UPDATE};
        struct ledger_view *view;
        struct lx_buf txs[2] = {{0}};
        struct lx_hash set_hash, msg;
        struct lx_sig sig;
        uint8_t what[12], cert[1 + LX_SIG_LEN] = {0x80}, secret[32];
        struct lx_writer wr = lx_writer_init(what, sizeof(what));
        enum lx_err results[2];

        begin("");
        lx_write_u16(&wr, 1);
        lx_write_u16(&wr, SIGCHAIN_BLOCK_OPS);
        lx_write_u64(&wr, 100);
        view = ledger_view_new(kit.ledger);
        sigchain_valset_hash(
            ops(), ledger_view_valset(view).p, ledger_view_valset(view).len, &set_hash);
        ledger_view_unref(view);
        sigchain_update_message(ops(), SIGCHAIN_OP_PARAMETER_UPDATE, ledger_chain_id(kit.ledger),
            &set_hash, 50, LX_SPAN(what, sizeof(what)), &msg);
        kit_validator_key(0, secret);
        ck_assert_int_eq(lx_sign(secret, &msg, NULL, &sig), LX_OK);
        memcpy(cert + 1, sig.b, LX_SIG_LEN);
        op.u.update = (struct sigchain_op_update){
            50, LX_SPAN(what, sizeof(what)), LX_SPAN(cert, sizeof(cert))};
        author_write_tx(&author[0], &op, 1, &txs[0], NULL);
        many_raws(&author[1], 100, 1, &txs[1]);
        add_block(txs, 2); /* 101 operations: the old limit */
        many_raws(&author[0], 1, 1, &txs[0]);
        many_raws(&author[1], 100, 1, &txs[1]);
        try_build(txs, 2, results, NULL);
        ck_assert_int_eq(results[0], LX_OK);
        ck_assert_int_eq(results[1], LX_ERR_LIMIT);
        lx_buf_clear(&txs[0]);
        lx_buf_clear(&txs[1]);
        end();
}
END_TEST

/* ---- chain files ------------------------------------------------------------------------------- */

/* A file of three blocks: read again, refused at every cut, with another chain id, height, or magic. */
START_TEST(chain_files)
{
        struct lx_buf file = {0}, cert = {0}, set = {0}, tx = {0};
        struct ledger_view *view;
        struct ledger_chain_file head;
        struct ledger_chain_item item;
        struct lx_reader rd;
        size_t cut;

        begin("");
        for (int i = 0; i < 2; i++) {
                many_raws(&author[0], 1, 5, &tx);
                add_block(&tx, 1);
        }
        view = ledger_view_new(kit.ledger);
        ledger_chain_file_begin(&file, ledger_chain_id(kit.ledger), 1, 3);
        for (uint64_t h = 1; h <= 3; h++) {
                struct ledger_header header;
                uint8_t bytes[LEDGER_HEADER_LEN];

                ck_assert_int_eq(ledger_get_header(view, h, &header), LX_OK);
                ledger_header_encode(&header, bytes);
                lx_buf_reset(&cert);
                lx_buf_reset(&set);
                ck_assert_int_eq(ledger_get_cert(view, h, &cert), LX_OK);
                if (h == 1)
                        ck_assert_int_eq(ledger_get_valset(view, &header.valset, &set), LX_OK);
                ck_assert_int_eq(ledger_chain_file_add(&file, LX_SPAN(bytes, sizeof(bytes)),
                                     lx_buf_span(&cert), lx_buf_span(&set)),
                    LX_OK);
        }
        ledger_view_unref(view);
        for (cut = 0; cut <= file.len; cut++) {
                uint8_t *copy = lx_memdup(file.p, cut);
                uint64_t seen = 0;
                enum lx_err err;

                rd = lx_reader_init(copy, cut);
                err = ledger_chain_file_open(&rd, &head);
                while (err == LX_OK && ledger_chain_file_has_more(&head)) {
                        err = ledger_chain_file_next(&rd, &head, &item);
                        if (err == LX_OK)
                                ck_assert_uint_eq(item.header.height, ++seen);
                }
                ck_assert_int_eq(err == LX_OK, cut == file.len);
                lx_free(copy);
        }
        for (size_t at = 0; at < 56; at++) {
                file.p[at] ^= 1;
                rd = lx_reader_init(file.p, file.len);
                if (ledger_chain_file_open(&rd, &head) == LX_OK && at < 48)
                        ck_assert_int_eq(ledger_chain_file_next(&rd, &head, &item), LX_ERR_FORMAT);
                file.p[at] ^= 1;
        }
        ck_assert_int_eq(
            ledger_chain_file_add(&file, LX_SPAN(file.p, 10), LX_SPAN(NULL, 0), LX_SPAN(NULL, 0)),
            LX_ERR_RANGE);
        lx_buf_clear(&file);
        lx_buf_clear(&cert);
        lx_buf_clear(&set);
        end();
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {the_first_release_wins, nothing_is_counted_twice,
            insertions_of_a_block_are_limited, a_damaged_manifest_is_no_index,
            operations_of_a_block_are_limited, operations_of_a_chain_are_limited,
            bytes_of_a_block_are_limited, headers_say_what_executing_gives,
            parameters_act_at_the_next_height, chain_files, NULL};

        return lx_crypto_init() == LX_OK ? unit_main("ledger blocks", cases, 60) : 1;
}
