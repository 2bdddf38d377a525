/* base/mem.c - see base/mem.h. */
#include "config.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For tests only: how many lx_try_* calls are left until one fails; 0: never. */
static _Atomic uint64_t fail_countdown;

void
lx_mem_fail_after(uint64_t n)
{
        atomic_store(&fail_countdown, n);
}

static bool
must_fail(void)
{
        uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

        while (left > 0)
                if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
                        return left == 1;
        return false;
}

static void *
or_die(void *p, size_t size)
{
        if (p == NULL) {
                fprintf(stderr, "out of memory: %zu bytes\n", size);
                abort();
        }
        return p;
}

void *
lx_alloc(size_t size)
{
        return or_die(calloc(1, size != 0 ? size : 1), size);
}

void *
lx_alloc_array(size_t count, size_t size)
{
        return or_die(calloc(count != 0 ? count : 1, size != 0 ? size : 1), count);
}

void *
lx_realloc(void *p, size_t size)
{
        return or_die(realloc(p, size != 0 ? size : 1), size);
}

char *
lx_strdup(const char *s)
{
        return lx_memdup(s, strlen(s) + 1);
}

void *
lx_memdup(const void *p, size_t len)
{
        void *copy = lx_alloc(len);

        if (len > 0)
                memcpy(copy, p, len);
        return copy;
}

void *
lx_try_alloc(size_t size)
{
        return must_fail() ? NULL : calloc(1, size != 0 ? size : 1);
}

void *
lx_try_alloc_array(size_t count, size_t size)
{
        return must_fail() ? NULL : calloc(count != 0 ? count : 1, size != 0 ? size : 1);
}

void *
lx_try_realloc(void *p, size_t size)
{
        return must_fail() ? NULL : realloc(p, size != 0 ? size : 1);
}

void
lx_free(void *p)
{
        free(p);
}

#define BLOCK_DEFAULT (16u * 1024)
#define ALIGNMENT 16u

struct block {
        struct block *next;
        size_t size; /* of the bytes that follow */
        _Alignas(ALIGNMENT) uint8_t bytes[];
};

struct lx_arena {
        struct block *first; /* the newest is the head of the list */
        size_t used;         /* in the head */
        size_t block_size;
};

static struct block *
add_block(struct lx_arena *arena, size_t size)
{
        struct block *block = or_die(malloc(sizeof(*block) + size), size);

        block->next = arena->first;
        block->size = size;
        arena->first = block;
        arena->used = 0;
        return block;
}

struct lx_arena *
lx_arena_new(size_t block_size)
{
        struct lx_arena *arena = lx_alloc(sizeof(*arena));

        arena->block_size = block_size != 0 ? block_size : BLOCK_DEFAULT;
        add_block(arena, arena->block_size);
        return arena;
}

static void
free_blocks(struct block *block)
{
        while (block != NULL) {
                struct block *next = block->next;

                free(block);
                block = next;
        }
}

void
lx_arena_free(struct lx_arena *arena)
{
        if (arena == NULL)
                return;
        free_blocks(arena->first);
        lx_free(arena);
}

void
lx_arena_reset(struct lx_arena *arena)
{
        free_blocks(arena->first->next);
        arena->first->next = NULL;
        arena->used = 0;
}

/* Not zeroed: for memory that is filled at once. */
static void *
arena_take(struct lx_arena *arena, size_t size)
{
        size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        void *p;

        if (rounded < size)
                or_die(NULL, size);
        if (rounded > arena->first->size - arena->used)
                add_block(arena, rounded > arena->block_size ? rounded : arena->block_size);
        p = arena->first->bytes + arena->used;
        arena->used += rounded;
        return p;
}

void *
lx_arena_alloc(struct lx_arena *arena, size_t size)
{
        return memset(arena_take(arena, size), 0, size);
}

void *
lx_arena_memdup(struct lx_arena *arena, const void *p, size_t len)
{
        void *copy = arena_take(arena, len);

        if (len > 0)
                memcpy(copy, p, len);
        return copy;
}

char *
lx_arena_printf(struct lx_arena *arena, const char *fmt, ...)
{
        va_list ap;
        char *text;
        int len;

        va_start(ap, fmt);
        len = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        text = arena_take(arena, (size_t)len + 1);
        va_start(ap, fmt);
        vsnprintf(text, (size_t)len + 1, fmt, ap);
        va_end(ap);
        return text;
}
