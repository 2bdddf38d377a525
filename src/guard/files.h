/*
 * guard/files.h - what files must be: the `file` registers of this machine's own chains.
 *
 * Filled from views (guard/view.h) in the order in which the chain created and wrote the registers; sealed,
 * then read without a lock. The newest register of a path counts; one that was offered to somebody else counts
 * for nothing, since its new owner's chain is not looked at. Threads: building one, reading any.
 */
#ifndef LX_GUARD_FILES_H
#define LX_GUARD_FILES_H

#include "base/buf.h"
#include "base/hash.h"

#define GUARD_FILES_MAX 1000000u /* registers of all own chains; further ones are left out */

struct guard_file {
        struct lx_hash address, root;
        uint64_t length;
        const char *path;
};

struct guard_files;

/** An empty table. */
struct guard_files *guard_files_new(void);
/** Free; NULL is fine. */
void guard_files_free(struct guard_files *files);
/** A register was created. False: there are too many. */
bool guard_files_create(struct guard_files *files, const struct lx_hash *address, const char *path,
    const struct lx_hash *root, uint64_t length);
/** It was written: NULL: that field was not. An address that was not created here is nobody's. */
void guard_files_write(
    struct guard_files *files, const struct lx_hash *address, const struct lx_hash *root, const uint64_t *length);
/** It was offered to another chain, or (@gone false) the offer was taken back. */
void guard_files_offer(struct guard_files *files, const struct lx_hash *address, bool gone);
/** Sort; then it may be read. */
void guard_files_seal(struct guard_files *files);

/** How many there are. */
size_t guard_files_count(const struct guard_files *files);
/** File number @i in the order of paths. */
const struct guard_file *guard_files_at(const struct guard_files *files, size_t i);
/** The first whose path is not before @path in byte order: its number; the count when there is none. */
size_t guard_files_from(const struct guard_files *files, const char *path);
/** The file at @path; NULL: it has no register. */
const struct guard_file *guard_files_find(const struct guard_files *files, const char *path);

enum guard_file_state {
        GUARD_FILE_SAME,
        GUARD_FILE_CHANGED,
        GUARD_FILE_NEW,     /* there, and in no register */
        GUARD_FILE_MISSING, /* in a register, and not there */
        GUARD_FILE_NONE     /* neither */
};
/** What a path is to its register @must (NULL: none); @there: a regular file with this @root and @length. */
enum guard_file_state guard_file_state(
    const struct guard_file *must, bool there, const struct lx_hash *root, uint64_t length);
/** "changed", "new", "missing": the word for logs. */
const char *guard_file_state_name(enum guard_file_state state);

/** Append "pages 0-3,7 and 2 more ranges": where leaf hashes @is differ from @must; "" when they do not. */
void guard_files_print_pages(struct lx_span is, struct lx_span must, struct lx_buf *out);

#endif
