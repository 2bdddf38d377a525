/*
 * router/packet.h - the IP packets that go in and out: parsing, checksums, flows, pieces, ICMP.
 *
 * Inner packets come from strangers as well: every length is checked against the bytes that are
 * there. IPv6 extension headers are walked only as far as the fragment header.
 * Threads: pure. RFC 791, 8200, 792, 4443, 1071.
 */
#ifndef LX_ROUTER_PACKET_H
#define LX_ROUTER_PACKET_H

#include "router/lisp.h"

#define ROUTER_PACKET_MAX 65535

struct router_packet {
        struct router_addr source, dest;
        size_t len;          /* bytes of the whole IP packet */
        size_t header_len;   /* bytes before the transport header */
        uint8_t protocol;    /* of the transport */
        uint8_t tos;         /* DSCP and ECN */
        uint8_t ttl;         /* or hop limit */
        bool fragment;       /* not the first, or not the whole */
        bool dont_fragment;  /* DF; always for IPv6 */
        uint16_t sport, dport; /* TCP and UDP, else 0 */
};

/** Parse the IP packet at @bytes; false: it is none, or cut. Bytes behind its length are ignored. */
bool router_packet_parse(const uint8_t *bytes, size_t len, struct router_packet *out_packet);

/** A hash of the flow, for load sharing and the source port: the same both ways it is not. */
uint32_t router_packet_flow(const struct router_packet *packet);

/**
 * Give the inner packet at @bytes (parsed as @packet) the outer @ttl, if that is lower, and merge
 * the outer @ecn: RFC 9300 5.3, RFC 6040. Returns false: the packet must be dropped (outer CE on
 * an inner packet that does not know ECN).
 */
bool router_packet_decap_marks(
    uint8_t *bytes, const struct router_packet *packet, int ttl, unsigned ecn);

/** Lower TTL or hop limit by one, with the checksum; false: it was 0 or 1, and is unchanged. */
bool router_packet_hop(uint8_t *bytes, const struct router_packet *packet);

/** The Internet checksum of @len bytes, added to @sum (not folded). */
uint32_t router_sum(uint32_t sum, const uint8_t *bytes, size_t len);
/** Fold a sum and complement it. */
uint16_t router_sum_end(uint32_t sum);
/** The pseudo header of @protocol over @len bytes. */
uint32_t router_sum_pseudo(const struct router_addr *source, const struct router_addr *dest,
    uint8_t protocol, size_t len);

/**
 * IP and UDP headers with checksums before @len bytes at @payload, into @out; their length, or 0
 * when the families differ or it is too long.
 */
size_t router_packet_udp_header(const struct router_at *from, const struct router_at *to,
    const uint8_t *payload, size_t len, uint8_t out[48]);

/**
 * Piece @number, from 0 on, of the IPv4 packet @packet at @bytes, whose DF is clear, cut into as few and as equal
 * pieces as fit @mtu bytes (RFC 791 3.2, RFC 9300 7.1), into @out. Its length; 0: there are no more, or none at all:
 * it is no IPv4, or a fragment that reaches beyond what a packet can have.
 */
size_t router_packet_piece(const uint8_t *bytes, const struct router_packet *packet, unsigned mtu, unsigned number,
    uint8_t *out);

enum router_icmp { ROUTER_ICMP_TOO_BIG, ROUTER_ICMP_UNREACHABLE, ROUTER_ICMP_TIME };

/**
 * The ICMP message about @packet at @bytes from our address @from: too big (next hop takes @mtu),
 * unreachable or time exceeded. At most @cap bytes into @out. 0: none may be sent (about an ICMP
 * error, a fragment that is not the first, or a multicast; RFC 1122 3.2.2).
 */
size_t router_packet_icmp(enum router_icmp what, const uint8_t *bytes,
    const struct router_packet *packet, const struct router_addr *from, unsigned mtu, uint8_t *out,
    size_t cap);

#endif
