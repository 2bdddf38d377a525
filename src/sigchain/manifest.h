/*
 * sigchain/manifest.h - what a release or an approval holds: one entry per file.
 *
 * Bytes: u8 version 1, u32 entries (1 to 100,000), then each entry:
 *   var16 path (1 to 4095 bytes, relative, no empty, "." or ".." part, strictly rising in byte order)
 *   u64 size, u32 mode (permission bits and file type), root (32), sha256 (32), fsverity (32)
 * The manifest root is the log root over H(lx.leaf, entry bytes). At most 16 MiB.
 * The index of a publisher maps each of the three digests to H(lx.value, release address, u32 entry);
 * the first release wins. Entry codec and verification are freestanding. Threads: pure.
 * Spec: doc/release.md.
 */
#ifndef LX_SIGCHAIN_MANIFEST_H
#define LX_SIGCHAIN_MANIFEST_H

#include "base/buf.h"
#include "base/wire.h"
#include "crypto/ops.h"

#define SIGCHAIN_MANIFEST_MAX (16u * 1024 * 1024)
#define SIGCHAIN_MANIFEST_ENTRIES_MAX 100000u
#define SIGCHAIN_PATH_MAX 4095
#define SIGCHAIN_ENTRY_BYTES_MAX (2 + SIGCHAIN_PATH_MAX + 8 + 4 + 3 * 32)

struct sigchain_entry {
        struct lx_span path;
        uint64_t size;
        uint32_t mode;
        struct lx_hash root;
        struct lx_hash sha256;
        struct lx_hash fsverity;
};

/** Write one entry. */
void sigchain_entry_encode(const struct sigchain_entry *entry, struct lx_writer *wr);
/** Read one entry off @rd; the path points into the input. */
void sigchain_entry_read(struct lx_reader *rd, struct sigchain_entry *out_entry);
/** Whether @path has the required form. */
bool sigchain_path_is_valid(struct lx_span path);

/**
 * Read a whole manifest: @each (may be NULL; false stops with LX_ERR_STOPPED) gets every entry, its
 * number and its bytes; *out_root its root. Checks order, limits and form.
 */
LX_MUST_CHECK enum lx_err
sigchain_manifest_read(const struct lx_hash_ops *ops, struct lx_span bytes,
    bool (*each)(
        void *arg, uint32_t number, const struct sigchain_entry *entry, struct lx_span raw),
    void *arg, struct lx_hash *out_root, uint32_t *out_count);

/** Append the manifest of @count entries, sorted by path, to @out; its root in *out_root. */
LX_MUST_CHECK enum lx_err
sigchain_manifest_write(const struct lx_hash_ops *ops, const struct sigchain_entry *entries,
    uint32_t count, struct lx_buf *out, struct lx_hash *out_root);

/** The value that the publisher's index holds for a digest. */
void sigchain_index_value(const struct lx_hash_ops *ops, const struct lx_hash *release,
    uint32_t entry, struct lx_hash *out);

#endif
