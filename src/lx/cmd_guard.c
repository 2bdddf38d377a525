/* lx/cmd_guard.c - lx guard: talking to lxguard, its conf file, and learning what a Debian machine runs. */
#include "config.h"
#include "lx/lx.h"
#include "lx/signer.h"
#include "lx/wallet.h"

#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "guard/code.h"
#include "guard/policy.h"
#include "lx/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_PATH "/run/lxguard.sock"
#define CONF_PATH "/etc/lxguard/lxguard.conf"
#define DPKG_INFO "/var/lib/dpkg/info"
#define SUMS_MAX (64u << 20) /* bytes of one md5sums file */

extern char **environ;

/* ---- the control socket ------------------------------------------------------------------------ */

static const char *
conf_path(const struct lx *lx)
{
        const char *path = lx_option(lx, "conf");

        return path != NULL ? path : CONF_PATH;
}

/* --socket, else what the conf file says, else the default. */
static char *
socket_path(const struct lx *lx)
{
        const char *given = lx_option(lx, "socket");
        struct guard_policy *policy = NULL;
        struct lx_buf text = {0};
        char *path = lx_strdup(given != NULL ? given : SOCKET_PATH);

        if (given == NULL && lx_file_read(conf_path(lx), GUARD_CONF_MAX, &text, NULL) == LX_OK &&
            guard_policy_parse(lx_buf_span(&text), conf_path(lx), &policy, NULL) == LX_OK) {
                lx_free(path);
                path = lx_strdup(policy->socket);
        }
        guard_policy_free(policy);
        lx_buf_clear(&text);
        return path;
}

static bool
exchange(int fd, const char *line, struct lx_buf *out)
{
        size_t len = strlen(line);
        ssize_t n = 0;

        for (size_t at = 0; at < len; at += (size_t)n)
                if ((n = write(fd, line + at, len - at)) <= 0)
                        return false;
        while ((n = read(fd, lx_buf_reserve(out, 65536), 65536)) > 0)
                lx_buf_add(out, (size_t)n);
        return n == 0 && out->len > 0;
}

/* Ask; NULL with a message printed and *out_status set. Takes @request over. */
static json_t *
ask(struct lx *lx, json_t *request, int *out_status)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        char *path = socket_path(lx), *text = json_dumps(request, JSON_COMPACT);
        struct lx_buf line = {0}, answer = {0};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        json_t *o = NULL;

        json_decref(request);
        lx_buf_printf(&line, "%s\n", text);
        free(text);
        *out_status = LX_EXIT_UNREACHABLE;
        (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
        if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
                (void)lx_fail(lx, 0, "no guard answers on %s (%s): is lxguard running, and are you root?", path,
                    strerror(errno));
        else if (exchange(fd, lx_buf_str(&line), &answer))
                o = json_loadb((const char *)answer.p, answer.len, 0, NULL);
        else
                (void)lx_fail(lx, 0, "the guard on %s gave no answer", path);
        if (o != NULL && json_object_get(o, "error") != NULL) {
                *out_status = lx_fail(lx, LX_EXIT_REFUSED, "the guard: %s", lx_str(o, "error"));
                json_decref(o);
                o = NULL;
        }
        if (fd >= 0)
                (void)close(fd);
        lx_buf_clear(&line);
        lx_buf_clear(&answer);
        lx_free(path);
        return o;
}

/* ---- status, log, why, scan -------------------------------------------------------------------- */

static void
show_list(const char *title, const json_t *list)
{
        size_t i;
        json_t *item;

        json_array_foreach((json_t *)(uintptr_t)list, i, item)
                printf("%-12s %s\n", i == 0 ? title : "", json_string_value(item));
}

static void
show_node(const json_t *node)
{
        if (!json_is_true(json_object_get(node, "reachable")))
                printf("node         NOT REACHABLE: %s\n", lx_str(node, "why"));
        else
                printf("node         height %llu, %s\n", (unsigned long long)lx_num(node, "head"),
                    json_is_true(json_object_get(node, "subscribed"))
                        ? "tells of blocks" : "does not tell of blocks: asked every half second");
}

static void
show_protected(const json_t *p)
{
        if (lx_num(p, "directories") == 0)
                return;
        printf("protected    %llu directories: %llu files changed, %llu new, %llu missing; %llu times put back\n",
            (unsigned long long)lx_num(p, "directories"), (unsigned long long)lx_num(p, "changed"),
            (unsigned long long)lx_num(p, "new"), (unsigned long long)lx_num(p, "missing"),
            (unsigned long long)lx_num(p, "restored"));
}

static void
show_status(json_t *o)
{
        json_t *gate = json_object_get(o, "gate"), *mounts = json_object_get(o, "mounts"), *item;
        const char *reason = json_string_value(json_object_get(o, "mode_reason")), *point;
        size_t i;

        printf("mode         %s%s%s%s\n", lx_str(o, "mode"), reason != NULL ? " (" : "", reason != NULL ? reason : "",
            reason != NULL ? ")" : "");
        printf("gates        fanotify %s, BPF LSM %s\n", lx_str(json_object_get(o, "gates"), "fanotify"),
            lx_str(json_object_get(o, "gates"), "bpf_lsm"));
        printf("ledger       height %llu, age %llu s%s, %llu entries of %llu publishers\n",
            (unsigned long long)lx_num(o, "height"), (unsigned long long)lx_num(o, "age"),
            json_is_true(json_object_get(o, "stale")) ? " (STALE)" : "", (unsigned long long)lx_num(o, "entries"),
            (unsigned long long)lx_num(o, "publishers"));
        show_node(json_object_get(o, "node"));
        printf("judged       %llu events: %llu allowed, %llu denied, %llu would be denied, %llu timeouts\n",
            (unsigned long long)lx_num(gate, "events"), (unsigned long long)lx_num(gate, "allowed"),
            (unsigned long long)lx_num(gate, "denied"), (unsigned long long)lx_num(gate, "would_deny"),
            (unsigned long long)lx_num(gate, "timeouts"));
        printf("held         %llu files under leases, %llu given back to writers\n",
            (unsigned long long)lx_num(gate, "leases"), (unsigned long long)lx_num(gate, "breaks"));
        printf("mounts       %llu file systems in %llu mount namespaces\n",
            (unsigned long long)lx_num(mounts, "file_systems"), (unsigned long long)lx_num(mounts, "namespaces"));
        json_object_foreach(json_object_get(mounts, "not_covered"), point, item)
                printf("NOT GUARDED  %s: %s\n", point, json_string_value(item));
        show_protected(json_object_get(o, "protected"));
        show_list("not covered", json_object_get(o, "not_covered"));
        json_array_foreach(json_object_get(o, "would_deny"), i, item)
                printf("%-12s %s (%s, pid %llu)\n", i == 0 ? "would deny" : "", lx_str(item, "path"),
                    lx_str(item, "rule"), (unsigned long long)lx_num(item, "pid"));
}

int
cmd_guard_status(struct lx *lx)
{
        int status;
        json_t *o = ask(lx, json_pack("{s:s}", "command", "status"), &status);

        if (o == NULL)
                return status;
        if (lx->json) {
                lx_print_json(o);
                return LX_EXIT_TRUE;
        }
        show_status(o);
        json_decref(o);
        return LX_EXIT_TRUE;
}

static void
show_event(const json_t *e)
{
        printf("%s %-10s %-14s %s (pid %llu, %s)%s%s\n", lx_str(e, "time"), lx_str(e, "verdict"), lx_str(e, "rule"),
            lx_str(e, "path"), (unsigned long long)lx_num(e, "pid"), lx_str(e, "exe"),
            lx_str(e, "release_name")[0] != '\0' ? " release " : "", lx_str(e, "release_name"));
}

int
cmd_guard_log(struct lx *lx)
{
        const char *max = lx_option(lx, "lines");
        int status;
        json_t *o = ask(lx, json_pack("{s:s,s:I}", "command", "log", "max",
            (json_int_t)(max != NULL ? strtoul(max, NULL, 10) : 50)), &status);
        json_t *e;
        size_t i;

        if (o == NULL)
                return status;
        json_array_foreach(json_object_get(o, "events"), i, e) {
                if (lx->json)
                        lx_print_json(json_incref(e));
                else
                        show_event(e);
        }
        json_decref(o);
        return LX_EXIT_TRUE;
}

int
cmd_guard_why(struct lx *lx)
{
        char *real = realpath(lx->args[0], NULL);
        bool allow;
        int status;
        json_t *o = ask(lx,
            json_pack("{s:s,s:s}", "command", "why", "path", real != NULL ? real : lx->args[0]), &status);

        free(real);
        if (o == NULL)
                return status;
        allow = strcmp(lx_str(o, "verdict"), "allow") == 0;
        if (lx->json) {
                lx_print_json(o);
                return allow ? LX_EXIT_TRUE : LX_EXIT_FALSE;
        }
        printf("%s: %s (%s)%s\n  digest     %s\n", lx_str(o, "path"), lx_str(o, "verdict"), lx_str(o, "rule"),
            json_is_true(json_object_get(o, "guarded")) ? "" : ", but its file system is not guarded",
            lx_str(o, "digest"));
        if (json_object_get(o, "release") != NULL)
                printf("  release    %s %s\n  publisher  %s\n  as         %s\n", lx_str(o, "release_name"),
                    lx_str(o, "release"), lx_str(o, "publisher"), lx_str(o, "published_as"));
        json_decref(o);
        return allow ? LX_EXIT_TRUE : LX_EXIT_FALSE;
}

int
cmd_guard_scan(struct lx *lx)
{
        int status;
        json_t *o = ask(lx,
            json_pack("{s:s,s:b}", "command", "scan", "full", lx_option(lx, "full") != NULL), &status);
        json_t *memory = json_object_get(o, "memory"), *e;
        bool good;
        size_t i;

        if (o == NULL)
                return status;
        good = json_array_size(json_object_get(o, "running")) == 0 && lx_num(memory, "found") == 0;
        if (lx->json) {
                lx_print_json(o);
                return good ? LX_EXIT_TRUE : LX_EXIT_FALSE;
        }
        json_array_foreach(json_object_get(o, "running"), i, e)
                printf("WOULD DENY   %s (%s, pid %llu)\n", lx_str(e, "path"), lx_str(e, "rule"),
                    (unsigned long long)lx_num(e, "pid"));
        json_array_foreach(json_object_get(memory, "findings"), i, e)
                printf("MEMORY       %s: pid %llu (%s), %s, address %s, page %llu%s%s\n", lx_str(e, "rule"),
                    (unsigned long long)lx_num(e, "pid"), lx_str(e, "exe"), lx_str(e, "path"), lx_str(e, "address"),
                    (unsigned long long)lx_num(e, "page"), lx_str(e, "release")[0] != '\0' ? ", release " : "",
                    lx_str(e, "release"));
        printf("%llu processes, %llu executable mappings, %llu pages (%llu compared): %llu findings, %llu programs "
               "that would be denied\n", (unsigned long long)lx_num(memory, "processes"),
            (unsigned long long)lx_num(memory, "mappings"), (unsigned long long)lx_num(memory, "pages"),
            (unsigned long long)lx_num(memory, "compared"), (unsigned long long)lx_num(memory, "found"),
            (unsigned long long)json_array_size(json_object_get(o, "running")));
        json_decref(o);
        return good ? LX_EXIT_TRUE : LX_EXIT_FALSE;
}

/* ---- trust ------------------------------------------------------------------------------------- */

/* Replace @path; its directory is made when it is not there, as on a machine's first lx guard trust. */
static int
write_file(struct lx *lx, const char *path, const struct lx_buf *text)
{
        char *dir = lx_strdup(path), *slash = strrchr(dir, '/');
        enum lx_err err = LX_OK;

        if (slash != NULL && slash != dir) {
                *slash = '\0';
                err = lx_file_mkdirs(dir, 0755, &lx->why);
        }
        if (err == LX_OK)
                err = lx_file_write(path, text->p, text->len, 0644, &lx->why);
        lx_free(dir);
        return err == LX_OK ? LX_EXIT_TRUE : lx_fail(lx, LX_EXIT_IO, NULL);
}

/* The pin: this user's trusted header, copied once. It moves only when somebody moves it. */
static int
write_pin(struct lx *lx, const char *path)
{
        char *from = lx_path(lx, "trust.json");
        struct lx_buf text = {0};
        int status = LX_EXIT_TRUE;

        if (access(path, F_OK) == 0) {
                lx_free(from);
                return LX_EXIT_TRUE;
        }
        if (lx_file_read(from, 1u << 20, &text, &lx->why) != LX_OK)
                status = lx_fail(lx, LX_EXIT_USAGE, "nothing is trusted yet: lx trust set HEIGHT:HASH or "
                    "lx trust set GENESIS-FILE");
        else
                status = write_file(lx, path, &text);
        lx_buf_clear(&text);
        lx_free(from);
        return status;
}

static void
reload_if_running(struct lx *lx)
{
        char *path = socket_path(lx);
        int status;
        bool there = access(path, F_OK) == 0;

        lx_free(path);
        if (there)
                json_decref(ask(lx, json_pack("{s:s}", "command", "reload"), &status));
}

int
cmd_guard_trust(struct lx *lx)
{
        struct guard_policy *policy = NULL;
        struct lx_buf text = {0};
        struct lx_hash genesis;
        char hex[65];
        int status = lx_resolve_profile(lx, lx->args[0], &genesis);

        if (status != LX_EXIT_TRUE)
                return status;
        lx_hex_of(&genesis, hex);
        (void)!lx_file_read(conf_path(lx), GUARD_CONF_MAX, &text, NULL);
        if (text.len > 0 && text.p[text.len - 1] != '\n')
                lx_buf_printf(&text, "\n");
        lx_buf_printf(&text, "%s = %s %s\n", lx_option(lx, "own") != NULL ? "approvals" : "publisher", hex,
            strcmp(lx->args[0], hex) == 0 ? "" : lx->args[0]);
        if (guard_policy_parse(lx_buf_span(&text), conf_path(lx), &policy, &lx->why) != LX_OK)
                status = lx_fail(lx, LX_EXIT_USAGE, NULL);
        if (status == LX_EXIT_TRUE)
                status = write_pin(lx, policy->trust);
        if (status == LX_EXIT_TRUE)
                status = write_file(lx, conf_path(lx), &text);
        if (status == LX_EXIT_TRUE) {
                reload_if_running(lx);
                if (!lx->json)
                        printf("the guard trusts %s\n", hex);
                else
                        lx_print_json(json_pack("{s:s,s:s}", "publisher", hex, "conf", conf_path(lx)));
        }
        guard_policy_free(policy);
        lx_buf_clear(&text);
        return status;
}

/* ---- learn ------------------------------------------------------------------------------------- */

struct learning {
        struct lx *lx;
        struct lx_map *bad;   /* paths whose checksum differs from the package's */
        struct lx_arena *arena;
        char **path;
        size_t count, cap;
        size_t refused;
};

/* Lines of dpkg --verify: "??5?????? c /etc/x" or "missing     /usr/x". */
static void
note_bad(struct learning *l, char *line)
{
        char *path = strchr(line, '/');

        if (path != NULL)
                (void)lx_map_put(l->bad, path, strlen(path), l);
}

static bool
run_verify(int out_fd)
{
        char name[] = "dpkg", verify[] = "--verify";
        char *argv[] = {name, verify, NULL};
        posix_spawn_file_actions_t actions;
        pid_t pid;
        bool good;
        int status = -1;

        (void)posix_spawn_file_actions_init(&actions);
        (void)posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
        good = posix_spawnp(&pid, "dpkg", &actions, NULL, argv, environ) == 0 && waitpid(pid, &status, 0) == pid;
        (void)posix_spawn_file_actions_destroy(&actions);
        /* Its status is not 0 when anything differs: what it says is in its lines. */
        return good && WIFEXITED(status) && WEXITSTATUS(status) < 2;
}

static bool
verify_packages(struct learning *l)
{
        FILE *f = tmpfile();
        char line[5000];
        bool good = f != NULL && run_verify(fileno(f));

        if (good)
                rewind(f);
        while (good && fgets(line, sizeof(line), f) != NULL) {
                line[strcspn(line, "\n")] = '\0';
                note_bad(l, line);
        }
        if (f != NULL)
                (void)fclose(f);
        return good;
}

static bool
is_program(const char *path)
{
        static const char *const suffixes[] = {".py", ".pl", ".pm", ".sh", ".rb", ".js", NULL};
        const char *dot = strrchr(path, '.');
        uint8_t head[GUARD_CODE_BYTES];
        struct stat st;
        ssize_t n;
        int fd;

        if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
                return false;
        for (int i = 0; dot != NULL && suffixes[i] != NULL; i++)
                if (strcmp(dot, suffixes[i]) == 0)
                        return true;
        if ((st.st_mode & 0111) != 0)
                return true;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        n = fd >= 0 ? read(fd, head, sizeof(head)) : -1;
        if (fd >= 0)
                (void)close(fd);
        return n > 0 && guard_code_of(LX_SPAN(head, (size_t)n)) != GUARD_CODE_DATA;
}

static void
take(struct learning *l, const char *path)
{
        if (!is_program(path))
                return;
        if (lx_map_get(l->bad, path, strlen(path)) != NULL) {
                (void)lx_fail(l->lx, 0, "not approved: %s differs from its package", path);
                l->refused++;
                return;
        }
        if (l->count == l->cap) {
                l->cap = l->cap == 0 ? 1024 : l->cap * 2;
                l->path = lx_realloc(l->path, l->cap * sizeof(*l->path));
        }
        l->path[l->count++] = lx_arena_memdup(l->arena, path, strlen(path) + 1);
}

/* Lines "md5  usr/bin/x": exactly the files that dpkg --verify has checked. */
static void
take_package(struct learning *l, const char *file)
{
        struct lx_buf text = {0};
        char *line, *rest, path[4200];

        if (lx_file_read(file, SUMS_MAX, &text, NULL) == LX_OK) {
                (void)lx_buf_str(&text);
                for (rest = (char *)text.p; (line = strsep(&rest, "\n")) != NULL;)
                        if (strlen(line) > 34 && strlen(line) < 4100) {
                                (void)snprintf(path, sizeof(path), "/%s", line + 34);
                                take(l, path);
                        }
        }
        lx_buf_clear(&text);
}

static void
take_packages(struct learning *l)
{
        DIR *dir = opendir(DPKG_INFO);
        struct dirent *e;

        while (dir != NULL && (e = readdir(dir)) != NULL) {
                size_t len = strlen(e->d_name);
                char path[600];

                if (len < 8 || strcmp(e->d_name + len - 8, ".md5sums") != 0)
                        continue;
                (void)snprintf(path, sizeof(path), DPKG_INFO "/%s", e->d_name);
                take_package(l, path);
        }
        if (dir != NULL)
                (void)closedir(dir);
}

int
cmd_guard_learn(struct lx *lx)
{
        struct learning l = {.lx = lx, .bad = lx_map_new(1), .arena = lx_arena_new(1u << 20)};
        char **args = lx->args;
        int arg_count = lx->arg_count, status = LX_EXIT_TRUE;

        if (arg_count == 0) {
                if (!lx->json)
                        fprintf(stderr, "checking the packages against dpkg's checksums\n");
                if (!verify_packages(&l))
                        status = lx_fail(lx, LX_EXIT_IO, "dpkg --verify did not run: learning needs a Debian "
                            "machine, or paths that you answer for");
                else
                        take_packages(&l);
                lx->args = l.path;
                lx->arg_count = (int)l.count;
        }
        if (status == LX_EXIT_TRUE && lx->arg_count == 0)
                status = lx_fail(lx, LX_EXIT_FALSE, "there is nothing to approve");
        if (status == LX_EXIT_TRUE && lx_option(lx, "dry-run") != NULL) {
                for (int i = 0; i < lx->arg_count; i++)
                        printf("%s\n", lx->args[i]);
        } else if (status == LX_EXIT_TRUE) {
                status = cmd_binary_approve(lx);
        }
        if (l.refused > 0 && status == LX_EXIT_TRUE)
                status = LX_EXIT_FALSE;
        lx->args = args;
        lx->arg_count = arg_count;
        lx_map_free(l.bad);
        lx_arena_free(l.arena);
        lx_free(l.path);
        return status;
}
