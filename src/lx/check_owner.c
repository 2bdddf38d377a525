/* lx/check_owner.c - who owns an address of the overlay, by proof; see lx/check.h. */
#include "config.h"
#include "lx/check_int.h"

#include "crypto/hash.h"
#include "merkle/trie.h"
#include "sigchain/apply.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool
is_zeros(const char *hex)
{
        return hex[0] == '\0' || strspn(hex, "0") == strlen(hex);
}

/* Whether the eid register at @address is there and has a key. */
static enum lx_err
eid_lives(struct lx *lx, struct lx_check *check, const char *address, bool *out_lives)
{
        json_t *o = NULL;
        enum lx_err err = lx_check_fetch(lx, check, address, &o);

        *out_lives = err == LX_OK && json_is_true(json_object_get(o, "exists")) &&
                     !is_zeros(lx_str(json_object_get(o, "fields"), "key"));
        json_decref(o);
        return err;
}

/* The prefix register at @reg leads to an eid register that lives. */
static enum lx_err
prefix_leads(struct lx *lx, struct lx_check *check, const struct lx_hash *reg, bool *out_owned)
{
        json_t *o = NULL;
        char hex[65];
        const char *eid;
        enum lx_err err = lx_check_fetch(lx, check, lx_hex_of(reg, hex), &o);

        *out_owned = false;
        if (err == LX_OK) {
                eid = lx_str(json_object_get(o, "fields"), "eid");
                if (!is_zeros(eid))
                        err = eid_lives(lx, check, eid, out_owned);
        }
        json_decref(o);
        return err;
}

static void
format(const struct merkle_bits *bits, int family, char out[LX_PREFIX_TEXT])
{
        char text[INET6_ADDRSTRLEN];

        (void)inet_ntop(family, bits->b, text, sizeof(text));
        (void)snprintf(out, LX_PREFIX_TEXT, "%s/%u", text, (unsigned)bits->len);
}

/* The longest prefix that covers the address: its register, or the hole around it. */
static enum lx_err
match(struct lx *lx, struct lx_check *check, const json_t *answer, int family, const uint8_t addr[16],
    struct lx_hash *out_reg, bool *out_found, char out_prefix[LX_PREFIX_TEXT])
{
        const json_t *proof = json_object_get(answer, "proof");
        const char *trie = lx_str(proof, "trie");
        size_t len = strlen(trie) / 2;
        uint8_t key[5] = {0, 0, 0, 0, family == AF_INET ? 4 : 6};
        struct merkle_bits at = {.len = family == AF_INET ? 32 : 128}, prefix = {.len = 0};
        struct lx_buf value = {0}, bytes = {0};
        struct lx_hash root;
        enum lx_err err = lx_check_head(lx, check, proof, LX_CHECK_NOW);

        *out_found = false;
        memcpy(at.b, addr, 16);
        if (err == LX_OK)
                err = lx_check_state(lx, check, proof, SIGCHAIN_KIND_TRIE, key, sizeof(key), &value);
        if (err == LX_OK && value.len == LX_HASH_LEN) {
                struct lx_reader rd;

                memcpy(root.b, value.p, LX_HASH_LEN);
                if (len > LX_TRIE_PROOF_MAX || !lx_unhex(trie, 2 * len, lx_buf_reserve(&bytes, len + 1), len))
                        err = LX_ERR_PROOF;
                rd = lx_reader_init(bytes.p, len);
                if (err == LX_OK)
                        err = merkle_trie_verify(&lx_crypto_ops()->hash, &rd, &root, &at, &prefix, out_reg, out_found);
        }
        if (err == LX_OK)
                format(&prefix, family, out_prefix);
        else if (err == LX_ERR_PROOF)
                err = lx_check_wrong(lx, "the proof of the prefixes does not hold");
        lx_buf_clear(&value);
        lx_buf_clear(&bytes);
        return err;
}

enum lx_err
lx_check_owner(
    struct lx *lx, struct lx_check *check, const char *text, bool *out_owned, char out_prefix[LX_PREFIX_TEXT])
{
        uint8_t addr[16] = {0}, key[20] = {0};
        int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
        struct lx_hash reg;
        json_t *o = NULL;
        char hex[65];
        bool found = false;
        enum lx_err err = LX_OK;

        *out_owned = false;
        if (inet_pton(family, text, addr) != 1)
                return LX_ERR_RANGE;
        (void)snprintf(out_prefix, LX_PREFIX_TEXT, "%.50s/128", text);
        if (family == AF_INET6) { /* the address of an eid register follows from the EID alone */
                memcpy(key + 4, addr, 16);
                sigchain_address(&lx_crypto_ops()->hash, SIGCHAIN_EID, key, sizeof(key), &reg);
                err = eid_lives(lx, check, lx_hex_of(&reg, hex), out_owned);
        }
        if (err != LX_OK || *out_owned)
                return err;
        err = rpcclient_call(lx->client, "prefix.match",
            json_pack("{s:i,s:s,s:b}", "instance", 0, "address", text, "prove", 1), &o, &lx->why);
        if (err == LX_OK)
                err = match(lx, check, o, family, addr, &reg, &found, out_prefix);
        if (err == LX_OK && found)
                err = prefix_leads(lx, check, &reg, out_owned);
        json_decref(o);
        return err;
}
