/* lx/cmd_peer.c - other nodes: list, add, ban, unban. */
#include "config.h"
#include "lx/lx.h"

#include <stdio.h>
#include <string.h>

static void
show_bytes(uint64_t bytes)
{
        if (bytes < 10240)
                printf(" %7llu B  ", (unsigned long long)bytes);
        else if (bytes < 10ull << 20)
                printf(" %7llu KiB", (unsigned long long)(bytes >> 10));
        else
                printf(" %7llu MiB", (unsigned long long)(bytes >> 20));
}

static void
show_peer(const json_t *o)
{
        const json_t *latency = json_object_get(o, "latency_ms");

        printf("%-16.16s %-3s %-8s %8llu",
            json_is_null(json_object_get(o, "id")) ? "?" : lx_str(o, "id"), lx_str(o, "direction"),
            lx_str(o, "state"), (unsigned long long)lx_num(o, "height"));
        if (json_is_integer(latency))
                printf(" %5llu ms", (unsigned long long)json_integer_value(latency));
        else
                printf("        -");
        show_bytes(lx_num(o, "bytes_in"));
        show_bytes(lx_num(o, "bytes_out"));
        printf(" %5llu  %s%s", (unsigned long long)lx_num(o, "score"), lx_str(o, "address"),
            json_is_true(json_object_get(o, "fixed")) ? "  (given)" : "");
        if (lx_str(o, "why")[0] != '\0')
                printf("  %s; next try in %llu s", lx_str(o, "why"),
                    (unsigned long long)(lx_num(o, "next_try_ms") + 999) / 1000);
        printf("\n");
}

int
cmd_peer_list(struct lx *lx)
{
        json_t *o = NULL, *peers, *bans;
        int status = LX_EXIT_UNREACHABLE;
        size_t i;
        json_t *one;

        if (!lx_call(lx, "peer.list", NULL, &o, &status))
                return status;
        if (lx->json) {
                lx_print_json(o);
                return LX_EXIT_TRUE;
        }
        peers = json_object_get(o, "peers");
        bans = json_object_get(o, "bans");
        printf("this node   %s\nlistens on  %s\npeers       %zu\n", lx_str(o, "id"),
            lx_str(o, "listen"), json_array_size(peers));
        if (json_array_size(peers) > 0)
                printf("\n%-16s %-3s %-8s %8s %8s %11s %11s %5s  %s\n", "id", "dir", "state",
                    "height", "latency", "in", "out", "score", "address");
        json_array_foreach(peers, i, one) show_peer(one);
        if (json_array_size(bans) > 0)
                printf("\nbanned, until when, why\n");
        json_array_foreach(bans, i, one) printf("%s  %s  %s%s\n", lx_str(one, "target"),
            lx_str(one, "until"), lx_str(one, "reason"),
            json_is_true(json_object_get(one, "operator")) ? "  (by hand)" : "");
        json_decref(o);
        return LX_EXIT_TRUE;
}

/* One call whose answer is one sentence. */
static int
call_and_say(struct lx *lx, const char *method, json_t *params, const char *sentence)
{
        json_t *o = NULL;
        int status = LX_EXIT_UNREACHABLE;

        if (!lx_call(lx, method, params, &o, &status))
                return status;
        if (lx->json) {
                lx_print_json(o);
                return LX_EXIT_TRUE;
        }
        printf(sentence[0] != '\0' ? "%s %s\n" : "%s%s\n", lx->args[0], sentence);
        json_decref(o);
        return LX_EXIT_TRUE;
}

int
cmd_peer_add(struct lx *lx)
{
        return call_and_say(lx, "peer.add", json_pack("{s:s}", "peer", lx->args[0]),
            "is dialled until the node stops (for ever: peer = ... in lxnoded.conf)");
}

int
cmd_peer_ban(struct lx *lx)
{
        const char *text = lx_option(lx, "seconds"), *reason = lx_option(lx, "reason");
        json_t *params = json_pack("{s:s}", "target", lx->args[0]);
        uint64_t seconds;

        if (text != NULL) {
                if (!lx_parse_number(text, &seconds) || seconds > UINT32_MAX) {
                        json_decref(params);
                        return lx_fail(
                            lx, LX_EXIT_USAGE, "--seconds %s: not a number of seconds", text);
                }
                json_object_set_new(params, "seconds", json_integer((json_int_t)seconds));
        }
        if (reason != NULL)
                json_object_set_new(params, "reason", json_string(reason));
        return call_and_say(lx, "peer.ban", params, "is banned");
}

int
cmd_peer_unban(struct lx *lx)
{
        return call_and_say(
            lx, "peer.unban", json_pack("{s:s}", "target", lx->args[0]), "is not banned any more");
}
