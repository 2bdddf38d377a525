/* llp/noise.c - BOLT 8, "Handshake Exchange"; the names h, ck, es, ee, se are the document's. */
#include "config.h"
#include "llp/noise.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#include <string.h>

enum state { WRITE_1, READ_1, READ_2, WRITE_2, WRITE_3, READ_3, DONE, FAILED };

struct llp_noise {
        enum state state;
        bool initiator;
        const uint8_t *secret;
        uint8_t ephemeral[32];
        struct lx_point own, own_ephemeral, remote, remote_ephemeral;
        uint8_t h[32], ck[32], key[32];
        struct llp_noise_keys keys;
};

static const char PROTOCOL[] = "Noise_XK_secp256k1_ChaChaPoly_SHA256";

/* h = SHA-256(h | bytes) */
static void
mix_hash(struct llp_noise *noise, const uint8_t *bytes, size_t len)
{
        struct lx_sha256 *sha = lx_sha256_new();

        lx_sha256_update(sha, noise->h, sizeof(noise->h));
        if (len > 0)
                lx_sha256_update(sha, bytes, len);
        lx_sha256_final(sha, noise->h);
        lx_sha256_free(sha);
}

/* ck, key = HKDF(ck, ECDH(scalar, point)) */
static enum lx_err
mix_key(struct llp_noise *noise, const uint8_t *scalar, const struct lx_point *point)
{
        uint8_t shared[32], out[64];
        enum lx_err err = lx_ecdh(scalar, point, shared);

        if (err != LX_OK)
                return err;
        lx_hkdf64(noise->ck, LX_SPAN(shared, sizeof(shared)), out);
        memcpy(noise->ck, out, 32);
        memcpy(noise->key, out + 32, 32);
        lx_wipe(shared, sizeof(shared));
        lx_wipe(out, sizeof(out));
        return LX_OK;
}

static void
make_nonce(uint64_t n, uint8_t out[LX_AEAD_NONCE_LEN])
{
        memset(out, 0, LX_AEAD_NONCE_LEN);
        out[4] = (uint8_t)n; /* acts use 0 and 1 only; little-endian */
}

/* Seal with h as associated data, then mix the sealed bytes into h. */
static void
seal(struct llp_noise *noise, uint64_t n, const uint8_t *text, size_t len, uint8_t *out)
{
        struct lx_aead *aead = lx_aead_new(LX_AEAD_SEAL, noise->key);
        uint8_t nonce[LX_AEAD_NONCE_LEN];

        make_nonce(n, nonce);
        lx_aead_seal(aead, nonce, LX_SPAN(noise->h, 32), text, len, out);
        lx_aead_free(aead);
        mix_hash(noise, out, len + LX_AEAD_TAG_LEN);
}

static enum lx_err
open_sealed(struct llp_noise *noise, uint64_t n, const uint8_t *in, size_t len, uint8_t *out)
{
        struct lx_aead *aead = lx_aead_new(LX_AEAD_OPEN, noise->key);
        uint8_t nonce[LX_AEAD_NONCE_LEN];
        bool opened;

        make_nonce(n, nonce);
        opened = lx_aead_open(aead, nonce, LX_SPAN(noise->h, 32), in, len, out);
        lx_aead_free(aead);
        mix_hash(noise, in, len);
        return opened ? LX_OK : LX_ERR_DENIED;
}

enum lx_err
llp_noise_new(const struct llp_noise_options *options, struct llp_noise **out_noise)
{
        struct llp_noise *noise = lx_alloc(sizeof(*noise));
        uint8_t ignored[32];
        enum lx_err err;

        noise->initiator = options->initiator;
        noise->state = options->initiator ? WRITE_1 : READ_1;
        noise->secret = options->secret;
        memcpy(noise->ephemeral, options->ephemeral, sizeof(noise->ephemeral));
        noise->remote = options->remote;
        err = lx_ecdh_point(noise->secret, &noise->own);
        if (err == LX_OK)
                err = lx_ecdh_point(noise->ephemeral, &noise->own_ephemeral);
        if (err == LX_OK && noise->initiator)
                err = lx_ecdh(noise->ephemeral, &noise->remote, ignored); /* is it a point? */
        if (err != LX_OK) {
                llp_noise_free(noise);
                return err;
        }
        lx_wipe(ignored, sizeof(ignored));
        lx_sha256(PROTOCOL, sizeof(PROTOCOL) - 1, noise->h);
        memcpy(noise->ck, noise->h, sizeof(noise->ck));
        mix_hash(noise, options->prologue.p, options->prologue.len);
        mix_hash(noise, noise->initiator ? noise->remote.b : noise->own.b, LX_POINT_LEN);
        *out_noise = noise;
        return LX_OK;
}

void
llp_noise_free(struct llp_noise *noise)
{
        if (noise == NULL)
                return;
        lx_wipe(noise, sizeof(*noise));
        lx_free(noise);
}

size_t
llp_noise_wants(const struct llp_noise *noise)
{
        switch (noise->state) {
        case READ_1:
                return LLP_NOISE_ACT1_LEN;
        case READ_2:
                return LLP_NOISE_ACT2_LEN;
        case READ_3:
                return LLP_NOISE_ACT3_LEN;
        case WRITE_1:
        case WRITE_2:
        case WRITE_3:
        case DONE:
        case FAILED:
                break;
        }
        return 0;
}

/* ---- acts one and two: an ephemeral point and a tag -------------------------------------------- */

static enum lx_err
read_ephemeral(struct llp_noise *noise, const uint8_t *act, const uint8_t *scalar)
{
        uint8_t nothing[1];
        enum lx_err err;

        memcpy(noise->remote_ephemeral.b, act + 1, LX_POINT_LEN);
        mix_hash(noise, act + 1, LX_POINT_LEN);
        err = mix_key(noise, scalar, &noise->remote_ephemeral);
        return err != LX_OK ? err : open_sealed(noise, 0, act + 34, LX_AEAD_TAG_LEN, nothing);
}

static size_t
write_ephemeral(struct llp_noise *noise, const struct lx_point *point, uint8_t *out)
{
        enum lx_err err;

        out[0] = 0;
        memcpy(out + 1, noise->own_ephemeral.b, LX_POINT_LEN);
        mix_hash(noise, out + 1, LX_POINT_LEN);
        err = mix_key(noise, noise->ephemeral, point);
        lx_assert(err == LX_OK); /* scalar and point were used before */
        seal(noise, 0, NULL, 0, out + 34);
        return LLP_NOISE_ACT1_LEN;
}

/* ---- act three: the initiator's static point --------------------------------------------------- */

static void
finish(struct llp_noise *noise)
{
        uint8_t out[64];

        lx_hkdf64(noise->ck, LX_SPAN(NULL, 0), out);
        memcpy(noise->initiator ? noise->keys.send : noise->keys.recv, out, 32);
        memcpy(noise->initiator ? noise->keys.recv : noise->keys.send, out + 32, 32);
        memcpy(noise->keys.chaining, noise->ck, 32);
        lx_wipe(out, sizeof(out));
        lx_wipe(noise->ephemeral, sizeof(noise->ephemeral));
        noise->state = DONE;
}

static enum lx_err
read_static(struct llp_noise *noise, const uint8_t *act)
{
        uint8_t nothing[1];
        enum lx_err err =
            open_sealed(noise, 1, act + 1, LX_POINT_LEN + LX_AEAD_TAG_LEN, noise->remote.b);

        if (err == LX_OK)
                err = mix_key(noise, noise->ephemeral, &noise->remote);
        if (err == LX_OK)
                err = open_sealed(noise, 0, act + 50, LX_AEAD_TAG_LEN, nothing);
        if (err == LX_OK)
                finish(noise);
        return err;
}

static size_t
write_static(struct llp_noise *noise, uint8_t *out)
{
        enum lx_err err;

        out[0] = 0;
        seal(noise, 1, noise->own.b, LX_POINT_LEN, out + 1);
        err = mix_key(noise, noise->secret, &noise->remote_ephemeral);
        lx_assert(err == LX_OK);
        seal(noise, 0, NULL, 0, out + 50);
        finish(noise);
        return LLP_NOISE_ACT3_LEN;
}

/* ---- the machine ------------------------------------------------------------------------------- */

static enum lx_err
read_act(struct llp_noise *noise, const uint8_t *act)
{
        enum lx_err err = LX_OK;

        switch (noise->state) {
        case READ_1:
                err = read_ephemeral(noise, act, noise->secret);
                noise->state = WRITE_2;
                break;
        case READ_2:
                err = read_ephemeral(noise, act, noise->ephemeral);
                noise->state = WRITE_3;
                break;
        case READ_3:
                err = read_static(noise, act);
                break;
        case WRITE_1:
        case WRITE_2:
        case WRITE_3:
        case DONE:
        case FAILED:
                break;
        }
        return err;
}

enum lx_err
llp_noise_read(struct llp_noise *noise, const uint8_t *act, size_t len)
{
        size_t wants = llp_noise_wants(noise);
        enum lx_err err = LX_OK;

        if (wants == 0 || len > wants)
                err = LX_ERR_TRAILING;
        else if (len < wants)
                err = LX_ERR_TRUNCATED;
        else if (act[0] != 0)
                err = LX_ERR_VERSION;
        else
                err = read_act(noise, act);
        if (err != LX_OK)
                noise->state = FAILED;
        return err;
}

size_t
llp_noise_write(struct llp_noise *noise, uint8_t out[LLP_NOISE_ACT_MAX])
{
        size_t len = 0;

        switch (noise->state) {
        case WRITE_1:
                len = write_ephemeral(noise, &noise->remote, out);
                noise->state = READ_2;
                break;
        case WRITE_2:
                len = write_ephemeral(noise, &noise->remote_ephemeral, out);
                noise->state = READ_3;
                break;
        case WRITE_3:
                len = write_static(noise, out);
                break;
        case READ_1:
        case READ_2:
        case READ_3:
        case DONE:
        case FAILED:
                break;
        }
        return len;
}

bool
llp_noise_is_done(const struct llp_noise *noise)
{
        return noise->state == DONE;
}

void
llp_noise_get_keys(const struct llp_noise *noise, struct llp_noise_keys *out_keys)
{
        lx_assert(noise->state == DONE);
        *out_keys = noise->keys;
}

const struct lx_point *
llp_noise_remote(const struct llp_noise *noise)
{
        return &noise->remote;
}
