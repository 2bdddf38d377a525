/* lx/cmd_route.c - where EIDs are reached. */
#include "config.h"
#include "lx/lx.h"

#include "crypto/hash.h"
#include "lx/check.h"
#include "router/ledger.h"
#include "sigchain/apply.h"
#include "sigchain/standard.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define RESOLVE_TRIES 30 /* a tenth of a second each */

static void
show_route(struct lx *lx, const json_t *r)
{
        json_t *rlocs = json_object_get(r, "rlocs"), *one;
        size_t i;

        if (lx->json) {
                lx_print_json(json_deep_copy(r));
                return;
        }
        printf("%-44s %-10s ttl %-6llu", lx_str(r, "prefix"), lx_str(r, "source"),
            (unsigned long long)lx_num(r, "ttl"));
        json_array_foreach(rlocs, i, one)
                printf(" %s", json_string_value(one));
        if (json_is_true(json_object_get(r, "light")))
                printf("  as of height %llu, %llu s ago", (unsigned long long)lx_num(r, "height"),
                    (unsigned long long)lx_num(r, "age"));
        printf("\n");
}

int
cmd_route_list(struct lx *lx)
{
        json_t *o = NULL, *one;
        int status = LX_EXIT_TRUE;
        size_t i;

        if (!lx_call(lx, "route.list", json_object(), &o, &status))
                return status;
        json_array_foreach(json_object_get(o, "routes"), i, one)
                show_route(lx, one);
        json_decref(o);
        return LX_EXIT_TRUE;
}

/* The addresses in the bytes of a register's rlocs. */
static json_t *
list_rlocs(const char *hex)
{
        uint8_t bytes[ROUTER_REGISTER_RLOCS * 19];
        size_t len = strlen(hex) / 2, count = 0;
        struct router_addr addr[ROUTER_REGISTER_RLOCS];
        json_t *list = json_array();

        if (len > sizeof(bytes) || !lx_unhex(hex, 2 * len, bytes, len) ||
            !router_rlocs_decode(LX_SPAN(bytes, len), addr, ROUTER_REGISTER_RLOCS, &count))
                return list;
        for (size_t i = 0; i < count; i++) {
                char text[ROUTER_TEXT_MAX];

                router_addr_format(&addr[i], text);
                json_array_append_new(list, json_string(text));
        }
        return list;
}

/* A light node's route is what the EID's register says: proven, its addresses replace the node's. */
static int
prove_route(struct lx *lx, json_t *route)
{
        struct lx_check check = {0};
        struct lx_hash address;
        json_t *proven = NULL;
        uint8_t key[20] = {0};
        char hex[65];
        int status = lx_check_begin(lx, &check);

        if (status == LX_EXIT_TRUE && inet_pton(AF_INET6, lx->args[0], key + 4) != 1)
                status = lx_fail(lx, LX_EXIT_USAGE, "\"%.60s\" is no EID", lx->args[0]);
        sigchain_address(&lx_crypto_ops()->hash, SIGCHAIN_EID, key, sizeof(key), &address);
        if (status == LX_EXIT_TRUE && lx_check_fetch(lx, &check, lx_hex_of(&address, hex), &proven) != LX_OK)
                status = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        if (status == LX_EXIT_TRUE) {
                const char *key_now = lx_str(json_object_get(proven, "fields"), "key");
                bool exists = json_is_true(json_object_get(proven, "exists")) && strspn(key_now, "0") < strlen(key_now);

                json_object_set_new(route, "source", json_string(exists ? "ledger" : "negative"));
                json_object_set_new(route, "rlocs",
                    list_rlocs(lx_str(json_object_get(proven, "fields"), "rlocs")));
                json_object_set(route, "height", json_object_get(proven, "height"));
                lx_check_note(&check, route);
        }
        json_decref(proven);
        lx_check_end(&check);
        return status;
}

/*
 * With --verify: whether anybody owns the address is proven. Where its owner is reached now is no word of the
 * ledger's (the routers check the owner's signature). A route against a proven hole is not shown: false.
 */
static bool
prove_owner(struct lx *lx, json_t *route, bool negative, int *status)
{
        struct lx_check check = {0};
        char prefix[LX_PREFIX_TEXT];
        bool owned = false;
        int loaded = lx_check_begin(lx, &check);

        if (loaded == LX_EXIT_TRUE && lx_check_owner(lx, &check, lx->args[0], &owned, prefix) != LX_OK)
                loaded = lx_fail(lx, LX_EXIT_FALSE, "the node's answer does not hold: %s", lx->why.text);
        if (loaded == LX_EXIT_TRUE && !negative && !owned)
                loaded = lx_fail(
                    lx, LX_EXIT_FALSE, "the node shows a route, but nobody owns the address: that is proven");
        if (loaded == LX_EXIT_TRUE) {
                json_object_set_new(route, "owned", json_boolean(owned));
                if (!owned)
                        json_object_set_new(route, "prefix", json_string(prefix));
                lx_check_note(&check, route);
                if (!lx->json)
                        printf("%s, proven\n", owned ? "somebody owns the address" : "nobody owns it");
        } else {
                *status = loaded;
        }
        lx_check_end(&check);
        return loaded == LX_EXIT_TRUE;
}

int
cmd_route_resolve(struct lx *lx)
{
        int status = LX_EXIT_TRUE;

        for (unsigned i = 0; i < RESOLVE_TRIES; i++) {
                json_t *o = NULL;
                const char *source;
                bool pending;

                if (!lx_call(lx, "route.resolve", json_pack("{s:s}", "eid", lx->args[0]), &o, &status))
                        return status;
                json_object_del(o, "proof");
                if (lx->verify && json_is_true(json_object_get(o, "light"))) {
                        status = prove_route(lx, o);
                        if (status != LX_EXIT_TRUE) {
                                json_decref(o);
                                return status;
                        }
                }
                source = lx_str(o, "source");
                pending = strcmp(source, "pending") == 0;
                status = pending || strcmp(source, "negative") == 0 ? LX_EXIT_FALSE : LX_EXIT_TRUE;
                if ((!pending || i + 1 == RESOLVE_TRIES) &&
                    (!lx->verify || json_is_true(json_object_get(o, "light")) ||
                        prove_owner(lx, o, status == LX_EXIT_FALSE, &status)))
                        show_route(lx, o);
                json_decref(o);
                if (!pending)
                        return status;
                (void)poll(NULL, 0, 100);
        }
        return status;
}

int
cmd_route_register(struct lx *lx)
{
        json_t *o = NULL;
        int status = LX_EXIT_TRUE;

        if (!lx_call(lx, "route.register", json_object(), &o, &status))
                return status;
        json_decref(o);
        if (!lx->json)
                printf("registering\n");
        return LX_EXIT_TRUE;
}
