/* sim/node.c - see sim/node.h. */
#include "config.h"
#include "sim/node.h"

#include "base/assert.h"
#include "base/mem.h"
#include "kit/author.h"
#include "ledger/journal.h"
#include "ledger/kinds.h"
#include "lld/mem.h"
#include "llp/message.h"
#include "sim/liar.h"

#include <stdio.h>
#include <string.h>

#define WALL_START_MS 1800000000000u /* the wall clock when a world begins */
#define POOL_MS 1
#define RECONNECT_MS 5000 /* after a ban, so that the world goes on */
#define KEPT 32           /* own messages that a replaying node remembers */

enum work { WORK_POOL, WORK_COMMIT, WORK_JOURNAL, WORK_COUNT_ };

/* A message that a faulty node may send again. */
struct kept {
        unsigned type;
        size_t len;
        uint8_t *bytes;
};

struct node {
        struct node_options options;
        struct lld_disk *disk;
        struct ledger_memdisk *journal;
        uint8_t key[32];
        uint32_t disk_ms[WORK_COUNT_];
        int64_t skew_ms;
        struct node_faults faults;
        struct liar *liar; /* NULL: it signs what its engine says */
        struct kept kept[KEPT];
        /* while it is up */
        bool up, failed, stopping;
        uint64_t life;         /* of the events that it made */
        uint64_t tick_ms;      /* when the next tick event comes; UINT64_MAX: none */
        bool due[WORK_COUNT_]; /* an event is on its way */
        struct lld *db;
        struct blob_store *blobs;
        struct ledger *ledger;
        struct lx_pool *pool;
        struct ledger_executor *executor, *writer;
        struct llp_core *core;
        uint32_t next_peer;
        uint32_t peer_of[WORLD_NODES_MAX]; /* 0: the link is down */
        struct lx_why why;
};

static void settle(struct node *n);

/* ---- clocks ------------------------------------------------------------------------------------ */

static uint64_t
monotonic(void *arg)
{
        const struct node *n = arg;

        return 1000 + world_now_ms(n->options.world);
}

static uint64_t
wall_time(void *arg)
{
        const struct node *n = arg;

        return (uint64_t)((int64_t)(WALL_START_MS + world_now_ms(n->options.world)) + n->skew_ms);
}

static void
random_bytes(void *arg, void *out, size_t len)
{
        const struct node *n = arg;

        world_random_bytes(n->options.world, out, len);
}

/* ---- work: what threads do in the daemon ------------------------------------------------------- */

static void
do_work(struct node *n, enum work work)
{
        n->due[work] = false;
        switch (work) {
        case WORK_POOL:
                (void)lx_pool_reap(n->pool);
                return;
        case WORK_COMMIT:
                (void)ledger_executor_reap(n->executor);
                return;
        case WORK_JOURNAL:
                (void)ledger_executor_reap(n->writer);
                return;
        case WORK_COUNT_:
                return;
        }
}

/* Tags carry the life in which they were made: a node that was off meanwhile knows nothing of them. */
static void
work_event(void *arg, uint64_t tag)
{
        struct node *n = arg;

        if (!n->up || tag / WORK_COUNT_ != n->life)
                return;
        do_work(n, (enum work)(tag % WORK_COUNT_));
        settle(n);
}

static void
schedule(struct node *n, enum work work)
{
        if (n->due[work])
                return;
        n->due[work] = true;
        world_after(
            n->options.world, n->disk_ms[work], work_event, n, n->life * WORK_COUNT_ + work);
}

static void
pool_has_work(void *arg)
{
        schedule(arg, WORK_POOL);
}

static void
executor_has_work(void *arg)
{
        schedule(arg, WORK_COMMIT);
}

static void
writer_has_work(void *arg)
{
        schedule(arg, WORK_JOURNAL);
}

/* ---- time -------------------------------------------------------------------------------------- */

static void
tick_event(void *arg, uint64_t life)
{
        struct node *n = arg;

        if (!n->up || life != n->life || n->tick_ms > monotonic(n))
                return;
        n->tick_ms = UINT64_MAX;
        llp_core_tick(n->core, monotonic(n));
        settle(n);
}

/* After anything happened: the next deadline becomes an event. */
static void
settle(struct node *n)
{
        uint64_t deadline, now = monotonic(n);

        if (!n->up || n->stopping)
                return;
        deadline = llp_core_deadline_ms(n->core);
        if (deadline == UINT64_MAX || deadline >= n->tick_ms)
                return;
        n->tick_ms = deadline > now ? deadline : now + 1;
        world_after(n->options.world, n->tick_ms - now, tick_event, n, n->life);
}

/* ---- the net ----------------------------------------------------------------------------------- */

static size_t
node_of(const struct node *n, uint32_t peer)
{
        for (size_t i = 0; i < WORLD_NODES_MAX; i++)
                if (n->peer_of[i] == peer && peer != 0)
                        return i;
        return WORLD_NODES_MAX;
}

static void
keep(struct node *n, unsigned type, const void *bytes, size_t len)
{
        struct kept *k = &n->kept[world_below(n->options.world, KEPT)];

        lx_free(k->bytes);
        *k = (struct kept){.type = type, .len = len, .bytes = lx_memdup(bytes, len)};
}

/* What a faulty node does beside sending what it should. */
static void
send_faulty(struct node *n, size_t to, unsigned type, const void *bytes, size_t len)
{
        struct world *w = n->options.world;
        const struct kept *old = &n->kept[world_below(w, KEPT)];

        if (n->liar != NULL && liar_withholds(n->liar, type, bytes, len))
                return;
        keep(n, type, bytes, len);
        if (world_chance(w, n->faults.replay_ppm) && old->bytes != NULL)
                world_send(w, n->options.number, to, old->type, old->bytes, old->len);
        if (world_chance(w, n->faults.drop_ppm))
                return;
        if (len > 0 && world_chance(w, n->faults.change_ppm)) {
                uint8_t *copy = lx_memdup(bytes, len);

                copy[world_below(w, len)] ^= (uint8_t)(1 + world_below(w, 255));
                world_send(w, n->options.number, to, type, copy, len);
                lx_free(copy);
                return;
        }
        world_send(w, n->options.number, to, type, bytes, len);
}

/* A liar hears what its node hears and sends; what it makes of that goes to everybody. */
static void
let_lie(struct node *n, unsigned type, const uint8_t *bytes, size_t len)
{
        struct lx_span lie;

        if (n->liar == NULL || n->ledger == NULL)
                return;
        liar_hear(n->liar, n->ledger, type, bytes, len);
        while (liar_next(n->liar, &type, &lie))
                for (size_t to = 0; to < WORLD_NODES_MAX; to++)
                        if (n->peer_of[to] != 0)
                                world_send(n->options.world, n->options.number, to, type, lie.p,
                                    lie.len);
}

static bool
net_send(void *arg, uint32_t peer, unsigned type, const void *bytes, size_t len)
{
        struct node *n = arg;
        size_t to = node_of(n, peer);
        const struct llp_message_row *row = llp_message_find(type);

        lx_assert(row != NULL && len >= row->min && len <= row->max);
        if (to == WORLD_NODES_MAX)
                return false;
        if (n->options.watch.sent != NULL)
                n->options.watch.sent(n->options.watch.arg, n, type, bytes, len);
        let_lie(n, type, bytes, len);
        if (n->options.honest)
                world_send(n->options.world, n->options.number, to, type, bytes, len);
        else
                send_faulty(n, to, type, bytes, len);
        return true;
}

static bool
net_has_room(void *arg, uint32_t peer, unsigned type)
{
        (void)type;
        return node_of(arg, peer) != WORLD_NODES_MAX;
}

/* Tag: my number, the other's, in one. */
static void
rejoin(void *arg, uint64_t other)
{
        struct node *n = arg;

        world_cut(n->options.world, n->options.number, other, false);
}

static void
ban(void *arg, uint64_t other)
{
        struct node *n = arg;

        if (world_is_cut(n->options.world, n->options.number, other))
                return;
        world_cut(n->options.world, n->options.number, other, true);
        world_after(n->options.world, RECONNECT_MS, rejoin, n, other);
}

static void
net_punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        struct node *n = arg;
        size_t other = node_of(n, peer);

        if (other == WORLD_NODES_MAX)
                return;
        if (n->options.watch.punished != NULL)
                n->options.watch.punished(n->options.watch.arg, n, other, points, reason);
        if (points >= LLP_PUNISH_BAN)
                world_after(n->options.world, 0, ban, n, other);
}

static void
deliver(void *arg, size_t from, unsigned type, const uint8_t *bytes, size_t len)
{
        struct node *n = arg;
        const struct llp_message_row *row = llp_message_find(type);

        if (n->peer_of[from] == 0 || row == NULL || len < row->min || len > row->max)
                return; /* the transport's business */
        if (n->options.honest &&
            plot_loses(n->options.plot, world_now_ms(n->options.world), n->options.number, type, bytes,
                len))
                return;
        (void)!llp_core_receive(n->core, n->peer_of[from], type, bytes, len, monotonic(n));
        let_lie(n, type, bytes, len);
        settle(n);
}

static void
link_changed(void *arg, size_t other, bool up)
{
        struct node *n = arg;
        uint32_t peer = n->peer_of[other];

        if (up && peer == 0) {
                n->peer_of[other] = ++n->next_peer;
                llp_core_peer_up(n->core, n->peer_of[other], monotonic(n));
        } else if (!up && peer != 0) {
                n->peer_of[other] = 0;
                llp_core_peer_down(n->core, peer, monotonic(n));
        }
        settle(n);
}

/* ---- what the core says ------------------------------------------------------------------------ */

static void
on_block(void *arg, const struct ledger_header *header, size_t tx_count)
{
        struct node *n = arg;

        (void)tx_count;
        if (n->options.watch.block != NULL)
                n->options.watch.block(n->options.watch.arg, n, header);
}

static void
on_failure(void *arg, enum lx_err err, const struct lx_why *why)
{
        struct node *n = arg;

        n->failed = true;
        n->why = *why;
        if (n->why.text[0] == '\0')
                lx_why_set(&n->why, "%s", lx_err_text(err));
}

/* ---- life -------------------------------------------------------------------------------------- */

static enum lx_err
open_store(struct node *n, struct lx_why *why)
{
        struct lld_options db = {
            .kinds = ledger_kinds(), .kind_count = LEDGER_KIND_COUNT_, .create = true};
        struct ledger_options options = {
            .genesis = n->options.genesis->p, .genesis_len = n->options.genesis->len};
        enum lx_err err = lld_mem_open(n->disk, &db, &n->db, why);

        if (err == LX_OK)
                err = blob_open(
                    n->options.dir, ledger_blob_kinds(), LEDGER_BLOB_COUNT_, &n->blobs, why);
        if (err != LX_OK)
                return err;
        options.db = n->db;
        options.blobs = n->blobs;
        return ledger_open(&options, &n->ledger, why);
}

static enum lx_err
open_core(struct node *n, struct lx_why *why)
{
        struct llp_core_options options = {.kind = LLP_CORE_BFT,
            .blobs = n->blobs,
            .net = {net_send, net_has_room, net_punish, n},
            .sync_mode = n->options.sync_mode,
            .snapshot_interval = 20,
            .on_block = on_block,
            .on_failure = on_failure,
            .arg = n};
        bool validator = n->options.key != SIZE_MAX;

        n->pool = lx_pool_new_inline(pool_has_work, n);
        n->executor = ledger_executor_new_inline(executor_has_work, n);
        n->writer = ledger_executor_new_inline(writer_has_work, n);
        options.engine = (struct ledger_engine_options){.ledger = n->ledger,
            .executor = n->executor,
            .pool = n->pool,
            .key = validator ? n->key : NULL,
            .map_seed = 1,
            .storage = validator ? ledger_memdisk_storage(n->journal) : NULL,
            .writer = n->writer,
            .now_ms = monotonic,
            .walltime_ms = wall_time,
            .random = random_bytes,
            .clock_arg = n,
            .timeout_ms = n->options.timeout_ms};
        return llp_core_new(&options, &n->core, why);
}

static void
close_all(struct node *n)
{
        n->stopping = true;
        llp_core_free(n->core);
        n->core = NULL;
        ledger_executor_free(n->executor);
        ledger_executor_free(n->writer);
        lx_pool_free(n->pool);
        n->executor = n->writer = NULL;
        n->pool = NULL;
        ledger_close(n->ledger);
        blob_close(n->blobs);
        lld_close(n->db);
        n->ledger = NULL;
        n->blobs = NULL;
        n->db = NULL;
        n->up = n->stopping = false;
        memset(n->due, 0, sizeof(n->due));
        memset(n->peer_of, 0, sizeof(n->peer_of));
}

enum lx_err
node_start(struct node *n, struct lx_why *why)
{
        struct world_receiver receiver = {.deliver = deliver, .link = link_changed, .arg = n};
        enum lx_err err;

        lx_assert(!n->up);
        n->life++;
        n->up = true;
        n->failed = false;
        n->tick_ms = UINT64_MAX;
        n->stopping = true; /* nothing settles before all is open */
        err = open_store(n, why);
        if (err == LX_OK)
                err = open_core(n, why);
        if (err != LX_OK) {
                close_all(n);
                return err;
        }
        n->stopping = false;
        world_attach(n->options.world, n->options.number, &receiver);
        settle(n);
        return LX_OK;
}

void
node_stop(struct node *n)
{
        if (!n->up)
                return;
        world_attach(n->options.world, n->options.number, NULL);
        close_all(n);
}

void
node_crash(struct node *n)
{
        struct world *w = n->options.world;

        if (!n->up)
                return;
        world_attach(w, n->options.number, NULL);
        /* From here on nothing reaches a disk, whatever the parts do while they are taken down. */
        lld_disk_crash(n->disk, world_below(w, lld_disk_unsynced(n->disk) + 1));
        ledger_memdisk_fail(n->journal, 1);
        close_all(n);
        ledger_memdisk_crash(n->journal, world_random(w));
        lld_disk_fail(n->disk, LLD_FAULT_NONE, 0, false);
        lld_disk_leave(n->disk, UINT64_MAX);
}

static void
new_disks(struct node *n)
{
        n->disk = lld_disk_new(0);
        n->journal = ledger_memdisk_new();
}

void
node_wipe(struct node *n)
{
        lx_assert(!n->up);
        lld_disk_free(n->disk);
        ledger_memdisk_free(n->journal);
        new_disks(n);
}

struct node *
node_new(const struct node_options *options)
{
        struct node *n = lx_alloc(sizeof(*n));

        n->options = *options;
        if (options->key != SIZE_MAX)
                kit_validator_key(options->key, n->key);
        n->disk_ms[WORK_POOL] = POOL_MS;
        n->disk_ms[WORK_COMMIT] = 4;
        n->disk_ms[WORK_JOURNAL] = 2;
        new_disks(n);
        return n;
}

void
node_free(struct node *n)
{
        if (n == NULL)
                return;
        node_stop(n);
        lld_disk_free(n->disk);
        ledger_memdisk_free(n->journal);
        for (size_t i = 0; i < KEPT; i++)
                lx_free(n->kept[i].bytes);
        liar_free(n->liar);
        lx_free(n);
}

/* ---- what a scenario does and asks ------------------------------------------------------------- */

bool
node_is_up(const struct node *n)
{
        return n->up;
}

bool
node_has_failed(const struct node *n)
{
        return n->failed;
}

const char *
node_failure(const struct node *n)
{
        return n->why.text;
}

void
node_fail_disk(struct node *n, enum lld_fault fault, uint64_t nth)
{
        lld_disk_fail(n->disk, fault, nth, true);
}

void
node_fill_disk(struct node *n, uint64_t more)
{
        lld_disk_leave(n->disk, more);
}

void
node_fail_journal(struct node *n, uint64_t nth)
{
        ledger_memdisk_fail(n->journal, nth);
}

void
node_set_disk_ms(struct node *n, uint32_t commit_ms, uint32_t journal_ms)
{
        n->disk_ms[WORK_COMMIT] = commit_ms;
        n->disk_ms[WORK_JOURNAL] = journal_ms;
}

void
node_set_skew_ms(struct node *n, int64_t skew_ms)
{
        n->skew_ms = skew_ms;
}

void
node_set_faults(struct node *n, const struct node_faults *faults)
{
        n->faults = *faults;
        liar_free(n->liar);
        n->liar = faults->lies ? liar_new(n->key, faults->bold) : NULL;
}

static void
submitted(void *arg, const struct ledger_outcome *outcome)
{
        (void)arg;
        (void)outcome;
}

void
node_submit(struct node *n, const uint8_t *bytes, size_t len)
{
        if (!n->up)
                return;
        ledger_engine_submit(llp_core_get_engine(n->core), bytes, len, LEDGER_WAIT_ACCEPTED,
            monotonic(n), submitted, NULL);
        settle(n);
}

uint64_t
node_height(const struct node *n)
{
        struct ledger_view *view;
        uint64_t height;

        if (!n->up)
                return 0;
        view = ledger_view_new(n->ledger);
        height = ledger_view_header(view)->height;
        ledger_view_unref(view);
        return height;
}

struct ledger *
node_ledger(struct node *n)
{
        return n->ledger;
}

struct llp_core *
node_core(struct node *n)
{
        return n->core;
}

const struct node_options *
node_options(const struct node *n)
{
        return &n->options;
}
