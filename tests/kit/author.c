/* kit/author.c - see kit/author.h. */
#include "config.h"
#include "kit/author.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "keys/derive.h"
#include "keys/keyfile.h"
#include "ledger/genesis_json.h"
#include "sigchain/object.h"

#include <stdio.h>
#include <string.h>

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

static void
must(enum lx_err err)
{
        lx_assert(err == LX_OK);
}

void
author_init(struct author *a, uint64_t n, const struct lx_hash *chain_id)
{
        struct keys_file file = {.kind = KEYS_DEVICE};
        struct lx_pubkey key;

        *a = (struct author){.chain_id = *chain_id};
        must(lx_secret_init(&file.secret, 32));
        memset(file.secret.p, 9, 32);
        memcpy(file.secret.p, &n, sizeof(n));
        must(keys_file_chain(&file, &a->name_key, &a->seed));
        keys_file_clear(&file);
        must(keys_public(&a->name_key, &key, NULL));
        sigchain_genesis_id(ops(), &key, &a->genesis);
}

void
author_clear(struct author *a)
{
        lx_secret_clear(&a->name_key);
        lx_secret_clear(&a->seed);
}

static void
add_witness(struct sigchain_tx *tx, enum sigchain_role role, const struct lx_secret *key)
{
        struct sigchain_witness *w = &tx->witness[tx->witness_count++];
        struct lx_hash msg;

        w->role = role;
        sigchain_tx_message(ops(), role, &tx->id, &msg);
        must(keys_public(key, &w->key, NULL));
        must(lx_sign(key->p, &msg, NULL, &w->sig));
}

static void
sign_tx(struct author *a, struct sigchain_tx *tx, struct lx_buf *out)
{
        struct lx_secret key = {0}, next = {0};
        struct lx_writer wr = lx_writer_init(lx_buf_reserve(out, SIGCHAIN_TX_MAX), SIGCHAIN_TX_MAX);

        must(keys_derive_chain(&a->seed, a->sequence, &key));
        must(keys_derive_chain(&a->seed, a->sequence + 1, &next));
        must(keys_public(&next, NULL, &tx->next));
        sigchain_tx_encode_core(tx, &wr);
        must(lx_writer_end(&wr));
        sigchain_tx_id(ops(), out->p + out->len, wr.len, &tx->id);
        add_witness(tx, SIGCHAIN_ROLE_CHAIN, &key);
        if (a->sequence == 0)
                add_witness(tx, SIGCHAIN_ROLE_NAME, &a->name_key);
        wr = lx_writer_init(lx_buf_reserve(out, SIGCHAIN_TX_MAX), SIGCHAIN_TX_MAX);
        sigchain_tx_encode(tx, &wr);
        must(lx_writer_end(&wr));
        lx_buf_add(out, wr.len);
        lx_secret_clear(&key);
        lx_secret_clear(&next);
}

void
author_write_tx(struct author *a, const struct sigchain_op_body *bodies, size_t count,
    struct lx_buf *out, struct lx_hash *out_id)
{
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        struct lx_arena *arena = lx_arena_new(SIGCHAIN_TX_MAX);

        lx_assert(count <= SIGCHAIN_OPS_MAX);
        *tx = (struct sigchain_tx){.chain_id = a->chain_id,
            .genesis = a->genesis,
            .sequence = a->sequence,
            .previous = a->last,
            .expiry = a->expiry,
            .fee = a->fee,
            .fee_account = a->fee_account,
            .op_count = count};
        for (size_t i = 0; i < count; i++) {
                uint8_t *body = lx_arena_alloc(arena, SIGCHAIN_TX_MAX);
                struct lx_writer wr = lx_writer_init(body, SIGCHAIN_TX_MAX);

                sigchain_op_encode(&bodies[i], &wr);
                must(lx_writer_end(&wr));
                tx->op[i] = (struct sigchain_op){
                    .type = (uint8_t)bodies[i].type, .body = LX_SPAN(body, wr.len)};
        }
        sign_tx(a, tx, out);
        a->last = tx->id;
        a->sequence++;
        if (out_id != NULL)
                *out_id = tx->id;
        lx_arena_free(arena);
        lx_free(tx);
}

void
author_begin(struct author *a, struct lx_buf *out, struct lx_hash *out_id)
{
        static const struct {
                const char *name;
                enum sigchain_field_type type;
                enum sigchain_access access;
                uint64_t u64;
        } fields[] = {{"kind", SIGCHAIN_U64, 0, 2}, {"kdf_mem", SIGCHAIN_U64, 1, 65536},
            {"kdf_passes", SIGCHAIN_U64, 1, 3}, {"kdf_lanes", SIGCHAIN_U64, 1, 1},
            {"recovery", SIGCHAIN_HASH, 2, 0}, {"recovery_use", SIGCHAIN_U64, 2, 0},
            {"stamp", SIGCHAIN_U64, 0, 0}};
        struct lx_hash none = {{0}};
        struct sigchain_object o = {0};
        uint8_t data[512];
        struct lx_writer wr = lx_writer_init(data, sizeof(data));
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_CREATE};

        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
                o.field[o.count++] =
                    (struct sigchain_field){.name = LX_SPAN(fields[i].name, strlen(fields[i].name)),
                        .type = fields[i].type,
                        .access = fields[i].access,
                        .u64 = fields[i].u64,
                        .bytes = LX_SPAN(none.b, 32)};
        sigchain_object_encode(&o, &wr);
        must(lx_writer_end(&wr));
        op.u.create.type = SIGCHAIN_CRYPTO;
        op.u.create.data = LX_SPAN(data, wr.len);
        author_write_tx(a, &op, 1, out, out_id);
}

void
author_create_raw(struct author *a, const void *data, size_t len, struct lx_buf *out,
    struct lx_hash *out_id, struct lx_hash *out_address)
{
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_CREATE};

        op.u.create.type = SIGCHAIN_RAW;
        op.u.create.data = LX_SPAN(data, len);
        sigchain_address_created(ops(), SIGCHAIN_RAW, &a->genesis, a->sequence, 0, out_address);
        author_write_tx(a, &op, 1, out, out_id);
}

void
author_write_raw(struct author *a, const struct lx_hash *address, const void *data, size_t len,
    struct lx_buf *out, struct lx_hash *out_id)
{
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_WRITE};

        op.u.write.address = *address;
        op.u.write.data = LX_SPAN(data, len);
        author_write_tx(a, &op, 1, out, out_id);
}

void
kit_validator_key(size_t i, uint8_t out[32])
{
        memset(out, 7, 32);
        out[30] = (uint8_t)(i >> 8);
        out[31] = (uint8_t)i;
}

void
kit_genesis(size_t count, const uint64_t *power, const char *parameters, struct lx_buf *out)
{
        struct lx_buf json = {0};
        struct lx_why why = {{0}};

        lx_buf_printf(&json,
            "{\"network\":\"kit\",\"time\":\"2026-01-31T12:00:00.000Z\","
            "\"parameters\":{%s},\"validators\":[",
            parameters);
        for (size_t i = 0; i < count; i++) {
                uint8_t secret[32];
                struct lx_pubkey key;
                char hex[LX_HEX_LEN(32)];

                kit_validator_key(i, secret);
                must(lx_sign_pubkey(secret, &key));
                lx_hex(key.b, sizeof(key.b), hex);
                lx_buf_printf(&json, "%s{\"name\":\"v%zu\",\"key\":\"%s\",\"power\":%llu}",
                    i > 0 ? "," : "", i, hex, power != NULL ? (unsigned long long)power[i] : 1ull);
        }
        lx_buf_printf(
            &json, "],\"allocations\":[],\"eid_prefix\":\"fd00:6c78::/32\",\"prefixes\":[]}");
        if (ledger_genesis_from_json(lx_buf_str(&json), json.len, out, &why) != LX_OK)
                (void)fprintf(stderr, "kit_genesis: %s\n", why.text);
        lx_assert(out->len > 0);
        lx_buf_clear(&json);
}
