/*
 * llp/sync_int.h - what the files of the sync machine share.
 *
 * sync.c has peers, questions (struct ask) and time; sync_headers.c, sync_blocks.c, sync_blobs.c and
 * sync_snapshot.c each plan what to ask for and take what comes; sync_fork.c looks at peers on another branch;
 * sync_serve.c answers others. Every call from outside and every finished job ends in llp_sync_pump, which plans.
 */
#ifndef LX_LLP_SYNC_INT_H
#define LX_LLP_SYNC_INT_H

#include "base/mem.h"
#include "ledger/snapshot.h"
#include "llp/sync.h"
#include "merkle/log.h"

#define RUN_HEADERS_MAX 128         /* asked for at once */
#define RUNS_MAX 8                  /* requests of headers side by side */
#define BLOCKS_MAX 64               /* of one request */
#define SERVE_BLOCKS_BYTES (1u << 20) /* an answer ends with the block that passes this */
#define CHECK_TXS 64                /* signatures of so many transactions are one job */
#define COMMIT_BLOCKS_MAX 64
#define COMMIT_BYTES_MAX (4u << 20)
#define STATUS_EVERY_MS 10000
#define LAG_MS 300                  /* one block behind: the engine may be about to commit it */
#define ASK_LIMIT_MS 60000          /* of a whole answer, whatever pieces come */
#define STRIKES_MAX 3
#define PEERS_MAX 256
#define FETCHES_MAX 8
#define ANY_HEIGHT UINT64_MAX       /* of a question that has none */

/* A question of another node that waits for its answer to be made or sent. */
struct served {
        struct served *next;
        unsigned type;
        struct llp_request request;
};

struct serve_job;

struct sync_peer {
        uint32_t handle;
        bool bad;              /* being dropped: not asked any more */
        bool has_status;
        struct llp_status status;
        unsigned under_way, strikes;
        uint64_t pause_until_ms;
        /* on another branch (sync_fork.c): asked for nothing any more */
        bool forked, fork_named; /* and its culprits are named */
        uint64_t fork_height, fork_tip; /* lowest that differs; looked at up to */
        unsigned fork_looks;
        /* serving */
        struct served *first, **end;
        size_t waiting;
        struct serve_job *job; /* an answer is being made */
        struct lx_buf answer;  /* that is being sent */
        size_t answer_at;
        uint32_t answer_id, answer_number;
        unsigned answer_type;  /* 0: none */
};

/* One question of ours. */
struct ask {
        uint32_t id, peer;
        unsigned type;         /* of the question */
        struct llp_request request;
        uint64_t deadline_ms, limit_ms;
        uint32_t next;         /* number of the next piece */
        struct lx_buf bytes;
};

enum part_state { PART_WANTED, PART_ASKED, PART_CHECKING, PART_READY, PART_COMMITTING };

/* A header with its certificate, verified apart from its link to the one before. */
struct certified {
        struct ledger_header header;
        struct lx_hash hash;
        struct lx_span cert, set; /* into the run's bytes */
};

/* Headers [from, from + count) on their way. */
struct run {
        uint64_t from;
        unsigned count;
        enum part_state state;
        uint32_t peer, ask;
        struct lx_buf bytes;
        struct certified *entry; /* [got] */
        unsigned got;
};

/* The bytes of an answer with blocks, shared by its blocks. */
struct parcel {
        unsigned refs;
        struct lx_buf bytes;
};

/* The transactions of one block. */
struct body {
        struct parcel *parcel;
        uint32_t tx_count;
        size_t bytes;
        struct ledger_tx *txs;
        struct lx_hash *leaves;
        unsigned pending; /* jobs */
        enum lx_err err;
        uint64_t height;
        uint32_t peer;
};

/* A verified header above the tip, and its block. */
struct ahead {
        struct ledger_header header;
        struct lx_hash hash;
        struct lx_buf cert;
        enum part_state state;
        uint32_t ask;
        struct body *body; /* NULL: not here, or a block without transactions */
};

/* A blob on its way: all of it from one peer, so that a lie has a name. */
struct fetch {
        unsigned kind;
        struct lx_hash root;
        uint64_t total, offset; /* total 0: not known */
        uint32_t peer, ask;
        enum part_state state;
        unsigned tried;         /* how often it began */
        uint64_t after_ms;      /* not asked for before */
};

struct snapshot_sync; /* sync_snapshot.c */

struct llp_sync {
        struct llp_sync_options options;
        uint64_t now_ms;
        bool failed, syncing, stopping;
        struct sync_peer **peer;
        size_t peer_count;
        struct ask **ask;
        size_t ask_count, ask_cap;
        uint32_t ask_id;
        bool pumping;
        uint64_t status_due_ms;
        uint64_t lag_since_ms; /* 0: nobody claims more than we verified */

        uint64_t tip;          /* height of the newest view */
        size_t block_bytes;    /* limit of a block's transactions then */
        struct ledger_header verified; /* the highest header that was verified */
        struct lx_hash verified_hash;
        struct merkle_frontier history; /* over the headers up to verified */

        struct run *run[RUNS_MAX]; /* in order of heights */
        size_t run_count;
        struct run *doubt;     /* headers of a peer that may be on another branch; NULL: none */
        unsigned doubt_windows;
        struct ahead *ahead;   /* [LLP_SYNC_AHEAD_MAX], ring: heights tip + 1 ... */
        size_t ahead_at, ahead_count;
        uint64_t body_bytes;   /* of bodies that are here */
        bool committing;

        struct fetch fetch[FETCHES_MAX];
        size_t fetch_count;
        struct snapshot_sync *snapshot; /* NULL: blocks only */
        struct llp_sync_stats stats;
};

/* ---- sync.c ------------------------------------------------------------------------------------ */

/** The message that answers a question of @type. */
unsigned llp_sync_answer_of(unsigned type);
/** The peer, or NULL. */
struct sync_peer *llp_sync_find_peer(struct llp_sync *sync, uint32_t handle);
/** Whether it may be asked for anything. */
static inline bool
llp_sync_is_of_use(const struct sync_peer *peer)
{
        return !peer->bad && !peer->forked && peer->has_status;
}
/** The peer that may best be asked for something of @height; NULL: none now. @not: not this one. */
struct sync_peer *llp_sync_pick_peer(struct llp_sync *sync, uint64_t height, uint32_t not_peer);
/** Send a question; 0: its queue is full (ask another time), else its id. */
uint32_t llp_sync_ask(
    struct llp_sync *sync, struct sync_peer *peer, unsigned type, const struct llp_request *request);
/** The peer lied or broke a rule; told to the peer layer. */
__attribute__((format(printf, 4, 5))) void llp_sync_punish(
    struct llp_sync *sync, uint32_t peer, unsigned points, const char *fmt, ...);
/** The highest height that a peer claims. */
uint64_t llp_sync_claimed(const struct llp_sync *sync);
/** Nothing goes on any more. */
void llp_sync_fail(struct llp_sync *sync, enum lx_err err, const struct lx_why *why);
/** Plan and send. Every call from outside and every done callback ends here. */
void llp_sync_pump(struct llp_sync *sync);
/** Take the tip from the newest view; verified headers begin there when it is above them. */
void llp_sync_look(struct llp_sync *sync);

/* ---- the parts: plan; an answer came; a question failed ---------------------------------------- */

/** Ask for headers above the verified ones. */
void llp_sync_plan_headers(struct llp_sync *sync);
/** Take the answer to a question for headers. */
void llp_sync_headers_came(struct llp_sync *sync, struct ask *ask);
/** The question for headers failed. */
void llp_sync_headers_failed(struct llp_sync *sync, const struct ask *ask);
/** Forget all runs. */
void llp_sync_headers_clear(struct llp_sync *sync);
/** The runs that are done join the verified headers. */
void llp_sync_settle_headers(struct llp_sync *sync);
/** Check an answer on the pool: codec and certificates. */
void llp_sync_check_run(struct llp_sync *sync, struct run *run, struct ask *ask);
/** Free a run that is in no list. */
void llp_sync_free_run(struct run *run);

/** A certified header of the peer does not follow from ours: is it on another branch, or lying? */
void llp_sync_doubt(struct llp_sync *sync, uint32_t peer);
/** Doubt a peer whose status names another header than the one that is here. */
void llp_sync_see_status(struct llp_sync *sync, const struct sync_peer *peer);
/** Ask it for its headers. */
void llp_sync_plan_doubt(struct llp_sync *sync);
/** The answer to that question; false: it is not its question. */
bool llp_sync_doubt_came(struct llp_sync *sync, struct ask *ask);
/** That question failed; false: it is not its question. */
bool llp_sync_doubt_failed(struct llp_sync *sync, const struct ask *ask);
/** They were checked: header @bad of them is @err. */
void llp_sync_doubt_checked(struct llp_sync *sync, enum lx_err err, unsigned bad);
/** Forget it. */
void llp_sync_doubt_clear(struct llp_sync *sync);

/** Ask for blocks, commit what is ready. */
void llp_sync_plan_blocks(struct llp_sync *sync);
/** Take the answer to a question for blocks. */
void llp_sync_blocks_came(struct llp_sync *sync, struct ask *ask);
/** The question for blocks failed. */
void llp_sync_blocks_failed(struct llp_sync *sync, const struct ask *ask);
/** Forget all headers and blocks ahead. */
void llp_sync_blocks_clear(struct llp_sync *sync);
/** The entry of @height, or NULL. */
struct ahead *llp_sync_ahead(struct llp_sync *sync, uint64_t height);
/** Add a verified header; false: no room. */
bool llp_sync_push_ahead(struct llp_sync *sync, const struct certified *entry);
/** Drop the lowest entries up to the tip. */
void llp_sync_pop_ahead(struct llp_sync *sync);
/** Read one block's transactions off @rd into @body (its parcel is set). */
LX_MUST_CHECK enum lx_err llp_sync_read_block(struct lx_reader *rd, struct body *body);
/** Free a body; NULL is fine. */
void llp_sync_body_free(struct body *body);
/** Verify the transactions of @body on the pool; @done on the loop when all are checked. */
void llp_sync_check_body(struct llp_sync *sync, struct body *body,
    void (*done)(struct llp_sync *sync, struct body *body));

/** Want the blob; false: too many at a time. */
bool llp_sync_fetch_blob(struct llp_sync *sync, unsigned kind, const struct lx_hash *root);
/** Ask for parts of blobs. */
void llp_sync_plan_blobs(struct llp_sync *sync);
/** Take a part of a blob. */
void llp_sync_blob_came(struct llp_sync *sync, struct ask *ask);
/** The question for a part failed; @absent: the peer has no such blob. */
void llp_sync_blob_failed(struct llp_sync *sync, const struct ask *ask, bool absent);

/** Begin, or go on with, an import when the mode and the tip say so. */
void llp_sync_plan_snapshot(struct llp_sync *sync);
/** Take a piece. */
void llp_sync_piece_came(struct llp_sync *sync, struct ask *ask);
/** The question for a piece failed. */
void llp_sync_piece_failed(struct llp_sync *sync, const struct ask *ask);
/** Free it; NULL is fine. */
void llp_sync_snapshot_free(struct snapshot_sync *snapshot);
/** While an import runs: the height up to which headers are wanted; else 0. */
uint64_t llp_sync_snapshot_height(const struct llp_sync *sync);
/** Take the headers of a settled run, from its entry @first on. */
void llp_sync_snapshot_headers(struct llp_sync *sync, struct run *run, unsigned first);
/** Whether headers and blocks must wait for it. */
bool llp_sync_snapshot_holds(const struct llp_sync *sync);
/** The answer to its question for a block; false: it is not its question. */
bool llp_sync_snapshot_block_came(struct llp_sync *sync, struct ask *ask);
/** That question failed; false: it is not its question. */
bool llp_sync_snapshot_block_failed(struct llp_sync *sync, const struct ask *ask);
/** Nobody has this leaf list: it is done without. */
void llp_sync_snapshot_skip_blob(struct llp_sync *sync, unsigned kind, const struct lx_hash *root);
/** Whether there is room for another run's headers. */
bool llp_sync_snapshot_has_room(const struct llp_sync *sync);

/** A question of another node. */
LX_MUST_CHECK enum lx_err llp_sync_serve(struct llp_sync *sync, struct sync_peer *peer,
    unsigned type, const uint8_t *bytes, size_t len);
/** Make and send answers as long as there is room. */
void llp_sync_plan_serving(struct llp_sync *sync);
/** Forget what a peer waits for. */
void llp_sync_serving_clear(struct sync_peer *peer);
/** Whether some peer's answer waits for room. */
bool llp_sync_is_serving(const struct llp_sync *sync);

#endif
