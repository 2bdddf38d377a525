/* rpc/route.c - the overlay's routes. */
#include "config.h"
#include "rpc/rpc_int.h"

#include "router/router_io.h"

#include <string.h>

static enum lx_err
need_router(struct rpc_call *call)
{
        if (call->rpc->options.router != NULL)
                return LX_OK;
        lx_why_set(&call->why, "this node is no router: start lxnoded with --router");
        return LX_ERR_ABSENT;
}

static json_t *
route_json(const struct router_shown *s)
{
        json_t *rlocs = json_array();
        char text[ROUTER_TEXT_MAX];
        struct router_eid eid = s->eid;

        for (unsigned i = 0; i < s->rloc_count; i++) {
                router_addr_format(&s->rloc[i], text);
                json_array_append_new(rlocs, json_string(text));
        }
        eid.iid = 0;
        router_eid_format(&eid, text);
        return json_pack("{s:s,s:I,s:s,s:o,s:I,s:I,s:s}", "prefix", text, "iid", (json_int_t)s->eid.iid, "source",
            s->source, "rlocs", rlocs, "ttl", (json_int_t)s->ttl_s, "sequence", (json_int_t)s->sequence, "eid", text);
}

static void
add_route(void *arg, const struct router_shown *shown)
{
        if (json_array_size(arg) < 10000)
                json_array_append_new(arg, route_json(shown));
}

enum lx_err
rpc_route_list(struct rpc_call *call)
{
        json_t *routes = json_array();
        enum lx_err err = need_router(call);

        if (err == LX_OK)
                router_io_list(call->rpc->options.router, add_route, routes);
        rpc_set(call, "routes", routes);
        return err;
}

/* The best route for an address: the longest prefix, the cache before what is registered here. */
struct best {
        uint32_t iid;
        struct router_addr addr;
        bool found;
        struct router_shown shown;
};

static void
take_best(void *arg, const struct router_shown *shown)
{
        struct best *b = arg;

        if (router_eid_covers(&shown->eid, b->iid, &b->addr) && strcmp(shown->source, "registered") != 0 &&
            (!b->found || shown->eid.bits > b->shown.eid.bits)) {
                b->found = true;
                b->shown = *shown;
        }
}

enum lx_err
rpc_route_resolve(struct rpc_call *call)
{
        struct best best = {.iid = (uint32_t)rpc_limit(call, "iid", 0, UINT32_MAX)};
        enum lx_err err = need_router(call);
        json_t *route;

        if (err == LX_OK && !router_addr_parse(rpc_str(call, "eid"), &best.addr)) {
                lx_why_set(&call->why, "\"%.60s\" is no IPv4 or IPv6 address", rpc_str(call, "eid"));
                err = LX_ERR_FORMAT;
        }
        if (err != LX_OK)
                return err;
        router_io_resolve(call->rpc->options.router, best.iid, &best.addr);
        router_io_list(call->rpc->options.router, take_best, &best);
        if (!best.found)
                return LX_ERR_ABSENT;
        route = route_json(&best.shown);
        json_object_update(call->result, route);
        json_decref(route);
        return LX_OK;
}

enum lx_err
rpc_route_register(struct rpc_call *call)
{
        enum lx_err err = need_router(call);

        if (err == LX_OK)
                router_io_register(call->rpc->options.router);
        rpc_set(call, "registering", json_boolean(err == LX_OK));
        return err;
}
