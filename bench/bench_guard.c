/*
 * bench/bench_guard.c - what lxguard costs. Needs root; everything is in a mount namespace of its own, on two
 * tmpfs, one guarded and one not, interleaved. fapolicyd is no yardstick here: installing it starts it
 * on the machine that runs the bench; so exec is held against no guard at all, 3 % being a tenth of the least that
 * fapolicyd 1.1.7 was measured to add, and memory against half of its 17 MiB.
 */
#include "config.h"
#include "bench/bench.h"
#include "base/hash.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "merkle/log.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXECS 150
#define OPENS 20000
#define FRESH 12
#define MIB (1u << 20)

extern char **environ;

struct lab {
        char dir[64];
        FILE *setup;
        int to_setup;
        pid_t pid;
        char status[65536];
        pid_t victim;
        size_t victim_len;
        uint8_t *victim_at, *copy;
};

static double
per_exec(const char *path)
{
        char *argv[] = {(char *)(uintptr_t)path, NULL};
        double start = bench_now();

        for (int i = 0; i < EXECS; i++) {
                pid_t pid;
                int status;

                if (posix_spawn(&pid, path, NULL, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) != pid ||
                    status != 0)
                        return 0;
        }
        return (bench_now() - start) / EXECS * 1e6;
}

static double
exec_guarded(void *arg)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/m/true", ((struct lab *)arg)->dir);
        return per_exec(path);
}

static double
exec_free(void *arg)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/u/true", ((struct lab *)arg)->dir);
        return per_exec(path);
}

static double
per_open(const char *path)
{
        double start = bench_cpu();

        for (int i = 0; i < OPENS; i++) {
                int fd = open(path, O_RDONLY | O_CLOEXEC);

                if (fd < 0)
                        return 0;
                close(fd);
        }
        return (bench_cpu() - start) / OPENS * 1e6;
}

/* What the gate adds, us; never less than a nanosecond, so that noise below zero is no failure. */
static double
open_added(void *arg)
{
        const struct lab *lab = arg;
        char guarded[128], unguarded[128];
        double with, without;

        snprintf(guarded, sizeof(guarded), "%s/m/lib.so", lab->dir);
        snprintf(unguarded, sizeof(unguarded), "%s/u/lib.so", lab->dir);
        with = per_open(guarded);
        without = per_open(unguarded);
        if (with <= 0 || without <= 0)
                return 0;
        return with > without + 0.001 ? with - without : 0.001;
}

/* ---- a file for the first time ----------------------------------------------------------------- */

static bool
copy_file(const char *from, const char *to)
{
        static uint8_t bytes[MIB];
        int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
        bool good = in >= 0 && out >= 0 && read(in, bytes, MIB) == MIB && write(out, bytes, MIB) == MIB;

        if (in >= 0)
                close(in);
        if (out >= 0)
                close(out);
        return good;
}

static double
first_open(void *arg)
{
        const struct lab *lab = arg;
        char from[128], to[128];
        double total = 0;

        snprintf(from, sizeof(from), "%s/u/mib", lab->dir);
        snprintf(to, sizeof(to), "%s/m/fresh", lab->dir);
        for (int i = 0; i < FRESH; i++) {
                double start;
                int fd;

                if (!copy_file(from, to))
                        return 0;
                start = bench_now();
                fd = open(to, O_RDONLY | O_CLOEXEC);
                total += bench_now() - start;
                if (fd < 0)
                        return 0;
                close(fd);
                unlink(to);
        }
        return total / FRESH * 1e6;
}

static double
read_and_hash(void *arg)
{
        const struct lab *lab = arg;
        static uint8_t bytes[MIB];
        struct lx_hash leaf[MIB / 4096], root;
        char from[128], to[128];
        double total = 0;

        snprintf(from, sizeof(from), "%s/u/mib", lab->dir);
        snprintf(to, sizeof(to), "%s/u/fresh", lab->dir);
        for (int i = 0; i < FRESH; i++) {
                double start;
                int fd;

                if (!copy_file(from, to))
                        return 0;
                start = bench_now();
                fd = open(to, O_RDONLY | O_CLOEXEC);
                if (fd < 0 || read(fd, bytes, MIB) != MIB)
                        return 0;
                lx_blake2b_pages(&LX_TAG_LEAF, bytes, MIB / 4096, leaf);
                merkle_log_root(&lx_crypto_ops()->hash, leaf, MIB / 4096, &root);
                close(fd);
                total += bench_now() - start;
                unlink(to);
        }
        return total / FRESH * 1e6;
}

/* ---- from the guard's own mouth ---------------------------------------------------------------- */

static double
field(const char *text, const char *name)
{
        char key[64];
        const char *at;

        snprintf(key, sizeof(key), "\"%s\": ", name);
        at = strstr(text, key);
        if (at == NULL) {
                snprintf(key, sizeof(key), "\"%s\":", name);
                at = strstr(text, key);
        }
        return at != NULL ? strtod(at + strlen(key), NULL) : 0;
}

static double
resident_mib(void *arg)
{
        return field(((struct lab *)arg)->status, "resident_bytes") / MIB;
}

static double
start_ms(void *arg)
{
        return field(((struct lab *)arg)->status, "start_cpu_ms");
}

static double
scan(const struct lab *lab, const char *how, const char *name)
{
        char command[256];
        static char out[1 << 20];
        FILE *f;
        double v = 0;

        snprintf(command, sizeof(command), "%s/lxguard --conf %s/s.conf %s 2>/dev/null", getenv("LX_BUILDDIR"), lab->dir, how);
        f = popen(command, "r");
        if (f != NULL && fgets(out, sizeof(out), f) != NULL)
                v = field(out, name);
        if (f != NULL)
                pclose(f);
        return v;
}

static double
quick_cpu_ms(void *arg)
{
        return scan(arg, "--scan", "cpu_ms");
}

/* GiB/s over all pages that were compared: those of the victim, whose file alone is approved. */
static double
compare_rate(void *arg)
{
        char out[2][32] = {"compared", "compare_ms"};
        const struct lab *lab = arg;
        char command[256];
        static char text[1 << 20];
        double pages, ms;
        FILE *f;

        snprintf(command, sizeof(command), "%s/lxguard --conf %s/s.conf --scan-full 2>/dev/null", getenv("LX_BUILDDIR"), lab->dir);
        f = popen(command, "r");
        text[0] = '\0';
        if (f != NULL) {
                (void)!fgets(text, sizeof(text), f);
                pclose(f);
        }
        pages = field(text, out[0]);
        ms = field(text, out[1]);
        return ms > 0 ? pages * 4096 / (ms / 1e3) / (1 << 30) : 0;
}

/* One after the other: read all, then hash all. */
static double
read_then_hash_rate(void *arg)
{
        const struct lab *lab = arg;
        struct iovec local = {lab->copy, lab->victim_len}, remote = {lab->victim_at, lab->victim_len};
        struct lx_hash *leaf = malloc(lab->victim_len / 4096 * sizeof(*leaf));
        double start = bench_now(), rate = 0;

        if (leaf != NULL && process_vm_readv(lab->victim, &local, 1, &remote, 1, 0) == (ssize_t)lab->victim_len) {
                lx_blake2b_pages(&LX_TAG_LEAF, lab->copy, lab->victim_len / 4096, leaf);
                rate = (double)lab->victim_len / (bench_now() - start) / (1 << 30);
        }
        free(leaf);
        return rate;
}

/* ---- set up ------------------------------------------------------------------------------------ */

static bool
start_victim(struct lab *lab)
{
        char path[128];
        struct stat st;
        int fd;

        snprintf(path, sizeof(path), "%s/u/code", lab->dir);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) != 0)
                return false;
        lab->victim_len = (size_t)st.st_size / 4096 * 4096;
        lab->victim_at = mmap(NULL, lab->victim_len, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        lab->copy = malloc(lab->victim_len);
        close(fd);
        if (lab->victim_at == MAP_FAILED || lab->copy == NULL)
                return false;
        memset(lab->copy, 1, lab->victim_len);
        lab->victim = fork();
        if (lab->victim == 0) {
                volatile uint8_t sum = 0;

                for (size_t i = 0; i < lab->victim_len; i += 4096)
                        sum ^= lab->victim_at[i];
                for (;;)
                        pause();
        }
        usleep(200000);
        return lab->victim > 0;
}

static bool
set_up(struct lab *lab)
{
        int in[2], out[2];

        snprintf(lab->dir, sizeof(lab->dir), "/tmp/lx-bench-guard.XXXXXX");
        if (mkdtemp(lab->dir) == NULL || unshare(CLONE_NEWNS) != 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || pipe(in) != 0 || pipe(out) != 0)
                return false;
        lab->pid = fork();
        if (lab->pid == 0) {
                char script[512];

                dup2(in[0], 0);
                dup2(out[1], 1);
                close(in[1]);
                close(out[0]);
                snprintf(script, sizeof(script), "%s/../bench/guard-setup", getenv("LX_BUILDDIR"));
                if (getenv("LX_SRCDIR") != NULL)
                        snprintf(script, sizeof(script), "%s/bench/guard-setup", getenv("LX_SRCDIR"));
                execl(script, script, lab->dir, (char *)NULL);
                _exit(127);
        }
        close(in[0]);
        close(out[1]);
        lab->to_setup = in[1];
        lab->setup = fdopen(out[0], "r");
        return lab->setup != NULL && fgets(lab->status, sizeof(lab->status), lab->setup) != NULL &&
            strncmp(lab->status, "ready", 5) == 0;
}

static void
tear_down(struct lab *lab)
{
        char command[128];
        int status;

        close(lab->to_setup);
        if (lab->pid > 0)
                waitpid(lab->pid, &status, 0);
        if (lab->victim > 0) {
                kill(lab->victim, SIGKILL);
                waitpid(lab->victim, &status, 0);
        }
        snprintf(command, sizeof(command), "rm -rf --one-file-system %s", lab->dir);
        if (strncmp(lab->dir, "/tmp/lx-bench-guard.", 20) == 0) {
                snprintf(command, sizeof(command), "%s/m", lab->dir);
                umount2(command, MNT_DETACH);
                snprintf(command, sizeof(command), "%s/u", lab->dir);
                umount2(command, MNT_DETACH);
                snprintf(command, sizeof(command), "rm -rf --one-file-system %s", lab->dir);
                FILE *f = popen(command, "r");
                if (f != NULL)
                        pclose(f);
        }
}

/* The lists alone, no scope: for passes over every process. */
static void
write_scan_conf(const struct lab *lab)
{
        char path[128];
        FILE *g, *s;
        char line[512];

        snprintf(path, sizeof(path), "%s/g.conf", lab->dir);
        g = fopen(path, "r");
        snprintf(path, sizeof(path), "%s/s.conf", lab->dir);
        s = fopen(path, "w");
        while (g != NULL && s != NULL && fgets(line, sizeof(line), g) != NULL)
                if (strncmp(line, "scope-mount", 11) != 0)
                        fputs(line, s);
        if (g != NULL)
                fclose(g);
        if (s != NULL)
                fclose(s);
}

int
main(void)
{
        static struct lab lab;
        struct bench_row rows[] = {
            {.name = "guard: exec of an approved binary, us", .unit = "us", .budget = 1.03, .at_most = true,
                .rounds = 9, .ours = exec_guarded, .yardstick = exec_free, .arg = &lab},
            {.name = "guard: added to open() of a library, CPU", .unit = "us", .budget = 1, .at_most = true, .rounds = 9,
                .ours = open_added, .arg = &lab},
            {.name = "guard: first open of a 1 MiB program", .unit = "us", .budget = 1.5, .at_most = true, .rounds = 9,
                .ours = first_open, .yardstick = read_and_hash, .arg = &lab},
            {.name = "guard: resident, 10,000 approvals", .unit = "MiB", .budget = 8.5, .at_most = true, .rounds = 5,
                .ours = resident_mib, .arg = &lab},
            {.name = "guard: start to enforcing from the cache, CPU", .unit = "ms", .budget = 50, .at_most = true,
                .rounds = 5, .ours = start_ms, .arg = &lab},
            {.name = "guard: quick pass, all processes, CPU", .unit = "ms", .budget = 10, .at_most = true, .rounds = 7,
                .ours = quick_cpu_ms, .arg = &lab},
            {.name = "guard: full compare of live pages", .unit = "GiB/s", .budget = 0.85, .at_most = false,
                .rounds = 7, .ours = compare_rate, .yardstick = read_then_hash_rate, .arg = &lab}};
        bool all = true;

        if (geteuid() != 0) {
                fprintf(stderr, "guard: needs root\n");
                return 0;
        }
        bench_say("a ledger with 10,000 approvals");
        if (!set_up(&lab) || !start_victim(&lab)) {
                fprintf(stderr, "guard: the guard did not start: %s\n", lab.dir);
                tear_down(&lab);
                return 1;
        }
        write_scan_conf(&lab);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                all &= bench_run(&rows[i]);
        tear_down(&lab);
        return all ? 0 : 1;
}
