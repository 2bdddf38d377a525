/* llp/sync_blobs.c - manifests and leaf hashes that are not here: part by part, from one peer at a time. */
#include "config.h"
#include "llp/sync_int.h"

#include "llp/message.h"

#include <string.h>

#define BLOB_TRIES_MAX 16 /* then a leaf list that nobody has is done without */

bool
llp_sync_fetch_blob(struct llp_sync *sync, unsigned kind, const struct lx_hash *root)
{
        for (size_t i = 0; i < sync->fetch_count; i++)
                if (sync->fetch[i].kind == kind && lx_hash_eq(&sync->fetch[i].root, root))
                        return true;
        if (sync->fetch_count == FETCHES_MAX || sync->options.blobs == NULL)
                return false;
        sync->fetch[sync->fetch_count++] = (struct fetch){.kind = kind, .root = *root};
        return true;
}

static struct fetch *
find_fetch(struct llp_sync *sync, const struct ask *ask)
{
        for (size_t i = 0; i < sync->fetch_count; i++)
                if (sync->fetch[i].state == PART_ASKED && sync->fetch[i].ask == ask->id)
                        return &sync->fetch[i];
        return NULL;
}

static void
remove_fetch(struct llp_sync *sync, struct fetch *fetch)
{
        size_t i = (size_t)(fetch - sync->fetch);

        sync->fetch_count--;
        memmove(fetch, fetch + 1, (sync->fetch_count - i) * sizeof(*fetch));
}

/* From the beginning, of somebody else. */
static void
begin_again(struct llp_sync *sync, struct fetch *fetch)
{
        fetch->state = PART_WANTED;
        fetch->offset = fetch->total = 0;
        fetch->tried++;
        fetch->after_ms = sync->now_ms + (fetch->tried < 50 ? 100ull * fetch->tried : 5000);
}

void
llp_sync_plan_blobs(struct llp_sync *sync)
{
        for (size_t i = 0; i < sync->fetch_count; i++) {
                struct fetch *fetch = &sync->fetch[i];
                struct llp_request request = {.section = (uint8_t)fetch->kind,
                    .tree = fetch->root,
                    .offset = fetch->offset};
                struct sync_peer *peer = NULL;

                if (fetch->state != PART_WANTED || sync->now_ms < fetch->after_ms)
                        continue;
                if (fetch->offset > 0)
                        peer = llp_sync_find_peer(sync, fetch->peer);
                if (peer != NULL && !llp_sync_is_of_use(peer))
                        peer = NULL;
                if (peer == NULL) {
                        fetch->offset = request.offset = 0;
                        peer = llp_sync_pick_peer(
                            sync, ANY_HEIGHT, fetch->tried % 2 == 1 ? fetch->peer : 0);
                }
                if (peer == NULL)
                        continue;
                fetch->ask = llp_sync_ask(sync, peer, LLP_GET_BLOB, &request);
                if (fetch->ask == 0)
                        continue;
                fetch->peer = peer->handle;
                fetch->state = PART_ASKED;
        }
}

/* A part: u64 total, bytes. The last one is checked against the root by the blob store. */
void
llp_sync_blob_came(struct llp_sync *sync, struct ask *ask)
{
        struct fetch *fetch = find_fetch(sync, ask);
        struct lx_reader rd = lx_reader_init(ask->bytes.p, ask->bytes.len);
        uint64_t total = lx_read_u64(&rd);
        struct lx_span part = lx_read_span(&rd, rd.left);
        struct lx_why why = {{0}};
        struct blob_upload *whole = NULL;
        bool done = false;
        enum lx_err err = rd.err;

        if (fetch == NULL)
                return;
        if (err == LX_OK && (total == 0 || part.len == 0 || part.len > total - ask->request.offset ||
                                (fetch->offset > 0 && total != fetch->total)))
                err = LX_ERR_RANGE;
        if (err == LX_OK)
                err = blob_put_part(sync->options.blobs, fetch->kind, &fetch->root, total,
                    fetch->offset, part.p, part.len, sync->now_ms, &done, &whole, &why);
        if (whole != NULL) {
                err = blob_publish(whole, &why);
                done = err == LX_OK;
        }
        if (err == LX_ERR_IO || err == LX_ERR_FULL || err == LX_ERR_LIMIT) {
                llp_sync_fail(sync, err, &why);
                return;
        }
        if (err != LX_OK) {
                llp_sync_punish(sync, ask->peer, 100, "a blob's bytes: %s", lx_err_text(err));
                begin_again(sync, fetch);
                return;
        }
        fetch->total = total;
        fetch->offset += part.len;
        fetch->state = PART_WANTED;
        if (done)
                remove_fetch(sync, fetch);
}

void
llp_sync_blob_failed(struct llp_sync *sync, const struct ask *ask, bool absent)
{
        struct fetch *fetch = find_fetch(sync, ask);

        if (fetch == NULL)
                return;
        begin_again(sync, fetch);
        /* A block waits for its manifest; leaf hashes are only passed on. */
        if (absent && fetch->kind != LEDGER_BLOB_MANIFEST && fetch->tried >= BLOB_TRIES_MAX) {
                llp_sync_snapshot_skip_blob(sync, fetch->kind, &fetch->root);
                remove_fetch(sync, fetch);
        }
}
