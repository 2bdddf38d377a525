/* router/server.c - map-server and map-resolver: what is registered here, and who asks. */
#include "config.h"
#include "router/router_int.h"

#include "base/mem.h"
#include "crypto/mac.h"
#include "crypto/secret.h"

#include <string.h>

#define SITE_TTL_MS 180000    /* RFC 9301: registrations last three minutes */
#define SIGNED_TTL_MAX_MIN 1440
#define NEGATIVE_TTL_MIN 1
#define SUBSCRIBED_MS 3600000
#define NOTIFY_TRIES 3
#define UNHEARD_MS 60000      /* a site behind a NAT is heard every 25 s */
#define RECHECK_EACH 256      /* registrations looked at again in one tick */

/* ---- the table ----------------------------------------------------------------------------------- */

static struct registration *
exactly(struct router *r, const struct router_eid *eid)
{
        uint32_t at = router_cache_get(r->registered, eid);

        return at != ROUTER_CACHE_NONE ? &r->registration[at] : NULL;
}

static void
forget(struct router *r, struct registration *g)
{
        uint32_t at = (uint32_t)(g - r->registration);

        (void)router_cache_remove(r->registered, &g->eid);
        g->used = false;
        g->next_free = r->registration_free;
        r->registration_free = at;
}

/* Whether the register, as of the newest block, still names the key that signed it. If not, it is gone. */
static bool
still_holds(struct router *r, struct registration *g)
{
        const struct router_ledger *l = &r->options.ledger;
        struct router_owner owner;

        if (g->site >= 0 || g->block == r->block)
                return true;
        if (l->owner(l->arg, g->eid.iid, &g->eid.addr, &owner) == LX_OK && router_eid_contains(&owner.eid, &g->eid) &&
            memcmp(owner.key.b, g->key.b, LX_PUBKEY_LEN) == 0) { /* public */
                g->block = r->block;
                return true;
        }
        COUNT(r, taken_back);
        forget(r, g);
        return false;
}

static struct registration *
covering(struct router *r, uint32_t iid, const struct router_addr *addr)
{
        for (;;) {
                uint32_t at = router_cache_find(r->registered, iid, addr, 1);
                struct registration *g = at != ROUTER_CACHE_NONE ? &r->registration[at] : NULL;

                if (g == NULL || g->expires_ms <= r->now_ms)
                        return NULL;
                if (still_holds(r, g))
                        return g;
        }
}

const struct registration *
server_site(struct router *r, uint32_t iid, const struct router_addr *addr)
{
        const struct registration *g = r->options.serve ? covering(r, iid, addr) : NULL;

        return g != NULL && g->site >= 0 ? g : NULL;
}

bool
server_recheck(struct router *r)
{
        for (unsigned i = 0; i < RECHECK_EACH && r->recheck_registration < r->registration_top; i++) {
                struct registration *g = &r->registration[r->recheck_registration++];

                if (g->used)
                        (void)still_holds(r, g);
        }
        return r->recheck_registration < r->registration_top;
}

static struct registration *
make_place(struct router *r, const struct router_eid *eid)
{
        uint32_t at = r->registration_free;
        struct registration *g = exactly(r, eid);

        if (g != NULL)
                return g;
        if (at != NONE)
                r->registration_free = r->registration[at].next_free;
        else if (r->registration_top < ROUTER_REGISTRATIONS_MAX)
                at = r->registration_top++;
        if (at == NONE)
                return NULL;
        g = &r->registration[at];
        g->used = true;
        g->eid = *eid;
        if (router_cache_put(r->registered, eid, at, ROUTER_CACHE_NEVER) == LX_OK)
                return g;
        g->used = false;
        g->next_free = r->registration_free;
        r->registration_free = at;
        return NULL;
}

static void notify_subscribers(struct router *r, const struct registration *g);

/* Keep the bytes of a record, which were checked. */
static bool
keep(struct router *r, const struct router_eid *eid, uint64_t sequence, uint64_t ttl_ms, int site,
    struct lx_span bytes)
{
        struct registration *g;
        bool changed;

        if (bytes.len > REGISTERED_MAX || (g = make_place(r, eid)) == NULL) {
                COUNT(r, refused_full);
                return false;
        }
        changed = g->len != bytes.len || memcmp(g->bytes, bytes.p, bytes.len) != 0; /* public */
        g->sequence = sequence;
        g->expires_ms = r->now_ms + ttl_ms;
        g->site = site;
        g->len = (uint16_t)bytes.len;
        memcpy(g->bytes, bytes.p, bytes.len);
        COUNT(r, registers_accepted);
        if (changed && site >= 0)
                (void)router_cache_remove(r->cache, eid); /* learnt from it: anew */
        if (changed)
                notify_subscribers(r, g);
        return true;
}

/* ---- subscriptions (RFC 9437) -------------------------------------------------------------------- */

static void
send_notify(struct router *r, struct subscriber *s, const struct registration *g)
{
        uint8_t bytes[ROUTER_MESSAGE_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_map_register m = {.type = ROUTER_MAP_NOTIFY, .record_count = 1, .nonce = s->nonce};
        size_t offset;

        router_map_register_encode(&m, &wr, &offset);
        lx_write_bytes(&wr, g->bytes, g->len);
        router_send_control(r, &s->at, &wr);
        s->unacked++;
        s->next_ms = r->now_ms + 1000;
        router_wish(r, s->next_ms);
}

static void
notify_subscribers(struct router *r, const struct registration *g)
{
        for (uint32_t i = 0; i < r->subscriber_top; i++) {
                struct subscriber *s = &r->subscriber[i];

                if (!s->used || !router_eid_eq(&s->eid, &g->eid))
                        continue;
                s->nonce++;
                s->unacked = 0;
                send_notify(r, s, g);
        }
}

static void
subscribe(struct router *r, const struct registration *g, const struct router_at *at, uint64_t nonce)
{
        uint32_t free = NONE;

        for (uint32_t i = 0; i < r->subscriber_top; i++) {
                struct subscriber *s = &r->subscriber[i];

                if (!s->used || s->expires_ms <= r->now_ms) {
                        s->used = false;
                        free = i;
                } else if (router_eid_eq(&s->eid, &g->eid) && router_addr_eq(&s->at.addr, &at->addr) &&
                           s->at.port == at->port) {
                        free = i;
                        break;
                }
        }
        if (free == NONE && r->subscriber_top < ROUTER_SUBSCRIBERS_MAX)
                free = r->subscriber_top++;
        if (free == NONE) {
                COUNT(r, refused_full);
                return;
        }
        r->subscriber[free] = (struct subscriber){.used = true, .eid = g->eid, .at = *at, .nonce = nonce,
            .expires_ms = r->now_ms + SUBSCRIBED_MS, .next_ms = UINT64_MAX};
}

void
server_notify_ack(struct router *r, const struct router_at *from, const uint8_t *bytes, size_t len)
{
        struct router_map_register m;
        struct lx_reader rd;

        if (router_map_register_decode(bytes, len, &m, &rd) != LX_OK) {
                COUNT(r, drop_malformed);
                return;
        }
        for (uint32_t i = 0; i < r->subscriber_top; i++) {
                struct subscriber *s = &r->subscriber[i];

                if (s->used && s->nonce == m.nonce && router_addr_eq(&s->at.addr, &from->addr)) {
                        s->unacked = 0;
                        s->next_ms = UINT64_MAX;
                        return;
                }
        }
        COUNT(r, refused_nonce);
}

void
server_tick(struct router *r)
{
        for (uint32_t i = 0; i < r->subscriber_top; i++) {
                struct subscriber *s = &r->subscriber[i];
                struct registration *g;

                if (!s->used || s->next_ms == UINT64_MAX)
                        continue;
                if (s->next_ms > r->now_ms) {
                        router_wish(r, s->next_ms);
                        continue;
                }
                g = exactly(r, &s->eid);
                if (g == NULL || s->unacked >= NOTIFY_TRIES)
                        s->used = false;
                else
                        send_notify(r, s, g);
        }
}

/* ---- registering --------------------------------------------------------------------------------- */

/* A stranger gets a cookie, in a message no longer than its own. */
static void
challenge(struct router *r, const struct router_at *from, uint64_t nonce)
{
        uint8_t bytes[64], cookie[16];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_map_register m = {.type = ROUTER_MAP_NOTIFY, .nonce = nonce,
            .alg = ROUTER_ALG_COOKIE, .auth = LX_SPAN(cookie, sizeof(cookie))};
        size_t offset;

        router_cookie(r, from, 0, cookie);
        router_map_register_encode(&m, &wr, &offset);
        COUNT(r, refused_cookie);
        router_send_control(r, from, &wr);
}

/* Whether a claim comes from an address that is none of its RLOCs. */
static bool
is_hidden(const struct router_signed *claim, const struct router_at *from)
{
        for (unsigned i = 0; i < claim->record.rloc_count; i++)
                if (router_addr_eq(&claim->record.rloc[i].addr, &from->addr))
                        return false;
        return true;
}

/*
 * Whether the same record may come from @from. Anybody who asked for it has it: a site that is seen at one of its
 * RLOCs, or whose way through its NAT is kept open, does not move by it. It signs a new one when it is not confirmed.
 */
static bool
may_be_again(const struct router *r, const struct registration *old, const struct router_at *from, bool hidden)
{
        if (router_addr_eq(&old->from.addr, &from->addr) && old->from.port == from->port)
                return true;
        return !hidden || (old->hidden && r->now_ms - old->heard_ms > UNHEARD_MS);
}

static bool
take_signed(struct router *r, const struct router_at *from, const struct router_record *record,
    struct lx_span bytes, bool *out_hidden)
{
        struct router_signed claim;
        struct router_owner owner;
        struct registration *old;
        uint32_t ttl;
        bool kept;

        if (!router_signed_take(record, &claim)) {
                COUNT(r, refused_signature);
                return false;
        }
        old = exactly(r, &claim.record.eid);
        if (old != NULL && !still_holds(r, old))
                old = NULL;
        if (old != NULL && old->site < 0 && claim.sequence < old->sequence) {
                COUNT(r, refused_stale);
                return false;
        }
        *out_hidden = is_hidden(&claim, from);
        if (old != NULL && old->site < 0 && old->expires_ms > r->now_ms && old->len == bytes.len &&
            memcmp(old->bytes, bytes.p, bytes.len) == 0) { /* public */
                if (!may_be_again(r, old, from, *out_hidden)) {
                        COUNT(r, refused_stale);
                        return false;
                }
                old->from = *from;
                old->hidden = *out_hidden;
                old->heard_ms = r->now_ms;
                return true;
        }
        if (!resolve_check(r, &claim, &owner))
                return false;
        ttl = claim.record.ttl_min < SIGNED_TTL_MAX_MIN ? claim.record.ttl_min : SIGNED_TTL_MAX_MIN;
        kept = keep(r, &claim.record.eid, claim.sequence, ttl * 60000ull, -1, bytes);
        if (kept && (old = exactly(r, &claim.record.eid)) != NULL) {
                old->from = *from;
                old->hidden = *out_hidden;
                old->heard_ms = r->now_ms;
                old->key = owner.key;
                old->block = r->block;
        }
        return kept;
}

size_t
server_mac(enum router_alg alg, struct lx_span key, const uint8_t *bytes, size_t len, size_t offset, size_t auth_len,
    uint8_t out[32])
{
        static const uint8_t zeros[ROUTER_AUTH_MAX] = {0};
        struct lx_span parts[3] = {LX_SPAN(bytes, offset), LX_SPAN(zeros, auth_len),
            LX_SPAN(bytes + offset + auth_len, len - offset - auth_len)};

        /* RFC 9301 5.6: "the MAC is computed over the entire message with the field set to 0" */
        if (alg == ROUTER_ALG_SHA1_96) {
                uint8_t sha1[20];

                lx_hmac_sha1(key, parts, 3, sha1);
                memcpy(out, sha1, 20);
                return 20; /* RFC 6833-age senders write all 20 bytes, others 12 */
        }
        lx_hmac_sha256(key, parts, 3, out);
        return 32; /* and here 32 or 16 */
}

static size_t
site_mac(const struct router_site *site, const uint8_t *bytes, size_t len, size_t offset,
    size_t auth_len, uint8_t out[32])
{
        return server_mac(site->alg, LX_SPAN(site->key, site->key_len), bytes, len, offset, auth_len, out);
}

static int
find_site(struct router *r, const struct router_map_register *m, const uint8_t *bytes, size_t len)
{
        for (size_t i = 0; i < r->options.site_count; i++) {
                const struct router_site *site = &r->options.site[i];
                uint8_t want[32];
                size_t want_len;

                if (site->key_id != m->key_id || site->alg != (enum router_alg)m->alg)
                        continue;
                want_len = site_mac(site, bytes, len, m->auth_offset, m->auth.len, want);
                if (m->auth.len <= want_len && m->auth.len >= (want_len == 20 ? 12 : 16) &&
                    lx_ct_equal(want, m->auth.p, m->auth.len))
                        return (int)i;
        }
        return -1;
}

static bool
take_site(struct router *r, int number, const struct router_map_register *m,
    const struct router_record *record, struct lx_span bytes)
{
        const struct router_site *site = &r->options.site[number];
        struct registration *old;
        uint64_t ttl = m->use_ttl ? record->ttl_min * 60000ull : SITE_TTL_MS;

        if (!record->eid_usable || !router_eid_contains(&site->eid, &record->eid)) {
                COUNT(r, refused_owner);
                return false;
        }
        old = exactly(r, &record->eid);
        if (old != NULL && old->site == number && !site->random_nonces && m->nonce <= old->sequence) {
                COUNT(r, refused_stale);
                return false;
        }
        if (record->ttl_min == 0 || record->rloc_count == 0) {
                if (old != NULL)
                        forget(r, old);
                return true;
        }
        return keep(r, &record->eid, m->nonce, ttl, number, bytes);
}

static void
confirm(struct router *r, const struct router_at *from, const struct router_map_register *m, int site,
    bool hidden, const struct router_eid *eid, struct lx_span records)
{
        uint8_t bytes[ROUTER_MESSAGE_MAX], mac[32] = {0}, token[16];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_map_register answer = {.type = ROUTER_MAP_NOTIFY, .nonce = m->nonce,
            .key_id = site >= 0 ? m->key_id : hidden, .record_count = site >= 0 ? m->record_count : 0};
        size_t offset;

        if (site >= 0) {
                answer.alg = m->alg;
                answer.auth = LX_SPAN(mac, m->auth.len);
        }
        if (site < 0 && hidden && eid != NULL) {
                relay_token(r, eid, 0, token);
                answer.alg = ROUTER_ALG_COOKIE;
                answer.auth = LX_SPAN(token, sizeof(token));
        }
        router_map_register_encode(&answer, &wr, &offset);
        if (site >= 0) {
                lx_write_bytes(&wr, records.p, records.len);
                if (lx_writer_end(&wr) != LX_OK)
                        return;
                (void)site_mac(&r->options.site[site], bytes, wr.len, offset, m->auth.len, mac);
                memcpy(bytes + offset, mac, m->auth.len);
        }
        router_send_control(r, from, &wr);
}

void
server_register(struct router *r, const struct router_at *from, const uint8_t *bytes, size_t len)
{
        struct router_map_register m;
        struct lx_reader rd, check;
        struct router_record record;
        struct lx_span records;
        bool all = true, hidden = false;
        int site = -1;

        if (!r->options.serve || router_map_register_decode(bytes, len, &m, &rd) != LX_OK) {
                COUNT(r, drop_malformed);
                return;
        }
        /* Whole first: nothing of a message that is cut changes anything. */
        check = rd;
        for (unsigned i = 0; i < m.record_count; i++)
                router_record_read(&check, &record);
        records = LX_SPAN(rd.p, rd.left - check.left);
        if (router_map_register_end(&m, &check) != LX_OK) {
                COUNT(r, drop_malformed);
                return;
        }
        if (m.alg == ROUTER_ALG_NONE || m.alg == ROUTER_ALG_COOKIE) {
                if (m.auth.len != 16 || !router_cookie_ok(r, from, m.auth.p)) {
                        challenge(r, from, m.nonce);
                        return;
                }
        } else {
                site = find_site(r, &m, bytes, len);
                if (site < 0) {
                        COUNT(r, refused_hmac);
                        return;
                }
        }
        for (unsigned i = 0; i < m.record_count; i++) {
                const uint8_t *start = rd.p;
                struct lx_span one;

                router_record_read(&rd, &record);
                one = LX_SPAN(start, (size_t)(rd.p - start));
                all &= site < 0 ? take_signed(r, from, &record, one, &hidden) : take_site(r, site, &m, &record, one);
        }
        if (all && m.want_notify)
                confirm(r, from, &m, site, hidden, m.record_count == 1 ? &record.eid : NULL, records);
}

/* ---- answering ----------------------------------------------------------------------------------- */

static void
write_negative(struct router *r, const struct router_eid *asked, struct lx_writer *wr)
{
        struct router_record record = {.ttl_min = NEGATIVE_TTL_MIN, .action = ROUTER_ACT_NATIVE, .eid = *asked,
            .eid_usable = true};
        struct router_owner owner = {.eid = *asked};

        /* RFC 9301 8.1: the least specific prefix that is not registered; here, the hole of the ledger */
        if (r->options.ledger.owner(r->options.ledger.arg, asked->iid, &asked->addr, &owner) != LX_OK)
                record.eid = owner.eid;
        else
                record.action = ROUTER_ACT_SEND_REQUEST;
        router_record_write(wr, &record);
}

static struct registration *
write_answer(struct router *r, const struct router_eid *asked, struct lx_writer *wr)
{
        const struct announced *ours = announce_covers(r, asked->iid, &asked->addr);
        struct registration *g;

        if (ours != NULL && ours->owned) {
                router_signed_write(wr, &ours->claim);
                return NULL;
        }
        g = r->options.serve ? covering(r, asked->iid, &asked->addr) : NULL;
        if (g != NULL)
                relay_write(wr, g);
        else
                write_negative(r, asked, wr);
        return g;
}

/* RFC 9301 6.1.2: an SMR says that the sender's mapping has changed: ask anew, at the next packet. */
static void
take_smr(struct router *r, const struct router_map_request *request)
{
        struct mapping *m = resolve_find(r, request->source.iid, &request->source.addr);
        struct router_eid eid;

        if (m == NULL || m->kind != MAPPING_PLAIN)
                return;
        if (!router_bucket_take(r, &r->shake_bucket, 200)) {
                COUNT(r, refused_rate);
                return;
        }
        eid = m->eid;
        (void)router_cache_remove(r->cache, &eid);
        (void)resolve_begin(r, request->source.iid, &request->source.addr, false);
}

/*
 * RFC 9301 8.3: a map-server passes Map-Requests on to the ETR, encapsulated. We answer ourselves, and pass on
 * only what a site behind a NAT must know: who wants to talk to it.
 */
static void
introduce(struct router *r, const struct registration *g, const struct router_at *from,
    const struct router_map_request *request)
{
        uint8_t bytes[ROUTER_MESSAGE_MAX], message[ROUTER_MESSAGE_MAX];
        struct lx_writer inner = lx_writer_init(message, sizeof(message)), wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_encapsulated ecm = {.from = *from, .to = {g->from.addr, ROUTER_PORT_CONTROL}};

        if (!request->map_data || !router_bucket_take(r, &r->introduce_bucket, 200))
                return;
        if (ecm.from.addr.family != ecm.to.addr.family)
                ecm.from.addr = (struct router_addr){.family = ecm.to.addr.family};
        router_map_request_encode(request, &inner);
        if (lx_writer_end(&inner) != LX_OK)
                return;
        ecm.message = LX_SPAN(message, inner.len);
        router_encapsulated_encode(&ecm, &wr);
        if (lx_writer_end(&wr) == LX_OK)
                router_send_control(r, &g->from, &wr);
}

void
server_introduced(struct router *r, const struct router_map_request *request)
{
        const struct announced *ours = announce_covers(r, request->asked[0].iid, &request->asked[0].addr);
        struct router_signed claim;
        struct router_owner owner;
        struct mapping *m;
        struct peer *p;

        if (ours == NULL || !request->map_data || !router_signed_take(&request->record, &claim) ||
            !router_bucket_take(r, &r->introduce_bucket, 50) || !resolve_check(r, &claim, &owner))
                return;
        resolve_learn(r, &claim, &owner);
        m = resolve_find(r, claim.record.eid.iid, &claim.record.eid.addr);
        p = m != NULL && m->kind == MAPPING_SEALED ? &r->peer[m->peer] : NULL;
        if (p != NULL)
                peer_introduced(r, p, claim.sequence);
}

void
server_request(struct router *r, const struct router_at *from, size_t outer_len,
    const struct router_map_request *request)
{
        uint8_t bytes[ROUTER_MESSAGE_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_map_reply reply = {.nonce = request->nonce, .record_count = request->asked_count};
        struct registration *g = NULL;

        if (request->smr) {
                take_smr(r, request);
                return;
        }
        router_map_reply_encode(&reply, &wr);
        for (unsigned i = 0; i < request->asked_count; i++)
                g = write_answer(r, &request->asked[i], &wr);
        if (lx_writer_end(&wr) != LX_OK || wr.len > outer_len) {
                COUNT(r, refused_amplify);
                return;
        }
        if (request->subscribe[0] && g != NULL && request->asked_count == 1)
                subscribe(r, g, from, request->nonce);
        if (g != NULL && g->hidden)
                introduce(r, g, from, request);
        COUNT(r, requests_answered);
        router_send_control(r, from, &wr);
}
