/* rpc/metrics.c - what /metrics says: the text format of Prometheus, 0.0.4. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "base/clock.h"
#include "ledger/header.h"
#include "router/router_io.h"
#include "sigchain/params.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

void
rpc_metric(struct lx_buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
        lx_buf_printf(out, "# HELP lxnoded_%s %s\n# TYPE lxnoded_%s %s\nlxnoded_%s %llu\n", name, help,
            name, type, name, (unsigned long long)value);
}

/* ---- the process: names that every exporter uses ------------------------------------------------ */

static void
process_metric(struct lx_buf *out, const char *name, const char *type, const char *help, double value)
{
        lx_buf_printf(out, "# HELP process_%s %s\n# TYPE process_%s %s\nprocess_%s %.17g\n", name, help, name,
            type, name, value);
}

/* Open files; the one that reads them is not counted. */
static unsigned
count_files(void)
{
        DIR *dir = opendir("/proc/self/fd");
        unsigned count = 0;

        if (dir == NULL)
                return 0;
        while (readdir(dir) != NULL)
                count++;
        (void)closedir(dir);
        return count > 3 ? count - 3 : 0; /* ".", "..", itself */
}

/* Pages in memory and of address space, threads; zeros where /proc is closed. */
static void
read_sizes(unsigned long *out_virtual, unsigned long *out_resident, unsigned *out_threads)
{
        FILE *f = fopen("/proc/self/statm", "re");
        char line[256];

        *out_virtual = *out_resident = 0;
        *out_threads = 0;
        if (f != NULL) {
                if (fscanf(f, "%lu %lu", out_virtual, out_resident) != 2)
                        *out_virtual = *out_resident = 0;
                (void)fclose(f);
        }
        f = fopen("/proc/self/status", "re");
        while (f != NULL && fgets(line, sizeof(line), f) != NULL)
                if (sscanf(line, "Threads: %u", out_threads) == 1)
                        break;
        if (f != NULL)
                (void)fclose(f);
}

static void
process_metrics(const struct rpc *rpc, struct lx_buf *out)
{
        uint64_t up_ms = lx_clock_now_ms() - rpc->options.start_ms;
        unsigned long size, resident;
        struct rusage used = {0};
        struct rlimit files = {0};
        long page = sysconf(_SC_PAGESIZE);
        unsigned threads;

        (void)getrusage(RUSAGE_SELF, &used);
        (void)getrlimit(RLIMIT_NOFILE, &files);
        read_sizes(&size, &resident, &threads);
        process_metric(out, "cpu_seconds_total", "counter", "CPU time of user and system.",
            (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
        process_metric(out, "resident_memory_bytes", "gauge", "Memory in use.", (double)resident * (double)page);
        process_metric(out, "virtual_memory_bytes", "gauge", "Address space.", (double)size * (double)page);
        process_metric(out, "open_fds", "gauge", "Open file descriptors.", count_files());
        process_metric(out, "max_fds", "gauge", "How many there may be.", (double)files.rlim_cur);
        process_metric(out, "threads", "gauge", "Threads.", threads);
        process_metric(out, "start_time_seconds", "gauge", "When it started, since 1970.",
            (double)(lx_clock_walltime().ms - up_ms) / 1000);
}

/* ---- chain and store ---------------------------------------------------------------------------- */

static void
chain_metrics(struct rpc *rpc, struct ledger_view *view, struct lx_buf *out)
{
        const struct ledger_header *header = ledger_view_header(view);
        json_t *reasons = rpc_reasons(rpc, view);
        struct ledger_stats totals;

        ledger_get_stats(view, &totals);
        lx_buf_printf(out, "# HELP lxnoded_build_info What runs here.\n# TYPE lxnoded_build_info gauge\n"
            "lxnoded_build_info{version=\"%s\",engine=\"%s\"} 1\n",
            PACKAGE_VERSION, ledger_engine_name(rpc->options.engine));
        rpc_metric(out, "height", "gauge", "Height of the newest block.", header->height);
        rpc_metric(out, "tip_time_seconds", "gauge", "Time of the newest block.", header->time_ms / 1000);
        rpc_metric(out, "heartbeat_seconds", "gauge", "An empty block comes after so long; 0: never.",
            ledger_view_params(view)->value[SIGCHAIN_HEARTBEAT_MS] / 1000);
        rpc_metric(out, "pruned_below", "gauge", "States below this height are gone.", ledger_view_pruned_below(view));
        rpc_metric(out, "ready", "gauge", "1 when the node serves.", json_array_size(reasons) == 0);
        rpc_metric(out, "rule_version", "gauge", "Rule version of the newest block.", header->rule_version);
        rpc_metric(out, "rule_version_next", "gauge", "Rule version of the block after it.",
            ledger_view_params(view)->value[SIGCHAIN_RULE_VERSION]);
        rpc_metric(out, "rule_version_known", "gauge", "The newest that this program knows.", LEDGER_RULE_VERSION);
        rpc_metric(out, "transactions_total", "counter", "Transactions on the chain.", totals.transactions);
        rpc_metric(out, "registers", "gauge", "Registers that exist.", totals.registers);
        rpc_metric(out, "chains", "gauge", "Signature chains that exist.", totals.chains);
        rpc_metric(out, "digests", "gauge", "Digests in all indexes.", totals.digests);
        json_decref(reasons);
}

static void
store_metrics(struct rpc *rpc, struct lx_buf *out)
{
        struct lld_stats store;
        struct blob_stats blobs;
        struct statvfs fs;

        lld_get_stats(rpc->options.db, &store);
        blob_get_stats(rpc->options.blobs, &blobs);
        rpc_metric(out, "store_disk_bytes", "gauge", "Bytes of the store's files.", store.disk_bytes);
        rpc_metric(out, "store_mem_bytes", "gauge", "Memory of the store.", store.mem_bytes);
        rpc_metric(out, "store_commits_total", "counter", "Batches committed since start.", store.commits);
        rpc_metric(out, "store_synced_total", "counter", "Of those, with fsync.", store.synced);
        rpc_metric(out, "store_written_bytes_total", "counter", "Bytes of keys and values put.", store.bytes_written);
        rpc_metric(out, "blobs_total", "counter", "Blobs published since start.", blobs.count);
        rpc_metric(out, "blob_bytes_total", "counter", "Bytes of those.", blobs.bytes);
        rpc_metric(out, "blob_staged", "gauge", "Uploads going on.", blobs.staged);
        if (statvfs(rpc->options.datadir, &fs) == 0) {
                rpc_metric(out, "datadir_free_bytes", "gauge", "Room for this node on the file system of its data.",
                    (uint64_t)fs.f_bavail * fs.f_frsize);
                rpc_metric(out, "datadir_size_bytes", "gauge", "Size of that file system.",
                    (uint64_t)fs.f_blocks * fs.f_frsize);
        }
}

static void
rpc_own_metrics(struct rpc *rpc, struct lx_buf *out)
{
        size_t bytes = 0, waiting = 0;

        if (rpc->options.engine != NULL)
                waiting = ledger_mempool_count(ledger_engine_mempool(rpc->options.engine), &bytes);
        rpc_metric(out, "mempool_transactions", "gauge", "Transactions that wait.", waiting);
        rpc_metric(out, "mempool_bytes", "gauge", "Bytes of those.", bytes);
        rpc_metric(out, "rpc_calls_total", "counter", "RPC calls since start.", rpc->calls);
        rpc_metric(out, "rpc_errors_total", "counter", "RPC calls that failed.", rpc->errors);
        rpc_metric(out, "rpc_connections", "gauge", "Connections to the RPC sockets.",
            rpc->options.connections(rpc->options.daemon));
        rpc_metric(out, "uptime_seconds", "gauge", "Since start.",
            (lx_clock_now_ms() - rpc->options.start_ms) / 1000);
}

/* ---- router ------------------------------------------------------------------------------------- */

static void
count_route(void *arg, const struct router_shown *shown)
{
        (void)shown;
        ++*(uint64_t *)arg;
}

static void
router_metrics(struct router_io *router, struct lx_buf *out)
{
        struct router_counters c;
        uint64_t routes = 0;

        router_io_list(router, count_route, &routes);
        rpc_metric(out, "router_routes", "gauge", "Router: routes known and registered here.", routes);
        router_io_counters(router, &c);
#define X(name, text) rpc_metric(out, "router_" #name "_total", "counter", "Router: " text ".", c.name);
        ROUTER_COUNTERS(X)
#undef X
}

void
rpc_metrics(struct rpc *rpc, struct lx_buf *out)
{
        struct ledger_view *view = ledger_view_new(rpc->options.ledger);

        chain_metrics(rpc, view, out);
        ledger_view_unref(view);
        store_metrics(rpc, out);
        rpc_own_metrics(rpc, out);
        rpc_consensus_metrics(rpc, out);
        rpc_peer_metrics(rpc, out);
        if (rpc->options.router != NULL)
                router_metrics(rpc->options.router, out);
        rpc_guard_metrics(rpc, out);
        process_metrics(rpc, out);
}
