/*
 * lxguard/memory.c - what is executing: executable pages of running processes.
 *
 * Quick: pagemap tells every page of an executable file mapping that the process owns privately (it was
 * written: patched by ptrace, through /proc/PID/mem, after mprotect; also when the same byte was written
 * back), and the maps tell executable memory without a file. Full: besides, each mapped file is hashed
 * and each present page is read out of the process and compared with the page hashes of the ledger's
 * root: of the file's own leaves when its root is on the list, else of the published ones under its path.
 */
#include "config.h"
#include "lxguard/lxguard.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/tags.h"
#include "guard/maps.h"
#include "merkle/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE LX_PAGE_LEN
#define RUN_PAGES 64            /* pages read and hashed at once: they stay in the cache */
#define NAME_MAX_BYTES 4096     /* of a mapping; a longer one is read from the text */
#define MAPS_MAX (16u << 20)    /* bytes of one maps file */
#define MAP_PAGES_MAX (1u << 20)
#define FINDINGS_MAX 256        /* of one pass; then they are only counted */
#define PER_MAP_MAX 16

/* Linux 6.7: PAGEMAP_SCAN finds the pages by walking the tables, without a word for each. Older headers lack it. */
struct scan_region {
        uint64_t start, end, categories;
};
struct scan_arg {
        uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
        uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define SCAN_FILE 4u
#define SCAN_PRESENT 8u
#define SCAN_SWAPPED 16u
#define SCAN_REGIONS 16

/* Linux 6.11: PROCMAP_QUERY names the next executable mapping, where the text of maps has a line for each of all. */
struct map_query {
        uint64_t size, flags, address, start, end, vma_flags, page_size, offset, inode;
        uint32_t major, minor, name_size, build_id_size;
        uint64_t name, build_id;
};
#define QUERY_IOCTL _IOWR('f', 17, struct map_query)
#define QUERY_WRITE 2u
#define QUERY_EXEC 4u
#define QUERY_SHARED 8u
#define QUERY_OR_NEXT 16u

struct memory {
        pthread_t thread;
};

/* What the ledger says of one mapped file. */
struct known_file {
        struct lx_buf leaves;          /* empty: nothing */
        const struct guard_entry *entry;
        bool changed;                  /* the file itself is not what was published */
};

struct pass {
        struct lxguard *g;
        struct rules *rules;
        bool full, throttle;
        bool no_scan;         /* this kernel has no PAGEMAP_SCAN */
        bool no_query;        /* nor PROCMAP_QUERY */
        struct lx_map *files; /* device and inode -> known_file */
        struct lx_buf maps;
        uint64_t *pagemap;
        uint8_t *copy;        /* RUN_PAGES pages */
        json_t *findings;
        uint64_t processes, mappings, pages, compared, found, unknown;
        pid_t pid;            /* at hand */
        int pidfd;            /* the same, and no other that gets the number; -1: nothing is done to it */
        char exe[256];        /* "": not looked up yet */
        bool acted;
        uint64_t cpu_ns;      /* of this thread when it last rested */
        uint64_t compare_ns;  /* reading and hashing pages of processes */
};

/* ---- findings ---------------------------------------------------------------------------------- */

static void
act(struct pass *p)
{
        int signo = p->rules->policy->memory == GUARD_MEMORY_STOP ? SIGSTOP : SIGKILL;

        if (p->acted || p->pidfd < 0 || atomic_load(&p->g->mode) != GUARD_ENFORCE)
                return;
        /* Mounts and processes have moved on since it was chosen. */
        mounts_look_again(p->g);
        p->acted = process_in_scope(p->g, p->rules, p->pid) &&
            syscall(SYS_pidfd_send_signal, p->pidfd, signo, NULL, 0) == 0;
}

/* Which process is meant by @pid from here on. */
static int
hold_process(const struct pass *p, pid_t pid)
{
        enum guard_memory what = p->rules->policy->memory;

        if (p->g->gate == NULL || pid == 1 || pid == getpid() || what < GUARD_MEMORY_STOP)
                return -1;
        return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* The program at hand: asked for only when something depends on it. */
static const char *
exe_of(struct pass *p)
{
        if (p->exe[0] == '\0')
                proc_link(p->pid, "exe", p->exe, sizeof(p->exe));
        return p->exe;
}

static void
find(struct pass *p, const char *rule, const struct guard_map *m, uint64_t page, const struct guard_entry *entry)
{
        struct event e = {.kind = "finding", .rule = rule, .exe = exe_of(p), .pid = p->pid, .detail = "",
            .page = m->offset / PAGE + page, .address = m->start + page * PAGE};
        char path[512];

        (void)snprintf(path, sizeof(path), "%.*s", (int)(m->path.len < 500 ? m->path.len : 500),
            (const char *)m->path.p);
        e.path = path;
        if (entry != NULL) {
                e.digest = &entry->root;
                e.release = guard_list_release(p->rules->list, entry);
        }
        act(p);
        if (p->acted)
                e.detail = p->rules->policy->memory == GUARD_MEMORY_STOP ? "stopped" : "killed";
        if (p->found++ >= FINDINGS_MAX)
                return;
        json_array_append_new(p->findings, json_pack("{s:s,s:i,s:s,s:o,s:o,s:I,s:s?}", "rule", rule, "pid",
            (int)p->pid, "exe", p->exe, "path", json_string(path) != NULL ? json_string(path) : json_string("?"),
            "address", json_sprintf("%llx", (unsigned long long)e.address), "page", (json_int_t)e.page, "release",
            e.release != NULL ? e.release->name : NULL));
        event_note(p->g, &e);
}

/* ---- quick ------------------------------------------------------------------------------------- */

static size_t
read_pagemap(struct pass *p, int fd, const struct guard_map *m)
{
        size_t count = (size_t)((m->end - m->start) / PAGE);
        ssize_t n;

        if (count > MAP_PAGES_MAX)
                count = MAP_PAGES_MAX;
        n = pread(fd, p->pagemap, count * sizeof(*p->pagemap), (off_t)(m->start / PAGE * sizeof(*p->pagemap)));
        return n > 0 ? (size_t)n / sizeof(*p->pagemap) : 0;
}

static void
look_for_copies(struct pass *p, const struct guard_map *m, size_t count)
{
        unsigned told = 0;

        for (size_t i = 0; i < count; i++)
                if (guard_page_is_private(p->pagemap[i]) && told++ < PER_MAP_MAX)
                        find(p, "private-page", m, i, NULL);
}

/* The same by PAGEMAP_SCAN; false: this kernel cannot. */
static bool
scan_for_copies(struct pass *p, int pagemap, const struct guard_map *m)
{
        struct scan_region region[SCAN_REGIONS];
        struct scan_arg arg = {.size = sizeof(arg), .start = m->start, .end = m->end,
            .vec = (uint64_t)(uintptr_t)region, .vec_len = SCAN_REGIONS, .category_inverted = SCAN_FILE,
            .category_mask = SCAN_FILE, .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
            .return_mask = SCAN_PRESENT};
        unsigned told = 0;
        int n;

        if (p->no_scan || (n = ioctl(pagemap, SCAN_IOCTL, &arg)) < 0) {
                p->no_scan = true;
                return false;
        }
        for (int i = 0; i < n; i++)
                for (uint64_t at = region[i].start; at < region[i].end && told++ < PER_MAP_MAX; at += PAGE)
                        find(p, "private-page", m, (at - m->start) / PAGE, NULL);
        return true;
}

/* ---- full -------------------------------------------------------------------------------------- */

static int
open_mapped(const struct pass *p, const struct guard_map *m)
{
        char path[96];

        (void)snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)p->pid,
            (unsigned long long)m->start, (unsigned long long)m->end);
        return open(path, O_RDONLY | O_CLOEXEC);
}

/* An unrevoked entry with that root (@size UINT64_MAX: any). */
static const struct guard_entry *
entry_of(const struct pass *p, const struct lx_hash *root, uint64_t size)
{
        size_t count;
        const struct guard_entry *e = guard_list_find(p->rules->list, root, &count);

        for (size_t i = 0; i < count; i++)
                if ((e[i].size == size || size == UINT64_MAX) && !e[i].revoked)
                        return &e[i];
        return NULL;
}

static void
learn_file(struct pass *p, const struct guard_map *m, struct known_file *f)
{
        int fd = open_mapped(p, m);
        struct lx_hash root, before;
        struct stat st;
        uint64_t size;
        char path[4096];
        bool known;

        if (fd < 0 || fstat(fd, &st) != 0 || hash_fd(fd, 0, &root, &size, &f->leaves) != LX_OK) {
                lx_buf_clear(&f->leaves);
                if (fd >= 0)
                        (void)close(fd);
                return;
        }
        (void)close(fd);
        f->entry = entry_of(p, &root, size);
        if (f->entry != NULL)
                return;
        /* Not what anybody published. What was it when it was approved, or what was published under its path? */
        lx_buf_clear(&f->leaves);
        known = p->g->gate != NULL && gate_history(p->g, st.st_dev, st.st_ino, &before);
        (void)snprintf(path, sizeof(path), "%.*s", (int)(m->path.len < 4000 ? m->path.len : 4000),
            (const char *)m->path.p);
        f->entry = known ? entry_of(p, &before, UINT64_MAX) : guard_list_find_path(p->rules->list, path);
        if (f->entry != NULL && feed_leaves(p->g, guard_list_release(p->rules->list, f->entry), f->entry,
                &f->leaves) != LX_OK)
                lx_buf_clear(&f->leaves);
        f->changed = true;
}

static const struct known_file *
known_file(struct pass *p, const struct guard_map *m)
{
        uint64_t key[3] = {m->major, m->minor, m->inode};
        struct known_file *f = lx_map_get(p->files, key, sizeof(key));

        if (f != NULL)
                return f;
        f = lx_alloc(sizeof(*f));
        (void)lx_map_put(p->files, key, sizeof(key), f);
        learn_file(p, m, f);
        if (f->changed) {
                p->unknown++;
                if (f->entry != NULL)
                        find(p, "file-changed", m, 0, f->entry);
        }
        return f;
}

static void
compare_run(struct pass *p, const struct guard_map *m, const struct known_file *f, size_t first, size_t count,
    unsigned *told)
{
        struct iovec local = {.iov_base = p->copy, .iov_len = count * PAGE};
        struct iovec remote = {.iov_base = (void *)(uintptr_t)(m->start + first * PAGE), .iov_len = count * PAGE};
        uint64_t start = lx_clock_now_ns();
        ssize_t n = process_vm_readv(p->pid, &local, 1, &remote, 1, 0);
        size_t got = n > 0 ? (size_t)n / PAGE : 0, leaf = (size_t)(m->offset / PAGE) + first;
        struct lx_hash hashes[RUN_PAGES];

        lx_blake2b_pages(&LX_TAG_LEAF, p->copy, got, hashes);
        for (size_t i = 0; i < got; i++) {
                size_t at = (leaf + i) * LX_HASH_LEN;

                if (at + LX_HASH_LEN > f->leaves.len)
                        break;
                p->compared++;
                if (memcmp(hashes[i].b, f->leaves.p + at, LX_HASH_LEN) != 0 && /* public */
                    (*told)++ < PER_MAP_MAX)
                        find(p, "page-differs", m, first + i, f->entry);
        }
        p->compare_ns += lx_clock_now_ns() - start;
}

static void
compare(struct pass *p, const struct guard_map *m, size_t count)
{
        const struct known_file *f = known_file(p, m);
        unsigned told = 0;

        if (f->leaves.len == 0)
                return;
        for (size_t i = 0; i < count;) {
                size_t run = 0;

                /* Only what is there: reading the rest would make the process larger. */
                while (i + run < count && run < RUN_PAGES && p->pagemap[i + run] >> 62 != 0)
                        run++;
                if (run > 0)
                        compare_run(p, m, f, i, run, &told);
                i += run > 0 ? run : 1;
        }
}

/* ---- processes --------------------------------------------------------------------------------- */

static void
look_at_map(struct pass *p, int pagemap, const struct guard_map *m)
{
        size_t count;

        p->mappings++;
        switch (guard_map_kind(m)) {
        case GUARD_MAP_KERNEL:
                return;
        case GUARD_MAP_ANON:
                if (!guard_strings_have(&p->rules->policy->jits, exe_of(p)))
                        find(p, "anonymous-code", m, 0, NULL);
                return;
        case GUARD_MAP_MEMFD:
                if (!guard_strings_have(&p->rules->policy->jits, exe_of(p)))
                        find(p, "memfd-code", m, 0, NULL);
                return;
        case GUARD_MAP_FILE:
                break;
        }
        if (!p->full && scan_for_copies(p, pagemap, m)) {
                p->pages += (m->end - m->start) / PAGE;
                return;
        }
        count = read_pagemap(p, pagemap, m);
        p->pages += count;
        look_for_copies(p, m, count);
        if (p->full)
                compare(p, m, count);
}

static int
open_proc(pid_t pid, const char *name)
{
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
        return open(path, O_RDONLY | O_CLOEXEC);
}

static bool
read_maps(struct pass *p, int maps)
{
        ssize_t n;

        lx_buf_reset(&p->maps);
        while (p->maps.len < MAPS_MAX && (n = read(maps, lx_buf_reserve(&p->maps, 65536), 65536)) > 0)
                lx_buf_add(&p->maps, (size_t)n);
        return p->maps.len > 0;
}

/* What begins at @from or above it. */
static void
look_at_text(struct pass *p, int maps, int pagemap, uint64_t from)
{
        struct lx_span rest;
        struct guard_map m;

        if (!read_maps(p, maps))
                return; /* a kernel thread, or gone */
        p->processes++;
        rest = lx_buf_span(&p->maps);
        while (guard_map_next(&rest, &m))
                if (m.exec && m.start >= from)
                        look_at_map(p, pagemap, &m);
}

/* The first executable mapping that ends above @from, with its name in @name: 1; none: 0; -1: errno. */
static int
query_map(int maps, uint64_t from, char name[NAME_MAX_BYTES], struct guard_map *out)
{
        struct map_query q = {.size = sizeof(q), .flags = QUERY_EXEC | QUERY_OR_NEXT, .address = from,
            .name = (uint64_t)(uintptr_t)name, .name_size = NAME_MAX_BYTES};

        if (ioctl(maps, QUERY_IOCTL, &q) != 0)
                return errno == ENOENT ? 0 : -1;
        *out = (struct guard_map){.start = q.start, .end = q.end, .offset = q.offset, .inode = q.inode,
            .major = q.major, .minor = q.minor, .exec = true, .write = (q.vma_flags & QUERY_WRITE) != 0,
            .shared = (q.vma_flags & QUERY_SHARED) != 0,
            .path = LX_SPAN(name, q.name_size > 0 ? q.name_size - 1 : 0)};
        return 1;
}

/* False: what begins at *@out_from or above must be read as text. */
static bool
look_at_queries(struct pass *p, int maps, int pagemap, uint64_t *out_from)
{
        char name[NAME_MAX_BYTES];
        struct guard_map m;
        uint64_t from = 0;
        int got;

        *out_from = 0;

        if (p->no_query)
                return false;
        while ((got = query_map(maps, from, name, &m)) > 0) {
                look_at_map(p, pagemap, &m);
                from = *out_from = m.end;
        }
        if (got == 0 || errno == ESRCH) { /* all, or it is gone */
                p->processes += from > 0;
                return true;
        }
        p->no_query = errno == ENOTTY || errno == EINVAL;
        return false;
}

static void
look_at_maps(struct pass *p, pid_t pid)
{
        int maps, pagemap;
        uint64_t from;

        if (!process_in_scope(p->g, p->rules, pid))
                return; /* somebody else's */
        p->exe[0] = '\0';
        maps = open_proc(pid, "maps");
        pagemap = maps >= 0 ? open_proc(pid, "pagemap") : -1;
        if (pagemap >= 0 && !look_at_queries(p, maps, pagemap, &from))
                look_at_text(p, maps, pagemap, from);
        if (maps >= 0)
                (void)close(maps);
        if (pagemap >= 0)
                (void)close(pagemap);
}

static void
look_at(struct pass *p, pid_t pid)
{
        p->pid = pid;
        p->pidfd = hold_process(p, pid);
        p->acted = false;
        look_at_maps(p, pid);
        if (p->pidfd >= 0)
                (void)close(p->pidfd);
}

static uint64_t
thread_cpu_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* Rest so long that the share of a core stays within the budget. */
static void
rest(struct pass *p)
{
        uint64_t now = thread_cpu_ns(), used = now - p->cpu_ns, share = p->rules->policy->memory_cpu;
        uint64_t pause = used * (100 - share) / share;
        struct timespec t = {.tv_sec = (time_t)(pause / 1000000000ull), .tv_nsec = (long)(pause % 1000000000ull)};

        if (!p->throttle || used < 1000000)
                return;
        (void)nanosleep(&t, NULL);
        p->cpu_ns = now;
}

static void
look_at_all(struct pass *p)
{
        DIR *dir = opendir("/proc");
        struct dirent *e;

        while (dir != NULL && (e = readdir(dir)) != NULL && !atomic_load(&p->g->stopping)) {
                pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

                if (pid <= 0)
                        continue;
                look_at(p, pid);
                rest(p);
        }
        if (dir != NULL)
                (void)closedir(dir);
}

static void
free_files(struct lx_map *files)
{
        const void *key;
        size_t pos = 0, len;
        void *value;

        while (lx_map_next(files, &pos, &key, &len, &value)) {
                lx_buf_clear(&((struct known_file *)value)->leaves);
                lx_free(value);
        }
        lx_map_free(files);
}

static json_t *
run_pass(struct lxguard *g, bool full, bool throttle, pid_t pid)
{
        struct pass p = {.g = g, .rules = rules_get(g), .full = full, .throttle = throttle,
            .files = lx_map_new(4), .findings = json_array(), .cpu_ns = thread_cpu_ns()};
        uint64_t start = lx_clock_now_ns(), cpu = thread_cpu_ns();
        json_t *o;

        if (p.rules->policy->mounts.count > 0)
                mounts_look_again(g);
        p.pagemap = lx_alloc_array(MAP_PAGES_MAX, sizeof(*p.pagemap));
        p.copy = lx_alloc((size_t)RUN_PAGES * PAGE);
        if (pid > 0)
                look_at(&p, pid);
        else
                look_at_all(&p);
        o = json_pack("{s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:o}", "full", (int)full, "processes",
            (json_int_t)p.processes, "mappings", (json_int_t)p.mappings, "pages", (json_int_t)p.pages, "compared",
            (json_int_t)p.compared, "unknown_files", (json_int_t)p.unknown, "found", (json_int_t)p.found, "ms",
            (double)(lx_clock_now_ns() - start) / 1e6, "compare_ms",
            (double)p.compare_ns / 1e6, "cpu_ms", (double)(thread_cpu_ns() - cpu) / 1e6, "findings", p.findings);
        free_files(p.files);
        lx_buf_clear(&p.maps);
        lx_free(p.pagemap);
        lx_free(p.copy);
        rules_put(p.rules);
        return o;
}

json_t *
memory_pass(struct lxguard *g, bool full, pid_t pid)
{
        return run_pass(g, full, false, pid);
}

static void *
run(void *arg)
{
        struct lxguard *g = arg;
        unsigned number = 0;

        (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
        while (!atomic_load(&g->stopping)) {
                struct rules *rules = rules_get(g);
                uint64_t left_ms = rules->policy->memory_every_s * 1000;
                bool on = rules->policy->memory != GUARD_MEMORY_OFF;

                rules_put(rules);
                for (; left_ms > 0 && !atomic_load(&g->stopping); left_ms -= left_ms < 200 ? left_ms : 200)
                        (void)poll(NULL, 0, 200);
                if (on && !atomic_load(&g->stopping))
                        json_decref(run_pass(g, ++number % 60 == 0, true, 0));
        }
        return NULL;
}

void
memory_start(struct lxguard *g)
{
        g->memory = lx_alloc(sizeof(*g->memory));
        if (pthread_create(&g->memory->thread, NULL, run, g) == 0)
                return;
        lx_free(g->memory);
        g->memory = NULL;
}

void
memory_stop(struct lxguard *g)
{
        if (g->memory == NULL)
                return;
        (void)pthread_join(g->memory->thread, NULL);
        lx_free(g->memory);
        g->memory = NULL;
}
