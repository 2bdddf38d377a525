/* liblxverify/lxverify.c - the public face over the pure files of merkle, sigchain and ledger. */
#include "config.h"
#include "liblxverify/lxverify.h"

#include "ledger/cert.h"
#include "ledger/narrow.h"
#include "merkle/file.h"
#include "merkle/log.h"
#include "merkle/proof.h"
#include "sigchain/manifest.h"
#include "sigchain/object.h"
#include "sigchain/state.h"

#include "crypto/tags.h"

#include <string.h>

#define PARTS_MAX 8

static void
thunk_hash(void *ctx, const struct lx_tag *tag, const struct lx_span *parts, size_t count,
    struct lx_hash *out)
{
        const struct lxv_crypto *crypto = ctx;
        struct lxv_part copy[PARTS_MAX];
        uint8_t text[LX_TAG_LEN];

        if (count > PARTS_MAX)
                __builtin_trap();
        for (size_t i = 0; i < count; i++)
                copy[i] = (struct lxv_part){.p = parts[i].p, .len = parts[i].len};
        memcpy(text, tag->text, LX_TAG_LEN);
        crypto->blake2b(crypto->ctx, text, copy, count, out->b);
}

static bool
thunk_verify(
    void *ctx, const struct lx_pubkey *key, const struct lx_hash *msg, const struct lx_sig *sig)
{
        const struct lxv_crypto *crypto = ctx;

        return crypto->verify(crypto->ctx, key->b, msg->b, sig->b) == 1;
}

static bool
thunk_verify_half(void *ctx, const struct lx_pubkey *keys, size_t count, const struct lx_hash *msg,
    const uint8_t *agg, size_t agg_len)
{
        const struct lxv_crypto *crypto = ctx;

        return crypto->verify_half != NULL &&
               crypto->verify_half(crypto->ctx, keys[0].b, count, msg->b, agg, agg_len) == 1;
}

static struct lx_crypto_ops
table(const struct lxv_crypto *crypto)
{
        void *ctx = (void *)(uintptr_t)crypto;

        return (struct lx_crypto_ops){.hash = {.hash = thunk_hash, .ctx = ctx},
            .sig = {.verify = thunk_verify, .verify_half = thunk_verify_half, .ctx = ctx}};
}

static enum lxv_result
result(enum lx_err err)
{
        switch ((int)err) {
        case LX_OK:
                return LXV_OK;
        case LX_ERR_PROOF:
                return LXV_PROOF;
        case LX_ERR_SIGNATURE:
                return LXV_SIGNATURE;
        case LX_ERR_UNTRUSTED:
                return LXV_UNTRUSTED;
        case LX_ERR_EXPIRED:
                return LXV_EXPIRED;
        case LX_ERR_RANGE:
        case LX_ERR_LIMIT:
                return LXV_RANGE;
        default:
                return LXV_FORMAT;
        }
}

static struct lx_hash
hash_at(const uint8_t bytes[32])
{
        struct lx_hash hash;

        memcpy(hash.b, bytes, LX_HASH_LEN);
        return hash;
}

/* ---- headers ----------------------------------------------------------------------------------- */

enum lxv_result
lxv_header_decode(
    const struct lxv_crypto *crypto, const uint8_t *bytes, size_t len, struct lxv_header *out)
{
        struct lx_crypto_ops ops = table(crypto);
        struct ledger_header header;
        struct lx_hash hash;
        enum lx_err err = ledger_header_decode(bytes, len, &header);

        if (err != LX_OK)
                return LXV_FORMAT;
        ledger_header_hash(&ops.hash, &header, &hash);
        memcpy(out->hash, hash.b, 32);
        memcpy(out->chain_id, header.chain_id.b, 32);
        out->height = header.height;
        out->time_ms = header.time_ms;
        memcpy(out->tx_root, header.tx_root.b, 32);
        memcpy(out->state_root, header.state_root.b, 32);
        memcpy(out->history_root, header.history_root.b, 32);
        memcpy(out->valset, header.valset.b, 32);
        memcpy(out->next_valset, header.next_valset.b, 32);
        return LXV_OK;
}

enum lxv_result
lxv_header_widen(const struct lxv_crypto *crypto, const uint8_t known[LXV_HEADER_LEN],
    const uint8_t *history, struct lxv_part bytes, uint8_t out[LXV_HEADER_LEN], size_t *out_used)
{
        struct lx_crypto_ops ops = table(crypto);
        struct lx_reader rd = lx_reader_init(bytes.p, bytes.len);
        struct ledger_narrow_known from = {0};
        struct ledger_header header;
        struct lx_hash root;
        enum lx_err err = ledger_header_decode(known, LXV_HEADER_LEN, &from.header);

        if (history != NULL) {
                root = hash_at(history);
                from.history = &root;
        }
        if (err == LX_OK) {
                ledger_header_hash(&ops.hash, &from.header, &from.hash);
                err = ledger_narrow_decode(&ops.hash, &from, &rd, &header);
        }
        if (err != LX_OK)
                return result(err);
        ledger_header_encode(&header, out);
        *out_used = bytes.len - rd.left;
        return LXV_OK;
}

static struct ledger_trust
trust_of(const struct lxv_trust *trust)
{
        return (struct ledger_trust){.chain_id = hash_at(trust->chain_id),
            .height = trust->height,
            .header = hash_at(trust->header),
            .next_valset = hash_at(trust->next_valset),
            .time_ms = trust->time_ms};
}

enum lxv_result
lxv_header_accept(const struct lxv_crypto *crypto, const struct lxv_trust *trust,
    struct lxv_part trusted_set, struct lxv_part header, struct lxv_part set, struct lxv_part cert,
    uint64_t now_ms, uint64_t trusting_period_ms, struct lxv_trust *out_trust)
{
        struct lx_crypto_ops ops = table(crypto);
        struct ledger_trust from = trust_of(trust);
        struct sigchain_valset before, now;
        struct ledger_header decoded;
        struct lx_hash hash;
        enum lx_err err = sigchain_valset_decode(trusted_set.p, trusted_set.len, &before);

        if (err == LX_OK)
                err = sigchain_valset_decode(set.p, set.len, &now);
        if (err == LX_OK)
                err = ledger_header_decode(header.p, header.len, &decoded);
        if (err != LX_OK)
                return LXV_FORMAT;
        err = ledger_cert_skip(
            &ops, &from, &before, &decoded, &now, cert.p, cert.len, now_ms, trusting_period_ms);
        if (err == LX_OK && out_trust != NULL) {
                ledger_header_hash(&ops.hash, &decoded, &hash);
                memcpy(out_trust->chain_id, decoded.chain_id.b, 32);
                out_trust->height = decoded.height;
                memcpy(out_trust->header, hash.b, 32);
                memcpy(out_trust->next_valset, decoded.next_valset.b, 32);
                out_trust->time_ms = decoded.time_ms;
        }
        return result(err);
}

/* ---- trees ------------------------------------------------------------------------------------- */

static enum lxv_result
check_tree(const struct lx_hash_ops *ops, const struct lx_hash *root, const struct lx_hash *key,
    const struct lx_hash *value, struct lxv_part proof)
{
        struct lx_reader rd = lx_reader_init(proof.p, proof.len);
        enum lx_err err = merkle_proof_verify(ops, &rd, key, value, root);

        return result(err == LX_OK ? lx_reader_end(&rd) : err);
}

enum lxv_result
lxv_state_check(const struct lxv_crypto *crypto, const uint8_t state_root[32], enum lxv_kind kind,
    struct lxv_part key, struct lxv_part value, struct lxv_part proof)
{
        struct lx_crypto_ops ops = table(crypto);
        struct lx_hash root = hash_at(state_root), state_key, value_hash;

        if (key.len > SIGCHAIN_KEY_MAX)
                return LXV_RANGE;
        sigchain_state_key(&ops.hash, (enum sigchain_kind)kind, key.p, key.len, &state_key);
        sigchain_state_value(&ops.hash, value.p, value.len, &value_hash);
        return check_tree(
            &ops.hash, &root, &state_key, value.p != NULL ? &value_hash : NULL, proof);
}

enum lxv_result
lxv_index_check(const struct lxv_crypto *crypto, const uint8_t index_root[32],
    const uint8_t digest[32], const uint8_t *release, uint32_t entry, struct lxv_part proof)
{
        struct lx_crypto_ops ops = table(crypto);
        struct lx_hash root = hash_at(index_root), key = hash_at(digest), address, value;

        if (release != NULL) {
                address = hash_at(release);
                sigchain_index_value(&ops.hash, &address, entry, &value);
        }
        return check_tree(&ops.hash, &root, &key, release != NULL ? &value : NULL, proof);
}

/* A log path of whole hashes, at most as long as a tree is deep. */
static enum lxv_result
check_log(const struct lx_hash_ops *ops, const uint8_t root_bytes[32], uint64_t index,
    uint64_t size, struct lxv_part leaf_data, struct lxv_part path)
{
        struct lx_hash root = hash_at(root_bytes), leaf, hashes[MERKLE_LOG_DEPTH_MAX];
        size_t count = path.len / LX_HASH_LEN;

        if (path.len % LX_HASH_LEN != 0 || count > MERKLE_LOG_DEPTH_MAX)
                return LXV_FORMAT;
        for (size_t i = 0; i < count; i++)
                hashes[i] = hash_at(path.p + i * LX_HASH_LEN);
        lx_hash1(ops, &LX_TAG_LEAF, leaf_data.p, leaf_data.len, &leaf);
        return result(merkle_log_verify(ops, &leaf, index, size, hashes, count, &root));
}

enum lxv_result
lxv_entry_check(const struct lxv_crypto *crypto, const uint8_t root[32], uint64_t index,
    uint64_t count, struct lxv_part entry, struct lxv_part path)
{
        struct lx_crypto_ops ops = table(crypto);

        return check_log(&ops.hash, root, index, count, entry, path);
}

enum lxv_result
lxv_history_check(const struct lxv_crypto *crypto, const uint8_t history_root[32], uint64_t size,
    uint64_t height, const uint8_t hash[32], struct lxv_part path)
{
        struct lx_crypto_ops ops = table(crypto);

        return check_log(&ops.hash, history_root, height, size,
            (struct lxv_part){.p = hash, .len = LX_HASH_LEN}, path);
}

/* The leaf hashes of the pages in @bytes, the last one zero-padded. */
static void
hash_pages(const struct lx_hash_ops *ops, struct lxv_part bytes, struct lx_hash *out)
{
        static const uint8_t zeros[MERKLE_FILE_PAGE];

        for (size_t at = 0; at < bytes.len; at += MERKLE_FILE_PAGE) {
                size_t len = bytes.len - at < MERKLE_FILE_PAGE ? bytes.len - at : MERKLE_FILE_PAGE;
                struct lx_span parts[2] = {
                    LX_SPAN(bytes.p + at, len), LX_SPAN(zeros, MERKLE_FILE_PAGE - len)};

                ops->hash(ops->ctx, &LX_TAG_LEAF, parts, 2, out++);
        }
}

enum lxv_result
lxv_file_check(const struct lxv_crypto *crypto, const uint8_t root_bytes[32], uint64_t length,
    uint64_t offset, struct lxv_part bytes, struct lxv_part path)
{
        struct lx_crypto_ops ops = table(crypto);
        struct lx_hash root = hash_at(root_bytes), leaves[LXV_PAGES_MAX],
                       hashes[MERKLE_FILE_RANGE_MAX];
        uint64_t end = offset + bytes.len, count = merkle_file_pages(bytes.len);
        size_t path_count = path.len / LX_HASH_LEN;

        if (length == 0 && offset == 0 && bytes.len == 0 && path.len == 0) {
                merkle_log_empty_root(&ops.hash, &leaves[0]);
                return lx_hash_eq(&leaves[0], &root) ? LXV_OK : LXV_PROOF;
        }
        if (offset % MERKLE_FILE_PAGE != 0 || offset > length || bytes.len > length - offset ||
            count == 0 || count > LXV_PAGES_MAX ||
            (bytes.len % MERKLE_FILE_PAGE != 0 && end != length))
                return LXV_RANGE;
        if (path.len % LX_HASH_LEN != 0 || path_count > MERKLE_FILE_RANGE_MAX)
                return LXV_FORMAT;
        for (size_t i = 0; i < path_count; i++)
                hashes[i] = hash_at(path.p + i * LX_HASH_LEN);
        hash_pages(&ops.hash, bytes, leaves);
        return result(merkle_file_verify(&ops.hash, leaves, offset / MERKLE_FILE_PAGE, count,
            merkle_file_pages(length), hashes, path_count, &root));
}

enum lxv_result
lxv_register_field(
    struct lxv_part value, const char *name, struct lxv_part *out_bytes, uint64_t *out_number)
{
        struct sigchain_register reg;
        struct sigchain_object object;
        const struct sigchain_field *field;

        if (sigchain_register_decode(value.p, value.len, &reg) != LX_OK ||
            sigchain_object_decode(reg.data, &object) != LX_OK)
                return LXV_FORMAT;
        field = sigchain_object_find(&object, name);
        if (field == NULL)
                return LXV_RANGE;
        if (out_bytes != NULL)
                *out_bytes = (struct lxv_part){.p = field->bytes.p, .len = field->bytes.len};
        if (out_number != NULL)
                *out_number = field->u64;
        return LXV_OK;
}
