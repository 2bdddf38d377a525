/* lxnoded/node.c - wiring. */
#include "config.h"
#include "lxnoded/node.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "ledger/genesis_json.h"
#include "ledger/kinds.h"
#include "ledger/maintain.h"
#include "llp/core.h"
#include "lxnoded/daemon.h"
#include "lxnoded/move.h"
#include "lxnoded/overlay.h"
#include "lxnoded/peers.h"
#include "lxnoded/setup.h"
#include "lxnoded/upgrade.h"
#include "rpc/rpc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 5000
#define PRUNE_BUDGET 20000 /* records a turn of the executor */
#define GENESIS_JSON_MAX (1u << 20)
#define COMPACT_SLACK (64ull << 20) /* bytes that pruning may leave behind before they are given back */
#define BLOB_MIN_AGE_MS (60ull * 60 * 1000)

struct lxnode {
        struct node_conf conf; /* borrowed strings: main's */
        struct lld *db;
        struct blob_store *blobs;
        struct ledger *ledger;
        struct lx_pool *pool;
        struct ledger_executor *executor;
        struct ledger_storage journal; /* bft: write-ahead log and signing record */
        bool has_journal;
        struct ledger_executor *writer;
        struct llp_core *core;         /* NULL: follows nobody and writes nothing */
        struct keys_file key;
        struct daemon daemon;
        struct io_timer *tick, *core_timer;
        struct peers *peers;
        struct overlay *overlay;
        struct upgrade upgrade;
        uint64_t collect_ms; /* when unused blobs are looked for next */
        uint64_t compacted;  /* bytes of the store after the last compaction */
        bool compacting;
        enum lx_err result;
};

/* ---- store ------------------------------------------------------------------------------------- */

static enum lx_err
open_store(const struct node_conf *conf, bool create, struct lxnode *node, struct lx_why *why)
{
        struct lld_options options = {.kinds = ledger_kinds(),
            .kind_count = LEDGER_KIND_COUNT_,
            .cache_bytes = (size_t)conf->db_cache << 20,
            .create = create};
        enum lx_err err = create ? lx_file_mkdirs(conf->datadir, 0700, why) : LX_OK;

        if (err == LX_OK)
                err = lld_open(conf->datadir, &options, &node->db, why);
        if (err == LX_OK)
                err = blob_open(conf->datadir, ledger_blob_kinds(), LEDGER_BLOB_COUNT_, &node->blobs, why);
        return err;
}

static enum lx_err
open_ledger(const struct node_conf *conf, struct lxnode *node, struct lx_why *why)
{
        struct lx_buf genesis = {0};
        struct ledger_options options = {.db = node->db, .blobs = node->blobs, .pool = node->pool};
        enum lx_err err = setup_genesis(conf, &node->key, &genesis, why);

        if (err == LX_OK && genesis.len > 0) {
                options.genesis = genesis.p;
                options.genesis_len = genesis.len;
        }
        if (err == LX_OK)
                err = ledger_open(&options, &node->ledger, why);
        if (err == LX_ERR_ABSENT && conf->genesis == NULL)
                lx_why_replace(why, "%s is new: start with --dev for a chain of your own, or give the "
                    "network's document with --genesis FILE", conf->datadir);
        lx_buf_clear(&genesis);
        return err;
}

/* ---- events ------------------------------------------------------------------------------------ */

static void
stopping(void *arg)
{
        log_notice(NODE, "stopping", "next=%s", "finishing the block under way");
        peers_stop(((struct lxnode *)arg)->peers);
}

/* ---- the core ---------------------------------------------------------------------------------- */

/* After anything that reached the core: its next deadline. */
static void
set_core_timer(struct lxnode *node)
{
        uint64_t deadline, now = lx_clock_now_ms();

        if (node->core == NULL || node->core_timer == NULL)
                return;
        deadline = llp_core_deadline_ms(node->core);
        if (deadline != UINT64_MAX)
                io_timer_set(node->core_timer, deadline > now ? deadline - now : 0);
}

static void
core_tick(void *arg)
{
        struct lxnode *node = arg;

        llp_core_tick(node->core, lx_clock_now_ms());
        set_core_timer(node);
}

static void
tip(void *arg, uint64_t *out_height, struct lx_hash *out_tip)
{
        struct ledger_view *view = ledger_view_new(((struct lxnode *)arg)->ledger);

        *out_height = ledger_view_header(view)->height;
        *out_tip = *ledger_view_header_hash(view);
        ledger_view_unref(view);
}

static void
peer_up(void *arg, uint32_t peer, const struct llp_hello *hello, uint64_t now_ms)
{
        struct lxnode *node = arg;

        if (node->core != NULL && (hello->roles & (LLP_ROLE_LIGHT | LLP_ROLE_FULL)) == LLP_ROLE_LIGHT)
                llp_core_light_up(node->core, peer);
        else if (node->core != NULL)
                llp_core_peer_up(node->core, peer, now_ms);
        set_core_timer(node);
}

static void
peer_down(void *arg, uint32_t peer, uint64_t now_ms)
{
        struct lxnode *node = arg;

        if (node->core != NULL)
                llp_core_peer_down(node->core, peer, now_ms);
        set_core_timer(node);
}

static enum lx_err
peer_message(void *arg, uint32_t peer, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct lxnode *node = arg;
        enum lx_err err = LX_OK;

        if (node->core != NULL)
                err = llp_core_receive(node->core, peer, type, bytes, len, now_ms);
        set_core_timer(node);
        return err;
}

static void
peer_room(void *arg, uint32_t peer, uint64_t now_ms)
{
        struct lxnode *node = arg;

        if (node->core != NULL)
                llp_core_writable(node->core, peer, now_ms);
        set_core_timer(node);
}

static void
woken(void *arg)
{
        struct lxnode *node = arg;

        (void)lx_pool_reap(node->pool);
        (void)ledger_executor_reap(node->executor);
        if (node->writer != NULL)
                (void)ledger_executor_reap(node->writer);
        set_core_timer(node);
}

static void
on_block(void *arg, const struct ledger_header *header, size_t tx_count)
{
        struct lxnode *node = arg;

        log_info(LEDGER, "block committed", "height=%llu transactions=%zu",
            (unsigned long long)header->height, tx_count);
        overlay_new_block(node->overlay);
        rpc_new_block(node->daemon.rpc, header->height);
}

static void
on_failure(void *arg, enum lx_err err, const struct lx_why *why)
{
        struct lxnode *node = arg;

        if (err == LX_ERR_VERSION) { /* nothing is broken, and /ready says it too */
                log_error(LEDGER, "stopped at this height; reading goes on", "why=\"%s\"", why->text);
                return;
        }
        log_error(LEDGER, "the store cannot be written; reading goes on, restart after fixing it",
            "error=%s why=\"%s\"", lx_err_name(err), why->text);
        rpc_set_unready(node->daemon.rpc, "the store cannot be written: see the log");
        node->result = err;
}

/* ---- maintenance on the executor --------------------------------------------------------------- */

struct chore {
        struct lx_job job; /* first */
        struct lxnode *node;
        uint64_t keep_from; /* 0: no pruning */
        bool collect;
};

static void
run_chore(struct lx_job *job)
{
        struct chore *chore = (struct chore *)job;
        struct lx_why why = {{0}};
        uint64_t dropped = 0;
        bool more = false;

        if (chore->keep_from > 0 &&
            ledger_prune(chore->node->ledger, chore->keep_from, PRUNE_BUDGET, &more, &why) != LX_OK)
                log_warn(LEDGER, "pruning failed, trying again later", "why=\"%s\"", why.text);
        if (chore->collect && ledger_collect_blobs(chore->node->ledger, BLOB_MIN_AGE_MS, &dropped, &why) == LX_OK &&
            dropped > 0)
                log_info(BLOB, "unused blobs removed", "count=%llu", (unsigned long long)dropped);
}

static void
end_chore(struct lx_job *job)
{
        lx_free(job);
}

struct compaction {
        struct lx_job job; /* first */
        struct lxnode *node;
};

static void
run_compaction(struct lx_job *job)
{
        if (lld_compact(((struct compaction *)job)->node->db) != LX_OK)
                log_warn(LEDGER, "compaction failed, trying again later", "next=%s", "the store stays larger");
}

static void
end_compaction(struct lx_job *job)
{
        struct lxnode *node = ((struct compaction *)job)->node;
        struct lld_stats stats;

        lld_get_stats(node->db, &stats);
        log_info(LEDGER, "pruned space given back", "bytes=%llu", (unsigned long long)stats.disk_bytes);
        node->compacted = stats.disk_bytes;
        node->compacting = false;
        lx_free(job);
}

/* Pruned records go for good when the store has doubled: each byte is rewritten once or twice. */
static void
maybe_compact(struct lxnode *node)
{
        struct lld_stats stats;
        struct compaction *c;

        if (node->conf.prune == 0 || node->compacting)
                return;
        lld_get_stats(node->db, &stats);
        if (stats.disk_bytes < 2 * node->compacted + COMPACT_SLACK)
                return;
        c = lx_alloc(sizeof(*c));
        *c = (struct compaction){.job = {.run = run_compaction, .done = end_compaction}, .node = node};
        node->compacting = true;
        lx_pool_submit(node->pool, &c->job);
}

static void
tick(void *arg)
{
        struct lxnode *node = arg;
        struct ledger_view *view = ledger_view_new(node->ledger);
        uint64_t height = ledger_view_header(view)->height, now = lx_clock_now_ms();
        struct chore *chore;

        ledger_view_unref(view);
        overlay_tick(node->overlay, height);
        blob_tick(node->blobs, now);
        chore = lx_alloc(sizeof(*chore));
        *chore = (struct chore){.job = {.run = run_chore, .done = end_chore}, .node = node};
        /* What an upgrade that is not confirmed may go back to stays readable. */
        if (node->conf.prune > 0 && height > node->conf.prune && !node->upgrade.open)
                chore->keep_from = height - node->conf.prune + 1;
        chore->collect = now >= node->collect_ms && !node->upgrade.open;
        if (chore->collect)
                node->collect_ms = now + BLOB_MIN_AGE_MS;
        ledger_executor_submit(node->executor, &chore->job);
        maybe_compact(node);
        io_timer_set(node->tick, TICK_MS);
}

static enum lx_err
backup_genesis(struct lxnode *node, const char *dir, struct lx_why *why)
{
        struct lx_span bytes = ledger_genesis_bytes(node->ledger);
        struct lx_buf path = {0}, json = {0};
        enum lx_err err = ledger_genesis_to_json(bytes.p, bytes.len, &json, why);

        lx_buf_printf(&path, "%s/genesis.json", dir);
        if (err == LX_OK)
                err = lx_file_write(lx_buf_str(&path), json.p, json.len, 0644, why);
        lx_buf_clear(&path);
        lx_buf_clear(&json);
        return err;
}

/* A backup copies and syncs for seconds: on a worker. */
struct backup_job {
        struct lx_job job; /* first */
        struct lxnode *node;
        struct rpc_backup *backup;
};

static void
run_backup(struct lx_job *job)
{
        struct backup_job *b = (struct backup_job *)job;
        struct rpc_backup *backup = b->backup;

        backup->err = lld_backup(b->node->db, backup->dir, &backup->why);
        if (backup->err == LX_OK)
                backup->err = blob_backup(b->node->blobs, backup->dir, &backup->why);
        if (backup->err == LX_OK)
                backup->err = backup_genesis(b->node, backup->dir, &backup->why);
}

static void
end_backup(struct lx_job *job)
{
        struct rpc_backup *backup = ((struct backup_job *)job)->backup;

        lx_free(job);
        backup->done(backup);
}

static void
backup(void *arg, struct rpc_backup *backup)
{
        struct lxnode *node = arg;
        struct ledger_view *view = ledger_view_new(node->ledger);
        struct backup_job *b = lx_alloc(sizeof(*b));

        backup->height = ledger_view_header(view)->height;
        ledger_view_unref(view);
        *b = (struct backup_job){
            .job = {.run = run_backup, .done = end_backup}, .node = node, .backup = backup};
        lx_pool_submit(node->pool, &b->job);
}

/* The file that is damaged, when a read found it; always the way out. */
static void
name_damage(struct lxnode *node, struct lx_why *why)
{
        struct lx_why was = *why;

        if (node->db != NULL)
                lld_damage(node->db, why);
        if (strstr(why->text, "restore") == NULL)
                lx_why_replace(why, "%.300s: restore a backup with lx restore, or sync anew",
                    was.text[0] != '\0' ? was.text : lx_err_text(LX_ERR_CORRUPT));
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* One validator, and its key is here: it decides alone. All others agree, or follow. */
static bool
is_solo(const struct lxnode *node)
{
        const struct sigchain_valset *set = &ledger_genesis(node->ledger)->validators;

        return set->count == 1 && node->key.secret.p != NULL &&
            memcmp(set->v[0].key.b, node->key.public.b, LX_PUBKEY_LEN) == 0; /* public */
}

static enum lx_err
open_journal(struct lxnode *node, struct lx_why *why)
{
        char *path = setup_path(&node->conf, "consensus");
        enum lx_err err = ledger_storage_dir_open(path, &node->journal, why);

        node->has_journal = err == LX_OK;
        if (err == LX_OK)
                node->writer = ledger_executor_new(io_loop_wake, node->daemon.loop);
        lx_free(path);
        return err;
}

static enum lx_err
open_core(struct lxnode *node, struct lx_why *why)
{
        bool solo = is_solo(node), signs = !solo && node->key.secret.p != NULL;
        struct llp_core_options options = {.kind = solo ? LLP_CORE_SOLO : LLP_CORE_BFT,
            .engine = {.ledger = node->ledger,
                .executor = node->executor,
                .pool = node->pool,
                .key = node->key.secret.p},
            .blobs = node->blobs,
            .net = *peers_net(node->peers),
            .sync_mode = strcmp(node->conf.sync, "snapshot") == 0 ? LLP_SYNC_SNAPSHOT : LLP_SYNC_FULL,
            .on_block = on_block,
            .on_failure = on_failure,
            .arg = node};
        enum lx_err err = node->key.secret.p != NULL ? move_check(&node->conf, why) : LX_OK;

        if (err == LX_OK && signs)
                err = open_journal(node, why);

        if (err != LX_OK)
                return err;
        if (signs) {
                options.engine.storage = &node->journal;
                options.engine.writer = node->writer;
        }
        lx_random(&options.engine.map_seed, sizeof(options.engine.map_seed));
        return llp_core_new(&options, &node->core, why);
}

static enum lx_err
open_peers(struct lxnode *node, struct lx_why *why)
{
        struct peers_options options = {.conf = &node->conf,
            .loop = node->daemon.loop,
            .pool = node->pool,
            .chain_id = ledger_chain_id(node->ledger),
            .validator = node->key.secret.p != NULL,
            .upper = {.tip = tip,
                .on_up = peer_up,
                .on_down = peer_down,
                .on_message = peer_message,
                .on_room = peer_room,
                .arg = node}};

        return peers_open(&options, &node->peers, why);
}

static enum lx_err
open_rpc(struct lxnode *node, struct lx_why *why)
{
        struct rpc_options options = {.ledger = node->ledger,
            .engine = node->core != NULL ? llp_core_get_engine(node->core) : NULL,
            .core = node->core,
            .blobs = node->blobs,
            .pool = node->pool,
            .db = node->db,
            .peers = peers_swarm_io(node->peers),
            .peers_listen = peers_listening(node->peers),
            .router = overlay_router(node->overlay),
            .upgrade_from = node->upgrade.open ? node->upgrade.from : NULL,
            .open_metrics = node->conf.rpc_open_metrics,
            .backup = backup,
            .arg = node};

        return daemon_serve(&node->daemon, &options, why);
}

enum lx_err
node_open(const struct node_conf *conf, struct lxnode **out_node, struct lx_why *why)
{
        struct lxnode *node = lx_alloc(sizeof(*node));
        enum lx_err err;

        node->conf = *conf;
        daemon_open(&node->daemon, &node->conf, &(struct daemon_calls){woken, stopping, node});
        node->tick = io_timer_new(node->daemon.loop, tick, node);
        node->core_timer = io_timer_new(node->daemon.loop, core_tick, node);
        node->pool = lx_pool_new(0, io_loop_wake, node->daemon.loop);
        node->executor = ledger_executor_new(io_loop_wake, node->daemon.loop);
        err = upgrade_begin(conf, &node->upgrade, why);
        if (err == LX_OK)
                err = open_store(conf, true, node, why);
        if (err == LX_OK)
                err = upgrade_opened(conf, &node->upgrade, why);
        if (err == LX_OK) {
                err = setup_key(conf, &node->key, why);
                err = err == LX_ERR_ABSENT && conf->validator_key == NULL ? LX_OK : err;
        }
        if (err == LX_OK)
                err = open_ledger(conf, node, why);
        if (err == LX_OK && (conf->router || conf->dns_listen != NULL))
                err = overlay_open(conf, node->ledger, &node->overlay, why);
        if (err == LX_OK)
                err = open_peers(node, why);
        if (err == LX_OK)
                err = open_core(node, why);
        if (err == LX_OK)
                err = open_rpc(node, why);
        if (err == LX_ERR_CORRUPT)
                name_damage(node, why);
        if (err != LX_OK) {
                node_close(node);
                return err;
        }
        *out_node = node;
        return LX_OK;
}

enum lx_err
node_run(struct lxnode *node)
{
        struct ledger_view *view = ledger_view_new(node->ledger);

        log_notice(NODE, "ready", "version=%s network=%s height=%llu rpc=%s datadir=%s", PACKAGE_VERSION,
            ledger_genesis(node->ledger)->network,
            (unsigned long long)ledger_view_header(view)->height, node->daemon.tcp, node->conf.datadir);
        ledger_view_unref(view);
        daemon_ready(&node->daemon);
        upgrade_ready(&node->conf, &node->upgrade);
        tick(node);
        io_loop_run(node->daemon.loop);
        return node->result;
}

void
node_close(struct lxnode *node)
{
        if (node == NULL)
                return;
        llp_core_free(node->core);
        node->core = NULL;
        ledger_executor_free(node->writer);
        if (node->has_journal)
                ledger_storage_dir_close(&node->journal);
        if (node->executor != NULL)
                ledger_executor_drain(node->executor);
        if (node->db != NULL)
                lld_hurry(node->db);
        if (node->pool != NULL)
                lx_pool_drain(node->pool); /* a backup under way owes an answer */
        daemon_close_rpc(&node->daemon);
        peers_close(node->peers);
        overlay_close(node->overlay);
        ledger_executor_free(node->executor);
        lx_pool_free(node->pool);
        ledger_close(node->ledger);
        blob_close(node->blobs);
        lld_close(node->db);
        io_timer_free(node->tick);
        io_timer_free(node->core_timer);
        daemon_close(&node->daemon);
        keys_file_clear(&node->key);
        lx_free(node);
}

/* ---- one-shot work ----------------------------------------------------------------------------- */

static void
show_finding(void *arg, const char *text)
{
        (void)arg;
        (void)fprintf(stderr, "lxnoded: %s\n", text);
}

static void
show_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
        (void)arg;
        if (isatty(2))
                (void)fprintf(stderr, "\r%s: %llu of %llu   %s", what, (unsigned long long)done,
                    (unsigned long long)total, done == total ? "\n" : "");
}

enum lx_err
node_check_db(const struct node_conf *conf, struct lx_why *why)
{
        struct lxnode *node = lx_alloc(sizeof(*node));
        struct ledger_progress progress = {.report = show_progress};
        struct ledger_options options = {0};
        enum lx_err err = open_store(conf, false, node, why);

        if (err == LX_OK)
                err = lld_check(node->db, why);
        options.db = node->db;
        options.blobs = node->blobs;
        if (err == LX_OK)
                err = ledger_open(&options, &node->ledger, why);
        if (err == LX_OK)
                err = ledger_check_all(node->ledger, &progress, show_finding, NULL, why);
        if (err == LX_OK) {
                struct ledger_view *view = ledger_view_new(node->ledger);

                printf("the store is sound: height %llu\n",
                    (unsigned long long)ledger_view_header(view)->height);
                ledger_view_unref(view);
        }
        if (err == LX_ERR_CORRUPT)
                name_damage(node, why);
        ledger_close(node->ledger);
        blob_close(node->blobs);
        lld_close(node->db);
        lx_free(node);
        return err;
}

/* The genesis document is public and belongs to the copy; one that is there already stays. */
static enum lx_err
restore_genesis(const struct node_conf *conf, const char *from, struct lx_why *why)
{
        struct lx_buf path = {0}, json = {0};
        char *to = setup_path(conf, "genesis.json");
        enum lx_err err;

        lx_buf_printf(&path, "%s/genesis.json", from);
        err = lx_file_read(lx_buf_str(&path), GENESIS_JSON_MAX, &json, NULL);
        if (err == LX_OK && access(to, F_OK) != 0)
                err = lx_file_write(to, json.p, json.len, 0644, why);
        lx_buf_clear(&path);
        lx_buf_clear(&json);
        lx_free(to);
        return err == LX_ERR_ABSENT ? LX_OK : err;
}

enum lx_err
node_restore(const struct node_conf *conf, struct lx_why *why)
{
        struct upgrade restored = {.open = false};
        struct blob_store *blobs = NULL;
        enum lx_err err = lld_restore(conf->restore, conf->datadir, why);

        if (err == LX_OK)
                err = blob_open(
                    conf->restore, ledger_blob_kinds(), LEDGER_BLOB_COUNT_, &blobs, why);
        if (err == LX_OK)
                err = blob_backup(blobs, conf->datadir, why);
        blob_close(blobs);
        if (err == LX_OK)
                err = restore_genesis(conf, conf->restore, why);
        if (err != LX_OK)
                return err;
        err = upgrade_opened(conf, &restored, why); /* the backup itself is what one could go back to */
        if (err != LX_OK)
                return err;
        printf("restored; checking it\n");
        return node_check_db(conf, why);
}

/* The open store holds the lock: no node signs meanwhile. */
enum lx_err
node_move(const struct node_conf *conf, struct lx_why *why)
{
        struct lxnode *node = lx_alloc(sizeof(*node));
        enum lx_err err = open_store(conf, false, node, why);

        if (err == LX_OK)
                err = conf->hand_over != NULL ? move_hand_over(conf, conf->hand_over, why)
                                              : move_take_over(conf, conf->take_over, why);
        blob_close(node->blobs);
        lld_close(node->db);
        lx_free(node);
        return err;
}

/* Whether nobody else could bring back this chain's blocks: its one validator's key is here. */
static enum lx_err
makes_all_blocks(const struct node_conf *conf, bool *out_solo, struct lx_why *why)
{
        struct sigchain_genesis *genesis = lx_alloc(sizeof(*genesis));
        char *dev_key = setup_path(conf, "validator.key");
        struct node_conf asked = *conf; /* borrowed */
        struct keys_file key = {0};
        struct lx_buf bytes = {0};
        enum lx_err err;

        asked.dev = access(dev_key, F_OK) == 0;
        err = setup_key(&asked, &key, why);
        *out_solo = false;
        if (err == LX_OK) {
                asked.dev = false;
                err = setup_genesis(&asked, &key, &bytes, why);
                *out_solo = err != LX_OK || bytes.len == 0 ||
                    sigchain_genesis_decode(bytes.p, bytes.len, genesis) != LX_OK || genesis->validators.count == 1;
        } else if (err == LX_ERR_ABSENT && conf->validator_key == NULL) {
                err = LX_OK;
        }
        keys_file_clear(&key);
        lx_buf_clear(&bytes);
        lx_free(dev_key);
        lx_free(genesis);
        return err;
}

enum lx_err
node_rollback(const struct node_conf *conf, struct lx_why *why)
{
        bool solo;
        enum lx_err err = makes_all_blocks(conf, &solo, why);

        return err == LX_OK ? upgrade_rollback(conf, solo, why) : err;
}
