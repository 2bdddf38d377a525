/* router/shake.c - handshakes with the nodes we talk to, as initiator and as responder. */
#include "config.h"
#include "router/router_int.h"

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/tags.h"

#include <string.h>

#define SHAKE_MS 250
#define SHAKE_MAX_MS 4000
#define FRESH_MS 3000    /* several map-servers introduce for one question: a session serves all */
#define SHAKES_PER_S 200 /* handshakes answered without a cookie */

#define SHAKE1_LEN (4 + ROUTER_NOISE1_LEN + 16 + 16)
#define SHAKE2_LEN (4 + ROUTER_NOISE2_LEN)

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
        struct router_at to = p->via;
        struct lx_reader rd;

        if (p->rloc_now < p->rloc_count)
                to = (struct router_at){p->rloc[p->rloc_now].addr, ROUTER_PORT_CONTROL};
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
        p->shake_index = peer_new_index(r);
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

/* Where the frames go of who sent a handshake's message from @from. */
static struct router_at
data_of(const struct peer *p, const struct router_at *from)
{
        if (from->addr.family == VIA)
                return *from;
        return (struct router_at){from->addr,
            p->rloc_now < p->rloc_count ? peer_data_at(&p->rloc[p->rloc_now]).port : ROUTER_PORT_DATA};
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
        if (!peer_enter_session(r, p, s, p->shake_index)) {
                router_session_free(s);
                return true;
        }
        peer_promote(r, p, s);
        p->data = data_of(p, from);
        peer_send_inside(r, p, NULL, 0); /* proves to the other side that we have the keys */
        peer_flush(r, p);
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
        local = peer_new_index(r);
        s = router_session_new(&noise, false, r->now_ms);
        router_noise_clear(&noise);
        s->remote_index = remote;
        lx_write_u32(&wr, local);
        peer_drop_session(r, &p->unproven);
        if (!peer_enter_session(r, p, s, local)) {
                router_session_free(s);
                return false;
        }
        p->unproven = s;
        if (p->now == NULL)
                p->data = from->addr.family == VIA ? *from : (struct router_at){from->addr, ROUTER_PORT_DATA};
        if (from->addr.family == VIA) {
                if (p->via.addr.family == 0)
                        COUNT(r, relayed_in);
                p->via = *from;
        }
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
