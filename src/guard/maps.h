/*
 * guard/maps.h - what a process has mapped executable, read from the text of /proc/PID/maps, and what
 * /proc/PID/pagemap says of a page.
 *
 * A page of an executable, private file mapping that the process never wrote is a page of the file's
 * cache. Once written (by the process after mprotect, by ptrace, through /proc/PID/mem) it is a private
 * copy, also when the same byte was written back: pagemap shows it as anonymous. Threads: pure.
 */
#ifndef LX_GUARD_MAPS_H
#define LX_GUARD_MAPS_H

#include "base/hash.h"

/* One line of the maps file. */
struct guard_map {
        uint64_t start, end; /* addresses */
        uint64_t offset;     /* in the file, bytes */
        uint64_t inode;      /* 0: no file */
        uint32_t major, minor;
        bool exec, write, shared;
        struct lx_span path; /* into the text; "[heap]" and the like too */
};

/** Take the next line of @text; false at the end. A malformed line is skipped. */
bool guard_map_next(struct lx_span *text, struct guard_map *out_map);

enum guard_map_kind {
        GUARD_MAP_FILE,   /* pages of a file */
        GUARD_MAP_MEMFD,  /* a file without a name: memfd, shared anonymous memory */
        GUARD_MAP_ANON,   /* no file */
        GUARD_MAP_KERNEL  /* [vdso], [vsyscall]: the kernel's own */
};
/** What an executable mapping is made of. */
enum guard_map_kind guard_map_kind(const struct guard_map *map);

/** A pagemap entry: the page is there (or swapped out) and is no page of a file: a private copy. */
static inline bool
guard_page_is_private(uint64_t entry)
{
        return (entry >> 62) != 0 && (entry >> 61 & 1) == 0;
}

#endif
