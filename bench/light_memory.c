/* bench/light_memory.c - see bench/light_memory.h. */
#include "config.h"
#include "bench/light_memory.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "bench/proc.h"
#include "crypto/hash.h"
#include "kit/chain.h"
#include "ledger/genesis_json.h"
#include "ledger/narrow.h"
#include "light/history.h"
#include "light/store.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define HEADERS 1000000u
#define WATCHED 1000u
#define LEVELS 20u
#define BLOCK_MS 10u
#define VALUE_LEN 330u /* a register with 256 bytes of data */
#define PROOF_LEN 645u /* among a million */

struct made {
        struct lx_hash chain_id;
        struct sigchain_genesis *doc;
        struct lx_buf genesis, set;
        struct ledger_header first, last;
        struct lx_hash *nodes[LEVELS + 1]; /* complete ones of the log tree */
        struct lx_buf narrow;
};

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

static struct lx_hash
hash_of(uint64_t n)
{
        static const struct lx_tag tag = {"bench"};
        struct lx_hash hash;

        lx_blake2b(&tag, &n, sizeof(n), &hash);
        return hash;
}

static void
put_node(void *arg, unsigned level, uint64_t index, const struct lx_hash *node)
{
        ((struct made *)arg)->nodes[level][index] = *node;
}

static enum lx_err
get_node(void *arg, unsigned level, uint64_t index, struct lx_hash *out)
{
        *out = ((struct made *)arg)->nodes[level][index];
        return LX_OK;
}

/* Headers 1 to HEADERS, narrow, all with transactions; the last one is the tip. */
static void
make_headers(struct made *m)
{
        struct merkle_frontier *frontier = lx_alloc(sizeof(*frontier));
        struct ledger_narrow_known known = {.header = m->first};

        for (unsigned l = 0; l <= LEVELS; l++)
                m->nodes[l] = lx_alloc_array((HEADERS >> l) + 1, sizeof(struct lx_hash));
        for (uint64_t h = 1; h <= HEADERS; h++) {
                struct ledger_header header = known.header;
                struct lx_writer wr =
                    lx_writer_init(lx_buf_reserve(&m->narrow, LEDGER_NARROW_HEADER_MAX), LEDGER_NARROW_HEADER_MAX);
                struct lx_hash leaf;

                ledger_header_hash(ops(), &known.header, &known.hash);
                merkle_log_leaf(ops(), known.hash.b, LX_HASH_LEN, &leaf);
                merkle_frontier_append(ops(), frontier, &leaf, put_node, m);
                header.height = h;
                header.time_ms += BLOCK_MS;
                header.previous = known.hash;
                header.tx_root = hash_of(2 * h);
                header.state_root = hash_of(2 * h + 1);
                merkle_frontier_root(ops(), frontier, &header.history_root);
                known.history = &header.history_root;
                ledger_narrow_encode(ops(), &known, &header, &wr);
                lx_buf_add(&m->narrow, wr.len);
                known.header = header;
        }
        m->last = known.header;
        lx_free(frontier);
}

/* As from a station: runs with their proofs. */
static bool
take_headers(const struct made *m, struct light_history *history, struct light *light)
{
        struct lx_reader rd = lx_reader_init(m->narrow.p, m->narrow.len);
        struct merkle_log_store store = {.get = get_node, .arg = (void *)(uintptr_t)m};
        struct merkle_path *path = lx_alloc(sizeof(*path));
        uint8_t first[LEDGER_HEADER_LEN];
        struct lx_why why = {{0}};
        bool fine;

        ledger_header_encode(&m->first, first);
        fine = light_history_take_first(history, first, sizeof(first), &why) == LX_OK;
        while (fine && light_history_next(history) < HEADERS) {
                do
                        fine = light_history_take(history, &rd, &why) == LX_OK;
                while (fine && light_history_next(history) % LIGHT_HISTORY_RUN != 0 &&
                       light_history_next(history) < HEADERS);
                fine = fine && merkle_log_prove_stored(
                    ops(), &store, HEADERS, light_history_next(history) - 1, path) == LX_OK &&
                    light_history_prove(history, light, HEADERS, path->hash[0].b, path->count * LX_HASH_LEN, &why) ==
                        LX_OK &&
                    light_history_sync(history, light, &why) == LX_OK;
        }
        lx_free(path);
        return fine;
}

/* What is watched, as its store has it. */
static void
put_items(struct lx_buf *out, struct lx_buf *conf)
{
        uint8_t value[VALUE_LEN] = {1}, proof[PROOF_LEN] = {0};

        for (unsigned i = 0; i < WATCHED; i++) {
                struct lx_writer wr = lx_writer_init(lx_buf_reserve(out, 2048), 2048);
                struct light_entry entry = {.kind = SIGCHAIN_KIND_REGISTER, .key_len = LX_HASH_LEN};
                struct lx_hash address = hash_of(i);
                char hex[LX_HEX_LEN(LX_HASH_LEN)];

                address.b[0] = SIGCHAIN_RAW;
                memcpy(entry.key, address.b, LX_HASH_LEN);
                lx_write_u8(&wr, 4);
                light_entry_encode(&entry, &wr);
                lx_write_u8(&wr, 3);
                lx_write_u64(&wr, HEADERS);
                lx_write_u64(&wr, HEADERS);
                lx_write_var16(&wr, LX_SPAN(value, sizeof(value)));
                lx_write_var16(&wr, LX_SPAN(proof, sizeof(proof)));
                lx_buf_add(out, wr.len);
                lx_hex(address.b, LX_HASH_LEN, hex);
                lx_buf_printf(conf, "watch = %s\n", hex);
        }
}

/* A data directory of a light node that trusted header 0 and has come to the tip. */
static bool
make_store(struct made *m, const char *dir,
    void (*certify)(const struct ledger_header *header, const struct sigchain_valset *set, struct lx_buf *out))
{
        struct light_options options = {.ops = lx_crypto_ops(), .chain_id = m->chain_id, .trust_ms = 86400000};
        struct light *light = light_new(&options);
        struct light_history *history = NULL;
        struct ledger_storage storage = {0};
        struct light_store store;
        struct lx_buf cert = {0}, items = {0}, conf = {0};
        struct lx_hash hash;
        struct lx_why why = {{0}};
        uint8_t first[LEDGER_HEADER_LEN];
        bool used, fine;

        ledger_header_hash(ops(), &m->first, &hash);
        ledger_header_encode(&m->first, first);
        certify(&m->last, &m->doc->validators, &cert);
        put_items(&items, &conf);
        fine = light_trust(light, 0, &hash, &used, &why) == LX_OK &&
               light_take_anchor(light, first, sizeof(first), &why) == LX_OK &&
               light_take_set(light, m->set.p, m->set.len, &why) == LX_OK &&
               light_take_header(light, &m->last, lx_buf_span(&cert), m->last.time_ms, &why) == LX_OK &&
               light_replay(light, items.p, items.len) == LX_OK &&
               ledger_storage_dir_open(bench_str("%s/light", dir), &storage, &why) == LX_OK &&
               light_store_open(&store, &storage, light, &why) == LX_OK &&
               light_history_open(&storage, light, &history, &why) == LX_OK && take_headers(m, history, light) &&
               light_store_sync(&store, light, &why) == LX_OK &&
               lx_file_write(bench_str("%s/conf", dir), conf.p, conf.len, 0600, &why) == LX_OK;
        if (!fine)
                bench_say(why.text[0] != '\0' ? why.text : "the light store was not made");
        light_history_free(history);
        if (storage.arg != NULL)
                ledger_storage_dir_close(&storage);
        light_free(light);
        lx_buf_clear(&cert);
        lx_buf_clear(&items);
        lx_buf_clear(&conf);
        return fine;
}

static bool
make_genesis(struct made *m, const char *dir)
{
        struct lx_buf json = {0};
        struct lx_why why = {{0}};
        struct lx_writer wr;
        bool fine;

        kit_genesis(4, NULL, "", &m->genesis);
        m->doc = lx_alloc(sizeof(*m->doc));
        sigchain_chain_id(ops(), m->genesis.p, m->genesis.len, &m->chain_id);
        fine = sigchain_genesis_decode(m->genesis.p, m->genesis.len, m->doc) == LX_OK &&
               ledger_genesis_to_json(m->genesis.p, m->genesis.len, &json, &why) == LX_OK &&
               lx_file_mkdirs(dir, 0700, &why) == LX_OK &&
               lx_file_write(bench_str("%s/genesis.json", dir), json.p, json.len, 0600, &why) == LX_OK;
        wr = lx_writer_init(lx_buf_reserve(&m->set, SIGCHAIN_VALSET_BYTES_MAX), SIGCHAIN_VALSET_BYTES_MAX);
        if (fine)
                sigchain_valset_encode(&m->doc->validators, &wr);
        lx_buf_add(&m->set, wr.len);
        m->first = (struct ledger_header){.rule_version = 1, .chain_id = m->chain_id,
            .time_ms = lx_clock_walltime().ms - (uint64_t)HEADERS * BLOCK_MS, .tx_root = hash_of(0),
            .state_root = hash_of(1)};
        merkle_log_empty_root(ops(), &m->first.history_root);
        sigchain_valset_hash(ops(), m->set.p, m->set.len, &m->first.valset);
        m->first.next_valset = m->first.valset;
        lx_buf_clear(&json);
        return fine;
}

/* MiB of the node, after look-ups that are verified. */
static double
memory(void *arg)
{
        const char *dir = arg;
        char *program = lx_strdup(bench_str("%s/lxnoded", bench_build())), *conf = lx_strdup(bench_str("%s/conf", dir));
        const char *argv[] = {program, "--light", "--history", "--conf", conf, "--datadir", dir, "--rpc-listen", "none",
            NULL};
        char *lx = lx_strdup(bench_str("'%s/lx' --datadir '%s'", bench_build(), dir));
        char *socket = lx_strdup(bench_str("%s/lxnoded.sock", dir));
        double start = bench_now(), mib = 0;
        pid_t pid = bench_start(argv);

        while (access(socket, F_OK) != 0 && bench_now() < start + 30)
                (void)poll(NULL, 0, 10);
        if (bench_shell(bench_str("%s trust set %u:$(%s --json chain header %u | "
                "sed -n 's/.*\"hash\": *\"\\([0-9a-f]*\\)\".*/\\1/p')", lx, HEADERS, lx, HEADERS)) > 0 &&
            bench_shell(bench_str("for h in 0 3 1023 1024 500000 777777 999999; do %s --verify chain header $h || exit; "
                "done", lx)) > 0 &&
            bench_shell(bench_str("%s --json status | grep -q '\"watched\":%u,.*\"history\":%u'", lx, WATCHED,
                HEADERS)) > 0)
                mib = bench_status_mib(pid, "RssAnon");
        bench_stop(pid);
        lx_free(program);
        lx_free(conf);
        lx_free(lx);
        lx_free(socket);
        return mib > 0 ? mib : 1e9; /* it failed */
}

bool
bench_light_memory(
    void (*certify)(const struct ledger_header *header, const struct sigchain_valset *set, struct lx_buf *out))
{
        struct made *m = lx_alloc(sizeof(*m));
        char *dir = lx_strdup(bench_str("%s/light-node", bench_dir()));
        struct bench_row row = {.name = "light node, 1,000 watched, 1 M headers", .unit = "MiB", .budget = 8,
            .at_most = true, .rounds = 5, .ours = memory, .arg = dir};
        bool fine;

        bench_say("a light node's store with a million headers");
        fine = make_genesis(m, dir);
        if (fine)
                make_headers(m);
        fine = fine && make_store(m, dir, certify) && bench_run(&row);
        for (unsigned l = 0; l <= LEVELS; l++)
                lx_free(m->nodes[l]);
        lx_buf_clear(&m->genesis);
        lx_buf_clear(&m->set);
        lx_buf_clear(&m->narrow);
        lx_free(m->doc);
        lx_free(m);
        lx_free(dir);
        return fine;
}
