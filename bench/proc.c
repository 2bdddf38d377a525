/* bench/proc.c - see bench/proc.h. */
#include "config.h"
#include "bench/proc.h"

#include "bench/bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILDREN_MAX 16

static char scratch[256];
static pid_t owner, children[CHILDREN_MAX];

static void
tidy(void)
{
        if (getpid() != owner)
                return;
        for (int i = 0; i < CHILDREN_MAX; i++)
                if (children[i] > 0)
                        bench_stop(children[i]);
        if (scratch[0] != '\0')
                (void)bench_shell(bench_str("rm -rf '%s'", scratch));
}

static void
tidy_later(void)
{
        if (owner == 0) {
                owner = getpid();
                (void)atexit(tidy);
        }
}

const char *
bench_dir(void)
{
        const char *base = getenv("TMPDIR");

        if (scratch[0] != '\0')
                return scratch;
        (void)snprintf(scratch, sizeof(scratch), "%.200s/lx-bench-XXXXXX", base != NULL ? base : "/tmp");
        if (mkdtemp(scratch) == NULL) {
                perror(scratch);
                exit(1);
        }
        tidy_later();
        return scratch;
}

const char *
bench_str(const char *fmt, ...)
{
        static char ring[8][1024];
        static unsigned next;
        char *text = ring[next++ % 8];
        va_list ap;

        va_start(ap, fmt);
        (void)vsnprintf(text, sizeof(ring[0]), fmt, ap);
        va_end(ap);
        return text;
}

/* A server must not outlive a bench that is killed. */
static void
die_with_parent(void)
{
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* Whether the command succeeded, and what it and its children used. */
static bool
run(const char *command, struct rusage *used)
{
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                (void)!freopen("/dev/null", "w", stdout);
                (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
                _exit(127);
        }
        if (pid > 0 && wait4(pid, &status, 0, used) == pid && status == 0)
                return true;
        (void)fprintf(stderr, "failed: %s\n", command);
        return false;
}

double
bench_shell(const char *command)
{
        double start = bench_now();
        struct rusage used;

        return run(command, &used) ? bench_now() - start : 0;
}

static double
seconds_of(struct timeval t)
{
        return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

double
bench_shell_cpu(const char *command)
{
        struct rusage used;

        return run(command, &used) ? seconds_of(used.ru_utime) + seconds_of(used.ru_stime) : 0;
}

static pid_t
remember(pid_t pid)
{
        tidy_later();
        for (int i = 0; i < CHILDREN_MAX; i++)
                if (children[i] == 0) {
                        children[i] = pid;
                        break;
                }
        return pid;
}

pid_t
bench_start(const char *const argv[])
{
        pid_t pid = fork();

        if (pid == 0) {
                die_with_parent();
                (void)!freopen("/dev/null", "w", stdout);
                (void)!freopen("/dev/null", "w", stderr);
                (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
                _exit(127);
        }
        return remember(pid);
}

pid_t
bench_start_fn(void (*fn)(void *arg), void *arg)
{
        pid_t pid = fork();

        if (pid == 0) {
                die_with_parent();
                fn(arg);
                _exit(1);
        }
        return remember(pid);
}

void
bench_stop(pid_t pid)
{
        if (pid <= 0)
                return;
        (void)kill(pid, SIGTERM);
        (void)waitpid(pid, NULL, 0);
        for (int i = 0; i < CHILDREN_MAX; i++)
                if (children[i] == pid)
                        children[i] = 0;
}

double
bench_cpu_of(pid_t pid)
{
        struct timespec ts;
        clockid_t id;

        if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &ts) != 0)
                return 0;
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double
bench_status_mib(pid_t pid, const char *field)
{
        FILE *f = fopen(bench_str("/proc/%d/status", (int)pid), "r");
        size_t len = strlen(field);
        unsigned long kib = 0;
        char line[256];

        while (f != NULL && fgets(line, sizeof(line), f) != NULL)
                if (strncmp(line, field, len) == 0 && line[len] == ':')
                        kib = strtoul(line + len + 1, NULL, 10);
        if (f != NULL)
                (void)fclose(f);
        return (double)kib / 1024;
}

static struct sockaddr_in
loopback(unsigned port)
{
        return (struct sockaddr_in){.sin_family = AF_INET,
            .sin_port = htons((uint16_t)port),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

unsigned
bench_free_port(void)
{
        struct sockaddr_in addr = loopback(0);
        socklen_t len = sizeof(addr);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
            getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
                addr.sin_port = 0;
        (void)close(fd);
        return ntohs(addr.sin_port);
}

int
bench_dial(unsigned port)
{
        struct sockaddr_in addr = loopback(port);
        double give_up = bench_now() + 5;

        while (bench_now() < give_up) {
                int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

                if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
                        return fd;
                (void)close(fd);
                (void)usleep(500);
        }
        return -1;
}

const char *
bench_build(void)
{
        const char *build = getenv("LX_BUILDDIR");

        if (build == NULL) {
                (void)fprintf(stderr, "LX_BUILDDIR is not set: run it by make bench\n");
                exit(1);
        }
        return build;
}
