/*
 * bench/bench_build.c - compiling a part of this project (base, merkle, guard: make -j2, from scratch) in a root that
 * lxguard guards in enforce, against the same in an unguarded copy: by the clock, and by CPU time, the guard's included.
 * bench/build-setup makes both roots, in mount and process namespaces of its own.
 */
#include "config.h"
#include "bench/bench.h"
#include "bench/proc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct lab {
        FILE *to, *from;
        pid_t pid;
        bool cpu;
};

static double
build_in(struct lab *lab, const char *which)
{
        double seconds = 0, cpu = 0;
        char line[128];

        fprintf(lab->to, "%s\n", which);
        (void)fflush(lab->to);
        if (fgets(line, sizeof(line), lab->from) == NULL || sscanf(line, "%lf %lf", &seconds, &cpu) != 2)
                return 0;
        return lab->cpu ? cpu : seconds;
}

static double
guarded(void *arg)
{
        return build_in(arg, "m");
}

static double
unguarded(void *arg)
{
        return build_in(arg, "u");
}

static bool
set_up(struct lab *lab)
{
        const char *source = getenv("LX_SRCDIR") != NULL ? getenv("LX_SRCDIR") : bench_str("%s/..", bench_build());
        const char *script = bench_str("%s/bench/build-setup", source), *dir = bench_dir();
        int in[2], out[2];
        char line[16];

        (void)setenv("LX_SRCDIR", source, 0);
        if (pipe(in) != 0 || pipe(out) != 0)
                return false;
        lab->pid = fork();
        if (lab->pid == 0) {
                (void)dup2(in[0], 0);
                (void)dup2(out[1], 1);
                (void)close(in[1]);
                (void)close(out[0]);
                execlp("unshare", "unshare", "-m", "--propagation", "private", "-p", "-f", "--kill-child", "--mount-proc",
                    script, dir, (char *)NULL);
                _exit(127);
        }
        (void)close(in[0]);
        (void)close(out[1]);
        lab->to = fdopen(in[1], "w");
        lab->from = fdopen(out[0], "r");
        return lab->to != NULL && lab->from != NULL && fgets(line, sizeof(line), lab->from) != NULL &&
            strcmp(line, "ready\n") == 0;
}

int
main(void)
{
        static struct lab lab;
        struct bench_row row = {.name = "build under enforce / unguarded", .unit = "s", .budget = 1.05, .at_most = true,
            .rounds = 5, .ours = guarded, .yardstick = unguarded, .arg = &lab};
        bool good;
        int status;

        if (geteuid() != 0) {
                fprintf(stderr, "build: needs root\n");
                return 0;
        }
        (void)signal(SIGPIPE, SIG_IGN);
        bench_say("two roots with a compiler");
        good = set_up(&lab);
        if (good) {
                good = bench_run(&row);
                lab.cpu = true;
                row.name = "the same by CPU time, the guard's included";
                good = bench_run(&row) && good;
        } else {
                fprintf(stderr, "build: the guard did not start\n");
        }
        if (lab.to != NULL)
                (void)fclose(lab.to);
        if (lab.pid > 0)
                (void)waitpid(lab.pid, &status, 0);
        return good ? 0 : 1;
}
