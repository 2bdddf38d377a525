/* sigchain/apply_new.c - what new registers of each standard must fulfil; prefixes, releases. */
#include "config.h"
#include "sigchain/apply_int.h"

#include "crypto/secret.h"
#include "crypto/tags.h"
#include "merkle/trie.h"
#include "sigchain/manifest.h"

#include <string.h>

static uint64_t
get_u64(const struct sigchain_object *object, const char *name)
{
        uint64_t value = 0;

        (void)sigchain_object_get_u64(object, name, &value);
        return value;
}

static enum lx_err
check_crypto(struct apply *a, const struct sigchain_object *object)
{
        uint64_t kind = get_u64(object, "kind"), mem = get_u64(object, "kdf_mem");
        uint64_t passes = get_u64(object, "kdf_passes"), lanes = get_u64(object, "kdf_lanes");
        struct lx_hash recovery = {{0}};
        unsigned bits;

        (void)sigchain_object_get_hash(object, "recovery", &recovery);
        if (kind != 1 && kind != 2)
                return apply_refuse(
                    a, "crypto", "the kind of secret is 1 (profile) or 2 (key file)");
        if (kind == 1 && lx_hash_is_zero(&recovery))
                return apply_refuse(a, "recovery", "a profile needs a recovery hash");
        /* Of key files too, which have no use for it: so no register ever names a weaker one. */
        if (mem < LX_KDF_FLOOR_MEM_KIB || mem > LX_KDF_MAX_MEM_KIB ||
            passes < LX_KDF_FLOOR_PASSES || passes > LX_KDF_MAX_PASSES || lanes != 1)
                return apply_refuse(a, "kdf",
                    "Argon2id has %u to %u KiB, %u to %u passes and one lane here, not %llu, %llu, "
                    "%llu",
                    LX_KDF_FLOOR_MEM_KIB, LX_KDF_MAX_MEM_KIB, LX_KDF_FLOOR_PASSES,
                    LX_KDF_MAX_PASSES, (unsigned long long)mem, (unsigned long long)passes,
                    (unsigned long long)lanes);
        if (a->tx->sequence != 0)
                return LX_OK;
        if (get_u64(object, "recovery_use") != 0)
                return apply_refuse(a, "recovery", "recovery_use starts at 0");
        bits = sigchain_stamp_bits(
            apply_ops(a), &a->context->chain_id, &a->signer, get_u64(object, "stamp"));
        if (bits < a->context->params->value[SIGCHAIN_STAMP_BITS])
                return apply_refuse(a, "stamp", "the stamp has %u zero bits, %llu are asked for",
                    bits, (unsigned long long)a->context->params->value[SIGCHAIN_STAMP_BITS]);
        return LX_OK;
}

/* "host.a" needs the owner of namespace "a". */
static enum lx_err
check_name(struct apply *a, const struct sigchain_object *object)
{
        const struct sigchain_field *name = sigchain_object_find(object, "name");
        const uint8_t *dot = memchr(name->bytes.p, '.', name->bytes.len);
        struct sigchain_register reg;
        struct lx_hash address;
        enum lx_err err;

        if (!sigchain_name_is_valid(name->bytes))
                return LX_OK; /* refused with its reason where the address is made */
        if (dot == NULL)
                return LX_OK;
        dot++;
        sigchain_address(apply_ops(a), SIGCHAIN_NAMESPACE, dot,
            name->bytes.len - (size_t)(dot - name->bytes.p), &address);
        err = apply_get_register(a, &address, &reg);
        if (err == LX_ERR_ABSENT || (err == LX_OK && !lx_hash_eq(&reg.owner, &a->signer))) {
                lx_why_replace(a->why,
                    "rule namespace: only the owner of namespace %.*s makes this name",
                    (int)(name->bytes.len - (size_t)(dot - name->bytes.p)), (const char *)dot);
                return LX_ERR_DENIED;
        }
        return err;
}

static enum lx_err
check_account(struct apply *a, const struct sigchain_object *object)
{
        struct sigchain_register reg;
        struct lx_hash token;
        enum lx_err err;

        if (get_u64(object, "balance") != 0)
                return apply_refuse(a, "balance", "an account starts with nothing");
        if (!sigchain_object_get_hash(object, "token", &token))
                return LX_ERR_FORMAT;
        err = apply_get_register(a, &token, &reg);
        if (err == LX_OK && reg.type != SIGCHAIN_TOKEN)
                return apply_refuse(a, "account", "its token field names no token");
        return err;
}

static enum lx_err
check_token(struct apply *a, const struct sigchain_object *object)
{
        if (get_u64(object, "decimals") > 18)
                return apply_refuse(a, "token", "at most 18 decimals");
        if (get_u64(object, "balance") != get_u64(object, "supply") ||
            get_u64(object, "supply") == 0)
                return apply_refuse(
                    a, "token", "a token starts with its whole supply, which is not 0");
        return LX_OK;
}

/* Asked before the manifest is read, so that nobody makes a node read many for nothing. */
static enum lx_err
check_inserts(struct apply *a, uint64_t entries)
{
        uint64_t limit = a->context->params->value[SIGCHAIN_INDEX_INSERTS];

        a->inserts += entries <= limit ? 3 * entries : limit + 1;
        if (a->inserts > limit)
                return apply_refuse(a, "index-inserts",
                    "%llu entries give three digests each, one block takes %llu: split the release",
                    (unsigned long long)entries, (unsigned long long)limit);
        return LX_OK;
}

/* How many entries the head of the manifest tells; 0: it has none. */
static uint64_t
count_entries(const struct lx_buf *manifest)
{
        struct lx_reader rd = lx_reader_init(manifest->p, manifest->len);

        (void)lx_read_u8(&rd);
        return lx_read_u32(&rd);
}

static enum lx_err
check_release(struct apply *a, const struct sigchain_object *object)
{
        uint64_t limit = a->context->params->value[SIGCHAIN_MANIFEST_BYTES];
        struct lx_buf manifest = {0};
        struct lx_hash root;
        enum lx_err err = check_inserts(a, get_u64(object, "entries"));

        if (err != LX_OK || !sigchain_object_get_hash(object, "manifest", &root))
                return err;
        err = a->view->manifest(a->view->arg, &root, &manifest);
        if (err == LX_ERR_ABSENT)
                lx_why_set(a->why, "rule manifest: it is not stored on this node: upload it first");
        else if (err == LX_OK && manifest.len > limit)
                err = apply_refuse(a, "manifest", "it has %zu bytes, at most %llu are allowed",
                    manifest.len, (unsigned long long)limit);
        else if (err == LX_OK && (manifest.len != get_u64(object, "size") ||
                                     count_entries(&manifest) != get_u64(object, "entries")))
                err = apply_refuse(a, "manifest", "size or entries differ from the manifest's");
        a->cost += sigchain_manifest_cost(manifest.len);
        lx_buf_clear(&manifest);
        return err;
}

static enum lx_err
check_eid(struct apply *a, const struct sigchain_object *object)
{
        const struct sigchain_field *eid = sigchain_object_find(object, "eid");
        const struct sigchain_field *first = sigchain_object_find(object, "first_key");
        struct lx_pubkey key;
        uint8_t want[16];

        memcpy(key.b, first->bytes.p, LX_PUBKEY_LEN);
        sigchain_eid_derive(apply_ops(a), a->context->eid_prefix, &a->context->chain_id,
            (uint32_t)get_u64(object, "instance"), &key, want);
        if (memcmp(want, eid->bytes.p, sizeof(want)) != 0) /* public */
                return apply_refuse(a, "eid", "the EID is not the one that its first key gives");
        return LX_OK;
}

/* Roles come by certificate only (node-admit). */
static enum lx_err
check_node(struct apply *a, const struct sigchain_object *object)
{
        if (get_u64(object, "roles") != 0)
                return apply_refuse(
                    a, "node", "a node starts without roles: the validators admit it");
        return LX_OK;
}

enum lx_err
apply_check_new(struct apply *a, enum sigchain_type type, struct sigchain_object *object)
{
        switch (type) {
        case SIGCHAIN_CRYPTO:
                return check_crypto(a, object);
        case SIGCHAIN_NAME:
        case SIGCHAIN_NAMESPACE:
                return check_name(a, object);
        case SIGCHAIN_TOKEN:
                return check_token(a, object);
        case SIGCHAIN_ACCOUNT:
                return check_account(a, object);
        case SIGCHAIN_RELEASE:
        case SIGCHAIN_APPROVAL:
                return check_release(a, object);
        case SIGCHAIN_EID:
                return check_eid(a, object);
        case SIGCHAIN_NODE:
                return check_node(a, object);
        case SIGCHAIN_OBJECT:
        case SIGCHAIN_RAW:
        case SIGCHAIN_READONLY:
        case SIGCHAIN_APPEND:
        case SIGCHAIN_INDEX:
        case SIGCHAIN_FILE:
        case SIGCHAIN_PREFIX:
        case SIGCHAIN_DEVICE:
        case SIGCHAIN_VALIDATOR:
        case SIGCHAIN_DELEGATION:
        case SIGCHAIN_OWNERS:
                return LX_OK;
        }
        return LX_ERR_FORMAT;
}

void
sigchain_eid_derive(const struct lx_hash_ops *ops, const uint8_t eid_prefix[4],
    const struct lx_hash *chain_id, uint32_t instance, const struct lx_pubkey *key,
    uint8_t out_eid[16])
{
        uint8_t number[4] = {(uint8_t)(instance >> 24), (uint8_t)(instance >> 16),
            (uint8_t)(instance >> 8), (uint8_t)instance};
        struct lx_span parts[4] = {LX_SPAN("eid", 3), LX_SPAN(chain_id->b, LX_HASH_LEN),
            LX_SPAN(number, 4), LX_SPAN(key->b, LX_PUBKEY_LEN)};
        struct lx_hash hash;

        ops->hash(ops->ctx, &LX_TAG_ADDRESS, parts, 4, &hash);
        memcpy(out_eid, eid_prefix, 4);
        memcpy(out_eid + 4, hash.b, 12);
}

/* ---- prefixes --------------------------------------------------------------------------------- */

static enum lx_err
load_trie(struct apply *a, const uint8_t key[5], struct lx_hash *out_root)
{
        struct lx_span value;
        enum lx_err err = apply_get(a, SIGCHAIN_KIND_TRIE, key, 5, &value);

        *out_root = (struct lx_hash){{0}};
        if (err == LX_ERR_ABSENT)
                return LX_OK;
        if (err == LX_OK && value.len != LX_HASH_LEN)
                return LX_ERR_CORRUPT;
        if (err == LX_OK)
                memcpy(out_root->b, value.p, LX_HASH_LEN);
        return err;
}

/* The longest prefix in the trie that covers @bits: whose register it is. Not found: there is none. */
static enum lx_err
find_covering(struct apply *a, const struct lx_hash *root, const struct merkle_bits *bits,
    struct merkle_bits *out_bits, struct sigchain_register *out_reg, bool *out_found)
{
        const struct merkle_trie_nodes nodes = {apply_trie_node, apply_put_trie_node, a};
        struct lx_hash address;
        enum lx_err err = merkle_trie_match(&nodes, root, bits, out_bits, &address, out_found);

        return err == LX_OK && *out_found ? apply_get_register(a, &address, out_reg) : err;
}

/* The longest prefix that covers it must be the signer's, and shorter. Genesis has no signer. */
static enum lx_err
check_parent(struct apply *a, const struct lx_hash *root, const struct merkle_bits *bits)
{
        struct sigchain_register parent;
        struct merkle_bits found_bits;
        bool found;
        enum lx_err err = find_covering(a, root, bits, &found_bits, &parent, &found);

        if (err != LX_OK)
                return err;
        if (!found)
                return apply_refuse(a, "prefix-parent",
                    "no prefix covers it: root prefixes come only from genesis");
        if (found_bits.len == bits->len)
                return LX_ERR_CORRUPT; /* its register would have been found: rule taken */
        if (lx_hash_eq(&parent.owner, &a->signer))
                return LX_OK;
        lx_why_set(a->why, "rule prefix-parent: the covering prefix belongs to another chain");
        return LX_ERR_DENIED;
}

static struct merkle_bits
prefix_bits(const struct sigchain_object *object)
{
        struct merkle_bits bits = {.len = (uint8_t)get_u64(object, "bits")};

        memcpy(bits.b, sigchain_object_find(object, "prefix")->bytes.p, sizeof(bits.b));
        return bits;
}

static void
trie_key(const struct sigchain_object *object, uint8_t key[5])
{
        uint64_t instance = get_u64(object, "instance");

        for (unsigned i = 0; i < 4; i++)
                key[i] = (uint8_t)(instance >> (24 - 8 * i));
        key[4] = (uint8_t)get_u64(object, "family");
}

enum lx_err
apply_enter_prefix(
    struct apply *a, const struct sigchain_object *object, const struct lx_hash *address)
{
        const struct merkle_trie_nodes nodes = {apply_trie_node, apply_put_trie_node, a};
        struct merkle_bits bits = prefix_bits(object);
        struct lx_hash root;
        uint8_t key[5];
        enum lx_err err;

        trie_key(object, key);
        err = load_trie(a, key, &root);
        if (err == LX_OK && a->tx != NULL)
                err = check_parent(a, &root, &bits);
        if (err == LX_OK)
                err = merkle_trie_set(apply_ops(a), &nodes, &root, &bits, address, &root);
        if (err == LX_OK)
                apply_put(a, SIGCHAIN_KIND_TRIE, key, sizeof(key), LX_SPAN(root.b, LX_HASH_LEN));
        return err;
}

enum lx_err
apply_take_back_prefix(struct apply *a, struct sigchain_register *reg, bool *out_taken)
{
        struct sigchain_object *object = lx_arena_alloc(a->arena, sizeof(*object));
        struct sigchain_register parent;
        struct merkle_bits bits, found_bits;
        struct lx_hash root, *none = lx_arena_alloc(a->arena, sizeof(*none));
        bool found = false;
        uint8_t key[5];
        enum lx_err err;

        *out_taken = false;
        if (sigchain_object_decode(reg->data, object) != LX_OK)
                return LX_ERR_CORRUPT;
        bits = prefix_bits(object);
        if (bits.len == 0 || lx_hash_eq(&reg->owner, &a->signer))
                return LX_OK;
        /* what covers it is found from a bit less of it, so that it is not found itself */
        bits.len--;
        bits.b[bits.len / 8] &= (uint8_t)(0xff00 >> bits.len % 8);
        trie_key(object, key);
        err = load_trie(a, key, &root);
        if (err == LX_OK)
                err = find_covering(a, &root, &bits, &found_bits, &parent, &found);
        if (err != LX_OK || !found || !lx_hash_eq(&parent.owner, &a->signer))
                return err;
        *none = (struct lx_hash){{0}};
        for (size_t i = 0; i < object->count; i++)
                if (object->field[i].name.len == 3 &&
                    memcmp(object->field[i].name.p, "eid", 3) == 0) /* public */
                        object->field[i].bytes = LX_SPAN(none->b, LX_HASH_LEN);
        reg->data = apply_encode_object(a, object);
        *out_taken = true;
        return LX_OK;
}

/* ---- revocation ------------------------------------------------------------------------------- */

enum lx_err
apply_revoke(struct apply *a, const struct sigchain_op_body *body)
{
        uint8_t key[2 * LX_HASH_LEN], height[8];
        struct lx_span value;
        enum lx_err err;

        memcpy(key, a->signer.b, LX_HASH_LEN);
        memcpy(key + LX_HASH_LEN, body->u.revoke.digest.b, LX_HASH_LEN);
        err = apply_get(a, SIGCHAIN_KIND_REVOKED, key, sizeof(key), &value);
        if (err == LX_OK) {
                lx_why_set(a->why, "rule taken: the digest is revoked already");
                return LX_ERR_EXISTS;
        }
        if (err != LX_ERR_ABSENT)
                return err;
        lx_put_be64(height, a->context->height);
        apply_put(a, SIGCHAIN_KIND_REVOKED, key, sizeof(key), LX_SPAN(height, sizeof(height)));
        return LX_OK;
}
