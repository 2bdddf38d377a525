/*
 * tests/tools/gen-formats.c - writes the published vectors of our own formats: tests/vectors/formats.json.
 *
 * gen-formats >tests/vectors/formats.json makes them anew; with an argument it compares what it would
 * write with that file and fails when they differ. tests/tools/check-formats recomputes them with
 * Python's hashlib and a BIP 340 of its own.
 */
#include "config.h"
#include "base/buf.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "crypto/tags.h"
#include "keys/derive.h"
#include "keys/keyfile.h"
#include "keys/words.h"
#include "kit/pages.h"
#include "ledger/cert.h"
#include "ledger/header.h"
#include "merkle/file.h"
#include "merkle/log.h"
#include "merkle/proof.h"
#include "merkle/state.h"
#include "merkle/trie.h"
#include "sigchain/apply.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"
#include "sigchain/op.h"
#include "sigchain/params.h"
#include "sigchain/tx.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALIDATORS 3

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

static json_t *
hex(const void *p, size_t len)
{
        char *text = lx_alloc(LX_HEX_LEN(len));
        json_t *o;

        lx_hex(p, len, text);
        o = json_string(text);
        lx_free(text);
        return o;
}

static json_t *
hash_hex(const struct lx_hash *h)
{
        return hex(h->b, LX_HASH_LEN);
}

/* What a writer holds; a codec that failed ends the program. */
static json_t *
written(const struct lx_writer *wr)
{
        if (lx_writer_end(wr) != LX_OK)
                abort();
        return hex(wr->p, wr->len);
}

static void
must(enum lx_err err)
{
        if (err != LX_OK)
                abort();
}

/* Hash number @n: SHA-256 of its eight bytes, so that anybody can make it. */
static struct lx_hash
number(uint64_t n)
{
        uint8_t bytes[8];
        struct lx_hash h;

        lx_put_be64(bytes, n);
        lx_sha256(bytes, sizeof(bytes), h.b);
        return h;
}

static uint8_t buffer[SIGCHAIN_GENESIS_MAX];

static struct lx_writer
writer(void)
{
        return lx_writer_init(buffer, sizeof(buffer));
}

/* ---- hashes ------------------------------------------------------------------------------------ */

static json_t *
make_hashes(void)
{
        static const char *const texts[] = {"lx.leaf", "lx.node", "lx.sleaf", "lx.snode", "lx.skey",
            "lx.value", "lx.addr", "lx.chain", "lx.genesis", "lx.nextkey", "lx.tx", "lx.witness",
            "lx.stamp", "lx.header", "lx.valset", "lx.vote", "lx.update", "lx.trie", "lx.seedsalt",
            "lx.namesalt", "lx.key"};
        json_t *list = json_array();

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct lx_tag tag = {{0}};
                struct lx_hash h;
                uint8_t data[200];

                for (size_t j = 0; j < sizeof(data); j++)
                        data[j] = (uint8_t)(j + i);
                memcpy(tag.text, texts[i], strlen(texts[i]));
                lx_blake2b(&tag, data, 7 * i, &h);
                json_array_append_new(list, json_pack("{s:s,s:o,s:o}", "tag", texts[i], "data",
                                                hex(data, 7 * i), "hash", hash_hex(&h)));
        }
        return list;
}

/* ---- validators, headers, certificates --------------------------------------------------------- */

struct validators {
        uint8_t sec[VALIDATORS][32];
        struct sigchain_valset set;
        uint8_t bytes[SIGCHAIN_VALSET_BYTES_MAX];
        size_t len;
        struct lx_hash hash;
};

static void
make_validators(struct validators *v)
{
        static const char *const names[VALIDATORS] = {"alpha", "beta", "gamma"};
        struct lx_writer wr = lx_writer_init(v->bytes, sizeof(v->bytes));

        for (size_t i = 0; i < VALIDATORS; i++) {
                struct lx_hash sec = number(100 + i);
                struct lx_pubkey key;
                size_t at = i;

                must(lx_sign_pubkey(sec.b, &key));
                for (; at > 0 && memcmp(v->set.v[at - 1].key.b, key.b, 32) > 0; at--) { /* public */
                        v->set.v[at] = v->set.v[at - 1];
                        memcpy(v->sec[at], v->sec[at - 1], 32);
                }
                v->set.v[at] = (struct sigchain_validator){.key = key, .power = 10 + i};
                memcpy(v->sec[at], sec.b, 32);
        }
        v->set.count = VALIDATORS;
        v->set.total = 33;
        for (size_t i = 0; i < VALIDATORS; i++)
                v->set.v[i].name = LX_SPAN(names[i], strlen(names[i]));
        sigchain_valset_encode(&v->set, &wr);
        v->len = wr.len;
        sigchain_valset_hash(ops(), v->bytes, v->len, &v->hash);
}

static json_t *
make_header(const struct validators *v, const struct lx_hash *chain_id)
{
        struct ledger_header header = {.rule_version = 1,
            .chain_id = *chain_id,
            .height = 5,
            .time_ms = 1700000000123,
            .previous = number(1),
            .tx_root = number(2),
            .state_root = number(3),
            .history_root = number(4),
            .valset = v->hash,
            .next_valset = v->hash};
        uint8_t bytes[LEDGER_HEADER_LEN];
        struct lx_hash hash, msg;
        struct lx_writer wr = writer();

        ledger_header_encode(&header, bytes);
        ledger_header_hash(ops(), &header, &hash);
        ledger_vote_message(ops(), LEDGER_VOTE_PRECOMMIT, chain_id, 5, 2, &hash, &msg);
        lx_write_u32(&wr, 2);
        lx_write_u8(&wr, 0xe0);
        for (size_t i = 0; i < VALIDATORS; i++) {
                struct lx_sig sig;

                must(lx_sign(v->sec[i], &msg, NULL, &sig));
                lx_write_bytes(&wr, sig.b, LX_SIG_LEN);
        }
        must(ledger_cert_verify(lx_crypto_ops(), &header, &v->set, wr.p, wr.len));
        return json_pack("{s:o,s:o,s:i,s:o,s:o,s:o,s:o}", "header", hex(bytes, sizeof(bytes)),
            "hash", hash_hex(&hash), "round", 2, "message", hash_hex(&msg), "certificate",
            written(&wr), "valset", hex(v->bytes, v->len), "valset_hash", hash_hex(&v->hash));
}

/* ---- genesis ----------------------------------------------------------------------------------- */

static json_t *
make_genesis(const struct validators *v, struct lx_hash *out_chain_id)
{
        struct sigchain_genesis *g = lx_alloc(sizeof(*g));
        struct lx_writer wr = writer();
        struct lx_hash token;
        json_t *o;

        memcpy(g->network, "vectors", 7);
        g->time_ms = 1700000000000;
        sigchain_params_defaults(&g->params);
        g->validators = v->set;
        memcpy(g->token_name, "lx", 2);
        g->token_decimals = 8;
        g->token_supply = 3000;
        g->allocation_count = 2;
        g->allocation[0].genesis = number(11);
        g->allocation[1].genesis = number(12);
        if (lx_hash_cmp(&g->allocation[0].genesis, &g->allocation[1].genesis) > 0) {
                g->allocation[0].genesis = number(12);
                g->allocation[1].genesis = number(11);
        }
        g->allocation[0].amount = 1000;
        g->allocation[1].amount = 2000;
        memcpy(g->eid_prefix, "\xfd\x12\x34\x56", 4);
        g->root_count = 1;
        g->root[0] = (struct sigchain_root_prefix){
            .instance = 7, .family = 4, .prefix = {10}, .bits = 8, .owner = number(11)};
        sigchain_genesis_encode(g, &wr);
        sigchain_chain_id(ops(), wr.p, wr.len, out_chain_id);
        sigchain_token_address(ops(), out_chain_id, &token);
        o = json_pack("{s:o,s:o,s:o}", "document", written(&wr), "chain_id", hash_hex(out_chain_id),
            "token", hash_hex(&token));
        lx_free(g);
        return o;
}

/* ---- transactions ------------------------------------------------------------------------------ */

static json_t *
make_ops(void)
{
        static struct sigchain_op_body body;
        json_t *o = json_object();

        for (unsigned type = SIGCHAIN_OP_CREATE; type <= SIGCHAIN_OP_NODE_ADMIT; type++) {
                struct lx_writer wr = writer();

                memset(&body, 0, sizeof(body));
                body.type = (enum sigchain_op_type)type;
                switch (body.type) {
                case SIGCHAIN_OP_CREATE:
                        body.u.create =
                            (struct sigchain_op_create){SIGCHAIN_RAW, LX_SPAN("data", 4)};
                        break;
                case SIGCHAIN_OP_WRITE:
                        body.u.write = (struct sigchain_op_write){number(1), LX_SPAN("data", 4)};
                        break;
                case SIGCHAIN_OP_APPEND:
                        body.u.append = (struct sigchain_op_append){
                            number(1), 2, {LX_SPAN("one", 3), LX_SPAN("two", 3)}};
                        break;
                case SIGCHAIN_OP_TRANSFER:
                        body.u.transfer = (struct sigchain_op_transfer){number(1), number(2)};
                        break;
                case SIGCHAIN_OP_CLAIM:
                        body.u.claim.address = number(1);
                        break;
                case SIGCHAIN_OP_DEBIT:
                        body.u.debit = (struct sigchain_op_debit){number(1), number(2), 300, 4000};
                        break;
                case SIGCHAIN_OP_CREDIT:
                        body.u.credit = (struct sigchain_op_credit){number(1), 2, number(3)};
                        break;
                case SIGCHAIN_OP_REVOKE:
                        body.u.revoke.digest = number(1);
                        break;
                case SIGCHAIN_OP_VALIDATOR_UPDATE:
                case SIGCHAIN_OP_PARAMETER_UPDATE:
                case SIGCHAIN_OP_NODE_ADMIT:
                        body.u.update = (struct sigchain_op_update){
                            9, LX_SPAN("what", 4), LX_SPAN("certificate", 11)};
                        break;
                }
                sigchain_op_encode(&body, &wr);
                json_object_set_new(o, sigchain_op_name(type), written(&wr));
        }
        return o;
}

static json_t *
make_tx(const struct lx_hash *chain_id)
{
        static struct sigchain_tx tx;
        uint8_t body[3 + 1 + 4];
        struct lx_writer wr = lx_writer_init(body, sizeof(body));
        struct lx_hash sec = number(21), msg;
        json_t *core, *whole;

        lx_write_u8(&wr, SIGCHAIN_RAW);
        lx_write_var16(&wr, LX_SPAN("data", 4));
        tx = (struct sigchain_tx){.chain_id = *chain_id,
            .genesis = number(22),
            .sequence = 3,
            .previous = number(23),
            .next = number(24),
            .expiry = 1000,
            .fee = 2,
            .fee_account = number(25),
            .op_count = 1,
            .witness_count = 1};
        tx.op[0] = (struct sigchain_op){SIGCHAIN_OP_CREATE, LX_SPAN(body, wr.len)};
        wr = writer();
        sigchain_tx_encode_core(&tx, &wr);
        core = written(&wr);
        sigchain_tx_id(ops(), wr.p, wr.len, &tx.id);
        tx.witness[0].role = SIGCHAIN_ROLE_CHAIN;
        sigchain_tx_message(ops(), SIGCHAIN_ROLE_CHAIN, &tx.id, &msg);
        must(lx_sign_pubkey(sec.b, &tx.witness[0].key));
        must(lx_sign(sec.b, &msg, NULL, &tx.witness[0].sig));
        wr = writer();
        sigchain_tx_encode(&tx, &wr);
        whole = written(&wr);
        return json_pack("{s:o,s:o,s:o,s:o,s:o}", "core", core, "id", hash_hex(&tx.id), "message",
            hash_hex(&msg), "transaction", whole, "operations", make_ops());
}

static json_t *
make_update(const struct lx_hash *chain_id, const struct lx_hash *set_hash)
{
        struct lx_hash msg;

        sigchain_update_message(
            ops(), SIGCHAIN_OP_PARAMETER_UPDATE, chain_id, set_hash, 77, LX_SPAN("what", 4), &msg);
        return json_pack("{s:i,s:i,s:o,s:o}", "type", 10, "expiry", 77, "what", hex("what", 4),
            "message", hash_hex(&msg));
}

/* ---- states ------------------------------------------------------------------------------------ */

static void
add_state(json_t *list, const char *name, enum sigchain_kind kind, const void *key, size_t key_len,
    const struct lx_writer *wr)
{
        struct lx_hash state_key, value;

        sigchain_state_key(ops(), kind, key, key_len, &state_key);
        sigchain_state_value(ops(), wr->p, wr->len, &value);
        json_array_append_new(
            list, json_pack("{s:s,s:i,s:o,s:o,s:o,s:o}", "name", name, "kind", (int)kind, "key",
                      hex(key, key_len), "state_key", hash_hex(&state_key), "value", written(wr),
                      "value_hash", hash_hex(&value)));
}

static struct sigchain_field
field(const char *name, enum sigchain_field_type type, enum sigchain_access access, uint64_t u64,
    struct lx_span bytes)
{
        return (struct sigchain_field){LX_SPAN(name, strlen(name)), type, access, u64, bytes};
}

static json_t *
make_states(void)
{
        json_t *list = json_array();
        struct lx_hash h = number(31), address, genesis = number(32);
        struct sigchain_object object = {.count = 6};
        uint8_t data[512], key[64];
        struct lx_writer wr = lx_writer_init(data, sizeof(data));
        struct sigchain_register reg = {.type = SIGCHAIN_OBJECT,
            .owner = genesis,
            .created = 4,
            .modified = 5,
            .pending = number(33)};
        struct sigchain_chain chain = {6, number(34), number(35), 4, 5};
        struct sigchain_debit debit = {number(36), number(37), number(38), 900, 1000};

        object.field[0] = field("number", SIGCHAIN_U64, SIGCHAIN_FIXED, 7, LX_SPAN(NULL, 0));
        object.field[1] = field("hash", SIGCHAIN_HASH, SIGCHAIN_MUTABLE, 0, LX_SPAN(h.b, 32));
        object.field[2] = field("bytes", SIGCHAIN_BYTES, SIGCHAIN_MUTABLE, 0, LX_SPAN("\0\1", 2));
        object.field[3] = field("text", SIGCHAIN_TEXT, SIGCHAIN_FIXED, 0, LX_SPAN("hello", 5));
        object.field[4] = field("address", SIGCHAIN_ADDRESS, SIGCHAIN_SYSTEM, 0, LX_SPAN(h.b, 32));
        object.field[5] = field("flag", SIGCHAIN_BOOL, SIGCHAIN_FIXED, 1, LX_SPAN(NULL, 0));
        sigchain_object_encode(&object, &wr);
        reg.data = LX_SPAN(data, wr.len);
        sigchain_address_created(ops(), SIGCHAIN_OBJECT, &genesis, 6, 2, &address);
        wr = writer();
        sigchain_register_encode(&reg, &wr);
        add_state(list, "register", SIGCHAIN_KIND_REGISTER, address.b, 32, &wr);
        wr = writer();
        sigchain_chain_encode(&chain, &wr);
        add_state(list, "chain", SIGCHAIN_KIND_CHAIN, genesis.b, 32, &wr);
        wr = writer();
        lx_write_u64(&wr, 12);
        memcpy(key, genesis.b, 32);
        memcpy(key + 32, h.b, 32);
        add_state(list, "revoked", SIGCHAIN_KIND_REVOKED, key, 64, &wr);
        wr = writer();
        sigchain_debit_encode(&debit, &wr);
        memcpy(key, h.b, 32);
        key[32] = 1;
        add_state(list, "debit", SIGCHAIN_KIND_DEBIT, key, 33, &wr);
        return list;
}

static json_t *
make_addresses(void)
{
        json_t *list = json_array();
        struct lx_hash genesis = number(32), address, chain_id = number(40);
        uint8_t prefix[22] = {0, 0, 0, 7, 4, 10, 1, [21] = 16}, eid[16],
                eid_prefix[4] = {0xfd, 1, 2, 3};
        struct lx_pubkey key;
        const struct {
                enum sigchain_type type;
                const void *key;
                size_t len;
        } rows[] = {{SIGCHAIN_NAME, "station7.lab", 12}, {SIGCHAIN_NAMESPACE, "lab", 3},
            {SIGCHAIN_PREFIX, prefix, 22}, {SIGCHAIN_CRYPTO, genesis.b, 32},
            {SIGCHAIN_INDEX, genesis.b, 32}};

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                sigchain_address(ops(), rows[i].type, rows[i].key, rows[i].len, &address);
                json_array_append_new(
                    list, json_pack("{s:i,s:o,s:o}", "type", (int)rows[i].type, "key",
                              hex(rows[i].key, rows[i].len), "address", hash_hex(&address)));
        }
        memcpy(key.b, number(41).b, 32);
        sigchain_eid_derive(ops(), eid_prefix, &chain_id, 7, &key, eid);
        return json_pack("{s:o,s:{s:o,s:o,s:i,s:o,s:o},s:{s:o,s:i,s:i,s:i,s:o}}", "canonical", list,
            "eid", "eid_prefix", hex(eid_prefix, 4), "chain_id", hash_hex(&chain_id), "instance", 7,
            "key", hex(key.b, 32), "eid", hex(eid, 16), "created", "genesis", hash_hex(&genesis),
            "sequence", 6, "operation", 2, "type", (int)SIGCHAIN_OBJECT, "address",
            (sigchain_address_created(ops(), SIGCHAIN_OBJECT, &genesis, 6, 2, &address),
                hash_hex(&address)));
}

/* ---- trees ------------------------------------------------------------------------------------- */

static json_t *
path_hex(const struct merkle_path *path)
{
        return hex(path->hash, path->count * LX_HASH_LEN);
}

static json_t *
make_logs(void)
{
        json_t *list = json_array();
        struct lx_hash leaves[20], root;

        for (uint64_t i = 0; i < 20; i++) {
                uint8_t data[8];

                lx_put_be64(data, i);
                merkle_log_leaf(ops(), data, sizeof(data), &leaves[i]);
        }
        for (uint64_t n = 0; n <= 20; n++) {
                json_t *paths = json_array();

                merkle_log_root(ops(), leaves, n, &root);
                for (uint64_t i = 0; i < n; i++) {
                        struct merkle_path path;

                        merkle_log_prove(ops(), leaves, n, i, &path);
                        json_array_append_new(paths, path_hex(&path));
                }
                json_array_append_new(list, json_pack("{s:I,s:o,s:o}", "leaves", (json_int_t)n,
                                                "root", hash_hex(&root), "paths", paths));
        }
        return list;
}

static json_t *
make_files(void)
{
        static const size_t lengths[] = {0, 1, 4096, 4097, 40000};
        static uint8_t bytes[10 * MERKLE_FILE_PAGE];
        json_t *list = json_array();

        for (size_t i = 0; i < 40000; i++)
                bytes[i] = (uint8_t)(i * 2654435761u >> 13);
        for (size_t n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++) {
                uint64_t count = merkle_file_pages(lengths[n]);
                struct lx_hash leaves[10], root;
                uint8_t page[MERKLE_FILE_PAGE];
                struct merkle_file *file;
                json_t *ranges = json_array();

                for (uint64_t i = 0; i < count; i++) {
                        size_t at = i * MERKLE_FILE_PAGE, left = lengths[n] - at;

                        memset(page, 0, sizeof(page));
                        memcpy(page, bytes + at, left < sizeof(page) ? left : sizeof(page));
                        lx_blake2b(&LX_TAG_LEAF, page, sizeof(page), &leaves[i]);
                }
                merkle_log_root(ops(), leaves, count, &root);
                file = merkle_file_new(ops(), leaves, count);
                for (uint64_t first = 0; first < count; first++)
                        for (uint64_t len = 1; first + len <= count; len += 3) {
                                struct merkle_path path;

                                must(merkle_file_prove(file, first, len, &path));
                                json_array_append_new(
                                    ranges, json_pack("{s:I,s:I,s:o}", "first", (json_int_t)first,
                                                "pages", (json_int_t)len, "path", path_hex(&path)));
                        }
                merkle_file_free(file);
                json_array_append_new(
                    list, json_pack("{s:I,s:o,s:o}", "length", (json_int_t)lengths[n], "root",
                              hash_hex(&root), "ranges", ranges));
        }
        return list;
}

static json_t *
prove(struct merkle_state *tree, const struct merkle_root *root, const struct lx_hash *key)
{
        static struct merkle_proof proof;
        struct lx_writer wr = writer();

        must(merkle_state_prove(tree, root, key, &proof));
        merkle_proof_encode(&proof, &wr);
        return json_pack("{s:o,s:o}", "key", hash_hex(key), "proof", written(&wr));
}

static json_t *
make_state_tree(uint64_t count)
{
        static struct kit_pages pages;
        const struct lx_hash tree_id = {{0}};
        struct merkle_update updates[40];
        struct merkle_root root = {{{0}}, 0};
        struct merkle_sink sink = kit_pages_sink(&pages);
        struct merkle_pages from = kit_pages_source(&pages);
        struct merkle_state *tree = merkle_state_new(ops(), &from, &tree_id, 0);
        json_t *present = json_array(), *absent = json_array(), *list = json_array(), *o;

        for (uint64_t i = 0; i < count; i++)
                updates[i] = (struct merkle_update){number(1000 + i), number(2000 + i)};
        must(merkle_state_update(tree, &root, 3, updates, count, &sink, &root));
        for (uint64_t i = 0; i < count; i++) {
                struct lx_hash key = number(1000 + i);

                json_array_append_new(present, prove(tree, &root, &key));
        }
        for (uint64_t i = 0; i < 8; i++) {
                struct lx_hash key = number(3000 + i);

                json_array_append_new(absent, prove(tree, &root, &key));
        }
        for (size_t i = 0; i < pages.count; i++) {
                json_array_append_new(
                    list, json_pack("{s:o,s:o}", "key", hex(pages.key[i].p, pages.key[i].len),
                              "page", hex(pages.page[i].p, pages.page[i].len)));
                lx_buf_clear(&pages.key[i]);
                lx_buf_clear(&pages.page[i]);
        }
        pages.count = 0;
        o = json_pack("{s:I,s:o,s:o,s:o,s:o}", "leaves", (json_int_t)count, "root",
            hash_hex(&root.hash), "present", present, "absent", absent, "pages", list);
        merkle_state_free(tree);
        return o;
}

static json_t *
make_trie(void)
{
        static struct kit_pages pages;
        static const struct merkle_bits prefixes[] = {{{10}, 8}, {{10, 1}, 16}, {{10, 1, 128}, 17},
            {{10, 2}, 16}, {{192, 168}, 16}, {{192, 168, 7}, 24}};
        static const struct merkle_bits addrs[] = {{{10, 1, 200, 1}, 32}, {{10, 1, 1, 1}, 32},
            {{10, 9, 9, 9}, 32}, {{11, 0, 0, 1}, 32}, {{192, 168, 7, 1}, 32},
            {{192, 169, 0, 1}, 32}};
        struct merkle_trie_nodes nodes = kit_pages_nodes(&pages);
        struct lx_hash root = {{0}};
        json_t *in = json_array(), *out = json_array();

        for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
                struct lx_hash value = number(50 + i);

                must(merkle_trie_set(ops(), &nodes, &root, &prefixes[i], &value, &root));
                json_array_append_new(
                    in, json_pack("{s:o,s:i,s:o}", "prefix", hex(prefixes[i].b, 4), "bits",
                            (int)prefixes[i].len, "value", hash_hex(&value)));
        }
        for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
                struct lx_buf proof = {0};

                must(merkle_trie_prove(&nodes, &root, &addrs[i], &proof));
                json_array_append_new(out, json_pack("{s:o,s:o}", "address", hex(addrs[i].b, 4),
                                               "proof", hex(proof.p, proof.len)));
                lx_buf_clear(&proof);
        }
        kit_pages_clear(&pages);
        return json_pack("{s:o,s:o,s:o}", "prefixes", in, "root", hash_hex(&root), "proofs", out);
}

/* ---- releases ---------------------------------------------------------------------------------- */

static json_t *
make_manifest(void)
{
        struct sigchain_entry e[3];
        static const char *const paths[] = {"bin/ls", "bin/true", "lib/libc.so"};
        struct lx_buf bytes = {0};
        struct lx_hash root, release = number(60), value;
        json_t *o;

        for (uint64_t i = 0; i < 3; i++)
                e[i] = (struct sigchain_entry){LX_SPAN(paths[i], strlen(paths[i])), 100 * i,
                    0100755, number(70 + i), number(80 + i), number(90 + i)};
        must(sigchain_manifest_write(ops(), e, 3, &bytes, &root));
        sigchain_index_value(ops(), &release, 2, &value);
        o = json_pack("{s:o,s:o,s:{s:o,s:i,s:o}}", "manifest", hex(bytes.p, bytes.len), "root",
            hash_hex(&root), "index", "release", hash_hex(&release), "entry", 2, "value",
            hash_hex(&value));
        lx_buf_clear(&bytes);
        return o;
}

/* ---- keys -------------------------------------------------------------------------------------- */

static void
text_secret(struct lx_secret *secret, const char *text)
{
        must(lx_secret_init(secret, strlen(text)));
        memcpy(secret->p, text, strlen(text));
}

static json_t *
key_row(const struct lx_secret *key)
{
        struct lx_pubkey public;
        struct lx_hash commitment;

        must(keys_public(key, &public, &commitment));
        return json_pack("{s:o,s:o,s:o}", "secret", hex(key->p, 32), "public", hex(public.b, 32),
            "commitment", hash_hex(&commitment));
}

static json_t *
make_key_file(void)
{
        struct keys_file file = {.kind = KEYS_DEVICE};
        struct lx_secret name = {0}, seed = {0};
        struct lx_hash sec = number(99);
        json_t *o;

        must(lx_secret_init(&file.secret, 32));
        memcpy(file.secret.p, sec.b, 32);
        must(keys_file_chain(&file, &name, &seed));
        o = json_pack("{s:o,s:o,s:o}", "secret", hash_hex(&sec), "name_key", hex(name.p, 32),
            "seed", hex(seed.p, 32));
        keys_file_clear(&file);
        lx_secret_clear(&name);
        lx_secret_clear(&seed);
        return o;
}

static json_t *
make_keys(void)
{
        struct lx_kdf kdf = {65536, 3, 1};
        struct lx_hash chain_id = number(40), genesis, words = number(98);
        struct lx_secret name = {0}, password = {0}, pin = {0}, seed = {0}, key = {0},
                         entropy = {0};
        struct lx_pubkey public;
        char phrase[KEYS_PHRASE_MAX];
        json_t *chain = json_array(), *recovery = json_array(), *o;

        text_secret(&password, "brittle moose 41 lantern ocean");
        text_secret(&pin, "830172");
        must(keys_derive_name(&chain_id, "alice", &kdf, &name));
        must(keys_public(&name, &public, NULL));
        sigchain_genesis_id(ops(), &public, &genesis);
        must(keys_derive_seed(&genesis, &password, &pin, &kdf, &seed));
        must(lx_secret_init(&entropy, 32));
        memcpy(entropy.p, words.b, 32);
        keys_words_encode(entropy.p, phrase);
        for (uint64_t i = 0; i < 3; i++) {
                must(keys_derive_chain(&seed, i, &key));
                json_array_append_new(chain, key_row(&key));
                lx_secret_clear(&key);
                must(keys_derive_recovery(&entropy, &genesis, i, &key));
                json_array_append_new(recovery, key_row(&key));
                lx_secret_clear(&key);
        }
        o = json_pack("{s:o,s:s,s:s,s:s,s:i,s:i,s:o,s:o,s:o,s:o,s:s,s:o,s:o,s:o}", "chain_id",
            hash_hex(&chain_id), "name", "alice", "password", "brittle moose 41 lantern ocean",
            "pin", "830172", "kdf_mem", 65536, "kdf_passes", 3, "name_key", key_row(&name),
            "genesis", hash_hex(&genesis), "seed", hex(seed.p, 32), "one_time", chain, "words",
            phrase, "entropy", hash_hex(&words), "recovery", recovery, "key_file", make_key_file());
        lx_secret_clear(&name);
        lx_secret_clear(&password);
        lx_secret_clear(&pin);
        lx_secret_clear(&seed);
        lx_secret_clear(&entropy);
        return o;
}

/* ---- all --------------------------------------------------------------------------------------- */

static char *
make_all(void)
{
        static struct validators v;
        struct lx_hash chain_id;
        json_t *o = json_object();
        char *text;

        make_validators(&v);
        json_object_set_new(o, "hash", make_hashes());
        json_object_set_new(o, "genesis", make_genesis(&v, &chain_id));
        json_object_set_new(o, "header", make_header(&v, &chain_id));
        json_object_set_new(o, "transaction", make_tx(&chain_id));
        json_object_set_new(o, "update", make_update(&chain_id, &v.hash));
        json_object_set_new(o, "state", make_states());
        json_object_set_new(o, "address", make_addresses());
        json_object_set_new(o, "log", make_logs());
        json_object_set_new(o, "file", make_files());
        json_object_set_new(o, "state_tree",
            json_pack("[o,o,o,o]", make_state_tree(0), make_state_tree(1), make_state_tree(2),
                make_state_tree(40)));
        json_object_set_new(o, "trie", make_trie());
        json_object_set_new(o, "manifest", make_manifest());
        json_object_set_new(o, "keys", make_keys());
        text = json_dumps(o, JSON_INDENT(1));
        json_decref(o);
        return text;
}

static int
compare(const char *path, const char *text)
{
        char *published = lx_alloc(strlen(text) + 2);
        FILE *f = fopen(path, "r");
        size_t len = f != NULL ? fread(published, 1, strlen(text) + 2, f) : 0;
        int status =
            len == strlen(text) + 1 && memcmp(published, text, len - 1) == 0 ? 0 : 1; /* public */

        if (f != NULL)
                (void)fclose(f);
        if (status != 0)
                fprintf(stderr, "%s is not what the code encodes: a format changed\n", path);
        lx_free(published);
        return status;
}

int
main(int argc, char **argv)
{
        char *text;
        int status = 0;

        if (lx_crypto_init() != LX_OK)
                return 1;
        text = make_all();
        if (argc > 1)
                status = compare(argv[1], text);
        else
                printf("%s\n", text);
        free(text);
        return status;
}
