/* router/offload.c - cutting and joining TCP packets; see router/offload.h. */
#include "config.h"
#include "router/offload.h"

#include <string.h>

#define TCP 6
#define NEEDS_SUM 1u
#define GSO_TCP4 1u
#define GSO_TCP6 4u
#define GSO_ECN 0x80u
#define TCP_FIN 0x01u
#define TCP_PSH 0x08u
#define TCP_ACK 0x10u
#define TCP_CWR 0x80u

static uint16_t
get16(const uint8_t *p)
{
        return (uint16_t)(p[0] << 8 | p[1]);
}

static void
put16(uint8_t *p, size_t v)
{
        p[0] = (uint8_t)(v >> 8);
        p[1] = (uint8_t)v;
}

static uint32_t
get32(const uint8_t *p)
{
        return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void
put32(uint8_t *p, uint32_t v)
{
        put16(p, v >> 16);
        put16(p + 2, v & 0xffff);
}

void
router_vnet_read(const uint8_t in[ROUTER_VNET_LEN], struct router_vnet *out_vnet)
{
        struct router_vnet v = {.flags = in[0], .gso_type = in[1]};

        memcpy(&v.hdr_len, in + 2, 2);
        memcpy(&v.gso_size, in + 4, 2);
        memcpy(&v.csum_start, in + 6, 2);
        memcpy(&v.csum_offset, in + 8, 2);
        *out_vnet = v;
}

void
router_vnet_write(const struct router_vnet *vnet, uint8_t out[ROUTER_VNET_LEN])
{
        out[0] = vnet->flags;
        out[1] = vnet->gso_type;
        memcpy(out + 2, &vnet->hdr_len, 2);
        memcpy(out + 4, &vnet->gso_size, 2);
        memcpy(out + 6, &vnet->csum_start, 2);
        memcpy(out + 8, &vnet->csum_offset, 2);
}

/* ---- cutting ------------------------------------------------------------------------------------- */

bool
router_split_init(
    struct router_split *split, const struct router_vnet *vnet, const uint8_t *packet, size_t len)
{
        unsigned type = vnet->gso_type & ~GSO_ECN;
        struct router_packet p;

        *split = (struct router_split){.vnet = *vnet, .packet = packet, .len = len};
        if (type == 0)
                return (vnet->flags & NEEDS_SUM) == 0 ||
                       (size_t)vnet->csum_start + vnet->csum_offset + 2 <= len;
        if ((type != GSO_TCP4 && type != GSO_TCP6) || vnet->gso_size == 0 ||
            !router_packet_parse(packet, len, &p) || p.protocol != TCP || p.fragment || p.len != len ||
            p.header_len + 20 > len || (type == GSO_TCP6) != (p.source.family == 6))
                return false;
        split->v6 = p.source.family == 6;
        split->ip_len = p.header_len;
        split->header_len = p.header_len + (packet[p.header_len + 12] >> 4) * 4u;
        return split->header_len <= len && split->header_len >= p.header_len + 20;
}

static size_t
whole(struct router_split *s, uint8_t *out, size_t cap)
{
        if (s->number++ > 0 || s->len > cap)
                return 0;
        memcpy(out, s->packet, s->len);
        if ((s->vnet.flags & NEEDS_SUM) != 0) {
                size_t start = s->vnet.csum_start;
                uint16_t sum = router_sum_end(router_sum(0, out + start, s->len - start));

                put16(out + start + s->vnet.csum_offset, sum == 0 && s->vnet.csum_offset == 6 ? 0xffff : sum);
        }
        return s->len;
}

static void
fix_ip(const struct router_split *s, uint8_t *out, size_t len)
{
        if (s->v6) {
                put16(out + 4, len - 40);
                return;
        }
        put16(out + 2, len);
        put16(out + 4, get16(out + 4) + s->number);
        put16(out + 10, 0);
        put16(out + 10, router_sum_end(router_sum(0, out, s->ip_len)));
}

static void
fix_tcp(const struct router_split *s, uint8_t *out, size_t len, bool last)
{
        uint8_t *tcp = out + s->ip_len;
        struct router_addr a = {.family = s->v6 ? 6 : 4}, b = a;
        size_t width = s->v6 ? 16 : 4, at = s->v6 ? 8 : 12;
        uint32_t sum;

        memcpy(a.b, out + at, width);
        memcpy(b.b, out + at + width, width);
        put32(tcp + 4, get32(tcp + 4) + (uint32_t)s->at);
        if (!last)
                tcp[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
        if (s->number > 0)
                tcp[13] &= (uint8_t)~TCP_CWR;
        put16(tcp + 16, 0);
        sum = router_sum_pseudo(&a, &b, TCP, len - s->ip_len);
        put16(tcp + 16, router_sum_end(router_sum(sum, tcp, len - s->ip_len)));
}

size_t
router_split_next(struct router_split *split, uint8_t *out, size_t cap)
{
        struct router_split *s = split;
        size_t left = s->len - s->header_len - s->at, take = s->vnet.gso_size, len;

        if ((s->vnet.gso_type & ~GSO_ECN) == 0)
                return whole(s, out, cap);
        if (left == 0 && s->number > 0)
                return 0;
        if (take > left)
                take = left;
        len = s->header_len + take;
        if (len > cap)
                return 0;
        memcpy(out, s->packet, s->header_len);
        memcpy(out + s->header_len, s->packet + s->header_len + s->at, take);
        fix_ip(s, out, len);
        fix_tcp(s, out, len, take == left);
        s->at += take;
        s->number++;
        return len;
}

/* ---- joining ------------------------------------------------------------------------------------- */

/* A TCP segment with payload, plain headers and a checksum that holds. */
static bool
may_join(const uint8_t *b, size_t len, struct router_packet *p, size_t *header_len)
{
        size_t ip;
        const uint8_t *tcp;

        if (!router_packet_parse(b, len, p) || p->protocol != TCP || p->fragment || p->len != len)
                return false;
        ip = p->header_len;
        if (ip != (p->source.family == 4 ? 20u : 40u) || ip + 20 > len)
                return false;
        tcp = b + ip;
        *header_len = ip + (tcp[12] >> 4) * 4u;
        if (*header_len < ip + 20 || *header_len >= len || (tcp[13] & ~TCP_PSH) != TCP_ACK)
                return false;
        return router_sum_end(router_sum(
                   router_sum_pseudo(&p->source, &p->dest, TCP, len - ip), tcp, len - ip)) == 0;
}

/* The same but for length, id, sums, sequence and PSH. */
static bool
same_headers(const struct router_merge *m, const uint8_t *b, size_t header_len)
{
        const uint8_t *a = m->bytes + ROUTER_VNET_LEN;
        size_t ip = m->first.header_len;

        if (header_len != m->header_len || m->first.source.family != (b[0] >> 4))
                return false;
        if (ip == 20 && (memcmp(a, b, 2) != 0 || memcmp(a + 6, b + 6, 4) != 0 || /* public */
                            memcmp(a + 12, b + 12, 8) != 0)) /* public */
                return false;
        if (ip == 40 && (memcmp(a, b, 4) != 0 || memcmp(a + 6, b + 6, 34) != 0)) /* public */
                return false;
        a += ip;
        b += ip;
        return memcmp(a, b, 4) == 0 && memcmp(a + 8, b + 8, 5) == 0 && /* public */
               memcmp(a + 14, b + 14, 2) == 0 && /* public */
               memcmp(a + 18, b + 18, header_len - ip - 18) == 0; /* public */
}

/* @header_len 0: the packet stands alone. */
static void
start(struct router_merge *m, const uint8_t *packet, size_t len, const struct router_packet *p,
    size_t header_len)
{
        m->header_len = header_len;
        m->len = len;
        m->count = 1;
        m->closed = header_len == 0;
        memcpy(m->bytes + ROUTER_VNET_LEN, packet, len);
        if (header_len == 0)
                return;
        m->first = *p;
        m->mss = len - header_len;
        m->next_seq = get32(packet + p->header_len + 4) + (uint32_t)m->mss;
        m->closed = (packet[p->header_len + 13] & TCP_PSH) != 0;
}

bool
router_merge_add(struct router_merge *merge, const uint8_t *packet, size_t len)
{
        struct router_merge *m = merge;
        struct router_packet p;
        size_t header_len = 0, payload;
        bool joins;

        if (m->len > 0 && m->closed)
                return false;
        if (len > ROUTER_PACKET_MAX)
                return true; /* such a packet cannot be */
        joins = may_join(packet, len, &p, &header_len);
        if (m->len == 0) {
                start(m, packet, len, &p, joins ? header_len : 0);
                return true;
        }
        if (!joins || !same_headers(m, packet, header_len) ||
            get32(packet + p.header_len + 4) != m->next_seq)
                return false;
        payload = len - header_len;
        if (payload > m->mss || m->len + payload > ROUTER_PACKET_MAX)
                return false;
        memcpy(m->bytes + ROUTER_VNET_LEN + m->len, packet + header_len, payload);
        m->len += payload;
        m->next_seq += (uint32_t)payload;
        m->count++;
        m->closed = payload < m->mss || (packet[p.header_len + 13] & TCP_PSH) != 0;
        m->bytes[ROUTER_VNET_LEN + p.header_len + 13] |= packet[p.header_len + 13] & TCP_PSH;
        return true;
}

static void
finish(struct router_merge *m, struct router_vnet *v)
{
        uint8_t *b = m->bytes + ROUTER_VNET_LEN;
        size_t ip = m->first.header_len;
        uint32_t pseudo = router_sum_pseudo(&m->first.source, &m->first.dest, TCP, m->len - ip);

        *v = (struct router_vnet){.flags = NEEDS_SUM, .gso_type = ip == 40 ? GSO_TCP6 : GSO_TCP4,
            .hdr_len = (uint16_t)m->header_len, .gso_size = (uint16_t)m->mss,
            .csum_start = (uint16_t)ip, .csum_offset = 16};
        if (ip == 40) {
                put16(b + 4, m->len - 40);
        } else {
                put16(b + 2, m->len);
                put16(b + 10, 0);
                put16(b + 10, router_sum_end(router_sum(0, b, 20)));
        }
        put16(b + ip + 16, (uint16_t)~router_sum_end(pseudo));
}

size_t
router_merge_take(struct router_merge *merge, const uint8_t **out_bytes)
{
        struct router_vnet vnet = {0};
        size_t len = merge->len;

        if (len == 0)
                return 0;
        if (merge->count > 1)
                finish(merge, &vnet);
        router_vnet_write(&vnet, merge->bytes);
        merge->len = 0;
        *out_bytes = merge->bytes;
        return ROUTER_VNET_LEN + len;
}
