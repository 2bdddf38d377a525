/* llp/frame.c - see llp/frame.h. */
#include "config.h"
#include "llp/frame.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/wire.h"
#include "crypto/aead.h"
#include "crypto/ctime.h"
#include "crypto/secret.h"

#include <string.h>

#define KEEP_MAX 4096 /* bytes of buffer that an idle opener keeps */

/* One direction. */
struct line {
        struct lx_aead *aead;
        uint8_t key[32], chaining[32];
        uint64_t count; /* seals under this key */
};

struct llp_sealer {
        struct line line;
};

struct llp_opener {
        struct line line;
        struct lx_buf kept; /* the beginning of a frame, as it came */
        bool has_length;
        size_t text_len; /* of the frame under way, when has_length */
};

static void
start_line(
    struct line *line, enum lx_aead_use use, const uint8_t key[32], const uint8_t chaining[32])
{
        memcpy(line->key, key, 32);
        memcpy(line->chaining, chaining, 32);
        line->aead = lx_aead_new(use, key);
}

static void
end_line(struct line *line)
{
        lx_aead_free(line->aead);
        lx_wipe(line, sizeof(*line));
}

static void
rotate(struct line *line)
{
        uint8_t out[64];

        lx_hkdf64(line->chaining, LX_SPAN(line->key, 32), out);
        memcpy(line->chaining, out, 32);
        memcpy(line->key, out + 32, 32);
        lx_wipe(out, sizeof(out));
        lx_aead_rekey(line->aead, line->key);
        line->count = 0;
}

/* The next nonce; rotates first when the key has done its seals. */
static void
next_nonce(struct line *line, uint8_t nonce[LX_AEAD_NONCE_LEN])
{
        if (line->count == LLP_FRAME_SEALS_PER_KEY)
                rotate(line);
        memset(nonce, 0, 4);
        for (int i = 0; i < 8; i++)
                nonce[4 + i] = (uint8_t)(line->count >> (8 * i));
        line->count++;
}

/* ---- sealing ----------------------------------------------------------------------------------- */

struct llp_sealer *
llp_sealer_new(const uint8_t key[32], const uint8_t chaining[32])
{
        struct llp_sealer *sealer = lx_alloc(sizeof(*sealer));

        start_line(&sealer->line, LX_AEAD_SEAL, key, chaining);
        return sealer;
}

void
llp_sealer_free(struct llp_sealer *sealer)
{
        if (sealer == NULL)
                return;
        end_line(&sealer->line);
        lx_free(sealer);
}

size_t
llp_sealer_seal(struct llp_sealer *sealer, const uint8_t *text, size_t len, uint8_t *out)
{
        uint8_t nonce[LX_AEAD_NONCE_LEN], head[2] = {(uint8_t)(len >> 8), (uint8_t)len};

        lx_assert(len <= LLP_FRAME_MAX);
        next_nonce(&sealer->line, nonce);
        lx_aead_seal(sealer->line.aead, nonce, LX_SPAN(NULL, 0), head, sizeof(head), out);
        next_nonce(&sealer->line, nonce);
        lx_aead_seal(
            sealer->line.aead, nonce, LX_SPAN(NULL, 0), text, len, out + LLP_FRAME_HEAD_LEN);
        return len + LLP_FRAME_OVERHEAD;
}

/* ---- opening ----------------------------------------------------------------------------------- */

struct llp_opener *
llp_opener_new(const uint8_t key[32], const uint8_t chaining[32])
{
        struct llp_opener *opener = lx_alloc(sizeof(*opener));

        start_line(&opener->line, LX_AEAD_OPEN, key, chaining);
        return opener;
}

void
llp_opener_free(struct llp_opener *opener)
{
        if (opener == NULL)
                return;
        end_line(&opener->line);
        lx_buf_clear(&opener->kept);
        lx_free(opener);
}

bool
llp_opener_is_inside(const struct llp_opener *opener)
{
        return opener->kept.len > 0 || opener->has_length;
}

static bool
open_sealed(struct line *line, const uint8_t *in, size_t len, uint8_t *out)
{
        uint8_t nonce[LX_AEAD_NONCE_LEN];

        next_nonce(line, nonce);
        return lx_aead_open(line->aead, nonce, LX_SPAN(NULL, 0), in, len, out);
}

/*
 * The next @want bytes of the stream in one place: in the input itself when all of them are there and
 * none were kept, else in the buffer; NULL: not all are there yet, those that are were kept.
 */
static const uint8_t *
gather(struct llp_opener *opener, const uint8_t **bytes, size_t *len, size_t want)
{
        struct lx_buf *kept = &opener->kept;
        const uint8_t *place = *bytes;
        size_t part = want - kept->len;

        if (part > *len)
                part = *len;
        if (kept->len > 0 || part < want) {
                if (part > 0)
                        lx_buf_append(kept, *bytes, part);
                place = kept->len == want ? kept->p : NULL;
        }
        *bytes += part;
        *len -= part;
        return place;
}

/* The gathered bytes were used. */
static void
let_go(struct llp_opener *opener)
{
        if (opener->kept.cap > KEEP_MAX)
                lx_buf_clear(&opener->kept);
        else
                lx_buf_reset(&opener->kept);
}

static enum lx_err
take_length(struct llp_opener *opener, const uint8_t **bytes, size_t *len)
{
        const uint8_t *sealed = gather(opener, bytes, len, LLP_FRAME_HEAD_LEN);
        uint8_t head[2];

        if (sealed == NULL)
                return LX_OK;
        if (!open_sealed(&opener->line, sealed, LLP_FRAME_HEAD_LEN, head))
                return LX_ERR_DENIED;
        let_go(opener);
        lx_declassify(head, sizeof(head)); /* the length shows on the wire */
        opener->text_len = (size_t)head[0] << 8 | head[1];
        opener->has_length = true;
        return LX_OK;
}

enum lx_err
llp_opener_take(struct llp_opener *opener, const uint8_t **bytes, size_t *len, uint8_t *text,
    bool *out_whole, size_t *out_len)
{
        const uint8_t *sealed;

        *out_whole = false;
        if (!opener->has_length) {
                enum lx_err err = take_length(opener, bytes, len);

                if (err != LX_OK || !opener->has_length)
                        return err;
        }
        sealed = gather(opener, bytes, len, opener->text_len + LLP_FRAME_TAIL_LEN);
        if (sealed == NULL)
                return LX_OK;
        if (!open_sealed(&opener->line, sealed, opener->text_len + LLP_FRAME_TAIL_LEN, text))
                return LX_ERR_DENIED;
        let_go(opener);
        opener->has_length = false;
        *out_len = opener->text_len;
        *out_whole = true;
        return LX_OK;
}
