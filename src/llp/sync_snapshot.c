/* llp/sync_snapshot.c - a new node begins from a state; see ledger/snapshot.h. */
#include "config.h"
#include "llp/sync_int.h"

void
llp_sync_plan_snapshot(struct llp_sync *sync)
{
        (void)sync;
}

void
llp_sync_piece_came(struct llp_sync *sync, struct ask *ask)
{
        (void)sync;
        (void)ask;
}

void
llp_sync_piece_failed(struct llp_sync *sync, const struct ask *ask)
{
        (void)sync;
        (void)ask;
}

void
llp_sync_snapshot_free(struct snapshot_sync *snapshot)
{
        (void)snapshot;
}

uint64_t
llp_sync_snapshot_height(const struct llp_sync *sync)
{
        (void)sync;
        return 0;
}

void
llp_sync_snapshot_headers(struct llp_sync *sync, struct run *run)
{
        (void)sync;
        (void)run;
}

bool
llp_sync_snapshot_has_room(const struct llp_sync *sync)
{
        (void)sync;
        return true;
}
