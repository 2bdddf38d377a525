/*
 * light/schedule.h - when a light node sees a station, and what a contact may cost.
 *
 * Lines "BEGIN END [BYTES]": two times in UTC as 2026-11-25T10:00:00Z, and how many bytes the contact may take
 * both ways (0 or nothing: no limit). "#" begins a comment. Windows may overlap: the first one that is open counts.
 * Threads: pure. Spec: doc/light.md.
 */
#ifndef LX_LIGHT_SCHEDULE_H
#define LX_LIGHT_SCHEDULE_H

#include "base/err.h"
#include "base/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIGHT_WINDOWS_MAX 4096
#define LIGHT_SCHEDULE_MAX (1u << 20) /* bytes of the file */

struct light_window {
        uint64_t begin_ms, end_ms; /* since 1970 */
        uint64_t bytes;
};

struct light_schedule {
        struct light_window *windows; /* by begin */
        size_t count;
};

/** Read the @len bytes of a schedule. LX_ERR_USAGE names the line; LX_ERR_LIMIT. */
LX_MUST_CHECK enum lx_err light_schedule_read(
    const char *text, size_t len, struct light_schedule *out_schedule, struct lx_why *why);
/** Free what it owns. */
void light_schedule_clear(struct light_schedule *schedule);
/** The window that is open at @now_ms; NULL: none. */
const struct light_window *light_schedule_open(const struct light_schedule *schedule, uint64_t now_ms);
/** The first window that begins after @now_ms; NULL: none. */
const struct light_window *light_schedule_next(const struct light_schedule *schedule, uint64_t now_ms);

#endif
