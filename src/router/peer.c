/* router/peer.c - the nodes we talk to: handshakes, sessions, paths, moves. */
#include "config.h"
#include "router/router_int.h"

#include "base/assert.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/tags.h"
#include "crypto/x25519.h"

#include <string.h>

#define SHAKE_MS 250
#define SHAKE_MAX_MS 4000
#define SHAKE_GIVE_UP_MS 20000
#define FRESH_MS 3000         /* several map-servers introduce for one question: a session serves all */
#define SHAKES_PER_S 200      /* handshakes answered without a cookie */
#define PATH_QUIET_MS 400     /* sent and nothing heard: ping */
#define PATH_PING_MS 250
#define PATH_PINGS 3          /* unanswered: the next RLOC */
#define KEEPALIVE_MS 10000    /* heard and nothing sent: an empty frame */

/* The first nibble of what is inside a frame tells it from IPv4 and IPv6. */
enum inside { INSIDE_PING = 1, INSIDE_PONG = 2, INSIDE_RECORD = 3 };

#define SHAKE1_LEN (4 + ROUTER_NOISE1_LEN + 16 + 16)
#define SHAKE2_LEN (4 + ROUTER_NOISE2_LEN)

/* ---- the table ----------------------------------------------------------------------------------- */

static struct router_at
data_at(const struct path *rloc)
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

static void
drop_session(struct router *r, struct router_session **session)
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
        drop_session(r, &p->now);
        drop_session(r, &p->before);
        drop_session(r, &p->unproven);
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

static void
use_rloc(struct peer *p, unsigned at)
{
        p->rloc_now = (uint8_t)at;
        p->data = data_at(&p->rloc[at]);
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

void
peer_learn(struct router *r, struct peer *p, const struct router_signed *claim,
    const struct router_owner *owner)
{
        bool had = p->rloc_count > 0;

        if (had && claim->sequence <= p->sequence && router_addr_eq(&p->eid.addr, &owner->host))
                return;
        p->eid = router_eid_host(claim->record.eid.iid, &owner->host);
        p->key = owner->key;
        p->sequence = claim->sequence;
        p->rloc_count = resolve_paths(&claim->record, p->rloc);
        p->has_source_ok = false;
        if (p->rloc_count == 0)
                return;
        /* a path that works is kept when the record still names it */
        for (unsigned i = 0; had && i < p->rloc_count; i++)
                if (router_addr_eq(&p->rloc[i].addr, &p->data.addr)) {
                        p->rloc_now = (uint8_t)i;
                        return;
                }
        if (!had || p->now == NULL || r->now_ms - p->rx_ms > 1000)
                use_rloc(p, best_rloc(p));
}

/* ---- session table ------------------------------------------------------------------------------- */

static bool
enter_session(struct router *r, struct peer *p, struct router_session *s, uint32_t index)
{
        if (r->session[index % SESSIONS_MAX].session != NULL)
                return false;
        s->local_index = index;
        r->session[index % SESSIONS_MAX].session = s;
        r->session[index % SESSIONS_MAX].peer = (uint32_t)(p - r->peer);
        return true;
}

static uint32_t
new_index(struct router *r)
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
static void
promote(struct router *r, struct peer *p, struct router_session *s)
{
        drop_session(r, &p->before);
        p->before = p->now;
        p->now = s;
        p->pings = 0;
        p->rx_ms = r->now_ms;
        COUNT(r, handshakes_done);
}

/* ---- sealed signals ------------------------------------------------------------------------------ */

static void
send_inside(struct router *r, struct peer *p, const uint8_t *inside, size_t len)
{
        struct router_session *s = peer_session(r, p);
        uint8_t frame[2048 + ROUTER_FRAME_OVERHEAD];

        if (s == NULL || len > 2048)
                return;
        len = router_session_seal(s, p->eid.iid, inside, len, frame);
        p->tx_ms = r->now_ms;
        r->options.send(r->options.arg, true, &p->data, frame, len, 0);
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
                send_inside(r, p, bytes, wr.len);
}

/* Our RLOCs changed: every peer hears it from the new address, signed and sealed. */
void
peer_moved(struct router *r)
{
        for (uint32_t i = 0; i < r->peer_top; i++)
                if (r->peer[i].used && r->peer[i].now != NULL)
                        send_record(r, &r->peer[i]);
}

static void
flush(struct router *r, struct peer *p)
{
        struct queue q = p->queue;

        if (q.first == NULL)
                return;
        queue_init(&p->queue);
        data_flush(r, &q);
}

/* ---- handshake: initiator ------------------------------------------------------------------------ */

static void
mac1(const uint8_t responder[32], const uint8_t *bytes, size_t len, uint8_t out[16])
{
        struct lx_hash hash;

        lx_blake2b_keyed(&LX_TAG_MAC1, responder, 32, bytes, len, &hash);
        memcpy(out, hash.b, 16);
}

static void
mac2(const uint8_t cookie[16], const uint8_t *bytes, size_t len, uint8_t out[16])
{
        struct lx_hash hash;

        lx_blake2b_keyed(&LX_TAG_COOKIE, cookie, 16, bytes, len, &hash);
        memcpy(out, hash.b, 16);
}

/* Our record with a token beside the signature. */
static void
write_record_with(struct lx_writer *wr, const struct router_signed *claim, char kind,
    const uint8_t *token, size_t len)
{
        uint8_t bytes[ROUTER_MESSAGE_MAX];
        char name[ROUTER_TOKEN_MAX];
        struct lx_writer once = lx_writer_init(bytes, sizeof(bytes));
        struct router_record record;
        struct lx_reader rd;

        router_signed_write(&once, claim);
        rd = lx_reader_init(bytes, once.len);
        router_record_read(&rd, &record);
        if (record.rloc_count >= ROUTER_RLOCS_MAX) {
                lx_writer_fail(wr, LX_ERR_RANGE);
                return;
        }
        record.rloc[record.rloc_count++] = (struct router_rloc){.priority = 255, .mpriority = 255,
            .name = LX_SPAN(name, router_token_write(kind, token, len, name))};
        router_record_write(wr, &record);
}

static void
send_shake(struct router *r, struct peer *p, const uint8_t token[SHAKE1_LEN])
{
        const struct router_signed *claim = announce_claim(r, p->identity);
        uint8_t bytes[ROUTER_MESSAGE_MAX], record[ROUTER_MESSAGE_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes)), rec = lx_writer_init(record, sizeof(record));
        struct router_map_request q = {.probe = true, .map_data = true, .nonce = p->shake_nonce,
            .source = claim->record.eid, .asked_count = 1, .asked = {p->eid}};
        struct router_at to = {p->rloc[p->rloc_now].addr, ROUTER_PORT_CONTROL};
        struct lx_reader rd;

        for (unsigned i = 0; i < claim->record.rloc_count && i < 4; i++)
                q.itr[q.itr_count++] = claim->record.rloc[i].addr;
        write_record_with(&rec, claim, '2', token, SHAKE1_LEN);
        rd = lx_reader_init(record, rec.len);
        router_record_read(&rd, &q.record);
        router_map_request_encode(&q, &wr);
        if (lx_writer_end(&wr) == LX_OK)
                router_send_control(r, &to, &wr);
}

/* A nonce that tells its peer: what strangers send costs no search. The rest of it is beyond guessing. */
static uint64_t
peer_nonce(struct router *r, const struct peer *p)
{
        uint64_t nonce = router_random_u64(r);

        return nonce - nonce % ROUTER_PEERS_MAX + (uint64_t)(p - r->peer);
}

void
peer_shake(struct router *r, struct peer *p)
{
        const struct router_identity *id = &r->options.identity[p->identity];
        const struct router_signed *claim = announce_claim(r, p->identity);
        uint8_t token[SHAKE1_LEN], ephemeral[32];
        struct lx_writer wr = lx_writer_init(token, 4);
        uint64_t wait = SHAKE_MS;

        if (claim == NULL || claim->record.rloc_count == 0 || p->rloc_count == 0 || p->eid.addr.family == 0)
                return;
        if (!p->shaking) {
                p->shaking = true;
                p->shake_start_ms = r->now_ms;
                p->shake_tries = 0;
                p->ask_nonce = peer_nonce(r, p);
        }
        p->shake_index = new_index(r);
        p->shake_nonce = peer_nonce(r, p);
        r->options.random(r->options.arg, ephemeral, sizeof(ephemeral));
        lx_write_u32(&wr, p->shake_index);
        if (!router_noise_start(&p->noise, &r->options.ledger.chain_id, id->seal, p->seal, ephemeral,
                ++r->options.counter, token + 4))
                return;
        mac1(p->seal, token, 4 + ROUTER_NOISE1_LEN, token + 4 + ROUTER_NOISE1_LEN);
        memset(token + SHAKE1_LEN - 16, 0, 16);
        if (p->cookie_ms != 0 && r->now_ms - p->cookie_ms < 60000)
                mac2(p->cookie, token, SHAKE1_LEN - 16, token + SHAKE1_LEN - 16);
        for (unsigned i = 0; i < p->shake_tries && wait < SHAKE_MAX_MS; i++)
                wait *= 2;
        p->shake_tries++;
        p->shake_next_ms = r->now_ms + wait;
        router_wish(r, p->shake_next_ms);
        send_shake(r, p, token);
}

/*
 * Who asks has no session: one that we have from before is dead. A record newer than the last that was passed on tells
 * it for certain: the peer has started anew since. (A restart takes seconds, so the session's age alone does not tell
 * it from the same question passed on twice.)
 */
void
peer_introduced(struct router *r, struct peer *p, uint64_t sequence)
{
        bool newer = sequence > p->introduced;

        if (newer)
                p->introduced = sequence;
        if (p->shaking) {
                if (p->shake_next_ms <= r->now_ms + SHAKE_MS)
                        return;
                /* it is there after all: no more waiting after tries that nobody heard */
                p->shake_tries = 0;
                p->shake_start_ms = r->now_ms;
                peer_shake(r, p);
        } else if (newer || p->now == NULL || r->now_ms - p->now->born_ms > FRESH_MS) {
                peer_shake(r, p);
        }
}

const struct router_eid *
peer_asked(const struct router *r, uint64_t nonce)
{
        const struct peer *p = &r->peer[nonce % ROUTER_PEERS_MAX];

        return p->used && p->shaking && p->ask_nonce == nonce ? &p->eid : NULL;
}

static struct peer *
find_shake(struct router *r, uint64_t nonce)
{
        struct peer *p = &r->peer[nonce % ROUTER_PEERS_MAX];

        return p->used && p->shaking && p->shake_nonce == nonce ? p : NULL;
}

static bool
finish_shake(struct router *r, struct peer *p, const struct router_at *from, const uint8_t token[SHAKE2_LEN])
{
        const struct router_identity *id = &r->options.identity[p->identity];
        struct lx_reader rd = lx_reader_init(token, SHAKE2_LEN);
        struct router_session *s;
        uint32_t index = lx_read_u32(&rd);

        if (!router_noise_finish(&p->noise, id->seal, token + 4))
                return false;
        s = router_session_new(&p->noise, true, r->now_ms);
        s->remote_index = index;
        s->confirmed = true;
        router_noise_clear(&p->noise);
        p->shaking = false;
        if (!enter_session(r, p, s, p->shake_index)) {
                router_session_free(s);
                return true;
        }
        promote(r, p, s);
        p->data = (struct router_at){from->addr, data_at(&p->rloc[p->rloc_now]).port};
        send_inside(r, p, NULL, 0); /* proves to the other side that we have the keys */
        flush(r, p);
        return true;
}

bool
peer_reply(struct router *r, const struct router_at *from, const struct router_map_reply *reply,
    const struct router_record *record)
{
        struct peer *p = find_shake(r, reply->nonce);

        if (p == NULL)
                return false;
        for (unsigned i = 0; i < record->rloc_count; i++) {
                uint8_t token[SHAKE2_LEN];

                if (router_token_read('2', record->rloc[i].name, token, sizeof(token)) == SHAKE2_LEN) {
                        if (!finish_shake(r, p, from, token))
                                COUNT(r, refused_handshake);
                        return true;
                }
                if (router_token_read('3', record->rloc[i].name, token, 16) == 16) {
                        memcpy(p->cookie, token, 16);
                        p->cookie_ms = r->now_ms;
                        p->shake_next_ms = r->now_ms;
                        router_wish(r, r->now_ms);
                        return true;
                }
        }
        return true;
}

/* ---- handshake: responder ------------------------------------------------------------------------ */

static void
send_cookie(struct router *r, const struct router_at *from, const struct router_map_request *q)
{
        uint8_t bytes[512], cookie[16];
        char name[64];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_map_reply reply = {.probe = true, .record_count = 1, .nonce = q->nonce};
        struct router_record record = {.eid = q->asked[0], .rloc_count = 1};

        router_cookie(r, from, 0, cookie);
        record.rloc[0] = (struct router_rloc){.priority = 255, .mpriority = 255,
            .name = LX_SPAN(name, router_token_write('3', cookie, sizeof(cookie), name))};
        router_map_reply_encode(&reply, &wr);
        router_record_write(&wr, &record);
        COUNT(r, refused_rate);
        router_send_control(r, from, &wr);
}

/* Under load only who receives at its address is worth an exponentiation. */
static bool
has_cookie(struct router *r, const struct router_at *from, const uint8_t token[SHAKE1_LEN])
{
        for (unsigned ago = 0; ago < 2; ago++) {
                uint8_t cookie[16], want[16];

                router_cookie(r, from, ago, cookie);
                mac2(cookie, token, SHAKE1_LEN - 16, want);
                if (lx_ct_equal(want, token + SHAKE1_LEN - 16, 16))
                        return true;
        }
        return false;
}

static bool
take_shake(struct router *r, uint8_t identity, const struct router_at *from,
    const struct router_map_request *q, const uint8_t token[SHAKE1_LEN], uint8_t out[SHAKE2_LEN])
{
        const struct router_identity *id = &r->options.identity[identity];
        struct router_noise noise;
        struct router_signed claim;
        struct router_owner owner;
        struct lx_reader rd = lx_reader_init(token, SHAKE1_LEN);
        struct lx_writer wr = lx_writer_init(out, 4);
        struct router_session *s;
        struct peer *p = NULL;
        uint32_t remote = lx_read_u32(&rd), local;
        uint64_t counter;
        uint8_t ephemeral[32];

        if (!router_noise_accept(&noise, &r->options.ledger.chain_id, id->seal, token + 4, &counter) ||
            !router_signed_take(&q->record, &claim) ||
            memcmp(claim.seal, noise.peer_s, 32) != 0 || /* public */
            !resolve_check(r, &claim, &owner))
                return false;
        p = peer_for(r, identity, claim.seal);
        if (p == NULL || counter < p->counter)
                return false;
        p->counter = counter + 1;
        peer_learn(r, p, &claim, &owner);
        r->options.random(r->options.arg, ephemeral, sizeof(ephemeral));
        if (!router_noise_answer(&noise, ephemeral, out + 4))
                return false;
        local = new_index(r);
        s = router_session_new(&noise, false, r->now_ms);
        router_noise_clear(&noise);
        s->remote_index = remote;
        lx_write_u32(&wr, local);
        drop_session(r, &p->unproven);
        if (!enter_session(r, p, s, local)) {
                router_session_free(s);
                return false;
        }
        p->unproven = s;
        if (p->now == NULL)
                p->data = (struct router_at){from->addr, ROUTER_PORT_DATA};
        resolve_learn(r, &claim, &owner);
        return true;
}

static void
answer_shake(struct router *r, uint8_t identity, const struct router_at *from, size_t len,
    const struct router_map_request *q, const uint8_t token[SHAKE2_LEN])
{
        const struct router_signed *claim = announce_claim(r, identity);
        uint8_t bytes[ROUTER_MESSAGE_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_map_reply reply = {.probe = true, .record_count = 1, .nonce = q->nonce};

        router_map_reply_encode(&reply, &wr);
        write_record_with(&wr, claim, '2', token, SHAKE2_LEN);
        if (lx_writer_end(&wr) != LX_OK || wr.len > len) {
                COUNT(r, refused_amplify);
                return;
        }
        router_send_control(r, from, &wr);
}

/* A probe without a handshake: RFC 9301 7.1, for other implementations and plain peers. */
static void
answer_probe(struct router *r, const struct router_at *from, size_t len, const struct router_map_request *q)
{
        const struct announced *a = announce_covers(r, q->asked[0].iid, &q->asked[0].addr);
        uint8_t bytes[ROUTER_MESSAGE_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_map_reply reply = {.probe = true, .record_count = 1, .nonce = q->nonce};

        if (a == NULL || !a->owned) {
                COUNT(r, drop_not_ours);
                return;
        }
        router_map_reply_encode(&reply, &wr);
        router_signed_write(&wr, &a->claim);
        if (wr.len > len) { /* without the signature, which such a peer cannot read */
                wr.len = 0;
                router_map_reply_encode(&reply, &wr);
                router_record_write(&wr, &a->claim.record);
        }
        if (lx_writer_end(&wr) != LX_OK || wr.len > len)
                COUNT(r, refused_amplify);
        else
                router_send_control(r, from, &wr);
}

static bool
find_token(const struct router_map_request *q, uint8_t out[SHAKE1_LEN])
{
        for (unsigned i = 0; q->map_data && i < q->record.rloc_count; i++)
                if (router_token_read('2', q->record.rloc[i].name, out, SHAKE1_LEN) == SHAKE1_LEN)
                        return true;
        return false;
}

void
peer_request(struct router *r, const struct router_at *from, size_t len, const struct router_map_request *q)
{
        uint8_t token[SHAKE1_LEN], answer[SHAKE2_LEN], want[16];
        const struct announced *a = announce_covers(r, q->asked[0].iid, &q->asked[0].addr);

        if (!find_token(q, token)) {
                answer_probe(r, from, len, q);
                return;
        }
        if (a == NULL || announce_claim(r, a->identity) == NULL) {
                COUNT(r, refused_handshake);
                return;
        }
        mac1(r->seal_pub[a->identity], token, 4 + ROUTER_NOISE1_LEN, want);
        if (!lx_ct_equal(want, token + 4 + ROUTER_NOISE1_LEN, 16)) {
                COUNT(r, refused_handshake);
                return;
        }
        if (!has_cookie(r, from, token) && !router_bucket_take(r, &r->shake_bucket, SHAKES_PER_S)) {
                send_cookie(r, from, q);
                return;
        }
        if (take_shake(r, a->identity, from, q, token, answer))
                answer_shake(r, a->identity, from, len, q, answer);
        else
                COUNT(r, refused_handshake);
}

/* ---- frames -------------------------------------------------------------------------------------- */

/* The other side speaks from somewhere else: it moved, and has just proved it. */
static void
roam(struct router *r, struct peer *p, const struct router_at *from)
{
        if (router_addr_eq(&p->data.addr, &from->addr) && p->data.port == from->port)
                return;
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
                send_inside(r, p, &pong, 1);
        } else if (inside[0] == INSIDE_RECORD) {
                router_record_read(&rd, &record);
                if (lx_reader_end(&rd) == LX_OK && router_signed_take(&record, &claim) &&
                    memcmp(claim.seal, p->seal, 32) == 0 && /* public */
                    claim.sequence > p->sequence && resolve_check(r, &claim, &owner)) {
                        struct router_at at = p->data;

                        peer_learn(r, p, &claim, &owner);
                        p->data = at; /* where it spoke from just now works */
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
                promote(r, p, s);
                p->data = *from;
                p->shaking = false; /* ours, if there is one, is not needed any more */
                flush(r, p);
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
        else if (!source_belongs(r, p, iid, &packet.source))
                COUNT(r, drop_spoofed_source);
        else
                data_deliver(r, &packet.source, inner, inner_len, tos, ttl, iid);
}

/* ---- life of a path ------------------------------------------------------------------------------- */

static void
next_path(struct router *r, struct peer *p)
{
        p->pings = 0;
        if (p->rloc_count > 1) {
                use_rloc(p, (p->rloc_now + 1u) % p->rloc_count);
                COUNT(r, failovers);
        }
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
                send_inside(r, p, &ping, 1);
        }
        if (waits)
                router_wish(r, r->now_ms + PATH_PING_MS);
        if (p->data_rx_ms > p->tx_ms && r->now_ms - p->data_rx_ms < 2 * KEEPALIVE_MS) {
                if (r->now_ms - p->tx_ms >= KEEPALIVE_MS)
                        send_inside(r, p, NULL, 0);
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
        if (p->shake_tries >= 2)
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
                        drop_session(r, &p->before);
                if (p->now != NULL && r->now_ms - p->now->born_ms > ROUTER_EXPIRE_MS && !p->shaking)
                        drop_session(r, &p->now);
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
