/* lx/cmd_node.c - the node: status, stop, backup, restore, rpc. */
#include "config.h"
#include "lx/lx.h"

#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
cmd_status(struct lx *lx)
{
        json_t *o = NULL, *totals;
        int status = LX_EXIT_UNREACHABLE;

        if (!lx_call(lx, "node.status", NULL, &o, &status))
                return status;
        if (lx->json) {
                lx_print_json(o);
                return LX_EXIT_TRUE;
        }
        totals = json_object_get(o, "totals");
        printf("network     %s\nchain       %s\nheight      %llu\nheader      %s\ntime        %s\n",
            lx_str(o, "network"), lx_str(o, "chain_id"), (unsigned long long)lx_num(o, "height"),
            lx_str(o, "hash"), lx_str(o, "time"));
        printf("engine      %s%s\nready       %s\n", lx_str(o, "engine"),
            json_is_true(json_object_get(o, "validator")) ? ", validator" : "",
            json_is_true(json_object_get(o, "ready")) ? "yes" : "no");
        printf("holds       %llu transactions, %llu registers, %llu chains, %llu digests\n",
            (unsigned long long)lx_num(totals, "transactions"),
            (unsigned long long)lx_num(totals, "registers"),
            (unsigned long long)lx_num(totals, "chains"), (unsigned long long)lx_num(totals, "digests"));
        printf("peers       %llu in, %llu out\n",
            (unsigned long long)lx_num(json_object_get(o, "peers"), "inbound"),
            (unsigned long long)lx_num(json_object_get(o, "peers"), "outbound"));
        printf("waiting     %llu transactions\nstore       %llu KiB on disk\ndatadir     %s\nuptime      %llu s\n",
            (unsigned long long)lx_num(json_object_get(o, "mempool"), "count"),
            (unsigned long long)lx_num(json_object_get(o, "store"), "disk_bytes") / 1024,
            lx_str(o, "datadir"), (unsigned long long)lx_num(o, "uptime_ms") / 1000);
        json_decref(o);
        return LX_EXIT_TRUE;
}

int
cmd_stop(struct lx *lx)
{
        json_t *o = NULL;
        int status = LX_EXIT_UNREACHABLE;

        if (!lx_call(lx, "node.stop", NULL, &o, &status))
                return status;
        if (lx->json)
                lx_print_json(o);
        else {
                printf("the node is stopping\n");
                json_decref(o);
        }
        return LX_EXIT_TRUE;
}

int
cmd_backup(struct lx *lx)
{
        char dir[PATH_MAX], here[PATH_MAX];
        json_t *o = NULL;
        int status = LX_EXIT_UNREACHABLE;

        if (lx->args[0][0] == '/' || getcwd(here, sizeof(here)) == NULL)
                (void)snprintf(dir, sizeof(dir), "%s", lx->args[0]);
        else if ((size_t)snprintf(dir, sizeof(dir), "%s/%s", here, lx->args[0]) >= sizeof(dir))
                return lx_fail(lx, LX_EXIT_USAGE, "the path is too long");
        if (!lx_call(lx, "node.backup", json_pack("{s:s}", "dir", dir), &o, &status))
                return status;
        if (lx->json) {
                lx_print_json(o);
                return LX_EXIT_TRUE;
        }
        printf("backup of height %llu in %s\n", (unsigned long long)lx_num(o, "height"), dir);
        json_decref(o);
        return LX_EXIT_TRUE;
}

/* The daemon's own code restores: this only calls it, beside lx or in the path. */
int
cmd_restore(struct lx *lx)
{
        char self[PATH_MAX], beside[PATH_MAX + 16];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *slash;

        self[n > 0 ? n : 0] = '\0';
        slash = strrchr(self, '/');
        if (slash != NULL)
                *slash = '\0';
        (void)snprintf(beside, sizeof(beside), "%s/lxnoded", self);
        if (access(beside, X_OK) == 0)
                (void)execl(beside, "lxnoded", "--datadir", lx->datadir, "--restore", lx->args[0], (char *)NULL);
        (void)snprintf(beside, sizeof(beside), "%s/../sbin/lxnoded", self);
        if (access(beside, X_OK) == 0)
                (void)execl(beside, "lxnoded", "--datadir", lx->datadir, "--restore", lx->args[0], (char *)NULL);
        (void)execlp("lxnoded", "lxnoded", "--datadir", lx->datadir, "--restore", lx->args[0], (char *)NULL);
        return lx_fail(lx, LX_EXIT_IO, "cannot run lxnoded: %s", strerror(errno));
}

int
cmd_rpc(struct lx *lx)
{
        json_error_t error;
        json_t *params = NULL, *o = NULL;
        int status = LX_EXIT_UNREACHABLE;

        if (lx->arg_count == 2) {
                params = json_loads(lx->args[1], 0, &error);
                if (params == NULL)
                        return lx_fail(lx, LX_EXIT_USAGE, "the parameters are no JSON: %s", error.text);
        }
        if (!lx_call(lx, lx->args[0], params, &o, &status))
                return status;
        if (lx->json) {
                lx_print_json(o);
                return LX_EXIT_TRUE;
        }
        (void)json_dumpf(o, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(o);
        return LX_EXIT_TRUE;
}
