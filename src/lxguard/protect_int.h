/*
 * lxguard/protect_int.h - the insides of protected files: watching (watch.c), judging and acting (protect.c),
 * putting back (restore.c). One thread owns all of it; only the counters are read by others.
 */
#ifndef LX_LXGUARD_PROTECT_INT_H
#define LX_LXGUARD_PROTECT_INT_H

#include "lxguard/lxguard.h"

#include <sys/stat.h>

#define PROTECT_DIRS_MAX 65536  /* directories watched; what is below further ones is looked at by the interval alone */
#define PROTECT_ODD_MAX 65536   /* paths remembered that are not as registered; further ones are told each time */
#define PROTECT_DENIED_MAX 4096 /* files held open to deny them */

/* A path that is not, or was not, as its register says. */
struct odd {
        enum guard_file_state state; /* SAME: it is as registered again */
        struct lx_hash root;         /* when it was looked at last */
        uint64_t length;
        int fd;                      /* held while opens of it are denied; -1: they are not */
        const char *done;            /* what was done about it: "logged", "put back", "denied" */
        uint64_t window_ms;          /* since when @restores are counted */
        unsigned restores;
};

struct protect {
        struct lxguard *g;
        pthread_t thread;
        int inotify;
        struct lx_map *dirs;  /* watch number -> path */
        struct lx_map *odd;   /* path -> struct odd */
        struct lx_map *touched; /* paths that events named, until they are looked at */
        struct rules *rules;  /* as of the last look */
        size_t denied;
        uint64_t looked_ms;   /* when all was looked at last */
        bool full;            /* all must be looked at: events were lost */
        atomic_int action;    /* enum guard_protect, as of those rules */
        atomic_ullong dir_count, file_count, changed, fresh, missing, restored, overflows, passes;
};

/** Look at @path, tell and act. */
void protect_check(struct protect *p, const char *path);
/** The rules changed: look at what has another register now, and at everything that is odd. */
void protect_take_rules(struct protect *p, struct rules *rules);
/** Look at all files in the protected directories (again), watching what is not watched. */
void protect_check_all(struct protect *p);
/** The same below directory @dir. */
void protect_check_tree(struct protect *p, const char *dir);
/** Look again at what is not as registered and whose path begins with @below. */
void protect_check_odd(struct protect *p, const char *below);
/** Read all events that wait, and look at what they name. */
void protect_read_events(struct protect *p);
/** Stop watching what is at or below @path. */
void protect_unwatch(struct protect *p, const char *path);
/**
 * Put the registered content of @must back at its path, with owner, permissions and attributes of the open file
 * @now (-1: there is none; then it is root's alone). LX_ERR_ABSENT: the node has no such content.
 */
LX_MUST_CHECK enum lx_err protect_restore(
    struct lxguard *g, const struct guard_file *must, int now, struct lx_why *why);

#endif
