/*
 * lxnoded/peers.h - the node among other nodes: node key, listening, dialling, the wires to what is above.
 *
 * The node key is <datadir>/node.key (mode 0600), made on first start; the book is <datadir>/peers.dat.
 * Threads: loop only.
 */
#ifndef LX_LXNODED_PEERS_H
#define LX_LXNODED_PEERS_H

#include "ledger/ledger.h"
#include "llp/swarm_io.h"
#include "lxnoded/options.h"

struct peers;

struct peers_options {
        const struct node_conf *conf;
        struct io_loop *loop;
        struct lx_pool *pool;
        const struct lx_hash *chain_id;
        bool validator;
        bool light; /* dials stations only; nobody connects, no book */
        struct llp_swarm_upper upper; /* whom it tells */
};

/**
 * Load or make the node key, read the book, listen; dialling begins with the loop.
 * LX_ERR_USAGE (an option), LX_ERR_DENIED, LX_ERR_FORMAT (key file), LX_ERR_BUSY, LX_ERR_IO.
 */
LX_MUST_CHECK enum lx_err
peers_open(const struct peers_options *options, struct peers **out_peers, struct lx_why *why);
/** Whether --peer, --seed and --inbound-max are right, for --check-config. LX_ERR_USAGE. */
LX_MUST_CHECK enum lx_err peers_check(const struct node_conf *conf, struct lx_why *why);
/** How the machines above speak to peers; lives as long as the peers. */
const struct llp_net *peers_net(const struct peers *peers);
/** The shell, for RPC. */
struct llp_swarm_io *peers_swarm_io(const struct peers *peers);
/** Where it listens, e.g. "[::]:5389", or "none". */
const char *peers_listening(const struct peers *peers);
/** Say goodbye to all. */
void peers_stop(struct peers *peers);
/** Close; the pool must still live. NULL is fine. */
void peers_close(struct peers *peers);

#endif
