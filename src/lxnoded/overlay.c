/* lxnoded/overlay.c - the router and the ledger; see lxnoded/overlay.h. */
#include "config.h"
#include "lxnoded/overlay.h"

#include "base/log.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "lxnoded/overlay_int.h"

static enum lx_err
open_router(struct overlay *o, struct lx_why *why)
{
        struct router_io_options *options = lx_alloc(sizeof(*options));
        enum lx_err err;

        o->memory = lx_alloc_array(OVERLAY_MEMORY, sizeof(*o->memory));
        err = overlay_read_options(o, options, why);
        if (err == LX_OK)
                err = router_io_open(options, &o->io, why);
        if (err == LX_OK) {
                char eid[ROUTER_TEXT_MAX] = "none";

                if (options->router.identity_count > 0)
                        router_addr_format(&options->router.identity[0].eid, eid);
                log_notice(ROUTER, "routing", "eid=%s prefixes=%zu rlocs=%zu map-servers=%zu device=%s", eid,
                    options->router.prefix_count, options->router.rloc_count, o->node_count,
                    options->tun != NULL ? options->tun : "none");
        }
        lx_wipe(options, sizeof(*options));
        lx_free(options);
        return err;
}

enum lx_err
overlay_open(const struct node_conf *conf, struct ledger *ledger, struct overlay **out_overlay,
    struct lx_why *why)
{
        struct overlay *o = lx_alloc(sizeof(*o));
        enum lx_err err = LX_OK;

        o->conf = conf;
        o->ledger = ledger;
        if (conf->router)
                err = open_router(o, why);
        if (err == LX_OK)
                err = overlay_open_dns(o, why);
        if (err != LX_OK) {
                overlay_close(o);
                return err;
        }
        *out_overlay = o;
        return LX_OK;
}

void
overlay_close(struct overlay *overlay)
{
        if (overlay == NULL)
                return;
        dns_io_close(overlay->dns);
        router_io_close(overlay->io);
        ledger_view_unref(overlay->view);
        lx_free(overlay->memory);
        lx_free(overlay);
}

void
overlay_new_block(struct overlay *overlay)
{
        if (overlay != NULL && overlay->io != NULL)
                router_io_new_block(overlay->io);
}

void
overlay_tick(struct overlay *overlay, uint64_t height)
{
        if (overlay == NULL || overlay->height == height)
                return;
        overlay->height = height;
        overlay_new_block(overlay);
}

struct router_io *
overlay_router(struct overlay *overlay)
{
        return overlay != NULL ? overlay->io : NULL;
}
