/*
 * The handshake and the frames of BOLT 8: every published vector (tests/vectors/bolt8.txt, from
 * lightning/bolts, 08-transport.md, appendix A), the error cases and the 1002 messages with their key
 * rotations; every cut, every changed byte, another network, garbage, replay.
 */
#include "config.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "llp/frame.h"
#include "llp/noise.h"

#include "unit.h"

static const char PROLOGUE[] = "lightning";

/* ---- the published handshakes ------------------------------------------------------------------ */

struct vector {
        char name[80];
        struct llp_noise_options options;
        uint8_t secret[32];
        struct llp_noise *noise; /* made with the first act */
        bool failed;
        enum lx_err err;
        bool inputs;
};

static void
begin_vector(struct vector *v)
{
        if (v->noise != NULL || v->failed)
                return;
        v->options.secret = v->secret;
        v->options.prologue = LX_SPAN(PROLOGUE, strlen(PROLOGUE));
        ck_assert_int_eq(llp_noise_new(&v->options, &v->noise), LX_OK);
}

static enum lx_err
expected_error(const char *text)
{
        if (strstr(text, "READ_FAILED") != NULL)
                return LX_ERR_TRUNCATED;
        if (strstr(text, "BAD_VERSION") != NULL)
                return LX_ERR_VERSION;
        if (strstr(text, "BAD_PUBKEY") != NULL)
                return LX_ERR_FORMAT;
        ck_assert_msg(strstr(text, "BAD_TAG") != NULL || strstr(text, "BAD_CIPHERTEXT") != NULL,
            "unknown error %s", text);
        return LX_ERR_DENIED;
}

static void
check_keys(struct vector *v, const char *first, const char *hex)
{
        uint8_t a[32], b[32];
        struct llp_noise_keys keys;

        ck_assert(lx_unhex(hex + 2, 64, a, 32));
        ck_assert(lx_unhex(strchr(hex, ',') + 3, 64, b, 32));
        ck_assert(llp_noise_is_done(v->noise));
        llp_noise_get_keys(v->noise, &keys);
        ck_assert_mem_eq(*first == 's' ? keys.send : keys.recv, a, 32);
        ck_assert_mem_eq(*first == 's' ? keys.recv : keys.send, b, 32);
}

static void
take_output(struct vector *v, const char *value)
{
        uint8_t want[128], got[LLP_NOISE_ACT_MAX];
        size_t len;

        begin_vector(v);
        if (strncmp(value, "ERROR", 5) == 0) {
                ck_assert_int_eq(v->err, expected_error(value));
                ck_assert_uint_eq(llp_noise_wants(v->noise), 0);
                ck_assert_uint_eq(llp_noise_write(v->noise, got), 0);
                return;
        }
        ck_assert_int_eq(v->err, LX_OK);
        if (strncmp(value, "sk,rk=", 6) == 0 || strncmp(value, "rk,sk=", 6) == 0) {
                check_keys(v, value, value + 6);
                return;
        }
        len = unit_unhex(value + 2, want);
        ck_assert_uint_eq(llp_noise_write(v->noise, got), len);
        ck_assert_mem_eq(got, want, len);
}

static void
take_field(struct vector *v, const char *key, const char *value)
{
        const char *hex = strncmp(value, "0x", 2) == 0 ? value + 2 : value;
        uint8_t act[128];

        if (strcmp(key, "rs.pub") == 0) {
                v->options.initiator = true;
                unit_unhex(hex, v->options.remote.b);
        } else if (strcmp(key, "ls.priv") == 0) {
                unit_unhex(hex, v->secret);
        } else if (strcmp(key, "e.priv") == 0) {
                unit_unhex(hex, v->options.ephemeral);
        } else if (strcmp(key, "input") == 0) {
                begin_vector(v);
                v->err = llp_noise_read(v->noise, act, unit_unhex(hex, act));
        } else if (strcmp(key, "output") == 0) {
                take_output(v, value);
        }
}

START_TEST(published_handshakes)
{
        FILE *f = unit_vectors("bolt8.txt");
        struct vector v = {0};
        char line[1024];
        unsigned cases = 0;

        while (fgets(line, sizeof(line), f) != NULL) {
                char *key = line + strspn(line, " "), *value;

                line[strcspn(line, "\r\n")] = '\0';
                if (*key == '#' || strncmp(key, "ck=", 3) == 0)
                        continue;
                value = key + strcspn(key, ":=");
                if (*value == '\0')
                        continue;
                *value++ = '\0';
                value += strspn(value, " ");
                if (strcmp(key, "name") == 0) {
                        llp_noise_free(v.noise);
                        v = (struct vector){0};
                        cases++;
                }
                if (strncmp(key, "output ", 7) != 0)
                        take_field(&v, key, value);
        }
        llp_noise_free(v.noise);
        fclose(f);
        ck_assert_uint_eq(cases, 15);
}
END_TEST

/* ---- the published messages --------------------------------------------------------------------- */

/*
 * The sealed form of the next message ("hello") that the file has: numbers 0 and 1 as lines "encrypt l"
 * and "encrypt m", 500, 501, 1000 and 1001 as "output"; 0: no more.
 */
static size_t
read_message(FILE *f, unsigned *out_number, uint8_t *out)
{
        char line[1024], hex[512];
        size_t head = 0;

        while (fgets(line, sizeof(line), f) != NULL) {
                const char *p = line + strspn(line, " "), *sealed = strstr(p, "=> 0x");

                if (sscanf(p, "output %u: 0x%511s", out_number, hex) == 2)
                        return unit_unhex(hex, out);
                if (sealed == NULL || strstr(p, "AD=NULL") == NULL ||
                    sscanf(sealed, "=> 0x%511s", hex) != 1)
                        continue;
                if (strncmp(p, "# encrypt l", 11) == 0)
                        head = unit_unhex(hex, out);
                else
                        return head + unit_unhex(hex, out + head);
        }
        return 0;
}

static void
keys_of_vectors(uint8_t sk[32], uint8_t rk[32], uint8_t ck[32])
{
        unit_unhex("969ab31b4d288cedf6218839b27a3e2140827047f2c0f01bf5c04435d43511a9", sk);
        unit_unhex("bb9020b8965f4df047e07f955f3c4b88418984aadc5cdb35096b9ea8fa5c3442", rk);
        unit_unhex("919219dbb2920afa8db80f9a51787a840bcf111ed8d588caf9ab4be716e42b01", ck);
}

START_TEST(published_messages)
{
        FILE *f = unit_vectors("bolt8.txt");
        uint8_t sk[32], rk[32], ck[32], want[64], got[64], text[LLP_FRAME_MAX];
        struct llp_sealer *sealer;
        struct llp_opener *opener;
        unsigned number = 0, found = 0;
        size_t want_len;

        keys_of_vectors(sk, rk, ck);
        sealer = llp_sealer_new(sk, ck);
        opener = llp_opener_new(sk, ck);
        want_len = read_message(f, &number, want);
        for (unsigned i = 0; i <= 1001; i++) {
                size_t len = llp_sealer_seal(sealer, (const uint8_t *)"hello", 5, got),
                       text_len = 0;
                const uint8_t *p = got;
                bool whole;

                if (want_len > 0 && i == number) {
                        ck_assert_uint_eq(len, want_len);
                        ck_assert_mem_eq(got, want, len);
                        found++;
                        number++;
                        want_len = read_message(f, &number, want);
                }
                ck_assert_int_eq(llp_opener_take(opener, &p, &len, text, &whole, &text_len), LX_OK);
                ck_assert(whole && text_len == 5 && memcmp(text, "hello", 5) == 0 && len == 0);
        }
        ck_assert_uint_eq(found, 6);
        llp_sealer_free(sealer);
        llp_opener_free(opener);
        fclose(f);
}
END_TEST

/* ---- ours ---------------------------------------------------------------------------------------- */

struct pair {
        struct llp_noise *a, *b;
        uint8_t secret_a[32], secret_b[32];
};

static void
make_pair(struct pair *pair, const char *prologue_a, const char *prologue_b)
{
        struct llp_noise_options options = {.initiator = true, .secret = pair->secret_a};

        memset(pair->secret_a, 0x11, 32);
        memset(pair->secret_b, 0x21, 32);
        memset(options.ephemeral, 0x12, 32);
        options.prologue = LX_SPAN(prologue_a, strlen(prologue_a));
        ck_assert_int_eq(lx_ecdh_point(pair->secret_b, &options.remote), LX_OK);
        ck_assert_int_eq(llp_noise_new(&options, &pair->a), LX_OK);
        options = (struct llp_noise_options){.secret = pair->secret_b};
        options.prologue = LX_SPAN(prologue_b, strlen(prologue_b));
        memset(options.ephemeral, 0x22, 32);
        ck_assert_int_eq(llp_noise_new(&options, &pair->b), LX_OK);
}

static void
free_pair(struct pair *pair)
{
        llp_noise_free(pair->a);
        llp_noise_free(pair->b);
}

/* Hand act number @act (0, 1, 2) over, changed at byte @at (none: SIZE_MAX) or cut to @cut bytes. */
static enum lx_err
run_pair(struct pair *pair, unsigned act, size_t at, size_t cut)
{
        enum lx_err err = LX_OK;

        for (unsigned i = 0; i < 3 && err == LX_OK; i++) {
                uint8_t bytes[LLP_NOISE_ACT_MAX];
                size_t len = llp_noise_write(i == 1 ? pair->b : pair->a, bytes);

                ck_assert_uint_eq(len, llp_noise_wants(i == 1 ? pair->a : pair->b));
                if (i == act && at < len)
                        bytes[at] ^= 1;
                err = llp_noise_read(
                    i == 1 ? pair->a : pair->b, bytes, i == act && cut < len ? cut : len);
        }
        return err;
}

START_TEST(every_byte_matters)
{
        static const size_t LEN[3] = {LLP_NOISE_ACT1_LEN, LLP_NOISE_ACT2_LEN, LLP_NOISE_ACT3_LEN};

        for (unsigned act = 0; act < 3; act++) {
                for (size_t at = 0; at < LEN[act]; at++) {
                        struct pair pair;

                        make_pair(&pair, "net", "net");
                        ck_assert_int_ne(run_pair(&pair, act, at, SIZE_MAX), LX_OK);
                        ck_assert(!llp_noise_is_done(pair.b));
                        free_pair(&pair);
                        make_pair(&pair, "net", "net");
                        ck_assert_int_eq(run_pair(&pair, act, SIZE_MAX, at), LX_ERR_TRUNCATED);
                        ck_assert(!llp_noise_is_done(pair.b));
                        free_pair(&pair);
                }
        }
}
END_TEST

START_TEST(both_agree)
{
        struct pair pair;
        struct llp_noise_keys a, b;
        struct lx_point point;

        make_pair(&pair, "net", "net");
        ck_assert_int_eq(run_pair(&pair, 9, SIZE_MAX, SIZE_MAX), LX_OK);
        llp_noise_get_keys(pair.a, &a);
        llp_noise_get_keys(pair.b, &b);
        ck_assert_mem_eq(a.send, b.recv, 32);
        ck_assert_mem_eq(a.recv, b.send, 32);
        ck_assert_mem_eq(a.chaining, b.chaining, 32);
        ck_assert_int_eq(lx_ecdh_point(pair.secret_a, &point), LX_OK);
        ck_assert_mem_eq(llp_noise_remote(pair.b)->b, point.b, LX_POINT_LEN);
        ck_assert_int_eq(llp_noise_read(pair.b, point.b, 1), LX_ERR_TRAILING);
        free_pair(&pair);
}
END_TEST

START_TEST(another_network)
{
        struct pair pair;

        make_pair(&pair, "net", "nets");
        ck_assert_int_eq(run_pair(&pair, 9, SIZE_MAX, SIZE_MAX), LX_ERR_DENIED);
        free_pair(&pair);
}
END_TEST

START_TEST(bad_keys)
{
        uint8_t zero[32] = {0}, one[32] = {0};
        struct llp_noise_options options = {.initiator = true, .secret = zero};
        struct llp_noise *noise = NULL;

        one[31] = 1;
        memset(options.ephemeral, 5, 32);
        ck_assert_int_eq(lx_ecdh_point(one, &options.remote), LX_OK);
        ck_assert_int_eq(llp_noise_new(&options, &noise), LX_ERR_RANGE);
        options.secret = one;
        memset(options.ephemeral, 0xff, 32);
        ck_assert_int_eq(llp_noise_new(&options, &noise), LX_ERR_RANGE);
        memset(options.ephemeral, 5, 32);
        options.remote.b[0] = 5;
        ck_assert_int_eq(llp_noise_new(&options, &noise), LX_ERR_FORMAT);
        ck_assert_ptr_null(noise);
}
END_TEST

START_TEST(even_points)
{
        uint8_t sec[32], even[32], odd_seen = 0;
        struct lx_point point;
        struct lx_pubkey key, same;

        for (unsigned i = 1; i < 20; i++) {
                memset(sec, 0, 32);
                sec[31] = (uint8_t)i;
                ck_assert_int_eq(lx_ecdh_even(sec, even), LX_OK);
                odd_seen |= memcmp(sec, even, 32) != 0;
                ck_assert_int_eq(lx_ecdh_point(even, &point), LX_OK);
                ck_assert(lx_ecdh_to_key(&point, &key));
                ck_assert_int_eq(lx_sign_pubkey(sec, &same), LX_OK);
                ck_assert_mem_eq(key.b, same.b, 32);
                ck_assert_mem_eq(lx_ecdh_of_key(&same).b, point.b, LX_POINT_LEN);
        }
        ck_assert(odd_seen);
        memset(sec, 0, 32);
        ck_assert_int_eq(lx_ecdh_even(sec, even), LX_ERR_RANGE);
}
END_TEST

/* RFC 8439 2.8.2. */
START_TEST(aead_vector)
{
        static const char TEXT[] =
            "Ladies and Gentlemen of the class of '99: If I could offer you only "
            "one tip for the future, sunscreen would be it.";
        uint8_t key[32], nonce[12], ad[12], want_tag[16], out[256], back[256];
        size_t len = strlen(TEXT);
        struct lx_aead *seal, *open;

        unit_unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key);
        unit_unhex("070000004041424344454647", nonce);
        unit_unhex("50515253c0c1c2c3c4c5c6c7", ad);
        unit_unhex("1ae10b594f09e26a7e902ecbd0600691", want_tag);
        seal = lx_aead_new(LX_AEAD_SEAL, key);
        open = lx_aead_new(LX_AEAD_OPEN, key);
        lx_aead_seal(seal, nonce, LX_SPAN(ad, 12), (const uint8_t *)TEXT, len, out);
        ck_assert_mem_eq(out + len, want_tag, 16);
        ck_assert(lx_aead_open(open, nonce, LX_SPAN(ad, 12), out, len + 16, back));
        ck_assert_mem_eq(back, TEXT, len);
        ck_assert(!lx_aead_open(open, nonce, LX_SPAN(ad, 11), out, len + 16, back));
        for (size_t i = 0; i < len; i++)
                ck_assert_uint_eq(back[i], 0);
        /* in place */
        ck_assert(lx_aead_open(open, nonce, LX_SPAN(ad, 12), out, len + 16, out));
        ck_assert_mem_eq(out, TEXT, len);
        lx_aead_free(seal);
        lx_aead_free(open);
}
END_TEST

/* ---- frames -------------------------------------------------------------------------------------- */

struct lines {
        struct llp_sealer *sealer;
        struct llp_opener *opener;
        uint8_t *wire, *text;
};

static void
open_lines(struct lines *lines)
{
        uint8_t key[32], ck[32];

        memset(key, 1, 32);
        memset(ck, 2, 32);
        lines->sealer = llp_sealer_new(key, ck);
        lines->opener = llp_opener_new(key, ck);
        lines->wire = lx_alloc(LLP_FRAME_WIRE_MAX);
        lines->text = lx_alloc(LLP_FRAME_MAX);
}

static void
close_lines(struct lines *lines)
{
        llp_sealer_free(lines->sealer);
        llp_opener_free(lines->opener);
        lx_free(lines->wire);
        lx_free(lines->text);
}

/* Frames of several sizes, in pieces of @step bytes, come out as they went in. */
static void
in_pieces(size_t step)
{
        static const size_t SIZES[] = {0, 1, 2, 17, 18, 1400, 65534, 65535};
        struct lines lines;
        uint8_t *in = lx_alloc(LLP_FRAME_MAX);

        open_lines(&lines);
        for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
                size_t wire_len, text_len = 0, fed = 0, frames = 0;

                memset(in, (int)i, SIZES[i]);
                wire_len = llp_sealer_seal(lines.sealer, in, SIZES[i], lines.wire);
                ck_assert_uint_eq(wire_len, SIZES[i] + LLP_FRAME_OVERHEAD);
                while (fed < wire_len) {
                        size_t part = wire_len - fed < step ? wire_len - fed : step;
                        const uint8_t *p = lines.wire + fed;
                        bool whole;

                        fed += part;
                        ck_assert_int_eq(
                            llp_opener_take(lines.opener, &p, &part, lines.text, &whole, &text_len),
                            LX_OK);
                        ck_assert_uint_eq(part, 0);
                        ck_assert_int_eq(whole, fed == wire_len);
                        ck_assert_int_eq(llp_opener_is_inside(lines.opener), !whole);
                        frames += whole;
                }
                ck_assert_uint_eq(frames, 1);
                ck_assert_uint_eq(text_len, SIZES[i]);
                ck_assert_mem_eq(lines.text, in, SIZES[i]);
        }
        lx_free(in);
        close_lines(&lines);
}

START_TEST(frames_in_pieces)
{
        in_pieces(1);
        in_pieces(17);
        in_pieces(19);
        in_pieces(4096);
        in_pieces(SIZE_MAX);
}
END_TEST

START_TEST(every_changed_byte_is_refused)
{
        for (size_t at = 0; at < 5 + LLP_FRAME_OVERHEAD; at++) {
                struct lines lines;
                const uint8_t *p;
                size_t len, text_len;
                bool whole;

                open_lines(&lines);
                len = llp_sealer_seal(lines.sealer, (const uint8_t *)"hello", 5, lines.wire);
                lines.wire[at] ^= 0x80;
                p = lines.wire;
                ck_assert_int_eq(
                    llp_opener_take(lines.opener, &p, &len, lines.text, &whole, &text_len),
                    LX_ERR_DENIED);
                ck_assert(!whole);
                close_lines(&lines);
        }
}
END_TEST

/* A frame again, a frame left out, and frames swapped: none is opened. */
START_TEST(replay_and_loss)
{
        for (int kind = 0; kind < 3; kind++) {
                struct lines lines;
                uint8_t frames[3][39];
                static const int ORDER[3][2] = {{0, 0}, {1, 2}, {1, 0}};
                enum lx_err err = LX_OK;

                open_lines(&lines);
                for (int i = 0; i < 3; i++)
                        ck_assert_uint_eq(
                            llp_sealer_seal(lines.sealer, (const uint8_t *)"hello", 5, frames[i]),
                            39);
                for (int i = 0; i < 2 && err == LX_OK; i++) {
                        const uint8_t *p = frames[ORDER[kind][i]];
                        size_t len = 39, text_len;
                        bool whole;

                        err =
                            llp_opener_take(lines.opener, &p, &len, lines.text, &whole, &text_len);
                }
                ck_assert_int_eq(err, LX_ERR_DENIED);
                close_lines(&lines);
        }
}
END_TEST

int
main(void)
{
        const TTest *const cases[] = {published_handshakes, published_messages, every_byte_matters,
            both_agree, another_network, bad_keys, even_points, aead_vector, frames_in_pieces,
            every_changed_byte_is_refused, replay_and_loss, NULL};

        if (lx_crypto_init() != LX_OK)
                return 1;
        return unit_main("llp_noise", cases, 60);
}
