/*
 * guard/list.h - the allow list: what trusted publishers published, as the gate looks it up.
 *
 * Made from views (guard/view.h), which are proven; immutable afterwards, so that workers read it without
 * a lock. Sorted by file root; an entry that its own publisher revoked (by any of its three digests)
 * stays and says so. Memory: 64 bytes an entry and its path. Threads: building one, reading any.
 */
#ifndef LX_GUARD_LIST_H
#define LX_GUARD_LIST_H

#include "base/buf.h"
#include "base/err.h"
#include "sigchain/manifest.h"

#define GUARD_ENTRIES_MAX 4000000u /* of all publishers */

struct guard_entry {
        struct lx_hash root;
        uint64_t size;
        uint64_t seen_ms;   /* ledger time when this machine first saw it published */
        const char *path;   /* as published, with a leading "/" */
        uint32_t leaves_at; /* its first leaf hash in the release's blob */
        uint16_t release;   /* guard_list_release */
        bool revoked;
};

struct guard_release {
        struct lx_hash address;
        struct lx_hash leaves; /* blob with all leaf hashes; zero: none */
        uint16_t publisher;    /* number in the policy */
        bool own;
        char name[40];
};

struct guard_list;

/** An empty list, to be filled. */
struct guard_list *guard_list_new(void);
/** Free; NULL is fine. */
void guard_list_free(struct guard_list *list);
/**
 * Add a release with its @manifest (already verified). LX_ERR_FORMAT, LX_ERR_LIMIT: nothing or a part was
 * added and the list must not be used.
 */
LX_MUST_CHECK enum lx_err guard_list_add(struct guard_list *list, const struct guard_release *release,
    struct lx_span manifest, uint64_t seen_ms, const struct lx_hash *revoked, size_t revoked_count);
/** Sort; then it may be read. Unsealed lists find nothing. */
void guard_list_seal(struct guard_list *list);

/** How many entries there are. */
size_t guard_list_count(const struct guard_list *list);
/** Entry number @i, in the order of roots. */
const struct guard_entry *guard_list_entry(const struct guard_list *list, size_t i);
/** The release of an entry. */
const struct guard_release *guard_list_release(const struct guard_list *list, const struct guard_entry *entry);
/** All entries with this @root: the first, and *out_count; NULL when there is none. */
const struct guard_entry *guard_list_find(
    const struct guard_list *list, const struct lx_hash *root, size_t *out_count);
/** The newest entry published under @path that is not revoked; NULL: none. Slow (a walk). */
const struct guard_entry *guard_list_find_path(const struct guard_list *list, const char *path);
/** Bytes of memory it takes. */
size_t guard_list_bytes(const struct guard_list *list);

#endif
