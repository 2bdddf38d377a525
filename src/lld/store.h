/*
 * lld/store.h - the Lower Level Database: the append-only keyed store.
 *
 * Records live in kinds (column families), declared by the caller in a table. A kind's policy says
 * how it is protected from being overwritten:
 *   LLD_ONCE       a second, different value under a key is LX_ERR_EXISTS (the store looks);
 *   LLD_VERSIONED  the key holds the batch's height as u64 at a fixed place; a batch's height must
 *                  be above every committed one, so no key can come twice and no look-up is needed;
 *   LLD_CURRENT    derived from the others, may be overwritten and removed: latest values, indexes.
 * Records of the first two go away only by lld_batch_prune, when a pruning policy says so.
 *
 * A batch is atomic: all of it or nothing is there after any crash. lld_batch_commit with sync
 * returns after fsync; without, a crash may lose the newest batches, in order, never the middle.
 * Two engines behind one interface: RocksDB (lld_open) and memory (lld/mem.h) for tests, which
 * injects faults and forgets what was not synced.
 *
 * Files of a data directory: <dir>/lld/ (the engine's), <dir>/FORMAT (the format version, text),
 * <dir>/LOCK (flock'ed while open), <dir>/HEIGHT (a height that is on disk for sure: a store that
 * ends below it is refused as damaged). A newer FORMAT is refused with LX_ERR_VERSION; an engine's
 * database is made only where there is neither FORMAT nor lld/.
 * Damage found anywhere is LX_ERR_CORRUPT with a why that names the file and the way out (restore
 * a backup, or sync anew); nothing is repaired silently but a torn tail of the log that no fsync
 * acknowledged.
 *
 * Ownership: keys and values are copied in and out. Threads: one writer (batches) at a time; reads
 * and snapshots from any thread. Spec: doc/lld.md. Key order is byte order, integers big-endian.
 */
#ifndef LX_LLD_STORE_H
#define LX_LLD_STORE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/why.h"
#include "base/wire.h"

#define LLD_KEY_MAX 160                   /* bytes */
#define LLD_VALUE_MAX (64u * 1024 * 1024) /* bytes */
#define LLD_KINDS_MAX 32
#define LLD_FORMAT_VERSION 1

enum lld_policy { LLD_ONCE, LLD_VERSIONED, LLD_CURRENT };

struct lld_kind {
        const char *name; /* the column family */
        enum lld_policy policy;
        uint8_t height_at;  /* LLD_VERSIONED: offset of the u64 height in the key */
        uint8_t point_only; /* 1: mostly looked up by whole key (Bloom filters), 0: also scanned */
        uint8_t compress;   /* 1: values worth compressing */
};

struct lld_options {
        const struct lld_kind *kinds; /* [kind_count]; the index is the kind's number; static */
        size_t kind_count;
        size_t cache_bytes;        /* of blocks; 0: 16 MiB */
        size_t write_buffer_bytes; /* over all kinds; 0: 32 MiB */
        bool create;               /* make the data directory when it is not there */
        bool read_only;            /* refuse batches; no lock is taken */
};

struct lld;
struct lld_snapshot;
struct lld_batch;
struct lld_iter;

/**
 * Open <@dir>/lld. Returns LX_OK, LX_ERR_ABSENT (and !create), LX_ERR_LOCKED (why names the
 * holder's pid if known), LX_ERR_VERSION, LX_ERR_CORRUPT, LX_ERR_DENIED (read-only directory),
 * LX_ERR_FULL, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err lld_open(
    const char *dir, const struct lld_options *options, struct lld **out_db, struct lx_why *why);

/** Close; every snapshot, iterator and batch must be gone (asserted). NULL is fine. */
void lld_close(struct lld *db);

/** The highest height of a committed batch; false when there was none. */
bool lld_height(const struct lld *db, uint64_t *out_height);

/** A point in time: reads through it don't see later commits. Free before lld_close. */
struct lld_snapshot *lld_snapshot_new(struct lld *db);
/** Free it; NULL is fine. */
void lld_snapshot_free(struct lld_snapshot *snap);

/**
 * Append the value under @key to @out. @snap NULL: as of now.
 * Returns LX_OK, LX_ERR_ABSENT, LX_ERR_CORRUPT, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err lld_get(struct lld *db, const struct lld_snapshot *snap, unsigned kind,
    const void *key, size_t key_len, struct lx_buf *out);

/**
 * What the newest LX_ERR_CORRUPT of a read found, with the file and the way out; @why stays as it is
 * when there was none.
 */
void lld_damage(struct lld *db, struct lx_why *why);

/** Whether @key is there: LX_OK, LX_ERR_ABSENT, LX_ERR_CORRUPT, LX_ERR_IO. */
LX_MUST_CHECK enum lx_err lld_has(struct lld *db, const struct lld_snapshot *snap, unsigned kind,
    const void *key, size_t key_len);

/** Walk the keys of @kind that start with @prefix, in order; it stands on the first. */
struct lld_iter *lld_iter_open(struct lld *db, const struct lld_snapshot *snap, unsigned kind,
    const void *prefix, size_t prefix_len);
/** Go to the first key >= @key (within the prefix). */
void lld_iter_seek(struct lld_iter *iter, const void *key, size_t key_len);
/** Go to the last key <= @key (within the prefix). */
void lld_iter_seek_before(struct lld_iter *iter, const void *key, size_t key_len);
/** The record it stands on; false at the end or on an error (lld_iter_close tells). */
bool lld_iter_at(const struct lld_iter *iter, struct lx_span *out_key, struct lx_span *out_value);
/** To the next record. */
void lld_iter_next(struct lld_iter *iter);
/** Back to the record before. */
void lld_iter_prev(struct lld_iter *iter);
/** Close it: LX_OK, or the error that ended the walk. NULL is fine. */
enum lx_err lld_iter_close(struct lld_iter *iter);

/**
 * A new batch at @height. Heights of batches with LLD_VERSIONED records must rise; others may
 * repeat the last (lld_height) or, in an empty store, be 0.
 */
struct lld_batch *lld_batch_new(struct lld *db, uint64_t height);
/**
 * A new batch that brings records of heights above lld_height (a state that is fetched in pieces): the
 * height stays, and LLD_VERSIONED records are looked at as LLD_ONCE ones are.
 */
struct lld_batch *lld_batch_new_import(struct lld *db);
/** Drop it; NULL is fine. */
void lld_batch_free(struct lld_batch *batch);
/**
 * Add a record. Errors are kept too: a failed put makes commit fail with the same error.
 * Returns LX_OK, LX_ERR_EXISTS (LLD_ONCE: another value is there), LX_ERR_RANGE (sizes, or a
 * LLD_VERSIONED key without this height), LX_ERR_CORRUPT, LX_ERR_IO.
 */
enum lx_err lld_batch_put(struct lld_batch *batch, unsigned kind, const void *key, size_t key_len,
    const void *val, size_t val_len);
/** Remove a record of a LLD_CURRENT kind (others: LX_ERR_RANGE). */
enum lx_err lld_batch_remove(
    struct lld_batch *batch, unsigned kind, const void *key, size_t key_len);
/** Remove a record of any kind, by pruning policy. */
enum lx_err lld_batch_prune(struct lld_batch *batch, unsigned kind, const void *key, size_t key_len);
/** Prune all keys from @from (included) to @to (not included). */
enum lx_err lld_batch_prune_range(struct lld_batch *batch, unsigned kind, const void *from,
    size_t from_len, const void *to, size_t to_len);
/** Bytes of keys and values so far. */
size_t lld_batch_bytes(const struct lld_batch *batch);
/**
 * Write it, with fsync if @sync; the batch is empty afterwards whatever happened.
 * Returns LX_OK, a put's error, LX_ERR_FULL, LX_ERR_IO; after an error of the disk the store
 * accepts no more batches until it is opened again (what reached the disk is not known).
 */
LX_MUST_CHECK enum lx_err lld_batch_commit(struct lld_batch *batch, bool sync, struct lx_why *why);

/**
 * A consistent copy of the open store in directory @to (must not exist), hard links where it can;
 * written, fsynced and with the FORMAT file. Any thread; writing goes on.
 */
LX_MUST_CHECK enum lx_err lld_backup(struct lld *db, const char *to, struct lx_why *why);

/**
 * Copy the backup in directory @from into data directory @to, which must hold no store. Nothing in
 * @from is changed; a restore that was cut short can be run again.
 * Returns LX_OK, LX_ERR_ABSENT (no backup there), LX_ERR_EXISTS (a store is in @to), LX_ERR_VERSION,
 * LX_ERR_CORRUPT (its FORMAT), LX_ERR_FULL, LX_ERR_DENIED, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err lld_restore(const char *from, const char *to, struct lx_why *why);

/**
 * Keep a copy of the closed store in @dir, with its FORMAT and HEIGHT, as @dir/@name: tables as hard links, all
 * else byte for byte. It is whole or not there. One that is there already stays. Takes the lock for its time.
 * Returns LX_OK, LX_ERR_ABSENT (no store), LX_ERR_LOCKED, LX_ERR_FULL, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err lld_keep(const char *dir, const char *name, struct lx_why *why);
/**
 * Put the copy @dir/@name in the place of the store in @dir, which goes. After a power cut it can be run again.
 * Returns LX_OK, LX_ERR_ABSENT (no copy), LX_ERR_VERSION, LX_ERR_CORRUPT (its FORMAT), LX_ERR_LOCKED, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err lld_put_back(const char *dir, const char *name, struct lx_why *why);
/** Remove the copy @dir/@name. */
void lld_drop_kept(const char *dir, const char *name);
/** The height that a closed store in @dir has on disk for sure (its HEIGHT file, never ahead); false: unknown. */
bool lld_sure_height(const char *dir, uint64_t *out_height);

/** Read every record of every kind and check the engine's checksums. LX_ERR_CORRUPT names it. */
LX_MUST_CHECK enum lx_err lld_check(struct lld *db, struct lx_why *why);

/**
 * Give space of pruned records back to the file system, by compaction. Any thread, long; lld_hurry ends
 * it early.
 */
LX_MUST_CHECK enum lx_err lld_compact(struct lld *db);
/** The store is about to be closed: a compaction under way ends as soon as it can, further ones at once. */
void lld_hurry(struct lld *db);

struct lld_stats {
        uint64_t disk_bytes;    /* of the engine's files */
        uint64_t mem_bytes;     /* write buffers, cache, filters */
        uint64_t commits;       /* since open */
        uint64_t synced;        /* commits with fsync */
        uint64_t bytes_written; /* keys and values put */
};

/** Figures for status and metrics. */
void lld_get_stats(struct lld *db, struct lld_stats *out_stats);

#endif
