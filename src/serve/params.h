/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/verdict.h"

/* params - the query parameters of the JSON API, checked before anything is done with them
 *
 * instance=NAME, from=TIME, to=TIME (Unix seconds with decimals, or RFC 3339), limit=N. A parameter
 * that is unknown, comes twice, or is malformed is E_PARSE: one sentence that names it and the
 * form expected. Pure. Thread: any. */

enum { PARAM_INSTANCE = 1, PARAM_FROM = 2, PARAM_TO = 4, PARAM_LIMIT = 8 };
enum { PARAMS_PAIRS_MAX = 16 };

struct param_pair {
    struct str key, value; /* percent-decoded; a lone key has an empty value */
};

struct params {
    unsigned given; /* bits PARAM_x */
    char instance[INSTANCE_MAX];
    int64_t from_ms, to_ms; /* from_ms <= to_ms where both are given */
    size_t limit;           /* 1..limit_max */
};

/* allowed: bits of what this endpoint takes. */
MUST_CHECK enum rc params_parse(const struct param_pair *pairs, size_t n, unsigned allowed,
                                size_t limit_max, struct params *ret, struct err *err);
