/* router/record.c - signed records; see router/record.h. */
#include "config.h"
#include "router/record.h"

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "crypto/tags.h"

#include <string.h>

#define FORM 1u
#define BLOB (1 + 8 + 32 + 8 + ROUTER_SEAL_LEN + LX_SIG_LEN)
#define NAME_LEN (4 + (4 * BLOB + 2) / 3)

/* ---- tokens ------------------------------------------------------------------------------------ */

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
router_token_write(char kind, const uint8_t *bytes, size_t len, char *out)
{
        uint32_t bits = 0;
        unsigned have = 0;
        size_t n = 0;

        out[n++] = 'l', out[n++] = 'x', out[n++] = kind, out[n++] = '.';
        for (size_t i = 0; i < len; i++) {
                bits = (bits << 8 | bytes[i]) & 0xffffff;
                for (have += 8; have >= 6; have -= 6)
                        out[n++] = DIGITS[bits >> (have - 6) & 63];
        }
        if (have > 0)
                out[n++] = DIGITS[bits << (6 - have) & 63];
        return n;
}

static int
digit(uint8_t c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '-' ? 62 : c == '_' ? 63 : -1;
}

size_t
router_token_read(char kind, struct lx_span name, uint8_t *out, size_t cap)
{
        uint32_t bits = 0;
        unsigned have = 0;
        size_t n = 0;

        if (name.len < 5 || name.p[0] != 'l' || name.p[1] != 'x' || name.p[2] != (uint8_t)kind ||
            name.p[3] != '.')
                return 0;
        for (size_t i = 4; i < name.len; i++) {
                int d = digit(name.p[i]);

                if (d < 0)
                        return 0;
                bits = (bits << 6 | (uint32_t)d) & 0xffff;
                have += 6;
                if (have < 8)
                        continue;
                have -= 8;
                if (n == cap)
                        return 0;
                out[n++] = (uint8_t)(bits >> have);
        }
        /* one value, one encoding: the bits left over are zero */
        return have < 6 && (bits & ((1u << have) - 1)) == 0 ? n : 0;
}

/* ---- signing ----------------------------------------------------------------------------------- */

static void
message_of(const struct router_signed *claim, const struct lx_hash *chain_id, struct lx_hash *out)
{
        uint8_t bytes[32 + 64 + ROUTER_RLOCS_MAX * 64 + 96];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        const struct router_record *r = &claim->record;

        lx_write_hash(&wr, chain_id);
        lx_write_u32(&wr, r->eid.iid);
        lx_write_u8(&wr, r->eid.addr.family);
        lx_write_bytes(&wr, r->eid.addr.b, 16);
        lx_write_u8(&wr, r->eid.bits);
        lx_write_u32(&wr, r->ttl_min);
        lx_write_u8(&wr, r->rloc_count);
        for (unsigned i = 0; i < r->rloc_count; i++) {
                const struct router_rloc *l = &r->rloc[i];

                lx_write_u8(&wr, l->addr.family);
                lx_write_bytes(&wr, l->addr.b, 16);
                lx_write_u16(&wr, l->port);
                lx_write_u8(&wr, l->rtr.family);
                lx_write_bytes(&wr, l->rtr.b, 16);
                lx_write_u8(&wr, l->priority);
                lx_write_u8(&wr, l->weight);
        }
        lx_write_u64(&wr, claim->sequence);
        lx_write_hash(&wr, &claim->header);
        lx_write_u64(&wr, claim->expiry_ms);
        lx_write_bytes(&wr, claim->seal, ROUTER_SEAL_LEN);
        lx_blake2b(&LX_TAG_RECORD, bytes, wr.len, out);
}

enum lx_err
router_signed_make(
    struct router_signed *claim, const struct lx_hash *chain_id, const uint8_t sec[32])
{
        struct lx_hash msg;
        uint8_t aux[32];

        message_of(claim, chain_id, &msg);
        lx_random(aux, sizeof(aux));
        return lx_sign(sec, &msg, aux, &claim->sig);
}

bool
router_signed_verify(const struct router_signed *claim, const struct lx_hash *chain_id,
    const struct lx_pubkey *key)
{
        struct lx_hash msg;

        message_of(claim, chain_id, &msg);
        return lx_verify(key, &msg, &claim->sig);
}

/* ---- the record -------------------------------------------------------------------------------- */

void
router_signed_write(struct lx_writer *wr, const struct router_signed *claim)
{
        struct router_record record = claim->record;
        uint8_t blob[BLOB];
        char name[NAME_LEN];
        struct lx_writer out = lx_writer_init(blob, sizeof(blob));

        lx_write_u8(&out, FORM);
        lx_write_u64(&out, claim->sequence);
        lx_write_hash(&out, &claim->header);
        lx_write_u64(&out, claim->expiry_ms);
        lx_write_bytes(&out, claim->seal, ROUTER_SEAL_LEN);
        lx_write_bytes(&out, claim->sig.b, LX_SIG_LEN);
        if (record.rloc_count >= ROUTER_RLOCS_MAX) {
                lx_writer_fail(wr, LX_ERR_RANGE);
                return;
        }
        record.rloc[record.rloc_count++] = (struct router_rloc){.priority = 255,
            .mpriority = 255,
            .name = LX_SPAN(name, router_token_write('1', blob, out.len, name))};
        router_record_write(wr, &record);
}

bool
router_signed_take(const struct router_record *record, struct router_signed *out_claim)
{
        uint8_t blob[BLOB];
        struct router_signed claim = {.record = *record};
        struct lx_reader rd;
        unsigned at = 0;

        while (at < record->rloc_count && (record->rloc[at].name.len < 4 ||
                                              record->rloc[at].name.p[2] != '1'))
                at++;
        if (!record->eid_usable || at == record->rloc_count ||
            router_token_read('1', record->rloc[at].name, blob, sizeof(blob)) != BLOB)
                return false;
        claim.record.rloc_count = (uint8_t)at; /* what follows is not signed */
        rd = lx_reader_init(blob, sizeof(blob));
        if (lx_read_u8(&rd) != FORM)
                return false;
        claim.sequence = lx_read_u64(&rd);
        claim.header = lx_read_hash(&rd);
        claim.expiry_ms = lx_read_u64(&rd);
        lx_read_bytes(&rd, claim.seal, ROUTER_SEAL_LEN);
        lx_read_bytes(&rd, claim.sig.b, LX_SIG_LEN);
        *out_claim = claim;
        return true;
}
