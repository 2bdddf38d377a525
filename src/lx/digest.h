/*
 * lx/digest.h - every digest of a file: root of its file tree, SHA-256, fs-verity SHA-256.
 *
 * Regular files only: FIFOs, devices and sockets are refused without being opened for reading. A file
 * that changes or shrinks while it is read is LX_ERR_CHANGED. fs-verity: SHA-256, 4096-byte blocks, no
 * salt, as Linux computes it (Documentation/filesystems/fsverity.rst). Threads: any; memory is per call.
 */
#ifndef LX_LX_DIGEST_H
#define LX_LX_DIGEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/pool.h"
#include "base/why.h"

enum { DIGEST_ROOT = 1, DIGEST_SHA256 = 2, DIGEST_FSVERITY = 4, DIGEST_ALL = 7 };

struct lx_digest {
        uint64_t size;
        uint32_t mode;
        struct lx_hash root, sha256, fsverity;
};

/**
 * Compute @what of the file @path. @pool (may be NULL): the leaves of a large file are hashed on all
 * cores. @out_leaves (may be NULL): its leaf hashes are appended. @progress (may be NULL) hears of bytes
 * as they are done, on the calling thread.
 * Returns LX_OK, LX_ERR_ABSENT, LX_ERR_DENIED, LX_ERR_FORMAT (no regular file), LX_ERR_CHANGED, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err digest_file(const char *path, unsigned what, struct lx_pool *pool,
    void (*progress)(void *arg, uint64_t bytes), void *arg, struct lx_digest *out,
    struct lx_buf *out_leaves, struct lx_why *why);

/** Open @path for reading if it is a regular file: its descriptor and size. */
LX_MUST_CHECK enum lx_err digest_open(
    const char *path, int *out_fd, uint64_t *out_size, uint32_t *out_mode, struct lx_why *why);
/** The leaf hashes of pages [@first, @first + @count) of the open file of @size bytes, appended. */
LX_MUST_CHECK enum lx_err digest_pages(
    int fd, uint64_t size, uint64_t first, uint64_t count, struct lx_buf *out_leaves);

#endif
