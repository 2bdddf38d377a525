/*
 * examples/verify-register.c - check the proof of a register with liblxverify.
 *
 *   lx register prove ADDRESS >proof.json
 *   verify-register ~/.lxnode/trust.json proof.json
 *
 * Exit status: 0 the proof holds, 1 it does not, 2 bad input. What is proven is the item's "value" under its
 * "key"; the answer's other fields are only the node's reading of it and are not looked at. JSON is only how
 * the proof travelled here; the checks themselves need lxverify.h and the two primitives below.
 */
#include <blake2.h>
#include <jansson.h>
#include <lxverify.h>
#include <secp256k1.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_MS (24ull * 3600 * 1000)

static void
hash(void *ctx, const uint8_t tag[16], const struct lxv_part *parts, size_t count, uint8_t out[32])
{
        blake2b_param param = {.digest_length = 32, .fanout = 1, .depth = 1};
        blake2b_state state;

        (void)ctx;
        memcpy(param.personal, tag, 16);
        (void)blake2b_init_param(&state, &param);
        for (size_t i = 0; i < count; i++)
                if (parts[i].len > 0)
                        (void)blake2b_update(&state, parts[i].p, parts[i].len);
        (void)blake2b_final(&state, out, 32);
}

static int
verify(void *ctx, const uint8_t key[32], const uint8_t msg[32], const uint8_t sig[64])
{
        secp256k1_xonly_pubkey public;

        return secp256k1_xonly_pubkey_parse(ctx, &public, key) == 1 &&
            secp256k1_schnorrsig_verify(ctx, sig, msg, 32, &public) == 1;
}

/* The bytes of a hex field, in memory that lives as long as the program. */
static struct lxv_part
hex(const json_t *o, const char *name)
{
        static uint8_t memory[1 << 18];
        static size_t used;
        const char *s = json_string_value(json_object_get(o, name));
        size_t len = s != NULL ? strlen(s) / 2 : 0;
        uint8_t *bytes = memory + used;

        if (s == NULL || len > sizeof(memory) - used)
                return (struct lxv_part){0};
        used += len;
        for (size_t i = 0; i < len; i++)
                (void)sscanf(s + 2 * i, "%2hhx", &bytes[i]);
        return (struct lxv_part){.p = bytes, .len = len};
}

static struct lxv_trust
read_trust(const json_t *o)
{
        struct lxv_trust trust = {.height = (uint64_t)json_integer_value(json_object_get(o, "height")),
            .time_ms = (uint64_t)json_integer_value(json_object_get(o, "time_ms"))};
        struct lxv_part chain = hex(o, "chain_id"), header = hex(o, "header"), set = hex(o, "valset");
        static const uint8_t tag[16] = "lx.valset";

        if (chain.len == 32 && header.len == 32) {
                memcpy(trust.chain_id, chain.p, 32);
                memcpy(trust.header, header.p, 32);
        }
        hash(NULL, tag, &set, 1, trust.next_valset);
        return trust;
}

int
main(int argc, char **argv)
{
        struct lxv_crypto crypto = {.blake2b = hash, .verify = verify};
        json_t *trust_json, *answer, *proof, *item;
        struct lxv_trust trust;
        struct lxv_header header;
        enum lxv_result result;

        if (argc != 3 || (trust_json = json_load_file(argv[1], 0, NULL)) == NULL ||
            (answer = json_load_file(argv[2], 0, NULL)) == NULL) {
                (void)fprintf(stderr, "usage: verify-register TRUST.json PROOF.json\n");
                return 2;
        }
        crypto.ctx = secp256k1_context_create(SECP256K1_CONTEXT_VERIFY);
        proof = json_object_get(answer, "proof");
        item = json_array_get(json_object_get(proof, "state"), 0);
        trust = read_trust(trust_json);
        result = lxv_header_decode(&crypto, hex(proof, "header").p, hex(proof, "header").len, &header);
        if (result == LXV_OK && (header.height != trust.height || memcmp(header.hash, trust.header, 32) != 0))
                result = lxv_header_accept(&crypto, &trust, hex(trust_json, "valset"), hex(proof, "header"),
                    hex(proof, "valset"), hex(proof, "cert"), (uint64_t)time(NULL) * 1000,
                    (uint64_t)json_integer_value(json_object_get(trust_json, "trust_days")) * DAY_MS, NULL);
        if (result == LXV_OK)
                result = lxv_state_check(&crypto, header.state_root, LXV_REGISTER, hex(item, "key"),
                    hex(item, "value"), hex(item, "path"));
        printf("%s at height %llu: %s\n", json_string_value(json_object_get(item, "key")),
            (unsigned long long)header.height, result == LXV_OK ? "verified" : "NOT verified");
        secp256k1_context_destroy(crypto.ctx);
        json_decref(answer);
        json_decref(trust_json);
        return result == LXV_OK ? 0 : 1;
}
