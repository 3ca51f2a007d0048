/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "serve/accept.h"

/* exposition - a strict reader of both exposition formats, written from their specifications and
 * not from the writer under test
 *
 * Checks grammar, escapes, that families are contiguous and described before their samples, that
 * no series comes twice, and the rules on _total, _info, UNIT and # EOF. */
enum { SERIES_MAX = 4096, FAMILIES_MAX = 256 };

struct series {
    char name[128];
    char labels[1024]; /* as written between the braces */
    double value;
};

struct exposition_text {
    struct series *v; /* [SERIES_MAX] */
    size_t n;
    char error[512]; /* "" when the text is right */
};

void exposition_read(const char *text, enum exposition form, struct exposition_text *ret);
void exposition_done(struct exposition_text *e);
/* NULL when there is no such series. */
const struct series *exposition_find(const struct exposition_text *e, const char *name,
                                     const char *labels);
size_t exposition_count(const struct exposition_text *e, const char *name);
