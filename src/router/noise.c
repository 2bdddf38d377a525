/* router/noise.c - handshake and frames; see router/noise.h. */
#include "config.h"
#include "router/noise.h"

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"

#include <string.h>

static const char PROTOCOL[] = "Noise_IK_25519_ChaChaPoly_SHA256"; /* 32 bytes: h as it is */

/* ---- symmetric state --------------------------------------------------------------------------- */

static void
mix_hash(struct router_noise *n, const void *p, size_t len)
{
        uint8_t buf[32 + 64];

        memcpy(buf, n->h, 32);
        memcpy(buf + 32, p, len);
        lx_sha256(buf, 32 + len, n->h);
}

/* MixKey: a new chaining key, and the key for what follows. */
static void
mix_key(struct router_noise *n, const uint8_t shared[32], uint8_t out_key[32])
{
        uint8_t out[64];

        lx_hkdf64(n->ck, LX_SPAN(shared, 32), out);
        memcpy(n->ck, out, 32);
        memcpy(out_key, out + 32, 32);
        lx_wipe(out, sizeof(out));
}

static bool
mix_dh(struct router_noise *n, const uint8_t sec[32], const uint8_t pub[32], uint8_t out_key[32])
{
        uint8_t shared[32];
        bool ok = lx_x25519(sec, pub, shared);

        if (ok)
                mix_key(n, shared, out_key);
        lx_wipe(shared, sizeof(shared));
        return ok;
}

static void
seal_part(struct router_noise *n, const uint8_t key[32], const uint8_t *in, size_t len, uint8_t *out)
{
        static const uint8_t nonce[LX_AEAD_NONCE_LEN] = {0};
        struct lx_aead *aead = lx_aead_new(LX_AEAD_SEAL, key);

        lx_aead_seal(aead, nonce, LX_SPAN(n->h, 32), in, len, out);
        lx_aead_free(aead);
        mix_hash(n, out, len + LX_AEAD_TAG_LEN);
}

static bool
open_part(struct router_noise *n, const uint8_t key[32], const uint8_t *in, size_t len, uint8_t *out)
{
        static const uint8_t nonce[LX_AEAD_NONCE_LEN] = {0};
        struct lx_aead *aead = lx_aead_new(LX_AEAD_OPEN, key);
        bool ok = lx_aead_open(aead, nonce, LX_SPAN(n->h, 32), in, len, out);

        lx_aead_free(aead);
        if (ok)
                mix_hash(n, in, len);
        return ok;
}

static void
begin(struct router_noise *n, const struct lx_hash *chain_id, const uint8_t responder[32])
{
        uint8_t prologue[11 + 32];

        memcpy(n->h, PROTOCOL, 32);
        memcpy(n->ck, n->h, 32);
        memcpy(prologue, "lx router 1", 11);
        memcpy(prologue + 11, chain_id->b, 32);
        mix_hash(n, prologue, sizeof(prologue));
        mix_hash(n, responder, 32); /* the pre-message of IK: <- s */
}

void
router_noise_clear(struct router_noise *noise)
{
        lx_wipe(noise, sizeof(*noise));
}

/* ---- IK: -> e, es, s, ss; <- e, ee, se --------------------------------------------------------- */

bool
router_noise_start(struct router_noise *noise, const struct lx_hash *chain_id, const uint8_t sec[32],
    const uint8_t peer_s[32], const uint8_t ephemeral[32], uint64_t counter,
    uint8_t out_message[ROUTER_NOISE1_LEN])
{
        uint8_t key[32], s_pub[32], payload[8];
        bool ok;

        *noise = (struct router_noise){0};
        memcpy(noise->e, ephemeral, 32);
        memcpy(noise->peer_s, peer_s, 32);
        begin(noise, chain_id, peer_s);
        lx_x25519_public(noise->e, noise->e_pub);
        lx_x25519_public(sec, s_pub);
        memcpy(out_message, noise->e_pub, 32);
        mix_hash(noise, noise->e_pub, 32);
        ok = mix_dh(noise, noise->e, peer_s, key);
        if (ok)
                seal_part(noise, key, s_pub, 32, out_message + 32);
        ok = ok && mix_dh(noise, sec, peer_s, key);
        lx_put_be64(payload, counter);
        if (ok)
                seal_part(noise, key, payload, sizeof(payload), out_message + 80);
        lx_wipe(key, sizeof(key));
        return ok;
}

bool
router_noise_accept(struct router_noise *noise, const struct lx_hash *chain_id,
    const uint8_t sec[32], const uint8_t message[ROUTER_NOISE1_LEN], uint64_t *out_counter)
{
        uint8_t key[32], s_pub[32], payload[8];
        bool ok;

        *noise = (struct router_noise){0};
        lx_x25519_public(sec, s_pub);
        begin(noise, chain_id, s_pub);
        memcpy(noise->peer_e, message, 32);
        mix_hash(noise, noise->peer_e, 32);
        ok = mix_dh(noise, sec, noise->peer_e, key) &&
             open_part(noise, key, message + 32, 48, noise->peer_s) &&
             mix_dh(noise, sec, noise->peer_s, key) &&
             open_part(noise, key, message + 80, 24, payload);
        if (ok)
                *out_counter = lx_get_be64(payload);
        lx_wipe(key, sizeof(key));
        return ok;
}

bool
router_noise_answer(struct router_noise *noise, const uint8_t ephemeral[32],
    uint8_t out_message[ROUTER_NOISE2_LEN])
{
        uint8_t key[32];
        bool ok;

        memcpy(noise->e, ephemeral, 32);
        lx_x25519_public(noise->e, noise->e_pub);
        memcpy(out_message, noise->e_pub, 32);
        mix_hash(noise, noise->e_pub, 32);
        ok = mix_dh(noise, noise->e, noise->peer_e, key) &&
             mix_dh(noise, noise->e, noise->peer_s, key);
        if (ok)
                seal_part(noise, key, NULL, 0, out_message + 32);
        lx_wipe(key, sizeof(key));
        return ok;
}

bool
router_noise_finish(struct router_noise *noise, const uint8_t sec[32],
    const uint8_t message[ROUTER_NOISE2_LEN])
{
        struct router_noise next = *noise;
        uint8_t key[32], nothing[1];
        bool ok;

        memcpy(next.peer_e, message, 32);
        mix_hash(&next, next.peer_e, 32);
        ok = mix_dh(&next, next.e, next.peer_e, key) && mix_dh(&next, sec, next.peer_e, key) &&
             open_part(&next, key, message + 32, 16, nothing);
        if (ok)
                *noise = next;
        lx_wipe(key, sizeof(key));
        router_noise_clear(&next);
        return ok;
}

/* ---- sessions ---------------------------------------------------------------------------------- */

struct router_session *
router_session_new(const struct router_noise *noise, bool initiator, uint64_t now_ms)
{
        struct router_session *session = lx_alloc(sizeof(*session));
        uint8_t keys[64];

        lx_hkdf64(noise->ck, LX_SPAN(NULL, 0), keys);
        session->seal = lx_aead_new(LX_AEAD_SEAL, initiator ? keys : keys + 32);
        session->open = lx_aead_new(LX_AEAD_OPEN, initiator ? keys + 32 : keys);
        session->born_ms = now_ms;
        session->initiator = initiator;
        lx_wipe(keys, sizeof(keys));
        return session;
}

void
router_session_free(struct router_session *session)
{
        if (session == NULL)
                return;
        lx_aead_free(session->seal);
        lx_aead_free(session->open);
        lx_free(session);
}

static void
frame_nonce(uint64_t counter, uint8_t out[LX_AEAD_NONCE_LEN])
{
        memset(out, 0, 4);
        for (unsigned i = 0; i < 8; i++)
                out[4 + i] = (uint8_t)(counter >> 8 * i); /* Noise: little-endian */
}

size_t
router_session_seal(
    struct router_session *session, uint32_t iid, const uint8_t *in, size_t len, uint8_t *out)
{
        struct lx_writer wr = lx_writer_init(out, ROUTER_FRAME_HEAD);
        uint8_t nonce[LX_AEAD_NONCE_LEN];

        /* RFC 9300 5.1: |N|L|E|V|I|R|K|K| nonce; instance id, status bits. RFC 8061: K names the key. */
        lx_write_u32(&wr, 0x09000000);
        lx_write_u32(&wr, iid << 8);
        lx_write_u32(&wr, session->remote_index);
        lx_write_u64(&wr, session->sent);
        frame_nonce(session->sent++, nonce);
        lx_aead_seal(session->seal, nonce, LX_SPAN(out, ROUTER_FRAME_HEAD), in, len,
            out + ROUTER_FRAME_HEAD);
        return len + ROUTER_FRAME_OVERHEAD;
}

bool
router_frame_index(const uint8_t *frame, size_t len, uint32_t *out_index)
{
        struct lx_reader rd = lx_reader_init(frame, len);

        if (len < ROUTER_FRAME_OVERHEAD || frame[0] != 0x09)
                return false;
        (void)lx_read_u64(&rd);
        *out_index = lx_read_u32(&rd);
        return true;
}

/* Whether @counter may still come; RFC 6479 in spirit. */
static bool
window_allows(const struct router_session *s, uint64_t counter)
{
        if (counter >= s->highest)
                return counter < ROUTER_FRAMES_MAX;
        if (s->highest - counter > ROUTER_WINDOW - 64)
                return false;
        return (s->window[counter / 64 % (ROUTER_WINDOW / 64)] >> counter % 64 & 1) == 0;
}

static void
window_take(struct router_session *s, uint64_t counter)
{
        if (counter >= s->highest) {
                uint64_t from = s->highest == 0 ? 0 : (s->highest - 1) / 64 + 1, to = counter / 64;

                if (to - from >= ROUTER_WINDOW / 64 && to >= from)
                        from = to - (ROUTER_WINDOW / 64 - 1);
                for (uint64_t i = from; i <= to; i++)
                        s->window[i % (ROUTER_WINDOW / 64)] = 0;
                s->highest = counter + 1;
        }
        s->window[counter / 64 % (ROUTER_WINDOW / 64)] |= 1ull << counter % 64;
}

enum lx_err
router_session_open(struct router_session *session, uint8_t *frame, size_t len, uint32_t *out_iid,
    uint8_t **out_inner, size_t *out_len)
{
        struct lx_reader rd = lx_reader_init(frame, len);
        uint8_t nonce[LX_AEAD_NONCE_LEN];
        uint64_t counter;
        uint32_t iid;

        if (len < ROUTER_FRAME_OVERHEAD)
                return LX_ERR_TRUNCATED;
        (void)lx_read_u32(&rd);
        iid = lx_read_u32(&rd) >> 8;
        (void)lx_read_u32(&rd);
        counter = lx_read_u64(&rd);
        if (!window_allows(session, counter))
                return LX_ERR_SEQUENCE;
        frame_nonce(counter, nonce);
        if (!lx_aead_open(session->open, nonce, LX_SPAN(frame, ROUTER_FRAME_HEAD),
                frame + ROUTER_FRAME_HEAD, len - ROUTER_FRAME_HEAD, frame + ROUTER_FRAME_HEAD))
                return LX_ERR_SIGNATURE;
        window_take(session, counter);
        session->confirmed = true;
        *out_iid = iid;
        *out_inner = frame + ROUTER_FRAME_HEAD;
        *out_len = len - ROUTER_FRAME_OVERHEAD;
        return LX_OK;
}
