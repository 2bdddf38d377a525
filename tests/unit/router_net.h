/*
 * tests/unit/router_net.h - a small world of routers on a false clock: a ledger that is a table, links with
 * delay and loss, everything from a seed. No socket, no sleep.
 */
#ifndef LX_TESTS_ROUTER_NET_H
#define LX_TESTS_ROUTER_NET_H

#include "unit.h"

#include <stdarg.h>

#include "base/mem.h"
#include "crypto/sign.h"
#include "router/packet.h"
#include "router/router.h"

#define NET_MAX 12
#define NET_FLIGHT 4096
#define NET_NAT_PORT 20000      /* a NAT shows the data port as this, the control port as one more */
#define NET_NAT_FLOWS 64

struct net;

struct site {
        struct net *net;
        unsigned number;
        struct router *router;
        struct router_identity id;
        struct lx_pubkey key;
        struct router_addr rloc;      /* where it is reached now */
        struct router_addr rloc2;     /* a second one, family 0: none */
        struct router_addr nat;       /* it is hidden behind this one; family 0: it is not */
        unsigned flows;               /* to whom it spoke through its NAT: only they may answer */
        struct { bool data; struct router_at to; } flow[NET_NAT_FLOWS];
        bool dead;
        uint64_t got, got_bytes, last_got_ms, longest_gap_ms;
        uint64_t got_from[NET_MAX];
        uint64_t icmp;
        uint8_t last[ROUTER_FRAME_MAX];
        size_t last_len;
};

struct flight {
        uint64_t at_ms;
        bool data;
        struct router_at from, to;
        size_t len;
        uint8_t tos;
        uint8_t *bytes;
        unsigned too_big;             /* an ICMP message about a packet to .to: this is the MTU */
};

struct net {
        uint64_t now_ms, seed;
        unsigned count, servers;
        struct site site[NET_MAX];
        struct flight flight[NET_FLIGHT];
        unsigned flying;
        unsigned delay_ms, loss_percent;
        unsigned mtu;                 /* of IP packets in the middle; 0: none */
        uint64_t messages, bytes, control_bytes;
        struct router_addr cut;       /* nothing arrives here */
        bool sealed, refuse_header;
        /* what the ledger says besides: changes count from the next net_block */
        bool revoked[NET_MAX];        /* site N's EID has no key */
        unsigned holder[NET_MAX];     /* the site that 10.N.0.0/16 is bound to */
        int part[NET_MAX];            /* the site that 10.N.128.0/17 was delegated to; -1: none */
        uint32_t serving;             /* bit N: site N has an admitted node register */
        unsigned homes;
        unsigned proxy;               /* this site, from 1, may be handed what nobody owns */
        uint64_t tip_ms;
        /* looks at everything that is sent; may change or copy it */
        void (*tap)(struct net *net, struct flight *f);
        uint8_t tapped[ROUTER_FRAME_MAX];
        size_t tapped_len;
        struct router_at tapped_from, tapped_to;
        uint64_t worst_answer;        /* bytes by which an answer to a stranger was larger */
};

__attribute__((format(printf, 3, 4))) static inline void
net_text(char *out, size_t cap, const char *fmt, ...)
{
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(out, cap, fmt, args);
        va_end(args);
}

static inline struct router_addr
net_parse(const char *text)
{
        struct router_addr addr = {0};

        ck_assert(router_addr_parse(text, &addr));
        return addr;
}

/* The address that format @fmt and number @n make. */
#define net_addr(fmt, n)                                                                           \
        ({                                                                                         \
                char text_[64];                                                                    \
                net_text(text_, sizeof(text_), fmt, (unsigned)(n));                                \
                net_parse(text_);                                                                  \
        })

/* ---- the ledger --------------------------------------------------------------------------------- */

/* The site whose EID stands behind @addr; NET_MAX: nobody. */
static inline unsigned
net_holder(const struct net *net, const struct router_addr *addr, struct router_eid *out)
{
        unsigned n = addr->b[1];

        for (unsigned i = 0; i < net->count; i++)
                if (router_addr_eq(addr, &net->site[i].id.eid)) {
                        *out = router_eid_host(0, addr);
                        return i;
                }
        if (addr->family != 4 || addr->b[0] != 10 || n >= net->count)
                return NET_MAX;
        *out = (struct router_eid){.bits = 16, .addr = net_addr("10.%u.0.0", n)};
        if (addr->b[2] < 128 || net->part[n] < 0)
                return net->holder[n];
        *out = (struct router_eid){.bits = 17, .addr = net_addr("10.%u.128.0", n)};
        return (unsigned)net->part[n];
}

/* fd00::N/128 is site N's, and 10.N.0.0/16; the rest of fd00::/112 has nobody. */
static inline enum lx_err
net_owner(void *arg, uint32_t iid, const struct router_addr *addr, struct router_owner *out)
{
        struct net *net = arg;
        struct router_eid eid = router_eid_host(iid, addr);
        unsigned holder = iid == 0 ? net_holder(net, addr, &eid) : NET_MAX;

        *out = (struct router_owner){.eid = eid, .ttl_min = 60, .sealed = net->sealed};
        if (holder == NET_MAX || net->revoked[holder])
                return LX_ERR_ABSENT;
        out->reg = unit_hash(1000 + eid.bits * 100u + eid.addr.b[eid.bits == 128 ? 15 : 1]);
        out->host = net->site[holder].id.eid;
        out->key = net->site[holder].key;
        return LX_OK;
}

static inline bool
net_header(void *arg, const struct lx_hash *header, uint64_t *out_time_ms)
{
        struct net *net = arg;
        struct lx_hash tip = unit_hash(77);

        *out_time_ms = net->tip_ms;
        return !net->refuse_header && lx_hash_eq(header, &tip);
}

static inline uint64_t
net_tip(void *arg, struct lx_hash *out_header)
{
        struct net *net = arg;

        *out_header = unit_hash(77);
        return net->tip_ms;
}

static inline size_t
net_nodes(void *arg, struct router_node *out, size_t max)
{
        struct net *net = arg;
        size_t n = 0;

        for (unsigned i = 0; i < net->count && n < max; i++)
                if ((net->serving >> i & 1) != 0)
                        out[n++] = (struct router_node){unit_hash(50 + i), {net_addr("192.0.2.%u", i + 1), ROUTER_PORT_CONTROL}};
        return n;
}

/* ---- links -------------------------------------------------------------------------------------- */

static inline void
net_fly(struct net *net, bool data, const struct router_at *from, const struct router_at *to,
    const uint8_t *bytes, size_t len, uint8_t tos)
{
        struct flight *f = &net->flight[net->flying];

        net->messages++;
        net->bytes += len;
        net->control_bytes += data ? 0 : len;
        if (unit_random(&net->seed) % 100 < net->loss_percent || net->flying == NET_FLIGHT)
                return;
        *f = (struct flight){net->now_ms + net->delay_ms, data, *from, *to, len, tos, lx_memdup(bytes, len), 0};
        if (data && net->mtu > 0 && len + (to->addr.family == 4 ? 28 : 48) > net->mtu) {
                f->too_big = net->mtu;
                f->len = len < 500 ? len : 500; /* what a router quotes */
        }
        if (net->tap != NULL)
                net->tap(net, f);
        net->flying++;
}

static inline bool
net_nat_knows(const struct site *s, bool data, const struct router_at *other)
{
        for (unsigned i = 0; i < s->flows; i++)
                if (s->flow[i].data == data && router_addr_eq(&s->flow[i].to.addr, &other->addr) &&
                    s->flow[i].to.port == other->port)
                        return true;
        return false;
}

/* As the network sees the source of what @s sends. */
static inline struct router_at
net_source(struct site *s, bool data, const struct router_at *to)
{
        if (s->nat.family == 0)
                return (struct router_at){s->rloc, data ? ROUTER_PORT_DATA : ROUTER_PORT_CONTROL};
        if (!net_nat_knows(s, data, to)) {
                ck_assert_uint_lt(s->flows, NET_NAT_FLOWS);
                s->flow[s->flows].data = data;
                s->flow[s->flows++].to = *to;
        }
        return (struct router_at){s->nat, NET_NAT_PORT + !data};
}

/* Whether what is sent from @from to @to arrives at @s. */
static inline bool
net_reaches(const struct site *s, bool data, const struct router_at *from, const struct router_at *to)
{
        if (s->nat.family == 0)
                return router_addr_eq(&s->rloc, &to->addr) || router_addr_eq(&s->rloc2, &to->addr);
        return router_addr_eq(&s->nat, &to->addr) && to->port == NET_NAT_PORT + !data && net_nat_knows(s, data, from);
}

static inline void
net_send(void *arg, bool data, const struct router_at *to, const uint8_t *bytes, size_t len, uint8_t tos)
{
        struct site *s = arg;
        struct router_at from = net_source(s, data, to);

        net_fly(s->net, data, &from, to, bytes, len, tos);
}

static inline void
net_deliver(void *arg, uint8_t *packet, size_t len)
{
        struct site *s = arg;
        struct router_packet p;
        struct router_eid eid;

        ck_assert(router_packet_parse(packet, len, &p));
        memcpy(s->last, packet, len);
        s->last_len = len;
        if (p.protocol == 1 || p.protocol == 58) {
                s->icmp++;
                return;
        }
        /* nothing is ever delivered to whom it does not belong, nor from whom it does not */
        if (s->net->proxy != s->number + 1 || net_holder(s->net, &p.dest, &eid) != NET_MAX)
                ck_assert_uint_eq(net_holder(s->net, &p.dest, &eid), s->number);
        ck_assert(!s->net->revoked[s->number]);
        s->got++;
        s->got_bytes += len;
        if (p.source.family == 6 || p.source.b[1] < NET_MAX)
                s->got_from[p.source.family == 4 ? p.source.b[1] : p.source.b[15] - 1]++;
        if (s->last_got_ms != 0 && s->net->now_ms - s->last_got_ms > s->longest_gap_ms)
                s->longest_gap_ms = s->net->now_ms - s->last_got_ms;
        s->last_got_ms = s->net->now_ms;
}

static inline void
net_random(void *arg, void *out, size_t len)
{
        struct site *s = arg;
        uint8_t *p = out;

        for (size_t i = 0; i < len; i++)
                p[i] = (uint8_t)unit_random(&s->net->seed);
}

/* ---- the world ---------------------------------------------------------------------------------- */

static inline void
net_start(struct net *net, unsigned i, const struct router_options *more)
{
        struct site *s = &net->site[i];
        struct router_options o = {0};

        if (more != NULL)
                o = *more;
        o.ledger = (struct router_ledger){.chain_id = unit_hash(9), .owner = net_owner, .header = net_header,
            .tip = net_tip, .nodes = net_nodes, .arg = net};
        o.identity_count = 1;
        o.identity[0] = s->id;
        o.prefix_count = 1;
        o.prefix[0].eid = (struct router_eid){.bits = 16, .addr = net_addr("10.%u.0.0", i)};
        o.rloc_count = s->rloc2.family != 0 ? 2 : 1;
        o.rloc[0] = s->rloc;
        o.rloc[1] = s->rloc2;
        o.serve = i < net->servers;
        o.cache_max = 1000;
        o.random = net_random;
        o.send = net_send;
        o.deliver = net_deliver;
        o.arg = s;
        if (o.counter == 0)
                o.counter = 1;
        router_free(s->router);
        s->router = router_new(&o, net->now_ms);
}

static inline struct net *
net_new(unsigned count, unsigned servers, uint64_t seed)
{
        struct net *net = lx_alloc(sizeof(*net));

        *net = (struct net){.now_ms = 1000000, .seed = seed, .count = count, .servers = servers, .delay_ms = 1,
            .sealed = true, .tip_ms = 5000, .serving = (1u << servers) - 1};
        for (unsigned i = 0; i < count; i++) {
                struct site *s = &net->site[i];

                s->net = net;
                s->number = i;
                net->holder[i] = i;
                net->part[i] = -1;
                s->rloc = net_addr("192.0.2.%u", i + 1);
                s->id.eid = net_addr("fd00::%x", i + 1);
                memset(s->id.sign, 1 + (int)i, 32);
                memset(s->id.seal, 101 + (int)i, 32);
                ck_assert_int_eq(lx_sign_pubkey(s->id.sign, &s->key), LX_OK);
        }
        for (unsigned i = 0; i < count; i++)
                net_start(net, i, NULL);
        return net;
}

static inline void
net_free(struct net *net)
{
        for (unsigned i = 0; i < net->count; i++)
                router_free(net->site[i].router);
        for (unsigned i = 0; i < net->flying; i++)
                lx_free(net->flight[i].bytes);
        lx_free(net);
}

static inline void
net_land(struct net *net, struct flight f)
{
        for (unsigned i = 0; f.too_big > 0 && i < net->count; i++)
                if (router_addr_eq(&net->site[i].rloc, &f.from.addr))
                        router_too_big(net->site[i].router, net->now_ms, &f.to.addr, f.too_big, f.bytes, f.len, false);
        if (f.too_big > 0) {
                lx_free(f.bytes);
                return;
        }
        for (unsigned i = 0; i < net->count; i++) {
                struct site *s = &net->site[i];

                if (s->dead || router_addr_eq(&f.to.addr, &net->cut) || router_addr_eq(&f.from.addr, &net->cut) ||
                    !net_reaches(s, f.data, &f.from, &f.to))
                        continue;
                if (f.data)
                        router_data_input(s->router, net->now_ms, &f.from, f.bytes, f.len, f.tos, 60);
                else
                        router_control_input(s->router, net->now_ms, &f.from, f.bytes, f.len);
        }
        lx_free(f.bytes);
}

/* The next thing that happens, until @until. */
static inline bool
net_step(struct net *net, uint64_t until)
{
        uint64_t at = until;
        unsigned first = NET_FLIGHT;

        for (unsigned i = 0; i < net->flying; i++)
                if (net->flight[i].at_ms <= at && (first == NET_FLIGHT || net->flight[i].at_ms < net->flight[first].at_ms))
                        first = i;
        if (first != NET_FLIGHT)
                at = net->flight[first].at_ms;
        for (unsigned i = 0; i < net->count; i++)
                if (!net->site[i].dead && router_deadline_ms(net->site[i].router) < at)
                        at = router_deadline_ms(net->site[i].router), first = NET_FLIGHT;
        if (at > net->now_ms)
                net->now_ms = at;
        if (first != NET_FLIGHT) {
                struct flight f = net->flight[first];

                memmove(&net->flight[first], &net->flight[first + 1], (--net->flying - first) * sizeof(f));
                net_land(net, f);
                return true;
        }
        for (unsigned i = 0; i < net->count; i++)
                if (!net->site[i].dead && router_deadline_ms(net->site[i].router) <= net->now_ms)
                        router_tick(net->site[i].router, net->now_ms);
        return net->now_ms < until;
}

static inline void
net_run(struct net *net, uint64_t ms)
{
        uint64_t until = net->now_ms + ms;

        for (unsigned steps = 0; net_step(net, until); steps++)
                ck_assert_msg(steps < 2000000, "the world does not come to rest");
        net->now_ms = until;
}

static inline size_t
net_packet(const struct router_addr *from, const struct router_addr *to, size_t payload, uint8_t *out)
{
        struct router_at a = {*from, 1000}, b = {*to, 2000};
        uint8_t zeros[9000] = {0};
        size_t head = router_packet_udp_header(&a, &b, zeros, payload, out);

        memset(out + head, 0, payload);
        return head + payload;
}

static inline void
net_ping(struct net *net, unsigned from, unsigned to, unsigned family)
{
        uint8_t bytes[300];
        struct router_addr a = net->site[from].id.eid, b = net->site[to].id.eid;
        size_t len;

        if (family == 4) {
                a = net_addr("10.%u.0.1", from);
                b = net_addr("10.%u.0.2", to);
        }
        len = net_packet(&a, &b, 100, bytes);
        router_tun_input(net->site[from].router, net->now_ms, 0, bytes, len);
}

/* A new block: what changed in the ledger is known to all. */
static inline void
net_block(struct net *net)
{
        for (unsigned i = 0; i < net->count; i++) {
                struct router_prefix prefix[2 * NET_MAX];
                size_t n = 0;

                for (unsigned k = 0; k < net->count; k++) {
                        if (net->holder[k] == i)
                                prefix[n++] = (struct router_prefix){{.bits = 16, .addr = net_addr("10.%u.0.0", k)}, 0};
                        if (net->part[k] == (int)i)
                                prefix[n++] = (struct router_prefix){{.bits = 17, .addr = net_addr("10.%u.128.0", k)}, 0};
                }
                router_set_prefixes(net->site[i].router, net->now_ms, prefix, n);
                router_new_block(net->site[i].router, net->now_ms);
        }
}

static inline const struct router_counters *
net_count(const struct net *net, unsigned i)
{
        return router_counters_get(net->site[i].router);
}

#endif
