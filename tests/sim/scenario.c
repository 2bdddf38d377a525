/* sim/scenario.c - see sim/scenario.h. */
#include "config.h"
#include "sim/scenario.h"

#include "base/assert.h"
#include "base/file.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "kit/author.h"
#include "lld/mem.h"
#include "sigchain/params.h"
#include "sim/plot.h"
#include "sim/user.h"
#include "sim/watch.h"
#include "sim/world.h"

#include <stdarg.h>
#include <string.h>

#define FOUNDING_MS \
        8000 /* a network is founded in peace: who never signed must see two heights first */
#define TROUBLE_MS 40000
#define PEACE_MS 180000 /* at most, then it counts as a stall */
#define EVENTS_MAX 6000000
#define TROUBLES_MAX 14

struct run {
        struct world *world;
        struct watch *watch;
        struct users *users;
        struct lx_buf genesis;
        size_t validators; /* nodes 0 to validators - 1 have the keys of those numbers */
        size_t nodes;      /* and observers, and twins after them */
        struct node *node[WORLD_NODES_MAX];
        char dir[WORLD_NODES_MAX][256];
        bool honest[WORLD_NODES_MAX];
        uint64_t power[WORLD_NODES_MAX];
        size_t wiped; /* a validator that may lose its disk; WORLD_NODES_MAX: none */
        bool liars;   /* the faulty validators lie, and the net helps them */
        struct plot plot;
        bool peace;
        FILE *trace;
        char text[512];
};

__attribute__((format(printf, 2, 3))) static void
say(struct run *r, const char *fmt, ...)
{
        va_list args;

        if (r->trace == NULL)
                return;
        va_start(args, fmt);
        (void)fprintf(r->trace, "%8llu ms  ", (unsigned long long)world_now_ms(r->world));
        (void)vfprintf(r->trace, fmt, args);
        (void)fprintf(r->trace, "\n");
        va_end(args);
}

__attribute__((format(printf, 2, 3))) static void
fail(struct run *r, const char *fmt, ...)
{
        va_list args;

        if (r->text[0] != '\0')
                return;
        va_start(args, fmt);
        (void)vsnprintf(r->text, sizeof(r->text), fmt, args);
        va_end(args);
}

static uint64_t
below(struct run *r, uint64_t n)
{
        return world_below(r->world, n);
}

/* ---- the network ------------------------------------------------------------------------------- */

/* Faulty validators, below a third of the power; sometimes none, unless they are to lie. */
static void
draw_faulty(struct run *r)
{
        uint64_t total = 0, faulty = 0;

        for (size_t i = 0; i < r->validators; i++) {
                r->power[i] = below(r, 3) == 0 ? 1 + below(r, 9) : 5;
                total += r->power[i];
        }
        for (size_t i = 0; i < r->nodes; i++)
                r->honest[i] = true;
        r->wiped = WORLD_NODES_MAX;
        for (int tries = 0; tries < 4 && (r->liars || !world_chance(r->world, 300000)); tries++) {
                size_t i = below(r, r->validators);

                if (!r->honest[i] || 3 * (faulty + r->power[i]) >= total)
                        continue;
                faulty += r->power[i];
                /* One that may lose its disk counts as faulty, though it does nothing wrong. */
                if (!r->liars && r->wiped == WORLD_NODES_MAX && world_chance(r->world, 400000))
                        r->wiped = i;
                else
                        r->honest[i] = false;
        }
}

static void
add_node(struct run *r, size_t number, size_t key, const char *dir)
{
        struct node_options options = {.world = r->world,
            .number = number,
            .key = key,
            .honest = r->honest[number],
            .genesis = &r->genesis,
            .plot = &r->plot,
            .timeout_ms = r->liars ? 400 : 0, /* many rounds in little time */
            .watch = watch_hooks(r->watch)};
        struct lx_why why = {{0}};

        (void)snprintf(r->dir[number], sizeof(r->dir[number]), "%s/n%zu", dir, number);
        if (lx_file_mkdirs(r->dir[number], 0700, &why) != LX_OK)
                fail(r, "%s", why.text);
        options.dir = r->dir[number];
        r->node[number] = node_new(&options);
}

static void
switch_on(struct run *r, size_t i)
{
        struct lx_why why = {{0}};
        enum lx_err err;

        if (node_is_up(r->node[i]))
                return;
        err = node_start(r->node[i], &why);
        if (err != LX_OK) {
                fail(r, "node %zu does not start: %s: %s", i, lx_err_text(err), why.text);
                return;
        }
        say(r, "node %zu is on at height %llu", i, (unsigned long long)node_height(r->node[i]));
        watch_started(r->watch, r->node[i]);
}

static void
switch_on_event(void *arg, uint64_t i)
{
        switch_on(arg, i);
}

static void
draw_links(struct run *r)
{
        struct world_links *links = world_links(r->world);

        links->delay_ms = 2 + (uint32_t)below(r, 100);
        links->jitter_ms = (uint32_t)below(r, 60);
        links->loss_ppm = world_chance(r->world, 500000) ? (uint32_t)below(r, 60000) : 0;
        links->duplicate_ppm = world_chance(r->world, 300000) ? (uint32_t)below(r, 50000) : 0;
        links->ordered = world_chance(r->world, 600000);
        say(r, "links: %u ms, %u ms jitter, %u ppm lost, %u ppm doubled, %s", links->delay_ms,
            links->jitter_ms, links->loss_ppm, links->duplicate_ppm,
            links->ordered ? "ordered" : "reordered");
}

static void
draw_fault(struct run *r, size_t i)
{
        struct node_faults faults = {0};

        if (world_chance(r->world, 600000))
                faults.drop_ppm = (uint32_t)below(r, 600000);
        if (world_chance(r->world, 600000))
                faults.replay_ppm = (uint32_t)below(r, 200000);
        if (world_chance(r->world, 400000))
                faults.change_ppm = (uint32_t)below(r, 100000);
        if (r->liars) {
                faults = (struct node_faults){
                    .lies = true, .bold = world_chance(r->world, 150000)};
                say(r, "node %zu (power %llu) is a %sliar", i, (unsigned long long)r->power[i],
                    faults.bold ? "bold " : "");
        } else {
                say(r, "node %zu (power %llu) is faulty: drops %u, replays %u, changes %u ppm", i,
                    (unsigned long long)r->power[i], faults.drop_ppm, faults.replay_ppm,
                    faults.change_ppm);
        }
        node_set_faults(r->node[i], &faults);
}

static void
draw_faults(struct run *r)
{
        say(r, "faults begin");
        for (size_t i = 0; i < r->validators; i++)
                if (!r->honest[i])
                        draw_fault(r, i);
}

static void
build(struct run *r, const char *dir)
{
        size_t observers = below(r, 3), twins = 0;
        struct lx_hash chain_id;

        r->validators = 4 + below(r, 4);
        r->nodes = r->validators + observers;
        draw_faulty(r);
        kit_genesis(r->validators, r->power, "\"heartbeat-ms\":3000", &r->genesis);
        r->watch = watch_new(&r->genesis, r->honest, r->validators);
        watch_trace(r->watch, r->trace);
        for (size_t i = 0; i < r->nodes; i++)
                add_node(r, i, i < r->validators ? i : SIZE_MAX, dir);
        /* Every other faulty validator has a twin: a second node with its key. It would give a
         * liar away. */
        for (size_t i = 0; i < r->validators && !r->liars; i++)
                if (!r->honest[i] && world_chance(r->world, 600000)) {
                        r->honest[r->nodes] = false;
                        add_node(r, r->nodes++, i, dir);
                        twins++;
                }
        sigchain_chain_id(&lx_crypto_ops()->hash, r->genesis.p, r->genesis.len, &chain_id);
        say(r, "%zu validators, %zu observers, %zu twins", r->validators, observers, twins);
        draw_links(r);
        for (size_t i = 0; i < r->nodes; i++) {
                if (world_chance(r->world, 300000))
                        node_set_skew_ms(r->node[i], (int64_t)below(r, 1000) - 500);
                if (world_chance(r->world, 200000))
                        node_set_disk_ms(
                            r->node[i], (uint32_t)below(r, 300), (uint32_t)below(r, 100));
                if (i < r->validators + observers)
                        switch_on(r, i); /* twins come with the faults */
        }
        r->users = users_new(r->world, r->node, r->validators + observers, 1 + below(r, 12),
            100 + (uint32_t)below(r, 800), &chain_id);
}

/* ---- trouble ----------------------------------------------------------------------------------- */

static void
crash(struct run *r, size_t i)
{
        if (!node_is_up(r->node[i]))
                return;
        say(r, "power cut at node %zu, height %llu", i,
            (unsigned long long)node_height(r->node[i]));
        node_crash(r->node[i]);
}

static void
come_back(struct run *r, size_t i, uint64_t within_ms)
{
        world_after(r->world, 1 + below(r, within_ms), switch_on_event, r, i);
}

static void
wipe(struct run *r)
{
        if (r->wiped == WORLD_NODES_MAX)
                return;
        crash(r, r->wiped);
        say(r, "node %zu loses its disk", r->wiped);
        node_wipe(r->node[r->wiped]);
        watch_wiped(r->watch, r->node[r->wiped]);
        come_back(r, r->wiped, 8000);
}

static void
heal(void *arg, uint64_t tag)
{
        struct run *r = arg;

        (void)tag;
        say(r, "links join again");
        world_partition(r->world, 0);
}

static void
break_disk(struct run *r, size_t i)
{
        uint64_t nth = 1 + below(r, 12);

        if (!node_is_up(r->node[i]))
                return;
        if (world_chance(r->world, 250000)) {
                uint64_t more = below(r, 40000);

                say(r, "the disk of node %zu has room for %llu bytes", i, (unsigned long long)more);
                node_fill_disk(r->node[i], more);
        } else if (world_chance(r->world, 500000)) {
                say(r, "the journal of node %zu fails at its operation %llu", i,
                    (unsigned long long)nth);
                node_fail_journal(r->node[i], nth);
        } else {
                enum lld_fault fault =
                    world_chance(r->world, 500000) ? LLD_FAULT_SYNC : LLD_FAULT_WRITE;

                say(r, "the disk of node %zu fails at its %s %llu", i,
                    fault == LLD_FAULT_SYNC ? "sync" : "write", (unsigned long long)nth);
                node_fail_disk(r->node[i], fault, nth);
        }
}

static void
begin_faults(void *arg, uint64_t tag)
{
        struct run *r = arg;

        (void)tag;
        draw_faults(r);
        for (size_t i = 0; i < r->nodes; i++)
                switch_on(r, i);
        if (r->liars)
                r->plot.salt = world_random(r->world) | 1;
}

static void
trouble(void *arg, uint64_t tag)
{
        struct run *r = arg;
        size_t i = below(r, r->nodes);

        (void)tag;
        if (r->peace)
                return;
        switch (below(r, 8)) {
        case 0:
        case 1:
                crash(r, i);
                come_back(r, i, 6000);
                break;
        case 2: /* everybody at once */
                for (size_t k = 0; k < r->nodes; k++) {
                        crash(r, k);
                        come_back(r, k, 3000);
                }
                break;
        case 3:
        case 4:
                say(r, "partition");
                world_partition(r->world, (uint32_t)(1 + below(r, (1u << r->nodes) - 1)));
                world_after(r->world, 500 + below(r, 12000), heal, r, 0);
                break;
        case 5:
                break_disk(r, i);
                break;
        case 6:
                wipe(r);
                break;
        case 7:
                draw_links(r);
                break;
        }
}

/* A node whose disk failed has stopped itself: as a service manager does, switch it off and on. */
static void
tend(struct run *r)
{
        for (size_t i = 0; i < r->nodes; i++) {
                if (!node_is_up(r->node[i]) || !node_has_failed(r->node[i]))
                        continue;
                say(r, "node %zu stops: %s", i, node_failure(r->node[i]));
                node_crash(r->node[i]);
                come_back(r, i, 4000);
        }
}

/* ---- the run ----------------------------------------------------------------------------------- */

static bool
step(struct run *r, uint64_t until_ms)
{
        bool more = world_step(r->world, until_ms);
        const char *violation = watch_violation(r->watch);

        tend(r);
        if (violation != NULL)
                fail(r, "%s", violation);
        if (world_events(r->world) > EVENTS_MAX)
                fail(r, "more than %d events: something goes round and round", EVENTS_MAX);
        return more && r->text[0] == '\0';
}

static void
make_peace(struct run *r)
{
        struct world_links *links = world_links(r->world);

        say(r, "peace");
        r->peace = true;
        r->plot.salt = 0;
        *links = (struct world_links){.delay_ms = 10, .jitter_ms = 5, .ordered = true};
        world_partition(r->world, 0);
        users_rest(r->users);
        for (size_t i = 0; i < r->nodes; i++) {
                node_set_disk_ms(r->node[i], 4, 2);
                /* A fault that is still to come would be trouble: cut the power, which ends it. */
                crash(r, i);
                if (r->honest[i] || world_chance(r->world, 500000))
                        switch_on(r, i);
        }
}

static bool
is_in_step(struct run *r, uint64_t height)
{
        for (size_t i = 0; i < r->nodes; i++)
                if (r->honest[i] && (!node_is_up(r->node[i]) || node_height(r->node[i]) < height))
                        return false;
        return users_outstanding(r->users) == 0;
}

/* What every engine says of itself, for whoever reads the trace. */
static void
describe_engines(struct run *r)
{
        for (size_t i = 0; i < r->nodes; i++) {
                struct ledger_engine_status s;

                if (!node_is_up(r->node[i]))
                        continue;
                ledger_engine_get_status(llp_core_get_engine(node_core(r->node[i])), &s);
                say(r,
                    "node %zu: height %llu round %u %s, validator %d, voting %d from %llu, waiting "
                    "%zu",
                    i, (unsigned long long)s.height, s.round, s.step, s.validator, s.voting,
                    (unsigned long long)s.vote_from,
                    ledger_mempool_count(
                        ledger_engine_mempool(llp_core_get_engine(node_core(r->node[i]))), NULL));
        }
}

static void
describe_stall(struct run *r, uint64_t goal)
{
        char heights[256] = "";

        describe_engines(r);
        for (size_t i = 0; i < r->nodes; i++)
                (void)snprintf(heights + strlen(heights), sizeof(heights) - strlen(heights),
                    " %zu%s:%llu", i, r->honest[i] ? "" : "(faulty)",
                    (unsigned long long)node_height(r->node[i]));
        fail(r,
            "progress: after %d s of peace not all honest nodes are at height %llu, or %zu "
            "transactions "
            "are not in the ledger; heights:%s",
            PEACE_MS / 1000, (unsigned long long)goal, users_outstanding(r->users), heights);
}

static void
play(struct run *r)
{
        size_t troubles = below(r, TROUBLES_MAX);
        uint64_t goal;

        for (size_t i = 0; i < troubles; i++)
                world_after(
                    r->world, FOUNDING_MS + below(r, TROUBLE_MS - FOUNDING_MS), trouble, r, 0);
        world_after(r->world, FOUNDING_MS, begin_faults, r, 0);
        while (step(r, TROUBLE_MS))
                continue;
        if (r->text[0] != '\0')
                return;
        make_peace(r);
        goal = watch_height(r->watch) + 2;
        while (!is_in_step(r, goal) && step(r, TROUBLE_MS + PEACE_MS))
                continue;
        if (r->text[0] == '\0' && !is_in_step(r, goal))
                describe_stall(r, goal);
        /* A little longer: what all hold must not break afterwards. */
        goal = world_now_ms(r->world) + 3000;
        while (step(r, goal))
                continue;
}

static void
end(struct run *r, struct scenario_result *out_result)
{
        *out_result = (struct scenario_result){.height = watch_height(r->watch),
            .events = world_events(r->world),
            .digest = world_digest(r->world),
            .virtual_ms = world_now_ms(r->world),
            .final = users_final(r->users)};
        (void)snprintf(out_result->text, sizeof(out_result->text), "%s", r->text);
        for (size_t i = 0; i < r->nodes; i++)
                node_free(r->node[i]);
        users_free(r->users);
        watch_free(r->watch);
        world_free(r->world);
        lx_buf_clear(&r->genesis);
        lx_free(r);
}

bool
scenario_run(uint64_t seed, enum scenario_cast cast, const char *dir, FILE *trace,
    struct scenario_result *out_result)
{
        struct run *r = lx_alloc(sizeof(*r));

        r->trace = trace;
        r->liars = cast == SCENARIO_LIARS || (cast == SCENARIO_BY_SEED && seed % 2 == 1);
        r->world = world_new(seed, WORLD_NODES_MAX);
        build(r, dir);
        if (r->text[0] == '\0')
                play(r);
        end(r, out_result);
        return out_result->text[0] == '\0';
}

/* ---- a fork ------------------------------------------------------------------------------------ */

#define FORK_MS 20000
#define FAULTY_KEYS (1u << 2 | 1u << 3)

/* FAULTY_KEYS: nodes 2 and 3 go with node 0, their twins 4 and 5 with node 1. */
static void
build_fork(struct run *r, const char *dir)
{
        struct lx_hash chain_id;

        r->validators = 4;
        r->nodes = 6;
        r->wiped = WORLD_NODES_MAX;
        for (size_t i = 0; i < r->nodes; i++) {
                r->power[i] = 5;
                r->honest[i] = i < 2;
        }
        kit_genesis(r->validators, r->power, "\"heartbeat-ms\":2000", &r->genesis);
        r->watch = watch_new(&r->genesis, r->honest, r->validators);
        watch_trace(r->watch, r->trace);
        for (size_t i = 0; i < r->nodes; i++)
                add_node(r, i, i < r->validators ? i : i - 2, dir);
        sigchain_chain_id(&lx_crypto_ops()->hash, r->genesis.p, r->genesis.len, &chain_id);
        draw_links(r);
        world_links(r->world)->loss_ppm = 0;
        world_partition(r->world, 1u << 1 | 1u << 4 | 1u << 5);
        for (size_t i = 0; i < r->nodes; i++)
                switch_on(r, i);
        r->users = users_new(r->world, r->node, 2, 4, 400, &chain_id);
}

/*
 * A fork is what this scenario wants: it may be seen as often as it likes. The branches punish their culprits at
 * different heights, so their sets differ, and a vote of the one may be no vote to the other, which bans whoever
 * passed it on. Whether something was forgiven.
 */
static bool
forgive_fork(struct run *r)
{
        if (strncmp(r->text, "agreement", 9) != 0 && strncmp(r->text, "framing", 7) != 0)
                return false;
        watch_forgive(r->watch);
        r->text[0] = '\0';
        return true;
}

static void
go_on(struct run *r, uint64_t until_ms)
{
        while (step(r, until_ms) || forgive_fork(r))
                continue;
}

/* Everybody's power is cut, and the faulty ones stay away: nobody has votes, only certified blocks. */
static void
leave_only_blocks(struct run *r)
{
        for (size_t i = 0; i < r->nodes; i++)
                crash(r, i);
        for (size_t i = 0; i < 2; i++)
                switch_on(r, i);
}

/* Whether both branches have certificates of one round, by one set, for different headers of one height. */
static bool
have_pair(struct run *r)
{
        struct ledger_view *view[2] = {ledger_view_new(node_ledger(r->node[0])),
            ledger_view_new(node_ledger(r->node[1]))};
        bool found = false;

        for (uint64_t h = 1; !found; h++) {
                struct ledger_header header[2];
                struct lx_buf cert[2] = {{0}};
                struct lx_hash hash[2];
                bool both = true;

                for (int i = 0; i < 2 && both; i++) {
                        both = ledger_get_header(view[i], h, &header[i]) == LX_OK &&
                            ledger_get_cert(view[i], h, &cert[i]) == LX_OK;
                        if (both)
                                ledger_header_hash(
                                    &lx_crypto_ops()->hash, &header[i], &hash[i]);
                }
                found = both && !lx_hash_eq(&hash[0], &hash[1]) &&
                    lx_hash_eq(&header[0].valset, &header[1].valset) &&
                    memcmp(cert[0].p, cert[1].p, 4) == 0;
                lx_buf_clear(&cert[0]);
                lx_buf_clear(&cert[1]);
                if (!both)
                        break;
        }
        ledger_view_unref(view[0]);
        ledger_view_unref(view[1]);
        return found;
}

/* Each hears the votes of the other half. */
static void
meet_with_votes(struct run *r)
{
        uint32_t convicted;

        world_partition(r->world, 0);
        go_on(r, 2 * FORK_MS);
        convicted = watch_convicted(r->watch);
        say(r, "convicted: keys %x", convicted);
        if (convicted != FAULTY_KEYS)
                fail(r, "accountability: the votes convict keys %x, not 2 and 3", convicted);
}

/* Nobody has votes any more, only certified blocks; those of different rounds name nobody. */
static void
meet_with_blocks(struct run *r)
{
        uint32_t named, expected;

        go_on(r, FORK_MS); /* let there be some */
        leave_only_blocks(r);
        expected = have_pair(r) ? FAULTY_KEYS : 0;
        world_partition(r->world, 0);
        while (step(r, 2 * FORK_MS))
                continue;
        named = watch_named(r->watch);
        say(r, "named: keys %x of %x", named, expected);
        if (named != expected)
                fail(r, "accountability: the certificates name keys %x, not %x", named, expected);
}

static void
play_fork(struct run *r, bool only_blocks)
{
        while (step(r, FORK_MS))
                continue;
        say(r, "%s", r->text);
        if (!forgive_fork(r))
                fail(r, "two halves with twins did not fork");
        else if (only_blocks)
                meet_with_blocks(r);
        else
                meet_with_votes(r);
}

bool
scenario_fork(uint64_t seed, const char *dir, FILE *trace, struct scenario_result *out_result)
{
        struct run *r = lx_alloc(sizeof(*r));

        r->trace = trace;
        r->world = world_new(seed, WORLD_NODES_MAX);
        build_fork(r, dir);
        if (r->text[0] == '\0')
                play_fork(r, seed % 2 == 0);
        end(r, out_result);
        return out_result->text[0] == '\0';
}
