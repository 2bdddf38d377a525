/*
 * lxguard/mounts.c - every file system that can hold code is marked, in every mount namespace, as it appears.
 *
 * A thread waits for changes of the mount tables (they poll as an exception). Besides, whoever opens a file
 * waits until what was mounted in its namespace before is marked: a program that mounts and then opens
 * anything, as every dynamically linked one does, cannot be faster.
 */
#include "config.h"
#include "lxguard/lxguard.h"

#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SPACES_MAX 1024
#define ROOTS_MAX 8          /* of one namespace; then the oldest is looked at again */
#define DEVICES_MAX 4096
#define TABLE_MAX (8u << 20) /* bytes of a mount table */
#define LOOK_MS 1000         /* how often /proc is looked through for new namespaces */

/* A directory of one mount. */
struct place {
        dev_t dev;
        uint64_t ino, mount;
};

/* A process sees the mounts below its own root only: a namespace has as many tables as its processes have roots. */
struct root {
        struct place place;
        uint64_t generation; /* of the namespace when its table was read */
};

struct space {
        ino_t ino; /* of the namespace */
        int fd;    /* its mountinfo, asked for changes before an answer */
        int wake;  /* the same, for the thread: each descriptor tells of a change once */
        int top;   /* the root whose table that is */
        pid_t pid; /* whose */
        struct place place;  /* of top */
        uint64_t generation; /* rises with every change of its mounts */
        struct root root[ROOTS_MAX]; /* other ones that were met */
        size_t root_next;
};

struct mounts {
        pthread_mutex_t lock;
        pthread_t thread;
        struct space space[SPACES_MAX];
        size_t space_count;
        dev_t device[DEVICES_MAX];
        size_t device_count;
        dev_t outside[DEVICES_MAX]; /* mounted outside the scope too: never marked, all of the machine would be */
        size_t outside_count;
        bool outside_known; /* false: nothing is marked */
        json_t *failed; /* mount point -> why */
};

/* These hold no files of their own. */
static bool
holds_no_code(const char *type)
{
        static const char *const none[] = {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "securityfs",
            "debugfs", "tracefs", "bpf", "pstore", "configfs", "efivarfs", "nsfs", "autofs", "binfmt_misc",
            "fusectl", "rpc_pipefs", "selinuxfs", NULL};

        for (int i = 0; none[i] != NULL; i++)
                if (strcmp(type, none[i]) == 0)
                        return true;
        return false;
}

static bool
is_below(const char *path, const char *dir)
{
        size_t len = strlen(dir);

        while (len > 1 && dir[len - 1] == '/')
                len--;
        return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/' || len == 1);
}

static bool
in_scope(const struct guard_policy *policy, const char *point)
{
        for (size_t i = 0; i < policy->mounts.count; i++)
                if (is_below(point, policy->mounts.v[i]))
                        return true;
        return policy->mounts.count == 0;
}

/* "\040" and its like. */
static void
unescape(char *s)
{
        char *out = s;

        for (; *s != '\0'; s++) {
                if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] != '\0' && s[3] != '\0') {
                        *out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
                        s += 3;
                } else {
                        *out++ = *s;
                }
        }
        *out = '\0';
}

/* ---- marking ----------------------------------------------------------------------------------- */

static bool
has_device(const struct mounts *m, dev_t dev)
{
        for (size_t i = 0; i < m->device_count; i++)
                if (m->device[i] == dev)
                        return true;
        return false;
}

static void
add_device(struct mounts *m, dev_t dev)
{
        if (!has_device(m, dev) && m->device_count < DEVICES_MAX)
                m->device[m->device_count++] = dev;
}

static bool
is_outside(const struct mounts *m, dev_t dev)
{
        for (size_t i = 0; i < m->outside_count; i++)
                if (m->outside[i] == dev)
                        return true;
        return false;
}

static void
refuse(struct mounts *m, const char *point, const char *why)
{
        if (json_object_get(m->failed, point) == NULL && json_object_size(m->failed) < 1000 &&
            json_object_set_new(m->failed, point, json_string(why)) == 0)
                log_error(GUARD, "a file system cannot be guarded", "mount=%s error=%s", point, why);
}

static bool
place_of(int dir, const char *path, struct place *out)
{
        struct statx st;

        /* Not synced: a file system of somebody's own making must not keep us waiting. */
        if (statx(dir, path, AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID,
                &st) != 0 || (st.stx_mask & STATX_MNT_ID) == 0)
                return false;
        *out = (struct place){makedev(st.stx_dev_major, st.stx_dev_minor), st.stx_ino, st.stx_mnt_id};
        return true;
}

static bool
same_place(const struct place *a, const struct place *b)
{
        return a->dev == b->dev && a->ino == b->ino && a->mount == b->mount;
}

/* "36 35 98:0 /root /point options - type source options" */
struct line {
        uint64_t mount;
        dev_t dev;
        char *point, *type;
};

/* Marking again what is marked changes nothing, so nothing must be remembered about what went away. */
static void
mark(struct lxguard *g, int top, const struct line *l)
{
        struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
        struct mounts *m = g->mounts;
        struct place place;
        char path[40];
        enum lx_err err;
        int fd = (int)syscall(SYS_openat2, top, l->point, &how, sizeof(how));

        /* Unmounted meanwhile, or covered by another mount: what is there now may be all of the machine. */
        if (fd < 0 || !place_of(fd, "", &place) || place.mount != l->mount || is_outside(m, place.dev)) {
                if (fd >= 0)
                        (void)close(fd);
                return;
        }
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        err = gate_mark(g, path, strcmp(l->type, "overlay") == 0, place.dev);
        (void)close(fd);
        if (err != LX_OK) {
                refuse(m, l->point, lx_err_text(err));
                return;
        }
        add_device(m, place.dev);
        add_device(m, l->dev);
        if (json_object_del(m->failed, l->point) == 0)
                log_notice(GUARD, "a file system is guarded now", "mount=%s", l->point);
}

/* ---- mount tables ------------------------------------------------------------------------------ */

struct table {
        struct lx_buf text;
        struct line *line; /* of those that can hold code */
        size_t count;
};

static bool
read_line(char *text, struct line *out)
{
        char *field[5];
        unsigned major, minor;

        for (int i = 0; i < 5; i++)
                if ((field[i] = strsep(&text, " ")) == NULL)
                        return false;
        if (text == NULL || (out->type = strstr(text, " - ")) == NULL ||
            sscanf(field[2], "%u:%u", &major, &minor) != 2)
                return false;
        out->type += 3;
        out->type[strcspn(out->type, " ")] = '\0';
        out->mount = strtoull(field[0], NULL, 10);
        out->dev = makedev(major, minor);
        out->point = field[4];
        unescape(out->point);
        return !holds_no_code(out->type);
}

/* False: it could not be read to its end. */
static bool
read_table(int fd, struct table *out)
{
        char *line, *rest;
        size_t lines = 1;
        ssize_t n = -1;

        if (lseek(fd, 0, SEEK_SET) < 0)
                return false;
        while (out->text.len < TABLE_MAX && (n = read(fd, lx_buf_reserve(&out->text, 16384), 16384)) > 0)
                lx_buf_add(&out->text, (size_t)n);
        rest = (char *)(uintptr_t)lx_buf_str(&out->text);
        for (const char *s = rest; (s = strchr(s, '\n')) != NULL; s++)
                lines++;
        out->line = lx_alloc_array(lines, sizeof(*out->line));
        while ((line = strsep(&rest, "\n")) != NULL)
                out->count += read_line(line, &out->line[out->count]);
        return n == 0;
}

static void
clear_table(struct table *table)
{
        lx_buf_clear(&table->text);
        lx_free(table->line);
}

/* What the scope leaves out, as this process sees the mounts. */
static void
note_outside(struct mounts *m, const struct guard_policy *policy)
{
        struct table table = {.count = 0};
        int fd;

        m->outside_count = 0;
        m->outside_known = true;
        if (policy->mounts.count == 0)
                return;
        fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        m->outside_known = fd >= 0 && read_table(fd, &table);
        for (size_t i = 0; i < table.count; i++) {
                if (in_scope(policy, table.line[i].point) || is_outside(m, table.line[i].dev))
                        continue;
                if (m->outside_count < DEVICES_MAX)
                        m->outside[m->outside_count++] = table.line[i].dev;
                else
                        m->outside_known = false;
        }
        clear_table(&table);
        if (fd >= 0)
                (void)close(fd);
}

static bool
is_elsewhere(const struct table *table, const struct guard_policy *policy, dev_t dev)
{
        for (size_t i = 0; i < table->count; i++)
                if (table->line[i].dev == dev && !in_scope(policy, table->line[i].point))
                        return true;
        return false;
}

/* Below a root that is guarded everything is within the scope, whatever its paths are. */
static bool
is_rooted(const struct mounts *m, const struct guard_policy *policy, const struct place *place)
{
        return policy->mounts.count > 0 && has_device(m, place->dev) && !is_outside(m, place->dev);
}

/* Mark what table @fd, as seen from root @top, has within the scope. */
static void
mark_table(struct lxguard *g, int fd, int top, const struct place *place)
{
        struct rules *rules = rules_get(g);
        const struct guard_policy *policy = rules->policy;
        struct mounts *m = g->mounts;
        struct table table = {.count = 0};
        bool rooted;

        note_outside(m, policy);
        rooted = is_rooted(m, policy, place);
        (void)read_table(fd, &table);
        for (size_t i = 0; i < table.count; i++) {
                const struct line *l = &table.line[i];

                if (!rooted && !in_scope(policy, l->point))
                        continue;
                if (!m->outside_known)
                        refuse(m, l->point, "it is not known what lies outside the scope");
                else if (is_outside(m, l->dev) || (!rooted && is_elsewhere(&table, policy, l->dev)))
                        refuse(m, l->point, "mounted outside the scope too");
                else
                        mark(g, top, l);
        }
        clear_table(&table);
        rules_put(rules);
}

/* ---- namespaces -------------------------------------------------------------------------------- */

static bool
has_changed(const struct space *space)
{
        struct pollfd p = {.fd = space->fd, .events = POLLPRI};

        return poll(&p, 1, 0) > 0 && (p.revents & (POLLPRI | POLLERR)) != 0;
}

static struct space *
find_space(struct mounts *m, ino_t ino)
{
        for (size_t i = 0; i < m->space_count; i++)
                if (m->space[i].ino == ino)
                        return &m->space[i];
        return NULL;
}

static void
close_space(struct mounts *m, struct space *space)
{
        (void)close(space->fd);
        (void)close(space->wake);
        (void)close(space->top);
        *space = m->space[--m->space_count];
}

static bool
root_of(pid_t tid, struct place *out)
{
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/root", (int)tid);
        return place_of(AT_FDCWD, path, out);
}

/* A namespace whose process has gone is found again through another one, or has no process at all. */
static void
forget_dead(struct mounts *m)
{
        for (size_t i = 0; i < m->space_count;) {
                char path[64];
                struct stat st;
                struct place place;

                (void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)m->space[i].pid);
                if (stat(path, &st) == 0 && st.st_ino == m->space[i].ino && root_of(m->space[i].pid, &place) &&
                    same_place(&place, &m->space[i].place)) {
                        i++;
                        continue;
                }
                close_space(m, &m->space[i]);
        }
}

/* The mount table of @tid and the root it is seen from. */
static bool
open_table(pid_t tid, int *out_fd, int *out_top, struct place *out_place)
{
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)tid);
        *out_fd = open(path, O_RDONLY | O_CLOEXEC);
        if (*out_fd < 0)
                return false;
        (void)snprintf(path, sizeof(path), "/proc/%d/root", (int)tid);
        *out_top = open(path, O_PATH | O_CLOEXEC);
        if (*out_top >= 0 && place_of(*out_top, "", out_place))
                return true;
        if (*out_top >= 0)
                (void)close(*out_top);
        (void)close(*out_fd);
        return false;
}

static struct space *
add_space(struct lxguard *g, pid_t pid, ino_t ino)
{
        struct mounts *m = g->mounts;
        struct space *space;
        char path[64];

        if (m->space_count == SPACES_MAX)
                forget_dead(m);
        if (m->space_count == SPACES_MAX) {
                refuse(m, "/", "more mount namespaces than can be watched");
                return NULL;
        }
        space = &m->space[m->space_count];
        *space = (struct space){.ino = ino, .pid = pid, .generation = 1};
        if (!open_table(pid, &space->fd, &space->top, &space->place))
                return NULL;
        (void)snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
        space->wake = open(path, O_RDONLY | O_CLOEXEC);
        m->space_count++;
        mark_table(g, space->fd, space->top, &space->place);
        return space;
}

/* @tid sees another part of @space: is its table new, or not yet read since the mounts changed? It is not kept
 * open, which would keep file systems busy. */
static void
look_from(struct lxguard *g, struct space *space, pid_t tid, const struct place *place)
{
        struct root *root = NULL;
        struct place now;
        int fd, top;

        for (size_t i = 0; i < ROOTS_MAX && root == NULL; i++)
                if (same_place(&space->root[i].place, place))
                        root = &space->root[i];
        if (root != NULL && root->generation == space->generation)
                return;
        if (!open_table(tid, &fd, &top, &now))
                return;
        mark_table(g, fd, top, &now);
        (void)close(fd);
        (void)close(top);
        if (root == NULL)
                root = &space->root[space->root_next++ % ROOTS_MAX];
        *root = (struct root){now, space->generation};
}

static void
catch_up(struct lxguard *g, pid_t tid)
{
        struct mounts *m = g->mounts;
        struct space *space;
        struct place place;
        struct stat st;
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)tid);
        if (tid <= 0 || stat(path, &st) != 0 || !root_of(tid, &place))
                return;
        space = find_space(m, st.st_ino);
        if (space == NULL && (space = add_space(g, tid, st.st_ino)) == NULL)
                return;
        if (has_changed(space)) {
                space->generation++;
                mark_table(g, space->fd, space->top, &space->place);
        }
        if (!same_place(&space->place, &place))
                look_from(g, space, tid, &place);
}

void
mounts_catch_up(struct lxguard *g, pid_t tid)
{
        if (g->mounts == NULL)
                return;
        (void)pthread_mutex_lock(&g->mounts->lock);
        catch_up(g, tid);
        (void)pthread_mutex_unlock(&g->mounts->lock);
}

static void
look_through_proc(struct lxguard *g)
{
        DIR *dir = opendir("/proc");
        struct dirent *e;

        forget_dead(g->mounts);
        while (dir != NULL && (e = readdir(dir)) != NULL)
                catch_up(g, (pid_t)strtol(e->d_name, NULL, 10));
        if (dir != NULL)
                (void)closedir(dir);
}

/* Numbers of devices are used again: those that are guarded are found anew, from what is mounted now. */
static void
look_again(struct lxguard *g)
{
        struct rules *rules = rules_get(g);
        bool scoped = rules->policy->mounts.count > 0;
        struct mounts *m = g->mounts;
        size_t before;

        rules_put(rules);
        m->device_count = 0;
        do {
                before = m->device_count;
                for (size_t i = 0; i < m->space_count; i++) {
                        m->space[i].generation++;
                        mark_table(g, m->space[i].fd, m->space[i].top, &m->space[i].place);
                }
                look_through_proc(g);
        } while (scoped && m->device_count > before); /* what is guarded now may be a root of others */
}

void
mounts_look_again(struct lxguard *g)
{
        if (g->mounts == NULL)
                return;
        (void)pthread_mutex_lock(&g->mounts->lock);
        look_again(g);
        (void)pthread_mutex_unlock(&g->mounts->lock);
}

static void *
watch_mounts(void *arg)
{
        struct lxguard *g = arg;
        struct mounts *m = g->mounts;

        while (!atomic_load(&g->stopping)) {
                struct pollfd p[SPACES_MAX];
                size_t count;

                (void)pthread_mutex_lock(&m->lock);
                look_through_proc(g);
                count = m->space_count;
                for (size_t i = 0; i < count; i++)
                        p[i] = (struct pollfd){.fd = m->space[i].wake, .events = POLLPRI};
                (void)pthread_mutex_unlock(&m->lock);
                if (poll(p, count, LOOK_MS) <= 0)
                        continue;
                mounts_look_again(g);
        }
        return NULL;
}

enum lx_err
mounts_start(struct lxguard *g, struct lx_why *why)
{
        struct mounts *m = lx_alloc(sizeof(*m));

        (void)pthread_mutex_init(&m->lock, NULL);
        m->failed = json_object();
        g->mounts = m;
        (void)pthread_mutex_lock(&m->lock);
        look_again(g);
        (void)pthread_mutex_unlock(&m->lock);
        if (m->device_count == 0) {
                lx_why_set(why, "no file system could be guarded: is scope-mount a mount point?");
                return LX_ERR_ABSENT;
        }
        if (pthread_create(&m->thread, NULL, watch_mounts, g) != 0) {
                lx_why_set(why, "no thread for the mounts");
                return LX_ERR_NOMEM;
        }
        return LX_OK;
}

void
mounts_stop(struct lxguard *g)
{
        struct mounts *m = g->mounts;

        if (m == NULL)
                return;
        (void)pthread_join(m->thread, NULL);
        g->mounts = NULL;
        while (m->space_count > 0)
                close_space(m, &m->space[0]);
        json_decref(m->failed);
        lx_free(m);
}

bool
mounts_have(struct lxguard *g, dev_t dev)
{
        struct mounts *m = g->mounts;
        bool found;

        if (m == NULL)
                return false;
        (void)pthread_mutex_lock(&m->lock);
        found = has_device(m, dev);
        (void)pthread_mutex_unlock(&m->lock);
        return found;
}

json_t *
mounts_json(struct lxguard *g)
{
        struct mounts *m = g->mounts;
        json_t *o;

        if (m == NULL)
                return json_null();
        (void)pthread_mutex_lock(&m->lock);
        o = json_pack("{s:I,s:I,s:o}", "file_systems", (json_int_t)m->device_count, "namespaces",
            (json_int_t)m->space_count, "not_covered", json_deep_copy(m->failed));
        (void)pthread_mutex_unlock(&m->lock);
        return o;
}
