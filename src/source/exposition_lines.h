/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

/* exposition_lines - the samples of a body by the bytes in front of their values, in order
 *
 * Private to exposition*.c. Of a sample that is wanted the bytes are kept. Of the many others there
 * is a hash of 64 bits: layouts are as many as targets, and all that a clash could do is to pass
 * over a line that has become another one, until the body changes again.
 * Zeroed at first. */

/* In place of a series' number: nobody wants it, or it has more labels or bytes than one may have.
 */
#define EXPO_UNWANTED UINT32_MAX
#define EXPO_OVER (UINT32_MAX - 1)

static inline bool expo_is_series(uint32_t id)
{
    return id < EXPO_OVER; /* SERIES_MAX is far below */
}

struct expo_line {
    uint32_t key_n; /* bytes of gap and key; 0: they are not enough to know it by */
    uint32_t id;    /* of its series, or EXPO_UNWANTED, EXPO_OVER */
    uint64_t key;   /* where its bytes are in keys; where it is no series: their hash */
};

struct expo_lines {
    struct expo_line *line;
    char *keys;
    size_t n, capacity;
    size_t keys_n, keys_capacity;
};

void expo_lines_done(struct expo_lines *t);
MUST_CHECK enum rc expo_lines_add(struct expo_lines *t, struct str key, uint32_t id,
                                  struct err *err);
/* Line i of from. */
MUST_CHECK enum rc expo_lines_keep(struct expo_lines *t, const struct expo_lines *from, size_t i,
                                   struct err *err);
/* Into t, which is empty, the first n lines of from. */
MUST_CHECK enum rc expo_lines_copy(struct expo_lines *t, const struct expo_lines *from, size_t n,
                                   struct err *err);
/* Give back what growing took in advance: layouts are many and long-lived. */
void expo_lines_fit(struct expo_lines *t);

/* Whether line i is what the bytes from p to end begin with. */
static inline bool expo_lines_begin(const struct expo_lines *t, size_t i, const char *p,
                                    const char *end)
{
    const struct expo_line *line = &t->line[i];
    const size_t n = line->key_n;

    if (n == 0 || (size_t)(end - p) < n)
        return false;
    return expo_is_series(line->id) ? memcmp(p, t->keys + line->key, n) == 0
                                    : hash_bytes(p, n, 0) == line->key;
}

/* Whether line i is these bytes, whose hash_bytes with seed 0 is at hand. */
static inline bool expo_lines_is(const struct expo_lines *t, size_t i, struct str key,
                                 uint64_t hash)
{
    const struct expo_line *line = &t->line[i];

    if (key.n == 0 || line->key_n != key.n)
        return false;
    return expo_is_series(line->id) ? memcmp(key.p, t->keys + line->key, key.n) == 0
                                    : hash == line->key;
}

/* Room for `need` entries of `size` bytes in *array, at least `first`; E_NOMEM leaves it as it
 * was. need is bounded by the caller. */
MUST_CHECK enum rc expo_grow(void **array, size_t *capacity, size_t need, size_t size, size_t first,
                             struct err *err);
