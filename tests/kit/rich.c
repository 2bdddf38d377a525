/* kit/rich.c - see kit/rich.h. */
#include "config.h"
#include "kit/rich.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "ledger/genesis_json.h"
#include "sigchain/apply.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"

#include <stdio.h>
#include <string.h>

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- operations -------------------------------------------------------------------------------- */

static struct sigchain_field
field_bytes(const char *name, enum sigchain_field_type type, enum sigchain_access access,
    const void *p, size_t len)
{
        return (struct sigchain_field){.name = LX_SPAN(name, strlen(name)),
            .type = type,
            .access = access,
            .bytes = LX_SPAN(p, len)};
}

static struct sigchain_field
field_u64(const char *name, enum sigchain_access access, uint64_t v)
{
        return (struct sigchain_field){
            .name = LX_SPAN(name, strlen(name)), .type = SIGCHAIN_U64, .access = access, .u64 = v};
}

static struct sigchain_op_body
create(enum sigchain_type type, const struct sigchain_object *object, uint8_t data[1024])
{
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_CREATE};
        struct lx_writer wr = lx_writer_init(data, 1024);

        sigchain_object_encode(object, &wr);
        lx_assert(lx_writer_end(&wr) == LX_OK);
        op.u.create.type = type;
        op.u.create.data = LX_SPAN(data, wr.len);
        return op;
}

static void
some_hash(const char *tag, unsigned salt, unsigned number, struct lx_hash *out)
{
        unsigned seed[2] = {salt, number};
        struct lx_tag t = {{0}};

        memcpy(t.text, tag, strlen(tag));
        lx_hash1(ops(), &t, seed, sizeof(seed), out);
}

/* A manifest of @count files; those below @shared are the same for everybody. */
static void
write_manifest(
    unsigned salt, unsigned count, unsigned shared, struct lx_buf *out, struct lx_hash *root)
{
        struct sigchain_entry *entry = lx_alloc_array(count, sizeof(*entry));
        char(*path)[32] = lx_alloc_array(count, sizeof(*path));

        for (unsigned i = 0; i < count; i++) {
                unsigned of = i < shared ? 0 : salt;

                (void)snprintf(path[i], sizeof(path[i]), "usr/bin/file%05u", i);
                entry[i].path = LX_SPAN(path[i], strlen(path[i]));
                entry[i].size = 4096;
                entry[i].mode = 0100755;
                some_hash("test.root", of, i, &entry[i].root);
                some_hash("test.sha", of, i, &entry[i].sha256);
                some_hash("test.fsv", of, i, &entry[i].fsverity);
        }
        lx_assert(sigchain_manifest_write(ops(), entry, count, out, root) == LX_OK);
        lx_free(entry);
        lx_free(path);
}

static void
put_blob(struct rich *r, unsigned kind, const struct lx_hash *root, const void *p, size_t len)
{
        lx_assert(blob_put(r->kit.blobs, kind, root, p, len, NULL) == LX_OK);
}

static void
publish(
    struct rich *r, struct author *a, enum sigchain_type type, unsigned count, struct lx_buf *tx)
{
        struct sigchain_object o = {.count = 6};
        struct sigchain_op_body op;
        struct lx_buf manifest = {0};
        struct lx_hash root, leaves, leaf[3];
        uint8_t data[1024];
        char name[16];

        r->releases++;
        memset(leaf, (int)r->releases, sizeof(leaf));
        merkle_log_root(ops(), leaf, 3, &leaves);
        put_blob(r, LEDGER_BLOB_LEAVES, &leaves, leaf, sizeof(leaf));
        write_manifest(r->releases, count, count / 2, &manifest, &root);
        put_blob(r, LEDGER_BLOB_MANIFEST, &root, manifest.p, manifest.len);
        (void)snprintf(name, sizeof(name), "rel%u", r->releases);
        o.field[0] = field_bytes("name", SIGCHAIN_TEXT, SIGCHAIN_FIXED, name, strlen(name));
        o.field[1] = field_bytes("version", SIGCHAIN_TEXT, SIGCHAIN_FIXED, "1", 1);
        o.field[2] = field_bytes("manifest", SIGCHAIN_HASH, SIGCHAIN_FIXED, root.b, LX_HASH_LEN);
        o.field[3] = field_u64("entries", SIGCHAIN_FIXED, count);
        o.field[4] = field_u64("size", SIGCHAIN_FIXED, manifest.len);
        o.field[5] = field_bytes("leaves", SIGCHAIN_HASH, SIGCHAIN_FIXED, leaves.b, LX_HASH_LEN);
        op = create(type, &o, data);
        sigchain_address_created(ops(), type, &a->genesis, a->sequence, 0, &r->release);
        author_write_tx(a, &op, 1, tx, NULL);
        lx_buf_clear(&manifest);
}

static void
append_entries(struct rich *r, unsigned count, struct lx_buf *tx)
{
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_APPEND};
        uint64_t number[SIGCHAIN_ENTRIES_MAX];

        op.u.append.address = r->append;
        op.u.append.count = count;
        for (unsigned i = 0; i < count; i++) {
                number[i] = r->entries++;
                op.u.append.entry[i] = LX_SPAN(&number[i], sizeof(number[i]));
        }
        author_write_tx(&r->author[1], &op, 1, tx, NULL);
}

static void
token_account(const struct rich *r, const struct lx_hash *owner, struct lx_hash *out)
{
        uint8_t key[2 * LX_HASH_LEN];
        struct lx_hash token;

        sigchain_token_address(ops(), ledger_chain_id(r->kit.ledger), &token);
        memcpy(key, owner->b, LX_HASH_LEN);
        memcpy(key + LX_HASH_LEN, token.b, LX_HASH_LEN);
        sigchain_address(ops(), SIGCHAIN_ACCOUNT, key, sizeof(key), out);
}

static void
debit(struct rich *r, uint64_t amount, struct lx_buf *tx)
{
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_DEBIT};

        token_account(r, &r->author[0].genesis, &op.u.debit.from);
        token_account(r, &r->author[1].genesis, &op.u.debit.to);
        op.u.debit.amount = amount;
        op.u.debit.expiry = 1000000;
        author_write_tx(&r->author[0], &op, 1, tx, NULL);
}

/* ---- the chain --------------------------------------------------------------------------------- */

static void
add(struct rich *r, const struct lx_buf *tx)
{
        struct lx_span one = lx_buf_span(tx);

        kit_ledger_add_block(&r->kit, &one, 1, RICH_VALIDATORS);
}

static void
write_validators(struct lx_buf *json)
{
        for (size_t i = 0; i < RICH_VALIDATORS; i++) {
                uint8_t secret[32];
                struct lx_pubkey key;
                char hex[LX_HEX_LEN(32)];

                kit_validator_key(i, secret);
                lx_assert(lx_sign_pubkey(secret, &key) == LX_OK);
                lx_hex(key.b, sizeof(key.b), hex);
                lx_buf_printf(json, "%s{\"name\":\"v%zu\",\"key\":\"%s\",\"power\":1}",
                    i > 0 ? "," : "", i, hex);
        }
}

static void
write_genesis(struct rich *r)
{
        struct lx_buf json = {0};
        struct lx_why why = {{0}};
        struct lx_hash none = {{0}};
        char id[2][LX_HEX_LEN(32)];

        /* The genesis ids follow from numbers alone. */
        for (unsigned i = 0; i < 2; i++) {
                author_init(&r->author[i], 100 + i, &none);
                lx_hex(r->author[i].genesis.b, 32, id[i]);
                author_clear(&r->author[i]);
        }
        lx_buf_printf(&json, "{\"network\":\"rich\",\"time\":\"2026-01-31T12:00:00.000Z\","
                             "\"parameters\":{\"heartbeat-ms\":0},\"validators\":[");
        write_validators(&json);
        lx_buf_printf(&json,
            "],\"token\":{\"name\":\"coin\",\"decimals\":6,\"supply\":\"1000000\"},"
            "\"allocations\":[{\"genesis\":\"%s\",\"amount\":\"900000\"},"
            "{\"genesis\":\"%s\",\"amount\":\"100000\"}],"
            "\"eid_prefix\":\"fd00:6c78::/32\",\"prefixes\":[",
            id[0], id[1]);
        for (unsigned i = 0; i < 200; i++)
                lx_buf_printf(&json,
                    "%s{\"instance\":%u,\"prefix\":\"10.%u.0.0/16\",\"owner\":\"%s\"}",
                    i > 0 ? "," : "", i / 150, i % 150, id[0]);
        lx_buf_printf(&json, "]}");
        if (ledger_genesis_from_json(lx_buf_str(&json), json.len, &r->genesis, &why) != LX_OK)
                (void)fprintf(stderr, "rich: %s\n", why.text);
        lx_assert(r->genesis.len > 0);
        lx_buf_clear(&json);
}

/* Up to 20 registers a transaction, 64 transactions a block. */
static void
add_registers(struct rich *r, unsigned registers)
{
        struct lx_buf tx[64] = {{0}};
        struct lx_span span[64];

        for (unsigned i = 0; i < registers;) {
                unsigned n = 0;

                for (; n < 64 && i < registers; n++) {
                        struct sigchain_op_body op[20];
                        unsigned data[20], count = 0;

                        for (; count < 20 && i < registers; count++, i++) {
                                data[count] = i;
                                op[count] = (struct sigchain_op_body){.type = SIGCHAIN_OP_CREATE};
                                op[count].u.create.type = SIGCHAIN_RAW;
                                op[count].u.create.data = LX_SPAN(&data[count], sizeof(unsigned));
                        }
                        lx_buf_reset(&tx[n]);
                        author_write_tx(&r->author[2], op, count, &tx[n], NULL);
                        span[n] = lx_buf_span(&tx[n]);
                }
                kit_ledger_add_block(&r->kit, span, n, RICH_VALIDATORS);
        }
        for (unsigned i = 0; i < 64; i++)
                lx_buf_clear(&tx[i]);
}

static void
add_file(struct rich *r, struct lx_buf *tx)
{
        struct sigchain_object o = {.count = 3};
        struct sigchain_op_body op;
        struct lx_hash leaf[5], root;
        uint8_t data[1024];

        memset(leaf, 0x5a, sizeof(leaf));
        merkle_log_root(ops(), leaf, 5, &root);
        put_blob(r, LEDGER_BLOB_LEAVES, &root, leaf, sizeof(leaf));
        o.field[0] = field_bytes("path", SIGCHAIN_TEXT, SIGCHAIN_FIXED, "etc/hosts", 9);
        o.field[1] = field_bytes("root", SIGCHAIN_HASH, SIGCHAIN_MUTABLE, root.b, LX_HASH_LEN);
        o.field[2] = field_u64("length", SIGCHAIN_MUTABLE, 5 * 4096);
        op = create(SIGCHAIN_FILE, &o, data);
        author_write_tx(&r->author[1], &op, 1, tx, NULL);
}

static void
add_append(struct rich *r, unsigned entries, struct lx_buf *tx)
{
        struct sigchain_op_body op = {.type = SIGCHAIN_OP_CREATE};

        lx_buf_reset(tx);
        op.u.create.type = SIGCHAIN_APPEND;
        sigchain_address_created(
            ops(), SIGCHAIN_APPEND, &r->author[1].genesis, r->author[1].sequence, 0, &r->append);
        author_write_tx(&r->author[1], &op, 1, tx, NULL);
        add(r, tx);
        for (unsigned done = 0, part; done < entries; done += part) {
                part =
                    entries - done < SIGCHAIN_ENTRIES_MAX ? entries - done : SIGCHAIN_ENTRIES_MAX;
                lx_buf_reset(tx);
                append_entries(r, part, tx);
                add(r, tx);
        }
}

void
rich_init(struct rich *r, unsigned registers, unsigned entries)
{
        struct lx_buf tx = {0};

        memset(r, 0, sizeof(*r));
        write_genesis(r);
        kit_ledger_init(&r->kit, &r->genesis);
        for (unsigned i = 0; i < 3; i++) {
                author_init(&r->author[i], 100 + i, ledger_chain_id(r->kit.ledger));
                lx_buf_reset(&tx);
                author_begin(&r->author[i], &tx, NULL);
                add(r, &tx);
        }
        add_append(r, entries, &tx);
        lx_buf_reset(&tx);
        add_file(r, &tx);
        add(r, &tx);
        add_registers(r, registers);
        lx_buf_reset(&tx);
        author_create_raw(&r->author[2], "first", 5, &tx, NULL, &r->raw);
        add(r, &tx);
        for (unsigned i = 0; i < 3; i++)
                rich_grow(r);
        kit_ledger_add_block(&r->kit, NULL, 0, RICH_VALIDATORS);
        lx_buf_clear(&tx);
}

void
rich_grow(struct rich *r)
{
        struct lx_buf tx[5] = {{0}};
        struct lx_span span[5];
        uint64_t now = r->entries + r->releases;

        append_entries(r, 3, &tx[0]);
        publish(r, &r->author[0], SIGCHAIN_RELEASE, 300, &tx[1]);
        publish(r, &r->author[1], SIGCHAIN_APPROVAL, 60, &tx[2]);
        debit(r, 10 + r->releases, &tx[3]);
        author_write_raw(&r->author[2], &r->raw, &now, sizeof(now), &tx[4], NULL);
        for (unsigned i = 0; i < 5; i++)
                span[i] = lx_buf_span(&tx[i]);
        kit_ledger_add_block(&r->kit, span, 5, RICH_VALIDATORS);
        for (unsigned i = 0; i < 5; i++)
                lx_buf_clear(&tx[i]);
}

void
rich_clear(struct rich *r)
{
        for (unsigned i = 0; i < 3; i++)
                author_clear(&r->author[i]);
        kit_ledger_clear(&r->kit);
        lx_buf_clear(&r->genesis);
}

/* ---- copies ------------------------------------------------------------------------------------ */

struct copy {
        struct rich *r;
        struct kit_ledger *to;
        unsigned kind;
};

static bool
copy_blob(void *arg, const struct lx_hash *root, uint64_t len, uint64_t age_ms)
{
        struct copy *c = arg;
        struct lx_buf bytes = {0};

        (void)age_ms;
        lx_assert(blob_read(c->r->kit.blobs, c->kind, root, 0, (size_t)len, &bytes) == LX_OK);
        lx_assert(blob_put(c->to->blobs, c->kind, root, bytes.p, bytes.len, NULL) == LX_OK);
        lx_buf_clear(&bytes);
        return true;
}

void
rich_copy_blobs(struct rich *r, struct kit_ledger *to)
{
        for (unsigned kind = 0; kind < LEDGER_BLOB_COUNT_; kind++) {
                struct copy c = {.r = r, .to = to, .kind = kind};

                lx_assert(blob_walk(r->kit.blobs, kind, copy_blob, &c) == LX_OK);
        }
}

static size_t
read_block(struct ledger_view *view, uint64_t height, struct lx_buf **out_bytes,
    struct ledger_tx **out_txs)
{
        struct lx_buf ids = {0};
        size_t count;

        lx_assert(ledger_get_tx_ids(view, height, &ids) == LX_OK);
        count = ids.len / LX_HASH_LEN;
        *out_bytes = lx_alloc_array(count + 1, sizeof(**out_bytes));
        *out_txs = lx_alloc_array(count + 1, sizeof(**out_txs));
        for (size_t i = 0; i < count; i++) {
                struct lx_hash id;
                uint64_t where;
                uint32_t index;

                memcpy(id.b, ids.p + i * LX_HASH_LEN, LX_HASH_LEN);
                lx_assert(ledger_get_tx(view, &id, &(*out_bytes)[i], &where, &index) == LX_OK);
                (*out_txs)[i].bytes = (*out_bytes)[i].p;
                (*out_txs)[i].len = (*out_bytes)[i].len;
        }
        lx_buf_clear(&ids);
        return count;
}

static void
copy_block(struct ledger_view *view, uint64_t height, struct kit_ledger *to)
{
        struct ledger_header header;
        struct lx_buf cert = {0}, *bytes;
        struct ledger_tx *txs;
        struct ledger_candidate *candidate = NULL;
        struct lx_why why = {{0}};
        size_t count = read_block(view, height, &bytes, &txs);

        lx_assert(ledger_get_header(view, height, &header) == LX_OK);
        lx_assert(ledger_get_cert(view, height, &cert) == LX_OK);
        if (ledger_check_block(to->ledger, &header, txs, count, &candidate, &why) != LX_OK)
                (void)fprintf(stderr, "block %llu: %s\n", (unsigned long long)height, why.text);
        lx_assert(candidate != NULL);
        lx_assert(ledger_commit(to->ledger, candidate, cert.p, cert.len, NULL) == LX_OK);
        for (size_t i = 0; i < count; i++)
                lx_buf_clear(&bytes[i]);
        lx_free(bytes);
        lx_free(txs);
        lx_buf_clear(&cert);
}

void
rich_copy_chain(struct rich *r, struct kit_ledger *to)
{
        struct ledger_view *view = ledger_view_new(r->kit.ledger);
        uint64_t top = ledger_view_header(view)->height;

        for (uint64_t h = kit_ledger_tip(to, NULL) + 1; h <= top; h++)
                copy_block(view, h, to);
        ledger_view_unref(view);
}
