/*
 * lx/files.h - lists of files to hash: walking directories, hashing on all cores, with progress.
 */
#ifndef LX_LX_FILES_H
#define LX_LX_FILES_H

#include "lx/digest.h"
#include "lx/lx.h"

struct lx_file {
        char *path; /* absolute, links resolved */
        struct lx_digest digest;
        struct lx_buf leaves;
        enum lx_err err;
        struct lx_why why;
};

struct lx_files {
        struct lx_file *v;
        size_t count, cap;
        uint64_t bytes;
};

/**
 * Add @path, or what is below it when it is a directory: all regular files, or with @programs only
 * executables and ELF files. Links below a directory are not followed. An error is printed and
 * returned as an exit status.
 */
int lx_files_add(struct lx *lx, struct lx_files *files, const char *path, bool programs);
/** Sort by path, drop doubles. */
void lx_files_sort(struct lx_files *files);
/** Hash all of them on all cores; errors stay in the files. @leaves: keep the leaf hashes. */
void lx_files_hash(struct lx_files *files, unsigned what, bool leaves, const char *title);
/** Free it. */
void lx_files_clear(struct lx_files *files);
/** The bad byte ranges of @file against the leaf hashes @must, printed: the first 16, then a count. */
json_t *lx_ranges(const struct lx_file *file, const struct lx_buf *must, uint64_t must_size, bool print);

#endif
