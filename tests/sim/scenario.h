/*
 * sim/scenario.h - what happens in one run: drawn from the seed, or one of the named ones.
 *
 * A run has a time of trouble and a time of peace. In trouble links are bad and partitioned, nodes crash, disks
 * fail, fill up and are slow, clocks are wrong, and faulty validators (less than a third of the power)
 * drop, replay and change what they send or act as twins; or they are liars (liar.h), and the net helps
 * them (plot.h). In peace links are good and everything that is honest runs; then, within bounded virtual time,
 * all honest nodes are in step, every transaction of the users is in the ledger, and two more blocks are made.
 * What must hold always is in watch.h. Threads: one.
 */
#ifndef LX_SIM_SCENARIO_H
#define LX_SIM_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What the faulty validators are. */
enum scenario_cast {
        SCENARIO_BY_SEED, /* twins when it is even, liars when it is odd */
        SCENARIO_TWINS,
        SCENARIO_LIARS
};

struct scenario_result {
        char text[512];  /* empty: all held */
        uint64_t height; /* of the network at the end */
        uint64_t events; /* of the world */
        uint64_t digest; /* equal for equal runs */
        uint64_t virtual_ms;
        uint64_t final; /* transactions */
};

/**
 * Run @seed with @cast; @trace (may be NULL) gets a line for everything that is done to the nodes. @dir: an empty
 * directory for blobs. false: something did not hold, out_result->text says what.
 */
bool scenario_run(uint64_t seed, enum scenario_cast cast, const char *dir, FILE *trace,
    struct scenario_result *out_result);

/**
 * A fork, as half of the power can make it: of four validators two are faulty and each has a twin, so that
 * two halves of the network go on alone. Both honest nodes then have a certified header of their own at one
 * height. With an odd seed the halves meet, and the votes that they saw must convict both faulty keys and nobody
 * else. With an even one all lose what they had in memory and the faulty ones are gone: then the evidence that the
 * honest ones make of each other's certified headers must, if any two of those are of one round.
 */
bool scenario_fork(uint64_t seed, const char *dir, FILE *trace, struct scenario_result *out_result);

#endif
