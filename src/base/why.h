/*
 * base/why.h - one sentence for a person about why something failed.
 *
 * The caller owns the struct (on its stack) and may pass NULL everywhere. The first sentence
 * stays: an outer function that adds nothing keeps the inner one's.
 */
#ifndef LX_BASE_WHY_H
#define LX_BASE_WHY_H

#define LX_WHY_MAX 320 /* bytes, the final NUL included; longer sentences are cut */

struct lx_why {
        char text[LX_WHY_MAX];
};

/** Fill @why, unless it is NULL or says something already. */
__attribute__((format(printf, 2, 3))) void lx_why_set(struct lx_why *why, const char *fmt, ...);

/** Replace what @why says. */
__attribute__((format(printf, 2, 3))) void lx_why_replace(struct lx_why *why, const char *fmt, ...);

#endif
