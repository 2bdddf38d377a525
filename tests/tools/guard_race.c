/*
 * tests/tools/guard_race.c - a writer races the gate: guard_race DIR GOOD EVIL ROUNDS [SEED].
 *
 * DIR/x has the approved content of GOOD. In each round one thread puts EVIL's content there, in one of six
 * ways and after a random pause, while another executes it. GOOD exits with 0, EVIL with 1. Prints how
 * often which ran, and what was denied. Exit status 1: EVIL ran; 3: GOOD never did.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_MAX (1u << 20)

extern char **environ;

enum method { OVERWRITE, RENAME, OLD_DESCRIPTOR, SHARED_MAPPING, TRUNCATE, LINK, METHODS };

static const char *const NAMES[METHODS] = {
    "overwrite", "rename", "old descriptor", "shared mapping", "truncate", "symbolic link"};

struct race {
        char target[4096], spare[4096], evil_path[4096];
        uint8_t *good, *evil;
        size_t len; /* of both, padded */
        enum method method;
        unsigned pause; /* turns of the writer before it writes */
        int fd;         /* opened before */
        uint8_t *map;
        pthread_barrier_t go;
};

static uint64_t
next(uint64_t *state)
{
        uint64_t x = *state += 0x9e3779b97f4a7c15ull;

        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        return x ^ (x >> 27);
}

static void
die(const char *what)
{
        perror(what);
        exit(2);
}

static uint8_t *
load(const char *path, size_t *out_len)
{
        uint8_t *bytes = calloc(1, FILE_MAX);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 && bytes != NULL ? read(fd, bytes, FILE_MAX) : -1;

        if (n <= 0)
                die(path);
        close(fd);
        *out_len = (size_t)n;
        return bytes;
}

static void
put(const char *path, const uint8_t *bytes, size_t len)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

        if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
                die(path);
        close(fd);
}

/* A new file with good content under the target's name. */
static void
reset(struct race *r)
{
        unlink(r->spare);
        put(r->spare, r->good, r->len);
        if (rename(r->spare, r->target) != 0)
                die("rename");
        r->fd = -1;
        r->map = NULL;
        if (r->method != OLD_DESCRIPTOR && r->method != SHARED_MAPPING)
                return;
        r->fd = open(r->target, O_RDWR | O_CLOEXEC);
        if (r->fd < 0)
                die("open for writing");
        if (r->method == SHARED_MAPPING) {
                r->map = mmap(NULL, r->len, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
                close(r->fd);
                r->fd = -1;
        }
}

static void
write_evil(struct race *r)
{
        int fd;

        switch (r->method) {
        case OVERWRITE:
        case TRUNCATE:
                fd = open(r->target, O_WRONLY | O_CLOEXEC | (r->method == TRUNCATE ? O_TRUNC : 0));
                if (fd < 0)
                        return;
                (void)!pwrite(fd, r->evil, r->len, 0);
                close(fd);
                return;
        case OLD_DESCRIPTOR:
                (void)!pwrite(r->fd, r->evil, r->len, 0);
                close(r->fd);
                return;
        case SHARED_MAPPING:
                memcpy(r->map, r->evil, r->len);
                munmap(r->map, r->len);
                return;
        case RENAME:
                unlink(r->spare);
                if (link(r->evil_path, r->spare) == 0)
                        (void)rename(r->spare, r->target);
                return;
        case LINK:
                unlink(r->spare);
                if (symlink(r->evil_path, r->spare) == 0)
                        (void)rename(r->spare, r->target);
                return;
        case METHODS:
                return;
        }
}

static void *
writer(void *arg)
{
        struct race *r = arg;

        pthread_barrier_wait(&r->go);
        for (unsigned i = 0; i < r->pause; i++)
                atomic_signal_fence(memory_order_seq_cst);
        write_evil(r);
        return NULL;
}

/* 0 good, 1 evil, 2 denied or busy */
static int
execute(const char *path)
{
        char *argv[] = {(char *)(uintptr_t)path, NULL};
        pid_t pid;
        int status;

        if (posix_spawn(&pid, path, NULL, NULL, argv, environ) != 0)
                return 2;
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
                return 2;
        return WEXITSTATUS(status) <= 1 ? WEXITSTATUS(status) : 2;
}

int
main(int argc, char **argv)
{
        unsigned long rounds = argc > 4 ? strtoul(argv[4], NULL, 10) : 0, count[METHODS][3] = {{0}};
        uint64_t state = argc > 5 ? strtoull(argv[5], NULL, 10) : 1;
        unsigned long evil = 0, good = 0;
        struct race r = {.fd = -1};
        size_t good_len, evil_len;

        if (rounds == 0) {
                fprintf(stderr, "usage: guard_race DIR GOOD EVIL ROUNDS [SEED]\n");
                return 2;
        }
        snprintf(r.target, sizeof(r.target), "%s/x", argv[1]);
        snprintf(r.spare, sizeof(r.spare), "%s/spare", argv[1]);
        snprintf(r.evil_path, sizeof(r.evil_path), "%s", argv[3]);
        r.good = load(argv[2], &good_len);
        r.evil = load(argv[3], &evil_len);
        r.len = good_len; /* the approved content is GOOD's, to the byte */
        pthread_barrier_init(&r.go, NULL, 2);
        for (unsigned long i = 0; i < rounds; i++) {
                pthread_t thread;
                int what;

                r.method = (enum method)(i % METHODS);
                r.pause = (unsigned)(next(&state) % (i % 3 == 0 ? 400 : 400000));
                reset(&r);
                if (pthread_create(&thread, NULL, writer, &r) != 0)
                        die("thread");
                pthread_barrier_wait(&r.go);
                what = execute(r.target);
                pthread_join(thread, NULL);
                count[r.method][what]++;
        }
        for (int m = 0; m < METHODS; m++) {
                printf("%-15s good %5lu  denied %5lu  EVIL %5lu\n", NAMES[m], count[m][0], count[m][2], count[m][1]);
                good += count[m][0];
                evil += count[m][1];
        }
        free(r.good);
        free(r.evil);
        printf("%lu races: the wrong content ran %lu times\n", rounds, evil);
        return evil > 0 ? 1 : good > 0 ? 0 : 3;
}
