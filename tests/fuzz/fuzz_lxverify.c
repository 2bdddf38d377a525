/* tests/fuzz/fuzz_lxverify.c - the public library on bytes of strangers (liblxverify/lxverify.h). */
#include "config.h"
#include "fuzz.h"

#include "crypto/sign.h"
#include "liblxverify/lxverify.h"

static void
blake2b(
    void *ctx, const uint8_t tag[16], const struct lxv_part *parts, size_t count, uint8_t out[32])
{
        struct lx_tag t;
        struct lx_span spans[8];
        struct lx_hash h;

        (void)ctx;
        memcpy(t.text, tag, 16);
        for (size_t i = 0; i < count; i++)
                spans[i] = LX_SPAN(parts[i].p, parts[i].len);
        fuzz_ops()->hash(fuzz_ops()->ctx, &t, spans, count, &h);
        memcpy(out, h.b, 32);
}

/* Signatures would stop the fuzzer at once: here every one verifies. */
static int
verify(void *ctx, const uint8_t key[32], const uint8_t msg[32], const uint8_t sig[64])
{
        (void)ctx, (void)key, (void)msg, (void)sig;
        return 1;
}

/* The next part of the input: u16 length, bytes. */
static struct lxv_part
take(struct lx_reader *rd)
{
        struct lx_span s = lx_read_var16(rd, 65535);

        return (struct lxv_part){s.p, s.len};
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct lxv_crypto crypto = {.blake2b = blake2b, .verify = verify};
        struct lx_reader rd = lx_reader_init(data, size);
        unsigned which = lx_read_u8(&rd);
        uint64_t x = lx_read_u64(&rd), y = lx_read_u64(&rd);
        struct lx_hash root = lx_read_hash(&rd);
        struct lxv_part a = take(&rd), b = take(&rd), c = take(&rd), d = take(&rd), field;
        struct lxv_trust trust = {.height = x, .time_ms = y};
        struct lxv_header header;
        uint64_t number;

        memcpy(trust.next_valset, root.b, 32);
        switch (which % 7) {
        case 0:
                (void)lxv_header_decode(&crypto, a.p, a.len, &header);
                break;
        case 1:
                (void)lxv_header_accept(&crypto, &trust, a, b, c, d, x, y, &trust);
                break;
        case 2:
                (void)lxv_state_check(&crypto, root.b, LXV_REGISTER, a, b, c);
                break;
        case 3:
                (void)lxv_index_check(
                    &crypto, root.b, root.b, x % 2 == 0 ? root.b : NULL, (uint32_t)y, a);
                break;
        case 4:
                (void)lxv_entry_check(&crypto, root.b, x, y, a, b);
                (void)lxv_history_check(&crypto, root.b, x, y, root.b, b);
                break;
        case 5:
                (void)lxv_file_check(&crypto, root.b, x, y, a, b);
                break;
        default:
                (void)lxv_register_field(a, "name", &field, &number);
                break;
        }
        return 0;
}
