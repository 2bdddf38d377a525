/*
 * tests/fuzz/fuzz_router.c - LISP control messages and IP packets: what is accepted encodes to bytes that decode
 * and encode to themselves.
 */
#include "config.h"
#include "router/packet.h"
#include "tests/unit/router_samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static uint8_t once[2 * ROUTER_MESSAGE_MAX], twice[2 * ROUTER_MESSAGE_MAX];
        size_t len, again;
        struct router_packet packet;

        if (size > ROUTER_MESSAGE_MAX)
                return 0;
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
                (void)router_packet_icmp(ROUTER_ICMP_TOO_BIG, data, &packet, &us, 1280, once, sizeof(once));
        }
        return 0;
}
