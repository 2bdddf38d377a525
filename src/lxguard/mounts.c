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
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SPACES_MAX 1024
#define DEVICES_MAX 4096
#define TABLE_MAX (8u << 20) /* bytes of a mount table */
#define LOOK_MS 1000         /* how often /proc is looked through for new namespaces */

struct space {
        ino_t ino; /* of the namespace */
        int fd;    /* its mountinfo, asked for changes before an answer */
        int wake;  /* the same, for the thread: each descriptor tells of a change once */
        pid_t pid; /* whose */
        bool rooted; /* its root is guarded: so is all that is mounted there, whatever the scope's paths are */
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

/* Marking again what is marked changes nothing, so nothing must be remembered about what went away. */
static void
mark(struct lxguard *g, pid_t pid, const char *point, bool overlay, dev_t dev)
{
        struct mounts *m = g->mounts;
        char path[4200];
        struct stat st;
        enum lx_err err;

        (void)snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, point);
        if (stat(path, &st) != 0 || is_outside(m, st.st_dev))
                return; /* unmounted meanwhile, or covered by another mount */
        err = gate_mark(g, path, overlay, st.st_dev);
        if (err == LX_OK) {
                add_device(m, st.st_dev);
                add_device(m, dev);
                if (json_object_del(m->failed, point) == 0)
                        log_notice(GUARD, "a file system is guarded now", "mount=%s", point);
        } else if (json_object_get(m->failed, point) == NULL && json_object_size(m->failed) < 1000) {
                json_object_set_new(m->failed, point, json_string(lx_err_text(err)));
                log_error(GUARD, "a file system cannot be guarded", "mount=%s error=%s", point, lx_err_text(err));
        }
}

/* "36 35 98:0 /root /point options - type source options" */
struct line {
        dev_t dev;
        char *point, *type;
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
        out->dev = makedev(major, minor);
        out->point = field[4];
        unescape(out->point);
        return !holds_no_code(out->type);
}

static void
refuse(struct mounts *m, const char *point)
{
        if (json_object_get(m->failed, point) == NULL && json_object_size(m->failed) < 1000)
                json_object_set_new(m->failed, point, json_string("mounted outside the scope too"));
}

static void
take_line(struct lxguard *g, const struct guard_policy *policy, const struct space *space, const struct line *l)
{
        if (!space->rooted && !in_scope(policy, l->point))
                return;
        if (is_outside(g->mounts, l->dev))
                refuse(g->mounts, l->point);
        else
                mark(g, space->pid, l->point, strcmp(l->type, "overlay") == 0, l->dev);
}

static bool
read_table(int fd, struct lx_buf *out)
{
        ssize_t n;

        lx_buf_reset(out);
        if (lseek(fd, 0, SEEK_SET) < 0)
                return false;
        while (out->len < TABLE_MAX && (n = read(fd, lx_buf_reserve(out, 16384), 16384)) > 0)
                lx_buf_add(out, (size_t)n);
        return true;
}

/* What the scope leaves out, as this process sees the mounts. */
static void
note_outside(struct lxguard *g, const struct guard_policy *policy)
{
        int fd = policy->mounts.count > 0 ? open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC) : -1;
        struct mounts *m = g->mounts;
        struct lx_buf text = {0};
        char *line, *rest;
        struct line l;

        if (fd < 0)
                return;
        m->outside_count = 0;
        if (read_table(fd, &text)) {
                (void)lx_buf_str(&text);
                for (rest = (char *)text.p; rest != NULL && (line = strsep(&rest, "\n")) != NULL;)
                        if (read_line(line, &l) && !in_scope(policy, l.point) && m->outside_count < DEVICES_MAX)
                                m->outside[m->outside_count++] = l.dev;
        }
        lx_buf_clear(&text);
        (void)close(fd);
}

static void
mark_space(struct lxguard *g, const struct space *space)
{
        struct rules *rules = rules_get(g);
        struct lx_buf text = {0};
        char *line, *rest;
        struct line l;

        note_outside(g, rules->policy);
        if (read_table(space->fd, &text)) {
                (void)lx_buf_str(&text);
                for (rest = (char *)text.p; rest != NULL && (line = strsep(&rest, "\n")) != NULL;)
                        if (read_line(line, &l))
                                take_line(g, rules->policy, space, &l);
        }
        lx_buf_clear(&text);
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
        *space = m->space[--m->space_count];
}

/* With a scope of mounts: whether the root of @pid is guarded. */
static bool
is_rooted(struct lxguard *g, pid_t pid)
{
        struct rules *rules = rules_get(g);
        bool scoped = rules->policy->mounts.count > 0;
        char path[64];
        struct stat st;

        rules_put(rules);
        (void)snprintf(path, sizeof(path), "/proc/%d/root/.", (int)pid);
        return scoped && stat(path, &st) == 0 && has_device(g->mounts, st.st_dev) &&
            !is_outside(g->mounts, st.st_dev);
}

/* A namespace whose process has gone is found again through another one, or has no process at all. */
static void
forget_dead(struct mounts *m)
{
        for (size_t i = 0; i < m->space_count;) {
                char path[64];
                struct stat st;

                (void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)m->space[i].pid);
                if (stat(path, &st) == 0 && st.st_ino == m->space[i].ino) {
                        i++;
                        continue;
                }
                close_space(m, &m->space[i]);
        }
}

static void
add_space(struct lxguard *g, pid_t pid, ino_t ino)
{
        struct mounts *m = g->mounts;
        struct space space = {.ino = ino, .pid = pid};
        char path[64];

        if (m->space_count == SPACES_MAX)
                forget_dead(m);
        (void)snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
        if (m->space_count == SPACES_MAX || (space.fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
                return;
        space.wake = open(path, O_RDONLY | O_CLOEXEC);
        space.rooted = is_rooted(g, pid);
        m->space[m->space_count++] = space;
        mark_space(g, &space);
}

void
mounts_catch_up(struct lxguard *g, pid_t tid)
{
        struct mounts *m = g->mounts;
        struct space *space;
        struct stat st;
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)tid);
        if (m == NULL || tid <= 0 || stat(path, &st) != 0)
                return;
        (void)pthread_mutex_lock(&m->lock);
        space = find_space(m, st.st_ino);
        if (space != NULL && !space->rooted && is_rooted(g, tid)) {
                /* It was met before its root was changed. */
                close_space(m, space);
                space = NULL;
        }
        if (space == NULL)
                add_space(g, tid, st.st_ino);
        else if (has_changed(space)) {
                space->pid = tid; /* whoever it was found by may be gone; this one waits for us */
                mark_space(g, space);
        }
        (void)pthread_mutex_unlock(&m->lock);
}

static void
look_through_proc(struct lxguard *g)
{
        DIR *dir = opendir("/proc");
        struct dirent *e;

        forget_dead(g->mounts);
        while (dir != NULL && (e = readdir(dir)) != NULL) {
                pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
                char path[64];
                struct stat st;

                (void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
                if (pid > 0 && stat(path, &st) == 0 && find_space(g->mounts, st.st_ino) == NULL)
                        add_space(g, pid, st.st_ino);
        }
        if (dir != NULL)
                (void)closedir(dir);
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
                (void)pthread_mutex_lock(&m->lock);
                for (size_t i = 0; i < m->space_count; i++)
                        mark_space(g, &m->space[i]);
                (void)pthread_mutex_unlock(&m->lock);
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
        look_through_proc(g);
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
        for (size_t i = 0; i < m->space_count; i++) {
                (void)close(m->space[i].fd);
                (void)close(m->space[i].wake);
        }
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
