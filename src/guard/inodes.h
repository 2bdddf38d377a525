/*
 * guard/inodes.h - the approved files that are held under a lease, oldest use first.
 *
 * The gate keeps one descriptor (with its lease and ignore mark) a file. The table is bounded: a new
 * file pushes out the one that was put in or found longest ago, which the gate then lets go of. Threads:
 * under the gate's lock.
 */
#ifndef LX_GUARD_INODES_H
#define LX_GUARD_INODES_H

#include "guard/verdict.h"

struct guard_inode {
        uint64_t dev, ino;
        int fd;                /* holds the lease */
        struct lx_hash root;
        uint64_t size;
        enum guard_rule rule;
        bool exec;             /* judged for execution */
        bool marked;           /* an ignore mark stands */
        char path[256];        /* for the log, as it was then; cut */
        char fs[16];
        struct guard_inode *newer, *older; /* the table's */
};

struct guard_inodes;

/** A table of at most @max files. */
struct guard_inodes *guard_inodes_new(size_t max);
/** Free it and its items (not their descriptors); NULL is fine. */
void guard_inodes_free(struct guard_inodes *table);
/** The file; NULL: not here. It becomes the newest. */
struct guard_inode *guard_inodes_find(struct guard_inodes *table, uint64_t dev, uint64_t ino);
/** The file with descriptor @fd; NULL: none. */
struct guard_inode *guard_inodes_find_fd(struct guard_inodes *table, int fd);
/**
 * Put a copy of @item in as the newest. *out_pushed (a copy to let go of) is filled and true returned when
 * another made room, or the same file was there.
 */
bool guard_inodes_put(
    struct guard_inodes *table, const struct guard_inode *item, struct guard_inode *out_pushed);
/** Take the file out; it is freed. */
void guard_inodes_remove(struct guard_inodes *table, struct guard_inode *item);
/** The oldest; NULL: empty. Walk with ->newer. */
struct guard_inode *guard_inodes_oldest(const struct guard_inodes *table);
/** How many there are. */
size_t guard_inodes_count(const struct guard_inodes *table);

#endif
