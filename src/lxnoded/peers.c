/* lxnoded/peers.c - see lxnoded/peers.h. */
#include "config.h"
#include "lxnoded/peers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "ledger/ledger.h"
#include "lxnoded/setup.h"

#include <stdio.h>
#include <string.h>

#define LISTEN_DEFAULT "[::]:5389"
#define INBOUND_MAX 256
#define LISTEN_DEFAULT_4 "0.0.0.0:5389" /* where there is no IPv6 */

struct peers {
        struct peers_options options;
        struct keys_file key;
        struct llp_swarm_io *io;
        char listening[80];
};

/* ---- node key ---------------------------------------------------------------------------------- */

static enum lx_err
open_key(const struct node_conf *conf, struct keys_file *out_key, struct lx_why *why)
{
        char *path = setup_path(conf, "node.key");
        enum lx_err err = keys_file_load(path, out_key, NULL);

        if (err == LX_ERR_ABSENT) {
                err = keys_file_generate(KEYS_NODE, out_key);
                if (err == LX_OK)
                        err = keys_file_save(out_key, path, why);
        } else if (err != LX_OK) {
                err = keys_file_load(path, out_key, why); /* again, for the reason */
        }
        if (err == LX_OK && out_key->kind != KEYS_NODE) {
                lx_why_set(why, "%s is no node key: move it away, a new one will be made", path);
                err = LX_ERR_FORMAT;
        }
        if (err != LX_OK)
                lx_why_set(why, "cannot use the node key %s: %s", path, lx_err_text(err));
        lx_free(path);
        return err;
}

/* ---- options ------------------------------------------------------------------------------------ */

/* Each line of @list to @add (NULL: only checked). */
static enum lx_err
each(const char *list, const char *option, struct llp_swarm *swarm,
    enum lx_err (*add)(struct llp_swarm *swarm, const struct llp_place *place, struct lx_why *why),
    struct lx_why *why)
{
        enum lx_err err = LX_OK;

        while (list != NULL && *list != '\0' && err == LX_OK) {
                size_t len = strcspn(list, "\n");
                char text[512];
                struct llp_place place;
                struct lx_why inner = {{0}};

                (void)snprintf(text, sizeof(text), "%.*s", (int)(len < 511 ? len : 511), list);
                err = llp_place_parse(text, &place, &inner);
                if (err == LX_OK && add != NULL)
                        err = add(swarm, &place, &inner);
                if (err != LX_OK)
                        lx_why_set(why, "--%s: %s", option, inner.text);
                list += len + (list[len] == '\n');
        }
        return err;
}

enum lx_err
peers_check(const struct node_conf *conf, struct lx_why *why)
{
        enum lx_err err = each(conf->peers, "peer", NULL, NULL, why);

        if (conf->inbound_max < 1 || conf->inbound_max > INBOUND_MAX) {
                lx_why_set(why, "inbound-max is 1 to %d, not %llu (nobody: --listen none)",
                    INBOUND_MAX, (unsigned long long)conf->inbound_max);
                return LX_ERR_USAGE;
        }
        return err == LX_OK ? each(conf->seeds, "seed", NULL, NULL, why) : err;
}

static enum lx_err
add_peer(struct llp_swarm *swarm, const struct llp_place *place, struct lx_why *why)
{
        return llp_swarm_add(swarm, place, lx_clock_now_ms(), why);
}

static enum lx_err
open_swarm(struct peers *peers, const char *listen, struct lx_why *why)
{
        const struct node_conf *conf = peers->options.conf;
        char *book = setup_path(conf, "peers.dat");
        struct llp_swarm_io_options options = {.loop = peers->options.loop,
            .pool = peers->options.pool,
            .listen = listen,
            .book_path = book,
            .swarm = {.secret = peers->key.secret.p,
                .chain_id = *peers->options.chain_id,
                .agent = "lxnoded/" PACKAGE_VERSION,
                .in_max = (unsigned)conf->inbound_max,
                .upper = peers->options.upper}};
        enum lx_err err;

        options.swarm.roles = LLP_ROLE_FULL | (peers->options.validator ? LLP_ROLE_VALIDATOR : 0) |
                              (conf->prune == 0 ? LLP_ROLE_ARCHIVE : 0);
        if (peers->options.light) {
                options.swarm.roles = LLP_ROLE_LIGHT;
                options.book_path = NULL; /* stations are those that were given */
        }
        err = llp_swarm_io_new(&options, &peers->io, why);
        lx_free(book);
        return err;
}

/*
 * What was asked for must work; the default address may be taken (another node on this host) or of a
 * family that is not here: then the node dials only.
 */
static enum lx_err
open_listening(struct peers *peers, struct lx_why *why)
{
        const struct node_conf *conf = peers->options.conf;
        struct lx_why inner = {{0}};
        const char *where = conf->listen;
        enum lx_err err;

        if (peers->options.light) {
                err = open_swarm(peers, where = NULL, why);
        } else if (where != NULL || conf->dev) {
                where = where != NULL && strcmp(where, "none") != 0 ? where : NULL;
                err = open_swarm(peers, where, why);
        } else {
                where = LISTEN_DEFAULT;
                err = open_swarm(peers, where, &inner);
                if (err == LX_ERR_IO)
                        err = open_swarm(peers, where = LISTEN_DEFAULT_4, &inner);
                if (err == LX_ERR_BUSY || err == LX_ERR_IO) {
                        log_warn(LLP, "nobody can connect here; going on with dialling",
                            "why=\"%s\"", inner.text);
                        err = open_swarm(peers, where = NULL, why);
                } else if (err != LX_OK) {
                        lx_why_set(why, "%s", inner.text);
                }
        }
        if (err == LX_OK && where != NULL)
                (void)snprintf(peers->listening, sizeof(peers->listening), "%.*s:%u",
                    (int)(strrchr(where, ':') - where), where, llp_swarm_io_port(peers->io));
        return err;
}

enum lx_err
peers_open(const struct peers_options *options, struct peers **out_peers, struct lx_why *why)
{
        struct peers *peers = lx_alloc(sizeof(*peers));
        struct llp_swarm *swarm;
        char id[LX_HEX_LEN(LX_PUBKEY_LEN)];
        enum lx_err err;

        peers->options = *options;
        (void)snprintf(peers->listening, sizeof(peers->listening), "none");
        err = open_key(options->conf, &peers->key, why);
        if (err == LX_OK)
                err = open_listening(peers, why);
        if (err == LX_OK) {
                swarm = llp_swarm_io_swarm(peers->io);
                err = each(options->conf->peers, "peer", swarm, add_peer, why);
        }
        if (err == LX_OK)
                err = each(options->conf->seeds, "seed", swarm, llp_swarm_add_seed, why);
        if (err != LX_OK) {
                peers_close(peers);
                return err;
        }
        lx_hex(llp_swarm_id(swarm).b, LX_PUBKEY_LEN, id);
        log_notice(LLP, "among peers", "id=%s listen=%s", id, peers->listening);
        *out_peers = peers;
        return LX_OK;
}

const struct llp_net *
peers_net(const struct peers *peers)
{
        return llp_swarm_net(llp_swarm_io_swarm(peers->io));
}

struct llp_swarm_io *
peers_swarm_io(const struct peers *peers)
{
        return peers->io;
}

const char *
peers_listening(const struct peers *peers)
{
        return peers->listening;
}

void
peers_stop(struct peers *peers)
{
        llp_swarm_io_stop(peers->io);
}

void
peers_close(struct peers *peers)
{
        if (peers == NULL)
                return;
        llp_swarm_io_free(peers->io);
        keys_file_clear(&peers->key);
        lx_free(peers);
}
