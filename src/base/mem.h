/*
 * base/mem.h - memory: small sizes that we chose, sizes that outsiders chose, throwaways.
 *
 * lx_alloc and friends never return NULL: out of memory ends the program with a message.
 * lx_try_alloc is for sizes that a peer, file or user chose, checked against a named limit first.
 * Tests make the n-th lx_try_alloc fail with lx_mem_fail_after. Free with lx_free.
 */
#ifndef LX_BASE_MEM_H
#define LX_BASE_MEM_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/** @size zeroed bytes; never NULL. */
void *lx_alloc(size_t size);
/** @count items of @size bytes, zeroed; never NULL; an overflow ends the program. */
void *lx_alloc_array(size_t count, size_t size);
/** Grow or shrink @p to @size bytes; never NULL; new bytes are not zeroed. */
void *lx_realloc(void *p, size_t size);
/** A copy of the C string @s; never NULL. */
char *lx_strdup(const char *s);
/** A copy of @len bytes; never NULL, also for 0. */
void *lx_memdup(const void *p, size_t len);
/** @size zeroed bytes, or NULL. */
LX_MUST_CHECK void *lx_try_alloc(size_t size);
/** @count items of @size bytes, zeroed, or NULL, also on overflow. */
LX_MUST_CHECK void *lx_try_alloc_array(size_t count, size_t size);
/** Like realloc, or NULL and @p unchanged. */
LX_MUST_CHECK void *lx_try_realloc(void *p, size_t size);
/** Free what this header gave; NULL is fine. */
void lx_free(void *p);
/** For tests: the @n-th lx_try_* call from now returns NULL, once; 0 switches that off. */
void lx_mem_fail_after(uint64_t n);

/** *out = a + b; true if it overflowed. */
static inline bool
lx_add_overflows(uint64_t a, uint64_t b, uint64_t *out)
{
        return __builtin_add_overflow(a, b, out);
}

/** *out = a * b; true if it overflowed. */
static inline bool
lx_mul_overflows(uint64_t a, uint64_t b, uint64_t *out)
{
        return __builtin_mul_overflow(a, b, out);
}

/* Throwaways of one message or call: freed as a whole. Not thread-safe. */
struct lx_arena;

/** A new arena with blocks of @block_size bytes (0: 16 KiB). */
struct lx_arena *lx_arena_new(size_t block_size);
/** Free the arena and all that came from it; NULL is fine. */
void lx_arena_free(struct lx_arena *arena);
/** Forget everything, keep the first block. */
void lx_arena_reset(struct lx_arena *arena);
/** @size zeroed bytes, aligned for anything; never NULL. */
void *lx_arena_alloc(struct lx_arena *arena, size_t size);
/** A copy of @len bytes. */
void *lx_arena_memdup(struct lx_arena *arena, const void *p, size_t len);
/** A formatted C string. */
__attribute__((format(printf, 2, 3))) char *
lx_arena_printf(struct lx_arena *arena, const char *fmt, ...);

#endif
