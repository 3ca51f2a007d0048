/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* mem - every heap allocation of our own code passes here
 *
 * Memory comes zeroed. NULL means no memory: the caller answers E_NOMEM. Tests make the n-th
 * allocation fail to walk every error path. Thread: any. */

void *mem_alloc(size_t size);                   /* zeroed; size 0 gives a unique pointer */
void *mem_array(size_t n, size_t size);         /* zeroed; NULL when n * size overflows */
void *mem_grow(void *p, size_t n, size_t size); /* realloc of an array; tail not zeroed */
/* Room for one more in p, an array of *room items of which n are there: p, or in its place one of
 * twice as many (16 at first), which *room is then. NULL: no memory, p stays as it is. */
void *mem_make_room(void *p, size_t n, size_t *room, size_t size);
void *mem_array_aligned(size_t n, size_t size); /* zeroed, on a 64-byte line; mem_free */
char *mem_strndup(const char *s, size_t n);     /* NUL-terminated copy of n bytes */
void mem_free(void *p);                         /* NULL is fine */

/* Tests only: the n-th allocation from now (1 = the next) fails, once; 0 = none does. */
void mem_fail_at(uint64_t n);

static inline void mem_freep(void *p) /* for CLEANUP(mem_freep) on any pointer */
{
    mem_free(*(void **)p);
}
