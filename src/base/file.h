/*
 * base/file.h - small files, written so that they survive a power cut.
 *
 * Only for small configuration and state files (keys, cookies, trust files), never for the store.
 */
#ifndef LX_BASE_FILE_H
#define LX_BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/why.h"

/**
 * Append the whole regular file @path, at most @max bytes, to @out. Opens without following
 * into FIFOs or devices.
 * Returns LX_OK, LX_ERR_ABSENT, LX_ERR_DENIED, LX_ERR_FORMAT (not a regular file), LX_ERR_LIMIT
 * (larger than @max), LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err
lx_file_read(const char *path, size_t max, struct lx_buf *out, struct lx_why *why);

/**
 * Replace @path by @len bytes with permissions @mode: a new file beside it, fsync, rename, fsync
 * of the directory. A symbolic link is followed; a device, pipe or socket is written to and stays what it is.
 * Returns LX_OK, LX_ERR_DENIED, LX_ERR_FULL, LX_ERR_IO; then @path is as it was.
 */
LX_MUST_CHECK enum lx_err
lx_file_write(const char *path, const void *bytes, size_t len, unsigned mode, struct lx_why *why);

/** Make directory @path and its missing parents with permissions @mode; each new one survives a power cut. */
LX_MUST_CHECK enum lx_err lx_file_mkdirs(const char *path, unsigned mode, struct lx_why *why);

/** fsync the directory @path. */
LX_MUST_CHECK enum lx_err lx_file_sync_dir(const char *path, struct lx_why *why);

/** "cannot @what @path: " and errno's text into @why; the error for errno. */
enum lx_err lx_file_fail(struct lx_why *why, const char *what, const char *path);

/** The error for errno value @e: ENOSPC is FULL, EACCES and EPERM DENIED, ENOENT ABSENT, ... */
enum lx_err lx_err_from_errno(int e);

#endif
