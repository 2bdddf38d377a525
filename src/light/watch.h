/*
 * light/watch.h - what an operator names becomes places in the state tree.
 *
 *   64 hex digits      the register at that address; of a release also the revocations of what it holds,
 *                      once its manifest is known
 *   an IPv6 address    the register of that EID
 *   anything else      the register of that name, and the one that it points to
 *
 * Threads: pure. Spec: doc/light.md.
 */
#ifndef LX_LIGHT_WATCH_H
#define LX_LIGHT_WATCH_H

#include "light/light.h"

/** The entry for @text. LX_ERR_USAGE: it is none of the above. */
LX_MUST_CHECK enum lx_err light_watch_read(
    const struct lx_hash_ops *ops, const char *text, struct light_entry *out_entry, struct lx_why *why);
/** What the name register @entry with @value points to; false: it is none, or points nowhere. */
bool light_target_of(const struct light_entry *entry, struct lx_span value, struct light_entry *out_target);
/** What proven names point to is watched from now on; whether something is new. */
bool light_watch_targets(struct light *light);
/** Whether @entry is what a proven name points to. */
bool light_is_target(const struct light *light, const struct light_entry *entry);

#endif
