/*
 * llp/swarm_io.h - the swarm on real sockets: listens, dials, looks up names, keeps the book on disk.
 *
 * A thin shell: it reads clocks and randomness, carries out the wishes of llp/swarm.h, and never holds
 * more than LLP_PEER_TURN and a frame of sealed bytes for a connection (io/stream.h keeps the kernel's part
 * small), so that a vote overtakes all bulk but the frame under way.
 * Threads: loop only; the book is written by a job on the pool.
 */
#ifndef LX_LLP_SWARM_IO_H
#define LX_LLP_SWARM_IO_H

#include "base/pool.h"
#include "io/loop.h"
#include "llp/swarm.h"

struct llp_swarm_io;

struct llp_swarm_io_options {
        struct io_loop *loop;
        struct lx_pool *pool;
        const char *listen;    /* "ADDRESS:PORT"; NULL: nobody can connect */
        const char *book_path; /* NULL: the book is forgotten */
        /* node key, chain, roles, agent, limits, upper; the shell fills in the rest */
        struct llp_swarm_options swarm;
};

/** Read the book, listen; dialling begins with the loop. LX_ERR_USAGE, LX_ERR_BUSY, LX_ERR_RANGE, LX_ERR_IO. */
LX_MUST_CHECK enum lx_err llp_swarm_io_new(
    const struct llp_swarm_io_options *options, struct llp_swarm_io **out_io, struct lx_why *why);
/** Say goodbye to all; connections end soon. */
void llp_swarm_io_stop(struct llp_swarm_io *io);
/** Write the book, close everything, free. The pool must still live. NULL is fine. */
void llp_swarm_io_free(struct llp_swarm_io *io);
/** The swarm. */
struct llp_swarm *llp_swarm_io_swarm(struct llp_swarm_io *io);
/** Somebody was added to it: dial soon. */
void llp_swarm_io_look(struct llp_swarm_io *io);
/** The port it listens on, 0: none. */
unsigned llp_swarm_io_port(const struct llp_swarm_io *io);

#endif
