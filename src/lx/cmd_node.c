/* lx/cmd_node.c - the node: status, stop, backup, restore, rpc. */
#include "config.h"
#include "lx/check.h"

#include "base/mem.h"
#include "crypto/hash.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The tip that the status names is one that the user's own trust vouches for; the rest is the node's word. */
static int
prove_tip(struct lx *lx, json_t *o)
{
        struct lx_check check = {0};
        struct lx_hash said;
        json_t *header = NULL;
        int status = lx_check_begin(lx, &check);
        enum lx_err err = LX_OK;

        if (status == LX_EXIT_TRUE && !lx_call(lx, "chain.header", json_pack("{s:O}", "height",
                json_object_get(o, "height")), &header, &status)) {
                lx_check_end(&check);
                return status;
        }
        if (status == LX_EXIT_TRUE)
                err = lx_check_head(lx, &check, header, lx_num(o, "height"));
        if (status == LX_EXIT_TRUE && err == LX_OK) {
                struct lx_hash hash;

                ledger_header_hash(&lx_crypto_ops()->hash, &check.head, &hash);
                if (!lx_parse_hash(lx_str(o, "hash"), &said) || !lx_hash_eq(&said, &hash)) {
                        lx_why_set(&lx->why, "the tip has another hash");
                        err = LX_ERR_PROOF;
                }
        }
        if (err != LX_OK)
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        json_object_set_new(o, "proven", json_boolean(status == LX_EXIT_TRUE));
        json_decref(header);
        lx_check_end(&check);
        return status;
}

static void
show_reasons(const json_t *o)
{
        const json_t *list = json_object_get(o, "reasons");

        printf("ready       %s\n", json_is_true(json_object_get(o, "ready")) ? "yes" : "no");
        for (size_t i = 0; i < json_array_size(list); i++)
                printf("  because   %s\n", json_string_value(json_array_get(list, i)));
}

/* What an operator must know before it is too late: unknown rules, an upgrade that is not confirmed. */
static void
show_warnings(const json_t *o)
{
        const json_t *rules = json_object_get(o, "rules");

        if (lx_num(rules, "next") > lx_num(rules, "known"))
                printf("%sWARNING     rule version %llu acts from height %llu on; this node knows %llu and stops "
                    "before it: install a newer lxnoded%s\n", lx_color(LX_BAD),
                    (unsigned long long)lx_num(rules, "next"), (unsigned long long)lx_num(o, "height") + 1,
                    (unsigned long long)lx_num(rules, "known"), lx_color_off());
        if (lx_str(o, "upgrade_from")[0] != '\0')
                printf("upgrade     from %s to %s, confirmed by the next start; until then lxnoded --rollback "
                    "goes back\n",
                    lx_str(o, "upgrade_from"), lx_str(o, "version"));
}

/* Who agreed on the tip, and what is under way. */
static void
print_consensus(const json_t *o)
{
        const json_t *cert = json_object_get(o, "certificate"), *state = json_object_get(o, "consensus");
        const json_t *missing = json_object_get(cert, "missing");

        if (json_is_object(cert)) {
                printf("certificate %llu of %llu validators, round %llu", (unsigned long long)lx_num(cert, "signers"),
                    (unsigned long long)lx_num(cert, "of"), (unsigned long long)lx_num(cert, "round"));
                for (size_t i = 0; i < json_array_size(missing); i++)
                        printf("%s%s", i > 0 ? " " : "; missing: ", json_string_value(json_array_get(missing, i)));
                printf("\n");
        }
        if (json_is_object(state) && strcmp(lx_str(o, "engine"), "bft") == 0)
                printf("consensus   height %llu, round %llu, %s%s\n", (unsigned long long)lx_num(state, "height"),
                    (unsigned long long)lx_num(state, "round"), lx_str(state, "step"),
                    json_is_true(json_object_get(state, "validator")) &&
                            !json_is_true(json_object_get(state, "voting")) ? ", not voting yet" : "");
}

int
cmd_status(struct lx *lx)
{
        json_t *o = NULL, *totals;
        int status = LX_EXIT_UNREACHABLE;

        if (!lx_call(lx, "node.status", NULL, &o, &status))
                return status;
        if (lx->verify) {
                status = prove_tip(lx, o);
                if (status != LX_EXIT_TRUE) {
                        json_decref(o);
                        return status;
                }
        }
        if (lx->json) {
                lx_print_json(o);
                return LX_EXIT_TRUE;
        }
        totals = json_object_get(o, "totals");
        printf("network     %s\nchain       %s\nheight      %llu\nheader      %s\ntime        %s\n",
            lx_str(o, "network"), lx_str(o, "chain_id"), (unsigned long long)lx_num(o, "height"),
            lx_str(o, "hash"), lx_str(o, "time"));
        printf("engine      %s%s\n", lx_str(o, "engine"),
            json_is_true(json_object_get(o, "validator")) ? ", validator" : "");
        show_warnings(o);
        show_reasons(o);
        print_consensus(o);
        if (lx->verify)
                printf("proven      the header, by your own trust\n");
        if (json_is_true(json_object_get(o, "light"))) {
                printf("light       %s, %llu s ago\nwatched     %llu, %llu of them never proven\n"
                       "stations    %llu connected\ndatadir     %s\n", lx_str(o, "explained"),
                    (unsigned long long)lx_num(o, "age_ms") / 1000, (unsigned long long)lx_num(o, "watched"),
                    (unsigned long long)lx_num(o, "never_proven"), (unsigned long long)lx_num(o, "stations"),
                    lx_str(o, "datadir"));
                json_decref(o);
                return LX_EXIT_TRUE;
        }
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

/* NAME=VALUE arguments: a value that is JSON is taken as such, any other is a string. */
static json_t *
pairs(struct lx *lx)
{
        json_t *params = json_object();

        for (int i = 1; i < lx->arg_count; i++) {
                const char *arg = lx->args[i], *equals = strchr(arg, '=');
                char name[64];
                json_t *value;

                if (equals == NULL || equals == arg || equals - arg >= (ptrdiff_t)sizeof(name)) {
                        (void)lx_fail(lx, 0, "\"%.60s\" is neither JSON nor NAME=VALUE", arg);
                        json_decref(params);
                        return NULL;
                }
                (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - arg), arg);
                value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
                json_object_set_new(params, name, value != NULL ? value : json_string(equals + 1));
        }
        return params;
}

int
cmd_rpc(struct lx *lx)
{
        json_error_t error;
        json_t *params = NULL, *o = NULL;
        int status = LX_EXIT_UNREACHABLE;

        if (lx->arg_count >= 2 && lx->args[1][0] != '{' && lx->args[1][0] != '[') {
                params = pairs(lx);
                if (params == NULL)
                        return LX_EXIT_USAGE;
        } else if (lx->arg_count > 2) {
                return lx_fail(lx, LX_EXIT_USAGE, "usage: lx rpc METHOD [JSON | NAME=VALUE...]");
        } else if (lx->arg_count == 2) {
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
