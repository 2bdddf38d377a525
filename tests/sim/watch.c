/* sim/watch.c - see sim/watch.h. */
#include "config.h"
#include "sim/watch.h"

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "kit/author.h"
#include "ledger/evidence.h"
#include "ledger/vote.h"
#include "llp/message.h"
#include "sigchain/params.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 400

/* What a key signed at one (height, round, step). */
struct signed_thing {
        struct lx_hash value;
        uint32_t valid_round;
};

/* The newest lock of a key at a height, as its precommits show it. */
struct lock {
        uint32_t round;
        struct lx_hash value;
};

/* Honest prevotes for one value at one (height, round). */
struct polka {
        uint8_t voters[LEDGER_VOTERS_BYTES];
};

/* A vote of anybody. */
struct ballot_list {
        struct ballot_list *next;
        struct ledger_ballot ballot;
};

/* A set in force from a height on. */
struct era {
        uint64_t from;
        struct lx_buf bytes;
        struct sigchain_valset set; /* into bytes */
};

struct watch {
        struct lx_hash chain_id;
        size_t key_count;
        const bool *honest;
        struct lx_pubkey key[WORLD_NODES_MAX];
        struct era *eras;
        size_t era_count;
        struct lx_map *headers; /* height -> lx_hash */
        struct lx_map *signatures;
        struct lx_map *locks;
        struct lx_map *polkas;
        struct lx_arena *arena;
        struct lx_map *known;          /* votes seen, by their bytes */
        struct ballot_list *ballots;   /* all of them, newest first */
        uint64_t tip[WORLD_NODES_MAX]; /* of honest nodes, as told */
        uint64_t height;
        uint32_t named; /* keys, by evidence made of certificates */
        bool forked;    /* a fork was forgiven: sets and rounds are not one story any more */
        FILE *trace;
        char text[TEXT_MAX];
};

__attribute__((format(printf, 2, 3))) static void
violate(struct watch *w, const char *fmt, ...)
{
        va_list args;

        if (w->text[0] != '\0')
                return;
        va_start(args, fmt);
        (void)vsnprintf(w->text, sizeof(w->text), fmt, args);
        va_end(args);
}

/* ---- validator sets ---------------------------------------------------------------------------- */

static const struct sigchain_valset *
set_at(const struct watch *w, uint64_t height)
{
        size_t i = w->era_count - 1;

        while (i > 0 && w->eras[i].from > height)
                i--;
        return &w->eras[i].set;
}

static void
begin_era(struct watch *w, uint64_t from, const void *bytes, size_t len)
{
        struct era *era;

        w->eras = lx_realloc(w->eras, (w->era_count + 1) * sizeof(*w->eras));
        era = &w->eras[w->era_count++];
        *era = (struct era){.from = from};
        lx_buf_append(&era->bytes, bytes, len);
        lx_assert(sigchain_valset_decode(era->bytes.p, era->bytes.len, &era->set) == LX_OK);
}

/* Which of the known keys a place in the set is; key_count: none of them. */
static size_t
key_of(const struct watch *w, uint64_t height, uint16_t voter)
{
        const struct sigchain_valset *set = set_at(w, height);
        size_t i = 0;

        if (voter >= set->count)
                return w->key_count;
        while (i < w->key_count && memcmp(w->key[i].b, set->v[voter].key.b, LX_PUBKEY_LEN) != 0)
                i++;
        return i;
}

static uint64_t
faulty_power(const struct watch *w, uint64_t height)
{
        const struct sigchain_valset *set = set_at(w, height);
        uint64_t power = 0;

        for (size_t i = 0; i < set->count; i++) {
                size_t key = key_of(w, height, (uint16_t)i);

                if (key == w->key_count || !w->honest[key])
                        power += set->v[i].power;
        }
        return power;
}

/* ---- votes ------------------------------------------------------------------------------------- */

struct place {
        uint64_t key, height, round, step;
};

static void
check_signing(
    struct watch *w, const struct place *place, const struct lx_hash *value, uint32_t valid_round)
{
        struct signed_thing *seen = lx_map_get(w->signatures, place, sizeof(*place));

        if (seen == NULL) {
                seen = lx_arena_alloc(w->arena, sizeof(*seen));
                *seen = (struct signed_thing){*value, valid_round};
                (void)lx_map_put(w->signatures, place, sizeof(*place), seen);
        } else if (!lx_hash_eq(&seen->value, value) || seen->valid_round != valid_round) {
                violate(w, "signing: key %llu signed twice at height %llu round %llu step %llu",
                    (unsigned long long)place->key, (unsigned long long)place->height,
                    (unsigned long long)place->round, (unsigned long long)place->step);
        }
}

static struct polka *
polka_at(struct watch *w, uint64_t height, uint32_t round, const struct lx_hash *value)
{
        uint8_t key[8 + 4 + LX_HASH_LEN];
        struct lx_writer wr = lx_writer_init(key, sizeof(key));
        struct polka *polka;

        lx_write_u64(&wr, height);
        lx_write_u32(&wr, round);
        lx_write_hash(&wr, value);
        polka = lx_map_get(w->polkas, key, sizeof(key));
        if (polka == NULL) {
                polka = lx_arena_alloc(w->arena, sizeof(*polka));
                (void)lx_map_put(w->polkas, key, sizeof(key), polka);
        }
        return polka;
}

static bool
may_be_polka(struct watch *w, uint64_t height, uint32_t round, const struct lx_hash *value)
{
        const struct sigchain_valset *set = set_at(w, height);
        const struct polka *polka = polka_at(w, height, round, value);
        uint64_t power = faulty_power(w, height);

        for (size_t i = 0; i < set->count; i++)
                if (ledger_bit(polka->voters, i))
                        power += set->v[i].power;
        return sigchain_is_two_thirds(power, set->total);
}

static void
check_lock(struct watch *w, const struct ledger_ballot *b, size_t key)
{
        uint64_t place[2] = {key, b->height};
        const struct lock *lock = lx_map_get(w->locks, place, sizeof(place));

        if (lock == NULL || lx_hash_is_zero(&b->value) || lx_hash_eq(&lock->value, &b->value) ||
            b->round <= lock->round)
                return;
        if (b->valid_round == LEDGER_NO_ROUND || b->valid_round < lock->round ||
            b->valid_round >= b->round)
                violate(w,
                    "lock: key %zu, locked in round %u of height %llu, prevotes another value in "
                    "round %u",
                    key, lock->round, (unsigned long long)b->height, b->round);
        else if (!may_be_polka(w, b->height, b->valid_round, &b->value))
                violate(w,
                    "lock: key %zu gave up its lock at height %llu for round %u without its "
                    "prevotes",
                    key, (unsigned long long)b->height, b->valid_round);
}

static void
note_lock(struct watch *w, const struct ledger_ballot *b, size_t key)
{
        uint64_t place[2] = {key, b->height};
        struct lock *lock = lx_map_get(w->locks, place, sizeof(place));

        if (lx_hash_is_zero(&b->value) || (lock != NULL && lock->round >= b->round))
                return;
        if (lock == NULL) {
                lock = lx_arena_alloc(w->arena, sizeof(*lock));
                (void)lx_map_put(w->locks, place, sizeof(place), lock);
        }
        *lock = (struct lock){b->round, b->value};
}

static void
keep_ballot(struct watch *w, const uint8_t *bytes, size_t len, const struct ledger_ballot *ballot)
{
        struct ballot_list *item = lx_map_get(w->known, bytes, len);

        if (item != NULL)
                return;
        item = lx_arena_alloc(w->arena, sizeof(*item));
        *item = (struct ballot_list){.next = w->ballots, .ballot = *ballot};
        w->ballots = item;
        (void)lx_map_put(w->known, bytes, len, item);
        if (w->trace != NULL)
                (void)fprintf(w->trace,
                    "             %s of %u at height %llu round %u: %02x%02x%02x%02x, valid round "
                    "%d\n",
                    ballot->type == LEDGER_VOTE_PREVOTE ? "prevote" : "precommit", ballot->voter,
                    (unsigned long long)ballot->height, ballot->round, ballot->value.b[0],
                    ballot->value.b[1], ballot->value.b[2], ballot->value.b[3],
                    (int)ballot->valid_round);
}

/* Whether the two votes convict their voter, by evidence as it goes into a transaction. */
static bool
convict(const struct watch *w, const struct ledger_ballot *a, const struct ledger_ballot *b)
{
        struct ledger_evidence *made = lx_alloc(sizeof(*made)), *read = lx_alloc(sizeof(*read));
        uint8_t bytes[1 + 8 + 2 * LEDGER_BALLOT_LEN], culprits[LEDGER_VOTERS_BYTES];
        struct lx_writer wr = lx_writer_init(bytes, sizeof(bytes));
        bool guilty;

        made->kind = LEDGER_EVIDENCE_VOTES;
        made->height = a->height;
        made->ballot[0] = *a;
        made->ballot[1] = *b;
        ledger_evidence_encode(made, &wr);
        guilty = lx_writer_end(&wr) == LX_OK &&
                 ledger_evidence_decode(bytes, wr.len, read) == LX_OK &&
                 ledger_evidence_verify(lx_crypto_ops(), &w->chain_id, read, set_at(w, a->height),
                     culprits) == LX_OK &&
                 ledger_bit(culprits, a->voter);
        lx_free(made);
        lx_free(read);
        return guilty;
}

uint32_t
watch_convicted(const struct watch *w)
{
        uint32_t convicted = 0;

        for (const struct ballot_list *a = w->ballots; a != NULL; a = a->next)
                for (const struct ballot_list *b = a->next; b != NULL; b = b->next) {
                        size_t key = key_of(w, a->ballot.height, a->ballot.voter);

                        if (a->ballot.height == b->ballot.height &&
                            a->ballot.voter == b->ballot.voter && key < w->key_count &&
                            (convicted >> key & 1) == 0 && convict(w, &a->ballot, &b->ballot))
                                convicted |= 1u << key;
                }
        return convicted;
}

/* Two branches may have two sets at a height: then only the signature says whose vote it is. */
static bool
is_vote_of(const struct watch *w, size_t key, const struct ledger_ballot *ballot)
{
        struct lx_hash msg;

        if (!w->forked)
                return true;
        ledger_ballot_message(&lx_crypto_ops()->hash, &w->chain_id, ballot, &msg);
        return lx_verify(&w->key[key], &msg, &ballot->sig);
}

static void
see_vote(struct watch *w, const uint8_t *bytes, size_t len)
{
        struct ledger_ballot b;
        struct place place;
        size_t key;

        if (ledger_ballot_decode(bytes, len, &b) != LX_OK) {
                violate(w, "an honest node sent a vote that does not decode");
                return;
        }
        keep_ballot(w, bytes, len, &b);
        key = key_of(w, b.height, b.voter);
        if (key == w->key_count || !w->honest[key] || !is_vote_of(w, key, &b))
                return;
        place = (struct place){key, b.height, b.round, b.type};
        check_signing(w, &place, &b.value, b.valid_round);
        if (w->forked)
                return;
        if (b.type == LEDGER_VOTE_PREVOTE) {
                check_lock(w, &b, key);
                ledger_bit_set(polka_at(w, b.height, b.round, &b.value)->voters, b.voter);
        } else {
                note_lock(w, &b, key);
        }
}

/* A proposal is its sender's own when the sender's key made the signature. */
static void
see_proposal(struct watch *w, const struct node *node, const uint8_t *bytes, size_t len)
{
        size_t key = node_options(node)->key;
        struct ledger_proposal p;
        struct lx_hash msg;
        struct place place;

        if (ledger_proposal_decode(bytes, len, &p) != LX_OK) {
                violate(w, "an honest node sent a proposal that does not decode");
                return;
        }
        ledger_proposal_message(&lx_crypto_ops()->hash, &p, NULL, &msg);
        if (key == SIZE_MAX || !lx_verify(&w->key[key], &msg, &p.sig))
                return;
        place = (struct place){key, p.header.height, p.round, LEDGER_VOTE_PROPOSAL};
        if (w->trace != NULL && lx_map_get(w->signatures, &place, sizeof(place)) == NULL)
                (void)fprintf(w->trace,
                    "             proposal of key %zu at height %llu round %u, valid round %d, %u "
                    "parts\n",
                    key, (unsigned long long)p.header.height, p.round, (int)p.valid_round,
                    p.part_count);
        check_signing(w, &place, &msg, p.valid_round);
}

/* Evidence that an honest node made or passed on: of certificates, it is noted whom it names. */
static void
see_evidence(struct watch *w, const uint8_t *bytes, size_t len)
{
        struct ledger_evidence *evidence = lx_alloc(sizeof(*evidence));
        struct sigchain_tx *tx = lx_alloc(sizeof(*tx));
        uint8_t culprits[LEDGER_VOTERS_BYTES];

        if (sigchain_tx_decode(&lx_crypto_ops()->hash, bytes, len, tx) == LX_OK &&
            ledger_evidence_decode(tx->evidence.p, tx->evidence.len, evidence) == LX_OK &&
            evidence->kind == LEDGER_EVIDENCE_CERTS &&
            ledger_evidence_verify(lx_crypto_ops(), &w->chain_id, evidence,
                set_at(w, evidence->height), culprits) == LX_OK)
                for (uint16_t i = 0; i < set_at(w, evidence->height)->count; i++) {
                        size_t key = key_of(w, evidence->height, i);

                        if (ledger_bit(culprits, i) && key < w->key_count)
                                w->named |= 1u << key;
                }
        lx_free(evidence);
        lx_free(tx);
}

static void
sent(void *arg, struct node *node, unsigned type, const uint8_t *bytes, size_t len)
{
        if (!node_options(node)->honest)
                return;
        if (type == LLP_VOTE)
                see_vote(arg, bytes, len);
        else if (type == LLP_PROPOSAL)
                see_proposal(arg, node, bytes, len);
        else if (type == LLP_EVIDENCE)
                see_evidence(arg, bytes, len);
}

/* ---- blocks ------------------------------------------------------------------------------------ */

static void
check_agreement(struct watch *w, size_t number, const struct ledger_header *header)
{
        struct lx_hash hash, *seen;

        ledger_header_hash(&lx_crypto_ops()->hash, header, &hash);
        seen = lx_map_get(w->headers, &header->height, sizeof(header->height));
        if (seen == NULL) {
                seen = lx_arena_memdup(w->arena, &hash, sizeof(hash));
                (void)lx_map_put(w->headers, &header->height, sizeof(header->height), seen);
        } else if (!lx_hash_eq(seen, &hash)) {
                violate(w, "agreement: node %zu has another header at height %llu", number,
                    (unsigned long long)header->height);
        }
}

static void
check_cert(struct watch *w, struct node *node, struct ledger_view *view,
    const struct ledger_header *header)
{
        struct lx_buf cert = {0}, bytes = {0};
        struct sigchain_valset *set = lx_alloc(sizeof(*set));

        if (ledger_get_cert(view, header->height, &cert) != LX_OK ||
            ledger_get_valset(view, &header->valset, &bytes) != LX_OK ||
            sigchain_valset_decode(bytes.p, bytes.len, set) != LX_OK ||
            ledger_cert_verify(lx_crypto_ops(), header, set, cert.p, cert.len) != LX_OK)
                violate(w, "certificates: node %zu has none that holds at height %llu",
                    node_options(node)->number, (unsigned long long)header->height);
        lx_buf_clear(&cert);
        lx_buf_clear(&bytes);
        lx_free(set);
}

static void
note_set(struct watch *w, struct ledger_view *view, const struct ledger_header *header)
{
        struct lx_buf bytes = {0};

        if (header->height < w->eras[w->era_count - 1].from ||
            lx_hash_eq(&header->valset, &header->next_valset))
                return;
        if (ledger_get_valset(view, &header->next_valset, &bytes) == LX_OK)
                begin_era(w, header->height + 1, bytes.p, bytes.len);
        lx_buf_clear(&bytes);
}

static void
block(void *arg, struct node *node, const struct ledger_header *header)
{
        struct watch *w = arg;
        const struct node_options *options = node_options(node);
        struct ledger_view *view;

        if (!options->honest)
                return;
        check_agreement(w, options->number, header);
        if (header->height <= w->tip[options->number])
                violate(w, "integrity: node %zu went from height %llu to %llu", options->number,
                    (unsigned long long)w->tip[options->number],
                    (unsigned long long)header->height);
        w->tip[options->number] = header->height;
        if (header->height > w->height)
                w->height = header->height;
        view = ledger_view_new(node_ledger(node));
        check_cert(w, node, view, header);
        note_set(w, view, header);
        ledger_view_unref(view);
}

static void
punished(void *arg, struct node *node, size_t other, unsigned points, const char *reason)
{
        struct watch *w = arg;

        (void)other;
        if (node_options(node)->honest && points >= LLP_PUNISH_BAN && other < w->key_count &&
            w->honest[other])
                violate(w, "framing: node %zu bans honest node %zu: %s", node_options(node)->number,
                    other, reason);
}

void
watch_started(struct watch *w, struct node *node)
{
        size_t number = node_options(node)->number;

        if (node_options(node)->honest && node_height(node) < w->tip[number])
                violate(w, "integrity: node %zu lost blocks %llu to %llu over its restart", number,
                    (unsigned long long)node_height(node) + 1, (unsigned long long)w->tip[number]);
}

void
watch_wiped(struct watch *w, struct node *node)
{
        w->tip[node_options(node)->number] = 0;
}

/* ---- life -------------------------------------------------------------------------------------- */

struct watch *
watch_new(const struct lx_buf *genesis, const bool *honest_key, size_t key_count)
{
        struct watch *w = lx_alloc(sizeof(*w));
        struct sigchain_genesis *doc = lx_alloc(sizeof(*doc));
        uint8_t set[SIGCHAIN_VALSET_BYTES_MAX];
        struct lx_writer wr = lx_writer_init(set, sizeof(set));

        lx_assert(key_count <= WORLD_NODES_MAX);
        lx_assert(sigchain_genesis_decode(genesis->p, genesis->len, doc) == LX_OK);
        sigchain_valset_encode(&doc->validators, &wr);
        sigchain_chain_id(&lx_crypto_ops()->hash, genesis->p, genesis->len, &w->chain_id);
        begin_era(w, 0, set, wr.len);
        w->honest = honest_key;
        w->key_count = key_count;
        for (size_t i = 0; i < key_count; i++) {
                uint8_t secret[32];

                kit_validator_key(i, secret);
                lx_assert(lx_sign_pubkey(secret, &w->key[i]) == LX_OK);
        }
        w->headers = lx_map_new(1);
        w->known = lx_map_new(1);
        w->signatures = lx_map_new(1);
        w->locks = lx_map_new(1);
        w->polkas = lx_map_new(1);
        w->arena = lx_arena_new(0);
        lx_free(doc);
        return w;
}

void
watch_free(struct watch *w)
{
        if (w == NULL)
                return;
        for (size_t i = 0; i < w->era_count; i++)
                lx_buf_clear(&w->eras[i].bytes);
        lx_free(w->eras);
        lx_map_free(w->headers);
        lx_map_free(w->known);
        lx_map_free(w->signatures);
        lx_map_free(w->locks);
        lx_map_free(w->polkas);
        lx_arena_free(w->arena);
        lx_free(w);
}

void
watch_trace(struct watch *w, FILE *trace)
{
        w->trace = trace;
}

struct node_watch
watch_hooks(struct watch *w)
{
        return (struct node_watch){.sent = sent, .block = block, .punished = punished, .arg = w};
}

const char *
watch_violation(const struct watch *w)
{
        return w->text[0] != '\0' ? w->text : NULL;
}

void
watch_forgive(struct watch *w)
{
        w->forked = true;
        w->text[0] = '\0';
}

uint32_t
watch_named(const struct watch *w)
{
        return w->named;
}

uint64_t
watch_height(const struct watch *w)
{
        return w->height;
}
