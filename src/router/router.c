/* router/router.c - life and time of the machine; see router/router.h. */
#include "config.h"
#include "router/router_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "crypto/tags.h"
#include "crypto/x25519.h"

#include <string.h>

/* ---- time and chance --------------------------------------------------------------------------- */

void
router_wish(struct router *r, uint64_t at_ms)
{
        if (at_ms < r->deadline_ms)
                r->deadline_ms = at_ms;
}

uint32_t
router_now_s(const struct router *r)
{
        return (uint32_t)((r->now_ms - r->start_ms) / 1000) + 1;
}

uint64_t
router_random_u64(struct router *r)
{
        uint64_t v;

        r->options.random(r->options.arg, &v, sizeof(v));
        return v;
}

/* @rate a second, with a second's worth at once. */
bool
router_bucket_take(struct router *r, struct bucket *b, uint32_t rate)
{
        uint64_t new = (r->now_ms - b->at_ms) * rate / 1000;

        if (b->at_ms == 0 || new > 0) {
                b->tokens = b->at_ms == 0 || new + b->tokens > rate ? rate : b->tokens + (uint32_t)new;
                b->at_ms = r->now_ms;
        }
        if (b->tokens == 0)
                return false;
        b->tokens--;
        return true;
}

/* ---- cookies: a stranger shows that it receives where it says it is ------------------------------ */

#define COOKIE_SLOT_MS 60000

void
router_cookie(struct router *r, const struct router_at *from, unsigned ago, uint8_t out[16])
{
        uint8_t bytes[8 + 1 + 16 + 2];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct lx_hash hash;

        lx_write_u64(&wr, r->now_ms / COOKIE_SLOT_MS - ago);
        lx_write_u8(&wr, from->addr.family);
        lx_write_bytes(&wr, from->addr.b, 16);
        lx_write_u16(&wr, from->port);
        lx_blake2b_keyed(&LX_TAG_COOKIE, r->cookie_secret, sizeof(r->cookie_secret), bytes, wr.len, &hash);
        memcpy(out, hash.b, 16);
}

bool
router_cookie_ok(struct router *r, const struct router_at *from, const uint8_t *cookie)
{
        for (unsigned ago = 0; ago < 2; ago++) {
                uint8_t want[16];

                router_cookie(r, from, ago, want);
                if (lx_ct_equal(want, cookie, sizeof(want)))
                        return true;
        }
        return false;
}

/* ---- packets that wait -------------------------------------------------------------------------- */

void
queue_init(struct queue *q)
{
        q->first = NULL;
        q->end = &q->first;
        q->count = 0;
}

bool
queue_push(struct router *r, struct queue *q, const struct router_at *from, uint32_t iid,
    const uint8_t *bytes, size_t len)
{
        struct waiting *w;

        if (q->count >= ROUTER_WAIT_EACH || r->waiting_count >= ROUTER_WAIT_ALL ||
            len > ROUTER_PACKET_LIMIT) {
                COUNT(r, drop_waiting_full);
                return false;
        }
        w = lx_try_alloc(sizeof(*w) + len);
        if (w == NULL) {
                COUNT(r, drop_waiting_full);
                return false;
        }
        w->iid = iid;
        w->len = len;
        if (from != NULL)
                w->from = *from;
        memcpy(w->bytes, bytes, len);
        if (q->end == NULL)
                queue_init(q);
        *q->end = w;
        q->end = &w->next;
        q->count++;
        r->waiting_count++;
        return true;
}

struct waiting *
queue_pop(struct router *r, struct queue *q)
{
        struct waiting *w = q->first;

        if (w == NULL)
                return NULL;
        q->first = w->next;
        if (q->first == NULL)
                q->end = &q->first;
        q->count--;
        r->waiting_count--;
        return w;
}

void
queue_drop(struct router *r, struct queue *q)
{
        struct waiting *w;

        while ((w = queue_pop(r, q)) != NULL)
                lx_free(w);
}

#define RECHECK_MS 10 /* between steps of the walks after a block */

/* ---- life ---------------------------------------------------------------------------------------- */

static void
make_tables(struct router *r)
{
        struct router_cache_options cache = {
            .entries_max = r->options.cache_max, .gone = resolve_gone, .arg = r};
        struct router_cache_options registered = {.entries_max = ROUTER_REGISTRATIONS_MAX};

        r->cache = router_cache_new(&cache);
        r->mapping = lx_alloc_array(r->options.cache_max + 1, sizeof(struct mapping));
        r->mapping_free = NONE;
        r->peer = lx_alloc_array(ROUTER_PEERS_MAX, sizeof(struct peer));
        r->peer_by_key = lx_map_new(router_random_u64(r));
        r->session = lx_alloc_array(SESSIONS_MAX, sizeof(*r->session));
        r->registration_free = NONE;
        if (!r->options.serve)
                return;
        r->registered = router_cache_new(&registered);
        r->registration = lx_alloc_array(ROUTER_REGISTRATIONS_MAX, sizeof(struct registration));
        r->subscriber = lx_alloc_array(ROUTER_SUBSCRIBERS_MAX, sizeof(struct subscriber));
}

struct router *
router_new(const struct router_options *options, uint64_t now_ms)
{
        struct router *r = lx_alloc(sizeof(*r));

        lx_assert(options->identity_count <= ROUTER_IDENTITIES_MAX &&
                  options->prefix_count <= ROUTER_PREFIXES_MAX &&
                  options->rloc_count <= ROUTER_LOCAL_RLOCS_MAX);
        r->options = *options;
        r->now_ms = r->start_ms = r->deadline_ms = now_ms;
        if (r->options.cache_max == 0)
                r->options.cache_max = ROUTER_CACHE_DEFAULT;
        if (r->options.mtu == 0)
                r->options.mtu = 1400;
        r->options.random(r->options.arg, r->cookie_secret, sizeof(r->cookie_secret));
        for (size_t i = 0; i < options->identity_count; i++) {
                lx_x25519_public(options->identity[i].seal, r->seal_pub[i]);
                if (lx_sign_pubkey(options->identity[i].sign, &r->sign_pub[i]) != LX_OK)
                        r->sign_pub[i] = (struct lx_pubkey){{0}}; /* owns nothing */
        }
        r->sequence = options->counter << 16;
        r->mtu.seed = router_random_u64(r);
        r->block = 1;
        make_tables(r);
        return r;
}

void
router_free(struct router *router)
{
        if (router == NULL)
                return;
        for (uint32_t i = 0; i < router->mapping_top; i++)
                queue_drop(router, &router->mapping[i].queue);
        peer_free_all(router);
        router_cache_free(router->cache);
        router_cache_free(router->registered);
        lx_map_free(router->peer_by_key);
        lx_free(router->mapping);
        lx_free(router->peer);
        lx_free(router->session);
        lx_free(router->registration);
        lx_free(router->subscriber);
        lx_wipe(router, sizeof(*router));
        lx_free(router);
}

void
router_too_big(struct router *router, uint64_t now_ms, const struct router_addr *rloc, unsigned mtu,
    const uint8_t *quote, size_t len, bool local)
{
        if (len > RELAY_HEAD && (quote[0] & 3) == 3) { /* anybody can guess what stands before what is relayed */
                quote += RELAY_HEAD;
                len -= RELAY_HEAD;
        }
        if (router_mtu_lower(&router->mtu, now_ms, rloc, mtu, quote, len, local))
                COUNT(router, path_mtu);
        else if (!local)
                COUNT(router, refused_icmp);
}

unsigned
router_path_mtu(const struct router *router, uint64_t now_ms, const struct router_addr *rloc)
{
        return router_mtu_find(&router->mtu, now_ms, rloc);
}

void
router_tick(struct router *router, uint64_t now_ms)
{
        bool more;

        router->now_ms = now_ms;
        router->deadline_ms = UINT64_MAX;
        announce_tick(router);
        foreign_tick(router);
        resolve_tick(router);
        peer_tick(router);
        server_tick(router);
        more = resolve_recheck(router);
        more |= server_recheck(router);
        if (more)
                router_wish(router, now_ms + RECHECK_MS);
}

uint64_t
router_deadline_ms(const struct router *router)
{
        return router->deadline_ms;
}

const struct router_counters *
router_counters_get(const struct router *router)
{
        return &router->count;
}

void
router_set_rlocs(
    struct router *router, uint64_t now_ms, const struct router_addr *rlocs, size_t count)
{
        router->now_ms = now_ms;
        if (count > ROUTER_LOCAL_RLOCS_MAX)
                count = ROUTER_LOCAL_RLOCS_MAX;
        if (count == router->options.rloc_count &&
            memcmp(rlocs, router->options.rloc, count * sizeof(*rlocs)) == 0) /* public */
                return;
        memcpy(router->options.rloc, rlocs, count * sizeof(*rlocs));
        router->options.rloc_count = count;
        announce_all(router);
        peer_moved(router);
}

void
router_new_block(struct router *router, uint64_t now_ms)
{
        struct router_eid eid;
        uint32_t pos = 0, value, expires;

        router->now_ms = now_ms;
        router->block++;
        /* what nobody owned may have an owner now */
        while (router_cache_next(router->cache, &pos, &eid, &value, &expires))
                if (router->mapping[value].kind == MAPPING_NEGATIVE)
                        (void)router_cache_remove(router->cache, &eid);
        router->recheck_mapping = router->recheck_registration = 0;
        announce_new_block(router);
        router_wish(router, now_ms);
}

void
router_set_prefixes(struct router *router, uint64_t now_ms, const struct router_prefix *prefixes, size_t count)
{
        router->now_ms = now_ms;
        if (count > ROUTER_PREFIXES_MAX)
                count = ROUTER_PREFIXES_MAX;
        memcpy(router->options.prefix, prefixes, count * sizeof(*prefixes));
        router->options.prefix_count = count;
        announce_set_prefixes(router);
        router_wish(router, now_ms);
}

void
router_register_now(struct router *router, uint64_t now_ms)
{
        router->now_ms = now_ms;
        announce_all(router);
}

/* ---- messages ------------------------------------------------------------------------------------ */

static void
take_request(struct router *r, const struct router_at *from, const uint8_t *bytes, size_t len,
    size_t outer_len)
{
        struct router_map_request request;

        if (router_map_request_decode(bytes, len, &request) != LX_OK) {
                COUNT(r, drop_malformed);
                return;
        }
        if (request.probe)
                peer_request(r, from, len, &request);
        else
                server_request(r, from, outer_len, &request);
}

/* About us: somebody is introduced. It is a question all the same: answered to the outer source only. */
static void
take_encapsulated(struct router *r, const struct router_at *from, const struct router_encapsulated *ecm, size_t len)
{
        struct router_map_request request;

        if (router_map_request_decode(ecm->message.p, ecm->message.len, &request) == LX_OK && !request.probe &&
            !request.smr && announce_covers(r, request.asked[0].iid, &request.asked[0].addr) != NULL)
                server_introduced(r, &request);
        take_request(r, from, ecm->message.p, ecm->message.len, len);
}

void
router_control_input(struct router *router, uint64_t now_ms, const struct router_at *from,
    const uint8_t *bytes, size_t len)
{
        struct router_encapsulated inner;

        router->now_ms = now_ms;
        switch (router_message_type(bytes, len)) {
        case ROUTER_MAP_REQUEST:
                take_request(router, from, bytes, len, len);
                break;
        case ROUTER_MAP_REPLY:
                resolve_reply(router, from, bytes, len);
                break;
        case ROUTER_MAP_REGISTER:
                server_register(router, from, bytes, len);
                break;
        case ROUTER_MAP_NOTIFY:
                announce_notify(router, from, bytes, len);
                break;
        case ROUTER_MAP_NOTIFY_ACK:
                server_notify_ack(router, from, bytes, len);
                break;
        case ROUTER_ENCAPSULATED:
                if (router_encapsulated_decode(bytes, len, &inner) == LX_OK &&
                    router_message_type(inner.message.p, inner.message.len) == ROUTER_MAP_REQUEST)
                        take_encapsulated(router, from, &inner, len);
                else
                        COUNT(router, drop_malformed);
                break;
        default:
                COUNT(router, drop_malformed);
        }
}

/* ---- lists --------------------------------------------------------------------------------------- */

static void
show_rlocs(struct router_shown *s, const struct router_rloc *rloc, unsigned count)
{
        for (unsigned i = 0; i < count && i < ROUTER_RLOCS_MAX; i++)
                if (rloc[i].addr.family != 0)
                        s->rloc[s->rloc_count++] = rloc[i].addr;
}

static void
list_cache(const struct router *r, void (*fn)(void *, const struct router_shown *), void *arg)
{
        static const char *const names[] = {"free", "pending", "negative", "sealed", "plain"};
        struct router_shown s;
        uint32_t pos = 0, value, expires;

        for (;;) {
                const struct mapping *m;
                uint32_t now = router_now_s(r);

                s = (struct router_shown){0};
                if (!router_cache_next(r->cache, &pos, &s.eid, &value, &expires))
                        return;
                m = &r->mapping[value];
                s.source = names[m->kind];
                s.sequence = m->sequence;
                s.ttl_s = expires > now ? expires - now : 0;
                for (unsigned i = 0; i < m->rloc_count; i++)
                        s.rloc[s.rloc_count++] = m->rloc[i].addr;
                fn(arg, &s);
        }
}

void
router_list(const struct router *router, uint64_t now_ms,
    void (*fn)(void *arg, const struct router_shown *shown), void *arg)
{
        (void)now_ms;
        for (size_t i = 0; i < router->announced_count; i++) {
                const struct announced *a = &router->announced[i];
                struct router_shown s = {.eid = a->eid,
                    .source = a->owned ? "local" : "unowned",
                    .sequence = a->claim.sequence,
                    .ttl_s = a->claim.record.ttl_min * 60};

                show_rlocs(&s, a->claim.record.rloc, a->claim.record.rloc_count);
                fn(arg, &s);
        }
        list_cache(router, fn, arg);
        for (uint32_t i = 0; i < router->registration_top; i++) {
                const struct registration *g = &router->registration[i];
                struct router_shown s = {.eid = g->eid, .source = "registered", .sequence = g->sequence};
                struct lx_reader rd = lx_reader_init(g->bytes, g->len);
                struct router_record record;

                if (!g->used)
                        continue;
                router_record_read(&rd, &record);
                show_rlocs(&s, record.rloc, record.rloc_count);
                s.ttl_s = g->expires_ms > router->now_ms ? (uint32_t)((g->expires_ms - router->now_ms) / 1000) : 0;
                fn(arg, &s);
        }
}
