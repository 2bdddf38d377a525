/*
 * lld/mem.h - the memory engine: the same interface, with a disk that can fail and forget.
 *
 * The disk outlives the store: open, write, crash (lld_disk_crash, lld_close), open again.
 * Unsynced batches are lost at a crash, a suffix of them or all, as lld_disk_crash is told.
 * Faults: the n-th commit, sync or read from now fails, once or for ever. Threads: as store.h.
 */
#ifndef LX_LLD_MEM_H
#define LX_LLD_MEM_H

#include "lld/store.h"

struct lld_disk;

/** An empty disk of @capacity bytes (0: no limit; a commit beyond it is LX_ERR_FULL). */
struct lld_disk *lld_disk_new(uint64_t capacity);
/** From now on it holds @more bytes than it does now; UINT64_MAX: no limit any more. */
void lld_disk_leave(struct lld_disk *disk, uint64_t more);
/** Free it; no store may be open on it. NULL is fine. */
void lld_disk_free(struct lld_disk *disk);

enum lld_fault {
        LLD_FAULT_NONE,
        LLD_FAULT_WRITE, /* the commit fails with LX_ERR_IO; nothing of it is there */
        LLD_FAULT_TORN,  /* it fails; at the crash it is lost */
        LLD_FAULT_SYNC,  /* the fsync fails: LX_ERR_IO; the data may or may not survive */
        LLD_FAULT_READ,  /* a get fails with LX_ERR_IO */
        LLD_FAULT_FLIP   /* a get finds damage: LX_ERR_CORRUPT */
};

/** The @n-th operation of that sort from now (1: the next) fails; @sticky: and all after it. */
void lld_disk_fail(struct lld_disk *disk, enum lld_fault fault, uint64_t n, bool sticky);

/**
 * Power cut: unsynced commits are forgotten but for the first @keep of them. The store that is
 * open on it refuses everything from now on; close it, then open again.
 */
void lld_disk_crash(struct lld_disk *disk, uint64_t keep);

/** How many commits are not synced. */
uint64_t lld_disk_unsynced(const struct lld_disk *disk);

/** Open a store on @disk. As lld_open, without files. */
LX_MUST_CHECK enum lx_err lld_mem_open(struct lld_disk *disk, const struct lld_options *options,
    struct lld **out_db, struct lx_why *why);

#endif
