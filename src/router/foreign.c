/*
 * router/foreign.c - map-servers of other implementations: prefixes of ours registered there with a key, EIDs that
 * are not on the ledger asked of them. Nothing goes to them that a parser of RFC 6830's age refuses: addresses of
 * AFI 1 and 2, no names, no LCAFs, none of the newer bits.
 */
#include "config.h"
#include "router/router_int.h"

#include "crypto/secret.h"

#include <string.h>

#define REGISTER_MS 60000 /* RFC 9301 8.2: "once per minute" */
#define RETRY_MS 1000
#define RETRY_MAX_MS 16000
#define UNOWNED_MS 5000
#define TTL_MIN 10

/* ---- registering --------------------------------------------------------------------------------- */

static void
send_register(struct router *r, size_t number)
{
        const struct router_foreign *f = &r->options.foreign[number];
        uint8_t bytes[ROUTER_MESSAGE_MAX], mac[32] = {0};
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        size_t auth_len = f->alg == ROUTER_ALG_SHA1_96 ? 20 : 16, offset;
        struct router_map_register m = {.type = ROUTER_MAP_REGISTER, .proxy_reply = true, .want_notify = true,
            .record_count = 1, .key_id = f->key_id, .alg = (uint8_t)f->alg, .auth = LX_SPAN(mac, auth_len)};
        struct router_record record = {.ttl_min = TTL_MIN, .authoritative = true, .eid = f->eid};
        struct router_at to = {f->at, ROUTER_PORT_CONTROL};

        for (size_t i = 0; i < r->options.rloc_count; i++)
                record.rloc[record.rloc_count++] = (struct router_rloc){.addr = r->options.rloc[i],
                    .priority = (uint8_t)(i + 1), .weight = 100, .mpriority = 255,
                    .flags = ROUTER_RLOC_LOCAL | ROUTER_RLOC_REACHABLE};
        m.nonce = r->foreign[number].nonce = ++r->sequence; /* rises, also after a restart */
        router_map_register_encode(&m, &wr, &offset);
        router_record_write(&wr, &record);
        if (lx_writer_end(&wr) != LX_OK)
                return;
        (void)server_mac(f->alg, LX_SPAN(f->key, f->key_len), bytes, wr.len, offset, auth_len, mac);
        memcpy(bytes + offset, mac, auth_len);
        router_send_control(r, &to, &wr);
}

void
foreign_tick(struct router *r)
{
        for (size_t i = 0; i < r->options.foreign_count; i++) {
                const struct router_foreign *f = &r->options.foreign[i];
                uint64_t wait = UNOWNED_MS;

                if (!f->registers)
                        continue;
                if (r->foreign[i].next_ms <= r->now_ms) {
                        /* only what the ledger gives us */
                        if (announce_speaks_for(r, f->eid.iid, &f->eid.addr) && r->options.rloc_count > 0) {
                                send_register(r, i);
                                wait = (uint64_t)RETRY_MS << r->foreign[i].tries;
                                r->foreign[i].tries += r->foreign[i].tries < 5;
                        }
                        r->foreign[i].next_ms = r->now_ms + (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS);
                }
                router_wish(r, r->foreign[i].next_ms);
        }
}

bool
foreign_notify(struct router *r, const struct router_at *from, const struct router_map_register *m,
    const uint8_t *bytes, size_t len)
{
        for (size_t i = 0; i < r->options.foreign_count; i++) {
                const struct router_foreign *f = &r->options.foreign[i];
                uint8_t want[32];
                size_t want_len;

                if (!f->registers || r->foreign[i].nonce != m->nonce || m->nonce == 0 ||
                    !router_addr_eq(&f->at, &from->addr))
                        continue;
                want_len = server_mac(
                    f->alg, LX_SPAN(f->key, f->key_len), bytes, len, m->auth_offset, m->auth.len, want);
                if (m->key_id != f->key_id || m->alg != (uint8_t)f->alg || m->auth.len > want_len ||
                    m->auth.len < 12 || !lx_ct_equal(want, m->auth.p, m->auth.len)) {
                        COUNT(r, refused_hmac);
                        return true;
                }
                COUNT(r, foreign_registers);
                r->foreign[i].nonce = 0;
                r->foreign[i].tries = 0;
                r->foreign[i].next_ms = r->now_ms + REGISTER_MS;
                return true;
        }
        return false;
}

/* ---- asking -------------------------------------------------------------------------------------- */

uint8_t
foreign_for(const struct router *r, uint32_t iid, const struct router_addr *addr)
{
        uint8_t best = 0;

        for (size_t i = 0; i < r->options.foreign_count; i++) {
                const struct router_foreign *f = &r->options.foreign[i];

                if (!f->registers && router_eid_covers(&f->eid, iid, addr) &&
                    (best == 0 || f->eid.bits > r->options.foreign[best - 1].eid.bits))
                        best = (uint8_t)(i + 1);
        }
        return best;
}

static const struct router_addr *
rloc_of(const struct router *r, uint8_t family)
{
        for (size_t i = 0; i < r->options.rloc_count; i++)
                if (r->options.rloc[i].family == family)
                        return &r->options.rloc[i];
        return NULL;
}

void
foreign_ask(struct router *r, uint8_t number, uint64_t nonce, const struct router_eid *eid, bool pitr)
{
        const struct router_foreign *f = &r->options.foreign[number - 1];
        const struct router_addr *own = rloc_of(r, f->at.family);
        uint8_t message[512], bytes[ROUTER_MESSAGE_MAX];
        struct lx_writer inner = lx_writer_init(message, sizeof(message)), wr = lx_writer_init(bytes, sizeof(bytes));
        struct router_map_request q = {.nonce = nonce, .pitr = pitr, .itr_count = 1, .asked_count = 1,
            .asked = {*eid}};
        struct router_at to = {f->at, ROUTER_PORT_CONTROL};
        struct router_encapsulated ecm;

        if (own == NULL)
                return;
        q.itr[0] = *own;
        router_map_request_encode(&q, &inner);
        ecm = (struct router_encapsulated){.from = {*own, ROUTER_PORT_CONTROL}, .to = {eid->addr, ROUTER_PORT_CONTROL},
            .message = LX_SPAN(message, inner.len)};
        if (eid->addr.family != own->family)
                ecm.to.addr = f->at;
        router_encapsulated_encode(&ecm, &wr);
        COUNT(r, requests_sent);
        router_send_control(r, &to, &wr);
}
