/*
 * bench/bench_network.c - four validators as they run: lxnoded processes that speak to each other over loopback.
 *
 * Rows: final transactions per second, from the first submission until all four have all of them, against
 * what BIP 340 verification on all cores gives each of four nodes; how many of a transaction's bodies cross
 * one link, all told; and the block interval over links of 50 ms one way (contrib/localnet; needs root),
 * against three one-way delays.
 */
#include "config.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "bench/bench.h"
#include "bench/proc.h"
#include "bench/verify.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "keys/keyfile.h"
#include "kit/author.h"
#include "ledger/genesis_json.h"
#include "rpcclient/client.h"
#include "sigchain/params.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODES 4
#define LINKS 6
#define AUTHORS 400
#define EACH 20 /* transactions of an author, the first included */
#define WAIT_S 60
#define DELAY_MS 50
#define BLOCKS 30 /* whose intervals are one measurement */
#define TRICKLE_US 20000

struct bench {
        struct lx_buf document;
        json_t *calls[NODES]; /* parameters of chain.submit, in order, for each node */
        size_t tx_count;
        char id[NODES][LX_HEX_LEN(LX_PUBKEY_LEN)];
        struct rpcclient *client[NODES];
};

static const char *
node_dir(size_t i)
{
        return bench_str("%s/n%zu", bench_dir(), i);
}

static json_t *
call(struct rpcclient *client, const char *method, json_t *params)
{
        struct lx_why why = {{0}};
        json_t *out = NULL;

        return rpcclient_call(client, method, params, &out, &why) == LX_OK ? out : NULL;
}

/* @object.@a.@b as a number; 0: it is not there. */
static json_int_t
number(const json_t *object, const char *a, const char *b)
{
        return json_integer_value(json_object_get(json_object_get(object, a), b));
}

/* ---- what they work on -------------------------------------------------------------------------- */

static json_t *
submission(const struct lx_buf *tx)
{
        char *hex = lx_alloc(LX_HEX_LEN(tx->len));
        json_t *o;

        lx_hex(tx->p, tx->len, hex);
        o = json_pack("{s:s,s:s}", "tx", hex, "wait", "accepted");
        lx_free(hex);
        return o;
}

/* Authors in turn; all of one author's go to one node, in order. */
static void
make_txs(struct bench *b)
{
        struct author *authors = lx_alloc_array(AUTHORS, sizeof(*authors));
        struct lx_hash chain_id, address;
        struct lx_buf tx = {0};

        sigchain_chain_id(&lx_crypto_ops()->hash, b->document.p, b->document.len, &chain_id);
        for (size_t i = 0; i < NODES; i++)
                b->calls[i] = json_array();
        for (size_t i = 0; i < AUTHORS; i++)
                author_init(&authors[i], i + 1, &chain_id);
        for (unsigned e = 0; e < EACH; e++)
                for (size_t i = 0; i < AUTHORS; i++, b->tx_count++) {
                        lx_buf_reset(&tx);
                        if (e == 0)
                                author_begin(&authors[i], &tx, NULL);
                        else
                                author_create_raw(&authors[i], "hello", 5, &tx, NULL, &address);
                        json_array_append_new(b->calls[i % NODES], submission(&tx));
                }
        for (size_t i = 0; i < AUTHORS; i++)
                author_clear(&authors[i]);
        lx_free(authors);
        lx_buf_clear(&tx);
}

/* Genesis document, validator keys, node keys. */
static bool
make_files(struct bench *b)
{
        struct lx_why why = {{0}};
        struct lx_buf json = {0};
        bool fine = ledger_genesis_to_json(b->document.p, b->document.len, &json, &why) == LX_OK &&
            lx_file_write(bench_str("%s/genesis.json", bench_dir()), json.p, json.len, 0644, &why) == LX_OK;

        for (size_t i = 0; i < NODES && fine; i++) {
                struct keys_file validator = {.kind = KEYS_VALIDATOR}, node = {0};

                fine = lx_secret_init(&validator.secret, 32) == LX_OK;
                kit_validator_key(i, validator.secret.p);
                fine = fine && lx_sign_pubkey(validator.secret.p, &validator.public) == LX_OK &&
                    keys_file_save(&validator, bench_str("%s/v%zu.key", bench_dir(), i), &why) == LX_OK &&
                    keys_file_generate(KEYS_NODE, &node) == LX_OK &&
                    keys_file_save(&node, bench_str("%s/node%zu.key", bench_dir(), i), &why) == LX_OK;
                lx_hex(node.public.b, LX_PUBKEY_LEN, b->id[i]);
                keys_file_clear(&validator);
                keys_file_clear(&node);
        }
        lx_buf_clear(&json);
        return fine;
}

/* ---- the network -------------------------------------------------------------------------------- */

static pid_t
start_node(const struct bench *b, size_t i, const unsigned *port)
{
        const char *argv[24] = {bench_str("%s/lxnoded", bench_build()), "--datadir", NULL, "--genesis", NULL,
            "--validator-key", NULL, "--listen", NULL, "--rpc-listen", "none", "--log", "error"};
        char dir[300], genesis[300], key[300], listen[64], peer[NODES][160];
        size_t n = 13;

        (void)snprintf(dir, sizeof(dir), "%s", node_dir(i));
        (void)snprintf(genesis, sizeof(genesis), "%s/genesis.json", bench_dir());
        (void)snprintf(key, sizeof(key), "%s/v%zu.key", bench_dir(), i);
        (void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", port[i]);
        argv[2] = dir;
        argv[4] = genesis;
        argv[6] = key;
        argv[8] = listen;
        for (size_t k = 0; k < NODES; k++)
                if (k != i) {
                        (void)snprintf(peer[k], sizeof(peer[k]), "%s@127.0.0.1:%u", b->id[k], port[k]);
                        argv[n++] = "--peer";
                        argv[n++] = peer[k];
                }
        return bench_start(argv);
}

/* Whether node @i has every other one as its peer. */
static bool
is_joined(struct bench *b, size_t i)
{
        json_t *status = call(b->client[i], "node.status", NULL);
        bool joined = number(status, "peers", "inbound") + number(status, "peers", "outbound") >= NODES - 1;

        json_decref(status);
        return joined;
}

static bool
start_network(struct bench *b, pid_t *pid)
{
        double end = bench_now() + WAIT_S;
        unsigned port[NODES];
        bool joined = true;

        for (size_t i = 0; i < NODES; i++)
                port[i] = bench_free_port();
        for (size_t i = 0; i < NODES; i++) {
                (void)bench_shell(bench_str("rm -rf '%s' && mkdir -m 700 '%s' && cp '%s/node%zu.key' '%s/node.key'",
                    node_dir(i), node_dir(i), bench_dir(), i, node_dir(i)));
                pid[i] = start_node(b, i, port);
                b->client[i] = rpcclient_new(NULL, node_dir(i));
        }
        for (size_t i = 0; i < NODES; i++)
                while (!(joined = is_joined(b, i)) && bench_now() < end)
                        (void)usleep(20000);
        return joined;
}

static void
stop_network(struct bench *b, const pid_t *pid)
{
        for (size_t i = 0; i < NODES; i++) {
                rpcclient_free(b->client[i]);
                bench_stop(pid[i]);
        }
}

struct feeding {
        struct bench *bench;
        size_t node;
        bool fine;
};

static void *
feed(void *arg)
{
        struct feeding *f = arg;
        struct rpcclient *client = rpcclient_new(NULL, node_dir(f->node));
        struct lx_why why = {{0}};
        json_t *results = NULL;

        f->fine = rpcclient_call_many(client, "chain.submit", json_incref(f->bench->calls[f->node]), &results,
            &why) == LX_OK;
        if (!f->fine)
                (void)fprintf(stderr, "network: node %zu: %s\n", f->node, why.text);
        json_decref(results);
        rpcclient_free(client);
        return NULL;
}

static bool
has_all(struct bench *b, size_t i)
{
        json_t *status = call(b->client[i], "node.status", NULL);
        bool all = (size_t)number(status, "totals", "transactions") >= b->tx_count;

        json_decref(status);
        return all;
}

/* Hand in everything, wait until all have all of it; the seconds, 0: it failed. */
static double
work(struct bench *b)
{
        struct feeding feeding[NODES];
        pthread_t thread[NODES];
        double from = bench_now();
        bool fine = true;

        for (size_t i = 0; i < NODES; i++) {
                feeding[i] = (struct feeding){.bench = b, .node = i};
                if (pthread_create(&thread[i], NULL, feed, &feeding[i]) != 0)
                        exit(1);
        }
        for (size_t i = 0; i < NODES; i++) {
                (void)pthread_join(thread[i], NULL);
                fine = fine && feeding[i].fine;
        }
        for (size_t i = 0; i < NODES && fine; i++)
                while (!has_all(b, i) && (fine = bench_now() < from + WAIT_S))
                        (void)usleep(5000);
        return fine ? bench_now() - from : 0;
}

/* Bodies that all nodes sent to their peers. */
static double
bodies_sent(void)
{
        double sum = 0, one;

        for (size_t i = 0; i < NODES; i++) {
                FILE *f = popen(bench_str("curl -s --unix-socket '%s/lxnoded.sock' http://n/metrics | "
                    "sed -n 's/^lxnoded_gossip_bodies_out_total //p'", node_dir(i)), "r");

                if (f != NULL && fscanf(f, "%lf", &one) == 1)
                        sum += one;
                if (f != NULL)
                        (void)pclose(f);
        }
        return sum;
}

static double
run_network(struct bench *b, double *out_bodies)
{
        pid_t pid[NODES];
        double took = start_network(b, pid) ? work(b) : 0;

        *out_bodies = bodies_sent();
        stop_network(b, pid);
        return took;
}

static double
final_rate(void *arg)
{
        struct bench *b = arg;
        double bodies, took = run_network(b, &bodies);

        return took > 0 ? (double)b->tx_count / took : 0;
}

static double
bodies_per_link(void *arg)
{
        struct bench *b = arg;
        double bodies, took = run_network(b, &bodies);

        return took > 0 ? bodies / (double)b->tx_count / LINKS : 0;
}

static double
verify_share(void *arg)
{
        (void)arg;
        return verify_rate() / NODES;
}

/* ---- the block interval --------------------------------------------------------------------------- */

struct trickle {
        struct rpcclient *client[NODES];
        struct author author[NODES]; /* one a node */
};

static bool
trickle_one(struct trickle *t, size_t i)
{
        struct lx_buf tx = {0};
        struct lx_hash address;
        json_t *out;

        if (t->author[i].sequence == 0)
                author_begin(&t->author[i], &tx, NULL);
        else
                author_create_raw(&t->author[i], "hello", 5, &tx, NULL, &address);
        out = call(t->client[i], "chain.submit", submission(&tx));
        json_decref(out);
        lx_buf_clear(&tx);
        return out != NULL;
}

static uint64_t
height_of(struct rpcclient *client)
{
        json_t *status = call(client, "node.status", NULL);
        uint64_t height = (uint64_t)json_integer_value(json_object_get(status, "height"));

        json_decref(status);
        return height;
}

/* Seconds since midnight of "2026-01-31T12:00:00.000Z": blocks of one measurement are of one minute. */
static double
time_at(struct rpcclient *client, uint64_t height)
{
        json_t *header = call(client, "chain.header", json_pack("{s:I}", "height", (json_int_t)height));
        const char *text = json_string_value(json_object_get(header, "time"));
        unsigned h = 0, m = 0;
        double s = 0;

        if (text == NULL || sscanf(text, "%*d-%*d-%*dT%u:%u:%lf", &h, &m, &s) != 3)
                s = 0;
        json_decref(header);
        return h * 3600 + m * 60 + s;
}

/* The mean interval of BLOCKS blocks under a light load, in ms. */
static double
block_interval(void *arg)
{
        struct trickle *t = arg;
        uint64_t first = height_of(t->client[0]) + 2, now = 0;
        double end = bench_now() + WAIT_S, took;
        bool fine = true;

        for (size_t i = 0; fine && now < first + BLOCKS && bench_now() < end; i = (i + 1) % NODES) {
                fine = trickle_one(t, i);
                (void)usleep(TRICKLE_US);
                now = height_of(t->client[0]);
        }
        took = time_at(t->client[0], first + BLOCKS) - time_at(t->client[0], first);
        return fine && now >= first + BLOCKS && took > 0 ? took * 1000 / BLOCKS : 0;
}

static double
three_delays(void *arg)
{
        (void)arg;
        return 3.0 * DELAY_MS;
}

static bool
bench_interval(void)
{
        struct trickle t = {0};
        struct bench_row row = {.name = "block interval, 50 ms one way", .unit = "ms", .budget = 1.4,
            .at_most = true, .rounds = 5, .ours = block_interval, .yardstick = three_delays, .arg = &t};
        const char *lab = bench_str("LX_BUILDDIR='%s' LX_LOCALNET='%s/net' '%s/contrib/localnet'", bench_build(),
            bench_dir(), getenv("LX_SRCDIR") != NULL ? getenv("LX_SRCDIR") : "..");
        char localnet[600];
        struct lx_hash chain_id = {{0}};
        json_t *genesis;
        bool holds = false;

        (void)snprintf(localnet, sizeof(localnet), "%s", lab);
        if (geteuid() != 0 || bench_shell(bench_str("%s up 4 && %s link %d 0 0", localnet, localnet, DELAY_MS)) == 0) {
                (void)fprintf(stderr, "network: the block interval needs root, TUN and contrib/localnet: not measured\n");
                (void)bench_shell(bench_str("%s down", localnet));
                return false;
        }
        for (size_t i = 0; i < NODES; i++)
                t.client[i] = rpcclient_new(NULL, bench_str("%s/net/n%zu/data", bench_dir(), i + 1));
        genesis = call(t.client[0], "chain.genesis", NULL);
        if (genesis != NULL) {
                const char *hex = json_string_value(json_object_get(genesis, "chain_id"));

                holds = hex != NULL && lx_unhex(hex, strlen(hex), chain_id.b, LX_HASH_LEN);
                json_decref(genesis);
        }
        for (size_t i = 0; i < NODES; i++)
                author_init(&t.author[i], i + 1, &chain_id);
        holds = holds && bench_run(&row);
        for (size_t i = 0; i < NODES; i++) {
                author_clear(&t.author[i]);
                rpcclient_free(t.client[i]);
        }
        (void)bench_shell(bench_str("%s down", localnet));
        return holds;
}

int
main(void)
{
        struct bench b = {.tx_count = 0};
        struct bench_row rate = {.name = "network, final tx", .unit = "/s", .budget = 0.3, .rounds = 5,
            .ours = final_rate, .yardstick = verify_share, .arg = &b};
        struct bench_row bodies = {.name = "network, bodies of a tx on one link", .unit = "", .budget = 0.8,
            .at_most = true, .rounds = 5, .ours = bodies_per_link, .arg = &b};
        bool holds;

        if (lx_crypto_init() != LX_OK)
                return 1;
        kit_genesis(NODES, NULL, "\"heartbeat-ms\":0", &b.document);
        bench_say("making transactions");
        make_txs(&b);
        if (!make_files(&b))
                return 1;
        holds = bench_run(&rate);
        holds = bench_run(&bodies) && holds;
        holds = bench_interval() && holds;
        for (size_t i = 0; i < NODES; i++)
                json_decref(b.calls[i]);
        lx_buf_clear(&b.document);
        return holds ? 0 : 1;
}
