/*
 * tests/fuzz/fuzz_llp.c - what strangers send to a node: hello, goodbye, addresses, the book's file, places,
 * streams of frames, and whole conversations with the peer machine, before and after the handshake. The first
 * byte chooses. What a codec accepts encodes to the same bytes; no conversation breaks a machine.
 */
#include "config.h"
#include "crypto/secret.h"
#include "llp/noise.h"
#include "llp/swarm.h"
#include "tests/unit/llp_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_equal(const uint8_t *in, size_t len, const struct lx_writer *wr)
{
        if (lx_writer_end(wr) != LX_OK || wr->len != len || memcmp(wr->p, in, len) != 0)
                abort();
}

static void
try_codecs(uint8_t which, const uint8_t *in, size_t len)
{
        static uint8_t out[8192];
        static struct llp_node_addr addrs[LLP_ADDRS_MAX];
        struct lx_writer wr = lx_writer_init(out, sizeof(out));
        struct llp_hello hello;
        struct llp_goodbye bye;
        size_t count;

        if (which == 0 && llp_hello_decode(in, len, &hello) == LX_OK) {
                llp_hello_encode(&hello, &wr);
                must_equal(in, len, &wr);
        } else if (which == 1 && llp_goodbye_decode(in, len, &bye) == LX_OK) {
                llp_goodbye_encode(&bye, &wr);
                must_equal(in, len, &wr);
        } else if (which == 2 && llp_addrs_decode(in, len, addrs, &count) == LX_OK) {
                llp_addrs_encode(addrs, count, &wr);
                must_equal(in, len, &wr);
        }
}

/* Nodes, then bans, as in the file but without its checksum. */
static void
try_book(const uint8_t *in, size_t len)
{
        static uint8_t out[LLP_BOOK_FILE_MAX];
        struct lx_reader rd = lx_reader_init(in, len);
        struct lx_writer wr = lx_writer_init(out, sizeof(out));
        struct llp_book *book = llp_book_new(1);
        struct llp_bans *bans = llp_bans_new(1);

        llp_book_read(book, &rd);
        llp_bans_read(bans, &rd);
        if (lx_reader_end(&rd) == LX_OK) {
                llp_book_write(book, &wr);
                llp_bans_write(bans, &wr);
                must_equal(in, len, &wr);
        }
        llp_book_free(book);
        llp_bans_free(bans);
}

static void
try_texts(const uint8_t *in, size_t len)
{
        char text[600];
        struct llp_place place;
        struct llp_addr addr;

        if (len >= sizeof(text))
                return;
        memcpy(text, in, len);
        text[len] = '\0';
        if (llp_addr_parse(text, &addr)) {
                struct llp_addr again;
                char back[LLP_ADDR_TEXT_MAX];

                llp_addr_format(&addr, back);
                if (!llp_addr_parse(back, &again) || !llp_addr_eq(&addr, &again))
                        abort();
        }
        (void)!llp_place_parse(text, &place, NULL);
}

/* A stream of frames, sealed, then changed as the input says: position, xor; in pieces. */
static void
try_frames(const uint8_t *in, size_t len)
{
        static uint8_t wire[4 * 1024], text[LLP_FRAME_MAX];
        uint8_t key[32] = {1};
        struct llp_sealer *sealer = llp_sealer_new(key, key);
        struct llp_opener *opener = llp_opener_new(key, key);
        size_t wire_len = 0, step = len > 0 ? in[0] + 1u : 1;
        enum lx_err err = LX_OK;

        for (size_t i = 0; i < 8; i++)
                wire_len += llp_sealer_seal(sealer, text, i * 40, wire + wire_len);
        for (size_t i = 1; i + 3 <= len; i += 3)
                wire[((size_t)in[i] << 8 | in[i + 1]) % wire_len] ^= in[i + 2];
        for (size_t at = 0; at < wire_len && err == LX_OK; at += step) {
                const uint8_t *p = wire + at;
                size_t left = wire_len - at < step ? wire_len - at : step, got;
                bool whole;

                while (left > 0 && err == LX_OK)
                        err = llp_opener_take(opener, &p, &left, text, &whole, &got);
        }
        llp_sealer_free(sealer);
        llp_opener_free(opener);
}

/* Raw bytes to both sides of a connection that has not shaken hands. */
static void
try_strangers(const uint8_t *in, size_t len)
{
        struct pair *pair = pair_new(len > 0 && in[0] & 1);
        size_t half = len / 2;

        llp_peer_input(pair->b.peer, in, len, pair->now_ms);
        llp_peer_input(pair->a.peer, in + half, len - half, pair->now_ms);
        pair_settle(pair, 7);
        pair_pass(pair, 100000);
        if (llp_peer_state(pair->a.peer) != LLP_PEER_CLOSED && !pair->a.ready)
                abort(); /* nobody stays half-open */
        pair_free(pair);
}

/*
 * A peer, its key known, says what the input says: records of u16 type, u16 length, bytes. The machine
 * ends or goes on, and always lets time pass.
 */
static void
try_peer(const uint8_t *in, size_t len)
{
        struct pair *pair = pair_new(false);
        struct lx_reader rd = lx_reader_init(in, len);
        struct llp_noise_options options = {.initiator = true, .secret = pair->a.secret};
        struct llp_noise *noise;
        struct llp_noise_keys keys;
        struct llp_sealer *sealer;
        struct lx_hash chain;
        uint8_t prologue[LLP_PROLOGUE_LEN], act[LLP_NOISE_ACT_MAX];
        size_t act_len;

        memset(chain.b, 0x77, sizeof(chain.b));
        memset(options.ephemeral, 0x31, sizeof(options.ephemeral));
        llp_peer_prologue(&chain, prologue);
        options.prologue = LX_SPAN(prologue, sizeof(prologue));
        options.remote = lx_ecdh_of_key(&pair->b.id);
        if (llp_noise_new(&options, &noise) != LX_OK)
                abort();
        act_len = llp_noise_write(noise, act);
        llp_peer_input(pair->b.peer, act, act_len, pair->now_ms);
        act_len = llp_peer_output(pair->b.peer, pair->wire, sizeof(pair->wire), pair->now_ms);
        if (llp_noise_read(noise, pair->wire, act_len) != LX_OK)
                abort();
        act_len = llp_noise_write(noise, act);
        llp_peer_input(pair->b.peer, act, act_len, pair->now_ms);
        llp_noise_get_keys(noise, &keys);
        llp_noise_free(noise);
        sealer = llp_sealer_new(keys.send, keys.chaining);
        while (rd.left >= 4) {
                uint8_t text[LLP_MESSAGE_HEAD_LEN + 1024];
                uint16_t type = lx_read_u16(&rd), want = lx_read_u16(&rd);
                struct lx_span part =
                    lx_read_span(&rd, want % 1024 < rd.left ? want % 1024 : rd.left);

                text[0] = (uint8_t)(type >> 8), text[1] = (uint8_t)type;
                if (part.len > 0)
                        memcpy(text + 2, part.p, part.len);
                act_len = llp_sealer_seal(sealer, text, part.len + 2, pair->wire);
                llp_peer_input(pair->b.peer, pair->wire, act_len, pair->now_ms);
                pair->now_ms += want >> 10;
                llp_peer_tick(pair->b.peer, pair->now_ms);
                (void)llp_peer_output(pair->b.peer, pair->wire, sizeof(pair->wire), pair->now_ms);
        }
        llp_sealer_free(sealer);
        pair_free(pair);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t which;

        if (size == 0 || lx_crypto_init() != LX_OK)
                return 0;
        which = data[0] % 8;
        data++;
        size--;
        if (which <= 2)
                try_codecs(which, data, size);
        else if (which == 3)
                try_book(data, size);
        else if (which == 4)
                try_texts(data, size);
        else if (which == 5)
                try_frames(data, size);
        else if (which == 6)
                try_strangers(data, size);
        else
                try_peer(data, size);
        return 0;
}
