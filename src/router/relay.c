/*
 * router/relay.c - nodes behind NATs reach each other through a map-server that both have registered at. It holds no
 * keys: handshakes and frames pass it as they are, between sites that showed that they receive what it sends them.
 */
#include "config.h"
#include "router/router_int.h"

#include "crypto/secret.h"

#include <string.h>

#define ATTACHED_MS 90000     /* a site that was not heard of for so long is not relayed to */
#define RELAYED_PER_S 100000  /* messages */
#define WORKS_MS 2000         /* a way on which the peer was heard so lately is kept */
#define ATTACH_MS 250
#define ATTACH_MAX_MS 16000

/* ---- sending ------------------------------------------------------------------------------------- */

static struct router_at
relay_of(const struct router *r, const struct router_at *via)
{
        return (struct router_at){r->relay[(via->port & 0xff) % RELAYS_MAX], ROUTER_PORT_DATA};
}

static struct router_at
write_for(const struct router *r, uint8_t kind, const struct router_at *via, uint8_t out[RELAY_HEAD])
{
        struct router_addr peer = via->addr;

        peer.family = 6;
        router_envelope_write(kind, &peer, &r->options.identity[(via->port >> 8) % ROUTER_IDENTITIES_MAX].eid, out);
        return relay_of(r, via);
}

struct router_at
relay_head(const struct router *r, const struct router_at *via, uint8_t out[RELAY_HEAD])
{
        return write_for(r, ROUTER_ENVELOPE_FRAME, via, out);
}

static void
send_through(struct router *r, uint8_t kind, const struct router_at *via, const uint8_t *bytes, size_t len)
{
        uint8_t out[RELAY_HEAD + ROUTER_FRAME_MAX];
        struct router_at to = write_for(r, kind, via, out);

        if (len > ROUTER_FRAME_MAX)
                return;
        memcpy(out + RELAY_HEAD, bytes, len);
        r->options.send(r->options.arg, true, &to, out, RELAY_HEAD + len, 0);
}

void
relay_send(struct router *r, const struct router_at *to, const uint8_t *bytes, size_t len, uint8_t tos)
{
        if (to->addr.family == VIA)
                send_through(r, ROUTER_ENVELOPE_FRAME, to, bytes, len);
        else
                r->options.send(r->options.arg, true, to, bytes, len, tos);
}

void
router_send_control(struct router *r, const struct router_at *to, struct lx_writer *wr)
{
        if (lx_writer_end(wr) != LX_OK)
                return;
        if (to->addr.family == VIA)
                send_through(r, ROUTER_ENVELOPE_CONTROL, to, wr->p, wr->len);
        else
                r->options.send(r->options.arg, false, to, wr->p, wr->len, 0xc0);
}

/* ---- the relay ----------------------------------------------------------------------------------- */

void
relay_token(struct router *r, const struct router_eid *eid, unsigned ago, uint8_t out[16])
{
        struct router_at at = {eid->addr, 0}; /* nobody sends from port 0: it is no cookie for a sender */

        router_cookie(r, &at, ago, out);
}

static struct registration *
registered(struct router *r, const struct router_addr *eid)
{
        struct router_eid host = router_eid_host(0, eid);
        uint32_t at = router_cache_get(r->registered, &host);
        struct registration *g = at != ROUTER_CACHE_NONE ? &r->registration[at] : NULL;

        return g != NULL && g->site < 0 && g->expires_ms > r->now_ms ? g : NULL;
}

static bool
is_attached(const struct router *r, const struct registration *g)
{
        return g != NULL && g->data.addr.family != 0 && r->now_ms - g->data_ms < ATTACHED_MS;
}

/* A site behind a NAT shows where its frames come from, with what its registration was answered with. */
static void
attach(struct router *r, const struct router_at *from, const struct router_envelope *e)
{
        struct router_eid host = router_eid_host(0, &e->from);
        struct registration *g = registered(r, &e->from);
        uint8_t want[16], out[RELAY_HEAD + 16];
        bool ok = false;

        for (unsigned ago = 0; ago < 2 && e->payload.len == sizeof(want); ago++) {
                relay_token(r, &host, ago, want);
                ok |= lx_ct_equal(want, e->payload.p, sizeof(want));
        }
        if (g == NULL || !ok) {
                COUNT(r, refused_relay);
                return;
        }
        g->data = *from;
        g->data_ms = r->now_ms;
        router_envelope_write(ROUTER_ENVELOPE_ATTACHED, &e->from, &e->to, out);
        memcpy(out + RELAY_HEAD, e->payload.p, 16);
        r->options.send(r->options.arg, true, from, out, sizeof(out), 0);
}

static void
forward(struct router *r, const struct router_at *from, const struct router_envelope *e, const uint8_t *frame,
    size_t len)
{
        struct registration *to = registered(r, &e->to), *sender = registered(r, &e->from);

        if (!is_attached(r, to) || !is_attached(r, sender) || !router_addr_eq(&sender->data.addr, &from->addr) ||
            sender->data.port != from->port) {
                COUNT(r, refused_relay);
                return;
        }
        if (!router_bucket_take(r, &r->relay_bucket, RELAYED_PER_S)) {
                COUNT(r, refused_rate);
                return;
        }
        COUNT(r, relayed);
        r->options.send(r->options.arg, true, &to->data, frame, len, 0);
}

void
relay_write(struct lx_writer *wr, const struct registration *g)
{
        static const uint8_t one = 1;
        struct lx_reader rd = lx_reader_init(g->bytes, g->len);
        struct router_record record;
        char name[8];

        if (!g->hidden || g->data.addr.family == 0) {
                lx_write_bytes(wr, g->bytes, g->len);
                return;
        }
        router_record_read(&rd, &record);
        if (record.rloc_count < ROUTER_RLOCS_MAX)
                record.rloc[record.rloc_count++] = (struct router_rloc){.priority = 255, .mpriority = 255,
                    .name = LX_SPAN(name, router_token_write('4', &one, 1, name))};
        router_record_write(wr, &record);
}

/* ---- the site ------------------------------------------------------------------------------------ */

void
relay_attach(struct router *r, const struct router_eid *eid, struct announcement *p)
{
        struct router_addr none = {.family = 6};
        struct router_at to = {p->node.at.addr, ROUTER_PORT_DATA};
        uint8_t out[RELAY_HEAD + 16];
        uint64_t wait = (uint64_t)ATTACH_MS << p->attach_tries;

        router_envelope_write(ROUTER_ENVELOPE_ATTACH, &none, &eid->addr, out);
        memcpy(out + RELAY_HEAD, p->token, 16);
        p->attach_ms = r->now_ms + (wait < ATTACH_MAX_MS ? wait : ATTACH_MAX_MS);
        p->attach_tries += p->attach_tries < 10;
        r->options.send(r->options.arg, true, &to, out, sizeof(out), 0);
}

/* The place where @eid of ours is attached at the relay @addr; NULL: nowhere. */
static struct announcement *
place_at(struct router *r, const struct router_addr *eid, const struct router_addr *addr, uint8_t *out_identity)
{
        for (uint8_t i = 0; i < r->options.identity_count && i < r->announced_count; i++) {
                struct announced *a = &r->announced[i];

                for (size_t j = 0; router_addr_eq(&a->eid.addr, eid) && j < a->place_count; j++)
                        if (a->place[j].has_token && router_addr_eq(&a->place[j].node.at.addr, addr)) {
                                *out_identity = i;
                                return &a->place[j];
                        }
        }
        return NULL;
}

/* The name of a way to @eid for @identity, through the relay at @addr. */
static struct router_at
make_via(struct router *r, uint8_t identity, const struct router_addr *addr, const struct router_addr *eid)
{
        struct router_at via = {*eid, (uint16_t)(identity << 8)};
        unsigned at = 0;

        while (at < r->relay_count && !router_addr_eq(&r->relay[at], addr))
                at++;
        if (at == r->relay_count && at < RELAYS_MAX)
                r->relay_count++;
        else if (at == RELAYS_MAX)
                at = r->relay_next++ % RELAYS_MAX;
        r->relay[at] = *addr;
        via.addr.family = VIA;
        via.port = (uint16_t)(via.port | at);
        return via;
}

void
relay_hint(struct router *r, const struct router_at *from, const struct router_record *record,
    const struct router_owner *owner)
{
        struct mapping *m = resolve_find(r, record->eid.iid, &record->eid.addr);
        struct peer *p = m != NULL && m->kind == MAPPING_SEALED ? &r->peer[m->peer] : NULL;
        uint8_t one;

        if (p == NULL || from->addr.family == VIA || !announce_hidden(r, p->identity) ||
            (p->via.addr.family != 0 && r->now_ms - p->rx_ms < WORKS_MS))
                return;
        for (unsigned i = 0; i < record->rloc_count; i++)
                if (router_token_read('4', record->rloc[i].name, &one, 1) == 1) {
                        p->via = make_via(r, p->identity, &from->addr, &owner->host);
                        if (p->data.addr.family == VIA)
                                p->data = p->via;
                        announce_also(r, p->identity, from);
                        return;
                }
}

/* What a peer sends through a relay is a handshake or a sealed frame. */
static void
unwrap(struct router *r, const struct router_at *from, const struct router_envelope *e, uint8_t *payload)
{
        uint8_t identity, type = router_message_type(payload, e->payload.len);
        struct announcement *p = place_at(r, &e->to, &from->addr, &identity);
        struct router_at via;

        if (p == NULL || !p->attached || from->port != ROUTER_PORT_DATA || e->payload.len == 0) {
                COUNT(r, refused_relay);
                return;
        }
        via = make_via(r, identity, &from->addr, &e->from);
        if (e->kind == ROUTER_ENVELOPE_FRAME && (payload[0] & 3) == 1)
                router_data_input(r, r->now_ms, &via, payload, e->payload.len, 0, -1);
        else if (e->kind == ROUTER_ENVELOPE_CONTROL && ((type == ROUTER_MAP_REQUEST && (payload[0] & 2) != 0) ||
                                                (type == ROUTER_MAP_REPLY && (payload[0] & 8) != 0)))
                router_control_input(r, r->now_ms, &via, payload, e->payload.len);
        else
                COUNT(r, drop_malformed);
}

void
relay_input(struct router *r, const struct router_at *from, uint8_t *frame, size_t len)
{
        struct router_envelope e;
        struct announcement *p;
        uint8_t identity;

        if (from->addr.family == VIA || !router_envelope_read(frame, len, &e)) {
                COUNT(r, drop_malformed);
                return;
        }
        p = place_at(r, &e.to, &from->addr, &identity);
        switch (e.kind) {
        case ROUTER_ENVELOPE_CONTROL:
        case ROUTER_ENVELOPE_FRAME:
                if (p == NULL && r->options.serve)
                        forward(r, from, &e, frame, len);
                else
                        unwrap(r, from, &e, frame + RELAY_HEAD);
                break;
        case ROUTER_ENVELOPE_ATTACH:
                if (r->options.serve)
                        attach(r, from, &e);
                else
                        COUNT(r, refused_relay);
                break;
        case ROUTER_ENVELOPE_ATTACHED:
                if (p != NULL && e.payload.len == 16 && lx_ct_equal(p->token, e.payload.p, 16)) {
                        p->attached = true;
                        p->attach_due = false;
                } else {
                        COUNT(r, refused_relay);
                }
                break;
        default:
                COUNT(r, drop_malformed);
        }
}
