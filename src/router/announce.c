/* router/announce.c - our own EIDs: signed, registered at their nodes, kept fresh. */
#include "config.h"
#include "router/router_int.h"

#include "base/mem.h"

#include <string.h>

#define TTL_MIN 60
#define RETRY_MS 250
#define RETRY_MAX_MS 8000
#define KEEP_OPEN_MS 25000 /* a NAT forgets a flow of UDP after 30 s and more */
#define EXTRA_MS 600000  /* a relay that is no placed node is kept so long after it was needed */
#define RENEW_AGAIN_MS 60000
#define UNOWNED_MS 15000 /* until the ledger is asked again whether an EID is ours */

const struct announced *
announce_covers(const struct router *r, uint32_t iid, const struct router_addr *addr)
{
        const struct announced *best = NULL;

        for (size_t i = 0; i < r->announced_count; i++) {
                const struct announced *a = &r->announced[i];

                if (router_eid_covers(&a->eid, iid, addr) && (best == NULL || a->eid.bits > best->eid.bits))
                        best = a;
        }
        return best;
}

bool
announce_speaks_for(struct router *r, uint32_t iid, const struct router_addr *addr)
{
        struct announced *a = (struct announced *)(uintptr_t)announce_covers(r, iid, addr);
        struct router_owner owner;

        if (a == NULL || !a->owned)
                return false;
        if (router_addr_eq(&a->eid.addr, addr) || (a->ours_block == r->block && router_addr_eq(&a->ours_ok, addr)))
                return true;
        /* a part of our prefix may be delegated to somebody else */
        if (r->options.ledger.owner(r->options.ledger.arg, iid, addr, &owner) != LX_OK ||
            !lx_hash_eq(&owner.reg, &a->reg))
                return false;
        a->ours_ok = *addr;
        a->ours_block = r->block;
        return true;
}

const struct router_signed *
announce_claim(const struct router *r, uint8_t identity)
{
        return identity < r->announced_count && r->announced[identity].owned
                   ? &r->announced[identity].claim
                   : NULL;
}

/* ---- making -------------------------------------------------------------------------------------- */

static void
list_ours(struct router *r)
{
        const struct router_options *o = &r->options;

        if (r->announced_count > 0)
                return;
        for (size_t i = 0; i < o->identity_count; i++)
                r->announced[r->announced_count++] = (struct announced){
                    .eid = router_eid_host(o->identity[i].iid, &o->identity[i].eid), .identity = (uint8_t)i};
        for (size_t i = 0; i < o->prefix_count; i++)
                r->announced[r->announced_count++] = (struct announced){
                    .eid = o->prefix[i].eid, .identity = o->prefix[i].identity};
}

/* Whether the ledger gives @a to us: its register names the key of our identity. */
static bool
is_ours(struct router *r, const struct announced *a, struct router_owner *owner)
{
        const struct router_ledger *l = &r->options.ledger;

        return l->owner(l->arg, a->eid.iid, &a->eid.addr, owner) == LX_OK &&
               router_eid_contains(&owner->eid, &a->eid) &&
               memcmp(r->sign_pub[a->identity].b, owner->key.b, LX_PUBKEY_LEN) == 0; /* public */
}

static bool
make_claim(struct router *r, struct announced *a, struct router_owner *owner)
{
        const struct router_identity *id = &r->options.identity[a->identity];
        const struct router_ledger *l = &r->options.ledger;
        struct router_signed *c = &a->claim;
        uint64_t time_ms;

        if (!is_ours(r, a, owner))
                return false;
        *c = (struct router_signed){.sequence = ++r->sequence};
        time_ms = l->tip(l->arg, &c->header);
        c->record.ttl_min = owner->ttl_min > 0 ? owner->ttl_min : TTL_MIN;
        c->expiry_ms = time_ms + 3ull * c->record.ttl_min * 60000;
        c->record.eid = a->eid;
        c->record.eid_usable = true;
        c->record.authoritative = true;
        for (size_t i = 0; i < r->options.rloc_count; i++)
                c->record.rloc[c->record.rloc_count++] = (struct router_rloc){.addr = r->options.rloc[i],
                    .priority = (uint8_t)(i + 1), .weight = 100, .mpriority = 255,
                    .flags = ROUTER_RLOC_LOCAL | ROUTER_RLOC_REACHABLE};
        memcpy(c->seal, r->seal_pub[a->identity], ROUTER_SEAL_LEN);
        return router_signed_make(c, &l->chain_id, id->sign) == LX_OK;
}

static bool
same_node(const struct router_node *a, const struct router_node *b)
{
        return lx_hash_eq(&a->key, &b->key) && router_addr_eq(&a->at.addr, &b->at.addr) && a->at.port == b->at.port;
}

/* What is known of a node stays when it keeps its place: the cookie, and with @same_claim everything. */
static void
put_place(struct announced *a, const struct announcement *fresh, const struct announcement *old, size_t old_count,
    bool same_claim)
{
        struct announcement *p = &a->place[a->place_count++];

        *p = *fresh;
        for (size_t j = 0; j < old_count; j++) {
                if (!same_node(&old[j].node, &fresh->node))
                        continue;
                if (same_claim)
                        *p = old[j];
                p->extra = fresh->extra;
                p->has_cookie = old[j].has_cookie;
                memcpy(p->cookie, old[j].cookie, sizeof(p->cookie));
                /* until it answers: a relay goes on relaying */
                p->hidden = old[j].hidden;
                p->has_token = old[j].has_token;
                p->attached = old[j].attached;
                memcpy(p->token, old[j].token, sizeof(p->token));
        }
}

/* The nodes that serve @a now, and those through which peers are reached. */
static void
place_claim(struct router *r, struct announced *a, bool same_claim)
{
        struct router_node nodes[ROUTER_NODES_MAX];
        struct announcement old[PLACES_MAX];
        size_t count = r->options.ledger.nodes(r->options.ledger.arg, nodes, ROUTER_NODES_MAX), had = a->place_count;

        memcpy(old, a->place, sizeof(old));
        router_place(&a->reg, nodes, count);
        a->place_count = 0;
        for (size_t i = 0; i < count && i < ROUTER_PLACES; i++)
                put_place(a, &(struct announcement){.node = nodes[i], .next_ms = r->now_ms}, old, had, same_claim);
        for (size_t i = 0; i < had; i++) {
                bool placed = false;

                for (size_t j = 0; j < a->place_count; j++)
                        placed |= router_addr_eq(&a->place[j].node.at.addr, &old[i].node.at.addr);
                if (old[i].extra && !placed && old[i].until_ms > r->now_ms && a->place_count < PLACES_MAX)
                        put_place(a, &(struct announcement){.node = old[i].node, .next_ms = r->now_ms, .extra = true,
                            .until_ms = old[i].until_ms}, old, had, same_claim);
        }
}

void
announce_also(struct router *r, uint8_t identity, const struct router_at *at)
{
        struct announced *a = &r->announced[identity];
        struct announcement *p = NULL;

        for (size_t i = 0; i < a->place_count; i++) {
                if (router_addr_eq(&a->place[i].node.at.addr, &at->addr)) {
                        a->place[i].until_ms = r->now_ms + EXTRA_MS;
                        return;
                }
                if (a->place[i].extra && (p == NULL || a->place[i].until_ms < p->until_ms))
                        p = &a->place[i];
        }
        if (a->place_count < PLACES_MAX)
                p = &a->place[a->place_count++];
        if (p == NULL || !a->owned)
                return;
        *p = (struct announcement){
            .node.at = *at, .next_ms = r->now_ms, .extra = true, .until_ms = r->now_ms + EXTRA_MS};
        router_wish(r, r->now_ms);
}

bool
announce_hidden(const struct router *r, uint8_t identity)
{
        const struct announced *a = &r->announced[identity];

        for (size_t i = 0; identity < r->announced_count && i < a->place_count; i++)
                if (a->place[i].hidden)
                        return true;
        return false;
}

static void
announce(struct router *r, struct announced *a)
{
        struct router_owner owner;

        a->owned = make_claim(r, a, &owner);
        a->ours_block = 0;
        if (!a->owned) {
                a->place_count = 0;
                a->renew_ms = r->now_ms + UNOWNED_MS;
                return;
        }
        a->reg = owner.reg;
        a->sealed = owner.sealed;
        place_claim(r, a, false);
        a->renew_ms = r->now_ms + a->claim.record.ttl_min * 20000ull; /* a third of the TTL */
}

void
announce_new_block(struct router *r)
{
        for (size_t i = 0; i < r->announced_count; i++) {
                struct announced *a = &r->announced[i];
                struct router_owner owner;
                bool ours = is_ours(r, a, &owner);

                a->sealed = owner.sealed;
                if (ours != a->owned || (ours && !lx_hash_eq(&owner.reg, &a->reg)))
                        announce(r, a);
                else if (ours)
                        place_claim(r, a, true);
        }
}

void
announce_set_prefixes(struct router *r)
{
        struct announced *old = lx_alloc_array(ROUTER_PREFIXES_MAX, sizeof(*old));
        size_t first = r->options.identity_count, count = 0;

        if (r->announced_count > first)
                count = r->announced_count - first;
        memcpy(old, r->announced + first, count * sizeof(*old));
        if (r->announced_count > 0)
                r->announced_count = first;
        for (size_t i = 0; r->announced_count > 0 && i < r->options.prefix_count; i++) {
                const struct router_prefix *p = &r->options.prefix[i];
                struct announced *a = &r->announced[r->announced_count++];

                *a = (struct announced){.eid = p->eid, .identity = p->identity};
                for (size_t j = 0; j < count; j++)
                        if (router_eid_eq(&old[j].eid, &p->eid) && old[j].identity == p->identity)
                                *a = old[j];
        }
        lx_free(old);
}

void
announce_all(struct router *r)
{
        list_ours(r);
        for (size_t i = 0; i < r->announced_count; i++)
                r->announced[i].renew_ms = r->now_ms;
        announce_tick(r);
}

/* ---- sending ------------------------------------------------------------------------------------- */

static void
send_register(struct router *r, struct announced *a, struct announcement *p)
{
        uint8_t bytes[ROUTER_MESSAGE_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_map_register m = {.type = ROUTER_MAP_REGISTER, .proxy_reply = true, .use_ttl = true,
            .want_notify = true, .record_count = 1};
        uint64_t wait;
        size_t offset;

        if (p->nonce == 0)
                p->nonce = router_random_u64(r) | 1;
        m.nonce = p->nonce;
        if (p->has_cookie) {
                m.alg = ROUTER_ALG_COOKIE;
                m.auth = LX_SPAN(p->cookie, sizeof(p->cookie));
        }
        router_map_register_encode(&m, &wr, &offset);
        router_signed_write(&wr, &a->claim);
        wait = (uint64_t)RETRY_MS << p->tries;
        p->next_ms = r->now_ms + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
        if (p->tries < 10)
                p->tries++;
        /* our NAT may show us at another address now, where the same record does not count: a new one does */
        if (p->hidden && p->tries == 4 && r->now_ms - a->renewed_ms > RENEW_AGAIN_MS) {
                a->renewed_ms = a->renew_ms = r->now_ms;
                router_wish(r, r->now_ms);
        }
        router_send_control(r, &p->node.at, &wr);
}

void
announce_tick(struct router *r)
{
        list_ours(r);
        for (size_t i = 0; i < r->announced_count; i++) {
                struct announced *a = &r->announced[i];

                if (a->renew_ms <= r->now_ms)
                        announce(r, a);
                router_wish(r, a->renew_ms);
                for (size_t j = 0; j < a->place_count; j++) {
                        struct announcement *p = &a->place[j];

                        if (p->acked && !p->hidden)
                                continue;
                        if (p->next_ms <= r->now_ms)
                                send_register(r, a, p);
                        router_wish(r, p->next_ms);
                        if (i < r->options.identity_count && p->has_token && p->attach_due) {
                                if (p->attach_ms <= r->now_ms)
                                        relay_attach(r, &a->eid, p);
                                router_wish(r, p->attach_ms);
                        }
                }
        }
}

/* ---- Map-Notify ---------------------------------------------------------------------------------- */

static bool
take_confirmation(struct router *r, const struct router_map_register *m)
{
        for (size_t i = 0; i < r->announced_count; i++) {
                for (size_t j = 0; j < r->announced[i].place_count; j++) {
                        struct announcement *p = &r->announced[i].place[j];

                        if (p->nonce != m->nonce || m->nonce == 0)
                                continue;
                        if (m->alg == ROUTER_ALG_COOKIE && m->key_id == 0 && m->auth.len == sizeof(p->cookie)) {
                                memcpy(p->cookie, m->auth.p, sizeof(p->cookie));
                                p->has_cookie = true;
                                p->tries = 0;
                                send_register(r, &r->announced[i], p);
                                router_wish(r, p->next_ms);
                        } else {
                                p->acked = true;
                                p->hidden = m->key_id == 1;
                                p->has_token = p->hidden && m->alg == ROUTER_ALG_COOKIE &&
                                               m->auth.len == sizeof(p->token);
                                p->attached &= p->has_token;
                                p->attach_due = p->has_token;
                                p->attach_tries = 0;
                                p->attach_ms = r->now_ms;
                                if (p->has_token) {
                                        memcpy(p->token, m->auth.p, sizeof(p->token));
                                        router_wish(r, r->now_ms);
                                }
                                p->next_ms = r->now_ms + KEEP_OPEN_MS;
                                p->tries = 0;
                                if (p->hidden)
                                        router_wish(r, p->next_ms);
                        }
                        return true;
                }
        }
        return false;
}

/* RFC 9437: a record that we asked about has changed. Only what is newer is worth a signature check. */
static bool
take_publication(struct router *r, struct lx_reader *rd)
{
        struct router_record record;
        struct router_signed claim;
        struct router_owner owner;
        uint32_t at;

        router_record_read(rd, &record);
        if (rd->err != LX_OK || !router_signed_take(&record, &claim))
                return false;
        at = router_cache_get(r->cache, &claim.record.eid);
        if (at == ROUTER_CACHE_NONE)
                return false;
        if (claim.sequence > r->mapping[at].sequence) {
                if (!router_bucket_take(r, &r->shake_bucket, 200)) {
                        COUNT(r, refused_rate);
                        return false;
                }
                if (!resolve_check(r, &claim, &owner))
                        return false;
                resolve_learn(r, &claim, &owner);
        }
        return true;
}

void
announce_notify(struct router *r, const struct router_at *from, const uint8_t *bytes, size_t len)
{
        uint8_t out[ROUTER_MESSAGE_MAX];
        struct lx_writer wr = lx_writer_init(out, sizeof(out));
        struct router_map_register m, ack = {.type = ROUTER_MAP_NOTIFY_ACK};
        struct lx_reader rd;
        size_t offset;

        if (router_map_register_decode(bytes, len, &m, &rd) != LX_OK) {
                COUNT(r, drop_malformed);
                return;
        }
        if (take_confirmation(r, &m) || foreign_notify(r, from, &m, bytes, len))
                return;
        if (m.record_count != 1 || !take_publication(r, &rd)) {
                COUNT(r, refused_nonce);
                return;
        }
        ack.nonce = m.nonce;
        router_map_register_encode(&ack, &wr, &offset);
        router_send_control(r, from, &wr);
}
