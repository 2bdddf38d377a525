/*
 * router/offload.h - large TCP packets cut into segments, and segments joined again.
 *
 * A TUN device with a virtio header hands over TCP packets of up to 64 KiB with unfinished checksums;
 * router_split makes of each the packets that it stands for. The other way, router_merge joins packets of
 * one flow that follow each other, after verifying their checksums, into one that the kernel takes whole.
 * Threads: pure. virtio 1.1, 5.1.6; linux/virtio_net.h (fields in the machine's byte order).
 */
#ifndef LX_ROUTER_OFFLOAD_H
#define LX_ROUTER_OFFLOAD_H

#include "router/packet.h"

#define ROUTER_VNET_LEN 10 /* bytes of the header before a packet */

struct router_vnet {
        uint8_t flags;      /* 1: the checksum is to be finished */
        uint8_t gso_type;   /* 0 none, 1 TCP over IPv4, 4 TCP over IPv6; 0x80: with CWR */
        uint16_t hdr_len, gso_size, csum_start, csum_offset;
};

/** Read it from what the device gave. */
void router_vnet_read(const uint8_t in[ROUTER_VNET_LEN], struct router_vnet *out_vnet);
/** Write it. */
void router_vnet_write(const struct router_vnet *vnet, uint8_t out[ROUTER_VNET_LEN]);

/* A packet being cut. */
struct router_split {
        struct router_vnet vnet;
        const uint8_t *packet;
        size_t len;
        size_t header_len; /* IP and TCP */
        size_t ip_len;     /* IP alone */
        size_t at;         /* payload already given */
        unsigned number;
        bool v6;
};

/** Begin with @packet; false: the header does not fit the packet. */
bool router_split_init(struct router_split *split, const struct router_vnet *vnet,
    const uint8_t *packet, size_t len);
/** The next packet into @out (at least the original's header and gso_size, or all of it); 0: the end. */
size_t router_split_next(struct router_split *split, uint8_t *out, size_t cap);

/* A packet being joined. */
struct router_merge {
        struct router_packet first;
        size_t header_len;
        size_t len;        /* bytes so far; 0: empty */
        size_t mss;        /* payload of the first */
        uint32_t next_seq;
        unsigned count;
        bool closed;       /* nothing may follow */
        uint8_t bytes[ROUTER_VNET_LEN + ROUTER_PACKET_MAX];
};

/** Add a packet; false: it does not follow what is there (take that out first), nothing is changed. */
bool router_merge_add(struct router_merge *merge, const uint8_t *packet, size_t len);
/** What was joined, with its header, for the device; it is empty afterwards. 0: there was nothing. */
size_t router_merge_take(struct router_merge *merge, const uint8_t **out_bytes);

#endif
