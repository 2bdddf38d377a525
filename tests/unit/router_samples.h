/*
 * tests/unit/router_samples.h - one well-formed message of each kind, built by our own encoders.
 */
#ifndef LX_TESTS_ROUTER_SAMPLES_H
#define LX_TESTS_ROUTER_SAMPLES_H

#include "router/message.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLES 9
#define SAMPLE_MAX 1200

static const char *const SAMPLE_NAMES[SAMPLES] = {"request", "probe", "smr", "reply", "negative",
    "register", "notify", "notify-ack", "encapsulated"};

static inline struct router_addr
sample_addr(const char *text)
{
        struct router_addr addr = {0};

        if (!router_addr_parse(text, &addr))
                abort();
        return addr;
}

static inline struct router_eid
sample_eid(const char *text)
{
        struct router_eid eid = {0};

        if (!router_eid_parse(text, &eid))
                abort();
        return eid;
}

static inline struct router_record
sample_record(void)
{
        struct router_record r = {.ttl_min = 60, .authoritative = true, .version = 0x123,
            .eid = sample_eid("[7]fd12:3456::/48"), .eid_usable = true, .rloc_count = 3};

        r.rloc[0] = (struct router_rloc){.addr = sample_addr("192.0.2.1"), .priority = 1, .weight = 50,
            .mpriority = 255, .flags = ROUTER_RLOC_LOCAL | ROUTER_RLOC_REACHABLE};
        r.rloc[1] = (struct router_rloc){.addr = sample_addr("2001:db8::1"), .priority = 2,
            .weight = 100, .mpriority = 255, .port = 40000, .rtr = sample_addr("198.51.100.9")};
        r.rloc[2] = (struct router_rloc){.priority = 255, .mpriority = 255,
            .name = LX_SPAN("lx1.c2lnbmVk", 12)};
        return r;
}

static inline void
sample_request(unsigned n, struct lx_writer *wr)
{
        struct router_map_request q = {.probe = n == 1, .smr = n == 2, .nonce = 0x1122334455667788,
            .source = sample_eid("fd12:3456::5/128"), .itr_count = 2,
            .itr = {sample_addr("192.0.2.1"), sample_addr("2001:db8::1")}, .asked_count = 1,
            .asked = {sample_eid("10.1.2.0/24")}};

        if (n == 1)
                q.map_data = true, q.record = sample_record();
        if (n == 0) {
                q.asked_count = 2;
                q.asked[1] = sample_eid("[9]fd00::1/128");
                q.subscribe[0] = true;
                q.has_xtr_id = true;
                q.site_id = 77;
        }
        router_map_request_encode(&q, wr);
}

static inline void
sample_register(enum router_type type, struct lx_writer *wr)
{
        static const uint8_t auth[16] = {5, 6};
        struct router_map_register m = {.type = type, .proxy_reply = true, .want_notify = true,
            .use_ttl = true, .record_count = 1, .nonce = 42, .key_id = 3,
            .alg = ROUTER_ALG_SHA256_128, .auth = LX_SPAN(auth, sizeof(auth))};
        struct router_record r = sample_record();
        size_t offset;

        if (type != ROUTER_MAP_REGISTER)
                m.proxy_reply = m.want_notify = m.use_ttl = false;
        router_map_register_encode(&m, wr, &offset);
        router_record_write(wr, &r);
}

/* Message @n into @out; its length. */
static inline size_t
sample(unsigned n, uint8_t out[SAMPLE_MAX])
{
        struct lx_writer wr = lx_writer_init(out, SAMPLE_MAX);
        struct router_record r = sample_record();
        struct router_map_reply reply = {.probe = true, .record_count = 1, .nonce = 99};
        uint8_t inner[SAMPLE_MAX];
        struct router_encapsulated ecm = {.from = {sample_addr("fd12:3456::5"), 4342},
            .to = {sample_addr("fd00::9"), 4342}};

        if (n <= 2)
                sample_request(n, &wr);
        else if (n == 4)
                r = (struct router_record){.ttl_min = 15, .action = ROUTER_ACT_NATIVE,
                    .eid = sample_eid("10.0.0.0/8"), .eid_usable = true};
        if (n == 3 || n == 4) {
                router_map_reply_encode(&reply, &wr);
                router_record_write(&wr, &r);
        }
        if (n >= 5 && n <= 7)
                sample_register((enum router_type)(n - 2), &wr);
        if (n == 8) {
                ecm.message = LX_SPAN(inner, sample(0, inner));
                router_encapsulated_encode(&ecm, &wr);
        }
        if (lx_writer_end(&wr) != LX_OK)
                abort();
        return wr.len;
}

/* Whatever @bytes is: decode it, encode it again; the length, 0: it was refused. */
static inline size_t
sample_again(const uint8_t *bytes, size_t len, uint8_t *out, size_t cap)
{
        struct lx_writer wr = lx_writer_init(out, cap);
        struct lx_reader rd;
        struct router_record r;
        unsigned count = 0;

        if (router_message_type(bytes, len) == ROUTER_MAP_REQUEST) {
                struct router_map_request q;

                if (router_map_request_decode(bytes, len, &q) != LX_OK)
                        return 0;
                router_map_request_encode(&q, &wr);
                return lx_writer_end(&wr) == LX_OK ? wr.len : 0;
        }
        if (router_message_type(bytes, len) == ROUTER_ENCAPSULATED) {
                struct router_encapsulated e;

                if (router_encapsulated_decode(bytes, len, &e) != LX_OK)
                        return 0;
                router_encapsulated_encode(&e, &wr);
                return lx_writer_end(&wr) == LX_OK ? wr.len : 0;
        }
        if (router_message_type(bytes, len) == ROUTER_MAP_REPLY) {
                struct router_map_reply reply;

                if (router_map_reply_decode(bytes, len, &reply, &rd) != LX_OK)
                        return 0;
                router_map_reply_encode(&reply, &wr);
                count = reply.record_count;
        } else {
                struct router_map_register m;
                size_t offset;

                if (router_map_register_decode(bytes, len, &m, &rd) != LX_OK)
                        return 0;
                m.has_xtr_id = false;
                router_map_register_encode(&m, &wr, &offset);
                count = m.record_count;
        }
        for (unsigned i = 0; i < count && rd.err == LX_OK; i++) {
                router_record_read(&rd, &r);
                if (rd.err == LX_OK)
                        router_record_write(&wr, &r);
        }
        return lx_reader_end(&rd) == LX_OK && lx_writer_end(&wr) == LX_OK ? wr.len : 0;
}

#endif
