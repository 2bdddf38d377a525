/*
 * bench/bench_llp.c - encrypted frames of 1400 bytes through transport and loop: two nodes' peers in one
 * process and on one loop, over TCP on loopback, against libcrypto sealing and opening the same bytes.
 *
 * Both sides of a link share the core here, as both sides of the cipher do in the yardstick.
 */
#include "config.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "crypto/secret.h"
#include "llp/frame.h"
#include "llp/swarm_io.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT 1400u
#define PAYLOAD (TEXT - LLP_MESSAGE_HEAD_LEN)
#define FRAMES 60000u
#define AHEAD 200u /* messages under way */

struct end {
        struct link *link;
        struct llp_swarm_io *io;
        uint8_t secret[32];
        uint32_t peer;
};

struct link {
        struct io_loop *loop;
        struct lx_pool *pool;
        struct end a, b;
        unsigned sent, got, want;
        uint8_t payload[PAYLOAD];
};

static double
rate(double seconds)
{
        return FRAMES * (double)TEXT / seconds / (1u << 30);
}

/* ---- ours ----------------------------------------------------------------------------------------- */

static void
tip(void *arg, uint64_t *out_height, struct lx_hash *out_tip)
{
        (void)arg;
        *out_height = 0;
        *out_tip = (struct lx_hash){{0}};
}

static void
send_more(struct link *link)
{
        const struct llp_net *net = llp_swarm_net(llp_swarm_io_swarm(link->a.io));

        while (link->sent < link->want && link->sent - link->got < AHEAD &&
               net->send(net->arg, link->a.peer, LLP_TX, link->payload, sizeof(link->payload)))
                link->sent++;
}

static void
on_up(void *arg, uint32_t peer, const struct llp_hello *hello, uint64_t now_ms)
{
        struct end *end = arg;

        (void)hello, (void)now_ms;
        end->peer = peer;
        if (end->link->a.peer != 0 && end->link->b.peer != 0)
                io_loop_stop(end->link->loop);
}

static enum lx_err
on_message(
    void *arg, uint32_t peer, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct end *end = arg;

        (void)peer, (void)bytes, (void)now_ms;
        if (type != LLP_TX || len != PAYLOAD)
                return LX_OK;
        end->link->got++;
        if (end->link->got == end->link->want)
                io_loop_stop(end->link->loop);
        else
                send_more(end->link);
        return LX_OK;
}

static void
open_end(struct link *link, struct end *end, const char *listen)
{
        struct llp_swarm_io_options options = {.loop = link->loop,
            .pool = link->pool,
            .listen = listen,
            .swarm = {.secret = end->secret,
                .agent = "bench",
                .upper = {.tip = tip,
                    .on_up = on_up,
                    .on_message = on_message,
                    .arg = end}}};
        struct lx_why why = {{0}};

        end->link = link;
        lx_random(end->secret, sizeof(end->secret));
        if (llp_swarm_io_new(&options, &end->io, &why) != LX_OK) {
                fprintf(stderr, "%s\n", why.text);
                exit(1);
        }
}

static double
ours(void *arg)
{
        struct link *link = arg;
        double start = bench_cpu();

        link->sent = link->got = 0;
        link->want = FRAMES;
        send_more(link);
        io_loop_run(link->loop);
        return rate(bench_cpu() - start);
}

/* ---- the yardstick --------------------------------------------------------------------------------- */

static double
libcrypto(void *arg)
{
        static uint8_t sealed[TEXT], text[TEXT];
        uint8_t key[32] = {1}, nonce[12] = {0}, tag[16];
        EVP_CIPHER_CTX *seal = EVP_CIPHER_CTX_new(), *open = EVP_CIPHER_CTX_new();
        double start;
        int len, ok;

        (void)arg;
        ok = EVP_EncryptInit_ex(seal, EVP_chacha20_poly1305(), NULL, key, NULL);
        ok &= EVP_DecryptInit_ex(open, EVP_chacha20_poly1305(), NULL, key, NULL);
        start = bench_cpu();
        for (uint32_t i = 0; i < FRAMES; i++) {
                memcpy(nonce, &i, sizeof(i));
                ok &= EVP_EncryptInit_ex(seal, NULL, NULL, NULL, nonce);
                ok &= EVP_EncryptUpdate(seal, sealed, &len, text, TEXT);
                ok &= EVP_EncryptFinal_ex(seal, sealed, &len);
                ok &= EVP_CIPHER_CTX_ctrl(seal, EVP_CTRL_AEAD_GET_TAG, sizeof(tag), tag);
                ok &= EVP_DecryptInit_ex(open, NULL, NULL, NULL, nonce);
                ok &= EVP_DecryptUpdate(open, text, &len, sealed, TEXT);
                ok &= EVP_CIPHER_CTX_ctrl(open, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag);
                ok &= EVP_DecryptFinal_ex(open, text, &len);
        }
        start = bench_cpu() - start;
        EVP_CIPHER_CTX_free(seal);
        EVP_CIPHER_CTX_free(open);
        if (ok != 1)
                exit(1);
        return rate(start);
}

int
main(void)
{
        struct link *link = lx_alloc(sizeof(*link));
        struct bench_row row = {.name = "encrypted frames of 1400 bytes, transport and loop",
            .unit = "GiB/s",
            .budget = 0.5,
            .ours = ours,
            .yardstick = libcrypto,
            .arg = link};
        struct llp_place place = {.has_id = true, .host = "127.0.0.1"};

        if (lx_crypto_init() != LX_OK)
                return 1;
        link->loop = io_loop_new();
        link->pool = lx_pool_new(1, io_loop_wake, link->loop);
        open_end(link, &link->b, "127.0.0.1:0");
        open_end(link, &link->a, NULL);
        place.port = (uint16_t)llp_swarm_io_port(link->b.io);
        memcpy(place.id, llp_swarm_id(llp_swarm_io_swarm(link->b.io)).b, sizeof(place.id));
        if (llp_swarm_add(llp_swarm_io_swarm(link->a.io), &place, 0, NULL) != LX_OK)
                return 1;
        llp_swarm_io_look(link->a.io);
        io_loop_run(link->loop); /* until both are up */
        bench_run(&row);
        llp_swarm_io_free(link->a.io);
        llp_swarm_io_free(link->b.io);
        lx_pool_free(link->pool);
        io_loop_free(link->loop);
        lx_free(link);
        return 0;
}
