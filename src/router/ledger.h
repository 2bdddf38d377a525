/*
 * router/ledger.h - what the router asks of a ledger, and the placement that follows from it.
 *
 * The router never sees a store: it gets this table. The daemon fills it from views of its ledger,
 * tests from a model. Answers are as of the newest block that the node has verified.
 * Threads: the router's.
 */
#ifndef LX_ROUTER_LEDGER_H
#define LX_ROUTER_LEDGER_H

#include "crypto/ops.h"
#include "router/lisp.h"

#define ROUTER_HOMES_MAX 4   /* RLOCs of a register that are used */
#define ROUTER_REGISTER_RLOCS 8 /* that are written into one, and shown */
#define ROUTER_NODES_MAX 64  /* map-servers that placement looks at */
#define ROUTER_PLACES 3      /* nodes that an EID registers at */

/* Who owns an address. */
struct router_owner {
        struct lx_hash reg;        /* address of the covering register, eid or prefix */
        struct router_eid eid;     /* what it covers; or, absent, the hole around the address */
        struct router_addr host;   /* the EID whose key speaks for it */
        struct lx_pubkey key;      /* signs its records */
        bool sealed;               /* no plain LISP, either way */
        uint32_t ttl_min;
        uint8_t home_count;        /* home RLOCs or rendezvous nodes, asked besides the placed ones */
        struct router_addr home[ROUTER_HOMES_MAX];
};

/* A node that serves mappings. */
struct router_node {
        struct lx_hash key;
        struct router_at at;       /* its control port */
};

struct router_ledger {
        struct lx_hash chain_id;
        /* The owner of @addr: LX_OK; LX_ERR_ABSENT: nobody, out->eid is the hole. */
        enum lx_err (*owner)(void *arg, uint32_t iid, const struct router_addr *addr,
            struct router_owner *out);
        /* Whether @header is a block of the chain, and its time. */
        bool (*header)(void *arg, const struct lx_hash *header, uint64_t *out_time_ms);
        /* The newest block: its hash; returns its time. */
        uint64_t (*tip)(void *arg, struct lx_hash *out_header);
        /* The nodes that serve mappings; how many. */
        size_t (*nodes)(void *arg, struct router_node *out, size_t max);
        void *arg;
};

/**
 * The order in which @nodes serve the register @reg: by H(lx.rendez, reg, node key), the highest
 * first. Sorts @nodes in place. A change of the set moves only what the changed node served.
 */
void router_place(const struct lx_hash *reg, struct router_node *nodes, size_t count);

/**
 * The bytes of `rlocs` fields of registers: for each, u8 family 4 or 6, the address (4 or 16), u8
 * priority, u8 weight. Reads at most @max; false: not of this form.
 */
bool router_rlocs_decode(
    struct lx_span bytes, struct router_addr *out, size_t max, size_t *out_count);
/** Write one of them. */
void router_rlocs_encode(struct lx_writer *wr, const struct router_addr *addr, uint8_t priority);

#endif
