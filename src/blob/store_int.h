/*
 * blob/store_int.h - what store.c and upload.c share.
 */
#ifndef LX_BLOB_STORE_INT_H
#define LX_BLOB_STORE_INT_H

#include "base/wire.h"
#include "blob/store.h"

#include <pthread.h>
#include <stdatomic.h>

#define PATH_BYTES 4096
#define OPEN_MAX_KEPT 8 /* files kept open for reading */

/* An upload: first in the store's table, then, when it is complete, its publisher's. */
struct blob_upload {
        struct blob_store *store;
        unsigned kind;
        struct lx_hash root;
        uint64_t total, have;
        uint64_t last_ms;
        int fd;
        char path[PATH_BYTES];
        /* of a patch: what is still to be taken over from the base, and to be put over it */
        int base; /* -1: nothing */
        uint64_t keep, offset;
        struct lx_span bytes;
};

/* A published blob that is open for reading; nothing is ever written to it. */
struct kept {
        int fd; /* 0: the slot is free (a store opens other files first) */
        unsigned kind;
        struct lx_hash root;
        uint64_t len;
        unsigned readers;
        bool removed;  /* closed by its last reader */
        uint64_t used; /* when, by the clock of look-ups */
};

struct blob_store {
        char dir[PATH_BYTES - 512];
        const struct blob_kind *kinds;
        size_t kind_count;
        struct blob_upload *stage[BLOB_STAGES_MAX]; /* not complete yet; NULL: free */
        uint64_t number;                            /* of uploads, for names */
        _Atomic uint64_t staged, staged_bytes;      /* complete ones too */
        _Atomic uint64_t count, bytes;
        pthread_mutex_t names; /* held while a blob gets its name */
        pthread_mutex_t lock;  /* over what follows */
        struct kept kept[OPEN_MAX_KEPT];
        uint64_t clock;
        uint64_t removals; /* blobs removed so far */
};

/** Set @why to what could not be done with @path, after errno; returns its error. */
enum lx_err blob_fail(struct lx_why *why, const char *what, const char *path);
/** The directory, and the path, of a published blob. */
void blob_path(const struct blob_store *store, unsigned kind, const struct lx_hash *root,
    char dir[PATH_BYTES], char path[PATH_BYTES]);
/** Copy @len bytes of @from to the start of @to, which is @path. */
LX_MUST_CHECK enum lx_err
blob_copy_bytes(int from, int to, const char *path, uint64_t len, struct lx_why *why);
/** Drop an upload and what was written of it. NULL is fine. */
void blob_upload_free(struct blob_upload *upload);

#endif
