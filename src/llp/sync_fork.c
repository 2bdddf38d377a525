/*
 * llp/sync_fork.c - two certified headers of one height: the network has forked; who signed both is named.
 *
 * A peer is doubted when a certified header of its does not follow from ours, or when its status names another
 * header than the one we have there. Then it is asked for its headers up to ours, newest first:
 *   every certificate verifies, some headers are not ours   it is on another branch: not asked any more,
 *       not punished (it may be as honest as we are); where certificates of both branches, of the same round and the
 *       same set, stand against each other, whoever signed both is named by evidence (ledger/evidence.h)
 *   they are ours, or don't verify                          it lied
 * Certificates of different rounds name nobody: a lock may have been given up for good reason between them.
 */
#include "config.h"
#include "llp/sync_int.h"

#include "base/log.h"
#include "crypto/hash.h"
#include "ledger/evidence.h"
#include "llp/message.h"
#include "llp/net.h"

#include <string.h>

#define WINDOWS_MAX 64     /* of RUN_HEADERS_MAX headers, downwards */
#define RETRY_BLOCKS 16    /* another look when there are so many more */
#define RETRIES_MAX 8
#define PAUSE_MS 2000      /* a peer in doubt is asked for nothing else */

/* One header of ours; @cert is empty above the tip. */
struct ours {
        struct ledger_header header;
        struct lx_hash hash;
        struct lx_buf cert;
};

/* What comparing the answer showed. */
struct finding {
        unsigned equal, different;
        uint64_t lowest;      /* that differs */
        struct lx_hash valset; /* whose members the bits are */
        uint8_t named[LEDGER_VOTERS_BYTES];
        bool any_named;
};

/* ---- doubting ---------------------------------------------------------------------------------- */

static void
end_doubt(struct llp_sync *sync)
{
        if (sync->doubt != NULL && sync->doubt->state != PART_CHECKING)
                llp_sync_free_run(sync->doubt);
        sync->doubt = NULL;
}

void
llp_sync_doubt_clear(struct llp_sync *sync)
{
        if (sync->doubt != NULL && sync->stopping)
                sync->doubt->state = PART_WANTED; /* its job is over */
        end_doubt(sync);
}

/* Look at the window that ends with @top. */
static void
look_below(struct llp_sync *sync, uint32_t peer, uint64_t top)
{
        struct run *run = lx_alloc(sizeof(*run));

        run->from = top > RUN_HEADERS_MAX ? top - RUN_HEADERS_MAX + 1 : 1;
        run->count = (unsigned)(top - run->from + 1);
        run->peer = peer;
        sync->doubt = run;
}

void
llp_sync_doubt(struct llp_sync *sync, uint32_t handle)
{
        struct sync_peer *peer = llp_sync_find_peer(sync, handle);
        uint64_t top = sync->verified.height;

        if (peer == NULL || !llp_sync_is_of_use(peer))
                return;
        peer->pause_until_ms = sync->now_ms + PAUSE_MS;
        if (peer->status.height < top)
                top = peer->status.height;
        if (sync->doubt != NULL || top == 0)
                return; /* its turn comes when it fails again */
        sync->doubt_windows = 0;
        look_below(sync, handle, top);
}

void
llp_sync_see_status(struct llp_sync *sync, const struct sync_peer *peer)
{
        uint64_t height = peer->status.height;
        struct ledger_header header;
        struct ledger_view *view;
        struct lx_hash hash;

        if (height == 0 || height > sync->tip || sync->doubt != NULL || sync->snapshot != NULL)
                return;
        view = ledger_view_new(sync->options.ledger);
        if (ledger_get_header(view, height, &header) == LX_OK) {
                ledger_header_hash(&lx_crypto_ops()->hash, &header, &hash);
                if (!lx_hash_eq(&hash, &peer->status.tip))
                        llp_sync_doubt(sync, peer->handle);
        }
        ledger_view_unref(view);
}

/* A branch whose culprits could not be named yet: later heights may do it. */
static void
look_again(struct llp_sync *sync)
{
        for (size_t i = 0; i < sync->peer_count && sync->doubt == NULL; i++) {
                struct sync_peer *peer = sync->peer[i];
                uint64_t top = peer->status.height < sync->tip ? peer->status.height : sync->tip;

                if (!peer->forked || peer->fork_named || peer->bad || top < peer->fork_height ||
                    peer->fork_looks >= RETRIES_MAX ||
                    (peer->fork_tip >= peer->fork_height && top < peer->fork_tip + RETRY_BLOCKS))
                        continue;
                peer->fork_looks++;
                peer->fork_tip = top;
                sync->doubt_windows = WINDOWS_MAX; /* only the newest */
                look_below(sync, peer->handle, top);
        }
}

void
llp_sync_plan_doubt(struct llp_sync *sync)
{
        struct llp_request request = {0};
        struct run *run;
        struct sync_peer *peer;

        look_again(sync);
        run = sync->doubt;
        if (run == NULL || run->state != PART_WANTED)
                return;
        peer = llp_sync_find_peer(sync, run->peer);
        if (peer == NULL || peer->bad) {
                end_doubt(sync);
                return;
        }
        if (peer->under_way >= LLP_SYNC_INFLIGHT_MAX)
                return;
        request.from = run->from;
        request.count = (uint16_t)run->count;
        run->ask = llp_sync_ask(sync, peer, LLP_GET_HEADERS, &request);
        if (run->ask != 0)
                run->state = PART_ASKED;
}

bool
llp_sync_doubt_came(struct llp_sync *sync, struct ask *ask)
{
        struct run *run = sync->doubt;

        if (run == NULL || run->state != PART_ASKED || run->ask != ask->id)
                return false;
        llp_sync_check_run(sync, run, ask);
        return true;
}

bool
llp_sync_doubt_failed(struct llp_sync *sync, const struct ask *ask)
{
        struct run *run = sync->doubt;

        if (run == NULL || run->state != PART_ASKED || run->ask != ask->id)
                return false;
        end_doubt(sync);
        return true;
}

/* ---- comparing --------------------------------------------------------------------------------- */

static bool
get_ours(struct llp_sync *sync, struct ledger_view *view, uint64_t height, struct ours *out)
{
        const struct ahead *ahead;

        lx_buf_reset(&out->cert);
        if (height <= ledger_view_header(view)->height) {
                if (ledger_get_header(view, height, &out->header) != LX_OK ||
                    ledger_get_cert(view, height, &out->cert) != LX_OK)
                        return false;
                ledger_header_hash(&lx_crypto_ops()->hash, &out->header, &out->hash);
                return true;
        }
        ahead = llp_sync_ahead(sync, height);
        if (ahead == NULL)
                return false;
        out->header = ahead->header;
        out->hash = ahead->hash;
        return true;
}

/* Both certificates are verified, against one set: who signed both, when they are of one round. */
static bool
find_common(struct lx_span a, struct lx_span b, size_t set_count, uint8_t out[LEDGER_VOTERS_BYTES])
{
        size_t len = (set_count + 7) / 8;
        bool any = false;

        memset(out, 0, LEDGER_VOTERS_BYTES);
        if (a.len < 4 + len || b.len < 4 + len || memcmp(a.p, b.p, 4) != 0) /* public */
                return false;
        for (size_t i = 0; i < len; i++) {
                out[i] = a.p[4 + i] & b.p[4 + i];
                any = any || out[i] != 0;
        }
        return any;
}

/* Evidence that names somebody who was not named yet. */
static void
name_signers(struct llp_sync *sync, const struct ours *ours, const struct certified *theirs,
    struct finding *found)
{
        struct ledger_evidence evidence = {.kind = LEDGER_EVIDENCE_CERTS,
            .height = ours->header.height,
            .header = {ours->hash, theirs->hash},
            .cert = {lx_buf_span(&ours->cert), theirs->cert}};
        struct sigchain_valset *set = lx_alloc(sizeof(*set));
        uint8_t both[LEDGER_VOTERS_BYTES];
        struct lx_buf tx = {0};
        bool news = false;

        if (!lx_hash_eq(&found->valset, &ours->header.valset)) {
                found->valset = ours->header.valset;
                memset(found->named, 0, sizeof(found->named));
        }
        if (sigchain_valset_decode(theirs->set.p, theirs->set.len, set) == LX_OK &&
            find_common(evidence.cert[0], evidence.cert[1], set->count, both))
                for (size_t i = 0; i < LEDGER_VOTERS_BYTES; i++) {
                        news = news || (both[i] & ~found->named[i]) != 0;
                        found->named[i] |= both[i];
                }
        lx_free(set);
        if (!news)
                return;
        found->any_named = true;
        ledger_evidence_make_tx(&ours->header.chain_id, &evidence, &tx);
        if (tx.len > 0 && sync->options.on_evidence != NULL)
                sync->options.on_evidence(sync->options.arg, tx.p, tx.len);
        lx_buf_clear(&tx);
}

static void
compare(struct llp_sync *sync, const struct run *run, struct finding *found)
{
        struct ledger_view *view = ledger_view_new(sync->options.ledger);
        struct ours ours = {.cert = {0}};

        for (unsigned i = 0; i < run->got; i++) {
                const struct certified *theirs = &run->entry[i];

                if (!get_ours(sync, view, theirs->header.height, &ours))
                        continue;
                if (lx_hash_eq(&ours.hash, &theirs->hash)) {
                        found->equal++;
                        continue;
                }
                if (found->different++ == 0)
                        found->lowest = theirs->header.height;
                if (ours.cert.len > 0 && lx_hash_eq(&ours.header.valset, &theirs->header.valset))
                        name_signers(sync, &ours, theirs, found);
        }
        lx_buf_clear(&ours.cert);
        ledger_view_unref(view);
}

/* Its headers are what was asked for and follow each other. */
static bool
is_a_chain(const struct llp_sync *sync, const struct run *run)
{
        for (unsigned i = 0; i < run->got; i++) {
                const struct ledger_header *header = &run->entry[i].header;

                if (header->height != run->from + i ||
                    !lx_hash_eq(&header->chain_id, &sync->verified.chain_id) ||
                    (i > 0 && !lx_hash_eq(&header->previous, &run->entry[i - 1].hash)))
                        return false;
        }
        return true;
}

static void
note_fork(struct llp_sync *sync, struct sync_peer *peer, const struct finding *found)
{
        if (!peer->forked) {
                peer->fork_height = found->lowest;
                log_error(LLP, "the network has forked: a peer has another certified block",
                    "peer=%u height=%llu culprits=%s next=\"%s\"", peer->handle,
                    (unsigned long long)found->lowest, found->any_named ? "named" : "not named",
                    "this node stays on its branch; compare block hashes with other operators");
                peer->fork_tip = sync->tip;
        }
        peer->forked = true;
        if (found->lowest < peer->fork_height)
                peer->fork_height = found->lowest;
        peer->fork_named = peer->fork_named || found->any_named;
}

static void
judge(struct llp_sync *sync, struct sync_peer *peer, const struct run *run)
{
        struct finding found = {0};
        bool reached = run->from + run->got > sync->verified.height ||
            run->from + run->got > peer->status.height;

        compare(sync, run, &found);
        if (found.different > 0) {
                note_fork(sync, peer, &found);
                if (found.equal == 0 && !found.any_named && run->from > 1 &&
                    ++sync->doubt_windows < WINDOWS_MAX) {
                        uint64_t top = run->from - 1;

                        end_doubt(sync);
                        look_below(sync, peer->handle, top);
                        return;
                }
        } else if (reached && found.equal == run->got && !peer->forked) {
                llp_sync_punish(sync, peer->handle, LLP_PUNISH_BAN,
                    "its headers are ours, and then another follows on one that it does not have");
        }
        end_doubt(sync);
}

void
llp_sync_doubt_checked(struct llp_sync *sync, enum lx_err err, unsigned bad)
{
        struct run *run = sync->doubt;
        struct sync_peer *peer = llp_sync_find_peer(sync, run->peer);

        run->state = PART_READY;
        if (peer == NULL || peer->bad) {
                end_doubt(sync);
        } else if (err != LX_OK || !is_a_chain(sync, run)) {
                llp_sync_punish(sync, peer->handle, LLP_PUNISH_BAN, "header %llu: %s",
                    (unsigned long long)(run->from + bad),
                    err != LX_OK ? lx_err_text(err) : "it does not follow from the one before");
                end_doubt(sync);
        } else if (run->got == 0) {
                llp_sync_punish(sync, peer->handle, 20, "no headers came");
                end_doubt(sync);
        } else {
                judge(sync, peer, run);
        }
}
