/*
 * tests/fuzz/fuzz_router.c - LISP control messages, signed records, relays' envelopes, IP packets, DNS queries: what is accepted
 * encodes to bytes that decode and encode to themselves; an answer stays within its limit.
 */
#include "config.h"
#include "router/dns.h"
#include "router/envelope.h"
#include "router/packet.h"
#include "router/record.h"
#include "tests/unit/router_samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
forward(void *arg, struct lx_span name, struct router_addr *out)
{
        (void)arg;
        *out = (struct router_addr){.family = 6, .b = {0xfd}};
        return name.len % 2 == 0;
}

static bool
reverse(void *arg, const struct router_addr *eid, char out[DNS_NAME_MAX + 1])
{
        (void)arg;
        out[0] = 'a';
        out[1] = '\0';
        return eid->b[15] % 2 == 0;
}

static void
try_dns(const uint8_t *data, size_t size)
{
        static const struct dns_zone zone = {
            .eid_prefix = {0xfd, 0x00, 0x6c, 0x78}, .ttl_s = 60, .forward = forward, .reverse = reverse};
        static uint8_t answer[DNS_MESSAGE_MAX];

        if (dns_answer(&zone, data, size, false, answer) > DNS_UDP_MAX)
                abort();
        (void)dns_answer(&zone, data, size, true, answer);
        if (!dns_is_ours(&zone, data, size) && dns_answers(data, size, data, size))
                abort(); /* a question is no answer */
}

/* The pieces of a packet are packets, no larger than they may be, and together all of it. */
static void
try_pieces(const uint8_t *data, const struct router_packet *packet, unsigned mtu)
{
        static uint8_t piece[ROUTER_MESSAGE_MAX];
        size_t len, sum = 0;

        for (unsigned n = 0; (len = router_packet_piece(data, packet, mtu, n, piece)) > 0; n++) {
                struct router_packet part;

                if (len > mtu || !router_packet_parse(piece, len, &part) || part.len != len ||
                    part.header_len != packet->header_len)
                        abort();
                sum += len - packet->header_len;
        }
        if (sum != 0 && sum != packet->len - packet->header_len)
                abort();
}

/* A record that carries a signature writes and reads to the same claim. */
static void
try_record(const uint8_t *data, size_t size)
{
        uint8_t bytes[ROUTER_MESSAGE_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_reader rd = lx_reader_init(data, size);
        struct router_record record;
        struct router_signed claim, again;

        router_record_read(&rd, &record);
        if (rd.err != LX_OK || !router_signed_take(&record, &claim))
                return;
        router_signed_write(&wr, &claim);
        if (lx_writer_end(&wr) != LX_OK)
                return;
        rd = lx_reader_init(bytes, wr.len);
        router_record_read(&rd, &record);
        if (rd.err != LX_OK || !router_signed_take(&record, &again) || again.sequence != claim.sequence ||
            memcmp(again.sig.b, claim.sig.b, LX_SIG_LEN) != 0)
                abort();
}

/* What is read writes to the bytes it was read from. */
static void
try_envelope(const uint8_t *data, size_t size)
{
        uint8_t head[ROUTER_ENVELOPE_LEN];
        struct router_envelope e;

        if (!router_envelope_read(data, size, &e))
                return;
        router_envelope_write(e.kind, &e.to, &e.from, head);
        if (size < sizeof(head) || memcmp(head, data, sizeof(head)) != 0 || e.payload.p != data + sizeof(head) ||
            e.payload.len != size - sizeof(head))
                abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static uint8_t once[2 * ROUTER_MESSAGE_MAX], twice[2 * ROUTER_MESSAGE_MAX];
        size_t len, again;
        struct router_packet packet;

        if (size > ROUTER_MESSAGE_MAX)
                return 0;
        try_envelope(data, size);
        try_dns(data, size);
        try_record(data, size);
        len = sample_again(data, size, once, sizeof(once));
        if (len > 0) {
                again = sample_again(once, len, twice, sizeof(twice));
                if (again != len || memcmp(once, twice, len) != 0)
                        abort();
        }
        if (router_packet_parse(data, size, &packet)) {
                struct router_addr us = {.family = packet.source.family, .b = {10}};

                if (packet.header_len > packet.len || packet.len > size)
                        abort();
                (void)router_packet_flow(&packet);
                try_pieces(data, &packet, 28 + data[size - 1] * 8u);
                (void)router_packet_icmp(ROUTER_ICMP_TOO_BIG, data, &packet, &us, 1280, once, sizeof(once));
        }
        return 0;
}
