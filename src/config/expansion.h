/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "config/config.h"

/* expansion - a value on its way from the file: with the environment put in, and no longer than any
 * key takes (private to config/). Begins zeroed. */
struct expansion {
    size_t n;
    char p[2 * CONFIG_TEXT_MAX]; /* NUL-terminated */
};

bool expansion_add(struct expansion *t, const char *p, size_t n); /* false: too long */
/* ${NAME} from the environment, $${ for a literal ${. E_CONFIG: not set, malformed, too long. s
 * ends in a NUL, as scalars do. */
MUST_CHECK enum rc expansion_expand(struct str s, struct expansion *out, struct err *err);
