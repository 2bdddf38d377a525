/*
 * crypto/ctime.h - telling the constant-time test what may be looked at.
 *
 * tests/ctime marks secrets as undefined memory and runs under valgrind, which reports every branch and
 * index that depends on one. Where a secret gives something that everybody may know (whether 32 bytes
 * are a valid scalar, which is so but once in 2^128; how long a word on the screen is), the code says
 * so with lx_declassify. Outside of that test it is nothing.
 */
#ifndef LX_CRYPTO_CTIME_H
#define LX_CRYPTO_CTIME_H

#ifdef LX_CTIME
#include <valgrind/memcheck.h>
#define lx_declassify(p, len) ((void)VALGRIND_MAKE_MEM_DEFINED((p), (len)))
#else
#define lx_declassify(p, len) ((void)0)
#endif

#endif
