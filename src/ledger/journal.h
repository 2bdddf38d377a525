/*
 * ledger/journal.h - what a validator must not forget: the write-ahead log and the signing record.
 *
 * Storage is a directory of small files behind a table, so that the same code runs over a disk
 * (ledger_storage_dir_open) and over one that fails and forgets (ledger_storage_mem_new).
 *
 * Log (file "wal"): a header (8 bytes "LXWAL001", u64 number), then records:
 *   offset size field
 *        0    4 length n of the content, at most LEDGER_RECORD_MAX
 *        4    1 type
 *        5    8 checksum: first bytes of H(lx.wal, u64 log number, u64 offset of the record, u32 length, type, content)
 *       13    n content
 * Records are appended; ledger_journal_sync makes all of them durable. A new log replaces the old one
 * when a height is done (number one higher).
 *
 * Signing record (file "sign"): two slots of LEDGER_SIGN_SLOT bytes, written in turn, each with a serial number and a
 * checksum: the newest whole one counts, so a write that a power cut tears leaves the one before. The file is
 * made with fsync of file and directory before the first signature. It also says how long the log was when it was last
 * synced: what is damaged below that was not torn by a power cut.
 *
 * Order of an own message: append it to the log, sync the log, write the signing record, sync it, only
 * then let the signature leave. On opening, the log is cut off where the signing record says that it was synced: behind
 * that it is torn, or holds a message that was never recorded and never left, and must not be remembered as
 * signed. Damage before it is LX_ERR_CORRUPT and nothing is touched.
 *
 * Neither file is in a backup: a restored node has no signing record, and so may not sign before it has
 * seen others certify two heights (bft_engine.c). Threads: the writer's (engine.h) after opening.
 * Spec: doc/consensus.md.
 */
#ifndef LX_LEDGER_JOURNAL_H
#define LX_LEDGER_JOURNAL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"
#include "ledger/bft.h"

#define LEDGER_RECORD_MAX (80u << 20)
#define LEDGER_SIGN_SLOT 1024u

/* Files of one directory. Names are the journal's ("wal", "sign"). All errors: LX_ERR_IO, LX_ERR_FULL. */
struct ledger_storage {
        /* append the whole file; LX_ERR_ABSENT */
        enum lx_err (*read)(void *arg, const char *name, struct lx_buf *out);
        /* at most @len bytes from @offset on; *out_len: how many there were. LX_ERR_ABSENT */
        enum lx_err (*read_at)(
            void *arg, const char *name, uint64_t offset, void *out, size_t len, size_t *out_len);
        /* write at @offset (the file grows); not durable yet */
        enum lx_err (*write)(void *arg, const char *name, uint64_t offset, const void *bytes, size_t len);
        /* make the file's bytes durable */
        enum lx_err (*sync)(void *arg, const char *name);
        /* shorten the file, durably */
        enum lx_err (*cut)(void *arg, const char *name, uint64_t len);
        /* put a file with these bytes in its place, file and directory synced: old or new after a power cut */
        enum lx_err (*replace)(void *arg, const char *name, const void *bytes, size_t len);
        void *arg;
};

/** Storage in directory @path (made when missing, 0700). */
LX_MUST_CHECK enum lx_err ledger_storage_dir_open(
    const char *path, struct ledger_storage *out_storage, struct lx_why *why);
/** Close its files. */
void ledger_storage_dir_close(struct ledger_storage *storage);

/* A disk in memory that forgets what was not synced. */
struct ledger_memdisk;

/** An empty one. */
struct ledger_memdisk *ledger_memdisk_new(void);
/** Free it. NULL is fine. */
void ledger_memdisk_free(struct ledger_memdisk *disk);
/** Its table; valid while the disk is. */
const struct ledger_storage *ledger_memdisk_storage(struct ledger_memdisk *disk);
/** Operation number @n from now (1: the next write, sync, cut or replace) fails with LX_ERR_IO, and all after it. */
void ledger_memdisk_fail(struct ledger_memdisk *disk, uint64_t n);
/**
 * Power cut: of the bytes that were not synced, every write is kept, lost or torn in the middle as
 * the bits of @choice say; a replace that failed may have happened or not. Faults are over.
 */
void ledger_memdisk_crash(struct ledger_memdisk *disk, uint64_t choice);
/** How many operations there were. */
uint64_t ledger_memdisk_operations(const struct ledger_memdisk *disk);
/** Flip a bit of byte @offset of @name; false: there is no such byte. */
bool ledger_memdisk_damage(struct ledger_memdisk *disk, const char *name, uint64_t offset);

/* ---- the signing record ------------------------------------------------------------------------ */

enum ledger_sign_step { LEDGER_SIGN_PROPOSAL, LEDGER_SIGN_PREVOTE, LEDGER_SIGN_PRECOMMIT, LEDGER_SIGN_COUNT_ };

/* The last thing signed of a sort, at record.height and record.round. */
struct ledger_signed {
        bool there;
        struct lx_hash msg;
        struct lx_sig sig;
};

struct ledger_sign_record {
        uint64_t height;               /* last signed at; 0: nothing was signed yet */
        uint32_t round;                /* of last */
        struct ledger_bft_state state; /* of that height */
        struct ledger_signed last[LEDGER_SIGN_COUNT_]; /* in that round */
        uint64_t vote_from;            /* lowest height at which it may sign */
        uint64_t log_number, log_len;  /* durable */
};

/** Write the record's bytes (doc/consensus.md). */
void ledger_sign_record_encode(const struct ledger_sign_record *record, struct lx_writer *wr);
/** Read them, to the end. */
LX_MUST_CHECK enum lx_err ledger_sign_record_decode(
    const uint8_t *bytes, size_t len, struct ledger_sign_record *out_record);

/**
 * Whether @msg may be signed at (@height, @round, @step) after what the record says: LX_OK, LX_ERR_EXISTS
 * (that very message was signed: record.last has the signature, send that), LX_ERR_DENIED.
 */
LX_MUST_CHECK enum lx_err ledger_sign_may(const struct ledger_sign_record *record, uint64_t height,
    uint32_t round, enum ledger_sign_step step, const struct lx_hash *msg);
/** Note it down (in memory; ledger_journal_put_record makes it durable). */
void ledger_sign_note(struct ledger_sign_record *record, uint64_t height, uint32_t round,
    enum ledger_sign_step step, const struct lx_hash *msg, const struct lx_sig *sig);

/* ---- the journal ------------------------------------------------------------------------------- */

struct ledger_journal;

/**
 * Open both files. Every record of the log that the signing record covers is handed to @each (in order, may be
 * NULL). *out_found: there is a signing record. LX_ERR_CORRUPT: damage where it was synced; why says where and
 * what to do.
 */
LX_MUST_CHECK enum lx_err ledger_journal_open(const struct ledger_storage *storage,
    void (*each)(void *arg, unsigned type, struct lx_span content), void *arg,
    struct ledger_sign_record *out_record, bool *out_found, struct ledger_journal **out_journal,
    struct lx_why *why);
/** Free the handle. NULL is fine. */
void ledger_journal_close(struct ledger_journal *journal);
/** Append a record; durable with the next sync. */
LX_MUST_CHECK enum lx_err ledger_journal_append(
    struct ledger_journal *journal, unsigned type, const void *content, size_t len);
/** Make everything appended durable. */
LX_MUST_CHECK enum lx_err ledger_journal_sync(struct ledger_journal *journal);
/** Write @record (its log number and length are filled in) and make it durable, directory included. */
LX_MUST_CHECK enum lx_err ledger_journal_put_record(
    struct ledger_journal *journal, const struct ledger_sign_record *record);
/** A new, empty log in place of the old one. */
LX_MUST_CHECK enum lx_err ledger_journal_restart(struct ledger_journal *journal);
/** Bytes in the log. */
uint64_t ledger_journal_len(const struct ledger_journal *journal);

#endif
