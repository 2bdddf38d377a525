/*
 * ledger/bft_engine_int.h - what the files of the bft engine share.
 *
 * bft_engine.c has heights, wishes and time; bft_values.c proposed values: parts, bodies, building, checking,
 * committing; bft_sign.c own messages, the journal and its replay; bft_peers.c what is heard and sent.
 */
#ifndef LX_LEDGER_BFT_ENGINE_INT_H
#define LX_LEDGER_BFT_ENGINE_INT_H

#include "base/mem.h"
#include "crypto/hash.h"
#include "ledger/bft.h"
#include "ledger/engine_int.h"
#include "ledger/evidence.h"
#include "ledger/proposer.h"

#define BFT_BLOCK_TXS_MAX 10000       /* taken at once */
#define BFT_KEPT_HEIGHTS 16           /* whose votes are kept for evidence and laggards */
#define BFT_EARLY_MAX 512             /* messages of the next height that wait for it */
#define BFT_EARLY_BYTES_MAX (8u << 20)
#define BFT_PEERS_MAX 256
#define BFT_STATE_EVERY_MS 300        /* a height without progress: round states */
#define BFT_ANSWER_EVERY_MS 60        /* one peer's round states are answered so often at most */
#define BFT_RETRY_MS 250              /* a check that lacked a manifest; bodies asked for again */
#define BFT_WINDOW_MS 4000            /* of a proposer's clock in round 0; 1000 more each round */
#define BFT_LOG_MAX (4u << 20)        /* a longer log is begun anew at the next height */

enum bft_log { BFT_LOG_BALLOT = 1, BFT_LOG_PROPOSAL, BFT_LOG_BLOCK };

enum value_state { VALUE_PARTS, VALUE_BODIES, VALUE_CHECKING, VALUE_WAITING, VALUE_VALID, VALUE_INVALID };

/* The body of a transaction. */
struct body {
        size_t len;
        uint8_t bytes[];
};

/* A proposed value of the height under way. */
struct value {
        struct value *next;
        struct lx_hash hash;
        struct ledger_proposal proposal; /* the first that brought it */
        enum value_state state;
        uint32_t peer;                   /* who brought it; 0: ourselves */
        uint8_t have[LEDGER_PARTS_MAX / 8];
        size_t parts_here;
        struct lx_buf payload;           /* ids; complete when all parts are here */
        struct body **body;              /* by place; of the ids in the payload */
        size_t tx_count, bodies_here;
        uint64_t asked_ms;               /* bodies, or a check again */
        struct ledger_candidate *candidate;
        bool logged;                     /* its bodies are in the log */
};

struct bft_peer {
        struct bft_peer *next;
        uint32_t handle;
        uint64_t height;      /* its last round state's; 0: none yet */
        uint64_t answered_ms;
};

/* A message of the next height. */
struct early {
        struct early *next;
        uint32_t peer;
        enum ledger_engine_message kind;
        size_t len;
        uint8_t bytes[];
};

/* A height that is done. */
struct kept {
        uint64_t height;
        struct ledger_bft *machine;
        struct sigchain_valset set;
        struct lx_buf set_bytes;
        struct ledger_proposal proposal;
        bool has_proposal;
        struct lx_buf payload;
        uint8_t accused[LEDGER_VOTERS_BYTES];
};

struct bft_engine {
        struct ledger_engine base; /* first */
        struct lx_hash chain_id;
        /* the height under way */
        uint64_t height;
        struct ledger_header tip;
        struct lx_hash tip_hash;
        struct lx_buf set_bytes;
        struct sigchain_valset set;
        struct ledger_rotation rotation;
        struct ledger_bft *machine;
        int self;                  /* place in the set; -1: not of it, or no key */
        struct value *values;
        struct ledger_proposal *proposals; /* signed ones, one a round */
        size_t proposal_count, proposal_cap;
        bool building, committing, woken;
        uint8_t accused[LEDGER_VOTERS_BYTES];
        /* around heights */
        struct kept kept[BFT_KEPT_HEIGHTS]; /* ring by height */
        struct early *early, **early_end;
        size_t early_count, early_bytes;
        struct bft_peer *peers;
        size_t peer_count;
        bool syncing;
        uint64_t now_ms, last_block_ms, progress_ms, states_ms, swept_height;
        uint64_t rounds_lost, evidence;
        /* signing */
        struct ledger_journal *journal; /* the writer's */
        struct ledger_sign_record record;
        bool has_journal, silenced;
        bool fresh;                /* the network is new, as far as this store knows: nothing signed, tip 0 */
        uint64_t start_wall_ms, fresh_since_ms;
        unsigned certified;        /* heights certified since the start, until it may sign */
        struct lx_buf log_queue;   /* records for the log: u8 type, u32 length, content */
        struct lx_buf replay;      /* the same form: what the log had for this height */
        struct lx_map *stash;      /* id -> struct body: bodies from the log or of blocks that lost */
        size_t stash_bytes;
};

/* ---- bft_engine.c ------------------------------------------------------------------------------ */

/** Do what the machine wishes. */
void bft_pump(struct bft_engine *e);
/** The tip moved: leave the height, begin the next. */
void bft_next_height(struct bft_engine *e);
/** Monotonic time. */
uint64_t bft_now(struct bft_engine *e);
/** Wall clock. */
uint64_t bft_wall(const struct bft_engine *e);

/* ---- bft_values.c ------------------------------------------------------------------------------ */

/** The value with this hash, or NULL. */
struct value *bft_find_value(const struct bft_engine *e, const struct lx_hash *hash);
/** The value of a verified proposal, made when it is new. */
struct value *bft_add_value(
    struct bft_engine *e, const struct ledger_proposal *proposal, const struct lx_hash *hash, uint32_t peer);
/** A verified part; false: it is known or nobody wants it. */
bool bft_add_part(struct bft_engine *e, const struct ledger_part *part, uint32_t peer);
/** A body with verified signatures: whoever lacks it takes a copy. */
void bft_add_body(struct bft_engine *e, const struct lx_hash *id, const uint8_t *bytes, size_t len);
/** Look again at values that wait for bodies or a manifest. */
void bft_retry_values(struct bft_engine *e);
/** When bft_retry_values is due. */
uint64_t bft_values_deadline_ms(const struct bft_engine *e);
/** Build a block for @round. */
void bft_build(struct bft_engine *e, uint32_t round);
/** Commit a decided value. */
void bft_commit(struct bft_engine *e, uint32_t round, const struct lx_hash *hash);
/** Free values of the height; bodies of those that lost are stashed. */
void bft_drop_values(struct bft_engine *e);
/** Try transactions that linger against the rules, drop those that are refused. */
void bft_sweep(struct bft_engine *e);

/* ---- bft_sign.c -------------------------------------------------------------------------------- */

/** Open the journal, keep what it has for the height. */
LX_MUST_CHECK enum lx_err bft_open_journal(struct bft_engine *e, struct lx_why *why);
/** When a node without memory at block 0 may be allowed to sign; UINT64_MAX: time changes nothing. */
uint64_t bft_fresh_deadline_ms(const struct bft_engine *e);
/** Whether a node without memory at block 0 does not know yet whether it may sign: it must not begin a height. */
bool bft_awaits_peers(const struct bft_engine *e);
/** Whether this node may sign at the height under way. */
bool bft_may_sign(const struct bft_engine *e);
/** Sign a prevote or precommit, log it, send it. */
void bft_sign_ballot(struct bft_engine *e, enum ledger_vote type, const struct ledger_bft_wish *wish);
/** The same for a proposal. */
void bft_sign_proposal(struct bft_engine *e, const struct ledger_bft_wish *wish);
/** Queue a record for the log; it is written with the next own message. */
void bft_log(struct bft_engine *e, enum bft_log type, const void *content, size_t len);
/** Hand the machine what the log had. */
void bft_replay(struct bft_engine *e);
/** A height was certified: count towards signing again; begin a new log when it is long. */
void bft_sign_height_done(struct bft_engine *e, const struct ledger_header *header);
/** Somebody shows a vote of ours that we don't remember. */
void bft_own_vote_seen(struct bft_engine *e, const struct ledger_ballot *ballot);

/* ---- bft_peers.c ------------------------------------------------------------------------------- */

/** Send to all peers but @except (0: to all). */
void bft_broadcast(struct bft_engine *e, enum ledger_engine_message kind, const void *bytes,
    size_t len, uint32_t except);
/** Broadcast a proposal with its parts. */
void bft_send_proposal(struct bft_engine *e, const struct ledger_proposal *proposal,
    struct lx_span payload, uint32_t peer);
/** Broadcast a vote. */
void bft_send_ballot(struct bft_engine *e, const struct ledger_ballot *ballot, uint32_t except);
/** Tell all peers where we are. */
void bft_send_states(struct bft_engine *e, uint32_t only);
/** A message of the height under way, a kept one, or the next. */
enum lx_err bft_hear(struct bft_engine *e, uint32_t peer, enum ledger_engine_message kind,
    const uint8_t *bytes, size_t len);
/** Take up a proposal whose signature holds. */
void bft_take_proposal(struct bft_engine *e, const struct ledger_proposal *proposal,
    const struct lx_hash *value, uint32_t peer);
/** The signed proposal of @round, or NULL. */
const struct ledger_proposal *bft_find_proposal(const struct bft_engine *e, uint32_t round);
/** Hear the early messages of the height that began. */
void bft_hear_early(struct bft_engine *e);
/** Two votes convict: make evidence of them. */
void bft_accuse(struct bft_engine *e, const struct ledger_ballot *a, const struct ledger_ballot *b);

#endif
