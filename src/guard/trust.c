/* guard/trust.c - the pin, and headers accepted from it. */
#include "config.h"
#include "guard/view_int.h"

#include "base/mem.h"
#include "crypto/hash.h"

#include <string.h>

static void
hash_thunk(void *ctx, const uint8_t tag[16], const struct lxv_part *parts, size_t count, uint8_t out[32])
{
        struct lx_span spans[8];
        struct lx_tag t;
        struct lx_hash hash;

        (void)ctx;
        lx_assert(count <= 8);
        for (size_t i = 0; i < count; i++)
                spans[i] = LX_SPAN(parts[i].p, parts[i].len);
        memcpy(t.text, tag, LX_TAG_LEN);
        lx_crypto_ops()->hash.hash(lx_crypto_ops()->hash.ctx, &t, spans, count, &hash);
        memcpy(out, hash.b, LX_HASH_LEN);
}

static int
verify_thunk(void *ctx, const uint8_t key[32], const uint8_t msg[32], const uint8_t sig[64])
{
        struct lx_pubkey k;
        struct lx_hash m;
        struct lx_sig s;

        (void)ctx;
        memcpy(k.b, key, sizeof(k.b));
        memcpy(m.b, msg, sizeof(m.b));
        memcpy(s.b, sig, sizeof(s.b));
        return lx_crypto_ops()->sig.verify(lx_crypto_ops()->sig.ctx, &k, &m, &s);
}

const struct lxv_crypto *
guard_crypto(void)
{
        static const struct lxv_crypto crypto = {.blake2b = hash_thunk, .verify = verify_thunk};

        return &crypto;
}

enum lx_err
guard_err_of(enum lxv_result result)
{
        switch (result) {
        case LXV_OK:
                return LX_OK;
        case LXV_FORMAT:
                return LX_ERR_FORMAT;
        case LXV_PROOF:
                return LX_ERR_PROOF;
        case LXV_SIGNATURE:
                return LX_ERR_SIGNATURE;
        case LXV_UNTRUSTED:
                return LX_ERR_UNTRUSTED;
        case LXV_EXPIRED:
                return LX_ERR_EXPIRED;
        case LXV_RANGE:
                return LX_ERR_RANGE;
        }
        return LX_ERR_FORMAT;
}

struct lxv_part
guard_part(struct lx_span span)
{
        return (struct lxv_part){.p = span.p, .len = span.len};
}

struct guard_trust *
guard_trust_new(const struct lxv_trust *pin, struct lx_span set, uint64_t period_ms)
{
        struct guard_trust *trust = lx_alloc(sizeof(*trust));

        trust->pin = *pin;
        trust->now = *pin;
        trust->period_ms = period_ms;
        lx_buf_append(&trust->set, set.p, set.len);
        return trust;
}

void
guard_trust_free(struct guard_trust *trust)
{
        if (trust == NULL)
                return;
        lx_buf_clear(&trust->set);
        lx_buf_clear(&trust->steps);
        lx_free(trust);
}

uint64_t
guard_trust_height(const struct guard_trust *trust)
{
        return trust->now.height;
}

static void
keep_step(struct guard_trust *trust, const struct guard_proof *proof)
{
        uint8_t raw[3 * 2 + 65535];
        struct lx_writer wr = lx_writer_init(raw, sizeof(raw));

        lx_write_var16(&wr, proof->header);
        lx_write_var16(&wr, proof->cert);
        lx_write_var16(&wr, proof->valset);
        if (lx_writer_end(&wr) != LX_OK)
                return;
        lx_buf_append(&trust->steps, raw, wr.len);
        trust->step_count++;
}

/* The set after this header is known only when it does not change there. */
static void
move_forward(struct guard_trust *trust, const struct guard_proof *proof, const struct lxv_header *header,
    const struct lxv_trust *next)
{
        if (memcmp(header->valset, header->next_valset, LX_HASH_LEN) != 0) /* public */
                return;
        if (trust->set.len != proof->valset.len ||
            memcmp(trust->set.p, proof->valset.p, trust->set.len) != 0) { /* public */
                if (trust->step_count == GUARD_STEPS_MAX)
                        return;
                keep_step(trust, proof);
                lx_buf_reset(&trust->set);
                lx_buf_append(&trust->set, proof->valset.p, proof->valset.len);
        }
        trust->now = *next;
}

enum lx_err
guard_trust_accept(struct guard_trust *trust, const struct guard_proof *proof, uint64_t now_ms,
    struct lxv_header *out_header, struct lx_why *why)
{
        struct lxv_header header;
        struct lxv_trust next;
        enum lx_err err =
            guard_err_of(lxv_header_decode(guard_crypto(), proof->header.p, proof->header.len, &header));

        if (err != LX_OK) {
                lx_why_set(why, "the header is malformed");
                return err;
        }
        if (header.height < trust->now.height) {
                lx_why_set(why, "height %llu is below height %llu, which was accepted before",
                    (unsigned long long)header.height, (unsigned long long)trust->now.height);
                return LX_ERR_RANGE;
        }
        if (header.height == trust->now.height) {
                if (memcmp(header.hash, trust->now.header, LX_HASH_LEN) != 0) { /* public */
                        lx_why_set(why, "the header of height %llu differs from the trusted one: a fork, or a lie",
                            (unsigned long long)header.height);
                        return LX_ERR_PROOF;
                }
        } else {
                err = guard_err_of(lxv_header_accept(guard_crypto(), &trust->now,
                    guard_part(lx_buf_span(&trust->set)), guard_part(proof->header), guard_part(proof->valset),
                    guard_part(proof->cert), now_ms, trust->period_ms, &next));
                if (err == LX_OK)
                        move_forward(trust, proof, &header, &next);
                else
                        lx_why_set(why, "the validators trusted at height %llu do not vouch for header %llu: %s",
                            (unsigned long long)trust->now.height, (unsigned long long)header.height,
                            lx_err_text(err));
        }
        if (err == LX_OK)
                *out_header = header;
        return err;
}
