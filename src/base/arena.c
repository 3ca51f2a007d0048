/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <string.h>

#include "base/mem.h"

enum { ALIGNMENT = 16 };

struct arena {
    size_t capacity, used; /* multiples of ALIGNMENT */
    char *p;
};

enum rc arena_new(size_t capacity, struct arena **ret, struct err *err)
{
    if (capacity > SIZE_MAX - ALIGNMENT)
        return err_set(err, E_LIMIT, "arena: %zu bytes are too many", capacity);
    const size_t rounded = (capacity + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);

    CLEANUP(arena_freep) struct arena *a = mem_alloc(sizeof *a);
    if (a)
        a->p = mem_array_aligned(rounded, 1);
    if (!a || !a->p)
        return err_set(err, E_NOMEM, "arena: no memory for %zu bytes", capacity);
    a->capacity = rounded;
    *ret = TAKE(a);
    return OK;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    mem_free(a->p);
    mem_free(a);
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > a->capacity - a->used)
        return NULL;
    void *p = a->p + a->used;
    /* fits: the room left is a multiple of ALIGNMENT */
    a->used += (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    memset(p, 0, bytes);
    return p;
}

bool arena_copy(struct arena *a, struct str s, struct str *ret)
{
    char *p = s.n < SIZE_MAX ? arena_alloc(a, s.n + 1, 1) : NULL;

    if (!p)
        return false;
    if (s.n)
        memcpy(p, s.p, s.n);
    *ret = (struct str){p, s.n};
    return true;
}

void arena_clear(struct arena *a)
{
    a->used = 0;
}
