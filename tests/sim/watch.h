/*
 * sim/watch.h - what must hold whatever happens, looked at after every event.
 *
 * agreement     two honest nodes never have different headers at one height
 * integrity     an honest node's tip only rises, one height after the other; after a restart it is not
 *               below a height that it had told anybody of
 * certificates  every tip of an honest node has a certificate that verifies
 * signing       no honest key ever signs two values at one (height, round, step), restarts included
 * lock          an honest key that precommitted v at round r prevotes another value later only with a
 *               valid round of at least r, and when so many prevotes of that round for that value were
 *               sent that together with the faulty ones they are more than two thirds
 * framing       an honest node never bans an honest node
 * A violation is kept as text (the first one) and ends the run. Threads: one.
 */
#ifndef LX_SIM_WATCH_H
#define LX_SIM_WATCH_H

#include "sigchain/valset.h"
#include "sim/node.h"

#include <stdio.h>

struct watch;

/** A watch over the network with this genesis; @honest_key says of each validator's key whether it is honest. */
struct watch *watch_new(const struct lx_buf *genesis, const bool *honest_key, size_t key_count);
/** From now on every new vote and proposal is a line in @trace. */
void watch_trace(struct watch *watch, FILE *trace);
/** Free it. NULL is fine. */
void watch_free(struct watch *watch);
/** What nodes report to. */
struct node_watch watch_hooks(struct watch *watch);
/** An honest node was switched on: its tip must be where it was. */
void watch_started(struct watch *watch, struct node *node);
/** Its disk was thrown away: it begins anew. */
void watch_wiped(struct watch *watch, struct node *node);
/** The first violation, or NULL. */
const char *watch_violation(const struct watch *watch);
/** Forget the first violation (a scenario that wants a fork); from now on locks are not looked at. */
void watch_forgive(struct watch *watch);
/**
 * The keys (one bit each) that two votes, sent by honest nodes or passed on by them, convict by evidence that
 * verifies; bit i: validator key i.
 */
uint32_t watch_convicted(const struct watch *watch);
/** The keys that evidence of two certificates, sent by honest nodes, names. */
uint32_t watch_named(const struct watch *watch);
/** The highest tip of an honest node. */
uint64_t watch_height(const struct watch *watch);

#endif
