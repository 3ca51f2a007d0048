/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* arena - memory of fixed capacity for one cycle's work, given back all at once
 *
 * Running out is NULL (the caller answers E_LIMIT), never growth. Thread: its holder's. */
struct arena;

MUST_CHECK enum rc arena_new(size_t capacity, struct arena **ret, struct err *err);
void arena_free(struct arena *a); /* NULL is fine */
static inline void arena_freep(struct arena **a)
{
    arena_free(*a);
}
void *arena_alloc(struct arena *a, size_t n, size_t size); /* zeroed, 16-byte aligned; or NULL */
bool arena_copy(struct arena *a, struct str s, struct str *ret); /* NUL added; false when full */
void arena_clear(struct arena *a);
