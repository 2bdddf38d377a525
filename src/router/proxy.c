/*
 * router/proxy.c - plain hosts, which the ledger gives to nobody: reached through a node that lends its way to them (a
 * proxy ETR), and heard from it (a proxy ITR). Both ends name each other; what they do not name goes nowhere.
 */
#include "config.h"
#include "router/router_int.h"

static bool
any_covers(const struct router_eid *list, size_t count, uint32_t iid, const struct router_addr *addr)
{
        for (size_t i = 0; i < count; i++)
                if (router_eid_covers(&list[i], iid, addr))
                        return true;
        return false;
}

/* What has an owner is reached by its owner's word, or not at all. */
static bool
is_plain(struct router *r, uint32_t iid, const struct router_addr *addr)
{
        struct router_owner owner;

        return r->options.ledger.owner(r->options.ledger.arg, iid, addr, &owner) != LX_OK &&
            announce_covers(r, iid, addr) == NULL;
}

const struct router_addr *
proxy_towards(struct router *r, uint32_t iid, const struct router_addr *dest)
{
        const struct router_proxy *best = NULL;

        for (size_t i = 0; i < r->options.proxy_count; i++) {
                const struct router_proxy *p = &r->options.proxy[i];

                if (router_eid_covers(&p->net, iid, dest) && (best == NULL || p->net.bits > best->net.bits))
                        best = p;
        }
        return best != NULL && is_plain(r, iid, dest) ? &best->eid : NULL;
}

bool
proxy_speaks_for(struct router *r, const struct router_addr *eid, uint32_t iid, const struct router_addr *source)
{
        for (size_t i = 0; i < r->options.proxy_count; i++)
                if (router_addr_eq(&r->options.proxy[i].eid, eid) &&
                    router_eid_covers(&r->options.proxy[i].net, iid, source))
                        return is_plain(r, iid, source);
        return false;
}

bool
proxy_lends(struct router *r, uint32_t iid, const struct router_addr *host, const struct router_addr *site)
{
        const struct router_options *o = &r->options;

        return any_covers(o->lent, o->lent_count, iid, host) && any_covers(o->client, o->client_count, iid, site) &&
            is_plain(r, iid, host) && !is_plain(r, iid, site);
}
