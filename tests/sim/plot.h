/*
 * sim/plot.h - a net that works for the liars (liar.h).
 *
 * In the first rounds of a height, as many as are drawn, it loses proposals, prevotes and precommits: for each node,
 * round and sort of message it is drawn whether the node hears them while that round is the latest. So
 * rounds fail; some nodes see a round's prevotes in time and lock, others don't. When a later round
 * begins, or after PLOT_MS, what was lost may arrive again. Everything is drawn from the salt. Threads: one.
 */
#ifndef LX_SIM_PLOT_H
#define LX_SIM_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLOT_MS 1500

struct plot {
        uint64_t salt; /* 0: there is no plot */
        uint64_t height, since_ms;
        uint32_t round;
};

/** Whether node @to does not hear this message (@type: llp/message.h), now. */
bool plot_loses(struct plot *plot, uint64_t now_ms, size_t to, unsigned type, const uint8_t *bytes,
    size_t len);

#endif
