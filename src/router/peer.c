/* router/peer.c - the nodes we talk to: sessions, frames, paths, moves. */
#include "config.h"
#include "router/router_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/tags.h"
#include "crypto/x25519.h"

#include <string.h>

#define SHAKE_GIVE_UP_MS 20000
#define PATH_QUIET_MS 400     /* sent and nothing heard: ping */
#define PATH_PING_MS 250
#define PATH_PINGS 3          /* unanswered: the next RLOC */
#define DIRECT_MS 15000       /* a direct path is tried so often while a relay is in use */
#define KEEPALIVE_MS 10000    /* heard and nothing sent: an empty frame */

/* The first nibble of what is inside a frame tells it from IPv4 and IPv6. */
enum inside { INSIDE_PING = 1, INSIDE_PONG = 2, INSIDE_RECORD = 3 };

/* ---- the table ----------------------------------------------------------------------------------- */

struct router_at
peer_data_at(const struct path *rloc)
{
        return (struct router_at){rloc->addr, rloc->port != 0 ? rloc->port : ROUTER_PORT_DATA};
}

static void
peer_key(uint8_t identity, const uint8_t seal[32], uint8_t out[33])
{
        out[0] = identity;
        memcpy(out + 1, seal, 32);
}

static struct peer *
find_peer(struct router *r, uint8_t identity, const uint8_t seal[32])
{
        uint8_t key[33];
        uintptr_t at;

        peer_key(identity, seal, key);
        at = (uintptr_t)lx_map_get(r->peer_by_key, key, sizeof(key));
        return at != 0 ? &r->peer[at - 1] : NULL;
}

void
peer_drop_session(struct router *r, struct router_session **session)
{
        if (*session != NULL)
                r->session[(*session)->local_index % SESSIONS_MAX].session = NULL;
        router_session_free(*session);
        *session = NULL;
}

static void
drop_peer(struct router *r, struct peer *p)
{
        uint8_t key[33];

        peer_key(p->identity, p->seal, key);
        (void)lx_map_remove(r->peer_by_key, key, sizeof(key));
        queue_drop(r, &p->queue);
        peer_drop_session(r, &p->now);
        peer_drop_session(r, &p->before);
        peer_drop_session(r, &p->unproven);
        router_noise_clear(&p->noise);
        *p = (struct peer){0};
}

void
peer_free_all(struct router *r)
{
        for (uint32_t i = 0; i < r->peer_top; i++)
                if (r->peer[i].used)
                        drop_peer(r, &r->peer[i]);
}

/* A place for a new peer: a free one, or the quietest of those without a live session. */
static struct peer *
take_peer(struct router *r)
{
        struct peer *quiet = NULL;

        if (r->peer_top < ROUTER_PEERS_MAX)
                return &r->peer[r->peer_top++];
        for (uint32_t i = 0; i < r->peer_top; i++) {
                struct peer *p = &r->peer[i];

                if (!p->used)
                        return p;
                if (p->queue.count == 0 && r->now_ms - p->rx_ms > ROUTER_EXPIRE_MS &&
                    (quiet == NULL || p->rx_ms < quiet->rx_ms))
                        quiet = p;
        }
        if (quiet != NULL)
                drop_peer(r, quiet);
        return quiet;
}

struct peer *
peer_for(struct router *r, uint8_t identity, const uint8_t seal[32])
{
        struct peer *p = find_peer(r, identity, seal);
        uint8_t key[33];

        if (p != NULL)
                return p;
        p = take_peer(r);
        if (p == NULL) {
                COUNT(r, refused_full);
                return NULL;
        }
        *p = (struct peer){.used = true, .identity = identity};
        queue_init(&p->queue);
        memcpy(p->seal, seal, 32);
        peer_key(identity, seal, key);
        (void)lx_map_put(r->peer_by_key, key, sizeof(key), (void *)(uintptr_t)(p - r->peer + 1));
        return p;
}

/* After the last RLOC comes the way through a relay. */
static void
use_rloc(struct peer *p, unsigned at)
{
        p->rloc_now = (uint8_t)at;
        p->data = at < p->rloc_count ? peer_data_at(&p->rloc[at]) : p->via;
}

static unsigned
path_count(const struct peer *p)
{
        return p->rloc_count + (p->via.addr.family != 0);
}

/* The best RLOC of the lowest priority below 255; RFC 9300 6.3. */
static unsigned
best_rloc(const struct peer *p)
{
        unsigned best = 0;

        for (unsigned i = 1; i < p->rloc_count; i++)
                if (p->rloc[i].priority < p->rloc[best].priority)
                        best = i;
        return best;
}

/* Its RLOCs are now these. */
static void
use_paths(struct router *r, struct peer *p, const struct path *rloc, uint8_t count)
{
        bool had = p->rloc_count > 0, same = had && count == p->rloc_count;

        for (unsigned i = 0; i < count; i++) {
                same &= router_addr_eq(&rloc[i].addr, &p->rloc[i].addr) && rloc[i].port == p->rloc[i].port;
                p->rloc[i] = rloc[i];
        }
        p->rloc_count = count;
        if (count == 0 || same) /* renewed only: its path stays, through whatever it goes */
                return;
        /* a path that works is kept when the record still names it */
        for (unsigned i = 0; had && i < p->rloc_count; i++)
                if (router_addr_eq(&p->rloc[i].addr, &p->data.addr)) {
                        p->rloc_now = (uint8_t)i;
                        return;
                }
        if (!had || p->now == NULL || r->now_ms - p->rx_ms > 1000)
                use_rloc(p, best_rloc(p));
        else
                p->rloc_now = p->data.addr.family == VIA ? p->rloc_count : 0;
}

void
peer_learn(struct router *r, struct peer *p, const struct router_signed *claim,
    const struct router_owner *owner)
{
        struct path rloc[PATHS_MAX];

        if (p->rloc_count > 0 && claim->sequence <= p->sequence && router_addr_eq(&p->eid.addr, &owner->host))
                return;
        p->eid = router_eid_host(claim->record.eid.iid, &owner->host);
        p->key = owner->key;
        p->sequence = claim->sequence;
        p->has_source_ok = false;
        use_paths(r, p, rloc, resolve_paths(&claim->record, rloc));
}

struct peer *
peer_as(struct router *r, struct peer *p, uint8_t identity)
{
        struct peer *own = p->identity == identity ? p : peer_for(r, identity, p->seal);

        if (own == NULL || (own->rloc_count > 0 && own->sequence >= p->sequence &&
                               router_addr_eq(&own->eid.addr, &p->eid.addr)))
                return own;
        own->eid = p->eid;
        own->key = p->key;
        own->sequence = p->sequence;
        own->has_source_ok = false;
        use_paths(r, own, p->rloc, p->rloc_count);
        return own;
}

/* ---- session table ------------------------------------------------------------------------------- */

bool
peer_enter_session(struct router *r, struct peer *p, struct router_session *s, uint32_t index)
{
        if (r->session[index % SESSIONS_MAX].session != NULL)
                return false;
        s->local_index = index;
        r->session[index % SESSIONS_MAX].session = s;
        r->session[index % SESSIONS_MAX].peer = (uint32_t)(p - r->peer);
        return true;
}

uint32_t
peer_new_index(struct router *r)
{
        for (unsigned i = 0; i < 64; i++) {
                uint32_t index = (uint32_t)router_random_u64(r);

                if (r->session[index % SESSIONS_MAX].session == NULL)
                        return index;
        }
        return 0;
}

struct router_session *
peer_session(struct router *r, struct peer *p)
{
        if (p->now != NULL && r->now_ms - p->now->born_ms < ROUTER_EXPIRE_MS)
                return p->now;
        return NULL;
}

/* A new session: the one before it stays for what is under way. */
void
peer_promote(struct router *r, struct peer *p, struct router_session *s)
{
        peer_drop_session(r, &p->before);
        p->before = p->now;
        p->now = s;
        p->pings = 0;
        p->rx_ms = r->now_ms;
        COUNT(r, handshakes_done);
}

/* ---- sealed signals ------------------------------------------------------------------------------ */

void
peer_send_inside(struct router *r, struct peer *p, const uint8_t *inside, size_t len)
{
        struct router_session *s = peer_session(r, p);
        uint8_t frame[2048 + ROUTER_FRAME_OVERHEAD];

        if (s == NULL || len > 2048)
                return;
        len = router_session_seal(s, p->eid.iid, inside, len, frame);
        p->tx_ms = r->now_ms;
        relay_send(r, &p->data, frame, len, 0);
}

static void
send_record(struct router *r, struct peer *p)
{
        const struct router_signed *claim = announce_claim(r, p->identity);
        uint8_t bytes[2048];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));

        if (claim == NULL)
                return;
        lx_write_u8(&wr, INSIDE_RECORD);
        router_signed_write(&wr, claim);
        if (lx_writer_end(&wr) == LX_OK)
                peer_send_inside(r, p, bytes, wr.len);
}

static bool
is_rloc(const struct peer *p, const struct router_addr *addr)
{
        for (unsigned i = 0; i < p->rloc_count; i++)
                if (router_addr_eq(&p->rloc[i].addr, addr))
                        return true;
        return false;
}

/* Our RLOCs changed: every peer hears it from the new address, signed and sealed. */
void
peer_moved(struct router *r)
{
        for (uint32_t i = 0; i < r->peer_top; i++) {
                struct peer *p = &r->peer[i];

                if (!p->used || p->now == NULL)
                        continue;
                send_record(r, p);
                if (is_rloc(p, &p->data.addr) || p->shaking)
                        continue;
                /* its NAT, or the relay, knows us at the old address: the map-servers introduce us anew */
                p->via.addr.family = 0;
                use_rloc(p, best_rloc(p));
                peer_shake(r, p);
                if (p->shaking)
                        resolve_again(r, &p->eid, p->ask_nonce, 0);
        }
}

void
peer_flush(struct router *r, struct peer *p)
{
        struct queue q = p->queue;

        if (q.first == NULL)
                return;
        queue_init(&p->queue);
        data_flush(r, &q);
}

/* ---- frames -------------------------------------------------------------------------------------- */

/* The other side speaks from somewhere else: it moved, and has just proved it. */
static void
roam(struct router *r, struct peer *p, const struct router_at *from)
{
        if (router_addr_eq(&p->data.addr, &from->addr) && p->data.port == from->port)
                return;
        if (from->addr.family == VIA)
                p->via = *from;
        p->data = *from;
        COUNT(r, moves);
}

static void
take_inside(struct router *r, struct peer *p, const uint8_t *inside, size_t len)
{
        struct lx_reader rd = lx_reader_init(inside + 1, len - 1);
        uint8_t pong = INSIDE_PONG;
        struct router_record record;
        struct router_signed claim;
        struct router_owner owner;

        if (inside[0] == INSIDE_PING) {
                peer_send_inside(r, p, &pong, 1);
        } else if (inside[0] == INSIDE_RECORD) {
                router_record_read(&rd, &record);
                if (lx_reader_end(&rd) == LX_OK && router_signed_take(&record, &claim) &&
                    memcmp(claim.seal, p->seal, 32) == 0 && /* public */
                    claim.sequence > p->sequence && resolve_check(r, &claim, &owner)) {
                        struct router_at at = p->data;

                        peer_learn(r, p, &claim, &owner);
                        p->data = at; /* where it spoke from just now works */
                        p->direct_ms = 0;
                        resolve_learn(r, &claim, &owner);
                }
        } else if (inside[0] != INSIDE_PONG) {
                COUNT(r, drop_malformed);
        }
}

/* Whether the ledger says that the source belongs to the EID whose key signed this peer's record. */
static bool
source_belongs(struct router *r, struct peer *p, uint32_t iid, const struct router_addr *source)
{
        struct router_owner owner;

        if (p->has_source_ok && p->source_block == r->block && router_eid_covers(&p->source_ok, iid, source))
                return true;
        if (r->options.ledger.owner(r->options.ledger.arg, iid, source, &owner) != LX_OK ||
            memcmp(owner.key.b, p->key.b, LX_PUBKEY_LEN) != 0) /* public */
                return false;
        p->source_ok = router_eid_host(iid, source);
        p->source_block = r->block;
        p->has_source_ok = true;
        return true;
}

void
peer_frame(struct router *r, const struct router_at *from, uint8_t *frame, size_t len, uint8_t tos, int ttl)
{
        struct router_session *s;
        struct router_packet packet;
        struct peer *p;
        uint8_t *inner;
        size_t inner_len;
        uint32_t index, iid;
        uint64_t highest;
        enum lx_err err;

        if (!router_frame_index(frame, len, &index) ||
            (s = r->session[index % SESSIONS_MAX].session) == NULL || s->local_index != index) {
                COUNT(r, drop_no_session);
                return;
        }
        p = &r->peer[r->session[index % SESSIONS_MAX].peer];
        highest = s->highest;
        err = router_session_open(s, frame, len, &iid, &inner, &inner_len);
        if (err != LX_OK) {
                if (err == LX_ERR_SEQUENCE)
                        COUNT(r, drop_frame_replayed);
                else
                        COUNT(r, drop_frame_forged);
                return;
        }
        if (s == p->unproven) {
                p->unproven = NULL;
                peer_promote(r, p, s);
                p->data = *from;
                p->shaking = false; /* ours, if there is one, is not needed any more */
                peer_flush(r, p);
        }
        if (s->highest > highest)
                roam(r, p, from);
        p->rx_ms = r->now_ms;
        p->pings = 0;
        if (inner_len == 0)
                return;
        if (inner[0] >> 4 == 0) {
                take_inside(r, p, inner, inner_len);
                return;
        }
        p->data_rx_ms = r->now_ms;
        if (!router_packet_parse(inner, inner_len, &packet) || packet.len != inner_len)
                COUNT(r, drop_malformed);
        else if (source_belongs(r, p, iid, &packet.source))
                data_deliver(r, &packet.source, inner, inner_len, tos, ttl, iid);
        else if (proxy_speaks_for(r, &p->eid.addr, iid, &packet.source))
                data_deliver(r, NULL, inner, inner_len, tos, ttl, iid);
        else
                COUNT(r, drop_spoofed_source);
}

/* ---- life of a path ------------------------------------------------------------------------------- */

static void
next_path(struct router *r, struct peer *p)
{
        p->pings = 0;
        if (path_count(p) > 1) {
                use_rloc(p, (p->rloc_now + 1u) % path_count(p));
                COUNT(r, failovers);
        }
}

/* While a relay is in use: a ping straight to where the peer says it is. Its answer moves the path there. */
static void
try_direct(struct router *r, struct peer *p)
{
        static const uint8_t ping = INSIDE_PING;
        struct router_at via = p->data;

        if (p->data.addr.family != VIA || r->now_ms - p->data_tx_ms > 2 * DIRECT_MS)
                return;
        if (r->now_ms - p->direct_ms >= DIRECT_MS) {
                p->direct_ms = r->now_ms;
                for (unsigned i = 0; i < p->rloc_count; i++) {
                        p->data = peer_data_at(&p->rloc[i]);
                        peer_send_inside(r, p, &ping, 1);
                }
                p->data = via;
        }
        router_wish(r, p->direct_ms + DIRECT_MS);
}

static void
watch_path(struct router *r, struct peer *p)
{
        static const uint8_t ping = INSIDE_PING;
        bool waits = p->data_tx_ms > p->rx_ms && p->data_tx_ms > 0;

        if (p->now == NULL)
                return;
        if (waits && r->now_ms - p->rx_ms >= PATH_QUIET_MS && p->ping_ms + PATH_PING_MS <= r->now_ms) {
                if (p->pings >= PATH_PINGS)
                        next_path(r, p);
                if (r->now_ms - p->rx_ms > 10000) { /* the keys may be gone on the other side */
                        p->data_tx_ms = 0;
                        if (!p->shaking)
                                peer_shake(r, p);
                        return;
                }
                p->pings++;
                p->ping_ms = r->now_ms;
                peer_send_inside(r, p, &ping, 1);
        }
        if (waits)
                router_wish(r, r->now_ms + PATH_PING_MS);
        try_direct(r, p);
        if (p->data_rx_ms > p->tx_ms && r->now_ms - p->data_rx_ms < 2 * KEEPALIVE_MS) {
                if (r->now_ms - p->tx_ms >= KEEPALIVE_MS)
                        peer_send_inside(r, p, NULL, 0);
                else
                        router_wish(r, p->tx_ms + KEEPALIVE_MS);
        }
}

/*
 * A handshake without an answer: the peer may have moved unheard, or be behind a NAT and wait to be told of us. The
 * map-servers know where it is, and tell it.
 */
static void
shake_again(struct router *r, struct peer *p)
{
        if (p->shake_tries == 1 && p->via.addr.family != 0 && p->rloc_now < p->rloc_count)
                use_rloc(p, p->rloc_count);
        else if (p->shake_tries >= 2)
                next_path(r, p);
        if (p->shake_tries >= 1)
                resolve_again(r, &p->eid, p->ask_nonce, p->shake_tries);
        peer_shake(r, p);
}

void
peer_tick(struct router *r)
{
        for (uint32_t i = 0; i < r->peer_top; i++) {
                struct peer *p = &r->peer[i];

                if (!p->used)
                        continue;
                watch_path(r, p);
                if (p->before != NULL && r->now_ms - p->before->born_ms > ROUTER_EXPIRE_MS)
                        peer_drop_session(r, &p->before);
                if (p->now != NULL && r->now_ms - p->now->born_ms > ROUTER_EXPIRE_MS && !p->shaking)
                        peer_drop_session(r, &p->now);
                if (!p->shaking)
                        continue;
                if (r->now_ms - p->shake_start_ms > SHAKE_GIVE_UP_MS) {
                        p->shaking = false;
                        data_unreachable(r, &p->queue);
                        continue;
                }
                if (p->shake_next_ms <= r->now_ms)
                        shake_again(r, p);
                router_wish(r, p->shake_next_ms);
        }
}
