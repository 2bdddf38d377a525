/*
 * bench/bench_router.c - the control plane on one core: Map-Requests answered with owner-signed records,
 * Map-Registers with HMAC-SHA-256, Map-Registers signed by owners against bare BIP 340 verification.
 */
#include "config.h"
#include "bench/bench.h"
#include "base/mem.h"
#include "crypto/mac.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "router/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EIDS 10000u
#define REQUESTS 100000u
#define REGISTERS 40000u
#define SIGNED 5000u
#define MESSAGE 700u

struct world {
        struct lx_pubkey key[16]; /* owner of EID i is key i % 16 */
        uint8_t sec[16][32];
        struct router *router;
        uint64_t now_ms, answers, nonce, sequence;
        uint8_t (*messages)[MESSAGE];
        size_t *lens;
        struct router_at from;
        uint8_t cookie[16];
};

static struct router_eid
eid_of(unsigned i)
{
        struct router_eid eid = {.bits = 128, .addr = {.family = 6, .b = {0xfd}}};

        lx_put_be64(eid.addr.b + 8, i + 1);
        return eid;
}

static enum lx_err
owner(void *arg, uint32_t iid, const struct router_addr *addr, struct router_owner *out)
{
        struct world *w = arg;
        uint64_t i = lx_get_be64(addr->b + 8) - 1;

        *out = (struct router_owner){.eid = router_eid_host(iid, addr), .ttl_min = 60, .sealed = true};
        if (i >= EIDS)
                return LX_ERR_ABSENT;
        out->key = w->key[i % 16];
        out->host = *addr;
        return LX_OK;
}

static bool
header(void *arg, const struct lx_hash *hash, uint64_t *out_time_ms)
{
        (void)arg, (void)hash;
        *out_time_ms = 1;
        return true;
}

static uint64_t
tip(void *arg, struct lx_hash *out)
{
        (void)arg;
        *out = (struct lx_hash){{1}};
        return 1;
}

static size_t
nodes(void *arg, struct router_node *out, size_t max)
{
        (void)arg, (void)out, (void)max;
        return 0;
}

static void
give_random(void *arg, void *out, size_t len)
{
        (void)arg;
        lx_random(out, len);
}

static void
count_answer(void *arg, bool data, const struct router_at *to, const uint8_t *bytes, size_t len, uint8_t tos)
{
        struct world *w = arg;
        struct router_map_register m;
        struct lx_reader rd;

        (void)data, (void)to, (void)tos;
        w->answers++;
        if (router_message_type(bytes, len) == ROUTER_MAP_NOTIFY &&
            router_map_register_decode(bytes, len, &m, &rd) == LX_OK && m.alg == ROUTER_ALG_COOKIE)
                memcpy(w->cookie, m.auth.p, sizeof(w->cookie));
}

static void
no_packet(void *arg, uint8_t *packet, size_t len)
{
        (void)arg, (void)packet, (void)len;
}

static struct router_signed
claim_of(struct world *w, unsigned i)
{
        struct router_signed c = {.sequence = ++w->sequence, .header = {{1}}, .expiry_ms = 1000000};

        c.record.eid = eid_of(i);
        c.record.eid_usable = true;
        c.record.ttl_min = 60;
        c.record.rloc_count = 1;
        c.record.rloc[0] = (struct router_rloc){.addr = w->from.addr, .priority = 1, .weight = 100};
        if (router_signed_make(&c, &(struct lx_hash){{9}}, w->sec[i % 16]) != LX_OK)
                abort();
        return c;
}

static void
make_signed(struct world *w, unsigned slot, unsigned i)
{
        struct lx_writer wr = lx_writer_init(w->messages[slot], MESSAGE);
        struct router_map_register m = {.type = ROUTER_MAP_REGISTER, .record_count = 1, .nonce = ++w->nonce,
            .want_notify = true, .use_ttl = true, .alg = ROUTER_ALG_COOKIE, .auth = LX_SPAN(w->cookie, 16)};
        struct router_signed c = claim_of(w, i);
        size_t offset;

        router_map_register_encode(&m, &wr, &offset);
        router_signed_write(&wr, &c);
        w->lens[slot] = wr.len;
}

static double
feed(struct world *w, unsigned count)
{
        uint64_t before = w->answers;
        double start = bench_cpu(), took;

        for (unsigned i = 0; i < count; i++)
                router_control_input(w->router, w->now_ms, &w->from, w->messages[i], w->lens[i]);
        took = bench_cpu() - start;
        if (w->answers - before != count)
                (void)fprintf(stderr, "%llu of %u answered\n", (unsigned long long)(w->answers - before), count);
        return count / took;
}

static double
requests(void *arg)
{
        struct world *w = arg;

        for (unsigned i = 0; i < REQUESTS; i++) {
                struct lx_writer wr = lx_writer_init(w->messages[i], MESSAGE);
                struct router_map_request q = {.nonce = i, .itr_count = 30, .asked_count = 1,
                    .asked = {eid_of((i * 7919u) % EIDS)}};

                for (unsigned j = 0; j < 30; j++)
                        q.itr[j] = (struct router_addr){.family = 6, .b = {0x20, 1}};
                router_map_request_encode(&q, &wr);
                w->lens[i] = wr.len;
        }
        return feed(w, REQUESTS);
}

static double
hmac_registers(void *arg)
{
        static const uint8_t zeros[16] = {0};
        struct world *w = arg;

        for (unsigned i = 0; i < REGISTERS; i++) {
                struct lx_writer wr = lx_writer_init(w->messages[i], MESSAGE);
                struct router_map_register m = {.type = ROUTER_MAP_REGISTER, .record_count = 1, .nonce = ++w->nonce,
                    .want_notify = true, .key_id = 1, .alg = ROUTER_ALG_SHA256_128, .auth = LX_SPAN(zeros, 16)};
                struct router_record r = {.ttl_min = 3, .rloc_count = 1, .eid_usable = true,
                    .eid = {.bits = 32, .addr = {.family = 4, .b = {10, (uint8_t)(i >> 8), (uint8_t)i, 1}}}};
                struct lx_span whole;
                uint8_t mac[32];
                size_t offset;

                r.rloc[0] = (struct router_rloc){.addr = w->from.addr, .priority = 1};
                router_map_register_encode(&m, &wr, &offset);
                router_record_write(&wr, &r);
                whole = LX_SPAN(w->messages[i], wr.len);
                lx_hmac_sha256(LX_SPAN("secret", 6), &whole, 1, mac);
                memcpy(w->messages[i] + offset, mac, 16);
                w->lens[i] = wr.len;
        }
        return feed(w, REGISTERS);
}

static double
signed_registers(void *arg)
{
        struct world *w = arg;

        for (unsigned i = 0; i < SIGNED; i++)
                make_signed(w, i, i);
        return feed(w, SIGNED);
}

static double
bare_verify(void *arg)
{
        struct world *w = arg;
        struct lx_hash msg = {{3}};
        struct lx_sig sig;
        double start;
        unsigned good = 0;

        if (lx_sign(w->sec[0], &msg, NULL, &sig) != LX_OK)
                abort();
        start = bench_cpu();
        for (unsigned i = 0; i < SIGNED; i++)
                good += lx_verify(&w->key[0], &msg, &sig);
        return good / (bench_cpu() - start);
}

static void
start_router(struct world *w)
{
        struct router_options o = {.serve = true, .random = give_random, .send = count_answer, .deliver = no_packet,
            .arg = w, .cache_max = 1000, .site_count = 1,
            .ledger = {.chain_id = {{9}}, .owner = owner, .header = header, .tip = tip, .nodes = nodes, .arg = w}};

        o.site[0] = (struct router_site){.eid = {.bits = 8, .addr = {.family = 4, .b = {10}}}, .key_id = 1,
            .alg = ROUTER_ALG_SHA256_128, .key = "secret", .key_len = 6};
        w->router = router_new(&o, w->now_ms);
        make_signed(w, 0, 0);
        router_control_input(w->router, w->now_ms, &w->from, w->messages[0], w->lens[0]); /* the cookie */
        for (unsigned i = 0; i < EIDS; i++) {
                make_signed(w, 0, i);
                router_control_input(w->router, w->now_ms, &w->from, w->messages[0], w->lens[0]);
        }
}

int
main(void)
{
        struct world w = {.now_ms = 1000000, .messages = lx_alloc_array(REQUESTS, MESSAGE),
            .lens = lx_alloc_array(REQUESTS, sizeof(size_t)), .from = {{.family = 4, .b = {192, 0, 2, 1}}, 4342}};
        struct bench_row rows[] = {
            {.name = "Map-Requests answered with signed records, one core", .unit = "/s", .budget = 100000,
                .ours = requests, .arg = &w},
            {.name = "Map-Registers with HMAC-SHA-256, one core", .unit = "/s", .budget = 80000,
                .ours = hmac_registers, .arg = &w},
            {.name = "Map-Registers signed by owners, against BIP 340", .unit = "/s", .budget = 0.7,
                .ours = signed_registers, .yardstick = bare_verify, .arg = &w}};

        if (lx_crypto_init() != LX_OK)
                return 1;
        for (unsigned i = 0; i < 16; i++) {
                memset(w.sec[i], (int)i + 1, 32);
                if (lx_sign_pubkey(w.sec[i], &w.key[i]) != LX_OK)
                        return 1;
        }
        start_router(&w);
        for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                bench_run(&rows[i]);
        router_free(w.router);
        lx_free(w.messages);
        lx_free(w.lens);
        return 0;
}
