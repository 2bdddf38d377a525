/*
 * bench/bench_audit.c - a whole-tree audit, `lx file verify -r`, against `aide --check` with AIDE's own default
 * attributes (its group R, whose only checksum is MD5), over the same tree, cached. The tree is /usr/bin, or $AUDIT.
 */
#include "config.h"
#include "bench/bench.h"
#include "bench/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *
tree(void)
{
        return getenv("AUDIT") != NULL ? getenv("AUDIT") : "/usr/bin";
}

static const char *
lx(void)
{
        return bench_str("'%s/lx' --datadir %s/node --key-file %s/key", bench_build(), bench_dir(), bench_dir());
}

static double
ours(void *arg)
{
        (void)arg;
        return bench_shell(bench_str("%s file verify -r %s", lx(), tree()));
}

static double
aide(void *arg)
{
        (void)arg;
        return bench_shell(bench_str("aide --check --config=%s/aide.conf", bench_dir()));
}

static pid_t
set_up(void)
{
        const char *dir = bench_dir(), *node = bench_str("%s/node", dir);
        const char *program = bench_str("%s/lxnoded", bench_build());
        const char *argv[] = {program, "--dev", "--datadir", node, "--rpc-listen", "none", NULL};
        pid_t pid = bench_start(argv);

        for (int i = 0; i < 100 && access(bench_str("%s/node/lxnoded.sock", dir), F_OK) != 0; i++)
                (void)usleep(50000);
        bench_say("registering the tree, and AIDE's database of it");
        if (bench_shell(bench_str("'%s/lx' keygen device %s/key && %s profile create && %s file add %s", bench_build(),
                dir, lx(), lx(), tree())) > 0 &&
            bench_shell(bench_str("cd %s && printf 'database_in=file:%s/db\ndatabase_out=file:%s/db\n%s R\n' >aide.conf && "
                "aide --init --config=aide.conf", dir, dir, dir, tree())) > 0)
                return pid;
        bench_stop(pid);
        return 0;
}

int
main(void)
{
        struct bench_row row = {.name = "audit of a tree / aide --check", .unit = "s", .budget = 0.15, .at_most = true,
            .rounds = 5, .ours = ours, .yardstick = aide};
        bool holds;
        pid_t node;

        if (bench_shell("aide --version") <= 0) {
                fprintf(stderr, "audit: AIDE is not installed\n");
                return 0;
        }
        node = set_up();
        if (node == 0)
                return 1;
        holds = bench_run(&row);
        bench_stop(node);
        return holds ? 0 : 1;
}
