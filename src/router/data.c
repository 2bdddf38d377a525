/* router/data.c - packets: from the TUN device to peers and back. */
#include "config.h"
#include "router/router_int.h"

#include "base/mem.h"

#include <string.h>

#define PLAIN_OVERHEAD 8
#define INNER6_MIN 1280 /* RFC 8200 5: every link of IPv6 takes so much */

/* ---- out ----------------------------------------------------------------------------------------- */

/* Tell the sender with ICMP, from the address it sent to. */
static void
complain(struct router *r, enum router_icmp what, const uint8_t *bytes, const struct router_packet *packet,
    unsigned mtu)
{
        uint8_t icmp[1300];
        struct router_addr from = packet->dest;
        size_t len;

        for (size_t i = 0; i < r->options.identity_count; i++)
                if (r->options.identity[i].eid.family == packet->source.family)
                        from = r->options.identity[i].eid;
        len = router_packet_icmp(what, bytes, packet, &from, mtu, icmp, sizeof(icmp));
        if (len > 0)
                r->options.deliver(r->options.arg, icmp, len);
}

/* RFC 9300 6.3: by weight, the same flow over the same RLOC. Plain peers only: sessions have a path. */
static const struct path *
choose_rloc(const struct mapping *m, uint32_t flow)
{
        uint8_t best = 255;
        unsigned sum = 0, point;

        for (unsigned i = 0; i < m->rloc_count; i++)
                if (m->rloc[i].priority < best)
                        best = m->rloc[i].priority;
        if (best == 255)
                return NULL;
        for (unsigned i = 0; i < m->rloc_count; i++)
                if (m->rloc[i].priority == best)
                        sum += m->rloc[i].weight + 1u;
        point = flow % sum;
        for (unsigned i = 0; i < m->rloc_count; i++) {
                if (m->rloc[i].priority != best)
                        continue;
                if (point < m->rloc[i].weight + 1u)
                        return &m->rloc[i];
                point -= m->rloc[i].weight + 1u;
        }
        return NULL;
}

static enum router_verdict
route_sealed(struct router *r, struct mapping *m, const struct router_packet *packet, struct router_route *out)
{
        struct peer *p = &r->peer[m->peer];
        const struct announced *ours =
            r->options.identity_count > 1 ? announce_covers(r, m->eid.iid, &packet->source) : NULL;
        struct router_session *s;

        if (ours != NULL && (p = peer_as(r, p, ours->identity)) == NULL) {
                COUNT(r, drop_no_mapping);
                return ROUTER_DROP;
        }
        s = peer_session(r, p);
        if (s == NULL) {
                if (!p->shaking)
                        peer_shake(r, p);
                out->wait = &p->queue;
                if (p->shaking)
                        return ROUTER_WAIT;
                COUNT(r, drop_no_mapping);
                return ROUTER_DROP;
        }
        if (r->now_ms - s->born_ms > ROUTER_REKEY_MS && s->initiator && !p->shaking)
                peer_shake(r, p);
        if (r->now_ms - s->born_ms > ROUTER_REKEY_MS + 20000 && !p->shaking)
                peer_shake(r, p);
        if (p->data_tx_ms <= p->rx_ms)
                router_wish(r, r->now_ms + 400);
        p->tx_ms = p->data_tx_ms = r->now_ms;
        out->session = s;
        out->to = p->data;
        out->overhead = ROUTER_FRAME_OVERHEAD;
        if (p->data.addr.family == VIA) {
                uint8_t head[RELAY_HEAD];

                out->via = p->data;
                out->to = relay_head(r, &p->data, head);
                out->overhead += RELAY_HEAD;
        }
        return ROUTER_SEND;
}

static enum router_verdict
route_plain(struct router *r, struct mapping *m, const struct router_packet *packet, struct router_route *out)
{
        const struct path *rloc = choose_rloc(m, router_packet_flow(packet));
        const struct announced *ours = announce_covers(r, m->eid.iid, &packet->source);

        if (ours != NULL && ours->sealed) { /* it binds both ends */
                COUNT(r, drop_plain_sealed);
                return ROUTER_DROP;
        }
        if (rloc == NULL) {
                COUNT(r, drop_no_mapping);
                return ROUTER_DROP;
        }
        out->session = NULL;
        out->to = (struct router_at){rloc->addr, rloc->port != 0 ? rloc->port : ROUTER_PORT_DATA};
        out->overhead = PLAIN_OVERHEAD;
        return ROUTER_SEND;
}

/* What a packet from inside must fulfil before it goes anywhere. */
static bool
may_leave(struct router *r, uint32_t iid, const struct router_packet *packet)
{
        if (packet->dest.b[0] == (packet->dest.family == 6 ? 0xff : 0xe0) ||
            (packet->dest.family == 6 && packet->dest.b[0] == 0xfe && (packet->dest.b[1] & 0xc0) == 0x80)) {
                COUNT(r, drop_no_owner); /* multicast and link-local stay on the link */
                return false;
        }
        if (announce_covers(r, iid, &packet->source) == NULL) {
                if (proxy_lends(r, iid, &packet->source, &packet->dest))
                        return true;
                COUNT(r, drop_spoofed_source);
                return false;
        }
        if (!announce_speaks_for(r, iid, &packet->source)) {
                COUNT(r, drop_unowned);
                return false;
        }
        if (announce_speaks_for(r, iid, &packet->dest)) {
                COUNT(r, drop_no_mapping); /* ours, but not on this machine */
                return false;
        }
        return true;
}

/* RFC 9300 7.1, with the MTU of the path in place of a constant. IPv6 is never asked for less than 1280 bytes. */
static enum router_verdict
fit(struct router *r, const uint8_t *bytes, const struct router_packet *packet, struct router_route *out)
{
        unsigned outer = router_mtu_find(&r->mtu, r->now_ms, &out->to.addr);
        unsigned head = (out->to.addr.family == 4 ? 20u : 40u) + 8 + out->overhead;

        out->mtu = r->options.mtu;
        if (outer < out->mtu + head)
                out->mtu = outer - head;
        if (packet->source.family == 6 && out->mtu < INNER6_MIN)
                out->mtu = INNER6_MIN;
        if (packet->len <= out->mtu)
                return ROUTER_SEND;
        if (!packet->dont_fragment)
                return ROUTER_CUT;
        COUNT(r, drop_too_big);
        complain(r, ROUTER_ICMP_TOO_BIG, bytes, packet, out->mtu);
        return ROUTER_DROP;
}

static enum router_verdict
find(struct router *r, uint32_t iid, const uint8_t *bytes, size_t len, bool check, struct router_route *out)
{
        struct router_packet packet;
        const struct router_addr *proxy;
        enum router_verdict verdict;
        struct mapping *m;
        bool pitr;

        *out = (struct router_route){.iid = iid};
        if (!router_packet_parse(bytes, len, &packet)) {
                COUNT(r, drop_malformed);
                return ROUTER_DROP;
        }
        if (check && !may_leave(r, iid, &packet))
                return ROUTER_DROP;
        out->tos = packet.tos;
        pitr = r->options.lent_count > 0 && announce_covers(r, iid, &packet.source) == NULL;
        m = resolve_get(r, iid, &packet.dest, pitr);
        if (m != NULL && m->kind == MAPPING_NEGATIVE && !pitr &&
            (proxy = proxy_towards(r, iid, &packet.dest)) != NULL)
                m = resolve_get(r, iid, proxy, false);
        if (m == NULL) {
                COUNT(r, drop_waiting_full);
                return ROUTER_DROP;
        }
        switch (m->kind) {
        case MAPPING_PENDING:
                out->wait = &m->queue;
                return ROUTER_WAIT;
        case MAPPING_SEALED:
                verdict = route_sealed(r, m, &packet, out);
                return verdict == ROUTER_SEND ? fit(r, bytes, &packet, out) : verdict;
        case MAPPING_PLAIN:
                verdict = route_plain(r, m, &packet, out);
                return verdict == ROUTER_SEND ? fit(r, bytes, &packet, out) : verdict;
        case MAPPING_NEGATIVE:
        case MAPPING_FREE:
                break;
        }
        COUNT(r, drop_no_owner);
        complain(r, ROUTER_ICMP_UNREACHABLE, bytes, &packet, 0);
        return ROUTER_DROP;
}

/* The TUN device may hand over several segments at once: only the first headers are looked at. */
enum router_verdict
router_route_find(struct router *router, uint64_t now_ms, uint32_t iid, const uint8_t *bytes, size_t len,
    struct router_route *out_route)
{
        router->now_ms = now_ms;
        return find(router, iid, bytes, len, true, out_route);
}

size_t
router_route_wrap(struct router *router, const struct router_route *route, const uint8_t *bytes, size_t len,
    uint8_t *out)
{
        struct lx_writer wr = lx_writer_init(out, PLAIN_OVERHEAD);

        COUNT(router, encapsulated);
        router->count.encapsulated_bytes += len;
        if (route->via.addr.family == VIA) {
                (void)relay_head(router, &route->via, out);
                len = router_session_seal(route->session, route->iid, bytes, len, out + RELAY_HEAD);
                router_mtu_sent(&router->mtu, &route->to.addr, out + RELAY_HEAD, len);
                return len + RELAY_HEAD;
        }
        if (route->session != NULL) {
                len = router_session_seal(route->session, route->iid, bytes, len, out);
        } else {
                /* RFC 9300 5.1: I with an instance id; no nonce, no map-version, no status bits. */
                lx_write_u32(&wr, route->iid != 0 ? 0x08000000 : 0);
                lx_write_u32(&wr, route->iid << 8);
                memcpy(out + PLAIN_OVERHEAD, bytes, len);
                len += PLAIN_OVERHEAD;
        }
        router_mtu_sent(&router->mtu, &route->to.addr, out, len);
        return len;
}

size_t
router_route_piece(struct router *router, const struct router_route *route, const uint8_t *bytes, size_t len,
    unsigned number, uint8_t *out)
{
        struct router_packet packet;
        size_t piece = 0;

        if (router_packet_parse(bytes, len, &packet))
                piece = router_packet_piece(bytes, &packet, route->mtu, number, out);
        if (number == 0 && piece > 0)
                COUNT(router, fragmented);
        else if (number == 0)
                COUNT(router, drop_malformed);
        return piece;
}

void
router_route_wait(struct router *router, const struct router_route *route, const uint8_t *bytes, size_t len)
{
        (void)queue_push(router, route->wait, NULL, route->iid, bytes, len);
}

static void
wrap_and_send(struct router *r, const struct router_route *route, const uint8_t *bytes, size_t len)
{
        uint8_t frame[ROUTER_FRAME_MAX];

        len = router_route_wrap(r, route, bytes, len, frame);
        r->options.send(r->options.arg, true, &route->to, frame, len, route->tos);
}

static void
send_one(struct router *r, uint32_t iid, const uint8_t *bytes, size_t len, bool check)
{
        uint8_t piece[ROUTER_PACKET_LIMIT];
        struct router_route route;
        size_t piece_len;

        if (len > ROUTER_PACKET_LIMIT) {
                COUNT(r, drop_too_big);
                return;
        }
        switch (find(r, iid, bytes, len, check, &route)) {
        case ROUTER_SEND:
                wrap_and_send(r, &route, bytes, len);
                break;
        case ROUTER_CUT:
                for (unsigned n = 0; (piece_len = router_route_piece(r, &route, bytes, len, n, piece)) > 0; n++)
                        wrap_and_send(r, &route, piece, piece_len);
                break;
        case ROUTER_WAIT:
                router_route_wait(r, &route, bytes, len);
                break;
        case ROUTER_DROP:
                break;
        }
}

void
router_tun_input(struct router *router, uint64_t now_ms, uint32_t iid, const uint8_t *bytes, size_t len)
{
        router->now_ms = now_ms;
        send_one(router, iid, bytes, len, true);
}

/* ---- in ------------------------------------------------------------------------------------------ */

void
data_deliver(struct router *r, const struct router_addr *claimed, uint8_t *packet, size_t len, uint8_t tos,
    int ttl, uint32_t iid)
{
        struct router_packet p;

        if (!router_packet_parse(packet, len, &p)) {
                COUNT(r, drop_malformed);
                return;
        }
        if (!announce_speaks_for(r, iid, &p.dest)) {
                if (claimed == NULL || !proxy_lends(r, iid, &p.dest, claimed)) {
                        COUNT(r, drop_not_ours);
                        return;
                }
                COUNT(r, proxied);
        }
        if (!router_packet_decap_marks(packet, &p, ttl, tos & 3)) {
                COUNT(r, drop_congestion);
                return;
        }
        COUNT(r, decapsulated);
        r->count.decapsulated_bytes += len;
        r->options.deliver(r->options.arg, packet, len);
}

/* Both address checks: the inner source maps to the outer source, the inner destination is ours. */
static void
plain_inner(struct router *r, const struct router_at *from, uint32_t iid, uint8_t *packet, size_t len,
    uint8_t tos, int ttl, bool may_wait)
{
        struct router_packet p;
        struct mapping *m;

        if (!router_packet_parse(packet, len, &p) || p.len != len) {
                COUNT(r, drop_malformed);
                return;
        }
        if (!announce_speaks_for(r, iid, &p.dest)) {
                COUNT(r, drop_not_ours);
                return;
        }
        if (announce_covers(r, iid, &p.dest)->sealed) { /* it binds both ends */
                COUNT(r, drop_plain_sealed);
                return;
        }
        m = resolve_get(r, iid, &p.source, false);
        if (m != NULL && m->kind == MAPPING_PENDING && may_wait) {
                (void)queue_push(r, &m->queue, from, iid, packet, len);
                return;
        }
        if (m != NULL && m->kind == MAPPING_SEALED) {
                COUNT(r, drop_plain_sealed);
                return;
        }
        for (unsigned i = 0; m != NULL && m->kind == MAPPING_PLAIN && i < m->rloc_count; i++)
                if (router_addr_eq(&m->rloc[i].addr, &from->addr)) {
                        data_deliver(r, &p.source, packet, len, tos, ttl, iid);
                        return;
                }
        COUNT(r, drop_spoofed_source);
}

static void
plain_frame(struct router *r, const struct router_at *from, uint8_t *frame, size_t len, uint8_t tos, int ttl)
{
        struct lx_reader rd = lx_reader_init(frame, len);
        uint32_t head = lx_read_u32(&rd), second = lx_read_u32(&rd);
        bool named = false;

        for (size_t i = 0; i < r->options.plain_count; i++)
                named |= router_eid_covers(&r->options.plain_from[i], 0, &from->addr);
        if (!named) {
                COUNT(r, drop_plain_stranger);
                return;
        }
        if (rd.err != LX_OK || rd.left == 0) {
                COUNT(r, drop_malformed);
                return;
        }
        /* nonce, echo, status bits and map-versions of a plain frame are not obeyed */
        plain_inner(r, from, (head >> 27 & 1) != 0 ? second >> 8 : 0, frame + PLAIN_OVERHEAD,
            len - PLAIN_OVERHEAD, tos, ttl, true);
}

void
router_data_input(struct router *router, uint64_t now_ms, const struct router_at *from, uint8_t *frame,
    size_t len, uint8_t tos, int ttl)
{
        router->now_ms = now_ms;
        if (len < PLAIN_OVERHEAD)
                COUNT(router, drop_malformed);
        else if ((frame[0] & 3) == 3)
                relay_input(router, from, frame, len);
        else if ((frame[0] & 3) != 0)
                peer_frame(router, from, frame, len, tos, ttl);
        else
                plain_frame(router, from, frame, len, tos, ttl);
}

/* ---- what waited --------------------------------------------------------------------------------- */

void
data_flush(struct router *r, struct queue *q)
{
        struct waiting *w;

        while ((w = queue_pop(r, q)) != NULL) {
                if (w->from.addr.family != 0)
                        plain_inner(r, &w->from, w->iid, w->bytes, w->len, 0, -1, false);
                else
                        send_one(r, w->iid, w->bytes, w->len, false);
                lx_free(w);
        }
}

void
data_unreachable(struct router *r, struct queue *q)
{
        struct waiting *w;

        while ((w = queue_pop(r, q)) != NULL) {
                struct router_packet packet;

                COUNT(r, drop_no_mapping);
                if (w->from.addr.family == 0 && router_packet_parse(w->bytes, w->len, &packet))
                        complain(r, ROUTER_ICMP_UNREACHABLE, w->bytes, &packet, 0);
                lx_free(w);
        }
}
