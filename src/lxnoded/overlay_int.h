/*
 * lxnoded/overlay_int.h - what the parts of overlay share:
 *   overlay.c         life               overlay_ledger.c  what the router asks of the ledger
 *   overlay_names.c   the DNS responder  overlay_options.c options and the files that they name
 */
#ifndef LX_LXNODED_OVERLAY_INT_H
#define LX_LXNODED_OVERLAY_INT_H

#include "lxnoded/overlay.h"
#include "router/dns_io.h"
#include "sigchain/object.h"

#define OVERLAY_MEMORY 4096u /* owners remembered, for one block */

struct remembered {
        bool used;
        enum lx_err err;
        uint32_t iid;
        struct router_addr addr;
        struct router_owner owner;
};

struct overlay {
        const struct node_conf *conf;
        struct ledger *ledger;
        struct router_io *io;
        struct dns_io *dns;
        uint64_t height; /* that the router was told of */
        /* the router thread's */
        struct ledger_view *view;
        struct remembered *memory;
        size_t node_count;
        struct router_node node[ROUTER_NODES_MAX];
        size_t identity_count;
        struct lx_hash identity[ROUTER_IDENTITIES_MAX]; /* registers of our EIDs */
        size_t prefix_count;
        struct router_prefix prefix[ROUTER_PREFIXES_MAX]; /* bound to them */
        bool scanned;           /* nodes and prefixes are those of the block at .scanned_height */
        uint64_t scanned_height;
};


/* overlay_ledger.c */
/** The fields of the register at @address; @buf keeps the bytes that they point to. */
LX_MUST_CHECK enum lx_err overlay_read_object(struct ledger_view *view, const struct lx_hash *address,
    struct lx_buf *buf, struct sigchain_object *out);
/** What an eid register says. LX_ERR_ABSENT: there is none, or it is revoked (its key is zero). */
LX_MUST_CHECK enum lx_err overlay_read_eid(
    struct ledger_view *view, const struct lx_hash *address, struct router_owner *out);
/** The address of the register of EID @addr. */
void overlay_eid_address(uint32_t iid, const struct router_addr *addr, struct lx_hash *out);
/** The table of questions for the router. */
struct router_ledger overlay_questions(struct overlay *o);
/** On the router's thread, first and after each block: a view of the newest one. */
void overlay_refresh(void *arg);
/** As of the last refresh: the prefixes bound to our EIDs. */
size_t overlay_prefixes(void *arg, struct router_prefix *out, size_t max);

/* overlay_options.c */
/** What @o->conf asks for; @o has its view. Secrets are in *out: wipe it. */
LX_MUST_CHECK enum lx_err overlay_read_options(
    struct overlay *o, struct router_io_options *out, struct lx_why *why);

/* overlay_names.c */
/** Start the DNS responder, if @o->conf asks for one. */
LX_MUST_CHECK enum lx_err overlay_open_dns(struct overlay *o, struct lx_why *why);

#endif
