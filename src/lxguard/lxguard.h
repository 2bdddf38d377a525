/*
 * lxguard/lxguard.h - the privileged program around the rules of src/guard: what its parts share.
 *
 * Threads: one reader of fanotify events, which never opens a file; workers, which judge; one that
 * answers for workers that are late; one for lease breaks; one for mounts; one each for the node, the
 * control socket, protected files, and memory. What a verdict needs is in memory: `rules`, an immutable
 * snapshot that is swapped as a whole, and the table of leased files under `lock`. No lock is held over
 * a read of a file.
 */
#ifndef LX_LXGUARD_LXGUARD_H
#define LX_LXGUARD_LXGUARD_H

#include "guard/inodes.h"
#include "guard/policy.h"
#include "guard/verdict.h"
#include "guard/view.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* A program that the policy names, known by its content. */
struct named_program {
        struct lx_hash root;
        const struct guard_interpreter *interpreter; /* NULL: a reader */
};

/* Everything a verdict looks at. Immutable; counted. */
struct rules {
        atomic_uint refs;
        struct guard_policy *policy;
        struct guard_list *list;
        struct guard_files *files; /* what protected files must be */
        uint64_t generation;       /* another number, another verdict is possible */
        size_t program_count;
        struct named_program program[2 * GUARD_LIST_MAX];
};

/* One denial, alert or finding. */
struct event {
        const char *kind;   /* "denied", "would-deny", "alert", "finding", "notice" */
        const char *rule;
        const char *path;
        const char *exe;    /* of the process; "" when unknown */
        const char *detail; /* "" */
        pid_t pid;
        const struct lx_hash *digest;          /* NULL: none */
        const struct guard_release *release;   /* NULL: none */
        uint64_t address, page;                /* findings */
};

struct gate;
struct mounts;
struct feed;
struct control;
struct memory;
struct openers;
struct protect;

struct lxguard {
        const char *conf_path;
        pthread_mutex_t lock;
        struct rules *rules;
        uint64_t generation;
        atomic_ullong height, ledger_ms; /* of the oldest of the publishers' proofs */
        atomic_int mode;          /* enum guard_mode, as it acts now */
        const char *mode_reason;  /* why it is not what the policy says; NULL: it is */
        struct lx_hash self;      /* root of the guard's own program */
        pthread_mutex_t view_lock; /* of trust, views, and of making rules */
        struct guard_trust *trust;
        struct guard_view **views;
        size_t view_count;
        struct gate *gate;
        struct mounts *mounts;
        struct feed *feed;
        struct control *control;
        struct memory *memory;
        struct openers *openers;
        struct protect *protect;
        pthread_mutex_t event_lock;
        json_t *events;           /* ring of the newest, oldest first */
        uint64_t event_count, suppressed, burst_start_ms, burst;
        json_t *would_deny;       /* running programs that kept it from enforcing; array */
        uint64_t start_ns, ready_ns, ready_cpu_ns;
        atomic_bool stopping;
};

/** A reference to the rules as they are now. */
struct rules *rules_get(struct lxguard *g);
/** Give it back. */
void rules_put(struct rules *rules);
/**
 * Make new rules of @policy (taken over; NULL: what the conf file said last) and the views; judge leased
 * files again. Called by one thread at a time.
 */
void rules_swap(struct lxguard *g, struct guard_policy *policy);
/** The program with @root that the policy names; NULL: none. */
const struct named_program *rules_program(const struct rules *rules, const struct lx_hash *root);
/** Age of the ledger's view now, ms. */
uint64_t rules_age_ms(struct lxguard *g);

/** Log, keep for `lx guard log`. Any thread. */
void event_note(struct lxguard *g, const struct event *event);
/** The newest @max events as an array. */
json_t *events_json(struct lxguard *g, size_t max);

/**
 * Root and size of the open file @fd, by positional reads. @deadline_ns (0: none): LX_ERR_TIMEOUT past it.
 * @out_leaves (may be NULL): its leaf hashes appended. LX_ERR_IO, LX_ERR_CHANGED.
 */
LX_MUST_CHECK enum lx_err hash_fd(int fd, uint64_t deadline_ns, struct lx_hash *out_root, uint64_t *out_size,
    struct lx_buf *out_leaves);

/* Who opens a file (proc.c). */
struct opener {
        struct lx_hash root;
        enum guard_rule rule;            /* of its program */
        const struct named_program *program; /* NULL: no interpreter, no reader */
        bool known;                      /* it has a program that could be looked at */
        bool judged;                     /* its program is within the scope */
        char exe[256];
};
/** Empty memory of programs; and free it. */
struct openers *openers_new(void);
/** Free; NULL is fine. */
void openers_free(struct openers *openers);
/** The program of thread @tid. */
void opener_of(struct lxguard *g, const struct rules *rules, pid_t tid, struct opener *out);
/** Whether thread @tid stands in an open() or truncate() that writes: no loader opens code so. */
bool opener_writes(pid_t tid);
/** Whether the environment of @tid is free of loader variables. */
bool opener_is_clean(pid_t tid);
/**
 * Whether process @pid is this guard's business at all: in the scope's cgroups and, where the scope names
 * mounts, running a program from one of them or rooted there. The memory pass touches nobody else.
 */
bool process_in_scope(struct lxguard *g, const struct rules *rules, pid_t pid);
/** Whether @tid is within the scope's cgroups. */
bool opener_in_scope(const struct guard_policy *policy, pid_t tid);
/**
 * What interpreter @in, running as @tid, may do with the open file: LX_ERR_DENIED: inline code; *out_code:
 * the file is code to it.
 */
LX_MUST_CHECK enum lx_err opener_interprets(
    const struct guard_interpreter *in, pid_t tid, const char *path, dev_t dev, ino_t ino, bool *out_code);
/** At most @cap - 1 bytes of /proc/@tid/@name; how many, NUL-terminated. */
size_t proc_read(pid_t tid, const char *name, char *out, size_t cap);
/** The target of link /proc/@tid/@name ("" when there is none). */
void proc_link(pid_t tid, const char *name, char *out, size_t cap);

/* The gate (gate.c, judge.c, lease.c). */
LX_MUST_CHECK enum lx_err gate_open(struct lxguard *g, struct lx_why *why);
/** Start its threads. */
void gate_start(struct lxguard *g);
/** Close it: everything that waits is allowed, the machine is unguarded. NULL gate is fine. */
void gate_close(struct lxguard *g);
/** Mark the file system that @path is on, device @dev. LX_ERR_LIMIT: too many overlays. */
LX_MUST_CHECK enum lx_err gate_mark(struct lxguard *g, const char *path, bool overlay, dev_t dev);
/** Judge all leased files again. */
void gate_review(struct lxguard *g);
/** The root with which file (@dev, @ino) was approved last; false: never, or long ago. */
bool gate_history(struct lxguard *g, dev_t dev, ino_t ino, struct lx_hash *out_root);
/**
 * Deny opens of the open file @fd, whatever is in it, but to readers. False: not possible here (overlayfs outside
 * the scope). It stays so until gate_allow_file; @fd must stay open until then.
 */
bool gate_deny_file(struct lxguard *g, int fd);
/** No longer. */
void gate_allow_file(struct lxguard *g, int fd);
/** Its counters. */
json_t *gate_json(struct lxguard *g);
/** The verdict on the content of @fd: fills @out_root and @out_size. */
struct guard_answer judge_content(struct lxguard *g, const struct rules *rules, int fd, const char *path,
    const char *fs, bool writable, uint64_t deadline_ns, struct lx_hash *out_root, uint64_t *out_size);
/** The type of the file system that @fd is on. */
const char *fs_type(int fd);

/* Mounts (mounts.c). */
LX_MUST_CHECK enum lx_err mounts_start(struct lxguard *g, struct lx_why *why);
/** Stop watching; NULL is fine. */
void mounts_stop(struct lxguard *g);
/** Before an answer to thread @tid: whatever was mounted in its namespace is marked. */
void mounts_catch_up(struct lxguard *g, pid_t tid);
/** Look at all mount tables again: what was guarded and is mounted no more counts as guarded no more. */
void mounts_look_again(struct lxguard *g);
/** Whether files of device @dev pass the gate. */
bool mounts_have(struct lxguard *g, dev_t dev);
/** What is covered and what is not. */
json_t *mounts_json(struct lxguard *g);

/* The node (feed.c). */
LX_MUST_CHECK enum lx_err feed_load(struct lxguard *g, struct lx_why *why);
/** Start following the node. */
void feed_start(struct lxguard *g);
/** No call to the node goes on from now: the guard ends. */
void feed_end_calls(struct lxguard *g);
/** Stop; NULL feed is fine. */
void feed_stop(struct lxguard *g);
/** Read the cache again for views that were just made (view_lock held). */
void feed_reread(struct lxguard *g);
/** Ask the node soon. */
void feed_kick(struct lxguard *g);
/** What it says of itself. */
json_t *feed_json(struct lxguard *g);
/** The leaf hashes of @entry from the state directory or the node; they have its root. */
LX_MUST_CHECK enum lx_err feed_leaves(struct lxguard *g, const struct guard_release *release,
    const struct guard_entry *entry, struct lx_buf *out);

/** Append the whole blob @root of @kind, as the node has it: the caller checks it. */
LX_MUST_CHECK enum lx_err feed_blob(
    struct lxguard *g, const char *kind, const struct lx_hash *root, struct lx_buf *out, struct lx_why *why);

/* Protected files (protect.c). */
void protect_start(struct lxguard *g);
/** Stop watching; what was denied is allowed. NULL protect is fine. */
void protect_stop(struct lxguard *g);
/** What is watched, and what is not as registered. */
json_t *protect_json(struct lxguard *g);

/* The control socket (control.c). */
LX_MUST_CHECK enum lx_err control_start(struct lxguard *g, struct lx_why *why);
/** Stop; NULL control is fine. */
void control_stop(struct lxguard *g);

/* Live memory (memory.c). */
void memory_start(struct lxguard *g);
/** Stop; NULL memory is fine. */
void memory_stop(struct lxguard *g);
/** One pass now over all processes (@pid 0) or one: findings and figures. */
json_t *memory_pass(struct lxguard *g, bool full, pid_t pid);

/** What would be denied of what runs now: an array of {path, rule, pids}. */
json_t *safe_start_check(struct lxguard *g);
/** Read the conf file again. */
LX_MUST_CHECK enum lx_err guard_reload(struct lxguard *g, struct lx_why *why);
/** Switch the mode; @reason NULL: as the policy says. */
void guard_set_mode(struct lxguard *g, enum guard_mode mode, const char *reason);
/** The answer of `lx guard status`. */
json_t *guard_status(struct lxguard *g);

#endif
