/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/schema.h"

/* derive_program - derived features compiled to steps of a small stack machine
 *
 * Immutable once its profile is loaded; deriver (derive.h) holds the state that the steps refer to.
 */

enum {
    DERIVE_WINDOW_MAX = 4096,   /* frames of mean and std */
    DERIVE_STATE_MAX = 1 << 22, /* numbers kept by all steps together */
    DERIVE_STACK_MAX = 64,
};

enum derive_op {
    DERIVE_NUMBER,  /* number */
    DERIVE_FEATURE, /* n: its place in the frame */
    DERIVE_HOUR,
    DERIVE_WEEKDAY,
    DERIVE_CHANGE,     /* state: the value before */
    DERIVE_PER_SECOND, /* state: the value before and its time */
    DERIVE_MEAN,       /* state: the last n values */
    DERIVE_STD,
    DERIVE_ABS,
    DERIVE_NEGATE,
    DERIVE_ADD,
    DERIVE_SUB,
    DERIVE_MUL,
    DERIVE_DIV,
    DERIVE_MOD,
    DERIVE_POW,
    DERIVE_EQ,
    DERIVE_NE,
    DERIVE_LT,
    DERIVE_LE,
    DERIVE_GT,
    DERIVE_GE,
};

struct derive_step {
    enum derive_op op;
    uint32_t n;
    uint32_t state; /* first of its numbers */
    double number;
};

struct derive_program {
    struct derive_step *steps;
    uint32_t *ends; /* [n_features]: the step after each feature's last */
    size_t n_steps, n_features;
    uint32_t n_state;
    bool utc;
};

void derive_program_done(struct derive_program *p); /* a zeroed program is an empty one */

/* Append the feature that text describes in terms of known[n]. On failure the program is only
 * fit for derive_program_done. E_PARSE "column N: ...", E_LIMIT, E_NOMEM. */
MUST_CHECK enum rc derive_program_add(struct derive_program *p, struct str text,
                                      const struct feature *known, size_t n, struct err *err);
