/* lxnoded/light.c - see lxnoded/light.h. */
#include "config.h"
#include "lxnoded/light.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "crypto/hash.h"
#include "ledger/genesis_json.h"
#include "ledger/journal.h"
#include "light/history.h"
#include "light/pass.h"
#include "light/store.h"
#include "light/watch.h"
#include "llp/contact.h"
#include "lxnoded/broadcast.h"
#include "lxnoded/daemon.h"
#include "lxnoded/peers.h"
#include "lxnoded/setup.h"
#include "rpc/rpc.h"
#include "sigchain/params.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TICK_MS 1000
#define DAY_MS (24ull * 3600 * 1000)

struct light_node {
        struct node_conf conf; /* borrowed strings: main's */
        struct daemon daemon;
        struct lx_pool *pool;
        struct io_timer *tick, *contact_timer;
        struct ledger_storage storage;
        bool has_storage;
        int lock; /* -1: none */
        struct light *light;
        struct light_store store;
        struct light_history *history;
        struct llp_contact *contact;
        struct broadcast *broadcast; /* NULL: not listened to */
        struct peers *peers; /* NULL: no contact is open */
        struct llp_net net;  /* hands through to the peers' */
        struct lx_hash chain_id;
        struct lx_buf genesis;
        struct rpc_light rpc_light;
        char network[33];
        uint64_t passed_ms; /* monotonic: until then time was counted */
        enum lx_err result;
};

/* ---- options ------------------------------------------------------------------------------------- */

static enum lx_err
read_trust(const char *text, uint64_t *out_height, struct lx_hash *out_hash, struct lx_why *why)
{
        unsigned long long height;
        char hash[66] = "", rest[2] = "";

        if (text[0] < '0' || text[0] > '9' || sscanf(text, "%19llu:%65[0-9a-fA-F]%1s", &height, hash, rest) != 2 ||
            strlen(hash) != 2 * LX_HASH_LEN || !lx_unhex(hash, strlen(hash), out_hash->b, LX_HASH_LEN)) {
                lx_why_set(why, "--trust is HEIGHT:HASH, the hash 64 hex digits (lx chain header HEIGHT, at "
                    "somebody you trust), not \"%.90s\"", text);
                return LX_ERR_USAGE;
        }
        *out_height = height;
        return LX_OK;
}

static enum lx_err
read_schedule(const struct node_conf *conf, struct light_schedule *out, struct lx_why *why)
{
        struct lx_buf text = {0};
        struct lx_why inner = {{0}};
        enum lx_err err = lx_file_read(conf->contact, LIGHT_SCHEDULE_MAX, &text, &inner);

        if (err == LX_OK)
                err = light_schedule_read((const char *)text.p, text.len, out, &inner);
        if (err != LX_OK)
                lx_why_set(why, "--contact %s: %s", conf->contact,
                    inner.text[0] != '\0' ? inner.text : lx_err_text(err));
        lx_buf_clear(&text);
        return err;
}

/* Each --watch to @add. */
static enum lx_err
each_watched(const struct node_conf *conf, enum lx_err (*add)(void *arg, const struct light_entry *entry), void *arg,
    struct lx_why *why)
{
        const char *list = conf->watch;
        enum lx_err err = LX_OK;

        while (list != NULL && *list != '\0' && err == LX_OK) {
                size_t len = strcspn(list, "\n");
                struct light_entry entry;
                char text[256];

                (void)snprintf(text, sizeof(text), "%.*s", (int)(len < 255 ? len : 255), list);
                err = light_watch_read(&lx_crypto_ops()->hash, text, &entry, why);
                if (err == LX_OK)
                        err = add(arg, &entry);
                if (err == LX_ERR_LIMIT)
                        lx_why_set(why, "more than %u are watched", LIGHT_LIST_MAX);
                list += len + (list[len] == '\n');
        }
        return err;
}

static enum lx_err
only_check(void *arg, const struct light_entry *entry)
{
        (void)arg;
        (void)entry;
        return LX_OK;
}

enum lx_err
light_node_check(const struct node_conf *conf, struct lx_why *why)
{
        struct light_schedule schedule = {0};
        struct lx_hash hash;
        uint64_t height;
        enum lx_err err = LX_OK;

        if (!conf->light) {
                if (conf->trust != NULL || conf->watch != NULL || conf->contact != NULL ||
                    conf->broadcast_listen != NULL)
                        log_warn(NODE, "trust, watch, contact and broadcast-listen are for a light node", "next=%s",
                            "they are not looked at; a light node has light = 1");
                return LX_OK;
        }
        if (conf->dev || conf->validator_key != NULL || conf->router) {
                lx_why_set(why, "--light is a node of its own: without --dev, --validator-key and --router");
                return LX_ERR_USAGE;
        }
        if (conf->trust != NULL)
                err = read_trust(conf->trust, &height, &hash, why);
        if (err == LX_OK && conf->contact != NULL)
                err = read_schedule(conf, &schedule, why);
        light_schedule_clear(&schedule);
        return err == LX_OK ? each_watched(conf, only_check, NULL, why) : err;
}

/* ---- events -------------------------------------------------------------------------------------- */

/* What was learned is stored before anybody is told; then the next deadline. */
static void
settle(struct light_node *node)
{
        struct lx_why why = {{0}};
        uint64_t deadline, now = lx_clock_now_ms();

        if (light_watch_targets(node->light))
                log_info(LLP, "a name points to something new, which is watched now", "watched=%zu",
                    light_item_count(node->light));
        if (node->result == LX_OK)
                node->result = light_history_sync(node->history, node->light, &why);
        if (node->result == LX_OK)
                node->result = light_store_sync(&node->store, node->light, &why);
        if (node->result != LX_OK && !node->daemon.stopping) {
                log_error(LLP, "the light store cannot be written, stopping", "why=\"%s\"", why.text);
                node->daemon.stopping = true;
                io_loop_stop(node->daemon.loop);
                return;
        }
        deadline = llp_contact_deadline_ms(node->contact);
        if (deadline != UINT64_MAX)
                io_timer_set(node->contact_timer, deadline > now ? deadline - now : 0);
}

/* For chain.import: its answer promises that it is durable. */
static enum lx_err
store_changes(void *arg, struct lx_why *why)
{
        struct light_node *node = arg;

        if (node->result == LX_OK)
                node->result = light_store_sync(&node->store, node->light, why);
        return node->result;
}

static void
tip(void *arg, uint64_t *out_height, struct lx_hash *out_tip)
{
        const struct light_node *node = arg;

        *out_height = light_height(node->light);
        *out_tip = *light_hash(node->light);
}

static bool
find_id(struct light_node *node, uint32_t peer, struct lx_pubkey *out_id)
{
        const struct llp_swarm *swarm = llp_swarm_io_swarm(peers_swarm_io(node->peers));
        struct llp_peer_info info;

        for (size_t i = 0; llp_swarm_peer_at(swarm, i, lx_clock_now_ms(), &info); i++)
                if (info.peer == peer && info.has_id) {
                        *out_id = info.id;
                        return true;
                }
        return false;
}

static void
peer_up(void *arg, uint32_t peer, const struct llp_hello *hello, uint64_t now_ms)
{
        struct light_node *node = arg;
        struct lx_pubkey id;

        if ((hello->roles & LLP_ROLE_FULL) != 0 && find_id(node, peer, &id))
                llp_contact_up(node->contact, peer, &id, hello, now_ms);
        settle(node);
}

static void
peer_down(void *arg, uint32_t peer, uint64_t now_ms)
{
        struct light_node *node = arg;

        llp_contact_down(node->contact, peer, now_ms);
        settle(node);
}

static enum lx_err
peer_message(void *arg, uint32_t peer, unsigned type, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
        struct light_node *node = arg;
        uint64_t height = light_height(node->light);
        enum lx_err err = llp_contact_receive(node->contact, peer, type, bytes, len, now_ms);

        settle(node);
        if (light_height(node->light) > height)
                log_info(LLP, "header verified", "height=%llu", (unsigned long long)light_height(node->light));
        return err;
}

static void
contact_tick(void *arg)
{
        struct light_node *node = arg;

        llp_contact_tick(node->contact, lx_clock_now_ms());
        settle(node);
}

static uint64_t
wall_ms(void *arg)
{
        (void)arg;
        return lx_clock_walltime().ms;
}

static void
stopping(void *arg)
{
        struct light_node *node = arg;

        log_notice(NODE, "stopping", "next=%s", "goodbye to the station");
        if (node->peers != NULL)
                peers_stop(node->peers);
}

static void
woken(void *arg)
{
        (void)lx_pool_reap(((struct light_node *)arg)->pool);
}

/* ---- the net: there only while a contact is ------------------------------------------------------ */

static bool
net_send(void *arg, uint32_t peer, unsigned type, const void *bytes, size_t len)
{
        struct light_node *node = arg;
        const struct llp_net *net = node->peers != NULL ? peers_net(node->peers) : NULL;

        return net != NULL && net->send(net->arg, peer, type, bytes, len);
}

static bool
net_room(void *arg, uint32_t peer, unsigned type)
{
        struct light_node *node = arg;
        const struct llp_net *net = node->peers != NULL ? peers_net(node->peers) : NULL;

        return net != NULL && net->has_room(net->arg, peer, type);
}

static void
net_punish(void *arg, uint32_t peer, unsigned points, const char *reason)
{
        struct light_node *node = arg;
        const struct llp_net *net = node->peers != NULL ? peers_net(node->peers) : NULL;

        log_warn(LLP, "a station was caught, and is not asked for a while", "why=\"%s\"", reason);
        if (net != NULL)
                net->punish(net->arg, peer, points, reason);
}

/* ---- contacts ------------------------------------------------------------------------------------ */

static enum lx_err
open_peers(struct light_node *node, struct lx_why *why)
{
        struct peers_options options = {.conf = &node->conf,
            .loop = node->daemon.loop,
            .pool = node->pool,
            .chain_id = &node->chain_id,
            .light = true,
            .upper = {.tip = tip, .on_up = peer_up, .on_down = peer_down, .on_message = peer_message, .arg = node}};

        return peers_open(&options, &node->peers, why);
}

static void
close_peers(struct light_node *node)
{
        struct peers *peers = node->peers;

        if (peers == NULL)
                return;
        peers_stop(peers);
        peers_close(peers);
        node->peers = NULL;
}

/* A broadcast gave a whole pass. */
static void
take_broadcast(void *arg, struct lx_span bytes)
{
        struct light_node *node = arg;
        struct light_pass_result result = {0};
        struct lx_why why = {{0}};
        enum lx_err err =
            light_pass_take(node->light, bytes.p, bytes.len, lx_clock_walltime().ms, &result, &why);

        if (err == LX_OK)
                log_notice(LLP, "pass received by broadcast", "height=%llu headers=%zu states=%zu",
                    (unsigned long long)result.height, result.headers, result.states);
        else
                log_warn(LLP, "a pass that was broadcast does not hold", "why=\"%s\"",
                    why.text[0] != '\0' ? why.text : lx_err_text(err));
        settle(node);
}

/* Open or close a contact as the schedule says. */
static void
follow_schedule(struct light_node *node)
{
        const struct light_window *open = light_schedule_open(&node->rpc_light.schedule, wall_ms(NULL));
        struct llp_contact_stats stats;
        struct lx_why why = {{0}};

        if (node->rpc_light.always || node->daemon.stopping)
                return;
        llp_contact_get_stats(node->contact, &stats);
        if (open != NULL && node->peers == NULL && !stats.over_budget) {
                llp_contact_set_budget(node->contact, open->bytes);
                if (open_peers(node, &why) != LX_OK)
                        log_error(LLP, "the contact cannot begin, trying again", "why=\"%s\"", why.text);
                else
                        log_notice(LLP, "contact begins", "bytes=%llu", (unsigned long long)open->bytes);
        } else if (open == NULL && node->peers != NULL) {
                close_peers(node);
                log_notice(LLP, "contact ends", "height=%llu", (unsigned long long)light_height(node->light));
        }
}

static void
tick(void *arg)
{
        struct light_node *node = arg;
        uint64_t now = lx_clock_now_ms();

        light_pass(node->light, now - node->passed_ms);
        node->passed_ms = now;
        follow_schedule(node);
        settle(node);
        io_timer_set(node->tick, TICK_MS);
}

/* ---- opening ------------------------------------------------------------------------------------- */

static void
open_loop(struct light_node *node)
{
        daemon_open(&node->daemon, &node->conf, &(struct daemon_calls){woken, stopping, node});
        node->tick = io_timer_new(node->daemon.loop, tick, node);
        node->contact_timer = io_timer_new(node->daemon.loop, contact_tick, node);
        node->pool = lx_pool_new(1, io_loop_wake, node->daemon.loop);
}

/* A copy of the document in the data directory, for starts without --genesis. */
static enum lx_err
keep_genesis(struct light_node *node, struct lx_why *why)
{
        char *path = setup_path(&node->conf, "genesis.json");
        struct lx_buf json = {0};
        enum lx_err err = LX_OK;

        if (access(path, F_OK) != 0)
                err = ledger_genesis_to_json(node->genesis.p, node->genesis.len, &json, why);
        if (json.len > 0)
                err = lx_file_write(path, json.p, json.len, 0644, why);
        lx_buf_clear(&json);
        lx_free(path);
        return err;
}

/* Chain id and trusting period from the genesis document, which stays in the data directory. */
static enum lx_err
open_genesis(struct light_node *node, struct light_options *out, struct lx_why *why)
{
        struct sigchain_genesis *genesis = lx_alloc(sizeof(*genesis));
        enum lx_err err = lx_file_mkdirs(node->conf.datadir, 0700, why);

        if (err == LX_OK)
                err = setup_genesis(&node->conf, NULL, &node->genesis, why);
        if (err == LX_OK && node->genesis.len == 0) {
                lx_why_set(why, "give the network's document with --genesis FILE");
                err = LX_ERR_ABSENT;
        }
        if (err == LX_OK)
                err = sigchain_genesis_decode(node->genesis.p, node->genesis.len, genesis);
        if (err == LX_OK) {
                sigchain_chain_id(&lx_crypto_ops()->hash, node->genesis.p, node->genesis.len, &node->chain_id);
                (void)snprintf(node->network, sizeof(node->network), "%s", genesis->network);
                *out = (struct light_options){.ops = lx_crypto_ops(),
                    .chain_id = node->chain_id,
                    .trust_ms = genesis->params.value[SIGCHAIN_TRUST_DAYS] * DAY_MS};
        }
        lx_free(genesis);
        return err == LX_OK ? keep_genesis(node, why) : err;
}

/* One process at a time. */
static enum lx_err
take_lock(struct light_node *node, struct lx_why *why)
{
        char *path = setup_path(&node->conf, "light/LOCK");
        enum lx_err err = LX_OK;

        node->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (node->lock < 0)
                err = lx_file_fail(why, "open", path);
        else if (flock(node->lock, LOCK_EX | LOCK_NB) != 0)
                err = LX_ERR_LOCKED;
        if (err == LX_ERR_LOCKED)
                lx_why_set(why, "data directory %s is in use by another light node: stop it, or choose another "
                    "--datadir", node->conf.datadir);
        lx_free(path);
        return err;
}

static enum lx_err
add_watched(void *arg, const struct light_entry *entry)
{
        return light_watch(arg, entry, NULL);
}

struct search {
        const struct light_entry *entry;
        bool found;
};

static enum lx_err
compare_watched(void *arg, const struct light_entry *entry)
{
        struct search *search = arg;

        search->found |= entry->kind == search->entry->kind && entry->key_len == search->entry->key_len &&
                         memcmp(entry->key, search->entry->key, entry->key_len) == 0; /* public */
        return LX_OK;
}

/* What is not named any more, and is no target of a name that is, goes. */
static bool
is_wanted(void *arg, const struct light_entry *entry)
{
        struct light_node *node = arg;
        struct search search = {.entry = entry};
        struct lx_why why = {{0}};

        return each_watched(&node->conf, compare_watched, &search, &why) != LX_OK || search.found ||
               light_is_target(node->light, entry);
}

static enum lx_err
open_light(struct light_node *node, const struct light_options *options, struct lx_why *why)
{
        char *path = setup_path(&node->conf, "light");
        struct lx_hash hash;
        uint64_t height = 0;
        bool used = false;
        enum lx_err err = ledger_storage_dir_open(path, &node->storage, why);

        lx_free(path);
        node->has_storage = err == LX_OK;
        node->light = light_new(options);
        if (err == LX_OK)
                err = take_lock(node, why);
        if (err == LX_OK)
                err = light_store_open(&node->store, &node->storage, node->light, why);
        if (err == LX_OK)
                err = light_history_open(&node->storage, node->light, &node->history, why);
        if (err == LX_OK && node->conf.trust != NULL)
                err = read_trust(node->conf.trust, &height, &hash, why);
        if (err == LX_OK && node->conf.trust != NULL)
                err = light_trust(node->light, height, &hash, &used, why);
        if (used)
                log_notice(LLP, "a header is trusted from now on", "height=%llu", (unsigned long long)height);
        if (err == LX_OK)
                light_keep_items(node->light, is_wanted, node);
        if (err == LX_OK)
                err = each_watched(&node->conf, add_watched, node->light, why);
        if (err == LX_OK)
                err = light_store_sync(&node->store, node->light, why);
        return err;
}

static void
open_contact(struct light_node *node)
{
        struct llp_contact_options options = {
            .light = node->light, .net = &node->net, .wall_ms = wall_ms, .arg = node};

        options.history = node->conf.history ? node->history : NULL;
        node->net = (struct llp_net){net_send, net_room, net_punish, node};
        node->contact = llp_contact_new(&options);
        node->rpc_light.light = node->light;
        node->rpc_light.history = node->history;
        node->rpc_light.contact = node->contact;
        node->rpc_light.genesis = lx_buf_span(&node->genesis);
        node->rpc_light.network = node->network;
        node->rpc_light.stored = store_changes;
        node->rpc_light.always = node->conf.contact == NULL;
}

static enum lx_err
open_rpc(struct light_node *node, struct lx_why *why)
{
        struct rpc_options options = {.light = &node->rpc_light, .arg = node};

        return daemon_serve(&node->daemon, &options, why);
}

enum lx_err
light_node_open(const struct node_conf *conf, struct light_node **out_node, struct lx_why *why)
{
        struct light_node *node = lx_alloc(sizeof(*node));
        struct light_options options = {0};
        enum lx_err err;

        node->conf = *conf;
        node->lock = -1;
        node->passed_ms = lx_clock_now_ms();
        open_loop(node);
        err = open_genesis(node, &options, why);
        if (err == LX_OK && conf->contact != NULL)
                err = read_schedule(conf, &node->rpc_light.schedule, why);
        if (err == LX_OK)
                err = open_light(node, &options, why);
        if (err == LX_OK)
                open_contact(node);
        if (err == LX_OK && node->rpc_light.always)
                err = open_peers(node, why);
        if (err == LX_OK && conf->broadcast_listen != NULL)
                err = broadcast_open(
                    node->daemon.loop, conf->broadcast_listen, take_broadcast, node, &node->broadcast, why);
        if (err == LX_OK)
                err = open_rpc(node, why);
        if (err != LX_OK) {
                light_node_close(node);
                return err;
        }
        *out_node = node;
        return LX_OK;
}

enum lx_err
light_node_run(struct light_node *node)
{
        struct lx_why why = {{0}};

        light_explain(node->light, light_now(node->light, wall_ms(NULL)), &why);
        log_notice(NODE, "ready", "version=%s network=%s light=\"%s\" watched=%zu datadir=%s", PACKAGE_VERSION,
            node->network, why.text, light_item_count(node->light), node->conf.datadir);
        daemon_ready(&node->daemon);
        tick(node);
        io_loop_run(node->daemon.loop);
        return node->result;
}

void
light_node_close(struct light_node *node)
{
        if (node == NULL)
                return;
        close_peers(node);
        broadcast_close(node->broadcast);
        lx_pool_drain(node->pool);
        daemon_close_rpc(&node->daemon);
        llp_contact_free(node->contact);
        light_history_free(node->history);
        light_free(node->light);
        if (node->has_storage)
                ledger_storage_dir_close(&node->storage);
        if (node->lock >= 0)
                (void)close(node->lock);
        lx_pool_free(node->pool);
        light_schedule_clear(&node->rpc_light.schedule);
        io_timer_free(node->tick);
        io_timer_free(node->contact_timer);
        daemon_close(&node->daemon);
        lx_buf_clear(&node->genesis);
        lx_free(node);
}
