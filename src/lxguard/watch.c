/*
 * lxguard/watch.c - which protected files were touched: one inotify watch a directory.
 *
 * Close after writing, rename, link and removal are told by name. What no watch tells (a write through a hard link
 * in another directory, lost events) is found when all is looked at again, every protect-interval seconds.
 * Links are not followed; other file systems mounted below are not looked at: the policy names them, too.
 */
#include "config.h"
#include "lxguard/protect_int.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define MASK (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW | \
    IN_EXCL_UNLINK)
#define DEPTH_MAX 128

/* "/" and a name is "/name". False: too long. */
static bool
join(const char *dir, const char *name, char out[PATH_MAX])
{
        return (size_t)snprintf(out, PATH_MAX, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name) < PATH_MAX;
}

static void
watch(struct protect *p, const char *dir)
{
        int wd;

        if (lx_map_count(p->dirs) >= PROTECT_DIRS_MAX)
                return;
        wd = inotify_add_watch(p->inotify, dir, MASK);
        if (wd < 0 && errno == ENOSPC)
                log_error(GUARD, "too many directories to watch", "path=%s next=%s", dir,
                    "raise fs.inotify.max_user_watches; until then its files are looked at by the interval alone");
        if (wd >= 0)
                lx_free(lx_map_put(p->dirs, &wd, sizeof(wd), lx_strdup(dir)));
        atomic_store(&p->dir_count, lx_map_count(p->dirs));
}

void
protect_unwatch(struct protect *p, const char *path)
{
        size_t pos = 0, key_len, len = strlen(path);
        struct lx_buf gone = {0};
        const void *key;
        void *value;
        int wd;

        while (lx_map_next(p->dirs, &pos, &key, &key_len, &value)) {
                const char *dir = value;

                if (strncmp(dir, path, len) == 0 && (dir[len] == '\0' || dir[len] == '/'))
                        lx_buf_append(&gone, key, sizeof(wd));
        }
        for (size_t i = 0; i < gone.len; i += sizeof(wd)) {
                memcpy(&wd, gone.p + i, sizeof(wd));
                (void)inotify_rm_watch(p->inotify, wd);
                lx_free(lx_map_remove(p->dirs, &wd, sizeof(wd)));
        }
        atomic_store(&p->dir_count, lx_map_count(p->dirs));
        lx_buf_clear(&gone);
}

/* Watch first, then look: what comes between is seen twice, not never. */
static void
walk(struct protect *p, const char *dir, dev_t dev, unsigned depth)
{
        char path[PATH_MAX];
        struct dirent *e;
        struct stat st;
        DIR *d;

        if (depth > DEPTH_MAX || atomic_load(&p->g->stopping))
                return;
        watch(p, dir);
        d = opendir(dir);
        while (d != NULL && (e = readdir(d)) != NULL) {
                if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
                    !join(dir, e->d_name, path) || lstat(path, &st) != 0 || st.st_dev != dev)
                        continue;
                if (S_ISDIR(st.st_mode))
                        walk(p, path, dev, depth + 1);
                else if (S_ISREG(st.st_mode))
                        protect_check(p, path);
        }
        if (d != NULL)
                (void)closedir(d);
}

void
protect_check_tree(struct protect *p, const char *dir)
{
        const struct guard_files *files = p->rules->files;
        size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);
        struct lx_buf first = {0};
        struct stat st;

        if (lstat(dir, &st) == 0 && S_ISDIR(st.st_mode))
                walk(p, dir, st.st_dev, 0);
        lx_buf_printf(&first, "%.*s/", (int)len, dir);
        for (size_t i = guard_files_from(files, lx_buf_str(&first));
             i < guard_files_count(files) && !atomic_load(&p->g->stopping); i++) {
                const char *path = guard_files_at(files, i)->path;

                if (strncmp(path, dir, len) != 0 || path[len] != '/')
                        break;
                if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
                        protect_check(p, path);
        }
        lx_buf_clear(&first);
}

void
protect_check_all(struct protect *p)
{
        const struct guard_strings *list = &p->rules->policy->protect;
        char dir[PATH_MAX];

        for (size_t i = 0; i < list->count; i++) {
                size_t len;

                (void)snprintf(dir, sizeof(dir), "%s", list->v[i]);
                for (len = strlen(dir); len > 1 && dir[len - 1] == '/'; len--)
                        dir[len - 1] = '\0';
                protect_check_tree(p, dir);
        }
        atomic_fetch_add(&p->passes, 1);
}

/* ---- events ------------------------------------------------------------------------------------ */

static void
take_event(struct protect *p, const struct inotify_event *e)
{
        const char *dir = lx_map_get(p->dirs, &e->wd, sizeof(e->wd));
        char path[PATH_MAX], below[PATH_MAX];
        struct stat st;

        if ((e->mask & IN_Q_OVERFLOW) != 0) {
                atomic_fetch_add(&p->overflows, 1);
                p->full = true;
                log_warn(GUARD, "events of protected files were lost", "next=%s", "all of them are looked at");
        }
        if ((e->mask & IN_IGNORED) != 0) {
                lx_free(lx_map_remove(p->dirs, &e->wd, sizeof(e->wd)));
                atomic_store(&p->dir_count, lx_map_count(p->dirs));
                return;
        }
        if (dir == NULL || e->len == 0 || !join(dir, e->name, path))
                return;
        if ((e->mask & IN_ISDIR) != 0 && (e->mask & (IN_MOVED_FROM | IN_DELETE)) != 0)
                protect_unwatch(p, path);
        if ((e->mask & IN_ISDIR) != 0) {
                protect_check_tree(p, path);
                if (join(path, "", below))
                        protect_check_odd(p, below); /* files of no register that went with it */
                return;
        }
        /* A file that was just made is looked at when it is closed; a further name of one is never closed. */
        if ((e->mask & IN_CREATE) != 0 && (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink == 1))
                return;
        (void)lx_map_put(p->touched, path, strlen(path) + 1, p);
}

void
protect_read_events(struct protect *p)
{
        _Alignas(struct inotify_event) char buf[16384];
        const void *key;
        void *value;
        size_t pos = 0, len;
        ssize_t n;

        while ((n = read(p->inotify, buf, sizeof(buf))) > 0)
                for (ssize_t at = 0; at < n;) {
                        const struct inotify_event *e = (const void *)(buf + at);

                        take_event(p, e);
                        at += (ssize_t)(sizeof(*e) + e->len);
                }
        while (lx_map_next(p->touched, &pos, &key, &len, &value))
                protect_check(p, key);
        if (lx_map_count(p->touched) > 0) {
                lx_map_free(p->touched);
                p->touched = lx_map_new(8);
        }
}
