/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* exposition_lines - the samples of a body by the bytes in front of their values, in order
 *
 * Private to exposition*.c. One block of bytes and one of places; zeroed at first. */

struct expo_line {
    uint32_t key_at, key_n; /* in keys: gap and key of a sample */
    uint32_t id;            /* or EXPO_UNWANTED */
    bool closed;            /* its bytes are enough to know it by */
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
/* Into t, which is empty, the first n lines of from. */
MUST_CHECK enum rc expo_lines_copy(struct expo_lines *t, const struct expo_lines *from, size_t n,
                                   struct err *err);
/* Give back what growing took in advance: layouts are many and long-lived. */
void expo_lines_fit(struct expo_lines *t);

static inline struct str expo_line_key(const struct expo_lines *t, size_t i)
{
    return (struct str){t->keys + t->line[i].key_at, t->line[i].key_n};
}

/* Room for `need` entries of `size` bytes in *array, at least `first`; E_NOMEM leaves it as it
 * was. need is bounded by the caller. */
MUST_CHECK enum rc expo_grow(void **array, size_t *capacity, size_t need, size_t size, size_t first,
                             struct err *err);
