/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t fail_countdown; /* the one mutable global: a test's fault injector */

void mem_fail_at(uint64_t n)
{
    atomic_store(&fail_countdown, n);
}

static int must_fail(void)
{
    uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    while (left)
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
            return left == 1;
    return 0;
}

void *mem_alloc(size_t size)
{
    return mem_array(1, size ? size : 1);
}

void *mem_array(size_t n, size_t size)
{
    size_t bytes;

    /* calloc checks the product as well, but sanitizers end the program over it */
    if (must_fail() || __builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *mem_grow(void *p, size_t n, size_t size)
{
    size_t bytes;

    if (must_fail() || __builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return realloc(p, bytes ? bytes : 1);
}

void *mem_make_room(void *p, size_t n, size_t *room, size_t size)
{
    const size_t more = *room ? 2 * *room : 16;

    if (n < *room)
        return p;
    p = more > *room ? mem_grow(p, more, size) : NULL;
    if (p)
        *room = more;
    return p;
}

void *mem_array_aligned(size_t n, size_t size)
{
    size_t bytes;

    if (must_fail() || __builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX - 64)
        return NULL;
    bytes = (bytes + 63) & ~(size_t)63;
    void *p = aligned_alloc(64, bytes ? bytes : 64);
    if (p)
        memset(p, 0, bytes);
    return p;
}

char *mem_strndup(const char *s, size_t n)
{
    if (n == SIZE_MAX)
        return NULL;
    char *p = mem_alloc(n + 1);
    if (p && n)
        memcpy(p, s, n);
    return p;
}

void mem_free(void *p)
{
    free(p);
}
