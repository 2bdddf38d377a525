/*
 * base/assert.h - what must hold whatever outsiders do. A false assertion is our own bug.
 *
 * lx_assert stays on in releases. It traps without a message where there is no libc
 * (LX_FREESTANDING), and says file, line and condition on stderr before abort() elsewhere.
 */
#ifndef LX_BASE_ASSERT_H
#define LX_BASE_ASSERT_H

#ifdef LX_FREESTANDING
#define lx_assert(cond) ((cond) ? (void)0 : __builtin_trap())
#else
/** Say which assertion failed, and abort. */
__attribute__((noreturn)) void lx_assert_fail(const char *cond, const char *file, int line);
#define lx_assert(cond) ((cond) ? (void)0 : lx_assert_fail(#cond, __FILE__, __LINE__))
#endif

#endif
