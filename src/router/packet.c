/* router/packet.c - IP packets; see router/packet.h. */
#include "config.h"
#include "router/packet.h"

#include <string.h>

#define ICMP4 1
#define TCP 6
#define UDP 17
#define ICMP6 58

static uint16_t
get16(const uint8_t *p)
{
        return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put16(uint8_t *p, unsigned v)
{
        p[0] = (uint8_t)(v >> 8);
        p[1] = (uint8_t)v;
}

/* ---- parsing ----------------------------------------------------------------------------------- */

static bool
parse_v4(const uint8_t *p, size_t len, struct router_packet *out)
{
        size_t head = (p[0] & 15u) * 4u, total;
        uint16_t frag;

        if (len < 20 || head < 20)
                return false;
        total = get16(p + 2);
        if (total < head || total > len)
                return false;
        frag = get16(p + 6);
        out->len = total;
        out->header_len = head;
        out->protocol = p[9];
        out->tos = p[1];
        out->ttl = p[8];
        out->fragment = (frag & 0x3fff) != 0;
        out->dont_fragment = (frag & 0x4000) != 0;
        out->source.family = out->dest.family = 4;
        memcpy(out->source.b, p + 12, 4);
        memcpy(out->dest.b, p + 16, 4);
        return true;
}

/* Walk hop-by-hop, routing and destination options; a fragment header ends the walk. */
static bool
walk_v6(const uint8_t *p, struct router_packet *out)
{
        uint8_t next = p[6];
        size_t at = 40;

        for (unsigned i = 0; i < 8 && (next == 0 || next == 43 || next == 60); i++) {
                if (at + 8 > out->len)
                        return false;
                next = p[at];
                at += 8u + p[at + 1] * 8u;
        }
        if (next == 44) {
                if (at + 8 > out->len)
                        return false;
                out->fragment = true;
                next = p[at];
                at += 8;
        }
        out->header_len = at;
        out->protocol = next;
        return at <= out->len;
}

static bool
parse_v6(const uint8_t *p, size_t len, struct router_packet *out)
{
        if (len < 40 || 40u + get16(p + 4) > len)
                return false;
        out->len = 40u + get16(p + 4);
        out->tos = (uint8_t)((p[0] & 15) << 4 | p[1] >> 4);
        out->ttl = p[7];
        out->dont_fragment = true;
        out->source.family = out->dest.family = 6;
        memcpy(out->source.b, p + 8, 16);
        memcpy(out->dest.b, p + 24, 16);
        return walk_v6(p, out);
}

bool
router_packet_parse(const uint8_t *bytes, size_t len, struct router_packet *out_packet)
{
        struct router_packet packet = {0};
        bool ok = false;

        if (len > 0 && bytes[0] >> 4 == 4)
                ok = parse_v4(bytes, len, &packet);
        else if (len > 0 && bytes[0] >> 4 == 6)
                ok = parse_v6(bytes, len, &packet);
        if (!ok)
                return false;
        if (!packet.fragment && (packet.protocol == TCP || packet.protocol == UDP) &&
            packet.header_len + 4 <= packet.len) {
                packet.sport = get16(bytes + packet.header_len);
                packet.dport = get16(bytes + packet.header_len + 2);
        }
        *out_packet = packet;
        return true;
}

uint32_t
router_packet_flow(const struct router_packet *packet)
{
        uint64_t h = 0x9e3779b97f4a7c15ull ^ packet->protocol, w[4];

        memcpy(w, packet->source.b, 16);
        memcpy(w + 2, packet->dest.b, 16);
        for (unsigned i = 0; i < 4; i++) {
                h = (h ^ w[i]) * 0xff51afd7ed558ccdull;
                h ^= h >> 32;
        }
        h = (h ^ ((uint64_t)packet->sport << 16 | packet->dport)) * 0xc4ceb9fe1a85ec53ull;
        return (uint32_t)(h ^ h >> 33);
}

/* ---- marks ------------------------------------------------------------------------------------- */

/* RFC 1624: the checksum after a 16-bit word went from @old to @new. */
static void
fix_sum(uint8_t *sum, uint16_t old, uint16_t new)
{
        uint32_t s = (uint32_t)(uint16_t)~get16(sum) + (uint16_t)~old + new;

        s = (s & 0xffff) + (s >> 16);
        s = (s & 0xffff) + (s >> 16);
        put16(sum, (uint16_t)~s);
}

static void
set_ttl(uint8_t *bytes, const struct router_packet *packet, uint8_t ttl)
{
        uint16_t old;

        if (packet->source.family == 6) {
                bytes[7] = ttl;
                return;
        }
        old = get16(bytes + 8);
        bytes[8] = ttl;
        fix_sum(bytes + 10, old, get16(bytes + 8));
}

static void
set_ecn(uint8_t *bytes, const struct router_packet *packet, unsigned ecn)
{
        uint16_t old = get16(bytes);

        if (packet->source.family == 6) {
                bytes[1] = (uint8_t)((bytes[1] & 0xcf) | ecn << 4);
                return;
        }
        bytes[1] = (uint8_t)((bytes[1] & 0xfc) | ecn);
        fix_sum(bytes + 10, old, get16(bytes));
}

bool
router_packet_decap_marks(uint8_t *bytes, const struct router_packet *packet, int ttl, unsigned ecn)
{
        unsigned inner = packet->tos & 3;

        /* RFC 6040 4.2: outer CE on a packet that is not capable is a drop; CE wins, and 1 over 2. */
        if (ecn == 3 && inner == 0)
                return false;
        if ((ecn == 3 && inner != 3) || (ecn == 1 && inner == 2))
                set_ecn(bytes, packet, ecn);
        /* RFC 9300 5.3: the outer TTL is copied when it is less than the inner one. */
        if (ttl >= 0 && ttl < packet->ttl)
                set_ttl(bytes, packet, (uint8_t)ttl);
        return true;
}

bool
router_packet_hop(uint8_t *bytes, const struct router_packet *packet)
{
        if (packet->ttl <= 1)
                return false;
        set_ttl(bytes, packet, (uint8_t)(packet->ttl - 1));
        return true;
}

/* ---- sums and headers -------------------------------------------------------------------------- */

/* RFC 1071 2(B): the sum does not care for the order of bytes, so it runs in the machine's own words. */
uint32_t
router_sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
        uint64_t s = 0;
        uint16_t half = 0;
        uint8_t two[2];

        for (; len >= 16; bytes += 16, len -= 16) {
                uint64_t w[2];

                memcpy(w, bytes, sizeof(w));
                s += (w[0] & 0xffffffff) + (w[0] >> 32) + (w[1] & 0xffffffff) + (w[1] >> 32);
        }
        for (; len >= 2; bytes += 2, len -= 2) {
                memcpy(&half, bytes, sizeof(half));
                s += half;
        }
        if (len > 0) {
                half = 0;
                memcpy(&half, bytes, 1);
                s += half;
        }
        while (s >> 16 != 0)
                s = (s & 0xffff) + (s >> 16);
        half = (uint16_t)s;
        memcpy(two, &half, sizeof(two));
        s = (uint64_t)sum + get16(two);
        return (uint32_t)((s & 0xffff) + (s >> 16));
}

uint16_t
router_sum_end(uint32_t sum)
{
        while (sum >> 16 != 0)
                sum = (sum & 0xffff) + (sum >> 16);
        return (uint16_t)~sum;
}

uint32_t
router_sum_pseudo(const struct router_addr *source, const struct router_addr *dest,
    uint8_t protocol, size_t len)
{
        size_t width = source->family == 4 ? 4 : 16;
        uint32_t sum = router_sum(0, source->b, width);

        sum = router_sum(sum, dest->b, width);
        return sum + protocol + (uint32_t)(len & 0xffff) + (uint32_t)(len >> 16);
}

static size_t
ip_header(const struct router_addr *source, const struct router_addr *dest, uint8_t protocol,
    size_t len, uint8_t *out)
{
        if (source->family == 4) {
                memset(out, 0, 20);
                out[0] = 0x45;
                put16(out + 2, (unsigned)(20 + len));
                out[8] = 64;
                out[9] = protocol;
                memcpy(out + 12, source->b, 4);
                memcpy(out + 16, dest->b, 4);
                put16(out + 10, router_sum_end(router_sum(0, out, 20)));
                return 20;
        }
        memset(out, 0, 40);
        out[0] = 0x60;
        put16(out + 4, (unsigned)len);
        out[6] = protocol;
        out[7] = 64;
        memcpy(out + 8, source->b, 16);
        memcpy(out + 24, dest->b, 16);
        return 40;
}

size_t
router_packet_udp_header(const struct router_at *from, const struct router_at *to,
    const uint8_t *payload, size_t len, uint8_t out[48])
{
        size_t head;
        uint32_t sum;
        uint16_t check;

        if (from->addr.family != to->addr.family || from->addr.family == 0 || len > 65535 - 48)
                return 0;
        head = ip_header(&from->addr, &to->addr, UDP, 8 + len, out);
        put16(out + head, from->port);
        put16(out + head + 2, to->port);
        put16(out + head + 4, (unsigned)(8 + len));
        put16(out + head + 6, 0);
        sum = router_sum_pseudo(&from->addr, &to->addr, UDP, 8 + len);
        sum = router_sum(sum, out + head, 8);
        check = router_sum_end(router_sum(sum, payload, len));
        put16(out + head + 6, check == 0 ? 0xffff : check);
        return head + 8;
}

/* ---- pieces ------------------------------------------------------------------------------------ */

/* RFC 791 3.1: options without the copied flag stand in the first fragment only; here no-operations replace them. */
static void
drop_options(uint8_t *header, size_t len)
{
        size_t at = 20;

        while (at < len && header[at] != 0) {
                size_t size = header[at] == 1 || at + 1 >= len ? 1 : header[at + 1];

                if (size == 0 || at + size > len)
                        size = len - at;
                if ((header[at] & 0x80) == 0)
                        memset(header + at, 1, size);
                at += size;
        }
}

size_t
router_packet_piece(const uint8_t *bytes, const struct router_packet *packet, unsigned mtu, unsigned number,
    uint8_t *out)
{
        size_t head = packet->header_len, payload = packet->len - head, most = mtu > head ? (mtu - head) & ~7ul : 0;
        size_t count, each, at, len;
        unsigned frag = get16(bytes + 6);

        if (packet->source.family != 4 || most == 0 || (frag & 0x1fff) + payload / 8 > 0x1fff)
                return 0;
        count = (payload + most - 1) / most;
        each = ((payload + count - 1) / count + 7) & ~7ul;
        at = number * each;
        if (at >= payload)
                return 0;
        len = payload - at < each ? payload - at : each;
        memcpy(out, bytes, head);
        memcpy(out + head, bytes + head + at, len);
        if (number > 0)
                drop_options(out, head);
        put16(out + 2, (unsigned)(head + len));
        /* the offset counts eights; MF is set in all but the last, and there as it was */
        put16(out + 6, (frag + (unsigned)(at / 8)) | (at + len < payload ? 0x2000u : 0));
        put16(out + 10, 0);
        put16(out + 10, router_sum_end(router_sum(0, out, head)));
        return head + len;
}

/* ---- ICMP -------------------------------------------------------------------------------------- */

static bool
may_complain(const uint8_t *bytes, const struct router_packet *packet)
{
        const uint8_t *icmp = bytes + packet->header_len;

        if (packet->source.family == 4) {
                if ((get16(bytes + 6) & 0x1fff) != 0 || packet->dest.b[0] >= 224 ||
                    packet->source.b[0] >= 224 || packet->source.b[0] == 0)
                        return false;
                if (packet->protocol != ICMP4)
                        return true;
                return packet->header_len < packet->len && (icmp[0] == 0 || icmp[0] == 8);
        }
        if (packet->dest.b[0] == 0xff || packet->source.b[0] == 0xff)
                return false;
        if (packet->protocol != ICMP6)
                return true;
        return packet->header_len < packet->len && icmp[0] >= 128;
}

static void
icmp_head(enum router_icmp what, unsigned family, unsigned mtu, uint8_t *out)
{
        static const uint8_t type4[] = {3, 3, 11}, code4[] = {4, 0, 0};
        static const uint8_t type6[] = {2, 1, 3};

        memset(out, 0, 8);
        out[0] = family == 4 ? type4[what] : type6[what];
        out[1] = family == 4 ? code4[what] : 0;
        if (what == ROUTER_ICMP_TOO_BIG)
                put16(out + 6, mtu);
}

size_t
router_packet_icmp(enum router_icmp what, const uint8_t *bytes, const struct router_packet *packet,
    const struct router_addr *from, unsigned mtu, uint8_t *out, size_t cap)
{
        bool v4 = packet->source.family == 4;
        size_t head = v4 ? 20 : 40, quoted = packet->len, most = v4 ? 576 - 28 : 1280 - 48;
        uint32_t sum = 0;

        if (from->family != packet->source.family || !may_complain(bytes, packet))
                return 0;
        if (quoted > most)
                quoted = most;
        if (head + 8 + quoted > cap)
                return 0;
        (void)ip_header(from, &packet->source, v4 ? ICMP4 : ICMP6, 8 + quoted, out);
        icmp_head(what, packet->source.family, mtu, out + head);
        memcpy(out + head + 8, bytes, quoted);
        if (!v4)
                sum = router_sum_pseudo(from, &packet->source, ICMP6, 8 + quoted);
        put16(out + head + 2, router_sum_end(router_sum(sum, out + head, 8 + quoted)));
        return head + 8 + quoted;
}
