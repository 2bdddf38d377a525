/* lxnoded/overlay_names.c - names of the ledger for the DNS responder; what it calls runs on its thread. */
#include "config.h"
#include "lxnoded/overlay_int.h"

#include "base/log.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "sigchain/apply.h"
#include "sigchain/standard.h"

#include <stdio.h>
#include <string.h>

#define NAMES_SEARCHED 4096u /* for a reverse look-up */

static const struct lx_hash_ops *
ops(void)
{
        return &lx_crypto_ops()->hash;
}

/* ---- names (the DNS thread) ------------------------------------------------------------------------ */

/* The EID that a name register's target is; false: it points to nothing, or to something else. */
static bool
eid_of_target(struct ledger_view *view, const struct lx_hash *target, struct router_addr *out)
{
        struct router_owner found = {0};

        if (target->b[0] != SIGCHAIN_EID || overlay_read_eid(view, target, &found) != LX_OK)
                return false;
        *out = found.host;
        return true;
}

static bool
forward(void *arg, struct lx_span name, struct router_addr *out)
{
        struct overlay *o = arg;
        struct ledger_view *view = ledger_view_new(o->ledger);
        struct lx_buf buf = {0};
        struct sigchain_object object;
        struct lx_hash address, target;
        bool found;

        sigchain_address(ops(), SIGCHAIN_NAME, name.p, name.len, &address);
        found = overlay_read_object(view, &address, &buf, &object) == LX_OK &&
                sigchain_object_get_hash(&object, "target", &target) && eid_of_target(view, &target, out);
        lx_buf_clear(&buf);
        ledger_view_unref(view);
        return found;
}

/* Whether the name register at @address points to @target; its name into @out. */
static bool
points_to(struct ledger_view *view, const struct lx_hash *address, const struct lx_hash *target,
    char out[DNS_NAME_MAX + 1])
{
        struct lx_buf buf = {0};
        struct sigchain_object object;
        struct lx_hash is;
        bool found = overlay_read_object(view, address, &buf, &object) == LX_OK &&
                     sigchain_object_get_hash(&object, "target", &is) && lx_hash_eq(&is, target);

        if (found) {
                const struct sigchain_field *name = sigchain_object_find(&object, "name");

                (void)snprintf(out, DNS_NAME_MAX + 1, "%.*s", (int)name->bytes.len, (const char *)name->bytes.p);
        }
        lx_buf_clear(&buf);
        return found;
}

/* There is no index from targets to names: the first NAMES_SEARCHED names are looked through. */
static bool
reverse(void *arg, const struct router_addr *eid, char out[DNS_NAME_MAX + 1])
{
        struct overlay *o = arg;
        struct ledger_view *view = ledger_view_new(o->ledger);
        struct lx_hash *names = lx_alloc_array(NAMES_SEARCHED, sizeof(*names)), target;
        size_t count = 0;
        bool found = false;

        overlay_eid_address(0, eid, &target);
        if (ledger_list_type(view, SIGCHAIN_NAME, NULL, names, NAMES_SEARCHED, &count) == LX_OK)
                for (size_t i = 0; i < count && !found; i++)
                        found = points_to(view, &names[i], &target, out);
        lx_free(names);
        ledger_view_unref(view);
        return found;
}

enum lx_err
overlay_open_dns(struct overlay *o, struct lx_why *why)
{
        struct dns_zone zone = {.ttl_s = 60, .forward = forward, .reverse = reverse, .arg = o};
        enum lx_err err;

        if (o->conf->dns_listen == NULL)
                return LX_OK;
        memcpy(zone.eid_prefix, ledger_genesis(o->ledger)->eid_prefix, 4);
        err = dns_io_open(o->conf->dns_listen, o->conf->dns_forward, &zone, &o->dns, why);
        if (err == LX_OK)
                log_notice(ROUTER, "answering DNS", "address=%s zone=lx forward=%s", o->conf->dns_listen,
                    o->conf->dns_forward != NULL ? o->conf->dns_forward : "none");
        return err;
}
