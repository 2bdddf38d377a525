/* router/resolve.c - from an address to a mapping: owners, questions, answers. */
#include "config.h"
#include "router/router_int.h"

#include "base/mem.h"
#include "crypto/secret.h"

#include <string.h>

#define PENDING_MAX 4096
#define RECHECK_EACH 256 /* mappings looked at again in one tick */
#define FOREIGN_TTL_MIN 60
#define REQUEST_PAD 640 /* bytes of a question, so that the answer is no larger */

/* ---- mappings ------------------------------------------------------------------------------------ */

static uint32_t
take_mapping(struct router *r)
{
        uint32_t at = r->mapping_free;

        if (at != NONE)
                r->mapping_free = r->mapping[at].next_free;
        else if (r->mapping_top <= r->options.cache_max)
                at = r->mapping_top++;
        if (at != NONE) {
                r->mapping[at] = (struct mapping){.kind = MAPPING_NEGATIVE};
                queue_init(&r->mapping[at].queue);
        }
        return at;
}

static void
give_mapping(struct router *r, uint32_t at)
{
        struct mapping *m = &r->mapping[at];

        if (m->kind == MAPPING_PENDING)
                r->pending_count--;
        queue_drop(r, &m->queue);
        *m = (struct mapping){.kind = MAPPING_FREE, .next_free = r->mapping_free};
        r->mapping_free = at;
}

void
resolve_gone(void *arg, uint32_t value)
{
        give_mapping(arg, value);
}

/* A new mapping under @eid for @ttl_s, in place of what is there. NULL: the table is full. */
static struct mapping *
put_mapping(struct router *r, const struct router_eid *eid, enum mapping_kind kind, uint32_t ttl_s)
{
        uint32_t at = take_mapping(r), now = router_now_s(r);

        if (at == NONE) {
                COUNT(r, refused_full);
                return NULL;
        }
        r->mapping[at].kind = kind;
        r->mapping[at].eid = *eid;
        if (kind == MAPPING_PENDING)
                r->pending_count++;
        if (router_cache_put(r->cache, eid, at, ttl_s > UINT32_MAX / 2 ? ROUTER_CACHE_NEVER : now + ttl_s) != LX_OK) {
                give_mapping(r, at);
                COUNT(r, refused_full);
                return NULL;
        }
        return &r->mapping[at];
}

struct mapping *
resolve_find(struct router *r, uint32_t iid, const struct router_addr *addr)
{
        uint32_t at = router_cache_find(r->cache, iid, addr, router_now_s(r));

        return at != ROUTER_CACHE_NONE ? &r->mapping[at] : NULL;
}

uint8_t
resolve_paths(const struct router_record *record, struct path out[PATHS_MAX])
{
        uint8_t count = 0;

        for (unsigned i = 0; i < record->rloc_count && count < PATHS_MAX; i++) {
                const struct router_rloc *l = &record->rloc[i];

                if (l->addr.family != 0 && l->priority != 255)
                        out[count++] = (struct path){l->addr, l->port, l->priority, l->weight};
        }
        return count;
}

/* ---- questions ----------------------------------------------------------------------------------- */

/* @pitr: a plain host wants to know. */
static void
request(struct router *r, const struct router_at *to, uint64_t nonce, const struct router_eid *asked, bool pitr)
{
        uint8_t bytes[ROUTER_MESSAGE_MAX];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        const struct router_options *o = &r->options;
        struct router_map_request q = {.nonce = nonce, .pitr = pitr, .asked_count = 1, .asked = {*asked},
            .subscribe = {true}};
        const struct router_signed *claim = announce_claim(r, 0);
        uint8_t record[ROUTER_MESSAGE_MAX];
        struct lx_writer rec = lx_writer_init(record, sizeof(record));
        struct lx_reader rd;
        size_t len = 64;

        if (o->identity_count > 0)
                q.source = router_eid_host(o->identity[0].iid, &o->identity[0].eid);
        /* A longer question may have a longer answer: our own record, and our RLOCs again and again. */
        if (claim != NULL) {
                router_signed_write(&rec, claim);
                rd = lx_reader_init(record, rec.len);
                router_record_read(&rd, &q.record);
                q.map_data = true;
                len += rec.len;
        }
        do {
                q.itr[q.itr_count] = o->rloc_count > 0 ? o->rloc[q.itr_count % o->rloc_count]
                                                       : (struct router_addr){.family = 6};
                len += q.itr[q.itr_count++].family == 4 ? 6 : 18;
        } while (q.itr_count < ROUTER_ITRS_MAX && len < REQUEST_PAD);
        router_map_request_encode(&q, &wr);
        COUNT(r, requests_sent);
        router_send_control(r, to, &wr);
}

/* Who is asked about what @owner has: home RLOCs, then the placed nodes. */
static size_t
whom_to_ask(struct router *r, const struct router_owner *owner, struct router_at *out, size_t max)
{
        struct router_node nodes[ROUTER_NODES_MAX];
        size_t count = r->options.ledger.nodes(r->options.ledger.arg, nodes, ROUTER_NODES_MAX), n = 0;

        router_place(&owner->reg, nodes, count);
        for (size_t i = 0; i < count && i < ROUTER_PLACES && n < max; i++)
                out[n++] = nodes[i].at;
        for (size_t i = 0; i < owner->home_count && n < max; i++)
                out[n++] = (struct router_at){owner->home[i], ROUTER_PORT_CONTROL};
        return n;
}

/* Ask the two nodes of highest rank (turn 0), or the one whose turn it is. false: there is nobody to ask. */
static bool
ask_turn(struct router *r, const struct router_eid *eid, uint64_t nonce, unsigned turn, bool pitr)
{
        struct router_at to[ROUTER_PLACES + ROUTER_HOMES_MAX];
        struct router_owner owner;
        size_t count;

        if (r->options.ledger.owner(r->options.ledger.arg, eid->iid, &eid->addr, &owner) != LX_OK)
                return false;
        count = whom_to_ask(r, &owner, to, ROUTER_PLACES + ROUTER_HOMES_MAX);
        if (count == 0)
                return false;
        if (turn == 0 && count > 1)
                request(r, &to[0], nonce, eid, pitr);
        request(r, &to[(turn + 1) % count], nonce, eid, pitr);
        return true;
}

void
resolve_again(struct router *r, const struct router_eid *eid, uint64_t nonce, unsigned turn)
{
        (void)ask_turn(r, eid, nonce, turn, false);
}

/* Two at first, then one after the other. */
static bool
ask(struct router *r, struct mapping *m)
{
        if (m->outside != 0)
                foreign_ask(r, m->outside, m->nonce, &m->eid, m->pitr);
        else if (!ask_turn(r, &m->eid, m->nonce, m->tries, m->pitr))
                return false;
        m->tries++;
        m->said_no = 0;
        m->next_ms = r->now_ms + ROUTER_ASK_MS;
        router_wish(r, m->next_ms);
        return true;
}

/* Whether plain LISP may go to all RLOCs of @record, and there are some. */
static bool
rlocs_named(const struct router *r, const struct router_record *record)
{
        unsigned count = 0;

        for (unsigned i = 0; i < record->rloc_count; i++) {
                bool named = record->rloc[i].addr.family == 0;

                for (size_t j = 0; j < r->options.plain_count; j++)
                        named |= router_eid_covers(&r->options.plain_from[j], 0, &record->rloc[i].addr);
                if (!named)
                        return false;
                count += record->rloc[i].addr.family != 0;
        }
        return count > 0;
}

/* A mapping that the ledger gives to nobody, from @outside. NULL: policy names not all of its RLOCs. */
static struct mapping *
learn_outside(struct router *r, const struct router_record *record, uint8_t outside, uint32_t ttl_s)
{
        struct mapping *m = NULL;

        if (rlocs_named(r, record))
                m = put_mapping(r, &record->eid, MAPPING_PLAIN, ttl_s);
        if (m == NULL)
                return NULL;
        m->outside = outside;
        m->block = r->block;
        m->rloc_count = resolve_paths(record, m->rloc);
        return m;
}

static struct mapping *
learn_site(struct router *r, uint32_t iid, const struct router_addr *addr)
{
        const struct registration *g = server_site(r, iid, addr);
        struct router_record record;
        struct lx_reader rd;

        if (g == NULL)
                return NULL;
        rd = lx_reader_init(g->bytes, g->len);
        router_record_read(&rd, &record);
        return learn_outside(r, &record, OUTSIDE_SITE, (uint32_t)((g->expires_ms - r->now_ms + 999) / 1000));
}

struct mapping *
resolve_begin(struct router *r, uint32_t iid, const struct router_addr *addr, bool pitr)
{
        struct router_owner owner = {.eid = router_eid_host(iid, addr)};
        struct router_eid host = router_eid_host(iid, addr);
        uint8_t outside = 0;
        struct mapping *m;

        if (r->options.ledger.owner(r->options.ledger.arg, iid, addr, &owner) != LX_OK) {
                m = learn_site(r, iid, addr);
                outside = m == NULL ? foreign_for(r, iid, addr) : 0;
                if (m != NULL || outside == 0)
                        return m != NULL ? m : put_mapping(r, &owner.eid, MAPPING_NEGATIVE, ROUTER_NEGATIVE_S);
        }
        if (r->pending_count >= PENDING_MAX) {
                COUNT(r, refused_full);
                return NULL;
        }
        m = put_mapping(r, &host, MAPPING_PENDING, UINT32_MAX);
        if (m == NULL)
                return NULL;
        m->nonce = router_random_u64(r);
        m->outside = outside;
        m->pitr = pitr;
        if (ask(r, m))
                return m;
        return put_mapping(r, &host, MAPPING_NEGATIVE, ROUTER_NEGATIVE_S);
}

/* Whether the ledger, as of the newest block, still says of @m what it said when it was learnt. */
static bool
still_holds(struct router *r, struct mapping *m)
{
        const struct router_ledger *l = &r->options.ledger;
        struct router_owner owner;

        if (m->block == r->block || (m->kind != MAPPING_SEALED && m->kind != MAPPING_PLAIN))
                return true;
        if (m->outside != 0) {
                /* nobody has it on the ledger, as before; a site's registration ends with its time */
                if (l->owner(l->arg, m->eid.iid, &m->eid.addr, &owner) != LX_OK) {
                        m->block = r->block;
                        return true;
                }
                owner.eid.bits = 129; /* contains nothing */
        } else if (l->owner(l->arg, m->eid.iid, &m->eid.addr, &owner) != LX_OK) {
                owner.eid.bits = 129;
        }
        if (owner.eid.bits > 128 || !router_eid_contains(&owner.eid, &m->eid) ||
            memcmp(owner.key.b, m->key.b, LX_PUBKEY_LEN) != 0 || /* public */
            (owner.sealed && m->kind == MAPPING_PLAIN)) {
                struct router_eid eid = m->eid;

                COUNT(r, taken_back);
                (void)router_cache_remove(r->cache, &eid);
                return false;
        }
        m->reg = owner.reg;
        m->block = r->block;
        m->dest_ok.family = 0;
        return true;
}

/* A part of a prefix may be delegated to somebody else: only what the register itself covers goes its way. */
static bool
covers(struct router *r, struct mapping *m, const struct router_addr *addr)
{
        const struct router_ledger *l = &r->options.ledger;
        struct router_owner owner;

        if (m->kind != MAPPING_SEALED && m->kind != MAPPING_PLAIN)
                return true;
        if (m->eid.bits == (addr->family == 4 ? 32 : 128) || router_addr_eq(&m->dest_ok, addr))
                return true;
        if (l->owner(l->arg, m->eid.iid, addr, &owner) != LX_OK ? m->outside == 0
                                                                 : !lx_hash_eq(&owner.reg, &m->reg))
                return false;
        m->dest_ok = *addr;
        return true;
}

struct mapping *
resolve_get(struct router *r, uint32_t iid, const struct router_addr *addr, bool pitr)
{
        struct mapping *m = resolve_find(r, iid, addr);

        while (m != NULL && !still_holds(r, m))
                m = resolve_find(r, iid, addr);
        if (m != NULL && covers(r, m, addr))
                return m;
        return resolve_begin(r, iid, addr, pitr);
}

bool
resolve_recheck(struct router *r)
{
        for (unsigned i = 0; i < RECHECK_EACH && r->recheck_mapping < r->mapping_top; i++)
                (void)still_holds(r, &r->mapping[r->recheck_mapping++]);
        return r->recheck_mapping < r->mapping_top;
}

static void
give_up(struct router *r, struct mapping *m)
{
        struct router_eid eid = m->eid;

        data_unreachable(r, &m->queue);
        (void)put_mapping(r, &eid, MAPPING_NEGATIVE, ROUTER_NEGATIVE_S);
}

void
resolve_tick(struct router *r)
{
        uint32_t now = router_now_s(r);

        for (uint32_t i = 0; i < r->mapping_top && r->pending_count > 0; i++) {
                struct mapping *m = &r->mapping[i];

                if (m->kind != MAPPING_PENDING)
                        continue;
                if (m->next_ms <= r->now_ms && (m->tries >= 2 * ASK_TRIES || !ask(r, m)))
                        give_up(r, m);
                else
                        router_wish(r, m->next_ms);
        }
        router_cache_sweep(r->cache, now, 256);
}

/* ---- claims -------------------------------------------------------------------------------------- */

bool
resolve_check(struct router *r, const struct router_signed *claim, struct router_owner *out)
{
        const struct router_ledger *l = &r->options.ledger;
        const struct router_record *record = &claim->record;
        struct lx_hash tip;
        uint64_t time_ms;

        if (l->owner(l->arg, record->eid.iid, &record->eid.addr, out) != LX_OK ||
            !router_eid_contains(&out->eid, &record->eid)) {
                COUNT(r, refused_owner);
                return false;
        }
        if (!l->header(l->arg, &claim->header, &time_ms) || claim->expiry_ms <= l->tip(l->arg, &tip)) {
                COUNT(r, refused_expired);
                return false;
        }
        if (!router_signed_verify(claim, &l->chain_id, &out->key)) {
                COUNT(r, refused_signature);
                return false;
        }
        return true;
}

/* Which of our identities talks to EIDs of instance @iid. */
static uint8_t
identity_for(const struct router *r, uint32_t iid)
{
        for (uint8_t i = 0; i < r->options.identity_count; i++)
                if (r->options.identity[i].iid == iid)
                        return i;
        return 0;
}

static bool
all_plain(const struct router *r, const struct router_signed *claim, const struct router_owner *owner)
{
        return !owner->sealed && rlocs_named(r, &claim->record);
}

static void
move_queue(struct mapping *from, struct mapping *to)
{
        if (from->queue.first == NULL)
                return;
        to->queue.first = from->queue.first;
        to->queue.end = from->queue.end;
        to->queue.count = from->queue.count;
        queue_init(&from->queue);
}

/* The packets that waited for exactly the addresses in @m go its way. */
static void
take_over(struct router *r, struct mapping *m)
{
        for (uint32_t i = 0; i < r->mapping_top && r->pending_count > 0; i++) {
                struct mapping *p = &r->mapping[i];
                struct queue q;
                struct mapping hold = {0};

                if (p->kind != MAPPING_PENDING || p == m || !router_eid_contains(&m->eid, &p->eid))
                        continue;
                move_queue(p, &hold);
                q = hold.queue;
                if (!router_eid_eq(&p->eid, &m->eid)) {
                        struct router_eid eid = p->eid;

                        (void)router_cache_remove(r->cache, &eid);
                }
                if (q.first != NULL)
                        data_flush(r, &q);
        }
}

void
resolve_learn(
    struct router *r, const struct router_signed *claim, const struct router_owner *owner)
{
        uint32_t at = router_cache_get(r->cache, &claim->record.eid), ttl;
        struct queue waiting;
        struct mapping *m, hold = {0};
        bool plain = all_plain(r, claim, owner);
        struct peer *p = NULL;

        queue_init(&waiting);
        if (at != ROUTER_CACHE_NONE) {
                m = &r->mapping[at];
                if ((m->kind == MAPPING_SEALED || m->kind == MAPPING_PLAIN) &&
                    claim->sequence <= m->sequence && lx_ct_equal(m->key.b, owner->key.b, LX_PUBKEY_LEN)) {
                        if (claim->sequence < m->sequence)
                                COUNT(r, refused_stale);
                        return;
                }
                queue_init(&hold.queue);
                move_queue(m, &hold);
        }
        if (!plain && r->options.identity_count > 0)
                p = peer_for(r, identity_for(r, claim->record.eid.iid), claim->seal);
        ttl = claim->record.ttl_min > 60 * 24 * 7 ? 7 * 86400 : claim->record.ttl_min * 60;
        m = plain || p != NULL ? put_mapping(r, &claim->record.eid, plain ? MAPPING_PLAIN : MAPPING_SEALED, ttl) : NULL;
        if (m == NULL) {
                queue_drop(r, &hold.queue);
                return;
        }
        m->sequence = claim->sequence;
        m->key = owner->key;
        m->reg = owner->reg;
        m->block = r->block;
        m->rloc_count = resolve_paths(&claim->record, m->rloc);
        if (p != NULL) {
                m->peer = (uint32_t)(p - r->peer);
                peer_learn(r, p, claim, owner);
        }
        if (hold.queue.first != NULL) {
                waiting = hold.queue;
                data_flush(r, &waiting);
        }
        take_over(r, m);
}

/* ---- answers ------------------------------------------------------------------------------------- */

static struct mapping *
find_question(struct router *r, uint64_t nonce)
{
        for (uint32_t i = 0; i < r->mapping_top && r->pending_count > 0; i++)
                if (r->mapping[i].kind == MAPPING_PENDING && r->mapping[i].nonce == nonce)
                        return &r->mapping[i];
        return NULL;
}

/* A node that knows nothing: when both say so, no more need be asked in this round. */
static void
take_no(struct router *r, struct mapping *m)
{
        if (++m->said_no < 2 && m->tries < ROUTER_PLACES)
                return;
        if (m->tries >= ROUTER_PLACES)
                give_up(r, m);
        else
                m->next_ms = r->now_ms;
        router_wish(r, r->now_ms);
}

/* Whether @asked, which a record of @owner's register covers, is not delegated to somebody else. */
static bool
says_of(struct router *r, const struct router_owner *owner, const struct router_eid *asked)
{
        struct router_owner other;

        if (r->options.ledger.owner(r->options.ledger.arg, asked->iid, &asked->addr, &other) == LX_OK &&
            lx_hash_eq(&owner->reg, &other.reg))
                return true;
        COUNT(r, refused_owner);
        return false;
}

/* What a foreign map-server, or the site that it asked, says; the nonce is what it is believed by. */
static void
take_foreign(struct router *r, struct mapping *m, const struct router_record *record)
{
        const struct router_foreign *f = &r->options.foreign[m->outside - 1];
        struct router_eid eid = m->eid;
        struct mapping hold = {0}, *now;
        struct queue waiting;
        uint32_t ttl = record->ttl_min < FOREIGN_TTL_MIN ? record->ttl_min * 60 : FOREIGN_TTL_MIN * 60;

        if (record->rloc_count == 0) {
                give_up(r, m);
                return;
        }
        if (!record->eid_usable || !router_eid_contains(&record->eid, &eid) ||
            !router_eid_contains(&f->eid, &record->eid)) {
                COUNT(r, refused_owner);
                return;
        }
        queue_init(&hold.queue);
        move_queue(m, &hold);
        now = learn_outside(r, record, m->outside, ttl > 0 ? ttl : 60);
        waiting = hold.queue;
        if (now == NULL) {
                COUNT(r, drop_plain_stranger);
                data_unreachable(r, &waiting);
                (void)put_mapping(r, &eid, MAPPING_NEGATIVE, ROUTER_NEGATIVE_S);
                return;
        }
        if (!router_eid_eq(&record->eid, &eid))
                (void)router_cache_remove(r->cache, &eid);
        if (waiting.first != NULL)
                data_flush(r, &waiting);
        take_over(r, now);
}

void
resolve_reply(struct router *r, const struct router_at *from, const uint8_t *bytes, size_t len)
{
        struct router_map_reply reply;
        struct lx_reader rd;
        const struct router_eid *asked;
        struct mapping *m;

        if (router_map_reply_decode(bytes, len, &reply, &rd) != LX_OK) {
                COUNT(r, drop_malformed);
                return;
        }
        m = find_question(r, reply.nonce);
        asked = m != NULL ? &m->eid : peer_asked(r, reply.nonce);
        for (unsigned i = 0; i < reply.record_count && rd.err == LX_OK; i++) {
                struct router_record record;
                struct router_signed claim;
                struct router_owner owner;

                router_record_read(&rd, &record);
                if (rd.err != LX_OK)
                        break;
                if (reply.probe) {
                        if (!peer_reply(r, from, &reply, &record))
                                COUNT(r, refused_nonce);
                        continue;
                }
                if (asked == NULL) {
                        COUNT(r, refused_nonce);
                        return;
                }
                if (m != NULL && m->outside != 0) {
                        take_foreign(r, m, &record);
                        return;
                }
                if (!router_signed_take(&record, &claim)) {
                        if (m != NULL)
                                take_no(r, m);
                        return;
                }
                if (!router_eid_contains(&claim.record.eid, asked))
                        COUNT(r, refused_owner);
                else if (resolve_check(r, &claim, &owner) && says_of(r, &owner, asked)) {
                        resolve_learn(r, &claim, &owner);
                        relay_hint(r, from, &record, &owner);
                }
                return;
        }
        if (rd.err != LX_OK)
                COUNT(r, drop_malformed);
}

void
router_resolve(
    struct router *router, uint64_t now_ms, uint32_t iid, const struct router_addr *addr)
{
        router->now_ms = now_ms;
        if (resolve_find(router, iid, addr) == NULL)
                (void)resolve_begin(router, iid, addr, false);
}
